//! Masks an answer that streams: server-sent events, JSON lines, text.
//!
//! Each piece that arrives gives the bytes that can go by now. Where a stream cannot be read on, or holds what may not
//! pass, it is cut: an event that says so, then nothing more.

use crate::config::{Plan, Policy, Way};
use crate::events::EventMasker;
use crate::mask::Tally;
use crate::media::Media;
use crate::stream::TextStream;
use modelgate_kit::problem::Reason;
use modelgate_kit::problem::catalogue::pii_mask::{
    ANSWER_BLOCKED, ANSWER_TOO_LARGE, ANSWER_UNPARSED,
};
use modelgate_kit::sse::{Block, Framer};

/// An answer that arrives in pieces.
pub struct Answer<'a> {
    plan: &'a Plan,
    frames: Frames,
    events: EventMasker,
    text: TextStream,
    tally: Tally,
    state: State,
}

enum Frames {
    Events(Framer),
    Lines(Vec<u8>),
    /// The first bytes of a character whose rest has not arrived.
    Text(Vec<u8>),
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
            Media::Text => Frames::Text(Vec::new()),
            _ => return None,
        };
        let (events, text, tally) = Default::default();
        Some(Self {
            plan,
            frames,
            events,
            text,
            tally,
            state: State::Masking,
        })
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
        match (self.state, &mut self.frames) {
            (State::Cut(_), _) => {}
            (State::Passing, _) => out.extend_from_slice(bytes),
            (State::Masking, Frames::Events(framer)) => {
                framer.push(bytes);
                self.blocks(false, &mut out);
            }
            (State::Masking, Frames::Lines(held)) => {
                held.extend_from_slice(bytes);
                self.lines(false, &mut out);
            }
            (State::Masking, Frames::Text(held)) => {
                held.extend_from_slice(bytes);
                self.text(false, &mut out);
            }
        }
        self.guard(out)
    }

    /// The answer has ended: the bytes that were held.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let State::Masking = self.state {
            match self.frames {
                Frames::Events(_) => self.blocks(true, &mut out),
                Frames::Lines(_) => self.lines(true, &mut out),
                Frames::Text(_) => self.text(true, &mut out),
            }
            self.release(&mut out);
        }
        self.guard(out)
    }

    /// Lets go what is held of running texts.
    fn release(&mut self, out: &mut Vec<u8>) {
        for (frame, data) in self.events.finish(&self.plan.masker, &mut self.tally) {
            self.write_event(&frame, &data, out);
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
        let error = serde_json::json!({
            "type": "error",
            "error": { "type": "gateway_error", "code": reason.code, "message": reason.title },
        });
        match self.frames {
            Frames::Events(_) => {
                out.extend_from_slice(format!("event: error\ndata: {error}\n\n").as_bytes())
            }
            Frames::Lines(_) => out.extend_from_slice(format!("{error}\n").as_bytes()),
            Frames::Text(_) => {}
        }
    }

    fn way(&self) -> &'a Way {
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
            let Some(data) = block.data() else {
                out.extend_from_slice(block.raw());
                continue;
            };
            // A byte order mark opens the stream, and no event that is made from this one.
            let raw = block.raw();
            let frame = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
            let masked = core::str::from_utf8(&data).ok().and_then(|data| {
                self.events
                    .event(
                        frame,
                        data,
                        &self.plan.response.scope,
                        &self.plan.masker,
                        &mut self.tally,
                    )
                    .ok()
            });
            match masked {
                Some(masked) => {
                    let changed = masked.data.map(|data| block.with_data(data.as_bytes()));
                    let event = changed.unwrap_or_else(|| raw.to_vec());
                    for (frame, data) in masked.before {
                        self.write_event(&frame, &data, out);
                    }
                    out.extend_from_slice(&event);
                }
                None if self.plan.response.on_unparsable == Policy::Allow => {
                    out.extend_from_slice(raw)
                }
                None => {
                    self.stop(&ANSWER_UNPARSED, out);
                    return;
                }
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
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.len() > way.max_event_bytes {
                self.too_large(line, out);
                if self.cut().is_some() {
                    return;
                }
                continue;
            }
            let content = line.trim_ascii_end();
            let end = line.get(content.len()..).unwrap_or_default();
            let masked = core::str::from_utf8(content).ok().and_then(|line| {
                self.events
                    .event(b"", line, &way.scope, &self.plan.masker, &mut self.tally)
                    .ok()
            });
            match masked {
                Some(masked) => {
                    for (frame, data) in masked.before {
                        self.write_event(&frame, &data, out);
                    }
                    out.extend_from_slice(
                        masked.data.as_ref().map_or(content, |data| data.as_bytes()),
                    );
                    out.extend_from_slice(end);
                }
                None if way.on_unparsable == Policy::Allow => out.extend_from_slice(line),
                None => {
                    self.stop(&ANSWER_UNPARSED, out);
                    return;
                }
            }
        }
        if rest.len() > way.max_event_bytes {
            self.too_large(&rest, out);
        } else if let Frames::Lines(held) = &mut self.frames {
            *held = rest;
        }
    }

    fn text(&mut self, last: bool, out: &mut Vec<u8>) {
        let Frames::Text(held) = &mut self.frames else {
            return;
        };
        let bytes = core::mem::take(held);
        let (valid, broken) = match core::str::from_utf8(&bytes) {
            Ok(_) => (bytes.len(), false),
            // Without a length the error is an unfinished character at the end, which may go on.
            Err(error) => (error.valid_up_to(), error.error_len().is_some() || last),
        };
        let (text, rest) = bytes.split_at_checked(valid).unwrap_or_default();
        let mut masked = String::with_capacity(text.len());
        let text = core::str::from_utf8(text).unwrap_or_default();
        self.text
            .push(text, &self.plan.masker, &mut self.tally, &mut masked);
        if last || broken {
            self.text
                .finish(&self.plan.masker, &mut self.tally, &mut masked);
        }
        out.extend_from_slice(masked.as_bytes());
        match (broken, self.way().on_unparsable) {
            (false, _) => self.frames = Frames::Text(rest.to_vec()),
            (true, Policy::Allow) => {
                self.state = State::Passing;
                out.extend_from_slice(rest);
            }
            (true, Policy::Block) => self.stop(&ANSWER_UNPARSED, out),
        }
    }

    /// An event is longer than may be held.
    fn too_large(&mut self, held: &[u8], out: &mut Vec<u8>) {
        match self.way().on_oversize {
            Policy::Block => self.stop(&ANSWER_TOO_LARGE, out),
            Policy::Allow => {
                if let Frames::Events(_) = self.frames {
                    // Where the next event begins cannot be told any more.
                    self.state = State::Passing;
                    self.release(out);
                }
                out.extend_from_slice(held);
            }
        }
    }

    fn write_event(&self, frame: &[u8], data: &str, out: &mut Vec<u8>) {
        match self.frames {
            Frames::Events(_) => {
                out.extend_from_slice(&Block::from_raw(frame).with_data(data.as_bytes()))
            }
            Frames::Lines(_) | Frames::Text(_) => {
                out.extend_from_slice(data.as_bytes());
                out.push(b'\n');
            }
        }
    }
}

#[cfg(test)]
mod tests;
