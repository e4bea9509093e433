//! What is wrong with a configuration, and where.
//!
//! Source: Go `server/errors.go` (`configErr`, `processConfigErr`), `conf/parse.go`.

use std::fmt;
use std::io;

use crate::position::Position;

/// One thing that is wrong.
///
/// `Display` is Go's message: `file:line:column: text` for wrong keys and values; errors of the
/// language carry their place in the text, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it is wrong; none when no single place is.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// The place is not part of Go's message.
    is_position_hidden: bool,
}

impl ConfigError {
    /// An error at a place, which Go's message starts with.
    pub fn at(position: Position, message: impl Into<String>) -> ConfigError {
        ConfigError { position: Some(position), message: message.into(), is_position_hidden: false }
    }

    pub(crate) fn syntax(position: Position, message: String) -> ConfigError {
        ConfigError { position: Some(position), message, is_position_hidden: true }
    }

    pub(crate) fn plain(message: impl Into<String>) -> ConfigError {
        ConfigError { position: None, message: message.into(), is_position_hidden: true }
    }

    pub(crate) fn read(path: &str, error: &io::Error) -> ConfigError {
        ConfigError::plain(describe_read(path, error))
    }
}

/// Why a file could not be read, as Go prints it: lower case, without a number.
pub(crate) fn describe_read(path: &str, error: &io::Error) -> String {
    let (verb, reason) = match error.kind() {
        io::ErrorKind::NotFound => ("open", "no such file or directory"),
        io::ErrorKind::PermissionDenied => ("open", "permission denied"),
        io::ErrorKind::NotADirectory => ("open", "not a directory"),
        io::ErrorKind::IsADirectory => ("read", "is a directory"),
        _ => return format!("open {path}: {}", error.to_string().to_lowercase()),
    };
    format!("{verb} {path}: {reason}")
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(position) if !self.is_position_hidden => {
                write!(formatter, "{position}: {}", self.message)
            }
            _ => formatter.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong with a configuration. Never empty of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors {
    /// What does not keep the server from starting.
    pub warnings: Vec<ConfigError>,
    /// What does.
    pub errors: Vec<ConfigError>,
    /// Go ends the list with a line break, but not an error of the language.
    is_list: bool,
}

impl ConfigErrors {
    /// Errors and warnings of a whole configuration.
    #[must_use]
    pub fn list(errors: Vec<ConfigError>, warnings: Vec<ConfigError>) -> ConfigErrors {
        ConfigErrors { warnings, errors, is_list: true }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors { warnings: Vec::new(), errors: vec![error], is_list: false }
    }
}

/// As `nats-server -t` prints them: warnings first, one per line.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in self.warnings.iter().chain(&self.errors) {
            write!(formatter, "{error}")?;
            if self.is_list {
                formatter.write_str("\n")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
