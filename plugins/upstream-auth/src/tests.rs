//! The filter on a proxy in memory: what goes on, what is asked of whom, and who waits.

mod exchange;
mod fetched;
mod gate;
mod headers;

use serde_json::json;

use gate::{Gate, Outcome, problems};

#[test]
fn everything_that_is_wrong_is_said_with_its_place() {
    for (config, expected) in [
        (json!({}), "credential: must have exactly one source"),
        (
            json!({"credential": {"static": {"value": "k"}, "pass_through": true}}),
            "credential: must have exactly one source",
        ),
        (
            json!({"credential": {"static": {"value": "a b"}}}),
            "credential.static.value: cannot stand in a request",
        ),
        (
            json!({"credential": {"static": {"value": {"env": "NOT_THERE"}}}}),
            "credential.static.value: the environment variable NOT_THERE is not set",
        ),
        (
            json!({"credential": {"static": {"value": "k"}}, "send_as": {"header": "a", "query": "b"}}),
            "send_as: must name exactly one",
        ),
        (
            json!({"credential": {"static": {"value": "k"}}, "send_as": {"query": "b", "scheme": "Bearer"}}),
            "send_as: must name exactly one",
        ),
        (
            json!({"credential": {"static": {"value": "k"}}, "send_as": {"header": "host"}}),
            "send_as.header: is a header that frames the request",
        ),
        (
            json!({"credential": {"static": {"value": "k"}}, "send_as": {"header": "authorization", "scheme": "Basic"}}),
            "credential.static.value: has no colon",
        ),
        (
            json!({"credential": {"pass_through": true}, "send_as": {"header": "x-key"}}),
            "send_as: has no meaning",
        ),
        (
            json!({"credential": {"static": {"value": "k"}}, "set_headers": {"Authorization": "Bearer x"}}),
            "set_headers.authorization: carries the credential already",
        ),
        (
            json!({"credential": {"static": {"value": "k"}}, "set_headers": {"content-length": "0"}}),
            "is a header that frames the request",
        ),
        (
            json!({"credential": {"static": {"value": "k"}}, "client_headers": ["openai-project"]}),
            "client_headers[0]: is not a header that the provider chooses by",
        ),
        (
            json!({"provider": "azure_ml", "credential": {"static": {"value": "k"}},
                   "client_headers": ["azureml-model-deployment"], "set_headers": {"azureml-model-deployment": "blue"}}),
            "client_headers[0]: is set for every request",
        ),
        (
            json!({"credential": {"entra": {"tenant": "t", "client": {"id": "c"}, "scope": "s/.default", "cluster": "login"}}}),
            "credential.entra.client: proves nothing",
        ),
        (
            json!({"credential": {"entra": {"tenant": "t", "client": {"id": "c", "secret": "a", "assertion": "b"}, "scope": "s", "cluster": "login"}}}),
            "credential.entra.client: has more than one proof",
        ),
        (
            json!({"credential": {"entra": {"tenant": "t", "client": {"id": "c", "private_key": {"pem": "x"}}, "scope": "s", "cluster": "login"}}}),
            "credential.entra.client.private_key.pem: has no private key that can be read",
        ),
        (
            json!({"credential": {"google_service_account": {"key": "{}", "cluster": "google"}}}),
            "credential.google_service_account.key: is not the key file",
        ),
        (
            json!({"credential": {"google_metadata": {"account": "../x", "cluster": "metadata"}}}),
            "credential.google_metadata.account: is not the mail address",
        ),
        (
            json!({"credential": {"managed_identity": {"resource": "r", "endpoint": "app_service", "cluster": "identity"}}}),
            "credential.managed_identity.endpoint: the environment variable IDENTITY_HEADER is not set",
        ),
        (
            json!({"credential": {"oauth2_client_credentials": {
                "token_endpoint": {"url": "https://idp.test/token", "cluster": "idp"},
                "client": {"id": "c", "secret": "s"}, "parameters": {"grant_type": "password"}}}}),
            "parameters.grant_type: has an option of its own",
        ),
    ] {
        let problems = problems(&config);
        let found = problems.iter().any(|line| line.contains(expected));
        assert!(found, "{expected}\n{problems:#?}");
        let secret = problems.iter().any(|line| line.contains("a b"));
        assert!(!secret, "{problems:?}");
    }
}

#[test]
fn a_tunnel_is_not_opened_and_a_websocket_is() {
    let mut gate = Gate::new(&json!({"credential": {"static": {"value": "k"}}}));
    let tunnel = gate.send(&[(":method", "CONNECT"), (":authority", "a.test")]);
    assert_eq!(
        tunnel.1,
        Outcome::Refused(403, "upgrade_refused".to_owned())
    );
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let (_, outcome) = gate.send(&upgrade);
    assert_eq!(
        outcome,
        Outcome::Passed(vec!["authorization=Bearer k".to_owned()])
    );
}
