//! What of a client's headers and query reaches the backend.

use serde_json::{Value, json};

use super::gate::{Gate, Outcome};

fn with(key: &str, more: Value) -> Gate {
    let mut config = json!({"credential": {"static": {"value": key}}});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    Gate::new(&config)
}

#[test]
fn every_provider_gets_its_key_as_it_wants_it() {
    for (provider, expected) in [
        ("openai", "authorization=Bearer k"),
        ("azure_ml", "authorization=Bearer k"),
        ("azure_openai", "api-key=k"),
        ("gemini", "x-goog-api-key=k"),
        ("elevenlabs", "xi-api-key=k"),
        ("deepgram", "authorization=Token k"),
        ("assemblyai", "authorization=k"),
        ("torchserve", "authorization=Bearer k"),
        ("bedrock", "authorization=Bearer k"),
    ] {
        let mut gate = with("k", json!({"provider": provider}));
        assert_eq!(gate.passes(&[]), [expected], "{provider}");
    }
    let mut gate = with("k", json!({"provider": "anthropic"}));
    assert_eq!(
        gate.passes(&[]),
        ["anthropic-version=2023-06-01", "x-api-key=k"]
    );
    assert_eq!(
        gate.passes(&[("anthropic-version", "2024-01-01")]),
        ["x-api-key=k"]
    );
}

#[test]
fn a_key_is_put_where_the_configuration_says() {
    let mut gate = with("k", json!({"send_as": {"header": "X-Key"}}));
    assert_eq!(gate.passes(&[("x-key", "theirs")]), ["x-key=k"]);
    let mut gate = with("k&=", json!({"send_as": {"query": "api_key"}}));
    assert_eq!(gate.passes(&[]), [":path=/v1?api_key=k%26%3D"]);
    assert_eq!(
        gate.passes(&[(":path", "/v1?a=1&API%5FKEY=theirs&b")]),
        [":path=/v1?a=1&b&api_key=k%26%3D"]
    );
    let basic = json!({"send_as": {"header": "authorization", "scheme": "Basic"}});
    let mut gate = with("user:pass", basic);
    assert_eq!(gate.passes(&[]), ["authorization=Basic dXNlcjpwYXNz"]);
    let mut gate = Gate::new(&json!({"credential": {"static": {"value": {"env": "API_KEY"}}}}));
    assert_eq!(gate.passes(&[]), ["authorization=Bearer from-environment"]);
}

#[test]
fn nothing_of_the_clients_is_a_credential_behind_the_gateway() {
    let mut gate = with("k", json!({}));
    for name in crate::outgoing::CREDENTIALS.into_iter().chain([
        "X_Api_Key",
        "API_KEY",
        "x.goog.api.key",
        "Proxy_Authorization",
    ]) {
        let changes = gate.passes(&[(name, "theirs"), ("accept", "*/*")]);
        assert!(
            changes.contains(&"authorization=Bearer k".to_owned()),
            "{name}: {changes:?}"
        );
        assert!(
            !changes.iter().any(|change| change.contains("theirs")),
            "{name}: {changes:?}"
        );
        let exact = name.eq_ignore_ascii_case("authorization");
        let gone = format!("-{}", name.to_ascii_lowercase());
        assert_eq!(
            changes
                .iter()
                .any(|change| change.to_ascii_lowercase() == gone),
            !exact,
            "{changes:?}"
        );
    }
    // Two of a kind are both replaced.
    let twice = [("authorization", "Bearer a"), ("authorization", "Basic b")];
    assert_eq!(gate.passes(&twice), ["authorization=Bearer k"]);
}

#[test]
fn further_headers_parameters_and_cookies_go_where_that_is_said() {
    let mut gate = with(
        "k",
        json!({"remove_headers": ["X-Session"], "remove_parameters": ["sig"], "cookies": "strip"}),
    );
    let sent = [
        ("x_session", "1"),
        ("cookie", "a=b"),
        (":path", "/v1?x=1&SIG=2&s%69g=3"),
    ];
    assert_eq!(
        gate.passes(&sent),
        [
            "-cookie",
            "-x_session",
            ":path=/v1?x=1",
            "authorization=Bearer k"
        ]
    );
    let mut gate = with("k", json!({}));
    let kept = [
        ("x-session", "1"),
        ("cookie", "a=b"),
        (":path", "/v1?key=1"),
    ];
    assert_eq!(gate.passes(&kept), ["authorization=Bearer k"]);
}

