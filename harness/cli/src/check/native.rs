//! What routes say to the native form: it cannot read all of their metadata, and takes a
//! configuration of its own from routes and virtual hosts instead.

use modelgate_kit::dynamic::settings;

use super::chain::{Chain, View};
use super::codes;
use super::entry::{Form, Part, Slot, What, node};
use super::files::Sink;
use super::finding::Finding;
use super::route_config::{RouteConfig, is_per_route};
use crate::SUITE;
use located_yaml::{Node, Place};

/// Everything of this kind in a chain.
pub(super) fn check(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    for slot in &chain.slots {
        let What::Ours(entry) = &slot.what else {
            continue;
        };
        if entry.form != Form::Native {
            continue;
        }
        let filters: Vec<&str> = entry.parts().iter().map(Part::name).collect();
        for view in chain.views.iter().filter(|view| view.runs(slot)) {
            for config in view.configs_of(&slot.name) {
                route_config(config, view, slot, sink);
            }
            metadata(view, slot, &filters, sink);
        }
    }
}

fn route_config(config: &Node, view: &View<'_>, slot: &Slot<'_>, sink: &mut Sink<'_>) {
    if !is_per_route(config) {
        let finding = Finding::new(
            &codes::ROUTE_CONFIG,
            config.member("@type").unwrap_or(config).place,
            &slot.name,
            "Envoy does not take this configuration for a dynamic module",
            "write envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute to choose a profile, envoy.config.route.v3.FilterConfig to switch the filter",
        );
        sink.add(view.file, finding);
        return;
    }
    let Some(written) = RouteConfig::read(config) else {
        return;
    };
    let filters = SUITE.filters_in(SUITE.bundle());
    let read = settings::RouteConfig::read(written.map.text().as_bytes(), &filters);
    for problem in read.err().unwrap_or_default() {
        let place = written.whole.or_else(|| written.map.place(&problem.path));
        let finding = Finding::new(
            &codes::ROUTE_CONFIG,
            place.unwrap_or(config.place),
            &slot.name,
            problem.problem.clone(),
            problem.hint.clone(),
        )
        .at(problem.path);
        sink.add(view.file, finding);
    }
}

/// Metadata that the module cannot read.
fn metadata(view: &View<'_>, slot: &Slot<'_>, filters: &[&str], sink: &mut Sink<'_>) {
    const HINT: &str =
        "write it as `typed_per_filter_config` with DynamicModuleFilterPerRoute (docs/native.md)";
    let namespace = |outermost: usize| {
        let level = view.level(outermost)?;
        node(level, &["metadata", "filter_metadata", "modelgate"])
    };
    let mut add = |place: Place, problem: String| {
        let finding = Finding::new(&codes::METADATA, place, &view.name, problem, HINT);
        sink.add(view.file, finding);
    };
    let read = |key: &str| ["profile", "dialect"].contains(&key) || filters.contains(&key);
    if let Some(host) = namespace(2) {
        for (key, _) in host.members() {
            if read(&key.text) {
                let problem = format!(
                    "{} is a dynamic module, which cannot read metadata of virtual hosts",
                    slot.name
                );
                add(key.place, problem);
            }
        }
    }
    let written = view.config_of(&slot.name).and_then(RouteConfig::read);
    let repeated = |filter: &str| {
        written
            .as_ref()
            .is_some_and(|written| written.text(&[filter, "profile"]).is_some())
    };
    if let Some(route) = namespace(3) {
        for (key, value) in route.members() {
            let is_nested = filters.contains(&key.text.as_str());
            if is_nested && !value.is_null() && !repeated(&key.text) {
                let problem = format!(
                    "{} is a dynamic module, which cannot read nested metadata: every request gets 500 profile_unknown",
                    slot.name
                );
                add(key.place, problem);
            }
        }
    }
}
