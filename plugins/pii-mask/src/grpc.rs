//! Messages of gRPC in a body (gRPC over HTTP/2, "Length-Prefixed-Message") and of gRPC-Web
//! (`PROTOCOL-WEB.md` of grpc/grpc): a flag, a length of four bytes, big-endian, and the message.
//!
//! In gRPC-Web trailers come as such a message with the flag 0x80, and `grpc-web-text` is base64 of
//! the body, which may be padded wherever a piece ends. A message that is compressed goes on as it
//! is, with the flag for that.

use crate::coding::{Broken, Codings};
use crate::config::OnCompressed;
use crate::document::{self, Scope};
use crate::mask::{Masker, Tally};
use crate::plan::Treatment;
use crate::protobuf::Message;
use crate::protobuf::services::Fields;
use crate::unread::Unread;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::headers::HeaderBlock;

/// How messages are written in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// gRPC over HTTP/2.
    Plain,
    /// gRPC-Web.
    Web,
    /// gRPC-Web in base64.
    WebText,
}

impl Form {
    /// What a content type says, without its parameters and in lower case; none for other types,
    /// and for messages that are not Protocol Buffers.
    pub fn of(essence: &str) -> Option<Self> {
        match essence {
            "application/grpc" | "application/grpc+proto" => Some(Self::Plain),
            "application/grpc-web" | "application/grpc-web+proto" => Some(Self::Web),
            "application/grpc-web-text" | "application/grpc-web-text+proto" => Some(Self::WebText),
            _ => None,
        }
    }
}

/// Bytes before a message.
const PREFIX: usize = 5;
const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;
const TRAILERS: u8 = 0x80;

/// A message in a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message of Protocol Buffers.
    Message(Vec<u8>),
    /// One that has a coding.
    Encoded(Vec<u8>),
    /// Trailers of gRPC-Web.
    Trailers(Vec<u8>),
}

/// The messages of one body, and what is known of them.
#[derive(Debug, Clone)]
pub struct Messages {
    form: Form,
    held: Vec<u8>,
    /// Up to where that has been read.
    at: usize,
    /// The first characters of a group of base64.
    quantum: Vec<u8>,
    coding: Codings,
    /// What the messages hold, as far as that is known.
    pub fields: Option<Fields>,
}

impl Messages {
    /// Those of a body with these headers.
    pub fn of(form: Form, headers: &HeaderBlock) -> Self {
        Self {
            coding: Codings::named(headers, "grpc-encoding"),
            ..Self::plain(form)
        }
    }

    /// Those of a body without a coding.
    pub const fn plain(form: Form) -> Self {
        Self {
            form,
            held: Vec::new(),
            at: 0,
            quantum: Vec::new(),
            coding: Codings::none(),
            fields: None,
        }
    }

    /// Whether trailers are messages, too.
    pub fn is_web(&self) -> bool {
        self.form != Form::Plain
    }

    /// Bytes that are held.
    pub fn held_bytes(&self) -> usize {
        let held = self.held.len().saturating_sub(self.at);
        held.saturating_add(self.quantum.len())
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// They are not base64.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.held.drain(..self.at);
        self.at = 0;
        if self.form != Form::WebText {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        self.quantum.extend_from_slice(bytes);
        let whole = self.quantum.len() & !3;
        let rest = self.quantum.split_off(whole);
        let mut groups = core::mem::replace(&mut self.quantum, rest);
        let mut at = 0_usize;
        while let Some(left) = groups.get(at..).filter(|left| !left.is_empty()) {
            // Padding ends what was written in one piece.
            let padded = memchr::memchr(b'=', left).map(|at| (at | 3).saturating_add(1));
            let end = padded.unwrap_or(left.len());
            let piece = left
                .get(..end)
                .and_then(|piece| STANDARD.decode(piece).ok());
            let Some(piece) = piece else {
                groups.drain(..at);
                groups.append(&mut self.quantum);
                self.quantum = groups;
                return Err(Broken::Malformed);
            };
            self.held.extend_from_slice(&piece);
            at = at.saturating_add(end);
        }
        Ok(())
    }

    /// The next message that is whole, of `most` bytes at most.
    ///
    /// # Errors
    /// It is longer, or none.
    pub fn next(&mut self, most: usize) -> Result<Option<Frame>, Broken> {
        let unread = self.held.get(self.at..).unwrap_or_default();
        let Some((prefix, rest)) = unread.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Broken::TooLarge)?;
        match flag {
            PLAIN | COMPRESSED => {}
            TRAILERS if self.is_web() => {}
            _ => return Err(Broken::Malformed),
        }
        if length > most {
            return Err(Broken::TooLarge);
        }
        let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        self.at = self.at.saturating_add(length).saturating_add(PREFIX);
        Ok(Some(match flag {
            PLAIN => Frame::Message(message),
            COMPRESSED => Frame::Encoded(message),
            _ => Frame::Trailers(message),
        }))
    }

