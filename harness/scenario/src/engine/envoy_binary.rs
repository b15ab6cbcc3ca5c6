//! The engine `envoy`: a real Envoy process on this machine, one per scenario.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::envoy::{self, ARGUMENTS, Launch, Launcher, Running};
use super::{Engine, Observations, WasmFiles};
use crate::file::EngineKind;
use crate::file::{EngineName, Scenario};
use modelgate_envoy::child::Adopted;
use modelgate_envoy::release::Envoy;

/// Runs scenarios on an Envoy binary.
pub struct EnvoyBinary {
    name: EngineName,
    binary: PathBuf,
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
            binary: envoy.path().to_owned(),
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
            &Processes {
                binary: &self.binary,
            },
            scenario,
        )
    }
}

struct Processes<'a> {
    binary: &'a Path,
}

impl Launcher for Processes<'_> {
    type Running = Process;

    fn path(&self, _: &str, file: &Path) -> Result<String> {
        Ok(file
            .to_str()
            .context("a path that is not UTF-8")?
            .to_owned())
    }

    fn launch(&self, launch: &Launch) -> Result<Process> {
        Process::start(self.binary, &launch.config, launch.workers, &[])
    }
}

/// The bootstrap, in the process's folder.
pub const CONFIG: &str = "envoy.json";
/// What it writes to standard output, in the process's folder.
pub const ACCESS_LOG: &str = "access.log";
/// What it writes to standard error, in the process's folder.
pub const LOG: &str = "envoy.log";

/// An Envoy process; killed when dropped.
pub struct Process {
    child: Adopted,
    folder: TempDir,
}

impl Process {
    /// Starts it with a bootstrap and further environment variables.
    pub fn start(
        binary: &Path,
        bootstrap: &Json,
        workers: u32,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("modelgate-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at(CONFIG), bootstrap.to_string())?;
        let child = Command::new(binary)
            .arg("-c")
            .arg(at(CONFIG))
            .arg("--admin-address-path")
            .arg(at("admin"))
            .args(ARGUMENTS)
            .args(["--concurrency", &workers.to_string()])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(at(ACCESS_LOG))?)
            .stderr(File::create(at(LOG))?)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self {
            child: Adopted::new(child),
            folder,
        })
    }

    /// Where its files are, as long as it lives.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn read(&self, name: &str) -> Result<String> {
        let bytes = std::fs::read(self.folder.path().join(name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Running for Process {
    fn admin_port(&mut self) -> Option<u16> {
        let address = std::fs::read_to_string(self.folder.path().join("admin")).ok()?;
        address.trim().rsplit_once(':')?.1.parse().ok()
    }

    fn log(&mut self) -> Result<String> {
        self.read(LOG)
    }

    fn access_log(&mut self) -> Result<String> {
        self.read(ACCESS_LOG)
    }

    fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
}
