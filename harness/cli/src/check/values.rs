//! What the code in the proxy takes, and is still a slip: placeholders, secrets in the file, keys
//! over plaintext, rules that cannot allow.

use serde_json::Value as Json;

use super::codes::{self, Code};
use super::entry::{Entry, Part};
use super::files::Sink;
use super::finding::Finding;
use located_yaml::{Node, Value};

/// Everything of this kind in an entry.
pub(super) fn check(entry: &Entry<'_>, sink: &mut Sink<'_>) {
    for part in entry.parts() {
        let Some(config) = entry.config_of(&part) else {
            rules(entry, &part, &Json::Null, sink);
            continue;
        };
        scalars(config, "", &mut |path, node| {
            scalar(entry, &part, path, node, sink);
        });
        rules(entry, &part, &config.to_json(), sink);
    }
    given(entry, sink);
}

fn add(
    entry: &Entry<'_>,
    part: &Part,
    code: &'static Code,
    path: &str,
    problem: String,
    hint: &str,
    sink: &mut Sink<'_>,
) {
    let path = part.path(path);
    let place = entry.place(&path);
    let finding = Finding::new(code, place, &entry.name, problem, hint).at(path);
    sink.add(entry.file, finding);
}

/// Every text in a configuration, with its path.
fn scalars<'a>(node: &'a Node, path: &str, each: &mut impl FnMut(&str, &'a Node)) {
    for (key, value) in node.members() {
        let path = match path {
            "" => key.text.clone(),
            path => format!("{path}.{}", key.text),
        };
        scalars(value, &path, each);
    }
    for (index, item) in node.items().iter().enumerate() {
        scalars(item, &format!("{path}[{index}]"), each);
    }
    // In YAML a text needs no quotes.
    if matches!(node.value, Value::Scalar { .. }) && node.to_json().is_string() {
        each(path, node);
    }
}

fn scalar(entry: &Entry<'_>, part: &Part, path: &str, node: &Node, sink: &mut Sink<'_>) {
    let Some(value) = node.text() else { return };
    let last = path.rsplit('.').next().unwrap_or(path);
    // One of the actions has this name.
    let is_action = part.name() == "pii_mask" && last.ends_with("action");
    if let Some(what) = placeholder(value).filter(|_| !is_action) {
        let problem = format!("{what} is there to be replaced");
        let hint = "write your own";
        add(entry, part, &codes::PLACEHOLDER, path, problem, hint, sink);
    }
    let secret = match part.name() {
        "jwt_auth" => path.ends_with("keys.secret.value"),
        "aws_sigv4" => matches!(last, "secret_access_key" | "session_token"),
        "pii_mask" => last == "hash_key",
        "upstream_auth" => {
            let is_last = matches!(last, "secret" | "pem" | "assertion");
            is_last || path.ends_with("static.value") || path.ends_with("service_account.key")
        }
        "audit_log" => path.starts_with("sink.headers.") && !path.ends_with(".env"),
        _ => false,
    };
    if secret {
        let problem = "a secret stands in the file".to_owned();
        let hint = match entry.passed {
            Some(_) => "write `{ \"env\": \"NAME\" }`, and let nginx hand NAME on to its workers",
            None => {
                "write `{ \"env\": \"NAME\" }`, and NAME in vm_config.environment_variables.host_env_keys"
            }
        };
        add(
            entry,
            part,
            &codes::INLINE_SECRET,
            path,
            problem,
            hint,
            sink,
        );
    }
    let url = matches!(last, "url" | "issuer" | "discovery");
    if part.name() == "jwt_auth" && url && plaintext(value) {
        let problem = "keys that travel without TLS can be exchanged on the way".to_owned();
        add(
            entry,
            part,
            &codes::PLAINTEXT,
            path,
            problem,
            "use https://",
            sink,
        );
    }
    let asks = part.name() == "upstream_auth" && path.ends_with("token_endpoint.url");
    if asks && plaintext(value) {
        let problem = "secrets and tokens that travel without TLS can be read on the way";
        add(
            entry,
            part,
            &codes::PLAINTEXT,
            path,
            problem.to_owned(),
            "use https://",
            sink,
        );
    }
    let models = path.rsplit_once('[').is_some_and(|(list, _)| {
        ["models", "consumers", "any_of", "all_of", "none_of"]
            .iter()
            .any(|name| list.ends_with(name))
    });
    if models && matches!(part.name(), "consumer_acl" | "rate_limit") {
        let odd = match value {
            "" => Some("an empty name fits nothing"),
            value if value.trim() != value => Some("white space at an end is part of the name"),
            value if value.contains(['[', ']', '?']) && path.contains("models") => {
                Some("only `*` is special in a name; `[`, `]` and `?` stand for themselves")
            }
            _ => None,
        };
        if let Some(problem) = odd {
            add(
                entry,
                part,
                &codes::ODD_PATTERN,
                path,
                problem.to_owned(),
                "",
                sink,
            );
        }
    }
}

