//! A chain of filters in one entry: each sees what it would see alone, and the proxy what it would
//! see of the last one.

use std::rc::Rc;

use super::{Recorder, Script};
use crate::config::{Problems, Setup};
use crate::exchange::Exchange;
use crate::facts::Identity;
use crate::filter::{Filter, Needs, Registration};
use crate::host::{Proxy, Side};
use crate::problem::Reply;
use crate::vm::verdict::Action::{self, Continue, Pause};
use crate::vm::{CHAIN, Part, Vm};

#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
struct Names {
    /// Left as the caller's name; without it the name is read, and set as a header.
    consumer: Option<String>,
}

/// A filter that stands behind [`Script`], and says or asks who calls.
struct Herald;

impl Filter for Herald {
    const NAME: &'static str = "herald";
    const NEEDS: Needs = Needs {
        order: 1,
        ..Needs::NONE
    };
    type Config = Names;
    type Plan = Names;

    fn compile(config: Names, _: &Setup<'_>, _: &mut Problems) -> Option<Names> {
        Some(config)
    }

    async fn handle(plan: Rc<Names>, exchange: Exchange) -> Result<(), Reply> {
        match &plan.consumer {
            Some(consumer) => exchange.publish(Identity {
                consumer: consumer.clone(),
                ..Identity::default()
            })?,
            None => {
                let known = exchange.fact::<Identity>();
                let consumer = known.map(|identity| identity.consumer.clone());
                exchange
                    .request()
                    .set_header("x-consumer", consumer.unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

const FILTERS: [Registration; 2] = [Registration::of::<Herald>(), Registration::of::<Script>()];

fn configured(config: &str) -> (Rc<Recorder>, Vm, bool) {
    let host = Rc::new(Recorder::default());
    *host.config.borrow_mut() = config.as_bytes().to_vec();
    host.properties
        .borrow_mut()
        .insert("plugin_root_id".to_owned(), CHAIN.into());
    *host.request.borrow_mut() = vec![(":path".into(), "/x".into())];
    let mut vm = Vm::with_chains(Rc::clone(&host) as Rc<dyn Proxy>, &FILTERS);
    vm.create(1, 0);
    let taken = vm.configure(1, config.len());
    if taken {
        // What is said at the start has tests of its own (announce.rs).
        host.take();
    }
    vm.create(2, 1);
    (host, vm, taken)
}

/// A chain of scripts, and an exchange in it.
fn chain(scripts: &[&[&str]]) -> (Rc<Recorder>, Vm) {
    let filters: Vec<_> = scripts
        .iter()
        .map(|steps| serde_json::json!({"filter": "script", "config": {"steps": steps}}))
        .collect();
    let (host, vm, taken) = configured(&serde_json::json!({ "filters": filters }).to_string());
    assert!(taken, "{:?}", host.take());
    (host, vm)
}

fn request(vm: &mut Vm, part: Part) -> Action {
    vm.message(2, Side::Request, part)
}

fn response(vm: &mut Vm, part: Part) -> Action {
    vm.message(2, Side::Response, part)
}

#[test]
fn a_body_goes_from_filter_to_filter_and_to_the_proxy_once() {
    let (host, mut vm) = chain(&[&["body"], &["body"]]);
    *host.body.borrow_mut() = b"ab".to_vec();
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(2, false)), Pause);
    *host.body.borrow_mut() = b"abc".to_vec();
    assert_eq!(request(&mut vm, Part::Body(3, true)), Continue);
    assert_eq!(host.take(), ["body 0+3 := ABC"]);
}

#[test]
fn a_body_that_nobody_changes_is_neither_read_nor_written() {
    let (host, mut vm) = chain(&[&[], &["end"]]);
    *host.body.borrow_mut() = b"abc".to_vec();
    assert_eq!(request(&mut vm, Part::Headers(false)), Continue);
    assert_eq!(request(&mut vm, Part::Body(3, false)), Continue);
    assert_eq!(request(&mut vm, Part::Body(2, true)), Continue);
    assert_eq!(host.take(), Vec::<String>::new());
}

#[test]
fn a_filter_begins_when_those_before_it_let_the_request_go() {
    let (host, mut vm) = chain(&[&["idp"], &["other"]]);
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(3, true)), Pause);
    assert_eq!(host.take(), ["call idp"]);
    vm.answer(2, 1, 1, 0);
    assert_eq!(host.take(), ["call other"], "not resumed: the second waits");
    assert_eq!(request(&mut vm, Part::Trailers), Pause);
    vm.answer(2, 2, 1, 0);
    assert_eq!(host.take(), ["resume Request"]);
}

#[test]
fn a_refusal_keeps_the_request_from_those_behind_it() {
    let (host, mut vm) = chain(&[&["end"], &["deny"], &["idp"]]);
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(3, true)), Pause);
    assert_eq!(host.take(), ["reply 500 modelgate.script.host_refused"]);
    assert_eq!(
        response(&mut vm, Part::Headers(false)),
        Continue,
        "the reply goes to the client"
    );
    vm.end(2);
    vm.delete(2);
}

