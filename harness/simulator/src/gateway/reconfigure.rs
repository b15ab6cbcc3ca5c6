//! A plugin is given another configuration while the proxy runs, as Envoy does when one comes by
//! ECDS.
//!
//! Where the VM stays the same, so does its memory: a new root context is made in each, configured,
//! and takes the exchanges that begin from then on. The old one goes when its last exchange is
//! over, and with it what it had asked the network for. A configuration that is refused changes
//! nothing (proxy-wasm-cpp-host, wasm.cc: `startShutdown`).

use crate::core::Purpose;
use crate::gateway::Gateway;
use crate::guest::Callback;
use crate::vm::{Context, ContextRef, Root, VmSlot};

impl Gateway {
    /// Gives a filter another configuration.
    ///
    /// # Errors
    /// Why it is not taken: it was refused, or there is no such filter.
    pub fn reconfigure(&mut self, name: &str, configuration: Vec<u8>) -> Result<(), String> {
        let (plugin, before, slots) = {
            let mut core = self.core.borrow_mut();
            let found = core.plugins.iter().position(|plugin| plugin.name == name);
            let plugin = found.ok_or_else(|| format!("no filter is called {name:?}"))?;
            let running = core.vms.iter().enumerate();
            let slots: Vec<VmSlot> = running
                .filter(|(_, vm)| !vm.lost && vm.plugins.contains(&plugin))
                .map(|(slot, _)| VmSlot(slot))
                .collect();
            let held = core.plugins.get_mut(plugin);
            let before = held.map(|held| std::mem::replace(&mut held.configuration, configuration));
            (plugin, before.unwrap_or_default(), slots)
        };
        let mut made = Vec::new();
        let mut outcome = Ok(());
        for slot in slots {
            let Some(context) = self.new_root(slot, plugin) else {
                continue;
            };
            self.enter(context, Callback::ContextCreate { parent: 0 });
            made.push(context);
            outcome = self.configure(context, plugin);
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_err()
            && let Some(held) = self.core.borrow_mut().plugins.get_mut(plugin)
        {
            held.configuration = before;
        }
        for context in made {
            match &outcome {
                Ok(()) => self.retire_others(context, plugin),
                Err(_) => self.end_root(context),
            }
        }
        self.settle();
        outcome
    }

    fn new_root(&mut self, slot: VmSlot, plugin: usize) -> Option<ContextRef> {
        let mut core = self.core.borrow_mut();
        let vm = core.vm_mut(slot)?;
        let root = Root {
            plugin,
            ..Root::default()
        };
        Some(ContextRef {
            vm: slot,
            generation: vm.generation,
            context: vm.add(Context::Root(root)),
        })
    }

    /// Every other root context of the plugin in this VM sees no new exchange any more.
    fn retire_others(&mut self, newest: ContextRef, plugin: usize) {
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
            self.end_if_idle(ContextRef { context, ..newest });
        }
    }

    /// Ends a root context that was replaced, once no exchange needs it.
    pub(super) fn end_if_idle(&mut self, root: ContextRef) {
        let idle = self.core.borrow().vm(root.vm).is_some_and(|vm| {
            let retired = vm.root(root.context).is_some_and(|root| root.retired);
            let needs = |context: &Context| matches!(context, Context::Exchange { root: of, .. } if *of == root.context);
            vm.generation == root.generation && retired && !vm.contexts.values().any(needs)
        });
        if idle {
            self.end_root(root);
        }
    }

    fn end_root(&mut self, root: ContextRef) {
        self.enter(root, Callback::Done);
        self.enter(root, Callback::Delete);
        let mut core = self.core.borrow_mut();
        let open: Vec<_> = core
            .flights
            .iter()
            .filter(|(_, flight)| {
                matches!(&flight.purpose, Purpose::Callout { root: of, .. } if of.vm == root.vm && of.context == root.context)
            })
            .map(|(flight, _)| *flight)
            .collect();
        for flight in open {
            core.close_flight(flight, true);
        }
        if let Some(vm) = core.vm_mut(root.vm) {
            vm.contexts.remove(&root.context);
        }
    }
}
