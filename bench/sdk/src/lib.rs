//! Copies `user-agent` to `x-out` on the proxy-wasm Rust SDK: what a filter costs when the SDK
//! stands between it and the host. It counts what it let pass, as every filter on the kit does.
#![allow(missing_docs)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { allowed: 0 }));
}}

struct Root {
    allowed: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.allowed = hostcalls::define_metric(MetricType::Counter, "modelgate.bench_sdk.allowed")
            .unwrap_or(0);
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            allowed: self.allowed,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    allowed: u32,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let headers = self.get_http_request_headers_bytes();
        if let Some((_, agent)) = headers.iter().find(|(name, _)| name == "user-agent") {
            self.set_http_request_header_bytes("x-out", Some(agent));
        }
        let _ = hostcalls::increment_metric(self.allowed, 1);
        Action::Continue
    }
}
