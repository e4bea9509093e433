//! The file store does what the memory store does, whatever is asked of them, and again after a
//! restart of any kind.

use super::*;
use crate::crypt::{Cipher, StoreKeys, StreamKeys};
use crate::file::FileStoreKeys;

const SUBJECTS: [&str; 7] = ["a.x", "a.y", "b.x", "b.y", "a.x.z", "c", "d.e.f.g"];
const FILTERS: [&str; 9] = [">", "a.*", "*.x", "a.>", "c", "b.y", "none", "*.*.z", "a.x"];

/// How a store is left before it is opened again.
#[derive(Debug, Clone, Copy)]
enum Restart {
    /// In good order.
    Stopped,
    /// Killed, with everything handed to the disk.
    Killed,
    /// Stopped, and the caches are gone.
    Scanned,
}

struct Pair {
    disk: MemDisk,
    file_config: FileStoreConfig,
    config: StoreConfig,
    /// The file with the key of the stream, when it is encrypted.
    meta_key: Option<Vec<u8>>,
    file: FileStore,
    memory: MemStore,
    now: Timestamp,
    prng: Prng,
}

impl Pair {
    fn new(seed: u64, file_config: FileStoreConfig, config: StoreConfig) -> Self {
        let disk = MemDisk::new();
        let file = open(&disk, &file_config, &config, START);
        let memory = MemStore::new(config.clone());
        let prng = Prng::from_seed(seed);
        let meta_key = None;
        Self { disk, file_config, config, meta_key, file, memory, now: START, prng }
    }

    fn seq(&mut self) -> u64 {
        let state = self.memory.state();
        let span = state.last_seq.saturating_sub(state.first_seq) + 4;
        state.first_seq.saturating_sub(2) + self.prng.below(usize::try_from(span).unwrap()) as u64
    }

    fn put(&mut self) {
        let subject = SUBJECTS[self.prng.below(SUBJECTS.len())];
        let body = vec![b'x'; self.prng.below(120)];
        let (ttl, headers) = match self.prng.below(12) {
            0 => (Some(Ttl::Never), "NATS/1.0\r\nNats-TTL: never\r\n\r\n".to_owned()),
            1 | 2 => {
                let seconds = 1 + self.prng.below(40) as u64;
                let headers = format!("NATS/1.0\r\nNats-TTL: {seconds}\r\n\r\n");
                (Some(Ttl::After(Duration::from_secs(seconds))), headers)
            }
            4 => {
                let headers = "NATS/1.0\r\nNats-Schedule: @every 5s\r\n\
                               Nats-Schedule-Target: a.y\r\n\r\n";
                (None, headers.to_owned())
            }
            3 => (None, "NATS/1.0\r\nA: b\r\n\r\n".to_owned()),
            _ => (None, String::new()),
        };
        let message = NewMessage {
            subject: subject.as_bytes(),
            headers: headers.as_bytes(),
            body: &body,
            seq: None,
            timestamp: self.now,
            ttl,
            may_refuse: true,
        };
        assert_eq!(self.file.store(message), self.memory.store(message));
    }

    fn step(&mut self) {
        self.now = self.now + Duration::from_millis(1 + self.prng.below(300) as u64);
        let now = self.now;
        let choice = self.prng.below(60);
        self.trace(&format!("step {choice}"));
        match choice {
            0..36 => self.put(),
            36 | 37 => {
                let (count, moves) = (self.prng.below(50) as u64, self.prng.below(2) == 0);
                let one = self.file.skip(None, count, now, moves);
                assert_eq!(one, self.memory.skip(None, count, now, moves));
            }
            38..48 => {
                let seq = self.seq();
                assert_eq!(self.file.remove(seq), self.memory.remove(seq), "{seq}");
            }
            48 | 49 => {
                let seq = self.seq();
                assert_eq!(self.file.erase(seq), self.memory.erase(seq), "{seq}");
            }
            50 => {
                let filter = Filter::new(FILTERS[self.prng.below(FILTERS.len())].as_bytes());
                let seq = if self.prng.below(2) == 0 { 0 } else { self.seq() };
                let keep = self.prng.below(4) as u64;
                let one = self.file.purge_matching(filter, seq, keep);
                assert_eq!(one, self.memory.purge_matching(filter, seq, keep));
            }
            51 if self.prng.below(4) == 0 => {
                assert_eq!(self.file.purge(), self.memory.purge());
            }
            52 => {
                let seq = self.seq();
                assert_eq!(self.file.compact(seq), self.memory.compact(seq), "{seq}");
            }
            53 => {
                let seq = self.seq();
                if seq > 0 || self.prng.below(4) == 0 {
                    let one = self.file.truncate(seq, now);
                    assert_eq!(one, self.memory.truncate(seq, now), "{seq}");
                    if seq == 0 {
                        self.config.first_seq = 0;
                    }
                }
            }
            54 => {
                self.now = now + Duration::from_secs(self.prng.below(20) as u64);
                assert_eq!(self.file.expire(self.now), self.memory.expire(self.now));
            }
            55 => {
                let (one, other) = (self.file.expired(now, 9), self.memory.expired(now, 9));
                assert_eq!(one, other);
                self.file.clear_in_flight();
                self.memory.clear_in_flight();
                assert_eq!(self.file.scheduled(now), self.memory.scheduled(now));
            }
            58 => self.file.flush().unwrap(),
            56 => self.file.sync().unwrap(),
            57 => {
                self.file.tidy().unwrap();
            }
            _ => self.file.release_caches(),
        }
    }

