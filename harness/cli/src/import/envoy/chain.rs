//! A chain of filters, rewritten in place.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::ledger::{At, Obstacle, Try};
use super::super::model::entry;
use super::beside::Beside;
use super::principals::TOKEN;
use super::translation::Translation;
use super::{File, jwt, keys, limit, rbac, routes, sign};
use crate::SUITE;
use crate::gateway::put;

/// A filter of the chain.
struct Slot<'a> {
    at: At<'a>,
    name: String,
    /// The type of its configuration, without its package.
    kind: String,
    config: Option<At<'a>>,
}

impl<'a> Slot<'a> {
    fn read(at: At<'a>) -> Self {
        let name = at.text_of("name").unwrap_or_default();
        let config = at.get("typed_config");
        let url = config.as_ref().and_then(|config| config.text_of("@type"));
        let url = url.unwrap_or_default();
        let kind = url.rsplit('/').next().unwrap_or_default().to_owned();
        Self {
            at,
            name,
            kind,
            config,
        }
    }

    /// The filter's name among Envoy's.
    fn subject(&self) -> &'static str {
        match self.kind.as_str() {
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" => "jwt_authn",
            "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth" => "api_key_auth",
            "envoy.extensions.filters.http.rbac.v3.RBAC" => "rbac",
            "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" => "local_ratelimit",
            "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning" => {
                "aws_request_signing"
            }
            _ => "",
        }
    }

    fn translate(&self, manager: &At<'_>, file: &File<'_>) -> Option<Try<Translation>> {
        let config = self.config.as_ref()?;
        let name = &self.name;
        let translated = match self.subject() {
            "jwt_authn" => jwt::translate(config, manager, name, file.options),
            "api_key_auth" => keys::translate(config, manager, name),
            "rbac" => rbac::translate(config, manager, name),
            "local_ratelimit" => limit::translate(config, manager, name),
            "aws_request_signing" => sign::translate(config, manager, name, file),
            _ => return None,
        };
        let switched = ["is_optional", "disabled"].iter().find_map(|flag| {
            let at = self.at.get(flag)?;
            (at.flag() == Some(true)).then(|| at.obstacle(format!("{flag} is set")))
        });
        Some(match (routes::are_elsewhere(manager), switched) {
            (_, Some(obstacle)) => Err(obstacle),
            (true, None) => Err(self.at.obstacle(
                "routes come from a control plane, and what they say of this filter is not in this file",
            )),
            (false, None) => translated,
        })
    }
}

/// Rewrites the chain of a connection manager. What the new filters need besides in the file is
/// added.
pub fn rewrite(manager: &At<'_>, json: &mut Json, file: &File<'_>, beside: &mut Beside) {
    let slots: Vec<Slot<'_>> = manager
        .list("http_filters")
        .into_iter()
        .map(Slot::read)
        .collect();
    let start = manager.ledger().mark();
    let mut kept: BTreeMap<usize, Obstacle> = BTreeMap::new();
    let translations = loop {
        manager.ledger().back_to(start);
        let mut translations: BTreeMap<usize, Translation> = BTreeMap::new();
        let before = kept.len();
        for (index, slot) in slots.iter().enumerate() {
            if kept.contains_key(&index) {
                continue;
            }
            let mark = manager.ledger().mark();
            match slot.translate(manager, file) {
                Some(Ok(translation)) => {
                    translations.insert(index, translation);
                }
                Some(Err(obstacle)) => {
                    manager.ledger().back_to(mark);
                    kept.insert(index, obstacle);
                }
                None => {}
            }
        }
        if let Some((index, obstacle)) = conflict(manager, &slots, &translations) {
            kept.insert(index, obstacle);
        }
        if kept.len() == before {
            break translations;
        }
    };
    report(&slots, &translations, &kept);
    for translation in translations.values() {
        beside.join(translation.beside.clone());
    }
    write(manager, json, &slots, translations);
}

