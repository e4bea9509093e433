//! Values of contexts that name a place instead of holding the secret, and paths with variables.
//!
//! Must never run a shell and never show what it read.

use std::process::Command;

use data_encoding::BASE64;

use crate::failure::Failure;

/// Whether a value says where the secret is, rather than being it.
pub(super) fn is_reference(value: &str) -> bool {
    ["file://", "op://", "nsc://", "env://"].iter().any(|scheme| value.starts_with(scheme))
}

/// The text behind a value: a bare path (if `bare_is_path`), `file://`, `env://`, `data:`,
/// `op://` (1Password's `op`) or `nsc://OPERATOR/ACCOUNT/USER`.
///
/// # Errors
/// When the file, variable or program does not give the text.
pub(crate) fn read_secret(name: &str, value: &str, bare_is_path: bool) -> Result<String, Failure> {
    if let Some(path) = value.strip_prefix("file://") {
        return read_file(name, path);
    }
    if let Some(variable) = value.strip_prefix("env://") {
        return std::env::var(variable).map_err(|_| {
            Failure::new(format!("{name}: environment variable {variable:?} is not set"))
        });
    }
    if let Some(data) = value.strip_prefix("data:") {
        return decode_data(data)
            .ok_or_else(|| Failure::new(format!("{name}: the data: value is not base64 text")));
    }
    if value.starts_with("op://") {
        return run(name, "op", &["read", "--no-newline", value]);
    }
    if value.starts_with("nsc://") {
        let profile = run(name, "nsc", &["generate", "profile", value])?;
        let path = creds_of_profile(&profile).ok_or_else(|| {
            Failure::new(format!("{name}: \"nsc\" named no credentials file for {value}"))
        })?;
        return read_file(name, &path);
    }
    if bare_is_path { read_file(name, value) } else { Ok(value.to_owned()) }
}

fn read_file(name: &str, path: &str) -> Result<String, Failure> {
    let path = expand(path);
    std::fs::read_to_string(&path)
        .map_err(|error| Failure::new(format!("{name}: cannot read {path}: {error}")))
}

fn run(name: &str, program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| Failure::new(format!("{name}: cannot start {program:?}: {error}")))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::new(format!("{name}: {program:?} failed: {error}")));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("{name}: {program:?} did not print text")))
}

/// The credentials file in what `nsc generate profile` prints.
pub(super) fn creds_of_profile(profile: &str) -> Option<String> {
    let profile: serde_json::Value = serde_json::from_str(profile).ok()?;
    profile.get("user_creds")?.as_str().filter(|path| !path.is_empty()).map(str::to_owned)
}

/// The text of `;base64,…` or `…;base64,…`.
fn decode_data(data: &str) -> Option<String> {
    let (_, encoded) = data.split_once(";base64,")?;
    String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()
}

/// A path with `~` and `$VARIABLE` or `${VARIABLE}` replaced; unknown variables become nothing.
pub(crate) fn expand(path: &str) -> String {
    expand_with(path, |name| std::env::var(name).ok())
}

/// [`expand`] with the environment as an argument.
pub(super) fn expand_with(path: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut output = String::new();
    let mut rest = path;
    if path == "~" || path.starts_with("~/") {
        output.push_str(&variable("HOME").unwrap_or_default());
        rest = &path[1..];
    }
    while let Some(at) = rest.find('$') {
        output.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some((name, tail)) = rest.strip_prefix('{').and_then(|tail| tail.split_once('}')) {
            output.push_str(&variable(name).unwrap_or_default());
            rest = tail;
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if end == 0 {
            output.push('$');
        } else {
            output.push_str(&variable(&rest[..end]).unwrap_or_default());
        }
        rest = &rest[end..];
    }
    output + rest
}
