//! Heads of requests: paths, queries, headers, cookies, tokens.

use jwt_simple::prelude::{Claims, Duration, HS256Key, MACLike as _};
use proxy_wasm_simulator::Request;
use serde_json::{Value, json};

use super::measure::Case;

pub const SIGN: &str = r#"{"region":"us-east-1","service":"sagemaker","host":"h.test","credentials":{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},"ambiguous_paths":"deny"}"#;
const SIGN_S3: &str = r#"{"region":"us-east-1","service":"s3","host":"h.test","credentials":{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},"payload":"unsigned","ambiguous_paths":"allow"}"#;
pub const KEYS: &str = r#"{"keys":[{"id":"k","digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","consumer":"c"}],"credential_from":[{"header":"x-api-key"},{"query":"api_key"},{"cookie":"key"},{"header":"authorization","scheme":"Bearer"}],"identity_headers":{"consumer":"x-consumer","groups":"x-groups"},"profiles":{"p":{}},"profile_rules":[{"profile":"p","match":{"host":"*.b.test","path":"/q/**"}}]}"#;
const RULES: &str = r#"{"rules":[{"id":"a","effect":"allow","who":{"identity":"any"},"what":{"paths":["/a/**","/b/{x}/c","/v2/**"]}},{"id":"b","effect":"deny","what":{"models":["*a*b*c*d*"]}},{"id":"c","effect":"allow","who":{"groups":{"any_of":["g"]}}}]}"#;
const LIMIT: &str = r#"{"policies":[{"name":"a","by":[{"header":"x-tenant"},"method"],"on_missing":"shared","windows":[{"quota":1000000,"window_s":1}]}]}"#;
const AUDIT: &str = r#"{}"#;
const LEND: &str = r#"{"provider":"gemini","credential":{"static":{"value":"the-gateways-own"}},"cookies":"strip","remove_headers":["x-a"],"remove_parameters":["a"]}"#;
const PASS: &str = r#"{"provider":"openai","credential":{"pass_through":true}}"#;
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub fn tokens() -> String {
    json!({
        "max_token_bytes": 65536,
        "issuers": [{"issuer": "https://idp.test", "audiences": ["models"], "groups_claim": "groups",
            "claims": [{"claim": "groups", "none_of": ["never"]}, {"claim": "scope", "split": "spaces", "any_of": ["s"]}],
            "keys": {"secret": {"value": SECRET}}}],
    })
    .to_string()
}

fn signed(claims: Value) -> String {
    let Value::Object(claims) = claims else {
        unreachable!("claims are an object");
    };
    // The simulated clock begins long before that of this machine.
    let mut claims = Claims::with_custom_claims(claims, Duration::from_days(20_000));
    claims.issued_at = None;
    claims.invalid_before = None;
    HS256Key::from_bytes(SECRET.as_bytes())
        .authenticate(claims)
        .unwrap()
}

/// A filter, and what a request needs that it lets pass.
pub struct Door {
    /// The filter's crate.
    pub filter: &'static str,
    /// Its configuration.
    pub config: String,
    /// A good credential: header and value.
    pub credential: Option<(&'static str, String)>,
    /// Heads that it refuses, and how; all others pass.
    refused: &'static [(&'static str, u16)],
}

/// Paths that servers read in several ways.
const AMBIGUOUS: [(&str, u16); 3] = [
    ("many slashes", 400),
    ("escapes in the path", 400),
    ("dots in the path", 400),
];

/// Everything passes, and a model has another name and a version behind the gateway.
const ROUTED: &str = r#"{"unknown_models":"allow","other_requests":"allow","models":[{"name":"abc*",
    "targets":[{"tag":"t","backend":"a","model":"m","version":"1"}],"sticky_by":[{"header":"x-a"}]}]}"#;

/// Every filter, with the configuration under which its heads are judged.
pub fn doors() -> Vec<Door> {
    let door = |filter, config: &str, refused| Door {
        filter,
        config: config.to_owned(),
        credential: None,
        refused,
    };
    vec![
        door("audit-log", AUDIT, &[]),
        Door {
            credential: Some(("x-api-key", "foo".to_owned())),
            ..door(
                "key-auth",
                KEYS,
                &[
                    AMBIGUOUS[0],
                    AMBIGUOUS[1],
                    AMBIGUOUS[2],
                    ("parameters with keys", 400),
                    ("the same cookie many times", 400),
                    ("many lines of cookies", 400),
                    ("many credentials", 400),
                ],
            )
        },
        door("consumer-acl", RULES, &AMBIGUOUS),
        door("rate-limit", LIMIT, &AMBIGUOUS),
        door("model-route", ROUTED, &AMBIGUOUS),
        door("aws-sigv4", SIGN, &AMBIGUOUS),
        door("aws-sigv4", SIGN_S3, &[]),
        door("pii-mask", "{}", &[]),
        door("upstream-auth", LEND, &[]),
        door("upstream-auth", PASS, &[("many credentials", 400)]),
        Door {
            credential: Some(("authorization", format!("Bearer {}", bearer_of(json!({}))))),
            ..door("jwt-auth", &tokens(), &[("many credentials", 400)])
        },
    ]
}

