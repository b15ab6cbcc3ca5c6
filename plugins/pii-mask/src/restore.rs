//! The way back: what was replaced in a request is kept while its exchange lasts, and takes its
//! place again in the answer.
//!
//! A value has one surrogate in an exchange: a placeholder (`<EMAIL_1>`), a pseudonym
//! (`<EMAIL_kqnbtfmw>`) or a fake. In the answer they are looked for in the text as it reads (see
//! [`spelled`]), and the value is written as text is written there: escaped as often as strings of
//! JSON are around it (see [`layers`]). What has been put back is not looked at again.
//!
//! What it cannot do: recognise a placeholder that the model has translated or split by spaces.

pub mod fakes;
pub mod layers;
pub mod spelled;

use crate::detect::Entity;
use crate::document::LIMITS;
use core::ops::{Bound, Range};
use fakes::Fakes;
use layers::Layers;
use modelgate_kit::flat_map::FlatMap;
use modelgate_kit::json::{Token, Walker, escape_into};
use spelled::{Around, Issued, LONGEST, Read, Spelled, bare, bracketed, may_open};
use std::collections::BTreeMap;

/// Most values that are kept of one exchange, and most bytes of them.
const MOST_VALUES: usize = 4096;
const MOST_BYTES: usize = 1 << 20;
/// Highest number of a placeholder.
const MOST_NUMBER: usize = 9999;
/// Most fakes that are tried for a value.
const MOST_ATTEMPTS: u8 = 16;

/// What was replaced in one exchange. It is never written anywhere, and so has no `Debug`.
#[derive(Default)]
pub struct Vault {
    kept: Vec<Kept>,
    /// By entity and value in one spelling.
    by_value: BTreeMap<String, usize>,
    /// By name with number or code in lower case; [`TAKEN`] for those that the request has.
    by_core: BTreeMap<String, usize>,
    fakes: Fakes,
    numbers: FlatMap<Entity, usize>,
    bytes: usize,
    /// One of the values has characters that JSON escapes.
    has_special: bool,
    /// The request has been read to its end: no more is to come.
    is_settled: bool,
}

/// Stands in the request before anything is issued.
const TAKEN: usize = usize::MAX;

struct Kept {
    entity: Entity,
    /// It as it was written, in so many strings of JSON.
    written: String,
    layers: u8,
    surrogate: String,
}

/// A value that is to be kept.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// What it is.
    pub entity: Entity,
    /// It as it is written.
    pub written: &'a str,
    /// In how many strings of JSON.
    pub layers: u8,
    /// It in one spelling.
    pub canonical: &'a str,
}

/// A value's place in the vault.
pub type Place = usize;

/// A surrogate in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands.
    pub span: Range<usize>,
    /// What it stands for.
    pub place: Place,
    /// What is around it.
    pub around: Around,
    /// It is a word that nothing sets off.
    pub is_bare: bool,
}

impl Issued for Vault {
    type Of = Place;

    fn get(&self, core: &str) -> Option<Place> {
        self.by_core
            .get(core)
            .copied()
            .filter(|place| *place != TAKEN)
    }

    fn any_begins(&self, front: &str) -> bool {
        let mut from = self
            .by_core
            .range::<str, _>((Bound::Included(front), Bound::Unbounded));
        from.next().is_some_and(|(core, _)| core.starts_with(front))
    }

    fn is_exact(&self, of: Place, core: &str) -> bool {
        let kept = self.kept.get(of);
        kept.is_some_and(|kept| kept.surrogate.trim_matches(['<', '>']) == core)
    }
}

impl Vault {
    /// Whether nothing has been replaced.
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Nothing more will be replaced.
    pub fn settle(&mut self) {
        self.is_settled = true;
        self.fakes.settle();
    }

    /// Whether nothing will have to be put back.
    pub const fn is_idle(&self) -> bool {
        self.is_settled && self.is_empty()
    }

    /// Whether it matters in how many strings of JSON a surrogate stands.
    pub const fn needs_layers(&self) -> bool {
        self.has_special || !self.is_settled
    }

    /// The placeholder of a value; none if there are too many.
    pub fn placeholder(&mut self, value: Value<'_>) -> Option<String> {
        let key = key(value.entity, value.canonical);
        if let Some(surrogate) = self.known(&key) {
            return Some(surrogate);
        }
        let name = name(value.entity);
        let mut number = self.numbers.get(&value.entity).copied().unwrap_or_default();
        let surrogate = loop {
            number = number.saturating_add(1);
            if number > MOST_NUMBER {
                return None;
            }
            let core = format!("{name}_{number}");
            if !self.by_core.contains_key(&core.to_ascii_lowercase()) {
                break format!("<{core}>");
            }
        };
        self.numbers.insert(value.entity, number);
        self.keep(key, value, surrogate)
    }

