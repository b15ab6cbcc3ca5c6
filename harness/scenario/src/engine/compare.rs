//! Comparing what was seen with what a scenario expects.

mod refusal;

use std::fmt;

use bytes::Bytes;
use serde_json::Value as Json;

use super::{Ended, Exchange, Observations, Received};
use crate::file::expect::{ClientExpect, EndExpect, RequestExpect, ServerExpect};
use crate::file::value::{BodyExpect, FactExpect, HeaderExpect, TextExpect};
use crate::file::{EngineName, Headers, Scenario, StepExpect, UPSTREAM};

/// How much of a text a message quotes.
const QUOTED: usize = 300;

/// A field in which expectation and observation differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Path of the field: `client.status`, `requests[2].client.headers.x`, `upstream.path`,
    /// `metrics.NAME`.
    pub field: String,
    /// What was expected and what was seen.
    pub message: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The differences that are failures: those not declared, and declared ones that did not show.
pub fn judged(scenario: &Scenario, engine: &EngineName, seen: &Observations) -> Vec<Mismatch> {
    let mut mismatches = mismatches(scenario, seen);
    mismatches.extend(refusal::lacks(seen, engine.profile().adds_headers));
    for divergence in scenario
        .diverges
        .iter()
        .filter(|divergence| !divergence.one_entry && divergence.engine.covers(engine))
    {
        for field in &divergence.fields {
            let before = mismatches.len();
            mismatches.retain(|mismatch| !within(&mismatch.field, field));
            if mismatches.len() == before {
                mismatches.push(Mismatch {
                    field: field.clone(),
                    message: format!(
                        "declared to diverge on {engine} ({}), but it is as expected",
                        divergence.because
                    ),
                });
            }
        }
    }
    mismatches
}

/// Whether `field` is `prefix` or a part of it.
fn within(field: &str, prefix: &str) -> bool {
    field
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// All differences between what a scenario expects and what was seen.
pub fn mismatches(scenario: &Scenario, seen: &Observations) -> Vec<Mismatch> {
    let mut compare = Compare {
        found: Vec::new(),
        prefix: String::new(),
    };
    let expect = &scenario.expect;
    match (&expect.start_refused, &seen.refused) {
        (Some(want), Some(message)) => compare.text("start.refused", want, message),
        (Some(_), None) => compare.differ("start.refused", "the proxy started".into()),
        (None, Some(message)) => {
            compare.differ(
                "start",
                format!("the proxy did not start: {}", quote(message)),
            );
            return compare.found;
        }
        (None, None) => {}
    }
    let alone = scenario.exchanges() == 1;
    for (number, exchange) in seen.exchanges.iter().enumerate() {
        compare.prefix = if alone {
            String::new()
        } else {
            format!("requests[{}].", exchange.step)
        };
        let empty = StepExpect::default();
        let step = scenario
            .steps
            .get(exchange.step)
            .and_then(|step| step.traffic());
        let in_step = step.map_or(&empty, |traffic| &traffic.expect);
        compare.exchange(in_step, exchange);
        if alone {
            compare.exchange(&expect.one, exchange);
        }
        if let Some(want) = &in_step.upstream {
            let during: Vec<&Received> = received(seen, UPSTREAM)
                .filter(|received| received.during == Some(number))
                .collect();
            compare.server("upstream", want, &during);
        }
    }
    compare.prefix.clear();
    if seen.exchanges.len() != scenario.exchanges() && seen.refused.is_none() {
        let message = format!(
            "{} were sent, {} are accounted for",
            scenario.exchanges(),
            seen.exchanges.len()
        );
        compare.differ("requests", message);
    }
    if let Some(want) = &expect.statuses {
        compare.statuses(want, seen);
    }
    for (cluster, want) in &expect.servers {
        let field = if cluster == UPSTREAM {
            UPSTREAM.to_owned()
        } else {
            format!("clusters.{cluster}")
        };
        compare.server(&field, want, &received(seen, cluster).collect::<Vec<_>>());
    }
    for (name, want) in &expect.metrics {
        let value = seen.metrics.get(name).copied().unwrap_or_default();
        if !want.holds(value) {
            compare.differ(
                &format!("metrics.{name}"),
                format!("expected {want}, saw {value}"),
            );
        }
    }
    if let Some(want) = &expect.logs {
        compare.text("logs", want, &seen.logs);
    }
    compare.found
}

fn received<'a>(seen: &'a Observations, cluster: &str) -> impl Iterator<Item = &'a Received> {
    seen.received.get(cluster).into_iter().flatten()
}

