//! Shared data and shared queues, by `vm_id`: seen by every VM with that id on every thread.
//!
//! Compare-and-swap as Envoy does it (proxy-wasm-cpp-host, shared_data.cc): every write takes the
//! next number of one counter; a write with number 0, and a first write with any number, always
//! succeeds. Nothing is ever evicted, unless the profile says how much there is. nginx has zones
//! for it (ngx_wa_shm_kv.c).

use std::collections::{BTreeMap, VecDeque};

use crate::abi::{HostResult, Status};
use crate::ids::{ContextId, QueueId, VmId};
use crate::rules::profile::{SharedDataRules, Zone, Zones};

/// Values and queues.
#[derive(Debug)]
pub(crate) struct Shared {
    values: BTreeMap<(String, Vec<u8>), Entry>,
    last_cas: u32,
    /// How often values were read or written.
    uses: u64,
    /// Bytes in use in each zone, where there is an end to them.
    used: BTreeMap<String, usize>,
    rules: SharedDataRules,
    queues: Vec<Queue>,
}

/// A value.
#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    cas: u32,
    /// Its place in the order of use.
    used_at: u64,
}

#[derive(Debug)]
struct Queue {
    vm_id: String,
    name: Vec<u8>,
    /// Who gets `on_queue_ready`: the VM that registered last, and its root context.
    reader: Reader,
    entries: VecDeque<Vec<u8>>,
}

/// A root context that consumes a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    pub vm: VmId,
    pub context: ContextId,
}

impl Shared {
    pub fn new(rules: SharedDataRules) -> Self {
        Self {
            values: BTreeMap::new(),
            last_cas: 0,
            uses: 0,
            used: BTreeMap::new(),
            rules,
            queues: Vec::new(),
        }
    }

    pub fn value(&mut self, vm_id: &str, key: &[u8]) -> HostResult<(Vec<u8>, u32)> {
        let key = self.key(vm_id, key);
        self.uses = self.uses.saturating_add(1);
        let entry = self.values.get_mut(&key).ok_or(Status::NotFound)?;
        entry.used_at = self.uses;
        Ok((entry.value.clone(), entry.cas))
    }

    /// Writes a value. `CasMismatch` where the number is not the right one, `InternalFailure` where
    /// it would not fit even alone.
    pub fn set(&mut self, vm_id: &str, key: &[u8], value: &[u8], cas: u32) -> HostResult<()> {
        let zone = self.zone(key);
        let key = self.key(vm_id, key);
        let bytes = room(&key.1, value);
        let current = self.values.get(&key).map(|entry| entry.cas);
        let writes = match current {
            Some(current) if self.rules.zero_only_creates => cas == current,
            Some(current) => cas == 0 || cas == current,
            None => cas == 0 || !self.rules.zero_only_creates,
        };
        if !writes {
            return Err(Status::CasMismatch);
        }
        if self.rules.empty_removes {
            // Numbers belong to an entry here, and begin anew with it.
            if value.is_empty() {
                self.forget(&key);
                return Ok(());
            }
            self.last_cas = current.unwrap_or_default();
        }
        self.forget(&key);
        if let Some(most) = zone.map(|zone| zone.bytes) {
            if bytes > most {
                return Err(Status::InternalFailure);
            }
            while self.used_in(&key.0).saturating_add(bytes) > most {
                self.evict(&key.0);
            }
        }
        let used = self.used.entry(key.0.clone()).or_default();
        *used = used.saturating_add(bytes);
        self.uses = self.uses.saturating_add(1);
        self.last_cas = self.last_cas.wrapping_add(1).max(1);
        let entry = Entry {
            value: value.to_owned(),
            cas: self.last_cas,
            used_at: self.uses,
        };
        self.values.insert(key, entry);
        Ok(())
    }

    fn forget(&mut self, key: &(String, Vec<u8>)) {
        if let Some(entry) = self.values.remove(key) {
            let used = self.used.entry(key.0.clone()).or_default();
            *used = used.saturating_sub(room(&key.1, &entry.value));
        }
    }

    /// Forgets what was not used for the longest time in a zone.
    fn evict(&mut self, zone: &str) {
        let values = self.values.iter().filter(|((owner, _), _)| owner == zone);
        let oldest = values.min_by_key(|(_, entry)| entry.used_at);
        match oldest.map(|(key, _)| key.clone()) {
            Some(key) => self.forget(&key),
            None => {
                self.used.remove(zone);
            }
        }
    }

    fn used_in(&self, zone: &str) -> usize {
        self.used.get(zone).copied().unwrap_or_default()
    }

    /// Whether there is a place for a key.
    pub fn has_place(&self, key: &[u8]) -> bool {
        self.rules.zones == Zones::Unbounded || self.zone(key).is_some()
    }

    /// The zone of a key, where there are zones.
    fn zone(&self, key: &[u8]) -> Option<Zone> {
        let Zones::Named(zones) = self.rules.zones else {
            return None;
        };
        let named = |name: &[u8]| zones.iter().find(|zone| zone.name.as_bytes() == name);
        let prefix = key.iter().position(|byte| *byte == b'/');
        let own = prefix.and_then(|end| key.get(..end)).and_then(named);
        own.or_else(|| named(b"*")).copied()
    }

