//! A filter over bodies.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// Replaces an answer that contains a secret.
pub struct Body;

impl Context for Body {}

impl HttpContext for Body {
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("content-length", None);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_response_body(0, size)
            && String::from_utf8(body).unwrap().contains("secret")
        {
            self.set_http_response_body(
                0,
                size,
                format!("Original message body ({size} bytes) redacted.\n").as_bytes(),
            );
        }
        Action::Continue
    }
}
