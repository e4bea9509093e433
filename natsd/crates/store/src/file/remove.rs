//! Removing single messages, and the blocks that they leave empty or sparse.
//!
//! Source: Go `server/filestore.go` (`removeMsgFromBlock`, `eraseMsg`, `compactWithFloor`,
//! `removeMsgBlock`).

use super::block::Mark;
use super::cache::BlockCache;
use super::write::tombstone;
use super::{Compression, FileStore};
use crate::block::{EMPTY_RECORD_SIZE, Record, RecordKind, erase_record, renew_sums, with_one_sum};
use crate::stream_store::StoreError;

/// Smaller blocks are not compacted while messages are removed. Go: `compactMinimum`.
const COMPACT_MIN: usize = 2 * 1024 * 1024;

/// Calls `visit` with each record and its bytes; they were checked before.
pub(super) fn for_each_record(records: &[u8], mut visit: impl FnMut(&Record<'_>, &[u8])) {
    let mut rest = records;
    while let Ok((record, size)) = Record::decode_checked(rest) {
        let (bytes, behind) = rest.split_at(size);
        visit(&record, bytes);
        rest = behind;
    }
}

impl FileStore {
    /// The index of the block that holds the message `seq`, which is there.
    pub(super) fn block_of(&self, seq: u64) -> usize {
        self.blocks.partition_point(|block| block.last.seq < seq)
    }

    /// Removes a message; whether it was there. Without a trace the limits have to remove it
    /// again after a crash: only the first message may go like that.
    pub(super) fn remove_message(
        &mut self,
        seq: u64,
        leaves_trace: bool,
    ) -> Result<bool, StoreError> {
        if !self.is_live(seq) {
            return Ok(false);
        }
        if leaves_trace {
            self.prepare(self.tombstone_size())?;
        } else {
            self.check_writable()?;
        }
        let index = self.block_of(seq);
        let (record, _) = self.load_block(index, seq)?.get(seq).ok_or(StoreError::Damaged)?;
        let time = record.timestamp;
        if leaves_trace {
            self.append_tombstone(seq, time);
        } else {
            self.is_head_untold = true;
        }
        self.drop_message(index, seq);
        Ok(true)
    }

    /// Takes a message out of all that is known. Its block is loaded.
    pub(super) fn drop_message(&mut self, index: usize, seq: u64) {
        let mut subject = std::mem::take(&mut self.scratch);
        let block = &mut self.blocks[index];
        let number = block.number;
        let mut cache = block.cache.take().expect("it is loaded");
        let (record, size) = cache.get(seq).expect("the caller looked");
        subject.clear();
        subject.extend(record.subject);
        if let Some(ttls) = &mut self.ttls {
            ttls.remove(seq, record.timestamp, record.headers);
        }
        if let Some(schedules) = &mut self.schedules {
            schedules.remove(seq);
        }
        self.markers.forget(seq, &subject);
        cache.remove(seq);
        if !subject.is_empty() {
            // Only a limit by subject asks again and again which one comes next.
            let next = self.config.messages_per_subject_max.is_some()
                && self
                    .subjects
                    .get(&subject)
                    .is_some_and(|info| info.total > 1 && info.first == seq);
            let next = if next { cache.next_of(&subject, seq) } else { None };
            self.unlink(&subject, seq, number, next);
        }
        self.blocks[index].cache = Some(cache);
        self.scratch = subject;
        self.uncount(index, seq, size as u64);
    }

    /// Takes a message of `size` bytes out of the counts.
    pub(super) fn uncount(&mut self, index: usize, seq: u64, size: u64) {
        self.state.messages -= 1;
        self.state.bytes -= size;
        let is_last = index + 1 == self.blocks.len();
        let block = &mut self.blocks[index];
        block.count -= 1;
        block.bytes -= size;
        let number = block.number;
        if seq != self.state.first_seq {
            self.deleted.insert(seq);
        }
        if block.count == 0 {
            block.first = Mark { seq: block.last.seq + 1, ..block.last };
        } else if block.first.seq == seq {
            let next = self.deleted.next_absent(seq + 1).unwrap_or(block.last.seq);
            let found = block.cache.as_ref().and_then(|cache| cache.get(next));
            // The time may be too early, but not in the first block.
            block.first.seq = next;
            block.first.time = found.map_or(block.first.time, |(record, _)| record.timestamp);
        }
        let (count, bytes, size) = (block.count, block.bytes, block.size);
        if seq == self.state.first_seq {
            self.move_first(seq + 1);
        } else if count == 0 && !is_last {
            self.drop_empty_block(index);
        } else if !is_last
            && size.is_some_and(|size| size > COMPACT_MIN && bytes * 2 < size as u64)
            && !self.sparse.contains(&number)
        {
            self.sparse.push(number);
        }
    }

    /// Makes the first message at or above `seq` the first one, and lets go of the blocks before.
    pub(super) fn move_first(&mut self, seq: u64) {
        while self.blocks.len() > 1 && self.blocks[0].count == 0 {
            self.let_go(0);
        }
        let first = if self.state.messages == 0 { None } else { self.deleted.next_absent(seq) };
        match first {
            Some(first) => {
                self.state.first_seq = first;
                let found = self.message(first).map(|message| message.timestamp);
                let time = self.note(found).unwrap_or(self.blocks[0].first.time);
                self.blocks[0].first = Mark { seq: first, time };
                self.state.first_time = Some(time);
            }
            None => {
                self.state.first_seq = self.state.last_seq + 1;
                self.state.first_time = None;
            }
        }
        self.deleted.remove_range(0, self.state.first_seq - 1);
        if !self.lost.is_empty() {
            self.lost.remove_range(0, self.state.first_seq - 1);
        }
    }

    /// Forgets a block; its file goes when the log is durable.
    pub(super) fn let_go(&mut self, index: usize) {
        if let Some(block) = self.blocks.remove(index) {
            self.obsolete.push(block.number);
            self.cached.retain(|&number| number != block.number);
            self.sparse.retain(|&number| number != block.number);
        }
    }

    /// Lets go of a block without messages in the middle, unless it has tombstones for others.
    fn drop_empty_block(&mut self, index: usize) {
        let whole = self.blocks[index].cache.as_ref().filter(|cache| cache.start == 0);
        let Some(cache) = whole else { return };
        let (mut lowest, mut is_needed) = (u64::MAX, false);
        for_each_record(&cache.records, |record, _| match record.kind {
            RecordKind::Message | RecordKind::Erased => lowest = lowest.min(record.seq),
            RecordKind::Tombstone => {
                is_needed |= record.seq >= self.state.first_seq && record.seq < lowest;
            }
        });
        if !is_needed {
            self.told_floor = 0; // It may have been told here.
            self.let_go(index);
        }
    }

    /// The records of a block that are still needed, and whether there are others.
    fn needed_records(&self, index: usize, cache: &BlockCache) -> (Vec<u8>, bool) {
        let first = self.blocks[index].first.seq;
        let mut kept = Vec::with_capacity(usize::try_from(self.blocks[index].bytes).unwrap_or(0));
        let mut has_others = false;
        for_each_record(&cache.records, |record, bytes| {
            let is_needed = match record.kind {
                RecordKind::Message => cache.get(record.seq).is_some(),
                RecordKind::Erased => false,
                RecordKind::Tombstone => {
                    (self.state.first_seq..first).contains(&record.seq)
                        && self.deleted.contains(record.seq)
                }
            };
            if is_needed {
                kept.extend(bytes);
            }
            // What natsd notes for itself is no reason to write a block anew.
            has_others |= !is_needed && record.seq > 0;
        });
        (kept, has_others)
    }

    /// Rewrites one of the blocks that became sparse. The log is durable.
    pub(super) fn compact_sparse(&mut self) -> Result<(), StoreError> {
        let Some(number) = self.sparse.pop() else { return Ok(()) };
        let index = self.block_from(number);
        if self.blocks.get(index).is_none_or(|block| block.number != number || block.count == 0) {
            return Ok(());
        }
        self.compact_block(index).map(drop)
    }

    /// Takes out of a full block what is not needed any more; whether there was something.
    fn compact_block(&mut self, index: usize) -> Result<bool, StoreError> {
        self.load_block(index, 0)?;
        let cache = self.blocks[index].cache.as_ref().expect("it was loaded");
        if !self.needed_records(index, cache).1 {
            return Ok(false);
        }
        if self.is_last_silent {
            self.prepare(EMPTY_RECORD_SIZE)?;
        }
        // What this block tells of the head has to be told elsewhere.
        self.told_floor = 0;
        self.tell_floor()?;
        self.sync_log()?;
        self.load_block(index, 0)?;
        let cache = self.blocks[index].cache.as_ref().expect("it was loaded");
        let (kept, _) = self.needed_records(index, cache);
        let kept = with_one_sum(&cache.hash, &kept);
        let last = cache.range(0, u64::MAX).next_back().map(|(seq, _)| seq);
        self.replace_block(index, &kept, self.file_config.compression)?;
        let number = self.blocks[index].number;
        let time = last.and_then(|seq| self.blocks[index].cache.as_ref()?.get(seq));
        let time = time.map(|(record, _)| record.timestamp);
        if let Some((seq, time)) = last.zip(time) {
            self.blocks[index].last = Mark { seq, time };
        }
        self.blocks[index].cache = None;
        self.cached.retain(|&other| other != number);
        Ok(true)
    }

    /// Rewrites one full block of which more than half is removed; whether there was one. To be
    /// called now and then. Source: Go `syncBlocks`.
    pub fn tidy(&mut self) -> Result<bool, StoreError> {
        self.check_writable()?;
        for index in 0..self.blocks.len().saturating_sub(1) {
            let block = &self.blocks[index];
            let size = match block.size {
                Some(size) => size as u64,
                None => self.disk.open(&self.block_path(block.number), false)?.len()?,
            };
            self.blocks[index].size = Some(usize::try_from(size).unwrap_or(usize::MAX));
            let block = &self.blocks[index];
            // It may be full of tombstones that are needed.
            let now = (block.bytes, self.state.first_seq);
            if block.bytes * 2 >= size || block.tidied == Some(now) {
                continue;
            }
            self.load_block(index, 0)?;
            if self.blocks[index].count > 0 {
                if self.compact_block(index)? {
                    return Ok(true);
                }
            } else {
                let count = self.blocks.len();
                self.drop_empty_block(index);
                if self.blocks.len() < count {
                    return Ok(true);
                }
            }
            self.blocks[index].tidied = Some(now);
        }
        Ok(false)
    }

    /// Removes a message and overwrites it on disk; whether it was there.
    pub(super) fn erase_message(&mut self, seq: u64) -> Result<bool, StoreError> {
        if !self.is_live(seq) {
            return Ok(false);
        }
        self.prepare(self.tombstone_size())?;
        let index = self.block_of(seq);
        let hash = self.hash_of_block(self.blocks[index].number);
        let cache = self.load_block(index, seq)?;
        let range = cache.range_of(seq).ok_or(StoreError::Damaged)?;
        let start = cache.start;
        let number = self.blocks[index].number;
        let offset = start + range.start;
        let mut record = cache_bytes(&self.blocks[index].cache, range).to_vec();
        erase_record(&hash, &mut record, &mut self.prng).map_err(|_| StoreError::Damaged)?;
        let time = self.message(seq)?.timestamp;
        let is_last_block = index + 1 == self.blocks.len();
        if seq == self.state.last_seq && !is_last_block {
            // An erased record does not tell the time of the last sequence, its tombstone does.
            self.append_tombstone(seq, time);
            self.drop_message(index, seq);
            let is_there = self.blocks.get(index).is_some_and(|block| block.number == number);
            self.sync_log()?;
            if is_there {
                self.overwrite_on_disk(index, offset, &record, b"")?;
            }
        } else {
            if self.is_head_untold && self.state.first_seq > 1 {
                // The message is gone with the block, even when its tombstone is lost.
                self.append_floor(self.state.first_seq - 1);
            }
            self.sync_log()?;
            let mut told = Vec::new();
            if seq == self.state.last_seq {
                // Both at once, so that nothing has changed when it fails.
                tombstone(seq, time, b"").encode(&hash, &mut told).expect("it is small");
            }
            self.overwrite_on_disk(index, offset, &record, &told)?;
            self.append_tombstone(seq, time);
            self.drop_message(index, seq);
        }
        self.overwrite_cached(seq, &record);
        self.find_oldest();
        Ok(true)
    }

    /// Puts other bytes in place of those at `offset` of a block, and `tail` behind it: the records
    /// that are appended to the log next. The log is durable.
    fn overwrite_on_disk(
        &mut self,
        index: usize,
        offset: usize,
        record: &[u8],
        tail: &[u8],
    ) -> Result<(), StoreError> {
        // The index would still fit the log.
        self.remove_index();
        self.sync_names()?;
        self.load_block(index, 0)?;
        let mut records = self.blocks[index].cache.as_ref().expect("loaded").records.clone();
        records[offset..offset + record.len()].copy_from_slice(record);
        renew_sums(&self.hash_of_block(self.blocks[index].number), &mut records);
        records.extend(tail);
        let is_full = index + 1 < self.blocks.len();
        let compression = if is_full { self.file_config.compression } else { Compression::None };
        self.replace_block(index, &records, compression)
    }

    /// Overwrites a removed message in memory too, if its block is still there.
    fn overwrite_cached(&mut self, seq: u64, record: &[u8]) {
        let index = self.block_of(seq);
        let Some(block) = self.blocks.get_mut(index) else { return };
        if let Some(cache) = &mut block.cache {
            cache.overwrite(seq, record);
        }
    }
}

fn cache_bytes(cache: &Option<Box<BlockCache>>, range: std::ops::Range<usize>) -> &[u8] {
    cache.as_ref().map_or(&[], |cache| &cache.records[range])
}
