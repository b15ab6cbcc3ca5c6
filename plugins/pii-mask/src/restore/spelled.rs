//! How a placeholder is spelled in an answer: as it was issued, or as models and what renders their
//! text change it: `<email_1>`, `[EMAIL_1]`, `\<EMAIL\_1\>`, `&lt;EMAIL_1&gt;`,
//! `\u003cEMAIL_1\u003e`, `%3CEMAIL_1%3E`, `EMAIL_1`.

/// What is around a placeholder tells how text is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// As it is.
    Text,
    /// With character references (HTML, XML).
    Markup,
    /// With JSON's escapes.
    Json,
    /// With percent escapes (RFC 3986, section 2.1).
    Url,
}

/// Brackets, in lower case, and what they tell. Those of JSON stand behind a backslash.
const BRACKETS: [(&str, &str, Around); 9] = [
    ("<", ">", Around::Text),
    ("[", "]", Around::Text),
    ("&lt;", "&gt;", Around::Markup),
    ("&#60;", "&#62;", Around::Markup),
    ("&#x3c;", "&#x3e;", Around::Markup),
    ("u003c", "u003e", Around::Json),
    ("%3c", "%3e", Around::Url),
    ("＜", "＞", Around::Text),
    ("‹", "›", Around::Text),
];

/// Most backslashes in a row: of text in JSON in JSON.
const MOST_BACKSLASHES: usize = 15;
/// Longest name with its number or code.
const LONGEST_CORE: usize = 48;
/// Longest placeholder however it is spelled: brackets and core, with backslashes before both
/// brackets and each low line of `AWS_ACCESS_KEY_1`.
pub const LONGEST: usize = LONGEST_CORE + 2 * 6 + 5 * MOST_BACKSLASHES;

/// What stands at some place of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// No placeholder.
    No,
    /// The text ends where one may go on.
    Open,
    /// A placeholder, up to this place of the text.
    Whole(Spelled<T>),
}

/// A placeholder.
#[derive(Debug, PartialEq, Eq)]
pub struct Spelled<T> {
    /// What it stands for.
    pub of: T,
    /// Where it ends in the text.
    pub end: usize,
    /// What is around it.
    pub around: Around,
    /// It has no brackets.
    pub is_bare: bool,
    /// The text ends with it, and it may be the front of another.
    pub may_go_on: bool,
}

/// Names and codes that were issued.
pub trait Issued {
    /// What tells one from another.
    type Of: Copy;
    /// What this name with its code, in lower case, stands for.
    fn get(&self, core: &str) -> Option<Self::Of>;
    /// Whether one begins with this.
    fn any_begins(&self, front: &str) -> bool;
    /// Whether it was issued in exactly this spelling.
    fn is_exact(&self, of: Self::Of, core: &str) -> bool;
}

/// Whether a placeholder in brackets may begin with this byte.
pub const fn may_open(byte: u8) -> bool {
    matches!(byte, b'<' | b'[' | b'&' | b'%' | b'\\' | 0xe2 | 0xef)
}

