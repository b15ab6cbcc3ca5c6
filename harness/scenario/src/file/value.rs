//! What must be true of a value: a text, a header, a body, a fact, a number.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use located_yaml::shape::{Many, Shape, True};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value as Json;

/// What is said of an expectation that expects nothing.
pub(super) const NOTHING: &str = "an expectation with nothing in it";

/// A mapping in which something is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated<T>(pub T);

impl<T> Deref for Stated<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + Default + PartialEq> Deserialize<'de> for Stated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = T::deserialize(deserializer)?;
        match value == T::default() {
            true => Err(D::Error::custom(NOTHING)),
            false => Ok(Self(value)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Stated<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Stated{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert("minProperties".into(), 1.into());
        schema
    }
}

/// A mapping that says what a text must be like, and these members besides.
macro_rules! text_members {
    ($(#[$doc:meta])* struct $name:ident { $($(#[$about:meta])* $member:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $($(#[$about])* $member: $kind,)*
            /// It is this.
            exact: Option<String>,
            /// It has all of these in it.
            #[serde(default)]
            contains: Many<String>,
            /// It has none of these in it.
            #[serde(default)]
            lacks: Many<String>,
            /// It has this shape; `*` stands for anything.
            matches: Option<String>,
        }

        impl $name {
            fn text(self) -> TextExpect {
                TextExpect {
                    exact: self.exact,
                    contains: self.contains.0,
                    lacks: self.lacks.0,
                    matches: self.matches,
                }
            }
        }
    };
}

/// What must be true of a text: the text itself, or a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "Shape<String, String, Stated<TextMembers>>")]
#[schemars(with = "Shape<String, String, Stated<TextMembers>>")]
pub struct TextExpect {
    /// It is this.
    pub exact: Option<String>,
    /// It has all of these in it.
    pub contains: Vec<String>,
    /// It has none of these in it.
    pub lacks: Vec<String>,
    /// It has this shape; `*` stands for anything.
    pub matches: Option<String>,
}

text_members! {
    struct TextMembers {}
}

impl TextExpect {
    fn exact(text: String) -> Self {
        Self {
            exact: Some(text),
            ..Self::default()
        }
    }
}

impl From<Shape<String, String, Stated<TextMembers>>> for TextExpect {
    fn from(shape: Shape<String, String, Stated<TextMembers>>) -> Self {
        match shape {
            Shape::Scalar(text) | Shape::List(text) => Self::exact(text),
            Shape::Map(Stated(members)) => members.text(),
        }
    }
}

/// What must be true of a header: its value, a list of its values in order, or a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenHeader")]
#[schemars(with = "WrittenHeader")]
pub enum HeaderExpect {
    /// It is not there.
    Absent,
    /// It is there, however often.
    Present,
    /// It is there with exactly these values, in order.
    Values(Vec<TextExpect>),
}

type WrittenHeader = Shape<String, Vec<TextExpect>, Stated<HeaderMembers>>;

text_members! {
    struct HeaderMembers {
        /// It is not there.
        absent: Option<True>,
        /// It is there, however often.
        present: Option<True>,
    }
}

impl TryFrom<WrittenHeader> for HeaderExpect {
    type Error = &'static str;

    fn try_from(written: WrittenHeader) -> Result<Self, Self::Error> {
        let members = match written {
            Shape::Scalar(text) => return Ok(Self::Values(vec![TextExpect::exact(text)])),
            Shape::List(values) => return Ok(Self::Values(values)),
            Shape::Map(Stated(members)) => members,
        };
        let (absent, present) = (members.absent.is_some(), members.present.is_some());
        let text = members.text();
        match (absent, present, text == TextExpect::default()) {
            (true, false, true) => Ok(Self::Absent),
            (false, true, true) => Ok(Self::Present),
            (false, false, _) => Ok(Self::Values(vec![text])),
            _ => Err("give `absent: true`, `present: true`, or what the value must be like"),
        }
    }
}

/// What must be true of a body: its text, or a mapping.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(from = "Shape<String, String, Stated<BodyMembers>>")]
#[schemars(with = "Shape<String, String, Stated<BodyMembers>>")]
pub struct BodyExpect {
    /// Its text.
    pub text: TextExpect,
    /// Its length in bytes.
    pub bytes: Option<Count>,
    /// It is JSON and has this in it.
    pub json: Option<Json>,
}

text_members! {
    struct BodyMembers {
        /// Its length in bytes.
        bytes: Option<Count>,
        /// It is JSON and has this in it: members may be more, arrays have the same length.
        json: Option<Json>,
    }
}

impl From<Shape<String, String, Stated<BodyMembers>>> for BodyExpect {
    fn from(shape: Shape<String, String, Stated<BodyMembers>>) -> Self {
        let mut members = match shape {
            Shape::Scalar(text) | Shape::List(text) => BodyMembers {
                exact: Some(text),
                ..BodyMembers::default()
            },
            Shape::Map(Stated(members)) => members,
        };
        Self {
            bytes: members.bytes,
            json: members.json.take(),
            text: members.text(),
        }
    }
}

/// What must be true of a fact: its text, or a mapping.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Shape<String, String, Stated<FactMembers>>")]
#[schemars(with = "Shape<String, String, Stated<FactMembers>>")]
pub enum FactExpect {
    /// Nobody has left it.
    Absent,
    /// It is this text, or of this shape.
    Text(TextExpect),
    /// It is JSON and has this in it.
    Json(Json),
}

text_members! {
    struct FactMembers {
        /// Nobody has left it.
        absent: Option<True>,
        /// It is JSON and has this in it.
        json: Option<Json>,
    }
}

impl TryFrom<Shape<String, String, Stated<FactMembers>>> for FactExpect {
    type Error = &'static str;

    fn try_from(shape: Shape<String, String, Stated<FactMembers>>) -> Result<Self, Self::Error> {
        let mut members = match shape {
            Shape::Scalar(text) | Shape::List(text) => {
                return Ok(Self::Text(TextExpect::exact(text)));
            }
            Shape::Map(Stated(members)) => members,
        };
        let (absent, json) = (members.absent, members.json.take());
        let text = members.text();
        match (absent, json, text == TextExpect::default()) {
            (Some(True), None, true) => Ok(Self::Absent),
            (None, Some(json), true) => Ok(Self::Json(json)),
            (None, None, _) => Ok(Self::Text(text)),
            _ => Err("give `absent: true`, `json`, or what a text must be like"),
        }
    }
}

/// What must be true of a number: the number itself, or `at_least` and `at_most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Shape<u64, u64, Limits>")]
#[schemars(with = "Shape<u64, u64, Limits>")]
pub struct Count {
    /// At least.
    pub least: u64,
    /// At most.
    pub most: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
struct Limits {
    /// At least so many.
    at_least: Option<u64>,
    /// At most so many.
    at_most: Option<u64>,
}

impl TryFrom<Shape<u64, u64, Limits>> for Count {
    type Error = &'static str;

    fn try_from(shape: Shape<u64, u64, Limits>) -> Result<Self, Self::Error> {
        let (least, most) = match shape {
            Shape::Scalar(number) | Shape::List(number) => (Some(number), Some(number)),
            Shape::Map(limits) => (limits.at_least, limits.at_most),
        };
        if (least, most) == (None, None) {
            return Err("give a number, `at_least` or `at_most`");
        }
        Ok(Self {
            least: least.unwrap_or_default(),
            most: most.unwrap_or(u64::MAX),
        })
    }
}

impl Count {
    /// Whether a number is in it.
    pub fn holds(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (least, u64::MAX) => write!(f, "at least {least}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}
