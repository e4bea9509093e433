//! Damaged and missing files, a full disk, and crashes.

use std::cell::Cell;
use std::path::Path;

use natsd_base::{Prng, Timestamp};

use super::layout::{SUM_SIZE, deleted, remove, rescan, small, write_file};
use super::steps::{INDEX, check_message, error_of, put_many, size_of_message};
use super::{Fixture, each};
use crate::block::{BlockHash, Damage, Record, RecordKind};
use crate::disk::{Disk, Faults, SimDisk, Unsynced};
use crate::file::tests::{DIR, open};
use crate::file::{Compression, FileStore, FileStoreConfig};
use crate::stream_store::tests::{START, message};
use crate::stream_store::{Filter, NewMessage, StoreConfig, StoreError, StreamStore};

fn any() -> StoreConfig {
    StoreConfig::default()
}

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

/// Go: TestFileStoreBitRot server/filestore_test.go:1300
#[test]
fn file_store_bit_rot() {
    let lost = Cell::new(0);
    for seed in 1..=10 {
        each(&large(), &any(), |fixture| {
            let mut prng = Prng::from_seed(seed);
            put_many(fixture, "foo", b"Hello World", 100);
            fixture.store.stop(fixture.now).unwrap();
            fixture.damage(1, |bytes| {
                let is_changed = |bytes: &[u8], at: usize| bytes[at].reverse_bits() != bytes[at];
                let mut at = prng.below(bytes.len());
                while !is_changed(bytes, at) {
                    at = prng.below(bytes.len());
                }
                bytes[at] = bytes[at].reverse_bits();
            });
            if seed % 2 == 0 {
                fixture.remove_file(INDEX);
            }
            fixture.reopen();
            // Nothing wrong is handed out, and what is missing was said.
            let read = |fixture: &mut Fixture| {
                let is_left = |&seq: &u64| match fixture.store.load(seq) {
                    Ok(message) => {
                        assert_eq!(
                            (message.subject, message.body),
                            (&b"foo"[..], &b"Hello World"[..])
                        );
                        true
                    }
                    Err(_) => false,
                };
                (1..=100).filter(is_left).collect::<Vec<u64>>()
            };
            let left = read(fixture);
            assert!(left.len() >= 99, "{seed}");
            assert!(left.len() == 100 || !fixture.store.damaged().is_empty());
            assert_eq!(fixture.store.state().messages, left.len() as u64);
            lost.set(lost.get() + 100 - left.len());
            // It was repaired.
            rescan(fixture);
            assert_eq!(fixture.store.damaged(), []);
            assert_eq!(read(fixture), left);
        });
    }
    assert!(lost.get() > 5);
}

/// Go: TestFileStoreMsgBlkFailOnKernelFaultLostDataReporting server/filestore_test.go:5019
#[test]
fn file_store_msg_blk_fail_on_kernel_fault_lost_data_reporting() {
    // 93 messages in each block, and 35 in the last one.
    each(&small(4096), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 500);
        let lose = |fixture: &mut Fixture, number: u32| {
            fixture.store.stop(fixture.now).unwrap();
            fixture.remove_file(&format!("msgs/{number}.blk"));
            fixture.reopen();
        };
        let check = |fixture: &Fixture, number: u32, lost: &[u64]| {
            let [missing] = fixture.store.damaged() else { panic!("{number}") };
            assert_eq!((missing.block, missing.damage), (number, Damage::Missing));
            assert_eq!(fixture.store.lost().iter().collect::<Vec<u64>>(), lost);
        };
        lose(fixture, 1);
        assert_eq!(fixture.range(), (407, 94, 500));
        assert_eq!(error_of(fixture, 1), StoreError::NotFound);
        check(fixture, 1, &[]);
        // Without the last block the last sequence is still known.
        lose(fixture, 6);
        assert_eq!(fixture.range(), (372, 94, 500));
        let last: Vec<u64> = (466..=500).collect();
        assert_eq!(deleted(fixture), last);
        check(fixture, 6, &last);
        lose(fixture, 4);
        assert_eq!(fixture.range(), (279, 94, 500));
        let interior: Vec<u64> = (280..=372).collect();
        assert_eq!(deleted(fixture), [interior.as_slice(), &last].concat());
        check(fixture, 4, &interior);
        assert_eq!(error_of(fixture, 300), StoreError::Damaged);
        // What is known to be gone is no news the next time.
        fixture.restart();
        assert_eq!(fixture.store.damaged(), []);
        assert_eq!(fixture.put("foo", b"Hello World"), 501);
        remove(fixture, 187..=279);
        fixture.kill();
        assert_eq!(fixture.store.damaged(), []);
    });
}

