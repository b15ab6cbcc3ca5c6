//! The host calls: everything that a guest may ask of the proxy, typed and free of any guest
//! memory.
//!
//! WebAssembly guests and native guests call the same methods. Each acts on the context whose
//! callback is running, or on the one that the guest has chosen instead. Outside of any callback
//! (while an instance is being initialised) only the calls that need no context work. Rules are
//! Envoy's (source/extensions/common/wasm/context.cc) unless a profile says otherwise.

mod buffer;
mod callout;
mod foreign;
mod header_map;
mod metric;
mod process;
mod property;
mod shared;
mod stream;
#[cfg(test)]
pub(crate) mod testing;

use std::cell::RefCell;
use std::rc::Rc;

use crate::abi::{HostResult, Status};
use crate::core::Core;
use crate::gateway::stream::Stream;
use crate::ids::{ContextId, PluginId, VmId};
use crate::timeline::Event;
use crate::vm::Root;

/// The way of one VM to its host.
#[derive(Clone)]
pub struct HostHandle {
    core: Rc<RefCell<Core>>,
    vm: VmId,
}

/// A context that host calls act on.
#[derive(Clone, Copy, Debug)]
struct EffectiveContext {
    vm: VmId,
    context: ContextId,
}

impl HostHandle {
    pub(super) fn new(core: Rc<RefCell<Core>>, vm: VmId) -> Self {
        Self { core, vm }
    }

    /// Makes a host call and records it. A call while the host itself is busy cannot happen from a
    /// callback; it is refused.
    fn call<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut Core) -> HostResult<T>,
    ) -> HostResult<T> {
        let Ok(mut core) = self.core.try_borrow_mut() else {
            return Err(Status::InternalFailure);
        };
        // A real host ends the callback there.
        if core.host_trap.is_some() || core.crash.is_some() {
            return Err(Status::InternalFailure);
        }
        let answered = act(&mut core);
        if core.timeline.traces_host_calls() {
            let status = answered.as_ref().err().map_or(0, |status| status.raw());
            let filter = core.vm_name(self.vm);
            core.record(Event::HostCall {
                filter,
                call: name,
                status,
            });
        }
        answered
    }

    /// Makes a host call that acts on a context.
    fn call_in_context<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut Core, EffectiveContext) -> HostResult<T>,
    ) -> HostResult<T> {
        self.call(name, |core| {
            let running = core
                .running
                .filter(|running| running.vm == self.vm)
                .ok_or(Status::InternalFailure)?;
            let context = running.effective.unwrap_or(running.context);
            act(
                core,
                EffectiveContext {
                    vm: self.vm,
                    context,
                },
            )
        })
    }
}

impl HostHandle {
    /// Whether a module with this import cannot be loaded on this host.
    pub fn refuses_import(&self, name: &str) -> bool {
        self.core
            .try_borrow()
            .is_ok_and(|core| core.profile.refused_imports.contains(&name))
    }

    /// The callbacks that this host calls without looking whether the module has them.
    pub fn needed_callbacks(&self) -> &'static [&'static str] {
        self.core
            .try_borrow()
            .map_or(&[], |core| core.profile.needed_callbacks)
    }

    /// A call that a host need not have.
    ///
    /// # Errors
    /// A trap on hosts where such calls trap.
    pub fn optional_call(&self, name: &'static str) -> HostResult<()> {
        self.call(name, Core::optional)
    }
}

impl Core {
    /// A call that a host need not have: a trap where it does not.
    fn optional(&mut self) -> HostResult<()> {
        match self.profile.trapping_calls.unimplemented {
            true => self.trap("this host does not have that call"),
            false => Ok(()),
        }
    }

    /// The exchange that host calls act on, and the filter's place in it. [`Status::BadArgument`]
    /// for a root context.
    fn exchange(&mut self, at: EffectiveContext) -> HostResult<(&mut Stream, PluginId)> {
        let (stream, filter) = self
            .exchange_of(at.vm, at.context)
            .ok_or(Status::BadArgument)?;
        self.streams
            .get_mut(&stream)
            .map(|stream| (stream, filter))
            .ok_or(Status::BadArgument)
    }

    /// The root context that host calls act on, or that of the exchange.
    fn root(&mut self, at: EffectiveContext) -> HostResult<&mut Root> {
        self.vm_mut(at.vm)
            .and_then(|vm| vm.root_mut(at.context))
            .ok_or(Status::InternalFailure)
    }
}
