//! The written form of a fused chain: the filters with their configurations, in the order of the
//! request's way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::long::{Cut, Known, Shape, Text, cut_out};
use crate::config::{Problems, fingerprint, fingerprint_on, read, strict};
use crate::filter::Registration;
use crate::host::Host;
use crate::profile::Policy;

/// Most filters that a chain may list.
pub const LONGEST: usize = 32;

/// What stands in the place of a list that was cut out for another filter.
const MISREAD: &str = "must be read as a whole";

/// What the operator writes.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chain {
    /// The filters, in the order in which a request passes them.
    pub filters: Vec<Entry>,
    /// Whether the facts that filters leave for each other are written to the exchange's filter
    /// state too, for an access log (`%FILTER_STATE(wasm.modelgate.identity:PLAIN)%`) and for
    /// modelgate's filters outside of the chain. It costs the chain CPU time.
    pub facts_to_filter_state: bool,
}

/// One filter of the chain.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entry {
    /// Name of the filter.
    pub filter: String,
    /// Its configuration, as it would stand in an entry of its own; absent for the defaults.
    pub config: Option<Value>,
}

/// A filter that a chain lists, compiled.
pub struct Listed {
    /// Which.
    pub registration: Registration,
    /// Its plans.
    pub policy: Policy,
}

/// A chain, compiled.
#[derive(Default)]
pub struct Compiled {
    /// Its filters, in the order of the request's way.
    pub filters: Vec<Listed>,
    /// See [`Chain::facts_to_filter_state`].
    pub facts_to_filter_state: bool,
}

/// Compiles a chain of these filters; all that is wrong is in `problems`.
pub fn compile(
    text: &Text<'_>,
    filters: &[Registration],
    host: &dyn Host,
    problems: &mut Problems,
) -> Compiled {
    let with_list = |filter: &Registration| Some((filter.name, filter.long_list?));
    let known: Vec<Known> = filters.iter().filter_map(with_list).collect();
    if !host.rules().empty_lists_may_be_objects
        && let Some(cut) = cut_out(text, Shape::Chain, &known)
    {
        let mut found = Problems::default();
        let compiled = compile_cut(&cut, filters, host, &mut found);
        if found.is_empty() {
            return compiled;
        }
        let is_misread = found.found().iter().any(|p| p.problem == MISREAD);
        if !is_misread && cut.is_sound() {
            problems.add_all("", found);
            return Compiled::default();
        }
    }
    let Some(whole) = text.whole(problems) else {
        return Compiled::default();
    };
    if let Some((_, list)) = known.first()
        && let Err(broken) = list.is_json(&whole)
    {
        problems.add_all("", broken);
        return Compiled::default();
    }
    let cut = Cut::whole(&whole, text.fingerprint());
    compile_cut(&cut, filters, host, problems)
}

fn compile_cut(
    cut: &Cut<'_>,
    filters: &[Registration],
    host: &dyn Host,
    problems: &mut Problems,
) -> Compiled {
    let Some(written) = read(&cut.rest, problems) else {
        return Compiled::default();
    };
    let Some(chain) = strict::parse::<Chain>(&written, &[], problems) else {
        return Compiled::default();
    };
    let facts_to_filter_state = chain.value.facts_to_filter_state;
    let problems = problems.beneath(&chain.pruned, &chain.replaced);
    let entries = chain.value.filters;
    if entries.is_empty() {
        problems.add(
            "filters",
            "lists no filter",
            "list at least one, as {\"filter\": NAME, \"config\": {…}}",
        );
    }
    if entries.len() > LONGEST {
        problems.add(
            "filters",
            format!("lists more than {LONGEST} filters"),
            "split the chain into two entries",
        );
        return Compiled::default();
    }
    let mut listed: Vec<Listed> = Vec::new();
    let mut before: Option<Registration> = None;
    for (at, entry) in entries.into_iter().enumerate() {
        let path = format!("filters[{at}]");
        let Some(registration) = filters.iter().find(|known| known.name == entry.filter) else {
            let names: Vec<&str> = filters.iter().map(|known| known.name).collect();
            problems.add(
                format!("{path}.filter"),
                "is not a filter of this module",
                format!("one of {}", names.join(", ")),
            );
            continue;
        };
        if let Some(before) = before.filter(|before| before.needs.order > registration.needs.order)
        {
            problems.add(
                &path,
                format!("{} stands behind {}", registration.name, before.name),
                format!("put {} before {}", registration.name, before.name),
            );
        }
        before = Some(*registration);
        let config = entry.config.map(|config| config.to_string());
        let config = config.as_deref().unwrap_or_default().as_bytes();
        let mut own = Cut::whole(config, fingerprint(config));
        let lists = cut.lists.iter().filter(|list| list.link == Some(at));
        own.lists = lists.cloned().collect();
        if own
            .lists
            .iter()
            .any(|list| list.filter != registration.name)
        {
            // Read for another filter, whose list has the same name: the text says what it is.
            problems.add(&path, MISREAD, "");
        }
        if !own.lists.is_empty() {
            own.print = fingerprint_on(own.print, &cut.print.to_le_bytes());
        }
        match Policy::compile_cut(registration, &own, host) {
            Ok(policy) => listed.push(Listed {
                registration: *registration,
                policy,
            }),
            Err(found) => problems.add_all(&format!("{path}.config"), found),
        }
    }
    Compiled {
        filters: listed,
        facts_to_filter_state,
    }
}
