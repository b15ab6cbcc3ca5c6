//! Requests to the gateway of `tests/imports/envoy.yaml`.

use jwt_simple::prelude::{Claims, ECDSAP256KeyPairLike, ES256KeyPair, UnixTimeStamp};
use modelgate_demo::client::Call;
use serde_json::{Value as Json, json};

/// The private halves of the keys: one of these tests, and that of RFC 7517 appendix A.2.
const LOGIN: &str = "jpsQnnGMmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
const PARTNERS: &str = "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE";

/// A request.
pub struct Case {
    pub name: String,
    pub listener: usize,
    pub call: Call,
    /// What the report says of it, where the verdicts differ.
    pub differs: Option<&'static str>,
}

/// Requests, in their order.
#[derive(Default)]
pub struct Cases(pub Vec<Case>);

impl Cases {
    fn add(&mut self, listener: usize, name: &str, call: Call) {
        let name = format!("{} {name}", self.0.len() + 1);
        self.0.push(Case {
            name,
            listener,
            call,
            differs: None,
        });
    }

    fn differing(&mut self, said: &'static str, listener: usize, name: &str, call: Call) {
        self.add(listener, name, call);
        self.0.last_mut().unwrap().differs = Some(said);
    }
}

/// A token: what is not said is as it should be for an employee.
struct Token {
    key: &'static str,
    kid: &'static str,
    issuer: &'static str,
    audience: Json,
    subject: &'static str,
    more: Json,
    expires: Option<u64>,
}

fn employee() -> Token {
    Token {
        key: LOGIN,
        kid: "login-1",
        issuer: "https://login.example.com",
        audience: json!("models"),
        subject: "ann",
        more: json!({ "groups": [ "staff" ], "org": { "team": "search" } }),
        expires: None,
    }
}

fn partner() -> Token {
    Token {
        key: PARTNERS,
        kid: "partner-1",
        issuer: "https://partners.example.net",
        audience: json!("partner-api"),
        subject: "acme",
        more: json!({ "tier": "gold" }),
        expires: None,
    }
}

impl Token {
    fn sign(&self) -> String {
        use base64::Engine as _;
        let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(self.key)
            .unwrap();
        let pair = ES256KeyPair::from_bytes(&secret)
            .unwrap()
            .with_key_id(self.kid);
        let mut more = self.more.clone();
        more["aud"] = self.audience.clone();
        let mut claims =
            Claims::with_custom_claims(more, jwt_simple::prelude::Duration::from_mins(5))
                .with_issuer(self.issuer)
                .with_subject(self.subject);
        if let Some(expires) = self.expires {
            let began = UnixTimeStamp::from_secs(expires - 300);
            claims.issued_at = Some(began);
            claims.invalid_before = Some(began);
            claims.expires_at = Some(UnixTimeStamp::from_secs(expires));
        }
        pair.sign(claims).unwrap()
    }

    fn bearer(&self, call: Call) -> Call {
        call.with("authorization", &format!("Bearer {}", self.sign()))
    }
}

fn chat() -> Call {
    Call::post("/v1/chat/completions", "{}").with("content-type", "application/json")
}

