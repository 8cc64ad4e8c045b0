//! Values as carriers really send them: a number may come as text, a text as a number, a part may be something
//! else altogether. None of that may cost the rest of the message.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text or a number; anything else reads as nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Loose<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Whole(i64),
    Real(f64),
}

impl<'a> Loose<'a> {
    /// As text; numbers are written out.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Whole(number) => Some(Cow::Owned(number.to_string())),
            Self::Real(number) => Some(Cow::Owned(number.to_string())),
        }
    }

    /// As a whole number, where it is one.
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => text.trim().parse().ok(),
            Self::Whole(number) => Some(*number),
            Self::Real(number) => (number.abs() < 9e15).then_some(*number as i64),
        }
    }

    pub(crate) fn is_some(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// This, or `other` if this is nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_some() { self } else { other }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(i64::try_from(number).map_or(Loose::Nothing, Loose::Whole))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Loose::Whole(number))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Loose::Real(number))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Loose::Text(Cow::Borrowed(if value { "true" } else { "false" })))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Loose::Nothing)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose::Nothing)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Nothing)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A part of a message if it is an object; anything else reads as nothing.
#[derive(Debug)]
pub(crate) struct Part<T>(pub(crate) Option<T>);

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Part<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Part(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Part(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Part(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Part(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Part(None))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Part(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Part(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|part| Part(Some(part)))
            }
        }
        deserializer.deserialize_any(Object(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_many_clothes() {
        let whole = |json: &str| serde_json::from_str::<Loose<'_>>(json).unwrap().whole();
        assert_eq!(whole("5"), Some(5));
        assert_eq!(whole("\"5\""), Some(5));
        assert_eq!(whole("\" 5 \""), Some(5));
        assert_eq!(whole("-5"), Some(-5));
        assert_eq!(whole("5.0"), Some(5));
        assert_eq!(whole("1e300"), None);
        assert_eq!(whole("18446744073709551615"), None);
        assert_eq!(whole("\"five\""), None);
        assert_eq!(whole("[5, {\"a\": []}]"), None);
        assert_eq!(whole("null"), None);
    }

    #[test]
    fn text_is_borrowed_unless_it_is_escaped() {
        assert!(matches!(serde_json::from_str("\"ab\""), Ok(Loose::Text(Cow::Borrowed("ab")))));
        assert!(
            matches!(serde_json::from_str("\"a\\/b\""), Ok(Loose::Text(Cow::Owned(text))) if text == "a/b")
        );
    }
}
