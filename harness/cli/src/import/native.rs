//! Plugins whose work Envoy does with filters and settings of its own.

use serde_json::{Map, Value as Json, json};

use super::ledger::{At, Obstacle, Try};
use super::model::Injected;
use crate::gateway::{put, typed};

/// What a plugin asks of Envoy on a route.
#[derive(Clone, Debug)]
pub enum Own {
    /// A configuration for a filter.
    Filter(&'static str, Json),
    /// Members of the route; lists are joined. And secrets that go to the server.
    Members(Map<String, Json>, Vec<Injected>),
    /// An answer in place of the server's.
    Reply(u16, String),
    /// An access log.
    Log(Json),
    /// Nothing.
    Nothing,
}

/// `ip-restriction`: `rbac` in front, by the client's address.
pub fn addresses(config: &At<'_>) -> Try<Own> {
    let listed = |names: [&str; 2]| {
        let lists = names.iter().filter(|name| config.get(name).is_some());
        lists
            .flat_map(|name| config.texts(name))
            .collect::<Vec<_>>()
    };
    let (allow, deny) = (
        listed(["allow", "whitelist"]),
        listed(["deny", "blacklist"]),
    );
    let principals = |ranges: &[String]| -> Try<Vec<Json>> {
        let principal = |range: &String| {
            let (address, bits) = range.split_once('/').unwrap_or((range, ""));
            let address: std::net::IpAddr = address
                .parse()
                .map_err(|_| config.obstacle("an address cannot be read"))?;
            let most: u8 = if address.is_ipv4() { 32 } else { 128 };
            let bits = match bits {
                "" => most,
                bits => bits
                    .parse()
                    .ok()
                    .filter(|bits| *bits <= most)
                    .ok_or_else(|| config.obstacle("a range of addresses cannot be read"))?,
            };
            Ok(
                json!({ "remote_ip": { "address_prefix": address.to_string(), "prefix_len": bits } }),
            )
        };
        ranges.iter().map(principal).collect()
    };
    let any = json!([{ "any": true }]);
    let (allow, deny) = (principals(&allow)?, principals(&deny)?);
    let ids = match (allow.is_empty(), deny.is_empty()) {
        (false, true) => json!([{ "or_ids": { "ids": allow } }]),
        (true, false) => json!([{ "not_id": { "or_ids": { "ids": deny } } }]),
        // Kong looks at `deny` first.
        (false, false) => json!([{ "and_ids": { "ids": [
            { "or_ids": { "ids": allow } },
            { "not_id": { "or_ids": { "ids": deny } } },
        ] } }]),
        (true, true) => return Err(config.obstacle("it has neither `allow` nor `deny`")),
    };
    for (member, text) in [
        ("status", "a refused address gets 403"),
        ("message", "a refused address gets Envoy's answer"),
    ] {
        if let Some(found) = config.get(member) {
            found.changed("ip-restriction", text);
        }
    }
    let rules = json!({ "action": "ALLOW", "policies": { "addresses": { "permissions": any, "principals": ids } } });
    Ok(Own::Filter(
        "ip-restriction",
        typed(
            "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
            json!({ "rbac": { "rules": rules } }),
        ),
    ))
}

/// `request-size-limiting`: the buffer filter.
pub fn size(config: Option<&At<'_>>) -> Try<Own> {
    let size = config
        .and_then(|at| at.number_of("allowed_payload_size"))
        .unwrap_or(128);
    let unit = config.and_then(|at| at.text_of("size_unit"));
    let factor: u64 = match unit.as_deref() {
        None | Some("megabytes") => 1_000_000,
        Some("kilobytes") => 1_000,
        _ => 1,
    };
    if let Some(found) = config.and_then(|at| at.get("require_content_length")) {
        found.changed(
            "request-size-limiting",
            "a body without a length is counted as it comes",
        );
    }
    let bytes = size.saturating_mul(factor);
    let bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
    let bytes = bytes.ok_or_else(|| Obstacle {
        place: config.map(|at| at.node.place).unwrap_or_default(),
        reason: "allowed_payload_size: Envoy holds less than 4 GiB of a body".to_owned(),
    })?;
    if let Some(config) = config {
        config.changed_note(
            "request-size-limiting",
            "the buffer filter holds a body until it is whole; a longer one gets 413",
        );
    }
    let buffer = json!({ "buffer": { "max_request_bytes": bytes } });
    Ok(Own::Filter(
        "request-size",
        typed(
            "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
            buffer,
        ),
    ))
}

/// `cors`: the cors filter.
pub fn cors(config: Option<&At<'_>>) -> Try<Own> {
    let texts = |name: &str| config.map(|at| at.texts(name)).unwrap_or_default();
    let flag = |name: &str| config.and_then(|at| at.flag_of(name)) == Some(true);
    let origins = texts("origins");
    let any = origins.is_empty() || origins.iter().any(|one| one == "*");
    let matchers: Vec<Json> = match any {
        true => vec![json!({ "safe_regex": { "regex": ".*" } })],
        false => origins
            .iter()
            .map(
                |origin| match origin.contains(['*', '(', '[', '^', '$', '\\', '|']) {
                    true => json!({ "safe_regex": { "regex": origin } }),
                    false => json!({ "exact": origin }),
                },
            )
            .collect(),
    };
    if any && flag("credentials") {
        let reason = "any origin with credentials: name the origins that may send them";
        return Err(Obstacle {
            place: config.map(|at| at.node.place).unwrap_or_default(),
            reason: reason.to_owned(),
        });
    }
    let mut policy = json!({ "allow_origin_string_match": matchers });
    let methods = texts("methods");
    let usual = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";
    let methods = if methods.is_empty() {
        usual.to_owned()
    } else {
        methods.join(",")
    };
    put(&mut policy, "allow_methods", methods);
    let headers = texts("headers");
    put(
        &mut policy,
        "allow_headers",
        if headers.is_empty() {
            "*".to_owned()
        } else {
            headers.join(",")
        },
    );
    let exposed = texts("exposed_headers");
    if !exposed.is_empty() {
        put(&mut policy, "expose_headers", exposed.join(","));
    }
    if flag("credentials") {
        put(&mut policy, "allow_credentials", true);
    }
    if let Some(age) = config.and_then(|at| at.number_of("max_age")) {
        put(&mut policy, "max_age", age.to_string());
    }
    for name in [
        "preflight_continue",
        "private_network",
        "allow_origin_absent",
    ] {
        if let Some(found) = config.and_then(|at| at.get(name)) {
            found.changed(
                "cors",
                "preflight requests are answered by Envoy's cors filter, as it does",
            );
        }
    }
    Ok(Own::Filter(
        "envoy.filters.http.cors",
        typed("envoy.extensions.filters.http.cors.v3.CorsPolicy", policy),
    ))
}

/// `correlation-id`.
pub fn correlation(config: Option<&At<'_>>) -> Own {
    let name = config.and_then(|at| at.text_of("header_name"));
    let name = name.unwrap_or_else(|| "Kong-Request-ID".to_owned());
    let mut members = Map::new();
    let header = |value: &str, action: &str| json!({ "header": { "key": name, "value": value }, "append_action": action });
    members.insert(
        "request_headers_to_add".into(),
        json!([header("%REQ(X-REQUEST-ID)%", "ADD_IF_ABSENT")]),
    );
    if config.and_then(|at| at.flag_of("echo_downstream")) == Some(true) {
        let echo = header(&format!("%REQ({name})%"), "OVERWRITE_IF_EXISTS_OR_ADD");
        members.insert("response_headers_to_add".into(), json!([echo]));
    }
    if let Some(config) = config {
        config.get("generator").map(|at| at.text());
        config.changed_note("correlation-id", "the id is Envoy's request id, a UUID");
    }
    Own::Members(members, Vec::new())
}

/// `request-termination`.
pub fn termination(config: Option<&At<'_>>) -> Try<Own> {
    let status = config
        .and_then(|at| at.number_of("status_code"))
        .unwrap_or(503);
    let status = u16::try_from(status)
        .ok()
        .filter(|status| (100..600).contains(status));
    let text = |name: &str| config.and_then(|at| at.text_of(name));
    let body = match (text("body"), text("message")) {
        (Some(body), _) => body,
        (None, message) => {
            let message = message.unwrap_or_else(|| "Service unavailable".to_owned());
            json!({ "message": message }).to_string()
        }
    };
    if let Some(kind) = config.and_then(|at| at.get("content_type")) {
        kind.changed(
            "request-termination",
            "the answer has the type that Envoy gives it",
        );
    }
    match status {
        Some(status) => Ok(Own::Reply(status, body)),
        None => Err(Obstacle {
            place: config.map(|at| at.node.place).unwrap_or_default(),
            reason: "status_code is none of HTTP's".to_owned(),
        }),
    }
}

/// `file-log`: Envoy's access log in a file.
pub fn file_log(config: &At<'_>) -> Own {
    let path = config.text_of("path").unwrap_or_default();
    config.get("reopen").inspect(At::swallow);
    config.changed_note(
        "file-log",
        "lines have the fields of Envoy's access log, and the event of audit-log",
    );
    let mut log = crate::gateway::access_log();
    let format = log.pointer("/typed_config/log_format").cloned();
    put(&mut log, "name", "envoy.access_loggers.file");
    put(
        &mut log,
        "typed_config",
        typed(
            "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            json!({ "path": path, "log_format": format }),
        ),
    );
    Own::Log(log)
}

/// Names of headers whose values are secrets.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "authorization",
        "key",
        "token",
        "secret",
        "password",
        "cookie",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// `request-transformer` and `response-transformer`: headers of the route.
pub fn transformer(plugin: &str, config: &At<'_>) -> Own {
    let side = if plugin.starts_with("request") {
        "request"
    } else {
        "response"
    };
    let mut members = Map::new();
    let (mut added, mut injected) = (Vec::new(), Vec::new());
    for (verb, action) in [
        ("add", "ADD_IF_ABSENT"),
        ("replace", "OVERWRITE_IF_EXISTS"),
        ("append", "APPEND_IF_EXISTS_OR_ADD"),
    ] {
        let Some(changes) = config.get(verb) else {
            continue;
        };
        for pair in changes.list("headers") {
            let text = pair.text().unwrap_or_default();
            let (name, value) = text.split_once(':').unwrap_or((&text, ""));
            if value.contains("$(") {
                pair.missing(plugin, "values that are computed are not taken over", false);
                continue;
            }
            if is_secret(name) {
                let holds = format!("the value of the header {name} that {plugin} adds");
                let variable = pair
                    .ledger()
                    .variable(&format!("HEADER_{name}"), &holds, &pair);
                if side == "response" {
                    pair.missing(plugin, "a secret in an answer is not taken over", false);
                    continue;
                }
                pair.changed(plugin, format!("the value is read from the variable {variable}, whatever a client sends; it is not in the new file"));
                injected.push(Injected {
                    header: name.to_ascii_lowercase(),
                    before: "",
                    variable,
                });
                continue;
            }
            let value = value.replace('%', "%%");
            added.push(
                json!({ "header": { "key": name, "value": value }, "append_action": action }),
            );
        }
        unread(plugin, &changes);
    }
    let mut removed = Vec::new();
    if let Some(changes) = config.get("remove") {
        removed = changes.texts("headers");
        unread(plugin, &changes);
    }
    if let Some(changes) = config.get("rename") {
        changes.missing(plugin, "names are not changed", false);
    }
    if let Some(method) = config.get("http_method") {
        method.missing(plugin, "the method is not changed", false);
    }
    if !added.is_empty() {
        members.insert(format!("{side}_headers_to_add"), added.into());
    }
    if !removed.is_empty() {
        members.insert(format!("{side}_headers_to_remove"), json!(removed));
    }
    Own::Members(members, injected)
}

/// Changes of what is no header.
fn unread(plugin: &str, changes: &At<'_>) {
    for name in ["querystring", "body", "uri", "json", "json_types"] {
        if let Some(found) = changes.get(name)
            && !found.children().is_empty()
        {
            found.missing(plugin, "only headers are changed", false);
        }
    }
}
