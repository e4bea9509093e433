//! The journal of one shard: makes everything that a turn changed durable by one write and one
//! sync.
//!
//! ```text
//! turn:         the store changes, append() records it   the store's files go to the page cache
//! disk thread:  take_batch() → run() → synced(): everything up to that position is durable
//! checkpoint:   checkpoint_due() → the host syncs the files of those groups → checkpointed()
//! recovery:     Recovery::scan → cut_hole, open each store → replay → sync each store → start
//! ```
//!
//! Laws for the host:
//! - A group's files are flushed to the page cache before its changes are acknowledged, so that
//!   after a mere kill another server finds them there.
//! - One batch is under way at a time. The next one gathers meanwhile.
//! - Full ([`JournalError::Full`]): the batch has its largest size, or every segment waits for a
//!   checkpoint. The host leaves the rest of its inbox for a later turn; [`Journal::room`] says
//!   before a turn how much it may change.
//! - Large ([`JournalError::Large`]): the group changed so much that syncing its files is cheaper
//!   than writing everything twice: [`Journal::settle`].
//! - A failed write is tried again with the next batch, a failed sync stops the journal for ever.
//!
//! Bounded: one batch gathers and one is under way, each of at most
//! [`JournalConfig::batch_size_max`]; segments have a fixed size and number.
//!
//! Must never promise what is not durable, and never overwrite what recovery may need.

mod batch;
mod change;
mod delta;
mod frame;
mod groups;
mod hole;
mod recovery;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use natsd_base::Timestamp;

use crate::disk::{Disk, DiskFile};
use batch::{Outcome, Settled, empty_buffer};
use change::Entry;
use frame::{BATCH_HEADER_SIZE, BATCH_SIZE_MAX, BatchHeader, PAGE_SIZE, SegmentHeader, next_page};
use groups::Groups;

pub use batch::{NewSegment, SyncBatch};
pub use change::{Change, ReplayError, purge_bound};
pub use delta::ConsumerDelta;
pub use groups::GroupId;
pub use hole::cut_hole;
pub use recovery::{JournalCorrection, JournalDamage, RecoveredGroup, Recovery};

/// Where the journals are in a store directory, one folder for each shard. Go ignores it.
pub const JOURNAL_DIR: &str = "natsd-journal";

/// The incarnation of what was created at `created`, as its description says.
#[must_use]
pub fn incarnation(created: &str) -> u64 {
    use highway::{HighwayHash, HighwayHasher, Key};
    HighwayHasher::new(Key([0; 4])).hash64(created.as_bytes())
}

/// A position in the journal: counts records, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// When changes become durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before they are acknowledged; what gathers while a sync is under way shares the next one.
    #[default]
    Group,
    /// Before they are acknowledged, and turns do not share a sync.
    Always,
    /// By the host's timer, as in Go. The journal records nothing.
    Interval,
}

/// How large a journal gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalConfig {
    /// When changes become durable.
    pub policy: SyncPolicy,
    /// Bytes of a segment.
    pub segment_size: u64,
    /// Segments, at least 2. Files are made when they are needed first, and used again then.
    pub segments: usize,
    /// Bytes of a batch.
    pub batch_size_max: usize,
    /// Bytes of one group in one batch beyond which its files are synced instead.
    pub settle_size: usize,
    /// How long a change may wait until [`Journal::checkpoint_due`] names its group.
    pub checkpoint_age: Duration,
    /// Random. Makes the bytes of messages useless for building records.
    pub salt: [u64; 2],
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            policy: SyncPolicy::Group,
            segment_size: 64 * 1024 * 1024,
            segments: 4,
            batch_size_max: 4 * 1024 * 1024,
            settle_size: 256 * 1024,
            checkpoint_age: Duration::from_secs(30),
            salt: [0; 2],
        }
    }
}

