//! Numbers as people write them: groups of digits with a few separators between.

use super::boundary::ends;

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
    pub fn read(bytes: &'a [u8], first: usize) -> Self {
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
    pub fn go_on(&mut self) {
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

    /// Where the second group begins.
    pub fn second(&self) -> Option<usize> {
        self.groups().get(1).map(|group| group.start)
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
    pub fn total(&self) -> usize {
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
#[inline]
pub fn group_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|byte| !byte.is_ascii_digit());
    at.saturating_add(end.unwrap_or(rest.len()))
}

/// Fewest digits of a number without separators that can be something.
pub const SHORTEST: usize = 7;
