//! Numbers as people write them: groups of digits with a few separators between. A chain is read
//! once, then the recognisers of IP addresses, cards, social security numbers and telephone numbers
//! judge its first groups.

use super::boundary::{begins, ends};
use super::{Certainty, Entity, Finding, Scene, card, ip, names, phone, ssn, token};
use core::ops::Range;

const MAX_GROUPS: usize = 12;
const MAX_SEPARATOR: usize = 3;
/// How far a number of a row is read, with its spaces.
const MAX_ROW_NUMBER: usize = 20;
/// Digits of the longest first group of a telephone number in groups.
const LONGEST_FRONT: usize = 5;

/// Digit groups from one digit on, with what stands between them.
#[derive(Debug)]
pub struct Chain<'a> {
    bytes: &'a [u8],
    /// Those from `first` on, `count` of them. There is room to go on without moving them.
    groups: [Group; 2 * MAX_GROUPS],
    first: usize,
    count: usize,
    /// Where the next group begins, if there is one.
    behind: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    start: usize,
    end: usize,
    /// What stands behind the group, in ASCII: dashes and spaces of all kinds are one kind each.
    separator: [u8; MAX_SEPARATOR],
    separator_length: usize,
}

impl Group {
    fn separator(&self) -> &[u8] {
        self.separator
            .get(..self.separator_length)
            .unwrap_or_default()
    }
}

impl<'a> Chain<'a> {
    fn read(bytes: &'a [u8], first: usize) -> Self {
        let mut chain = Self {
            bytes,
            groups: [Group::default(); 2 * MAX_GROUPS],
            first: 0,
            count: 0,
            behind: first,
        };
        chain.fill();
        chain
    }

    /// Reads groups until there are as many as are looked at.
    fn fill(&mut self) {
        while self.count < MAX_GROUPS {
            let start = self.behind;
            let end = group_end(self.bytes, start);
            let place = self.first.saturating_add(self.count);
            let Some(group) = self.groups.get_mut(place).filter(|_| end > start) else {
                break;
            };
            *group = Group {
                start,
                end,
                ..Group::default()
            };
            let mut at = end;
            while let Some((separator, length)) =
                separator(self.bytes.get(at..).unwrap_or_default())
            {
                let Some(slot) = group.separator.get_mut(group.separator_length) else {
                    break;
                };
                *slot = separator;
                group.separator_length = group.separator_length.saturating_add(1);
                at = at.saturating_add(length);
            }
            self.behind = at;
            self.count = self.count.saturating_add(1);
        }
    }

    /// The chain without its first group, and with what stands behind the last.
    fn go_on(&mut self) {
        self.first = self.first.saturating_add(1);
        self.count = self.count.saturating_sub(1);
        if self.first == MAX_GROUPS {
            self.groups.copy_within(MAX_GROUPS.., 0);
            self.first = 0;
        }
        self.fill();
    }

    /// The groups from this one on, and those behind them.
    pub fn behind(&self, index: usize) -> Option<Self> {
        let first = self.groups().get(index)?;
        Some(Self::read(self.bytes, first.start))
    }

    /// The whole text.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Where the first group begins.
    pub fn start(&self) -> usize {
        self.groups().first().map_or(0, |group| group.start)
    }

    /// Where the first `count` groups end.
    pub fn end(&self, count: usize) -> usize {
        self.last_of(count)
            .map_or_else(|| self.start(), |group| group.end)
    }

