//! `modelgate new`: what it writes into the suite is a filter that works, without a line added by
//! hand; and so is what docs/new-filter.md makes of it.
//!
//! The suite is copied, and two filters are added to the copy: one as it is written, and the
//! page's. Then this very file, built there, runs what a filter of the suite must pass: its
//! scenarios on every engine, its generated files, and random callbacks. What third parties wrote
//! is built once for both, and nothing that is built here is touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::generate;
use modelgate_cli::new::{self, Name};
use modelgate_cli::skip::require_or_skip;
use modelgate_full::BACKENDS;
use modelgate_full::fuzz::{Options, Promise, World, fuzz};
use modelgate_scenario::engine::{Engine, Verdict, WasmFolder, judge, open};
use modelgate_scenario::file::{EngineName, ScenarioFile};

/// The filter that stays as it is written.
const PLAIN: &str = "verb-gate";
/// The filter that the page makes.
const TAUGHT: &str = "country-gate";
/// Each with an option and a reason of its own.
const FILTERS: [(&str, &str, &str); 2] = [
    (PLAIN, "deny_methods", "method_denied"),
    (TAUGHT, "countries", "country_unknown"),
];
/// What the page may ask of a reader, in lines of Rust.
const MOST_LINES: usize = 100;
/// As many as each filter of the suite has to stand in a test run.
const CALLBACKS: u64 = 10_000;

/// What of a repository is no part of it.
const LEFT_OUT: [&str; 4] = [".git", ".cargo", "target", "dist"];

/// Makes `to` the same as `from`. Files that are the same already keep their times, by which cargo
/// knows that nothing has changed.
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
    let output = build::cargo()
        .args(arguments)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        // Nobody looks into these with a debugger.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
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
    // Below the workspace cargo finds its settings by itself.
    if !root.starts_with(&workspace.root) {
        mirror(&workspace.root.join(".cargo"), &root.join(".cargo"));
    }
    for (filter, after) in [(PLAIN, "consumer-acl"), (TAUGHT, "audit-log")] {
        let name = Name::parse(filter).unwrap();
        let written = new::in_suite(&root, &name, after).unwrap();
        let library = PathBuf::from(format!("plugins/{filter}/src/lib.rs"));
        assert!(written.contains(&library), "{written:?}");
    }
    follow(&root);
    rename_release(&root);
    let target = workspace.target.as_path();
    cargo(&root, target, &["update", "--workspace", "--offline"]);
    // What is written is formatted, as far as the length of the name allows; so is what is taught.
    let both = ["--package", PLAIN, "--package", TAUGHT];
    cargo(&root, target, &[&["fmt", "--check"], &both[..]].concat());
    cargo(&root, target, &[&["test", "--offline"], &both[..]].concat());
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
        .args([
            "--ignored",
            "--exact",
            "the_filters_are_green",
            "--nocapture",
        ])
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

/// Gives the copy another release. Cargo tells members of a workspace by name, release and place
/// within it, so those of the copy would take the place of what is built here.
fn rename_release(root: &Path) {
    let manifest = root.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let release = format!("version = \"{}\"\nedition", env!("CARGO_PKG_VERSION"));
    assert!(
        text.contains(&release),
        "no release in {}",
        manifest.display()
    );
    let other = "version = \"0.0.0-copy\"\nedition";
    std::fs::write(manifest, text.replace(&release, other)).unwrap();
}

/// Does in the copy what the page says: its files take the place of what is written.
fn follow(root: &Path) {
    let page = std::fs::read_to_string(root.join("docs/new-filter.md")).unwrap();
    let mut lines = 0;
    let mut replaced = 0;
    for block in page.split("\n```").skip(1) {
        let Some((kind, text)) = block.split_once('\n') else {
            continue;
        };
        let Some((language, path)) = kind.split_once(' ') else {
            continue;
        };
        let path = root.join(path);
        assert!(path.is_file(), "{} is not written before", path.display());
        std::fs::write(&path, format!("{text}\n")).unwrap();
        lines += usize::from(language == "rust") * text.lines().count();
        replaced += 1;
    }
    assert_eq!(replaced, 6, "four files of code and two scenarios");
    assert!(lines <= MOST_LINES, "the page asks for {lines} lines");
}

/// In the copy of the suite that has them.
#[test]
#[ignore = "run by a_new_filter_of_the_suite_is_complete, in a copy of the suite"]
fn the_filters_are_green() {
    let workspace = Workspace::locate().unwrap();
    let made = generate::write(&workspace.root).unwrap();
    build::build(&workspace, &[PLAIN, TAUGHT], Profile::Release).unwrap();
    for (filter, option, reason) in FILTERS {
        let member = SUITE.member(filter).expect("it is a filter of the suite");
        assert_eq!(member.krate, filter);
        let read = |path: &str| std::fs::read_to_string(workspace.root.join(path)).unwrap();
        let schema = format!("docs/schemas/{}.schema.json", member.filter.name);
        let page = format!("plugins/{filter}/README.md");
        assert!(made.contains(&PathBuf::from(&schema)), "{made:?}");
        assert!(read(&schema).contains(option));
        assert!(read(&page).contains(&format!("| `{option}`")));
        assert!(read(&page).contains(&format!("| `{reason}`")));
        assert!(read("docs/reasons.md").contains(&format!("## `{filter}`")));
        let files = ["scenarios/refused-configuration.yaml".to_owned()];
        let files = [format!("scenarios/{filter}.yaml")]
            .into_iter()
            .chain(files);
        let folder = workspace.root.join("plugins").join(filter);
        let files: Vec<ScenarioFile> = files
            .map(|name| ScenarioFile::read(&SUITE, &folder.join(name)).unwrap())
            .collect();
        on_every_engine(&workspace, &files);
        fuzzed(&workspace, filter, &files);
    }
}

fn on_every_engine(workspace: &Workspace, files: &[ScenarioFile]) {
    let modules = Arc::new(WasmFolder(workspace.target.join("modelgate")));
    for name in ["native", "wasmtime", "envoy"] {
        let name = EngineName::parse(name).unwrap();
        let told = |message: &str| eprintln!("{message}");
        let engine = open(&name, modules.clone(), &BACKENDS, &told);
        if let Some(engine) = require_or_skip(&format!("{name} for a new filter"), engine) {
            files.iter().for_each(|file| passes(engine.as_ref(), file));
        }
    }
}

fn fuzzed(workspace: &Workspace, filter: &str, files: &[ScenarioFile]) {
    let wasm = std::fs::read(workspace.artifact_path(filter)).unwrap();
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
    let report = match fuzz(&wasm, filter, &worlds, options).unwrap() {
        Ok(report) => report,
        Err(finding) => panic!("{filter}: {finding}"),
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
