//! The state of a consumer in its folder.
//!
//! `o.dat` is the state, sealed with the consumer's key where the stream is encrypted. A plain one
//! gets 16 bytes behind it that Go does not look at: `natsdsum`, and the HighwayHash-64 of what is
//! before, keyed with `STREAM/CONSUMER`. So damage is found in either; a file of Go's own, without
//! the sum, has to be read to its end. A state is never written in place.
//!
//! A damaged file is mended if one bit is off, else renamed, and the store says that the state is
//! lost until its owner says where the consumer stands: it is not taken for one that has got
//! nothing yet.
//!
//! Source: Go `server/filestore.go` (`ConsumerStore`, `consumerFileStore`).

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::Timestamp;

use super::tracker::Tracker;
use super::{ConsumerStore, ConsumerStoreConfig, ConsumerStoreError};
use crate::consumer_state::ConsumerState;
use crate::crypt::{RandomSource, SealKey, StreamKeys};
use crate::disk::Disk;
use crate::stream_dir::{
    self, Description, NameHash, ReplaceError, is_one_bit_off, mend, read_file, remove_if_there,
    replace_files, temporary,
};

const STATE_FILE: &str = "o.dat";
const DAMAGED_PREFIX: &str = "o.dat.damaged-";
/// States of an earlier consumer of the same name.
const STALE_PREFIX: &str = "o.dat.stale-";
const SUM_MAGIC: &[u8; 8] = b"natsdsum";
const SUM_SIZE: usize = SUM_MAGIC.len() + 8;
/// Larger states are not read.
const STATE_SIZE_MAX: u64 = 256 << 20;

/// Where a consumer's files are, and how they are encrypted.
pub struct ConsumerFiles {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The folder of the consumer.
    pub dir: PathBuf,
    /// The stream.
    pub stream: String,
    /// The consumer.
    pub name: String,
    /// The keys of the stream, if it is encrypted.
    pub keys: Option<StreamKeys>,
    /// For keys and nonces.
    pub random: RandomSource,
}

