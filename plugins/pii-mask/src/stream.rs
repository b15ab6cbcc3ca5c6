//! Masks text that arrives in pieces: what cannot become part of a finding any more goes out at
//! once, the rest is held.
//!
//! Algorithm: `segment` tells where the text may be cut; up to the last such place it is scanned
//! and let out, with the last stretch before kept to read context from. Usually no more than the
//! word at the end is held, or a number that may go on. A segment that grows beyond a bound is cut
//! by force, with an overlap longer than any bounded finding; a credential without a bound that is
//! still going on there is replaced once and the rest of it swallowed. The same text gives the same
//! output in whatever pieces it comes.
//!
//! What it cannot do: recognise a token whose header alone is longer than twice the bound.

mod going;
mod segment;

use crate::detect::armor::{Armor, Step};
use crate::detect::boundary::LOOK_BEHIND;
use crate::detect::email::{self, LONGEST_LOCAL, is_local};
use crate::detect::fold::{self, reads_otherwise};
use crate::detect::secret::{self, may_be_aws_secret, may_begin};
use crate::detect::web_token::is_object;
use crate::detect::{Columns, Entity, Finding};
use crate::mask::{Action, Masker, Reading, Tally};
use going::{goes_on, number_goes_on};
use segment::Segmenter;

/// Longest segment that is held, in bytes.
const MAX_HELD: usize = 4096;
/// The same of one that can be nothing but the front of an address, and what stays of it.
const MAX_HELD_PLAIN: usize = 384;
const PLAIN_OVERLAP: usize = 256;
/// The same of one that is base64 of something else than a credential, as far as can be told.
const MAX_HELD_BASE64: usize = 640;
/// Shortest segment that a secret key of AWS may be in.
const SHORTEST_SECRET: usize = 39;
/// The same where a token's header may have begun.
const MAX_HELD_HEADER: usize = 8192;
/// What stays behind a forced cut; no finding with a bound is longer.
const OVERLAP: usize = 768;

/// How long, in bytes, the context of a finding may be written: each byte as a character of three,
/// with one that is not seen between.
const MOST_WRITTEN: usize = LOOK_BEHIND * 6;

/// Where masked text goes: every byte that was pushed is kept or replaced, in its order.
pub trait Sink {
    /// This text stays.
    fn keep(&mut self, text: &str);
    /// So many bytes of the text are replaced by `with`.
    fn replace(&mut self, length: usize, with: &str);
    /// This text was found, and stays.
    fn report(&mut self, text: &str) {
        self.keep(text);
    }
}

impl Sink for String {
    fn keep(&mut self, text: &str) {
        self.push_str(text);
    }

    fn replace(&mut self, _length: usize, with: &str) {
        self.push_str(with);
    }
}

/// One text that arrives in pieces.
#[derive(Debug, Default)]
pub struct TextStream {
    /// Look-behind, then what is held.
    buffer: String,
    /// Where what is held begins.
    floor: usize,
    /// Up to where the segmenter has read.
    read: usize,
    segmenter: Segmenter,
    /// What has gone out: as lines of a table, as JSON.
    reading: Reading,
    /// The cells of a table up to where a cut was offered last, and where that is.
    ahead: (Columns, usize),
    swallow: Option<Swallow>,
    /// The last place at which it may be cut.
    offered: usize,
    /// Up to where what follows may name what is held.
    named_until: usize,
    /// It had characters that read otherwise than they are written.
    reads_shorter: bool,
    /// What is held may be the header of a token.
    patient: bool,
    /// How long what is held may be.
    long: Long,
    /// Where it may be cut as far as kinds of the operator's own allow.
    places: Vec<usize>,
    /// Up to where the sink has been told already, if beyond the floor.
    told: usize,
}

/// What is known of a segment that grows long.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Long {
    /// Nothing as yet.
    #[default]
    Unseen,
    /// It is more than the front of an address.
    NotPlain,
    /// It may be something long.
    MayBe,
}

/// What goes on of a credential that has been replaced already.
#[derive(Debug)]
enum Swallow {
    /// Letters, digits and what tokens of its kind have between them.
    Token(Entity),
    /// A private key, up to its end; what of it is undecided.
    Key(Armor, String),
}

