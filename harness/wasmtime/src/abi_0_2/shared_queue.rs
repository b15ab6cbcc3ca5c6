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
