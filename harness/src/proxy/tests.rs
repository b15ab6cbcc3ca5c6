//! The rules of exchanges, callback by callback, with guests that are closures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::abi::{BufferKind, MapKind, Status, StreamKind};
use super::*;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

type Behaviour = dyn Fn(&HostHandle, u32, Callback) -> Option<u32>;

/// A guest that is a closure; it panics to trap.
struct Closure(Rc<Behaviour>, String);

struct Instance(Rc<Behaviour>, HostHandle);

impl GuestCode for Closure {
    fn identity(&self) -> String {
        self.1.clone()
    }

    fn start(
        &self,
        host: HostHandle,
        _: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        Ok(Box::new(Instance(Rc::clone(&self.0), host)))
    }
}

impl Guest for Instance {
    fn enter(&mut self, context: u32, callback: Callback) -> Result<Option<u32>, Trap> {
        let call = std::panic::AssertUnwindSafe(|| (self.0)(&self.1, context, callback));
        std::panic::catch_unwind(call).map_err(|_| Trap {
            message: "panic".into(),
        })
    }
}

fn spec(
    name: &str,
    behaviour: impl Fn(&HostHandle, u32, Callback) -> Option<u32> + 'static,
) -> FilterSpec {
    FilterSpec::new(name, Rc::new(Closure(Rc::new(behaviour), name.to_owned())))
}

/// What a filter was shown, as text.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.borrow_mut().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

fn note(callback: Callback) -> Option<String> {
    Some(match callback {
        Callback::RequestHeaders { end, .. } => format!("headers {end}"),
        Callback::RequestBody { size, end } => format!("body {size} {end}"),
        Callback::RequestTrailers { .. } => "trailers".into(),
        Callback::ResponseHeaders { end, .. } => format!("answer headers {end}"),
        Callback::ResponseBody { size, end } => format!("answer body {size} {end}"),
        Callback::ResponseTrailers { .. } => "answer trailers".into(),
        Callback::HttpCallResponse { headers, .. } => format!("call {headers}"),
        Callback::Done => "done".into(),
        Callback::Log => "log".into(),
        Callback::Delete => "delete".into(),
        _ => return None,
    })
}

/// A filter that lets everything pass and notes what it sees.
fn watcher(name: &str, notes: &Notes) -> FilterSpec {
    let notes = notes.clone();
    spec(name, move |_, _, callback| {
        if let Some(note) = note(callback) {
            notes.add(note);
        }
        passing(callback)
    })
}

fn passing(callback: Callback) -> Option<u32> {
    Some(u32::from(matches!(
        callback,
        Callback::VmStart { .. } | Callback::Configure { .. } | Callback::Done
    )))
}

fn call_headers() -> Headers {
    [
        (":method", "GET"),
        (":path", "/check"),
        (":authority", "idp"),
    ]
    .into_iter()
    .map(|(n, v)| (n, v.as_bytes()))
    .collect()
}

fn dispatch(host: &HostHandle, timeout_ms: u32) -> u32 {
    host.http_call(b"idp", call_headers(), b"", Headers::new(), timeout_ms)
        .unwrap()
}

fn network(clusters: &[(&str, Answer)]) -> Script {
    let mut script = Script::default();
    script.cluster(
        "upstream",
        vec![Answer::Reply(Reply::status(200).body("hello"))],
    );
    for (name, answer) in clusters {
        script.cluster(name, vec![answer.clone()]);
    }
    script
}

fn post() -> Request {
    Request::post("/v1/x")
        .chunk("abc")
        .chunk_after(Duration::from_millis(5), "de")
}

#[test]
fn a_message_passes_the_chain_in_order_and_the_answer_backwards() {
    let order = Notes::default();
    let filter = |name: &'static str| {
        let order = order.clone();
        spec(name, move |host, _, callback| {
            match callback {
                Callback::RequestHeaders { .. } => {
                    order.add(format!("{name} request"));
                    host.set_header(MapKind::RequestHeaders, b"x-last", name.as_bytes())
                        .unwrap();
                }
                Callback::ResponseHeaders { .. } => {
                    order.add(format!("{name} response"));
                    host.add_header(MapKind::ResponseHeaders, b"x-by", name.as_bytes())
                        .unwrap();
                }
                _ => {}
            }
            passing(callback)
        })
    };
    let mut gateway = Gateway::builder()
        .filter(filter("a"))
        .filter(filter("b"))
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!(
        order.take(),
        ["a request", "b request", "b response", "a response"]
    );
    assert_eq!(outcome.status(), Some(200));
    assert_eq!(
        outcome.upstream.unwrap().headers.text("x-last").as_deref(),
        Some("b")
    );
    let by: Vec<_> = outcome
        .client
        .headers
        .as_ref()
        .unwrap()
        .all("x-by")
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(by, [b"b".to_vec(), b"a".to_vec()]);
}

