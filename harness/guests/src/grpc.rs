//! A filter that calls a gRPC service.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// Lets gRPC requests pass by the answer of a service; without the service, none.
pub struct AuthRandom;

impl HttpContext for AuthRandom {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let call = self.dispatch_grpc_call(
            "grpcbin",
            "grpcbin.GRPCBin",
            "RandomError",
            vec![],
            None,
            Duration::from_secs(1),
        );
        if call.is_err() {
            self.send_http_response(503, vec![], Some(b"The service is not there.\n"));
        }
        Action::Pause
    }
}

impl Context for AuthRandom {
    fn on_grpc_call_response(&mut self, _: u32, status: u32, _: usize) {
        if status % 2 == 0 {
            self.resume_http_request();
        } else {
            self.send_http_response(403, vec![], None);
        }
    }
}
