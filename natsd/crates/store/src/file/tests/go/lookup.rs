//! Finding and counting messages, and which blocks are read for it.

use natsd_base::Prng;
use natsd_subject::SubjectSet;

use super::layout::{blocks, loaded, put_many, release, remove, rescan, roll, small};
use super::{Fixture, each};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::{filters, one};
use crate::stream_store::{Filter, StoreConfig, StoreError, StreamStore, SubjectState};

fn limited(messages_per_subject_max: u64) -> StoreConfig {
    let messages_per_subject_max = Some(messages_per_subject_max);
    StoreConfig { messages_per_subject_max, ..StoreConfig::default() }
}

fn next(fixture: &mut Fixture, filter: Filter<'_>, start: u64) -> Option<u64> {
    fixture.store.load_next(filter, start).unwrap().map(|message| message.seq)
}

#[track_caller]
fn check_state(fixture: &mut Fixture, filter: &str, messages: u64, first: u64, last: u64) {
    let state = fixture.store.filtered_state(0, one(filter));
    assert_eq!(state, SubjectState { messages, first, last }, "{filter}");
}

/// Go: TestFileStoreFSSExpireNumPending server/filestore_test.go:7422
#[test]
fn file_store_fss_expire_num_pending() {
    each(&small(8192), &limited(1), |fixture| {
        for number in 1..=2_000 {
            fixture.put(&format!("foo.A.{number}"), b"abc");
            fixture.put(&format!("foo.B.{number}"), b"abc");
        }
        release(fixture);
        let idle = fixture.store.memory_size();
        for restart in [release, Fixture::restart] {
            restart(fixture);
            assert_eq!(fixture.store.pending(2_000, one("foo.A.*"), false).0, 1_000);
            assert_eq!(fixture.store.pending(3_000, one("foo.B.*"), false).0, 501);
            // What is read for it stays for the next question, but within the budget.
            assert!(loaded(fixture).len() * 2 < blocks(fixture).len());
            fixture.store.release_caches();
            assert!(loaded(fixture).is_empty());
            assert!(fixture.store.memory_size() <= idle);
        }
    });
}

/// Go: TestFileStoreLoadLastWildcard server/filestore_test.go:7596
#[test]
fn file_store_load_last_wildcard() {
    each(&small(512), &StoreConfig::default(), |fixture| {
        fixture.put("foo.22.baz", b"hello");
        fixture.put("foo.22.bar", b"hello");
        for _ in 0..500 {
            fixture.put("foo.11.foo", b"hello");
        }
        for start in [release, Fixture::restart, rescan] {
            start(fixture);
            assert_eq!(fixture.store.load_last(one("foo.22.*")).unwrap().seq, 2);
            assert_eq!(loaded(fixture), [1]);
        }
    });
}

/// Go: TestFileStoreLoadLastWildcardWithPresenceMultipleBlocks server/filestore_test.go:7638
#[test]
fn file_store_load_last_wildcard_with_presence_multiple_blocks() {
    each(&small(64), &StoreConfig::default(), |fixture| {
        fixture.put("foo.22.bar", b"hello");
        fixture.put("foo.22.baz", b"ok");
        fixture.put("foo.22.baz", b"ok");
        fixture.put("foo.22.bar", b"hello22");
        assert!(blocks(fixture).len() > 1);
        for start in [release, Fixture::restart, rescan] {
            start(fixture);
            assert_eq!(fixture.store.load_last(one("foo.*.bar")).unwrap().body, b"hello22");
        }
    });
}

/// Go: TestFileStoreFilteredPendingPSIMFirstBlockUpdate server/filestore_test.go:7658
#[test]
fn file_store_filtered_pending_psim_first_block_update() {
    each(&small(512), &StoreConfig::default(), |fixture| {
        fixture.put("foo.baz", b"hello");
        for _ in 0..1_000 {
            fixture.put("foo.foo", b"hello");
        }
        fixture.put("foo.baz", b"hello");
        fixture.put("foo.baz", b"hello");
        remove(fixture, [1]);
        assert_eq!(blocks(fixture).len(), 84);
        check_state(fixture, "foo.baz", 2, 1_002, 1_003);
        // What is between is not read again.
        release(fixture);
        check_state(fixture, "foo.baz", 2, 1_002, 1_003);
        assert!(loaded(fixture).len() <= 2, "{:?}", loaded(fixture));
    });
}

