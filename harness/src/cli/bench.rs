//! `modelgate bench`: what the filters cost, as tables on the terminal and in docs/performance.md.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use modelgate_harness::artifacts::{FILTERS, Profile, Workspace, build};
use modelgate_harness::bench::case::{Case, Variant};
use modelgate_harness::bench::rounds::Rounds;
use modelgate_harness::bench::table::{Row, beside_native, beside_reference, replace_between};
use modelgate_harness::bench::{Plan, measure};
use modelgate_harness::envoy_release::Envoy;

/// The filters that show what the kit itself costs.
const TWINS: [&str; 3] = ["bench-bare", "bench-kit", "bench-sdk"];

/// The case without a filter.
const BARE: &str = "bare";

/// Measure what the filters cost on a real Envoy, beside Envoy's own filters.
///
/// CPU time of the Envoy process per request, with one worker, in interleaved rounds. Takes several minutes; leave the machine alone meanwhile.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Cases to measure, by name (see tests/bench); all of them if none is named. `bare`, without a filter, is always measured.
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
    /// How often each variant has its turn.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// How long a turn is, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    turn_ms: u64,
    /// Connections that are kept busy.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// The Envoy release to use; without it, what MODELGATE_ENVOY or PATH has, or else the default one.
    #[arg(long, value_name = "VERSION")]
    envoy: Option<String>,
    /// Use the filters in this folder as they are, instead of building them.
    #[arg(long, value_name = "FOLDER")]
    wasm: Option<PathBuf>,
    /// Write the tables to docs/performance.md too.
    #[arg(long)]
    write: bool,
}

/// Measures; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if !cfg!(feature = "mint") {
        return super::rebuilt::run(&["mint"]);
    }
    let progress = |text: &str| eprintln!("{text}");
    let workspace = Workspace::locate()?;
    let envoy = Envoy::find(arguments.envoy.as_deref(), &progress)?;
    envoy.require_wasm()?;
    let wasm = match &arguments.wasm {
        Some(folder) => folder.clone(),
        None => {
            let names: Vec<&str> = FILTERS.into_iter().chain(TWINS).collect();
            build(&workspace, &names, Profile::Release)?;
            workspace.target.join("modelgate")
        }
    };
    let plan = Plan {
        rounds: arguments.rounds.max(1),
        turn: Duration::from_millis(arguments.turn_ms.max(10)),
        connections: arguments.connections.max(1),
    };
    let folder = workspace.root.join("tests/bench");
    let bare = read(&folder, BARE)?;

    let direct = bare.main.directly();
    let twins = TWINS
        .iter()
        .map(|name| direct.with_module(&wasm, name))
        .collect::<Result<Vec<Variant>>>()?;
    let variants: Vec<&Variant> = std::iter::once(&direct).chain(&twins).collect();
    let kit = kit_table(&measure(&envoy, &wasm, &variants, plan, &progress)?)?;
    println!("\n{kit}");

    let mut cases = vec![bare];
    for name in names(arguments, &folder)? {
        cases.push(read(&folder, &name)?);
    }
    let variants: Vec<&Variant> = cases.iter().flat_map(Case::variants).collect();
    let filters = filters_table(&cases, &measure(&envoy, &wasm, &variants, plan, &progress)?)?;
    println!("\n{filters}");

    if arguments.write {
        let page = workspace.root.join("docs/performance.md");
        let text = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        let text = replace_between(&text, "kit", &kit)
            .and_then(|text| replace_between(&text, "filters", &filters));
        std::fs::write(
            &page,
            text.with_context(|| format!("{} lacks the marks of a table", page.display()))?,
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(folder: &Path, name: &str) -> Result<Case> {
    let now_s = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let path = folder.join(format!("{name}.yaml"));
    Case::read(&path, now_s).with_context(|| path.display().to_string())
}

/// The cases that were asked for, or all that there are, in the order of their names.
fn names(arguments: &Arguments, folder: &Path) -> Result<Vec<String>> {
    if !arguments.cases.is_empty() {
        return Ok(arguments.cases.clone());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
            && name != BARE
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn find<'a>(measured: &'a [Rounds], name: &str) -> Result<&'a Rounds> {
    measured
        .iter()
        .find(|rounds| rounds.name == name)
        .context("a variant without figures")
}

fn kit_table(measured: &[Rounds]) -> Result<String> {
    let (base, twins) = measured.split_first().context("nothing measured")?;
    Ok(beside_reference(
        base,
        find(measured, "bench-bare")?,
        &twins.iter().collect::<Vec<_>>(),
    ))
}

fn filters_table(cases: &[Case], measured: &[Rounds]) -> Result<String> {
    let mut rows = Vec::new();
    for case in cases.iter().skip(1) {
        let native = case
            .native
            .as_ref()
            .map(|native| find(measured, &native.name))
            .transpose()?;
        rows.push(Row {
            main: find(measured, &case.main.name)?,
            native,
        });
    }
    Ok(beside_native(find(measured, BARE)?, &rows))
}
