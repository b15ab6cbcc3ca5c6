//! One HTTP exchange as one filter sees it: what it can read, change, await and leave for the next
//! filter.
//!
//! Reads are lazy (a header map is fetched once, in one host call, and parsed in place); writes go
//! to the host at once, but for body chunks, which are joined per step because a host keeps only
//! the last write of a callback. Awaiting suspends `handle`; what the proxy is told meanwhile is
//! decided in [`crate::vm::verdict`].

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::body::BodyState;
use crate::call::{Answer, Call, CallError};
use crate::facts::Remembered;
use crate::headers::HeaderBlock;
use crate::host::{Host, Map, PerSide, Proxy, Side, Status};
use crate::hosts::Rules;
use crate::message::Message;
use crate::problem::Reply;
use crate::problem::common::HEADER_AMBIGUOUS;
use crate::signal::Signal;
use crate::upgrade::Upgrade;
use crate::vm::hub::{Hub, Place};
use crate::vm::verdict::{Replied, Wait};

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
    pub host: Rc<dyn Proxy>,
    pub rules: &'static Rules,
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
    /// The callback that is running is that of the response's trailers, which are the last.
    pub trailers_seen: Cell<bool>,
    pub bodies: PerSide<BodyState>,
    /// The callback that is running is that of the response's headers.
    pub response_begins: Cell<bool>,
    /// What takes the place of the response, where no local reply can.
    pub instead: RefCell<Option<Vec<u8>>>,
    pub answer: RefCell<Option<(u32, Result<Answer, CallError>)>>,
    /// Whether the request asks to leave HTTP, once somebody has looked.
    upgrade: Cell<Option<Option<Upgrade>>>,
    pub maps: PerSide<RefCell<Option<Rc<HeaderBlock>>>>,
}

/// One exchange. Cloning is cheap and gives another handle on the same exchange.
#[derive(Clone)]
pub struct Exchange(pub(crate) Rc<Inner>);

impl Exchange {
    pub(crate) fn new(
        host: Rc<dyn Proxy>,
        hub: Rc<Hub>,
        place: Place,
        root: Place,
        facts: Option<Rc<Remembered>>,
    ) -> Self {
        Self(Rc::new(Inner {
            rules: host.rules(),
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
            trailers_seen: Cell::new(false),
            bodies: Default::default(),
            response_begins: Cell::new(false),
            instead: RefCell::new(None),
            answer: RefCell::new(None),
            upgrade: Cell::new(None),
            maps: Default::default(),
        }))
    }

    /// The proxy under this exchange, for what has no method here.
    pub fn host(&self) -> &dyn Host {
        &*self.0.host
    }

    /// The proxy, for the machine.
    pub(crate) fn proxy(&self) -> &dyn Proxy {
        &*self.0.host
    }

    /// Wall clock, nanoseconds since the Unix epoch.
    pub fn now_ns(&self) -> u64 {
        self.0.host.now_ns()
    }

