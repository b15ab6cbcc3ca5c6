//! Masks text that arrives in pieces: what cannot become part of a finding any more goes out at once, the rest is held.
//!
//! Algorithm: [`segment`] tells where the text may be cut; up to the last such place it is scanned and let out, with the
//! last stretch before kept to read context from. Usually no more than the word at the end is held, or a number that may go
//! on. A segment that grows beyond a bound is cut by force, with an overlap longer than any bounded finding; a credential
//! without a bound that is still going on there is replaced once and the rest of it swallowed. The same text gives the same
//! output in whatever pieces it comes.
//!
//! What it cannot do: recognise a token whose header alone is longer than the bound.

mod segment;

use crate::detect::boundary::LOOK_BEHIND;
use crate::detect::secret::is_pem;
use crate::detect::{Entity, Finding};
use crate::mask::{Action, Masker, Tally};
use segment::Segmenter;

/// Longest segment that is held, in bytes.
const MAX_HELD: usize = 4096;
/// What stays behind a forced cut; no finding with a bound is longer.
const OVERLAP: usize = 768;

/// Where masked text goes: every byte that was pushed is kept or replaced, in its order.
pub trait Sink {
    /// This text stays.
    fn keep(&mut self, text: &str);
    /// So many bytes of the text are replaced by `with`.
    fn replace(&mut self, length: usize, with: &str);
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
    swallow: Option<Swallow>,
}

/// How the last line of a PEM block begins.
const PEM_END_TEXT: &str = "-----END ";

/// What goes on of a credential that has been replaced already.
#[derive(Debug)]
enum Swallow {
    /// Letters, digits and what tokens have between them.
    Token,
    /// A PEM block's characters, up to its last line; the end of what was swallowed.
    Pem(String),
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
        self.release(self.buffer.len(), masker, tally, out);
        *self = Self::default();
    }

    /// Bytes held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(self.floor)
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
            let floor = cut.unwrap_or(self.floor);
            if let Some(place) = self.segmenter.step(&self.buffer, floor, at, character) {
                cut = Some(place);
            } else if self.read.saturating_sub(floor) > MAX_HELD {
                if let Some(place) = cut.take() {
                    self.release(place, masker, tally, out);
                }
                if self.force(masker, tally, out) {
                    // The rest was never read: take it back.
                    let unread = self.buffer.len().saturating_sub(self.read);
                    self.buffer.truncate(self.read);
                    return piece
                        .get(piece.len().saturating_sub(unread)..)
                        .unwrap_or_default();
                }
            }
        }
        if let Some(place) = cut {
            self.release(place, masker, tally, out);
        }
        ""
    }

    /// Lets out the text up to `cut`, which no finding spans.
    fn release(&mut self, cut: usize, masker: &Masker, tally: &mut Tally, out: &mut dyn Sink) {
        let text = self.buffer.get(..cut).unwrap_or_default();
        let found = masker.find(text, self.floor, "");
        write(text, self.floor, &found, masker, tally, out);
        self.forget(cut);
    }

    /// What stands before `cut` has gone out; a stretch of it stays as context.
    fn forget(&mut self, cut: usize) {
        let keep = floor_char_boundary(&self.buffer, cut.saturating_sub(LOOK_BEHIND));
        self.buffer.drain(..keep);
        self.floor = cut.saturating_sub(keep);
        self.read = self.read.saturating_sub(keep);
        self.segmenter.shift(keep);
    }

    /// Cuts a segment that has grown too long. True if its end is a credential that is swallowed from here on.
    fn force(&mut self, masker: &Masker, tally: &mut Tally, out: &mut dyn Sink) -> bool {
        let text = self.buffer.get(..self.read).unwrap_or_default();
        let end = text.len();
        let mut found = masker.find(text, self.floor, "");
        let goes_on = found
            .last()
            .filter(|(finding, _)| finding.span.end == end && finding.entity.is_credential());
        if let Some((finding, _)) = goes_on {
            self.swallow = Some(if finding.entity == Entity::PrivateKey {
                Swallow::pem(text.get(finding.span.start..).unwrap_or_default())
            } else {
                Swallow::Token
            });
            self.segmenter = Segmenter::default();
            write(text, self.floor, &found, masker, tally, out);
            self.forget(end);
            return true;
        }
        let mut cut = floor_char_boundary(text, end.saturating_sub(OVERLAP));
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
        if token > self.floor
            && text
                .get(token..)
                .is_some_and(|token| token.starts_with("eyJ"))
        {
            cut = cut.min(token);
        }
        found.retain(|(finding, _)| finding.span.end <= cut);
        let text = text.get(..cut).unwrap_or_default();
        write(text, self.floor, &found, masker, tally, out);
        self.forget(cut);
        false
    }

    /// Drops what goes on of a replaced credential; gives the rest of the piece.
    fn swallow<'a>(&mut self, piece: &'a str, out: &mut dyn Sink) -> &'a str {
        let Some(swallow) = &mut self.swallow else {
            return piece;
        };
        let end = piece
            .char_indices()
            .find(|(_, character)| !swallow.takes(*character))
            .map(|(at, _)| at);
        if end.is_some() {
            self.swallow = None;
        }
        let (dropped, rest) = piece
            .split_at_checked(end.unwrap_or(piece.len()))
            .unwrap_or_default();
        out.replace(dropped.len(), "");
        rest
    }
}

/// Gives `text[from..]` with the findings replaced and counted.
fn write(
    text: &str,
    from: usize,
    found: &[(Finding, Action)],
    masker: &Masker,
    tally: &mut Tally,
    out: &mut dyn Sink,
) {
    let mut at = from;
    let mut with = String::new();
    for (finding, action) in found {
        out.keep(text.get(at..finding.span.start).unwrap_or_default());
        let value = text.get(finding.span.clone()).unwrap_or_default();
        with.clear();
        masker.replace(finding, *action, value, tally, &mut with);
        out.replace(value.len(), &with);
        at = finding.span.end;
    }
    out.keep(text.get(at..).unwrap_or_default());
}

impl Swallow {
    /// `text` is the block as far as it has come.
    fn pem(text: &str) -> Self {
        let last_line = text
            .rfind(PEM_END_TEXT)
            .unwrap_or(text.len().saturating_sub(LOOK_BEHIND));
        Swallow::Pem(
            text.get(floor_char_boundary(text, last_line)..)
                .unwrap_or_default()
                .to_owned(),
        )
    }

    /// Whether the character still belongs to it.
    fn takes(&mut self, character: char) -> bool {
        match self {
            Swallow::Token => character.is_ascii_alphanumeric() || "-_.".contains(character),
            Swallow::Pem(tail) => {
                let ended = tail.find(PEM_END_TEXT).is_some_and(|at| {
                    tail.get(at.saturating_add(PEM_END_TEXT.len())..)
                        .is_some_and(|label| label.contains("-----"))
                });
                if ended || !character.is_ascii() || !is_pem(character as u8) {
                    return false;
                }
                // Of what stands before a last line only as much is kept as can begin one.
                if !tail.contains(PEM_END_TEXT) && tail.len() > LOOK_BEHIND {
                    tail.drain(..tail.len().saturating_sub(PEM_END_TEXT.len()));
                }
                tail.push(character);
                true
            }
        }
    }
}

fn floor_char_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

#[cfg(test)]
mod tests;
