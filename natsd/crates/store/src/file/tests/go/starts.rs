//! What is found when a stream is opened: by its index, by its blocks, or by what is left of them.

use std::time::Duration;

use super::layout::{
    MARK_SIZE, SUM_SIZE, blocks, check_starts, deleted, has_file, live, put_many, raw_size,
    read_file, release, remove, rescan, roll, skip, small, tidy, write_file,
};
use super::{Fixture, each, each_plain};
use crate::block::EMPTY_RECORD_SIZE;
use crate::file::FileStoreConfig;
use crate::file::index::checksum;
use crate::stream_store::tests::{message, one};
use crate::stream_store::{Filter, NewMessage, StoreConfig, StoreError, StreamStore};

/// A message on `foo` without content.
const FOO_SIZE: usize = EMPTY_RECORD_SIZE + 3;

fn plain() -> StoreConfig {
    StoreConfig::default()
}

fn large_blocks() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

fn one_per_subject() -> StoreConfig {
    StoreConfig { messages_per_subject_max: Some(1), ..plain() }
}

/// Go: TestFileStoreRecoverWithRemovesAndNoIndexDB server/filestore_test.go:7496
#[test]
fn file_store_recover_with_removes_and_no_index_db() {
    each(&small(250), &plain(), |fixture| {
        for number in 1..=10 {
            fixture.put(&format!("foo.{number}"), b"abc");
        }
        remove(fixture, [1, 2, 8]);
        assert_eq!(fixture.range(), (7, 3, 10));
        roll(fixture);
        tidy(fixture);
        fixture.file_config.block_size = large_blocks().block_size;
        rescan(fixture);
        assert_eq!(fixture.range(), (7, 3, 10));
        assert_eq!(deleted(fixture), [8]);
    });
}

/// Go: TestFileStoreReloadAndLoseLastSequence server/filestore_test.go:7543
/// Go: TestFileStoreReloadAndLoseLastSequenceWithSkipMsgs server/filestore_test.go:7570
#[test]
fn file_store_reload_and_lose_last_sequence() {
    for (calls, count) in [(22, 1), (1, 22)] {
        each(&large_blocks(), &plain(), |fixture| {
            for _ in 0..calls {
                skip(fixture, None, count);
            }
            for restart in [Fixture::restart, Fixture::restart, rescan, Fixture::kill, rescan] {
                restart(fixture);
                assert_eq!(fixture.range(), (0, 23, 22));
            }
        });
    }
}

/// Go: TestFileStoreDmapBlockRecoverAfterCompact server/filestore_test.go:8320
#[test]
fn file_store_dmap_block_recover_after_compact() {
    each(&small(256), &one_per_subject(), |fixture| {
        for number in (1..=6).chain(2..6) {
            fixture.put(&format!("foo.{number}"), b"hello");
        }
        assert_eq!(deleted(fixture), [2, 3, 4, 5]);
        let before = raw_size(fixture, 1);
        tidy(fixture);
        assert!(raw_size(fixture, 1) < before);
        check_starts(fixture);
        assert_eq!(deleted(fixture), [2, 3, 4, 5]);
    });
}

/// Go: TestFileStoreRestoreIndexWithMatchButLeftOverBlocks server/filestore_test.go:8361
#[test]
fn file_store_restore_index_with_match_but_left_over_blocks() {
    each(&small(256), &one_per_subject(), |fixture| {
        for number in 1..=12 {
            fixture.put(&format!("foo.{number}"), b"hello");
        }
        assert_eq!(blocks(fixture), [1, 2]);
        fixture.store.stop(fixture.now).unwrap();
        let old = read_file(fixture, "msgs/index.db");
        fixture.reopen();
        for number in 1..=6 {
            fixture.put(&format!("foo.{number}"), b"hello");
        }
        assert_eq!(fixture.range(), (12, 7, 18));
        assert_eq!(blocks(fixture)[0], 2);
        fixture.store.stop(fixture.now).unwrap();
        write_file(fixture, "msgs/index.db", &old);
        fixture.reopen();
        assert_eq!(fixture.range(), (12, 7, 18));
        assert_eq!(live(fixture).len(), 12);
    });
}

