//! `index.db`: what all blocks and subjects hold, so that a start need not read the blocks.
//!
//! | field | form |
//! |---|---|
//! | magic 11, version 4 (1 to 4 are read) | a byte each |
//! | messages, bytes, first sequence | varints |
//! | time of the first message, 0 without | signed varint |
//! | last sequence | varint |
//! | time of it | signed varint |
//! | number of subjects | varint |
//! | each: size, subject, messages, first block, last block (before 4: only with 2 messages) | varints and bytes |
//! | number of blocks | varint |
//! | each: number, bytes, first sequence, its time less the above, last sequence, its time, deleted, TTLs (2), schedules (3) | varints, times signed |
//! | and, when there are deleted ones, a sequence set | |
//! | number of the last block | varint |
//! | the last 8 bytes of its records | |
//! | HighwayHash-64 of all before, the key SHA-256 of the stream's name | 8 |
//!
//! A cache. It counts when its hash is right, the last block on disk is the one that it names and
//! ends with those 8 bytes, the blocks are all there and no others, and its sums agree.
//!
//! Source: Go `server/filestore.go` (`_writeFullState`, `recoverFullState`).
#![warn(clippy::indexing_slicing)]

use std::io;

use highway::{HighwayHash, HighwayHasher, Key};
use natsd_base::Timestamp;
use natsd_subject::SubjectTree;
use natsd_subject::subject::is_valid_stored_subject;
use sha2::{Digest, Sha256};

use super::FileStore;
use super::block::{Block, Mark};
use super::recover::{DamageKind, Damaged, is_marker};
use super::subjects::SubjectInfo;
use super::write::MARKER_SIZE;
use crate::block::{Damage, Record};
use crate::sequence_set::SequenceSet;
use crate::stream_store::{StoreError, StreamState};
use crate::varint::{put_signed, put_unsigned, take_signed, take_unsigned};

const MAGIC: u8 = 11;
const VERSION: u8 = 4;
/// More sequences than that between the blocks are not put into a set.
pub(super) const GAP_MAX: u64 = 1 << 33;

/// The hash at the end of `index.db`.
pub(super) fn checksum(name: &str, bytes: &[u8]) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
    }
    HighwayHasher::new(Key(words)).hash64(bytes).to_le_bytes()
}

/// What `index.db` says.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) state: StreamState,
    pub(super) subjects: SubjectTree<SubjectInfo>,
    blocks: Vec<Block>,
    pub(super) deleted: SequenceSet,
    last_block: u32,
    last_hash: [u8; 8],
}

fn time_of(nanos: i64) -> Option<Timestamp> {
    (nanos != 0).then_some(Timestamp(nanos))
}

fn take_bytes<'a>(input: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(count)?;
    *input = rest;
    Some(taken)
}

fn take_number(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_unsigned(input)?).ok()
}

impl Index {
    /// Reads the content of the file without the hash.
    fn decode(input: &[u8]) -> Option<Self> {
        let (&[magic, version], mut input) = input.split_first_chunk()?;
        if magic != MAGIC || !(1..=VERSION).contains(&version) {
            return None;
        }
        let input = &mut input;
        let mut index = Self::default();
        index.state.messages = take_unsigned(input)?;
        index.state.bytes = take_unsigned(input)?;
        index.state.first_seq = take_unsigned(input)?;
        let base = take_signed(input)?;
        index.state.first_time = time_of(base);
        index.state.last_seq = take_unsigned(input)?;
        index.state.last_time = time_of(take_signed(input)?);
        // Counts are not to be trusted: nothing is reserved, and they end with the input.
        for _ in 0..take_unsigned(input)? {
            let size = usize::try_from(take_unsigned(input)?).ok()?;
            let subject = take_bytes(input, size)?;
            if subject.is_empty() {
                continue; // Go writes nothing more for it.
            }
            let total = take_unsigned(input)?;
            let first_block = take_number(input)?;
            let has_last = version >= 4 || total > 1;
            let last_block = if has_last { take_number(input)? } else { first_block };
            let info = SubjectInfo { total, first_block, last_block, ..SubjectInfo::default() };
            // Go servers have written subjects that were overwritten in memory.
            let is_sound = total > 0 && is_valid_stored_subject(subject);
            if !is_sound || index.subjects.insert(subject, info).is_some() {
                return None;
            }
        }
        for _ in 0..take_unsigned(input)? {
            index.take_block(input, version, base)?;
        }
        index.last_block = take_number(input)?;
        index.last_hash = *take_bytes(input, 8)?.first_chunk()?;
        (input.is_empty() && index.is_sound()).then_some(index)
    }

