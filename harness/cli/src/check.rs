//! Checking a configuration of Envoy, Kong or nginx, or a gateway file: every filter of the suite
//! in it, its settings, the order of the chain, what it refers to, and what requests may do on each
//! route.
//!
//! A file is read as the messages that it holds (`shape.rs`, by Envoy's own API in `api.rs`): a
//! bootstrap, resources of discovery, or a piece of one, in either spelling; a bootstrap also in
//! protobuf's text form (`prototext.rs`). Every list
//! `http_filters` in it is a chain, wherever it stands. A filter is recognised by its module's file
//! name, its `root_id` or its name. Its configuration is compiled by the very code that runs in the
//! proxy. A chain in one entry (`modelgate.wasm` with `root_id: chain`) is checked as if its
//! filters stood there one after another. What it cannot see: what a control plane sends, and how
//! other people's filters are configured. Which host a file is for is told by what stands in it;
//! Kong's (`kong.rs`) and nginx's (`nginx.rs`) have chains too, which the same rules are for.

mod address;
mod align;
mod allow;
mod api;
mod buffers;
mod chain;
mod claims;
mod codes;
mod constraints;
mod credentials;
mod dump;
mod entry;
mod environment;
mod files;
mod finding;
mod gates;
mod gateway;
mod gateway_file;
mod judged;
mod kong;
mod kubernetes;
mod last_hop;
mod locate;
mod metadata;
mod mutators;
mod native;
mod nginx;
mod order;
mod prototext;
mod references;
mod report;
mod route_config;
mod routed;
mod rules;
mod scalars;
mod settings;
mod shape;
mod signed;
mod signer;
mod values;
mod wasmx;

use std::collections::BTreeSet;
use std::path::Path;

use allow::Allowances;
use chain::Chain;
pub use codes::{ALL as CODES, Code, Severity, page as findings_page};
use entry::What;
use files::{Files, Sink};
pub use finding::Finding;
use kubernetes::Kept;
use located_yaml::{Node, Place};
use references::Clusters;
pub use report::{Checked, Format, render};
pub(crate) use settings::refused;

/// Members that only a bootstrap has.
pub const BOOTSTRAP: [&str; 4] = [
    "static_resources",
    "staticResources",
    "dynamic_resources",
    "dynamicResources",
];

/// What was found in a file.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many chains have a filter of the suite in them.
    pub chains: usize,
    /// How many filters of the suite there are, those that stand in one entry counted one by one.
    pub filters: usize,
    /// How many entries look like filters of the suite and were not read.
    pub unread: usize,
    /// Variables that must be in the environment.
    pub environment: BTreeSet<String>,
    /// Files of modules that are not on this machine, and must be on Envoy's.
    pub modules: BTreeSet<String>,
    /// How many findings are allowed by comments.
    pub allowed: usize,
    /// Whether it holds settings for filters that stand elsewhere.
    settings_alone: bool,
    /// What is wrong, in the order of the file.
    pub findings: Vec<Finding>,
}

/// Checks the text of a file that is in no folder.
pub fn check(text: &str) -> Outcome {
    check_in(text, None)
}

/// Checks the text of a file; `folder` is where the files that it names are looked for.
pub fn check_in(text: &str, folder: Option<&Path>) -> Outcome {
    match prototext::read(text) {
        Some(Ok(root)) => return check_envoy(text, vec![root], folder),
        Some(Err(error)) => return failed(error.place, error.problem),
        None => {}
    }
    match nginx::read(text) {
        nginx::Read::Nginx(directives) => return nginx::check(text, directives, folder),
        nginx::Read::Malformed(error) => return failed(error.place, error.problem),
        nginx::Read::Other => {}
    }
    if let Some(conf) = kong::conf::Conf::read(text) {
        // No filter stands in it: what is used is not known.
        let mut found = conf.check(&[]);
        let allowances = Allowances::of(text, &[], &mut found);
        return finish(&allowances, Outcome::settings_alone(), found);
    }
    let documents = match Node::documents(text) {
        Ok(documents) => documents,
        Err(error) => return template(text, error.place, error.message),
    };
    if let [root] = documents.as_slice()
        && kong::is_declarative(root)
    {
        return kong::check(text, root, folder);
    }
    if let [root] = documents.as_slice()
        && crate::gateway::is_gateway(root)
    {
        return gateway_file::check(text, root);
    }
    check_envoy(text, documents, folder)
}

