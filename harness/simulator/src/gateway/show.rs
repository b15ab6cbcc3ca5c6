//! A frame shown to one filter: its context, what it can see meanwhile, what it makes of the frame,
//! and what becomes of the exchange when its VM is lost.

use crate::core::{Deferred, LocalReply};
use crate::gateway::Gateway;
use crate::gateway::stream::{Side, Source, Stream};
use crate::gateway::threads::Entered;
use crate::guest::Callback;
use crate::plugin::FailurePolicy;
use crate::rules::headers::Headers;
use crate::timeline::StreamId;
use crate::vm::{Context, ContextRef};

/// What a filter made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Continue,
    /// Stop with everything; the sender is slowed down (`true`) or refused when too much has to be
    /// kept.
    StopAll(bool),
    /// Stop with this frame; data is kept.
    Stop(bool),
    /// Stop and drop the data.
    StopAndDrop,
    /// The exchange took another way: nothing is left to do here.
    Gone,
}

/// The frame that is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Headers { end: bool },
    Body { source: Source, end: bool },
    Trailers,
}

impl Gateway {
    /// Shows a frame to a filter. Also gives whether the filter has asked to go on at once.
    pub(super) fn show(
        &mut self,
        id: StreamId,
        side: Side,
        slot: usize,
        part: Part,
    ) -> (Shown, bool) {
        let Some(context) = self.context_for(id, side, slot, part) else {
            return (self.without_context(id, side, slot), false);
        };
        if let Part::Body { source, .. } = part {
            let buffering = self.stream(id, |stream| {
                stream
                    .slots
                    .get(slot)
                    .is_some_and(|slot| slot.view(side).buffering)
            });
            if buffering == Some(true) {
                self.keep(id, side, source);
                if !self.goes_on(id, side) {
                    return (Shown::Gone, false);
                }
            }
        }
        let Some(callback) = self.stream(id, |stream| open(stream, side, slot, part)) else {
            return (Shown::Gone, false);
        };
        let entered = self.enter(context, callback);
        if let Entered::Trapped = entered {
            return (self.fail(id, slot), false);
        }
        let alone = self
            .plugin(id, slot, |plugin| plugin.headers_stop_alone)
            .unwrap_or_default();
        let shown = verdict(entered, part, alone);
        self.stream(id, |stream| close(stream, side, slot, part, shown));
        self.follow(id, side, slot, shown)
    }

    /// What a filter has asked for during its callback.
    fn follow(&mut self, id: StreamId, side: Side, slot: usize, shown: Shown) -> (Shown, bool) {
        let asked = std::mem::take(&mut self.core.borrow_mut().deferred);
        let mut resumed = false;
        for deferred in asked {
            match deferred {
                Deferred::Reply(stream, reply) if stream == id => {
                    self.local_reply(id, reply);
                    return (Shown::Gone, false);
                }
                Deferred::Close(stream) if stream == id => {
                    self.reset(id, "wasm_close_stream");
                    return (Shown::Gone, false);
                }
                Deferred::Resume(stream, same_side, same_slot)
                    if (stream, same_side, same_slot) == (id, side, slot) =>
                {
                    resumed = true;
                }
                other => self.queue.push_back(other),
            }
        }
        (shown, resumed)
    }

    /// The context that sees a frame; it is made when the request's headers come by. `None` when
    /// the filter has none.
    fn context_for(
        &mut self,
        id: StreamId,
        side: Side,
        slot: usize,
        part: Part,
    ) -> Option<ContextRef> {
        let (absent, failed, lost, context, plugin, worker) = self.stream(id, |stream| {
            let worker = stream.worker;
            let slot = stream.slots.get(slot)?;
            Some((
                slot.absent,
                slot.failed,
                slot.lost,
                slot.context,
                slot.plugin,
                worker,
            ))
        })??;
        if absent || failed || lost || context.is_some() {
            return context.filter(|_| !absent && !failed && !lost);
        }
        let code = self.codes.get(plugin);
        let begins = side == Side::Request || code.is_some_and(|code| code.sees_every_answer());
        if !begins || !matches!(part, Part::Headers { .. }) {
            return None;
        }
        self.create_context(id, slot, plugin, worker)
    }

