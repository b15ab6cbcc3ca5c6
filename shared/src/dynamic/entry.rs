//! One filter entry of Envoy's configuration: what its workers have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::abi::Abi;
use super::background::Outbox;
use super::envoy::{self, Config, Waker};
use super::settings::Settings;
use super::store::lock;
use super::worker::{Mail, Tick, Worker};
use super::{ticker, worker};
use crate::filter::{Callbacks, Registration};
use crate::host::{Level, MetricKind, Status};

/// How long a thread that has lost a second VM by a panic refuses requests before it makes a third:
/// each is compiled from the whole configuration. Envoy's policy `FAIL_RELOAD` for wasm waits as
/// long.
const REBUILT: Duration = Duration::from_secs(1);

/// What depends on the release of Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// `response.code_details`, `response.flags`, `response.size`: Envoy 1.39 and later.
    pub has_response_details: bool,
    /// `request.size`: Envoy 1.40 and later.
    pub has_request_size: bool,
}

impl Release {
    /// That with these functions.
    pub const fn of(api: &Abi) -> Self {
        Self {
            has_response_details: api.config_increment_counter.is_some(),
            has_request_size: api.timing_info.is_some(),
        }
    }
}

#[derive(Default)]
struct Metrics {
    known: BTreeMap<String, (MetricKind, usize)>,
    /// Envoy defines no more.
    frozen: bool,
}

/// A filter entry.
pub struct Entry {
    config: Config,
    filter_name: String,
    filters: Vec<Registration>,
    settings: Settings,
    release: Release,
    /// What its filter is told; a chain chooses by itself.
    hears: Callbacks,
    metrics: Mutex<Metrics>,
    workers: Mutex<Vec<Arc<Worker>>>,
    /// When a thread could not make its VM, or had to make it anew.
    failed: Mutex<BTreeMap<usize, Instant>>,
    pub(super) outbox: Outbox,
    /// Wakes the main thread; gone with the entry.
    main: Mutex<Option<Waker>>,
}

impl Entry {
    /// The entry with this `filter_name` and `filter_config`; the main thread gets a VM of its own,
    /// for background work from the start. On the main thread, while Envoy makes `config`.
    ///
    /// Nothing where the configuration is refused; the log says why.
    pub fn new(
        config: Config,
        filters: Vec<Registration>,
        filter_name: &str,
        text: &[u8],
    ) -> Option<Arc<Self>> {
        let say = |line: &str| envoy::log(config.api(), Level::Error, line);
        let variable = |name: &str| std::env::var(name).ok();
        let settings = match Settings::read(text, variable) {
            Ok(settings) => settings,
            Err(problems) => {
                for problem in problems {
                    say(&format!("{filter_name}: configuration refused: {problem}"));
                }
                return None;
            }
        };
        let alone = filters.iter().find(|filter| filter.name == filter_name);
        let entry = Arc::new(Self {
            config,
            filter_name: filter_name.to_owned(),
            hears: alone.map_or(Callbacks::ALL, |filter| Callbacks::of(&filter.needs)),
            filters,
            settings,
            release: Release::of(config.api()),
            metrics: Mutex::default(),
            workers: Mutex::default(),
            failed: Mutex::default(),
            outbox: Outbox::default(),
            main: Mutex::new(Some(config.waker())),
        });
        // Compiled here first: what is wrong is said, and metrics can be defined now only.
        let first = Worker::new(&entry, worker::this_thread());
        lock(&entry.metrics).frozen = true;
        let Some(first) = first else {
            entry.close();
            return None;
        };
        lock(&entry.workers).push(first);
        if entry.is_validated_only() {
            return Some(entry);
        }
        if !ticker::watch(&entry) {
            say("modelgate: no thread can be started, and background work needs one");
            entry.close();
            return None;
        }
        Some(entry)
    }

    /// Whether Envoy only looks whether the configuration is right.
    fn is_validated_only(&self) -> bool {
        envoy::is_validation(self.config.api())
    }

    /// Envoy's configuration object.
    pub const fn config(&self) -> Config {
        self.config
    }

