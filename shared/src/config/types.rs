//! Values that are checked where they are read: one that does not fit is refused with its path and
//! what to write instead, and what has been read needs no second look.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Problems, Secret, SecretBytes, Setup};

/// Stands before each part of an error of ours: what is wrong, what to write instead, and what may
/// be read in its place. No message of serde's begins with it, whatever was written.
const PART: char = '\u{1f}';

/// An error of a type's own reading, taken apart.
pub(super) struct Refused<'a> {
    /// What is wrong.
    pub problem: &'a str,
    /// What to write instead.
    pub hint: &'a str,
    /// A text that is right; see [`refused_unlike`].
    pub right: Option<&'a str>,
}

impl<'a> Refused<'a> {
    /// Reads a message of serde's; nothing where it is its own.
    pub fn of(message: &'a str) -> Option<Self> {
        let mut parts = message.strip_prefix(PART)?.split(PART);
        Some(Self {
            problem: parts.next()?,
            hint: parts.next()?,
            right: parts.next(),
        })
    }
}

/// An error of a type's own reading: what is wrong, and what to write instead.
pub fn refused<E: Error>(problem: impl fmt::Display, hint: impl fmt::Display) -> E {
    E::custom(format_args!("{PART}{problem}{PART}{hint}"))
}

/// As [`refused`], with a text that is right: reading goes on with it, so that everything else that
/// is wrong is found as well. Nothing is ever run with it.
pub fn refused_unlike<E: Error>(
    right: &str,
    problem: impl fmt::Display,
    hint: impl fmt::Display,
) -> E {
    E::custom(format_args!("{PART}{problem}{PART}{hint}{PART}{right}"))
}

/// RFC 9110 section 5.6.2: a token, which names of fields, cookies and schemes are.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// A character of a token.
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What a quoted string can hold as it is: printable ASCII without quote and backslash (RFC 9110
/// section 5.6.4, RFC 6750 section 3).
pub fn is_quotable(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\')
}

/// Defines texts of one kind each.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $right:literal, $fits:expr, $problem:literal, $hint:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema, serde::Serialize)]
        #[schemars(inline)]
        pub struct $name(String);

        impl $name {
            /// Reads one.
            pub fn new(text: impl Into<String>) -> Option<Self> {
                let fits: fn(&mut String) -> bool = $fits;
                let mut text = text.into();
                fits(&mut text).then_some(Self(text))
            }

            /// One that stands in the program.
            pub fn fixed(text: &'static str) -> Self {
                Self(text.to_owned())
            }

            /// The text.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?)
                    .ok_or_else(|| refused_unlike($right, $problem, $hint))
            }
        }
    )+};
}

texts! {
    /// The name of a header (RFC 9110 section 5.1), in any case.
    HeaderName: "x-refused", |text| {
        text.make_ascii_lowercase();
        text.len() <= 256 && is_token(text)
    }, "is not a header name", "write letters, digits and hyphens, as in x-consumer";

    /// A token (RFC 9110 section 5.6.2): the name of a cookie or parameter, a scheme.
    Token: "refused", |text| is_token(text), "is not a name", "write letters, digits and -_.";

    /// What may stand in `realm="…"` of a challenge (RFC 9110 section 11.5).
    Realm: "refused", |text| is_quotable(text),
        "has characters that a realm cannot have",
        "write printable ASCII without quotes and backslashes";

    /// A scope (RFC 6749 section 3.3).
    Scope: "refused", |text| !text.is_empty() && !text.contains(' ') && is_quotable(text),
        "is not one scope", "write each scope as an entry of its own";

    /// Something that must not be empty.
    NonEmptyText: "refused", |text| !text.is_empty(), "is empty", "write a text, or leave it out";

    /// The name of one model, no pattern: 1 to 512 bytes.
    ModelName: "refused", |text| (1..=512).contains(&text.len()) && !text.contains(['*', ',']),
        "is not the name of a model", "write 1 to 512 bytes without `*` and commas";

    /// A name that can stand in a list in a header: 1 to 256 bytes.
    ListedName: "refused", |text| (1..=256).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b','),
        "is not a name", "write 1 to 256 visible ASCII characters without commas and spaces";

    /// A name that stands in keys of shared data, metrics and headers as it is: 1 to 40 lower-case
    /// letters, digits, `_` or `-`.
    PlainName: "refused", |text| (1..=40).contains(&text.len()) && text.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    }), "is not a name", "write 1 to 40 lower-case letters, digits, `_` or `-`";

    /// The value of a header: visible ASCII and spaces, at most 8,192 bytes.
    HeaderValue: "refused", |text| (1..=8192).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "is not a header value", "write visible ASCII, at most 8,192 bytes";

    /// A cluster of the proxy (Envoy), or `host:port` (nginx).
    ClusterName: "refused", |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
        "is not the name of a cluster",
        "write the name of the proxy's cluster that leads there";

    /// A host, with a port if it is not the default one (RFC 3986 section 3.2 without userinfo).
    Authority: "refused", |text| (1..=255).contains(&text.len()) && text.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    }), "is not a host",
        "write a name, with a port if it is not the default one; no scheme and no path";

    /// The path of a request, with its query if there is one.
    RequestPath: "/refused", |text| text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()),
        "is not a path", "begin with a slash: /v1/logs";

    /// An `https` URL that can stand in a quoted string.
    HttpsUrl: "https://refused/", |text| is_quotable(text) && !text.contains(' ') && text.starts_with("https://"),
        "is not an https URL", "write https://HOST/PATH";
}

