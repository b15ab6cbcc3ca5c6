//! The cases: a scenario file says which filters stand in the chain, which request is sent and
//! which status it must get; this module adds the variants that a scenario cannot say (Envoy's own
//! filter for the nearest job).

use modelgate_cli::SUITE;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use modelgate_scenario::catalogue::file_name;
use modelgate_scenario::engine::fused::fused;
use modelgate_scenario::envoy_config::{self, Places};
use modelgate_scenario::file::{Body, Request, Scenario, ScenarioFile, Step, UPSTREAM};

/// Something that is measured, with what it is compared to.
#[derive(Clone, Debug)]
pub struct Case {
    /// The variant itself.
    pub main: Variant,
    /// Envoy's own filter for the nearest job.
    pub native: Option<Variant>,
}

/// One chain under one load.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What the table calls it.
    pub name: String,
    /// The request that is repeated.
    pub request: Request,
    /// The status that it must get.
    pub status: u16,
    scenario: Scenario,
    /// Stands in the chain in place of the scenario's filters.
    instead: Option<Json>,
    /// The route answers by itself: no upstream, so that little else is in the figures.
    direct: bool,
}

impl Case {
    /// Reads a case from a scenario file; it is called as the file.
    ///
    /// # Errors
    /// If the file is not a scenario with one request and an expected status.
    pub fn read(path: &Path, now_s: u64) -> Result<Self> {
        let scenario = ScenarioFile::read(&SUITE, path)?.resolve(now_s)?;
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .context("a case without a name")?
            .to_owned();
        let traffic = scenario
            .steps
            .iter()
            .find_map(Step::traffic)
            .context("a case without a request")?;
        let expected = traffic
            .expect
            .client
            .as_ref()
            .or(scenario.expect.one.client.as_ref());
        let status = expected
            .and_then(|client| client.status())
            .context("a case without an expected status")?;
        let request = traffic.request.clone();
        let native = native_twin(&name, &scenario)?;
        let main = Variant {
            name,
            request,
            status,
            scenario,
            instead: None,
            direct: false,
        };
        let native = native.map(|(name, filter)| Variant {
            name: name.to_owned(),
            instead: Some(filter),
            ..main.clone()
        });
        Ok(Self { main, native })
    }

    /// The same with its chain in one entry of the proxy's, under another name.
    ///
    /// # Errors
    /// If its chain has no such form.
    pub fn in_one_entry(mut self, name: &str) -> Result<Self> {
        self.main.scenario = fused(&SUITE, &self.main.scenario).map_err(anyhow::Error::msg)?;
        self.main.name = name.to_owned();
        self.native = None;
        Ok(self)
    }

    /// The case itself, then what it is compared to.
    pub fn variants(&self) -> impl Iterator<Item = &Variant> {
        std::iter::once(&self.main).chain(&self.native)
    }
}

impl Variant {
    /// What the case is written as.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The request without a filter, answered by the route itself: what filters of a few lines are
    /// compared on.
    #[must_use]
    pub fn directly(&self) -> Self {
        // Without a body: Envoy closes a connection whose request it has answered before its end.
        let request = Request {
            method: "GET".to_owned(),
            body: Body::default(),
            ..self.request.clone()
        };
        Self {
            name: format!("{}, direct", self.name),
            direct: true,
            request,
            ..self.clone()
        }
    }

    /// The same with one module in the chain, which lies in the folder `wasm`, and under another
    /// name if it has a configuration.
    ///
    /// # Errors
    /// If it is not there.
    pub fn with_module(
        &self,
        wasm: &Path,
        module_name: &str,
        configuration: Option<(&str, &Json)>,
    ) -> Result<Self> {
        let file = module(&wasm.join(file_name(module_name)))?;
        let mut config = json!({"name": module_name, "root_id": module_name.replace('-', "_"), "vm_config": {
            "vm_id": module_name, "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}},
        }});
        if let (Some((_, written)), Some(config)) = (configuration, config.as_object_mut()) {
            let text = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": written.to_string()});
            config.insert("configuration".to_owned(), text);
        }
        let filter = json!({"name": module_name, "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config,
        }});
        Ok(Self {
            name: configuration
                .map_or(module_name, |(name, _)| name)
                .to_owned(),
            instead: Some(filter),
            ..self.clone()
        })
    }

    /// The bootstrap, with `@PORT@` for the listener's port. Modules lie in the folder `wasm`;
    /// every cluster is the upstream.
    ///
    /// # Errors
    /// If a module is not there.
    pub fn bootstrap(&self, wasm: &Path, upstream_port: u16) -> Result<Json> {
        let mut places = Places::default();
        for name in self.scenario.clusters.keys() {
            places.clusters.insert(name.clone(), upstream_port);
        }
        for entry in &self.scenario.chain {
            if let Some(file) = entry.wasm.file(wasm, &self.scenario.folder) {
                places.wasm.insert(entry.name.clone(), module(&file)?);
            }
        }
        let mut bootstrap = envoy_config::bootstrap(&self.scenario, &places);
        if let Some(admin) = bootstrap.as_object_mut() {
            admin.remove("admin");
        }
        let listener = bootstrap
            .pointer_mut("/static_resources/listeners/0")
            .context("a bootstrap without a listener")?;
        if let Some(port) = listener.pointer_mut("/address/socket_address/port_value") {
            *port = "@PORT@".into();
        }
        let manager = listener
            .pointer_mut("/filter_chains/0/filters/0/typed_config")
            .and_then(Json::as_object_mut);
        let manager = manager.context("a bootstrap without a connection manager")?;
        if self
            .scenario
            .chain
            .iter()
            .any(|entry| entry.name == "audit-log")
        {
            manager.insert("access_log".into(), json!([audit_lines()]));
        } else {
            // A line costs as much as many a filter.
            manager.remove("access_log");
        }
        if let (Some(instead), Some(filters)) = (
            &self.instead,
            manager.get_mut("http_filters").and_then(Json::as_array_mut),
        ) {
            let router = filters.pop();
            *filters = vec![instead.clone()];
            filters.extend(router);
        }
        if self.direct {
            let routes = json!([{"match": {"prefix": "/"}, "direct_response": {"status": self.status, "body": {"inline_string": "ok"}}}]);
            let hosts = json!([{"name": "all", "domains": ["*"], "routes": routes}]);
            manager.insert("route_config".into(), json!({"virtual_hosts": hosts}));
        }
        Ok(bootstrap)
    }
}

