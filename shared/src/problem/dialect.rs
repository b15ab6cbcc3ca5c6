//! The form of an error reply: what the client's library expects from the backend it thinks it talks to.
//!
//! Chosen by the route: its metadata (`modelgate: {dialect: openai}`), else the path's protocol, else problem+json (RFC 9457).

use serde_json::{Value, json};

use super::Reply;
use crate::exchange::Exchange;
use crate::route::{Dialect, Path, Route};

/// A family of error replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `application/problem+json`, RFC 9457.
    Problem,
    /// OpenAI: `{"error": {message, type, param, code}}`.
    OpenAi,
    /// Open Inference Protocol V2, KServe V1 and TensorFlow Serving: `{"error": "…"}`.
    Plain,
    /// AWS JSON: `{"message": "…"}` with the header `x-amzn-errortype`.
    Aws,
    /// TorchServe: `{code, type, message}`.
    TorchServe,
    /// Google APIs: `{"error": {code, message, status, details}}`.
    Google,
    /// Azure: `{"error": {code, message}}`.
    Azure,
}

impl From<Dialect> for Shape {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAi => Self::OpenAi,
            Dialect::OpenInference | Dialect::KserveV1 | Dialect::TfServing => Self::Plain,
            Dialect::SageMaker | Dialect::Bedrock => Self::Aws,
            Dialect::TorchServe => Self::TorchServe,
            Dialect::Vertex => Self::Google,
            Dialect::AzureMl => Self::Azure,
        }
    }
}

impl Shape {
    /// The shape that route metadata names: a dialect, or `problem`.
    pub fn named(name: &str) -> Option<Self> {
        if name == "problem" {
            return Some(Self::Problem);
        }
        let dialect: Dialect = serde_json::from_value(Value::String(name.to_owned())).ok()?;
        Some(dialect.into())
    }

    /// The shape for an exchange.
    pub fn of(exchange: &Exchange) -> Self {
        let named = crate::profile::route_metadata(exchange.host(), &["dialect"]);
        if let Some(shape) = named.and_then(|name| Self::named(&name)) {
            return shape;
        }
        exchange
            .request()
            .ok()
            .and_then(|headers| {
                Self::of_request(headers.first(":method")?, headers.first(":path")?)
            })
            .unwrap_or(Self::Problem)
    }

    /// The shape of the protocol that method and path belong to.
    pub fn of_request(method: &[u8], target: &[u8]) -> Option<Self> {
        let route = Route::parse(method, &Path::parse(target).ok()?)?;
        Some(route.dialect.into())
    }

    /// Content type and body of a reply.
    pub fn render(self, reply: &Reply) -> (&'static str, Vec<u8>) {
        let reason = reply.reason;
        let message = reply.detail().unwrap_or(reason.title);
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
            Self::Plain => json!({ "error": coded() }),
            Self::Aws => json!({ "message": coded() }),
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
            Self::Aws => Some(("x-amzn-errortype", aws_type(reply.status))),
            _ => None,
        }
    }
}

/// The problem document of a reply.
fn problem(reply: &Reply) -> Value {
    let reason = reply.reason;
    let own = || format!("urn:modelgate:problem:{}:{}", reason.filter, reason.code);
    let mut document = json!({
        "type": reply.problem_type().map_or_else(own, str::to_owned),
        "title": reason.title,
        "status": reply.status,
        "reason": reason.code,
    });
    if let Some(members) = document.as_object_mut() {
        if let Some(detail) = reply.detail() {
            members.insert("detail".into(), detail.into());
        }
        if let Some(more) = &reply.more {
            members.extend(more.extensions.clone());
        }
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

    const SHAPES: [Shape; 7] = [
        Shape::Problem,
        Shape::OpenAi,
        Shape::Plain,
        Shape::Aws,
        Shape::TorchServe,
        Shape::Google,
        Shape::Azure,
    ];

    #[test]
    fn every_shape_carries_the_code_and_parses() {
        for shape in SHAPES {
            let reply = Reply::new(&PATH_AMBIGUOUS).with_detail("a \"quoted\" detail");
            let (kind, body) = shape.render(&reply);
            let value: Value =
                serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{shape:?}: {e}"));
            assert!(kind.ends_with("json"));
            assert!(
                value
                    .to_string()
                    .to_ascii_lowercase()
                    .contains("path_ambiguous"),
                "{shape:?}: {value}"
            );
        }
    }

    #[test]
    fn the_route_chooses_the_shape() {
        for (target, shape) in [
            ("/v1/chat/completions", Shape::OpenAi),
            ("/v2/models/m/infer", Shape::Plain),
            ("/v1/models/m:predict?x=1", Shape::Plain),
            ("/predictions/m", Shape::TorchServe),
            ("/endpoints/e/invocations", Shape::Aws),
            ("/score", Shape::Azure),
        ] {
            assert_eq!(
                Shape::of_request(b"POST", target.as_bytes()),
                Some(shape),
                "{target}"
            );
        }
        assert_eq!(Shape::of_request(b"POST", b"/other"), None);
        assert_eq!(Shape::named("sagemaker"), Some(Shape::Aws));
        assert_eq!(Shape::named("problem"), Some(Shape::Problem));
        assert_eq!(Shape::named("x"), None);
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
