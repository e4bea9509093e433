//! The digest of a configuration: two files that say the same have the same digest.
//!
//! SHA-256 over the values as JSON exactly as Go's encoder writes it: keys sorted, `<`, `>` and
//! `&` escaped, a line break at the end. Monitoring shows it, so it must be equal to Go's.
//!
//! Source: Go `conf/parse.go` (`configDigest`), Go's package `encoding/json`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::value::{Map, Value};

/// `sha256:<hex>` of the values.
#[must_use]
pub fn digest(map: &Map) -> String {
    let mut json = String::new();
    write_map(&mut json, map);
    json.push('\n');
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(json.as_bytes()) {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

fn write_value(json: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_string(json, text),
        Value::Integer(number) => {
            write!(json, "{number}").expect("writing to a string cannot fail");
        }
        Value::Float(number) => json.push_str(&float(*number)),
        Value::Bool(flag) => json.push_str(if *flag { "true" } else { "false" }),
        Value::Datetime(text) => write_string(json, text),
        Value::Array(array) => {
            json.push('[');
            for (index, token) in array.items().iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_value(json, &token.value);
            }
            json.push(']');
        }
        Value::Map(map) => write_map(json, map),
    }
}

fn write_map(json: &mut String, map: &Map) {
    json.push('{');
    for (index, (key, token)) in map.iter_sorted().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_string(json, key);
        json.push(':');
        write_value(json, &token.value);
    }
    json.push('}');
}

fn write_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\u{0}'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(json, "\\u{:04x}", u32::from(character))
                    .expect("writing to a string cannot fail");
            }
            // A byte that was not UTF-8; Go escapes it too.
            char::REPLACEMENT_CHARACTER => json.push_str("\\ufffd"),
            other => json.push(other),
        }
    }
    json.push('"');
}

/// Shortest text that reads back as the number, with an exponent where Go's encoder uses one.
fn float(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            format!("{mantissa}e+{exponent}")
        }
        _ => text,
    }
}
