//! What changes a request after aws-sigv4 has signed it.

use serde_json::Value as Json;

use super::chain::{Chain, View, plans};
use super::codes;
use super::entry::{node, text};
use super::files::Sink;
use super::finding::Finding;
use located_yaml::Node;

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
    let signed = |name: &Node| is_signed(name.text().unwrap_or_default(), &plans);
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
        let told = plans.iter().all(|plan| match key.text.as_str() {
            "host_rewrite_literal" => told(plan, "host") == value.text(),
            "prefix_rewrite" => {
                let stripped = told(plan, "strip_path_prefix").unwrap_or_default();
                strips(view, stripped, value.text().unwrap_or_default())
            }
            _ => false,
        });
        if by_route && told {
            continue;
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
    // What the filter was told of, and the route does not do.
    for (option, rewrites) in [
        ("host", REWRITES.get(..5)),
        ("strip_path_prefix", REWRITES.get(5..)),
    ] {
        let wanted = plans.iter().any(|plan| told(plan, option).is_some());
        let done = rewrites
            .unwrap_or_default()
            .iter()
            .any(|rewrite| action.member(rewrite).is_some() || nearest.member(rewrite).is_some());
        if by_route && wanted && !done {
            let problem = format!(
                "aws-sigv4 signs a request that this route does not make: it has `{option}` and `\"rewritten_by\": \"route\"`, and nothing here rewrites"
            );
            let hint = "write `host_rewrite_literal` (`prefix_rewrite`) with the same value in the route, or leave `rewritten_by` out";
            add(&codes::CHANGED, view.place, problem, hint);
        }
    }
    let follows = |key: &str| {
        let written = action.member(key)?;
        (written.text() != Some("PASS_THROUGH_INTERNAL_REDIRECT")).then_some(written.place)
    };
    for key in ["internal_redirect_policy", "internal_redirect_action"] {
        if let Some(place) = follows(key) {
            let problem =
                format!("`{key}` has a signed request sent once more, to where the upstream says");
            let hint = "remove it: the second pass through the filters finds our signature where the caller's credential was";
            add(&codes::CHANGED, place, problem, hint);
        }
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
        for name in names.filter(|name| signed(name)) {
            changed.push((view.file, view.name.as_str(), name));
        }
    }
    // Filters of Envoy's own behind it.
    let behind = chain.slots.iter().skip(chain.position(signer.slot));
    for slot in behind.filter(|slot| view.runs(slot)) {
        let own = slot
            .node
            .member("typed_config")
            .map(|own| (chain.file, own));
        let of_routes = view
            .configs_of(&slot.name)
            .map(|config| (view.file, config));
        for (file, config) in own.into_iter().chain(of_routes) {
            let mutations = node(config, &["mutations", "request_mutations"]).map(Node::items);
            let names = mutations.unwrap_or_default().iter().filter_map(|mutation| {
                node(mutation, &["append", "header", "key"]).or_else(|| mutation.member("remove"))
            });
            for name in names.filter(|name| signed(name)) {
                changed.push((file, slot.name.as_str(), name));
            }
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

/// A text of aws-sigv4's configuration.
fn told<'p>(plan: &'p Json, option: &str) -> Option<&'p str> {
    plan.get(option).and_then(Json::as_str)
}

/// Whether a route's `prefix_rewrite` takes this prefix off and does nothing else. Where it is not
/// a prefix that is rewritten it may.
fn strips(view: &View<'_>, stripped: &str, rewrite: &str) -> bool {
    let matched = view
        .route
        .member("match")
        .and_then(|found| text(found, &["prefix"]));
    let left = matched.map(|prefix| prefix.strip_prefix(stripped));
    left.is_none_or(|left| left == Some(rewrite) || (left == Some("") && rewrite == "/"))
}

/// Whether aws-sigv4 signs a header of this name.
pub(super) fn is_signed(name: &str, plans: &[Json]) -> bool {
    let header = name.to_ascii_lowercase();
    let further = plans.iter().any(|plan| {
        let listed = plan.get("signed_headers").and_then(Json::as_array);
        let mut listed = listed.into_iter().flatten().filter_map(Json::as_str);
        listed.any(|signed| signed.eq_ignore_ascii_case(&header))
    });
    if further {
        return true;
    }
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

fn added_headers(level: &Node) -> &[Node] {
    level
        .member("request_headers_to_add")
        .map(Node::items)
        .unwrap_or_default()
}
