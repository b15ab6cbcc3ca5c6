//! Where a payload and its lease lie: in the proxy's shared data, or in the memory of this VM.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use crate::host::Host;
use crate::root::Root;
use crate::shared_data::{SharedData, Store, StoreFailed, Swap};

use super::entry::SharedEntry;
use super::lease::{Attempt, Lease};
use super::{Sharing, Source};

/// The place of one source.
pub(super) struct Place<S: Source> {
    lease: Lease,
    kind: Kind<S>,
}

enum Kind<S: Source> {
    Shared(SharedEntry),
    Own {
        name: String,
        slot: OnceCell<Rc<Slot<S::Payload>>>,
    },
}

/// What the configurations of one VM have in common of a source.
struct Slot<P> {
    /// The payload, and when its source was asked for it.
    payload: RefCell<Option<(Rc<P>, u64)>>,
    /// How often that was replaced.
    number: Cell<u32>,
    lease: OneRecord,
}

/// A payload from the place.
pub(super) struct Found<P> {
    pub payload: Rc<P>,
    /// When its source was asked for it.
    pub fetched_ms: u64,
}

impl<S: Source> Place<S> {
    pub fn new(sharing: Sharing) -> Self {
        match sharing {
            Sharing::Shared { key, source } => Self {
                lease: Lease::new(format!("{key}.lease")),
                kind: Kind::Shared(SharedEntry::new(key, source)),
            },
            Sharing::Own { name } => Self {
                lease: Lease::new(String::new()),
                kind: Kind::Own {
                    name,
                    slot: OnceCell::new(),
                },
            },
        }
    }

    /// Finds what other configurations of this VM have.
    pub fn open(&self, root: &Root) {
        if let Kind::Own { name, slot } = &self.kind {
            slot.get_or_init(|| {
                root.common(name, || Slot {
                    payload: RefCell::new(None),
                    number: Cell::new(0),
                    lease: OneRecord::default(),
                })
            });
        }
    }

    /// What lies there, unless its number is still `seen`: its number, and itself if it is newer
    /// than `have_ms` and right.
    pub fn look(
        &self,
        host: &dyn Host,
        source: &S,
        seen: Option<u32>,
        have_ms: u64,
    ) -> Option<(u32, Option<Found<S::Payload>>)> {
        match &self.kind {
            Kind::Shared(shared) => {
                let (entry, number) = shared.look(host, seen)?;
                let read = || source.read_shared(&entry.text).map(Rc::new);
                let payload = if entry.fetched_ms > have_ms {
                    read()
                } else {
                    None
                };
                let found = payload.map(|payload| Found {
                    payload,
                    fetched_ms: entry.fetched_ms,
                });
                Some((number, found))
            }
            Kind::Own { slot, .. } => {
                let slot = slot.get()?;
                let number = slot.number.get();
                if seen == Some(number) {
                    return None;
                }
                let kept = slot.payload.borrow();
                let newer = kept.as_ref().filter(|(_, at_ms)| *at_ms > have_ms);
                let found = newer.map(|(payload, fetched_ms)| Found {
                    payload: Rc::clone(payload),
                    fetched_ms: *fetched_ms,
                });
                Some((number, found))
            }
        }
    }

    /// Puts a payload there.
    pub fn put(&self, host: &dyn Host, source: &S, payload: &Rc<S::Payload>, fetched_ms: u64) {
        match &self.kind {
            Kind::Shared(shared) => {
                if let Some(text) = source.to_shared(payload) {
                    shared.put(host, text, fetched_ms);
                }
            }
            Kind::Own { slot, .. } => {
                if let Some(slot) = slot.get() {
                    *slot.payload.borrow_mut() = Some((Rc::clone(payload), fetched_ms));
                    slot.number.set(slot.number.get().wrapping_add(1));
                }
            }
        }
    }

    /// See [`Lease::take`].
    pub fn take(&self, host: &dyn Host, now_ms: u64, hold_ms: u64) -> Result<Attempt, StoreFailed> {
        self.with_store(host, |store| self.lease.take(store, now_ms, hold_ms))
    }

    /// See [`Lease::succeed`].
    pub fn succeed(&self, host: &dyn Host, now_ms: u64, interval_ms: u64) {
        // Where that is not written, the lease ends with its time.
        let _ = self.with_store(host, |store| self.lease.succeed(store, now_ms, interval_ms));
    }

    /// See [`Lease::fail`].
    pub fn fail(
        &self,
        host: &dyn Host,
        now_ms: u64,
        failures: u32,
        most_ms: u64,
    ) -> Result<u64, StoreFailed> {
        let random = host.random();
        self.with_store(host, |store| {
            self.lease.fail(store, now_ms, failures, most_ms, random)
        })
    }

    /// Whoever leads goes away in the middle of a fetch. In this VM that is known, and the next one
    /// may begin at once; in shared data the lease ends with its time.
    pub fn abandon(&self) {
        if let Kind::Own { slot, .. } = &self.kind
            && let Some(slot) = slot.get()
        {
            slot.lease.0.take();
        }
    }

    fn with_store<T>(
        &self,
        host: &dyn Host,
        act: impl FnOnce(&dyn Store) -> Result<T, StoreFailed>,
    ) -> Result<T, StoreFailed> {
        match &self.kind {
            Kind::Shared(_) => act(&SharedData(host)),
            Kind::Own { slot, .. } => act(&slot.get().ok_or(StoreFailed)?.lease),
        }
    }
}

/// A store with one record, in the memory of this VM.
#[derive(Default)]
pub(super) struct OneRecord(RefCell<Option<(Vec<u8>, u32)>>);

impl Store for OneRecord {
    fn load(&self, _key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        Ok(self.0.borrow().clone())
    }

    fn swap(&self, _key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        let mut record = self.0.borrow_mut();
        let number = record.as_ref().map_or(0, |(_, number)| *number);
        if number != 0 && number != cas {
            return Ok(Swap::Mismatch);
        }
        *record = Some((value.to_vec(), number.wrapping_add(1).max(1)));
        Ok(Swap::Done)
    }
}