    fn take_block(&mut self, input: &mut &[u8], version: u8, base: i64) -> Option<()> {
        let number = take_number(input)?;
        let bytes = take_unsigned(input)?;
        let (first, first_time) = (take_unsigned(input)?, take_signed(input)?);
        let (last, last_time) = (take_unsigned(input)?, take_signed(input)?);
        let deleted = take_unsigned(input)?;
        let ttls = if version >= 2 { take_unsigned(input)? } else { 0 };
        let schedules = if version >= 3 { take_unsigned(input)? } else { 0 };
        let end = last.checked_add(1)?;
        let mut count = end.checked_sub(first)?.saturating_sub(deleted);
        if deleted > 0 {
            let (set, size) = SequenceSet::decode(input).ok()?;
            take_bytes(input, size)?;
            let within = set.count_between(first, last);
            count = (end - first).checked_sub(within)?;
            if within != set.len() || set.len() != deleted {
                return None;
            }
            self.deleted.union_with(&set);
        }
        let mark = |seq, time: i64| Mark { seq, time: Timestamp(time.wrapping_add(base)) };
        let mut block = Block::new(number, mark(last, last_time));
        if count > 0 {
            block.first = mark(first, first_time);
        }
        (block.count, block.bytes, block.size) = (count, bytes, None);
        (block.ttls, block.schedules) = (ttls, schedules);
        self.blocks.push(block);
        Some(())
    }

    /// Whether the parts agree with each other.
    fn is_sound(&self) -> bool {
        let state = &self.state;
        let ascend = |pair: &[Block]| match pair {
            [one, other] => {
                let first = if other.count > 0 { other.first.seq } else { u64::MAX };
                one.number < other.number && one.last.seq < first && one.last.seq <= other.last.seq
            }
            _ => true,
        };
        let messages =
            self.blocks.iter().try_fold(0_u64, |sum, block| sum.checked_add(block.count));
        let bytes = self.blocks.iter().try_fold(0_u64, |sum, block| sum.checked_add(block.bytes));
        let first = self.blocks.iter().find(|block| block.count > 0).map(|block| block.first.seq);
        let last = self.blocks.last().map(|block| block.last.seq);
        self.blocks.windows(2).all(ascend)
            && messages == Some(state.messages)
            && bytes == Some(state.bytes)
            && first.is_none_or(|first| first == state.first_seq)
            && last == Some(state.last_seq)
            && state.last_seq < super::SEQ_END
            && self.blocks.last().map(|block| block.number) == Some(self.last_block)
            && (state.messages > 0) == state.first_time.is_some()
    }

    /// Whether the parts add up to the whole. Blocks are checked when they are read.
    fn is_consistent(&self) -> bool {
        let sum = |of: fn(&Block) -> u64| {
            self.blocks.iter().try_fold(0_u64, |sum, block| sum.checked_add(of(block)))
        };
        let mut of_subjects = Some(0_u64);
        self.subjects.for_each(|_, info| {
            of_subjects = of_subjects.and_then(|sum| sum.checked_add(info.total));
        });
        sum(|block| block.count) == Some(self.state.messages)
            && sum(|block| block.bytes) == Some(self.state.bytes)
            && of_subjects.is_some_and(|sum| sum <= self.state.messages)
    }

    /// The last sequence that was given away when the index was written, whatever became of the
    /// blocks.
    pub(super) fn last_mark(&self) -> Mark {
        let time = self.state.last_time.unwrap_or(Timestamp(0));
        Mark { seq: self.state.last_seq, time }
    }

