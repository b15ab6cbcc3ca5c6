//! A plugin is given another configuration while the proxy runs, as Envoy does when one comes by
//! ECDS.
//!
//! Where the VM stays the same, so does its memory: a new root context is made in each, configured,
//! and takes the exchanges that begin from then on. The old one goes when its last exchange is
//! over, and with it what it had asked the network for. A configuration that is refused changes
//! nothing (proxy-wasm-cpp-host, wasm.cc: `startShutdown`). nginx begins new workers instead; what
//! the old ones have in memory is lost.

use crate::callback::Callback;
use crate::core::Purpose;
use crate::gateway::Gateway;
use crate::ids::{ContextId, PluginId, VmId};
use crate::vm::{Context, ContextRef, Root, Thread};

impl Gateway {
    /// Gives a filter another configuration.
    ///
    /// # Errors
    /// Why it is not taken: it was refused, or there is no such filter.
    pub fn reconfigure(&mut self, name: &str, configuration: Vec<u8>) -> Result<(), String> {
        let (plugin, before, vms) = {
            let mut core = self.core.borrow_mut();
            let found = core.plugins.iter().position(|plugin| plugin.name == name);
            let plugin = found
                .map(PluginId)
                .ok_or_else(|| format!("no filter is called {name:?}"))?;
            if core.profile.reload_begins_workers {
                drop(core);
                return self.begin_workers(plugin, configuration);
            }
            let running = core.vms.iter().enumerate();
            let vms: Vec<VmId> = running
                .filter(|(_, vm)| !vm.lost && vm.plugins.contains(&plugin))
                .map(|(vm_id, _)| VmId(vm_id))
                .collect();
            let held = core.plugin_mut(plugin);
            let before = held.map(|held| std::mem::replace(&mut held.configuration, configuration));
            (plugin, before.unwrap_or_default(), vms)
        };
        let mut made = Vec::new();
        let mut outcome = Ok(());
        for vm_id in vms {
            let Some(context) = self.new_root(vm_id, plugin) else {
                continue;
            };
            self.invoke(
                context,
                Callback::ContextCreate {
                    parent: ContextId(0),
                },
            );
            made.push(context);
            outcome = self.configure(context, plugin);
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_err()
            && let Some(held) = self.core.borrow_mut().plugin_mut(plugin)
        {
            held.configuration = before;
        }
        for context in made {
            match &outcome {
                Ok(()) => self.retire_others(context, plugin),
                Err(_) => self.delete_root(context),
            }
        }
        self.run_pending();
        outcome
    }

    /// New workers begin, in which a plugin has this configuration; from now on requests come to
    /// them.
    fn begin_workers(&mut self, plugin: PluginId, configuration: Vec<u8>) -> Result<(), String> {
        let begun: Vec<VmId> = {
            let mut core = self.core.borrow_mut();
            if let Some(held) = core.plugin_mut(plugin) {
                held.configuration = configuration;
            }
            let mut next = Vec::new();
            for vm in &mut core.vms {
                if let Thread::Worker(worker) = vm.thread {
                    next.push(vm.anew());
                    vm.thread = Thread::Leaving(worker);
                }
            }
            let first = core.vms.len();
            core.vms.extend(next);
            (first..core.vms.len()).map(VmId).collect()
        };
        let mut outcome = Ok(());
        for vm in begun {
            self.guests.push(None);
            let started = self.start_vm(vm).map_err(|(_, problem)| problem);
            outcome = outcome.and(started);
        }
        self.run_pending();
        outcome
    }

    fn new_root(&mut self, vm_id: VmId, plugin: PluginId) -> Option<ContextRef> {
        let mut core = self.core.borrow_mut();
        let vm = core.vm_mut(vm_id)?;
        let root = Root {
            plugin,
            ..Root::default()
        };
        Some(ContextRef {
            vm: vm_id,
            generation: vm.generation,
            context: vm.add(Context::Root(root)),
        })
    }

    /// Every other root context of the plugin in this VM sees no new exchange any more.
    fn retire_others(&mut self, newest: ContextRef, plugin: PluginId) {
        let mut retired = Vec::new();
        if let Some(vm) = self.core.borrow_mut().vm_mut(newest.vm) {
            for (number, context) in &mut vm.contexts {
                if let Context::Root(root) = context
                    && root.plugin == plugin
                    && *number != newest.context
                {
                    root.retired = true;
                    retired.push(*number);
                }
            }
        }
        for context in retired {
            self.delete_root_if_idle(ContextRef { context, ..newest });
        }
    }

    /// Ends a root context that was replaced, once no exchange needs it.
    pub(super) fn delete_root_if_idle(&mut self, root: ContextRef) {
        let idle = self.core.borrow().vm(root.vm).is_some_and(|vm| {
            let retired = vm.root(root.context).is_some_and(|root| root.retired);
            let needs = |context: &Context| matches!(context, Context::Exchange { root: of, .. } if *of == root.context);
            vm.generation == root.generation && retired && !vm.contexts.values().any(needs)
        });
        if idle {
            self.delete_root(root);
        }
    }

    fn delete_root(&mut self, root: ContextRef) {
        self.invoke(root, Callback::Done);
        self.invoke(root, Callback::Delete);
        let mut core = self.core.borrow_mut();
        let open: Vec<_> = core
            .requests
            .iter()
            .filter(|(_, outbound)| {
                matches!(&outbound.purpose, Purpose::Callout { root: of, .. } if of.vm == root.vm && of.context == root.context)
            })
            .map(|(outbound, _)| *outbound)
            .collect();
        for outbound in open {
            core.close_request(outbound, true);
        }
        if let Some(vm) = core.vm_mut(root.vm) {
            vm.contexts.remove(&root.context);
        }
    }
}
