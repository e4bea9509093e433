//! What becomes too old, while the store is open and while it is not.

use std::time::Duration;

use super::layout::{remove, rescan, small};
use super::steps::{check_restarts, put_many};
use super::{Fixture, each};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::one;
use crate::stream_store::{StoreConfig, StreamStore, SubjectState};

fn large() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

fn kept_for(millis: u64) -> StoreConfig {
    StoreConfig { age_max: Some(Duration::from_millis(millis)), ..StoreConfig::default() }
}

fn wait(fixture: &mut Fixture, millis: u64) {
    fixture.now = fixture.now + Duration::from_millis(millis);
}

/// Stops the store, and opens it again later.
fn restart_after(fixture: &mut Fixture, millis: u64) {
    fixture.store.stop(fixture.now).unwrap();
    wait(fixture, millis);
    fixture.reopen();
}

/// Go: TestFileStoreAgeLimit server/filestore_test.go:617
#[test]
fn file_store_age_limit() {
    each(&small(256), &kept_for(1000), |fixture| {
        for removed in [&[][..], &[502, 602, 702, 802]] {
            put_many(fixture, "foo", b"Hello World", 500);
            assert_eq!(fixture.store.state().messages, 500);
            remove(fixture, removed.iter().copied());
            let first = fixture.store.state().first_time.unwrap();
            let due = first + Duration::from_secs(1);
            assert_eq!(fixture.store.next_expiration(), Some(due));
            assert_eq!(fixture.store.expire(due), Ok(1));
            wait(fixture, 1000);
            let left = 499 - removed.len() as u64;
            assert_eq!(fixture.store.expire(fixture.now), Ok(left));
            assert_eq!(fixture.store.next_expiration(), None);
            let state = fixture.store.state();
            assert_eq!((state.messages, state.bytes), (0, 0));
        }
        assert_eq!(fixture.range(), (0, 1001, 1000));
    });
}

/// Go: TestFileStoreAgeLimitRecovery server/filestore_test.go:1254
#[test]
fn file_store_age_limit_recovery() {
    each(&large(), &kept_for(1000), |fixture| {
        put_many(fixture, "foo", b"Hello World", 100);
        assert_eq!(fixture.store.state().messages, 100);
        restart_after(fixture, 1000);
        let state = fixture.store.state();
        assert_eq!((state.messages, state.bytes), (0, 0));
    });
}

/// Go: TestFileStoreShortIndexWriteBug server/filestore_test.go:4176
#[test]
fn file_store_short_index_write_bug() {
    each(&large(), &kept_for(1000), |fixture| {
        put_many(fixture, "foo", b"", 100);
        fixture.restart();
        wait(fixture, 1000);
        assert_eq!(fixture.store.expire(fixture.now), Ok(100));
        assert_eq!(fixture.range(), (0, 101, 100));
        check_restarts(fixture);
    });
}

/// Go: TestFileStoreFSSCloseAndKeepOnExpireOnRecoverBug server/filestore_test.go:4658
#[test]
fn file_store_fss_close_and_keep_on_expire_on_recover_bug() {
    each(&large(), &kept_for(100), |fixture| {
        fixture.put("foo", b"");
        restart_after(fixture, 200);
        assert_eq!(fixture.store.state().subjects, 0);
    });
}

/// Go: TestFileStoreExpireOnRecoverSubjectAccounting server/filestore_test.go:4682
#[test]
fn file_store_expire_on_recover_subject_accounting() {
    each(&small(100), &kept_for(200), |fixture| {
        fixture.put("A", &[b'A'; 19]);
        fixture.put("B", &[b'A'; 19]);
        wait(fixture, 100);
        // This one is in the second block.
        fixture.put("C", &[b'A'; 19]);
        restart_after(fixture, 110);
        let state = fixture.store.state();
        assert_eq!((state.messages, state.subjects), (1, 1));
    });
}

/// Go: TestFileStoreBadFirstAndFailedExpireAfterRestart server/filestore_test.go:4895
#[test]
fn file_store_bad_first_and_failed_expire_after_restart() {
    each(&small(256), &kept_for(1000), |fixture| {
        put_many(fixture, "foo", b"ZZ", 7);
        wait(fixture, 800);
        put_many(fixture, "foo", b"ZZ", 2);
        let time = fixture.now;
        assert_eq!(fixture.store.blocks.back().unwrap().first.seq, 8);
        remove(fixture, [8]);
        // The first block expires, and then the removed message would be the first one.
        restart_after(fixture, 500);
        assert_eq!(fixture.range(), (1, 9, 9));
        assert_eq!(fixture.store.state().first_time, Some(time));
        assert_eq!(fixture.store.next_expiration(), Some(time + Duration::from_secs(1)));
        wait(fixture, 2000);
        assert_eq!(fixture.store.expire(fixture.now), Ok(1));
        assert_eq!(fixture.range(), (0, 10, 9));
        assert_eq!(fixture.store.state().last_time, Some(time));
    });
}

