//! The form of an error reply: what the client's library expects from the backend it thinks it
//! talks to.
//!
//! A gRPC client gets a status and a message, whatever the route. Otherwise chosen by the route:
//! its metadata (`modelgate: {dialect: openai}`), else the path's protocol, else problem+json (RFC
//! 9457).

use serde::Deserialize as _;
use serde::de::value::StrDeserializer;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{Reason, Reply};
use crate::exchange::Exchange;
use crate::headers::HeaderBlock;
use crate::route::{Dialect, Path, Route};

/// A family of error replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `application/problem+json`, RFC 9457.
    Problem,
    /// OpenAI: `{"error": {message, type, param, code}}`.
    OpenAi,
    /// Open Inference Protocol V2, KServe V1, TensorFlow Serving and Ollama: `{"error": "…"}`.
    Plain,
    /// AWS JSON: `{"message": "…"}` with the header `x-amzn-errortype`.
    Aws,
    /// TorchServe: `{code, type, message}`.
    TorchServe,
    /// Google APIs: `{"error": {code, message, status, details}}`.
    Google,
    /// Azure: `{"error": {code, message}}`.
    Azure,
    /// Anthropic: `{"type": "error", "error": {type, message}}`.
    Anthropic,
    /// Cohere: `{"message": "…"}`.
    Cohere,
    /// gRPC: the text is the `grpc-message`, and the host puts it into a head without a body
    /// (trailers-only, gRPC over HTTP/2).
    Grpc,
}

/// An error, as every dialect can tell it.
#[derive(Clone, Copy, Debug)]
pub struct Error<'a> {
    /// HTTP status.
    pub status: u16,
    /// What is wrong, for programs.
    pub code: &'a str,
    /// What is wrong, for people.
    pub message: &'a str,
}

impl From<Dialect> for Shape {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAi => Self::OpenAi,
            Dialect::OpenInference | Dialect::KserveV1 | Dialect::TfServing | Dialect::Ollama => {
                Self::Plain
            }
            Dialect::Anthropic => Self::Anthropic,
            Dialect::Cohere => Self::Cohere,
            Dialect::SageMaker | Dialect::Bedrock => Self::Aws,
            Dialect::TorchServe => Self::TorchServe,
            Dialect::Vertex | Dialect::Gemini => Self::Google,
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
        let name = StrDeserializer::<serde::de::value::Error>::new(name);
        Some(Dialect::deserialize(name).ok()?.into())
    }

    /// The shape for an exchange.
    pub fn of(exchange: &Exchange) -> Self {
        let request = exchange.request().headers().ok();
        Self::known(exchange, request.as_deref()).unwrap_or(Self::Problem)
    }

    /// The shape for an exchange whose request came with these headers; none where neither the
    /// route nor the request says which.
    pub fn known(exchange: &Exchange, request: Option<&HeaderBlock>) -> Option<Self> {
        let kind = request.and_then(|headers| headers.first("content-type"));
        if kind.is_some_and(is_grpc) {
            return Some(Self::Grpc);
        }
        let named = crate::route_metadata::text(exchange.host(), &["dialect"]);
        named.and_then(|name| Self::named(&name)).or_else(|| {
            let headers = request?;
            Self::of_request(headers.first(":method")?, headers.first(":path")?)
        })
    }

    /// The shape of the protocol that method and path belong to.
    pub fn of_request(method: &[u8], target: &[u8]) -> Option<Self> {
        let route = Route::parse(method, &Path::parse(target).ok()?)?;
        Some(route.dialect.into())
    }

    /// Content type (none where it is the host's to write) and body of a reply. Members stand in
    /// the order of the types below, whatever map serde_json is built with.
    pub fn render(self, reply: &Reply) -> (Option<&'static str>, Vec<u8>) {
        let reason = reply.reason;
        let message = reply.detail().unwrap_or(reason.title);
        let error = Error {
            status: reply.status,
            code: reason.code,
            message,
        };
        let coded = || format!("{message} (reason: {})", reason.code);
        match self {
            Self::Problem => (Some("application/problem+json"), written(&Problem(reply))),
            Self::Grpc => (None, coded().into_bytes()),
            _ => (Some("application/json"), self.document(&error, coded)),
        }
    }

    /// Content type and body of an error that is not ours: the backend's, told in the client's
    /// dialect. None for gRPC, whose answers are no documents.
    pub fn tell(self, error: &Error<'_>) -> Option<(&'static str, Vec<u8>)> {
        let coded = || format!("{} ({})", error.message, error.code);
        match self {
            Self::Problem => {
                let document = written(&Foreign {
                    kind: "about:blank",
                    title: error.code,
                    status: error.status,
                    detail: error.message,
                });
                Some(("application/problem+json", document))
            }
            Self::Grpc => None,
            _ => Some(("application/json", self.document(error, coded))),
        }
    }

    /// The JSON of a dialect's own; `coded` is the message with its code, for those that have no
    /// member for it.
    fn document(self, error: &Error<'_>, coded: impl Fn() -> String) -> Vec<u8> {
        let Error {
            status,
            code,
            message,
        } = *error;
        match self {
            Self::OpenAi => written(&Outer {
                error: OpenAi {
                    message,
                    kind: openai_type(status),
                    param: (),
                    code,
                },
            }),
            Self::Plain => written(&Outer { error: coded() }),
            Self::Aws | Self::Cohere | Self::Problem | Self::Grpc => {
                written(&Aws { message: coded() })
            }
            Self::Anthropic => written(&Anthropic {
                kind: "error",
                error: AnthropicError {
                    kind: anthropic_type(status),
                    message: coded(),
                },
            }),
            Self::TorchServe => written(&TorchServe {
                code: status,
                kind: aws_type(status),
                message: coded(),
            }),
            Self::Google => written(&Outer {
                error: Google {
                    code: status,
                    message,
                    status: rpc_code(status).1,
                    details: [GoogleDetail {
                        at_type: "type.googleapis.com/google.rpc.ErrorInfo",
                        reason: code.to_ascii_uppercase(),
                        domain: "modelgate",
                    }],
                },
            }),
            Self::Azure => written(&Outer {
                error: Azure { code, message },
            }),
        }
    }

    /// The `grpc-status` of a reply, for gRPC clients: by the meaning of what refused the request,
    /// not by that of proxies' own faults, which is how hosts map HTTP statuses
    /// (grpc/doc/http-grpc-status-mapping.md makes 400 an internal error, and 429 one to be
    /// retried).
    pub const fn grpc_status(self, status: u16) -> Option<u8> {
        match self {
            Self::Grpc => Some(rpc_code(status).0),
            _ => None,
        }
    }

    /// A header that the dialect adds.
    pub const fn header(self, reply: &Reply) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Aws => Some(("x-amzn-errortype", aws_type(reply.status))),
            _ => None,
        }
    }
}

