//! Overwriting what is removed, and rewriting blocks without it.

use super::layout::{MARK_SIZE, SUM_SIZE, deleted, remove, rescan, small};
use super::steps::{
    INDEX, check_message, check_restarts, erase, error_of, everything, put_many, size_of_message,
};
use super::{Fixture, each};
use crate::block::{BlockHash, Record, RecordKind};
use crate::disk::Disk;
use crate::file::{Compression, FileStoreConfig};
use crate::stream_store::{StoreConfig, StoreError, StreamStore};

fn any() -> StoreConfig {
    StoreConfig::default()
}

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

/// Begins the next block: only those before the last are rewritten.
fn roll(fixture: &mut Fixture) {
    fixture.store.roll().unwrap();
}

/// Rewrites the first block. It gets smaller, and nothing else changes.
#[track_caller]
fn compact(fixture: &mut Fixture) {
    let before = everything(fixture);
    let number = fixture.store.blocks[0].number;
    let size = fixture.block(number).len();
    assert_eq!(fixture.store.tidy(), Ok(true));
    assert_eq!(everything(fixture), before);
    let block = &fixture.store.blocks[0];
    let needed = block.bytes + SUM_SIZE as u64;
    assert_eq!(block.size.map(|size| size as u64), Some(needed));
    let rewritten = fixture.block(number).len();
    assert!(rewritten < size);
    if fixture.file_config.compression == Compression::None {
        assert_eq!(rewritten as u64, needed);
    }
    assert_eq!(fixture.store.tidy(), Ok(false));
}

/// Calls `visit` with the records of a block on disk.
fn visit_records(fixture: &Fixture, number: u32, mut visit: impl FnMut(&Record<'_>, &[u8])) {
    let content = fixture.store.read_block(number).unwrap();
    let hash = BlockHash::new("S", number);
    let mut rest = content.records.as_slice();
    while !rest.is_empty() {
        let (record, size) = Record::decode(&hash, rest).unwrap();
        visit(&record, &rest[..size]);
        rest = &rest[size..];
    }
}

/// Go: TestFileStoreEraseMsg server/filestore_test.go:1380
#[test]
fn file_store_erase_msg() {
    for is_on_disk in [false, true] {
        each(&large(), &any(), |fixture| {
            put_many(fixture, "foo", b"Hello World", 2);
            if is_on_disk {
                fixture.store.flush().unwrap();
            }
            check_message(fixture, 1, "foo", b"Hello World");
            assert_eq!(fixture.store.erase(1), Ok(true));
            assert_eq!(error_of(fixture, 1), StoreError::NotFound);
            fixture.store.flush().unwrap();
            let mut erased = 0;
            visit_records(fixture, 1, |record, bytes| {
                if record.seq != 1 || record.kind == RecordKind::Tombstone {
                    return;
                }
                erased += 1;
                assert_eq!((record.kind, record.timestamp.0), (RecordKind::Erased, 0));
                assert_eq!(record.subject, b"");
                assert_eq!(bytes.len() as u64, size_of_message("foo", b"Hello World"));
                let is_left = |part: &[u8]| part == b"Hello" || part == b"World";
                assert!(!bytes.windows(5).any(is_left));
            });
            assert_eq!(erased, 1);
            check_restarts(fixture);
            check_message(fixture, 2, "foo", b"Hello World");
        });
    }
}

/// Go: TestFileStoreEraseAndNoIndexRecovery server/filestore_test.go:1439
#[test]
fn file_store_erase_and_no_index_recovery() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 100);
        erase(fixture, (2..=100).step_by(2));
        assert_eq!(fixture.store.state().messages, 50);
        rescan(fixture);
        assert!(fixture.disk.open(&fixture.path(INDEX), false).is_err());
        assert_eq!(fixture.range(), (50, 1, 100));
        for seq in (2..=100).step_by(2) {
            assert_eq!(error_of(fixture, seq), StoreError::NotFound);
        }
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreEraseMsgWithDbitSlots server/filestore_test.go:7163
/// Go: TestFileStoreEraseMsgWithAllTrailingDbitSlots server/filestore_test.go:7191
#[test]
fn file_store_erase_msg_with_dbit_slots() {
    for (before, after, erased) in [(1, 1, 1), (2, 0, 2)] {
        each(&large(), &any(), |fixture| {
            put_many(fixture, "foo", b"abd", before);
            for _ in 0..10 {
                fixture.store.skip(None, 1, fixture.now, false).unwrap();
            }
            put_many(fixture, "foo", b"abd", after);
            // The skipped sequences go from the block.
            roll(fixture);
            compact(fixture);
            erase(fixture, [erased]);
            assert_eq!(fixture.store.state().messages, 1);
            assert_eq!(fixture.store.state().last_seq, 10 + (before + after) as u64);
            check_restarts(fixture);
        });
    }
}

