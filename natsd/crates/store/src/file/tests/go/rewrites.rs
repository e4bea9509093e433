//! Blocks that are rewritten because most of what they hold is removed, and blocks that go.

use natsd_base::Prng;

use super::layout::{
    MARK_SIZE, SUM_SIZE, blocks, check_starts, deleted, has_file, is_compressed, live, put_many,
    raw_size, release, remove, rescan, roll, small, tidy,
};
use super::{Fixture, each, each_plain};
use crate::block::EMPTY_RECORD_SIZE;
use crate::file::{Compression, FileStoreConfig};
use crate::stream_store::tests::one;
use crate::stream_store::{StoreConfig, StoreError, StreamStore};

const FOO_SIZE: u64 = EMPTY_RECORD_SIZE as u64 + 3;

fn plain() -> StoreConfig {
    StoreConfig::default()
}

fn large_blocks() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

/// Go: TestFileStoreTombstoneRbytes server/filestore_test.go:7988
#[test]
fn file_store_tombstone_rbytes() {
    each(&small(1024), &plain(), |fixture| {
        for _ in 0..34 {
            fixture.put("foo.22", b"hello");
        }
        assert_eq!(blocks(fixture), [1, 2]);
        remove(fixture, 11..=24);
        let messages = fixture.store.blocks[1].bytes;
        assert_eq!(messages, 10 * 41);
        let tombstones = 14 * EMPTY_RECORD_SIZE as u64;
        assert_eq!(
            raw_size(fixture, 2) as u64,
            (MARK_SIZE + SUM_SIZE) as u64 + messages + tombstones
        );
        check_starts(fixture);
    });
}

/// Go: TestFileStoreMsgBlockShouldCompact server/filestore_test.go:8017
#[test]
fn file_store_msg_block_should_compact() {
    each_plain(&small(3 * 1024 * 1024), &plain(), |fixture| {
        let body = vec![b'Z'; 64 * 1024];
        for _ in 0..70 {
            fixture.put("foo.22", &body);
        }
        assert_eq!(blocks(fixture), [1, 2]);
        // The second half of the first block, which fits 47.
        remove(fixture, 24..=47);
        fixture.store.sync().unwrap();
        let needed = fixture.store.blocks[0].bytes + SUM_SIZE as u64;
        assert_eq!(raw_size(fixture, 1) as u64, needed);
        let before = (raw_size(fixture, 1), raw_size(fixture, 2));
        tidy(fixture);
        assert_eq!((raw_size(fixture, 1), raw_size(fixture, 2)), before);
        assert_eq!(fixture.range(), (46, 1, 70));
        check_starts(fixture);
    });
}

/// Go: TestFileStoreSyncCompressOnlyIfDirty server/filestore_test.go:8184
#[test]
fn file_store_sync_compress_only_if_dirty() {
    each(&small(256), &plain(), |fixture| {
        for _ in 0..13 {
            fixture.put("foo.BB", b"hello");
        }
        assert_eq!(blocks(fixture), [1, 2, 3]);
        remove(fixture, (2..=5).chain(8..=11));
        for _ in 0..6 {
            fixture.put("foo.BB", b"hello");
        }
        let before: Vec<usize> = (1..=3).map(|number| raw_size(fixture, number)).collect();
        // This ends, though the third block holds tombstones for the most part.
        tidy(fixture);
        let after: Vec<usize> = (1..=3).map(|number| raw_size(fixture, number)).collect();
        assert!(after[0] < before[0] && after[1] < before[1]);
        let written = blocks(fixture).into_iter().map(|number| fixture.block(number));
        let written: Vec<_> = written.collect();
        tidy(fixture);
        let again = blocks(fixture).into_iter().map(|number| fixture.block(number));
        assert_eq!(again.collect::<Vec<_>>(), written);
        check_starts(fixture);
        remove(fixture, [13]);
        tidy(fixture);
        assert_eq!(live(fixture), [1, 6, 7, 12, 14, 15, 16, 17, 18, 19]);
        check_starts(fixture);
    });
}

