//! One HTTP exchange as one filter sees it: what it can read, change, await and leave for the next
//! filter.
//!
//! Reads are lazy (a header map is fetched once, in one host call, and parsed in place); writes go
//! to the host at once, but for body chunks, which are joined per step because a host keeps only
//! the last write of a callback. Awaiting suspends `handle`; what the proxy is told meanwhile is
//! decided in [`crate::verdict`].

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use crate::body::{BodyError, BodyState};
use crate::call::{Answer, Call, CallError};
use crate::facts::Remembered;
use crate::headers::HeaderBlock;
use crate::host::{Host, Map, Side, Status};
use crate::problem::Reply;
use crate::problem::common::HEADER_AMBIGUOUS;
use crate::upgrade::Upgrade;
use crate::verdict::{Replied, Wait};
use crate::vm::hub::{Hub, Place, Signal};

/// How many names a request may have that read as ours.
const MOST_LOOKALIKES: usize = 32;

/// What became of a forwarded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Response headers are here: the upstream's, or a local reply's of the proxy or of a later
    /// filter.
    Answered,
    /// The exchange ended without any response, e.g. because the client left.
    Gone,
}

pub(crate) struct Inner {
    pub host: Rc<dyn Host>,
    pub hub: Rc<Hub>,
    pub place: Place,
    pub root: Place,
    /// What the filters of a fused chain hand on to each other.
    pub facts: Option<Rc<Remembered>>,
    pub wait: Cell<Wait>,
    /// What the other half of the work waits for, see [`Exchange::side_by_side`].
    pub beside: Cell<Wait>,
    pub replied: Cell<Replied>,
    pub ended: Cell<bool>,
    pub response_seen: Cell<bool>,
    pub bodies: [BodyState; 2],
    pub answer: RefCell<Option<(u32, Result<Answer, CallError>)>>,
    /// Whether the request asks to leave HTTP, once somebody has looked.
    upgrade: Cell<Option<Option<Upgrade>>>,
    maps: [RefCell<Option<Rc<HeaderBlock>>>; 2],
}

/// One exchange. Cloning is cheap and gives another handle on the same exchange.
#[derive(Clone)]
pub struct Exchange(pub(crate) Rc<Inner>);

impl Exchange {
    pub(crate) fn new(
        host: Rc<dyn Host>,
        hub: Rc<Hub>,
        place: Place,
        root: Place,
        facts: Option<Rc<Remembered>>,
    ) -> Self {
        Self(Rc::new(Inner {
            host,
            hub,
            place,
            root,
            facts,
            wait: Cell::new(Wait::Nothing),
            beside: Cell::new(Wait::Nothing),
            replied: Cell::new(Replied::No),
            ended: Cell::new(false),
            response_seen: Cell::new(false),
            bodies: Default::default(),
            answer: RefCell::new(None),
            upgrade: Cell::new(None),
            maps: Default::default(),
        }))
    }

    /// The proxy under this exchange, for what has no method here.
    pub fn host(&self) -> &dyn Host {
        &*self.0.host
    }

    /// Wall clock, nanoseconds since the Unix epoch.
    pub fn now_ns(&self) -> u64 {
        self.0.host.now_ns()
    }

    /// The request's headers. Read once and kept; written headers are seen after the next read.
    ///
    /// # Errors
    /// The host's status when the map cannot be read, which on a live request means: deny.
    pub fn request(&self) -> Result<Rc<HeaderBlock>, Status> {
        self.headers(Side::Request, Map::RequestHeaders)
    }

    /// The response's headers; after [`Exchange::forward`].
    ///
    /// # Errors
    /// The host's status when the map cannot be read.
    pub fn response(&self) -> Result<Rc<HeaderBlock>, Status> {
        self.headers(Side::Response, Map::ResponseHeaders)
    }

    fn headers(&self, side: Side, map: Map) -> Result<Rc<HeaderBlock>, Status> {
        let slot = match side {
            Side::Request => &self.0.maps[0],
            Side::Response => &self.0.maps[1],
        };
        if let Some(block) = slot.borrow().as_ref() {
            return Ok(Rc::clone(block));
        }
        let block = self.0.host.headers(map)?;
        *slot.borrow_mut() = Some(Rc::clone(&block));
        Ok(block)
    }

