//! Opening engines by name.

use std::fmt;
use std::sync::Arc;

use super::envoy_binary::EnvoyBinary;
use super::simulated::Simulated;
use super::{Engine, WasmFiles};
use crate::envoy_release::Envoy;
use crate::scenario::EngineKind;
use crate::scenario::EngineName;

/// Why an engine cannot be had here.
#[derive(Debug)]
pub enum Missing {
    /// This build does not have it: the feature that brings it.
    Feature(&'static str),
    /// This machine does not.
    Machine(anyhow::Error),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(feature) => write!(f, "built without the feature `{feature}`"),
            Self::Machine(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Missing {}

/// The engine of a name. Without a release, any Envoy will do, found as [`Envoy::find`] says; `progress` is told what takes long.
pub fn open(
    name: &EngineName,
    wasm: Arc<dyn WasmFiles>,
    progress: &dyn Fn(&str),
) -> Result<Box<dyn Engine>, Missing> {
    match name.kind {
        EngineKind::Envoy => {
            let envoy = Envoy::find(name.version.as_deref(), progress).map_err(Missing::Machine)?;
            Ok(Box::new(
                EnvoyBinary::new(&envoy, wasm).map_err(Missing::Machine)?,
            ))
        }
        EngineKind::Container => container(name, wasm, progress),
        EngineKind::Native => Ok(Box::new(Simulated::native(wasm))),
        EngineKind::Wasmtime => wasmtime(wasm),
    }
}

#[cfg(feature = "wasmtime")]
fn wasmtime(wasm: Arc<dyn WasmFiles>) -> Result<Box<dyn Engine>, Missing> {
    Ok(Box::new(Simulated::wasmtime(wasm)))
}

#[cfg(not(feature = "wasmtime"))]
fn wasmtime(_: Arc<dyn WasmFiles>) -> Result<Box<dyn Engine>, Missing> {
    Err(Missing::Feature("wasmtime"))
}

#[cfg(feature = "container")]
fn container(
    name: &EngineName,
    wasm: Arc<dyn WasmFiles>,
    progress: &dyn Fn(&str),
) -> Result<Box<dyn Engine>, Missing> {
    let envoy = Envoy::find(name.version.as_deref(), progress).map_err(Missing::Machine)?;
    let engine =
        super::envoy_container::EnvoyContainer::new(&envoy, wasm).map_err(Missing::Machine)?;
    Ok(Box::new(engine))
}

#[cfg(not(feature = "container"))]
fn container(
    _: &EngineName,
    _: Arc<dyn WasmFiles>,
    _: &dyn Fn(&str),
) -> Result<Box<dyn Engine>, Missing> {
    Err(Missing::Feature("container"))
}
