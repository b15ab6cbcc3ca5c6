//! What is checked of a chain: the order of its filters, the routes that switch them, and the
//! settings of Envoy's that they rest on.

use std::collections::BTreeSet;

use modelgate_kit::config::strict::nearest;
use serde_json::Value as Json;

use super::address;
use super::buffers;
use super::chain::{Chain, Ours, all_plans};
use super::codes::{self, Severity};
use super::entry::{Entry, Form, Runs, Slot, What, flag, node, ours, text};
use super::files::Sink;
use super::finding::Finding;
use super::metadata;
use super::native;
use super::settings::names;
use located_yaml::Node;

/// Everything of this kind in a chain.
pub(super) fn check(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    unreadable(chain, sink);
    optional(chain, sink);
    let entries = chain.entries();
    if entries.is_empty() {
        return;
    }
    if chain.nested {
        for entry in &entries {
            let problem =
                "it stands inside of another filter, which decides for which requests it runs";
            let hint = "put it into `http_filters` itself; what differs by route is a profile";
            let finding =
                Finding::new(&codes::NESTED, entry.node.place, &entry.name, problem, hint);
            sink.add(entry.file, finding);
        }
        return;
    }
    order(&entries, sink);
    facts(&entries, sink);
    twice(chain, sink);
    // Routes are written for the connection manager's own chain.
    if !chain.upgrade {
        route_keys(chain, sink);
        disabled(chain, sink);
    }
    profiles(chain, sink);
    metadata::check(chain, sink);
    native::check(chain, sink);
    buffers::check(chain, sink);
    if chain.has_manager() {
        addresses(chain, sink);
        router(chain, sink);
        manager(chain, sink);
    }
}

/// An entry that the proxy may leave out.
fn optional(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    for slot in &chain.slots {
        let (Some(place), false) = (slot.optional, matches!(slot.what, What::Other(_))) else {
            continue;
        };
        let finding = Finding::new(
            &codes::FAILS_OPEN,
            place,
            &slot.name,
            "an Envoy that cannot run it leaves it out in silence, and requests pass unfiltered",
            "leave `is_optional` out: such an Envoy then refuses the configuration",
        );
        sink.add(chain.file, finding);
    }
}

fn unreadable(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    for slot in &chain.slots {
        let finding = match &slot.what {
            What::Unreadable(problem, hint, place) => Finding::new(
                &codes::UNREADABLE_ENTRY,
                *place,
                &slot.name,
                format!("it looks like a filter of the suite, and cannot be read: {problem}"),
                hint.clone(),
            ),
            What::Elsewhere if ours(&slot.name) => Finding::new(
                &codes::NOT_READ,
                slot.node.place,
                &slot.name,
                "its configuration arrives by discovery, and was not read",
                "check the file or resource that holds it too",
            ),
            _ => continue,
        };
        sink.add(chain.file, finding);
    }
}

