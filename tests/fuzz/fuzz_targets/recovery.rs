//! A stream's files with anything in them: opening neither panics nor loses track, and what was
//! recovered and written is recovered again.
//!
//! The input makes records with right hashes, so that what follows a hash is reached: good ones, in
//! any order and kind, raw bytes and flipped bits. Then an index is written by the store itself,
//! changed, and given a right hash again.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use highway::{HighwayHash, HighwayHasher, Key};
use libfuzzer_sys::fuzz_target;
use natsd_base::Timestamp;
use natsd_store::block::{BlockHash, Record, RecordKind};
use natsd_store::{
    Compression, Disk, FileStore, FileStoreConfig, Filter, MemDisk, NewMessage, StoreConfig,
    StoreError, StreamState, StreamStore,
};
use sha2::{Digest, Sha256};

const STREAM_DIR: &str = "/S";
const NAME: &str = "S";
const SUBJECTS: [&[u8]; 4] = [b"a", b"a.b", b"c.d.e", b""];
const HEADERS: [&[u8]; 4] = [
    b"",
    b"NATS/1.0\r\nNats-TTL: 5\r\n\r\n",
    b"NATS/1.0\r\nNats-TTL: never\r\n\r\n",
    b"NATS/1.0\r\nNats-Schedule: @hourly\r\nNats-Schedule-Target: a\r\n\r\n",
];
const BODIES: [&[u8]; 4] = [b"", b"hello", b"natsd.f1", b"natsd.p1"];
const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// The input, byte by byte; zeros at its end.
struct Input<'a>(&'a [u8]);

/// What the blocks were made of.
struct Made {
    /// The highest sequence so far.
    seq: u64,
    /// Whether a server could have written them: sequences ascend, and tombstones name earlier
    /// ones.
    is_natural: bool,
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize) -> &[u8] {
        self.0.split_off(..count.min(self.0.len())).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let options = input.byte();
    let disk = MemDisk::new();
    disk.create_dir_all(&path("msgs")).expect("memory");
    let mut made = Made { seq: u64::from(input.byte()), is_natural: true };
    for number in 1..=u32::from(options & 3) {
        write(&disk, &format!("msgs/{number}.blk"), &block(&mut input, number, &mut made));
    }
    let config = StoreConfig {
        messages_max: (options & 4 != 0).then_some(7),
        messages_per_subject_max: (options & 8 != 0).then_some(2),
        allow_message_ttl: options & 16 != 0,
        allow_message_schedules: options & 32 != 0,
        ..StoreConfig::default()
    };
    let compression = if options & 64 == 0 { Compression::None } else { Compression::S2 };
    let file_config =
        FileStoreConfig { block_size: 400, compression, ..FileStoreConfig::new(NAME) };
    let open = || {
        let disk = Arc::new(disk.clone());
        FileStore::open(disk, Path::new(STREAM_DIR), file_config.clone(), config.clone(), NOW)
    };
    let Ok(mut store) = open() else { return };
    check(&mut store);
    run(&mut store, &mut input);
    store.stop(NOW).expect("memory");
    let Ok(mut again) = open() else { panic!("what was stopped opens") };
    check(&mut again);
    if made.is_natural {
        assert_eq!(range(again.state()), range(store.state()));
    }
    again.stop(NOW).expect("memory");
    if options & 128 != 0 {
        damage(&disk, &mut input);
        let Ok(mut store) = open() else { return };
        let _ = read_all(&mut store);
        run(&mut store, &mut input);
        let _ = store.stop(NOW);
        if let Ok(mut store) = open() {
            let _ = read_all(&mut store);
        }
    }
});

fn path(name: &str) -> PathBuf {
    Path::new(STREAM_DIR).join(name)
}

fn write(disk: &MemDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(&path(name), true).expect("memory");
    file.set_len(0).expect("memory");
    file.write_all_at(bytes, 0).expect("memory");
}

fn range(state: StreamState) -> (u64, u64, u64, u64, u64) {
    (state.messages, state.bytes, state.first_seq.max(1), state.last_seq, state.subjects)
}

