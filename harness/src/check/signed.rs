//! What changes a request after aws-sigv4 has signed it.

use super::chain::{Chain, View, plans};
use super::codes;
use super::entry::node;
use super::files::Sink;
use super::finding::Finding;
use super::signer::added_headers;
use crate::yaml::Node;

/// Changes to a request after it was signed.
pub(super) fn check(chain: &Chain<'_>, view: &View<'_>, sink: &mut Sink<'_>) {
    let signer = chain
        .ours()
        .into_iter()
        .find(|ours| ours.part.name() == "aws_sigv4" && view.runs(ours.slot));
    let Some(signer) = signer else { return };
    let plans = plans(&signer, Some(view));
    let by_route = plans
        .iter()
        .all(|plan| plan.get("rewritten_by").and_then(|value| value.as_str()) == Some("route"));
    let action = view.route.member("route").unwrap_or(view.route);
    const REWRITES: [&str; 9] = [
        "host_rewrite_literal",
        "auto_host_rewrite",
        "host_rewrite_header",
        "host_rewrite_path_regex",
        "host_rewrite",
        "prefix_rewrite",
        "regex_rewrite",
        "path_rewrite",
        "path_rewrite_policy",
    ];
    let mut add = |code, place, problem: String, hint: &str| {
        sink.add(
            view.file,
            Finding::new(code, place, &view.name, problem, hint),
        );
    };
    let mut changed = Vec::new();
    let nearest = view.levels.first().copied().unwrap_or(action);
    for (key, value) in action.members().iter().chain(
        nearest
            .members()
            .iter()
            .filter(|_| nearest.member("weight").is_some()),
    ) {
        if !REWRITES.contains(&key.text.as_str()) || value.text() == Some("false") {
            continue;
        }
        // Literal rewrites that the filter was told of are what it signs.
        if by_route && matches!(key.text.as_str(), "host_rewrite_literal" | "prefix_rewrite") {
            let told = plans.iter().all(|plan| {
                let host = plan.get("host").and_then(|host| host.as_str());
                key.text != "host_rewrite_literal" || host == value.text()
            });
            if told {
                continue;
            }
        }
        add(
            &codes::CHANGED,
            key.place,
            format!(
                "`{}` changes the request after aws-sigv4 has signed it",
                key.text
            ),
            "remove it: write `host` and `strip_path_prefix` in aws-sigv4; or `\"rewritten_by\": \"route\"` with the same values there",
        );
    }
    for level in &view.levels {
        if level.member("retry_policy").is_some()
            || node(level, &["route", "retry_policy"]).is_some()
        {
            let policy = level
                .member("retry_policy")
                .or_else(|| node(level, &["route", "retry_policy"]));
            add(
                &codes::RETRIED,
                policy.unwrap_or(level).place,
                "a retry repeats the signature, and an inference that may have been paid for"
                    .to_owned(),
                "remove it, or allow it where every call may be repeated within five minutes",
            );
        }
        let removed = level.member("request_headers_to_remove").map(Node::items);
        let names = added_headers(level)
            .iter()
            .filter_map(|added| node(added, &["header", "key"]))
            .chain(removed.unwrap_or_default());
        for name in names.filter(|name| is_signed(name)) {
            changed.push((view.file, view.name.as_str(), name));
        }
    }
    // Filters of Envoy's own behind it.
    let behind = chain.slots.iter().skip(chain.position(signer.slot));
    for slot in behind.filter(|slot| view.runs(slot)) {
        let path = ["typed_config", "mutations", "request_mutations"];
        let mutations = node(slot.node, &path).map(Node::items).unwrap_or_default();
        let names = mutations.iter().filter_map(|mutation| {
            node(mutation, &["append", "header", "key"]).or_else(|| mutation.member("remove"))
        });
        for name in names.filter(|name| is_signed(name)) {
            changed.push((chain.file, slot.name.as_str(), name));
        }
    }
    for (file, by, name) in changed {
        let header = name.text().unwrap_or_default();
        let problem = format!("the header {header} is changed after aws-sigv4 has signed it");
        let hint = "let aws-sigv4 set it (`set_headers`), or change it in a filter before";
        sink.add(
            file,
            Finding::new(&codes::CHANGED, name.place, by, problem, hint),
        );
    }
}

/// Whether aws-sigv4 signs a header of this name.
fn is_signed(name: &Node) -> bool {
    let header = name.text().unwrap_or_default().to_ascii_lowercase();
    matches!(
        header.as_str(),
        "host"
            | ":authority"
            | ":path"
            | "authorization"
            | "content-type"
            | "content-md5"
            | "accept"
    ) || header.starts_with("x-amz-")
        || (header.starts_with("x-amzn-") && header != "x-amzn-trace-id")
}
