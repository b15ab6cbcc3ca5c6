//! Tests of the filter, on a proxy in memory.

mod nginx;

use modelgate_kit::facts::Identity;
use modelgate_kit::testing::{FakeProxy, TestGateway};
use modelgate_kit::vm::verdict::Action;
use serde_json::{Value, json};

use super::KeyAuth;
use super::keyring::Digest;

/// 2026-11-21T08:00:00Z.
const NOW: u64 = 1_795_248_000_000_000_000;

fn digest(key: &str) -> String {
    use sha2::Digest as _;
    let digest: Digest = sha2::Sha256::digest(key).into();
    digest.iter().fold("sha256:".to_owned(), |text, byte| {
        format!("{text}{byte:02x}")
    })
}

fn config(more: &Value) -> Value {
    let mut config = json!({
        "keys": [
            {"id": "ann-1", "digest": digest("ann-key"), "consumer": "ann", "groups": ["ml", "dev"], "labels": {"tier": "gold"}},
            {"id": "ann-2", "digest": digest("ann-next"), "consumer": "ann", "not_before": "2026-12-01T00:00:00Z"},
            {"id": "bob-1", "digest": digest("bob-key"), "consumer": "bob", "expires_at": "2026-11-21T09:00:00+01:00"},
        ],
        "credential_from": [{"header": "X-Api-Key"}, {"header": "authorization", "scheme": "Bearer"}, {"query": "api_key"}],
    });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    config
}

fn gate(more: &Value) -> TestGateway {
    TestGateway::open::<KeyAuth>(FakeProxy::new(NOW), &config(more).to_string())
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn request<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [(":method", "GET"), (":path", "/v1/models?x=1")]
        .into_iter()
        .chain(headers.iter().copied())
        .collect()
}

fn refused(gate: &mut TestGateway, headers: &[(&str, &str)]) -> (u16, String, Option<String>) {
    let (exchange, action) = gate.request(headers);
    let record = gate.record(exchange);
    let reply = record.reply.expect("it was not refused");
    assert_eq!(action, Action::Pause);
    assert!(!record.properties.contains_key("modelgate.identity"));
    (
        reply.status,
        reply.header("x-modelgate-reason").unwrap().to_owned(),
        reply.header("www-authenticate").map(str::to_owned),
    )
}

#[test]
fn a_known_key_introduces_its_consumer_and_goes_no_further() {
    let mut gate = gate(&json!({}));
    for header in [
        ("x-api-key", "ann-key"),
        ("authorization", "bearer ann-key"),
    ] {
        let (exchange, action) = gate.request(&request(&[header]));
        assert_eq!(action, Action::Continue);
        let identity: Identity = gate.fact(exchange).unwrap();
        assert_eq!(
            (
                identity.consumer.as_str(),
                identity.credential.as_str(),
                identity.method.as_str()
            ),
            ("ann", "ann-1", "key")
        );
        assert_eq!(
            (identity.groups.to_vec(), identity.claims["tier"].clone()),
            (vec!["ml".to_owned(), "dev".to_owned()], json!("gold"))
        );
        assert_eq!(gate.record(exchange).request_header(header.0), None);
    }
}

#[test]
fn a_key_in_the_query_is_cut_out_of_the_path() {
    let mut gate = gate(&json!({}));
    let (exchange, action) = gate.request(&[
        (":method", "GET"),
        (":path", "/v1/models?x=%41&api%5Fkey=ann-key&y=2"),
    ]);
    assert_eq!(action, Action::Continue);
    assert_eq!(
        gate.record(exchange).request_header(":path"),
        Some("/v1/models?x=%41&y=2")
    );
}

