//! Whether a word stands before a number that may say what it is. Most words do not, which their
//! first letters and their length show: only beside others are words read for what they say
//! ([`super::hints`]).

use super::boundary::CONTEXT_REACH;
use super::id::Id;
use super::lists;
use modelgate_kit::lanes::Lanes;

/// Bits of the tables of words: a power of two, many times as many as there are words.
const BITS: u32 = 13;
/// The same in numbers of sixty-four bits.
const ROOM: usize = 1 << (BITS - 6);

/// Words by their first letters and lengths.
struct Table {
    /// Those that say something by themselves.
    alone: [u64; ROOM],
    /// The last word of a phrase with the one before it.
    behind: [u64; ROOM],
}

static TABLE: Table = table();

/// First letters in lower case, and the length.
#[derive(Debug, Clone, Copy)]
struct Word(u32);

impl Word {
    /// None.
    const NONE: Self = Self(0);

    const fn of(front: [u8; 4], length: u32) -> Self {
        let letters = u32::from_le_bytes(front) | 0x2020_2020;
        let kept = match length {
            0..4 => u32::MAX >> (8 * (4 - length)),
            _ => u32::MAX,
        };
        Self(((letters & kept) ^ (length << 26)).wrapping_mul(0x9e37_79b1))
    }

    /// Its two places in a table.
    const fn places(self) -> [u32; 2] {
        [
            self.0 >> (u32::BITS - BITS),
            (self.0 >> 4) & ((1 << BITS) - 1),
        ]
    }

    /// One that may be any.
    const ANY: Self = Self(1);

    /// With the word before it.
    const fn behind(self, before: Self) -> Self {
        Self((self.0 ^ before.0.rotate_left(9)).wrapping_mul(0x85eb_ca6b))
    }
}

impl Word {
    /// Whether it may be the last word of a phrase behind this one.
    #[inline]
    fn may_end_phrase(self, before: Self) -> bool {
        match before.0 {
            0 => false,
            1 => true,
            _ => has(&TABLE.behind, self.behind(before)),
        }
    }
}

#[inline]
fn has(table: &[u64; ROOM], word: Word) -> bool {
    word.places().into_iter().all(|place| {
        let slot = usize::try_from(place >> 6).unwrap_or_default();
        table
            .get(slot)
            .is_some_and(|bits| bits >> (place & 63) & 1 == 1)
    })
}

// Indices are below the length by the shift; this runs at compile time.
#[allow(clippy::indexing_slicing)]
const fn put(table: &mut [u64; ROOM], word: Word) {
    let [one, other] = word.places();
    table[(one >> 6) as usize] |= 1 << (one & 63);
    table[(other >> 6) as usize] |= 1 << (other & 63);
}

// Indices are below the length by the loops' bounds; this runs at compile time.
#[allow(clippy::indexing_slicing, long_running_const_eval)]
const fn table() -> Table {
    let mut table = Table {
        alone: [0; ROOM],
        behind: [0; ROOM],
    };
    let mut row = 0;
    while row < lists::WORDS.len() {
        let (phrases, ids) = lists::WORDS[row];
        row += 1;
        if matches!(ids, [Id::Other]) {
            continue;
        }
        let letters = phrases.as_bytes();
        let (mut at, mut start) = (0, 0);
        let mut before = Word::NONE;
        let mut is_first = true;
        while at <= letters.len() {
            let ends_phrase = at == letters.len() || letters[at] == b'|';
            if ends_phrase || letters[at] == b' ' {
                let mut front = [0; 4];
                let mut copied = 0;
                while copied < 4 && start + copied < at {
                    front[copied] = letters[start + copied];
                    copied += 1;
                }
                let word = Word::of(front, (at - start) as u32);
                if ends_phrase && is_first {
                    put(&mut table.alone, word);
                } else if ends_phrase {
                    put(&mut table.behind, word.behind(before));
                }
                before = word;
                is_first = ends_phrase;
                start = at + 1;
            }
            at += 1;
        }
    }
    table
}

/// What has been looked at of a text.
#[derive(Debug)]
pub struct Leads {
    /// Up to where.
    read: usize,
    /// Where the last word begins that may say something.
    last: Option<usize>,
    /// The last word, if no digit stands behind it.
    before: Word,
}

impl Leads {
    /// Of a text of which nothing has been looked at.
    pub const fn new() -> Self {
        Self {
            read: 0,
            last: None,
            before: Word::NONE,
        }
    }

    /// Whether a word that stands before `at` and within its reach may say something.
    #[inline]
    pub fn may_say(&mut self, bytes: &[u8], at: usize) -> bool {
        let from = at.saturating_sub(CONTEXT_REACH);
        if self.read > at {
            *self = Self::new();
        }
        if self.read < from {
            self.before = Word::NONE;
        }
        let mut start = self.read.max(from);
        // Of a word that goes on all is looked at again.
        while start > from
            && let Some(before) = start.checked_sub(1)
            && bytes.get(before).is_some_and(u8::is_ascii_alphabetic)
        {
            (start, self.before) = (before, Word::ANY);
        }
        self.read = at;
        self.look(bytes.get(..at).unwrap_or_default(), start);
        self.last.is_some_and(|last| last >= from)
    }

    /// Looks at `text[start..]`, which is no longer than a block of [`Lanes`].
    fn look(&mut self, text: &[u8], start: usize) {
        let near = text.get(start..).unwrap_or_default();
        let lanes = Lanes::front(near);
        let place = |bit: u32| start.saturating_add(usize::try_from(bit).unwrap_or_default());
        // Letters with accents, and the first bytes of words in other scripts.
        let scripts = lanes.between(0xCE, 0xE1) | lanes.between(0xE3, 0xEC);
        let others = (lanes.between(0xC3, 0xC5) | scripts).bits();
        if others != 0 {
            self.last = Some(place(others.ilog2()));
            self.before = Word::ANY;
        }
        let letters = lanes.letters().bits();
        let digits = lanes.between(b'0', b'9').bits();
        let upper = lanes.between(b'A', b'Z').bits();
        let humps = upper & (letters & !upper) << 1;
        let mut starts = letters & (!(letters << 1) | humps);
        // What begins the next word or is no letter.
        let ends = !letters | humps;
        let mut behind = 0;
        while starts != 0 {
            let at = starts.trailing_zeros();
            starts &= starts.wrapping_sub(1);
            let length = (ends >> at >> 1).trailing_zeros().saturating_add(1);
            let start = place(at);
            let word = Word::of(front(text, start), length);
            // Between the words of a phrase stands no digit.
            if digits >> behind & !(u64::MAX << (at - behind)) != 0 {
                self.before = Word::NONE;
            }
            if has(&TABLE.alone, word) || word.may_end_phrase(self.before) {
                self.last = self.last.max(Some(start));
            }
            (self.before, behind) = (word, at);
        }
        if digits >> behind != 0 {
            self.before = Word::NONE;
        }
    }
}

/// Whether a name may say something.
pub fn may_be_name(name: &[u8]) -> bool {
    let mut leads = Leads::new();
    leads.look(name, 0);
    name.len() > CONTEXT_REACH || leads.last.is_some()
}

/// The first letters of a word.
#[inline]
fn front(text: &[u8], at: usize) -> [u8; 4] {
    let rest = text.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(front) => *front,
        None => {
            let mut front = [0; 4];
            for (to, from) in front.iter_mut().zip(rest) {
                *to = *from;
            }
            front
        }
    }
}
