//! What filters have told, put together as a document.

use std::collections::BTreeSet;

use anyhow::Result;
use modelgate_kit::explain::{Told, header_value};
use modelgate_scenario::engine::explained::{Exchange, Headers, Upstream};
use serde_json::Value as Json;

use super::document::{
    Answer, Asked, Change, Filter, Note, Outcome, Report, Route, Sent, State, VERSION, Verdict,
};
use super::{Found, Question};

/// What is shown in place of what must not be shown.
const HIDDEN: &str = "(not shown)";

/// Shorter texts are not looked for: they would be found in any text.
const SHORTEST: usize = 4;

/// The longest body of an answer that is shown, in bytes.
const LONGEST_BODY: usize = 4_096;

/// Puts together what was found.
pub(super) fn write(question: &Question, found: &Found) -> Result<Report> {
    let Found { exchange, .. } = found;
    let filters = filters(found);
    let mut report = Report {
        version: VERSION,
        verdict: verdict(found, &filters),
        request: Asked {
            method: question.request.method.clone(),
            authority: question.request.authority.clone(),
            path: question.request.path.clone(),
            body_bytes: question.request.body.bytes().len(),
            times: question.times,
        },
        route: Route {
            virtual_host: exchange.route.virtual_host.clone(),
            route: exchange.route.route.clone(),
            cluster: exchange.route.cluster.clone(),
        },
        assumptions: assumptions(question, found),
        filters,
        upstream: exchange
            .upstream
            .as_ref()
            .map(|upstream| sent(upstream, &exchange.sent, &question.request.body.bytes())),
        answer: Some(answer(exchange)),
    };
    if report.verdict.outcome == Outcome::Undecided {
        report.leave_open();
    }
    let mut json = serde_json::to_value(&report)?;
    let mut hidden: Vec<&str> = found.hidden.iter().map(String::as_str).collect();
    hidden.retain(|text| text.len() >= SHORTEST);
    // What holds another goes first.
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    hide(&mut json, &hidden);
    Ok(serde_json::from_value(json)?)
}

impl Report {
    /// Leaves out what would be said of a request that was refused for want of keys only here.
    fn leave_open(&mut self) {
        let why = self.verdict.undecided.clone().unwrap_or_default();
        self.answer = None;
        let verdict = &mut self.verdict;
        (verdict.status, verdict.reason, verdict.reference) = (None, None, None);
        for filter in &mut self.filters {
            filter.notes.retain(|note| note.phase != "end");
            for note in &mut filter.notes {
                if note.step == "verdict" && note.mark == "fail" {
                    note.text = format!("Undecided: {why}.");
                    note.mark = "info".to_owned();
                    note.data.clear();
                    filter.state = State::Undecided;
                }
            }
        }
    }
}