/// Go: TestFileStoreWildcardFilteredPendingPSIMFirstBlockUpdate server/filestore_test.go:7717
#[test]
fn file_store_wildcard_filtered_pending_psim_first_block_update() {
    each(&small(512), &StoreConfig::default(), |fixture| {
        fixture.put("foo.22.baz", b"hello");
        fixture.put("foo.22.bar", b"hello");
        for _ in 0..1_000 {
            fixture.put("foo.1.foo", b"hello");
        }
        for subject in ["foo.22.baz", "foo.22.baz", "foo.22.bar", "foo.22.bar"] {
            fixture.put(subject, b"hello");
        }
        remove(fixture, [1, 2]);
        assert_eq!(blocks(fixture).len(), 92);
        check_state(fixture, "foo.22.*", 4, 1_003, 1_006);
        release(fixture);
        check_state(fixture, "foo.22.*", 4, 1_003, 1_006);
        assert!(loaded(fixture).len() <= 2, "{:?}", loaded(fixture));
        check_state(fixture, "foo.22.baz", 2, 1_003, 1_004);
        check_state(fixture, "foo.22.bar", 2, 1_005, 1_006);
    });
}

/// Go: TestFileStoreFilteredPendingPSIMFirstBlockUpdateNextBlock server/filestore_test.go:7808
#[test]
fn file_store_filtered_pending_psim_first_block_update_next_block() {
    each(&small(128), &StoreConfig::default(), |fixture| {
        for _ in 0..4 {
            fixture.put("foo.22.bar", b"hello");
            fixture.put("foo.22.baz", b"hello");
        }
        assert_eq!(blocks(fixture).len(), 4);
        check_state(fixture, "foo.22.bar", 4, 1, 7);
        remove(fixture, [1]);
        check_state(fixture, "foo.22.bar", 3, 3, 7);
        remove(fixture, [2]);
        assert_eq!(blocks(fixture)[0], 2);
        check_state(fixture, "foo.*.baz", 3, 4, 8);
        check_state(fixture, "foo.22.baz", 3, 4, 8);
        fixture.restart();
        check_state(fixture, "foo.*.baz", 3, 4, 8);
        check_state(fixture, "foo.22.bar", 3, 3, 7);
    });
}

/// Go: TestFileStoreLargeSparseMsgsDoNotLoadAfterLast server/filestore_test.go:7901
#[test]
fn file_store_large_sparse_msgs_do_not_load_after_last() {
    each(&small(128), &StoreConfig::default(), |fixture| {
        for _ in 0..2 {
            fixture.put("foo.22.bar", b"hello");
            fixture.put("foo.22.baz", b"hello");
        }
        for _ in 0..16 {
            fixture.put("foo.22.baz", b"hello");
        }
        assert_eq!(blocks(fixture).len(), 10);
        for filter in ["foo.*.bar", "foo.22.bar"] {
            for start in [release, Fixture::restart] {
                start(fixture);
                assert_eq!(next(fixture, one(filter), 4), None);
                assert!(loaded(fixture).len() <= 1, "{:?}", loaded(fixture));
            }
        }
    });
}

/// Go: TestFileStoreCheckSkipFirstBlockBug server/filestore_test.go:7953
#[test]
fn file_store_check_skip_first_block_bug() {
    each(&small(128), &StoreConfig::default(), |fixture| {
        for subject in ["BB", "BB", "AA", "BB", "BB", "BB", "BB", "BB", "AA", "AA"] {
            fixture.put(&format!("foo.{subject}.bar"), b"hello");
        }
        assert_eq!(blocks(fixture).len(), 5);
        remove(fixture, [3, 4]);
        assert!(!blocks(fixture).contains(&2));
        for start in [release, Fixture::restart, rescan] {
            start(fixture);
            assert_eq!(next(fixture, one("foo.AA.bar"), 4), Some(9));
        }
    });
}