#[test]
fn a_failed_callout_of_one_filter_denies() {
    let (host, mut vm) = chain(&[&[], &["idp"]]);
    assert_eq!(request(&mut vm, Part::Headers(true)), Pause);
    vm.answer(2, 1, 0, 0);
    assert_eq!(
        host.take(),
        ["call idp", "reply 500 modelgate.script.host_refused"]
    );
    assert_eq!(request(&mut vm, Part::Trailers), Pause);
}

#[test]
fn a_response_passes_the_filters_in_the_reverse_order() {
    let (host, mut vm) = chain(&[&["chunks"], &["chunks"]]);
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
    assert_eq!(response(&mut vm, Part::Headers(false)), Continue);
    *host.body.borrow_mut() = b"ab".to_vec();
    assert_eq!(response(&mut vm, Part::Body(2, false)), Continue);
    *host.body.borrow_mut() = b"c".to_vec();
    assert_eq!(response(&mut vm, Part::Body(1, true)), Continue);
    assert_eq!(
        host.take(),
        ["body 0+2 := <<ab", "body 0+1 := <<c>>"],
        "what the second wrote is what the first is given"
    );
}

#[test]
fn bytes_that_were_handled_and_are_held_are_not_handled_again() {
    let (host, mut vm) = chain(&[&["idp"], &["body"]]);
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    *host.body.borrow_mut() = b"ab".to_vec();
    assert_eq!(request(&mut vm, Part::Body(2, false)), Pause);
    vm.answer(2, 1, 1, 0);
    assert_eq!(host.take(), ["call idp"]);
    *host.body.borrow_mut() = b"abcd".to_vec();
    assert_eq!(request(&mut vm, Part::Body(4, true)), Continue);
    assert_eq!(host.take(), ["body 0+4 := ABCD"]);
}

#[test]
fn a_proxy_that_does_not_take_the_body_gets_a_refusal_and_keeps_the_message() {
    let (host, mut vm) = chain(&[&[], &["body"]]);
    host.takes_no_body.set(true);
    *host.body.borrow_mut() = b"ab".to_vec();
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(2, true)), Pause);
    assert_eq!(host.take(), ["reply 500 modelgate.script.host_refused"]);
    assert_eq!(request(&mut vm, Part::Trailers), Pause);
    assert_eq!(
        response(&mut vm, Part::Headers(true)),
        Continue,
        "the reply"
    );
}

#[test]
fn a_proxy_that_takes_neither_the_body_nor_the_reply_keeps_everything() {
    let (host, mut vm) = chain(&[&[], &["chunks"]]);
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
    assert_eq!(response(&mut vm, Part::Headers(false)), Continue);
    host.takes_no_body.set(true);
    host.takes_no_reply.set(true);
    *host.body.borrow_mut() = b"ab".to_vec();
    assert_eq!(response(&mut vm, Part::Body(2, false)), Pause);
    assert_eq!(response(&mut vm, Part::Body(2, true)), Pause);
    assert_eq!(response(&mut vm, Part::Headers(false)), Pause);
}

#[test]
fn what_comes_after_the_end_of_an_exchange_without_a_plan_is_kept() {
    let (_, mut vm, _) = configured("[]");
    vm.end(2);
    assert_eq!(request(&mut vm, Part::Body(1, false)), Pause);
}

