//! Numbers of JSON that stands inside a text: the arguments of a tool call, a document sent as
//! plain text, JSON in a string of JSON, at any depth. What takes the place of such a number must
//! be quoted as the names around it are, or the document inside can no longer be read; and what the
//! number is tells its member's name, as it does in a document of our own.

use super::{LABEL, decimal};
use core::ops::Range;
use std::borrow::Cow;

/// A number of JSON inside a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// All of it, with sign, fraction and exponent.
    pub span: Range<usize>,
    /// The digits of its value, which is whole.
    pub digits: Cow<'a, str>,
    /// The quotes that a string in its place needs.
    pub quotes: Quotes,
    /// The name of the member that holds it, if there is one.
    pub name: Option<&'a [u8]>,
}

/// A quotation mark as it is written where the number stands: with so many backslashes in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotes {
    mark: u8,
    backslashes: u8,
}

impl Quotes {
    /// Appends the mark.
    pub fn write(self, out: &mut String) {
        (0..self.backslashes).for_each(|_| out.push('\\'));
        out.push(char::from(self.mark));
    }
}

/// How far to the left the evidence is looked for: less than what a stream keeps, with a sign, so
/// that what has no more before it is the front of the text.
const REACH: usize = super::boundary::LOOK_BEHIND - 2;
/// Deeper nested text has marks with more backslashes than anyone writes.
const MOST_BACKSLASHES: usize = 63;

/// The number whose first digit stands at `at`, if it stands where JSON has its numbers: behind a
/// member's name and a colon, or in an array.
pub fn around(bytes: &[u8], at: usize) -> Option<Token<'_>> {
    let start = match at.checked_sub(1) {
        Some(before) if bytes.get(before) == Some(&b'-') => before,
        _ => at,
    };
    let left = bytes.get(start.saturating_sub(REACH)..start)?;
    let trimmed = skip_space(left);
    if !matches!(trimmed.last(), Some(b':' | b'[' | b',')) {
        return None;
    }
    let whole = decimal::read(bytes.get(at..)?)?;
    let end = at.saturating_add(whole.length);
    if !matches!(
        bytes.get(end),
        None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | b'\\')
    ) {
        return None;
    }
    let (quotes, name) = context(trimmed, left.len() == start)?;
    Some(Token {
        span: start..end,
        digits: whole.digits,
        quotes,
        name,
    })
}

/// Without the white space at the end, also where it is written as an escape (`\n` of a nested
/// document).
fn skip_space(mut left: &[u8]) -> &[u8] {
    loop {
        left = match left {
            [rest @ .., b' ' | b'\t' | b'\n' | b'\r'] => rest,
            [rest @ .., b'\\', b'n' | b't' | b'r'] => strip_backslashes(rest).0,
            _ => return left,
        };
    }
}

fn strip_backslashes(left: &[u8]) -> (&[u8], usize) {
    let run = left.iter().rev().take_while(|byte| **byte == b'\\').count();
    (
        left.get(..left.len().saturating_sub(run))
            .unwrap_or_default(),
        run,
    )
}

/// The quotes and the name that `trimmed` tells, which ends (but for space) in a colon, a bracket
/// or a comma. `is_start`: nothing stands before it.
fn context(trimmed: &[u8], is_start: bool) -> Option<(Quotes, Option<&[u8]>)> {
    if let [before @ .., b':'] = trimmed {
        return member(skip_space(before));
    }
    // An array: to the left over its other numbers to the bracket that opens it.
    let mut rest = trimmed;
    let (mut open, mut closed, mut commas, mut number) = (0_usize, 0_usize, 0_usize, false);
    let mut opening = rest;
    loop {
        rest = skip_space(rest);
        let Some((last, before)) = rest.split_last() else {
            break;
        };
        match last {
            b'[' if closed > 0 => closed = closed.saturating_sub(1),
            b'[' => {
                open = open.saturating_add(1);
                opening = before;
            }
            b']' => closed = closed.saturating_add(1),
            b',' => commas = commas.saturating_add(1),
            b'0'..=b'9' => number = true,
            b'-' | b'+' | b'.' | b'e' | b'E' => {}
            _ => break,
        }
        rest = before;
    }
    if rest.is_empty() && !is_start {
        // Numbers and commas as far as can be seen.
        return (commas > 1 && number).then_some((DOUBLE, None));
    }
    if open == 0 {
        return None;
    }
    let outside = skip_space(opening);
    match outside.split_last() {
        None => Some((DOUBLE, None)),
        Some((b':', before)) => member(skip_space(before)),
        // `"[4111…]"`: an array that is itself the text of a string.
        Some((b'"', before)) => {
            let run = strip_backslashes(before).1;
            let backslashes = run.checked_mul(2)?.checked_add(1)?;
            Some((quotes(b'"', backslashes)?, None))
        }
        Some(_) => None,
    }
}