/// An `http` URL of another machine.
fn plaintext(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|rest| {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        !matches!(host, "localhost" | "127.0.0.1" | "[") && !host.ends_with(".localhost")
    })
}

/// What in a value is there to be replaced.
pub(super) fn placeholder(value: &str) -> Option<&'static str> {
    let lower = value.to_ascii_lowercase();
    let host = lower
        .split_once("://")
        .map_or(lower.as_str(), |(_, rest)| rest)
        .split(['/', ':'])
        .next()
        .unwrap_or_default();
    if ["example.com", "example.org", "example.net"]
        .iter()
        .any(|domain| host == *domain || host.ends_with(&format!(".{domain}")))
    {
        return Some("a name under example.com");
    }
    let digest = lower.strip_prefix("sha256:").unwrap_or_default();
    if digest.len() == 64 && digest.bytes().all(|byte| byte == b'0') {
        return Some("a digest of zeros");
    }
    let words = [
        "changeme",
        "change_me",
        "change-me",
        "replaceme",
        "replace_me",
        "placeholder",
    ];
    if words.iter().any(|word| lower.contains(word)) {
        return Some("a placeholder");
    }
    let between = |front: &str, back: &str| {
        let inner = value
            .strip_prefix(front)
            .and_then(|rest| rest.strip_suffix(back));
        inner.is_some_and(|inner| inner.starts_with(|c: char| c.is_ascii_alphabetic()))
    };
    if between("<", ">") || between("__", "__") {
        return Some("a placeholder");
    }
    if (value.contains("${") && value.contains('}'))
        || (value.contains("{{") && value.contains("}}"))
        || value.split(['/', '.', ':']).any(is_variable)
    {
        return Some("a template's variable");
    }
    let capitals = [
        "REGION",
        "ACCOUNT",
        "ACCOUNT_ID",
        "TENANT",
        "TENANT_ID",
        "TODO",
        "FIXME",
        "YOUR-",
        "YOUR_",
        "<YOUR",
    ];
    let parts = || value.split(['.', '/', ':', '-', '_']);
    if capitals.iter().any(
        |word| match word.ends_with(['-', '_']) || word.starts_with('<') {
            true => value.contains(word),
            false => parts().any(|part| part == *word),
        },
    ) {
        return Some("a name in capitals");
    }
    let yours = |part: &str| part.starts_with("your-") || part.starts_with("your_");
    lower
        .split(['/', '.', ':', '@'])
        .any(yours)
        .then_some("a name of yours")
}

