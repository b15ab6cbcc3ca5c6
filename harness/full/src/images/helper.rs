//! Credential helpers: `docker-credential-HELPER get` (docker/docker-credential-helpers).
//!
//! What a helper says is never shown: a password may be in it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use modelgate_oci::{PASSWORD_VARIABLE, USER_VARIABLE};
use serde_json::Value as Json;

/// Name and password at a server, by this helper.
///
/// # Errors
/// If there is no such helper, or it does not work.
pub(super) fn ask(helper: &str, server: &str) -> Result<Option<(String, String)>> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ensure!(
        !helper.is_empty() && helper.chars().all(good),
        "names a credential helper that is none"
    );
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("names {program}, which does not start"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not listen has ended, and its exit status says more.
        let _ = stdin.write_all(server.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        // Its words for: there are none (credentials/error.go).
        if said.contains("credentials not found") {
            return Ok(None);
        }
        bail!("{program} get has failed ({})", output.status);
    }
    let said: Json = serde_json::from_slice(&output.stdout)
        .map_err(|_| anyhow::anyhow!("{program} get says what is not JSON"))?;
    let text = |name: &str| {
        said.get(name)
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (user, password) = (text("Username"), text("Secret"));
    ensure!(
        user != "<token>",
        "{program} has an identity token, which is not understood: set {USER_VARIABLE} and {PASSWORD_VARIABLE}"
    );
    Ok((!user.is_empty()).then_some((user, password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_a_name_and_no_path() {
        for helper in ["", "../x", "a/b", "a b", "a;b"] {
            assert!(ask(helper, "r").is_err(), "{helper}");
        }
        let error = ask("modelgate-none", "r").unwrap_err().to_string();
        assert!(error.contains("does not start"), "{error}");
    }
}
