//! A stream's messages on disk, in the files of a Go server.
//!
//! The blocks are a log: whatever changes is a record at its end, and files are removed or
//! rewritten only after the records that made them useless are durable. So whatever a crash leaves
//! is a prefix of the changes, and holds everything that was synced. `index.db` and `thw.db` are
//! caches and are used only when they fit the blocks.
//!
//! In memory are what each block and each subject holds in all, the removed sequences, and the
//! records of the blocks used last.
//!
//! Source: Go `server/filestore.go`.

mod block;
mod cache;
mod cache_files;
mod compare;
mod content;
mod index;
mod intent;
mod keys;
mod limits;
mod query;
mod recover;
mod remove;
mod shrink;
mod subjects;
mod sums;
mod take_over;
mod ttl;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::{Prng, Timestamp};
use natsd_subject::SubjectTree;

use crate::block::{RECORD_SIZE_MAX, Record, RecordKind};
use crate::crypt::{BlockKey, CryptError};
use crate::disk::{Disk, DiskFile};
use crate::markers::{Expired, Markers};
use crate::schedule::{ScheduledMessage, Schedules};
use crate::sequence_set::SequenceSet;
use crate::snapshot::SourceState;
use crate::sources::Sources;
use crate::stream_store::{
    Filter, NewMessage, StoreConfig, StoreError, StoredMessage, StreamState, StreamStore,
    SubjectState,
};
use block::{Block, Mark};
pub use compare::{IndexDifference, IndexFile, StoredIndex};
pub use keys::{FileStoreKeys, SharedRandom};
pub use recover::{DamageKind, Damaged};
use subjects::SubjectInfo;
use ttl::MessageTtls;

/// The two highest bits of a sequence are flags in a record.
const SEQ_END: u64 = 1 << 62;

/// Blocks are never larger, and offsets have 31 bits.
const BLOCK_SIZE_MAX: u64 = 8 * 1024 * 1024;

/// Why a stream on disk cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileStoreError {
    /// The disk refused to read.
    #[error("{}: read failed", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// The disk refused to write what was recovered.
    #[error("{}: write failed", path.display())]
    Write {
        /// The folder of the stream.
        path: PathBuf,
        /// What the store says.
        #[source]
        source: StoreError,
    },
    /// The block needs a key.
    #[error("block {block} is encrypted")]
    Encrypted {
        /// Its number.
        block: u32,
    },
    /// None of the blocks' keys opens: the server has another key.
    #[error("block {block} does not open")]
    Key {
        /// Its number.
        block: u32,
        /// What is wrong with its key file.
        #[source]
        source: CryptError,
    },
    /// A block is too large to be one: offsets in it have 31 bits.
    #[error("block {block} has {size} bytes")]
    TooLarge {
        /// Its number.
        block: u32,
        /// Its size in bytes.
        size: u64,
    },
    /// More sequences lie between the messages than can be kept track of.
    #[error("sequences are too far apart")]
    TooSparse,
}

/// How blocks are compressed when they are full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// S2.
    S2,
}

/// How a stream lies on disk.
#[derive(Debug, Clone)]
pub struct FileStoreConfig {
    /// The name of the stream or RAFT group: a part of the key of all hashes.
    pub name: String,
    /// Bytes of records in one block, see [`FileStoreConfig::block_size_of`].
    pub block_size: u64,
    /// How full blocks are compressed.
    pub compression: Compression,
    /// Bytes of records that are kept in memory, beside the last block.
    pub cache_size_max: usize,
    /// Bytes that wait in memory before they are handed to the disk without a flush.
    pub write_buffer_max: usize,
    /// Nothing is written, not even what recovery would repair.
    pub read_only: bool,
    /// Peers have what is missing here. Otherwise a sequence that `index.db` names is never given
    /// away again, even when its message is lost. Go: `AsyncFlush`.
    pub is_replicated: bool,
    /// The first start after a Go server stopped does not read all blocks, and so does not find a
    /// wrong bit in the size of a subject, which no hash of Go's covers.
    pub trusts_go: bool,
    /// How blocks and the index are encrypted, if they are.
    pub keys: Option<FileStoreKeys>,
    /// Seeds what erased messages are overwritten with.
    pub seed: u64,
}

