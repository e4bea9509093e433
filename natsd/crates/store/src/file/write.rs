//! Appending records, and making them durable.
//!
//! Records go into the last block's cache; [`FileStore::flush`] hands them to the disk,
//! [`FileStore::sync`] makes them durable. A block is durable before the next one begins, and a
//! file goes away or is replaced only when the records that made it useless are durable: so a
//! crash leaves a prefix of the changes.
//!
//! Source: Go `server/filestore.go` (`writeMsgRecordLocked`, `newMsgBlockForWrite`,
//! `flushPendingMsgsLocked`, `atomicOverwriteFile`).

use std::io;
use std::path::{Path, PathBuf};

use natsd_base::Timestamp;

use super::block::{Block, Mark};
use super::cache::BlockCache;
use super::{Compression, FileStore};
use crate::block::{BlockHash, Borders, EMPTY_RECORD_SIZE, Record, RecordKind, append_sum};
use crate::disk::DiskFile;
use crate::stream_store::StoreError;

/// Begins the body of a tombstone that says that everything up to its sequence is removed. Go
/// sees the tombstone of that sequence alone. Where the record begins follows, so that no two in
/// a block are the same: `index.db` is told from a stale one by the last hash.
pub(super) const FLOOR_MAGIC: &[u8; 8] = b"natsd.f1";
/// The body of a tombstone that says that all blocks before its own are void.
pub(super) const PURGE_BODY: &[u8] = b"natsd.p1";
/// Bytes of such a record.
pub(super) const FLOOR_SIZE: usize = EMPTY_RECORD_SIZE + FLOOR_MAGIC.len() + 4;

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error.kind())
    }
}

/// Begins the body of a tombstone of sequence 0, which removes nothing: what is before it in the
/// block was durable when it was written. So what is damaged before it was damaged later, and what
/// is behind the last one and does not fit was never written whole.
pub(super) const SYNC_MAGIC: &[u8; 8] = b"natsd.s1";

/// Bytes of such a record.
pub(super) const MARKER_SIZE: usize = EMPTY_RECORD_SIZE + SYNC_MAGIC.len() + 4;

/// The body with `magic` of a record that begins at `offset` of its block.
pub(super) fn marked_body(magic: &[u8; 8], offset: usize) -> [u8; 12] {
    let offset = u32::try_from(offset).expect("blocks are smaller than 1 GiB");
    let mut body = [0; 12];
    body[..8].copy_from_slice(magic);
    body[8..].copy_from_slice(&offset.to_le_bytes());
    body
}

/// The record that removes `seq`.
pub(super) fn tombstone(seq: u64, time: Timestamp, body: &[u8]) -> Record<'_> {
    let kind = RecordKind::Tombstone;
    Record { seq, timestamp: time, kind, subject: b"", headers: b"", body }
}

impl FileStore {
    pub(super) fn block_path(&self, number: u32) -> PathBuf {
        self.messages_dir.join(format!("{number}.blk"))
    }

