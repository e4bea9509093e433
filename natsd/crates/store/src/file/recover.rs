//! What a stream's blocks hold, found by scanning all of them.
//!
//! The rules are Go's: of a sequence that comes twice the first counts, sequences only ascend,
//! and a tombstone in any block takes the message of its sequence. A tombstone also says that its
//! sequence was given away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::Timestamp;
use natsd_subject::SubjectTree;

use super::content::{self, Content};
use super::{Block, FileStore, FileStoreError};
use crate::block::{BlockHash, BlockScan, Damage, Record, RecordKind, Scanned};
use crate::disk::Disk;
use crate::sequence_set::SequenceSet;
use crate::stream_store::{StreamState, SubjectState};

const BLOCK_SUFFIX: &str = ".blk";
const KEY_SUFFIX: &str = ".key";
/// Bytes of a block that are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    /// The N of `N.blk`.
    pub block: u32,
    /// Where they begin, in the decompressed block.
    pub offset: usize,
    /// How many.
    pub size: usize,
    /// The highest sequence before them in the block, 0 when there is none. What is missing
    /// between it and the next may have been in them.
    pub after_seq: u64,
    /// What is wrong.
    pub damage: Damage,
    /// Whether records follow.
    pub kind: DamageKind,
}

/// Where damage lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// Records follow.
    Middle,
    /// Nothing follows: a write that a crash tore, when it is the last block.
    Tail,
}

/// The records of a block.
pub(super) fn read_block(
    disk: &dyn Disk,
    dir: &Path,
    number: u32,
    hash: &BlockHash,
) -> Result<Content, FileStoreError> {
    let path = dir.join(format!("{number}{BLOCK_SUFFIX}"));
    let bytes = disk.open(&path, false).and_then(|file| file.read_all());
    let bytes = bytes.map_err(|source| FileStoreError::Read { path, source })?;
    Ok(content::of(hash, bytes))
}

