//! Answers in Amazon's binary event stream. A message's payload is an event in JSON (Bedrock
//! Converse), an event in JSON in base64 (Bedrock's `InvokeModelWithResponseStream`:
//! `{"bytes":"…","p":"…"}`, `p` being padding), or a piece of whatever stream the model's container
//! writes (SageMaker's `PayloadPart`).

use super::{Answer, Frames, State};
use crate::amazon::{Broken, Message, write};
use crate::events::Form;
use crate::media::Media;
use crate::reasons::ANSWER_UNPARSED;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::json::{DuplicateMembers, Edits, Limits, Token, Walker};

/// What has been read of such an answer and is not done with.
#[derive(Default)]
pub struct Messages<'a> {
    pub held: Vec<u8>,
    /// The stream whose pieces are in the messages, and the headers of the last one.
    inner: Option<(Box<Answer<'a>>, Vec<u8>)>,
}

impl Messages<'_> {
    /// Bytes that are held, or 1 where the stream within holds something.
    pub fn held_bytes(&self) -> usize {
        let inner = self.inner.as_ref().is_some_and(|(inner, _)| inner.holds());
        self.held.len().max(usize::from(inner))
    }
}

impl<'a> Answer<'a> {
    pub(super) fn messages(&mut self, last: bool, out: &mut Vec<u8>) {
        let Frames::Messages(messages) = &mut self.frames else {
            return;
        };
        let max = self.plan.response.max_event_bytes;
        if !last && matches!(Message::first(&messages.held, max), Ok(None)) {
            // A message that goes on is not copied again and again.
            return;
        }
        let held = core::mem::take(&mut messages.held);
        let mut rest = held.as_slice();
        loop {
            let message = match Message::first(rest, max) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(Broken::TooLong) => return self.too_large(rest, out),
                Err(Broken::Layout) => return self.unreadable(rest, out),
            };
            rest = rest.get(message.raw().len()..).unwrap_or_default();
            self.message(&message, out);
            match self.state {
                State::Masking => {}
                State::Passing => return out.extend_from_slice(rest),
                State::Cut(_) => return,
            }
        }
        if last {
            self.end_inner(out);
            if !rest.is_empty() && self.cut().is_none() {
                self.unreadable(rest, out);
            }
        } else if let Frames::Messages(messages) = &mut self.frames {
            messages.held = rest.to_vec();
        }
    }

    fn message(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        let kind = message.header(":event-type").unwrap_or_default();
        if message.header(":message-type") != Some("event") {
            // An exception: nothing goes on behind it.
            self.end_inner(out);
            self.release(out);
        } else if kind == "PayloadPart" {
            return self.piece(message, out);
        }
        let way = &self.plan.response;
        let taken = core::str::from_utf8(message.payload())
            .ok()
            .and_then(|payload| {
                if payload.is_empty() {
                    self.events.pass(message.raw());
                    return Some(());
                }
                let wrapped = wrapped(payload)?;
                let data = wrapped.as_ref().map_or(payload, |(data, _)| data.as_str());
                let (masker, tally) = (&self.masker, &mut self.tally);
                self.events
                    .event(
                        message.raw(),
                        data,
                        kind,
                        Form::Named,
                        &way.scope,
                        masker,
                        tally,
                    )
                    .ok()
            });
        if taken.is_none() {
            if way.on_unparsable == DenyOrAllow::Deny {
                self.stop(&ANSWER_UNPARSED, out);
                return;
            }
            self.events.pass(message.raw());
        }
        self.flow(out);
    }

    /// A piece of another stream.
    fn piece(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        let plan = self.plan;
        let Frames::Messages(messages) = &mut self.frames else {
            return;
        };
        if messages.inner.is_none() {
            let inner = Answer::new(plan, Media::Text);
            let inner = inner.map(|inner| inner.masked_by(&self.masker));
            let inner = inner.map(|inner| (Box::new(inner), Vec::new()));
            messages.inner = inner;
        }
        let Some((inner, headers)) = &mut messages.inner else {
            return;
        };
        message.headers().clone_into(headers);
        let bytes = inner.push(message.payload());
        if !bytes.is_empty() {
            out.extend_from_slice(&write(headers, &bytes));
        }
        inner.tally().clone_into(&mut self.tally);
        if let Some(reason) = inner.cut() {
            self.stop(reason, out);
        }
    }

    /// The stream in the messages has ended: what it held goes in a message of its own.
    fn end_inner(&mut self, out: &mut Vec<u8>) {
        let Frames::Messages(messages) = &mut self.frames else {
            return;
        };
        let Some((mut inner, headers)) = messages.inner.take() else {
            return;
        };
        let bytes = inner.finish();
        if !bytes.is_empty() {
            out.extend_from_slice(&write(&headers, &bytes));
        }
        inner.tally().clone_into(&mut self.tally);
        if let Some(reason) = inner.cut() {
            self.stop(reason, out);
        }
    }

    /// The answer is no such stream from here on.
    fn unreadable(&mut self, rest: &[u8], out: &mut Vec<u8>) {
        let policy = self.plan.response.on_unparsable;
        self.let_pass(&ANSWER_UNPARSED, policy, rest, out);
    }
}

