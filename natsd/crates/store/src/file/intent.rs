//! The file that says that blocks are about to go because the stream was truncated.
//!
//! `STREAM/truncate.natsd`, which Go ignores. It is there from the moment the truncation is
//! decided until it is done, and names the last block with its size: when a server has written to
//! the stream since, it does not count any more.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | `natsd.t1` |
//! | 8 | 4 | the block that becomes the last one, its content in `N.blk.tmp`; 0: none stays |
//! | 12 | 4 | the last block that goes |
//! | 16 | 8 | the size of that |
//! | 24 | 8 | HighwayHash-64, as of `index.db` |
//!
//! Little endian.
#![warn(clippy::indexing_slicing)]

use std::io;
use std::path::PathBuf;

use super::index::checksum;
use super::{FileStore, FileStoreError};
use crate::stream_store::StoreError;

const MAGIC: &[u8; 8] = b"natsd.t1";
const SIZE: usize = 32;

/// What is left to do of a truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intent {
    kept: u32,
    last: u32,
    last_size: u64,
}

impl Intent {
    fn encode(&self, name: &str) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.kept.to_le_bytes());
        out.extend(self.last.to_le_bytes());
        out.extend(self.last_size.to_le_bytes());
        out.extend(checksum(name, &out));
        out
    }

    fn decode(name: &str, bytes: &[u8]) -> Option<Self> {
        let (content, hash) = bytes.split_last_chunk::<8>()?;
        let rest = content.strip_prefix(MAGIC)?;
        let (kept, rest) = rest.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        let last_size: [u8; 8] = rest.try_into().ok()?;
        (bytes.len() == SIZE && checksum(name, content) == *hash).then(|| Self {
            kept: u32::from_le_bytes(*kept),
            last: u32::from_le_bytes(*last),
            last_size: u64::from_le_bytes(last_size),
        })
    }
}

impl FileStore {
    fn intent_path(&self) -> PathBuf {
        self.dir.join("truncate.natsd")
    }

    /// Decides that the blocks behind `index` go; all of them when there is no such block.
    pub(super) fn write_intent(&mut self, index: usize) -> Result<(), StoreError> {
        let kept = self.blocks.get(index).map_or(0, |block| block.number);
        let last = self.blocks.back().map_or(0, |block| block.number);
        let last_size = self.flushed as u64;
        let bytes = Intent { kept, last, last_size }.encode(&self.file_config.name);
        let path = self.intent_path();
        self.write_file(&path, &bytes)
    }

    /// The truncation is done.
    pub(super) fn remove_intent(&mut self) {
        // If it stays it finds nothing to do, or a newer block that makes it void.
        let path = self.intent_path();
        let removed = self.disk.remove_file(&path).and_then(|()| self.disk.sync_dir(&self.dir));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            self.stop_writing(&error);
        }
    }

    /// Does what is left of a truncation that a crash interrupted.
    pub(super) fn finish_intent(&mut self, numbers: &[u32]) -> Result<(), FileStoreError> {
        let path = self.intent_path();
        let bytes = match self.disk.open(&path, false).and_then(|file| file.read_all()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(FileStoreError::Read { path, source }),
        };
        if self.file_config.read_only {
            return Ok(());
        }
        let intent = Intent::decode(&self.file_config.name, &bytes);
        let intent = intent.filter(|intent| self.is_intent_valid(intent, numbers));
        let done = match intent {
            Some(intent) => self.apply_intent(intent, numbers),
            None => self.set_aside("truncate.natsd", &bytes),
        };
        done.map_err(|source| FileStoreError::Write { path: self.dir.clone(), source })?;
        self.remove_intent();
        match self.failure {
            Some(source) => Err(FileStoreError::Write { path, source }),
            None => Ok(()),
        }
    }

    fn is_intent_valid(&self, intent: &Intent, numbers: &[u32]) -> bool {
        let newest = numbers.last().copied().unwrap_or(0);
        let file = self.disk.open(&self.block_path(intent.last), false);
        let size = file.and_then(|file| file.len()).ok();
        newest <= intent.last && size.is_none_or(|size| size == intent.last_size)
    }

    fn apply_intent(&mut self, intent: Intent, numbers: &[u32]) -> Result<(), StoreError> {
        let path = self.block_path(intent.kept);
        let temporary = path.with_extension("blk.tmp");
        if intent.kept > 0 && self.disk.open(&temporary, false).is_ok() {
            self.disk.rename(&temporary, &path)?;
        }
        for &number in numbers.iter().filter(|&&number| number > intent.kept) {
            self.disk.remove_file(&self.block_path(number))?;
        }
        self.needs_dir_sync = true;
        self.sync_names()
    }
}
