//! Schedules, sources and delete markers over a restart.

use std::time::Duration;

use super::{Fixture, each};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::message;
use crate::stream_store::{NewMessage, StoreConfig, StreamStore};

fn put(fixture: &mut Fixture, subject: &str, line: &str) -> u64 {
    let headers = format!("NATS/1.0\r\n{line}\r\n\r\n");
    fixture.try_put(NewMessage { headers: headers.as_bytes(), ..message(subject) }).unwrap()
}

fn with_schedules() -> StoreConfig {
    StoreConfig { allow_message_schedules: true, ..StoreConfig::default() }
}

fn from_origin() -> StoreConfig {
    StoreConfig { sources: vec![b"ORIGIN > >".to_vec()], ..StoreConfig::default() }
}

fn small_blocks() -> FileStoreConfig {
    FileStoreConfig { block_size: 256, ..FileStoreConfig::new("S") }
}

/// Sequence and identity of the only source.
fn source(fixture: &Fixture) -> Option<(u64, Vec<u8>)> {
    let sources = fixture.store.sources();
    assert!(sources.len() <= 1);
    sources.into_values().next().map(|state| (state.seq, state.identity))
}

const AT: &str = "Nats-Schedule: @at 2023-11-14T22:13:21Z\r\nNats-Schedule-Target: foo.target";

/// Go: TestFileStoreMessageSchedule server/filestore_test.go:11164
/// Go: TestFileStoreMessageScheduleRecovered server/filestore_test.go:11195
#[test]
fn file_store_message_schedule_recovered() {
    each(&small_blocks(), &with_schedules(), |fixture| {
        put(fixture, "foo.schedule", AT);
        for without_file in [false, true] {
            fixture.restart();
            if without_file {
                fixture.remove_file("msgs/sched.db");
                fixture.reopen();
            }
            assert_eq!(fixture.range(), (1, 1, 1));
            assert_eq!(fixture.store.blocks[0].schedules, 1);
            fixture.now = fixture.now + Duration::from_secs(1);
            let due = fixture.store.scheduled(fixture.now).unwrap();
            assert_eq!((due.len(), due[0].subject.as_slice()), (1, &b"foo.target"[..]));
        }
    });
}

/// What was stored after `sched.db` was written counts, and what is gone does not.
#[test]
fn schedules_of_a_killed_server_are_found() {
    each(&small_blocks(), &with_schedules(), |fixture| {
        put(fixture, "a", AT);
        put(fixture, "b", AT);
        put(fixture, "c", AT);
        fixture.restart();
        put(fixture, "b", "X: 1");
        fixture.store.remove(1).unwrap();
        for number in 0..10 {
            put(fixture, &format!("filler.{number}"), "X: 2");
        }
        put(fixture, "d", AT);
        fixture.kill();
        let due = fixture.store.scheduled(fixture.now + Duration::from_secs(2)).unwrap();
        assert_eq!(due.iter().map(|it| it.seq).collect::<Vec<_>>(), [3, 15]);
        // A stream that goes back does not take the old file's word for the new messages.
        fixture.restart();
        fixture.store.truncate(2, fixture.now).unwrap();
        put(fixture, "b", "X: 3");
        fixture.kill();
        assert_eq!(fixture.store.next_schedule(), None);
    });
}

/// Go: TestFileStorePurgeMsgBlockRemovesSchedules server/filestore_test.go:12290
#[test]
fn file_store_purge_msg_block_removes_schedules() {
    each(&small_blocks(), &with_schedules(), |fixture| {
        for number in 0..10 {
            put(fixture, &format!("foo.{number}"), AT);
        }
        let schedules = |fixture: &Fixture| fixture.store.schedules.as_ref().unwrap().len();
        assert!(fixture.store.blocks.len() > 2);
        assert_eq!(schedules(fixture), 10);
        assert_eq!(fixture.store.compact(8).unwrap(), 7);
        assert_eq!(schedules(fixture), 3);
        fixture.store.purge().unwrap();
        assert_eq!(schedules(fixture), 0);
    });
}

/// Go: TestFileStoreSourcesRecovery server/filestore_test.go:11363
#[test]
fn file_store_sources_recovery() {
    for without_file in [false, true] {
        each(&small_blocks(), &from_origin(), |fixture| {
            for seq in 1..=10 {
                put(
                    fixture,
                    "foo.bar",
                    &format!("Nats-Stream-Source: ORIGIN {seq} > > foo.bar ID"),
                );
            }
            assert!(fixture.store.blocks.len() >= 2);
            let known = Some((10, b"ID".to_vec()));
            assert_eq!(source(fixture), known);
            fixture.restart();
            assert_eq!(source(fixture), known);
            if without_file {
                // Differs from Go, which knows nothing then: the messages say it.
                fixture.remove_file("sources.db");
                fixture.reopen();
                assert_eq!(source(fixture), known);
            }
        });
    }
}
