//! One side of an exchange: its headers and its body.
//!
//! What depends on the bytes of a body (its length, digests, entity tags) is mended here, by
//! whatever changes the body: a filter cannot forget it.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::body::{BodyError, BodyState};
use crate::exchange::Exchange;
use crate::explain::{self, Note};
use crate::headers::HeaderBlock;
use crate::host::{Map, Side, Status};
use crate::vm::verdict::Wait;

/// Headers that say something of the body's bytes besides its length (RFC 9530, RFC 3230, RFC 1864,
/// RFC 9110 section 8.8.3).
const DIGESTS: [&str; 5] = [
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "etag",
];

/// One side of an exchange.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    exchange: &'a Exchange,
    side: Side,
}

impl<'a> Message<'a> {
    pub(crate) const fn new(exchange: &'a Exchange, side: Side) -> Self {
        Self { exchange, side }
    }

    /// Which side.
    pub const fn side(self) -> Side {
        self.side
    }

    /// Its headers. Read once and kept; written headers are seen after the next read.
    ///
    /// # Errors
    /// The host's status when the map cannot be read, which for a live request means: deny.
    pub fn headers(self) -> Result<Rc<HeaderBlock>, Status> {
        let slot = self.exchange.0.maps.of(self.side);
        if let Some(block) = slot.borrow().as_ref() {
            return Ok(Rc::clone(block));
        }
        let block = self.exchange.proxy().headers(self.map())?;
        *slot.borrow_mut() = Some(Rc::clone(&block));
        Ok(block)
    }

    /// Its headers as they are now: other filters may have changed them since they were read, while
    /// this one waited.
    ///
    /// # Errors
    /// As [`Message::headers`].
    pub fn headers_again(self) -> Result<Rc<HeaderBlock>, Status> {
        self.forget();
        self.headers()
    }

    /// Status of a response, once its headers are here. Of headers that nobody has read yet it is
    /// all that is read.
    pub fn status(self) -> Option<u16> {
        const STATUS: &str = ":status";
        let slot = self.exchange.0.maps.of(self.side).borrow();
        if let Some(block) = slot.as_ref() {
            return block.text(STATUS)?.parse().ok();
        }
        let value = self.exchange.proxy().header(self.map(), STATUS).ok()??;
        std::str::from_utf8(&value).ok()?.parse().ok()
    }

    /// Sets a header to exactly one value.
    ///
    /// # Errors
    /// The host's status; a security header that cannot be set means: deny.
    pub fn set_header(self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Status> {
        self.forget();
        explain::tell(|notes| notes.push(self.header_set(name, value.as_ref())));
        let proxy = self.exchange.proxy();
        proxy.set_header(self.map(), name, value.as_ref())
    }

    /// Removes every value of a header. Where a proxy sends removed ones all the same, a header of
    /// the request is emptied (`docs/hosts/kong.md`).
    ///
    /// # Errors
    /// The host's status; a security header that cannot be removed means: deny.
    pub fn remove_header(self, name: &str) -> Result<(), Status> {
        self.forget();
        explain::tell(|notes| {
            let note = Note::info("header_removed", format!("Removes the header `{name}`."));
            notes.push(note.with("side", self.side.as_str()).with("name", name));
        });
        self.exchange.proxy().remove_header(self.map(), name)
    }

    /// Whether its last byte, or its trailers, are known to have arrived.
    pub fn is_whole(self) -> bool {
        self.state().complete()
    }

    /// Suspends until the whole body is here and gives it; empty when there is none.
    ///
    /// The message is held meanwhile; where a proxy cannot hold responses, it is as with
    /// [`Message::body_alone`]. On Envoy it needs `allow_on_headers_stop_iteration: true`
    /// (see [`crate::filter::Needs::buffers_request`]).
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] as soon as more than `limit` bytes are announced;
    /// [`BodyError::Unreadable`] when the host does not hand over what it announced;
    /// [`BodyError::Endless`], at once, for a request that asks to leave HTTP and for an answer
    /// that does.
    pub async fn body(self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.side == Side::Response && !self.exchange.host().rules().holds_responses {
            return self.body_alone(limit).await;
        }
        self.whole(limit, Wait::Body(self.side)).await
    }

    /// As [`Message::body`], but only the body is held; the headers go on at once, without what
    /// depends on the body. That works on every host, but a refusal comes when the other side has
    /// seen the headers.
    ///
    /// # Errors
    /// As [`Message::body`], and [`BodyError::Unreadable`] when the host does not let go of the
    /// body's length.
    pub async fn body_alone(self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if !self.is_endless()? {
            self.release_headers().map_err(|_| BodyError::Unreadable)?;
        }
        self.whole(limit, Wait::BodyAlone(self.side)).await
    }

    async fn whole(self, limit: usize, wait: Wait) -> Result<Vec<u8>, BodyError> {
        if self.is_endless()? {
            return Err(BodyError::Endless);
        }
        poll_fn(|_| {
            let state = self.state();
            let polled = state.poll_whole(self.exchange.proxy(), self.side, limit);
            self.exchange.suspended(polled, wait)
        })
        .await
    }

    /// The first bytes of a body that the host holds at the moment.
    ///
    /// # Errors
    /// [`BodyError::Unreadable`] when the host does not hand them over.
    pub fn first_bytes(self, max: usize) -> Result<Vec<u8>, BodyError> {
        self.state().first(self.exchange.proxy(), self.side, max)
    }

