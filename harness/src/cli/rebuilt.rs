//! Running the same command line in a build with more features.
//!
//! The default build is small, so that a first run starts soon; what needs more is built when it is first asked for.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use modelgate_harness::artifacts::Workspace;

/// Set for the second program, so that it never starts a third one.
const GUARD: &str = "MODELGATE_REBUILT";

/// Has cargo build this program with `features` besides those that it has, and run it with the same arguments, in place of this process: so
/// that signals reach it. Returns only if cargo does not start.
pub fn run(features: &[&str]) -> Result<ExitCode> {
    if std::env::var_os(GUARD).is_some() {
        bail!(
            "the build with the features {} lacks one of them",
            features.join(", ")
        );
    }
    let mut all: Vec<&str> = features.to_vec();
    all.extend(
        [
            ("mint", cfg!(feature = "mint")),
            ("container", cfg!(feature = "container")),
            ("wasmtime", cfg!(feature = "wasmtime")),
        ]
        .into_iter()
        .filter_map(|(feature, here)| (here && !features.contains(&feature)).then_some(feature)),
    );
    let manifest = Workspace::locate()?.root.join("Cargo.toml");
    eprintln!("building modelgate with {} …", all.join(", "));
    let error = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "run",
            "--package",
            "modelgate-harness",
            "--bin",
            "modelgate",
            "--features",
            &all.join(","),
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--")
        .args(std::env::args_os().skip(1))
        .env(GUARD, "1")
        .exec();
    Err(error).context("cargo does not start")
}
