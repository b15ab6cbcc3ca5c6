//! The state of a gateway that host calls may touch while a guest runs. Guests themselves are kept
//! elsewhere, so that a guest can be entered while everything here is free to be borrowed by its
//! host calls.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::abi::{HostResult, Status};
use crate::callback::Callback;
use crate::gateway::stream::{Side, Stream};
use crate::ids::{CalloutToken, ContextId, OutboundId, PluginId, StreamId, VmId};
use crate::metric::Metrics;
use crate::network::{Inbound, Network, Outbound};
use crate::plugin::Plugin;
use crate::random::Random;
use crate::rules::headers::Headers;
use crate::rules::path::PathRules;
use crate::rules::profile::Profile;
use crate::rules::route::Routes;
use crate::schedule::{Schedule, TimedEvent};
use crate::shared::Shared;
use crate::timeline::{Event, Timeline};
use crate::vm::{CalloutResponse, Context, ContextRef, Thread, Vm};

/// The callback that is running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    pub vm: VmId,
    pub context: ContextId,
    pub callback: Callback,
    /// Another context that host calls act on, chosen by the guest.
    pub effective: Option<ContextId>,
    /// It has called out.
    pub called_out: bool,
}

/// A reply of the proxy's own making.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalReply {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub details: String,
    pub grpc_status: Option<u32>,
    /// Response flags that it sets.
    pub flags: u64,
}

/// What a guest has asked for and the proxy does when the callback has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    LocalReply(StreamId, LocalReply),
    Continue(StreamId, Side, PluginId),
    Reset(StreamId),
}

impl Deferred {
    pub fn stream(&self) -> StreamId {
        match self {
            Self::LocalReply(stream, _) | Self::Continue(stream, ..) | Self::Reset(stream) => {
                *stream
            }
        }
    }
}

/// For whom the proxy has sent a request.
#[derive(Debug)]
pub(crate) enum Purpose {
    Upstream(StreamId),
    Callout {
        root: ContextRef,
        token: CalloutToken,
        answer: CalloutResponse,
        /// The exchange that has asked for it, and its filter.
        asked_by: Option<(StreamId, PluginId)>,
    },
}

/// A request that the proxy has sent.
#[derive(Debug)]
pub(crate) struct ActiveRequest {
    pub request: Outbound,
    pub purpose: Purpose,
    pub opened_ns: u64,
}

pub(crate) struct Core {
    pub profile: Profile,
    pub now_ns: u64,
    pub timeline: Timeline,
    pub metrics: Metrics,
    pub shared: Shared,
    pub network: Box<dyn Network>,
    pub routes: Routes,
    pub plugins: Vec<Plugin>,
    pub vms: Vec<Vm>,
    pub streams: BTreeMap<StreamId, Stream>,
    pub requests: BTreeMap<OutboundId, ActiveRequest>,
    pub schedule: Schedule,
    pub running: Option<Running>,
    pub deferred: Vec<Deferred>,
    /// A reply was sent in the callback that is running: whatever it returns, its message stops.
    pub stop_iteration: bool,
    /// A host call in the callback that is running has trapped: the guest is lost when it returns.
    pub host_trap: Option<String>,
    /// The callback that is running has crashed its worker, for this reason.
    pub crash: Option<&'static str>,
    pub log_level: crate::abi::LogLevel,
    pub last_stream: StreamId,
    pub last_request: OutboundId,
    pub last_timer: u64,
    /// The client's address is the connection's own.
    pub use_remote_address: bool,
    /// Answers name their request.
    pub request_id_in_response: bool,
    /// What happens to paths before the chain.
    pub paths: PathRules,
    /// Protocols that a connection may be upgraded to.
    pub upgrades: Vec<String>,
    /// Keeps what clients were answered, and callouts.
    pub keeps_history: bool,
    random: Random,
}

