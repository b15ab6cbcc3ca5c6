//! Bodies as models get and give them, of the longest that are read by default.

use modelgate_full::bench::texts::{EVENTS, REQUESTS};
use proxy_wasm_simulator::{Reply, Request};

use super::bodies::MASK;
use super::measure::Case;

/// Bytes of the smaller body.
const SIZE: usize = 400_000;

pub fn cases() -> Vec<Case> {
    let post = |content_type: &str| {
        Request::post("/v1/chat/completions").header("content-type", content_type)
    };
    let requests = REQUESTS.iter().map(move |text| {
        Case::request("pii-mask", text.name, MASK, SIZE, move |size| {
            post(text.content_type).chunk((text.make)(size))
        })
    });
    let events = Case::exchange("pii-mask", EVENTS.name, MASK, SIZE, move |size| {
        let reply = Reply::status(200).header("content-type", EVENTS.content_type);
        let body = (EVENTS.make)(size).into_bytes();
        let reply = body
            .chunks(1_400)
            .fold(reply, |reply, piece| reply.body(piece));
        (post("application/json").chunk("{}"), reply)
    });
    requests.chain([events]).collect()
}
