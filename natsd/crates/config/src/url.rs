//! URLs as Go's `net/url` reads and prints them.
//!
//! Only what a configuration needs: parse, print, redact. Unlike a browser's parser it keeps the
//! text as it is: no default ports, no case folding of hosts, no IDNA.
//!
//! Source: Go's standard library, package `net/url` (`Parse`, `URL.String`).

use std::fmt;

/// A parsed URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    /// Scheme in lower case; may be empty.
    pub scheme: String,
    /// What follows the scheme when it does not start with a slash (`host:port` parses so).
    pub opaque: String,
    /// User and password, decoded.
    pub user: Option<UserInfo>,
    /// Host with port, decoded; IPv6 in brackets.
    pub host: String,
    /// Path, decoded.
    pub path: String,
    /// Query as written, without the `?`.
    pub query: Option<String>,
    /// Fragment as written, without the `#`.
    pub fragment: String,
}

/// User and password of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserInfo {
    /// User name.
    pub username: String,
    /// Password; none when there was no colon.
    pub password: Option<String>,
}

/// Why a text is not a URL; prints as Go's error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse {quoted}: {reason}")]
pub struct UrlError {
    quoted: String,
    reason: String,
}

impl Url {
    /// Parses a URL or a reference.
    ///
    /// # Errors
    /// When Go's `url.Parse` refuses the text.
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        parse(text).map_err(|reason| UrlError { quoted: crate::quote::quote(text), reason })
    }

    /// Host without port and without brackets.
    #[must_use]
    pub fn hostname(&self) -> &str {
        let host = self.split_port().0;
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    /// Port as written; empty when there is none.
    #[must_use]
    pub fn port(&self) -> &str {
        self.split_port().1
    }

    fn split_port(&self) -> (&str, &str) {
        match self.host.rfind(':') {
            Some(colon) if self.host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()) => {
                let (host, port) = (&self.host[..colon], &self.host[colon + 1..]);
                // Inside brackets the colon belongs to the address.
                if host.starts_with('[') && !host.ends_with(']') {
                    (&self.host, "")
                } else {
                    (host, port)
                }
            }
            _ => (&self.host, ""),
        }
    }

    /// The URL with its password replaced by `xxxxx`. For logs.
    #[must_use]
    pub fn redacted(&self) -> String {
        let mut copy = self.clone();
        if let Some(UserInfo { password: Some(password), .. }) = &mut copy.user {
            *password = "xxxxx".to_string();
        }
        copy.to_string()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(formatter, "{}:", self.scheme)?;
        }
        if self.opaque.is_empty() {
            if !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some() {
                if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                    formatter.write_str("//")?;
                }
                if let Some(user) = &self.user {
                    formatter.write_str(&escape(&user.username, is_plain_in_user))?;
                    if let Some(password) = &user.password {
                        write!(formatter, ":{}", escape(password, is_plain_in_user))?;
                    }
                    formatter.write_str("@")?;
                }
                formatter.write_str(&escape(&self.host, is_plain_in_host))?;
            }
            let path = escape(&self.path, is_plain_in_path);
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                formatter.write_str("/")?;
            }
            formatter.write_str(&path)?;
        } else {
            formatter.write_str(&self.opaque)?;
        }
        if let Some(query) = &self.query {
            write!(formatter, "?{query}")?;
        }
        if !self.fragment.is_empty() {
            write!(formatter, "#{}", self.fragment)?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_string());
    }
    let mut url = Url::default();
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    unescape(fragment, Part::Other)?;
    url.fragment = fragment.to_string();
    if rest == "*" {
        url.path = "*".to_string();
        return Ok(url);
    }
    let (scheme, rest) = split_scheme(rest)?;
    url.scheme = scheme.to_ascii_lowercase();
    let rest = match rest.split_once('?') {
        Some((before, query)) => {
            url.query = Some(query.to_string());
            before
        }
        None => rest,
    };
    let mut rest = rest;
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_string();
            return Ok(url);
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_string());
        }
    }
    if let Some(after) = rest.strip_prefix("//")
        && (!url.scheme.is_empty() || !rest.starts_with("///"))
    {
        let end = after.find('/').unwrap_or(after.len());
        (url.user, url.host) = parse_authority(&after[..end])?;
        rest = &after[end..];
    }
    url.path = unescape(rest, Part::Other)?;
    Ok(url)
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_string()),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn parse_authority(text: &str) -> Result<(Option<UserInfo>, String), String> {
    let Some((user, host)) = text.rsplit_once('@') else {
        return Ok((None, parse_host(text)?));
    };
    let host = parse_host(host)?;
    let is_valid = |character: char| {
        character.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(character)
    };
    if !user.chars().all(is_valid) {
        return Err("net/url: invalid userinfo".to_string());
    }
    let info = match user.split_once(':') {
        Some((name, password)) => UserInfo {
            username: unescape(name, Part::Other)?,
            password: Some(unescape(password, Part::Other)?),
        },
        None => UserInfo { username: unescape(user, Part::Other)?, password: None },
    };
    Ok((Some(info), host))
}

fn parse_host(host: &str) -> Result<String, String> {
    let after_address = if host.starts_with('[') {
        let Some(end) = host.rfind(']') else {
            return Err("missing ']' in host".to_string());
        };
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let port = after_address.strip_prefix(':').unwrap_or(after_address);
    if !(after_address.is_empty() || after_address.starts_with(':'))
        || !port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(format!("invalid port {} after host", crate::quote::quote(after_address)));
    }
    unescape(host, Part::Host)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Other,
}

fn unescape(text: &str, part: Part) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        if byte == b'%' {
            let digits = text.get(index + 1..index + 3);
            let value = digits
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let Some(value) = value else {
                let end = (index + 3).min(bytes.len());
                let shown = String::from_utf8_lossy(&bytes[index..end]);
                return Err(format!("invalid URL escape {}", crate::quote::quote(&shown)));
            };
            if part == Part::Host && value < 0x80 && value != b'%' {
                let shown = &text[index..index + 3];
                return Err(format!("invalid URL escape {}", crate::quote::quote(shown)));
            }
            decoded.push(value);
            index += 3;
            continue;
        }
        if part == Part::Host && byte < 0x80 && !is_plain_in_host(byte) {
            let shown = char::from(byte).to_string();
            return Err(format!("invalid character {} in host name", crate::quote::quote(&shown)));
        }
        decoded.push(byte);
        index += 1;
    }
    Ok(String::from_utf8_lossy(&decoded).into_owned())
}

fn escape(text: &str, is_plain: fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn is_plain_in_user(byte: u8) -> bool {
    is_unreserved(byte) || b"$&+,;=".contains(&byte)
}

fn is_plain_in_host(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:[]<>\"".contains(&byte)
}

fn is_plain_in_path(byte: u8) -> bool {
    is_unreserved(byte) || b"$&+,/:;=@".contains(&byte)
}

#[cfg(test)]
mod tests;