/// The JSON of a document that consists of texts and numbers only.
fn text(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

fn written(document: &impl Serialize) -> Vec<u8> {
    text(document).into_bytes()
}

#[derive(serde::Serialize)]
struct Outer<T> {
    error: T,
}

#[derive(serde::Serialize)]
struct OpenAi<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: (),
    code: &'a str,
}

#[derive(serde::Serialize)]
struct Aws {
    message: String,
}

#[derive(serde::Serialize)]
struct Anthropic {
    #[serde(rename = "type")]
    kind: &'static str,
    error: AnthropicError,
}

#[derive(serde::Serialize)]
struct AnthropicError {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
}

#[derive(serde::Serialize)]
struct TorchServe {
    code: u16,
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
}

#[derive(serde::Serialize)]
struct Google<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    details: [GoogleDetail; 1],
}

#[derive(serde::Serialize)]
struct GoogleDetail {
    #[serde(rename = "@type")]
    at_type: &'static str,
    reason: String,
    domain: &'static str,
}

#[derive(serde::Serialize)]
struct Azure<'a> {
    code: &'a str,
    message: &'a str,
}

/// A problem document (RFC 9457) of an error that is not ours: section 4.2.1, the status says what
/// it is.
#[derive(serde::Serialize)]
struct Foreign<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

#[derive(serde::Serialize)]
struct LastEvent {
    #[serde(rename = "type")]
    kind: &'static str,
    error: CutShort,
}

/// The error in an answer that has begun and may not go on.
#[derive(serde::Serialize)]
pub struct CutShort {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    message: &'static str,
}

impl CutShort {
    const fn of(reason: &Reason) -> Self {
        Self {
            kind: "gateway_error",
            code: reason.code,
            message: reason.title,
        }
    }

    /// As the rest of an answer.
    pub fn document(reason: &Reason) -> String {
        text(&Outer {
            error: Self::of(reason),
        })
    }

    /// As the last event of a stream.
    pub fn event(reason: &Reason) -> String {
        text(&LastEvent {
            kind: "error",
            error: Self::of(reason),
        })
    }
}

/// The problem document of a reply (RFC 9457).
struct Problem<'a>(&'a Reply);

impl Serialize for Problem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (reply, reason) = (self.0, self.0.reason);
        let own = || format!("urn:modelgate:problem:{}:{}", reason.filter, reason.code);
        let mut members = serializer.serialize_map(None)?;
        let kind = reply.problem_type().map_or_else(own, str::to_owned);
        members.serialize_entry("type", &kind)?;
        members.serialize_entry("title", reason.title)?;
        members.serialize_entry("status", &reply.status)?;
        members.serialize_entry("reason", reason.code)?;
        if let Some(detail) = reply.detail() {
            members.serialize_entry("detail", detail)?;
        }
        if let Some(more) = &reply.more {
            for (name, value) in &more.extensions {
                members.serialize_entry(name, value)?;
            }
        }
        members.end()
    }
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

