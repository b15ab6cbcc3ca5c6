//! The circuits of targets in the memory that workers share.
//!
//! Each target that may be taken out has one [`Record`] there, under a key that follows from the
//! configuration: so they are as many as targets, whatever clients send. A state that cannot be
//! read or written changes nothing: the target is in, and what came of the request is not counted.

use modelgate_kit::shared_data::{Store, StoreFailed, Swap, create};

use crate::circuit::{Admission, Outcome, Record, Rules, State};

/// Writes that are tried for one record before it is left as it is.
const TRIES: u32 = 8;

/// Whether a request may go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It may.
    In,
    /// It may, as part of a trial.
    OnTrial,
    /// It may not.
    Out,
}

/// What an outcome has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    /// Where the target stands now.
    pub state: State,
    /// It stood otherwise before.
    pub changed: bool,
}

/// The circuits of one model's targets.
pub(crate) struct Watch<'a> {
    pub store: &'a dyn Store,
    pub rules: &'a Rules,
    pub now_ns: u64,
}

impl Watch<'_> {
    /// What is known of a target.
    pub fn record(&self, key: &str) -> Result<Record, StoreFailed> {
        Ok(self.load(key)?.0)
    }

    /// Whether a request may go to the target now.
    pub fn admit(&self, key: &str) -> Result<Admitted, StoreFailed> {
        for _ in 0..TRIES {
            let Some((bytes, cas)) = self.store.load(key)? else {
                return Ok(Admitted::In);
            };
            // That of most requests: nothing else of the record is read.
            if Record::is_in(&bytes) {
                return Ok(Admitted::In);
            }
            let record = Record::decode(&bytes).unwrap_or_default();
            match record.admit(self.rules, self.now_ns) {
                Admission::In => return Ok(Admitted::In),
                Admission::Out => return Ok(Admitted::Out),
                Admission::OnTrial(next) => {
                    if self.save(key, &next, Some(cas))? == Swap::Done {
                        return Ok(Admitted::OnTrial);
                    }
                }
            }
        }
        // Others were faster each time: the trial has its requests.
        Ok(Admitted::Out)
    }

    /// Counts what came of a request.
    pub fn report(
        &self,
        key: &str,
        outcome: Outcome,
        on_trial: bool,
    ) -> Result<Reported, StoreFailed> {
        for _ in 0..TRIES {
            let (record, cas) = self.load(key)?;
            let before = record.state();
            let Some(next) = record.after(self.rules, self.now_ns, outcome, on_trial) else {
                return Ok(Reported {
                    state: before,
                    changed: false,
                });
            };
            if self.save(key, &next, cas)? == Swap::Done {
                let state = next.state();
                return Ok(Reported {
                    state,
                    changed: state != before,
                });
            }
        }
        Err(StoreFailed)
    }

    fn load(&self, key: &str) -> Result<(Record, Option<u32>), StoreFailed> {
        Ok(match self.store.load(key)? {
            Some((bytes, cas)) => (Record::decode(&bytes).unwrap_or_default(), Some(cas)),
            None => (Record::default(), None),
        })
    }

    fn save(&self, key: &str, record: &Record, cas: Option<u32>) -> Result<Swap, StoreFailed> {
        let bytes = record.encode();
        match cas {
            Some(cas) => self.store.swap(key, &bytes, cas),
            None => create(self.store, key, &bytes),
        }
    }
}