    /// A surrogate that `code` tells for a value: `<EMAIL_code>`; none if there are too many, or
    /// another value has it.
    pub fn pseudonym(&mut self, value: Value<'_>, code: &str) -> Option<String> {
        let key = key(value.entity, value.canonical);
        if let Some(surrogate) = self.known(&key) {
            return Some(surrogate);
        }
        let core = format!("{}_{code}", name(value.entity));
        if self.get(&core.to_ascii_lowercase()).is_some() {
            return None;
        }
        self.keep(key, value, format!("<{core}>"))
    }

    /// A fake for a value that `make` makes, at each attempt another one, with how it reads; none
    /// if there are too many, or none is free.
    pub fn fake(
        &mut self,
        value: Value<'_>,
        make: impl Fn(u8) -> Option<(String, String)>,
    ) -> Option<String> {
        let own = key(value.entity, value.canonical);
        if let Some(surrogate) = self.known(&own) {
            return Some(surrogate);
        }
        if self.is_full(value) {
            return None;
        }
        for attempt in 0..MOST_ATTEMPTS {
            let (fake, canonical) = make(attempt)?;
            let reading = key(value.entity, &canonical);
            let is_free = reading != own && !self.by_value.contains_key(&reading);
            if is_free && self.fakes.add(&fake, reading, self.kept.len()) {
                return self.keep(own, value, fake);
            }
        }
        None
    }

    /// What a value of this spelling stands for, if it is a fake.
    pub fn fake_of(&self, entity: Entity, canonical: &str) -> Option<Place> {
        self.fakes.reads(&key(entity, canonical))
    }

    /// Whether there are fakes.
    pub fn has_fakes(&self) -> bool {
        !self.fakes.is_empty()
    }

    /// Takes notice of the words of a body before anything is replaced in it: no fake is one of
    /// them.
    pub fn reserve_words(&mut self, body: &[u8]) {
        self.fakes.reserve(body);
    }

    fn is_full(&self, value: Value<'_>) -> bool {
        self.kept.len() >= MOST_VALUES
            || self.bytes.saturating_add(value.written.len()) > MOST_BYTES
    }

    fn known(&self, key: &str) -> Option<String> {
        let kept = self.kept.get(*self.by_value.get(key)?)?;
        Some(kept.surrogate.clone())
    }

    fn keep(&mut self, key: String, value: Value<'_>, surrogate: String) -> Option<String> {
        if self.is_full(value) {
            return None;
        }
        let place = self.kept.len();
        self.bytes = self.bytes.saturating_add(value.written.len());
        self.has_special |= is_special(value.written);
        if let Some(core) = surrogate.strip_prefix('<') {
            let core = core.trim_end_matches('>').to_ascii_lowercase();
            self.by_core.insert(core, place);
        }
        self.by_value.insert(key, place);
        self.kept.push(Kept {
            entity: value.entity,
            written: value.written.to_owned(),
            layers: value.layers,
            surrogate: surrogate.clone(),
        });
        Some(surrogate)
    }

    /// Takes notice of the placeholders that a body has before anything is replaced in it: their
    /// numbers are not given out. `entities` are those that get placeholders.
    pub fn reserve(&mut self, body: &[u8], entities: &[Entity]) {
        self.take(body, entities);
        if let Some(read) = unescaped(body) {
            self.take(&read, entities);
        }
    }

    fn take(&mut self, body: &[u8], entities: &[Entity]) {
        for at in memchr::memchr_iter(b'_', body) {
            let digits = body.get(at.saturating_add(1)..).unwrap_or_default();
            let length = digits.iter().take(5);
            let length = length.take_while(|byte| byte.is_ascii_digit()).count();
            let digits = digits.get(..length).unwrap_or_default();
            if !(1..5).contains(&length) || digits.first() == Some(&b'0') {
                continue;
            }
            let Ok(number) = core::str::from_utf8(digits) else {
                continue;
            };
            for entity in entities {
                let name = name(*entity);
                if ends_with(body.get(..at).unwrap_or_default(), name.as_bytes()) {
                    let core = format!("{}_{number}", name.to_ascii_lowercase());
                    self.by_core.entry(core).or_insert(TAKEN);
                }
            }
        }
    }

