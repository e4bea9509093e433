//! The states of the lexer that read values: arrays, maps, strings, numbers.
//!
//! Source: Go `conf/lex.go` (`lexValue` and below).

use super::{END, Escapable, ItemKind, Lexer, State, show};

impl Lexer<'_> {
    pub(super) fn value(&mut self) -> State {
        let character = self.next();
        match character {
            ' ' | '\t' => self.skip(State::Value),
            '[' => {
                self.ignore();
                self.emit(ItemKind::ArrayStart);
                State::ArrayValue
            }
            '{' => {
                self.ignore();
                self.emit(ItemKind::MapStart);
                State::MapKeyStart
            }
            '\'' => self.skip(State::SingleQuotedString),
            '"' => {
                self.escapable = Escapable::DoubleQuoted;
                self.skip(State::DoubleQuotedString)
            }
            '-' => State::NegativeNumberStart,
            '(' => self.skip(State::Block),
            '0'..='9' => {
                self.back();
                State::NumberStart
            }
            // Be kind to users.
            '.' => self.error("Floats must start with a digit"),
            '\n' | '\r' => self.error("Expected value but found new line"),
            _ => {
                self.back();
                self.start_bare_string()
            }
        }
    }

    pub(super) fn array_value(&mut self) -> State {
        let character = self.next();
        if character.is_whitespace() {
            return self.skip(State::ArrayValue);
        }
        if let Some(state) = self.comment_or(character, State::ArrayValue) {
            return state;
        }
        match character {
            '/' | ',' => self.error("Unexpected array value terminator ','."),
            ']' => self.array_end(),
            _ => {
                self.back();
                self.stack.push(State::ArrayValueEnd);
                State::Value
            }
        }
    }

    pub(super) fn array_value_end(&mut self) -> State {
        let character = self.next();
        if let Some(state) = self.comment_or(character, State::ArrayValueEnd) {
            return state;
        }
        match character {
            ' ' | '\t' => self.skip(State::ArrayValueEnd),
            '/' | ',' | '\n' | '\r' => self.skip(State::ArrayValue),
            ']' => self.array_end(),
            other => self.error(format!(
                "Expected an array value terminator \",\" or an array terminator \"]\", \
                 but got '{}' instead.",
                show(other)
            )),
        }
    }

    fn array_end(&mut self) -> State {
        self.ignore();
        self.emit(ItemKind::ArrayEnd);
        self.pop()
    }

    pub(super) fn map_value(&mut self) -> State {
        let character = self.next();
        match character {
            ',' => self.error("Unexpected map value terminator \",\"."),
            '}' => self.map_end(),
            _ if character.is_whitespace() => self.skip(State::MapValue),
            _ => {
                self.back();
                self.stack.push(State::MapValueEnd);
                State::Value
            }
        }
    }

    pub(super) fn map_value_end(&mut self) -> State {
        let character = self.next();
        if let Some(state) = self.comment_or(character, State::MapValueEnd) {
            return state;
        }
        match character {
            ' ' | '\t' => self.skip(State::MapValueEnd),
            '/' | ';' | ',' | '\n' | '\r' => self.skip(State::MapKeyStart),
            '}' => self.map_end(),
            other => self.error(format!(
                "Expected a map value terminator \",\" or a map terminator \"}}\", \
                 but got '{}' instead.",
                show(other)
            )),
        }
    }

    pub(super) fn map_end(&mut self) -> State {
        self.ignore();
        self.emit(ItemKind::MapEnd);
        self.pop()
    }

    // ---- strings

    pub(super) fn single_quoted_string(&mut self) -> State {
        loop {
            match self.next() {
                '\'' => return self.emit_before_quote(ItemKind::String),
                END => return self.end(),
                _ => {}
            }
        }
    }

    pub(super) fn double_quoted_string(&mut self) -> State {
        loop {
            match self.next() {
                '\\' => return self.start_escape(),
                '"' => return self.emit_before_quote(ItemKind::String),
                END => return self.end(),
                _ => {}
            }
        }
    }

    fn start_bare_string(&mut self) -> State {
        self.escapable = Escapable::Bare;
        State::BareString
    }

    pub(super) fn bare_string(&mut self) -> State {
        loop {
            match self.next() {
                '\\' => return self.start_escape(),
                '\n' | '\r' | END | ';' | ',' | ']' | '}' | ' ' | '\t' => {
                    self.back();
                    let kind = if self.parts.is_some() {
                        ItemKind::String
                    } else if is_bool(self.pending()) {
                        ItemKind::Bool
                    } else if self.input.get(self.start) == Some(&b'$') {
                        self.start += 1;
                        ItemKind::Variable
                    } else {
                        ItemKind::String
                    };
                    self.emit(kind);
                    return self.pop();
                }
                '\'' => return self.emit_before_quote(ItemKind::String),
                _ => {}
            }
        }
    }

    fn start_escape(&mut self) -> State {
        let end = self.pos.saturating_sub(1);
        let part = self.input.get(self.start..end).unwrap_or_default();
        self.parts.get_or_insert_default().extend_from_slice(part);
        self.start = self.pos;
        State::Escape
    }

    pub(super) fn escape(&mut self) -> State {
        let decoded = match self.next() {
            'x' => match self.hexadecimal() {
                Ok(byte) => byte,
                Err(message) => return self.error(message),
            },
            't' => b'\t',
            'n' => b'\n',
            'r' => b'\r',
            '"' => b'"',
            '\\' => b'\\',
            other => {
                return self.error(format!(
                    "Invalid escape character '{}'. Only the following escape characters are \
                     allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.",
                    show(other)
                ));
            }
        };
        self.parts.get_or_insert_default().push(decoded);
        self.start = self.pos;
        match self.escapable {
            Escapable::Bare => State::BareString,
            Escapable::DoubleQuoted => State::DoubleQuotedString,
        }
    }

    fn hexadecimal(&mut self) -> Result<u8, String> {
        let expected = "Expected two hexadecimal digits after '\\x', but";
        for _ in 0..2 {
            if matches!(self.next(), '\n' | '\r') {
                return Err(format!("{expected} hit end of line"));
            }
        }
        let digits = &self.input[self.pos.saturating_sub(2)..self.pos];
        let text = String::from_utf8_lossy(digits);
        if digits.iter().all(u8::is_ascii_hexdigit)
            && let Ok(byte) = u8::from_str_radix(&text, 16)
        {
            return Ok(byte);
        }
        Err(format!("{expected} got '{text}'"))
    }

    /// A string between parentheses; the closing one stands alone on its line.
    pub(super) fn block(&mut self) -> State {
        loop {
            match self.next() {
                ')' => {
                    self.back();
                    self.back();
                    let starts_line = self.next() == '\n';
                    self.next();
                    if !starts_line {
                        continue;
                    }
                    if matches!(self.next(), '\n' | END) {
                        self.back();
                        return self.emit_before_quote(ItemKind::String);
                    }
                    self.back();
                }
                END => return self.error("Unexpected EOF processing block."),
                _ => {}
            }
        }
    }

    // ---- numbers, dates, addresses

    pub(super) fn number_start(&mut self, negative: bool) -> State {
        match self.next() {
            '0'..='9' if negative => State::NegativeNumber,
            '0'..='9' => State::Number,
            '.' => self.error("Floats must start with a digit, not '.'."),
            other => self.error(format!("Expected a digit but got '{}'.", show(other))),
        }
    }

    pub(super) fn number(&mut self) -> State {
        match self.next() {
            '0'..='9' => State::Number,
            '-' if self.pos - self.start != 5 => {
                self.error("All ISO8601 dates must be in full Zulu form.")
            }
            '-' => State::Date,
            '.' => State::FloatStart,
            character if is_suffix(character) => State::SuffixedNumber,
            character if ends_number(character) => self.emit_read(ItemKind::Integer),
            _ => self.start_bare_string(),
        }
    }

    /// Emits what was read before the last character.
    fn emit_read(&mut self, kind: ItemKind) -> State {
        self.back();
        self.emit(kind);
        self.pop()
    }

    pub(super) fn suffixed_number(&mut self) -> State {
        match self.next() {
            'b' | 'B' | 'i' | 'I' => State::SuffixedNumber,
            character if ends_number(character) => self.emit_read(ItemKind::Integer),
            // A duration like `10m30s`, or any other text. Go 2.15.1; before, a digit here was an
            // error.
            _ => {
                self.back();
                self.start_bare_string()
            }
        }
    }

    pub(super) fn negative_number(&mut self) -> State {
        match self.next() {
            '0'..='9' => State::NegativeNumber,
            '.' => State::FloatStart,
            character if is_suffix(character) => State::SuffixedNumber,
            _ => self.emit_read(ItemKind::Integer),
        }
    }

    pub(super) fn float_start(&mut self) -> State {
        match self.next() {
            '0'..='9' => State::Float,
            other => self.error(format!(
                "Floats must have a digit after the '.', but got '{}' instead.",
                show(other)
            )),
        }
    }

    pub(super) fn float(&mut self) -> State {
        match self.next() {
            '0'..='9' => State::Float,
            '.' => State::Address,
            _ => self.emit_read(ItemKind::Float),
        }
    }

    pub(super) fn address(&mut self) -> State {
        match self.next() {
            '0'..='9' | '.' | ':' | '-' => State::Address,
            _ => self.emit_read(ItemKind::String),
        }
    }

    /// The rest of `2016-05-04T18:53:41Z` after the year and its dash.
    pub(super) fn date(&mut self) -> State {
        for expected in "00-00T00:00:00Z".chars() {
            let character = self.next();
            if expected == '0' && !character.is_ascii_digit() {
                return self.error(format!(
                    "Expected digit in ISO8601 datetime, but found '{}' instead.",
                    show(character)
                ));
            }
            if expected != '0' && character != expected {
                return self.error(format!(
                    "Expected '{expected}' in ISO8601 datetime, but found '{}' instead.",
                    show(character)
                ));
            }
        }
        self.emit(ItemKind::Datetime);
        self.pop()
    }

    pub(super) fn comment(&mut self) -> State {
        self.ignore();
        self.emit(ItemKind::CommentStart);
        while !matches!(self.peek(), '\n' | '\r' | END) {
            self.next();
        }
        self.emit(ItemKind::Text);
        self.pop()
    }
}

fn is_bool(text: &[u8]) -> bool {
    ["true", "false", "on", "off", "yes", "no"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_suffix(character: char) -> bool {
    matches!(character.to_ascii_lowercase(), 'k' | 'm' | 'g' | 't' | 'p' | 'e')
}

fn ends_number(character: char) -> bool {
    matches!(character, '\n' | '\r' | END | '}' | ';' | ',' | ' ' | '\t')
}
