//! What the configuration reads from outside: files and environment variables.

use std::io;
use std::path::Path;

/// What a path is, as far as the configuration checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryState {
    /// There is nothing.
    Missing,
    /// A directory that its owner may write to.
    Writable,
    /// A file, or a directory that may not be written to.
    Unusable,
}

/// Files and environment. Tests and the fuzzer bring their own.
pub trait Source {
    /// The bytes of a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The value of an environment variable; none when it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// What is at a path.
    fn directory(&self, path: &str) -> DirectoryState;
}

/// The files and the environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealSource;

impl Source for RealSource {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn directory(&self, path: &str) -> DirectoryState {
        match Path::new(path).metadata() {
            Err(_) => DirectoryState::Missing,
            Ok(found) if found.is_dir() && !found.permissions().readonly() => {
                DirectoryState::Writable
            }
            Ok(_) => DirectoryState::Unusable,
        }
    }
}

/// No files and no environment. For text alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl Source for NoSource {
    fn read(&self, _path: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn directory(&self, _path: &str) -> DirectoryState {
        DirectoryState::Missing
    }
}

/// The path of a file that `file` includes. Go joins an absolute name too, so do we.
pub(crate) fn join(file: &str, name: &str) -> String {
    let directory = match file.rfind('/') {
        Some(slash) => &file[..=slash],
        None => "",
    };
    clean(&format!("{directory}{name}"))
}

/// The shortest path of the same meaning. Source: Go `path.Clean`.
pub(crate) fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_string(),
        (false, false) => joined,
    }
}
