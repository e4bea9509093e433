//! What the file store makes of a bad disk: wrong bits, no room, failing syncs.

use std::collections::BTreeMap;

use super::*;
use crate::block::{BlockHash, BlockScan, Record, RecordKind, Scanned};
use crate::disk::{Faults, SimDisk, Unsynced};
use crate::file::DamageKind;

pub(super) type Messages = BTreeMap<u64, (Timestamp, Vec<u8>, Vec<u8>, Vec<u8>)>;

/// Every message, asking again where damage was found.
pub(super) fn messages_of(store: &mut FileStore) -> Messages {
    for _ in 0..3 {
        let (mut messages, mut start) = (Messages::new(), 0);
        loop {
            match store.load_next(Filter::All, start) {
                Ok(None) => return messages,
                Err(error) => {
                    assert_eq!(error, StoreError::Damaged);
                    break;
                }
                Ok(Some(message)) => {
                    start = message.seq + 1;
                    let parts = [message.subject, message.headers, message.body];
                    let [subject, headers, body] = parts.map(<[u8]>::to_vec);
                    messages.insert(message.seq, (message.timestamp, subject, headers, body));
                }
            }
        }
    }
    panic!("{:?}", store.damaged());
}

fn put(store: &mut FileStore, now: Timestamp, subject: &str, headers: &str, body: &str) -> u64 {
    let message = NewMessage {
        subject: subject.as_bytes(),
        headers: headers.as_bytes(),
        body: body.as_bytes(),
        seq: None,
        timestamp: now,
        ttl: Ttl::from_headers(headers.as_bytes()).unwrap(),
        may_refuse: true,
    };
    store.store(message).unwrap()
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Stopped,
    /// After it had handed everything to the disk.
    Killed,
}

/// The files of a stream with everything in it, its messages, and its configuration.
pub(super) fn stream(
    compression: Compression,
    end: End,
) -> (Vec<(PathBuf, Vec<u8>)>, Messages, StoreConfig) {
    let disk = MemDisk::new();
    let file_config = FileStoreConfig { compression, ..small(260) };
    let config = StoreConfig {
        allow_message_ttl: true,
        allow_message_schedules: true,
        sources: vec![b"ORIGIN > >".to_vec()],
        ..StoreConfig::default()
    };
    let mut store = open(&disk, &file_config, &config, START);
    let headers = "NATS/1.0\r\nNats-TTL: 1h\r\n\r\n";
    for number in 0..12_i64 {
        let now = Timestamp(START.0 + number * 1_000_000);
        let headers = if number % 4 == 3 { headers } else { "" };
        put(&mut store, now, &format!("s.{}", number % 3), headers, &"b".repeat(20));
    }
    assert!(store.remove(2).unwrap() && store.remove(9).unwrap());
    store.skip(None, 3, START, false).unwrap();
    // One flipped bit of their size makes them look empty.
    for headers in ["NATS/1.0\r\na:\r\n\r\n", "NATS/1.0\r\nabcdefgh: abcdefgh\r\n\r\n"] {
        assert!(headers.len().is_power_of_two());
        put(&mut store, Timestamp(START.0 + 80_000_000), "s.1", headers, "NATS/1.0\r\n\r\n");
    }
    for (subject, line) in [
        ("s.timer", "Nats-Schedule: @at 2023-11-14T22:13:21Z\r\nNats-Schedule-Target: s.1"),
        ("s.2", "Nats-Stream-Source: ORIGIN 7 > > s.1 ID"),
    ] {
        let headers = format!("NATS/1.0\r\n{line}\r\n\r\n");
        put(&mut store, Timestamp(START.0 + 85_000_000), subject, &headers, "");
    }
    put(&mut store, Timestamp(START.0 + 90_000_000), "s.last", "", "end");
    assert!(store.remove(5).unwrap());
    let messages = messages_of(&mut store);
    match end {
        End::Stopped => store.stop(START).unwrap(),
        End::Killed => store.flush().unwrap(),
    }
    let mut files = Vec::new();
    for dir in ["", "msgs", "sums"].map(|dir| Path::new(DIR).join(dir)) {
        let entries = disk.list(&dir).into_iter().flatten();
        for entry in entries.filter(|entry| !entry.is_dir) {
            let path = dir.join(entry.name);
            let bytes = disk.open(&path, false).unwrap().read_all().unwrap();
            files.push((path, bytes));
        }
    }
    (files, messages, config)
}