#[test]
fn the_end_of_a_body_is_a_frame_of_its_own_and_with_trailers_it_never_comes() {
    let notes = Notes::default();
    let mut gateway = Gateway::builder()
        .network(network(&[]))
        .filter(watcher("w", &notes))
        .build()
        .unwrap();
    gateway.exchange(post());
    let ends = ["log", "done", "delete"];
    let answer = [
        "answer headers false",
        "answer body 5 false",
        "answer body 0 true",
    ];
    let whole = [
        "headers false",
        "body 3 false",
        "body 2 false",
        "body 0 true",
    ];
    assert_eq!(notes.take(), [&whole[..], &answer, &ends].concat());
    gateway.exchange(post().trailer("t", "1"));
    let trailers = ["headers false", "body 3 false", "body 2 false", "trailers"];
    assert_eq!(notes.take(), [&trailers[..], &answer, &ends].concat());
}

/// Waits for a callout in headers; what it does with bodies is up to the argument.
fn waiting(notes: &Notes, in_body: u32) -> FilterSpec {
    let notes = notes.clone();
    spec("waiting", move |host, context, callback| {
        match callback {
            Callback::RequestHeaders { .. } => {
                assert_eq!(dispatch(host, 0), 4, "the first of its VM");
                STREAM.with(|stream| stream.set(context));
                return Some(PAUSE);
            }
            Callback::RequestBody { size, end } => {
                notes.add(format!("body {size} {end}"));
                return Some(in_body);
            }
            Callback::HttpCallResponse { .. } => {
                notes.add("answered");
                host.set_effective_context(STREAM.with(std::cell::Cell::get))
                    .unwrap();
                host.resume(StreamKind::Request).unwrap();
            }
            _ => {}
        }
        passing(callback)
    })
}

