//! Making a stream's last block ready for the changes of a journal.
//!
//! What was handed to the disk and not synced gets there in any order, and a crash may leave
//! later records behind a hole. To the block engine that is damage: it keeps what is behind, and
//! then nothing can be stored in the hole any more. But the journal has everything from the hole
//! on. So before the stream is opened its last block is cut at the hole, and replaying the
//! changes fills it up again.
//!
//! Damage that is older than the journal's changes is left to the block engine.
#![warn(clippy::indexing_slicing)]

use std::io;
use std::path::{Path, PathBuf};

use super::RecoveredGroup;
use crate::block::{BlockHash, BlockScan, Record, Scanned};
use crate::crypt::StreamKeys;
use crate::disk::{Disk, DiskFile};

/// A block of the stream, opened.
struct Block {
    file: Box<dyn DiskFile>,
    bytes: Vec<u8>,
    hash: BlockHash,
}

/// The blocks of a stream.
struct Blocks<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
    name: &'a str,
    keys: Option<&'a StreamKeys>,
    /// Ascending.
    numbers: Vec<u32>,
}

impl Blocks<'_> {
    /// A block, decrypted; nothing where its key is not there or does not open.
    fn read(&self, number: u32) -> io::Result<Option<Block>> {
        let file = self.disk.open(&self.dir.join(format!("{number}.blk")), false)?;
        let mut bytes = file.read_all()?;
        match self.disk.open(&self.dir.join(format!("{number}.key")), false) {
            Ok(key_file) => {
                let key = self.keys.and_then(|keys| {
                    let key_file = key_file.read_all().ok()?;
                    keys.open_block_key(number, &key_file).ok()
                });
                let Some(key) = key else { return Ok(None) };
                key.apply(0, &mut bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Some(Block { file, bytes, hash: BlockHash::new(self.name, number) }))
    }

    /// The highest sequence in the blocks before the last one; 0 when nothing says one.
    fn last_seq_before(&self) -> io::Result<u64> {
        for &number in self.numbers.iter().rev().skip(1) {
            let Some(block) = self.read(number)? else { return Ok(0) };
            let seqs = BlockScan::new(&block.hash, &block.bytes).filter_map(|piece| match piece {
                Scanned::Record { record, .. } => Some(record.seq),
                Scanned::Damaged { .. } | Scanned::Tail { .. } => None,
            });
            if let Some(last) = seqs.max() {
                return Ok(last);
            }
        }
        Ok(0)
    }
}

/// Cuts the last block of the stream `name` in `stream_dir` at a hole that the changes of `group`
/// fill. To be called before the stream is opened. `initial_seq` is the sequence that the stream
/// began with. Returns the sequence before the hole, if there was one.
///
/// Wherever it crashes it can be called again.
pub fn cut_hole(
    disk: &dyn Disk,
    stream_dir: &Path,
    name: &str,
    keys: Option<&StreamKeys>,
    initial_seq: u64,
    group: &RecoveredGroup,
) -> io::Result<Option<u64>> {
    let Some(first) = group.first_seq else { return Ok(None) };
    let dir = stream_dir.join("msgs");
    let entries = match disk.list(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = |name: &Path| name.to_str()?.strip_suffix(".blk")?.parse().ok();
    let mut numbers: Vec<u32> =
        entries.iter().filter_map(|entry| number(Path::new(&entry.name))).collect();
    numbers.sort_unstable();
    let Some(&last) = numbers.last() else { return Ok(None) };
    let blocks = Blocks { disk, dir, name, keys, numbers };
    let Some(block) = blocks.read(last)? else { return Ok(None) };
    if block.bytes.starts_with(b"cmp") && Record::decode(&block.hash, &block.bytes).is_err() {
        return Ok(None); // Compressed: it was synced before.
    }
    let mut before = 0;
    for piece in BlockScan::new(&block.hash, &block.bytes) {
        match piece {
            // A tombstone's sequence was given away before, too.
            Scanned::Record { record, .. } => before = before.max(record.seq),
            Scanned::Tail { .. } => return Ok(None), // Cut off by every start.
            Scanned::Damaged { offset, .. } => {
                let seq = blocks.last_seq_before()?.max(initial_seq.saturating_sub(1)).max(before);
                if first <= seq.saturating_add(1) {
                    block.file.set_len(offset as u64)?;
                    block.file.sync_data()?;
                    return Ok(Some(seq));
                }
            }
        }
    }
    Ok(None)
}
