//! What is known after a restart: by the index, by an old index, and without one.

use std::collections::{BTreeMap, BTreeSet};

use natsd_base::Prng;

use super::each;
use super::layout::{loaded, read_file, release, remove, rescan, small, write_file};
use super::steps::{
    INDEX, check_message, check_restarts, error_of, everything, put_many, restart_with_index,
    subject,
};
use crate::disk::Disk;
use crate::file::FileStoreConfig;
use crate::stream_store::tests::one;
use crate::stream_store::{Filter, StoreConfig, StoreError, StreamStore, SubjectState};

fn any() -> StoreConfig {
    StoreConfig::default()
}

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

fn per_subject(max: u64) -> StoreConfig {
    StoreConfig { messages_per_subject_max: Some(max), ..any() }
}

/// Go: TestFileStoreFullStateBasics server/filestore_test.go:5755
#[test]
fn file_store_full_state_basics() {
    each(&small(100), &any(), |fixture| {
        fixture.put("A", &[b'A'; 19]);
        fixture.put("A", &[b'Z'; 19]);
        assert_eq!(fixture.store.blocks.len(), 1);
        fixture.restart();
        assert!(!read_file(fixture, INDEX).is_empty());
        let names = fixture.disk.list(&fixture.path("msgs")).unwrap();
        let is_old = |name: &str| name.ends_with(".fss") || name.ends_with(".idx");
        assert!(!names.iter().any(|entry| is_old(entry.name.to_str().unwrap())));
        assert_eq!(fixture.range(), (2, 1, 2));
        check_message(fixture, 1, "A", &[b'A'; 19]);
        check_message(fixture, 2, "A", &[b'Z'; 19]);
        // One more begins the second block. The index knows of it, and of nothing after that.
        fixture.put("A", &[b'Z'; 19]);
        fixture.restart();
        let index = read_file(fixture, INDEX);
        for count in [4, 5] {
            fixture.put("A", &[b'Z'; 19]);
            restart_with_index(fixture, &index);
            assert_eq!(fixture.range(), (count, 1, count));
            assert_eq!(fixture.store.state().bytes, count * 50);
            let expected = SubjectState { messages: count, first: 1, last: count };
            assert_eq!(subject(fixture, "A"), expected);
        }
    });
}

/// Go: TestFileStoreFullStateTestUserRemoveWAL server/filestore_test.go:6040
#[test]
fn file_store_full_state_test_user_remove_wal() {
    each(&small(132), &any(), |fixture| {
        fixture.put("A", &[b'A'; 19]);
        fixture.put("Z", &[b'Z'; 19]);
        remove(fixture, [1]);
        check_message(fixture, 2, "Z", &[b'Z'; 19]);
        assert_eq!(fixture.store.blocks.len(), 1);
        let before = everything(fixture);
        fixture.restart();
        let index = read_file(fixture, INDEX);
        check_message(fixture, 2, "Z", &[b'Z'; 19]);
        assert_eq!(error_of(fixture, 1), StoreError::NotFound);
        assert_eq!(everything(fixture), before);
        assert!(before.0.first_time.is_some());
        fixture.put("A", &[b'A'; 19]);
        fixture.put("Z", &[b'Z'; 19]);
        remove(fixture, [2, 4]);
        check_restarts(fixture);
        // Both removals are in the log, which the old index knows nothing of.
        let before = everything(fixture);
        restart_with_index(fixture, &index);
        assert_eq!(everything(fixture), before);
        assert!(before.0.first_time.is_some());
        assert!(fixture.store.lost().is_empty());
    });
}

/// Go: TestFileStoreFullStateMultiBlockPastWAL server/filestore_test.go:6376
#[test]
fn file_store_full_state_multi_block_past_wal() {
    each(&small(100), &any(), |fixture| {
        for subject in ["A", "B"] {
            fixture.put(subject, &[b'A'; 19]);
        }
        assert_eq!(fixture.store.blocks.len(), 1);
        fixture.restart();
        let index = read_file(fixture, INDEX);
        for subject in ["C", "D", "E", "F", "G", "H"] {
            fixture.put(subject, &[b'Z'; 19]);
        }
        assert_eq!(fixture.store.blocks.len(), 4);
        let before = everything(fixture);
        restart_with_index(fixture, &index);
        assert_eq!(everything(fixture), before);
        assert!(before.0.first_time.is_some());
    });
}