struct Compare {
    found: Vec<Mismatch>,
    prefix: String,
}

impl Compare {
    fn differ(&mut self, field: &str, message: String) {
        let mismatch = Mismatch {
            field: format!("{}{field}", self.prefix),
            message,
        };
        // Copies of one step that fail alike are said once.
        if !self.found.contains(&mismatch) {
            self.found.push(mismatch);
        }
    }

    fn exchange(&mut self, want: &StepExpect, seen: &Exchange) {
        if let Some(client) = &want.client {
            self.client(client, seen);
        }
        for (field, want, seen) in [
            ("details", &want.details, &seen.details),
            ("flags", &want.flags, &seen.flags),
        ] {
            match (want, seen) {
                (Some(want), Some(seen)) => self.text(field, want, seen),
                (Some(_), None) => self.differ(field, "not in the access log".into()),
                (None, _) => {}
            }
        }
        for (name, want) in &want.facts {
            self.fact(&format!("facts.{name}"), want, seen.facts.get(name));
        }
    }

    fn client(&mut self, want: &ClientExpect, seen: &Exchange) {
        let ended = match want.end() {
            EndExpect::Complete => matches!(seen.end, Ended::Complete | Ended::Left),
            EndExpect::Reset => seen.end == Ended::Reset,
            EndExpect::Hangs(_) => seen.end == Ended::Hung,
        };
        if !ended {
            let expected = match want.end() {
                EndExpect::Complete => Ended::Complete,
                EndExpect::Reset => Ended::Reset,
                EndExpect::Hangs(_) => Ended::Hung,
            };
            self.differ(
                "client.end",
                format!(
                    "expected {expected}, saw {} (status {})",
                    seen.end,
                    status(seen.status)
                ),
            );
        }
        if let Some(want) = want.status()
            && seen.status != Some(want)
        {
            let body = quote(&String::from_utf8_lossy(&seen.body));
            self.differ(
                "client.status",
                format!(
                    "expected {want}, saw {} with body {body}",
                    status(seen.status)
                ),
            );
        }
        if let Some(want) = &want.reason {
            let reason = reason(&seen.headers, &seen.body);
            if reason.as_ref() != Some(want) {
                let body = quote(&String::from_utf8_lossy(&seen.body));
                self.differ(
                    "client.reason",
                    format!(
                        "expected {want}, saw {} in {body}",
                        reason.as_deref().unwrap_or("none")
                    ),
                );
            }
        }
        self.headers("client.headers", &want.headers, &seen.headers);
        self.headers("client.trailers", &want.trailers, &seen.trailers);
        if let Some(want) = &want.body {
            self.body("client.body", want, &seen.body);
        }
    }

    fn server(&mut self, field: &str, want: &ServerExpect, seen: &[&Received]) {
        let summary = || {
            let paths: Vec<String> = seen
                .iter()
                .map(|request| format!("{} {}", request.method, request.path))
                .collect();
            if paths.is_empty() {
                "nothing".into()
            } else {
                quote(&paths.join(", "))
            }
        };
        match want {
            ServerExpect::Untouched if seen.is_empty() => {}
            ServerExpect::Untouched => {
                self.differ(field, format!("expected nothing, received {}", summary()))
            }
            ServerExpect::List(list) => {
                if list.len() != seen.len() {
                    self.differ(
                        &format!("{field}.requests"),
                        format!(
                            "expected {}, received {}: {}",
                            list.len(),
                            seen.len(),
                            summary()
                        ),
                    );
                }
                for (index, (want, seen)) in list.iter().zip(seen).enumerate() {
                    self.request(&format!("{field}[{index}]"), want, seen);
                }
            }
            ServerExpect::Each(count, want) => {
                match count {
                    Some(count) if count.holds(u64::try_from(seen.len()).unwrap_or(u64::MAX)) => {}
                    Some(count) => {
                        self.differ(
                            &format!("{field}.requests"),
                            format!("expected {count}, received {}: {}", seen.len(), summary()),
                        );
                    }
                    None if seen.is_empty() => self.differ(
                        &format!("{field}.requests"),
                        "expected some, received nothing".into(),
                    ),
                    None => {}
                }
                for seen in seen {
                    self.request(field, want, seen);
                }
            }
        }
    }

