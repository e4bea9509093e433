//! Blocks that are not what they were thought to be.

use super::layout::{
    MARK_SIZE, check_starts, deleted, live, put_many, read_file, release, remove, rescan, roll,
    tidy, write_file,
};
use super::{Fixture, each};
use crate::block::{BlockHash, Damage, Record, RecordKind};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::{START, TICK, message};
use crate::stream_store::{NewMessage, StoreConfig, StoreError, StreamStore};

const FOO_SIZE: usize = 33;
/// Where the first message is.
const AT: usize = MARK_SIZE;

fn large_blocks() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

/// The record of a message on `foo`, of the block `number`.
fn record(number: u32, seq: u64, headers: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (kind, timestamp) = (RecordKind::Message, START);
    let record = Record { seq, timestamp, kind, subject: b"foo", headers, body: b"" };
    record.encode(&BlockHash::new("S", number), &mut out).unwrap();
    out
}

/// Go: TestFileStoreCorruptedNonOrderedSequences server/filestore_test.go:11664
#[test]
fn file_store_corrupted_non_ordered_sequences() {
    let cases: [([u64; 4], &[u64], &[u64]); 2] =
        [([1, 3, 2, 4], &[1, 3, 4], &[2]), ([1, 2, 2, 3], &[1, 2, 3], &[])];
    for (seqs, expected, gone) in cases {
        each(&large_blocks(), &StoreConfig::default(), |fixture| {
            fixture.put("foo", b"");
            fixture.store.flush().unwrap();
            fixture.damage(1, |bytes| {
                bytes.clear();
                seqs.iter().for_each(|&seq| bytes.extend(record(1, seq, b"")));
            });
            fixture.reopen();
            for restart in [release, Fixture::restart, rescan] {
                assert_eq!(live(fixture), expected);
                assert_eq!(deleted(fixture), gone);
                assert_eq!(fixture.store.state().messages, 3);
                restart(fixture);
            }
            assert_eq!(live(fixture), expected);
        });
    }
}

/// Go: TestFileStoreIndexCacheBufIdxMismatch server/filestore_test.go:12884
#[test]
fn file_store_index_cache_buf_idx_mismatch() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(&str, Change, &[u64], &[u64]); 5] = [
        ("empty", |bytes| bytes.clear(), &[], &[]),
        ("half", |bytes| bytes.truncate(AT + 5 * FOO_SIZE / 2), &[1, 2], &[3, 4, 5]),
        ("without head", |bytes| drop(bytes.drain(AT..AT + FOO_SIZE)), &[2, 3, 4, 5], &[]),
        ("without tail", |bytes| bytes.truncate(AT + 4 * FOO_SIZE), &[1, 2, 3, 4], &[5]),
        (
            "without both",
            |bytes| {
                bytes.truncate(AT + 4 * FOO_SIZE);
                bytes.drain(AT..AT + FOO_SIZE);
            },
            &[2, 3, 4],
            &[5],
        ),
    ];
    for (name, change, expected, gone) in cases {
        each(&large_blocks(), &StoreConfig::default(), |fixture| {
            put_many(fixture, "foo", 5);
            release(fixture);
            fixture.damage(1, change);
            // Whoever finds it out is told; what is asked next is right.
            let missing = (1..=5).find(|seq| !expected.contains(seq)).unwrap();
            assert!(fixture.store.load(missing).is_err(), "{name}");
            assert_eq!(live(fixture), expected, "{name}");
            assert_eq!(deleted(fixture), gone, "{name}");
            let first = expected.first().copied().unwrap_or(6);
            assert_eq!(fixture.range(), (expected.len() as u64, first, 5), "{name}");
            // A sequence is never given away twice.
            assert_eq!(fixture.put("foo", b""), 6, "{name}");
            for restart in [Fixture::kill, Fixture::restart, rescan] {
                restart(fixture);
                assert_eq!(live(fixture), [expected, &[6]].concat(), "{name}");
            }
        });
    }
}

