//! What was found, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use modelgate_demo::report::Report as Paper;

use super::{Finding, Outcome, Report};

/// How much of a line is shown around a finding, in characters.
const AROUND: usize = 60;

/// The text of a report about `body`, as `paper` wants it.
pub fn text(report: &Report, body: &[u8], redacted: bool, paper: &Paper) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let place = match (finding.span, finding.place.as_str()) {
            (Some(span), "") => format!("{}:{}", span.line, span.column),
            (Some(span), place) => format!("{}:{} {place}", span.line, span.column),
            (None, "") => "in the stream".to_owned(),
            (None, place) => place.to_owned(),
        };
        let rule = match finding.rule.as_str() {
            "" => String::new(),
            rule => format!(" ({rule})"),
        };
        let head = format!(
            "{}{rule}, by {}: {}",
            paper.strong(&finding.entity),
            why(&finding.certainty),
            becomes(finding)
        );
        let _ = writeln!(out, "{place}  {head}");
        if let Some(line) = shown(finding, body, paper).filter(|_| !redacted) {
            let _ = writeln!(out, "    {line}");
        }
    }
    let count = report.findings.len();
    let found = match count {
        0 => "Nothing is found".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    let becomes = match &report.outcome {
        Outcome::Passes => "it passes as it is".to_owned(),
        Outcome::Changes => "it passes with these changes".to_owned(),
        Outcome::Refused(reason) => format!("it is refused: {reason}"),
    };
    let kind = &report.content_type;
    let _ = writeln!(
        out,
        "{found} in {} bytes of {kind}; {becomes}.",
        report.bytes
    );
    out
}

/// How many findings of each entity and rule the reports of several texts have, most first; `names`
/// are the texts', of which those with findings are told.
pub fn summary(reports: &[(String, Report)]) -> String {
    let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut out = String::new();
    for (name, report) in reports {
        for finding in &report.findings {
            let row = (
                finding.entity.as_str(),
                finding.rule.as_str(),
                finding.certainty.as_str(),
            );
            let count = counts.entry(row).or_default();
            *count = count.saturating_add(1);
        }
        match &report.outcome {
            Outcome::Refused(reason) => {
                let _ = writeln!(
                    out,
                    "{name}: {} found, refused: {reason}",
                    report.findings.len()
                );
            }
            _ if !report.findings.is_empty() => {
                let _ = writeln!(out, "{name}: {} found", report.findings.len());
            }
            _ => {}
        }
    }
    let mut rows: Vec<_> = counts.into_iter().collect();
    rows.sort_by_key(|(row, count)| (core::cmp::Reverse(*count), *row));
    for ((entity, rule, certainty), count) in &rows {
        let rule = if rule.is_empty() { "" } else { rule };
        let _ = writeln!(out, "{count:8}  {entity:16} {certainty:8} {rule}");
    }
    let found: usize = rows.iter().map(|(_, count)| count).sum();
    let bytes: usize = reports.iter().map(|(_, report)| report.bytes).sum();
    let _ = writeln!(
        out,
        "{found} found in {bytes} bytes of {} texts.",
        reports.len()
    );
    out
}

/// What a finding rests on, in words.
fn why(certainty: &str) -> &str {
    match certainty {
        "context" => "a word beside it",
        "shape" => "its shape",
        "check" => "check digits or a prefix that nothing else has",
        other => other,
    }
}

fn becomes(finding: &Finding) -> String {
    match (finding.action.as_str(), &finding.with) {
        ("report", _) => "passes, and is counted".to_owned(),
        ("block", _) => "refuses the message".to_owned(),
        (action, Some(with)) => format!("{action}, as {with}"),
        (action, None) => action.to_owned(),
    }
}

/// The line that a finding stands in, with it highlighted.
fn shown(finding: &Finding, body: &[u8], paper: &Paper) -> Option<String> {
    let span = finding.span?;
    let before = body.get(..span.start)?;
    let begin = before.iter().rposition(|byte| *byte == b'\n');
    let before = before.get(begin.map_or(0, |at| at.saturating_add(1))..)?;
    let behind = body.get(span.end..)?;
    let end = behind.iter().position(|byte| *byte == b'\n');
    let behind = behind.get(..end.unwrap_or(behind.len()))?;
    let before = plain(before);
    let skip = before.chars().count().saturating_sub(AROUND);
    let front: String = before.chars().skip(skip).collect();
    let behind = plain(behind);
    let back: String = behind.chars().take(AROUND).collect();
    let value = plain(body.get(span.start..span.end)?);
    let left = if skip > 0 { "…" } else { "" };
    let right = if back.len() < behind.len() { "…" } else { "" };
    let marked = paper.highlighted(&value);
    Some(format!("{left}{front}{marked}{back}{right}"))
}

/// Bytes as a terminal can show them: without control characters.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown = |one: char| if one.is_control() { '␦' } else { one };
    text.chars()
        .map(|one| match one {
            '\n' => '⏎',
            '\t' => ' ',
            other => shown(other),
        })
        .collect()
}