    /// The digits of one group.
    pub fn group(&self, index: usize) -> &'a [u8] {
        self.groups()
            .get(index)
            .and_then(|group| self.bytes.get(group.start..group.end))
            .unwrap_or_default()
    }

    /// How many digits each group has.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.groups()
            .iter()
            .map(|group| group.end.saturating_sub(group.start))
    }

    /// What stands behind the group, in ASCII.
    pub fn separator(&self, index: usize) -> &[u8] {
        self.groups().get(index).map_or(b"", Group::separator)
    }

    /// The separator between the first `count` groups if it is the same everywhere; empty for a
    /// single group.
    pub fn single_separator(&self, count: usize) -> Option<&[u8]> {
        let mut between = self
            .groups()
            .get(..count.checked_sub(1)?)?
            .iter()
            .map(Group::separator);
        let Some(first) = between.next() else {
            return Some(b"");
        };
        between.all(|separator| separator == first).then_some(first)
    }

    /// The digits of the first `count` groups as numbers; none if there are more than the buffer
    /// holds.
    pub fn copy_digits<'b>(&self, count: usize, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut length = 0_usize;
        for index in 0..count {
            for digit in self.group(index) {
                *buffer.get_mut(length)? = digit.wrapping_sub(b'0');
                length = length.saturating_add(1);
            }
        }
        buffer.get(..length)
    }

    /// Whether a number can end behind the first `count` groups: nothing is glued to it that makes
    /// it longer.
    pub fn can_end(&self, count: usize) -> bool {
        ends(self.bytes, self.end(count)) && self.glue(count).is_none()
    }

    /// The hyphen, dot or slash that alone stands between the first `count` groups and a further
    /// one.
    pub fn glue(&self, count: usize) -> Option<u8> {
        let separator = self.last_of(count)?.separator();
        match separator {
            [glue @ (b'-' | b'.' | b'/')] if count < self.count => Some(*glue),
            _ => None,
        }
    }

    /// Whether the chain is a decimal fraction: two groups with a point between them, the first a
    /// zero.
    pub fn is_fraction(&self) -> bool {
        self.group(0) == b"0" && self.separator(0) == b"." && self.glue(2) != Some(b'.')
    }

    /// Whether the first `count` groups stand, with spaces between, in a longer row of numbers: two
    /// more of `least` digits or more, before or behind, that are no findings themselves.
    /// `found_until` is where the last one ends.
    pub fn is_in_row(&self, count: usize, least: usize, found_until: Option<usize>) -> bool {
        let spaces = |separator: &[u8]| separator.iter().all(|byte| *byte == b' ');
        let apart = |index: &usize| {
            let left = self.separator(index.saturating_sub(1));
            !left.is_empty()
                && spaces(left)
                && spaces(self.separator(*index))
                && self.group(*index).len() >= least
        };
        let again = self.lengths().skip(count).take(count);
        let behind = if again.eq(self.lengths().take(count)) {
            0
        } else {
            (count..self.count).take_while(apart).count()
        };
        let before = (0..2)
            .scan(self.start(), |at, _| {
                let left = self
                    .bytes
                    .get(at.saturating_sub(MAX_ROW_NUMBER)..*at)
                    .unwrap_or_default();
                let spaces = left.iter().rev().take_while(|byte| **byte == b' ').count();
                let digits = left.iter().rev().skip(spaces);
                let length = digits.take_while(|byte| byte.is_ascii_digit()).count();
                let end = at.saturating_sub(spaces);
                let apart = (1..=MAX_SEPARATOR).contains(&spaces)
                    && length >= least.max(1)
                    && found_until != Some(end);
                *at = end.saturating_sub(length);
                let begins = at
                    .checked_sub(1)
                    .and_then(|before| self.bytes.get(before))
                    .is_none_or(u8::is_ascii_whitespace);
                (apart && begins).then_some(())
            })
            .count();
        before.saturating_add(behind) >= 2
    }

    /// Whether the first group is a fraction behind a decimal comma, in a row of numbers with
    /// spaces between, and not the front of a number in groups in a cell of comma-separated values.
    pub fn begins_in_fraction(&self, count: usize) -> bool {
        let left = self.bytes.get(..self.start()).unwrap_or_default();
        let Some((b',', whole)) = left.split_last() else {
            return false;
        };
        let digits = whole.iter().rev().take(MAX_ROW_NUMBER);
        let length = digits.take_while(|byte| byte.is_ascii_digit()).count();
        let before = whole.len().checked_sub(length.saturating_add(1));
        let in_row = before
            .and_then(|before| whole.get(before))
            .is_some_and(|byte| matches!(byte, b' ' | b'-' | b'+'));
        let goes_on = count < self.count && self.separator(count.saturating_sub(1)) == b" ";
        length > 0 && (self.group(0).len() > LONGEST_FRONT || in_row || goes_on)
    }

    /// Whether all of the chain are the places of a fraction whose zero stands before a decimal
    /// comma: `0,8293469984185005;`.
    pub fn is_fraction_behind_zero(&self) -> bool {
        let left = self.bytes.get(..self.start()).unwrap_or_default();
        let behind = self.bytes.get(self.end(1));
        matches!(left, [.., before, b'0', b','] if !before.is_ascii_alphanumeric() && *before != b',')
            && behind != Some(&b',')
            || (left == b"0," && behind != Some(&b','))
    }

    /// All digits of the chain.
    fn total(&self) -> usize {
        self.lengths().fold(0, usize::saturating_add)
    }

    fn last_of(&self, count: usize) -> Option<&Group> {
        self.groups().get(count.checked_sub(1)?)
    }

    fn groups(&self) -> &[Group] {
        self.groups
            .get(self.first..self.first.saturating_add(self.count))
            .unwrap_or_default()
    }
}

/// One character that may stand between groups, as ASCII, and its length. A tab is none: it divides
/// the cells of a table.
pub fn separator(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes {
        [plain @ (b' ' | b'-' | b'.' | b'/' | b'(' | b')'), ..] => Some((*plain, 1)),
        // No-break space
        [0xC2, 0xA0, ..] => Some((b' ', 2)),
        // Spaces of other widths, that of ideographs too; hyphens, dashes and the minus sign
        [0xE2, 0x80, 0x80..=0x8A | 0xAF, ..] | [0xE2, 0x81, 0x9F, ..] | [0xE3, 0x80, 0x80, ..] => {
            Some((b' ', 3))
        }
        [0xE2, 0x80, 0x90..=0x95, ..] | [0xE2, 0x88, 0x92, ..] => Some((b'-', 3)),
        _ => None,
    }
}

