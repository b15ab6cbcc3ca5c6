//! Reads a JSON value into a type, and says where in it the first thing is that does not fit.
//!
//! The place is put together only where reading fails, from the inside out, and the code is kept
//! small: whatever does not depend on the type that is read is compiled once. An object is read
//! only by its members' names, never from a list of their values.

use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Value, map};

/// One step from a value to what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of that name.
    Member(String),
    /// The element at that index.
    Element(usize),
    /// The content of `{"variant": content}`.
    Variant(String),
}

/// Why a value was not read.
#[derive(Debug)]
pub(super) struct Fault {
    /// What serde says of it.
    pub message: String,
    /// Where, from the outside in.
    pub place: Vec<Step>,
}

/// Reads `value`.
///
/// # Errors
/// The first thing that does not fit.
pub(super) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Fault> {
    T::deserialize(Place(value)).map_err(|Inside(mut fault)| {
        fault.place.reverse();
        *fault
    })
}

/// A fault while its place is put together: innermost step first.
#[derive(Debug)]
struct Inside(Box<Fault>);

impl Inside {
    #[cold]
    #[inline(never)]
    fn new(message: String) -> Self {
        Self(Box::new(Fault {
            message,
            place: Vec::new(),
        }))
    }

    #[cold]
    #[inline(never)]
    fn under(mut self, step: Step) -> Self {
        self.0.place.push(step);
        self
    }

    #[inline(never)]
    fn in_member(self, name: &str) -> Self {
        self.under(Step::Member(name.to_owned()))
    }

    #[inline(never)]
    fn in_variant(self, name: &str) -> Self {
        self.under(Step::Variant(name.to_owned()))
    }
}

impl Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Inside {}

impl Error for Inside {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(fmt::format(format_args!("{message}")))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        unlike("type", &found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        unlike("value", &found, expected)
    }
}

/// serde's own words, but for the value, which may be a secret.
#[cold]
#[inline(never)]
fn unlike(what: &str, found: &Unexpected<'_>, expected: &dyn Expected) -> Inside {
    let found = match *found {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
        Unexpected::Float(_) => "floating point",
        Unexpected::Char(_) | Unexpected::Str(_) => "string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "sequence",
        Unexpected::Map => "map",
        Unexpected::UnitVariant => "unit variant",
        Unexpected::Other(other) => other,
        _ => "another value",
    };
    Inside::new(format!("invalid {what}: {found}, expected {expected}"))
}

/// A value that is read.
#[derive(Clone, Copy)]
struct Place<'a>(&'a Value);

impl Place<'_> {
    /// It is of another kind than expected.
    #[cold]
    #[inline(never)]
    fn unlike(self, expected: &dyn Expected) -> Inside {
        let found = match self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Unexpected::Unsigned(number),
                (_, Some(number)) => Unexpected::Signed(number),
                _ => Unexpected::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Inside::invalid_type(found, expected)
    }
}

fn number<'de, V: Visitor<'de>>(place: Place<'_>, visitor: V) -> Result<V::Value, Inside> {
    let Value::Number(number) = place.0 else {
        return Err(place.unlike(&visitor));
    };
    match (number.as_u64(), number.as_i64()) {
        (Some(number), _) => visitor.visit_u64(number),
        (_, Some(number)) => visitor.visit_i64(number),
        _ => visitor.visit_f64(number.as_f64().unwrap_or_default()),
    }
}

fn list<'de, V: Visitor<'de>>(list: &[Value], visitor: V) -> Result<V::Value, Inside> {
    let mut elements = Elements { list, at: 0 };
    let read = visitor.visit_seq(&mut elements)?;
    match elements.at == list.len() {
        true => Ok(read),
        false => Err(Inside::invalid_length(
            list.len(),
            &"fewer elements in array",
        )),
    }
}

fn object<'de, V: Visitor<'de>>(
    object: &map::Map<String, Value>,
    visitor: V,
) -> Result<V::Value, Inside> {
    let mut members = Members {
        rest: object.iter(),
        at: None,
    };
    let read = visitor.visit_map(&mut members)?;
    match members.rest.len() {
        0 => Ok(read),
        _ => Err(Inside::invalid_length(
            object.len(),
            &"fewer elements in map",
        )),
    }
}

