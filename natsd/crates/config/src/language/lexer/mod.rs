//! Cuts configuration text into items.
//!
//! A hand-written state machine over bytes. Its grammar is deliberately loose, and its quirks (what
//! ends a bare string, what a lone slash does, how columns are counted) are part of the language:
//! files that Go accepts must be accepted, with the same values and positions. Never panics and
//! never loops: every state consumes input, or ends, or gives way to one that does.
//!
//! Source: Go `conf/lex.go`.

mod values;

use std::collections::VecDeque;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Error,
    Eof,
    Key,
    Text,
    String,
    Bool,
    Integer,
    Float,
    Datetime,
    ArrayStart,
    ArrayEnd,
    MapStart,
    MapEnd,
    CommentStart,
    Variable,
    Include,
}

/// One item. `text` is raw bytes because `\x` escapes can make any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) kind: ItemKind,
    pub(crate) text: Vec<u8>,
    pub(crate) line: usize,
    pub(crate) column: i64,
}

impl Item {
    /// The text with everything that is not UTF-8 replaced, byte by byte as Go's JSON does.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.text.len());
        for chunk in self.text.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        text
    }
}

/// End of input; a NUL in the text counts as one, as in Go.
const END: char = '\0';

/// Whether keys are read at the top of the file (or in its optional outer braces) or in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Top,
    Map,
}

/// The two kinds of unquoted-or-quoted strings that know escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapable {
    Bare,
    DoubleQuoted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Top,
    TopValueEnd,
    BlockStart,
    BlockValueEnd,
    BlockEnd,
    KeyStart,
    Key(Level),
    QuotedKey(Level, char),
    KeyEnd(Level),
    IncludeStart,
    QuotedInclude(char),
    BareInclude,
    Value,
    ArrayValue,
    ArrayValueEnd,
    MapKeyStart,
    MapValue,
    MapValueEnd,
    SingleQuotedString,
    DoubleQuotedString,
    BareString,
    Escape,
    Block,
    NumberStart,
    Number,
    SuffixedNumber,
    NegativeNumberStart,
    NegativeNumber,
    FloatStart,
    Float,
    Address,
    Date,
    CommentStart,
    /// Nothing more comes.
    Done,
}

