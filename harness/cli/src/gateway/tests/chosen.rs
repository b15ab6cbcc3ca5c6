//! What model-route chooses, and what the filter behind it makes of that.

use super::*;

fn file(backend: &str, models: &str, settings: &str) -> String {
    let digest = "3f1c9b7a2e8d4605".repeat(4);
    format!(
        "backend: {backend}\nkeys: [ {{ id: a, digest: 'sha256:{digest}', consumer: ann }} ]\nrules: [ {{ id: all, effect: allow }} ]\nmodels: {models}\n{settings}\n"
    )
}

/// `client_headers` of a filter.
fn let_through(text: &str, filter: &str) -> Vec<String> {
    let meaning = meant(text, Host::Envoy);
    let mut filters = meaning.filters.iter();
    let found = filters.find(|one| one.member.krate == filter).unwrap();
    let written = found.config.member("client_headers");
    let items = written.map_or(&[][..], Node::items).iter();
    items.filter_map(Node::text).map(str::to_owned).collect()
}

#[test]
fn what_targets_choose_by_is_let_through_by_the_filter_behind() {
    const VARIANT: &str = "x-amzn-sagemaker-target-variant";
    const COMPONENT: &str = "x-amzn-sagemaker-inference-component";
    let sagemaker = "{ kind: sagemaker, region: eu-central-1 }";
    let variants = "{ name: a, targets: [ { tag: s, backend: main, variant: blue }, { tag: c, backend: main } ] }";
    let components = "{ name: b, targets: [ { tag: s, backend: main, inference_component: c } ] }";
    let plain = "{ name: c, targets: [ { tag: s, backend: main } ] }";
    let of = |models: &[&str], settings: &str| {
        file(sagemaker, &format!("[ {} ]", models.join(", ")), settings)
    };
    let signer = |text: &str| let_through(text, "aws-sigv4");
    assert_eq!(signer(&of(&[plain], "")), [""; 0]);
    assert_eq!(signer(&of(&[variants], "")), [VARIANT]);
    assert_eq!(
        signer(&of(&[variants, components], "")),
        [VARIANT, COMPONENT]
    );
    // A model without one would leave the choice to the client, unless that is meant.
    let said = problems(&of(&[variants, plain], ""));
    assert!(
        said.join("\n").contains("a client could choose"),
        "{said:?}"
    );
    let also = format!(
        "settings: {{ aws-sigv4: {{ client_headers: [ {VARIANT}, x-amzn-sagemaker-custom-attributes ] }} }}"
    );
    assert_eq!(
        signer(&of(&[variants, plain], &also)),
        [VARIANT, "x-amzn-sagemaker-custom-attributes"]
    );

    let azure = |more: &str| {
        format!("{{ kind: azure_ml, url: 'https://m.test', credential: {{ env: KEY }}{more} }}")
    };
    let deployments = "[ { name: a, paths: [ /score ], targets: [ { tag: s, backend: main, deployment: blue } ] } ]";
    let text = file(&azure(""), deployments, "");
    assert_eq!(
        let_through(&text, "upstream-auth"),
        ["azureml-model-deployment"]
    );
    let said = problems(&file(&azure(", deployment: green"), deployments, ""));
    assert!(said.join("\n").contains("whatever they say"), "{said:?}");
    for text in [of(&[variants, components], ""), text] {
        assert_eq!(check::check(&text).findings.len(), 0);
    }
}

#[test]
fn probes_without_a_credential_are_not_routed_by_model() {
    let models = "[ { name: m, sticky_by: [ consumer ], targets: [ { tag: s, backend: main }, { tag: c, backend: canary } ], shadow: { backend: canary } } ]";
    let backend =
        "{ kind: torchserve, url: 'http://a.test:8080', others: { canary: 'http://b.test:8080' } }";
    let text = file(backend, models, "");
    assert_eq!(check::check(&text).findings.len(), 0);
    let rendered = documents(&meant(&text, Host::Envoy), Host::Envoy);
    let routes = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
    let routes = rendered[0].pointer(routes).unwrap().as_array().unwrap();
    let pings: Vec<_> = routes
        .iter()
        .filter(|one| one["match"]["path"] == "/ping")
        .collect();
    assert_eq!(pings.len(), 1);
    assert!(pings[0]["match"]["headers"].is_null());
    assert!(pings[0]["route"]["request_mirror_policies"].is_null());
    assert_eq!(
        pings[0]["typed_per_filter_config"]["model-route"]["disabled"],
        true
    );
}

#[test]
fn deployments_of_azure_openai_are_below_its_own_paths_and_the_key_goes_where_it_is_read() {
    let text = file(
        "{ kind: azure_openai, url: 'https://acme.openai.azure.com', credential: { env: KEY } }",
        "[ { name: house, targets: [ { tag: s, backend: main, model: gpt-4o-mini } ] } ]",
        "",
    );
    assert_eq!(check::check(&text).findings.len(), 0);
    let rendered = documents(&meant(&text, Host::Envoy), Host::Envoy)[0].to_string();
    for part in [
        r#"{"prefix":"/openai/"}"#,
        "acme.openai.azure.com",
        r#"\"provider\": \"azure_openai\""#,
    ] {
        assert!(rendered.contains(part), "{part}: {rendered}");
    }
    assert!(!rendered.contains(r#"{"prefix":"/v1/"}"#));
}
