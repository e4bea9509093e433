//! How far a stream has read its sources, when what says so is older than the messages.

use super::layout::{blocks, has_file, read_file, small, write_file};
use super::{Fixture, each};
use crate::file::FileStoreConfig;
use crate::stream_store::tests::message;
use crate::stream_store::{NewMessage, StoreConfig, StreamStore};

fn large_blocks() -> FileStoreConfig {
    FileStoreConfig::new("S")
}

fn sourcing(names: &[&str]) -> StoreConfig {
    let sources = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    StoreConfig { sources, ..StoreConfig::default() }
}

/// Stores a message that came from a source.
#[track_caller]
fn put(fixture: &mut Fixture, subject: &str, source: &str) {
    let headers = format!("NATS/1.0\r\nNats-Stream-Source: {source}\r\n\r\n");
    fixture.try_put(NewMessage { headers: headers.as_bytes(), ..message(subject) }).unwrap();
}

fn known(fixture: &Fixture) -> Vec<(String, u64)> {
    let sources = fixture.store.sources().into_iter();
    sources.map(|(name, state)| (String::from_utf8(name).unwrap(), state.seq)).collect()
}

/// What `sources.db` holds when the store is stopped now.
fn written(fixture: &mut Fixture) -> Vec<u8> {
    fixture.restart();
    read_file(fixture, "sources.db")
}

/// Go: TestFileStoreSourcesStaleConfig server/filestore_test.go:11421
#[test]
fn file_store_sources_stale_config() {
    // A source that is not configured any more is not known any more.
    each(&large_blocks(), &sourcing(&["ORIGIN1 > >", "ORIGIN2 > >"]), |fixture| {
        put(fixture, "foo.a", "ORIGIN1 1 > > foo.a");
        put(fixture, "foo.b", "ORIGIN2 1 > > foo.b");
        assert_eq!(known(fixture).len(), 2);
        fixture.store.stop(fixture.now).unwrap();
        assert!(has_file(fixture, "sources.db"));
        fixture.config = sourcing(&["ORIGIN1 > >"]);
        fixture.reopen();
        assert_eq!(known(fixture), [("ORIGIN1 > >".to_owned(), 1)]);
    });
    // A file that says nothing does not stay.
    each(&large_blocks(), &sourcing(&["ORIGIN > >"]), |fixture| {
        fixture.restart();
        assert!(!has_file(fixture, "sources.db"));
        put(fixture, "foo.bar", "ORIGIN 1 > > foo.bar");
        fixture.restart();
        assert!(has_file(fixture, "sources.db"));
        fixture.config = StoreConfig::default();
        fixture.store.update_config(fixture.config.clone(), fixture.now);
        fixture.restart();
        assert!(!has_file(fixture, "sources.db"));
    });
}

/// Go: TestFileStoreSourcesRecoveredFromOutdatedState server/filestore_test.go:11510
#[test]
fn file_store_sources_recovered_from_outdated_state() {
    let names = ["ORIGIN1 s1.> >", "ORIGIN2 s2.> >", "ORIGIN3 s3.> >"];
    for allow_message_ttl in [false, true] {
        let config = StoreConfig { allow_message_ttl, ..sourcing(&names) };
        each(&small(256), &config, |fixture| {
            let store = |fixture: &mut Fixture, round: u64| {
                for number in 1..=3 {
                    let source = format!("ORIGIN{number} {round} s{number}.> > s{number}.x");
                    put(fixture, &format!("s{number}.x"), &source);
                }
            };
            (1..=15).for_each(|round| store(fixture, round));
            let outdated = written(fixture);
            (16..=30).for_each(|round| store(fixture, round));
            assert!(blocks(fixture).len() >= 2);
            fixture.store.stop(fixture.now).unwrap();
            write_file(fixture, "sources.db", &outdated);
            fixture.reopen();
            assert_eq!(known(fixture), names.map(|name| (name.to_owned(), 30)));
        });
    }
}

/// Go: TestFileStoreSourcesRecoveredOneMessageAfterFlush server/filestore_test.go:11579
#[test]
fn file_store_sources_recovered_one_message_after_flush() {
    each(&large_blocks(), &sourcing(&["ORIGIN > >"]), |fixture| {
        let store = |fixture: &mut Fixture, seq: u64| {
            put(fixture, "foo.bar", &format!("ORIGIN {seq} > > foo.bar"));
        };
        (1..=5).for_each(|seq| store(fixture, seq));
        let outdated = written(fixture);
        store(fixture, 6);
        fixture.store.stop(fixture.now).unwrap();
        write_file(fixture, "sources.db", &outdated);
        fixture.reopen();
        assert_eq!(known(fixture), [("ORIGIN > >".to_owned(), 6)]);
    });
}

/// Go: TestFileStoreSourcesRecoveredFromPre210Header server/filestore_test.go:11624
#[test]
fn file_store_sources_recovered_from_pre210_header() {
    each(&large_blocks(), &sourcing(&["ORIGIN > >", "ORIGINAL > >"]), |fixture| {
        put(fixture, "foo.bar", "ORIGIN 1 > > foo.bar");
        let outdated = written(fixture);
        put(fixture, "foo.bar", "ORIGIN 9");
        fixture.store.stop(fixture.now).unwrap();
        write_file(fixture, "sources.db", &outdated);
        fixture.reopen();
        assert_eq!(known(fixture), [("ORIGIN > >".to_owned(), 9)]);
    });
}
