//! Numbers of a document that are found to be something.

use std::borrow::Cow;

use modelgate_kit::json::escape_into;

use crate::detect::SHORTEST_NUMBER;
use crate::mask::{Masker, Tally};

/// The string that takes a number's place if something is found in it.
pub fn number<'a>(
    raw: &str,
    label: impl FnOnce() -> Cow<'a, str>,
    masker: &Masker,
    tally: &mut Tally,
) -> Option<String> {
    let whole = raw.strip_prefix('-').unwrap_or(raw);
    let length = whole.bytes().take_while(u8::is_ascii_digit).count();
    if length < SHORTEST_NUMBER {
        return None;
    }
    // 4111111111111111.0 is the same number.
    let (digits, rest) = whole.split_at_checked(length)?;
    if !rest.is_empty() && !rest.strip_prefix('.')?.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let masked = masker.mask_number(digits, &label(), tally)?;
    let mut quoted = String::from("\"");
    escape_into(&masked, &mut quoted);
    quoted.push('"');
    Some(quoted)
}
