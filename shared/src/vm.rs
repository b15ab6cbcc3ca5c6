//! One VM: its root contexts with their plans and background tasks, its exchanges, and the
//! callbacks of the proxy.
//!
//! Used by the wasm guest and by the native engine alike, so both run the very same state machine.
//! An exchange whose `handle` is done after the first poll costs no more than its allocation; it
//! stays listed only to answer further callbacks.

pub(crate) mod announce;
#[cfg(feature = "chain")]
pub mod chain;
mod driver;
mod gathering;
pub(crate) mod hub;
mod root_entry;
#[cfg(test)]
mod tests;
pub mod verdict;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::call::{Answer, Call, CallError};
use crate::config::long::Text;
use crate::filter::Registration;
use crate::flat_map::FlatMap;
use crate::host::{Level, Proxy, Side};
use crate::hosts;
use crate::problem::common::{CONFIGURATION_REFUSED, PLAN_MISSING};
use driver::Driver;
use hub::{Hub, Place};
use root_entry::{RootEntry, UNCONFIGURED};
use verdict::Action;

pub use root_entry::CHAIN;

/// A message that passes a filter: which part, and whether it is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Headers; `true` when nothing follows.
    Headers(bool),
    /// Bytes of the body, held ones included; `true` when nothing follows.
    Body(usize, bool),
    /// Trailers: nothing follows.
    Trailers,
}

/// One exchange: in one filter, or in a chain of them.
enum Running {
    One(Driver),
    #[cfg(feature = "chain")]
    Chain(Box<chain::Chain>),
}

impl Running {
    fn message(&mut self, side: Side, part: Part) -> Action {
        match self {
            Self::One(driver) => driver.message(side, part),
            #[cfg(feature = "chain")]
            Self::Chain(chain) => chain.message(side, part),
        }
    }

    #[cfg_attr(not(feature = "chain"), allow(unused_variables))] // there is one link
    fn answered(&mut self, link: usize, number: u32, answer: Result<Answer, CallError>) {
        match self {
            Self::One(driver) => driver.answered(number, answer),
            #[cfg(feature = "chain")]
            Self::Chain(chain) => chain.answered(link, number, answer),
        }
    }

    #[cfg_attr(not(feature = "chain"), allow(unused_variables))] // there is one link
    fn woken(&mut self, link: usize) {
        match self {
            Self::One(driver) => driver.woken(),
            #[cfg(feature = "chain")]
            Self::Chain(chain) => chain.woken(link),
        }
    }

    fn end(&mut self) {
        match self {
            Self::One(driver) => driver.end(),
            #[cfg(feature = "chain")]
            Self::Chain(chain) => chain.end(),
        }
    }

    fn gone(&mut self) {
        match self {
            Self::One(driver) => driver.gone(),
            #[cfg(feature = "chain")]
            Self::Chain(chain) => chain.gone(),
        }
    }

    fn enter(&mut self, side: Option<Side>) {
        match self {
            Self::One(driver) => driver.enter(side),
            #[cfg(feature = "chain")]
            Self::Chain(chain) => chain.enter(side),
        }
    }

    fn action(&self, side: Side) -> Action {
        match self {
            Self::One(driver) => driver.action(side),
            #[cfg(feature = "chain")]
            Self::Chain(chain) => chain.action(side),
        }
    }
}

/// The contexts of one VM.
pub struct Vm {
    host: Rc<dyn Proxy>,
    /// It is known which proxy it is.
    met: bool,
    hub: Rc<Hub>,
    filters: Vec<Registration>,
    /// It offers chains of its filters, too.
    chains: bool,
    roots: FlatMap<u32, RootEntry>,
    streams: BTreeMap<u32, Running>,
}

impl Vm {
    /// A VM that offers these filters; with several, a root context is given the one that its
    /// `plugin_root_id` names.
    pub fn new(host: Rc<dyn Proxy>, filters: &[Registration]) -> Self {
        Self {
            host,
            met: false,
            hub: Rc::default(),
            filters: filters.to_vec(),
            chains: false,
            roots: FlatMap::default(),
            streams: BTreeMap::new(),
        }
    }