/// Go: TestFileStoreDontSpamCompactWhenMostlyTombstones server/filestore_test.go:9611
#[test]
fn file_store_dont_spam_compact_when_mostly_tombstones() {
    each(&small(4096), &plain(), |fixture| {
        let body = vec![b'X'; 100];
        while blocks(fixture).len() < 6 {
            fixture.put("foo", &body);
        }
        fixture.put("foo", &body);
        let (_, _, last) = fixture.range();
        // Not the first message, so that all of their tombstones stay needed.
        remove(fixture, 2..last - 1);
        assert_eq!(fixture.range(), (3, 1, last));
        roll(fixture);
        fixture.put("foo", &body);
        tidy(fixture);
        for removed in [last - 1, last] {
            let files = |fixture: &Fixture| {
                blocks(fixture).iter().map(|&number| fixture.block(number)).collect::<Vec<_>>()
            };
            let before = files(fixture);
            assert_eq!(fixture.store.tidy(), Ok(false));
            assert_eq!(files(fixture), before);
            remove(fixture, [removed]);
            tidy(fixture);
            check_starts(fixture);
        }
        assert_eq!(live(fixture), [1, last + 1]);
    });
}

/// Go: TestFileStoreMissingDeletesAfterCompact server/filestore_test.go:12395
#[test]
fn file_store_missing_deletes_after_compact() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 6);
        remove(fixture, [1, 3, 4, 6]);
        roll(fixture);
        assert_eq!(deleted(fixture), [3, 4, 6]);
        tidy(fixture);
        assert_eq!(raw_size(fixture, 1) as u64, 2 * FOO_SIZE + SUM_SIZE as u64);
        for restart in [release, Fixture::restart, rescan] {
            restart(fixture);
            assert_eq!(deleted(fixture), [3, 4, 6]);
            assert_eq!(live(fixture), [2, 5]);
        }
        remove(fixture, [5]);
        tidy(fixture);
        for restart in [release, Fixture::restart, rescan] {
            restart(fixture);
            assert_eq!(deleted(fixture), [3, 4, 5, 6]);
            assert_eq!(live(fixture), [2]);
            assert_eq!(fixture.range(), (1, 2, 6));
        }
    });
}

/// Go: TestFileStoreEmptyBlockContainsPriorTombstones server/filestore_test.go:12522
#[test]
fn file_store_empty_block_contains_prior_tombstones() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 2);
        roll(fixture);
        fixture.put("foo", b"");
        remove(fixture, [2, 3]);
        assert_eq!(fixture.range(), (1, 1, 3));
        assert_eq!(deleted(fixture), [2, 3]);
        check_starts(fixture);
        roll(fixture);
        tidy(fixture);
        check_starts(fixture);
        for seq in [2, 3] {
            assert_eq!(fixture.store.load(seq), Err(StoreError::NotFound));
        }
        fixture.put("foo", b"");
        remove(fixture, [1]);
        tidy(fixture);
        // Nothing is left to tell of what was before.
        assert_eq!(blocks(fixture).len(), 1);
        assert_eq!(fixture.range(), (1, 4, 4));
        assert!(!has_file(fixture, "msgs/1.blk") && !has_file(fixture, "msgs/2.blk"));
        check_starts(fixture);
    });
}

/// Go: TestFileStoreCompactTombstonesBelowFirstSeq server/filestore_test.go:12605
#[test]
fn file_store_compact_tombstones_below_first_seq() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 3);
        roll(fixture);
        fixture.put("foo", b"");
        remove(fixture, [3, 2]);
        assert_eq!(fixture.range(), (2, 1, 4));
        assert_eq!(deleted(fixture), [2, 3]);
        roll(fixture);
        tidy(fixture);
        let needed = raw_size(fixture, 2) as u64;
        let tombstones = 2 * EMPTY_RECORD_SIZE as u64;
        assert_eq!(needed, (MARK_SIZE + SUM_SIZE) as u64 + FOO_SIZE + tombstones);
        remove(fixture, [1]);
        tidy(fixture);
        assert_eq!(raw_size(fixture, 2) as u64, FOO_SIZE + SUM_SIZE as u64);
        assert_eq!(fixture.range(), (1, 4, 4));
        check_starts(fixture);
    });
}

