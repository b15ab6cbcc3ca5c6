//! Opening engines by name.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use super::envoy_binary::EnvoyBinary;
use super::simulated::Simulated;
use super::{Engine, LoadModule, WasmFiles};
use crate::file::EngineKind;
use crate::file::EngineName;
use modelgate_envoy::release::Envoy;

/// Makes an engine of an Envoy in a container.
pub type OpenContainer = fn(&Envoy, Arc<dyn WasmFiles>) -> Result<Box<dyn Engine>>;

/// Builds the dynamic module, and says where it is.
pub type BuildNative = fn() -> Result<PathBuf>;

/// What a program brings for engines that not every program has: WebAssembly and containers take
/// long to compile.
#[derive(Clone, Copy, Default)]
pub struct Backends {
    /// For the engine `wasmtime`.
    pub modules: Option<LoadModule>,
    /// For the engine `envoy-container`.
    pub container: Option<OpenContainer>,
    /// For the engine `envoy-native`: builds the dynamic module, and says where it is.
    pub native: Option<BuildNative>,
}

impl Backends {
    /// Whether an engine of this kind can be opened with them.
    pub const fn have(&self, kind: EngineKind) -> bool {
        match kind {
            EngineKind::Envoy | EngineKind::Native => true,
            EngineKind::Wasmtime => self.modules.is_some(),
            EngineKind::Container => self.container.is_some(),
            EngineKind::EnvoyNative => self.native.is_some(),
            EngineKind::Playing => false,
        }
    }
}

/// Why an engine cannot be had here.
#[derive(Debug)]
pub enum Missing {
    /// This program does not have it.
    Program,
    /// This machine does not.
    Machine(anyhow::Error),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("this program is built without the engine"),
            Self::Machine(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Missing {}

/// The engine of a name. Without a release, any Envoy will do, found as [`Envoy::find`] says;
/// `progress` is told what takes long.
///
/// # Errors
/// If the program or the machine does not have it.
pub fn open(
    name: &EngineName,
    wasm: Arc<dyn WasmFiles>,
    backends: &Backends,
    progress: &dyn Fn(&str),
) -> Result<Box<dyn Engine>, Missing> {
    let envoy = || Envoy::find(name.version.as_deref(), progress);
    let opened: Result<Box<dyn Engine>> = match name.kind {
        EngineKind::Native => {
            let engine = Simulated::native(wasm).playing(name);
            return Ok(Box::new(engine));
        }
        EngineKind::Wasmtime => {
            let load = backends.modules.ok_or(Missing::Program)?;
            let engine = Simulated::wasmtime(wasm, load).playing(name);
            return Ok(Box::new(engine));
        }
        // It is no engine of its own.
        EngineKind::Playing => return Err(Missing::Program),
        EngineKind::Envoy => envoy()
            .and_then(|envoy| EnvoyBinary::new(&envoy, wasm))
            .map(|engine| Box::new(engine) as Box<dyn Engine>),
        EngineKind::EnvoyNative => {
            let build = backends.native.ok_or(Missing::Program)?;
            envoy()
                .and_then(|envoy| EnvoyBinary::native(&envoy, build()?))
                .map(|engine| Box::new(engine) as Box<dyn Engine>)
        }
        EngineKind::Container => {
            let open = backends.container.ok_or(Missing::Program)?;
            envoy().and_then(|envoy| open(&envoy, wasm))
        }
    };
    opened.map_err(Missing::Machine)
}
