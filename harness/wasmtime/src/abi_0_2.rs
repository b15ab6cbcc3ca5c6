//! ABI 0.2.x: one instance of a module, entered by callbacks, leaving through the linked host
//! calls.
//!
//! Host calls are grouped by what they are about, one file each. They read and write guest memory
//! here and leave the rest to [`HostHandle`]. A pointer outside the guest's memory is the status
//! `InvalidMemoryAccess`; a guest without memory or allocator cannot be loaded.

mod buffer;
mod callout;
mod foreign;
mod grpc;
mod header_map;
mod local_reply;
mod log;
mod memory;
mod metric;
mod property;
mod shared_data;
mod shared_queue;
mod stream;
#[cfg(test)]
mod testing;
mod timer;
mod wasi;

use std::collections::{BTreeMap, HashMap};

use wasmtime::{
    ExternType, Func, InstancePre, Linker, Memory, Module, ResourceLimiter, Store, TypedFunc, Val,
};

use super::{Faults, Limits};
use proxy_wasm_simulator::abi::{HostResult, Status};
use proxy_wasm_simulator::{Callback, ContextId, Guest, HostHandle, Trap};

/// The ABI versions that are served, by the exports that declare them.
const VERSIONS: [&str; 2] = ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0"];
/// The guest's allocator, by any of these names.
const ALLOCATORS: [&str; 2] = ["proxy_on_memory_allocate", "malloc"];
/// Initialisers, in this order; a module has one of them, if any.
const INITIALISERS: [&str; 2] = ["_initialize", "_start"];

/// What host calls of an instance work with.
pub struct State {
    host: HostHandle,
    environment: BTreeMap<String, String>,
    memory: Option<Memory>,
    allocator: Option<TypedFunc<u32, u32>>,
    fuel: u64,
    ceiling: Ceiling,
    faults: Option<Faults>,
}

/// How far an instance may grow.
struct Ceiling {
    memory_bytes: usize,
}

impl ResourceLimiter for Ceiling {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.memory_bytes)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        const MAX_TABLE: usize = 1 << 16;
        Ok(desired <= MAX_TABLE)
    }
}

/// Whether a module declares an ABI that is served and has what a host needs of it.
pub(super) fn supports(module: &Module) -> Result<(), String> {
    let has = |name: &str| module.get_export(name).is_some();
    if !VERSIONS.into_iter().any(has) {
        let declared: Vec<&str> = module
            .exports()
            .map(|export| export.name())
            .filter(|name| name.starts_with("proxy_abi_version"))
            .collect();
        return Err(format!(
            "not proxy-wasm 0.2.x: it declares [{}]",
            declared.join(", ")
        ));
    }
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err("it exports no memory".to_owned());
    }
    if !ALLOCATORS.into_iter().any(has) {
        return Err(format!("it exports none of {}", ALLOCATORS.join(", ")));
    }
    Ok(())
}

/// Links every host call.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    buffer::link(linker)?;
    callout::link(linker)?;
    foreign::link(linker)?;
    grpc::link(linker)?;
    header_map::link(linker)?;
    local_reply::link(linker)?;
    log::link(linker)?;
    metric::link(linker)?;
    property::link(linker)?;
    shared_data::link(linker)?;
    shared_queue::link(linker)?;
    stream::link(linker)?;
    timer::link(linker)?;
    wasi::link(linker)
}

/// The module of the host calls.
const ENV: &str = "env";

/// One instance.
pub struct Instance {
    store: Store<State>,
    exports: HashMap<&'static str, Option<Func>>,
    instance: wasmtime::Instance,
    used: u64,
}

impl Instance {
    pub(super) fn start(
        module: &InstancePre<State>,
        host: HostHandle,
        environment: BTreeMap<String, String>,
        limits: Limits,
        faults: Option<Faults>,
    ) -> Result<Self, String> {
        let imports = module.module().imports().map(|import| import.name());
        if let Some(name) = imports.into_iter().find(|name| host.refuses_import(name)) {
            return Err(format!("this host has another {name}"));
        }
        let state = State {
            host,
            environment,
            memory: None,
            allocator: None,
            fuel: limits.fuel,
            ceiling: Ceiling {
                memory_bytes: limits.memory_bytes,
            },
            faults,
        };
        let mut store = Store::new(module.module().engine(), state);
        store.limiter(|state| &mut state.ceiling);
        store
            .set_fuel(limits.fuel)
            .map_err(|error| format!("{error:#}"))?;
        let instance = module
            .instantiate(&mut store)
            .map_err(|error| describe(&error))?;
        let memory = instance.get_memory(&mut store, "memory");
        let allocator = ALLOCATORS
            .into_iter()
            .find_map(|name| instance.get_typed_func(&mut store, name).ok());
        store.data_mut().memory = memory;
        store.data_mut().allocator = allocator;
        for name in INITIALISERS {
            if let Ok(initialise) = instance.get_typed_func::<(), ()>(&mut store, name) {
                initialise
                    .call(&mut store, ())
                    .map_err(|error| format!("{name}: {}", describe(&error)))?;
                break;
            }
        }
        Ok(Self {
            store,
            exports: HashMap::new(),
            instance,
            used: 0,
        })
    }

    fn export(&mut self, name: &'static str) -> Option<Func> {
        if let Some(found) = self.exports.get(name) {
            return *found;
        }
        let found = self.instance.get_func(&mut self.store, name);
        self.exports.insert(name, found);
        found
    }
}

impl Guest for Instance {
    fn invoke(&mut self, context: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        self.used = 0;
        let Some(function) = self.export(callback.export()) else {
            return Ok(None);
        };
        let arguments = callback.arguments(context);
        let arguments: Vec<Val> = arguments
            .as_slice()
            .iter()
            .map(|value| Val::I32(value.cast_signed()))
            .collect();
        let results = function.ty(&self.store).results().len();
        let mut returned = vec![Val::I32(0); results];
        let limit = self.store.data().fuel;
        let outcome = self
            .store
            .set_fuel(limit)
            .and_then(|()| function.call(&mut self.store, &arguments, &mut returned));
        self.used = limit.saturating_sub(self.store.get_fuel().unwrap_or_default());
        outcome.map_err(|error| Trap {
            message: describe(&error),
        })?;
        let value = match returned.first() {
            Some(Val::I32(value)) => value.cast_unsigned(),
            _ => 0,
        };
        // What returns nothing is not refused by it.
        Ok(Some(if results == 0 {
            u32::from(expects_true(callback))
        } else {
            value
        }))
    }

    fn fuel(&self) -> Option<u64> {
        Some(self.used)
    }

    fn memory_bytes(&self) -> Option<u64> {
        let memory = self.store.data().memory?;
        u64::try_from(memory.data_size(&self.store)).ok()
    }
}

/// Callbacks that refuse by returning 0.
const fn expects_true(callback: Callback) -> bool {
    matches!(
        callback,
        Callback::VmStart { .. } | Callback::Configure { .. } | Callback::Done
    )
}

/// The words of an engine's error, the cause first: `wasm trap: …` tells more than where it
/// happened.
fn describe(error: &wasmtime::Error) -> String {
    let cause = error.root_cause().to_string();
    cause.lines().next().unwrap_or_default().to_owned()
}

impl State {
    fn memory(&self) -> HostResult<Memory> {
        self.memory.ok_or(Status::InvalidMemoryAccess)
    }
}