/// Checks the documents of a file for Envoy, or of resources of Kubernetes.
fn check_envoy(text: &str, documents: Vec<Node>, folder: Option<&Path>) -> Outcome {
    let mut found = Vec::new();
    let allowances = Allowances::of(text, &documents, &mut found);
    let mut outcome = Outcome::default();
    let (resources, messages): (Vec<Node>, Vec<Node>) = documents
        .into_iter()
        .filter(|document| !document.is_null())
        .flat_map(kubernetes::unlisted)
        .partition(kubernetes::is_resource);
    if let Some(second) = messages.get(1)
        && messages.iter().any(is_bootstrap)
    {
        found.push(Finding::new(
            &codes::DOCUMENTS,
            second.place,
            "file",
            "Envoy reads a bootstrap from a file of one document",
            "put this document into a file of its own",
        ));
    }
    outcome.settings_alone = !messages.is_empty() && messages.iter().all(dump::is_without_filters);
    let mut roots = messages;
    roots.extend(resources.iter().filter_map(kubernetes::patches).flatten());
    let files = Files::load(text, &roots, folder, &mut found);
    let mut sink = Sink::new(&files);
    let clusters = Clusters::of(&files, &mut sink);
    for chain in Chain::all(&files) {
        let entries = chain.entries();
        let unread = chain.slots.iter().filter(|slot| match &slot.what {
            What::Unreadable(..) => true,
            What::Elsewhere => entry::ours(&slot.name),
            _ => false,
        });
        outcome.unread = outcome.unread.saturating_add(unread.count());
        if !entries.is_empty() {
            outcome.chains = outcome.chains.saturating_add(1);
        }
        for entry in &entries {
            // An entry that runs none of them was meant to.
            outcome.filters = outcome.filters.saturating_add(entry.parts().len().max(1));
            entry.check(&clusters, &mut sink);
        }
        outcome.modules.extend(references::missing_modules(&chain));
        rules::check(&chain, &mut sink);
        references::check(&chain, &clusters, &mut sink);
        signer::check(&chain, &files, &mut sink);
        routed::check(&chain, &files, &mut sink);
    }
    references::check_services(&files, &clusters, &mut sink);
    gateway::check(&files, &mut sink);
    outcome.environment = references::environment(&files);
    kubernetes::order::check(&resources, &mut sink);
    for resource in &resources {
        if kubernetes::kustomize::is_one(resource) {
            outcome.settings_alone = true;
            found.extend(kubernetes::kustomize::check(resource, folder));
            continue;
        }
        kubernetes::words::check(resource, &mut sink);
        if kubernetes::patches(resource).is_some() {
            continue;
        }
        match kubernetes::texts(resource) {
            Some(texts) => texts
                .into_iter()
                .for_each(|inner| nested(text, &inner, &mut outcome, &mut found)),
            None => {
                let filters = kubernetes::check(resource, text, &mut sink);
                outcome.filters = outcome.filters.saturating_add(filters);
            }
        }
    }
    if outcome.filters > 0 || outcome.unread > 0 {
        sink.list.retain(|finding| !kubernetes::is_beside(finding));
    }
    found.append(&mut sink.list);
    finish(&allowances, outcome, found)
}

