//! Filters that call out.

use std::collections::HashMap;
use std::time::Duration;

use log::info;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

fn get(filter: &dyn Context, path: &str) -> u32 {
    let headers = vec![
        (":method", "GET"),
        (":path", path),
        (":authority", "httpbin.org"),
    ];
    filter
        .dispatch_http_call("httpbin", headers, None, vec![], Duration::from_secs(1))
        .unwrap()
}

/// Lets a request pass or not by one byte that it asks for.
pub struct AuthRandom;

impl HttpContext for AuthRandom {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        get(self, "/bytes/1");
        Action::Pause
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("Powered-By", Some("proxy-wasm"));
        Action::Continue
    }
}

impl Context for AuthRandom {
    fn on_http_call_response(&mut self, _: u32, _: usize, size: usize, _: usize) {
        if let Some([byte, ..]) = self.get_http_call_response_body(0, size).as_deref()
            && byte % 2 == 0
        {
            info!("Access granted.");
            self.resume_http_request();
            return;
        }
        info!("Access forbidden.");
        self.send_http_response(
            403,
            vec![("Powered-By", "proxy-wasm")],
            Some(b"Access forbidden.\n"),
        );
    }
}

/// Joins the answers of two calls that are under way at once, in the order of the calls.
#[derive(Default)]
pub struct Parallel {
    open: Vec<u32>,
    answers: HashMap<u32, Vec<u8>>,
}

impl HttpContext for Parallel {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.open = vec![get(self, "/hello"), get(self, "/world")];
        Action::Pause
    }
}

impl Context for Parallel {
    fn on_http_call_response(&mut self, token: u32, _: usize, size: usize, _: usize) {
        let answer = self
            .get_http_call_response_body(0, size)
            .unwrap_or_default();
        self.answers.insert(token, answer);
        if self.answers.len() == self.open.len() {
            let all: Vec<u8> = self
                .open
                .iter()
                .flat_map(|token| self.answers[token].clone())
                .collect();
            self.send_http_response(200, vec![], Some(&all));
        }
    }
}
