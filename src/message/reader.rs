//! Deserializes the derived types of messages from JSON.
//!
//! `serde_json` could, too, but its error texts quote the content of messages, so no caller may show them. Without
//! those texts, and with one reader for all types, the Worker is 20 kB smaller.

use core::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Value, map};
use thiserror::Error;

use crate::message::TAG;

/// Reasons why a value does not match a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Unfit {
    /// The value has another shape.
    #[error("not what is expected")]
    Shape,
    /// This release does not have that command or enum variant.
    #[error("unknown variant")]
    Variant,
}

impl de::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Shape
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::Variant
    }
}

/// Deserializer of a JSON value. Enums are strings, or objects whose member `do` names the variant.
pub(super) struct Reader(pub Value);

impl Reader {
    fn array<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Array(elements) => visitor.visit_seq(Elements(elements.into_iter())),
            _ => Err(Unfit::Shape),
        }
    }

    fn object<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members {
                left: members.into_iter(),
                value: Value::Null,
            }),
            _ => Err(Unfit::Shape),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            _ => Err(Unfit::Shape),
        }
    }

    fn whole_number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_u64(self.0.as_u64().ok_or(Unfit::Shape)?)
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Unfit;

    /// Supports [`Value`] itself, the element type of some messages' arrays.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::String(_) => self.text(visitor),
            Value::Array(_) => self.array(visitor),
            Value::Object(_) => self.object(visitor),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().ok_or(Unfit::Shape)?),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_bool(self.0.as_bool().ok_or(Unfit::Shape)?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.whole_number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.whole_number(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.array(visitor)
    }

    /// Ignores elements that a later release adds.
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unfit> {
        self.array(visitor)
    }

    /// Ignores elements that a later release adds.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.array(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let name = match &mut self.0 {
            Value::Object(members) => members.remove(TAG),
            other => Some(other.take()),
        };
        match name {
            Some(Value::String(name)) => visitor.visit_enum(Variant { name, value: self }),
            _ => Err(Unfit::Shape),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    // Types that no message has, and maps, which have string keys.
    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str bytes byte_buf unit unit_struct map
    }
}

struct Elements(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Elements {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        let element = self.0.next();
        element
            .map(|element| seed.deserialize(Reader(element)))
            .transpose()
    }
}

struct Members {
    left: map::IntoIter,
    /// Value of the member whose name was read last.
    value: Value,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unfit> {
        let Some((name, value)) = self.left.next() else {
            return Ok(None);
        };
        self.value = value;
        seed.deserialize(Reader(Value::String(name))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfit> {
        seed.deserialize(Reader(self.value.take()))
    }
}

struct Variant {
    name: String,
    /// Members of the object without its name.
    value: Reader,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Unfit;
    type Variant = Reader;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Reader), Unfit> {
        let name = seed.deserialize(Reader(Value::String(self.name)))?;
        Ok((name, self.value))
    }
}

impl<'de> VariantAccess<'de> for Reader {
    type Error = Unfit;

    fn unit_variant(self) -> Result<(), Unfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfit> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unfit> {
        self.array(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.object(visitor)
    }
}
