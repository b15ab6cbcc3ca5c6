//! What the commands that start a gateway have in common: the engine that is asked for, and its
//! modules.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::build::{Artifact, Workspace};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use modelgate_envoy::release::Envoy;
use modelgate_scenario::engine::Backends;
use tokio::runtime::Runtime;

/// What runs a gateway.
#[derive(Debug, Args)]
pub struct EngineArguments {
    /// What runs the filters.
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,
    /// The Envoy release to use; without it, what MODELGATE_ENVOY or PATH has, or else the default
    /// one. For the engines envoy and envoy-native.
    #[arg(long, value_name = "VERSION")]
    envoy: Option<String>,
    /// Folder with built modules; without it they are built. For all engines but native.
    #[arg(long, value_name = "FOLDER")]
    wasm: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A real Envoy, with the filters' modules.
    #[default]
    Envoy,
    /// A real Envoy (1.38 or later), with the filters in the native form (docs/native.md).
    EnvoyNative,
    /// The embedded host, with the filters' modules.
    Wasmtime,
    /// The embedded host, with the filters' code as it is built into this program.
    Native,
}

impl EngineArguments {
    /// Refuses what would be passed over, before anything is built. Where this program lacks the
    /// engine, another one runs the command; its exit code is given.
    pub fn accept(&self, backends: &Backends) -> Result<Option<ExitCode>> {
        if self.envoy.is_some() && !matches!(self.engine, Engine::Envoy | Engine::EnvoyNative) {
            bail!(
                "--envoy names a release for --engine envoy or envoy-native; the other engines run without Envoy"
            );
        }
        if self.wasm.is_some() && self.engine == Engine::Native {
            bail!("--wasm names modules; --engine native runs the filters' own code");
        }
        if self.engine == Engine::Wasmtime && backends.modules.is_none() {
            return super::full::run().map(Some);
        }
        Ok(None)
    }

    /// Finds Envoy, or downloads it.
    pub fn find_envoy(&self) -> Result<Envoy> {
        Envoy::find(self.envoy.as_deref(), &|message| eprintln!("{message}"))
    }

    /// The folder with the modules: the one that was named, or what `build` makes.
    pub fn modules(
        &self,
        build: impl FnOnce(&Workspace) -> Result<Vec<Artifact>>,
    ) -> Result<PathBuf> {
        if let Some(folder) = &self.wasm {
            return folder
                .canonicalize()
                .with_context(|| folder.display().to_string());
        }
        let built = build(&Workspace::locate()?)?;
        let folder = built.first().and_then(|artifact| artifact.path.parent());
        Ok(folder.context("no module was built")?.to_owned())
    }
}

/// The runtime of a gateway and what stands around it.
pub fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}