/// Methods for kinds of numbers, which are read alike.
macro_rules! numbers {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
            number(self, visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Place<'_> {
    type Error = Inside;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(_) => number(self, visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(elements) => list(elements, visitor),
            Value::Object(members) => object(members, visitor),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        match self.0 {
            Value::Bool(value) => visitor.visit_bool(*value),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        match self.0 {
            Value::String(text) => visitor.visit_str(text),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Inside> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        match self.0 {
            Value::Array(elements) => list(elements, visitor),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Inside> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        match self.0 {
            Value::Object(members) => object(members, visitor),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Inside> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Inside> {
        visitor.visit_enum(Choice::of(self)?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Inside> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct tuple_struct identifier }
}

/// The elements of a list.
struct Elements<'a> {
    list: &'a [Value],
    at: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Inside;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Inside> {
        let at = self.at;
        let Some(value) = self.list.get(at) else {
            return Ok(None);
        };
        self.at = at.saturating_add(1);
        match seed.deserialize(Place(value)) {
            Ok(element) => Ok(Some(element)),
            Err(fault) => Err(fault.under(Step::Element(at))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len().saturating_sub(self.at))
    }
}

/// The members of an object.
struct Members<'a> {
    rest: map::Iter<'a>,
    /// The one whose name was read.
    at: Option<(&'a String, &'a Value)>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Inside;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Inside> {
        self.at = self.rest.next();
        let Some((name, _)) = self.at else {
            return Ok(None);
        };
        match seed.deserialize(name_of(name)) {
            Ok(key) => Ok(Some(key)),
            Err(fault) => Err(fault.in_member(name)),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Inside> {
        let Some((name, value)) = self.at else {
            return Err(Inside::custom("a value without a name"));
        };
        seed.deserialize(Place(value))
            .map_err(|fault| fault.in_member(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

fn name_of(name: &str) -> StrDeserializer<'_, Inside> {
    name.into_deserializer()
}

/// One of several things: `"name"`, or `{"name": content}`.
struct Choice<'a> {
    name: &'a str,
    content: Option<&'a Value>,
}

impl<'a> Choice<'a> {
    fn of(place: Place<'a>) -> Result<Self, Inside> {
        match place.0 {
            Value::String(name) => Ok(Self {
                name,
                content: None,
            }),
            Value::Object(members) => {
                let mut members = members.iter();
                match (members.next(), members.next()) {
                    (Some((name, content)), None) => Ok(Self {
                        name,
                        content: Some(content),
                    }),
                    _ => Err(Inside::invalid_value(
                        Unexpected::Map,
                        &"map with a single key",
                    )),
                }
            }
            _ => Err(place.unlike(&"string or map")),
        }
    }
}

impl<'de, 'a> EnumAccess<'de> for Choice<'a> {
    type Error = Inside;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Inside> {
        Ok((seed.deserialize(name_of(self.name))?, self))
    }
}

impl<'a> Choice<'a> {
    /// The content, where there must be one.
    fn content(&self, expected: &dyn Expected) -> Result<Place<'a>, Inside> {
        let missing = || Inside::invalid_type(Unexpected::UnitVariant, expected);
        self.content.map(Place).ok_or_else(missing)
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Inside;

    fn unit_variant(self) -> Result<(), Inside> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(content) => Err(Place(content).unlike(&"unit").in_variant(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Inside> {
        self.content(&"newtype variant")
            .and_then(|content| seed.deserialize(content))
            .map_err(|fault| fault.in_variant(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Inside> {
        self.content(&"tuple variant")
            .and_then(|content| content.deserialize_seq(visitor))
            .map_err(|fault| fault.in_variant(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Inside> {
        self.content(&"struct variant")
            .and_then(|content| content.deserialize_map(visitor))
            .map_err(|fault| fault.in_variant(self.name))
    }
}

#[cfg(test)]
mod tests;
