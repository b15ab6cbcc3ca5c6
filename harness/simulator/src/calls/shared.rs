//! Shared data and shared queues.

use std::time::Duration;

use super::{Focus, HostHandle};
use crate::abi::{Answered, Status};
use crate::agenda::Due;
use crate::core::Core;
use crate::shared::Reader;

impl HostHandle {
    /// A shared value and its compare-and-swap number.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn shared(&self, key: &[u8]) -> Answered<(Vec<u8>, u32)> {
        self.call("get_shared_data", |core| {
            core.shared.value(&core.vm_id(self)?, key)
        })
    }

    /// Writes a shared value if its number is still `cas`; 0 writes in any case.
    ///
    /// # Errors
    /// `CasMismatch`.
    pub fn set_shared(&self, key: &[u8], value: &[u8], cas: u32) -> Answered<()> {
        self.call("set_shared_data", |core| {
            let vm_id = core.vm_id(self)?;
            core.shared.set(&vm_id, key, value, cas)
        })
    }

    /// Registers a queue of this `vm_id`; its root context is told of new entries.
    ///
    /// # Errors
    /// `InternalFailure` outside of callbacks.
    pub fn register_queue(&self, name: &[u8]) -> Answered<u32> {
        self.focused("register_shared_queue", |core, focus| {
            let reader = core.reader(focus)?;
            let vm_id = core.vm_id(self)?;
            Ok(core.shared.register(&vm_id, name, reader))
        })
    }

    /// Finds a queue of a `vm_id`; an empty id is this one's.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> Answered<u32> {
        self.call("resolve_shared_queue", |core| {
            let own = core.vm_id(self)?;
            let vm_id = std::str::from_utf8(vm_id).map_err(|_| Status::NotFound)?;
            core.shared
                .resolve(if vm_id.is_empty() { &own } else { vm_id }, name)
        })
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// `NotFound` for an unknown queue.
    pub fn enqueue(&self, queue: u32, entry: &[u8]) -> Answered<()> {
        self.call("enqueue_shared_queue", |core| {
            let reader = core.shared.enqueue(queue, entry)?;
            core.after(
                Duration::ZERO,
                Due::Queue {
                    vm: reader.slot,
                    context: reader.context,
                    queue,
                },
            );
            Ok(())
        })
    }

    /// Takes the oldest entry.
    ///
    /// # Errors
    /// `Empty`; `NotFound` for an unknown queue.
    pub fn dequeue(&self, queue: u32) -> Answered<Vec<u8>> {
        self.call("dequeue_shared_queue", |core| core.shared.dequeue(queue))
    }
}

impl Core {
    fn vm_id(&self, host: &HostHandle) -> Answered<String> {
        self.vm(host.vm)
            .map(|vm| vm.vm_id.clone())
            .ok_or(Status::InternalFailure)
    }

    fn reader(&self, focus: Focus) -> Answered<Reader> {
        let context = self
            .vm(focus.vm)
            .and_then(|vm| vm.root_number(focus.context));
        Ok(Reader {
            slot: focus.vm,
            context: context.ok_or(Status::InternalFailure)?,
        })
    }
}