    /// Makes the context of a filter in an exchange.
    pub(super) fn create_context(
        &mut self,
        id: StreamId,
        slot: usize,
        plugin: usize,
        worker: usize,
    ) -> Option<ContextRef> {
        let (context, root) = {
            let mut core = self.core.borrow_mut();
            let vm = core.vm_of(crate::vm::Thread::Worker(worker), plugin)?;
            let state = core.vm_mut(vm)?;
            let root = state.root_of(plugin)?;
            let context = state.add(Context::Exchange {
                stream: id,
                slot,
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
            if let Some(slot) = stream.slots.get_mut(slot) {
                slot.context = Some(context);
            }
        });
        self.enter(context, Callback::ContextCreate { parent: root });
        Some(context)
    }

    /// A filter without a context lets everything pass, unless its VM is lost and it must not.
    fn without_context(&mut self, id: StreamId, side: Side, slot: usize) -> Shown {
        let lost = self.stream(id, |stream| {
            stream
                .slots
                .get(slot)
                .is_some_and(|slot| slot.lost && !slot.failed)
        });
        if lost == Some(true) && side == Side::Request {
            self.fail(id, slot)
        } else {
            Shown::Continue
        }
    }

    /// A filter's VM is lost: the exchange is answered 503, or goes on without the filter.
    fn fail(&mut self, id: StreamId, slot: usize) -> Shown {
        let open = self.plugin(id, slot, |plugin| {
            plugin.failure_policy == FailurePolicy::OpenAtOnce
        });
        self.stream(id, |stream| {
            if let Some(slot) = stream.slots.get_mut(slot) {
                slot.failed = true;
            }
        });
        if open == Some(true) {
            return Shown::Continue;
        }
        let unavailable = LocalReply {
            status: 503,
            details: "wasm_fail_stream".to_owned(),
            grpc_status: Some(14),
            ..LocalReply::default()
        };
        self.local_reply(id, unavailable);
        Shown::Gone
    }

    fn plugin<T>(
        &self,
        id: StreamId,
        slot: usize,
        read: impl FnOnce(&crate::plugin::Plugin) -> T,
    ) -> Option<T> {
        let core = self.core.borrow();
        let plugin = core.streams.get(&id)?.slots.get(slot)?.plugin;
        core.plugins.get(plugin).map(read)
    }
}

/// Opens a filter's view of a frame and gives the callback that shows it.
fn open(stream: &mut Stream, side: Side, slot: usize, part: Part) -> Callback {
    if let Some((view, _)) = stream.view_and_message(side, slot) {
        match part {
            Part::Headers { end } => {
                view.headers = true;
                view.end_seen = end;
                view.ended = end;
            }
            Part::Body { source, end } => {
                view.body = Some(source);
                view.end_seen = end;
                view.ended = end;
            }
            Part::Trailers => {
                view.trailers = true;
                view.ended = true;
            }
        }
    }
    let size = u32::try_from(stream.body(slot, side).len()).unwrap_or(u32::MAX);
    let message = stream.message(side);
    let headers = message.headers.as_ref().map_or(0, Headers::count);
    let trailers = message.trailers.as_ref().map_or(0, Headers::count);
    match (side, part) {
        (Side::Request, Part::Headers { end }) => Callback::RequestHeaders {
            count: headers,
            end,
        },
        (Side::Request, Part::Body { end, .. }) => Callback::RequestBody { size, end },
        (Side::Request, Part::Trailers) => Callback::RequestTrailers { count: trailers },
        (Side::Response, Part::Headers { end }) => Callback::ResponseHeaders {
            count: headers,
            end,
        },
        (Side::Response, Part::Body { end, .. }) => Callback::ResponseBody { size, end },
        (Side::Response, Part::Trailers) => Callback::ResponseTrailers { count: trailers },
    }
}

/// Closes a filter's view after the callback: what it lets go, it no longer sees.
fn close(stream: &mut Stream, side: Side, slot: usize, part: Part, shown: Shown) {
    let Some((view, _)) = stream.view_and_message(side, slot) else {
        return;
    };
    match part {
        Part::Headers { .. } => view.headers = shown != Shown::Continue,
        Part::Body { .. } => {
            view.body = None;
            view.buffering = shown == Shown::Stop(false);
        }
        Part::Trailers => view.trailers = shown != Shown::Continue,
    }
}

/// Reads the number that a callback returned (proxy-wasm-cpp-host, context.cc,
/// `convertVmCallResultToFilter…Status`).
fn verdict(entered: Entered, part: Part, headers_stop_alone: bool) -> Shown {
    let Entered::Returned {
        value: Some(value),
        stop,
    } = entered
    else {
        return Shown::Continue;
    };
    match (part, value) {
        (Part::Headers { .. }, _) if stop || value > 4 => Shown::StopAll(true),
        (Part::Headers { .. }, 1) if headers_stop_alone => Shown::Stop(false),
        (Part::Headers { .. }, 1 | 4) => Shown::StopAll(true),
        (Part::Headers { .. }, 3) => Shown::StopAll(false),
        (Part::Body { .. }, _) if stop || value > 2 => Shown::StopAndDrop,
        (Part::Body { .. }, 1) => Shown::Stop(false),
        (Part::Body { .. }, 2) => Shown::Stop(true),
        (Part::Trailers, _) if stop || value > 0 => Shown::Stop(false),
        _ => Shown::Continue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_callback_returns_is_read_as_envoy_reads_it() {
        let returned = |value, stop| Entered::Returned {
            value: Some(value),
            stop,
        };
        let headers = Part::Headers { end: false };
        let body = Part::Body {
            source: Source::Inline,
            end: false,
        };
        assert_eq!(verdict(returned(0, false), headers, false), Shown::Continue);
        assert_eq!(
            verdict(returned(1, false), headers, false),
            Shown::StopAll(true)
        );
        assert_eq!(
            verdict(returned(1, false), headers, true),
            Shown::Stop(false)
        );
        assert_eq!(
            verdict(returned(0, true), headers, true),
            Shown::StopAll(true),
            "a reply stops whatever is returned"
        );
        assert_eq!(
            verdict(returned(9, false), headers, true),
            Shown::StopAll(true)
        );
        assert_eq!(verdict(returned(1, false), body, false), Shown::Stop(false));
        assert_eq!(verdict(returned(3, false), body, false), Shown::StopAndDrop);
        assert_eq!(verdict(returned(0, true), body, false), Shown::StopAndDrop);
        assert_eq!(
            verdict(returned(1, false), Part::Trailers, false),
            Shown::Stop(false)
        );
        assert_eq!(
            verdict(
                Entered::Returned {
                    value: None,
                    stop: false
                },
                headers,
                false
            ),
            Shown::Continue
        );
    }
}
