//! Tests of the hooks over an Envoy in memory.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::abi::{Abi, Buf, CONTINUE, Pair, STOP};
use super::entry::Entry;
use super::fake::{FakeConfig, FakeFilter, LOG, envoy, lacking};
use super::hooks::{Hooks, RawAnswer};
use super::settings;
use super::store::lock;
use super::worker::Tick;
use crate::call::Call;
use crate::config::{Problems, Setup};
use crate::exchange::Exchange;
use crate::filter::{Filter, Needs, Registration};
use crate::host::Side;
use crate::metrics::Metric;
use crate::problem::Reply;
use crate::root::Root;
use crate::signal::Signal;
use crate::suite::Member;
use crate::vm::Part;

mod fuzz;

crate::reasons! { "taker";
    TAKEN = 403 "taken", "No.", "For tests.";
}

#[derive(Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Takes {
    panics: bool,
}

/// Does what the path of a request says.
pub(super) struct Taker;

pub(super) struct Plan {
    ready: Signal,
    open: Cell<bool>,
    seen: Metric,
    late: Metric,
}

impl Filter for Taker {
    const NAME: &'static str = "taker";
    const NEEDS: Needs = Needs {
        holds: true,
        request_body: true,
        callouts: true,
        end: true,
        tick_ms: 100,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static crate::problem::Reason] = ALL;
    type Config = Takes;
    type Plan = Plan;

    fn compile(config: Takes, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        assert!(!config.panics, "as the configuration asks");
        if setup.host.environment("HOME").is_some() {
            problems.add("", "sees the environment of the process", "");
        }
        let counter = |name| Metric::counter(Self::NAME, &[], name);
        let plan = Plan {
            ready: Signal::default(),
            open: Cell::new(false),
            seen: counter("seen"),
            late: counter("late"),
        };
        plan.seen.define(setup.host);
        Some(plan)
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let headers = exchange.request().headers()?;
        plan.seen.add(exchange.host(), 1);
        plan.late.add(exchange.host(), 1);
        match headers.text(":path").unwrap_or_default() {
            "/panic" => panic!("with a secret of the request"),
            "/refused" => return Err(Reply::new(&TAKEN)),
            "/body" => {
                let body = exchange.request().body(1_000).await;
                let mut body = body.map_err(|_| Reply::new(&TAKEN))?;
                body.reverse();
                exchange.request().replace_body(body)?;
                exchange.request().set_header("x-length", "changed")?;
            }
            "/wait" => {
                if !plan.open.get() {
                    exchange.signalled(&plan.ready, u64::MAX).await;
                }
            }
            "/call" => {
                let call = Call {
                    upstream: "elsewhere".to_owned(),
                    method: "GET",
                    timeout_ms: 100,
                    max_answer_bytes: 100,
                    ..Call::default()
                };
                let answer = exchange.call(&call).await;
                let answer = answer.map_err(|_| Reply::new(&TAKEN))?;
                exchange.request().set_header("x-answer", answer.body)?;
            }
            "/profile" => {}
            _ => exchange.request().set_header("x-taken", "yes")?,
        }
        Ok(())
    }

    async fn background(plan: Rc<Plan>, root: Root) {
        let call = Call {
            upstream: "keys".to_owned(),
            method: "GET",
            timeout_ms: 100,
            max_answer_bytes: 100,
            ..Call::default()
        };
        if root.call(&call).await.is_ok() {
            plan.open.set(true);
            root.notify(&plan.ready);
        }
        std::future::pending::<()>().await;
    }
}

const FILTERS: &[Member] = &[Member {
    krate: "taker",
    filter: Registration::of::<Taker>(),
}];

/// An entry on an Envoy of memory.
struct Gate {
    hooks: Hooks,
    config: Box<FakeConfig>,
    entry: *const c_void,
}

