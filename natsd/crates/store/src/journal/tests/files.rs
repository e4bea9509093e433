//! Streams in files, through one journal: what was synced is there after any crash.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::{Prng, Timestamp};

use super::model::{DIR, Op, build, config, dump};
use crate::crypt::{Cipher, StoreKeys, StreamKeys};
use crate::disk::{Disk, Faults, SimDisk, Unsynced};
use crate::file::{Compression, FileStore, FileStoreConfig, FileStoreKeys, SharedRandom};
use crate::journal::{GroupId, Journal, JournalError, Lsn, Recovery, cut_hole};
use crate::stream_store::{StoreConfig, StreamStore};

const STREAMS: usize = 4;

/// Why a step was not done: the disk is down.
#[derive(Debug)]
struct Down;

impl From<JournalError> for Down {
    fn from(_: JournalError) -> Self {
        Self
    }
}

impl From<crate::stream_store::StoreError> for Down {
    fn from(_: crate::stream_store::StoreError) -> Self {
        Self
    }
}

#[derive(Debug)]
struct Stream {
    store: FileStore,
    group: GroupId,
    ops: Vec<(Op, Lsn)>,
}

#[derive(Debug)]
struct Shard {
    disk: SimDisk,
    journal: Journal,
    streams: Vec<Stream>,
    prng: Prng,
}

fn stream_dir(number: usize) -> PathBuf {
    Path::new("/js/A/streams").join(format!("S{number}"))
}

/// The keys of the stream that has some.
fn keys_of(number: usize) -> Option<StreamKeys> {
    let keys = StoreKeys::new(Cipher::ChaCha, b"a key", None);
    let name = format!("S{number}");
    (number == 3).then(|| StreamKeys::create(&keys, "A", &name, &mut |bytes| bytes.fill(7)).0)
}

/// One stream is compressed, one encrypted.
fn open_store(disk: &SimDisk, number: usize) -> FileStore {
    let random: SharedRandom = Arc::new(|bytes| bytes.fill(9));
    let file_config = FileStoreConfig {
        block_size: 6000,
        compression: if number == 2 { Compression::S2 } else { Compression::None },
        keys: keys_of(number).map(|keys| FileStoreKeys { keys, random }),
        ..FileStoreConfig::new(&format!("S{number}"))
    };
    let disk = Arc::new(disk.clone());
    let dir = stream_dir(number);
    FileStore::open(disk, &dir, file_config, StoreConfig::default(), Timestamp(1)).unwrap()
}

