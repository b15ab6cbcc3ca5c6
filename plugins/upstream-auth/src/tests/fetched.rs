//! Tokens that are fetched: how each is asked for, who waits, and how long one serves.

use serde_json::{Value, json};

use super::gate::{Gate, Outcome};

fn idp(client: Value) -> Value {
    json!({"credential": {"oauth2_client_credentials": {
        "token_endpoint": {"url": "https://idp.test/token?v=2", "cluster": "idp"},
        "client": client,
        "scopes": ["models.read", "models.write"],
        "audience": "https://models.test",
        "parameters": {"organization": "acme"},
    }}})
}

fn secret() -> Value {
    idp(json!({"id": "gate way", "secret": "s:3+cret"}))
}

fn refused() -> Outcome {
    Outcome::Refused(503, "credential_unavailable".to_owned())
}

fn bearer(token: &str) -> Outcome {
    Outcome::Passed(vec![format!("authorization=Bearer {token}")])
}

#[test]
fn requests_wait_for_the_first_token_and_share_one_call() {
    let mut gate = Gate::new(&secret());
    let (first, outcome) = gate.send(&[("authorization", "Bearer theirs")]);
    assert_eq!(outcome, Outcome::Held);
    let (second, outcome) = gate.send(&[]);
    assert_eq!(outcome, Outcome::Held);
    assert_eq!(gate.calls().len(), 1);
    let call = gate.calls().remove(0);
    assert_eq!(call.details, "idp");
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "idp.test"),
        (":path", "/token?v=2"),
        ("content-type", "application/x-www-form-urlencoded"),
        // RFC 6749 section 2.3.1: "gate%20way:s%3A3%2Bcret".
        ("authorization", "Basic Z2F0ZSUyMHdheTpzJTNBMyUyQmNyZXQ="),
    ] {
        assert_eq!(call.header(name), Some(value), "{name}");
    }
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        gate.form(),
        [
            pair("grant_type", "client_credentials"),
            pair("scope", "models.read models.write"),
            pair("audience", "https://models.test"),
            pair("organization", "acme"),
        ]
    );
    gate.give("t1", 3600);
    assert_eq!(gate.later(first), bearer("t1"));
    assert_eq!(gate.later(second), bearer("t1"));
    assert_eq!(gate.send(&[]).1, bearer("t1"));
    assert_eq!(gate.calls().len(), 1);
}

#[test]
fn a_client_proves_itself_as_the_configuration_says() {
    let mut gate = Gate::new(&idp(
        json!({"id": "gateway", "secret": "s3cret", "secret_in": "post"}),
    ));
    gate.send(&[]);
    assert_eq!(gate.calls()[0].header("authorization"), None);
    assert_eq!(gate.parameter("client_id").as_deref(), Some("gateway"));
    assert_eq!(gate.parameter("client_secret").as_deref(), Some("s3cret"));

    let mut gate = Gate::new(&idp(json!({"id": "gateway", "assertion": "a.b.c"})));
    gate.send(&[]);
    let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(
        gate.parameter("client_assertion_type").as_deref(),
        Some(jwt_bearer)
    );
    assert_eq!(gate.parameter("client_assertion").as_deref(), Some("a.b.c"));

    let from = json!({"url": "http://127.0.0.1:8099/token", "cluster": "files"});
    let mut gate = Gate::new(&idp(json!({"id": "gateway", "assertion_from": from})));
    let (context, _) = gate.send(&[]);
    assert_eq!(gate.calls()[0].details, "files");
    gate.answer(1, "200", "d.e.f\n");
    assert_eq!(gate.parameter("client_assertion").as_deref(), Some("d.e.f"));
    gate.give("t1", 60);
    assert_eq!(gate.later(context), bearer("t1"));
}

