//! Every scenario file on every engine, one test each: `FILE::ENGINE`. The page about scenarios is
//! one of the files: its examples run too.
//!
//! Where it can be, a scenario is run once more with its chain in one entry of the proxy's:
//! `FILE::one entry on ENGINE`, and must see the same. On Envoy that is done for chains of several
//! filters.
//!
//! An engine that cannot be had here is a printed, counted skip (an ignored test), and a failure
//! where `CI=true`.

use modelgate_cli::SUITE;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::skip::is_ci;
use modelgate_envoy::release;
use modelgate_full::BACKENDS;
use modelgate_scenario::engine::fused::{self, Fused};
use modelgate_scenario::engine::{Engine, Verdict, WasmFolder, judge, open};
use modelgate_scenario::file::{EngineKind, EngineName, ScenarioError, ScenarioFile};

/// How many scenarios run at a time: on an Envoy they wait for most of the time, and an Envoy plays
/// one after the other.
const AT_A_TIME: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    match trials(&arguments) {
        Ok(trials) => libtest_mimic::run(&arguments, dealt(trials)).exit_code(),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The trials of several engines, one of each in turn, so that those which run at a time have an
/// Envoy each.
fn dealt(engines: Vec<Vec<Trial>>) -> Vec<Trial> {
    let mut rows: Vec<_> = engines.into_iter().map(Vec::into_iter).collect();
    let mut trials = Vec::new();
    loop {
        let before = trials.len();
        trials.extend(rows.iter_mut().filter_map(Iterator::next));
        if trials.len() == before {
            return trials;
        }
    }
}

/// The trials of each engine.
fn trials(arguments: &Arguments) -> anyhow::Result<Vec<Vec<Trial>>> {
    let workspace = Workspace::locate()?;
    let mut files = Vec::new();
    let mut trials = Vec::new();
    let paths = build::scenario_files(&workspace.root)?;
    let read = paths.into_iter().map(|path| {
        let file = ScenarioFile::read(&SUITE, &workspace.root.join(&path));
        (path.display().to_string(), file)
    });
    for (name, file) in read.chain(examples(&workspace.root)?) {
        match file {
            Ok(file) => files.push((name, Arc::new(file))),
            Err(error) => trials.push(vec![Trial::test(name, move || {
                Err(Failed::from(error.to_string()))
            })]),
        }
    }
    let engines = if arguments.list {
        BTreeMap::new()
    } else {
        engines(&workspace, &files)?
    };
    let fusible: Vec<(String, Arc<ScenarioFile>, usize)> = files
        .iter()
        .filter_map(|(path, file)| {
            let scenario = file.resolve_without_keys().ok()?;
            fused::fused(&SUITE, &scenario).ok()?;
            Some((path.clone(), Arc::clone(file), scenario.chain.len()))
        })
        .collect();
    anyhow::ensure!(
        fusible.len() > 50,
        "hardly a scenario can be run in one entry"
    );
    for name in names() {
        let engine = engines.get(&name.to_string());
        let here = files.iter().filter(|(path, _)| runs_on(&name, path));
        let apart = here.map(|(path, file)| trial(format!("{path}::{name}"), &name, engine, file));
        trials.push(apart.collect());
        let several = match name.kind {
            EngineKind::Native | EngineKind::Wasmtime => 1,
            EngineKind::Envoy | EngineKind::EnvoyNative if is_default(&name) => 2,
            EngineKind::Envoy
            | EngineKind::EnvoyNative
            | EngineKind::Container
            | EngineKind::Playing => continue,
        };
        let fused = engine.map(|engine| match engine {
            Ok(engine) => Ok(Arc::new(Fused {
                catalogue: SUITE,
                engine: Arc::clone(engine),
            }) as Arc<dyn Engine>),
            Err(missing) => Err(missing.clone()),
        });
        let here = fusible.iter().filter(|(.., filters)| *filters >= several);
        let fused = here.map(|(path, file, _)| {
            let test = format!("{path}::one entry on {name}");
            trial(test, &name, fused.as_ref(), file)
        });
        trials.push(fused.collect());
    }
    Ok(trials)
}

fn trial(
    test: String,
    name: &EngineName,
    engine: Option<&Result<Arc<dyn Engine>, String>>,
    file: &Arc<ScenarioFile>,
) -> Trial {
    match engine {
        Some(Ok(engine)) => {
            let (engine, file) = (Arc::clone(engine), Arc::clone(file));
            Trial::test(test, move || run(engine.as_ref(), &file))
        }
        Some(Err(missing)) if is_ci() => {
            let missing = format!("CI=true, and there is no engine {name}: {missing}");
            Trial::test(test, move || Err(Failed::from(missing)))
        }
        _ => Trial::test(test, || Ok(())).with_ignored_flag(true),
    }
}

fn is_default(name: &EngineName) -> bool {
    name.version.as_deref() == Some(release::DEFAULT)
}

/// Whether a file is tried on an engine. The dynamic module is the same for every release: on the
/// default one it runs everything, on the others the chains.
fn runs_on(name: &EngineName, path: &str) -> bool {
    name.kind != EngineKind::EnvoyNative || is_default(name) || path.starts_with("tests/")
}

/// The engines that scenarios run on: the oldest and the newest Envoy among them.
fn names() -> Vec<EngineName> {
    let envoy = |kind: &str, version: &str| format!("{kind} {version}");
    let names = [
        "native".to_owned(),
        "wasmtime".to_owned(),
        envoy("envoy", release::DEFAULT),
        envoy("envoy", release::OLDEST),
        envoy("envoy-container", release::DEFAULT),
    ];
    let native = release::NATIVE.map(|version| envoy("envoy-native", version));
    names
        .iter()
        .chain(&native)
        .map(|name| EngineName::parse(name).expect("the name of an engine"))
        .collect()
}

type Opened = BTreeMap<String, Result<Arc<dyn Engine>, String>>;

fn engines(workspace: &Workspace, files: &[(String, Arc<ScenarioFile>)]) -> anyhow::Result<Opened> {
    let used: Vec<&ScenarioFile> = files.iter().map(|(_, file)| file.as_ref()).collect();
    let wasm = Arc::new(WasmFolder(build::build_for(workspace, &used)?));
    build::build(workspace, &[SUITE.bundle()], Profile::Release)?;
    let mut engines = BTreeMap::new();
    for name in names() {
        let engine = open(&name, wasm.clone(), &BACKENDS, &|message| {
            eprintln!("{message}")
        });
        if let Err(missing) = &engine {
            println!("SKIPPED: {} scenarios on {name}: {missing}", files.len());
        }
        engines.insert(
            name.to_string(),
            engine.map(Arc::from).map_err(|missing| missing.to_string()),
        );
    }
    Ok(engines)
}

/// The whole scenarios among the examples of docs/scenarios.md.
fn examples(root: &Path) -> anyhow::Result<Vec<(String, Result<ScenarioFile, ScenarioError>)>> {
    const PAGE: &str = "docs/scenarios.md";
    let path = root.join(PAGE);
    let page = std::fs::read_to_string(&path)?;
    let blocks = page.split("```yaml\n").skip(1);
    let examples: Vec<_> = blocks
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.starts_with("about:"))
        .enumerate()
        .map(|(number, block)| {
            let name = format!("{PAGE}[{number}]");
            (name, ScenarioFile::parse(&SUITE, &path, block))
        })
        .collect();
    anyhow::ensure!(!examples.is_empty(), "{PAGE} has no example that runs");
    Ok(examples)
}

fn run(engine: &dyn Engine, file: &ScenarioFile) -> Result<(), Failed> {
    match judge(engine, file) {
        Ok(Verdict::Passed(_)) => Ok(()),
        Ok(Verdict::Excluded(because)) => {
            println!("not meant for {}: {because}", engine.name());
            Ok(())
        }
        Ok(Verdict::Failed(mismatches, seen)) => {
            let mismatches: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
            let log = seen.logs.lines().rev().take(20).collect::<Vec<_>>();
            let log = log.into_iter().rev().collect::<Vec<_>>().join("\n");
            Err(Failed::from(format!(
                "{}\n{}\n{log}",
                file.about(),
                mismatches.join("\n")
            )))
        }
        Err(error) => Err(Failed::from(format!("{error:#}"))),
    }
}