/// Go: TestFileStoreRestoreDeleteTombstonesExceedingMaxBlkSize server/filestore_test.go:8427
#[test]
fn file_store_restore_delete_tombstones_exceeding_max_blk_size() {
    const FIRST: u64 = 1_000_000_000;
    each_plain(&small(256), &plain(), |fixture| {
        assert_eq!(fixture.store.purge_matching(Filter::All, FIRST, 0), Ok(0));
        for number in 1..=1_000 {
            fixture.put(&format!("foo.{number}"), b"hello");
        }
        assert_eq!(fixture.range(), (1_000, FIRST, FIRST + 999));
        remove(fixture, FIRST + 1..FIRST + 101);
        for number in blocks(fixture) {
            let size = raw_size(fixture, number);
            // At the end may stand what is told before the files of other blocks go.
            assert!(size <= MARK_SIZE + 256 + MARK_SIZE + SUM_SIZE, "{number}: {size}");
        }
        // Blocks of tombstones that are needed stay as they are.
        let only_tombstones = |fixture: &Fixture| {
            let full = fixture.store.blocks.iter().rev().skip(1);
            let numbers = full.filter(|block| block.count == 0).map(|block| block.number);
            numbers.collect::<Vec<_>>()
        };
        let needed = only_tombstones(fixture);
        assert!(needed.len() > 10);
        tidy(fixture);
        assert_eq!(only_tombstones(fixture), needed);
        check_starts(fixture);
        // Without the first message none of them says anything new.
        remove(fixture, [FIRST]);
        assert_eq!(fixture.range(), (899, FIRST + 101, FIRST + 999));
        tidy(fixture);
        assert!(only_tombstones(fixture).is_empty());
        assert!(needed.iter().all(|number| !has_file(fixture, &format!("msgs/{number}.blk"))));
        check_starts(fixture);
    });
}

/// Go: TestFileStoreWriteFullStateDetectCorruptState server/filestore_test.go:9103
#[test]
fn file_store_write_full_state_detect_corrupt_state() {
    each(&large_blocks(), &plain(), |fixture| {
        for number in 1..=10 {
            fixture.put(&format!("foo.{number}"), b"abc");
        }
        // The sums of such an index do not agree, so that it is not believed.
        fixture.store.blocks[0].count -= 1;
        fixture.store.blocks[0].bytes -= 33;
        fixture.restart();
        assert_eq!(fixture.range(), (10, 1, 10));
        assert_eq!(fixture.store.blocks[0].count, 10);
    });
}

/// Go: TestFileStoreRecoverFullStateDetectCorruptState server/filestore_test.go:9138
#[test]
fn file_store_recover_full_state_detect_corrupt_state() {
    each(&large_blocks(), &plain(), |fixture| {
        for number in 1..=10 {
            fixture.put(&format!("foo.{number}"), b"abc");
        }
        fixture.store.stop(fixture.now).unwrap();
        let mut index = read_file(fixture, "msgs/index.db");
        index.truncate(index.len() - 8);
        let keys = fixture.file_config.keys.clone();
        if let Some(keys) = &keys {
            index = keys.keys.open(&index).unwrap();
        }
        assert_eq!(index[2], 10);
        index[2] = 0;
        if let Some(keys) = &keys {
            index = keys.seal(&index);
        }
        index.extend(checksum("S", &index));
        write_file(fixture, "msgs/index.db", &index);
        fixture.reopen();
        assert_eq!(fixture.range(), (10, 1, 10));
        assert_eq!(live(fixture).len(), 10);
    });
}

/// Go: TestFileStoreLeftoverSkipMsgInDmap server/filestore_test.go:9803
#[test]
fn file_store_leftover_skip_msg_in_dmap() {
    each(&large_blocks(), &one_per_subject(), |fixture| {
        skip(fixture, None, 1);
        for restart in [Fixture::kill, Fixture::restart, rescan] {
            restart(fixture);
            assert_eq!(fixture.range(), (0, 2, 1));
            assert!(deleted(fixture).is_empty());
        }
    });
}

