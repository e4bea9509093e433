//! From values to options: what every key of every block means.
//!
//! One function per block, one match arm per key with its aliases. A wrong value is an error at
//! its place and reading goes on, so that all errors of a file are reported at once; Go stops at
//! the first wrong value of a block. Keys are read in the order of the text, in Go in none.
//!
//! Source: Go `server/opts.go` (`processConfigFileLine` and the `parse…` functions).

mod account;
mod auth;
mod cluster;
mod exports;
mod jetstream;
mod leafnode;
mod links;
mod listener;
mod operator;
mod tls;
mod top;

pub(crate) use auth::check_permission_subjects;
pub(crate) use cluster::check_route_permissions;
pub(crate) use leafnode::{check_leaf_proxy, check_leaf_users, is_websocket};
pub(crate) use tls::{check_files, is_sha256};

use std::sync::Arc;
use std::time::Duration;

use crate::duration::{self, Nanoseconds};
use crate::error::{ConfigError, ConfigErrors};
use crate::language::{Map, Token, Value, digest, parse_file, parse_text};
use crate::options::{Options, Port, Positions, WriteTimeout};
use crate::quote::quote;
use crate::source::{NoSource, Source};
use crate::validate::prepare;

pub(crate) type Outcome<T = ()> = Result<T, ConfigError>;

/// The options of a file, and its warnings.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The options, without defaults.
    pub options: Options,
    /// What does not keep the server from starting. `nats-server -t` counts them as errors.
    pub warnings: Vec<ConfigError>,
}

/// Reads a file into options that may already have values; what the file says wins.
///
/// # Errors
/// When the file cannot be read, or anything in it is wrong.
pub fn load_file(
    path: &str,
    options: Options,
    source: &dyn Source,
) -> Result<Loaded, ConfigErrors> {
    let map = parse_file(path, source)?;
    let mut options = options;
    options.config_file = Some(path.to_string());
    options.config_digest = digest(&map);
    Reader::new(source).read(path, &map, options)
}

/// Reads a text that comes from no file, as `load_file`.
///
/// # Errors
/// When anything in it is wrong.
pub fn load_text(
    text: &str,
    options: Options,
    source: &dyn Source,
) -> Result<Loaded, ConfigErrors> {
    let map = parse_text(text.as_bytes(), source)?;
    Reader::new(source).read("", &map, options)
}

/// Reads, completes and validates bytes that came from anywhere, with neither files nor
/// environment. Never panics, and needs memory and time that the limits of the language bound.
///
/// # Errors
/// When anything in them is wrong.
pub fn parse_bytes(bytes: &[u8]) -> Result<Options, ConfigErrors> {
    let map = parse_text(bytes, &NoSource)?;
    let options = Options { config_digest: digest(&map), ..Options::empty() };
    let mut options = Reader::new(&NoSource).read("", &map, options)?.options;
    prepare(&mut options)?;
    Ok(options)
}

/// A key that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    /// The key as written.
    pub(crate) key: &'a str,
    /// The key in lower case.
    pub(crate) name: &'a str,
    pub(crate) token: &'a Token,
}

impl Field<'_> {
    /// An error at this key.
    pub(crate) fn fail<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(self.token.fail(message))
    }

    /// The error of a key that nobody knows, unless it only serves as a variable.
    pub(crate) fn unknown(&self) -> Outcome {
        self.unknown_with(|key| format!("unknown field {key}"))
    }

    pub(crate) fn unknown_with(&self, message: impl FnOnce(&str) -> String) -> Outcome {
        if self.token.is_used_variable {
            return Ok(());
        }
        self.fail(message(&quote(self.key)))
    }
}

/// Typed access to a value. The messages are those of Go's failed type assertions.
impl Token {
    pub(crate) fn fail(&self, message: impl Into<String>) -> ConfigError {
        ConfigError::at(self.position(), message)
    }

    fn wrong_type(&self, wanted: &str) -> ConfigError {
        self.fail(format!(
            "interface conversion: interface {{}} is {}, not {wanted}",
            self.value.type_name()
        ))
    }

    pub(crate) fn string(&self) -> Outcome<String> {
        match &self.value {
            Value::String(text) => Ok(text.to_string()),
            _ => Err(self.wrong_type("string")),
        }
    }

    /// Text, where an empty one means "not set".
    pub(crate) fn text(&self) -> Outcome<Option<String>> {
        self.string().map(|text| (!text.is_empty()).then_some(text))
    }

