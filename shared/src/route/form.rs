//! A field of a `multipart/form-data` body (RFC 7578): how uploads of audio and images name their
//! model.
//!
//! Parsers of forms differ in what they forgive: text before the first delimiter, line feeds for
//! line ends, folded headers, names in another case, a field sent twice. What only some of them
//! would read is refused here, so that the field that is found is the one that every server finds.
//! The body is gone through once; nothing of a file is looked at but for the delimiter.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use super::body::{BodyError, alike, name_of_model};
use super::further::chooses_model;
use crate::query::decode;

/// Longest boundary, in bytes (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;
/// Most parts that a form may have.
const MOST_PARTS: usize = 256;
/// Longest headers of one part, in bytes.
const LONGEST_HEADERS: usize = 4_096;

/// A value of a header with its parameters: `form-data; name="model"`.
struct Parameters<'a> {
    value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Parameters<'a> {
    /// Nothing where two readings are possible: a parameter twice, one in RFC 8187's form
    /// (`name*`), text behind a quoted string.
    fn parse(text: &'a str) -> Option<Self> {
        let (value, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        while !rest.trim_ascii().is_empty() {
            let (name, after) = rest.split_once('=')?;
            let name = name.trim_ascii();
            let after = after.trim_ascii_start();
            let value = if let Some(quoted) = after.strip_prefix('"') {
                let (value, behind) = unquoted(quoted)?;
                rest = behind.trim_ascii_start();
                if !rest.is_empty() {
                    rest = rest.strip_prefix(';')?;
                }
                value
            } else {
                let (value, behind) = after.split_once(';').unwrap_or((after, ""));
                rest = behind;
                let value = value.trim_ascii();
                if !is_token(value) {
                    return None;
                }
                value
            };
            let twice = parameters
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(name));
            // Eight are more than any header of a form has.
            if twice || !is_token(name) || name.contains('*') || parameters.len() >= 8 {
                return None;
            }
            parameters.push((name, value));
        }
        Some(Self {
            value: value.trim_ascii(),
            parameters,
        })
    }

    fn get(&self, wanted: &str) -> Option<&'a str> {
        self.parameters
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| *value)
    }
}

/// The text of a quoted string whose first quote has been read, and what follows its last one. A
/// backslash escapes for some parsers and is a backslash for others (RFC 7578 section 4.2), so
/// there is none.
fn unquoted(text: &str) -> Option<(&str, &str)> {
    let (value, behind) = text.split_once('"')?;
    (!value.contains('\\')).then_some((value, behind))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/:?=()@,".contains(&byte))
}

/// The boundary that a content type names; nothing if it is another type, or names none that is
/// plain.
pub fn boundary(content_type: &str) -> Option<String> {
    let parameters = Parameters::parse(content_type)?;
    if !parameters.value.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.get("boundary")?;
    // RFC 2046, section 5.1.1, without the space.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    ((1..=LONGEST_BOUNDARY).contains(&boundary.len()) && boundary.bytes().all(plain))
        .then(|| boundary.to_owned())
}

/// The value of the field `member`; nothing if there is none.
///
/// # Errors
/// Whatever would let a server read the form otherwise.
pub fn field<'a>(
    body: &'a [u8],
    boundary: &str,
    member: &str,
) -> Result<Option<Cow<'a, str>>, BodyError> {
    let span = field_span(body, boundary, member)?;
    let value = span.map(|span| body.get(span).unwrap_or_default());
    let text = |value| std::str::from_utf8(value).map_err(|_| BodyError::ModelNotAName);
    value
        .map(text)
        .transpose()
        .map(|text| text.map(Cow::Borrowed))
}