#[test]
fn a_federated_token_that_is_none_is_not_sent() {
    for (status, body) in [
        ("404", "a.b.c"),
        ("200", ""),
        ("200", "a b"),
        ("200", "a\r\nb"),
    ] {
        let from = json!({"url": "http://127.0.0.1:8099/token", "cluster": "files"});
        let mut gate = Gate::new(&idp(json!({"id": "gateway", "assertion_from": from})));
        let (context, _) = gate.send(&[]);
        gate.answer(1, status, body);
        assert_eq!(gate.later(context), refused());
        assert_eq!(gate.calls().len(), 1);
        let said = format!("the federated token came with status {status}");
        assert!(gate.logs().contains(&said), "{}", gate.logs());
    }
}

#[test]
fn entra_is_asked_at_its_tenant_for_its_scope() {
    let mut gate = Gate::new(
        &json!({"provider": "azure_openai", "credential": {"entra": {
            "tenant": "acme.onmicrosoft.com",
            "client": {"id": "11111111-2222", "secret": "s3cret"},
            "scope": "https://cognitiveservices.azure.com/.default",
            "cluster": "login",
        }}}),
    );
    let (context, _) = gate.send(&[("api-key", "theirs")]);
    let call = gate.calls().remove(0);
    assert_eq!(call.header(":authority"), Some("login.microsoftonline.com"));
    assert_eq!(
        call.header(":path"),
        Some("/acme.onmicrosoft.com/oauth2/v2.0/token")
    );
    assert_eq!(
        gate.parameter("scope").as_deref(),
        Some("https://cognitiveservices.azure.com/.default")
    );
    assert_eq!(gate.parameter("client_secret").as_deref(), Some("s3cret"));
    gate.give("t1", 3599);
    let changes = vec!["-api-key".to_owned(), "authorization=Bearer t1".to_owned()];
    assert_eq!(gate.later(context), Outcome::Passed(changes));
}

#[test]
fn metadata_services_are_asked_as_they_want_it() {
    let mut gate = Gate::new(&json!({"credential": {"managed_identity": {
        "resource": "https://ml.azure.com", "client_id": "c 1", "cluster": "imds"}}}));
    let (context, _) = gate.send(&[]);
    let call = gate.calls().remove(0);
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fml.azure.com&client_id=c%201";
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "169.254.169.254"),
        (":path", path),
        ("metadata", "true"),
    ] {
        assert_eq!(call.header(name), Some(value), "{name}");
    }
    gate.answer(
        1,
        "200",
        r#"{"access_token":"m1","expires_in":"86400","expires_on":"1","token_type":"Bearer"}"#,
    );
    assert_eq!(gate.later(context), bearer("m1"));

    let mut gate = Gate::new(&json!({"credential": {"google_metadata": {
        "cluster": "metadata", "account": "models@p.iam.gserviceaccount.com", "scopes": ["https://a.test/x", "y"]}}}));
    gate.send(&[]);
    let call = gate.calls().remove(0);
    let path = "/computeMetadata/v1/instance/service-accounts/models@p.iam.gserviceaccount.com/token?scopes=https%3A%2F%2Fa.test%2Fx%2Cy";
    assert_eq!(call.header(":path"), Some(path));
    assert_eq!(call.header(":authority"), Some("metadata.google.internal"));
    assert_eq!(call.header("metadata-flavor"), Some("Google"));
}

#[test]
fn a_token_is_fetched_anew_before_its_end_and_kept_until_then() {
    let mut gate = Gate::new(&secret());
    gate.send(&[]);
    gate.give("t1", 3600);
    // Five minutes before, as the engine has it.
    gate.pass_ms(3_299_000);
    assert_eq!(gate.calls().len(), 1);
    gate.pass_ms(2000);
    assert_eq!(gate.calls().len(), 2);
    gate.answer(2, "503", "");
    assert_eq!(gate.send(&[]).1, bearer("t1"), "the last good one");
    for _ in 0..10 {
        gate.pass_ms(31_000);
        let open = gate.calls().len();
        gate.answer(open, "500", "");
    }
    gate.pass_ms(1000);
    assert_eq!(gate.send(&[]).1, refused(), "it has run out");
    gate.pass_ms(60_000);
    gate.give("t2", 3600);
    assert_eq!(gate.send(&[]).1, bearer("t2"));
}