type Head = (&'static str, usize, fn(usize) -> Request);

const HEADS: [Head; 24] = [
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
    ("a long name", 8_000, |n| {
        Request::get("/a").header(&format!("x-{}", "n".repeat(n)), "v")
    }),
    ("a long type", 8_000, |n| {
        Request::get("/a").header("content-type", "a/b;c=d;".repeat(n / 8))
    }),
    ("many addresses", 8_000, |n| {
        Request::get("/a").header("x-forwarded-for", "10.0.0.1, ".repeat(n / 10))
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
type Token = (&'static str, u16, fn(usize) -> String);

pub fn bearer_of(claims: Value) -> String {
    let mut all = json!({"iss": "https://idp.test", "aud": "models", "sub": "ann", "scope": "s"});
    if let (Value::Object(all), Value::Object(claims)) = (&mut all, claims) {
        all.extend(claims);
    }
    signed(all)
}

const TOKENS: [Token; 16] = [
    ("depth", 200, |n| {
        let depth = n / 1_000;
        let mut deep = json!("y".repeat(n / 2));
        for _ in 0..depth {
            deep = json!({ "d": deep });
        }
        bearer_of(json!({ "x": deep }))
    }),
    ("nested lists", 200, |n| {
        bearer_of(json!({"x": vec![json!([[[]]]); n / 8]}))
    }),
    ("long numbers", 200, |n| {
        let claims: serde_json::Map<_, _> = (0..n / 30)
            .map(|at| (format!("c{at:06}"), json!(u64::MAX)))
            .collect();
        bearer_of(Value::Object(claims))
    }),
    ("long names of claims", 200, |n| {
        bearer_of(json!({"n".repeat(n / 2): 1, "m".repeat(n / 2): 1}))
    }),
    ("many groups", 200, |n| {
        bearer_of(json!({"groups": (0..n / 14).map(|at| format!("g{at:06}")).collect::<Vec<_>>()}))
    }),
    ("a long group", 200, |n| {
        bearer_of(json!({"groups": ["g".repeat(n)]}))
    }),
    ("many audiences", 200, |n| {
        bearer_of(
            json!({"aud": (0..n / 14).map(|at| format!("a{at:06}")).chain(["models".into()]).collect::<Vec<_>>()}),
        )
    }),
    ("many scopes", 200, |n| {
        bearer_of(json!({"scope": "t ".repeat(n / 2) + "s"}))
    }),
    ("many claims", 200, |n| {
        let claims: serde_json::Map<_, _> = (0..n / 16)
            .map(|at| (format!("c{at:06}"), json!(at)))
            .collect();
        bearer_of(Value::Object(claims))
    }),
    ("a long claim", 200, |n| {
        bearer_of(json!({"x": "y".repeat(n)}))
    }),
    ("a claim with escapes", 200, |n| {
        bearer_of(json!({"x": "\u{1}".repeat(n / 6)}))
    }),
    ("a long subject", 200, |n| {
        bearer_of(json!({"sub": "y".repeat(n)}))
    }),
    ("dots", 401, |n| ".".repeat(n)),
    ("letters", 401, |n| "a".repeat(n)),
    ("three long parts", 401, |n| {
        format!("{0}.{0}.{0}", "A".repeat(n / 3))
    }),
    ("a long header", 401, |n| {
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
    for door in doors() {
        for (name, size, head) in HEADS {
            let refused = door.refused.iter().find(|(refused, _)| *refused == name);
            let credential = door
                .credential
                .clone()
                .filter(|(header, _)| *header != "authorization" || name != "many credentials");
            let case = Case::request(
                door.filter,
                format!("head: {name}"),
                &door.config,
                size,
                move |size| match &credential {
                    Some((header, value)) => head(size).header(header, value.as_bytes()),
                    None => head(size),
                },
            );
            cases.push(match refused {
                Some((_, status)) => case.refused(*status),
                None => case,
            });
        }
    }
    for (name, status, token) in TOKENS {
        cases.push(
            Case::request(
                "jwt-auth",
                format!("token: {name}"),
                &tokens(),
                12_000,
                move |size| {
                    Request::get("/a").header("authorization", format!("Bearer {}", token(size)))
                },
            )
            .refused(status),
        );
    }
    cases
}
