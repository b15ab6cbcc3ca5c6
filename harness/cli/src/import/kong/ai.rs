//! `ai-proxy`: the provider in place of the service, with the gateway's own key and one model.

use modelgate_kit::route::{Dialect, Path, Route as Asked};
use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::super::model::{Action, Injected, Match, Route};
use super::super::providers;
use super::auth;
use crate::gateway::{Upstream, cluster};

/// A provider, read.
pub struct Provider {
    server: Upstream,
    path: String,
    key: Option<Injected>,
    model: Option<String>,
}

/// Reads `ai-proxy-advanced`: with one target it is `ai-proxy`.
pub fn read_advanced(config: &At<'_>) -> Try<Provider> {
    let targets = config.list("targets");
    let [target] = targets.as_slice() else {
        return Err(config.obstacle("several targets: no filter chooses a provider"));
    };
    for (at, member) in [
        (config, "balancer"),
        (target, "weight"),
        (target, "description"),
    ] {
        if let Some(found) = at.get(member) {
            found.changed("ai-proxy-advanced", "there is one target");
        }
    }
    passes(config);
    read(target)
}

/// Settings that change bodies or record them.
fn passes(config: &At<'_>) {
    for member in [
        "logging",
        "response_streaming",
        "max_request_body_size",
        "model_name_header",
        "llm_format",
        "genai_category",
    ] {
        if let Some(found) = config.get(member) {
            found.changed("ai-proxy", "requests and answers pass as they are; audit-log records who asked for which model");
        }
    }
}

/// Why a credential cannot be taken over: the first member that says so.
const ELSEWHERE: [(&str, &str); 6] = [
    (
        "param_name",
        "the provider wants its key in the query or the body, and a secret is put into headers only",
    ),
    (
        "aws_access_key_id",
        "the provider wants requests signed by AWS in its own protocol: route to it and sign with aws-sigv4",
    ),
    (
        "aws_assume_role_arn",
        "the provider wants requests signed by AWS in its own protocol: route to it and sign with aws-sigv4",
    ),
    (
        "azure_use_managed_identity",
        "tokens of a managed identity are fetched and renewed, which Envoy does not do: give the gateway a key",
    ),
    (
        "azure_client_id",
        "tokens of an identity are fetched and renewed, which Envoy does not do: give the gateway a key",
    ),
    (
        "gcp_use_service_account",
        "tokens of a service account are fetched and renewed, which only Envoy's gcp_authn does",
    ),
];

/// Where Azure has a deployment; its version of the interface is in the query.
fn azure(options: &At<'_>, ends: &str) -> Try<(String, String)> {
    let needed = |name: &str| {
        let value = options
            .text_of(name)
            .filter(|text| !auth::is_reference(text));
        value.ok_or_else(|| options.obstacle(format!("{name} is missing")))
    };
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let instance = needed("azure_instance")?;
    let deployment = needed("azure_deployment_id")?;
    let version = options
        .text_of("azure_api_version")
        .unwrap_or_else(|| "2023-05-15".to_owned());
    if ![&instance, &deployment, &version]
        .iter()
        .all(|text| plain(text))
    {
        return Err(options.obstacle("instance, deployment and version are plain words"));
    }
    let path = format!("/openai/deployments/{deployment}{ends}?api-version={version}");
    Ok((format!("https://{instance}.openai.azure.com"), path))
}

