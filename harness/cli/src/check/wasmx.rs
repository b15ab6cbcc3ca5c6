//! Chains on nginx with ngx_wasm_module, Kong's and plain ones: what is checked of both.
//!
//! A chain there is a list of filters without anything of Envoy's around it. Order, identities and
//! signers are judged by the same code as Envoy's chains; what is said here is about nginx: the
//! memory that workers share, the buffer for a request's body, and the environment.

use std::collections::BTreeSet;
use std::path::Path;

use super::chain::{Chain, Elsewhere, Ours, all_plans};
use super::codes;
use super::entry::{Entry, Form, Runs, Slot, What};
use super::environment::Passed;
use super::files::{Files, Sink};
use super::finding::Finding;
use super::locate::Map;
use super::values::holds_bytes;
use super::{Outcome, references, rules, signer};
use crate::build::second_host::called;
use crate::inspect::Module;
use located_yaml::{Node, Place};
use modelgate_kit::bucket::{MAX_WINDOWS, Shape, WAYS};
use modelgate_kit::hosts::nginx::{ZONE, zone_bytes};
use serde_json::Value as Json;

/// Longest key of a set of buckets, without the policy's name, in bytes.
const LONGEST_KEY: usize = 64;

/// What is set for the whole of nginx.
pub(super) struct Settings {
    /// The environment of workers.
    pub passed: Passed,
    /// The size of the filters' own zone, or else of the zone `*`: `Some(None)` where there is
    /// none, `None` where it is not known.
    pub shared: Option<Option<u64>>,
    /// What to write to have such a zone.
    pub shared_hint: &'static str,
    /// What to write to raise the buffer of bodies; `BYTES` stands for the number.
    pub buffer_hint: &'static str,
    /// How to hand on a variable; `NAME` stands for it.
    pub passed_hint: &'static str,
}

/// The configuration of a filter, as it is written.
pub(super) enum Written {
    /// None.
    Absent,
    /// YAML in the file itself.
    Yaml(Node),
    /// A text in the YAML of the file.
    Text(Node),
    /// A word of nginx's: the text, and where its characters stand.
    Word(String, Vec<Place>),
}

/// A filter in a chain.
pub(super) struct Filter {
    /// As the chain calls it.
    pub name: String,
    /// Where it stands.
    pub node: Node,
    /// What it runs, if it is code of the suite.
    pub runs: Option<Runs>,
    /// Its configuration.
    pub config: Written,
}

/// A chain, and what is set around it.
pub(super) struct Way<'a> {
    /// What holds it: a route, a service, a location.
    pub node: &'a Node,
    /// The filters, in the order of requests.
    pub filters: Vec<&'a Filter>,
    /// Whether nginx or a plugin refuses strangers before the filters' requests go on.
    pub guarded: bool,
    /// What nginx holds of a request's body in memory; `None` where that is not known.
    pub body_buffer: Option<u64>,
    /// Where it is written that bodies are not collected first.
    pub unbuffered: Option<Place>,
}

impl Filter {
    fn slot<'a>(&'a self, source: &str, passed: &'a Passed) -> Slot<'a> {
        let map = match &self.config {
            Written::Absent => Map::of(source, None),
            Written::Yaml(node) => Map::of_yaml(node),
            Written::Text(node) => Map::of(source, Some(node)),
            Written::Word(text, characters) => Map::of_characters(text, characters.clone()),
        };
        let what = match self.runs {
            Some(runs) => What::Ours(Box::new(Entry {
                name: self.name.clone(),
                node: &self.node,
                form: Form::Wasm,
                config: &self.node,
                runs,
                map,
                file: 0,
                passed: Some(passed),
            })),
            None => What::Other(String::new()),
        };
        Slot {
            name: self.name.clone(),
            node: &self.node,
            disabled: false,
            optional: None,
            what,
        }
    }
}

