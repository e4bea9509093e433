//! Where something was written.

use std::fmt;
use std::sync::Arc;

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The file as it was named; empty for text that came from no file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Bytes before the place in its line as Go counts them: one more than there are from the
    /// second line on, because Go counts the line break too. Can be negative for escaped strings.
    pub column: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}
