//! What becomes of AWS's refusals on their way back: what they say of the clock and of our
//! credentials is learnt, and a client that speaks another protocol is told in its own dialect.
//!
//! An answer that is not understood goes on as it came. The request's id (`x-amzn-requestid`) and
//! the error's name (`x-amzn-errortype`) stay in the headers.

use modelgate_kit::exchange::Exchange;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::problem::dialect::{Error, Shape};
use serde_json::Value;

use crate::supply::read::plain_code;

/// Longest error that is told in another dialect, in bytes.
const MAX_BYTES: usize = 65_536;

/// What a refusal says of our signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    None,
    /// The clock may be wrong, as may be anything that is signed.
    Clock,
    /// The credentials are not taken any more.
    Credentials,
}

/// Reads it from a response's headers.
pub fn hint(response: &HeaderBlock) -> Hint {
    if !matches!(response.text(":status"), Some("400" | "403")) {
        return Hint::None;
    }
    let code = response.text("x-amzn-errortype").and_then(plain_code);
    match code.as_deref() {
        // S3 names its errors in the body alone.
        None
        | Some(
            "AuthFailure"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "RequestInTheFuture"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch",
        ) => Hint::Clock,
        Some(
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException",
        ) => Hint::Credentials,
        Some(_) => Hint::None,
    }
}

/// Tells an error in the dialect of the client, whose request came with these headers.
pub async fn translate(exchange: &Exchange, request: &HeaderBlock, response: &HeaderBlock) {
    let Some(status) = exchange.response().status().filter(|status| *status >= 400) else {
        return;
    };
    let is_json = |kind: &str| {
        kind.starts_with("application/json") || kind.starts_with("application/x-amz-json")
    };
    if !response.text("content-type").is_some_and(is_json)
        || response.first("content-encoding").is_some()
    {
        return;
    }
    let shape = match Shape::known(exchange, Some(request)) {
        None | Some(Shape::Aws | Shape::Grpc) => return,
        Some(shape) => shape,
    };
    // Where the headers go on before the body is whole, the type of the body could not be changed.
    if !exchange.host().rules().holds_responses {
        return;
    }
    let Ok(body) = exchange.response().body(MAX_BYTES).await else {
        return;
    };
    let Some((code, message)) = read(&body, response) else {
        return;
    };
    let error = Error {
        status,
        code: &code,
        message: &message,
    };
    let Some((kind, document)) = shape.tell(&error) else {
        return;
    };
    let told = exchange.response().set_header("content-type", kind);
    // A host that does not take one or the other sends the error as it came.
    if told.is_ok() {
        let _ = exchange.response().replace_body(document);
    }
}

/// Name and text of an error of AWS's: `{"message": …}`, or `{"Message": …}`, with the name in the
/// header `x-amzn-errortype` or in the member `__type` or `code`.
fn read(body: &[u8], response: &HeaderBlock) -> Option<(String, String)> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let text = |names: &[&str]| names.iter().find_map(|name| document.get(name)?.as_str());
    let message = text(&["message", "Message"])?;
    let named = response.text("x-amzn-errortype");
    let code = named
        .or_else(|| text(&["__type", "code"]))
        .and_then(plain_code);
    Some((
        code.unwrap_or_else(|| "UpstreamError".to_owned()),
        message.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pairs: &[(&str, &str)]) -> HeaderBlock {
        let pairs = pairs.iter();
        HeaderBlock::from_pairs(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn refusals_of_the_signature_are_told_from_others() {
        for (status, kind, expected) in [
            (
                "403",
                Some("ExpiredTokenException:http://x"),
                Hint::Credentials,
            ),
            (
                "403",
                Some("com.amazon#UnrecognizedClientException"),
                Hint::Credentials,
            ),
            ("403", Some("InvalidSignatureException"), Hint::Clock),
            ("403", None, Hint::Clock),
            ("403", Some("AccessDeniedException"), Hint::None),
            ("400", Some("ValidationError"), Hint::None),
            ("200", Some("ExpiredTokenException"), Hint::None),
            ("500", None, Hint::None),
        ] {
            let mut pairs = vec![(":status", status)];
            pairs.extend(kind.map(|kind| ("x-amzn-errortype", kind)));
            assert_eq!(hint(&answer(&pairs)), expected, "{status} {kind:?}");
        }
    }

    #[test]
    fn name_and_text_are_read_where_both_are_sure() {
        let typed = answer(&[("x-amzn-errortype", "ModelError:http://internal/")]);
        let plain = answer(&[]);
        for (body, headers, expected) in [
            (
                r#"{"Message":"m","OriginalStatusCode":500}"#,
                &typed,
                Some(("ModelError", "m")),
            ),
            (r#"{"message":"m"}"#, &plain, Some(("UpstreamError", "m"))),
            (
                r#"{"__type":"a#Throttling","message":"m"}"#,
                &plain,
                Some(("Throttling", "m")),
            ),
            (r#"{"error":"m"}"#, &typed, None),
            ("oops", &typed, None),
        ] {
            let found = read(body.as_bytes(), headers);
            let found = found
                .as_ref()
                .map(|(code, message)| (code.as_str(), message.as_str()));
            assert_eq!(found, expected, "{body}");
        }
    }
}
