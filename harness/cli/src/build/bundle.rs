//! A bundle of chosen filters: `modelgate.wasm` with those that a gateway's chain lists, and no
//! others. What is not in it is neither compiled when a proxy starts, nor kept in its memory, and
//! the proxy does not enter it for a part of a message that none of its filters looks at.
//!
//! It lies apart from the bundle of all filters, `target/modelgate/bundle/modelgate.wasm`, and its
//! form for nginx in `nginx/` beside it.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{
    Artifact, Profile, TARGET, Workspace, artifact, compile, compiled, ensure_target, lane_folder,
    path_flags, put, second_host,
};
use crate::SUITE;
use modelgate_kit::filter::Callbacks;
use modelgate_scenario::catalogue::file_name;

/// The crates of the filters that are named (as crate or filter: `jwt-auth`, `jwt_auth`), in the
/// order of the chain, each once.
///
/// # Errors
/// If none is named, or one that the suite does not have.
pub fn chosen(names: &[String]) -> Result<Vec<&'static str>> {
    ensure!(!names.is_empty(), "name at least one filter");
    for name in names {
        let known = || SUITE.crates().collect::<Vec<_>>().join(", ");
        SUITE
            .member(name)
            .with_context(|| format!("{name} is none of: {}", known()))?;
    }
    let is_named = |krate: &&str| names.iter().any(|name| name.replace('_', "-") == **krate);
    Ok(SUITE.crates().filter(is_named).collect())
}

/// Builds the bundle of the filters with these crate names.
///
/// # Errors
/// As [`build`](super::build).
pub fn build(workspace: &Workspace, crates: &[&str], profile: Profile) -> Result<Artifact> {
    ensure_target(workspace)?;
    let flags = path_flags(workspace, TARGET)?;
    let name = SUITE.bundle();
    // Not where the bundle of all filters is compiled: cargo gives both the same file, and takes
    // one that is there for the one that it made last with the same features.
    let target = lane_folder(workspace, 1);
    let left = compiled(&target, profile)
        .join("deps")
        .join(file_name(name));
    if left.exists() {
        fs::remove_file(&left).with_context(|| format!("removing {}", left.display()))?;
    }
    let built = compile(workspace, &target, name, Some(crates), profile, &flags)?;
    let wasm = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let wasm = second_host::without_exports(&wasm, &unheard(crates))
        .with_context(|| format!("rewriting {}", built.display()))?;
    let folder = workspace.target.join("modelgate/bundle");
    let path = folder.join(file_name(name));
    put(&path, &wasm)?;
    let complete =
        second_host::complete(&wasm).with_context(|| format!("completing {}", built.display()))?;
    put(&folder.join("nginx").join(file_name(name)), &complete)?;
    artifact(name, path, &wasm)
}

/// The callbacks that none of these filters needs: each is an entry into the module for every
/// request that passes. A chain always ticks, to tell what its filters have counted.
fn unheard(crates: &[&str]) -> Vec<&'static str> {
    let members = crates.iter().filter_map(|krate| SUITE.member(krate));
    let needed = members
        .map(|member| Callbacks::of(&member.filter.needs))
        .fold(Callbacks::NONE, Callbacks::and);
    [
        ("proxy_on_request_body", needed.request_body),
        ("proxy_on_request_trailers", needed.hears_request_trailers()),
        ("proxy_on_response_headers", needed.response_headers),
        ("proxy_on_response_body", needed.response_body),
        (
            "proxy_on_response_trailers",
            needed.hears_response_trailers(),
        ),
        ("proxy_on_http_call_response", needed.answers),
        ("proxy_on_log", needed.end),
    ]
    .into_iter()
    .filter(|(_, is_needed)| !is_needed)
    .map(|(name, _)| name)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_that_one_filter_needs_stays() {
        assert!(unheard(&["key-auth", "audit-log"]).contains(&"proxy_on_response_body"));
        assert!(!unheard(&["key-auth", "audit-log"]).contains(&"proxy_on_log"));
        let all: Vec<_> = SUITE.crates().collect();
        assert!(unheard(&all).is_empty());
    }

    #[test]
    fn filters_are_chosen_by_crate_or_filter_in_the_order_of_the_chain() {
        let names = ["rate_limit", "jwt-auth", "rate-limit"].map(str::to_owned);
        assert_eq!(chosen(&names).unwrap(), ["jwt-auth", "rate-limit"]);
        let error = chosen(&["jwt".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("jwt is none of: audit-log, "), "{error}");
        assert!(chosen(&["modelgate".to_owned()]).is_err());
        assert!(chosen(&[]).is_err());
    }
}