/// Where the value of the field `member` stands in the body; nothing if there is none.
///
/// # Errors
/// As [`field`].
pub fn field_span(
    body: &[u8],
    boundary: &str,
    member: &str,
) -> Result<Option<Range<usize>>, BodyError> {
    let delimiter = format!("--{boundary}");
    let mut found = None;
    let mut begin: Option<usize> = None;
    let mut closed = false;
    let mut parts = 0_usize;
    for at in memmem::find_iter(body, delimiter.as_bytes()) {
        // Every occurrence is a delimiter line, or some parser could take it for one that is none
        // for us.
        let opens_line = match begin {
            None => at == 0,
            Some(_) => body
                .get(..at)
                .is_some_and(|before| before.ends_with(b"\r\n")),
        };
        let after = at.saturating_add(delimiter.len());
        let behind = body.get(after..).unwrap_or_default();
        if closed || !opens_line {
            return Err(BodyError::FormUnclear);
        }
        if let Some(begin) = begin {
            let part = body
                .get(begin..at.saturating_sub(2))
                .ok_or(BodyError::FormUnclear)?;
            parts = parts.saturating_add(1);
            if parts > MOST_PARTS {
                return Err(BodyError::FormUnclear);
            }
            if let Some(value) = value_of(part, member)? {
                let end = begin.saturating_add(part.len());
                let span = end.saturating_sub(value.len())..end;
                if found.replace(span).is_some() {
                    return Err(BodyError::MemberTwice);
                }
            }
        }
        match behind {
            b"--" | b"--\r\n" => closed = true,
            [b'\r', b'\n', ..] => begin = Some(after.saturating_add(2)),
            _ => return Err(BodyError::FormUnclear),
        }
    }
    if closed {
        Ok(found)
    } else {
        Err(BodyError::FormUnclear)
    }
}

