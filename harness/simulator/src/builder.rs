//! What a gateway is built from: a profile, the world behind it, routes and filters.

use std::rc::Rc;

use crate::abi::LogLevel;
use crate::core::Core;
use crate::filter_spec::FilterSpec;
use crate::gateway::Gateway;
use crate::gateway::start::BuildError;
use crate::ids::{PluginId, WorkerId};
use crate::network::{Answer, Network, Reply, Script};
use crate::plugin::Plugin;
use crate::rules::path::PathRules;
use crate::rules::profile::{self, Profile};
use crate::rules::route::{Route, Routes, VirtualHost};
use crate::timeline::Timeline;
use crate::vm::{Thread, Vm};

/// What a gateway is built from.
pub struct Builder {
    profile: Profile,
    network: Box<dyn Network>,
    hosts: Vec<VirtualHost>,
    filters: Vec<FilterSpec>,
    workers: usize,
    trace: bool,
    log_level: LogLevel,
    seed: Option<u64>,
    now_ns: Option<u64>,
    use_remote_address: bool,
    request_id_in_response: bool,
    paths: PathRules,
    upgrades: Vec<String>,
    keeps_history: bool,
}

impl Builder {
    /// Plays this host.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The world behind the proxy.
    #[must_use]
    pub fn network(mut self, network: impl Network + 'static) -> Self {
        self.network = Box::new(network);
        self
    }

    /// Adds a virtual host. Without any, all requests go to the cluster `upstream`.
    #[must_use]
    pub fn virtual_host(mut self, host: VirtualHost) -> Self {
        self.hosts.push(host);
        self
    }

    /// Adds a filter at the end of the chain.
    #[must_use]
    pub fn filter(mut self, filter: FilterSpec) -> Self {
        self.filters.push(filter);
        self
    }

    /// Number of worker threads (default 1).
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Records every callback and host call too.
    #[must_use]
    pub fn trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// The lowest level of log lines that are recorded.
    #[must_use]
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Begins at this time (nanoseconds since the Unix epoch).
    #[must_use]
    pub fn now_ns(mut self, now_ns: u64) -> Self {
        self.now_ns = Some(now_ns);
        self
    }

    /// The client's address is the connection's own, whatever `x-forwarded-for` says; it is added
    /// there. Otherwise the last address in it is believed. As `use_remote_address` in Envoy, off
    /// unless told otherwise.
    #[must_use]
    pub fn use_remote_address(mut self, own: bool) -> Self {
        self.use_remote_address = own;
        self
    }

    /// Every answer has the request's `x-request-id`, as with `always_set_request_id_in_response`
    /// in Envoy; off unless told otherwise.
    #[must_use]
    pub fn request_id_in_response(mut self, always: bool) -> Self {
        self.request_id_in_response = always;
        self
    }

    /// Protocols that a connection may be upgraded to (`upgrade_configs` in Envoy); none unless
    /// told otherwise.
    #[must_use]
    pub fn upgrades(mut self, protocols: Vec<String>) -> Self {
        self.upgrades = protocols;
        self
    }

    /// What happens to paths before any filter sees them; nothing unless told otherwise.
    #[must_use]
    pub fn paths(mut self, rules: PathRules) -> Self {
        self.paths = rules;
        self
    }

    /// Keeps what clients were answered and callouts that are over, for whoever asks later; unless
    /// told otherwise it does. A server that lives long does not: it takes the timeline, and each
    /// outcome when its exchange is over.
    #[must_use]
    pub fn keep_history(mut self, keep: bool) -> Self {
        self.keeps_history = keep;
        self
    }

    /// Begins the sequence of random numbers elsewhere.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts every VM and configures every filter.
    ///
    /// # Errors
    /// [`BuildError`]: a filter cannot be loaded, traps, or refuses its configuration.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let hosts = if self.hosts.is_empty() {
            vec![default_host()]
        } else {
            self.hosts
        };
        let alone = self.profile.allow_on_headers_stop_iteration;
        let chooses = self.profile.filters_choose_stop_iteration;
        let plugins = self.filters.iter().map(|spec| {
            let chosen = spec.allow_on_headers_stop_iteration;
            spec.plugin(chosen.filter(|_| chooses).unwrap_or(alone))
        });
        let plugins: Vec<Plugin> = plugins.collect();
        let mut threads: Vec<Thread> = (0..self.workers)
            .map(|worker| Thread::Worker(WorkerId(worker)))
            .collect();
        if self.profile.main_thread {
            threads.splice(..0, [Thread::Template, Thread::Main]);
        }
        let mut core = Core::new(self.profile, self.network, Routes(hosts), plugins);
        core.timeline = Timeline::new(self.trace);
        core.log_level = self.log_level;
        core.use_remote_address = self.use_remote_address;
        core.request_id_in_response = self.request_id_in_response;
        core.paths = self.paths;
        core.upgrades = self.upgrades;
        core.keeps_history = self.keeps_history;
        core.now_ns = self.now_ns.unwrap_or(core.now_ns);
        if let Some(seed) = self.seed {
            core.seed(seed);
        }
        for thread in threads {
            add_vms(&mut core, thread, &self.filters);
        }
        let codes = self
            .filters
            .iter()
            .map(|spec| Rc::clone(&spec.code))
            .collect();
        let mut gateway = Gateway::new(core, codes, self.workers);
        gateway.start()?;
        Ok(gateway)
    }
}

impl Gateway {
    /// A gateway that plays Envoy, with one cluster `upstream` that answers 200 to everything.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Default for Builder {
    /// A gateway that plays Envoy, with one cluster `upstream` that answers 200 to everything.
    fn default() -> Self {
        let mut script = Script::default();
        script.cluster("upstream", vec![Answer::Reply(Reply::status(200))]);
        Self {
            profile: profile::ENVOY,
            network: Box::new(script),
            hosts: Vec::new(),
            filters: Vec::new(),
            workers: 1,
            trace: false,
            log_level: LogLevel::Trace,
            seed: None,
            now_ns: None,
            use_remote_address: false,
            request_id_in_response: false,
            paths: PathRules::default(),
            upgrades: Vec::new(),
            keeps_history: true,
        }
    }
}

fn default_host() -> VirtualHost {
    VirtualHost {
        name: "default".to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![Route::to("upstream")],
        ..VirtualHost::default()
    }
}

/// Filters with the same code, `vm_id`, configuration and environment of the VM share one on each
/// thread.
fn add_vms(core: &mut Core, thread: Thread, filters: &[FilterSpec]) {
    let keys: Vec<_> = filters.iter().map(FilterSpec::vm_key).collect();
    for (index, (spec, key)) in filters.iter().zip(&keys).enumerate() {
        let first = keys.iter().position(|other| other == key).unwrap_or(index);
        if first != index {
            if let Some(vm) = core
                .vms
                .iter_mut()
                .find(|vm| vm.thread == thread && vm.plugins.first() == Some(&PluginId(first)))
            {
                vm.plugins.push(PluginId(index));
            }
            continue;
        }
        core.vms.push(Vm {
            plugins: vec![PluginId(index)],
            vm_id: spec.vm_id.clone(),
            environment: spec.environment.clone(),
            configuration: spec.vm_configuration.clone(),
            ..Vm::new(thread)
        });
    }
}
