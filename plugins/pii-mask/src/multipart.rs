//! Masks the parts of a form that carries files (`multipart/form-data`, RFC 7578).
//!
//! The parts are read strictly (RFC 2046 section 5.1.1): nothing before the first delimiter,
//! nothing but the end of a line behind the last one, one `Content-Disposition` in each. What a
//! receiver might divide otherwise is not read at all. A part without a type is text; one with a
//! type is read as a body of that type; a file of another type is not looked at, and only passes
//! where that is allowed. What is not found keeps its bytes.

use crate::document::{self, Scope};
use crate::mask::{Masker, Tally};
use crate::media::Media;
use modelgate_kit::explain;

/// Why such a body cannot be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is not laid out as its boundary says, or a part is not what its type says.
    Malformed,
    /// A part is of a type that is not read.
    OtherType,
}

/// Longest boundary (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The boundary that a type `multipart/form-data` names; none if it names none that may be.
#[must_use]
pub fn boundary(value: &str) -> Option<&str> {
    let mut found = None;
    for parameter in value.split(';').skip(1) {
        let (name, value) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("boundary") && found.replace(value.trim()).is_some() {
            return None;
        }
    }
    let written = found?;
    let quoted = written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let boundary = quoted.unwrap_or(written);
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let fits = (1..=LONGEST_BOUNDARY).contains(&boundary.len()) && boundary.bytes().all(is_part);
    fits.then_some(boundary)
}

/// Masks a body; none if nothing changes. `others`: files of other types pass.
///
/// # Errors
/// See [`Unread`].
pub fn multipart(
    body: &[u8],
    boundary: &str,
    others: bool,
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, Unread> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memchr::memmem::Finder::new(&delimiter);
    let first = delimiter.as_bytes().get(2..).unwrap_or_default();
    let mut rest = body.strip_prefix(first).ok_or(Unread::Malformed)?;
    let mut out = Vec::with_capacity(body.len());
    out.extend_from_slice(first);
    let mut changed = false;
    loop {
        if let Some(behind) = rest.strip_prefix(b"--") {
            if !matches!(behind, b"" | b"\r\n") {
                return Err(Unread::Malformed);
            }
            out.extend_from_slice(rest);
            return Ok(changed.then_some(out));
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(Unread::Malformed)?;
        let end = finder.find(part).ok_or(Unread::Malformed)?;
        let (part, behind) = part.split_at_checked(end).ok_or(Unread::Malformed)?;
        rest = behind.get(delimiter.len()..).ok_or(Unread::Malformed)?;
        out.extend_from_slice(b"\r\n");
        changed |= explain::inside(start_of(body, rest, part, delimiter.len()), || {
            mask_part(part, others, scope, masker, tally, &mut out)
        })?;
        out.extend_from_slice(delimiter.as_bytes());
    }
}

/// Where a part begins, behind which the delimiter and the rest of the body stand.
const fn start_of(body: &[u8], rest: &[u8], part: &[u8], delimiter: usize) -> usize {
    let behind = rest.len().saturating_add(delimiter);
    body.len().saturating_sub(behind.saturating_add(part.len()))
}

/// Writes a part with its findings replaced; whether there were any.
fn mask_part(
    part: &[u8],
    others: bool,
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
    out: &mut Vec<u8>,
) -> Result<bool, Unread> {
    let end = memchr::memmem::find(part, b"\r\n\r\n").ok_or(Unread::Malformed)?;
    let (head, content) = part
        .split_at_checked(end.saturating_add(4))
        .ok_or(Unread::Malformed)?;
    let head = core::str::from_utf8(head).map_err(|_| Unread::Malformed)?;
    let Head {
        name,
        is_file,
        media,
    } = Head::read(head)?;
    let masked_head = scope.names.then(|| masker.mask(head, "", tally)).flatten();
    out.extend_from_slice(masked_head.as_deref().unwrap_or(head).as_bytes());
    let is_skipped = |path: &Vec<String>| matches!(path.as_slice(), [only] if only == name);
    let masked = if scope.skip.iter().any(is_skipped) {
        None
    } else {
        let read = explain::inside(head.len(), || match media {
            Media::Json => {
                document::json(content, scope, masker, tally).map_err(|_| Unread::Malformed)
            }
            Media::JsonLines => {
                document::json_lines(content, scope, masker, tally).map_err(|_| Unread::Malformed)
            }
            Media::Form => {
                document::form(content, scope, masker, tally).map_err(|_| Unread::Malformed)
            }
            Media::Text | Media::Events => {
                document::text(content, name, masker, tally).map_err(|_| Unread::Malformed)
            }
            _ if is_file && others => Ok(None),
            _ => Err(Unread::OtherType),
        });
        read?
    };
    // A receiver that is told another character set would read something else.
    if name == "_charset_" && !content.eq_ignore_ascii_case(b"utf-8") {
        return Err(Unread::OtherType);
    }
    out.extend_from_slice(masked.as_deref().unwrap_or(content));
    Ok(masked_head.is_some() || masked.is_some())
}

/// What the head of a part says.
struct Head<'a> {
    name: &'a str,
    is_file: bool,
    media: Media,
}

