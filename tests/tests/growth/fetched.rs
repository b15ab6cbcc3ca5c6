//! What an issuer answers with when it is asked for its keys.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proxy_wasm_simulator::{Answer, Reply, Request};
use serde_json::{Value, json};

use super::measure::{ANY, Case, random, seeds};
use super::settings::{long_rsa, modulus, rsa, unusable};

/// Bytes of the smaller document, or of its keys.
const SIZE: usize = 60_000;

fn config(source: Value) -> String {
    json!({"issuers": [{"issuer": "https://idp.test", "audiences": ["models"], "keys": source}]})
        .to_string()
}

fn refresh() -> Value {
    json!({"max_bytes": 4_194_304})
}

fn fetched() -> String {
    config(
        json!({"fetch": {"url": "https://idp.test/keys", "cluster": "idp", "refresh": refresh()}}),
    )
}

/// A token by a key that no set has, of an algorithm that every set could have.
fn stranger(kid: &str, more: Value) -> Request {
    let mut header = json!({"alg": "RS256", "kid": kid});
    if let (Value::Object(header), Value::Object(more)) = (&mut header, more) {
        header.extend(more);
    }
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let claims = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://idp.test","aud":"models"}"#);
    Request::get("/a").header("authorization", format!("Bearer {header}.{claims}.AAAA"))
}

/// A document that is asked for because of a token, and the answer to that token's request: 401
/// where the document is a key set without its key, 503 where it is none.
fn answered(
    name: impl std::fmt::Display,
    size: usize,
    status: u16,
    document: impl Fn(usize) -> String + 'static,
) -> Case {
    let case = Case::exchange(
        "jwt-auth",
        format!("key set: {name}"),
        &fetched(),
        size,
        |_| (stranger("none", json!({})), Reply::status(200)),
    );
    Case {
        others: Box::new(move |size| vec![("idp", says(document(size)))]),
        ..case
    }
    .loading_too()
    .refused(status)
}

fn says(document: String) -> Answer {
    Answer::Reply(Reply::status(200).body(document))
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn many(n: usize, key: impl Fn(usize) -> Value) -> Vec<Value> {
    (0..n).map(key).collect()
}

fn with(mut key: Value, more: Value) -> Value {
    if let (Value::Object(key), Value::Object(more)) = (&mut key, more) {
        key.extend(more);
    }
    key
}

/// What certificates look like to whoever does not read them.
fn chain(certificates: usize, bytes: usize) -> Value {
    let certificate = STANDARD.encode(vec![0x30; bytes]);
    json!({"x5c": vec![certificate; certificates]})
}

/// An Ed25519 key, so that a set has one that can be used.
fn good() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": "last", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn and_good(mut keys: Vec<Value>) -> String {
    keys.push(good());
    set(&keys)
}

