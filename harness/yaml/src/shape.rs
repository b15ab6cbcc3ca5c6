//! Types for what YAML files like to have and serde does not know: values that may be written
//! short or long, one where a list could stand, mappings that keep their order, and values that are
//! read later.
//!
//! They are read by [`At::parse`] only.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::Node;
use super::de::{SOURCE, handed};
use super::read::{At, Report};

/// A value that is read as one type where it is a scalar, as another where it is a list, and as a
/// third where it is a mapping.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename = "$located_yaml::Shape")]
pub enum Shape<S, L, M> {
    /// A scalar.
    Scalar(S),
    /// A list.
    List(L),
    /// A mapping.
    Map(M),
}

impl<S: JsonSchema, L: JsonSchema, M: JsonSchema> JsonSchema for Shape<S, L, M> {
    fn schema_name() -> Cow<'static, str> {
        let names = [S::schema_name(), L::schema_name(), M::schema_name()];
        names.join("_or_").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut alternatives = vec![generator.subschema_for::<S>()];
        for other in [
            generator.subschema_for::<L>(),
            generator.subschema_for::<M>(),
        ] {
            if !alternatives.contains(&other) {
                alternatives.push(other);
            }
        }
        json_schema!({ "anyOf": alternatives })
    }
}

/// A list, or one item that stands for a list of one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(from = "Shape<T, Vec<T>, T>")]
pub struct Many<T>(pub Vec<T>);

impl<T> From<Shape<T, Vec<T>, T>> for Many<T> {
    fn from(shape: Shape<T, Vec<T>, T>) -> Self {
        Self(match shape {
            Shape::Scalar(one) | Shape::Map(one) => vec![one],
            Shape::List(many) => many,
        })
    }
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("One_or_many_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Shape::<T, Vec<T>, T>::json_schema(generator)
    }
}

/// A mapping whose keys the author chooses, in its written order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for Members<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Members<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for InOrder<K, V> {
            type Value = Members<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

impl<K, V: JsonSchema> JsonSchema for Members<K, V> {
    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", V::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<V>();
        json_schema!({ "type": "object", "additionalProperties": values })
    }
}

/// `true`, for switches whose absence says `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "bool")]
pub struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        match value {
            true => Ok(Self),
            false => Err("say true, or leave it out"),
        }
    }
}

impl JsonSchema for True {
    fn schema_name() -> Cow<'static, str> {
        "True".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}

/// What a key that is of no use here has: no value at all. Schemas leave such keys out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Never {}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("it has no meaning here"))
    }
}

impl JsonSchema for Never {
    fn schema_name() -> Cow<'static, str> {
        "Never".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "not": {} })
    }
}

/// A value as it stands in the file, to be read when more is known.
#[derive(Clone, Debug)]
pub struct Source {
    node: Node,
    path: String,
}