/// Produces items one at a time.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    input: &'a [u8],
    /// Where the pending item starts.
    start: usize,
    pos: usize,
    /// Bytes of the last character read, for `back`.
    width: usize,
    line: usize,
    /// Where the current line starts, and the line in which the pending item starts. From the
    /// second line on this is the line break itself.
    line_start: usize,
    item_line_start: usize,
    state: State,
    /// What to do after a value or a comment.
    stack: Vec<State>,
    /// Decoded pieces of a string with escapes.
    parts: Option<Vec<u8>>,
    escapable: Escapable,
    items: VecDeque<Item>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Lexer<'a> {
        Lexer {
            input,
            start: 0,
            pos: 0,
            width: 0,
            line: 1,
            line_start: 0,
            item_line_start: 0,
            state: State::Top,
            stack: Vec::new(),
            parts: None,
            escapable: Escapable::Bare,
            items: VecDeque::new(),
        }
    }

    /// The next item. After an error or the end it repeats the end.
    pub(crate) fn next_item(&mut self) -> Item {
        loop {
            if let Some(item) = self.items.pop_front() {
                return item;
            }
            if self.state == State::Done {
                return Item { kind: ItemKind::Eof, text: Vec::new(), line: self.line, column: 0 };
            }
            self.state = self.step();
        }
    }

    fn step(&mut self) -> State {
        match self.state {
            State::Top => self.top(),
            State::TopValueEnd => self.top_value_end(),
            State::BlockStart => self.block_start(),
            State::BlockValueEnd => self.block_value_end(),
            State::BlockEnd => self.block_end(),
            State::KeyStart => self.key_start(),
            State::Key(level) => self.key(level),
            State::QuotedKey(level, quote) => self.quoted_key(level, quote),
            State::KeyEnd(level) => self.key_end(level),
            State::IncludeStart => self.include_start(),
            State::QuotedInclude(quote) => self.quoted_include(quote),
            State::BareInclude => self.bare_include(),
            State::Value => self.value(),
            State::ArrayValue => self.array_value(),
            State::ArrayValueEnd => self.array_value_end(),
            State::MapKeyStart => self.map_key_start(),
            State::MapValue => self.map_value(),
            State::MapValueEnd => self.map_value_end(),
            State::SingleQuotedString => self.single_quoted_string(),
            State::DoubleQuotedString => self.double_quoted_string(),
            State::BareString => self.bare_string(),
            State::Escape => self.escape(),
            State::Block => self.block(),
            State::NumberStart => self.number_start(false),
            State::Number => self.number(),
            State::SuffixedNumber => self.suffixed_number(),
            State::NegativeNumberStart => self.number_start(true),
            State::NegativeNumber => self.negative_number(),
            State::FloatStart => self.float_start(),
            State::Float => self.float(),
            State::Address => self.address(),
            State::Date => self.date(),
            State::CommentStart => self.comment(),
            State::Done => State::Done,
        }
    }

    // ---- reading

    fn next(&mut self) -> char {
        let Some(&first) = self.input.get(self.pos) else {
            self.width = 0;
            return END;
        };
        if first == b'\n' {
            self.line += 1;
            self.line_start = self.pos;
        }
        let (character, width) = decode(&self.input[self.pos..]);
        self.width = width;
        self.pos += width;
        character
    }

    fn back(&mut self) {
        self.pos = self.pos.saturating_sub(self.width);
        if self.input.get(self.pos) == Some(&b'\n') {
            self.line = self.line.saturating_sub(1);
        }
    }

    fn peek(&mut self) -> char {
        let character = self.next();
        self.back();
        character
    }

    fn ignore(&mut self) {
        self.start = self.pos;
        self.item_line_start = self.line_start;
    }

    fn pending(&self) -> &'a [u8] {
        self.input.get(self.start..self.pos).unwrap_or_default()
    }

    /// Drops what is pending and goes on.
    fn skip(&mut self, next: State) -> State {
        self.ignore();
        next
    }

    fn pop(&mut self) -> State {
        self.stack.pop().unwrap_or_else(|| self.error("BUG in lexer: no states to pop."))
    }

    /// After a slash: is it a comment? If not, only the slash is consumed.
    fn second_slash(&mut self) -> bool {
        if self.next() == '/' {
            return true;
        }
        self.back();
        false
    }

    /// Starts a comment when `character` does, to go on with `after`.
    fn comment_or(&mut self, character: char, after: State) -> Option<State> {
        if character == '#' || (character == '/' && self.second_slash()) {
            self.stack.push(after);
            return Some(State::CommentStart);
        }
        None
    }

    // ---- writing

    fn emit(&mut self, kind: ItemKind) {
        let mut text = self.parts.take().unwrap_or_default();
        text.extend_from_slice(self.pending());
        let column = signed(self.pos) - signed(self.item_line_start) - signed(text.len());
        self.items.push_back(Item { kind, text, line: self.line, column });
        self.ignore();
    }

    /// Emits what was read up to a closing quote, and swallows that.
    fn emit_before_quote(&mut self, kind: ItemKind) -> State {
        self.back();
        self.emit(kind);
        self.next();
        self.ignore();
        self.pop()
    }

    fn error(&mut self, message: impl Into<String>) -> State {
        let column = signed(self.pos) - signed(self.line_start);
        self.items.push_back(Item {
            kind: ItemKind::Error,
            text: message.into().into_bytes(),
            line: self.line,
            column,
        });
        State::Done
    }

    fn end(&mut self) -> State {
        if self.pos > self.start {
            return self.error("Unexpected EOF.");
        }
        self.emit(ItemKind::Eof);
        State::Done
    }

    // ---- the top of the file, and the optional braces around it

    fn top(&mut self) -> State {
        let character = self.next();
        if character.is_whitespace() {
            return self.skip(State::Top);
        }
        if character == '{' {
            self.stack.push(State::Top);
            return self.skip(State::BlockStart);
        }
        if let Some(state) = self.comment_or(character, State::Top) {
            return state;
        }
        if character == '/' || character == END {
            return self.end();
        }
        self.back();
        self.stack.push(State::TopValueEnd);
        State::KeyStart
    }

    fn top_value_end(&mut self) -> State {
        let character = self.next();
        if let Some(state) = self.comment_or(character, State::Top) {
            return state;
        }
        match character {
            '/' | ' ' | '\t' => State::TopValueEnd,
            '\n' | '\r' | END | ';' | ',' | '}' => self.skip(State::Top),
            other => self.error(format!(
                "Expected a top-level value to end with a new line, comment or EOF, \
                 but got '{}' instead.",
                show(other)
            )),
        }
    }

    fn block_start(&mut self) -> State {
        let character = self.next();
        if character.is_whitespace() {
            return self.skip(State::BlockStart);
        }
        if let Some(state) = self.comment_or(character, State::BlockStart) {
            return state;
        }
        match character {
            '{' => {
                self.stack.push(State::BlockEnd);
                self.skip(State::BlockStart)
            }
            '}' => {
                self.ignore();
                self.pop()
            }
            '/' | END => self.end(),
            _ => {
                self.back();
                self.stack.push(State::BlockValueEnd);
                State::KeyStart
            }
        }
    }

    fn block_value_end(&mut self) -> State {
        let character = self.next();
        if let Some(state) = self.comment_or(character, State::BlockValueEnd) {
            return state;
        }
        match character {
            '/' | ' ' | '\t' => State::BlockValueEnd,
            '\n' | '\r' | ';' | ',' => self.skip(State::BlockStart),
            '}' => {
                self.back();
                State::BlockEnd
            }
            other => self.error(format!(
                "Expected a block-level value to end with a new line, comment or EOF, \
                 but got '{}' instead.",
                show(other)
            )),
        }
    }

    fn block_end(&mut self) -> State {
        let character = self.next();
        if let Some(state) = self.comment_or(character, State::BlockStart) {
            return state;
        }
        match character {
            '/' | ' ' | '\t' | '\n' | '\r' => State::BlockEnd,
            ';' | ',' => self.skip(State::BlockStart),
            '}' => {
                self.ignore();
                self.pop()
            }
            other => self.error(format!(
                "Expected a block-level to end with a '}}', but got '{}' instead.",
                show(other)
            )),
        }
    }

    // ---- keys

    fn key_start(&mut self) -> State {
        let character = self.peek();
        match character {
            '=' | ':' => self.error(format!("Unexpected key separator '{character}'")),
            '"' | '\'' => {
                self.next();
                self.skip(State::QuotedKey(Level::Top, character))
            }
            _ if character.is_whitespace() => {
                self.next();
                self.skip(State::KeyStart)
            }
            _ => {
                self.ignore();
                self.next();
                State::Key(Level::Top)
            }
        }
    }

    fn map_key_start(&mut self) -> State {
        let character = self.peek();
        match character {
            '=' | ':' => return self.error(format!("Unexpected key separator '{character}'.")),
            ']' => return self.error("Unexpected array end ']' processing map."),
            '}' => {
                self.next();
                return self.map_end();
            }
            '#' | '/' => {
                self.next();
                if let Some(state) = self.comment_or(character, State::MapKeyStart) {
                    return state;
                }
                // A lone slash is dropped; the key starts after it.
            }
            '"' | '\'' => {
                self.next();
                return self.skip(State::QuotedKey(Level::Map, character));
            }
            END => return self.error("Unexpected EOF processing map."),
            _ if character.is_whitespace() => {
                self.next();
                return self.skip(State::MapKeyStart);
            }
            _ => {}
        }
        self.ignore();
        self.next();
        State::Key(Level::Map)
    }

    /// A bare key whose first character was read.
    fn key(&mut self, level: Level) -> State {
        loop {
            let character = self.peek();
            if character == END && level == Level::Map {
                return self.error("Unexpected EOF processing map key.");
            }
            if character.is_whitespace() && self.pending().eq_ignore_ascii_case(b"include") {
                self.ignore();
                if level == Level::Map {
                    self.stack.push(State::MapValueEnd);
                }
                return State::IncludeStart;
            }
            if character.is_whitespace() || matches!(character, '=' | ':' | END) {
                self.emit(ItemKind::Key);
                return State::KeyEnd(level);
            }
            self.next();
        }
    }

    fn quoted_key(&mut self, level: Level, quote: char) -> State {
        loop {
            let character = self.peek();
            if character == quote {
                self.emit(ItemKind::Key);
                self.next();
                return self.skip(State::KeyEnd(level));
            }
            if character == END {
                return match (level, quote) {
                    (Level::Top, _) => self.end(),
                    (Level::Map, '"') => {
                        self.error("Unexpected EOF processing double quoted map key.")
                    }
                    (Level::Map, _) => self.error("Unexpected EOF processing quoted map key."),
                };
            }
            self.next();
        }
    }

    fn key_end(&mut self, level: Level) -> State {
        let character = self.next();
        let value = match level {
            Level::Top => State::Value,
            Level::Map => State::MapValue,
        };
        match character {
            '=' | ':' => self.skip(value),
            END if level == Level::Top => {
                self.emit(ItemKind::Eof);
                State::Done
            }
            _ if character.is_whitespace() => self.skip(State::KeyEnd(level)),
            _ => {
                self.back();
                value
            }
        }
    }

    // ---- includes

    fn include_start(&mut self) -> State {
        let character = self.next();
        let expected = "Expected include value but found";
        match character {
            ' ' | '\t' => self.skip(State::IncludeStart),
            '\'' | '"' => {
                self.ignore();
                State::QuotedInclude(character)
            }
            '[' => self.error(format!("{expected} start of an array")),
            '{' => self.error(format!("{expected} start of a map")),
            '(' => self.error(format!("{expected} start of a block")),
            '0'..='9' | '-' => self.error(format!("{expected} start of a number")),
            '\\' => self.error(format!("{expected} escape sequence")),
            '\n' | '\r' => self.error(format!("{expected} new line")),
            _ => {
                self.back();
                State::BareInclude
            }
        }
    }

    fn quoted_include(&mut self, quote: char) -> State {
        loop {
            let character = self.next();
            if character == quote {
                return self.emit_before_quote(ItemKind::Include);
            }
            if character == END {
                return match quote {
                    '"' => self.error("Unexpected EOF in double quoted include"),
                    _ => self.error("Unexpected EOF in quoted include"),
                };
            }
        }
    }

    fn bare_include(&mut self) -> State {
        loop {
            match self.next() {
                '\n' | '\r' | END | ';' | '}' | ' ' | '\t' => {
                    self.back();
                    self.emit(ItemKind::Include);
                    return self.pop();
                }
                '\'' => return self.emit_before_quote(ItemKind::Include),
                _ => {}
            }
        }
    }
}

/// The first character and its width. What is not UTF-8 is one replacement character per byte.
fn decode(bytes: &[u8]) -> (char, usize) {
    let head = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(character) => (character, character.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn show(character: char) -> String {
    match character {
        '\n' => "\\n".to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
