//! One message of an exchange, masked: whole, as tensors, or as it passes.

use std::cell::RefCell;

use modelgate_kit::body::BodyError;
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{Denied, Masked};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::host::{Side, Status};
use modelgate_kit::problem::common::HOST_REFUSED;
use modelgate_kit::problem::dialect::CutShort;
use modelgate_kit::problem::{Reason, Reply};

use crate::answer::Answer;
use crate::config::Hold;
use crate::mask::{Masker, Tally};
use crate::media::Media;
use crate::plan::{Plan, Treatment};
use crate::tensors::{self, HEAD_LENGTH, tensors};
use crate::{PiiMask, document, multipart, reasons};
use modelgate_kit::filter::Filter as _;

/// What a direction is called, and the reasons that it refuses for.
pub(crate) struct Terms {
    side: Side,
    blocked: &'static Reason,
    too_large: &'static Reason,
    compressed: &'static Reason,
    unparsed: &'static Reason,
    other_type: &'static Reason,
    partial: &'static Reason,
    tensors: &'static Reason,
}

pub(crate) static REQUEST: Terms = Terms {
    side: Side::Request,
    blocked: &reasons::PII_BLOCKED,
    too_large: &reasons::BODY_TOO_LARGE,
    compressed: &reasons::BODY_COMPRESSED,
    unparsed: &reasons::BODY_UNPARSED,
    other_type: &reasons::TYPE_REFUSED,
    partial: &reasons::TYPE_REFUSED,
    tensors: &reasons::TENSOR_BINARY_REFUSED,
};

pub(crate) static RESPONSE: Terms = Terms {
    side: Side::Response,
    blocked: &reasons::ANSWER_BLOCKED,
    too_large: &reasons::ANSWER_TOO_LARGE,
    compressed: &reasons::ANSWER_COMPRESSED,
    unparsed: &reasons::ANSWER_UNPARSED,
    other_type: &reasons::ANSWER_TYPE_REFUSED,
    partial: &reasons::ANSWER_PARTIAL,
    tensors: &reasons::ANSWER_TENSOR_REFUSED,
};

