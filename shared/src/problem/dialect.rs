//! The form of an error reply: what the client's library expects from the backend it thinks it talks to.
//!
//! Chosen by the route: its metadata (`modelgate: {dialect: openai}`), else the path's protocol, else problem+json (RFC 9457).

use serde_json::{Value, json};

use super::Reply;
use crate::exchange::Exchange;

/// A family of error replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `application/problem+json`, RFC 9457.
    Problem,
    /// OpenAI's `{"error": {message, type, param, code}}`.
    OpenAi,
    /// Open Inference Protocol V2 and KServe: `{"error": "…"}`.
    KserveV2,
    /// TensorFlow Serving: `{"error": "…"}`.
    TfServing,
    /// AWS JSON: `{"message": "…"}` with the header `x-amzn-errortype`.
    AwsJson,
    /// TorchServe: `{code, type, message}`.
    TorchServe,
    /// Google APIs: `{"error": {code, message, status, details}}`.
    Google,
    /// Azure: `{"error": {code, message}}`.
    Azure,
}

impl Dialect {
    /// The name in route metadata, in its canonical form.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("problem", Self::Problem),
        ("openai", Self::OpenAi),
        ("kserve_v2", Self::KserveV2),
        ("tf_serving", Self::TfServing),
        ("aws_json", Self::AwsJson),
        ("torchserve", Self::TorchServe),
        ("google", Self::Google),
        ("azure", Self::Azure),
    ];

    /// The dialect of an exchange.
    pub fn of(exchange: &Exchange) -> Self {
        let named = crate::profile::route_metadata(exchange.host(), &["dialect"]);
        if let Some(known) =
            named.and_then(|name| Self::NAMES.into_iter().find(|(n, _)| *n == name))
        {
            return known.1;
        }
        exchange
            .request()
            .ok()
            .and_then(|headers| Self::of_path(headers.text(":path")?))
            .unwrap_or(Self::Problem)
    }

    /// The dialect that a path speaks.
    pub fn of_path(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        let _ = path;
        None
    }

    /// Content type and body of a reply.
    pub fn render(self, reply: &Reply) -> (&'static str, Vec<u8>) {
        let reason = reply.reason;
        let message = reply.detail.as_deref().unwrap_or(reason.title);
        let coded = || format!("{message} (reason: {})", reason.code);
        let value = match self {
            Self::Problem => {
                return (
                    "application/problem+json",
                    problem(reply).to_string().into_bytes(),
                );
            }
            Self::OpenAi => {
                json!({ "error": { "message": message, "type": openai_type(reply.status), "param": null, "code": reason.code } })
            }
            Self::KserveV2 | Self::TfServing => json!({ "error": coded() }),
            Self::AwsJson => json!({ "message": coded() }),
            Self::TorchServe => {
                json!({ "code": reply.status, "type": aws_type(reply.status), "message": coded() })
            }
            Self::Google => {
                json!({ "error": { "code": reply.status, "message": message, "status": google_status(reply.status),
                "details": [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason.code.to_ascii_uppercase(), "domain": "modelgate" }] } })
            }
            Self::Azure => json!({ "error": { "code": reason.code, "message": message } }),
        };
        ("application/json", value.to_string().into_bytes())
    }

    /// A header that the dialect adds.
    pub const fn header(self, reply: &Reply) -> Option<(&'static str, &'static str)> {
        match self {
            Self::AwsJson => Some(("x-amzn-errortype", aws_type(reply.status))),
            _ => None,
        }
    }
}

/// The problem document of a reply.
fn problem(reply: &Reply) -> Value {
    let reason = reply.reason;
    let own = || format!("urn:modelgate:problem:{}:{}", reason.filter, reason.code);
    let mut document = json!({
        "type": reply.problem_type.map_or_else(own, str::to_owned),
        "title": reason.title,
        "status": reply.status,
        "reason": reason.code,
    });
    if let Some(members) = document.as_object_mut() {
        if let Some(detail) = &reply.detail {
            members.insert("detail".into(), detail.as_str().into());
        }
        members.extend(reply.extensions.clone());
    }
    document
}

/// Error type of OpenAI's API.
const fn openai_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// Exception name of AWS JSON services.
const fn aws_type(status: u16) -> &'static str {
    match status {
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailable",
        400..=499 => "ValidationError",
        _ => "InternalFailure",
    }
}

/// Canonical code of google.rpc.
const fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        400..=499 => "INVALID_ARGUMENT",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::catalogue::kit::PATH_AMBIGUOUS;

    #[test]
    fn every_dialect_carries_the_code_and_parses() {
        for (name, dialect) in Dialect::NAMES {
            let (kind, body) =
                dialect.render(&Reply::new(&PATH_AMBIGUOUS).with_detail("a \"quoted\" detail"));
            let value: Value =
                serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(kind.ends_with("json"));
            assert!(
                value
                    .to_string()
                    .to_ascii_lowercase()
                    .contains("path_ambiguous"),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn a_problem_document_has_the_members_of_rfc_9457() {
        let reply = Reply::new(&PATH_AMBIGUOUS).with_member("violated-policies", json!(["burst"]));
        let value = problem(&reply);
        assert_eq!(value["status"], 400);
        assert_eq!(value["type"], "urn:modelgate:problem:kit:path_ambiguous");
        assert_eq!(value["violated-policies"][0], "burst");
    }
}