impl FileStoreConfig {
    /// The ordinary configuration of a stream without a byte limit.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            block_size: BLOCK_SIZE_MAX,
            compression: Compression::None,
            cache_size_max: 32 * 1024 * 1024,
            write_buffer_max: 1024 * 1024,
            read_only: false,
            is_replicated: false,
            trusts_go: false,
            keys: None,
            seed: 0,
        }
    }

    /// The block size that Go takes for a stream. `keeps_all` says that messages stay until a
    /// limit is reached, and not only until they are consumed. Source: Go `dynBlkSize`.
    #[must_use]
    pub fn block_size_of(bytes_max: Option<u64>, keeps_all: bool, is_encrypted: bool) -> u64 {
        const MEDIUM: u64 = 4 * 1024 * 1024;
        const ENCRYPTED_MAX: u64 = 2 * 1024 * 1024;
        const MIN: u64 = 32_000;
        let size = match bytes_max.filter(|&max| max > 0) {
            Some(max) => match (max / 4 + 1).next_multiple_of(100) {
                ..=MIN => MIN,
                BLOCK_SIZE_MAX.. => BLOCK_SIZE_MAX,
                _ => MEDIUM,
            },
            None if keeps_all => BLOCK_SIZE_MAX,
            None => MEDIUM,
        };
        if is_encrypted { size.min(ENCRYPTED_MAX) } else { size }
    }
}

/// A stream's messages on disk.
///
/// Source: Go `server/filestore.go` `fileStore`.
#[derive(Debug)]
pub struct FileStore {
    disk: Arc<dyn Disk>,
    /// The folder of the stream.
    dir: PathBuf,
    /// The folder with the blocks.
    messages_dir: PathBuf,
    file_config: FileStoreConfig,
    config: StoreConfig,
    /// By number. Sequences ascend from block to block.
    blocks: VecDeque<Block>,
    next_number: u32,
    subjects: SubjectTree<SubjectInfo>,
    /// Invariant: exactly the sequences from the first to the last without a message.
    deleted: SequenceSet,
    /// Those of them that were damaged.
    lost: SequenceSet,
    state: StreamState,
    /// Where the stream allows it.
    ttls: Option<MessageTtls>,
    /// Where the stream allows it.
    schedules: Option<Schedules>,
    sources: Sources,
    markers: Markers,
    /// The first message that the age limit may remove. Known with such a limit.
    oldest: Option<Mark>,
    /// Blocks with a cache, the one used last at the end.
    cached: Vec<u32>,
    /// The last block, when it was written to.
    file: Option<Box<dyn DiskFile>>,
    /// Its key.
    file_key: Option<BlockKey>,
    /// Bytes of the last block that were handed to the disk.
    flushed: usize,
    /// Messages of the last block from here on are in no sum of their sizes.
    summed: usize,
    /// Some of the others may be in none either: a Go server wrote them.
    is_partly_summed: bool,
    /// The file of the last block was compressed when it was scanned.
    is_last_compressed: bool,
    /// Some of what was flushed is not durable yet.
    needs_sync: bool,
    /// Nothing says yet that what was written last is durable.
    needs_marker: bool,
    /// There is a marker in the last block, and it is durable.
    has_marker: bool,
    /// The last block does not tell the last sequence, so the others have to stay.
    is_last_silent: bool,
    /// Something was written since the store was opened.
    has_written: bool,
    /// Names in the folder are not durable yet.
    needs_dir_sync: bool,
    /// Blocks whose files go when the log is durable.
    obsolete: Vec<u32>,
    /// Messages at the head were removed and no record says so: limits do it again.
    is_head_untold: bool,
    /// Everything up to this sequence is told to be removed by a record.
    told_floor: u64,
    /// Full blocks of which more than half is removed.
    sparse: Vec<u32>,
    /// The memory of a cache that is not needed any more, for the next block.
    spare: Vec<u8>,
    /// For the subject of a message that is being removed.
    scratch: Vec<u8>,
    damaged: Vec<Damaged>,
    failure: Option<StoreError>,
    is_stopped: bool,
    /// Everything is being scanned because a block was not what it was thought to be.
    is_rebuilding: bool,
    prng: Prng,
}

