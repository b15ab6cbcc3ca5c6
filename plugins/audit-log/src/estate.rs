//! What a configuration leaves behind: events that were queued when it was replaced, kept in shared
//! data until another one ships them.
//!
//! A proxy that is given a new configuration ends the old root context, and with it the queue and
//! whatever was in flight. What was held is written to one of a few places in shared data; the
//! background of every configuration looks for it. Whoever sends to the same receiver takes it at
//! once. Where nobody does, because the receiver itself was changed, the entry of the same name
//! takes it a little later. So it also passes from a VM that is replaced to the new one, and from a
//! worker to another.
//!
//! Memory is bounded: [`PLACES`] values, each no larger than one queue, emptied when they are
//! taken. Hosts cannot delete a key.

use modelgate_kit::host::Host;
use modelgate_kit::shared_data::{SharedData, Store, Swap, create};

/// How many workers' queues can wait to be taken.
pub const PLACES: usize = 64;

/// How long what was left is kept for a configuration with the same receiver, in milliseconds.
pub const RESERVED_MS: u64 = 3_000;

/// After this time, in milliseconds, what nobody has taken is given up by whoever sees it.
pub const ABANDONED_MS: u64 = 600_000;

/// Changes with everything that is left behind, so that one look at it says whether to look
/// further.
const BELL: &str = "modelgate.audit_log.left.bell";

/// A place with nothing in it. Hosts do not all keep empty values.
const NOTHING: &[u8] = b"\0";

/// Begins every value; another version reads none of it.
const MAGIC: &[u8; 4] = b"MGA1";

/// Tries to write against other workers.
const TRIES: usize = 4;

/// An event as it waits: when it was queued (milliseconds since the Unix epoch), and its record.
pub type Waiting = (u64, Vec<u8>);

/// Events that a configuration has left behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Estate {
    /// Names the receiver.
    pub target: u64,
    /// The proxy's name for the entry.
    pub entry: Vec<u8>,
    /// When they were left, in milliseconds since the Unix epoch.
    pub left_ms: u64,
    /// The events, the oldest first.
    pub events: Vec<Waiting>,
}

impl Estate {
    fn encode(&self) -> Option<Vec<u8>> {
        let bytes = self
            .events
            .iter()
            .map(|(_, record)| record.len().saturating_add(12))
            .fold(64, usize::saturating_add);
        let mut out = Vec::with_capacity(bytes.saturating_add(self.entry.len()));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.target.to_le_bytes());
        out.extend_from_slice(&self.left_ms.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.entry.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&self.entry);
        for (at_ms, record) in &self.events {
            out.extend_from_slice(&at_ms.to_le_bytes());
            out.extend_from_slice(&u32::try_from(record.len()).ok()?.to_le_bytes());
            out.extend_from_slice(record);
        }
        Some(out)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut estate = Self {
            target: number(&mut rest)?,
            left_ms: number(&mut rest)?,
            entry: text(&mut rest)?,
            events: Vec::new(),
        };
        while !rest.is_empty() {
            estate.events.push((number(&mut rest)?, text(&mut rest)?));
        }
        Some(estate)
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (word, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_le_bytes(*word))
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (text, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(text.to_vec())
}

fn place(number: usize) -> String {
    format!("modelgate.audit_log.left.{number}")
}

/// Leaves events behind. `false` where there is no place for them, the host does not take them, or
/// nobody comes after us (see `replaces_configurations` of the host's rules).
pub fn leave(host: &dyn Host, estate: &Estate) -> bool {
    if !host.rules().replaces_configurations {
        return false;
    }
    let Some(value) = estate.encode() else {
        return false;
    };
    let store = SharedData(host);
    for number in 0..PLACES {
        let key = place(number);
        let left = match store.load(&key) {
            Err(_) => return false,
            Ok(None) => create(&store, &key, &value),
            Ok(Some((held, cas))) if held == NOTHING => store.swap(&key, &value, cas),
            // Somebody else's.
            Ok(Some(_)) => continue,
        };
        match left {
            Ok(Swap::Done) => {
                // Any number will do that was not there before.
                let _ = host.set_shared(BELL, &host.random().to_le_bytes(), 0);
                return true;
            }
            Ok(Swap::Mismatch) => {}
            Err(_) => return false,
        }
    }
    false
}

/// What to do with something that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Take it.
    Take,
    /// Look again at this time, in milliseconds since the Unix epoch.
    Later(u64),
    /// It is somebody else's.
    Leave,
}

/// Looks for what was left behind.
#[derive(Debug, Default)]
pub struct Heir {
    heard: Vec<u8>,
    again_ms: Option<u64>,
}