/// Checks chains; what several of them have in common is said once.
pub(super) fn check(
    ways: &[Way<'_>],
    settings: &Settings,
    source: &str,
    files: &Files,
    sink: &mut Sink<'_>,
    outcome: &mut Outcome,
) {
    let mut counted: BTreeSet<Place> = BTreeSet::new();
    let mut chains: BTreeSet<Vec<Place>> = BTreeSet::new();
    for way in ways {
        let slots: Vec<Slot<'_>> = way
            .filters
            .iter()
            .map(|filter| filter.slot(source, &settings.passed))
            .collect();
        let chain = Chain {
            file: 0,
            manager: way.node,
            listener: None,
            filter_chain: None,
            upstream: false,
            upgrade: false,
            nested: false,
            elsewhere: Some(Elsewhere {
                guarded: way.guarded,
            }),
            slots,
            views: Vec::new(),
        };
        let entries = chain.entries();
        if entries.is_empty() {
            continue;
        }
        chains.insert(entries.iter().map(|entry| entry.node.place).collect());
        for entry in entries {
            if counted.insert(entry.node.place) {
                let filters = entry.parts().len().max(1);
                outcome.filters = outcome.filters.saturating_add(filters);
                entry.check_configuration(&references::Clusters::unknown(), sink);
                environment(entry, settings, sink, outcome);
            }
        }
        rules::check(&chain, sink);
        signer::check(&chain, files, sink);
        for filter in chain.ours() {
            shared(&filter, settings, sink);
            body(&filter, way, settings, sink);
        }
    }
    outcome.chains = outcome.chains.saturating_add(chains.len());
}

/// Variables that a configuration needs, and nginx does not hand on.
fn environment(entry: &Entry<'_>, settings: &Settings, sink: &mut Sink<'_>, outcome: &mut Outcome) {
    outcome.environment.extend(settings.passed.asked());
    for name in settings.passed.take_missing() {
        let path = named_in(entry.map.json(), &name, "").unwrap_or_default();
        let finding = Finding::new(
            &codes::NOT_PASSED,
            entry.place(&path),
            &entry.name,
            format!("nginx does not hand {name} on to its workers: the filter does not see it"),
            settings.passed_hint.replace("NAME", &name),
        );
        sink.add(entry.file, finding.at(path));
    }
}

/// The path of `{ "env": NAME }` in a configuration.
fn named_in(at: &Node, name: &str, path: &str) -> Option<String> {
    let named = at.member("env").and_then(Node::text) == Some(name);
    if named && at.members().len() == 1 {
        return Some(path.to_owned());
    }
    let below = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    let mut members = at.members().iter();
    let mut items = at.items().iter().enumerate();
    members
        .find_map(|(key, value)| named_in(value, name, &below(&key.text)))
        .or_else(|| items.find_map(|(at, item)| named_in(item, name, &format!("{path}[{at}]"))))
}

/// Filters that share memory between workers.
fn shared(filter: &Ours<'_, '_>, settings: &Settings, sink: &mut Sink<'_>) {
    let Some(size) = settings.shared else { return };
    let name = filter.part.name();
    let plans = all_plans(filter);
    let needs = match name {
        "rate_limit" => plans
            .iter()
            .map(buckets_bytes)
            .max()
            .map(|most| (most, "its counts")),
        "jwt_auth" if plans.iter().any(fetches_keys) => Some((0, "the keys that it fetches")),
        "model_route" if plans.iter().any(takes_out) => Some((0, "what it has seen fail")),
        _ => None,
    };
    let Some((least, why)) = needs else { return };
    let problem = match size {
        None => format!(
            "{} keeps {why} in memory that workers share, and there is no zone `{ZONE}` or `*` for it",
            filter.part.subject()
        ),
        Some(bytes) if bytes < least => format!(
            "{} needs {least} bytes for its buckets, and the zone has {bytes}: every request is refused",
            filter.part.subject()
        ),
        Some(_) => return,
    };
    let path = filter.part.own_path();
    let finding = Finding::new(
        &codes::SHARED_MEMORY,
        filter.entry.place(&path),
        &filter.entry.name,
        problem,
        settings.shared_hint,
    );
    sink.add(filter.entry.file, finding.at(path));
}

/// Bytes of a zone that all buckets of a configuration of `rate_limit` need, and what nginx's slab
/// allocator keeps for itself.
fn buckets_bytes(plan: &Json) -> u64 {
    const DEFAULT: u64 = 16_384;
    let written = plan.pointer("/buckets/count").and_then(Json::as_u64);
    let sets = written.unwrap_or(DEFAULT).div_ceil(u64::from(WAYS));
    let list = |of: &Json, name: &str| of.get(name).and_then(Json::as_array).cloned();
    let policies = list(plan, "policies").unwrap_or_default();
    let bytes = policies.iter().map(|policy| {
        let tiers = list(policy, "tiers").unwrap_or_default();
        let windows = std::iter::once(policy).chain(&tiers);
        let windows = windows.map(|of| list(of, "windows").map_or(0, |windows| windows.len()));
        let windows = windows
            .max()
            .unwrap_or(1)
            .clamp(1, usize::from(MAX_WINDOWS));
        let keyed = list(policy, "by").is_some_and(|by| !by.is_empty());
        let shape = Shape {
            sets: 1,
            ways: if keyed { WAYS } else { 1 },
            windows: u8::try_from(windows).unwrap_or(MAX_WINDOWS),
        };
        let name = policy
            .get("name")
            .and_then(Json::as_str)
            .map_or(0, str::len);
        let each = zone_bytes(LONGEST_KEY.saturating_add(name), shape.value_bytes());
        let each = u64::try_from(each).unwrap_or(u64::MAX);
        each.saturating_mul(if keyed { sets } else { 1 })
    });
    let all = bytes.fold(0_u64, u64::saturating_add);
    all.saturating_add(all / 8)
}

/// Whether a configuration of `jwt_auth` has keys that are not written in it.
fn fetches_keys(plan: &Json) -> bool {
    let issuers = plan.get("issuers").and_then(Json::as_array);
    let mut keys = issuers
        .into_iter()
        .flatten()
        .filter_map(|issuer| issuer.get("keys"));
    keys.any(|keys| {
        ["fetch", "discovery", "pem_per_kid"]
            .iter()
            .any(|kind| keys.get(kind).is_some())
    })
}

/// Whether a configuration of `model_route` takes targets out.
fn takes_out(plan: &Json) -> bool {
    let models = plan.get("models").and_then(Json::as_array);
    let mut models = models.into_iter().flatten();
    models.any(|model| {
        model
            .get("rollback")
            .is_some_and(|rollback| !rollback.is_null())
    })
}

/// Filters that read a request's body.
fn body(filter: &Ours<'_, '_>, way: &Way<'_>, settings: &Settings, sink: &mut Sink<'_>) {
    let plans = all_plans(filter);
    let most = plans
        .iter()
        .filter_map(|plan| holds_bytes(filter.part.name(), plan))
        .max();
    let Some((bytes, option)) = most else { return };
    if let Some(place) = way.unbuffered {
        let finding = Finding::new(
            &codes::UNBUFFERED,
            place,
            &filter.entry.name,
            format!(
                "{} reads the request's body, which nginx does not collect here",
                filter.part.subject()
            ),
            "leave buffering of requests on",
        );
        sink.add(filter.entry.file, finding);
    }
    let Some(holds) = way.body_buffer.filter(|holds| *holds < bytes) else {
        return;
    };
    let path = filter.part.path(option);
    let problem = format!(
        "{} may need {bytes} bytes of a body, and nginx keeps {holds} in memory: what is longer goes to a file, which a filter cannot read, and is refused",
        filter.part.subject()
    );
    let hint = format!(
        "{}, or a lower {option}",
        settings
            .buffer_hint
            .replace("BYTES", &bytes.saturating_mul(2).to_string())
    );
    let place = filter.entry.place(&path);
    let finding = Finding::new(
        &codes::BODY_BUFFER,
        place,
        &filter.entry.name,
        problem,
        hint,
    );
    sink.add(filter.entry.file, finding.at(path));
}

/// What is wrong with the module in a file, if the file is on this machine.
pub(super) fn module(path: &Path, name: &str, place: Place) -> Option<Finding> {
    let bytes = std::fs::read(path).ok()?;
    let (problem, hint) = match Module::read(&bytes) {
        Ok(module) => {
            let missing: Vec<&str> = called()
                .filter(|callback| !module.exports.contains(*callback))
                .collect();
            if missing.is_empty() {
                return None;
            }
            let problem = format!("it lacks {}: nginx's worker ends", missing.join(", "));
            (problem, "take the module from target/modelgate/kong")
        }
        Err(problem) => (format!("the file {problem}"), "`cargo modelgate build`"),
    };
    Some(Finding::new(
        &codes::MODULE_HOST,
        place,
        name,
        problem,
        hint,
    ))
}

/// A size as nginx writes it: `8k`, `1m`, a number of bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at)?, 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at)?, 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at)?, 1 << 30),
        _ => (text, 1_u64),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_all_callbacks_is_one_for_another_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt_auth.wasm");
        let place = Place { line: 1, column: 1 };
        assert_eq!(module(&path, "jwt_auth", place), None, "it is not here");
        let write = |callbacks: &[&str]| {
            let exports: String = callbacks
                .iter()
                .map(|name| format!("(func (export \"{name}\"))"))
                .collect();
            let text = format!("(module (func (export \"proxy_abi_version_0_2_1\")) {exports})");
            std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
            module(&path, "jwt_auth", place).map(|finding| finding.problem)
        };
        let all: Vec<&str> = called().collect();
        assert_eq!(write(&all), None);
        let (last, others) = all.split_last().unwrap();
        assert!(write(others).unwrap().contains(last));
        std::fs::write(&path, "text").unwrap();
        assert!(module(&path, "jwt_auth", place).is_some());
    }

    #[test]
    fn sizes_are_read_as_nginx_does() {
        for (text, want) in [
            ("8k", Some(8192)),
            ("1M", Some(1 << 20)),
            ("2g", Some(2 << 30)),
            (" 512 ", Some(512)),
            ("", None),
            ("k", None),
            ("1x", None),
            ("99999999999999999999", None),
            ("99999999999999g", None),
        ] {
            assert_eq!(size(text), want, "{text}");
        }
    }
}