/// Go: TestFileStoreCheckSkipFirstBlockNotLoadOldBlocks server/filestore_test.go:8119
#[test]
fn file_store_check_skip_first_block_not_load_old_blocks() {
    each(&small(128), &StoreConfig::default(), |fixture| {
        let mut subjects = vec!["BB", "AA"];
        subjects.extend(["BB"; 6]);
        subjects.extend(["AA", "AA"]);
        subjects.extend(["BB"; 4]);
        for subject in subjects {
            fixture.put(&format!("foo.{subject}.bar"), b"hello");
        }
        assert_eq!(blocks(fixture).len(), 7);
        remove(fixture, [1, 2]);
        assert_eq!(blocks(fixture)[0], 2);
        release(fixture);
        assert_eq!(next(fixture, one("foo.AA.bar"), 11), None);
        assert!(loaded(fixture).len() <= 1, "{:?}", loaded(fixture));
    });
}

/// Go: TestFileStoreNumPendingMulti server/filestore_test.go:9242
#[test]
fn file_store_num_pending_multi() {
    each(&small(8192), &StoreConfig::default(), |fixture| {
        let mut prng = Prng::from_seed(9242);
        for _ in 0..2_000 {
            fixture.put(&format!("ev.{}", prng.below(200)), b"ZZZZZZZZZ");
        }
        let mut wanted = SubjectSet::with_seed(1);
        for _ in 0..100 {
            wanted.insert(format!("ev.{}", prng.below(200)).as_bytes(), ()).unwrap();
        }
        for start in [0, 1, 100, 999, 1_000, 1_777, 2_000, 2_001] {
            let mut expected = 0;
            for seq in start.max(1)..=2_000 {
                let message = fixture.store.load(seq).unwrap();
                expected += u64::from(wanted.has_interest(message.subject));
            }
            let found = fixture.store.pending(start, Filter::Any(&wanted), false);
            assert_eq!(found, (expected, 2_000), "{start}");
        }
    });
}

/// Go: TestFileStoreAllLastSeqs server/filestore_test.go:10364
#[test]
fn file_store_all_last_seqs() {
    each(&small(2048), &limited(50), |fixture| {
        let subjects = ["foo.foo", "foo.bar", "foo.baz", "bar.foo", "bar.bar", "bar.baz"];
        let mut prng = Prng::from_seed(10_364);
        for _ in 0..2_000 {
            fixture.put(subjects[prng.below(subjects.len())], b"abc");
        }
        let mut expected: Vec<u64> = subjects
            .iter()
            .map(|subject| fixture.store.load_last(one(subject)).unwrap().seq)
            .collect();
        expected.sort_unstable();
        for start in [release, Fixture::restart, rescan] {
            start(fixture);
            assert_eq!(fixture.store.last_seqs(&[b">"], 0, None).unwrap(), expected);
        }
    });
}

/// Go: TestFileStoreSubjectForSeq server/filestore_test.go:10485
#[test]
fn file_store_subject_for_seq() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        assert_eq!(fixture.put("foo.bar", b""), 1);
        for start in [release, Fixture::restart] {
            start(fixture);
            assert_eq!(fixture.store.subject_of(0), Err(StoreError::NotFound));
            assert_eq!(fixture.store.subject_of(1), Ok(&b"foo.bar"[..]));
            assert_eq!(fixture.store.subject_of(2), Err(StoreError::NotFound));
        }
    });
}