impl Default for Realm {
    fn default() -> Self {
        Self("modelgate".to_owned())
    }
}

/// Whether decisions are carried out.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are only recorded.
    Shadow,
}

/// What becomes of a request (or of an answer) in a case that has two ways.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DenyOrAllow {
    /// It is refused.
    #[default]
    Deny,
    /// It passes.
    Allow,
}

/// What becomes of a credential on the way to the upstream.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum StripOrKeep {
    /// It is taken out of the request.
    #[default]
    Strip,
    /// It stays where it stands.
    Keep,
}

/// A list with at least one element.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema, serde::Serialize)]
#[schemars(inline)]
pub struct NonEmpty<T>(Vec<T>);

impl<T> NonEmpty<T> {
    /// A list of one.
    pub fn one(element: T) -> Self {
        Self(vec![element])
    }

    /// The list.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T> Deref for NonEmpty<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NonEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(deserializer)?;
        if list.is_empty() {
            return Err(refused("is empty", "name at least one, or leave it out"));
        }
        Ok(Self(list))
    }
}

/// One, written as it is, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema, serde::Serialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// One.
    One(T),
    /// Several, in their order.
    Several(Vec<T>),
}

impl<T> OneOrMore<T> {
    /// All of them.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Several(several) => several,
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for Reader<T> {
            type Value = OneOrMore<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(text)).map(OneOrMore::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(access)).map(OneOrMore::Several)
            }
        }
        deserializer.deserialize_any(Reader(std::marker::PhantomData))
    }
}

/// An object, written as it is, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema, serde::Serialize)]
#[serde(untagged)]
pub enum OneOrList<T> {
    /// One.
    One(T),
    /// Several, in their order.
    Several(Vec<T>),
}

impl<T> OneOrList<T> {
    /// All of them, each with what stands behind the member's name in its path.
    pub fn into_parts(self) -> Vec<(String, T)> {
        match self {
            Self::One(one) => vec![(String::new(), one)],
            Self::Several(several) => {
                let numbered = several.into_iter().enumerate();
                numbered.map(|(at, one)| (format!("[{at}]"), one)).collect()
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = OneOrList<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or a list of objects")
            }
            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(access)).map(OneOrList::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(access)).map(OneOrList::Several)
            }
        }
        deserializer.deserialize_any(Reader(std::marker::PhantomData))
    }
}

/// Headers of an HTTP call of ours, by name: each value a secret.
#[derive(Clone, Debug, Default, schemars::JsonSchema, serde::Serialize)]
#[schemars(inline)]
pub struct CallHeaders(BTreeMap<CallHeaderName, Secret>);

/// A header that a call may be given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema, serde::Serialize)]
#[schemars(inline)]
struct CallHeaderName(HeaderName);

/// What frames a message, says where it goes or what it carries is not the operator's to change.
pub const FRAMING: [&str; 8] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "te",
    "upgrade",
];

impl<'de> Deserialize<'de> for CallHeaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match HeaderName::deserialize(deserializer)? {
            name if FRAMING.contains(&&*name) => Err(refused(
                "is not a header that can be set here",
                "the call's own headers frame it; write others, as in authorization",
            )),
            name => Ok(Self(name)),
        }
    }
}

impl<'de> Deserialize<'de> for CallHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = CallHeaders;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut headers = BTreeMap::new();
                while let Some((name, value)) = access.next_entry()? {
                    if headers.insert(name, value).is_some() {
                        return Err(refused("is written twice", "names have no case"));
                    }
                }
                Ok(CallHeaders(headers))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl CallHeaders {
    /// Names in lower case with their values; none where one cannot be used, which is a problem
    /// below `headers`.
    pub fn resolve(
        &self,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<Vec<(String, SecretBytes)>> {
        let mut headers = Vec::with_capacity(self.0.len());
        for (CallHeaderName(name), written) in &self.0 {
            let path = format!("headers.{}", &**name);
            let Some(value) = written.resolve(&path, setup, problems) else {
                continue;
            };
            if value
                .expose_text()
                .is_none_or(|text| HeaderValue::new(text).is_none())
            {
                problems.add(
                    &path,
                    "is not a header value",
                    "at most 8,192 bytes of visible ASCII on one line",
                );
                continue;
            }
            headers.push((name.to_string(), value));
        }
        (headers.len() == self.0.len()).then_some(headers)
    }
}
