//! What messages of both directions are made of: headers, bodies in pieces, trailers, and times.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use located_yaml::read::at_member;
use located_yaml::shape::{Many, Members, Never, Shape};
use modelgate_kit::config::Bounded;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

/// The longest that anything in a scenario may take.
pub const MAX_WAIT_MS: u64 = 60_000;

/// The largest body or header value that a scenario may describe.
const MAX_BYTES: u64 = 64 << 20;

/// A time in milliseconds, of which nothing may take longer.
pub(super) type Ms = Bounded<0, MAX_WAIT_MS>;

/// Milliseconds; 0 where nothing is said.
pub(super) fn ms(written: Option<Ms>) -> u64 {
    written.map(Ms::value).unwrap_or_default()
}

/// Headers in order, names in lower case, values as bytes.
pub type Headers = Vec<(String, Bytes)>;

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Shape<String, String, WrittenPiece>")]
#[schemars(with = "Shape<String, String, WrittenPiece>")]
pub struct Chunk {
    /// How long to wait before it, in milliseconds.
    pub after_ms: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Chunk {
    /// A piece that comes at once.
    pub fn at_once(bytes: impl Into<Bytes>) -> Self {
        Self {
            after_ms: 0,
            bytes: bytes.into(),
        }
    }
}

/// A body in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The pieces in order; none = no body at all.
    pub chunks: Vec<Chunk>,
    /// What follows the body.
    pub trailers: Headers,
}

/// A version of HTTP: 1.1, or 2.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline, extend("type" = ["integer", "string"], "enum" = [1, 2, "1", "2"]))]
pub(super) enum Http {
    #[serde(rename = "1")]
    One,
    #[serde(rename = "2")]
    Two,
}

/// The upgrade that is no protocol: a tunnel (RFC 9110 section 9.3.6).
pub const CONNECT: &str = "CONNECT";

/// The headers that ask for an upgrade, and those that grant it (RFC 9110 section 7.8).
pub(super) fn upgrade_headers(protocol: &str) -> [(String, Bytes); 2] {
    [
        ("connection".into(), Bytes::from_static(b"Upgrade")),
        ("upgrade".into(), Bytes::from(protocol.to_owned())),
    ]
}

impl Body {
    /// Made of `body` or `json`, and `trailers`.
    pub(super) fn of(
        body: Option<Many<Chunk>>,
        json: Option<Json>,
        WrittenHeaders(trailers): WrittenHeaders,
    ) -> Result<Self, String> {
        let chunks = match (body, json) {
            (Some(_), Some(_)) => {
                return Err(at_member("json", "give `body` or `json`, not both"));
            }
            (Some(Many(chunks)), None) => chunks,
            (None, Some(json)) => vec![Chunk::at_once(json.to_string())],
            (None, None) => Vec::new(),
        };
        Ok(Self { chunks, trailers })
    }

    /// All bytes together.
    pub fn bytes(&self) -> Vec<u8> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.bytes.iter().copied())
            .collect()
    }
}

// `T` is what a time before them is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenBytes<T> {
    /// Milliseconds to wait before it.
    after_ms: Option<T>,
    /// A text.
    text: Option<String>,
    /// JSON.
    json: Option<Json>,
    /// Base64, standard alphabet, padded.
    base64: Option<String>,
    /// This text, over and over.
    repeat: Option<String>,
    /// How many bytes of the repeated text.
    bytes: Option<Bounded<0, MAX_BYTES>>,
}

/// A piece of a body, by exactly one of `text`, `json`, `base64`, or `repeat` with `bytes`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Piece", with = "WrittenBytes<Ms>")]
struct WrittenPiece(WrittenBytes<Ms>);

/// A value of a header, by exactly one of `text`, `json`, `base64`, or `repeat` with `bytes`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Value", with = "WrittenBytes<Never>")]
struct WrittenValue(WrittenBytes<Never>);

impl<T> WrittenBytes<T> {
    fn bytes(self) -> Result<Bytes, String> {
        let base64 = self.base64.map(|text| STANDARD.decode(text)).transpose();
        let base64 =
            base64.map_err(|_| at_member("base64", "not base64 (standard alphabet, padded)"))?;
        let repeated: Option<Bytes> = match (self.repeat, self.bytes) {
            (Some(unit), Some(length)) if !unit.is_empty() => {
                Some(unit.bytes().cycle().take(length.size()).collect())
            }
            (None, None) => None,
            _ => {
                return Err(
                    "`repeat` and `bytes` belong together: {repeat: \"x\", bytes: 70000}".into(),
                );
            }
        };
        let json = self.json.map(|json| Bytes::from(json.to_string()));
        let text = self.text.map(Bytes::from);
        let given = [text, json, base64.map(Bytes::from), repeated];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(bytes), None) => Ok(bytes),
            _ => Err("give exactly one of `text`, `json`, `base64`, `repeat` with `bytes`".into()),
        }
    }
}

impl TryFrom<Shape<String, String, WrittenPiece>> for Chunk {
    type Error = String;

    fn try_from(shape: Shape<String, String, WrittenPiece>) -> Result<Self, String> {
        Ok(match shape {
            Shape::Scalar(text) | Shape::List(text) => Self {
                after_ms: 0,
                bytes: Bytes::from(text),
            },
            Shape::Map(WrittenPiece(written)) => Self {
                after_ms: ms(written.after_ms),
                bytes: written.bytes()?,
            },
        })
    }
}

/// A mapping (a list as value repeats the header), or a list of mappings where the order across
/// names matters.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(from = "Many<Members<HeaderName, Many<HeaderValue>>>")]
#[schemars(
    with = "Many<Members<HeaderName, Many<HeaderValue>>>",
    rename = "Headers"
)]
pub(super) struct WrittenHeaders(pub Headers);

impl From<Many<Members<HeaderName, Many<HeaderValue>>>> for WrittenHeaders {
    fn from(Many(maps): Many<Members<HeaderName, Many<HeaderValue>>>) -> Self {
        let members = maps.into_iter().flat_map(|Members(members)| members);
        let headers = members.flat_map(|(HeaderName(name), Many(values))| {
            let named = move |HeaderValue(value)| (name.clone(), value);
            values.into_iter().map(named)
        });
        Self(headers.collect())
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct HeaderName(String);

impl TryFrom<String> for HeaderName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.is_empty() || name.starts_with(':') {
            true => Err("pseudo headers have keys of their own: method, path, authority, status"),
            false => Ok(Self(name.to_ascii_lowercase())),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "Shape<String, String, WrittenValue>")]
#[schemars(with = "Shape<String, String, WrittenValue>")]
struct HeaderValue(Bytes);

impl TryFrom<Shape<String, String, WrittenValue>> for HeaderValue {
    type Error = String;

    fn try_from(shape: Shape<String, String, WrittenValue>) -> Result<Self, String> {
        match shape {
            Shape::Scalar(text) | Shape::List(text) => Ok(Self(Bytes::from(text))),
            Shape::Map(WrittenValue(written)) => written.bytes().map(Self),
        }
    }
}
