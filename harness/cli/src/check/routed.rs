//! What stands around model-route: routes that ask for its headers, which clients can send too, and
//! the copies of requests that go where it says.

use std::collections::{BTreeSet, HashSet};

use super::chain::{Chain, Ours, View, plans};
use super::codes;
use super::entry::{Slot, What, flag, node, text};
use super::files::{Files, Sink};
use super::finding::Finding;
use super::order::{position, runs};
use crate::routing_headers::{BACKEND, SHADOW};
use located_yaml::{Node, Place};
use modelgate_kit::explain::may_be_credential;
use serde_json::Value as Json;

/// Everything of this kind in a chain.
pub(super) fn check(chain: &Chain<'_>, files: &Files, sink: &mut Sink<'_>) {
    if chain.upstream || chain.upgrade || chain.nested {
        return;
    }
    let forwarding = chain.views.iter().filter(|view| view.forwards());
    for view in forwarding {
        chosen_by_clients(chain, view, sink);
        switched(chain, view, sink);
        copied(chain, view, files, sink);
    }
}

/// The filter of this name on a route.
fn ours<'c, 'a>(chain: &'c Chain<'a>, view: &View<'_>, name: &str) -> Option<Ours<'c, 'a>> {
    let mut found = chain.ours().into_iter();
    found.find(|ours| ours.part.name() == name && view.runs(ours.slot))
}

/// The names under which model-route leads requests here, in small letters.
fn written(route: Option<&Ours<'_, '_>>, view: &View<'_>) -> BTreeSet<String> {
    let plans = route.map(|route| plans(route, Some(view)));
    let names = plans.iter().flatten().flat_map(|plan| {
        [BACKEND, SHADOW]
            .map(|(option, usual)| plan.get(option).and_then(Json::as_str).unwrap_or(usual))
    });
    names.map(str::to_ascii_lowercase).collect()
}

/// The headers of this kind that a route asks for, with their places: to fit at all, for its
/// cluster, or for where a copy goes.
fn asked(view: &View<'_>) -> Vec<(String, Place)> {
    let mut found: Vec<&Node> = matched(view).collect();
    let action = view.route.member("route");
    found.extend(action.and_then(|action| action.member("cluster_header")));
    found.extend(mirrors(view).filter_map(|mirror| mirror.member("cluster_header")));
    let named = |name: &Node| Some((name.text()?.to_ascii_lowercase(), name.place));
    found.into_iter().filter_map(named).collect()
}

/// The names of headers that a request must have for a route to fit.
fn matched<'v>(view: &'v View<'_>) -> impl Iterator<Item = &'v Node> {
    let headers = node(view.route, &["match", "headers"]).map(Node::items);
    let wanted = headers.unwrap_or_default().iter().filter(|header| {
        !flag(header, &["invert_match"]) && text(header, &["present_match"]) != Some("false")
    });
    wanted.filter_map(|header| header.member("name"))
}

/// Where copies of a route's requests go: what stands nearest counts alone.
fn mirrors<'v>(view: &'v View<'_>) -> impl Iterator<Item = &'v Node> {
    let action = view.route.member("route").into_iter();
    let mut levels = action.chain(view.levels.iter().copied());
    let nearest = levels.find_map(|level| level.member("request_mirror_policies"));
    nearest.map(Node::items).unwrap_or_default().iter()
}

/// Whether a header is one of model-route's, under whatever name it writes it here.
fn is_routing(name: &str, written: &BTreeSet<String>) -> bool {
    written.contains(name) || [BACKEND.1, SHADOW.1].contains(&name)
}

/// Headers of model-route's that reach a route as a client has sent them.
fn chosen_by_clients(chain: &Chain<'_>, view: &View<'_>, sink: &mut Sink<'_>) {
    if chain.slots.iter().any(|slot| slot.what.is_unread()) {
        return;
    }
    let route = ours(chain, view, "model_route");
    let written = written(route.as_ref(), view);
    let anywhere = || {
        let mut all = chain.ours().into_iter();
        all.any(|ours| ours.part.name() == "model_route")
    };
    let mut said = HashSet::new();
    for (name, place) in asked(view) {
        if !is_routing(&name, &written) || written.contains(&name) || !said.insert(name.clone()) {
            continue;
        }
        let why = match (&route, anywhere()) {
            (Some(_), _) => "model-route writes others".to_owned(),
            (None, true) => "model-route is off on this route".to_owned(),
            (None, false) => "no model-route stands in the chain".to_owned(),
        };
        let problem = format!("it asks for {name}, which any client can send: {why}");
        let hint = "let model-route run on every route that asks for its headers, under the names that it writes";
        let finding = Finding::new(&codes::CLIENT_CHOOSES, place, &view.name, problem, hint);
        sink.add(view.file, finding);
    }
}