impl Gate {
    fn try_open(api: &'static Abi, name: &str, text: &str) -> Option<Self> {
        let (hooks, config) = (Hooks::over(api), Box::new(FakeConfig::default()));
        let (name, text) = (Buf::of(name.as_bytes()), Buf::of(text.as_bytes()));
        // SAFETY: as Envoy calls it.
        let entry = unsafe { hooks.config_new(FILTERS, config.ptr(), name, text) };
        (!entry.is_null()).then_some(Self {
            hooks,
            config,
            entry,
        })
    }

    fn open(release: u32) -> Self {
        Self::try_open(envoy(release), "taker", "").unwrap()
    }

    fn entry(&self) -> ManuallyDrop<Arc<Entry>> {
        // SAFETY: `config_new` has given it.
        ManuallyDrop::new(unsafe { Arc::from_raw(self.entry.cast::<Entry>()) })
    }

    /// The exchange of a request with this path.
    fn begin(&self, path: &str) -> Flow<'_> {
        let filter = FakeFilter::with(&[(":path", path), (":method", "POST")]);
        // SAFETY: as Envoy calls it.
        let exchange = unsafe { self.hooks.filter_new(self.entry, filter.ptr()) };
        Flow {
            gate: self,
            filter,
            exchange,
        }
    }

    /// Time passes: what is due is done, as the clock's thread and the main thread do it.
    fn tick(&self) {
        let entry = self.entry();
        for worker in entry.workers() {
            assert_eq!(worker.desk().claim(u64::MAX - 1), Tick::Due);
        }
        self.main();
    }

    fn main(&self) {
        // SAFETY: as Envoy calls it.
        unsafe { self.hooks.config_scheduled(self.entry) };
    }

    fn answer(&self, id: u64, body: &[u8]) {
        let (headers, chunks) = ([Pair::of(b":status", b"200")], [Buf::of(body)]);
        // SAFETY: as Envoy calls it.
        unsafe {
            self.hooks
                .config_answer(self.entry, id, raw(&headers, &chunks))
        };
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // SAFETY: as Envoy calls it.
        unsafe { self.hooks.config_destroy(self.entry) };
        assert_eq!(self.config.wakers.load(Ordering::SeqCst), 0);
    }
}

fn raw(headers: &[Pair], chunks: &[Buf]) -> RawAnswer {
    RawAnswer {
        result: 0,
        headers: headers.as_ptr(),
        header_count: headers.len(),
        chunks: chunks.as_ptr(),
        chunk_count: chunks.len(),
    }
}

struct Flow<'a> {
    gate: &'a Gate,
    filter: Box<FakeFilter>,
    exchange: *const c_void,
}

impl Flow<'_> {
    fn message(&self, side: Side, part: Part) -> u32 {
        // SAFETY: as Envoy calls it.
        unsafe {
            self.gate
                .hooks
                .message(self.filter.ptr(), self.exchange, side, part)
        }
    }

    fn headers(&self, last: bool) -> u32 {
        self.message(Side::Request, Part::Headers(last))
    }

    fn body(&self, bytes: &[u8], last: bool) -> u32 {
        self.filter.arrives(Side::Request, bytes);
        self.message(Side::Request, Part::Body(0, last))
    }

    fn scheduled(&self) {
        // SAFETY: as Envoy calls it.
        unsafe { self.gate.hooks.scheduled(self.filter.ptr(), self.exchange) };
    }

    fn replies(&self) -> Vec<(u32, String)> {
        self.filter.replies.borrow().clone()
    }
}

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        // SAFETY: as Envoy calls it.
        unsafe {
            self.gate.hooks.complete(self.filter.ptr(), self.exchange);
            self.gate.hooks.destroy(self.exchange);
        }
        assert_eq!(self.filter.wakers.load(Ordering::SeqCst), 0);
    }
}

fn answered(status: u32, details: &str) -> Vec<(u32, String)> {
    vec![(status, details.to_owned())]
}

