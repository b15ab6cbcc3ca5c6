//! `modelgate test`: everything that CI checks, one step after another, and one verdict.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rustdoc;
use crate::build::{self, Profile, Workspace};
use crate::generate;
use crate::skip;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use modelgate_envoy::release::{self, Envoy};

/// Check everything: format, lints, generated files, and all tests on all engines.
///
/// The tests are units, conformance with third-party data, scenarios on every engine, chains with
/// real services, fuzzed callbacks and budgets of what filters execute. What cannot run here (no
/// Envoy, no Docker, no data) is skipped, printed and counted; with CI=true it fails instead. Exit
/// code 0: all is well; 1: something is not.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only these steps.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// Passed on to `cargo test`, e.g. the name of a test.
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// rustfmt.
    Format,
    /// Everything compiles, without a warning of clippy's.
    Lint,
    /// The filters build.
    Build,
    /// Generated files are up to date.
    Generated,
    /// cargo test.
    Tests,
}

const STEPS: [Step; 5] = [
    Step::Format,
    Step::Lint,
    Step::Build,
    Step::Generated,
    Step::Tests,
];

/// Test binaries that run at a time: one computes while another waits for its servers, for a
/// lock, or for the one test that is left of it.
const BINARIES_AT_A_TIME: usize = 2;

/// Tests of one binary that run at a time, unless `RUST_TEST_THREADS` says otherwise: more than
/// there are processors on a small machine, because those with servers wait more than they compute.
const TESTS_AT_A_TIME: &str = "3";

/// Where random tests take their seeds from. Under `CI=true` these are fixed, so that a change
/// fails for faults of its own; elsewhere each run draws new ones, and a finding says how to repeat
/// it.
const SEEDS: [&str; 2] = ["PROPTEST_RNG_SEED", "MODELGATE_FUZZ_SEED"];

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// The steps and tests that failed, as they call themselves.
    faults: Vec<String>,
    /// What they said of it.
    said: Vec<String>,
}

