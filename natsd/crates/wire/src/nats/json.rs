//! The members of one JSON object, read as Go's decoder reads them into a struct.
//!
//! What differs from an ordinary JSON library and shows on the wire: keys match in any case (with
//! the two letters that fold to ASCII), members are taken in order so that the last of a repeated
//! key wins and `null` keeps what an earlier one set, a broken surrogate pair or byte becomes
//! U+FFFD, numbers are of any size, and nesting goes ten thousand deep.
//!
//! Source: Go `encoding/json` (`Unmarshal`).

/// Nesting that Go's scanner allows.
const DEPTH_MAX: usize = 10_000;

/// The value of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JsonValue<'a> {
    Null,
    Bool(bool),
    Text(String),
    /// As written.
    Number(&'a str),
    Array,
    Object,
}

/// The text is no JSON, or neither an object nor `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// Reads `json` and gives each member, its key folded to lower case, to `take`. `null` has none.
///
/// # Errors
/// When `json` is invalid as a whole, before the first member is given, or when `take` refuses one.
pub(super) fn for_each_member(
    json: &[u8],
    mut take: impl FnMut(&str, JsonValue<'_>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let text = String::from_utf8_lossy(json);
    let mut members = Vec::new();
    let mut reader = Reader { rest: &text };
    reader.skip_space();
    match reader.peek() {
        Some(b'{') => reader.object(&mut members)?,
        _ if reader.eat("null") => {}
        _ => return Err(Invalid),
    }
    reader.skip_space();
    if !reader.rest.is_empty() {
        return Err(Invalid);
    }
    members.into_iter().try_for_each(|(key, value)| take(&key, value))
}

fn fold(key: &str) -> String {
    let folded = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(folded).collect()
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.bytes().next()
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Result<(), Invalid> {
        self.eat(text).then_some(()).ok_or(Invalid)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn object(&mut self, members: &mut Vec<(String, JsonValue<'a>)>) -> Result<(), Invalid> {
        self.expect("{")?;
        self.skip_space();
        if self.eat("}") {
            return Ok(());
        }
        loop {
            self.skip_space();
            let key = fold(&self.string()?);
            self.skip_space();
            self.expect(":")?;
            self.skip_space();
            members.push((key, self.value()?));
            self.skip_space();
            if self.eat("}") {
                return Ok(());
            }
            self.expect(",")?;
        }
    }

    fn value(&mut self) -> Result<JsonValue<'a>, Invalid> {
        match self.peek() {
            Some(b'"') => self.string().map(JsonValue::Text),
            Some(b'{') => self.skip_nested().map(|()| JsonValue::Object),
            Some(b'[') => self.skip_nested().map(|()| JsonValue::Array),
            Some(b'-' | b'0'..=b'9') => self.number().map(JsonValue::Number),
            _ if self.eat("null") => Ok(JsonValue::Null),
            _ if self.eat("true") => Ok(JsonValue::Bool(true)),
            _ if self.eat("false") => Ok(JsonValue::Bool(false)),
            _ => Err(Invalid),
        }
    }

    fn number(&mut self) -> Result<&'a str, Invalid> {
        let start = self.rest;
        self.eat("-");
        if !self.eat("0") {
            self.digits()?;
        }
        if self.eat(".") {
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            let _sign = self.eat("+") || self.eat("-");
            self.digits()?;
        }
        start.get(..start.len() - self.rest.len()).ok_or(Invalid)
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let rest = self.rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some.then_some(()).ok_or(Invalid)
    }

    fn string(&mut self) -> Result<String, Invalid> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            let plain = self.rest.find(['"', '\\']).ok_or(Invalid)?;
            let (before, from) = self.rest.split_at(plain);
            if before.bytes().any(|byte| byte < b' ') {
                return Err(Invalid);
            }
            text.push_str(before);
            self.rest = from;
            if self.eat("\"") {
                return Ok(text);
            }
            self.expect("\\")?;
            let mut letters = self.rest.chars();
            let escape = letters.next().ok_or(Invalid)?;
            self.rest = letters.as_str();
            text.push(match escape {
                '"' | '\\' | '/' => escape,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.unicode_escape()?,
                _ => return Err(Invalid),
            });
        }
    }

    /// The rest of `\uXXXX`, with the second half of a surrogate pair where one follows.
    fn unicode_escape(&mut self) -> Result<char, Invalid> {
        let first = self.hex4()?;
        if (0xd800..0xdc00).contains(&first) {
            let before = self.rest;
            if self.eat("\\u") {
                let second = self.hex4()?;
                if (0xdc00..0xe000).contains(&second) {
                    let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                self.rest = before;
            }
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, Invalid> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Invalid)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Invalid);
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).map_err(|_| Invalid)
    }

    /// Checks and passes over an array or object, without recursion.
    fn skip_nested(&mut self) -> Result<(), Invalid> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            // Before a value.
            self.skip_space();
            let bracket = self.peek().ok_or(Invalid)?;
            if bracket == b'{' || bracket == b'[' {
                self.rest = self.rest.get(1..).ok_or(Invalid)?;
                open.push(if bracket == b'{' { b'}' } else { b']' });
                if open.len() >= DEPTH_MAX {
                    return Err(Invalid);
                }
                self.skip_space();
                if self.peek() != open.last().copied() {
                    self.skip_key(&open)?;
                    continue;
                }
            } else {
                self.value()?;
            }
            // Behind a value: close what ends here.
            loop {
                self.skip_space();
                let Some(closing) = open.last().copied() else { return Ok(()) };
                if self.peek() == Some(closing) {
                    self.rest = self.rest.get(1..).ok_or(Invalid)?;
                    open.pop();
                    if open.is_empty() {
                        return Ok(());
                    }
                } else {
                    self.expect(",")?;
                    self.skip_space();
                    self.skip_key(&open)?;
                    break;
                }
            }
        }
    }

    /// Passes over the key of a member, inside an object.
    fn skip_key(&mut self, open: &[u8]) -> Result<(), Invalid> {
        if open.last() == Some(&b'}') {
            self.string()?;
            self.skip_space();
            self.expect(":")?;
        }
        Ok(())
    }
}
