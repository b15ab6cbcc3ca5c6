//! A chain of Envoy's own that signs with a role by a token in a file, and what is imported of it:
//! the token reaches STS, and what STS gives signs.

use std::fs;
use std::time::{Duration, Instant};

use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::import::{self, Options, Source};
use modelgate_demo::client::{Call, send};
use modelgate_envoy::config::adapt;
use modelgate_envoy::process::{Launch, Process, Verbosity, validate};
use modelgate_tests::envoys::envoy;
use modelgate_tests::services::free_port;

use super::super::{server, until_ready};

const STS: &str = "<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAFROMSTSEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></R>";

const FILE: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }
static_resources:
  listeners:
  - name: gateway
    address: { socket_address: { address: 127.0.0.1, port_value: 8080 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: gateway
          use_remote_address: true
          normalize_path: true
          merge_slashes: true
          path_with_escaped_slashes_action: REJECT_REQUEST
          common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }
          route_config:
            virtual_hosts:
            - { name: models, domains: [ "*" ], routes: [ { match: { prefix: / }, route: { cluster: models } } ] }
          http_filters:
          - name: envoy.filters.http.api_key_auth
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth
              credentials: [ { key: k-0c5d8e2b6f914a73, client: scoring } ]
              key_sources: [ { header: x-api-key } ]
          - name: envoy.filters.http.aws_request_signing
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning
              service_name: sagemaker
              region: eu-central-1
              credential_provider:
                custom_credential_provider_chain: true
                assume_role_with_web_identity_provider:
                  role_arn: arn:aws:iam::111122223333:role/models
                  web_identity_token_data_source: { filename: FOLDER/token, watched_directory: { path: FOLDER } }
                # Envoy takes the others, too; they are not there where this runs.
                MORE
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: models
    type: STATIC
    load_assignment: { cluster_name: models, endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 8000 } } } } ] } ] }
"#;

/// Every provider that is taken over.
const ALL: &str = "container_credential_provider: {}
                instance_profile_credential_provider: {}
                environment_credential_provider: {}
                assume_role_credential_provider: { role_arn: 'arn:aws:iam::111122223333:role/models', external_id: acme, session_duration: 900s, credential_provider: { custom_credential_provider_chain: true, environment_credential_provider: {} } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_file_reaches_sts_and_its_role_signs() {
    let Some(envoy) = envoy(None) else { return };
    let workspace = Workspace::locate().unwrap();
    let filters = ["audit-log", "key-auth", "aws-sigv4"];
    build::build(&workspace, &filters, Profile::Release).unwrap();
    let modules = workspace.target.join("modelgate");
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    fs::write(folder.path().join("token"), "token-of-a-service-account").unwrap();

    // Envoy takes what is imported, and what becomes of it.
    let environment = [
        ("AWS_ACCESS_KEY_ID", Some("AKIDEXAMPLE")),
        ("AWS_SECRET_ACCESS_KEY", Some("secret")),
    ];
    let read = |more: &str| {
        let text = FILE.replace("FOLDER", here).replace("MORE", more);
        let imported = import::import(Source::Envoy, "f", &text, &Options::default()).unwrap();
        assert!(!imported.is_wrong, "{}", imported.report.text());
        let config = imported
            .config
            .replace("/etc/envoy/modelgate", modules.to_str().unwrap());
        (text, config.replace("/run/envoy", here))
    };
    let (theirs, ours) = read(ALL);
    for text in [theirs, ours] {
        let file = folder.path().join("envoy.yaml");
        fs::write(&file, &text).unwrap();
        assert_eq!(
            validate(&envoy, &file, &environment).unwrap(),
            None,
            "{text}"
        );
    }

    let (_, config) = read("");
    let mut config = located_yaml::Node::parse(&config).unwrap().to_json();
    let ((models, reached), (sts, asked)) = (server("{}"), server(STS));
    let (port, admin) = (free_port(), free_port());
    for cluster in adapt::list(&mut config, "/static_resources/clusters").unwrap() {
        let name = cluster["name"].as_str().unwrap().to_owned();
        match name.as_str() {
            "models" => adapt::point_cluster(cluster, adapt::loopback(models)).unwrap(),
            "sts.eu-central-1.amazonaws.com" => {
                adapt::point_cluster(cluster, adapt::loopback(sts)).unwrap();
            }
            // It leads to a socket.
            name => assert_eq!(name, "modelgate-files"),
        }
    }
    for (at, port) in [
        ("/static_resources/listeners/0/address", port),
        ("/admin/address", admin),
    ] {
        adapt::set(&mut config, at, adapt::address(adapt::loopback(port))).unwrap();
    }
    let launch = Launch {
        workers: 1,
        verbosity: Verbosity::Warnings,
        flush_ms: 1000,
        drain_s: None,
        environment: &[],
    };
    let running = Process::start(&envoy, &config, &launch).unwrap();
    until_ready(admin, &running).await;
    let call =
        Call::post("/endpoints/churn/invocations", "{}").with("x-api-key", "k-0c5d8e2b6f914a73");
    let began = Instant::now();
    let mut answer = send(port, &call).await.unwrap();
    while answer.status == 503 && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        answer = send(port, &call).await.unwrap();
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    let head = reached.lock().unwrap().last().cloned().unwrap();
    assert!(head.contains("credential=asiafromstsexample/"), "{head}");
    assert!(head.contains("x-amz-security-token: t"), "{head}");
    let asked = asked.lock().unwrap().first().cloned().unwrap();
    assert!(
        asked.contains("host: sts.eu-central-1.amazonaws.com"),
        "{asked}"
    );
}