/// Go: TestFileStoreSubjectForSeqAliasRace server/filestore_test.go:15081
#[test]
fn file_store_subject_for_seq_alias_race() {
    let file_config = FileStoreConfig { cache_size_max: 2048, ..small(1024) };
    each(&file_config, &StoreConfig::default(), |fixture| {
        let subjects: Vec<String> =
            (1..=256).map(|seq| format!("foo.seq-{seq:05}-{}", "A".repeat(40))).collect();
        for subject in &subjects {
            fixture.put(subject, b"payload");
        }
        release(fixture);
        assert!(blocks(fixture).len() >= 4);
        let mut prng = Prng::from_seed(15_081);
        for turn in 0..400 {
            let index = prng.below(subjects.len());
            let found = fixture.store.subject_of(index as u64 + 1).unwrap();
            assert_eq!(found, subjects[index].as_bytes());
            // A few blocks at most are in memory, so that there is always one that comes and goes.
            assert!(loaded(fixture).len() <= 3);
            if turn % 50 == 0 {
                release(fixture);
            }
        }
    });
}

/// Go: TestFileStoreFirstMatchingMultiExpiry server/filestore_test.go:10545
#[test]
fn file_store_first_matching_multi_expiry() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        for body in [b"A", b"B", b"C"] {
            fixture.put("foo.foo", body);
        }
        release(fixture);
        let wanted = filters(&["foo.foo"]);
        for seq in 1..=3 {
            assert_eq!(next(fixture, Filter::Any(&wanted), seq), Some(seq));
        }
        // Whoever has read to the end does not hold the block.
        release(fixture);
        assert_eq!(next(fixture, Filter::Any(&wanted), 4), None);
    });
}

/// Go: TestFileStoreLoadNextMsgSkipAhead server/filestore_test.go:13306
/// Go: TestFileStoreLoadNextMsgMultiSkipAhead server/filestore_test.go:13375
#[test]
fn file_store_load_next_msg_skip_ahead() {
    for has_two_subjects in [false, true] {
        each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
            for index in 0..10 {
                let subject = if has_two_subjects && index % 2 == 0 { "c" } else { "a" };
                fixture.put(subject, b"");
                if index % 2 == 1 {
                    roll(fixture);
                }
            }
            fixture.put("b", b"");
            let wanted = filters(&["b", "d"]);
            for filter in [one("b"), one("b.>"), Filter::Any(&wanted)] {
                let expected = if matches!(filter, Filter::One(b"b.>")) { None } else { Some(11) };
                for (start, allowed) in [(0, &[6][..]), (3, &[2, 6])] {
                    for restart in [release, Fixture::restart, rescan] {
                        restart(fixture);
                        assert_eq!(next(fixture, filter, start), expected);
                        let read = loaded(fixture);
                        assert!(read.iter().all(|number| allowed.contains(number)), "{read:?}");
                    }
                }
            }
        });
    }
}

/// Go: TestFileStoreDontLoadSubjectStateIfNotPurged server/filestore_test.go:14683
/// Go: TestFileStoreOnlyLoadSubjectStateOnBlocksWithinInterestRange server/filestore_test.go:14708
#[test]
fn file_store_only_load_subject_state_on_blocks_within_interest_range() {
    for restart in [release, Fixture::restart] {
        each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
            fixture.put("foo", b"");
            roll(fixture);
            fixture.put("bar", b"");
            restart(fixture);
            assert_eq!(fixture.store.purge_matching(one("baz"), 0, 0), Ok(0));
            assert!(loaded(fixture).is_empty());
            assert_eq!(fixture.store.purge_matching(one("bar"), 0, 0), Ok(1));
            assert_eq!(loaded(fixture), [2]);
            assert_eq!(fixture.range(), (1, 1, 2));
        });
    }
}

/// Go: TestFileStoreRemovePerSubjectWithMultipleBlocks server/filestore_test.go:14745
#[test]
fn file_store_remove_per_subject_with_multiple_blocks() {
    for restart in [release, Fixture::restart, rescan] {
        each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
            fixture.put("foo", b"");
            roll(fixture);
            fixture.put("foo", b"");
            restart(fixture);
            check_state(fixture, "foo", 2, 1, 2);
            remove(fixture, [2]);
            assert_eq!(next(fixture, one("foo"), 0), Some(1));
            assert_eq!(fixture.store.load_last(one("foo")).unwrap().seq, 1);
            check_state(fixture, "foo", 1, 1, 1);
        });
    }
}