impl TextStream {
    /// Takes the next piece and gives `out` what can go.
    pub fn push(&mut self, piece: &str, masker: &Masker, tally: &mut Tally, out: &mut dyn Sink) {
        let mut piece = piece;
        while !piece.is_empty() {
            piece = self.swallow(piece, out);
            piece = self.read(piece, masker, tally, out);
        }
    }

    /// The text has ended: gives what is held.
    pub fn finish(&mut self, masker: &Masker, tally: &mut Tally, out: &mut dyn Sink) {
        if let Some(Swallow::Key(armor, undecided)) = self.swallow.take() {
            let own = undecided.len().saturating_sub(armor.end());
            out.replace(own, "");
            self.buffer
                .push_str(undecided.get(own..).unwrap_or_default());
        }
        self.release(self.buffer.len(), masker, tally, out);
        *self = Self::default();
    }

    /// Bytes held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let undecided = match &self.swallow {
            Some(Swallow::Key(_, undecided)) => undecided.len(),
            _ => 0,
        };
        self.buffer
            .len()
            .saturating_sub(self.floor)
            .saturating_add(undecided)
    }

    /// Reads a piece until its end, or until something is swallowed: then gives the rest.
    fn read<'a>(
        &mut self,
        piece: &'a str,
        masker: &Masker,
        tally: &mut Tally,
        out: &mut dyn Sink,
    ) -> &'a str {
        self.buffer.push_str(piece);
        let mut cut = None;
        while let Some(character) = self
            .buffer
            .get(self.read..)
            .and_then(|rest| rest.chars().next())
        {
            let at = self.read;
            self.read = at.saturating_add(character.len_utf8());
            self.reads_shorter |= !character.is_ascii() && reads_otherwise(character);
            if cut.is_none()
                && !self.places.is_empty()
                && self.read.saturating_sub(self.floor) >= MAX_HELD
            {
                cut = self.apart(masker);
                self.places.clear();
            }
            let floor = cut.unwrap_or(self.floor);
            let segment = self.places.last().copied().unwrap_or(floor);
            if let Some(place) = self.segmenter.step(&self.buffer, segment, at, character) {
                let known = self.buffer.get(..self.read).unwrap_or_default();
                let spans = masker.spans(known, floor, place);
                if !self.may_be_named_behind(place) && !spans && !self.is_in_secret(place) {
                    if masker.goes_over_spaces() {
                        self.places.push(place);
                    } else {
                        cut = Some(place);
                    }
                }
            } else if self.read.saturating_sub(floor) > self.most_held() {
                if let Some(place) = cut.take().or_else(|| self.apart(masker)) {
                    self.release(place, masker, tally, out);
                    if self.read.saturating_sub(self.floor) <= self.most_held() {
                        continue;
                    }
                }
                if self.long == Long::Unseen {
                    if !masker.customs().is_empty() {
                        self.long = Long::MayBe;
                    } else if !self.let_go_of_plain(masker, out) {
                        self.long = Long::NotPlain;
                    }
                } else if self.long == Long::NotPlain {
                    if !self.let_go_of_base64(masker, out) {
                        self.long = Long::MayBe;
                    }
                } else if self.force(masker, tally, out) {
                    // The rest was never read: take it back.
                    let unread = self.buffer.len().saturating_sub(self.read);
                    self.buffer.truncate(self.read);
                    return piece
                        .get(piece.len().saturating_sub(unread)..)
                        .unwrap_or_default();
                }
            }
        }
        if let Some(place) = cut.or_else(|| self.apart(masker)) {
            self.release(place, masker, tally, out);
        }
        ""
    }

    /// The last place at which it may be cut that no value of the operator's own kinds spans.
    fn apart(&self, masker: &Masker) -> Option<usize> {
        let text = self.buffer.get(..self.read)?;
        if self.places.is_empty() {
            return None;
        }
        masker.last_apart(text, self.floor, &self.places, &self.reading)
    }

    /// Whether what stands before this place may be a secret key of AWS that its id, or a word,
    /// behind it tells.
    fn may_be_named_behind(&mut self, place: usize) -> bool {
        let from = core::mem::replace(&mut self.offered, place);
        // Most words are shorter.
        if place.saturating_sub(from) > SHORTEST_SECRET {
            // With the sign of an escape before it.
            let bytes = self.buffer.as_bytes();
            let from = match from
                .checked_sub(1)
                .filter(|at| bytes.get(*at) == Some(&b'\\'))
            {
                Some(before) => before,
                None => from,
            };
            let text = self.buffer.get(from..place).unwrap_or_default();
            // As it is written, and as it reads.
            let may_be = |text: &str| may_be_aws_secret(text.as_bytes());
            if may_be(text) || (self.reads_shorter && may_be(&fold::plain(text))) {
                self.named_until = place.saturating_add(secret::BEHIND);
            }
        }
        place < self.named_until
    }

    /// Whether this place is within a cell of a table that may be a secret as a whole.
    fn is_in_secret(&mut self, place: usize) -> bool {
        let (columns, read) = &mut self.ahead;
        let text = self.buffer.get(*read..place).unwrap_or_default();
        columns.read(text, |_, _, _| {});
        *read = place.max(*read);
        columns.is_in_secret()
    }

    const fn most_held(&self) -> usize {
        match (self.long, self.patient) {
            (Long::Unseen, _) => MAX_HELD_PLAIN,
            (Long::NotPlain, _) => MAX_HELD_BASE64,
            (Long::MayBe, false) => MAX_HELD,
            (Long::MayBe, true) => MAX_HELD_HEADER,
        }
    }

    /// Lets out what can be nothing but the front of an address, and is too long for that: a word
    /// without digits, signs of tokens and letters that credentials are known by. False if it may
    /// be more.
    fn let_go_of_plain(&mut self, masker: &Masker, out: &mut dyn Sink) -> bool {
        let held = self.buffer.get(self.floor..self.read).unwrap_or_default();
        let plain = self.segmenter.is_plain()
            && !self.reads_shorter
            && !held.bytes().any(|byte| b"_-%IJ".contains(&byte))
            && !held
                .chars()
                .any(|one| matches!(fold::looks_like(one), Some('I' | 'J')))
            && self.has_no_people(masker);
        if !plain {
            return false;
        }
        self.let_go(masker, out);
        true
    }

    /// Lets out most of a long word of base64 in which nothing is found, and that has nothing of
    /// what credentials begin with. False if it may be more.
    fn let_go_of_base64(&mut self, masker: &Masker, out: &mut dyn Sink) -> bool {
        let held = self.buffer.get(self.floor..self.read).unwrap_or_default();
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        let mut reading = self.reading.clone();
        let text = self.buffer.get(..self.read).unwrap_or_default();
        let nothing = held.bytes().all(is_base64)
            && !self.segmenter.is_in_value()
            && !held.as_bytes().windows(3).any(is_object)
            && !may_begin(text, self.floor)
            && self.has_no_people(masker)
            && masker.find_next(text, self.floor, &mut reading).is_empty();
        if nothing {
            self.let_go(masker, out);
        }
        nothing
    }

    /// Whether no name or address is in what would be let go.
    fn has_no_people(&self, masker: &Masker) -> bool {
        let until = self.read.saturating_sub(PLAIN_OVERLAP);
        let text = self.buffer.get(..self.read);
        text.is_none_or(|text| !masker.has_people_before(text, self.floor, until, &self.reading))
    }

    /// Lets out the text but for as much of its end as an address may begin in.
    fn let_go(&mut self, masker: &Masker, out: &mut dyn Sink) {
        let cut = self
            .buffer
            .floor_char_boundary(self.read.saturating_sub(PLAIN_OVERLAP));
        let plain = self.buffer.get(self.floor..cut).unwrap_or_default();
        self.reading.pass(plain, masker);
        out.keep(plain);
        self.forget(cut);
    }

    /// Whether what is held, where nothing was found in it, may be the front of a finding that more
    /// than a word shows: part of an address with its `@`, of a number, of an account number, of a
    /// credential. What is a finding by itself is replaced even if it goes on.
    #[must_use]
    pub fn may_begin_a_value(&self, masker: &Masker) -> bool {
        let found = masker.find_next(&self.buffer, self.floor, &mut self.reading.clone());
        let from = found
            .last()
            .map_or(self.floor, |(finding, _)| finding.span.end);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let in_cell = || {
            let (mut columns, read) = self.ahead.clone();
            columns.read(self.buffer.get(read..).unwrap_or_default(), |_, _, _| {});
            columns.is_in_secret()
        };
        matches!(self.swallow, Some(Swallow::Key(..)))
            || in_cell()
            || (!rest.is_empty()
                && (self.segmenter.is_in_value()
                    || may_begin(&self.buffer, from)
                    || masker.spans(&self.buffer, from, self.buffer.len())
                    || number_goes_on(rest)))
    }

    /// Whether what is held ends in a word that may be the local part of an address, or its front.
    #[must_use]
    pub fn ends_in_word(&self) -> bool {
        let held = self.buffer.get(self.floor..).unwrap_or_default();
        let held = email::without_sign_front(held);
        let word = held.get(held.trim_end_matches(is_local).len()..);
        word.is_some_and(|word| word.len() <= LONGEST_LOCAL && word.contains(char::is_alphanumeric))
    }

    /// Tells `out` what becomes of what is held if nothing more comes; what comes nevertheless is
    /// read together with it.
    pub fn rest(&mut self, masker: &Masker, tally: &mut Tally, out: &mut dyn Sink) {
        let mut reading = self.reading.clone();
        let found = masker.find_next(&self.buffer, self.floor, &mut reading);
        self.write(self.buffer.len(), &found, masker, tally, out);
        self.told = self.buffer.len();
    }

    /// Lets out the text up to `cut`, which no finding spans.
    fn release(&mut self, cut: usize, masker: &Masker, tally: &mut Tally, out: &mut dyn Sink) {
        let text = self.buffer.get(..cut).unwrap_or_default();
        let found = masker.find_next(text, self.floor, &mut self.reading);
        self.write(cut, &found, masker, tally, out);
        self.forget(cut);
    }

    /// Gives what is held up to `end` with the findings replaced and counted, but for those that
    /// have been before.
    fn write(
        &self,
        end: usize,
        found: &[(Finding, Action)],
        masker: &Masker,
        tally: &mut Tally,
        out: &mut dyn Sink,
    ) {
        let text = self.buffer.get(..end).unwrap_or_default();
        let mut at = self.floor;
        let mut with = String::new();
        for (finding, action) in found {
            out.keep(text.get(at..finding.span.start).unwrap_or_default());
            let value = text.get(finding.span.clone()).unwrap_or_default();
            with.clear();
            if finding.span.end > self.told {
                masker.replace(finding, *action, value, tally, &mut with);
            }
            match action.changes() {
                true => out.replace(value.len(), &with),
                false => out.report(value),
            }
            at = finding.span.end;
        }
        out.keep(text.get(at..).unwrap_or_default());
    }

    /// What stands before `cut` has gone out; a stretch of it stays as context.
    fn forget(&mut self, cut: usize) {
        self.is_in_secret(cut);
        // Of what reads shorter than it is written more is read.
        let reach = if self.reads_shorter {
            MOST_WRITTEN
        } else {
            LOOK_BEHIND
        };
        let keep = self.buffer.floor_char_boundary(cut.saturating_sub(reach));
        self.buffer.drain(..keep);
        self.floor = cut.saturating_sub(keep);
        self.read = self.read.saturating_sub(keep);
        self.segmenter.shift(keep);
        self.told = self.told.saturating_sub(keep);
        self.ahead.1 = self.ahead.1.saturating_sub(keep);
        self.offered = self.offered.saturating_sub(keep);
        self.places.retain(|place| *place > cut);
        for place in &mut self.places {
            *place = place.saturating_sub(keep);
        }
        self.named_until = self.named_until.saturating_sub(keep);
        (self.patient, self.long) = (false, Long::Unseen);
    }

    /// Cuts a segment that has grown too long. True if its end is a credential that is swallowed
    /// from here on.
    fn force(&mut self, masker: &Masker, tally: &mut Tally, out: &mut dyn Sink) -> bool {
        let text = self.buffer.get(..self.read).unwrap_or_default();
        let end = text.len();
        let mut reading = self.reading.clone();
        let mut found = masker.find_next(text, self.floor, &mut reading);
        let key = self.segmenter.take_key();
        if let Some((last, action)) = found.last()
            && !action.changes()
            && last.entity.is_credential()
            && (last.span.end == end || key.is_some())
        {
            // It stays, and what goes on of it is text.
            self.segmenter = Segmenter::default();
            let text = self.buffer.get(self.floor..end).unwrap_or_default();
            self.reading.pass(text, masker);
            self.write(end, &found, masker, tally, out);
            self.forget(end);
            return false;
        }
        let begun = found
            .iter()
            .rposition(|(finding, _)| finding.entity == Entity::PrivateKey);
        if let (Some(armor), Some(begun)) = (key, begun)
            && let Some((finding, _)) = found.get_mut(begun)
        {
            // Of what is undecided the verdict comes later.
            let sure = end.saturating_sub(armor.undecided());
            finding.span.end = sure.max(finding.span.start);
            let undecided = text.get(finding.span.end..).unwrap_or_default().to_owned();
            // What else was found there is undecided with it.
            found.truncate(begun.saturating_add(1));
            return self.swallow_from(
                sure,
                Swallow::Key(armor, undecided),
                &found,
                masker,
                tally,
                out,
            );
        }
        let goes_on = found
            .last()
            .filter(|(finding, action)| {
                let is_new = !matches!(action, Action::Restore(..));
                // What only its name tells may turn out to be too long for it.
                let is_open = finding.entity == Entity::Secret && finding.span.start > self.floor;
                is_new && !is_open && finding.span.end == end && finding.entity.is_credential()
            })
            .map(|(finding, _)| finding.entity);
        if let Some(goes_on) = goes_on {
            let swallow = Swallow::Token(goes_on);
            return self.swallow_from(end, swallow, &found, masker, tally, out);
        }
        let mut cut = text.floor_char_boundary(end.saturating_sub(OVERLAP));
        if let Some((finding, _)) = found
            .iter()
            .find(|(finding, _)| finding.span.start < cut && cut < finding.span.end)
        {
            cut = if finding.span.end == end {
                finding.span.start
            } else {
                finding.span.end
            };
        }
        // A token whose second part has not begun cannot be told yet: it stays whole.
        let is_token =
            |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        let token = text.trim_end_matches(is_token).len();
        if is_object(text.as_bytes().get(token..).unwrap_or_default()) {
            if token > self.floor {
                cut = cut.min(token);
            } else if !self.patient {
                self.patient = true;
                return false;
            }
        }
        found.retain(|(finding, _)| finding.span.end <= cut);
        let text = self.buffer.get(self.floor..cut).unwrap_or_default();
        self.reading.pass(text, masker);
        self.write(cut, &found, masker, tally, out);
        self.forget(cut);
        false
    }

    /// Lets out the text up to `end`, where a credential has been replaced that goes on. True.
    fn swallow_from(
        &mut self,
        end: usize,
        swallow: Swallow,
        found: &[(Finding, Action)],
        masker: &Masker,
        tally: &mut Tally,
        out: &mut dyn Sink,
    ) -> bool {
        self.swallow = Some(swallow);
        self.segmenter = Segmenter::default();
        let text = self.buffer.get(self.floor..end).unwrap_or_default();
        self.reading.pass(text, masker);
        self.write(end, found, masker, tally, out);
        let unread = self.buffer.len().saturating_sub(self.read);
        self.buffer.drain(end..self.read);
        self.read = self.buffer.len().saturating_sub(unread);
        self.forget(end);
        true
    }

    /// Drops what goes on of a replaced credential; gives the rest of the piece.
    fn swallow<'a>(&mut self, piece: &'a str, out: &mut dyn Sink) -> &'a str {
        let Some(swallow) = &mut self.swallow else {
            return piece;
        };
        let mut dropped = 0_usize;
        let mut end = None;
        for (at, character) in piece.char_indices() {
            let next = at.saturating_add(character.len_utf8());
            match swallow {
                Swallow::Token(entity) if goes_on(*entity, character) => {
                    dropped = dropped.saturating_add(character.len_utf8());
                }
                Swallow::Token(_) => end = Some(at),
                Swallow::Key(armor, undecided) => {
                    undecided.push(character);
                    match armor.step_over(character) {
                        Step::Inside => {}
                        Step::Last => end = Some(next),
                        Step::Over => {
                            undecided.pop();
                            end = Some(at);
                        }
                    }
                    let sure = undecided.len().saturating_sub(armor.undecided());
                    undecided.drain(..sure);
                    dropped = dropped.saturating_add(sure);
                }
            }
            if end.is_some() {
                break;
            }
        }
        out.replace(dropped, "");
        let Some(end) = end else {
            return "";
        };
        if let Some(Swallow::Key(_, undecided)) = self.swallow.take() {
            self.buffer.push_str(&undecided);
        }
        piece.get(end..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