impl Shard {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new(seed, Faults::default());
        for number in 0..STREAMS {
            disk.create_dir_all(&stream_dir(number)).unwrap();
        }
        disk.create_dir_all(Path::new("/j")).unwrap();
        for dir in ["/", "/js", "/js/A", "/js/A/streams", "/j"] {
            disk.sync_dir(Path::new(dir)).unwrap();
        }
        let mut journal = super::model::open(&disk, config()).unwrap();
        let stream = |number| Stream {
            store: open_store(&disk, number),
            group: journal.register(&format!("A/streams/S{number}"), 1).unwrap(),
            ops: Vec::new(),
        };
        let streams = (0..STREAMS).map(stream).collect();
        Self { disk, journal, streams, prng: Prng::from_seed(seed) }
    }

    /// Everything that the turn changed goes to the page cache, then a batch to the disk.
    fn sync_batch(&mut self) -> Result<(), Down> {
        for stream in &mut self.streams {
            stream.store.flush()?;
        }
        if let Some(mut batch) = self.journal.take_batch() {
            batch.run();
            self.journal.synced(batch)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, at: usize) -> Result<(), Down> {
        let stream = &mut self.streams[at];
        stream.store.sync()?;
        self.journal.checkpointed(stream.group, self.journal.last_of(stream.group));
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), Down> {
        self.sync_batch()?;
        for (group, _) in self.journal.checkpoint_due(Timestamp(0)) {
            let at = self.streams.iter().position(|stream| stream.group == group).unwrap();
            self.checkpoint(at)?;
        }
        self.sync_batch()
    }

    /// The last change is not recorded: the file is synced.
    fn settle(&mut self, at: usize) -> Result<(), Down> {
        loop {
            let stream = &mut self.streams[at];
            let file = stream.store.unsynced_file()?;
            match self.journal.settle(stream.group, file.into_iter().collect()) {
                Ok(lsn) => {
                    stream.ops.last_mut().unwrap().1 = lsn;
                    return Ok(());
                }
                Err(JournalError::Full) => self.make_room()?,
                Err(_) => return Err(Down),
            }
        }
    }

    fn change(&mut self, at: usize, op: Op) -> Result<(), Down> {
        loop {
            let stream = &mut self.streams[at];
            let recorded = match op {
                Op::Truncate(_) => {
                    let file = stream.store.unsynced_file()?;
                    self.journal.barrier(stream.group, file.into_iter().collect())
                }
                _ => op.with_change(|change| self.journal.append(stream.group, change)).unwrap(),
            };
            match recorded {
                Ok(lsn) => {
                    while matches!(op, Op::Truncate(_)) && self.journal.durable() < lsn {
                        self.sync_batch()?;
                    }
                    let stream = &mut self.streams[at];
                    // From here on a crash may leave it.
                    stream.ops.push((op.clone(), lsn));
                    match op {
                        Op::Truncate(seq) => {
                            stream.store.truncate(seq, Timestamp(1))?;
                            stream.store.sync()?;
                        }
                        _ => {
                            let applied = op.with_change(|change| change.apply(&mut stream.store));
                            applied.unwrap().map_err(|_| Down)?;
                        }
                    }
                    return Ok(());
                }
                Err(JournalError::Large) => {
                    stream.ops.push((op.clone(), Lsn(u64::MAX)));
                    let applied = op.with_change(|change| change.apply(&mut stream.store));
                    applied.unwrap().map_err(|_| Down)?;
                    return self.settle(at);
                }
                Err(JournalError::Full) => self.make_room()?,
                Err(_) => return Err(Down),
            }
        }
    }

    fn random_step(&mut self) -> Result<(), Down> {
        let at = self.prng.below(STREAMS);
        let state = self.streams[at].store.state();
        let last = state.last_seq;
        let span = usize::try_from(last + 1 - state.first_seq.min(last + 1)).unwrap();
        let some_seq = state.first_seq + self.prng.below(span.max(1)) as u64;
        let subject = u8::try_from(self.prng.below(3)).unwrap();
        let op = match self.prng.below(100) {
            0..=54 => {
                let size = [10, 100, 700, 2500][self.prng.below(4)];
                Op::Append { seq: last + 1, subject, size }
            }
            55..=57 => Op::Skip { last: last + 3, count: 3 },
            58..=66 => Op::Remove(some_seq),
            67..=69 => Op::Compact(some_seq + self.prng.below(3) as u64),
            70..=72 => Op::Purge { subject, below: last + 1 },
            73..=75 => Op::Truncate(some_seq),
            76..=92 => return self.sync_batch(),
            _ => return self.checkpoint(at),
        };
        if span == 0 && !matches!(op, Op::Append { .. }) {
            return Ok(());
        }
        self.change(at, op)
    }

    /// Whether it can go on: whether every stream is a prefix of its changes.
    fn recover(&mut self, seed: u64) -> bool {
        self.disk.restart();
        self.disk.set_faults(Faults::default());
        let durable = self.journal.durable();
        let recovery = Recovery::scan(Arc::new(self.disk.clone()), Path::new(DIR)).unwrap();
        assert_eq!(recovery.damaged(), None);
        for (number, stream) in self.streams.iter_mut().enumerate() {
            let name = format!("A/streams/S{number}");
            let group = recovery.groups().iter().find(|group| group.name == name);
            let cut = group.and_then(|group| {
                let (dir, name) = (stream_dir(number), format!("S{number}"));
                cut_hole(&self.disk, &dir, &name, keys_of(number).as_ref(), 1, group).unwrap()
            });
            stream.store = open_store(&self.disk, number);
            let before =
                format!("{} {:?}, cut {cut:?}", dump(&mut stream.store), stream.store.damaged());
            for round in 0..2 {
                let outcome: Result<(), JournalError> = recovery.replay(|group, _, change| {
                    if group.name == name {
                        let applied = change.apply(&mut stream.store);
                        applied.unwrap_or_else(|error| {
                            panic!("seed {seed}: {error}: {change:?} over {before}")
                        });
                    }
                    Ok(())
                });
                outcome.unwrap();
                let found = dump(&mut stream.store);
                let ops: Vec<Op> = stream.ops.iter().map(|(op, _)| op.clone()).collect();
                let promised = stream.ops.iter().filter(|(_, lsn)| *lsn <= durable).count();
                // A truncation has the position of its barrier, and may not have begun.
                let promised = match stream.ops.last() {
                    Some((Op::Truncate(_), _)) => promised.min(ops.len() - 1),
                    _ => promised,
                };
                let is_prefix = |count: &usize| dump(&mut build(&ops[..*count])) == found;
                let Some(count) = (promised..=ops.len()).find(is_prefix) else {
                    check_hole(
                        stream,
                        promised,
                        &format!("seed {seed}: from {before}\nto {found}\n{promised} of {ops:?}"),
                    );
                    return false;
                };
                if round == 1 {
                    stream.ops.truncate(count);
                }
            }
            stream.store.sync().unwrap();
        }
        self.journal = recovery.start(config()).unwrap();
        for (number, stream) in self.streams.iter_mut().enumerate() {
            stream.group = self.journal.register(&format!("A/streams/S{number}"), 1).unwrap();
        }
        true
    }
}