/// Key sets of many keys, and of keys that are odd.
fn sets() -> Vec<Case> {
    vec![
        answered("RSA keys", 100, 401, |n| set(&many(n, rsa))),
        answered("long RSA keys", 40, 401, |n| set(&many(n, long_rsa))),
        answered("more keys than are read", 1_200, 401, |n| {
            set(&many(n, |_| good()))
        }),
        answered("keys of one name", 100, 401, |n| {
            set(&many(n, |at| with(rsa(at), json!({"kid": "same"}))))
        }),
        answered("one key again and again", 100, 401, |n| {
            set(&many(n, |_| rsa(0)))
        }),
        answered("keys of the token's name", 100, 401, |n| {
            set(&many(n, |at| {
                with(rsa(at), json!({"kid": "none", "alg": "RS512"}))
            }))
        }),
        answered("keys without a name", 100, 401, |n| {
            let nameless = |at| json!({"kty": "EC", "crv": "P-999", "x": at, "y": "AQAB"});
            and_good(many(n, nameless))
        }),
        answered("unusable keys", 200, 401, |n| and_good(many(n, unusable))),
        answered("private keys", 100, 401, |n| {
            and_good(many(n, |at| with(rsa(at), json!({"d": modulus(256, at)}))))
        }),
        answered("secrets", 200, 503, |n| {
            set(&many(
                n,
                |at| json!({"kty": "oct", "kid": at.to_string(), "k": "AQAB"}),
            ))
        }),
        answered("a huge n", SIZE, 401, |n| {
            let huge =
                json!({"kty": "RSA", "kid": "huge", "n": modulus(n * 3 / 4, 1), "e": "AQAB"});
            and_good(vec![huge])
        }),
        answered("a huge e", SIZE, 401, |n| {
            let huge = with(rsa(1), json!({"e": modulus(n * 3 / 4, 1)}));
            and_good(vec![huge])
        }),
        answered("an n of zeros", SIZE, 401, |n| {
            let zeros = URL_SAFE_NO_PAD.encode(vec![0; n * 3 / 4]);
            and_good(vec![with(rsa(1), json!({"n": zeros}))])
        }),
        answered("a huge x", SIZE, 401, |n| {
            and_good(vec![
                json!({"kty": "EC", "crv": "P-256", "x": modulus(n * 3 / 8, 1), "y": modulus(n * 3 / 8, 2)}),
            ])
        }),
        answered("a long kid", SIZE, 401, |n| {
            set(&[with(good(), json!({"kid": "k".repeat(n)}))])
        }),
        answered("long unknown kids", 100, 401, |n| {
            and_good(many(n, |at| {
                with(unusable(at), json!({"kid": "\u{1}\u{e9}".repeat(200)}))
            }))
        }),
        answered("a long chain of certificates", 40, 401, |n| {
            set(&[with(good(), chain(n, 1_500))])
        }),
        answered("long certificates", SIZE, 401, |n| {
            set(&[with(good(), chain(1, n * 3 / 4))])
        }),
        answered("chains of many keys", 40, 401, |n| {
            set(&many(n, |at| with(rsa(at), chain(3, 300))))
        }),
        answered("many members", SIZE, 401, |n| {
            let members: serde_json::Map<_, _> = (0..n / 15)
                .map(|at| (format!("m{at:06}"), json!(at)))
                .collect();
            set(&[with(good(), Value::Object(members))])
        }),
        answered("many members beside the keys", SIZE, 401, |n| {
            let mut members: serde_json::Map<_, _> = (0..n / 15)
                .map(|at| (format!("m{at:06}"), json!(at)))
                .collect();
            members.insert("keys".into(), json!([good()]));
            Value::Object(members).to_string()
        }),
        answered("operations", SIZE, 401, |n| {
            set(&[with(good(), json!({"key_ops": vec!["verify"; n / 9]}))])
        }),
    ]
}