    /// As [`Vm::new`], and where `plugin_root_id` is [`CHAIN`], a root context is given all the
    /// filters that its configuration lists.
    #[cfg(feature = "chain")]
    pub fn with_chains(host: Rc<dyn Proxy>, filters: &[Registration]) -> Self {
        Self {
            chains: true,
            ..Self::new(host, filters)
        }
    }

    /// A context begins: a root context when `root` is 0, else an exchange of that root.
    pub fn create(&mut self, context: u32, root: u32) {
        if root == 0 {
            if !std::mem::replace(&mut self.met, true) {
                self.host = hosts::behind(Rc::clone(&self.host));
            }
            if let Some(entry) = self.entry() {
                self.roots.insert(context, entry);
            }
            return;
        }
        let running = match self.roots.get(&root) {
            Some(entry) => entry.begin(&self.host, &self.hub, context, root),
            None => RootEntry::refusing(
                UNCONFIGURED,
                &self.host,
                &self.hub,
                context,
                root,
                &PLAN_MISSING,
            ),
        };
        self.streams.insert(context, running);
    }

    /// What a new root context is.
    fn entry(&self) -> Option<RootEntry> {
        if let ([only], false) = (self.filters.as_slice(), self.chains) {
            return Some(RootEntry::one(*only));
        }
        // Where an entry cannot be named, all that it can be is a chain.
        let name = self.host.property(&["plugin_root_id"]).unwrap_or_default();
        #[cfg(feature = "chain")]
        if self.chains && (name.is_empty() || name == CHAIN.as_bytes()) {
            return Some(RootEntry::chain());
        }
        let found = self.filters.iter().find(|f| f.name.as_bytes() == name)?;
        Some(RootEntry::one(*found))
    }

    /// The proxy hands over the configuration of a root context. `false` refuses it; every problem
    /// is logged.
    pub fn configure(&mut self, context: u32, size: usize) -> bool {
        let Some(entry) = self.roots.get_mut(&context) else {
            self.host.log(
                Level::Error,
                "no filter of this module has the configured root_id",
            );
            return !self.host.rules().refused_configurations_are_safe;
        };
        let text = Text::in_proxy(&*self.host, size);
        match entry.configure(&text, &self.filters, &self.host, &self.hub, context) {
            Ok(tick) => {
                announce::announce(entry, text.fingerprint(), &*self.host);
                if tick == 0 || self.host.set_tick(tick).is_ok() {
                    return true;
                }
                self.host
                    .log(Level::Error, "the proxy does not take the period of a tick");
            }
            Err(problems) => {
                for problem in problems {
                    self.host.log(
                        Level::Error,
                        &format!("{}: configuration refused: {problem}", entry.name()),
                    );
                }
            }
        }
        if self.host.rules().refused_configurations_are_safe {
            return false;
        }
        entry.refuse_all(&CONFIGURATION_REFUSED);
        let line = format!("{}: every request is refused", entry.name());
        self.host.log(Level::Error, &line);
        true
    }

    /// Time passes: background tasks go on, and exchanges whose waiting time is over.
    pub fn tick(&mut self, context: u32) {
        if let Some(entry) = self.roots.get_mut(&context) {
            #[cfg(feature = "chain")]
            entry.tell(&*self.host);
            entry.slow_down(&*self.host);
        }
        for root in self.hub.take_nudges() {
            if let Some(entry) = self.roots.get(&root.context) {
                entry.nudge(root.link);
            }
        }
        self.poll_background(context, None);
        for due in self.hub.take_due(self.host.now_ns()) {
            self.wake(due);
        }
        let _ = self.host.focus(context);
    }

    /// Tells the proxy what the exchanges of a root context have counted, without waiting for its
    /// tick.
    #[cfg(all(feature = "dynamic", unix))]
    pub(crate) fn tell(&self, context: u32) {
        if let Some(entry) = self.roots.get(&context) {
            entry.tell(&*self.host);
        }
    }

    /// A part of a message arrives.
    pub fn message(&mut self, context: u32, side: Side, part: Part) -> Action {
        let Some(stream) = self.streams.get_mut(&context) else {
            return Action::Pause;
        };
        let action = stream.message(side, part);
        if !self.hub.has_nudges() || !self.host.rules().exchanges_may_wait {
            return action;
        }
        // The background task may wake this very exchange: then it is this callback's action that
        // lets it go, not a resume.
        stream.enter(Some(side));
        self.after_stream(context, Some(context));
        let Some(stream) = self.streams.get_mut(&context) else {
            return Action::Pause;
        };
        stream.enter(None);
        stream.action(side)
    }

