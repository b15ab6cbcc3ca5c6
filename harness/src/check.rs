//! Checking an Envoy configuration: every filter of the suite in it, its settings, the order of the chain, what it refers to.
//!
//! It reads static configuration (bootstrap files, or parts of one) without Envoy. Every list `http_filters` in it is a chain, wherever
//! it stands. A filter is recognised by its module's file name, its `root_id` or its name. Its configuration is compiled by the very
//! code that runs in the proxy. What it cannot see: filters that arrive by discovery, and other people's filters.

mod address;
mod environment;
mod locate;

use std::fmt;

use modelgate_kit::profile::Policy;

use crate::suite::{self, Member};
use crate::yaml::{Key, Node, Place, Value, YamlError};

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
    /// How many filters of the suite there are.
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
        let filters: Vec<WasmFilter<'_>> =
            chain.items().iter().filter_map(WasmFilter::read).collect();
        if filters.is_empty() {
            continue;
        }
        outcome.chains = outcome.chains.saturating_add(1);
        outcome.filters = outcome.filters.saturating_add(filters.len());
        for filter in &filters {
            filter.check(manager, &clusters, &mut outcome.findings);
        }
        check_order(&filters, &mut outcome.findings);
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

/// A filter of the suite in a chain.
struct WasmFilter<'a> {
    /// Name in the chain.
    name: String,
    member: Member,
    /// The entry in the list.
    entry: &'a Node,
    /// `PluginConfig`.
    config: &'a Node,
}

impl<'a> WasmFilter<'a> {
    fn read(entry: &'a Node) -> Option<Self> {
        const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
        let typed = entry.member("typed_config")?;
        let of_type = |node: &Node, key: &str| {
            node.member(key)
                .and_then(Node::text)
                .is_some_and(|text| text.ends_with(WASM))
        };
        let wasm = match () {
            () if of_type(typed, "@type") => typed,
            // A TypedStruct, as some control planes write it.
            () if of_type(typed, "type_url") => typed.member("value")?,
            () => return None,
        };
        let config = wasm.member("config")?;
        let text = |path: &[&str]| {
            path.iter()
                .try_fold(config, |node, key| node.member(key))
                .and_then(Node::text)
        };
        let file = text(&["vm_config", "code", "local", "filename"])
            .and_then(|path| path.rsplit('/').next());
        let name = entry.member("name").and_then(Node::text);
        let candidates = [file, text(&["root_id"]), text(&["name"]), name];
        let member = candidates.into_iter().flatten().find_map(suite::member)?;
        Some(Self {
            name: name.unwrap_or(member.filter.name).to_owned(),
            member,
            entry,
            config,
        })
    }

    fn check(&self, manager: &Node, clusters: &Clusters, findings: &mut Vec<Finding>) {
        self.check_failure_policy(findings);
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

    fn check_stop_iteration(&self, findings: &mut Vec<Finding>) {
        let allowed = self.config.member("allow_on_headers_stop_iteration");
        let configuration = self
            .config
            .member("configuration")
            .and_then(|node| node.member("value"));
        // The documented mode of filters that only hold a request to learn its model.
        let holds_nothing = locate::Map::of(configuration)
            .json()
            .member("model_from_body")
            .and_then(|node| node.member("mode"))
            .and_then(Node::text)
            == Some("ignore");
        if self.member.filter.needs.buffers_request
            && !holds_nothing
            && allowed.and_then(Node::text) != Some("true")
        {
            let place = allowed.map_or(self.config.place, |node| node.place);
            let problem = "it holds the request's headers until the body is there, which Envoy does not let it do: requests with a body hang";
            findings.push(self.finding(
                place,
                Severity::Error,
                problem,
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
        let fallback = value.or(configuration).unwrap_or(self.entry);
        let map = locate::Map::of(value);
        let host = environment::Environment::of(self.config.member("vm_config"));
        if let Err(problems) = Policy::compile(&self.member.filter, text.as_bytes(), &host) {
            for problem in problems {
                findings.push(Finding {
                    place: map.place(&problem.path).unwrap_or(fallback.place),
                    severity: Severity::Error,
                    filter: self.name.clone(),
                    path: problem.path,
                    problem: problem.problem,
                    hint: problem.hint,
                });
            }
        }
        if let Some(path) = address::believed(self.member.filter.name, map.json(), manager) {
            let mut finding = self.finding(
                map.place(&path).unwrap_or(fallback.place),
                Severity::Error,
                "a client chooses the address it is counted by: Envoy takes it from `x-forwarded-for`",
                "write `use_remote_address: true` in the HTTP connection manager, with `xff_num_trusted_hops` behind other proxies",
            );
            finding.path = path;
            findings.push(finding);
        }
        if !clusters.open {
            for (path, cluster) in named_clusters(map.json()) {
                if !clusters.names.contains(&cluster) {
                    let mut finding = self.finding(
                        map.place(&path).unwrap_or(fallback.place),
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

/// A filter that must see what a later one leaves, or must not see what an earlier one lets pass, is in the wrong place.
fn check_order(filters: &[WasmFilter<'_>], findings: &mut Vec<Finding>) {
    for (at, later) in filters.iter().enumerate() {
        let mut before = filters.iter().take(at);
        if let Some(earlier) = before
            .rfind(|earlier| earlier.member.filter.needs.order > later.member.filter.needs.order)
        {
            let problem = format!("it must stand before {}", earlier.name);
            let order: Vec<&str> = suite::members()
                .iter()
                .map(|member| member.filter.name)
                .collect();
            let hint = format!("the order of a chain is {}", order.join(", "));
            findings.push(later.finding(later.entry.place, Severity::Error, &problem, &hint));
        }
    }
}

#[cfg(test)]
mod tests;