/// What people ask for.
pub fn people(cases: &mut Cases) {
    const P: usize = 0;
    let expired = Some(1_700_000_000);
    let token = employee().sign();
    cases.add(P, "no token", chat());
    cases.add(P, "good", employee().bearer(chat()));
    cases.add(
        P,
        "expired",
        Token {
            expires: expired,
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "other audience",
        Token {
            audience: json!("mail"),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "second audience",
        Token {
            audience: json!("models-internal"),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "one of several audiences",
        Token {
            audience: json!(["mail", "models"]),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "no audience",
        Token {
            audience: json!([]),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "wrong issuer",
        Token {
            issuer: "https://login.example.org",
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "a partner's key under the login server's name",
        Token {
            key: PARTNERS,
            ..employee()
        }
        .bearer(chat()),
    );
    cases.differing(
        "a token by a key that the issuer does not publish gets 503",
        P,
        "the other issuer's name",
        Token {
            issuer: "https://partners.example.net",
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "unknown kid",
        Token {
            kid: "login-9",
            ..employee()
        }
        .bearer(chat()),
    );
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other: String = signature.chars().rev().collect();
    cases.add(
        P,
        "tampered",
        chat().with("authorization", &format!("Bearer {signed}.{other}")),
    );
    cases.differing(
        "tokens are read strictly",
        P,
        "more than a signature",
        chat().with("authorization", &format!("Bearer {token}x")),
    );
    cases.add(
        P,
        "no token at all",
        chat().with("authorization", "Bearer nonsense"),
    );
    cases.add(
        P,
        "another scheme",
        chat().with("authorization", "Basic YTpi"),
    );
    cases.add(
        P,
        "in the query",
        Call {
            path: format!("/v1/chat/completions?access_token={}", employee().sign()),
            ..chat()
        },
    );
    cases.differing(
        "on paths without a requirement Envoy does not look at tokens",
        P,
        "bad token where none is looked at",
        Call::get("/status").with("authorization", "Bearer nonsense"),
    );
    cases.add(P, "nothing required", Call::get("/status"));
    cases.differing(
        "on paths without a requirement Envoy does not look at tokens",
        P,
        "good where none is looked at",
        employee().bearer(Call::get("/status")),
    );
    cases.add(P, "health", Call::get("/healthz"));
    cases.add(
        P,
        "health with a bad token",
        Call::get("/healthz").with("authorization", "Bearer nonsense"),
    );
    cases.add(P, "public without", Call::get("/public/prices"));
    cases.add(
        P,
        "public with a good one",
        employee().bearer(Call::get("/public/prices")),
    );
    cases.add(
        P,
        "public with a bad one",
        Token {
            expires: expired,
            ..employee()
        }
        .bearer(Call::get("/public/prices")),
    );
    cases.add(
        P,
        "public with a partner's",
        partner().bearer(Call::get("/public/prices")),
    );
    cases.add(P, "public without a slash", Call::get("/public"));
    cases.add(P, "nearly public", Call::get("/publicity"));
    cases.add(
        P,
        "not staff",
        Token {
            more: json!({ "groups": [ "guests" ] }),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "no groups",
        Token {
            more: json!({}),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.differing(
        "`groups` may be a list, or a text that is one group",
        P,
        "one group as a text",
        Token {
            more: json!({ "groups": "staff" }),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "staff among others",
        Token {
            more: json!({ "groups": [ "a", "staff", "b" ] }),
            ..employee()
        }
        .bearer(chat()),
    );
    cases.add(
        P,
        "embeddings",
        employee().bearer(Call::post("/v1/embeddings", "{}")),
    );
    cases.add(
        P,
        "below embeddings",
        employee().bearer(Call::post("/v1/embeddings/x", "{}")),
    );
    cases.add(
        P,
        "chat with another method",
        employee().bearer(Call::get("/v1/chat/completions")),
    );
    cases.add(
        P,
        "begins like chat",
        employee().bearer(Call::post("/v1/chatter", "{}")),
    );
    cases.add(P, "models", employee().bearer(Call::get("/v1/models")));
    cases.add(
        P,
        "models for a partner",
        partner().bearer(Call::get("/v1/models")),
    );
    cases.add(P, "one model", employee().bearer(Call::get("/v1/models/x")));
    cases.add(
        P,
        "models, posted",
        employee().bearer(Call::post("/v1/models", "{}")),
    );
    cases.add(
        P,
        "partners",
        partner().bearer(Call::get("/partners/orders")),
    );
    cases.add(
        P,
        "partners, silver",
        Token {
            more: json!({ "tier": "silver" }),
            ..partner()
        }
        .bearer(Call::get("/partners/orders")),
    );
    cases.add(
        P,
        "partners, batch",
        Token {
            audience: json!("partner-batch"),
            ..partner()
        }
        .bearer(Call::get("/partners/orders")),
    );
    cases.add(
        P,
        "batch elsewhere",
        Token {
            audience: json!("partner-batch"),
            ..partner()
        }
        .bearer(Call::get("/v1/models")),
    );
    cases.add(
        P,
        "partners for an employee",
        employee().bearer(Call::get("/partners/orders")),
    );
    cases.add(
        P,
        "the robot",
        Token {
            subject: "robot-7",
            ..employee()
        }
        .bearer(Call::get("/robots/x")),
    );
    cases.add(
        P,
        "another robot",
        Token {
            subject: "robot-8",
            ..employee()
        }
        .bearer(Call::get("/robots/x")),
    );
    let both = json!({ "groups": [ "staff", "admins" ] });
    cases.add(
        P,
        "admin",
        Token {
            more: both.clone(),
            ..employee()
        }
        .bearer(Call::get("/admin/users")),
    );
    cases.add(
        P,
        "admin, staff only",
        employee().bearer(Call::get("/admin/users")),
    );
    cases.add(P, "admin, no token", Call::get("/admin/users"));
    cases.add(
        P,
        "admin, a partner",
        Token {
            more: both,
            ..partner()
        }
        .bearer(Call::get("/admin/users")),
    );
    cases.add(
        P,
        "admin, encoded",
        employee().bearer(Call::get("/%61dmin/users")),
    );
    cases.add(
        P,
        "a client's own identity",
        employee()
            .bearer(chat())
            .with("x-user", "root")
            .with("x-team", "root"),
    );
    cases.add(
        P,
        "a client's own identity without a token",
        Call::get("/public/prices").with("x-user", "root"),
    );
    for _ in 0..5 {
        cases.add(
            P,
            "batches",
            employee().bearer(Call::post("/v1/batches", "{}")),
        );
    }
    cases.add(P, "nowhere", employee().bearer(Call::get("/elsewhere")));
}

/// What machines ask for.
pub fn machines(cases: &mut Cases) {
    const M: usize = 1;
    let jobs = || Call::get("/jobs");
    cases.add(M, "no key", jobs());
    cases.add(M, "a key", jobs().with("x-api-key", "k-3f1c9b7a2e8d4605"));
    cases.add(
        M,
        "an unknown key",
        jobs().with("x-api-key", "k-0000000000000000"),
    );
    cases.add(M, "an empty key", jobs().with("x-api-key", ""));
    cases.add(
        M,
        "in the query",
        Call::get("/jobs?api_key=k-a90d51c7e2f84b36"),
    );
    cases.add(
        M,
        "in a cookie",
        jobs().with("cookie", "api_key=k-77b2e0f49c1d4a85"),
    );
    cases.add(
        M,
        "a client's own name",
        jobs()
            .with("x-api-key", "k-3f1c9b7a2e8d4605")
            .with("x-client", "root"),
    );
    cases.add(M, "metrics", Call::get("/metrics"));
    cases.add(
        M,
        "reports for reporting",
        Call::get("/reports/x").with("x-api-key", "k-a90d51c7e2f84b36"),
    );
    cases.add(
        M,
        "reports for billing",
        Call::get("/reports/x").with("x-api-key", "k-3f1c9b7a2e8d4605"),
    );
    cases.add(M, "reports without", Call::get("/reports/x"));
    cases.add(
        M,
        "more than is buffered",
        Call::post("/jobs", &"x".repeat(70_000)).with("x-api-key", "k-3f1c9b7a2e8d4605"),
    );
    for _ in 0..40 {
        cases.add(
            M,
            "one more",
            jobs().with("x-api-key", "k-3f1c9b7a2e8d4605"),
        );
    }
}

/// What is signed.
pub fn signed(cases: &mut Cases) {
    let score = || {
        Call::post("/endpoints/churn/invocations", "{}").with("content-type", "application/json")
    };
    cases.add(2, "scored", score().with("x-api-key", "k-0c5d8e2b6f914a73"));
    cases.add(2, "scored without a key", score());
    cases.add(
        2,
        "scored with another's",
        score().with("x-api-key", "k-3f1c9b7a2e8d4605"),
    );
    cases.add(
        2,
        "no such route",
        Call::get("/x").with("x-api-key", "k-0c5d8e2b6f914a73"),
    );
    cases.differing(
        "a request with two keys is refused",
        2,
        "two keys",
        Call::get("/endpoints/x/invocations?api_key=k-0c5d8e2b6f914a73")
            .with("x-api-key", "k-0c5d8e2b6f914a73"),
    );
}
