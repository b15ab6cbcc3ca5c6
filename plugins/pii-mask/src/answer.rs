//! Masks an answer that streams: server-sent events, JSON lines, text.
//!
//! Each piece that arrives gives the bytes that can go by now. Where a stream cannot be read on, or
//! holds what may not pass, it is cut: an event that says so, then nothing more. Text that looks
//! like one of the other kinds is read as that: servers label streams of events as text.

mod amazon;
mod grpc;
mod sniff;

use crate::amazon::error as error_message;
use crate::coding::Decoder;
use crate::config::OnUnknownStream;
use crate::document::text_in;
use crate::events::{EventMasker, Form, Ready};
use crate::grpc::Frame;
use crate::mask::{Masker, Tally};
use crate::media::Media;
use crate::plan::{Plan, Treatment};
use crate::reading;
use crate::reasons::ANSWER_SHAPE_UNKNOWN;
use crate::reasons::{ANSWER_BLOCKED, ANSWER_TOO_LARGE, ANSWER_UNDECIDED, ANSWER_UNPARSED};
use crate::stream::TextStream;
use amazon::Messages;
use grpc::Calls;
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::problem::Reason;
use modelgate_kit::problem::dialect::{CutShort, Shape};
use modelgate_kit::sse::{Block, Framer};
use sniff::{Looks, code, sniff};

/// An answer that arrives in pieces.
pub struct Answer<'a> {
    plan: &'a Plan,
    masker: Masker,
    frames: Frames<'a>,
    events: EventMasker,
    text: TextStream,
    tally: Tally,
    state: State,
    /// It is labelled as text: what is not as it looks is text.
    is_text: bool,
    /// Something has gone out.
    begun: bool,
}

