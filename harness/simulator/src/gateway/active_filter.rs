//! One filter and one frame: the filter's context, what it can see meanwhile, what it makes of the
//! frame, and what becomes of the exchange when its VM is lost.

use crate::callback::Callback;
use crate::core::{Deferred, LocalReply};
use crate::gateway::Gateway;
use crate::gateway::filter_status::{
    FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, NOT_ASKED, Returned,
};
use crate::gateway::stream::{FilterView, Pause, Side, Source, Stream};
use crate::gateway::threads::{CallbackResult, VmAvailability};
use crate::ids::{PluginId, StreamId, WorkerId};
use crate::plugin::{FailurePolicy, Plugin};
use crate::rules::headers::Headers;
use crate::vm::{Context, ContextRef, Thread};

/// What a filter made of a frame, and whether it has asked to continue meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict<S> {
    pub status: S,
    pub continued: bool,
}

/// The frame that a filter is shown.
#[derive(Clone, Copy, Debug)]
enum Frame {
    Headers {
        end: bool,
        /// What the filter is told of it.
        told: bool,
    },
    Data {
        source: Source,
        end: bool,
    },
    Trailers,
}

impl Gateway {
    /// Shows headers to a filter. `None` when the exchange has taken another way meanwhile.
    pub(super) fn filter_headers(
        &mut self,
        id: StreamId,
        side: Side,
        filter: PluginId,
        end: bool,
    ) -> Option<Verdict<FilterHeadersStatus>> {
        let allowed = self.plugin(filter, |plugin| plugin.allow_on_headers_stop_iteration);
        let (rules, told) = {
            let profile = &self.core.borrow().profile;
            let told = end && profile.end_in_headers_callbacks;
            (profile.headers, told)
        };
        let unstoppable = side == Side::Response && rules.response_cannot_be_stopped;
        let stays = side == Side::Request && rules.request_stays_in_reach;
        self.filter_frame(
            (id, side, filter),
            Frame::Headers { end, told },
            |returned| match FilterHeadersStatus::of(returned, allowed.unwrap_or_default()) {
                _ if unstoppable => FilterHeadersStatus::Continue,
                status => status,
            },
            |view, status| view.headers = stays || status != FilterHeadersStatus::Continue,
        )
    }

    /// Shows data to a filter. `None` when the exchange has taken another way meanwhile.
    pub(super) fn filter_data(
        &mut self,
        id: StreamId,
        side: Side,
        filter: PluginId,
        source: Source,
        end: bool,
    ) -> Option<Verdict<FilterDataStatus>> {
        if side == Side::Request && self.collects(id) && self.is_empty(id, source) {
            return Some(Verdict {
                status: FilterDataStatus::Continue,
                continued: false,
            });
        }
        let mut verdict = self.filter_frame(
            (id, side, filter),
            Frame::Data { source, end },
            FilterDataStatus::of,
            |view, status| {
                view.body = None;
                view.buffering = status == FilterDataStatus::StopIterationAndBuffer;
            },
        )?;
        if side == Side::Response && !self.may_pause(id, verdict.status) {
            verdict.status = FilterDataStatus::Continue;
            self.stream(id, |stream| {
                if let Some((view, _)) = stream.view_and_message(side, filter) {
                    view.buffering = false;
                }
            });
        }
        Some(verdict)
    }

    fn is_empty(&self, id: StreamId, source: Source) -> bool {
        self.stream(id, |stream| stream.request.data(source).is_empty())
            .unwrap_or_default()
    }

    /// Whether a filter's pause of a response's body counts, and notes it: on some hosts, the first
    /// one only.
    fn may_pause(&self, id: StreamId, status: FilterDataStatus) -> bool {
        let once = self.core.borrow().profile.bodies.response_buffer.is_some();
        let first = self.stream(id, |stream| {
            let paused = &mut stream.response.paused;
            let before = *paused;
            *paused = match (before, status) {
                (Pause::NotYet, FilterDataStatus::Continue) => Pause::NotYet,
                (Pause::NotYet, _) => Pause::Gathers,
                _ => Pause::Over,
            };
            before == Pause::NotYet
        });
        !once || first == Some(true)
    }