/// Go: TestFileStoreFullStateMidBlockPastWAL server/filestore_test.go:6436
#[test]
fn file_store_full_state_mid_block_past_wal() {
    each(&large(), &per_subject(1), |fixture| {
        for subject in ["A", "B", "C", "D", "E"] {
            fixture.put(subject, &[b'Z'; 19]);
        }
        fixture.restart();
        let index = read_file(fixture, INDEX);
        for subject in ["F", "G", "H", "I", "J"] {
            fixture.put(subject, &[b'Z'; 19]);
        }
        remove(fixture, [2]);
        assert_eq!(fixture.store.blocks.len(), 1);
        let before = everything(fixture);
        restart_with_index(fixture, &index);
        assert_eq!(everything(fixture), before);
        assert_eq!(fixture.store.damaged(), []);
        assert_eq!(read_file(fixture, INDEX), index);
    });
}

/// Go: TestFileStoreIndexDBExistsAfterShutdown server/filestore_test.go:6731
#[test]
fn file_store_index_db_exists_after_shutdown() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo.bar.baz", b"", 1000);
        fixture.restart();
        fixture.put("foo.bar.baz", b"");
        fixture.remove_file(INDEX);
        fixture.store.stop(fixture.now).unwrap();
        assert!(!read_file(fixture, INDEX).is_empty());
    });
}

/// Go: TestFileStoreLargeFullStateMetaCleanup server/filestore_test.go:6694
#[test]
fn file_store_large_full_state_meta_cleanup() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "foo.bar.baz", b"", 1000);
        fixture.store.stop(fixture.now).unwrap();
        let old = ["msgs/1.idx", "msgs/1.fss"];
        for name in old {
            write_file(fixture, name, &b"ABC".repeat(33));
        }
        fixture.reopen();
        for name in old {
            assert!(fixture.disk.open(&fixture.path(name), false).is_err());
        }
        assert_eq!(fixture.range(), (1000, 1, 1000));
    });
}

/// One to six tokens at random.
fn random_subject(prng: &mut Prng) -> String {
    let count = 1 + prng.below(6);
    let tokens: Vec<String> = (0..count)
        .map(|_| {
            let size = 2 + prng.below(4);
            (0..size).map(|_| format!("{:02x}", prng.below(256))).collect()
        })
        .collect();
    tokens.join(".")
}

/// Go: TestFileStoreLargeFullStatePSIM server/filestore_test.go:6666
/// Go: TestFileStoreTrackSubjLenForPSIM server/filestore_test.go:6587
#[test]
fn file_store_track_subj_len_for_psim() {
    each(&large(), &any(), |fixture| {
        let mut prng = Prng::from_seed(1);
        let mut subjects: BTreeSet<Vec<u8>> = BTreeSet::new();
        while subjects.len() < 1000 {
            let subject = random_subject(&mut prng);
            if subjects.insert(subject.clone().into_bytes()) {
                fixture.put(&subject, b"");
            }
        }
        let check = |fixture: &mut super::Fixture, subjects: &BTreeSet<Vec<u8>>| {
            let known = fixture.store.subjects_totals(Filter::All);
            assert!(known.keys().eq(subjects));
            assert!(known.values().all(|&total| total == 1));
            assert_eq!(fixture.store.state().subjects, subjects.len() as u64);
        };
        check(fixture, &subjects);
        for _ in 0..500 {
            let seq = 1 + prng.below(1000) as u64;
            if let Ok(message) = fixture.store.load(seq) {
                subjects.remove(message.subject);
                remove(fixture, [seq]);
            }
        }
        check(fixture, &subjects);
        fixture.restart();
        check(fixture, &subjects);
        rescan(fixture);
        check(fixture, &subjects);
        fixture.store.purge().unwrap();
        check(fixture, &BTreeSet::new());
    });
}