/// Why the journal does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Take a batch, or make a checkpoint, first.
    #[error("journal is full")]
    Full,
    /// The group has to be settled instead.
    #[error("change is too large for the journal")]
    Large,
    /// The group has a barrier that is not durable yet, or it is gone.
    #[error("group waits for the journal")]
    Barrier,
    /// A sync failed: nobody knows what is on disk. For ever, until the next start.
    #[error("journal is stopped: {reason}")]
    Stopped {
        /// What the disk said.
        reason: String,
    },
    /// Nothing is lost: the batch is tried again.
    #[error("journal cannot be written")]
    Write {
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// Recovery cannot read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// Written by a newer natsd. Nothing was touched.
    #[error("{}: version {version} of the journal is unknown", path.display())]
    Version {
        /// The segment.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
    /// Sizes that cannot work together, or a name that is too long.
    #[error("invalid journal configuration: {0}")]
    Invalid(&'static str),
    /// Groups have changes that are only in the journal.
    #[error("groups are not checkpointed")]
    NotCheckpointed,
    /// A batch is under way.
    #[error("a batch of the journal is under way")]
    UnderWay,
}

/// A file of the journal.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    is_new_file: bool,
    header: SegmentHeader,
    /// Bytes that were written once.
    len: u64,
    /// Where the next batch begins.
    used: u64,
    /// Groups with records here, each with the position of its last one.
    touched: Vec<(GroupId, Lsn)>,
    /// How many of them, from the first on, are checkpointed.
    checkpointed: usize,
    /// When somebody looked first after it was used.
    seen: Option<Timestamp>,
}

/// The batch that gathers.
#[derive(Debug)]
struct Pending {
    segment: usize,
    offset: u64,
    buffer: Vec<u8>,
    prefix: usize,
    first_lsn: u64,
    count: u32,
    in_place: Vec<Box<dyn DiskFile>>,
    settled: Vec<Settled>,
    /// The turn is over and turns do not share a sync.
    is_closed: bool,
}

impl Pending {
    fn size(&self) -> usize {
        self.buffer.len() - self.prefix
    }
}

/// The journal of one shard.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: JournalConfig,
    segments: Vec<Segment>,
    /// Segments that recovery would read, by epoch; the last one is written to.
    /// Invariant: epochs follow each other without a gap.
    live: VecDeque<usize>,
    next_epoch: u64,
    next_number: u32,
    /// Recovery would begin here: segments of older epochs may be overwritten.
    durable_oldest: u64,
    next_lsn: u64,
    durable: Lsn,
    groups: Groups,
    pending: Option<Pending>,
    /// A batch whose write failed.
    retry: Option<SyncBatch>,
    is_under_way: bool,
    /// A segment got free, and no batch has said so yet.
    is_note_due: bool,
    is_preparing: bool,
    spare: Vec<u8>,
    failure: Option<String>,
}

impl Journal {
    /// Names a group; from now on it may change. `name` finds the group's files at recovery,
    /// `incarnation` tells it from an earlier one of that name, as the time of its creation does.
    pub fn register(&mut self, name: &str, incarnation: u64) -> Result<GroupId, JournalError> {
        self.groups.register(name, incarnation)
    }

    /// Records a change of a group that its store has made, or is about to make. After an error
    /// nothing is recorded.
    ///
    /// After [`JournalError::Large`] nothing of the group is recorded until it is settled. Its
    /// store makes this and further changes, which are durable with [`Journal::settle`], best at
    /// the end of the turn.
    pub fn append(&mut self, group: GroupId, change: &Change<'_>) -> Result<Lsn, JournalError> {
        if self.config.policy == SyncPolicy::Interval {
            return Ok(self.count_unrecorded());
        }
        self.check_stopped()?;
        let record_size = change.size();
        self.begin()?;
        let Some(pending) = &mut self.pending else { return Err(JournalError::Full) };
        let Some(state) = self.groups.get_mut(group) else { return Err(JournalError::Barrier) };
        if state.barrier > self.durable {
            return Err(JournalError::Barrier);
        }
        let batch = pending.first_lsn;
        let in_batch = if state.batch == batch { state.batch_bytes } else { 0 };
        if state.is_large || in_batch + record_size > self.config.settle_size {
            state.is_large = true;
            return Err(JournalError::Large);
        }
        if pending.is_closed
            || pending.size() + record_size + state.name_size() > self.config.batch_size_max
        {
            return Err(JournalError::Full);
        }
        state.batch = batch;
        state.batch_bytes = in_batch + record_size;
        let lsn = Self::touch(pending, &mut self.segments, &mut self.next_lsn, group, state);
        change::encode_change(group.number(), change, &mut pending.buffer);
        Ok(lsn)
    }

