//! What a body is by its headers, and how it is masked once it is whole. Pure: what is refused is
//! told, and not done.

use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::headers::HeaderBlock;

use crate::coding::Codings;
use crate::config::{Grpc, OnCompressed};
use crate::grpc;
use crate::mask::{Masker, Tally};
use crate::media::Media;
use crate::plan::Treatment;
use crate::protobuf::services;
use crate::tensors::{self, tensors};
use crate::unread::Unread;
use crate::{document, multipart};

/// A body that can be read, as far as its headers tell.
pub struct Reading {
    /// How it is read.
    pub media: Media,
    /// What it has to be decoded from.
    pub codings: Codings,
    /// What divides the parts of a form.
    boundary: Option<String>,
    /// Its messages, where it is of gRPC.
    pub messages: Option<grpc::Messages>,
}

/// A body in which something was replaced.
pub struct Changed {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Length of its head, where tensors stand behind one.
    pub head: Option<usize>,
}

/// What the headers say of a body that is to be masked.
///
/// # Errors
/// It cannot be.
pub fn read(headers: &HeaderBlock, way: &Treatment) -> Result<Reading, Unread> {
    let codings = Codings::of(headers);
    let decodes = way.on_compressed == OnCompressed::Decode;
    if codings.is_encoded() && !(decodes && codings.decoder().is_some()) {
        return Err(Unread::Compressed);
    }
    let media = Media::of(headers);
    match media {
        Media::Other | Media::Octets => return Err(Unread::OtherType),
        Media::Partial => return Err(Unread::Partial),
        Media::Grpc(_) if way.grpc == Grpc::OtherType => return Err(Unread::OtherType),
        // Its messages have codings of their own.
        Media::Grpc(_) if codings.is_encoded() => return Err(Unread::Compressed),
        // The length of a head tells of the bytes as they are sent.
        Media::Tensors(_) if codings.is_encoded() => return Err(Unread::Compressed),
        _ => {}
    }
    let boundary = headers
        .text("content-type")
        .and_then(multipart::boundary)
        .map(str::to_owned);
    if media == Media::Parts && boundary.is_none() {
        return Err(Unread::OtherType);
    }
    let messages = match media {
        Media::Grpc(form) => {
            let method = headers.first(":path").and_then(services::method);
            let mut messages = grpc::Messages::of(form, headers);
            messages.fields = method.map(|method| method.request);
            Some(messages)
        }
        _ => None,
    };
    Ok(Reading {
        media,
        codings,
        boundary,
        messages,
    })
}

impl Reading {
    /// Whether such a body is read as it passes, whichever side it is of.
    pub fn passes(&self) -> bool {
        matches!(self.media, Media::Messages | Media::Grpc(_))
    }

    /// Masks a body; none if nothing changes. `fixed` says that the headers have gone on.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn mask(
        &self,
        body: &[u8],
        masker: &Masker,
        way: &Treatment,
        fixed: bool,
        tally: &mut Tally,
    ) -> Result<Option<Changed>, Unread> {
        let scope = &way.scope;
        let unparsed = |_| Unread::Unparsed;
        if let Some(messages) = &self.messages {
            let mut calls = grpc::Body::of(messages.clone());
            let mut bytes = calls.push(Some(body), masker, way, tally)?;
            bytes.append(&mut calls.push(None, masker, way, tally)?);
            return Ok((bytes != body).then_some(Changed { bytes, head: None }));
        }
        let masked = match (self.media, &self.boundary) {
            (Media::Parts, Some(boundary)) => {
                // Where files of other types may not pass, what is none is one of these.
                let others = way.on_other_type == DenyOrAllow::Allow;
                let masked = multipart::multipart(body, boundary, others, scope, masker, tally);
                masked.map_err(|unread| match unread {
                    multipart::Unread::Malformed => Unread::Unparsed,
                    multipart::Unread::OtherType => Unread::Part,
                })
            }
            (Media::Json, _) => document::json(body, scope, masker, tally).map_err(unparsed),
            (Media::Untyped, _) => mask_untyped(body, masker, way, tally),
            (Media::Form, _) => {
                document::form(body, scope, masker, tally).map_err(|_| Unread::Unparsed)
            }
            (Media::JsonLines, _) => {
                document::json_lines(body, scope, masker, tally).map_err(unparsed)
            }
            (Media::Tensors(head), _) => {
                return mask_tensors(head, body, masker, way, fixed, tally);
            }
            _ => document::text(body, "", masker, tally).map_err(|_| Unread::Unparsed),
        };
        Ok(masked?.map(|bytes| Changed { bytes, head: None }))
    }
}

/// A body without a type: one JSON document, or lines of JSON.
fn mask_untyped(
    body: &[u8],
    masker: &Masker,
    way: &Treatment,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, Unread> {
    let before = tally.clone();
    if let Ok(masked) = document::json(body, &way.scope, masker, tally) {
        return Ok(masked);
    }
    // What begins as JSON is not of another type because it is broken.
    if !document::may_be_json(body) {
        return Err(Unread::Untyped);
    }
    *tally = before;
    document::json_lines(body, &way.scope, masker, tally).map_err(|_| Unread::Unparsed)
}

fn mask_tensors(
    head: usize,
    body: &[u8],
    masker: &Masker,
    way: &Treatment,
    fixed: bool,
    tally: &mut Tally,
) -> Result<Option<Changed>, Unread> {
    let no_text = way.on_other_type == DenyOrAllow::Allow;
    let masked =
        tensors(body, head, no_text, &way.scope, masker, tally).map_err(Unread::Tensors)?;
    let Some(tensors::Masked {
        mut body,
        head: new,
    }) = masked
    else {
        return Ok(None);
    };
    if fixed {
        // The header has gone on: the head must keep its length, and can as long as it did not
        // grow.
        let missing = head
            .checked_sub(new)
            .ok_or(Unread::Tensors(tensors::Unread::Layout))?;
        body.splice(new..new, core::iter::repeat_n(b' ', missing));
    }
    Ok(Some(Changed {
        bytes: body,
        head: Some(new),
    }))
}
