//! What the limits of messages, bytes and messages per subject remove, and over a restart.

use super::layout::{deleted, small};
use super::steps::{check_restarts, put_many, size_of_message, subject};
use super::{Fixture, each};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::message;
use crate::stream_store::{
    Discard, NewMessage, StoreConfig, StoreError, StreamStore, SubjectState,
};

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

fn per_subject(max: u64) -> StoreConfig {
    StoreConfig { messages_per_subject_max: Some(max), ..StoreConfig::default() }
}

/// Go: TestFileStoreMsgLimit server/filestore_test.go:485
#[test]
fn file_store_msg_limit() {
    let config = StoreConfig { messages_max: Some(10), ..StoreConfig::default() };
    each(&large(), &config, |fixture| {
        put_many(fixture, "foo", b"Hello World", 10);
        assert_eq!(fixture.range(), (10, 1, 10));
        fixture.put("foo", b"Hello World");
        assert_eq!(fixture.range(), (10, 2, 11));
        assert!(fixture.store.load(1).is_err());
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreMsgLimitBug server/filestore_test.go:519
#[test]
fn file_store_msg_limit_bug() {
    let config = StoreConfig { messages_max: Some(1), ..StoreConfig::default() };
    each(&large(), &config, |fixture| {
        put_many(fixture, "foo", b"Hello World", 2);
        fixture.restart();
        fixture.put("foo", b"Hello World");
        assert_eq!(fixture.range(), (1, 3, 3));
    });
}

/// Go: TestFileStoreBytesLimit server/filestore_test.go:538
#[test]
fn file_store_bytes_limit() {
    let max = 128 * size_of_message("foo", &[0; 512]);
    let config = StoreConfig { bytes_max: Some(max), ..StoreConfig::default() };
    each(&large(), &config, |fixture| {
        for (count, first, last) in [(128, 1, 128), (10, 11, 138)] {
            put_many(fixture, "foo", &[0; 512], count);
            assert_eq!(fixture.range(), (128, first, last));
            assert_eq!(fixture.store.state().bytes, max);
        }
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreBytesLimitWithDiscardNew server/filestore_test.go:584
#[test]
fn file_store_bytes_limit_with_discard_new() {
    let discard = Discard::New;
    let config = StoreConfig { bytes_max: Some(100), discard, ..StoreConfig::default() };
    each(&large(), &config, |fixture| {
        for index in 0..10 {
            let result = fixture.try_put(NewMessage { body: &[0; 7], ..message("tiny") });
            let expected = if index < 2 { Ok(index + 1) } else { Err(StoreError::MaxBytes) };
            assert_eq!(result, expected);
        }
        let state = fixture.store.state();
        assert_eq!((state.messages, state.bytes), (2, 2 * size_of_message("tiny", &[0; 7])));
    });
}

/// Go: TestFileStoreStreamFailToRollBug server/filestore_test.go:3237
#[test]
fn file_store_stream_fail_to_roll_bug() {
    let config = StoreConfig { bytes_max: Some(300), ..StoreConfig::default() };
    each(&small(512), &config, |fixture| {
        put_many(fixture, "zzz", &b"ABC".repeat(33), 200);
        fixture.store.sync().unwrap();
        assert_eq!(fixture.store.blocks.len(), 1);
        let number = fixture.store.blocks[0].number;
        assert!(number >= 60);
        assert!(fixture.block(number).len() <= 512);
    });
}

/// Go: TestFileStoreMaxMsgsPerSubject server/filestore_test.go:4354
#[test]
fn file_store_max_msgs_per_subject() {
    each(&small(128), &per_subject(1), |fixture| {
        for _ in 0..2 {
            for index in 1..=100 {
                fixture.put(&format!("kv.{index}"), b"value");
            }
        }
        assert_eq!(fixture.range(), (100, 101, 200));
        assert_eq!(fixture.store.state().deleted, 0);
        // Blocks without messages are gone.
        assert!(fixture.store.blocks.iter().all(|block| block.count > 0));
        assert_eq!(fixture.store.blocks[0].first.seq, 101);
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreMaxMsgsAndMaxMsgsPerSubject server/filestore_test.go:4387
#[test]
fn file_store_max_msgs_and_max_msgs_per_subject() {
    let config = StoreConfig {
        messages_max: Some(100),
        discard: Discard::New,
        discard_new_per_subject: true,
        ..per_subject(1)
    };
    each(&small(128), &config, |fixture| {
        let try_put = |fixture: &mut Fixture, index: u64| {
            let subject = format!("kv.{index}");
            fixture.try_put(NewMessage { body: b"value", ..message(&subject) })
        };
        for index in 1..=100 {
            assert_eq!(try_put(fixture, index), Ok(index));
        }
        assert_eq!(try_put(fixture, 101), Err(StoreError::MaxMessages));
        for index in 1..=100 {
            assert_eq!(try_put(fixture, index), Err(StoreError::MaxMessagesPerSubject));
        }
        assert_eq!(fixture.range(), (100, 1, 100));
        assert_eq!(deleted(fixture), [0; 0]);
    });
}

/// Go: TestFileStoreUpdateMaxMsgsPerSubject server/filestore_test.go:4854
#[test]
fn file_store_update_max_msgs_per_subject() {
    each(&large(), &per_subject(10), |fixture| {
        fixture.store.update_config(per_subject(50), fixture.now);
        put_many(fixture, "foo", b"", 22);
        assert_eq!(subject(fixture, "foo").messages, 22);
        fixture.store.update_config(per_subject(10), fixture.now);
        assert_eq!(subject(fixture, "foo"), SubjectState { messages: 10, first: 13, last: 22 });
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreRebuildStateProperlyWithMaxMsgsPerSubject server/filestore_test.go:4823
#[test]
fn file_store_rebuild_state_properly_with_max_msgs_per_subject() {
    each(&small(4096), &per_subject(1), |fixture| {
        fixture.put("baz", b"");
        for _ in 0..300 {
            fixture.put("foo", b"");
            fixture.put("bar", b"");
        }
        fixture.store.rebuild().unwrap();
        let state = fixture.store.state();
        assert_eq!((state.messages, state.subjects), (3, 3));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreRestartWithExpireAndLockingBug server/filestore_test.go:5535
#[test]
fn file_store_restart_with_expire_and_locking_bug() {
    each(&large(), &StoreConfig::default(), |fixture| {
        for _ in 0..10 {
            fixture.put("A", b"HELLO WORLD");
            fixture.put("B", b"HELLO WORLD");
        }
        fixture.config = StoreConfig { messages_max: Some(15), ..per_subject(2) };
        fixture.restart();
        assert_eq!(fixture.range(), (4, 17, 20));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreFullStateTestSysRemovals server/filestore_test.go:6135
#[test]
fn file_store_full_state_test_sys_removals() {
    let config = StoreConfig { messages_max: Some(10), ..per_subject(1) };
    each(&small(100), &config, |fixture| {
        let steps: [(&[&str], _); 3] = [
            (&["A", "B", "A", "B"], (2, 3, 4)),
            (&["C", "D", "E", "F", "G", "H", "I", "J"], (10, 3, 12)),
            (&["ZZZ"], (10, 4, 13)),
        ];
        for (subjects, expected) in steps {
            for subject in subjects {
                fixture.put(subject, &[b'A'; 19]);
            }
            assert_eq!(fixture.range(), expected);
            check_restarts(fixture);
        }
    });
}

/// Go: TestFileStoreSelectBlockWithFirstSeqRemovals server/filestore_test.go:6212
#[test]
fn file_store_select_block_with_first_seq_removals() {
    const SUBJECTS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+@$^";
    let subjects: Vec<String> = SUBJECTS.chars().map(String::from).collect();
    each(&small(100), &per_subject(1), |fixture| {
        for subject in &subjects[..65] {
            fixture.put(subject, &[b'A'; 19]);
        }
        assert_eq!(fixture.store.blocks.len(), 33);
        // Every block loses its first message.
        for subject in subjects.iter().step_by(2) {
            fixture.put(subject, &[b'A'; 19]);
        }
        for _ in 0..2 {
            assert_eq!(fixture.range(), (65, 2, 98));
            for seq in 2..=98 {
                let index = fixture.store.block_of(seq);
                assert!(index < fixture.store.blocks.len());
                assert_eq!(fixture.store.load(seq).is_ok(), seq % 2 == 0 || seq > 65, "{seq}");
            }
            check_restarts(fixture);
        }
    });
}
