//! `modelgate bench`: what the filters cost, as tables on the terminal and in docs/performance.md.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::bench::callgrind::{self, Executed};
use crate::bench::case::{Case, Variant};
use crate::bench::compare::{self, Run};
use crate::bench::rounds::Rounds;
use crate::bench::table::{Row, beside_others, beside_reference, replace_between};
use crate::bench::{self, BARE, Plan, measure};
use crate::bench::{
    bodies, configurations, instructions, latency, picture, sizes, starts, table, throughput,
};
use anyhow::{Context, Result};
use modelgate_cli::SUITE;
use modelgate_cli::build::native::{self, LIBRARY};
use modelgate_cli::build::{Profile, Workspace, build};
use modelgate_cli::command::bench::Arguments;
use modelgate_envoy::child;
use modelgate_envoy::release::Envoy;

/// The filters that show what the kit itself costs.
const TWINS: [&str; 3] = ["bench-bare", "bench-kit", "bench-sdk"];

/// The cases that are no files: the kit itself, bodies, latency, kinds of bodies that are masked,
/// long configurations, and starts.
const KIT: &str = "kit";
const BODIES: &str = "bodies";
const LATENCY: &str = "latency";
const PII: &str = "pii";
const NO_FILES: [&str; 6] = [KIT, BODIES, LATENCY, PII, SIZES, STARTS];
const SIZES: &str = "sizes";
const STARTS: &str = "starts";

/// Envoy's workers, where starts are compared.
const WORKERS: [u32; 2] = [1, 4];

