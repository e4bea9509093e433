//! Builds values from items: nesting, variables, includes, units.
//!
//! Iterative, so that deep text cannot overflow the stack; depth, size and the number of includes
//! are limited. Files and environment come through `Source`.
//!
//! Source: Go `conf/parse.go`.

use std::sync::Arc;

use super::lexer::{Item, ItemKind, Lexer};
use super::value::{Array, Map, Token, Value};
use crate::error::ConfigError;
use crate::position::Position;
use crate::source::{Source, join};

/// Containers inside each other. Go has no limit and dies of a deep file.
const DEPTH_MAX: u32 = 256;
/// Keys, values and bytes of text of a whole configuration with its variables put in.
const COST_MAX: u64 = 64 * 1024 * 1024;
/// Files included by files included by …, and files included in all.
const INCLUDE_DEPTH_MAX: usize = 32;
const INCLUDES_MAX: usize = 1024;
/// Environment variables that name environment variables that name ….
const ENVIRONMENT_DEPTH_MAX: usize = 32;
/// The key under which the text of an environment variable is parsed.
const ENVIRONMENT_KEY: &str = "pk";
/// A bare bcrypt hash looks like a variable of this name.
const BCRYPT_PREFIX: &str = "2a$";

/// Parses a file.
///
/// # Errors
/// When it cannot be read, or is not configuration text.
pub fn parse_file(path: &str, source: &dyn Source) -> Result<Map, ConfigError> {
    let mut shared = Shared { source, variables: Vec::new(), files: Vec::new(), includes: 0 };
    parse_path(path, &mut shared)
}

/// Parses a text that comes from no file. Includes are relative to the working directory.
///
/// # Errors
/// When it is not configuration text.
pub fn parse_text(text: &[u8], source: &dyn Source) -> Result<Map, ConfigError> {
    let mut shared = Shared { source, variables: Vec::new(), files: Vec::new(), includes: 0 };
    Parser::new(text, "", &mut shared).parse()
}

/// What the parsers of a file, its includes and its environment variables have in common.
struct Shared<'a> {
    source: &'a dyn Source,
    /// Environment variables being parsed, to find cycles.
    variables: Vec<String>,
    /// Files being parsed, to find cycles.
    files: Vec<String>,
    includes: usize,
}

fn parse_path(path: &str, shared: &mut Shared<'_>) -> Result<Map, ConfigError> {
    let text = shared.source.read(path).map_err(|error| ConfigError::read(path, &error))?;
    shared.files.push(path.to_string());
    let result = Parser::new(&text, path, shared).parse();
    shared.files.pop();
    result
}

enum Context {
    Map(Map),
    Array(Array),
}

struct Key {
    text: Arc<str>,
    line: usize,
    column: i64,
}

struct Parser<'a, 'b> {
    lexer: Lexer<'a>,
    file: Arc<str>,
    contexts: Vec<Context>,
    keys: Vec<Key>,
    shared: &'a mut Shared<'b>,
}

impl<'a, 'b> Parser<'a, 'b> {
    fn new(text: &'a [u8], file: &str, shared: &'a mut Shared<'b>) -> Parser<'a, 'b> {
        Parser {
            lexer: Lexer::new(text),
            file: Arc::from(file),
            contexts: vec![Context::Map(Map::default())],
            keys: Vec::new(),
            shared,
        }
    }

    fn parse(mut self) -> Result<Map, ConfigError> {
        let mut dangling = false;
        loop {
            let item = self.lexer.next_item();
            if item.kind == ItemKind::Eof {
                if dangling {
                    let at = self.position(&item);
                    return Err(ConfigError::syntax(
                        at.clone(),
                        format!("config is invalid ({at})"),
                    ));
                }
                break;
            }
            // A closing brace at the very end lexes as a key, which JSON texts need.
            dangling = item.kind == ItemKind::Key && item.text != b"}";
            self.process(&item)?;
        }
        match self.contexts.into_iter().next() {
            Some(Context::Map(map)) => Ok(map),
            _ => Ok(Map::default()),
        }
    }

