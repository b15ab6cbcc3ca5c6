//! One exchange in one filter: feeds `handle` with what arrives, and tells the proxy to pause or to
//! continue.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Part;
use super::gathering::{Gathering, Look};
use super::hub::{Hub, Place};
use super::verdict::{Action, Replied, Wait, verdict};
use crate::call::{Answer, CallError};
use crate::exchange::Exchange;
use crate::explain::{self, Note};
use crate::facts::Remembered;
use crate::filter::{Handling, Launch};
use crate::flat_map::FlatMap;
use crate::headers::HeaderBlock;
use crate::host::{Buffer, Level, Map, PerSide, Proxy, Side, Status};
use crate::metrics::Metric;
use crate::problem::common::{self, BODY_UNANNOUNCED, BODY_UNFINISHED, FILTER_STALLED};
use crate::problem::{Reason, Reply};
use crate::profile::Policy;

/// What is counted for every filter: `allowed`, and `denied` by reason.
pub(super) struct Counters {
    filter: &'static str,
    /// The filter's own; the common ones are counted as well.
    reasons: &'static [&'static Reason],
    allowed: Metric,
    denied: RefCell<FlatMap<&'static str, Metric>>,
    /// Each decision is a line in the log too.
    told: Cell<bool>,
}

/// The environment variable of a VM that switches lines about single decisions on, and its value.
/// The proxy's own level would be another host call for each request, and one host cannot load a
/// module that asks for it.
const DECISIONS: (&str, &str) = ("MODELGATE_LOG", "decisions");

impl Counters {
    pub fn new(filter: &'static str, reasons: &'static [&'static Reason]) -> Self {
        Self {
            filter,
            reasons,
            allowed: Metric::counter(filter, &[], "allowed"),
            denied: RefCell::default(),
            told: Cell::new(false),
        }
    }

    /// One line about a decision, where they are wanted: filter, the proxy's name of the request,
    /// and what was decided.
    fn tell(&self, exchange: &Exchange, decided: std::fmt::Arguments<'_>) {
        if !self.told.get() {
            return;
        }
        let headers = exchange.request().headers().ok();
        let id = headers.as_ref().and_then(|head| head.text("x-request-id"));
        // Only what looks like one that a proxy has made: a client may have sent another.
        let made =
            |id: &&str| id.len() <= 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let id = id.filter(made).unwrap_or("-");
        let line = format!("{}: request {id} {decided}", self.filter);
        exchange.host().log(Level::Info, &line);
    }

    /// Defines every counter, so that each shows as 0 before it happens.
    pub fn define(&self, host: &dyn Proxy) {
        self.allowed.define(host);
        let (name, wanted) = DECISIONS;
        let asked = host.environment(name);
        self.told.set(asked.is_some_and(|value| value == wanted));
        for reason in common::ALL.iter().chain(self.reasons) {
            self.with_denied(reason, |metric| metric.define(host));
        }
    }

    fn with_denied(&self, reason: &'static Reason, work: impl FnOnce(&Metric)) {
        let mut denied = self.denied.borrow_mut();
        let metric = denied.get_or_insert_with(reason.code, || {
            Metric::counter(self.filter, &[("reason", reason.code)], "denied")
        });
        if let Some(metric) = metric {
            work(metric);
        }
    }
}

pub(super) struct Driver {
    exchange: Exchange,
    filter: &'static str,
    /// Or why there is none.
    policy: Result<Rc<Policy>, &'static Reason>,
    counters: Rc<Counters>,
    /// The filter keeps names for itself.
    reserving: bool,
    /// No answer may pass it unseen.
    watching: bool,
    handling: Option<Handling>,
    /// What runs, where it reserves names.
    reserves: Option<Rc<dyn Launch>>,
    started: bool,
    counted: Cell<bool>,
    /// The last action per side was Pause.
    held: PerSide<bool>,
    /// Side whose callback has not returned yet: its action is still to be told.
    inside: Option<Side>,
    gathering: PerSide<Gathering>,
}

/// Where a side is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the callback of its headers.
    Headers,
    /// In that of its body or trailers.
    Rest,
    /// In none of its callbacks.
    Outside,
}

impl Driver {
    #[allow(clippy::too_many_arguments)] // each is one thing that a stream has
    pub fn new(
        host: &Rc<dyn Proxy>,
        hub: &Rc<Hub>,
        place: Place,
        root: Place,
        facts: Option<Rc<Remembered>>,
        filter: &'static str,
        policy: Result<Rc<Policy>, &'static Reason>,
        counters: Rc<Counters>,
    ) -> Self {
        Self {
            exchange: Exchange::new(Rc::clone(host), Rc::clone(hub), place, root, facts),
            filter,
            policy,
            counters,
            reserving: false,
            watching: false,
            handling: None,
            reserves: None,
            started: false,
            counted: Cell::new(false),
            held: PerSide::default(),
            inside: None,
            gathering: PerSide::default(),
        }
    }

