//! A filter in plain Rust behind the simulated proxy: it closes `/admin`, and marks what passes.
//! All that was observed is printed, a JSON object on each line.
//!
//! `cargo run -p proxy-wasm-simulator --example closed_path`

use std::collections::BTreeMap;
use std::rc::Rc;

use proxy_wasm_simulator::abi::MapKind;
use proxy_wasm_simulator::{
    Answer, Callback, ContextId, FilterSpec, Gateway, Guest, GuestCode, Headers, HostHandle, Reply,
    Request, Script, Trap,
};

/// What a callback returns: `Action::Continue`, `Action::Pause`.
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

struct ClosedPath;

impl GuestCode for ClosedPath {
    fn identity(&self) -> String {
        "closed-path".to_owned()
    }

    fn start(
        &self,
        host: HostHandle,
        _: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        Ok(Box::new(Worker(host)))
    }
}

/// One VM, on one worker.
struct Worker(HostHandle);

impl Guest for Worker {
    fn invoke(&mut self, _context: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        match callback {
            Callback::RequestHeaders { .. } => Ok(Some(self.judge())),
            // Yes: the VM starts, the configuration is taken.
            Callback::VmStart { .. } | Callback::Configure { .. } => Ok(Some(1)),
            // It has no other callbacks.
            _ => Ok(None),
        }
    }
}

impl Worker {
    fn judge(&self) -> u32 {
        let path = self.0.header_value(MapKind::RequestHeaders, b":path");
        if path.is_ok_and(|path| path.starts_with(b"/admin")) {
            let no_grpc = u32::MAX;
            let _ =
                self.0
                    .send_local_response(403, b"closed", b"closed here", Headers::new(), no_grpc);
            return PAUSE;
        }
        let _ = self
            .0
            .set_header(MapKind::RequestHeaders, b"x-checked", b"yes");
        CONTINUE
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut world = Script::default();
    world.cluster(
        "upstream",
        vec![Answer::Reply(Reply::status(200).body("hello"))],
    );
    let mut gateway = Gateway::builder()
        .network(world)
        .filter(FilterSpec::new("closed-path", Rc::new(ClosedPath)))
        .build()?;

    let open = gateway.exchange(Request::new("GET", "/models"));
    let closed = gateway.exchange(Request::new("GET", "/admin/keys"));
    for record in gateway.timeline().records() {
        println!("{}", serde_json::to_string(record)?);
    }
    assert_eq!((open.status(), closed.status()), (Some(200), Some(403)));
    Ok(())
}
