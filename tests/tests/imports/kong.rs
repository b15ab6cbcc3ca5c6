//! Requests to the gateway of `tests/imports/kong.yaml`, with the verdicts that Kong states.

use jwt_simple::prelude::Claims;
use modelgate_demo::client::Call;
use serde_json::{Value as Json, json};

/// Kong's verdict on a request to the gateway of `tests/imports/kong.yaml`: whether it reaches a
/// server, and as whom.
pub struct Stated {
    pub host: &'static str,
    pub call: Call,
    /// The class of the status.
    pub status: u16,
    /// `x-consumer-username` at the server, where it is reached with one.
    pub consumer: Option<&'static str>,
    /// The path at the server.
    pub path: Option<&'static str>,
}

fn stated(host: &'static str, status: u16, call: Call) -> Stated {
    Stated {
        host,
        call,
        status,
        consumer: None,
        path: None,
    }
}

impl Stated {
    fn reaches(mut self, path: &'static str, consumer: Option<&'static str>) -> Self {
        self.path = Some(path);
        self.consumer = consumer;
        self
    }
}

const ANN: &str = "ann-key-5d41402abc4b2a76b9719d911017c592";
const ROBOT: &str = "robot-key-9e107d9d372bb6826bd81d3542a419d6";
const WEB: &str = "web-key-1f3870be274f6c49b3e31a0c6728957f";
const SUSPENDED: &str = "suspended-key-e4d909c290d0fb1ca068ffaddf22cbd0";
pub const ANN_SECRET: &str = "ann-secret-0123456789abcdef0123456789abcdef";

fn ann(issuer: &str, more: Json) -> String {
    use jwt_simple::prelude::{HS256Key, MACLike};
    let lifetime = jwt_simple::prelude::Duration::from_mins(5);
    let claims = Claims::with_custom_claims(more, lifetime).with_issuer(issuer);
    HS256Key::from_bytes(ANN_SECRET.as_bytes())
        .authenticate(claims)
        .unwrap()
}

/// Stated by Kong's documentation, not observed: there is no Kong here. Routing: "How routing
/// works" (priorities, `strip_path`, path handling v0). `jwt`, `key-auth`, `acl`, `ip-restriction`
/// and `request-termination`: the plugins' own pages. Where the import says that it means something
/// else, the imported gateway's verdict stands here, with a comment.
pub fn verdicts() -> Vec<Stated> {
    let assistant = |model: &str| {
        let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
        Call::post("/v1/chat/completions", &body).with("content-type", "application/json")
    };
    const M: &str = "models.example.com";
    const C: &str = "chat.example.com";
    let key = |call: Call, key: &str| call.with("apikey", key);
    let login = "https://login.example.com/ann";
    let bearer = |call: Call, token: &str| call.with("authorization", &format!("Bearer {token}"));
    vec![
        stated(M, 4, Call::get("/models")),
        stated(M, 4, key(Call::get("/models"), "wrong")),
        stated(M, 2, key(Call::get("/models"), ANN)).reaches("/v2/models", Some("ann")),
        stated(M, 2, key(Call::get("/models/x"), ROBOT)).reaches("/v2/models/x", Some("robot")),
        stated(M, 2, Call::get("/models").with("x-api-key", WEB))
            .reaches("/v2/models", Some("web-app")),
        // A key in the query is not looked at.
        stated(M, 4, Call::get(&format!("/models?apikey={ANN}"))),
        stated(M, 4, key(Call::get("/models"), SUSPENDED)),
        // No route has this method, host or path.
        stated(
            M,
            4,
            key(
                Call {
                    method: "DELETE".into(),
                    ..Call::get("/models")
                },
                ANN,
            ),
        ),
        stated("elsewhere.example.com", 4, key(Call::get("/models"), ANN)),
        stated(M, 4, key(Call::get("/elsewhere"), ANN)),
        // The pattern goes before the prefix, and has no acl.
        stated(M, 2, key(Call::get("/models/a-1/versions/7"), SUSPENDED))
            .reaches("/v2/models/a-1/versions/7", Some("suspended-user")),
        // The longer path is for HTTPS only: 426.
        stated(M, 4, key(Call::get("/models/repository"), ANN)),
        // What a client says of itself does not count.
        stated(
            M,
            2,
            key(Call::get("/models"), ANN).with("x-consumer-username", "root"),
        )
        .reaches("/v2/models", Some("ann")),
        stated(C, 4, Call::get("/ask")),
        stated(C, 2, bearer(Call::get("/ask/me"), &ann(login, json!({}))))
            .reaches("/v1/me", Some("ann")),
        stated(
            "a.chat.example.com",
            2,
            bearer(Call::get("/ask"), &ann(login, json!({}))),
        )
        .reaches("/v1/", Some("ann")),
        stated(
            C,
            4,
            bearer(
                Call::get("/ask"),
                &ann("https://login.example.com/web", json!({})),
            ),
        ),
        stated(
            C,
            4,
            bearer(
                Call::get("/ask"),
                &ann("https://login.example.com/nobody", json!({})),
            ),
        ),
        stated(C, 4, bearer(Call::get("/ask"), "nonsense")),
        stated(
            C,
            2,
            Call::get("/ask").with(
                "cookie",
                &format!("session_token={}", ann(login, json!({}))),
            ),
        )
        .reaches("/v1/", Some("ann")),
        // Kong takes it: the import does not, as the report says, without --audience.
        stated(
            C,
            4,
            bearer(Call::get("/ask"), &ann(login, json!({ "aud": "mail" }))),
        ),
        // A key is no token.
        stated(C, 4, key(Call::get("/ask"), ANN)),
        stated(C, 4, Call::get("/either")),
        stated(C, 2, bearer(Call::get("/either"), &ann(login, json!({}))))
            .reaches("/v1/", Some("ann")),
        // Whom a key names is in `x-key-consumer-username`, as the report says.
        stated(C, 2, Call::get("/either/x").with("x-api-key", ROBOT)).reaches("/v1/x", None),
        stated(C, 4, Call::get("/either").with("x-api-key", "wrong")),
        stated(C, 2, Call::get("/open/a/b?c=d")).reaches("/v1/a/b?c=d", None),
        stated(C, 2, Call::get("/openly")).reaches("/v1/ly", None),
        stated(C, 4, assistant("gpt-4o-mini")),
        stated(C, 2, assistant("gpt-4o-mini").with("x-api-key", ROBOT))
            .reaches("/v1/chat/completions", Some("robot")),
        stated(C, 4, assistant("gpt-4.1").with("x-api-key", ROBOT)),
        stated("x", 4, Call::get("/legacy")),
        stated(
            "x",
            2,
            Call::get("/legacy/a").with("authorization", "Basic Y2xlcms6cGFzc3dvcmQ="),
        )
        .reaches("/a", None),
        stated(
            "x",
            4,
            Call::get("/legacy").with("authorization", "Basic Y2xlcms6d3Jvbmc="),
        ),
        stated("x", 4, Call::get("/v0/anything")),
        // Not covered, and closed.
        stated("x", 4, Call::get("/signed")),
        stated("x", 4, key(Call::get("/tokens"), ANN)),
    ]
}
