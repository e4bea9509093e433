//! Finding and counting messages of a [`FileStore`].
//!
//! The subjects say in which blocks there is something to find, so that only those are read.
//! Counts are sums over the subjects, less what the blocks on the shorter side of the start hold.
//!
//! Source: Go `server/filestore.go` (`LoadNextMsg`, `NumPending`, `MultiLastSeqs`,
//! `GetSeqFromTime`).

use std::collections::{BTreeMap, BTreeSet};

use natsd_base::Timestamp;
use natsd_subject::subject::has_wildcard;

use super::FileStore;
use super::cache::BlockCache;
use super::content::Content;
use super::recover::READ_ATTEMPTS;
use crate::block::{BlockScan, Borders, RecordKind, Scanned, correct, subject_of};
use crate::stream_store::{Filter, StoreError, StoredMessage, SubjectState};

/// Messages that are looked at one by one before the subjects are asked where to go on.
const SCAN_MIN: usize = 64;

impl FileStore {
    /// Notes that a block's cache was used.
    pub(super) fn touch(&mut self, number: u32) {
        if self.cached.last() != Some(&number) {
            self.cached.retain(|&other| other != number);
            self.cached.push(number);
        }
    }

    /// The records of a block, from the disk.
    pub(super) fn read_block(&self, number: u32) -> Result<Content, StoreError> {
        let file = self.disk.open(&self.block_path(number), false)?;
        let mut bytes = file.read_all()?;
        if let Some(key) = self.block_key(number)? {
            key.apply(0, &mut bytes);
        }
        Ok(super::content::of(&self.hash_of_block(number), bytes))
    }

    /// The cache of a block, with the message `seq` in it; 0 means all of the block.
    pub(super) fn load_block(
        &mut self,
        index: usize,
        seq: u64,
    ) -> Result<&mut BlockCache, StoreError> {
        let number = self.blocks[index].number;
        let is_there = self.blocks[index]
            .cache
            .as_ref()
            .is_some_and(|cache| cache.start == 0 || seq > 0 && cache.covers(seq));
        if !is_there {
            self.fill_cache(index, number)?;
        }
        self.touch(number);
        Ok(self.blocks[index].cache.as_mut().expect("it was filled"))
    }

    /// Reads a block into its cache. When it is found to be damaged everything is scanned anew.
    fn fill_cache(&mut self, index: usize, number: u32) -> Result<(), StoreError> {
        for _ in 0..READ_ATTEMPTS {
            if let Some(cache) = self.read_cache(index, number)? {
                self.blocks[index].cache = Some(Box::new(cache));
                self.touch(number);
                self.make_room(number);
                return Ok(());
            }
        }
        self.found_damage()
    }

    /// The whole cache of a block, or nothing when it comes out damaged.
    fn read_cache(&mut self, index: usize, number: u32) -> Result<Option<BlockCache>, StoreError> {
        let is_last = index + 1 == self.blocks.len();
        let is_known = self.is_known_damage(number);
        let partial = self.blocks[index].cache.as_ref();
        let mut records = Vec::new();
        // The file of a new block comes with its first flush.
        let has_file = !is_last || self.flushed > 0;
        if has_file && partial.is_none_or(|cache| cache.start > 0) {
            let mut content = match self.read_block(number) {
                Err(StoreError::Damaged) => return Ok(None),
                other => other?,
            };
            if is_known
                && let Some((_, right)) =
                    self.corrected_file(number, &self.hash_of_block(number))?
            {
                content = right;
            }
            // Behind what was flushed there may be a part of what could not be.
            let end = if is_last { self.flushed } else { content.records.len() };
            let start = partial.map_or(end, |cache| cache.start);
            if (content.missing > 0 || content.records.len() < start) && !is_known {
                return Ok(None);
            }
            content.records.truncate(start);
            records = content.records;
        }
        if let Some(partial) = partial {
            records.extend(&partial.records);
        }
        let mut cache = BlockCache::new(self.hash_of_block(number), 0);
        if is_known {
            // It could not be written, but it can be made right as well as then.
            let said = self.read_sum(number, &records);
            let is_known = |subject: &[u8]| self.subjects.contains(subject);
            correct(&cache.hash, &mut records, said, is_known);
        }
        let (mut last, mut borders) = (0, Borders::default());
        let (mut ttls, mut schedules, mut bytes) = (0, 0, 0);
        let (first, end) = (self.blocks[index].first.seq, self.blocks[index].last.seq);
        for scanned in BlockScan::new(&cache.hash.clone(), &records) {
            let Scanned::Record { offset, size, record } = scanned else {
                if is_known {
                    continue;
                }
                return Ok(None);
            };
            borders.add(offset, size, &record);
            if record.kind != RecordKind::Message || record.seq <= last {
                continue;
            }
            last = record.seq;
            // A sequence that an earlier block has too is that one's.
            if (first..=end).contains(&record.seq) && self.is_live(record.seq) {
                cache.add(record.seq, offset);
                bytes += size as u64;
            }
            if !record.headers.is_empty() {
                ttls += u64::from(super::ttl::has_ttl(record.headers));
                schedules += u64::from(super::ttl::has_schedule(record.headers));
            }
        }
        borders.end(records.len());
        let said = self.said_beside(number, &borders, &records);
        if !is_known && borders.has_wrong(&cache.hash, &records, said) {
            return Ok(None);
        }
        cache.records = records;
        let block = &mut self.blocks[index];
        let count = cache.range(block.first.seq, block.last.seq).count() as u64;
        if (count, bytes) != (block.count, block.bytes) {
            return Ok(None);
        }
        (block.ttls, block.schedules) = (ttls, schedules);
        if !is_last {
            block.size = Some(cache.records.len());
        }
        Ok(Some(cache))
    }

