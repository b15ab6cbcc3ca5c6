//! From what was written to what runs: everything that can be wrong is said here, with its path.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use modelgate_kit::bucket::{Seed, siphash24};
use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::host::Host;
use modelgate_kit::metrics::Metric;
use modelgate_kit::root::Root;

use crate::config::{Config, FullPolicy, Scheme, Sink, Switch};
use crate::event::{Pseudonymizer, Text};
use crate::otlp::Otlp;
use crate::queue::{Limits, Queue};
use crate::tally::{Outcomes, Tally};

/// The longest value of a header or attribute that is taken from the configuration, in bytes.
const LONGEST_VALUE: usize = 8_192;
/// One compiled configuration, with this worker's state.
pub struct Plan {
    /// How subjects are recorded.
    pub subjects: Pseudonymizer,
    /// Whether each event is left in filter state.
    pub access_log: bool,
    /// It is the configuration itself, not a profile of it.
    pub base: bool,
    numbers: OnceCell<Rc<Numbers>>,
    /// Counts how exchanges ended.
    pub outcomes: Outcomes,
    /// Counts events of an earlier configuration that this one, without a sink, can do nothing
    /// with.
    pub lost_without_sink: Metric,
    /// The way to the sink.
    pub shipping: Option<Shipping>,
}

/// How this worker's events are numbered. All configurations of a worker with the same receiver
/// number on one from another.
pub struct Numbers {
    /// The worker's name in its events: random, so that no two share one.
    pub worker: Text<64>,
    /// Number of the last event.
    sequence: Cell<u64>,
    /// Events that are lost.
    pub lost: Cell<u64>,
}

impl Numbers {
    fn new(host: &dyn Host) -> Self {
        Self {
            worker: Text::of(format!("{:016x}", host.random())),
            sequence: Cell::new(0),
            lost: Cell::new(0),
        }
    }

    /// The next event's number.
    pub fn next(&self) -> u64 {
        let next = self.sequence.get().saturating_add(1);
        self.sequence.set(next);
        next
    }
}

/// Everything that it takes to bring events to the sink.
pub struct Shipping {
    /// Writes records and batches.
    pub otlp: Otlp,
    /// What waits.
    pub queue: RefCell<Queue>,
    /// Counts what became of it.
    pub tally: Tally,
    /// Requests that are under way: their events will need room.
    pub expected: Cell<usize>,
    /// Requests are refused when there would be no room for their events.
    pub deny_when_full: bool,
    /// Where batches go.
    pub target: Target,
    /// Names receiver and sender: what was queued for one is sent on by whoever has the same.
    pub identity: u64,
}

/// Where batches go.
pub struct Target {
    /// The proxy's cluster.
    pub cluster: String,
    /// The `host` header.
    pub authority: String,
    /// The path.
    pub path: String,
    /// The scheme.
    pub scheme: &'static str,
    /// Further headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// How long a call may take, in milliseconds.
    pub timeout_ms: u32,
    /// Statuses that are tried again besides those of the protocol.
    pub retry_also: Vec<u16>,
}

impl Plan {
    /// Compiles what was written; adds every problem.
    pub fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Self> {
        let key = match &config.subject_key {
            Some(key) => key.resolve("subject_key", setup, problems),
            None => None,
        };
        let key = key.as_ref().map_or(&[][..], |key| key.expose());
        let shipping = match config.sink {
            Some(sink) => {
                Some(problems.within("sink", |problems| Shipping::compile(sink, setup, problems))?)
            }
            None => None,
        };
        let outcomes = Outcomes::new(setup.filter);
        outcomes.define(setup.host);
        let lost_without_sink = Metric::counter(setup.filter, &[("cause", "reload")], "dropped");
        if setup.host.rules().metrics_are_defined_at_start {
            lost_without_sink.define(setup.host);
        }
        Some(Self {
            subjects: Pseudonymizer::new(config.subject, key),
            access_log: config.access_log == Switch::On,
            base: setup.profile.is_empty(),
            numbers: OnceCell::new(),
            outcomes,
            lost_without_sink,
            shipping,
        })
    }

    /// How events are numbered.
    pub fn numbers(&self, host: &dyn Host) -> &Rc<Numbers> {
        self.numbers.get_or_init(|| Rc::new(Numbers::new(host)))
    }

