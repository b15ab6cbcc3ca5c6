//! Who may send what with the gateway's own credentials, on each route: what signs or adds a key,
//! what refuses strangers before it, and what changes a request after it was signed.

use std::collections::{HashMap, HashSet};

use super::chain::{Chain, Ours, View, plans};
use super::claims;
use super::codes;
use super::credentials::{Added, added, adds_credentials, sends_credentials};
use super::entry::{Slot, What, node, text};
use super::files::{Files, Sink};
use super::finding::Finding;
use super::gates::{Gate, gate, with_certificate};
use super::last_hop;
use super::mutators;
use super::order::{filters_before, position, runs, ways};
use super::references::environment_in;
use super::signed;
use super::values::{needs_identity, refuses_strangers};
use located_yaml::{Node, Place};
use serde_json::Value as Json;

/// What sends credentials on a route.
#[derive(Clone)]
struct Signer {
    /// What to call it.
    name: String,
    /// Where it stands.
    place: Place,
    file: usize,
    /// How many filters of the chain stand before it.
    before: usize,
}

/// Everything of this kind in a chain.
pub(super) fn check(chain: &Chain<'_>, files: &Files, sink: &mut Sink<'_>) {
    sent_unset(chain, sink);
    if chain.upstream || chain.entries().is_empty() && chain.views.is_empty() {
        return;
    }
    let views: Vec<&View<'_>> = chain.views.iter().filter(|view| view.forwards()).collect();
    open(chain, &views, files, sink);
    if chain.entries().is_empty() {
        return;
    }
    without_identity(chain, &views, sink);
    claims::check(chain, &views, sink);
    for view in &views {
        signed::check(chain, view, sink);
        mutators::check(chain, Some(view), sink);
        last_hop::check(chain, Some(view), sink);
    }
    if chain.views.is_empty() && chain.is_whole() {
        mutators::check(chain, None, sink);
        last_hop::check(chain, None, sink);
    }
}

/// Signers in front of which nothing refuses a stranger.
fn open(chain: &Chain<'_>, views: &[&View<'_>], files: &Files, sink: &mut Sink<'_>) {
    let of_clusters = upstream_signers(files);
    // Without routes at hand a filter counts as its entry says.
    if chain.views.is_empty() {
        if !chain.is_whole() {
            return;
        }
        for signer in signers(chain, None, &of_clusters) {
            if !guarded(chain, None, signer.before) {
                let finding = open_finding(chain, &signer, None, &signer.place);
                sink.add(signer.file, finding);
            }
        }
        return;
    }
    let ways: Vec<(Signer, &View<'_>, bool)> = views
        .iter()
        .flat_map(|view| {
            let signers = signers(chain, Some(view), &of_clusters).into_iter();
            signers.map(|signer| {
                let guarded = guarded(chain, Some(view), signer.before);
                (signer, *view, guarded)
            })
        })
        .collect();
    let guarded_somewhere: HashSet<(usize, Place)> = ways
        .iter()
        .filter(|(_, _, guarded)| *guarded)
        .map(|(signer, _, _)| (signer.file, signer.place))
        .collect();
    let mut said = HashSet::new();
    for (signer, view, _) in ways.iter().filter(|(_, _, guarded)| !guarded) {
        // Where it is open on some routes only, these routes are what is wrong.
        let at = (signer.file, signer.place);
        let at = match guarded_somewhere.contains(&at) {
            true => (view.file, view.place),
            false => at,
        };
        if said.insert(at) {
            sink.add(at.0, open_finding(chain, signer, Some(view), &at.1));
        }
    }
    let all = filters_before(chain, chain.slots.len());
    let open = ways.is_empty() && views.iter().all(|view| !guarded(chain, Some(view), all));
    let open = open && !views.iter().all(|view| is_for_operators(view));
    if let Some(view) = views.first().filter(|_| open) {
        let authenticates = chain
            .ours()
            .iter()
            .any(|ours| matches!(ours.part.name(), "jwt_auth" | "key_auth"));
        let problem = match authenticates {
            true => "authentication is optional, and no later filter refuses a stranger",
            false => "no filter of this chain refuses a stranger",
        };
        let place = chain
            .manager
            .member("http_filters")
            .unwrap_or(chain.manager)
            .place;
        let hint = "add jwt-auth or key-auth, or say `# modelgate: allow(open-chain)` above";
        let finding = Finding::new(&codes::OPEN_CHAIN, place, &view.name, problem, hint);
        sink.add(chain.file, finding);
    }
}

/// Whether a route leads to what Prometheus and probes ask of Envoy, and nowhere else.
fn is_for_operators(view: &View<'_>) -> bool {
    let path = text(view.route, &["match", "path"]);
    matches!(path, Some("/stats/prometheus" | "/ready"))
}