/// Go: TestFileStoreCompactRewritesFileWithSwap server/filestore_test.go:12851
#[test]
fn file_store_compact_rewrites_file_with_swap() {
    each(&large_blocks(), &plain(), |fixture| {
        let body = vec![0; 32 * 1024];
        for _ in 0..20 {
            fixture.put("foo", &body);
        }
        roll(fixture);
        fixture.store.compact(20).unwrap();
        tidy(fixture);
        assert_eq!(raw_size(fixture, 1) as u64, FOO_SIZE + (32 * 1024 + SUM_SIZE) as u64);
        assert_eq!(fixture.range(), (1, 20, 20));
        for restart in [release, Fixture::restart, rescan] {
            restart(fixture);
            assert_eq!(fixture.store.load(20).unwrap().body, body);
        }
    });
}

/// Go: TestFileStoreCompactRestoresLastSeq server/filestore_test.go:13124
#[test]
fn file_store_compact_restores_last_seq() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 4);
        let times: Vec<_> = (1..=4).map(|seq| fixture.store.load(seq).unwrap().timestamp).collect();
        let check = |fixture: &Fixture, messages, first: usize| {
            assert_eq!(fixture.range(), (messages, first as u64, 4));
            let state = fixture.store.state();
            assert_eq!(
                (state.first_time, state.last_time),
                (Some(times[first - 1]), Some(times[3]))
            );
        };
        check(fixture, 4, 1);
        remove(fixture, [1]);
        check(fixture, 3, 2);
        remove(fixture, [4]);
        check(fixture, 2, 2);
        roll(fixture);
        tidy(fixture);
        check(fixture, 2, 2);
        check_starts(fixture);
        check(fixture, 2, 2);
    });
}

/// Go: TestFileStoreCompactFullyResetsFirstAndLastSeq server/filestore_test.go:13170
#[test]
fn file_store_compact_fully_resets_first_and_last_seq() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 2);
        release(fixture);
        remove(fixture, [1, 2]);
        roll(fixture);
        tidy(fixture);
        assert_eq!(fixture.range(), (0, 3, 2));
        assert!(!has_file(fixture, "msgs/1.blk"));
        check_starts(fixture);
        assert_eq!(fixture.put("foo", b""), 3);
    });
}

/// Go: TestFileStoreCompactHeadReclaimRecompressedBlock server/filestore_test.go:13220
#[test]
fn file_store_compact_head_reclaim_recompressed_block() {
    each(&large_blocks(), &plain(), |fixture| {
        let mut prng = Prng::from_seed(13_220);
        let mut bodies = Vec::new();
        for _ in 0..50 {
            let body: Vec<u8> = (0..4 * 128).flat_map(|_| prng.next_u64().to_le_bytes()).collect();
            fixture.put("zzz", &body);
            bodies.push(body);
        }
        roll(fixture);
        let is_configured = fixture.file_config.compression == Compression::S2;
        assert_eq!(is_compressed(fixture, 1), is_configured);
        fixture.store.compact(45).unwrap();
        for restart in [|_: &mut Fixture| {}, tidy, release, Fixture::restart, rescan] {
            restart(fixture);
            assert_eq!(fixture.range(), (6, 45, 50));
            assert_eq!(is_compressed(fixture, 1), is_configured);
            for seq in 45..=50 {
                let message = fixture.store.load(seq).unwrap();
                assert!(message.body == bodies[usize::try_from(seq).unwrap() - 1], "{seq}");
            }
        }
    });
}

