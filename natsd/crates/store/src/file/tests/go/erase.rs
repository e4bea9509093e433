//! Erasing messages, and going back to an earlier last sequence.

use std::path::Path;

use super::layout::{
    MARK_SIZE, SUM_SIZE, blocks, check_starts, deleted, is_compressed, live, put_many, read_file,
    remove, rescan, roll, skip, small,
};
use super::{Fixture, each};
use crate::disk::MemDisk;
use crate::file::FileStoreConfig;
use crate::file::tests::{block_path, open};
use crate::stream_store::tests::{START, message, one};
use crate::stream_store::{Filter, NewMessage, StoreConfig, StoreError, StreamStore};

const SECRET: &[u8] = b"secret!";

fn plain() -> StoreConfig {
    StoreConfig::default()
}

fn large_blocks() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

#[track_caller]
fn erase(fixture: &mut Fixture, seq: u64) {
    assert_eq!(fixture.store.erase(seq), Ok(true), "{seq}");
    fixture.check();
}

/// Whether the secret is in any block.
fn has_secret(fixture: &mut Fixture) -> bool {
    fixture.store.flush().unwrap();
    blocks(fixture).into_iter().any(|number| {
        let content = fixture.store.read_block(number);
        let records = content.map(|content| content.records).unwrap_or_default();
        records.windows(SECRET.len()).any(|bytes| bytes == SECRET)
    })
}

/// Full blocks are compressed where that is configured, the last one never.
#[track_caller]
fn check_compressed(fixture: &mut Fixture) {
    fixture.store.flush().unwrap();
    let is_configured = fixture.file_config.compression != crate::file::Compression::None;
    let numbers = blocks(fixture);
    let (last, full) = numbers.split_last().unwrap();
    assert!(!is_compressed(fixture, *last));
    full.iter().for_each(|&number| assert_eq!(is_compressed(fixture, number), is_configured));
}

/// Go: TestFileStoreAtomicEraseMsg server/filestore_test.go:10988
#[test]
fn file_store_atomic_erase_msg() {
    for is_last_block in [true, false] {
        each(&large_blocks(), &plain(), |fixture| {
            fixture.put("foo", b"");
            fixture.put("foo", SECRET);
            fixture.put("foo", b"");
            if !is_last_block {
                roll(fixture);
            }
            erase(fixture, 2);
            assert_eq!(fixture.range(), (2, 1, 3));
            assert_eq!(deleted(fixture), [2]);
            assert!(!has_secret(fixture));
            assert_eq!(fixture.put("foo", b""), 4);
            check_compressed(fixture);
            for restart in [Fixture::kill, Fixture::restart, rescan] {
                check_starts(fixture);
                restart(fixture);
                check_compressed(fixture);
                assert!(!has_secret(fixture));
            }
            assert_eq!(live(fixture), [1, 3, 4]);
        });
    }
}

/// Go: TestFileStoreEraseMsgDoesNotLoseTombstones server/filestore_test.go:11799
#[test]
fn file_store_erase_msg_does_not_lose_tombstones() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 2);
        fixture.put("foo", SECRET);
        remove(fixture, [2]);
        fixture.put("foo", b"");
        erase(fixture, 3);
        assert_eq!(fixture.range(), (2, 1, 4));
        check_starts(fixture);
        assert_eq!(deleted(fixture), [2, 3]);
        assert!(!has_secret(fixture));
        for seq in [2, 3] {
            assert_eq!(fixture.store.load(seq), Err(StoreError::NotFound));
        }
    });
}

/// Go: TestFileStoreEraseMsgDoesNotLoseTombstonesInEmptyBlock server/filestore_test.go:11861
#[test]
fn file_store_erase_msg_does_not_lose_tombstones_in_empty_block() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 2);
        roll(fixture);
        fixture.put("foo", SECRET);
        fixture.store.sync().unwrap();
        remove(fixture, [2]);
        erase(fixture, 3);
        assert_eq!(fixture.range(), (1, 1, 3));
        assert_eq!(deleted(fixture), [2, 3]);
        assert!(!has_secret(fixture));
        let file = read_file(fixture, "msgs/2.blk");
        assert!(!file.windows(SECRET.len()).any(|bytes| bytes == SECRET));
        check_starts(fixture);
        assert_eq!(deleted(fixture), [2, 3]);
    });
}

