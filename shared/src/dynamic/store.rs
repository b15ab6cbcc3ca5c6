//! The key-value store that all workers and all entries share, with compare-and-swap: what
//! proxy-wasm calls shared data. Envoy has nothing of the kind for modules, so it is the process's.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::host::Status;

/// Parts with a lock each, so that workers hardly ever wait for each other.
const SHARDS: usize = 64;

type Shard = Mutex<HashMap<Box<str>, (Vec<u8>, u32)>>;

/// Values by key, each with the number of its last change.
#[derive(Default)]
pub struct Store {
    shards: Vec<Shard>,
    hasher: RandomState,
}

/// A lock that a panic elsewhere does not spoil: what it guards is whole after every statement.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// That of the process.
    pub fn of_process() -> &'static Self {
        static STORE: LazyLock<Store> = LazyLock::new(Store::new);
        &STORE
    }

    fn shard(&self, key: &str) -> Result<&Shard, Status> {
        let shards = u64::try_from(SHARDS).map_err(|_| Status::InternalFailure)?;
        let at = self.hasher.hash_one(key).checked_rem(shards);
        let at = at.and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.shards.get(at))
            .ok_or(Status::InternalFailure)
    }

    /// A value and the number of its last change.
    ///
    /// # Errors
    /// [`Status::NotFound`].
    pub fn get(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        let shard = lock(self.shard(key)?);
        shard.get(key).cloned().ok_or(Status::NotFound)
    }

    /// Writes a value whose last change has the number `cas`; 0 writes in any case.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] where it was changed meanwhile.
    pub fn set(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let mut shard = lock(self.shard(key)?);
        match shard.get_mut(key) {
            Some((_, number)) if cas != 0 && cas != *number => Err(Status::CasMismatch),
            Some((old, number)) => {
                old.clear();
                old.extend_from_slice(value);
                *number = number.wrapping_add(1).max(1);
                Ok(())
            }
            None => {
                shard.insert(key.into(), (value.to_vec(), 1));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_changed_by_whoever_has_read_it_last() {
        let store = Store::new();
        assert_eq!(store.get("k"), Err(Status::NotFound));
        store.set("k", b"one", 0).unwrap();
        let (value, number) = store.get("k").unwrap();
        assert_eq!(value, b"one");
        store.set("k", b"two", number).unwrap();
        assert_eq!(store.set("k", b"late", number), Err(Status::CasMismatch));
        assert_eq!(store.get("k").unwrap().0, b"two");
        store.set("k", b"in any case", 0).unwrap();
        assert_eq!(store.get("k").unwrap().0, b"in any case");
    }

    #[test]
    fn counting_on_several_threads_loses_nothing() {
        let store = Store::new();
        store.set("n", &0_u64.to_le_bytes(), 0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        loop {
                            let (value, number) = store.get("n").unwrap();
                            let count = u64::from_le_bytes(value.try_into().unwrap()) + 1;
                            if store.set("n", &count.to_le_bytes(), number).is_ok() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(store.get("n").unwrap().0, 2_000_u64.to_le_bytes());
    }
}
