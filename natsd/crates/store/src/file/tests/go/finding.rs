//! Finding and counting by subject, and what is read for it.

use std::collections::BTreeMap;

use natsd_base::Prng;

use super::each;
use super::layout::{loaded, release, remove, small};
use super::steps::{check_message, error_of, put_many, subject};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::one;
use crate::stream_store::{Filter, StoreConfig, StoreError, StreamStore, SubjectState};

fn any() -> StoreConfig {
    StoreConfig::default()
}

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

/// Keeps the last block in memory, and one that is being looked at.
fn frugal(block_size: u64) -> FileStoreConfig {
    FileStoreConfig { cache_size_max: 1, ..small(block_size) }
}

/// Go: TestFileStoreFilteredPendingBug server/filestore_test.go:3698
#[test]
fn file_store_filtered_pending_bug() {
    each(&large(), &any(), |fixture| {
        for subject in ["foo", "bar", "baz"] {
            fixture.put(subject, b"msg");
        }
        assert_eq!(fixture.store.filtered_state(3, one("foo")), SubjectState::default());
    });
}

/// Go: TestFileStoreNoFSSBugAfterRemoveFirst server/filestore_test.go:4578
#[test]
fn file_store_no_fss_bug_after_remove_first() {
    each(&large(), &any(), |fixture| {
        for index in 0..100 {
            fixture.put(&format!("foo.bar.{index}"), &b"ZZZ".repeat(33));
        }
        release(fixture);
        remove(fixture, [1]);
        let found = fixture.store.load_next(one("foo.>"), 1).unwrap().unwrap();
        assert_eq!(found.subject, b"foo.bar.1");
        assert!(fixture.store.subjects_state(one("foo.bar.0")).is_empty());
    });
}

/// Go: TestFileStoreFSSExpireNumPendingBug server/filestore_test.go:4715
#[test]
fn file_store_fss_expire_num_pending_bug() {
    let config = StoreConfig { messages_per_subject_max: Some(1), ..any() };
    each(&large(), &config, |fixture| {
        release(fixture);
        fixture.put("KV.X", b"Y");
        assert_eq!(fixture.store.filtered_state(1, one("KV.X")).messages, 1);
    });
}

/// Go: TestFileStoreFilteredFirstMatchingBug server/filestore_test.go:4739
#[test]
fn file_store_filtered_first_matching_bug() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo.foo", b"A", 3);
        release(fixture);
        // Which subjects there are in the block is known before the other one comes.
        assert!(fixture.store.load_next(one("foo.foo"), 2).unwrap().is_some());
        fixture.put("foo.bar", b"X");
        assert_eq!(fixture.store.load_next(one("foo.foo"), 4), Ok(None));
    });
}

/// Go: TestFileStoreStateWithBlkFirstDeleted server/filestore_test.go:4982
#[test]
fn file_store_state_with_blk_first_deleted() {
    each(&small(4096), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 500);
        assert!(fixture.store.blocks.len() > 2);
        let first = fixture.store.blocks[1].first.seq;
        remove(fixture, first..first + 10);
        assert_eq!(fixture.store.state().deleted, 10);
    });
}

/// Go: TestFileStoreAllFilteredStateWithDeleted server/filestore_test.go:5120
#[test]
fn file_store_all_filtered_state_with_deleted() {
    each(&small(1024), &any(), |fixture| {
        put_many(fixture, "foo", b"Hello World", 100);
        let steps: [(&[u64], _, _); 5] = [
            (&[], 1, (100, 1, 100)),
            (&[2], 2, (98, 3, 100)),
            (&[3, 4, 5], 2, (95, 6, 100)),
            (&[], 6, (95, 6, 100)),
            (&[8, 10, 12, 14, 16, 18], 7, (88, 7, 100)),
        ];
        for (removed, start, (messages, first, last)) in steps {
            remove(fixture, removed.iter().copied());
            let expected = SubjectState { messages, first, last };
            assert_eq!(fixture.store.filtered_state(start, Filter::All), expected);
        }
        fixture.store.purge().unwrap();
        assert_eq!(fixture.store.filtered_state(0, Filter::All).messages, 0);
        assert_eq!(fixture.range(), (0, 101, 100));
    });
}

