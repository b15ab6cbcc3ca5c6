//! Permissions and principals of `rbac` as conditions of consumer-acl's rules.
//!
//! `rbac` says what may be said of a request in trees of "and" and "or". A rule of consumer-acl is
//! one "and" of lists, so a tree becomes as many rules as it has ways, and only trees without "not"
//! have any.

use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::paths::{exact, only, prefix};

/// Where `jwt_authn` leaves the claims of a token.
pub const TOKEN: &str = "envoy.filters.http.jwt_authn";
/// The most ways that a policy may have.
const MOST: usize = 64;

/// What claims are asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// Claims that must be handed on.
    pub claims: Vec<String>,
    /// Whether the groups are.
    pub groups: bool,
    /// Under which keys the claims of tokens are looked for.
    pub keys: Vec<String>,
}

/// Conditions that must all hold.
pub type All = Map<String, Json>;

/// Joins two conditions; nothing where one rule cannot say both.
fn both(one: &All, other: &All) -> Option<All> {
    let mut joined = one.clone();
    for (name, value) in other {
        match joined.get_mut(name) {
            None => {
                joined.insert(name.clone(), value.clone());
            }
            Some(Json::Array(claims)) if name == "claims" => {
                claims.extend(value.as_array().cloned().unwrap_or_default());
            }
            // Of groups a caller has many: all that are asked for.
            Some(groups) if name == "groups" => {
                let all = groups.get_mut("all_of").and_then(Json::as_array_mut)?;
                let more = value.get("all_of").and_then(Json::as_array)?;
                all.extend(more.iter().cloned());
            }
            Some(known) if known == value => {}
            Some(_) => return None,
        }
    }
    Some(joined)
}

fn and(at: &At<'_>, ways: &[All], more: &[All]) -> Try<Vec<All>> {
    let mut joined = Vec::new();
    for one in ways {
        for other in more {
            let both = both(one, other).ok_or_else(|| {
                at.obstacle("one rule cannot ask for two values of the same thing")
            })?;
            joined.push(both);
        }
    }
    bounded(at, joined)
}

fn bounded(at: &At<'_>, ways: Vec<All>) -> Try<Vec<All>> {
    match ways.len() > MOST {
        true => Err(at.obstacle("it would become more rules than anybody can read")),
        false => Ok(ways),
    }
}

fn condition(name: &str, value: Json) -> All {
    Map::from_iter([(name.to_owned(), value)])
}

/// What may be asked, in its ways.
pub fn permission(at: &At<'_>) -> Try<Vec<All>> {
    only(at, &["any", "and_rules", "or_rules", "header", "url_path"])?;
    if let Some(any) = at.get("any") {
        return match any.flag() {
            Some(true) => Ok(vec![All::new()]),
            _ => Err(any.obstacle("`any` is true, or left out")),
        };
    }
    if let Some(all) = at.get("and_rules") {
        let mut ways = vec![All::new()];
        for rule in all.list("rules") {
            ways = and(&rule, &ways, &permission(&rule)?)?;
        }
        return Ok(ways);
    }
    if let Some(any) = at.get("or_rules") {
        let mut ways = Vec::new();
        for rule in any.list("rules") {
            ways.extend(permission(&rule)?);
        }
        return bounded(at, ways);
    }
    if let Some(url) = at.get("url_path") {
        only(&url, &["path"])?;
        let path = url.get("path");
        let path = path.ok_or_else(|| url.obstacle("it names no path"))?;
        return Ok(vec![condition("paths", json!(matched(&path)?))]);
    }
    let header = at.get("header");
    header.map_or_else(
        || Err(at.obstacle("it names nothing that a rule could ask for")),
        |header| header_permission(&header),
    )
}

fn header_permission(at: &At<'_>) -> Try<Vec<All>> {
    only(at, &["name", "exact_match", "prefix_match", "string_match"])?;
    let name = at.text_of("name").unwrap_or_default();
    let text = at.get("string_match").unwrap_or_else(|| at.clone());
    match name.as_str() {
        ":method" => {
            let method = at.text_of("exact_match").or_else(|| text.text_of("exact"));
            if at.get("string_match").is_some() {
                only(&text, &["exact"])?;
            }
            let method = method.ok_or_else(|| at.obstacle("a method is compared exactly"))?;
            Ok(vec![condition(
                "methods",
                json!([method.to_ascii_uppercase()]),
            )])
        }
        // It has the query, too, which a rule does not look at.
        ":path" => Err(at.obstacle("`:path` has the query in it: write url_path")),
        _ => Err(at.obstacle("rules do not look at headers, which clients write as they like")),
    }
}