    /// For whoever looks for the cause of a failure.
    fn trace(&self, what: &str) {
        if std::env::var("NATSD_STORE_TRACE").is_ok() {
            let (one, other) = (self.file.state(), self.memory.state());
            let range = |state: StreamState| (state.messages, state.first_seq, state.last_seq);
            eprintln!("{:?} {:?} {what}", range(one), range(other));
        }
    }

    /// Gives the server another key or cipher, or one at all.
    fn change_keys(&mut self) {
        let cipher = if self.prng.below(2) == 0 { Cipher::Aes } else { Cipher::ChaCha };
        let store = StoreKeys::new(cipher, b"key", None);
        let random = keys::random(self.prng.next_u64());
        let meta_key = self.meta_key.get_or_insert_with(|| {
            StreamKeys::create(&store, "$G", "S", &mut |bytes| random(bytes)).1
        });
        let keys = StreamKeys::recover(&store, "$G", "S", meta_key).unwrap();
        self.file_config.keys = Some(FileStoreKeys { keys, random });
    }

    fn restart(&mut self, how: Restart) {
        self.trace(&format!("{how:?}"));
        match how {
            Restart::Stopped => {
                self.file.stop(self.now).unwrap();
                assert_eq!(compare::differences(&self.disk, &self.file_config), []);
            }
            Restart::Killed => self.file.flush().unwrap(),
            Restart::Scanned => {
                self.file.stop(self.now).unwrap();
                for name in ["index.db", "thw.db"] {
                    let _ = self.disk.remove_file(&Path::new(DIR).join("msgs").join(name));
                }
            }
        }
        if self.prng.below(4) == 0 {
            self.change_keys();
        }
        self.file = open(&self.disk, &self.file_config, &self.config, self.now);
        assert_eq!(self.file.damaged(), []);
        self.memory.expire(self.now).unwrap();
        self.memory.clear_in_flight();
        // Each fires at its own time from here on, which depends on when it was counted from.
        let config = StoreConfig { allow_message_schedules: false, ..self.config.clone() };
        for config in [&config, &self.config] {
            self.file.update_config(config.clone(), self.now);
            self.memory.update_config(config.clone(), self.now);
        }
    }

    /// Compares everything that can be asked.
    #[track_caller]
    fn check(&mut self) {
        let bytes_of = |state: StreamState| StreamState { bytes: 0, ..state };
        let (mut one, mut other) = (bytes_of(self.file.state()), bytes_of(self.memory.state()));
        if other.last_seq == 0 {
            // A stream that never had a message forgets when it was made empty.
            (one.first_seq, other.first_seq) = (0, 0);
            (one.last_time, other.last_time) = (None, None);
        }
        assert_eq!(one, other);
        assert_eq!(self.file.deleted(), self.memory.deleted());
        assert_eq!(self.file.failure(), None);
        let (mut bytes, mut expires) = (0, Timestamp::NEVER);
        for seq in other.first_seq..=other.last_seq + 1 {
            let one = self.file.load(seq);
            assert_eq!(one, self.memory.load(seq), "{seq}");
            if let Ok(message) = one {
                let headers = message.headers.len() as u64;
                let headers = if headers > 0 { headers + 4 } else { 0 };
                let ttl = Ttl::from_headers(message.headers).unwrap();
                let ttl = ttl.filter(|_| self.config.allow_message_ttl);
                if let Some(max) = self.config.age_max.filter(|_| ttl != Some(Ttl::Never)) {
                    expires = expires.min(message.timestamp + max);
                }
                if let Some(Ttl::After(ttl)) = ttl {
                    expires = expires.min(message.timestamp + ttl);
                }
                bytes += 30 + (message.subject.len() + message.body.len()) as u64 + headers;
            }
        }
        // It may be too early after a removal, never too late.
        assert!(self.file.next_expiration().unwrap_or(Timestamp::NEVER) <= expires);
        assert_eq!(self.file.state().bytes, bytes);
        assert_eq!(self.file.blocks.iter().map(|block| block.bytes).sum::<u64>(), bytes);
        let time = self.now + Duration::ZERO;
        let back = self.prng.below(100_000) as i64 * 1_000_000;
        let time = Timestamp(time.0 - back);
        assert_eq!(self.file.seq_from_time(time), self.memory.seq_from_time(time));
        let start = self.seq();
        for filter in FILTERS {
            self.check_filter(filter, start);
        }
        let several: [&[u8]; 3] = [b"a.x", b"*.y", b"c"];
        for max in [None, Some(2), Some(50)] {
            let one = self.file.last_seqs(&several, start, max);
            assert_eq!(one, self.memory.last_seqs(&several, start, max));
        }
    }

