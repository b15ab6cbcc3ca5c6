//! Finds personal data and credentials in text.
//!
//! Algorithm: one pass looks for anchors, the few bytes without which nothing can begin or be
//! recognised (digits, `@`, `:`, `;`, `-`, `_`, `I`, `J`; `anchor`); each anchor is verified by
//! hand by the module of its kind, which reads a bounded stretch around it: lengths, separators,
//! check digits, word boundaries, context words. Where two findings overlap the one that began
//! earlier keeps its start, unless the later one holds it whole. The same text gives the same
//! findings.
//!
//! Text with invisible characters, digits of other scripts or full-width forms is scanned as it
//! reads, too, and for keys with letters that look like Latin ones (`fold`).
//!
//! Names and addresses of the post are read by themselves, where they are asked for (`people`).
//!
//! What it cannot do: whatever needs a language model; data that is spelled out or encoded (base64;
//! escapes and character references but for the `@` of an address).

mod anchor;
pub(crate) mod armor;
pub(crate) mod behind;
mod bic;
pub(crate) mod boundary;
mod card;
mod class;
mod columns;
mod copies;
pub(crate) mod countries;
mod crypto;
mod custom_name;
pub(crate) mod dates;
mod decimal;
mod digits;
pub(crate) mod email;
mod entity;
pub(crate) mod fold;
mod forms;
mod groups;
mod hints;
mod iban;
mod id;
pub(crate) mod ids;
mod ip;
mod leads;
mod lists;
mod lookalikes;
mod mac;
mod meaning;
pub(crate) mod mrz;
mod named;
mod names;
mod number;
mod passed;
pub(crate) mod people;
pub(crate) mod phone;
pub(crate) mod secret;
mod signed;
pub(crate) mod spelled;
mod ssn;
mod token;
pub(crate) mod web_token;
pub(crate) mod why;
pub(crate) mod words;

use anchor::Anchors;
use columns::Column;
use core::ops::Range;

pub use columns::Columns;
pub use custom_name::Custom;
pub use decimal::read as read_number;
pub use entity::{Entity, EntitySet};
pub use groups::SHORTEST as SHORTEST_NUMBER;
pub use iban::LONGEST as LONGEST_IBAN;
pub use meaning::Meaning;
pub use number::{judge as judge_number, judge_groups};
pub use token::Quotes;

/// What a finding rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Its shape alone would be weak: a word beside it tells.
    Context,
    /// Its shape.
    Shape,
    /// Check digits, or a prefix that nothing else has.
    Check,
}

impl Certainty {
    /// The name in configuration and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Certainty::Context => "context",
            Certainty::Shape => "shape",
            Certainty::Check => "check",
        }
    }
}

/// One finding: bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands; both ends are character boundaries.
    pub span: Range<usize>,
    /// What it is.
    pub entity: Entity,
    /// What that rests on.
    pub certainty: Certainty,
    /// If it is a number of JSON inside the text: the quotes that a string in its place needs.
    pub quotes: Option<Quotes>,
}

/// The name of a text, and what is known about it.
pub type Label<'a> = (&'a str, &'a Meaning);

/// Bytes of a label that are read: its end, as much as is read of the text before a finding.
pub const LABEL: usize = boundary::LOOK_BEHIND;

/// The text under scan, with what is known about its left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// All of it, the look-behind first.
    pub text: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Where findings may begin: what stands before has been judged.
    pub floor: usize,
    /// Where the last finding ends.
    pub found_until: Option<usize>,
    /// What the text is called: the name of the JSON member or form field that holds it.
    pub label: &'a str,
    /// What that says, as far as it has been read.
    pub meaning: &'a Meaning,
    /// What is looked for.
    pub wanted: EntitySet,
}

/// Finds everything of the `wanted` kinds in `text[floor..]`; what stands before `floor` is only
/// read for context. `label` is the name under which the text is known (a JSON member), or empty.
///
/// The findings ascend and do not overlap.
#[must_use]
pub fn scan(text: &str, floor: usize, label: &str, wanted: EntitySet) -> Vec<Finding> {
    scan_called(text, floor, (label, &Meaning::default()), wanted)
}

/// The same of a text with a name of which something may be known from others.
#[must_use]
pub fn scan_called(text: &str, floor: usize, label: Label<'_>, wanted: EntitySet) -> Vec<Finding> {
    if wanted.has_people() {
        let findings = scan_called(text, floor, label, wanted.without_people());
        return together(findings, people::find(text, floor, label.0, wanted));
    }
    whole(text, floor, label, wanted).unwrap_or_else(|| scan_within(text, floor, label, wanted))
}

