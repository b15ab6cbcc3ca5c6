//! Configurations: how much more a request costs under one of twice the size, and how much longer that takes to load.

use modelgate_harness::proxy::{Reply, Request};
use serde_json::{Value, json};

use super::measure::{Case, What};

type Settings = (
    &'static str,
    &'static str,
    fn(usize) -> Value,
    fn() -> Request,
);

fn digest(at: usize) -> String {
    format!("sha256:{:064x}", at + 1)
}

/// What grows, and a request that meets all of it.
const SETTINGS: [Settings; 9] = [
    (
        "key-auth",
        "keys",
        |n| json!({"keys": (0..n).map(|at| json!({"id": format!("k{at}"), "digest": digest(at), "consumer": format!("c{at}"), "groups": ["a", "b"]})).collect::<Vec<_>>()}),
        || Request::get("/a").header("x-api-key", "unknown"),
    ),
    (
        "key-auth",
        "profile rules",
        |n| json!({"keys": [], "profiles": {"p": {}}, "profile_rules": (0..n).map(|at| json!({"profile": "p", "match": {"host": format!("h{at}.test"), "path": format!("/p{at}/**")}})).collect::<Vec<_>>()}),
        || Request::get("/a"),
    ),
    (
        "jwt-auth",
        "issuers",
        |n| json!({"issuers": (0..n).map(|at| json!({"issuer": format!("https://i{at}.test"), "audiences": ["models"], "keys": {"secret": {"value": "0123456789abcdef0123456789abcdef"}}})).collect::<Vec<_>>()}),
        || {
            Request::get("/a").header(
                "authorization",
                "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA",
            )
        },
    ),
    (
        "consumer-acl",
        "rules over models",
        |n| json!({"rules": (0..n).map(|at| json!({"id": format!("r{at}"), "effect": "allow", "who": {"identity": "any"}, "what": {"models": [format!("m{at}")]}})).collect::<Vec<_>>()}),
        || Request::post("/v2/models/other/infer"),
    ),
    (
        "consumer-acl",
        "rules over paths",
        |n| json!({"rules": (0..n).map(|at| json!({"id": format!("r{at}"), "effect": "allow", "who": {"identity": "any"}, "what": {"paths": [format!("/p{at}/**")]}})).collect::<Vec<_>>()}),
        || Request::get("/a/b/c"),
    ),
    (
        "consumer-acl",
        "groups of one rule",
        |n| json!({"rules": [{"id": "r", "effect": "allow", "who": {"groups": {"any_of": (0..n).map(|at| format!("g{at}")).collect::<Vec<_>>()}}}]}),
        || Request::get("/a/b/c"),
    ),
    (
        "rate-limit",
        "policies",
        |n| json!({"policies": (0..n).map(|at| json!({"name": format!("p{at}"), "by": [{"header": "x-tenant"}], "windows": [{"quota": 100, "window_s": 60}]})).collect::<Vec<_>>()}),
        || Request::get("/a").header("x-tenant", "t"),
    ),
    (
        "pii-mask",
        "values that stay",
        |n| json!({"allowed_values": (0..n).map(|at| format!("*@a{at}.example")).collect::<Vec<_>>()}),
        || {
            Request::post("/a")
                .header("content-type", "application/json")
                .chunk(r#"{"a":"ann@example.com"}"#)
        },
    ),
    (
        "aws-sigv4",
        "client headers",
        |n| {
            json!({"region": "us-east-1", "service": "sagemaker", "host": "h.test", "client_headers": (0..n).map(|at| format!("x-amzn-h{at}")).collect::<Vec<_>>(),
            "credentials": {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}})
        },
        || Request::get("/a"),
    ),
];

fn size(filter: &str, name: &str) -> usize {
    match (filter, name) {
        ("rate-limit", _) => 8,
        ("jwt-auth", _) => 16,
        ("aws-sigv4", _) => 16,
        ("pii-mask", _) => 100,
        ("key-auth", "keys") => 4_000,
        _ => 1_000,
    }
}

fn case(settings: Settings, what: What) -> Case {
    let (filter, name, config, request) = settings;
    let of = match what {
        What::Exchange => "a request under",
        What::Load => "loading",
    };
    Case {
        name: format!("{filter}: {of} twice the {name}"),
        filter,
        size: size(filter, name),
        config: Box::new(move |size| config(size).to_string()),
        traffic: Box::new(move |_| (request(), Reply::status(200))),
        what,
    }
}

/// Requests under larger and larger configurations.
pub fn requests() -> Vec<Case> {
    SETTINGS
        .into_iter()
        .map(|settings| case(settings, What::Exchange))
        .collect()
}

/// Loading larger and larger configurations.
pub fn loads() -> Vec<Case> {
    SETTINGS
        .into_iter()
        .map(|settings| case(settings, What::Load))
        .collect()
}
