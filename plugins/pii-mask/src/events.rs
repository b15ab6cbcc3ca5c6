//! Masks the events of a stream, in which one text is spread over many events.
//!
//! Algorithm: the pieces of each running text (see `place`) are read as one text by a
//! [`crate::stream::TextStream`]. An event waits until each of its pieces has been decided on, and
//! those behind it wait with it; then it goes with its findings replaced. A value that spans
//! several events is replaced in the first; the others lose their part of it. Nothing else of an
//! event changes and no event is added or moved: a stream in which nothing is found keeps its
//! bytes. (But for `logprobs`, which repeat the text token by token and become `null`.)
//!
//! A string is known to be a piece by its name (`role`). Where a stream has no such string,
//! whatever could be one is read both ways: by itself, and together with its predecessor. Of
//! strings that are no text by their names, or once a text is known, each is masked by itself.
//!
//! What it cannot do: find what is spread over several texts.

mod again;
mod place;
mod role;
mod silence;
mod track;
mod waiting;
mod words;

pub use waiting::Ready;

use crate::detect::LABEL;
use crate::document::{Scope, Strings, number, tail};
use crate::mask::{Masker, Tally};
use again::Again;
use core::ops::Range;
use modelgate_kit::json::{Path, Segment, Text};
use place::{Place, TextId, read};
use role::Role;
use std::collections::{BTreeMap, VecDeque};
use track::{LONG_PIECE, Piece, Track, Verdict};
use waiting::Waiting;
use words::{is_control, is_end, is_last, is_signal};

/// Most running texts at a time.
const MAX_TEXTS: usize = 256;
/// Most bytes of events that wait. A credential that goes on is replaced at 4 KiB; in events of one
/// character each that is a megabyte.
const MAX_WAITING: usize = 4 << 20;
/// How much of the end of a text's first piece is read by itself, in bytes: more than any finding
/// that the next piece could hide.
const MAX_END: usize = 8192;
/// Most strings of one event that may be texts without being known to be: an event that has more is
/// a record.
const MAX_OPEN: usize = 4;

/// What events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Data of server-sent events: JSON, or text.
    Event,
    /// Lines of JSON, which may be the events of a stream or documents of their own.
    Line,
    /// Lines of JSON behind a code.
    Coded,
    /// Events in JSON of the type that their name says.
    Named,
    /// A whole document, in whose arrays a text may run on.
    Document,
}

/// Whether a string is a piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It is.
    None,
    /// It may be: it is in an event.
    Text,
    /// It may be: it is in a line, and called as texts are.
    Line,
    /// It may be, but more likely it is a value of a record.
    Record,
}

/// The running texts of one stream of events, and the events that wait.
#[derive(Debug)]
pub struct EventMasker {
    tracks: BTreeMap<TextId, Track>,
    queue: VecDeque<Waiting>,
    /// Number of the first event that waits.
    first: u64,
    waiting_bytes: usize,
    /// A text is known in this stream.
    known: bool,
    most_texts: usize,
    /// There are more texts than that, and each of them waits.
    too_many: bool,
    /// A string goes on over events that is not known to be a text, and none is known.
    of_unknown_shape: bool,
    /// How many events have had pieces.
    heard: u64,
    counter: Counter,
    /// The last event, if the next one may be known by it.
    again: Option<Again>,
}

/// Whether an event's own `index` counts events or names a choice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Counter {
    /// None has been seen.
    #[default]
    Unseen,
    /// Each was one more than the one before; the last one.
    Counts(u64),
    /// It is that of a choice or a prompt.
    Names,
}

/// The event cannot be read: its data begin as JSON and are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Whether a string of a document may be a piece of a text that runs on in an array: Gemini's
/// stream without `alt=sse` is an array of answers, TGI lists its tokens.
pub fn runs_on(path: &Path<'_, '_>) -> bool {
    let mut container: Option<Text<'_>> = None;
    let mut in_sequence = false;
    for (at, step) in path.segments().enumerate() {
        match step {
            Segment::Member(name) => container = Some(name),
            Segment::Index(index) => {
                let sequence = match &container {
                    None => at == 0 && path.depth() > 1,
                    Some(name) => role::is_sequence(&name.decode_end(LABEL)),
                };
                in_sequence |= sequence && index > 0;
            }
        }
    }
    // Strings without a name are a table's.
    in_sequence && path.last_member().is_some() && role::role(path) == Role::Text
}

/// Whether the shape alone tells pieces of an answer from records: Gemini's stream without
/// `alt=sse` is an array of answers, each with the next piece; TGI and DJL send lines with a token
/// each.
fn is_answer_in_pieces(form: Form, data: &str, id: &TextId) -> bool {
    match (form, id.names.as_str()) {
        (Form::Document, ".candidates.content.parts.text") => data.trim_start().starts_with('['),
        (Form::Line, names) => names == ".token.text",
        _ => false,
    }
}

