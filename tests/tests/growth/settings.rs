//! Configurations: how much more a request costs under one of twice the size, and how much longer
//! that takes to load. Where rules meet what a caller brings along (groups, audiences, words of a
//! claim), both have the size: twice of both is twice the input.

use proxy_wasm_simulator::{Reply, Request};
use serde_json::{Value, json};

use super::heads::{KEYS, SECRET, SIGN, bearer_of};
use super::measure::{Case, What};

/// Something of a configuration that grows, and a request that meets all of it.
struct Setting {
    filter: &'static str,
    name: &'static str,
    size: usize,
    config: fn(usize) -> Value,
    request: fn(usize) -> Request,
    status: u16,
    /// The groups of the caller, who comes through `key-auth`.
    groups: Option<fn(usize) -> Vec<String>>,
}

impl Setting {
    fn new(
        filter: &'static str,
        name: &'static str,
        size: usize,
        config: fn(usize) -> Value,
        request: fn(usize) -> Request,
    ) -> Self {
        Self {
            filter,
            name,
            size,
            config,
            request,
            status: 200,
            groups: None,
        }
    }

    fn refused(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn by(self, groups: fn(usize) -> Vec<String>) -> Self {
        Self {
            groups: Some(groups),
            ..self
        }
    }

    fn case(self, what: What) -> Case {
        let of = match what {
            What::Exchange => "a request under",
            What::Load | What::Both => "loading",
        };
        let (config, request, by) = (self.config, self.request, self.groups.is_some());
        let case = Case::exchange(
            self.filter,
            format!("{of} twice the {}", self.name),
            "",
            self.size,
            move |size| {
                let request = request(size);
                let request = if by {
                    request.header("x-api-key", "foo")
                } else {
                    request
                };
                (request, Reply::status(200))
            },
        )
        .under(move |size| config(size).to_string())
        .refused(self.status);
        let case = match self.groups {
            Some(groups) => case.behind("key-auth", move |size| {
                let mut keys: Value = serde_json::from_str(KEYS).unwrap();
                keys["keys"][0]["groups"] = json!(groups(size));
                keys.to_string()
            }),
            None => case,
        };
        Case { what, ..case }
    }
}

fn digest(at: usize) -> String {
    format!("sha256:{:064x}", at + 1)
}

fn many<T>(n: usize, one: impl Fn(usize) -> T) -> Vec<T> {
    (0..n).map(one).collect()
}

fn groups(n: usize) -> Vec<String> {
    many(n, |at| format!("g{at}"))
}

/// Groups, none of which a rule names.
fn others(n: usize) -> Vec<String> {
    many(n, |at| format!("o{at}"))
}

fn get(_: usize) -> Request {
    Request::get("/a/b/c")
}

fn keyed(_: usize) -> Request {
    Request::get("/a").header("x-api-key", "foo")
}

fn bearer(token: &str) -> Request {
    Request::get("/a").header("authorization", format!("Bearer {token}"))
}

fn keys(n: usize) -> Value {
    let mut config: Value = serde_json::from_str(KEYS).unwrap();
    let good = config["keys"][0].clone();
    let mut all = many(
        n,
        |at| json!({"id": format!("k{at}"), "digest": digest(at), "consumer": format!("c{at}"), "groups": ["a", "b"]}),
    );
    all.push(good);
    config["keys"] = json!(all);
    config
}

fn profile_rules(n: usize) -> Value {
    let mut config: Value = serde_json::from_str(KEYS).unwrap();
    config["profile_rules"] = json!(many(
        n,
        |at| json!({"profile": "p", "match": {"host": format!("h{at}.test"), "path": format!("/p{at}/**")}})
    ));
    config
}

fn issuers(n: usize) -> Value {
    let mut all = many(
        n,
        |at| json!({"issuer": format!("https://i{at}.test"), "audiences": ["models"], "keys": {"secret": {"value": SECRET}}}),
    );
    all.push(json!({"issuer": "https://idp.test", "audiences": ["models"], "keys": {"secret": {"value": SECRET}}}));
    json!({ "issuers": all })
}

fn issuer(members: Value) -> Value {
    let mut issuer = json!({"issuer": "https://idp.test", "audiences": ["models"], "keys": {"secret": {"value": SECRET}}});
    if let (Value::Object(issuer), Value::Object(members)) = (&mut issuer, members) {
        issuer.extend(members);
    }
    json!({"max_token_bytes": 65536, "issuers": [issuer]})
}

/// A set of keys, the last of which is a good one under another name than any token's.
fn key_set(n: usize, one: fn(usize) -> Value) -> Value {
    let mut keys = many(n, one);
    keys.push(json!({"kty": "OKP", "crv": "Ed25519", "kid": "last", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
    issuer(json!({"keys": {"jwks": {"keys": keys}}}))
}

/// A number of as many bytes, different for each key.
pub fn modulus(bytes: usize, at: usize) -> String {
    use base64::Engine as _;
    let mut number: Vec<u8> = (0..bytes)
        .map(|byte| u8::try_from((byte * 31 + at * 17) % 251).unwrap())
        .collect();
    number[0] |= 0x80;
    number[bytes - 1] |= 1;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(number)
}

pub fn rsa(at: usize) -> Value {
    json!({"kty": "RSA", "kid": format!("k{at}"), "n": modulus(256, at), "e": "AQAB"})
}

pub fn long_rsa(at: usize) -> Value {
    json!({"kty": "RSA", "kid": format!("k{at}"), "n": modulus(1_024, at), "e": "AQAB"})
}

pub fn unusable(at: usize) -> Value {
    json!({"kty": "EC", "crv": "P-999", "kid": format!("k{at}"), "x": "AQAB", "y": "AQAB"})
}

/// A token by a key that the set does not have.
fn stranger(_: usize) -> Request {
    bearer(
        "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vbmUifQ.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0IiwiYXVkIjoibW9kZWxzIn0.AAAA",
    )
}

fn rules(n: usize, one: impl Fn(usize) -> Value) -> Value {
    let rules = many(n, |at| {
        let mut rule = json!({"id": format!("r{at}"), "effect": "allow"});
        if let (Value::Object(rule), Value::Object(members)) = (&mut rule, one(at)) {
            rule.extend(members);
        }
        rule
    });
    json!({ "rules": rules })
}

fn limit(policies: Value) -> Value {
    json!({ "policies": policies })
}

fn sign(members: Value) -> Value {
    let mut config: Value = serde_json::from_str(SIGN).unwrap();
    if let (Value::Object(config), Value::Object(members)) = (&mut config, members) {
        config.extend(members);
    }
    config
}

fn of_callers() -> Vec<Setting> {
    vec![
        Setting::new("key-auth", "keys", 4_000, keys, keyed),
        Setting::new(
            "key-auth",
            "keys, none of which it has",
            4_000,
            keys,
            |_| Request::get("/a").header("x-api-key", "unknown"),
        )
        .refused(401),
        Setting::new("key-auth", "profile rules", 1_000, profile_rules, keyed),
        Setting::new(
            "key-auth",
            "groups of a key",
            500,
            |n| {
                let mut config: Value = serde_json::from_str(KEYS).unwrap();
                config["keys"][0]["groups"] = json!(groups(n));
                config
            },
            keyed,
        ),
        Setting::new("jwt-auth", "issuers", 32, issuers, |_| {
            bearer(&bearer_of(json!({})))
        }),
        Setting::new(
            "jwt-auth",
            "issuers, by none of which it is",
            32,
            issuers,
            |_| bearer(&bearer_of(json!({"iss": "https://elsewhere.test"}))),
        )
        .refused(401),
        Setting::new(
            "jwt-auth",
            "audiences on both sides",
            400,
            |n| issuer(json!({"audiences": many(n, |at| format!("our{at}"))})),
            |n| {
                let mut all = many(n, |at| format!("their{at}"));
                all.push(format!("our{}", n - 1));
                bearer(&bearer_of(json!({"aud": all})))
            },
        ),
        Setting::new(
            "jwt-auth",
            "words on both sides",
            400,
            |n| issuer(json!({"claims": [{"claim": "groups", "none_of": groups(n)}]})),
            |n| bearer(&bearer_of(json!({"groups": others(n)}))),
        ),
        Setting::new(
            "jwt-auth",
            "depth of a claim and of its path",
            8,
            |n| issuer(json!({"claims": [{"claim": "/d".repeat(n), "any_of": ["y"]}]})),
            |n| {
                let deep = (1..n).fold(json!("y"), |deep, _| json!({"d": deep}));
                bearer(&bearer_of(json!({"d": deep})))
            },
        ),
        Setting::new(
            "jwt-auth",
            "conditions on claims",
            200,
            |n| {
                issuer(
                    json!({"claims": many(n, |at| json!({"claim": format!("c{at}"), "any_of": ["y"]}))}),
                )
            },
            |n| {
                let claims: serde_json::Map<_, _> =
                    (0..n).map(|at| (format!("c{at}"), json!("y"))).collect();
                bearer(&bearer_of(Value::Object(claims)))
            },
        ),
        Setting::new("jwt-auth", "keys", 100, |n| key_set(n, rsa), stranger).refused(401),
        Setting::new(
            "jwt-auth",
            "long keys",
            50,
            |n| key_set(n, long_rsa),
            stranger,
        )
        .refused(401),
        Setting::new(
            "jwt-auth",
            "unusable keys",
            200,
            |n| key_set(n, unusable),
            stranger,
        )
        .refused(401),
    ]
}

fn of_rules() -> Vec<Setting> {
    vec![
        Setting::new("consumer-acl", "rules over models", 1_000, |n| {
            rules(n, |at| json!({"who": {"identity": "any"}, "what": {"models": [format!("m{at}")]}}))
        }, |n| Request::post(&format!("/v2/models/m{}/infer", n - 1))),
        Setting::new("consumer-acl", "rules over other models", 1_000, |n| {
            rules(n, |at| json!({"who": {"identity": "any"}, "what": {"models": [format!("m{at}")]}}))
        }, |_| Request::post("/v2/models/other/infer"))
        .refused(403),
        Setting::new("consumer-acl", "rules with asterisks", 500, |n| {
            rules(n, |at| json!({"who": {"identity": "any"}, "what": {"models": [format!("*m*{at}")]}}))
        }, |n| Request::post(&format!("/v2/models/xm{}/infer", n - 1))),
        Setting::new("consumer-acl", "rules over paths", 1_000, |n| {
            rules(n, |at| json!({"who": {"identity": "any"}, "what": {"paths": [format!("/p{at}/**")]}}))
        }, |n| Request::get(&format!("/p{}/b/c", n - 1))),
        Setting::new("consumer-acl", "groups of one rule", 1_000, |n| {
            rules(1, |_| json!({"who": {"groups": {"any_of": groups(n)}}}))
        }, get)
        .by(|n| vec![format!("g{}", n - 1)]),
        Setting::new("consumer-acl", "groups of one rule and of the caller", 400, |n| {
            rules(1, |_| json!({"who": {"groups": {"all_of": groups(n)}}}))
        }, get)
        .by(groups),
        Setting::new("consumer-acl", "rules for one group each, and groups of the caller", 400, |n| {
            rules(n, |at| json!({"who": {"groups": {"any_of": [format!("g{at}")]}}}))
        }, get)
        .by(groups),
        Setting::new("consumer-acl", "rules for those outside a group, and groups of the caller", 400, |n| {
            rules(n, |at| json!({"who": {"groups": {"none_of": [format!("g{at}")]}}}))
        }, get)
        .by(others),
        Setting::new("rate-limit", "policies", 16, |n| {
            limit(json!(many(n, |at| json!({"name": format!("p{at}"), "by": [{"header": "x-tenant"}], "windows": [{"quota": 100, "window_s": 60}]}))))
        }, |_| Request::get("/a").header("x-tenant", "t")),
        Setting::new("rate-limit", "windows", 2, |n| {
            limit(json!([{"name": "p", "by": [{"header": "x-tenant"}], "windows": many(n, |at| json!({"quota": 100 * (at + 1), "window_s": 60 * (at + 1)}))}]))
        }, |_| Request::get("/a").header("x-tenant", "t")),
        Setting::new("rate-limit", "tiers", 200, |n| {
            limit(json!([{"name": "p", "by": ["consumer"], "windows": [{"quota": 100, "window_s": 60}],
                "tiers": many(n, |at| json!({"who": {"consumers": [format!("x{at}")]}, "windows": [{"quota": 100, "window_s": 60}]}))}]))
        }, get)
        .by(|_| vec!["g".into()]),
        Setting::new("rate-limit", "tiers by group, and groups of the caller", 200, |n| {
            limit(json!([{"name": "p", "by": ["consumer"], "windows": [{"quota": 100, "window_s": 60}],
                "tiers": many(n, |at| json!({"who": {"groups": {"any_of": [format!("g{at}")]}}, "windows": [{"quota": 100, "window_s": 60}]}))}]))
        }, get)
        .by(others),
        Setting::new("rate-limit", "groups that tell buckets apart, and groups of the caller", 400, |n| {
            limit(json!([{"name": "p", "by": [{"group_of": groups(n)}], "on_missing": "shared", "windows": [{"quota": 100, "window_s": 60}]}]))
        }, get)
        .by(others),
        Setting::new("rate-limit", "models of a policy", 500, |n| {
            limit(json!([{"name": "p", "by": ["model"], "what": {"models": many(n, |at| format!("m{at}"))}, "windows": [{"quota": 100, "window_s": 60}]}]))
        }, |n| Request::post(&format!("/v2/models/m{}/infer", n - 1))),
    ]
}

/// Models that requests are routed by, each with these names.
fn routed(models: Vec<Value>) -> Value {
    json!({"models": models})
}

fn target() -> Value {
    json!([{"tag": "t", "backend": "a", "model": "m"}])
}

fn of_routes() -> Vec<Setting> {
    let last = |n: usize| Request::post(&format!("/v2/models/m{}/infer", n - 1));
    vec![
        Setting::new("model-route", "models", 300, |n| {
            routed(many(n, |at| json!({"name": format!("m{at}"), "targets": target()})))
        }, last),
        Setting::new("model-route", "models by pattern", 300, |n| {
            routed(many(n, |at| json!({"name": format!("m{at}*x"), "aliases": [format!("m{at}")], "targets": target()})))
        }, last),
        Setting::new("model-route", "aliases", 300, |n| {
            routed(vec![json!({"name": "x", "aliases": many(n, |at| format!("m{at}")), "targets": target()})])
        }, last),
        Setting::new("model-route", "targets", 16, |n| {
            routed(vec![json!({"name": "m*", "sticky_by": [{"header": "x-tenant"}], "rollback": {},
                "targets": many(n, |at| json!({"tag": format!("t{at}"), "backend": "a"}))})])
        }, last),
        Setting::new("model-route", "overrides, and groups of the caller", 300, |n| {
            routed(vec![json!({"name": "m*", "targets": target(),
                "overrides": many(n, |at| json!({"who": {"groups": {"any_of": [format!("g{at}")]}}, "target": "t"}))})])
        }, last)
        .by(others),
    ]
}

fn of_others() -> Vec<Setting> {
    vec![
        Setting::new(
            "pii-mask",
            "values that stay",
            100,
            |n| json!({"allowed_values": many(n, |at| format!("*@a{at}.example"))}),
            |_| {
                Request::post("/a")
                    .header("content-type", "application/json")
                    .chunk(r#"{"a":"ann@example.com"}"#)
            },
        ),
        Setting::new(
            "aws-sigv4",
            "client headers",
            16,
            |n| sign(json!({"client_headers": many(n, |at| format!("x-amzn-h{at}"))})),
            |n| {
                (0..n).fold(Request::get("/a"), |request, at| {
                    request.header(&format!("x-amzn-h{at}"), "v")
                })
            },
        ),
        Setting::new(
            "aws-sigv4",
            "set headers",
            16,
            |n| {
                let set: serde_json::Map<_, _> = (0..n)
                    .map(|at| (format!("x-amzn-s{at}"), json!("v")))
                    .collect();
                sign(json!({"set_headers": set}))
            },
            |_| Request::get("/a"),
        ),
        Setting::new(
            "aws-sigv4",
            "signed headers",
            30,
            |n| sign(json!({"signed_headers": many(n, |at| format!("y-h{at}"))})),
            |n| {
                (0..n).fold(Request::get("/a"), |request, at| {
                    request.header(&format!("y-h{at}"), "v")
                })
            },
        ),
        Setting::new(
            "aws-sigv4",
            "paths",
            200,
            |n| sign(json!({"paths": many(n, |at| format!("/endpoints/e{at}/*"))})),
            |n| Request::get(&format!("/endpoints/e{}/invocations", n - 1)),
        ),
        Setting::new(
            "audit-log",
            "attributes of the source",
            100,
            |n| {
                let resource: serde_json::Map<_, _> = (0..n)
                    .map(|at| (format!("a{at}"), json!("v".repeat(40))))
                    .collect();
                json!({"sink": {"cluster": "upstream", "resource": resource}})
            },
            get,
        ),
        Setting::new(
            "audit-log",
            "groups of the caller",
            200,
            |_| json!({"sink": {"cluster": "upstream"}}),
            get,
        )
        .by(groups),
    ]
}

fn cases(what: What) -> Vec<Case> {
    [of_callers(), of_rules(), of_routes(), of_others()]
        .into_iter()
        .flatten()
        .map(|setting| setting.case(what))
        .collect()
}

/// Requests under larger and larger configurations.
pub fn requests() -> Vec<Case> {
    cases(What::Exchange)
}

/// Loading larger and larger configurations.
pub fn loads() -> Vec<Case> {
    cases(What::Load)
}
