//! `aws_request_signing` as aws-sigv4.

use modelgate_kit::config::Problem;
use serde_json::Map;

use super::super::ledger::{At, Obstacle, Try};
use super::File;
use super::beside::Beside;
use super::credentials::Providers;
use super::paths::only;
use super::routes;
use super::translation::{Translation, none_of};
use crate::check::refused;

/// Translates the filter.
pub fn translate(
    config: &At<'_>,
    manager: &At<'_>,
    name: &str,
    file: &File<'_>,
) -> Try<Translation> {
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
    let region = config.text_of("region").filter(|region| !region.is_empty());
    let region = region.ok_or_else(|| {
        config
            .obstacle("it has no region: Envoy finds one in files and variables that are not here")
    })?;
    base.insert("region".into(), region.as_str().into());
    if let Some(host) = config
        .text_of("host_rewrite")
        .filter(|host| !host.is_empty())
    {
        base.insert("host".into(), host.into());
    }
    if config.flag_of("use_unsigned_payload") == Some(true) {
        base.insert("payload".into(), "unsigned".into());
    }
    let mut providers = Providers {
        region: &region,
        takes_clusters: file.is_bootstrap,
        beside: Beside::default(),
    };
    if let Some(credentials) = providers.read(config)? {
        base.insert("credentials".into(), credentials);
    }
    config.changed_note(
        "aws_request_signing",
        "a fixed list of headers is signed; `x-amzn-*` headers of clients and paths that can be read in two ways are refused unless they are allowed",
    );
    let mut translation = Translation::new("aws-sigv4", base);
    translation.beside = providers.beside;
    match refused(translation.krate, &translation.config()).first() {
        None => Ok(translation),
        Some(problem) => Err(obstacle(config, problem)),
    }
}

/// What aws-sigv4 refuses, in the words of Envoy's filter.
fn obstacle(config: &At<'_>, problem: &Problem) -> Obstacle {
    let unsigned = config.get("use_unsigned_payload");
    match (problem.path.as_str(), unsigned) {
        ("payload", Some(unsigned)) => {
            let service = config.text_of("service_name").unwrap_or_default();
            unsigned.obstacle(format!(
                "use_unsigned_payload: {service} takes no unsigned body. Take it out, so that the body is signed (it is held until it is whole), and import again"
            ))
        }
        (path, _) => config.obstacle(format!(
            "aws-sigv4 would refuse it: {path} {}; {}",
            problem.problem, problem.hint
        )),
    }
}
