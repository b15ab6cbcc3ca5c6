//! One message of an exchange, masked: whole, as tensors, or as it passes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use modelgate_kit::body::BodyError;
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{Denied, Masked};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::host::{Side, Status};
use modelgate_kit::metrics::Metric;
use modelgate_kit::problem::common::HOST_REFUSED;
use modelgate_kit::problem::dialect::CutShort;
use modelgate_kit::problem::{Reason, Reply};

use crate::answer::Answer;
use crate::coding::{Broken, Decoder};
use crate::config::Hold;
use crate::detect::Entity;
use crate::mask::{Masker, Tally};
use crate::media::Media;
use crate::plan::{Plan, Treatment};
use crate::reading::{self, Changed};
use crate::tensors::HEAD_LENGTH;
use crate::unread::Unread;
use crate::{PiiMask, document, reasons};
use modelgate_kit::filter::Filter as _;

/// What a direction is called, and the reasons that it refuses for.
pub(crate) struct Terms {
    pub side: Side,
    pub blocked: &'static Reason,
    too_large: &'static Reason,
    compressed: &'static Reason,
    unparsed: &'static Reason,
    other_type: &'static Reason,
    partial: &'static Reason,
    tensors: &'static Reason,
    pub head: &'static Reason,
}

impl Terms {
    /// The reason to refuse what cannot be masked.
    pub const fn reason(&self, unread: Unread) -> &'static Reason {
        match unread {
            Unread::Compressed => self.compressed,
            Unread::OtherType | Unread::Untyped | Unread::Part => self.other_type,
            Unread::Partial => self.partial,
            Unread::TooLarge => self.too_large,
            Unread::Unparsed => self.unparsed,
            Unread::Tensors(_) => self.tensors,
        }
    }
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
    head: &reasons::HEAD_UNPARSED,
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
    head: &reasons::ANSWER_HEAD_UNPARSED,
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
    let refuse = |unread: Unread| match unread.policy(way) {
        DenyOrAllow::Deny => Err(Refusal::Reason(terms.reason(unread))),
        DenyOrAllow::Allow => Ok(()),
    };
    let reading = match reading::read(&headers, way) {
        Ok(reading) if !reading.passes() => reading,
        Ok(_) => return refuse(Unread::OtherType),
        Err(unread) => return refuse(unread),
    };
    let announced = length(&headers);
    // What has no type may be an image of any length, which its first bytes tell.
    let first_tells = reading.media == Media::Untyped
        && !reading.codings.is_encoded()
        && way.on_other_type == DenyOrAllow::Allow;
    if announced.is_some_and(|length| length > way.max_body_bytes) && !first_tells {
        return refuse(Unread::TooLarge);
    }
    let decoder = reading.codings.decoder();
    // Whether the headers go on before the body is here.
    let goes_ahead = plan.hold == Hold::Body
        || (side == Side::Response && !exchange.host().rules().holds_responses);
    if decoder.is_some() && goes_ahead {
        message.remove_header(CODING)?;
    }
    let body = match plan.hold {
        Hold::Headers => message.body(way.max_body_bytes).await,
        Hold::Body => message.body_alone(way.max_body_bytes).await,
    };
    let refusal = match plan.hold {
        Hold::Headers => Refusal::Reason,
        Hold::Body => Refusal::Late,
    };
    // What has lost the name of its coding cannot pass as it is.
    let must_decode = decoder.is_some() && goes_ahead;
    let refuse = |unread: Unread| match unread.policy(way) {
        DenyOrAllow::Allow if !must_decode => Ok(()),
        _ if unread == Unread::Untyped && !(plan.hold == Hold::Body && side == Side::Response) => {
            Err(Refusal::Untyped(terms.reason(unread)))
        }
        _ => Err(refusal(terms.reason(unread))),
    };
    let body = match body {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            let first = message.first_bytes(FIRST_BYTES).unwrap_or_default();
            if first_tells && !document::may_be_json(&first) {
                return Ok(());
            }
            return refuse(Unread::TooLarge);
        }
        Err(BodyError::Unreadable | BodyError::Endless) => return Err(refusal(&HOST_REFUSED)),
    };
    if body.is_empty() {
        return Ok(());
    }
    let decodes = decoder.is_some();
    let body = match decoder.map(|decoder| decoder.whole(&body, way.max_body_bytes)) {
        None => body,
        Some(Ok(decoded)) => decoded,
        Some(Err(broken)) => return refuse(broken.into()),
    };
    let mut tally = Tally::default();
    let fixed = message.are_headers_gone();
    if side == Side::Request {
        masker.reserve(&body);
    }
    let masked = reading.mask(&body, masker, way, fixed, &mut tally);
    count(exchange, plan, side, &tally, &Tally::default(), counts)?;
    if tally.is_blocked() {
        return Err(refusal(terms.blocked));
    }
    let changed = match masked {
        Ok(None) if decodes => Changed {
            bytes: body,
            head: None,
        },
        Ok(None) => return Ok(()),
        Ok(Some(changed)) => changed,
        Err(unread) => return refuse(unread),
    };
    if !message.are_headers_gone() {
        if let Some(head) = changed.head {
            message.set_header(HEAD_LENGTH, head.to_string())?;
        }
        if decodes {
            message.remove_header(CODING)?;
        }
    }
    Ok(message.replace_body(changed.bytes)?)
}

