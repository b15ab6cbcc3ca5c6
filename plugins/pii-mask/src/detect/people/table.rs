//! What a word is, by its hash: all words of the lists in one table, built when the program is.

use super::class::Class;
use super::{given, surnames, vocabulary};

/// FNV-1a, 32 bits.
pub const BASIS: u32 = 0x811c_9dc5;

/// One letter more.
pub const fn hash(state: u32, letter: u8) -> u32 {
    (state ^ letter as u32).wrapping_mul(0x0100_0193)
}

/// The hash of a word in lower case without accents.
// The index is below the length; this runs at compile time.
#[allow(clippy::indexing_slicing)]
pub const fn of(word: &str) -> u32 {
    let bytes = word.as_bytes();
    let (mut at, mut state) = (0, BASIS);
    while at < bytes.len() {
        state = hash(state, bytes[at]);
        at += 1;
    }
    state
}

const LISTS: [(&[&str], Class); 3] = [
    (given::SURE, Class::GIVEN),
    (given::UNSURE, Class::UNSURE),
    (surnames::SURNAMES, Class::SURNAME),
];

// Indices are below the lengths by the loops' bounds; this runs at compile time.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn count_in(words: &str) -> usize {
    let bytes = words.as_bytes();
    let (mut at, mut count) = (0, 1);
    while at < bytes.len() {
        if bytes[at] == b'|' {
            count += 1;
        }
        at += 1;
    }
    count
}

// As above.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn most() -> usize {
    let (mut list, mut count) = (0, 0);
    while list < LISTS.len() {
        let mut at = 0;
        while at < LISTS[list].0.len() {
            count += count_in(LISTS[list].0[at]);
            at += 1;
        }
        list += 1;
    }
    let mut row = 0;
    while row < vocabulary::WORDS.len() {
        count += count_in(vocabulary::WORDS[row].0);
        row += 1;
    }
    count
}

/// Words in all lists, each as often as it stands in one.
const MOST: usize = most();
/// More kinds of words than there are: combinations of classes.
const KINDS: usize = 128;

/// Each hash above, its class below: they sort by the hash.
struct All {
    words: [u64; MOST],
    count: usize,
}

// As above.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn put(mut all: All, words: &str, class: Class) -> All {
    let bytes = words.as_bytes();
    let (mut at, mut state) = (0, BASIS);
    while at <= bytes.len() {
        if at == bytes.len() || bytes[at] == b'|' {
            all.words[all.count] = (state as u64) << 32 | class.0 as u64;
            all.count += 1;
            state = BASIS;
        } else {
            state = hash(state, bytes[at]);
        }
        at += 1;
    }
    all
}

// As above.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn sink(words: &mut [u64; MOST], from: usize, end: usize) {
    let mut at = from;
    loop {
        let mut child = at * 2 + 1;
        if child >= end {
            return;
        }
        if child + 1 < end && words[child] < words[child + 1] {
            child += 1;
        }
        if words[at] >= words[child] {
            return;
        }
        let larger = words[child];
        words[child] = words[at];
        words[at] = larger;
        at = child;
    }
}

/// All words, sorted: heapsort.
// As above.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn sorted() -> [u64; MOST] {
    let mut all = All {
        words: [0; MOST],
        count: 0,
    };
    let mut list = 0;
    while list < LISTS.len() {
        let mut at = 0;
        while at < LISTS[list].0.len() {
            all = put(all, LISTS[list].0[at], LISTS[list].1);
            at += 1;
        }
        list += 1;
    }
    let mut row = 0;
    while row < vocabulary::WORDS.len() {
        all = put(all, vocabulary::WORDS[row].0, vocabulary::WORDS[row].1);
        row += 1;
    }
    let mut words = all.words;
    let mut from = MOST / 2;
    while from > 0 {
        from -= 1;
        sink(&mut words, from, MOST);
    }
    let mut end = MOST;
    while end > 1 {
        end -= 1;
        let largest = words[0];
        words[0] = words[end];
        words[end] = largest;
        sink(&mut words, 0, end);
    }
    words
}

