//! A folder of JWTs, one file for each public key: what the full and the cache resolver keep.
//!
//! Callers check signatures; this store looks at the identifier, subject, time of issue and of
//! expiry alone. Files are replaced whole, and durably. Names come from keys that the
//! configuration accepts, so nothing is written outside the folder.
//!
//! Source: Go `server/dirstore.go`.

mod claims;
mod tracker;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use natsd_base::Timestamp;

use crate::disk::Disk;
use claims::Claims;
use tracker::{Hash, Tracker, hash_of};

const EXTENSION: &str = ".jwt";
/// Folders below folders are searched so deep.
const DEPTH_MAX: usize = 8;

/// Why a JWT was not stored, loaded or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtDirError {
    /// The folder is not there.
    #[error("the path [{}] doesn't exist", .0.display())]
    NoDirectory(PathBuf),
    /// Something else than a folder is in its place.
    #[error("the path [{}] is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The disk refused.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// No JWT is stored under this key.
    #[error("no JWT for this key")]
    NotFound,
    /// It is no public key.
    #[error("invalid public key")]
    InvalidKey,
    /// It is no JWT.
    #[error("invalid JWT")]
    InvalidJwt,
    /// Nothing may be changed.
    #[error("store is read-only")]
    ReadOnly,
    /// Nothing may be removed.
    #[error("store is not set up for delete")]
    NoDelete,
    /// As many JWTs are stored as may be.
    #[error("jwt store is full")]
    Full,
    /// A line of a pack is not `key|JWT`.
    #[error("line in package didn't contain 2 entries: {0:?}")]
    BadLine(String),
    /// A pack holds something for a key that is not that of an account.
    #[error("key to merge is not a valid public account key")]
    NotAnAccount,
    /// The JWT is of somebody else.
    #[error("jwt subject nkey and provided nkey do not match")]
    OtherSubject,
    /// The JWT that is there is of somebody else.
    #[error("subject of existing and new jwt do not match")]
    SubjectChanged,
}

/// What becomes of a JWT that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtRemoval {
    /// Its file gets the suffix `.deleted`.
    Rename,
    /// Its file is removed.
    Remove,
}

/// How long JWTs stay, and how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JwtExpiry {
    /// JWTs kept; none means any number.
    pub limit: Option<usize>,
    /// Whether the one used longest ago makes room for a new one. Otherwise the new one is
    /// refused.
    pub evicts: bool,
    /// How long a JWT stays when it is not used. None: as long as it says itself. The maximum:
    /// for ever.
    pub ttl: Option<Duration>,
}

/// How a folder of JWTs is kept.
#[derive(Debug, Clone)]
pub struct JwtDirConfig {
    /// Whether files lie in folders named after the last two letters of their keys.
    pub is_sharded: bool,
    /// Whether the folder is made when it is not there.
    pub creates: bool,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// What becomes of those that are removed; none means that none may be.
    pub removal: Option<JwtRemoval>,
    /// Whether JWTs expire. With this every JWT is known by its hash, see [`JwtDir::hash`].
    pub expiry: Option<JwtExpiry>,
    /// Whether a text is a public key, of any kind.
    pub is_public_key: fn(&str) -> bool,
}

/// A folder of JWTs.
///
/// Source: Go `server/dirstore.go` `DirJWTStore`.
#[derive(Debug)]
pub struct JwtDir {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: JwtDirConfig,
    tracker: Option<Tracker>,
}

