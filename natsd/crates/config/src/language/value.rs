//! Parsed values: what a configuration says before anybody knows what its keys mean.
//!
//! Containers are shared, not copied, when a variable names them, so a short text cannot make a
//! large tree. `cost` and `depth` are those of the whole tree as a reader would walk it, and the
//! parser refuses a tree that is too large or too deep: every later walk may therefore recurse.
//!
//! Source: Go `conf/parse.go` (`token`), `fmt` for the names of types.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::position::Position;

/// A value with the place it was written at: of its key in a map, of itself in an array.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The value.
    pub value: Value,
    /// The file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column as Go counts it, see `Position`.
    pub column: i64,
    /// A later variable referred to it. Unknown keys are no error then.
    pub is_used_variable: bool,
}

impl Token {
    /// Where it was written.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { file: Arc::clone(&self.file), line: self.line, column: self.column }
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    String(Arc<str>),
    /// Whole number, suffix applied.
    Integer(i64),
    /// Number with a fraction.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// Date and time in UTC as written, `2016-05-04T18:53:41Z`. It was checked.
    Datetime(Arc<str>),
    /// Array.
    Array(Arc<Array>),
    /// Map.
    Map(Arc<Map>),
}

impl Value {
    /// The type as Go names it in messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
            Value::Integer(_) => "int64",
            Value::Float(_) => "float64",
            Value::Bool(_) => "bool",
            Value::Datetime(_) => "time.Time",
            Value::Array(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
        }
    }

    pub(crate) fn cost(&self) -> u64 {
        match self {
            Value::String(text) => 1 + u64::try_from(text.len()).unwrap_or(u64::MAX / 2),
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::Datetime(_) => 1,
            Value::Array(array) => array.cost,
            Value::Map(map) => map.cost,
        }
    }

    pub(crate) fn depth(&self) -> u32 {
        match self {
            Value::Array(array) => array.depth,
            Value::Map(map) => map.depth,
            _ => 0,
        }
    }
}

/// As Go's `%v` prints it. Go prints the addresses of what containers hold; we print their count.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::String(text) => formatter.write_str(text),
            Value::Integer(number) => write!(formatter, "{number}"),
            Value::Float(number) => write!(formatter, "{number}"),
            Value::Bool(flag) => write!(formatter, "{flag}"),
            Value::Datetime(text) => formatter.write_str(text),
            Value::Array(array) => write!(formatter, "[{} items]", array.items.len()),
            Value::Map(map) => write!(formatter, "map[{} keys]", map.len()),
        }
    }
}

/// An array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    pub(crate) items: Vec<Token>,
    cost: u64,
    depth: u32,
}

impl Array {
    /// The items in order.
    #[must_use]
    pub fn items(&self) -> &[Token] {
        &self.items
    }

    pub(crate) fn push(&mut self, token: Token) {
        self.cost = self.cost.saturating_add(token.value.cost()).saturating_add(1);
        self.depth = self.depth.max(token.value.depth().saturating_add(1));
        self.items.push(token);
    }

    pub(crate) fn size(&self) -> (u64, u32) {
        (self.cost, self.depth)
    }
}

/// A map that remembers the order in which its keys were written first.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<(Arc<str>, Token)>,
    index: BTreeMap<Arc<str>, usize>,
    cost: u64,
    depth: u32,
}

impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.entries == other.entries
    }
}

impl Map {
    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key, exactly as written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Token> {
        self.index.get(key).and_then(|index| self.entries.get(*index)).map(|(_, token)| token)
    }

    /// Keys and values in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Token)> {
        self.entries.iter().map(|(key, token)| (&**key, token))
    }

    /// Keys and values in the order of the keys' bytes.
    pub(crate) fn iter_sorted(&self) -> impl Iterator<Item = (&str, &Token)> {
        self.index
            .iter()
            .filter_map(|(key, index)| self.entries.get(*index).map(|(_, token)| (&**key, token)))
    }

    /// Sets a key; a later value replaces an earlier one.
    pub(crate) fn insert(&mut self, key: Arc<str>, token: Token) {
        let key_cost = u64::try_from(key.len()).unwrap_or(u64::MAX / 2);
        self.cost = self.cost.saturating_add(token.value.cost()).saturating_add(1 + key_cost);
        self.depth = self.depth.max(token.value.depth().saturating_add(1));
        if let Some(slot) = self.index.get(&key).and_then(|index| self.entries.get_mut(*index)) {
            slot.1 = token;
            return;
        }
        self.index.insert(Arc::clone(&key), self.entries.len());
        self.entries.push((key, token));
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Token> {
        let index = *self.index.get(key)?;
        self.entries.get_mut(index).map(|(_, token)| token)
    }

    pub(crate) fn into_entries(self) -> Vec<(Arc<str>, Token)> {
        self.entries
    }

    pub(crate) fn size(&self) -> (u64, u32) {
        (self.cost, self.depth)
    }
}