    /// With names that the filter keeps for itself, or none.
    pub const fn reserving(mut self, reserves: bool) -> Self {
        self.reserving = reserves;
        self
    }

    /// As one that looks at the bodies of answers, or not.
    pub const fn watching(mut self, watches: bool) -> Self {
        self.watching = watches;
        self
    }

    /// A part of a message arrives on one side.
    pub fn message(&mut self, side: Side, part: Part) -> Action {
        if part != Part::Trailers && self.is_done() {
            return Action::Continue;
        }
        let inner = &self.exchange.0;
        if inner.replied.get() == Replied::Now {
            inner.replied.set(Replied::Before);
        }
        let body = inner.bodies.of(side);
        self.gathering
            .of_mut(side)
            .comes(part, self.exchange.host());
        let mut contradicted = false;
        match part {
            Part::Headers(false) if side == Side::Request => self.look_for_end(),
            Part::Headers(false) => self.look_for_end_of_response(),
            Part::Trailers => {
                body.ended();
                inner.trailers_seen.set(side == Side::Response);
            }
            Part::Headers(true) => body.ended(),
            Part::Body(size, last) => {
                contradicted = body.contradicts(size);
                body.arrived(size, last);
            }
        }
        if side == Side::Response {
            inner.response_seen.set(true);
            inner.response_begins.set(matches!(part, Part::Headers(_)));
        }
        if contradicted {
            self.give_up(match side {
                Side::Request => &BODY_UNANNOUNCED,
                Side::Response => &common::HOST_REFUSED,
            });
        }
        if side == Side::Request && part == Part::Trailers && self.clean_trailers().is_err() {
            self.break_off();
        }
        let is_lost = !self.started && side == Side::Response && self.watching;
        if is_lost && self.exchange.proxy().was_begun(self.filter) {
            self.started = true;
            self.give_up(&common::HOST_REFUSED);
        }
        if !self.started && side == Side::Request {
            self.started = true;
            self.begin();
        } else {
            self.poll();
        }
        let at = match part {
            Part::Headers(_) => At::Headers,
            Part::Body(..) | Part::Trailers => At::Rest,
        };
        let action = self.settle(side, at);
        self.gathering.of_mut(side).told(part, action);
        action
    }

    /// Whether it has refused, and the proxy did not take the reply.
    pub fn is_stuck(&self) -> bool {
        self.exchange.0.replied.get() == Replied::Untaken
    }

    /// Whether the filter has let the exchange go for good: whatever else comes of it makes no
    /// difference.
    pub fn is_done(&self) -> bool {
        self.started
            && self.handling.is_none()
            && self.counted.get()
            && self.held == PerSide::default()
            && self.exchange.0.replied.get() == Replied::No
            && [Side::Request, Side::Response]
                .iter()
                .all(|side| !self.exchange.0.bodies.of(*side).is_end_assumed())
    }

