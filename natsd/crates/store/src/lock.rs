//! The lock of a store directory: whoever writes below it holds it, so that two never do.
//!
//! An advisory lock of the system on the file `natsd.lock`, beside `jetstream/`, where a Go server
//! does not look. The system lets go of it when its process ends, however that ends, so it is never
//! stale. The file itself stays, since another process may be about to lock it, and holds the number
//! of the process for as long as that has the lock; what is left there by one that was killed means
//! nothing without the lock.
//!
//! Whoever only reads takes no lock, and so never keeps a server from its start: it asks.
//! A Go server neither takes the lock nor looks at it.
//!
//! Source: our own.
#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file in the store directory.
const LOCK_FILE: &str = "natsd.lock";
const FILE_MODE: u32 = 0o640;
/// Whoever asks holds the lock for the time of two system calls.
const ATTEMPTS: usize = 64;
/// No number of a process is longer.
const NUMBER_SIZE_MAX: usize = 20;

/// Who has the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockHolder {
    /// The number of its process, as that knows it, if it could be written.
    pub process: Option<u32>,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some(number) => write!(formatter, "process {number}"),
            None => formatter.write_str("another process"),
        }
    }
}

/// Why a store directory cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else has it.
    #[error("{}: {holder} uses this store directory and has to stop first", dir.display())]
    InUse {
        /// The store directory.
        dir: PathBuf,
        /// Who it is.
        holder: LockHolder,
    },
    /// The disk refused, or has no locks.
    #[error("{}: cannot be locked", path.display())]
    Disk {
        /// The file of the lock.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
}

/// The right to write in a store directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct StoreLock {
    file: File,
}

impl StoreLock {
    /// Takes the lock of the store directory `dir`, the one with `jetstream/` in it, which has to be
    /// there. Does not wait: fails with [`LockError::InUse`] when another process, or another
    /// lock of this one, has it.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(LOCK_FILE);
        let disk = |source| LockError::Disk { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(&path).map_err(disk)?;
        let mut attempts_left = ATTEMPTS;
        loop {
            attempts_left -= 1;
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(disk(error)),
                Err(TryLockError::WouldBlock) if attempts_left > 0 => std::thread::yield_now(),
                Err(TryLockError::WouldBlock) => {
                    let holder = LockHolder { process: number_in(&file) };
                    return Err(LockError::InUse { dir: dir.to_owned(), holder });
                }
            }
        }
        // Without the number, on a full disk, the lock holds no less.
        let number = std::process::id().to_string();
        let _ = file.set_len(0).and_then(|()| file.write_all_at(number.as_bytes(), 0));
        Ok(Self { file })
    }

    /// Who has the lock of the store directory `dir`, if anybody has. Writes nothing, and keeps
    /// nobody from taking it.
    pub fn holder(dir: &Path) -> io::Result<Option<LockHolder>> {
        let file = match File::open(dir.join(LOCK_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Nobody, or somebody who takes it right now.
        let process = number_in(&file);
        if process.is_none() {
            return Ok(None);
        }
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(LockHolder { process })),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // Whoever asks need not look any further then.
        let _ = self.file.set_len(0);
    }
}

/// What is written in the file.
fn number_in(file: &File) -> Option<u32> {
    let mut bytes = [0; NUMBER_SIZE_MAX];
    let size = file.read_at(&mut bytes, 0).ok()?;
    str::from_utf8(bytes.get(..size)?).ok()?.trim_ascii().parse().ok()
}

#[cfg(test)]
mod tests;
