//! `modelgate test`: everything that CI checks, one step after another, and one verdict.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

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

/// Tests of one binary that run at a time, unless `RUST_TEST_THREADS` says otherwise: more than
/// there are processors on a small machine, because those with servers wait more than they compute.
const TESTS_AT_A_TIME: &str = "4";

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
}

/// Runs the steps; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let mut tally = Tally::default();
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
            Step::Tests => tests(&workspace, &arguments.rest, &mut tally)?,
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
    for fault in &tally.faults {
        println!("FAILED {fault}");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
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
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
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

/// Runs all tests, shows what they print, and adds up what each runner says at its end.
fn tests(workspace: &Workspace, rest: &[String], tally: &mut Tally) -> Result<bool> {
    let mut command = cargo_test(workspace);
    let unless_set = |command: &mut Command, name: &str, value: &str| {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    };
    unless_set(&mut command, "RUST_TEST_THREADS", TESTS_AT_A_TIME);
    if skip::is_ci() {
        for name in SEEDS {
            unless_set(&mut command, name, "1");
        }
    }
    let mut child = command
        .args(["--no-fail-fast", "--", "--show-output"])
        .args(rest)
        .spawn()
        .context("cargo does not start")?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            count(&line, tally);
        }
    }
    let well = child.wait()?.success();
    // A test binary that does not build, or dies, closes with no line of its own.
    if !well && tally.failed == 0 {
        tally.failed += 1;
        tally
            .faults
            .push("a test binary that did not end".to_owned());
    }
    Ok(well)
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