    /// Takes the end of a request from its headers, where the proxy does not tell it with them.
    fn look_for_end(&self) {
        let inner = &self.exchange.0;
        if inner.rules.tells_the_end_in_headers {
            return;
        }
        let body = &inner.bodies.request;
        match self.exchange.request().headers().map(announces_body) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => body.assume_end(),
            Ok(None) | Err(_) => body.leave_open(),
        }
    }

    /// The same of a response. Only of one that can have no body: whoever has gone by a length that
    /// is wrong is refused, as with requests.
    fn look_for_end_of_response(&self) {
        let inner = &self.exchange.0;
        if inner.rules.tells_the_end_in_headers {
            return;
        }
        let head = self.exchange.request().headers();
        let to_head = head.is_ok_and(|head| head.first(":method") == Some(b"HEAD"));
        let response = self.exchange.response();
        let bare = response.headers().is_ok_and(|head| {
            matches!(head.text(":status"), Some("204" | "304"))
                || head.text("content-length") == Some("0")
        });
        if to_head || bare {
            inner.bodies.response.assume_end();
        }
    }

    /// Takes out of the request's trailers what stands under a name that the filter keeps for
    /// itself.
    ///
    /// # Errors
    /// The proxy's status: then they must not go on.
    pub fn clean_trailers(&mut self) -> Result<(), Status> {
        let Some(plan) = self.reserves.take() else {
            return Ok(());
        };
        let (reserved, proxy) = (plan.reserved(), self.exchange.proxy());
        let trailers = proxy.headers(Map::RequestTrailers)?;
        let mut removed: Vec<&[u8]> = Vec::new();
        for (name, _) in trailers.iter().filter(|(name, _)| reserved.has(name)) {
            if !removed.contains(&name) {
                removed.push(name);
                let name = std::str::from_utf8(name).map_err(|_| Status::BadArgument)?;
                proxy.remove_header(Map::RequestTrailers, name)?;
            }
        }
        Ok(())
    }

    /// A callout of this exchange has answered.
    pub fn answered(&mut self, number: u32, answer: Result<Answer, CallError>) {
        *self.exchange.0.answer.borrow_mut() = Some((number, answer));
        self.woken();
    }

    /// Polls outside a callback of a message, and lets go what need no longer be held.
    pub fn woken(&mut self) {
        self.poll();
        for side in [Side::Request, Side::Response] {
            if self.is_held(side)
                && self.settle(side, At::Outside) == Action::Continue
                && self.inside != Some(side)
                && self.exchange.proxy().resume(side).is_err()
            {
                self.exchange
                    .host()
                    .log(Level::Error, "the proxy did not resume an exchange");
            }
            self.look_at_gathering(side);
        }
    }

    /// Refuses the exchange if this side has waited too long for its end.
    fn look_at_gathering(&mut self, side: Side) {
        let look = self.gathering.of_mut(side).look(self.exchange.host());
        match look {
            Look::Later => {}
            Look::Watch(at_ns) => self.watch(at_ns),
            Look::Over => self.give_up(&BODY_UNFINISHED),
        }
    }

    /// Asks to be woken once this time has come.
    pub fn watch(&self, at_ns: u64) {
        let inner = &self.exchange.0;
        inner.hub.watch(at_ns, inner.place);
    }

    /// The exchange is over.
    pub fn end(&mut self) {
        self.exchange.0.ended.set(true);
        if self.exchange.waits() {
            self.poll();
        }
        self.handling = None;
    }

    /// The proxy forgets the exchange, whose end it may not have told. Who waits for an answer
    /// learns that none comes, and who waits for the end that this is it.
    pub fn gone(&mut self) {
        let inner = &self.exchange.0;
        let waits = [inner.wait.get(), inner.beside.get()];
        if waits
            .iter()
            .any(|wait| matches!(wait, Wait::Response | Wait::End))
        {
            self.end();
        }
    }

    /// A callback of this side is still running, or none is.
    pub fn enter(&mut self, side: Option<Side>) {
        self.inside = side;
    }

    /// The action that holds for a side now.
    pub fn action(&self, side: Side) -> Action {
        if self.is_held(side) {
            Action::Pause
        } else {
            Action::Continue
        }
    }

    fn is_held(&self, side: Side) -> bool {
        *self.held.of(side)
    }

    fn begin(&mut self) {
        explain::filter(self.filter);
        let policy = match &self.policy {
            Ok(policy) => policy,
            Err(reason) => return self.refuse(&Reply::new(reason)),
        };
        if let Err(reason) = self.exchange.proxy().admit() {
            return self.refuse(&Reply::new(reason));
        }
        if self.watching && self.exchange.proxy().note_begun(self.filter).is_err() {
            return self.refuse(&Reply::new(&common::HOST_REFUSED));
        }
        match policy.choose(&self.exchange) {
            Ok(launch) => {
                self.reserves = self.reserving.then(|| Rc::clone(launch));
                self.handling = Some(launch.handle(self.exchange.clone()));
                self.poll();
            }
            Err(reply) => self.refuse(&reply),
        }
    }

    fn poll(&mut self) {
        let Some(handling) = self.handling.as_mut() else {
            return;
        };
        explain::filter(self.filter);
        match handling
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(done) => {
                self.handling = None;
                self.exchange.stop_waiting();
                if let Err(reply) = done {
                    self.refuse(&reply);
                }
            }
            Poll::Pending if !self.exchange.waits() => {
                self.handling = None;
                self.refuse(&Reply::new(&FILTER_STALLED));
            }
            Poll::Pending => {}
        }
    }

    fn refuse(&self, reply: &Reply) {
        explain::filter(self.filter);
        let inner = &self.exchange.0;
        if inner.replied.get() != Replied::No {
            return;
        }
        if inner.ended.get() {
            // Nobody is left to be told; should the proxy bring something nevertheless, it is kept.
            inner.replied.set(Replied::Untaken);
            return;
        }
        let instead = inner.response_seen.get() && !inner.rules.replies_to_responses;
        let replied = if instead {
            Replied::Instead
        } else {
            Replied::Now
        };
        inner.replied.set(replied);
        self.counted.set(true);
        self.counters
            .with_denied(reply.reason, |metric| metric.add(self.exchange.host(), 1));
        let Reason { code, status, .. } = *reply.reason;
        explain::tell(|notes| notes.push(refusal(reply)));
        self.counters
            .tell(&self.exchange, format_args!("denied: {code} ({status})"));
        if reply.send(self.filter, &self.exchange).is_err() {
            // Refused, if without a word.
            inner.replied.set(Replied::Untaken);
            self.exchange.host().log(
                Level::Error,
                "the proxy did not take a reply; the exchange stays held",
            );
        }
    }

    /// Ends the exchange because the proxy did not do what the filter's verdict rests on.
    fn break_off(&mut self) {
        self.give_up(&common::HOST_REFUSED);
    }

    /// Refuses the exchange, whatever the filter waits for.
    pub fn give_up(&mut self, reason: &'static Reason) {
        self.exchange.stop_waiting();
        self.handling = None;
        self.refuse(&Reply::new(reason));
    }

    /// Puts what was to be the reply in the place of the response's body: all of it in that of the
    /// first bytes, nothing in that of the others.
    fn put_instead(&self, headers: bool) -> Action {
        let inner = &self.exchange.0;
        let body = &inner.bodies.response;
        let size = body.size();
        // The end may come without bytes, and is the last place for them.
        let due = inner.instead.borrow().is_some() && body.has_surely_ended();
        if headers || (size == 0 && !due) {
            return Action::Continue;
        }
        let bytes = inner.instead.take().unwrap_or_default();
        let proxy = self.exchange.proxy();
        match proxy.set_body(Buffer::ResponseBody, 0, size, &bytes) {
            Ok(()) => Action::Continue,
            Err(_) => Action::Pause,
        }
    }

    /// The action for a side after a step, with the step's writes handed over.
    fn settle(&mut self, side: Side, at: At) -> Action {
        let inner = &self.exchange.0;
        let headers = at == At::Headers;
        let mut waits = [inner.wait.get(), inner.beside.get()];
        if !inner.rules.holds_headers_for_bodies {
            waits = waits.map(Wait::letting_headers_go);
        }
        if !inner.rules.holds_responses {
            waits = waits.map(Wait::letting_responses_go);
        }
        if headers
            && side == Side::Request
            && inner.bodies.request.is_open()
            && waits.contains(&Wait::BodyAlone(side))
        {
            // It would go on for ever, to an upstream that has the request.
            self.give_up(&BODY_UNANNOUNCED);
            return Action::Pause;
        }
        let replied = inner.replied.get();
        let resumes = at == At::Outside
            && self.inside != Some(side)
            && verdict(side, headers, waits, replied) == Action::Continue;
        let gathering = self.gathering.of_mut(side);
        let gathers = match gathering.waits(inner.rules, resumes, self.exchange.host()) {
            true => Wait::Body(side),
            false => Wait::Nothing,
        };
        let [own, beside] = waits;
        let action = verdict(side, headers, [own, beside, gathers], replied);
        let pauses = action == Action::Pause;
        let body = inner.bodies.of(side);
        if inner.replied.get() == Replied::Instead && side == Side::Response {
            return self.put_instead(headers);
        }
        if body.flush(self.exchange.proxy(), side, pauses).is_err() {
            // What was to be replaced must not pass as it is.
            self.break_off();
            return Action::Pause;
        }
        if !pauses {
            body.released();
        }
        *self.held.of_mut(side) = pauses;
        let decided = !pauses && !waits.contains(&Wait::BodyAlone(Side::Request));
        if decided && side == Side::Request && !self.counted.replace(true) {
            self.counters.allowed.add(self.exchange.host(), 1);
            self.counters.tell(&self.exchange, format_args!("allowed"));
            explain::filter(self.filter);
            explain::tell(|notes| notes.push(Note::pass("verdict", "The request goes on.")));
        }
        action
    }
}

/// A refusal, for whoever asks why.
fn refusal(reply: &Reply) -> Note {
    let Reason {
        filter,
        code,
        title,
        help,
        ..
    } = *reply.reason;
    let status = reply.status();
    Note::fail("verdict", format!("Refused: {status} `{code}`. {help}"))
        .with("status", status)
        .with("reason", code)
        .with("reason_of", filter)
        .with("title", title)
        .with("help", help)
}

/// Whether the headers of a request say that bytes follow; nothing where there may be none (RFC
/// 9112 §6: a chunked body can be empty) or where the length cannot be read.
fn announces_body(head: Rc<HeaderBlock>) -> Option<bool> {
    let mut lengths = head.all("content-length");
    if head.first("transfer-encoding").is_some() {
        return None;
    }
    match (lengths.next(), lengths.next()) {
        (None, _) => Some(false),
        (Some(length), None) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            Some(length.iter().any(|digit| *digit != b'0'))
        }
        _ => None,
    }
}