    /// Says that everything of the group up to now gets durable in its own files with this batch:
    /// `files`, which its store has flushed, are synced before the batch is written. Whatever else
    /// the group's state needs must be durable already. Changes after this are recorded again.
    pub fn settle(
        &mut self,
        group: GroupId,
        files: Vec<Box<dyn DiskFile>>,
    ) -> Result<Lsn, JournalError> {
        let lsn = self.put_own(group, &Entry::Settled)?;
        if let Some(pending) = &mut self.pending {
            pending.in_place.extend(files);
        }
        if let Some(state) = self.groups.get_mut(group) {
            state.is_large = false;
        }
        Ok(lsn)
    }

    /// As [`Journal::settle`], before the group goes back: before sequences are cut off its end,
    /// it is set back or begins anew. Recovery could not tell old sequences from new ones, so
    /// nothing older may be made again afterwards. No change of the group is taken before the
    /// barrier is durable; then its store goes back, durably, and goes on.
    pub fn barrier(
        &mut self,
        group: GroupId,
        files: Vec<Box<dyn DiskFile>>,
    ) -> Result<Lsn, JournalError> {
        let lsn = self.settle(group, files)?;
        if let Some(state) = self.groups.get_mut(group) {
            state.barrier = lsn;
        }
        Ok(lsn)
    }

    /// Says that the group is gone, and its files durably so. Its name may be registered again,
    /// as another incarnation.
    pub fn remove(&mut self, group: GroupId) -> Result<Lsn, JournalError> {
        let lsn = self.put_own(group, &Entry::Removed)?;
        self.groups.free(group, lsn);
        Ok(lsn)
    }

    fn put_own(&mut self, group: GroupId, entry: &Entry<'_>) -> Result<Lsn, JournalError> {
        if self.config.policy == SyncPolicy::Interval {
            return Ok(self.count_unrecorded());
        }
        self.check_stopped()?;
        self.begin()?;
        let Some(pending) = &mut self.pending else { return Err(JournalError::Full) };
        let Some(state) = self.groups.get_mut(group) else { return Err(JournalError::Barrier) };
        let size = change::RECORD_HEADER_SIZE + state.name_size();
        if pending.is_closed || pending.size() + size > self.config.batch_size_max {
            return Err(JournalError::Full);
        }
        let lsn = Self::touch(pending, &mut self.segments, &mut self.next_lsn, group, state);
        change::encode(group.number(), entry, &mut pending.buffer);
        if *entry == Entry::Settled {
            pending.settled.push(Settled { group, lsn });
        }
        Ok(lsn)
    }

    fn count_unrecorded(&mut self) -> Lsn {
        self.durable = Lsn(self.next_lsn);
        self.next_lsn += 1;
        self.durable
    }

    /// The position of the group's next record, after naming the group where its segment does
    /// not know it yet.
    fn touch(
        pending: &mut Pending,
        segments: &mut [Segment],
        next_lsn: &mut u64,
        id: GroupId,
        group: &mut groups::Group,
    ) -> Lsn {
        let segment = &mut segments[pending.segment];
        if group.named_epoch != segment.header.epoch {
            group.named_epoch = segment.header.epoch;
            group.slot = segment.touched.len();
            segment.touched.push((id, Lsn(0)));
            let name = Entry::Group { incarnation: group.incarnation, name: group.name.as_ref() };
            change::encode(id.number(), &name, &mut pending.buffer);
            pending.count += 1;
            *next_lsn += 1;
        }
        let lsn = Lsn(*next_lsn);
        *next_lsn += 1;
        pending.count += 1;
        segment.touched[group.slot].1 = lsn;
        group.last = lsn;
        lsn
    }

    /// Makes sure that a batch gathers.
    fn begin(&mut self) -> Result<(), JournalError> {
        if self.pending.is_some() {
            return Ok(());
        }
        let segment = match self.current_segment() {
            Some(segment) => segment,
            None => self.next_segment(false).ok_or(JournalError::Full)?,
        };
        let used = self.segments[segment].used;
        let prefix = if used == PAGE_SIZE as u64 { PAGE_SIZE } else { 0 };
        let mut buffer = std::mem::take(&mut self.spare);
        empty_buffer(&mut buffer, prefix);
        self.pending = Some(Pending {
            segment,
            offset: used,
            buffer,
            prefix,
            first_lsn: self.next_lsn,
            count: 0,
            in_place: Vec::new(),
            settled: Vec::new(),
            is_closed: false,
        });
        Ok(())
    }