/// Go: TestFileStoreMsgBlockHolesAndIndexing server/filestore_test.go:6259
#[test]
fn file_store_msg_block_holes_and_indexing() {
    let config = StoreConfig { messages_per_subject_max: Some(1), ..any() };
    let mut fixture = Fixture::new(&large(), &config);
    let mut records = Vec::new();
    let messages = [("A", 2), ("B", 4), ("C", 12)];
    for (subject, seq) in messages {
        let record = Record {
            seq,
            timestamp: START,
            kind: RecordKind::Message,
            subject: subject.as_bytes(),
            headers: b"",
            body: subject.as_bytes(),
        };
        record.encode(&BlockHash::new("S", 1), &mut records).unwrap();
    }
    write_file(&fixture, "msgs/1.blk", &records);
    for _ in 0..2 {
        fixture.reopen();
        assert_eq!(fixture.range(), (3, 2, 12));
        assert_eq!(deleted(&fixture), [3, 5, 6, 7, 8, 9, 10, 11]);
        for (subject, seq) in messages {
            check_message(&mut fixture, seq, subject, subject.as_bytes());
        }
        for seq in [1, 3].into_iter().chain(5..12) {
            assert_eq!(error_of(&mut fixture, seq), StoreError::NotFound);
        }
        fixture.store.stop(fixture.now).unwrap();
    }
}

/// Stores messages until the disk is full. Returns how many there were.
fn fill(store: &mut FileStore, now: &mut Timestamp) -> u64 {
    for count in 0..10_000 {
        *now = Timestamp(now.0 + 1000);
        let body = b"Hello Write Failures!";
        let result = store.store(NewMessage { body, timestamp: *now, ..message("foo") });
        if let Err(error) = result {
            assert_eq!(error, StoreError::Disk(std::io::ErrorKind::StorageFull));
            return count;
        }
    }
    panic!("the disk is never full");
}

/// Go: TestFileStoreWriteFailures server/filestore_test.go:2399
#[test]
fn file_store_write_failures() {
    const CAPACITY: u64 = 32 * 1024;
    for compression in [Compression::None, Compression::S2] {
        let faults = Faults { capacity: Some(CAPACITY), ..Faults::default() };
        let disk = SimDisk::new(1, faults);
        // Everything is handed to the disk at once, but for the last message.
        let file_config = FileStoreConfig { write_buffer_max: 1, compression, ..small(4096) };
        let mut now = START;
        let mut store = open(&disk, &file_config, &any(), now);
        let stored = fill(&mut store, &mut now);
        // Each with a sum of its own.
        let size = size_of_message("foo", b"Hello Write Failures!") + SUM_SIZE as u64;
        assert!(stored * size > CAPACITY * 9 / 10);
        let state = store.state();
        assert_eq!((state.messages, state.last_seq), (stored, stored));
        assert!(store.load(stored + 1).is_err());
        for seq in [1, stored] {
            assert_eq!(store.load(seq).unwrap().body, b"Hello Write Failures!");
        }
        assert!(store.stop(now).is_err());
        let mut store = open(&disk, &file_config, &any(), now);
        // The last one may have fitted, without its sums.
        let state = store.state();
        assert!((stored - 1..=stored).contains(&state.messages), "{} {stored}", state.messages);
        assert_eq!(state.last_seq, state.messages);
        assert!(fill(&mut store, &mut now) < 10);
        let (messages, last) = (store.state().messages, store.state().last_seq);
        assert_eq!(store.purge(), Ok(messages));
        assert_eq!(store.state().last_seq, last);
        let again = fill(&mut store, &mut now);
        assert!(again.abs_diff(stored) < stored / 10, "{again} {stored}");
        assert_eq!(store.failure(), None);
    }
}