/// Error type of Anthropic's API (docs.anthropic.com/en/api/errors).
const fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        529 => "overloaded_error",
        _ => "api_error",
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

/// Canonical code, with its name (google/rpc/code.proto).
const fn rpc_code(status: u16) -> (u8, &'static str) {
    match status {
        401 => (16, "UNAUTHENTICATED"),
        403 => (7, "PERMISSION_DENIED"),
        404 => (5, "NOT_FOUND"),
        429 => (8, "RESOURCE_EXHAUSTED"),
        400..=499 => (3, "INVALID_ARGUMENT"),
        503 => (14, "UNAVAILABLE"),
        _ => (13, "INTERNAL"),
    }
}

/// Whether a content type is that of gRPC: `application/grpc`, alone or with a `+` and what is
/// inside (gRPC over HTTP/2; hosts tell it in the same way). gRPC-Web is another type, which a
/// proxy may have translated before.
#[must_use]
pub fn is_grpc(kind: &[u8]) -> bool {
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest, [] | [b'+', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::common::PATH_AMBIGUOUS;
    use serde_json::Value;

    const SHAPES: [Shape; 9] = [
        Shape::Problem,
        Shape::OpenAi,
        Shape::Plain,
        Shape::Aws,
        Shape::TorchServe,
        Shape::Google,
        Shape::Azure,
        Shape::Anthropic,
        Shape::Cohere,
    ];

    #[test]
    fn every_shape_carries_the_code_and_parses() {
        for shape in SHAPES {
            let reply = Reply::new(&PATH_AMBIGUOUS).with_detail("a \"quoted\" detail");
            let (kind, body) = shape.render(&reply);
            let value: Value =
                serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{shape:?}: {e}"));
            assert!(kind.unwrap().ends_with("json"));
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
    fn members_stand_in_the_order_of_each_dialects_own_documentation() {
        let reply = Reply::new(&PATH_AMBIGUOUS)
            .with_detail("d")
            .with_member("x", 1);
        let bodies = SHAPES.map(|shape| String::from_utf8(shape.render(&reply).1).unwrap());
        let [
            problem,
            openai,
            plain,
            aws,
            torchserve,
            google,
            azure,
            anthropic,
            cohere,
        ] = bodies.each_ref().map(String::as_str);
        assert_eq!(
            problem,
            r#"{"type":"urn:modelgate:problem:kit:path_ambiguous","title":"TITLE","status":400,"reason":"path_ambiguous","detail":"d","x":1}"#
                .replace("TITLE", PATH_AMBIGUOUS.title)
        );
        assert_eq!(
            openai,
            r#"{"error":{"message":"d","type":"invalid_request_error","param":null,"code":"path_ambiguous"}}"#
        );
        assert_eq!(plain, r#"{"error":"d (reason: path_ambiguous)"}"#);
        assert_eq!(aws, r#"{"message":"d (reason: path_ambiguous)"}"#);
        assert_eq!(
            torchserve,
            r#"{"code":400,"type":"ValidationError","message":"d (reason: path_ambiguous)"}"#
        );
        assert_eq!(
            google,
            r#"{"error":{"code":400,"message":"d","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"PATH_AMBIGUOUS","domain":"modelgate"}]}}"#
        );
        assert_eq!(
            azure,
            r#"{"error":{"code":"path_ambiguous","message":"d"}}"#
        );
        assert_eq!(
            anthropic,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"d (reason: path_ambiguous)"}}"#
        );
        assert_eq!(cohere, aws);
    }

    #[test]
    fn a_grpc_client_gets_a_status_and_a_text() {
        let reply = Reply::new(&PATH_AMBIGUOUS).with_detail("d");
        assert_eq!(
            Shape::Grpc.render(&reply),
            (None, b"d (reason: path_ambiguous)".to_vec())
        );
        for (status, code) in [
            (400, 3),
            (401, 16),
            (403, 7),
            (404, 5),
            (413, 3),
            (429, 8),
            (500, 13),
            (503, 14),
        ] {
            assert_eq!(Shape::Grpc.grpc_status(status), Some(code), "{status}");
            assert!(
                SHAPES
                    .iter()
                    .all(|shape| shape.grpc_status(status).is_none())
            );
        }
        for (kind, is) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(kind.as_bytes()), is, "{kind}");
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
            ("/v1/messages", Shape::Anthropic),
            ("/v2/chat", Shape::Cohere),
            ("/api/chat", Shape::Plain),
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
        let reply = Reply::new(&PATH_AMBIGUOUS).with_member("violated-policies", vec!["burst"]);
        let (_, body) = Shape::Problem.render(&reply);
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["status"], 400);
        assert_eq!(value["type"], "urn:modelgate:problem:kit:path_ambiguous");
        assert_eq!(value["violated-policies"][0], "burst");
    }
}
