//! Checking an Envoy configuration: every filter of the suite in it, its settings, the order of the chain, what it refers to.
//!
//! It reads static configuration (bootstrap files, or parts of one) without Envoy. Every list `http_filters` in it is a chain, wherever
//! it stands. A filter is recognised by its module's file name, its `root_id` or its name. Its configuration is compiled by the very
//! code that runs in the proxy. A chain in one entry (`modelgate.wasm` with `root_id: chain`) is checked as if its filters stood there one
//! after another. What it cannot see: filters that arrive by discovery, and other people's filters.

mod address;
mod entry;
mod environment;
mod locate;

use std::fmt;

use modelgate_kit::config::{Problem, Problems, chain};
use modelgate_kit::filter::Registration;
use modelgate_kit::profile::Policy;
use modelgate_kit::vm::CHAIN;

use crate::artifacts::BUNDLE;
use crate::suite;
use crate::yaml::{Key, Node, Place, Value, YamlError};
use entry::{Entry, Runs};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will not work, or not protect.
    Error,
    /// It works, but not well.
    Warning,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the file.
    pub place: Place,
    /// How bad.
    pub severity: Severity,
    /// The filter, by its name in the chain.
    pub filter: String,
    /// Path inside the filter's configuration; empty for the filter as such.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {severity}: {}", self.place, self.filter)?;
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.problem)?;
        if !self.hint.is_empty() {
            write!(f, "\n    {}", self.hint)?;
        }
        Ok(())
    }
}

/// What was found in a file.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many chains have a filter of the suite in them.
    pub chains: usize,
    /// How many filters of the suite there are, those that stand in one entry counted one by one.
    pub filters: usize,
    /// What is wrong, in the order of the file.
    pub findings: Vec<Finding>,
}

/// Checks the text of a file.
///
/// # Errors
/// If it is not YAML (JSON is).
pub fn check(text: &str) -> Result<Outcome, YamlError> {
    let root = Node::parse(text)?;
    let mut chains = Vec::new();
    find_chains(&root, &mut chains);
    let mut outcome = Outcome::default();
    let clusters = Clusters::of(&root);
    for (manager, chain) in chains {
        let entries: Vec<Entry<'_>> = chain.items().iter().filter_map(Entry::read).collect();
        if entries.is_empty() {
            continue;
        }
        outcome.chains = outcome.chains.saturating_add(1);
        for entry in &entries {
            // An entry that runs none of them was meant to.
            outcome.filters = outcome.filters.saturating_add(entry.parts().len().max(1));
            entry.check(manager, &clusters, &mut outcome.findings);
        }
        check_order(&entries, &mut outcome.findings);
        check_facts(&entries, &mut outcome.findings);
    }
    outcome
        .findings
        .sort_by_key(|finding| (finding.place, finding.severity));
    Ok(outcome)
}

/// Every list of HTTP filters below a node, with the node that holds it.
fn find_chains<'a>(node: &'a Node, chains: &mut Vec<(&'a Node, &'a Node)>) {
    for (key, value) in node.members() {
        if key.text == "http_filters" {
            chains.push((node, value));
        }
        find_chains(value, chains);
    }
    for item in node.items() {
        find_chains(item, chains);
    }
}

/// The clusters that a file defines.
struct Clusters {
    names: Vec<String>,
    /// Others may arrive by discovery, or stand in another file.
    open: bool,
}

impl Clusters {
    fn of(root: &Node) -> Self {
        let clusters = root
            .member("static_resources")
            .and_then(|resources| resources.member("clusters"));
        let names = clusters.map(Node::items).unwrap_or_default().iter();
        Self {
            names: names
                .filter_map(|cluster| Some(cluster.member("name")?.text()?.to_owned()))
                .collect(),
            open: clusters.is_none()
                || root
                    .member("dynamic_resources")
                    .is_some_and(|dynamic| !dynamic.is_null()),
        }
    }
}

