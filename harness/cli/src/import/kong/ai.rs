//! `ai-proxy`: the provider in place of the service, with the gateway's own key and one model.

use modelgate_kit::route::{Dialect, Path, Route as Asked};
use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::super::model::{Action, Injected, Match, Route};
use super::super::providers;
use crate::gateway::{Upstream, cluster};

/// A provider, read.
pub struct Provider {
    server: Upstream,
    path: String,
    key: Option<Injected>,
    model: Option<String>,
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
    let (server, base) = providers::server(&model, &kind, custom.as_deref())?;
    // A URL of one's own is the whole address.
    let path = if custom.is_some() {
        base
    } else {
        format!("{base}{ends}")
    };
    let name = model.text_of("name");
    if let Some(options) = model.get("options") {
        for (option, value) in options.members() {
            if option != "upstream_url" {
                value.changed(
                    "ai-proxy",
                    "clients say it themselves: bodies are not changed",
                );
            }
        }
    }
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
    let mut key = None;
    if let Some(auth) = config.get("auth") {
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
            "a request must name the model itself, and no other (consumer-acl), where Kong fills it in. That is possible on OpenAI's own paths, such as /v1/chat/completions; a route with another path is closed (403)",
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
        route.action = Action::Forward(action);
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
    pub fn restrict(&self, route: &mut Route) {
        let Some(model) = &self.model else { return };
        let is_read = |way: &Match| {
            let path = way.condition.get("prefix").and_then(Json::as_str);
            let path = path.and_then(|path| Path::parse(path.as_bytes()).ok());
            path.is_some_and(|path| {
                let route = Asked::parse(b"POST", &path);
                route.is_some_and(|route| route.dialect == Dialect::OpenAi)
            })
        };
        if model.contains('*') || !route.matches.iter().all(is_read) {
            route.close("a model can be told on OpenAI's own paths only, such as /v1/chat/completions, and this route is for one model");
            return;
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
    }
}
