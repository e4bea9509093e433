//! A stream's messages as a server left them on disk, to be read.
//!
//! Everything is found by scanning the blocks; `index.db` and the other caches are not needed.
//! Nothing is written: a directory of a server that still runs, or a damaged one, can be looked
//! at. Damage is reported and costs the damaged records alone.
//! Compressed blocks are read; encrypted ones are refused by name.
//!
//! Source: Go `server/filestore.go` (`recoverMsgs`, `recoverMsgBlock`, `msgForSeq`).

mod content;
mod recover;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_subject::SubjectTree;

use crate::block::{BlockHash, Record};
use crate::disk::Disk;
use crate::sequence_set::SequenceSet;
use crate::stream_store::{Filter, StoredMessage, StreamState, SubjectState};

pub use recover::{DamageKind, Damaged};

/// Why a stream on disk cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileStoreError {
    /// The disk refused.
    #[error("{}: read failed", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// The block needs a key.
    #[error("block {block} is encrypted")]
    Encrypted {
        /// Its number.
        block: u32,
    },
    /// A block is too large to be one: offsets in it have 32 bits.
    #[error("block {block} has {size} bytes")]
    TooLarge {
        /// Its number.
        block: u32,
        /// Its size in bytes.
        size: u64,
    },
    /// The record was good when the block was scanned, and is no more.
    #[error("block {block}: record at byte {offset} is damaged")]
    Corrupt {
        /// Its number.
        block: u32,
        /// Where the record begins.
        offset: u32,
    },
    /// There is no message under this sequence.
    #[error("no message found")]
    NotFound,
    /// The sequence has not been reached yet.
    #[error("stream store EOF")]
    BeyondLast,
}

/// The messages of one block that are still there.
#[derive(Debug)]
struct Block {
    /// The N of `N.blk`.
    number: u32,
    hash: BlockHash,
    /// Ascending.
    seqs: Vec<u64>,
    /// Where the record of each sequence begins.
    offsets: Vec<u32>,
}

/// A stream's messages on disk, to be read.
#[derive(Debug)]
pub struct FileStore {
    disk: Arc<dyn Disk>,
    /// The folder with the blocks.
    messages_dir: PathBuf,
    /// By number. Sequences ascend from block to block; blocks without messages are left out.
    blocks: Vec<Block>,
    state: StreamState,
    deleted: SequenceSet,
    subjects: SubjectTree<SubjectState>,
    damaged: Vec<Damaged>,
    /// The block read last, by its place in `blocks`, and its bytes.
    cached: Option<(usize, Vec<u8>)>,
}

impl FileStore {
    /// Scans the messages of the stream `name`, whose directory is `stream_dir`. Fails when a
    /// file cannot be read; damaged content is no failure, see [`FileStore::damaged`].
    pub fn open(
        disk: Arc<dyn Disk>,
        stream_dir: &Path,
        name: &str,
    ) -> Result<Self, FileStoreError> {
        recover::recover(disk, stream_dir.join("msgs"), name)
    }

    /// What the stream holds.
    #[must_use]
    pub fn state(&self) -> StreamState {
        self.state
    }

    /// The sequences between the first and the last that have no message, for whatever reason.
    #[must_use]
    pub fn deleted(&self) -> &SequenceSet {
        &self.deleted
    }

    /// What could not be read.
    #[must_use]
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// What there is of each subject.
    #[must_use]
    pub fn subjects(&self) -> &SubjectTree<SubjectState> {
        &self.subjects
    }

    /// Bytes on the heap for finding messages, without the subjects and the block read last.
    #[must_use]
    pub fn index_size(&self) -> usize {
        let block = |block: &Block| {
            size_of::<Block>() + block.seqs.capacity() * 8 + block.offsets.capacity() * 4
        };
        self.blocks.iter().map(block).sum()
    }

    /// The message of a sequence.
    pub fn load(&mut self, seq: u64) -> Result<StoredMessage<'_>, FileStoreError> {
        let block = self.blocks.partition_point(|block| block.seqs.last() < Some(&seq));
        let found = self.blocks.get(block).and_then(|found| found.seqs.binary_search(&seq).ok());
        match found {
            Some(index) => self.load_at(block, index),
            None if seq <= self.state.last_seq => Err(FileStoreError::NotFound),
            None => Err(FileStoreError::BeyondLast),
        }
    }

    /// The first message of `filter` at or above `start`, if there is one.
    pub fn load_next(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<StoredMessage<'_>>, FileStoreError> {
        let mut place = self.place_from(start);
        while let Some((block, index)) = place {
            if filter.matches(self.load_at(block, index)?.subject) {
                return self.load_at(block, index).map(Some);
            }
            place = self.place_after(block, index);
        }
        Ok(None)
    }

    fn place_from(&self, start: u64) -> Option<(usize, usize)> {
        let block = self.blocks.partition_point(|block| block.seqs.last() < Some(&start));
        let found = self.blocks.get(block)?;
        Some((block, found.seqs.partition_point(|&seq| seq < start)))
    }

    fn place_after(&self, block: usize, index: usize) -> Option<(usize, usize)> {
        let is_last = index + 1 == self.blocks.get(block)?.seqs.len();
        let next = if is_last { (block + 1, 0) } else { (block, index + 1) };
        self.blocks.get(next.0).map(|_| next)
    }

    fn load_at(&mut self, at: usize, index: usize) -> Result<StoredMessage<'_>, FileStoreError> {
        let block = self.blocks.get(at).ok_or(FileStoreError::NotFound)?;
        let places = block.seqs.get(index).zip(block.offsets.get(index));
        let (&seq, &offset) = places.ok_or(FileStoreError::NotFound)?;
        if self.cached.as_ref().is_none_or(|(cached, _)| *cached != at) {
            let (disk, dir) = (self.disk.as_ref(), &self.messages_dir);
            let content = recover::read_block(disk, dir, block.number, &block.hash)?;
            self.cached = Some((at, content.records));
        }
        let bytes = self.cached.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        let record = bytes
            .get(offset as usize..)
            .and_then(|rest| Record::decode(&block.hash, rest).ok())
            .filter(|(record, _)| record.seq == seq);
        let (record, _) = record.ok_or(FileStoreError::Corrupt { block: block.number, offset })?;
        Ok(StoredMessage {
            seq,
            timestamp: record.timestamp,
            subject: record.subject,
            headers: record.headers,
            body: record.body,
        })
    }
}

#[cfg(test)]
mod tests;