/// Reads the plugin.
pub fn read(config: &At<'_>) -> Try<Provider> {
    let ends = match config.text_of("route_type").as_deref() {
        Some("llm/v1/chat") => "/chat/completions",
        Some("llm/v1/completions") => "/completions",
        _ => {
            return Err(config
                .obstacle("route_type: only llm/v1/chat and llm/v1/completions are taken over"));
        }
    };
    let model = config
        .get("model")
        .ok_or_else(|| config.obstacle("it has no model"))?;
    let kind = model.text_of("provider").unwrap_or_default();
    let custom = model
        .at(&["options", "upstream_url"])
        .and_then(|at| at.text());
    let options = model.get("options");
    let translates = |member: &str, format: &str| {
        let found = options.as_ref().and_then(|options| options.text_of(member));
        found.is_some_and(|found| found != format)
    };
    let (server, path) = match kind.as_str() {
        "azure" if custom.is_none() => {
            let options = options.as_ref();
            let options = options.ok_or_else(|| model.obstacle("azure_instance is missing"))?;
            let (url, path) = azure(options, ends)?;
            let server = Upstream::of_url("azure", &url).map_err(|said| model.obstacle(said))?;
            (server, path)
        }
        "mistral" if translates("mistral_format", "openai") => {
            return Err(model.obstacle("mistral_format: only `openai` needs no translation"));
        }
        _ => {
            let (server, base) = providers::server(&model, &kind, custom.as_deref())?;
            // A URL of one's own is the whole address.
            let path = match custom {
                Some(_) => base,
                None => format!("{base}{ends}"),
            };
            (server, path)
        }
    };
    let name = model.text_of("name");
    if let Some(options) = options {
        for (option, value) in options.members() {
            if option != "upstream_url" && !option.starts_with("azure_") {
                value.changed(
                    "ai-proxy",
                    "clients say it themselves: bodies are not changed",
                );
            }
        }
    }
    passes(config);
    let mut key = None;
    if let Some(auth) = config.get("auth") {
        for (member, why) in ELSEWHERE {
            let found = auth.get(member);
            if let Some(found) = found.filter(|found| found.node.text() != Some("false")) {
                return Err(found.obstacle(format!("{member}: {why}")));
            }
        }
        let header = auth.text_of("header_name");
        if let (Some(header), Some(value)) = (header, auth.get("header_value")) {
            let before = match value.text().unwrap_or_default().starts_with("Bearer ") {
                true => "Bearer ",
                false => "",
            };
            let holds = match before {
                "" => format!("header_value of provider {kind}"),
                _ => format!("header_value of provider {kind}, without `Bearer `"),
            };
            let variable = config
                .ledger()
                .variable(&format!("{kind}_API_KEY"), &holds, &value);
            value.changed(
                "ai-proxy",
                format!("the key is read from the variable {variable}; it is not in the new file"),
            );
            key = Some(Injected {
                header: header.to_ascii_lowercase(),
                before,
                variable,
            });
        }
        if auth.flag_of("allow_override") == Some(true) {
            return Err(auth
                .obstacle("allow_override: the gateway's own key takes the place of a client's"));
        }
    }
    if name.is_some() {
        config.changed_note(
            "ai-proxy",
            "a request must name the model itself, and no other (consumer-acl), where Kong fills it in",
        );
    }
    Ok(Provider {
        server,
        path,
        key,
        model: name,
    })
}

impl Provider {
    /// Has a route lead to the provider; its cluster is given.
    pub fn apply(&self, route: &mut Route) -> Json {
        let mut action = Map::new();
        action.insert("cluster".into(), self.server.name.clone().into());
        action.insert(
            "host_rewrite_literal".into(),
            self.server.host.clone().into(),
        );
        action.insert("timeout".into(), "0s".into());
        action.insert("idle_timeout".into(), "60s".into());
        if !route.is_closed() {
            route.action = Action::Forward(action);
        }
        for way in &mut route.matches {
            way.rewrite = Some(json!({ "regex_rewrite": {
                "pattern": { "regex": "^.*$" },
                "substitution": self.path,
            } }));
        }
        route.injected.extend(self.key.clone());
        cluster(&self.server)
    }

    /// Has a route allow its model only: the rules of its access control, or one for everybody.
    ///
    /// # Errors
    /// If requests of the route do not tell their model.
    pub fn restrict(&self, route: &mut Route) -> Result<(), &'static str> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let is_read = |way: &Match| {
            let path = way.condition.get("path").or(way.condition.get("prefix"));
            let path = path.and_then(Json::as_str);
            let path = path.and_then(|path| Path::parse(path.as_bytes()).ok());
            path.is_some_and(|path| {
                let route = Asked::parse(b"POST", &path);
                route.is_some_and(|route| route.dialect == Dialect::OpenAi)
            })
        };
        if model.contains('*') || !route.matches.iter().all(is_read) {
            return Err(
                "it is for one model, and requests tell theirs on OpenAI's own paths only, such as /v1/chat/completions",
            );
        }
        let plan = route.plans.entry("consumer-acl").or_insert_with(|| {
            let all = json!([{ "id": "model", "effect": "allow", "who": { "identity": "any" } }]);
            Map::from_iter([("rules".to_owned(), all)])
        });
        plan.insert("model_from_body".into(), json!({ "mode": "read" }));
        let rules = plan.get_mut("rules").and_then(Json::as_array_mut);
        for rule in rules.into_iter().flatten() {
            if rule.get("effect").and_then(Json::as_str) == Some("allow") {
                crate::gateway::put(rule, "what", json!({ "models": [model] }));
            }
        }
        Ok(())
    }
}
