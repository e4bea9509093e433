//! One write and one sync: what the disk thread does for the journal.
//!
//! Holds the segment's file while it is under way. May be run again after a failed write, never
//! after a failed sync.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::frame::{BATCH_HEADER_SIZE, BatchHeader, PAGE_SIZE, SegmentHeader};
use super::{GroupId, Lsn};
use crate::disk::{Disk, DiskFile};

/// A small batch that makes a file longer writes this many zeros behind it, so that the next ones
/// do not: a sync that has to change the file's length takes longer.
const GROWTH: usize = 256 * 1024;
/// Larger batches do not: they would write everything twice.
const GROWTH_BATCH_MAX: usize = 64 * 1024;

/// How running a batch ended.
#[derive(Debug)]
pub(super) enum Outcome {
    NotRun,
    Durable,
    WriteFailed(io::Error),
    SyncFailed(io::Error),
}

/// A group whose files have everything up to a position when the batch is durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    pub(super) group: GroupId,
    pub(super) lsn: Lsn,
}

/// Changes on their way to the disk. To be [run](SyncBatch::run) by one thread and handed back to
/// [`super::Journal::synced`].
#[derive(Debug)]
pub struct SyncBatch {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) path: PathBuf,
    /// Place of the segment in the journal's list.
    pub(super) segment: usize,
    pub(super) segment_header: SegmentHeader,
    /// Opened by the first batch that needs it.
    pub(super) file: Option<Box<dyn DiskFile>>,
    /// Bytes of the file that were written once.
    pub(super) len: u64,
    /// The file never grows beyond this by zeros.
    pub(super) segment_size: u64,
    /// Whether the name of the file is not durable yet.
    pub(super) is_new_file: bool,
    /// Where the batch begins in the segment.
    pub(super) offset: u64,
    /// The segment's first page, when this is its first batch, and the batch.
    pub(super) buffer: Vec<u8>,
    /// Bytes before the batch in the buffer.
    pub(super) prefix: usize,
    pub(super) header: BatchHeader,
    /// Files of groups to be synced before anything is written.
    pub(super) in_place: Vec<Box<dyn DiskFile>>,
    pub(super) settled: Vec<Settled>,
    pub(super) outcome: Outcome,
}

/// A segment that is written with zeros before it is needed. Writing over what is there takes the
/// file system no record of its own, so a sync takes half the time, and above all it does not
/// wait for the data of other files. To be [run](NewSegment::run) by a thread that may wait long.
#[derive(Debug)]
pub struct NewSegment {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) outcome: Option<io::Result<()>>,
}

impl NewSegment {
    /// Writes and syncs. How it ended is told by [`super::Journal::prepared`].
    pub fn run(&mut self) {
        self.outcome = Some(self.write());
    }

    fn write(&self) -> io::Result<()> {
        let file = self.disk.open(&self.path, true)?;
        let zeros = vec![0; 1024 * 1024];
        let mut offset = 0;
        while offset < self.size {
            let size = usize::try_from(self.size - offset).unwrap_or(zeros.len()).min(zeros.len());
            let (part, _) = zeros.split_at(size);
            if let Err(error) = file.write_all_at(part, offset) {
                // It takes room that others need.
                let _: io::Result<()> = self.disk.remove_file(&self.path);
                return Err(error);
            }
            offset += size as u64;
        }
        file.sync_data()?;
        self.disk.sync_dir(&self.dir)
    }
}

/// Bytes before the records.
pub(super) fn empty_buffer(buffer: &mut Vec<u8>, prefix: usize) {
    buffer.clear();
    buffer.resize(prefix + BATCH_HEADER_SIZE, 0);
}

impl SyncBatch {
    /// The position of its last record.
    #[must_use]
    pub fn last_lsn(&self) -> Lsn {
        Lsn(self.header.first_lsn + u64::from(self.header.count) - 1)
    }

    /// How many bytes it writes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.buffer.len()
    }

    /// Writes and syncs; waits for the disk. How it ended is told by
    /// [`super::Journal::synced`].
    pub fn run(&mut self) {
        self.outcome = match self.sync_in_place() {
            Err(error) => Outcome::SyncFailed(error),
            Ok(()) => match self.write() {
                Err(error) => Outcome::WriteFailed(error),
                Ok(()) => match self.sync() {
                    Err(error) => Outcome::SyncFailed(error),
                    Ok(()) => Outcome::Durable,
                },
            },
        };
    }

    fn sync_in_place(&mut self) -> io::Result<()> {
        for file in std::mem::take(&mut self.in_place) {
            file.sync_data()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if let Some(page) = self.buffer.first_chunk_mut::<PAGE_SIZE>().filter(|_| self.prefix > 0) {
            self.segment_header.encode(page);
        }
        let size = self.buffer.len();
        let (_, batch) = self.buffer.split_at_mut(self.prefix);
        self.header.seal(self.segment_header, self.offset, batch);
        self.buffer.resize(size.next_multiple_of(PAGE_SIZE), 0);
        let outcome = self.write_buffer();
        self.buffer.truncate(size); // As it was, for another try.
        outcome
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => self.file.insert(file),
            None => self.file.insert(self.disk.open(&self.path, true)?),
        };
        let start = self.offset - self.prefix as u64;
        file.write_all_at(&self.buffer, start)?;
        let end = start + self.buffer.len() as u64;
        if end > self.len {
            self.len = end;
            let room = self.segment_size.saturating_sub(end);
            let growth = usize::try_from(room).unwrap_or(usize::MAX).min(GROWTH);
            // Without room for them the batch is still whole.
            if self.buffer.len() <= GROWTH_BATCH_MAX
                && growth > 0
                && file.write_all_at(&vec![0; growth], end).is_ok()
            {
                self.len += growth as u64;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_data()?;
        if self.is_new_file {
            self.disk.sync_dir(&self.dir)?;
            self.is_new_file = false;
        }
        Ok(())
    }
}
