//! What was found out about tokens, so that each is looked into once per worker.
//!
//! Tokens are found by a seeded hash, which an attacker cannot aim at, and compared byte for byte;
//! of two with the same hash the younger one is remembered. Two generations bound it: when the
//! young one is full it becomes the old one, and the old one is forgotten; what is used again moves
//! to the young one. Whether a remembered token is still good (expiry, rotated keys) is for the
//! caller to check on every hit.

use std::collections::HashMap;
use std::hash::BuildHasher;

use crate::headers::same_bytes;
use foldhash::fast::FixedState;

/// A token with what is known about it.
struct Entry<V> {
    token: Box<[u8]>,
    value: V,
}

impl<V> Entry<V> {
    /// Whether it is this token's.
    fn is_of(&self, token: &[u8]) -> bool {
        same_bytes(&self.token, token)
    }
}

/// A bounded memory from tokens to what was found out about them.
pub struct Cache<V> {
    young: HashMap<u64, Entry<V>, FixedState>,
    old: HashMap<u64, Entry<V>, FixedState>,
    hasher: FixedState,
    half: usize,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most so many entries; 0 remembers nothing.
    pub fn new(entries: usize, seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self {
            young: HashMap::with_hasher(hasher.clone()),
            old: HashMap::with_hasher(hasher.clone()),
            hasher,
            half: entries.div_ceil(2),
        }
    }

    /// What is known about a token.
    pub fn recall(&mut self, token: &[u8]) -> Option<V> {
        let hash = self.hasher.hash_one(token);
        if let Some(entry) = self.young.get(&hash) {
            return entry.is_of(token).then(|| entry.value.clone());
        }
        if !self.old.get(&hash)?.is_of(token) {
            return None;
        }
        let entry = self.old.remove(&hash)?;
        let answer = entry.value.clone();
        self.insert(hash, entry);
        Some(answer)
    }

    /// Remembers a token.
    pub fn remember(&mut self, token: &[u8], value: V) {
        let hash = self.hasher.hash_one(token);
        let token = token.into();
        self.insert(hash, Entry { token, value });
    }

    /// Forgets a token.
    pub fn forget(&mut self, token: &[u8]) {
        let hash = self.hasher.hash_one(token);
        for generation in [&mut self.young, &mut self.old] {
            if generation
                .get(&hash)
                .is_some_and(|entry| entry.is_of(token))
            {
                generation.remove(&hash);
            }
        }
    }

    fn insert(&mut self, hash: u64, entry: Entry<V>) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half {
            let fresh = HashMap::with_hasher(self.young.hasher().clone());
            self.old = std::mem::replace(&mut self.young, fresh);
        }
        self.young.insert(hash, entry);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_is_forgotten_first() {
        let mut cache = Cache::new(4, 7);
        cache.remember(b"a", 1);
        for token in [b"b", b"c", b"d", b"e", b"f", b"g"] {
            cache.remember(token, 0);
            assert_eq!(cache.recall(b"a"), Some(1), "after {token:?}");
        }
        assert_eq!(cache.recall(b"b"), None);
        assert_eq!(cache.recall(b"g"), Some(0));
        cache.forget(b"a");
        assert_eq!(cache.recall(b"a"), None);
    }

    #[test]
    fn a_cache_of_no_entries_remembers_nothing() {
        let mut cache = Cache::new(0, 7);
        cache.remember(b"a", 1);
        assert_eq!(cache.recall(b"a"), None);
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_never_answers_for_another_token(
            entries in 1_usize..20,
            steps in proptest::collection::vec((any::<bool>(), 0_u8..30), 0..200),
        ) {
            let mut cache = Cache::new(entries, 7);
            for (write, token) in steps {
                if write {
                    cache.remember(&[token], token);
                } else if let Some(found) = cache.recall(&[token]) {
                    prop_assert_eq!(found, token);
                }
                prop_assert!(cache.young.len() + cache.old.len() <= entries + 1);
            }
        }
    }
}