impl<'a> Head<'a> {
    fn read(head: &'a str) -> Result<Self, Unread> {
        let (mut name, mut is_file, mut media) = (None, false, None);
        for line in head.trim_end_matches("\r\n").split("\r\n") {
            let (field, value) = line.split_once(':').ok_or(Unread::Malformed)?;
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let plain = !field.is_empty() && field.bytes().all(is_token);
            if !plain || value.contains(['\r', '\n', '\0']) {
                return Err(Unread::Malformed);
            }
            let value = value.trim();
            if field.eq_ignore_ascii_case("content-disposition") {
                let parameters = value.strip_prefix("form-data").ok_or(Unread::Malformed)?;
                let (given, file) = disposition(parameters).ok_or(Unread::Malformed)?;
                is_file = file;
                if name.replace(given).is_some() {
                    return Err(Unread::Malformed);
                }
            } else if field.eq_ignore_ascii_case("content-type") {
                if media.replace(Media::of_type(value)).is_some() {
                    return Err(Unread::Malformed);
                }
            } else if field.eq_ignore_ascii_case("content-transfer-encoding")
                && !["7bit", "8bit", "binary"]
                    .iter()
                    .any(|plain| value.eq_ignore_ascii_case(plain))
            {
                return Err(Unread::OtherType);
            }
        }
        let untyped = if is_file { Media::Octets } else { Media::Text };
        Ok(Self {
            name: name.ok_or(Unread::Malformed)?,
            is_file,
            media: media.unwrap_or(untyped),
        })
    }
}