/// Go: TestFileStoreSubjectsTotals server/filestore_test.go:5242
#[test]
fn file_store_subjects_totals() {
    each(&small(4096), &any(), |fixture| {
        let mut prng = Prng::from_seed(1);
        let mut totals: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for _ in 0..2000 {
            let kind = ["foo", "bar"][prng.below(2)];
            let subject = format!("{kind}.{}", prng.below(100));
            fixture.put(&subject, b"Hello World");
            *totals.entry(subject.into_bytes()).or_default() += 1;
        }
        for (subject, &total) in &totals {
            let found = fixture.store.subjects_totals(Filter::One(subject));
            assert_eq!(found, BTreeMap::from([(subject.clone(), total)]));
        }
        for (filter, prefix) in [("foo.*", "foo."), ("bar.*", "bar."), ("*.*", "")] {
            let mut expected = totals.clone();
            expected.retain(|subject, _| subject.starts_with(prefix.as_bytes()));
            assert_eq!(fixture.store.subjects_totals(one(filter)), expected);
        }
    });
}

/// Go: TestFileStoreNumPendingLargeNumBlks server/filestore_test.go:5360
#[test]
fn file_store_num_pending_large_num_blks() {
    each(&small(128), &any(), |fixture| {
        put_many(fixture, "zzz", &[b'X'; 100], 200);
        assert_eq!(fixture.store.blocks.len(), 200);
        let pending =
            |fixture: &mut super::Fixture, start| fixture.store.pending(start, one("zzz"), false);
        assert_eq!(pending(fixture, 80), (121, 200));
        assert_eq!(pending(fixture, 120), (81, 200));
        // One of the first half, and one of the second.
        remove(fixture, [20, 180]);
        assert_eq!(pending(fixture, 80), (120, 200));
        assert_eq!(pending(fixture, 120), (80, 200));
    });
}

/// Go: TestFileStoreRecaluclateFirstForSubjBug server/filestore_test.go:5481
#[test]
fn file_store_recaluclate_first_for_subj_bug() {
    each(&large(), &any(), |fixture| {
        for subject in ["foo", "bar", "foo"] {
            fixture.put(subject, b"");
        }
        remove(fixture, [1, 2]);
        release(fixture);
        let expected = SubjectState { messages: 1, first: 3, last: 3 };
        assert_eq!(subject(fixture, "foo"), expected);
    });
}

/// Go: TestFileStoreNumPendingLastBySubject server/filestore_test.go:6799
#[test]
fn file_store_num_pending_last_by_subject() {
    each(&small(1024), &any(), |fixture| {
        let mut prng = Prng::from_seed(1);
        for index in 1..=400 {
            let subject = format!("foo.{}.{index}", 1 + prng.below(20));
            fixture.put(&subject, &b"ABC".repeat(25));
        }
        assert!(fixture.store.blocks.len() > 40);
        fixture.restart();
        // Nothing is read to say what a new consumer has before it.
        for last_per_subject in [true, false] {
            let pending = fixture.store.pending(0, one("foo.*.*"), last_per_subject);
            assert_eq!(pending, (400, 400));
            assert_eq!(loaded(fixture), [0; 0]);
        }
        for filter in ["foo.10.*", "*.22.*", "*.*.222", "foo.5.399", "*.2.*"] {
            let start = 80 + prng.below(100) as u64;
            let mut expected = 0;
            for seq in start..=400 {
                let message = fixture.store.load(seq).unwrap();
                expected += u64::from(one(filter).matches(message.subject));
            }
            assert_eq!(fixture.store.pending(start, one(filter), true), (expected, 400));
        }
    });
}

/// Go: TestFileStoreFSSMeta server/filestore_test.go:6928
#[test]
fn file_store_fss_meta() {
    each(&frugal(100), &any(), |fixture| {
        // A Z, Z Z, Z Z, Z A.
        for subject in ["A", "Z", "Z", "Z", "Z", "Z", "Z", "A"] {
            fixture.put(subject, &[b'Z'; 19]);
        }
        release(fixture);
        assert_eq!(fixture.store.purge_matching(one("A"), 0, 0), Ok(2));
        assert_eq!(fixture.range(), (6, 2, 8));
        let last = fixture.store.blocks.back().unwrap().number;
        // Little of what was read stays in memory.
        assert!(loaded(fixture).iter().all(|&number| number == 4 || number == last));
        release(fixture);
        assert_eq!(subject(fixture, "Z").messages, 6);
        assert_eq!(subject(fixture, "A").messages, 0);
    });
}

