//! `modelgate import kong` on what stands in other people's files: what decK adds, groups of
//! consumers, references to vaults, plugins of Kong's enterprise edition and of nobody's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // Helpers of tests.

use located_yaml::Node;
use modelgate_cli::import::{Imported, Options, Source, Verdict, import};
use serde_json::{Value as Json, json};

fn imported(text: &str) -> Imported {
    import(Source::Kong, "kong.yaml", text, &Options::default())
        .unwrap_or_else(|said| panic!("{text}\n{said:?}"))
}

/// A file with one service, one route `r` for `/` or other paths, and these plugins on it.
fn on_route(paths: &str, plugins: &str) -> String {
    format!(
        "_format_version: '3.0'\nservices:\n- name: api\n  url: http://10.0.0.1:80\n  routes:\n  - name: r\n    paths: [ {paths} ]\n    plugins: [ {plugins} ]\n"
    )
}

/// The configuration of one filter of the result.
fn filter(one: &Imported, name: &str) -> Json {
    let config = Node::parse(&one.config).unwrap().to_json();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let filters = config.pointer(manager).unwrap()["http_filters"].as_array();
    let filter = filters.unwrap().iter().find(|it| it["name"] == name);
    let filter = filter.unwrap_or_else(|| panic!("{name}: {}", one.config));
    let text = &filter["typed_config"]["config"]["configuration"]["value"];
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// The routes of the result that have a name.
fn routes(one: &Imported, name: &str) -> Vec<Json> {
    let config = Node::parse(&one.config).unwrap().to_json();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let hosts = &config.pointer(manager).unwrap()["route_config"]["virtual_hosts"];
    let hosts = hosts.as_array().unwrap().iter();
    let routes = hosts.flat_map(|host| host["routes"].as_array().unwrap().clone());
    routes.filter(|route| route["name"] == name).collect()
}

fn is_closed(one: &Imported) -> bool {
    let routes = routes(one, "r");
    assert!(!routes.is_empty(), "{}", one.config);
    routes
        .iter()
        .all(|route| route["direct_response"]["status"] == 403)
}

#[test]
fn what_stands_in_other_peoples_files_is_told_and_nothing_gets_open_by_it() {
    let key = "{ name: key-auth }";
    let quoted = |text: &str| text.to_owned();
    // The file, what the report says, and whether the route is closed.
    let cases: Vec<(String, &str, bool)> = vec![
        (
            quoted(
                "_format_version: '3.0'\n_transform: false\n_ignore: [ { a: 1 } ]\nservices:\n- { name: lonely, url: 'http://a' }\n- { name: api, url: 'http://b', tags: [ x ], routes: [ { name: r, tags: [ y ] } ] }\n",
            ),
            "_ignore: Kong passes over it",
            false,
        ),
        (
            quoted(
                "_format_version: '3.0'\n_info: { select_tags: [ prod ], defaults: { route: { strip_path: false } } }\nservices: [ { name: api, url: 'http://b', routes: [ { name: r } ] } ]\n",
            ),
            "not covered (it protects): _info.defaults",
            false,
        ),
        (
            quoted(
                "_format_version: '3.0'\n_plugin_configs: { rl: { minute: 10 } }\nservices: [ { name: api, url: 'http://b', routes: [ { name: r, plugins: [ { name: rate-limiting, _config: rl } ] } ] } ]\n",
            ),
            "taken over: rate-limiting for route r",
            false,
        ),
        (
            on_route("/", "{ name: rate-limiting, _config: nowhere }"),
            "`_plugin_configs` has no such configuration",
            true,
        ),
        (
            on_route("/", "{ name: my-company-plugin, config: { a: 1 } }"),
            "my-company-plugin for route r",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: pre-function, config: { access: [ 'kong.log()' ] } }",
            ),
            "pre-function for route r",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: aws-lambda, config: { function_name: f, aws_secret: wJalrXUtnFEMI } }",
            ),
            "Give the function a URL with AWS_IAM",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: openid-connect, config: { issuer: https://idp.test, auth_methods: [ session ] } }",
            ),
            "bearer tokens are not among them",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: openid-connect, config: { issuer: https://idp.test, claims_forbidden: [ x ] } }",
            ),
            "claims_forbidden is not known",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: openid-connect, config: { issuer: https://idp.test } }, { name: jwt }",
            ),
            "jwt for route r: line",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: ai-proxy, config: { route_type: llm/v1/chat, model: { provider: anthropic, name: claude } } }",
            ),
            "provider \"anthropic\"",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: ai-proxy, config: { route_type: llm/v1/chat, auth: { param_name: key, param_value: AIzaSy }, model: { provider: openai } } }",
            ),
            "a key in the body is not written there",
            true,
        ),
        (
            on_route(
                "/chat",
                "{ name: ai-proxy, config: { route_type: llm/v1/chat, model: { provider: openai, name: gpt-4o } } }",
            ),
            "route r: it is for one model",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: ai-proxy-advanced, config: { targets: [ {}, {} ] } }",
            ),
            "no filter chooses a provider",
            true,
        ),
        (
            on_route(
                "/",
                "{ name: basic-auth }, { name: acl, config: { allow: [ a ] } }",
            ) + "consumers: [ { username: a, basicauth_credentials: [ { username: a, password: b } ] } ]\n",
            "route r: basic-auth stands beside other authentication",
            true,
        ),
        (
            on_route("/", key)
                + "consumer_groups: [ { name: gold, plugins: [ { name: request-transformer, config: { remove: { headers: [ a ] } } } ] } ]\nconsumers: [ { username: a, keyauth_credentials: [ { key: '{vault://env/a}' }, { key: k } ] } ]\n",
            "of plugins for a consumer group (gold) only limits",
            true,
        ),
    ];
    for (text, said, closed) in cases {
        let one = imported(&text);
        let report = one.report.text();
        assert!(report.contains(said), "{text}\n{said}\n{report}");
        assert_eq!(is_closed(&one), closed, "{text}\n{report}\n{}", one.config);
        // What protects and is not there is known; a closed route says that it is.
        assert!(!closed || one.report.lacks_protection(), "{text}\n{report}");
        for secret in ["wJalrXUtnFEMI", "AIzaSy"] {
            assert!(
                !report.contains(secret) && !one.config.contains(secret),
                "{text}"
            );
        }
    }
    let text = "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nplugin: jwt\n";
    let said = import(Source::Kong, "f", text, &Options::default()).map(|one| one.config);
    assert!(said.unwrap_err()[0].contains("deck gateway dump"));
}