thread_local! {
    static STREAM: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn slow_idp() -> Script {
    network(&[(
        "idp",
        Answer::Reply(Reply::status(200).after(Duration::from_millis(50))),
    )])
}

#[test]
fn a_request_halted_in_its_headers_waits_and_its_body_is_shown_afterwards() {
    let notes = Notes::default();
    let mut gateway = Gateway::builder()
        .network(slow_idp())
        .filter(waiting(&notes, CONTINUE))
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(notes.take(), ["answered", "body 5 true"]);
    assert_eq!(outcome.upstream.unwrap().body, b"abcde");
    assert_eq!(outcome.client.head_after, Duration::from_millis(50));
}

#[test]
fn where_headers_stop_alone_a_body_that_goes_on_releases_the_request() {
    let notes = Notes::default();
    let builder = Gateway::builder()
        .profile(profile::ENVOY_STOP_ITERATION)
        .network(slow_idp());
    let mut gateway = builder.filter(waiting(&notes, CONTINUE)).build().unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(outcome.status(), Some(200));
    assert_eq!(
        outcome.client.head_after,
        Duration::from_millis(5),
        "nobody waited for the callout"
    );
    let builder = Gateway::builder()
        .profile(profile::ENVOY_STOP_ITERATION)
        .network(slow_idp());
    let mut gateway = builder.filter(waiting(&notes, PAUSE)).build().unwrap();
    notes.take();
    let outcome = gateway.exchange(post());
    assert_eq!(
        notes.take(),
        ["body 3 false", "body 5 false", "body 5 true", "answered"]
    );
    assert_eq!(outcome.client.head_after, Duration::from_millis(50));
    assert_eq!(outcome.upstream.unwrap().body, b"abcde");
}

#[test]
fn a_whole_body_can_be_held_back_and_replaced() {
    let replacing = spec("replacing", |host, _, callback| match callback {
        Callback::RequestHeaders { end: false, .. } => Some(PAUSE),
        Callback::RequestBody { end: false, .. } => Some(PAUSE),
        Callback::RequestBody { size, end: true } => {
            assert_eq!(
                host.buffer(BufferKind::RequestBody, 0, size),
                Ok(b"abcde".to_vec())
            );
            assert_eq!(
                host.set_buffer(BufferKind::RequestBody, 1, 1, b"no"),
                Err(Status::BadArgument)
            );
            assert_eq!(
                host.set_buffer(BufferKind::RequestBody, 0, size, b"one"),
                Ok(())
            );
            assert_eq!(
                host.set_buffer(BufferKind::RequestBody, 0, size, b"two"),
                Ok(()),
                "the last one wins"
            );
            assert_eq!(host.set_buffer(BufferKind::RequestBody, 3, 0, b"!"), Ok(()));
            Some(CONTINUE)
        }
        _ => passing(callback),
    });
    let builder = Gateway::builder().profile(profile::ENVOY_STOP_ITERATION);
    let mut gateway = builder.filter(replacing).build().unwrap();
    assert_eq!(gateway.exchange(post()).upstream.unwrap().body, b"two!");
}

#[test]
fn pausing_in_headers_for_the_body_hangs_where_everything_stops() {
    let notes = Notes::default();
    let inner = notes.clone();
    let hanging = spec("hanging", move |_, _, callback| match callback {
        Callback::RequestHeaders { .. } => Some(PAUSE),
        Callback::RequestBody { .. } => {
            inner.add("body");
            Some(CONTINUE)
        }
        _ => passing(callback),
    });
    let mut gateway = Gateway::builder().filter(hanging).build().unwrap();
    let outcome = gateway.exchange(post());
    assert!(!outcome.over);
    assert_eq!((outcome.status(), outcome.upstream), (None, None));
    assert!(notes.take().is_empty());
}

#[test]
fn too_much_held_back_is_refused_by_the_proxy() {
    let keeping = spec("keeping", |_, _, callback| match callback {
        Callback::RequestBody { .. } => Some(PAUSE),
        _ => passing(callback),
    });
    let tight = Profile {
        buffer_limit_bytes: 4,
        ..profile::ENVOY
    };
    let mut gateway = Gateway::builder()
        .profile(tight)
        .filter(keeping)
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(413), "Payload Too Large")
    );
    assert_eq!(
        outcome.details.as_deref(),
        Some("request_payload_too_large")
    );
}

#[test]
fn a_sender_waits_while_everything_is_stopped_and_loses_nothing() {
    let notes = Notes::default();
    let tight = Profile {
        buffer_limit_bytes: 4,
        ..profile::ENVOY
    };
    let builder = Gateway::builder().profile(tight).network(slow_idp());
    let mut gateway = builder.filter(waiting(&notes, CONTINUE)).build().unwrap();
    let outcome = gateway.exchange(post().chunk("fgh").chunk("ij"));
    assert_eq!(outcome.upstream.unwrap().body, b"abcdefghij");
}

fn denying(name: &str, status: u32) -> FilterSpec {
    spec(name, move |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            let headers = [("x-reason", &b"no"[..])].into_iter().collect();
            host.reply(status, b"denied by test", b"denied", headers, u32::MAX)
                .unwrap();
        }
        passing(callback)
    })
}

#[test]
fn a_reply_passes_back_through_the_filters_that_saw_the_request_and_only_those() {
    let (before, after) = (Notes::default(), Notes::default());
    let builder = Gateway::builder().filter(watcher("before", &before));
    let mut gateway = builder
        .filter(denying("denying", 403))
        .filter(watcher("after", &after))
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(403), "denied")
    );
    assert_eq!(outcome.client.header("x-reason").as_deref(), Some("no"));
    assert_eq!(outcome.details.as_deref(), Some("denied_by_test"));
    assert_eq!(outcome.upstream, None);
    let seen = [
        "headers false",
        "answer headers false",
        "answer body 6 true",
        "log",
        "done",
        "delete",
    ];
    assert_eq!(before.take(), seen);
    assert_eq!(
        after.take(),
        ["log", "done", "delete"],
        "it is only told of the end"
    );
}

