//! A crash leaves a prefix of the changes that holds everything that was synced.
//!
//! A plain map goes along as the model. After each change it is noted; after a crash the file store
//! must hold what one of the maps since the last sync does. Removing many messages by subject or age
//! is many changes, everything else is one.

use std::collections::{BTreeMap, BTreeSet};

use super::go::new_keys;
use super::*;
use crate::crypt::Cipher;
use crate::disk::{Faults, SimDisk, Unsynced};

const SUBJECTS: [&str; 5] = ["a.x", "a.y", "b", "c.d.e", "b.z"];
const HEADERS: [&str; 4] = [
    "",
    "NATS/1.0\r\nNats-TTL: 1\r\n\r\n",
    "NATS/1.0\r\nNats-TTL: never\r\n\r\n",
    "NATS/1.0\r\na: b\r\n\r\n",
];

#[derive(Clone, PartialEq, Eq)]
struct Message {
    timestamp: Timestamp,
    subject: String,
    headers: String,
    body: Vec<u8>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ttl = self.ttl().map_or(String::new(), |ttl| format!(" {ttl:?}"));
        let milliseconds = (self.timestamp.0 - START.0) / 1_000_000;
        write!(formatter, "{} {milliseconds}{ttl} {}", self.subject, self.body.len())
    }
}

impl Message {
    fn new(timestamp: Timestamp, subject: usize, headers: usize, size: usize) -> Self {
        let byte = timestamp.0.to_le_bytes()[2];
        let (subject, headers) = (SUBJECTS[subject].to_owned(), HEADERS[headers].to_owned());
        Self { timestamp, subject, headers, body: vec![byte; size] }
    }

    fn ttl(&self) -> Option<Ttl> {
        Ttl::from_headers(self.headers.as_bytes()).unwrap()
    }

    fn is_over(&self, config: &StoreConfig, now: Timestamp) -> bool {
        let ttl = self.ttl().filter(|_| config.allow_message_ttl);
        let is_old = config.age_max.is_some_and(|age_max| self.timestamp + age_max <= now);
        match ttl {
            Some(Ttl::Never) => false,
            Some(Ttl::After(ttl)) => is_old || self.timestamp + ttl <= now,
            None => is_old,
        }
    }
}

/// What a store should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    messages: BTreeMap<u64, Message>,
    last_seq: u64,
    last_time: Option<Timestamp>,
}

impl Model {
    fn new(first_seq: u64) -> Self {
        let (messages, last_time) = (BTreeMap::new(), None);
        Self { messages, last_seq: first_seq.saturating_sub(1), last_time }
    }

    fn first_seq(&self) -> u64 {
        self.messages.keys().next().map_or(self.last_seq + 1, |&seq| seq)
    }

    fn seqs_of(&self, subject: &str) -> Vec<u64> {
        let messages = self.messages.iter();
        messages.filter(|(_, other)| other.subject == subject).map(|(&seq, _)| seq).collect()
    }

    fn store(&mut self, message: Message, config: &StoreConfig) {
        let subject = message.subject.clone();
        self.last_seq += 1;
        self.last_time = Some(message.timestamp);
        self.messages.insert(self.last_seq, message);
        if let Some(max) = config.messages_per_subject_max {
            let seqs = self.seqs_of(&subject);
            let over = seqs.len().saturating_sub(usize::try_from(max).unwrap());
            for seq in &seqs[..over] {
                self.messages.remove(seq);
            }
        }
        while config.messages_max.is_some_and(|max| self.messages.len() as u64 > max) {
            self.messages.pop_first();
        }
    }

    fn skip(&mut self, count: u64, now: Timestamp, moves_time: bool) {
        self.last_seq += count;
        if moves_time || self.last_time.is_none() {
            self.last_time = Some(now);
        }
    }

    fn compact(&mut self, seq: u64) {
        if seq == 0 {
            self.messages.clear();
        } else if seq > self.last_seq && seq >= self.first_seq() {
            self.messages.clear();
            self.last_seq = seq - 1;
        } else {
            self.messages.retain(|&other, _| other >= seq);
        }
    }

    fn truncate(&mut self, seq: u64, now: Timestamp) {
        self.messages.retain(|&other, _| other <= seq);
        self.last_seq = seq;
        if seq == 0 {
            self.last_time = Some(now);
        } else if let Some(last) = self.messages.get(&seq) {
            self.last_time = Some(last.timestamp);
        }
    }

    fn expired(&self, config: &StoreConfig, now: Timestamp) -> Vec<u64> {
        let messages = self.messages.iter();
        messages.filter(|(_, message)| message.is_over(config, now)).map(|(&seq, _)| seq).collect()
    }

