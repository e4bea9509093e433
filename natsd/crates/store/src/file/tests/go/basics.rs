//! Storing, loading, removing and skipping, over restarts, and with records that are not in memory.

use std::time::Duration;

use natsd_base::Prng;

use super::layout::{MARK_SIZE, SUM_SIZE, deleted, loaded, release, remove, rescan, small};
use super::steps::{check_message, check_restarts, error_of, put_many, size_of_message, subject};
use super::{Fixture, each};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::{message, one};
use crate::stream_store::{NewMessage, StoreConfig, StoreError, StreamStore};

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

fn any() -> StoreConfig {
    StoreConfig::default()
}

/// Go: TestFileStoreBasics server/filestore_test.go:87
#[test]
fn file_store_basics() {
    each(&large(), &any(), |fixture| {
        for seq in 1..=5 {
            assert_eq!(fixture.put("foo", b"Hello World"), seq);
            assert_eq!(fixture.store.load(seq).unwrap().timestamp, fixture.now);
        }
        let state = fixture.store.state();
        assert_eq!(state.messages, 5);
        assert_eq!(state.bytes, 5 * size_of_message("foo", b"Hello World"));
        check_message(fixture, 2, "foo", b"Hello World");
        for (seq, left) in [(1, 4), (5, 3), (3, 2)] {
            remove(fixture, [seq]);
            assert_eq!(fixture.store.state().messages, left);
            assert_eq!(fixture.store.remove(seq), Ok(false));
        }
    });
}

/// Go: TestFileStoreMsgHeaders server/filestore_test.go:153
#[test]
fn file_store_msg_headers() {
    each(&large(), &any(), |fixture| {
        let (headers, body) = (&b"name:derek"[..], &b"Hello World"[..]);
        fixture.try_put(NewMessage { headers, body, ..message("foo") }).unwrap();
        assert_eq!(fixture.store.state().bytes, 22 + 3 + 4 + 10 + 11 + 8);
        let stored = fixture.store.load(1).unwrap();
        assert_eq!((stored.headers, stored.body), (headers, body));
        assert_eq!(fixture.store.erase(1), Ok(true));
        assert_eq!(error_of(fixture, 1), StoreError::NotFound);
    });
}

/// Go: TestFileStoreBasicWriteMsgsAndRestore server/filestore_test.go:182
#[test]
fn file_store_basic_write_msgs_and_restore() {
    each(&large(), &any(), |fixture| {
        let put_to = |fixture: &mut Fixture, last: u64| {
            let first = fixture.store.state().last_seq + 1;
            for seq in first..=last {
                let body = format!("[{seq:08}] Hello World!");
                assert_eq!(fixture.put("foo", body.as_bytes()), seq);
            }
        };
        let size = size_of_message("foo", b"[00000022] Hello World!");
        for last in [100, 200] {
            put_to(fixture, last);
            for _ in 0..2 {
                let state = fixture.store.state();
                assert_eq!((state.messages, state.bytes), (last, last * size));
                fixture.store.stop(fixture.now).unwrap();
                let refused = fixture.try_put(message("foo"));
                assert_eq!(refused, Err(StoreError::Stopped));
                fixture.reopen();
            }
        }
        assert_eq!(fixture.store.purge(), Ok(200));
        fixture.restart();
        assert_eq!((fixture.store.state().messages, fixture.store.state().bytes), (0, 0));
        let seq = fixture.put("foo", b"Hello");
        remove(fixture, [seq]);
        fixture.restart();
        assert_eq!(fixture.range(), (0, seq + 1, seq));
    });
}

/// Go: TestFileStoreSelectNextFirst server/filestore_test.go:304
#[test]
fn file_store_select_next_first() {
    each(&small(256), &any(), |fixture| {
        put_many(fixture, "zzz", b"Hello World", 10);
        assert_eq!(fixture.store.blocks[0].count, 5);
        remove(fixture, 2..=7);
        assert_eq!(fixture.range(), (4, 1, 10));
        remove(fixture, [1]);
        assert_eq!(fixture.range(), (3, 8, 10));
    });
}

fn skip(fixture: &mut Fixture, count: usize) {
    for _ in 0..count {
        fixture.store.skip(None, 1, fixture.now, false).unwrap();
    }
}