#[test]
fn what_is_no_good_key_is_refused_with_its_reason_and_a_challenge() {
    let mut gate = gate(&json!({"realm": "models"}));
    let challenge = Some("Bearer realm=\"models\"".to_owned());
    for (headers, reason) in [
        (&[][..], "key_missing"),
        (&[("authorization", "Basic YTpi")], "key_missing"),
        (&[("x-api-key", "ann-keY")], "key_unknown"),
        (&[("x-api-key", "ann-next")], "key_not_yet_valid"),
        (&[("x-api-key", "bob-key")], "key_expired"),
        (&[("x-api-key", "")], "key_malformed"),
    ] {
        assert_eq!(
            refused(&mut gate, &request(headers)),
            (401, reason.to_owned(), challenge.clone()),
            "{headers:?}"
        );
    }
    let long = "k".repeat(257);
    assert_eq!(
        refused(&mut gate, &request(&[("x-api-key", &long)])).1,
        "key_oversize"
    );
}

#[test]
fn time_decides_when_keys_are_good() {
    let mut gate = gate(&json!({}));
    gate.proxy().pass_ns(10 * 24 * 3_600 * 1_000_000_000);
    assert_eq!(
        gate.request(&request(&[("x-api-key", "ann-next")])).1,
        Action::Continue
    );
    assert_eq!(
        gate.request(&request(&[("x-api-key", "ann-key")])).1,
        Action::Continue,
        "two keys at once, for rotation"
    );
}

#[test]
fn two_keys_are_refused_even_if_both_are_good() {
    let mut gate = gate(&json!({}));
    let key = ("x-api-key", "ann-key");
    for second in [key, ("authorization", "Bearer ann-key")] {
        let (status, reason, _) = refused(&mut gate, &request(&[key, second]));
        assert_eq!((status, reason.as_str()), (400, "key_repeated"));
    }
    let (_, reason, _) = refused(
        &mut gate,
        &[(":method", "GET"), (":path", "/?api_key=ann-key"), key],
    );
    assert_eq!(reason, "key_repeated");
}

#[test]
fn the_upstream_learns_the_consumer_from_us_alone() {
    let more = json!({"identity_headers": {"consumer": "x-consumer", "credential": "x-key-id", "groups": "x-groups"}, "on_missing": "allow"});
    let mut gate = gate(&more);
    let forged = [
        ("x-consumer", "root"),
        ("X-Consumer", "admin"),
        ("x-groups", "all"),
        ("x-api-key", "ann-key"),
    ];
    let (exchange, _) = gate.request(&request(&forged));
    let record = gate.record(exchange);
    assert_eq!(
        (
            record.request_header("x-consumer"),
            record.request_header("x-key-id"),
            record.request_header("x-groups")
        ),
        (Some("ann"), Some("ann-1"), Some("ml,dev"))
    );
    assert_eq!(
        record
            .request
            .iter()
            .filter(|(name, _)| name == "x-consumer")
            .count(),
        1
    );
    let (exchange, action) = gate.request(&request(&forged[..3]));
    let record = gate.record(exchange);
    assert_eq!(
        (
            action,
            record.request_header("x-consumer"),
            record.request_header("x-groups")
        ),
        (Action::Continue, None, None)
    );
    assert_eq!(gate.fact::<Identity>(exchange), None);
}

