//! JSON as Go's `encoding/json` prints it.
//!
//! Source: Go `encoding/json` (`MarshalIndent`, `HTMLEscape`): `<`, `>`, `&` and the two Unicode
//! line separators are escaped, whole floats have no fraction.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::io::{self, Write};

/// Below this a whole `f64` is an `i64`.
const WHOLE_MAX: f64 = 9.2e18;

/// A number that Go keeps as `float64`. Whole values are printed without a fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Float(pub f64);

impl Serialize for Float {
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^63, checked first")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < WHOLE_MAX {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Float, D::Error> {
        f64::deserialize(deserializer).map(Float)
    }
}

/// What Go's `omitempty` leaves out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes strings as Go does, and leaves the layout to another formatter.
struct GoFormatter<F>(F);

impl<F> GoFormatter<F> {
    fn escape(character: char) -> Option<&'static str> {
        match character {
            '<' => Some("\\u003c"),
            '>' => Some("\\u003e"),
            '&' => Some("\\u0026"),
            '\u{2028}' => Some("\\u2028"),
            '\u{2029}' => Some("\\u2029"),
            _ => None,
        }
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + Write>(
            &mut self,
            writer: &mut W,
            $($argument: $type),*
        ) -> io::Result<()> {
            self.0.$method(writer, $($argument),*)
        })*
    };
}

impl<F: Formatter> Formatter for GoFormatter<F> {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) =
            rest.char_indices().find(|(_, character)| Self::escape(*character).is_some())
        {
            writer.write_all(&rest.as_bytes()[..at])?;
            writer.write_all(Self::escape(character).unwrap_or_default().as_bytes())?;
            rest = &rest[at + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    forward! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }
}

fn write<T: Serialize>(value: &T, formatter: impl Formatter) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, GoFormatter(formatter));
    value.serialize(&mut serializer).expect("the documents have string keys, and memory takes all");
    out
}

/// As Go's `json.MarshalIndent(value, "", indent)`.
///
/// # Panics
/// When a map in `value` has keys that are no strings; none of this crate's documents has such.
#[must_use]
pub fn to_pretty<T: Serialize>(value: &T, indent: &str) -> Vec<u8> {
    write(value, PrettyFormatter::with_indent(indent.as_bytes()))
}

/// As Go's `json.Marshal(value)`.
///
/// # Panics
/// As [`to_pretty`].
#[must_use]
pub fn to_compact<T: Serialize>(value: &T) -> Vec<u8> {
    write(value, CompactFormatter)
}

#[cfg(test)]
mod tests;
