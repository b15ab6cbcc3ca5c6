//! The event loop: what is due is dispatched in order, and whatever follows from it at once.

use crate::callback::Callback;
use crate::core::Deferred;
use crate::gateway::Gateway;
use crate::gateway::stream::{Side, WaitingFrame};
use crate::ids::{ContextId, OutboundId, QueueId, StreamId, VmId};
use crate::network::Inbound;
use crate::schedule::TimedEvent;
use crate::vm::{ContextRef, Thread};
use std::time::Duration;

impl Gateway {
    /// Dispatches the next event, if it is due by then. `false` when none is.
    pub(super) fn step(&mut self, until_ns: u64) -> bool {
        let due = {
            let mut core = self.core.borrow_mut();
            let Some((at_ns, due)) = core.schedule.take(until_ns) else {
                return false;
            };
            core.now_ns = core.now_ns.max(at_ns);
            due
        };
        self.dispatch(due);
        self.run_pending();
        true
    }

    /// Something arrives from a network that named no arrivals when the request was sent.
    pub fn deliver(&mut self, outbound: OutboundId, arrival: Inbound) {
        self.on_inbound(outbound, arrival);
        self.run_pending();
    }

    fn dispatch(&mut self, due: TimedEvent) {
        match due {
            TimedEvent::ClientBody(id, bytes, end) => {
                self.client_frame(id, WaitingFrame::Body(bytes, end))
            }
            TimedEvent::ClientTrailers(id, trailers) => {
                self.client_frame(id, WaitingFrame::Trailers(trailers))
            }
            TimedEvent::ClientDisconnect(id) => self.client_disconnected(id),
            TimedEvent::Arrival(outbound, arrival) => self.on_inbound(outbound, arrival),
            TimedEvent::CalloutTimeout(outbound) => self.on_callout_timeout(outbound),
            TimedEvent::RouteTimeout(id) => self.on_route_timeout(id),
            TimedEvent::IdleTimeout(id, timeout) => self.on_idle_timeout(id, timeout),
            TimedEvent::Tick {
                vm,
                generation,
                context,
                timer,
            } => self.tick(
                ContextRef {
                    vm,
                    generation,
                    context,
                },
                timer,
            ),
            TimedEvent::Queue { vm, context, queue } => self.queue_ready(vm, context, queue),
        }
    }

    /// A piece of a request arrives, or waits while too much of it is buffered.
    pub(super) fn client_frame(&mut self, id: StreamId, frame: WaitingFrame) {
        if !self.is_open(id, Side::Request) {
            return;
        }
        self.note_activity(id);
        let frame = match self.collects(id) {
            true => self.collect(id, frame),
            false => Some(frame),
        };
        let Some(frame) = frame else { return };
        let blocked = self.stream(id, |stream| {
            stream.request.blocked || !stream.request.waiting.is_empty()
        });
        if blocked == Some(true) {
            self.stream(id, |stream| stream.request.waiting.push_back(frame));
            return;
        }
        self.receive_frame(id, Side::Request, frame);
    }

    /// Collects a request's body on hosts that show it as a whole, and gives it once it has ended.
    /// Trailers end here.
    fn collect(&self, id: StreamId, frame: WaitingFrame) -> Option<WaitingFrame> {
        self.stream(id, |stream| {
            let end = match frame {
                WaitingFrame::Body(bytes, end) => {
                    stream.request.collected.extend(bytes);
                    end
                }
                WaitingFrame::Trailers(_) => true,
                WaitingFrame::Arrival(_) => return Some(frame),
            };
            end.then(|| WaitingFrame::Body(std::mem::take(&mut stream.request.collected), true))
        })?
    }

    fn receive_frame(&mut self, id: StreamId, side: Side, frame: WaitingFrame) {
        match frame {
            WaitingFrame::Body(bytes, end) => self.receive_data(id, side, bytes, end),
            WaitingFrame::Trailers(trailers) => self.receive_trailers(id, side, trailers),
            WaitingFrame::Arrival(arrival) => {
                let outbound = self
                    .stream(id, |stream| {
                        stream.upstream.as_ref().map(|upstream| upstream.outbound)
                    })
                    .flatten();
                if let Some(outbound) = outbound {
                    self.on_inbound(outbound, arrival);
                }
            }
        }
    }

    fn tick(&mut self, root: ContextRef, timer: u64) {
        let period = {
            let core = self.core.borrow();
            let state = core
                .vm(root.vm)
                .filter(|vm| core.is_alive(root) && !matches!(vm.thread, Thread::Leaving(_)))
                .and_then(|vm| vm.root(root.context));
            state
                .filter(|state| state.timer == timer)
                .map(|state| state.tick_ms)
        };
        let Some(period) = period.filter(|period| *period > 0) else {
            return;
        };
        self.invoke(root, Callback::Tick);
        let mut core = self.core.borrow_mut();
        let current = core
            .vm(root.vm)
            .and_then(|vm| vm.root(root.context))
            .map(|state| state.timer);
        if core.is_alive(root) && current == Some(timer) {
            let next = TimedEvent::Tick {
                vm: root.vm,
                generation: root.generation,
                context: root.context,
                timer,
            };
            core.schedule_after(Duration::from_millis(period.into()), next);
        }
    }

    fn queue_ready(&mut self, vm: VmId, context: ContextId, queue: QueueId) {
        let generation = self.core.borrow().vm(vm).map(|vm| vm.generation);
        if let Some(generation) = generation {
            self.invoke(
                ContextRef {
                    vm,
                    generation,
                    context,
                },
                Callback::QueueReady { queue },
            );
        }
    }

    /// Runs what guests have deferred, receives frames that had to wait, and finishes exchanges
    /// that have ended, until nothing of the kind is left.
    pub(super) fn run_pending(&mut self) {
        loop {
            let asked = std::mem::take(&mut self.core.borrow_mut().deferred);
            self.pending.extend(asked);
            if let Some(deferred) = self.pending.pop_front() {
                self.run_deferred(deferred);
            } else if let Some((id, side, frame)) = self.unblocked() {
                self.receive_frame(id, side, frame);
            } else if let Some(id) = self.ending.pop_front() {
                self.finish_stream(id);
            } else {
                return;
            }
        }
    }

    fn run_deferred(&mut self, deferred: Deferred) {
        let over = self
            .stream(deferred.stream(), |stream| stream.over)
            .unwrap_or(true);
        if over {
            return;
        }
        match deferred {
            Deferred::LocalReply(id, reply) => self.local_reply(id, reply),
            Deferred::Reset(id) => self.reset_stream(id, "wasm_close_stream"),
            Deferred::Continue(id, side, filter) => {
                let position = self.stream(id, |stream| stream.position_of(side, filter));
                if let Some(Some(position)) = position {
                    self.continue_iteration(id, side, position);
                }
            }
        }
    }

    /// A frame that no longer has to wait.
    fn unblocked(&self) -> Option<(StreamId, Side, WaitingFrame)> {
        let mut core = self.core.borrow_mut();
        core.streams
            .iter_mut()
            .filter(|(_, stream)| !stream.over)
            .find_map(|(id, stream)| {
                [Side::Request, Side::Response]
                    .into_iter()
                    .find_map(|side| {
                        let message = stream.message_mut(side);
                        let frame = if message.blocked {
                            None
                        } else {
                            message.waiting.pop_front()
                        };
                        frame.map(|frame| (*id, side, frame))
                    })
            })
    }
}
