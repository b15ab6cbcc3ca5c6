//! What gateway files mean, and what is said of those that mean nothing.

mod chosen;
mod servers;

use super::*;
use crate::check;

fn examples() -> Vec<(String, String)> {
    let root = crate::build::Workspace::locate().unwrap().root;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("envoy/gateways")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    found.sort();
    assert!(found.len() >= 7);
    found
}

const COLLECTOR: &str = "http://otel-collector.observability.svc:4318";

fn meant(text: &str, host: Host) -> Meaning {
    let read = read(&Node::parse(text).unwrap(), host);
    read.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn problems(text: &str) -> Vec<String> {
    let problems = read(&Node::parse(text).unwrap(), Host::Envoy).err();
    let problems = problems.unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

/// With the filters' settings as JSON, and without the access log, of which some files that are
/// copied have less.
fn comparable(mut bootstrap: Json) -> Json {
    fn open(value: &mut Json) {
        match value {
            Json::Object(members) => {
                if members
                    .get("@type")
                    .is_some_and(|kind| kind.as_str().unwrap().ends_with("StringValue"))
                {
                    let text = members["value"].as_str().unwrap().to_owned();
                    members["value"] = serde_json::from_str(&text).unwrap();
                }
                members.values_mut().for_each(open);
            }
            Json::Array(items) => items.iter_mut().for_each(open),
            _ => {}
        }
    }
    open(&mut bootstrap);
    let clusters = bootstrap.pointer_mut("/static_resources/clusters").unwrap();
    let name = |cluster: &Json| cluster["name"].to_string();
    clusters.as_array_mut().unwrap().sort_by_key(name);
    let log = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log";
    let log = bootstrap.pointer_mut(log).unwrap().take();
    let line = &log[0]["typed_config"]["log_format"]["json_format"];
    assert!(line["audit"].is_string() && line["details"].is_string());
    bootstrap
}

#[test]
fn a_gateway_file_says_what_a_configuration_of_ten_times_its_length_does() {
    let root = crate::build::Workspace::locate().unwrap().root;
    for (name, text) in examples() {
        let path = root.join(format!("envoy/{name}.yaml"));
        let whole = std::fs::read_to_string(path).unwrap();
        let written = comparable(Node::parse(&whole).unwrap().to_json());
        // There the collector is beside Envoy.
        let beside = text.replace(COLLECTOR, "http://127.0.0.1:4318");
        assert_ne!(beside, text);
        let rendered = render(&meant(&beside, Host::Envoy), Host::Envoy);
        let rendered = comparable(Node::parse(&rendered).unwrap().to_json());
        let values = |of| {
            flat(of)
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let (got, want) = (values(&rendered), values(&written));
        let differ = got.keys().chain(want.keys());
        let differ: Vec<_> = differ.filter(|at| got.get(*at) != want.get(*at)).collect();
        assert!(differ.is_empty(), "{name}: {differ:#?}");
        assert!(text.lines().count() * 8 < whole.lines().count(), "{name}");
    }
}

/// Every value that is no list or mapping with something in it, by its pointer.
fn flat(value: &Json) -> Vec<(String, &Json)> {
    let inner: Vec<(String, &Json)> = match value {
        Json::Object(members) if !members.is_empty() => members
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Json::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => return vec![(String::new(), value)],
    };
    let inner = inner.into_iter().flat_map(|(key, value)| {
        let key = key.replace('~', "~0").replace('/', "~1");
        let inner = flat(value).into_iter();
        inner.map(move |(below, value)| (format!("/{key}{below}"), value))
    });
    inner.collect()
}

#[test]
fn what_is_rendered_has_no_findings_but_for_what_a_host_cannot() {
    let mut missed = Vec::new();
    for (name, text) in examples() {
        for host in Host::ALL {
            let meaning = meant(&text, host);
            let outcome = check::check(&render(&meaning, host));
            let allowed: &[&str] = match host {
                Host::EnvoyGateway | Host::Higress => &["placeholder", "kubernetes-limits"],
                Host::Kong => &["placeholder", "settings-elsewhere"],
                _ => &["placeholder"],
            };
            let findings = outcome.findings.iter();
            let findings = findings.filter(|finding| !allowed.contains(&finding.code.name));
            missed.extend(findings.map(|finding| format!("{name} for {host:?}: {finding}")));
            if (outcome.filters, outcome.unread) != (meaning.filters.len(), 0) {
                missed.push(format!(
                    "{name} for {host:?}: {} of {}, {} unread",
                    outcome.filters,
                    meaning.filters.len(),
                    outcome.unread
                ));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn what_a_host_cannot_do_is_refused_at_its_place() {
    let text = LEAST.replace("http://m:80", "http://10.0.0.1:80");
    let said = |host| {
        let said = read(&Node::parse(&text).unwrap(), host)
            .err()
            .unwrap_or_default();
        said.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said(Host::Envoy), Vec::<String>::new());
    assert_eq!(said(Host::Kong), Vec::<String>::new());
    let modules = "1:1: the key \"modules\" is missing: this host fetches the filters' images";
    assert_eq!(said(Host::EnvoyGateway), [modules]);
    assert_eq!(said(Host::Istio).len(), 2);
}

#[test]
fn what_has_to_be_known_of_a_host_is_noted() {
    let (_, torchserve) = examples()
        .into_iter()
        .find(|(name, _)| name == "torchserve")
        .unwrap();
    let noted = |text: &str, host, what: &str| {
        let notes = notes(&meant(text, host), host);
        notes.iter().any(|note| note.contains(what))
    };
    for host in Host::ALL {
        let own = matches!(host, Host::Envoy | Host::EnvoyNative | Host::Kubernetes);
        assert_ne!(
            noted(&torchserve, host, "/ping asks for a credential"),
            own,
            "{host:?}"
        );
        let holds = noted(&torchserve, host, "pii-mask may hold a request's headers");
        assert_ne!(holds, host.holds_headers(), "{host:?}");
    }
    // In the mode that works without, nothing is held.
    let free = torchserve.replace("masking: { ", "masking: { hold: body, ");
    assert_ne!(free, torchserve);
    assert!(!noted(&free, Host::EnvoyGateway, "pii-mask may hold"));
    assert!(noted(
        &torchserve,
        Host::Higress,
        "domain: login.example.com, port: 443"
    ));
}

#[test]
fn a_backends_credential_is_a_variable_or_what_upstream_auth_takes() {
    let meant = |credential: &str, host| {
        let backend = format!(
            "backend: {{ kind: azure_ml, url: 'https://m.test', deployment: blue, credential: {credential} }}"
        );
        let text = LEAST.replace("backend: { kind: kserve, url: 'http://m:80' }", &backend);
        let meaning = meant(&text, host);
        let filter = meaning
            .filters
            .iter()
            .find(|one| one.member.krate == "upstream-auth");
        let filter = filter.unwrap();
        let servers: Vec<String> = meaning.servers.iter().map(Upstream::authority).collect();
        (filter.config.to_json(), filter.environment.clone(), servers)
    };
    let (config, environment, servers) = meant("{ env: KEY }", Host::Kong);
    let want = serde_json::json!({
        "credential": { "static": { "value": { "env": "KEY" } } },
        "provider": "azure_ml",
        "set_headers": { "azureml-model-deployment": "blue" },
    });
    assert_eq!(config, want);
    assert!(environment.contains("KEY"));
    assert_eq!(servers, ["idp.example:443"]);
    for (credential, pointer, cluster, server) in [
        (
            "{ entra: { tenant: t, client: { id: c, secret: { env: S } }, scope: s/.default } }",
            "/credential/entra/cluster",
            "login",
            "login.microsoftonline.com:443",
        ),
        (
            "{ google_metadata: {} }",
            "/credential/google_metadata/cluster",
            "metadata",
            "metadata.google.internal:80",
        ),
        (
            "{ managed_identity: { resource: r } }",
            "/credential/managed_identity/cluster",
            "169.254.169.254",
            "169.254.169.254:80",
        ),
        (
            "{ oauth2_client_credentials: { token_endpoint: { url: 'https://sts.test/t' }, client: { id: c, assertion_from: { url: 'http://files.test:81/t' } } } }",
            "/credential/oauth2_client_credentials/client/assertion_from/cluster",
            "files",
            "files.test:81",
        ),
    ] {
        let (config, _, servers) = meant(credential, Host::Envoy);
        let named = config.pointer(pointer).and_then(serde_json::Value::as_str);
        assert_eq!(named, Some(cluster), "{config}");
        assert!(servers.contains(&server.to_owned()), "{servers:?}");
    }
    let app_service = "{ managed_identity: { resource: r, endpoint: app_service, url: 'http://localhost:4141/t' } }";
    let (_, environment, _) = meant(app_service, Host::Envoy);
    assert!(environment.contains("IDENTITY_HEADER"), "{environment:?}");
}

#[test]
fn images_are_named_by_tag_or_digest() {
    let digits = "1".repeat(64);
    let text = format!(
        "{LEAST}modules: {{ registry: ghcr.io/a/b, version: 1.2.3, digests: {{ jwt-auth: 'sha256:{digits}' }} }}\n"
    );
    let rendered = |host| render(&meant(&text, host), host);
    let kubernetes = rendered(Host::Kubernetes);
    assert!(kubernetes.contains(&format!("ghcr.io/a/b/jwt-auth:1.2.3@sha256:{digits}")));
    assert!(
        kubernetes.contains("ghcr.io/a/b/audit-log:1.2.3,"),
        "{kubernetes}"
    );
    for host in [Host::Istio, Host::EnvoyGateway, Host::Higress] {
        let rendered = rendered(host);
        let pinned = rendered.matches(&format!("sha256: \"{digits}\"")).count();
        assert_eq!(pinned, 1, "{rendered}");
    }
}

#[test]
fn a_pod_has_the_secrets_that_its_filters_name_and_no_others() {
    for (name, text) in examples() {
        let rendered = documents(&meant(&text, Host::Kubernetes), Host::Kubernetes);
        let deployment = rendered
            .iter()
            .find(|one| one["kind"] == "Deployment")
            .unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let variables = container["env"].as_array().into_iter().flatten();
        let named: Vec<&str> = variables.map(|one| one["name"].as_str().unwrap()).collect();
        let want = match name.as_str() {
            "sagemaker" => "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN",
            "openai" => "OPENAI_API_KEY",
            "azure-ml" => "AZUREML_ENDPOINT_KEY",
            "azure-openai" => "AZURE_OPENAI_KEY",
            _ => "",
        };
        assert_eq!(named.join(" "), want);
        // Each volume is mounted, and each module is where the configuration looks for it.
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert_eq!(pod["volumes"].as_array().unwrap().len(), mounts.len());
        let config = rendered[0]["data"]["envoy.yaml"].as_str().unwrap();
        for mount in mounts.iter().filter(|mount| mount["name"] != "config") {
            assert!(config.contains(mount["mountPath"].as_str().unwrap()));
        }
    }
}

#[test]
fn variables_follow_from_where_credentials_come() {
    const KEY: &str = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN";
    const CONTAINER: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    for (credentials, want) in [
        ("{ environment: {} }", KEY.to_owned()),
        (
            "{ instance_metadata: { cluster: 'http://169.254.169.254' } }",
            String::new(),
        ),
        (
            "[ { environment: {} }, { container: { cluster: 'http://169.254.170.2' } } ]",
            format!("{KEY} {CONTAINER}"),
        ),
        (
            "{ container: { cluster: 'http://169.254.170.2', url: 'http://169.254.170.2/x' } }",
            String::new(),
        ),
        (
            "{ access_key_id: { env: A }, secret_access_key: { env: B } }",
            "A B".to_owned(),
        ),
        ("{ instance_metadata: {} }", String::new()),
    ] {
        let text = format!(
            "backend: {{ kind: sagemaker, region: eu-central-1 }}\nissuers: [ {{ issuer: 'https://idp.example', audiences: [ m ] }} ]\nrules: []\nsettings: {{ aws-sigv4: {{ credentials: {credentials} }} }}\n"
        );
        let meaning = meant(&text, Host::Envoy);
        let rendered = documents(&meaning, Host::Envoy);
        let found = rendered[0].to_string();
        let mut variables: Vec<&str> = want.split(' ').filter(|name| !name.is_empty()).collect();
        variables.sort_unstable();
        let keys = serde_json::json!({ "host_env_keys": variables }).to_string();
        let has = found.contains(&keys);
        assert_eq!(has, !variables.is_empty(), "{credentials}: {found}");
    }
}

const LEAST: &str = "backend: { kind: kserve, url: 'http://m:80' }\nissuers: [ { issuer: 'https://idp.example' } ]\nrules: []\n";

#[test]
fn models_are_routed_between_limits_and_masking() {
    let text = format!(
        "{LEAST}limits: []\nmasking: {{}}\nmodels: [ {{ name: m, targets: [ {{ tag: t, backend: b, version: '2' }} ] }} ]\n"
    );
    for host in [Host::Envoy, Host::EnvoyNative] {
        let rendered = render(&meant(&text, host), host);
        let at = |what: &str| rendered.find(what).unwrap_or_else(|| panic!("{what}"));
        assert!(at("rate_limit") < at("model_route") && at("model_route") < at("pii_mask"));
        assert!(rendered.contains("other_requests"), "{rendered}");
    }
}

#[test]
fn everything_wrong_is_said_at_its_place() {
    let text = "name: Models\nbackend: { kind: openai, url: 'http://x/v1', region: x, credential: { env: 'sk-abc' } }\nlimit: []\nlisten: 80\nsettings:\n  pii-mask: {}\n  jwt: {}\n";
    let said = problems(text);
    assert_eq!(said, ["3:1: limit: unknown key; did you mean \"limits\"?",]);
    let said = problems(&text.replace("limit:", "rules:"));
    assert_eq!(
        said,
        [
            "1:1: nobody could call: list `issuers`, `keys` or both",
            "1:7: name: expected a DNS label: a-z, 0-9 and -, at most 63, a letter first",
            "2:31: backend.url: expected scheme, host and port only: paths are those of the protocol",
            "2:54: backend.region: it has no meaning for this kind of backend",
            "2:76: backend.credential.env: expected the name of a variable: the secret itself must not stand here",
            "4:9: listen: expected an address and a port, as in 0.0.0.0:8080",
        ]
    );
    assert!(!said.concat().contains("sk-abc"));
    let text = format!(
        "{LEAST}settings:\n  pii-mask: {{}}\n  jwt: {{}}\n  jwt-auth: {{ issuers: [], realm: x }}\n"
    );
    assert_eq!(
        problems(&text),
        [
            "5:13: settings.pii-mask: this gateway does not have the filter: nothing above asks for it",
            "6:8: settings.jwt: no filter has this name; there are audit-log, jwt-auth, key-auth, consumer-acl, rate-limit, model-route, pii-mask, upstream-auth, aws-sigv4",
            "7:24: settings.jwt-auth.issuers: it follows from another part of this file, and cannot be written twice",
        ]
    );
    for (text, want) in [
        (
            "backend: { kind: sagemaker }\nkeys: [ {} ]\nrules: []\n",
            "1:10: backend: the key \"region\" is missing",
        ),
        (
            "backend: { kind: azure_ml, url: 'https://x' }\nkeys: [ {} ]\nrules: []\n",
            "1:10: backend: the key \"credential\" is missing",
        ),
        (
            "backend: { kind: kserve }\nkeys: [ {} ]\nrules: []\n",
            "1:10: backend: the key \"url\" is missing",
        ),
        (
            "backend: { kind: kserv, url: 'http://m' }\nkeys: [ {} ]\nrules: []\n",
            "1:18: backend.kind: expected one of: sagemaker, azure_ml, kserve, tensorflow_serving, torchserve, openai, azure_openai, vertex",
        ),
    ] {
        assert_eq!(problems(text), [want], "{text}");
    }
}

#[test]
fn servers_are_named_by_their_urls_and_each_is_there_once() {
    let text = "\
backend: { kind: kserve, url: 'http://m:80' }
issuers:
- { issuer: 'https://inference.example.com' }
- { issuer: 'https://idp.example.com/a', keys: { discovery: { keys_cluster: 'https://www.example.org' } } }
- { issuer: 'https://idp.example.com/b', keys: { fetch: { url: 'https://idp.example.com/b/keys' } } }
- { issuer: 'https://idp.example.com/b', audiences: [ x ] }
- { issuer: 'https://10.0.0.1:8443', keys: { discovery: { cluster: idp } } }
rules: []
audit: { collector: 'http://[::1]:4318' }
";
    assert_eq!(
        problems(text),
        [
            "7:68: jwt-auth.issuers[4].keys.discovery.cluster: expected the URL of a server: `https://host`, or `http://host:port`"
        ]
    );
    let meant = meant(
        &text.replace("cluster: idp }", "url: 'https://10.0.0.1:8443/x' }"),
        Host::Envoy,
    );
    let servers: Vec<String> = meant
        .servers
        .iter()
        .map(|one| format!("{} {}", one.name, one.authority()))
        .collect();
    assert_eq!(
        servers,
        [
            "logs [::1]:4318",
            "inference.example.com inference.example.com:443",
            "www www.example.org:443",
            "idp idp.example.com:443",
            "10.0.0.1 10.0.0.1:8443",
        ]
    );
    let config = meant
        .filters
        .iter()
        .find(|filter| filter.member.krate == "jwt-auth")
        .unwrap()
        .config
        .to_json();
    assert_eq!(
        config["issuers"][1]["keys"]["discovery"],
        serde_json::json!({ "keys_cluster": "www", "cluster": "idp" })
    );
    assert_eq!(config["issuers"][2]["keys"]["fetch"]["cluster"], "idp");
    assert_eq!(config["issuers"][3].get("keys"), None);
}

#[test]
fn the_schema_takes_what_is_read_and_refuses_what_is_not() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("gateway.json", schema()).unwrap();
    let schema = compiler.compile("gateway.json", &mut schemas).unwrap();
    let valid = |text: &str| {
        let json = Node::parse(text).unwrap().to_json();
        let said = schemas.validate(&json, schema);
        said.map_err(|error| error.to_string())
    };
    for (name, text) in examples() {
        valid(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (from, to) in [
            ("backend:", "backed:"),
            ("issuer:", "isuer:"),
            ("effect: allow", "effect: alow"),
            ("resource:", "resources:"),
        ] {
            assert!(text.contains(from), "{name}");
            assert!(
                valid(&text.replacen(from, to, 1)).is_err(),
                "{name}: {from}"
            );
        }
    }
    let text = format!("{LEAST}settings: {{ rate-limit: {{ header: both }} }}\n");
    assert!(valid(&text).is_err());
}

#[test]
fn metrics_have_a_listener_that_leads_to_nothing_else_of_the_admin_interface() {
    let text = format!("{LEAST}metrics: 0.0.0.0:9902\nmodules: {{ registry: r.example }}\n");
    let bootstrap = documents(&meant(&text, Host::Envoy), Host::Envoy).remove(0);
    let manager = "/static_resources/listeners/1/filter_chains/0/filters/0/typed_config";
    let manager = bootstrap.pointer(manager).unwrap();
    let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array();
    let paths: Vec<&str> = routes
        .unwrap()
        .iter()
        .inspect(|route| assert_eq!(route["match"]["headers"][0]["string_match"]["exact"], "GET"))
        .map(|route| route["match"]["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/stats/prometheus", "/ready"]);
    // No filter guards it, and none has to; a listener that leads elsewhere is another matter.
    let whole = render(&meant(&text, Host::Envoy), Host::Envoy);
    let open = |text: &str| {
        let found = check::check(text).findings;
        found.iter().any(|finding| finding.code.id == "MG203")
    };
    assert!(!open(&whole));
    assert!(open(&whole.replace("path: /ready", "path: /config_dump")));
    let text_of = render(&meant(&text, Host::Kubernetes), Host::Kubernetes);
    assert!(text_of.contains("containerPort: 9902"), "{text_of}");
    assert!(text_of.contains("port: metrics"), "{text_of}");
    for (metrics, said) in [
        ("9902", "metrics: expected an address and a port"),
        ("0.0.0.0:8080", "metrics: the port is that of `listen`"),
    ] {
        let problems = problems(&format!("{LEAST}metrics: '{metrics}'\n"));
        assert!(problems.concat().contains(said), "{problems:?}");
    }
}

#[test]
fn modules_come_by_an_init_container_where_there_are_no_image_volumes() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let modules = format!(
        "modules: {{ registry: r.example/f, version: 1.2.3, mount: init_container, digests: {{ jwt-auth: '{digest}' }} }}\n"
    );
    let meaning = meant(&format!("{LEAST}{modules}"), Host::Kubernetes);
    let documents = documents(&meaning, Host::Kubernetes);
    let deployment = documents.iter().find(|one| one["kind"] == "Deployment");
    let pod = &deployment.unwrap()["spec"]["template"]["spec"];
    let script = pod["initContainers"][0]["command"][2].as_str().unwrap();
    // skopeo takes a tag or a digest, not both.
    let by_digest = format!("fetch jwt_auth.wasm r.example/f/jwt-auth@{digest}\n");
    assert!(script.contains(&by_digest), "{script}");
    assert!(script.contains("fetch consumer_acl.wasm r.example/f/consumer-acl:1.2.3\n"));
    let volumes = pod["volumes"].as_array().unwrap();
    assert!(volumes.iter().all(|volume| volume.get("image").is_none()));
    let mounts = &pod["containers"][0]["volumeMounts"];
    assert!(
        mounts.to_string().contains("/etc/envoy/modelgate\""),
        "{mounts}"
    );
}