pub(super) fn disk_with(files: &[(PathBuf, Vec<u8>)]) -> MemDisk {
    let disk = MemDisk::new();
    for (path, bytes) in files {
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        disk.open(path, true).unwrap().write_all_at(bytes, 0).unwrap();
    }
    disk
}

/// The sequences of a block's messages.
fn seqs_in(path: &Path, bytes: &[u8]) -> Vec<u64> {
    let number = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let hash = BlockHash::new("S", number);
    let content = super::super::content::of(&hash, bytes.to_vec());
    let records = BlockScan::new(&hash, &content.records).filter_map(|scanned| match scanned {
        Scanned::Record { record, .. } => Some(record.seq),
        Scanned::Damaged { .. } | Scanned::Tail { .. } => None,
    });
    records.collect()
}

#[test]
fn one_wrong_bit_in_any_file_costs_nothing() {
    for end in [End::Stopped, End::Killed] {
        check_every_bit(end);
    }
}

fn check_every_bit(end: End) {
    let (files, messages, config) = stream(Compression::None, end);
    let names: Vec<_> = files.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect();
    assert!(names.contains(&"1.blk") && names.contains(&"6.blk"), "{names:?}");
    let caches = ["index.db", "thw.db", "sched.db", "sources.db"];
    assert!(caches.iter().all(|cache| names.contains(cache) == (end == End::Stopped)), "{names:?}");
    let mut store = open(&disk_with(&files), &small(260), &config, START);
    let said = (store.next_schedule(), store.sources(), store.next_expiration());
    assert!(said.0.is_some() && said.1.len() == 1 && said.2.is_some());
    assert_eq!(messages_of(&mut store), messages);
    for at in 0..files.len() {
        for bit in 0..files[at].1.len() * 8 {
            let mut damaged = files.clone();
            damaged[at].1[bit / 8] ^= 1 << (bit % 8);
            let name = files[at].0.file_name().unwrap().to_str().unwrap();
            let disk = disk_with(&damaged);
            let mut store = open(&disk, &small(260), &config, START);
            let found = messages_of(&mut store);
            assert_eq!(found, messages, "{name} bit {bit}");
            assert!(store.lost().is_empty(), "{name} bit {bit}");
            assert_eq!(store.failure(), None);
            let found = (store.next_schedule(), store.sources(), store.next_expiration());
            assert_eq!(found, said, "{name} bit {bit}");
            let is_said =
                store.damaged().iter().any(|damaged| damaged.kind == DamageKind::Corrected);
            assert_eq!(is_said, name.ends_with(".blk"), "{name} bit {bit}");
            drop(store);
            if bit % 8 == 0 {
                let mut store = open(&disk, &small(260), &config, START);
                assert_eq!(messages_of(&mut store), messages, "{name} bit {bit}");
                assert_eq!(store.damaged(), [], "{name} bit {bit}");
            }
        }
    }
}

/// Whatever the size, and behind the last marker too, where damage may be a torn write.
#[test]
fn one_wrong_bit_in_a_large_message_costs_nothing() {
    for end in [End::Stopped, End::Killed] {
        let disk = MemDisk::new();
        let mut store = open(&disk, &small(4_000_000), &StoreConfig::default(), START);
        for size in [20_000, 300_000, 5, 70_000, 5] {
            put(&mut store, START, "large", "", &"x".repeat(size));
        }
        let messages = messages_of(&mut store);
        match end {
            End::Stopped => store.stop(START).unwrap(),
            End::Killed => store.sync().unwrap(),
        }
        let file = disk.open(&block_path(1), false).unwrap();
        let whole = file.read_all().unwrap();
        for bit in (0..whole.len() * 8).step_by(30_011) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, bit as u64 / 8).unwrap();
            file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit as u64 / 8).unwrap();
            let file_config = FileStoreConfig { read_only: true, ..small(4_000_000) };
            let mut store = open(&disk, &file_config, &StoreConfig::default(), START);
            assert_eq!(messages_of(&mut store), messages, "bit {bit}");
            let kinds: Vec<_> = store.damaged().iter().map(|damaged| damaged.kind).collect();
            assert_eq!(kinds, [DamageKind::Corrected], "bit {bit}");
            file.write_all_at(&byte, bit as u64 / 8).unwrap();
        }
    }
}

#[test]
fn one_wrong_bit_in_a_compressed_block_costs_no_other() {
    for (end, has_sums) in [(End::Stopped, true), (End::Killed, true), (End::Stopped, false)] {
        check_compressed(end, has_sums);
    }
}