impl Source {
    /// The value with its path; problems go to `report`.
    pub fn at<'a>(&'a self, report: &'a Report) -> At<'a> {
        report.at(&self.node, self.path.clone())
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taker;

        impl Visitor<'_> for Taker {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_unit<E: Error>(self) -> Result<Source, E> {
                let (node, path) = handed().ok_or_else(|| E::custom("a value without a place"))?;
                Ok(Source { node, path })
            }
        }

        deserializer.deserialize_newtype_struct(SOURCE, Taker)
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Anything".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::read::at_member;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pet {
        name: String,
        #[serde(default)]
        kinds: Many<Kind>,
        age: Option<u64>,
        wild: Option<True>,
        #[serde(default)]
        owners: Members<String, Owner>,
        likes: Option<Json>,
        flies: Option<Never>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Cat,
        Dog,
    }

    /// Short: a name. Long: a mapping.
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(try_from = "Shape<String, String, Address>")]
    struct Owner(String);

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Address {
        street: String,
        #[serde(default)]
        number: u64,
    }

    impl TryFrom<Shape<String, String, Address>> for Owner {
        type Error = String;

        fn try_from(shape: Shape<String, String, Address>) -> Result<Self, Self::Error> {
            match shape {
                Shape::Scalar(text) | Shape::List(text) => Ok(Self(text)),
                Shape::Map(address) if address.number == 13 => {
                    Err(at_member("number", "nobody lives there"))
                }
                Shape::Map(address) => Ok(Self(format!("{} {}", address.street, address.number))),
            }
        }
    }

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Vec<String>> {
        let node = Node::parse(text).unwrap();
        let report = Report::default();
        let value = report.root(&node).parse();
        match (value, report.into_problems()) {
            (Some(value), problems) if problems.is_empty() => Ok(value),
            (_, problems) => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn texts_are_read_as_they_are_written_and_the_rest_by_its_type() {
        let text = "name: 1.10\nkinds: cat\nage: 0x10\nwild: true\nowners: { z: Ann, a: { street: x, number: 2 } }\nlikes: [ 1.10, ~, '1' ]\n";
        let pet: Pet = read(text).unwrap();
        assert_eq!(
            pet,
            Pet {
                name: "1.10".into(),
                kinds: Many(vec![Kind::Cat]),
                age: Some(16),
                wild: Some(True),
                owners: Members(vec![
                    ("z".into(), Owner("Ann".into())),
                    ("a".into(), Owner("x 2".into()))
                ]),
                likes: Some(json!([1.1, null, "1"])),
                flies: None,
            }
        );
        let pet: Pet = read("{ name: x, kinds: [ dog, cat ], likes: ~ }").unwrap();
        assert_eq!(pet.kinds, Many(vec![Kind::Dog, Kind::Cat]));
        assert_eq!(pet.likes, Some(Json::Null));
    }

    #[test]
    fn everything_wrong_is_reported_at_its_own_place_and_nothing_that_follows_from_it() {
        let text = "nam: x\nkinds: [ cat, cow, [] ]\nage: -1\nwild: false\nowners:\n  a: { street: x, number: 13 }\n  b: { street: [], numbr: 1 }\n  c: {}\n  d: []\n";
        let problems = read::<Pet>(text).unwrap_err();
        assert_eq!(
            problems,
            [
                "1:1: nam: unknown key; did you mean \"name\"?",
                "2:15: kinds[1]: expected one of: cat, dog",
                "2:20: kinds[2]: expected one of: cat, dog",
                "3:6: age: expected a whole number of at least 0",
                "4:7: wild: say true, or leave it out",
                "6:27: owners.a.number: nobody lives there",
                "7:16: owners.b.street: expected a text",
                "7:20: owners.b.numbr: unknown key; did you mean \"number\"?",
                "8:6: owners.c: the key \"street\" is missing",
                "9:6: owners.d: expected a text",
            ]
        );
        for text in [
            "[]",
            "x",
            "{ name: x, flies: 1 }",
            "{ name: ~ }",
            "{ name: x, age: ~ }",
        ] {
            assert_eq!(read::<Pet>(text).unwrap_err().len(), 1, "{text}");
        }
    }

    #[test]
    fn what_is_read_later_keeps_its_path() {
        let node = Node::parse("a: [ { b: 1 } ]").unwrap();
        let report = Report::default();
        let read: BTreeMap<String, Vec<Source>> = report.root(&node).parse().unwrap();
        let number: Option<BTreeMap<String, bool>> = read["a"][0].at(&report).parse();
        assert_eq!(number, None);
        let problems = report.into_problems();
        assert_eq!(
            problems[0].to_string(),
            "1:11: a[0].b: expected true or false"
        );
    }

    #[test]
    fn problems_end_at_some_point() {
        let items = vec!["{}"; 5000].join(", ");
        let problems = read::<Vec<u64>>(&format!("[ {items} ]")).unwrap_err();
        assert_eq!(problems.len(), 100);
    }
}
