//! Removing many messages at once: purge, compact, truncate.
//!
//! A purge is one record in a new block that makes all others void. Compaction is one record, and
//! tombstones beside it for a Go server. To truncate, the block that becomes the last one is
//! replaced; when others have to go with it, a file says so until they are gone.
//!
//! Source: Go `server/filestore.go` (`purgeLocked`, `compactLocked`, `Truncate`, `PurgeEx`).

use std::io;

use natsd_base::Timestamp;
use natsd_subject::SubjectTree;

use super::block::{Block, Mark};
use super::cache::BlockCache;
use super::remove::for_each_record;
use super::ttl::MessageTtls;
use super::write::{FLOOR_MAGIC, FLOOR_SIZE, PURGE_BODY, SYNC_MAGIC, marked_body, tombstone};
use super::{Compression, FileStore, SEQ_END};
use crate::block::{Borders, EMPTY_RECORD_SIZE, Record, RecordKind, with_one_sum};
use crate::markers::Markers;
use crate::schedule::Schedules;
use crate::sequence_set::SequenceSet;
use crate::stream_store::{Filter, StoreError, StreamState};

impl FileStore {
    /// Forgets all messages; the blocks are left to the caller.
    fn forget_all(&mut self, first_seq: u64) {
        self.subjects = SubjectTree::new();
        self.deleted = SequenceSet::new();
        self.lost = SequenceSet::new();
        self.ttls = self.config.allow_message_ttl.then(MessageTtls::default);
        self.schedules = self.config.allow_message_schedules.then(Schedules::new);
        self.markers = Markers::default();
        self.oldest = None;
        self.cached.clear();
        self.sparse.clear();
        self.obsolete.extend(self.blocks.drain(..).map(|block| block.number));
        self.file = None;
        (self.flushed, self.summed) = (0, 0);
        self.needs_sync = false;
        (self.is_head_untold, self.is_last_silent) = (false, false);
        self.state = StreamState {
            first_seq,
            last_seq: first_seq.saturating_sub(1),
            last_time: self.state.last_time,
            ..StreamState::default()
        };
    }

    /// Removes everything; `first_seq` comes next. Returns how many messages there were.
    pub(super) fn clear(&mut self, first_seq: u64) -> Result<u64, StoreError> {
        self.check_writable()?;
        if first_seq > SEQ_END {
            return Err(StoreError::InvalidSequence);
        }
        let purged = self.state.messages;
        let last_seq = first_seq - 1;
        if last_seq == 0 {
            // Nothing was ever stored, and there is no record for that.
            self.state.first_seq = first_seq;
            return Ok(purged);
        }
        let number = self.next_number;
        let time = self.state.last_time.unwrap_or(Timestamp(0));
        let mut records = Vec::with_capacity(FLOOR_SIZE);
        let record = tombstone(last_seq, time, PURGE_BODY);
        let hash = self.hash_of_block(number);
        record.encode(&hash, &mut records).expect("it is small");
        let body = marked_body(SYNC_MAGIC, records.len());
        tombstone(0, Timestamp(0), &body).encode(&hash, &mut records).expect("it is small");
        self.write_purge(number, &records)?;
        self.next_number += 1;
        self.forget_all(first_seq);
        let mut block = Block::new(number, Mark { seq: last_seq, time });
        block.size = Some(records.len());
        block.last_hash = *records.last_chunk().expect("every record has a hash");
        self.blocks.push_back(block);
        (self.flushed, self.summed) = (records.len(), records.len());
        (self.needs_marker, self.has_marker) = (false, true);
        self.told_floor = last_seq;
        self.remove_obsolete();
        Ok(purged)
    }

    /// Writes the block that makes all others void. On a full disk they make room for it: first the
    /// index goes, then the oldest blocks.
    fn write_purge(&mut self, number: u32, records: &[u8]) -> Result<(), StoreError> {
        let full = Err(StoreError::Disk(io::ErrorKind::StorageFull));
        let mut written = self.write_purge_block(number, records);
        if written != full {
            return written;
        }
        self.forget_index()?;
        written = self.write_purge_block(number, records);
        let blocks = self.blocks.range(..self.blocks.len().saturating_sub(1));
        let mut numbers: Vec<u32> = blocks.map(|block| block.number).collect();
        numbers.extend(&self.obsolete);
        numbers.sort_unstable();
        let mut is_cut = false;
        for oldest in numbers {
            if written != full {
                break;
            }
            match self.disk.remove_file(&self.block_path(oldest)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => written = Err(error.into()),
                Ok(()) => {
                    is_cut = true;
                    written = self.write_purge_block(number, records);
                }
            }
        }
        match written {
            // Some messages went before the others.
            Err(StoreError::Disk(kind)) if is_cut => Err(self.stop_writing(&kind.into())),
            other => other,
        }
    }