    /// Whether the block was found to be damaged and could not be written anew.
    fn is_known_damage(&self, number: u32) -> bool {
        self.is_stopped && self.damaged.iter().any(|damaged| damaged.block == number)
    }

    /// A block is not what it was thought to be.
    fn found_damage(&mut self) -> Result<(), StoreError> {
        if self.is_rebuilding {
            return Err(StoreError::Damaged); // The disk says something else each time.
        }
        let (first_seq, deleted) = (self.state.first_seq, self.deleted.clone());
        self.is_rebuilding = true;
        let rebuilt = self.rebuild();
        self.is_rebuilding = false;
        rebuilt?;
        // What was removed stays removed, even if what is damaged is the record that said so.
        while !self.is_stopped && self.state.messages > 0 && self.state.first_seq < first_seq {
            self.remove_message(self.state.first_seq, true)?;
        }
        if !self.is_stopped {
            for seq in &deleted {
                self.remove_message(seq, true)?;
            }
            // The index said so too, and is gone.
            self.sync_log()?;
        }
        Err(StoreError::Damaged)
    }

    /// Lets go of the caches that were used least, but for that of `number` and the last block.
    pub(super) fn make_room(&mut self, number: u32) {
        let last = self.blocks.back().map(|block| block.number);
        let index_of = |store: &Self, number| store.block_from(number);
        let mut size: usize = self
            .cached
            .iter()
            .filter_map(|&number| self.blocks.get(index_of(self, number))?.cache.as_ref())
            .map(|cache| cache.size())
            .sum();
        let mut at = 0;
        while size > self.file_config.cache_size_max && at < self.cached.len() {
            let other = self.cached[at];
            if other == number || Some(other) == last {
                at += 1;
                continue;
            }
            self.cached.remove(at);
            let index = self.block_from(other);
            if let Some(cache) = self.blocks.get_mut(index).and_then(|block| block.cache.take()) {
                size -= cache.size();
                if cache.records.capacity() > self.spare.capacity() {
                    self.spare = cache.records;
                    self.spare.clear();
                }
            }
        }
    }

