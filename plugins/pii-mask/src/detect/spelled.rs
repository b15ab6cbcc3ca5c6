//! Text as it reads where it is written otherwise on purpose: percent escapes (RFC 3986 section
//! 2.1), quoted-printable (RFC 2045 section 6.7), character references of HTML, and addresses in
//! words (`ann (at) example [dot] org`). What they hide is read again, as often as [`LAYERS`]:
//! `%2540`, `&amp;#64;`, `%26%2364%3B`.

use super::fold::Folded;
use super::{EntitySet, Finding, scan, together};
use std::borrow::Cow;

/// How often a text is read, each time as it read before.
const LAYERS: usize = 3;

/// Which spellings are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spellings {
    /// `%40`.
    pub percent: bool,
    /// `&#64;`, `&commat;`.
    pub references: bool,
    /// `=40`, and lines that go on behind `=`.
    pub quoted_printable: bool,
    /// `(at)`, `[dot]`, ` AT `, ` DOT `.
    pub words: bool,
}

impl Spellings {
    const fn any(self) -> bool {
        self.percent || self.references || self.quoted_printable || self.words
    }
}

/// The findings in a text together with those that are spelled otherwise.
pub fn with_spelled(
    text: &str,
    label: &str,
    wanted: EntitySet,
    spellings: Spellings,
    findings: Vec<Finding>,
) -> Vec<Finding> {
    with_layers(text, (label, wanted), spellings, findings, LAYERS)
}

fn with_layers(
    text: &str,
    (label, wanted): (&str, EntitySet),
    spellings: Spellings,
    findings: Vec<Finding>,
    layers: usize,
) -> Vec<Finding> {
    let Some((read, layers)) = read(text, spellings).zip(layers.checked_sub(1)) else {
        return findings;
    };
    let more = scan(&read.text, 0, label, wanted);
    let mut more = with_layers(&read.text, (label, wanted), spellings, more, layers);
    more.retain_mut(|finding| {
        let written = read.written(finding.span.clone());
        let reads = core::mem::replace(&mut finding.span, written);
        // The others are found as they are written.
        reads.len() != finding.span.len()
    });
    together(findings, more)
}

/// A value as it reads.
pub fn plain(value: &str, spellings: Spellings) -> Cow<'_, str> {
    let mut plain = Cow::Borrowed(value);
    for _ in 0..LAYERS {
        match read(&plain, spellings) {
            Some(read) => plain = Cow::Owned(read.text),
            None => break,
        }
    }
    plain
}

/// The text as it reads; none if it reads as it is written.
fn read(text: &str, spellings: Spellings) -> Option<Folded> {
    if !spellings.any() {
        return None;
    }
    let mut read = Folded::with_capacity(text.len());
    let mut at = 0_usize;
    let mut changes = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = rest.find(begins).unwrap_or(rest.len());
        read.keep(rest.get(..plain).unwrap_or_default());
        at = at.saturating_add(plain);
        let rest = rest.get(plain..).unwrap_or_default();
        let before = read.text.chars().next_back();
        if let Some((characters, length)) = spelled(rest, before, spellings) {
            changes = true;
            let mut end = at;
            for (character, length) in characters {
                end = end.saturating_add(length);
                read.replace(character, end);
            }
            at = at.saturating_add(length);
            if end < at {
                read.leave_out(at);
            }
        } else if let Some(first) = rest.chars().next() {
            read.keep(rest.get(..first.len_utf8()).unwrap_or_default());
            at = at.saturating_add(first.len_utf8());
        }
    }
    changes.then_some(read)
}

/// What a spelling may begin with.
const fn begins(character: char) -> bool {
    matches!(character, '%' | '=' | '&' | ' ' | '(' | '[' | '{' | '<')
}

type Characters = Vec<(char, usize)>;

/// What a text begins with that is spelled: the characters with the bytes that each takes, and
/// their sum, which is more if something is left out.
fn spelled(rest: &str, before: Option<char>, spellings: Spellings) -> Option<(Characters, usize)> {
    let one = |(character, length)| (vec![(character, length)], length);
    match rest.as_bytes().first()? {
        b'%' if spellings.percent => escapes(rest.as_bytes(), b'%'),
        b'=' if spellings.quoted_printable => {
            broken_line(rest).or_else(|| escapes(rest.as_bytes(), b'='))
        }
        b'&' if spellings.references => reference(rest).map(one),
        _ if spellings.words && before.is_some_and(char::is_alphanumeric) => sign(rest).map(one),
        _ => None,
    }
}

/// Most escapes that are read at once: what is broken is not read again and again.
const MOST_ESCAPES: usize = 64;