    /// A callout has answered (or failed: no headers).
    pub fn answer(&mut self, context: u32, number: u32, headers: usize, body_size: usize) {
        // The number tells the owner; the context is only a host's opinion (nginx has another).
        let _ = context;
        let Some(awaited) = self.hub.claim(number) else {
            return;
        };
        let answer = Call::collect(&*self.host, headers, body_size, awaited.limit);
        let Place { context, link } = awaited.place;
        if let Some(entry) = self.roots.get_mut(&context) {
            entry.answered(number, answer);
            // Where only ticks make callouts, the next one goes on.
            if self.host.rules().exchanges_may_wait {
                self.poll_background(context, None);
            }
        } else if let Some(stream) = self.streams.get_mut(&context) {
            stream.answered(link, number, answer);
            self.after_stream(context, None);
        }
    }

    /// The exchange is over; its properties can still be read.
    pub fn end(&mut self, context: u32) {
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.end();
        }
        self.after_stream(context, Some(context));
    }

    /// The exchange is over, and that is all that is told of it: whoever waits for its end goes on.
    pub fn gone(&mut self, context: u32) {
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.gone();
        }
    }

    /// A context is gone.
    pub fn delete(&mut self, context: u32) {
        self.hub.forget(context);
        if let Some(mut stream) = self.streams.remove(&context) {
            stream.gone();
        }
        if let Some(entry) = self.roots.remove(&context) {
            #[cfg(feature = "chain")]
            entry.tell(&*self.host);
            entry.ended(&self.host, &self.hub, context);
        }
    }

    /// Background tasks that the exchange has nudged go on at once; what they wake, only as far as
    /// [`Vm::wake_all`] may.
    fn after_stream(&mut self, context: u32, inside: Option<u32>) {
        // Where only ticks make callouts, the background hears of it in the next one.
        if !self.host.rules().exchanges_may_wait {
            return;
        }
        let nudges = self.hub.take_nudges();
        if nudges.is_empty() {
            return;
        }
        for root in nudges {
            if let Some(entry) = self.roots.get(&root.context) {
                entry.nudge(root.link);
            }
            if self.host.focus(root.context).is_ok() {
                self.poll_background(root.context, inside);
            }
        }
        let _ = self.host.focus(context);
    }

    fn poll_background(&mut self, context: u32, inside: Option<u32>) {
        let Some(entry) = self.roots.get_mut(&context) else {
            return;
        };
        entry.poll();
        let left = self.wake_all(context, inside);
        if left && let Some(entry) = self.roots.get_mut(&context) {
            entry.hurry(&*self.host);
        }
    }

    /// Wakes the exchanges that are to be woken. `inside` is the exchange whose callback is
    /// running: then no other one is touched.
    ///
    /// A reply that is sent for one exchange inside the callback of another stops both: Envoy's
    /// host notes it in a flag of the whole VM and takes it for the running callback's
    /// (proxy-wasm-cpp-host, exports.cc, `send_local_response` calls `stopNextIteration`;
    /// context.cc, `convertVmCallResultToFilter…Status`). Nobody would let the other one go again.
    /// In a chain an exchange that goes on may be refused by a later filter as well, so others are
    /// not resumed either. They are left for a tick, for the answer to a callout, or for their own
    /// next callback. Whether any is left.
    fn wake_all(&mut self, root: u32, inside: Option<u32>) -> bool {
        let (now, mut later): (Vec<Place>, Vec<Place>) = self
            .hub
            .take_wakes()
            .into_iter()
            .partition(|place| inside.is_none_or(|context| context == place.context));
        let woken = !now.is_empty();
        for place in now {
            self.wake(place);
        }
        if woken {
            let _ = self.host.focus(root);
        }
        let left = !later.is_empty();
        self.hub.wake(&mut later);
        left
    }

    /// Polls an exchange outside a callback of its own.
    fn wake(&mut self, place: Place) {
        if let Some(stream) = self.streams.get_mut(&place.context)
            && self.host.focus(place.context).is_ok()
        {
            stream.woken(place.link);
        }
    }
}
