//! What a journal holds after a stop or a crash, to be made again.
//!
//! Scanning writes nothing. The newest good batch says with which epoch recovery begins; from
//! there segments and positions must follow each other without a gap. What is not good at the end
//! is the torn write of a crash: nobody was told that it is durable. What is not good with
//! something good behind it is damage: replaying stops before it, as nobody knows what it changed,
//! and the segments from there on are put aside, never used again. One flipped bit is neither: it
//! is made right in what is read, and said.

use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::change::{Change, Entry, take};
use super::frame::{
    BatchHeader, FirstPage, FoundBatch, PAGE_SIZE, SegmentHeader, SegmentReader, next_page,
};
use super::groups::Groups;
use super::{Journal, JournalConfig, JournalError, Lsn, Segment};
use crate::disk::{Disk, DiskFile};

const FIRST_BATCH: u64 = PAGE_SIZE as u64;

/// A place of the journal that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalDamage {
    /// The segment; where one is missing, the one before it.
    pub path: PathBuf,
    /// Where its good part ends.
    pub offset: u64,
    /// The last position that was read. What follows is not replayed.
    pub last: Lsn,
    /// The first position after the damage, where it is known.
    pub next: Option<Lsn>,
}

/// A place of the journal where one bit is wrong on the disk. What was read there is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalCorrection {
    /// The segment.
    pub path: PathBuf,
    /// Where the batch begins; in the first page, where the copy of the segment's header does.
    pub offset: u64,
    /// The positions of the batch. None in the first page, and where a batch has no records.
    pub positions: Option<RangeInclusive<Lsn>>,
}

/// A group that a journal has records of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredGroup {
    /// The name it was registered under.
    pub name: String,
    /// Which of that name.
    pub incarnation: u64,
    /// How many changes are to be made again.
    pub changes: u64,
    /// The lowest sequence that these changes give away. All that came after it is among them, as
    /// long as it is durable at all.
    pub first_seq: Option<u64>,
    /// Whether its last record says that it is gone.
    pub is_removed: bool,
    /// Records up to here are not made again.
    pub(super) settled: Lsn,
}

/// A file that says it is a segment.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    header: SegmentHeader,
    len: u64,
    extent: Extent,
    corrected: Vec<JournalCorrection>,
}

/// The good batches of a segment.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    first_lsn: Option<u64>,
    /// One beyond the last record in the part without damage.
    next_lsn: u64,
    /// Where that part ends.
    end: u64,
    /// The first good batch behind damage.
    behind_damage: Option<BatchHeader>,
    /// The last good batch, before or behind damage.
    newest: Option<BatchHeader>,
}

/// What a journal holds.
#[derive(Debug)]
pub struct Recovery {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// By epoch, oldest first.
    found: Vec<Found>,
    /// Places in `found` to be replayed, in order.
    chain: Vec<usize>,
    /// Files that are used and cannot be read.
    unreadable: Vec<PathBuf>,
    /// Files that were never used.
    empty: Vec<(PathBuf, u64)>,
    groups: Vec<RecoveredGroup>,
    damaged: Option<JournalDamage>,
    corrected: Vec<JournalCorrection>,
    oldest: u64,
    next_lsn: u64,
    next_number: u32,
}

/// The number in a segment's file name.
fn number_of(name: &Path) -> Option<u32> {
    name.to_str()?.strip_suffix(".seg")?.parse().ok()
}

