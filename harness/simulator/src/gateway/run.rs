//! The course of time: what is due happens, in order, and whatever follows from it at once.

use crate::agenda::Due;
use crate::core::Deferred;
use crate::gateway::Gateway;
use crate::gateway::stream::{Frame, Side};
use crate::guest::Callback;
use crate::network::Inbound;
use crate::timeline::{FlightId, StreamId};
use crate::vm::{ContextRef, VmSlot};
use std::time::Duration;

impl Gateway {
    /// Lets the next thing happen, if it is due by then. `false` when nothing is.
    pub(super) fn step(&mut self, until_ns: u64) -> bool {
        let due = {
            let mut core = self.core.borrow_mut();
            let Some((at_ns, due)) = core.agenda.take(until_ns) else {
                return false;
            };
            core.now_ns = core.now_ns.max(at_ns);
            due
        };
        self.happen(due);
        self.settle();
        true
    }

    /// Something arrives from a network that said nothing when it was asked.
    pub fn deliver(&mut self, flight: FlightId, arrival: Inbound) {
        self.arrived(flight, arrival);
        self.settle();
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::ClientBody(id, bytes, end) => self.client_frame(id, Frame::Body(bytes, end)),
            Due::ClientTrailers(id, trailers) => self.client_frame(id, Frame::Trailers(trailers)),
            Due::ClientGone(id) => self.client_gone(id),
            Due::Arrival(flight, arrival) => self.arrived(flight, arrival),
            Due::CallTimeout(flight) => self.call_timeout(flight),
            Due::RouteTimeout(id) => self.route_timeout(id),
            Due::IdleTimeout(id, timeout) => self.idle_timeout(id, timeout),
            Due::Tick {
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
            Due::Queue { vm, context, queue } => self.queue_ready(vm, context, queue),
        }
    }

    /// A piece of a request arrives, or waits while too much of it is kept.
    pub(super) fn client_frame(&mut self, id: StreamId, frame: Frame) {
        if !self.goes_on(id, Side::Request) {
            return;
        }
        self.is_active(id);
        let blocked = self.stream(id, |stream| {
            stream.request.blocked || !stream.request.waiting.is_empty()
        });
        if blocked == Some(true) {
            self.stream(id, |stream| stream.request.waiting.push_back(frame));
            return;
        }
        self.enter_chain(id, Side::Request, frame);
    }

    fn enter_chain(&mut self, id: StreamId, side: Side, frame: Frame) {
        match frame {
            Frame::Body(bytes, end) => self.piece(id, side, bytes, end),
            Frame::Trailers(trailers) => self.trailers(id, side, trailers),
            Frame::Arrival(arrival) => {
                let flight = self
                    .stream(id, |stream| {
                        stream.upstream.as_ref().map(|upstream| upstream.flight)
                    })
                    .flatten();
                if let Some(flight) = flight {
                    self.arrived(flight, arrival);
                }
            }
        }
    }

    fn tick(&mut self, root: ContextRef, timer: u64) {
        let period = {
            let core = self.core.borrow();
            let state = core
                .vm(root.vm)
                .filter(|_| core.alive(root))
                .and_then(|vm| vm.root(root.context));
            state
                .filter(|state| state.timer == timer)
                .map(|state| state.tick_ms)
        };
        let Some(period) = period.filter(|period| *period > 0) else {
            return;
        };
        self.enter(root, Callback::Tick);
        let mut core = self.core.borrow_mut();
        let current = core
            .vm(root.vm)
            .and_then(|vm| vm.root(root.context))
            .map(|state| state.timer);
        if core.alive(root) && current == Some(timer) {
            let next = Due::Tick {
                vm: root.vm,
                generation: root.generation,
                context: root.context,
                timer,
            };
            core.after(Duration::from_millis(period.into()), next);
        }
    }

    fn queue_ready(&mut self, vm: VmSlot, context: u32, queue: u32) {
        let generation = self.core.borrow().vm(vm).map(|vm| vm.generation);
        if let Some(generation) = generation {
            self.enter(
                ContextRef {
                    vm,
                    generation,
                    context,
                },
                Callback::QueueReady { queue },
            );
        }
    }

    /// Does what guests have asked for, tells filters of ended exchanges, and lets frames in that
    /// had to wait, until nothing is left.
    pub(super) fn settle(&mut self) {
        loop {
            let asked = std::mem::take(&mut self.core.borrow_mut().deferred);
            self.queue.extend(asked);
            if let Some(deferred) = self.queue.pop_front() {
                self.run_deferred(deferred);
            } else if let Some((id, side, frame)) = self.unblocked() {
                self.enter_chain(id, side, frame);
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
            Deferred::Reply(id, reply) => self.local_reply(id, reply),
            Deferred::Close(id) => self.reset(id, "wasm_close_stream"),
            Deferred::Resume(id, side, slot) => {
                let position = self.stream(id, |stream| match side {
                    Side::Request => Some(slot),
                    Side::Response => stream.slots.len().checked_sub(1)?.checked_sub(slot),
                });
                if let Some(Some(position)) = position {
                    self.continue_iteration(id, side, position);
                }
            }
        }
    }

    /// A frame that no longer has to wait.
    fn unblocked(&self) -> Option<(StreamId, Side, Frame)> {
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
