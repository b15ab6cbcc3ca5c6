//! Several filters behind one entry of the proxy's chain: each sees what it would see if it stood
//! alone, and the proxy is entered once.
//!
//! A request passes the filters in their order, a response in the reverse one. In front of each
//! filter and side is a gate: what arrives there is shown to the filter, and goes on when the
//! filter lets it. The proxy keeps the message as long as one gate does; what the last filter has
//! let go replaces what the proxy holds.

use std::rc::Rc;

use super::layer::{Content, Layer};
use crate::call::{Answer, CallError};
use crate::filter::{Callbacks, Needs};
use crate::host::{Host as _, Level, PerSide, Side, Status};
use crate::problem::Reason;
use crate::problem::common::{BODY_UNFINISHED, HOST_REFUSED};
use crate::vm::Part;
use crate::vm::driver::Driver;
use crate::vm::gathering::{Gathering, Look};
use crate::vm::verdict::Action;

/// What a filter of the chain is told; the rest passes it by, as the proxy does not call what a
/// module does not export.
#[derive(Clone, Copy, Debug)]
pub(in crate::vm) struct Hears(Callbacks);

impl Hears {
    pub const fn of(needs: &Needs) -> Self {
        Self(Callbacks::of(needs))
    }

    const fn piece(self, side: Side, piece: &Piece) -> bool {
        match (side, piece) {
            (Side::Request, Piece::Headers(_)) => true,
            (Side::Request, _) => self.0.request_body,
            (Side::Response, Piece::Headers(_)) => self.0.response_headers,
            (Side::Response, Piece::Data(..)) => self.0.response_body,
            (Side::Response, Piece::Trailers) => self.0.hears_response_trailers(),
        }
    }
}

/// A part of a message on its way from filter to filter.
enum Piece {
    Headers(bool),
    Data(Content, bool),
    Trailers,
}

/// What has arrived in front of a filter and has not gone on.
#[derive(Default)]
struct Gate {
    headers: Option<bool>,
    data: Option<(Content, bool)>,
    trailers: bool,
    /// The filter has said Pause.
    held: bool,
}

/// One side of the exchange.
#[derive(Default)]
struct Flow {
    gates: Vec<Gate>,
    /// Bytes in the proxy's buffer, all of which have come into the chain.
    taken: usize,
    /// What the last filter has let go.
    out: Content,
    /// The proxy was told to keep the message.
    paused: bool,
    /// What the proxy holds is not what would have to go on.
    broken: bool,
    gathering: Gathering,
}

struct Link {
    driver: Driver,
    hears: Hears,
}

/// One exchange in a chain of filters.
pub(in crate::vm) struct Chain {
    layer: Rc<Layer>,
    links: Vec<Link>,
    flows: PerSide<Flow>,
    /// Side whose callback has not returned yet: its action is still to be told.
    inside: Option<Side>,
    /// The proxy did not take the reply in place of what is broken: nothing more goes on.
    stuck: bool,
}

impl Chain {
    /// A chain over `layer`; `drivers` in the order of the request's way.
    pub fn new(layer: Rc<Layer>, drivers: impl Iterator<Item = (Driver, Hears)>) -> Self {
        Self {
            layer,
            links: drivers
                .map(|(driver, hears)| Link { driver, hears })
                .collect(),
            flows: PerSide::default(),
            inside: None,
            stuck: false,
        }
    }

    /// The number of the filter at this step of a side's way.
    fn at(&self, side: Side, step: usize) -> Option<usize> {
        match side {
            Side::Request => Some(step).filter(|at| *at < self.links.len()),
            Side::Response => self.links.len().checked_sub(step.checked_add(1)?),
        }
    }

    fn gate(&mut self, side: Side, link: usize) -> Option<&mut Gate> {
        self.flows.of_mut(side).gates.get_mut(link)
    }