impl Core {
    pub fn new(
        profile: Profile,
        network: Box<dyn Network>,
        routes: Routes,
        plugins: Vec<Plugin>,
    ) -> Self {
        Self {
            shared: Shared::new(profile.shared_data),
            profile,
            // 2023-11-14T22:13:20Z: a fixed start, so that runs repeat.
            now_ns: 1_700_000_000_000_000_000,
            timeline: Timeline::default(),
            metrics: Metrics::default(),
            network,
            routes,
            plugins,
            vms: Vec::new(),
            streams: BTreeMap::new(),
            requests: BTreeMap::new(),
            schedule: Schedule::default(),
            running: None,
            deferred: Vec::new(),
            stop_iteration: false,
            host_trap: None,
            crash: None,
            log_level: crate::abi::LogLevel::Trace,
            last_stream: StreamId(0),
            last_request: OutboundId(0),
            last_timer: 0,
            use_remote_address: false,
            request_id_in_response: false,
            paths: PathRules::default(),
            upgrades: Vec::new(),
            keeps_history: true,
            random: Random::new(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// A host call that traps on this host, in place of a status.
    pub fn trap<T>(&mut self, call: &str) -> HostResult<T> {
        self.host_trap = Some(format!("host trap: {call}"));
        Err(Status::InternalFailure)
    }

    /// A host call that crashes the worker.
    pub fn crash<T>(&mut self, why: &'static str) -> HostResult<T> {
        self.crash = Some(why);
        Err(Status::InternalFailure)
    }

    /// Whether a tick is running, or the answer to a callout that a tick has made, and calls that
    /// need an exchange crash the worker then.
    pub fn crashes_on_messages(&self, at: ContextId, vm: VmId) -> bool {
        let root = self.exchange_of(vm, at).is_none();
        let ticking = self.running.is_some_and(|running| {
            let callback = running.callback;
            matches!(callback, Callback::Tick | Callback::HttpCallResponse { .. })
        });
        self.profile.crashes.message_in_tick && root && ticking
    }

    /// Whether a filter's callback for the response is running, or one after the exchange's end.
    pub fn in_response(&self) -> bool {
        self.running.is_some_and(|running| {
            matches!(
                running.callback,
                Callback::ResponseHeaders { .. }
                    | Callback::ResponseBody { .. }
                    | Callback::ResponseTrailers { .. }
                    | Callback::Done
                    | Callback::Log
                    | Callback::Delete
            )
        })
    }

    /// What clocks show.
    pub fn clock_ns(&self) -> u64 {
        let step = u64::try_from(self.profile.clock_step.as_nanos()).unwrap_or(u64::MAX);
        let since = self.now_ns.checked_rem(step).unwrap_or_default();
        self.now_ns.saturating_sub(since)
    }

    pub fn record(&mut self, event: Event) {
        self.timeline.push(self.now_ns, event);
    }

    pub fn seed(&mut self, seed: u64) {
        self.random = Random::new(seed);
    }

    /// The next number of a repeatable sequence.
    pub fn random(&mut self) -> u64 {
        self.random.number()
    }

    /// Adds to the schedule, some time from now.
    pub fn schedule_after(&mut self, wait: Duration, due: TimedEvent) {
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.schedule.add(self.now_ns.saturating_add(wait), due);
    }

    pub fn vm(&self, id: VmId) -> Option<&Vm> {
        self.vms.get(id.0)
    }

    pub fn vm_mut(&mut self, id: VmId) -> Option<&mut Vm> {
        self.vms.get_mut(id.0)
    }

    pub fn plugin(&self, id: PluginId) -> Option<&Plugin> {
        self.plugins.get(id.0)
    }

    pub fn plugin_mut(&mut self, id: PluginId) -> Option<&mut Plugin> {
        self.plugins.get_mut(id.0)
    }

    /// The VM of a plugin on a thread.
    pub fn vm_of(&self, thread: Thread, plugin: PluginId) -> Option<VmId> {
        self.vms
            .iter()
            .position(|vm| vm.thread == thread && vm.plugins.contains(&plugin))
            .map(VmId)
    }

    /// What to call a VM in reports: its first plugin.
    pub fn vm_name(&self, id: VmId) -> String {
        let plugin = self.vm(id).and_then(|vm| vm.plugins.first());
        plugin
            .and_then(|plugin| self.plugin(*plugin))
            .map(|plugin| plugin.name.clone())
            .unwrap_or_default()
    }

    /// What to call a context in reports: its plugin.
    pub fn context_name(&self, id: VmId, context: ContextId) -> String {
        let plugin = self
            .vm(id)
            .and_then(|vm| vm.root(context))
            .and_then(|root| self.plugin(root.plugin));
        plugin.map_or_else(|| self.vm_name(id), |plugin| plugin.name.clone())
    }

    /// Whether a context's VM still runs as it did.
    pub fn is_alive(&self, context: ContextRef) -> bool {
        self.vm(context.vm)
            .is_some_and(|vm| !vm.lost && vm.generation == context.generation)
    }

    /// The exchange of a context, with its place in the chain.
    pub fn exchange_of(&self, id: VmId, context: ContextId) -> Option<(StreamId, PluginId)> {
        match self.vm(id)?.contexts.get(&context)? {
            Context::Exchange { stream, filter, .. } => Some((*stream, *filter)),
            Context::Root(_) => None,
        }
    }

    /// Begins to send a request: its head.
    pub fn open_request(&mut self, request: Outbound, purpose: Purpose) -> OutboundId {
        self.last_request = self.last_request.next();
        let outbound = self.last_request;
        let stream = match &purpose {
            Purpose::Upstream(stream) => Some(*stream),
            Purpose::Callout { .. } => None,
        };
        self.record(Event::RequestSent {
            outbound,
            cluster: request.cluster.clone(),
            stream,
            headers: request.headers.clone(),
        });
        let arrivals = self.network.headers_sent(outbound, &request);
        self.requests.insert(
            outbound,
            ActiveRequest {
                request,
                purpose,
                opened_ns: self.now_ns,
            },
        );
        self.schedule_arrivals(outbound, arrivals);
        outbound
    }

    /// A request that cannot be sent: it is refused as soon as the running callback has returned.
    pub fn refuse_request(&mut self, request: Outbound, purpose: Purpose) {
        self.last_request = self.last_request.next();
        let outbound = self.last_request;
        let opened_ns = self.now_ns;
        self.requests.insert(
            outbound,
            ActiveRequest {
                request,
                purpose,
                opened_ns,
            },
        );
        self.schedule_arrivals(outbound, vec![(Duration::ZERO, Inbound::Refused)]);
    }

    /// The request is complete.
    pub fn complete_request(&mut self, outbound: OutboundId) {
        let Some(sent) = self.requests.get_mut(&outbound) else {
            return;
        };
        sent.request.complete = true;
        let arrivals = self.network.request_sent(outbound, &sent.request);
        self.schedule_arrivals(outbound, arrivals);
    }

    /// Something follows a request that asked to leave HTTP.
    pub fn send_upgraded(&mut self, outbound: OutboundId, bytes: &[u8]) {
        let arrivals = self.network.upgraded_bytes_sent(outbound, bytes);
        self.schedule_arrivals(outbound, arrivals);
    }

    fn schedule_arrivals(&mut self, outbound: OutboundId, arrivals: Vec<(Duration, Inbound)>) {
        for (wait, arrival) in arrivals {
            self.schedule_after(wait, TimedEvent::Arrival(outbound, arrival));
        }
    }

    /// Gives a request up, or forgets it when it is over; what it sent is handed back.
    pub fn close_request(
        &mut self,
        outbound: OutboundId,
        abandoned: bool,
    ) -> Option<ActiveRequest> {
        let closed = self.requests.remove(&outbound)?;
        if abandoned {
            self.network.request_reset(outbound);
            self.record(Event::RequestReset { outbound });
        }
        Some(closed)
    }
}