    fn process(&mut self, item: &Item) -> Result<(), ConfigError> {
        let text = item.to_text();
        match item.kind {
            ItemKind::Error => {
                let message = format!("Parse error on line {}: '{text}'", item.line);
                Err(self.fail(item, message))
            }
            ItemKind::Key => {
                self.keys.push(Key { text: Arc::from(text), line: item.line, column: item.column });
                Ok(())
            }
            ItemKind::MapStart => self.open(item, Context::Map(Map::default())),
            ItemKind::ArrayStart => self.open(item, Context::Array(Array::default())),
            ItemKind::MapEnd | ItemKind::ArrayEnd => self.close(item),
            ItemKind::String => self.set(item, Value::String(Arc::from(text))),
            ItemKind::Integer => {
                let number = integer(&text).map_err(|message| self.fail(item, message))?;
                match number {
                    Some(number) => self.set(item, Value::Integer(number)),
                    // An unknown suffix sets nothing, and the key waits for the next value.
                    None => Ok(()),
                }
            }
            ItemKind::Float => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => self.set(item, Value::Float(number)),
                Ok(_) => Err(self.fail(item, format!("float '{text}' is out of the range"))),
                Err(_) => Err(self.fail(item, format!("expected float, but got '{text}'"))),
            },
            ItemKind::Bool => {
                let truth =
                    ["true", "yes", "on"].iter().any(|word| text.eq_ignore_ascii_case(word));
                self.set(item, Value::Bool(truth))
            }
            ItemKind::Datetime => {
                if text.parse::<jiff::Timestamp>().is_err() {
                    let message = format!("expected Zulu formatted DateTime, but got '{text}'");
                    return Err(self.fail(item, message));
                }
                self.set(item, Value::Datetime(Arc::from(text)))
            }
            ItemKind::Variable => {
                let value = self.variable(item, &text)?;
                self.set(item, value)
            }
            ItemKind::Include => self.include(item, &text),
            ItemKind::Text | ItemKind::CommentStart | ItemKind::Eof => Ok(()),
        }
    }

    fn position(&self, item: &Item) -> Position {
        Position { file: Arc::clone(&self.file), line: item.line, column: item.column }
    }

    fn fail(&self, item: &Item, message: String) -> ConfigError {
        ConfigError::syntax(self.position(item), message)
    }

    fn open(&mut self, item: &Item, context: Context) -> Result<(), ConfigError> {
        if self.contexts.len() >= usize::try_from(DEPTH_MAX).unwrap_or(usize::MAX) {
            return Err(self.fail(item, too_deep(item.line)));
        }
        self.contexts.push(context);
        Ok(())
    }

    fn close(&mut self, item: &Item) -> Result<(), ConfigError> {
        if self.contexts.len() < 2 {
            let message = format!("Parse error on line {}: 'unexpected end'", item.line);
            return Err(self.fail(item, message));
        }
        match self.contexts.pop() {
            Some(Context::Map(map)) => self.set(item, Value::Map(Arc::new(map))),
            Some(Context::Array(array)) => self.set(item, Value::Array(Arc::new(array))),
            None => Ok(()),
        }
    }

    fn set(&mut self, item: &Item, value: Value) -> Result<(), ConfigError> {
        let token = Token {
            value,
            file: Arc::clone(&self.file),
            line: item.line,
            column: item.column,
            is_used_variable: false,
        };
        let size = match self.contexts.last_mut() {
            Some(Context::Array(array)) => {
                array.push(token);
                array.size()
            }
            Some(Context::Map(map)) => {
                let Some(key) = self.keys.pop() else {
                    let message = format!("Parse error on line {}: 'value without key'", item.line);
                    return Err(self.fail(item, message));
                };
                // The key's place is more useful in a message than the value's.
                map.insert(key.text, Token { line: key.line, column: key.column, ..token });
                map.size()
            }
            None => return Ok(()),
        };
        self.check_size(item, size)
    }

    fn check_size(&self, item: &Item, (cost, depth): (u64, u32)) -> Result<(), ConfigError> {
        if depth > DEPTH_MAX {
            return Err(self.fail(item, too_deep(item.line)));
        }
        if cost > COST_MAX {
            let message = format!("Parse error on line {}: 'too many values'", item.line);
            return Err(self.fail(item, message));
        }
        Ok(())
    }

    fn variable(&mut self, item: &Item, name: &str) -> Result<Value, ConfigError> {
        if name.starts_with(BCRYPT_PREFIX) {
            return Ok(Value::String(Arc::from(format!("${name}"))));
        }
        for context in self.contexts.iter_mut().rev() {
            if let Context::Map(map) = context
                && let Some(token) = map.get_mut(name)
            {
                token.is_used_variable = true;
                return Ok(token.value.clone());
            }
        }
        match self.environment(name) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(self.fail(
                item,
                format!("variable reference for '{name}' on line {} can not be found", item.line),
            )),
            Err(reason) => Err(self.fail(
                item,
                format!(
                    "variable reference for '{name}' on line {} could not be parsed: {reason}",
                    item.line
                ),
            )),
        }
    }

    /// The value of an environment variable, parsed as if it stood in the file.
    fn environment(&mut self, name: &str) -> Result<Option<Value>, String> {
        if self.shared.variables.iter().any(|known| known == name)
            || self.shared.variables.len() >= ENVIRONMENT_DEPTH_MAX
        {
            return Err(format!("variable reference cycle for '{name}'"));
        }
        let Some(text) = self.shared.source.variable(name) else {
            return Ok(None);
        };
        self.shared.variables.push(name.to_string());
        let text = format!("{ENVIRONMENT_KEY}={text}");
        let file = format!("${name}");
        let mut parser = Parser::new(text.as_bytes(), &file, self.shared);
        // Includes of a variable are relative to the working directory, not to its name.
        parser.file = Arc::from("");
        let result = parser.parse();
        self.shared.variables.pop();
        let map = result.map_err(|error| error.to_string())?;
        Ok(map.get(ENVIRONMENT_KEY).map(|token| token.value.clone()))
    }

    fn include(&mut self, item: &Item, name: &str) -> Result<(), ConfigError> {
        let path = join(&self.file, name);
        self.shared.includes += 1;
        let reason = if self.shared.files.contains(&path) {
            Some("it includes itself")
        } else if self.shared.files.len() >= INCLUDE_DEPTH_MAX
            || self.shared.includes > INCLUDES_MAX
        {
            Some("too many files are included")
        } else {
            None
        };
        let result = match reason {
            Some(reason) => Err(ConfigError::plain(reason.to_string())),
            None => parse_path(&path, self.shared),
        };
        let map = match result {
            Ok(map) => map,
            Err(error) => {
                let message = format!("error parsing include file '{name}', {error}");
                let position = error.position.unwrap_or_else(|| self.position(item));
                return Err(ConfigError::syntax(position, message));
            }
        };
        for (key, token) in map.into_entries() {
            let size = match self.contexts.last_mut() {
                Some(Context::Map(context)) => {
                    context.insert(key, token);
                    context.size()
                }
                Some(Context::Array(array)) => {
                    array.push(token);
                    array.size()
                }
                None => return Ok(()),
            };
            self.check_size(item, size)?;
        }
        Ok(())
    }
}