#[test]
fn a_reply_during_the_response_replaces_it_unseen_and_after_its_head_breaks_it_off() {
    let replying = |in_headers: bool| {
        spec("replying", move |host, _, callback| {
            let now = match callback {
                Callback::ResponseHeaders { .. } => in_headers,
                Callback::ResponseBody { .. } => !in_headers,
                _ => false,
            };
            if now {
                host.reply(502, b"", b"broken", Headers::new(), u32::MAX)
                    .unwrap();
            }
            passing(callback)
        })
    };
    let notes = Notes::default();
    let builder = || {
        Gateway::builder()
            .network(network(&[]))
            .filter(watcher("w", &notes))
    };
    let outcome = builder()
        .filter(replying(true))
        .build()
        .unwrap()
        .exchange(Request::get("/"));
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(502), "broken")
    );
    assert_eq!(notes.take(), ["headers true", "log", "done", "delete"]);
    let outcome = builder()
        .filter(replying(false))
        .build()
        .unwrap()
        .exchange(Request::get("/"));
    assert_eq!(
        (
            outcome.status(),
            outcome.client.complete,
            outcome.client.reset
        ),
        (Some(200), false, true)
    );
}

#[test]
fn callouts_fail_as_answers_of_the_proxy() {
    let seen = Notes::default();
    let asking = |timeout_ms: u32| {
        let seen = seen.clone();
        spec("asking", move |host, _, callback| {
            match callback {
                Callback::RequestHeaders { .. } => {
                    let unknown = host.http_call(b"nobody", call_headers(), b"", Headers::new(), 5);
                    assert_eq!(unknown, Err(Status::BadArgument));
                    assert_eq!(
                        host.http_call(b"idp", Headers::new(), b"", Headers::new(), 5),
                        Err(Status::BadArgument)
                    );
                    dispatch(host, timeout_ms);
                }
                Callback::HttpCallResponse { headers, body, .. } => {
                    let status = host.header_value(MapKind::CallHeaders, b":status");
                    let text = host
                        .buffer(BufferKind::CallBody, 0, body)
                        .unwrap_or_default();
                    let status = status.map(|status| String::from_utf8(status).unwrap());
                    seen.add(format!(
                        "{headers} {status:?} {}",
                        String::from_utf8(text).unwrap()
                    ));
                }
                _ => {}
            }
            passing(callback)
        })
    };
    let run = |timeout_ms, answer| {
        let mut gateway = Gateway::builder()
            .network(network(&[("idp", answer)]))
            .filter(asking(timeout_ms))
            .build()
            .unwrap();
        gateway.exchange(Request::get("/"));
        gateway.advance(Duration::from_secs(2));
        seen.take()
    };
    assert_eq!(
        run(250, Answer::Hang),
        ["3 Ok(\"504\") upstream request timeout"]
    );
    assert!(run(0, Answer::Hang).is_empty(), "no time-out, no answer");
    assert!(run(250, Answer::Refuse)[0].starts_with("3 Ok(\"503\") upstream connect error"));
    assert!(
        run(250, Answer::Reset(Duration::ZERO))[0]
            .starts_with("3 Ok(\"503\") upstream connect error")
    );
    let torn = Reply {
        ending: Ending::Reset,
        ..Reply::status(200).body("x")
    };
    assert_eq!(run(250, Answer::Reply(torn)), ["0 Err(BadArgument) "]);
    assert_eq!(
        run(250, Answer::Reply(Reply::status(401).body("no"))),
        ["2 Ok(\"401\") no"]
    );
}