/// The findings in a text that is a secret or a code as a whole.
fn whole(text: &str, floor: usize, label: Label<'_>, wanted: EntitySet) -> Option<Vec<Finding>> {
    if floor == 0
        && wanted.has(Entity::Secret)
        && let Some(secret) = named::whole(text, label)
    {
        return Some(whole_or(secret, scan_read(text, floor, label, wanted).0));
    }
    let code = (floor == 0 && wanted.has(Entity::Bic)).then(|| bic::whole(text, label));
    code.flatten().map(|code| vec![code])
}

/// The findings in a text that is no whole.
fn scan_within(text: &str, floor: usize, label: Label<'_>, wanted: EntitySet) -> Vec<Finding> {
    let has_lines = || memchr::memchr(b'\n', text.as_bytes()).is_some();
    // Most names and short values hold nothing.
    let (findings, has_cells) =
        match anchor::is_none_in(text.as_bytes().get(floor..).unwrap_or_default()) {
            true if !has_lines() => return Vec::new(),
            true => (Vec::new(), false),
            false => scan_read(text, floor, label, wanted),
        };
    if (has_cells && has_lines()) || columns::may_have_names(text) {
        return in_columns(text, floor, wanted, &mut Columns::default(), findings);
    }
    findings
}

/// The findings in `cell[floor..]`, a cell of a table, in which are no further tables: of all of it
/// if it `begins` there.
fn scan_cell(
    cell: &str,
    floor: usize,
    begins: bool,
    name: &str,
    wanted: EntitySet,
) -> Vec<Finding> {
    let label = (name, &Meaning::default());
    let found = begins.then(|| whole(cell, floor, label, wanted)).flatten();
    found.unwrap_or_else(|| {
        match anchor::is_none_in(cell.as_bytes().get(floor..).unwrap_or_default()) {
            true => Vec::new(),
            false => scan_read(cell, floor, label, wanted).0,
        }
    })
}

/// The findings, or the secret that is all of the text if none of them is.
fn whole_or(secret: Finding, findings: Vec<Finding>) -> Vec<Finding> {
    if findings.iter().any(|known| known.span == secret.span) {
        findings
    } else {
        vec![secret]
    }
}

/// As [`scan`], of a text that comes in pieces: `text[floor..]` is the next one, and `columns` has
/// read those before.
#[must_use]
pub fn scan_next(
    text: &str,
    floor: usize,
    wanted: EntitySet,
    columns: &mut Columns,
) -> Vec<Finding> {
    // Names and addresses have columns of their own.
    let wanted = wanted.without_people();
    let (findings, _) = scan_read(text, floor, ("", &Meaning::default()), wanted);
    in_columns(text, floor, wanted, columns, findings)
}

/// The findings with those that a column tells of, which knows better than words that happen to be
/// near, and without cards that are ids by their column.
fn in_columns(
    text: &str,
    floor: usize,
    wanted: EntitySet,
    columns: &mut Columns,
    mut findings: Vec<Finding>,
) -> Vec<Finding> {
    let mut more = Vec::new();
    // Cells, and where in them other findings go; of ids only cards.
    let mut cells: Vec<(Range<usize>, Option<Range<usize>>)> = Vec::new();
    columns.read(
        text.get(floor..).unwrap_or_default(),
        |cell, column, before| {
            let cell = cell.start.saturating_add(floor)..cell.end.saturating_add(floor);
            match column {
                Column::Plain => {}
                Column::Id => cells.push((cell, None)),
                Column::Named(name) => {
                    let value = columns::value(text, &cell, before);
                    let of_cell = text.get(value.clone()).unwrap_or_default();
                    // What is but the rest of a cell is nothing as a whole.
                    let from = cell.start.saturating_sub(value.start).min(before);
                    let found = scan_cell(of_cell, from, before == 0, name, wanted);
                    for finding in found {
                        let span = finding.span.start.saturating_add(value.start)
                            ..finding.span.end.saturating_add(value.start);
                        cells.push((cell.clone(), Some(span.clone())));
                        more.push(Finding { span, ..finding });
                    }
                }
            }
        },
    );
    if cells.is_empty() {
        return findings;
    }
    let mut cells = cells.into_iter().peekable();
    findings.retain(|finding| {
        let is_past = |(cell, told): &(Range<usize>, Option<Range<usize>>)| {
            told.as_ref().unwrap_or(cell).end <= finding.span.start
        };
        while cells.next_if(is_past).is_some() {}
        !cells.peek().is_some_and(|(cell, told)| {
            let within = cell.start <= finding.span.start && finding.span.end <= cell.end;
            within
                && match told {
                    Some(told) => told.start < finding.span.end,
                    None => finding.entity == Entity::Card,
                }
        })
    });
    together(findings, more)
}

