//! The program `modelgate` as it is released: `modelgate-full`, with nothing of the machine that
//! built it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Workspace, cargo_alone, output_of, path_flags};

/// The crate, and its binary.
pub const CRATE: &str = "modelgate-full";
/// The profile in the workspace's `Cargo.toml`.
const PROFILE: &str = "dist";
/// Set while a program is compiled that is for other machines: no path of this one is in it
/// ([`SOURCES`], and where the embedded host keeps compiled modules).
const RELEASED: [&str; 2] = ["MODELGATE_RELEASED", "PROXY_WASM_RELEASED"];

/// The folder of the package that this program was built from; nothing in a released program, which
/// runs elsewhere.
pub(super) const SOURCES: Option<&str> = match option_env!("MODELGATE_RELEASED") {
    None => Some(env!("CARGO_MANIFEST_DIR")),
    Some(_) => None,
};

/// The compiler's name for this machine.
///
/// # Errors
/// If the compiler cannot be asked.
pub fn host(workspace: &Workspace) -> Result<String> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV").current_dir(&workspace.root);
    let said = String::from_utf8(output_of(&mut rustc)?)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names no host")
}

/// Builds the program for `host` and gives its file.
///
/// # Errors
/// If it does not compile.
pub fn build(workspace: &Workspace, host: &str) -> Result<PathBuf> {
    let mut command = cargo_alone();
    command
        .current_dir(&workspace.root)
        .args(["build", "--locked", "--package", CRATE, "--bin", CRATE])
        .args(["--profile", PROFILE, "--target", host])
        .arg("--target-dir")
        .arg(&workspace.target)
        .args(["--config", &path_flags(workspace, host)?])
        .envs(RELEASED.map(|name| (name, "1")));
    let status = command.status().context("starting cargo")?;
    ensure!(status.success(), "the program does not compile ({status})");
    Ok(workspace.target.join(host).join(PROFILE).join(CRATE))
}
