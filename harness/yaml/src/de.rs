//! [`Node`]s into types that derive serde's `Deserialize`, as strictly as the readers of
//! [`read`](super::read): a text is any scalar but null, as it is written; a key that a type does
//! not know is refused (`deny_unknown_fields`) with the nearest one that it does; nothing is
//! coerced.
//!
//! A deserializer of serde's gives up at its first error. This one leaves out what was at fault and
//! reads again, so that everything wrong is reported at once, each at its own place. What is wrong
//! only because something in it was left out is not reported.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value as Json;

use super::read::{At, Problem, unknown_key};
use super::{Key, Node, Place, Value};

/// The most problems of one value that are looked for.
const MOST: usize = 100;

/// The enumeration whose variant the kind of the node chooses: [`Shape`](super::shape::Shape).
pub(crate) const SHAPE: &str = "$located_yaml::Shape";
/// The type that takes a node as it is: [`Source`](super::shape::Source).
pub(crate) const SOURCE: &str = "$located_yaml::Source";

thread_local! {
    /// The node on its way from here to a [`Source`](super::shape::Source): serde's own way
    /// would take it apart.
    static HANDED: RefCell<Option<(Node, String)>> = const { RefCell::new(None) };
}

/// Takes the node that was handed over.
pub(crate) fn handed() -> Option<(Node, String)> {
    HANDED.with_borrow_mut(Option::take)
}

impl At<'_> {
    /// As a type that derives `Deserialize`.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        let reading = Reading::default();
        for _ in 0..MOST {
            let reader = Reader {
                at: self.clone(),
                reading: &reading,
            };
            match reader.read(std::marker::PhantomData::<T>) {
                Ok(value) if reading.left_out.borrow().is_empty() => return Some(value),
                Ok(_) => return None,
                Err(fault) => {
                    if !reading.take(self, fault) {
                        return None;
                    }
                }
            }
        }
        None
    }
}

/// What was left out so far, by address.
#[derive(Default)]
struct Reading {
    left_out: RefCell<HashSet<usize>>,
    /// Values in which something was left out.
    marred: RefCell<HashSet<usize>>,
}

impl Reading {
    /// Reports a fault and leaves its value out; `false` if nothing is left then.
    fn take(&self, root: &At<'_>, fault: Fault) -> bool {
        let Some((innermost, around)) = fault.trail.split_first() else {
            return false;
        };
        if let Some((place, path)) = fault.found
            && !self.marred.borrow().contains(innermost)
        {
            let message = fault.message;
            root.report().push(Problem {
                place,
                path,
                message,
            });
        }
        self.marred.borrow_mut().extend(around);
        self.left_out.borrow_mut().insert(*innermost) && !around.is_empty()
    }

    fn has(&self, node: &Node) -> bool {
        !self.left_out.borrow().contains(&address(node))
    }
}

fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

/// What serde found wrong.
#[derive(Debug)]
struct Fault {
    message: String,
    /// Where, once that is known.
    found: Option<(Place, String)>,
    /// The value at fault and those around it, the innermost first.
    trail: Vec<usize>,
}

impl Fault {
    /// The same fault, seen from the value around it.
    fn within(mut self, at: &At<'_>) -> Self {
        if self.found.is_none() {
            let Problem {
                place,
                path,
                message,
            } = at.problem(&self.message);
            self.found = Some((place, path));
            self.message = message;
        }
        self.trail.push(address(at.node));
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            found: None,
            trail: Vec::new(),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(match expected.to_string().as_str() {
            "a string" => "expected a text".to_owned(),
            "a JSON number" => "expected a number".to_owned(),
            expected => format!("expected {expected}"),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the key {field:?} is missing"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(unknown_key(field, expected))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("expected one of: {}", expected.join(", ")))
    }
}

/// Reads one value.
struct Reader<'a, 'r> {
    at: At<'a>,
    reading: &'r Reading,
}

impl<'a> Reader<'a, '_> {
    fn read<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        let at = self.at.clone();
        seed.deserialize(self).map_err(|fault| fault.within(&at))
    }

    fn members<'de, V: Visitor<'de>>(
        &self,
        members: &'a [(Key, Node)],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_map(Members {
            of: self,
            members: members.iter(),
            value: None,
        })
    }

    fn items<'de, V: Visitor<'de>>(
        &self,
        items: &'a [Node],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_seq(Items {
            of: self,
            items: items.iter().enumerate(),
        })
    }

    fn number<T>(&self, number: Option<T>, expected: &str) -> Result<T, Fault> {
        number.ok_or_else(|| Fault::custom(format!("expected {expected}")))
    }

    fn unsigned(&self) -> Result<u64, Fault> {
        let expected = "a whole number of at least 0";
        self.number(self.at.node.to_json().as_u64(), expected)
    }

    fn signed(&self) -> Result<i64, Fault> {
        self.number(self.at.node.to_json().as_i64(), "a whole number")
    }
}

