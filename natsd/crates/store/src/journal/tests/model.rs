//! Streams over a journal on a disk that fails, and what they must be after recovery.
//!
//! What the files of a stream hold after a crash is any prefix of its changes that contains what
//! was synced: so it is here, without files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use natsd_base::{Prng, Timestamp};

use crate::disk::{Disk, DiskFile, Faults, SimDisk, Unsynced};
use crate::journal::{
    Change, GroupId, Journal, JournalConfig, JournalError, Lsn, Recovery, SyncPolicy, purge_bound,
};
use crate::memory::MemStore;
use crate::stream_store::{Filter, StoreConfig, StreamStore};

pub(super) const DIR: &str = "/j/0";

/// Small, so that everything happens often.
pub(super) fn config() -> JournalConfig {
    JournalConfig {
        policy: SyncPolicy::Group,
        segment_size: 48 * 1024,
        segments: 3,
        batch_size_max: 8 * 1024,
        settle_size: 3000,
        checkpoint_age: Duration::from_secs(1),
        salt: [7, 8],
    }
}

/// A change that owns what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Append {
        seq: u64,
        subject: u8,
        size: usize,
    },
    Skip {
        last: u64,
        count: u64,
    },
    Remove(u64),
    Compact(u64),
    Purge {
        subject: u8,
        below: u64,
    },
    /// Goes behind a barrier.
    Truncate(u64),
}

fn body(seq: u64, size: usize) -> Vec<u8> {
    let mut prng = Prng::from_seed(seq);
    (0..size).map(|_| prng.next_u64().to_le_bytes()[0]).collect()
}

impl Op {
    pub(super) fn subject(subject: u8) -> Vec<u8> {
        format!("s.{subject}").into_bytes()
    }

    /// Calls `with` with the change; a truncation is none.
    pub(super) fn with_change<T>(&self, with: impl FnOnce(&Change<'_>) -> T) -> Option<T> {
        let timestamp = |seq: u64| Timestamp(i64::try_from(seq).unwrap() * 1000);
        Some(match *self {
            Self::Append { seq, subject, size } => {
                let (subject, body) = (Self::subject(subject), body(seq, size));
                let (subject, headers, body) = (&subject[..], &b""[..], &body[..]);
                let timestamp = timestamp(seq);
                with(&Change::Append { seq, timestamp, subject, headers, body })
            }
            Self::Skip { last, count } => {
                with(&Change::Skip { last, count, timestamp: timestamp(last), moves_time: false })
            }
            Self::Remove(seq) => with(&Change::Remove { seq }),
            Self::Compact(seq) => with(&Change::Compact { seq }),
            Self::Purge { subject, below } => {
                with(&Change::Purge { filter: &Self::subject(subject), below })
            }
            Self::Truncate(_) => return None,
        })
    }

    pub(super) fn apply(&self, store: &mut dyn StreamStore) {
        let applied = self.with_change(|change| change.apply(store).unwrap());
        match *self {
            Self::Truncate(seq) if seq <= store.state().last_seq => {
                store.truncate(seq, Timestamp(1)).unwrap();
            }
            _ => {
                applied.unwrap();
            }
        }
    }
}

/// A store after the first changes.
pub(super) fn build(ops: &[Op]) -> MemStore {
    let mut store = MemStore::new(StoreConfig::default());
    ops.iter().for_each(|op| op.apply(&mut store));
    store
}

/// All that one can see of a store. Times of what was truncated or skipped are not of interest.
pub(super) fn dump(store: &mut dyn StreamStore) -> String {
    let mut state = store.state();
    (state.first_time, state.last_time) = (None, None);
    state.bytes = 0; // Counted by other rules in memory and on disk.
    let mut messages = Vec::new();
    let mut next = 0;
    while let Some(message) = store.load_next(Filter::All, next).unwrap() {
        next = message.seq + 1;
        let body: u64 = message.body.iter().map(|&byte| u64::from(byte)).sum();
        messages.push((message.seq, message.timestamp, message.subject.to_vec(), body));
    }
    format!("{state:?} {messages:?}")
}

/// One stream: what was done to it, and how much of that is durable.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) incarnation: u64,
    group: GroupId,
    pub(super) ops: Vec<Op>,
    /// The position of each change.
    lsns: Vec<Lsn>,
    /// So many are durable in its own files.
    in_files: usize,
    /// So many will be, when this position of the journal is durable.
    settling: Option<(Lsn, usize)>,
}

impl Stream {
    fn last_seq(&self) -> u64 {
        build(&self.ops).state().last_seq
    }
}

/// A shard with a few streams.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) disk: SimDisk,
    pub(super) journal: Journal,
    pub(super) streams: Vec<Stream>,
    synced: Lsn,
    prng: Prng,
    incarnations: u64,
    pub(super) config: JournalConfig,
}

