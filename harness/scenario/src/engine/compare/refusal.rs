//! What every refusal must have, whether a scenario asks for it or not: the reason in the header
//! that operators and clients go by, the same as in the response-code details and in the fact
//! `denied`, and the id of the request, by which it is found in the logs.

use modelgate_kit::problem::REASON_HEADER;
use serde_json::Value as Json;

use super::Mismatch;
use crate::engine::{Ended, Exchange, Observations};

/// The fact that says who refused and why.
const DENIED: &str = "modelgate.denied";
const REQUEST_ID: &str = "x-request-id";

/// What refusals among the answers lack. `named`: requests have ids there.
pub fn lacks(seen: &Observations, named: bool) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (number, exchange) in seen.exchanges.iter().enumerate() {
        let Some(code) = refused(exchange) else {
            continue;
        };
        let mut differ = |field: &str, message: String| {
            found.push(Mismatch {
                field: format!("refusal[{number}].{field}"),
                message,
            });
        };
        let reasons = texts(exchange, REASON_HEADER);
        if reasons != [code] {
            differ(
                REASON_HEADER,
                format!("the details say {code:?}, the header {reasons:?}"),
            );
        }
        if let Some(denied) = exchange.facts.get(DENIED)
            && let Ok(denied) = serde_json::from_slice::<Json>(denied)
            && (denied.get("reason") != Some(&Json::from(code))
                || !is_status(denied.get("status"), exchange))
        {
            differ("denied", format!("the fact says {denied}"));
        }
        if named && texts(exchange, REQUEST_ID).len() != 1 {
            differ(REQUEST_ID, "the answer has no id of its request".to_owned());
        }
    }
    found
}

fn texts(exchange: &Exchange, name: &str) -> Vec<String> {
    exchange
        .headers
        .iter()
        .filter(|(known, _)| known == name)
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// Whether the answer has this status. gRPC has its own, in a header of a 200.
fn is_status(denied: Option<&Json>, exchange: &Exchange) -> bool {
    let status = exchange.status.map(Json::from);
    denied == status.as_ref() || !texts(exchange, "grpc-status").is_empty()
}

/// The reason that the details give, if the answer is a filter's own: what is broken off, or ended
/// before its time, has the head of another.
fn refused(exchange: &Exchange) -> Option<&str> {
    let status = exchange.status?;
    let says_no = status >= 400 || !texts(exchange, "grpc-status").is_empty();
    if !says_no || exchange.end != Ended::Complete {
        return None;
    }
    let details = exchange.details.as_deref()?.strip_prefix("modelgate.")?;
    details.split_once('.').map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(details: &str, headers: &[(&str, &str)], denied: &str, end: Ended) -> Vec<String> {
        let exchange = Exchange {
            status: Some(403),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_string().into()))
                .collect(),
            end,
            details: Some(details.to_owned()),
            facts: [(DENIED.to_owned(), denied.to_owned().into())].into(),
            ..Exchange::default()
        };
        let seen = Observations {
            exchanges: vec![exchange],
            ..Observations::default()
        };
        let found = lacks(&seen, true);
        found.into_iter().map(|mismatch| mismatch.field).collect()
    }

    #[test]
    fn a_refusal_names_its_reason_and_its_request() {
        let (details, id) = ("modelgate.consumer_acl.access_denied", (REQUEST_ID, "1"));
        let reason = (REASON_HEADER, "access_denied");
        let denied = r#"{"reason":"access_denied","status":403}"#;
        let whole = Ended::Complete;
        let none: [&str; 0] = [];
        let begun = Exchange {
            status: Some(200),
            end: Ended::Complete,
            details: Some(details.to_owned()),
            ..Exchange::default()
        };
        assert_eq!(refused(&begun), None);
        assert_eq!(seen(details, &[reason, id], denied, whole), none);
        assert_eq!(seen("via_upstream", &[], denied, whole), none);
        assert_eq!(seen(details, &[], denied, Ended::Reset), none);
        let lacks = |field: &str| [format!("refusal[0].{field}")];
        assert_eq!(seen(details, &[reason], denied, whole), lacks(REQUEST_ID));
        assert_eq!(seen(details, &[id], denied, whole), lacks(REASON_HEADER));
        let other = denied.replace("403", "401");
        assert_eq!(seen(details, &[reason, id], &other, whole), lacks("denied"));
        let status = ("grpc-status", "7");
        assert_eq!(seen(details, &[reason, id, status], &other, whole), none);
    }
}