impl FileStore {
    /// Opens the stream in `stream_dir`, or makes an empty one. What is over the limits at `now`
    /// is removed. Damaged content is no failure: it is put aside in the folder `lost` and listed
    /// by [`FileStore::damaged`].
    pub fn open(
        disk: Arc<dyn Disk>,
        stream_dir: &Path,
        file_config: FileStoreConfig,
        config: StoreConfig,
        now: Timestamp,
    ) -> Result<Self, FileStoreError> {
        let mut file_config = file_config;
        file_config.block_size = file_config.block_size.clamp(1, BLOCK_SIZE_MAX);
        let mut store = Self {
            disk,
            dir: stream_dir.to_owned(),
            messages_dir: stream_dir.join("msgs"),
            prng: Prng::from_seed(file_config.seed),
            is_stopped: file_config.read_only,
            file_config,
            config,
            blocks: VecDeque::new(),
            next_number: 1,
            subjects: SubjectTree::new(),
            deleted: SequenceSet::new(),
            lost: SequenceSet::new(),
            state: StreamState::default(),
            ttls: None,
            schedules: None,
            sources: Sources::default(),
            markers: Markers::default(),
            oldest: None,
            cached: Vec::new(),
            file: None,
            file_key: None,
            flushed: 0,
            summed: 0,
            is_partly_summed: false,
            is_last_compressed: false,
            needs_sync: false,
            needs_marker: false,
            has_marker: false,
            is_last_silent: false,
            has_written: false,
            needs_dir_sync: false,
            obsolete: Vec::new(),
            is_head_untold: false,
            told_floor: 0,
            sparse: Vec::new(),
            spare: Vec::new(),
            scratch: Vec::new(),
            damaged: Vec::new(),
            failure: None,
            is_rebuilding: false,
        };
        store.recover(now)?;
        Ok(store)
    }

    /// Writes everything out, and the caches that the next start is faster with. The store does
    /// not write after that, whether it succeeds or not.
    pub fn stop(&mut self, _now: Timestamp) -> Result<(), StoreError> {
        if self.is_stopped {
            return Ok(());
        }
        let result = self.sync().and_then(|()| self.mark_end()).and_then(|()| self.write_caches());
        self.is_stopped = true;
        self.file = None;
        result
    }

    fn write_caches(&mut self) -> Result<(), StoreError> {
        if let Some(last) = self.blocks.back() {
            // Go looks for the file of the last block, with records or not.
            let number = last.number;
            self.open_last(number)?;
            self.write_last_sum();
            self.write_index()?;
            self.write_message_caches()?;
        }
        Ok(())
    }

    /// What could not be read since the store was opened.
    #[must_use]
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Sequences whose messages were in what could not be read.
    #[must_use]
    pub fn lost(&self) -> &SequenceSet {
        &self.lost
    }

    /// The first disk error that stopped the store, or that a call had no way to return.
    #[must_use]
    pub fn failure(&self) -> Option<StoreError> {
        self.failure
    }

    /// Lets go of all records that are in memory and on the disk. What waits to be flushed stays.
    pub fn release_caches(&mut self) {
        if self.pending_size() > 0 {
            let last = self.blocks.back().map(|block| block.number);
            self.cached.retain(|&number| Some(number) == last);
        } else {
            self.cached.clear();
            if !self.needs_sync {
                self.file = None;
            }
        }
        for block in &mut self.blocks {
            if !self.cached.contains(&block.number) {
                block.cache = None;
            }
        }
        self.cached.shrink_to_fit();
        self.spare = Vec::new();
    }

