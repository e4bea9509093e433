//! The sums of the sizes in blocks, which no hash covers: `STREAM/sums/N`, where Go does not look.
//!
//! Written when a block is full, written anew or the store is stopped, and not synced: it is only
//! for finding one wrong bit. It counts while it fits the block's size and last hash.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | `natsd.b1` |
//! | 8 | 8 | size of the records in bytes |
//! | 16 | 8 | the last 8 bytes of the records |
//! | 24 | 8 | the sum |
//! | 32 | 8 | HighwayHash-64 of all before, as of `index.db` |
//!
//! Little endian.
#![warn(clippy::indexing_slicing)]

use std::io;
use std::path::PathBuf;

use super::FileStore;
use super::index::checksum;
use crate::block::border_sum;

const MAGIC: &[u8; 8] = b"natsd.b1";

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
    pub(super) fn write_sum(&self, number: u32, records: &[u8]) {
        let mut bytes = head(records);
        bytes.extend(border_sum(records).to_le_bytes());
        bytes.extend(checksum(&self.file_config.name, &bytes));
        let path = self.sum_path(number);
        let open = || self.disk.open(&path, true);
        let file = open().or_else(|_| {
            self.disk.create_dir_all(&self.dir.join("sums"))?;
            open()
        });
        let _: io::Result<()> = file.and_then(|file| file.write_all_at(&bytes, 0));
    }

    /// The same for the last block, when all of it is in memory.
    pub(super) fn write_last_sum(&self) {
        if let Some(block) = self.blocks.back()
            && let Some(cache) = block.cache.as_ref().filter(|cache| cache.start == 0)
        {
            self.write_sum(block.number, &cache.records);
        }
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