    /// The surrogates in `text[floor..]`. They ascend and do not overlap.
    pub fn find(&self, text: &str, floor: usize) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let bytes = text.as_bytes();
        let mut done = floor;
        while let Some(low_line) = bytes
            .get(done..)
            .and_then(|rest| memchr::memchr(b'_', rest))
            .map(|at| done.saturating_add(at))
        {
            let floor = found.last().map_or(floor, |last| last.span.end);
            done = low_line.saturating_add(1);
            if let Some(one) = self.around(text, floor, low_line) {
                done = done.max(one.span.end);
                found.push(one);
            }
        }
        let fakes = self.fakes.find(text, floor);
        if !fakes.is_empty() {
            found.extend(fakes.into_iter().map(|(span, place)| Found {
                span,
                place,
                around: Around::Text,
                is_bare: false,
            }));
            found.sort_by_key(|found| found.span.start);
            let mut end = 0;
            found.retain(|found| {
                let is_behind = found.span.start >= end;
                end = end.max(found.span.end);
                is_behind
            });
        }
        found
    }

    /// The placeholder with this low line.
    fn around(&self, text: &str, floor: usize, low_line: usize) -> Option<Found> {
        let bytes = text.as_bytes();
        let is_code = bytes
            .get(low_line.saturating_add(1))
            .is_some_and(u8::is_ascii_alphanumeric);
        let from = floor.max(low_line.saturating_sub(LONGEST));
        let left = bytes.get(from..low_line).unwrap_or_default();
        let name = left.iter().rposition(|byte| *byte != b'\\')?;
        if !is_code || !left.get(name).is_some_and(u8::is_ascii_alphabetic) {
            return None;
        }
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_\\".contains(byte);
        let word = left.iter().rposition(|byte| !is_part(byte));
        let word = from.saturating_add(word.map_or(0, |before| before.saturating_add(1)));
        let front = from.max(word.saturating_sub(LONGEST_BRACKET));
        let opens = |at: &usize| {
            let byte = bytes.get(*at).copied().unwrap_or_default();
            // Of a row of backslashes the first opens.
            let is_second =
                byte == b'\\' && *at > front && bytes.get(at.saturating_sub(1)) == Some(&b'\\');
            may_open(byte) && !is_second && text.is_char_boundary(*at)
        };
        for start in (front..low_line).filter(opens) {
            if let Read::Whole(spelled) = bracketed(text, start, self)
                && spelled.end > low_line
            {
                return Some(found(start, spelled));
            }
        }
        match bare(text, word, self) {
            Read::Whole(spelled) => Some(found(word, spelled)),
            _ => None,
        }
    }

    /// Whether a surrogate stands over `place` of the text, or may if the text goes on.
    pub fn spans(&self, text: &str, floor: usize, place: usize) -> bool {
        if self.is_empty() {
            return false;
        }
        if self.fakes.spans(text, floor, place) {
            return true;
        }
        let mut starts = starts_before(text, floor, place).take(MOST_STARTS);
        starts.any(|at| {
            let read = match bracketed(text, at, self) {
                Read::No => bare(text, at, self),
                read => read,
            };
            match read {
                Read::No => false,
                Read::Open => true,
                Read::Whole(spelled) => spelled.end > place || spelled.may_go_on,
            }
        })
    }

    /// What the value in this place is.
    pub fn entity(&self, place: Place) -> Option<Entity> {
        self.kept.get(place).map(|kept| kept.entity)
    }

    /// Writes a value where its surrogate stood, in so many strings of JSON.
    pub fn write(&self, place: Place, layers: u8, around: Around, out: &mut String) {
        let Some(kept) = self.kept.get(place) else {
            return;
        };
        // Where the text is no JSON by its beginning, what stands around it tells.
        let layers = match around {
            Around::Json => layers.max(1),
            _ => layers,
        };
        if !is_special(&kept.written) || kept.layers == layers {
            return encoded(&kept.written, around, out);
        }
        let mut value = kept.written.clone();
        for _ in 0..kept.layers {
            value = unescaped_json(value);
        }
        for _ in 0..layers {
            let mut escaped = String::with_capacity(value.len());
            escape_into(&value, &mut escaped);
            value = escaped;
        }
        encoded(&value, around, out);
    }
}

/// Most places at which a placeholder that stands over a place may begin, counted from there: it
/// has no more backslashes and references in it.
const MOST_STARTS: usize = 12;

/// The places before `place` at which a placeholder may begin that goes on to there, the nearest
/// first.
fn starts_before(text: &str, floor: usize, place: usize) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let from = floor.max(place.saturating_sub(LONGEST));
    let left = bytes.get(from..place).unwrap_or_default();
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"_\\&;#%".contains(byte);
    // A bracket that closes may belong to the name of a link.
    let open = left.strip_suffix(b"]").unwrap_or(left);
    let inside = open.iter().rev().take_while(|byte| is_inside(byte)).count();
    let word = from.saturating_add(open.len().saturating_sub(inside));
    let before = text.get(..word).unwrap_or_default();
    let bracket = before
        .chars()
        .next_back()
        .filter(|last| word > from && matches!(last, '<' | '[' | '＜' | '‹'));
    let first = word.saturating_sub(bracket.map_or(0, char::len_utf8));
    let escapes = bytes.get(from..first).unwrap_or_default();
    let escapes = escapes.iter().rev().take_while(|byte| **byte == b'\\');
    let first = first.saturating_sub(escapes.count());
    (first..place).rev().filter(move |at| {
        let byte = bytes.get(*at).copied().unwrap_or_default();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        match byte {
            // Of a row of them it is the first.
            b'\\' => *at == first || before != Some(&b'\\'),
            b'A'..=b'Z' => *at == first || *at == word || before == Some(&b';'),
            byte => may_open(byte),
        }
    })
}