    fn write_purge_block(&mut self, number: u32, records: &[u8]) -> Result<(), StoreError> {
        // A number that was tried before may have left a file.
        let key = self.create_block_key(number)?;
        let bytes = self.encode_block(records, Compression::None, key.as_ref());
        self.write_file(&self.block_path(number), &bytes)
    }

    /// Removes every message below `seq`.
    pub(super) fn compact_below(&mut self, seq: u64) -> Result<u64, StoreError> {
        self.check_writable()?;
        if seq == 0 {
            return self.clear(self.state.last_seq + 1);
        }
        if self.state.first_seq > seq {
            return Ok(0);
        }
        if seq > self.state.last_seq {
            return self.clear(seq);
        }
        let before = self.state.messages;
        if before == 0 || self.state.first_seq == seq {
            return Ok(0);
        }
        self.prepare(FLOOR_SIZE)?;
        self.append_floor(seq - 1);
        let blocks = self.blocks.len();
        let partial = self.blocks[self.block_of(seq)].number;
        while self.state.messages > 0 && self.state.first_seq < seq {
            let first = self.state.first_seq;
            let index = self.block_of(first);
            // natsd knows by now; what is left of a block has to be told to a Go server.
            let is_told =
                self.blocks[index].number == partial && self.prepare(EMPTY_RECORD_SIZE).is_ok();
            let (record, _) =
                self.load_block(index, first)?.get(first).ok_or(StoreError::Damaged)?;
            let time = record.timestamp;
            if is_told {
                self.append(&tombstone(first, time, b""));
            }
            self.drop_message(index, first);
        }
        self.find_oldest();
        if self.blocks.len() < blocks && self.flush().is_ok() {
            self.sync()?;
        }
        Ok(before - self.state.messages)
    }

    /// Removes messages of `filter` below `seq`, but for the `keep` newest.
    pub(super) fn purge_filtered(
        &mut self,
        filter: Filter<'_>,
        seq: u64,
        keep: u64,
    ) -> Result<u64, StoreError> {
        match (filter, seq, keep) {
            (_, 1, _) => return Ok(0), // Nothing is below 1.
            (Filter::All, 0, 0) => return self.clear(self.state.last_seq + 1),
            (Filter::All, 2.., _) => return self.compact_below(seq),
            _ => {}
        }
        self.check_writable()?;
        let total = if keep > 0 { self.count_from(0, filter, false)? } else { u64::MAX };
        let mut left = total.saturating_sub(keep);
        let end = if seq == 0 { u64::MAX } else { seq };
        let (mut purged, mut start) = (0, 0);
        let mut head = (0, Vec::new());
        while left > 0
            && let Some(found) = self.next_matching(filter, start)?.filter(|&found| found < end)
        {
            if found == self.state.first_seq {
                self.remove_head(found, &mut head)?;
            } else {
                self.remove_message(found, true)?;
            }
            purged += 1;
            left -= 1;
            start = found + 1;
        }
        self.tell_removed_head(head)?;
        self.find_oldest();
        Ok(purged)
    }

    /// Removes the first message without a trace, and notes those removed from its block so far.
    fn remove_head(&mut self, seq: u64, head: &mut (u32, Vec<Mark>)) -> Result<(), StoreError> {
        let number = self.blocks[self.block_of(seq)].number;
        let time = self.message(seq)?.timestamp;
        self.remove_message(seq, false)?;
        if head.0 != number {
            *head = (number, Vec::new());
        }
        head.1.push(Mark { seq, time });
        Ok(())
    }

    /// Writes one record for all that was removed at the head, and one for each message whose
    /// block is still there, for a Go server.
    fn tell_removed_head(&mut self, head: (u32, Vec<Mark>)) -> Result<(), StoreError> {
        let (number, marks) = head;
        if self.blocks.front().is_some_and(|block| block.number == number) {
            for Mark { seq, time } in marks {
                self.prepare(self.tombstone_size())?;
                self.append_tombstone(seq, time);
            }
        }
        self.tell_head()
    }