    /// Shows trailers to a filter. `None` when the exchange has taken another way meanwhile.
    pub(super) fn filter_trailers(
        &mut self,
        id: StreamId,
        side: Side,
        filter: PluginId,
    ) -> Option<Verdict<FilterTrailersStatus>> {
        self.filter_frame(
            (id, side, filter),
            Frame::Trailers,
            FilterTrailersStatus::of,
            |view, status| view.trailers = status != FilterTrailersStatus::Continue,
        )
    }

    /// Shows a frame to a filter, reads the status that it returns, and closes its view: what
    /// continues, it no longer sees.
    fn filter_frame<S: Copy>(
        &mut self,
        (id, side, filter): (StreamId, Side, PluginId),
        frame: Frame,
        read: impl Fn(Returned) -> S,
        close: impl FnOnce(&mut FilterView, S),
    ) -> Option<Verdict<S>> {
        let not_asked = Verdict {
            status: read(NOT_ASKED),
            continued: false,
        };
        let Some(context) = self.context_for(id, side, filter, frame) else {
            return self
                .pass_without_context(id, side, filter)
                .then_some(not_asked);
        };
        if let Frame::Data { source, .. } = frame {
            let buffering = self.stream(id, |stream| {
                let filter = stream.filter(filter);
                filter.is_some_and(|filter| filter.view(side).buffering)
            });
            if buffering == Some(true) {
                self.buffer_data(id, side, source);
                if !self.is_open(id, side) {
                    return None;
                }
            }
        }
        let callback = self.stream(id, |stream| open_view(stream, side, filter, frame))?;
        let CallbackResult::Returned(returned) = self.invoke(context, callback) else {
            return self.pass_without_vm(id, side, filter).then_some(not_asked);
        };
        let status = read(returned);
        self.stream(id, |stream| {
            if let Some((view, _)) = stream.view_and_message(side, filter) {
                close(view, status);
            }
        });
        let continued = self.run_own_deferred(id, side, filter)?;
        Some(Verdict { status, continued })
    }

    /// Does what a filter has asked for in its own exchange during its callback; the rest waits.
    /// Whether it has asked to continue, or `None` when the exchange has taken another way.
    fn run_own_deferred(&mut self, id: StreamId, side: Side, filter: PluginId) -> Option<bool> {
        let asked = std::mem::take(&mut self.core.borrow_mut().deferred);
        let mut continued = false;
        for deferred in asked {
            match deferred {
                Deferred::LocalReply(stream, reply) if stream == id => {
                    self.local_reply(id, reply);
                    return None;
                }
                Deferred::Reset(stream) if stream == id => {
                    self.reset_stream(id, "wasm_close_stream");
                    return None;
                }
                Deferred::Continue(stream, same_side, same_filter)
                    if (stream, same_side, same_filter) == (id, side, filter) =>
                {
                    continued = true;
                }
                other => self.pending.push_back(other),
            }
        }
        Some(continued)
    }

    /// The context that sees a frame; it is made when the request's headers come by. `None` when
    /// the filter has none.
    fn context_for(
        &mut self,
        id: StreamId,
        side: Side,
        filter: PluginId,
        frame: Frame,
    ) -> Option<ContextRef> {
        let (absent, failed, lost, context, worker) = self.stream(id, |stream| {
            let worker = stream.worker;
            let filter = stream.filter(filter)?;
            Some((
                filter.absent,
                filter.failed,
                filter.lost,
                filter.context,
                worker,
            ))
        })??;
        if absent || failed || lost {
            return None;
        }
        if let Some(context) = context {
            let (alive, anew) = {
                let core = self.core.borrow();
                let anew = core.profile.traps.others_begin_anew;
                (core.is_alive(context), anew)
            };
            let runs =
                !alive && anew && self.vm_availability(worker, filter) == VmAvailability::Running;
            return match runs {
                true => self.create_context(id, filter, worker),
                false => Some(context),
            };
        }
        let code = self.codes.get(filter.0);
        let begins = side == Side::Request
            || self.core.borrow().profile.shows_every_response
            || code.is_some_and(|code| code.sees_every_response());
        if !begins || !matches!(frame, Frame::Headers { .. }) {
            return None;
        }
        self.create_context(id, filter, worker)
    }

