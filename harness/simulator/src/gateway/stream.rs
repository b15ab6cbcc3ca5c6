//! The state of one exchange: two messages on their way through the chain, and where each filter
//! stands with each.
//!
//! The words are those of Envoy's filter manager (source/common/http/filter_manager.cc): a filter
//! stops the iteration of a message, data that cannot be forwarded is buffered once for the whole
//! message, and continuing resumes behind the filter that had stopped, or at it when it had not
//! seen the data yet. This file holds the state; [`crate::gateway::filter_manager`] moves it.

use std::collections::{BTreeMap, VecDeque};

use crate::abi::{HostResult, MapKind, Status};
use crate::gateway::filter_status::IterationState;
use crate::gateway::request::{ClientResponse, Connection};
use crate::ids::{OutboundId, PluginId, StreamId, WorkerId};
use crate::network::Inbound;
use crate::rules::headers::Headers;
use crate::rules::uri::Uri;
use crate::vm::ContextRef;

/// One of the two messages of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// Where the data of the running iteration lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It has just arrived.
    Inline,
    /// It is what was buffered.
    Buffered,
}

/// What one filter sees of one message.
#[derive(Debug, Default)]
pub(crate) struct FilterView {
    pub state: IterationState,
    pub headers_continued: bool,
    pub ended: bool,
    /// The filter has asked to buffer the body: it sees all that was buffered.
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
pub(crate) struct ActiveFilter {
    /// Not part of this exchange.
    pub absent: bool,
    /// Its VM was lost before the exchange began.
    pub lost: bool,
    pub context: Option<ContextRef>,
    pub request: FilterView,
    pub response: FilterView,
    /// The exchange was ended because its VM is lost.
    pub failed: bool,
    /// `on_log` is running: it sees all headers of the exchange.
    pub logging: bool,
}

impl ActiveFilter {
    pub fn view(&self, side: Side) -> &FilterView {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }
}

/// A frame that waits because too much of its message is buffered.
#[derive(Debug)]
pub(crate) enum WaitingFrame {
    Body(Vec<u8>, bool),
    Trailers(Headers),
    Arrival(Inbound),
}

/// How a body stands that can be paused once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pause {
    #[default]
    NotYet,
    /// Pieces gather until the buffer is full.
    Gathers,
    /// It was paused, and cannot be again.
    Over,
}

/// One message.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub headers: Option<Headers>,
    /// Headers that filters have added to a response before there is one.
    pub early: Headers,
    pub trailers: Option<Headers>,
    /// A body that is still to be shown, on hosts that show it as a whole, or gather its pieces.
    pub collected: Vec<u8>,
    /// A filter has paused the body, on hosts where that can be done once.
    pub paused: Pause,
    /// Data that just arrived and is on its way.
    pub inline: Vec<u8>,
    /// Data that is buffered.
    pub buffered: Option<Vec<u8>>,
    /// Its last byte has arrived, trailers or not.
    pub ended: bool,
    /// Body bytes that have arrived.
    pub size: u64,
    /// The filter that buffers wants the sender slowed down rather than refused.
    pub watermark: bool,
    /// The sender is to wait.
    pub blocked: bool,
    /// Frames that arrived meanwhile.
    pub waiting: VecDeque<WaitingFrame>,
    /// Its headers have left the chain.
    pub forwarded: bool,
    /// Bytes of its body that were announced and have not left the chain, where that binds.
    pub announced: Option<usize>,
    /// More than allowed had to be buffered.
    pub overflowed: bool,
}