    fn check_filter(&mut self, filter: &str, start: u64) {
        let set = filters(&[filter, "c"]);
        for filter in [Filter::new(filter.as_bytes()), Filter::Any(&set)] {
            let (file, memory) = (&mut self.file, &mut self.memory);
            match self.prng.below(3) {
                // What is found out in passing changes what the next question costs.
                0 => assert_eq!(file.subjects_state(filter), memory.subjects_state(filter)),
                1 => assert_eq!(file.load_last(filter), memory.load_last(filter)),
                _ => {}
            }
            assert_eq!(file.load_next(filter, start), memory.load_next(filter, start));
            assert_eq!(file.load_prev(filter, start), memory.load_prev(filter, start));
            assert_eq!(file.filtered_state(start, filter), memory.filtered_state(start, filter));
            assert_eq!(file.subjects_totals(filter), memory.subjects_totals(filter));
            for last in [false, true] {
                assert_eq!(file.pending(start, filter, last), memory.pending(start, filter, last));
            }
            assert_eq!(file.load_last(filter), memory.load_last(filter));
            assert_eq!(file.subjects_state(filter), memory.subjects_state(filter));
        }
    }
}

fn config_of(prng: &mut Prng) -> StoreConfig {
    let mut some =
        |of: usize, max: usize| (prng.below(of) == 0).then(|| 1 + prng.below(max) as u64);
    StoreConfig {
        messages_max: some(2, 80),
        bytes_max: None,
        messages_per_subject_max: some(2, 12),
        age_max: some(3, 30).map(Duration::from_secs),
        discard: if some(4, 2).is_some() { Discard::New } else { Discard::Old },
        discard_new_per_subject: some(2, 2).is_some(),
        allow_message_ttl: some(2, 2).is_some(),
        first_seq: some(4, 1000).unwrap_or(0),
        subject_delete_marker_ttl: some(3, 5).map(Duration::from_secs),
        allow_message_schedules: some(3, 2).is_some(),
        sources: Vec::new(),
    }
}

fn run(seed: u64, steps: usize) {
    let mut prng = Prng::from_seed(seed);
    let mut config = config_of(&mut prng);
    if prng.below(4) == 0 {
        config.messages_per_subject_max = Some(1);
    }
    let sizes = [300, 1000, 4000, 100_000];
    let mut file_config = small(sizes[prng.below(sizes.len())]);
    if prng.below(3) == 0 {
        file_config.compression = Compression::S2;
    }
    file_config.cache_size_max = prng.below(9000);
    file_config.write_buffer_max = 1 + prng.below(3000);
    let mut pair = Pair::new(seed, file_config, config);
    for step in 0..steps {
        pair.step();
        match pair.prng.below(50) {
            0 => pair.restart(Restart::Stopped),
            1 => pair.restart(Restart::Killed),
            2 => pair.restart(Restart::Scanned),
            _ => {}
        }
        if step % 8 == 0 || step + 1 == steps {
            pair.check();
        }
    }
}

#[test]
fn a_file_store_does_what_a_memory_store_does() {
    let seeds: u64 = std::env::var("NATSD_STORE_SEEDS").map_or(40, |text| text.parse().unwrap());
    let first: u64 = std::env::var("NATSD_STORE_SEED").map_or(1, |text| text.parse().unwrap());
    for seed in first..first + seeds {
        let result = std::panic::catch_unwind(|| run(seed, 400));
        assert!(result.is_ok(), "seed {seed}");
    }
}
