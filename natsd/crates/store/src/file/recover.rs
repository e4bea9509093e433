//! What a stream's files hold: by the index where that can be trusted, else by scanning.
//!
//! Blocks are scanned from the last one to the first, each once: a tombstone always stands behind
//! the message that it removes, so whether a message is there is known when it is read. Of a
//! sequence that comes twice the first counts, and sequences only ascend.
//!
//! What cannot be read is copied into the folder `lost` and reported; the rest of its block is
//! written anew, since a Go server would drop everything behind it.
//!
//! Source: Go `server/filestore.go` (`recoverMsgs`, `recoverMsgBlock`, `recoverPartialPurge`).

mod scan;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use natsd_base::Timestamp;
use natsd_subject::SubjectTree;

use super::block::{Block, Mark, number_of};
use super::content::{self, Content};
use super::index::{GAP_MAX, Index};
use super::keys::KeyState;
use super::subjects::SubjectInfo;
use super::ttl::{has_schedule, has_ttl};
use super::write::SYNC_MAGIC;
use super::{Compression, FileStore, FileStoreError, SEQ_END};
use crate::block::{BlockHash, BlockScan, Damage, Record, RecordKind, Scanned, subject_of};
use crate::block::{correct, with_one_sum};
use crate::markers::Markers;
use crate::sequence_set::SequenceSet;
use crate::stream_dir::remove_if_there;
use crate::stream_store::{StoreError, StreamState};
use scan::{Scan, ScannedBlock, add_subject};

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
    /// One bit was wrong and was made right: nothing is lost.
    Corrected,
    /// Nothing shows but that a bit of the size of a subject is wrong in one of the records that
    /// are called doubtful. They are left as they are.
    Doubtful,
}

/// How often all blocks are scanned because some overlap.
const SCAN_ATTEMPTS: usize = 4;
/// How often a block is read that comes out damaged, and in another way each time.
pub(super) const READ_ATTEMPTS: usize = 3;

impl FileStore {
    fn read_error(path: &Path, source: io::Error) -> FileStoreError {
        FileStoreError::Read { path: path.to_owned(), source }
    }

    pub(super) fn write_error(&self, source: StoreError) -> FileStoreError {
        FileStoreError::Write { path: self.dir.clone(), source }
    }

    /// Finds out what there is, and removes what is over the limits.
    pub(super) fn recover(&mut self, now: Timestamp) -> Result<(), FileStoreError> {
        self.prepare_folders()?;
        let numbers = self.block_numbers()?;
        self.finish_intent(&numbers)?;
        let numbers = self.block_numbers()?;
        self.check_keys(&numbers)?;
        self.remove_leftovers()?;
        if self.recover_by_index(&numbers) {
            self.read_message_caches();
            if !self.has_marker && !self.file_config.trusts_go {
                self.take_over()?;
            }
        } else {
            let index = self.read_index_file();
            let (missing, lost) = self.missing_blocks(&numbers, index.as_ref());
            let last = index.as_ref().map(Index::last_mark);
            let last = last.filter(|_| !self.file_config.is_replicated);
            self.scan_all(&numbers, index.map(|index| index.subjects).unwrap_or_default())?;
            last.map_or(Ok(()), |last| self.keep_last(last))
                .map_err(|source| self.write_error(source))?;
            self.note_missing(missing, &lost).map_err(|source| self.write_error(source))?;
            self.sum_last_block();
        }
        if !self.is_stopped {
            self.convert_blocks().map_err(|source| self.write_error(source))?;
        }
        self.recover_by_headers(now).map_err(|source| self.write_error(source))?;
        self.recover_all_sources().map_err(|source| self.write_error(source))?;
        if !self.file_config.read_only {
            self.enforce_at_start(now).map_err(|source| self.write_error(source))?;
        }
        self.find_oldest();
        Ok(())
    }

    /// Goes on behind a sequence that was given away, though nothing is left of it.
    fn keep_last(&mut self, last: Mark) -> Result<(), StoreError> {
        let missing = last.seq.saturating_sub(self.state.last_seq);
        if missing == 0 || missing > GAP_MAX || self.is_stopped {
            return Ok(());
        }
        self.skip_sequences(None, missing, last.time, true).map(drop)
    }

