//! A filter with a fault.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// Marks every request that passes it; panics where a request's path says so.
pub struct Panics;

impl HttpContext for Panics {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.get_http_request_header(":path").as_deref() {
            Some("/panic") => panic!("asked to, in a request's headers"),
            Some("/panic-in-answer") => {
                let headers = vec![
                    (":method", "GET"),
                    (":path", "/"),
                    (":authority", "service"),
                ];
                self.dispatch_http_call("service", headers, None, vec![], Duration::from_secs(1))
                    .unwrap();
                Action::Pause
            }
            _ => {
                self.set_http_request_header("x-passed", Some("yes"));
                Action::Continue
            }
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("x-passed", Some("yes"));
        Action::Continue
    }
}

impl Context for Panics {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        panic!("asked to, in the answer to a callout");
    }
}
