//! Secrets out of the command line, which every user of the machine can read.
//!
//! Source: Go `server/opts.go` (`RedactArgs`).

use crate::url::{Url, UserInfo};

/// Replaces the values of flags that hold secrets: `--pass=secret` by `--pass=[REDACTED]`.
pub fn redact_args(args: &mut [String]) {
    for index in 0..args.len() {
        let Some(redact) = redaction(&args[index]) else { continue };
        if let Some((flag, value)) = args[index].split_once('=') {
            args[index] = format!("{flag}={}", redact(value));
        } else if let Some(value) = args.get_mut(index + 1) {
            *value = redact(value);
        }
    }
}

fn redaction(arg: &str) -> Option<fn(&str) -> String> {
    let name = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
    match name.split_once('=').map_or(name, |(name, _)| name) {
        "user" | "pass" | "auth" => Some(|_| "[REDACTED]".to_string()),
        "routes" => Some(redact_urls),
        "cluster" | "cluster_listen" => Some(redact_url),
        _ => None,
    }
}

fn redact_urls(text: &str) -> String {
    let parts: Vec<String> = text.split(',').map(redact_url).collect();
    parts.join(",")
}

fn redact_url(text: &str) -> String {
    if !text.contains('@') {
        return text.to_string();
    }
    // A port of -1 is no URL.
    let trimmed = text.trim();
    let random = trimmed.strip_suffix(":-1");
    let parsed = match random {
        Some(prefix) => Url::parse(&format!("{prefix}:0")),
        None => Url::parse(trimmed),
    };
    let Ok(mut url) = parsed else {
        return text.to_string();
    };
    if url.user.is_none() {
        return text.to_string();
    }
    url.user = Some(UserInfo { username: "_REDACTED_".to_string(), password: None });
    if random.is_some()
        && let Some(host) = url.host.strip_suffix(":0")
    {
        url.host = format!("{host}:-1");
    }
    // Brackets would be escaped in a user name, so they come last.
    url.to_string().replacen("_REDACTED_@", "[REDACTED]@", 1)
}