    fn request(&mut self, field: &str, want: &RequestExpect, seen: &Received) {
        let texts = [
            ("method", &want.method, &seen.method),
            ("path", &want.path, &seen.path),
            ("authority", &want.authority, &seen.authority),
        ];
        for (name, want, seen) in texts {
            if let Some(want) = want {
                self.text(&format!("{field}.{name}"), want, seen);
            }
        }
        self.headers(&format!("{field}.headers"), &want.headers, &seen.headers);
        self.headers(&format!("{field}.trailers"), &want.trailers, &seen.trailers);
        if let Some(want) = &want.body {
            self.body(&format!("{field}.body"), want, &seen.body);
        }
        if let Some(want) = want.complete
            && want != seen.complete
        {
            self.differ(
                &format!("{field}.complete"),
                format!("expected {want}, saw {}", seen.complete),
            );
        }
    }

    fn headers(&mut self, field: &str, want: &[(String, HeaderExpect)], seen: &Headers) {
        for (name, want) in want {
            let field = format!("{field}.{name}");
            let values: Vec<String> = seen
                .iter()
                .filter(|(seen, _)| seen == name)
                .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                .collect();
            match want {
                HeaderExpect::Absent if values.is_empty() => {}
                HeaderExpect::Present if !values.is_empty() => {}
                HeaderExpect::Absent => self.differ(
                    &field,
                    format!("expected none, saw {}", quote(&values.join(" | "))),
                ),
                HeaderExpect::Present => self.differ(&field, "expected one, saw none".into()),
                HeaderExpect::Values(want) if want.len() != values.len() => {
                    let seen = if values.is_empty() {
                        "none".into()
                    } else {
                        quote(&values.join(" | "))
                    };
                    self.differ(
                        &field,
                        format!(
                            "expected {} of it, saw {}: {seen}",
                            want.len(),
                            values.len()
                        ),
                    );
                }
                HeaderExpect::Values(want) => want
                    .iter()
                    .zip(&values)
                    .for_each(|(want, value)| self.text(&field, want, value)),
            }
        }
    }

    fn body(&mut self, field: &str, want: &BodyExpect, seen: &[u8]) {
        self.text(field, &want.text, &String::from_utf8_lossy(seen));
        if let Some(want) = want.bytes
            && !want.holds(u64::try_from(seen.len()).unwrap_or(u64::MAX))
        {
            self.differ(
                &format!("{field}.bytes"),
                format!("expected {want}, saw {}", seen.len()),
            );
        }
        if let Some(want) = &want.json {
            match serde_json::from_slice(seen) {
                Ok(seen) => self.json(&format!("{field}.json"), want, &seen),
                Err(_) => self.differ(
                    &format!("{field}.json"),
                    format!("not JSON: {}", quote(&String::from_utf8_lossy(seen))),
                ),
            }
        }
    }

    fn fact(&mut self, field: &str, want: &FactExpect, seen: Option<&Bytes>) {
        match (want, seen) {
            (FactExpect::Absent, None) => {}
            (FactExpect::Absent, Some(seen)) => self.differ(
                field,
                format!(
                    "expected none, saw {}",
                    quote(&String::from_utf8_lossy(seen))
                ),
            ),
            (_, None) => self.differ(field, "nobody left it".into()),
            (FactExpect::Text(want), Some(seen)) => {
                self.text(field, want, &String::from_utf8_lossy(seen))
            }
            (FactExpect::Json(want), Some(seen)) => match serde_json::from_slice(seen) {
                Ok(seen) => self.json(field, want, &seen),
                Err(_) => self.differ(
                    field,
                    format!("not JSON: {}", quote(&String::from_utf8_lossy(seen))),
                ),
            },
        }
    }

