//! Servers that a gateway file names, or need not name.

use super::*;

#[test]
fn several_servers_have_a_route_each() {
    let file = |others: &str, models: &str| {
        format!(
            "backend: {{ kind: kserve, url: 'http://a.test:8080', others: {others} }}\nissuers: [ {{ issuer: 'https://idp.example', audiences: [ m ] }} ]\nrules: []\n{models}modules: {{ registry: ghcr.io/a/b }}\n"
        )
    };
    let models = "models: [ { name: m, targets: [ { tag: s, backend: main }, { tag: c, backend: canary } ], shadow: { backend: copy } } ]\n";
    let both = "{ canary: 'https://b.test', copy: 'http://c.test:1' }";
    let rendered = documents(&meant(&file(both, models), Host::Envoy), Host::Envoy);
    let hosts = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
    let routes = rendered[0].pointer(hosts).unwrap().as_array().unwrap();
    let of_models: Vec<_> = routes
        .iter()
        .filter(|one| one["match"]["prefix"] == "/v2/models/")
        .collect();
    let clusters: Vec<_> = of_models
        .iter()
        .map(|one| one["route"]["cluster"].as_str().unwrap())
        .collect();
    assert_eq!(clusters, ["canary", "copy", "inference"]);
    let header = &of_models[0]["match"]["headers"][0];
    assert_eq!(header["name"], "x-modelgate-backend");
    assert_eq!(header["string_match"]["exact"], "canary");
    assert_eq!(of_models[0]["route"]["host_rewrite_literal"], "b.test");
    assert!(of_models[2]["match"]["headers"].is_null());
    for route in of_models {
        let mirror = &route["route"]["request_mirror_policies"][0]["cluster_header"];
        assert_eq!(mirror, "x-modelgate-shadow");
    }
    let named = rendered[0]
        .pointer("/static_resources/clusters")
        .unwrap()
        .to_string();
    assert!(
        named.contains("b.test") && named.contains("c.test"),
        "{named}"
    );
    let said = |text: &str, host: Host| {
        let problems = read(&Node::parse(text).unwrap(), host).err();
        problems
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (text, host, expected) in [
        (file(both, ""), Host::Envoy, "nothing leads there"),
        (
            file("{ canary: 'http://b.test' }", models),
            Host::Envoy,
            "\"copy\" is none of `backend.others`",
        ),
        (
            file("{ main: 'http://b.test' }", models),
            Host::Envoy,
            "neither \"main\" nor",
        ),
        (
            file("{ inference: 'http://b.test' }", models),
            Host::Envoy,
            "neither \"main\" nor",
        ),
        (
            file("{ canary: 'http://b.test/x' }", models),
            Host::Envoy,
            "scheme, host and port only",
        ),
        (
            file(both, models),
            Host::Istio,
            "for Envoy and Kubernetes only",
        ),
        (
            file(both, models).replace(
                "kind: kserve, url: 'http://a.test:8080'",
                "kind: sagemaker, region: eu-central-1",
            ),
            Host::Envoy,
            "signed for one host",
        ),
    ] {
        let said = said(&text, host);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn what_calls_aws_calls_it_where_it_is() {
    let credentials = "[ { container: {} }, { instance_metadata: {}, assume_role: [ { role_arn: 'arn:aws:iam::111122223333:role/a' }, { role_arn: 'arn:aws:iam::111122223333:role/b', url: 'https://vpce.test/' } ] }, { web_identity: { role_arn: 'arn:aws:iam::111122223333:role/c', token: { url: 'http://127.0.0.1:9/token' } }, secrets_manager: { secret_id: s } } ]";
    for (region, end) in [("eu-central-1", ""), ("cn-north-1", ".cn")] {
        let text = format!(
            "backend: {{ kind: sagemaker, region: {region} }}\nissuers: [ {{ issuer: 'https://idp.example', audiences: [ m ] }} ]\nrules: []\nsettings: {{ aws-sigv4: {{ credentials: {credentials} }} }}\n"
        );
        let meaning = meant(&text, Host::Envoy);
        let filter = meaning.filters.iter();
        let filter = filter.last().unwrap().config.to_json();
        let at = |pointer: &str| {
            let cluster = filter.pointer(&format!("/credentials{pointer}/cluster"));
            let name = cluster.and_then(Json::as_str).unwrap();
            let server = meaning.servers.iter().find(|one| one.name == name);
            server.unwrap().authority()
        };
        assert_eq!(at("/0/container"), "169.254.170.2:80");
        assert_eq!(at("/1/instance_metadata"), "169.254.169.254:80");
        let sts = format!("sts.{region}.amazonaws.com{end}:443");
        assert_eq!(at("/1/assume_role/0"), sts);
        assert_eq!(at("/1/assume_role/1"), "vpce.test:443");
        assert_eq!(at("/2/web_identity"), sts);
        assert_eq!(at("/2/web_identity/token"), "127.0.0.1:9");
        let secrets = format!("secretsmanager.{region}.amazonaws.com{end}:443");
        assert_eq!(at("/2/secrets_manager"), secrets);
    }
}
