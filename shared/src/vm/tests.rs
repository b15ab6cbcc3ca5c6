//! The state machine of a VM against a host that records, callback by callback: the traps that only
//! real hosts show.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

mod chain;
mod defects;
mod endings;
mod waking;

use super::{Part, Vm};
use crate::call::Call;
use crate::config::{Problems, Setup};
use crate::exchange::{Exchange, Forwarded};
use crate::filter::{Filter, Needs, Registration};
use crate::headers::encode;
use crate::host::{
    Buffer, Dispatch, Host, Level, LocalReply, Map, MetricKind, Proxy, Side, Status,
};
use crate::problem::Reply;
use crate::problem::common::{HOST_REFUSED, PROFILE_UNKNOWN};
use crate::vm::verdict::Action::{self, Continue, Pause};

/// A host that keeps what it is told and gives what it was given.
#[derive(Default)]
struct Recorder {
    told: RefCell<Vec<String>>,
    body: RefCell<Vec<u8>>,
    properties: RefCell<BTreeMap<String, Vec<u8>>>,
    request: RefCell<Vec<(String, String)>>,
    config: RefCell<Vec<u8>>,
    calls: RefCell<u32>,
    metrics: RefCell<Vec<String>>,
    now: RefCell<u64>,
    takes_no_reply: Cell<bool>,
    takes_no_body: Cell<bool>,
}

impl Recorder {
    fn tell(&self, line: String) {
        self.told.borrow_mut().push(line);
    }

    fn take(&self) -> Vec<String> {
        self.told.take()
    }
}

impl Host for Recorder {
    fn now_ns(&self) -> u64 {
        *self.now.borrow()
    }

    fn random(&self) -> u64 {
        4
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        if path == ["plugin_vm_id"] {
            return Ok(Vec::new());
        }
        self.properties
            .borrow()
            .get(&path.join("."))
            .cloned()
            .ok_or(Status::NotFound)
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        self.properties
            .borrow_mut()
            .insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn shared(&self, _: &str) -> Result<(Vec<u8>, u32), Status> {
        Err(Status::NotFound)
    }

    fn set_shared(&self, _: &str, _: &[u8], _: u32) -> Result<(), Status> {
        Ok(())
    }

    fn define_metric(&self, _: MetricKind, name: &str) -> Result<u32, Status> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push(name.to_owned());
        u32::try_from(metrics.len() - 1).map_err(|_| Status::InternalFailure)
    }

    fn increment(&self, metric: u32, by: i64) -> Result<(), Status> {
        self.tell(format!(
            "{} += {by}",
            self.metrics.borrow()[metric as usize]
        ));
        Ok(())
    }

    fn record(&self, _: u32, _: u64) -> Result<(), Status> {
        Ok(())
    }

    fn log(&self, _: Level, line: &str) {
        self.tell(format!("log {line}"));
    }

    fn foreign(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Status> {
        Err(Status::NotFound)
    }
}

impl Proxy for Recorder {
    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status> {
        match map {
            Map::RequestHeaders => Ok(encode(
                self.request
                    .borrow()
                    .iter()
                    .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
                    .collect::<Vec<_>>(),
            )),
            _ => Ok(encode([(b":status".as_slice(), b"200".as_slice())])),
        }
    }

    fn set_header(&self, _: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.tell(format!("set {name}={}", String::from_utf8_lossy(value)));
        Ok(())
    }

    fn add_header(&self, _: Map, _: &str, _: &[u8]) -> Result<(), Status> {
        Err(Status::Unimplemented)
    }

    fn remove_header(&self, _: Map, name: &str) -> Result<(), Status> {
        self.tell(format!("remove {name}"));
        Ok(())
    }

