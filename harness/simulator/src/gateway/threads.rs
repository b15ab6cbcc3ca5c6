//! Threads and their VMs: starting, entering, losing and replacing them.

use std::time::Duration;

use crate::calls::HostHandle;
use crate::core::Running;
use crate::gateway::Gateway;
use crate::gateway::filter_status::{NOT_ASKED, Returned};
use crate::guest::{Callback, Trap};
use crate::ids::{ContextId, PluginId, VmId, WorkerId};
use crate::plugin::FailurePolicy;
use crate::timeline::Event;
use crate::vm::{Context, ContextRef, Root, Thread};

/// How a callback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallbackResult {
    /// It returned.
    Returned(Returned),
    /// It did not: the VM is lost, or was lost before.
    Trapped,
}

/// A lost VM, seen by an exchange that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VmAvailability {
    Running,
    /// Lost; the exchange must not pass.
    FailClosed,
    /// Lost; the exchange passes without the filter.
    FailOpen,
}

impl Gateway {
    /// Enters a callback of a guest. What the guest asked for is left in the core.
    pub(super) fn invoke(&mut self, context: ContextRef, callback: Callback) -> CallbackResult {
        if !self.core.borrow().is_alive(context) {
            return CallbackResult::Trapped;
        }
        let missing = self.core.borrow().profile.missing_callbacks;
        if missing.contains(&callback.export()) {
            return CallbackResult::Returned(NOT_ASKED);
        }
        let Some(guest) = self.guests.get_mut(context.vm.0).and_then(Option::as_mut) else {
            return CallbackResult::Trapped;
        };
        {
            let mut core = self.core.borrow_mut();
            core.running = Some(Running {
                vm: context.vm,
                context: context.context,
                callback,
                effective: None,
            });
            core.stop_iteration = false;
            core.host_trap = None;
        }
        let result = guest.invoke(context.context, callback);
        let fuel = guest.fuel();
        let mut core = self.core.borrow_mut();
        core.running = None;
        let result = match core.host_trap.take() {
            Some(message) => result.and(Err(Trap { message })),
            None => result,
        };
        match result {
            Ok(value) => {
                if core.timeline.traces_host_calls() && value.is_some() {
                    let filter = core.context_name(context.vm, context.context);
                    core.record(Event::Callback {
                        filter,
                        callback: callback.export(),
                        returned: value,
                        fuel,
                    });
                }
                CallbackResult::Returned(Returned {
                    value,
                    stop_iteration: core.stop_iteration,
                })
            }
            Err(trap) => {
                let filter = core.context_name(context.vm, context.context);
                core.record(Event::Trap {
                    filter,
                    message: trap.message,
                });
                core.deferred.clear();
                if let Some(vm) = core.vm_mut(context.vm) {
                    vm.lost = true;
                }
                drop(core);
                if let Some(id) = self.guests.get_mut(context.vm.0) {
                    *id = None;
                }
                CallbackResult::Trapped
            }
        }
    }

    /// Starts the instance of a VM and configures its plugins.
    pub(super) fn start_vm(&mut self, id: VmId) -> Result<(), (PluginId, String)> {
        let (plugins, environment, generation, configuration) = {
            let core = self.core.borrow();
            let Some(vm) = core.vm(id) else {
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
        let Some(code) = self.codes.get(first.0) else {
            return Ok(());
        };
        let host = HostHandle::new(self.core.clone(), id);
        let guest = code
            .start(host, &environment)
            .map_err(|problem| (first, problem))?;
        if let Some(place) = self.guests.get_mut(id.0) {
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
                .vm_mut(id)
                .map(|vm| vm.add(Context::Root(root)))
                .unwrap_or_default();
            let context = ContextRef {
                vm: id,
                generation,
                context,
            };
            self.invoke(
                context,
                Callback::ContextCreate {
                    parent: ContextId(0),
                },
            );
            if plugin == first && (generation == 0 || self.core.borrow().profile.reload_starts_vm) {
                let size = u32::try_from(configuration).unwrap_or(u32::MAX);
                self.invoke_accepting(context, Callback::VmStart { size })
                    .map_err(|problem| (plugin, problem))?;
            }
            self.configure(context, plugin)
                .map_err(|problem| (plugin, problem))?;
        }
        Ok(())
    }

    pub(super) fn configure(
        &mut self,
        context: ContextRef,
        plugin: PluginId,
    ) -> Result<(), String> {
        let size = {
            let mut core = self.core.borrow_mut();
            if let Some(root) = core
                .vm_mut(context.vm)
                .and_then(|vm| vm.root_mut(context.context))
            {
                root.configuring = true;
            }
            core.plugin(plugin)
                .map(|plugin| plugin.configuration.len())
                .unwrap_or_default()
        };
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let configured = self.invoke_accepting(context, Callback::Configure { size });
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

    fn invoke_accepting(&mut self, context: ContextRef, callback: Callback) -> Result<(), String> {
        match self.invoke(context, callback) {
            CallbackResult::Returned(Returned { value: Some(0), .. }) => {
                Err(format!("{} refused", callback.export()))
            }
            CallbackResult::Returned(_) => Ok(()),
            CallbackResult::Trapped => {
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
    pub(super) fn vm_availability(&mut self, worker: WorkerId, plugin: PluginId) -> VmAvailability {
        let (id, policy) = {
            let core = self.core.borrow();
            let Some(id) = core.vm_of(Thread::Worker(worker), plugin) else {
                return VmAvailability::FailClosed;
            };
            if core.vm(id).is_some_and(|vm| !vm.lost) {
                return VmAvailability::Running;
            }
            (
                id,
                core.plugin(plugin)
                    .map(|plugin| plugin.failure_policy)
                    .unwrap_or_default(),
            )
        };
        match policy {
            FailurePolicy::Reload if self.reload(id) => VmAvailability::Running,
            FailurePolicy::Reload | FailurePolicy::Closed => VmAvailability::FailClosed,
            FailurePolicy::Open | FailurePolicy::OpenAtOnce => VmAvailability::FailOpen,
        }
    }

    fn reload(&mut self, id: VmId) -> bool {
        let filter = {
            let mut core = self.core.borrow_mut();
            let (now, backoff, filter) =
                (core.now_ns, core.profile.reload_backoff, core.vm_name(id));
            let Some(vm) = core.vm_mut(id) else {
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
        let problem = self.start_vm(id).err().map(|(_, problem)| problem);
        let mut core = self.core.borrow_mut();
        let reloaded = problem.is_none();
        if let Some(vm) = core.vm_mut(id) {
            vm.lost = !reloaded;
        }
        core.record(Event::VmReload { filter, problem });
        reloaded
    }
}