impl Entry<'_> {
    fn check(&self, manager: &Node, clusters: &Clusters, findings: &mut Vec<Finding>) {
        self.check_failure_policy(findings);
        self.check_root_id(findings);
        self.check_stop_iteration(findings);
        self.check_configuration(manager, clusters, findings);
    }

    fn finding(&self, place: Place, severity: Severity, problem: &str, hint: &str) -> Finding {
        let filter = self.name.clone();
        Finding {
            place,
            severity,
            filter,
            path: String::new(),
            problem: problem.to_owned(),
            hint: hint.to_owned(),
        }
    }

    fn check_failure_policy(&self, findings: &mut Vec<Finding>) {
        const HINT: &str =
            "write `failure_policy: FAIL_RELOAD`: after a crash the next request gets a new VM";
        let open = self
            .config
            .member("fail_open")
            .filter(|node| node.text() == Some("true"));
        if let Some(node) = open {
            findings.push(self.finding(
                node.place,
                Severity::Error,
                "`fail_open` lets requests pass unfiltered after a crash",
                HINT,
            ));
        }
        let policy = self.config.member("failure_policy");
        match policy.and_then(|node| Some((node.place, node.text()?))) {
            Some((_, "FAIL_RELOAD")) => {}
            Some((place, "FAIL_OPEN")) => {
                let problem = "FAIL_OPEN lets requests pass unfiltered after a crash, until the proxy is restarted";
                findings.push(self.finding(place, Severity::Error, problem, HINT));
            }
            other => {
                let place = other.map_or(self.config.place, |(place, _)| place);
                let problem = "after a crash every request on that worker gets 503 until the proxy is restarted";
                findings.push(self.finding(place, Severity::Warning, problem, HINT));
            }
        }
    }

    fn check_root_id(&self, findings: &mut Vec<Finding>) {
        if !matches!(self.runs, Runs::Nothing) {
            return;
        }
        let written = self.config.member("root_id");
        let problem = match written {
            Some(_) => "the module has no filter of this `root_id`",
            None => "`root_id` is missing, and the module holds several filters",
        };
        let names: Vec<&str> = names().collect();
        let hint = format!("`{CHAIN}`, or one of {}", names.join(", "));
        let place = written.unwrap_or(self.config).place;
        findings.push(self.finding(place, Severity::Error, problem, &hint));
    }

    fn check_stop_iteration(&self, findings: &mut Vec<Finding>) {
        let allowed = self.config.member("allow_on_headers_stop_iteration");
        if allowed.and_then(Node::text) == Some("true") {
            return;
        }
        // The documented mode of filters that only hold a request to learn its model.
        let holds_nothing = |config: &Node| {
            let mode = config
                .member("model_from_body")
                .and_then(|node| node.member("mode"));
            mode.and_then(Node::text) == Some("ignore")
        };
        let parts = self.parts();
        let holds = parts.iter().find(|part| {
            part.member.filter.needs.buffers_request
                && !self.config_of(part).is_some_and(holds_nothing)
        });
        if let Some(part) = holds {
            let place = allowed.map_or(self.config.place, |node| node.place);
            let problem = format!(
                "{} holds the request's headers until the body is there, which Envoy does not let it do: requests with a body hang",
                part.subject()
            );
            findings.push(self.finding(
                place,
                Severity::Error,
                &problem,
                "write `allow_on_headers_stop_iteration: true`",
            ));
        }
    }

    fn check_configuration(
        &self,
        manager: &Node,
        clusters: &Clusters,
        findings: &mut Vec<Finding>,
    ) {
        let configuration = self.config.member("configuration");
        let value = match configuration {
            None => None,
            Some(node) => match node
                .member("@type")
                .and_then(Node::text)
                .map(|text| text.rsplit('.').next().unwrap_or(text))
            {
                Some("StringValue") => node.member("value"),
                Some("Struct") => {
                    let problem = "a Struct reaches the filter as protobuf bytes, not as JSON";
                    let hint = "use `\"@type\": type.googleapis.com/google.protobuf.StringValue` with `value: |` and JSON text below";
                    findings.push(self.finding(node.place, Severity::Error, problem, hint));
                    return;
                }
                _ => {
                    let hint = "use `\"@type\": type.googleapis.com/google.protobuf.StringValue` with `value: |` and JSON text below";
                    findings.push(self.finding(
                        node.place,
                        Severity::Error,
                        "the configuration has another type than StringValue",
                        hint,
                    ));
                    return;
                }
            },
        };
        let text = value.and_then(Node::text).unwrap_or_default();
        for problem in self.problems(text.as_bytes()) {
            findings.push(Finding {
                place: self.place(&problem.path),
                severity: Severity::Error,
                filter: self.name.clone(),
                path: problem.path,
                problem: problem.problem,
                hint: problem.hint,
            });
        }
        for part in self.parts() {
            let believed = self
                .config_of(&part)
                .and_then(|config| address::believed(part.member.filter.name, config, manager));
            if let Some(path) = believed {
                let path = part.path(&path);
                let mut finding = self.finding(
                    self.place(&path),
                    Severity::Error,
                    "a client chooses the address it is counted by: Envoy takes it from `x-forwarded-for`",
                    "write `use_remote_address: true` in the HTTP connection manager, with `xff_num_trusted_hops` behind other proxies",
                );
                finding.path = path;
                findings.push(finding);
            }
        }
        if !clusters.open {
            for (path, cluster) in named_clusters(self.map.json()) {
                if !clusters.names.contains(&cluster) {
                    let mut finding = self.finding(
                        self.place(&path),
                        Severity::Error,
                        "",
                        "add it to static_resources.clusters",
                    );
                    finding.problem = format!("no cluster is called {cluster:?}");
                    finding.path = path;
                    findings.push(finding);
                }
            }
        }
    }

    /// What the code that runs in the proxy says of the configuration.
    fn problems(&self, text: &[u8]) -> Vec<Problem> {
        let host = environment::Environment::of(self.config.member("vm_config"));
        match self.runs {
            Runs::One(member) => Policy::compile(&member.filter, text, &host)
                .err()
                .unwrap_or_default(),
            Runs::Chain => {
                let known: Vec<Registration> = suite::filters_in(BUNDLE);
                let mut problems = Problems::default();
                chain::compile(text, &known, &host, &mut problems);
                problems.into_vec()
            }
            Runs::Nothing => Vec::new(),
        }
    }
}