/// Go: TestFileStoreSparseCompaction server/filestore_test.go:3498
#[test]
fn file_store_sparse_compaction() {
    each(&small(1024 * 1024), &any(), |fixture| {
        for index in 1..=200 {
            fixture.put(&format!("kv.{}", index % 10), &b"ABC".repeat(33));
        }
        assert_eq!(fixture.range(), (200, 1, 200));
        assert_eq!(fixture.store.blocks.len(), 1);
        roll(fixture);
        // With the first message, with the last ones, and erased ones.
        remove(fixture, 1..=101);
        compact(fixture);
        remove(fixture, [200, 199, 198, 197]);
        remove(fixture, (102..=196).filter(|seq| seq % 2 == 0));
        compact(fixture);
        erase(fixture, (103..=151).step_by(2));
        compact(fixture);
        assert_eq!(fixture.range(), (22, 153, 200));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreSparseCompactionWithInteriorDeletes server/filestore_test.go:3614
#[test]
fn file_store_sparse_compaction_with_interior_deletes() {
    each(&large(), &any(), |fixture| {
        for index in 1..=1000 {
            fixture.put(&format!("kv.{}", index % 10), b"OK");
        }
        remove(fixture, [500, 600, 700, 800]);
        remove(fixture, (2..=900).filter(|seq| seq % 100 != 0 && seq % 7 != 0));
        check_message(fixture, 900, "kv.0", b"OK");
        roll(fixture);
        compact(fixture);
        check_message(fixture, 900, "kv.0", b"OK");
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreRebuildStateDmapAccountingBug server/filestore_test.go:3980
#[test]
fn file_store_rebuild_state_dmap_accounting_bug() {
    each(&small(1024 * 1024), &any(), |fixture| {
        put_many(fixture, "foo", b"", 100);
        remove(fixture, 2..=60);
        let check = |fixture: &Fixture, count| {
            fixture.check();
            assert_eq!(fixture.store.blocks[0].count, count);
        };
        check(fixture, 41);
        roll(fixture);
        compact(fixture);
        check(fixture, 41);
        remove(fixture, [1]);
        fixture.store.rebuild().unwrap();
        check(fixture, 40);
        assert_eq!(fixture.range(), (40, 61, 100));
    });
}

/// Go: TestFileStoreMsgBlockCompactionAndHoles server/filestore_test.go:6321
#[test]
fn file_store_msg_block_compaction_and_holes() {
    each(&large(), &any(), |fixture| {
        for subject in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"] {
            fixture.put(subject, &[b'Z'; 1024]);
        }
        remove(fixture, 2..=9);
        assert_eq!(fixture.store.blocks.len(), 1);
        roll(fixture);
        compact(fixture);
        assert_eq!(fixture.store.blocks[0].bytes, 2 * size_of_message("A", &[b'Z'; 1024]));
        assert_eq!(deleted(fixture), (2..=9).collect::<Vec<u64>>());
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreRemoveLastNoDoubleTombstones server/filestore_test.go:6354
#[test]
fn file_store_remove_last_no_double_tombstones() {
    each(&large(), &any(), |fixture| {
        fixture.put("A", b"hello");
        remove(fixture, [1]);
        for _ in 0..3 {
            fixture.restart();
            assert_eq!(fixture.store.blocks.len(), 1);
            let mut tombstones = 0;
            visit_records(fixture, 1, |record, _| {
                tombstones += u64::from(record.kind == RecordKind::Tombstone && record.seq == 1);
            });
            assert_eq!(tombstones, 1);
        }
        assert_eq!(fixture.range(), (0, 2, 1));
    });
}

/// Go: TestFileStoreCompactingBlocksOnSync server/filestore_test.go:6496
#[test]
fn file_store_compacting_blocks_on_sync() {
    let config = StoreConfig { messages_per_subject_max: Some(1), ..any() };
    each(&small(1000), &config, |fixture| {
        let put = |fixture: &mut Fixture, letters: std::ops::RangeInclusive<char>| {
            letters.for_each(|letter| {
                fixture.put(&letter.to_string(), &[b'Z'; 19]);
            });
        };
        let size = |fixture: &Fixture| {
            let block = &fixture.store.blocks[0];
            (block.size, block.bytes)
        };
        put(fixture, 'A'..='T');
        assert_eq!(fixture.store.blocks.len(), 1);
        assert_eq!(size(fixture), (Some(MARK_SIZE + 1000), 1000));
        // All but the first and the last are replaced.
        put(fixture, 'B'..='S');
        assert_eq!(size(fixture), (Some(MARK_SIZE + 1000 + SUM_SIZE), 100));
        compact(fixture);
        assert_eq!(size(fixture), (Some(100 + SUM_SIZE), 100));
        check_restarts(fixture);
    });
}