/// The header that names content codings.
const CODING: &str = "content-encoding";

/// How much of a body is looked at to tell what it is.
const FIRST_BYTES: usize = 64;

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

/// What a piece of an encoded answer decodes to, and what its end leaves.
pub(crate) fn decoded(
    decoder: &mut Option<Decoder>,
    chunk: Option<Vec<u8>>,
    way: &Treatment,
) -> Result<Option<Vec<u8>>, &'static Reason> {
    let reason = |broken| match broken {
        Broken::Malformed => &reasons::ANSWER_UNPARSED,
        Broken::TooLarge => &reasons::ANSWER_TOO_LARGE,
    };
    match (decoder, chunk) {
        (None, chunk) => Ok(chunk),
        (Some(decoder), Some(chunk)) => {
            let most = way.max_body_bytes.max(MOST_DECODED);
            decoder.push(&chunk, most).map(Some).map_err(reason)
        }
        (Some(decoder), None) => decoder.finish().map(|()| None).map_err(reason),
    }
}

/// Most bytes that a piece of an answer may decode to, where bodies may not be longer.
const MOST_DECODED: usize = 4 << 20;

/// Masks an answer as it passes.
pub(crate) async fn mask_stream(
    plan: &Plan,
    exchange: &Exchange,
    mut answer: Answer<'_>,
    mut decoder: Option<Decoder>,
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    if exchange.response().is_whole() {
        return Ok(());
    }
    if decoder.is_some() {
        exchange.response().remove_header(CODING)?;
    }
    let ending = if answer.has_trailers() {
        Ending::Announced
    } else {
        Ending::of(&*exchange.response().headers()?)
    };
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
        received = received.saturating_add(chunk.as_ref().map_or(0, Vec::len));
        let out = match decoded(&mut decoder, chunk, &plan.response) {
            Ok(Some(chunk)) => answer.push(&chunk),
            Ok(None) => answer.finish(),
            Err(reason) => answer.break_off(reason),
        };
        if !out.is_empty() {
            body.write(&out);
        }
        // Should trailers come, what is held can still go only where the proxy has kept something.
        // Where nothing goes, that costs nothing.
        let may_end = ending.may_be_at(received, first);
        keeps = answer.cut().is_none() && (out.is_empty() || (may_end && answer.holds()));
        first = false;
        count(
            exchange,
            plan,
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
pub(crate) fn count(
    exchange: &Exchange,
    plan: &Plan,
    side: Side,
    tally: &Tally,
    before: &Tally,
    counts: &RefCell<Masked>,
) -> Result<(), Status> {
    if tally == before {
        return Ok(());
    }
    let way = plan.way(side);
    let mut counts = counts.borrow_mut();
    let counts = &mut *counts;
    let (masked, reported) = match side {
        Side::Request => (&mut counts.request, &mut counts.request_reported),
        Side::Response => (&mut counts.response, &mut counts.response_reported),
    };
    for (entity, count) in tally.counts() {
        let more = count.saturating_sub(before.count(entity));
        let (counters, of_side) = match plan.shadow {
            false => (&way.counters, &mut *masked),
            true => (&way.reported, &mut *reported),
        };
        add(exchange, counters.get(&entity), more);
        put(of_side, entity, more);
        let more = tally.unkept(entity).saturating_sub(before.unkept(entity));
        add(exchange, way.unkept.get(&entity), more);
    }
    for (entity, count) in tally.reported() {
        let more = count.saturating_sub(before.count_reported(entity));
        add(exchange, way.reported.get(&entity), more);
        put(reported, entity, more);
    }
    for (entity, count) in tally.restored() {
        let more = count.saturating_sub(before.count_restored(entity));
        add(exchange, way.restored.get(&entity), more);
    }
    if *counts == Masked::default() {
        return Ok(());
    }
    exchange.publish(counts.clone())
}

fn add(exchange: &Exchange, counter: Option<&Metric>, more: u64) {
    if let Some(counter) = counter.filter(|_| more > 0) {
        counter.add(exchange.host(), more);
    }
}

fn put(counts: &mut BTreeMap<String, u64>, entity: Entity, more: u64) {
    if more > 0 {
        let known = counts.entry(entity.name().to_owned()).or_default();
        *known = known.saturating_add(more);
    }
}

pub(crate) fn announces_body(headers: &HeaderBlock) -> bool {
    headers.first("transfer-encoding").is_some()
        || headers.all("content-length").any(|length| length != b"0")
}

fn length(headers: &HeaderBlock) -> Option<usize> {
    headers.text("content-length")?.parse().ok()
}
