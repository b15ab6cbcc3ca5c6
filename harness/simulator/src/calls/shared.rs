//! Shared data and shared queues.

use std::time::Duration;

use super::{EffectiveContext, HostHandle};
use crate::abi::{HostResult, Status};
use crate::core::Core;
use crate::ids::QueueId;
use crate::schedule::TimedEvent;
use crate::shared::Reader;

impl HostHandle {
    /// A shared value and its compare-and-swap number.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn shared_data(&self, key: &[u8]) -> HostResult<(Vec<u8>, u32)> {
        self.call("get_shared_data", |core| {
            core.zone(key)?;
            core.shared.value(&core.vm_id(self)?, key)
        })
    }

    /// Writes a shared value if its number is still `cas`; 0 writes in any case.
    ///
    /// # Errors
    /// `CasMismatch`.
    pub fn set_shared_data(&self, key: &[u8], value: &[u8], cas: u32) -> HostResult<()> {
        self.call("set_shared_data", |core| {
            core.zone(key)?;
            let vm_id = core.vm_id(self)?;
            match core.shared.set(&vm_id, key, value, cas) {
                Err(Status::InternalFailure) => core.trap("the value is larger than its zone"),
                set => set,
            }
        })
    }

    /// Registers a queue of this `vm_id`; its root context gets `on_queue_ready`.
    ///
    /// # Errors
    /// `InternalFailure` outside of callbacks.
    pub fn register_queue(&self, name: &[u8]) -> HostResult<QueueId> {
        self.call_in_context("register_shared_queue", |core, at| {
            core.queues()?;
            let reader = core.reader(at)?;
            let vm_id = core.vm_id(self)?;
            Ok(core.shared.register(&vm_id, name, reader))
        })
    }

    /// Finds a queue of a `vm_id`; an empty id is this one's.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> HostResult<QueueId> {
        self.call("resolve_shared_queue", |core| {
            core.queues()?;
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
    pub fn enqueue(&self, queue: QueueId, entry: &[u8]) -> HostResult<()> {
        self.call("enqueue_shared_queue", |core| {
            core.queues()?;
            let reader = core.shared.enqueue(queue, entry)?;
            core.schedule_after(
                Duration::ZERO,
                TimedEvent::Queue {
                    vm: reader.vm,
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
    pub fn dequeue(&self, queue: QueueId) -> HostResult<Vec<u8>> {
        self.call("dequeue_shared_queue", |core| {
            core.queues()?;
            core.shared.dequeue(queue)
        })
    }
}

impl Core {
    /// A trap where there is no zone for a key of shared data.
    fn zone(&mut self, key: &[u8]) -> HostResult<()> {
        match self.shared.has_place(key) {
            true => Ok(()),
            false => self.trap("there is no zone for shared data"),
        }
    }

    /// A trap where there are no queues.
    fn queues(&mut self) -> HostResult<()> {
        match self.profile.trapping_calls.shared_queues {
            true => self.trap("there is no such queue"),
            false => Ok(()),
        }
    }

    fn vm_id(&self, host: &HostHandle) -> HostResult<String> {
        self.vm(host.vm)
            .map(|vm| vm.vm_id.clone())
            .ok_or(Status::InternalFailure)
    }

    fn reader(&self, at: EffectiveContext) -> HostResult<Reader> {
        let context = self.vm(at.vm).and_then(|vm| vm.root_id(at.context));
        Ok(Reader {
            vm: at.vm,
            context: context.ok_or(Status::InternalFailure)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;

    #[test]
    fn set_shared_data_compares_and_swaps_in_every_phase() {
        for phase in [Phase::Start, Phase::Tick, Phase::RequestHeaders] {
            let results: HostResult<_> = during(phase, |host| {
                host.set_shared_data(b"k", b"1", 0)?;
                let (_, cas) = host.shared_data(b"k")?;
                host.set_shared_data(b"k", b"2", cas)?;
                let stale = host.set_shared_data(b"k", b"3", cas);
                Ok((stale, host.shared_data(b"k")?.0))
            });
            assert_eq!(
                results,
                Ok((Err(Status::CasMismatch), b"2".to_vec())),
                "{phase:?}"
            );
        }
    }

    #[test]
    fn get_shared_data_of_no_value_is_not_found() {
        let missing = during(Phase::RequestHeaders, |host| host.shared_data(b"none"));
        assert_eq!(missing, Err(Status::NotFound));
    }

    #[test]
    fn a_queue_is_registered_in_callbacks_and_found_by_its_name() {
        let found = |phase| {
            during(phase, |host| {
                let queue = host.register_queue(b"q")?;
                Ok((queue, host.resolve_queue(b"", b"q")?))
            })
        };
        assert_eq!(found(Phase::Tick), Ok((QueueId(1), QueueId(1))));
        assert_eq!(found(Phase::Start), Err(Status::InternalFailure));
        for vm_id in [&b""[..], b"another", b"\xff"] {
            let missing = during(Phase::Start, move |host| host.resolve_queue(vm_id, b"q"));
            assert_eq!(missing, Err(Status::NotFound), "{vm_id:?}");
        }
    }

    #[test]
    fn entries_are_taken_in_order_until_the_queue_is_empty() {
        let taken: HostResult<_> = during(Phase::RequestHeaders, |host| {
            let queue = host.register_queue(b"q")?;
            host.enqueue(queue, b"1")?;
            host.enqueue(queue, b"2")?;
            let two = [host.dequeue(queue)?, host.dequeue(queue)?];
            Ok((two, host.dequeue(queue)))
        });
        assert_eq!(
            taken,
            Ok(([b"1".to_vec(), b"2".to_vec()], Err(Status::Empty)))
        );
    }

    #[test]
    fn a_queue_that_nobody_registered_is_not_found() {
        for queue in [QueueId(0), QueueId(7), QueueId(u32::MAX)] {
            let both = during(Phase::Start, move |host| {
                (host.enqueue(queue, b""), host.dequeue(queue))
            });
            assert_eq!(
                both,
                (Err(Status::NotFound), Err(Status::NotFound)),
                "{queue}"
            );
        }
    }
}
