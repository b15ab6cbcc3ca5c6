//! How a message passes the chain: shown to each filter in turn, halted, kept, and gone on with.
//!
//! These are the rules of Envoy's filter manager, frame by frame. Headers go from filter to filter
//! until one halts. Data that reaches a halted filter is kept, or shown to it first if it had
//! halted headers alone. A filter that goes on releases what was kept to the filters behind it, or
//! to itself if it had halted everything and has not seen the data yet. When a message has
//! trailers, its last piece of data never says that it is the last.

use crate::gateway::Gateway;
use crate::gateway::show::{Part, Shown};
use crate::gateway::stream::{Halt, Side, Source, Stream};
use crate::timeline::StreamId;

/// Where an iteration begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    First,
    /// Behind a position.
    After(usize),
    /// At a position.
    At(usize),
}

impl Begin {
    fn position(self) -> usize {
        match self {
            Self::First => 0,
            Self::After(position) => position.saturating_add(1),
            Self::At(position) => position,
        }
    }
}

impl Gateway {
    /// Passes headers on.
    pub(super) fn run_headers(&mut self, id: StreamId, side: Side, from: Begin, end: bool) {
        let mut position = from.position();
        while let Some(slot) = self.slot_at(id, side, position) {
            let (shown, resumed) = self.show(id, side, slot, Part::Headers { end });
            let halt = match shown {
                Shown::Gone => return,
                Shown::Continue | Shown::StopAndDrop => Halt::No,
                Shown::Stop(_) => Halt::Single,
                Shown::StopAll(_) => Halt::All,
            };
            self.stream(id, |stream| {
                if let Some((view, message)) = stream.view_and_message(side, slot) {
                    view.halt = halt;
                    view.headers_continued = halt == Halt::No;
                    if let Shown::StopAll(streaming) = shown {
                        message.streaming = streaming;
                    }
                }
            });
            if halt != Halt::No {
                if resumed {
                    self.continue_iteration(id, side, position);
                }
                return;
            }
            position = position.saturating_add(1);
        }
        if self.goes_on(id, side) {
            match side {
                Side::Request => self.headers_to_upstream(id, end),
                Side::Response => self.headers_to_client(id, end),
            }
        }
    }

    /// Passes data on.
    pub(super) fn run_data(
        &mut self,
        id: StreamId,
        side: Side,
        from: Begin,
        source: Source,
        end: bool,
    ) {
        let mut position = from.position();
        let mut end = end;
        let had_trailers = self.has_trailers(id, side);
        let mut trailers_added = None;
        loop {
            if !self.goes_on(id, side) {
                return;
            }
            let Some(slot) = self.slot_at(id, side, position) else {
                self.data_out(id, side, source, end);
                break;
            };
            let (halt, ended) = self
                .stream(id, |stream| halted(stream, side, slot))
                .unwrap_or((Halt::No, true));
            if halt == Halt::All {
                self.keep(id, side, source);
                return;
            }
            if ended {
                return;
            }
            let (shown, resumed) = self.show(id, side, slot, Part::Body { source, end });
            if shown == Shown::Gone {
                return;
            }
            if !had_trailers && trailers_added.is_none() && self.has_trailers(id, side) {
                end = false;
                trailers_added = Some(position);
            }
            if !self.after_data(id, side, position, source, shown, resumed, halt) {
                break;
            }
            position = position.saturating_add(1);
        }
        if let Some(position) = trailers_added {
            self.run_trailers(id, side, Begin::After(position));
        }
    }

    /// What follows from a filter's verdict on data. Whether it goes to the next filter.
    #[allow(clippy::too_many_arguments)]
    fn after_data(
        &mut self,
        id: StreamId,
        side: Side,
        position: usize,
        source: Source,
        shown: Shown,
        resumed: bool,
        halt: Halt,
    ) -> bool {
        let Some(slot) = self.slot_at(id, side, position) else {
            return false;
        };
        let streaming = match shown {
            Shown::Continue if halt == Halt::No => return true,
            Shown::Continue => {
                self.keep(id, side, source);
                self.continue_iteration(id, side, position);
                return false;
            }
            Shown::Stop(streaming) | Shown::StopAll(streaming) => Some(streaming),
            Shown::StopAndDrop | Shown::Gone => None,
        };
        self.stream(id, |stream| {
            let Some((view, message)) = stream.view_and_message(side, slot) else {
                return;
            };
            view.halt = Halt::Single;
            match streaming {
                Some(streaming) => message.streaming = streaming,
                None => {
                    message.inline.clear();
                    // An empty piece, so that going on shows the end to the filters behind.
                    if message.ended && message.trailers.is_none() && message.buffered.is_none() {
                        message.buffered = Some(Vec::new());
                    }
                }
            }
        });
        if streaming.is_some() {
            self.keep(id, side, source);
        }
        if resumed {
            self.continue_iteration(id, side, position);
        }
        false
    }

