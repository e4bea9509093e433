//! What the blocks of a stream hold, gathered from the last one to the first.
//!
//! Source: Go `server/filestore.go` (`recoverMsgBlock`, `rebuildStateLocked`).

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use natsd_base::Timestamp;
use natsd_subject::SubjectTree;

use super::{DamageKind, Damaged};
use crate::block::{
    BlockHash, BlockScan, Borders, Damage, Record, RecordKind, Scanned, subject_of,
};
use crate::file::block::Mark;
use crate::file::content::Content;
use crate::file::subjects::SubjectInfo;
use crate::file::write::{FLOOR_MAGIC, PURGE_BODY};
use crate::sequence_set::SequenceSet;

/// What there is of a subject in the block that is being scanned.
pub(super) struct InBlock {
    pub(super) hash: u64,
    /// Of some record with the subject.
    pub(super) offset: u32,
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) last_size: u32,
}

/// What was found in the blocks that were scanned so far, which are the later ones.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) tombstones: SequenceSet,
    /// Everything up to here is removed.
    pub(super) floor: u64,
    /// The lowest sequence of a record that is not a tombstone.
    pub(super) lowest: Option<u64>,
    /// The first message.
    pub(super) first_live: Option<u64>,
    pub(super) last_live: Option<u64>,
    /// How many sequences without messages there are so far.
    pub(super) gaps: u64,
    pub(super) last_seq: u64,
    pub(super) last_time: Option<Timestamp>,
    /// What the last block tells of it.
    pub(super) last_told: Option<u64>,
    pub(super) is_void_before: bool,
    /// Sequences must be above this, by block, because an earlier block has it.
    pub(super) least: BTreeMap<u32, u64>,
    /// Blocks that overlap are taken as they are.
    pub(super) is_final: bool,
    /// Subjects that may be there.
    pub(super) known: SubjectTree<SubjectInfo>,
    /// The sequences between damage and the next record, of the block that is being scanned.
    pub(super) missing: Vec<(u64, u64)>,
    /// Reused from block to block.
    pub(super) messages: Vec<(u64, u32)>,
    pub(super) subjects: HashTable<InBlock>,
}

/// What one block holds.
pub(super) struct ScannedBlock {
    pub(super) last: Option<Mark>,
    /// The highest sequence that it tells, tombstones included.
    pub(super) highest: u64,
    pub(super) damaged: Vec<Damaged>,
    pub(super) borders: Borders,
    /// A message is not above all of the blocks before.
    pub(super) overlaps: bool,
}