    /// Makes the context of a filter in an exchange.
    pub(super) fn create_context(
        &mut self,
        id: StreamId,
        filter: PluginId,
        worker: WorkerId,
    ) -> Option<ContextRef> {
        let (context, root) = {
            let mut core = self.core.borrow_mut();
            let vm = core.vm_of(Thread::Worker(worker), filter)?;
            let state = core.vm_mut(vm)?;
            let root = state.root_of(filter)?;
            let context = state.add(Context::Exchange {
                stream: id,
                filter,
                root,
            });
            (
                ContextRef {
                    vm,
                    generation: state.generation,
                    context,
                },
                root,
            )
        };
        self.stream(id, |stream| {
            if let Some(filter) = stream.filter_mut(filter) {
                filter.context = Some(context);
            }
        });
        self.invoke(context, Callback::ContextCreate { parent: root });
        Some(context)
    }

    /// Whether a frame passes a filter without a context: always, unless its VM is lost and it must
    /// not.
    fn pass_without_context(&mut self, id: StreamId, side: Side, filter: PluginId) -> bool {
        let lost = self.stream(id, |stream| {
            let filter = stream.filter(filter);
            filter.is_some_and(|filter| filter.lost && !filter.failed)
        });
        lost != Some(true) || side != Side::Request || self.pass_without_vm(id, side, filter)
    }

    /// Whether a frame passes a filter whose VM is lost; if not, the proxy has answered instead.
    fn pass_without_vm(&mut self, id: StreamId, side: Side, filter: PluginId) -> bool {
        let open = self.plugin(filter, |plugin| {
            plugin.failure_policy == FailurePolicy::OpenAtOnce
        });
        self.stream(id, |stream| {
            if let Some(filter) = stream.filter_mut(filter) {
                filter.failed = true;
            }
        });
        let traps = self.core.borrow().profile.traps;
        if open == Some(true) || side == Side::Response && traps.response_passes {
            return true;
        }
        let unavailable = LocalReply {
            status: traps.status,
            details: "wasm_fail_stream".to_owned(),
            grpc_status: Some(14),
            ..LocalReply::default()
        };
        self.local_reply(id, unavailable);
        false
    }

    fn plugin<T>(&self, filter: PluginId, read: impl FnOnce(&Plugin) -> T) -> Option<T> {
        self.core.borrow().plugin(filter).map(read)
    }
}

/// Opens a filter's view of a frame and gives the callback that shows it.
fn open_view(stream: &mut Stream, side: Side, filter: PluginId, frame: Frame) -> Callback {
    if let Some((view, _)) = stream.view_and_message(side, filter) {
        match frame {
            Frame::Headers { end, .. } => {
                view.headers = true;
                view.end_seen = end;
                view.ended = end;
            }
            Frame::Data { source, end } => {
                view.body = Some(source);
                view.end_seen = end;
                view.ended = end;
            }
            Frame::Trailers => {
                view.trailers = true;
                view.ended = true;
            }
        }
    }
    let size = u32::try_from(stream.body(filter, side).len()).unwrap_or(u32::MAX);
    let message = stream.message(side);
    let headers = message.headers.as_ref().map_or(0, Headers::count);
    let trailers = message.trailers.as_ref().map_or(0, Headers::count);
    match (side, frame) {
        (Side::Request, Frame::Headers { told: end, .. }) => Callback::RequestHeaders {
            count: headers,
            end,
        },
        (Side::Request, Frame::Data { end, .. }) => Callback::RequestBody { size, end },
        (Side::Request, Frame::Trailers) => Callback::RequestTrailers { count: trailers },
        (Side::Response, Frame::Headers { told: end, .. }) => Callback::ResponseHeaders {
            count: headers,
            end,
        },
        (Side::Response, Frame::Data { end, .. }) => Callback::ResponseBody { size, end },
        (Side::Response, Frame::Trailers) => Callback::ResponseTrailers { count: trailers },
    }
}