    /// The segment that is written to, while it has room for the largest batch.
    fn current_segment(&self) -> Option<usize> {
        let needed = self.config.batch_size_max as u64 + self.config.notes_size();
        let has_room =
            |segment: &Segment| self.config.segment_size.saturating_sub(segment.used) >= needed;
        self.live.back().copied().filter(|&at| self.segments.get(at).is_some_and(has_room))
    }

    /// A segment that recovery does not need; the longest, as its space is there already.
    fn free_segment(&self) -> Option<usize> {
        let is_free = |(at, segment): &(usize, &Segment)| {
            segment.header.epoch < self.durable_oldest && !self.live.contains(at)
        };
        let free = self.segments.iter().enumerate().filter(is_free);
        free.max_by_key(|(_, segment)| segment.len).map(|(at, _)| at)
    }

    fn can_begin(&self) -> bool {
        self.current_segment().is_some()
            || self.free_segment().is_some()
            || self.segments.len() < self.config.segments
    }

    /// Goes on to a segment that recovery does not need, or to a new file while there may be one,
    /// or `may_exceed` says so.
    fn next_segment(&mut self, may_exceed: bool) -> Option<usize> {
        let at = match self.free_segment() {
            Some(at) => at,
            None if may_exceed || self.segments.len() < self.config.segments => {
                let path = segment_path(&self.dir, self.next_number);
                self.next_number += 1;
                self.segments.push(Segment::unused(path, true, 0));
                self.segments.len() - 1
            }
            None => return None,
        };
        let segment = &mut self.segments[at];
        segment.header = SegmentHeader { epoch: self.next_epoch, salt: self.config.salt };
        segment.used = PAGE_SIZE as u64;
        segment.touched.clear();
        segment.checkpointed = 0;
        segment.seen = None;
        self.next_epoch += 1;
        self.live.push_back(at);
        Some(at)
    }

    /// Bytes that may still be recorded in the batch that gathers, less 9 for each record.
    #[must_use]
    pub fn room(&self) -> usize {
        match &self.pending {
            _ if self.failure.is_some() => 0,
            Some(pending) if pending.is_closed => 0,
            Some(pending) => self.config.batch_size_max.saturating_sub(pending.size()),
            None if !self.can_begin() => 0,
            None => self.config.batch_size_max - BATCH_HEADER_SIZE,
        }
    }

    /// The turn is over. With [`SyncPolicy::Always`] nothing more is taken until its batch was.
    pub fn end_turn(&mut self) {
        if self.config.policy == SyncPolicy::Always
            && let Some(pending) = self.pending.as_mut().filter(|pending| pending.count > 0)
        {
            pending.is_closed = true;
        }
    }

    /// What is to be written and synced, if there is something and nothing is under way.
    pub fn take_batch(&mut self) -> Option<SyncBatch> {
        if self.is_under_way || self.failure.is_some() {
            return None;
        }
        let batch = match self.retry.take() {
            Some(batch) => batch,
            None if self.pending.as_ref().is_some_and(|pending| pending.count > 0) => {
                let pending = self.pending.take()?;
                self.close_batch(pending)
            }
            None if self.is_note_due => self.note()?,
            None => return None,
        };
        self.is_under_way = true;
        Some(batch)
    }

    /// A batch without records, that says which segments are free.
    fn note(&mut self) -> Option<SyncBatch> {
        let pending = match self.pending.take() {
            Some(empty) => empty,
            None => {
                let segment = *self.live.back()?;
                let used = self.segments[segment].used;
                if self.config.segment_size.saturating_sub(used) < PAGE_SIZE as u64 {
                    return None;
                }
                let mut buffer = Vec::new();
                let prefix = if used == PAGE_SIZE as u64 { PAGE_SIZE } else { 0 };
                empty_buffer(&mut buffer, prefix);
                Pending {
                    segment,
                    offset: used,
                    buffer,
                    prefix,
                    first_lsn: self.next_lsn,
                    count: 0,
                    in_place: Vec::new(),
                    settled: Vec::new(),
                    is_closed: false,
                }
            }
        };
        Some(self.close_batch(pending))
    }

