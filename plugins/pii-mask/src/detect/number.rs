//! Numbers as people write them: groups of digits with a few separators between. A chain is read once, then the
//! recognisers of IP addresses, cards, social security numbers and telephone numbers judge its first groups.

use super::boundary::{begins, ends};
use super::{Certainty, Entity, Finding, Scene, card, ip, phone, ssn};
use core::ops::Range;

const MAX_GROUPS: usize = 12;
const MAX_SEPARATOR: usize = 3;

/// Digit groups from one digit on, with what stands between them.
#[derive(Debug)]
pub struct Chain<'a> {
    bytes: &'a [u8],
    groups: [Group; MAX_GROUPS],
    count: usize,
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
            groups: [Group::default(); MAX_GROUPS],
            count: 0,
        };
        let mut at = first;
        for group in &mut chain.groups {
            let end = group_end(bytes, at);
            if end == at {
                break;
            }
            *group = Group {
                start: at,
                end,
                ..Group::default()
            };
            chain.count = chain.count.saturating_add(1);
            at = end;
            while let Some((separator, length)) = separator(bytes.get(at..).unwrap_or_default()) {
                let Some(slot) = group.separator.get_mut(group.separator_length) else {
                    break;
                };
                *slot = separator;
                group.separator_length = group.separator_length.saturating_add(1);
                at = at.saturating_add(length);
            }
        }
        chain
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
        self.groups.first().map_or(0, |group| group.start)
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

    /// The separator between the first `count` groups if it is the same everywhere; empty for a single group.
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

    /// The digits of the first `count` groups as numbers; none if there are more than the buffer holds.
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

    /// Whether a number can end behind the first `count` groups: nothing is glued to it that makes it longer.
    pub fn can_end(&self, count: usize) -> bool {
        let end = self.end(count);
        if !ends(self.bytes, end) {
            return false;
        }
        let glued = self
            .last_of(count)
            .is_some_and(|group| !group.separator().contains(&b' ') && group.separator_length > 0);
        !(glued && count < self.count)
    }

    fn last_of(&self, count: usize) -> Option<&Group> {
        self.groups().get(count.checked_sub(1)?)
    }

    fn groups(&self) -> &[Group] {
        self.groups.get(..self.count).unwrap_or_default()
    }
}

/// One character that may stand between groups, as ASCII, and its length.
fn separator(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes {
        [b'\t', ..] => Some((b' ', 1)),
        [plain @ (b' ' | b'-' | b'.' | b'/' | b'(' | b')'), ..] => Some((*plain, 1)),
        // No-break space
        [0xC2, 0xA0, ..] => Some((b' ', 2)),
        // Thin, figure and narrow no-break spaces; hyphens and dashes
        [0xE2, 0x80, 0x87 | 0x89 | 0xAF, ..] => Some((b' ', 3)),
        [0xE2, 0x80, 0x90..=0x93, ..] => Some((b'-', 3)),
        _ => None,
    }
}

/// Where the digits that begin at `at` end.
pub fn group_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at.saturating_add(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// What the number is that begins with the digit at `at`.
pub fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    if !can_begin(scene, at) {
        return None;
    }
    let chain = Chain::read(scene.bytes, at);
    let finding = |span: Range<usize>, entity, certainty| {
        Some(Finding {
            span,
            entity,
            certainty,
        })
    };
    if scene.wanted.has(Entity::Ip)
        && let Some(end) = ip::match_v4(&chain)
    {
        return finding(at..end, Entity::Ip, Certainty::Shape);
    }
    if scene.wanted.has(Entity::Card)
        && let Some(count) = card::match_groups(&chain)
    {
        return finding(at..chain.end(count), Entity::Card, Certainty::Check);
    }
    if scene.wanted.has(Entity::Ssn)
        && let Some((count, certainty)) = ssn::match_groups(scene, &chain)
    {
        return finding(at..chain.end(count), Entity::Ssn, certainty);
    }
    if scene.wanted.has(Entity::Phone)
        && let Some((span, certainty)) = phone::match_groups(scene, &chain)
    {
        return finding(span, Entity::Phone, certainty);
    }
    None
}

/// Whether a number can begin at the digit at `at`: it is no later part of a word or of a longer number.
fn can_begin(scene: Scene<'_>, at: usize) -> bool {
    if !begins(scene.bytes, at) {
        return false;
    }
    let before = scene
        .bytes
        .get(at.saturating_sub(16)..at)
        .unwrap_or_default();
    let Some((b'-' | b'.' | b'/', before)) = before.split_last() else {
        return true;
    };
    // Behind glue: a word that holds a digit makes this a part of something longer (a version, a date, a UUID).
    !before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .any(u8::is_ascii_digit)
}