    /// Which of the module's filters, or that it is a chain.
    pub fn filter_name(&self) -> &str {
        &self.filter_name
    }

    /// The name of the entry.
    pub fn name(&self) -> &str {
        let name = self.settings.entry_name.as_deref();
        name.unwrap_or(&self.filter_name)
    }

    /// The filters of the module.
    pub fn filters(&self) -> &[Registration] {
        &self.filters
    }

    /// What the filters read as their configuration.
    pub fn text(&self) -> &[u8] {
        &self.settings.text
    }

    /// A variable that the filters may read.
    pub fn environment(&self, name: &str) -> Option<String> {
        let value = self.settings.environment.get(name)?;
        Some(String::clone(value))
    }

    /// What its filter is told of an exchange.
    pub const fn hears(&self) -> Callbacks {
        self.hears
    }

    /// What depends on the release of Envoy.
    pub const fn release(&self) -> Release {
        self.release
    }

    /// Writes a line to Envoy's log.
    pub fn log(&self, level: Level, line: &str) {
        envoy::log(self.config.api(), level, line);
    }

    /// Envoy's number of a metric, which is defined if that is still possible.
    ///
    /// # Errors
    /// [`Status::NotFound`] for one that was not defined in time.
    pub fn metric(&self, kind: MetricKind, name: &str) -> Result<usize, Status> {
        let mut metrics = lock(&self.metrics);
        if let Some((_, id)) = metrics.known.get(name) {
            return Ok(*id);
        }
        if metrics.frozen {
            return Err(Status::NotFound);
        }
        let id = self.config.define(kind, name)?;
        metrics.known.insert(name.to_owned(), (kind, id));
        Ok(id)
    }

    /// This thread's worker; nothing where it cannot be had now.
    pub fn worker(self: &Arc<Self>) -> Option<Arc<Worker>> {
        let thread = worker::this_thread();
        let own = |worker: &&Arc<Worker>| worker.thread() == thread;
        let found = lock(&self.workers).iter().find(own).map(Arc::clone);
        let is_broken = found.as_ref().is_some_and(|worker| worker.is_broken());
        if let Some(found) = found.filter(|_| !is_broken) {
            return Some(found);
        }
        if !self.may_build(thread) {
            return None;
        }
        let new = Worker::new(self, thread);
        if is_broken || new.is_none() {
            lock(&self.failed).insert(thread, Instant::now());
        }
        let new = new?;
        // What other workers have fetched is at hand before the first request is looked at.
        new.desk().put(Mail::Tick);
        new.read_mail();
        let mut workers = lock(&self.workers);
        workers.retain(|worker| worker.thread() != thread);
        workers.push(Arc::clone(&new));
        Some(new)
    }

    /// Whether a thread may have a VM made now.
    fn may_build(&self, thread: usize) -> bool {
        let failed = lock(&self.failed);
        let last = failed.get(&thread);
        last.is_none_or(|last| last.elapsed() >= REBUILT)
    }

    /// Every worker.
    pub(super) fn workers(&self) -> Vec<Arc<Worker>> {
        lock(&self.workers).clone()
    }

    /// Has the main thread look what is due.
    pub(super) fn call(&self) {
        if let Some(main) = lock(&self.main).as_ref() {
            main.wake();
        }
    }

    /// The same, if a worker's tick is due. Gives when the next one is that is not.
    pub(super) fn call_if_due(&self, now_ms: u64) -> u64 {
        let ticks = self
            .workers()
            .into_iter()
            .map(|worker| worker.desk().claim(now_ms));
        let (mut next, mut is_due) = (ticker::NEVER, false);
        for tick in ticks {
            match tick {
                Tick::Due => is_due = true,
                Tick::At(at_ms) => next = next.min(at_ms),
            }
        }
        if is_due {
            self.call();
        }
        next
    }

    /// The entry is gone: its VMs end, and nothing reaches Envoy's object any more.
    pub fn close(&self) {
        drop(lock(&self.main).take());
        let workers = std::mem::take(&mut *lock(&self.workers));
        for worker in workers {
            worker.close();
        }
        self.outbox.clear();
    }
}
