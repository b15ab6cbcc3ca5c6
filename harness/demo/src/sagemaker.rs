//! A backend like the SageMaker runtime: it verifies every signature, and two endpoints answer.
//!
//! - `churn` scores CSV rows: one number per row, always the same for the same row.
//! - `assistant` talks, and gives away an e-mail address and a card number, so that there is
//!   something to mask; with `/openai/v1/chat/completions` and `"stream": true` it does so in
//!   events, cut in the middle of the address and of the first placeholder.
//!
//! It answers errors as the service does: AWS JSON with `x-amzn-errortype`. It does not enforce IAM
//! policies and has no models.

mod verify;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use modelgate_kit::route::{Dialect, Operation, Path, Route};
use serde_json::{Value as Json, json};
use tokio::time::{Sleep, sleep};

use crate::loopback::{self, Body, Service};

pub use verify::{Account, MOST_SKEW, Refusal, verify};

/// What `assistant` gives away.
pub const LEAKED_EMAIL: &str = "jane.doe@example.com";
/// What `assistant` gives away: a number that passes the Luhn check and belongs to nobody.
pub const LEAKED_CARD: &str = "4111 1111 1111 1111";

/// Requests that are remembered.
const REMEMBERED: usize = 64;
/// Time between two pieces of a streaming answer.
const PAUSE: Duration = Duration::from_millis(40);

/// A request as the backend received it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub target: String,
    /// Headers.
    pub headers: hyper::HeaderMap,
    /// Body.
    pub body: Bytes,
    /// What the backend said of its signature.
    pub verdict: Result<(), Refusal>,
}

/// The backend.
pub struct SageMaker {
    account: Account,
    clock: fn() -> SystemTime,
    received: Mutex<VecDeque<Received>>,
}

impl SageMaker {
    /// A backend that lets `account` in, by the system's clock.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self {
            account,
            clock: SystemTime::now,
            received: Mutex::default(),
        }
    }

    /// The same, by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    /// The last requests, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.remembered().iter().cloned().collect()
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, VecDeque<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request whose body has come whole.
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Body> {
        if request.method() == Method::GET && request.uri().path() == "/ping" {
            return loopback::whole(StatusCode::OK, "text/plain", "");
        }
        let verdict = verify(&self.account, request, (self.clock)());
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(Received {
            target: request.uri().to_string(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            verdict: verdict.clone(),
        });
        drop(remembered);
        match verdict {
            Ok(()) => answer(request).unwrap_or_else(|refusal| error(&refusal)),
            Err(refusal) => error(&refusal),
        }
    }
}

impl Service for SageMaker {
    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        self.respond(&request)
    }
}

fn validation(message: impl Into<String>) -> Refusal {
    Refusal {
        status: 400,
        kind: "ValidationError",
        message: message.into(),
    }
}

/// What the endpoints say.
fn answer(request: &Request<Bytes>) -> Result<Response<Body>, Refusal> {
    let unknown = || Refusal {
        status: 404,
        kind: "UnknownOperationException",
        message: String::new(),
    };
    let path = Path::parse(request.uri().path().as_bytes()).map_err(|_| unknown())?;
    let route = Route::parse(request.method().as_str().as_bytes(), &path)
        .filter(|route| route.dialect == Dialect::SageMaker)
        .ok_or_else(unknown)?;
    let mut response = match (route.model.name(), route.operation) {
        (Some("churn"), Operation::Infer) => {
            loopback::json(StatusCode::OK, &scores(request.body())?)
        }
        (Some("assistant"), Operation::Infer) => {
            let asked = json_body(request)?;
            let inputs = asked
                .get("inputs")
                .and_then(Json::as_str)
                .ok_or_else(|| validation("`inputs` must be a text."))?;
            loopback::json(StatusCode::OK, &json!({ "generated_text": reply(inputs) }))
        }
        (Some("assistant"), Operation::Chat) => chat(&json_body(request)?)?,
        (name, _) => {
            let name = name.unwrap_or_default();
            return Err(validation(format!(
                "Endpoint {name} of account 111122223333 not found."
            )));
        }
    };
    let asked = request
        .headers()
        .get("x-amzn-sagemaker-target-variant")
        .cloned();
    let variant = asked.unwrap_or(HeaderValue::from_static("AllTraffic"));
    response
        .headers_mut()
        .insert("x-amzn-invoked-production-variant", variant);
    Ok(response)
}

