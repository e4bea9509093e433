//! Messages with a time of their own, over restarts.

use std::time::Duration;

use natsd_base::Timestamp;

use super::layout::{blocks, check_starts, put_many, release, rescan};
use super::{Fixture, each};
use crate::disk::Disk;
use crate::file::FileStoreConfig;
use crate::markers::marker_headers;
use crate::stream_store::tests::message;
use crate::stream_store::{NewMessage, StoreConfig, StreamStore};
use crate::ttl::Ttl;

const SECOND: Duration = Duration::from_secs(1);

fn large_blocks() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

fn with_ttl() -> StoreConfig {
    StoreConfig { allow_message_ttl: true, ..StoreConfig::default() }
}

/// Stores an empty message that lives for so many seconds and says so.
#[track_caller]
fn put_for(fixture: &mut Fixture, seconds: u64) {
    let headers = format!("NATS/1.0\r\nNats-TTL: {seconds}\r\n\r\n");
    let ttl = Some(Ttl::After(Duration::from_secs(seconds)));
    let new = NewMessage { headers: headers.as_bytes(), ttl, ..message("test") };
    fixture.try_put(new).unwrap();
}

/// Waits, and removes what is over then.
#[track_caller]
fn wait(fixture: &mut Fixture, time: Duration) {
    fixture.now = fixture.now + time;
    fixture.store.expire(fixture.now).unwrap();
    fixture.check();
}

/// Go: TestFileStoreMessageTTL server/filestore_test.go:9292
/// Go: TestFileStoreMessageTTLRestart server/filestore_test.go:9320
#[test]
fn file_store_message_ttl() {
    for restart in [|_: &mut Fixture| {}, Fixture::restart, Fixture::kill] {
        each(&large_blocks(), &with_ttl(), |fixture| {
            for _ in 0..10 {
                put_for(fixture, 1);
            }
            assert_eq!(fixture.range(), (10, 1, 10));
            restart(fixture);
            assert_eq!(fixture.range(), (10, 1, 10));
            wait(fixture, 2 * SECOND);
            assert_eq!(fixture.range(), (0, 11, 10));
            assert_eq!(fixture.store.next_expiration(), None);
        });
    }
}

/// Go: TestFileStoreMessageTTLRecovered server/filestore_test.go:9366
#[test]
fn file_store_message_ttl_recovered() {
    each(&large_blocks(), &with_ttl(), |fixture| {
        fixture.put("test", b"");
        for _ in 0..9 {
            put_for(fixture, 1);
        }
        fixture.store.stop(fixture.now).unwrap();
        fixture.disk.remove_file(&fixture.path("msgs/thw.db")).ok();
        fixture.reopen();
        assert_eq!(blocks(fixture), [1]);
        assert_eq!(fixture.store.blocks[0].ttls, 9);
        assert_eq!(fixture.range(), (10, 1, 10));
        wait(fixture, 2 * SECOND);
        assert_eq!(fixture.range(), (1, 1, 10));
    });
}

/// Go: TestFileStoreMessageTTLRecoveredSingleMessageWithoutStreamState server/filestore_test.go:9439
#[test]
fn file_store_message_ttl_recovered_single_message_without_stream_state() {
    each(&large_blocks(), &with_ttl(), |fixture| {
        put_for(fixture, 1);
        assert_eq!(fixture.range(), (1, 1, 1));
        rescan(fixture);
        assert_eq!(fixture.range(), (1, 1, 1));
        wait(fixture, 2 * SECOND);
        assert_eq!(fixture.range(), (0, 2, 1));
    });
}

/// Go: TestFileStoreMessageTTLWriteTombstone server/filestore_test.go:9494
#[test]
fn file_store_message_ttl_write_tombstone() {
    each(&large_blocks(), &with_ttl(), |fixture| {
        put_for(fixture, 1);
        fixture.put("test", b"");
        assert_eq!(fixture.range(), (2, 1, 2));
        wait(fixture, 2 * SECOND);
        assert_eq!(fixture.range(), (1, 2, 2));
        // Even a server whose clock goes wrong does not see it again.
        check_starts(fixture);
        fixture.now = Timestamp(fixture.now.0 - 5_000_000_000);
        rescan(fixture);
        assert_eq!(fixture.range(), (1, 2, 2));
    });
}

