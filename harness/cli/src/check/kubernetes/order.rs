//! In which order filters of Kubernetes' resources run: WasmPlugins by phase and priority, those of
//! an EnvoyExtensionPolicy as they are listed.

use std::collections::BTreeMap;

use super::super::codes;
use super::super::entry::{Runs, node, text};
use super::super::files::Sink;
use super::super::finding::Finding;
use super::{listed, module, plugin};
use located_yaml::{Node, Place};
use modelgate_scenario::catalogue::Member;

/// The phases in which Istio runs plugins, the first one first; without one they come last.
const PHASES: [&str; 3] = ["AUTHN", "AUTHZ", "STATS"];

/// A filter, and where it is said when it runs.
struct Standing<'a> {
    /// Phase, and the priority's distance from the highest.
    when: (usize, i64),
    member: Member,
    name: &'a str,
    place: Place,
}

/// Says which filters run in the wrong order.
pub(in super::super) fn check(resources: &[Node], sink: &mut Sink<'_>) {
    let mut chains: BTreeMap<String, Vec<Standing<'_>>> = BTreeMap::new();
    for resource in resources {
        let Some(spec) = resource.member("spec") else {
            continue;
        };
        match text(resource, &["kind"]) {
            Some("WasmPlugin" | "TrafficExtension") => {
                let runs = plugin(resource, module(resource, spec));
                if let Some(Runs::One(member)) = runs {
                    // Those of other pods, or of another namespace, are in another chain.
                    let of = ["selector", "targetRefs", "targetRef", "match"];
                    let of = of.map(|name| spec.member(name).map(Node::to_json));
                    let space = text(resource, &["metadata", "namespace"]);
                    let chain = chains.entry(format!("{space:?} {of:?}")).or_default();
                    chain.push(standing(resource, spec, member));
                }
            }
            Some("EnvoyExtensionPolicy") => {
                let filters = listed(spec).filter_map(|(wasm, runs)| match runs {
                    Runs::One(member) => Some(Standing {
                        when: (0, 0),
                        member,
                        name: text(wasm, &["name"]).unwrap_or("EnvoyExtensionPolicy"),
                        place: wasm.place,
                    }),
                    _ => None,
                });
                say(
                    &filters.collect::<Vec<_>>(),
                    "list them in that order",
                    sink,
                );
            }
            _ => {}
        }
    }
    for mut chain in chains.into_values() {
        chain.sort_by_key(|standing| standing.when);
        let hint = "the phases run in the order AUTHN, AUTHZ, STATS, and in each the highest `priority` first";
        say(&chain, hint, sink);
    }
}

fn standing<'a>(resource: &'a Node, spec: &'a Node, member: Member) -> Standing<'a> {
    let phase = text(spec, &["phase"]);
    let phase = PHASES.iter().position(|known| Some(*known) == phase);
    let priority = node(spec, &["priority"]).map(Node::to_json);
    let priority = priority.and_then(|priority| priority.as_i64());
    let said = spec.member("priority").or_else(|| spec.member("phase"));
    Standing {
        when: (
            phase.unwrap_or(PHASES.len()),
            priority.unwrap_or_default().saturating_neg(),
        ),
        member,
        name: text(resource, &["metadata", "name"]).unwrap_or("WasmPlugin"),
        place: said.unwrap_or(spec).place,
    }
}

fn say(chain: &[Standing<'_>], hint: &str, sink: &mut Sink<'_>) {
    for (at, later) in chain.iter().enumerate() {
        let mut before = chain.iter().take(at).rev();
        let order = later.member.filter.needs.order;
        let earlier = before.find(|earlier| earlier.member.filter.needs.order > order);
        let Some(earlier) = earlier else { continue };
        let problem = format!(
            "{} must run before {}",
            later.member.filter.name, earlier.member.filter.name
        );
        let finding = Finding::new(&codes::ORDER, later.place, later.name, problem, hint);
        sink.add(0, finding);
    }
}
