//! What turns the parts of metric names into labels: proxy-wasm metrics have none.

use modelgate_kit::metrics;

use crate::SUITE;

/// The parts of metric names that are labels: the kit's, then the filters' in the order of the
/// chain.
pub(crate) fn tags() -> Vec<&'static str> {
    let of_filters = SUITE.filters().iter().flat_map(|member| member.filter.tags);
    let mut tags: Vec<&str> = Vec::new();
    for tag in metrics::TAGS.iter().chain(of_filters) {
        if !tags.contains(tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Envoy's `stats_config` that turns the parts of our metric names into labels.
pub(crate) fn stats_config() -> String {
    let mut text = String::from("stats_config:\n  stats_tags:\n");
    // One family for all filters:
    // `modelgate_build_info{modelgate_filter="jwt_auth",modelgate_version="0_1_0"} 1`.
    text.push_str("  - { tag_name: modelgate.filter, regex: '^wasmcustom\\.modelgate(\\.([a-z0-9_]+))\\.version_[a-z0-9_]+\\.build_info$' }\n");
    for tag in tags() {
        text.push_str(&format!("  - {{ tag_name: modelgate.{tag}, regex: '^wasmcustom\\.modelgate\\.[a-z0-9_]+(?:\\.[a-z0-9_]+)*?(\\.{tag}_([a-z0-9_]+))\\.' }}\n"));
    }
    text
}
