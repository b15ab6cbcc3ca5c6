//! The memory that the workers of a proxy share, with compare-and-swap: what buckets, leases and
//! handed-on events live in.
//!
//! Hosts differ in what a compare-and-swap number means for a key that does not exist yet
//! (measured: Envoy accepts any number and takes 0 for "write in any case"; nginx takes only 0, and
//! there 0 never overwrites). [`create`] is the one place that copes with both.

use crate::host::{Host, Status};

/// The host refused to read or write shared data for another reason than a lost race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFailed;

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The value is written.
    Done,
    /// Someone else wrote first; nothing is written.
    Mismatch,
}

/// Shared data with compare-and-swap. What it returns is not trusted: values may be torn, foreign
/// or gone.
pub trait Store {
    /// The value of a key and its compare-and-swap number, or `None` where the key does not exist.
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed>;
    /// Writes the value if the key's number is still `cas`.
    fn swap(&self, key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed>;
}

/// The shared data of a host.
pub struct SharedData<'a>(pub &'a dyn Host);

impl Store for SharedData<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        match self.0.shared(key) {
            Ok(found) => Ok(Some(found)),
            Err(Status::NotFound) => Ok(None),
            Err(_) => Err(StoreFailed),
        }
    }

    fn swap(&self, key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        match self.0.set_shared(key, value, cas) {
            Ok(()) => Ok(Swap::Done),
            Err(Status::CasMismatch) => Ok(Swap::Mismatch),
            Err(_) => Err(StoreFailed),
        }
    }
}

/// Creates a key that does not exist, on any host. `Mismatch` means that it exists (by now).
pub fn create(store: &dyn Store, key: &str, value: &[u8]) -> Result<Swap, StoreFailed> {
    // No key ever has this number, so a key that appeared meanwhile is not overwritten; 0 would
    // overwrite it on Envoy.
    if store.swap(key, value, u32::MAX)? == Swap::Done {
        return Ok(Swap::Done);
    }
    if store.load(key)?.is_some() {
        return Ok(Swap::Mismatch);
    }
    // A host that refuses every number but 0 for a new key: there 0 creates and never overwrites.
    store.swap(key, value, 0)
}