impl Heir {
    /// One thing that was left and that `claims` says to take. Costs one look at shared data where
    /// nothing has changed.
    pub fn look(
        &mut self,
        host: &dyn Host,
        now_ms: u64,
        claims: impl Fn(&Estate) -> Claim,
    ) -> Option<Estate> {
        if !host.rules().replaces_configurations {
            return None;
        }
        let (bell, _) = host.shared(BELL).ok()?;
        if bell == self.heard && self.again_ms.is_none_or(|again| now_ms < again) {
            return None;
        }
        self.heard = bell;
        self.again_ms = None;
        let store = SharedData(host);
        for number in 0..PLACES {
            let key = place(number);
            for _ in 0..TRIES {
                // Places are taken in order: behind one that never was there is none.
                let (value, cas) = store.load(&key).ok()??;
                if value == NOTHING {
                    break;
                }
                let estate = Estate::decode(&value);
                match estate.as_ref().map(&claims) {
                    Some(Claim::Leave) => break,
                    Some(Claim::Later(at_ms)) => {
                        self.again_ms = Some(self.again_ms.map_or(at_ms, |again| again.min(at_ms)));
                        break;
                    }
                    // What cannot be read is nobody's, and only fills the place.
                    Some(Claim::Take) | None => {}
                }
                match store.swap(&key, NOTHING, cas) {
                    Ok(Swap::Done) => {
                        // There may be more; other workers are left their share.
                        self.again_ms = Some(now_ms);
                        if estate.is_some() {
                            return estate;
                        }
                        break;
                    }
                    Ok(Swap::Mismatch) => {}
                    Err(_) => return None,
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelgate_kit::host::Status;
    use modelgate_kit::testing::FakeProxy;

    fn estate(target: u64) -> Estate {
        Estate {
            target,
            entry: b"audit".to_vec(),
            left_ms: 7,
            events: vec![(1, b"a".to_vec()), (2, Vec::new()), (3, b"ccc".to_vec())],
        }
    }

    #[test]
    fn what_is_left_is_taken_once_and_whole() {
        let proxy = FakeProxy::new(0);
        assert!(leave(&*proxy, &estate(1)));
        assert!(leave(&*proxy, &estate(2)));
        let (mut one, mut other) = (Heir::default(), Heir::default());
        let mine = |wanted| {
            move |estate: &Estate| match estate.target == wanted {
                true => Claim::Take,
                false => Claim::Leave,
            }
        };
        assert_eq!(one.look(&*proxy, 0, mine(2)), Some(estate(2)));
        assert_eq!(one.look(&*proxy, 0, mine(2)), None);
        assert_eq!(other.look(&*proxy, 0, mine(2)), None);
        assert_eq!(Heir::default().look(&*proxy, 0, mine(1)), Some(estate(1)));
        assert_eq!(Heir::default().look(&*proxy, 0, |_| Claim::Take), None);
    }

    #[test]
    fn what_is_reserved_is_looked_at_again_in_time() {
        let proxy = FakeProxy::new(0);
        assert!(leave(&*proxy, &estate(1)));
        let mut heir = Heir::default();
        assert_eq!(heir.look(&*proxy, 0, |_| Claim::Later(500)), None);
        assert_eq!(heir.look(&*proxy, 499, |_| Claim::Take), None);
        assert_eq!(heir.look(&*proxy, 500, |_| Claim::Take), Some(estate(1)));
    }

    #[test]
    fn places_are_few_and_used_again() {
        let proxy = FakeProxy::new(0);
        let mut heir = Heir::default();
        for _ in 0..200 {
            assert!(leave(&*proxy, &estate(1)));
            assert!(heir.look(&*proxy, 0, |_| Claim::Take).is_some());
        }
        assert_eq!(proxy.shared_keys().len(), 2, "the bell and one place");
        for _ in 0..PLACES {
            assert!(leave(&*proxy, &estate(1)));
        }
        assert!(!leave(&*proxy, &estate(1)));
        assert_eq!(proxy.shared_keys().len(), PLACES + 1);
    }

    #[test]
    fn a_host_that_refuses_is_said_so() {
        let proxy = FakeProxy::new(0);
        proxy.break_shared_data(Some(Status::InternalFailure));
        assert!(!leave(&*proxy, &estate(1)));
        assert_eq!(Heir::default().look(&*proxy, 0, |_| Claim::Take), None);
    }

    #[test]
    fn anything_else_in_a_place_is_cleared_and_gives_nothing() {
        let whole = estate(1).encode().unwrap();
        assert_eq!(Estate::decode(&whole), Some(estate(1)));
        for cut in [0, 3, 11, 25, whole.len() - 1] {
            assert_eq!(Estate::decode(&whole[..cut]), None, "{cut}");
        }
        let proxy = FakeProxy::new(0);
        let host: &dyn Host = &*proxy;
        host.set_shared(&place(0), b"rubbish", 0).unwrap();
        host.set_shared(BELL, b"1", 0).unwrap();
        assert_eq!(Heir::default().look(host, 0, |_| Claim::Take), None);
        assert_eq!(host.shared(&place(0)).unwrap().0, NOTHING);
    }
}
