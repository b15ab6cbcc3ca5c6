//! Heads of requests: paths, queries, headers, cookies, tokens.

use jwt_simple::prelude::{Claims, Duration, HS256Key, MACLike as _};
use modelgate_harness::proxy::Request;
use serde_json::{Value, json};

use super::measure::Case;

pub const SIGN: &str = r#"{"region":"us-east-1","service":"sagemaker","host":"h.test","credentials":{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},"ambiguous_paths":"deny"}"#;
const SIGN_S3: &str = r#"{"region":"us-east-1","service":"s3","host":"h.test","credentials":{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},"payload":"unsigned"}"#;
const KEYS: &str = r#"{"keys":[{"id":"k","digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","consumer":"c"}],"key_from":[{"header":"x-api-key"},{"query":"api_key"},{"cookie":"key"},{"header":"authorization","scheme":"Bearer"}],"identity_headers":{"consumer":"x-consumer","groups":"x-groups"},"profiles":{"p":{}},"profile_rules":[{"profile":"p","match":{"host":"*.b.test","path":"/q/**"}}]}"#;
const RULES: &str = r#"{"rules":[{"id":"a","effect":"allow","what":{"paths":["/a/**","/b/{x}/c"]}},{"id":"b","effect":"deny","what":{"models":["*a*b*c*d*"]}},{"id":"c","effect":"allow","who":{"groups":{"any_of":["g"]}}}]}"#;
const LIMIT: &str = r#"{"policies":[{"name":"a","by":[{"header":"x-tenant"},"method"],"on_missing_key":"shared","windows":[{"quota":1000000,"window_s":1}]}]}"#;
const AUDIT: &str = r#"{}"#;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn tokens() -> String {
    json!({
        "max_token_bytes": 65536,
        "issuers": [{"issuer": "https://idp.test", "audiences": ["models"], "groups_claim": "groups",
            "claims": [{"claim": "groups", "none_of": ["never"]}, {"claim": "scope", "any_of": ["s"]}],
            "keys": {"secret": {"value": SECRET}}}],
    })
    .to_string()
}

fn signed(claims: Value) -> String {
    let Value::Object(claims) = claims else {
        unreachable!("claims are an object");
    };
    // The simulated clock begins long before that of this machine.
    let claims = Claims::with_custom_claims(claims, Duration::from_days(20_000));
    HS256Key::from_bytes(SECRET.as_bytes())
        .authenticate(claims)
        .unwrap()
}

/// Every filter, with the configuration under which its heads are judged.
fn filters() -> Vec<(&'static str, String)> {
    [
        ("audit-log", AUDIT),
        ("key-auth", KEYS),
        ("consumer-acl", RULES),
        ("rate-limit", LIMIT),
        ("aws-sigv4", SIGN),
        ("aws-sigv4", SIGN_S3),
        ("pii-mask", "{}"),
    ]
    .into_iter()
    .map(|(filter, config)| (filter, config.to_owned()))
    .chain([("jwt-auth", tokens())])
    .collect()
}

