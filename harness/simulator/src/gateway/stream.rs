//! The state of one exchange: two messages on their way through the chain, and where each filter
//! stands with each.
//!
//! The words are those of Envoy's filter manager (source/common/http/filter_manager.cc): a filter
//! halts the iteration of a message, data that cannot go on is kept in one buffer for the whole
//! message, and going on resumes behind the filter that had halted, or at it when it had not seen
//! the data yet. This file holds the state; [`crate::gateway::chain`] moves it.

use std::collections::{BTreeMap, VecDeque};

use crate::abi::{Answered, MapKind, Status};
use crate::gateway::request::{Answer, Connection};
use crate::network::Inbound;
use crate::rules::headers::Headers;
use crate::timeline::{FlightId, StreamId};
use crate::vm::ContextRef;

/// One of the two messages of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// How far a filter has halted a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Not at all.
    #[default]
    No,
    /// Until it says otherwise; the following frames are still shown to it.
    Single,
    /// Until it is resumed; nothing is shown to it meanwhile.
    All,
}

/// Where the data of the running iteration lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It has just arrived.
    Inline,
    /// It is what was kept.
    Buffered,
}

/// What one filter sees of one message.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub halt: Halt,
    pub headers_continued: bool,
    pub ended: bool,
    /// The filter has asked to keep the body: it sees all that was kept.
    pub buffering: bool,
    /// The headers can be read and changed.
    pub headers: bool,
    /// The trailers can be read and changed.
    pub trailers: bool,
    /// Body that can be read and changed.
    pub body: Option<Source>,
    /// The last frame it saw was the last one.
    pub end_seen: bool,
}

/// One filter in one exchange.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub plugin: usize,
    /// Not part of this exchange.
    pub absent: bool,
    /// Its VM was lost before the exchange began.
    pub lost: bool,
    pub context: Option<ContextRef>,
    pub request: View,
    pub response: View,
    /// The exchange was ended because its VM is lost.
    pub failed: bool,
    /// It is being told how the exchange ended.
    pub logging: bool,
}

impl Slot {
    pub fn view(&self, side: Side) -> &View {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    pub fn view_mut(&mut self, side: Side) -> &mut View {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }
}

/// A frame that waits because too much of its message is being kept.
#[derive(Debug)]
pub(crate) enum Frame {
    Body(Vec<u8>, bool),
    Trailers(Headers),
    Arrival(Inbound),
}

/// One message.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub headers: Option<Headers>,
    /// Headers that filters have removed, where the proxy sends them all the same.
    pub removed: Headers,
    pub trailers: Option<Headers>,
    /// Data that just arrived and is on its way.
    pub inline: Vec<u8>,
    /// Data that is kept.
    pub buffered: Option<Vec<u8>>,
    /// Its last byte has arrived, trailers or not.
    pub ended: bool,
    /// Body bytes that have arrived.
    pub size: u64,
    /// Whoever keeps data wants the sender slowed down rather than refused.
    pub streaming: bool,
    /// The sender is to wait.
    pub blocked: bool,
    /// Frames that arrived meanwhile.
    pub waiting: VecDeque<Frame>,
    /// Its headers have left the chain.
    pub forwarded: bool,
    /// More than allowed had to be kept.
    pub overflowed: bool,
}

impl Message {
    /// Keeps data. Beyond the limit the sender waits, or the message is too large.
    pub fn keep(&mut self, data: Vec<u8>, limit: usize) {
        let buffered = self.buffered.get_or_insert_default();
        buffered.extend(data);
        if buffered.len() > limit {
            if self.streaming {
                self.blocked = true;
            } else {
                self.overflowed = true;
            }
        }
    }

    /// Takes the data of an iteration that has reached the end of the chain.
    pub fn take(&mut self, source: Source) -> Vec<u8> {
        match source {
            Source::Inline => std::mem::take(&mut self.inline),
            Source::Buffered => {
                self.blocked = false;
                self.buffered.take().unwrap_or_default()
            }
        }
    }

    fn data(&self, source: Source) -> &[u8] {
        match source {
            Source::Inline => &self.inline,
            Source::Buffered => self.buffered.as_deref().unwrap_or_default(),
        }
    }
}

