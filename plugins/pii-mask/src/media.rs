//! What a body is, by its headers.

use modelgate_kit::headers::{HeaderBlock, Occurrence};

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// One JSON document.
    Json,
    /// JSON documents, a line each.
    JsonLines,
    /// Server-sent events.
    Events,
    /// A form.
    Form,
    /// Text in UTF-8.
    Text,
    /// Nothing that could be read: another type, a type given twice, another character set.
    Other,
    /// Compressed or otherwise encoded.
    Encoded,
}

impl Media {
    /// What the headers announce. A body without a type is taken for JSON: what is none cannot be parsed.
    pub fn of(headers: &HeaderBlock) -> Self {
        let encoded = headers.all("content-encoding").any(|value| {
            let value = value.trim_ascii();
            !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
        });
        if encoded {
            return Media::Encoded;
        }
        match headers.once("content-type") {
            Occurrence::Absent => Media::Json,
            Occurrence::Repeated => Media::Other,
            Occurrence::Once(value) => {
                core::str::from_utf8(value).map_or(Media::Other, Self::of_type)
            }
        }
    }

    fn of_type(value: &str) -> Self {
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
            "" => Media::Json,
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
            "application/x-www-form-urlencoded" => Media::Form,
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
            _ => Media::Other,
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
            ("multipart/form-data; boundary=x", Media::Other),
            ("application/octet-stream", Media::Other),
            ("application/vnd.amazon.eventstream", Media::Other),
            ("image/png", Media::Other),
        ] {
            assert_eq!(of(&[("content-type", value)]), media, "{value}");
        }
        assert_eq!(of(&[]), Media::Json);
        assert_eq!(
            of(&[
                ("content-type", "text/plain"),
                ("content-type", "image/png")
            ]),
            Media::Other
        );
    }

    #[test]
    fn an_encoding_hides_whatever_the_type_is() {
        assert_eq!(
            of(&[
                ("content-type", "text/plain"),
                ("content-encoding", "identity"),
                ("content-encoding", "gzip")
            ]),
            Media::Encoded
        );
        assert_eq!(
            of(&[
                ("content-type", "text/plain"),
                ("content-encoding", "identity")
            ]),
            Media::Text
        );
    }
}
