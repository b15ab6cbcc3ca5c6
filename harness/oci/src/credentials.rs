//! Who one is to a registry: from the environment, else from where docker and podman keep it.
//!
//! Passwords are held in [`Secret`], which shows nothing of itself, and are handed to the registry
//! (and to the server that the registry names for tokens) and to nobody else.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;

/// The variables that come before everything else; both or none.
pub const USER_VARIABLE: &str = "MODELGATE_REGISTRY_USER";
/// See [`USER_VARIABLE`].
pub const PASSWORD_VARIABLE: &str = "MODELGATE_REGISTRY_PASSWORD";

/// Docker Hub's name in docker's own file.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Name and password, and where they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or an access token in its place.
    pub password: Secret,
    /// Where they were found, for messages.
    pub origin: String,
}

impl Credentials {
    /// Those for a registry; nothing where none are kept, and one is anybody. `ask` runs a helper
    /// program.
    ///
    /// # Errors
    /// If what is kept cannot be read: to go on as anybody would only give a riddle.
    pub fn find(registry: &str, ask: Ask) -> Result<Option<Self>> {
        if let Some(found) = from_environment(
            env::var(USER_VARIABLE).ok(),
            env::var(PASSWORD_VARIABLE).ok(),
        )? {
            return Ok(Some(found));
        }
        for file in files() {
            let Ok(text) = std::fs::read_to_string(&file) else {
                continue;
            };
            let name = file.display().to_string();
            let found = from_file(&text, registry, &name, ask);
            if let Some(found) = found.with_context(|| name.clone())? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn from_environment(user: Option<String>, password: Option<String>) -> Result<Option<Credentials>> {
    let set = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (set(user), set(password)) {
        (Some(user), Some(password)) => Ok(Some(Credentials {
            user,
            password: Secret(password),
            origin: format!("{USER_VARIABLE} and {PASSWORD_VARIABLE}"),
        })),
        (None, None) => Ok(None),
        _ => bail!("{USER_VARIABLE} and {PASSWORD_VARIABLE}: only one of them is set"),
    }
}

/// Where credentials are kept: podman's files (containers-auth.json(5)), then docker's.
fn files() -> Vec<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let folder =
        |name: &str, below: &str| variable(name).map(|folder| Path::new(&folder).join(below));
    let home = |below: &str| env::home_dir().map(|home| home.join(below));
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file.into()];
    }
    if let Some(file) = folder("DOCKER_CONFIG", "config.json") {
        return vec![file];
    }
    [
        folder("XDG_RUNTIME_DIR", "containers/auth.json"),
        folder("XDG_CONFIG_HOME", "containers/auth.json")
            .or_else(|| home(".config/containers/auth.json")),
        home(".docker/config.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Asks the program `docker-credential-HELPER` for name and password at a server.
pub type Ask<'a> = &'a dyn Fn(&str, &str) -> Result<Option<(String, String)>>;

fn from_file(text: &str, registry: &str, file: &str, ask: Ask) -> Result<Option<Credentials>> {
    let config: Json = serde_json::from_str(text).context("is not JSON")?;
    let names = names(registry);
    let helper = names.iter().find_map(|name| {
        let helper = config.get("credHelpers")?.get(name)?.as_str();
        helper.map(|helper| (helper, name.as_str()))
    });
    let credentials = |(user, password): (String, String), origin: String| Credentials {
        user,
        password: Secret(password),
        origin,
    };
    if let Some((helper, name)) = helper {
        let found = ask(helper, name)?;
        let origin = format!("docker-credential-{helper}");
        return Ok(found.map(|found| credentials(found, origin)));
    }
    let entry = names.iter().find_map(|name| config.get("auths")?.get(name));
    if let Some(entry) = entry
        && let Some(found) = from_entry(entry)?
    {
        return Ok(Some(credentials(found, file.to_owned())));
    }
    // The store has an entry for those that one has logged in to, and docker asks it for all.
    if let Some(store) = config.get("credsStore").and_then(Json::as_str) {
        for name in &names {
            if let Some(found) = ask(store, name)? {
                return Ok(Some(credentials(
                    found,
                    format!("docker-credential-{store}"),
                )));
            }
        }
    }
    Ok(None)
}

/// The names that a registry's entry may have.
fn names(registry: &str) -> Vec<String> {
    let mut names = vec![registry.to_owned(), format!("https://{registry}")];
    if ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&registry) {
        names.insert(0, DOCKER_HUB.to_owned());
        names.push("docker.io".to_owned());
        names.push("index.docker.io".to_owned());
    }
    names
}

/// What stands in the file itself: `auth`, base64 of `user:password`.
fn from_entry(entry: &Json) -> Result<Option<(String, String)>> {
    let text = |name: &str| {
        entry
            .get(name)
            .and_then(Json::as_str)
            .filter(|text| !text.is_empty())
    };
    ensure!(
        text("identitytoken").is_none(),
        "has an identity token, which is not understood: log in with a user and an access token, or set {USER_VARIABLE} and {PASSWORD_VARIABLE}"
    );
    if let Some(auth) = text("auth") {
        let decoded = BASE64_STANDARD.decode(auth).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.context("has an `auth` that is not base64 of a text")?;
        let pair = decoded.split_once(':');
        let (user, password) = pair.context("has an `auth` without a colon")?;
        return Ok(Some((
            user.to_owned(),
            password.trim_end_matches('\0').to_owned(),
        )));
    }
    let pair = text("username").zip(text("password"));
    Ok(pair.map(|(user, password)| (user.to_owned(), password.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(_: &str, _: &str) -> Result<Option<(String, String)>> {
        Ok(None)
    }

    fn found(config: &str, registry: &str) -> Option<(String, String)> {
        let found = from_file(config, registry, "config.json", &nobody).unwrap();
        found.map(|found| (found.user, found.password.0))
    }

    fn pair(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[test]
    fn docker_and_podman_keep_user_and_password_in_one_text() {
        // base64 of `me:a:b`.
        let config = r#"{"auths":{"r.example:5000":{"auth":"bWU6YTpi"},"https://ghcr.io":{"username":"u","password":"p"}}}"#;
        assert_eq!(found(config, "r.example:5000"), pair("me", "a:b"));
        assert_eq!(found(config, "ghcr.io"), pair("u", "p"));
        assert_eq!(found(config, "r.example"), None);
        assert_eq!(found("{}", "ghcr.io"), None);
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6YTpi"}}}"#;
        assert_eq!(found(hub, "docker.io"), pair("me", "a:b"));
    }

    #[test]
    fn a_helper_for_the_registry_comes_before_the_store_for_all() {
        let ask = |helper: &str, server: &str| Ok(pair(helper, server));
        let config =
            r#"{"credHelpers":{"a.example":"one"},"credsStore":"all","auths":{"c.example":{}}}"#;
        let of = |registry| {
            let found = from_file(config, registry, "f", &ask).unwrap().unwrap();
            (found.user, found.password.0, found.origin)
        };
        let wanted = |helper: &str, server: &str| {
            let origin = format!("docker-credential-{helper}");
            (helper.to_owned(), server.to_owned(), origin)
        };
        assert_eq!(of("a.example"), wanted("one", "a.example"));
        assert_eq!(of("b.example"), wanted("all", "b.example"));
        assert_eq!(of("c.example"), wanted("all", "c.example"));
    }

    #[test]
    fn what_is_not_understood_is_said_without_showing_it() {
        for config in [
            "{",
            r#"{"auths":{"r":{"auth":"%%%geheim"}}}"#,
            // base64 of `geheim`.
            r#"{"auths":{"r":{"auth":"Z2VoZWlt"}}}"#,
            r#"{"auths":{"r":{"identitytoken":"geheim","auth":"bWU6"}}}"#,
        ] {
            let error = from_file(config, "r", "f", &nobody).unwrap_err();
            let error = format!("{error:#}");
            assert!(
                !error.contains("geheim") && !error.contains("Z2V"),
                "{error}"
            );
        }
        assert!(from_environment(Some("me".into()), None).is_err());
        assert!(from_environment(None, Some("geheim".into())).is_err());
        let found = from_environment(Some("me".into()), Some("geheim".into()));
        assert!(!format!("{:?}", found.unwrap().unwrap()).contains("geheim"));
    }
}
