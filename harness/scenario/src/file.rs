//! Scenario files: what a client sends through a chain of filters, what every server behind it
//! answers, and what the world must see.
//!
//! A scenario states only what can be seen from outside: by the client, by the upstream, by the
//! targets of callouts, in metrics, in the access log and in log lines. So the same file runs on
//! every engine. Reading is strict: unknown keys, empty expectations and steps whose expectation
//! could not be checked are refused, with path and place, all at once. The format is described in
//! docs/scenarios.md.

pub mod chain;
pub mod engines;
pub mod expect;
mod message;
mod overall;
pub mod routes;
mod template;
pub mod token;
pub mod traffic;
pub mod upstream;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use located_yaml::read::{At, Problem, Report};
use located_yaml::shape::Source;
use located_yaml::{Node, YamlError};
use modelgate_envoy::config::own::{Kind, Secret, Secrets};
use modelgate_kit::config::schema::join_lines;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::catalogue::Catalogue;
use chain::WrittenEntry;
pub use chain::{ChainEntry, Config, Wasm};
pub use engines::{Divergence, EngineKind, EngineName, Restriction};
pub use expect::StepExpect;
pub use message::{Body, CONNECT, Chunk, Headers};
pub use overall::Expect;
pub use routes::{Gateway, Route, VirtualHost};
pub use traffic::{Reload, Request, Start, Step, Traffic};
pub use upstream::{Answer, Cluster, End, Reply};

/// The cluster that routes lead to unless they say otherwise.
pub const UPSTREAM: &str = "upstream";

/// Why a file is not a scenario.
#[derive(Debug)]
pub enum ScenarioError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// It is not YAML.
    Yaml(PathBuf, YamlError),
    /// It is YAML, but not a scenario.
    Refused(PathBuf, Vec<Problem>),
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Yaml(path, error) => write!(f, "{}:{error}", path.display()),
            Self::Refused(path, problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "\n" };
                    write!(f, "{separator}{}:{problem}", path.display())?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ScenarioError {}

/// A scenario file that has been read and checked, its templates not yet filled in.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    catalogue: Catalogue,
    path: PathBuf,
    node: Node,
    about: String,
    tokens: bool,
    filters: Vec<String>,
    guests: bool,
}

impl ScenarioFile {
    /// Reads and checks a file, whose chain may name the filters of `catalogue`.
    pub fn read(catalogue: &Catalogue, path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::Unreadable(path.to_owned(), error))?;
        Self::parse(catalogue, path, &text)
    }

    /// As [`ScenarioFile::read`], where filters of these names, in whichever case, are those of the
    /// module in this file (an absolute path).
    pub fn read_with(
        catalogue: &Catalogue,
        path: &Path,
        names: &[String],
        module: &Path,
    ) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::Unreadable(path.to_owned(), error))?;
        let mut node =
            Node::parse(&text).map_err(|error| ScenarioError::Yaml(path.to_owned(), error))?;
        chain::give_module(&mut node, names, module);
        Self::of(catalogue, path, node)
    }

    /// Checks the text of a file.
    pub fn parse(catalogue: &Catalogue, path: &Path, text: &str) -> Result<Self, ScenarioError> {
        let node =
            Node::parse(text).map_err(|error| ScenarioError::Yaml(path.to_owned(), error))?;
        Self::of(catalogue, path, node)
    }

    fn of(catalogue: &Catalogue, path: &Path, node: Node) -> Result<Self, ScenarioError> {
        let mut file = Self {
            catalogue: *catalogue,
            path: path.to_owned(),
            node,
            about: String::new(),
            tokens: false,
            filters: Vec::new(),
            guests: false,
        };
        // What is wrong with a file does not depend on the time.
        let scenario = file.resolve_without_keys()?;
        file.tokens = file.node.member("keys").is_some() || file.node.member("tokens").is_some();
        file.filters = scenario
            .chain
            .iter()
            .filter_map(ChainEntry::suite)
            .map(str::to_owned)
            .collect();
        file.guests = scenario
            .chain
            .iter()
            .any(|entry| matches!(entry.wasm, Wasm::Guests));
        file.about = scenario.about;
        Ok(file)
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says it is about.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Whether tokens are minted for it: new ones each time.
    pub fn needs_tokens(&self) -> bool {
        self.tokens
    }

    /// The modules of the suite in its chain.
    pub fn filters(&self) -> &[String] {
        &self.filters
    }

    /// Whether a filter of the suite is in its chain.
    pub fn uses(&self, filter: &str) -> bool {
        self.filters.iter().any(|name| name == filter)
    }

    /// Whether one of the harness's guests is in its chain.
    pub fn uses_guests(&self) -> bool {
        self.guests
    }

    /// The scenario at an instant (unix time in seconds): keys generated, tokens minted, templates
    /// filled in.
    pub fn resolve(&self, now_s: u64) -> Result<Scenario, ScenarioError> {
        self.fill(now_s, token::Minting::Real)
    }

    /// The scenario at a fixed instant, with stand-ins for keys and tokens: what it is made of, not
    /// what can be run.
    pub fn resolve_without_keys(&self) -> Result<Scenario, ScenarioError> {
        self.fill(1_700_000_000, token::Minting::Pretend)
    }

    fn fill(&self, now_s: u64, minting: token::Minting) -> Result<Scenario, ScenarioError> {
        let report = Report::default();
        let node = template::fill(&self.node, now_s, minting, &report);
        let scenario = Scenario::read(&report.root(&node), self, now_s);
        match (scenario, report.into_problems()) {
            (Some(scenario), problems) if problems.is_empty() => Ok(scenario),
            (_, problems) => Err(ScenarioError::Refused(self.path.clone(), problems)),
        }
    }
}