impl fmt::Debug for ConsumerFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = formatter.debug_struct("ConsumerFiles");
        out.field("dir", &self.dir).field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl ConsumerFiles {
    /// Makes the folder of a new consumer, with its description (JSON). What an earlier one of that
    /// name left there, without a description, is put aside.
    pub fn create(
        mut self,
        config: ConsumerStoreConfig,
        description: &[u8],
    ) -> Result<FileConsumerStore, ConsumerStoreError> {
        let disk = self.disk.as_ref();
        disk.create_dir_all(&self.dir).map_err(ReplaceError::at(&self.dir, false))?;
        for above in self.dir.ancestors().skip(1).take(2) {
            disk.sync_dir(above).map_err(ReplaceError::at(above, true))?;
        }
        self.clear_folder()?;
        let (key, key_file) = self.new_key();
        self.write_description(key.as_ref(), key_file.as_deref(), description, None)?;
        Ok(FileConsumerStore::new(self, key, config))
    }

    /// Ends a deletion that was begun, and puts aside the states of another consumer.
    fn clear_folder(&self) -> Result<(), ReplaceError> {
        let (disk, dir) = (self.disk.as_ref(), self.dir.as_path());
        let entries = disk.list(dir).map_err(ReplaceError::at(dir, false))?;
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        let names: BTreeSet<&str> = names.collect();
        if names.contains(stream_dir::META_FILE) {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(ReplaceError::at(&dir.join(stream_dir::META_FILE), false)(exists));
        }
        if names.is_empty() {
            return Ok(());
        }
        if names.contains(stream_dir::DELETED_FILE) {
            stream_dir::remove_deleted(disk, dir)?;
            disk.create_dir_all(dir).map_err(ReplaceError::at(dir, false))?;
            let above = dir.parent().unwrap_or(dir);
            return disk.sync_dir(above).map_err(ReplaceError::at(above, true));
        }
        // A key without a description, from a creation that a crash ended, would be taken for that
        // of a plain one.
        let key = dir.join(stream_dir::META_KEY_FILE);
        remove_if_there(disk, &key).map_err(ReplaceError::at(&key, false))?;
        stream_dir::remove_leftovers(disk, dir)?;
        let mut numbers = 1_u64..;
        for name in names {
            if name == STATE_FILE || name.starts_with(DAMAGED_PREFIX) {
                let mut free = numbers.by_ref().map(|number| format!("{STALE_PREFIX}{number}"));
                let free = free.find(|free| entries.iter().all(|entry| entry.name != **free));
                let free = dir.join(free.expect("a folder has fewer files than numbers"));
                let path = dir.join(name);
                disk.rename(&path, &free).map_err(ReplaceError::at(&path, false))?;
            }
        }
        let leftover = temporary(&self.state_path());
        remove_if_there(disk, &leftover).map_err(ReplaceError::at(&leftover, false))?;
        disk.sync_dir(dir).map_err(ReplaceError::at(dir, true))
    }

    /// Opens the store of a consumer whose description was read from the folder. Writes the files
    /// again where the description is outdated.
    pub fn open(
        mut self,
        config: ConsumerStoreConfig,
        description: &Description<SealKey>,
        now: Timestamp,
    ) -> Result<FileConsumerStore, ConsumerStoreError> {
        let found = self.find_state(description.keys.as_ref())?;
        let mut key = description.keys.clone();
        let mut is_outdated = found.is_outdated;
        if description.is_outdated {
            let key_file;
            (key, key_file) = match key {
                Some(key) if key.is_current() && !found.is_plain => (Some(key), None),
                _ => self.new_key(),
            };
            let state = found.state.as_ref().map(|state| self.encode(state, key.as_ref(), now));
            self.write_description(
                key.as_ref(),
                key_file.as_deref(),
                &description.content,
                state.as_deref(),
            )?;
            is_outdated = false;
        }
        let mut store = FileConsumerStore::new(self, key, config);
        store.is_on_disk = found.state.is_some();
        store.tracker.state = found.state.unwrap_or_default();
        store.is_dirty = is_outdated;
        store.lost = found.aside;
        store.was_mended = found.was_mended;
        store.flush(now)?;
        stream_dir::remove_leftovers(store.files.disk.as_ref(), &store.files.dir)?;
        let leftover = temporary(&store.files.state_path());
        remove_if_there(store.files.disk.as_ref(), &leftover)
            .map_err(ReplaceError::at(&leftover, false))?;
        Ok(store)
    }

    fn state_path(&self) -> PathBuf {
        self.dir.join(STATE_FILE)
    }

    fn hash(&self) -> NameHash {
        NameHash::of_consumer(&self.stream, &self.name)
    }

    /// A new key and its file, if the stream is encrypted.
    fn new_key(&mut self) -> (Option<SealKey>, Option<Vec<u8>>) {
        self.keys.as_ref().map(|keys| keys.new_consumer_key(&self.name, &mut *self.random)).unzip()
    }

    fn write_description(
        &mut self,
        key: Option<&SealKey>,
        key_file: Option<&[u8]>,
        content: &[u8],
        state: Option<&[u8]>,
    ) -> Result<(), ReplaceError> {
        let hash = self.hash();
        let files = stream_dir::description_files(&hash, content, key, &mut *self.random);
        let state = state.map(|state| (STATE_FILE, state));
        stream_dir::write(self.disk.as_ref(), &self.dir, key_file, &files, state)
    }

    /// The content of `o.dat`.
    fn encode(&mut self, state: &ConsumerState, key: Option<&SealKey>, now: Timestamp) -> Vec<u8> {
        let mut bytes = state.encode(now);
        match key {
            Some(key) => key.seal(&bytes, &mut *self.random),
            None => {
                let sum = self.hash().sum(&bytes);
                bytes.extend(SUM_MAGIC);
                bytes.extend(sum);
                bytes
            }
        }
    }

    /// The state in `o.dat`, or in the file that was to replace it, or none; a damaged file is
    /// put aside.
    fn find_state(&self, key: Option<&SealKey>) -> Result<Found, ConsumerStoreError> {
        let path = self.state_path();
        let read = |path: &Path| {
            read_file(self.disk.as_ref(), path, STATE_SIZE_MAX)
                .map_err(ReplaceError::at(path, false))
        };
        let newer = |version| ConsumerStoreError::Version { path: path.clone(), version };
        let hash = self.hash();
        let file = read(&path)?;
        if let Some(bytes) = &file {
            match decode(bytes, key, &hash) {
                Decoded::State { state, is_plain } => {
                    let is_outdated = is_plain && key.is_some();
                    return Ok(Found {
                        state: Some(state),
                        is_plain,
                        is_outdated,
                        ..Found::default()
                    });
                }
                Decoded::Newer(version) => return Err(newer(version)),
                Decoded::Damaged => {}
            }
        }
        let replacement = read(&temporary(&path))?;
        if let Some(bytes) = &replacement
            && let Decoded::State { state, is_plain } = decode(bytes, key, &hash)
        {
            return Ok(Found {
                state: Some(state),
                is_plain,
                is_outdated: true,
                ..Found::default()
            });
        }
        let Some(bytes) = file else {
            // Put aside by an earlier start, and nothing was said since.
            let aside = self.damaged_files()?.pop().map(|name| self.dir.join(name));
            return Ok(Found { aside, ..Found::default() });
        };
        if let Some(state) = mend_state(&bytes, key, &hash) {
            let found = Found { state: Some(state), is_outdated: true, ..Found::default() };
            return Ok(Found { was_mended: true, ..found });
        }
        Ok(Found { aside: Some(self.put_aside(&path)?), ..Found::default() })
    }

    /// The names of the states that were put aside, the oldest first.
    fn damaged_files(&self) -> Result<Vec<String>, ReplaceError> {
        let entries = self.disk.list(&self.dir).map_err(ReplaceError::at(&self.dir, false))?;
        let names = entries.into_iter().filter_map(|entry| entry.name.into_string().ok());
        let mut names: Vec<(u64, String)> = names
            .filter_map(|name| Some((name.strip_prefix(DAMAGED_PREFIX)?.parse().ok()?, name)))
            .collect();
        names.sort_unstable();
        Ok(names.into_iter().map(|(_, name)| name).collect())
    }

    /// Gives the damaged file a name of its own.
    fn put_aside(&self, path: &Path) -> Result<PathBuf, ReplaceError> {
        let taken = self.damaged_files()?;
        let mut names = (1_u64..).map(|number| format!("{DAMAGED_PREFIX}{number}"));
        let name = names.find(|name| !taken.contains(name));
        let aside = self.dir.join(name.expect("a folder has fewer files than numbers"));
        self.disk.rename(path, &aside).map_err(ReplaceError::at(path, false))?;
        self.disk.sync_dir(&self.dir).map_err(ReplaceError::at(&self.dir, true))?;
        Ok(aside)
    }
}

