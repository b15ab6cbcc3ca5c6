//! What many keys cost in memory. Apart, because it looks at a whole process.

#![cfg(target_os = "linux")]

use key_auth::KeyAuth;
use modelgate_kit::testing::{FakeProxy, TestGateway};

const KEYS: usize = 20_000;

/// A figure of this process, in bytes; 0 where the system does not say.
fn figure(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kilobytes.unwrap_or_default() * 1_024
}

#[test]
fn a_key_takes_few_bytes() {
    let keys: Vec<String> = (0..KEYS)
        .map(|n| {
            format!(r#"{{"id":"key-{n:05}","digest":"sha256:{n:064x}","consumer":"consumer-{n:05}","groups":["data-science"],"expires_at":"2027-01-01T00:00:00Z","labels":{{"tier":"gold"}}}}"#)
        })
        .collect();
    let config = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    drop(keys);
    let before = figure("VmRSS");
    let gate = TestGateway::open::<KeyAuth>(FakeProxy::new(1_000), &config)
        .unwrap_or_else(|p| panic!("{p:?}"));
    let (after, peak) = (figure("VmRSS"), figure("VmHWM"));
    let per_key = |bytes: usize| bytes.saturating_sub(before) / KEYS;
    println!(
        "per key: {} bytes afterwards, {} at most",
        per_key(after),
        per_key(peak)
    );
    assert!(before > 0 && peak > before);
    assert!(per_key(peak) < LIMIT, "{}", per_key(peak));
    drop(gate);
}

/// At most, while the configuration is read; on 64 bits, where a module has 32.
const LIMIT: usize = 600;
