//! Which words stand to the left of a value, or in its name: what they call the value.
//!
//! Words are read once, as the scan goes on, with what they were; a question looks at the last few
//! that said something. Letters are compared without case and accents (`Führerschein` as
//! `fuhrerschein`), a phrase has up to three words (`date of birth`), and `camelCase` humps divide.
//! The last word counts: in "passport 123, phone 456" only the first is a passport's.

use super::boundary::{CONTEXT_REACH, LOOK_BEHIND};
use super::id::{Id, Ids};
use super::leads::{self, Leads};
use super::{Label, Scene, lists};

/// The most hits within reach that count.
const KEPT: usize = 8;
/// Slots of the table of words: a power of two, a good deal more than there are words.
const SLOTS: usize = 4096;
/// No row.
const EMPTY: u8 = u8::MAX;

/// FNV-1a, 32 bits.
const BASIS: u32 = 0x811c_9dc5;
const fn hash(state: u32, byte: u8) -> u32 {
    (state ^ byte as u32).wrapping_mul(0x0100_0193)
}

/// By hash: the word's, and its row in [`lists::WORDS`]; by row: what its words say.
struct Table {
    hashes: [u32; SLOTS],
    rows: [u8; SLOTS],
    ids: [Ids; lists::WORDS.len()],
}

static TABLE: Table = table();

// Indices are below the length by the loops' bounds and the mask; this runs at compile time.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn table() -> Table {
    let mut table = Table {
        hashes: [0; SLOTS],
        rows: [EMPTY; SLOTS],
        ids: [Ids::NONE; lists::WORDS.len()],
    };
    let mut row = 0;
    while row < lists::WORDS.len() {
        table.ids[row] = Ids::of(lists::WORDS[row].1);
        let words = lists::WORDS[row].0.as_bytes();
        let (mut at, mut state) = (0, BASIS);
        while at <= words.len() {
            if at == words.len() || words[at] == b'|' {
                let mut slot = state as usize & (SLOTS - 1);
                while table.rows[slot] != EMPTY {
                    slot = (slot + 1) & (SLOTS - 1);
                }
                table.hashes[slot] = state;
                table.rows[slot] = row as u8;
                state = BASIS;
            } else {
                state = hash(state, words[at]);
            }
            at += 1;
        }
        row += 1;
    }
    table
}

/// The row of the word or phrase with this hash.
fn row_of(state: u32) -> Option<u8> {
    let mut slot = usize::try_from(state).unwrap_or_default() & (SLOTS - 1);
    loop {
        let row = *TABLE.rows.get(slot)?;
        if row == EMPTY {
            return None;
        }
        if TABLE.hashes.get(slot) == Some(&state) {
            return Some(row);
        }
        slot = slot.saturating_add(1) & (SLOTS - 1);
    }
}

fn ids_of(row: u8) -> Ids {
    let ids = TABLE.ids.get(usize::from(row));
    ids.copied().unwrap_or(Ids::NONE)
}

/// A word or phrase: where it begins, and its hash.
#[derive(Debug, Clone, Copy)]
struct Word {
    start: usize,
    hash: u32,
}

/// Reads words in their order.
#[derive(Debug, Clone, Copy)]
struct Reader {
    /// The word that is being read, with those before it.
    open: Option<[Option<Word>; 3]>,
    /// The last word, and the last two.
    before: [Option<Word>; 2],
    /// The hits, as a ring: where each began, and its row.
    hits: [(usize, u8); KEPT],
    count: usize,
    /// Where the last word begins that was, or ended, one of them: none begins behind it.
    last: usize,
    lower: bool,
}

impl Reader {
    const fn new() -> Self {
        Self {
            open: None,
            before: [None; 2],
            hits: [(0, EMPTY); KEPT],
            count: 0,
            last: 0,
            lower: false,
        }
    }

    /// A letter of ASCII.
    fn letter(&mut self, at: usize, letter: u8) {
        if letter.is_ascii_uppercase() && self.lower {
            self.end();
        }
        self.push(at, letter);
        self.lower = letter.is_ascii_lowercase();
    }

    /// A letter without its accent, which says nothing of humps.
    fn push(&mut self, at: usize, letter: u8) {
        self.lower = false;
        let [last, two] = self.before;
        let fresh = Word {
            start: at,
            hash: BASIS,
        };
        let behind = |word: Word| Word {
            start: word.start,
            hash: hash(word.hash, b' '),
        };
        let words = self
            .open
            .get_or_insert_with(|| [Some(fresh), last.map(behind), two.map(behind)]);
        for word in words.iter_mut().flatten() {
            word.hash = hash(word.hash, letter.to_ascii_lowercase());
        }
    }

    /// The word ends.
    fn end(&mut self) {
        let Some(phrases) = self.open.take() else {
            return;
        };
        let [word, two, _] = phrases;
        for phrase in phrases.into_iter().flatten() {
            if let Some(row) = row_of(phrase.hash)
                && let Some(hit) = self.hits.get_mut(self.count % KEPT)
            {
                *hit = (phrase.start, row);
                self.count = self.count.saturating_add(1);
                self.last = word.map_or(self.last, |word| word.start);
            }
        }
        self.before = [word, two];
        self.lower = false;
    }

