//! As what a body may be read for the model's name, by the headers that describe it.
//!
//! A body is read as its type says or not at all: a server that goes by the type would read another
//! name out of the same bytes, and one that decodes a content coding (RFC 9110 section 8.4) reads
//! other bytes altogether.

use memchr::memmem;

use crate::headers::{HeaderBlock, reads_as};
use crate::route::boundary;

/// What a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON in UTF-8.
    Json,
    /// A form with this boundary.
    Form(String),
}

impl Kind {
    /// Nothing where the headers say that it is something else, or say it twice, or that it is
    /// encoded.
    pub fn of(headers: &HeaderBlock) -> Option<Self> {
        let mut content_type: Option<&[u8]> = None;
        for (name, value) in headers.iter() {
            if reads_as(name, b"content-encoding") {
                let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                if !codings
                    .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
                {
                    return None;
                }
            } else if reads_as(name, b"content-type") && content_type.replace(value).is_some() {
                return None;
            }
        }
        let Some(content_type) = content_type.map(<[u8]>::trim_ascii) else {
            return Some(Self::Json);
        };
        let content_type = std::str::from_utf8(content_type).ok()?;
        if content_type.is_empty() {
            return Some(Self::Json);
        }
        if let Some(boundary) = boundary(content_type) {
            return Some(Self::Form(boundary));
        }
        is_json(content_type).then_some(Self::Json)
    }

    /// Whether the headers name one type, and one that nobody takes for JSON.
    pub fn is_no_json(headers: &HeaderBlock) -> bool {
        let mut types = headers
            .iter()
            .filter(|(name, _)| reads_as(name, b"content-type"))
            .map(|(_, value)| value);
        let (Some(only), None) = (types.next(), types.next()) else {
            return false;
        };
        let only = only.trim_ascii().to_ascii_lowercase();
        !only.is_empty() && !only.contains(&b',') && memmem::find(&only, b"json").is_none()
    }
}

/// `application/json`, `text/json` or `…+json` (RFC 6839), in UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut pieces = content_type.split(';').map(str::trim);
    let kind = pieces.next().unwrap_or_default().to_ascii_lowercase();
    let json = kind == "application/json"
        || kind == "text/json"
        || (kind.starts_with("application/") && kind.ends_with("+json"));
    json && !kind.contains(',')
        && pieces.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                let value = value.trim().trim_matches('"');
                value.eq_ignore_ascii_case("utf-8")
                    || value.eq_ignore_ascii_case("utf8")
                    || value.eq_ignore_ascii_case("us-ascii")
            }
            _ => !parameter.contains(','),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(pairs: &[(&str, &str)]) -> Option<Kind> {
        Kind::of(&HeaderBlock::from_pairs(
            pairs
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        ))
    }

    #[test]
    fn a_body_is_what_its_type_says() {
        for written in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/vnd.api+json",
            "text/json;charset=\"utf-8\"",
            "application/json; profile=x",
            "",
        ] {
            assert_eq!(
                kind(&[("content-type", written)]),
                Some(Kind::Json),
                "{written}"
            );
        }
        assert_eq!(kind(&[]), Some(Kind::Json));
        assert_eq!(
            kind(&[("content-type", "multipart/form-data; boundary=b")]),
            Some(Kind::Form("b".to_owned()))
        );
        for written in [
            "application/x-www-form-urlencoded",
            "text/plain",
            "application/octet-stream",
            "application/x-ndjson",
            "application/jsonx",
            "application/json; charset=utf-16",
            "application/json, text/plain",
            "application/json; x=1, text/plain",
            "multipart/form-data",
            "multipart/mixed; boundary=b",
        ] {
            assert_eq!(kind(&[("content-type", written)]), None, "{written}");
        }
        let twice = [
            ("content-type", "application/json"),
            ("content_type", "text/plain"),
        ];
        assert_eq!(kind(&twice), None);
    }

    #[test]
    fn what_is_plainly_another_type_is_no_json() {
        let is_no_json = |types: &[&str]| {
            let pairs = types
                .iter()
                .map(|one| (b"Content-Type".as_slice(), one.as_bytes()));
            Kind::is_no_json(&HeaderBlock::from_pairs(pairs))
        };
        for plain in ["text/csv", "image/png", "application/x-npy; x=y"] {
            assert!(is_no_json(&[plain]), "{plain}");
        }
        for unclear in [
            &[][..],
            &[""],
            &["Application/JSON"],
            &["application/x-ndjson"],
            &["text/csv, application/json"],
            &["text/csv, text/plain"],
            &["text/csv", "text/csv"],
        ] {
            assert!(!is_no_json(unclear), "{unclear:?}");
        }
    }

    #[test]
    fn an_encoded_body_is_not_read() {
        for codings in [
            &["identity"][..],
            &["Identity, identity"],
            &[""],
            &["identity", "identity"],
        ] {
            let pairs: Vec<(&str, &str)> =
                codings.iter().map(|c| ("Content-Encoding", *c)).collect();
            assert_eq!(kind(&pairs), Some(Kind::Json), "{codings:?}");
        }
        for codings in [
            &["gzip"][..],
            &["identity", "gzip"],
            &["identity, br"],
            &["x-gzip"],
            &["deflate,"],
            &["aws-chunked"],
            &["\u{e9}"],
        ] {
            let pairs: Vec<(&str, &str)> =
                codings.iter().map(|c| ("content-encoding", *c)).collect();
            assert_eq!(kind(&pairs), None, "{codings:?}");
        }
        assert_eq!(kind(&[("content_encoding", "gzip")]), None);
    }
}
