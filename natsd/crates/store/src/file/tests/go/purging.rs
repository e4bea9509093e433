//! Purge, purge by subject, compact and truncate.

use natsd_base::Prng;

use super::each;
use super::layout::{SUM_SIZE, deleted, loaded, read_file, remove, rescan, small};
use super::steps::{
    INDEX, check_message, check_restarts, erase, everything, put_many, restart_with_index,
    size_of_message, subject,
};
use crate::disk::Disk;
use crate::file::{Compression, FileStoreConfig};
use crate::stream_store::tests::one;
use crate::stream_store::{Filter, StoreConfig, StreamStore, SubjectState};

fn any() -> StoreConfig {
    StoreConfig::default()
}

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

/// Go: TestFileStorePurge server/filestore_test.go:710
#[test]
fn file_store_purge() {
    each(&small(8 * 1024), &any(), |fixture| {
        let size = size_of_message("foo", &[0; 1024]);
        put_many(fixture, "foo", &[0; 1024], 128);
        let state = fixture.store.state();
        assert_eq!((state.messages, state.bytes), (128, 128 * size));
        assert!(fixture.store.blocks.len() as u64 > 128 * size / (8 * 1024));
        assert_eq!(fixture.store.purge(), Ok(128));
        for _ in 0..2 {
            assert_eq!(fixture.store.blocks.len(), 1);
            assert_eq!(fixture.range(), (0, 129, 128));
            assert_eq!(fixture.store.state().bytes, 0);
            fixture.restart();
        }
        // A Go server moves everything into this folder first, and may stop before it is empty.
        put_many(fixture, "foo", &[0; 1024], 128);
        assert_eq!(fixture.store.state().bytes, 128 * size);
        fixture.store.flush().unwrap();
        let (messages, aside) = (fixture.path("msgs"), fixture.path("aside"));
        fixture.disk.rename(&messages, &aside).unwrap();
        fixture.disk.create_dir_all(&messages).unwrap();
        assert_eq!(fixture.store.purge(), Ok(128));
        fixture.store.stop(fixture.now).unwrap();
        fixture.disk.rename(&aside, &fixture.path("__msgs__")).unwrap();
        fixture.reopen();
        assert_eq!(fixture.store.blocks.len(), 1);
        assert_eq!(fixture.range(), (0, 257, 256));
        assert!(fixture.disk.list(&fixture.path("__msgs__")).is_err());
    });
}

/// Go: TestFileStoreCompact server/filestore_test.go:893
#[test]
fn file_store_compact() {
    each(&small(350), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 10);
        assert_eq!(fixture.store.compact(6), Ok(5));
        assert_eq!(fixture.range(), (5, 6, 10));
        check_restarts(fixture);
        // Beyond the last one it becomes the next sequence.
        assert_eq!(fixture.store.compact(100), Ok(5));
        assert_eq!(fixture.range(), (0, 100, 99));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreCompactLastPlusOne server/filestore_test.go:946
#[test]
fn file_store_compact_last_plus_one() {
    each(&small(8192), &any(), |fixture| {
        put_many(fixture, "foo", &[0; 10_000], 20);
        assert_eq!(fixture.range(), (20, 1, 20));
        assert_eq!(fixture.store.compact(21), Ok(20));
        assert_eq!(fixture.range(), (0, 21, 20));
        fixture.put("foo", &[0; 10_000]);
        assert_eq!(fixture.range(), (1, 21, 21));
    });
}

/// Go: TestFileStoreCompactMsgCountBug server/filestore_test.go:987
#[test]
fn file_store_compact_msg_count_bug() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 10);
        erase(fixture, [2, 3, 4]);
        remove(fixture, [7, 8, 9]);
        // 1 and 5.
        assert_eq!(fixture.store.compact(6), Ok(2));
        assert_eq!(fixture.range(), (2, 6, 10));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreCompactPerf server/filestore_test.go:1024
#[test]
fn file_store_compact_perf() {
    each(&small(8192), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 1000);
        assert_eq!(fixture.store.compact(901), Ok(900));
        assert_eq!(fixture.range(), (100, 901, 1000));
    });
}