/// The placeholder in brackets that begins at `at`.
pub fn bracketed<I: Issued>(text: &str, at: usize, issued: &I) -> Read<I::Of> {
    let bytes = text.as_bytes();
    let rest = |at: usize| bytes.get(at..).unwrap_or_default();
    let Some(before) = backslashes(rest(at)) else {
        return Read::No;
    };
    let opens = at.saturating_add(before);
    let mut is_open = false;
    for (open, close, around) in BRACKETS {
        if around == Around::Json && before == 0 {
            continue;
        }
        match begins(rest(opens), open) {
            Begins::No => continue,
            Begins::Open => {
                is_open = true;
                continue;
            }
            Begins::Whole => {}
        }
        let from = opens.saturating_add(open.len());
        let Some(core) = Core::read(rest(from)) else {
            return Read::No;
        };
        if core.is_at_end {
            return if issued.any_begins(&core.lower()) {
                Read::Open
            } else {
                Read::No
            };
        }
        let Some(of) = issued.get(&core.lower()) else {
            return Read::No;
        };
        let closes = from.saturating_add(core.length);
        let Some(behind) = backslashes(rest(closes)) else {
            return Read::No;
        };
        // Who escapes the one bracket escapes the other, or at least the low line.
        let escapes = behind > 0 || (around != Around::Json && core.is_escaped);
        if before > 0 && !escapes && !rest(closes).is_empty() {
            return Read::No;
        }
        let closes = closes.saturating_add(behind);
        let end = closes.saturating_add(close.len());
        return match begins(rest(closes), close) {
            Begins::No => Read::No,
            Begins::Open => Read::Open,
            // The name of a link keeps its brackets.
            Begins::Whole if open == "[" && bytes.get(end) == Some(&b'(') => Read::No,
            Begins::Whole => Read::Whole(Spelled {
                of,
                end,
                around,
                is_bare: false,
                may_go_on: open == "[" && end == bytes.len(),
            }),
        };
    }
    if is_open { Read::Open } else { Read::No }
}

/// The placeholder without brackets that begins at `at`: in capitals, as a word of its own.
pub fn bare<I: Issued>(text: &str, at: usize, issued: &I) -> Read<I::Of> {
    let bytes = text.as_bytes();
    if !bytes.get(at).is_some_and(u8::is_ascii_uppercase) || !begins_word(bytes, at) {
        return Read::No;
    }
    let Some(core) = Core::read(bytes.get(at..).unwrap_or_default()) else {
        return Read::No;
    };
    let lower = core.lower();
    let end = at.saturating_add(core.length);
    match issued.get(&lower) {
        Some(of) if issued.is_exact(of, &core.text) && bytes.get(end) != Some(&b'@') => {
            Read::Whole(Spelled {
                of,
                end,
                around: Around::Text,
                is_bare: true,
                may_go_on: core.is_at_end,
            })
        }
        _ if core.is_at_end && issued.any_begins(&lower) => Read::Open,
        _ => Read::No,
    }
}

