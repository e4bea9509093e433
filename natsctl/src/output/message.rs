//! One message as text for people or as one JSON object.
//!
//! Pure. Bytes that are not UTF-8 are kept: as they are in text, as base64 in JSON.

use std::time::{Duration, SystemTime};

use async_nats::Message;
use data_encoding::BASE64;
use serde_json::{Map, Value};

use crate::headers;

/// When a message came, as far as it is to be shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct When {
    /// Time of arrival.
    pub(crate) timestamp: Option<SystemTime>,
    /// Time since the message before.
    pub(crate) since_last: Option<Duration>,
}

/// What of a message is shown in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything.
    All,
    /// No body.
    HeadersOnly,
    /// Only the line with the subject.
    SubjectOnly,
}

/// The text of message number `index`.
pub(crate) fn text(
    message: &Message,
    body: &[u8],
    index: u64,
    when: When,
    detail: Detail,
) -> Vec<u8> {
    let mut head = format!("[#{index}]");
    if let Some(time) = when.timestamp.and_then(rfc3339) {
        head.push_str(&format!(" @ {time}"));
    }
    if let Some(since) = when.since_last {
        head.push_str(&format!(" +{}", crate::duration::render(since)));
    }
    head.push_str(&format!(" Received on \"{}\"", message.subject));
    if let Some(reply) = &message.reply {
        head.push_str(&format!(" with reply \"{reply}\""));
    }
    head.push('\n');
    if detail == Detail::SubjectOnly {
        return head.into_bytes();
    }
    head.push_str(&header_lines(message));
    let mut bytes = head.into_bytes();
    if detail == Detail::All {
        if message.headers.is_some() {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(body);
        if !body.ends_with(b"\n") {
            bytes.push(b'\n');
        }
    }
    bytes.push(b'\n');
    bytes
}

/// The header lines, `Name: value` each.
pub(crate) fn header_lines(message: &Message) -> String {
    let mut lines = String::new();
    for (name, values) in headers::sorted(message.headers.as_ref()) {
        for value in values {
            lines.push_str(&format!("{name}: {value}\n"));
        }
    }
    lines
}

/// The JSON object of a message.
///
/// Shape: `subject`, `reply` if any, `headers` (name to list of values) if any, `size` in bytes,
/// `data` with `encoding` `text` or `base64` unless left out, `timestamp` (RFC 3339) and
/// `since_last` (seconds) if asked for.
pub(crate) fn json(message: &Message, body: &[u8], when: When, with_body: bool) -> Value {
    let mut object = Map::new();
    object.insert("subject".to_owned(), message.subject.as_str().into());
    if let Some(reply) = &message.reply {
        object.insert("reply".to_owned(), reply.as_str().into());
    }
    if message.headers.is_some() {
        let headers: Map<String, Value> = headers::sorted(message.headers.as_ref())
            .into_iter()
            .map(|(name, values)| (name.to_owned(), values.into()))
            .collect();
        object.insert("headers".to_owned(), headers.into());
    }
    object.insert("size".to_owned(), body.len().into());
    if with_body {
        let (data, encoding) = match std::str::from_utf8(body) {
            Ok(text) => (text.to_owned(), "text"),
            Err(_) => (BASE64.encode(body), "base64"),
        };
        object.insert("data".to_owned(), data.into());
        object.insert("encoding".to_owned(), encoding.into());
    }
    if let Some(time) = when.timestamp.and_then(rfc3339) {
        object.insert("timestamp".to_owned(), time.into());
    }
    if let Some(since) = when.since_last {
        object.insert("since_last".to_owned(), since.as_secs_f64().into());
    }
    object.into()
}

/// A time in UTC with nanoseconds as far as there are any; `None` beyond the year 9999.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    jiff::Timestamp::try_from(time).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests;