    fn body(&self, buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status> {
        let bytes = match buffer {
            Buffer::PluginConfig => self.config.borrow().clone(),
            _ => self.body.borrow().clone(),
        };
        Ok(bytes.into_iter().skip(start).take(max).collect())
    }

    fn set_body(&self, _: Buffer, start: usize, size: usize, data: &[u8]) -> Result<(), Status> {
        if self.takes_no_body.get() {
            return Err(Status::BadArgument);
        }
        self.tell(format!(
            "body {start}+{size} := {}",
            String::from_utf8_lossy(data)
        ));
        *self.body.borrow_mut() = data.to_vec();
        Ok(())
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status> {
        if self.takes_no_reply.get() {
            return Err(Status::InternalFailure);
        }
        self.tell(format!("reply {} {}", reply.status, reply.details));
        Ok(())
    }

    fn resume(&self, side: Side) -> Result<(), Status> {
        self.tell(format!("resume {side:?}"));
        Ok(())
    }

    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status> {
        if call.upstream == "unknown" {
            return Err(Status::BadArgument);
        }
        *self.calls.borrow_mut() += 1;
        self.tell(format!("call {}", call.upstream));
        Ok(*self.calls.borrow())
    }

    fn set_tick(&self, _: u32) -> Result<(), Status> {
        Ok(())
    }

    fn focus(&self, _: u32) -> Result<(), Status> {
        Ok(())
    }
}

#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
struct Steps {
    /// What `handle` does, in order.
    steps: Vec<String>,
}

/// A filter that does what its configuration lists.
struct Script;

impl Filter for Script {
    const NAME: &'static str = "script";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        response_headers: true,
        request_body: true,
        response_body: true,
        response_trailers: false,
        holds: true,
        callouts: true,
        reserves: false,
        end: true,
        tick_ms: 0,
        order: 0,
    };
    type Config = Steps;
    type Plan = Vec<String>;

    fn compile(config: Steps, _: &Setup<'_>, problems: &mut Problems) -> Option<Vec<String>> {
        for (at, step) in config.steps.iter().enumerate() {
            if step.is_empty() {
                problems.add(format!("steps[{at}]"), "is empty", "");
            }
        }
        Some(config.steps)
    }

    async fn handle(plan: Rc<Vec<String>>, exchange: Exchange) -> Result<(), Reply> {
        for step in plan.iter() {
            match step.as_str() {
                "deny" => return Err(Reply::new(&HOST_REFUSED)),
                "forward" => {
                    let forwarded = exchange.forward().await;
                    exchange.request().set_header(
                        "x-forwarded",
                        if forwarded == Forwarded::Answered {
                            "yes"
                        } else {
                            "no"
                        },
                    )?;
                }
                "end" => exchange.end().await,
                "body" => {
                    let body = exchange
                        .request()
                        .body(10)
                        .await
                        .map_err(|_| Reply::new(&PROFILE_UNKNOWN))?;
                    exchange.request().replace_body(body.to_ascii_uppercase())?;
                }
                "chunks" => {
                    let body = exchange.response().rewrite()?;
                    while let Some(chunk) = body.chunk().await.unwrap_or(None) {
                        body.write(b"<");
                        body.write(&chunk);
                    }
                    body.write(b">");
                }
                upstream => {
                    let call = Call {
                        upstream: upstream.to_owned(),
                        timeout_ms: 5,
                        max_answer_bytes: 100,
                        ..Call::default()
                    };
                    exchange
                        .call(&call)
                        .await
                        .map_err(|_| Reply::new(&HOST_REFUSED))?;
                }
            }
        }
        Ok(())
    }
}

fn vm(config: &str) -> (Rc<Recorder>, Vm) {
    let host = Rc::new(Recorder::default());
    *host.config.borrow_mut() = config.as_bytes().to_vec();
    *host.request.borrow_mut() = vec![
        (":path".into(), "/v1/x".into()),
        (":method".into(), "POST".into()),
    ];
    let mut vm = Vm::new(
        Rc::clone(&host) as Rc<dyn Proxy>,
        &[Registration::of::<Script>()],
    );
    vm.create(1, 0);
    assert!(vm.configure(1, config.len()), "{:?}", host.take());
    // What is said at the start has tests of its own (announce.rs).
    host.take();
    vm.create(2, 1);
    (host, vm)
}

fn request(vm: &mut Vm, part: Part) -> Action {
    vm.message(2, Side::Request, part)
}

#[test]
fn nothing_releases_a_request_whose_callout_is_open() {
    let (host, mut vm) = vm(r#"{"steps": ["idp"]}"#);
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(3, false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(6, true)), Pause);
    assert_eq!(request(&mut vm, Part::Trailers), Pause);
    assert_eq!(host.take(), ["call idp"]);
    vm.answer(2, 1, 1, 0);
    assert_eq!(
        host.take(),
        ["modelgate.script.allowed += 1", "resume Request"]
    );
}

#[test]
fn a_failed_callout_denies() {
    let (host, mut vm) = vm(r#"{"steps": ["idp"]}"#);
    assert_eq!(request(&mut vm, Part::Headers(true)), Pause);
    host.take();
    vm.answer(2, 1, 0, 0);
    assert_eq!(
        host.take(),
        [
            "modelgate.script.reason_host_refused.denied += 1",
            "reply 500 modelgate.script.host_refused"
        ]
    );
    assert_eq!(
        vm.message(2, Side::Response, Part::Headers(false)),
        Continue,
        "our own reply is not held"
    );
}

#[test]
fn an_unknown_upstream_denies_at_once() {
    let (host, mut vm) = vm(r#"{"steps": ["unknown"]}"#);
    assert_eq!(request(&mut vm, Part::Headers(true)), Pause);
    assert!(
        host.take()
            .contains(&"reply 500 modelgate.script.host_refused".to_owned())
    );
}

#[test]
fn a_body_that_ends_with_trailers_is_still_read() {
    let (host, mut vm) = vm(r#"{"steps": ["body"]}"#);
    *host.body.borrow_mut() = b"abc".to_vec();
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(3, false)), Pause);
    assert_eq!(request(&mut vm, Part::Trailers), Continue);
    assert_eq!(
        host.take(),
        ["body 0+3 := ABC", "modelgate.script.allowed += 1"]
    );
}

#[test]
fn a_body_over_its_limit_is_refused_before_it_is_complete() {
    let (host, mut vm) = vm(r#"{"steps": ["body"]}"#);
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(11, false)), Pause);
    assert!(
        host.take()
            .contains(&"reply 500 modelgate.script.profile_unknown".to_owned())
    );
    assert_eq!(request(&mut vm, Part::Body(12, true)), Pause);
}

#[test]
fn an_answer_stays_held_when_the_proxy_does_not_take_the_reply_in_its_place() {
    let (host, mut vm) = vm(r#"{"steps": ["forward", "deny"]}"#);
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
    host.takes_no_reply.set(true);
    for part in [
        Part::Headers(false),
        Part::Body(8, false),
        Part::Body(8, true),
        Part::Trailers,
    ] {
        assert_eq!(vm.message(2, Side::Response, part), Pause);
    }
}

#[test]
fn the_writes_of_one_step_are_joined() {
    let (host, mut vm) = vm(r#"{"steps": ["forward", "chunks"]}"#);
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
    assert_eq!(
        vm.message(2, Side::Response, Part::Headers(false)),
        Continue
    );
    host.take();
    *host.body.borrow_mut() = b"one".to_vec();
    assert_eq!(
        vm.message(2, Side::Response, Part::Body(3, false)),
        Continue
    );
    assert_eq!(host.take(), ["body 0+3 := <one"]);
    *host.body.borrow_mut() = b"two".to_vec();
    assert_eq!(vm.message(2, Side::Response, Part::Body(3, true)), Continue);
    assert_eq!(host.take(), ["body 0+3 := <two>"]);
}

#[test]
fn the_end_wakes_whoever_waits_for_a_response_that_never_came() {
    let (host, mut vm) = vm(r#"{"steps": ["forward", "end", "forward"]}"#);
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
    host.take();
    vm.end(2);
    assert_eq!(host.take(), ["set x-forwarded=no", "set x-forwarded=no"]);
}

#[test]
fn the_route_chooses_the_profile_and_an_unknown_one_is_refused() {
    let config = r#"{"steps": [], "profiles": {"strict": {"steps": ["deny"]}}}"#;
    for (profile, expected) in [
        (&b"strict"[..], "host_refused"),
        (b"other", "profile_unknown"),
        // The number 0.1, as Envoy hands it over.
        (&0.1_f64.to_le_bytes(), "profile_unknown"),
    ] {
        let (host, mut vm) = vm(config);
        host.properties.borrow_mut().insert(
            "xds.route_metadata.filter_metadata.modelgate.profile".into(),
            profile.into(),
        );
        assert_eq!(request(&mut vm, Part::Headers(true)), Pause);
        assert!(
            host.take().iter().any(|line| line.ends_with(expected)),
            "{profile:?}"
        );
    }
}

#[test]
fn a_header_raises_a_profile_but_never_lowers_it() {
    let config = r#"{"steps": ["deny"], "profiles": {"open": {"steps": []}, "strict": {"rank": 2, "steps": ["deny"]}, "raised": {"rank": 1, "steps": []}},
        "profile_rules": [{"match": {"methods": ["POST"]}, "profile": "strict"}, {"match": {"headers": [{"name": "x-want"}]}, "profile": "raised"}]}"#;
    let (host, mut vm) = vm(config);
    host.request
        .borrow_mut()
        .push(("x-want".into(), "1".into()));
    assert_eq!(
        request(&mut vm, Part::Headers(true)),
        Pause,
        "raised (1) is below strict (2)"
    );
    host.request.borrow_mut()[1].1 = "GET".into();
    vm.create(3, 1);
    assert_eq!(
        vm.message(3, Side::Request, Part::Headers(true)),
        Continue,
        "raised (1) is above the base (0)"
    );
}

#[test]
fn a_path_rule_cannot_be_evaded_by_writing_the_path_otherwise() {
    let config = r#"{"profiles": {"strict": {"steps": ["deny"]}}, "profile_rules": [{"match": {"path": "/v1/models/{model}/**"}, "profile": "strict"}]}"#;
    for (path, reason) in [
        ("/v1/models/m/x?y=1", "host_refused"),
        ("/v1/%6dodels/m", "path_ambiguous"),
        ("/v1/./models/m", "path_ambiguous"),
        ("/v1//models/m", "path_ambiguous"),
        ("/v1%2fmodels/m", "path_ambiguous"),
    ] {
        let (host, mut vm) = vm(config);
        host.request.borrow_mut()[0].1 = path.into();
        assert_eq!(request(&mut vm, Part::Headers(true)), Pause, "{path}");
        let told = host.take();
        assert!(
            told.iter().any(|line| line.ends_with(reason)),
            "{path}: {told:?}"
        );
    }
    let (host, mut vm) = vm(config);
    host.request.borrow_mut()[0].1 = "/v1/other".into();
    assert_eq!(request(&mut vm, Part::Headers(true)), Continue);
}

#[test]
fn a_configuration_is_refused_with_all_that_is_wrong() {
    let host = Rc::new(Recorder::default());
    let config = r#"{"stesp": [], "steps": ["", "a", ""], "profiles": {"p": {"steps": 5}}, "profile_rules": [{"match": {"headers": [{"name": "x"}]}, "profile": "p"}, {"match": {}, "profile": "q"}]}"#;
    *host.config.borrow_mut() = config.as_bytes().to_vec();
    let mut vm = Vm::new(
        Rc::clone(&host) as Rc<dyn Proxy>,
        &[Registration::of::<Script>()],
    );
    vm.create(1, 0);
    assert!(!vm.configure(1, config.len()));
    let told = host.take().join("\n");
    for expected in [
        "stesp: unknown field (did you mean `steps`?)",
        "steps[0]: is empty",
        "steps[2]: is empty",
        "profiles.p.steps: has the wrong type",
        "profile_rules[0].match.headers",
        "profile_rules[1].profile",
        "profile_rules[1].match: has no condition",
    ] {
        assert!(told.contains(expected), "{expected} is missing in\n{told}");
    }
}

#[test]
fn an_exchange_without_a_plan_is_refused() {
    let host = Rc::new(Recorder::default());
    let mut vm = Vm::new(
        Rc::clone(&host) as Rc<dyn Proxy>,
        &[Registration::of::<Script>()],
    );
    vm.create(1, 0);
    vm.create(2, 1);
    assert_eq!(request(&mut vm, Part::Headers(true)), Pause);
    assert!(
        host.take()
            .contains(&"reply 500 modelgate.unconfigured.plan_missing".to_owned())
    );
}

/// A filter whose exchanges ask the background task, which answers at once.
struct Asker;

impl Filter for Asker {
    const NAME: &'static str = "asker";
    const NEEDS: Needs = Needs {
        buffers_request: false,
        response_headers: false,
        request_body: false,
        response_body: false,
        response_trailers: false,
        holds: true,
        callouts: false,
        reserves: false,
        end: false,
        tick_ms: 100,
        order: 0,
    };
    type Config = Steps;
    type Plan = crate::signal::Signal;

    fn compile(_: Steps, _: &Setup<'_>, _: &mut Problems) -> Option<Self::Plan> {
        Some(Self::Plan::default())
    }

    async fn handle(plan: Rc<Self::Plan>, exchange: Exchange) -> Result<(), Reply> {
        exchange.nudge_background();
        if exchange.signalled(&plan, 1000).await {
            Ok(())
        } else {
            Err(Reply::new(&HOST_REFUSED))
        }
    }

    async fn background(plan: Rc<Self::Plan>, root: crate::root::Root) {
        loop {
            root.sleep_until(u64::MAX).await;
            root.notify(&plan);
        }
    }
}

#[test]
fn an_exchange_woken_inside_its_own_callback_goes_on_by_that_callback() {
    let host = Rc::new(Recorder::default());
    let mut vm = Vm::new(
        Rc::clone(&host) as Rc<dyn Proxy>,
        &[Registration::of::<Asker>()],
    );
    vm.create(1, 0);
    assert!(vm.configure(1, 0));
    vm.tick(1);
    vm.create(2, 1);
    host.take();
    assert_eq!(request(&mut vm, Part::Headers(false)), Continue);
    assert_eq!(
        host.take(),
        ["modelgate.asker.allowed += 1"],
        "and is not resumed on top of it"
    );
    assert_eq!(request(&mut vm, Part::Body(3, true)), Continue);
}