/// What the folder says about the state.
#[derive(Default)]
struct Found {
    state: Option<ConsumerState>,
    is_plain: bool,
    /// The file is to be written again.
    is_outdated: bool,
    was_mended: bool,
    /// Where the damaged file is.
    aside: Option<PathBuf>,
}

enum Decoded {
    State { state: ConsumerState, is_plain: bool },
    Newer(u8),
    Damaged,
}

fn decode(bytes: &[u8], key: Option<&SealKey>, hash: &NameHash) -> Decoded {
    if let Some(Ok(opened)) = key.map(|key| key.open(bytes)) {
        return match ConsumerState::decode(&opened) {
            Ok(state) => Decoded::State { state, is_plain: false },
            Err(_) => {
                ConsumerState::newer_version(&opened).map_or(Decoded::Damaged, Decoded::Newer)
            }
        };
    }
    // Also with a key: the state may be from before the stream was encrypted.
    let (content, is_sure) = match split_sum(bytes) {
        Some((content, sum)) if hash.sum(content) == sum => (content, true),
        Some(_) => return Decoded::Damaged,
        None => (bytes, false),
    };
    match ConsumerState::decode_start(content) {
        Ok((state, [])) => Decoded::State { state, is_plain: true },
        Ok(_) => Decoded::Damaged,
        // Of sealed bytes one in 65536 would look like that.
        Err(_) if key.is_some() && !is_sure => Decoded::Damaged,
        Err(_) => ConsumerState::newer_version(content).map_or(Decoded::Damaged, Decoded::Newer),
    }
}