/// The number in a file name, as a server writes it.
fn number_of(name: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_suffix(suffix)?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// The numbers of the blocks in ascending order. A block with a key is refused.
fn block_numbers(disk: &dyn Disk, dir: &Path) -> Result<BTreeSet<u32>, FileStoreError> {
    let entries = disk.list(dir);
    let entries =
        entries.map_err(|source| FileStoreError::Read { path: dir.to_owned(), source })?;
    let numbers = |suffix: &str| -> BTreeSet<u32> {
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        names.filter_map(|name| number_of(name, suffix)).collect()
    };
    let (blocks, keys) = (numbers(BLOCK_SUFFIX), numbers(KEY_SUFFIX));
    match blocks.intersection(&keys).next() {
        Some(&block) => Err(FileStoreError::Encrypted { block }),
        None => Ok(blocks),
    }
}

/// A message that is there unless a tombstone comes.
struct Found {
    subject: Box<[u8]>,
    timestamp: Timestamp,
    size: u64,
}

/// What the scan knows so far.
#[derive(Default)]
struct Recovery {
    blocks: Vec<Block>,
    /// Beside the sequences of the blocks, in the same order.
    found: Vec<Vec<Found>>,
    tombstones: SequenceSet,
    damaged: Vec<Damaged>,
    /// The highest sequence of a record that is not a tombstone.
    last_record_seq: u64,
    /// The highest sequence of all.
    last_seq: u64,
    last_time: Option<Timestamp>,
}

impl Recovery {
    fn add_block(&mut self, number: u32, hash: BlockHash, content: &Content) {
        let (mut seqs, mut offsets, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let mut last_in_block = 0;
        for scanned in BlockScan::new(&hash, &content.records) {
            let (offset, size, damage, kind) = match scanned {
                Scanned::Record { offset, size, record } => {
                    if self.add_record(&record) {
                        seqs.push(record.seq);
                        offsets.push(u32::try_from(offset).expect("the size was checked"));
                        let (subject, timestamp) = (record.subject.into(), record.timestamp);
                        found.push(Found { subject, timestamp, size: size as u64 });
                    }
                    if record.kind != RecordKind::Tombstone {
                        last_in_block = record.seq.max(last_in_block);
                    }
                    continue;
                }
                Scanned::Damaged { offset, size, damage } => {
                    (offset, size, damage, DamageKind::Middle)
                }
                Scanned::Tail { offset, size, damage } => (offset, size, damage, DamageKind::Tail),
            };
            let after_seq = last_in_block;
            self.damaged.push(Damaged { block: number, offset, size, after_seq, damage, kind });
        }
        if let Ok(size @ 1..) = usize::try_from(content.missing) {
            self.damaged.push(Damaged {
                block: number,
                offset: content.records.len(),
                size,
                after_seq: last_in_block,
                damage: Damage::Cut,
                kind: DamageKind::Tail,
            });
        }
        self.blocks.push(Block { number, hash, seqs, offsets });
        self.found.push(found);
    }

    /// Whether the record is a message that counts.
    fn add_record(&mut self, record: &Record<'_>) -> bool {
        if record.seq > self.last_seq {
            self.last_seq = record.seq;
            // A record that was erased has no time.
            if record.timestamp.0 != 0 {
                self.last_time = Some(record.timestamp);
            }
        }
        if record.kind == RecordKind::Tombstone {
            self.tombstones.insert(record.seq);
            return false; // It may name any sequence, and says nothing of those that follow.
        }
        let ascends = record.seq > self.last_record_seq;
        self.last_record_seq = self.last_record_seq.max(record.seq);
        ascends && record.kind == RecordKind::Message
    }

    fn finish(mut self, disk: Arc<dyn Disk>, messages_dir: PathBuf) -> FileStore {
        let mut state = StreamState { last_seq: self.last_seq, ..StreamState::default() };
        state.last_time = self.last_time;
        let mut live = SequenceSet::new();
        let mut subjects: SubjectTree<SubjectState> = SubjectTree::new();
        for (block, found) in self.blocks.iter_mut().zip(&self.found) {
            let mut kept = (Vec::new(), Vec::new());
            for ((&seq, &offset), message) in block.seqs.iter().zip(&block.offsets).zip(found) {
                if self.tombstones.contains(seq) {
                    continue;
                }
                kept.0.push(seq);
                kept.1.push(offset);
                live.insert(seq);
                state.messages += 1;
                state.bytes += message.size;
                state.first_time.get_or_insert(message.timestamp);
                if !message.subject.is_empty() {
                    let none = || SubjectState { messages: 0, first: seq, last: seq };
                    let subject = subjects.get_or_insert_with(&message.subject, none);
                    subject.messages += 1;
                    subject.last = seq;
                }
            }
            (block.seqs, block.offsets) = kept;
            block.seqs.shrink_to_fit();
            block.offsets.shrink_to_fit();
        }
        self.blocks.retain(|block| !block.seqs.is_empty());
        state.subjects = subjects.len() as u64;
        let mut deleted = SequenceSet::new();
        state.first_seq = match live.min() {
            Some(first) => {
                let mut before = first;
                for seq in &live {
                    if seq > before + 1 {
                        deleted.insert_range(before + 1, seq - 1);
                    }
                    before = seq;
                }
                if before < state.last_seq {
                    deleted.insert_range(before + 1, state.last_seq);
                }
                first
            }
            None if state.last_seq == 0 => 0,
            None => state.last_seq + 1,
        };
        state.deleted = deleted.len();
        FileStore {
            disk,
            messages_dir,
            blocks: self.blocks,
            state,
            deleted,
            subjects,
            damaged: self.damaged,
            cached: None,
        }
    }
}

pub(super) fn recover(
    disk: Arc<dyn Disk>,
    messages_dir: PathBuf,
    name: &str,
) -> Result<FileStore, FileStoreError> {
    let mut recovery = Recovery::default();
    for number in block_numbers(disk.as_ref(), &messages_dir)? {
        let hash = BlockHash::new(name, number);
        let content = read_block(disk.as_ref(), &messages_dir, number, &hash)?;
        if u32::try_from(content.records.len()).is_err() {
            let size = content.records.len() as u64;
            return Err(FileStoreError::TooLarge { block: number, size });
        }
        recovery.add_block(number, hash, &content);
    }
    Ok(recovery.finish(disk, messages_dir))
}
