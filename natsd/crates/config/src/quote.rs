//! Text as Go prints it in messages.
//!
//! Source: Go `strconv.Quote`, which `%q` uses.

use std::fmt::Write as _;

/// The text between double quotes, with everything escaped that would not print.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character);
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, character: char) {
    match character {
        '"' => quoted.push_str("\\\""),
        '\\' => quoted.push_str("\\\\"),
        '\u{7}' => quoted.push_str("\\a"),
        '\u{8}' => quoted.push_str("\\b"),
        '\u{c}' => quoted.push_str("\\f"),
        '\n' => quoted.push_str("\\n"),
        '\r' => quoted.push_str("\\r"),
        '\t' => quoted.push_str("\\t"),
        '\u{b}' => quoted.push_str("\\v"),
        ' ' => quoted.push(' '),
        _ if !character.is_control() && !character.is_whitespace() => quoted.push(character),
        _ => {
            let code = u32::from(character);
            let result = if code < 0x80 {
                write!(quoted, "\\x{code:02x}")
            } else if code < 0x1_0000 {
                write!(quoted, "\\u{code:04x}")
            } else {
                write!(quoted, "\\U{code:08x}")
            };
            result.expect("writing to a string cannot fail");
        }
    }
}