/// Runs the steps; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let mut tally = Tally::default();
    let this = kept(&workspace)?;
    if arguments.only.is_empty() {
        fetch_ahead();
    }
    for step in STEPS
        .into_iter()
        .filter(|step| arguments.only.is_empty() || arguments.only.contains(step))
    {
        let began = Instant::now();
        let name = format!("{step:?}").to_lowercase();
        println!("── {name}");
        let well = match step {
            Step::Format => cargo(&workspace, &["fmt", "--all", "--check"])?,
            Step::Lint => lint(&workspace)?,
            Step::Build => build::build_all(&workspace, Profile::Release)
                .map_err(|error| println!("{error:#}"))
                .is_ok(),
            Step::Generated => {
                let stale = generate::stale(&workspace.root)?;
                for file in &stale {
                    println!(
                        "out of date: {} (cargo modelgate generate)",
                        file.path.display()
                    );
                }
                stale.is_empty()
            }
            Step::Tests => tests(&workspace, &this, &arguments.rest, &mut tally)?,
        };
        if step != Step::Tests {
            *(if well {
                &mut tally.passed
            } else {
                &mut tally.failed
            }) += 1;
        }
        println!(
            "── {name}: {} in {} s",
            if well { "well" } else { "FAILED" },
            began.elapsed().as_secs()
        );
        if !well && step != Step::Tests {
            tally.faults.push(format!("step {name}"));
        }
    }
    // Once more at the end, where it is found.
    for line in &tally.said {
        println!("{line}");
    }
    for fault in &tally.faults {
        println!("FAILED {fault}");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// This program under a path at which it stays: what is compiled for the tests may take the place
/// of the one that was started.
fn kept(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("modelgate");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let (this, path) = (
        std::env::current_exe()?,
        folder.join("stands-in-for-rustdoc"),
    );
    std::fs::remove_file(&path).ok();
    std::fs::hard_link(&this, &path)
        .or_else(|_| std::fs::copy(&this, &path).map(drop))
        .with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Fetches the Envoys that the tests run while the compiler works. Should one not be had, the tests
/// that need it say so.
fn fetch_ahead() {
    std::thread::spawn(|| {
        for release in [None, Some(release::OLDEST)] {
            drop(Envoy::find(release, &|message| eprintln!("{message}")));
        }
    });
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<bool> {
    let status = command(workspace)
        .args(arguments)
        .status()
        .context("cargo does not start")?;
    Ok(status.success())
}

fn command(workspace: &Workspace) -> Command {
    let mut command = build::cargo();
    command.current_dir(&workspace.root);
    command
}

/// `cargo test` of everything. Clippy's driver compiles it (.cargo/config.toml): what is linted is
/// what is tested, and is compiled once.
fn cargo_test(workspace: &Workspace) -> Command {
    let mut command = command(workspace);
    command
        .args(["test", "--workspace", "--all-features"])
        .stdout(Stdio::piped());
    command
}

/// Compiles everything with clippy's lints; a warning is enough to fail.
fn lint(workspace: &Workspace) -> Result<bool> {
    let mut child = cargo_test(workspace)
        .args(["--no-run", "--message-format", "json"])
        .spawn()
        .context("cargo does not start")?;
    let mut findings = 0_usize;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            if let Some(rendered) = finding(&line?) {
                findings = findings.saturating_add(1);
                print!("{rendered}");
            }
        }
    }
    let compiled = child.wait()?.success();
    println!("{findings} findings");
    Ok(compiled && findings == 0)
}

/// A warning or an error, as it is to be shown, from a line of cargo's messages (The Cargo Book,
/// "External tools", compiler messages).
fn finding(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line.get("reason")? != "compiler-message" {
        return None;
    }
    let message = line.get("message")?;
    let grave = matches!(message.get("level")?.as_str()?, "warning" | "error");
    let rendered = message.get("rendered")?.as_str()?;
    grave.then(|| rendered.to_owned())
}

/// A test binary, as cargo has built it.
#[derive(Debug, PartialEq, Eq)]
struct TestBinary {
    /// Package and target.
    name: String,
    executable: PathBuf,
    /// The package's folder, where cargo starts its tests.
    folder: PathBuf,
    /// Whether it is a file of `tests/`, which takes longer than the unit tests of a library.
    integration: bool,
}

/// What a line of cargo's messages (The Cargo Book, "External tools", artifact messages) says of a
/// test binary.
fn test_binary(line: &str) -> Option<TestBinary> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line.get("reason")? != "compiler-artifact" || line.pointer("/profile/test")? != true {
        return None;
    }
    let folder = Path::new(line.get("manifest_path")?.as_str()?).parent()?;
    let target = line.get("target")?;
    let package = folder.file_name()?.to_string_lossy();
    Some(TestBinary {
        name: format!("{package}: {}", target.get("name")?.as_str()?),
        executable: line.get("executable")?.as_str()?.into(),
        folder: folder.to_owned(),
        integration: target.pointer("/kind/0")? == "test",
    })
}

/// The tests that take longest, in this order: a lane that came to one of them last would go on
/// alone.
const LONG: [&str; 7] = [
    ": scenarios",
    ": envoy_configs",
    ": chain_sagemaker",
    ": new_filter",
    ": fuzz_callbacks",
    ": native_module",
    ": site_in_browser",
];

