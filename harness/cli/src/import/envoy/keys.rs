//! `api_key_auth` as key-auth.

use serde_json::{Map, Value as Json, json};

use super::super::digest;
use super::super::ledger::{At, Try};
use super::jwt::say;
use super::paths::only;
use super::routes::{self, Says};
use super::translation::{Override, Translation, header_place};

const PER_ROUTE: &str = "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute";
const KNOWN: [&str; 3] = ["credentials", "key_sources", "forwarding"];

/// A key with who presents it.
struct Listed {
    client: String,
    key: Json,
    bytes: usize,
}

/// Translates the filter.
pub fn translate(config: &At<'_>, manager: &At<'_>, name: &str) -> Try<Translation> {
    only(config, &KNOWN)?;
    let mut base = Map::new();
    let listed = credentials(config, "")?;
    settings(config, &listed, &mut base)?;
    if base.get("credential_from").is_none() && config.get("key_sources").is_none() {
        return Err(config.obstacle("it says no place for keys: routes say them"));
    }
    let mut translation = Translation::new("key-auth", base);
    for own in routes::own(manager, name)? {
        let what = match own.says(PER_ROUTE)? {
            Says::Switch(switch) => switch,
            Says::Config(config) => {
                Override::Profile(per_route(&config, &own.name, &listed, &mut translation)?)
            }
        };
        if matches!(what, Override::Profile(_)) {
            own.config.guarded(
                "typed_per_filter_config",
                "route metadata choose a profile with the keys of this route",
            );
            own.config.changed_note(
                "typed_per_filter_config",
                "a client that may not call this route gets 401 `key_unknown` instead of 403",
            );
        } else {
            say(&own.config, own.scope, &what);
        }
        translation.overrides.push((own.scope, what));
    }
    config.changed_note(
        "api_key_auth",
        "keys are stored as SHA-256 digests; a request with two keys is refused, where Envoy takes the first",
    );
    Ok(translation)
}

fn per_route(
    config: &At<'_>,
    route: &str,
    listed: &[Listed],
    translation: &mut Translation,
) -> Try<String> {
    let known = [
        "credentials",
        "key_sources",
        "forwarding",
        "allowed_clients",
    ];
    only(config, &known)?;
    let own = credentials(config, &format!("{route}."))?;
    let allowed = config.texts("allowed_clients");
    let listed = if own.is_empty() { listed } else { &own };
    let may = |one: &&Listed| allowed.is_empty() || allowed.contains(&one.client);
    let keys: Vec<Json> = listed
        .iter()
        .filter(may)
        .map(|one| one.key.clone())
        .collect();
    let mut profile = Map::new();
    // What a route does not say of this is not taken from the filter.
    profile.insert("identity_headers".into(), Json::Null);
    settings(config, &own, &mut profile)?;
    profile.insert("keys".into(), keys.into());
    Ok(translation.profile(route, profile.into()))
}

fn credentials(config: &At<'_>, before: &str) -> Try<Vec<Listed>> {
    let mut listed = Vec::new();
    for (index, at) in config.list("credentials").iter().enumerate() {
        only(at, &["key", "client"])?;
        let client = at.text_of("client").unwrap_or_default();
        let key = at.text_of("key").unwrap_or_default();
        if !digest::is_name(&client) {
            return Err(
                at.obstacle("client: a consumer's name is visible ASCII without commas and spaces")
            );
        }
        if key.is_empty() {
            return Err(at.obstacle("key: it is empty"));
        }
        let id = format!("{before}{client}.{}", index.saturating_add(1));
        listed.push(Listed {
            key: digest::key(&id, &key, &client, &[]),
            client,
            bytes: key.len(),
        });
    }
    Ok(listed)
}

fn settings(config: &At<'_>, listed: &[Listed], into: &mut Map<String, Json>) -> Try<()> {
    if !listed.is_empty() {
        let keys: Vec<Json> = listed.iter().map(|one| one.key.clone()).collect();
        into.insert("keys".into(), keys.into());
        let longest = listed.iter().map(|one| one.bytes).max().unwrap_or_default();
        if longest > 4096 {
            return Err(config.obstacle("credentials: a key is longer than 4,096 bytes"));
        }
        if longest > 256 {
            into.insert("max_key_bytes".into(), longest.into());
        }
    }
    let sources = config.list("key_sources");
    let mut places = Vec::new();
    for at in &sources {
        only(at, &["header", "query", "cookie"])?;
        if let Some(name) = at.text_of("header").filter(|name| !name.is_empty()) {
            let bearer = name.eq_ignore_ascii_case("authorization");
            places.push(header_place(&name, bearer.then_some("Bearer")));
            let said = match bearer {
                true => "the key stands after `Bearer`; Envoy takes one without the scheme, too",
                false => {
                    "the header's whole value is the key; Envoy leaves out `Bearer ` before it"
                }
            };
            at.changed("key_sources", said);
        } else if let Some(name) = at.text_of("query").filter(|name| !name.is_empty()) {
            places.push(json!({ "query": name }));
        } else if let Some(name) = at.text_of("cookie").filter(|name| !name.is_empty()) {
            places.push(json!({ "cookie": name }));
        }
    }
    if !places.is_empty() {
        into.insert("credential_from".into(), places.into());
    }
    let forwarding = config.get("forwarding");
    let mut hides = false;
    if let Some(at) = forwarding {
        only(&at, &["header", "hide_credentials"])?;
        hides = at.flag_of("hide_credentials") == Some(true);
        if let Some(header) = at.text_of("header").filter(|name| !name.is_empty()) {
            let headers = json!({ "consumer": header.to_ascii_lowercase() });
            into.insert("identity_headers".into(), headers);
        }
    }
    let sees = if hides { "strip" } else { "keep" };
    into.insert("credential_to_upstream".into(), sees.into());
    Ok(())
}