    /// Brings a piece to the filter at this step, and on as far as the filters let it.
    fn push(&mut self, side: Side, step: usize, piece: Piece) -> Result<(), Status> {
        let Some(at) = self.at(side, step) else {
            return self.leave(side, piece);
        };
        if matches!((side, &piece), (Side::Request, Piece::Trailers)) {
            // Also where the filter has let the exchange go.
            self.run(at, Driver::clean_trailers).transpose()?;
        }
        let Some(link) = self.links.get(at) else {
            return Err(Status::InternalFailure);
        };
        let hears = link.hears.piece(side, &piece);
        let done = link.driver.is_done();
        let layer = Rc::clone(&self.layer);
        let Some(gate) = self.gate(side, at) else {
            return Err(Status::InternalFailure);
        };
        if !gate.held && (!hears || done) {
            return self.push(side, step.saturating_add(1), piece);
        }
        let part = match piece {
            Piece::Headers(last) => {
                gate.headers = Some(last);
                Part::Headers(last)
            }
            Piece::Data(content, last) => {
                let held = gate.data.take().map(|(held, _)| held).unwrap_or_default();
                let whole = layer.join(side, held, content)?;
                let size = whole.len();
                gate.data = Some((whole, last));
                Part::Body(size, last)
            }
            Piece::Trailers => {
                gate.trailers = true;
                Part::Trailers
            }
        };
        if !hears {
            return Ok(());
        }
        let action = self.run(at, |driver| driver.message(side, part));
        if action == Some(Action::Continue) {
            return self.open(side, step);
        }
        if let Some(gate) = self.gate(side, at) {
            gate.held = true;
        }
        Ok(())
    }

    /// What is in front of the filter at this step goes on.
    fn open(&mut self, side: Side, step: usize) -> Result<(), Status> {
        let Some(gate) = self.at(side, step).and_then(|at| self.gate(side, at)) else {
            return Err(Status::InternalFailure);
        };
        let Gate {
            headers,
            data,
            trailers,
            ..
        } = std::mem::take(gate);
        let next = step.saturating_add(1);
        if let Some(last) = headers {
            self.push(side, next, Piece::Headers(last))?;
        }
        if let Some((content, last)) = data {
            self.push(side, next, Piece::Data(content, last))?;
        }
        if trailers {
            self.push(side, next, Piece::Trailers)?;
        }
        Ok(())
    }

    /// A piece has passed the last filter.
    fn leave(&mut self, side: Side, piece: Piece) -> Result<(), Status> {
        if let Piece::Data(content, _) = piece {
            let before = std::mem::take(&mut self.flows.of_mut(side).out);
            self.flows.of_mut(side).out = self.layer.join(side, before, content)?;
        }
        Ok(())
    }

    /// Lets a filter work on what is in front of it.
    fn run<T>(&mut self, at: usize, work: impl FnOnce(&mut Driver) -> T) -> Option<T> {
        for side in [Side::Request, Side::Response] {
            let content = self
                .gate(side, at)
                .and_then(|gate| Some(std::mem::take(&mut gate.data.as_mut()?.0)));
            self.layer.show(side, content);
        }
        let result = work(&mut self.links.get_mut(at)?.driver);
        for side in [Side::Request, Side::Response] {
            let content = self.layer.take(side);
            if let Some(gate) = self.gate(side, at)
                && let Some((data, _)) = gate.data.as_mut()
            {
                *data = content.unwrap_or_default();
            }
        }
        Some(result)
    }

    /// What the proxy is told of a side after a step, with what goes on handed over.
    fn settle(&mut self, side: Side, pushed: Result<(), Status>, outside: bool) -> Action {
        let (rules, resumes) = (self.layer.rules(), outside && self.inside != Some(side));
        let flow = self.flows.of_mut(side);
        let held = flow.broken
            || flow.gates.iter().any(|gate| gate.held)
            || self.stuck
            || flow.gathering.waits(rules, resumes, self.layer.proxy());
        let released = pushed.and_then(|()| {
            if held {
                return Ok(());
            }
            let flow = self.flows.of_mut(side);
            let (taken, out) = (flow.taken, std::mem::take(&mut flow.out));
            flow.taken = 0;
            let released = self.layer.release(side, taken, out);
            self.layer.buffer_changed(side);
            released
        });
        let paused = held || released.is_err();
        if released.is_err() {
            // What was to be replaced must not pass as it is.
            self.give_up(side, 0, &HOST_REFUSED);
        }
        self.flows.of_mut(side).paused = paused;
        if paused {
            Action::Pause
        } else {
            Action::Continue
        }
    }

