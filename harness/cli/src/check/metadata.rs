//! Metadata of routes and virtual hosts: what filters of the suite read there, and what looks as if
//! one did. A name in the wrong place is no profile, and the filter runs with its base.

use crate::SUITE;
use modelgate_kit::config::strict::nearest;
use modelgate_kit::problem::dialect::Shape;

use super::chain::Chain;
use super::codes;
use super::entry::node;
use super::files::Sink;
use super::finding::Finding;
use super::scalars::kind;
use located_yaml::{Node, Place, Value};

const NAMESPACE: &str = "modelgate";

/// Everything of this kind on the routes of a chain.
pub(super) fn check(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    for view in &chain.views {
        let typed = view.levels.iter();
        let typed = typed.filter_map(|level| node(level, &["metadata", "typed_filter_metadata"]));
        for (key, _) in typed.flat_map(Node::members) {
            if key.text == NAMESPACE || namespace_meant(&key.text).is_some() {
                let problem = "no filter reads typed metadata";
                let hint = format!("write `filter_metadata: {{ {NAMESPACE}: … }}`");
                let finding = Finding::new(&codes::METADATA, key.place, &view.name, problem, hint);
                sink.add(view.file, finding);
            }
        }
        let levels = view.levels.iter();
        let written = levels.filter_map(|level| node(level, &["metadata", "filter_metadata"]));
        for (key, namespace) in written.flat_map(Node::members) {
            let mut add = |place: Place, problem: String, hint: String| {
                let finding = Finding::new(&codes::METADATA, place, &view.name, problem, hint);
                sink.add(view.file, finding);
            };
            if key.text == NAMESPACE {
                in_namespace(namespace, &mut add);
            } else if let Some(meant) = namespace_meant(&key.text) {
                add(key.place, unread(&key.text), meant);
            }
        }
    }
}

fn unread(name: &str) -> String {
    format!("no filter reads metadata under `{name}`")
}

/// What was meant by a namespace that is nearly ours.
fn namespace_meant(name: &str) -> Option<String> {
    let small = name.to_lowercase().replace(['-', '_'], "");
    if small == NAMESPACE || nearest(&small, &[NAMESPACE]).is_some() {
        return Some(format!("did you mean `{NAMESPACE}`?"));
    }
    let (first, filter) = name.split_once('.')?;
    (first == NAMESPACE)
        .then(|| format!("write `{NAMESPACE}: {{ {}: … }}`", filter.replace('-', "_")))
}

fn in_namespace(namespace: &Node, add: &mut impl FnMut(Place, String, String)) {
    let filters: Vec<&str> = SUITE
        .filters()
        .iter()
        .map(|member| member.filter.name)
        .collect();
    let known = [filters.as_slice(), &["profile", "dialect"]].concat();
    for (key, value) in namespace.members() {
        match key.text.as_str() {
            "profile" => profile(value, add),
            "dialect" => dialect(value, add),
            filter if filters.contains(&filter) => of_filter(filter, value, add),
            other => {
                let small = other.to_lowercase().replace('-', "_");
                if let Some(meant) = nearest(&small, &known) {
                    add(key.place, unread(other), format!("did you mean `{meant}`?"));
                }
            }
        }
    }
}

fn profile(value: &Node, add: &mut impl FnMut(Place, String, String)) {
    if value.text().is_none() && !value.is_null() {
        let problem = format!(
            "`profile` is the name of one profile; this is {}",
            kind(value)
        );
        add(value.place, problem, "write `profile: NAME`".to_owned());
    }
}

fn of_filter(filter: &str, value: &Node, add: &mut impl FnMut(Place, String, String)) {
    if value.is_null() {
        return;
    }
    if !matches!(value.value, Value::Map(_)) {
        let problem = format!("no filter reads a profile from {} here", kind(value));
        let hint = format!("write `{filter}: {{ profile: NAME }}`");
        add(value.place, problem, hint);
    }
    for (key, inner) in value.members() {
        match key.text.as_str() {
            "profile" => profile(inner, add),
            other => {
                let problem = unread(&format!("{filter}.{other}"));
                add(
                    key.place,
                    problem,
                    "only `profile` is read there".to_owned(),
                );
            }
        }
    }
}

fn dialect(value: &Node, add: &mut impl FnMut(Place, String, String)) {
    if value.is_null() || value.text().and_then(Shape::named).is_some() {
        return;
    }
    add(
        value.place,
        "no protocol has this name: refusals are written as if it were not there".to_owned(),
        "write `problem`, or a protocol such as `openai`, `anthropic`, `open_inference`".to_owned(),
    );
}