    /// Adds the sequences between the blocks to the deleted ones.
    fn fill_gaps(&mut self) -> Option<()> {
        let mut before: Option<u64> = None;
        let mut gaps = 0_u64;
        for block in self.blocks.iter().filter(|block| block.count > 0) {
            if let Some(before) = before
                && block.first.seq > before + 1
            {
                gaps = gaps.checked_add(block.first.seq - before).filter(|&gaps| gaps < GAP_MAX)?;
                self.deleted.insert_range(before + 1, block.first.seq - 1);
            }
            before = Some(block.last.seq);
        }
        match before {
            Some(before) if before < self.state.last_seq => {
                gaps.checked_add(self.state.last_seq - before).filter(|&gaps| gaps < GAP_MAX)?;
                self.deleted.insert_range(before + 1, self.state.last_seq);
            }
            Some(_) => {}
            None => self.deleted.clear(),
        }
        Some(())
    }
}

impl FileStore {
    pub(super) fn index_path(&self) -> std::path::PathBuf {
        self.messages_dir.join("index.db")
    }

    pub(super) fn remove_index(&mut self) {
        self.needs_dir_sync |= self.disk.remove_file(&self.index_path()).is_ok();
    }

    /// Removes the index for good, before sequences that it names are given away again.
    pub(super) fn forget_index(&mut self) -> Result<(), StoreError> {
        match self.disk.remove_file(&self.index_path()) {
            Ok(()) => {
                self.needs_dir_sync = true;
                self.sync_names()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn read_index_file(&self) -> Option<Index> {
        let bytes = self.disk.open(&self.index_path(), false).ok()?.read_all().ok()?;
        let (content, hash) = bytes.split_last_chunk::<8>()?;
        if checksum(&self.file_config.name, content) != *hash {
            return None;
        }
        let opened = match &self.file_config.keys {
            // A stream that was plain until now has a plain index.
            Some(keys) => keys.keys.open(content).ok(),
            None => None,
        };
        Index::decode(opened.as_deref().unwrap_or(content))
    }

    /// The index, if it says what these blocks hold.
    pub(super) fn read_index(&self, numbers: &[u32]) -> Option<(Index, u64)> {
        let mut index = self.read_index_file()?;
        if !index.blocks.iter().map(|block| block.number).eq(numbers.iter().copied()) {
            return None;
        }
        let size = self.end_of(&index)?;
        index.fill_gaps()?;
        index.is_consistent().then_some((index, size))
    }

    /// The size of the last block, if it ends as it did when the index was written.
    fn end_of(&self, index: &Index) -> Option<u64> {
        let file = self.disk.open(&self.block_path(index.last_block), false).ok()?;
        let size = file.len().ok()?;
        let (mut start, mut end) = ([0; 4], [0; 8]);
        if let Some(at) = size.checked_sub(8) {
            file.read_exact_at(&mut start, 0).ok()?;
            file.read_exact_at(&mut end, at).ok()?;
            if let Some(key) = self.block_key(index.last_block).ok()? {
                key.apply(0, &mut start);
                key.apply(at, &mut end);
            }
        }
        // A last block that is compressed has to be made plain.
        let is_same = end == index.last_hash && start != *b"cmp\x01" && size < 1 << 31;
        is_same.then_some(size)
    }

    /// The blocks that somebody took away since the store was stopped in good order, and the
    /// messages that were in them. A Go server removes a block without writing down why, so
    /// nothing is said of what it wrote last.
    pub(super) fn missing_blocks(
        &self,
        numbers: &[u32],
        index: Option<&Index>,
    ) -> (Vec<Damaged>, SequenceSet) {
        let (mut missing, mut lost) = (Vec::new(), SequenceSet::new());
        let Some(index) = index else { return (missing, lost) };
        let newest = numbers.last().copied().unwrap_or(0);
        let is_current = newest < index.last_block
            || self.end_of(index).and_then(|size| usize::try_from(size).ok()).is_some_and(|size| {
                newest == index.last_block && self.ends_with_marker(newest, size)
            });
        let blocks = index.blocks.iter().filter(|block| block.count > 0);
        for block in blocks.filter(|block| is_current && !numbers.contains(&block.number)) {
            let (first, last) = (block.first.seq, block.last.seq);
            lost.insert_range(first, last);
            let removed = index.deleted.iter_from(first).take_while(|&seq| seq <= last);
            removed.for_each(|seq| {
                lost.remove(seq);
            });
            missing.push(Damaged {
                block: block.number,
                offset: 0,
                size: usize::try_from(block.bytes).unwrap_or(usize::MAX),
                after_seq: first.saturating_sub(1),
                damage: Damage::Missing,
                kind: DamageKind::Middle,
            });
        }
        (missing, lost)
    }

    fn ends_with_marker(&self, number: u32, size: usize) -> bool {
        let Some(at) = size.checked_sub(MARKER_SIZE) else { return false };
        let mut bytes = [0; MARKER_SIZE];
        let file = self.disk.open(&self.block_path(number), false);
        if file.and_then(|file| file.read_exact_at(&mut bytes, at as u64)).is_err() {
            return false;
        }
        match self.block_key(number) {
            Ok(Some(key)) => key.apply(at as u64, &mut bytes),
            Ok(None) => {}
            Err(_) => return false,
        }
        let record = Record::decode(&self.hash_of_block(number), &bytes);
        record.is_ok_and(|(record, _)| is_marker(&record))
    }

    /// Takes over what the index says; whether it could be used.
    pub(super) fn recover_by_index(&mut self, numbers: &[u32]) -> bool {
        let Some((index, size)) = self.read_index(numbers) else { return false };
        let Ok(size) = usize::try_from(size) else { return false };
        self.state = index.state;
        self.subjects = index.subjects;
        self.deleted = index.deleted;
        self.blocks = index.blocks.into();
        self.next_number = index.last_block.saturating_add(1);
        if let Some(last) = self.blocks.back_mut() {
            (last.size, last.last_hash) = (Some(size), index.last_hash);
        }
        (self.flushed, self.summed) = (size, size);
        // A store that was stopped in good order says at the end that it is durable.
        self.has_marker = self.ends_with_marker(index.last_block, size);
        self.needs_marker = !self.has_marker;
        self.is_partly_summed = self.needs_marker;
        self.needs_sync = self.needs_marker && size > 0;
        // It does not say which of the sequences before the first are told to be removed.
        self.is_head_untold = self.state.first_seq > 1;
        true
    }

    fn encode_index(&self) -> Vec<u8> {
        let mut out = vec![MAGIC, VERSION];
        let nanos = |time: Option<Timestamp>| time.map_or(0, |time| time.0);
        let base = nanos(self.state.first_time);
        put_unsigned(&mut out, self.state.messages);
        put_unsigned(&mut out, self.state.bytes);
        put_unsigned(&mut out, self.state.first_seq);
        put_signed(&mut out, base);
        put_unsigned(&mut out, self.state.last_seq);
        put_signed(&mut out, nanos(self.state.last_time));
        put_unsigned(&mut out, self.subjects.len() as u64);
        self.subjects.for_each(|subject, info| {
            put_unsigned(&mut out, subject.len() as u64);
            out.extend(subject);
            put_unsigned(&mut out, info.total);
            put_unsigned(&mut out, u64::from(info.first_block));
            put_unsigned(&mut out, u64::from(info.last_block));
        });
        put_unsigned(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            let (first, last) = (block.first, block.last);
            let first_time = if block.count > 0 { first.time.0 } else { 0 };
            let mut deleted = SequenceSet::new();
            if block.count > 0 {
                let within = self.deleted.iter_from(first.seq);
                deleted.extend(within.take_while(|&seq| seq <= last.seq));
            }
            put_unsigned(&mut out, u64::from(block.number));
            put_unsigned(&mut out, block.bytes);
            put_unsigned(&mut out, first.seq);
            put_signed(&mut out, first_time.wrapping_sub(base));
            put_unsigned(&mut out, last.seq);
            put_signed(&mut out, last.time.0.wrapping_sub(base));
            put_unsigned(&mut out, deleted.len());
            put_unsigned(&mut out, block.ttls);
            put_unsigned(&mut out, block.schedules);
            if !deleted.is_empty() {
                deleted.encode(&mut out);
            }
        }
        let last = self.blocks.back();
        put_unsigned(&mut out, last.map_or(0, |block| u64::from(block.number)));
        out.extend(last.map_or([0; 8], |block| block.last_hash));
        out
    }

    /// Writes the index. The log is durable.
    pub(super) fn write_index(&mut self) -> Result<(), StoreError> {
        let mut bytes = self.encode_index();
        if let Some(keys) = &self.file_config.keys {
            bytes = keys.seal(&bytes);
        }
        bytes.extend(checksum(&self.file_config.name, &bytes));
        let path = self.index_path();
        self.write_file(&path, &bytes)
    }
}