/// Documents that are hardly key sets.
fn others() -> Vec<Case> {
    let lasting = |text: &'static str, n: usize| text.repeat(n / text.len());
    vec![
        answered("JSON in depth", SIZE, 503, |n| "[".repeat(n)),
        answered("objects in depth", SIZE, 503, |n| {
            r#"{"keys":"#.repeat(n / 8)
        }),
        answered("depth again and again", SIZE, 401, |n| {
            let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
            format!(
                r#"{{"x":[{}1],"keys":[{}]}}"#,
                format!("{deep},").repeat(n / 202),
                good()
            )
        }),
        answered("escapes", SIZE, 401, |n| {
            format!(
                r#"{{"x":"{}","keys":[{}]}}"#,
                r"\u0061".repeat(n / 6),
                good()
            )
        }),
        answered("a number of many digits", SIZE, 401, |n| {
            format!(
                r#"{{"x":{},"keys":[{}]}}"#,
                "4".repeat(n.min(300)) + &" ".repeat(n),
                good()
            )
        }),
        answered("numbers", SIZE, 401, |n| {
            format!(
                r#"{{"x":[{}1],"keys":[{}]}}"#,
                "0.9957417845,".repeat(n / 13),
                good()
            )
        }),
        answered("one member again and again", SIZE, 503, |n| {
            format!(r#"{{{}"keys":[]}}"#, r#""keys":[],"#.repeat(n / 10))
        }),
        answered("numbers for keys", SIZE, 503, move |n| {
            format!(r#"{{"keys":[{}{}]}}"#, lasting("1,", n), good())
        }),
        answered("nothing but white space", SIZE, 503, |n| " ".repeat(n)),
        answered("letters", SIZE, 503, |n| "a".repeat(n)),
        answered("PEM for a set", SIZE, 503, |n| {
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".repeat(n / 61)
        }),
    ]
}

/// Metadata, with the keys that it names.
fn metadata() -> Vec<Case> {
    let case = |name: &str, more: fn(usize) -> Value| {
        let source =
            json!({"discovery": {"cluster": "idp", "keys_cluster": "keys", "refresh": refresh()}});
        let case = Case::exchange(
            "jwt-auth",
            format!("metadata: {name}"),
            &config(source),
            SIZE,
            |_| (stranger("none", json!({})), Reply::status(200)),
        );
        Case {
            others: Box::new(move |size| {
                let document = with(
                    json!({"issuer": "https://idp.test", "jwks_uri": "https://idp.test/keys"}),
                    more(size),
                );
                vec![
                    ("idp", says(document.to_string())),
                    ("keys", says(set(&[good()]))),
                ]
            }),
            ..case
        }
        .loading_too()
    };
    vec![
        case(
            "claims and scopes",
            |n| json!({"scopes_supported": vec!["openid"; n / 9]}),
        )
        .refused(401),
        case("many members", |n| {
            let members = (0..n / 15).map(|at| (format!("m{at:06}"), json!(at)));
            Value::Object(members.collect())
        })
        .refused(401),
        case(
            "a long place of the keys",
            |n| json!({"jwks_uri": format!("https://idp.test/{}", "k".repeat(n))}),
        )
        .refused(401),
        case(
            "another issuer, at length",
            |n| json!({"issuer": "https://i.test/".repeat(n / 15)}),
        )
        .refused(503),
    ]
}

/// Keys that are fetched one by one, in PEM: an answer that is more than one key, or other text.
fn bundles() -> Vec<Case> {
    let case = |name: &str, pem: fn(usize) -> String| {
        let source = json!({"pem_per_kid": {
            "url": "https://idp.test/{kid}", "cluster": "idp", "signers": ["lb"], "refresh": refresh(),
        }});
        let case = Case::exchange(
            "jwt-auth",
            format!("PEM: {name}"),
            &config(source),
            SIZE,
            |_| {
                (
                    stranger("k", json!({"signer": "lb", "alg": "ES256"})),
                    Reply::status(200),
                )
            },
        );
        Case {
            others: Box::new(move |size| vec![("idp", says(pem(size)))]),
            ..case
        }
        .loading_too()
        .refused(ANY)
    };
    vec![
        case("many certificates", |n| {
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".repeat(n / 61)
        }),
        case("many public keys", |n| {
            "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n".repeat(n / 59)
        }),
        case("a long public key", |n| {
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n",
                format!("{}\n", "M".repeat(64)).repeat(n / 65)
            )
        }),
        case("a beginning without an end", |n| {
            "-----BEGIN PUBLIC KEY-----\n".repeat(n / 27)
        }),
        case("hyphens", |n| "-".repeat(n)),
        case("line ends", |n| "\r\n".repeat(n / 2)),
    ]
}

/// Members of key sets, mixed at random: the same mixture for both sizes.
fn mixtures() -> Vec<Case> {
    seeds()
        .map(|seed| {
            answered(format!("mixture, seed {seed}"), 30, ANY, move |n| {
                let mut random = random(seed);
                let stretch: Vec<usize> = (0..4).map(|_| random(KEYS.len())).collect();
                and_good(many(n, |at| KEYS[stretch[at % stretch.len()]](at)))
            })
        })
        .collect()
}

const KEYS: [fn(usize) -> Value; 12] = [
    rsa,
    |_| rsa(1),
    long_rsa,
    unusable,
    |at| with(rsa(at), json!({"kid": "same"})),
    |at| with(rsa(at), json!({"kid": null, "use": "enc"})),
    |at| with(rsa(at), json!({"n": modulus(3_000, at)})),
    |at| with(rsa(at), chain(2, 400)),
    |at| {
        with(
            rsa(at),
            json!({"key_ops": vec!["sign"; 40], "alg": "RS999"}),
        )
    },
    |at| json!({"kty": "EC", "crv": "P-256", "kid": at.to_string(), "x": modulus(32, at), "y": modulus(32, at)}),
    |at| json!({"kid": at, "x": [[[[[at]]]]]}),
    |at| json!("k".repeat(at % 7 * 100)),
];

/// All of them.
pub fn cases() -> Vec<Case> {
    [sets(), others(), metadata(), bundles(), mixtures()]
        .into_iter()
        .flatten()
        .collect()
}