/// Templates of a StringMatcher.
fn matched(at: &At<'_>) -> Try<Vec<String>> {
    only(at, &["exact", "prefix"])?;
    let templates = match (at.text_of("exact"), at.text_of("prefix")) {
        (Some(path), None) => exact(&path),
        (None, Some(path)) => prefix(&path),
        _ => None,
    };
    templates.ok_or_else(|| at.obstacle("no path template is the same as this path"))
}

/// Who may ask, in its ways.
pub fn principal(at: &At<'_>, asked: &mut Asked) -> Try<Vec<All>> {
    only(at, &["any", "and_ids", "or_ids", "metadata"])?;
    if let Some(any) = at.get("any") {
        return match any.flag() {
            Some(true) => Ok(vec![condition("identity", "any".into())]),
            _ => Err(any.obstacle("`any` is true, or left out")),
        };
    }
    if let Some(all) = at.get("and_ids") {
        let mut ways = vec![All::new()];
        for id in all.list("ids") {
            ways = and(&id, &ways, &principal(&id, asked)?)?;
        }
        return Ok(ways);
    }
    if let Some(any) = at.get("or_ids") {
        let mut ways = Vec::new();
        for id in any.list("ids") {
            ways.extend(principal(&id, asked)?);
        }
        return bounded(at, ways);
    }
    let metadata = at.get("metadata");
    let metadata = metadata
        .ok_or_else(|| at.obstacle("it names nothing that a rule could ask of a caller"))?;
    claim(&metadata, asked).map(|way| vec![way])
}

/// A condition on dynamic metadata that is a claim of a token.
fn claim(at: &At<'_>, asked: &mut Asked) -> Try<All> {
    only(at, &["filter", "path", "value"])?;
    if at.text_of("filter").as_deref() != Some(TOKEN) {
        return Err(at.obstacle("it looks at metadata of another filter than jwt_authn"));
    }
    let mut steps = Vec::new();
    for step in at.list("path") {
        only(&step, &["key"])?;
        steps.push(step.text_of("key").unwrap_or_default());
    }
    let (key, steps) = steps
        .split_first()
        .filter(|(_, steps)| !steps.is_empty())
        .ok_or_else(|| at.obstacle("its path names no claim"))?;
    let claim = match steps {
        [one] if !one.starts_with('/') => one.clone(),
        steps => steps
            .iter()
            .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
            .collect(),
    };
    let value = at.get("value");
    let value = value.ok_or_else(|| at.obstacle("it compares with nothing"))?;
    let (word, is_list) = wanted(&value)?;
    if word.as_str().is_some_and(|word| word.contains('*')) {
        return Err(value.obstacle("a star stands for any text in consumer-acl"));
    }
    if !asked.keys.contains(key) {
        asked.keys.push(key.clone());
    }
    match (claim.as_str(), is_list) {
        // As text in every token that has a caller at all.
        ("sub", false) => return Ok(condition("consumers", json!([word]))),
        ("groups", true) => {
            asked.groups = true;
            at.changed_note(
                "principal",
                "`groups` may be a list, or a text that is one group; Envoy compares with a list only",
            );
            return Ok(condition("groups", json!({ "all_of": [word] })));
        }
        _ => {}
    }
    at.changed_note(
        "principal",
        format!(
            "the claim fits where it is this value, or a list that has it; Envoy compares with a {} only",
            if is_list { "list" } else { "single value" }
        ),
    );
    if !asked.claims.contains(&claim) {
        asked.claims.push(claim.clone());
    }
    Ok(condition(
        "claims",
        json!([{ "claim": claim, "any_of": [word] }]),
    ))
}

/// The word that a ValueMatcher compares with, and whether in a list.
fn wanted(at: &At<'_>) -> Try<(Json, bool)> {
    only(at, &["string_match", "bool_match", "list_match"])?;
    if let Some(list) = at.get("list_match") {
        only(&list, &["one_of"])?;
        let one = list.get("one_of");
        let one = one.ok_or_else(|| list.obstacle("it compares with nothing"))?;
        return match wanted(&one)? {
            (word, false) => Ok((word, true)),
            _ => Err(list.obstacle("a list in a list has no counterpart")),
        };
    }
    if let Some(text) = at.get("string_match") {
        only(&text, &["exact"])?;
        let word = text.text_of("exact");
        let word = word.ok_or_else(|| text.obstacle("only exact values have a counterpart"))?;
        return Ok((word.into(), false));
    }
    let flag = at.flag_of("bool_match");
    let flag = flag.ok_or_else(|| at.obstacle("it compares with nothing that a rule could"))?;
    Ok((flag.into(), false))
}