    /// The message of a sequence that has one.
    pub(super) fn message(&mut self, seq: u64) -> Result<StoredMessage<'_>, StoreError> {
        let mut index = self.block_of(seq);
        if index >= self.blocks.len() {
            return Err(StoreError::NotFound);
        }
        let loaded = self.load_block(index, seq).map(drop);
        if loaded == Err(StoreError::Damaged) && self.is_live(seq) {
            // Everything was scanned anew, and it was another message that was hit.
            index = self.block_of(seq);
            self.load_block(index, seq)?;
        } else {
            loaded?;
        }
        let cache = self.blocks[index].cache.as_ref().expect("it was loaded");
        let (record, _) = cache.get(seq).ok_or(StoreError::Damaged)?;
        Ok(StoredMessage {
            seq,
            timestamp: record.timestamp,
            subject: record.subject,
            headers: record.headers,
            body: record.body,
        })
    }

    /// The first sequence at or above `seq` that has a message.
    pub(super) fn next_live(&self, seq: u64) -> Option<u64> {
        if self.state.messages == 0 {
            return None;
        }
        let next = self.deleted.next_absent(seq.max(self.state.first_seq));
        next.filter(|&next| next <= self.state.last_seq)
    }

    /// The last sequence at or below `seq` that has a message.
    fn previous_live(&self, seq: u64) -> Option<u64> {
        if self.state.messages == 0 {
            return None;
        }
        let previous = self.deleted.previous_absent(seq.min(self.state.last_seq));
        previous.filter(|&previous| previous >= self.state.first_seq)
    }

    /// Calls `query` again when it found damage and the store was scanned anew. Another error is
    /// noted, and gives nothing.
    pub(super) fn repeat<T: Default>(
        &mut self,
        query: impl Fn(&mut Self) -> Result<T, StoreError>,
    ) -> T {
        let mut result = query(self);
        for _ in 0..2 {
            if matches!(result, Err(StoreError::Damaged)) {
                result = query(self);
            }
        }
        self.note(result).unwrap_or_default()
    }

    /// The first message of `filter` at or above `start`.
    pub(super) fn next_matching(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<u64>, StoreError> {
        match filter {
            Filter::All => Ok(self.next_live(start)),
            Filter::One(subject) if !has_wildcard(subject) => self.next_of_subject(subject, start),
            Filter::One(_) | Filter::Any(_) => self.next_of_many(filter, start),
        }
    }

    fn next_of_subject(&mut self, subject: &[u8], start: u64) -> Result<Option<u64>, StoreError> {
        let Some(info) = self.subjects.get(subject).copied() else { return Ok(None) };
        if info.last != 0 && start > info.last {
            return Ok(None);
        }
        if info.first != 0 && start <= info.first {
            return Ok(Some(info.first));
        }
        let from = self.block_of(start).max(self.block_from(info.first_block));
        for index in from..self.blocks.len() {
            if self.blocks[index].number > info.last_block {
                break;
            }
            if self.blocks[index].count == 0 {
                continue;
            }
            let cache = self.load_block(index, 0)?;
            // Who reads one after the other finds the next one near.
            let near = cache
                .range(start, u64::MAX)
                .take(SCAN_MIN)
                .find(|(_, bytes)| subject_of(bytes) == subject)
                .map(|(seq, _)| seq);
            if near.is_some() {
                return Ok(near);
            }
            if let Some(seq) = cache.next_of(subject, start) {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    fn next_of_many(&mut self, filter: Filter<'_>, start: u64) -> Result<Option<u64>, StoreError> {
        let Some(first) = self.next_live(start) else { return Ok(None) };
        // A few at first. When none matches, the subjects say where one can be.
        let few = SCAN_MIN.max(2 * self.subjects.len());
        let mut looked_at = 0;
        let mut asked = false;
        let mut index = self.block_of(first);
        let mut upto = u32::MAX;
        while let Some(block) = self.blocks.get(index).filter(|block| block.number <= upto) {
            let is_loaded = block.cache.as_ref().is_some_and(|cache| cache.start == 0);
            // Where subjects are few, asking them costs less than reading a block.
            let is_asked = !asked && !is_loaded && self.subjects.len() as u64 <= block.count + 64;
            if block.count > 0 && !is_asked {
                let cache = self.load_block(index, 0)?;
                for (seq, bytes) in cache.range(start, u64::MAX) {
                    if filter.matches(subject_of(bytes)) {
                        return Ok(Some(seq));
                    }
                    looked_at += 1;
                    if looked_at >= few && !asked {
                        break;
                    }
                }
            }
            if is_asked || looked_at >= few && !asked {
                asked = true;
                let here = self.blocks[index].number;
                let mut bound = None;
                upto = 0;
                self.for_each_subject(filter, |_, info| {
                    if info.last_block >= here && (info.last == 0 || info.last >= start) {
                        upto = upto.max(info.last_block);
                        let first = info.first_block.max(here);
                        bound = Some(bound.map_or(first, |bound: u32| bound.min(first)));
                    }
                });
                let Some(bound) = bound else { return Ok(None) };
                index = self.block_from(bound);
            } else {
                index += 1;
            }
        }
        Ok(None)
    }

    /// The last message of `filter` at or below `start`.
    pub(super) fn previous_matching(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<u64>, StoreError> {
        if matches!(filter, Filter::All) {
            return Ok(self.previous_live(start));
        }
        // Between which blocks there is one.
        let (mut first_block, mut last_block) = (u32::MAX, 0);
        let mut known_last = Some(0);
        self.for_each_subject(filter, |_, info| {
            first_block = first_block.min(info.first_block);
            last_block = last_block.max(info.last_block);
            known_last = known_last.filter(|_| info.last != 0).map(|last| info.last.max(last));
        });
        if let Some(last) = known_last.filter(|&last| last != 0 && last <= start) {
            return Ok(Some(last));
        }
        let Some(last) = self.previous_live(start) else { return Ok(None) };
        for index in (0..=self.block_of(last)).rev() {
            let number = self.blocks[index].number;
            if number < first_block {
                break;
            }
            if number > last_block || self.blocks[index].count == 0 {
                continue;
            }
            let cache = self.load_block(index, 0)?;
            let found = match filter {
                Filter::One(subject) if !has_wildcard(subject) => cache.last_of(subject, start),
                Filter::All | Filter::One(_) | Filter::Any(_) => cache
                    .range(0, start)
                    .rev()
                    .find(|(_, bytes)| filter.matches(subject_of(bytes)))
                    .map(|(seq, _)| seq),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What there is of `filter` from `start` on.
    pub(super) fn state_from(
        &mut self,
        start: u64,
        filter: Filter<'_>,
    ) -> Result<SubjectState, StoreError> {
        let start = start.max(self.state.first_seq);
        let messages = self.count_from(start, filter, false)?;
        if messages == 0 {
            return Ok(SubjectState::default());
        }
        let first = self.next_matching(filter, start)?.unwrap_or(0);
        if start == self.state.first_seq && first > 0 {
            self.note_first(filter, first);
        }
        let last = self.previous_matching(filter, u64::MAX)?.unwrap_or(0);
        Ok(SubjectState { messages, first, last })
    }

    /// Notes that nothing of `filter` is before its message `first`, so that the blocks before are
    /// not read for that again.
    fn note_first(&mut self, filter: Filter<'_>, first: u64) {
        let number = self.blocks[self.block_of(first)].number;
        if let Filter::One(filter) = filter {
            self.subjects.for_each_matching_mut(filter, |_, info| {
                if info.first == 0 {
                    info.first_block = info.first_block.max(number);
                }
            });
        }
    }

    /// How many messages of `filter` there are from `start` on, or how many subjects of it whose
    /// last message is there.
    pub(super) fn count_from(
        &mut self,
        start: u64,
        filter: Filter<'_>,
        last_per_subject: bool,
    ) -> Result<u64, StoreError> {
        let start = start.max(self.state.first_seq);
        if start > self.state.last_seq || self.state.messages == 0 {
            return Ok(0);
        }
        if last_per_subject {
            return self.count_last_from(start, filter);
        }
        if matches!(filter, Filter::All) {
            let sequences = self.state.last_seq - start + 1;
            return Ok(sequences - self.deleted.count_between(start, self.state.last_seq));
        }
        let index = self.block_of(start);
        let here = self.blocks[index].number;
        let is_all = start == self.state.first_seq;
        let (mut sure, mut between, mut total) = (0, false, 0);
        self.for_each_subject(filter, |_, info| {
            total += info.total;
            if is_all || info.first_block > here || info.first >= start {
                sure += info.total;
            } else if info.last_block >= here && (info.last == 0 || info.last >= start) {
                between = true;
            }
        });
        if !between {
            return Ok(sure);
        }
        if index * 2 < self.blocks.len() {
            let before = self.count_in(0..index + 1, filter, 0, start - 1)?;
            return Ok(total - before);
        }
        self.count_in(index..self.blocks.len(), filter, start, u64::MAX)
    }

    /// How many messages of `filter` from `first` to `last` there are in some blocks.
    fn count_in(
        &mut self,
        blocks: std::ops::Range<usize>,
        filter: Filter<'_>,
        first: u64,
        last: u64,
    ) -> Result<u64, StoreError> {
        let mut count = 0;
        for index in blocks {
            if self.blocks[index].count == 0 {
                continue;
            }
            let cache = self.load_block(index, 0)?;
            count += match filter {
                Filter::One(subject) if !has_wildcard(subject) => {
                    cache.all_of(subject, first, last).len() as u64
                }
                Filter::All | Filter::One(_) | Filter::Any(_) => cache
                    .range(first, last)
                    .filter(|(_, bytes)| filter.matches(subject_of(bytes)))
                    .count()
                    as u64,
            };
        }
        Ok(count)
    }

    fn count_last_from(&mut self, start: u64, filter: Filter<'_>) -> Result<u64, StoreError> {
        let index = self.block_of(start);
        let here = self.blocks[index].number;
        let is_all = start == self.state.first_seq;
        let mut count = 0;
        let mut unknown: Vec<Box<[u8]>> = Vec::new();
        self.for_each_subject(filter, |subject, info| {
            if is_all || info.first_block > here || info.last >= start {
                count += 1;
            } else if info.last == 0 && info.last_block >= here {
                unknown.push(subject.into());
            }
        });
        for subject in unknown {
            let last = self.last_of(&subject)?;
            count += u64::from(last.is_some_and(|last| last >= start));
        }
        Ok(count)
    }

    /// The first message that was stored at `time` or later, or one beyond the last sequence.
    pub(super) fn first_at_or_after(&mut self, time: Timestamp) -> Result<u64, StoreError> {
        let beyond = self.state.last_seq + 1;
        let from = self.blocks.partition_point(|block| block.last.time < time);
        for index in from..self.blocks.len() {
            if self.blocks[index].count == 0 {
                continue;
            }
            let (mut low, end) = (self.blocks[index].first.seq, self.blocks[index].last.seq + 1);
            let mut found = None;
            let mut high = end;
            while low < high {
                let middle = low + (high - low) / 2;
                match self.next_live(middle).filter(|&seq| seq < end) {
                    None => high = middle,
                    Some(seq) if self.message(seq)?.timestamp < time => low = seq + 1,
                    Some(seq) => {
                        found = Some(seq);
                        high = middle;
                    }
                }
            }
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(beyond)
    }

    /// The last sequence of each subject that some filter stands for, at or below `last`.
    pub(super) fn last_of_each_subject(
        &mut self,
        filters: &[&[u8]],
        last: u64,
        count_max: Option<usize>,
    ) -> Result<Vec<u64>, StoreError> {
        let mut seqs = BTreeSet::new();
        for filter in filters {
            let mut wanted: BTreeMap<Box<[u8]>, u32> = BTreeMap::new();
            self.for_each_subject(Filter::new(filter), |subject, info| {
                if info.last != 0 && info.last <= last {
                    seqs.insert(info.last);
                } else if info.first <= last {
                    wanted.insert(subject.into(), info.first_block);
                }
            });
            self.find_lasts(wanted, last, &mut seqs)?;
            if count_max.is_some_and(|max| seqs.len() > max) {
                return Err(StoreError::TooManyResults);
            }
        }
        Ok(seqs.into_iter().collect())
    }

    /// Adds the last sequence at or below `last` of each subject, going from block to block.
    fn find_lasts(
        &mut self,
        wanted: BTreeMap<Box<[u8]>, u32>,
        last: u64,
        seqs: &mut BTreeSet<u64>,
    ) -> Result<(), StoreError> {
        let mut wanted = wanted;
        let Some(from) = self.previous_live(last) else { return Ok(()) };
        for index in (0..=self.block_of(from)).rev() {
            if wanted.is_empty() {
                break;
            }
            if self.blocks[index].count == 0 {
                continue;
            }
            let number = self.blocks[index].number;
            let cache = self.load_block(index, 0)?;
            wanted.retain(|subject, first_block| {
                let found = cache.last_of(subject, last);
                seqs.extend(found);
                found.is_none() && *first_block < number
            });
        }
        Ok(())
    }
}
