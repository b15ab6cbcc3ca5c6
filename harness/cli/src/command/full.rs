//! Running the same command line in `modelgate-full`, which has every engine.
//!
//! `modelgate` is small, so that a first run starts soon; what takes long to compile is built when
//! it is first asked for.

use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use crate::build::{self, Workspace};
use anyhow::{Context, Result};

/// Has cargo build `modelgate-full` and run it with the same arguments, in place of this process:
/// so that signals reach it. Returns only if cargo does not start.
pub fn run() -> Result<ExitCode> {
    let manifest = Workspace::locate()?.root.join("Cargo.toml");
    eprintln!("building modelgate-full …");
    let error = build::cargo()
        .args([
            "run",
            "--package",
            "modelgate-full",
            "--bin",
            "modelgate-full",
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--")
        .args(std::env::args_os().skip(1))
        .exec();
    Err(error).context("cargo does not start")
}