impl Recovery {
    /// Reads the journal in a folder; a folder that is not there is an empty journal. Changes
    /// nothing.
    pub fn scan(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, JournalError> {
        let mut recovery = Self {
            disk,
            dir: dir.to_owned(),
            found: Vec::new(),
            chain: Vec::new(),
            unreadable: Vec::new(),
            empty: Vec::new(),
            groups: Vec::new(),
            damaged: None,
            corrected: Vec::new(),
            oldest: 1,
            next_lsn: 1,
            next_number: 1,
        };
        let entries = match recovery.disk.list(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(recovery),
            Err(source) => return Err(JournalError::Read { path: dir.to_owned(), source }),
        };
        for entry in entries {
            let name = Path::new(&entry.name);
            // Numbers of files that were put aside are not used again.
            let number = number_of(name).or_else(|| number_of(Path::new(name.file_stem()?)));
            let Some(number) = number else { continue };
            recovery.next_number = recovery.next_number.max(number.saturating_add(1));
            if !entry.is_dir && number_of(name).is_some() {
                let path = dir.join(name);
                let found = recovery.find(&path);
                found.map_err(|error| error.of(path))?;
            }
        }
        recovery.found.sort_by_key(|found| found.header.epoch);
        recovery.link();
        // What is older counts no more, and is written over some day.
        let counts = |found: &&mut Found| found.header.epoch >= recovery.oldest;
        let found = recovery.found.iter_mut().filter(counts);
        recovery.corrected = found.flat_map(|found| std::mem::take(&mut found.corrected)).collect();
        recovery.read_groups()?;
        Ok(recovery)
    }

    fn find(&mut self, path: &Path) -> Result<(), Unusable> {
        let file = self.disk.open(path, false)?;
        let len = file.len()?;
        let size = usize::try_from(len).unwrap_or(PAGE_SIZE).min(PAGE_SIZE);
        let mut page = vec![0; size];
        let mut first = FirstPage::Unreadable;
        let mut wrong_copy = None;
        for _ in 0..2 {
            file.read_exact_at(&mut page, 0)?;
            (first, wrong_copy) = SegmentHeader::decode(&page);
            if first != FirstPage::Unreadable && wrong_copy.is_none() {
                break;
            }
        }
        match first {
            FirstPage::Newer(version) => Err(Unusable::Newer(version)),
            FirstPage::Segment(header) => {
                let path = path.to_owned();
                let mut corrected = Vec::new();
                let mut correct = |offset, positions| {
                    let path = path.clone();
                    corrected.push(JournalCorrection { path, offset, positions });
                };
                if let Some(offset) = wrong_copy {
                    correct(offset, None);
                }
                let extent = Extent::read(file.as_ref(), header, correct)?;
                self.found.push(Found { path, file, header, len, extent, corrected });
                Ok(())
            }
            FirstPage::Unreadable => {
                if is_zero(file.as_ref(), len)? {
                    self.empty.push((path.to_owned(), len));
                } else {
                    self.unreadable.push(path.to_owned());
                }
                Ok(())
            }
        }
    }

    /// Finds the segments to be replayed, and whether they are all there.
    fn link(&mut self) {
        let newest = self.found.iter().rposition(|found| found.extent.newest.is_some());
        let Some((newest, header)) =
            newest.and_then(|at| self.found[at].extent.newest.map(|header| (at, header)))
        else {
            return;
        };
        self.oldest = header.oldest_epoch;
        let first = self.found.partition_point(|found| found.header.epoch < self.oldest);
        let mut previous: Option<usize> = None;
        for at in first..=newest {
            let found = &self.found[at];
            let expected_epoch = match previous {
                Some(previous) => self.found[previous].header.epoch.wrapping_add(1),
                None => self.oldest,
            };
            let first_lsn = found.extent.first_lsn;
            let follows = found.header.epoch == expected_epoch
                && first_lsn.is_some()
                && (previous.is_none() || first_lsn == Some(self.next_lsn));
            if !follows {
                let (path, offset) = match previous.map(|previous| &self.found[previous]) {
                    Some(previous) => (previous.path.clone(), previous.extent.end),
                    None => (found.path.clone(), FIRST_BATCH),
                };
                let last = Lsn(self.next_lsn - 1);
                let next = first_lsn.map(Lsn);
                self.damaged = Some(JournalDamage { path, offset, last, next });
                return self.count_beyond(at);
            }
            self.chain.push(at);
            self.next_lsn = found.extent.next_lsn;
            if let Some(behind) = found.extent.behind_damage {
                self.damaged = Some(JournalDamage {
                    path: found.path.clone(),
                    offset: found.extent.end,
                    last: Lsn(self.next_lsn - 1),
                    next: Some(Lsn(behind.first_lsn)),
                });
                return self.count_beyond(at);
            }
            previous = Some(at);
        }
    }

    /// Positions that were given away behind damage are not given away again.
    fn count_beyond(&mut self, from: usize) {
        for found in &self.found[from..] {
            if let Some(newest) = found.extent.newest {
                let next = newest.first_lsn.saturating_add(u64::from(newest.count));
                self.next_lsn = self.next_lsn.max(next);
            }
        }
    }

    /// Learns which groups there are and what of them is to be made again.
    fn read_groups(&mut self) -> Result<(), JournalError> {
        let mut groups: Vec<RecoveredGroup> = Vec::new();
        let mut places: HashMap<(String, u64), usize> = HashMap::new();
        self.visit(|name, incarnation, lsn, entry| {
            let place = *places.entry((name.to_owned(), incarnation)).or_insert_with(|| {
                groups.push(RecoveredGroup {
                    name: name.to_owned(),
                    incarnation,
                    changes: 0,
                    first_seq: None,
                    is_removed: false,
                    settled: Lsn(0),
                });
                groups.len() - 1
            });
            let Some(group) = groups.get_mut(place) else { return Ok(()) };
            match entry {
                Entry::Group { .. } => return Ok(()),
                Entry::Settled | Entry::Removed => {
                    (group.settled, group.changes, group.first_seq) = (lsn, 0, None);
                }
                Entry::Change(ref change) => {
                    group.changes += 1;
                    let seqs = group.first_seq.into_iter().chain(change.first_seq());
                    group.first_seq = seqs.min();
                }
            }
            group.is_removed = entry == Entry::Removed;
            Ok(())
        })?;
        self.groups = groups;
        Ok(())
    }

    /// Calls `visit` with every record to be replayed and the group that it is of.
    fn visit<E: From<JournalError>>(
        &self,
        mut visit: impl FnMut(&str, u64, Lsn, Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut names: HashMap<u32, (String, u64)> = HashMap::new();
        for found in self.chain.iter().filter_map(|&at| self.found.get(at)) {
            let failed = |source| JournalError::Read { path: found.path.clone(), source };
            let invalid = || failed(io::ErrorKind::InvalidData.into());
            let mut reader =
                SegmentReader::new(found.file.as_ref(), found.header).map_err(failed)?;
            let mut offset = FIRST_BATCH;
            while offset < found.extent.end {
                let batch = reader.read(offset).map_err(failed)?;
                let FoundBatch { header, size, .. } = batch.ok_or_else(invalid)?;
                let mut records = reader.records();
                for lsn in (header.first_lsn..).take(header.count as usize) {
                    let (number, entry) = take(&mut records).ok_or_else(invalid)?;
                    if let Entry::Group { incarnation, name } = entry {
                        names.insert(number, (name.to_owned(), incarnation));
                    }
                    let (name, incarnation) = names.get(&number).ok_or_else(invalid)?;
                    visit(name, *incarnation, Lsn(lsn), entry)?;
                }
                offset = next_page(offset, size);
            }
        }
        Ok(())
    }

    /// The groups with records, in the order of their first.
    #[must_use]
    pub fn groups(&self) -> &[RecoveredGroup] {
        &self.groups
    }

    /// Where replaying stops, if there is damage.
    #[must_use]
    pub fn damaged(&self) -> Option<&JournalDamage> {
        self.damaged.as_ref()
    }

    /// Where one bit was wrong and was made right, by age; not where nothing is needed any more.
    /// Nothing is lost by it. Said until [`Recovery::start`], which empties the journal.
    #[must_use]
    pub fn corrected(&self) -> &[JournalCorrection] {
        &self.corrected
    }

    /// Files that were written and say nothing readable: torn when they were used first, or
    /// damaged.
    #[must_use]
    pub fn unreadable(&self) -> &[PathBuf] {
        &self.unreadable
    }

    /// Whether nothing is to be made again and nothing is damaged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.damaged.is_none() && self.groups.iter().all(|group| group.changes == 0)
    }

    /// Calls `visit` with every change that is to be made again, in the order in which they were
    /// made. May be done any number of times. Afterwards the host syncs what it changed.
    pub fn replay<E: From<JournalError>>(
        &self,
        mut visit: impl FnMut(&RecoveredGroup, Lsn, &Change<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let places: HashMap<(&str, u64), &RecoveredGroup> = self
            .groups
            .iter()
            .map(|group| ((group.name.as_str(), group.incarnation), group))
            .collect();
        self.visit(|name, incarnation, lsn, entry| {
            let Entry::Change(change) = entry else { return Ok(()) };
            match places.get(&(name, incarnation)) {
                Some(group) if lsn > group.settled => visit(group, lsn, &change),
                _ => Ok(()),
            }
        })
    }

    /// Empties the journal and goes on with it. Everything that was replayed must be durable in
    /// the files of its group. Damaged segments are put aside as `N.seg.damaged`.
    pub fn start(self, config: JournalConfig) -> Result<Journal, JournalError> {
        config.check()?;
        let write = |source| JournalError::Write { source };
        self.disk.create_dir_all(&self.dir).map_err(write)?;
        if let Some(parent) = self.dir.parent() {
            self.disk.sync_dir(parent).map_err(write)?;
        }
        let max_epoch = self.found.iter().map(|found| found.header.epoch).max().unwrap_or(0);
        let is_used = !self.found.is_empty();
        // A segment with damage is the last of the chain, or the chain ends before it.
        let good = match (&self.damaged, self.chain.last()) {
            (None, _) => self.found.len(),
            (Some(_), None) => self.found.partition_point(|found| found.header.epoch < self.oldest),
            (Some(damage), Some(&last)) => {
                let is_inside = self.found.get(last).is_some_and(|found| {
                    found.path == damage.path && found.extent.behind_damage.is_some()
                });
                if is_inside { last } else { last + 1 }
            }
        };
        let mut segments = Vec::new();
        let mut aside = self.unreadable;
        for (at, found) in self.found.into_iter().enumerate() {
            if at < good {
                let mut segment = Segment::unused(found.path, false, found.len);
                segment.header = found.header;
                segment.file = Some(found.file);
                segments.push(segment);
            } else {
                aside.push(found.path);
            }
        }
        for path in &aside {
            let mut name = path.clone().into_os_string();
            name.push(".damaged");
            self.disk.rename(path, Path::new(&name)).map_err(write)?;
        }
        if !aside.is_empty() {
            self.disk.sync_dir(&self.dir).map_err(write)?;
        }
        // A crash may have lost the name of an empty file again.
        segments.extend(self.empty.into_iter().map(|(path, len)| Segment::unused(path, true, len)));
        let mut journal = Journal {
            disk: self.disk,
            dir: self.dir,
            config,
            segments,
            live: std::collections::VecDeque::new(),
            // The crash may have torn the first batch of one more.
            next_epoch: max_epoch.saturating_add(2),
            next_number: self.next_number,
            durable_oldest: self.oldest,
            next_lsn: self.next_lsn,
            durable: Lsn(self.next_lsn - 1),
            groups: Groups::default(),
            pending: None,
            retry: None,
            is_under_way: false,
            is_note_due: false,
            is_preparing: false,
            spare: Vec::new(),
            failure: None,
        };
        if is_used {
            journal.restart()?;
        }
        Ok(journal)
    }
}

impl Extent {
    /// Reads all of a segment; calls `correct` with the place and the positions of every batch
    /// with one wrong bit.
    fn read(
        file: &dyn DiskFile,
        header: SegmentHeader,
        mut correct: impl FnMut(u64, Option<RangeInclusive<Lsn>>),
    ) -> io::Result<Self> {
        let mut reader = SegmentReader::new(file, header)?;
        let mut extent = Self { end: FIRST_BATCH, ..Self::default() };
        while let Some(FoundBatch { header: batch, size, is_corrected }) =
            reader.read(extent.end)?
        {
            let follows = extent.first_lsn.is_none() || batch.first_lsn == extent.next_lsn;
            let Some(next_lsn) = batch.first_lsn.checked_add(u64::from(batch.count)) else { break };
            if !follows || batch.first_lsn == 0 {
                break;
            }
            if is_corrected {
                let positions = Lsn(batch.first_lsn)..=Lsn(next_lsn - 1);
                correct(extent.end, (batch.count > 0).then_some(positions));
            }
            extent.first_lsn.get_or_insert(batch.first_lsn);
            extent.next_lsn = next_lsn;
            extent.end = next_page(extent.end, size);
            extent.newest = Some(batch);
        }
        let mut offset = extent.end;
        while let Some((at, batch)) = reader.search(offset)? {
            extent.behind_damage.get_or_insert(batch);
            extent.newest = Some(batch);
            offset = at;
        }
        Ok(extent)
    }
}

/// Whether a file holds nothing but zeros.
fn is_zero(file: &dyn DiskFile, len: u64) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    let mut offset = 0;
    while offset < len {
        let size = usize::try_from(len - offset).unwrap_or(buffer.len()).min(buffer.len());
        let (part, _) = buffer.split_at_mut(size);
        file.read_exact_at(part, offset)?;
        if part.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        offset += size as u64;
    }
    Ok(true)
}

/// Why a file cannot be looked at.
#[derive(Debug)]
enum Unusable {
    Newer(u32),
    Read(io::Error),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl Unusable {
    fn of(self, path: PathBuf) -> JournalError {
        match self {
            Self::Newer(version) => JournalError::Version { path, version },
            Self::Read(source) => JournalError::Read { path, source },
        }
    }
}