fn json_body(request: &Request<Bytes>) -> Result<Json, Refusal> {
    serde_json::from_slice(request.body()).map_err(|_| validation("The body is not JSON."))
}

/// A score between 0 and 1 for each row.
fn scores(body: &[u8]) -> Result<Json, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| validation("The body is not text."))?;
    let mut predictions = Vec::new();
    for row in text.lines().filter(|row| !row.is_empty()) {
        let numbers: Option<Vec<f64>> = row
            .split(',')
            .map(|cell| cell.trim().parse().ok())
            .collect();
        let sum: f64 = numbers
            .ok_or_else(|| validation("A cell is not a number."))?
            .iter()
            .sum();
        let score = 1.0 / (1.0 + (-sum / 100.0).exp());
        predictions.push(json!({ "score": (score * 1000.0).round() / 1000.0 }));
    }
    Ok(json!({ "predictions": predictions }))
}

fn reply(question: &str) -> String {
    format!(
        "You asked: {question} Please write to {LEAKED_EMAIL}; the card on file is {LEAKED_CARD}."
    )
}

/// OpenAI's chat: the last message is answered, whole or in events.
fn chat(asked: &Json) -> Result<Response<Body>, Refusal> {
    let last = asked
        .pointer("/messages")
        .and_then(Json::as_array)
        .and_then(|messages| messages.last());
    let question = last
        .and_then(|message| message.get("content"))
        .and_then(Json::as_str)
        .ok_or_else(|| validation("`messages` must end with a text."))?;
    let text = reply(question);
    let model = asked
        .get("model")
        .cloned()
        .unwrap_or_else(|| json!("assistant"));
    if asked.get("stream").and_then(Json::as_bool) != Some(true) {
        let choice = json!({ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" });
        let body = json!({ "id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice] });
        return Ok(loopback::json(StatusCode::OK, &body));
    }
    let event = |delta: Json, finish: Json| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        format!(
            "data: {}\n\n",
            json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "model": model, "choices": [choice] })
        )
    };
    let mut events = String::new();
    // A placeholder comes in two tokens, as it does from a model.
    let placeholder = text.find("<").map_or(0, |at| at.saturating_add(4));
    let (front, rest) = text.split_at_checked(placeholder).unwrap_or(("", &text));
    let pieces = [front].into_iter().chain(rest.split_inclusive("; "));
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        events.push_str(&event(json!({ "content": piece }), Json::Null));
    }
    events.push_str(&event(json!({}), json!("stop")));
    events.push_str("data: [DONE]\n\n");
    // Cut where it hurts: in the middle of the address, and of an event.
    let mut pieces = VecDeque::new();
    match events.split_once("doe@") {
        Some((before, after)) => {
            pieces.push_back(Bytes::from(format!("{before}doe")));
            let mut rest = format!("@{after}");
            let tail = rest.split_off(rest.find("data: ").unwrap_or(rest.len()));
            pieces.extend([Bytes::from(rest), Bytes::from(tail)]);
        }
        None => pieces.push_back(Bytes::from(events)),
    }
    let mut response = Response::new(
        Pieces {
            left: pieces,
            pause: None,
        }
        .boxed_unsync(),
    );
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

fn error(refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = loopback::json(status, &json!({ "message": refusal.message }));
    let name = HeaderName::from_static("x-amzn-errortype");
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(refusal.kind));
    response
}

/// A body in pieces, with a pause before each but the first.
struct Pieces {
    left: VecDeque<Bytes>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
        }
        self.pause = Some(Box::pin(sleep(PAUSE)));
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }
}

#[cfg(test)]
mod tests;
