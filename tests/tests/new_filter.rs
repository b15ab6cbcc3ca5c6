//! `modelgate new`: what it writes into the suite is a filter that works, without a line added by hand.
//!
//! The suite is copied, and a filter is added to the copy. Then this very file, built there, runs what a filter of the suite must pass: its
//! scenarios on every engine, its generated files, and random callbacks. What third parties wrote is built once for both.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::generate;
use modelgate_cli::new::{self, Name};
use modelgate_full::BACKENDS;
use modelgate_full::fuzz::{Options, Promise, World, fuzz};
use modelgate_scenario::engine::{Engine, Verdict, WasmFolder, judge, open};
use modelgate_scenario::file::{EngineName, ScenarioFile};
use modelgate_scenario::suite;

/// The filter that is added.
const FILTER: &str = "verb-gate";
/// As many as each filter of the suite has to stand in a test run.
const CALLBACKS: u64 = 10_000;

/// What of a repository is no part of it.
const LEFT_OUT: [&str; 4] = [".git", ".cargo", "target", "dist"];

/// Makes `to` the same as `from`. Files that are the same already keep their times, by which cargo knows that nothing has changed.
fn mirror(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let names = |folder: &Path| -> Vec<_> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| !LEFT_OUT.iter().any(|out| name == out))
            .collect()
    };
    let wanted = names(from);
    for gone in names(to).into_iter().filter(|name| !wanted.contains(name)) {
        let path = to.join(gone);
        match path.is_dir() {
            true => std::fs::remove_dir_all(path).unwrap(),
            false => std::fs::remove_file(path).unwrap(),
        }
    }
    for name in wanted {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            mirror(&from, &to);
        } else {
            let content = std::fs::read(&from).unwrap();
            if std::fs::read(&to).ok().as_ref() != Some(&content) {
                std::fs::write(&to, content).unwrap();
            }
        }
    }
}

fn cargo(root: &Path, target: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    output.stdout
}

/// The executable of a test that cargo has built, by what it says of it.
fn executable(messages: &[u8]) -> PathBuf {
    let messages = String::from_utf8_lossy(messages);
    let last = messages
        .lines()
        .filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message.get("executable")?.as_str()?))
        })
        .next_back();
    last.expect("a test")
}

#[test]
fn a_new_filter_of_the_suite_is_complete() {
    let workspace = Workspace::locate().unwrap();
    let place = workspace.target.join("new-filter");
    let root = place.join("suite");
    mirror(&workspace.root, &root);
    let written = new::in_suite(&root, &Name::parse(FILTER).unwrap(), "consumer-acl").unwrap();
    assert!(written.contains(&PathBuf::from("plugins/verb-gate/src/lib.rs")));
    let target = workspace.target.as_path();
    cargo(&root, target, &["update", "--workspace", "--offline"]);
    // Formatted already: the name is as long as to change nothing.
    cargo(&root, target, &["fmt", "--check", "--package", FILTER]);
    cargo(&root, target, &["test", "--offline", "--package", FILTER]);
    // Only a test is built: a program would take the place of the one that is built here.
    let messages = cargo(
        &root,
        target,
        &[
            "test",
            "--offline",
            "--workspace",
            "--all-features",
            "--test",
            "new_filter",
            "--no-run",
            "--message-format",
            "json",
        ],
    );
    // Modules elsewhere: the flags that make their bytes the same everywhere are others there.
    let status = Command::new(executable(&messages))
        .args(["--ignored", "--exact", "the_filter_is_green", "--nocapture"])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", place.join("target"))
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn a_name_that_is_taken_is_refused_and_nothing_is_written() {
    let root = Workspace::locate().unwrap().root;
    let taken = Name::parse("wasmtime").unwrap();
    let error = new::in_suite(&root, &taken, "consumer-acl").unwrap_err();
    assert!(error.to_string().contains("a package"), "{error}");
    assert!(!root.join("plugins/wasmtime").exists());
}

/// In the copy of the suite that has it.
#[test]
#[ignore = "run by a_new_filter_of_the_suite_is_complete, in a copy of the suite"]
fn the_filter_is_green() {
    let workspace = Workspace::locate().unwrap();
    let member = suite::member(FILTER).expect("it is a filter of the suite");
    assert_eq!(member.filter.name, "verb_gate");

    let made = generate::write(&workspace.root).unwrap();
    let schema = PathBuf::from("docs/schemas/verb_gate.schema.json");
    let page = PathBuf::from("plugins/verb-gate/README.md");
    assert!(made.contains(&schema) && made.contains(&page), "{made:?}");
    let read = |path: &Path| std::fs::read_to_string(workspace.root.join(path)).unwrap();
    assert!(read(&schema).contains("deny_methods"));
    assert!(read(&page).contains("| `deny_methods`") && read(&page).contains("| `method_denied`"));
    assert!(read(Path::new("docs/reasons.md")).contains("## `verb-gate`"));

    build::build(&workspace, &[FILTER], Profile::Release).unwrap();
    let folder = workspace.root.join("plugins/verb-gate/scenarios");
    let files: Vec<ScenarioFile> = ["verb-gate.yaml", "refused-configuration.yaml"]
        .into_iter()
        .map(|name| ScenarioFile::read(&folder.join(name)).unwrap())
        .collect();
    let modules = Arc::new(WasmFolder(workspace.target.join("modelgate")));
    for name in ["native", "wasmtime", "envoy"] {
        let name = EngineName::parse(name).unwrap();
        match open(&name, modules.clone(), &BACKENDS, &|message| {
            eprintln!("{message}")
        }) {
            Ok(engine) => files.iter().for_each(|file| passes(engine.as_ref(), file)),
            Err(missing) => {
                let ci = std::env::var("CI").as_deref() == Ok("true");
                assert!(!ci, "CI=true, and there is no engine {name}: {missing}");
                println!("SKIPPED: a new filter on {name}: {missing}");
            }
        }
    }

    let wasm = std::fs::read(workspace.artifact_path(FILTER)).unwrap();
    let worlds: Vec<World> = files
        .iter()
        .map(|file| World {
            name: file.about().to_owned(),
            scenario: file.resolve(1_800_000_000).unwrap(),
            promise: Promise::Nothing,
        })
        .collect();
    let options = Options {
        seed: 1,
        callbacks: CALLBACKS,
    };
    let report = match fuzz(&wasm, FILTER, &worlds, options).unwrap() {
        Ok(report) => report,
        Err(finding) => panic!("{finding}"),
    };
    assert!(report.callbacks >= CALLBACKS, "{report}");
    assert!(
        report.passed > 0 && report.passed < report.requests,
        "{report}"
    );
    assert!(
        report.refused_calls > 0 && report.spoiled_calls > 0,
        "{report}"
    );
}

fn passes(engine: &dyn Engine, file: &ScenarioFile) {
    match judge(engine, file) {
        Ok(Verdict::Passed(_)) => println!("{} on {}", file.path().display(), engine.name()),
        Ok(other) => panic!("{}: {other:?}", engine.name()),
        Err(error) => panic!("{}: {error:#}", engine.name()),
    }
}