/// Go: TestFileStoreRecoverOnlyBlkFiles server/filestore_test.go:9858
#[test]
fn file_store_recover_only_blk_files() {
    each(&large_blocks(), &plain(), |fixture| {
        fixture.put("foo", b"");
        let before = fixture.store.state();
        fixture.restart();
        assert_eq!(fixture.store.state(), before);
        assert!(has_file(fixture, "msgs/index.db"));
        fixture.store.stop(fixture.now).unwrap();
        let others = ["msgs/10.blk.random", "msgs/010.blk", "msgs/10.blk.tmp", "msgs/x.blk"];
        others.iter().for_each(|name| write_file(fixture, name, b""));
        fixture.reopen();
        assert!(has_file(fixture, "msgs/index.db"));
        assert_eq!(fixture.store.state(), before);
        rescan(fixture);
        assert_eq!(fixture.store.state(), before);
        assert_eq!(blocks(fixture), [1]);
        // What is not ours stays where it is.
        assert!(has_file(fixture, "msgs/10.blk.random"));
    });
}

/// Go: TestFileStoreRecoverAfterRemoveOperation server/filestore_test.go:9921
#[test]
fn file_store_recover_after_remove_operation() {
    type Action = fn(&mut Fixture) -> u64;
    type Case<'a> = (&'a str, Action, u64, (u64, u64, u64), &'a [u64]);
    let cases: [Case<'_>; 8] = [
        ("none", |_| 0, 0, (4, 1, 4), &[]),
        ("remove", |it| it.store.remove(1).unwrap().into(), 1, (3, 2, 4), &[]),
        ("erase", |it| it.store.erase(1).unwrap().into(), 1, (3, 2, 4), &[]),
        ("purge", |it| it.store.purge().unwrap(), 4, (0, 5, 4), &[]),
        (
            "purge foo.0",
            |it| it.store.purge_matching(one("foo.0"), 0, 0).unwrap(),
            2,
            (2, 2, 4),
            &[3],
        ),
        (
            "purge foo.1",
            |it| it.store.purge_matching(one("foo.1"), 0, 0).unwrap(),
            2,
            (2, 1, 4),
            &[2, 4],
        ),
        ("compact", |it| it.store.compact(3).unwrap(), 2, (2, 3, 4), &[]),
        (
            "truncate",
            |it| {
                it.store.truncate(2, it.now).unwrap();
                0
            },
            0,
            (2, 1, 2),
            &[],
        ),
    ];
    for (name, action, removed, range, gone) in cases {
        each(&large_blocks(), &plain(), |fixture| {
            for index in 0..4 {
                fixture.put(&format!("foo.{}", index % 2), b"");
            }
            assert_eq!(action(fixture), removed, "{name}");
            assert_eq!(fixture.range(), range, "{name}");
            assert_eq!(deleted(fixture), gone, "{name}");
            check_starts(fixture);
        });
    }
}

/// Go: TestFileStoreRecoverAfterCompact server/filestore_test.go:10082
#[test]
fn file_store_recover_after_compact() {
    for body_size in [1024, 16 * 1024] {
        each(&large_blocks(), &plain(), |fixture| {
            let body = vec![0; body_size];
            for _ in 0..4 {
                fixture.put("foo", &body);
            }
            let size = (FOO_SIZE + body_size) as u64;
            assert_eq!(fixture.range(), (4, 1, 4));
            assert_eq!(fixture.store.state().bytes, 4 * size);
            assert_eq!(raw_size(fixture, 1) as u64, (MARK_SIZE + SUM_SIZE) as u64 + 4 * size);
            assert_eq!(fixture.store.compact(4), Ok(3));
            assert_eq!(fixture.range(), (1, 4, 4));
            assert_eq!(fixture.store.state().bytes, size);
            check_starts(fixture);
        });
    }
}

/// Go: TestFileStoreRecoverWithEmptyMessageBlock server/filestore_test.go:10193
#[test]
fn file_store_recover_with_empty_message_block() {
    each(&small(4 * FOO_SIZE as u64), &plain(), |fixture| {
        put_many(fixture, "foo", 4);
        assert_eq!(blocks(fixture), [1]);
        remove(fixture, [1, 2]);
        assert_eq!(blocks(fixture), [1, 2]);
        assert_eq!(fixture.range(), (2, 3, 4));
        check_starts(fixture);
    });
}

