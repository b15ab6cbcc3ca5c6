//! A message body that follows a script: chunks at their times, trailers, or an end that never
//! comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::Sleep;

use crate::file::{Body, End, Headers};

/// The pause between chunks without a time of their own: long enough that they arrive as chunks.
const GAP: Duration = Duration::from_millis(15);

/// The body was broken off, as the script says.
#[derive(Clone, Copy, Debug)]
pub struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off, as the script says")
    }
}

impl std::error::Error for BrokenOff {}

impl From<Infallible> for BrokenOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

enum Piece {
    Wait(Duration),
    Data(Bytes),
    Trailers(HeaderMap),
    Break,
    Hang,
}

/// A body under way.
pub struct Scripted {
    pieces: VecDeque<Piece>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Scripted {
    /// The body of a request or of an answer.
    pub fn new(body: &Body, end: End) -> Self {
        let mut pieces = VecDeque::new();
        for (index, chunk) in body.chunks.iter().enumerate() {
            let wait = pause(index, chunk.after_ms);
            if !wait.is_zero() {
                pieces.push_back(Piece::Wait(wait));
            }
            pieces.push_back(Piece::Data(chunk.bytes.clone()));
        }
        if !body.trailers.is_empty() {
            pieces.push_back(Piece::Trailers(header_map(&body.trailers)));
        }
        match end {
            End::Complete => {}
            // What was sent should arrive before the break.
            End::Reset => pieces.extend([Piece::Wait(GAP), Piece::Break]),
            End::Hang => pieces.push_back(Piece::Hang),
        }
        Self {
            pieces,
            sleep: None,
        }
    }
}

impl HttpBody for Scripted {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if let Some(sleep) = self.sleep.as_mut() {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.pieces.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Wait(time)) => self.sleep = Some(Box::pin(tokio::time::sleep(time))),
                Some(Piece::Data(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Some(Piece::Break) => return Poll::Ready(Some(Err(BrokenOff))),
                Some(Piece::Hang) => {
                    // Nothing will wake this again, which is the point.
                    self.pieces.push_front(Piece::Hang);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (self.pieces.front(), self.pieces.len()) {
            (None, _) => SizeHint::with_exact(0),
            (Some(Piece::Data(bytes)), 1) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            _ => SizeHint::default(),
        }
    }
}

/// Says what a script has to say on an upgraded connection. A listener that is gone is no fault:
/// that shows elsewhere.
pub async fn say(script: &Body, to: &mut (impl AsyncWrite + Unpin)) {
    for (index, chunk) in script.chunks.iter().enumerate() {
        tokio::time::sleep(pause(index, chunk.after_ms)).await;
        if to.write_all(&chunk.bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The time before a chunk.
fn pause(index: usize, after_ms: u64) -> Duration {
    match after_ms {
        0 if index == 0 => Duration::ZERO,
        0 => GAP,
        ms => Duration::from_millis(ms),
    }
}

/// Headers in hyper's form; those that HTTP cannot carry are left out, as reading a scenario has
/// refused them.
pub fn header_map(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value),
        ) {
            map.append(name, value);
        }
    }
    map
}

/// Headers in the scenario's form.
pub fn headers(map: &HeaderMap) -> Headers {
    map.iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                Bytes::copy_from_slice(value.as_bytes()),
            )
        })
        .collect()
}
