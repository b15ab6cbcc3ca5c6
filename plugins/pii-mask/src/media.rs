//! What a body is, by its headers.

use crate::grpc;
use crate::tensors::HEAD_LENGTH;
use modelgate_kit::headers::{HeaderBlock, Occurrence};

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// One JSON document.
    Json,
    /// One JSON document, if it is one: its type is not said.
    Untyped,
    /// A JSON head of this length with tensors behind it.
    Tensors(usize),
    /// JSON documents, a line each.
    JsonLines,
    /// Server-sent events.
    Events,
    /// Amazon's binary event stream.
    Messages,
    /// Messages of gRPC.
    Grpc(grpc::Form),
    /// A form.
    Form,
    /// A form in parts, which may be files.
    Parts,
    /// Text in UTF-8.
    Text,
    /// Nothing that could be read: another type, a type given twice, another character set.
    Other,
    /// Bytes, which a head may tell about.
    Octets,
    /// A part of something: values may be cut in two, and what is said of its place would no longer
    /// hold.
    Partial,
}

impl Media {
    /// What the headers announce, whatever its content codings are. A body without a type is taken
    /// for JSON: most that is sent to models is.
    pub fn of(headers: &HeaderBlock) -> Self {
        // RFC 9110 section 14.4; `bytes */100` tells of a range that could not be had.
        if headers
            .all("content-range")
            .any(|range| !range.trim_ascii().starts_with(b"bytes */"))
        {
            return Media::Partial;
        }
        let media = match headers.once("content-type") {
            Occurrence::Absent => Media::Untyped,
            Occurrence::Repeated => Media::Other,
            Occurrence::Once(value) => {
                core::str::from_utf8(value).map_or(Media::Other, Self::of_type)
            }
        };
        // What tells which part it is may be missing.
        match headers.first(":status") {
            Some(b"206") if media != Media::Other => Media::Partial,
            _ => Self::with_tensors(media, headers),
        }
    }

    fn with_tensors(media: Self, headers: &HeaderBlock) -> Self {
        let length = match headers.once(HEAD_LENGTH) {
            Occurrence::Absent => return media.unless_tensors(),
            Occurrence::Repeated => return Media::Other,
            Occurrence::Once(length) => length,
        };
        let length = core::str::from_utf8(length).ok().and_then(|length| {
            length
                .bytes()
                .all(|digit| digit.is_ascii_digit())
                .then(|| length.parse().ok())
                .flatten()
        });
        match (media, length) {
            (Media::Json | Media::Untyped | Media::Octets, Some(length)) => Media::Tensors(length),
            _ => Media::Other,
        }
    }

    /// Bytes without a head are of another type.
    const fn unless_tensors(self) -> Self {
        match self {
            Media::Octets => Media::Other,
            other => other,
        }
    }

    /// What a content type says.
    pub fn of_type(value: &str) -> Self {
        // Nearly every body that a model is sent or sends.
        if value == "application/json" {
            return Media::Json;
        }
        let mut parts = value.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let other_charset = parts.any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            name.trim().eq_ignore_ascii_case("charset")
                && !matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii")
        });
        if other_charset {
            return Media::Other;
        }
        match essence.as_str() {
            "" => Media::Untyped,
            "application/octet-stream" => Media::Octets,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines"
            | "application/json-lines"
            // Cohere's chat, version 1.
            | "application/stream+json"
            | "application/x-json-stream" => Media::JsonLines,
            "text/event-stream" => Media::Events,
            "application/vnd.amazon.eventstream" => Media::Messages,
            "application/x-www-form-urlencoded" => Media::Form,
            "multipart/form-data" => Media::Parts,
            "application/json" | "text/json" => Media::Json,
            "application/xml" | "application/yaml" | "application/javascript" => Media::Text,
            other if other.ends_with("+json") => Media::Json,
            other
                if other.starts_with("text/")
                    || other.ends_with("+xml")
                    || other.ends_with("+yaml") =>
            {
                Media::Text
            }
            other => grpc::Form::of(other).map_or(Media::Other, Media::Grpc),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &str)]) -> Media {
        Media::of(&HeaderBlock::from_pairs(
            headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect::<Vec<_>>(),
        ))
    }

    #[test]
    fn a_type_tells_how_a_body_is_read() {
        for (value, media) in [
            ("application/json", Media::Json),
            ("Application/JSON; charset=\"UTF-8\"", Media::Json),
            ("application/problem+json", Media::Json),
            ("application/json; charset=utf-16", Media::Other),
            ("text/event-stream; charset=utf-8", Media::Events),
            ("application/x-ndjson", Media::JsonLines),
            ("application/stream+json", Media::JsonLines),
            ("text/csv", Media::Text),
            ("application/soap+xml", Media::Text),
            ("application/x-www-form-urlencoded", Media::Form),
            ("multipart/form-data; boundary=x", Media::Parts),
            ("multipart/mixed; boundary=x", Media::Other),
            ("application/octet-stream", Media::Other),
            ("application/vnd.amazon.eventstream", Media::Messages),
            ("image/png", Media::Other),
        ] {
            assert_eq!(of(&[("content-type", value)]), media, "{value}");
        }
        assert_eq!(of(&[]), Media::Untyped);
        assert_eq!(of(&[("content-type", "")]), Media::Untyped);
        assert_eq!(
            of(&[
                ("content-type", "text/plain"),
                ("content-type", "image/png")
            ]),
            Media::Other
        );
    }

    #[test]
    fn a_head_tells_of_tensors() {
        const OCTETS: &str = "application/octet-stream";
        for (headers, media) in [
            (vec![(HEAD_LENGTH, "12")], Media::Tensors(12)),
            (
                vec![(HEAD_LENGTH, "12"), ("content-type", OCTETS)],
                Media::Tensors(12),
            ),
            (
                vec![(HEAD_LENGTH, "12"), ("content-type", "application/json")],
                Media::Tensors(12),
            ),
            (
                vec![(HEAD_LENGTH, "12"), ("content-type", "text/plain")],
                Media::Other,
            ),
            (vec![(HEAD_LENGTH, "12"), (HEAD_LENGTH, "12")], Media::Other),
            (vec![(HEAD_LENGTH, "+12")], Media::Other),
            (vec![(HEAD_LENGTH, "")], Media::Other),
            (
                vec![
                    ("content-range", "bytes 0-1/9"),
                    ("content-type", "text/plain"),
                ],
                Media::Partial,
            ),
            (
                vec![
                    ("content-range", "bytes */9"),
                    ("content-type", "text/plain"),
                ],
                Media::Text,
            ),
        ] {
            assert_eq!(of(&headers), media, "{headers:?}");
        }
    }
}