    /// Adds blocks that are missing to what is damaged. All of that is said once.
    fn note_missing(
        &mut self,
        missing: Vec<Damaged>,
        lost: &SequenceSet,
    ) -> Result<(), StoreError> {
        self.damaged.extend(missing);
        let lost: Vec<u64> = lost.iter().filter(|&seq| self.deleted.contains(seq)).collect();
        self.lost.extend(lost);
        if self.damaged.is_empty() || self.is_stopped {
            return Ok(());
        }
        self.sync_log()?;
        self.forget_index()
    }

    fn enforce_at_start(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let first_seq = self.config.first_seq;
        if self.state.last_seq == 0 && first_seq > 0 {
            (self.state.first_seq, self.state.last_seq) = (1, 0);
        }
        if self.is_stopped {
            return Ok(()); // Recovery could not write; what there is can be read.
        }
        // In the order in which a message is stored. Differs from Go, which begins with the others,
        // and so removes one too many when the tombstone of the subject's limit was lost.
        self.enforce_subject_limits()?;
        self.enforce_limits()?;
        self.remove_expired(now)?;
        // Differs from Go: only a stream that is new begins there. Go purges one that was
        // truncated below that at every start.
        if first_seq > 1 && self.state.last_seq == 0 {
            self.clear(first_seq)?;
        }
        Ok(())
    }

    /// Makes the folders, and ends the purge of a Go server that was interrupted.
    fn prepare_folders(&mut self) -> Result<(), FileStoreError> {
        if self.file_config.read_only {
            return Ok(());
        }
        let disk = std::sync::Arc::clone(&self.disk);
        let dir = self.dir.clone();
        let done = || -> io::Result<()> {
            disk.create_dir_all(&self.messages_dir)?;
            let (new, old) = (dir.join("__new_msgs__"), dir.join("__msgs__"));
            if let Ok(entries) = disk.list(&new) {
                let names: Vec<_> =
                    entries.iter().filter_map(|entry| entry.name.to_str()).collect();
                if names.iter().any(|name| name.ends_with(BLOCK_SUFFIX)) {
                    // The block is moved there last: everything else was to be purged.
                    disk.remove_dir_all(&self.messages_dir)?;
                    disk.rename(&new, &self.messages_dir)?;
                } else {
                    // The purge had not begun to be true: its tombstone, in a block of its own of
                    // which only the key was moved, would take the last message.
                    for stem in names.iter().filter_map(|name| name.strip_suffix(KEY_SUFFIX)) {
                        let block = self.messages_dir.join(format!("{stem}{BLOCK_SUFFIX}"));
                        remove_if_there(disk.as_ref(), &block)?;
                    }
                    disk.sync_dir(&self.messages_dir)?;
                    disk.remove_dir_all(&new)?;
                }
            }
            if disk.list(&old).is_ok() {
                disk.remove_dir_all(&old)?;
            }
            disk.sync_dir(&dir)
        };
        done().map_err(|error| self.write_error(error.into()))
    }

    /// The numbers of the blocks in ascending order.
    pub(super) fn block_numbers(&self) -> Result<Vec<u32>, FileStoreError> {
        self.numbers_of(BLOCK_SUFFIX)
    }

