//! The records of one block in memory, and where each message is.
//!
//! Records are good when they get here: they were encoded here, or their hashes were checked when
//! the block was read. A message that was removed keeps its bytes and loses its slot.
//! Which messages have the same subject is found out when somebody asks, and kept up from then on.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::ops::Range;

use crate::block::{BlockHash, Record, renew_sums, subject_of};

/// The offset of a sequence that has no record.
const GAP: u32 = u32::MAX;
/// In the offset of a message that was removed. Blocks are smaller.
const REMOVED_BIT: u32 = 1 << 31;
/// No slot.
const NONE: u32 = u32::MAX;
/// Messages that are compared one by one before the index is asked.
const NEAR: usize = 64;
/// A gap that is not larger is filled with dead slots.
const GAP_MAX: u64 = 1024;

/// Where the message of each sequence begins.
#[derive(Debug, Default)]
struct Slots {
    /// The sequence of the first slot.
    first: u64,
    offsets: Vec<u32>,
    /// The sequence of each slot; empty as long as they follow each other.
    seqs: Vec<u64>,
}

impl Slots {
    fn seq_at(&self, slot: usize) -> u64 {
        if self.seqs.is_empty() { self.first + slot as u64 } else { self.seqs[slot] }
    }

    /// The first slot whose sequence is at or above `seq`.
    fn lower_bound(&self, seq: u64) -> usize {
        if !self.seqs.is_empty() {
            return self.seqs.partition_point(|&other| other < seq);
        }
        let slot = seq.saturating_sub(self.first);
        usize::try_from(slot).map_or(self.offsets.len(), |slot| slot.min(self.offsets.len()))
    }

    fn place(&self, seq: u64) -> Option<usize> {
        let slot = self.lower_bound(seq);
        (slot < self.offsets.len() && self.seq_at(slot) == seq).then_some(slot)
    }

    /// Adds a slot; sequences ascend.
    fn push(&mut self, seq: u64, offset: u32) {
        if self.offsets.is_empty() {
            self.first = seq;
        }
        if self.seqs.is_empty() {
            let missing = seq - (self.first + self.offsets.len() as u64);
            if missing <= GAP_MAX {
                self.offsets.extend((0..missing).map(|_| GAP));
            } else {
                self.seqs = (0..self.offsets.len()).map(|slot| self.first + slot as u64).collect();
            }
        }
        if !self.seqs.is_empty() {
            self.seqs.push(seq);
        }
        self.offsets.push(offset);
    }
}

/// The messages of one subject in a block.
#[derive(Debug, Clone, Copy)]
struct Chain {
    hash: u64,
    first: u32,
    last: u32,
}

/// Which messages of a block have the same subject.
#[derive(Debug, Default)]
struct SubjectIndex {
    chains: HashTable<Chain>,
    /// The next slot of the same subject.
    next: Vec<u32>,
}

/// The records of one block.
#[derive(Debug)]
pub(super) struct BlockCache {
    pub(super) hash: BlockHash,
    /// Where `records` begin in the block. Not 0 when what is before was let go since.
    pub(super) start: usize,
    pub(super) records: Vec<u8>,
    slots: Slots,
    index: Option<SubjectIndex>,
}

fn hash_of(subject: &[u8]) -> u64 {
    // Only within one block, whose subjects do not come back in the order of the hash.
    FixedState::default().hash_one(subject)
}