#[test]
fn a_proxy_that_does_not_hand_over_the_body_gets_a_refusal() {
    let (host, mut vm) = chain(&[&["body"], &["body"]]);
    *host.body.borrow_mut() = b"a".to_vec();
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(2, true)), Pause);
    assert_eq!(host.take(), ["reply 500 modelgate.script.profile_unknown"]);
}

#[test]
fn a_body_before_its_headers_is_kept() {
    let (_, mut vm) = chain(&[&[]]);
    assert_eq!(request(&mut vm, Part::Body(2, true)), Pause);
    assert_eq!(response(&mut vm, Part::Trailers), Pause);
}

#[test]
fn facts_stay_inside_unless_the_configuration_shows_them() {
    for shown in [false, true] {
        let config = serde_json::json!({
            "filters": [{"filter": "herald", "config": {"consumer": "ann"}}, {"filter": "herald"}],
            "facts_to_filter_state": shown,
        });
        let (host, mut vm, taken) = configured(&config.to_string());
        assert!(taken, "{:?}", host.take());
        assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
        assert_eq!(host.take(), ["set x-consumer=ann"]);
        let left = host.properties.borrow().contains_key("modelgate.identity");
        assert_eq!(left, shown);
    }
}

#[test]
fn a_fact_from_outside_is_read_too() {
    let (host, mut vm, _) = configured(r#"{"filters": [{"filter": "herald"}]}"#);
    host.properties.borrow_mut().insert(
        "modelgate.identity".to_owned(),
        br#"{"consumer":"bob"}"#.to_vec(),
    );
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
    assert_eq!(host.take(), ["set x-consumer=bob"]);
}

#[test]
fn what_was_counted_is_told_on_the_tick_and_when_the_chain_ends() {
    let (host, mut vm) = chain(&[&[], &[]]);
    for exchange in [3, 4] {
        vm.create(exchange, 1);
        let action = vm.message(exchange, Side::Request, Part::Headers(true));
        assert_eq!(action, Continue);
    }
    assert_eq!(host.take(), Vec::<String>::new());
    vm.tick(1);
    assert_eq!(
        host.take(),
        [
            "modelgate.script.allowed += 2",
            "modelgate.script.allowed += 2"
        ],
        "each of the two filters has a counter"
    );
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
    vm.delete(1);
    assert_eq!(
        host.take(),
        [
            "modelgate.script.allowed += 1",
            "modelgate.script.allowed += 1"
        ]
    );
}

#[test]
fn a_configuration_that_cannot_run_is_refused_with_every_problem() {
    for (config, problems) in [
        (
            r#"{"filters": []}"#,
            vec![
                r#"chain: configuration refused: filters: lists no filter (list at least one, as {"filter": NAME, "config": {…}})"#,
            ],
        ),
        (
            r#"{"filters": [{"filter": "nobody"}, {"filter": "script", "config": {"steps": [""], "more": 1}}]}"#,
            vec![
                "chain: configuration refused: filters[0].filter: is not a filter of this module (one of herald, script)",
                "chain: configuration refused: filters[1].config.more: unknown field (known here: steps)",
                "chain: configuration refused: filters[1].config.steps[0]: is empty",
            ],
        ),
        (
            r#"{"filters": [{"filter": "herald"}, {"filter": "script"}]}"#,
            vec![
                "chain: configuration refused: filters[1]: script stands behind herald (put script before herald)",
            ],
        ),
        (
            r#"{"filters": [7, {"filter": "script", "config": {"steps": [""]}}]}"#,
            vec!["chain: configuration refused: filters[1].config.steps[0]: is empty"],
        ),
        (r#"{"filters": 1}"#, vec![]),
        ("[]", vec![]),
        ("", vec![]),
    ] {
        let (host, mut vm, taken) = configured(config);
        assert!(!taken, "{config}");
        let said: Vec<String> = host.take();
        assert!(!said.is_empty(), "{config}");
        for problem in problems {
            assert!(said.contains(&format!("log {problem}")), "{said:#?}");
        }
        assert_eq!(
            request(&mut vm, Part::Headers(true)),
            Pause,
            "nothing passes a chain that has no configuration"
        );
    }
}