/// A hole that the journal does not fill: behind it is what nobody was promised, and stays. What
/// was promised is there.
#[track_caller]
fn check_hole(stream: &mut Stream, promised: usize, what: &str) {
    let ops: Vec<Op> = stream.ops.iter().map(|(op, _)| op.clone()).collect();
    let mut synced = build(&ops[..promised]);
    let mut all = build(&ops);
    let last = synced.state().last_seq;
    // A purge is many records, of which only some may be there.
    let may_be_partial = ops[promised..].iter().any(|op| matches!(op, Op::Purge { .. }));
    assert!(may_be_partial || !stream.store.damaged().is_empty(), "{what}");
    assert!(stream.store.lost().min().is_none_or(|lost| lost > last), "{what}");
    for seq in 1..=last {
        let (found, before, after) = (stream.store.load(seq), synced.load(seq), all.load(seq));
        match (before, after) {
            (Ok(before), Ok(_)) => assert!(found == Ok(before), "{seq} {what}"),
            // Removed since, which may be there or not.
            (Ok(before), Err(_)) => assert!(found.is_err() || found == Ok(before), "{seq} {what}"),
            (Err(_), _) => assert!(found.is_err(), "{seq} {what}"),
        }
    }
}

#[test]
fn streams_in_files_hold_everything_synced_after_any_crash() {
    let seeds = std::env::var("NATSD_JOURNAL_SEEDS").ok().and_then(|text| text.parse().ok());
    let seeds: u64 = seeds.unwrap_or(12);
    let (mut crashes, mut holes) = (0, 0);
    for seed in 0..seeds {
        let unsynced =
            [Unsynced::Lost, Unsynced::Kept, Unsynced::Random][usize::try_from(seed % 3).unwrap()];
        let mut shard = Shard::new(seed);
        for round in 0..3 {
            let crash_at = shard.disk.operation_count() + 1 + (seed * 37 + round * 101) % 250;
            let crash_at = Some(crash_at);
            shard.disk.set_faults(Faults { crash_at, unsynced, ..Faults::default() });
            let crashed = (0..400).any(|_| shard.random_step().is_err());
            crashes += usize::from(crashed);
            if !shard.recover(seed) {
                holes += 1;
                break;
            }
        }
    }
    assert!(holes * 5 < seeds + 5, "{holes} holes");
    assert!(crashes as u64 > seeds * 3 / 2, "only {crashes}");
}