fn open_finding(
    chain: &Chain<'_>,
    signer: &Signer,
    view: Option<&View<'_>>,
    place: &Place,
) -> Finding {
    let on = view
        .map(|view| format!(" on {}", view.name))
        .unwrap_or_default();
    let passing = chain.slots.iter().enumerate().find_map(|(at, slot)| {
        let before = filters_before(chain, at) < signer.before && runs(slot, view);
        match gate(slot, view).filter(|_| before)? {
            Gate::Passes(why) => Some(format!(": {} {why}", slot.name)),
            Gate::Refuses => None,
        }
    });
    let passing = passing.unwrap_or_default();
    Finding::new(
        &codes::OPEN_SIGNER,
        *place,
        &signer.name,
        format!(
            "it sends the gateway's own credentials{on}, and nothing before it refuses a stranger{passing}"
        ),
        "put jwt-auth or key-auth in front, enforcing, or consumer-acl with rules that need an identity; or say `# modelgate: allow(unauthenticated-signer)` above",
    )
}

/// What sends credentials on a route.
fn signers(
    chain: &Chain<'_>,
    view: Option<&View<'_>>,
    of_clusters: &HashMap<String, Signer>,
) -> Vec<Signer> {
    let on = |slot| view.is_none_or(|view| view.runs(slot));
    let mut found: Vec<Signer> = Vec::new();
    for ours in chain.ours() {
        if on(ours.slot) && lends(&ours, view) {
            let path = ours.part.own_path();
            found.push(Signer {
                name: ours.entry.called(&ours.part),
                place: match path.as_str() {
                    "" => ours.entry.node.place,
                    path => ours.entry.place(path),
                },
                file: ours.entry.file,
                before: position(chain, &ours),
            });
        }
    }
    for (at, slot) in chain.slots.iter().enumerate() {
        if !matches!(slot.what, What::Other(_)) || !on(slot) {
            continue;
        }
        let before = filters_before(chain, at);
        if adds_credentials(slot.node) {
            found.push(Signer {
                name: slot.name.clone(),
                place: slot.node.place,
                file: chain.file,
                before,
            });
        }
        // The router's own filters: they run last.
        let inner = node(slot.node, &["typed_config", "upstream_http_filters"]).map(Node::items);
        for filter in inner.unwrap_or_default() {
            found.extend(signs(filter, chain.file).map(|signer| Signer { before, ..signer }));
        }
        let by_route = view.into_iter().flat_map(|view| {
            let configs = view.configs_of(&slot.name);
            configs
                .filter(|config| sends_credentials(config))
                .map(|config| (view.file, config))
        });
        for (file, config) in by_route {
            found.push(Signer {
                name: slot.name.clone(),
                place: config.place,
                file,
                before,
            });
        }
    }
    // These change a request before the first filter sees it; it is sent behind the last.
    let early = chain.manager.member("early_header_mutation_extensions");
    for extension in early.map(Node::items).unwrap_or_default() {
        if sends_credentials(extension) {
            found.push(Signer {
                name: text(extension, &["name"]).unwrap_or_default().to_owned(),
                place: extension.place,
                file: chain.file,
                before: filters_before(chain, chain.slots.len()),
            });
        }
    }
    let Some(view) = view else {
        return found;
    };
    let all = chain.slots.len();
    for level in &view.levels {
        let added = added(level).into_iter();
        found.extend(added.filter(Added::is_credential).map(|added| Signer {
            name: view.name.clone(),
            place: added.place,
            file: view.file,
            before: filters_before(chain, all),
        }));
    }
    let cluster = view.cluster();
    // A client, or a plugin, may choose any cluster.
    let chosen = [
        "cluster_header",
        "cluster_specifier_plugin",
        "inline_cluster_specifier_plugin",
    ];
    let anyone = chosen
        .iter()
        .any(|name| node(view.route, &["route", name]).is_some());
    let targets = of_clusters
        .iter()
        .filter(|(name, _)| anyone || Some(name.as_str()) == cluster);
    found.extend(targets.map(|(_, signer)| Signer {
        before: filters_before(chain, all),
        ..signer.clone()
    }));
    found
}

/// Whether a filter of the suite sends the gateway's own credentials. What upstream-auth makes of
/// the client's own is none.
fn lends(ours: &Ours<'_, '_>, view: Option<&View<'_>>) -> bool {
    let is_own = |plan: &Json| {
        let sources = plan.get("credential").and_then(Json::as_object);
        let mut written = sources.into_iter().flatten();
        written.any(|(name, source)| {
            !source.is_null()
                && !matches!(
                    name.as_str(),
                    "pass_through" | "token_exchange" | "entra_on_behalf_of"
                )
        })
    };
    match ours.part.name() {
        "aws_sigv4" => true,
        "upstream_auth" => plans(ours, view).iter().any(is_own),
        _ => false,
    }
}

/// A filter of a cluster or of the router that adds credentials.
fn signs(filter: &Node, file: usize) -> Option<Signer> {
    let is_ours = || match Slot::read(filter, "", file).what {
        What::Ours(entry) => {
            let mut parts = entry.parts().into_iter();
            parts.any(|part| matches!(part.name(), "aws_sigv4" | "upstream_auth"))
        }
        _ => false,
    };
    (adds_credentials(filter) || is_ours()).then(|| Signer {
        name: text(filter, &["name"]).unwrap_or_default().to_owned(),
        place: filter.place,
        file,
        before: 0,
    })
}