/// The access log that a gateway with `audit-log` has.
fn audit_lines() -> Json {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
            "log_format": {"text_format_source": {"inline_string": "%FILTER_STATE(wasm.modelgate.audit:PLAIN)%\n"}},
        },
    })
}

/// The path of a module as Envoy needs it.
fn module(file: &Path) -> Result<String> {
    ensure!(
        file.is_file(),
        "{}: no such file; build the filters first",
        file.display()
    );
    Ok(file.canonicalize()?.display().to_string())
}

/// An Envoy that answers every request at once: what stands behind the gateway.
pub fn upstream() -> Json {
    json!({"static_resources": {"listeners": [{
        "name": UPSTREAM,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": "@PORT@"}},
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "upstream",
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
                    "match": {"prefix": "/"},
                    "direct_response": {"status": 200, "body": {"inline_string": r#"{"outputs":[{"name":"y","shape":[1],"data":[0.5]}]}"#}},
                    "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
                }]}]},
                "http_filters": [{
                    // Waits for the end of the request: Envoy closes a connection whose request it
                    // has answered before its end.
                    "name": "envoy.filters.http.buffer",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": 1_048_576},
                }, {"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
            },
        }]}],
    }]}})
}

/// Envoy's own filter that does the nearest job, configured as far as possible like the case's.
fn native_twin(case: &str, scenario: &Scenario) -> Result<Option<(&'static str, Json)>> {
    let filter = |name: &str, config: Json| json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config});
    Ok(Some(match case {
        "jwt-auth" => (
            "jwt_authn, cached",
            filter("jwt_authn", jwt_authn(scenario, true)?),
        ),
        "jwt-auth-uncached" => (
            "jwt_authn",
            filter("jwt_authn", jwt_authn(scenario, false)?),
        ),
        "key-auth" => (
            "api_key_auth",
            filter(
                "api_key_auth",
                json!({
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
                    "credentials": [{"key": header(scenario, "x-api-key")?, "client": "team-a"}],
                    "key_sources": [{"header": "x-api-key"}],
                }),
            ),
        ),
        "consumer-acl" => (
            "rbac",
            filter(
                "rbac",
                json!({
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                    "rules": {"action": "ALLOW", "policies": {"infer": {
                        "permissions": [{"url_path": {"path": {"prefix": "/v2/models/"}}}],
                        "principals": [{"any": true}],
                    }}},
                }),
            ),
        ),
        "rate-limit" => (
            "local_ratelimit",
            filter(
                "local_ratelimit",
                json!({
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
                    "stat_prefix": "limit",
                    "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
                    "filter_enabled": {"default_value": {"numerator": 100}},
                    "filter_enforced": {"default_value": {"numerator": 100}},
                }),
            ),
        ),
        "aws-sigv4" => (
            "aws_request_signing",
            filter(
                "aws_request_signing",
                json!({
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
                    "service_name": "sagemaker",
                    "region": "eu-central-1",
                }),
            ),
        ),
        _ => return Ok(None),
    }))
}

fn jwt_authn(scenario: &Scenario, cached: bool) -> Result<Json> {
    let entry = scenario.chain.first().context("a case without a filter")?;
    let config: Json =
        serde_json::from_str(&entry.config.text()).context("the configuration of jwt-auth")?;
    let issuer = config
        .pointer("/issuers/0")
        .context("a case without an issuer")?;
    let keys = issuer
        .pointer("/keys/jwks")
        .context("a case without inline keys")?;
    let mut provider = json!({
        "issuer": issuer.get("issuer"),
        "audiences": issuer.get("audiences"),
        "local_jwks": {"inline_string": keys.to_string()},
    });
    if let (true, Some(provider)) = (cached, provider.as_object_mut()) {
        provider.insert("jwt_cache_config".into(), json!({"jwt_cache_size": 100}));
    }
    Ok(json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"idp": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}],
    }))
}

fn header(scenario: &Scenario, name: &str) -> Result<String> {
    let traffic = scenario
        .steps
        .iter()
        .find_map(Step::traffic)
        .context("a case without a request")?;
    let found = traffic
        .request
        .headers
        .iter()
        .find(|(known, _)| known == name);
    let (_, value) = found.with_context(|| format!("a case without the header {name}"))?;
    Ok(String::from_utf8(value.to_vec())?)
}
