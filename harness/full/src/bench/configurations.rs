//! Configurations of any length, and a request that the last of their entries decides.

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use proxy_wasm_simulator::Request;

/// A kind of configuration.
pub struct Case {
    /// What the table calls it.
    pub name: &'static str,
    /// The filters' crates; the last one is measured.
    pub chain: &'static [&'static str],
    /// What the measured entry runs.
    pub root_id: &'static str,
    /// Numbers of entries.
    pub sizes: &'static [usize],
    /// The filters' configurations for so many entries.
    pub configurations: fn(usize) -> Vec<Json>,
    /// The request.
    pub request: fn(usize) -> Request,
}

const KEYS: &[usize] = &[1, 10_000, 100_000];
const RULES: &[usize] = &[10, 1_000, 10_000];
const FEW: &[usize] = &[10, 100, 1_000];

/// All of them.
pub const CASES: [Case; 11] = [
    Case {
        name: "key-auth, keys",
        chain: &["key-auth"],
        root_id: "key_auth",
        sizes: KEYS,
        configurations: |n| vec![json!({"keys": list(n, plain_key)})],
        request: with_key,
    },
    Case {
        name: "key-auth, keys with groups and labels",
        chain: &["key-auth"],
        root_id: "key_auth",
        sizes: KEYS,
        configurations: |n| vec![keys(n)],
        request: with_key,
    },
    Case {
        name: "key-auth, such keys behind 3 profiles",
        chain: &["key-auth"],
        root_id: "key_auth",
        sizes: KEYS,
        configurations: |n| {
            let profiles = json!({
                "open": {"on_missing": "allow"},
                "named": {"identity_headers": {"consumer": "x-consumer"}},
                "forwarded": {"credential_to_upstream": "keep"},
            });
            let rules = json!([{"match": {"path": "/open/**"}, "profile": "open"}]);
            vec![json!({"keys": list(n, full_key), "profiles": profiles, "profile_rules": rules})]
        },
        request: with_key,
    },
    Case {
        name: "key-auth, such keys in a chain in one entry",
        chain: &["modelgate"],
        root_id: "chain",
        sizes: KEYS,
        configurations: |n| {
            let keys = json!({"filter": "key_auth", "config": keys(n)});
            vec![
                json!({"filters": [keys, {"filter": "consumer_acl", "config": {"rules": [{"id": "any", "effect": "allow"}]}}]}),
            ]
        },
        request: with_key,
    },
    Case {
        name: "key-auth, profiles",
        chain: &["key-auth"],
        root_id: "key_auth",
        sizes: FEW,
        configurations: |n| {
            let profiles: serde_json::Map<String, Json> = (0..n)
                .map(|at| (format!("p{at}"), json!({"realm": format!("realm-{at}")})))
                .collect();
            let rules = list(
                n,
                |at| json!({"match": {"path": format!("/p{at}/**")}, "profile": format!("p{at}")}),
            );
            vec![json!({"keys": [full_key(0)], "profiles": profiles, "profile_rules": rules})]
        },
        request: |n| Request::post(&format!("/p{}/a", last(n))).header("x-api-key", key(0)),
    },
    Case {
        name: "jwt-auth, issuers",
        chain: &["jwt-auth"],
        root_id: "jwt_auth",
        sizes: FEW,
        configurations: |n| {
            let issuers = list(
                n,
                |at| json!({"issuer": format!("https://i{at}.test"), "audiences": ["models"], "keys": {"secret": {"value": "0123456789abcdef0123456789abcdef"}}}),
            );
            vec![json!({"issuers": issuers, "on_missing": "allow"})]
        },
        request: |_| Request::get("/a"),
    },
    Case {
        name: "jwt-auth, keys of an issuer",
        chain: &["jwt-auth"],
        root_id: "jwt_auth",
        sizes: FEW,
        configurations: |n| {
            let keys = list(
                n,
                |at| json!({"kty": "RSA", "kid": format!("k{at}"), "alg": "RS256", "e": "AQAB", "n": MODULUS}),
            );
            vec![
                json!({"issuers": [{"issuer": "https://i.test", "audiences": ["models"], "keys": {"jwks": {"keys": keys}}}], "on_missing": "allow"}),
            ]
        },
        request: |_| Request::get("/a"),
    },
    Case {
        name: "consumer-acl, rules",
        chain: &["key-auth", "consumer-acl"],
        root_id: "consumer_acl",
        sizes: RULES,
        configurations: |n| {
            let rules = list(n, rule);
            vec![
                json!({"keys": [plain_key(last(n))]}),
                json!({"rules": rules}),
            ]
        },
        request: with_key,
    },
    Case {
        name: "consumer-acl, rules over a claim of 200 words",
        chain: &["key-auth", "consumer-acl"],
        root_id: "consumer_acl",
        sizes: RULES,
        configurations: |n| {
            let rules = list(n, |at| {
                let claim = json!({"claim": "teams", "split": "spaces", "any_of": [team(at)]});
                json!({"id": format!("rule-{at}"), "effect": "allow", "who": {"claims": [claim]}})
            });
            // The last rule's team among others that no rule is about.
            let teams: Vec<String> = (1..200)
                .map(|at| format!("other-{at:06}"))
                .chain([team(last(n))])
                .collect();
            let at = last(n);
            let key = json!({
                "id": "key", "digest": digest(at), "consumer": consumer(at), "labels": {"teams": teams.join(" ")},
            });
            vec![json!({"keys": [key]}), json!({"rules": rules})]
        },
        request: with_key,
    },
    Case {
        name: "rate-limit, tiers",
        chain: &["key-auth", "rate-limit"],
        root_id: "rate_limit",
        sizes: RULES,
        configurations: |n| {
            let tiers = list(
                n,
                |at| json!({"who": {"consumers": [consumer(at)]}, "windows": [{"quota": 100 + at, "window_s": 60}]}),
            );
            let windows = json!([{"quota": 10, "window_s": 60}]);
            vec![
                json!({"keys": [plain_key(last(n))]}),
                json!({"policies": [{"name": "p", "by": ["consumer"], "windows": windows, "tiers": tiers}]}),
            ]
        },
        request: with_key,
    },
    Case {
        name: "pii-mask, values that stay",
        chain: &["pii-mask"],
        root_id: "pii_mask",
        sizes: FEW,
        configurations: |n| {
            let values = list(n, |at| format!("*@a{at}.example").into());
            vec![json!({"allowed_values": values})]
        },
        request: |n| {
            let body = format!(r#"{{"a":"ann@a{}.example"}}"#, last(n));
            let request = Request::post("/a").header("content-type", "application/json");
            request.chunk(body)
        },
    },
];

/// The modulus of an RSA key of 2,048 bits.
const MODULUS: &str = "4MmwfvuNkdKXb_SwLmlMje5cJ6Z2OXe6Exe89VOn-h68N-x0u5sO8ZnqrUCVvq1CIm8gt7-Mm37CCIpZZAgA-BK7qwoWjs3MCaqGHHMY9HnZqsWFsV33S-STjR23usdtjKRDD06BJU-CU2TYWF7aDxedT9tlnIAjIYWtz4cnHnuUzFqEmJgVM7VGKiSiZbsAZH3eh4oz_GMzxbbtIpeGOUY0FW_vvhJ_hqr13pe9B5DzpDltujt6yZpjhSEmjbYvYa3rIGgIoyd7xMZy8gsUJRXmJ55TBTkGGiAnFd-b0usYrWgArQG6Tk4H-8wIRWX7k9EC2Xolf9hmyN_HkKmElw";

/// A configuration of `key-auth` with so many keys of 1,000 consumers.
pub fn keys(n: usize) -> Json {
    json!({"keys": list(n, full_key)})
}

fn list(n: usize, of: impl Fn(usize) -> Json) -> Json {
    (0..n).map(of).collect()
}

fn last(n: usize) -> usize {
    n.saturating_sub(1)
}

fn consumer(at: usize) -> String {
    format!("consumer-{at:06}")
}

fn team(at: usize) -> String {
    format!("team-{at:06}")
}

fn key(at: usize) -> String {
    format!("mg_{at:048}")
}

fn digest(at: usize) -> String {
    let digest = Sha256::digest(key(at));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A key of a consumer of its own, and nothing else.
fn plain_key(at: usize) -> Json {
    json!({"id": format!("key-{at:06}"), "digest": digest(at), "consumer": consumer(at)})
}

/// One of 1,000 consumers' keys, with one of 20 sets of groups, an end of its own and a label.
fn full_key(at: usize) -> Json {
    let groups: Vec<String> = (0..=at % 3)
        .map(|group| format!("group-{}-{group}", at % 20))
        .collect();
    let tier = if at.is_multiple_of(2) {
        "gold"
    } else {
        "silver"
    };
    let (day, second) = (at % 28 + 1, at % 60);
    json!({
        "id": format!("key-{at:06}"), "digest": digest(at), "consumer": consumer(at % 1_000), "groups": groups,
        "expires_at": format!("2099-01-{day:02}T00:00:{second:02}Z"), "labels": {"tier": tier},
    })
}

fn rule(at: usize) -> Json {
    json!({"id": format!("rule-{at}"), "effect": "allow", "who": {"consumers": [consumer(at)]}, "what": {"models": [format!("model-{at}")]}})
}

/// The last consumer's request, for the last model.
fn with_key(n: usize) -> Request {
    let path = format!("/v2/models/model-{}/infer", last(n));
    Request::post(&path).header("x-api-key", key(last(n)))
}
