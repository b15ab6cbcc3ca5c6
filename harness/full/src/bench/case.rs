//! The cases: a scenario file says which filters stand in the chain, which request is sent and
//! which status it must get; this module adds the variants that a scenario cannot say (the native
//! form, Envoy's own filters for the nearest job).

use modelgate_cli::SUITE;
use modelgate_cli::build::native::LIBRARY;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use super::twins;
use super::upstream::MOST_HELD;

use modelgate_scenario::catalogue::file_name;
use modelgate_scenario::engine::fused::fused;
use modelgate_scenario::envoy_config::{self, Places};
use modelgate_scenario::file::{Body, Request, Scenario, ScenarioFile, Step};

/// Something that is measured, with what it is compared to.
#[derive(Clone, Debug)]
pub struct Case {
    /// The variant itself.
    pub main: Variant,
    /// The same in the native form.
    pub native: Option<Variant>,
    /// Envoy's own filters for the nearest job.
    pub own: Option<Variant>,
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
    /// Whether the filters run as a dynamic module.
    is_native: bool,
    /// Whether the gateway writes an audit log.
    is_audited: bool,
    /// Stand in the chain in place of the scenario's filters.
    instead: Option<Vec<Json>>,
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
        let own = twins::of(&name, &scenario)?;
        let is_audited = scenario.chain.iter().any(|entry| entry.name == "audit-log");
        let main = Variant {
            name,
            request,
            status,
            scenario,
            is_native: false,
            is_audited,
            instead: None,
            direct: false,
        };
        let own = own.map(|(name, filters)| Variant {
            name: name.to_owned(),
            instead: Some(filters),
            ..main.clone()
        });
        let native = main.natively();
        Ok(Self { main, native, own })
    }

    /// The same with its chain in one entry of the proxy's, under another name.
    ///
    /// # Errors
    /// If its chain has no such form.
    pub fn in_one_entry(mut self, name: &str) -> Result<Self> {
        self.main.scenario = fused(&SUITE, &self.main.scenario).map_err(anyhow::Error::msg)?;
        self.main.name = name.to_owned();
        self.native = self.main.natively();
        self.own = None;
        Ok(self)
    }

    /// The case itself, then what it is compared to.
    pub fn variants(&self) -> impl Iterator<Item = &Variant> {
        std::iter::once(&self.main)
            .chain(&self.native)
            .chain(&self.own)
    }
}

impl Variant {
    /// What the case is written as.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The same in the native form; nothing without a filter.
    fn natively(&self) -> Option<Self> {
        (!self.scenario.chain.is_empty()).then(|| Self {
            name: format!("{}, native", self.name),
            is_native: true,
            ..self.clone()
        })
    }

    /// The same under a name that says what else is different.
    #[must_use]
    pub fn renamed(&self, what: &str) -> Self {
        Self {
            name: format!("{}, {what}", self.name),
            ..self.clone()
        }
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
            instead: Some(vec![filter]),
            ..self.clone()
        })
    }

    /// The bootstrap, with `@PORT@` for the listener's port. Modules lie in the folder `wasm`, the
    /// library of the native form beside them; every cluster is the upstream.
    ///
    /// # Errors
    /// If a module is not there.
    pub fn bootstrap(&self, wasm: &Path, upstream_port: u16) -> Result<Json> {
        let mut places = Places {
            native: self.is_native,
            ..Places::default()
        };
        for name in self.scenario.clusters.keys() {
            places.clusters.insert(name.clone(), upstream_port);
        }
        for entry in &self.scenario.chain {
            let file = entry.wasm.file(wasm, &self.scenario.folder);
            let file = file.map(|file| match self.is_native {
                true => wasm.join(LIBRARY),
                false => file,
            });
            if let Some(file) = file {
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
        if let Some(listener) = listener.as_object_mut() {
            listener.insert("per_connection_buffer_limit_bytes".into(), MOST_HELD.into());
        }
        let manager = listener
            .pointer_mut("/filter_chains/0/filters/0/typed_config")
            .and_then(Json::as_object_mut);
        let manager = manager.context("a bootstrap without a connection manager")?;
        if self.is_audited {
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
            filters.clone_from(instead);
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
