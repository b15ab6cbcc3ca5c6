//! The engine `envoy`: real Envoy processes on this machine.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::kept::Kept;
use super::launch::{self, Launch, Launcher};
use super::{Engine, Observations, WasmFiles};
use crate::file::EngineKind;
use crate::file::{EngineName, Scenario};
use modelgate_envoy::process::Process;
use modelgate_envoy::release::Envoy;

/// Runs scenarios on an Envoy binary.
pub struct EnvoyBinary {
    name: EngineName,
    envoy: Envoy,
    kept: Kept<Process>,
    wasm: Arc<dyn WasmFiles>,
}

impl EnvoyBinary {
    /// An engine of a found Envoy. One without a Wasm runtime is refused here, with what to do.
    pub fn new(envoy: &Envoy, wasm: Arc<dyn WasmFiles>) -> Result<Self> {
        envoy.require_wasm()?;
        let name = EngineName {
            kind: EngineKind::Envoy,
            version: Some(envoy.version().to_owned()),
        };
        Ok(Self {
            name,
            envoy: envoy.clone(),
            kept: Kept::default(),
            wasm,
        })
    }
}

impl Engine for EnvoyBinary {
    fn name(&self) -> &EngineName {
        &self.name
    }

    fn run(&self, scenario: &Scenario) -> Result<Observations> {
        super::envoy::run(&self.name, self.wasm.as_ref(), self, &self.kept, scenario)
    }
}

impl Launcher for EnvoyBinary {
    type Running = Process;

    fn path(&self, _: &str, file: &Path) -> Result<String> {
        Ok(file
            .to_str()
            .context("a path that is not UTF-8")?
            .to_owned())
    }

    fn launch(&self, launch: &Launch) -> Result<Process> {
        Process::start(
            &self.envoy,
            &launch.config,
            &launch::launched(launch.workers),
        )
    }
}