/// The findings in a text as it is written and as it reads, and whether it has numbers that may be
/// cells of a table.
fn scan_read(
    text: &str,
    floor: usize,
    label: Label<'_>,
    wanted: EntitySet,
) -> (Vec<Finding>, bool) {
    let (mut findings, has_cells) = scan_written(text, floor, label, wanted);
    // Most texts read as they are written.
    if fold::is_ascii_only(text.as_bytes().get(floor..).unwrap_or_default()) {
        return (findings, has_cells);
    }
    if let Some(folded) = fold::Folded::read(text, floor) {
        // Keys are read as they are written: they have no such characters.
        let wanted = wanted.without(Entity::PrivateKey);
        let more = scan_folded(&folded, floor, label, wanted);
        findings = together(findings, more);
    }
    if let Some(folded) = fold::Folded::read_alike(text, floor) {
        let wanted = KEYS.into_iter().filter(|key| wanted.has(*key)).collect();
        let mut more = scan_folded(&folded, floor, label, wanted);
        more.retain(|finding| {
            let value = text.as_bytes().get(finding.span.clone());
            value.is_some_and(fold::mixes_alike)
        });
        findings = together(findings, more);
    }
    (findings, has_cells)
}

/// Keys that their form tells by itself, in which letters that look alike are looked for.
const KEYS: [Entity; 5] = [
    Entity::AwsAccessKey,
    Entity::GithubToken,
    Entity::ApiKey,
    Entity::SlackToken,
    Entity::Jwt,
];

/// What is found as a text reads and not as it is written, where it is written.
fn scan_folded(
    folded: &fold::Folded,
    floor: usize,
    label: Label<'_>,
    wanted: EntitySet,
) -> Vec<Finding> {
    let (mut more, _) = scan_written(&folded.text, folded.floor(floor), label, wanted);
    more.retain_mut(|finding| {
        let written = folded.written(finding.span.clone());
        let reads = core::mem::replace(&mut finding.span, written);
        // The others are found as they are written.
        reads.len() != finding.span.len()
    });
    more
}

/// Both lists of findings in one: of two that overlap the second begins where the first ends, if it
/// goes further.
pub(crate) fn together(mut findings: Vec<Finding>, more: Vec<Finding>) -> Vec<Finding> {
    findings.extend(more);
    findings.sort_by_key(|finding| (finding.span.start, core::cmp::Reverse(finding.span.end)));
    let mut end = 0;
    findings.retain_mut(|finding| {
        finding.span.start = finding.span.start.max(end);
        let further = finding.span.end > finding.span.start;
        end = end.max(finding.span.end);
        further
    });
    findings
}

/// The findings in a text as it is written.
fn scan_written(
    text: &str,
    floor: usize,
    label: Label<'_>,
    wanted: EntitySet,
) -> (Vec<Finding>, bool) {
    scan_by::<false>(text, floor, label, wanted)
}

