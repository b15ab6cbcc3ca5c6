//! Threads and their VMs: starting, entering, losing and replacing them.

use std::time::Duration;

use crate::callback::Callback;
use crate::calls::HostHandle;
use crate::core::{Core, Purpose, Running};
use crate::gateway::Gateway;
use crate::gateway::filter_status::{NOT_ASKED, Returned};
use crate::guest::Trap;
use crate::ids::{ContextId, PluginId, StreamId, VmId, WorkerId};
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
        self.invoke_for(context, callback, None)
    }

    /// The same, with host calls acting on another context.
    pub(super) fn invoke_for(
        &mut self,
        context: ContextRef,
        callback: Callback,
        effective: Option<ContextId>,
    ) -> CallbackResult {
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
                effective,
                called_out: false,
            });
            core.stop_iteration = false;
            core.host_trap = None;
            core.crash = None;
        }
        let result = guest.invoke(context.context, callback);
        let fuel = guest.fuel();
        if let Some(why) = self.crash_of(context, callback, &result) {
            self.crash_worker(context, callback, why);
            return CallbackResult::Trapped;
        }
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

    /// Why a callback that has just ended has crashed its worker, if it has.
    fn crash_of(
        &self,
        context: ContextRef,
        callback: Callback,
        result: &Result<Option<u32>, Trap>,
    ) -> Option<&'static str> {
        let core = self.core.borrow();
        let rules = core.profile.crashes;
        let needed = core.profile.needed_callbacks;
        let called_out = core.running.is_some_and(|running| running.called_out);
        let asks = matches!(
            callback,
            Callback::RequestHeaders { .. } | Callback::RequestBody { .. }
        );
        let trapped = result.is_err() || core.host_trap.is_some();
        match result {
            _ if core.crash.is_some() => core.crash,
            Ok(None) if needed.contains(&callback.export()) && !self.is_own(&core, context) => {
                Some("the module has no such callback")
            }
            _ if trapped => (rules.trap_while_another_waits && another_waits(&core, context))
                .then_some("a trap while another exchange waits for a callout"),
            Ok(Some(0)) if asks && called_out && !core.stop_iteration => rules
                .callout_without_pause
                .then_some("a callout without a pause"),
            _ => None,
        }
    }

    /// Whether a context is that of a filter of the proxy's own, which is no module.
    fn is_own(&self, core: &Core, context: ContextRef) -> bool {
        let plugin = core.vm(context.vm).and_then(|vm| vm.plugins.first());
        let code = plugin.and_then(|plugin| self.codes.get(plugin.0));
        code.is_some_and(|code| code.sees_every_response())
    }

    /// The worker of a callback is gone, and with it every exchange on it. A new one begins, unless
    /// that has happened while it began.
    fn crash_worker(&mut self, context: ContextRef, callback: Callback, why: &'static str) {
        let (vms, streams) = {
            let mut core = self.core.borrow_mut();
            core.running = None;
            core.crash = None;
            core.host_trap = None;
            core.deferred.clear();
            let filter = core.context_name(context.vm, context.context);
            let message = format!("worker crash in {}: {why}", callback.export());
            core.record(Event::Trap { filter, message });
            let thread = core.vm(context.vm).map(|vm| vm.thread);
            let Some(Thread::Worker(worker)) = thread else {
                return;
            };
            let mut vms = Vec::new();
            for (number, vm) in core.vms.iter_mut().enumerate() {
                if vm.thread == Thread::Worker(worker) {
                    vm.lost = true;
                    vms.push(VmId(number));
                }
            }
            let streams = core.streams.values();
            let streams = streams.filter(|stream| stream.worker == worker && !stream.over);
            let streams: Vec<StreamId> = streams.map(|stream| stream.id).collect();
            core.record(Event::WorkerCrash {
                worker,
                exchanges: streams.len(),
            });
            (vms, streams)
        };
        for vm in &vms {
            if let Some(guest) = self.guests.get_mut(vm.0) {
                *guest = None;
            }
        }
        for stream in streams {
            self.break_off(stream);
        }
        self.give_up_callouts_of(&vms);
        if matches!(
            callback,
            Callback::VmStart { .. } | Callback::Configure { .. }
        ) {
            return;
        }
        self.start_worker(&vms);
    }

    /// Forgets what the VMs of a worker that is gone have asked the network for.
    fn give_up_callouts_of(&self, vms: &[VmId]) {
        let mut core = self.core.borrow_mut();
        let open = core.requests.iter().filter(|(_, request)| {
            matches!(&request.purpose, Purpose::Callout { root, .. } if vms.contains(&root.vm))
        });
        let open: Vec<_> = open.map(|(outbound, _)| *outbound).collect();
        for outbound in open {
            core.close_request(outbound, true);
        }
    }

    /// Starts the VMs of a new worker in place of one that is gone.
    fn start_worker(&mut self, vms: &[VmId]) {
        for vm in vms {
            let filter = {
                let mut core = self.core.borrow_mut();
                if let Some(vm) = core.vm_mut(*vm) {
                    vm.replaced();
                    vm.worker_began = true;
                }
                core.vm_name(*vm)
            };
            let problem = self.start_vm(*vm).err().map(|(_, problem)| problem);
            let failed = problem.is_some();
            let mut core = self.core.borrow_mut();
            if let Some(vm) = core.vm_mut(*vm) {
                vm.lost = failed;
                vm.worker_began = false;
            }
            core.record(Event::VmReload { filter, problem });
            drop(core);
            if failed {
                return;
            }
        }
    }

    /// Starts the instance of a VM and configures its plugins.
    pub(super) fn start_vm(&mut self, id: VmId) -> Result<(), (PluginId, String)> {
        let (plugins, environment, generation, configuration, starts_vm) = {
            let core = self.core.borrow();
            let Some(vm) = core.vm(id) else {
                return Ok(());
            };
            let first = vm.generation == 0 || vm.worker_began;
            (
                vm.plugins.clone(),
                vm.environment.clone(),
                vm.generation,
                vm.configuration.len(),
                first || core.profile.reload_starts_vm,
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
            if plugin == first && starts_vm {
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

/// Whether an exchange on the worker of a context, other than its own, waits for a callout.
fn another_waits(core: &Core, context: ContextRef) -> bool {
    let running = core.running.and_then(|running| {
        core.exchange_of(context.vm, running.effective.unwrap_or(running.context))
    });
    let own = running.map(|(stream, _)| stream);
    let thread = core.vm(context.vm).map(|vm| vm.thread);
    core.requests
        .values()
        .any(|request| match &request.purpose {
            Purpose::Callout {
                asked_by: Some((stream, _)),
                root,
                ..
            } => Some(*stream) != own && core.vm(root.vm).map(|vm| vm.thread) == thread,
            _ => false,
        })
}
