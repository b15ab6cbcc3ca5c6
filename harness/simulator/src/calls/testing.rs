//! Host calls tried in one phase of an exchange: what tests beside the calls are made of.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::{
    Answer, Callback, ContextId, Ending, FilterSpec, Gateway, Guest, GuestCode, Headers,
    HostHandle, Profile, Reply, Request, Script, Trap, profile,
};

/// When a call is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// While the instance is initialised, outside of any callback.
    Start,
    /// `on_configure` of the root context.
    Configure,
    /// `on_tick` of the root context.
    Tick,
    /// Headers of a POST to `/v1/x?q=1` with the header `x-twice: a`, `x-twice: b`.
    RequestHeaders,
    /// The only piece of its body, `abc`; trailers follow.
    RequestBody,
    /// Its trailer, `t: 1`.
    RequestTrailers,
    /// Headers of the answer, 200.
    ResponseHeaders,
    /// Its body, `hello`.
    ResponseBody,
    /// An answer to a callout: 201, body `token`, trailer `grpc-status: 0`.
    Callout,
    /// A callout that broke after its headers.
    BrokenCallout,
    /// `on_log`.
    Log,
}

impl Phase {
    fn is_callout(self) -> bool {
        matches!(self, Self::Callout | Self::BrokenCallout)
    }
}

type Call<T> = dyn Fn(&HostHandle) -> T;

struct Tried<T> {
    phase: Phase,
    call: Box<Call<T>>,
    result: Rc<RefCell<Option<T>>>,
}

impl<T> Tried<T> {
    fn at(&self, phase: Phase, host: &HostHandle) {
        if self.phase == phase && self.result.borrow().is_none() {
            let result = (self.call)(host);
            *self.result.borrow_mut() = Some(result);
        }
    }
}

struct Code<T>(Rc<Tried<T>>);

impl<T: 'static> GuestCode for Code<T> {
    fn identity(&self) -> String {
        "tried".to_owned()
    }

    fn start(
        &self,
        host: HostHandle,
        _: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        self.0.at(Phase::Start, &host);
        Ok(Box::new(Instance(Rc::clone(&self.0), host)))
    }
}

struct Instance<T>(Rc<Tried<T>>, HostHandle);

impl<T> Guest for Instance<T> {
    fn invoke(&mut self, _: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        let phase = match callback {
            Callback::Configure { .. } => {
                self.1.set_tick_period(1000).unwrap();
                Phase::Configure
            }
            Callback::Tick => Phase::Tick,
            // Not every host lives through a callout without a pause.
            Callback::RequestHeaders { .. } if self.0.phase.is_callout() => {
                for cluster in [&b"idp"[..], b"broken"] {
                    let sent = self.1.http_call(cluster, request(), b"", Headers::new(), 0);
                    sent.unwrap();
                }
                return Ok(Some(1));
            }
            Callback::RequestHeaders { .. } => Phase::RequestHeaders,
            Callback::RequestBody { .. } => Phase::RequestBody,
            Callback::RequestTrailers { .. } => Phase::RequestTrailers,
            Callback::ResponseHeaders { .. } => Phase::ResponseHeaders,
            Callback::ResponseBody { .. } => Phase::ResponseBody,
            Callback::HttpCallResponse { headers: 0, .. } => Phase::BrokenCallout,
            Callback::HttpCallResponse { .. } => Phase::Callout,
            Callback::Log => Phase::Log,
            _ => return Ok(Some(1)),
        };
        self.0.at(phase, &self.1);
        Ok(Some(u32::from(phase == Phase::Configure)))
    }
}

/// Headers of a request that a callout may send.
pub fn request() -> Headers {
    let pairs = [(":method", "GET"), (":path", "/"), (":authority", "idp")];
    pairs
        .map(|(name, value)| (name, value.as_bytes()))
        .into_iter()
        .collect()
}

/// What a call gives in a phase.
pub fn during<T: 'static>(phase: Phase, call: impl Fn(&HostHandle) -> T + 'static) -> T {
    during_on(profile::ENVOY, phase, call)
}

/// What a call gives in a phase on this host.
pub fn during_on<T: 'static>(
    profile: Profile,
    phase: Phase,
    call: impl Fn(&HostHandle) -> T + 'static,
) -> T {
    let result = Rc::new(RefCell::new(None));
    let code = Code(Rc::new(Tried {
        phase,
        call: Box::new(call),
        result: Rc::clone(&result),
    }));
    let mut world = Script::default();
    let answer = |reply| vec![Answer::Reply(reply)];
    world.cluster(
        "upstream",
        answer(
            Reply::status(200)
                .body("hello")
                .after(Duration::from_millis(9)),
        ),
    );
    world.cluster(
        "idp",
        answer(Reply::status(201).body("token").trailer("grpc-status", "0")),
    );
    let mut broken = Reply::status(200).body("half");
    broken.ending = Ending::Reset;
    world.cluster("broken", answer(broken));
    let mut spec = FilterSpec::new("tried", Rc::new(code)).configuration("{}");
    spec.vm_configuration = b"vm".to_vec();
    spec.root_id = "root".to_owned();
    let mut gateway = Gateway::builder()
        .profile(profile)
        .network(world)
        .filter(spec)
        .build()
        .unwrap();
    gateway.exchange(
        Request::post("/v1/x?q=1")
            .header("x-twice", "a")
            .header("x-twice", "b")
            .chunk("abc")
            .trailer("t", "1"),
    );
    gateway.advance(Duration::from_secs(1));
    let result = result.borrow_mut().take();
    result.unwrap_or_else(|| panic!("{phase:?} did not come"))
}