/// The same; `EACH` says that every verifier is asked at every anchor, which gives the same.
fn scan_by<const EACH: bool>(
    text: &str,
    floor: usize,
    (label, meaning): Label<'_>,
    wanted: EntitySet,
) -> (Vec<Finding>, bool) {
    let mut findings = Vec::new();
    let mut has_cells = false;
    let label = label
        .get(label.floor_char_boundary(label.len().saturating_sub(LABEL))..)
        .unwrap_or_default();
    let mut scene = Scene {
        text,
        bytes: text.as_bytes(),
        floor,
        found_until: None,
        label,
        meaning,
        wanted,
    };
    let mut anchors = Anchors::of(scene.bytes, EACH);
    let mut numbers = None;
    let mut known = None;
    let has_ids = ids::is_wanted(wanted);
    let mut at = floor;
    if wanted.has(Entity::Bic)
        && let Some(code) = bic::at_front(scene)
    {
        at = code.span.end;
        scene.found_until = Some(at);
        findings.push(code);
    }
    // Stretches that a verifier has read in vain once are not read again from the next anchor: this
    // keeps the scan linear.
    let mut colon_done = 0;
    let mut word_done = 0;
    let mut named_done = 0;
    while let Some(anchor) = anchors.next(at, if EACH { 0 } else { word_done }) {
        let mut behind = anchor.saturating_add(1);
        let found = match scene.bytes.get(anchor) {
            Some(b'@') => named::in_address(scene, anchor).or_else(|| email::find(scene, anchor)),
            Some(b';') => email::find_entity(scene, anchor),
            Some(b':') if anchor >= colon_done => {
                match words::around_colon(scene, anchor).or_else(|| mac::find(scene, anchor)) {
                    None => {
                        let (found, done) = ip::find_v6(scene, anchor);
                        colon_done = done;
                        found
                    }
                    found => found,
                }
            }
            Some(b'0'..=b'9') => {
                let end = groups::group_end(scene.bytes, anchor);
                behind = end;
                has_cells = has_cells || begins_cell(scene.bytes, anchor);
                let before = anchor.checked_sub(1).and_then(|at| scene.bytes.get(at));
                let account = end.saturating_sub(anchor) > 1
                    && (before.is_some_and(u8::is_ascii_alphabetic)
                        || iban::is_spaced(scene.bytes, anchor));
                let stamp = (!EACH)
                    .then(|| digits::behind_timestamp(scene.bytes, anchor..end))
                    .flatten();
                let find_id = match stamp {
                    Some(_) => ids::find_date,
                    None => ids::find,
                };
                let id = has_ids
                    .then(|| find_id(scene, anchor..end, &mut known))
                    .flatten();
                if id.is_none()
                    && let Some(next) = stamp
                {
                    let (told, done) = if anchor >= named_done && named::may_be_around(before) {
                        named::around(scene, anchor, EACH)
                    } else {
                        (None, named_done)
                    };
                    if told.is_none() {
                        (at, named_done) = (next, done);
                        continue;
                    }
                }
                let none = digits::behind_none(scene, anchor..end).filter(|_| !EACH);
                if let Some(next) = none.filter(|_| id.is_none()) {
                    // Most digits are nothing at a glance.
                    let in_word = anchor < word_done
                        || (digits::stand_alone(before, scene.bytes.get(end))
                            && (anchor < named_done || !named::may_be_around(before)));
                    if in_word && !account && before != Some(&b'%') {
                        at = next;
                        continue;
                    }
                    behind = next;
                }
                let found = match before {
                    Some(b'%') => email::find_escaped(scene, anchor),
                    _ if account => iban::find(scene, anchor),
                    _ => None,
                };
                let mut found = found.or(id);
                if found.is_none() && none.is_none() {
                    found = number::find(scene, anchor, &mut numbers);
                }
                if found.is_none() && anchor >= word_done {
                    if EACH || !digits::stand_alone(before, scene.bytes.get(end)) {
                        (found, word_done) = secret::find_in_word(scene, anchor, EACH);
                    }
                    if found.is_none()
                        && (EACH || (anchor >= named_done && named::may_be_around(before)))
                    {
                        (found, named_done) = named::around(scene, anchor, EACH);
                    }
                }
                found
            }
            Some(b'I') => secret::find(scene, anchor).or_else(|| bic::behind_name(scene, anchor)),
            Some(b'-') => secret::find(scene, anchor).or_else(|| mac::find(scene, anchor)),
            Some(b'_' | b'J') => secret::find(scene, anchor),
            _ => None,
        };
        at = match found {
            Some(finding) if wanted.has(finding.entity) => {
                let end = finding.span.end;
                scene.found_until = Some(end);
                keep(&mut findings, finding);
                end.max(anchor.saturating_add(1))
            }
            Some(_) => anchor.saturating_add(1),
            None => behind,
        };
    }
    (findings, has_cells || anchors.has_cells())
}

/// Whether a number that begins at `at` may be one of a cell: what divides cells, or the end of a
/// line, stands before it, perhaps with a space, a quotation mark or a sign between.
fn begins_cell(bytes: &[u8], at: usize) -> bool {
    let left = bytes.get(..at).unwrap_or_default();
    let left = match left {
        [left @ .., b' ' | b'"' | b'+' | b'('] => left,
        left => left,
    };
    matches!(left, [.., b'\n' | b',' | b';' | b'\t' | b'|'])
}

/// Adds a finding; those that it holds go, one that it only touches keeps its bytes.
fn keep(findings: &mut Vec<Finding>, mut finding: Finding) {
    while findings
        .last()
        .is_some_and(|last| last.span.start >= finding.span.start)
    {
        findings.pop();
    }
    if let Some(last) = findings.last() {
        finding.span.start = finding.span.start.max(last.span.end);
    }
    if !finding.span.is_empty() {
        findings.push(finding);
    }
}

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
mod labelled;

#[cfg(test)]
mod rates;

#[cfg(test)]
mod gitleaks;

#[cfg(test)]
mod providers;
