//! `proxy_*_shared_queue`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::QueueId;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_register_shared_queue",
        |caller: Caller<'_, State>, name: u32, name_size: u32, queue_at: u32| {
            serve(caller, |guest| {
                let name = guest.bytes(name, name_size)?;
                let queue = guest.host().register_queue(&name)?;
                Ok(guest.write_u32(queue_at, queue.0)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_resolve_shared_queue",
        |caller: Caller<'_, State>,
         vm_id: u32,
         vm_id_size: u32,
         name: u32,
         name_size: u32,
         queue_at: u32| {
            serve(caller, |guest| {
                let (vm_id, name) = (
                    guest.bytes(vm_id, vm_id_size)?,
                    guest.bytes(name, name_size)?,
                );
                let queue = guest.host().resolve_queue(&vm_id, &name)?;
                Ok(guest.write_u32(queue_at, queue.0)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_enqueue_shared_queue",
        |caller: Caller<'_, State>, queue: u32, entry: u32, entry_size: u32| {
            serve(caller, |guest| {
                let entry = guest.bytes(entry, entry_size)?;
                Ok(guest.host().enqueue(QueueId(queue), &entry)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_dequeue_shared_queue",
        |caller: Caller<'_, State>, queue: u32, pointer_at: u32, size_at: u32| {
            serve(caller, |guest| {
                let entry = guest.host().dequeue(QueueId(queue))?;
                guest.give(&entry, pointer_at, size_at)
            })
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    const EMPTY: u32 = 7;
    const QUEUE: &[i64] = &[1];
    const UNKNOWN: &[i64] = &[5];

    fn registered(function: &str, arguments: &[&[i64]]) -> u32 {
        let register: &[&[i64]] = &[&KEY, &[OUT[0]]];
        let calls = [
            ("proxy_register_shared_queue", register),
            (function, arguments),
        ];
        let [registered, status] = statuses(Phase::RequestHeaders, &calls)[..] else {
            panic!("two calls");
        };
        assert_eq!(registered, OK);
        status
    }

    #[test]
    fn register_shared_queue() {
        let register =
            |phase, name, at: i64| status(phase, "proxy_register_shared_queue", &[name, &[at]]);
        assert_eq!(register(Phase::RequestHeaders, &KEY, OUT[0]), OK);
        assert_eq!(
            register(Phase::RequestHeaders, &[OUTSIDE, 9], OUT[0]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(
            register(Phase::RequestHeaders, &KEY, OUTSIDE + 2),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(register(Phase::Start, &KEY, OUT[0]), INTERNAL_FAILURE);
    }

    #[test]
    fn resolve_shared_queue() {
        let resolve = |vm_id: &[i64], name: &[i64]| {
            registered("proxy_resolve_shared_queue", &[vm_id, name, &[OUT[0]]])
        };
        assert_eq!(resolve(&NOTHING, &KEY), OK);
        assert_eq!(resolve(&NOTHING, &PATH), NOT_FOUND);
        assert_eq!(resolve(&[OUTSIDE, 9], &KEY), INVALID_MEMORY_ACCESS);
    }

    #[test]
    fn enqueue_shared_queue() {
        let enqueue = |queue, entry| registered("proxy_enqueue_shared_queue", &[queue, entry]);
        assert_eq!(enqueue(QUEUE, &KEY), OK);
        assert_eq!(enqueue(UNKNOWN, &KEY), NOT_FOUND);
        assert_eq!(enqueue(QUEUE, &[OUTSIDE, 9]), INVALID_MEMORY_ACCESS);
    }

    #[test]
    fn dequeue_shared_queue() {
        let dequeue = |queue| registered("proxy_dequeue_shared_queue", &[queue, &OUT]);
        assert_eq!(dequeue(QUEUE), EMPTY);
        assert_eq!(dequeue(UNKNOWN), NOT_FOUND);
    }
}