// It is in no program: only the table made of it is.
#[allow(clippy::large_const_arrays)]
const SORTED: [u64; MOST] = sorted();

// As above.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn different() -> usize {
    let (mut at, mut count) = (0, 0);
    while at < MOST {
        if at == 0 || SORTED[at] >> 32 != SORTED[at - 1] >> 32 {
            count += 1;
        }
        at += 1;
    }
    count
}

/// Different words.
const COUNT: usize = different();

/// Sorted by hash; behind the first byte of a hash where those that begin with it end.
struct Table {
    hashes: [u32; COUNT],
    kinds: [u8; COUNT],
    classes: [Class; KINDS],
    ends: [u16; 257],
}

static TABLE: Table = table();

// As above; there are fewer than 65,536 words and 128 kinds.
#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    long_running_const_eval
)]
const fn table() -> Table {
    let mut table = Table {
        hashes: [0; COUNT],
        kinds: [0; COUNT],
        classes: [Class::NONE; KINDS],
        ends: [0; 257],
    };
    let (mut at, mut count, mut kinds) = (0, 0, 1);
    while at < MOST {
        let hash = (SORTED[at] >> 32) as u32;
        let mut class = Class::NONE;
        while at < MOST && (SORTED[at] >> 32) as u32 == hash {
            class = class.or(Class(SORTED[at] as u32));
            at += 1;
        }
        // A name that is another word as well is not sure.
        let others = Class::UNSURE
            .or(Class::STOP)
            .or(Class::TITLE)
            .or(Class::ORG);
        if class.is(Class::GIVEN) && class.is(others) {
            class = class.without(Class::GIVEN).or(Class::UNSURE);
        }
        let mut kind = 0;
        while kind < kinds && table.classes[kind].0 != class.0 {
            kind += 1;
        }
        if kind == kinds {
            table.classes[kind] = class;
            kinds += 1;
        }
        table.hashes[count] = hash;
        table.kinds[count] = kind as u8;
        count += 1;
        table.ends[(hash >> 24) as usize + 1] = count as u16;
    }
    let mut first = 1;
    while first < table.ends.len() {
        if table.ends[first] < table.ends[first - 1] {
            table.ends[first] = table.ends[first - 1];
        }
        first += 1;
    }
    table
}

/// What the word with this hash is.
pub fn class_of(hash: u32) -> Class {
    let first = usize::try_from(hash >> 24).unwrap_or_default();
    let bound = |at: usize| usize::from(TABLE.ends.get(at).copied().unwrap_or_default());
    let range = bound(first)..bound(first.saturating_add(1));
    let hashes = TABLE.hashes.get(range.clone()).unwrap_or_default();
    let Ok(at) = hashes.binary_search(&hash) else {
        return Class::NONE;
    };
    let kind = TABLE.kinds.get(range.start.saturating_add(at));
    let class = kind.and_then(|kind| TABLE.classes.get(usize::from(*kind)));
    class.copied().unwrap_or(Class::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_what_its_list_says_and_no_two_have_one_hash() {
        let mut words = std::collections::BTreeMap::new();
        let names = LISTS
            .iter()
            .flat_map(|(list, class)| list.iter().map(move |words| (*words, *class)));
        for (list, class) in names.chain(vocabulary::WORDS.iter().copied()) {
            for word in list.split('|') {
                let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
                assert!(plain, "{word:?}");
                assert_eq!(*words.entry(of(word)).or_insert(word), word);
                if class != Class::GIVEN {
                    assert!(class_of(of(word)).is(class), "{word}");
                }
            }
        }
        assert_eq!(words.len(), COUNT);
        assert!(class_of(of("gabriele")).is(Class::GIVEN));
        assert_eq!(class_of(of("xylophone")), Class::NONE);
    }
}