#[test]
fn bearer_tokens_of_openid_connect_are_verified_by_what_discovery_finds() {
    let text = on_route(
        "/",
        "{ name: openid-connect, config: { issuer: https://idp.test/realms/a/.well-known/openid-configuration, auth_methods: [ bearer, introspection ], audience_required: [ api, app ], scopes_required: [ 'read write' ], groups_required: [ staff ], groups_claim: [ realm_access, groups ], leeway: 5, hide_credentials: true, client_id: [ x ], client_secret: [ s3cr3t-of-a-client ], cache_ttl: 300 } }",
    );
    let one = imported(&text);
    assert!(
        !is_closed(&one) && !one.report.lacks_protection(),
        "{}",
        one.report.text()
    );
    assert!(!one.is_wrong, "{}", one.report.text());
    assert!(!one.config.contains("s3cr3t"), "{}", one.config);
    let config = filter(&one, "jwt-auth");
    let issuer = &config["issuers"][0];
    assert_eq!(issuer["issuer"], "https://idp.test/realms/a");
    assert_eq!(issuer["audiences"], serde_json::json!(["api", "app"]));
    assert_eq!(
        issuer["required_claims"],
        serde_json::json!(["iss", "exp", "aud"])
    );
    assert_eq!(issuer["scopes"], serde_json::json!(["read", "write"]));
    assert_eq!(issuer["claims"][0]["claim"], "/realm_access/groups");
    assert_eq!(issuer["clock_skew_s"], 5);
    assert_eq!(config["credential_to_upstream"], "strip");
    // A caller who is no consumer is not told as one, by nobody.
    assert_eq!(
        config["identity_headers"]["consumer"],
        "x-credential-identifier"
    );
    let removed = routes(&one, "r")[0]["request_headers_to_remove"].to_string();
    assert!(removed.contains("x-consumer-username") && removed.contains("x-consumer-custom-id"));
    assert!(!removed.contains("x-credential-identifier"), "{removed}");

    // With consumers, only they pass.
    let text = text.replace("leeway: 5", "consumer_claim: [ preferred_username ]")
        + "consumers: [ { username: ann }, { username: 'b*' }, { custom_id: c } ]\n";
    let config = filter(&imported(&text), "jwt-auth");
    let condition = &config["issuers"][0]["claims"][1];
    assert_eq!(condition["claim"], "preferred_username");
    assert_eq!(condition["any_of"], serde_json::json!(["ann"]));
    assert_eq!(
        config["identity_headers"]["consumer"],
        "x-consumer-username"
    );
}