/// Where the digits that begin at `at` end.
pub fn group_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at.saturating_add(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// What the number is that begins with the digit at `at`. `last` is the chain that was read last:
/// of a row of numbers each is read once.
pub fn find<'a>(scene: Scene<'a>, at: usize, last: &mut Option<Chain<'a>>) -> Option<Finding> {
    if !can_begin(scene, at) {
        return None;
    }
    let end = group_end(scene.bytes, at);
    let length = end.saturating_sub(at);
    let finding = |span: Range<usize>, entity, certainty| {
        Some(Finding {
            span,
            entity,
            certainty,
            quotes: None,
        })
    };
    if length == 4
        && scene.wanted.has(Entity::Card)
        && let Some(end) = card::match_lines(scene, at)
    {
        return finding(at..end, Entity::Card, Certainty::Check);
    }
    // Most numbers are short and stand alone.
    if length < SHORTEST && separator(scene.bytes.get(end..).unwrap_or_default()).is_none() {
        return None;
    }
    if length >= SHORTEST {
        if is_fraction_without_zero(scene.bytes, at) {
            return None;
        }
        if let Some(token) = token::around(scene.bytes, at) {
            return in_json(scene, token);
        }
    }
    let chain = match last {
        Some(chain) if chain.groups().get(1).is_some_and(|next| next.start == at) => {
            chain.go_on();
            chain
        }
        last => last.insert(Chain::read(scene.bytes, at)),
    };
    let chain = &*chain;
    if (chain.len() < 4 && chain.total() < SHORTEST.saturating_sub(1)) || chain.is_fraction() {
        return None;
    }
    if scene.wanted.has(Entity::Ip)
        && let Some(end) = ip::match_v4(scene, chain)
    {
        return finding(at..end, Entity::Ip, Certainty::Shape);
    }
    if scene.wanted.has(Entity::Card)
        && let Some(count) = card::match_groups(scene, chain)
    {
        return finding(at..chain.end(count), Entity::Card, Certainty::Check);
    }
    if scene.wanted.has(Entity::Ssn)
        && let Some((count, certainty)) = ssn::match_groups(scene, chain)
    {
        return finding(at..chain.end(count), Entity::Ssn, certainty);
    }
    if scene.wanted.has(Entity::Phone)
        && let Some((span, certainty)) = phone::match_groups(scene, chain)
    {
        return finding(span, Entity::Phone, certainty);
    }
    None
}

/// Fewest digits of a number without separators that can be something.
pub const SHORTEST: usize = 7;

/// What a number of JSON inside the text is.
fn in_json(scene: Scene<'_>, token: token::Token<'_>) -> Option<Finding> {
    let digits = scene.bytes.get(token.digits.clone())?;
    let name = token.name.unwrap_or(scene.label.as_bytes());
    let (entity, certainty) = names::judge(digits, name, scene.wanted)?;
    Some(Finding {
        span: token.span,
        entity,
        certainty,
        quotes: Some(token.quotes),
    })
}

/// `.9957417845` behind a space, a comma, a bracket or a sign: a fraction whose zero is not
/// written.
fn is_fraction_without_zero(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(at.saturating_sub(3)..at).unwrap_or_default();
    let Some((b'.', before)) = before.split_last() else {
        return false;
    };
    let apart =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b'(' | b'=' | b':');
    match before {
        [.., byte, b'-' | b'+'] => apart(byte),
        [b'-' | b'+'] => true,
        [.., byte] => apart(byte),
        [] => true,
    }
}

/// Words to which a number is glued: `SSN308-63-0237`, `cc4111…`, `card_4111…`.
const GLUED: [&str; 8] = ["ssn", "itin", "cc", "card", "pan", "tel", "phone", "fax"];

/// Whether a number can begin at the digit at `at`: it is no later part of a word or of a longer
/// number.
fn can_begin(scene: Scene<'_>, at: usize) -> bool {
    if !begins(scene.bytes, at) {
        return is_glued_to_its_name(scene.bytes, at);
    }
    let before = scene
        .bytes
        .get(at.saturating_sub(16)..at)
        .unwrap_or_default();
    let Some((b'-' | b'.' | b'/', before)) = before.split_last() else {
        return true;
    };
    // Behind glue: a word that holds a digit makes this a part of something longer (a version, a
    // date, a UUID), unless that is a finding of its own: two cards, a range of addresses.
    scene.found_until == Some(at.saturating_sub(1))
        || !before
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .any(u8::is_ascii_digit)
}

/// Whether the letters directly before `at` are one of [`GLUED`], or the `%B` of a magnetic stripe
/// (ISO/IEC 7813).
fn is_glued_to_its_name(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(at.saturating_sub(8)..at).unwrap_or_default();
    if before.ends_with(b"%B") {
        return true;
    }
    let letters = before.strip_suffix(b"_").unwrap_or(before);
    let length = letters
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let (front, word) = letters
        .split_at_checked(letters.len().saturating_sub(length))
        .unwrap_or_default();
    let apart = front
        .last()
        .map_or(at <= 8, |byte| !byte.is_ascii_alphanumeric());
    apart
        && GLUED
            .iter()
            .any(|glued| word.eq_ignore_ascii_case(glued.as_bytes()))
}
