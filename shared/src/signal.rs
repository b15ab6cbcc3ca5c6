//! From the background task to the exchanges that wait for what it brings.

use std::cell::{Cell, RefCell};

use crate::vm::hub::{Hub, Place};

/// Wakes exchanges that wait for the background task, e.g. for fresh keys.
#[derive(Default)]
pub struct Signal {
    generation: Cell<u64>,
    waiting: RefCell<Vec<Place>>,
}

impl Signal {
    /// Counts how often the signal was given.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.get()
    }

    pub(crate) fn add(&self, place: Place) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.contains(&place) {
            waiting.push(place);
        }
    }

    pub(crate) fn give(&self, hub: &Hub) {
        self.generation.set(self.generation.get().wrapping_add(1));
        hub.wake(&mut self.waiting.borrow_mut());
    }
}