/// Takes out of every text what must not be shown.
fn hide(json: &mut Json, hidden: &[&str]) {
    match json {
        Json::String(text) => {
            for secret in hidden {
                if text.contains(secret) {
                    *text = text.replace(secret, HIDDEN);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| hide(item, hidden)),
        Json::Object(members) => members.values_mut().for_each(|member| hide(member, hidden)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn assumptions(question: &Question, found: &Found) -> Vec<String> {
    let mut all = Vec::new();
    for issuer in &found.issuers.assumed {
        all.push(format!(
            "The signatures of tokens of {issuer} are NOT checked: they are assumed to be genuine. What rests on that is marked [assumed]."
        ));
    }
    for issuer in &found.issuers.unchecked {
        all.push(format!(
            "The keys of {issuer} are not here: signatures of its tokens cannot be checked. Give them with --jwks {issuer}=FILE, or explain on with --assume-verified."
        ));
    }
    for source in &found.played {
        all.push(format!(
            "{source}: no token is fetched, a stand-in is sent in its place."
        ));
    }
    if !found.missing.is_empty() {
        all.push(format!(
            "Not set in the environment, so placeholders are used: {}.",
            found.missing.join(", ")
        ));
    }
    if found.exchange.upstream.is_some() {
        let status = question.answer.as_ref().map_or(200, |answer| answer.status);
        all.push(format!(
            "No model is called: its answer is assumed to be a {status}."
        ));
    }
    let callouts = found.explained.callouts();
    let refused: BTreeSet<&str> = callouts
        .iter()
        .filter(|asked| !asked.answered)
        .map(|asked| asked.cluster.as_str())
        .collect();
    if !refused.is_empty() {
        let names: Vec<&str> = refused.into_iter().collect();
        all.push(format!(
            "Calls of filters are not answered: {}.",
            names.join(", ")
        ));
    }
    all
}

/// What every filter told, in the order of the chain.
fn filters(found: &Found) -> Vec<Filter> {
    let Found { exchange, .. } = found;
    let notes = notes(&exchange.told, &found.issuers.assumed);
    let mut filters: Vec<Filter> = Vec::new();
    for entry in found.explained.entries() {
        let ran = exchange.ran.contains(&entry.name);
        let was_refused = exchange.fact("denied").is_some();
        let before = filters.len();
        for (told, note) in exchange.told.iter().zip(&notes) {
            if told.entry != entry.name {
                continue;
            }
            let of_entry = filters.iter_mut().skip(before);
            match of_entry
                .into_iter()
                .find(|filter| filter.filter == told.filter)
            {
                Some(filter) => filter.add(note),
                None => {
                    let mut filter = Filter {
                        entry: entry.name.clone(),
                        filter: told.filter.to_owned(),
                        state: State::GoesOn,
                        notes: Vec::new(),
                    };
                    filter.add(note);
                    filters.push(filter);
                }
            }
        }
        if filters.len() == before {
            filters.push(Filter {
                entry: entry.name.clone(),
                filter: String::new(),
                state: match (entry.own, ran) {
                    (true, true) => State::OfTheProxy,
                    (false, true) => State::GoesOn,
                    (_, false) if was_refused || exchange.route == Default::default() => {
                        State::NotReached
                    }
                    (_, false) => State::Off,
                },
                notes: Vec::new(),
            });
        }
    }
    filters
}

impl Filter {
    fn add(&mut self, note: &Note) {
        if note.step == "verdict" && note.mark == "fail" {
            self.state = State::Refused;
        }
        // A document may be read twice: what is found in one place is one finding.
        if note.step != "finding" || !self.notes.contains(note) {
            self.notes.push(note.clone());
        }
    }
}

/// What was told, with what rests on assumptions marked.
fn notes(told: &[Told], assumed: &BTreeSet<String>) -> Vec<Note> {
    let mut rests_on_assumption = false;
    let notes = told.iter().map(|told| {
        let mut json = serde_json::to_value(&told.note).unwrap_or_default();
        let mut text = |name: &str| {
            let member = json.as_object_mut().and_then(|members| members.remove(name));
            member.and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
        };
        let mut note = Note {
            step: text("step"),
            mark: text("mark"),
            text: text("text"),
            phase: told.phase.to_owned(),
            // What is told behind it is no longer about that place.
            place: match told.note.step {
                "finding" => told.place.clone(),
                _ => String::new(),
            },
            assumed: false,
            data: told.note.data.clone(),
        };
        let issuer = note.data.get("issuer").and_then(Json::as_str).unwrap_or_default();
        if note.step == "signature" && assumed.contains(issuer) {
            rests_on_assumption = true;
            note.text = format!("The signature is NOT checked: the keys of `{issuer}` are not here. The token is assumed to be genuine.");
            note.mark = "info".to_owned();
            note.data.insert("verified".to_owned(), false.into());
        }
        note.assumed = rests_on_assumption;
        note
    });
    notes.collect()
}

fn verdict(found: &Found, filters: &[Filter]) -> Verdict {
    let Found { exchange, .. } = found;
    let denied = exchange.fact("denied");
    let text = |name: &str| Some(denied.as_ref()?.get(name)?.as_str()?.to_owned());
    let (reason, filter) = (text("reason"), text("filter"));
    let notes = || filters.iter().flat_map(|filter| &filter.notes);
    let refusal = notes().find(|note| note.step == "verdict" && note.mark == "fail");
    let of = refusal.and_then(|note| note.data.get("reason_of")?.as_str());
    let undecided = undecided(found, reason.as_deref(), filters);
    let outcome = match (&undecided, &denied, &exchange.upstream) {
        (Some(_), _, _) => Outcome::Undecided,
        (None, Some(_), _) => Outcome::Refused,
        (None, None, Some(_)) => Outcome::GoesOn,
        (None, None, None) => Outcome::AnsweredByProxy,
    };
    Verdict {
        outcome,
        status: exchange.status(),
        reference: reason.as_ref().map(|_| {
            let page = of.map_or("every-filter".to_owned(), |of| match of {
                "kit" => "every-filter".to_owned(),
                filter => filter.replace('_', "-"),
            });
            format!("docs/reasons.md#{page}")
        }),
        reason,
        filter,
        undecided,
        assumed: notes().any(|note| note.assumed),
        first_refused: exchange.first_refused,
    }
}

/// Why nothing can be said: a token was refused whose signature could not be checked.
fn undecided(found: &Found, reason: Option<&str>, filters: &[Filter]) -> Option<String> {
    let hangs_on_keys = [
        "keys_unavailable",
        "signature_refused",
        "key_unknown",
        "key_unusable",
    ];
    if !hangs_on_keys.contains(&reason?) {
        return None;
    }
    let notes = filters.iter().flat_map(|filter| &filter.notes);
    let mut issuers = notes.filter(|note| note.step == "signature" && note.mark == "fail");
    let issuer = issuers.find_map(|note| {
        let issuer = note.data.get("issuer")?.as_str()?;
        found
            .issuers
            .unchecked
            .contains(issuer)
            .then(|| issuer.to_owned())
    })?;
    Some(format!(
        "the signature of the token is not checked, because the keys of {issuer} are not here"
    ))
}

fn sent(upstream: &Upstream, before: &Headers, body: &[u8]) -> Sent {
    let text = |name: &str| {
        let mut headers = upstream.headers.iter();
        let found = headers.find(|(header, _)| header == name);
        found
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .unwrap_or_default()
    };
    Sent {
        cluster: upstream.cluster.clone(),
        method: text(":method"),
        authority: text(":authority"),
        path: text(":path"),
        headers: changes(before, &upstream.headers),
        body_changed: upstream.body != body,
        body_bytes: upstream.body.len(),
    }
}

/// Headers that are not as they were, by name.
fn changes(before: &Headers, after: &Headers) -> Vec<Change> {
    let names: BTreeSet<&str> = before
        .iter()
        .chain(after)
        .map(|(name, _)| name.as_str())
        .collect();
    let values = |headers: &Headers, name: &str| -> Vec<Vec<u8>> {
        let those = headers.iter().filter(|(header, _)| header == name);
        those.map(|(_, value)| value.clone()).collect()
    };
    let changes = names.into_iter().filter_map(|name| {
        let (old, new) = (values(before, name), values(after, name));
        if old == new || (name.starts_with(':') && name != ":authority" && name != ":path") {
            return None;
        }
        let change = match (old.is_empty(), new.is_empty()) {
            (true, _) => "added",
            (false, true) => "removed",
            (false, false) => "changed",
        };
        Some(Change {
            name: name.to_owned(),
            change: change.to_owned(),
            value: (!new.is_empty()).then(|| header_value(name, &new.join(&b", "[..]))),
        })
    });
    changes.collect()
}

fn answer(exchange: &Exchange) -> Answer {
    // What a model server has answered is not ours to show.
    let is_own = exchange.upstream.is_none();
    let body = String::from_utf8_lossy(&exchange.body);
    Answer {
        status: exchange.status(),
        headers: exchange
            .headers
            .iter()
            .filter(|(name, _)| !name.starts_with(':'))
            .map(|(name, value)| (name.clone(), shown(name, value)))
            .collect(),
        body_bytes: exchange.body.len(),
        body: (is_own && !body.is_empty() && body.len() <= LONGEST_BODY).then(|| body.into_owned()),
        broken_off: !exchange.complete,
    }
}

/// A challenge says how to authenticate, and is no credential.
fn shown(name: &str, value: &[u8]) -> String {
    match name {
        "www-authenticate" => String::from_utf8_lossy(value).into_owned(),
        _ => header_value(name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_must_not_be_shown_is_taken_out_of_every_text() {
        let mut json = json!({"a": ["x secret y", 1], "b": {"c": "secretsecret"}});
        hide(&mut json, &["secret"]);
        assert_eq!(
            json,
            json!({"a": ["x (not shown) y", 1], "b": {"c": "(not shown)(not shown)"}})
        );
    }

    #[test]
    fn changes_of_headers_are_told_by_name() {
        let headers = |pairs: &[(&str, &str)]| -> Headers {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect()
        };
        let before = headers(&[
            (":path", "/a"),
            (":method", "GET"),
            ("x", "1"),
            ("authorization", "b"),
        ]);
        let after = headers(&[
            (":path", "/b"),
            (":method", "PUT"),
            ("x", "1"),
            ("api-key", "k"),
            ("y", "2"),
            ("y", "3"),
        ]);
        let told: Vec<_> = changes(&before, &after)
            .into_iter()
            .map(|change| (change.name, change.change, change.value.unwrap_or_default()))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(name, change, value)| (name.as_str(), change.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (":path", "changed", "/b"),
                ("api-key", "added", "(not shown, 1 bytes)"),
                ("authorization", "removed", ""),
                ("y", "added", "2, 3"),
            ]
        );
    }
}