/// Go: TestJetStreamFileStoreSubjectsRemovedAfterSecureErase server/filestore_test.go:12742
#[test]
fn jet_stream_file_store_subjects_removed_after_secure_erase() {
    each(&large_blocks(), &plain(), |fixture| {
        for number in 1..=3 {
            fixture.put(&format!("test.{number}"), b"msg");
        }
        assert_eq!(fixture.store.state().subjects, 3);
        erase(fixture, 1);
        for _ in 0..2 {
            assert_eq!(fixture.store.state().subjects, 2);
            let totals = fixture.store.subjects_totals(Filter::All);
            let expected = [(b"test.2".to_vec(), 1), (b"test.3".to_vec(), 1)];
            assert_eq!(totals, expected.into());
            assert_eq!(fixture.store.load_last(one("test.1")), Err(StoreError::NotFound));
            check_starts(fixture);
        }
    });
}

/// Go: TestFileStoreAsyncTruncate server/filestore_test.go:10628
#[test]
fn file_store_async_truncate() {
    each(&small(8192), &plain(), |fixture| {
        // Nothing of it was flushed.
        fixture.put("foo", &[0; 100]);
        fixture.put("foo", &[0; 100]);
        fixture.store.truncate(1, fixture.now).unwrap();
        assert_eq!(fixture.range(), (1, 1, 1));
        check_starts(fixture);
        assert_eq!(fixture.put("foo", b"other"), 2);
        check_starts(fixture);
        assert_eq!(fixture.store.load(2).unwrap().body, b"other");
    });
}

/// Go: TestFileStoreAsyncFlushOnSkipMsgs server/filestore_test.go:10693
#[test]
fn file_store_async_flush_on_skip_msgs() {
    for is_flushed in [false, true] {
        each(&small(8192), &plain(), |fixture| {
            fixture.put("foo", b"");
            if is_flushed {
                fixture.store.flush().unwrap();
            }
            skip(fixture, Some(2), 100_000);
            // So many begin another block, and the one before is written out.
            assert_eq!(blocks(fixture), [1, 2]);
            assert_eq!(
                fixture.store.read_block(1).unwrap().records.len(),
                MARK_SIZE + 33 + SUM_SIZE
            );
            fixture.store.flush().unwrap();
            assert_eq!(fixture.store.read_block(2).unwrap().records.len(), MARK_SIZE + 30);
            assert_eq!(fixture.range(), (1, 1, 100_001));
            fixture.restart();
            assert_eq!(fixture.range(), (1, 1, 100_001));
            rescan(fixture);
            assert_eq!(fixture.range(), (1, 1, 100_001));
        });
    }
}

/// Go: TestFileStoreCompressionAfterTruncate server/filestore_test.go:10771
#[test]
fn file_store_compression_after_truncate() {
    for is_erased in [false, true] {
        each(&large_blocks(), &plain(), |fixture| {
            put_many(fixture, "foo", 2);
            fixture.store.flush().unwrap();
            assert!(!is_compressed(fixture, 1));
            roll(fixture);
            fixture.put("foo", b"");
            check_compressed(fixture);
            if is_erased {
                erase(fixture, 2);
            } else {
                remove(fixture, [2]);
            }
            assert_eq!(fixture.range(), (2, 1, 3));
            assert_eq!(deleted(fixture), [2]);
            fixture.store.truncate(2, fixture.now).unwrap();
            assert_eq!(fixture.range(), (1, 1, 2));
            assert_eq!(deleted(fixture), [2]);
            // The first block is written to again, and so is plain.
            check_compressed(fixture);
            check_starts(fixture);
            assert_eq!(fixture.put("foo", b""), 3);
            check_compressed(fixture);
            check_starts(fixture);
            assert_eq!(live(fixture), [1, 3]);
        });
    }
}