impl Scan {
    /// Reads all records of a block up to the byte `end`.
    pub(super) fn read(
        &mut self,
        number: u32,
        hash: &BlockHash,
        content: &Content,
        end: usize,
    ) -> ScannedBlock {
        self.messages.clear();
        self.missing.clear();
        let least = self.least.get(&number).copied().unwrap_or(0);
        let (mut last, mut highest): (Option<Mark>, Option<Mark>) = (None, None);
        let (mut damaged, mut borders) = (Vec::new(), Borders::default());
        let mut lowest = None;
        let mut damage_after = None;
        let whole = content.records.get(..end).unwrap_or_default();
        for scanned in BlockScan::new(hash, whole) {
            let (offset, size, damage, kind) = match scanned {
                Scanned::Record { offset, size, record } => {
                    borders.add(offset, size, &record);
                    let mark = Mark { seq: record.seq, time: record.timestamp };
                    if record.timestamp.0 != 0 || highest.is_none_or(|mark| mark.seq < record.seq) {
                        highest = highest.filter(|mark| mark.seq > record.seq).or(Some(mark));
                    }
                    if record.kind == RecordKind::Tombstone {
                        self.add_tombstone(&record);
                        continue;
                    }
                    if let Some(after) = damage_after.take() {
                        self.missing.push((after, record.seq));
                    }
                    if record.seq <= least || last.is_some_and(|last| record.seq <= last.seq) {
                        continue;
                    }
                    lowest.get_or_insert(record.seq);
                    // What was erased has no time.
                    let time = last.map_or(mark.time, |last| last.time.max(mark.time));
                    last = Some(Mark { time, ..mark });
                    if record.kind == RecordKind::Message {
                        let offset = u32::try_from(offset).expect("the size was checked");
                        self.messages.push((record.seq, offset));
                    }
                    continue;
                }
                Scanned::Damaged { offset, size, damage } => {
                    (offset, size, damage, DamageKind::Middle)
                }
                Scanned::Tail { offset, size, damage } => (offset, size, damage, DamageKind::Tail),
            };
            let after_seq = last.map_or(0, |last| last.seq);
            damage_after.get_or_insert(after_seq);
            damaged.push(Damaged { block: number, offset, size, after_seq, damage, kind });
        }
        borders.end(end);
        if let size @ 1.. = content.records.len() - end {
            let after_seq = last.map_or(0, |last| last.seq);
            let (offset, damage, kind) = (end, Damage::Cut, DamageKind::Tail);
            damaged.push(Damaged { block: number, offset, size, after_seq, damage, kind });
        }
        if let Ok(size @ 1..) = usize::try_from(content.missing) {
            let after_seq = last.map_or(0, |last| last.seq);
            damage_after.get_or_insert(after_seq);
            let (offset, kind) = (content.records.len(), DamageKind::Tail);
            let damage = if content.is_closed { Damage::Key } else { Damage::Cut };
            damaged.push(Damaged { block: number, offset, size, after_seq, damage, kind });
        }
        if let Some((after, lowest)) = damage_after.zip(self.lowest) {
            self.missing.push((after, lowest));
        }
        if let Some(Mark { seq, time }) = highest {
            let time = (time.0 != 0).then_some(time);
            if seq > self.last_seq {
                (self.last_seq, self.last_time) = (seq, time);
            } else if seq == self.last_seq && self.last_time.is_none() {
                self.last_time = time;
            }
        }
        let overlaps = last.zip(self.lowest).is_some_and(|(last, lowest)| last.seq >= lowest);
        self.lowest = lowest.or(self.lowest);
        // A block of tombstones alone stands behind what it tells, but never behind later messages.
        let behind = highest.filter(|mark| self.lowest.is_none_or(|lowest| mark.seq < lowest));
        let highest = highest.map_or(0, |mark| mark.seq);
        ScannedBlock { last: last.or(behind), highest, damaged, borders, overlaps }
    }

    fn add_tombstone(&mut self, record: &Record<'_>) {
        match record.body {
            body if body.len() == 12 && body.starts_with(FLOOR_MAGIC) => {
                self.floor = self.floor.max(record.seq);
            }
            PURGE_BODY => {
                self.floor = self.floor.max(record.seq);
                self.is_void_before = true;
            }
            _ if record.seq == 0 => {}
            _ => {
                self.tombstones.insert(record.seq);
            }
        }
    }

    pub(super) fn is_removed(&self, seq: u64) -> bool {
        seq <= self.floor || !self.tombstones.is_empty() && self.tombstones.contains(seq)
    }
}

/// Adds a message to its subject in the block.
pub(super) fn add_subject(
    subjects: &mut HashTable<InBlock>,
    records: &[u8],
    record: &Record<'_>,
    offset: u32,
    size: usize,
) {
    if record.subject.is_empty() {
        return;
    }
    let hash = FixedState::default().hash_one(record.subject);
    let is_same = |other: &InBlock| {
        let bytes = records.get(other.offset as usize..).unwrap_or_default();
        other.hash == hash && subject_of(bytes) == record.subject
    };
    let last_size = u32::try_from(size).unwrap_or(0);
    if let Some(found) = subjects.find_mut(hash, is_same) {
        found.count += 1;
        (found.last, found.last_size) = (record.seq, last_size);
    } else {
        let (first, last) = (record.seq, record.seq);
        let found = InBlock { hash, offset, count: 1, first, last, last_size };
        subjects.insert_unique(hash, found, |other| other.hash);
    }
}