/// Without the sums beside it a compressed block may be lost; with them nothing is.
fn check_compressed(end: End, has_sums: bool) {
    let (mut files, messages, config) = stream(Compression::S2, end);
    assert!(files.iter().any(|(path, _)| path.extension().is_some_and(|end| end == "file")));
    files.retain(|(path, _)| has_sums || !path.starts_with(Path::new(DIR).join("sums")));
    let file_config = FileStoreConfig { compression: Compression::S2, ..small(260) };
    for at in 0..files.len() {
        for bit in (0..files[at].1.len() * 8).step_by(5) {
            let mut damaged = files.clone();
            damaged[at].1[bit / 8] ^= 1 << (bit % 8);
            let name = files[at].0.file_name().unwrap().to_str().unwrap();
            let is_compressed = files[at].1.starts_with(b"cmp");
            let disk = disk_with(&damaged);
            let mut store = open(&disk, &file_config, &config, START);
            let found = messages_of(&mut store);
            // What is there is right, and what is missing was in the block.
            assert!(found.iter().all(|(seq, message)| messages.get(seq) == Some(message)));
            let may_miss = is_compressed && !has_sums;
            let may_miss = if may_miss { seqs_in(&files[at].0, &files[at].1) } else { vec![] };
            let mut missing = messages.keys().filter(|seq| !found.contains_key(seq));
            assert!(missing.all(|seq| may_miss.contains(seq)), "{name} bit {bit}");
            // Some bits of S2 may be either: a copy of the same bytes from elsewhere.
            let is_silent = store.damaged().is_empty();
            assert!(!is_silent || found == messages, "{name} bit {bit}");
            drop(store);
            let mut store = open(&disk, &file_config, &config, START);
            assert_eq!(messages_of(&mut store), found, "{name} bit {bit}");
        }
    }
}

#[test]
fn a_bit_that_is_wrong_in_one_read_is_read_again() {
    let disk = SimDisk::new(3, Faults::default());
    disk.create_dir_all(Path::new(DIR)).unwrap();
    let file_config = FileStoreConfig { cache_size_max: 0, ..small(2000) };
    let config = StoreConfig::default();
    let mut store = open(&disk, &file_config, &config, START);
    (0..200).for_each(|_| {
        put(&mut store, START, "s", "", "body");
    });
    store.sync().unwrap();
    let faults = Faults {
        flipped_reads_per_mille: 50,
        short_reads_per_mille: 200,
        unsynced: Unsynced::Kept,
        ..Faults::default()
    };
    disk.set_faults(faults);
    for round in 0..40 {
        store.release_caches();
        assert_eq!(messages_of(&mut store).len(), 200, "{round}");
        assert!(store.lost().is_empty());
        if round % 10 == 9 {
            drop(store);
            store = open(&disk, &file_config, &config, START);
        }
    }
}

/// Fills a disk; what was refused did not happen, and it goes on when there is room.
#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    for (capacity, write_buffer_max, compression) in [
        (3000, 1, Compression::None),
        (5000, 700, Compression::None),
        (5000, 700, Compression::S2),
        (9000, 100_000, Compression::None),
    ] {
        let disk = SimDisk::new(1, Faults::default());
        disk.create_dir_all(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file_config = FileStoreConfig { write_buffer_max, compression, ..small(1500) };
        let config = StoreConfig::default();
        let mut store = open(&disk, &file_config, &config, START);
        let capacity = Some(capacity);
        disk.set_faults(Faults { capacity, ..Faults::default() });
        let message = NewMessage {
            subject: b"s",
            headers: b"",
            body: &[7; 100],
            seq: None,
            timestamp: START,
            ttl: None,
            may_refuse: true,
        };
        let mut refused = 0;
        for _ in 0..200 {
            let before = store.state();
            match store.store(message).and_then(|seq| store.flush().map(|()| seq)) {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error, StoreError::Disk(std::io::ErrorKind::StorageFull));
                    let after = store.state();
                    // It may be in memory, and is not lost from there.
                    assert!(after == before || after.messages == before.messages + 1);
                    refused += 1;
                }
            }
            assert_eq!(messages_of(&mut store).len() as u64, store.state().messages);
        }
        assert!(refused > 0);
        assert_eq!(store.failure(), None);
        // Removing, and everything else, works again with room.
        disk.set_faults(Faults::default());
        let messages = store.state().messages;
        assert!(store.remove(1).unwrap());
        store.store(message).unwrap();
        store.sync().unwrap();
        let state = store.state();
        assert_eq!(state.messages, messages);
        disk.crash();
        disk.restart();
        let mut store = open(&disk, &file_config, &config, START);
        assert_eq!((store.state(), store.damaged()), (state, &[][..]));
        assert_eq!(messages_of(&mut store).len() as u64, messages);
        assert_eq!(store.purge(), Ok(messages));
    }
}