    fn numbers_of(&self, suffix: &str) -> Result<Vec<u32>, FileStoreError> {
        let entries = self.disk.list(&self.messages_dir);
        let entries = entries.map_err(|error| Self::read_error(&self.messages_dir, error))?;
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        let mut numbers: Vec<u32> = names.filter_map(|name| number_of(name, suffix)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Removes files that were being written when a server stopped, and what Go servers before
    /// 2.10 kept beside the blocks.
    fn remove_leftovers(&mut self) -> Result<(), FileStoreError> {
        if self.file_config.read_only {
            return Ok(());
        }
        for number in self.numbers_of(".blk.tmp")? {
            self.finish_conversion(number).map_err(|source| self.write_error(source))?;
        }
        let entries = self.disk.list(&self.messages_dir);
        let entries = entries.map_err(|error| Self::read_error(&self.messages_dir, error))?;
        for entry in entries {
            let name = entry.name.to_str().unwrap_or_default();
            let is_ours = number_of(name, ".blk.tmp").is_some()
                || number_of(name, ".new").is_some()
                || number_of(name, ".key.tmp").is_some()
                || number_of(name, ".idx").is_some()
                || number_of(name, ".fss").is_some()
                || matches!(name, "index.db.tmp" | "thw.db.tmp");
            if is_ours {
                let path = self.messages_dir.join(name);
                let removed = self.disk.remove_file(&path);
                removed.map_err(|error| self.write_error(error.into()))?;
                self.needs_dir_sync = true;
            }
        }
        Ok(())
    }

    /// Scans everything anew, because something is not what it was thought to be.
    pub(super) fn rebuild(&mut self) -> Result<(), StoreError> {
        let last = self.last_mark();
        if !self.is_stopped {
            self.sync_log()?;
            self.remove_index();
            self.remove_obsolete();
        }
        let scanned = self.block_numbers().and_then(|numbers| {
            let known = std::mem::take(&mut self.subjects);
            self.scan_all(&numbers, known)
        });
        scanned.map_err(|error| match error {
            FileStoreError::Read { source, .. } => StoreError::Disk(source.kind()),
            FileStoreError::Write { source, .. } => source,
            FileStoreError::Encrypted { .. }
            | FileStoreError::Key { .. }
            | FileStoreError::TooLarge { .. }
            | FileStoreError::TooSparse => StoreError::Damaged,
        })?;
        self.keep_last(last)?;
        // The time only matters for schedules that fire again and again; they catch up.
        self.recover_by_headers(self.state.last_time.unwrap_or(Timestamp(0)))?;
        self.oldest = None;
        self.find_oldest();
        Ok(())
    }

    fn forget_blocks(&mut self) {
        self.blocks.clear();
        self.cached.clear();
        self.sparse.clear();
        self.subjects = SubjectTree::new();
        self.deleted = SequenceSet::new();
        self.lost = SequenceSet::new();
        self.ttls = None;
        self.schedules = None;
        self.markers = Markers::default();
        self.file = None;
        (self.flushed, self.summed) = (0, 0);
        self.needs_sync = false;
        self.has_marker = false;
        self.is_head_untold = false;
        self.told_floor = 0;
    }

    /// Reads all blocks. `known` are subjects that may be in them.
    fn scan_all(
        &mut self,
        numbers: &[u32],
        known: SubjectTree<SubjectInfo>,
    ) -> Result<(), FileStoreError> {
        let mut known = known;
        let mut least = BTreeMap::new();
        let mut attempts_left = SCAN_ATTEMPTS;
        loop {
            self.forget_blocks();
            attempts_left -= 1;
            let is_final = attempts_left == 0;
            let mut scan = Scan { least, is_final, known, ..Scan::default() };
            if self.scan_from_last(&mut scan, numbers)? {
                return self.finish_scan(scan, numbers);
            }
            // A block begins at or below the end of one before it. The earlier one counts. What
            // was made right meanwhile may show that for another one.
            least = self.ends_before(numbers)?;
            known = scan.known;
        }
    }

    /// For each block the highest sequence in those before it.
    fn ends_before(&self, numbers: &[u32]) -> Result<BTreeMap<u32, u64>, FileStoreError> {
        let (mut ends, mut highest) = (BTreeMap::new(), 0);
        for &number in numbers {
            ends.insert(number, highest);
            let (hash, content) = self.read_content(number)?;
            for scanned in BlockScan::new(&hash, &content.records) {
                if let Scanned::Record { record, .. } = scanned
                    && record.kind != RecordKind::Tombstone
                {
                    highest = record.seq.max(highest);
                }
            }
        }
        Ok(ends)
    }

    fn read_content(&self, number: u32) -> Result<(BlockHash, Content), FileStoreError> {
        let path = self.block_path(number);
        let bytes = self.disk.open(&path, false).and_then(|file| file.read_all());
        let mut bytes = bytes.map_err(|error| Self::read_error(&path, error))?;
        let hash = self.hash_of_block(number);
        let key = self.key_state(number);
        match key.map_err(|error| Self::read_error(&self.key_path(number), error))? {
            KeyState::None => {}
            KeyState::Key(key) => key.apply(0, &mut bytes),
            KeyState::Bad(_) => {
                let missing = bytes.len() as u64;
                return Ok((hash, Content { missing, is_closed: true, ..Content::default() }));
            }
        }
        let content = content::of(&hash, bytes);
        if content.records.len() >= 1 << 31 {
            let size = content.records.len() as u64;
            return Err(FileStoreError::TooLarge { block: number, size });
        }
        Ok((hash, content))
    }

    /// Reads the blocks from the last to the first; whether their sequences ascend.
    fn scan_from_last(&mut self, scan: &mut Scan, numbers: &[u32]) -> Result<bool, FileStoreError> {
        for (index, &number) in numbers.iter().enumerate().rev() {
            if scan.is_void_before {
                self.obsolete.extend(&numbers[..=index]);
                break;
            }
            let is_last = index + 1 == numbers.len();
            let (content, scanned) = self.scan_block(scan, number, is_last)?;
            scan.last_told.get_or_insert(scanned.highest);
            if scanned.overlaps && !scan.is_final {
                return Ok(false);
            }
            self.add_scanned(scan, number, &scanned, &content, is_last)?;
        }
        Ok(true)
    }

    /// Reads a block, again when it comes out damaged, and makes right what can be.
    fn scan_block(
        &mut self,
        scan: &mut Scan,
        number: u32,
        is_last: bool,
    ) -> Result<(Content, ScannedBlock), FileStoreError> {
        let lowest = scan.lowest;
        let (hash, mut content) = self.read_content(number)?;
        let mut attempts = 0;
        loop {
            let mut end = content.records.len();
            if is_last {
                (end, self.has_marker) = written_size(&hash, &content);
            }
            scan.lowest = lowest;
            let scanned = scan.read(number, &hash, &content, end);
            attempts += 1;
            let said = self.said_beside(number, &scanned.borders, &content.records);
            let is_right = scanned.damaged.is_empty()
                && !scanned.borders.has_wrong(&hash, &content.records, said);
            if is_right || attempts > READ_ATTEMPTS {
                return Ok((content, scanned));
            }
            let (_, again) = self.read_content(number)?;
            if again != content {
                content = again;
            } else if self.correct_block(scan, number, &hash, &mut content, is_last)? {
                attempts = READ_ATTEMPTS;
            } else {
                return Ok((content, scanned));
            }
        }
    }

    /// Makes records right that have one wrong bit, on disk too; whether there were any.
    fn correct_block(
        &mut self,
        scan: &Scan,
        number: u32,
        hash: &BlockHash,
        content: &mut Content,
        is_last: bool,
    ) -> Result<bool, FileStoreError> {
        let right = self.corrected_file(number, hash);
        if let Some((file, right)) = right.map_err(|source| self.write_error(source))? {
            let (offset, size, after_seq) = (0, file.len(), 0);
            let (damage, kind) = (Damage::Checksum, DamageKind::Corrected);
            self.damaged.push(Damaged { block: number, offset, size, after_seq, damage, kind });
            *content = right;
            if !self.is_stopped {
                let written = self.write_file(&self.block_path(number), &file);
                self.note(written);
            }
            return Ok(true);
        }
        let said = self.read_sum(number, &content.records);
        let corrected =
            correct(hash, &mut content.records, said, |subject| scan.known.contains(subject));
        for &offset in &corrected {
            let rest = content.records.get(offset..).unwrap_or_default();
            let (after_seq, size) =
                Record::decode_checked(rest).map_or((0, 0), |(record, size)| (record.seq, size));
            let (damage, kind) = (Damage::Checksum, DamageKind::Corrected);
            self.damaged.push(Damaged { block: number, offset, size, after_seq, damage, kind });
        }
        if !corrected.is_empty() && !self.is_stopped {
            let compression =
                if is_last { Compression::None } else { self.file_config.compression };
            let written = self.write_block(number, &content.records, compression);
            // It can be corrected again the next time.
            self.note(written);
        }
        Ok(!corrected.is_empty())
    }

    /// Adds what a block holds.
    fn add_scanned(
        &mut self,
        scan: &mut Scan,
        number: u32,
        scanned: &ScannedBlock,
        content: &Content,
        is_last: bool,
    ) -> Result<(), FileStoreError> {
        let empty = Mark { seq: 0, time: Timestamp(0) };
        let mut block = Block::new(number, scanned.last.unwrap_or(empty));
        let records = &content.records;
        let messages = std::mem::take(&mut scan.messages);
        let mut before: Option<u64> = None;
        for &(seq, offset) in &messages {
            if scan.is_removed(seq) || seq >= SEQ_END {
                continue;
            }
            let bytes = records.get(offset as usize..).unwrap_or_default();
            let (record, size) = Record::decode_checked(bytes).expect("it was decoded before");
            if !record.headers.is_empty() {
                block.ttls += u64::from(has_ttl(record.headers));
                block.schedules += u64::from(has_schedule(record.headers));
            }
            if block.count == 0 {
                block.first = Mark { seq, time: record.timestamp };
            }
            block.count += 1;
            block.bytes += size as u64;
            self.add_gap(scan, before, seq)?;
            before = Some(seq);
            add_subject(&mut scan.subjects, records, &record, offset, size);
        }
        scan.messages = messages;
        if let Some(last) = before {
            if let Some(above) = scan.first_live {
                self.add_gap(scan, Some(last), above)?;
            }
            scan.first_live = Some(block.first.seq);
            scan.last_live.get_or_insert(last);
        }
        for found in scan.subjects.drain() {
            let subject = subject_of(records.get(found.offset as usize..).unwrap_or_default());
            let info = self.subjects.get_or_insert_with(subject, SubjectInfo::default);
            if info.total == 0 {
                (info.last, info.last_block) = (found.last, number);
                info.last_size = found.last_size;
            }
            info.total += found.count;
            (info.first, info.first_block) = (found.first, number);
        }
        for &(after, next) in &scan.missing {
            let room = (records.len() as u64 + content.missing) / 30 + 1;
            if next > after && next - after <= room {
                let lost = (after + 1..next).filter(|&seq| !scan.is_removed(seq));
                self.lost.extend(lost);
            }
        }
        block.size = Some(records.len());
        block.last_hash = records.last_chunk().copied().unwrap_or_default();
        let borders = &scanned.borders;
        if is_last {
            self.is_last_compressed = content.is_compressed;
            (self.summed, self.is_partly_summed) = (borders.tail(), borders.has_unsummed());
        }
        if scanned.damaged.is_empty() {
            self.keep_sum(number, borders, records, is_last);
        } else {
            self.damaged.extend(&scanned.damaged);
            let repaired = self.repair_block(number, &scanned.damaged, content, is_last)?;
            (block.size, block.last_hash) = (Some(repaired.size), repaired.last_hash);
            if is_last && repaired.is_summed {
                self.summed = repaired.size;
            }
            let is_gone = self.disk.open(&self.block_path(number), false);
            if is_gone.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                return Ok(());
            }
        }
        self.blocks.push_front(block);
        Ok(())
    }

    /// Notes that there is no message between two sequences.
    fn add_gap(
        &mut self,
        scan: &mut Scan,
        before: Option<u64>,
        seq: u64,
    ) -> Result<(), FileStoreError> {
        if let Some(before) = before.filter(|&before| before + 1 < seq) {
            scan.gaps = scan.gaps.saturating_add(seq - before);
            if scan.gaps > GAP_MAX {
                return Err(FileStoreError::TooSparse);
            }
            self.deleted.insert_range(before + 1, seq - 1);
        }
        Ok(())
    }

    fn finish_scan(&mut self, scan: Scan, numbers: &[u32]) -> Result<(), FileStoreError> {
        let mut scan = scan;
        self.state = StreamState {
            messages: self.blocks.iter().map(|block| block.count).sum(),
            bytes: self.blocks.iter().map(|block| block.bytes).sum(),
            last_seq: scan.last_seq.min(SEQ_END - 1),
            last_time: scan.last_time,
            ..StreamState::default()
        };
        let last_seq = self.state.last_seq;
        let last_live = scan.last_live;
        self.add_gap(&mut scan, last_live, last_seq + 1)?;
        self.state.first_seq = match scan.first_live {
            Some(first) => first,
            None if last_seq == 0 => 0,
            None => last_seq + 1,
        };
        let first = self.blocks.iter().find(|block| block.count > 0);
        self.state.first_time = first.map(|block| block.first.time);
        self.lost.remove_range(0, self.state.first_seq.saturating_sub(1));
        self.lost.remove_range(last_seq + 1, u64::MAX);
        self.damaged.sort_by_key(|damaged| (damaged.block, damaged.offset));
        // A scan that had to begin again may have said it before.
        self.damaged.dedup();
        self.told_floor = scan.floor;
        self.is_last_silent =
            scan.last_told.is_some_and(|told| told < last_seq) && !self.is_live(last_seq);
        self.next_number = numbers.last().map_or(1, |&number| number.saturating_add(1));
        // Blocks without records stand behind the sequences before them.
        let mut before = Mark { seq: 0, time: Timestamp(0) };
        let count = self.blocks.len();
        for (index, block) in self.blocks.iter_mut().enumerate() {
            if block.last.seq < before.seq {
                block.last = before;
            }
            block.last.time = block.last.time.max(before.time);
            if index + 1 == count {
                let time = self.state.last_time.unwrap_or(Timestamp(0));
                block.last = Mark { seq: last_seq, time };
            }
            if block.count == 0 {
                block.first = Mark { seq: block.last.seq + 1, ..block.last };
            }
            before = block.last;
        }
        self.flushed = self.blocks.back().and_then(|block| block.size).unwrap_or(0);
        (self.needs_sync, self.needs_marker) = (self.flushed > 0, true);
        self.make_last_plain()?;
        while self.blocks.len() > 1 && self.blocks[0].count == 0 && !self.file_config.read_only {
            self.let_go(0);
        }
        Ok(())
    }

    /// The last block is written to, and so cannot stay compressed.
    fn make_last_plain(&mut self) -> Result<(), FileStoreError> {
        let Some(last) = self.blocks.back() else { return Ok(()) };
        let path = self.block_path(last.number);
        if self.is_stopped {
            return Ok(());
        }
        let len = self.disk.open(&path, false).and_then(|file| file.len());
        let len = len.map_err(|error| Self::read_error(&path, error))?;
        // Compressed and plain it may have the same size.
        if len == self.flushed as u64 && !self.is_last_compressed {
            return Ok(());
        }
        let (_, content) = self.read_content(last.number)?;
        let index = self.blocks.len() - 1;
        let replaced = self.replace_block(index, &content.records, Compression::None);
        replaced.map_err(|source| self.write_error(source))
    }

    /// Copies what is damaged into the folder `lost` and writes the block without it.
    fn repair_block(
        &mut self,
        number: u32,
        damaged: &[Damaged],
        content: &Content,
        is_last: bool,
    ) -> Result<Repaired, FileStoreError> {
        let records = &content.records;
        let mut clean = Vec::with_capacity(records.len());
        let mut from = 0;
        for damage in damaged {
            clean.extend(records.get(from..damage.offset).unwrap_or_default());
            from = (damage.offset + damage.size).min(records.len());
        }
        clean.extend(records.get(from..).unwrap_or_default());
        let mut known = Repaired::new(&clean, false);
        if self.file_config.read_only || self.is_stopped {
            return Ok(known);
        }
        let path = self.block_path(number);
        let file = self.disk.open(&path, false);
        let mut whole = file.and_then(|file| file.read_all());
        let key = self.key_state(number);
        let key = match key.map_err(|error| Self::read_error(&self.key_path(number), error))? {
            KeyState::None => None,
            KeyState::Key(key) => Some(key),
            KeyState::Bad(_) => {
                self.put_away(number).map_err(|source| self.write_error(source))?;
                return Ok(known);
            }
        };
        if let (Ok(whole), Some(key)) = (&mut whole, &key) {
            key.apply(0, whole);
        }
        let whole = whole.map_err(|error| Self::read_error(&path, error))?;
        let is_plain = whole == *records;
        let mut saved = Ok(());
        if is_plain {
            for damage in damaged {
                let bytes = records.get(damage.offset..).unwrap_or_default();
                let bytes = bytes.get(..damage.size).unwrap_or(bytes);
                // A file that grew before its content came is full of zeros.
                if bytes.iter().any(|&byte| byte != 0) {
                    let name = format!("{number}.blk-{}", damage.offset);
                    saved = saved.and_then(|()| self.set_aside(&name, bytes));
                }
            }
        } else {
            saved = self.set_aside(&format!("{number}.blk"), &whole);
        }
        let is_torn =
            is_last && is_plain && damaged.iter().all(|damage| damage.kind == DamageKind::Tail);
        let repaired = if is_torn {
            self.cut_torn(&path, clean.len())
        } else {
            clean = with_one_sum(&self.hash_of_block(number), &clean);
            known = Repaired::new(&clean, true);
            saved.and_then(|()| {
                let is_full = !is_last;
                let compression =
                    if is_full { self.file_config.compression } else { Compression::None };
                self.write_block(number, &clean, compression)
            })
        };
        if let Err(error) = repaired {
            // It can still be read as it is, but not written.
            self.stop_writing(&io::Error::from(match error {
                StoreError::Disk(kind) => kind,
                _ => io::ErrorKind::Other,
            }));
        }
        Ok(known)
    }

    /// Moves a block whose key does not open into the folder `lost`, with its key.
    fn put_away(&mut self, number: u32) -> Result<(), StoreError> {
        let lost = self.dir.join("lost");
        self.disk.create_dir_all(&lost)?;
        for (path, name) in [
            (self.key_path(number), format!("{number}.key")),
            (self.block_path(number), format!("{number}.blk")),
        ] {
            match self.disk.rename(&path, &lost.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        for dir in [&lost, &self.messages_dir.clone(), &self.dir.clone()] {
            if let Err(error) = self.disk.sync_dir(dir) {
                return Err(self.stop_writing(&error));
            }
        }
        Ok(())
    }

    /// Cuts off what was never whole.
    fn cut_torn(&mut self, path: &Path, size: usize) -> Result<(), StoreError> {
        let file = self.disk.open(path, false)?;
        file.set_len(size as u64)?;
        match file.sync_data() {
            Ok(()) => Ok(()),
            Err(error) => Err(self.stop_writing(&error)),
        }
    }

    /// Keeps bytes that cannot be read, for whoever can.
    pub(super) fn set_aside(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let dir = self.dir.join("lost");
        self.disk.create_dir_all(&dir)?;
        self.write_file(&dir.join(name), bytes)?;
        match self.disk.sync_dir(&self.dir) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.stop_writing(&error)),
        }
    }
}

/// A block without what was damaged.
struct Repaired {
    size: usize,
    last_hash: [u8; 8],
    /// All of its messages are in a sum.
    is_summed: bool,
}

impl Repaired {
    fn new(records: &[u8], is_summed: bool) -> Self {
        let last_hash = records.last_chunk().copied().unwrap_or_default();
        Self { size: records.len(), last_hash, is_summed }
    }
}

/// How much of the last block was written before whatever stopped the server. Damage before a
/// record that says that everything before it was durable came later; behind the last of those it
/// is a write that was cut or torn, and what follows it was never promised. Where there is no such
/// record, which is where a Go server wrote, nobody knows. Also whether there is one.
fn written_size(hash: &BlockHash, content: &Content) -> (usize, bool) {
    let mut has_marker = false;
    let mut damaged_at = None;
    for scanned in BlockScan::new(hash, &content.records) {
        match scanned {
            Scanned::Record { record, .. } => {
                if is_marker(&record) {
                    (has_marker, damaged_at) = (true, None);
                }
            }
            Scanned::Damaged { offset, .. } | Scanned::Tail { offset, .. } => {
                damaged_at.get_or_insert(offset);
            }
        }
    }
    (damaged_at.filter(|_| has_marker).unwrap_or(content.records.len()), has_marker)
}

/// Whether the record says that everything before it is durable.
pub(super) fn is_marker(record: &Record<'_>) -> bool {
    record.kind == RecordKind::Tombstone
        && record.seq == 0
        && record.body.len() == 12
        && record.body.starts_with(SYNC_MAGIC)
}
