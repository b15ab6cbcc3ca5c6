//! Tests of the layout of a table in shared data.

use super::*;
use crate::bucket::{Claim, Decision, Rate, take_all};
use std::collections::BTreeMap;
use std::sync::Mutex;

const SEED: Seed = Seed { k0: 3, k1: 5 };
const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, (Vec<u8>, u32)>>);

impl Store for Memory {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        let mut values = self.0.lock().unwrap();
        let known = values.get(key).map(|(_, cas)| *cas);
        if known.is_some_and(|known| known != cas && cas != 0) {
            return Ok(Swap::Mismatch);
        }
        let next = known.unwrap_or(0) + 1;
        values.insert(key.to_owned(), (value.to_vec(), next));
        Ok(Swap::Done)
    }
}

/// Windows as quota and seconds.
type List<'a> = &'a [(u64, u64)];

fn rates(list: List<'_>) -> Vec<Rate> {
    list.iter()
        .map(|(quota, seconds)| Rate::new(*quota, seconds * SECOND, *quota).unwrap())
        .collect()
}

fn layout(sets: u32, lists: &[List<'_>]) -> Layout {
    let lengths: Vec<Vec<u64>> = lists
        .iter()
        .map(|list| list.iter().map(|(_, seconds)| seconds * SECOND).collect())
        .collect();
    let most = lengths.iter().map(Vec::len).max().unwrap();
    let shape = Shape {
        sets,
        ways: 4,
        windows: u8::try_from(most).unwrap(),
    };
    Layout::new(shape, &lengths)
}

/// How many of `asked` requests of each caller pass.
fn ask(
    store: &Memory,
    layout: &Layout,
    list: List<'_>,
    callers: u32,
    asked: usize,
    now_ns: u64,
) -> Vec<usize> {
    let table = succeed(store, "n.", layout, SEED, now_ns).unwrap();
    let rates = rates(list);
    (0..callers)
        .map(|caller| {
            let bucket = caller.to_le_bytes();
            let claim = Claim {
                table: &table,
                bucket: &bucket,
                rates: &rates,
                cost: 1,
            };
            (0..asked)
                .filter(|_| take_all(store, &[claim], now_ns, 3).decision == Decision::Admitted)
                .count()
        })
        .collect()
}

const HOUR: List<'_> = &[(5, 3_600)];

#[test]
fn what_was_taken_stays_taken_when_windows_or_size_change() {
    let cases: [(u32, List<'_>, usize); 9] = [
        (8, HOUR, 2),
        (8, &[(5, 3_600), (3, 60)], 2),
        (8, &[(3, 60), (5, 3_600)], 2),
        (8, &[(5, 3_600), (1, 60)], 1),
        (8, &[(7, 86_400), (5, 3_600), (100, 1)], 2),
        (64, HOUR, 2),
        (3, &[(5, 3_600), (9, 60)], 2),
        // Another length: the time that it takes to be whole again stays.
        (8, &[(5, 7_200)], 3),
        (8, &[(5, 1_800)], 0),
    ];
    for (sets, list, left) in cases {
        let store = Memory::default();
        let (old, new) = (layout(8, &[HOUR]), layout(sets, &[list]));
        assert_eq!(ask(&store, &old, HOUR, 4, 3, START), [3; 4]);
        assert_eq!(
            ask(&store, &new, list, 4, 9, START),
            [left; 4],
            "{sets} {list:?}"
        );
        // Back again, nothing is whole.
        let more = ask(&store, &old, HOUR, 4, 9, START);
        assert!(
            more.iter()
                .all(|more| *more <= 2_usize.saturating_sub(left)),
            "{sets} {list:?}: {more:?}"
        );
    }
}

#[test]
fn nobody_gets_more_however_often_the_size_changes() {
    let store = Memory::default();
    let mut taken = vec![0; 300];
    for (round, sets) in [8, 2, 64, 3, 8, 100, 1, 2].into_iter().enumerate() {
        let now_ns = START + u64::try_from(round).unwrap() * 100 * SECOND;
        let passed = ask(&store, &layout(sets, &[HOUR]), HOUR, 300, 2, now_ns);
        taken
            .iter_mut()
            .zip(passed)
            .for_each(|(all, more)| *all += more);
    }
    // 700 seconds, in which a unit grows back in 720.
    assert!(taken.iter().all(|taken| *taken <= 5), "{taken:?}");
    assert!(taken.iter().any(|taken| *taken > 0));
}

#[test]
fn what_other_workers_count_meanwhile_is_found() {
    let store = Memory::default();
    let (old, new) = (layout(8, &[HOUR]), layout(16, &[HOUR]));
    let before = succeed(&store, "n.", &old, SEED, START).unwrap();
    assert_eq!(ask(&store, &new, HOUR, 1, 1, START), [1]);
    let rates = rates(HOUR);
    let bucket = 0_u32.to_le_bytes();
    let claim = Claim {
        table: &before,
        bucket: &bucket,
        rates: &rates,
        cost: 1,
    };
    for _ in 0..5 {
        assert_eq!(
            take_all(&store, &[claim], START, 3).decision,
            Decision::Admitted
        );
    }
    assert_eq!(ask(&store, &new, HOUR, 1, 9, START + SECOND), [0]);
}

#[test]
fn tiers_keep_what_any_of_their_windows_held() {
    let gold: List<'_> = &[(10, 1), (100, 3_600)];
    let old = layout(4, &[HOUR, gold]);
    let new = layout(4, &[HOUR, gold, &[(1, 86_400)]]);
    assert_eq!(new.from(&old), [vec![0, 1], vec![0, 1]]);
    assert_eq!(
        layout(4, &[gold]).from(&layout(4, &[HOUR])),
        [vec![], vec![0]]
    );
    assert_eq!(
        layout(4, &[&[(1, 60)]]).from(&layout(4, &[gold])),
        [vec![0, 1]]
    );
}

#[test]
fn a_note_is_read_as_it_was_written_and_nothing_else_is() {
    let note = Note {
        since_ns: 7,
        current: layout(8, &[HOUR, &[(1, 2), (3, 4)]]),
        before: Some(layout(9, &[HOUR])),
    };
    let bytes = note.encode();
    assert_eq!(Note::decode(&bytes), Some(note));
    for cut in [1, 8, 31, bytes.len() - 8] {
        assert_eq!(
            Note::decode(bytes.get(..bytes.len() - cut).unwrap()),
            None,
            "{cut}"
        );
    }
    assert_eq!(Note::decode(&[0xff; 64]), None);
}
