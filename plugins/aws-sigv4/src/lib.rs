//! Signs the request that goes to the model with AWS Signature Version 4, as the last filter of the
//! chain.
//!
//! The body is held until it is whole (bounded), so that the signature covers what the filters
//! before have made of it; then the client's own credentials are taken out, host, path and query
//! are brought to what will be sent, and the signature is added. Everything that a client could use
//! to act under the gateway's credentials is refused or removed: see [`outgoing`].
//!
//! It signs each request once: retries of the proxy send the same signature, which AWS takes for
//! five minutes. It cannot know what the proxy's router changes afterwards (prefix or host
//! rewrites, header changes of the route): `rewritten_by: route` says that path and host will be
//! rewritten there as configured here, anything else breaks the signature.

pub mod canonical;
pub mod config;
pub mod credentials;
pub mod date;
pub mod outgoing;
pub mod plan;
pub mod reasons;
pub mod sign;
pub mod uri;

use std::rc::Rc;

use modelgate_kit::body::BodyError;
use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::Reserved;
use modelgate_kit::problem::common::HOST_REFUSED;
use modelgate_kit::problem::{Reason, Reply};

use config::{Config, PayloadPolicy};
use date::AmzDate;
use plan::{Plan, announced};
use reasons::{PAYLOAD_REFUSED, PAYLOAD_TOO_LARGE, UPGRADE_REFUSED};
use sign::Payload;

/// The filter.
pub struct AwsSigv4;

impl Filter for AwsSigv4 {
    const NAME: &'static str = "aws_sigv4";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        request_body: true,
        reserves: true,
        // After everything that changes a request.
        order: 60,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const ENVIRONMENT: &'static [&'static str] = &config::ENVIRONMENT;
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        config.compile(setup, problems)
    }

    fn reserved(plan: &Plan) -> Reserved {
        let set = plan.outgoing.set_headers.iter();
        Reserved::names(set.map(|(name, _)| name.as_str()).chain(["authorization"]))
            .and_beginning_with("x-amz-")
            .and_beginning_with("x-amzn-")
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let headers = exchange.request().headers()?;
        let (mut changed, mut prepared) = (None, None);
        let whole_at_once = exchange.request().is_whole();
        let mut length = None;
        let upgrade = exchange.upgrade()?;
        if upgrade.is_some_and(|upgrade| !plan.signs(upgrade, &headers)) {
            return Err(Reply::new(&UPGRADE_REFUSED));
        }
        let payload = match plan.payload {
            PayloadPolicy::Unsigned => Payload::Unsigned,
            // What follows the headers of an upgrade is not the request's body (RFC 9110 section
            // 7.8).
            PayloadPolicy::Absent | PayloadPolicy::Signed if whole_at_once || upgrade.is_some() => {
                Payload::of(b"")
            }
            PayloadPolicy::Absent => return Err(Reply::new(&PAYLOAD_REFUSED)),
            PayloadPolicy::Signed => {
                // What will be refused is refused before its body is held.
                prepared = Some(plan.outgoing.prepare(&headers)?);
                if announced(&headers).is_some_and(|length| length > plan.max_body_bytes) {
                    return Err(Reply::new(&PAYLOAD_TOO_LARGE));
                }
                let body = exchange.request().body(plan.max_body_bytes).await;
                let body = body.map_err(|error| match error {
                    BodyError::TooLarge => Reply::new(&PAYLOAD_TOO_LARGE),
                    BodyError::Unreadable | BodyError::Endless => Reply::new(&HOST_REFUSED),
                })?;
                // An earlier filter may have changed headers together with the body.
                let now = exchange.request().headers_again()?;
                if now != headers {
                    changed = Some(now);
                    prepared = None;
                }
                length = Some(body.len());
                Payload::of(&body)
            }
        };
        let headers = changed.as_ref().unwrap_or(&headers);
        let outgoing = match prepared {
            Some(prepared) => prepared,
            None => plan.outgoing.prepare(headers)?,
        };
        let signed = plan.signer.sign(
            &outgoing.request(),
            &payload,
            AmzDate::from_unix_nanos(exchange.now_ns()),
        );

        for name in &outgoing.removed {
            exchange.request().remove_header(name)?;
        }
        for (name, value) in &plan.outgoing.set_headers {
            exchange.request().set_header(name, value)?;
        }
        if let Some(authority) = outgoing.authority {
            exchange.request().set_header(":authority", authority)?;
        }
        if let Some(target) = &outgoing.target {
            exchange.request().set_header(":path", target)?;
        }
        // Services refuse a body of unknown length, and the length is known here.
        if let Some(length) = length.filter(|length| announced(headers) != Some(*length)) {
            exchange
                .request()
                .set_header("content-length", length.to_string())?;
        }
        if let Some(token) = plan.signer.session_token() {
            exchange
                .request()
                .set_header("x-amz-security-token", token)?;
        }
        if let Some(payload) = &signed.content_sha256 {
            exchange
                .request()
                .set_header("x-amz-content-sha256", payload.text())?;
        }
        exchange
            .request()
            .set_header("x-amz-date", signed.date.bytes())?;
        exchange
            .request()
            .set_header("authorization", &signed.authorization)?;
        Ok(())
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(AwsSigv4: request_body);

#[cfg(test)]
mod tests;
