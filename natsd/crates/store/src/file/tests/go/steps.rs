//! Steps that many of these tests take.

use std::collections::BTreeMap;

use super::Fixture;
use super::layout::{deleted, rescan, write_file};
use crate::stream_store::{Filter, StoreError, StreamState, StreamStore, SubjectState};

/// All that a store says of itself.
pub(super) type Everything = (StreamState, Vec<u64>, BTreeMap<Vec<u8>, SubjectState>);

pub(super) fn put_many(fixture: &mut Fixture, subject: &str, body: &[u8], count: usize) {
    for _ in 0..count {
        fixture.put(subject, body);
    }
}

#[track_caller]
pub(super) fn erase(fixture: &mut Fixture, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        assert_eq!(fixture.store.erase(seq), Ok(true), "{seq}");
        fixture.check();
    }
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

/// A store is after each kind of restart what it was before.
#[track_caller]
pub(super) fn check_restarts(fixture: &mut Fixture) {
    let before = everything(fixture);
    fixture.restart();
    assert_eq!(everything(fixture), before, "stopped");
    rescan(fixture);
    assert_eq!(everything(fixture), before, "without index");
    fixture.kill();
    assert_eq!(everything(fixture), before, "killed");
    assert_eq!(fixture.store.damaged(), []);
}

/// Restarts with an index of before, as if the server had crashed since it was written.
pub(super) fn restart_with_index(fixture: &mut Fixture, index: &[u8]) {
    fixture.store.stop(fixture.now).unwrap();
    write_file(fixture, INDEX, index);
    fixture.reopen();
}

/// The size of a message in a block.
pub(super) fn size_of_message(subject: &str, body: &[u8]) -> u64 {
    30 + (subject.len() + body.len()) as u64
}