/// Go: TestFileStoreSelectMsgBlockBinarySearch server/filestore_test.go:14040
#[test]
fn file_store_select_msg_block_binary_search() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        for index in 0..33 {
            if index > 0 {
                roll(fixture);
            }
            put_many(fixture, "foo", 2);
            if index == 15 {
                for seq in [2, 5] {
                    roll(fixture);
                    remove(fixture, [seq]);
                }
            }
        }
        assert_eq!(blocks(fixture).len(), 35);
        for restart in [release, Fixture::restart, rescan] {
            for (seq, block) in [(1, 1), (6, 3), (10, 5), (32, 16), (33, 19), (64, 34), (66, 35)] {
                restart(fixture);
                assert_eq!(fixture.store.load(seq).unwrap().seq, seq);
                assert_eq!(loaded(fixture), [block]);
            }
            for seq in [2, 5] {
                assert_eq!(fixture.store.load(seq), Err(StoreError::NotFound));
            }
        }
    });
}

/// Go: TestFileStoreMaxMsgsPerSubjectOneStaleFblkAfterRestart server/filestore_test.go:8856
#[test]
fn file_store_max_msgs_per_subject_one_stale_fblk_after_restart() {
    each(&small(256), &limited(1), |fixture| {
        fixture.put("foo.0", b"hello");
        let mut number = 0;
        while blocks(fixture).len() < 2 {
            number += 1;
            fixture.put(&format!("foo.{number}"), b"hello");
        }
        let seq = fixture.put("foo.0", b"hello");
        for restart in [release, Fixture::restart, Fixture::restart, rescan] {
            restart(fixture);
            let found = fixture.store.load_last(one("foo.0")).unwrap();
            assert_eq!((found.seq, found.subject), (seq, &b"foo.0"[..]));
            assert_eq!(loaded(fixture), [2]);
            check_state(fixture, "foo.0", 1, seq, seq);
        }
    });
}

/// Go: TestFileStoreCacheLookupOnEmptyBlock server/filestore_test.go:11772
#[test]
fn file_store_cache_lookup_on_empty_block() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        assert_eq!(fixture.store.load(1), Err(StoreError::BeyondLast));
        fixture.put("foo", b"");
        fixture.store.purge().unwrap();
        release(fixture);
        assert_eq!(fixture.store.load(1), Err(StoreError::NotFound));
        assert_eq!(fixture.store.load(2), Err(StoreError::BeyondLast));
        assert!(loaded(fixture).is_empty());
    });
}

/// Go: TestFileStoreDontExpireCacheWithRecentWrite server/filestore_test.go:14608
#[test]
fn file_store_dont_expire_cache_with_recent_write() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        fixture.put("foo", b"");
        // It is only there until it is flushed.
        fixture.store.release_caches();
        assert_eq!(loaded(fixture), [1]);
        assert_eq!(next(fixture, Filter::All, 0), Some(1));
        release(fixture);
        assert_eq!(next(fixture, Filter::All, 0), Some(1));
        release(fixture);
    });
}

/// Go: TestFileStoreDoesntRebuildSubjectStateWithNoTrack server/filestore_test.go:13287
#[test]
fn file_store_doesnt_rebuild_subject_state_with_no_track() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        // The log of a RAFT group has no subjects.
        put_many(fixture, "", 3);
        for restart in [Fixture::kill, Fixture::restart, rescan] {
            restart(fixture);
            assert_eq!(fixture.store.state().subjects, 0);
        }
        fixture.store.truncate(1, fixture.now).unwrap();
        assert_eq!(fixture.range(), (1, 1, 1));
        assert_eq!(fixture.store.state().subjects, 0);
        assert_eq!(fixture.store.load(1).unwrap().subject, b"");
    });
}