    /// Removes every message and sequence above `seq`.
    pub(super) fn truncate_above(&mut self, seq: u64, now: Timestamp) -> Result<(), StoreError> {
        self.check_writable()?;
        if seq == 0 {
            return self.reset(now);
        }
        if seq > self.state.last_seq {
            return Err(StoreError::InvalidSequence);
        }
        if seq == self.state.last_seq {
            return Ok(());
        }
        if !self.obsolete.is_empty() {
            // Their records would come back, under sequences that are given away again.
            self.sync()?;
            self.sync_names()?;
            if !self.obsolete.is_empty() {
                return Err(StoreError::Disk(io::ErrorKind::Other));
            }
        }
        // The index is found to be stale by the last checksum, but not if the log comes back to
        // the same record; and the last sequence that it names is believed.
        self.forget_index()?;
        self.sync_names()?;
        let index = self.block_of(seq);
        let (mut records, last_time) = self.truncated_records(index, seq)?;
        let is_last = index + 1 == self.blocks.len();
        let is_cut = is_last
            && self.blocks[index]
                .cache
                .as_ref()
                .is_some_and(|cache| cache.records.starts_with(&records));
        if !is_cut {
            records = with_one_sum(&self.hash_of_block(self.blocks[index].number), &records);
        }
        let temporary = self.block_path(self.blocks[index].number).with_extension("blk.tmp");
        if is_cut {
            self.cut_last_block(records.len())?;
        } else if is_last {
            self.sync_log()?;
            self.replace_block(index, &records, Compression::None)?;
        } else {
            self.sync_log()?;
            let key = self.block_key(self.blocks[index].number)?;
            let bytes = self.encode_block(&records, Compression::None, key.as_ref());
            self.write_durable(&temporary, &bytes)?;
            self.needs_dir_sync = true;
            self.sync_names()?;
            self.write_intent(index)?;
        }
        // It is decided. What is removed is read for the last time.
        self.is_last_silent = false;
        let unlinked = self.unlink_above(index, seq);
        let number = self.blocks[index].number;
        if !is_last {
            self.finish_truncation(number, index)?;
        }
        self.summed = Borders::of(&records).tail();
        if !is_cut {
            (self.file, self.file_key) = (None, None);
            self.flushed = records.len();
            (self.needs_marker, self.has_marker) = (true, false);
        }
        self.shrink_to(index, seq, last_time, &records);
        if let Err(error) = unlinked {
            self.note::<()>(Err(error));
            self.rebuild()?;
        }
        self.sum_last_block();
        self.find_oldest();
        Ok(())
    }

    /// What is left of a block that becomes the last one with `seq` as the last sequence, and the
    /// time of that.
    fn truncated_records(
        &mut self,
        index: usize,
        seq: u64,
    ) -> Result<(Vec<u8>, Option<Timestamp>), StoreError> {
        let is_there = self.is_live(seq);
        let mut records = Vec::new();
        let mut tail = Vec::new();
        let first = self.state.first_seq;
        // What is read goes away, and tombstones of the head with it.
        let mut is_past = false;
        let mut tells_head = self.is_head_untold && first > 1 || first > seq;
        let hash = self.hash_of_block(self.blocks[index].number);
        for other in index..self.blocks.len() {
            let cache = self.load_block(other, 0)?;
            for_each_record(&cache.records, |record, bytes| {
                let is_tombstone = record.kind == RecordKind::Tombstone;
                if is_tombstone && record.seq == 0 && (is_past || other != index) {
                    // What it says does not hold any more.
                } else if record.seq > seq {
                    is_past |= !is_tombstone;
                } else if is_tombstone && is_past && record.seq < first {
                    tells_head = true;
                } else if other == index {
                    records.extend(bytes);
                } else if is_tombstone {
                    // The hash is that of another block.
                    tail.push((record.seq, record.timestamp));
                }
            });
            is_past = true;
        }
        let mut last_record = 0;
        for_each_record(&records, |record, _| {
            if record.kind != RecordKind::Tombstone {
                last_record = record.seq;
            }
        });
        for (removed, time) in tail {
            tombstone(removed, time, b"").encode(&hash, &mut records).expect("it is small");
        }
        if tells_head {
            let body = marked_body(FLOOR_MAGIC, records.len());
            let record = tombstone((first - 1).min(seq), Timestamp(0), &body);
            record.encode(&hash, &mut records).expect("it is small");
        }
        let mut last_time = self.state.last_time;
        if is_there {
            last_time = Some(self.message(seq)?.timestamp);
        } else {
            let time = last_time.unwrap_or(Timestamp(0));
            // A Go server does not take a last sequence from a tombstone behind records.
            let kind = if last_record < seq { RecordKind::Erased } else { RecordKind::Tombstone };
            let record = Record { kind, ..tombstone(seq, time, b"") };
            record.encode(&hash, &mut records).expect("it is small");
        }
        self.load_block(index, 0)?;
        Ok((records, last_time))
    }

