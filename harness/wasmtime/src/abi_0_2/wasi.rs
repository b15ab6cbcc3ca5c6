//! WASI preview 1, as far as a proxy serves it: environment, clocks, randomness, standard output as
//! log lines. There are no files and no sockets; what would need them answers `ENOSYS`, so that
//! modules load.

use wasmtime::{Caller, Linker};

use super::State;
use super::memory::Guest;
use proxy_wasm_simulator::abi::{HostResult, LogLevel, Status};

const SUCCESS: u32 = 0;
const BAD_DESCRIPTOR: u32 = 8;
const FAULT: u32 = 21;
const NO_SUCH_CALL: u32 = 52;
const NOT_SUPPORTED: u32 = 58;

/// Most pieces of one write that are looked at; no runtime uses more.
const MAX_PIECES: u32 = 1 << 10;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        process(linker, module)?;
        output(linker, module)?;
        absent(linker, module)?;
    }
    Ok(())
}

fn errno(answered: HostResult<()>) -> u32 {
    match answered {
        Ok(()) => SUCCESS,
        Err(Status::InvalidMemoryAccess) => FAULT,
        Err(_) => BAD_DESCRIPTOR,
    }
}

fn process(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "args_sizes_get",
        |caller: Caller<'_, State>, count_at: u32, size_at: u32| {
            let mut guest = Guest::new(caller);
            errno(
                guest
                    .write_u32(count_at, 0)
                    .and_then(|()| guest.write_u32(size_at, 0)),
            )
        },
    )?;
    linker.func_wrap(
        module,
        "args_get",
        |_: Caller<'_, State>, _: u32, _: u32| SUCCESS,
    )?;
    linker.func_wrap(
        module,
        "environ_sizes_get",
        |caller: Caller<'_, State>, count_at: u32, size_at: u32| {
            let mut guest = Guest::new(caller);
            let entries = entries(&guest);
            let size = entries.iter().map(Vec::len).sum::<usize>();
            let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let written = guest.write_u32(count_at, number(entries.len()));
            errno(written.and_then(|()| guest.write_u32(size_at, number(size))))
        },
    )?;
    linker.func_wrap(
        module,
        "environ_get",
        |caller: Caller<'_, State>, pointers_at: u32, text_at: u32| {
            let mut guest = Guest::new(caller);
            errno(write_environment(&mut guest, pointers_at, text_at))
        },
    )?;
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_, State>, clock: u32, _: u64, time_at: u32| {
            const WALL: u32 = 0;
            const MONOTONIC: u32 = 1;
            let mut guest = Guest::new(caller);
            if clock != WALL && clock != MONOTONIC {
                return NOT_SUPPORTED;
            }
            let now = guest.host().now_ns();
            errno(guest.write_u64(time_at, now))
        },
    )?;
    linker.func_wrap(
        module,
        "clock_res_get",
        |caller: Caller<'_, State>, _: u32, resolution_at: u32| {
            errno(Guest::new(caller).write_u64(resolution_at, 1))
        },
    )?;
    linker.func_wrap(
        module,
        "random_get",
        |caller: Caller<'_, State>, at: u32, size: u32| {
            let mut guest = Guest::new(caller);
            // Read first: a size beyond the memory must not make the host allocate.
            errno(guest.bytes(at, size).and_then(|mut bytes| {
                let host = guest.host();
                for chunk in bytes.chunks_mut(8) {
                    let random = host.random().to_le_bytes();
                    chunk
                        .iter_mut()
                        .zip(random)
                        .for_each(|(byte, random)| *byte = random);
                }
                guest.write(at, &bytes)
            }))
        },
    )?;
    linker.func_wrap(module, "sched_yield", |_: Caller<'_, State>| SUCCESS)?;
    linker.func_wrap(
        module,
        "proc_exit",
        |_: Caller<'_, State>, code: u32| -> wasmtime::Result<()> {
            Err(wasmtime::Error::msg(format!(
                "the guest exited with code {code}"
            )))
        },
    )?;
    Ok(())
}

fn entries(guest: &Guest<'_>) -> Vec<Vec<u8>> {
    let environment = guest.state().environment.iter();
    environment
        .map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect()
}