    /// What divides words stands here.
    fn gap(&mut self, byte: u8) {
        self.end();
        self.lower = false;
        if byte.is_ascii_digit() {
            self.before = [None; 2];
        }
    }

    fn read(&mut self, bytes: &[u8], from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let rest = bytes.get(at..to).unwrap_or_default();
            // Rows of numbers have hardly a word.
            let divides = |byte: &&u8| byte.is_ascii() && !byte.is_ascii_alphabetic();
            let gap = rest.iter().take_while(divides).count();
            if gap > 0 {
                let digit = rest.iter().take(gap).any(u8::is_ascii_digit);
                self.gap(if digit { b'0' } else { b' ' });
                at = at.saturating_add(gap);
                continue;
            }
            match rest {
                [letter, ..] if letter.is_ascii_alphabetic() => self.letter(at, *letter),
                [lead @ 0xC3..=0xC5, next @ 0x80..=0xBF, ..] => {
                    match plain(*lead, *next) {
                        0 => self.gap(b' '),
                        letter => self.push(at, letter),
                    }
                    at = at.saturating_add(1);
                }
                [byte, ..] => self.gap(*byte),
                [] => {}
            }
            at = at.saturating_add(1);
        }
    }

    /// What the hits from `from` on say, up to the last one that says something else.
    fn says(&self, from: usize) -> Ids {
        let mut ids = Ids::NONE;
        if self.last < from {
            return ids;
        }
        for back in 1..=self.count.min(KEPT) {
            let place = self.count.saturating_sub(back) % KEPT;
            let Some((start, row)) = self.hits.get(place) else {
                break;
            };
            let said = ids_of(*row);
            if said.has(Id::Other) {
                break;
            }
            if *start >= from {
                ids = ids.with(said);
            }
        }
        ids
    }
}

/// U+00C0 to U+017F without their accents; 0 for what is no letter.
pub(super) fn plain(lead: u8, next: u8) -> u8 {
    const LETTERS: &[u8; 192] = b"aaaaaaaceeeeiiiidnooooo-ouuuuytsaaaaaaaceeeeiiiidnooooo-ouuuuyty\
aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
    let place = usize::from(lead.wrapping_sub(0xC3)) * 64 + usize::from(next & 0x3F);
    match LETTERS.get(place) {
        Some(b'-') | None => 0,
        Some(letter) => *letter,
    }
}

/// The words of one text, read as the scan goes on.
#[derive(Debug)]
pub struct Hints {
    leads: Leads,
    reader: Reader,
    /// Up to where it has read.
    read: usize,
}

impl Hints {
    /// Of a text of which nothing has been read.
    pub const fn new() -> Self {
        Self {
            leads: Leads::new(),
            reader: Reader::new(),
            read: 0,
        }
    }

    /// What stands to the left of `at`, or the name of the text, says of the value that begins
    /// there.
    pub fn at(&mut self, scene: Scene<'_>, at: usize) -> Ids {
        let bytes = scene.bytes;
        let label = of_label((scene.label, scene.meaning));
        if !self.leads.may_say(bytes, at) {
            return label;
        }
        let from = at.saturating_sub(CONTEXT_REACH);
        if self.read <= from || self.read > at {
            self.reader = Reader::new();
            self.read = word_begins(bytes, from, at);
        }
        self.reader.read(bytes, self.read, at);
        self.read = at;
        let said = if self.reader.open.is_some() {
            let mut all = self.reader;
            all.end();
            all.says(from)
        } else {
            self.reader.says(from)
        };
        said.with(label).with(in_other_scripts(bytes, at))
    }
}

/// Behind the word that goes over `from`.
fn word_begins(bytes: &[u8], from: usize, to: usize) -> usize {
    let part = |at: usize| match bytes.get(at.saturating_sub(1)..) {
        _ if bytes.get(at).is_some_and(u8::is_ascii_alphabetic) => true,
        Some([lead @ 0xC3..=0xC5, next @ 0x80..=0xBF, ..]) if at > 0 => plain(*lead, *next) > 0,
        _ => {
            matches!(bytes.get(at..), Some([lead @ 0xC3..=0xC5, next, ..]) if plain(*lead, *next) > 0)
        }
    };
    let mut at = from;
    while at < to
        && let Some(before) = at.checked_sub(1)
        && part(before)
        && part(at)
    {
        let hump = matches!(bytes.get(before..=at), Some([a, b]) if a.is_ascii_lowercase() && b.is_ascii_uppercase());
        if hump {
            break;
        }
        at = at.saturating_add(1);
    }
    at
}

/// What the name of a text says.
pub fn of_label((name, meaning): Label<'_>) -> Ids {
    *meaning.ids.get_or_init(|| of_name(name))
}