/// `$NAME` or `$(NAME)`, as shells and `envsubst` have it.
fn is_variable(part: &str) -> bool {
    let Some(name) = part.strip_prefix('$') else {
        return false;
    };
    let inner = name
        .strip_prefix('(')
        .and_then(|name| name.strip_suffix(')'));
    let name = inner.unwrap_or(name);
    name.len() > 1
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Rules of consumer-acl that cannot do what they are for.
fn rules(entry: &Entry<'_>, part: &Part, config: &Json, sink: &mut Sink<'_>) {
    let rules = |plan: &Json| {
        let rules = plan.get("rules").and_then(Json::as_array).cloned();
        rules.unwrap_or_default()
    };
    let is = |rule: &Json, effect: &str| {
        rule.get("effect").and_then(Json::as_str) == Some(effect)
            && rule.get("mode").and_then(Json::as_str) != Some("shadow")
    };
    if part.name() != "consumer_acl" {
        return;
    }
    let shadow = config.get("mode").and_then(Json::as_str) == Some("shadow");
    let whole = std::iter::once(config.clone()).chain(
        config
            .get("profiles")
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
            .map(|(_, profile)| {
                let mut plan = config.clone();
                modelgate_kit::profile::written::merge(&mut plan, profile.clone());
                plan
            }),
    );
    let whole: Vec<Json> = whole.collect();
    if !shadow
        && !whole
            .iter()
            .any(|plan| rules(plan).iter().any(|rule| is(rule, "allow")))
    {
        let problem = match rules(config).len() {
            0 => "there is no rule: every request is denied",
            _ => "no rule allows anything: every request is denied",
        };
        let hint = "what no rule allows is denied; add a rule with `\"effect\": \"allow\"`";
        add(
            entry,
            part,
            &codes::DENY_ONLY,
            "rules",
            problem.to_owned(),
            hint,
            sink,
        );
    }
    let fits_all = |rule: &&Json| {
        let empty = |name: &str| {
            rule.get(name)
                .and_then(Json::as_object)
                .is_none_or(serde_json::Map::is_empty)
        };
        empty("what")
            && (empty("who")
                || rule
                    .get("who")
                    .and_then(Json::as_object)
                    .is_some_and(|who| {
                        who.len() == 1 && who.get("identity").and_then(Json::as_str) == Some("any")
                    }))
    };
    let listed = rules(config);
    let first_match = config.get("combine").and_then(Json::as_str) == Some("first_match");
    let all = listed
        .iter()
        .position(|rule| fits_all(&rule) && (first_match || is(rule, "deny")));
    if let Some(at) = all {
        let behind = listed.len().saturating_sub(at).saturating_sub(1);
        let others = match first_match {
            true => behind > 0,
            false => listed.iter().any(|rule| is(rule, "allow")),
        };
        if others {
            let problem = match first_match {
                true => "it fits every request: the rules behind it never decide",
                false => "it denies every request: no other rule allows anything",
            };
            let hint =
                "say who or what it is about, or put it last with `\"combine\": \"first_match\"`";
            let path = format!("rules[{at}]");
            add(
                entry,
                part,
                &codes::UNREACHABLE,
                &path,
                problem.to_owned(),
                hint,
                sink,
            );
        }
    }
}

/// Secrets among the variables that a module is given in the file.
fn given(entry: &Entry<'_>, sink: &mut Sink<'_>) {
    let values = entry
        .variables()
        .and_then(|given| given.member("key_values"));
    for (key, value) in values.map(Node::members).unwrap_or_default() {
        let name = key.text.to_ascii_uppercase();
        let secret = ["SECRET", "TOKEN", "PASSWORD", "API_KEY", "PRIVATE"]
            .iter()
            .any(|word| name.contains(word))
            || (name.ends_with("_KEY") && name != "AWS_ACCESS_KEY_ID");
        if secret && value.text().is_some_and(|text| !text.is_empty()) {
            let problem = format!("the value of {} stands in the file", key.text);
            let hint = "name it in host_env_keys, and set it in Envoy's environment";
            let finding =
                Finding::new(&codes::INLINE_SECRET, key.place, &entry.name, problem, hint);
            sink.add(entry.file, finding);
        }
    }
}

/// Whether a plan of a filter refuses a request of nobody.
pub(super) fn refuses_strangers(filter: &str, plan: &Json) -> bool {
    let word = |name: &str| plan.get(name).and_then(Json::as_str);
    match filter {
        "jwt_auth" => word("on_missing") != Some("allow"),
        "key_auth" => word("on_missing") != Some("allow"),
        "consumer_acl" => {
            let rules = plan.get("rules").and_then(Json::as_array);
            word("mode") != Some("shadow")
                && !rules.into_iter().flatten().any(|rule| {
                    rule.get("effect").and_then(Json::as_str) == Some("allow")
                        && rule.get("mode").and_then(Json::as_str) != Some("shadow")
                        && matches!(
                            rule.pointer("/who/identity").and_then(Json::as_str),
                            Some("any" | "absent")
                        )
                })
        }
        _ => false,
    }
}

/// Where a plan of a filter needs to know the caller: the path of a rule, a limit or a part of its
/// key.
pub(super) fn needs_identity(filter: &str, plan: &Json) -> Option<String> {
    let named = |who: Option<&Json>| {
        who.and_then(Json::as_object).is_some_and(|who| {
            let identity = who.get("identity").and_then(Json::as_str);
            !matches!(identity, Some("any" | "absent"))
                && who.iter().any(|(_, value)| !value.is_null())
        })
    };
    let list = |name: &str| {
        plan.get(name)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
    };
    match filter {
        "consumer_acl" => list("rules")
            .position(|rule| {
                let identity = rule.pointer("/who/identity").and_then(Json::as_str);
                rule.get("mode").and_then(Json::as_str) != Some("shadow")
                    && !matches!(identity, Some("any" | "absent"))
            })
            .map(|at| format!("rules[{at}]")),
        "rate_limit" => list("policies").enumerate().find_map(|(at, policy)| {
            if matches!(
                policy.get("on_missing").and_then(Json::as_str),
                Some("skip" | "shared")
            ) {
                return None;
            }
            let by = policy.get("by").and_then(Json::as_array);
            let part = by.into_iter().flatten().position(|part| {
                matches!(
                    part.as_str(),
                    Some("consumer" | "credential" | "group" | "issuer")
                ) || part.get("claim").is_some()
                    || part.get("group_of").is_some()
            });
            match part {
                Some(part) => Some(format!("policies[{at}].by[{part}]")),
                None => named(policy.get("who")).then(|| format!("policies[{at}].who")),
            }
        }),
        "model_route" => list("models").enumerate().find_map(|(at, model)| {
            let keys = model.get("sticky_by").and_then(Json::as_array);
            let of_caller = |key: &Json| key == "consumer" || key.get("claim").is_some();
            let all_of_caller =
                keys.is_some_and(|keys| !keys.is_empty() && keys.iter().all(of_caller));
            if all_of_caller {
                return Some(format!("models[{at}].sticky_by"));
            }
            let overrides = model.get("overrides").and_then(Json::as_array);
            let one = overrides
                .into_iter()
                .flatten()
                .position(|one| named(one.get("who")));
            one.map(|one| format!("models[{at}].overrides[{one}].who"))
        }),
        _ => None,
    }
}

/// The most that the filter may hold of a request's body, with the path of that option.
pub(super) fn holds_bytes(filter: &str, plan: &Json) -> Option<(u64, &'static str)> {
    const DEFAULT: u64 = 1_000_000;
    let number = |pointer: &str| {
        plan.pointer(pointer)
            .and_then(Json::as_u64)
            .unwrap_or(DEFAULT)
    };
    let is = |pointer: &str, words: &[&str]| {
        plan.pointer(pointer)
            .and_then(Json::as_str)
            .is_some_and(|word| words.contains(&word))
    };
    match filter {
        "pii_mask" => (!is("/request/bodies", &["allow"]))
            .then(|| (number("/request/max_body_bytes"), "request.max_body_bytes")),
        "aws_sigv4" => (!is("/payload", &["unsigned", "absent"]))
            .then(|| (number("/max_body_bytes"), "max_body_bytes")),
        "consumer_acl" | "rate_limit" | "model_route" => {
            (!is("/model_from_body/mode", &["ignore"])).then(|| {
                (
                    number("/model_from_body/max_body_bytes"),
                    "model_from_body.max_body_bytes",
                )
            })
        }
        _ => None,
    }
}

/// Placeholders in clusters and routes of the file.
pub(super) fn in_envoy(file: usize, at: &Node, sink: &mut Sink<'_>) {
    const NAMED: [&str; 5] = ["address", "sni", "exact", "host_rewrite_literal", "uri"];
    for (key, value) in at.members() {
        let found = value.text().filter(|_| NAMED.contains(&key.text.as_str()));
        if let Some(what) = found.and_then(placeholder) {
            let problem = format!("{what} is there to be replaced");
            let finding = Finding::new(
                &codes::PLACEHOLDER,
                value.place,
                &key.text,
                problem,
                "write your own",
            );
            sink.add(file, finding);
        }
        in_envoy(file, value, sink);
    }
    for item in at.items() {
        in_envoy(file, item, sink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_replaced_is_told_from_real_values() {
        for value in [
            "https://login.example.com",
            "example.org",
            "runtime.sagemaker.REGION.amazonaws.com",
            "arn:aws:iam::ACCOUNT_ID:role/x",
            "${AWS_REGION}",
            "{{ .Values.issuer }}",
            "CHANGEME",
            "<YOUR KEY>",
            "YOUR_KEY",
            "$LOGIN_HOST",
            "https://$(LOGIN_HOST)/keys",
            "__LOGIN_HOST__",
            "<login-host>",
            "your-endpoint.openai.azure.com",
            "TODO",
        ] {
            assert!(placeholder(value).is_some(), "{value}");
        }
        let zeros = format!("sha256:{}", "0".repeat(64));
        assert!(placeholder(&zeros).is_some());
        for value in [
            "https://login.acme.io",
            "/v1/models/{model}/**",
            "counterexample.com",
            "eu-central-1",
            "sha256:00ab",
            "*",
            "<",
            "a$B",
            "$1",
            "$a.$b",
            "mastodon",
            "__",
            "not-your-model",
        ] {
            assert_eq!(placeholder(value), None, "{value}");
        }
    }
}
