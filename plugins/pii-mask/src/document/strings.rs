//! The strings of a JSON document, in their order: each is scanned by itself, but for a private key
//! whose lines are the elements of an array, and a number whose groups are.

use super::pieces;
use crate::detect::armor::{self, Armor};
use crate::detect::secret::{holds_id, may_be_aws_secret};
use crate::detect::{Entity, Finding, Label, Meaning};
use crate::mask::{Action, Masker, Tally};
use core::ops::Range;
use modelgate_kit::explain;
use modelgate_kit::json::{Text, escape_into};

/// Masks the strings of one document.
#[derive(Debug)]
pub struct Strings<'a> {
    document: &'a [u8],
    /// A private key that may go on in the next element, and where the last one ended.
    key: Option<(Armor, usize)>,
    /// Where the id of an access key stands: the key itself may be near, under any name.
    access_key: Option<usize>,
    /// Where the last group ends of a number in groups, which its first one tells of.
    groups_until: usize,
    /// The name of the last value that was looked at, and what it says.
    name: String,
    meaning: Meaning,
}

/// How far behind its id, or before it, an access key is looked for, in bytes.
const NEAR: usize = 200;
/// Length of such a key.
const AWS_SECRET: usize = 40;

impl<'a> Strings<'a> {
    /// Of this document.
    pub fn of(document: &'a [u8]) -> Self {
        Self {
            document,
            key: None,
            access_key: None,
            groups_until: 0,
            name: String::new(),
            meaning: Meaning::default(),
        }
    }

    /// A name, and what is known about it from the value before, if that had the same.
    pub fn called<'b>(&'b mut self, name: &'b str) -> Label<'b> {
        if self.name != name {
            name.clone_into(&mut self.name);
            self.meaning = Meaning::default();
        }
        (name, &self.meaning)
    }

    /// The findings in a value, as replacements of bytes of the document.
    pub fn value(
        &mut self,
        text: &Text<'_>,
        label: &str,
        masker: &Masker,
        tally: &mut Tally,
        mut replace: impl FnMut(Range<usize>, String),
    ) {
        if self.groups(text.span(), label, masker, tally, &mut replace) {
            return;
        }
        let decoded = text.decode();
        explain::spot(|| text.span());
        if let Some(masked) = masker.mask_base64(&decoded, label, tally) {
            let mut raw = String::with_capacity(masked.len());
            escape_into(&masked, &mut raw);
            return replace(text.span(), raw);
        }
        let from = match self.key.take() {
            Some((armor, end)) => self.go_on(armor, end, text.span(), &decoded),
            None => 0,
        };
        let near_its_id = self
            .access_key
            .is_some_and(|end| text.span().start.saturating_sub(end) <= NEAR)
            || (decoded.len() >= AWS_SECRET && self.has_id_behind(text.span().end, &decoded));
        let found = if near_its_id {
            masker.find(&decoded, from, &format!("{label} AKIA"))
        } else {
            masker.find_called(&decoded, from, self.called(label))
        };
        if found
            .iter()
            .any(|(finding, _)| finding.entity == Entity::AwsAccessKey)
        {
            self.access_key = Some(text.span().end);
        }
        if let Some((finding, action)) = found.last()
            && action.changes()
            && finding.entity == Entity::PrivateKey
            && let Some(key) = decoded.as_bytes().get(finding.span.start..)
            && let Some((_, Some(armor))) = armor::read(key)
        {
            self.key = Some((armor, text.span().end));
        }
        let rest = (from > 0).then(|| (0..from, String::new()));
        put(text, &decoded, rest, found, masker, tally, &mut replace);
    }

    /// Whether the value is a group of a number, whose first group all of it is masked in.
    fn groups(
        &mut self,
        span: Range<usize>,
        label: &str,
        masker: &Masker,
        tally: &mut Tally,
        replace: &mut dyn FnMut(Range<usize>, String),
    ) -> bool {
        if span.start < self.groups_until {
            replace(span, String::new());
            return true;
        }
        let Some((groups, end)) = pieces::read(self.document, span.clone()) else {
            return false;
        };
        explain::spot(|| span.start..end);
        let Some(masked) = masker.mask_groups(&groups, label, tally) else {
            return false;
        };
        let mut raw = String::with_capacity(masked.len());
        escape_into(&masked, &mut raw);
        replace(span, raw);
        self.groups_until = end;
        true
    }

    /// Whether a text that ends at `end` of the document may hold an access key, and its id is near
    /// behind it.
    fn has_id_behind(&self, end: usize, text: &str) -> bool {
        may_be_aws_secret(text.as_bytes()) && {
            let behind = self.document.get(end..).unwrap_or_default();
            holds_id(behind.get(..behind.len().min(NEAR)).unwrap_or_default())
        }
    }

    /// The findings in a member's name.
    pub fn name(
        text: &Text<'_>,
        masker: &Masker,
        tally: &mut Tally,
        mut replace: impl FnMut(Range<usize>, String),
    ) {
        let decoded = text.decode();
        let found = masker.find(&decoded, 0, "");
        put(text, &decoded, None, found, masker, tally, &mut replace);
    }

    /// How much of a text is the rest of a key, whose lines before ended at `end` of the document.
    fn go_on(&mut self, mut armor: Armor, end: usize, span: Range<usize>, text: &str) -> usize {
        // Of two values with no name between, both are elements of one array.
        let between = self.document.get(end..span.start).unwrap_or_default();
        let neighbours =
            matches!(between, [b'"', between @ .., b'"'] if between.trim_ascii() == b",");
        if !neighbours {
            return 0;
        }
        armor.next_text();
        let (length, ended) = armor.take(text.as_bytes());
        if !ended {
            self.key = Some((armor, span.end));
        }
        length
    }
}

fn put(
    text: &Text<'_>,
    decoded: &str,
    rest: Option<(Range<usize>, String)>,
    found: Vec<(Finding, Action)>,
    masker: &Masker,
    tally: &mut Tally,
    replace: &mut dyn FnMut(Range<usize>, String),
) {
    if rest.is_none() && found.is_empty() {
        return;
    }
    let mut offsets = text.offsets();
    let rest = rest.map(|(span, with)| {
        let from = offsets.locate(span.start);
        (from..offsets.locate(span.end), with)
    });
    let found = found.into_iter().filter_map(|(finding, action)| {
        let value = decoded.get(finding.span.clone()).unwrap_or_default();
        let mut masked = String::new();
        let from = offsets.locate(finding.span.start);
        let written = from..offsets.locate(finding.span.end);
        explain::spot(|| written.clone());
        masker.replace(&finding, action, value, tally, &mut masked);
        action.changes().then_some((written, masked))
    });
    for (span, with) in rest.into_iter().chain(found) {
        let mut raw = String::with_capacity(with.len());
        escape_into(&with, &mut raw);
        replace(span, raw);
    }
}