/// A message with other data.
pub fn with_data(raw: &[u8], data: &str) -> Vec<u8> {
    // It has been read before: no error is to come.
    let Ok(Some(message)) = Message::first(raw, usize::MAX) else {
        return Vec::new();
    };
    let payload = core::str::from_utf8(message.payload()).unwrap_or_default();
    let Some(Some((_, span))) = wrapped(payload) else {
        return write(message.headers(), data.as_bytes());
    };
    let mut edits = Edits::new();
    edits.replace_raw(span, STANDARD.encode(data));
    write(message.headers(), &edits.apply(payload.as_bytes()))
}

/// The event that a payload holds in base64, and where; `Some(None)` if it holds none, `None` if it
/// cannot be read.
fn wrapped(payload: &str) -> Option<Option<(String, core::ops::Range<usize>)>> {
    let limits = Limits {
        duplicate_members: DuplicateMembers::Refuse,
        ..Limits::default()
    };
    let mut walker = Walker::new(payload.as_bytes(), limits).ok()?;
    let (mut found, mut others) = (None, false);
    while let Some(token) = walker.next_token().ok()? {
        let path = walker.path();
        match token {
            Token::String(text) if path.matches(&["bytes"]) => {
                let bytes = STANDARD.decode(text.decode().as_bytes()).ok()?;
                found = Some((String::from_utf8(bytes).ok()?, text.span()));
            }
            Token::String(text) if path.matches(&["p"]) => {
                others |= !text.raw().bytes().all(|byte| byte.is_ascii_alphanumeric());
            }
            Token::Key(_) | Token::ObjectStart | Token::ObjectEnd if path.depth() <= 1 => {}
            _ => others = true,
        }
    }
    match found {
        // What else is in it nobody has looked at.
        Some(_) if others => None,
        found => Some(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_in_base64_stands_alone() {
        assert_eq!(
            wrapped(r#"{"bytes":"e30=","p":"abc"}"#),
            Some(Some(("{}".to_owned(), 10..14)))
        );
        assert_eq!(wrapped(r#"{"delta":{"text":"a"},"p":"abc"}"#), Some(None));
        for payload in [
            r#"{"bytes":"e30=","x":"ann@example.com"}"#,
            r#"{"bytes":"e30=","p":"ann@example.com"}"#,
            r#"{"bytes":"e30=","bytes":"e30="}"#,
            r#"{"bytes":"?"}"#,
            r#"{"bytes":"#,
        ] {
            assert_eq!(wrapped(payload), None, "{payload}");
        }
    }
}