/// Filters that are switched, or take their profile, by the header that model-route has yet to
/// write: the first choice of a route decides, and a client who sends the header decides it.
fn switched(chain: &Chain<'_>, view: &View<'_>, sink: &mut Sink<'_>) {
    let Some(route) = ours(chain, view, "model_route") else {
        return;
    };
    let written = written(Some(&route), view);
    let named = |name: &Node| name.text().map(str::to_ascii_lowercase);
    let Some(header) = matched(view).find(|name| named(name).is_some_and(|n| written.contains(&n)))
    else {
        return;
    };
    // Which paths an expression takes in is not read.
    let Some(path) = path(view) else { return };
    let first = first_choice(chain, view, path, &written);
    let mut say = |problem: String| {
        let hint = "switch filters, and choose profiles, on the virtual host or on all of these routes alike";
        let code = &codes::CLIENT_CHOOSES;
        let finding = Finding::new(code, header.place, &view.name, problem, hint);
        sink.add(view.file, finding);
    };
    let header = header.text().unwrap_or_default();
    for slot in &chain.slots {
        let before = first.map_or(!slot.disabled, |first| first.runs(slot));
        let (is, was) = match (view.runs(slot), before) {
            (true, false) => ("on", "off"),
            (false, true) => ("off", "on"),
            _ => continue,
        };
        say(format!(
            "{} is {is} here and {was} on the route that requests without {header} get first: that one counts, unless a client sends {header}",
            slot.name
        ));
    }
    let Some(first) = first else { return };
    for earlier in chain.ours() {
        let is_earlier = position(chain, &earlier) < position(chain, &route);
        let profile = |view: &View<'_>| view.profile(&earlier).map(|(name, _)| name);
        let config = earlier.entry.config_of(&earlier.part);
        let has_any = config
            .and_then(|config| config.member("profiles"))
            .is_some();
        if is_earlier && has_any && profile(view) != profile(first) {
            say(format!(
                "{} has another profile here than on the route that requests without {header} get first: a client chooses it by sending {header}",
                earlier.entry.called(&earlier.part)
            ));
        }
    }
}

/// The path or the prefix that a route is for.
fn path<'v>(view: &View<'v>) -> Option<&'v str> {
    let kinds = ["path", "prefix", "path_separated_prefix"];
    let mut found = kinds
        .iter()
        .filter_map(|kind| text(view.route, &["match", kind]));
    found.next()
}

/// The route that a request for this path gets before model-route has run: the first of the same
/// host that takes it in and asks for no header that is written only later.
fn first_choice<'v, 'a>(
    chain: &'v Chain<'a>,
    view: &View<'_>,
    wanted: &str,
    written: &BTreeSet<String>,
) -> Option<&'v View<'a>> {
    let same_host = |other: &View<'_>| match (other.level(2), view.level(2)) {
        (Some(other), Some(this)) => std::ptr::eq(other, this),
        _ => false,
    };
    let asks = |name: &Node| {
        let name = name.text().map(str::to_ascii_lowercase);
        name.is_some_and(|name| written.contains(&name))
    };
    chain.views.iter().find(|other| {
        let prefix = text(other.route, &["match", "prefix"]);
        let takes_in = prefix.is_some_and(|prefix| wanted.starts_with(prefix));
        same_host(other) && (takes_in || path(other) == Some(wanted)) && !matched(other).any(asks)
    })
}

