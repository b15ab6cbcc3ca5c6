//! What the contexts of one VM share: which context awaits which answer, who is to be woken, who
//! waits until when.

use std::any::Any;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::call::Limit;

/// Where a filter runs: a context of the proxy, and the filter's number in the chain that the
/// context is (0 where it is one filter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub context: u32,
    pub link: usize,
}

/// An answer that somebody awaits.
#[derive(Clone, Copy)]
pub(crate) struct Awaited {
    pub number: u32,
    pub place: Place,
    /// How much of it is taken.
    pub limit: Limit,
}

/// Shared by the contexts of one VM.
#[derive(Default)]
pub struct Hub {
    awaited: RefCell<Vec<Awaited>>,
    wakes: RefCell<Vec<Place>>,
    nudges: RefCell<Vec<Place>>,
    deadlines: RefCell<Vec<(u64, Place)>>,
    commons: RefCell<Vec<(String, Weak<dyn Any>)>>,
}

impl Hub {
    /// The value under this name that all configurations in this VM have in common: made by the
    /// first that asks, gone with the last that holds it.
    pub(crate) fn common<T: Any>(&self, name: &str, make: impl FnOnce() -> T) -> Rc<T> {
        let mut commons = self.commons.borrow_mut();
        let held = commons.iter().find(|(known, _)| known == name);
        let held = held.and_then(|(_, held)| held.upgrade());
        if let Some(Ok(held)) = held.map(|held| held.downcast::<T>()) {
            return held;
        }
        let made = Rc::new(make());
        commons.retain(|(known, held)| held.strong_count() > 0 && known != name);
        let weak: Weak<T> = Rc::downgrade(&made);
        commons.push((name.to_owned(), weak));
        made
    }

    /// Notes that the answer with this number belongs to this place.
    pub(crate) fn expect_answer(&self, number: u32, place: Place, limit: Limit) {
        self.awaited.borrow_mut().push(Awaited {
            number,
            place,
            limit,
        });
    }

    /// Whoever awaits this number; from now on nobody does.
    pub(crate) fn claim(&self, number: u32) -> Option<Awaited> {
        let mut awaited = self.awaited.borrow_mut();
        let at = awaited.iter().position(|a| a.number == number)?;
        Some(awaited.swap_remove(at))
    }

    /// Forgets a context that is gone.
    pub(crate) fn forget(&self, context: u32) {
        self.awaited
            .borrow_mut()
            .retain(|a| a.place.context != context);
        self.deadlines
            .borrow_mut()
            .retain(|(_, place)| place.context != context);
        self.wakes
            .borrow_mut()
            .retain(|place| place.context != context);
    }

    /// Exchanges to be woken as soon as they may be.
    pub(crate) fn wake(&self, places: &mut Vec<Place>) {
        self.wakes.borrow_mut().append(places);
    }

    pub(crate) fn nudge(&self, root: Place) {
        let mut nudges = self.nudges.borrow_mut();
        if !nudges.contains(&root) {
            nudges.push(root);
        }
    }

    /// Asks to be polled once `at_ns` has passed.
    pub(crate) fn watch(&self, at_ns: u64, place: Place) {
        self.deadlines.borrow_mut().push((at_ns, place));
    }

    /// Whether a root is to be woken.
    pub(crate) fn has_nudges(&self) -> bool {
        !self.nudges.borrow().is_empty()
    }

    /// The roots to be woken now.
    pub(crate) fn take_nudges(&self) -> Vec<Place> {
        self.nudges.take()
    }

    /// The exchanges to be woken now.
    pub(crate) fn take_wakes(&self) -> Vec<Place> {
        self.wakes.take()
    }

    /// The exchanges whose time has come.
    pub(crate) fn take_due(&self, now_ns: u64) -> Vec<Place> {
        let mut deadlines = self.deadlines.borrow_mut();
        let due = deadlines
            .iter()
            .filter(|(at, _)| *at <= now_ns)
            .map(|(_, place)| *place)
            .collect();
        deadlines.retain(|(at, _)| *at > now_ns);
        due
    }
}
