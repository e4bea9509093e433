//! Text between double quotes as Go prints it in messages.
//!
//! Source: Go `strconv.Quote`, which `%q` uses.

use core::fmt::Write as _;

/// `text` between double quotes, with everything escaped that would not print. Bytes that are not
/// UTF-8 become `\xNN`.
#[must_use]
pub fn quote(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push_escaped(&mut quoted, character));
        for byte in chunk.invalid() {
            write!(quoted, "\\x{byte:02x}").expect("writing to a string cannot fail");
        }
    }
    quoted.push('"');
    quoted
}

/// Whether Go prints `character` as it is: letters, marks, numbers, punctuation and symbols.
fn is_printable(character: char) -> bool {
    // The standard library has the table, but escapes a mark at the start of a text too.
    let behind_a_letter = ['x', character].iter().collect::<String>();
    behind_a_letter.escape_debug().nth(1) == Some(character)
}

fn push_escaped(quoted: &mut String, character: char) {
    let escape = match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        ' ' => " ",
        _ if is_printable(character) => {
            quoted.push(character);
            return;
        }
        _ => {
            let code = u32::from(character);
            let written = match code {
                0..0x80 => write!(quoted, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                _ => write!(quoted, "\\U{code:08x}"),
            };
            return written.expect("writing to a string cannot fail");
        }
    };
    quoted.push_str(escape);
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn text_is_quoted_as_go_does() {
        assert_eq!(quote("foo.\"bar\"\\"), r#""foo.\"bar\"\\""#);
        assert_eq!(quote(b"a\xffb\r\n\t\x01"), r#""a\xffb\r\n\t\x01""#);
        assert_eq!(quote("\u{200b}\u{ad}e\u{301}"), "\"\\u200b\\u00ade\u{301}\"");
        assert_eq!(quote("ü\u{a0}\u{7f}"), "\"ü\\u00a0\\x7f\"");
    }
}