#[test]
fn request_headers_are_out_of_reach_once_they_have_gone_and_back_when_all_is_over() {
    let reading = spec("reading", |host, _, callback| {
        let value = host.header_value(MapKind::RequestHeaders, b":path");
        match callback {
            Callback::RequestHeaders { .. } => {
                assert_eq!(value, Ok(b"/v1/x".to_vec()));
                assert_eq!(
                    host.set_header(MapKind::ResponseHeaders, b"a", b"b"),
                    Err(Status::BadArgument)
                );
                assert_eq!(
                    host.header_value(MapKind::RequestHeaders, b"none"),
                    Err(Status::NotFound)
                );
                assert_eq!(host.property(b"request\0path"), Ok(b"/v1/x".to_vec()));
            }
            Callback::RequestBody { .. } | Callback::ResponseHeaders { .. } => {
                assert_eq!(value, Err(Status::BadArgument));
                assert_eq!(
                    host.set_header(MapKind::RequestHeaders, b"a", b"b"),
                    Err(Status::BadArgument)
                );
                assert_eq!(
                    host.header_pairs(MapKind::RequestHeaders),
                    Ok(Headers::new())
                );
                assert_eq!(host.property(b"request\0path"), Err(Status::NotFound));
            }
            Callback::Log => {
                assert_eq!(value, Ok(b"/v1/x".to_vec()));
                assert_eq!(
                    host.property(b"response\0code"),
                    Ok(200i64.to_le_bytes().to_vec())
                );
                assert_eq!(
                    host.header_value(MapKind::RequestHeaders, b"none"),
                    Err(Status::NotFound)
                );
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder().filter(reading).build().unwrap();
    gateway.exchange(post());
    assert_eq!(gateway.timeline().traps().collect::<Vec<_>>(), []);
}

fn fragile(policy: FailurePolicy) -> FilterSpec {
    let fragile = spec("fragile", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            assert!(
                host.header_value(MapKind::RequestHeaders, b"x-panic")
                    .is_err()
            );
            host.set_header(MapKind::RequestHeaders, b"x-filtered", b"yes")
                .unwrap();
        }
        passing(callback)
    });
    fragile.failure_policy(policy)
}

#[test]
fn after_a_trap_each_policy_does_what_it_says() {
    let run = |policy| {
        let mut gateway = Gateway::builder().filter(fragile(policy)).build().unwrap();
        let mut seen = Vec::new();
        for (wait, panic) in [(0, true), (0, false), (0, true), (0, false), (2, false)] {
            gateway.advance(Duration::from_secs(wait));
            let request = if panic {
                Request::get("/").header("x-panic", "1")
            } else {
                Request::get("/")
            };
            let outcome = gateway.exchange(request);
            let filtered = outcome
                .upstream
                .is_some_and(|upstream| upstream.headers.first("x-filtered").is_some());
            seen.push((outcome.client.status().unwrap(), filtered));
        }
        seen
    };
    const UNAVAILABLE: (u16, bool) = (503, false);
    const FILTERED: (u16, bool) = (200, true);
    const UNFILTERED: (u16, bool) = (200, false);
    assert_eq!(
        run(FailurePolicy::Reload),
        [UNAVAILABLE, FILTERED, UNAVAILABLE, UNAVAILABLE, FILTERED],
        "the back-off holds"
    );
    assert_eq!(run(FailurePolicy::Closed), [UNAVAILABLE; 5]);
    assert_eq!(
        run(FailurePolicy::Open),
        [UNAVAILABLE, UNFILTERED, UNFILTERED, UNFILTERED, UNFILTERED]
    );
    assert_eq!(run(FailurePolicy::OpenAtOnce), [UNFILTERED; 5]);
}

#[test]
fn a_trap_in_a_callouts_answer_leaves_the_client_hanging() {
    let trapping = spec("trapping", |host, _, callback| match callback {
        Callback::RequestHeaders { .. } => {
            dispatch(host, 100);
            Some(PAUSE)
        }
        Callback::HttpCallResponse { .. } => panic!("as some filters do"),
        _ => passing(callback),
    });
    let mut gateway = Gateway::builder()
        .network(slow_idp())
        .filter(trapping)
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!((outcome.status(), outcome.over), (None, false));
    assert_eq!(gateway.timeline().traps().count(), 1);
}

#[test]
fn a_client_that_leaves_ends_the_exchange_and_its_upstream() {
    let notes = Notes::default();
    let builder = Gateway::builder().network(network(&[("upstream", Answer::Hang)]));
    let mut gateway = builder.filter(watcher("w", &notes)).build().unwrap();
    let outcome = gateway.exchange(Request::get("/").disconnect_after(Duration::from_millis(20)));
    assert!(outcome.over && !outcome.client.complete);
    assert_eq!(
        outcome.details.as_deref(),
        Some("downstream_remote_disconnect")
    );
    assert_eq!(notes.take(), ["headers true", "log", "done", "delete"]);
    let abandoned = gateway
        .timeline()
        .events()
        .any(|event| matches!(event, Event::Abandoned { .. }));
    assert!(abandoned);
}

#[test]
fn upstreams_that_fail_are_answered_for() {
    let run = |answer| {
        let mut gateway = Gateway::builder()
            .network(network(&[("upstream", answer)]))
            .build()
            .unwrap();
        let outcome = gateway.exchange(Request::get("/"));
        (
            outcome.status(),
            outcome.client.head_after.as_secs(),
            outcome.client.reset,
        )
    };
    assert_eq!(run(Answer::Refuse), (Some(503), 0, false));
    assert_eq!(
        run(Answer::Reset(Duration::from_secs(1))),
        (Some(503), 1, false)
    );
    assert_eq!(run(Answer::Hang), (Some(504), 15, false));
    let torn = Reply {
        ending: Ending::Reset,
        ..Reply::status(200).body("x")
    };
    assert_eq!(run(Answer::Reply(torn)), (Some(200), 0, true));
}

#[test]
fn workers_have_vms_of_their_own_and_share_data_and_metrics() {
    let counting = spec("counting", |host, _, callback| {
        match callback {
            Callback::RequestHeaders { .. } => {
                let (value, cas) = host.shared(b"n").unwrap_or((vec![0], 0));
                host.set_shared(b"n", &[value[0] + 1], cas).unwrap();
                host.set_header(
                    MapKind::RequestHeaders,
                    b"x-n",
                    (value[0] + 1).to_string().as_bytes(),
                )
                .unwrap();
            }
            Callback::Configure { .. } => {
                let metric = host
                    .define_metric(abi::MetricKind::Counter, b"configured")
                    .unwrap();
                host.increment_metric(metric, 1).unwrap();
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder()
        .workers(2)
        .filter(counting)
        .build()
        .unwrap();
    let last: Vec<_> = (0..3)
        .map(|_| {
            gateway
                .exchange(Request::get("/"))
                .upstream
                .unwrap()
                .headers
                .text("x-n")
                .unwrap()
        })
        .collect();
    assert_eq!(last, ["1", "2", "3"]);
    assert_eq!(
        gateway.metric("configured"),
        Some(4),
        "two workers, the main thread, and the template"
    );
}

#[test]
fn timers_tick_on_every_thread_but_the_template_until_they_are_stopped() {
    let ticking = spec("ticking", |host, _, callback| {
        match callback {
            Callback::Configure { .. } => host.set_tick_period(100).unwrap(),
            Callback::Tick => {
                let metric = host
                    .define_metric(abi::MetricKind::Counter, b"ticks")
                    .unwrap();
                host.increment_metric(metric, 1).unwrap();
                if host.metric(metric) == Ok(6) {
                    host.set_tick_period(0).unwrap();
                }
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder().filter(ticking).build().unwrap();
    gateway.advance(Duration::from_millis(350));
    assert_eq!(
        gateway.metric("ticks"),
        Some(6),
        "main thread and worker, three times"
    );
    gateway.advance(Duration::from_millis(300));
    assert_eq!(gateway.metric("ticks"), Some(9), "one of them has stopped");
}

#[test]
fn a_configuration_that_is_refused_stops_the_gateway_with_what_the_filter_said() {
    let refusing = spec("refusing", |host, _, callback| match callback {
        Callback::Configure { size } => {
            assert_eq!(
                host.buffer(BufferKind::PluginConfiguration, 0, size),
                Ok(b"{}".to_vec())
            );
            host.log(abi::LogLevel::Error, b"nothing is right").unwrap();
            Some(0)
        }
        _ => passing(callback),
    });
    let refused = Gateway::builder()
        .filter(refusing.configuration("{}"))
        .build()
        .err()
        .unwrap();
    assert_eq!(
        (refused.filter.as_str(), refused.log.as_slice()),
        ("refusing", &["nothing is right".to_owned()][..])
    );
}

#[test]
fn routes_carry_metadata_and_switch_filters() {
    let reading = spec("reading", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            let profile =
                host.property(b"xds\0route_metadata\0filter_metadata\0modelgate\0profile");
            host.set_header(
                MapKind::RequestHeaders,
                b"x-profile",
                &profile.unwrap_or_default(),
            )
            .unwrap();
            host.set_property(b"fact", b"left").unwrap();
        }
        passing(callback)
    });
    let metadata = serde_json::json!({"modelgate": {"profile": "strict"}});
    let strict = Route {
        path: PathMatch::Prefix("/strict".into()),
        metadata: metadata.as_object().cloned().unwrap(),
        ..Route::to("upstream")
    };
    let off = Route {
        switches: [("reading".to_owned(), false)].into(),
        ..Route::to("upstream")
    };
    let host = VirtualHost {
        domains: vec!["*".into()],
        routes: vec![strict, off],
        ..VirtualHost::default()
    };
    let mut gateway = Gateway::builder()
        .virtual_host(host)
        .filter(reading)
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::get("/strict/1"));
    assert_eq!(
        outcome
            .upstream
            .unwrap()
            .headers
            .text("x-profile")
            .as_deref(),
        Some("strict")
    );
    assert_eq!(outcome.filter_state.get("fact"), Some(&b"left".to_vec()));
    let outcome = gateway.exchange(Request::get("/other"));
    assert_eq!(outcome.upstream.unwrap().headers.first("x-profile"), None);
    let missing = Gateway::builder().virtual_host(VirtualHost {
        domains: vec!["x".into()],
        ..VirtualHost::default()
    });
    assert_eq!(
        missing
            .build()
            .unwrap()
            .exchange(Request::get("/"))
            .status(),
        Some(404)
    );
}

#[test]
fn header_values_that_would_break_a_line_never_reach_the_upstream() {
    let breaking = spec("breaking", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            host.set_header(MapKind::RequestHeaders, b"x-a", b"1\r\nx-admin: yes")
                .unwrap();
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder().filter(breaking).build().unwrap();
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!((outcome.status(), outcome.upstream), (Some(503), None));
}

#[test]
fn repeated_headers_that_the_proxy_keeps_by_number_arrive_joined() {
    let mut gateway = Gateway::builder().build().unwrap();
    let request = Request::get("/")
        .header("authorization", "a")
        .header("authorization", "b")
        .header("x-key", "a")
        .header("x-key", "b");
    let headers = gateway.exchange(request).upstream.unwrap().headers;
    assert_eq!(headers.all("authorization").collect::<Vec<_>>(), [b"a,b"]);
    assert_eq!(headers.all("x-key").collect::<Vec<_>>(), [b"a", b"b"]);
}

#[test]
fn too_many_request_headers_are_refused_before_any_filter() {
    let notes = Notes::default();
    let mut gateway = Gateway::builder()
        .filter(watcher("w", &notes))
        .build()
        .unwrap();
    let request = (0..101).fold(Request::get("/"), |request, number| {
        request.header(&format!("x-{number}"), "1")
    });
    let outcome = gateway.exchange(request);
    assert_eq!(
        (outcome.status(), outcome.over, outcome.upstream),
        (Some(431), true, None)
    );
    assert!(notes.take().is_empty());
}

#[test]
fn several_exchanges_are_under_way_at_once() {
    let builder = Gateway::builder().network(network(&[(
        "upstream",
        Answer::Reply(Reply::status(200).after(Duration::from_millis(10))),
    )]));
    let mut gateway = builder.build().unwrap();
    let ids: Vec<_> = (0..5).map(|_| gateway.submit(Request::get("/"))).collect();
    assert!(ids.iter().all(|id| !gateway.is_over(*id)));
    gateway.advance(Duration::from_millis(10));
    assert!(
        ids.iter()
            .all(|id| gateway.outcome(*id).status() == Some(200))
    );
}

#[test]
fn trailers_can_be_added_behind_the_last_piece() {
    let adding = spec("adding", |host, _, callback| {
        if let Callback::RequestBody { end: true, .. } = callback {
            host.add_header(MapKind::RequestTrailers, b"x-sum", b"1")
                .unwrap();
        }
        passing(callback)
    });
    let after = Notes::default();
    let mut gateway = Gateway::builder()
        .filter(adding)
        .filter(watcher("after", &after))
        .build()
        .unwrap();
    let upstream = gateway.exchange(post()).upstream.unwrap();
    assert_eq!(
        upstream.trailers.unwrap().text("x-sum").as_deref(),
        Some("1")
    );
    assert!(upstream.complete);
    assert_eq!(
        after.take().get(..5).unwrap(),
        [
            "headers false",
            "body 3 false",
            "body 2 false",
            "body 0 false",
            "trailers"
        ]
    );
}
