//! A gateway as a declarative configuration of Kong's.

use serde_json::{Value as Json, json};

use super::meaning::Meaning;
use super::protocol::Path;

/// Everything.
pub(super) fn declarative(meaning: &Meaning) -> Json {
    let filters = meaning.filters.iter().map(
        |filter| json!({ "name": filter.member.filter.name, "config": filter.config.to_json() }),
    );
    let filters: Vec<Json> = filters.collect();
    let ways = meaning.protocol.ways.iter();
    // A service has one time limit: that of the slowest way, or of silence where there is none.
    let limit = ways
        .map(|way| way.idle_timeout_s.unwrap_or(way.timeout_s))
        .max();
    let limit = limit.unwrap_or_default().saturating_mul(1000);
    let paths: Vec<String> = meaning
        .protocol
        .ways
        .iter()
        .map(|way| match way.path {
            Path::Prefix(path) => path.to_owned(),
            Path::Exact(path) => format!("~{path}$"),
        })
        .collect();
    let route = json!({
        "name": meaning.name,
        "paths": paths,
        // Both are signed, and judged by rules.
        "strip_path": false,
        "preserve_host": !meaning.rewrites_host() && !meaning.protocol.signed,
    });
    let mut service = json!({
        "name": meaning.name,
        "url": format!("{}://{}", meaning.backend.scheme(), meaning.backend.authority()),
        "read_timeout": limit,
        // A second attempt would send the same signature, and may be paid for twice.
        "retries": 0,
    });
    if let Json::Object(service) = &mut service {
        if meaning.backend.tls {
            service.insert("tls_verify".into(), true.into());
        }
        service.insert("routes".into(), json!([route]));
        let chain = json!({ "name": meaning.name, "filters": filters });
        service.insert("filter_chains".into(), json!([chain]));
    }
    json!({ "_format_version": "3.0", "services": [ service ] })
}