/// Copies that carry what was meant for another server, or what nothing has masked.
fn copied(chain: &Chain<'_>, view: &View<'_>, files: &Files, sink: &mut Sink<'_>) {
    let Some(mirror) = mirrors(view).next() else {
        return;
    };
    let mut say = |code, problem: String, hint: &str| {
        let finding = Finding::new(code, mirror.place, &view.name, problem, hint);
        sink.add(view.file, finding);
    };
    let carries = |header: Option<&str>| mirrors(view).any(|mirror| !is_taken_out(mirror, header));
    if let Some(signer) = ours(chain, view, "aws_sigv4").filter(|_| carries(Some("authorization")))
    {
        let name = signer.entry.called(&signer.part);
        say(
            &codes::COPIED_SIGNATURE,
            format!(
                "the copy carries the signature of {name}, which is for the first server's host alone"
            ),
            "sign behind the choice of a server: aws-sigv4 as filter of each cluster (plugins/aws-sigv4/README.md)",
        );
    }
    if let Some(last) = ours(chain, view, "upstream_auth") {
        let written = plans(&last, Some(view)).into_iter().any(|plan| {
            let place = |member: &str| plan.pointer(&format!("/send_as/{member}")).cloned();
            let header = place("header");
            let passes = plan.pointer("/credential/pass_through") == Some(&Json::Bool(true));
            !passes && (place("query").is_some() || carries(header.as_ref().and_then(Json::as_str)))
        });
        if written {
            let name = last.entry.called(&last.part);
            say(
                &codes::COPIED_SIGNATURE,
                format!("the copy carries the credential of {name}, which is the first server's"),
                "take it out of the copy: `request_headers_mutations: [ { remove: authorization } ]` in the mirror policy, or the header of the provider's key",
            );
        }
    }
    let unmasked = ours(chain, view, "pii_mask").is_none();
    if unmasked
        && masks_upstream(chain, view, files)
        && !mirrors(view).all(|mirror| {
            text(mirror, &["cluster"]).is_some_and(|cluster| masks_in(files, cluster))
        })
    {
        say(
            &codes::COPIED_UNMASKED,
            "the copy leaves before pii-mask has run: it stands behind the choice of a cluster, on another way"
                .to_owned(),
            "put pii-mask into the chain of the listener: what is copied has passed all of that",
        );
    }
}

/// Whether a mirror policy takes this header out of the copy; or, where it is not known which, one
/// that may hold a credential.
fn is_taken_out(mirror: &Node, header: Option<&str>) -> bool {
    let changes = mirror.member("request_headers_mutations");
    let changes = changes.map(Node::items).unwrap_or_default();
    let mut removed = changes
        .iter()
        .filter_map(|change| text(change, &["remove"]));
    removed.any(|name| match header {
        Some(header) => name.eq_ignore_ascii_case(header),
        None => may_be_credential(name),
    })
}

/// Whether a filter of a list masks.
fn masks(filters: Option<&Node>) -> bool {
    let filters = filters.map(Node::items).unwrap_or_default();
    filters
        .iter()
        .any(|filter| match Slot::read(filter, "", 0).what {
            What::Ours(entry) => {
                let mut parts = entry.parts().into_iter();
                parts.any(|part| part.name() == "pii_mask")
            }
            _ => false,
        })
}

/// Whether a cluster's own filters mask.
fn masks_in(files: &Files, name: &str) -> bool {
    files.roots().any(|(_, root)| {
        let clusters = node(root, &["static_resources", "clusters"])
            .or_else(|| root.member("resources"))
            .map(Node::items);
        let mut clusters = clusters.unwrap_or_default().iter();
        clusters.any(|cluster| {
            let options = cluster.member("typed_extension_protocol_options");
            let options = options.map(Node::members).unwrap_or_default();
            text(cluster, &["name"]) == Some(name)
                && options
                    .iter()
                    .any(|(_, options)| masks(options.member("http_filters")))
        })
    })
}

/// Whether what a route sends is masked behind the listener's chain: by the router's own filters,
/// or by its cluster's.
fn masks_upstream(chain: &Chain<'_>, view: &View<'_>, files: &Files) -> bool {
    let by_router = chain.slots.iter().any(|slot| {
        runs(slot, Some(view)) && masks(node(slot.node, &["typed_config", "upstream_http_filters"]))
    });
    by_router
        || view
            .cluster()
            .is_some_and(|cluster| masks_in(files, cluster))
}