#[test]
fn a_request_is_changed_refused_or_replaced() {
    for release in [38, 39, 40] {
        let gate = Gate::open(release);
        let passes = gate.begin("/");
        assert_eq!(passes.headers(true), CONTINUE);
        assert_eq!(passes.filter.header("x-taken").as_deref(), Some("yes"));

        let refused = gate.begin("/refused");
        assert_eq!(refused.headers(true), STOP);
        assert_eq!(refused.replies(), answered(403, "modelgate.taker.taken"));
        assert!(
            refused
                .filter
                .state
                .borrow()
                .contains_key("wasm.modelgate.denied")
        );

        let body = gate.begin("/body");
        assert_eq!(body.headers(false), STOP);
        assert_eq!(body.body(b"abc", false), STOP);
        assert_eq!(body.body(b"def", true), CONTINUE);
        let buffers = &body.filter.buffers;
        assert_eq!(*buffers[1].borrow(), b"", "what was kept is gone");
        assert_eq!(*buffers[0].borrow(), b"fedcba");
        assert_eq!(body.filter.header("x-length").as_deref(), Some("changed"));
    }
}

#[test]
fn a_body_that_another_filter_held_is_read_once() {
    let gate = Gate::open(40);
    let body = gate.begin("/body");
    assert_eq!(body.headers(false), STOP);
    body.filter.one_buffer.set(true);
    *body.filter.buffers[1].borrow_mut() = b"abc".to_vec();
    assert_eq!(body.body(b"", true), CONTINUE);
    let kept = |at: usize| body.filter.buffers[at].borrow().clone();
    assert_eq!((kept(0), kept(1)), (b"cba".to_vec(), Vec::new()));
    let again = gate.begin("/body");
    assert_eq!(again.headers(false), STOP);
    again.filter.one_buffer.set(true);
    for buffer in [0, 1] {
        *again.filter.buffers[buffer].borrow_mut() = b"abc".to_vec();
    }
    assert_eq!(again.message(Side::Request, Part::Body(0, true)), CONTINUE);
    assert_eq!(*again.filter.buffers[0].borrow(), b"cba");
}