    fn stale(&self, map: Map) {
        match map {
            Map::RequestHeaders => *self.0.maps[0].borrow_mut() = None,
            Map::ResponseHeaders => *self.0.maps[1].borrow_mut() = None,
            _ => {}
        }
    }

    /// Status of the response, once its headers are here.
    pub fn response_status(&self) -> Option<u16> {
        self.response().ok()?.text(":status")?.parse().ok()
    }

    /// Sets a request header to exactly one value.
    ///
    /// # Errors
    /// The host's status; a security header that cannot be set means: deny.
    pub fn set_request_header(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Status> {
        self.set(Map::RequestHeaders, name, value.as_ref())
    }

    /// Sets a response header to exactly one value.
    ///
    /// # Errors
    /// The host's status.
    pub fn set_response_header(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Status> {
        self.set(Map::ResponseHeaders, name, value.as_ref())
    }

    fn set(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.stale(map);
        self.0.host.set_header(map, name, value)
    }

    /// Removes every value of a request header. It is emptied first, because nginx hides a removed
    /// header from the filters and sends it upstream with the value that it had (`docs/hosts.md`).
    /// What is known not to be there is only removed, and so is the length of the body, which nginx
    /// writes itself.
    ///
    /// # Errors
    /// The host's status; a security header that cannot be removed means: deny.
    pub fn remove_request_header(&self, name: &str) -> Result<(), Status> {
        let absent = |block: &Rc<HeaderBlock>| block.first(name).is_none();
        let known = self.0.maps[0].borrow().as_ref().is_some_and(absent);
        self.stale(Map::RequestHeaders);
        if !known && !name.eq_ignore_ascii_case("content-length") {
            self.0.host.set_header(Map::RequestHeaders, name, b"")?;
        }
        self.0.host.remove_header(Map::RequestHeaders, name)
    }

    /// Takes out of the request what a client sent under `ours`, or under a name that an upstream
    /// may take for one of them ([`crate::headers::reads_as`]). A filter that tells the upstream
    /// something in headers does this first, whatever it has to tell.
    ///
    /// # Errors
    /// A refusal where there are more such names than an honest request can have, or the host does
    /// not remove one.
    pub fn remove_lookalikes<'a>(
        &self,
        request: &'a HeaderBlock,
        ours: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), Reply> {
        let names = request.lookalikes(ours);
        // Each removal is a host call that looks through the headers.
        if names.len() > MOST_LOOKALIKES {
            return Err(Reply::new(&HEADER_AMBIGUOUS));
        }
        for name in names {
            let name = std::str::from_utf8(name).map_err(|_| Reply::new(&HEADER_AMBIGUOUS))?;
            self.remove_request_header(name)?;
        }
        Ok(())
    }

    /// Removes every value of a response header.
    ///
    /// # Errors
    /// The host's status.
    pub fn remove_response_header(&self, name: &str) -> Result<(), Status> {
        self.stale(Map::ResponseHeaders);
        self.0.host.remove_header(Map::ResponseHeaders, name)
    }

    /// A property as raw bytes; `None` when the host does not have it.
    pub fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.0.host.property(path).ok()
    }

    /// A numeric property: eight little-endian bytes (Envoy) or decimal text (nginx).
    pub fn property_u64(&self, path: &[&str]) -> Option<u64> {
        let bytes = self.property(path)?;
        if let Ok(eight) = <[u8; 8]>::try_from(bytes.as_slice())
            && !bytes.iter().all(u8::is_ascii_digit)
        {
            return Some(u64::from_le_bytes(eight));
        }
        std::str::from_utf8(&bytes).ok()?.parse().ok()
    }

    /// A text property.
    pub fn property_text(&self, path: &[&str]) -> Option<String> {
        String::from_utf8(self.property(path)?).ok()
    }

