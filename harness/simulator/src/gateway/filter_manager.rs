//! How a message passes the filter chain: shown to each filter in turn, stopped, buffered, and
//! continued.
//!
//! These are the rules of Envoy's filter manager (source/common/http/filter_manager.cc), frame by
//! frame. Headers go from filter to filter until one stops. Data that reaches a filter that has
//! stopped is buffered, or shown to it first if it had stopped the headers alone. A filter that
//! continues releases what was buffered to the filters behind it, or to itself if it had stopped
//! everything and has not seen the data yet. When a message has trailers, its last piece of data
//! never says that it is the last.

use crate::gateway::Gateway;
use crate::gateway::active_filter::Verdict;
use crate::gateway::filter_status::{
    FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, IterationState,
};
use crate::gateway::stream::{Side, Source};
use crate::ids::{PluginId, StreamId};

/// Where an iteration starts (`FilterIterationStartState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartFrom {
    First,
    /// Behind a position.
    Next(usize),
    /// At a position.
    Current(usize),
}

impl StartFrom {
    fn position(self) -> usize {
        match self {
            Self::First => 0,
            Self::Next(position) => position.saturating_add(1),
            Self::Current(position) => position,
        }
    }
}

impl Gateway {
    /// Passes headers through the chain.
    pub(super) fn iterate_headers(&mut self, id: StreamId, side: Side, from: StartFrom, end: bool) {
        let mut position = from.position();
        while let Some(filter) = self.filter_at(id, side, position) {
            let Some(Verdict { status, continued }) = self.filter_headers(id, side, filter, end)
            else {
                return;
            };
            let state = status.iteration_state();
            self.stream(id, |stream| {
                if let Some((view, message)) = stream.view_and_message(side, filter) {
                    view.state = state;
                    view.headers_continued = state == IterationState::Continue;
                    if state.stopped_all() {
                        message.watermark = state == IterationState::StopAllWatermark;
                    }
                }
            });
            if status != FilterHeadersStatus::Continue {
                if continued {
                    self.continue_iteration(id, side, position);
                }
                return;
            }
            position = position.saturating_add(1);
        }
        if self.is_open(id, side) {
            match side {
                Side::Request => self.headers_to_upstream(id, end),
                Side::Response => self.headers_to_client(id, end),
            }
        }
    }

    /// Passes data through the chain.
    pub(super) fn iterate_data(
        &mut self,
        id: StreamId,
        side: Side,
        from: StartFrom,
        source: Source,
        end: bool,
    ) {
        let mut position = from.position();
        let mut end = end;
        let had_trailers = self.has_trailers(id, side);
        let mut trailers_added = None;
        loop {
            if !self.is_open(id, side) {
                return;
            }
            let Some(filter) = self.filter_at(id, side, position) else {
                self.forward_data(id, side, source, end);
                break;
            };
            let (state, ended) = self
                .iteration_state(id, side, filter)
                .unwrap_or((IterationState::Continue, true));
            if state.stopped_all() {
                self.buffer_data(id, side, source);
                return;
            }
            if ended {
                return;
            }
            let Some(verdict) = self.filter_data(id, side, filter, source, end) else {
                return;
            };
            if !had_trailers && trailers_added.is_none() && self.has_trailers(id, side) {
                end = false;
                trailers_added = Some(position);
            }
            if !self.handle_data_status(id, side, position, source, state, verdict) {
                break;
            }
            position = position.saturating_add(1);
        }
        if let Some(position) = trailers_added {
            self.iterate_trailers(id, side, StartFrom::Next(position));
        }
    }

    /// What follows from a filter's status for data (`commonHandleAfterDataCallback`). Whether the
    /// data goes to the next filter.
    fn handle_data_status(
        &mut self,
        id: StreamId,
        side: Side,
        position: usize,
        source: Source,
        state: IterationState,
        verdict: Verdict<FilterDataStatus>,
    ) -> bool {
        let Verdict { status, continued } = verdict;
        let Some(filter) = self.filter_at(id, side, position) else {
            return false;
        };
        if status == FilterDataStatus::Continue {
            if state == IterationState::Continue {
                return true;
            }
            self.buffer_data(id, side, source);
            self.continue_iteration(id, side, position);
            return false;
        }
        self.stream(id, |stream| {
            let Some((view, message)) = stream.view_and_message(side, filter) else {
                return;
            };
            view.state = IterationState::StopSingleIteration;
            if status != FilterDataStatus::StopIterationNoBuffer {
                message.watermark = status == FilterDataStatus::StopIterationAndWatermark;
                return;
            }
            message.inline.clear();
            // An empty piece, so that continuing shows the end to the filters behind.
            if message.ended && message.trailers.is_none() && message.buffered.is_none() {
                message.buffered = Some(Vec::new());
            }
        });
        if status != FilterDataStatus::StopIterationNoBuffer {
            self.buffer_data(id, side, source);
        }
        if continued {
            self.continue_iteration(id, side, position);
        }
        false
    }

