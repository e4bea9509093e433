//! Templates in bodies: `{{Count}}`, `{{TimeStamp}}`, `{{Random 5 10}}` and friends.
//!
//! A template is parsed once and rendered per message. Pure: the clock is an argument.
//! Source: the functions that natscli offers in `nats pub` and `nats reply`.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::random::Random;

/// Largest text that `{{Random}}` makes, in bytes: the largest payload a server may allow.
const RANDOM_LEN_MAX: usize = 64 << 20;

/// A text with places to fill in.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Count,
    TimeStamp,
    Time,
    Unix,
    UnixNano,
    Id,
    Random {
        min: usize,
        max: usize,
    },
    Request,
    Subject,
    /// A token of the subject, counted from 0.
    Token(usize),
}

/// What one message fills in.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    /// Number of the message, from 1.
    pub(crate) count: u64,
    /// Time of the message.
    pub(crate) now: SystemTime,
    /// Subject of the request that is answered; empty when nothing is answered.
    pub(crate) subject: &'a str,
    /// Body of the request that is answered; empty when nothing is answered.
    pub(crate) request: &'a [u8],
}

impl Template {
    /// The text as it is, with nothing to fill in.
    pub(crate) fn literal(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())] }
    }

    /// Finds the places in `text`.
    ///
    /// # Errors
    /// A text for the user when a place is not closed or its function is unknown.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            if start > 0 {
                parts.push(Part::Text(rest[..start].to_owned()));
            }
            let inner = &rest[start + 2..];
            let end = inner
                .find("}}")
                .ok_or_else(|| format!("template {:?} is not closed by }}}}", &rest[start..]))?;
            parts.push(function(inner[..end].trim())?);
            rest = &inner[end + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The bytes of one message.
    pub(crate) fn render(&self, values: &Values<'_>, random: &mut Random) -> Vec<u8> {
        let mut output = Vec::new();
        for part in &self.parts {
            part.render(values, random, &mut output);
        }
        output
    }
}

impl Part {
    fn render(&self, values: &Values<'_>, random: &mut Random, output: &mut Vec<u8>) {
        let since_epoch = values.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = match self {
            Self::Text(text) => return output.extend_from_slice(text.as_bytes()),
            Self::Request => return output.extend_from_slice(values.request),
            Self::Subject => return output.extend_from_slice(values.subject.as_bytes()),
            Self::Token(index) => values.subject.split('.').nth(*index).unwrap_or("").to_owned(),
            Self::Count => values.count.to_string(),
            Self::Unix => since_epoch.as_secs().to_string(),
            Self::UnixNano => since_epoch.as_nanos().to_string(),
            Self::TimeStamp => match Timestamp::try_from(values.now) {
                Ok(time) => time.to_string(),
                Err(_) => String::new(), // Beyond the year 9999.
            },
            Self::Time => match Timestamp::try_from(values.now) {
                Ok(time) => {
                    let zoned = time.to_zoned(jiff::tz::TimeZone::system());
                    zoned.strftime("%-I:%M%p").to_string()
                }
                Err(_) => String::new(),
            },
            Self::Id => random.id(),
            Self::Random { min, max } => {
                let length = min + random.below(max - min + 1);
                random.text(length)
            }
        };
        output.extend_from_slice(text.as_bytes());
    }
}

fn function(call: &str) -> Result<Part, String> {
    let mut words = call.split_whitespace();
    // Go templates write fields with a leading dot.
    let name = words.next().unwrap_or("").trim_start_matches('.');
    let arguments: Vec<&str> = words.collect();
    let part = match name {
        "Random" => return random_part(call, &arguments),
        "Count" | "Cnt" => Part::Count,
        "TimeStamp" => Part::TimeStamp,
        "Time" => Part::Time,
        "Unix" => Part::Unix,
        "UnixNano" => Part::UnixNano,
        "ID" => Part::Id,
        "Request" => Part::Request,
        "Subject" => Part::Subject,
        number => match number.parse() {
            Ok(index) => Part::Token(index),
            Err(_) => {
                return Err(format!(
                    "template function {call:?} is not known; there are Count, TimeStamp, Time, \
                     Unix, UnixNano, ID, Random MIN MAX, and in replies Request, Subject, 0, 1, …"
                ));
            }
        },
    };
    if arguments.is_empty() {
        Ok(part)
    } else {
        Err(format!("template {call:?} takes no argument"))
    }
}

fn random_part(call: &str, arguments: &[&str]) -> Result<Part, String> {
    let numbers: Option<Vec<usize>> = arguments.iter().map(|text| text.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[min, max]) if min <= max && max <= RANDOM_LEN_MAX => Ok(Part::Random { min, max }),
        _ => Err(format!("template {call:?} must be Random MIN MAX, two lengths in order")),
    }
}

#[cfg(test)]
mod tests;
