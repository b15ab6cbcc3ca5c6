//! Single rules as examples, then the two promises (nothing is lost uncounted, memory is bounded)
//! under random orders.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    queue_events: 6,
    queue_bytes: 1_000,
    batch_events: 3,
    batch_bytes: 100,
    batch_age_ms: 1_000,
    retry_first_ms: 100,
    retry_longest_ms: 10_000,
    give_up_ms: 60_000,
    when_full: WhenFull::DropOldest,
};

fn queue(limits: Limits, records: &[&str]) -> Queue {
    let mut queue = Queue::new(limits);
    for record in records {
        queue.push(0, record.as_bytes().to_vec());
    }
    queue
}

fn sent(queue: &mut Queue, now_ms: u64) -> Option<Vec<String>> {
    let batch = queue.poll(now_ms)?;
    Some(
        batch
            .map(|record| String::from_utf8_lossy(record).into_owned())
            .collect(),
    )
}

fn sends(queue: &mut Queue, now_ms: u64, records: &[&str]) {
    assert_eq!(
        sent(queue, now_ms).as_deref(),
        Some(
            records
                .iter()
                .map(|r| r.to_string())
                .collect::<Vec<_>>()
                .as_slice()
        )
    );
}

const DELIVERED: Answer = Answer::Delivered { rejected: 0 };
const FAILED: Answer = Answer::Retry { after_ms: None };

#[test]
fn a_full_batch_goes_out_at_once_and_a_part_of_one_when_it_is_old_enough() {
    let mut queue = queue(LIMITS, &["a", "b", "c", "d"]);
    sends(&mut queue, 0, &["a", "b", "c"]);
    queue.answered(5, DELIVERED, 0);
    assert_eq!(sent(&mut queue, 999), None);
    sends(&mut queue, 1_000, &["d"]);
    queue.answered(1_001, DELIVERED, 0);
    assert_eq!(
        (queue.held(), queue.held_bytes(), queue.counts().delivered),
        (0, 0, 4)
    );
}

#[test]
fn one_batch_is_in_flight_at_a_time() {
    let mut queue = queue(LIMITS, &["a", "b", "c", "d", "e", "f"]);
    sends(&mut queue, 0, &["a", "b", "c"]);
    assert_eq!(sent(&mut queue, 9_999), None);
    queue.answered(9_999, DELIVERED, 0);
    sends(&mut queue, 9_999, &["d", "e", "f"]);
}

#[test]
fn a_batch_is_bounded_in_bytes() {
    let long = "x".repeat(60);
    let mut queue = queue(LIMITS, &[&long, &long]);
    sends(&mut queue, 1_000, &[&long]);
}

#[test]
fn a_failed_batch_is_sent_again_after_a_wait_that_doubles() {
    let mut queue = queue(LIMITS, &["a"]);
    let mut now = 1_000;
    for wait in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
        sends(&mut queue, now, &["a"]);
        queue.answered(now, FAILED, u32::MAX);
        assert_eq!(sent(&mut queue, now + wait - 1), None, "{wait}");
        now += wait;
    }
    sends(&mut queue, now, &["a"]);
    assert_eq!(queue.counts().dropped(), 0);
}

#[test]
fn jitter_spreads_the_tries_over_the_second_half_of_the_wait() {
    for (jitter, wait) in [(0, 50), (u32::MAX / 2, 75), (u32::MAX, 100)] {
        let mut queue = queue(LIMITS, &["a"]);
        sends(&mut queue, 1_000, &["a"]);
        queue.answered(1_000, FAILED, jitter);
        assert_eq!(sent(&mut queue, 1_000 + wait - 1), None);
        sends(&mut queue, 1_000 + wait, &["a"]);
    }
}