#[test]
fn where_there_is_no_token_nothing_goes_on() {
    let mut gate = Gate::new(&secret());
    let (context, outcome) = gate.send(&[]);
    assert_eq!(outcome, Outcome::Held);
    gate.pass_ms(2900);
    assert_eq!(gate.later(context), Outcome::Held);
    gate.pass_ms(200);
    assert_eq!(gate.later(context), refused());
    let reply = gate.gate.record(context).reply.unwrap();
    assert!(reply.header("retry-after").is_some());
    for body in [
        r#"{"access_token":"t\r\nx: y","token_type":"Bearer","expires_in":60}"#,
        r#"{"access_token":"s3cret","token_type":"mac","expires_in":60}"#,
        "s3cret",
    ] {
        let mut gate = Gate::new(&secret());
        let (context, _) = gate.send(&[]);
        gate.answer(1, "200", body);
        assert_eq!(gate.later(context), refused(), "{body}");
        assert_eq!(gate.send(&[]).1, refused(), "at once, during the pause");
        assert!(!gate.logs().contains("s3cret"), "{}", gate.logs());
    }
    let mut gate = Gate::new(&secret());
    gate.send(&[]);
    gate.answer(
        1,
        "401",
        r#"{"error":"invalid_client","error_description":"s3cret"}"#,
    );
    let line = "upstream_auth: credential.oauth2_client_credentials: tokens could not be fetched: status 401, invalid_client";
    assert!(gate.logs().contains(line), "{}", gate.logs());
    assert!(!gate.logs().contains("s3cret"), "{}", gate.logs());
}

#[test]
fn a_401_of_the_backend_has_the_token_fetched_anew_once() {
    let mut gate = Gate::new(&secret());
    let (first, _) = gate.send(&[]);
    gate.give("t1", 3600);
    assert_eq!(gate.later(first), bearer("t1"));
    gate.pass_ms(20_000);
    let (second, _) = gate.send(&[]);
    gate.respond(first, "401");
    assert_eq!(gate.calls().len(), 2);
    gate.give("t2", 3600);
    // That of the second was sent before.
    gate.respond(second, "401");
    gate.pass_ms(20_000);
    assert_eq!(gate.calls().len(), 2);
    let (third, outcome) = gate.send(&[]);
    assert_eq!(outcome, bearer("t2"));
    for status in ["200", "403", "500"] {
        gate.respond(third, status);
        gate.pass_ms(20_000);
    }
    assert_eq!(gate.calls().len(), 2);
}

#[test]
fn a_401_to_a_token_that_is_new_says_nothing_of_it() {
    let mut gate = Gate::new(&secret());
    let (first, _) = gate.send(&[]);
    gate.give("t1", 3600);
    gate.respond(first, "401");
    gate.pass_ms(5000);
    assert_eq!(gate.calls().len(), 1);
    gate.pass_ms(6000);
    assert_eq!(gate.calls().len(), 1);
    let (second, _) = gate.send(&[]);
    gate.respond(second, "401");
    assert_eq!(gate.calls().len(), 2);
}

#[test]
fn configurations_of_one_vm_that_want_the_same_token_share_it() {
    let mut config = secret();
    config["profiles"] = json!({"other": {"set_headers": {"x-a": "b"}}});
    config["profile_rules"] = json!([{"match": {"path": "/other"}, "profile": "other"}]);
    let mut gate = Gate::new(&config);
    gate.pass_ms(500);
    gate.give("t1", 3600);
    gate.pass_ms(500);
    assert_eq!(gate.send(&[]).1, bearer("t1"));
    let changes = vec!["authorization=Bearer t1".to_owned(), "x-a=b".to_owned()];
    assert_eq!(
        gate.send(&[(":path", "/other")]).1,
        Outcome::Passed(changes)
    );
    assert_eq!(gate.calls().len(), 1);
    assert!(
        gate.gate.proxy().shared_keys().is_empty(),
        "no secret is shared"
    );
}
