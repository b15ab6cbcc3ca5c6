//! The state of a gateway that host calls may touch while a guest runs. Guests themselves are kept
//! elsewhere, so that a guest can be entered while everything here is free to be borrowed by its
//! host calls.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agenda::{Agenda, Due};
use crate::gateway::stream::{Side, Stream};
use crate::metric::Metrics;
use crate::network::{Inbound, Network, Outbound};
use crate::plugin::Plugin;
use crate::random::Random;
use crate::rules::headers::Headers;
use crate::rules::path::PathRules;
use crate::rules::profile::Profile;
use crate::rules::route::Routes;
use crate::shared::Shared;
use crate::timeline::{Event, FlightId, StreamId, Timeline};
use crate::vm::{CallAnswer, Context, ContextRef, Thread, Vm, VmSlot};

/// The callback that is running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    pub vm: VmSlot,
    pub context: u32,
    /// Another context that host calls act on, chosen by the guest.
    pub effective: Option<u32>,
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
    Reply(StreamId, LocalReply),
    Resume(StreamId, Side, usize),
    Close(StreamId),
}

impl Deferred {
    pub fn stream(&self) -> StreamId {
        match self {
            Self::Reply(stream, _) | Self::Resume(stream, ..) | Self::Close(stream) => *stream,
        }
    }
}

/// For whom the proxy has sent a request.
#[derive(Debug)]
pub(crate) enum Purpose {
    Upstream(StreamId),
    Callout {
        root: ContextRef,
        token: u32,
        answer: CallAnswer,
    },
}

/// A request that the proxy has sent.
#[derive(Debug)]
pub(crate) struct Flight {
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
    pub flights: BTreeMap<FlightId, Flight>,
    pub agenda: Agenda,
    pub running: Option<Running>,
    pub deferred: Vec<Deferred>,
    /// A reply was sent in the callback that is running: whatever it returns, its message stops.
    pub stop_next: bool,
    pub log_level: crate::abi::LogLevel,
    pub last_stream: StreamId,
    pub last_flight: FlightId,
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
    pub remembers: bool,
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
            profile,
            // 2023-11-14T22:13:20Z: a fixed start, so that runs repeat.
            now_ns: 1_700_000_000_000_000_000,
            timeline: Timeline::default(),
            metrics: Metrics::default(),
            shared: Shared::default(),
            network,
            routes,
            plugins,
            vms: Vec::new(),
            streams: BTreeMap::new(),
            flights: BTreeMap::new(),
            agenda: Agenda::default(),
            running: None,
            deferred: Vec::new(),
            stop_next: false,
            log_level: crate::abi::LogLevel::Trace,
            last_stream: 0,
            last_flight: 0,
            last_timer: 0,
            use_remote_address: false,
            request_id_in_response: false,
            paths: PathRules::default(),
            upgrades: Vec::new(),
            remembers: true,
            random: Random::new(0x9e37_79b9_7f4a_7c15),
        }
    }

    pub fn observe(&mut self, event: Event) {
        self.timeline.push(self.now_ns, event);
    }

    pub fn seed(&mut self, seed: u64) {
        self.random = Random::new(seed);
    }

    /// The next number of a repeatable sequence.
    pub fn random(&mut self) -> u64 {
        self.random.number()
    }

    /// Adds to the agenda, some time from now.
    pub fn after(&mut self, wait: Duration, due: Due) {
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.agenda.add(self.now_ns.saturating_add(wait), due);
    }

    pub fn vm(&self, slot: VmSlot) -> Option<&Vm> {
        self.vms.get(slot.0)
    }

    pub fn vm_mut(&mut self, slot: VmSlot) -> Option<&mut Vm> {
        self.vms.get_mut(slot.0)
    }

    /// The VM of a plugin on a thread.
    pub fn vm_of(&self, thread: Thread, plugin: usize) -> Option<VmSlot> {
        self.vms
            .iter()
            .position(|vm| vm.thread == thread && vm.plugins.contains(&plugin))
            .map(VmSlot)
    }

    /// What to call a VM in reports: its first plugin.
    pub fn vm_name(&self, slot: VmSlot) -> String {
        let plugin = self.vm(slot).and_then(|vm| vm.plugins.first());
        plugin
            .and_then(|plugin| self.plugins.get(*plugin))
            .map(|plugin| plugin.name.clone())
            .unwrap_or_default()
    }

    /// What to call a context in reports: its plugin.
    pub fn context_name(&self, slot: VmSlot, context: u32) -> String {
        let plugin = self
            .vm(slot)
            .and_then(|vm| vm.root(context))
            .and_then(|root| self.plugins.get(root.plugin));
        plugin.map_or_else(|| self.vm_name(slot), |plugin| plugin.name.clone())
    }

    /// Whether a context's VM still runs as it did.
    pub fn alive(&self, context: ContextRef) -> bool {
        self.vm(context.vm)
            .is_some_and(|vm| !vm.lost && vm.generation == context.generation)
    }

    /// The exchange of a context, with its place in the chain.
    pub fn exchange_of(&self, slot: VmSlot, context: u32) -> Option<(StreamId, usize)> {
        match self.vm(slot)?.contexts.get(&context)? {
            Context::Exchange { stream, slot, .. } => Some((*stream, *slot)),
            Context::Root(_) => None,
        }
    }

    /// Begins to send a request: its head.
    pub fn open_flight(&mut self, request: Outbound, purpose: Purpose) -> FlightId {
        self.last_flight = self.last_flight.saturating_add(1);
        let flight = self.last_flight;
        let stream = match &purpose {
            Purpose::Upstream(stream) => Some(*stream),
            Purpose::Callout { .. } => None,
        };
        self.observe(Event::Sent {
            flight,
            cluster: request.cluster.clone(),
            stream,
            headers: request.headers.clone(),
        });
        let arrivals = self.network.opened(flight, &request);
        self.flights.insert(
            flight,
            Flight {
                request,
                purpose,
                opened_ns: self.now_ns,
            },
        );
        self.expect(flight, arrivals);
        flight
    }

    /// The request is complete.
    pub fn complete_flight(&mut self, flight: FlightId) {
        let Some(sent) = self.flights.get_mut(&flight) else {
            return;
        };
        sent.request.complete = true;
        let arrivals = self.network.completed(flight, &sent.request);
        self.expect(flight, arrivals);
    }

    /// Something follows a request that asked to leave HTTP.
    pub fn say(&mut self, flight: FlightId, bytes: &[u8]) {
        let arrivals = self.network.said(flight, bytes);
        self.expect(flight, arrivals);
    }

    fn expect(&mut self, flight: FlightId, arrivals: Vec<(Duration, Inbound)>) {
        for (wait, arrival) in arrivals {
            self.after(wait, Due::Arrival(flight, arrival));
        }
    }

    /// Gives a request up, or forgets it when it is over; what it sent is handed back.
    pub fn close_flight(&mut self, flight: FlightId, abandoned: bool) -> Option<Flight> {
        let closed = self.flights.remove(&flight)?;
        if abandoned {
            self.network.abandoned(flight);
            self.observe(Event::Abandoned { flight });
        }
        Some(closed)
    }
}