    fn close_batch(&mut self, pending: Pending) -> SyncBatch {
        let oldest_epoch = self.live.front().map_or(0, |&at| self.segments[at].header.epoch);
        self.is_note_due = false;
        let segment = &mut self.segments[pending.segment];
        segment.used = next_page(pending.offset, pending.size());
        SyncBatch {
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
            path: segment.path.clone(),
            segment: pending.segment,
            segment_header: segment.header,
            file: segment.file.take(),
            len: segment.len,
            segment_size: self.config.segment_size,
            is_new_file: segment.is_new_file,
            offset: pending.offset,
            buffer: pending.buffer,
            prefix: pending.prefix,
            header: BatchHeader {
                epoch: segment.header.epoch,
                first_lsn: pending.first_lsn,
                count: pending.count,
                oldest_epoch,
            },
            in_place: pending.in_place,
            settled: pending.settled,
            outcome: Outcome::NotRun,
        }
    }

    /// Takes back a batch that was run. Everything up to the position that is returned is
    /// durable.
    ///
    /// A failed write is an error, and the batch will be taken again; so is a batch that was not
    /// run. A failed sync is an error now and for ever.
    pub fn synced(&mut self, batch: SyncBatch) -> Result<Lsn, JournalError> {
        self.is_under_way = false;
        let mut batch = batch;
        match std::mem::replace(&mut batch.outcome, Outcome::NotRun) {
            Outcome::Durable => {}
            Outcome::NotRun => {
                self.retry = Some(batch);
                return Ok(self.durable);
            }
            Outcome::WriteFailed(source) => {
                self.retry = Some(batch);
                return Err(JournalError::Write { source });
            }
            Outcome::SyncFailed(error) => {
                let reason = self.failure.insert(error.to_string()).clone();
                return Err(JournalError::Stopped { reason });
            }
        }
        let segment = &mut self.segments[batch.segment];
        segment.file = batch.file.take();
        segment.len = batch.len;
        segment.is_new_file = batch.is_new_file;
        self.durable = self.durable.max(batch.last_lsn());
        self.durable_oldest = self.durable_oldest.max(batch.header.oldest_epoch);
        for settled in &batch.settled {
            self.groups.checkpointed(settled.group, settled.lsn);
        }
        self.release_segments();
        if self.spare.capacity() == 0 {
            let size = batch.buffer.len();
            self.spare = batch.buffer;
            self.spare.clear();
            self.spare.shrink_to(size.saturating_mul(4).max(64 * 1024));
        }
        Ok(self.durable)
    }

    /// Takes, runs and gives back batches until nothing is left: waits for the disk. For barriers
    /// and the end.
    pub fn sync(&mut self) -> Result<Lsn, JournalError> {
        if self.is_under_way {
            return Err(JournalError::UnderWay);
        }
        self.check_stopped()?;
        while let Some(mut batch) = self.take_batch() {
            batch.run();
            self.synced(batch)?;
        }
        Ok(self.durable)
    }

    /// Everything up to here is durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// The last position that was given away.
    #[must_use]
    pub fn last(&self) -> Lsn {
        Lsn(self.next_lsn - 1)
    }

    /// The last position of a group.
    #[must_use]
    pub fn last_of(&self, group: GroupId) -> Lsn {
        self.groups.get(group).map_or(Lsn(0), |group| group.last)
    }

