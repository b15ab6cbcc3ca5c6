//! Code that is watched: who is entered, on which way of an exchange, and for which route.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use modelgate_kit::explain;
use proxy_wasm_simulator::{Callback, ContextId, Guest, GuestCode, HostHandle, Trap};

use super::Route;

/// What was seen of a request.
#[derive(Default)]
pub(super) struct Seen {
    /// Entries that have seen it, in order.
    pub ran: Vec<String>,
    pub route: Route,
}

/// The code of an entry, in a VM of its own: what it tells is told under its name.
pub(super) struct Watched {
    entry: Rc<str>,
    code: Rc<dyn GuestCode>,
    seen: Rc<RefCell<Seen>>,
}

impl Watched {
    pub fn code(
        entry: &str,
        code: Rc<dyn GuestCode>,
        seen: Rc<RefCell<Seen>>,
    ) -> Rc<dyn GuestCode> {
        Rc::new(Self {
            entry: entry.into(),
            code,
            seen,
        })
    }
}

impl GuestCode for Watched {
    fn identity(&self) -> String {
        format!("{} of {}", self.code.identity(), self.entry)
    }

    fn sees_every_response(&self) -> bool {
        self.code.sees_every_response()
    }

    fn start(
        &self,
        host: HostHandle,
        environment: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        explain::enter(&self.entry, "start");
        Ok(Box::new(WatchedGuest {
            entry: Rc::clone(&self.entry),
            guest: self.code.start(host.clone(), environment)?,
            host,
            seen: Rc::clone(&self.seen),
        }))
    }
}

struct WatchedGuest {
    entry: Rc<str>,
    guest: Box<dyn Guest>,
    host: HostHandle,
    seen: Rc<RefCell<Seen>>,
}

impl WatchedGuest {
    /// Takes notice of a request, and of where it is to go.
    fn note(&self) {
        let text = |name: &str| {
            let path = format!("xds\0{name}");
            let value = self.host.property(path.as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(&value).into_owned()
        };
        let mut seen = self.seen.borrow_mut();
        seen.ran.push(self.entry.to_string());
        seen.route = Route {
            virtual_host: text("virtual_host_name"),
            route: text("route_name"),
            cluster: text("cluster_name"),
        };
    }
}

impl Guest for WatchedGuest {
    fn invoke(&mut self, context: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        let phase = match callback {
            Callback::RequestHeaders { .. } => {
                self.note();
                "request"
            }
            Callback::RequestBody { .. } | Callback::RequestTrailers { .. } => "request",
            Callback::ResponseHeaders { .. }
            | Callback::ResponseBody { .. }
            | Callback::ResponseTrailers { .. } => "response",
            Callback::Log | Callback::Done | Callback::Delete => "end",
            // Requests that wait go on in these.
            Callback::Tick | Callback::HttpCallResponse { .. } => "request",
            Callback::ContextCreate { .. }
            | Callback::VmStart { .. }
            | Callback::Configure { .. }
            | Callback::QueueReady { .. } => "start",
        };
        explain::enter(&self.entry, phase);
        self.guest.invoke(context, callback)
    }

    fn fuel(&self) -> Option<u64> {
        self.guest.fuel()
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.guest.memory_bytes()
    }
}
