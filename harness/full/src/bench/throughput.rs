//! What `pii-mask` costs for each byte of a body, by what the body is: instructions on the embedded
//! host, and CPU time of a real Envoy beyond that of the bare request.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, anyhow, ensure};
use proxy_wasm_simulator::{Answer, FilterSpec, Gateway, GuestCode, Reply, Request, Script};

use super::case::{Case, Variant};
use super::rounds::Rounds;
use super::sizes::load;
use super::texts::{EVENTS, REQUESTS, Text};
use super::upstream::{ANSWER, CHAT};
use modelgate_scenario::file::{Body, Chunk};

/// Bytes of a body, about.
const SIZE: usize = 1 << 16;
/// A small body: what a request costs whatever its length.
const SMALL: usize = 1 << 10;
/// Bytes of a body may be so many, at most.
const CONFIG: &str =
    r#"{"request":{"max_body_bytes":33554432},"response":{"max_body_bytes":33554432}}"#;

/// What one kind of body costs.
pub struct Throughput {
    /// What it is.
    pub name: &'static str,
    /// Bytes of the body.
    pub bytes: usize,
    /// Instructions for each byte, in hundredths, without what a small body costs.
    pub instructions: u64,
}

/// Every kind: requests first.
fn texts() -> impl Iterator<Item = (&'static Text, bool)> {
    let requests = REQUESTS.iter().map(|text| (text, false));
    requests.chain([(&EVENTS, true)])
}

/// Counts what the module of `pii-mask` in the folder `wasm` executes for each byte.
///
/// # Errors
/// If the module is missing or does not start, or a body does not pass.
pub fn count(wasm: &Path, progress: &dyn Fn(&str)) -> Result<Vec<Throughput>> {
    let code = load(wasm, "pii-mask")?;
    texts()
        .map(|(text, answer)| {
            progress(&format!("counting: {}", text.name));
            let (small, small_bytes) = executed(&code, text, answer, SMALL)?;
            let (large, bytes) = executed(&code, text, answer, SIZE)?;
            let more = u64::try_from(bytes.saturating_sub(small_bytes).max(1))?;
            Ok(Throughput {
                name: text.name,
                bytes,
                instructions: large
                    .saturating_sub(small)
                    .saturating_mul(100)
                    .div_ceil(more),
            })
        })
        .collect()
}

/// Instructions for a body of about so many bytes, and how many it has.
fn executed(
    code: &Rc<dyn GuestCode>,
    text: &Text,
    answer: bool,
    bytes: usize,
) -> Result<(u64, usize)> {
    let body = (text.make)(bytes);
    let length = body.len();
    let post = Request::post("/v1/chat/completions");
    let (request, reply) = if answer {
        let request = post.header("content-type", "application/json").chunk("{}");
        let reply = Reply::status(200).header("content-type", text.content_type);
        (request, pieces(&body).fold(reply, Reply::body))
    } else {
        let request = post.header("content-type", text.content_type).chunk(body);
        let reply = Reply::status(200).header("content-type", "application/json");
        (request, reply.body("{}"))
    };
    let mut network = Script::default();
    network.cluster(
        "upstream",
        vec![Answer::Reply(reply.clone()), Answer::Reply(reply)],
    );
    let mut spec = FilterSpec::new("pii-mask", Rc::clone(code)).configuration(CONFIG);
    spec.allow_on_headers_stop_iteration = Some(true);
    let mut gateway = Gateway::builder()
        .network(network)
        .trace(true)
        .filter(spec)
        .build()
        .map_err(|error| anyhow!("{}: {error}", text.name))?;
    let mut instructions = 0;
    // The first one makes the memory grow.
    for _ in 0..2 {
        gateway.take_timeline();
        let outcome = gateway.exchange(request.clone());
        let status = outcome.status();
        ensure!(status == Some(200), "{}: status {status:?}", text.name);
        instructions = gateway.take_timeline().instructions("pii-mask");
    }
    Ok((instructions, length))
}

/// An answer as it comes: an event or a few at a time.
fn pieces(body: &str) -> impl Iterator<Item = Vec<u8>> {
    let events: Vec<&str> = body.split_inclusive("\n\n").collect();
    let pieces: Vec<Vec<u8>> = events
        .chunks(4)
        .map(|some| some.concat().into_bytes())
        .collect();
    pieces.into_iter()
}

/// A kind of body with the variants that are measured on Envoy, the bare request first.
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// Bytes of the body.
    pub bytes: usize,
    /// Without a filter, with the module, and with the native form.
    pub variants: Vec<Variant>,
}

/// The kinds of body for these cases.
pub fn rows(bare: &Case, masks: &Case) -> Vec<Row> {
    texts()
        .map(|(text, answer)| {
            let body = (text.make)(SIZE);
            let bytes = body.len();
            let change = |variant: &Variant| {
                let mut variant = variant.renamed(text.name);
                let headers = &mut variant.request.headers;
                if answer {
                    headers.push((ANSWER.to_owned(), CHAT.into()));
                } else {
                    headers.retain(|(name, _)| name != "content-type");
                    headers.push(("content-type".to_owned(), text.content_type.into()));
                    variant.request.body = Body {
                        chunks: vec![Chunk::at_once(body.clone())],
                        ..Body::default()
                    };
                }
                variant
            };
            let all = [Some(&bare.main), Some(&masks.main), masks.native.as_ref()];
            Row {
                name: text.name,
                bytes,
                variants: all.into_iter().flatten().map(change).collect(),
            }
        })
        .collect()
}

/// The table: what was counted, beside what was measured of each kind where it was.
pub fn table(counted: &[Throughput], measured: &[(&str, Vec<Rounds>)]) -> Result<String> {
    let mut table = String::from(
        "| body of 64 KiB | instructions a byte | bare, µs | added, µs | MB/s | native form: added, µs | MB/s |\n|---|---|---|---|---|---|---|\n",
    );
    for one in counted {
        let hundredths = format!("{}.{:02}", one.instructions / 100, one.instructions % 100);
        table.push_str(&format!("| {} | {hundredths} |", one.name));
        let rounds = measured.iter().find(|(name, _)| *name == one.name);
        let (bare, others) = match rounds {
            Some((_, rounds)) => rounds.split_first().context("nothing measured")?,
            None => {
                table.push_str(" | | | | |\n");
                continue;
            }
        };
        table.push_str(&format!(" {:.0} |", bare.median()));
        for at in 0..2 {
            table.push_str(&others.get(at).map_or(" | |".to_owned(), |rounds| {
                let added = rounds.added(bare);
                #[allow(clippy::cast_precision_loss)] // far below 2^52
                let speed = one.bytes as f64 / added.max(0.1);
                format!(" {added:.0} | {speed:.0} |")
            }));
        }
        table.push('\n');
    }
    Ok(table)
}