    /// Passes trailers on.
    pub(super) fn run_trailers(&mut self, id: StreamId, side: Side, from: Begin) {
        let mut position = from.position();
        loop {
            if !self.goes_on(id, side) {
                return;
            }
            let Some(slot) = self.slot_at(id, side, position) else {
                break;
            };
            let (halt, _) = self
                .stream(id, |stream| halted(stream, side, slot))
                .unwrap_or((Halt::All, true));
            if halt == Halt::All {
                return;
            }
            let (shown, resumed) = self.show(id, side, slot, Part::Trailers);
            match shown {
                Shown::Gone => return,
                Shown::Continue if halt == Halt::No => {}
                Shown::Continue => return self.continue_iteration(id, side, position),
                Shown::Stop(_) | Shown::StopAll(_) | Shown::StopAndDrop => {
                    self.stream(id, |stream| {
                        if let Some(slot) = stream.slots.get_mut(slot) {
                            slot.view_mut(side).halt = Halt::Single;
                        }
                    });
                    if resumed {
                        self.continue_iteration(id, side, position);
                    }
                    return;
                }
            }
            position = position.saturating_add(1);
        }
        match side {
            Side::Request => self.trailers_to_upstream(id),
            Side::Response => self.trailers_to_client(id),
        }
    }

    /// Goes on with a message that a filter had halted.
    pub(super) fn continue_iteration(&mut self, id: StreamId, side: Side, position: usize) {
        let Some(slot) = self
            .slot_at(id, side, position)
            .filter(|_| self.goes_on(id, side))
        else {
            return;
        };
        let resumed = self.stream(id, |stream| {
            let (view, message) = stream.view_and_message(side, slot)?;
            if message.headers.is_none() || (view.halt == Halt::No && view.headers_continued) {
                return None;
            }
            let from = if view.halt == Halt::All {
                Begin::At(position)
            } else {
                Begin::After(position)
            };
            let headers = !std::mem::replace(&mut view.headers_continued, true);
            view.halt = Halt::No;
            view.buffering = false;
            let end = message.ended && message.buffered.is_none() && message.trailers.is_none();
            Some((from, headers.then_some(end)))
        });
        let Some((from, headers)) = resumed.flatten() else {
            return;
        };
        if let Some(end) = headers {
            self.run_headers(id, side, Begin::After(position), end);
        }
        let kept = self.stream(id, |stream| {
            let message = stream.message(side);
            (
                message.buffered.is_some(),
                message.trailers.is_some(),
                message.ended,
            )
        });
        let Some((data, trailers, ended)) = kept else {
            return;
        };
        if data {
            self.run_data(id, side, from, Source::Buffered, ended && !trailers);
        }
        if trailers {
            self.run_trailers(id, side, from);
        }
    }

    /// Keeps data that cannot go on now.
    pub(super) fn keep(&mut self, id: StreamId, side: Side, source: Source) {
        let limit = self.core.borrow().profile.buffer_limit_bytes;
        let overflowed = self.stream(id, |stream| {
            let message = stream.message_mut(side);
            if source == Source::Inline {
                let data = std::mem::take(&mut message.inline);
                message.keep(data, limit);
            }
            std::mem::take(&mut message.overflowed)
        });
        if overflowed == Some(true) {
            self.too_large(id, side);
        }
    }

    fn slot_at(&self, id: StreamId, side: Side, position: usize) -> Option<usize> {
        self.stream(id, |stream| stream.slot_at(side, position))
            .flatten()
    }

    fn has_trailers(&self, id: StreamId, side: Side) -> bool {
        self.stream(id, |stream| stream.message(side).trailers.is_some())
            .unwrap_or_default()
    }

    /// Whether a message of an exchange can still go anywhere.
    pub(super) fn goes_on(&self, id: StreamId, side: Side) -> bool {
        self.stream(id, |stream| {
            !(stream.over || side == Side::Request && stream.answered)
        })
        .unwrap_or_default()
    }

    fn data_out(&mut self, id: StreamId, side: Side, source: Source, end: bool) {
        let Some(data) = self.stream(id, |stream| stream.message_mut(side).take(source)) else {
            return;
        };
        match side {
            Side::Request => self.data_to_upstream(id, data, end),
            Side::Response => self.data_to_client(id, data, end),
        }
    }
}

fn halted(stream: &Stream, side: Side, slot: usize) -> (Halt, bool) {
    stream.slots.get(slot).map_or((Halt::No, false), |slot| {
        let view = slot.view(side);
        (view.halt, view.ended)
    })
}
