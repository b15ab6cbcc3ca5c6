//! What the filters do where a proxy does otherwise than Envoy (docs/hosts.md): the simulated
//! proxy, with one rule changed.

use modelgate_cli::SUITE;
use modelgate_scenario::engine::native::NativeCode;
use proxy_wasm_simulator::{FilterSpec, Gateway, Outbound, Profile, Request, profile};

/// Envoy's rules, but for what nginx does with headers that a filter removes.
const SENDS_REMOVED: Profile = Profile {
    forwards_removed_headers: true,
    ..profile::ENVOY_STOP_ITERATION
};

/// What the upstream receives of a request that passes this filter.
fn received(filter: &str, configuration: &str, request: Request) -> Outbound {
    let member = SUITE.member(filter).expect("a filter of the suite");
    let code = NativeCode::filter(member.filter);
    let mut gateway = Gateway::builder()
        .profile(SENDS_REMOVED)
        .filter(FilterSpec::new(filter, code).configuration(configuration))
        .build()
        .expect("a gateway");
    let outcome = gateway.exchange(request);
    assert_eq!(outcome.status(), Some(200), "{outcome:?}");
    outcome.upstream.expect("a request that passes")
}

/// Every value that the upstream receives under a name.
fn values(sent: &Outbound, name: &str) -> Vec<String> {
    let values = sent.headers.all(name);
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

const KEYS: &str = r#"{"keys":[{"id":"ann-1","consumer":"ann","digest":"sha256:2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"}],
    "identity_headers":{"consumer":"x-consumer","groups":"x-groups"}}"#;

#[test]
fn a_key_is_emptied_before_it_is_removed() {
    let request = Request::get("/")
        .header("x-api-key", "alice")
        .header("x-groups", "admin");
    let sent = received("key-auth", KEYS, request);
    assert_eq!(values(&sent, "x-api-key"), [""], "the key goes upstream");
    let groups = values(&sent, "x-groups");
    assert!(
        groups.iter().all(String::is_empty),
        "the client's claim goes upstream: {groups:?}"
    );
    assert_eq!(values(&sent, "x-consumer"), ["ann"]);
}

#[test]
fn what_a_client_signs_with_is_emptied_before_it_is_removed() {
    let configuration = r#"{"region":"eu-central-1","credentials":{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}}"#;
    let request = Request::get("/ping")
        .header("authorization", "Bearer mine")
        .header("x-amz-security-token", "mine");
    let sent = received("aws-sigv4", configuration, request);
    assert_eq!(values(&sent, "x-amz-security-token"), [""]);
    let shows = |name: &str| {
        values(&sent, name)
            .iter()
            .any(|value| value.contains("mine"))
    };
    assert!(
        !shows("authorization") && !shows("x-amz-security-token"),
        "{sent:?}"
    );
}

#[test]
fn a_digest_of_what_was_masked_is_emptied_before_it_is_removed() {
    let request = Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("content-md5", "the digest of the address")
        .chunk(r#"{"messages":[{"content":"I am ann@example.org"}]}"#);
    let sent = received("pii-mask", "{}", request);
    assert_eq!(values(&sent, "content-md5"), [""]);
    assert!(
        !String::from_utf8_lossy(&sent.body).contains("ann@"),
        "{sent:?}"
    );
}