    /// Refuses the exchange in the name of one of its filters.
    fn give_up(&mut self, side: Side, at: usize, reason: &'static Reason) {
        self.flows.of_mut(side).broken = true;
        let _ = self.run(at, |driver| driver.give_up(reason));
        self.stuck = self.links.get(at).is_none_or(|link| link.driver.is_stuck());
    }

    /// Refuses the exchange if this side, which this filter has resumed, has waited too long for
    /// its end.
    fn look_at_gathering(&mut self, side: Side, at: usize) {
        match self.flows.of_mut(side).gathering.look(&*self.layer) {
            Look::Later => {}
            Look::Watch(at_ns) => {
                let _ = self.run(at, |driver| driver.watch(at_ns));
            }
            Look::Over => self.give_up(side, at, &BODY_UNFINISHED),
        }
    }

    fn wake(&mut self, at: usize, work: impl FnOnce(&mut Driver)) {
        self.layer.step();
        let _ = self.run(at, work);
        for (side, step) in [
            (Side::Request, Some(at)),
            (
                Side::Response,
                self.links.len().checked_sub(at.saturating_add(1)),
            ),
        ] {
            let still = self
                .links
                .get(at)
                .is_none_or(|link| link.driver.action(side) == Action::Pause);
            let held = self.gate(side, at).is_some_and(|gate| gate.held);
            let Some(step) = step.filter(|_| held && !still) else {
                self.look_at_gathering(side, at);
                continue;
            };
            let opened = self.open(side, step);
            let paused = self.flows.of_mut(side).paused;
            if self.settle(side, opened, true) == Action::Continue
                && paused
                && self.inside != Some(side)
                && self.layer.proxy().resume(side).is_err()
            {
                self.layer
                    .log(Level::Error, "the proxy did not resume an exchange");
            }
            self.look_at_gathering(side, at);
        }
    }
}

impl Chain {
    /// A part of a message arrives from the proxy.
    pub fn message(&mut self, side: Side, part: Part) -> Action {
        self.layer.step();
        let count = self.links.len();
        let flow = self.flows.of_mut(side);
        flow.gathering.comes(part, &*self.layer);
        let piece = match part {
            Part::Headers(last) => {
                flow.gates.clear();
                flow.gates.resize_with(count, Gate::default);
                flow.taken = 0;
                flow.out = Content::default();
                flow.broken = false;
                self.layer.headers_changed(side);
                self.layer.buffer_changed(side);
                Piece::Headers(last)
            }
            Part::Body(size, last) => {
                let from = flow.taken.min(size);
                flow.taken = size;
                Piece::Data(Content::Raw(from..size), last)
            }
            Part::Trailers => Piece::Trailers,
        };
        let pushed = if self.flows.of_mut(side).gates.is_empty() {
            // No headers came before: nothing that the filters know.
            Err(Status::BadArgument)
        } else {
            self.push(side, 0, piece)
        };
        let action = self.settle(side, pushed, false);
        self.flows.of_mut(side).gathering.told(part, action);
        action
    }

    /// A callout of this exchange has answered.
    pub fn answered(&mut self, at: usize, number: u32, answer: Result<Answer, CallError>) {
        self.wake(at, |driver| driver.answered(number, answer));
    }

    /// What a filter waits for outside its callbacks may have come.
    pub fn woken(&mut self, at: usize) {
        self.wake(at, Driver::woken);
    }

    /// The exchange is over.
    pub fn end(&mut self) {
        self.layer.step();
        for at in 0..self.links.len() {
            let hears = self.links.get(at).is_some_and(|link| link.hears.0.end);
            let _ = match hears {
                true => self.run(at, Driver::end),
                false => self.run(at, Driver::gone),
            };
        }
    }

    /// The proxy forgets the exchange.
    pub fn gone(&mut self) {
        self.layer.step();
        for at in 0..self.links.len() {
            let _ = self.run(at, Driver::gone);
        }
    }

    /// A callback of this side is still running, or none is.
    pub fn enter(&mut self, side: Option<Side>) {
        self.inside = side;
    }

    /// The action that holds for a side now.
    pub fn action(&self, side: Side) -> Action {
        if self.flows.of(side).paused {
            Action::Pause
        } else {
            Action::Continue
        }
    }
}