    /// What is left when the body has ended.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut held = core::mem::take(&mut self.held);
        held.drain(..core::mem::take(&mut self.at));
        held
    }

    /// What is left of base64 that has not been read.
    pub fn unread(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.quantum)
    }

    /// A message without its coding.
    ///
    /// # Errors
    /// It cannot be read, or may not.
    pub fn decoded(&self, message: &[u8], way: &Treatment) -> Result<Vec<u8>, Unread> {
        let decoder = self.coding.decoder();
        match decoder.filter(|_| way.on_compressed == OnCompressed::Decode) {
            Some(decoder) => Ok(decoder.whole(message, way.max_body_bytes)?),
            None => Err(Unread::Compressed),
        }
    }

    /// Bytes as the body has them.
    pub fn written(&self, bytes: Vec<u8>) -> Vec<u8> {
        match self.form {
            Form::WebText => STANDARD.encode(bytes).into_bytes(),
            Form::Plain | Form::Web => bytes,
        }
    }
}

impl Frame {
    /// The message that a frame of a body holds.
    pub fn bytes_in(frame: &[u8]) -> &[u8] {
        frame.get(PREFIX..).unwrap_or_default()
    }

    /// Its bytes in a body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (flag, bytes) = match self {
            Self::Message(bytes) => (PLAIN, bytes),
            Self::Encoded(bytes) => (COMPRESSED, bytes),
            Self::Trailers(bytes) => (TRAILERS, bytes),
        };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        out.push(flag);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(bytes);
    }
}

/// What is looked at of the texts of a message.
pub fn scope() -> Scope {
    Scope::default()
}

/// A body of messages that is masked as it passes, each message by itself.
#[derive(Debug)]
pub struct Body {
    messages: Messages,
    /// Nothing is read any more.
    passes: bool,
}

impl Body {
    /// The body of these messages.
    pub const fn of(messages: Messages) -> Self {
        Self {
            messages,
            passes: false,
        }
    }

    /// Takes the next bytes, or the end, and gives what goes in their place.
    ///
    /// # Errors
    /// It cannot be read, and may not pass.
    pub fn push(
        &mut self,
        bytes: Option<&[u8]>,
        masker: &Masker,
        way: &Treatment,
        tally: &mut Tally,
    ) -> Result<Vec<u8>, Unread> {
        if self.passes {
            return Ok(bytes.unwrap_or_default().to_vec());
        }
        let mut out = Vec::new();
        match self.read(bytes, masker, way, tally, &mut out) {
            Ok(()) => Ok(self.messages.written(out)),
            Err(unread) if unread.policy(way) == DenyOrAllow::Deny => Err(unread),
            Err(_) => {
                // Where the next message begins cannot be told any more.
                self.passes = true;
                out.append(&mut self.messages.rest());
                let mut written = self.messages.written(out);
                written.append(&mut self.messages.unread());
                Ok(written)
            }
        }
    }

    fn read(
        &mut self,
        bytes: Option<&[u8]>,
        masker: &Masker,
        way: &Treatment,
        tally: &mut Tally,
        out: &mut Vec<u8>,
    ) -> Result<(), Unread> {
        self.messages.push(bytes.unwrap_or_default())?;
        while let Some(frame) = self.messages.next(way.max_body_bytes)? {
            match self.frame(&frame, masker, way, tally) {
                Ok(Some(masked)) => Frame::Message(masked).write(out),
                Ok(None) => frame.write(out),
                Err(unread) if unread.policy(way) == DenyOrAllow::Deny => return Err(unread),
                Err(_) => frame.write(out),
            }
        }
        match bytes.is_none() && self.messages.held_bytes() > 0 {
            true => Err(Unread::Unparsed),
            false => Ok(()),
        }
    }

    /// A message with what was found replaced; none if it goes on as it is.
    fn frame(
        &self,
        frame: &Frame,
        masker: &Masker,
        way: &Treatment,
        tally: &mut Tally,
    ) -> Result<Option<Vec<u8>>, Unread> {
        let (decoded, plain);
        let bytes = match frame {
            Frame::Trailers(_) => return Ok(None),
            Frame::Message(bytes) => {
                decoded = None;
                bytes
            }
            Frame::Encoded(bytes) => {
                plain = self.messages.decoded(bytes, way)?;
                decoded = Some(&plain);
                &plain
            }
        };
        masker.reserve(bytes);
        let message = read(bytes, self.messages.fields, masker, way)?;
        let json = message.json(bytes);
        let masked = document::json(json.as_bytes(), &scope(), masker, tally)
            .map_err(|_| Unread::Unparsed)?;
        let Some(masked) = masked else {
            return Ok(decoded.cloned());
        };
        let masked = core::str::from_utf8(&masked).map_err(|_| Unread::Unparsed)?;
        let with = message.with(bytes, masked).ok_or(Unread::Unparsed)?;
        Ok(Some(with))
    }
}

/// Reads a message.
///
/// # Errors
/// It is none, or has bytes that cannot be read and may not pass.
pub fn read(
    bytes: &[u8],
    fields: Option<Fields>,
    masker: &Masker,
    way: &Treatment,
) -> Result<Message, Unread> {
    let message = Message::read(bytes, fields, masker).ok_or(Unread::Unparsed)?;
    match message.is_opaque() && way.on_other_type == DenyOrAllow::Deny {
        true => Err(Unread::OtherType),
        false => Ok(message),
    }
}

#[cfg(test)]
mod tests;