/// A scenario, ready to be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The filters that it may name.
    pub catalogue: Catalogue,
    /// What it shows, as a sentence.
    pub about: String,
    /// The instant that it was resolved for (unix time in seconds).
    pub now_s: u64,
    /// Folder of its file: relative paths start there.
    pub folder: PathBuf,
    /// The filters, in the order of requests.
    pub chain: Vec<ChainEntry>,
    /// Environment variables that the VMs are given.
    pub env: BTreeMap<String, String>,
    /// Secrets of the proxy by name.
    pub secrets: Secrets,
    /// Settings of the proxy itself.
    pub gateway: Gateway,
    /// Servers behind the proxy by cluster name; always with [`UPSTREAM`].
    pub clusters: BTreeMap<String, Cluster>,
    /// Routes of the virtual hosts.
    pub virtual_hosts: Vec<VirtualHost>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What must be seen in the end.
    pub expect: Expect,
    /// Engines that are known to see something else.
    pub diverges: Vec<Divergence>,
    /// The only engines to run on, with the reason; none = all.
    pub only: Option<Restriction>,
}

/// What a client sends through a chain of filters, what the servers behind the gateway answer, and
/// what the world must see.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Scenario of modelgate")]
#[allow(
    dead_code,
    reason = "members that hang together are read from the file, in their order"
)]
struct Written {
    /// What it shows, as a sentence.
    about: String,
    /// Keys by name. The same name is the same key in every file.
    #[schemars(with = "Option<BTreeMap<String, token::WrittenKey>>")]
    keys: Option<Source>,
    /// Tokens by name, minted when the scenario runs.
    #[schemars(with = "Option<BTreeMap<String, token::WrittenToken>>")]
    tokens: Option<Source>,
    /// Filters in the order of requests, each with its name as key.
    #[schemars(with = "Vec<WrittenEntry>")]
    chain: Source,
    /// Environment variables that the filters' VMs are given.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Secrets of the proxy by name.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// Settings of the proxy itself.
    #[serde(default)]
    gateway: Gateway,
    /// Servers behind the gateway; `upstream` is there without being named.
    #[schemars(with = "Option<BTreeMap<String, upstream::WrittenCluster>>")]
    clusters: Option<Source>,
    /// Virtual hosts besides the default one.
    #[schemars(with = "Option<BTreeMap<String, routes::WrittenHost>>")]
    virtual_hosts: Option<Source>,
    /// Routes of the default virtual host, first match first; one to `upstream` if not given.
    #[schemars(with = "Option<Vec<routes::WrittenRoute>>")]
    routes: Option<Source>,
    /// The one request.
    #[schemars(with = "Option<traffic::WrittenAlone>")]
    request: Option<Source>,
    /// Steps, one after another.
    #[schemars(with = "Option<Vec<traffic::WrittenStep>>")]
    requests: Option<Source>,
    /// What must be seen over all, if the steps do not say it.
    #[schemars(with = "Option<overall::WrittenExpect>")]
    expect: Option<Source>,
    /// Engines that are known to see something else, which then must be so.
    #[serde(default)]
    diverges: Vec<Divergence>,
    /// The only engines to run on; all if not given.
    engines: Option<Restriction>,
}

