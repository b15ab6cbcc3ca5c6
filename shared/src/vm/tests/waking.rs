//! Exchanges that wait for a signal of the background task, and what happens to one of them inside
//! the callback of another.

use std::cell::Cell;

use serde_json::json;

use super::*;
use crate::metrics::Metric;
use crate::root::Root;
use crate::signal::Signal;
use crate::testing::{FakeProxy, TestGateway};

/// Holds requests until its background has been nudged twice, and refuses those that ask for it.
struct Waiting;

#[derive(Default)]
struct Shared {
    signal: Signal,
    nudges: Cell<u32>,
}

impl Shared {
    fn is_open(&self) -> bool {
        self.nudges.get() >= 2
    }
}

impl Filter for Waiting {
    const NAME: &'static str = "waiting";
    const NEEDS: Needs = Needs {
        holds: true,
        tick_ms: 500,
        ..Needs::NONE
    };
    type Config = Steps;
    type Plan = Shared;

    fn compile(_: Self::Config, _: &Setup<'_>, _: &mut Problems) -> Option<Shared> {
        Some(Shared::default())
    }

    async fn handle(plan: Rc<Shared>, exchange: Exchange) -> Result<(), Reply> {
        let refused = exchange.request().headers()?.first("refused").is_some();
        if !plan.is_open() {
            exchange.nudge_background();
            exchange.signalled(&plan.signal, u64::MAX).await;
        }
        Metric::counter(Self::NAME, &[], "decided").add(exchange.host(), 1);
        if refused {
            return Err(Reply::new(&HOST_REFUSED));
        }
        Ok(())
    }

    async fn background(plan: Rc<Shared>, root: Root) {
        loop {
            if root.sleep_until(u64::MAX).await {
                plan.nudges.set(plan.nudges.get().saturating_add(1));
                if plan.is_open() {
                    root.notify(&plan.signal);
                }
            }
        }
    }
}

fn gate() -> TestGateway {
    TestGateway::open::<Waiting>(FakeProxy::new(0), "").unwrap()
}

/// A chain of which the first filter waits, and the second does these steps.
fn chain(steps: &[&str]) -> TestGateway {
    let script = json!({"filter": "script", "config": {"steps": steps}});
    let config = json!({"filters": [ {"filter": "waiting"}, script ]});
    let filters = [Registration::of::<Waiting>(), Registration::of::<Script>()];
    TestGateway::chain(FakeProxy::new(0), &filters, &config.to_string()).unwrap()
}

const GOOD: &[(&str, &str)] = &[(":path", "/")];
const BAD: &[(&str, &str)] = &[(":path", "/"), ("refused", "1")];

#[test]
fn no_exchange_is_answered_or_resumed_inside_the_callback_of_another() {
    for waiting in [BAD, GOOD] {
        let mut gate = gate();
        let (first, action) = gate.request(waiting);
        assert_eq!(action, Pause);
        let (second, action) = gate.request(GOOD);
        assert_eq!(action, Continue, "it is decided in its own callback");
        let record = gate.record(first);
        assert_eq!(
            (record.replies, record.resumed),
            (0, vec![]),
            "the other one is left alone"
        );
        assert_eq!(gate.proxy().tick_ms(), 1, "a tick of its own is asked for");
        gate.tick();
        assert_eq!(
            gate.proxy().tick_ms(),
            500,
            "and the period is as it was afterwards"
        );
        let record = gate.record(first);
        let resumed = if waiting == GOOD {
            vec![Side::Request]
        } else {
            vec![]
        };
        assert_eq!(record.replies, usize::from(waiting == BAD));
        assert_eq!(record.resumed, resumed);
        assert_eq!(gate.record(second).replies, 0);
        assert_eq!(gate.proxy().metric("modelgate.waiting.decided"), 2);
    }
}

#[test]
fn in_a_chain_too_what_another_callback_woke_goes_on_in_a_tick() {
    let mut gate = chain(&["deny"]);
    let (first, action) = gate.request(GOOD);
    assert_eq!(action, Pause);
    let (second, action) = gate.request(GOOD);
    assert_eq!(action, Pause, "refused by the second filter, by itself");
    assert_eq!(gate.record(second).replies, 1);
    assert_eq!(gate.record(first).replies, 0);
    gate.tick();
    assert_eq!(
        gate.record(first).replies,
        1,
        "the second filter refuses it when the first lets it go"
    );
}

#[test]
fn an_exchange_that_was_woken_elsewhere_may_go_on_in_its_own_next_callback() {
    let mut gate = gate();
    let (first, action) = gate.begin(GOOD, false);
    assert_eq!(action, Pause);
    gate.request(GOOD);
    assert_eq!(gate.body(first, Side::Request, b"abc", true), Continue);
    gate.tick();
    assert_eq!(
        gate.record(first).resumed,
        [],
        "there is nothing left to resume"
    );
}

#[test]
fn an_exchange_that_is_gone_before_the_tick_is_not_touched() {
    let mut gate = gate();
    let (first, _) = gate.request(BAD);
    gate.request(GOOD);
    gate.end(first);
    gate.tick();
    assert_eq!(gate.record(first).replies, 0);
    assert_eq!(gate.proxy().tick_ms(), 500);
}

#[test]
fn what_waits_for_the_end_of_its_body_is_refused_in_time() {
    for mut gate in [gate(), chain(&[])] {
        let (first, _) = gate.begin(GOOD, false);
        assert_eq!(gate.body(first, Side::Request, b"abc", false), Pause);
        gate.request(GOOD);
        gate.tick();
        assert_eq!(gate.record(first).resumed, [], "it goes on at its end");
        gate.proxy().pass_ns(4_500_000_000);
        gate.tick();
        assert_eq!(gate.record(first).replies, 0);
        assert_eq!(gate.body(first, Side::Request, b"def", false), Pause);
        gate.proxy().pass_ns(4_500_000_000);
        gate.tick();
        assert_eq!(gate.record(first).replies, 0, "it has gone on");
        gate.proxy().pass_ns(500_000_000);
        gate.tick();
        assert_eq!(gate.record(first).replies, 1);
        assert_eq!(gate.body(first, Side::Request, b"ghi", true), Pause);
        gate.tick();
        let denied = "modelgate.waiting.reason_body_unfinished.denied";
        assert_eq!(gate.proxy().metric(denied), 1);
    }
}
