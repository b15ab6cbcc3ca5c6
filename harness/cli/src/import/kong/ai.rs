//! `ai-proxy`: the provider in place of the service, with the gateway's own key and one model.

use modelgate_kit::route::{Dialect, Path, Route as Asked};
use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::super::model::{Action, Injected, Match, Route};
use super::super::providers::{self, Place, Shown};
use super::auth;
use crate::gateway::{Upstream, cluster};

/// A provider, read.
pub struct Provider {
    server: Upstream,
    path: String,
    /// A header whose value is not known to be a key alone.
    key: Option<Injected>,
    shown: Option<Shown>,
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
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "aws_access_key_id",
        "the provider wants requests signed by AWS in its own protocol: route to it and sign with aws-sigv4",
    ),
    (
        "aws_assume_role_arn",
        "the provider wants requests signed by AWS in its own protocol: route to it and sign with aws-sigv4",
    ),
    (
        "gcp_use_service_account",
        "the provider's own protocol is another: route to it and send the token with upstream-auth (`google_service_account`)",
    ),
];

/// What tokens for Azure's models are for.
const AZURE: &str = "https://cognitiveservices.azure.com";

/// A token of an identity of Azure's: of a client with a secret, or of the machine.
fn azure_identity(auth: &At<'_>) -> Try<Option<Shown>> {
    let by_machine = auth.flag_of("azure_use_managed_identity") == Some(true);
    let literal = |name: &str| {
        let text = auth.text_of(name);
        text.filter(|text| !auth::is_reference(text))
    };
    let Some(secret) = auth.get("azure_client_secret") else {
        if !by_machine && auth.get("azure_client_id").is_none() {
            return Ok(None);
        }
        let mut members = json!({ "resource": AZURE, "cluster": "azure-metadata" });
        if let Some(id) = literal("azure_client_id") {
            crate::gateway::put(&mut members, "client_id", id);
        }
        let server = Upstream::of_url("azure-metadata", "http://169.254.169.254");
        let server = server.map_err(|said| auth.obstacle(said))?;
        return Ok(Some(Shown::token(
            "managed_identity",
            &members,
            vec![server],
        )));
    };
    let needed = |name: &str| {
        literal(name).ok_or_else(|| {
            auth.obstacle(format!(
                "{name} must be written, beside azure_client_secret"
            ))
        })
    };
    let (id, tenant) = (needed("azure_client_id")?, needed("azure_tenant_id")?);
    let holds = "azure_client_secret of ai-proxy";
    let variable = auth
        .ledger()
        .variable("AZURE_CLIENT_SECRET", holds, &secret);
    secret.changed(
        "ai-proxy",
        format!("the secret is read from the variable {variable}; it is not in the new file"),
    );
    let members = json!({
        "tenant": tenant,
        "client": { "id": id, "secret": { "env": variable } },
        "scope": format!("{AZURE}/.default"),
        "cluster": "azure-login",
    });
    let server = Upstream::of_url("azure-login", "https://login.microsoftonline.com");
    let server = server.map_err(|said| auth.obstacle(said))?;
    Ok(Some(Shown::token("entra", &members, vec![server])))
}

/// The scheme before a key, where the value is written: one word and a space.
fn scheme(value: &str) -> Option<Option<&str>> {
    match value.split_once(' ') {
        None => Some(None),
        Some((scheme, key)) if !scheme.is_empty() && !key.is_empty() && !key.contains(' ') => {
            let plain = scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-');
            plain.then_some(Some(scheme))
        }
        Some(_) => None,
    }
}

/// How a provider's key is sent.
fn sent(config: &At<'_>, auth: &At<'_>, kind: &str) -> Try<(Option<Injected>, Option<Shown>)> {
    let taken = |holds: String, value: &At<'_>| {
        let ledger = config.ledger();
        let variable = ledger.variable(&format!("{kind}_API_KEY"), &holds, value);
        let said = "the key is read from the variable";
        value.changed(
            "ai-proxy",
            format!("{said} {variable}; it is not in the new file"),
        );
        variable
    };
    if let Some(name) = auth.text_of("param_name") {
        if auth.text_of("param_location").as_deref() != Some("query") {
            return Err(auth
                .obstacle("param_location: a key in the body is not written there by any filter"));
        }
        let value = auth.get("param_value");
        let value = value.ok_or_else(|| auth.obstacle("param_value is missing"))?;
        let variable = taken(format!("param_value of provider {kind}"), &value);
        return Ok((None, Some(Shown::key(&Place::Query(name), &variable))));
    }
    let (Some(header), Some(value)) = (auth.text_of("header_name"), auth.get("header_value"))
    else {
        return Ok((None, None));
    };
    let header = header.to_ascii_lowercase();
    let text = value.text().unwrap_or_default();
    let scheme = match auth::is_reference(&text) {
        // What is behind it may begin with a scheme.
        true if header == "authorization" => None,
        true => Some(None),
        false => scheme(&text),
    };
    let holds = match scheme {
        Some(Some(scheme)) => format!("header_value of provider {kind}, without `{scheme} `"),
        _ => format!("header_value of provider {kind}"),
    };
    let variable = taken(holds, &value);
    Ok(match scheme {
        Some(scheme) => {
            let place = Place::Header(header, scheme.map(ToOwned::to_owned));
            (None, Some(Shown::key(&place, &variable)))
        }
        None => {
            let before = "";
            (
                Some(Injected {
                    header,
                    before,
                    variable,
                }),
                None,
            )
        }
    })
}

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
    let (mut key, mut shown) = (None, None);
    if let Some(auth) = config.get("auth") {
        for (member, why) in ELSEWHERE {
            let found = auth.get(member);
            if let Some(found) = found.filter(|found| found.node.text() != Some("false")) {
                return Err(found.obstacle(format!("{member}: {why}")));
            }
        }
        shown = azure_identity(&auth)?;
        if shown.is_none() {
            (key, shown) = sent(config, &auth, &kind)?;
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
        shown,
        model: name,
    })
}

impl Provider {
    /// Has a route lead to the provider; its clusters are given.
    pub fn apply(&self, route: &mut Route) -> Vec<Json> {
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
        let mut servers = vec![cluster(&self.server)];
        if let Some(shown) = &self.shown {
            servers.extend(shown.servers.iter().map(cluster));
            route.plans.insert("upstream-auth", shown.plan.clone());
        }
        servers
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