/// Measures; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    child::end_with_this_process()?;
    let workspace = Workspace::locate()?;
    let wasm = match &arguments.wasm {
        Some(folder) => folder.clone(),
        None => {
            let twins = TWINS.into_iter().filter(|_| measures(arguments, KIT));
            let names: Vec<&str> = SUITE.modules().into_iter().chain(twins).collect();
            build(&workspace, &names, Profile::Release)?;
            if !arguments.instructions {
                native::build(&workspace)?;
            }
            workspace.target.join("modelgate")
        }
    };
    let folder = workspace.root.join("tests/bench");
    let (tables, kept) = if arguments.callgrind {
        executed_table(arguments, &workspace, &folder, &wasm)?
    } else {
        let mut tables = work_tables(arguments, &workspace, &folder, &wasm)?;
        if !arguments.instructions {
            tables.extend(cpu_tables(arguments, &workspace, &folder, &wasm)?);
        }
        (tables, true)
    };
    if arguments.write {
        let page = workspace.root.join("docs/performance.md");
        let mut text =
            std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        for (name, table) in tables {
            text = replace_between(&text, name, &table).with_context(|| {
                format!("{} lacks the marks of the table {name}", page.display())
            })?;
        }
        std::fs::write(&page, text)?;
    }
    Ok(match kept {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Tables by the names of their places in docs/performance.md.
type Tables = Vec<(&'static str, String)>;

/// What the whole Envoy executes, and whether it keeps to the budgets; with `--write` these are
/// written anew.
fn executed_table(
    arguments: &Arguments,
    workspace: &Workspace,
    folder: &Path,
    wasm: &Path,
) -> Result<(Tables, bool)> {
    let progress = |text: &str| eprintln!("{text}");
    let envoy = Envoy::find(arguments.envoy.as_deref(), &progress)?;
    envoy.require_wasm()?;
    let cases = cases(arguments, folder, wasm, &envoy)?;
    let variants: Vec<&Variant> = cases.iter().flat_map(Case::variants).collect();
    let dumps = arguments.dumps.as_deref();
    let measured = callgrind::measure(&envoy, wasm, &variants, dumps, &progress)?;
    let find = |name: &str| {
        let found = measured.iter().find(|one| one.name == name);
        found.context("a variant without figures")
    };
    let bare = find(BARE)?;
    let rows = rows(&cases, find)?;
    let ratios: BTreeMap<String, u64> = rows
        .iter()
        .flat_map(|row: &Row<'_, Executed>| std::iter::once(row.main).chain(row.native))
        .filter(|one| one.instructions > 0)
        .map(|one| (one.name.clone(), one.ratio(bare)))
        .collect();
    let file = workspace.root.join(instructions::BUDGETS);
    let mut budgets = instructions::Budgets::read(&file)?;
    if arguments.write {
        budgets = budgets.and_envoy(&ratios);
        budgets.write(&file)?;
    }
    let table = table::executed(bare, &rows, &budgets);
    println!("\n{table}");
    let broken = budgets.envoy_broken_by(&ratios);
    for broken in &broken {
        eprintln!("{broken}");
    }
    Ok((vec![("callgrind", table)], broken.is_empty()))
}

/// What filters execute, from the embedded host; with `--write` the budgets are written anew.
fn work_tables(
    arguments: &Arguments,
    workspace: &Workspace,
    folder: &Path,
    wasm: &Path,
) -> Result<Tables> {
    let mut costs = BTreeMap::new();
    let mut filters = String::new();
    for name in names(arguments, folder)? {
        eprintln!("counting: {name}");
        let (cost, by_filter) = instructions::count(&bench::read(folder, &name)?, wasm)?;
        if by_filter.len() > 1 {
            filters = table::work(&by_filter, &instructions::Budgets::default());
        }
        costs.insert(name, cost);
    }
    let mut long = sizes::Sizes::new();
    if measures(arguments, SIZES) {
        long = sizes::measure(wasm, usize::MAX, &|text| eprintln!("{text}"))?;
    }
    let mut counted = Vec::new();
    if measures(arguments, PII) {
        counted = throughput::count(wasm, &|text| eprintln!("{text}"))?;
    }
    let file = workspace.root.join(instructions::BUDGETS);
    let mut budgets = instructions::Budgets::read(&file)?;
    if arguments.write {
        let modules = instructions::module_bytes(wasm)?;
        let envoy = std::mem::take(&mut budgets.envoy);
        budgets = instructions::Budgets {
            envoy,
            ..instructions::Budgets::above(&costs, &modules, &long)
        };
        budgets.write(&file)?;
    }
    let mut tables = vec![
        ("work", table::work(&costs, &budgets)),
        ("sizes", table::sizes(&long)),
    ];
    if arguments.instructions {
        tables.push((PII, throughput::table(&counted, &[])?));
    }
    for (_, table) in &tables {
        println!("\n{table}");
    }
    println!("{filters}");
    Ok(tables)
}

/// CPU time of a real Envoy: of the kit beside filters without it, and of the filters beside
/// Envoy's own.
fn cpu_tables(
    arguments: &Arguments,
    workspace: &Workspace,
    folder: &Path,
    wasm: &Path,
) -> Result<Tables> {
    let progress = |text: &str| eprintln!("{text}");
    let envoy = Envoy::find(arguments.envoy.as_deref(), &progress)?;
    envoy.require_wasm()?;
    let plan = Plan {
        rounds: arguments.rounds.max(1),
        turn: Duration::from_millis(arguments.turn_ms.max(10)),
        connections: arguments.connections.max(1),
    };
    let bare = bench::read(folder, BARE)?;

    let mut tables = Vec::new();
    if measures(arguments, KIT) {
        let direct = bare.main.directly();
        let twins = TWINS
            .iter()
            .map(|name| direct.with_module(wasm, name, None))
            .collect::<Result<Vec<Variant>>>()?;
        let variants: Vec<&Variant> = std::iter::once(&direct).chain(&twins).collect();
        let kit = kit_table(&measure(&envoy, wasm, &variants, plan, &progress)?)?;
        println!("\n{kit}");
        tables.push(("kit", kit));
    }

    if measures(arguments, STARTS) {
        let starts = starts_table(&bare, folder, wasm, &envoy)?;
        println!("\n{starts}");
        tables.push(("starts", starts));
    }

    let one_entry = bench::read(folder, "chain-one-entry")?;
    if measures(arguments, BODIES) {
        let bodies = bodies_table(&bare, &one_entry, wasm, &envoy, plan)?;
        println!("\n{bodies}");
        tables.push((BODIES, bodies));
    }
    if measures(arguments, LATENCY) {
        let variants: Vec<&Variant> = bare.variants().chain(one_entry.variants()).collect();
        let found = latency::measure(&envoy, wasm, &variants, plan, &progress)?;
        let latencies = table::latencies(&found);
        println!("\n{latencies}");
        tables.push((LATENCY, latencies));
    }

    if measures(arguments, PII) {
        let table = pii_table(&bare, folder, wasm, &envoy, plan)?;
        println!("\n{table}");
        tables.push((PII, table));
    }

    let cases = cases(arguments, folder, wasm, &envoy)?;
    let variants: Vec<&Variant> = cases.iter().flat_map(Case::variants).collect();
    let measured = measure(&envoy, wasm, &variants, plan, &progress)?;
    let filters = filters_table(&cases, &measured)?;
    println!("\n{filters}");
    tables.push(("filters", filters));
    if arguments.write {
        picture::write(&workspace.root, &measured)?;
    }
    let this = Run::of(envoy.version(), &measured);
    if let Some(file) = &arguments.save {
        this.write(file)?;
    }
    if let Some(file) = &arguments.compare {
        let before = Run::read(file)?;
        println!("{} (Envoy {}) and now:\n", file.display(), before.envoy);
        println!("{}", compare::table(&before, &this));
    }
    Ok(tables)
}

/// The bare request, and the cases that are measured on Envoy, with what they are compared to.
fn cases(arguments: &Arguments, folder: &Path, wasm: &Path, envoy: &Envoy) -> Result<Vec<Case>> {
    let mut cases = vec![bench::read(folder, BARE)?];
    let has_library = has_library(wasm, envoy);
    if !has_library {
        eprintln!(
            "the native form is not measured: it needs libmodelgate.so and Envoy 1.38 or later"
        );
    }
    for name in names(arguments, folder)? {
        let mut case = bench::read(folder, &name)?;
        case.native = case.native.filter(|_| has_library);
        cases.push(case);
    }
    Ok(cases)
}

/// What was measured of each case but the bare one.
fn rows<'a, T>(cases: &[Case], find: impl Fn(&str) -> Result<&'a T>) -> Result<Vec<Row<'a, T>>> {
    let beside = |variant: &Option<Variant>| {
        let found = variant.as_ref().map(|one| find(&one.name));
        found.transpose()
    };
    let cases = cases.iter().skip(1);
    let row = |case: &Case| {
        Ok(Row {
            main: find(&case.main.name)?,
            native: beside(&case.native)?,
            own: beside(&case.own)?,
        })
    };
    cases.map(row).collect()
}

/// Whether the native form can be measured.
fn has_library(wasm: &Path, envoy: &Envoy) -> bool {
    wasm.join(LIBRARY).is_file() && envoy.require_dynamic_modules().is_ok()
}

/// What longer messages cost, without a filter and through the chain in one entry, in both forms.
fn bodies_table(
    bare: &Case,
    chain: &Case,
    wasm: &Path,
    envoy: &Envoy,
    plan: Plan,
) -> Result<String> {
    let mut table = Vec::new();
    let rows = bodies::rows(bare, chain);
    for row in &rows {
        let variants: Vec<&Variant> = row.variants.iter().collect();
        let measured = measure(envoy, wasm, &variants, plan, &|text| eprintln!("{text}"))?;
        table.push((row.what, measured));
    }
    let rows: Vec<_> = table
        .iter()
        .map(|(what, measured)| (*what, measured.iter().collect()))
        .collect();
    Ok(table::bodies(&rows))
}

/// What masking costs by what a body is, in both forms.
fn pii_table(bare: &Case, folder: &Path, wasm: &Path, envoy: &Envoy, plan: Plan) -> Result<String> {
    let progress = |text: &str| eprintln!("{text}");
    let mut masks = bench::read(folder, "pii-mask")?;
    masks.native = masks.native.filter(|_| has_library(wasm, envoy));
    let mut measured = Vec::new();
    for row in throughput::rows(bare, &masks) {
        let variants: Vec<&Variant> = row.variants.iter().collect();
        measured.push((row.name, measure(envoy, wasm, &variants, plan, &progress)?));
    }
    throughput::table(&throughput::count(wasm, &progress)?, &measured)
}

/// What Envoy needs to start: without a filter, with all of them in as many entries and in one, in
/// both forms, and with few and many keys.
fn starts_table(bare: &Case, folder: &Path, wasm: &Path, envoy: &Envoy) -> Result<String> {
    let has_library = has_library(wasm, envoy);
    let mut variants = vec![bare.main.clone()];
    for name in ["chain", "chain-one-entry"] {
        let case = bench::read(folder, name)?;
        variants.push(case.main);
        variants.extend(case.native.filter(|_| has_library));
    }
    for (name, count) in [("key-auth, 1 key", 1), ("key-auth, 100,000 keys", 100_000)] {
        let keys = configurations::keys(count);
        variants.push(
            bare.main
                .with_module(wasm, "key-auth", Some((name, &keys)))?,
        );
    }
    let variants: Vec<&Variant> = variants.iter().collect();
    let starts = starts::measure(envoy, wasm, &variants, &WORKERS, &|text| {
        eprintln!("{text}")
    })?;
    Ok(table::starts(&starts))
}

/// Whether a case that is no file is measured.
fn measures(arguments: &Arguments, name: &str) -> bool {
    arguments.cases.is_empty() || arguments.cases.iter().any(|case| case == name)
}

/// The cases that were asked for, or all that there are, in the order of their names.
fn names(arguments: &Arguments, folder: &Path) -> Result<Vec<String>> {
    if arguments.cases.is_empty() {
        bench::names(folder)
    } else {
        let named = arguments
            .cases
            .iter()
            .filter(|case| !NO_FILES.contains(&case.as_str()));
        Ok(named.cloned().collect())
    }
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
    let rows = rows(cases, |name| find(measured, name))?;
    Ok(beside_others(find(measured, BARE)?, &rows))
}
