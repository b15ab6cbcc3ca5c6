//! The VM's surroundings: log, clocks, randomness, timers, environment, which context calls act on.

use std::time::Duration;

use super::HostHandle;
use crate::abi::{Answered, LogLevel, Status};
use crate::agenda::Due;
use crate::timeline::{Event, LogLine};
use crate::vm::Thread;

impl HostHandle {
    /// Writes a log line.
    ///
    /// # Errors
    /// None today; the ABI has a status.
    pub fn log(&self, level: LogLevel, text: &[u8]) -> Answered<()> {
        self.call("log", |core| {
            if level >= core.log_level {
                let context = core
                    .running
                    .map(|running| running.effective.unwrap_or(running.context));
                let filter = core.context_name(self.vm, context.unwrap_or_default());
                let text = String::from_utf8_lossy(text).into_owned();
                core.observe(Event::Log(LogLine {
                    filter,
                    level,
                    text,
                }));
            }
            Ok(())
        })
    }

    /// The lowest level that is written.
    ///
    /// # Errors
    /// None today; the ABI has a status.
    pub fn log_level(&self) -> Answered<LogLevel> {
        self.call("get_log_level", |core| Ok(core.log_level))
    }

    /// Nanoseconds since the Unix epoch, virtual.
    pub fn now_ns(&self) -> u64 {
        self.core
            .try_borrow()
            .map(|core| core.now_ns)
            .unwrap_or_default()
    }

    /// 64 bits of a repeatable sequence.
    pub fn random(&self) -> u64 {
        self.core
            .try_borrow_mut()
            .map(|mut core| core.random())
            .unwrap_or_default()
    }

    /// Asks for ticks of the root context; 0 ends them. A new period starts anew.
    ///
    /// # Errors
    /// `InternalFailure` outside of callbacks.
    pub fn set_tick_period(&self, period_ms: u32) -> Answered<()> {
        self.focused("set_tick_period_milliseconds", |core, focus| {
            core.last_timer = core.last_timer.saturating_add(1);
            let timer = core.last_timer;
            let root = core.root(focus)?;
            root.tick_ms = period_ms;
            root.timer = timer;
            let vm = core.vm(focus.vm).ok_or(Status::InternalFailure)?;
            let context = vm
                .root_number(focus.context)
                .ok_or(Status::InternalFailure)?;
            let due = Due::Tick {
                vm: focus.vm,
                generation: vm.generation,
                context,
                timer,
            };
            // The template is not on a thread that could tick.
            if period_ms > 0 && vm.thread != Thread::Template {
                core.after(Duration::from_millis(period_ms.into()), due);
            }
            Ok(())
        })
    }

    /// Makes host calls of this callback act on another context of the VM.
    ///
    /// # Errors
    /// `BadArgument` when there is no such context.
    pub fn set_effective_context(&self, context: u32) -> Answered<()> {
        self.focused("set_effective_context", |core, focus| {
            let known = core
                .vm(focus.vm)
                .is_some_and(|vm| vm.contexts.contains_key(&context));
            let running = core
                .running
                .as_mut()
                .filter(|_| known)
                .ok_or(Status::BadArgument)?;
            running.effective = Some(context);
            Ok(())
        })
    }
}
