//! A path with one spelling and one reading.
//!
//! Proxies and model servers differ in how they read escapes, dots, repeated slashes and
//! parameters, and an access rule that reads a path otherwise than the server does is no rule. So
//! whatever could be read in two ways is refused here: escapes of separators, of `%` itself, of
//! control characters and of characters that need none; `.` and `..`; empty segments but for a last
//! one; `;`; `\`; bytes that no URI may hold. It is decoded once, after it was split at its
//! slashes. One kind of path may hold escaped slashes: Bedrock's, with a model's ARN as one of its
//! segments ([`super::bedrock`]).

use std::borrow::Cow;
use std::fmt;

use super::bedrock;

/// Why a path was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathError {
    /// It does not begin with a slash.
    NotAbsolute,
    /// Two slashes in a row.
    EmptySegment,
    /// A segment `.` or `..`.
    DotSegment,
    /// `%2F`, `%5C` or a backslash.
    EncodedSeparator,
    /// `%25`: some servers decode twice.
    EncodedPercent,
    /// An escape of a letter, a digit or `-._~`: a second spelling of the same path.
    NeedlessEscape,
    /// A `%` that is not followed by two hexadecimal digits.
    InvalidEscape,
    /// A control character, written or escaped.
    ControlCharacter,
    /// `;`, which some servers cut off.
    PathParameter,
    /// A byte that does not belong in a URI's path: a space, `#`, `"<>^`{|}` or one beyond ASCII.
    IllegalByte,
    /// Escapes that do not decode to UTF-8.
    NotUtf8,
}

impl PathError {
    /// A word for logs, metrics and error replies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path_not_absolute",
            Self::EmptySegment => "path_segment_empty",
            Self::DotSegment => "path_dotted",
            Self::EncodedSeparator => "path_separator_encoded",
            Self::EncodedPercent => "path_percent_encoded",
            Self::NeedlessEscape => "path_needlessly_escaped",
            Self::InvalidEscape => "path_escape_malformed",
            Self::ControlCharacter => "path_control_character_refused",
            Self::PathParameter => "path_parameter_refused",
            Self::IllegalByte => "path_byte_refused",
            Self::NotUtf8 => "path_not_utf8",
        }
    }
}

/// A path without its query that has one reading.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path<'a> {
    raw: &'a str,
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.raw)
    }
}

impl<'a> Path<'a> {
    /// Reads a request target (`:path`); from the first `?` on it is left aside.
    ///
    /// # Errors
    /// The first trait that would let two servers read it differently.
    pub fn parse(target: &'a [u8]) -> Result<Self, PathError> {
        let raw = target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        let raw = std::str::from_utf8(raw).map_err(|_| PathError::IllegalByte)?;
        if is_plain(raw) {
            return Ok(Self { raw });
        }
        let inner = raw.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let mut segments = inner.split('/').peekable();
        while let Some(segment) = segments.next() {
            if segment.is_empty() && segments.peek().is_some() {
                return Err(PathError::EmptySegment);
            }
            match check(segment) {
                Err(PathError::EncodedSeparator) if bedrock::names_an_arn(inner) => {}
                checked => checked?,
            }
        }
        Ok(Self { raw })
    }

    /// The path as it was sent, without the query.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The path with its escapes decoded; none of them is a slash but those of an ARN.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        decoded(self.raw)
    }

    /// What stands between the slashes; the last one is empty if the path ends with a slash.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + Clone + use<'a> {
        self.raw
            .strip_prefix('/')
            .unwrap_or_default()
            .split('/')
            .map(|raw| Segment { raw })
    }
}

/// One segment of a [`Path`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    raw: &'a str,
}

impl<'a> Segment<'a> {
    /// As it was sent. Equal to a word of unreserved characters exactly if the decoded text is.
    #[must_use]
    pub fn as_sent(&self) -> &'a str {
        self.raw
    }

    /// With its escapes decoded.
    #[must_use]
    pub fn decoded(&self) -> Cow<'a, str> {
        decoded(self.raw)
    }
}

/// `raw`, part of a checked segment, with its escapes decoded. Borrowed if it has none.
pub(super) fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    // Checked by `check` already; a part cut at a character boundary decodes as the whole does.
    decode(raw, Slash::OfArn).map_or(Cow::Borrowed(raw), Cow::Owned)
}

/// Whether a path begins with a slash, and has nothing in it that [`check`] has to look at: most
/// do.
fn is_plain(raw: &str) -> bool {
    let mut before = None;
    for byte in raw.bytes() {
        let fits = match byte {
            b'/' => before != Some(b'/'),
            b'.' => before.is_some() && before != Some(b'/'),
            b'-' | b'_' | b'~' | b':' | b'@' => before.is_some(),
            _ => before.is_some() && byte.is_ascii_alphanumeric(),
        };
        if !fits {
            return false;
        }
        before = Some(byte);
    }
    before.is_some()
}

fn check(segment: &str) -> Result<(), PathError> {
    if matches!(segment, "." | "..") {
        return Err(PathError::DotSegment);
    }
    let mut escaped = false;
    for byte in segment.bytes() {
        match byte {
            b'%' => escaped = true,
            b'\\' => return Err(PathError::EncodedSeparator),
            b';' => return Err(PathError::PathParameter),
            0..=0x1f | 0x7f => return Err(PathError::ControlCharacter),
            // RFC 3986, pchar.
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
            | b',' | b'=' | b':' | b'@' => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return Err(PathError::IllegalByte),
        }
    }
    if escaped {
        decode(segment, Slash::Refused)?;
    }
    Ok(())
}