#[test]
fn a_failed_sync_stops_writing_until_the_store_is_opened_again() {
    let disk = SimDisk::new(1, Faults::default());
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let (file_config, config) = (small(1500), StoreConfig::default());
    let mut store = open(&disk, &file_config, &config, START);
    put(&mut store, START, "s", "", "synced");
    store.sync().unwrap();
    put(&mut store, START, "s", "", "not synced");
    disk.set_faults(Faults { sync_errors_per_mille: 1000, ..Faults::default() });
    assert_eq!(store.sync(), Err(StoreError::Disk(std::io::ErrorKind::Other)));
    disk.set_faults(Faults { unsynced: Unsynced::Lost, ..Faults::default() });
    // The next sync would succeed, and say nothing of what was lost.
    assert_eq!(store.sync(), Err(StoreError::Stopped));
    assert_eq!(store.remove(1), Err(StoreError::Stopped));
    assert_eq!(store.purge(), Err(StoreError::Stopped));
    assert_eq!(store.truncate(1, START), Err(StoreError::Stopped));
    assert!(store.failure().is_some());
    assert_eq!(messages_of(&mut store).len(), 2);
    store.stop(START).unwrap();
    disk.crash();
    disk.restart();
    let mut store = open(&disk, &file_config, &config, START);
    assert_eq!(messages_of(&mut store).len(), 1);
    assert_eq!(put(&mut store, START, "s", "", "again"), 2);
}

#[test]
fn a_store_that_is_open_to_read_only_writes_nothing() {
    let (files, messages, config) = stream(Compression::None, End::Stopped);
    let mut damaged = files.clone();
    damaged[2].1[50] ^= 3;
    let disk = disk_with(&damaged);
    let file_config = FileStoreConfig { read_only: true, ..small(260) };
    let mut store = open(&disk, &file_config, &config, START);
    assert!(messages_of(&mut store).len() >= messages.len() - 1);
    assert_eq!(store.damaged().len(), 1);
    assert_eq!(store.remove(1), Err(StoreError::Stopped));
    assert_eq!(store.purge(), Err(StoreError::Stopped));
    store.stop(START).unwrap();
    for (path, bytes) in &damaged {
        assert_eq!(disk.open(path, false).unwrap().read_all().unwrap(), *bytes);
    }
    assert!(disk.list(&Path::new(DIR).join("lost")).is_err());
}

/// The bits of a block that no hash of Go's covers, and some of the others.
fn bits_to_try(number: u32, block: &[u8], name: &str) -> Vec<usize> {
    let hash = BlockHash::new(name, number);
    let mut bits: Vec<usize> = (0..block.len() * 8).step_by(block.len() / 8).collect();
    for scanned in BlockScan::new(&hash, block) {
        let Scanned::Record { offset, record, .. } = scanned else { continue };
        let headers = offset + 22 + record.subject.len();
        let headers = headers..headers + if record.headers.is_empty() { 0 } else { 4 };
        let sizes = [offset..offset + 4, offset + 20..offset + 22, headers];
        bits.extend(sizes.into_iter().flatten().flat_map(|byte| byte * 8..byte * 8 + 8));
    }
    bits.sort_unstable();
    bits.dedup();
    bits
}

/// Whether the byte `at` of a block is in the record of a message that was removed.
fn is_dead(number: u32, block: &[u8], at: usize, name: &str, messages: &Messages) -> bool {
    let hash = BlockHash::new(name, number);
    BlockScan::new(&hash, block).any(|scanned| match scanned {
        Scanned::Record { offset, size, record } => {
            (offset..offset + size).contains(&at) && !messages.contains_key(&record.seq)
        }
        Scanned::Damaged { .. } | Scanned::Tail { .. } => false,
    })
}