const DOUBLE: Quotes = Quotes {
    mark: b'"',
    backslashes: 0,
};

fn quotes(mark: u8, backslashes: usize) -> Option<Quotes> {
    let backslashes = u8::try_from(backslashes)
        .ok()
        .filter(|count| usize::from(*count) <= MOST_BACKSLASHES)?;
    Some(Quotes { mark, backslashes })
}

/// The name that ends `left` in quotes.
fn member(left: &[u8]) -> Option<(Quotes, Option<&[u8]>)> {
    let (mark, before) = left.split_last()?;
    if !matches!(mark, b'"' | b'\'') {
        return None;
    }
    let (name, run) = strip_backslashes(before);
    let start = name
        .iter()
        .rposition(|byte| byte == mark)
        .map_or(0, |at| at.saturating_add(1));
    let start = start.max(name.len().saturating_sub(LABEL));
    Some((quotes(*mark, run)?, name.get(start..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(String, String, Option<String>)> {
        let at = text.find("4111")?;
        let token = around(text.as_bytes(), at)?;
        let mut mark = String::new();
        token.quotes.write(&mut mark);
        let name = token
            .name
            .map(|name| String::from_utf8_lossy(name).into_owned());
        Some((text[token.span].to_owned(), mark, name))
    }

    #[test]
    fn a_number_where_json_has_its_numbers_is_one() {
        for (text, number, mark, name) in [
            (r#"{"card":4111}"#, "4111", "\"", Some("card")),
            (
                r#"{"a":1, "card" : -4111.0 }"#,
                "-4111.0",
                "\"",
                Some("card"),
            ),
            ("{\n  \"card\": 4111\n}", "4111", "\"", Some("card")),
            (r#"{"x":"{\"card\":4111}"}"#, "4111", "\\\"", Some("card")),
            (
                r#"{\\\"card\\\":\\n 4111\\n}"#,
                "4111",
                r#"\\\""#,
                Some("card"),
            ),
            (r#"{"cards":[4111,5]}"#, "4111", "\"", Some("cards")),
            (
                r#"{"cards":[ [1, -2.5], [3, 4111"#,
                "4111",
                "\"",
                Some("cards"),
            ),
            ("[1,4111]", "4111", "\"", None),
            ("[[1,2],4111]", "4111", "\"", None),
            (r#"{"a":"[4111]"}"#, "4111", r#"\""#, None),
            (r#"{\"a\":\"[4111]\"}"#, "4111", r#"\\\""#, None),
            ("{'card': 4111}", "4111", "'", Some("card")),
        ] {
            assert_eq!(
                told(text),
                Some((number.to_owned(), mark.to_owned(), name.map(str::to_owned))),
                "{text}"
            );
        }
    }

    #[test]
    fn prose_tables_and_strings_are_none() {
        for text in [
            "4111",
            "card: 4111, exp",
            "see 4111, 5",
            "1,4111,ann",
            "card [4111]",
            r#"{"card":"4111"}"#,
            r#"{"card":4111.5}"#,
            r#"{"card":4111 x"#,
            "x[1, 4111]",
            r#""card" 4111"#,
            &format!("x,{},4111", " ".repeat(100)),
            &format!("5{},4111", " ".repeat(100)),
        ] {
            let told = told(text);
            let tolerated = text == r#"{"card":4111 x"#;
            assert!(told.is_none() || tolerated, "{text}: {told:?}");
        }
    }
}
