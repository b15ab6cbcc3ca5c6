//! Whether a filter counts by an address that clients can choose.
//!
//! Without `use_remote_address`, Envoy takes the last entry of `x-forwarded-for` for the client's address and shows it to filters as
//! `source.address` (tried on 1.40): whoever sends the header has a bucket of his own for every request.

use crate::yaml::Node;

/// Path of the part of a `rate-limit` configuration that counts by such an address.
pub(super) fn believed(filter: &str, config: &Node, manager: &Node) -> Option<String> {
    let text = |node: Option<&Node>| node.and_then(Node::text).map(str::to_owned);
    let hops = config
        .member("client_ip")
        .and_then(|client| text(client.member("trusted_hops")));
    let detected = text(manager.member("use_remote_address")).as_deref() == Some("true")
        || manager.member("original_ip_detection_extensions").is_some();
    if filter != "rate_limit" || detected || hops.is_some_and(|hops| hops != "0") {
        return None;
    }
    let policies = config
        .member("policies")
        .map(Node::items)
        .unwrap_or_default();
    policies.iter().enumerate().find_map(|(policy, node)| {
        let parts = node.member("by").map(Node::items).unwrap_or_default();
        let part = parts.iter().position(|part| part.text() == Some("ip"))?;
        Some(format!("policies[{policy}].by[{part}]"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(filter: &str, config: &str, manager: &str) -> Option<String> {
        believed(
            filter,
            &Node::parse(config).unwrap(),
            &Node::parse(manager).unwrap(),
        )
    }

    #[test]
    fn only_an_address_that_clients_choose_is_reported() {
        let by_ip = "{policies: [{name: a, by: [consumer]}, {name: b, by: [route, ip]}]}";
        assert_eq!(
            path("rate_limit", by_ip, "{http_filters: []}").as_deref(),
            Some("policies[1].by[1]")
        );
        assert_eq!(
            path("rate_limit", by_ip, "{use_remote_address: false}").as_deref(),
            Some("policies[1].by[1]")
        );
        assert_eq!(
            path("rate_limit", by_ip, "{use_remote_address: true}"),
            None
        );
        assert_eq!(
            path(
                "rate_limit",
                by_ip,
                "{original_ip_detection_extensions: []}"
            ),
            None
        );
        assert_eq!(
            path(
                "rate_limit",
                "{client_ip: {trusted_hops: 1}, policies: [{by: [ip]}]}",
                "{http_filters: []}"
            ),
            None
        );
        assert_eq!(
            path(
                "rate_limit",
                "{policies: [{by: [{header: ip}]}]}",
                "{http_filters: []}"
            ),
            None
        );
        assert_eq!(path("consumer_acl", by_ip, "{http_filters: []}"), None);
    }
}
