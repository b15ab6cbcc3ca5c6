//! How an engine starts Envoys for scenarios.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use modelgate_envoy::process::{self, Running, Verbosity};
use serde_json::Value as Json;

/// How every Envoy of a scenario is started.
pub const fn launched(workers: u32) -> process::Launch<'static> {
    process::Launch {
        workers,
        verbosity: Verbosity::Debug,
        flush_ms: 10,
        drain_s: Some(0),
        environment: &[],
    }
}

/// What an Envoy is started from.
#[derive(Debug)]
pub struct Launch {
    /// The bootstrap.
    pub config: Json,
    /// Worker threads.
    pub workers: u32,
    /// Files that the bootstrap names: path there, path here. Only a container must be given them.
    pub files: BTreeMap<String, PathBuf>,
    /// A folder whose files change while it runs; a container must have it under the same path.
    pub folder: Option<PathBuf>,
}

/// How an engine starts Envoy.
pub trait Launcher {
    /// What came of it.
    type Running: Running;

    /// The path that Envoy is to open for a file of this machine.
    fn path(&self, name: &str, file: &std::path::Path) -> Result<String>;
    /// Starts it.
    fn launch(&self, launch: &Launch) -> Result<Self::Running>;
}