    fn without_expired(mut self, config: &StoreConfig, now: Timestamp) -> Self {
        self.messages.retain(|_, message| !message.is_over(config, now));
        self
    }

    /// A stream that never had a message forgets when it was made empty.
    fn forgetful(mut self) -> Self {
        if self.last_seq == 0 {
            self.last_time = None;
        }
        self
    }
}

/// What a store holds; its state has to agree.
fn model_of(store: &mut FileStore) -> Model {
    let (mut messages, mut start) = (BTreeMap::new(), 0);
    while let Some(message) = store.load_next(Filter::All, start).unwrap() {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        start = message.seq + 1;
        let (subject, headers) = (text(message.subject), text(message.headers));
        let (timestamp, body) = (message.timestamp, message.body.to_vec());
        messages.insert(message.seq, Message { timestamp, subject, headers, body });
    }
    let state = store.state();
    let model = Model { messages, last_seq: state.last_seq, last_time: state.last_time };
    let subjects: BTreeSet<&String> =
        model.messages.values().map(|message| &message.subject).collect();
    let first_time = model.messages.values().next().map(|message| message.timestamp);
    assert_eq!((state.messages, state.first_time), (model.messages.len() as u64, first_time));
    assert_eq!(state.subjects, subjects.len() as u64);
    if state.last_seq > 0 {
        assert_eq!(state.first_seq, model.first_seq());
    }
    let between =
        (state.first_seq..=state.last_seq).filter(|seq| !model.messages.contains_key(seq));
    let deleted: Vec<u64> = if state.messages > 0 { between.collect() } else { Vec::new() };
    assert!(store.deleted().iter().eq(deleted.iter().copied()));
    assert_eq!(state.deleted, deleted.len() as u64);
    model.forgetful()
}

/// One change.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Subject, headers, size.
    Store(usize, usize, usize),
    /// Time passes, in milliseconds.
    Expire(u64),
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

fn random_change(prng: &mut Prng, model: &Model) -> Change {
    let first = model.first_seq();
    let span = usize::try_from(model.last_seq.saturating_sub(first)).unwrap() + 3;
    let seq = first.saturating_sub(1) + prng.below(span) as u64;
    match prng.below(64) {
        0..30 => {
            let headers = prng.below(3 * HEADERS.len());
            let headers = if headers < HEADERS.len() { headers } else { 0 };
            Change::Store(prng.below(SUBJECTS.len()), headers, prng.below(180))
        }
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
        59 => Change::Expire(prng.below(900) as u64),
        _ => Change::Store(prng.below(SUBJECTS.len()), 0, 20),
    }
}

pub(super) struct Crasher {
    disk: SimDisk,
    file_config: FileStoreConfig,
    config: StoreConfig,
    file: FileStore,
    model: Model,
    now: Timestamp,
    /// The models since the last sync, that one first.
    states: Vec<Model>,
}