#[test]
fn a_clients_word_on_who_it_is_does_not_reach_the_server() {
    let consumers = "consumers: [ { username: ann, custom_id: c, keyauth_credentials: [ { key: kkkk } ], jwt_secrets: [ { key: i, secret: 01234567890123456789012345678901 } ] } ]\n";
    for (plugin, written) in [
        (
            "jwt",
            vec!["x-consumer-username", "x-credential-identifier"],
        ),
        (
            "key-auth",
            vec![
                "x-consumer-username",
                "x-credential-identifier",
                "x-consumer-custom-id",
                "x-consumer-id",
            ],
        ),
    ] {
        let one = imported(&(on_route("/", &format!("{{ name: {plugin} }}")) + consumers));
        let removed = routes(&one, "r")[0]["request_headers_to_remove"].clone();
        let name = if plugin == "jwt" { "jwt-auth" } else { plugin };
        let headers = filter(&one, name)["identity_headers"].to_string();
        for name in [
            "x-consumer-id",
            "x-consumer-custom-id",
            "x-consumer-username",
            "x-consumer-groups",
            "x-credential-identifier",
            "x-anonymous-consumer",
            "x-authenticated-groups",
        ] {
            let is_removed = removed.as_array().unwrap().iter().any(|one| one == name);
            let is_written = headers.contains(&format!("\"{name}\""));
            assert!(is_removed != is_written, "{plugin}: {name}");
            assert_eq!(is_written, written.contains(&name), "{plugin}: {name}");
        }
    }
    // Where nobody says who calls, Kong changes none of them, and neither does the result.
    let open = imported(&on_route("/", ""));
    assert!(routes(&open, "r")[0]["request_headers_to_remove"].is_null());
}

#[test]
fn azures_deployments_and_one_target_of_several_are_providers() {
    let azure = "{ name: ai-proxy, config: { route_type: llm/v1/chat, auth: { header_name: api-key, header_value: azure-key }, model: { provider: azure, name: gpt-4o, options: { azure_instance: east, azure_deployment_id: d1, azure_api_version: 2024-06-01, max_tokens: 5 } } } }";
    let one = imported(&on_route("'~/v1/chat/completions$'", azure));
    assert!(!is_closed(&one), "{}", one.report.text());
    let route = &routes(&one, "r")[0];
    // A pattern that stands for one path is that path, and so the model can be read there.
    assert_eq!(route["match"]["path"], "/v1/chat/completions");
    let rewrite = &route["route"]["regex_rewrite"]["substitution"];
    assert_eq!(
        rewrite,
        "/openai/deployments/d1/chat/completions?api-version=2024-06-01"
    );
    assert_eq!(
        route["route"]["host_rewrite_literal"],
        "east.openai.azure.com"
    );
    assert!(!one.config.contains("azure-key"));
    let advanced = azure
        .replace(
            "ai-proxy, config: { ",
            "ai-proxy-advanced, config: { balancer: { algorithm: round-robin }, targets: [ { ",
        )
        .replace(" } } } }", " } } } ] } }");
    let other = imported(&on_route("'~/v1/chat/completions$'", &advanced));
    assert_eq!(routes(&other, "r")[0]["route"], route["route"]);
    for wrong in [
        azure.replace("azure_instance: east, ", ""),
        azure.replace("east", "'east/x'"),
        azure.replace(
            "header_name: api-key, header_value: azure-key",
            "azure_client_id: c, azure_client_secret: azure-key",
        ),
    ] {
        let one = imported(&on_route("'~/v1/chat/completions$'", &wrong));
        assert!(is_closed(&one), "{wrong}");
    }
}