    /// Bytes on the heap for finding messages, by a rough count: blocks, subjects, deleted
    /// sequences and caches.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        let caches: usize = self
            .blocks
            .iter()
            .filter_map(|block| block.cache.as_ref())
            .map(|cache| cache.size())
            .sum();
        self.blocks.capacity() * size_of::<Block>()
            + self.subjects.allocated_size()
            + self.deleted.allocated_size()
            + self.spare.capacity()
            + caches
    }

    fn next_seq(&self, expected: Option<u64>) -> Result<u64, StoreError> {
        let next = self.state.last_seq + 1;
        if expected.is_some_and(|expected| expected != next) {
            return Err(StoreError::SequenceMismatch);
        }
        if next < SEQ_END { Ok(next) } else { Err(StoreError::InvalidSequence) }
    }

    /// Whether there is a message under this sequence.
    fn is_live(&self, seq: u64) -> bool {
        self.state.messages > 0
            && (self.state.first_seq..=self.state.last_seq).contains(&seq)
            && !self.deleted.contains(seq)
    }

    /// Notes an error that the caller cannot be told of.
    fn note<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }

    /// Adds the message that was just appended to all that is known.
    fn count_message(&mut self, seq: u64, message: &NewMessage<'_>, size: u64) {
        let mark = Mark { seq, time: message.timestamp };
        let block = self.blocks.back_mut().expect("it was written to");
        if block.count == 0 {
            block.first = mark;
        }
        block.last = mark;
        block.count += 1;
        block.bytes += size;
        if !message.headers.is_empty() {
            block.ttls += u64::from(ttl::has_ttl(message.headers));
            block.schedules += u64::from(ttl::has_schedule(message.headers));
        }
        let number = block.number;
        if self.state.messages == 0 {
            self.state.first_seq = seq;
            self.state.first_time = Some(message.timestamp);
        }
        self.state.messages += 1;
        self.state.bytes += size;
        self.state.last_seq = seq;
        self.state.last_time = Some(message.timestamp);
        if !message.subject.is_empty() {
            let subject = self.subjects.get_or_insert_with(message.subject, SubjectInfo::default);
            subject.add(seq, number, size);
        }
        if let (Some(ttls), Some(ttl)) = (&mut self.ttls, message.ttl) {
            ttls.insert(seq, message.timestamp, ttl);
        }
        if let Some(schedules) = &mut self.schedules {
            let at = message.timestamp;
            schedules.note(seq, message.subject, message.headers, at, at);
        }
        self.sources.note(message.headers);
    }
}

impl StreamStore for FileStore {
    fn update_config(&mut self, config: StoreConfig, now: Timestamp) {
        self.apply_config(config, now);
    }

    fn store(&mut self, message: NewMessage<'_>) -> Result<u64, StoreError> {
        let record = Record {
            seq: 0,
            timestamp: message.timestamp,
            kind: RecordKind::Message,
            subject: message.subject,
            headers: message.headers,
            body: message.body,
        };
        let size = record.encoded_size();
        if size > RECORD_SIZE_MAX || message.subject.len() > usize::from(u16::MAX) {
            return Err(StoreError::TooLarge);
        }
        if message.may_refuse {
            self.check_discard_new(&message, size as u64)?;
        }
        let seq = self.next_seq(message.seq)?;
        self.prepare(size)?;
        let offset = self.append(&Record { seq, ..record });
        let last = self.blocks.back_mut().expect("it was prepared");
        last.cache.as_mut().expect("it was prepared").add(seq, offset);
        let replaced = self.only_message_of(message.subject);
        self.count_message(seq, &message, size as u64);
        let result = self.enforce_after_store(message.subject, replaced);
        self.note(result);
        Ok(seq)
    }

    fn skip(
        &mut self,
        seq: Option<u64>,
        count: u64,
        now: Timestamp,
        moves_time: bool,
    ) -> Result<u64, StoreError> {
        self.skip_sequences(seq, count, now, moves_time)
    }

