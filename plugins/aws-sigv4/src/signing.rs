//! One request, from its headers to its signature, and what is learnt of its answer.

use modelgate_kit::body::BodyError;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::problem::Reply;
use modelgate_kit::problem::common::HOST_REFUSED;

use crate::answer::{Hint, hint, translate};
use crate::chunked::{Pieces, sent_length};
use crate::config::{ErrorsAs, PayloadPolicy};
use crate::plan::{Plan, announced};
use crate::reasons::{LENGTH_REQUIRED, PAYLOAD_REFUSED, PAYLOAD_TOO_LARGE, UPGRADE_REFUSED};
use crate::sign::Payload;
use crate::signers::Chosen;

/// How long the body is that is sent in pieces.
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// Pieces that the body is sent in, and their length.
pub type Streamed = Option<(Pieces, usize)>;

/// Signs the request; who has signed, and what is still to be signed of its body.
pub async fn sign(
    plan: &Plan,
    exchange: &Exchange,
    headers: &HeaderBlock,
) -> Result<(Chosen, Streamed), Reply> {
    let (mut changed, mut prepared) = (None, None);
    let whole_at_once = exchange.request().is_whole();
    let mut length = None;
    let upgrade = exchange.upgrade()?;
    if upgrade.is_some_and(|upgrade| !plan.signs(upgrade, headers)) {
        return Err(Reply::new(&UPGRADE_REFUSED));
    }
    let chosen = plan.signers.choose(exchange)?;
    let payload = match plan.payload {
        PayloadPolicy::Unsigned => Payload::Unsigned,
        // What follows the headers of an upgrade is not the request's body (RFC 9110 section
        // 7.8).
        _ if whole_at_once || upgrade.is_some() => Payload::of(b""),
        PayloadPolicy::Absent => return Err(Reply::new(&PAYLOAD_REFUSED)),
        PayloadPolicy::Chunked => {
            length = announced(headers);
            match length {
                None => return Err(Reply::new(&LENGTH_REQUIRED)),
                Some(0) => Payload::of(b""),
                Some(_) => Payload::Chunked,
            }
        }
        PayloadPolicy::Signed => {
            // What will be refused is refused before its body is held.
            prepared = Some(plan.outgoing.prepare(headers)?);
            if announced(headers).is_some_and(|length| length > plan.max_body_bytes) {
                return Err(Reply::new(&PAYLOAD_TOO_LARGE));
            }
            // Where there are no credentials, that is said before a body is held.
            plan.signers.signer(exchange, &chosen).await?;
            let body = exchange.request().body(plan.max_body_bytes).await;
            let body = body.map_err(|error| match error {
                BodyError::TooLarge => Reply::new(&PAYLOAD_TOO_LARGE),
                BodyError::Unreadable | BodyError::Endless => Reply::new(&HOST_REFUSED),
            })?;
            // An earlier filter may have changed headers together with the body.
            let now = exchange.request().headers_again()?;
            if *now != *headers {
                changed = Some(now);
                prepared = None;
            }
            length = Some(body.len());
            Payload::of(&body)
        }
    };
    let headers = changed.as_deref().unwrap_or(headers);
    let decoded = length.unwrap_or(0).to_string();
    let mut outgoing = match prepared {
        Some(prepared) => prepared,
        None => plan.outgoing.prepare(headers)?,
    };
    if payload == Payload::Chunked {
        outgoing.add(DECODED_LENGTH, &decoded);
    }
    // Those that are there now: while the body came, they may have been replaced.
    let signer = plan.signers.signer(exchange, &chosen).await?;
    let date = plan.clock.stamp(exchange.now_ns());
    let request = exchange.request();
    for name in &outgoing.removed {
        request.remove_header(name)?;
    }
    for (name, value) in &plan.outgoing.set_headers {
        request.set_header(name, value)?;
    }
    if let Some(authority) = outgoing.authority {
        request.set_header(":authority", authority)?;
    }
    // Services refuse a body of unknown length, and the length is known here.
    if let Some(length) = length.filter(|length| announced(headers) != Some(*length)) {
        request.set_header("content-length", length.to_string())?;
    }
    if let Some(expires_s) = plan.presigned_s {
        let query = signer.presign(&outgoing.request(), &payload, date, expires_s);
        if headers.first("authorization").is_some() {
            request.remove_header("authorization")?;
        }
        request.set_header(":path", outgoing.target_with(&query))?;
        return Ok((chosen, None));
    }
    if let Some(target) = outgoing.changed_target() {
        request.set_header(":path", target)?;
    }
    let signed = signer.sign(&outgoing.request(), &payload, date);
    if let Some(token) = signer.session_token() {
        request.set_header("x-amz-security-token", token)?;
    }
    if let Some(payload) = &signed.content_sha256 {
        request.set_header("x-amz-content-sha256", payload.text())?;
    }
    if let Some(regions) = &signed.region_set {
        request.set_header("x-amz-region-set", regions)?;
    }
    request.set_header("x-amz-date", signed.date.bytes())?;
    request.set_header("authorization", &signed.authorization)?;
    if payload != Payload::Chunked {
        return Ok((chosen, None));
    }
    request.set_header(DECODED_LENGTH, &decoded)?;
    let coding = match headers.text("content-encoding") {
        Some(coding) => format!("aws-chunked,{coding}"),
        None => "aws-chunked".to_owned(),
    };
    request.set_header("content-encoding", coding)?;
    let (Some(length), Some(before)) = (length, signed.authorization.last_chunk::<64>()) else {
        return Err(Reply::new(&HOST_REFUSED));
    };
    let pieces = Pieces::new(signer, date, *before, length);
    Ok((chosen, Some((pieces, sent_length(length)))))
}

/// Learns from the answer, and tells an error in the client's dialect. Nothing of it can be
/// refused: what cannot be read goes on as it came.
pub async fn answered(plan: &Plan, exchange: &Exchange, chosen: &Chosen, request: &HeaderBlock) {
    // What has gone well says nothing, and its headers are not read.
    if exchange
        .response()
        .status()
        .is_some_and(|status| status < 400)
    {
        return;
    }
    let Ok(response) = exchange.response().headers() else {
        return;
    };
    match hint(&response) {
        Hint::None => {}
        Hint::Clock => plan.clock.learn(exchange.host(), &response),
        Hint::Credentials => plan.signers.doubt(exchange, chosen),
    }
    if plan.errors == ErrorsAs::Client {
        translate(exchange, request, &response).await;
    }
}