/// Leaves out what comments allow, and puts the rest in the order of the file.
fn finish(allowances: &Allowances, mut outcome: Outcome, mut found: Vec<Finding>) -> Outcome {
    let nothing = outcome.filters == 0 && outcome.unread == 0 && !outcome.settings_alone;
    if nothing && !found.iter().any(is_fatal) {
        found.push(Finding::new(
            &codes::NOTHING_HERE,
            Place { line: 1, column: 1 },
            "file",
            "no filter of the suite is in it",
            "a filter is recognised by its module's file name, its `root_id` or its name",
        ));
    }
    let all = found.len();
    found.retain(|finding| finding.file.is_some() || !allowances.allow(finding));
    outcome.allowed = outcome
        .allowed
        .saturating_add(all.saturating_sub(found.len()));
    found.sort_by(|a, b| {
        (&a.file, a.place, a.severity, a.code.id).cmp(&(&b.file, b.place, b.severity, b.code.id))
    });
    outcome.findings = found;
    outcome
}

fn is_bootstrap(document: &Node) -> bool {
    BOOTSTRAP.iter().any(|name| document.member(name).is_some())
}

/// Findings that say by themselves why there is no filter.
fn is_fatal(finding: &Finding) -> bool {
    finding.code == &codes::KUBERNETES
}

/// A file that is not YAML, perhaps because it is there to be filled in.
fn template(text: &str, place: Place, problem: String) -> Outcome {
    let mut outcome = failed(place, problem);
    let line = text.lines().nth(place.line.saturating_sub(1));
    let marks = ["{{", "${", "{%", "<%"];
    if marks
        .iter()
        .any(|mark| line.unwrap_or_default().contains(mark))
    {
        for finding in &mut outcome.findings {
            finding.hint = "this looks like a template: check what it is filled in to, or quote the placeholder".into();
        }
    }
    outcome
}

/// A file that cannot be read.
pub fn failed(place: Place, problem: impl Into<String>) -> Outcome {
    let finding = Finding::new(&codes::SYNTAX, place, "file", problem, "");
    Outcome {
        findings: vec![finding],
        ..Outcome::default()
    }
}

/// What Envoy itself says of a file.
pub fn refused_by_envoy(problem: impl Into<String>) -> Finding {
    let place = Place { line: 1, column: 1 };
    Finding::new(&codes::ENVOY, place, "envoy", problem, "")
}

impl Outcome {
    fn settings_alone() -> Self {
        Self {
            settings_alone: true,
            ..Self::default()
        }
    }

    /// Whether the file could not be read at all.
    pub fn unreadable(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.code == &codes::SYNTAX && finding.file.is_none())
    }
}

/// Checks a file that stands as text in a file.
fn nested(source: &str, kept: &Kept<'_>, outcome: &mut Outcome, found: &mut Vec<Finding>) {
    let text = kept.text();
    // Other data than configurations of Envoy's are nobody's business here.
    let telling = [
        "http_filters",
        "httpFilters",
        "typed_config",
        "typedConfig",
        "filter_chains",
        "proxy_wasm",
    ];
    if !telling
        .iter()
        .chain(&BOOTSTRAP)
        .any(|name| text.contains(name))
    {
        return;
    }
    let inner = check(text);
    // What is encoded has no places of its own: its findings name those in it.
    let places = match kept.decoded {
        Some(_) => None,
        None => align::Places::of(source, kept.node),
    };
    outcome.chains = outcome.chains.saturating_add(inner.chains);
    outcome.filters = outcome.filters.saturating_add(inner.filters);
    outcome.unread = outcome.unread.saturating_add(inner.unread);
    outcome.allowed = outcome.allowed.saturating_add(inner.allowed);
    outcome.environment.extend(inner.environment);
    outcome.modules.extend(inner.modules);
    for mut finding in inner.findings {
        if finding.file.is_none() {
            let place = places.as_ref().and_then(|places| places.get(finding.place));
            if kept.decoded.is_some() {
                finding.problem = format!(
                    "{} (at {} of the decoded file)",
                    finding.problem, finding.place
                );
            }
            finding.place = place.unwrap_or(kept.node.place);
        }
        found.push(finding);
    }
}

#[cfg(test)]
mod tests;