/// Go: TestFileStoreSkipMsg server/filestore_test.go:341
#[test]
fn file_store_skip_msg() {
    each(&small(256), &any(), |fixture| {
        skip(fixture, 10);
        assert_eq!(fixture.range(), (0, 11, 10));
        assert_eq!(fixture.put("zzz", b"Hello World!"), 11);
        skip(fixture, 2);
        assert_eq!(fixture.put("zzz", b"Hello World!"), 14);
        skip(fixture, 1);
        for _ in 0..2 {
            assert_eq!(fixture.range(), (2, 11, 15));
            fixture.restart();
        }
        check_message(fixture, 11, "zzz", b"Hello World!");
        skip(fixture, 1);
        assert_eq!(fixture.put("AAA", b"Skip?"), 17);
        check_restarts(fixture);
        check_message(fixture, 17, "AAA", b"Skip?");
    });
}

/// Go: TestFileStoreSkipMsgs server/filestore_test.go:7049
#[test]
fn file_store_skip_msgs() {
    each(&small(1024), &any(), |fixture| {
        let now = fixture.now;
        let refused = fixture.store.skip(Some(10), 100, now, false);
        assert_eq!(refused, Err(StoreError::SequenceMismatch));
        assert_eq!(fixture.store.skip(Some(1), 100, now, false), Ok(100));
        assert_eq!(fixture.range(), (0, 101, 100));
        assert_eq!(fixture.store.blocks.len(), 1);
        assert_eq!(fixture.store.skip(Some(101), 100_000, now, false), Ok(100_100));
        assert_eq!(fixture.range(), (0, 100_101, 100_100));
        assert_eq!(fixture.store.blocks.len(), 1);
        check_restarts(fixture);
    });
    each(&small(1024), &any(), |fixture| {
        fixture.put("foo", b"");
        assert_eq!(fixture.store.skip(Some(2), 10, fixture.now, false), Ok(11));
        assert_eq!(fixture.range(), (1, 1, 11));
        assert_eq!(fixture.store.state().deleted, 10);
        assert_eq!(deleted(fixture), (2..=11).collect::<Vec<u64>>());
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreSkipMsgAndNumBlocks server/filestore_test.go:5407
#[test]
fn file_store_skip_msg_and_num_blocks() {
    each(&small(128), &any(), |fixture| {
        fixture.put("zzz", &[b'X'; 100]);
        fixture.store.skip(None, 10_000, fixture.now, false).unwrap();
        assert_eq!(fixture.put("zzz", &[b'X'; 100]), 10_002);
        assert_eq!(fixture.store.blocks.len(), 3);
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreInitialFirstSeq server/filestore_test.go:5449
#[test]
fn file_store_initial_first_seq() {
    each(&large(), &StoreConfig { first_seq: 1000, ..any() }, |fixture| {
        assert_eq!(fixture.put("A", b"OK"), 1000);
        assert_eq!(fixture.put("B", b"OK"), 1001);
        assert_eq!(fixture.range(), (2, 1000, 1001));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreTimeStamps server/filestore_test.go:683
#[test]
fn file_store_time_stamps() {
    each(&large(), &any(), |fixture| {
        let mut last = fixture.now;
        for _ in 0..10 {
            fixture.now = fixture.now + Duration::from_millis(5);
            fixture.put("foo", b"Hello World");
        }
        for seq in 1..=10 {
            let time = fixture.store.load(seq).unwrap().timestamp;
            assert!(time > last);
            last = time;
        }
    });
}

/// Go: TestFileStoreWriteAndReadSameBlock server/filestore_test.go:1586
#[test]
fn file_store_write_and_read_same_block() {
    each(&large(), &any(), |fixture| {
        for seq in 1..=10 {
            fixture.put("foo", b"Hello World!");
            check_message(fixture, seq, "foo", b"Hello World!");
        }
    });
}

/// Go: TestFileStoreAndRetrieveMultiBlock server/filestore_test.go:1603
#[test]
fn file_store_and_retrieve_multi_block() {
    let size = size_of_message("foo", b"Hello World!");
    each(&small(4 * size), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World!", 20);
        assert_eq!((fixture.store.state().messages, fixture.store.blocks.len()), (20, 5));
        fixture.restart();
        for seq in 1..=20 {
            check_message(fixture, seq, "foo", b"Hello World!");
        }
    });
}

/// Go: TestFileStoreCollapseDmap server/filestore_test.go:1637
#[test]
fn file_store_collapse_dmap() {
    let size = size_of_message("foo", b"Hello World!");
    each(&small(4 * size), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World!", 10);
        assert_eq!(fixture.store.state().messages, 10);
        // Removed out of order, and the gaps closed. The first sequence and how many are missing.
        let steps = [
            (2, 1, 1),
            (4, 1, 2),
            (8, 1, 3),
            (1, 3, 2),
            (3, 5, 1),
            (5, 6, 1),
            (7, 6, 2),
            (6, 9, 0),
        ];
        for (seq, first, missing) in steps {
            remove(fixture, [seq]);
            let state = fixture.store.state();
            assert_eq!((state.first_seq, state.deleted), (first, missing), "{seq}");
        }
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreStreamStateDeleted server/filestore_test.go:3066
#[test]
fn file_store_stream_state_deleted() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo", b"[00000001] Hello World!", 10);
        assert_eq!(deleted(fixture), [0; 0]);
        remove(fixture, [2, 4, 6, 8]);
        assert_eq!(deleted(fixture), [2, 4, 6, 8]);
        remove(fixture, [1, 3]);
        assert_eq!(deleted(fixture), [6, 8]);
        assert_eq!(fixture.store.state().first_seq, 5);
        fixture.store.purge().unwrap();
        assert_eq!(deleted(fixture), [0; 0]);
    });
}

/// Go: TestFileStoreRemovePartialRecovery server/filestore_test.go:1147
#[test]
fn file_store_remove_partial_recovery() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 100);
        remove(fixture, 1..=50);
        assert_eq!(fixture.range(), (50, 51, 100));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreRemoveOutOfOrderRecovery server/filestore_test.go:1190
#[test]
fn file_store_remove_out_of_order_recovery() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 100);
        remove(fixture, (2..=100).step_by(2));
        assert_eq!(fixture.store.state().messages, 50);
        for _ in 0..2 {
            check_message(fixture, 1, "foo", b"Hello World");
            for seq in (2..=100).step_by(2) {
                assert_eq!(error_of(fixture, seq), StoreError::NotFound);
            }
            check_restarts(fixture);
        }
    });
}

/// Go: TestFileStoreWriteExpireWrite server/filestore_test.go:425
#[test]
fn file_store_write_expire_write() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "zzz", b"Hello World!", 10);
        release(fixture);
        put_many(fixture, "zzz", b"Hello World! - 22", 10);
        assert_eq!(fixture.store.state().messages, 20);
        fixture.restart();
        assert_eq!(fixture.store.state().messages, 20);
        for seq in 1..=20 {
            let body: &[u8] = if seq <= 10 { b"Hello World!" } else { b"Hello World! - 22" };
            check_message(fixture, seq, "zzz", body);
        }
    });
}

