//! The random token of the management API, and the file that it is left in.
//!
//! Never logged. The file and its directory are for this user only, and the file goes with the
//! server.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a token: too many to guess.
const TOKEN_BYTES: usize = 32;

/// A new token, in hexadecimal.
pub(super) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where token files go: below the first of `XDG_RUNTIME_DIR`, `XDG_STATE_HOME` and `HOME` that is
/// set and absolute.
pub(super) fn directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_RUNTIME_DIR")
        .or_else(|| absolute("XDG_STATE_HOME"))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("natsd"))
}

/// A file with a token. Removed when the value is dropped.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// Writes the token, in place of a file that an earlier server left behind.
    pub(super) fn write(path: PathBuf, token: &str) -> io::Result<TokenFile> {
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Created anew: a file or a link that somebody put there in the meantime is an error.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let written = TokenFile { path };
        file.write_all(token.as_bytes())?;
        file.write_all(b"\n")?;
        Ok(written)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // Removed by somebody else already is as good.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
