//! `modelgate scenario`: runs scenario files on an engine and says where something else was seen
//! than expected.

use crate::SUITE;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use crate::build::{self, Profile, Workspace};
use crate::inspect::Module;
use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use modelgate_envoy::child;
use modelgate_scenario::engine::fused::Fused;
use modelgate_scenario::engine::{Backends, Observations, Verdict, WasmFolder, judge, open};
use modelgate_scenario::file::EngineKind;
use modelgate_scenario::file::{EngineName, Headers, ScenarioFile};

use super::full;
use super::progress::Progress;

/// Run scenario files: requests through a chain of filters, with the expected results.
///
/// A scenario says what a client sends, what every server behind the gateway answers, and what
/// client and servers must see. The format is described in docs/scenarios.md. Exit code 0: all as
/// expected; 1: something else was seen; 2: a scenario could not be run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Scenario files, or folders: every .yaml file below them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What runs the filters.
    #[arg(long, default_value = "envoy", value_name = "ENGINE", value_parser = read_engine,
          long_help = "What runs the filters: `native` (their own code in the simulated proxy), `wasmtime` (their modules in the simulated proxy), `envoy` (a real Envoy process) or `envoy-container` (a real Envoy in a container).")]
    engine: EngineName,
    /// What the simulated proxy plays, with the engines `native` and `wasmtime`; without it, Envoy.
    #[arg(long, value_name = "HOST", value_parser = PossibleValuesParser::new(EngineName::hosts()),
          long_help = "What the simulated proxy plays, with the engines `native` and `wasmtime`; without it, Envoy. What each does is described in docs/wasm-host.md. `--engine` takes it too: `native nginx`.")]
    profile: Option<String>,
    /// The Envoy release to use; without it, what MODELGATE_ENVOY or PATH has, or else the default
    /// one.
    #[arg(long, value_name = "VERSION")]
    envoy: Option<String>,
    /// Folder with built filters, to be used as they are; or the module of a filter that is not the
    /// suite's. Without a folder, the suite's filters that occur are built first.
    #[arg(long, value_name = "FOLDER|FILE")]
    wasm: Option<PathBuf>,
    /// Run each file with its whole chain in one entry of the proxy's, from the module that holds
    /// all filters.
    #[arg(
        long,
        conflicts_with = "parse_only",
        long_help = "Run each file with its whole chain in one entry of the proxy's (`modelgate.wasm` with `root_id: chain`). What must be seen is the same. Files without this form (other modules in the chain, filters switched per route) are skipped, with the reason."
    )]
    one_entry: bool,
    /// Check the files only, without running them.
    #[arg(long)]
    parse_only: bool,
    /// Show all that was seen: answers, what servers received, metrics that are not 0, log lines.
    #[arg(long)]
    show: bool,
}

fn read_engine(text: &str) -> Result<EngineName, String> {
    let name = EngineName::parse(text).filter(|name| name.kind != EngineKind::Playing);
    name.ok_or_else(|| "one of: native, wasmtime, envoy, envoy-native, envoy-container; the first two also with what they play: `native nginx`; the others also with a release: `envoy 1.36.4`".into())
}