    /// Passes trailers through the chain.
    pub(super) fn iterate_trailers(&mut self, id: StreamId, side: Side, from: StartFrom) {
        let mut position = from.position();
        loop {
            if !self.is_open(id, side) {
                return;
            }
            let Some(filter) = self.filter_at(id, side, position) else {
                break;
            };
            let Some((state, _)) = self.iteration_state(id, side, filter) else {
                return;
            };
            if state.stopped_all() {
                return;
            }
            let Some(Verdict { status, continued }) = self.filter_trailers(id, side, filter) else {
                return;
            };
            if status == FilterTrailersStatus::StopIteration {
                self.stream(id, |stream| {
                    if let Some((view, _)) = stream.view_and_message(side, filter) {
                        view.state = IterationState::StopSingleIteration;
                    }
                });
                if continued {
                    self.continue_iteration(id, side, position);
                }
                return;
            }
            if state != IterationState::Continue {
                return self.continue_iteration(id, side, position);
            }
            position = position.saturating_add(1);
        }
        match side {
            Side::Request => self.trailers_to_upstream(id),
            Side::Response => self.trailers_to_client(id),
        }
    }

    /// Continues a message that a filter had stopped (`commonContinue`).
    pub(super) fn continue_iteration(&mut self, id: StreamId, side: Side, position: usize) {
        let Some(filter) = self
            .filter_at(id, side, position)
            .filter(|_| self.is_open(id, side))
        else {
            return;
        };
        let forgets = !self.core.borrow().profile.bodies.loses_data_after_resume;
        let resumed = self.stream(id, |stream| {
            let (view, message) = stream.view_and_message(side, filter)?;
            let running = view.state == IterationState::Continue && view.headers_continued;
            if message.headers.is_none() || running {
                return None;
            }
            let from = if view.state.stopped_all() {
                StartFrom::Current(position)
            } else {
                StartFrom::Next(position)
            };
            let headers = !std::mem::replace(&mut view.headers_continued, true);
            view.state = IterationState::Continue;
            view.buffering &= !forgets;
            let end = message.ended && message.buffered.is_none() && message.trailers.is_none();
            Some((from, headers.then_some(end)))
        });
        let Some((from, headers)) = resumed.flatten() else {
            return;
        };
        if let Some(end) = headers {
            self.iterate_headers(id, side, StartFrom::Next(position), end);
        }
        let buffered = self.stream(id, |stream| {
            let message = stream.message(side);
            (
                message.buffered.is_some(),
                message.trailers.is_some(),
                message.ended,
            )
        });
        let Some((data, trailers, ended)) = buffered else {
            return;
        };
        if data {
            self.iterate_data(id, side, from, Source::Buffered, ended && !trailers);
        }
        if trailers {
            self.iterate_trailers(id, side, from);
        }
    }

    /// Buffers data that cannot be forwarded now.
    pub(super) fn buffer_data(&mut self, id: StreamId, side: Side, source: Source) {
        let limit = self.core.borrow().profile.buffer_limit_bytes;
        let overflowed = self.stream(id, |stream| {
            let message = stream.message_mut(side);
            if source == Source::Inline {
                let data = std::mem::take(&mut message.inline);
                message.buffer(data, limit);
            }
            std::mem::take(&mut message.overflowed)
        });
        if overflowed == Some(true) {
            self.payload_too_large(id, side);
        }
    }

    fn filter_at(&self, id: StreamId, side: Side, position: usize) -> Option<PluginId> {
        self.stream(id, |stream| stream.filter_at(side, position))
            .flatten()
    }

    fn has_trailers(&self, id: StreamId, side: Side) -> bool {
        self.stream(id, |stream| stream.message(side).trailers.is_some())
            .unwrap_or_default()
    }

    /// Whether a message of an exchange can still be forwarded.
    pub(super) fn is_open(&self, id: StreamId, side: Side) -> bool {
        self.stream(id, |stream| {
            !(stream.over || side == Side::Request && stream.locally_replied)
        })
        .unwrap_or_default()
    }

    fn forward_data(&mut self, id: StreamId, side: Side, source: Source, end: bool) {
        let Some(data) = self.stream(id, |stream| stream.message_mut(side).take(source)) else {
            return;
        };
        match side {
            Side::Request => self.data_to_upstream(id, data, end),
            Side::Response => self.data_to_client(id, data, end),
        }
    }

    /// Where a filter has left the iteration of a message, and whether it has seen its end.
    fn iteration_state(
        &self,
        id: StreamId,
        side: Side,
        filter: PluginId,
    ) -> Option<(IterationState, bool)> {
        self.stream(id, |stream| {
            let view = stream.filter(filter)?.view(side);
            Some((view.state, view.ended))
        })?
    }
}
