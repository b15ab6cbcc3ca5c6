//! When a target is taken out, and how it comes back.

use super::*;
use proptest::prelude::*;

const S: u64 = 1_000_000_000;
const GOOD: Outcome = Outcome {
    error: false,
    slow: false,
};
const BAD: Outcome = Outcome {
    error: true,
    slow: false,
};
const SLOW: Outcome = Outcome {
    error: false,
    slow: true,
};

fn rules() -> Rules {
    Rules {
        errors: 100_000,
        slow: Some(500_000),
        window_ns: 60 * S,
        minimum: 20,
        back_after_ns: Some(120 * S),
        trial: 10,
    }
}

fn feed(record: &mut Record, now_ns: u64, outcome: Outcome, times: u32) {
    for _ in 0..times {
        if let Some(next) = record.after(&rules(), now_ns, outcome, false) {
            *record = next;
        }
    }
}

/// Lets requests through on trial until no more may, and gives how many.
fn try_out(record: &mut Record, now_ns: u64) -> u32 {
    let mut count = 0;
    while let Admission::OnTrial(next) = record.admit(&rules(), now_ns) {
        *record = *next;
        count += 1;
    }
    count
}

fn opened(now_ns: u64) -> Record {
    let mut record = Record::default();
    feed(&mut record, now_ns, BAD, 20);
    assert_eq!(record.state(), State::Open);
    record
}

#[test]
fn it_opens_when_enough_outcomes_are_bad_and_not_before() {
    let mut record = Record::default();
    feed(&mut record, 1_000 * S, BAD, 19);
    assert_eq!(record.state(), State::Closed, "19 say nothing");
    feed(&mut record, 1_000 * S, BAD, 1);
    assert_eq!(record.state(), State::Open);
    assert_eq!(record.admit(&rules(), 1_000 * S), Admission::Out);

    let mut record = Record::default();
    feed(&mut record, 1_000 * S, GOOD, 90);
    feed(&mut record, 1_001 * S, BAD, 10);
    assert_eq!(record.state(), State::Closed, "a tenth may be bad");
    feed(&mut record, 1_002 * S, BAD, 1);
    assert_eq!(record.state(), State::Open);
}

#[test]
fn slow_answers_count_by_themselves() {
    let mut record = Record::default();
    feed(&mut record, 1_000 * S, GOOD, 20);
    feed(&mut record, 1_000 * S, SLOW, 20);
    assert_eq!(record.state(), State::Closed);
    feed(&mut record, 1_000 * S, SLOW, 1);
    assert_eq!(record.state(), State::Open);
    let without = Rules {
        slow: None,
        ..rules()
    };
    let mut record = Record::default();
    for _ in 0..100 {
        record = record.after(&without, 1_000 * S, SLOW, false).unwrap();
    }
    assert_eq!(record.state(), State::Closed);
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let mut record = Record::default();
    feed(&mut record, 1_000 * S, BAD, 19);
    feed(&mut record, 1_061 * S, BAD, 19);
    assert_eq!(record.state(), State::Closed);
    assert_eq!(record.window(&rules(), 1_061 * S), (19, 19, 0));
    assert_eq!(record.window(&rules(), 1_200 * S), (0, 0, 0));
    feed(&mut record, 1_070 * S, BAD, 1);
    assert_eq!(record.state(), State::Open);
}

#[test]
fn it_comes_back_by_a_trial_of_so_many_requests_and_no_more() {
    let mut record = opened(1_000 * S);
    assert_eq!(try_out(&mut record, 1_119 * S), 0);
    assert_eq!(try_out(&mut record, 1_120 * S), 10);
    assert_eq!(record.state(), State::Trial);
    for _ in 0..9 {
        record = record.after(&rules(), 1_121 * S, GOOD, true).unwrap();
        assert_eq!(record.state(), State::Trial);
    }
    assert_eq!(
        record.after(&rules(), 1_121 * S, BAD, false),
        None,
        "late outcomes of before say nothing"
    );
    record = record.after(&rules(), 1_121 * S, GOOD, true).unwrap();
    assert_eq!(record.state(), State::Closed);
    assert_eq!(record.admit(&rules(), 1_121 * S), Admission::In);
}

#[test]
fn a_trial_fails_at_half_of_what_opens() {
    // A tenth of ten may be bad while it is closed; half a request may not be on trial.
    let mut record = opened(1_000 * S);
    try_out(&mut record, 1_120 * S);
    record = record.after(&rules(), 1_121 * S, BAD, true).unwrap();
    assert_eq!(record.state(), State::Open);
}

#[test]
fn each_failure_in_a_row_doubles_the_wait_up_to_eight_times() {
    let mut record = opened(0);
    let mut now = 0;
    for wait in [120, 240, 480, 960, 960, 960] {
        assert_eq!(try_out(&mut record, now + wait * S - 1), 0, "{wait}");
        now += wait * S;
        assert_eq!(try_out(&mut record, now), 10, "{wait}");
        record = record.after(&rules(), now, BAD, true).unwrap();
    }
    // Back for long: it begins anew.
    now += 960 * S;
    try_out(&mut record, now);
    for _ in 0..10 {
        record = record.after(&rules(), now, GOOD, true).unwrap();
    }
    now += 600 * S;
    feed(&mut record, now, BAD, 20);
    assert_eq!(try_out(&mut record, now + 120 * S), 10);
}

