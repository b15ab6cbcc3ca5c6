//! One VM: its root contexts with their plans and background tasks, its exchanges, and the callbacks of the proxy.
//!
//! Used by the wasm guest and by the native engine alike, so both run the very same state machine. An exchange whose `handle` is
//! done after the first poll costs no more than its allocation; it stays listed only to answer further callbacks.

pub mod hub;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::call::Call;
use crate::config::Problem;
use crate::filter::{Background, Registration};
use crate::host::{Buffer, Host, Level, Side};
use crate::profile::Policy;
use crate::root::Root;
use crate::verdict::Action;
use hub::Hub;
use stream::{Counters, Stream};

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

struct RootEntry {
    registration: Registration,
    policy: Option<Rc<Policy>>,
    counters: Rc<Counters>,
    tasks: Vec<(Root, Background)>,
}

/// The contexts of one VM.
pub struct Vm {
    host: Rc<dyn Host>,
    hub: Rc<Hub>,
    filters: Vec<Registration>,
    roots: BTreeMap<u32, RootEntry>,
    streams: BTreeMap<u32, Stream>,
}

impl Vm {
    /// A VM that offers these filters; with several, a root context is given the one that its `plugin_root_id` names.
    pub fn new(host: Rc<dyn Host>, filters: &[Registration]) -> Self {
        Self {
            host,
            hub: Rc::default(),
            filters: filters.to_vec(),
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// A context begins: a root context when `root` is 0, else an exchange of that root.
    pub fn create(&mut self, context: u32, root: u32) {
        if root == 0 {
            if let Some(registration) = self.registration() {
                let counters = Rc::new(Counters::new(registration.name));
                self.roots.insert(
                    context,
                    RootEntry {
                        registration,
                        policy: None,
                        counters,
                        tasks: Vec::new(),
                    },
                );
            }
            return;
        }
        let stream = match self
            .roots
            .get(&root)
            .and_then(|entry| Some((entry, entry.policy.clone()?)))
        {
            Some((entry, policy)) => Stream::new(
                &self.host,
                &self.hub,
                context,
                root,
                entry.registration.name,
                Some(policy),
                Rc::clone(&entry.counters),
            ),
            None => Stream::new(
                &self.host,
                &self.hub,
                context,
                root,
                "unconfigured",
                None,
                Rc::new(Counters::new("unconfigured")),
            ),
        };
        self.streams.insert(context, stream);
    }

    fn registration(&self) -> Option<Registration> {
        if let [only] = self.filters.as_slice() {
            return Some(*only);
        }
        let name = self.host.property(&["plugin_root_id"]).ok()?;
        self.filters
            .iter()
            .find(|f| f.name.as_bytes() == name)
            .copied()
    }

    /// The proxy hands over the configuration of a root context. `false` refuses it; every problem is logged.
    pub fn configure(&mut self, context: u32, size: usize) -> bool {
        let bytes = if size == 0 {
            Vec::new()
        } else {
            self.host
                .body(Buffer::PluginConfig, 0, size)
                .unwrap_or_default()
        };
        if bytes.len() != size {
            self.host.log(
                Level::Error,
                "the proxy did not hand over the configuration",
            );
            return false;
        }
        let Some(entry) = self.roots.get_mut(&context) else {
            self.host.log(
                Level::Error,
                "no filter of this module has the configured root_id",
            );
            return false;
        };
        match Policy::compile(&entry.registration, &bytes, &*self.host) {
            Ok(policy) => {
                entry.counters.define(&*self.host);
                entry.tasks = policy
                    .launches()
                    .map(|launch| {
                        let root = Root::new(Rc::clone(&self.host), Rc::clone(&self.hub), context);
                        (root.clone(), launch.background(root))
                    })
                    .collect();
                entry.policy = Some(Rc::new(policy));
                let tick = entry.registration.needs.tick_ms;
                tick == 0 || self.host.set_tick(tick).is_ok()
            }
            Err(problems) => {
                log_problems(&*self.host, entry.registration.name, &problems);
                false
            }
        }
    }

    /// Time passes: background tasks go on, and exchanges whose waiting time is over.
    pub fn tick(&mut self, context: u32) {
        self.poll_background(context);
        for due in self.hub.take_due(self.host.now_ns()) {
            self.wake(due);
        }
        let _ = self.host.focus(context);
    }

    /// A part of a message arrives.
    pub fn message(&mut self, context: u32, side: Side, part: Part) -> Action {
        let Some(stream) = self.streams.get_mut(&context) else {
            return Action::Pause;
        };
        let action = stream.message(side, part);
        if !self.hub.has_nudges() {
            return action;
        }
        // The background task may wake this very exchange: then it is this callback's action that lets it go, not a resume.
        stream.enter(Some(side));
        self.after_stream(context);
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
        if let Some(entry) = self.roots.get_mut(&awaited.context) {
            if let Some((root, _)) = entry.tasks.iter().find(|(root, _)| root.awaits(number)) {
                root.answered(number, answer);
            }
            self.poll_background(awaited.context);
        } else if let Some(stream) = self.streams.get_mut(&awaited.context) {
            stream.answered(number, answer);
            self.after_stream(awaited.context);
        }
    }

    /// The exchange is over; its properties can still be read.
    pub fn end(&mut self, context: u32) {
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.end();
        }
        self.after_stream(context);
    }

    /// A context is gone.
    pub fn delete(&mut self, context: u32) {
        self.hub.forget(context);
        self.streams.remove(&context);
        self.roots.remove(&context);
    }

    /// Background tasks that the exchange has nudged go on at once.
    fn after_stream(&mut self, context: u32) {
        let nudges = self.hub.take_nudges();
        if nudges.is_empty() {
            return;
        }
        for root in nudges {
            if let Some(entry) = self.roots.get(&root) {
                entry.tasks.iter().for_each(|(root, _)| root.nudge());
            }
            if self.host.focus(root).is_ok() {
                self.poll_background(root);
            }
        }
        let _ = self.host.focus(context);
    }

    fn poll_background(&mut self, context: u32) {
        let Some(entry) = self.roots.get_mut(&context) else {
            return;
        };
        let mut cx = Context::from_waker(Waker::noop());
        entry
            .tasks
            .retain_mut(|(_, task)| task.as_mut().poll(&mut cx).is_pending());
        let wakes = self.hub.take_wakes();
        let woken = !wakes.is_empty();
        for stream in wakes {
            self.wake(stream);
        }
        if woken {
            let _ = self.host.focus(context);
        }
    }

    /// Polls an exchange outside a callback of its own.
    fn wake(&mut self, context: u32) {
        if let Some(stream) = self.streams.get_mut(&context)
            && self.host.focus(context).is_ok()
        {
            stream.woken();
        }
    }
}

/// Says everything that is wrong with a configuration.
fn log_problems(host: &dyn Host, filter: &str, problems: &[Problem]) {
    for problem in problems {
        host.log(
            Level::Error,
            &format!("{filter}: configuration refused: {problem}"),
        );
    }
}