/// Filters of clusters that add credentials, by the cluster's name.
fn upstream_signers(files: &Files) -> HashMap<String, Signer> {
    let mut found = HashMap::new();
    for (file, root) in files.roots() {
        let clusters = node(root, &["static_resources", "clusters"])
            .or_else(|| root.member("resources"))
            .map(Node::items)
            .unwrap_or_default();
        for cluster in clusters {
            let options = cluster.member("typed_extension_protocol_options");
            for (_, options) in options.map(Node::members).unwrap_or_default() {
                let filters = options.member("http_filters").map(Node::items);
                let mut signers = filters.unwrap_or_default().iter();
                let signer = signers.find_map(|filter| signs(filter, file));
                if let (Some(name), Some(signer)) = (text(cluster, &["name"]), signer) {
                    found.insert(name.to_owned(), signer);
                }
            }
        }
    }
    found
}

/// Whether something refuses strangers on a route before the filter at this position.
fn guarded(chain: &Chain<'_>, view: Option<&View<'_>>, before: usize) -> bool {
    let on = |slot: &Slot<'_>| runs(slot, view);
    let by_ours = chain.ours().iter().any(|ours| {
        on(ours.slot)
            && position(chain, ours) < before
            && plans(ours, view)
                .iter()
                .all(|plan| refuses_strangers(ours.part.name(), plan))
    });
    let by_others = chain.slots.iter().enumerate().any(|(at, slot)| {
        filters_before(chain, at) < before && on(slot) && gate(slot, view) == Some(Gate::Refuses)
    });
    // What arrives by discovery may be such a filter.
    let unknown = chain.slots.iter().enumerate().any(|(at, slot)| {
        matches!(slot.what, What::Elsewhere) && filters_before(chain, at) < before && on(slot)
    });
    let by_host = chain.elsewhere.is_some_and(|around| around.guarded);
    by_ours || by_others || unknown || by_host || with_certificate(chain)
}

/// Filters that need to know the caller where nothing finds out.
fn without_identity(chain: &Chain<'_>, views: &[&View<'_>], sink: &mut Sink<'_>) {
    let known = |view: Option<&View<'_>>, before: usize| {
        chain.ours().iter().any(|ours| {
            matches!(ours.part.name(), "jwt_auth" | "key_auth")
                && position(chain, ours) < before
                && view.is_none_or(|view| view.runs(ours.slot))
        }) || chain.slots.iter().any(|slot| slot.what.is_unread())
    };
    for ours in chain.ours() {
        let at = position(chain, &ours);
        for view in ways(chain, views, ours.slot) {
            let need = plans(&ours, view)
                .iter()
                .find_map(|plan| needs_identity(ours.part.name(), plan));
            let Some(path) = need.filter(|_| !known(view, at)) else {
                continue;
            };
            let path = ours.part.path(&path);
            let on = view
                .map(|view| format!(" on {}", view.name))
                .unwrap_or_default();
            let problem =
                format!("it needs to know the caller{on}, and no authenticator stands before it");
            let hint =
                "put jwt-auth or key-auth in front, or write `\"who\": { \"identity\": \"any\" }`";
            let finding = Finding::new(
                &codes::NO_IDENTITY,
                ours.entry.place(&path),
                &ours.entry.name,
                problem,
                hint,
            );
            sink.add(ours.entry.file, finding.at(path));
            break;
        }
    }
}

/// Credentials from the environment that are sent as `-` when they are not there, and such that
/// stand in the file.
fn sent_unset(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    let mut sent: Vec<(usize, &str, Added<'_>)> = Vec::new();
    for slot in &chain.slots {
        let own = slot.node.member("typed_config").into_iter();
        let own = own.filter(|_| matches!(slot.what, What::Other(_)));
        let own = own.flat_map(added);
        sent.extend(own.map(|header| (chain.file, slot.name.as_str(), header)));
        for view in &chain.views {
            let of_routes = view.configs_of(&slot.name).flat_map(added);
            sent.extend(of_routes.map(|header| (view.file, view.name.as_str(), header)));
        }
    }
    for view in &chain.views {
        let of_routes = view.levels.iter().flat_map(|level| added(level));
        sent.extend(of_routes.map(|header| (view.file, view.name.as_str(), header)));
    }
    for (file, by, added) in sent {
        if !added.is_credential() {
            continue;
        }
        let what = &added.what;
        if let Some(name) = environment_in(added.value).next() {
            let finding = Finding::new(
                &codes::SENT_UNSET,
                added.place,
                by,
                format!("when {name} is not set, {what} is sent with `-` in its place"),
                "use a credential_injector with `environment_variable`: Envoy then does not start without it (envoy/openai-key-by-sds.yaml)",
            );
            sink.add(file, finding);
        } else if added.literal() {
            let problem = format!("the value of {what} stands in the file");
            let hint = "use a credential_injector with a secret from the environment or SDS (envoy/openai-key-by-sds.yaml)";
            let finding = Finding::new(&codes::INLINE_SECRET, added.place, by, problem, hint);
            sink.add(file, finding);
        }
    }
}