/// A filter that must see what a later one leaves, or must not see what an earlier one lets pass,
/// is in the wrong place. The order inside an entry is a matter of its configuration.
fn order(entries: &[&Entry<'_>], sink: &mut Sink<'_>) {
    for (at, later) in entries.iter().enumerate() {
        for part in later.parts() {
            let mut before = entries.iter().take(at).rev();
            let earlier = before.find_map(|entry| {
                let mut parts = entry.parts().into_iter().rev();
                let wrong = parts.find(|earlier| {
                    earlier.member.filter.needs.order > part.member.filter.needs.order
                })?;
                Some(entry.called(&wrong))
            });
            let Some(earlier) = earlier else { continue };
            let problem = format!("{} must stand before {earlier}", part.subject());
            let order: Vec<&str> = names().collect();
            let hint = format!("the order of a chain is {}", order.join(", "));
            let path = part.own_path();
            let place = match path.as_str() {
                "" => later.node.place,
                path => later.place(path),
            };
            let finding = Finding::new(&codes::ORDER, place, &later.name, problem, hint).at(path);
            sink.add(later.file, finding);
        }
    }
}

/// What the filters of a chain leave for each other stays in it, unless it says otherwise: other
/// entries would know neither caller nor model.
fn facts(entries: &[&Entry<'_>], sink: &mut Sink<'_>) {
    const SHOWN: &str = "facts_to_filter_state";
    for entry in entries.iter().filter(|_| entries.len() > 1) {
        let shown = entry.map.json().member(SHOWN).and_then(Node::text);
        if !matches!(entry.runs, Runs::Chain) || shown == Some("true") {
            continue;
        }
        let finding = Finding::new(
            &codes::FACTS_HIDDEN,
            entry.place(SHOWN),
            &entry.name,
            "filters in other entries do not see what those of this chain leave for them: who calls, which model, what was denied",
            "write `\"facts_to_filter_state\": true`, or list all filters in one chain",
        );
        sink.add(entry.file, finding.at(SHOWN));
    }
}

/// Two entries of one name, and a filter that runs twice on a route.
fn twice(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    let mut seen: Vec<&Slot<'_>> = Vec::new();
    for slot in &chain.slots {
        let before = seen
            .iter()
            .find(|other| !slot.name.is_empty() && other.name == slot.name);
        if let Some(before) = before {
            let problem = format!(
                "a second filter is called {:?}, first at {}",
                slot.name, before.node.place
            );
            let hint = "give it another name: `typed_per_filter_config` cannot tell them apart";
            let place = slot.node.member("name").unwrap_or(slot.node).place;
            let finding = Finding::new(&codes::TWICE, place, &slot.name, problem, hint);
            sink.add(chain.file, finding);
        }
        seen.push(slot);
    }
    let filters = chain.ours();
    for (at, later) in filters.iter().enumerate() {
        let same = filters.iter().take(at).find(|earlier| {
            let both = |runs: &dyn Fn(&Ours<'_, '_>) -> bool| runs(earlier) && runs(later);
            let together = match chain.views.as_slice() {
                [] => both(&|filter| !filter.slot.disabled),
                views => views
                    .iter()
                    .any(|view| both(&|filter| view.runs(filter.slot))),
            };
            earlier.part.name() == later.part.name() && together
        });
        if let Some(earlier) = same {
            let problem = format!(
                "{} runs twice in this chain, first in {}",
                later.part.name(),
                earlier.entry.name
            );
            let path = later.part.own_path();
            let place = match path.as_str() {
                "" => later.entry.node.place,
                path => later.entry.place(path),
            };
            let hint = "what differs by route is a profile: one entry is enough";
            let finding =
                Finding::new(&codes::TWICE, place, &later.entry.name, problem, hint).at(path);
            sink.add(later.entry.file, finding);
        }
    }
}

/// Names in `typed_per_filter_config`.
fn route_keys(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    let known: Vec<&str> = chain.slots.iter().map(|slot| slot.name.as_str()).collect();
    for view in &chain.views {
        for level in &view.levels {
            let configs = level.member("typed_per_filter_config");
            for (key, config) in configs.map(Node::members).unwrap_or_default() {
                let slot = chain.slots.iter().find(|slot| slot.name == key.text);
                let finding = match slot {
                    None => {
                        let plain = |name: &str| {
                            let name = name.strip_prefix("modelgate.").unwrap_or(name);
                            name.replace('_', "-")
                        };
                        let meant = known
                            .iter()
                            .find(|name| plain(name) == plain(&key.text))
                            .copied()
                            .or_else(|| nearest(&key.text, &known));
                        let hint = match meant {
                            Some(name) => format!("did you mean `{name}`?"),
                            None => format!("the filters of the chain are {}", known.join(", ")),
                        };
                        let problem = format!(
                            "{:?} is no filter of the chain: Envoy ignores this without a word",
                            key.text
                        );
                        let mut finding = Finding::new(
                            &codes::ROUTE_KEY,
                            key.place,
                            "typed_per_filter_config",
                            problem,
                            hint,
                        );
                        // Another chain may have it, for routes that several listeners share.
                        if meant.is_none() && !ours(&key.text) {
                            finding.severity = Severity::Warning;
                        }
                        finding
                    }
                    Some(slot)
                        if matches!(&slot.what, What::Ours(entry) if entry.form == Form::Wasm)
                            && text(config, &["@type"])
                                .is_some_and(|kind| !kind.ends_with("route.v3.FilterConfig")) =>
                    {
                        Finding::new(
                            &codes::ROUTE_CONFIG,
                            config.member("@type").unwrap_or(config).place,
                            &slot.name,
                            "Envoy takes no configuration per route for Wasm filters",
                            "write envoy.config.route.v3.FilterConfig to switch it, and a profile for what differs (docs/profiles.md)",
                        )
                    }
                    Some(_) => continue,
                };
                sink.add(view.file, finding);
            }
        }
    }
}

/// Filters that run on no route.
fn disabled(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    for slot in &chain.slots {
        let What::Ours(entry) = &slot.what else {
            continue;
        };
        if chain.views.is_empty() || chain.views.iter().any(|view| view.runs(slot)) {
            continue;
        }
        let (place, problem) = match slot.disabled {
            true => (
                slot.node.member("disabled").unwrap_or(slot.node).place,
                "it is disabled, and no route enables it: it never runs",
            ),
            false => (slot.node.place, "every route disables it: it never runs"),
        };
        let hint = "enable it on a route with `typed_per_filter_config`, under its name here, or remove it";
        let finding = Finding::new(&codes::DISABLED, place, &entry.name, problem, hint);
        sink.add(chain.file, finding);
    }
}

/// Profiles that routes name.
fn profiles(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    for filter in chain.ours() {
        let config = filter.entry.config_of(&filter.part);
        let known: Vec<&str> = config
            .and_then(|config| config.member("profiles"))
            .map(Node::members)
            .unwrap_or_default()
            .iter()
            .map(|(key, _)| key.text.as_str())
            .collect();
        for view in chain.views.iter().filter(|view| view.runs(filter.slot)) {
            let Some((name, place)) = view.profile(&filter) else {
                continue;
            };
            // A filter without any ignores the name.
            if known.is_empty() || known.contains(&name.as_str()) {
                continue;
            }
            let problem = format!(
                "{} has no profile {name:?}: every request gets 500 profile_unknown",
                filter.entry.called(&filter.part)
            );
            let hint = match nearest(&name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its profiles are {}", known.join(", ")),
            };
            let finding = Finding::new(&codes::UNKNOWN_PROFILE, place, &view.name, problem, hint);
            sink.add(view.file, finding);
        }
    }
}

/// Limits by addresses that clients choose.
fn addresses(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    for filter in chain.ours() {
        let believed = all_plans(&filter)
            .iter()
            .find_map(|plan| address::believed(filter.part.name(), plan, chain.manager));
        if let Some(path) = believed {
            let path = filter.part.path(&path);
            let finding = Finding::new(
                &codes::CLIENT_ADDRESS,
                filter.entry.place(&path),
                &filter.entry.name,
                "a client chooses the address it is counted by: Envoy takes it from `x-forwarded-for`",
                "write `use_remote_address: true` in the HTTP connection manager, with `xff_num_trusted_hops` behind other proxies",
            );
            sink.add(filter.entry.file, finding.at(path));
        }
    }
}

fn router(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    let is_router = |slot: &Slot<'_>| match &slot.what {
        What::Other(kind) => {
            kind.ends_with("filters.http.router.v3.Router")
                || (kind.is_empty() && slot.name == "envoy.filters.http.router")
        }
        _ => false,
    };
    // In a cluster, `upstream_codec` ends the chain.
    if chain.upstream {
        return;
    }
    let Some(last) = chain.slots.last() else {
        return;
    };
    let at = chain.slots.iter().position(is_router);
    let finding = match at {
        Some(at) if at.saturating_add(1) == chain.slots.len() => return,
        Some(at) => {
            let slot = chain.slots.get(at).unwrap_or(last);
            Finding::new(
                &codes::ROUTER,
                slot.node.place,
                &slot.name,
                "the router stands before other filters: they never run",
                "put it last",
            )
        }
        None if matches!(last.what, What::Elsewhere) => return,
        None => Finding::new(
            &codes::ROUTER,
            last.node.place,
            &last.name,
            "the chain has no router behind it: Envoy refuses the file",
            "end it with `- name: envoy.filters.http.router` and its `typed_config`",
        ),
    };
    sink.add(chain.file, finding);
}

/// Settings of the HTTP connection manager.
fn manager(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    let manager = chain.manager;
    let mut add = |code, place, problem: &str, hint: &str| {
        let finding = Finding::new(code, place, "http_connection_manager", problem, hint);
        sink.add(chain.file, finding);
    };
    let names: BTreeSet<&str> = chain.ours().iter().map(|ours| ours.part.name()).collect();
    let any = |wanted: &[&str]| wanted.iter().any(|name| names.contains(name));
    // One finding each, at the list of filters: the manager's own first line is often far above.
    let place = manager.member("stat_prefix").unwrap_or(manager).place;
    let underscores = text(
        manager,
        &[
            "common_http_protocol_options",
            "headers_with_underscores_action",
        ],
    );
    let writes = [
        "jwt_auth",
        "key_auth",
        "consumer_acl",
        "model_route",
        "upstream_auth",
        "aws_sigv4",
    ];
    // The chain of a cluster sees what that of a connection manager lets pass.
    let first = !chain.upstream;
    if first && any(&writes) && !matches!(underscores, Some("REJECT_REQUEST" | "DROP_HEADER")) {
        add(
            &codes::UNDERSCORES,
            place,
            "a client's `x_user` reaches the upstream, where some servers read it as `x-user`",
            "write `common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }`",
        );
    }
    let paths = ["consumer_acl", "rate_limit", "model_route", "aws_sigv4"];
    if first && any(&paths) && !flag(manager, &["normalize_path"]) {
        add(
            &codes::PATHS,
            place,
            "paths are not normalized: `/a/../b` is one thing to a rule and another to a server",
            "write `normalize_path: true`, `merge_slashes: true` and `path_with_escaped_slashes_action: REJECT_REQUEST`",
        );
    }
    let refuses_upgrades = chain.ours().iter().any(|ours| {
        matches!(ours.part.name(), "pii_mask" | "aws_sigv4")
            && all_plans(ours).iter().any(refuses_upgrades)
    });
    if refuses_upgrades {
        let upgrades = |at: &Node| {
            let listed = at
                .member("upgrade_configs")
                .map(Node::items)
                .unwrap_or_default();
            listed
                .iter()
                .find(|upgrade| {
                    let own = upgrade.member("filters").is_some();
                    own == chain.upgrade && text(upgrade, &["enabled"]) != Some("false")
                })
                .map(|upgrade| upgrade.place)
        };
        let of_routes = chain
            .views
            .iter()
            .find_map(|view| node(view.route, &["route"]).and_then(upgrades));
        if let Some(place) = upgrades(manager).or(of_routes) {
            add(
                &codes::UPGRADE,
                place,
                "an upgraded connection has no body that ends: pii-mask cannot mask it and aws-sigv4 cannot sign it, so they refuse it",
                "remove it, give such routes a chain without these filters, or let them pass it unread with `\"on_upgrade\": \"allow\"`",
            );
        }
    }
    log_keys(manager, &mut add);
}

/// Whether a filter that reads bodies refuses what has none that ends.
fn refuses_upgrades(plan: &Json) -> bool {
    let word = |name: &str| plan.get(name).and_then(Json::as_str);
    match word("on_upgrade") {
        Some(word) => word != "allow",
        // aws-sigv4 lets them pass where it signs no body anyhow.
        None => word("payload") != Some("unsigned"),
    }
}

/// Facts that an access log asks for, and no filter leaves.
fn log_keys(
    manager: &Node,
    add: &mut impl FnMut(&'static codes::Code, located_yaml::Place, &str, &str),
) {
    const FACTS: [&str; 7] = [
        "audit", "identity", "decision", "limit", "model", "masked", "denied",
    ];
    let mut pending: Vec<&Node> = manager.member("access_log").into_iter().collect();
    while let Some(at) = pending.pop() {
        pending.extend(at.members().iter().map(|(_, value)| value));
        pending.extend(at.items());
        let Some(written) = at.text() else { continue };
        for key in written.split("%FILTER_STATE(").skip(1) {
            let key = key.split([':', ')']).next().unwrap_or_default();
            let Some(name) = key
                .strip_prefix("wasm.modelgate.")
                .or_else(|| key.strip_prefix("modelgate."))
            else {
                continue;
            };
            if FACTS.contains(&name) && key.starts_with("wasm.") {
                continue;
            }
            let near = nearest(name, &FACTS).unwrap_or("audit");
            add(
                &codes::LOG_KEY,
                at.place,
                &format!("no filter leaves {key:?}: the log shows nothing there"),
                &format!("did you mean `wasm.modelgate.{near}`?"),
            );
        }
    }
}