/// What a name says: of a member, a field, a column.
pub fn of_name(name: &str) -> Ids {
    let bytes = name.as_bytes();
    if !leads::may_be_name(bytes) {
        return Ids::NONE;
    }
    let mut reader = Reader::new();
    let from = word_begins(bytes, bytes.len().saturating_sub(LOOK_BEHIND), bytes.len());
    reader.read(bytes, from, bytes.len());
    reader.end();
    reader.says(0).with(in_other_scripts(bytes, bytes.len()))
}

/// What words of other scripts say, wherever they stand within reach: that of no other word is a
/// part of these.
fn in_other_scripts(bytes: &[u8], at: usize) -> Ids {
    let left = bytes
        .get(at.saturating_sub(CONTEXT_REACH)..at)
        .unwrap_or_default();
    // The first byte of Greek, Cyrillic and what is behind them, but for signs and dashes.
    if !left
        .iter()
        .any(|byte| matches!(byte, 0xCE..=0xE1 | 0xE3..=0xEC))
    {
        return Ids::NONE;
    }
    let held = |(word, _): &&(&str, Id)| memchr::memmem::find(left, word.as_bytes()).is_some();
    lists::OTHER_SCRIPTS
        .iter()
        .filter(held)
        .fold(Ids::NONE, |ids, (_, id)| ids.with(Ids::of(&[*id])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_in_its_row_and_no_two_have_one_hash() {
        let mut seen = std::collections::BTreeMap::new();
        for (row, (words, ids)) in lists::WORDS.iter().enumerate() {
            assert!(!ids.is_empty());
            for word in words.split('|') {
                assert!(!word.is_empty() && word.split(' ').count() <= 3, "{word}");
                assert!(
                    word.bytes().all(|b| b.is_ascii_lowercase() || b == b' '),
                    "{word}"
                );
                let state = word.bytes().fold(BASIS, hash);
                assert_eq!(seen.insert(state, word), None, "{word} twice");
                assert_eq!(row_of(state).map(usize::from), Some(row), "{word}");
            }
        }
        assert!(seen.len() * 2 < SLOTS, "{} words", seen.len());
    }

    /// What words are read for only where one may say something is what they all say.
    #[test]
    fn words_that_are_passed_over_say_nothing() {
        let phrases: Vec<&str> = lists::WORDS
            .iter()
            .flat_map(|(words, _)| words.split('|'))
            .collect();
        let mut state = 5_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let signs = [
            " ",
            ": ",
            "_",
            "-",
            "=",
            "1",
            " 22 ",
            "\n",
            r"\n",
            "\u{e9}",
            "\u{2013}",
            "\u{ea}",
            "ID",
            "x",
            "\u{438}",
            "\u{8eab}\u{4efd}\u{8bc1}",
        ];
        let mut told = 0;
        for _ in 0..4_000 {
            let mut text = String::new();
            for _ in 0..random(12) {
                let phrase = phrases[random(phrases.len())];
                match random(6) {
                    0 => text.push_str(phrase),
                    1 => text.push_str(&phrase.replace(' ', "_")),
                    2 => {
                        for word in phrase.split(' ') {
                            text.push_str(&word[..1].to_uppercase());
                            text.push_str(&word[1..]);
                        }
                    }
                    3 => text.push_str(&phrase[..random(phrase.len())]),
                    _ => text.push_str(signs[random(signs.len())]),
                }
                text.push_str(signs[random(signs.len())]);
            }
            text.push('1');
            let bytes = text.as_bytes();
            let scene = Scene {
                text: &text,
                bytes,
                floor: 0,
                found_until: None,
                label: "",
                meaning: &Default::default(),
                wanted: Default::default(),
            };
            let mut hints = Hints::new();
            for at in (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()) {
                let from = at.saturating_sub(CONTEXT_REACH);
                let mut reader = Reader::new();
                reader.read(bytes, word_begins(bytes, from, at), at);
                reader.end();
                let all = reader.says(from).with(in_other_scripts(bytes, at));
                assert_eq!(hints.at(scene, at), all, "{text:?} at {at}");
                told += usize::from(!all.is_empty());
            }
        }
        assert!(told > 1_000, "{told}");
    }

    #[test]
    fn names_and_phrases_say_what_a_value_is() {
        for (name, id) in [
            ("passportNumber", Id::Passport),
            ("date_of_birth", Id::Birth),
            ("dateOfBirth", Id::Birth),
            ("DOB", Id::Birth),
            ("Führerscheinnummer", Id::License),
            ("numéro de passeport", Id::Passport),
            ("driver's license", Id::License),
            ("身份证号", Id::Cn),
        ] {
            assert!(of_name(name).has(id), "{name}");
        }
        for name in [
            "",
            "passport_expiry",
            "passport_phone",
            "birth",
            "passports_sold_count",
        ] {
            assert!(!of_name(name).has(Id::Passport), "{name}");
        }
    }
}