    /// Whether the headers have gone on, or go on in any case, before the body is whole: they
    /// cannot be changed for its sake any more.
    pub fn are_headers_gone(self) -> bool {
        self.state().are_headers_gone()
    }

    /// Replaces the whole body that [`Message::body`] or [`Message::body_alone`] has given.
    ///
    /// # Errors
    /// The host's status when it does not take the headers of the new body: then the message must
    /// not go on.
    pub fn replace_body(self, bytes: Vec<u8>) -> Result<(), Status> {
        if !self.state().are_headers_gone() {
            self.forget_those(DIGESTS.into_iter())?;
            if self.headers()?.first("content-length").is_some() {
                self.set_header("content-length", bytes.len().to_string())?;
            }
        }
        explain::tell(|notes| {
            let text = format!("Replaces the body: {} bytes now.", bytes.len());
            let note = Note::info("body_replaced", text).with("side", self.side.as_str());
            notes.push(note.with("bytes", bytes.len()));
        });
        self.state().replace(bytes);
        Ok(())
    }

    /// Begins to rewrite the body as it passes: what depends on it leaves the headers, which go on.
    ///
    /// # Errors
    /// The host's status when it does not let go of them: then the message must not go on.
    pub fn rewrite(self) -> Result<Rewrite<'a>, Status> {
        self.release_headers()?;
        Ok(Rewrite(self))
    }

    /// Begins to look on as the body passes: nothing of it is held or changed, and the headers go
    /// on as they are.
    pub fn watch(self) -> Watch<'a> {
        self.state().let_headers_go();
        Watch(self)
    }

    fn release_headers(self) -> Result<(), Status> {
        if self.state().are_headers_gone() {
            return Ok(());
        }
        self.state().let_headers_go();
        self.forget_those(["content-length"].into_iter().chain(DIGESTS))
    }

    fn forget_those(self, names: impl Iterator<Item = &'static str>) -> Result<(), Status> {
        let headers = self.headers()?;
        for name in names {
            if headers.first(name).is_some() {
                self.remove_header(name)?;
            }
        }
        Ok(())
    }

    fn is_endless(self) -> Result<bool, BodyError> {
        match self.side {
            _ if self.state().has_surely_ended() => Ok(false),
            Side::Request => {
                let upgrade = self.exchange.upgrade();
                Ok(upgrade.map_err(|_| BodyError::Unreadable)?.is_some())
            }
            Side::Response => Ok(self.exchange.upgraded()),
        }
    }

    fn header_set(self, name: &str, value: &[u8]) -> Note {
        let value = explain::header_value(name, value);
        let note = Note::info("header_set", format!("Sets the header `{name}: {value}`."));
        let note = note.with("side", self.side.as_str());
        note.with("name", name).with("value", value)
    }

    fn forget(self) {
        *self.exchange.0.maps.of(self.side).borrow_mut() = None;
    }

    const fn map(self) -> Map {
        Map::headers(self.side)
    }

    fn state(self) -> &'a BodyState {
        self.exchange.0.bodies.of(self.side)
    }
}

/// A body that is looked at as it passes.
pub struct Watch<'a>(Message<'a>);

impl Watch<'_> {
    /// The next chunk; `None` after the last.
    ///
    /// # Errors
    /// [`BodyError::Unreadable`] when the host does not hand over what it announced.
    pub async fn chunk(&self) -> Result<Option<Vec<u8>>, BodyError> {
        let Self(message) = self;
        poll_fn(|_| {
            let over = message.exchange.0.ended.get();
            let (state, proxy) = (message.state(), message.exchange.proxy());
            let polled = state.poll_seen(proxy, message.side, over);
            message
                .exchange
                .suspended(polled, Wait::Chunk(message.side))
        })
        .await
    }
}

/// A body that is rewritten as it passes. What is taken is replaced by what is written before the
/// next chunk is awaited: by nothing, where nothing is.
pub struct Rewrite<'a>(Message<'a>);

impl Rewrite<'_> {
    /// Takes the next chunk; `None` after the last.
    ///
    /// # Errors
    /// [`BodyError::Unreadable`] when the host does not hand over what it announced.
    pub async fn chunk(&self) -> Result<Option<Vec<u8>>, BodyError> {
        self.next(Wait::Chunk(self.0.side)).await
    }

    /// As [`Rewrite::chunk`], but what was written stays with the proxy until the next chunk is
    /// here. Only then can something still be written where trailers end the message: no chunk
    /// comes with these, and a proxy that has let everything go takes no more.
    ///
    /// # Errors
    /// As [`Rewrite::chunk`].
    pub async fn chunk_after_keeping(&self) -> Result<Option<Vec<u8>>, BodyError> {
        self.next(Wait::ChunkKept(self.0.side)).await
    }

    async fn next(&self, wait: Wait) -> Result<Option<Vec<u8>>, BodyError> {
        let Self(message) = self;
        poll_fn(|_| {
            let over = message.exchange.0.ended.get();
            let (state, proxy) = (message.state(), message.exchange.proxy());
            let polled: Poll<_> = state.poll_chunk(proxy, message.side, over);
            message.exchange.suspended(polled, wait)
        })
        .await
    }

    /// Writes in place of the chunk that was taken last; several writes of one step are joined.
    pub fn write(&self, bytes: &[u8]) {
        self.0.state().write(bytes);
    }
}