impl Message {
    /// Keeps data. Beyond the limit the sender waits, or the message is too large.
    pub fn buffer(&mut self, data: Vec<u8>, limit: usize) {
        let buffered = self.buffered.get_or_insert_default();
        buffered.extend(data);
        if buffered.len() > limit {
            if self.watermark {
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

    pub fn data(&self, source: Source) -> &[u8] {
        match source {
            Source::Inline => &self.inline,
            Source::Buffered => self.buffered.as_deref().unwrap_or_default(),
        }
    }
}

/// What the proxy has sent to the upstream.
#[derive(Debug)]
pub(crate) struct UpstreamRequest {
    pub outbound: OutboundId,
    pub cluster: String,
    pub over: bool,
    /// When it was begun.
    pub sent_ns: u64,
    /// When its answer was complete.
    pub received_ns: Option<u64>,
}

/// The target and host of a request as the client has sent them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub target: Vec<u8>,
    pub host: Vec<u8>,
    pub uri: Uri,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Stream {
    pub id: StreamId,
    pub worker: WorkerId,
    pub connection: Connection,
    pub filters: Vec<ActiveFilter>,
    pub request: Message,
    pub response: Message,
    /// What filters have left for each other, by name.
    pub filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the client has asked for, on hosts whose filters are shown something else.
    pub asked: Option<Asked>,
    /// Responses pass the filters in the order of requests.
    pub same_order: bool,
    pub started_ns: u64,
    pub details: Option<String>,
    pub flags: u64,
    pub upstream: Option<UpstreamRequest>,
    /// The request's headers as its route was chosen by, where the route has changed them since.
    pub routed: Option<Headers>,
    /// When something was last sent or received.
    pub active_ns: u64,
    /// The request is to go no further: a reply of the proxy's own is on its way.
    pub locally_replied: bool,
    /// What the client has seen.
    pub answer: ClientResponse,
    pub over: bool,
}

impl Stream {
    /// The headers that the route is chosen by.
    pub fn routing_headers(&self) -> Option<&Headers> {
        self.routed.as_ref().or(self.request.headers.as_ref())
    }

    pub fn filter(&self, id: PluginId) -> Option<&ActiveFilter> {
        self.filters.get(id.0)
    }

    pub fn filter_mut(&mut self, id: PluginId) -> Option<&mut ActiveFilter> {
        self.filters.get_mut(id.0)
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

    /// The filter at a position of a message's way.
    pub fn filter_at(&self, side: Side, position: usize) -> Option<PluginId> {
        let index = match side {
            Side::Response if !self.same_order => self.counted_from_end(position),
            _ => Some(position).filter(|index| *index < self.filters.len()),
        };
        index.map(PluginId)
    }

    /// The position of a filter on a message's way.
    pub fn position_of(&self, side: Side, filter: PluginId) -> Option<usize> {
        match side {
            Side::Response if !self.same_order => self.counted_from_end(filter.0),
            _ => Some(filter.0),
        }
    }

    /// Responses pass the chain backwards.
    fn counted_from_end(&self, index: usize) -> Option<usize> {
        self.filters.len().checked_sub(1)?.checked_sub(index)
    }

    /// The view of a filter and its message at once.
    pub fn view_and_message(
        &mut self,
        side: Side,
        filter: PluginId,
    ) -> Option<(&mut FilterView, &mut Message)> {
        let filter = self.filters.get_mut(filter.0)?;
        Some(match side {
            Side::Request => (&mut filter.request, &mut self.request),
            Side::Response => (&mut filter.response, &mut self.response),
        })
    }

    /// A map to be read by a filter.
    pub fn map(&self, filter: PluginId, kind: MapKind) -> Option<&Headers> {
        let filter = self.filter(filter)?;
        if self.is_early(kind) {
            return Some(&self.response.early);
        }
        match kind {
            MapKind::RequestHeaders if filter.logging || filter.request.headers => {
                self.request.headers.as_ref()
            }
            MapKind::RequestTrailers if !filter.logging && filter.request.trailers => {
                self.request.trailers.as_ref()
            }
            MapKind::ResponseHeaders if filter.logging || filter.response.headers => {
                self.response.headers.as_ref()
            }
            MapKind::ResponseTrailers if filter.logging || filter.response.trailers => {
                self.response.trailers.as_ref()
            }
            _ => None,
        }
    }

    /// A map to be changed by a filter. Trailers can be added while the last piece of a body is at
    /// hand.
    pub fn map_mut(&mut self, filter: PluginId, kind: MapKind) -> Option<&mut Headers> {
        let (side, trailers) = match kind {
            MapKind::RequestHeaders => (Side::Request, false),
            MapKind::RequestTrailers => (Side::Request, true),
            MapKind::ResponseHeaders => (Side::Response, false),
            MapKind::ResponseTrailers => (Side::Response, true),
            _ => return None,
        };
        if self.is_early(kind) {
            return Some(&mut self.response.early);
        }
        let (view, message) = self.view_and_message(side, filter)?;
        if !trailers {
            return message.headers.as_mut().filter(|_| view.headers);
        }
        if message.trailers.is_none() && view.body.is_some() && view.end_seen {
            message.trailers = Some(Headers::new());
            view.trailers = true;
        }
        message.trailers.as_mut().filter(|_| view.trailers)
    }

    /// Whether these are headers that can be added before there is a response.
    fn is_early(&self, kind: MapKind) -> bool {
        let early = kind == MapKind::ResponseHeaders && self.response.headers.is_none();
        early && self.asked.is_some()
    }

    /// The body that a filter can read.
    pub fn body(&self, filter: PluginId, side: Side) -> &[u8] {
        let Some(view) = self.filter(filter).map(|filter| filter.view(side)) else {
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
        filter: PluginId,
        side: Side,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> HostResult<()> {
        let (view, message) = self
            .view_and_message(side, filter)
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

impl FilterView {
    fn body_source(&self) -> Option<Source> {
        if self.buffering {
            Some(Source::Buffered)
        } else {
            self.body
        }
    }
}