/// The first filter that must stay because of another one.
fn conflict(
    manager: &At<'_>,
    slots: &[Slot<'_>],
    translations: &BTreeMap<usize, Translation>,
) -> Option<(usize, Obstacle)> {
    let order = |one: &Translation| {
        let member = SUITE.member(one.krate)?;
        Some(member.filter.needs.order)
    };
    let of = |index: usize| slots.get(index);
    for (earlier, one) in translations {
        for (later, other) in translations.range(earlier.saturating_add(1)..) {
            let obstacle =
                |at: usize, reason: String| of(at).map(|slot| (at, slot.at.obstacle(reason)));
            if one.krate == other.krate {
                return obstacle(*later, format!("{} is there already", one.krate));
            }
            if order(one) > order(other) {
                return obstacle(
                    *earlier,
                    format!(
                        "it stands before the filter that becomes {}, and {} has its place behind it: moved there, it would not see what that refuses",
                        other.krate, one.krate
                    ),
                );
            }
        }
    }
    let token = translations.iter().find(|(_, one)| one.krate == "jwt-auth");
    for (index, one) in translations {
        if one.token_keys.is_empty() {
            continue;
        }
        let stay = |reason: &str| of(*index).map(|slot| (*index, slot.at.obstacle(reason)));
        let Some((at, token)) = token else {
            return stay("it reads what jwt_authn leaves, and that filter stays");
        };
        let same =
            |left: &Option<String>| one.token_keys.iter().all(|key| left.as_ref() == Some(key));
        if at > index || !token.left_keys.iter().all(same) {
            return stay(
                "it tells the providers of tokens apart by the key that each leaves its claims under",
            );
        }
    }
    let (at, _) = token?;
    let reader = readers(manager, slots, translations)?;
    let reason = format!("{reader} reads what it leaves in dynamic metadata");
    of(*at).map(|slot| (*at, slot.at.obstacle(reason)))
}

/// Something that stays and reads what `jwt_authn` leaves.
fn readers(
    manager: &At<'_>,
    slots: &[Slot<'_>],
    translations: &BTreeMap<usize, Translation>,
) -> Option<String> {
    // What routes say of these goes, too.
    let goes = |(index, slot): (usize, &Slot<'_>)| {
        let gone = translations.contains_key(&index) || slot.subject() == "jwt_authn";
        gone.then_some(slot.name.clone())
    };
    let own: Vec<String> = slots.iter().enumerate().filter_map(goes).collect();
    let reads = |at: &At<'_>| mentions(&at.node.to_json(), &own);
    for (index, slot) in slots.iter().enumerate() {
        if !translations.contains_key(&index) && slot.subject() != "jwt_authn" && reads(&slot.at) {
            return Some(slot.name.clone());
        }
    }
    ["route_config", "access_log"]
        .iter()
        .find(|name| manager.get(name).is_some_and(|at| reads(&at)))
        .map(|name| (*name).to_owned())
}

/// Whether a text names the namespace of `jwt_authn`, but for what routes say of `filters`.
fn mentions(json: &Json, filters: &[String]) -> bool {
    match json {
        Json::String(text) => text.contains(TOKEN) && !text.contains("type.googleapis.com"),
        Json::Array(items) => items.iter().any(|item| mentions(item, filters)),
        Json::Object(members) => members.iter().any(|(name, value)| {
            !filters.contains(name) && (name.contains(TOKEN) || mentions(value, filters))
        }),
        _ => false,
    }
}

fn report(
    slots: &[Slot<'_>],
    translations: &BTreeMap<usize, Translation>,
    kept: &BTreeMap<usize, Obstacle>,
) {
    for (index, slot) in slots.iter().enumerate() {
        let subject = match slot.subject() {
            "" => slot.name.clone(),
            subject => format!("{subject} ({})", slot.name),
        };
        match (translations.get(&index), kept.get(&index)) {
            (Some(translation), _) => {
                let profiles = translation.profiles.len();
                let with = match profiles {
                    0 => String::new(),
                    many => format!(" with {many} profiles"),
                };
                slot.at
                    .guarded(&subject, format!("{}{with}", translation.krate));
            }
            (None, Some(obstacle)) => {
                let line = obstacle.place.line;
                slot.at.kept(
                    &subject,
                    format!("it stays as it is. Line {line}: {}", obstacle.reason),
                );
            }
            (None, None) => {
                slot.at.kept(&subject, "it stays as it is, in its place");
            }
        }
    }
}

/// Writes the chain anew.
fn write(
    manager: &At<'_>,
    json: &mut Json,
    slots: &[Slot<'_>],
    mut translations: BTreeMap<usize, Translation>,
) {
    if translations.is_empty() {
        return;
    }
    join(&mut translations);
    let mut chain: Vec<Json> = Vec::new();
    chain.extend(entry("audit-log", &json!({})));
    for (index, slot) in slots.iter().enumerate() {
        let Some(translation) = translations.get(&index) else {
            chain.push(slot.at.node.to_json());
            continue;
        };
        if let Some(mut entry) = entry(translation.krate, &translation.config()) {
            if translation.disabled {
                put(&mut entry, "disabled", true);
            }
            chain.push(entry);
        }
        routes::write(
            json,
            &slot.name,
            translation.krate,
            &translation.overrides,
            translation.disabled,
        );
    }
    let name = match json.get("http_filters").is_some() {
        true => "http_filters",
        false => "httpFilters",
    };
    put(json, name, chain);
    let logs = json.get_mut("access_log").and_then(Json::as_array_mut);
    let mut shown = false;
    for log in logs.into_iter().flatten() {
        if let Some(Json::Object(line)) = log.pointer_mut("/typed_config/log_format/json_format") {
            line.entry("modelgate_audit")
                .or_insert("%FILTER_STATE(wasm.modelgate.audit:PLAIN)%".into());
            shown = true;
        }
    }
    let text = match shown {
        true => {
            "audit-log stands first and leaves an event for every request; the access log has it as `modelgate_audit`"
        }
        false => {
            "audit-log stands first and leaves an event for every request: add `%FILTER_STATE(wasm.modelgate.audit:PLAIN)%` to an access log to see it"
        }
    };
    if let Some(filters) = manager.get("http_filters") {
        filters.changed_note("http_filters", text);
    }
}

/// What filters of one chain have to know of each other.
fn join(translations: &mut BTreeMap<usize, Translation>) {
    let wants: Vec<String> = translations
        .values()
        .flat_map(|one| one.wants.clone())
        .collect();
    let groups = translations.values().any(|one| one.wants_groups);
    let has_token = translations.values().any(|one| one.krate == "jwt-auth");
    for translation in translations.values_mut() {
        match translation.krate {
            "jwt-auth" => {
                let plans = translation
                    .profiles
                    .values_mut()
                    .filter_map(Json::as_object_mut);
                for plan in plans.chain([&mut translation.base]) {
                    let issuers = plan.get_mut("issuers").and_then(Json::as_array_mut);
                    for issuer in issuers.into_iter().flatten() {
                        if groups {
                            put(issuer, "groups_claim", "groups");
                        }
                        if !wants.is_empty() {
                            put(issuer, "claims_to_fact", json!(wants));
                        }
                    }
                }
            }
            // Both were asked for; who calls is whom the token names.
            "key-auth" if has_token => {
                translation
                    .base
                    .insert("on_other_identity".into(), "keep".into());
            }
            _ => {}
        }
    }
}