/// Go: TestFileStoreRemoveMsgBlockFirst server/filestore_test.go:10262
#[test]
fn file_store_remove_msg_block_first() {
    each(&large_blocks(), &plain(), |fixture| {
        fixture.put("test", b"");
        fixture.store.stop(fixture.now).unwrap();
        fixture.remove_file("msgs/index.db");
        fixture.remove_file("msgs/1.blk");
        fixture.config.allow_message_ttl = true;
        fixture.reopen();
        assert_eq!(fixture.range(), (0, 0, 0));
    });
}

/// Go: TestFileStoreRemoveMsgBlockLast server/filestore_test.go:10303
#[test]
fn file_store_remove_msg_block_last() {
    each(&large_blocks(), &plain(), |fixture| {
        fixture.put("test", b"");
        fixture.store.sync().unwrap();
        let old = fixture.block(1);
        remove(fixture, [1]);
        check_starts(fixture);
        assert_eq!(fixture.range(), (0, 2, 1));
        fixture.store.purge().unwrap();
        assert_eq!(blocks(fixture), [2]);
        assert!(!has_file(fixture, "msgs/1.blk"));
        // As if the server was killed after the second block was made and before the first went.
        fixture.store.stop(fixture.now).unwrap();
        fixture.remove_file("msgs/index.db");
        write_file(fixture, "msgs/1.blk", &old);
        fixture.reopen();
        assert_eq!(fixture.range(), (0, 2, 1));
        fixture.store.sync().unwrap();
        assert!(!has_file(fixture, "msgs/1.blk"));
    });
}

/// Go: TestFileStoreRecoverDoesNotResetStreamState server/filestore_test.go:10393
#[test]
fn file_store_recover_does_not_reset_stream_state() {
    let config = StoreConfig { age_max: Some(Duration::from_secs(2)), ..plain() };
    each(&small(1024), &config, |fixture| {
        for _ in 0..100 {
            fixture.put("foo", b"Hello World");
        }
        assert!(blocks(fixture).len() > 1);
        fixture.now = fixture.now + Duration::from_millis(2_500);
        assert_eq!(fixture.store.expire(fixture.now), Ok(100));
        fixture.store.stop(fixture.now).unwrap();
        assert_eq!(blocks(fixture).len(), 1);
        fixture.remove_file(&format!("msgs/{}.blk", blocks(fixture)[0]));
        fixture.reopen();
        assert_eq!(fixture.range(), (0, 101, 100));
        check_starts(fixture);
        assert_eq!(fixture.put("foo", b""), 101);
    });
}

/// Go: TestFileStoreTrailingSkipMsgsFromStreamStateFile server/filestore_test.go:13978
#[test]
fn file_store_trailing_skip_msgs_from_stream_state_file() {
    each(&large_blocks(), &plain(), |fixture| {
        put_many(fixture, "foo", 10);
        let last_time = fixture.store.state().last_time;
        fixture.store.stop(fixture.now).unwrap();
        fixture.damage(1, |bytes| bytes.truncate(MARK_SIZE + 5 * FOO_SIZE));
        fixture.reopen();
        // The messages are gone, but their sequences were given away.
        assert_eq!(fixture.range(), (5, 1, 10));
        assert_eq!(fixture.store.state().last_time, last_time);
        assert_eq!(live(fixture), [1, 2, 3, 4, 5]);
        for seq in 6..=10 {
            assert_eq!(fixture.store.load(seq), Err(StoreError::NotFound), "{seq}");
        }
        check_starts(fixture);
        assert_eq!(fixture.put("foo", b""), 11);
    });
}

/// Go: TestFileStoreRemoveBlockWithStaleStreamState server/filestore_test.go:11121
#[test]
fn file_store_remove_block_with_stale_stream_state() {
    each(&large_blocks(), &plain(), |fixture| {
        for index in 0..3 {
            if index > 0 {
                roll(fixture);
            }
            fixture.put("foo", b"");
        }
        assert_eq!(blocks(fixture), [1, 2, 3]);
        fixture.store.stop(fixture.now).unwrap();
        fixture.remove_file("msgs/2.blk");
        fixture.reopen();
        assert_eq!(fixture.range(), (2, 1, 3));
        assert_eq!(fixture.store.load(2), Err(StoreError::Damaged));
        assert_eq!(live(fixture), [1, 3]);
        check_starts(fixture);
    });
}