fn too_deep(line: usize) -> String {
    format!("Parse error on line {line}: 'nested deeper than {DEPTH_MAX} levels'")
}

/// A number with an optional unit: `8k` is 8000, `8kb`, `8ki` and `8kib` are 8192.
///
/// None for a unit like `kbb`, which sets nothing. A product that does not fit wraps, as in Go.
fn integer(text: &str) -> Result<Option<i64>, String> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'-').count();
    let (number, suffix) = text.split_at(digits);
    let number: i64 = number.parse().map_err(|error: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        match error.kind() {
            PosOverflow | NegOverflow => format!("integer '{text}' is out of the range"),
            _ => format!("expected integer, but got '{text}'"),
        }
    })?;
    let suffix = suffix.to_ascii_lowercase();
    let mut letters = suffix.chars();
    let Some(unit) = letters.next() else {
        return Ok(Some(number));
    };
    let Some(power) = "kmgtpe".find(unit) else {
        return Ok(None);
    };
    let base: i64 = match letters.as_str() {
        "" => 1000,
        "b" | "i" | "ib" => 1024,
        _ => return Ok(None),
    };
    let factor = (0..=power).fold(1_i64, |factor, _| factor.wrapping_mul(base));
    Ok(Some(number.wrapping_mul(factor)))
}

#[cfg(test)]
mod tests;
