//! Who may fetch, and when: one small record, changed by compare-and-swap, in shared data or in the
//! memory of one VM.
//!
//! Every worker, and every configuration, runs the same background task. Whoever swaps the record
//! from free to taken is the one that fetches; all others see until when that holds. The same
//! record then says when the next fetch is allowed at all: after a success the least interval has
//! to pass, after a failure a back-off that doubles. A leader that dies is replaced when its time
//! is over.
//!
//! What is read is not trusted: a record that is torn, foreign or holds a time far off counts as
//! free.

use crate::shared_data::{Store, StoreFailed, Swap, create};

/// Longest hold that is believed, in milliseconds: above every interval that can be configured.
const FURTHEST_MS: u64 = 3_600_000 * 2;
/// First back-off after a failure, in milliseconds; it doubles with each further one.
const BACK_OFF_MS: u64 = 1000;
/// Why nobody may fetch now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Hold {
    /// Somebody fetches at this moment.
    Fetching = 1,
    /// It has just been fetched.
    Fresh = 2,
    /// The last fetch failed.
    Failed = 3,
}

/// The record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    hold: Hold,
    until_ms: u64,
    failures: u32,
}

impl Record {
    fn encode(self) -> [u8; 14] {
        let mut bytes = [0; 14];
        let (head, rest) = bytes.split_at_mut(2);
        head.copy_from_slice(&[1, self.hold as u8]);
        let (until, failures) = rest.split_at_mut(8);
        until.copy_from_slice(&self.until_ms.to_le_bytes());
        failures.copy_from_slice(&self.failures.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let failures: &[u8; 4] = rest.try_into().ok()?;
        let hold = match head {
            [1, 1] => Hold::Fetching,
            [1, 2] => Hold::Fresh,
            [1, 3] => Hold::Failed,
            _ => return None,
        };
        Some(Self {
            hold,
            until_ms: u64::from_le_bytes(*until),
            failures: u32::from_le_bytes(*failures),
        })
    }
}

/// What an attempt to become the leader came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// We may fetch; so many fetches have failed in a row before.
    Taken {
        /// Failures in a row.
        failures: u32,
    },
    /// Not before this time, in milliseconds since 1970.
    Held(Hold, u64),
}

/// The lease of one source.
#[derive(Debug)]
pub struct Lease {
    key: String,
}

impl Lease {
    /// The lease under this key of its store.
    pub const fn new(key: String) -> Self {
        Self { key }
    }

    /// Tries to become the one who fetches, for at most `hold_ms`.
    ///
    /// # Errors
    /// When the host has no shared data for us.
    pub fn take(
        &self,
        store: &dyn Store,
        now_ms: u64,
        hold_ms: u64,
    ) -> Result<Attempt, StoreFailed> {
        let taken = |failures| {
            Record {
                hold: Hold::Fetching,
                until_ms: now_ms.saturating_add(hold_ms),
                failures,
            }
            .encode()
        };
        let (swap, failures) = match store.load(&self.key)? {
            None => (create(store, &self.key, &taken(0))?, 0),
            Some((bytes, cas)) => {
                let before = Record::decode(&bytes)
                    .filter(|record| record.until_ms <= now_ms.saturating_add(FURTHEST_MS));
                if let Some(record) = before
                    && now_ms < record.until_ms
                {
                    return Ok(Attempt::Held(record.hold, record.until_ms));
                }
                let failures = before.map_or(0, |record| record.failures);
                (store.swap(&self.key, &taken(failures), cas)?, failures)
            }
        };
        Ok(match swap {
            Swap::Done => Attempt::Taken { failures },
            Swap::Mismatch => Attempt::Held(Hold::Fetching, now_ms.saturating_add(hold_ms)),
        })
    }

    /// The leader is done: nobody fetches again for `interval_ms`.
    ///
    /// # Errors
    /// When the host has no shared data for us.
    pub fn succeed(
        &self,
        store: &dyn Store,
        now_ms: u64,
        interval_ms: u64,
    ) -> Result<(), StoreFailed> {
        self.write(
            store,
            Record {
                hold: Hold::Fresh,
                until_ms: now_ms.saturating_add(interval_ms),
                failures: 0,
            },
        )
    }

    /// The leader has failed after `failures` others: nobody fetches again before the back-off is
    /// over, at the time that is returned. It is `most_ms` at most; `random` spreads it.
    ///
    /// # Errors
    /// When the host has no shared data for us.
    pub fn fail(
        &self,
        store: &dyn Store,
        now_ms: u64,
        failures: u32,
        most_ms: u64,
        random: u64,
    ) -> Result<u64, StoreFailed> {
        let until_ms = now_ms.saturating_add(back_off_ms(failures, most_ms, random));
        self.write(
            store,
            Record {
                hold: Hold::Failed,
                until_ms,
                failures: failures.saturating_add(1),
            },
        )?;
        Ok(until_ms)
    }

    fn write(&self, store: &dyn Store, record: Record) -> Result<(), StoreFailed> {
        // Whoever took the lease over after our time was up has written since; then its word
        // counts, not ours.
        if let Some((_, cas)) = store.load(&self.key)? {
            store.swap(&self.key, &record.encode(), cas)?;
        }
        Ok(())
    }
}

/// 1 s, 2 s, 4 s … `most_ms`, each shortened by up to a quarter.
fn back_off_ms(failures: u32, most_ms: u64, random: u64) -> u64 {
    let whole = BACK_OFF_MS
        .saturating_mul(1 << failures.min(10))
        .min(most_ms);
    whole.saturating_sub(random % (whole / 4).max(1))
}
