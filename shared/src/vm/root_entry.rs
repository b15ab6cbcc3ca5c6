//! A root context: the filter, or the chain of filters, that the exchanges of one entry in the
//! proxy's configuration run.

use std::rc::Rc;
use std::task::{Context, Waker};

use super::Running;
use super::chain::{Chain, Hears};
use super::hub::{Hub, Place};
use super::layer::{Counted, Layer};
use super::stream::{Counters, Stream};
use crate::call::{Answer, CallError};
use crate::config::chain;
use crate::config::long::Text;
use crate::config::{Problem, Problems};
use crate::facts::Remembered;
use crate::filter::{Background, Registration};
use crate::host::Proxy;
use crate::manifest;
use crate::profile::Policy;
use crate::root::Root;

/// The `root_id` of a chain: its configuration lists the filters.
pub const CHAIN: &str = "chain";

/// A chain tells the proxy at least this often what its filters have counted, in milliseconds.
const TELL_MS: u32 = 1_000;

/// How soon a tick comes that was asked for inside the callback of an exchange, in milliseconds: as
/// soon as the proxy can.
const HURRY_MS: u32 = 1;

/// What a root context is to be.
pub(super) enum Which {
    One(Registration),
    Chain(&'static Chains),
}

/// What chains need, apart from everything else: a module that holds one filter does not name it,
/// and does not contain it.
pub(super) struct Chains {
    compile: Compile,
    begin: Begin,
}

/// Turns a configuration into the filters that it lists, and says how their facts are handed on.
type Compile = fn(&Text<'_>, &[Registration], &dyn Proxy, &mut Problems) -> (Vec<Link>, Facts);

/// Begins an exchange of this context in a root context.
type Begin = fn(&RootEntry, &Rc<dyn Proxy>, &Rc<Hub>, u32, u32) -> Running;

/// See [`Chains`].
pub(super) const CHAINS: Chains = Chains {
    compile: |text, filters, host, problems| {
        let compiled = chain::compile(text, filters, host, problems);
        let links = compiled.filters.into_iter();
        let links = links.map(|listed| Link {
            policy: Some(Rc::new(listed.policy)),
            hears: Some(Hears::of(&listed.registration.needs)),
            ..Link::new(listed.registration)
        });
        let links: Vec<Link> = links.collect();
        let left = links.iter().flat_map(|link| link.registration.leaves);
        let facts = Facts {
            own: left.copied().collect(),
            shown: compiled.facts_to_filter_state,
        };
        (links, facts)
    },
    begin: |entry, host, hub, context, root| {
        let layer = Rc::new(Layer::new(Rc::clone(host), Rc::clone(&entry.counted)));
        let seen: Rc<dyn Proxy> = Rc::clone(&layer) as Rc<dyn Proxy>;
        let facts = Rc::new(Remembered::new(
            Rc::clone(&entry.facts.own),
            entry.facts.shown,
        ));
        let streams = entry.links.iter().enumerate().filter_map(|(at, link)| {
            let stream = link.stream(at, &seen, hub, context, root, Some(Rc::clone(&facts)));
            Some((stream, link.hears?))
        });
        Running::Chain(Box::new(Chain::new(layer, streams)))
    },
};

/// How the filters of a chain hand facts on.
#[derive(Default)]
struct Facts {
    /// Names of those that nobody outside the chain leaves.
    own: Rc<[&'static str]>,
    /// They are written to the filter state.
    shown: bool,
}

/// A filter with its policy.
pub(super) struct Link {
    registration: Registration,
    policy: Option<Rc<Policy>>,
    counters: Rc<Counters>,
    /// What it is told of, in a chain.
    hears: Option<Hears>,
}

impl Link {
    fn new(registration: Registration) -> Self {
        Self {
            registration,
            policy: None,
            counters: Rc::new(Counters::new(registration.name, registration.reasons)),
            hears: None,
        }
    }

    fn stream(
        &self,
        at: usize,
        host: &Rc<dyn Proxy>,
        hub: &Rc<Hub>,
        context: u32,
        root: u32,
        facts: Option<Rc<Remembered>>,
    ) -> Stream {
        Stream::new(
            host,
            hub,
            Place { context, link: at },
            Place {
                context: root,
                link: at,
            },
            facts,
            self.registration.name,
            self.policy.clone(),
            Rc::clone(&self.counters),
        )
        .reserving(self.registration.needs.reserves)
    }
}

struct Task {
    root: Root,
    link: usize,
    background: Background,
}

/// One root context.
pub(super) struct RootEntry {
    /// In the order of the request's way; a chain has none before it is configured.
    links: Vec<Link>,
    chains: Option<&'static Chains>,
    /// What a chain has counted.
    counted: Rc<Counted>,
    /// Of a chain.
    facts: Facts,
    tasks: Vec<Task>,
    /// Period of the tick in milliseconds; 0 for none.
    tick_ms: u32,
    /// The next tick comes sooner.
    hurried: bool,
}

impl RootEntry {
    pub fn new(which: Which) -> Self {
        let (links, chains) = match which {
            Which::One(registration) => (vec![Link::new(registration)], None),
            Which::Chain(chains) => (Vec::new(), Some(chains)),
        };
        Self {
            links,
            chains,
            counted: Rc::default(),
            facts: Facts::default(),
            tasks: Vec::new(),
            tick_ms: 0,
            hurried: false,
        }
    }

    /// What is said of it in log lines.
    pub fn name(&self) -> &'static str {
        match self.links.as_slice() {
            [only] if self.chains.is_none() => only.registration.name,
            _ => CHAIN,
        }
    }

    /// Its filters, in the order of the request's way.
    pub fn filters(&self) -> impl Iterator<Item = &Registration> {
        self.links.iter().map(|link| &link.registration)
    }

    /// Its release: the filter's, or of a chain the kit's.
    pub fn version(&self) -> &'static str {
        match self.links.as_slice() {
            [only] if self.chains.is_none() => only.registration.version,
            _ => manifest::VERSION,
        }
    }

    /// How many profiles its configuration has; of a chain, for each of its filters.
    pub fn profiles(&self) -> String {
        let count = |link: &Link| link.policy.as_ref().map_or(0, |policy| policy.profiles());
        let counts = self.links.iter().map(|link| match self.chains {
            None => count(link).to_string(),
            Some(_) => format!("{} {}", link.registration.name, count(link)),
        });
        counts.collect::<Vec<_>>().join(", ")
    }

    /// Compiles the configuration, and starts the background tasks. Gives the period of the tick in
    /// milliseconds, 0 for none.
    pub fn configure(
        &mut self,
        text: &Text<'_>,
        filters: &[Registration],
        host: &Rc<dyn Proxy>,
        hub: &Rc<Hub>,
        context: u32,
    ) -> Result<u32, Vec<Problem>> {
        let mut links = Vec::new();
        if let Some(chains) = self.chains {
            let mut problems = Problems::default();
            (links, self.facts) = (chains.compile)(text, filters, &**host, &mut problems);
            if !problems.is_empty() {
                return Err(problems.into_vec());
            }
        } else {
            for link in &self.links {
                let policy = Policy::compile(&link.registration, text, &**host)?;
                links.push(Link {
                    policy: Some(Rc::new(policy)),
                    ..Link::new(link.registration)
                });
            }
        }
        self.links = links;
        self.tasks.clear();
        for (at, link) in self.links.iter().enumerate() {
            link.counters.define(&**host);
            let place = Place { context, link: at };
            for launch in link.policy.iter().flat_map(|policy| policy.launches()) {
                let root = Root::new(Rc::clone(host), Rc::clone(hub), place);
                self.tasks.push(Task {
                    background: launch.background(root.clone()),
                    root,
                    link: at,
                });
            }
        }
        let ticks = self
            .links
            .iter()
            .map(|link| link.registration.needs.tick_ms);
        let ticks = ticks.filter(|tick| *tick > 0);
        self.tick_ms = ticks.chain(self.chains.map(|_| TELL_MS)).min().unwrap_or(0);
        self.hurried = false;
        Ok(self.tick_ms)
    }

    /// Exchanges are to be woken that must not be touched in the callback that is running: asks for
    /// a tick at once. Without one they wait for the regular tick, which is as long as they would
    /// have waited without that callback. A filter without ticks has none to wait for its
    /// background (see [`crate::exchange::Exchange::signalled`]).
    pub fn hurry(&mut self, host: &dyn Proxy) {
        if self.tick_ms > 0 && !self.hurried {
            self.hurried = host.set_tick(HURRY_MS).is_ok();
        }
    }

    /// The tick has come: the period is the configured one again.
    pub fn slow_down(&mut self, host: &dyn Proxy) {
        if self.hurried {
            // Where it is not taken, ticks go on coming too often, and the next one tries again.
            self.hurried = host.set_tick(self.tick_ms).is_err();
        }
    }

    /// An exchange begins.
    pub fn begin(&self, host: &Rc<dyn Proxy>, hub: &Rc<Hub>, context: u32, root: u32) -> Running {
        match (self.links.as_slice(), self.chains) {
            ([only], None) if only.policy.is_some() => {
                Running::One(only.stream(0, host, hub, context, root, None))
            }
            ([_, ..], Some(chains)) => (chains.begin)(self, host, hub, context, root),
            _ => Self::unconfigured(host, hub, context, root),
        }
    }

    /// An exchange of a root context that has no policy: it is refused.
    pub fn unconfigured(host: &Rc<dyn Proxy>, hub: &Rc<Hub>, context: u32, root: u32) -> Running {
        let name = "unconfigured";
        Running::One(Stream::new(
            host,
            hub,
            Place { context, link: 0 },
            Place {
                context: root,
                link: 0,
            },
            None,
            name,
            None,
            Rc::new(Counters::new(name, &[])),
        ))
    }

    /// A callout of a background task has answered.
    pub fn answered(&self, number: u32, answer: Result<Answer, CallError>) {
        if let Some(task) = self.tasks.iter().find(|task| task.root.awaits(number)) {
            task.root.answered(number, answer);
        }
    }

    /// An exchange wants the background of this filter to go on.
    pub fn nudge(&self, link: usize) {
        for task in self.tasks.iter().filter(|task| task.link == link) {
            task.root.nudge();
        }
    }

    /// The root context is gone: filters hand on what must outlive it.
    pub fn ended(&self, host: &Rc<dyn Proxy>, hub: &Rc<Hub>, context: u32) {
        for (at, link) in self.links.iter().enumerate() {
            let root = Root::new(Rc::clone(host), Rc::clone(hub), Place { context, link: at });
            for launch in link.policy.iter().flat_map(|policy| policy.launches()) {
                launch.ended(&root);
            }
        }
    }

    /// Tells the proxy what the exchanges have counted.
    pub fn tell(&self, host: &dyn Proxy) {
        self.counted.tell(host);
    }

    /// Background tasks go on.
    pub fn poll(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.tasks
            .retain_mut(|task| task.background.as_mut().poll(&mut cx).is_pending());
    }
}