fn write_environment(
    guest: &mut Guest<'_>,
    mut pointers_at: u32,
    mut text_at: u32,
) -> HostResult<()> {
    for entry in entries(guest) {
        guest.write_u32(pointers_at, text_at)?;
        guest.write(text_at, &entry)?;
        let size = u32::try_from(entry.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        pointers_at = pointers_at
            .checked_add(4)
            .ok_or(Status::InvalidMemoryAccess)?;
        text_at = text_at
            .checked_add(size)
            .ok_or(Status::InvalidMemoryAccess)?;
    }
    Ok(())
}

fn output(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_, State>, descriptor: u32, pieces: u32, count: u32, written_at: u32| {
            let mut guest = Guest::new(caller);
            let level = match descriptor {
                1 => LogLevel::Info,
                2 => LogLevel::Error,
                _ => return BAD_DESCRIPTOR,
            };
            errno(gather(&guest, pieces, count).and_then(|text| {
                let size = u32::try_from(text.len()).map_err(|_| Status::InvalidMemoryAccess)?;
                let line = text.strip_suffix(b"\n").unwrap_or(&text);
                if !text.is_empty() {
                    guest.host().log(level, line)?;
                }
                guest.write_u32(written_at, size)
            }))
        },
    )?;
    linker.func_wrap(
        module,
        "fd_fdstat_get",
        |caller: Caller<'_, State>, descriptor: u32, stat_at: u32| {
            const WRITABLE: [u8; 24] = {
                let mut stat = [0; 24];
                stat[8] = 64;
                stat
            };
            if descriptor != 1 && descriptor != 2 {
                return BAD_DESCRIPTOR;
            }
            errno(Guest::new(caller).write(stat_at, &WRITABLE))
        },
    )?;
    linker.func_wrap(
        module,
        "fd_seek",
        |_: Caller<'_, State>, _: u32, _: i64, _: u32, _: u32| SUCCESS,
    )?;
    linker.func_wrap(module, "fd_close", |_: Caller<'_, State>, _: u32| SUCCESS)?;
    // No directory is open: this is what ends a runtime's search for them.
    linker.func_wrap(
        module,
        "fd_prestat_get",
        |_: Caller<'_, State>, _: u32, _: u32| BAD_DESCRIPTOR,
    )?;
    Ok(())
}

/// The pieces of a scattered write.
fn gather(guest: &Guest<'_>, pieces: u32, count: u32) -> HostResult<Vec<u8>> {
    let mut text = Vec::new();
    for piece in 0..count.min(MAX_PIECES) {
        let at = piece
            .checked_mul(8)
            .and_then(|offset| pieces.checked_add(offset))
            .ok_or(Status::InvalidMemoryAccess)?;
        let size_at = at.checked_add(4).ok_or(Status::InvalidMemoryAccess)?;
        text.extend(guest.bytes(guest.u32(at)?, guest.u32(size_at)?)?);
    }
    Ok(text)
}