    /// Why the journal is stopped, if it is.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn check_stopped(&self) -> Result<(), JournalError> {
        match &self.failure {
            Some(reason) => Err(JournalError::Stopped { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Groups whose files should be synced, because a full segment waits for them or their
    /// changes are old, with the position that has to be in the files. To be spread out: any
    /// number of them at a time.
    pub fn checkpoint_due(&mut self, now: Timestamp) -> Vec<(GroupId, Lsn)> {
        let mut due = Vec::new();
        let age = self.config.checkpoint_age;
        for (place, &at) in self.live.iter().enumerate() {
            let segment = &mut self.segments[at];
            let is_full = place + 1 < self.live.len();
            if !segment.touched.is_empty() && segment.seen.is_none() {
                segment.seen = Some(now);
            }
            let is_old = segment.seen.is_some_and(|seen| now.since(seen) >= age);
            if is_full || is_old {
                let waits = |&&(group, lsn): &&(GroupId, Lsn)| {
                    self.groups.get(group).is_some_and(|group| group.checkpointed < lsn)
                };
                due.extend(segment.touched.iter().filter(waits));
            }
        }
        // The latest position of a group includes the others.
        due.sort_unstable_by_key(|&(group, lsn)| (group, std::cmp::Reverse(lsn)));
        due.dedup_by_key(|(group, _)| *group);
        due
    }

    /// Everything of the group up to `lsn` is durable in its own files.
    pub fn checkpointed(&mut self, group: GroupId, lsn: Lsn) {
        self.groups.checkpointed(group, lsn);
        self.release_segments();
    }

    fn release_segments(&mut self) {
        while self.live.len() > 1
            && let Some(&at) = self.live.front()
            && self.is_checkpointed(at)
        {
            self.live.pop_front();
            self.is_note_due = true;
        }
    }

    fn is_checkpointed(&mut self, at: usize) -> bool {
        let segment = &mut self.segments[at];
        while let Some(&(group, lsn)) = segment.touched.get(segment.checkpointed) {
            if self.groups.get(group).is_some_and(|group| group.checkpointed < lsn) {
                return false;
            }
            segment.checkpointed += 1;
        }
        true
    }

    /// A segment to be written before it is needed, while there are fewer than the configuration
    /// says. For a journal that is in use; one that is hardly used stays small without.
    pub fn prepare(&mut self) -> Option<NewSegment> {
        if self.is_preparing
            || self.segments.len() >= self.config.segments
            || self.config.policy == SyncPolicy::Interval
        {
            return None;
        }
        self.is_preparing = true;
        let path = segment_path(&self.dir, self.next_number);
        self.next_number += 1;
        Some(NewSegment {
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
            path,
            size: self.config.segment_size,
            outcome: None,
        })
    }

    /// Takes a segment that was written. An error is no harm: segments grow by use, too.
    pub fn prepared(&mut self, segment: NewSegment) -> Result<(), JournalError> {
        self.is_preparing = false;
        match segment.outcome {
            Some(Ok(())) => {
                self.segments.push(Segment::unused(segment.path, false, segment.size));
                Ok(())
            }
            Some(Err(source)) => Err(JournalError::Write { source }),
            None => Ok(()),
        }
    }

    /// Ends in good order: the journal is empty then, and another server may take the files.
    /// Everything must be checkpointed.
    pub fn close(mut self) -> Result<(), JournalError> {
        if self.config.policy == SyncPolicy::Interval {
            return Ok(());
        }
        self.sync()?;
        // The segment that is written to is looked at from its beginning: its groups go on.
        let is_dirty = self.live.iter().any(|&at| {
            let waits = |&(group, lsn): &(GroupId, Lsn)| {
                self.groups.get(group).is_some_and(|group| group.checkpointed < lsn)
            };
            self.segments[at].touched.iter().any(waits)
        });
        if is_dirty {
            return Err(JournalError::NotCheckpointed);
        }
        if self.live.is_empty() { Ok(()) } else { self.restart() }
    }

    /// Begins anew in a segment that recovery does not need: nothing before counts any more.
    fn restart(&mut self) -> Result<(), JournalError> {
        self.pending = None;
        let segment = self.next_segment(true).ok_or(JournalError::Full)?;
        self.live.retain(|&at| at == segment);
        self.is_note_due = true;
        self.sync().map(|_| ())
    }
}

impl Segment {
    fn unused(path: PathBuf, is_new_file: bool, len: u64) -> Self {
        Self {
            path,
            file: None,
            is_new_file,
            header: SegmentHeader { epoch: 0, salt: [0; 2] },
            len,
            used: 0,
            touched: Vec::new(),
            checkpointed: 0,
            seen: None,
        }
    }
}

fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number}.seg"))
}

impl JournalConfig {
    /// Bytes at the end of a full segment for notes: one for each segment that gets free while
    /// there is no other to go on to, and what a batch is rounded up.
    fn notes_size(&self) -> u64 {
        (self.segments as u64 + 1) * PAGE_SIZE as u64
    }

    fn check(&self) -> Result<(), JournalError> {
        let invalid = |why| Err(JournalError::Invalid(why));
        if self.batch_size_max > BATCH_SIZE_MAX || self.batch_size_max < 2 * PAGE_SIZE {
            return invalid("size of a batch");
        }
        if self.settle_size > self.batch_size_max / 2 {
            return invalid("a group may have half a batch at most");
        }
        let needed = 2 * self.batch_size_max as u64 + PAGE_SIZE as u64 + self.notes_size();
        if self.segment_size < needed {
            return invalid("a segment must hold two batches");
        }
        if self.segments < 2 { invalid("fewer than two segments") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
