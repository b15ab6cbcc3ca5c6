//! What filters cost: CPU time of a real Envoy per request, beside nothing, beside the native
//! form, beside Envoy's own filters, beside a filter without the kit.
//!
//! Every variant is an Envoy process of its own with one worker, all under the same load from this
//! process, in turns of about a second: round by round, so that whatever else the machine does
//! falls on all alike. Measured is the CPU time of the Envoy process (all its threads, from the
//! kernel's accounting) divided by the requests that it answered. Where the machine has two
//! processors, the Envoys are bound to one and load and upstream to the other.
//!
//! Beside it, what filters execute for a request, counted by the embedded host (`instructions`),
//! and what the whole Envoy does, counted by valgrind (`callgrind`).
//!
//! Read the ratios of one run. Absolute figures move with the machine, and by a third between runs
//! on a shared one.

pub mod bodies;
pub mod callgrind;
pub mod case;
pub mod command;
pub mod compare;
pub mod configurations;
pub mod instructions;
pub mod latency;
pub mod load;
pub mod picture;
pub mod rounds;
pub mod server;
pub mod sizes;
pub mod starts;
pub mod table;
pub mod texts;
pub mod throughput;
pub mod twins;
pub mod upstream;

use modelgate_cli::SUITE;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use case::{Case, Variant};
use load::Load;
use modelgate_envoy::release::Envoy;
use modelgate_scenario::file::ScenarioFile;
use rounds::{Rounds, Sample};
use server::{Place, Server};

/// The case without a filter.
pub const BARE: &str = "bare";

/// What is behind the name of a case whose chain stands in one entry of the proxy's.
const ONE_ENTRY: &str = "-one-entry";

/// Reads the case `name` in `folder`, with tokens that are good now.
///
/// # Errors
/// If there is none, or it is not a case.
pub fn read(folder: &Path, name: &str) -> Result<Case> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (file, one_entry) = match name.strip_suffix(ONE_ENTRY) {
        Some(file) => (file, true),
        None => (name, false),
    };
    let path = folder.join(format!("{file}.yaml"));
    let case = Case::read(&path, now_s).with_context(|| path.display().to_string())?;
    if one_entry {
        case.in_one_entry(name)
    } else {
        Ok(case)
    }
}

/// All cases in `folder` but the bare one, in the order of their names. Those with several filters
/// are there twice: in as many entries, and in one.
///
/// # Errors
/// If the folder cannot be read.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let yaml = path.extension().is_some_and(|ending| ending == "yaml");
        let Some(name) = name.filter(|name| yaml && *name != BARE) else {
            continue;
        };
        names.push(name.to_owned());
        if ScenarioFile::read(&SUITE, &path)?.filters().len() > 1 {
            names.push(format!("{name}{ONE_ENTRY}"));
        }
    }
    names.sort();
    Ok(names)
}

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each variant has its turn.
    pub rounds: usize,
    /// How long a turn is.
    pub turn: Duration,
    /// Connections that are kept busy.
    pub connections: usize,
}

/// Measures variants in interleaved rounds. `progress` is told what goes on.
///
/// # Errors
/// If an Envoy does not start, or answers a request otherwise than the case says.
pub fn measure(
    envoy: &Envoy,
    wasm: &Path,
    variants: &[&Variant],
    plan: Plan,
    progress: &dyn Fn(&str),
) -> Result<Vec<Rounds>> {
    let places = Place::assign();
    let upstream = Server::start(envoy, &upstream::bootstrap(), places.load, "upstream", 1)?;
    let mut running = Vec::new();
    for variant in variants {
        progress(&format!("starting Envoy: {}", variant.name));
        let config = variant.bootstrap(wasm, upstream.port)?;
        let server = Server::start(envoy, &config, places.measured, &variant.name, 1)?;
        running.push((
            Rounds::new(&variant.name),
            server,
            Load::new(&variant.request, variant.status),
        ));
    }
    load::bind(places.load);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (rounds, server, load) in &running {
        // Connections to the upstream, caches, and the certainty that the case does what it says.
        progress(&format!("warming up: {}", rounds.name));
        runtime
            .block_on(load.run(server.port, plan.connections, plan.turn / 2))
            .with_context(|| rounds.name.clone())?;
    }
    for round in 1..=plan.rounds {
        progress(&format!("round {round} of {}", plan.rounds));
        for (rounds, server, load) in &mut running {
            let before = server.cpu_ns()?;
            let requests = runtime
                .block_on(load.run(server.port, plan.connections, plan.turn))
                .with_context(|| rounds.name.clone())?;
            let cpu_ns = server.cpu_ns()?.saturating_sub(before);
            rounds.samples.push(Sample { cpu_ns, requests });
        }
    }
    Ok(running.into_iter().map(|(rounds, _, _)| rounds).collect())
}