type Head = (&'static str, usize, fn(usize) -> Request);

const HEADS: [Head; 21] = [
    ("a long segment", 8_000, |n| {
        Request::get(&format!("/a/{}", "b".repeat(n)))
    }),
    ("many segments", 8_000, |n| {
        Request::get(&"/a".repeat(n / 2))
    }),
    ("many slashes", 8_000, |n| {
        Request::get(&format!("/a{}", "/".repeat(n)))
    }),
    ("escapes in the path", 8_000, |n| {
        Request::get(&format!("/a/{}", "%41".repeat(n / 3)))
    }),
    ("dots in the path", 8_000, |n| {
        Request::get(&format!("/a{}", "/.".repeat(n / 2)))
    }),
    ("a long model", 8_000, |n| {
        Request::post(&format!("/v2/models/{}/infer", "abc".repeat(n / 3)))
    }),
    ("a long parameter", 8_000, |n| {
        Request::get(&format!("/a?b={}", "c".repeat(n)))
    }),
    ("many parameters", 8_000, |n| {
        Request::get(&format!("/a?{}", "b=c&".repeat(n / 4)))
    }),
    ("many distinct parameters", 8_000, |n| {
        let pairs: Vec<String> = (0..n / 9)
            .map(|at| format!("p{:05}={}", at * 7919 % 99_991, at % 10))
            .collect();
        Request::get(&format!("/a?{}", pairs.join("&")))
    }),
    ("parameters with keys", 8_000, |n| {
        Request::get(&format!("/a?{}", "api_key=x&".repeat(n / 10)))
    }),
    ("escapes in the query", 8_000, |n| {
        Request::get(&format!("/a?{}", "%61=%62&".repeat(n / 8)))
    }),
    ("ampersands", 8_000, |n| {
        Request::get(&format!("/a?{}", "&".repeat(n)))
    }),
    ("a long value", 8_000, |n| {
        Request::get("/a").header("x-tenant", "t".repeat(n))
    }),
    ("many headers", 40, |n| {
        (0..n).fold(Request::get("/a"), |request, at| {
            request.header(&format!("x-{at}"), "v")
        })
    }),
    ("one header many times", 40, |n| {
        (0..n).fold(Request::get("/a"), |request, _| {
            request.header("x-tenant", "v")
        })
    }),
    ("many names with underscores", 40, |n| {
        (0..n).fold(Request::get("/a"), |request, _| {
            request.header("x_consumer", "v")
        })
    }),
    ("many cookies", 8_000, |n| {
        Request::get("/a").header("cookie", "a=b; ".repeat(n / 5))
    }),
    ("the same cookie many times", 8_000, |n| {
        Request::get("/a").header("cookie", "key=b; ".repeat(n / 7))
    }),
    ("many lines of cookies", 40, |n| {
        (0..n).fold(Request::get("/a"), |request, _| {
            request.header("cookie", "key=b")
        })
    }),
    ("many credentials", 8_000, |n| {
        Request::get("/a").header("authorization", "Bearer a, ".repeat(n / 10))
    }),
    ("a long host", 8_000, |n| {
        Request::get("/a").authority(&format!("{}.b.test", "a".repeat(n)))
    }),
];

/// What a token is made of, besides what every token has.
type Token = (&'static str, fn(usize) -> String);

fn bearer_of(claims: Value) -> String {
    let mut all = json!({"iss": "https://idp.test", "aud": "models", "sub": "ann", "scope": "s"});
    if let (Value::Object(all), Value::Object(claims)) = (&mut all, claims) {
        all.extend(claims);
    }
    signed(all)
}

const TOKENS: [Token; 12] = [
    ("many groups", |n| {
        bearer_of(json!({"groups": (0..n / 14).map(|at| format!("g{at:06}")).collect::<Vec<_>>()}))
    }),
    ("a long group", |n| {
        bearer_of(json!({"groups": ["g".repeat(n)]}))
    }),
    ("many audiences", |n| {
        bearer_of(
            json!({"aud": (0..n / 14).map(|at| format!("a{at:06}")).chain(["models".into()]).collect::<Vec<_>>()}),
        )
    }),
    ("many scopes", |n| {
        bearer_of(json!({"scope": "t ".repeat(n / 2) + "s"}))
    }),
    ("many claims", |n| {
        let claims: serde_json::Map<_, _> = (0..n / 16)
            .map(|at| (format!("c{at:06}"), json!(at)))
            .collect();
        bearer_of(Value::Object(claims))
    }),
    ("a long claim", |n| bearer_of(json!({"x": "y".repeat(n)}))),
    ("a claim with escapes", |n| {
        bearer_of(json!({"x": "\u{1}".repeat(n / 6)}))
    }),
    ("a long subject", |n| {
        bearer_of(json!({"sub": "y".repeat(n)}))
    }),
    ("dots", |n| ".".repeat(n)),
    ("letters", |n| "a".repeat(n)),
    ("three long parts", |n| {
        format!("{0}.{0}.{0}", "A".repeat(n / 3))
    }),
    ("a long header", |n| {
        use base64::Engine as _;
        let header = json!({"alg": "HS256", "x": "y".repeat(n * 3 / 4)}).to_string();
        format!(
            "{}.e30.AAAA",
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header)
        )
    }),
];

/// Heads to every filter, and tokens to `jwt-auth`.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (filter, config) in filters() {
        for (name, size, head) in HEADS {
            cases.push(Case::request(
                filter,
                format!("head: {name}"),
                &config,
                size,
                head,
            ));
        }
    }
    for (name, token) in TOKENS {
        cases.push(Case::request(
            "jwt-auth",
            format!("token: {name}"),
            &tokens(),
            12_000,
            move |size| {
                Request::get("/a").header("authorization", format!("Bearer {}", token(size)))
            },
        ));
    }
    cases
}