impl Crasher {
    pub(super) fn new(seed: u64, file_config: FileStoreConfig, config: StoreConfig) -> Self {
        let disk = SimDisk::new(seed, Faults::default());
        disk.create_dir_all(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file = open(&disk, &file_config, &config, START);
        let model = Model::new(config.first_seq);
        let states = vec![model.clone()];
        Self { disk, file_config, config, file, model, now: START, states }
    }

    fn note(&mut self) {
        if self.states.last() != Some(&self.model) {
            self.states.push(self.model.clone());
        }
    }

    /// Removes a message from the model, of several that go one after the other.
    fn remove_one(&mut self, seq: u64) {
        self.model.messages.remove(&seq);
        self.note();
    }

    /// Makes a change in both; whether the disk is still up. What was refused by a disk
    /// that is not down has not happened.
    fn apply(&mut self, change: &Change) -> bool {
        self.now = self.now + Duration::from_millis(3);
        let now = self.now;
        if std::env::var("NATSD_STORE_TRACE").is_ok() {
            let Model { messages, last_seq, .. } = &self.model;
            eprintln!("{} {} {last_seq} {change:?}", messages.len(), self.model.first_seq());
        }
        let has_happened = |this: &Self, is_ok: bool| is_ok || this.disk.is_down();
        let done = match *change {
            Change::Store(subject, headers, size) => {
                let message = Message::new(now, subject, headers, size);
                let result = self.file.store(NewMessage {
                    subject: message.subject.as_bytes(),
                    headers: message.headers.as_bytes(),
                    body: &message.body,
                    seq: None,
                    timestamp: now,
                    ttl: message.ttl(),
                    may_refuse: false,
                });
                if has_happened(self, result.is_ok()) {
                    self.model.store(message, &self.config);
                }
                result.is_ok()
            }
            Change::Expire(milliseconds) => {
                self.now = now + Duration::from_millis(milliseconds);
                let result = self.file.expire(self.now);
                for seq in self.model.expired(&self.config, self.now) {
                    self.remove_one(seq);
                }
                result.is_ok()
            }
            Change::Skip(count, moves) => {
                let result = self.file.skip(None, count, now, moves);
                if has_happened(self, result.is_ok()) {
                    self.model.skip(count, now, moves);
                }
                result.is_ok()
            }
            Change::Remove(seq) => {
                let result = self.file.remove(seq);
                if has_happened(self, result.is_ok()) {
                    self.model.messages.remove(&seq);
                }
                result.is_ok()
            }
            Change::Erase(seq) => {
                let result = self.file.erase(seq);
                if has_happened(self, result.is_ok()) {
                    self.model.messages.remove(&seq);
                }
                result.is_ok()
            }
            Change::PurgeMatching(subject, seq) => {
                let filter = Filter::new(SUBJECTS[subject].as_bytes());
                let result = self.file.purge_matching(filter, seq, 0);
                let end = if seq == 0 { u64::MAX } else { seq };
                for seq in self.model.seqs_of(SUBJECTS[subject]) {
                    if seq < end {
                        self.remove_one(seq);
                    }
                }
                result.is_ok()
            }
            Change::Purge => {
                let result = self.file.purge();
                if has_happened(self, result.is_ok()) {
                    self.model.messages.clear();
                }
                result.is_ok()
            }
            Change::Compact(seq) => {
                let result = self.file.compact(seq);
                if has_happened(self, result.is_ok()) {
                    self.model.compact(seq);
                }
                result.is_ok()
            }
            Change::Truncate(seq) => {
                let result = self.file.truncate(seq, now);
                let is_refused = result == Err(StoreError::InvalidSequence);
                if !is_refused {
                    self.model.truncate(seq, now);
                }
                result.is_ok() || is_refused
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
                Ok(store) => {
                    self.file = store;
                    for seq in self.model.expired(&self.config, now) {
                        self.remove_one(seq);
                    }
                }
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
        let found = model_of(&mut self.file);
        let fits = |state: &&Model| {
            let state = (*state).clone().without_expired(&self.config, self.now).forgetful();
            state == found
        };
        if self.states.iter().rev().find(fits).is_none() {
            let states: Vec<String> = self.states.iter().map(|s| format!("{s:?}\n")).collect();
            panic!("{found:?} is none of\n{}", states.concat());
        }
        assert_eq!(self.file.lost().len(), 0, "{:?}", self.file.damaged());
        // It can be lost again until it is synced.
        self.file.sync().unwrap();
        self.model = found;
        self.states = vec![self.model.clone()];
    }

    /// Compares everything without a crash.
    #[track_caller]
    fn check(&mut self) {
        assert_eq!(model_of(&mut self.file), self.model.clone().forgetful());
    }
}

fn configs(prng: &mut Prng) -> (FileStoreConfig, StoreConfig) {
    let mut some =
        |of: usize, max: usize| (prng.below(of) == 0).then(|| 1 + prng.below(max) as u64);
    let config = StoreConfig {
        messages_max: some(2, 60),
        messages_per_subject_max: some(2, 9),
        first_seq: some(4, 1000).unwrap_or(0),
        age_max: some(4, 3).map(Duration::from_secs),
        allow_message_ttl: some(2, 1).is_some(),
        ..StoreConfig::default()
    };
    let sizes = [300, 900, 4000];
    let mut file_config = small(sizes[prng.below(sizes.len())]);
    file_config.cache_size_max = prng.below(9000);
    file_config.write_buffer_max = 1 + prng.below(2500);
    if prng.below(3) == 0 {
        file_config.compression = Compression::S2;
    }
    file_config.keys = match prng.below(12) {
        0 => Some(new_keys(Cipher::ChaCha)),
        1 => Some(new_keys(Cipher::Aes)),
        _ => None,
    };
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
        let change = random_change(&mut prng, &crasher.model);
        if !crasher.apply(&change) {
            crasher.recover();
            next_crash(&crasher, &mut prng);
        } else if prng.below(16) == 0 {
            // Reading is no operation of the disk that it could go down in.
            crasher.check();
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
                    let change = random_change(&mut prng, &crasher.model);
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
