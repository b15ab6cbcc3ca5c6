//! What is said of a request, for people.

use std::fmt::Write as _;

use modelgate_demo::report::Report as Paper;
use serde_json::Value as Json;

use super::document::{Answer, Filter, Note, Outcome, Report, Sent, State};

/// Of so many rules that do not fit, some are left out.
const MANY: usize = 40;

/// The text of a report, as `paper` wants it.
pub fn text(report: &Report, paper: &Paper) -> String {
    let mut out = String::new();
    let asked = &report.request;
    let _ = writeln!(out, "{}", paper.wrapped("", &headline(report)));
    let times = match asked.times {
        1 => String::new(),
        times => format!(", sent {times} times"),
    };
    let what = format!(
        "{} {} for {}, {} bytes of body{times}",
        asked.method, asked.path, asked.authority, asked.body_bytes
    );
    let _ = writeln!(out, "\n{}", paper.wrapped("request   ", &what));
    let route = &report.route;
    if !route.virtual_host.is_empty() {
        let name = match route.route.as_str() {
            "" => String::new(),
            name => format!(", route {name}"),
        };
        let to = match route.cluster.as_str() {
            "" => "answered by the proxy".to_owned(),
            cluster => format!("cluster {cluster}"),
        };
        let text = format!("virtual host {}{name}, {to}", route.virtual_host);
        let _ = writeln!(out, "{}", paper.wrapped("route     ", &text));
    }
    for (at, assumption) in report.assumptions.iter().enumerate() {
        let first = if at == 0 { "mind      " } else { "          " };
        let _ = writeln!(out, "{}", paper.wrapped(first, assumption));
    }
    for filter in &report.filters {
        out.push_str(&of_filter(filter, paper));
    }
    if let Some(answer) = &report.answer {
        let _ = writeln!(out, "\n{}", paper.strong("upstream"));
        match &report.upstream {
            Some(sent) => out.push_str(&of_upstream(sent, paper)),
            None => out.push_str("  · It gets nothing.\n"),
        }
        let _ = writeln!(out, "\n{}", paper.strong("client"));
        out.push_str(&of_answer(answer, paper));
    }
    for filter in &report.filters {
        let mut last = filter.notes.iter().filter(|note| is_last(note)).peekable();
        if last.peek().is_some() {
            let name = filter.filter.replace('_', "-");
            let _ = writeln!(out, "\n{}, at the end", paper.strong(&name));
            last.for_each(|note| out.push_str(&of_note(note, paper)));
        }
    }
    out
}

/// Whether it was told when all was over.
fn is_last(note: &Note) -> bool {
    note.phase == "end"
}

/// The answer to the question, in a sentence.
fn headline(report: &Report) -> String {
    let verdict = &report.verdict;
    let status = verdict
        .status
        .map_or_else(|| "no status".to_owned(), |status| status.to_string());
    let mark = if verdict.assumed { " [assumed]" } else { "" };
    let said = match (verdict.outcome, &verdict.undecided) {
        (Outcome::Undecided, Some(why)) => format!("Undecided: {why}."),
        (Outcome::Undecided, None) => "Undecided.".to_owned(),
        (Outcome::GoesOn, _) => {
            let cluster = report.upstream.as_ref().map(|sent| sent.cluster.as_str());
            format!(
                "Goes on to {}; the client gets {status}.",
                cluster.unwrap_or_default()
            )
        }
        (Outcome::AnsweredByProxy, _) => format!("Answered by the proxy itself with {status}."),
        (Outcome::Refused, _) => format!(
            "Refused by {}: {status} {} ({}).",
            verdict
                .filter
                .as_deref()
                .unwrap_or_default()
                .replace('_', "-"),
            verdict.reason.as_deref().unwrap_or_default(),
            verdict.reference.as_deref().unwrap_or_default(),
        ),
    };
    let first = match (verdict.first_refused, report.request.times) {
        (Some(first), times) if times > 1 => {
            format!(" Request {first} is the first to be refused.")
        }
        _ => String::new(),
    };
    format!("{said}{first}{mark}")
}