/// Go: TestFileStoreIndexCacheBufTombstoneMismatch server/filestore_test.go:13003
/// Go: TestFileStoreIndexCacheBufTombstoneMismatchAfterCompact server/filestore_test.go:13035
/// Go: TestFileStoreIndexCacheBufEraseMsgMismatch server/filestore_test.go:13072
#[test]
fn file_store_index_cache_buf_tombstone_mismatch() {
    for (is_erased, is_compacted) in [(false, false), (false, true), (true, false), (true, true)] {
        each(&large_blocks(), &StoreConfig::default(), |fixture| {
            put_many(fixture, "foo", 6);
            fixture.store.stop(fixture.now).unwrap();
            let stale = read_file(fixture, "msgs/index.db");
            fixture.reopen();
            for seq in 2..=5 {
                let removed = if is_erased {
                    fixture.store.erase(seq).unwrap()
                } else {
                    fixture.store.remove(seq).unwrap()
                };
                assert!(removed);
            }
            if is_compacted {
                roll(fixture);
                tidy(fixture);
            }
            let before = fixture.store.state();
            fixture.store.flush().unwrap();
            write_file(fixture, "msgs/index.db", &stale);
            fixture.reopen();
            assert_eq!(fixture.store.state(), before);
            assert_eq!(deleted(fixture), [2, 3, 4, 5]);
            assert_eq!(live(fixture), [1, 6]);
            check_starts(fixture);
        });
    }
}

/// What is known of the deleted ones in memory does not count against what the block holds.
#[test]
fn deleted_sequences_that_got_lost_in_memory_are_found_again() {
    each(&large_blocks(), &StoreConfig::default(), |fixture| {
        put_many(fixture, "foo", 3);
        remove(fixture, [2]);
        let before = fixture.store.state();
        release(fixture);
        fixture.store.deleted.clear();
        assert!(fixture.store.load(2).is_err());
        assert_eq!(fixture.store.state(), before);
        assert_eq!(live(fixture), [1, 3]);
    });
}

/// Go: TestFileStoreCorruptionSetsHbitWithoutHeaders server/filestore_test.go:14485
#[test]
fn file_store_corruption_sets_hbit_without_headers() {
    let mut bad = Vec::new();
    let empty = Record {
        seq: 2,
        timestamp: START,
        kind: RecordKind::Message,
        subject: b"",
        headers: b"",
        body: b"",
    };
    let hash = BlockHash::new("S", 1);
    empty.encode(&hash, &mut bad).unwrap();
    bad[3] |= 0x80;
    // A single wrong bit would be made right.
    *bad.last_mut().unwrap() ^= 0xff;
    assert_eq!(Record::decode(&hash, &bad), Err(Damage::Sizes));
    assert_eq!(Record::decode_checked(&bad), Err(Damage::Sizes));
    for is_found_by_reading in [false, true] {
        each(&large_blocks(), &StoreConfig::default(), |fixture| {
            put_many(fixture, "foo", 3);
            fixture.restart();
            // In the place of the second message.
            let change = |bytes: &mut Vec<u8>| {
                drop(bytes.splice(AT + FOO_SIZE..AT + 2 * FOO_SIZE, bad.clone()))
            };
            if is_found_by_reading {
                fixture.damage(1, change);
                assert!(fixture.store.load(2).is_err());
            } else {
                fixture.store.stop(fixture.now).unwrap();
                fixture.damage(1, change);
                fixture.remove_file("msgs/index.db");
                fixture.reopen();
            }
            assert_eq!(live(fixture), [1, 3]);
            assert_eq!(fixture.store.load(2), Err(StoreError::Damaged));
            let damaged = fixture.store.damaged();
            assert_eq!(damaged.len(), 1);
            assert_eq!((damaged[0].offset, damaged[0].damage), (AT + FOO_SIZE, Damage::Sizes));
        });
    }
}

/// Go: TestFileStoreNoPanicOnRecoverTTLWithCorruptBlocks server/filestore_test.go:10583
#[test]
fn file_store_no_panic_on_recover_ttl_with_corrupt_blocks() {
    const HEADERS: &[u8] = b"NATS/1.0\r\nNats-TTL: 1\r\n\r\n";
    let config = StoreConfig { allow_message_ttl: true, ..StoreConfig::default() };
    for has_index in [true, false] {
        each(&large_blocks(), &config, |fixture| {
            for index in 0..3 {
                if index > 0 {
                    roll(fixture);
                }
                fixture.try_put(NewMessage { headers: HEADERS, ..message("foo") }).unwrap();
            }
            fixture.store.stop(fixture.now).unwrap();
            // The last block says that it has the message of the first one.
            fixture.remove_file("msgs/2.blk");
            write_file(fixture, "msgs/3.blk", &record(3, 1, HEADERS));
            if !has_index {
                fixture.remove_file("msgs/index.db");
            }
            fixture.reopen();
            assert_eq!(live(fixture), [1]);
            let expires = fixture.store.next_expiration().unwrap();
            assert!(
                expires > START && expires <= START + 5 * TICK + std::time::Duration::from_secs(1)
            );
            assert_eq!(fixture.store.expire(expires), Ok(1));
        });
    }
}