#[test]
fn what_a_provider_is_shown_is_shown_by_upstream_auth() {
    let with = |auth: &str| {
        let plugin = format!(
            "{{ name: ai-proxy, config: {{ route_type: llm/v1/chat, auth: {{ {auth} }}, model: {{ provider: azure, options: {{ azure_instance: east, azure_deployment_id: d1 }} }} }} }}"
        );
        let one = imported(&on_route("/", &plugin));
        assert!(!is_closed(&one), "{}", one.report.text());
        assert!(!one.config.contains("s3cret"), "{}", one.config);
        one
    };
    for (auth, plan, cluster) in [
        (
            "header_name: api-key, header_value: s3cret",
            json!({"credential": {"static": {"value": {"env": "AZURE_API_KEY"}}}, "send_as": {"header": "api-key"}}),
            "",
        ),
        (
            "header_name: Authorization, header_value: Bearer s3cret",
            json!({"credential": {"static": {"value": {"env": "AZURE_API_KEY"}}}}),
            "",
        ),
        (
            "header_name: authorization, header_value: Token s3cret",
            json!({"credential": {"static": {"value": {"env": "AZURE_API_KEY"}}}, "send_as": {"header": "authorization", "scheme": "Token"}}),
            "",
        ),
        (
            "header_name: api-key, header_value: '{vault://env/key}'",
            json!({"credential": {"static": {"value": {"env": "AZURE_API_KEY"}}}, "send_as": {"header": "api-key"}}),
            "",
        ),
        (
            "param_name: key, param_value: s3cret, param_location: query",
            json!({"credential": {"static": {"value": {"env": "AZURE_API_KEY"}}}, "send_as": {"query": "key"}}),
            "",
        ),
        (
            "azure_use_managed_identity: true, azure_client_id: c",
            json!({"credential": {"managed_identity": {"resource": "https://cognitiveservices.azure.com", "client_id": "c", "cluster": "azure-metadata"}}}),
            "azure-metadata",
        ),
        (
            "azure_client_id: c, azure_client_secret: s3cret, azure_tenant_id: t",
            json!({"credential": {"entra": {"tenant": "t", "client": {"id": "c", "secret": {"env": "AZURE_CLIENT_SECRET"}}, "scope": "https://cognitiveservices.azure.com/.default", "cluster": "azure-login"}}}),
            "azure-login",
        ),
    ] {
        let one = with(auth);
        assert_eq!(filter(&one, "upstream-auth"), plan, "{auth}");
        assert!(one.config.contains(cluster), "{auth}");
        assert!(!one.config.contains("credential_injector"), "{auth}");
    }
    // Whether what a vault has begins with a scheme is not known here.
    let one = with("header_name: authorization, header_value: '{vault://env/key}'");
    assert!(one.config.contains("credential_injector"));
}

