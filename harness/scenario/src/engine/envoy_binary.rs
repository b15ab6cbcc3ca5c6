//! The engine `envoy`: a real Envoy process on this machine, one per scenario.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::envoy::{self, Launch, Launcher};
use super::{Engine, Observations, WasmFiles};
use crate::file::EngineKind;
use crate::file::{EngineName, Scenario};
use modelgate_envoy::process::Process;
use modelgate_envoy::release::Envoy;

/// Runs scenarios on an Envoy binary.
pub struct EnvoyBinary {
    name: EngineName,
    envoy: Envoy,
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
            wasm,
        })
    }
}

impl Engine for EnvoyBinary {
    fn name(&self) -> &EngineName {
        &self.name
    }

    fn run(&self, scenario: &Scenario) -> Result<Observations> {
        envoy::run(
            &self.name,
            self.wasm.as_ref(),
            &Processes(&self.envoy),
            scenario,
        )
    }
}

struct Processes<'a>(&'a Envoy);

impl Launcher for Processes<'_> {
    type Running = Process;

    fn path(&self, _: &str, file: &Path) -> Result<String> {
        Ok(file
            .to_str()
            .context("a path that is not UTF-8")?
            .to_owned())
    }

    fn launch(&self, launch: &Launch) -> Result<Process> {
        Process::start(self.0, &launch.config, &envoy::launched(launch.workers))
    }
}