/// A plain state and its sum, if it has one; one bit of the magic may be off.
fn split_sum(bytes: &[u8]) -> Option<(&[u8], [u8; 8])> {
    let (content, sum) = bytes.split_at(bytes.len().checked_sub(SUM_SIZE)?);
    let (magic, sum) = sum.split_at(SUM_MAGIC.len());
    let is_sum = magic == SUM_MAGIC || is_one_bit_off(magic, SUM_MAGIC);
    is_sum.then(|| (content, sum.try_into().expect("eight bytes")))
}

/// The state of a file that has one flipped bit.
fn mend_state(bytes: &[u8], key: Option<&SealKey>, hash: &NameHash) -> Option<ConsumerState> {
    if let Some(key) = key {
        let opened = mend(bytes, |bytes| key.open(bytes).ok())?;
        return ConsumerState::decode(&opened).ok();
    }
    let (content, sum) = split_sum(bytes)?;
    if is_one_bit_off(&hash.sum(content), &sum) {
        return ConsumerState::decode(content).ok(); // The sum itself is damaged.
    }
    mend(content, |content| {
        (hash.sum(content) == sum).then(|| ConsumerState::decode(content).ok()).flatten()
    })
}

/// The state of a consumer in its folder.
#[derive(Debug)]
pub struct FileConsumerStore {
    files: ConsumerFiles,
    key: Option<SealKey>,
    tracker: Tracker,
    is_dirty: bool,
    /// Whether `o.dat` is there.
    is_on_disk: bool,
    is_closed: bool,
    was_mended: bool,
    /// Where the damaged state is, until there is another one.
    lost: Option<PathBuf>,
    /// What could not be synced.
    stopped: Option<PathBuf>,
}

impl FileConsumerStore {
    fn new(files: ConsumerFiles, key: Option<SealKey>, config: ConsumerStoreConfig) -> Self {
        Self {
            files,
            key,
            tracker: Tracker { config, ..Tracker::default() },
            is_dirty: false,
            is_on_disk: false,
            is_closed: false,
            was_mended: false,
            lost: None,
            stopped: None,
        }
    }

    /// Where the damaged state is, if the state is lost.
    #[must_use]
    pub fn lost(&self) -> Option<&Path> {
        self.lost.as_deref()
    }

    /// Whether the state had one wrong bit when it was opened, and was mended.
    #[must_use]
    pub fn was_mended(&self) -> bool {
        self.was_mended
    }

    fn check_open(&self) -> Result<(), ConsumerStoreError> {
        if self.is_closed { Err(ConsumerStoreError::Closed) } else { Ok(()) }
    }

    fn check_state(&self) -> Result<(), ConsumerStoreError> {
        self.check_open()?;
        match &self.lost {
            Some(aside) => Err(ConsumerStoreError::Lost { aside: aside.clone() }),
            None => Ok(()),
        }
    }

    fn check_writable(&self) -> Result<(), ConsumerStoreError> {
        match &self.stopped {
            Some(path) => Err(ConsumerStoreError::Stopped { path: path.clone() }),
            None => Ok(()),
        }
    }

