//! Providers of Envoy's, and what becomes of them.

use located_yaml::Node;
use serde_json::{Value as Json, json};

use crate::import::{Imported, Options, Source, Verdict, import};

const ROLE: &str = "arn:aws:iam::111122223333:role/models";

/// A gateway that asks for keys and signs.
fn file(signing: &Json) -> Json {
    let typed = |name: &str, config: &Json| {
        let mut config = config.clone();
        let package = format!("envoy.extensions.filters.http.{name}");
        config["@type"] = format!("type.googleapis.com/{package}").into();
        json!({ "name": name, "typed_config": config })
    };
    let keys = json!({
        "credentials": [ { "key": "k-0c5d8e2b6f914a73", "client": "scoring" } ],
        "key_sources": [ { "header": "x-api-key" } ],
    });
    let router = typed("router.v3.Router", &json!({}));
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": { "headers_with_underscores_action": "REJECT_REQUEST" },
        "route_config": { "virtual_hosts": [ { "name": "a", "domains": [ "*" ], "routes": [ { "match": { "prefix": "/" }, "route": { "cluster": "aws" } } ] } ] },
        "http_filters": [
            typed("api_key_auth.v3.ApiKeyAuth", &keys),
            typed("aws_request_signing.v3.AwsRequestSigning", signing),
            router,
        ],
    });
    let filter = json!({ "name": "http", "typed_config": manager });
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 8080 } });
    json!({ "static_resources": {
        "listeners": [ { "name": "in", "address": address, "filter_chains": [ { "filters": [ filter ] } ] } ],
        "clusters": [ { "name": "aws" }, { "name": "169.254.169.254" } ],
    } })
}

fn signing(provider: Json) -> Json {
    json!({ "service_name": "sagemaker", "region": "eu-central-1", "credential_provider": provider })
}

fn imported(signing: &Json) -> Imported {
    import(
        Source::Envoy,
        "f",
        &file(signing).to_string(),
        &Options::default(),
    )
    .unwrap_or_else(|said| panic!("{said:?}"))
}