enum Frames<'a> {
    Events(Framer),
    Lines(Vec<u8>),
    /// The first bytes of a character whose rest has not arrived.
    Text(Vec<u8>),
    /// The first bytes of a text, which may be one of the others by another name.
    Unseen(Vec<u8>),
    Messages(Messages<'a>),
    Grpc(Calls),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Masking,
    Passing,
    Cut(&'static Reason),
}

impl<'a> Answer<'a> {
    /// An answer of this kind; none for one that does not stream.
    pub fn new(plan: &'a Plan, media: Media) -> Option<Self> {
        let frames = match media {
            Media::Events => Frames::Events(Framer::new(plan.response.max_event_bytes)),
            Media::JsonLines => Frames::Lines(Vec::new()),
            Media::Text => Frames::Unseen(Vec::new()),
            Media::Messages => Frames::Messages(Messages::default()),
            Media::Grpc(form) => Frames::Grpc(Calls::of(crate::grpc::Messages::plain(form))),
            _ => return None,
        };
        let (events, text, tally) = Default::default();
        Some(Self {
            plan,
            masker: plan.answer_masker.clone(),
            frames,
            events,
            text,
            tally,
            state: State::Masking,
            is_text: media == Media::Text,
            begun: false,
        })
    }

    /// The same with the masker of its exchange.
    #[must_use]
    pub fn masked_by(self, masker: &Masker) -> Self {
        Self {
            masker: masker.clone(),
            ..self
        }
    }

    /// The answer that the headers tell of, and what decodes it; none for one that does not stream,
    /// or cannot be read.
    pub fn of(plan: &'a Plan, headers: &HeaderBlock) -> Option<(Self, Option<Decoder>)> {
        let reading = reading::read(headers, &plan.response).ok()?;
        let mut answer = Self::new(plan, reading.media)?;
        if let (Frames::Grpc(calls), Some(messages)) = (&mut answer.frames, reading.messages) {
            calls.messages = messages;
        }
        Some((answer, reading.codings.decoder()))
    }

    /// Whether the cut shows in the answer itself. Text has no form for it, nor has gRPC, whose
    /// status comes in trailers.
    pub fn says_so(&self) -> bool {
        match &self.frames {
            Frames::Grpc(calls) => calls.messages.is_web(),
            _ => !self.is_text,
        }
    }

    /// Whether trailers end it for certain.
    pub fn has_trailers(&self) -> bool {
        matches!(&self.frames, Frames::Grpc(calls) if !calls.messages.is_web())
    }

    /// Whether something of it is held.
    pub fn holds(&self) -> bool {
        let held = match &self.frames {
            Frames::Events(framer) => framer.held_bytes(),
            Frames::Lines(held) | Frames::Unseen(held) => held.len(),
            Frames::Text(held) => held.len().max(self.text.held_bytes()),
            Frames::Messages(messages) => messages.held_bytes(),
            Frames::Grpc(calls) => calls.messages.held_bytes(),
        };
        held > 0 || self.events.holds()
    }

    /// What was found so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Why the answer was cut, if it was.
    pub fn cut(&self) -> Option<&'static Reason> {
        match self.state {
            State::Cut(reason) => Some(reason),
            State::Masking | State::Passing => None,
        }
    }

    /// Takes the next bytes and gives those that go in their place.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        match self.state {
            State::Cut(_) => {}
            State::Passing => out.extend_from_slice(bytes),
            State::Masking => {
                self.take(bytes, false, &mut out);
                out = self.guard(out);
                return self.written(out);
            }
        }
        self.guard(out)
    }

    /// The answer cannot be read on, for this reason: what says so in its place.
    pub fn break_off(&mut self, reason: &'static Reason) -> Vec<u8> {
        let mut out = Vec::new();
        if self.cut().is_none() {
            self.stop(reason, &mut out);
        }
        self.written(out)
    }

    /// The answer has ended: the bytes that were held.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let State::Masking = self.state {
            self.take(b"", true, &mut out);
            self.release(&mut out);
            out = self.guard(out);
            return self.written(out);
        }
        self.guard(out)
    }

    fn take(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        match &mut self.frames {
            Frames::Events(framer) => {
                framer.push(bytes);
                self.blocks(last, out);
            }
            Frames::Lines(held) => {
                held.extend_from_slice(bytes);
                // A line that goes on is not read again and again.
                let goes_on = !last
                    && held.len() <= self.plan.response.max_event_bytes
                    && memchr::memchr(b'\n', bytes).is_none();
                if !goes_on {
                    self.lines(last, out);
                }
            }
            Frames::Text(held) => {
                held.extend_from_slice(bytes);
                self.text(last, out);
            }
            Frames::Messages(messages) => {
                messages.held.extend_from_slice(bytes);
                self.messages(last, out);
            }
            Frames::Grpc(_) => self.calls(bytes, last, out),
            Frames::Unseen(held) => {
                held.extend_from_slice(bytes);
                let held = core::mem::take(held);
                self.frames = match sniff(&held, last) {
                    None => {
                        self.frames = Frames::Unseen(held);
                        return;
                    }
                    Some(Looks::Events) => {
                        Frames::Events(Framer::new(self.plan.response.max_event_bytes))
                    }
                    Some(Looks::Lines) => Frames::Lines(Vec::new()),
                    Some(Looks::Text) => Frames::Text(Vec::new()),
                };
                self.take(&held, last, out);
            }
        }
    }

    /// Lets go what is held of running texts.
    fn release(&mut self, out: &mut Vec<u8>) {
        self.events.end(&self.masker, &mut self.tally);
        self.flow(out);
    }

    /// Writes the events that can go.
    fn flow(&mut self, out: &mut Vec<u8>) {
        while let Some(ready) = self.events.next_ready() {
            self.begun = true;
            if let Frames::Grpc(calls) = &mut self.frames {
                match calls.with_texts(&ready) {
                    Some(frame) => out.extend_from_slice(&frame),
                    None => return self.stop(&ANSWER_UNPARSED, out),
                }
                continue;
            }
            let Ready { raw, data } = ready;
            let Some(data) = data else {
                out.extend_from_slice(&raw);
                continue;
            };
            if let Frames::Messages(_) = self.frames {
                out.extend_from_slice(&amazon::with_data(&raw, &data));
            } else if let Frames::Lines(_) = self.frames {
                let content = raw.trim_ascii_end().len();
                let code = code(&raw).map_or(0, |(code, _)| code.len());
                out.extend_from_slice(raw.get(..code).unwrap_or_default());
                out.extend_from_slice(data.as_bytes());
                out.extend_from_slice(raw.get(content..).unwrap_or_default());
            } else {
                out.extend_from_slice(&Block::from_raw(&raw).with_data(data.as_bytes()));
            }
        }
        let denies = self.plan.on_unknown_stream == OnUnknownStream::Deny;
        if denies && self.events.is_of_unknown_shape() && self.cut().is_none() {
            self.stop(&ANSWER_SHAPE_UNKNOWN, out);
        }
        if self.events.is_overfull() && self.cut().is_none() {
            self.stop(&ANSWER_UNDECIDED, out);
        }
    }

    /// Holds everything back if something was found that blocks.
    fn guard(&mut self, out: Vec<u8>) -> Vec<u8> {
        if self.tally.is_blocked() && self.cut().is_none() {
            let mut instead = Vec::new();
            self.stop(&ANSWER_BLOCKED, &mut instead);
            return instead;
        }
        out
    }

    fn stop(&mut self, reason: &'static Reason, out: &mut Vec<u8>) {
        self.state = State::Cut(reason);
        let error = CutShort::event(reason);
        match self.frames {
            Frames::Events(_) => {
                out.extend_from_slice(format!("event: error\ndata: {error}\n\n").as_bytes())
            }
            Frames::Lines(_) => out.extend_from_slice(format!("{error}\n").as_bytes()),
            Frames::Messages(_) => {
                out.extend_from_slice(&error_message(reason.code, reason.title));
            }
            Frames::Grpc(ref calls) if calls.messages.is_web() => {
                let shape = Shape::Grpc;
                let status = shape.grpc_status(reason.status).unwrap_or_default();
                let title = reason.title;
                let trailers = format!("grpc-status:{status}\r\ngrpc-message:{title}\r\n");
                Frame::Trailers(trailers.into_bytes()).write(out);
            }
            Frames::Text(_) | Frames::Unseen(_) | Frames::Grpc(_) => {}
        }
    }

    /// What follows cannot be read: the answer is cut, or goes on unread.
    fn let_pass(
        &mut self,
        reason: &'static Reason,
        policy: DenyOrAllow,
        rest: &[u8],
        out: &mut Vec<u8>,
    ) {
        if policy == DenyOrAllow::Deny {
            return self.stop(reason, out);
        }
        self.release(out);
        self.state = State::Passing;
        out.extend_from_slice(rest);
    }

    fn way(&self) -> &'a Treatment {
        &self.plan.response
    }

    fn blocks(&mut self, last: bool, out: &mut Vec<u8>) {
        loop {
            let Frames::Events(framer) = &mut self.frames else {
                return;
            };
            let block = if last {
                framer.finish()
            } else {
                framer.next_block()
            };
            let block = match block {
                Ok(Some(block)) => block,
                Ok(None) => return,
                Err(_) => {
                    let rest = framer.take_rest();
                    self.too_large(&rest, out);
                    return;
                }
            };
            let plan = self.plan;
            let masker = &self.masker;
            // What is put back must not end the line.
            let whole = block.with_others(|line| {
                let masked = masker.mask(line, "", &mut self.tally)?;
                Some(masked.replace(['\r', '\n'], " "))
            });
            let block = whole.as_ref().map_or(block, |raw| block.of_same_place(raw));
            let raw = block.raw();
            let Some(data) = block.data() else {
                if block.is_comment() && self.begun {
                    // It keeps the connection alive, and is nothing to the reader. (A byte order
                    // mark stays first.)
                    out.extend_from_slice(raw);
                } else {
                    self.events.pass(raw);
                    self.flow(out);
                    if self.cut().is_some() {
                        return;
                    }
                }
                continue;
            };
            let name = String::from_utf8_lossy(block.event().unwrap_or_default());
            let way = &plan.response;
            let taken = core::str::from_utf8(&data).ok().and_then(|data| {
                self.events
                    .event(
                        raw,
                        data,
                        &name,
                        Form::Event,
                        &way.scope,
                        masker,
                        &mut self.tally,
                    )
                    .ok()
            });
            if taken.is_none() {
                if way.on_unparsable == DenyOrAllow::Deny {
                    self.stop(&ANSWER_UNPARSED, out);
                    return;
                }
                self.events.pass(raw);
            }
            self.flow(out);
            if self.cut().is_some() {
                return;
            }
        }
    }

    fn lines(&mut self, last: bool, out: &mut Vec<u8>) {
        let way = self.way();
        let Frames::Lines(held) = &mut self.frames else {
            return;
        };
        let mut bytes = core::mem::take(held);
        let end = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at.saturating_add(1));
        let rest = if last {
            Vec::new()
        } else {
            bytes.split_off(end)
        };
        let mut done = 0_usize;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.len() > way.max_event_bytes {
                self.too_large(line, out);
                if self.cut().is_some() {
                    return;
                }
            } else if !self.line(line, out) {
                // Labelled as text, and text it is from here on.
                self.release(out);
                let mut unread = bytes.split_off(done);
                unread.extend_from_slice(&rest);
                self.frames = Frames::Text(Vec::new());
                self.take(&unread, last, out);
                return;
            } else if self.cut().is_some() {
                return;
            }
            done = done.saturating_add(line.len());
        }
        if rest.len() > way.max_event_bytes {
            self.too_large(&rest, out);
        } else if let Frames::Lines(held) = &mut self.frames {
            *held = rest;
        }
    }

    /// Reads a line; false if it is text.
    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> bool {
        let way = self.way();
        let content = line.trim_ascii_end();
        if content.is_empty() {
            self.events.pass(line);
            self.flow(out);
            return true;
        }
        // Only what is labelled as text has lines that begin with a code.
        let (name, content) = match code(content).filter(|_| self.is_text) {
            Some((code, data)) => (core::str::from_utf8(code).unwrap_or_default(), data),
            None => ("", content),
        };
        let taken = core::str::from_utf8(content).ok().and_then(|data| {
            let (masker, tally) = (&self.masker, &mut self.tally);
            let form = if name.is_empty() {
                Form::Line
            } else {
                Form::Coded
            };
            self.events
                .event(line, data, name, form, &way.scope, masker, tally)
                .ok()
        });
        if taken.is_none() {
            if self.is_text {
                return false;
            }
            if way.on_unparsable == DenyOrAllow::Deny {
                self.stop(&ANSWER_UNPARSED, out);
                return true;
            }
            self.events.pass(line);
        }
        self.flow(out);
        true
    }

    fn text(&mut self, last: bool, out: &mut Vec<u8>) {
        let Frames::Text(held) = &mut self.frames else {
            return;
        };
        let bytes = core::mem::take(held);
        let (text, broken) = text_in(&bytes);
        let rest = bytes.get(text.len()..).unwrap_or_default();
        let broken = broken || (last && !rest.is_empty());
        let mut masked = String::with_capacity(text.len());
        self.text
            .push(text, &self.masker, &mut self.tally, &mut masked);
        if last || broken {
            self.text.finish(&self.masker, &mut self.tally, &mut masked);
        }
        out.extend_from_slice(masked.as_bytes());
        match (broken, self.way().on_unparsable) {
            (false, _) => self.frames = Frames::Text(rest.to_vec()),
            (true, DenyOrAllow::Allow) => {
                self.state = State::Passing;
                out.extend_from_slice(rest);
            }
            (true, DenyOrAllow::Deny) => self.stop(&ANSWER_UNPARSED, out),
        }
    }

    /// An event is longer than may be held.
    fn too_large(&mut self, held: &[u8], out: &mut Vec<u8>) {
        match self.way().on_oversize {
            DenyOrAllow::Deny => self.stop(&ANSWER_TOO_LARGE, out),
            DenyOrAllow::Allow => {
                if let Frames::Events(_) | Frames::Messages(_) = self.frames {
                    // Where the next event begins cannot be told any more.
                    self.state = State::Passing;
                    self.release(out);
                    out.extend_from_slice(held);
                } else {
                    self.events.pass(held);
                    self.flow(out);
                }
            }
        }
    }
}

#[cfg(test)]
mod held;
#[cfg(test)]
pub(crate) mod tests;
