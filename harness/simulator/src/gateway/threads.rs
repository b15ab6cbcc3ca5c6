//! Threads and their VMs: starting, entering, losing and replacing them.

use std::time::Duration;

use crate::calls::HostHandle;
use crate::core::Running;
use crate::gateway::Gateway;
use crate::guest::Callback;
use crate::plugin::FailurePolicy;
use crate::timeline::Event;
use crate::vm::{Context, ContextRef, Root, Thread, VmSlot};

/// How a callback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It returned.
    Returned {
        /// What; `None` when the guest has no such export.
        value: Option<u32>,
        /// A reply was sent meanwhile.
        stop: bool,
    },
    /// It did not: the VM is lost, or was lost before.
    Trapped,
}

/// A lost VM, seen by an exchange that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Running,
    /// Lost; the exchange must not pass.
    Closed,
    /// Lost; the exchange passes without the filter.
    Open,
}

impl Gateway {
    /// Enters a callback of a guest. What the guest asked for is left in the core.
    pub(super) fn enter(&mut self, context: ContextRef, callback: Callback) -> Entered {
        if !self.core.borrow().alive(context) {
            return Entered::Trapped;
        }
        let Some(guest) = self.guests.get_mut(context.vm.0).and_then(Option::as_mut) else {
            return Entered::Trapped;
        };
        {
            let mut core = self.core.borrow_mut();
            core.running = Some(Running {
                vm: context.vm,
                context: context.context,
                effective: None,
            });
            core.stop_next = false;
        }
        let result = guest.enter(context.context, callback);
        let fuel = guest.fuel();
        let mut core = self.core.borrow_mut();
        core.running = None;
        match result {
            Ok(value) => {
                if core.timeline.wants_host_calls() && value.is_some() {
                    let filter = core.context_name(context.vm, context.context);
                    core.observe(Event::Callback {
                        filter,
                        callback: callback.export(),
                        returned: value,
                        fuel,
                    });
                }
                Entered::Returned {
                    value,
                    stop: core.stop_next,
                }
            }
            Err(trap) => {
                let filter = core.context_name(context.vm, context.context);
                core.observe(Event::Trap {
                    filter,
                    message: trap.message,
                });
                core.deferred.clear();
                if let Some(vm) = core.vm_mut(context.vm) {
                    vm.lost = true;
                }
                drop(core);
                if let Some(slot) = self.guests.get_mut(context.vm.0) {
                    *slot = None;
                }
                Entered::Trapped
            }
        }
    }

    /// Starts the instance of a VM and configures its plugins.
    pub(super) fn start_vm(&mut self, slot: VmSlot) -> Result<(), (usize, String)> {
        let (plugins, environment, generation, configuration) = {
            let core = self.core.borrow();
            let Some(vm) = core.vm(slot) else {
                return Ok(());
            };
            (
                vm.plugins.clone(),
                vm.environment.clone(),
                vm.generation,
                vm.configuration.len(),
            )
        };
        let first = plugins.first().copied().unwrap_or_default();
        let Some(code) = self.codes.get(first) else {
            return Ok(());
        };
        let host = HostHandle::new(self.core.clone(), slot);
        let guest = code
            .start(host, &environment)
            .map_err(|problem| (first, problem))?;
        if let Some(place) = self.guests.get_mut(slot.0) {
            *place = Some(guest);
        }
        for plugin in plugins {
            let root = Root {
                plugin,
                ..Root::default()
            };
            let context = self
                .core
                .borrow_mut()
                .vm_mut(slot)
                .map(|vm| vm.add(Context::Root(root)))
                .unwrap_or_default();
            let context = ContextRef {
                vm: slot,
                generation,
                context,
            };
            self.enter(context, Callback::ContextCreate { parent: 0 });
            if plugin == first {
                let size = u32::try_from(configuration).unwrap_or(u32::MAX);
                self.expect_true(context, Callback::VmStart { size })
                    .map_err(|problem| (plugin, problem))?;
            }
            self.configure(context, plugin)
                .map_err(|problem| (plugin, problem))?;
        }
        Ok(())
    }

    pub(super) fn configure(&mut self, context: ContextRef, plugin: usize) -> Result<(), String> {
        let size = {
            let mut core = self.core.borrow_mut();
            if let Some(root) = core
                .vm_mut(context.vm)
                .and_then(|vm| vm.root_mut(context.context))
            {
                root.configuring = true;
            }
            core.plugins
                .get(plugin)
                .map(|plugin| plugin.configuration.len())
                .unwrap_or_default()
        };
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let configured = self.expect_true(context, Callback::Configure { size });
        if let Some(root) = self
            .core
            .borrow_mut()
            .vm_mut(context.vm)
            .and_then(|vm| vm.root_mut(context.context))
        {
            root.configuring = false;
        }
        configured
    }

    fn expect_true(&mut self, context: ContextRef, callback: Callback) -> Result<(), String> {
        match self.enter(context, callback) {
            Entered::Returned { value: Some(0), .. } => {
                Err(format!("{} refused", callback.export()))
            }
            Entered::Returned { .. } => Ok(()),
            Entered::Trapped => {
                let core = self.core.borrow();
                let trap = core
                    .timeline
                    .traps()
                    .last()
                    .map(|(_, message)| message.to_owned());
                Err(format!(
                    "{} trapped: {}",
                    callback.export(),
                    trap.unwrap_or_default()
                ))
            }
        }
    }

    /// How a plugin's VM on a worker stands for an exchange that begins; a lost one is replaced
    /// where the policy says so.
    pub(super) fn standing(&mut self, worker: usize, plugin: usize) -> Standing {
        let (slot, policy) = {
            let core = self.core.borrow();
            let Some(slot) = core.vm_of(Thread::Worker(worker), plugin) else {
                return Standing::Closed;
            };
            if core.vm(slot).is_some_and(|vm| !vm.lost) {
                return Standing::Running;
            }
            (
                slot,
                core.plugins
                    .get(plugin)
                    .map(|plugin| plugin.failure_policy)
                    .unwrap_or_default(),
            )
        };
        match policy {
            FailurePolicy::Reload if self.reload(slot) => Standing::Running,
            FailurePolicy::Reload | FailurePolicy::Closed => Standing::Closed,
            FailurePolicy::Open | FailurePolicy::OpenAtOnce => Standing::Open,
        }
    }

    fn reload(&mut self, slot: VmSlot) -> bool {
        let filter = {
            let mut core = self.core.borrow_mut();
            let (now, backoff, filter) =
                (core.now_ns, core.profile.reload_backoff, core.vm_name(slot));
            let Some(vm) = core.vm_mut(slot) else {
                return false;
            };
            let waited = vm
                .reloaded_ns
                .map(|at| Duration::from_nanos(now.saturating_sub(at)));
            if waited.is_some_and(|waited| waited < backoff) {
                return false;
            }
            vm.reloaded_ns = Some(now);
            vm.replaced();
            filter
        };
        let problem = self.start_vm(slot).err().map(|(_, problem)| problem);
        let mut core = self.core.borrow_mut();
        let reloaded = problem.is_none();
        if let Some(vm) = core.vm_mut(slot) {
            vm.lost = !reloaded;
        }
        core.observe(Event::Reload { filter, problem });
        reloaded
    }
}