/// Go: TestFileStoreReadCache server/filestore_test.go:1706
#[test]
fn file_store_read_cache() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo.bar", &[0; 1024], 100);
        let records = |fixture: &Fixture| {
            let caches = fixture.store.blocks.iter().filter_map(|block| block.cache.as_ref());
            caches.map(|cache| cache.records.len() as u64).sum::<u64>()
        };
        release(fixture);
        assert_eq!(records(fixture), 0);
        fixture.store.load(1).unwrap();
        let marks = (MARK_SIZE + SUM_SIZE) as u64;
        let size = marks + 100 * size_of_message("foo.bar", &[0; 1024]);
        assert_eq!(records(fixture), size);
        fixture.store.release_caches();
        assert_eq!(records(fixture), 0);
        // What is in memory is not read again.
        fixture.store.load(1).unwrap();
        fixture.damage(1, |bytes| bytes.fill(0));
        for _ in 0..50 {
            check_message(fixture, 1, "foo.bar", &[0; 1024]);
        }
    });
}

/// Go: TestFileStoreWeakCachePromotionCleanup server/filestore_test.go:1759
#[test]
fn file_store_weak_cache_promotion_cleanup() {
    let steps: [fn(&mut Fixture); 5] = [
        |fixture| remove(fixture, [2]),
        |fixture| assert_eq!(subject(fixture, "foo").messages, 4),
        |fixture| {
            let found = fixture.store.filtered_state(1, one("foo"));
            assert_eq!((found.messages, found.first, found.last), (4, 1, 4));
        },
        |fixture| assert_eq!(fixture.store.load_last(one("foo")).unwrap().seq, 4),
        |fixture| {
            remove(fixture, [1]);
            release(fixture);
            assert_eq!(subject(fixture, "foo").first, 2);
        },
    ];
    // Whoever needs a block that is not in memory reads it, and lets go of it when told to.
    for step in steps {
        each(&small(8192), &any(), |fixture| {
            put_many(fixture, "foo", b"hello", 4);
            fixture.put("bar", b"hello");
            fixture.restart();
            assert_eq!(loaded(fixture), [0; 0]);
            step(fixture);
            release(fixture);
        });
    }
}