    /// Whether the request asks to leave HTTP. To be asked while the request's headers are at hand;
    /// from then on it is known.
    ///
    /// # Errors
    /// The host's status when the headers cannot be read.
    pub fn upgrade(&self) -> Result<Option<Upgrade>, Status> {
        if let Some(known) = self.0.upgrade.get() {
            return Ok(known);
        }
        // What ends with its headers stays HTTP: nothing of another protocol can follow.
        let upgrade = if self.complete(Side::Request) {
            None
        } else {
            Upgrade::of(&*self.request()?)
        };
        self.0.upgrade.set(Some(upgrade));
        Ok(upgrade)
    }

    /// Whether the response grants the upgrade that the request asked for, as [`Exchange::upgrade`]
    /// has found: what follows is no body.
    pub fn upgraded(&self) -> bool {
        let asked = self.0.upgrade.get().flatten();
        asked.is_some_and(|asked| asked.is_granted(self.response_status().unwrap_or_default()))
    }

    fn is_endless(&self, side: Side) -> Result<bool, BodyError> {
        match side {
            _ if self.complete(side) => Ok(false),
            Side::Request => Ok(self.upgrade().map_err(|_| BodyError::Unreadable)?.is_some()),
            Side::Response => Ok(self.upgraded()),
        }
    }