#[test]
fn a_request_without_a_key_passes_as_configured() {
    for (choice, identified, passes) in [
        ("deny", false, false),
        ("deny", true, false),
        ("deny_unidentified", false, false),
        ("deny_unidentified", true, true),
        ("allow", false, true),
        ("allow", true, true),
    ] {
        let mut gate = gate(&json!({"on_missing": choice}));
        if identified {
            gate.proxy()
                .preset("modelgate.identity", r#"{"consumer":"jo","method":"jwt"}"#);
        }
        let (exchange, _) = gate.request(&request(&[]));
        let reply = gate.record(exchange).reply;
        assert_eq!(
            reply.is_none(),
            passes,
            "{choice}, identified: {identified}"
        );
    }
}

#[test]
fn a_second_identity_is_refused_replaced_or_kept_as_configured() {
    for (choice, outcome) in [
        ("deny", Err("identity_conflicting")),
        ("replace", Ok("ann")),
        ("keep", Ok("jo")),
    ] {
        let mut gate = gate(&json!({"on_other_identity": choice}));
        gate.proxy()
            .preset("modelgate.identity", r#"{"consumer":"jo","method":"jwt"}"#);
        let (exchange, _) = gate.request(&request(&[("x-api-key", "ann-key")]));
        let reply = gate.record(exchange).reply;
        let consumer = gate.fact::<Identity>(exchange).unwrap().consumer;
        match outcome {
            Err(reason) => assert_eq!(reply.unwrap().header("x-modelgate-reason"), Some(reason)),
            Ok(expected) => assert_eq!((consumer.as_str(), reply), (expected, None)),
        }
        let (exchange, _) = gate.request(&request(&[("x-api-key", "wrong")]));
        assert_eq!(
            gate.record(exchange).reply.unwrap().status,
            401,
            "the key must be good in any case"
        );
    }
}

#[test]
fn a_key_is_forwarded_only_where_the_operator_wants_it() {
    let mut gate = gate(&json!({"credential_to_upstream": "keep"}));
    let (exchange, _) = gate.request(&request(&[("x-api-key", "ann-key")]));
    assert_eq!(
        gate.record(exchange).request_header("x-api-key"),
        Some("ann-key")
    );
}

#[test]
fn every_problem_of_a_configuration_is_said_at_once_and_no_key_is_quoted() {
    let config = json!({
        "keys": [
            {"id": "a", "digest": "plain-s3cret", "consumer": "a b"},
            {"id": "a", "digest": digest("x"), "consumer": "a", "expires_at": "tomorrow"},
            {"id": "b", "digest": digest("x"), "consumer": ""},
            {"id": "c", "digest": digest("c"), "consumer": "c", "groups": ["a,b"]},
            {"id": "d", "digest": digest("x"), "consumer": "c", "not_before": "2026-01-02T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"},
            {"id": "d", "digest": digest("x"), "consumer": "c"},
        ],
        "credential_from": [{}, {"header": "a b"}, {"header": "h", "query": "q"}],
        "identity_headers": {"consumer": ":path"},
        "realm": "a\"b",
        "max_key_bytes": 5,
    });
    let logs = TestGateway::open::<KeyAuth>(FakeProxy::new(NOW), &config.to_string())
        .err()
        .unwrap()
        .join("\n");
    for path in [
        "keys[0].digest",
        "keys[0].consumer",
        "keys[1].expires_at",
        "keys[2].consumer",
        "keys[3].groups[0]",
        "keys[4].expires_at",
        "keys[5].id",
        "keys[5].digest",
        "credential_from[0]",
        "credential_from[1].header",
        "credential_from[2]",
        "identity_headers.consumer",
        "realm",
        "max_key_bytes",
    ] {
        assert!(
            logs.contains(&format!(": {path}: ")),
            "{path} is missing in\n{logs}"
        );
    }
    assert!(!logs.contains("s3cret"));
}

#[test]
fn nothing_that_a_client_presents_is_logged() {
    let mut gate = gate(&json!({}));
    refused(&mut gate, &request(&[("x-api-key", "almost-a-key")]));
    assert!(!gate.proxy().logs().concat().contains("almost"));
}

mod whatever_comes {
    use proptest::prelude::*;

    use super::*;

    const VALUES: &[&str] = &[
        "ann-key",
        "bob-key",
        "Bearer ann-key",
        "bearer  ann-key",
        "Basic YTpi",
        "Basic YTpi, Bearer ann-key",
        "",
        "ann-key,ann-key",
        "Bearer",
        "\u{e9}",
    ];

    fn header() -> impl Strategy<Value = (&'static str, &'static str)> {
        (
            proptest::sample::select(
                &[
                    "x-api-key",
                    "X-Api-Key",
                    "authorization",
                    "cookie",
                    "x-other",
                ][..],
            ),
            proptest::sample::select(VALUES),
        )
    }

    proptest! {
        /// Whatever is sent, a request passes only with exactly one candidate, and that one good;
        /// and then without it.
        #[test]
        fn nothing_passes_without_one_good_key(
            headers in proptest::collection::vec(header(), 0..4),
            path in proptest::sample::select(&["/", "/?api_key=ann-key", "/?api_key=ann-key&api%5Fkey=x", "/?x=api_key", "/?api_key"][..]),
        ) {
            let mut gate = gate(&json!({}));
            let sent: Vec<(&str, &str)> = [(":method", "GET"), (":path", path)].into_iter().chain(headers.iter().copied()).collect();
            let (exchange, action) = gate.request(&sent);
            let named = |name: &str| headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect::<Vec<_>>();
            let (keys, credentials) = (named("x-api-key"), named("authorization"));
            let bearer = credentials.len() == 1 && credentials[0].to_lowercase().starts_with("bearer ");
            // Other schemes are not ours to judge; beside one of ours they make it ambiguous. One
            // of ours without a key is malformed, and so is nothing.
            let empty = !credentials.is_empty() && credentials.iter().all(|value| value.is_empty());
            let clear = bearer || !(empty || credentials.iter().any(|value| value.contains("earer")));
            let in_query = path.matches("api").count() - path.matches("=api").count();
            let candidates = keys.len() + usize::from(bearer) + in_query;
            let good = (keys == ["ann-key"] || bearer || path == "/?api_key=ann-key") && candidates == 1 && clear;
            prop_assert_eq!(action == Action::Continue, good, "{:?}", sent);
            let record = gate.record(exchange);
            prop_assert_eq!(record.reply.is_none(), good);
            prop_assert_eq!(record.properties.contains_key("modelgate.identity"), good);
            if good {
                prop_assert_eq!(record.request_header("x-api-key"), None);
                prop_assert!(!record.request_header(":path").unwrap().contains("ann-key"));
                prop_assert!(!record.request_header("authorization").unwrap_or_default().contains("earer ann-key"));
            }
        }
    }
}

/// A thousand keys, of which one is changed.
fn thousand(change: impl FnOnce(&mut Value)) -> Value {
    let mut keys: Vec<Value> = (0..1_000)
        .map(|at| {
            json!({"id": format!("k{at}"), "digest": digest(&format!("key-{at}")), "consumer": format!("c{}", at % 10), "labels": {"tier": "gold"}})
        })
        .collect();
    change(&mut keys[500]);
    keys.into()
}

fn refusal(config: &str) -> Vec<String> {
    TestGateway::open::<KeyAuth>(FakeProxy::new(NOW), config)
        .err()
        .unwrap_or_default()
}

#[test]
fn a_broken_key_among_a_thousand_is_named() {
    let said = |change: fn(&mut Value)| {
        let lines = refusal(&json!({"keys": thousand(change), "realm": "ok"}).to_string());
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines
            .concat()
            .replace("key_auth: configuration refused: ", "")
    };
    assert_eq!(
        said(|key| key["id"] = "k7".into()),
        "keys[500].id: is the id of another key too (ids tell keys apart in audit events)"
    );
    assert_eq!(
        said(|key| key["digest"] = digest("key-7").into()),
        "keys[500].digest: is the digest of another key too (one key belongs to one consumer)"
    );
    assert_eq!(
        said(|key| key["digest"] = "sha256:00".into()),
        "keys[500].digest: is not a digest (write `sha256:` and the 64 digits that `printf %s \"$KEY\" | sha256sum` prints; never the key itself)"
    );
    assert_eq!(
        said(|key| key["id"] = 7.into()),
        "keys[500].id: has the wrong type: expected a string, found a whole number"
    );
    assert_eq!(
        said(|key| key["consumer"] = "a b".into()),
        "keys[500].consumer: is not a name (write 1 to 256 visible ASCII characters without commas and spaces)"
    );
    assert_eq!(
        said(|key| key["owner"] = "x".into()),
        "keys[500].owner: unknown field (known here: id, digest, consumer, groups, not_before, expires_at, labels)"
    );
    assert_eq!(
        said(|key| key["expires_at"] = "tomorrow".into()),
        "keys[500].expires_at: is not a date and time (write it as 2026-11-21T08:00:00Z (RFC 3339))"
    );
    assert_eq!(
        said(|key| *key = "k500".into()),
        "keys[500]: has the wrong type: expected an object, found a text"
    );
    let text = json!({"keys": thousand(|_| {})}).to_string();
    let at = text.find(r#""id":"k500""#).unwrap();
    let twice = refusal(&format!("{}\"id\":\"again\",{}", &text[..at], &text[at..]));
    assert!(
        twice
            .concat()
            .contains("member `id` is written twice at line 1 column"),
        "{twice:?}"
    );
    let label = text.replacen(r#""tier":"gold""#, r#""tier":"gold","tier":"gold""#, 501);
    assert!(
        refusal(&label)
            .concat()
            .contains("member `tier` is written twice"),
        "{label}"
    );
}

#[test]
fn what_is_wrong_with_keys_and_with_the_rest_is_said_at_once() {
    let keys = thousand(|key| key["id"] = "".into());
    let mut lines = refusal(&json!({"realm": "\"", "keys": keys, "more": 1}).to_string());
    lines.sort();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("keys[500].id: is not a name"));
    assert!(lines[1].contains("more: unknown field"));
    assert!(lines[2].contains("realm: has characters that a realm cannot have"));
}

#[test]
fn every_one_of_a_thousand_keys_names_its_holder() {
    let mut gate = gate(&json!({"keys": thousand(|key| key["groups"] = json!(["g"]))}));
    for (at, groups) in [(0, 0), (499, 0), (500, 1), (999, 0)] {
        let (exchange, action) = gate.request(&request(&[("x-api-key", &format!("key-{at}"))]));
        assert_eq!(action, Action::Continue);
        let identity: Identity = gate.fact(exchange).unwrap();
        assert_eq!(identity.credential, format!("k{at}"));
        assert_eq!(identity.consumer, format!("c{}", at % 10));
        assert_eq!(identity.groups.len(), groups);
        assert_eq!(identity.claims["tier"], "gold");
    }
    assert_eq!(
        refused(&mut gate, &request(&[("x-api-key", "key-1000")])).1,
        "key_unknown"
    );
}

#[test]
fn profiles_have_the_keys_of_the_base_or_their_own() {
    let own = json!([{"id": "own", "digest": digest("own-key"), "consumer": "own"}]);
    let rules = ["SAME", "OWN", "NONE", "DEFAULT"]
        .map(|name| json!({"match": {"methods": [name]}, "profile": name}));
    let mut gate = gate(&json!({
        "profiles": {
            "SAME": {"realm": "same"}, "OWN": {"keys": own}, "NONE": {"keys": []}, "DEFAULT": {"keys": null},
        },
        "profile_rules": rules,
    }));
    for (method, key, passes) in [
        ("GET", "ann-key", true),
        ("SAME", "ann-key", true),
        ("SAME", "own-key", false),
        ("OWN", "own-key", true),
        ("OWN", "ann-key", false),
        ("NONE", "ann-key", false),
        ("DEFAULT", "ann-key", false),
    ] {
        let (_, action) = gate.request(&[(":method", method), (":path", "/a"), ("x-api-key", key)]);
        assert_eq!(action == Action::Continue, passes, "{method} {key}");
    }
}

#[test]
fn a_chain_in_one_entry_has_the_same_keys() {
    use modelgate_kit::filter::Registration;

    let filters = [Registration::of::<KeyAuth>()];
    let open = |config: &Value| {
        let text = json!({"filters": [{"config": config, "filter": "key_auth"}]}).to_string();
        TestGateway::chain(FakeProxy::new(NOW), &filters, &text)
    };
    let mut gate =
        open(&config(&json!({"keys": thousand(|_| {})}))).unwrap_or_else(|p| panic!("{p:?}"));
    let (_, action) = gate.request(&request(&[("x-api-key", "key-7")]));
    assert_eq!(action, Action::Continue);
    assert_eq!(
        refused(&mut gate, &request(&[("x-api-key", "ann-key")])).1,
        "key_unknown"
    );
    let broken = thousand(|key| key["id"] = "k7".into());
    let lines = open(&config(&json!({"keys": broken}))).err().unwrap();
    assert_eq!(
        lines,
        [
            "chain: configuration refused: filters[0].config.keys[500].id: is the id of another key too (ids tell keys apart in audit events)"
        ]
    );
}