fn of_filter(filter: &Filter, paper: &Paper) -> String {
    let name = filter.filter.replace('_', "-");
    let entry = match (name.as_str(), filter.entry.as_str()) {
        ("", entry) => entry.to_owned(),
        (name, entry) if name == entry.replace('_', "-") => name.to_owned(),
        (name, entry) => format!("{name} (entry {entry})"),
    };
    let state = match filter.state {
        State::NotReached => Some("not reached"),
        State::Off => Some("switched off for this route"),
        State::OfTheProxy => Some("a filter of the proxy's own, which tells nothing"),
        State::GoesOn | State::Refused | State::Undecided => None,
    };
    let mut out = String::new();
    match state {
        Some(state) => {
            let _ = writeln!(out, "\n{}: {}", paper.strong(&entry), paper.faint(state));
        }
        None => {
            let _ = writeln!(out, "\n{}", paper.strong(&entry));
        }
    }
    let no_fit = |note: &&Note| {
        note.data
            .get("result")
            .is_some_and(|result| result == "no_fit")
    };
    let mut left_out = filter
        .notes
        .iter()
        .filter(no_fit)
        .count()
        .saturating_sub(MANY);
    let said_left_out = left_out;
    for note in filter.notes.iter().filter(|note| !is_last(note)) {
        if no_fit(&note) && left_out > 0 {
            left_out = left_out.saturating_sub(1);
            if left_out == 0 {
                let text =
                    format!("{said_left_out} more rules do not fit; --format json tells of them.");
                let _ = writeln!(out, "{}", paper.wrapped("  · ", &text));
            }
            continue;
        }
        out.push_str(&of_note(note, paper));
    }
    out
}

fn of_note(note: &Note, paper: &Paper) -> String {
    let place = match note.place.as_str() {
        "" => String::new(),
        place => format!(" At {place}{}.", span(note)),
    };
    let side = match (note.phase.as_str(), note.step.as_str()) {
        ("response", step) if step != "verdict" => "Answer: ",
        _ => "",
    };
    let mark = if note.assumed { " [assumed]" } else { "" };
    let text = format!("{side}{}{place}{mark}", note.text);
    let first = match note.mark.as_str() {
        "pass" => "  ✓ ",
        "fail" => "  ✗ ",
        _ => "  · ",
    };
    let wrapped = paper.wrapped(first, &text);
    let painted = match note.mark.as_str() {
        "pass" => wrapped.replacen('✓', &paper.mark(true), 1),
        "fail" => wrapped.replacen('✗', &paper.mark(false), 1),
        _ => wrapped,
    };
    let mut out = format!("{painted}\n");
    if let Some(request) = note.data.get("canonical_request").and_then(Json::as_str) {
        out.push_str(&block("the canonical request:", request, paper));
    }
    if let Some(event) = note.data.get("event") {
        out.push_str(&block("", &format!("{event:#}"), paper));
    }
    out
}

/// Where in a text a finding is.
fn span(note: &Note) -> String {
    let at = |name: &str| note.data.get("span")?.get(name)?.as_u64();
    match (at("start"), at("end")) {
        (Some(start), Some(end)) => format!(", bytes {start} to {end}"),
        _ => String::new(),
    }
}

fn block(title: &str, text: &str, paper: &Paper) -> String {
    let mut out = String::new();
    if !title.is_empty() {
        let _ = writeln!(out, "    {}", paper.faint(title));
    }
    for line in text.lines() {
        let _ = writeln!(out, "      {}", paper.faint(line));
    }
    out
}

fn of_upstream(sent: &Sent, paper: &Paper) -> String {
    let text = format!("{} {} for {}", sent.method, sent.path, sent.authority);
    let mut out = format!(
        "{}\n",
        paper.wrapped(&format!("  · {}: ", sent.cluster), &text)
    );
    for change in &sent.headers {
        let text = match &change.value {
            Some(value) => format!("{} {}: {value}", change.change, change.name),
            None => format!("{} {}", change.change, change.name),
        };
        let _ = writeln!(out, "{}", paper.wrapped("  · ", &text));
    }
    let body = match sent.body_changed {
        true => format!("another body: {} bytes", sent.body_bytes),
        false => format!("the body as it was: {} bytes", sent.body_bytes),
    };
    let _ = writeln!(out, "  · {body}");
    out
}

fn of_answer(answer: &Answer, paper: &Paper) -> String {
    let status = answer
        .status
        .map_or_else(|| "no status".to_owned(), |status| status.to_string());
    let broken = if answer.broken_off {
        ", broken off"
    } else {
        ""
    };
    let mut out = format!(
        "  · {status}, {} bytes of body{broken}\n",
        answer.body_bytes
    );
    for (name, value) in &answer.headers {
        let _ = writeln!(
            out,
            "{}",
            paper.wrapped("  · ", &format!("{name}: {value}"))
        );
    }
    if let Some(body) = &answer.body {
        let json: Result<Json, _> = serde_json::from_str(body);
        out.push_str(&block(
            "",
            &json.map_or_else(|_| body.clone(), |json| format!("{json:#}")),
            paper,
        ));
    }
    out
}