impl JwtDir {
    /// Opens the folder `dir` and finds out what is in it.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: JwtDirConfig,
        now: Timestamp,
    ) -> Result<Self, JwtDirError> {
        let tracker = config.expiry.map(Tracker::new);
        let mut store = Self { disk, dir: dir.to_owned(), config, tracker };
        match store.disk.list(dir) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(JwtDirError::NotADirectory(dir.to_owned()));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk_error(dir, error));
            }
            Err(_) if !store.config.creates => {
                return Err(JwtDirError::NoDirectory(dir.to_owned()));
            }
            Err(_) => store.create_dir(dir)?,
        }
        if store.tracker.is_some() {
            store.reload(now)?;
        }
        Ok(store)
    }

    /// Whether nothing may be changed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.config.read_only
    }

    /// How many JWTs are known; 0 where they do not expire.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.tracker.as_ref().map_or(0, Tracker::len)
    }

    /// The SHA-256 of all JWTs that are known, combined by exclusive or: the same in two stores
    /// that hold the same. Zeros where JWTs do not expire.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.tracker.as_ref().map_or([0; 32], Tracker::hash)
    }

    /// The JWT of a key. It counts as used.
    pub fn load(&mut self, key: &str, now: Timestamp) -> Result<String, JwtDirError> {
        let text = self.read(&self.path_of(key)?)?;
        if let Some(tracker) = &mut self.tracker {
            tracker.touch(key, now);
        }
        Ok(text)
    }

    /// Stores the JWT of a key, whatever was there; whether it is another one.
    pub fn save(&mut self, key: &str, jwt: &str, now: Timestamp) -> Result<bool, JwtDirError> {
        self.check_writable()?;
        let path = self.path_of(key)?;
        self.write(&path, key, jwt, now)
    }

    /// Stores the JWT of a key unless the one that is there is the same or was issued later;
    /// whether it is another one.
    pub fn save_if_newer(
        &mut self,
        key: &str,
        jwt: &str,
        now: Timestamp,
    ) -> Result<bool, JwtDirError> {
        self.check_writable()?;
        let path = self.path_of(key)?;
        match self.read(&path) {
            Ok(old) => {
                let new = Claims::decode(jwt).ok_or(JwtDirError::InvalidJwt)?;
                // One that cannot be read is replaced.
                if let Some(old) = Claims::decode(&old) {
                    if old.id == new.id || old.issued_at > new.issued_at {
                        return Ok(false);
                    }
                    if new.subject != key {
                        return Err(JwtDirError::OtherSubject);
                    }
                    if old.subject != new.subject {
                        return Err(JwtDirError::SubjectChanged);
                    }
                }
            }
            Err(JwtDirError::NotFound) => {}
            Err(error) => return Err(error),
        }
        self.write(&path, key, jwt, now)
    }

    /// Removes the JWT of a key; whether it was there.
    pub fn remove(&mut self, key: &str) -> Result<bool, JwtDirError> {
        self.check_writable()?;
        let removal = self.config.removal.ok_or(JwtDirError::NoDelete)?;
        let path = self.path_of(key)?;
        let removed = match removal {
            JwtRemoval::Remove => self.disk.remove_file(&path),
            JwtRemoval::Rename => {
                let mut name = path.as_os_str().to_owned();
                name.push(".deleted");
                self.disk.rename(&path, Path::new(&name))
            }
        };
        match removed {
            Ok(()) => self.sync_dir(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(disk_error(&path, error)),
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.forget(key);
        }
        Ok(true)
    }

    /// At most `count_max` JWTs as lines of `key|JWT`, without those that have expired.
    pub fn pack(&self, count_max: Option<usize>, now: Timestamp) -> Result<String, JwtDirError> {
        let mut lines = Vec::new();
        for (key, path) in self.files()? {
            if count_max.is_some_and(|max| lines.len() >= max) {
                break;
            }
            lines.extend(self.line_of(&key, &path, now)?);
        }
        Ok(lines.join("\n"))
    }

    /// Calls `visit` with packs of at most `count_max` JWTs, at least 1, until all were there.
    pub fn pack_all(
        &self,
        count_max: usize,
        now: Timestamp,
        mut visit: impl FnMut(&str),
    ) -> Result<(), JwtDirError> {
        let mut lines = Vec::new();
        for (key, path) in self.files()? {
            lines.extend(self.line_of(&key, &path, now)?.filter(|line| !line.ends_with('|')));
            if lines.len() >= count_max.max(1) {
                visit(&lines.join("\n"));
                lines.clear();
            }
        }
        if !lines.is_empty() {
            visit(&lines.join("\n"));
        }
        Ok(())
    }

    /// Stores what is newer in a pack, line by line until one is wrong. Returns the keys whose
    /// JWT is another one; when a line is wrong, after those before it were stored.
    pub fn merge(&mut self, pack: &str, now: Timestamp) -> (Vec<String>, Result<(), JwtDirError>) {
        let mut changed = Vec::new();
        for line in pack.split('\n').filter(|line| !line.is_empty()) {
            let stored = match line.split('|').collect::<Vec<_>>()[..] {
                [key, _] if !key.starts_with('A') || !(self.config.is_public_key)(key) => {
                    Err(JwtDirError::NotAnAccount)
                }
                [key, jwt] => self.save_if_newer(key, jwt, now).map(|is_new| (key, is_new)),
                _ => Err(JwtDirError::BadLine(line.to_owned())),
            };
            match stored {
                Ok((key, true)) => changed.push(key.to_owned()),
                Ok((_, false)) => {}
                Err(error) => return (changed, Err(error)),
            }
        }
        (changed, Ok(()))
    }

    /// Finds out anew what is in the folder. Returns the keys whose JWT is another one than
    /// before; where JWTs are evicted, also those that were not known.
    pub fn reload(&mut self, now: Timestamp) -> Result<Vec<String>, JwtDirError> {
        let Some(expiry) = self.config.expiry else { return Ok(Vec::new()) };
        let files = self.files()?;
        let mut tracker = Tracker::new(expiry);
        let mut changed = Vec::new();
        for (key, path) in files {
            // A file that went away meanwhile is not there.
            let Ok(text) = self.read(&path) else { continue };
            let hash = hash_of(&text);
            let known = self.tracker.as_ref().and_then(|tracker| tracker.hash_of(&key));
            tracker.track(&key, hash, &text, now);
            if known.map_or(expiry.evicts, |known| known != hash) {
                changed.push(key);
            }
        }
        self.tracker = Some(tracker);
        Ok(changed)
    }

    /// Removes what has expired at `now` and returns its keys.
    pub fn expire(&mut self, now: Timestamp) -> Result<Vec<String>, JwtDirError> {
        let mut expired = Vec::new();
        while let Some(key) = self.tracker.as_ref().and_then(|tracker| tracker.expired(now)) {
            let path = self.path_of(&key)?;
            match self.disk.remove_file(&path) {
                Ok(()) => self.sync_dir(&path)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(disk_error(&path, error)),
            }
            if let Some(tracker) = &mut self.tracker {
                tracker.forget(&key);
            }
            expired.push(key);
        }
        Ok(expired)
    }

    /// When to call [`JwtDir::expire`] next.
    #[must_use]
    pub fn next_expiration(&self) -> Option<Timestamp> {
        self.tracker.as_ref().and_then(Tracker::next_expiration)
    }

    fn check_writable(&self) -> Result<(), JwtDirError> {
        if self.config.read_only { Err(JwtDirError::ReadOnly) } else { Ok(()) }
    }

    fn path_of(&self, key: &str) -> Result<PathBuf, JwtDirError> {
        // Whatever the configuration accepts, a name is never more than one part of a path.
        let is_name = key.len() >= 2 && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_name || !(self.config.is_public_key)(key) {
            return Err(JwtDirError::InvalidKey);
        }
        let dir = match self.config.is_sharded {
            true => self.dir.join(&key[key.len() - 2..]),
            false => self.dir.clone(),
        };
        Ok(dir.join(format!("{key}{EXTENSION}")))
    }

    fn read(&self, path: &Path) -> Result<String, JwtDirError> {
        let bytes = self.disk.open(path, false).and_then(|file| file.read_all());
        let bytes = bytes.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JwtDirError::NotFound,
            _ => disk_error(path, error),
        })?;
        String::from_utf8(bytes).map_err(|_| JwtDirError::InvalidJwt)
    }

    /// Stores a JWT, after making room for it; whether it is another one.
    fn write(
        &mut self,
        path: &Path,
        key: &str,
        jwt: &str,
        now: Timestamp,
    ) -> Result<bool, JwtDirError> {
        if jwt.is_empty() {
            return Err(JwtDirError::InvalidJwt);
        }
        let hash = hash_of(jwt);
        let evicted = match &mut self.tracker {
            Some(tracker) => {
                tracker.touch(key, now);
                if tracker.hash_of(key) == Some(hash) {
                    return Ok(false);
                }
                tracker.room_for(key)?
            }
            None => None,
        };
        if let Some(evicted) = evicted {
            let path = self.path_of(&evicted)?;
            self.disk.remove_file(&path).map_err(|error| disk_error(&path, error))?;
            if let Some(tracker) = &mut self.tracker {
                tracker.forget(&evicted);
            }
        }
        self.replace(path, jwt)?;
        if let Some(tracker) = &mut self.tracker {
            tracker.track(key, hash, jwt, now);
        }
        Ok(true)
    }

    /// Writes a file whole and durably, or leaves the one that there was.
    fn replace(&self, path: &Path, text: &str) -> Result<(), JwtDirError> {
        let dir = path.parent().unwrap_or(&self.dir);
        if dir != self.dir && self.disk.list(dir).is_err() {
            self.create_dir(dir)?;
        }
        let temporary = path.with_extension("jwt.tmp");
        let written = self.disk.open(&temporary, true).and_then(|file| {
            file.set_len(0)?;
            file.write_all_at(text.as_bytes(), 0)?;
            file.sync_data()
        });
        let replaced = written.and_then(|()| self.disk.rename(&temporary, path));
        if let Err(error) = replaced {
            let _: io::Result<()> = self.disk.remove_file(&temporary);
            return Err(disk_error(path, error));
        }
        self.sync_dir(path)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), JwtDirError> {
        let made = self.disk.create_dir_all(dir);
        made.map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                JwtDirError::NotADirectory(dir.to_owned())
            }
            _ => disk_error(dir, error),
        })?;
        self.sync_dir(dir)
    }

    /// Makes the name of a file or folder durable.
    fn sync_dir(&self, path: &Path) -> Result<(), JwtDirError> {
        let Some(dir) = path.parent() else { return Ok(()) };
        self.disk.sync_dir(dir).map_err(|error| disk_error(dir, error))
    }

    /// The keys and files of all JWTs that are known, in the order of their paths.
    fn files(&self) -> Result<Vec<(String, PathBuf)>, JwtDirError> {
        let mut files = Vec::new();
        self.collect_files(&self.dir, DEPTH_MAX, &mut files)?;
        Ok(files)
    }

    fn collect_files(
        &self,
        dir: &Path,
        depth: usize,
        files: &mut Vec<(String, PathBuf)>,
    ) -> Result<(), JwtDirError> {
        let mut entries = self.disk.list(dir).map_err(|error| disk_error(dir, error))?;
        entries.sort();
        for entry in entries {
            let path = dir.join(&entry.name);
            if entry.is_dir && depth > 0 {
                self.collect_files(&path, depth - 1, files)?;
            } else if !entry.is_dir
                && let Some(key) = entry.name.to_str().and_then(|name| name.strip_suffix(EXTENSION))
                && (self.config.is_public_key)(key)
            {
                files.push((key.to_owned(), path));
            }
        }
        Ok(())
    }

    /// The line of a pack; none for one that is not known, or has expired.
    fn line_of(
        &self,
        key: &str,
        path: &Path,
        now: Timestamp,
    ) -> Result<Option<String>, JwtDirError> {
        let text = self.read(path)?;
        if let Some(tracker) = &self.tracker {
            let expires = Claims::decode(&text).and_then(|claims| claims.expires());
            if tracker.hash_of(key).is_none() || expires.is_some_and(|expires| expires < now) {
                return Ok(None);
            }
        }
        Ok(Some(format!("{key}|{text}")))
    }
}

fn disk_error(path: &Path, source: io::Error) -> JwtDirError {
    JwtDirError::Disk { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
