//! What there is of each subject: how many messages, and from which to which block.
//!
//! The first and the last sequence are exact when they are known. They are not known after a start
//! from `index.db`, nor when the message they named was removed and its neighbour is in another
//! block; then they are looked for when somebody asks, between the two blocks.
//!
//! Source: Go `server/filestore.go` `psi`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use natsd_subject::subject::has_wildcard;

use super::FileStore;
use crate::stream_store::{Filter, StoreError, SubjectState};

/// What there is of a subject.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SubjectInfo {
    pub(super) total: u64,
    /// The first sequence, 0 when it is not known.
    pub(super) first: u64,
    /// The last sequence, 0 when it is not known.
    pub(super) last: u64,
    /// The number of a block with no message of the subject before it.
    pub(super) first_block: u32,
    /// The number of a block with no message of the subject behind it.
    pub(super) last_block: u32,
    /// The size of the last record; 0 when it is not known.
    pub(super) last_size: u32,
}

impl SubjectInfo {
    /// Adds the message that was stored last.
    pub(super) fn add(&mut self, seq: u64, block: u32, size: u64) {
        if self.total == 0 {
            self.first = seq;
            self.first_block = block;
        }
        self.total += 1;
        self.last = seq;
        self.last_block = block;
        self.last_size = u32::try_from(size).unwrap_or(0);
    }
}

impl FileStore {
    /// Calls `visit` with every subject that `filter` stands for, once.
    pub(super) fn for_each_subject(
        &self,
        filter: Filter<'_>,
        mut visit: impl FnMut(&[u8], &SubjectInfo),
    ) {
        match filter {
            Filter::All => self.subjects.for_each(visit),
            Filter::One(filter) if has_wildcard(filter) => {
                self.subjects.for_each_matching(filter, visit);
            }
            Filter::One(subject) => {
                if let Some(info) = self.subjects.get(subject) {
                    visit(subject, info);
                }
            }
            Filter::Any(filters) => {
                let _: ControlFlow<()> =
                    self.subjects.visit_interesting(filters, |subject, info| {
                        visit(subject, info);
                        ControlFlow::Continue(())
                    });
            }
        }
    }

    /// Takes the message `seq` of block `number` from its subject. `next` is the next one of the
    /// subject when that is in the same block.
    pub(super) fn unlink(&mut self, subject: &[u8], seq: u64, number: u32, next: Option<u64>) {
        let Some(info) = self.subjects.get_mut(subject) else { return };
        // An index may say less than the blocks hold.
        info.total = info.total.saturating_sub(1);
        if info.total == 0 {
            self.subjects.remove(subject);
            return;
        }
        if info.first == seq {
            info.first = next.unwrap_or(0);
            info.first_block = number;
        }
        if info.last == seq {
            info.last = 0;
            info.last_block = number;
            info.last_size = 0;
        }
        if info.total == 1 {
            // They are the same one, if one of them is known.
            let only = info.first.max(info.last);
            if info.first == 0 {
                info.first_block = if only == 0 { info.first_block } else { info.last_block };
            }
            if info.last == 0 && only != 0 {
                info.last_block = info.first_block;
            }
            (info.first, info.last) = (only, only);
        }
    }

    /// The index of the first block whose number is at least `number`.
    pub(super) fn block_from(&self, number: u32) -> usize {
        self.blocks.partition_point(|block| block.number < number)
    }

    /// The first sequence of a subject that has a message.
    pub(super) fn first_of(&mut self, subject: &[u8]) -> Result<Option<u64>, StoreError> {
        let Some(info) = self.subjects.get(subject).copied() else { return Ok(None) };
        if info.first != 0 {
            return Ok(Some(info.first));
        }
        let (from, upto) = (self.block_from(info.first_block), info.last_block);
        for index in from..self.blocks.len() {
            if self.blocks[index].number > upto {
                break;
            }
            if self.blocks[index].count == 0 {
                continue;
            }
            if let Some(seq) = self.load_block(index, 0)?.next_of(subject, 0) {
                let number = self.blocks[index].number;
                if let Some(info) = self.subjects.get_mut(subject) {
                    (info.first, info.first_block) = (seq, number);
                }
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// The last sequence of a subject that has a message.
    pub(super) fn last_of(&mut self, subject: &[u8]) -> Result<Option<u64>, StoreError> {
        let Some(info) = self.subjects.get(subject).copied() else { return Ok(None) };
        if info.last != 0 {
            return Ok(Some(info.last));
        }
        let end = self.blocks.partition_point(|block| block.number <= info.last_block);
        for index in (0..end).rev() {
            if self.blocks[index].number < info.first_block {
                break;
            }
            if self.blocks[index].count == 0 {
                continue;
            }
            if let Some(seq) = self.load_block(index, 0)?.last_of(subject, u64::MAX) {
                let number = self.blocks[index].number;
                if let Some(info) = self.subjects.get_mut(subject) {
                    (info.last, info.last_block) = (seq, number);
                }
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// Finds the first and the last sequences that are not known of the subjects of `filter`,
    /// reading each block at most twice.
    fn find_ends(&mut self, filter: Filter<'_>) -> Result<(), StoreError> {
        let mut firsts: BTreeMap<u32, Vec<Box<[u8]>>> = BTreeMap::new();
        let mut lasts: BTreeMap<u32, Vec<Box<[u8]>>> = BTreeMap::new();
        self.for_each_subject(filter, |subject, info| {
            if info.first == 0 {
                firsts.entry(info.first_block).or_default().push(subject.into());
            }
            if info.last == 0 {
                lasts.entry(info.last_block).or_default().push(subject.into());
            }
        });
        let mut wanted = Vec::new();
        for index in 0..self.blocks.len() {
            let number = self.blocks[index].number;
            while let Some(entry) = firsts.first_entry().filter(|entry| *entry.key() <= number) {
                wanted.extend(entry.remove());
            }
            if wanted.is_empty() || self.blocks[index].count == 0 {
                continue;
            }
            let mut left = Vec::new();
            for subject in wanted {
                match self.load_block(index, 0)?.next_of(&subject, 0) {
                    None => left.push(subject),
                    Some(seq) => {
                        if let Some(info) = self.subjects.get_mut(&subject) {
                            (info.first, info.first_block) = (seq, number);
                        }
                    }
                }
            }
            wanted = left;
        }
        let mut wanted = Vec::new();
        for index in (0..self.blocks.len()).rev() {
            let number = self.blocks[index].number;
            while let Some(entry) = lasts.last_entry().filter(|entry| *entry.key() >= number) {
                wanted.extend(entry.remove());
            }
            if wanted.is_empty() || self.blocks[index].count == 0 {
                continue;
            }
            let mut left = Vec::new();
            for subject in wanted {
                match self.load_block(index, 0)?.last_of(&subject, u64::MAX) {
                    None => left.push(subject),
                    Some(seq) => {
                        if let Some(info) = self.subjects.get_mut(&subject) {
                            (info.last, info.last_block) = (seq, number);
                        }
                    }
                }
            }
            wanted = left;
        }
        Ok(())
    }

    pub(super) fn states_of_subjects(
        &mut self,
        filter: Filter<'_>,
    ) -> Result<BTreeMap<Vec<u8>, SubjectState>, StoreError> {
        self.find_ends(filter)?;
        let mut states = BTreeMap::new();
        self.for_each_subject(filter, |subject, info| {
            let state = SubjectState { messages: info.total, first: info.first, last: info.last };
            states.insert(subject.to_vec(), state);
        });
        Ok(states)
    }
}