macro_rules! numbers {
    ($($method:ident: $read:ident, $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.$read()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.at.node.value {
            Value::List(items) => self.items(items, visitor),
            Value::Map(members) => self.members(members, visitor),
            Value::Scalar { .. } => match self.at.node.to_json() {
                Json::Null => visitor.visit_unit(),
                Json::Bool(value) => visitor.visit_bool(value),
                Json::Number(number) => match (number.as_u64(), number.as_i64()) {
                    (Some(number), _) => visitor.visit_u64(number),
                    (None, Some(number)) => visitor.visit_i64(number),
                    (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
                },
                Json::String(text) => visitor.visit_string(text),
                Json::Array(_) | Json::Object(_) => visitor.visit_unit(),
            },
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.at.node.text() {
            Some(text) if !self.at.node.is_null() => visitor.visit_str(text),
            _ => Err(Fault::custom("expected a text")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_string(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.at.node.to_json() {
            Json::Bool(value) => visitor.visit_bool(value),
            _ => Err(Fault::custom("expected true or false")),
        }
    }

    numbers! {
        deserialize_u8: unsigned, visit_u64;
        deserialize_u16: unsigned, visit_u64;
        deserialize_u32: unsigned, visit_u64;
        deserialize_u64: unsigned, visit_u64;
        deserialize_i8: signed, visit_i64;
        deserialize_i16: signed, visit_i64;
        deserialize_i32: signed, visit_i64;
        deserialize_i64: signed, visit_i64;
    }

    /// What is written is there, also where it is null; what is optional may be left out.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == SOURCE {
            HANDED.set(Some((self.at.node.clone(), self.at.path)));
            return visitor.visit_unit();
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.at.node.value {
            Value::List(items) => self.items(items, visitor),
            _ => Err(Fault::custom("expected a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.at.node.value {
            Value::Map(members) => self.members(members, visitor),
            _ => Err(Fault::custom("expected a mapping of keys and values")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == SHAPE {
            return visitor.visit_enum(Shaped(self));
        }
        let word = self.at.node.text().unwrap_or_default();
        match variants.contains(&word) {
            true => visitor.visit_enum(StrDeserializer::new(word)),
            false => Err(Fault::unknown_variant(word, variants)),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

/// The members of a mapping, but for those that are left out.
struct Members<'a, 'r, 'o> {
    of: &'o Reader<'a, 'r>,
    members: std::slice::Iter<'a, (Key, Node)>,
    value: Option<At<'a>>,
}

impl<'de> MapAccess<'de> for Members<'_, '_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let reading = self.of.reading;
        let Some((key, node)) = self.members.find(|(_, node)| reading.has(node)) else {
            return Ok(None);
        };
        let at = self.of.at.child(node, &key.text);
        let read = seed.deserialize(StrDeserializer::<Fault>::new(&key.text));
        let read = read.map_err(|fault| Fault {
            found: Some((key.place, at.path.clone())),
            ..fault.within(&at)
        });
        self.value = Some(at);
        read.map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let at = self.value.take();
        let at = at.ok_or_else(|| Fault::custom("a value without its key"))?;
        let reading = self.of.reading;
        Reader { at, reading }.read(seed)
    }
}

/// The items of a list, but for those that are left out.
struct Items<'a, 'r, 'o> {
    of: &'o Reader<'a, 'r>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_, '_, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let reading = self.of.reading;
        let Some((index, node)) = self.items.find(|(_, node)| reading.has(node)) else {
            return Ok(None);
        };
        let at = self.of.at.child(node, &format!("[{index}]"));
        Reader { at, reading }.read(seed).map(Some)
    }
}

/// The variant of a [`Shape`](super::shape::Shape) that a node has.
struct Shaped<'a, 'r>(Reader<'a, 'r>);

impl<'de> EnumAccess<'de> for Shaped<'_, '_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let variant = match &self.0.at.node.value {
            Value::Scalar { .. } => "Scalar",
            Value::List(_) => "List",
            Value::Map(_) => "Map",
        };
        Ok((
            seed.deserialize(StrDeserializer::<Fault>::new(variant))?,
            self,
        ))
    }
}

impl<'de> VariantAccess<'de> for Shaped<'_, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.0.deserialize_map(visitor)
    }
}
