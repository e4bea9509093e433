//! All records of a block in order, past damage.
//!
//! Go loses everything behind the first damaged record. Here the scan goes on, at the first of:
//! where the record ends if one flipped bit of its size makes its hash right; where the record
//! says that it ends, if one begins there; the next place where a record with a right hash and a
//! higher sequence begins. The order matters: a body may hold the bytes of a record, made by
//! whoever published it, and must not be taken for one because the record around it is damaged.
//! What cannot be read at the end is a torn write, or damage that nobody can tell from one.
//!
//! Source: behaviour of Go `rebuildStateFromBufLocked`; going on after damage is our own.
#![warn(clippy::indexing_slicing)]

use super::record::{
    BlockHash, Damage, EMPTY_RECORD_SIZE, Record, RecordKind, is_record_of, near_sizes, peek,
};

/// Hashing while searching for the next record is bounded by this many times the block, so that
/// made-up content costs no more than reading the block that often.
const SEARCH_PASSES: usize = 16;

/// One piece of a block. The pieces follow each other without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// A record with a right hash.
    Record {
        /// Of its first byte in the block.
        offset: usize,
        /// In bytes.
        size: usize,
        /// What it holds.
        record: Record<'a>,
    },
    /// Bytes that are no record, with records behind them.
    Damaged {
        /// Of the first byte in the block.
        offset: usize,
        /// In bytes.
        size: usize,
        /// What is wrong with the first record in it.
        damage: Damage,
    },
    /// Bytes at the end of the block that are no record: cut them off.
    Tail {
        /// Of the first byte in the block.
        offset: usize,
        /// In bytes.
        size: usize,
        /// What is wrong with the first record in it.
        damage: Damage,
    },
}

/// The pieces of a block in order.
#[derive(Debug, Clone)]
pub struct BlockScan<'a> {
    block: &'a [u8],
    hash: &'a BlockHash,
    offset: usize,
    /// The highest sequence that was not a tombstone's.
    last_seq: u64,
    /// Bytes that searches may still hash.
    search_budget: usize,
}

impl<'a> BlockScan<'a> {
    /// Scans the plain content of a block, decompressed and decrypted.
    #[must_use]
    pub fn new(hash: &'a BlockHash, block: &'a [u8]) -> Self {
        let search_budget = block.len().saturating_mul(SEARCH_PASSES);
        Self { block, hash, offset: 0, last_seq: 0, search_budget }
    }

    fn rest(&self, offset: usize) -> &'a [u8] {
        self.block.get(offset..).unwrap_or_default()
    }

    /// Where a record begins behind the damaged one at the offset.
    fn resume(&mut self) -> Option<usize> {
        let damaged = self.rest(self.offset);
        for (field, size) in near_sizes(damaged) {
            self.search_budget = self.search_budget.checked_sub(size)?;
            let end = self.offset + size;
            if end < self.block.len() && is_record_of(self.hash, damaged, field) {
                return Some(end);
            }
        }
        if let Some((size, _, _)) = peek(damaged) {
            let behind = self.rest(self.offset + size);
            if Record::decode(self.hash, behind).is_ok() {
                return Some(self.offset + size);
            }
        }
        let last = self.block.len().checked_sub(EMPTY_RECORD_SIZE)?;
        for offset in self.offset + 1..=last {
            let Some((size, seq, kind)) = peek(self.rest(offset)) else { continue };
            let is_next = match kind {
                RecordKind::Tombstone => true,
                RecordKind::Message | RecordKind::Erased => seq > self.last_seq,
            };
            if !is_next {
                continue;
            }
            self.search_budget = self.search_budget.checked_sub(size)?;
            if Record::decode(self.hash, self.rest(offset)).is_ok() {
                return Some(offset);
            }
        }
        None
    }
}

impl<'a> Iterator for BlockScan<'a> {
    type Item = Scanned<'a>;

    fn next(&mut self) -> Option<Scanned<'a>> {
        let offset = self.offset;
        let rest = self.rest(offset);
        if rest.is_empty() {
            return None;
        }
        match Record::decode(self.hash, rest) {
            Ok((record, size)) => {
                self.offset += size;
                if record.kind != RecordKind::Tombstone {
                    self.last_seq = self.last_seq.max(record.seq);
                }
                Some(Scanned::Record { offset, size, record })
            }
            Err(damage) => match self.resume() {
                Some(next) => {
                    self.offset = next;
                    Some(Scanned::Damaged { offset, size: next - offset, damage })
                }
                None => {
                    self.offset = self.block.len();
                    Some(Scanned::Tail { offset, size: rest.len(), damage })
                }
            },
        }
    }
}