#[test]
fn a_configuration_that_is_wrong_is_refused_and_explained() {
    for (name, text, said) in [
        (
            "taker",
            r#"{"panik": true}"#,
            "taker: configuration refused: panik",
        ),
        (
            "taker",
            r#"{"environment_variables": {"hosts": 1}}"#,
            "taker: configuration refused: environment_variables.hosts",
        ),
        (
            "nobody",
            "",
            "no filter of this module has the configured root_id",
        ),
        (
            "chain",
            "{}",
            "chain: configuration refused: filters: lists no filter",
        ),
        ("taker", r#"{"panics": true}"#, ""),
    ] {
        assert!(
            Gate::try_open(envoy(40), name, text).is_none(),
            "{name} {text}"
        );
        assert!(lock(&LOG).iter().any(|line| line.contains(said)), "{said}");
    }
    let chain = r#"{"filters": [{"filter": "taker"}]}"#;
    let gate = Gate::try_open(envoy(40), "chain", chain).unwrap();
    assert_eq!(gate.begin("/refused").headers(true), STOP);
}

#[test]
fn a_panic_costs_the_request_and_those_that_were_held() {
    let gate = Gate::open(40);
    let held = gate.begin("/wait");
    assert_eq!(held.headers(true), STOP);
    let passing = gate.begin("/");
    assert_eq!(passing.headers(false), CONTINUE);
    let panics = gate.begin("/panic");
    assert_eq!(panics.headers(true), STOP);
    let panicked = answered(500, "modelgate.native.panicked");
    assert_eq!(
        (panics.replies(), held.replies()),
        (panicked.clone(), panicked.clone())
    );
    assert_eq!(passing.replies(), []);
    assert_eq!(passing.body(b"x", true), STOP, "its filter is gone");
    assert_eq!(passing.replies(), panicked);
    assert_eq!(held.message(Side::Request, Part::Trailers), STOP);
    assert_eq!(held.replies(), panicked, "once is enough");

    let next = gate.begin("/");
    assert_eq!(next.headers(true), CONTINUE, "there is a new VM");
    assert_eq!(gate.begin("/panic").headers(true), STOP);
    let later = gate.begin("/");
    assert_eq!(later.headers(true), STOP, "not twice in a second");
    assert_eq!(
        later.replies(),
        answered(500, "modelgate.native.unavailable")
    );
    assert_eq!(later.body(b"", true), STOP);
    assert_eq!(later.replies().len(), 1);
}

#[test]
fn a_request_without_a_filter_is_refused_by_every_hook() {
    let gate = Gate::open(38);
    let filter = FakeFilter::with(&[(":path", "/")]);
    for (side, part) in [
        (Side::Request, Part::Headers(true)),
        (Side::Request, Part::Body(0, true)),
        (Side::Request, Part::Trailers),
        (Side::Response, Part::Headers(false)),
        (Side::Response, Part::Body(0, true)),
        (Side::Response, Part::Trailers),
    ] {
        // SAFETY: as Envoy before 1.40 calls it when `filter_new` has given nothing.
        let told = unsafe {
            gate.hooks
                .message(filter.ptr(), std::ptr::null(), side, part)
        };
        assert_eq!(told, STOP);
        let replies = filter.replies.take();
        assert_eq!(replies, answered(500, "modelgate.native.unavailable"));
    }
    // SAFETY: as above.
    unsafe {
        gate.hooks.complete(filter.ptr(), std::ptr::null());
        gate.hooks.scheduled(filter.ptr(), std::ptr::null());
        gate.hooks
            .answer(filter.ptr(), std::ptr::null(), 1, raw(&[], &[]));
        gate.hooks.destroy(std::ptr::null());
    }
}

#[test]
fn an_exchange_waits_for_its_callout() {
    let gate = Gate::open(40);
    let flow = gate.begin("/call");
    assert_eq!(flow.headers(true), STOP);
    assert_eq!(*flow.filter.callouts.borrow(), ["elsewhere"]);
    let (headers, chunks) = (
        [Pair::of(b":status", b"200")],
        [Buf::of(b"wh"), Buf::of(b"ole")],
    );
    let answer = raw(&headers, &chunks);
    // SAFETY: as Envoy calls it.
    unsafe {
        gate.hooks
            .answer(flow.filter.ptr(), flow.exchange, 7, answer);
        assert_eq!(*flow.filter.resumed.borrow(), [], "that is nobody's");
        gate.hooks
            .answer(flow.filter.ptr(), flow.exchange, 0, answer);
    }
    assert_eq!(*flow.filter.resumed.borrow(), [Side::Request]);
    assert_eq!(flow.filter.header("x-answer").as_deref(), Some("whole"));
}

#[test]
fn the_background_of_an_idle_worker_runs_on_the_main_thread() {
    let gate = Gate::open(40);
    gate.tick();
    assert_eq!(*lock(&gate.config.callouts), [] as [String; 0]);
    assert!(
        gate.config.woken.load(Ordering::SeqCst) > 0,
        "it is asked for"
    );
    gate.main();
    assert_eq!(*lock(&gate.config.callouts), ["keys"]);
    gate.answer(0, b"");
    assert_eq!(
        gate.begin("/wait").headers(true),
        CONTINUE,
        "the keys are there"
    );
}

#[test]
fn what_wakes_a_held_exchange_comes_on_its_own_thread() {
    let gate = Gate::open(40);
    let held = gate.begin("/wait");
    assert_eq!(held.headers(true), STOP);
    gate.tick();
    assert_eq!(held.filter.woken.load(Ordering::SeqCst), 1);
    assert_eq!(
        *lock(&gate.config.callouts),
        [] as [String; 0],
        "not on the main thread"
    );
    held.scheduled();
    gate.main();
    assert_eq!(*lock(&gate.config.callouts), ["keys"]);
    gate.answer(0, b"");
    assert_eq!(*held.filter.resumed.borrow(), []);
    assert_eq!(held.filter.woken.load(Ordering::SeqCst), 2);
    held.scheduled();
    assert_eq!(*held.filter.resumed.borrow(), [Side::Request]);
}

#[test]
fn what_waits_for_a_worker_is_not_lost_with_the_exchange_that_held_it_up() {
    let gate = Gate::open(40);
    let held = gate.begin("/wait");
    assert_eq!(held.headers(true), STOP);
    gate.tick();
    // The client goes away before the hook comes.
    drop(held);
    gate.main();
    assert_eq!(*lock(&gate.config.callouts), ["keys"]);
}

#[test]
fn another_held_exchange_takes_over_when_one_is_gone() {
    let gate = Gate::open(40);
    let (first, second) = (gate.begin("/wait"), gate.begin("/wait"));
    assert_eq!((first.headers(true), second.headers(true)), (STOP, STOP));
    drop(first);
    gate.tick();
    assert_eq!(second.filter.woken.load(Ordering::SeqCst), 1);
}

#[test]
fn metrics_are_those_that_were_defined_at_the_start() {
    let gate = Gate::open(40);
    assert_eq!(gate.begin("/").headers(true), CONTINUE);
    assert_eq!(gate.config.metric("modelgate.taker.seen"), Some(1));
    assert_eq!(
        gate.config.metric("modelgate.taker.late"),
        None,
        "nobody has defined it"
    );
    assert_eq!(gate.config.metric("modelgate.taker.allowed"), Some(1));
}

#[test]
fn before_1_39_exchanges_carry_what_was_counted() {
    let gate = Gate::open(38);
    assert_eq!(gate.begin("/").headers(true), CONTINUE);
    let next = gate.begin("/");
    let metrics = lock(&gate.config.metrics).clone();
    let at = |name: &str| metrics.iter().position(|known| known == name).unwrap();
    assert_eq!(next.headers(true), CONTINUE);
    let counted = next.filter.counted.borrow();
    assert_eq!(counted.get(&at("modelgate.taker.seen")), Some(&1));
    assert!(lock(&gate.config.counted).is_empty());
}

#[test]
fn a_route_chooses_a_profile_by_its_configuration_or_flat_metadata() {
    let text = r#"{"profiles": {"strict": {}}}"#;
    let gate = Gate::try_open(envoy(40), "taker", text).unwrap();
    let route = |text: &str| {
        // SAFETY: as Envoy calls it.
        unsafe {
            gate.hooks
                .route_config_new(FILTERS, Buf::of(text.as_bytes()))
        }
    };
    assert!(route(r#"{"profil": "x"}"#).is_null());
    let (good, bad) = (
        route(r#"{"taker": {"profile": "strict"}}"#),
        route(r#"{"profile": "missing"}"#),
    );
    let unknown = answered(500, "modelgate.taker.profile_unknown");
    for (config, metadata, replies) in [
        (good, None, vec![]),
        (bad, None, unknown.clone()),
        (std::ptr::dangling(), None, unknown.clone()),
        (std::ptr::null(), Some(("profile", Some("strict"))), vec![]),
        (
            std::ptr::null(),
            Some(("profile", Some("missing"))),
            unknown.clone(),
        ),
        (std::ptr::null(), Some(("profile", None)), unknown.clone()),
        (std::ptr::null(), Some(("taker", None)), unknown.clone()),
        (std::ptr::null(), Some(("other", None)), vec![]),
        (good, Some(("taker", None)), vec![]),
    ] {
        let flow = gate.begin("/profile");
        flow.filter.route.set(config);
        let metadata = metadata.into_iter();
        *flow.filter.metadata.borrow_mut() = metadata
            .map(|(key, value)| (key.to_owned(), value.map(|text| text.as_bytes().to_vec())))
            .collect();
        let told = flow.headers(true);
        assert_eq!(flow.replies(), replies);
        assert_eq!(told, if replies.is_empty() { CONTINUE } else { STOP });
    }
    for config in [good, bad] {
        gate.hooks.route_config_destroy(config);
        assert_eq!(
            settings::said(config, &["profile"]),
            settings::Said::Foreign
        );
    }
}

#[test]
fn an_envoy_that_lacks_a_function_is_named_it() {
    let missing = c"envoy_dynamic_module_callback_http_drain_body";
    assert_eq!(lacking(missing).err(), Some(missing));
    assert!(lacking(c"envoy_dynamic_module_callback_http_get_timing_info").is_ok());
}
