//! The engine: compiling modules once, and keeping what was compiled.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sha2::{Digest as _, Sha256};
use wasmtime::{CacheStore, Config, Engine, InstancePre, Linker, Module};

use super::abi_0_2::{self, Instance, State};
use super::faults::Faults;
use super::limits::Limits;
use proxy_wasm_simulator::{Guest, GuestCode, HostHandle};

/// The code of a module, compiled and linked.
pub struct WasmCode {
    identity: String,
    module: InstancePre<State>,
    limits: Limits,
    faults: Option<Faults>,
}

impl WasmCode {
    /// Compiles a module, or finds it compiled.
    ///
    /// # Errors
    /// Why it cannot run here: not a module, not this ABI, or imports that no proxy-wasm host has.
    pub fn load(wasm: &[u8]) -> Result<Rc<dyn GuestCode>, String> {
        Self::load_with(wasm, Limits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`WasmCode::load`].
    pub fn load_with(wasm: &[u8], limits: Limits) -> Result<Rc<dyn GuestCode>, String> {
        Self::load_into(wasm, limits, None)
    }

    /// The same on a host that misbehaves, as far as [`Faults`] is told to.
    ///
    /// # Errors
    /// As [`WasmCode::load`].
    pub fn load_with_faults(
        wasm: &[u8],
        limits: Limits,
        faults: Faults,
    ) -> Result<Rc<dyn GuestCode>, String> {
        Self::load_into(wasm, limits, Some(faults))
    }

    fn load_into(
        wasm: &[u8],
        limits: Limits,
        faults: Option<Faults>,
    ) -> Result<Rc<dyn GuestCode>, String> {
        let identity = hex(&Sha256::digest(wasm));
        let module = linked(&identity, wasm)?;
        Ok(Rc::new(Self {
            identity,
            module,
            limits,
            faults,
        }))
    }
}

impl GuestCode for WasmCode {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn start(
        &self,
        host: HostHandle,
        environment: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        let instance = Instance::start(
            &self.module,
            host,
            environment.clone(),
            self.limits,
            self.faults.clone(),
        );
        instance.map(|instance| Box::new(instance) as Box<dyn Guest>)
    }
}

/// The module with this identity, compiled at most once in a process.
fn linked(identity: &str, wasm: &[u8]) -> Result<InstancePre<State>, String> {
    static MODULES: OnceLock<Mutex<HashMap<String, InstancePre<State>>>> = OnceLock::new();
    let modules = MODULES.get_or_init(Mutex::default);
    let mut modules = modules.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(identity) {
        return Ok(module.clone());
    }
    let engine = engine()?;
    let module =
        Module::from_binary(&engine, wasm).map_err(|error| format!("not a module: {error:#}"))?;
    abi_0_2::supports(&module)?;
    let mut linker = Linker::new(&engine);
    abi_0_2::link(&mut linker).map_err(|error| format!("{error:#}"))?;
    let linked = linker
        .instantiate_pre(&module)
        .map_err(|error| format!("cannot be linked: {error:#}"))?;
    modules.insert(identity.to_owned(), linked.clone());
    Ok(linked)
}

/// The engine of this process.
fn engine() -> Result<Engine, String> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config.consume_fuel(true);
        if let Some(folder) = cache_folder() {
            let store = Arc::new(Folder { path: folder });
            config
                .enable_incremental_compilation(store)
                .map_err(|error| format!("{error:#}"))?;
        }
        Engine::new(&config).map_err(|error| format!("no WebAssembly engine: {error:#}"))
    });
    engine.clone()
}

/// The folder of this package. Nothing where it was compiled for other machines, with
/// `PROXY_WASM_RELEASED` in the environment.
const SOURCES: Option<&str> = match option_env!("PROXY_WASM_RELEASED") {
    None => Some(env!("CARGO_MANIFEST_DIR")),
    Some(_) => None,
};

/// Where compiled functions are kept: `PROXY_WASM_CACHE`, or else a folder in cargo's target
/// folder. `None` when there is none, or it cannot be made.
fn cache_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PROXY_WASM_CACHE").map(PathBuf::from);
    let target = || {
        let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = named.or_else(|| Some(Path::new(SOURCES?).join("../../target")))?;
        Some(target.join("proxy-wasm/compiled"))
    };
    let folder = folder.or_else(target)?;
    fs::create_dir_all(&folder).ok()?;
    Some(folder)
}

/// Compiled functions as files, named by the hash of their key. A file that is torn or missing is
/// compiled again.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn file(&self, key: &[u8]) -> PathBuf {
        self.path.join(hex(&Sha256::digest(key)))
    }
}

impl CacheStore for Folder {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        fs::read(self.file(key)).ok().map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let file = self.file(key);
        // Written beside and renamed, so that no other process reads half of it.
        let beside = file.with_extension(std::process::id().to_string());
        fs::write(&beside, value)
            .and_then(|()| fs::rename(&beside, &file))
            .is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