/// Go: TestFileStoreDetectDeleteGapWithLastSkipMsg server/filestore_test.go:12102
/// Go: TestFileStoreDetectDeleteGapWithOnlySkipMsg server/filestore_test.go:12145
#[test]
fn file_store_detect_delete_gap_with_skip_msgs() {
    for (is_stored, range, gone) in [(true, (1, 1, 4), &[2, 3, 4][..]), (false, (0, 5, 4), &[])] {
        each(&large_blocks(), &plain(), |fixture| {
            if is_stored {
                fixture.put("foo", b"");
            } else {
                skip(fixture, Some(1), 1);
            }
            skip(fixture, Some(2), 3);
            check_starts(fixture);
            assert_eq!(fixture.range(), range);
            assert_eq!(deleted(fixture), gone);
        });
    }
}

/// Go: TestFileStoreIdxAccountingForSkipMsgs server/filestore_test.go:12476
#[test]
fn file_store_idx_accounting_for_skip_msgs() {
    for (calls, count) in [(1, 10), (10, 1)] {
        each(&large_blocks(), &plain(), |fixture| {
            fixture.put("foo", b"");
            for call in 0..calls {
                skip(fixture, Some(2 + call), count);
            }
            fixture.put("foo", b"");
            for restart in [|_: &mut Fixture| {}, release, Fixture::restart, rescan] {
                restart(fixture);
                assert_eq!(live(fixture), [1, 12]);
                assert_eq!(deleted(fixture), (2..=11).collect::<Vec<_>>());
                assert_eq!(fixture.store.load(7), Err(StoreError::NotFound));
            }
        });
    }
}

/// Go: TestFileStorePreserveLastSeqAfterCompact server/filestore_test.go:12785
#[test]
fn file_store_preserve_last_seq_after_compact() {
    each(&large_blocks(), &plain(), |fixture| {
        fixture.put("foo", b"");
        assert_eq!(fixture.store.compact(2), Ok(1));
        assert_eq!(fixture.range(), (0, 2, 1));
        check_starts(fixture);
    });
}

/// Go: TestFileStoreSkipMsgAndCompactRequiresAppend server/filestore_test.go:12816
#[test]
fn file_store_skip_msg_and_compact_requires_append() {
    each(&large_blocks(), &plain(), |fixture| {
        fixture.put("foo", &[0; 256 * 1024]);
        skip(fixture, None, 1);
        fixture.store.compact(2).unwrap();
        assert_eq!(fixture.range(), (0, 3, 2));
        skip(fixture, Some(3), 1);
        release(fixture);
        check_starts(fixture);
        assert_eq!(fixture.range(), (0, 4, 3));
        assert_eq!(fixture.put("foo", b""), 4);
        assert_eq!(live(fixture), [4]);
    });
}

/// Go: TestFileStoreSchedulingRecoveryAliasCorruption server/filestore_test.go:14916
#[test]
fn file_store_scheduling_recovery_alias_corruption() {
    let config = StoreConfig { allow_message_schedules: true, ..plain() };
    each(&small(4096), &config, |fixture| {
        let subjects: Vec<String> =
            (0..40).map(|index| format!("sched.AAAA-{index:05}-{}", "A".repeat(40))).collect();
        for (index, subject) in subjects.iter().enumerate() {
            let headers = format!(
                "NATS/1.0\r\nNats-Schedule: @at 2023-11-15T22:13:20Z\r\n\
                 Nats-Schedule-Target: target.{index}\r\nPad: {}\r\n\r\n",
                "X".repeat(200)
            );
            let new = NewMessage { headers: headers.as_bytes(), ..message(subject) };
            fixture.try_put(new).unwrap();
        }
        assert!(blocks(fixture).len() >= 2);
        rescan(fixture);
        let due = fixture.store.scheduled(fixture.now + Duration::from_secs(86_400)).unwrap();
        assert_eq!(due.len(), subjects.len());
        for (index, (due, subject)) in due.iter().zip(&subjects).enumerate() {
            assert_eq!(due.seq, index as u64 + 1);
            assert_eq!(due.subject, format!("target.{index}").as_bytes());
            let scheduler = format!("\r\nNats-Scheduler: {subject}\r\n");
            assert!(String::from_utf8_lossy(&due.headers).contains(&scheduler));
        }
    });
}