#[test]
fn the_sinks_wish_to_wait_is_honoured_but_not_beyond_the_end_of_patience() {
    let mut queue = queue(LIMITS, &["a"]);
    sends(&mut queue, 1_000, &["a"]);
    queue.answered(
        1_000,
        Answer::Retry {
            after_ms: Some(5_000),
        },
        0,
    );
    assert_eq!(sent(&mut queue, 5_999), None);
    sends(&mut queue, 6_000, &["a"]);
    queue.answered(
        6_000,
        Answer::Retry {
            after_ms: Some(u64::MAX),
        },
        0,
    );
    queue.push(6_000, b"b".to_vec());
    sends(&mut queue, 66_000, &["b"]);
    assert_eq!(queue.counts().dropped_expired, 1);
}

#[test]
fn a_delivery_ends_the_back_off() {
    let mut queue = queue(LIMITS, &["a"]);
    sends(&mut queue, 1_000, &["a"]);
    queue.answered(1_000, FAILED, 0);
    sends(&mut queue, 2_000, &["a"]);
    queue.answered(2_000, DELIVERED, 0);
    for record in ["b", "c", "d"] {
        queue.push(2_000, record.as_bytes().to_vec());
    }
    sends(&mut queue, 2_000, &["b", "c", "d"]);
}

#[test]
fn a_refused_batch_is_dropped_and_counted() {
    let mut queue = queue(LIMITS, &["a", "b", "c", "d"]);
    sends(&mut queue, 0, &["a", "b", "c"]);
    queue.answered(0, Answer::Refused, 0);
    assert_eq!((queue.counts().dropped_refused, queue.held()), (3, 1));
}

