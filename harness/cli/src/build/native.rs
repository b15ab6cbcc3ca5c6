//! Builds the dynamic module: every filter as one shared library that Envoy loads, for the machine
//! that it is built on.
//!
//! Paths are replaced as in the `.wasm` files. The bytes depend on the machine's linker and C
//! library as well.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::program::host;
use super::{Artifact, Workspace, artifact, cargo_alone, path_flags, put};

/// The package.
pub const PACKAGE: &str = "modelgate-native";
/// The file's name: Envoy finds a module `NAME` as `libNAME.so`.
pub const LIBRARY: &str = "libmodelgate.so";

/// In which form Envoy has the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Modules for its Wasm runtime.
    Wasm,
    /// The library, which holds them all.
    Native,
}

/// Builds it and puts it into `target/modelgate/`.
///
/// # Errors
/// If it does not compile, or a file cannot be written.
pub fn build(workspace: &Workspace) -> Result<Artifact> {
    let host = host(workspace)?;
    let target = workspace.target.join("modelgate/native");
    let mut command = cargo_alone();
    command
        .current_dir(&workspace.root)
        .args(["build", "--locked", "--package", PACKAGE])
        .args(["--profile", "native", "--target", &host])
        .arg("--target-dir")
        .arg(&target)
        .args(["--config", &path_flags(workspace, &host)?]);
    let status = command.status().context("starting cargo")?;
    ensure!(status.success(), "{PACKAGE} does not compile ({status})");
    let built = target.join(host).join("native/libmodelgate_native.so");
    let library = std::fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let path = workspace.target.join("modelgate").join(LIBRARY);
    put(&path, &library)?;
    artifact("libmodelgate", path, &library)
}

/// Builds it for engines and says where it is.
///
/// # Errors
/// As [`build`].
pub fn for_engines() -> Result<PathBuf> {
    Ok(build(&Workspace::locate()?)?.path)
}
