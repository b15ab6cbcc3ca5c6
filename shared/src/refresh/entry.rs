//! What was fetched in shared data, so that one worker's fetch serves all.
//!
//! The entry names the source it was fetched from and when. A reader checks the name: keys of
//! shared data are compared by some hosts by a short hash only, and a foreign entry must never
//! be trusted.

use crate::host::Host;
use serde::{Deserialize, Serialize};

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Format of this entry.
    version: u8,
    /// Source that it was fetched from.
    source: String,
    /// When, in milliseconds since 1970.
    pub fetched_ms: u64,
    /// The payload as its source writes it. The member has the name that it had when only key sets
    /// were kept here: releases that run side by side read each other's.
    #[serde(rename = "jwks")]
    pub text: String,
}

const VERSION: u8 = 1;

/// The place of one source in shared data.
#[derive(Debug)]
pub struct SharedEntry {
    key: String,
    source: String,
}

impl SharedEntry {
    /// The place under this key, for what comes of this source.
    pub const fn new(key: String, source: String) -> Self {
        Self { key, source }
    }

    /// What lies there, unless its number is still `seen`; with its number.
    pub fn look(&self, host: &dyn Host, seen: Option<u32>) -> Option<(Entry, u32)> {
        let (bytes, number) = host.shared(&self.key).ok()?;
        if seen == Some(number) {
            return None;
        }
        let entry: Entry = serde_json::from_slice(&bytes).ok()?;
        (entry.version == VERSION && entry.source == self.source).then_some((entry, number))
    }

    /// Puts a payload there, for all workers. A host without shared data loses it: each worker then
    /// fetches for itself.
    pub fn put(&self, host: &dyn Host, text: String, fetched_ms: u64) {
        let entry = Entry {
            version: VERSION,
            source: self.source.clone(),
            fetched_ms,
            text,
        };
        if let Ok(bytes) = serde_json::to_vec(&entry) {
            let number = host.shared(&self.key).map_or(0, |(_, number)| number);
            // A mismatch means that another worker was faster with one as fresh as ours.
            let _ = host.set_shared(&self.key, &bytes, number);
        }
    }
}