    fn text(&mut self, field: &str, want: &TextExpect, seen: &str) {
        if let Some(exact) = &want.exact
            && exact != seen
        {
            self.differ(
                field,
                format!("expected {}, saw {}", quote(exact), quote(seen)),
            );
        }
        for part in &want.contains {
            if !seen.contains(part.as_str()) {
                self.differ(field, format!("{} is not in {}", quote(part), quote(seen)));
            }
        }
        for part in &want.lacks {
            if seen.contains(part.as_str()) {
                self.differ(
                    field,
                    format!(
                        "{} must not be in {}",
                        quote(part),
                        quote(&around(seen, part))
                    ),
                );
            }
        }
        if let Some(shape) = &want.matches
            && !like(shape, seen)
        {
            self.differ(
                field,
                format!("expected the shape {}, saw {}", quote(shape), quote(seen)),
            );
        }
    }

    /// `want` must be in `seen`: members of objects may be more, everything else is equal.
    fn json(&mut self, field: &str, want: &Json, seen: &Json) {
        match (want, seen) {
            (Json::Object(want), Json::Object(seen)) => {
                for (name, want) in want {
                    match seen.get(name) {
                        Some(seen) => self.json(&format!("{field}.{name}"), want, seen),
                        None => self.differ(
                            &format!("{field}.{name}"),
                            format!("expected {want}, saw no such member"),
                        ),
                    }
                }
            }
            (Json::Array(want), Json::Array(seen)) if want.len() == seen.len() => {
                for (index, (want, seen)) in want.iter().zip(seen).enumerate() {
                    self.json(&format!("{field}[{index}]"), want, seen);
                }
            }
            (Json::Number(want), Json::Number(seen)) if want.as_f64() == seen.as_f64() => {}
            (want, seen) if want == seen => {}
            (want, seen) => self.differ(
                field,
                format!(
                    "expected {}, saw {}",
                    quote(&want.to_string()),
                    quote(&seen.to_string())
                ),
            ),
        }
    }

    fn statuses(
        &mut self,
        want: &std::collections::BTreeMap<u16, crate::file::value::Count>,
        seen: &Observations,
    ) {
        let counted = |status: u16| {
            seen.exchanges
                .iter()
                .filter(|exchange| exchange.status == Some(status))
                .count()
        };
        for (code, want) in want {
            let count = counted(*code);
            if !want.holds(u64::try_from(count).unwrap_or(u64::MAX)) {
                self.differ(
                    &format!("statuses.{code}"),
                    format!("expected {want}, saw {count}"),
                );
            }
        }
        for exchange in &seen.exchanges {
            if exchange
                .status
                .is_none_or(|status| !want.contains_key(&status))
            {
                self.differ(
                    "statuses",
                    format!(
                        "saw {}, which is not among the expected ones",
                        status(exchange.status)
                    ),
                );
            }
        }
    }
}

/// The reason code of a refusal: the member that each error dialect keeps it in.
pub fn reason(headers: &Headers, body: &[u8]) -> Option<String> {
    let from_body = serde_json::from_slice::<Json>(body).ok().and_then(|json| {
        let places = ["/code", "/error/code", "/__type", "/error/type"];
        places.iter().find_map(|place| {
            json.pointer(place)
                .and_then(Json::as_str)
                .map(str::to_owned)
        })
    });
    let from_header = || {
        let (_, value) = headers
            .iter()
            .find(|(name, _)| name == "x-modelgate-reason")?;
        String::from_utf8(value.to_vec()).ok()
    };
    from_header().or(from_body)
}

fn status(status: Option<u16>) -> String {
    status.map_or_else(|| "no status".into(), |status| status.to_string())
}

/// Whether `text` has a shape in which `*` stands for anything, also nothing.
fn like(shape: &str, text: &str) -> bool {
    let Some((first, rest)) = shape.split_once('*') else {
        return shape == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push_str(" …");
    }
    format!("{quoted:?}")
}

/// The surroundings of a part of a text.
fn around(text: &str, part: &str) -> String {
    let before = text.split(part).next().unwrap_or_default();
    let skipped = before.chars().count().saturating_sub(60);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests;