/// The value of a part, which is the end of it, if it is the field `member`.
fn value_of<'a>(part: &'a [u8], member: &str) -> Result<Option<&'a [u8]>, BodyError> {
    let unclear = BodyError::FormUnclear;
    let beginning = part
        .get(..part.len().min(LONGEST_HEADERS))
        .unwrap_or_default();
    let end = memmem::find(beginning, b"\r\n\r\n").ok_or(unclear)?;
    let (headers, value) = part.split_at_checked(end).ok_or(unclear)?;
    let value = value.get(4..).unwrap_or_default();
    let headers = std::str::from_utf8(headers).map_err(|_| unclear)?;
    let (mut disposition, mut kind, mut encoding) = (None, None, None);
    for line in headers.split("\r\n") {
        if line.bytes().any(|byte| byte < b' ' && byte != b'\t') {
            return Err(unclear);
        }
        let (name, value) = line.split_once(':').ok_or(unclear)?;
        if !is_token(name) {
            return Err(unclear);
        }
        let slot = if name.eq_ignore_ascii_case("content-disposition") {
            &mut disposition
        } else if name.eq_ignore_ascii_case("content-type") {
            &mut kind
        } else if name.eq_ignore_ascii_case("content-transfer-encoding") {
            &mut encoding
        } else {
            continue;
        };
        if slot.replace(value.trim_ascii()).is_some() {
            return Err(unclear);
        }
    }
    let disposition = disposition.and_then(Parameters::parse).ok_or(unclear)?;
    let name = disposition.get("name").ok_or(unclear)?;
    if !disposition.value.eq_ignore_ascii_case("form-data") {
        return Err(unclear);
    }
    // Tells parsers how to read the other fields (RFC 7578 section 4.6).
    if name == "_charset_" && !value.eq_ignore_ascii_case(b"utf-8") {
        return Err(unclear);
    }
    if name != member {
        // Frameworks read `model[]`, `model.x` or an escaped name as the same field; and what other
        // fields that choose models mean (`fallbacks`) no form says.
        let decoded: Vec<u8> = decode(name).collect();
        let decoded = String::from_utf8_lossy(&decoded);
        let bare = decoded.split(['[', '.']).next().unwrap_or_default();
        return if alike(bare, member) || chooses_model(bare) {
            Err(BodyError::MemberTwice)
        } else {
            Ok(None)
        };
    }
    let plain = |kind: &str| {
        Parameters::parse(kind).is_some_and(|kind| {
            kind.value.eq_ignore_ascii_case("text/plain")
                && kind.get("charset").is_none_or(|charset| {
                    charset.eq_ignore_ascii_case("utf-8")
                        || charset.eq_ignore_ascii_case("us-ascii")
                })
        })
    };
    let as_it_is = |encoding: &str| {
        ["7bit", "8bit", "binary"]
            .iter()
            .any(|known| encoding.eq_ignore_ascii_case(known))
    };
    if disposition.get("filename").is_some()
        || !kind.is_none_or(plain)
        || !encoding.is_none_or(as_it_is)
    {
        return Err(unclear);
    }
    let text = std::str::from_utf8(value).map_err(|_| BodyError::ModelNotAName)?;
    name_of_model(Cow::Borrowed(text))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(name: &str, value: &str) -> String {
        format!("content-disposition: form-data; name=\"{name}\"\r\n\r\n{value}")
    }

    fn form(parts: &[&str]) -> String {
        let mut body = String::new();
        for part in parts {
            body.push_str(&format!("--b\r\n{part}\r\n"));
        }
        body + "--b--\r\n"
    }

    fn read(body: &str) -> Result<Option<String>, BodyError> {
        field(body.as_bytes(), "b", "model").map(|value| value.map(Cow::into_owned))
    }

    #[test]
    fn the_field_is_found_among_others() {
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a;b=c.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n-- \u{0}model";
        let model = part("model", "whisper-1");
        for (parts, model) in [
            (vec![model.as_str()], Some("whisper-1")),
            (vec![file, &model], Some("whisper-1")),
            (vec![&model, file], Some("whisper-1")),
            (vec![file, &part("prompt", "model")], None),
            (
                vec![
                    "CONTENT-DISPOSITION:form-data;name=model\r\ncontent-type: text/plain; charset=UTF-8\r\n\r\nm",
                ],
                Some("m"),
            ),
            (vec![&part("model_version", "x"), &part("modes", "y")], None),
        ] {
            assert_eq!(
                read(&form(&parts)),
                Ok(model.map(str::to_owned)),
                "{parts:?}"
            );
        }
    }

    #[test]
    fn a_form_with_two_readings_is_refused() {
        let model = part("model", "a");
        for parts in [
            vec![model.as_str(), &model],
            vec![&model, &part("Model", "b")],
            vec![&model, &part("model[]", "b")],
            vec![&model, &part("model ", "b")],
            vec![&model, &part("model.x", "b")],
            vec![&model, &part("%6dodel", "b")],
            vec!["content-disposition: form-data; name=\"model\"; name=\"x\"\r\n\r\na"],
            vec!["content-disposition: form-data; name*=utf-8''model\r\n\r\na"],
            vec!["content-disposition: form-data; name=\"model\"; filename=\"f\"\r\n\r\na"],
            vec!["content-disposition: attachment; name=\"model\"\r\n\r\na"],
            vec!["content-disposition: form-data;\r\n name=\"model\"\r\n\r\na"],
            vec![
                "content-disposition: form-data; name=\"x\"\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\na",
            ],
            vec![
                "content-disposition: form-data; name=\"model\"\r\ncontent-transfer-encoding: base64\r\n\r\nYQ==",
            ],
            vec![
                "content-disposition: form-data; name=\"model\"\r\ncontent-type: text/plain; charset=utf-16\r\n\r\na",
            ],
            vec!["content-disposition: form-data; name=\"model\"\n\na"],
            vec!["content-type: text/plain\r\n\r\na"],
            vec![&model, &part("_charset_", "utf-7")],
            vec![
                "content-disposition: form-data; filename=\"x\\\"; name=\"model\"; y=\\\"\"; name=\"file\"\r\n\r\na",
            ],
            vec![&part("x", "\n--b\nmodel")],
            vec![&model, &part("models[]", "b")],
            vec![&model, &part("fallbacks", "[\"b\"]")],
            vec![&part("model", "")],
            vec![&part("model", "a\r\nb")],
        ] {
            assert!(read(&form(&parts)).is_err(), "{parts:?}");
        }
        let whole = form(&[&model]);
        for body in [
            "".to_owned(),
            "--b--\r\n--b--".to_owned(),
            format!("preamble\r\n{whole}"),
            format!("\r\n{whole}"),
            format!("{whole}epilogue"),
            whole.replace("\r\n", "\n"),
            whole.replace("--b--", "--b"),
            whole.replace("--b\r\n", "--b \r\n"),
            whole.replace("--b--", "--bc--"),
        ] {
            assert!(read(&body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_boundary_is_plain_and_named_once() {
        for (written, expected) in [
            ("multipart/form-data; boundary=b", Some("b")),
            ("Multipart/Form-Data;BOUNDARY=\"a b\"", None),
            (
                "multipart/form-data; boundary=\"--WebKit'x:y\"",
                Some("--WebKit'x:y"),
            ),
            ("multipart/form-data; charset=utf-8; boundary=x", Some("x")),
            ("multipart/form-data; boundary=a; boundary=b", None),
            ("multipart/form-data; boundary*=b", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=b", None),
            ("application/json; boundary=b", None),
            ("multipart/form-data; boundary=\"a\"x", None),
        ] {
            assert_eq!(boundary(written).as_deref(), expected, "{written}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in "(--b|\r\n|--|[ -~]|name=\"model\"|content-disposition: form-data; ){0,30}", kind in "(multipart/form-data|;|boundary|=|\"|[a-z\\\\]){0,12}") {
            let _ = field(body.as_bytes(), "b", "model");
            let _ = boundary(&kind);
        }
    }
}