/// Where Go wrote, its index has to do for the sizes that no hash covers.
#[test]
fn one_wrong_bit_in_a_file_of_a_go_server_costs_nothing() {
    for (name, folder) in [("FIXTURE", "go-stream"), ("BLOCKS", "go-blocks")] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
        let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let there = Path::new(DIR).join("msgs").join(path.file_name().unwrap());
            files.push((there, std::fs::read(path).unwrap()));
        }
        let file_config = FileStoreConfig { name: name.to_owned(), ..small(4_000_000) };
        let config = StoreConfig::default();
        let mut store = open(&disk_with(&files), &file_config, &config, START);
        assert_eq!(store.damaged(), []);
        let messages = messages_of(&mut store);
        let subjects = store.subjects_totals(Filter::All);
        for at in 0..files.len() {
            let (path, bytes) = &files[at];
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let bits = match number {
                Some(number) => bits_to_try(number, bytes, name),
                None => (0..bytes.len() * 8).step_by(17).collect(),
            };
            for bit in bits {
                let mut damaged = files.clone();
                damaged[at].1[bit / 8] ^= 1 << (bit % 8);
                let disk = disk_with(&damaged);
                let mut store = open(&disk, &file_config, &config, START);
                let what = format!("{} bit {bit}", path.display());
                assert_eq!(messages_of(&mut store), messages, "{what}");
                assert_eq!(store.subjects_totals(Filter::All), subjects, "{what}");
                let kinds: Vec<DamageKind> =
                    store.damaged().iter().map(|damaged| damaged.kind).collect();
                match number {
                    // Nobody counts the subjects of messages that were removed.
                    Some(number) if is_dead(number, bytes, bit / 8, name, &messages) => {}
                    Some(_) => assert_eq!(kinds, [DamageKind::Corrected], "{what}"),
                    None => assert_eq!(kinds, [], "{what}"),
                }
                store.stop(START).unwrap();
                let mut store = open(&disk, &file_config, &config, START);
                assert_eq!(messages_of(&mut store), messages, "{what}");
                assert_eq!(store.damaged(), [], "{what}");
            }
        }
    }
}

/// A stream as a Go server would leave it: no sums, and an index.
fn go_like(messages: &[(&str, &str)]) -> MemDisk {
    let disk = MemDisk::new();
    let (hash, mut block) = (BlockHash::new("S", 1), Vec::new());
    for (seq, (subject, body)) in (1..).zip(messages) {
        let record = Record {
            seq,
            timestamp: START,
            kind: RecordKind::Message,
            subject: subject.as_bytes(),
            headers: b"",
            body: body.as_bytes(),
        };
        record.encode(&hash, &mut block).unwrap();
    }
    disk.create_dir_all(&Path::new(DIR).join("msgs")).unwrap();
    disk.open(&block_path(1), true).unwrap().write_all_at(&block, 0).unwrap();
    let file_config = FileStoreConfig { read_only: true, ..small(4000) };
    let mut store = open(&disk, &file_config, &StoreConfig::default(), START);
    store.write_index().unwrap();
    disk
}

#[test]
fn a_subject_of_a_go_server_that_may_be_wrong_in_several_messages_is_said() {
    for (bodies, expected) in [
        (["cX", "dY"], [DamageKind::Doubtful; 2].as_slice()),
        (["eX", "dY"], &[DamageKind::Corrected]),
    ] {
        let disk = go_like(&[("ab", bodies[0]), ("abc", ""), ("ab", bodies[1])]);
        let at = 30 + 4 + 20;
        let mut size = [0; 2];
        let file = disk.open(&block_path(1), false).unwrap();
        file.read_exact_at(&mut size, at).unwrap();
        assert_eq!(size, [3, 0]);
        file.write_all_at(&[2, 0], at).unwrap();
        // Without a look at all blocks nobody knows.
        let file_config = FileStoreConfig { trusts_go: true, ..small(4000) };
        let mut store = open(&disk, &file_config, &StoreConfig::default(), START);
        assert_eq!(store.load(2).unwrap().subject, b"ab");
        assert_eq!(store.damaged(), []);
        let mut store = open(&disk, &small(4000), &StoreConfig::default(), START);
        let kinds: Vec<_> = store.damaged().iter().map(|damaged| damaged.kind).collect();
        assert_eq!(kinds, expected);
        // What cannot be decided stays as it is, and counts.
        let subject = if kinds.len() > 1 { "ab" } else { "abc" };
        assert_eq!(store.load(2).unwrap().subject, subject.as_bytes());
        let totals = store.subjects_totals(Filter::All);
        assert_eq!(totals.values().sum::<u64>(), 3);
        assert_eq!(totals.get(b"abc".as_slice()), (kinds.len() == 1).then_some(&1));
    }
}