/// JSON Schema of scenario files (draft 2020-12), in which filters of `catalogue` are known by
/// name.
pub fn schema(catalogue: &Catalogue) -> Json {
    let mut schema = located_yaml::schema::of::<Written>();
    join_lines(&mut schema);
    let filters = schema.pointer_mut("/$defs/Filter/properties");
    if let Some(filters) = filters.and_then(Json::as_object_mut) {
        let own = Kind::ALL.map(Kind::name);
        for name in catalogue.modules().into_iter().chain(own) {
            let description = format!("Configuration of {name}.");
            filters.insert(name.to_owned(), json!({ "description": description }));
        }
    }
    schema
}

impl Scenario {
    fn read(root: &At<'_>, file: &ScenarioFile, now_s: u64) -> Option<Self> {
        let written: Option<Written> = root.parse();
        // These are read from the file, so that what is wrong in them is said beside what is wrong
        // elsewhere.
        let chain = root
            .member("chain")
            .map(|at| chain::read_chain(&at, &file.catalogue));
        let chain = chain.unwrap_or_default();
        let clusters = root.member("clusters");
        let mut clusters = clusters
            .map(|at| upstream::read_clusters(&at))
            .unwrap_or_default();
        clusters.entry(UPSTREAM.to_owned()).or_default();
        let virtual_hosts = routes::read_virtual_hosts(root, &chain, &clusters);
        let steps = traffic::read_steps(root, &clusters, &chain);
        let expect = match root.member("expect") {
            Some(at) => Expect::read(&at, &clusters, steps.as_deref()),
            None if steps.as_ref()?.iter().any(Step::expects) => Some(Expect::default()),
            None => root.refuse("nothing is expected: give `expect`, here or in a step"),
        };
        let written = written?;
        let secrets = written.secrets.into_iter();
        let secrets = secrets
            .map(|(name, text)| (name, Secret::Inline(text)))
            .collect();
        chain::need_secrets(root, &chain, &secrets);
        Some(Self {
            catalogue: file.catalogue,
            about: written.about,
            now_s,
            folder: file.path.parent().unwrap_or(Path::new(".")).to_owned(),
            chain,
            env: written.env,
            secrets,
            gateway: written.gateway,
            clusters,
            virtual_hosts,
            steps: steps?,
            expect: expect?,
            diverges: written.diverges,
            only: written.engines,
        })
    }

    /// Why it does not run on `engine`; `None` if it does.
    pub fn excluded(&self, engine: &EngineName) -> Option<&str> {
        let only = self.only.as_ref()?;
        let listed = only.engines.iter().any(|name| name.covers(engine));
        (!listed).then_some(only.because.as_str())
    }

    /// The filters that are given another configuration on the way, by their names in the chain.
    pub fn reloaded(&self) -> std::collections::BTreeSet<&str> {
        let reloads = self.steps.iter().filter_map(|step| match step {
            Step::Reload(reload) => Some(&reload.configs),
            Step::Send(_) | Step::Rescript(_) => None,
        });
        reloads.flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// The requests of all steps, each copy counted.
    pub fn exchanges(&self) -> usize {
        self.steps
            .iter()
            .fold(0, |sum, step| sum.saturating_add(step.copies()))
    }

    /// When the last requests before a step start: a step that changes the servers waits for these
    /// to be over, or, where they have a time of their own, for that time.
    pub fn sent_before(&self, step: usize) -> Option<&Start> {
        let before = self.steps.get(..step).unwrap_or_default();
        before
            .iter()
            .rev()
            .find_map(Step::traffic)
            .map(|traffic| &traffic.start)
    }

    /// The names of all facts that somebody expects to read.
    pub fn facts(&self) -> Vec<&str> {
        let everywhere = self
            .steps
            .iter()
            .filter_map(Step::traffic)
            .map(|traffic| &traffic.expect);
        let mut names: Vec<&str> = everywhere
            .chain([&self.expect.one])
            .flat_map(|expect| expect.facts.keys())
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests;