/// Go: TestFileStoreRememberLastMsgTime server/filestore_test.go:3871
#[test]
fn file_store_remember_last_msg_time() {
    for restart in [Fixture::restart, rescan, Fixture::kill] {
        each(&small(4096), &kept_for(1000), |fixture| {
            let put = |fixture: &mut Fixture| (fixture.put("foo", &[b'X'; 2000]), fixture.now);
            let check = |fixture: &mut Fixture, time| {
                for _ in 0..2 {
                    assert_eq!(fixture.store.state().last_time, Some(time));
                    restart(fixture);
                }
            };
            // It survives when what was stored last is removed, purged, or expires.
            let (seq, time) = put(fixture);
            remove(fixture, [seq]);
            check(fixture, time);
            let (seq, time) = put(fixture);
            assert!(fixture.store.load(seq).is_ok());
            fixture.store.purge().unwrap();
            check(fixture, time);
            put(fixture);
            let (seq, time) = put(fixture);
            assert_eq!(seq, 4);
            wait(fixture, 1000);
            assert_eq!(fixture.store.expire(fixture.now), Ok(2));
            check(fixture, time);
            put(fixture);
            let (seq, time) = put(fixture);
            assert_eq!(seq, 6);
            remove(fixture, [6, 5]);
            check(fixture, time);
            assert_eq!(fixture.range(), (0, 7, 6));
        });
    }
}

/// Stores messages on orders.1, orders.2, ... orders.0, and again.
fn put_orders(fixture: &mut Fixture, count: usize) {
    for index in 1..=count {
        fixture.put(&format!("orders.{}", index % 10), &b"ABC".repeat(33));
    }
}

#[track_caller]
fn check_filtered(fixture: &mut Fixture, filter: &str, (messages, first, last): (u64, u64, u64)) {
    let expected = SubjectState { messages, first, last };
    assert_eq!(fixture.store.filtered_state(1, one(filter)), expected, "{filter}");
}

fn each_with_orders(test: impl Fn(&mut Fixture)) {
    each(&small(8192), &kept_for(250), test);
}

/// Go: TestFileStoreExpireMsgsOnStart server/filestore_test.go:3290
#[test]
fn file_store_expire_msgs_on_start() {
    const HALF: u64 = 175;
    each_with_orders(|fixture| {
        put_orders(fixture, 500);
        restart_after(fixture, 350);
        assert_eq!(fixture.range(), (0, 501, 500));
        // The last one stays, for where the stream goes on.
        assert_eq!(fixture.store.blocks.len(), 1);
    });
    each_with_orders(|fixture| {
        put_orders(fixture, 10);
        wait(fixture, 100);
        put_orders(fixture, 10);
        check_filtered(fixture, "orders.*", (20, 1, 20));
        restart_after(fixture, HALF);
        assert_eq!(fixture.range(), (10, 11, 20));
        assert_eq!(fixture.store.blocks.len(), 1);
        check_filtered(fixture, "orders.*", (10, 11, 20));
        check_filtered(fixture, "orders.5", (1, 15, 15));
    });
    each_with_orders(|fixture| {
        put_orders(fixture, 5);
        wait(fixture, 100);
        put_orders(fixture, 15);
        restart_after(fixture, HALF);
        assert_eq!(fixture.range(), (15, 6, 20));
        check_filtered(fixture, "orders.*", (15, 6, 20));
        check_filtered(fixture, "orders.5", (2, 10, 20));
    });
    // The end of a block is removed, and then all of it expires.
    each_with_orders(|fixture| {
        put_orders(fixture, 150);
        wait(fixture, 100);
        put_orders(fixture, 100);
        assert_eq!(fixture.store.blocks.len(), 5);
        let last = fixture.store.blocks[0].last.seq;
        remove(fixture, (last - 9..=last).rev());
        restart_after(fixture, HALF);
        assert_eq!(fixture.range(), (100, 151, 250));
        assert_eq!(fixture.store.blocks.len(), 3);
    });
    // What was removed within what expires.
    each_with_orders(|fixture| {
        put_orders(fixture, 10);
        remove(fixture, [2, 4, 6]);
        wait(fixture, 100);
        put_orders(fixture, 10);
        restart_after(fixture, HALF);
        assert_eq!(fixture.range(), (10, 11, 20));
        assert_eq!(fixture.store.blocks.len(), 1);
        assert_eq!(fixture.store.state().deleted, 0);
    });
    // What expires is followed only by what was removed.
    each_with_orders(|fixture| {
        put_orders(fixture, 7);
        wait(fixture, 100);
        put_orders(fixture, 3);
        remove(fixture, [8, 9, 10]);
        restart_after(fixture, HALF);
        assert_eq!(fixture.range(), (0, 11, 10));
    });
    each_with_orders(|fixture| {
        put_orders(fixture, 100);
        check_filtered(fixture, "orders.*", (100, 1, 100));
        check_filtered(fixture, "orders.5", (10, 5, 95));
        assert_eq!(fixture.store.compact(51), Ok(50));
        check_filtered(fixture, "orders.*", (50, 51, 100));
        check_filtered(fixture, "orders.5", (5, 55, 95));
    });
}
