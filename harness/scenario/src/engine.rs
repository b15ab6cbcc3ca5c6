//! Engines: what a scenario runs on, and what has been seen there.
//!
//! An engine turns a [`Scenario`] into [`Observations`]; one function ([`compare::mismatches`])
//! compares those with what the scenario expects, for every engine. A declared divergence must
//! diverge.

pub mod compare;
pub mod envoy;
pub mod envoy_binary;
pub mod explained;
pub mod fused;
pub mod kept;
pub mod launch;
pub mod native;
mod open;
mod peer;
mod reloads;
mod script;
pub mod served;
pub mod simulated;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use proxy_wasm_simulator::GuestCode;

use crate::file::expect::EndExpect;
use crate::file::{EngineName, Headers, Scenario, ScenarioFile, Traffic, Wasm};

pub use compare::Mismatch;
pub use open::{Backends, Missing, OpenContainer, open};
use script::Script;

/// Loads a `.wasm` module for the simulated proxy, or says why it cannot be run.
pub type LoadModule = fn(&[u8]) -> Result<Rc<dyn GuestCode>, String>;

/// All that was seen while a scenario ran.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// The proxy did not start, and said this.
    pub refused: Option<String>,
    /// Every request, in the order of the steps and their copies.
    pub exchanges: Vec<Exchange>,
    /// What each server received, in order of arrival.
    pub received: BTreeMap<String, Vec<Received>>,
    /// Metrics of the filters by the name that they were defined with.
    pub metrics: BTreeMap<String, u64>,
    /// The filters' log lines.
    pub logs: String,
}

/// One request and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Index of its step.
    pub step: usize,
    /// Status, once the head of an answer came.
    pub status: Option<u16>,
    /// Headers of the answer.
    pub headers: Headers,
    /// Body as far as it came.
    pub body: Bytes,
    /// Trailers.
    pub trailers: Headers,
    /// How it ended.
    pub end: Ended,
    /// Response-code details; absent where the engine has no access log for it.
    pub details: Option<String>,
    /// Response flags as the access log has them (`-` = none).
    pub flags: Option<String>,
    /// Facts left in filter state.
    pub facts: BTreeMap<String, Bytes>,
}

/// How an exchange ended for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// With a whole answer.
    Complete,
    /// Broken off by the proxy.
    Reset,
    /// The client gave up waiting.
    #[default]
    Hung,
    /// The client went away, as its script says.
    Left,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "a complete answer",
            Self::Reset => "a reset",
            Self::Hung => "no end while the client waited",
            Self::Left => "the client's leaving",
        })
    }
}

/// A request as a server received it.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The exchange during which it came; `None` if several were under way, or none.
    pub during: Option<usize>,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `:authority` or `host`.
    pub authority: String,
    /// Headers without pseudo headers and `host`.
    pub headers: Headers,
    /// Body as far as it came.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Headers,
    /// Whether it ended as it should.
    pub complete: bool,
}

/// Something that runs scenarios.
pub trait Engine: Send + Sync {
    /// Its name, as scenario files use it.
    fn name(&self) -> &EngineName;

    /// Why it cannot run a scenario of this kind at all; `None` if it can.
    fn refuses(&self, _scenario: &Scenario) -> Option<String> {
        None
    }

    /// The scenario as it is judged, where this engine runs it in another form.
    fn form(&self, _scenario: &Scenario) -> Option<Scenario> {
        None
    }

    /// Runs a scenario. An error says why it could not be run at all, which is never what a
    /// scenario expects.
    fn run(&self, scenario: &Scenario) -> anyhow::Result<Observations>;
}

/// Where the wasm of a filter lies.
pub trait WasmFiles: Send + Sync {
    /// The file with the code of a chain entry of `scenario`.
    fn file(&self, scenario: &Scenario, wasm: &Wasm) -> anyhow::Result<PathBuf>;
}

/// Modules as they are built into a folder, `NAME.wasm` in snake case; other files relative to the
/// scenario.
#[derive(Clone, Debug)]
pub struct WasmFolder(pub PathBuf);

impl WasmFiles for WasmFolder {
    fn file(&self, scenario: &Scenario, wasm: &Wasm) -> anyhow::Result<PathBuf> {
        let path = wasm.file(&self.0, &scenario.folder);
        let path = path.ok_or_else(|| anyhow::anyhow!("a filter of Envoy's own has no module"))?;
        anyhow::ensure!(
            path.is_file(),
            "{}: no such file; build the filters first",
            path.display()
        );
        Ok(path.canonicalize()?)
    }
}

/// What came of a scenario on an engine.
#[derive(Debug)]
pub enum Verdict {
    /// All as expected, declared divergences included.
    Passed(Box<Observations>),
    /// Not meant for this engine; the file says why.
    Excluded(String),
    /// Something else was seen than the scenario expects.
    Failed(Vec<Mismatch>, Box<Observations>),
}

/// Runs a scenario file on an engine and judges what was seen.
pub fn judge(engine: &dyn Engine, file: &ScenarioFile) -> anyhow::Result<Verdict> {
    let now_s = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let scenario = file.resolve(now_s)?;
    if let Some(because) = scenario.excluded(engine.name()) {
        return Ok(Verdict::Excluded(because.to_owned()));
    }
    if let Some(because) = engine.refuses(&scenario) {
        return Ok(Verdict::Excluded(because));
    }
    let observations = engine.run(&scenario)?;
    let scenario = engine.form(&scenario).unwrap_or(scenario);
    let mismatches = compare::judged(&scenario, engine.name(), &observations);
    match mismatches.is_empty() {
        true => Ok(Verdict::Passed(Box::new(observations))),
        false => Ok(Verdict::Failed(mismatches, Box::new(observations))),
    }
}

/// How long a server goes on listening on an upgraded connection when it has said all that its
/// script says.
const QUIET: Duration = Duration::from_millis(150);

/// How long a client waits for the whole answer when it should come: longer than an Envoy takes to
/// compile a module where much else goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the client of a step waits.
fn patience(scenario: &Scenario, traffic: &Traffic) -> Duration {
    let expects = [&traffic.expect, &scenario.expect.one];
    let hangs = expects
        .iter()
        .filter_map(|expect| expect.client.as_ref())
        .find_map(|client| match client.end() {
            EndExpect::Hangs(ms) => Some(Duration::from_millis(ms)),
            EndExpect::Complete | EndExpect::Reset => None,
        });
    hangs.unwrap_or(PATIENCE)
}
