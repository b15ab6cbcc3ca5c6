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

use std::cell::RefCell;
use std::rc::Rc;

use crate::abi::{Answered, Status};
use crate::core::Core;
use crate::gateway::stream::Stream;
use crate::timeline::Event;
use crate::vm::{Root, VmSlot};

/// The way of one VM to its host.
#[derive(Clone)]
pub struct HostHandle {
    core: Rc<RefCell<Core>>,
    vm: VmSlot,
}

/// A context that host calls act on.
#[derive(Clone, Copy, Debug)]
struct Focus {
    vm: VmSlot,
    context: u32,
}

impl HostHandle {
    pub(super) fn new(core: Rc<RefCell<Core>>, vm: VmSlot) -> Self {
        Self { core, vm }
    }

    /// Makes a host call and records it. A call while the host itself is busy cannot happen from a
    /// callback; it is refused.
    fn call<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut Core) -> Answered<T>,
    ) -> Answered<T> {
        let Ok(mut core) = self.core.try_borrow_mut() else {
            return Err(Status::InternalFailure);
        };
        let answered = act(&mut core);
        if core.timeline.wants_host_calls() {
            let status = answered.as_ref().err().map_or(0, |status| status.raw());
            let filter = core.vm_name(self.vm);
            core.observe(Event::HostCall {
                filter,
                call: name,
                status,
            });
        }
        answered
    }

    /// Makes a host call that acts on a context.
    fn focused<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut Core, Focus) -> Answered<T>,
    ) -> Answered<T> {
        self.call(name, |core| {
            let running = core
                .running
                .filter(|running| running.vm == self.vm)
                .ok_or(Status::InternalFailure)?;
            let context = running.effective.unwrap_or(running.context);
            act(
                core,
                Focus {
                    vm: self.vm,
                    context,
                },
            )
        })
    }
}

impl Core {
    /// The exchange that host calls act on, and the filter's place in it. [`Status::BadArgument`]
    /// for a root context.
    fn exchange(&mut self, focus: Focus) -> Answered<(&mut Stream, usize)> {
        let (stream, slot) = self
            .exchange_of(focus.vm, focus.context)
            .ok_or(Status::BadArgument)?;
        self.streams
            .get_mut(&stream)
            .map(|stream| (stream, slot))
            .ok_or(Status::BadArgument)
    }

    /// The root context that host calls act on, or that of the exchange.
    fn root(&mut self, focus: Focus) -> Answered<&mut Root> {
        self.vm_mut(focus.vm)
            .and_then(|vm| vm.root_mut(focus.context))
            .ok_or(Status::InternalFailure)
    }
}