#[test]
fn events_that_the_sink_leaves_out_are_counted_and_never_more_than_were_sent() {
    let mut queue = queue(LIMITS, &["a", "b", "c"]);
    sends(&mut queue, 0, &["a", "b", "c"]);
    queue.answered(0, Answer::Delivered { rejected: 1 }, 0);
    assert_eq!(
        (queue.counts().delivered, queue.counts().dropped_rejected),
        (2, 1)
    );
    queue.push(0, b"d".to_vec());
    sends(&mut queue, 1_000, &["d"]);
    queue.answered(1_000, Answer::Delivered { rejected: 99 }, 0);
    assert_eq!(
        (queue.counts().delivered, queue.counts().dropped_rejected),
        (2, 2)
    );
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_one_event_alone_is_refused() {
    let mut queue = queue(LIMITS, &["a", "b", "c"]);
    sends(&mut queue, 0, &["a", "b", "c"]);
    queue.answered(0, Answer::TooLarge, 0);
    sends(&mut queue, 0, &["a"]);
    queue.answered(0, Answer::TooLarge, 0);
    assert_eq!((queue.counts().dropped_refused, queue.held()), (1, 2));
    sends(&mut queue, 1_000, &["b"]);
    queue.answered(1_000, DELIVERED, 0);
    queue.push(1_000, b"d".to_vec());
    queue.push(1_000, b"e".to_vec());
    sends(&mut queue, 1_000, &["c", "d"]);
}

#[test]
fn a_full_queue_loses_its_oldest_event_but_none_in_flight() {
    let mut queue = queue(LIMITS, &["a", "b", "c", "d", "e", "f"]);
    sends(&mut queue, 0, &["a", "b", "c"]);
    queue.push(1, b"g".to_vec());
    queue.answered(1, DELIVERED, 0);
    assert_eq!(queue.counts().dropped_full, 1);
    sends(&mut queue, 1, &["e", "f", "g"]);
}

#[test]
fn a_full_queue_loses_the_newest_event_when_told_so() {
    let limits = Limits {
        when_full: WhenFull::DropNewest,
        queue_events: 3,
        ..LIMITS
    };
    let mut queue = queue(limits, &["a", "b", "c", "d"]);
    assert_eq!(queue.counts().dropped_full, 1);
    sends(&mut queue, 0, &["a", "b", "c"]);
}

#[test]
fn nothing_is_dropped_in_vain_when_all_room_is_in_flight() {
    let limits = Limits {
        queue_events: 3,
        ..LIMITS
    };
    let mut queue = queue(limits, &["a", "b", "c"]);
    sends(&mut queue, 0, &["a", "b", "c"]);
    queue.push(0, b"d".to_vec());
    assert_eq!((queue.counts().dropped_full, queue.held()), (1, 3));
    queue.answered(0, DELIVERED, 0);
    assert_eq!(queue.counts().delivered, 3);
}

#[test]
fn an_event_larger_than_a_batch_is_dropped_and_counted() {
    let long = "x".repeat(101);
    let queue = queue(LIMITS, &[&long]);
    assert_eq!((queue.counts().dropped_oversize, queue.held()), (1, 0));
}

#[test]
fn an_event_that_waited_too_long_is_dropped_and_counted() {
    let mut queue = queue(LIMITS, &["a"]);
    queue.push(30_000, b"b".to_vec());
    sends(&mut queue, 60_001, &["b"]);
    assert_eq!(queue.counts().dropped_expired, 1);
}

#[test]
fn an_answer_without_a_batch_changes_nothing() {
    let mut queue = queue(LIMITS, &["a"]);
    queue.answered(0, Answer::Refused, 0);
    assert_eq!(
        (queue.counts(), queue.held()),
        (
            Counts {
                enqueued: 1,
                ..Counts::default()
            },
            1
        )
    );
}

#[test]
fn a_clock_that_steps_back_loses_nothing() {
    let mut queue = Queue::new(LIMITS);
    queue.push(1_000_000, b"a".to_vec());
    assert_eq!(sent(&mut queue, 0), None);
    sends(&mut queue, 1_001_000, &["a"]);
}

#[test]
fn what_is_taken_over_goes_out_first_and_what_was_in_flight_again() {
    let mut old = queue(LIMITS, &["a", "b", "c", "d"]);
    sends(&mut old, 0, &["a", "b", "c"]);
    let left = old.hand_on();
    let mut new = queue(LIMITS, &["e"]);
    new.adopt(left);
    sends(&mut new, 0, &["a", "b", "c"]);
    new.answered(0, DELIVERED, 0);
    sends(&mut new, 1_000, &["d", "e"]);
    assert_eq!((new.counts().adopted, new.counts().enqueued), (4, 1));
    assert_eq!((old.counts().handed_on, old.held()), (4, 0));
}

#[test]
fn room_is_reserved_for_what_events_take_and_what_was_let_in_is_kept() {
    let limits = Limits {
        queue_events: 1_000,
        queue_bytes: 100_000,
        batch_bytes: 100_000,
        when_full: WhenFull::KeepAll,
        ..LIMITS
    };
    let mut queue = Queue::new(limits);
    assert!(
        queue.has_room(62) && !queue.has_room(63),
        "1,600 bytes each"
    );
    (0..100).for_each(|_| queue.push(0, vec![b'x'; 200]));
    assert!(queue.has_room(200) && !queue.has_room(250));
    let left = limits.queue_bytes - queue.held_bytes();
    queue.push(0, vec![b'x'; left]);
    queue.push(0, vec![b'x'; left]);
    assert_eq!((queue.held(), queue.counts().dropped()), (102, 0));
    assert!(!queue.has_room(1));
}

#[test]
fn what_was_taken_over_expires_by_its_own_age() {
    let mut new = Queue::new(LIMITS);
    new.adopt(vec![(0, b"old".to_vec()), (50_000, b"young".to_vec())]);
    sends(&mut new, 60_001, &["young"]);
    assert_eq!(new.counts().dropped_expired, 1);
}

#[test]
fn more_than_fits_is_dropped_by_the_rule_or_kept_where_nothing_may_be_lost() {
    let left = || (0..5).map(|n| (0, n.to_string().into_bytes())).collect();
    let limits = |when_full| Limits {
        queue_events: 4,
        batch_events: 9,
        when_full,
        ..LIMITS
    };
    for (when_full, kept) in [
        (WhenFull::DropOldest, &["3", "4", "x", "y"][..]),
        (WhenFull::DropNewest, &["0", "1", "2", "3"]),
        (WhenFull::KeepAll, &["0", "1", "2", "3", "4", "x", "y"]),
    ] {
        let mut new = queue(limits(when_full), &["x", "y"]);
        new.adopt(left());
        assert_eq!(new.counts().dropped_full, 7 - kept.len() as u64);
        sends(&mut new, 1_000, kept);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Poll,
    Answer(Answer, u32),
    Wait(u64),
    Reload(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        (0u64..5).prop_map(|rejected| Answer::Delivered { rejected }),
        proptest::option::of(0u64..100_000).prop_map(|after_ms| Answer::Retry { after_ms }),
        Just(Answer::TooLarge),
        Just(Answer::Refused),
    ];
    prop_oneof![
        4 => (0usize..160).prop_map(Step::Push),
        3 => Just(Step::Poll),
        2 => (answer, any::<u32>()).prop_map(|(answer, jitter)| Step::Answer(answer, jitter)),
        1 => (0u64..40_000).prop_map(Step::Wait),
        1 => (0usize..4).prop_map(Step::Reload),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let when_full = prop_oneof![Just(WhenFull::DropOldest), Just(WhenFull::DropNewest)];
    (0usize..9, 0usize..900, 0usize..5, 0usize..150, when_full).prop_map(
        |(queue_events, queue_bytes, batch_events, batch_bytes, when_full)| Limits {
            queue_events,
            queue_bytes,
            batch_events,
            batch_bytes,
            when_full,
            ..LIMITS
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_lost_uncounted_and_memory_is_bounded(limits in limits(), steps in proptest::collection::vec(step(), 0..120)) {
        let mut queue = Queue::new(limits);
        // What earlier configurations have counted.
        let mut before = Counts::default();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Reload(early) => {
                    // The new configuration sees requests before the old one goes.
                    let mut next = Queue::new(limits);
                    (0..early).for_each(|_| next.push(now, vec![b'y'; 7]));
                    let left = queue.hand_on();
                    prop_assert_eq!((queue.held(), queue.held_bytes(), queue.in_flight()), (0, 0, 0));
                    add(&mut before.enqueued, queue.counts().enqueued);
                    add(&mut before.delivered, queue.counts().delivered);
                    add(&mut before.dropped_full, queue.counts().dropped());
                    next.adopt(left);
                    queue = next;
                }
                Step::Push(len) => queue.push(now, vec![b'x'; len]),
                Step::Poll => {
                    if let Some(batch) = queue.poll(now) {
                        let sizes: Vec<usize> = batch.map(<[u8]>::len).collect();
                        prop_assert!(!sizes.is_empty());
                        prop_assert!(sizes.len() <= limits.batch_events.max(1));
                        prop_assert!(sizes.iter().sum::<usize>() <= limits.batch_bytes);
                    }
                }
                Step::Answer(answer, jitter) => queue.answered(now, answer, jitter),
                Step::Wait(ms) => now += ms,
            }
            let counts = queue.counts();
            prop_assert_eq!(
                before.enqueued + counts.enqueued,
                before.delivered + counts.delivered + before.dropped() + counts.dropped() + queue.held() as u64
            );
            prop_assert!(queue.in_flight() <= queue.held());
            prop_assert!(queue.held() <= limits.queue_events.max(1));
            prop_assert!(queue.held_bytes() <= limits.queue_bytes);
            prop_assert_eq!(queue.held_bytes(), queue.flying.iter().chain(&queue.waiting).map(Held::cost).sum::<usize>());
        }
    }

    #[test]
    fn everything_arrives_in_order_once_the_sink_is_back(failures in 0usize..8, jitter: u32, count in 1usize..7) {
        let mut queue = Queue::new(LIMITS);
        let records: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        for record in &records {
            queue.push(0, record.as_bytes().to_vec());
        }
        let (mut now, mut failures, mut got) = (1_000, failures, Vec::new());
        while got.len() < count {
            prop_assert!(now < 60_000, "stuck");
            if let Some(batch) = sent(&mut queue, now) {
                if failures > 0 {
                    failures -= 1;
                    queue.answered(now, FAILED, jitter);
                } else {
                    got.extend(batch);
                    queue.answered(now, DELIVERED, jitter);
                }
            }
            now += 50;
        }
        prop_assert_eq!(got, records);
        prop_assert_eq!(queue.counts().dropped(), 0);
    }
}
