//! Answers of gRPC: the texts of each message are an event, so that a value that is spread over
//! messages is found (Triton's models stream their text so).

use super::{Answer, Frames, State};
use crate::coding::Broken;
use crate::events::{Form, Ready};
use crate::grpc::{Frame, Messages, read, scope};
use crate::protobuf::Message;
use crate::protobuf::services::Method;
use crate::reasons::{ANSWER_COMPRESSED, ANSWER_TOO_LARGE, ANSWER_TYPE_REFUSED, ANSWER_UNPARSED};
use crate::unread::Unread;
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::problem::Reason;
use std::collections::VecDeque;

/// The messages of such an answer.
#[derive(Debug)]
pub struct Calls {
    pub messages: Messages,
    /// What has been read of the messages that wait; nothing of those that were not.
    waiting: VecDeque<Option<Message>>,
}

impl Calls {
    /// Those of a body.
    pub const fn of(messages: Messages) -> Self {
        Self {
            messages,
            waiting: VecDeque::new(),
        }
    }

    /// A message that can go, with its new texts; none if it is not as it was.
    pub fn with_texts(&mut self, ready: &Ready) -> Option<Vec<u8>> {
        let message = self.waiting.pop_front().flatten();
        let Some(json) = &ready.data else {
            return Some(ready.raw.clone());
        };
        let mut out = Vec::with_capacity(ready.raw.len());
        Frame::Message(message?.with(Frame::bytes_in(&ready.raw), json)?).write(&mut out);
        Some(out)
    }
}

impl Answer<'_> {
    /// The same of a call of this method, which tells what the messages hold.
    #[must_use]
    pub fn of_call(mut self, method: Option<Method>) -> Self {
        if let Frames::Grpc(calls) = &mut self.frames {
            calls.messages.fields = method.map(|method| method.response);
        }
        self
    }

    /// Bytes as the answer has them.
    pub(super) fn written(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Frames::Grpc(calls) = &mut self.frames else {
            return bytes;
        };
        let mut written = calls.messages.written(bytes);
        if let State::Passing = self.state {
            written.append(&mut calls.messages.unread());
        }
        written
    }

    pub(super) fn calls(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        let most = self.plan.response.max_body_bytes;
        let Frames::Grpc(calls) = &mut self.frames else {
            return;
        };
        if calls.messages.push(bytes).is_err() {
            return self.pass_on(&ANSWER_UNPARSED, self.plan.response.on_unparsable, out);
        }
        loop {
            let Frames::Grpc(calls) = &mut self.frames else {
                return;
            };
            match calls.messages.next(most) {
                Ok(Some(frame)) => self.call(&frame, out),
                Ok(None) => break,
                Err(Broken::TooLarge) => {
                    return self.pass_on(&ANSWER_TOO_LARGE, self.plan.response.on_oversize, out);
                }
                Err(Broken::Malformed) => {
                    return self.pass_on(&ANSWER_UNPARSED, self.plan.response.on_unparsable, out);
                }
            }
            if self.cut().is_some() {
                return;
            }
        }
        let Frames::Grpc(calls) = &self.frames else {
            return;
        };
        if last && calls.messages.held_bytes() > 0 {
            self.pass_on(&ANSWER_UNPARSED, self.plan.response.on_unparsable, out);
        }
    }

    /// A message.
    fn call(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        let way = &self.plan.response;
        let Frames::Grpc(calls) = &mut self.frames else {
            return;
        };
        let bytes = match frame {
            Frame::Trailers(_) => {
                self.release(out);
                return frame.write(out);
            }
            Frame::Message(bytes) => Ok(bytes.clone()),
            Frame::Encoded(bytes) => calls.messages.decoded(bytes, way),
        };
        let fields = calls.messages.fields;
        let read = bytes.and_then(|bytes| {
            let message = read(&bytes, fields, &self.masker, way)?;
            Ok((message, bytes))
        });
        let mut raw = Vec::new();
        match read {
            Ok((message, bytes)) => {
                let json = message.json(&bytes);
                Frame::Message(bytes).write(&mut raw);
                let (masker, tally) = (&self.masker, &mut self.tally);
                let scope = scope();
                let taken = self
                    .events
                    .event(&raw, &json, "", Form::Event, &scope, masker, tally);
                if taken.is_err() {
                    return self.stop(&ANSWER_UNPARSED, out);
                }
                calls.waiting.push_back(Some(message));
            }
            Err(unread) if unread.policy(way) == DenyOrAllow::Deny => {
                return self.stop(reason(unread), out);
            }
            Err(_) => {
                frame.write(&mut raw);
                self.events.pass(&raw);
                calls.waiting.push_back(None);
            }
        }
        self.flow(out);
    }

    /// The answer cannot be read on: it is cut, or all that follows passes.
    fn pass_on(&mut self, reason: &'static Reason, policy: DenyOrAllow, out: &mut Vec<u8>) {
        let Frames::Grpc(calls) = &mut self.frames else {
            return;
        };
        let rest = calls.messages.rest();
        self.let_pass(reason, policy, &rest, out);
    }
}

/// Why an answer is cut.
const fn reason(unread: Unread) -> &'static Reason {
    match unread {
        Unread::Compressed => &ANSWER_COMPRESSED,
        Unread::TooLarge => &ANSWER_TOO_LARGE,
        Unread::OtherType => &ANSWER_TYPE_REFUSED,
        _ => &ANSWER_UNPARSED,
    }
}