/// Whether a name at this place is no part of another one, of a variable, an address or a path.
fn begins_word(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_$%{\\.-/@#&".contains(byte))
}

/// A name with its number or code.
struct Core {
    /// Without backslashes.
    text: String,
    /// As it is written.
    length: usize,
    /// There was a backslash before a low line.
    is_escaped: bool,
    /// The text ends with it.
    is_at_end: bool,
}

impl Core {
    /// None if it is longer than any.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut text, mut length, mut is_escaped) = (String::new(), 0_usize, false);
        loop {
            let rest = bytes.get(length..).unwrap_or_default();
            let skipped = backslashes(rest)?;
            match rest.get(skipped) {
                Some(byte) if *byte == b'_' || (skipped == 0 && byte.is_ascii_alphanumeric()) => {
                    if text.len() >= LONGEST_CORE {
                        return None;
                    }
                    text.push(char::from(*byte));
                    is_escaped |= skipped > 0;
                    length = length.saturating_add(skipped).saturating_add(1);
                }
                other => {
                    return Some(Self {
                        text,
                        length,
                        is_escaped,
                        is_at_end: other.is_none(),
                    });
                }
            }
        }
    }

    fn lower(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

/// How many backslashes stand at the front; none if they are too many.
fn backslashes(bytes: &[u8]) -> Option<usize> {
    let front = bytes.iter().take(MOST_BACKSLASHES.saturating_add(1));
    let count = front.take_while(|byte| **byte == b'\\').count();
    (count <= MOST_BACKSLASHES).then_some(count)
}

enum Begins {
    No,
    /// All of the text is the front of it.
    Open,
    Whole,
}

fn begins(bytes: &[u8], with: &str) -> Begins {
    let with = with.as_bytes();
    let length = bytes.len().min(with.len());
    let equal = bytes
        .iter()
        .zip(with)
        .all(|(byte, want)| byte.to_ascii_lowercase() == *want);
    match (equal, length == with.len()) {
        (false, _) => Begins::No,
        (true, false) => Begins::Open,
        (true, true) => Begins::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Emails(&'static [&'static str]);

    impl Issued for Emails {
        type Of = usize;

        fn get(&self, core: &str) -> Option<usize> {
            self.0.iter().position(|one| one.to_lowercase() == core)
        }

        fn any_begins(&self, front: &str) -> bool {
            self.0
                .iter()
                .any(|one| one.to_lowercase().starts_with(front))
        }

        fn is_exact(&self, of: usize, core: &str) -> bool {
            self.0[of] == core
        }
    }

    const ISSUED: Emails = Emails(&["EMAIL_1", "EMAIL_12", "AWS_ACCESS_KEY_1"]);

    #[test]
    fn every_spelling_is_read_to_its_end_and_open_before_it() {
        for (text, around) in [
            ("<EMAIL_1>", Around::Text),
            ("<Email_1>", Around::Text),
            ("[EMAIL_1]", Around::Text),
            ("\\<EMAIL\\_1\\>", Around::Text),
            ("\\<EMAIL\\_1>", Around::Text),
            ("\\[EMAIL_1\\]", Around::Text),
            ("<AWS\\_ACCESS\\_KEY\\_1>", Around::Text),
            ("&lt;EMAIL_1&gt;", Around::Markup),
            ("&#60;email_1&#62;", Around::Markup),
            ("&#x3C;EMAIL_1&#x3E;", Around::Markup),
            ("\\u003cEMAIL_1\\u003e", Around::Json),
            ("\\\\u003CEMAIL_1\\\\u003E", Around::Json),
            ("%3CEMAIL_1%3E", Around::Url),
            ("＜EMAIL_1＞", Around::Text),
            ("‹EMAIL_1›", Around::Text),
        ] {
            let read = bracketed(text, 0, &ISSUED);
            let Read::Whole(spelled) = read else {
                panic!("{text}: {read:?}");
            };
            assert_eq!(
                (spelled.end, spelled.around),
                (text.len(), around),
                "{text}"
            );
            for (at, _) in text.char_indices().skip(1) {
                assert_eq!(
                    bracketed(&text[..at], 0, &ISSUED),
                    Read::Open,
                    "{text} {at}"
                );
            }
        }
    }

    #[test]
    fn what_was_not_issued_is_none() {
        for text in [
            "<EMAIL_2>",
            "<EMAIL_01>",
            "<EMAIL>",
            "<PHONE_1>",
            "<EMAIL_1",
            "<EMAIL_1 >",
            "<b>",
            "\\<EMAIL_1>",
            "u003cEMAIL_1u003e",
            "[EMAIL_1](x",
            "[x](EMAIL_1)",
            "%3",
            "&amp;",
        ] {
            let text = format!("{text} ");
            assert_eq!(bracketed(&text, 0, &ISSUED), Read::No, "{text}");
        }
    }

    #[test]
    fn a_bare_word_is_one_in_capitals_only() {
        let read = |text: &str, at: usize| match bare(text, at, &ISSUED) {
            Read::Whole(spelled) => Some((spelled.of, spelled.end, spelled.may_go_on)),
            _ => None,
        };
        assert_eq!(read("EMAIL_1.", 0), Some((0, 7, false)));
        assert_eq!(read("\"EMAIL\\_12\"", 1), Some((1, 10, false)));
        assert_eq!(read("EMAIL_1", 0), Some((0, 7, true)));
        assert_eq!(bare("EMAI", 0, &ISSUED), Read::Open);
        for (text, at) in [
            ("email_1", 0),
            ("$EMAIL_1", 1),
            ("MY_EMAIL_1", 3),
            ("EMAIL_1x", 0),
            ("EMAIL_13", 0),
            ("EMAIL_1@x.com", 0),
            ("a.EMAIL_1", 2),
            ("Email_1", 0),
            ("{EMAIL_1}", 1),
        ] {
            assert_eq!(read(text, at), None, "{text}");
        }
    }
}