    fn cut_last_block(&mut self, size: usize) -> Result<(), StoreError> {
        if size >= self.flushed {
            return Ok(()); // The rest was never on disk.
        }
        let number = self.blocks.back().map_or(0, |block| block.number);
        self.open_last(number)?;
        let file = self.file.as_ref().expect("it was opened");
        file.set_len(size as u64)?;
        if let Err(error) = file.sync_data() {
            return Err(self.stop_writing(&error));
        }
        self.flushed = size;
        (self.needs_sync, self.needs_marker, self.has_marker) = (false, true, false);
        self.sync_names()
    }

    /// Takes the messages above `seq` from the subjects and counts.
    fn unlink_above(&mut self, index: usize, seq: u64) -> Result<(), StoreError> {
        for other in (index..self.blocks.len()).rev() {
            let last = self.blocks[other].last.seq;
            let number = self.blocks[other].number;
            let cache = self.load_block(other, 0)?;
            let seqs: Vec<u64> = cache.range(seq + 1, last).map(|(seq, _)| seq).collect();
            for &removed in seqs.iter().rev() {
                let Some(cache) = self.blocks[other].cache.take() else { break };
                if let Some((record, size)) = cache.get(removed) {
                    if let Some(ttls) = &mut self.ttls {
                        ttls.remove(removed, record.timestamp, record.headers);
                    }
                    if let Some(schedules) = &mut self.schedules {
                        schedules.remove(removed);
                    }
                    self.markers.forget(removed, record.subject);
                    if !record.subject.is_empty() {
                        self.unlink(record.subject, removed, number, None);
                    }
                    self.state.messages -= 1;
                    self.state.bytes -= size as u64;
                    self.blocks[other].count -= 1;
                    self.blocks[other].bytes -= size as u64;
                }
                self.blocks[other].cache = Some(cache);
            }
        }
        Ok(())
    }

    /// Makes the block of `index` the last one, with these records.
    fn shrink_to(&mut self, index: usize, seq: u64, time: Option<Timestamp>, records: &[u8]) {
        self.deleted.remove_range(seq + 1, self.state.last_seq);
        self.lost.remove_range(seq + 1, self.state.last_seq);
        self.state.last_seq = seq;
        self.state.last_time = time;
        self.blocks.truncate(index + 1);
        let block = &mut self.blocks[index];
        block.last = Mark { seq, time: time.unwrap_or(Timestamp(0)) };
        if block.count == 0 {
            block.first = Mark { seq: seq + 1, ..block.last };
        }
        block.size = Some(records.len());
        block.last_hash = records.last_chunk().copied().unwrap_or_default();
        if self.flushed < records.len() {
            let cache = block_cache(&mut self.blocks[index]);
            cache.expect("what waits is there").cut(seq, records.len());
        } else {
            self.blocks[index].cache = None;
        }
        let cached = |number: u32| {
            self.blocks.iter().any(|block| block.number == number && block.cache.is_some())
        };
        let cached: Vec<u32> =
            self.cached.iter().copied().filter(|&number| cached(number)).collect();
        self.cached = cached;
        self.told_floor = 0;
        self.is_head_untold = self.state.first_seq > 1;
        self.is_last_silent = false;
        if self.state.messages == 0 {
            self.state.first_seq = seq + 1;
            self.state.first_time = None;
            self.deleted.clear();
        }
    }

    /// Begins the stream anew.
    fn reset(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.blocks.is_empty() {
            self.forget_index()?;
            self.sync_log()?;
            self.write_intent(usize::MAX)?;
        }
        self.forget_all(0);
        self.told_floor = 0;
        self.state.last_time = Some(now);
        self.end_intent()
    }

    /// Removes the blocks that go, and then the file that says so.
    fn end_intent(&mut self) -> Result<(), StoreError> {
        self.remove_obsolete();
        self.sync_names()?;
        if !self.obsolete.is_empty() {
            // It is decided, and cannot be done: the next start does it.
            return Err(self.stop_writing(&io::ErrorKind::Other.into()));
        }
        self.remove_intent();
        Ok(())
    }

    /// Replaces the block and removes those behind it.
    fn finish_truncation(&mut self, number: u32, index: usize) -> Result<(), StoreError> {
        let path = self.block_path(number);
        if let Err(error) = self.disk.rename(&path.with_extension("blk.tmp"), &path) {
            return Err(self.stop_writing(&error));
        }
        let numbers: Vec<u32> = self.blocks.range(index + 1..).map(|block| block.number).collect();
        self.obsolete.extend(numbers);
        self.needs_sync = false;
        self.needs_dir_sync = true;
        self.end_intent()
    }
}

fn block_cache(block: &mut Block) -> Option<&mut BlockCache> {
    block.cache.as_deref_mut()
}
