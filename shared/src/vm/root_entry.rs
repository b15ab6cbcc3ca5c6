//! A root context: the filter, or the chain of filters, that the exchanges of one entry in the
//! proxy's configuration run.

use std::rc::Rc;
use std::task::{Context, Waker};

use super::Running;
#[cfg(feature = "chain")]
use super::chain::{Common, TELL_MS};
use super::driver::{Counters, Driver};
use super::hub::{Hub, Place};
use crate::call::{Answer, CallError};
use crate::config::long::Text;
use crate::config::{Problem, Problems};
use crate::facts::Remembered;
use crate::filter::{Background, Registration};
use crate::host::{Host, Proxy};
use crate::manifest;
use crate::problem::Reason;
use crate::problem::common::PLAN_MISSING;
use crate::profile::Policy;
use crate::root::Root;

/// The `root_id` of a chain: its configuration lists the filters.
pub const CHAIN: &str = "chain";

/// How soon a tick comes that was asked for inside the callback of an exchange, in milliseconds: as
/// soon as the proxy can.
const HURRY_MS: u32 = 1;

/// What is said of an entry that nothing is known of.
pub(super) const UNCONFIGURED: &str = "unconfigured";

/// A filter with its policy.
pub(super) struct Link {
    registration: Registration,
    policy: Option<Rc<Policy>>,
    counters: Rc<Counters>,
}

impl Link {
    fn new(registration: Registration) -> Self {
        Self {
            registration,
            policy: None,
            counters: Rc::new(Counters::new(registration.name, registration.reasons)),
        }
    }

    /// As [`Link::new`], with the policy.
    pub fn with(registration: Registration, policy: Policy) -> Self {
        Self {
            policy: Some(Rc::new(policy)),
            ..Self::new(registration)
        }
    }

    /// The filter.
    #[cfg(feature = "chain")]
    pub const fn registration(&self) -> &Registration {
        &self.registration
    }

    /// An exchange in this filter, the one with the number `at` of its chain.
    pub fn driver(
        &self,
        at: usize,
        host: &Rc<dyn Proxy>,
        hub: &Rc<Hub>,
        context: u32,
        root: u32,
        facts: Option<Rc<Remembered>>,
    ) -> Driver {
        Driver::new(
            host,
            hub,
            Place { context, link: at },
            Place {
                context: root,
                link: at,
            },
            facts,
            self.registration.name,
            self.policy.clone().ok_or(&PLAN_MISSING),
            Rc::clone(&self.counters),
        )
        .reserving(self.registration.needs.reserves)
        .watching(self.registration.needs.response_body)
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
    /// What its filters have in common, where it is a chain.
    #[cfg(feature = "chain")]
    chain: Option<Common>,
    tasks: Vec<Task>,
    /// Period of the tick in milliseconds; 0 for none.
    tick_ms: u32,
    /// The next tick comes sooner.
    hurried: bool,
    /// Why every exchange is refused.
    refuses: Option<&'static Reason>,
}

impl RootEntry {
    /// A root context with one filter.
    pub fn one(registration: Registration) -> Self {
        Self {
            links: vec![Link::new(registration)],
            #[cfg(feature = "chain")]
            chain: None,
            tasks: Vec::new(),
            tick_ms: 0,
            hurried: false,
            refuses: None,
        }
    }

    /// A root context with the filters that its configuration will list.
    #[cfg(feature = "chain")]
    pub fn chain() -> Self {
        Self {
            links: Vec::new(),
            chain: Some(Common::default()),
            tasks: Vec::new(),
            tick_ms: 0,
            hurried: false,
            refuses: None,
        }
    }

    /// Refuses every exchange from now on.
    pub const fn refuse_all(&mut self, reason: &'static Reason) {
        self.refuses = Some(reason);
    }

    /// Whether its configuration lists its filters.
    const fn is_chain(&self) -> bool {
        #[cfg(feature = "chain")]
        return self.chain.is_some();
        #[cfg(not(feature = "chain"))]
        false
    }

    /// What is said of it in log lines.
    pub fn name(&self) -> &'static str {
        match self.links.as_slice() {
            [only] if !self.is_chain() => only.registration.name,
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
            [only] if !self.is_chain() => only.registration.version,
            _ => manifest::VERSION,
        }
    }

    /// How many profiles its configuration has; of a chain, for each of its filters.
    pub fn profiles(&self) -> String {
        let count = |link: &Link| link.policy.as_ref().map_or(0, |policy| policy.profiles());
        let counts = self.links.iter().map(|link| match self.is_chain() {
            false => count(link).to_string(),
            true => format!("{} {}", link.registration.name, count(link)),
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
        self.links = self.compile(text, filters, &**host)?;
        self.refuses = None;
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
        self.tick_ms = ticks.filter(|tick| *tick > 0).min().unwrap_or(0);
        #[cfg(feature = "chain")]
        if self.is_chain() {
            let regular = Some(self.tick_ms).filter(|tick| *tick > 0);
            self.tick_ms = regular.map_or(TELL_MS, |tick| tick.min(TELL_MS));
        }
        self.hurried = false;
        Ok(self.tick_ms)
    }

    fn compile(
        &mut self,
        text: &Text<'_>,
        filters: &[Registration],
        host: &dyn Host,
    ) -> Result<Vec<Link>, Vec<Problem>> {
        #[cfg(feature = "chain")]
        if let Some(chain) = &mut self.chain {
            let mut problems = Problems::on(host);
            let links = chain.compile(text, filters, host, &mut problems);
            return match problems.is_empty() {
                true => Ok(links),
                false => Err(problems.into_vec()),
            };
        }
        // What a module of one filter lists is the filter that this root context has.
        let _ = filters;
        let links = self.links.iter().map(|link| {
            let policy = Policy::compile(&link.registration, text, host);
            let policy = policy.map_err(Problems::into_vec)?;
            Ok(Link::with(link.registration, policy))
        });
        links.collect()
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
        if let Some(reason) = self.refuses {
            return Self::refusing(self.name(), host, hub, context, root, reason);
        }
        #[cfg(feature = "chain")]
        if let Some(chain) = self.chain.as_ref().filter(|_| !self.links.is_empty()) {
            let begun = chain.begin(&self.links, host, hub, context, root);
            return Running::Chain(Box::new(begun));
        }
        match self.links.as_slice() {
            [only] if only.policy.is_some() => {
                Running::One(only.driver(0, host, hub, context, root, None))
            }
            _ => Self::refusing(UNCONFIGURED, host, hub, context, root, &PLAN_MISSING),
        }
    }

    /// An exchange of a root context that has no policy: it is refused.
    pub fn refusing(
        name: &'static str,
        host: &Rc<dyn Proxy>,
        hub: &Rc<Hub>,
        context: u32,
        root: u32,
        reason: &'static Reason,
    ) -> Running {
        Running::One(Driver::new(
            host,
            hub,
            Place { context, link: 0 },
            Place {
                context: root,
                link: 0,
            },
            None,
            name,
            Err(reason),
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

    /// Tells the proxy what the exchanges of a chain have counted; other filters count at once.
    #[cfg(feature = "chain")]
    pub fn tell(&self, host: &dyn Host) {
        if let Some(chain) = &self.chain {
            chain.tell(host);
        }
    }

    /// Background tasks go on.
    pub fn poll(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.tasks
            .retain_mut(|task| task.background.as_mut().poll(&mut cx).is_pending());
    }
}
