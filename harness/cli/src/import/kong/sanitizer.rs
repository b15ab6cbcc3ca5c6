//! `ai-sanitizer`: pii-mask, which looks for itself what Kong asks a service for.

use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};

const PLUGIN: &str = "ai-sanitizer";

/// What Kong calls what, and the kinds of pii-mask.
const KINDS: [(&str, &[&str]); 12] = [
    ("bank", &["iban", "bic", "bank_account"]),
    (
        "credentials",
        &[
            "aws_access_key",
            "aws_secret_key",
            "github_token",
            "api_key",
            "slack_token",
            "jwt",
            "private_key",
            "secret",
        ],
    ),
    ("creditcard", &["card"]),
    ("crypto", &["crypto_address"]),
    ("driverlicense", &["driver_license"]),
    ("email", &["email"]),
    ("general", &["person", "street_address"]),
    ("ip", &["ip", "mac"]),
    ("medical", &["medical_id"]),
    ("nationalid", &["national_id", "tax_id"]),
    ("passport", &["passport"]),
    ("phone", &["phone"]),
];

/// Settings of the service, which is not asked any more.
const OF_SERVICE: [&str; 8] = [
    "host",
    "port",
    "scheme",
    "timeout",
    "keepalive_timeout",
    "stop_on_error",
    "skip_logging_sanitized_items",
    "allow_all_conversation_history",
];

/// The configuration of pii-mask.
pub fn read(config: Option<&At<'_>>) -> Try<Map<String, Json>> {
    let Some(config) = config else {
        return Ok(plan(
            &["all_and_credentials".to_owned()],
            "placeholder",
            "INPUT",
        ));
    };
    if let Some(found) = config.get("custom_patterns")
        && !found.items().is_empty()
    {
        return Err(found.obstacle(
            "custom_patterns: patterns are not taken over; write them as `custom` of pii-mask",
        ));
    }
    for member in OF_SERVICE {
        if let Some(found) = config.get(member) {
            found.changed(
                PLUGIN,
                "no service is asked: whole requests are looked at within the proxy, and what cannot be read is refused",
            );
        }
    }
    let mut kinds = config.texts("anonymize");
    if kinds.is_empty() {
        kinds.push("all_and_credentials".to_owned());
    }
    for kind in &kinds {
        let told = match kind.as_str() {
            "date" => "only dates of birth are looked for",
            "domain" | "nrp" | "url" => {
                "domains, addresses of the web, nationalities and the like are not looked for"
            }
            "general" | "all" | "all_and_credentials" => {
                "names of persons and addresses of the post are found as far as rules and lists of names reach; places, nationalities, domains and dates but those of birth are not looked for"
            }
            known if KINDS.iter().any(|(kind, _)| *kind == known) || known == "ssn" => continue,
            _ => {
                return Err(config.obstacle(format!("anonymize: {kind} is not known")));
            }
        };
        if let Some(found) = config.get("anonymize") {
            found.changed_note(PLUGIN, told);
        }
    }
    let mode = config.text_of("sanitization_mode");
    let mode = mode.as_deref().unwrap_or("INPUT");
    if !matches!(mode, "INPUT" | "OUTPUT" | "BOTH") {
        return Err(config.obstacle(format!("sanitization_mode: {mode} is not known")));
    }
    if let Some(found) = config.get("redact_type")
        && found.text().as_deref() == Some("synthetic")
    {
        found.changed(
            PLUGIN,
            "values are replaced by placeholders; pii-mask's own action `fake` needs a `hash_key`",
        );
    }
    let blocks = config.flag_of("block_if_detected") == Some(true);
    let restores = config.flag_of("recover_redacted") != Some(false);
    let action = match (blocks, restores) {
        (true, _) => "block",
        (false, true) => "placeholder",
        (false, false) => "redact",
    };
    Ok(plan(&kinds, action, mode))
}

fn plan(kinds: &[String], action: &str, mode: &str) -> Map<String, Json> {
    let mut plan = Map::new();
    let has = |name: &str| kinds.iter().any(|kind| kind == name);
    let all = has("all") || has("all_and_credentials");
    let mut entities = Map::new();
    plan.insert(
        "default_action".into(),
        if all { action } else { "allow" }.into(),
    );
    for (kind, names) in KINDS {
        // What `default_action` does not reach is named.
        let by_name = has(kind) || (all && kind == "general");
        for name in names.iter().filter(|_| by_name) {
            entities.insert((*name).into(), json!({ "action": action }));
        }
        if kind == "credentials" && has("all") && !has("all_and_credentials") && !has(kind) {
            for name in names {
                entities.insert((*name).into(), json!({ "action": "allow" }));
            }
        }
    }
    for (kind, name) in [("ssn", "ssn"), ("date", "date_of_birth")] {
        if has(kind) {
            entities.insert(name.into(), json!({ "action": action }));
        }
    }
    plan.insert("entities".into(), entities.into());
    for (side, other) in [("request", "OUTPUT"), ("response", "INPUT")] {
        if mode == other {
            plan.insert(side.into(), json!({ "bodies": "allow" }));
        }
    }
    plan
}