/// Go: TestFileStorePartialCacheExpiration server/filestore_test.go:1907
/// Go: TestFileStorePartialIndexes server/filestore_test.go:1930
#[test]
fn file_store_partial_cache_expiration() {
    for forgets_again in [false, true] {
        each(&large(), &any(), |fixture| {
            put_many(fixture, "foo", b"ok-1", 5);
            release(fixture);
            put_many(fixture, "bar", b"ok-2", 5);
            if forgets_again {
                release(fixture);
            }
            check_message(fixture, 8, "bar", b"ok-2");
            check_message(fixture, 1, "foo", b"ok-1");
        });
    }
}

/// Go: TestFileStoreStreamDeleteCacheBug server/filestore_test.go:3210
#[test]
fn file_store_stream_delete_cache_bug() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 2);
        assert_eq!(fixture.store.erase(1), Ok(true));
        release(fixture);
        check_message(fixture, 2, "foo", b"Hello World");
    });
}

/// Go: TestFileStoreErrPartialLoad server/filestore_test.go:5565
#[test]
fn file_store_err_partial_load() {
    each(&small(4096), &any(), |fixture| {
        put_many(fixture, "Z", b"ZZZZZZZZZZZZZ", 100);
        let mut prng = Prng::from_seed(1);
        for step in 0..2000 {
            put_many(fixture, "Z", b"ZZZZZZZZZZZZZ", prng.below(4));
            if step % 10 == 0 {
                fixture.store.release_caches();
            }
            if step % 25 == 0 {
                release(fixture);
            }
            let last = fixture.store.blocks.back().unwrap();
            let spread = usize::try_from(last.last.seq + 1 - last.first.seq).unwrap();
            let seq = last.first.seq + prng.below(spread) as u64;
            check_message(fixture, seq, "Z", b"ZZZZZZZZZZZZZ");
        }
    });
}

/// Go: TestFileStoreErrPartialLoadOnSyncClose server/filestore_test.go:5627
#[test]
fn file_store_err_partial_load_on_sync_close() {
    each(&small(500), &any(), |fixture| {
        for subject in ["A", "B", "C", "D", "E"] {
            fixture.put(subject, &[b'A'; 19]);
        }
        // The file is closed as well.
        fixture.store.sync().unwrap();
        fixture.store.release_caches();
        assert!(fixture.store.file.is_none());
        fixture.put("Z", &[b'A'; 19]);
        check_message(fixture, 1, "A", &[b'A'; 19]);
        check_message(fixture, 6, "Z", &[b'A'; 19]);
    });
}

/// Go: TestFileStoreRecalcFirstSequenceBug server/filestore_test.go:5699
#[test]
fn file_store_recalc_first_sequence_bug() {
    let config = StoreConfig { messages_per_subject_max: Some(2), ..any() };
    each(&large(), &config, |fixture| {
        for subject in ["A", "A", "B", "B"] {
            fixture.put(subject, &[b'A'; 22]);
        }
        for _ in 0..100 {
            release(fixture);
            let seq = fixture.put("A", &[b'A'; 22]);
            assert_eq!(fixture.store.load_last(one("A")).unwrap().seq, seq);
            let before = if seq == 5 { 2 } else { seq - 1 };
            let found = subject(fixture, "A");
            assert_eq!((found.messages, found.first, found.last), (2, before, seq));
        }
        rescan(fixture);
        assert_eq!(fixture.range(), (4, 3, 104));
    });
}
