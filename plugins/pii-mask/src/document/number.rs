//! Numbers of a document that are found to be something.

use std::borrow::Cow;

use modelgate_kit::json::escape_into;

use super::strings::Strings;
use crate::detect::{SHORTEST_NUMBER, read_number};
use crate::mask::{Masker, Tally};

/// The string that takes a number's place if something is found in it; `strings` are those of its
/// document.
pub fn number<'a>(
    raw: &str,
    label: impl FnOnce() -> Cow<'a, str>,
    strings: &mut Strings<'_>,
    masker: &Masker,
    tally: &mut Tally,
) -> Option<String> {
    let whole = raw.strip_prefix('-').unwrap_or(raw);
    if whole.len() < SHORTEST_NUMBER {
        return None;
    }
    // 4111111111111111.0 and 4.111111111111111e15 are the same number.
    let number = read_number(whole.as_bytes()).filter(|number| number.length == whole.len())?;
    if number.digits.len() < SHORTEST_NUMBER {
        return None;
    }
    let masked = masker.mask_number(&number.digits, strings.called(&label()), tally)?;
    let mut quoted = String::from("\"");
    escape_into(&masked, &mut quoted);
    quoted.push('"');
    Some(quoted)
}
