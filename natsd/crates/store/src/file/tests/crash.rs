//! A crash leaves a prefix of the changes that holds everything that was synced.
//!
//! A memory store goes along as the model. After each change the state is noted; after a crash the
//! file store must be in one of the states since the last sync. Removing many messages by subject
//! is many changes, everything else is one.

use super::*;
use crate::disk::{Faults, SimDisk, Unsynced};

const SUBJECTS: [&str; 5] = ["a.x", "a.y", "b", "c.d.e", "b.z"];

/// What a store holds, without the size that differs from store to store.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    state: StreamState,
    seqs: Vec<u64>,
    /// A sum over all messages.
    sum: u64,
}

fn snapshot(store: &mut dyn StreamStore) -> Snapshot {
    let mut state = StreamState { bytes: 0, ..store.state() };
    if state.last_seq == 0 {
        // A stream that never had a message forgets when it was made empty.
        (state.first_seq, state.last_time) = (0, None);
    }
    let (mut sum, mut start, mut seqs) = (0_u64, 0, Vec::new());
    while let Some(message) = store.load_next(Filter::All, start).unwrap() {
        let time = u64::from_ne_bytes(message.timestamp.0.to_ne_bytes());
        let mut mix = message.seq.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ time;
        for byte in message.subject.iter().chain(message.body) {
            mix = (mix ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
        sum = sum.wrapping_add(mix);
        start = message.seq + 1;
        seqs.push(message.seq);
    }
    Snapshot { state, seqs, sum }
}

/// A memory store in the state of another store.
fn copy_of(store: &mut FileStore, config: &StoreConfig) -> MemStore {
    let mut memory = MemStore::new(StoreConfig { first_seq: 0, ..config.clone() });
    let state = store.state();
    if state.first_seq > 1 {
        memory.compact(state.first_seq).unwrap();
    }
    let Some(last_time) = state.last_time else { return memory };
    let mut start = 0;
    let mut messages = Vec::new();
    while let Some(message) = store.load_next(Filter::All, start).unwrap() {
        start = message.seq + 1;
        let (subject, body) = (message.subject.to_vec(), message.body.to_vec());
        messages.push((message.seq, message.timestamp, subject, body));
    }
    for (seq, timestamp, subject, body) in messages {
        let next = memory.state().last_seq + 1;
        memory.skip(None, seq - next, timestamp, false).unwrap();
        let message = NewMessage {
            subject: &subject,
            headers: b"",
            body: &body,
            seq: Some(seq),
            timestamp,
            ttl: None,
            may_refuse: false,
        };
        memory.store(message).unwrap();
    }
    let last = memory.state().last_seq;
    if last < state.last_seq {
        memory.skip(None, state.last_seq - last, last_time, true).unwrap();
    }
    // The time of the last sequence, where its message is gone.
    memory.skip(None, 1, last_time, true).unwrap();
    if state.messages > 0 || state.last_seq > 0 {
        memory.truncate(state.last_seq, last_time).unwrap();
    }
    memory
}

/// One change.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Store(usize, usize),
    Skip(u64, bool),
    Remove(u64),
    Erase(u64),
    PurgeMatching(usize, u64),
    Purge,
    Compact(u64),
    Truncate(u64),
    Flush,
    Sync,
    Tidy,
    Release,
    /// Stopped in good order and opened again.
    Reopen,
}

fn random_change(prng: &mut Prng, state: StreamState) -> Change {
    let span = usize::try_from(state.last_seq.saturating_sub(state.first_seq)).unwrap() + 3;
    let seq = state.first_seq.saturating_sub(1) + prng.below(span) as u64;
    match prng.below(64) {
        0..30 => Change::Store(prng.below(SUBJECTS.len()), prng.below(180)),
        30 => Change::Skip(1 + prng.below(30) as u64, prng.below(2) == 0),
        31..40 => Change::Remove(seq),
        40..42 => Change::Erase(seq),
        42 => Change::PurgeMatching(prng.below(SUBJECTS.len()), seq),
        43 if prng.below(3) == 0 => Change::Purge,
        44 => Change::Compact(seq),
        45 | 46 if seq > 0 || prng.below(8) == 0 => Change::Truncate(seq),
        47..53 => Change::Flush,
        53..56 => Change::Sync,
        56 => Change::Tidy,
        57 => Change::Release,
        58 => Change::Reopen,
        _ => Change::Store(prng.below(SUBJECTS.len()), 20),
    }
}

pub(super) struct Crasher {
    disk: SimDisk,
    file_config: FileStoreConfig,
    config: StoreConfig,
    file: FileStore,
    memory: MemStore,
    now: Timestamp,
    /// The states since the last sync, that one first.
    states: Vec<Snapshot>,
}

impl Crasher {
    pub(super) fn new(seed: u64, file_config: FileStoreConfig, config: StoreConfig) -> Self {
        let disk = SimDisk::new(seed, Faults::default());
        disk.create_dir_all(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file = open(&disk, &file_config, &config, START);
        let mut memory = MemStore::new(config.clone());
        let states = vec![snapshot(&mut memory)];
        Self { disk, file_config, config, file, memory, now: START, states }
    }

    fn note(&mut self) {
        let state = snapshot(&mut self.memory);
        if self.states.last() != Some(&state) {
            self.states.push(state);
        }
    }

    /// Makes a change in both stores; whether the disk is still up. What was refused by a disk
    /// that is not down has not happened.
    fn apply(&mut self, change: &Change) -> bool {
        self.now = self.now + Duration::from_millis(3);
        let now = self.now;
        if std::env::var("NATSD_STORE_TRACE").is_ok() {
            let StreamState { messages, first_seq, last_seq, .. } = self.memory.state();
            eprintln!("{messages} {first_seq} {last_seq} {change:?}");
        }
        let done = match *change {
            Change::Store(subject, size) => {
                let body = vec![b'm'; size];
                let message = NewMessage {
                    subject: SUBJECTS[subject].as_bytes(),
                    headers: b"",
                    body: &body,
                    seq: None,
                    timestamp: now,
                    ttl: None,
                    may_refuse: false,
                };
                let result = self.file.store(message);
                if result.is_ok() || self.disk.is_down() {
                    self.memory.store(message).unwrap();
                }
                result.is_ok()
            }
            Change::Skip(count, moves) => {
                let result = self.file.skip(None, count, now, moves);
                if result.is_ok() || self.disk.is_down() {
                    self.memory.skip(None, count, now, moves).unwrap();
                }
                result.is_ok()
            }
            Change::Remove(seq) => {
                let result = self.file.remove(seq);
                if result.is_ok() || self.disk.is_down() {
                    self.memory.remove(seq).unwrap();
                }
                result.is_ok()
            }
            Change::Erase(seq) => {
                let result = self.file.erase(seq);
                if result.is_ok() || self.disk.is_down() {
                    self.memory.erase(seq).unwrap();
                }
                result.is_ok()
            }
            Change::PurgeMatching(subject, seq) => {
                let filter = Filter::new(SUBJECTS[subject].as_bytes());
                let result = self.file.purge_matching(filter, seq, 0);
                // One after the other.
                if seq != 1 {
                    while let Some(found) = self.memory.load_next(filter, 0).unwrap() {
                        let found = found.seq;
                        if seq > 0 && found >= seq {
                            break;
                        }
                        self.memory.remove(found).unwrap();
                        self.note();
                    }
                }
                result.is_ok()
            }
            Change::Purge => {
                let result = self.file.purge();
                if result.is_ok() || self.disk.is_down() {
                    self.memory.purge().unwrap();
                }
                result.is_ok()
            }
            Change::Compact(seq) => {
                let result = self.file.compact(seq);
                if result.is_ok() || self.disk.is_down() {
                    self.memory.compact(seq).unwrap();
                }
                result.is_ok()
            }
            Change::Truncate(seq) => {
                let result = self.file.truncate(seq, now);
                if result != Err(StoreError::InvalidSequence) {
                    self.memory.truncate(seq, now).unwrap();
                }
                result.is_ok() || result == Err(StoreError::InvalidSequence)
            }
            Change::Flush => self.file.flush().is_ok(),
            Change::Sync => self.sync(),
            Change::Tidy => self.file.tidy().is_ok(),
            Change::Release => {
                self.file.release_caches();
                true
            }
            Change::Reopen => self.reopen(),
        };
        self.note();
        let is_up = !self.disk.is_down();
        assert!(done || !is_up, "{change:?} {:?}", self.file.failure());
        is_up
    }

    fn sync(&mut self) -> bool {
        let done = self.file.sync().is_ok();
        if done {
            self.states.clear();
        }
        done
    }

    fn reopen(&mut self) -> bool {
        let now = self.now;
        let done = self.file.stop(now).is_ok();
        if done {
            self.states.clear();
            self.note();
            let disk = Arc::new(self.disk.clone());
            let (dir, config) = (Path::new(DIR), self.config.clone());
            let config = StoreConfig { first_seq: 0, ..config };
            match FileStore::open(disk, dir, self.file_config.clone(), config, now) {
                Ok(store) => self.file = store,
                Err(error) => assert!(self.disk.is_down(), "{error:?}"),
            }
        }
        done
    }

    /// Starts again after a crash, and checks what is there.
    #[track_caller]
    fn recover(&mut self) {
        self.disk.restart();
        self.config.first_seq = 0;
        self.file = open(&self.disk, &self.file_config, &self.config, self.now);
        let found = snapshot(&mut self.file);
        let place = self.states.iter().rposition(|state| *state == found);
        if place.is_none() {
            let states: Vec<String> = self.states.iter().map(|s| format!("{s:?}\n")).collect();
            panic!("{found:?} is none of\n{}", states.concat());
        }
        assert_eq!(self.file.lost().len(), 0, "{:?}", self.file.damaged());
        self.memory = copy_of(&mut self.file, &self.config);
        let state = snapshot(&mut self.memory);
        assert_eq!(state, found);
        // It can be lost again until it is synced.
        self.file.sync().unwrap();
        self.states = vec![state];
    }
}

fn configs(prng: &mut Prng) -> (FileStoreConfig, StoreConfig) {
    let mut some =
        |of: usize, max: usize| (prng.below(of) == 0).then(|| 1 + prng.below(max) as u64);
    let config = StoreConfig {
        messages_max: some(2, 60),
        messages_per_subject_max: some(2, 9),
        first_seq: some(4, 1000).unwrap_or(0),
        ..StoreConfig::default()
    };
    let sizes = [300, 900, 4000];
    let mut file_config = small(sizes[prng.below(sizes.len())]);
    file_config.cache_size_max = prng.below(9000);
    file_config.write_buffer_max = 1 + prng.below(2500);
    if prng.below(3) == 0 {
        file_config.compression = Compression::S2;
    }
    (file_config, config)
}

fn run(seed: u64, changes: usize) {
    let mut prng = Prng::from_seed(seed);
    let (file_config, config) = configs(&mut prng);
    let mut crasher = Crasher::new(seed, file_config, config);
    let unsynced = [Unsynced::Random, Unsynced::Lost, Unsynced::Kept, Unsynced::Random];
    let next_crash = |crasher: &Crasher, prng: &mut Prng| {
        let at = crasher.disk.operation_count() + 1 + prng.below(120) as u64;
        let unsynced = unsynced[prng.below(unsynced.len())];
        crasher.disk.set_faults(Faults { crash_at: Some(at), unsynced, ..Faults::default() });
    };
    next_crash(&crasher, &mut prng);
    for _ in 0..changes {
        let change = random_change(&mut prng, crasher.memory.state());
        if !crasher.apply(&change) {
            crasher.recover();
            next_crash(&crasher, &mut prng);
        }
    }
}

/// As many changes as `NATSD_STORE_CHANGES` says, 20 000 without.
#[test]
fn a_crash_leaves_a_prefix_that_holds_what_was_synced() {
    let changes = std::env::var("NATSD_STORE_CHANGES");
    let changes: usize = changes.map_or(20_000, |text| text.parse().unwrap());
    let first: u64 = std::env::var("NATSD_STORE_SEED").map_or(1, |text| text.parse().unwrap());
    for seed in first..first + changes as u64 / 400 {
        let result = std::panic::catch_unwind(|| run(seed, 400));
        assert!(result.is_ok(), "seed {seed}");
    }
}

/// A crash at every single operation of the disk, with each fate of what was not synced.
#[test]
fn a_crash_at_any_operation_leaves_a_prefix() {
    for script in 1..=200 {
        let mut prng = Prng::from_seed(script);
        let (file_config, config) = configs(&mut prng);
        let changes = 4 + prng.below(12);
        let scripted = prng.next_u64();
        for unsynced in [Unsynced::Random, Unsynced::Lost, Unsynced::Kept] {
            for crash_at in 1.. {
                let mut prng = Prng::from_seed(scripted);
                let mut crasher = Crasher::new(crash_at, file_config.clone(), config.clone());
                let at = crasher.disk.operation_count() + crash_at;
                crasher.disk.set_faults(Faults {
                    crash_at: Some(at),
                    unsynced,
                    ..Faults::default()
                });
                let is_up = (0..changes).all(|_| {
                    let change = random_change(&mut prng, crasher.memory.state());
                    crasher.apply(&change)
                });
                if is_up {
                    break;
                }
                crasher.recover();
            }
        }
    }
}