/// What a value means that stands in a string of JSON; what cannot be read stays as it is.
fn unescaped_json(value: String) -> String {
    let quoted = format!("\"{value}\"");
    let token = Walker::new(quoted.as_bytes(), LIMITS).and_then(|mut walker| walker.next_token());
    match token {
        Ok(Some(Token::String(text))) => text.decode().into_owned(),
        _ => value,
    }
}

/// Longest opening bracket with its backslashes, in bytes.
const LONGEST_BRACKET: usize = 24;

fn found(start: usize, spelled: Spelled<Place>) -> Found {
    Found {
        span: start..spelled.end,
        place: spelled.of,
        around: spelled.around,
        is_bare: spelled.is_bare,
    }
}

/// `EMAIL` of `[EMAIL]`.
fn name(entity: Entity) -> &'static str {
    entity.placeholder().trim_matches(['[', ']'])
}

fn key(entity: Entity, canonical: &str) -> String {
    format!("{}\0{canonical}", entity.name())
}

/// Whether a value has characters that JSON escapes.
fn is_special(value: &str) -> bool {
    value
        .bytes()
        .any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
}

/// Whether text ends with this name in any case, with backslashes before its low lines and its end.
fn ends_with(text: &[u8], name: &[u8]) -> bool {
    let mut rest = text;
    for want in name.iter().rev().chain([&b'\0']) {
        while let [before @ .., b'\\'] = rest {
            rest = before;
        }
        match rest {
            _ if *want == 0 => break,
            [before @ .., last] if last.eq_ignore_ascii_case(want) => rest = before,
            _ => return false,
        }
    }
    true
}

/// A body with its escapes of ASCII read, those of JSON and of forms; none if it has none.
fn unescaped(body: &[u8]) -> Option<Vec<u8>> {
    let digits = |digits: &[u8]| {
        let digits = core::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)
    };
    let mut read: Option<Vec<u8>> = None;
    let mut done = 0_usize;
    for at in memchr::memchr2_iter(b'%', b'u', body) {
        let rest = body.get(at..).unwrap_or_default();
        let escape = match rest {
            [b'%', code @ ..] => code.get(..2).map(|code| (code, 3)),
            [b'u', b'0', b'0', code @ ..] => code.get(..2).map(|code| (code, 5)),
            _ => None,
        };
        if at < done {
            continue;
        }
        if let Some((code, length)) = escape
            && let Some(byte) = digits(code)
        {
            let read = read.get_or_insert_default();
            let before = body.get(done..at).unwrap_or_default();
            let before = match before {
                [text @ .., b'\\'] if length == 5 => text,
                text => text,
            };
            read.extend_from_slice(before);
            read.push(byte);
            done = at.saturating_add(length);
        }
    }
    if let Some(read) = &mut read {
        read.extend_from_slice(body.get(done..).unwrap_or_default());
    }
    read
}

/// Writes a value as text is written in markup or an address.
fn encoded(value: &str, around: Around, out: &mut String) {
    match around {
        Around::Text | Around::Json => out.push_str(value),
        Around::Markup => {
            for character in value.chars() {
                match character {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '"' => out.push_str("&quot;"),
                    other => out.push(other),
                }
            }
        }
        Around::Url => {
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte));
                } else {
                    out.push('%');
                    for digit in [byte >> 4, byte & 15] {
                        let digit = char::from_digit(u32::from(digit), 16);
                        out.extend(digit.map(|digit| digit.to_ascii_uppercase()));
                    }
                }
            }
        }
    }
}

/// The layers of a text at ascending places.
pub struct Depths<'a> {
    text: &'a str,
    at: usize,
    layers: Layers,
}

impl<'a> Depths<'a> {
    /// Of a text whose first byte that has not been read stands at `at`.
    pub const fn of(text: &'a str, at: usize, layers: Layers) -> Self {
        Self { text, at, layers }
    }

    /// In how many strings of JSON a place stands.
    pub fn at(&mut self, place: usize) -> u8 {
        self.layers
            .read(self.text.get(self.at..place).unwrap_or_default());
        self.at = self.at.max(place);
        self.layers.depth()
    }

    /// The layers at the text's end.
    pub fn end(mut self) -> Layers {
        self.at(self.text.len());
        self.layers
    }
}

#[cfg(test)]
pub(crate) mod tests;
