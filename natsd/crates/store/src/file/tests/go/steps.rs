//! Steps that many of these tests take.

use std::collections::BTreeMap;

use super::Fixture;
use crate::disk::Disk;
use crate::file::FileStoreConfig;
use crate::file::tests::small;
use crate::file::write::FLOOR_SIZE;
use crate::stream_store::{Filter, StoreError, StreamState, StreamStore, SubjectState};

/// The size of the marker that each of our blocks begins with, and none of Go's.
pub(super) const MARKER_SIZE: u64 = FLOOR_SIZE as u64;

/// Blocks for as many messages as those of a Go server with this block size.
pub(super) fn blocks(size: u64) -> FileStoreConfig {
    small(size + MARKER_SIZE)
}

/// All that a store says of itself.
pub(super) type Everything = (StreamState, Vec<u64>, BTreeMap<Vec<u8>, SubjectState>);

pub(super) fn put_many(fixture: &mut Fixture, subject: &str, body: &[u8], count: usize) {
    for _ in 0..count {
        fixture.put(subject, body);
    }
}

#[track_caller]
pub(super) fn remove(fixture: &mut Fixture, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        assert_eq!(fixture.store.remove(seq), Ok(true), "{seq}");
        fixture.check();
    }
}

#[track_caller]
pub(super) fn erase(fixture: &mut Fixture, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        assert_eq!(fixture.store.erase(seq), Ok(true), "{seq}");
        fixture.check();
    }
}

pub(super) fn deleted(fixture: &Fixture) -> Vec<u64> {
    fixture.store.deleted().iter().collect()
}

pub(super) fn everything(fixture: &mut Fixture) -> Everything {
    let subjects = fixture.store.subjects_state(Filter::All);
    (fixture.store.state(), deleted(fixture), subjects)
}

/// What there is of a subject.
pub(super) fn subject(fixture: &mut Fixture, subject: &str) -> SubjectState {
    let states = fixture.store.subjects_state(Filter::One(subject.as_bytes()));
    states.get(subject.as_bytes()).copied().unwrap_or_default()
}

#[track_caller]
pub(super) fn check_message(fixture: &mut Fixture, seq: u64, subject: &str, body: &[u8]) {
    let message = fixture.store.load(seq).unwrap();
    assert_eq!((message.seq, message.subject, message.body), (seq, subject.as_bytes(), body));
}

/// Why a sequence has no message.
#[track_caller]
pub(super) fn error_of(fixture: &mut Fixture, seq: u64) -> StoreError {
    fixture.store.load(seq).map(|message| message.seq).unwrap_err()
}

pub(super) const INDEX: &str = "msgs/index.db";

/// Stops the store in good order, and opens it without what only makes it faster.
pub(super) fn restart_without_index(fixture: &mut Fixture) {
    fixture.store.stop(fixture.now).unwrap();
    if fixture.disk.open(&fixture.path(INDEX), false).is_ok() {
        fixture.remove_file(INDEX);
    }
    fixture.reopen();
}

/// A store is after each kind of restart what it was before.
#[track_caller]
pub(super) fn check_restarts(fixture: &mut Fixture) {
    let before = everything(fixture);
    fixture.restart();
    assert_eq!(everything(fixture), before, "stopped");
    restart_without_index(fixture);
    assert_eq!(everything(fixture), before, "without index");
    fixture.kill();
    assert_eq!(everything(fixture), before, "killed");
    assert_eq!(fixture.store.damaged(), []);
}

pub(super) fn read_file(fixture: &Fixture, name: &str) -> Vec<u8> {
    fixture.disk.open(&fixture.path(name), false).unwrap().read_all().unwrap()
}

pub(super) fn write_file(fixture: &Fixture, name: &str, bytes: &[u8]) {
    let file = fixture.disk.open(&fixture.path(name), true).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// Restarts with an index of before, as if the server had crashed since it was written.
pub(super) fn restart_with_index(fixture: &mut Fixture, index: &[u8]) {
    fixture.store.stop(fixture.now).unwrap();
    write_file(fixture, INDEX, index);
    fixture.reopen();
}

/// Hands everything to the disk and lets go of it in memory.
pub(super) fn forget(fixture: &mut Fixture) {
    fixture.store.flush().unwrap();
    fixture.store.release_caches();
    assert_eq!(loaded(fixture), [0; 0]);
}

/// The numbers of the blocks whose records are in memory.
pub(super) fn loaded(fixture: &Fixture) -> Vec<u32> {
    let blocks = fixture.store.blocks.iter().filter(|block| block.cache.is_some());
    blocks.map(|block| block.number).collect()
}

/// The size of a message in a block.
pub(super) fn size_of_message(subject: &str, body: &[u8]) -> u64 {
    30 + (subject.len() + body.len()) as u64
}