    /// Numbers on from an earlier configuration in the same VM.
    pub fn number_on(&self, root: &Root) {
        let identity = self.shipping.as_ref().map_or(0, |sink| sink.identity);
        self.numbers.get_or_init(|| {
            root.common(&format!("audit_log.{identity:016x}"), || {
                Numbers::new(root.host())
            })
        });
    }
}

impl Shipping {
    fn compile(sink: Sink, setup: &Setup<'_>, problems: &mut Problems) -> Option<Self> {
        let before = problems.count();
        let limits = Limits {
            queue_events: sink.queue.max_events.size(),
            queue_bytes: sink.queue.max_bytes.size(),
            batch_events: sink.batch.max_events.size(),
            batch_bytes: sink.batch.max_bytes.size(),
            batch_age_ms: sink.batch.max_age_ms.value(),
            retry_first_ms: sink.retry.first_ms.value(),
            retry_longest_ms: sink.retry.longest_ms.value(),
            give_up_ms: sink.retry.give_up_ms.value(),
            when_full: sink.queue.on_full.when_full(),
        };
        let (queue, wait) = (
            "is more than the queue holds",
            "is more than the longest wait",
        );
        for (is_more, path, problem, hint) in [
            (
                limits.batch_events > limits.queue_events,
                "batch.max_events",
                queue,
                "at most queue.max_events",
            ),
            (
                limits.batch_bytes > limits.queue_bytes,
                "batch.max_bytes",
                queue,
                "at most queue.max_bytes",
            ),
            (
                limits.retry_first_ms > limits.retry_longest_ms,
                "retry.first_ms",
                wait,
                "at most retry.longest_ms",
            ),
        ] {
            if is_more {
                problems.add(path, problem, hint);
            }
        }
        let deny_when_full = sink.queue.on_full == FullPolicy::Deny;
        let resource = resource(&sink, problems);
        let otlp = Otlp::new(
            sink.format,
            resource
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let target = Target::compile(sink, &otlp, setup, problems);
        let identity = target.identity(&resource);
        let tally = Tally::new(setup.filter);
        tally.define(setup.host);
        (problems.count() == before).then(|| Self {
            otlp,
            queue: RefCell::new(Queue::new(limits)),
            tally,
            expected: Cell::new(0),
            deny_when_full,
            target,
            identity,
        })
    }
}

/// The attributes of the source, with a name for the service in any case.
fn resource(sink: &Sink, problems: &mut Problems) -> Vec<(String, String)> {
    let mut attributes = sink.resource.clone();
    attributes
        .entry("service.name".to_owned())
        .or_insert_with(|| "modelgate".to_owned());
    for (name, value) in &attributes {
        if name.is_empty() || value.len() > LONGEST_VALUE {
            problems.add(
                format!("resource.{name}"),
                "has no name, or is too long",
                "at most 8,192 bytes",
            );
        }
    }
    attributes.into_iter().collect()
}

impl Target {
    fn compile(sink: Sink, otlp: &Otlp, setup: &Setup<'_>, problems: &mut Problems) -> Self {
        let authority = match sink.authority {
            Some(authority) => authority.into_string(),
            None => sink.cluster.to_string(),
        };
        let headers = sink.headers.resolve(setup, problems).unwrap_or_default();
        let mut headers: Vec<(String, Vec<u8>)> = headers
            .into_iter()
            .map(|(name, value)| (name, value.expose().to_vec()))
            .collect();
        headers.push(("content-type".to_owned(), otlp.content_type().into()));
        Self {
            cluster: sink.cluster.into_string(),
            authority,
            path: sink.path.into_string(),
            scheme: match sink.scheme {
                Scheme::Https => "https",
                Scheme::Http => "http",
            },
            headers,
            timeout_ms: sink.timeout_ms.short(),
            retry_also: sink.retry.also.iter().map(|status| status.0).collect(),
        }
    }

    /// Names this receiver, as it is reached, with the source that is told to it. Never shown: it
    /// depends on secrets.
    fn identity(&self, resource: &[(String, String)]) -> u64 {
        let mut bytes = Vec::new();
        let mut add = |text: &[u8]| {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            bytes.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            bytes.extend_from_slice(text);
        };
        for text in [&self.cluster, &self.authority, &self.path] {
            add(text.as_bytes());
        }
        add(self.scheme.as_bytes());
        for (name, value) in &self.headers {
            add(name.as_bytes());
            add(value);
        }
        for (name, value) in resource {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        siphash24(Seed { k0: 0, k1: 0 }, &bytes)
    }
}
