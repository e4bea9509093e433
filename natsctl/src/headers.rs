//! Message headers given on the command line, and headers in a stable order for output.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue};

/// Reads one `Name:Value`; blanks around the value are dropped.
///
/// # Errors
/// A text for the user when there is no colon or a character is not allowed.
pub(crate) fn parse(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("header {text:?} must be written as Name:Value"))?;
    let bad = || format!("header {text:?} has a character that headers cannot hold");
    let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
    let value: HeaderValue = value.trim().parse().map_err(|_| bad())?;
    if AsRef::<str>::as_ref(&name).is_empty() {
        return Err(format!("header {text:?} has no name"));
    }
    Ok((name, value))
}

/// All headers of the command line, or none. A name given twice has both values.
pub(crate) fn collect(pairs: &[(HeaderName, HeaderValue)]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name.clone(), value.clone());
    }
    (!map.is_empty()).then_some(map)
}

/// Names with their values, sorted by name: the client library keeps them in no order.
pub(crate) fn sorted(headers: Option<&HeaderMap>) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = headers
        .into_iter()
        .flat_map(HeaderMap::iter)
        .map(|(name, values)| (name.as_ref(), values.iter().map(HeaderValue::as_str).collect()))
        .collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests;
