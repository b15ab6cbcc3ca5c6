//! Filters over headers and properties.

use log::info;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// Writes every header to the log and answers one path itself.
pub struct Headers {
    pub context: u32,
}

impl Context for Headers {}

impl HttpContext for Headers {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        for (name, value) in &self.get_http_request_headers() {
            info!("#{} -> {name}: {value}", self.context);
        }
        if self
            .get_http_request_header(":path")
            .is_some_and(|path| path == "/hello")
        {
            self.send_http_response(
                200,
                vec![("Hello", "World"), ("Powered-By", "proxy-wasm")],
                Some(b"Hello, World!\n"),
            );
            return Action::Pause;
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        for (name, value) in &self.get_http_response_headers() {
            info!("#{} <- {name}: {value}", self.context);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        info!("#{} completed.", self.context);
    }
}

/// Answers with a piece of the route's metadata.
pub struct Metadata;

impl Context for Metadata {}

impl HttpContext for Metadata {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let path = vec![
            "xds",
            "route_metadata",
            "filter_metadata",
            "example",
            "greeting",
        ];
        let Some(Ok(greeting)) = self.get_property(path).map(String::from_utf8) else {
            return Action::Continue;
        };
        self.send_http_response(
            200,
            vec![("greeting", &greeting)],
            Some(format!("Metadata: {greeting:?}\n").as_bytes()),
        );
        Action::Pause
    }
}