/// Runs the files; see [`Arguments`].
pub fn run(arguments: &Arguments, backends: &Backends) -> Result<ExitCode> {
    let mut paths = Vec::new();
    for path in &arguments.files {
        collect(path, &mut paths)?;
    }
    anyhow::ensure!(!paths.is_empty(), "no .yaml file there");
    let theirs = match &arguments.wasm {
        Some(path) if !path.is_dir() => Some(their_module(path)?),
        _ => None,
    };
    let mut files = Vec::new();
    let mut broken = 0_usize;
    for path in &paths {
        let read = match &theirs {
            Some((names, module)) => ScenarioFile::read_with(&SUITE, path, names, module),
            None => ScenarioFile::read(&SUITE, path),
        };
        match read {
            Ok(file) => files.push(file),
            Err(error) => {
                eprintln!("error: {error}");
                broken = broken.saturating_add(1);
            }
        }
    }
    if arguments.parse_only {
        println!(
            "{} scenarios are well-formed, {broken} are not",
            files.len()
        );
    }
    if arguments.parse_only || files.is_empty() {
        return Ok(exit_code(broken, 0));
    }
    if !backends.have(arguments.engine.kind) {
        return full::run();
    }
    child::end_with_this_process()?;
    let folder = match &arguments.wasm {
        Some(folder) if theirs.is_none() => folder.clone(),
        // It runs the code that this program was built with.
        _ if arguments.engine.kind == EngineKind::Native => PathBuf::new(),
        // The engine builds what it loads.
        _ if arguments.engine.kind == EngineKind::EnvoyNative => PathBuf::new(),
        _ => build(&files, arguments.one_entry)?,
    };
    anyhow::ensure!(
        arguments.profile.is_none() || arguments.engine.kind.is_simulated(),
        "--profile is for the engines native and wasmtime"
    );
    let version = arguments
        .profile
        .clone()
        .or_else(|| arguments.envoy.clone())
        .or_else(|| arguments.engine.version.clone());
    let name = EngineName {
        kind: arguments.engine.kind,
        version,
    };
    let engine = match open(&name, Arc::new(WasmFolder(folder)), backends, &|message| {
        eprintln!("{message}")
    }) {
        Ok(engine) if arguments.one_entry => Box::new(Fused {
            catalogue: SUITE,
            engine: Arc::from(engine),
        }),
        Ok(engine) => engine,
        Err(error) => return Err(error.into()),
    };
    let mut progress = Progress::new(files.len());
    let (mut passed, mut failed, mut excluded) = (0_usize, 0_usize, 0_usize);
    for file in &files {
        let form = if arguments.one_entry {
            ", in one entry,"
        } else {
            ""
        };
        let what = format!("{}{form} on {}", file.path().display(), engine.name());
        progress.step(&what);
        let began = Instant::now();
        let verdict = judge(engine.as_ref(), file);
        progress.clear();
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(error) => {
                broken = broken.saturating_add(1);
                println!("BROKEN  {what}: {error:#}");
                continue;
            }
        };
        let line = format!("{what} ({:.1} s)", began.elapsed().as_secs_f64());
        match verdict {
            Verdict::Passed(seen) => {
                passed = passed.saturating_add(1);
                println!("ok      {line}");
                if arguments.show {
                    show(&seen);
                }
            }
            Verdict::Excluded(because) => {
                excluded = excluded.saturating_add(1);
                println!("skip    {line}: {because}");
            }
            Verdict::Failed(mismatches, seen) => {
                failed = failed.saturating_add(1);
                println!("FAILED  {line}: {}", file.about());
                for mismatch in mismatches {
                    println!("        {mismatch}");
                }
                if arguments.show {
                    show(&seen);
                }
            }
        }
    }
    let skipped = match arguments.one_entry {
        true => "not meant for this engine or form",
        false => "not meant for this engine",
    };
    let not_run = match broken {
        0 => String::new(),
        broken => format!(", {broken} could not be run"),
    };
    println!("{passed} as expected, {failed} not, {excluded} {skipped}{not_run}");
    Ok(exit_code(broken, failed))
}

fn exit_code(broken: usize, failed: usize) -> ExitCode {
    match (broken, failed) {
        (1.., _) => ExitCode::from(2),
        (0, 1..) => ExitCode::from(1),
        (0, 0) => ExitCode::SUCCESS,
    }
}

/// The filters in a module that is not the suite's, and its absolute path.
fn their_module(path: &Path) -> Result<(Vec<String>, PathBuf)> {
    let said = || path.display().to_string();
    let bytes = std::fs::read(path).with_context(said)?;
    let module = Module::read(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", said()))?;
    anyhow::ensure!(
        !module.filters.is_empty(),
        "{} does not say which filters are in it, because it was not written with the kit: write `wasm: {}` beside the filter in the scenario",
        said(),
        said()
    );
    let names = module.filters.into_iter().map(|filter| filter.name);
    Ok((names.collect(), path.canonicalize().with_context(said)?))
}

/// Builds what these files run, and gives the folder where it is.
fn build(files: &[ScenarioFile], one_entry: bool) -> Result<PathBuf> {
    let workspace = Workspace::locate()?;
    if one_entry {
        build::build(&workspace, &[SUITE.bundle()], Profile::Release)?;
        return Ok(workspace.target.join("modelgate"));
    }
    let files: Vec<&ScenarioFile> = files.iter().collect();
    build::build_for(&workspace, &files)
}

fn collect(path: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| path.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir()
            || entry
                .extension()
                .is_some_and(|extension| extension == "yaml")
        {
            collect(&entry, into)?;
        }
    }
    Ok(())
}

fn show_headers(prefix: &str, headers: &Headers) {
    for (name, value) in headers {
        println!(
            "          {prefix}{name}: {}",
            String::from_utf8_lossy(value)
        );
    }
}

fn show_body(body: &[u8]) {
    if !body.is_empty() {
        println!("          {}", String::from_utf8_lossy(body));
    }
}

fn show(seen: &Observations) {
    for exchange in &seen.exchanges {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let status = exchange.status.map(|status| status.to_string());
        println!(
            "        client: {}, ended by {}; details {}, flags {}",
            or_none(&status),
            exchange.end,
            or_none(&exchange.details),
            or_none(&exchange.flags)
        );
        show_headers("", &exchange.headers);
        show_body(&exchange.body);
        show_headers("trailer ", &exchange.trailers);
        for (name, value) in &exchange.facts {
            println!("          fact {name} = {}", String::from_utf8_lossy(value));
        }
    }
    for (cluster, received) in &seen.received {
        for request in received {
            println!(
                "        {cluster}: {} {} at {}{}",
                request.method,
                request.path,
                request.authority,
                if request.complete {
                    ""
                } else {
                    ", not complete"
                }
            );
            show_headers("", &request.headers);
            show_body(&request.body);
            show_headers("trailer ", &request.trailers);
        }
    }
    for (name, value) in seen.metrics.iter().filter(|(_, value)| **value > 0) {
        println!("        metric {name} = {value}");
    }
    for line in seen.logs.lines() {
        println!("        {line}");
    }
}
