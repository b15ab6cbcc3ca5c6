//! Filters on the `proxy-wasm` SDK that do what its published examples do, in one module: the
//! `root_id` chooses.
//!
//! They use the SDK as its users do, panicking wrappers included, and see the host only through it.
//! One more has a fault, to show what becomes of requests then.

mod body;
mod call;
mod grpc;
mod headers;
mod panics;
mod root;

use proxy_wasm::traits::{HttpContext, RootContext};
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> {
        let name = proxy_wasm::hostcalls::get_property(vec!["plugin_root_id"]).ok().flatten().unwrap_or_default();
        let name = String::from_utf8(name).unwrap_or_default();
        match name.as_str() {
            "hello_world" => Box::new(root::HelloWorld),
            "queue" => Box::new(root::Queue::default()),
            "http_config" => Box::new(root::Config::default()),
            _ => Box::new(root::Http { name }),
        }
    });
}}

/// The HTTP filter with this name.
fn filter(name: &str, context: u32) -> Option<Box<dyn HttpContext>> {
    Some(match name {
        "http_headers" => Box::new(headers::Headers { context }),
        "metadata" => Box::new(headers::Metadata),
        "http_body" => Box::new(body::Body),
        "http_auth_random" => Box::new(call::AuthRandom),
        "http_parallel_call" => Box::new(call::Parallel::default()),
        "panics" => Box::new(panics::Panics),
        "grpc_auth_random" => Box::new(grpc::AuthRandom),
        _ => return None,
    })
}