    /// The way to the upstream.
    pub const fn request(&self) -> Message<'_> {
        self.message(Side::Request)
    }

    /// The way back; its headers are there after [`Exchange::forward`].
    pub const fn response(&self) -> Message<'_> {
        self.message(Side::Response)
    }

    /// One side of the exchange.
    pub const fn message(&self, side: Side) -> Message<'_> {
        Message::new(self, side)
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
        self.remove_headers(&request.lookalikes(ours))
    }

    /// Takes headers out of the request; each name is given once.
    ///
    /// # Errors
    /// As [`Exchange::remove_lookalikes`].
    pub fn remove_headers(&self, names: &[&[u8]]) -> Result<(), Reply> {
        // Each removal is a host call that looks through the headers.
        if names.len() > MOST_LOOKALIKES {
            return Err(Reply::new(&HEADER_AMBIGUOUS));
        }
        for name in names {
            let name = std::str::from_utf8(name).map_err(|_| Reply::new(&HEADER_AMBIGUOUS))?;
            match self.request().remove_header(name) {
                // One that came twice, where only the first can be taken out.
                Err(Status::BadArgument) => return Err(Reply::new(&HEADER_AMBIGUOUS)),
                removed => removed?,
            }
        }
        Ok(())
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
        let upgrade = if self.0.bodies.request.has_surely_ended() {
            None
        } else {
            Upgrade::of(&*self.request().headers()?)
        };
        self.0.upgrade.set(Some(upgrade));
        Ok(upgrade)
    }

    /// Whether the response grants the upgrade that the request asked for, as [`Exchange::upgrade`]
    /// has found: what follows is no body.
    pub fn upgraded(&self) -> bool {
        let asked = self.0.upgrade.get().flatten();
        asked.is_some_and(|asked| asked.is_granted(self.response().status().unwrap_or_default()))
    }

    /// Lets the proxy choose the route again by what the filter has made of the request's headers.
    ///
    /// # Errors
    /// The host's status: then the request may go where it would have gone before.
    pub fn choose_route_again(&self) -> Result<(), Status> {
        self.proxy().choose_route_again()
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

    /// Suspends until the exchange is over, however it ends. With the `end` callback (see `Needs`)
    /// its headers can be read then; without it, what the proxy knows as properties.
    pub async fn end(&self) {
        poll_fn(|_| {
            let polled = match self.0.ended.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            };
            self.suspended(polled, Wait::End)
        })
        .await;
    }

    /// Suspends until the response's trailers are here and gives them, or nothing when the exchange
    /// is over. Nothing is held meanwhile. Needs `response_trailers` (see `Needs`).
    pub async fn response_trailers(&self) -> Option<Rc<HeaderBlock>> {
        poll_fn(|_| {
            let polled = match (self.0.trailers_seen.get(), self.0.ended.get()) {
                (true, _) => Poll::Ready(self.proxy().headers(Map::ResponseTrailers).ok()),
                (false, true) => Poll::Ready(None),
                _ => Poll::Pending,
            };
            self.suspended(polled, Wait::End)
        })
        .await
    }

    /// Whether the upstream broke off its answer behind the head, or the proxy did because it took
    /// too long. To be asked when the exchange is over, where [`Rules::tells_endings`].
    pub fn is_broken_off(&self) -> bool {
        // Envoy's details of what an upstream has done wrong (envoy/stream_info/stream_info.h,
        // `ResponseCodeDetailValues`); an answer that came whole has `via_upstream`, and a client
        // that leaves has others.
        let details = self.property(&["response", "code_details"]);
        details.is_some_and(|details| {
            details.starts_with(b"upstream_") || details == b"response_timeout"
        })
    }

    /// Makes an HTTP callout and suspends until it answers or its time-out passes; the message is
    /// held meanwhile.
    ///
    /// # Errors
    /// Everything but an answer; see [`CallError`]. An answer with an error status is an answer.
    /// Where exchanges may not wait ([`crate::hosts::Rules`]), every call is refused.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        if !self.0.rules.exchanges_may_wait {
            return Err(CallError::Refused(Status::Unimplemented));
        }
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
    /// own right after it; so a filter that waits here needs ticks (`Needs::tick_ms`). Where
    /// exchanges may not wait ([`crate::hosts::Rules`]), it is `false` at once.
    pub async fn signalled(&self, signal: &Signal, deadline_ns: u64) -> bool {
        if !self.0.rules.exchanges_may_wait {
            return false;
        }
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
    /// 9.5). What either of them holds is held. Ends with both, or with the first refusal. They
    /// come pinned: a future that is given away is kept twice, as what was given and as what is
    /// polled.
    ///
    /// # Errors
    /// The first error of either.
    pub async fn side_by_side<E>(
        &self,
        mut first: Pin<&mut impl Future<Output = Result<(), E>>>,
        mut second: Pin<&mut impl Future<Output = Result<(), E>>>,
    ) -> Result<(), E> {
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

    pub(crate) fn suspended<T>(&self, polled: Poll<T>, wait: Wait) -> Poll<T> {
        self.0.wait.set(if polled.is_pending() {
            wait
        } else {
            Wait::Nothing
        });
        polled
    }
}