/// Go: TestFileStorePurgeMsgBlock server/filestore_test.go:12219
/// Go: TestFileStorePurgeMsgBlockUpdatesSubjects server/filestore_test.go:12260
#[test]
fn file_store_purge_msg_block() {
    each(&small(10 * FOO_SIZE), &plain(), |fixture| {
        put_many(fixture, "foo", 20);
        assert_eq!(blocks(fixture), [1, 2]);
        assert_eq!(fixture.store.state().bytes, 20 * FOO_SIZE);
        assert_eq!(fixture.store.subjects_totals(one("foo")).get(&b"foo"[..]), Some(&20));
        assert_eq!(fixture.store.compact(11), Ok(10));
        assert!(!blocks(fixture).contains(&1));
        assert_eq!(fixture.range(), (10, 11, 20));
        assert_eq!(fixture.store.state().bytes, 10 * FOO_SIZE);
        assert_eq!(fixture.store.subjects_totals(one("foo")).get(&b"foo"[..]), Some(&10));
        check_starts(fixture);
        assert_eq!(fixture.store.subjects_totals(one("foo")).get(&b"foo"[..]), Some(&10));
    });
}

/// Go: TestFileStorePurgeMsgBlockAccounting server/filestore_test.go:12344
#[test]
fn file_store_purge_msg_block_accounting() {
    let size = FOO_SIZE + 8 * 1024;
    let limits = [
        StoreConfig { messages_max: Some(1), ..plain() },
        StoreConfig { bytes_max: Some(size), ..plain() },
    ];
    for limit in limits {
        each(&small(32 * 1024), &plain(), |fixture| {
            for _ in 0..10 {
                fixture.put("foo", &[0; 8 * 1024]);
            }
            assert_eq!(fixture.store.state().bytes, 10 * size);
            fixture.store.update_config(limit.clone(), fixture.now);
            fixture.config = limit.clone();
            assert_eq!(fixture.range(), (1, 10, 10));
            assert_eq!(fixture.store.state().bytes, size);
            check_starts(fixture);
            assert_eq!(fixture.store.state().bytes, size);
        });
    }
}

/// Go: TestFileStoreTombstonesNoFirstSeqRollback server/filestore_test.go:11931
#[test]
fn file_store_tombstones_no_first_seq_rollback() {
    each(&small(10 * FOO_SIZE), &plain(), |fixture| {
        put_many(fixture, "foo", 20);
        assert_eq!(blocks(fixture), [1, 2]);
        remove(fixture, 1..=20);
        assert_eq!(fixture.range(), (0, 21, 20));
        fixture.store.sync().unwrap();
        assert_eq!(blocks(fixture).len(), 1);
        check_starts(fixture);
    });
}

/// Go: TestFileStoreTombstonesSelectNextFirstCleanup server/filestore_test.go:11987
/// Go: TestFileStoreTombstonesSelectNextFirstCleanupOnRecovery server/filestore_test.go:12046
#[test]
fn file_store_tombstones_select_next_first_cleanup() {
    for is_killed in [false, true] {
        each(&small(10 * FOO_SIZE), &plain(), |fixture| {
            put_many(fixture, "foo", 50);
            remove(fixture, 2..=49);
            roll(fixture);
            put_many(fixture, "foo", 50);
            remove(fixture, 50..=100);
            assert_eq!(fixture.range(), (1, 1, 100));
            remove(fixture, [1]);
            if is_killed {
                // The blocks that the removal leaves empty are still there.
                fixture.kill();
            }
            assert_eq!(fixture.range(), (0, 101, 100));
            check_starts(fixture);
            tidy(fixture);
            assert_eq!(blocks(fixture).len(), 1);
            check_starts(fixture);
            assert_eq!(fixture.put("foo", b""), 101);
        });
    }
}

/// Go: TestFileStoreSyncBlocksNoErrorOnConcurrentRemovedBlock server/filestore_test.go:14534
#[test]
fn file_store_sync_blocks_no_error_on_concurrent_removed_block() {
    each_plain(&large_blocks(), &plain(), |fixture| {
        let body = vec![b'Z'; 128 * 1024];
        for _ in 0..20 {
            fixture.put("foo", &body);
        }
        roll(fixture);
        fixture.put("foo", b"");
        // The first block is to be rewritten, but then it is gone.
        remove(fixture, 2..=14);
        assert_eq!(fixture.store.compact(21), Ok(7));
        fixture.store.sync().unwrap();
        assert!(!has_file(fixture, "msgs/1.blk"));
        assert_eq!(fixture.store.failure(), None);
        assert_eq!(fixture.put("foo", b""), 22);
        check_starts(fixture);
    });
}