/// The configuration of aws-sigv4, if there is one, and the new file.
fn settings(one: &Imported) -> (Option<Json>, Json) {
    let written = Node::parse(&one.config).unwrap().to_json();
    let filters = &written["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        ["http_filters"];
    let filters = filters.as_array().unwrap();
    let found = filters.iter().find(|one| one["name"] == "aws-sigv4");
    let text = found.map(|found| found["typed_config"]["config"]["configuration"]["value"].clone());
    let read = |text: Json| serde_json::from_str(text.as_str().unwrap()).unwrap();
    (text.map(read), written)
}

#[test]
fn each_provider_becomes_a_source_in_the_order_in_which_envoy_asks() {
    let sts = "sts.eu-central-1.amazonaws.com";
    let one = imported(&signing(json!({
        "custom_credential_provider_chain": true,
        "instance_profile_credential_provider": {},
        "container_credential_provider": {},
        "assume_role_with_web_identity_provider": {
            "role_arn": ROLE,
            "role_session_name": "gateway",
            "web_identity_token_data_source": {
                "filename": "/var/run/secrets/eks/token",
                "watched_directory": { "path": "/var/run/secrets/eks" },
            },
        },
        "assume_role_credential_provider": {
            "role_arn": ROLE,
            "external_id": "acme-1",
            "session_duration": "1800s",
            "credential_provider": {
                "custom_credential_provider_chain": true,
                "environment_credential_provider": {},
                "instance_profile_credential_provider": {},
            },
        },
        "environment_credential_provider": {},
    })));
    assert!(!one.is_wrong, "{}", one.report.text());
    let (config, file) = settings(&one);
    let role =
        json!({ "role_arn": ROLE, "cluster": sts, "external_id": "acme-1", "duration_s": 1800 });
    let machine = json!({ "cluster": "169.254.169.254" });
    let expected = json!([
        { "environment": {} },
        { "environment": {}, "assume_role": role },
        { "instance_metadata": machine, "assume_role": role },
        { "web_identity": {
            "role_arn": ROLE,
            "cluster": sts,
            "session_name": "gateway",
            "token": { "url": "http://files.local/var/run/secrets/eks/token", "cluster": "modelgate-files" },
        } },
        { "container": { "cluster": "169.254.170.2" } },
        { "instance_metadata": machine },
    ]);
    assert_eq!(config.unwrap()["credentials"], expected);
    // What they ask is there, each once; what was there stays as it was.
    let resources = &file["static_resources"];
    let names = |kind: &str| -> Vec<&str> {
        let listed = resources[kind].as_array().unwrap().iter();
        listed.map(|one| one["name"].as_str().unwrap()).collect()
    };
    assert_eq!(
        names("clusters"),
        [
            "aws",
            "169.254.169.254",
            sts,
            "169.254.170.2",
            "modelgate-files"
        ]
    );
    assert!(resources["clusters"][1].get("type").is_none());
    assert_eq!(names("listeners"), ["in", "modelgate-files"]);
    let text = resources["listeners"][1].to_string();
    assert!(text.contains(r#""filename":"/var/run/secrets/eks/token","watched_directory":{"path":"/var/run/secrets/eks"}"#));
    let said = one.report.text();
    for part in [
        "modelgate-files.sock",
        "169.254.170.23",
        "called `modelgate`",
        "is not asked in its place",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn one_provider_is_one_source_and_secrets_go_to_variables() {
    let role = |with: Json| {
        json!({
            "custom_credential_provider_chain": true,
            "assume_role_credential_provider": { "role_arn": ROLE, "credential_provider": with },
        })
    };
    let web = |token: Json| {
        json!({
            "custom_credential_provider_chain": true,
            "assume_role_with_web_identity_provider": { "role_arn": ROLE, "web_identity_token_data_source": token },
        })
    };
    let sts = "sts.eu-central-1.amazonaws.com";
    let web_token = |name: &str| json!({ "web_identity": { "role_arn": ROLE, "cluster": sts, "token": { "env": name } } });
    for (provider, wanted) in [
        (
            role(
                json!({ "inline_credential": { "access_key_id": "AKIA", "secret_access_key": "s3cr3t-of-a-key" } }),
            ),
            json!({
                "access_key_id": { "env": "AWS_ACCESS_KEY_ID" },
                "secret_access_key": { "env": "AWS_SECRET_ACCESS_KEY" },
                "assume_role": { "role_arn": ROLE, "cluster": sts },
            }),
        ),
        (
            web(json!({ "environment_variable": "THE_TOKEN" })),
            web_token("THE_TOKEN"),
        ),
        (
            web(json!({ "inline_string": "s3cr3t-of-a-token" })),
            web_token("AWS_WEB_IDENTITY_TOKEN"),
        ),
    ] {
        let has_key = provider.to_string().contains("inline_credential");
        let one = imported(&signing(provider));
        assert!(!one.is_wrong, "{}", one.report.text());
        assert_eq!(
            one.report.text().contains("Envoy (1.40) passes over it"),
            has_key
        );
        assert_eq!(settings(&one).0.unwrap()["credentials"], wanted);
        assert!(!one.config.contains("s3cr3t") && !one.report.text().contains("s3cr3t"));
    }
}

#[test]
fn what_cannot_be_taken_over_stays_and_says_why() {
    let chain = |name: &str, provider: Json| {
        signing(json!({ "custom_credential_provider_chain": true, name: provider }))
    };
    let role = |with: Json| {
        chain(
            "assume_role_credential_provider",
            json!({ "role_arn": ROLE, "credential_provider": with }),
        )
    };
    let web = |token: Json| {
        chain(
            "assume_role_with_web_identity_provider",
            json!({ "role_arn": ROLE, "web_identity_token_data_source": token }),
        )
    };
    let environment =
        json!({ "custom_credential_provider_chain": true, "environment_credential_provider": {} });
    let mut unsigned = signing(environment.clone());
    unsigned["use_unsigned_payload"] = true.into();
    let mut long = role(environment.clone());
    long["credential_provider"]["assume_role_credential_provider"]["session_duration"] =
        "60s".into();
    let mut default_role = role(environment.clone());
    default_role["credential_provider"]["assume_role_credential_provider"]
        .as_object_mut()
        .unwrap()
        .remove("credential_provider");
    for (signing, wanted) in [
        (
            signing(json!({ "assume_role_with_web_identity_provider": { "role_arn": ROLE } })),
            "default chain",
        ),
        (
            signing(json!({ "assume_role_credential_provider": { "role_arn": ROLE } })),
            "Envoy passes over it",
        ),
        (
            signing(json!({ "custom_credential_provider_chain": true })),
            "no provider",
        ),
        (
            chain("credentials_file_provider", json!({})),
            "credentials_file_provider: a filter reads no files",
        ),
        (
            chain(
                "iam_roles_anywhere_credential_provider",
                json!({ "role_arn": ROLE }),
            ),
            "iam_roles_anywhere_credential_provider: ",
        ),
        (
            chain("config_credential_provider", json!({})),
            "config_credential_provider: ",
        ),
        (
            chain(
                "assume_role_with_web_identity_provider",
                json!({ "role_arn": ROLE }),
            ),
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ),
        (web(json!({ "filename": "token" })), "absolute"),
        (web(json!({ "filename": "/a/../token" })), "absolute"),
        (
            web(json!({ "inline_bytes": "YQ==" })),
            "inline_bytes has no counterpart",
        ),
        (
            default_role,
            "assume_role_credential_provider: Envoy's default chain",
        ),
        (
            role(
                json!({ "custom_credential_provider_chain": true, "assume_role_credential_provider": {} }),
            ),
            "passes over a role",
        ),
        (
            long,
            "aws-sigv4 would refuse it: credentials.assume_role.duration_s",
        ),
        (
            unsigned,
            "use_unsigned_payload: sagemaker takes no unsigned body",
        ),
        (
            chain("made_up_provider", json!({})),
            "made_up_provider has no counterpart",
        ),
    ] {
        let one = imported(&signing);
        let entries = one.report.entries.iter();
        let kept = entries
            .filter(|entry| entry.verdict == Verdict::Kept)
            .find(|entry| entry.subject.starts_with("aws_request_signing"));
        let kept = kept.unwrap_or_else(|| panic!("{wanted}: {}", one.report.text()));
        assert!(kept.text.contains(wanted), "{wanted}: {}", kept.text);
        let (config, file) = settings(&one);
        assert_eq!(config, None, "{wanted}");
        let clusters = file["static_resources"]["clusters"].as_array().unwrap();
        assert_eq!(clusters.len(), 2, "{wanted}");
    }
    // A file of resources has no place for clusters.
    let mut file = file(&chain("instance_profile_credential_provider", json!({})));
    let resources = file["static_resources"]["listeners"].take();
    let text = json!({ "resources": resources }).to_string();
    let one = import(Source::Envoy, "f", &text, &Options::default()).unwrap();
    assert!(
        one.report.text().contains("no `static_resources`"),
        "{}",
        one.report.text()
    );
}
