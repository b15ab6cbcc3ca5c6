//! Writing lists of items with parameters as HTTP structured fields (RFC 9651, section 4.1).
//!
//! Only what modelgate emits: strings, integers and byte sequences as bare items. The writer
//! refuses what the RFC cannot express; it never escapes or shortens its way around it. Reading
//! structured fields is not its business.

use core::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The largest magnitude of an integer: fifteen decimal digits (RFC 9651, section 3.3.1).
pub const MAX_INTEGER: i64 = 999_999_999_999_999;

/// A value without parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare<'a> {
    /// An integer of at most fifteen digits.
    Integer(i64),
    /// A string of printable ASCII.
    String(&'a str),
    /// A byte sequence.
    Bytes(&'a [u8]),
}

/// A value with parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The value.
    pub value: Bare<'a>,
    /// Names (`[a-z*][a-z0-9_.*-]*`) and values.
    pub parameters: &'a [(&'a str, Bare<'a>)],
}

/// A value or a parameter's name that structured fields cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inexpressible;

impl fmt::Display for Inexpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not expressible as an HTTP structured field")
    }
}

impl From<fmt::Error> for Inexpressible {
    fn from(_: fmt::Error) -> Self {
        Self
    }
}

/// Appends an item to `out`, with ", " before it if `out` is not empty: so a list is written member
/// by member.
///
/// # Errors
/// [`Inexpressible`] for an integer out of range, a string that is not printable ASCII, or a bad
/// parameter name; `out` is then useless.
pub fn push_member(out: &mut String, item: &Item<'_>) -> Result<(), Inexpressible> {
    if !out.is_empty() {
        out.push_str(", ");
    }
    push_bare(out, item.value)?;
    for (name, value) in item.parameters {
        if !is_key(name) {
            return Err(Inexpressible);
        }
        write!(out, ";{name}=")?;
        push_bare(out, *value)?;
    }
    Ok(())
}

fn push_bare(out: &mut String, value: Bare<'_>) -> Result<(), Inexpressible> {
    match value {
        Bare::Integer(number) => {
            if !(-MAX_INTEGER..=MAX_INTEGER).contains(&number) {
                return Err(Inexpressible);
            }
            write!(out, "{number}")?;
        }
        Bare::String(text) => {
            out.push('"');
            for character in text.chars() {
                match character {
                    '"' | '\\' => out.extend(['\\', character]),
                    ' '..='~' => out.push(character),
                    _ => return Err(Inexpressible),
                }
            }
            out.push('"');
        }
        Bare::Bytes(bytes) => write!(out, ":{}:", STANDARD.encode(bytes))?,
    }
    Ok(())
}

/// Whether the text can be a key (RFC 9651, section 3.1.2).
pub fn is_key(name: &str) -> bool {
    let mut bytes = name.bytes();
    matches!(bytes.next(), Some(b'a'..=b'z' | b'*'))
        && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[Item<'_>]) -> Result<String, Inexpressible> {
        let mut out = String::new();
        items
            .iter()
            .try_for_each(|item| push_member(&mut out, item))
            .map(|()| out)
    }

    #[test]
    fn members_parameters_and_escapes_are_written_canonically() {
        let items = [
            Item {
                value: Bare::String("a\"b\\c"),
                parameters: &[("q", Bare::Integer(50)), ("pk", Bare::Bytes(b"\x00\xff"))],
            },
            Item {
                value: Bare::Integer(-7),
                parameters: &[],
            },
        ];
        assert_eq!(
            list(&items).as_deref(),
            Ok(r#""a\"b\\c";q=50;pk=:AP8=:, -7"#)
        );
    }

    #[test]
    fn what_the_rfc_cannot_express_is_refused() {
        for value in [
            Bare::String("\u{e9}"),
            Bare::String("\n"),
            Bare::String("\u{7f}"),
            Bare::Integer(MAX_INTEGER + 1),
            Bare::Integer(i64::MIN),
        ] {
            assert_eq!(
                list(&[Item {
                    value,
                    parameters: &[]
                }]),
                Err(Inexpressible),
                "{value:?}"
            );
        }
        for name in ["", "Q", "1a", "a b", "a="] {
            assert_eq!(
                list(&[Item {
                    value: Bare::Integer(1),
                    parameters: &[(name, Bare::Integer(1))]
                }]),
                Err(Inexpressible),
                "{name}"
            );
        }
    }
}
