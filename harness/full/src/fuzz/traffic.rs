//! Requests and answers, changed at random: more often a little than beyond recognition, because
//! what is refused at once tests little.

use std::collections::BTreeMap;

use bytes::Bytes;

use modelgate_scenario::file::{Answer, Body, Chunk, Cluster, End, Headers, Reply, Request};
use proxy_wasm_simulator::random::Random;

/// What is put where it does not belong.
const VALUES: [&[u8]; 16] = [
    b"",
    b"\xff\xfe\x80",
    b"Bearer ",
    b"Bearer a.b.c",
    b"Basic Og==",
    b"identity",
    b"gzip",
    b"application/json",
    b"text/event-stream",
    b"text/plain; charset=utf-16",
    b"multipart/form-data; boundary=x",
    b"0",
    b"18446744073709551616",
    b"-1",
    b"a, b, c",
    b"[::1]:70000",
];

/// Headers that filters look at.
const NAMES: [&str; 17] = [
    "authorization",
    "x-api-key",
    "cookie",
    "content-type",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "accept",
    "accept-encoding",
    "x-forwarded-for",
    "x-request-id",
    "traceparent",
    "x-amz-date",
    "x-amz-content-sha256",
    "host",
    "te",
    "x-long",
];

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"];

const DOCUMENTS: [&[u8]; 8] = [
    b"{}",
    b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"4111 1111 1111 1111\"}]}",
    b"{\"model\":\"a\",\"model\":\"b\"}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"data: {\"choices\":[{\"delta\":{\"content\":\"ann@ex\"}}]}\n\ndata: [DONE]\n\n",
    b"\xef\xbb\xbf{\"a\":1e999999}",
    b"a=b&c=%zz&a=+49 30 901820",
    b"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\",\"kid\":\"k1\"}]}",
];

/// A request like this one; without one there is none to change.
pub(super) fn change_request(request: Option<&Request>, random: &mut Random) -> Option<Request> {
    let mut request = request?.clone();
    if random.chance(300) {
        return Some(request);
    }
    if random.chance(100) {
        request.method = random.pick(&METHODS).copied().unwrap_or("GET").to_owned();
    }
    if random.chance(150) {
        request.path = changed_text(&request.path, random);
    }
    if random.chance(50) {
        request.authority = changed_text(&request.authority, random);
    }
    change_headers(&mut request.headers, random);
    change_body(&mut request.body, random);
    request.http2 |= random.chance(300);
    if random.chance(150) {
        request.disconnect_after_ms = Some(u64::from(random.small() % 200));
    }
    Some(request)
}

/// Other answers of the same servers.
pub(super) fn change_servers(clusters: &mut BTreeMap<String, Cluster>, random: &mut Random) {
    for cluster in clusters.values_mut() {
        let scripts = std::iter::once(&mut cluster.answers).chain(cluster.paths.values_mut());
        for answer in scripts.flatten() {
            if random.chance(300) {
                change_answer(answer, random);
            }
        }
    }
}

fn change_answer(answer: &mut Answer, random: &mut Random) {
    let Answer::Reply(reply) = answer else {
        return;
    };
    match random.below(16) {
        0 => *answer = Answer::Reset(u64::from(random.small() % 100)),
        1 => *answer = Answer::Hang,
        2 => *answer = Answer::Refuse,
        _ => change_reply(reply, random),
    }
}

fn change_reply(reply: &mut Reply, random: &mut Random) {
    const STATUSES: [u16; 10] = [200, 200, 201, 204, 206, 302, 401, 429, 500, 503];
    if random.chance(300) {
        reply.status = random.pick(&STATUSES).copied().unwrap_or(200);
    }
    if random.chance(200) {
        reply.after_ms = u64::from(random.small() % 3000);
    }
    reply.early |= random.chance(50);
    if random.chance(100) {
        reply.end = random
            .pick(&[End::Reset, End::Hang])
            .copied()
            .unwrap_or_default();
    }
    change_headers(&mut reply.headers, random);
    change_body(&mut reply.body, random);
}

fn change_headers(headers: &mut Headers, random: &mut Random) {
    for _ in 0..random.below(4) {
        let at = random.below(headers.len());
        match random.below(6) {
            0 if at < headers.len() => drop(headers.remove(at)),
            1 => headers.extend(headers.get(at).cloned()),
            2 | 3 => {
                if let Some((_, value)) = headers.get_mut(at) {
                    *value = header_value(random.changed(value));
                }
            }
            _ => {
                let name = random.pick(&NAMES).copied().unwrap_or("te");
                let value = if random.chance(800) {
                    random
                        .pick(&VALUES)
                        .map(|value| value.to_vec())
                        .unwrap_or_default()
                } else {
                    let size = random.below(5000);
                    random.bytes(size)
                };
                headers.push((name.to_owned(), header_value(value)));
            }
        }
    }
}

/// A value as an HTTP parser lets it through: any bytes, without line breaks and zeros.
fn header_value(mut value: Vec<u8>) -> Bytes {
    value.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    value.truncate(20_000);
    value.into()
}

fn change_body(body: &mut Body, random: &mut Random) {
    if random.chance(300) {
        let whole = body
            .chunks
            .iter()
            .flat_map(|chunk| chunk.bytes.iter().copied());
        let whole: Vec<u8> = whole.collect();
        let whole = match random.below(5) {
            0 => random
                .pick(&DOCUMENTS)
                .map(|document| document.to_vec())
                .unwrap_or_default(),
            1 => whole,
            _ => random.changed(&whole),
        };
        body.chunks = cut(&whole, random);
    }
    if random.chance(100) {
        body.trailers
            .push(("x-sum".to_owned(), Bytes::from_static(b"1")));
    }
}

/// The same bytes in other pieces, empty ones among them.
fn cut(whole: &[u8], random: &mut Random) -> Vec<Chunk> {
    let mut rest = whole;
    let mut chunks = Vec::new();
    while !rest.is_empty() && chunks.len() < 6 {
        let size = random.below(rest.len().saturating_add(1));
        let (piece, left) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        chunks.push(piece.to_vec());
        rest = left;
    }
    chunks.push(rest.to_vec());
    chunks
        .into_iter()
        .map(|piece| Chunk {
            after_ms: u64::from(random.small() % 30),
            bytes: piece.into(),
        })
        .collect()
}

/// Text like this one, as a request line can carry it.
fn changed_text(text: &str, random: &mut Random) -> String {
    let bytes = random.changed(text.as_bytes());
    let text: String = String::from_utf8_lossy(&bytes)
        .chars()
        .filter(|character| !character.is_control() && *character != ' ')
        .take(4000)
        .collect();
    if text.is_empty() {
        "/".to_owned()
    } else {
        text
    }
}
