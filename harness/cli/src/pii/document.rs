//! What was found, as a document.

use modelgate_kit::explain::Told;
use serde::Serialize;
use serde_json::Value as Json;

use super::Question;

/// Version of this form.
const VERSION: u32 = 1;

/// What was found in a text.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// What the text was read as.
    pub content_type: String,
    /// Its length.
    pub bytes: usize,
    /// What would become of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was found, in the order of the text; in a stream, in the order in which it is decided.
    pub findings: Vec<Finding>,
}

/// What would become of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "snake_case")]
pub enum Outcome {
    /// It passes as it is.
    Passes,
    /// It passes with changes.
    Changes,
    /// It is refused, or a stream cut, for this reason.
    Refused(String),
}

impl Outcome {
    pub(super) fn of(refused: Option<String>, changes: bool) -> Self {
        match (refused, changes) {
            (Some(reason), _) => Self::Refused(reason),
            (None, true) => Self::Changes,
            (None, false) => Self::Passes,
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub entity: String,
    /// What that rests on: `context`, `shape` or `check`.
    pub certainty: String,
    /// Which of the entity's rules: the number's name, the key's prefix, the telephone's form.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// What becomes of it.
    pub action: String,
    /// What stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// The place of the document, such as `$.messages[0].content`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// Where its bytes stand; nothing in a stream.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The bytes; nothing if they are not to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Bytes of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first byte, counted from 0.
    pub start: usize,
    /// Behind the last one.
    pub end: usize,
    /// Line of the first byte, counted from 1.
    pub line: usize,
    /// Its column in characters, counted from 1.
    pub column: usize,
}

impl Report {
    pub(super) fn of(
        question: &Question,
        kind: &str,
        is_stream: bool,
        told: &[Told],
        outcome: Outcome,
    ) -> Self {
        let lines = Lines::of(&question.body);
        let notes = told.iter().filter(|told| told.note.step == "finding");
        let mut findings: Vec<Finding> = notes
            .map(|told| {
                let span = span(&told.note.data).filter(|_| !is_stream);
                let bytes = span.and_then(|(start, end)| question.body.get(start..end));
                let value = bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                Finding {
                    entity: word(&told.note.data, "entity"),
                    certainty: word(&told.note.data, "certainty"),
                    rule: word(&told.note.data, "rule"),
                    action: word(&told.note.data, "action"),
                    with: told
                        .note
                        .data
                        .get("with")
                        .and_then(Json::as_str)
                        .map(str::to_owned),
                    place: told.place.clone(),
                    span: span.map(|(start, end)| lines.span(&question.body, start, end)),
                    value: value.filter(|_| !question.redacted),
                }
            })
            .collect();
        if !is_stream {
            findings.sort_by_key(|finding| finding.span.map(|span| (span.start, span.end)));
            // A text that is read in two ways tells of some findings twice.
            findings.dedup();
        }
        Self {
            version: VERSION,
            content_type: kind.to_owned(),
            bytes: question.body.len(),
            outcome,
            findings,
        }
    }
}

fn word(data: &serde_json::Map<String, Json>, name: &str) -> String {
    let word = data.get(name).and_then(Json::as_str);
    word.unwrap_or_default().to_owned()
}

fn span(data: &serde_json::Map<String, Json>) -> Option<(usize, usize)> {
    let number = |name: &str| usize::try_from(data.get("bytes")?.get(name)?.as_u64()?).ok();
    Some((number("start")?, number("end")?))
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(body: &[u8]) -> Self {
        let ends = body.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let behind = ends.map(|(at, _)| at.saturating_add(1));
        Self(std::iter::once(0).chain(behind).collect())
    }

    fn span(&self, body: &[u8], start: usize, end: usize) -> Span {
        let line = self.0.partition_point(|begin| *begin <= start);
        let begin = line.checked_sub(1).and_then(|at| self.0.get(at));
        let before = body.get(begin.copied().unwrap_or_default()..start);
        let before = String::from_utf8_lossy(before.unwrap_or_default());
        Span {
            start,
            end,
            line,
            column: before.chars().count().saturating_add(1),
        }
    }
}