macro_rules! absent {
    ($linker:ident, $module:ident: $($name:literal($($argument:ty),*)),+ $(,)?) => {
        $($linker.func_wrap($module, $name, |_: Caller<'_, State>, $(_: $argument),*| NO_SUCH_CALL)?;)+
    };
}

fn absent(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    absent!(linker, module:
        "fd_advise"(u32, u64, u64, u32),
        "fd_allocate"(u32, u64, u64),
        "fd_datasync"(u32),
        "fd_fdstat_set_flags"(u32, u32),
        "fd_fdstat_set_rights"(u32, u64, u64),
        "fd_filestat_get"(u32, u32),
        "fd_filestat_set_size"(u32, u64),
        "fd_filestat_set_times"(u32, u64, u64, u32),
        "fd_pread"(u32, u32, u32, u64, u32),
        "fd_prestat_dir_name"(u32, u32, u32),
        "fd_pwrite"(u32, u32, u32, u64, u32),
        "fd_read"(u32, u32, u32, u32),
        "fd_readdir"(u32, u32, u32, u64, u32),
        "fd_renumber"(u32, u32),
        "fd_sync"(u32),
        "fd_tell"(u32, u32),
        "path_create_directory"(u32, u32, u32),
        "path_filestat_get"(u32, u32, u32, u32, u32),
        "path_filestat_set_times"(u32, u32, u32, u32, u64, u64, u32),
        "path_link"(u32, u32, u32, u32, u32, u32, u32),
        "path_open"(u32, u32, u32, u32, u32, u64, u64, u32, u32),
        "path_readlink"(u32, u32, u32, u32, u32, u32),
        "path_remove_directory"(u32, u32, u32),
        "path_rename"(u32, u32, u32, u32, u32, u32),
        "path_symlink"(u32, u32, u32, u32, u32),
        "path_unlink_file"(u32, u32, u32),
        "poll_oneoff"(u32, u32, u32, u32),
        "proc_raise"(u32),
        "sock_accept"(u32, u32, u32),
        "sock_recv"(u32, u32, u32, u32, u32, u32),
        "sock_send"(u32, u32, u32, u32, u32),
        "sock_shutdown"(u32, u32),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::{BAD_DESCRIPTOR, FAULT, NO_SUCH_CALL, NOT_SUPPORTED, SUCCESS};

    /// The same in every phase: WASI knows no contexts.
    fn answers(function: &str, arguments: &[&[i64]], expected: u32) {
        for phase in [Phase::Start, Phase::RequestHeaders] {
            let status = status(phase, function, arguments);
            assert_eq!(status, expected, "{function} {arguments:?} in {phase:?}");
        }
    }

    #[test]
    fn what_is_written_into_the_memory_stays_in_it() {
        for (function, good, bad) in [
            ("args_sizes_get", &OUT[..], &[OUTSIDE + 2, OUT[1]][..]),
            ("environ_sizes_get", &OUT, &[OUT[0], OUTSIDE + 2]),
            ("clock_time_get", &[0, 0, OUT[0]], &[0, 0, OUTSIDE]),
            ("clock_time_get", &[1, 0, OUT[0]], &[1, 0, OUTSIDE]),
            ("clock_res_get", &[0, OUT[0]], &[0, OUTSIDE]),
            ("random_get", &[OUT[0], 9], &[OUT[0], i64::from(u32::MAX)]),
            ("fd_fdstat_get", &[2, OUT[0]], &[2, OUTSIDE]),
        ] {
            answers(function, &[good], SUCCESS);
            answers(function, &[bad], FAULT);
        }
    }

    #[test]
    fn output_goes_to_descriptors_1_and_2_only() {
        for descriptor in [1, 2] {
            answers("fd_write", &[&[descriptor, 0, 0, OUT[0]]], SUCCESS);
            answers("fd_write", &[&[descriptor, OUTSIDE, 1, OUT[0]]], FAULT);
        }
        for descriptor in [0, 3] {
            answers("fd_write", &[&[descriptor, 0, 0, OUT[0]]], BAD_DESCRIPTOR);
            answers("fd_fdstat_get", &[&[descriptor, OUT[0]]], BAD_DESCRIPTOR);
        }
    }

    #[test]
    fn there_are_two_clocks_and_no_arguments() {
        answers("clock_time_get", &[&[2, 0, OUT[0]]], NOT_SUPPORTED);
        answers("args_get", &[&OUT], SUCCESS);
        answers("environ_get", &[&OUT], SUCCESS);
        answers("sched_yield", &[], SUCCESS);
    }

    #[test]
    fn there_are_no_files_and_no_sockets() {
        answers("fd_prestat_get", &[&[3, OUT[0]]], BAD_DESCRIPTOR);
        answers("fd_seek", &[&[1, 0, 0, OUT[0]]], SUCCESS);
        answers("fd_close", &[&[1]], SUCCESS);
        answers("fd_read", &[&[0, 0, 0, OUT[0]]], NO_SUCH_CALL);
        answers("path_unlink_file", &[&[3, 0, 5]], NO_SUCH_CALL);
        answers("sock_shutdown", &[&[3, 0]], NO_SUCH_CALL);
    }
}