/// Go: TestFileStoreSubjectCorruption server/filestore_test.go:6764
#[test]
fn file_store_subject_corruption() {
    each(&small(4 * 1024), &any(), |fixture| {
        let mut prng = Prng::from_seed(1);
        let mut totals: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for _ in 0..500 {
            let subject = format!("foo.{}", 1 + prng.below(100));
            let body = b"ABC".repeat([33, 88, 55][prng.below(3)]);
            fixture.put(&subject, &body);
            *totals.entry(subject.into_bytes()).or_default() += 1;
        }
        rescan(fixture);
        assert_eq!(fixture.store.subjects_totals(Filter::All), totals);
    });
}

/// Go: TestFileStoreCorruptPSIMOnDisk server/filestore_test.go:6858
#[test]
fn file_store_corrupt_psim_on_disk() {
    for bad in ["foo\u{fffd}bar".as_bytes(), b"foo\x00bar", b"foo..bar", b"foo bar"] {
        each(&large(), &any(), |fixture| {
            fixture.put("foo.bar", b"ABC");
            fixture.put("foo.baz", b"XYZ");
            // Servers have written an index with a subject that was overwritten in memory.
            let info = fixture.store.subjects.remove(b"foo.bar").unwrap();
            fixture.store.subjects.insert(bad, info);
            fixture.restart();
            assert_eq!(fixture.store.load_last(one("foo.bar")).unwrap().body, b"ABC");
            assert_eq!(fixture.store.load_last(one("foo.baz")).unwrap().body, b"XYZ");
            assert_eq!(fixture.store.state().subjects, 2);
        });
    }
}

/// Go: TestFileStoreNoFSSWhenNoSubjects server/filestore_test.go:4540
/// Go: TestFileStoreNoFSSAfterRecover server/filestore_test.go:4622
#[test]
fn file_store_no_fss_when_no_subjects() {
    each(&large(), &any(), |fixture| {
        put_many(fixture, "", b"raft state", 100);
        for _ in 0..2 {
            let state = fixture.store.state();
            assert_eq!((state.messages, state.subjects), (100, 0));
            fixture.restart();
            assert_eq!(loaded(fixture), [0; 0]);
        }
        check_restarts(fixture);
        check_message(fixture, 50, "", b"raft state");
    });
}

/// Go: TestFileStoreExpireSubjectMeta server/filestore_test.go:4303
#[test]
fn file_store_expire_subject_meta() {
    each(&small(1024), &per_subject(1), |fixture| {
        for index in 1..=100 {
            fixture.put(&format!("kv.{index}"), b"value");
        }
        fixture.restart();
        assert_eq!(fixture.store.state().subjects, 100);
        assert_eq!(loaded(fixture), [0; 0]);
        let size = fixture.store.memory_size();
        assert_eq!(fixture.store.load_last(one("kv.22")).unwrap().seq, 22);
        assert_eq!(loaded(fixture).len(), 1);
        assert!(fixture.store.memory_size() > size);
        release(fixture);
        assert_eq!(fixture.store.memory_size(), size);
    });
}

/// Go: TestFileStoreSubjectStateCacheExpiration server/filestore_test.go:4432
#[test]
fn file_store_subject_state_cache_expiration() {
    for restarts in [false, true] {
        each(&small(32), &per_subject(2), |fixture| {
            for kind in ["foo", "bar"] {
                for index in 1..=100 {
                    fixture.put(&format!("kv.{kind}.{index}"), b"value");
                }
            }
            if restarts {
                fixture.restart();
            } else {
                release(fixture);
            }
            assert_eq!(fixture.store.subjects_state(one("kv.bar.>")).len(), 100);
            let expected = SubjectState { messages: 1, first: 199, last: 199 };
            assert_eq!(subject(fixture, "kv.bar.99"), expected);
            fixture.put("kv.foo.1", b"value22");
            assert_eq!(fixture.store.state().messages, 201);
            let expected = SubjectState { messages: 2, first: 1, last: 201 };
            assert_eq!(subject(fixture, "kv.foo.1"), expected);
        });
    }
}
