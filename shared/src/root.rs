//! The background side of a filter: one task per plan in the root context, for timers and callouts
//! that belong to no exchange.
//!
//! Each VM runs its own copy (one per worker, and the main thread's): what may happen only once per
//! proxy goes through a lease in shared data.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::call::{Answer, Call, CallError};
use crate::host::{Host, Proxy};
use crate::signal::Signal;
use crate::vm::hub::{Hub, Place};

pub(crate) struct RootInner {
    pub host: Rc<dyn Proxy>,
    pub hub: Rc<Hub>,
    pub place: Place,
    pub nudged: Cell<bool>,
    /// Numbers of the callouts that this task awaits.
    pub awaited: RefCell<Vec<u32>>,
    pub answers: RefCell<Vec<(u32, Result<Answer, CallError>)>>,
}

/// Handle of a background task.
#[derive(Clone)]
pub struct Root(pub(crate) Rc<RootInner>);

impl Root {
    pub(crate) fn new(host: Rc<dyn Proxy>, hub: Rc<Hub>, place: Place) -> Self {
        Self(Rc::new(RootInner {
            host,
            hub,
            place,
            nudged: Cell::new(false),
            awaited: RefCell::default(),
            answers: RefCell::default(),
        }))
    }

    pub(crate) fn awaits(&self, number: u32) -> bool {
        self.0.awaited.borrow().contains(&number)
    }

    pub(crate) fn answered(&self, number: u32, answer: Result<Answer, CallError>) {
        self.0.awaited.borrow_mut().retain(|n| *n != number);
        self.0.answers.borrow_mut().push((number, answer));
    }

    pub(crate) fn nudge(&self) {
        self.0.nudged.set(true);
    }

    /// The proxy.
    pub fn host(&self) -> &dyn Host {
        &*self.0.host
    }

    /// What all configurations of this VM have in common under this name: what must not begin anew
    /// with each of them. Made by the first that asks, gone with the last that holds it.
    pub fn common<T: std::any::Any>(&self, name: &str, make: impl FnOnce() -> T) -> Rc<T> {
        self.0.hub.common(name, make)
    }

    /// Wall clock, nanoseconds since the Unix epoch.
    pub fn now_ns(&self) -> u64 {
        self.0.host.now_ns()
    }

    /// Sleeps until `until_ns` (wall clock), to the precision of the filter's tick, or until an
    /// exchange nudges the task. `true` when nudged.
    pub async fn sleep_until(&self, until_ns: u64) -> bool {
        poll_fn(|_| {
            if self.0.nudged.replace(false) {
                Poll::Ready(true)
            } else if self.now_ns() >= until_ns {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Makes an HTTP callout and suspends the task until it answers.
    ///
    /// # Errors
    /// Everything but an answer; see [`CallError`].
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let number = call.dispatch(&*self.0.host)?;
        self.0.hub.expect_answer(number, self.0.place, call.limit());
        self.0.awaited.borrow_mut().push(number);
        poll_fn(|_| {
            let mut answers = self.0.answers.borrow_mut();
            match answers.iter().position(|(n, _)| *n == number) {
                Some(at) => Poll::Ready(answers.swap_remove(at).1),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Wakes every exchange of this VM that waits for the signal.
    pub fn notify(&self, signal: &Signal) {
        signal.give(&self.0.hub);
    }
}