    /// Suspends until the whole body of a side is here and gives it; empty when there is none.
    ///
    /// The message is held meanwhile. On Envoy that needs `allow_on_headers_stop_iteration: true`
    /// (see `Needs::buffers_request`).
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] as soon as more than `limit` bytes are announced;
    /// [`BodyError::Unreadable`] when the host does not hand over what it announced;
    /// [`BodyError::Endless`], at once, for a request that asks to leave HTTP and for an answer
    /// that does.
    pub async fn body(&self, side: Side, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.is_endless(side)? {
            return Err(BodyError::Endless);
        }
        poll_fn(|_| {
            let polled = self.state(side).poll_whole(&*self.0.host, side, limit);
            self.suspended(polled, Wait::Body(side))
        })
        .await
    }

    /// As [`Exchange::body`], but only the body is held; the headers go on at once. That works on
    /// every host, but what depends on the body can no longer change the headers, and a refusal
    /// comes when the other side has seen them.
    ///
    /// # Errors
    /// As [`Exchange::body`].
    pub async fn body_alone(&self, side: Side, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.is_endless(side)? {
            return Err(BodyError::Endless);
        }
        poll_fn(|_| {
            let polled = self.state(side).poll_whole(&*self.0.host, side, limit);
            self.suspended(polled, Wait::BodyAlone(side))
        })
        .await
    }

    /// The first bytes of a body that the host holds at the moment.
    ///
    /// # Errors
    /// [`BodyError::Unreadable`] when the host does not hand them over.
    pub fn held(&self, side: Side, max: usize) -> Result<Vec<u8>, BodyError> {
        self.state(side).first(&*self.0.host, side, max)
    }

    /// Takes the next chunk of a side; `None` after the last. What is taken is replaced by what is
    /// written with [`Exchange::write`] before the next chunk is awaited.
    ///
    /// # Errors
    /// [`BodyError::Unreadable`] when the host does not hand over what it announced.
    pub async fn chunk(&self, side: Side) -> Result<Option<Vec<u8>>, BodyError> {
        poll_fn(|_| {
            let polled = self
                .state(side)
                .poll_chunk(&*self.0.host, side, self.0.ended.get());
            self.suspended(polled, Wait::Chunk(side))
        })
        .await
    }

    /// Writes in place of the chunk that was taken last; several writes of one step are joined.
    pub fn write(&self, side: Side, bytes: &[u8]) {
        self.state(side).write(bytes);
    }

    /// Replaces the whole body that [`Exchange::body`] has given.
    pub fn replace_body(&self, side: Side, bytes: Vec<u8>) {
        self.state(side).replace(bytes);
    }

    /// Whether this side is known to be complete: its last byte, or its trailers, have arrived.
    pub fn complete(&self, side: Side) -> bool {
        self.state(side).complete()
    }

    /// Lets the request go and suspends until there is a response, or the exchange is over.
    pub async fn forward(&self) -> Forwarded {
        poll_fn(|_| {
            let polled = match (self.0.response_seen.get(), self.0.ended.get()) {
                (true, _) => Poll::Ready(Forwarded::Answered),
                (false, true) => Poll::Ready(Forwarded::Gone),
                _ => Poll::Pending,
            };
            self.suspended(polled, Wait::Response)
        })
        .await
    }

    /// Suspends until the exchange is over, however it ends. Needs the `end` callback (see
    /// `Needs`).
    pub async fn end(&self) {
        poll_fn(|_| {
            self.suspended(
                if self.0.ended.get() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                },
                Wait::End,
            )
        })
        .await;
    }

    /// Makes an HTTP callout and suspends until it answers or its time-out passes; the message is
    /// held meanwhile.
    ///
    /// # Errors
    /// Everything but an answer; see [`CallError`]. An answer with an error status is an answer.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let number = call.dispatch(&*self.0.host)?;
        self.0.hub.expect_answer(number, self.0.place, call.limit());
        let side = self.side();
        poll_fn(|_| {
            let mut answer = self.0.answer.borrow_mut();
            let polled = match answer.take() {
                Some((at, outcome)) if at == number => Poll::Ready(outcome),
                other => {
                    *answer = other;
                    Poll::Pending
                }
            };
            self.suspended(polled, Wait::Answer(side))
        })
        .await
    }

    /// Suspends until the background task gives the signal, at most until `deadline_ns` (wall
    /// clock, looked at on each tick). `true` when it was given. The message is held meanwhile.
    /// Where another exchange's callback gave the signal, this exchange goes on in a tick of its
    /// own right after it; so a filter that waits here needs ticks (`Needs::tick_ms`).
    pub async fn signalled(&self, signal: &Signal, deadline_ns: u64) -> bool {
        let seen = signal.generation();
        let side = self.side();
        self.0.hub.watch(deadline_ns, self.0.place);
        poll_fn(|_| {
            let polled = if signal.generation() != seen {
                Poll::Ready(true)
            } else if self.now_ns() >= deadline_ns {
                Poll::Ready(false)
            } else {
                signal.add(self.0.place);
                Poll::Pending
            };
            self.suspended(polled, Wait::Answer(side))
        })
        .await
    }

    /// Wakes the filter's background task before its sleep is over.
    pub fn nudge_background(&self) {
        self.0.hub.nudge(self.0.root);
    }

    /// Does two things side by side, such as what is to be done with the request and with the
    /// answer: an answer may begin, and even end, before the request is whole (RFC 9112 section
    /// 9.5). What either of them holds is held. Ends with both, or with the first refusal.
    ///
    /// # Errors
    /// The first error of either.
    pub async fn side_by_side<E>(
        &self,
        first: impl Future<Output = Result<(), E>>,
        second: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let (mut first, mut second) = (pin!(first), pin!(second));
        let (mut first_done, mut second_done) = (false, false);
        poll_fn(|context| {
            self.0.beside.set(Wait::Nothing);
            self.0.wait.set(Wait::Nothing);
            if !first_done {
                first_done = first.as_mut().poll(context)?.is_ready();
            }
            let first_wait = self.0.wait.replace(Wait::Nothing);
            if !second_done {
                second_done = second.as_mut().poll(context)?.is_ready();
            }
            self.0.beside.set(first_wait);
            if first_done && second_done {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Whether anything is awaited.
    pub(crate) fn waits(&self) -> bool {
        self.0.wait.get() != Wait::Nothing || self.0.beside.get() != Wait::Nothing
    }

    /// Nothing is awaited any more.
    pub(crate) fn stop_waiting(&self) {
        self.0.wait.set(Wait::Nothing);
        self.0.beside.set(Wait::Nothing);
    }

    fn side(&self) -> Side {
        if self.0.response_seen.get() {
            Side::Response
        } else {
            Side::Request
        }
    }

    fn state(&self, side: Side) -> &BodyState {
        match side {
            Side::Request => &self.0.bodies[0],
            Side::Response => &self.0.bodies[1],
        }
    }

    fn suspended<T>(&self, polled: Poll<T>, wait: Wait) -> Poll<T> {
        self.0.wait.set(if polled.is_pending() {
            wait
        } else {
            Wait::Nothing
        });
        polled
    }
}