/// Go: TestFileStoreMessageTTLRecoveredOffByOne server/filestore_test.go:9556
#[test]
fn file_store_message_ttl_recovered_off_by_one() {
    each(&large_blocks(), &with_ttl(), |fixture| {
        put_for(fixture, 120);
        let expires = fixture.store.next_expiration().unwrap();
        assert!(expires > fixture.now);
        // A start that has all of it on disk does not read it from the message again.
        let wheel = &mut fixture.store.ttls.as_mut().unwrap().wheel;
        assert!(wheel.remove(1, fixture.now + 120 * SECOND));
        fixture.restart();
        assert_eq!(fixture.range(), (1, 1, 1));
        assert_eq!(fixture.store.next_expiration(), None);
    });
}

/// Go: TestFileStoreUpdateConfigTTLState server/filestore_test.go:10465
#[test]
fn file_store_update_config_ttl_state() {
    each(&large_blocks(), &StoreConfig::default(), |fixture| {
        put_for(fixture, 1);
        let steps = [(false, false), (true, true), (false, false), (true, true)];
        for (allow_message_ttl, expires) in steps {
            let config = StoreConfig { allow_message_ttl, ..StoreConfig::default() };
            fixture.store.update_config(config, fixture.now);
            assert_eq!(fixture.store.next_expiration().is_some(), expires);
        }
        wait(fixture, 2 * SECOND);
        assert_eq!(fixture.range(), (0, 2, 1));
    });
}

/// Go: TestFileStoreSubjectDeleteMarkers server/filestore_test.go:9690
#[test]
fn file_store_subject_delete_markers() {
    let config = StoreConfig {
        age_max: Some(SECOND),
        subject_delete_marker_ttl: Some(SECOND),
        ..with_ttl()
    };
    each(&large_blocks(), &config, |fixture| {
        put_many(fixture, "test", 3);
        fixture.now = fixture.now + SECOND + SECOND / 2;
        for (seq, is_last) in [(1, false), (2, false), (3, true)] {
            let expired = fixture.store.expired(fixture.now, 1).unwrap();
            assert_eq!(expired.len(), 1);
            assert_eq!((expired[0].seq, expired[0].leaves_marker), (seq, is_last));
            assert_eq!(expired[0].subject, b"test");
            if !is_last {
                assert_eq!(fixture.store.remove(seq), Ok(true));
            }
        }
        let marker = marker_headers(SECOND);
        let expected = "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 1s\r\n";
        assert!(marker.starts_with(expected.as_bytes()));
    });
}

/// Go: TestFileStoreStoreRawMsgTTLsRace server/filestore_test.go:15259
#[test]
fn file_store_store_raw_msg_ttls_race() {
    each(&large_blocks(), &with_ttl(), |fixture| {
        for turn in 1..=50 {
            put_for(fixture, 3_600);
            // The block goes out of memory and comes back, and counts the same.
            if turn % 3 == 0 {
                release(fixture);
                assert!(fixture.store.load(1).is_ok());
            }
            if turn % 7 == 0 {
                fixture.restart();
            }
            assert_eq!(fixture.store.blocks[0].ttls, turn);
        }
        wait(fixture, 3_601 * SECOND);
        assert_eq!(fixture.range(), (0, 51, 50));
    });
}

/// Go: TestFileStoreRecoverTTLAndScheduleStateAndCounters server/filestore_test.go:14445
#[test]
fn file_store_recover_ttl_and_schedule_state_and_counters() {
    const HEADERS: &[u8] = b"NATS/1.0\r\nNats-TTL: 5\r\n\
        Nats-Schedule: @at 2023-11-14T22:13:25Z\r\nNats-Schedule-Target: t\r\n\r\n";
    let config = StoreConfig { allow_message_schedules: true, ..with_ttl() };
    each(&large_blocks(), &config, |fixture| {
        let ttl = Some(Ttl::After(5 * SECOND));
        fixture.try_put(NewMessage { headers: HEADERS, ttl, ..message("foo") }).unwrap();
        let known = (fixture.store.next_expiration(), fixture.store.next_schedule());
        assert!(known.0.is_some() && known.1.is_some());
        for restart in [|_: &mut Fixture| {}, Fixture::restart, rescan, Fixture::kill] {
            restart(fixture);
            let block = &fixture.store.blocks[0];
            assert_eq!((block.ttls, block.schedules), (1, 1));
            assert_eq!((fixture.store.next_expiration(), fixture.store.next_schedule()), known);
        }
    });
}