    fn load(&mut self, seq: u64) -> Result<StoredMessage<'_>, StoreError> {
        if self.is_live(seq) {
            return self.message(seq);
        }
        Err(if seq > self.state.last_seq {
            StoreError::BeyondLast
        } else if self.lost.contains(seq) {
            StoreError::Damaged
        } else {
            StoreError::NotFound
        })
    }

    fn load_last(&mut self, filter: Filter<'_>) -> Result<StoredMessage<'_>, StoreError> {
        let seq = match filter {
            Filter::All => Some(self.state.last_seq).filter(|&seq| self.is_live(seq)),
            Filter::One(_) | Filter::Any(_) => self.previous_matching(filter, u64::MAX)?,
        };
        self.message(seq.ok_or(StoreError::NotFound)?)
    }

    fn load_next(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<StoredMessage<'_>>, StoreError> {
        match self.next_matching(filter, start)? {
            Some(seq) => self.message(seq).map(Some),
            None => Ok(None),
        }
    }

    fn load_prev(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<StoredMessage<'_>>, StoreError> {
        match self.previous_matching(filter, start)? {
            Some(seq) => self.message(seq).map(Some),
            None => Ok(None),
        }
    }

    fn remove(&mut self, seq: u64) -> Result<bool, StoreError> {
        let is_there = self.is_live(seq);
        if is_there {
            self.remove_message(seq, true)?;
            self.find_oldest();
        }
        Ok(is_there)
    }

    fn erase(&mut self, seq: u64) -> Result<bool, StoreError> {
        self.erase_message(seq)
    }

    fn purge(&mut self) -> Result<u64, StoreError> {
        self.clear(self.state.last_seq + 1)
    }

    fn purge_matching(
        &mut self,
        filter: Filter<'_>,
        seq: u64,
        keep: u64,
    ) -> Result<u64, StoreError> {
        self.purge_filtered(filter, seq, keep)
    }

    fn compact(&mut self, seq: u64) -> Result<u64, StoreError> {
        self.compact_below(seq)
    }

    fn truncate(&mut self, seq: u64, now: Timestamp) -> Result<(), StoreError> {
        self.truncate_above(seq, now)
    }

    fn expire(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.remove_expired(now)
    }

    fn expired(&mut self, now: Timestamp, count_max: usize) -> Result<Vec<Expired>, StoreError> {
        self.say_expired(now, count_max)
    }

    fn scheduled(&mut self, now: Timestamp) -> Result<Vec<ScheduledMessage>, StoreError> {
        let Some(mut schedules) = self.schedules.take() else { return Ok(Vec::new()) };
        let due = schedules.due(self, now);
        self.schedules = Some(schedules);
        due
    }

    fn next_schedule(&self) -> Option<Timestamp> {
        self.schedules.as_ref().and_then(Schedules::next)
    }

    fn clear_in_flight(&mut self) {
        self.markers = Markers::default();
        if let Some(schedules) = &mut self.schedules {
            schedules.clear_in_flight();
        }
    }

    fn sources(&self) -> BTreeMap<Vec<u8>, SourceState> {
        self.sources.known()
    }

    fn apply_sources(&mut self, sources: &BTreeMap<Vec<u8>, SourceState>) {
        if !sources.is_empty() {
            self.sources.apply(sources);
        }
    }

    fn next_expiration(&self) -> Option<Timestamp> {
        self.expires_next()
    }

    fn state(&self) -> StreamState {
        StreamState {
            subjects: self.subjects.len() as u64,
            deleted: self.deleted.len(),
            ..self.state
        }
    }

    fn deleted(&self) -> &SequenceSet {
        &self.deleted
    }

    fn filtered_state(&mut self, start: u64, filter: Filter<'_>) -> SubjectState {
        self.repeat(|store| store.state_from(start, filter))
    }

    fn subjects_state(&mut self, filter: Filter<'_>) -> BTreeMap<Vec<u8>, SubjectState> {
        self.repeat(|store| store.states_of_subjects(filter))
    }

    fn subjects_totals(&mut self, filter: Filter<'_>) -> BTreeMap<Vec<u8>, u64> {
        let mut totals = BTreeMap::new();
        self.for_each_subject(filter, |subject, info| {
            totals.insert(subject.to_vec(), info.total);
        });
        totals
    }

    fn seq_from_time(&mut self, time: Timestamp) -> u64 {
        self.repeat(|store| store.first_at_or_after(time))
    }

    fn subject_of(&mut self, seq: u64) -> Result<&[u8], StoreError> {
        if !self.is_live(seq) {
            return Err(StoreError::NotFound);
        }
        self.message(seq).map(|message| message.subject)
    }

    fn pending(&mut self, start: u64, filter: Filter<'_>, last_per_subject: bool) -> (u64, u64) {
        let count = self.repeat(|store| store.count_from(start, filter, last_per_subject));
        (count, self.state.last_seq)
    }

    fn last_seqs(
        &mut self,
        filters: &[&[u8]],
        last: u64,
        count_max: Option<usize>,
    ) -> Result<Vec<u64>, StoreError> {
        self.last_of_each_subject(filters, if last == 0 { u64::MAX } else { last }, count_max)
    }
}

#[cfg(test)]
mod tests;