/// Go: TestFileStoreDoubleCompactWithWriteInBetweenEncryptedBug server/filestore_test.go:4213
#[test]
fn file_store_double_compact_with_write_in_between_encrypted_bug() {
    each(&large(), &any(), |fixture| {
        for last in [5, 10] {
            put_many(fixture, "foo", b"ouch", 5);
            fixture.store.compact(last).unwrap();
            assert_eq!(fixture.range(), (1, last, last));
            check_message(fixture, last, "foo", b"ouch");
        }
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreCompactAllWithDanglingLMB server/filestore_test.go:4959
#[test]
fn file_store_compact_all_with_dangling_lmb() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo", b"ZZ", 100);
        remove(fixture, [100]);
        assert_eq!(fixture.store.compact(100), Ok(99));
        assert_eq!(fixture.put("foo", b"ZZ"), 101);
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreStreamCompactMultiBlockSubjectInfo server/filestore_test.go:5215
#[test]
fn file_store_stream_compact_multi_block_subject_info() {
    each(&small(128), &any(), |fixture| {
        for index in 0..200 {
            fixture.put(&format!("foo.{index}"), b"Hello World");
        }
        assert_eq!(fixture.store.blocks.len(), 100);
        assert_eq!(fixture.store.compact(101), Ok(100));
        // Half of the blocks are gone.
        assert_eq!(fixture.store.blocks[0].number, 51);
        assert!(fixture.disk.open(&fixture.path("msgs/50.blk"), false).is_err());
        assert_eq!(fixture.store.state().subjects, 100);
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreCompactAndPSIMWhenDeletingBlocks server/filestore_test.go:6554
#[test]
fn file_store_compact_and_psim_when_deleting_blocks() {
    each(&small(512), &any(), |fixture| {
        put_many(fixture, "A", &b"ABC".repeat(33), 10);
        assert_eq!(fixture.store.blocks.len(), 4);
        assert_eq!(fixture.store.compact(10), Ok(9));
        assert_eq!(fixture.store.blocks.len(), 1);
        assert_eq!(subject(fixture, "A"), SubjectState { messages: 1, first: 10, last: 10 });
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreCompactReclaimHeadSpace server/filestore_test.go:3763
#[test]
fn file_store_compact_reclaim_head_space() {
    // 66 messages in the first block and 34 in the second.
    let mut prng = Prng::from_seed(1);
    let body: Vec<u8> = (0..1024).map(|_| prng.next_u64().to_le_bytes()[0]).collect();
    let size = size_of_message("z", &body);
    each(&small(66 * size), &any(), |fixture| {
        put_many(fixture, "z", &body, 100);
        assert_eq!(fixture.store.blocks.len(), 2);
        fixture.store.sync().unwrap();
        let before = fixture.block(1).len();
        assert_eq!(fixture.store.compact(35), Ok(34));
        assert_eq!(fixture.store.tidy(), Ok(true));
        assert_eq!(fixture.store.blocks.len(), 2);
        let after = fixture.block(1).len();
        assert!(after < before / 2 + 1000);
        if fixture.file_config.compression == Compression::None {
            assert_eq!(after as u64, fixture.store.blocks[0].bytes + SUM_SIZE as u64);
        }
        for seq in [35, 66, 67, 100] {
            check_message(fixture, seq, "z", &body);
        }
        assert_eq!(fixture.store.compact(85), Ok(50));
        assert_eq!(fixture.store.blocks.len(), 1);
        fixture.put("z", &body);
        for _ in 0..2 {
            assert_eq!(fixture.store.blocks.len(), 1);
            assert_eq!(fixture.range(), (17, 85, 101));
            for seq in [85, 101] {
                check_message(fixture, seq, "z", &body);
            }
            fixture.restart();
        }
        assert_eq!(fixture.put("z", &body), 102);
    });
}

/// Go: TestFileStoreStreamTruncate server/filestore_test.go:1062
#[test]
fn file_store_stream_truncate() {
    each(&small(350), &any(), |fixture| {
        put_many(fixture, "foo", b"ok", 49);
        put_many(fixture, "bar", b"ok", 51);
        fixture.store.truncate(50, fixture.now).unwrap();
        assert_eq!(fixture.range(), (50, 1, 50));
        // What was removed before stays so.
        remove(fixture, [10, 20, 30, 40]);
        fixture.store.truncate(25, fixture.now).unwrap();
        assert_eq!(fixture.range(), (23, 1, 25));
        assert_eq!(deleted(fixture), [10, 20]);
        assert_eq!(subject(fixture, "foo"), SubjectState { messages: 23, first: 1, last: 25 });
        assert_eq!(fixture.store.state().subjects, 1);
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreStreamTruncateResetMultiBlock server/filestore_test.go:5171
#[test]
fn file_store_stream_truncate_reset_multi_block() {
    each(&small(128), &any(), |fixture| {
        for _ in 0..2 {
            fixture.store.truncate(0, fixture.now).unwrap();
            assert_eq!(fixture.store.blocks.len(), 0);
            let state = fixture.store.state();
            assert_eq!((fixture.range(), state.bytes), ((0, 0, 0), 0));
            assert_eq!((state.subjects, state.deleted), (0, 0));
            put_many(fixture, "foo", b"Hello World", 200);
            fixture.store.sync().unwrap();
            assert_eq!(fixture.store.blocks.len(), 100);
            let state = fixture.store.state();
            assert_eq!((fixture.range(), state.bytes), ((200, 1, 200), 8800));
            assert_eq!((state.subjects, state.deleted), (1, 0));
        }
    });
}

/// Go: TestFileStorePurgeExKeepOneBug server/filestore_test.go:3662
#[test]
fn file_store_purge_ex_keep_one_bug() {
    each(&small(128), &any(), |fixture| {
        for _ in 0..2 {
            fixture.put("A", b"META");
            fixture.put("B", &[b'X'; 128]);
        }
        assert_eq!(fixture.store.filtered_state(1, one("A")).messages, 2);
        assert_eq!(fixture.store.purge_matching(one("A"), 0, 1), Ok(1));
        let expected = SubjectState { messages: 1, first: 3, last: 3 };
        assert_eq!(fixture.store.filtered_state(1, one("A")), expected);
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreKeepWithDeletedMsgsBug server/filestore_test.go:5514
#[test]
fn file_store_keep_with_deleted_msgs_bug() {
    each(&large(), &any(), |fixture| {
        for _ in 0..5 {
            fixture.put("A", &[b'A'; 19]);
            fixture.put("B", &[b'A'; 19]);
        }
        assert_eq!(fixture.store.purge_matching(one("A"), 0, 0), Ok(5));
        assert_eq!(fixture.store.purge_matching(Filter::All, 0, 2), Ok(3));
        assert_eq!(fixture.range(), (2, 8, 10));
        check_restarts(fixture);
    });
}

/// Go: TestFileStorePurgeExWithSubject server/filestore_test.go:4032
#[test]
fn file_store_purge_ex_with_subject() {
    each(&small(1000), &any(), |fixture| {
        fixture.put("foo.0", &[0; 20]);
        put_many(fixture, "foo.1", &[0; 20], 200);
        fixture.put("foo.2", b"xxxxxx");
        fixture.restart();
        let index = read_file(fixture, INDEX);
        assert_eq!(fixture.store.purge_matching(one("foo.1"), 0, 0), Ok(200));
        assert_eq!(fixture.range(), (2, 1, 202));
        check_restarts(fixture);
        let before = everything(fixture);
        restart_with_index(fixture, &index);
        assert_eq!(everything(fixture), before);
    });
}

/// Go: TestFileStorePurgeExNoTombsOnBlockRemoval server/filestore_test.go:4112
#[test]
fn file_store_purge_ex_no_tombs_on_block_removal() {
    each(&small(1000), &any(), |fixture| {
        put_many(fixture, "foo.1", &[0; 20], 91);
        fixture.put("foo.2", &[0; 20]);
        assert_eq!(fixture.store.blocks.len(), 6);
        fixture.restart();
        let index = read_file(fixture, INDEX);
        assert_eq!(fixture.store.purge_matching(one("foo.1"), 0, 0), Ok(91));
        assert_eq!(fixture.range(), (1, 92, 92));
        // What is removed with its block leaves nothing behind.
        assert_eq!(fixture.store.blocks.len(), 1);
        let before = everything(fixture);
        restart_with_index(fixture, &index);
        assert_eq!(everything(fixture), before);
        check_restarts(fixture);
    });
}

/// Go: TestFileStorePurgeExBufPool server/filestore_test.go:6896
#[test]
fn file_store_purge_ex_buf_pool() {
    let file_config = FileStoreConfig { cache_size_max: 8192, ..small(1024) };
    each(&file_config, &any(), |fixture| {
        for _ in 0..300 {
            fixture.put("foo.foo", &b"ABC".repeat(33));
            fixture.put("foo.bar", &b"ABC".repeat(33));
        }
        assert!(fixture.store.blocks.len() > 80);
        assert_eq!(fixture.store.purge_matching(one("foo.bar"), 0, 0), Ok(300));
        assert_eq!(fixture.store.state().messages, 300);
        // Few of the blocks that were looked at are still in memory.
        assert!(loaded(fixture).len() < 10);
    });
}

/// Go: TestFileStoreWriteFullStateAfterPurgeEx server/filestore_test.go:7354
#[test]
fn file_store_write_full_state_after_purge_ex() {
    each(&large(), &any(), |fixture| {
        for index in 1..=10 {
            fixture.put(&format!("foo.{index}"), b"abc");
        }
        remove(fixture, [8, 9, 10]);
        assert_eq!(fixture.store.purge_matching(one(">"), 8, 0), Ok(7));
        assert_eq!(fixture.range(), (0, 11, 10));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreMsgBlockFirstAndLastSeqCorrupt server/filestore_test.go:7323
#[test]
fn file_store_msg_block_first_and_last_seq_corrupt() {
    each(&large(), &any(), |fixture| {
        for index in 1..=10 {
            fixture.put(&format!("foo.{index}"), b"abc");
        }
        fixture.store.purge().unwrap();
        fixture.store.blocks[0].last.seq = 9;
        // It is wrong in the index too, which does not agree with itself then.
        fixture.restart();
        assert_eq!(fixture.range(), (0, 11, 10));
        let block = &fixture.store.blocks[0];
        assert_eq!((block.first.seq, block.last.seq), (11, 10));
    });
}

/// Go: TestFileStoreFullStatePurge server/filestore_test.go:5890
/// Go: TestFileStoreFullStatePurgeFullRecovery server/filestore_test.go:5894
#[test]
fn file_store_full_state_purge() {
    for restart in [super::Fixture::restart, rescan] {
        each(&small(132), &any(), |fixture| {
            let check = |fixture: &mut super::Fixture| {
                let before = everything(fixture);
                restart(fixture);
                assert_eq!(everything(fixture), before);
                fixture.store.rebuild().unwrap();
                assert_eq!(everything(fixture), before);
            };
            put_many(fixture, "A", &[b'A'; 19], 10);
            assert_eq!(fixture.store.purge(), Ok(10));
            check(fixture);
            for _ in 0..5 {
                fixture.put("B", &[b'A'; 19]);
                fixture.put("C", &[b'A'; 19]);
            }
            assert_eq!(fixture.store.purge_matching(one("B"), 0, 0), Ok(5));
            check(fixture);
            assert_eq!(fixture.store.purge_matching(Filter::All, 0, 2), Ok(3));
            assert_eq!(fixture.range(), (2, 18, 20));
            check(fixture);
            assert_eq!(fixture.store.purge(), Ok(2));
            assert_eq!(fixture.range(), (0, 21, 20));
            check(fixture);
        });
    }
}