/// Go: TestFileStoreOutOfSpaceRebuildState server/filestore_test.go:4781
#[test]
fn file_store_out_of_space_rebuild_state() {
    for compression in [Compression::None, Compression::S2] {
        let disk = SimDisk::new(1, Faults::default());
        let file_config = FileStoreConfig { write_buffer_max: 1, compression, ..large() };
        let mut store = open(&disk, &file_config, &any(), START);
        let put = |store: &mut FileStore, subject: &str| {
            store.store(NewMessage { body: b"A", ..message(subject) })
        };
        assert_eq!(put(&mut store, "foo"), Ok(1));
        assert_eq!(put(&mut store, "bar"), Ok(2));
        let before = (store.state(), store.subjects_state(Filter::All));
        disk.set_faults(Faults { capacity: Some(0), ..Faults::default() });
        let full = Err(StoreError::Disk(std::io::ErrorKind::StorageFull));
        for _ in 0..3 {
            assert_eq!(put(&mut store, "baz"), full);
            assert_eq!((store.state(), store.subjects_state(Filter::All)), before);
        }
        disk.set_faults(Faults::default());
        assert_eq!(put(&mut store, "baz"), Ok(3));
        assert_eq!(store.failure(), None);
    }
}

/// Go: TestFileStoreSyncIntervals server/filestore_test.go:5660
#[test]
fn file_store_sync_intervals() {
    let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Lost, ..Faults::default() });
    let dir = Path::new(DIR);
    disk.create_dir_all(dir).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    // Whoever wants every message to be durable syncs after each, others now and then.
    for is_synced in [false, true] {
        let mut store = open(&disk, &small(4096), &any(), START);
        assert!(!store.needs_sync);
        store.store(message("Z")).unwrap();
        store.flush().unwrap();
        assert!(store.needs_sync);
        if is_synced {
            store.sync().unwrap();
            assert!(!store.needs_sync);
        }
        disk.crash();
        disk.restart();
        let store = open(&disk, &small(4096), &any(), START);
        assert_eq!(store.state().messages, u64::from(is_synced));
        disk.crash();
        disk.restart();
    }
}

/// What is left is the newest messages, without a gap, or nothing.
#[test]
fn a_purge_of_a_full_disk_may_crash_anywhere() {
    let capacity = Some(16 * 1024);
    for unsynced in [Unsynced::Kept, Unsynced::Lost, Unsynced::Random] {
        for crash_at in 1.. {
            let disk = SimDisk::new(crash_at, Faults { capacity, unsynced, ..Faults::default() });
            disk.create_dir_all(Path::new(DIR)).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            let file_config = FileStoreConfig { write_buffer_max: 1, ..small(1024) };
            let mut now = START;
            let mut store = open(&disk, &file_config, &any(), now);
            let last = fill(&mut store, &mut now);
            let crash_at = Some(disk.operation_count() + crash_at);
            disk.set_faults(Faults { capacity, unsynced, crash_at, ..Faults::default() });
            let result = store.purge();
            if !disk.is_down() {
                assert_eq!(result, Ok(last));
                break;
            }
            disk.restart();
            let store = open(&disk, &file_config, &any(), now);
            let state = store.state();
            assert_eq!(state.messages, state.last_seq + 1 - state.first_seq);
            assert!(result.is_err() || (state.messages, state.last_seq) == (0, last));
            assert!(state.last_seq == last || state.messages > 0 && state.last_seq + 30 > last);
        }
    }
}
