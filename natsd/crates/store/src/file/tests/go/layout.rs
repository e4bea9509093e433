//! What the tests look at beside the messages: blocks, caches, deletions, and starts of each kind.

use super::Fixture;
use crate::block::EMPTY_RECORD_SIZE;
use crate::disk::Disk;
use crate::file::{FileStoreConfig, tests};
use crate::stream_store::{StreamState, StreamStore};

/// Bytes that each block begins with: the record that says that what is before is durable.
pub(super) const MARK_SIZE: usize = EMPTY_RECORD_SIZE + 12;
/// And what says the sum of its sizes.
pub(super) const SUM_SIZE: usize = EMPTY_RECORD_SIZE + 40;

/// A configuration with small blocks, which have so many bytes beside the record that each begins
/// with.
pub(super) fn small(block_size: u64) -> FileStoreConfig {
    tests::small(MARK_SIZE as u64 + block_size)
}

/// Stores empty messages.
#[track_caller]
pub(super) fn put_many(fixture: &mut Fixture, subject: &str, count: usize) {
    for _ in 0..count {
        fixture.put(subject, b"");
    }
}

/// Removes messages that are there.
#[track_caller]
pub(super) fn remove(fixture: &mut Fixture, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        assert_eq!(fixture.store.remove(seq), Ok(true), "{seq}");
        fixture.check();
    }
}

/// Gives sequences away, from `seq` or the next one.
#[track_caller]
pub(super) fn skip(fixture: &mut Fixture, seq: Option<u64>, count: u64) {
    fixture.store.skip(seq, count, fixture.now, false).unwrap();
    fixture.check();
}

/// The numbers of the blocks.
pub(super) fn blocks(fixture: &Fixture) -> Vec<u32> {
    fixture.store.blocks.iter().map(|block| block.number).collect()
}

/// The numbers of the blocks that are in memory.
pub(super) fn loaded(fixture: &Fixture) -> Vec<u32> {
    let blocks = fixture.store.blocks.iter().filter(|block| block.cache.is_some());
    blocks.map(|block| block.number).collect()
}

/// Takes everything out of memory. Go: `mb.cache, mb.fss = nil, nil`.
#[track_caller]
pub(super) fn release(fixture: &mut Fixture) {
    fixture.store.flush().unwrap();
    fixture.store.release_caches();
    assert!(loaded(fixture).is_empty());
}

/// Begins another block. Go: `newMsgBlockForWrite`.
#[track_caller]
pub(super) fn roll(fixture: &mut Fixture) {
    fixture.store.roll().unwrap();
}

/// Bytes of records in a block, with what is not needed any more.
pub(super) fn raw_size(fixture: &mut Fixture, number: u32) -> usize {
    fixture.store.flush().unwrap();
    fixture.store.read_block(number).unwrap().records.len()
}

pub(super) fn is_compressed(fixture: &Fixture, number: u32) -> bool {
    fixture.block(number).starts_with(b"cmp\x01")
}

pub(super) fn has_file(fixture: &Fixture, name: &str) -> bool {
    fixture.disk.open(&fixture.path(name), false).is_ok()
}

pub(super) fn read_file(fixture: &Fixture, name: &str) -> Vec<u8> {
    fixture.disk.open(&fixture.path(name), false).unwrap().read_all().unwrap()
}

pub(super) fn write_file(fixture: &Fixture, name: &str, bytes: &[u8]) {
    let file = fixture.disk.open(&fixture.path(name), true).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

pub(super) fn deleted(fixture: &Fixture) -> Vec<u64> {
    fixture.store.deleted().iter().collect()
}

/// The sequences that have a message which can be loaded.
pub(super) fn live(fixture: &mut Fixture) -> Vec<u64> {
    let StreamState { first_seq, last_seq, .. } = fixture.store.state();
    (first_seq..=last_seq).filter(|&seq| fixture.store.load(seq).is_ok()).collect()
}

/// Rewrites blocks until there is nothing left to rewrite. Go: `syncBlocks`.
#[track_caller]
pub(super) fn tidy(fixture: &mut Fixture) {
    fixture.store.sync().unwrap();
    let most = 2 * fixture.store.blocks.len() + 2;
    let ends = (0..most).any(|_| !fixture.store.tidy().unwrap());
    assert!(ends, "blocks are rewritten again and again");
    fixture.store.sync().unwrap();
}

/// Stops the store and opens it again with nothing but the blocks.
#[track_caller]
pub(super) fn rescan(fixture: &mut Fixture) {
    fixture.store.stop(fixture.now).unwrap();
    for name in ["msgs/index.db", "msgs/thw.db", "msgs/sched.db"] {
        fixture.disk.remove_file(&fixture.path(name)).ok();
    }
    fixture.reopen();
}

/// The store is the same after every kind of start.
#[track_caller]
pub(super) fn check_starts(fixture: &mut Fixture) {
    let (state, gone) = (fixture.store.state(), deleted(fixture));
    let messages = live(fixture);
    assert_eq!(messages.len() as u64, state.messages);
    for start in [Fixture::kill, Fixture::restart, rescan, Fixture::restart] {
        start(fixture);
        assert_eq!(fixture.store.state(), state);
        assert_eq!(deleted(fixture), gone);
        assert_eq!(live(fixture), messages);
        assert_eq!(fixture.store.damaged(), []);
        fixture.check();
    }
    fixture.store.rebuild().unwrap();
    assert_eq!(fixture.store.state(), state);
    assert_eq!(deleted(fixture), gone);
}
