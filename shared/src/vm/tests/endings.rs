//! How an exchange ends, for filters that have no callback for it.

use std::rc::Rc;

use crate::config::{Problems, Setup};
use crate::exchange::Exchange;
use crate::filter::{Filter, Needs};
use crate::host::Level;
use crate::problem::Reply;
use crate::testing::{FakeProxy, TestGateway};
use crate::vm::verdict::Action::Continue;

#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Nothing {}

/// A filter that hears of the end only by what every module is told, and of trailers.
struct Late;

impl Filter for Late {
    const NAME: &'static str = "late";
    const NEEDS: Needs = Needs {
        response_headers: true,
        response_trailers: true,
        ..Needs::NONE
    };
    type Config = Nothing;
    type Plan = ();

    fn compile(_: Nothing, _: &Setup<'_>, _: &mut Problems) -> Option<()> {
        Some(())
    }

    async fn handle(_: Rc<()>, exchange: Exchange) -> Result<(), Reply> {
        exchange.forward().await;
        let trailers = exchange.response_trailers().await;
        let line = match trailers {
            Some(trailers) => format!("late: {} trailers", trailers.len()),
            None => format!("late: over, broken off: {}", exchange.is_broken_off()),
        };
        exchange.host().log(Level::Info, &line);
        exchange.end().await;
        exchange.host().log(Level::Info, "late: over");
        Ok(())
    }
}

#[test]
fn an_end_that_has_no_callback_of_its_own_is_told_when_the_exchange_is_forgotten() {
    for (details, broken) in [
        ("via_upstream", false),
        ("upstream_reset_after_response_started{remote_reset}", true),
    ] {
        let proxy = FakeProxy::new(0);
        proxy.preset("response.code_details", details);
        let mut gate = TestGateway::open::<Late>(proxy, "{}").unwrap();
        let of_the_end = |gate: &TestGateway| {
            let logs = gate.proxy().logs().into_iter();
            logs.filter(|line| line.contains("late: "))
                .collect::<Vec<_>>()
        };
        let (at, _) = gate.request(&[(":path", "/")]);
        let action = gate.respond(at, &[(":status", "200")], false);
        assert_eq!(action, Continue);
        assert_eq!(of_the_end(&gate).len(), 0);
        gate.delete(at);
        let seen = of_the_end(&gate).join("\n");
        assert!(
            seen.contains(&format!("late: over, broken off: {broken}")),
            "{seen}"
        );
        assert!(seen.ends_with("late: over"), "{seen}");

        let (at, _) = gate.request(&[(":path", "/")]);
        gate.respond(at, &[(":status", "200")], false);
        assert_eq!(gate.respond_trailers(at, &[("a", "1")]), Continue);
        let seen = of_the_end(&gate).join("\n");
        assert!(seen.ends_with("late: 1 trailers"), "{seen}");
        gate.delete(at);
        assert!(of_the_end(&gate).join("\n").ends_with("late: over"));
    }
}