/// Masks a JSON document in whose arrays texts run on (see [`runs_on`]); none if nothing changes.
pub fn document(
    data: &str,
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<String>, Unreadable> {
    let mut events = EventMasker {
        known: true,
        most_texts: usize::MAX,
        ..EventMasker::default()
    };
    events.event(b"", data, "", Form::Document, scope, masker, tally)?;
    events.end(masker, tally);
    Ok(events.next_ready().and_then(|ready| ready.data))
}

impl Default for EventMasker {
    fn default() -> Self {
        Self {
            tracks: BTreeMap::new(),
            queue: VecDeque::new(),
            first: 0,
            waiting_bytes: 0,
            known: false,
            most_texts: MAX_TEXTS,
            too_many: false,
            of_unknown_shape: false,
            heard: 0,
            counter: Counter::default(),
            again: None,
        }
    }
}

impl EventMasker {
    /// Takes an event: its bytes, its data, and its name.
    ///
    /// # Errors
    /// [`Unreadable`]; the event was not taken.
    #[allow(clippy::too_many_arguments)] // what an event is, and what masks it
    pub fn event(
        &mut self,
        raw: &[u8],
        data: &str,
        name: &str,
        form: Form,
        scope: &Scope,
        masker: &Masker,
        tally: &mut Tally,
    ) -> Result<(), Unreadable> {
        if let Some(known) = self.again.take() {
            let is_known = self.tracks.contains_key(known.id());
            let piece = is_known.then(|| known.piece(data, name, form, masker));
            if let Some((text, span)) = piece.flatten() {
                self.go_on(raw, data, known.id(), (text, span), masker, tally);
                self.again = Some(known);
                return Ok(());
            }
        }
        let trimmed = data.trim();
        let is_json = form != Form::Event || trimmed.starts_with(['{', '[', '"']);
        match is_json.then(|| read(data, scope)) {
            Some(Ok(mut event)) => {
                if form == Form::Event && is_last(name) {
                    event.ending.close();
                }
                if form == Form::Named && !event.ending.any() {
                    event.ending.close_kind(name, &event.ids);
                }
                if matches!(form, Form::Coded | Form::Named) && !name.is_empty() {
                    event.behind_code(name);
                }
                let known = Again::of(&event, form);
                let is_clean = self.json(raw, data, event, form, masker, tally);
                self.again = known
                    .filter(|_| is_clean)
                    .map(|known| Again::new(form, name, data, known));
            }
            Some(Err(_)) if form != Form::Event => return Err(Unreadable),
            // A token of plain text may begin like JSON, but what an escape hides is not seen in
            // it.
            Some(Err(_)) if hides(trimmed) => return Err(Unreadable),
            _ => self.plain(raw, data, name, masker, tally),
        }
        Ok(())
    }

    /// More waits than may: either bytes behind an event that is undecided, or texts.
    pub fn is_overfull(&self) -> bool {
        let behind = |first: &Waiting| self.waiting_bytes.saturating_sub(first.raw.len());
        self.too_many
            || self
                .queue
                .front()
                .is_some_and(|first| first.open > 0 && behind(first) > MAX_WAITING)
    }

    /// Whether the stream may be a text whose shape is not known.
    pub const fn is_of_unknown_shape(&self) -> bool {
        self.of_unknown_shape
    }

    /// An event without data, or whose data are not looked at.
    pub fn pass(&mut self, raw: &[u8]) {
        self.enqueue(raw, "", false);
    }

    /// Every text ends here.
    pub fn end(&mut self, masker: &Masker, tally: &mut Tally) {
        self.finish(|_, _| true, masker, tally);
    }

    /// Whether an event waits.
    pub fn holds(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next event that can go.
    pub fn next_ready(&mut self) -> Option<Ready> {
        let waiting = self.queue.pop_front_if(|waiting| waiting.open == 0)?;
        self.first = self.first.saturating_add(1);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.raw.len());
        Some(waiting.ready())
    }

    /// Puts an event at the end of the queue; its number.
    fn enqueue(&mut self, raw: &[u8], data: &str, is_json: bool) -> u64 {
        let number = self
            .first
            .saturating_add(u64::try_from(self.queue.len()).unwrap_or(u64::MAX));
        self.waiting_bytes = self.waiting_bytes.saturating_add(raw.len());
        self.queue.push_back(Waiting {
            raw: raw.to_vec(),
            data: data.to_owned(),
            edits: Vec::new(),
            open: 0,
            is_json,
        });
        number
    }

    /// An event that is the last one but for this piece, of a text that is known.
    fn go_on(
        &mut self,
        raw: &[u8],
        data: &str,
        id: &TextId,
        (text, span): (Text<'_>, Range<usize>),
        masker: &Masker,
        tally: &mut Tally,
    ) {
        self.heard = self.heard.saturating_add(u64::from(!span.is_empty()));
        let number = self.enqueue(raw, data, true);
        self.piece(id, number, span, &text.decode(), Doubt::None, masker, tally);
        self.settle(masker, tally);
    }

    /// Takes an event; whether nothing was found in it beside its pieces.
    fn json(
        &mut self,
        raw: &[u8],
        data: &str,
        event: place::Event<'_>,
        form: Form,
        masker: &Masker,
        tally: &mut Tally,
    ) -> bool {
        let certain = match form {
            Form::Event | Form::Coded | Form::Named => true,
            Form::Line => event.of_stream,
            Form::Document => false,
        };
        let open = event
            .places
            .iter()
            .filter(|place| matches!(place, Place::Piece(_, _, Role::Open)))
            .count();
        let has_text = event.has_text();
        if has_text && certain && !self.known {
            self.known = true;
            // What was read in doubt is none, but for what may be the front of a value.
            self.finish(|_, track| !track.may_begin_a_value(masker), masker, tally);
        }
        let index = self.index(event.index);
        let mut places = event.places;
        for place in &mut places {
            let Place::Piece(_, id, _) = place else {
                continue;
            };
            if let Some(index) = index {
                id.ids.push(("index".to_owned(), index.to_string()));
            }
            if event.ending.any() {
                self.same_text(id);
            }
        }
        if places
            .iter()
            .any(|place| matches!(place, Place::Piece(text, ..) if !text.raw().is_empty()))
        {
            self.heard = self.heard.saturating_add(1);
        }
        let number_of = self.enqueue(raw, data, true);
        let mut edits = Vec::new();
        let mut strings = Strings::of(data.as_bytes());
        for place in places {
            let mut replace = |span: Range<usize>, raw: String| edits.push((span, raw));
            match place {
                Place::Name(text) => Strings::name(&text, masker, tally, replace),
                Place::Single(text, label) => {
                    strings.value(&text, &label, masker, tally, replace);
                }
                Place::Number(raw, span, label) => {
                    if let Some(masked) = number(raw, || label.into(), &mut strings, masker, tally)
                    {
                        replace(span, masked);
                    }
                }
                Place::Logprobs(span) => replace(span, "null".to_owned()),
                Place::Piece(text, id, role) => {
                    let doubt = match role {
                        Role::Text if certain || is_answer_in_pieces(form, data, &id) => {
                            Doubt::None
                        }
                        Role::Text if form == Form::Line => Doubt::Line,
                        _ if certain => Doubt::Text,
                        _ => Doubt::Record,
                    };
                    let whole = match role {
                        Role::Open => {
                            (self.known && !self.tracks.contains_key(&id))
                                || open > MAX_OPEN
                                || has_text
                        }
                        // A string without a name is a value of its line, or a cell of its table.
                        _ => matches!(form, Form::Line | Form::Document) && id.names.is_empty(),
                    };
                    if whole
                        || !self.piece(
                            &id,
                            number_of,
                            text.span(),
                            &text.decode(),
                            doubt,
                            masker,
                            tally,
                        )
                    {
                        strings.value(&text, tail(&id.names), masker, tally, replace);
                    }
                }
            }
        }
        let is_clean = edits.is_empty();
        if let Some(waiting) = self.queue.back_mut() {
            waiting.edits.append(&mut edits);
        }
        if event.awaited {
            // Its own texts end with it; others may go on behind it.
            self.finish(|_, track| track.is_last_in(number_of), masker, tally);
            for track in self.tracks.values_mut().filter(|track| track.is_waiting()) {
                track.rest(masker, tally);
            }
        } else if event.ending.any() {
            self.finish(|id, _| event.ending.ends(id), masker, tally);
        }
        self.settle(masker, tally);
        is_clean
    }

    /// Data that are text.
    fn plain(&mut self, raw: &[u8], data: &str, name: &str, masker: &Masker, tally: &mut Tally) {
        let trimmed = data.trim();
        if is_end(trimmed) {
            self.end(masker, tally);
        }
        let signal = is_control(trimmed) || is_signal(name);
        self.heard = self.heard.saturating_add(u64::from(!signal));
        let number = self.enqueue(raw, data, false);
        let id = TextId {
            kind: name.to_owned(),
            ..TextId::default()
        };
        if signal || !self.piece(&id, number, 0..data.len(), data, Doubt::Text, masker, tally) {
            let masked = masker.mask(data, "", tally);
            if let (Some(masked), Some(waiting)) = (masked, self.queue.back_mut()) {
                waiting.edits.push((0..data.len(), masked));
            }
        }
        self.settle(masker, tally);
    }

    /// Gives a text its next piece; false if there are too many texts, or if it is something whole.
    #[allow(clippy::too_many_arguments)] // a piece, its text, and what masks it
    fn piece(
        &mut self,
        id: &TextId,
        event: u64,
        span: Range<usize>,
        text: &str,
        doubt: Doubt,
        masker: &Masker,
        tally: &mut Tally,
    ) -> bool {
        if text.is_empty() {
            return true;
        }
        let known = self.tracks.contains_key(id);
        if !known && !self.make_room() {
            self.too_many = true;
            return false;
        }
        let track = if known {
            self.tracks.get_mut(id)
        } else {
            Some(self.tracks.entry(id.clone()).or_default())
        };
        let Some(track) = track else {
            return false;
        };
        let mut alone = Vec::new();
        if doubt == Doubt::None && text.len() > LONG_PIECE {
            // What stands before the end of the first piece is read alike with the text.
            let read_alike = if track.is_new() { MAX_END } else { text.len() };
            let from = text.floor_char_boundary(text.len().saturating_sub(read_alike));
            alone = masker.find(text, from, "");
        } else if doubt != Doubt::None && !track.comes_again(text) {
            alone = masker.find(text, 0, tail(&id.names));
            let verdict = track.judge(text, &alone, doubt);
            match verdict {
                Verdict::GoesOn => {
                    // Data that are no JSON are text; lines may be records.
                    let in_json = doubt == Doubt::Text && !id.names.is_empty();
                    self.of_unknown_shape |= known && in_json && !self.known;
                }
                Verdict::Row => track.take_apart(),
                Verdict::Begins | Verdict::Value => track.finish(masker, tally),
            }
            if verdict == Verdict::Value {
                return false;
            }
        }
        track.heard = self.heard;
        track.push(event, span, text, alone, masker, tally);
        let at = event.saturating_sub(self.first);
        if let Some(waiting) = usize::try_from(at)
            .ok()
            .and_then(|at| self.queue.get_mut(at))
        {
            waiting.open = waiting.open.saturating_add(1);
        }
        true
    }

    /// Forgets the text that has been silent longest if there are as many as may be; false if each
    /// of them waits.
    fn make_room(&mut self) -> bool {
        if self.tracks.len() < self.most_texts {
            return true;
        }
        let decided = self.tracks.iter().filter(|(_, track)| !track.is_waiting());
        let oldest = decided
            .min_by_key(|(_, track)| track.heard)
            .map(|(id, _)| id.clone());
        oldest.is_some_and(|id| self.tracks.remove(&id).is_some())
    }

    /// The text that a piece belongs to: in an event that ends texts it may be of another type than
    /// the ones before.
    fn same_text(&self, id: &mut TextId) {
        if self.tracks.contains_key(id) {
            return;
        }
        let known = self
            .tracks
            .iter()
            .filter(|(_, track)| track.is_waiting())
            .map(|(known, _)| known)
            .find(|known| known.continues(id));
        if let Some(known) = known {
            *id = known.clone();
        }
    }

    /// What an event's own index says of its texts.
    fn index(&mut self, index: Option<u64>) -> Option<u64> {
        let index = index?;
        match self.counter {
            Counter::Unseen => self.counter = Counter::Counts(index),
            Counter::Counts(last) if last.checked_add(1) == Some(index) => {
                self.counter = Counter::Counts(index);
            }
            Counter::Counts(last) => {
                self.counter = Counter::Names;
                // The texts so far are those of the index that was last.
                for (mut id, track) in core::mem::take(&mut self.tracks) {
                    id.ids.push(("index".to_owned(), last.to_string()));
                    self.tracks.insert(id, track);
                }
            }
            Counter::Names => {}
        }
        (self.counter == Counter::Names).then_some(index)
    }

    /// Ends the texts that `ended` names.
    fn finish(
        &mut self,
        ended: impl Fn(&TextId, &mut Track) -> bool,
        masker: &Masker,
        tally: &mut Tally,
    ) {
        let mut decided = Vec::new();
        self.tracks.retain(|id, track| {
            if !ended(id, track) {
                return true;
            }
            track.finish(masker, tally);
            decided.extend(track.decided());
            false
        });
        for piece in decided {
            self.decide(piece, masker, tally);
        }
    }

    fn decide(&mut self, piece: Piece, masker: &Masker, tally: &mut Tally) {
        let at = usize::try_from(piece.event.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let Some(waiting) = self.queue.get_mut(at) else {
            return;
        };
        waiting.open = waiting.open.saturating_sub(1);
        if piece.changes.is_empty() && piece.alone.is_empty() {
            return;
        }
        waiting.change(piece, masker, tally);
    }
}

/// Whether data hold an escape of JSON that could hide a character.
fn hides(data: &str) -> bool {
    data.contains("\\u")
}

#[cfg(test)]
mod tests;
