//! Paths of monitoring requests.
//!
//! Source: Go `net/http` (`cleanPath`), `path` (`Clean`), `server/opts.go` (`normalizeBasePath`).

/// The endpoint below `base_path` that `path` names, `/` for the root.
pub(super) fn endpoint<'a>(base_path: &str, path: &'a str) -> Option<&'a str> {
    if base_path == "/" {
        return Some(path);
    }
    match path.strip_prefix(base_path) {
        Some("") => Some("/"),
        Some("/") => None,
        rest => rest.filter(|rest| rest.starts_with('/')),
    }
}

/// A configured base path with a slash at the start and none at the end; `/` when there is none.
pub(super) fn normalize_base(base_path: &str) -> String {
    let clean = clean(base_path);
    let trimmed = clean.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// The path without empty, `.` and `..` parts. A slash at the end stays.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut clean = String::with_capacity(path.len() + 1);
    for part in &parts {
        clean.push('/');
        clean.push_str(part);
    }
    if clean.is_empty() || path.ends_with('/') {
        clean.push('/');
    }
    clean
}

/// The path as it may stand in a header.
pub(super) fn escape(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut out, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~/$&+,:;=@".contains(&byte);
        if plain {
            out.push(char::from(byte))
        } else {
            out += &format!("%{byte:02X}")
        }
        out
    })
}
