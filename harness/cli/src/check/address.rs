//! Whether a filter counts by an address that clients can choose.
//!
//! Without `use_remote_address`, Envoy takes the last entry of `x-forwarded-for` for the client's
//! address and shows it to filters as `source.address` (tried on 1.40): whoever sends the header
//! has a bucket of his own for every request.

use serde_json::Value as Json;

use super::entry::{flag, text};
use located_yaml::Node;

/// Path of the part of a `rate-limit` configuration that counts by such an address.
pub(super) fn believed(filter: &str, config: &Json, manager: &Node) -> Option<String> {
    let hops = config
        .pointer("/client_ip/trusted_hops")
        .and_then(Json::as_u64);
    // Without hops this one takes the last entry too.
    let any_hop = |extension: &Node| {
        let config = extension.member("typed_config");
        config.is_some_and(|config| {
            text(config, &["@type"]).is_some_and(|kind| kind.ends_with("xff.v3.XffConfig"))
                && matches!(text(config, &["xff_num_trusted_hops"]), None | Some("0"))
                && config.member("xff_trusted_cidrs").is_none()
        })
    };
    // An empty list is an absent one.
    let extensions = manager.member("original_ip_detection_extensions");
    let detected = flag(manager, &["use_remote_address"])
        || extensions.is_some_and(|found| !found.items().iter().all(any_hop));
    if filter != "rate_limit" || detected || hops.is_some_and(|hops| hops != 0) {
        return None;
    }
    let policies = config.get("policies").and_then(Json::as_array);
    policies
        .into_iter()
        .flatten()
        .enumerate()
        .find_map(|(policy, written)| {
            let parts = written.get("by").and_then(Json::as_array);
            let part = parts
                .into_iter()
                .flatten()
                .position(|part| part.as_str() == Some("ip"))?;
            Some(format!("policies[{policy}].by[{part}]"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(filter: &str, config: &str, manager: &str) -> Option<String> {
        believed(
            filter,
            &Node::parse(config).unwrap().to_json(),
            &Node::parse(manager).unwrap(),
        )
    }

    #[test]
    fn only_an_address_that_clients_choose_is_reported() {
        let by_ip = "{policies: [{name: a, by: [consumer]}, {name: b, by: [route, ip]}]}";
        let found = Some("policies[1].by[1]".to_owned());
        let hops = "{client_ip: {trusted_hops: 1}, policies: [{by: [ip]}]}";
        for (filter, config, manager, want) in [
            ("rate_limit", by_ip, "{http_filters: []}", found.clone()),
            (
                "rate_limit",
                by_ip,
                "{use_remote_address: false}",
                found.clone(),
            ),
            ("rate_limit", by_ip, "{use_remote_address: true}", None),
            (
                "rate_limit",
                by_ip,
                "{original_ip_detection_extensions: []}",
                found,
            ),
            ("rate_limit", hops, "{http_filters: []}", None),
            (
                "rate_limit",
                "{policies: [{by: [{header: ip}]}]}",
                "{http_filters: []}",
                None,
            ),
            ("consumer_acl", by_ip, "{http_filters: []}", None),
        ] {
            assert_eq!(
                path(filter, config, manager),
                want,
                "{filter} {config} {manager}"
            );
        }
    }
}