    fn replaced(&mut self, result: Result<(), ReplaceError>) -> Result<(), ConsumerStoreError> {
        if let Err(error) = &result
            && error.is_sync
        {
            self.stopped = Some(error.path.clone());
        }
        Ok(result?)
    }
}

impl ConsumerStore for FileConsumerStore {
    fn state(&self) -> Result<&ConsumerState, ConsumerStoreError> {
        self.check_state()?;
        Ok(&self.tracker.state)
    }

    fn has_state(&self) -> bool {
        self.tracker.has_state() || self.is_on_disk
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn config(&self) -> ConsumerStoreConfig {
        self.tracker.config
    }

    fn update_config(
        &mut self,
        config: ConsumerStoreConfig,
        description: &[u8],
    ) -> Result<(), ConsumerStoreError> {
        self.check_open()?;
        self.check_writable()?;
        let written = self.files.write_description(self.key.as_ref(), None, description, None);
        self.replaced(written)?;
        self.tracker.config = config;
        Ok(())
    }

    fn set_starting(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.check_open()?;
        self.lost = None;
        self.is_dirty = true;
        self.tracker.set_starting(seq);
        Ok(())
    }

    fn update_starting(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.check_state()?;
        self.is_dirty = true;
        self.tracker.update_starting(seq);
        Ok(())
    }

    fn reset(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.check_open()?;
        self.tracker.state = ConsumerState::default();
        self.set_starting(seq)
    }

    fn update_delivered(
        &mut self,
        consumer_seq: u64,
        stream_seq: u64,
        deliveries: u64,
        time: Timestamp,
    ) -> Result<(), ConsumerStoreError> {
        self.check_state()?;
        let changed = self.tracker.update_delivered(consumer_seq, stream_seq, deliveries, time)?;
        self.is_dirty |= changed;
        Ok(())
    }

    fn update_acks(
        &mut self,
        consumer_seq: u64,
        stream_seq: u64,
    ) -> Result<(), ConsumerStoreError> {
        self.check_state()?;
        let (changed, result) = self.tracker.update_acks(consumer_seq, stream_seq);
        self.is_dirty |= changed;
        result
    }

    fn remove_redelivered_below(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.check_state()?;
        self.is_dirty |= self.tracker.remove_redelivered_below(seq);
        Ok(())
    }

    fn update(&mut self, state: ConsumerState) -> Result<(), ConsumerStoreError> {
        self.check_state()?;
        Tracker::check(&state)?;
        if self.tracker.is_old(&state) {
            return Err(ConsumerStoreError::OldUpdate);
        }
        self.tracker.state = state;
        self.is_dirty = true;
        Ok(())
    }

    fn force_update(&mut self, state: ConsumerState) -> Result<(), ConsumerStoreError> {
        self.check_open()?;
        Tracker::check(&state)?;
        self.tracker.state = state;
        self.lost = None;
        self.is_dirty = true;
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    fn flush(&mut self, now: Timestamp) -> Result<(), ConsumerStoreError> {
        self.check_open()?;
        if !self.is_dirty {
            return Ok(());
        }
        self.check_writable()?;
        let bytes = self.files.encode(&self.tracker.state, self.key.as_ref(), now);
        let disk = self.files.disk.as_ref();
        let written = replace_files(disk, &self.files.dir, &[(STATE_FILE, &bytes)]);
        self.replaced(written)?;
        self.is_dirty = false;
        self.is_on_disk = true;
        Ok(())
    }

    fn stop(&mut self, now: Timestamp) -> Result<(), ConsumerStoreError> {
        if self.is_closed {
            return Ok(());
        }
        let flushed = self.flush(now);
        self.is_closed = true;
        flushed
    }

    fn delete(&mut self) -> Result<(), ConsumerStoreError> {
        if self.is_closed {
            return Ok(());
        }
        self.is_closed = true;
        self.is_on_disk = false;
        self.tracker.state = ConsumerState::default();
        Ok(stream_dir::delete_consumer(self.files.disk.as_ref(), &self.files.dir)?)
    }
}
