//! Parameters of a request, read as Go reads them.
//!
//! Source: Go `server/monitor.go` (`decodeBool`, `decodeInt`, `decodeUint64`, `decodeState`,
//! `decodeSubs`), `net/url` (`ParseQuery`), `strconv`.

use natsd_api::monitor::{ConnSort, ConnState, ConnzOptions};
use natsd_base::quote;
use std::borrow::Cow;
use std::num::{IntErrorKind, ParseIntError};

/// A parameter that cannot be read. The text is Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ParameterError(String);

/// The parameters after the `?` of a request.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    text: &'a str,
}

impl<'a> Query<'a> {
    pub(crate) fn new(text: Option<&'a str>) -> Query<'a> {
        Query { text: text.unwrap_or_default() }
    }

    /// The first value of that name, empty when there is none. Parts that are not well-formed do not
    /// count.
    pub(crate) fn text(&self, name: &str) -> Cow<'a, str> {
        self.text
            .split('&')
            .filter(|part| !part.contains(';'))
            .find_map(|part| {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                let value = (unescape(key)? == name).then(|| unescape(value))?;
                value.map(Some)
            })
            .flatten()
            .unwrap_or_default()
    }

    /// A truth, false when it is not given.
    pub(crate) fn bool(&self, name: &str) -> Result<bool, ParameterError> {
        let text = self.text(name);
        match &*text {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            _ => Err(ParameterError(format!(
                "Error decoding boolean for '{name}': strconv.ParseBool: parsing {}: invalid syntax",
                quote(&*text)
            ))),
        }
    }

    /// A number, 0 when it is not given.
    pub(crate) fn int(&self, name: &str) -> Result<i64, ParameterError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        text.parse().map_err(|error| {
            let reason = reason(&error);
            ParameterError(format!(
                "Error decoding int for '{name}': strconv.Atoi: parsing {}: {reason}",
                quote(&*text)
            ))
        })
    }

    /// A number without a sign, 0 when it is not given.
    pub(crate) fn uint(&self, name: &str) -> Result<u64, ParameterError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        let parsed = if text.starts_with('+') { Err(None) } else { text.parse().map_err(Some) };
        parsed.map_err(|error: Option<ParseIntError>| {
            let reason = error.as_ref().map_or("invalid syntax", reason);
            ParameterError(format!(
                "Error decoding uint64 for '{name}': strconv.ParseUint: parsing {}: {reason}",
                quote(&*text)
            ))
        })
    }

    /// Whether subjects and whether whole subscriptions are wanted.
    pub(crate) fn subs(&self) -> Result<(bool, bool), ParameterError> {
        if self.text("subs").eq_ignore_ascii_case("detail") {
            return Ok((false, true));
        }
        Ok((self.bool("subs")?, false))
    }

    /// The options of `/connz`, checked in Go's order. The order of the answer is checked last.
    pub(crate) fn connz(&self) -> Result<ConnzOptions, ParameterError> {
        let auth = self.bool("auth")?;
        let (subscriptions, subscriptions_detail) = self.subs()?;
        let offset = self.int("offset")?;
        let limit = self.int("limit")?;
        let cid = self.uint("cid")?;
        let state = self.text("state");
        let state = ConnState::by_name(&state)
            .ok_or_else(|| ParameterError(format!("Error decoding state for {state}")))?;
        Ok(ConnzOptions {
            sort: ConnSort::Cid,
            auth,
            subscriptions,
            subscriptions_detail,
            offset,
            limit,
            cid,
            mqtt_client: self.text("mqtt_client").into_owned(),
            state,
            user: self.text("user").into_owned(),
            account: self.text("acc").into_owned(),
            filter_subject: String::new(),
        })
    }

    /// The order of `/connz`.
    pub(crate) fn sort(&self) -> Result<ConnSort, ParameterError> {
        let name = self.text("sort");
        ConnSort::by_name(&name)
            .ok_or_else(|| ParameterError(format!("invalid sorting option: {name}")))
    }
}

fn reason(error: &ParseIntError) -> &'static str {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

/// Undoes the escaping of a parameter. `None` when a `%` is not followed by two hexadecimal digits.
fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    percent_decode(&text.replace('+', " ")).map(Cow::Owned)
}

/// Undoes `%XX`. `None` as for [`unescape`]. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
