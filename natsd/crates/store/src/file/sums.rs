//! Sums beside the blocks, in `STREAM/sums`, where Go does not look.
//!
//! Blocks of natsd have sums of their own, see `block/borders.rs`. Two things they do not do:
//!
//! - `N` is the sum of the sizes in a block that a Go server wrote, made when the block was read, so
//!   what goes wrong from then on is found. It counts while it fits the block's size and last hash.
//! - `N.file` is the [`LocatingSum`] of a compressed block's file, decrypted: one wrong bit makes
//!   all behind it unreadable. It counts while it fits the size of the file.
//!
//! They are not synced: without them less is found and made right, no more.
//!
//! | offset | size | field of `N` |
//! |---|---|---|
//! | 0 | 8 | `natsd.b2` |
//! | 8 | 8 | size of the records in bytes |
//! | 16 | 8 | the last 8 bytes of the records |
//! | 24 | 8 | the sum of all messages |
//! | 32 | 8 | HighwayHash-64 of all before, as of `index.db` |
//!
//! | offset | size | field of `N.file` |
//! |---|---|---|
//! | 0 | 8 | `natsd.b3` |
//! | 8 | 8 | size of the file in bytes |
//! | 16 | 16 | the halves of the sum of the file |
//! | 32 | 8 | HighwayHash-64 of all before, as of `index.db` |
//!
//! Little endian.
#![warn(clippy::indexing_slicing)]

use std::io;
use std::path::{Path, PathBuf};

use super::FileStore;
use super::content::{self, Content};
use super::index::checksum;
use super::keys::KeyState;
use crate::block::{BlockHash, BlockScan, Borders, Scanned};
use crate::locate::{Difference, LocatingSum};
use crate::stream_store::StoreError;

const MAGIC: &[u8; 8] = b"natsd.b2";
const FILE_MAGIC: &[u8; 8] = b"natsd.b3";

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

    pub(super) fn file_sum_path(&self, number: u32) -> PathBuf {
        self.dir.join("sums").join(format!("{number}.file"))
    }

    /// Writes the sum of a block with these records.
    pub(super) fn write_sum(&self, number: u32, records: &[u8], sum: u64) {
        let mut content = head(records);
        content.extend(sum.to_le_bytes());
        self.write_with_hash(&self.sum_path(number), content);
    }

    /// Writes the sum of a block file with this content, which is not encrypted yet.
    pub(super) fn write_file_sum(&self, number: u32, file: &[u8]) {
        let LocatingSum { total, weighted } = LocatingSum::of(file);
        let mut content = FILE_MAGIC.to_vec();
        for word in [file.len() as u64, total, weighted] {
            content.extend(word.to_le_bytes());
        }
        self.write_with_hash(&self.file_sum_path(number), content);
    }

    /// The byte and the bit of a decrypted block file that its sum says is wrong. It may not be the
    /// only one.
    fn wrong_bit_of(&self, number: u32, file: &[u8]) -> Option<(usize, u32)> {
        let content = self.read_with_hash(&self.file_sum_path(number))?;
        let words = content.strip_prefix(FILE_MAGIC)?;
        let mut words = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        let (size, total, weighted) = (words.next()?, words.next()?, words.next()?);
        if size != file.len() as u64 {
            return None;
        }
        match (LocatingSum { total, weighted }).compare(file) {
            Difference::Bit { index, bit } => Some((index, bit)),
            Difference::None | Difference::Sum(_) | Difference::Many => None,
        }
    }

    /// A block file and what it holds, if the one bit that its sum says is wrong makes it good.
    pub(super) fn corrected_file(
        &self,
        number: u32,
        hash: &BlockHash,
    ) -> Result<Option<(Vec<u8>, Content)>, StoreError> {
        let mut file = self.disk.open(&self.block_path(number), false)?.read_all()?;
        let mut plain = file.clone();
        match self.key_state(number)? {
            KeyState::None => {}
            KeyState::Key(key) => key.apply(0, &mut plain),
            KeyState::Bad(_) => return Ok(None),
        }
        let Some((index, bit)) = self.wrong_bit_of(number, &plain) else { return Ok(None) };
        // A stream cipher: the same bit is wrong in both.
        for bytes in [&mut file, &mut plain] {
            if let Some(byte) = bytes.get_mut(index) {
                *byte ^= 1 << bit;
            }
        }
        let content = content::of(hash, plain);
        let is_good = content.missing == 0
            && BlockScan::new(hash, &content.records)
                .all(|scanned| matches!(scanned, Scanned::Record { .. }));
        Ok(is_good.then_some((file, content)))
    }

    fn write_with_hash(&self, path: &Path, content: Vec<u8>) {
        let mut bytes = content;
        bytes.extend(checksum(&self.file_config.name, &bytes));
        let open = || self.disk.open(path, true);
        let file = open().or_else(|_| {
            self.disk.create_dir_all(&self.dir.join("sums"))?;
            open()
        });
        let _: io::Result<()> = file.and_then(|file| file.write_all_at(&bytes, 0));
    }

    /// The same for the last block, when all of it is in memory and has messages of a Go server.
    pub(super) fn write_last_sum(&self) {
        if self.is_partly_summed
            && let Some(block) = self.blocks.back()
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
        let content = self.read_with_hash(&self.sum_path(number))?;
        let sum = content.strip_prefix(head(records).as_slice())?;
        Some(u64::from_le_bytes(sum.try_into().ok()?))
    }

    fn read_with_hash(&self, path: &Path) -> Option<Vec<u8>> {
        let mut content = self.disk.open(path, false).ok()?.read_all().ok()?;
        let hash = *content.last_chunk::<8>()?;
        content.truncate(content.len() - hash.len());
        (checksum(&self.file_config.name, &content) == hash).then_some(content)
    }
}