/// The name in the parameters of a disposition, and whether it is that of a file. A quotation mark
/// or a semicolon within a value must not be written as it is.
fn disposition(parameters: &str) -> Option<(&str, bool)> {
    let (mut name, mut is_file) = (None, false);
    let mut rest = parameters.trim();
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, value) = parameter.trim_start().split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at_checked(value.find(';').unwrap_or(value.len()))?,
        };
        if value.ends_with('\\') {
            return None;
        }
        match key.trim() {
            key if key.eq_ignore_ascii_case("name") => {
                if name.replace(value).is_some() {
                    return None;
                }
            }
            key => is_file |= key.to_ascii_lowercase().starts_with("filename"),
        }
        rest = behind.trim_start();
    }
    rest.is_empty().then_some(())?;
    Some((name?, is_file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowed::Allowed;
    use crate::detect::{Certainty, Entity};
    use crate::mask::Action;

    fn masked(body: &str, others: bool) -> Result<Option<String>, Unread> {
        let actions = Entity::ALL.into_iter().map(|one| (one, Action::Redact));
        let masker = Masker::new(
            actions.collect(),
            Certainty::Context,
            None,
            Allowed::default(),
        );
        let scope = Scope {
            names: true,
            numbers: true,
            skip: vec![vec!["meta".to_owned()]],
            ..Scope::default()
        };
        let body = body.replace('\n', "\r\n");
        let masked = multipart(
            body.as_bytes(),
            "x",
            others,
            &scope,
            &masker,
            &mut Tally::default(),
        );
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
        masked.map(|masked| masked.map(text))
    }

    const FORM: &str = "--x\nContent-Disposition: form-data; name=\"prompt\"\n\nmail ann@example.com\n--x\nContent-Disposition: form-data; name=\"ssn\"\n\n536228765\n--x\nContent-Disposition: form-data; name=\"options\"\nContent-Type: application/json\n\n{\"to\": \"ann@example.com\", \"n\": 1.50}\n--x\nContent-Disposition: form-data; name=\"meta\"\n\nbob@example.com\n--x--\n";

    #[test]
    fn parts_that_are_text_are_masked_by_their_types_and_names() {
        let expected = FORM
            .replace("mail ann@example.com", "mail [EMAIL]")
            .replace("\"ann@example.com\"", "\"[EMAIL]\"")
            .replace("536228765", "[SSN]");
        assert_eq!(masked(FORM, false), Ok(Some(expected)));
        let clean = "--x\nContent-Disposition: form-data; name=a\n\nb\n--x--";
        assert_eq!(masked(clean, false), Ok(None));
    }

    #[test]
    fn files_are_read_by_their_type_and_others_pass_where_that_is_allowed() {
        let file = |head: &str| {
            format!(
                "--x\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\n{head}\nann@example.com\n--x--\n"
            )
        };
        let text = file("Content-Type: text/csv\n");
        assert_eq!(
            masked(&text, false),
            Ok(Some(text.replace("ann@example.com", "[EMAIL]")))
        );
        for head in [
            "",
            "Content-Type: audio/wav\n",
            "Content-Type: application/octet-stream\n",
        ] {
            assert_eq!(masked(&file(head), false), Err(Unread::OtherType));
            assert_eq!(masked(&file(head), true), Ok(None));
        }
        let named = file("Content-Type: audio/wav\n").replace("a.bin", "ann@example.com.wav");
        assert!(
            !masked(&named, true)
                .unwrap()
                .unwrap()
                .contains("filename=\"ann")
        );
    }

    #[test]
    fn what_may_be_divided_otherwise_is_not_read() {
        for body in [
            "",
            "xxx",
            "preamble\n--x\nContent-Disposition: form-data; name=a\n\nb\n--x--\n",
            "--x\nContent-Disposition: form-data; name=a\n\nb\n--x--\nann@example.com",
            "--x\nContent-Disposition: form-data; name=a\n\nb\n",
            "--x\nContent-Disposition: form-data; name=a\n\nb\n--xy\n\nc\n--x--\n",
            "--x\nContent-Disposition: form-data\n\nb\n--x--\n",
            "--x\nContent-Disposition: attachment; name=a\n\nb\n--x--\n",
            "--x\nContent-Disposition: form-data; name=a; name=b\n\nb\n--x--\n",
            "--x\nContent-Disposition: form-data; name=\"a\\\"; filename=\"b\"\n\nb\n--x--\n",
            "--x\nContent-Type: text/plain\n\nb\n--x--\n",
            "--x\nContent-Disposition: form-data; name=a\n folded: b\n\nb\n--x--\n",
            "--x\nContent-Disposition: form-data; name=a\nContent-Type: application/json\n\n{\"a\":\n--x--\n",
            "--x\nb\n--x--\n",
        ] {
            assert_eq!(masked(body, true), Err(Unread::Malformed), "{body}");
        }
        for body in [
            "--x\nContent-Disposition: form-data; name=a\nContent-Transfer-Encoding: base64\n\nYQ==\n--x--\n",
            "--x\nContent-Disposition: form-data; name=a\nContent-Type: text/plain; charset=utf-16\n\nb\n--x--\n",
            "--x\nContent-Disposition: form-data; name=\"_charset_\"\n\nutf-16\n--x--\n",
        ] {
            assert_eq!(masked(body, true), Err(Unread::OtherType), "{body}");
        }
    }

    #[test]
    fn a_boundary_is_named_once_and_well() {
        for (value, found) in [
            ("multipart/form-data; boundary=x", Some("x")),
            ("multipart/form-data; boundary=\"a-b\"", Some("a-b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=a; boundary=b", None),
            ("multipart/form-data; boundary=\"a b;\"", None),
        ] {
            assert_eq!(boundary(value), found, "{value}");
        }
    }
}