impl BlockCache {
    /// An empty cache for the block's bytes from `start` on.
    pub(super) fn new(hash: BlockHash, start: usize) -> Self {
        let (slots, index) = (Slots::default(), None);
        Self { hash, start, records: Vec::new(), slots, index }
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| {
            index.next.capacity() * 4 + index.chains.capacity() * (size_of::<Chain>() + 1)
        });
        self.records.capacity()
            + self.slots.offsets.capacity() * 4
            + self.slots.seqs.capacity() * 8
            + index
    }

    /// Where the next record begins in the block.
    pub(super) fn end(&self) -> usize {
        self.start + self.records.len()
    }

    /// Adds the slot of a message whose record begins at `offset` of `records`.
    pub(super) fn add(&mut self, seq: u64, offset: usize) {
        let offset = u32::try_from(offset).expect("blocks are smaller than 1 GiB");
        self.slots.push(seq, offset);
        if self.index.is_some() {
            self.index_slots();
        }
    }

    /// The first sequence that can be here, if there is any.
    pub(super) fn first_seq(&self) -> Option<u64> {
        (!self.slots.offsets.is_empty()).then(|| self.slots.seq_at(0))
    }

    /// Whether all of the block from the message `seq` on is here.
    pub(super) fn covers(&self, seq: u64) -> bool {
        self.start == 0 || self.first_seq().is_some_and(|first| first <= seq)
    }

    fn bytes_at(&self, slot: usize) -> Option<&[u8]> {
        let offset = *self.slots.offsets.get(slot)?;
        if offset & REMOVED_BIT != 0 { None } else { self.records.get(offset as usize..) }
    }

    /// The subject of a slot, whether its message is still there or not.
    fn subject_at(&self, slot: u32) -> &[u8] {
        match self.slots.offsets.get(slot as usize) {
            None | Some(&GAP) => &[],
            Some(offset) => {
                let offset = (offset & !REMOVED_BIT) as usize;
                self.records.get(offset..).map_or(&[], subject_of)
            }
        }
    }

    fn record_at(&self, slot: usize) -> Option<(Record<'_>, usize)> {
        Record::decode_checked(self.bytes_at(slot)?).ok()
    }

    /// The record of `seq` and its size, if it is there.
    pub(super) fn get(&self, seq: u64) -> Option<(Record<'_>, usize)> {
        self.record_at(self.slots.place(seq)?)
    }

    /// Where the record of `seq` lies in `records`.
    pub(super) fn range_of(&self, seq: u64) -> Option<Range<usize>> {
        let slot = self.slots.place(seq)?;
        let offset = self.slots.offsets[slot] as usize;
        let (_, size) = self.record_at(slot)?;
        Some(offset..offset + size)
    }

    /// Puts other bytes in place of the record of the removed message `seq`.
    pub(super) fn overwrite(&mut self, seq: u64, record: &[u8]) {
        let Some(slot) = self.slots.place(seq) else { return };
        let offset = self.slots.offsets[slot];
        let start = (offset & !REMOVED_BIT) as usize;
        let place = self.records.get_mut(start..start + record.len());
        if let Some(place) = place.filter(|_| offset != GAP) {
            place.copy_from_slice(record);
            renew_sums(&self.hash, &mut self.records);
            // It knows subjects by their bytes in the records.
            self.index = None;
        }
    }

    /// Puts in records in which a bit was made right.
    pub(super) fn correct(&mut self, records: Vec<u8>) {
        self.records = records;
        self.index = None;
    }

    /// Forgets the message of `seq`.
    pub(super) fn remove(&mut self, seq: u64) {
        if let Some(slot) = self.slots.place(seq) {
            self.slots.offsets[slot] |= REMOVED_BIT;
        }
    }

    /// Forgets the messages above `seq`, and what is behind `size` bytes of the block.
    pub(super) fn cut(&mut self, seq: u64, size: usize) {
        let count = self.slots.lower_bound(seq.saturating_add(1));
        self.slots.offsets.truncate(count);
        self.slots.seqs.truncate(count);
        self.records.truncate(size - self.start);
        self.index = None;
    }

    /// The messages from `first` to `last`, ascending.
    pub(super) fn range(
        &self,
        first: u64,
        last: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        let from = self.slots.lower_bound(first);
        let upto =
            last.checked_add(1).map_or(self.slots.offsets.len(), |end| self.slots.lower_bound(end));
        (from..upto.max(from))
            .filter_map(|slot| Some((self.slots.seq_at(slot), self.bytes_at(slot)?)))
    }

    /// Brings the index up to the last slot.
    fn index_slots(&mut self) {
        let mut index = self.index.take().unwrap_or_default();
        let first = index.next.len();
        index.next.resize(self.slots.offsets.len(), NONE);
        for slot in first..self.slots.offsets.len() {
            let slot = u32::try_from(slot).expect("a block has fewer records than bytes");
            let subject = self.subject_at(slot);
            if subject.is_empty() {
                continue;
            }
            let hash = hash_of(subject);
            let found = index.chains.find_mut(hash, |chain| {
                chain.hash == hash && self.subject_at(chain.last) == subject
            });
            if let Some(chain) = found {
                index.next[chain.last as usize] = slot;
                chain.last = slot;
            } else {
                let chain = Chain { hash, first: slot, last: slot };
                index.chains.insert_unique(hash, chain, |chain| chain.hash);
            }
        }
        self.index = Some(index);
    }

    fn is_removed(&self, slot: u32) -> bool {
        self.slots.offsets[slot as usize] & REMOVED_BIT != 0
    }

    /// The first slot of a message of `subject` at or above the slot `from`.
    fn next_slot(&mut self, subject: &[u8], from: usize) -> Option<u32> {
        if self.index.is_none() {
            self.index_slots();
        }
        let hash = hash_of(subject);
        let mut index = self.index.take()?;
        let found = index
            .chains
            .find_mut(hash, |chain| chain.hash == hash && self.subject_at(chain.last) == subject);
        let mut slot = NONE;
        if let Some(chain) = found {
            // What was removed at the front is not looked at again.
            while chain.first != NONE && self.is_removed(chain.first) && chain.first != chain.last {
                chain.first = index.next[chain.first as usize];
            }
            slot = chain.first;
            // Who reads one after the other asks right behind one of the subject.
            let before = from.checked_sub(1).and_then(|slot| u32::try_from(slot).ok());
            if let Some(before) = before.filter(|&before| before > slot)
                && self.subject_at(before) == subject
            {
                slot = before;
            }
            while slot != NONE && ((slot as usize) < from || self.is_removed(slot)) {
                slot = index.next[slot as usize];
            }
        }
        self.index = Some(index);
        (slot != NONE).then_some(slot)
    }

    /// The first message of the literal `subject` at or above `seq`.
    pub(super) fn next_of(&mut self, subject: &[u8], seq: u64) -> Option<u64> {
        let from = self.slots.lower_bound(seq);
        self.next_slot(subject, from).map(|slot| self.slots.seq_at(slot as usize))
    }

    /// The messages of the literal `subject` from `first` to `last`, ascending.
    pub(super) fn all_of(&mut self, subject: &[u8], first: u64, last: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        let mut next = self.next_slot(subject, self.slots.lower_bound(first));
        let Some(index) = &self.index else { return seqs };
        while let Some(slot) = next {
            let seq = self.slots.seq_at(slot as usize);
            if seq > last {
                break;
            }
            if !self.is_removed(slot) {
                seqs.push(seq);
            }
            next = Some(index.next[slot as usize]).filter(|&next| next != NONE);
        }
        seqs
    }

    /// The last message of the literal `subject` at or below `seq`.
    pub(super) fn last_of(&mut self, subject: &[u8], seq: u64) -> Option<u64> {
        // Most often the one asked for is among the last ones.
        let near =
            self.range(0, seq).rev().take(NEAR).find(|(_, bytes)| subject_of(bytes) == subject);
        match near {
            Some((found, _)) => Some(found),
            None => self.all_of(subject, 0, seq).pop(),
        }
    }
}

#[cfg(test)]
mod tests;