/// Why a whole body does not pass.
enum Refusal {
    Reason(&'static Reason),
    /// It shows in the body, whose headers have gone on.
    Late(&'static Reason),
    /// It has no content type, and is not what it was taken for.
    Untyped(&'static Reason),
    Host(Status),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Refusal::Host(status)
    }
}

const UNTYPED: &str =
    "The body has no content type and is not JSON. Send a content type that says what it is.";

/// Holds a body until it is whole, and masks it.
pub(crate) async fn mask_whole(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    terms: &Terms,
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    if exchange.message(terms.side).is_whole() {
        return Ok(());
    }
    let result = whole(plan, masker, exchange, terms, counts).await;
    match result {
        Ok(()) => Ok(()),
        Err(Refusal::Host(status)) => Err(Reply::from(status)),
        Err(Refusal::Late(reason)) if terms.side == Side::Response => {
            // The client has the headers: what can still be kept from it is the body.
            refuse_late(exchange, reason);
            let error = CutShort::document(reason);
            exchange.response().replace_body(error.into_bytes())?;
            drain(exchange, terms.side).await
        }
        Err(Refusal::Reason(reason) | Refusal::Late(reason)) => Err(Reply::new(reason)),
        Err(Refusal::Untyped(reason)) => Err(Reply::new(reason).with_detail(UNTYPED)),
    }
}

/// Lets nothing more of a body pass.
async fn drain(exchange: &Exchange, side: Side) -> Result<(), Reply> {
    let body = exchange.message(side).rewrite()?;
    while body
        .chunk()
        .await
        .map_err(|_| Reply::new(&HOST_REFUSED))?
        .is_some()
    {}
    Ok(())
}

async fn whole(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    terms: &Terms,
    counts: &RefCell<Masked>,
) -> Result<(), Refusal> {
    let side = terms.side;
    let message = exchange.message(side);
    let way = plan.way(side);
    let headers = message.headers()?;
    let refuse = |policy: DenyOrAllow, reason| match policy {
        DenyOrAllow::Deny => Err(Refusal::Reason(reason)),
        DenyOrAllow::Allow => Ok(()),
    };
    let media = Media::of(&headers);
    match media {
        Media::Encoded => return refuse(way.on_compressed, terms.compressed),
        Media::Other | Media::Octets | Media::Messages => {
            return refuse(way.on_other_type, terms.other_type);
        }
        Media::Partial => return refuse(way.on_other_type, terms.partial),
        _ => {}
    }
    let parts = headers.text("content-type").and_then(multipart::boundary);
    if media == Media::Parts && parts.is_none() {
        return refuse(way.on_other_type, terms.other_type);
    }
    let announced = length(&headers);
    // What has no type may be an image of any length, which its first bytes tell.
    let first_tells = media == Media::Untyped && way.on_other_type == DenyOrAllow::Allow;
    if announced.is_some_and(|length| length > way.max_body_bytes) && !first_tells {
        return refuse(way.on_oversize, terms.too_large);
    }
    let body = match plan.hold {
        Hold::Headers => message.body(way.max_body_bytes).await,
        Hold::Body => message.body_alone(way.max_body_bytes).await,
    };
    let refusal = match plan.hold {
        Hold::Headers => Refusal::Reason,
        Hold::Body => Refusal::Late,
    };
    let refuse = |policy: DenyOrAllow, reason| match policy {
        DenyOrAllow::Deny => Err(refusal(reason)),
        DenyOrAllow::Allow => Ok(()),
    };
    let body = match body {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            let first = message.first_bytes(FIRST_BYTES).unwrap_or_default();
            if first_tells && !document::may_be_json(&first) {
                return Ok(());
            }
            return refuse(way.on_oversize, terms.too_large);
        }
        Err(BodyError::Unreadable | BodyError::Endless) => return Err(refusal(&HOST_REFUSED)),
    };
    if body.is_empty() {
        return Ok(());
    }
    let mut tally = Tally::default();
    let fixed = message.are_headers_gone();
    if side == Side::Request {
        masker.reserve(&body);
    }
    let masked = match parts.filter(|_| media == Media::Parts) {
        Some(boundary) => mask_parts(&body, boundary, way, masker, &mut tally),
        None => mask_body(media, &body, way, masker, fixed, &mut tally),
    };
    count(exchange, way, side, &tally, &Tally::default(), counts)?;
    if tally.is_blocked() {
        return Err(refusal(terms.blocked));
    }
    match masked {
        Ok(None) => Ok(()),
        Ok(Some(Changed { bytes, head })) => {
            if let Some(head) = head.filter(|_| !message.are_headers_gone()) {
                message.set_header(HEAD_LENGTH, head.to_string())?;
            }
            Ok(message.replace_body(bytes)?)
        }
        Err(Unread::Unparsed) => refuse(way.on_unparsable, terms.unparsed),
        Err(Unread::Part) => Err(refusal(terms.other_type)),
        Err(Unread::Untyped) if way.on_other_type == DenyOrAllow::Allow => Ok(()),
        Err(Unread::Untyped) if plan.hold == Hold::Body && side == Side::Response => {
            Err(refusal(terms.other_type))
        }
        Err(Unread::Untyped) => Err(Refusal::Untyped(terms.other_type)),
        Err(Unread::Tensors(tensors::Unread::Layout)) => refuse(way.on_unparsable, terms.tensors),
        Err(Unread::Tensors(tensors::Unread::NoText)) => refuse(way.on_other_type, terms.tensors),
    }
}

/// How much of a body is looked at to tell what it is.
const FIRST_BYTES: usize = 64;

/// Why a body cannot be masked.
enum Unread {
    /// It is not what its type says.
    Unparsed,
    /// It has no type, and is not JSON.
    Untyped,
    /// A part of it is of another type and no file, or a file that may not pass.
    Part,
    Tensors(tensors::Unread),
}

/// A body in which something was replaced.
struct Changed {
    bytes: Vec<u8>,
    /// Length of its head, where tensors stand behind one.
    head: Option<usize>,
}

fn mask_body(
    media: Media,
    body: &[u8],
    way: &Treatment,
    masker: &Masker,
    fixed: bool,
    tally: &mut Tally,
) -> Result<Option<Changed>, Unread> {
    let scope = &way.scope;
    let masked = match media {
        Media::Json => document::json(body, scope, masker, tally).map_err(|_| Unread::Unparsed),
        Media::Untyped => mask_untyped(body, way, masker, tally),
        Media::Form => document::form(body, scope, masker, tally).map_err(|_| Unread::Unparsed),
        Media::JsonLines => {
            document::json_lines(body, scope, masker, tally).map_err(|_| Unread::Unparsed)
        }
        Media::Tensors(head) => return mask_tensors(head, body, way, masker, fixed, tally),
        Media::Events
        | Media::Text
        | Media::Other
        | Media::Octets
        | Media::Parts
        | Media::Messages
        | Media::Partial
        | Media::Encoded => document::text(body, masker, tally).map_err(|_| Unread::Unparsed),
    };
    Ok(masked?.map(|bytes| Changed { bytes, head: None }))
}

/// A form in parts. Where files of other types may not pass, what is none is one of these.
fn mask_parts(
    body: &[u8],
    boundary: &str,
    way: &Treatment,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Changed>, Unread> {
    let others = way.on_other_type == DenyOrAllow::Allow;
    let scope = &way.scope;
    match multipart::multipart(body, boundary, others, scope, masker, tally) {
        Ok(masked) => Ok(masked.map(|bytes| Changed { bytes, head: None })),
        Err(multipart::Unread::Malformed) => Err(Unread::Unparsed),
        Err(multipart::Unread::OtherType) => Err(Unread::Part),
    }
}

/// A body without a type: one JSON document, or lines of JSON.
fn mask_untyped(
    body: &[u8],
    way: &Treatment,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, Unread> {
    let scope = &way.scope;
    let before = tally.clone();
    if let Ok(masked) = document::json(body, scope, masker, tally) {
        return Ok(masked);
    }
    // What begins as JSON is not of another type because it is broken.
    if !document::may_be_json(body) {
        return Err(Unread::Untyped);
    }
    *tally = before;
    document::json_lines(body, scope, masker, tally).map_err(|_| Unread::Unparsed)
}

fn mask_tensors(
    head: usize,
    body: &[u8],
    way: &Treatment,
    masker: &Masker,
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

/// After which of its pieces an answer may end with trailers, by its head.
#[derive(Clone, Copy)]
enum Ending {
    /// After its last byte.
    Length(usize),
    /// After each: trailers are announced.
    Announced,
    /// After each, but most likely not: HTTP/2 and HTTP/3 need not announce trailers. A short
    /// answer, which comes in one piece, is kept until more of it comes.
    Open,
    /// After none: HTTP/1, where proxies drop trailers unless told otherwise.
    Never,
}

impl Ending {
    fn of(headers: &HeaderBlock) -> Self {
        if let Some(length) = length(headers) {
            return Self::Length(length);
        }
        if headers.first("trailer").is_some() {
            return Self::Announced;
        }
        let http1 = ["transfer-encoding", "connection"];
        match http1.iter().any(|name| headers.first(name).is_some()) {
            true => Self::Never,
            false => Self::Open,
        }
    }

    /// Whether trailers may come when so many bytes have come, in one piece or several.
    const fn may_be_at(self, received: usize, first: bool) -> bool {
        match self {
            Self::Length(length) => received >= length,
            Self::Announced => true,
            Self::Open => first,
            Self::Never => false,
        }
    }
}

/// Masks an answer as it passes.
pub(crate) async fn mask_stream(
    plan: &Plan,
    exchange: &Exchange,
    mut answer: Answer<'_>,
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    if exchange.response().is_whole() {
        return Ok(());
    }
    let ending = Ending::of(&*exchange.response().headers()?);
    let body = exchange.response().rewrite()?;
    let (mut keeps, mut first, mut received) = (false, true, 0_usize);
    loop {
        let chunk = if keeps {
            body.chunk_after_keeping().await
        } else {
            body.chunk().await
        };
        let chunk = chunk.map_err(|_| Reply::new(&HOST_REFUSED))?;
        let (before, cut) = (answer.tally().clone(), answer.cut());
        let last = chunk.is_none();
        let out = match &chunk {
            Some(chunk) => answer.push(chunk),
            None => answer.finish(),
        };
        if !out.is_empty() {
            body.write(&out);
        }
        // Should trailers come, what is held can still go only where the proxy has kept something.
        // Where nothing goes, that costs nothing.
        received = received.saturating_add(chunk.as_ref().map_or(0, Vec::len));
        let may_end = ending.may_be_at(received, first);
        keeps = answer.cut().is_none() && (out.is_empty() || (may_end && answer.holds()));
        first = false;
        count(
            exchange,
            &plan.response,
            Side::Response,
            answer.tally(),
            &before,
            counts,
        )?;
        if let (Some(reason), None) = (answer.cut(), cut) {
            if !answer.says_so() {
                // Half of a text would look like the whole: the proxy breaks an answer off that it
                // has begun.
                return Err(Reply::new(reason));
            }
            refuse_late(exchange, reason);
        }
        if last {
            return Ok(());
        }
    }
}

/// Leaves the fact of a refusal that no reply can tell any more.
fn refuse_late(exchange: &Exchange, reason: &Reason) {
    let status = exchange.response().status().unwrap_or_default();
    let denied = Denied {
        filter: PiiMask::NAME.to_owned(),
        reason: reason.code.to_owned(),
        status,
        token: None,
    };
    // The answer is cut whether or not anybody can be told.
    let _ = exchange.publish(denied);
}

/// Counts what was found beyond `before`, in the metrics and in the fact.
fn count(
    exchange: &Exchange,
    way: &Treatment,
    side: Side,
    tally: &Tally,
    before: &Tally,
    counts: &RefCell<Masked>,
) -> Result<(), Status> {
    if tally == before {
        return Ok(());
    }
    let mut counts = counts.borrow_mut();
    let of_side = match side {
        Side::Request => &mut counts.request,
        Side::Response => &mut counts.response,
    };
    for (entity, count) in tally.counts() {
        let more = count.saturating_sub(before.count(entity));
        if let Some(counter) = way.counters.get(&entity).filter(|_| more > 0) {
            counter.add(exchange.host(), more);
        }
        of_side.insert(entity.name().to_owned(), count);
        let more = tally.unkept(entity).saturating_sub(before.unkept(entity));
        if let Some(counter) = way.unkept.get(&entity).filter(|_| more > 0) {
            counter.add(exchange.host(), more);
        }
    }
    for entity in tally.restored_entities() {
        let more = tally
            .restored(entity)
            .saturating_sub(before.restored(entity));
        if let Some(counter) = way.restored.get(&entity).filter(|_| more > 0) {
            counter.add(exchange.host(), more);
        }
    }
    if counts.request.is_empty() && counts.response.is_empty() {
        return Ok(());
    }
    exchange.publish(counts.clone())
}

pub(crate) fn announces_body(headers: &HeaderBlock) -> bool {
    headers.first("transfer-encoding").is_some()
        || headers.all("content-length").any(|length| length != b"0")
}

fn length(headers: &HeaderBlock) -> Option<usize> {
    headers.text("content-length")?.parse().ok()
}