    pub(super) fn hash_of_block(&self, number: u32) -> BlockHash {
        BlockHash::new(&self.file_config.name, number)
    }

    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        if self.is_stopped { Err(StoreError::Stopped) } else { Ok(()) }
    }

    /// A sync failed: what is on disk is not known, and writing on would build on it.
    pub(super) fn stop_writing(&mut self, error: &io::Error) -> StoreError {
        let error = StoreError::Disk(error.kind());
        self.is_stopped = true;
        self.failure.get_or_insert(error);
        error
    }

    pub(super) fn last_mark(&self) -> Mark {
        let time = self.state.last_time.unwrap_or(Timestamp(0));
        Mark { seq: self.state.last_seq, time }
    }

    /// Begins a block in memory; its file comes with the first flush.
    pub(super) fn add_block(&mut self) {
        let block = Block::new(self.next_number, self.last_mark());
        self.next_number += 1;
        self.blocks.push_back(block);
        (self.file, self.file_key) = (None, None);
        (self.flushed, self.summed, self.is_partly_summed) = (0, 0, false);
        self.needs_sync = false;
        // The first flush sees to it.
        (self.needs_marker, self.has_marker) = (true, true);
    }

    /// Bytes of the last block that are in memory only.
    pub(super) fn pending_size(&self) -> usize {
        self.blocks.back().and_then(|block| block.size).unwrap_or(0) - self.flushed
    }

    /// Makes room for records of `size` bytes together in one block. When it fails nothing has
    /// changed for readers.
    pub(super) fn prepare(&mut self, size: usize) -> Result<(), StoreError> {
        self.check_writable()?;
        let block_size = usize::try_from(self.file_config.block_size).unwrap_or(usize::MAX);
        match self.blocks.back().map(|block| block.size.unwrap_or(0)) {
            None => self.add_block(),
            Some(used) if used > 0 && used + size > block_size => self.roll()?,
            Some(_) if self.pending_size() + size > self.file_config.write_buffer_max => {
                self.flush()?
            }
            Some(_) => {}
        }
        assert!(self.make_cache(), "there is a block");
        if self.needs_marker && self.pending_size() == 0 {
            if self.needs_sync {
                self.sync_log()?;
            }
            self.append_marker();
            if !self.has_marker {
                self.sync_log()?;
                (self.has_marker, self.needs_marker) = (true, false);
            }
        }
        let Mark { seq, time } = self.last_mark();
        if std::mem::take(&mut self.is_last_silent) && !self.is_live(seq) {
            self.append(&tombstone(seq, time, b""));
        }
        Ok(())
    }

    fn append_marker(&mut self) {
        let offset = self.blocks.back().and_then(|block| block.size).unwrap_or(0);
        self.append(&tombstone(0, Timestamp(0), &marked_body(SYNC_MAGIC, offset)));
        self.needs_marker = false;
    }

    /// Writes that everything is durable, for the next start.
    pub(super) fn mark_end(&mut self) -> Result<(), StoreError> {
        if self.needs_marker && self.has_written && self.make_cache() {
            self.append_marker();
            self.sync_log()?;
        }
        Ok(())
    }

    /// Appends a record to the last block, which [`FileStore::prepare`] made room in. Returns
    /// where it begins in the cache.
    pub(super) fn append(&mut self, record: &Record<'_>) -> usize {
        let last = self.blocks.back_mut().expect("it was prepared");
        let cache = last.cache.as_mut().expect("it was prepared");
        let offset = cache.records.len();
        record.encode(&cache.hash, &mut cache.records).expect("the size was checked");
        last.size = Some(cache.end());
        last.last_hash = *cache.records.last_chunk().expect("every record has a hash");
        offset
    }

    /// Bytes that a removal takes.
    pub(super) fn tombstone_size(&self) -> usize {
        if self.is_head_untold { EMPTY_RECORD_SIZE + FLOOR_SIZE } else { EMPTY_RECORD_SIZE }
    }

    /// Writes that `seq` was removed. A tombstone makes room below the limits, so what they
    /// removed before must be told from then on.
    pub(super) fn append_tombstone(&mut self, seq: u64, time: Timestamp) {
        if self.is_head_untold && self.state.first_seq > 1 {
            self.append_floor(self.state.first_seq - 1);
        }
        self.append(&tombstone(seq, time, b""));
    }

    /// Writes that everything up to `seq` was removed.
    pub(super) fn append_floor(&mut self, seq: u64) {
        let time = if seq == self.state.last_seq { self.last_mark().time } else { Timestamp(0) };
        let offset = self.blocks.back().and_then(|block| block.size).unwrap_or(0);
        self.append(&tombstone(seq, time, &marked_body(FLOOR_MAGIC, offset)));
        self.is_head_untold = false;
        self.told_floor = seq;
    }

    /// Writes that everything before the first sequence was removed, before files go: they may go
    /// in any order, those with tombstones before those with the messages.
    fn append_head_floor(&mut self) {
        let has_cache = self.blocks.back().is_some_and(|block| block.cache.is_some());
        if self.told_floor + 1 < self.state.first_seq && (has_cache || self.make_cache()) {
            self.append_floor(self.state.first_seq - 1);
        }
    }

    /// Writes that everything before the first sequence was removed, unless it was told before.
    pub(super) fn tell_floor(&mut self) -> Result<(), StoreError> {
        if self.told_floor + 1 < self.state.first_seq {
            self.prepare(FLOOR_SIZE)?;
            self.append_floor(self.state.first_seq - 1);
        }
        Ok(())
    }

    /// Gives the last block a cache to write into; whether there is one.
    fn make_cache(&mut self) -> bool {
        let Some(last) = self.blocks.back_mut() else { return false };
        if last.cache.is_none() {
            let number = last.number;
            let start = last.size.unwrap_or(0);
            let hash = BlockHash::new(&self.file_config.name, number);
            let mut cache = Box::new(BlockCache::new(hash, start));
            cache.records = std::mem::take(&mut self.spare);
            last.cache = Some(cache);
            self.touch(number);
            self.make_room(number);
        }
        true
    }

    /// Writes that everything before the first sequence was removed, if that is not known yet.
    pub(super) fn tell_head(&mut self) -> Result<(), StoreError> {
        if self.is_head_untold && self.state.first_seq > 1 {
            self.prepare(FLOOR_SIZE)?;
            self.append_floor(self.state.first_seq - 1);
        }
        Ok(())
    }

    /// Ends the last block and begins the next one.
    pub(super) fn roll(&mut self) -> Result<(), StoreError> {
        if !self.obsolete.is_empty() {
            self.append_head_floor();
        }
        self.sync_log()?;
        self.write_last_sum();
        if self.file_config.compression == Compression::S2 {
            let last = self.blocks.len() - 1;
            // A block that stays plain is no harm.
            if let Err(error) = self.compress_block(last)
                && self.is_stopped
            {
                return Err(error);
            }
        }
        self.remove_obsolete();
        self.add_block();
        // The last block always tells the last sequence: the others may be rewritten.
        let last_seq = self.state.last_seq;
        self.is_last_silent = last_seq > 0 && !self.is_live(last_seq);
        Ok(())
    }

    /// Hands everything to the disk. It is not durable yet.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending_size() == 0 {
            return Ok(());
        }
        self.check_writable()?;
        self.append_sum();
        let last = self.blocks.back().expect("something is pending");
        let (number, size) = (last.number, last.size.unwrap_or(0));
        self.open_last(number)?;
        if self.flushed == 0 && size > MARKER_SIZE {
            // A new block begins with a marker. Without it, torn writes could not be told.
            self.write_pending(MARKER_SIZE)?;
            self.sync_file()?;
        }
        self.write_pending(size)
    }

    /// Appends the sum of the sizes of messages that are in none.
    pub(super) fn append_sum(&mut self) {
        let last = self.blocks.back_mut().expect("it was prepared");
        let cache = last.cache.as_mut().expect("it was prepared");
        append_sum(&cache.hash, &mut cache.records, cache.start, self.summed);
        self.summed = cache.end();
        last.size = Some(cache.end());
        last.last_hash = cache.records.last_chunk().copied().unwrap_or(last.last_hash);
    }

    /// Hands what is pending to the disk, up to the byte `end` of the last block.
    fn write_pending(&mut self, end: usize) -> Result<(), StoreError> {
        let (last, file) = (self.blocks.back(), self.file.as_ref());
        let cache = last.and_then(|block| block.cache.as_ref()).expect("something is pending");
        let bytes = &cache.records[self.flushed - cache.start..end - cache.start];
        let file = file.expect("it was opened");
        let offset = self.flushed as u64;
        match &self.file_key {
            Some(key) => {
                let mut bytes = bytes.to_vec();
                key.apply(offset, &mut bytes);
                file.write_all_at(&bytes, offset)?;
            }
            None => file.write_all_at(bytes, offset)?,
        }
        self.flushed = end;
        (self.needs_sync, self.has_written) = (true, true);
        Ok(())
    }

    /// Opens the file of the last block; makes it, and its key, when it is new.
    pub(super) fn open_last(&mut self, number: u32) -> Result<(), StoreError> {
        if self.file.is_some() {
            return Ok(());
        }
        let path = self.block_path(number);
        // What was not flushed yet may have a file already, from before a write failed.
        let is_new = self.flushed == 0 && self.disk.open(&path, false).is_err();
        self.file_key =
            if is_new { self.create_block_key(number)? } else { self.block_key(number)? };
        self.file = Some(self.disk.open(&path, true)?);
        self.needs_dir_sync |= self.flushed == 0;
        Ok(())
    }

    pub(super) fn sync_log(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        if self.needs_sync
            && let Some(number) = self.blocks.back().map(|block| block.number)
        {
            self.open_last(number)?;
            self.sync_file()?;
            self.needs_marker = true;
        }
        self.sync_names()
    }

    fn sync_file(&mut self) -> Result<(), StoreError> {
        if let Some(Err(error)) = self.file.as_ref().map(|file| file.sync_data()) {
            return Err(self.stop_writing(&error));
        }
        self.needs_sync = false;
        Ok(())
    }

    pub(super) fn sync_names(&mut self) -> Result<(), StoreError> {
        if self.needs_dir_sync {
            if let Err(error) = self.disk.sync_dir(&self.messages_dir) {
                return Err(self.stop_writing(&error));
            }
            self.needs_dir_sync = false;
        }
        Ok(())
    }

    /// Hands everything to the disk and returns the file whose sync makes it durable, if there is
    /// something to sync: for a journal, whose disk thread does it. Names are durable already.
    pub fn unsynced_file(&mut self) -> Result<Option<Box<dyn DiskFile>>, StoreError> {
        self.flush()?;
        self.sync_names()?;
        match self.blocks.back() {
            Some(last) if self.needs_sync => {
                Ok(Some(self.disk.open(&self.block_path(last.number), false)?))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Makes everything durable. When this fails in syncing the store does not write any more.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.check_writable()?;
        if !self.obsolete.is_empty() {
            if self.is_last_silent {
                self.prepare(EMPTY_RECORD_SIZE)?;
            }
            self.append_head_floor();
        }
        self.sync_log()?;
        self.remove_obsolete();
        match self.compact_sparse() {
            // Everything is durable, and the block can be read as it is.
            Err(_) if !self.is_stopped => Ok(()),
            other => other,
        }
    }

    /// Removes the files of blocks that are empty for good. The log is durable.
    pub(super) fn remove_obsolete(&mut self) {
        if self.is_last_silent {
            return;
        }
        for number in std::mem::take(&mut self.obsolete) {
            match self.disk.remove_file(&self.block_path(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.obsolete.push(number),
                Ok(()) | Err(_) => {
                    let _: io::Result<()> = self.disk.remove_file(&self.key_path(number));
                    for path in [self.sum_path(number), self.file_sum_path(number)] {
                        let _: io::Result<()> = self.disk.remove_file(&path);
                    }
                    self.needs_dir_sync = true;
                }
            }
        }
    }

    /// Writes a file whole and durable, or leaves the one that there was.
    pub(super) fn write_file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let written = self
            .write_durable(&temporary, bytes)
            .and_then(|()| self.disk.rename(&temporary, path).map_err(StoreError::from));
        if let Err(error) = written {
            let _: io::Result<()> = self.disk.remove_file(&temporary);
            return Err(error);
        }
        let dir = path.parent().unwrap_or(&self.messages_dir).to_owned();
        match self.disk.sync_dir(&dir) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.stop_writing(&error)),
        }
    }

    /// Writes a file and syncs it, but not its name.
    pub(super) fn write_durable(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let file: Box<dyn DiskFile> = self.disk.open(path, true)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        match file.sync_data() {
            Ok(()) => Ok(()),
            Err(error) => Err(self.stop_writing(&error)),
        }
    }

    /// Writes the file of a block whole.
    pub(super) fn write_block(
        &mut self,
        number: u32,
        records: &[u8],
        compression: Compression,
    ) -> Result<(), StoreError> {
        let key = self.block_key(number)?;
        let mut bytes = self.encode_block(records, compression, None);
        if compression != Compression::None {
            self.write_file_sum(number, &bytes);
        }
        if let Some(key) = key {
            key.apply(0, &mut bytes);
        }
        self.write_file(&self.block_path(number), &bytes)
    }

    /// Puts other records into a block: all or none of them are there after a crash. What the
    /// block loses must have been made useless by records that are durable.
    pub(super) fn replace_block(
        &mut self,
        index: usize,
        records: &[u8],
        compression: Compression,
    ) -> Result<(), StoreError> {
        let number = self.blocks[index].number;
        self.write_block(number, records, compression)?;
        let is_last = index + 1 == self.blocks.len();
        let borders = Borders::of(records);
        if borders.has_unsummed() && !is_last {
            self.write_sum(number, records, borders.whole());
        }
        let block = &mut self.blocks[index];
        block.size = Some(records.len());
        block.last_hash = records.last_chunk().copied().unwrap_or_default();
        if is_last {
            self.file = None; // It has the old file open.
            (self.flushed, self.summed) = (records.len(), borders.tail());
            (self.needs_sync, self.needs_marker) = (false, true);
        }
        Ok(())
    }

    /// Compresses a block that is not written any more and is durable.
    fn compress_block(&mut self, index: usize) -> Result<(), StoreError> {
        let number = self.blocks[index].number;
        let cached = self.blocks[index].cache.as_ref().filter(|cache| cache.start == 0);
        let records = match cached {
            Some(cache) => cache.records.clone(),
            None => self.read_block(number)?.records,
        };
        self.replace_block(index, &records, Compression::S2)
    }
}