    fn key(&self, vm_id: &str, key: &[u8]) -> (String, Vec<u8>) {
        let owner = match self.zone(key) {
            Some(zone) => zone.name,
            None if self.rules.common_to_all => "",
            None => vm_id,
        };
        let key = match self.rules.keys_are_checksums {
            true => crc32fast::hash(key).to_be_bytes().to_vec(),
            false => key.to_owned(),
        };
        (owner.to_owned(), key)
    }

    /// Registers a queue, or takes it over; its entries stay.
    pub fn register(&mut self, vm_id: &str, name: &[u8], reader: Reader) -> QueueId {
        if let Ok(id) = self.resolve(vm_id, name) {
            if let Ok(queue) = self.queue(id) {
                queue.reader = reader;
            }
            return id;
        }
        self.queues.push(Queue {
            vm_id: vm_id.to_owned(),
            name: name.to_owned(),
            reader,
            entries: VecDeque::new(),
        });
        QueueId(u32::try_from(self.queues.len()).unwrap_or(u32::MAX))
    }

    pub fn resolve(&self, vm_id: &str, name: &[u8]) -> HostResult<QueueId> {
        let index = self
            .queues
            .iter()
            .position(|queue| queue.vm_id == vm_id && queue.name == name);
        index
            .and_then(|index| u32::try_from(index.saturating_add(1)).ok())
            .map(QueueId)
            .ok_or(Status::NotFound)
    }

    /// Adds an entry; gives who gets `on_queue_ready`.
    pub fn enqueue(&mut self, id: QueueId, entry: &[u8]) -> HostResult<Reader> {
        let queue = self.queue(id)?;
        queue.entries.push_back(entry.to_owned());
        Ok(queue.reader)
    }

    pub fn dequeue(&mut self, id: QueueId) -> HostResult<Vec<u8>> {
        self.queue(id)?.entries.pop_front().ok_or(Status::Empty)
    }

    fn queue(&mut self, id: QueueId) -> HostResult<&mut Queue> {
        let index = usize::try_from(id.0)
            .ok()
            .and_then(|number| number.checked_sub(1))
            .ok_or(Status::NotFound)?;
        self.queues.get_mut(index).ok_or(Status::NotFound)
    }
}

/// Bytes that a value takes: key, value and what the host keeps with them, as nginx's slab
/// allocator gives them: in blocks of powers of two up to half a page, and in pages beyond that.
fn room(key: &[u8], value: &[u8]) -> usize {
    const KEPT_WITH_IT: usize = 96;
    const PAGE: usize = 4096;
    let bytes = key
        .len()
        .saturating_add(value.len())
        .saturating_add(KEPT_WITH_IT);
    match bytes > PAGE / 2 {
        true => bytes.div_ceil(PAGE).saturating_mul(PAGE),
        false => bytes.next_power_of_two(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: Reader = Reader {
        vm: VmId(0),
        context: ContextId(1),
    };

    #[test]
    fn a_stale_number_is_refused_and_zero_always_writes() {
        let mut shared = Shared::new(crate::profile::ENVOY.shared_data);
        assert_eq!(shared.value("v", b"k"), Err(Status::NotFound));
        assert_eq!(
            shared.set("v", b"k", b"1", 77),
            Ok(()),
            "a first write takes any number"
        );
        let (_, cas) = shared.value("v", b"k").unwrap();
        assert_eq!(
            shared.set("v", b"k", b"2", cas + 1),
            Err(Status::CasMismatch)
        );
        assert_eq!(shared.set("v", b"k", b"2", cas), Ok(()));
        assert_eq!(shared.set("v", b"k", b"3", cas), Err(Status::CasMismatch));
        assert_eq!(shared.set("v", b"k", b"", 0), Ok(()));
        assert_eq!(shared.value("v", b"k").unwrap().0, b"");
        assert_eq!(
            shared.value("w", b"k"),
            Err(Status::NotFound),
            "another vm_id has its own data"
        );
    }

    #[test]
    fn queues_keep_order_and_say_when_they_are_empty() {
        let mut shared = Shared::new(crate::profile::ENVOY.shared_data);
        let number = shared.register("v", b"q", READER);
        assert_eq!(shared.register("v", b"q", READER), number);
        assert_eq!(shared.resolve("v", b"q"), Ok(number));
        assert_eq!(shared.resolve("w", b"q"), Err(Status::NotFound));
        assert_eq!(shared.enqueue(number, b"1"), Ok(READER));
        assert_eq!(shared.enqueue(number, b"2"), Ok(READER));
        assert_eq!(shared.dequeue(number), Ok(b"1".to_vec()));
        assert_eq!(shared.dequeue(number), Ok(b"2".to_vec()));
        assert_eq!(shared.dequeue(number), Err(Status::Empty));
        assert_eq!(shared.dequeue(QueueId(0)), Err(Status::NotFound));
        assert_eq!(shared.enqueue(QueueId(9), b""), Err(Status::NotFound));
    }
}