/// What becomes of an escaped slash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Refused,
    /// It is one of an ARN's.
    OfArn,
}

fn decode(segment: &str, slash: Slash) -> Result<String, PathError> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PathError::InvalidEscape);
        };
        let byte = (high << 4 | low) as u8;
        match byte {
            b'/' if slash == Slash::OfArn => out.push(byte),
            b'/' | b'\\' => return Err(PathError::EncodedSeparator),
            b'%' => return Err(PathError::EncodedPercent),
            b';' => return Err(PathError::PathParameter),
            b'-' | b'.' | b'_' | b'~' => return Err(PathError::NeedlessEscape),
            _ if byte.is_ascii_alphanumeric() => return Err(PathError::NeedlessEscape),
            _ if byte.is_ascii_control() => return Err(PathError::ControlCharacter),
            _ => out.push(byte),
        }
    }
    let text = String::from_utf8(out).map_err(|_| PathError::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(PathError::ControlCharacter);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_with_two_readings_is_refused() {
        use PathError::*;
        for (path, error) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("v2/models", NotAbsolute),
            ("?/v2", NotAbsolute),
            ("//", EmptySegment),
            ("/a//b", EmptySegment),
            ("//a", EmptySegment),
            ("/a/.", DotSegment),
            ("/./a", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/%2e%2e/b", NeedlessEscape),
            ("/a/.%2e/b", NeedlessEscape),
            ("/a%2fb", EncodedSeparator),
            ("/a%2Fb", EncodedSeparator),
            ("/a%5cb", EncodedSeparator),
            ("/a\\b", EncodedSeparator),
            ("/a%252fb", EncodedPercent),
            ("/mod%65ls", NeedlessEscape),
            ("/a%7E", NeedlessEscape),
            ("/a%", InvalidEscape),
            ("/a%4", InvalidEscape),
            ("/a%zz", InvalidEscape),
            ("/a%+1b", InvalidEscape),
            ("/a%00", ControlCharacter),
            ("/a\0", ControlCharacter),
            ("/a%0d%0a", ControlCharacter),
            ("/a%C2%85", ControlCharacter),
            ("/a%7f", ControlCharacter),
            ("/a;b=c", PathParameter),
            ("/a%3bb", PathParameter),
            ("/a b", IllegalByte),
            ("/a#b", IllegalByte),
            ("/\u{e9}", IllegalByte),
            ("/a%ff", NotUtf8),
            ("/a%c3/%a9", NotUtf8),
        ] {
            assert_eq!(Path::parse(path.as_bytes()).err(), Some(error), "{path}");
        }
        assert_eq!(Path::parse(b"/\xff").err(), Some(IllegalByte));
    }

    #[test]
    fn an_arn_of_bedrocks_is_one_segment() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile";
        for sent in [
            format!("{arn}%2Fus.a.b-v1:0"),
            format!("{}%2Fus.a.b-v1%3A0", arn.replace(':', "%3A")),
        ] {
            let target = format!("/model/{sent}/converse?x=1");
            let path = Path::parse(target.as_bytes()).unwrap();
            let segments: Vec<_> = path.segments().map(|segment| segment.decoded()).collect();
            let whole = format!("{arn}/us.a.b-v1:0");
            assert_eq!(segments, ["model", whole.as_str(), "converse"]);
            assert_eq!(path.text(), format!("/model/{whole}/converse"));
        }
        for other in [
            format!("/models/{arn}%2Fa/converse"),
            format!("/model/{arn}%2Fa/other"),
            format!("/model/{arn}%2Fa%2Fb/converse"),
            format!("/model/{arn}%2F..%2Fa/converse"),
            format!("/model/{arn}%2fa/converse"),
            "/model/a%2Fb/converse".to_owned(),
        ] {
            let error = Path::parse(other.as_bytes()).err();
            assert_eq!(error, Some(PathError::EncodedSeparator), "{other}");
        }
        let dotted = format!("/model/{arn}%2F%2e%2e/converse");
        assert!(Path::parse(dotted.as_bytes()).is_err());
    }

    #[test]
    fn a_plain_path_is_split_and_decoded() {
        let path = Path::parse(b"/model/a%3A0/caf%C3%A9/?x=/../y").unwrap();
        assert_eq!(path.as_str(), "/model/a%3A0/caf%C3%A9/");
        let segments: Vec<_> = path.segments().map(|segment| segment.decoded()).collect();
        assert_eq!(segments, ["model", "a:0", "caf\u{e9}", ""]);
        assert!(matches!(segments[0], Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn a_plain_path_needs_no_second_look(path in "[/a-b.:%;é@-]{0,12}") {
            if is_plain(&path) {
                let inner = path.strip_prefix('/').unwrap();
                let empty = inner.split('/').rev().skip(1).any(str::is_empty);
                prop_assert!(!empty && inner.split('/').all(|segment| check(segment).is_ok()));
            }
        }

        #[test]
        fn a_decoded_path_has_no_separator_and_no_dots(target in "/[a-c./%25fFe0\\\\;?]{0,24}") {
            if let Ok(path) = Path::parse(target.as_bytes()) {
                for segment in path.segments() {
                    let text = segment.decoded();
                    prop_assert!(!text.contains(['/', '\\', '%', ';']) && text != "." && text != "..");
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(target in proptest::collection::vec(any::<u8>(), 0..48)) {
            if let Ok(path) = Path::parse(&target) {
                prop_assert!(path.segments().count() > 0);
            }
        }
    }
}