/// The test binaries, those that take long first. An empty list where something does not compile.
fn test_binaries(workspace: &Workspace) -> Result<Vec<TestBinary>> {
    let output = cargo_test(workspace)
        .args(["--no-run", "--quiet", "--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    if !output.status.success() {
        return Ok(Vec::new());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut binaries: Vec<TestBinary> = messages.lines().filter_map(test_binary).collect();
    let by_length = |binary: &TestBinary| {
        let name = LONG.iter().position(|long| binary.name.ends_with(long));
        (name.unwrap_or(LONG.len()), !binary.integration)
    };
    binaries.sort_by_key(by_length);
    Ok(binaries)
}

/// Runs all tests, shows what they print, and adds up what each runner says at its end.
/// `this` is this program.
fn tests(workspace: &Workspace, this: &Path, rest: &[String], tally: &mut Tally) -> Result<bool> {
    let binaries = test_binaries(workspace)?;
    if binaries.is_empty() {
        tally.failed += 1;
        tally.faults.push("the tests do not compile".to_owned());
        return Ok(false);
    }
    let mut jobs: VecDeque<(String, Command)> = binaries
        .iter()
        .map(|binary| {
            let mut command = Command::new(&binary.executable);
            command
                .current_dir(&binary.folder)
                .env("CARGO_MANIFEST_DIR", &binary.folder);
            (binary.name.clone(), command)
        })
        .collect();
    let mut documentation = cargo_test(workspace);
    // The links in it are followed too.
    documentation
        .args(["--doc", "--no-fail-fast", "--"])
        .env("RUSTDOC", this)
        .env(rustdoc::STANDS_IN, "1");
    jobs.push_back(("documentation".to_owned(), documentation));
    for (_, command) in &mut jobs {
        command.args(["--show-output"]).args(rest);
        set_unless_set(command, "RUST_TEST_THREADS", TESTS_AT_A_TIME);
        if skip::is_ci() {
            for name in SEEDS {
                set_unless_set(command, name, "1");
            }
        }
    }
    let (jobs, told) = (Mutex::new(jobs), Mutex::new((tally, true)));
    // Of its own: the lock is not held while the tests run.
    let next = || {
        jobs.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let lane = || {
        while let Some((name, command)) = next() {
            let ended = run_tests(&name, command);
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let (tally, well) = &mut *told;
            *well &= tell(&name, ended, tally, &|line| println!("{line}"));
        }
    };
    std::thread::scope(|scope| {
        (1..BINARIES_AT_A_TIME).for_each(|_| drop(scope.spawn(lane)));
        lane();
    });
    let (_, well) = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(well)
}

fn set_unless_set(command: &mut Command, name: &str, value: &str) {
    if std::env::var_os(name).is_none() {
        command.env(name, value);
    }
}

/// Runs a test binary to its end: how it ended, and how long that took.
fn run_tests(name: &str, mut command: Command) -> Result<(Output, Duration)> {
    println!("running {name}");
    let began = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} does not start"))?;
    Ok((output, began.elapsed()))
}

/// Shows what a test binary printed, adds up its closing line, and says whether all was well.
fn tell(
    name: &str,
    ended: Result<(Output, Duration)>,
    tally: &mut Tally,
    show: &dyn Fn(&str),
) -> bool {
    let failed_before = tally.failed;
    let (ended_well, took) = match ended {
        Ok((output, took)) => {
            let [printed, errors] =
                [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
            printed.lines().for_each(|line| count(line, tally));
            told(&printed).chain(errors.lines()).for_each(show);
            if !output.status.success() {
                tally.said.push(format!("── {name}"));
                tally.said.extend(causes(&printed).map(str::to_owned));
                tally.said.extend(last_lines(&errors).map(str::to_owned));
            }
            (output.status.success(), took)
        }
        Err(error) => {
            show(&format!("{error:#}"));
            (false, Duration::ZERO)
        }
    };
    show(&format!("{name}: {} s", took.as_secs()));
    // A binary that does not start, or dies, closes with no line of its own.
    if !ended_well && tally.failed == failed_before {
        tally.failed += 1;
        tally.faults.push(format!("{name} did not end well"));
    }
    ended_well
}

/// What a runner printed, without what passing tests print; but what they could not run is shown.
fn told(printed: &str) -> impl Iterator<Item = &str> {
    let mut of_passing = false;
    printed.lines().filter(move |line| {
        of_passing = match *line {
            "successes:" => true,
            "failures:" => false,
            line => of_passing && !line.starts_with("test result: "),
        };
        let passed = line.starts_with("test ") && line.ends_with(" ... ok");
        line.starts_with("SKIPPED") || !(of_passing || passed || line.is_empty())
    })
}

/// What a runner says of the tests that failed, without the ways that panics took.
fn causes(printed: &str) -> impl Iterator<Item = &str> {
    let rest = printed.split_once("\nfailures:\n");
    let all = rest.map_or("", |(_, rest)| rest);
    let first = all
        .split_once("\nfailures:\n")
        .map_or(all, |(first, _)| first);
    let mut in_backtrace = false;
    first.lines().filter(move |line| {
        in_backtrace = (in_backtrace || *line == "stack backtrace:") && !line.starts_with("note: ");
        !in_backtrace && !line.is_empty()
    })
}

/// The end of what a program printed, which names its fault.
fn last_lines(printed: &str) -> impl Iterator<Item = &str> {
    const MOST: usize = 40;
    let lines = printed.lines().count();
    printed.lines().skip(lines.saturating_sub(MOST))
}

/// Adds a closing line: `test result: ok. 3 passed; 0 failed; 1 ignored; …`, and keeps the name of
/// a test that failed: `test a_test ... FAILED`.
fn count(line: &str, tally: &mut Tally) {
    if let Some(name) = line
        .strip_prefix("test ")
        .and_then(|line| line.strip_suffix(" ... FAILED"))
    {
        tally.faults.push(name.to_owned());
    }
    let Some(rest) = line.trim_start().strip_prefix("test result: ") else {
        // What a test could not run it says in a line of its own.
        tally.skipped += u64::from(line.starts_with("SKIPPED"));
        return;
    };
    for part in rest.split(['.', ';']) {
        let mut words = part.split_whitespace();
        let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse::<u64>), words.next())
        else {
            continue;
        };
        match what {
            "passed" => tally.passed += number,
            "failed" => tally.failed += number,
            "ignored" => tally.skipped += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_are_findings() {
        let line = |reason: &str, level: &str| {
            format!(
                r#"{{"reason":"{reason}","message":{{"level":"{level}","rendered":"unused\n"}}}}"#
            )
        };
        for level in ["warning", "error"] {
            assert_eq!(
                finding(&line("compiler-message", level)).as_deref(),
                Some("unused\n")
            );
        }
        assert_eq!(finding(&line("compiler-message", "note")), None);
        assert_eq!(finding(&line("compiler-artifact", "warning")), None);
        assert_eq!(finding("Compiling"), None);
    }

    #[test]
    fn test_binaries_are_found_in_what_cargo_says() {
        let line = |test: bool, kind: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/tests/Cargo.toml","target":{{"kind":["{kind}"],"name":"tidy"}},"profile":{{"test":{test}}},"executable":"/w/target/tidy-1"}}"#
            )
        };
        let binary = test_binary(&line(true, "test")).unwrap();
        assert_eq!(
            binary,
            TestBinary {
                name: "tests: tidy".to_owned(),
                executable: "/w/target/tidy-1".into(),
                folder: "/w/tests".into(),
                integration: true,
            }
        );
        assert!(!test_binary(&line(true, "lib")).unwrap().integration);
        assert_eq!(test_binary(&line(false, "bin")), None);
        assert_eq!(
            test_binary(&line(true, "test").replace("\"/w/target/tidy-1\"", "null")),
            None
        );
        assert_eq!(test_binary("Compiling"), None);
    }

    #[test]
    fn a_binary_that_dies_is_a_failure_and_one_that_says_so_counts_once() {
        let ran = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let mut tally = Tally::default();
            // What it prints would be counted once more, with what this test prints.
            let well = tell("a: b", run_tests("a: b", command), &mut tally, &|_| ());
            (well, tally.passed, tally.failed, tally.faults)
        };
        let closing = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'";
        assert_eq!(ran(closing), (true, 2, 0, vec![]));
        let died = vec!["a: b did not end well".to_owned()];
        assert_eq!(ran("exit 1"), (false, 0, 1, died));
        let failed =
            "echo 'test x ... FAILED'; echo 'test result: FAILED. 0 passed; 1 failed'; exit 101";
        assert_eq!(ran(failed), (false, 0, 1, vec!["x".to_owned()]));
    }

    #[test]
    fn what_failed_is_told_without_the_rest() {
        let printed = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n\
            ---- a stdout ----\nnoise\nSKIPPED: x\n\nsuccesses:\n    a\n\nfailures:\n\n\
            ---- b stdout ----\nleft: 1\nstack backtrace:\n  0: f\nnote: Some details\nlater\n\n\
            failures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed";
        let shown: Vec<&str> = told(printed).collect();
        assert_eq!(shown.first(), Some(&"running 2 tests"));
        assert!(shown.contains(&"SKIPPED: x") && shown.contains(&"left: 1"));
        assert!(!shown.contains(&"noise") && !shown.contains(&"test a ... ok"));
        assert_eq!(
            shown.last(),
            Some(&"test result: FAILED. 1 passed; 1 failed")
        );
        let causes: Vec<&str> = causes(printed).collect();
        assert_eq!(
            causes,
            [
                "---- b stdout ----",
                "left: 1",
                "note: Some details",
                "later"
            ]
        );
        let lines = "x\n".repeat(50) + "end";
        assert_eq!(last_lines(&lines).count(), 40);
        assert_eq!(last_lines(&lines).last(), Some("end"));
    }

    #[test]
    fn closing_lines_are_added_up() {
        let mut tally = Tally::default();
        count(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s",
            &mut tally,
        );
        count(
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            &mut tally,
        );
        count("test a_test ... ok", &mut tally);
        count("test another::test ... FAILED", &mut tally);
        assert_eq!(tally.faults, ["another::test"]);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (13, 2, 1));
    }
}