/// Go: TestFileStoreTruncateRemovedBlock server/filestore_test.go:10931
#[test]
fn file_store_truncate_removed_block() {
    each(&large_blocks(), &plain(), |fixture| {
        for index in 0..3 {
            if index > 0 {
                roll(fixture);
            }
            fixture.put("foo", b"");
        }
        assert_eq!(blocks(fixture), [1, 2, 3]);
        remove(fixture, [2]);
        assert_eq!(blocks(fixture), [1, 3]);
        assert_eq!(fixture.range(), (2, 1, 3));
        assert_eq!(deleted(fixture), [2]);
        fixture.store.truncate(2, fixture.now).unwrap();
        assert_eq!(fixture.range(), (1, 1, 2));
        assert_eq!(deleted(fixture), [2]);
        check_starts(fixture);
        assert_eq!(fixture.put("foo", b""), 3);
        check_starts(fixture);
    });
}

/// Go: TestFileStoreCorrectChecksumAfterTruncate server/filestore_test.go:14411
#[test]
fn file_store_correct_checksum_after_truncate() {
    for is_flushed in [false, true] {
        each(&large_blocks(), &plain(), |fixture| {
            put_many(fixture, "foo", 3);
            let hash = fixture.store.blocks[0].last_hash;
            put_many(fixture, "foo", 2);
            if is_flushed {
                fixture.store.flush().unwrap();
            }
            fixture.store.truncate(3, fixture.now).unwrap();
            fixture.store.flush().unwrap();
            let end = MARK_SIZE + 3 * 33;
            let block = fixture.block(1);
            assert_eq!((block.len(), &block[end - 8..end]), (end + SUM_SIZE, &hash[..]));
            assert_eq!(block[end + SUM_SIZE - 8..], fixture.store.blocks[0].last_hash);
            check_starts(fixture);
        });
    }
}

/// Go: TestFileStoreCompactStoreMsgRace server/filestore_test.go:15664
#[test]
fn file_store_compact_store_msg_race() {
    for is_compacted_first in [false, true] {
        each(&large_blocks(), &plain(), |fixture| {
            fixture.put("foo", b"first");
            if is_compacted_first {
                assert_eq!(fixture.store.compact(2), Ok(1));
                assert_eq!(fixture.put("foo", b"second"), 2);
            } else {
                assert_eq!(fixture.put("foo", b"second"), 2);
                assert_eq!(fixture.store.compact(2), Ok(1));
            }
            check_starts(fixture);
            assert_eq!(fixture.store.load(2).unwrap().body, b"second");
            assert_eq!(fixture.range(), (1, 2, 2));
        });
    }
}

/// Go: TestFileStoreEraseMsgErr server/filestore_test.go:12187
#[test]
fn file_store_erase_msg_err() {
    use crate::disk::Disk;
    // The file cannot be replaced: somebody put a folder into the way.
    let disk = MemDisk::new();
    let mut store = open(&disk, &large_blocks(), &plain(), START);
    for body in [b"", SECRET] {
        store.store(NewMessage { body, ..message("foo") }).unwrap();
    }
    store.flush().unwrap();
    let path = block_path(1);
    let in_the_way = Path::new("/s/msgs/1.blk.tmp");
    disk.create_dir_all(in_the_way).unwrap();
    assert!(matches!(store.erase(2), Err(StoreError::Disk(_))));
    // Nothing has changed.
    assert_eq!(store.load(2).unwrap().body, SECRET);
    assert_eq!(store.state().messages, 2);
    disk.remove_dir_all(in_the_way).unwrap();
    assert_eq!(store.erase(2), Ok(true));
    store.sync().unwrap();
    let file = disk.open(&path, false).unwrap().read_all().unwrap();
    assert!(!file.windows(SECRET.len()).any(|bytes| bytes == SECRET));
}