/// The bytes of one block.
fn block(input: &mut Input<'_>, number: u32, made: &mut Made) -> Vec<u8> {
    let hash = BlockHash::new(NAME, number);
    let mut out = Vec::new();
    for _ in 0..input.byte() % 16 {
        let what = input.byte();
        let pick = |from: [&'static [u8]; 4], by: u8| from[usize::from(by % 4)];
        let kind = match what % 8 {
            0..=3 => RecordKind::Message,
            4 => RecordKind::Erased,
            5 => RecordKind::Tombstone,
            6 => {
                let count = usize::from(input.byte());
                out.extend(input.take(count));
                made.is_natural = false;
                continue;
            }
            _ => {
                let at = usize::from(input.byte()) * 257 + usize::from(input.byte());
                if !out.is_empty() {
                    let at = at % (out.len() * 8);
                    out[at / 8] ^= 1 << (at % 8);
                }
                made.is_natural = false;
                continue;
            }
        };
        let of = match kind {
            RecordKind::Tombstone => {
                let of = u64::from(input.byte());
                // Bodies are natsd's own records, which belong where they are written.
                made.is_natural &= of <= made.seq && what >> 4 & 3 < 2;
                of
            }
            _ => {
                let step = u64::from(input.byte() % 4);
                made.is_natural &= step > 0;
                made.seq += step;
                made.seq
            }
        };
        let is_message = kind == RecordKind::Message;
        let sums = if kind == RecordKind::Tombstone && of == 0 && what & 64 != 0 {
            made.is_natural = false;
            sums(input, out.len())
        } else {
            Vec::new()
        };
        let record = Record {
            seq: of,
            timestamp: Timestamp(NOW.0 - 1_000_000_000 * i64::from(input.byte() % 10)),
            kind,
            subject: if is_message { pick(SUBJECTS, what >> 3) } else { b"" },
            headers: if is_message { pick(HEADERS, what >> 5) } else { b"" },
            body: match kind {
                RecordKind::Erased => b"",
                _ if !sums.is_empty() => &sums,
                _ => pick(BODIES, what >> 4),
            },
        };
        record.encode(&hash, &mut out).expect("it is small");
    }
    out
}

/// What a record with the sums of a write says, at its place: anything else about it may be wrong.
fn sums(input: &mut Input<'_>, at: usize) -> Vec<u8> {
    let mut body = b"natsd.b1".to_vec();
    body.extend(u32::try_from(at).expect("it is small").to_le_bytes());
    let from = usize::from(input.byte());
    body.extend(u32::try_from(from.min(at + 1)).expect("it is small").to_le_bytes());
    body.extend(input.take(24));
    body.resize(40, 0);
    body
}

/// Every message that is said to be there can be read, or it was found to be damaged just now.
fn check(store: &mut FileStore) {
    let damaged = store.damaged().len();
    let messages = read_all(store);
    if store.damaged().len() == damaged {
        assert_eq!(messages, Ok(store.state().messages), "{:?}", store.damaged());
    }
    let state = store.state();
    assert_eq!(state.deleted, store.deleted().len());
    if state.messages > 0 {
        assert_eq!(state.last_seq - state.first_seq + 1, state.messages + state.deleted);
    }
}

fn read_all(store: &mut FileStore) -> Result<u64, StoreError> {
    let (mut next, mut messages) = (0, 0);
    while let Some(message) = store.load_next(Filter::All, next)? {
        next = message.seq + 1;
        messages += 1;
    }
    Ok(messages)
}

/// Some calls. Errors are answers.
fn run(store: &mut FileStore, input: &mut Input<'_>) {
    for _ in 0..12 {
        if input.is_empty() {
            return;
        }
        let state = store.state();
        let seq = state.first_seq.saturating_add(u64::from(input.byte() % 32));
        match input.byte() % 10 {
            0..=3 => {
                let pick = usize::from(input.byte());
                let _ = store.store(NewMessage {
                    subject: SUBJECTS[pick % 4],
                    headers: HEADERS[pick / 4 % 4],
                    body: b"new",
                    seq: None,
                    timestamp: NOW,
                    ttl: None,
                    may_refuse: true,
                });
            }
            4 => drop(store.remove(seq)),
            5 => drop(store.erase(seq)),
            6 => drop(store.compact(seq)),
            7 => drop(store.truncate(seq, NOW)),
            8 => drop(store.purge_matching(Filter::One(b"a.>"), 0, 0)),
            _ => drop(store.sync()),
        }
    }
}

/// Changes a file that the store wrote, and its hash where it has one.
fn damage(disk: &MemDisk, input: &mut Input<'_>) {
    let name = ["msgs/index.db", "msgs/thw.db", "msgs/sched.db", "msgs/1.blk"]
        [usize::from(input.byte() % 4)];
    let Ok(file) = disk.open(&path(name), false) else { return };
    let mut bytes = file.read_all().expect("memory");
    for _ in 0..=input.byte() % 4 {
        if bytes.is_empty() {
            return;
        }
        let at = usize::from(input.byte()) % bytes.len();
        match input.byte() % 3 {
            0 => bytes[at] = input.byte(),
            1 => bytes[at] ^= 1 << (input.byte() % 8),
            _ => bytes.truncate(at),
        }
    }
    if let Some((content, _)) = bytes.split_last_chunk::<8>() {
        let digest: [u8; 32] = Sha256::digest(NAME).into();
        let (words, _) = digest.as_chunks::<8>();
        let key = Key([0, 1, 2, 3].map(|word: usize| u64::from_le_bytes(words[word])));
        let hash = HighwayHasher::new(key).hash64(content).to_le_bytes();
        let end = bytes.len() - 8;
        bytes[end..].copy_from_slice(&hash);
    }
    write(disk, name, &bytes);
}