#[test]
fn a_provider_reads_keys_in_the_query_and_they_go() {
    let mut gate = with("k", json!({"provider": "gemini"}));
    assert_eq!(
        gate.passes(&[(":path", "/v1?alt=sse&KEY=theirs&access_token=x")]),
        [":path=/v1?alt=sse", "x-goog-api-key=k"]
    );
    // Whether a semicolon separates is for each server to say.
    let outcome = gate.send(&[(":path", "/v1?alt=sse;key=theirs")]).1;
    assert_eq!(
        outcome,
        Outcome::Refused(400, "parameter_ambiguous".to_owned())
    );
    assert_eq!(
        gate.passes(&[(":path", "/v1?alt=a;b")]),
        ["x-goog-api-key=k"]
    );
}

#[test]
fn headers_that_choose_are_the_configurations() {
    let refused = |reason: &str, status| Outcome::Refused(status, reason.to_owned());
    let mut gate = with(
        "k",
        json!({"provider": "azure_ml", "set_headers": {"azureml-model-deployment": "blue"}}),
    );
    for name in ["azureml-model-deployment", "AzureML_Model_Deployment"] {
        let changes = gate.passes(&[(name, "green")]);
        assert!(
            changes.contains(&"azureml-model-deployment=blue".to_owned()),
            "{changes:?}"
        );
        assert!(
            !changes.iter().any(|change| change.contains("green")),
            "{changes:?}"
        );
    }
    let mut gate = with(
        "k",
        json!({"provider": "openai", "client_headers": ["OpenAI-Project"]}),
    );
    assert_eq!(
        gate.passes(&[("openai-project", "p")]),
        ["authorization=Bearer k"]
    );
    for (sent, outcome) in [
        (
            &[("openai-organization", "o")][..],
            refused("header_refused", 403),
        ),
        (&[("openai_project", "p")], refused("header_refused", 403)),
        (
            &[("openai-project", "p"), ("openai_project", "q")],
            refused("header_refused", 403),
        ),
        (
            &[("openai-project", "p"), ("openai-project", "q")],
            refused("header_repeated", 400),
        ),
        (
            &[(
                "sec-websocket-protocol",
                "realtime, openai-insecure-api-key.sk-1",
            )],
            refused("header_refused", 403),
        ),
        (
            &[("sec-websocket-protocol", "OpenAI-Project.p")],
            refused("header_refused", 403),
        ),
    ] {
        assert_eq!(gate.send(sent).1, outcome, "{sent:?}");
    }
    assert_eq!(
        gate.passes(&[(
            "sec-websocket-protocol",
            "realtime, openai-beta.realtime-v1"
        )]),
        ["authorization=Bearer k"]
    );
    let mut gate = with(
        "k",
        json!({"provider": "openai", "other_client_headers": "strip", "client_headers": ["openai-project"]}),
    );
    assert_eq!(
        gate.passes(&[
            ("openai-organization", "o"),
            ("openai-project", "p"),
            ("openai_project", "q")
        ]),
        [
            "-openai-organization",
            "-openai_project",
            "authorization=Bearer k"
        ]
    );
}

#[test]
fn the_clients_own_authorization_passes_only_where_that_is_said() {
    let mut gate = Gate::new(&json!({"credential": {"pass_through": true}}));
    let sent = [
        ("authorization", "Bearer theirs"),
        ("api-key", "x"),
        ("x_api_key", "y"),
    ];
    assert_eq!(gate.passes(&sent), ["-api-key", "-x_api_key"]);
    assert_eq!(gate.passes(&[]), Vec::<String>::new());
    for twice in [
        &[("authorization", "Bearer a"), ("authorization", "Basic b")][..],
        &[("authorization", "Bearer a,Basic b")],
        &[("authorization", "k"), ("authorization", "k")],
    ] {
        let refused = Outcome::Refused(400, "header_repeated".to_owned());
        assert_eq!(gate.send(twice).1, refused, "{twice:?}");
    }
    for one in [
        r#"Digest username="a b", realm="c", uri="/""#,
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c",
    ] {
        assert_eq!(gate.passes(&[("authorization", one)]), Vec::<String>::new());
    }
}

#[test]
fn more_names_than_an_honest_request_has_are_refused() {
    let mut gate = with("k", json!({}));
    // Each byte that is no letter and no digit is another spelling.
    let spellings: Vec<String> = "!#$%&'*+.^_`|~"
        .chars()
        .flat_map(|one| {
            ["x{}api-key", "x-api{}key", "x{}api{}key"]
                .map(|name| name.replace("{}", &one.to_string()))
        })
        .collect();
    let sent: Vec<(&str, &str)> = spellings.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(
        gate.send(&sent).1,
        Outcome::Refused(400, "header_ambiguous".to_owned())
    );
}