/// The names of all filters, in the order of a chain.
fn names() -> impl Iterator<Item = &'static str> {
    suite::members()
        .into_iter()
        .map(|member| member.filter.name)
}

/// Every member `cluster` in a configuration, with its path.
fn named_clusters(node: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), node)];
    while let Some((path, node)) = pending.pop() {
        for (Key { text: key, .. }, value) in node.members() {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            match &value.value {
                Value::Scalar { text, .. } if key == "cluster" => found.push((path, text.clone())),
                _ => pending.push((path, value)),
            }
        }
        for (index, item) in node.items().iter().enumerate() {
            pending.push((format!("{path}[{index}]"), item));
        }
    }
    found
}

/// A filter that must see what a later one leaves, or must not see what an earlier one lets pass, is in the wrong place. The order inside an
/// entry is a matter of its configuration.
fn check_order(entries: &[Entry<'_>], findings: &mut Vec<Finding>) {
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
            let mut finding = later.finding(place, Severity::Error, &problem, &hint);
            finding.path = path;
            findings.push(finding);
        }
    }
}

/// What the filters of a chain leave for each other stays in it, unless it says otherwise: other entries would know neither caller nor
/// model.
fn check_facts(entries: &[Entry<'_>], findings: &mut Vec<Finding>) {
    const SHOWN: &str = "facts_to_filter_state";
    for entry in entries.iter().filter(|_| entries.len() > 1) {
        let shown = entry.map.json().member(SHOWN).and_then(Node::text);
        if !matches!(entry.runs, Runs::Chain) || shown == Some("true") {
            continue;
        }
        let mut finding = entry.finding(
            entry.place(SHOWN),
            Severity::Error,
            "filters in other entries do not see what those of this chain leave for them: who calls, which model, what was denied",
            "write `\"facts_to_filter_state\": true`, or list all filters in one chain",
        );
        finding.path = SHOWN.to_owned();
        findings.push(finding);
    }
}

#[cfg(test)]
mod tests;