pub(super) fn open(disk: &SimDisk, config: JournalConfig) -> Result<Journal, JournalError> {
    Recovery::scan(Arc::new(disk.clone()), Path::new(DIR))?.start(config)
}

impl Shard {
    pub(super) fn new(seed: u64, faults: Faults, config: JournalConfig) -> Self {
        let disk = SimDisk::new(seed, Faults { unsynced: faults.unsynced, ..Faults::default() });
        disk.create_dir_all(Path::new("/j")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let journal = open(&disk, config).unwrap();
        disk.set_faults(faults);
        let prng = Prng::from_seed(seed);
        let streams = Vec::new();
        Self { disk, journal, streams, synced: Lsn(0), prng, incarnations: 0, config }
    }

    pub(super) fn create(&mut self, name: &str) -> Result<(), JournalError> {
        self.incarnations += 1;
        let (name, incarnation) = (name.to_owned(), self.incarnations);
        let group = self.journal.register(&name, incarnation)?;
        self.streams.push(Stream {
            name,
            incarnation,
            group,
            ops: Vec::new(),
            lsns: Vec::new(),
            in_files: 0,
            settling: None,
        });
        Ok(())
    }

    /// One batch, as the disk thread does it.
    pub(super) fn sync_batch(&mut self) -> Result<(), JournalError> {
        if let Some(mut batch) = self.journal.take_batch() {
            batch.run();
            self.synced = self.journal.synced(batch)?;
            for stream in &mut self.streams {
                if let Some((lsn, count)) = stream.settling.filter(|(lsn, _)| *lsn <= self.synced) {
                    stream.in_files = stream.in_files.max(count);
                    stream.settling = None;
                    let _ = lsn;
                }
            }
        }
        Ok(())
    }

    pub(super) fn checkpoint(&mut self, at: usize) {
        let stream = &mut self.streams[at];
        stream.in_files = stream.ops.len();
        self.journal.checkpointed(stream.group, self.journal.last_of(stream.group));
    }

    /// Makes a change of a stream durable or at least recorded, whatever has to be done for it.
    pub(super) fn change(&mut self, at: usize, op: Op) -> Result<(), JournalError> {
        if let Op::Truncate(_) = op {
            return self.truncate(at, op);
        }
        for _ in 0..20 {
            let stream = &mut self.streams[at];
            let recorded = op.with_change(|change| self.journal.append(stream.group, change));
            match recorded.unwrap() {
                Ok(lsn) => {
                    stream.ops.push(op.clone());
                    stream.lsns.push(lsn);
                    return Ok(());
                }
                Err(JournalError::Large) => {
                    stream.ops.push(op.clone());
                    return self.settle(at);
                }
                Err(JournalError::Full) => self.make_room()?,
                Err(error) => return Err(error),
            }
        }
        panic!("never accepted: {op:?} {:?}", self.journal);
    }

    /// The last change is not recorded: the file is synced.
    fn settle(&mut self, at: usize) -> Result<(), JournalError> {
        loop {
            let files = vec![self.block(at)?];
            match self.journal.settle(self.streams[at].group, files) {
                Ok(lsn) => {
                    let stream = &mut self.streams[at];
                    stream.settling = Some((lsn, stream.ops.len()));
                    stream.lsns.push(lsn);
                    return Ok(());
                }
                Err(JournalError::Full) => self.make_room()?,
                Err(error) => return Err(error),
            }
        }
    }

    /// A file of the stream, changed.
    fn block(&self, at: usize) -> Result<Box<dyn DiskFile>, JournalError> {
        let path = format!("/j/{}", self.streams[at].name);
        let write = |source| JournalError::Write { source };
        let file = self.disk.open(Path::new(&path), true).map_err(write)?;
        file.write_all_at(b"block", 0).map_err(write)?;
        Ok(file)
    }

    fn truncate(&mut self, at: usize, op: Op) -> Result<(), JournalError> {
        let lsn = loop {
            let files = vec![self.block(at)?];
            match self.journal.barrier(self.streams[at].group, files) {
                Ok(lsn) => break lsn,
                Err(JournalError::Full) => self.make_room()?,
                Err(error) => return Err(error),
            }
        };
        let stream = &mut self.streams[at];
        stream.settling = Some((lsn, stream.ops.len()));
        let refused = self.journal.append(stream.group, &Change::Remove { seq: 1 });
        assert!(matches!(refused, Err(JournalError::Barrier | JournalError::Full)), "{refused:?}");
        while self.synced < lsn {
            self.sync_batch()?;
        }
        let stream = &mut self.streams[at];
        stream.ops.push(op);
        stream.lsns.push(lsn);
        stream.in_files = stream.ops.len();
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), JournalError> {
        self.sync_batch()?;
        for (group, _) in self.journal.checkpoint_due(Timestamp(0)) {
            let at = self.streams.iter().position(|stream| stream.group == group);
            at.into_iter().for_each(|at| self.checkpoint(at));
        }
        // Without it no batch has said yet which segments are free.
        if self.prng.below(2) == 0 { Ok(()) } else { self.sync_batch() }
    }

    /// The stream is removed and another one of its name made.
    pub(super) fn recreate(&mut self, at: usize) -> Result<(), JournalError> {
        let stream = self.streams.remove(at);
        loop {
            match self.journal.remove(stream.group) {
                Ok(_) => break,
                Err(JournalError::Full) => self.make_room()?,
                Err(error) => return Err(error),
            }
        }
        self.create(&stream.name)
    }

    pub(super) fn random_step(&mut self) -> Result<(), JournalError> {
        let at = self.prng.below(self.streams.len());
        let last = self.streams[at].last_seq();
        let some_seq = 1 + self.prng.below(usize::try_from(last).unwrap() + 1) as u64;
        let subject = u8::try_from(self.prng.below(3)).unwrap();
        let op = match self.prng.below(100) {
            0..=49 => {
                let size = [10, 100, 700, 2500][self.prng.below(4)];
                Op::Append { seq: last + 1, subject, size }
            }
            50..=54 => {
                let count = 1 + self.prng.below(4) as u64;
                Op::Skip { last: last + count, count }
            }
            55..=64 => Op::Remove(some_seq.min(last).max(1)),
            65..=67 => Op::Compact(some_seq + self.prng.below(3) as u64),
            68..=70 => {
                let keep = self.prng.below(3) as u64;
                let mut store = build(&self.streams[at].ops);
                let filter = Op::subject(subject);
                let below = purge_bound(&mut store, Filter::One(&filter), keep).unwrap();
                let mut kept = build(&self.streams[at].ops);
                kept.purge_matching(Filter::One(&filter), 0, keep).unwrap();
                let op = Op::Purge { subject, below };
                op.apply(&mut store);
                assert_eq!(dump(&mut store), dump(&mut kept));
                op
            }
            71..=73 => Op::Truncate(some_seq.min(last)),
            74..=89 => return self.sync_batch(),
            90..=95 => {
                self.checkpoint(at);
                return Ok(());
            }
            96..=97 => return self.make_room(),
            _ => return self.recreate(at),
        };
        if last == 0 && !matches!(op, Op::Append { .. }) {
            return Ok(());
        }
        self.change(at, op)
    }

    /// Recovers after a crash and checks what is there; goes on with that.
    pub(super) fn recover(&mut self) {
        self.disk.restart();
        let after = Faults { unsynced: Unsynced::Random, ..Faults::default() };
        self.disk.set_faults(after);
        let recovery = Recovery::scan(Arc::new(self.disk.clone()), Path::new(DIR)).unwrap();
        assert_eq!(recovery.damaged(), None, "{recovery:?}");
        for stream in &mut self.streams {
            let synced = stream.lsns.iter().filter(|lsn| **lsn <= self.synced).count();
            // The files were synced before a marker could get there.
            let is_marked = |lsn: Lsn| {
                recovery.groups().iter().any(|group| {
                    (&group.name, group.incarnation) == (&stream.name, stream.incarnation)
                        && group.settled >= lsn
                })
            };
            if let Some((_, count)) = stream.settling.filter(|(lsn, _)| is_marked(*lsn)) {
                stream.in_files = count;
            }
            let durable = stream.in_files.max(synced);
            let in_files = durable_prefix(&mut self.prng, stream.in_files, stream.ops.len());
            let mut store = build(&stream.ops[..in_files]);
            let replay = |store: &mut MemStore| {
                let is_ours = |group: &super::super::RecoveredGroup| {
                    group.name == stream.name && group.incarnation == stream.incarnation
                };
                let replayed: Result<(), JournalError> = recovery.replay(|group, _, change| {
                    if is_ours(group) {
                        change.apply(store).unwrap_or_else(|error| {
                            panic!("{error}: {change:?} of {stream:?} from {in_files}")
                        });
                    }
                    Ok(())
                });
                replayed.unwrap();
                dump(store)
            };
            let once = replay(&mut store);
            let is_prefix = |count: &usize| dump(&mut build(&stream.ops[..*count])) == once;
            let Some(count) = (durable..=stream.ops.len()).find(is_prefix) else {
                panic!("{once} is no prefix from {durable} on of {stream:?}, files {in_files}");
            };
            assert_eq!(replay(&mut store), once, "made twice");
            stream.ops.truncate(count);
            (stream.lsns, stream.in_files, stream.settling) = (Vec::new(), count, None);
            stream.lsns.resize(count, Lsn(0));
        }
        let restart = recovery.start(self.config);
        self.journal = restart.unwrap();
        self.synced = self.journal.durable();
        for stream in &mut self.streams {
            stream.group = self.journal.register(&stream.name, stream.incarnation).unwrap();
        }
    }
}

/// How much the files hold after a crash.
fn durable_prefix(prng: &mut Prng, least: usize, most: usize) -> usize {
    least + prng.below(most - least + 1)
}
