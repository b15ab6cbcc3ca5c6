//! `aws_request_signing` as aws-sigv4.

use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::paths::only;
use super::routes;
use super::translation::{Translation, none_of};

/// Translates the filter.
pub fn translate(config: &At<'_>, manager: &At<'_>, name: &str) -> Try<Translation> {
    if let Some(own) = routes::own(manager, name)?.first() {
        return Err(own.config.obstacle("routes sign for different services"));
    }
    none_of(
        config,
        &[
            (
                "signing_algorithm",
                "Envoy takes the regions of a signature of version 4A from `region`; write `algorithm: sigv4a` and `region_set`",
            ),
            (
                "query_string",
                "write `signature_in: query`, and `expires_s` with whole seconds",
            ),
            (
                "match_excluded_headers",
                "aws-sigv4 signs a list of headers of its own",
            ),
            (
                "match_included_headers",
                "aws-sigv4 signs a list of headers of its own",
            ),
        ],
    )
    .or_else(
        |found| match config.text_of("signing_algorithm").as_deref() {
            Some("AWS_SIGV4") => Ok(()),
            _ => Err(found),
        },
    )?;
    only(
        config,
        &[
            "signing_algorithm",
            "service_name",
            "region",
            "host_rewrite",
            "use_unsigned_payload",
            "credential_provider",
        ],
    )?;
    let mut base = Map::new();
    let service = config.text_of("service_name").unwrap_or_default();
    base.insert("service".into(), service.into());
    match config.text_of("region") {
        Some(region) if !region.is_empty() => {
            base.insert("region".into(), region.into());
        }
        _ => {
            return Err(config.obstacle(
                "it has no region: Envoy finds one in files and variables that are not here",
            ));
        }
    }
    if let Some(host) = config
        .text_of("host_rewrite")
        .filter(|host| !host.is_empty())
    {
        base.insert("host".into(), host.into());
    }
    if config.flag_of("use_unsigned_payload") == Some(true) {
        base.insert("payload".into(), "unsigned".into());
    }
    if let Some(credentials) = credentials(config)? {
        base.insert("credentials".into(), credentials);
    }
    config.changed_note(
        "aws_request_signing",
        "a fixed list of headers is signed; `x-amzn-*` headers of clients and paths that can be read in two ways are refused unless they are allowed",
    );
    Ok(Translation::new("aws-sigv4", base))
}

/// Where the access key comes from; nothing stands for the usual variables.
fn credentials(config: &At<'_>) -> Try<Option<Json>> {
    let elsewhere = "Envoy connects to roles and metadata services by itself; aws-sigv4 asks them through clusters, which are not in this file: write `credentials` and the clusters";
    let at = config
        .get("credential_provider")
        .ok_or_else(|| config.obstacle(elsewhere))?;
    only(
        &at,
        &[
            "inline_credential",
            "environment_credential_provider",
            "custom_credential_provider_chain",
        ],
    )?;
    if let Some(inline) = at.get("inline_credential") {
        only(
            &inline,
            &["access_key_id", "secret_access_key", "session_token"],
        )?;
        let mut written = json!({});
        for (member, variable) in [
            ("access_key_id", "AWS_ACCESS_KEY_ID"),
            ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
            ("session_token", "AWS_SESSION_TOKEN"),
        ] {
            let Some(secret) = inline.get(member) else {
                continue;
            };
            secret.swallow();
            let holds = format!("{member} of inline_credential");
            let name = config.ledger().variable(variable, &holds, &secret);
            crate::gateway::put(&mut written, member, json!({ "env": name }));
        }
        inline.changed(
            "inline_credential",
            "the access key is read from variables of the environment; it is not in the new file",
        );
        return Ok(Some(written));
    }
    let is_alone = at.flag_of("custom_credential_provider_chain") == Some(true);
    match at.get("environment_credential_provider") {
        Some(found) if is_alone => {
            found.swallow();
            Ok(None)
        }
        _ => Err(at.obstacle(elsewhere)),
    }
}