    pub(crate) fn boolean(&self) -> Outcome<bool> {
        match self.value {
            Value::Bool(flag) => Ok(flag),
            _ => Err(self.wrong_type("bool")),
        }
    }

    pub(crate) fn integer(&self) -> Outcome<i64> {
        match self.value {
            Value::Integer(number) => Ok(number),
            _ => Err(self.wrong_type("int64")),
        }
    }

    pub(crate) fn array(&self) -> Outcome<&[Token]> {
        match &self.value {
            Value::Array(array) => Ok(array.items()),
            _ => Err(self.wrong_type("[]interface {}")),
        }
    }

    pub(crate) fn map(&self) -> Outcome<Arc<Map>> {
        match &self.value {
            Value::Map(map) => Ok(Arc::clone(map)),
            _ => Err(self.wrong_type("map[string]interface {}")),
        }
    }

    /// The map, or an error that names the type found.
    pub(crate) fn map_or(&self, message: impl FnOnce(&'static str) -> String) -> Outcome<Arc<Map>> {
        match &self.value {
            Value::Map(map) => Ok(Arc::clone(map)),
            other => Err(self.fail(message(other.type_name()))),
        }
    }

    /// The array, or an error that names the type found.
    pub(crate) fn array_or(
        &self,
        message: impl FnOnce(&'static str) -> String,
    ) -> Outcome<&[Token]> {
        match &self.value {
            Value::Array(array) => Ok(array.items()),
            other => Err(self.fail(message(other.type_name()))),
        }
    }

    pub(crate) fn type_name(&self) -> &'static str {
        self.value.type_name()
    }

    /// A port: -1 is random, 0 is unset. Go finds out only when it listens.
    pub(crate) fn port(&self) -> Outcome<Port> {
        port(self.integer()?).map_err(|message| self.fail(message))
    }
}

pub(crate) fn port(number: i64) -> Result<Port, String> {
    match number {
        0 => Ok(Port::Unset),
        -1 => Ok(Port::Random),
        _ => match u16::try_from(number) {
            Ok(number) => Ok(Port::Fixed(number)),
            Err(_) => Err(format!("invalid port {number}, needs to be in [-1..65535]")),
        },
    }
}

/// Host and port of a `listen` value.
pub(crate) struct Listen {
    pub(crate) host: String,
    pub(crate) port: Port,
}

/// Reads the values of one configuration.
pub(crate) struct Reader<'a> {
    source: &'a dyn Source,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
    positions: Positions,
    /// The keys around the one that is being read.
    path: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a dyn Source) -> Reader<'a> {
        Reader {
            source,
            errors: Vec::new(),
            warnings: Vec::new(),
            positions: Positions::new(),
            path: Vec::new(),
        }
    }

    fn read(mut self, file: &str, map: &Map, options: Options) -> Result<Loaded, ConfigErrors> {
        let mut options = options;
        if map.is_empty() {
            self.warnings
                .push(ConfigError::plain(format!("{file}: config has no values or is empty")));
        }
        // The system account comes first because other keys depend on it.
        self.system_account(map, &mut options);
        self.fields(map, |reader, field| reader.top_level(&field, &mut options));
        self.finish(&mut options);
        if !self.errors.is_empty() {
            return Err(ConfigErrors::list(self.errors, self.warnings));
        }
        options.positions.append(&mut self.positions);
        Ok(Loaded { options, warnings: self.warnings })
    }

    /// Calls `read` for every key, keeps its error and goes on.
    pub(crate) fn fields(
        &mut self,
        map: &Map,
        mut read: impl FnMut(&mut Self, Field<'_>) -> Outcome,
    ) {
        for (key, token) in map.iter() {
            let name = key.to_lowercase();
            self.path.push(name.clone());
            self.positions.insert(self.path.join("."), token.position());
            let result = read(self, Field { key, name: &name, token });
            self.path.pop();
            self.keep(result);
        }
    }

    /// The value, or none after remembering the error.
    pub(crate) fn keep<T>(&mut self, result: Outcome<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    pub(crate) fn warn(&mut self, token: &Token, message: impl Into<String>) {
        self.warnings.push(token.fail(message));
    }

    /// Warns of a key that is used in a way that will go away.
    pub(crate) fn warn_use(&mut self, field: &Field<'_>, name: &str, reason: &str) {
        self.warn(field.token, format!("invalid use of field {}: {reason}", quote(name)));
    }

    /// A duration: text with units, or with a warning a number of seconds.
    pub(crate) fn signed_duration(
        &mut self,
        name: &str,
        field: &Field<'_>,
    ) -> Outcome<Nanoseconds> {
        match &field.token.value {
            Value::String(text) => duration::parse(text)
                .or_else(|message| field.fail(format!("error parsing {name}: {message}"))),
            _ => {
                let seconds = field.token.integer()?;
                self.warn_use(field, name, &format!("{name} should be converted to a duration"));
                Ok(Nanoseconds::from_seconds(seconds))
            }
        }
    }

    /// As `signed_duration`, and not negative. Differs from Go, which accepts negative durations
    /// and then fails every write or ping at once.
    pub(crate) fn duration(&mut self, name: &str, field: &Field<'_>) -> Outcome<Duration> {
        let value = self.signed_duration(name, field)?;
        match value.to_duration() {
            Some(duration) => Ok(duration),
            None => field.fail(format!("error parsing {name}: it can not be negative")),
        }
    }

    /// As `signed_duration`; what is negative counts as not set.
    pub(crate) fn optional_duration(&mut self, name: &str, field: &Field<'_>) -> Outcome<Duration> {
        Ok(self.signed_duration(name, field)?.to_duration().unwrap_or_default())
    }

    /// Strings that are written alone or as an array.
    pub(crate) fn string_array(&mut self, name: &str, token: &Token) -> Outcome<Vec<String>> {
        match &token.value {
            Value::String(text) => Ok(vec![text.to_string()]),
            Value::Array(array) => {
                let mut strings = Vec::new();
                for item in array.items() {
                    match &item.value {
                        Value::String(text) => strings.push(text.to_string()),
                        other => self.errors.push(item.fail(format!(
                            "error parsing {name}: unsupported type in array {}",
                            other.type_name()
                        ))),
                    }
                }
                Ok(strings)
            }
            other => {
                Err(token
                    .fail(format!("error parsing {name}: unsupported type {}", other.type_name())))
            }
        }
    }
}

/// Reads `4222` or `"host:4222"`.
pub(crate) fn listen(token: &Token) -> Outcome<Listen> {
    match &token.value {
        Value::Integer(number) => Ok(Listen {
            host: String::new(),
            port: port(*number).map_err(|message| token.fail(message))?,
        }),
        Value::String(text) => parse_listen(text).map_err(|message| token.fail(message)),
        other => Err(token.fail(format!("expected port or host:port, got {}", other.type_name()))),
    }
}

pub(crate) fn parse_listen(text: &str) -> Result<Listen, String> {
    let Ok((host, text_port)) = split_host_port(text) else {
        return Err(format!("could not parse address string {}", quote(text)));
    };
    let digits = text_port.strip_prefix('+').unwrap_or(text_port);
    let Ok(number) = digits.parse::<i64>() else {
        return Err(format!("could not parse port {}", quote(text_port)));
    };
    Ok(Listen { host: host.to_string(), port: port(number)? })
}

/// Splits `host:port` and `[address]:port`; the error is Go's reason.
///
/// Source: Go `net.SplitHostPort`.
pub(crate) fn split_host_port(text: &str) -> Result<(&str, &str), &'static str> {
    let Some(colon) = text.rfind(':') else {
        return Err("missing port in address");
    };
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    if let Some(inner) = text.strip_prefix('[') {
        let Some(end) = inner.find(']') else {
            return Err("missing ']' in address");
        };
        if end + 2 != colon {
            return match inner[end + 1..].starts_with(':') {
                true => Err("too many colons in address"),
                false => Err("missing port in address"),
            };
        }
        return Ok((&inner[..end], port));
    }
    if host.contains(':') {
        return Err("too many colons in address");
    }
    if host.contains(['[', ']']) || port.contains(['[', ']']) {
        return Err("unexpected bracket in address");
    }
    Ok((host, port))
}

pub(crate) fn write_timeout(field: &Field<'_>) -> Outcome<WriteTimeout> {
    match field.token.string()?.as_str() {
        "default" => Ok(WriteTimeout::Default),
        "close" => Ok(WriteTimeout::Close),
        "retry" => Ok(WriteTimeout::Retry),
        _ => field.fail("write_timeout must be 'default', 'close' or 'retry'"),
    }
}

/// A number of seconds, perhaps with a fraction, as a duration; negative ones count as not set.
pub(crate) fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}

#[cfg(test)]
mod tests;