/// Go: TestFileStoreExpireCacheOnLinearWalk server/filestore_test.go:6980
#[test]
fn file_store_expire_cache_on_linear_walk() {
    each(&frugal(100), &any(), |fixture| {
        put_many(fixture, "Z", &[b'Z'; 19], 10);
        assert_eq!(fixture.store.blocks.len(), 5);
        release(fixture);
        let walk = |fixture: &mut super::Fixture, seqs: &mut dyn Iterator<Item = u64>| {
            for seq in seqs {
                if fixture.store.deleted().contains(seq) {
                    assert_eq!(error_of(fixture, seq), StoreError::NotFound);
                } else {
                    check_message(fixture, seq, "Z", &[b'Z'; 19]);
                }
                assert!(loaded(fixture).len() <= 2);
            }
        };
        walk(fixture, &mut (1..=10));
        walk(fixture, &mut (1..=10).rev());
        remove(fixture, [2, 9]);
        walk(fixture, &mut (1..=10));
    });
}

/// Go: TestFileStoreOptimizeFirstLoadNextMsgWithSequenceZero server/filestore_test.go:7103
#[test]
fn file_store_optimize_first_load_next_msg_with_sequence_zero() {
    each(&small(4096), &any(), |fixture| {
        put_many(fixture, "foo.A", &b"ZZZ".repeat(33), 600);
        put_many(fixture, "foo.B", &b"ZZZ".repeat(33), 10);
        fixture.restart();
        let found = fixture.store.load_next(one("foo.B"), 0).unwrap().unwrap();
        assert_eq!(found.seq, 601);
        assert_eq!(loaded(fixture).len(), 1);
    });
}

/// Go: TestFileStoreFSSExpire server/filestore_test.go:7385
#[test]
fn file_store_fss_expire() {
    let file_config = FileStoreConfig { cache_size_max: 40 * 1024, ..small(8192) };
    each(&file_config, &any(), |fixture| {
        for index in 1..=1000 {
            fixture.put(&format!("foo.{index}"), b"abc");
        }
        assert_eq!(fixture.store.blocks.len(), 5);
        fixture.store.sync().unwrap();
        release(fixture);
        // What is asked for again and again stays in memory.
        for number in [2, 3, 4, 5] {
            fixture.store.load(11).unwrap();
            let index = fixture.store.block_from(number);
            let seq = fixture.store.blocks[index].first.seq;
            fixture.store.load(seq).unwrap();
            assert!(loaded(fixture).contains(&1));
        }
        assert!(!loaded(fixture).contains(&2));
    });
}

/// Go: TestFileStoreMultiLastSeqs server/filestore_test.go:7220
#[test]
fn file_store_multi_last_seqs() {
    each(&small(256), &any(), |fixture| {
        for kind in ["foo", "bar"] {
            for _ in 0..33 {
                for last in ["foo", "bar", "baz"] {
                    fixture.put(&format!("{kind}.{last}"), b"abc");
                }
            }
        }
        let cases: [(&[&str], u64, &[u64]); 13] = [
            (&["foo.*"], 3, &[1, 2, 3]),
            (&["foo.*"], 0, &[97, 98, 99]),
            (&["bar.*"], 0, &[196, 197, 198]),
            (&["bar.*"], 99, &[]),
            (&["foo.foo", "foo.bar", "foo.baz"], 3, &[1, 2, 3]),
            (&["foo.foo", "foo.bar", "foo.baz"], 0, &[97, 98, 99]),
            (&["bar.foo", "bar.bar", "bar.baz"], 0, &[196, 197, 198]),
            (&["bar.foo", "bar.bar", "bar.baz"], 99, &[]),
            (&["foo.foo"], 3, &[1]),
            // What two filters stand for comes once.
            (&["foo.*", "foo.bar"], 3, &[1, 2, 3]),
            (&["bar.>", "bar.bar", "bar.baz"], 0, &[196, 197, 198]),
            (&[">"], 0, &[97, 98, 99, 196, 197, 198]),
            (&[">"], 99, &[97, 98, 99]),
        ];
        for _ in 0..2 {
            for (filters, last, expected) in cases {
                let bytes: Vec<&[u8]> = filters.iter().map(|filter| filter.as_bytes()).collect();
                let found = fixture.store.last_seqs(&bytes, last, None);
                assert_eq!(found.as_deref(), Ok(expected), "{filters:?} {last}");
            }
            fixture.restart();
        }
    });
}

/// Go: TestFileStoreMultiLastSeqsMaxAllowed server/filestore_test.go:7304
#[test]
fn file_store_multi_last_seqs_max_allowed() {
    each(&large(), &any(), |fixture| {
        for index in 1..=100 {
            fixture.put(&format!("foo.{index}"), b"abc");
        }
        let found = fixture.store.last_seqs(&[b"foo.*"], 0, Some(10));
        assert_eq!(found, Err(StoreError::TooManyResults));
        assert_eq!(fixture.store.last_seqs(&[b"foo.*"], 0, Some(100)).unwrap().len(), 100);
    });
}
