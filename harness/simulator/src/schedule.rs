//! What is to happen when: events in virtual time, in order, and in the order of arrival where
//! times are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ids::{ContextId, OutboundId, QueueId, StreamId, VmId};
use crate::network::Inbound;

/// Something that is to happen.
#[derive(Debug)]
pub(crate) enum TimedEvent {
    /// The client sends the next piece of its body.
    ClientBody(StreamId, Vec<u8>, bool),
    /// The client sends trailers.
    ClientTrailers(StreamId, crate::rules::headers::Headers),
    /// The client goes away.
    ClientDisconnect(StreamId),
    /// Something arrives in answer to a request of the proxy.
    Arrival(OutboundId, Inbound),
    /// A callout has taken too long.
    CalloutTimeout(OutboundId),
    /// An upstream has taken too long.
    RouteTimeout(StreamId),
    /// An exchange may have been silent for too long.
    IdleTimeout(StreamId, std::time::Duration),
    /// A timer of a root context; valid while its number is the last one set.
    Tick {
        vm: VmId,
        generation: u64,
        context: ContextId,
        timer: u64,
    },
    /// A queue has entries.
    Queue {
        vm: VmId,
        context: ContextId,
        queue: QueueId,
    },
}

#[derive(Debug)]
struct Entry {
    at_ns: u64,
    order: u64,
    due: TimedEvent,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}

/// The list of what is to happen.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    entries: BinaryHeap<Reverse<Entry>>,
    order: u64,
}

impl Schedule {
    pub fn add(&mut self, at_ns: u64, due: TimedEvent) {
        self.order = self.order.saturating_add(1);
        self.entries.push(Reverse(Entry {
            at_ns,
            order: self.order,
            due,
        }));
    }

    /// When the next thing happens.
    pub fn next_ns(&self) -> Option<u64> {
        self.entries.peek().map(|Reverse(entry)| entry.at_ns)
    }

    /// Takes the next thing, if it happens by `until_ns`.
    pub fn take(&mut self, until_ns: u64) -> Option<(u64, TimedEvent)> {
        if self.next_ns()? > until_ns {
            return None;
        }
        self.entries
            .pop()
            .map(|Reverse(entry)| (entry.at_ns, entry.due))
    }

    /// Whether anything but timers is to happen: when not, only a timer can still change anything.
    pub fn only_ticks(&self) -> bool {
        self.entries
            .iter()
            .all(|Reverse(entry)| matches!(entry.due, TimedEvent::Tick { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_the_order_of_time_and_then_of_arrival() {
        let mut schedule = Schedule::default();
        for (at, stream) in [(5, 1), (3, 2), (5, 3), (4, 4)] {
            schedule.add(at, TimedEvent::ClientDisconnect(StreamId(stream)));
        }
        let mut order = Vec::new();
        while let Some((at, TimedEvent::ClientDisconnect(StreamId(stream)))) = schedule.take(5) {
            order.push((at, stream));
        }
        assert_eq!(order, [(3, 2), (4, 4), (5, 1), (5, 3)]);
        schedule.add(9, TimedEvent::ClientDisconnect(StreamId(1)));
        assert!(schedule.take(8).is_none());
        assert!(!schedule.only_ticks());
    }
}
