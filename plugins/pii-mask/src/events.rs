//! Masks the events of a stream, in which one text is spread over many events.
//!
//! Algorithm: each running text (see [`place`]) has a [`TextStream`]; an event's piece is replaced by what can go by now,
//! which may be nothing. What is held goes with the next piece, or, where the text ends (a finish reason, a closing event,
//! `[DONE]`, the end of the stream), with an event of its own, made from the last one that had a piece of that text. Every
//! other string is masked by itself. Nothing else of an event changes, but for `logprobs`, which repeat the text token by
//! token and become `null`.
//!
//! What it cannot do: find what is spread over several texts, or over events of a protocol that it does not know.

mod place;

use crate::document::{LIMITS, Scope, number, string};
use crate::mask::{Masker, Tally};
use crate::stream::TextStream;
use modelgate_kit::json::{Edits, Token, Walker};
use place::{Place, TextId, read};
use std::collections::BTreeMap;

/// Most running texts at a time.
const MAX_TEXTS: usize = 256;

/// The running texts of one stream of events.
#[derive(Debug, Default)]
pub struct EventMasker {
    texts: BTreeMap<TextId, Running>,
    plain: Running,
}

#[derive(Debug, Default)]
struct Running {
    stream: TextStream,
    /// An event that can carry what is held: its frame, its data with every piece empty, and which string it is.
    carrier: Option<Carrier>,
}

#[derive(Debug, Clone)]
struct Carrier {
    frame: Vec<u8>,
    data: String,
    ordinal: usize,
}

/// What becomes of one event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// Events that go before it: the frame of an earlier one, and other data for it.
    pub before: Vec<(Vec<u8>, String)>,
    /// Its new data, if they change.
    pub data: Option<String>,
}

/// The event cannot be read: its data begin as JSON and are none, or there are too many texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl EventMasker {
    /// Masks one event's data. `frame` is whatever the caller needs to write an event like this one.
    ///
    /// # Errors
    /// [`Unreadable`]; the event must not pass as it is.
    pub fn event(
        &mut self,
        frame: &[u8],
        data: &str,
        scope: &Scope,
        masker: &Masker,
        tally: &mut Tally,
    ) -> Result<Masked, Unreadable> {
        let trimmed = data.trim();
        if trimmed == "[DONE]" {
            return Ok(Masked {
                before: self.finish(masker, tally),
                data: None,
            });
        }
        if !trimmed.starts_with(['{', '[', '"']) {
            return Ok(self.plain(frame, data, masker, tally));
        }
        let event = read(data, scope).map_err(|_| Unreadable)?;
        let mut edits = Edits::new();
        // The same event without any piece of a running text: what can carry held text later.
        let mut blank = Edits::new();
        let mut held = Vec::new();
        for place in &event.places {
            let mut both = |span: core::ops::Range<usize>, raw: String| {
                blank.replace_raw(span.clone(), raw.clone());
                edits.replace_raw(span, raw);
            };
            match place {
                Place::Single(text, label) => string(text, label, masker, tally, both),
                Place::Number(raw, span, label) => {
                    if let Some(masked) = number(raw, label, masker, tally) {
                        both(span.clone(), masked);
                    }
                }
                Place::Logprobs(span) => both(span.clone(), "null".to_owned()),
                Place::Piece(text, id, ordinal) => {
                    let running = self.running(id)?;
                    let piece = text.decode();
                    let mut out = String::new();
                    running.stream.push(&piece, masker, tally, &mut out);
                    if event.ends(id) {
                        running.stream.finish(masker, tally, &mut out);
                    }
                    if running.stream.held_bytes() > 0 {
                        held.push((id, *ordinal));
                    }
                    if out != piece {
                        edits.replace_text(text.span(), &out);
                    }
                    blank.replace_text(text.span(), "");
                }
            }
        }
        if !held.is_empty() {
            let blank = applied(&blank, data);
            for (id, ordinal) in held {
                let carrier = Carrier {
                    frame: frame.to_vec(),
                    data: blank.clone(),
                    ordinal,
                };
                self.running(id)?.carrier = Some(carrier);
            }
        }
        let before = self.flush(|id| event.ends(id), masker, tally);
        let data = (!edits.is_empty()).then(|| applied(&edits, data));
        Ok(Masked { before, data })
    }

    fn running(&mut self, id: &TextId) -> Result<&mut Running, Unreadable> {
        if !self.texts.contains_key(id) && self.texts.len() >= MAX_TEXTS {
            return Err(Unreadable);
        }
        Ok(self.texts.entry(id.clone()).or_default())
    }

    /// The stream has ended: events for everything that is still held.
    pub fn finish(&mut self, masker: &Masker, tally: &mut Tally) -> Vec<(Vec<u8>, String)> {
        let mut events = self.flush(|_| true, masker, tally);
        let mut rest = String::new();
        self.plain.stream.finish(masker, tally, &mut rest);
        if let Some(carrier) = self.plain.carrier.take().filter(|_| !rest.is_empty()) {
            events.push((carrier.frame, rest));
        }
        events
    }

    /// Data that are plain text: one running text.
    fn plain(&mut self, frame: &[u8], data: &str, masker: &Masker, tally: &mut Tally) -> Masked {
        let mut out = String::new();
        self.plain.stream.push(data, masker, tally, &mut out);
        self.plain.carrier = Some(Carrier {
            frame: frame.to_vec(),
            data: String::new(),
            ordinal: 0,
        });
        Masked {
            before: Vec::new(),
            data: (out != data).then_some(out),
        }
    }

    /// Ends the texts that `ended` names; events for what they held.
    fn flush(
        &mut self,
        ended: impl Fn(&TextId) -> bool,
        masker: &Masker,
        tally: &mut Tally,
    ) -> Vec<(Vec<u8>, String)> {
        let mut events = Vec::new();
        self.texts.retain(|id, running| {
            if !ended(id) {
                return true;
            }
            let mut rest = String::new();
            running.stream.finish(masker, tally, &mut rest);
            if let Some(carrier) = running.carrier.take().filter(|_| !rest.is_empty()) {
                events.push((carrier.frame.clone(), carrier.fill(&rest)));
            }
            false
        });
        events
    }
}

impl Carrier {
    /// The data with `text` as the string that was empty.
    fn fill(&self, text: &str) -> String {
        let mut edits = Edits::new();
        let mut ordinal = 0_usize;
        // These data have been read before: no error is to come.
        if let Ok(mut walker) = Walker::new(self.data.as_bytes(), LIMITS) {
            while let Ok(Some(token)) = walker.next_token() {
                let Token::String(string) = token else {
                    continue;
                };
                if ordinal == self.ordinal {
                    edits.replace_text(string.span(), text);
                    break;
                }
                ordinal = ordinal.saturating_add(1);
            }
        }
        applied(&edits, &self.data)
    }
}

/// Edits go from character to character: text stays text.
fn applied(edits: &Edits, data: &str) -> String {
    String::from_utf8(edits.apply(data.as_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
