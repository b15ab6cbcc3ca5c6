//! Names of months in dates: ` de mayo `.

use super::Segmenter;
use crate::detect::dates;
use core::ops::Range;

/// Longest name of a month with the words beside it, in bytes.
const MONTH_REACH: usize = 24;

impl Segmenter {
    /// Where a month began behind the last number, in what could be an account as yet: ` de mayo `
    /// is none of its groups.
    pub(super) fn month_since(&self, buffer: &str, span: &Range<usize>) -> Option<usize> {
        if self.iban_until == 0 {
            return None;
        }
        let near = buffer.floor_char_boundary(span.start.saturating_sub(MONTH_REACH));
        let words = buffer.get(near..span.start)?;
        let digit = words.rfind(|one: char| one.is_ascii_digit())?;
        let start = near.saturating_add(digit).saturating_add(2);
        let begins = start < span.start && buffer.get(start.checked_sub(1)?..start) == Some(" ");
        (begins && is_month_front(buffer.get(start..span.end))).then_some(start)
    }
}

/// Whether the text may be what stands between a day and its year, or the front of that.
pub(super) fn is_month_front(front: Option<&str>) -> bool {
    front.is_some_and(dates::may_be_month_phrase)
}
