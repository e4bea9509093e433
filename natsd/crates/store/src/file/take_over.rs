//! The first start after a Go server stopped in good order.
//!
//! A record's hash leaves out the size of its subject (see `block/borders.rs`), and where Go wrote
//! there is no sum of it. But Go's index counts the messages of each subject. So all blocks are read
//! once, and where their subjects differ from the index's, the bit that makes the difference is made
//! right. From then on the blocks have sums.
#![warn(clippy::indexing_slicing)]

use std::collections::HashMap;

use natsd_subject::SubjectTree;

use super::subjects::SubjectInfo;
use super::{Compression, DamageKind, Damaged, FileStore, FileStoreError};
use crate::block::{Borders, Damage, Record, flip_subject_size, near_subjects, subject_of};
use crate::stream_store::StoreError;

/// If there are more the index is wrong, not a bit.
const CANDIDATES_MAX: usize = 1000;

/// A message that would have the subject `subject` if the bit `bit` of its size were another one.
#[derive(Debug)]
struct Candidate {
    block: usize,
    seq: u64,
    bit: u32,
    subject: Vec<u8>,
}

impl FileStore {
    /// Reads all blocks of a stream whose index counts and is that of a Go server.
    pub(super) fn take_over(&mut self) -> Result<(), FileStoreError> {
        let taken = self.count_subjects().and_then(|counted| {
            let told = std::mem::replace(&mut self.subjects, counted);
            self.correct_subjects(&told)
        });
        match taken {
            // Everything was scanned instead, and the damage is noted.
            Ok(()) | Err(StoreError::Damaged) => {}
            Err(source) => return Err(self.write_error(source)),
        }
        if let Some(cache) = self.blocks.back().and_then(|block| block.cache.as_ref()) {
            self.summed = Borders::of(&cache.records).tail();
        }
        // The next index is natsd's.
        self.has_written |= !self.is_stopped;
        Ok(())
    }

    /// What the blocks say of the subjects. What goes wrong in them from now on will be found.
    fn count_subjects(&mut self) -> Result<SubjectTree<SubjectInfo>, StoreError> {
        let mut subjects: SubjectTree<SubjectInfo> = SubjectTree::new();
        for index in 0..self.blocks.len() {
            self.load_block(index, 0)?;
            let Some(block) = self.blocks.get(index) else { continue };
            let Some(cache) = &block.cache else { continue };
            for (seq, bytes) in cache.range(0, u64::MAX) {
                let Ok((record, size)) = Record::decode_checked(bytes) else { continue };
                if !record.subject.is_empty() {
                    let info = subjects.get_or_insert_with(record.subject, SubjectInfo::default);
                    info.add(seq, block.number, size as u64);
                }
            }
            let is_last = index + 1 == self.blocks.len();
            self.keep_sum(block.number, &Borders::of(&cache.records), &cache.records, is_last);
        }
        Ok(subjects)
    }

    /// Makes right what the index says is wrong, if it can only be one bit of one message. Otherwise
    /// what may be wrong is said.
    fn correct_subjects(&mut self, told: &SubjectTree<SubjectInfo>) -> Result<(), StoreError> {
        // How many messages a subject has less than the index says.
        let mut missing: HashMap<Vec<u8>, u64> = HashMap::new();
        told.for_each(|subject, info| {
            let missed = info.total.saturating_sub(total_of(&self.subjects, subject));
            if missed > 0 {
                missing.insert(subject.to_vec(), missed);
            }
        });
        if missing.is_empty() {
            return Ok(());
        }
        let candidates = self.find_candidates(told, &missing)?;
        let is_all = candidates.len() < CANDIDATES_MAX;
        let mut is_corrected = false;
        for candidate in &candidates {
            let of_subject = candidates.iter().filter(|other| other.subject == candidate.subject);
            let of_message = candidates.iter().filter(|other| other.seq == candidate.seq);
            let is_certain = is_all
                && missing.get(&candidate.subject) == Some(&(of_subject.count() as u64))
                && of_message.count() == 1;
            is_corrected |= self.correct_subject(candidate, is_certain)?;
        }
        if is_corrected {
            self.subjects = self.count_subjects()?;
        }
        Ok(())
    }

    /// The messages that may be those that the index has under another subject.
    fn find_candidates(
        &mut self,
        told: &SubjectTree<SubjectInfo>,
        missing: &HashMap<Vec<u8>, u64>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut candidates = Vec::new();
        for index in 0..self.blocks.len() {
            self.load_block(index, 0)?;
            let cache = self.blocks.get(index).and_then(|block| block.cache.as_ref());
            for (seq, bytes) in cache.iter().flat_map(|cache| cache.range(0, u64::MAX)) {
                let subject = subject_of(bytes);
                // Messages without a subject are not counted.
                let may_be_one = subject.is_empty()
                    || total_of(&self.subjects, subject) > total_of(told, subject);
                if !may_be_one {
                    continue;
                }
                let near = near_subjects(bytes).filter(|(_, near)| missing.contains_key(*near));
                candidates.extend(near.map(|(bit, near)| Candidate {
                    block: index,
                    seq,
                    bit,
                    subject: near.to_vec(),
                }));
                if candidates.len() >= CANDIDATES_MAX {
                    return Ok(candidates);
                }
            }
        }
        Ok(candidates)
    }

    /// Makes the subject of a message right, or says that it may be wrong; whether it was the first.
    fn correct_subject(
        &mut self,
        candidate: &Candidate,
        is_certain: bool,
    ) -> Result<bool, StoreError> {
        let Candidate { block: index, seq, bit, .. } = *candidate;
        let cache = self.load_block(index, 0)?;
        let Some(place) = cache.range_of(seq) else { return Ok(false) };
        let (hash, mut records) = (cache.hash.clone(), cache.records.clone());
        let Some(number) = self.blocks.get(index).map(|block| block.number) else {
            return Ok(false);
        };
        let (offset, size) = (place.start, place.len());
        let is_right = is_certain
            && flip_subject_size(&hash, &mut records, offset, bit)
            && self.write_right(index, number, &records);
        let kind = if is_right { DamageKind::Corrected } else { DamageKind::Doubtful };
        let damage = Damage::Sizes;
        self.damaged.push(Damaged { block: number, offset, size, after_seq: seq, damage, kind });
        if is_right
            && let Some(cache) = self.blocks.get_mut(index).and_then(|block| block.cache.as_mut())
        {
            cache.correct(records);
        }
        Ok(is_right)
    }

    /// Writes a block with a right bit, and its sum; whether the next one who reads it finds that.
    fn write_right(&mut self, index: usize, number: u32, records: &[u8]) -> bool {
        if self.is_stopped {
            return true; // It is looked at once more by whoever may write.
        }
        let is_last = index + 1 == self.blocks.len();
        let compression = if is_last { Compression::None } else { self.file_config.compression };
        let written = self.write_block(number, records, compression);
        if self.note(written).is_none() {
            return false;
        }
        if !is_last {
            self.write_sum(number, records, Borders::of(records).whole());
        }
        true
    }
}

fn total_of(subjects: &SubjectTree<SubjectInfo>, subject: &[u8]) -> u64 {
    subjects.get(subject).map_or(0, |info| info.total)
}
