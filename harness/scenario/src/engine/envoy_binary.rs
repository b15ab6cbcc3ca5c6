//! The engines `envoy` and `envoy-native`: real Envoy processes on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::kept::Kept;
use super::launch::{self, Launch, Launcher};
use super::{Engine, Observations, WasmFiles};
use crate::file::{EngineKind, EngineName, Scenario, Wasm};
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
    /// An engine of a found Envoy that loads the filters as the dynamic module in this file.
    pub fn native(envoy: &Envoy, module: PathBuf) -> Result<Self> {
        envoy.require_dynamic_modules()?;
        let name = EngineName {
            kind: EngineKind::EnvoyNative,
            version: Some(envoy.version().to_owned()),
        };
        Ok(Self {
            name,
            envoy: envoy.clone(),
            kept: Kept::default(),
            wasm: Arc::new(DynamicModule(module)),
        })
    }

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

/// The dynamic module, for every filter of the suite.
struct DynamicModule(PathBuf);

impl WasmFiles for DynamicModule {
    fn file(&self, _: &Scenario, _: &Wasm) -> Result<PathBuf> {
        Ok(self.0.clone())
    }
}

impl Engine for EnvoyBinary {
    fn name(&self) -> &EngineName {
        &self.name
    }

    fn refuses(&self, scenario: &Scenario) -> Option<String> {
        let foreign = |wasm: &Wasm| matches!(wasm, Wasm::Guests | Wasm::File(_));
        let refuses = self.name.kind == EngineKind::EnvoyNative
            && scenario.chain.iter().any(|entry| foreign(&entry.wasm));
        refuses.then(|| "a filter is a wasm module of its own".to_owned())
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
