//! The sums of the sizes in blocks of a Go server: `STREAM/sums/N`, where Go does not look.
//!
//! Blocks of natsd have sums of their own, see `block/borders.rs`. One beside the block is written
//! when the block was read, so what goes wrong from then on is found. It is not synced, and counts
//! while it fits the block's size and last hash.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | `natsd.b2` |
//! | 8 | 8 | size of the records in bytes |
//! | 16 | 8 | the last 8 bytes of the records |
//! | 24 | 8 | the sum of all messages |
//! | 32 | 8 | HighwayHash-64 of all before, as of `index.db` |
//!
//! Little endian.
#![warn(clippy::indexing_slicing)]

use std::io;
use std::path::PathBuf;

use super::FileStore;
use super::index::checksum;
use crate::block::Borders;
use crate::stream_store::StoreError;

const MAGIC: &[u8; 8] = b"natsd.b2";

/// What the sum belongs to.
fn head(records: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend((records.len() as u64).to_le_bytes());
    out.extend(records.last_chunk::<8>().copied().unwrap_or_default());
    out
}

impl FileStore {
    pub(super) fn sum_path(&self, number: u32) -> PathBuf {
        self.dir.join("sums").join(number.to_string())
    }

    /// Writes the sum of a block with these records; without it less is found, no more.
    pub(super) fn write_sum(&self, number: u32, records: &[u8], sum: u64) {
        let mut bytes = head(records);
        bytes.extend(sum.to_le_bytes());
        bytes.extend(checksum(&self.file_config.name, &bytes));
        let path = self.sum_path(number);
        let open = || self.disk.open(&path, true);
        let file = open().or_else(|_| {
            self.disk.create_dir_all(&self.dir.join("sums"))?;
            open()
        });
        let _: io::Result<()> = file.and_then(|file| file.write_all_at(&bytes, 0));
    }

    /// The same for the last block, when all of it is in memory and has messages of a Go server.
    pub(super) fn write_last_sum(&self) {
        if let Some(block) = self.blocks.back()
            && let Some(cache) = block.cache.as_ref().filter(|cache| cache.start == 0)
        {
            let borders = Borders::of(&cache.records);
            if borders.has_unsummed() {
                self.write_sum(block.number, &cache.records, borders.whole());
            }
        }
    }

    /// The sum beside a block with these records, if it has messages that need one.
    pub(super) fn said_beside(
        &self,
        number: u32,
        borders: &Borders,
        records: &[u8],
    ) -> Option<u64> {
        if borders.has_unsummed() { self.read_sum(number, records) } else { None }
    }

    /// Writes the sum of a block that was read and found good, if it needs one and has none.
    pub(super) fn keep_sum(&self, number: u32, borders: &Borders, records: &[u8], is_last: bool) {
        let needs_one = borders.has_unsummed() && !is_last && !self.is_stopped;
        if needs_one && self.read_sum(number, records).is_none() {
            self.write_sum(number, records, borders.whole());
        }
    }

    /// Puts all messages of the last block into a sum, for which it is read.
    pub(super) fn sum_last_block(&mut self) {
        let Some(last) = self.blocks.back() else { return };
        let (index, size) = (self.blocks.len() - 1, last.size.unwrap_or(0));
        if self.is_stopped || self.summed >= size || self.load_block(index, 0).is_err() {
            return;
        }
        self.append_sum();
        // The next one does it.
        let _: Result<(), StoreError> = self.flush();
    }

    /// The sum that was written for a block with these records.
    pub(super) fn read_sum(&self, number: u32, records: &[u8]) -> Option<u64> {
        let bytes = self.disk.open(&self.sum_path(number), false).ok()?.read_all().ok()?;
        let (content, hash) = bytes.split_last_chunk::<8>()?;
        let sum = content.strip_prefix(head(records).as_slice())?;
        let is_whole = checksum(&self.file_config.name, content) == *hash;
        Some(u64::from_le_bytes(sum.try_into().ok()?)).filter(|_| is_whole)
    }
}
