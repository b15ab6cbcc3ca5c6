//! The rules of exchanges, callback by callback, with guests that are closures.

mod life;
mod messages;
mod nginx;
mod replies;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::abi::{BufferKind, MapKind, Status, StreamKind};

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

type Behaviour = dyn Fn(&HostHandle, ContextId, Callback) -> Option<u32>;

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
    fn invoke(&mut self, context: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        let call = std::panic::AssertUnwindSafe(|| (self.0)(&self.1, context, callback));
        std::panic::catch_unwind(call).map_err(|_| Trap {
            message: "panic".into(),
        })
    }
}

fn spec(
    name: &str,
    behaviour: impl Fn(&HostHandle, ContextId, Callback) -> Option<u32> + 'static,
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

fn dispatch(host: &HostHandle, timeout_ms: u32) -> CalloutToken {
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

fn slow_idp() -> Script {
    network(&[(
        "idp",
        Answer::Reply(Reply::status(200).after(Duration::from_millis(50))),
    )])
}