/// What the proxy has sent to the upstream.
#[derive(Debug)]
pub(crate) struct ToUpstream {
    pub flight: FlightId,
    pub cluster: String,
    pub over: bool,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Stream {
    pub id: StreamId,
    pub worker: usize,
    pub connection: Connection,
    pub slots: Vec<Slot>,
    pub request: Message,
    pub response: Message,
    pub filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub started_ns: u64,
    pub details: Option<String>,
    pub flags: u64,
    pub upstream: Option<ToUpstream>,
    /// The request's headers as its route was chosen by, where the route has changed them since.
    pub routed: Option<Headers>,
    /// When something was last sent or received.
    pub active_ns: u64,
    /// The request is to go no further: a reply of the proxy's own is on its way.
    pub answered: bool,
    /// What the client has seen.
    pub answer: Answer,
    pub over: bool,
}

impl Stream {
    /// The headers that the route is chosen by.
    pub fn routing_headers(&self) -> Option<&Headers> {
        self.routed.as_ref().or(self.request.headers.as_ref())
    }

    pub fn message(&self, side: Side) -> &Message {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    pub fn message_mut(&mut self, side: Side) -> &mut Message {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    /// The slot at a position of a message's way: responses pass the chain backwards.
    pub fn slot_at(&self, side: Side, position: usize) -> Option<usize> {
        match side {
            Side::Request => (position < self.slots.len()).then_some(position),
            Side::Response => self.slots.len().checked_sub(1)?.checked_sub(position),
        }
    }

    /// The view of a filter and its message at once.
    pub fn view_and_message(
        &mut self,
        side: Side,
        slot: usize,
    ) -> Option<(&mut View, &mut Message)> {
        let slot = self.slots.get_mut(slot)?;
        Some(match side {
            Side::Request => (&mut slot.request, &mut self.request),
            Side::Response => (&mut slot.response, &mut self.response),
        })
    }

    /// A map to be read by a filter.
    pub fn map(&self, slot: usize, kind: MapKind) -> Option<&Headers> {
        let slot = self.slots.get(slot)?;
        match kind {
            MapKind::RequestHeaders if slot.logging || slot.request.headers => {
                self.request.headers.as_ref()
            }
            MapKind::RequestTrailers if !slot.logging && slot.request.trailers => {
                self.request.trailers.as_ref()
            }
            MapKind::ResponseHeaders if slot.logging || slot.response.headers => {
                self.response.headers.as_ref()
            }
            MapKind::ResponseTrailers if slot.logging || slot.response.trailers => {
                self.response.trailers.as_ref()
            }
            _ => None,
        }
    }

    /// A map to be changed by a filter. Trailers can be added while the last piece of a body is at
    /// hand.
    pub fn map_mut(&mut self, slot: usize, kind: MapKind) -> Option<&mut Headers> {
        let (side, trailers) = match kind {
            MapKind::RequestHeaders => (Side::Request, false),
            MapKind::RequestTrailers => (Side::Request, true),
            MapKind::ResponseHeaders => (Side::Response, false),
            MapKind::ResponseTrailers => (Side::Response, true),
            _ => return None,
        };
        let (view, message) = self.view_and_message(side, slot)?;
        if !trailers {
            return message.headers.as_mut().filter(|_| view.headers);
        }
        if message.trailers.is_none() && view.body.is_some() && view.end_seen {
            message.trailers = Some(Headers::new());
            view.trailers = true;
        }
        message.trailers.as_mut().filter(|_| view.trailers)
    }

    /// The body that a filter can read.
    pub fn body(&self, slot: usize, side: Side) -> &[u8] {
        let Some(view) = self.slots.get(slot).map(|slot| slot.view(side)) else {
            return &[];
        };
        match view.body_source() {
            Some(source) => self.message(side).data(source),
            None => &[],
        }
    }

    /// Changes the body: all of it, before it or behind it; hosts refuse to change its middle.
    pub fn set_body(
        &mut self,
        slot: usize,
        side: Side,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Answered<()> {
        let (view, message) = self
            .view_and_message(side, slot)
            .ok_or(Status::BadArgument)?;
        let body = match view.body_source().ok_or(Status::BadArgument)? {
            Source::Inline => &mut message.inline,
            Source::Buffered => message.buffered.get_or_insert_default(),
        };
        if start == 0 && size == 0 {
            body.splice(..0, data.iter().copied());
        } else if start == 0 && size >= body.len() {
            data.clone_into(body);
        } else if start != 0 && start >= body.len() {
            body.extend_from_slice(data);
        } else {
            return Err(Status::BadArgument);
        }
        Ok(())
    }
}

impl View {
    fn body_source(&self) -> Option<Source> {
        if self.buffering {
            Some(Source::Buffered)
        } else {
            self.body
        }
    }
}
