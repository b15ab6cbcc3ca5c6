//! The VM's surroundings: log, clocks, randomness, timers, environment, which context calls act on.

use std::time::Duration;

use super::HostHandle;
use crate::abi::{HostResult, LogLevel, Status};
use crate::ids::ContextId;
use crate::schedule::TimedEvent;
use crate::timeline::{Event, LogLine};
use crate::vm::Thread;

impl HostHandle {
    /// Writes a log line.
    ///
    /// # Errors
    /// None today; the ABI has a status.
    pub fn log(&self, level: LogLevel, text: &[u8]) -> HostResult<()> {
        self.call("log", |core| {
            if level >= core.log_level {
                let context = core
                    .running
                    .map(|running| running.effective.unwrap_or(running.context));
                let filter = core.context_name(self.vm, context.unwrap_or_default());
                let max = core.profile.max_log_line.unwrap_or(usize::MAX);
                let text = text.get(..max).unwrap_or(text);
                let text = String::from_utf8_lossy(text).into_owned();
                core.record(Event::Log(LogLine {
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
    pub fn log_level(&self) -> HostResult<LogLevel> {
        self.call("get_log_level", |core| Ok(core.log_level))
    }

    /// Nanoseconds since the Unix epoch, virtual.
    pub fn now_ns(&self) -> u64 {
        self.core
            .try_borrow()
            .map(|core| core.clock_ns())
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
    pub fn set_tick_period(&self, period_ms: u32) -> HostResult<()> {
        self.call_in_context("set_tick_period_milliseconds", |core, at| {
            core.last_timer = core.last_timer.saturating_add(1);
            let timer = core.last_timer;
            if core.profile.trapping_calls.second_tick_period && core.root(at)?.tick_ms > 0 {
                return core.trap("a tick period is set already");
            }
            let root = core.root(at)?;
            root.tick_ms = period_ms;
            root.timer = timer;
            let vm = core.vm(at.vm).ok_or(Status::InternalFailure)?;
            let context = vm.root_id(at.context).ok_or(Status::InternalFailure)?;
            let due = TimedEvent::Tick {
                vm: at.vm,
                generation: vm.generation,
                context,
                timer,
            };
            // The template is not on a thread that could tick.
            if period_ms > 0 && vm.thread != Thread::Template {
                core.schedule_after(Duration::from_millis(period_ms.into()), due);
            }
            Ok(())
        })
    }

    /// Makes host calls of this callback act on another context of the VM, on hosts where contexts
    /// can be chosen.
    ///
    /// # Errors
    /// `BadArgument` when there is no such context.
    pub fn set_effective_context(&self, context: ContextId) -> HostResult<()> {
        self.call_in_context("set_effective_context", |core, at| {
            if core.profile.contexts_are_fixed {
                return Ok(());
            }
            let known = core
                .vm(at.vm)
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

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;

    #[test]
    fn log_writes_in_every_phase() {
        for phase in [Phase::Start, Phase::Tick, Phase::RequestHeaders, Phase::Log] {
            let logged = during(phase, |host| host.log(LogLevel::Info, b"\xff"));
            assert_eq!(logged, Ok(()), "{phase:?}");
        }
        assert_eq!(
            during(Phase::Start, HostHandle::log_level),
            Ok(LogLevel::Trace)
        );
    }

    #[test]
    fn the_clock_and_the_random_numbers_repeat_from_run_to_run() {
        let seen = |phase| during(phase, |host| (host.now_ns(), host.random(), host.random()));
        assert_eq!(seen(Phase::Start).0, 1_700_000_000_000_000_000);
        assert_eq!(seen(Phase::Tick).0, 1_700_000_001_000_000_000);
        assert_eq!(seen(Phase::Log), seen(Phase::Log));
        let (_, first, second) = seen(Phase::Log);
        assert_ne!(first, second);
    }

    #[test]
    fn set_tick_period_needs_a_callback_and_no_exchange() {
        let set = |phase| during(phase, |host| host.set_tick_period(10));
        assert_eq!(set(Phase::Configure), Ok(()));
        assert_eq!(set(Phase::RequestHeaders), Ok(()));
        assert_eq!(set(Phase::Start), Err(Status::InternalFailure));
    }

    #[test]
    fn set_effective_context_takes_contexts_of_the_vm_only() {
        let set = |phase, context| {
            during(phase, move |host| {
                host.set_effective_context(ContextId(context))
            })
        };
        assert_eq!(set(Phase::RequestHeaders, 1), Ok(()));
        assert_eq!(set(Phase::RequestHeaders, 99), Err(Status::BadArgument));
        assert_eq!(set(Phase::RequestHeaders, 0), Err(Status::BadArgument));
        assert_eq!(set(Phase::Start, 1), Err(Status::InternalFailure));
    }

    #[test]
    fn calls_act_on_the_effective_context() {
        let path = during(Phase::RequestHeaders, |host| {
            host.set_effective_context(ContextId(1))?;
            host.property(b"request\0path")
        });
        assert_eq!(
            path,
            Err(Status::NotFound),
            "the root context has no exchange"
        );
    }
}