#[test]
fn a_trial_whose_requests_never_end_is_begun_again() {
    let mut record = opened(1_000 * S);
    assert_eq!(try_out(&mut record, 1_120 * S), 10);
    assert_eq!(try_out(&mut record, 1_179 * S), 0);
    assert_eq!(try_out(&mut record, 1_180 * S), 10);
}

#[test]
fn without_a_time_to_come_back_it_stays_out() {
    let never = Rules {
        back_after_ns: None,
        ..rules()
    };
    let mut record = Record::default();
    for _ in 0..20 {
        record = record.after(&never, 0, BAD, false).unwrap();
    }
    assert_eq!(record.admit(&never, u64::MAX), Admission::Out);
    // A new configuration may let it back.
    assert_eq!(record.admit(&rules(), 119 * S), Admission::Out);
    assert!(matches!(
        record.admit(&rules(), 120 * S),
        Admission::OnTrial(_)
    ));
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_out_for_longer() {
    let record = opened(1_000_000 * S);
    assert!(matches!(
        record.admit(&rules(), 1_000 * S),
        Admission::OnTrial(_)
    ));
    let mut record = Record::default();
    feed(&mut record, 1_000_000 * S, BAD, 19);
    feed(&mut record, 1_000 * S, BAD, 19);
    assert_eq!(record.state(), State::Closed);
}

#[test]
fn another_window_begins_with_nothing() {
    let mut record = Record::default();
    feed(&mut record, 1_000 * S, BAD, 19);
    let longer = Rules {
        window_ns: 600 * S,
        ..rules()
    };
    record = record.after(&longer, 1_000 * S, BAD, false).unwrap();
    assert_eq!(record.state(), State::Closed);
    assert_eq!(record.window(&longer, 1_000 * S), (1, 1, 0));
}

#[test]
fn what_is_no_record_is_as_none() {
    let bytes = opened(5 * S).encode();
    assert_eq!(bytes.len(), LENGTH);
    assert_eq!(Record::decode(&bytes), Some(opened(5 * S)));
    let mut other = bytes.clone();
    other[0] = 0x33;
    for bad in [
        &b""[..],
        &bytes[..20],
        &[bytes.as_slice(), b"x"].concat(),
        &other,
    ] {
        assert_eq!(Record::decode(bad), None);
    }
}

proptest! {
    #[test]
    fn every_record_is_read_as_it_was_written(
        steps in proptest::collection::vec((0..3_u8, 0..400_u64, any::<bool>()), 0..200)
    ) {
        let (mut record, mut now) = (Record::default(), 0);
        for (kind, seconds, on_trial) in steps {
            now += seconds * S / 10;
            let outcome = [GOOD, BAD, SLOW][usize::from(kind)];
            if let Admission::OnTrial(next) = record.admit(&rules(), now) {
                record = *next;
            }
            if let Some(next) = record.after(&rules(), now, outcome, on_trial) {
                record = next;
            }
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
            let (all, errors, slow) = record.window(&rules(), now);
            prop_assert!(errors <= all && slow <= all);
        }
    }

    #[test]
    fn what_is_good_enough_is_never_taken_out(
        bad in proptest::collection::vec(any::<bool>(), 1..300)
    ) {
        // At most every tenth outcome is bad, with a minimum that cannot be all of them.
        let mut record = Record::default();
        let (mut all, mut errors) = (0_u32, 0_u32);
        for wish in bad {
            all += 1;
            let is_bad = wish && (errors + 1) * 10 <= all;
            errors += u32::from(is_bad);
            let outcome = if is_bad { BAD } else { GOOD };
            record = record.after(&rules(), 1_000 * S, outcome, false).unwrap();
            prop_assert_eq!(record.state(), State::Closed);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), now in any::<u64>()) {
        let mut bytes = bytes;
        bytes.resize(LENGTH, 7);
        bytes[0] = LAYOUT | (bytes[0] % 3) << 4;
        let record = Record::decode(&bytes).unwrap();
        let _ = record.admit(&rules(), now);
        let _ = record.after(&rules(), now, BAD, true);
        let _ = record.window(&rules(), now);
    }
}

#[test]
fn what_is_stored_of_a_target_that_is_in_is_told_without_reading_it() {
    let open = opened(1_000 * S);
    let trial = match open.admit(&rules(), 1_200 * S) {
        Admission::OnTrial(next) => *next,
        other => panic!("{other:?}"),
    };
    let closed = Record::default().encode();
    for (bytes, is_in) in [
        (closed.clone(), true),
        (open.encode(), false),
        (trial.encode(), false),
        (Vec::new(), true),
        (closed[1..].to_vec(), true),
        (vec![0xff; closed.len()], true),
    ] {
        assert_eq!(Record::is_in(&bytes), is_in);
        let record = Record::decode(&bytes).unwrap_or_default();
        assert_eq!(is_in, record.state() == State::Closed);
    }
}