/// The end of a line that goes on.
fn broken_line(rest: &str) -> Option<(Characters, usize)> {
    let behind = rest
        .strip_prefix("=\r\n")
        .or_else(|| rest.strip_prefix("=\n"))?;
    Some((Vec::new(), rest.len().saturating_sub(behind.len())))
}

/// A row of escapes behind this sign, as far as it is UTF-8.
fn escapes(rest: &[u8], sign: u8) -> Option<(Characters, usize)> {
    let mut bytes = Vec::new();
    let mut left = rest;
    while let [first, high, low, behind @ ..] = left
        && *first == sign
    {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            break;
        };
        if bytes.len() >= MOST_ESCAPES {
            break;
        }
        bytes.push(u8::try_from(high << 4 | low).ok()?);
        left = behind;
    }
    let valid = match core::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
    };
    if valid.is_empty() {
        return None;
    }
    let written = |one: char| one.len_utf8().saturating_mul(3);
    let characters = valid.chars().map(|one| (one, written(one))).collect();
    Some((characters, valid.len().saturating_mul(3)))
}

/// Names of references that stand for signs of addresses and numbers, and those of markup.
const NAMES: [(&str, char); 20] = [
    ("amp", '&'),
    ("apos", '\''),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dash", '\u{2010}'),
    ("equals", '='),
    ("gt", '>'),
    ("hyphen", '\u{2010}'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lt", '<'),
    ("nbsp", '\u{a0}'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quot", '"'),
    ("rpar", ')'),
    ("sol", '/'),
];
/// Longest reference, with its signs.
const LONGEST_REFERENCE: usize = 12;

/// A character reference of HTML (WHATWG HTML section 13.2.5.72) that ends with its semicolon.
fn reference(rest: &str) -> Option<(char, usize)> {
    let near = rest.as_bytes().get(..rest.len().min(LONGEST_REFERENCE))?;
    let end = memchr::memchr(b';', near)?;
    let name = rest.get(1..end)?;
    let character = match name.strip_prefix('#') {
        Some(number) => {
            let (digits, radix) = match number.strip_prefix(['x', 'X']) {
                Some(digits) => (digits, 16),
                None => (number, 10),
            };
            let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let code = plain.then(|| u32::from_str_radix(digits, radix).ok())??;
            char::from_u32(code)?
        }
        None => NAMES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((character, end.saturating_add(1)))
}

/// Most spaces around a sign that is written as a word.
const MOST_SPACES: usize = 2;

/// A sign of an address that is written as a word, with the spaces around it; a letter or digit
/// follows.
fn sign(rest: &str) -> Option<(char, usize)> {
    let spaces = |text: &str| {
        let length = text
            .len()
            .saturating_sub(text.trim_start_matches(' ').len());
        (length <= MOST_SPACES).then_some(length)
    };
    let mut at = spaces(rest)?;
    let inner = rest.get(at..)?;
    let close = match inner.as_bytes().first()? {
        b'(' => ')',
        b'[' => ']',
        b'{' => '}',
        b'<' => '>',
        // Without brackets it is a word of the text, unless it is in capitals.
        _ if at > 0 => {
            let (word, character) = [("AT ", '@'), ("DOT ", '.')]
                .into_iter()
                .find(|(word, _)| inner.starts_with(word))?;
            at = at.saturating_add(word.len());
            at = at.saturating_add(spaces(rest.get(at..)?)?);
            return before_letter(rest, at).then_some((character, at));
        }
        _ => return None,
    };
    at = at.saturating_add(1);
    at = at.saturating_add(spaces(rest.get(at..)?)?);
    let inner = rest.get(at..)?;
    let (word, character) = [("at", '@'), ("dot", '.'), ("@", '@'), (".", '.')]
        .into_iter()
        .find(|(word, _)| {
            inner
                .get(..word.len())
                .is_some_and(|front| front.eq_ignore_ascii_case(word))
        })?;
    at = at.saturating_add(word.len());
    at = at.saturating_add(spaces(rest.get(at..)?)?);
    rest.get(at..)?.starts_with(close).then_some(())?;
    at = at.saturating_add(1);
    at = at.saturating_add(spaces(rest.get(at..)?)?);
    before_letter(rest, at).then_some((character, at))
}

fn before_letter(rest: &str, at: usize) -> bool {
    let next = rest.get(at..).and_then(|rest| rest.chars().next());
    next.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Spellings = Spellings {
        percent: true,
        references: true,
        quoted_printable: true,
        words: true,
    };

    fn found(text: &str, spellings: Spellings) -> Vec<&str> {
        let wanted = EntitySet::all();
        let known = scan(text, 0, "", wanted);
        let found = with_spelled(text, "", wanted, spellings, known);
        found
            .iter()
            .map(|finding| &text[finding.span.clone()])
            .collect()
    }

    #[test]
    fn what_is_spelled_is_found_as_it_is_written() {
        for (text, written) in [
            (
                "mail ann (at) example [dot] org, please",
                "ann (at) example [dot] org",
            ),
            ("ann.lee[at]mail.example.org", "ann.lee[at]mail.example.org"),
            ("ann AT example DOT org", "ann AT example DOT org"),
            ("ann {At} example <DOT> org", "ann {At} example <DOT> org"),
            ("ann[@]example[.]org", "ann[@]example[.]org"),
            ("x=%61nn%40example%2Eorg&y", "%61nn%40example%2Eorg"),
            (
                "%34111%201111%201111%201111.",
                "%34111%201111%201111%201111",
            ),
            ("j%C3%B6rg%40example.org", "j%C3%B6rg%40example.org"),
            (
                "<b>&#97;nn&commat;example&period;org</b>",
                "&#97;nn&commat;example&period;org",
            ),
            (
                "4111&nbsp;1111&#160;1111&#xA0;1111",
                "4111&nbsp;1111&#160;1111&#xA0;1111",
            ),
            ("x %61nn%2540example%252Eorg.", "%61nn%2540example%252Eorg"),
            ("ann%252540example.org", "ann%252540example.org"),
            (
                "&amp;#97;nn&amp;commat;example.org",
                "&amp;#97;nn&amp;commat;example.org",
            ),
            ("ann%26%2364%3Bexample.org!", "ann%26%2364%3Bexample.org"),
            ("%2534111 1111 1111 %2531111", "%2534111 1111 1111 %2531111"),
            ("mail: ann=40example.org", "ann=40example.org"),
            ("j=C3=B6rg=40example=2Eorg=20", "j=C3=B6rg=40example=2Eorg"),
            (
                "no. 4111 1111 11=\n11 1111=\r\n .",
                "4111 1111 11=\n11 1111",
            ),
            (
                "ann=\r\n.lee=40exam=\r\nple.org",
                "ann=\r\n.lee=40exam=\r\nple.org",
            ),
        ] {
            assert_eq!(found(text, ALL), [written], "{text}");
        }
    }

    #[test]
    fn what_reads_as_it_is_written_stays() {
        for text in [
            "look at foo.com (at noon) and dot com",
            "we met at example dot org",
            "100% of them & 50 %",
            "a[0] (at) [dot]",
            "%ff%fe &bogus; &#xD800; &#99999999999;",
        ] {
            assert_eq!(found(text, ALL), [""; 0], "{text}");
        }
        let text = "ann (at) example [dot] org %61nn%20example.org ann=40example.org";
        assert_eq!(found(text, Spellings::default()), [""; 0]);
        assert!(read("nothing spelled here", ALL).is_none());
    }

    #[test]
    fn broken_escapes_are_read_once() {
        // A quadratic reader would take minutes.
        let begun = std::time::Instant::now();
        for text in [
            "%41".repeat(300_000) + "%ff",
            format!("%{}4", "25".repeat(300_000)),
            format!("&{}#64", "amp;".repeat(200_000)),
            "=\n".repeat(300_000),
            "%41%ff".repeat(200_000),
            "%ff".repeat(300_000),
        ] {
            assert_eq!(found(&text, ALL), [""; 0]);
        }
        assert!(begun.elapsed().as_secs() < 60);
        let broken = "%61nn%40example.org%ff ".repeat(2);
        assert_eq!(found(&broken, ALL), ["%61nn%40example.org"; 2]);
    }

    proptest! {
        #[test]
        fn offsets_are_those_of_characters(text in "([a-z0-9 @.é４]|%4[0-9a]|%C3%A9|&#64;|&amp;|=4[01]|=\n|%25| ?\\(at\\) ?| DOT ){0,20}") {
            if let Some(read) = read(&text, ALL) {
                let ends: Vec<usize> = read.text.char_indices().map(|(at, _)| at).chain([read.text.len()]).collect();
                let mut last = 0;
                for pair in ends.windows(2) {
                    let written = read.written(pair[0]..pair[1]);
                    let left_out = text[last..written.start].replace("=\n", "");
                    prop_assert_eq!(left_out, "");
                    prop_assert!(text.is_char_boundary(written.end));
                    last = written.end;
                }
                prop_assert_eq!(text[last..].replace("=\n", ""), "");
            }
        }
    }
}