#[test]
fn limits_of_a_consumer_group_are_those_of_its_members_in_kongs_order() {
    let limit = |quota: u32| {
        format!(
            "name: rate-limiting-advanced, config: {{ limit: [ {quota} ], window_size: [ 60 ] }}"
        )
    };
    let text = format!(
        "_format_version: '3.0'\nconsumer_groups:\n- {{ name: gold, plugins: [ {{ {} }} ] }}\n- {{ name: free, consumers: [ {{ username: eve }} ] }}\nconsumers:\n- {{ username: ann, groups: [ {{ name: gold }} ], keyauth_credentials: [ {{ key: a }} ] }}\n- {{ username: bob, groups: [ {{ name: gold }} ], plugins: [ {{ {} }} ] }}\n- {{ username: eve }}\nconsumer_group_consumers: [ {{ consumer: eve, consumer_group: free }} ]\nservices: [ {{ name: api, url: 'http://a', routes: [ {{ name: r, paths: [ / ], plugins: [ {{ name: key-auth }}, {{ {} }} ] }} ] }} ]\nplugins:\n- {{ consumer_group: free, {} }}\n",
        limit(100),
        limit(7),
        limit(20),
        limit(5)
    );
    let one = imported(&text);
    assert!(!one.report.lacks_protection(), "{}", one.report.text());
    let policies = filter(&one, "rate-limit")["policies"].clone();
    let whose: Vec<(u64, String)> = policies
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| {
            (
                policy["windows"][0]["quota"].as_u64().unwrap(),
                policy["who"]["consumers"].to_string(),
            )
        })
        .filter(|(_, who)| who != "null")
        .collect();
    assert_eq!(
        whose,
        [
            (7, r#"["bob"]"#.to_owned()),
            (5, r#"["eve"]"#.to_owned()),
            (100, r#"["ann"]"#.to_owned()),
        ]
    );
    // The others' limit is not theirs.
    let others = policies
        .as_array()
        .unwrap()
        .iter()
        .find(|policy| policy["windows"][0]["quota"] == 20);
    let exempt = others.unwrap()["tiers"][0]["who"]["consumers"].to_string();
    for name in ["ann", "bob", "eve"] {
        assert!(exempt.contains(name), "{exempt}");
    }
    // Of two groups' limits it is not known which one counts.
    let both = text.replace(
        "groups: [ { name: gold } ], keyauth",
        "groups: [ gold, free ], keyauth",
    );
    let both = imported(&both);
    assert!(is_closed(&both) && both.report.text().contains("ann is in two consumer groups"));
    let verdicts = both
        .report
        .entries
        .iter()
        .filter(|entry| entry.verdict == Verdict::NotCovered);
    assert_eq!(verdicts.count(), 1, "{}", both.report.text());
}

/// Kong's own examples of the plugin, and what it is by default.
#[test]
fn what_a_service_made_unreadable_is_masked_within_the_proxy() {
    let mask = |config: &str| {
        let plugin = format!("{{ name: ai-sanitizer, config: {{ {config} }} }}");
        let one = imported(&on_route("/", &plugin));
        assert!(!is_closed(&one) && !one.is_wrong, "{}", one.config);
        let said: Vec<String> = one
            .report
            .entries
            .iter()
            .map(|entry| entry.text.clone())
            .collect();
        let plan = filter(&one, "pii-mask");
        (plan, said.join("\n"))
    };
    let own = |plan: &Json| {
        let profiles = plan["profiles"].as_object();
        let profile = profiles.and_then(|all| all.values().next());
        profile.unwrap_or(plan).clone()
    };
    let (plan, said) = mask(
        "anonymize: [ all_and_credentials ], host: s, port: 8080, recover_redacted: false, redact_type: placeholder",
    );
    let plan = own(&plan);
    assert_eq!(plan["default_action"], "redact");
    assert_eq!(plan["entities"]["person"]["action"], "redact");
    assert_eq!(plan["entities"]["street_address"]["action"], "redact");
    assert_eq!(plan["response"]["bodies"], "allow");
    assert!(said.contains("names of persons and addresses"), "{said}");
    assert!(said.contains("no service is asked"), "{said}");
    let (plan, _) = mask(
        "anonymize: [ general, phone, ssn ], sanitization_mode: BOTH, block_if_detected: true",
    );
    let plan = own(&plan);
    assert_eq!(plan["default_action"], "allow");
    for name in ["person", "street_address", "phone", "ssn"] {
        assert_eq!(plan["entities"][name]["action"], "block", "{name}");
    }
    assert!(plan["entities"]["email"].is_null() && plan["response"].is_null());
    let (plan, _) = mask("anonymize: [ all ], sanitization_mode: OUTPUT, redact_type: synthetic");
    let plan = own(&plan);
    assert_eq!(plan["default_action"], "placeholder");
    assert_eq!(plan["entities"]["api_key"]["action"], "allow");
    assert_eq!(plan["request"]["bodies"], "allow");
    for config in [
        "anonymize: [ custom ], custom_patterns: [ { name: a, regex: 'b+' } ]",
        "anonymize: [ thoughts ]",
        "sanitization_mode: SIDEWAYS",
    ] {
        let plugin = format!("{{ name: ai-sanitizer, config: {{ {config} }} }}");
        assert!(is_closed(&imported(&on_route("/", &plugin))), "{config}");
    }
}
