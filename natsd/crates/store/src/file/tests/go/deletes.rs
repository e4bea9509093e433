//! Which sequences are deleted, how replicas are told, and how they follow.

use std::collections::BTreeMap;

use super::layout::{
    blocks, check_starts, deleted, live, put_many, release, remove, roll, small, tidy,
};
use super::{Fixture, each};
use crate::block::EMPTY_RECORD_SIZE;
use crate::snapshot::{DeleteBlock, SourceState, StreamSnapshot, sync_deleted};
use crate::stream_store::tests::message;
use crate::stream_store::{NewMessage, StoreConfig, StreamStore};

const FOO_SIZE: u64 = EMPTY_RECORD_SIZE as u64 + 3;

fn set(seqs: &[u64]) -> DeleteBlock {
    DeleteBlock::Set(seqs.iter().copied().collect())
}

fn range(first: u64, last: u64) -> DeleteBlock {
    DeleteBlock::Range { first, count: last + 1 - first }
}

fn from_origin() -> StoreConfig {
    StoreConfig { sources: vec![b"ORIGIN1 > >".to_vec()], ..StoreConfig::default() }
}

/// A store with `count` messages of `body_size` bytes.
fn filled(fixture: &mut Fixture, count: u64, body_size: usize) {
    for _ in 0..count {
        fixture.put("foo", &vec![0; body_size]);
    }
}

/// What replicas are told to be deleted, after the encoding.
#[track_caller]
fn check_told(fixture: &Fixture, expected: &[u64]) {
    assert_eq!(deleted(fixture), expected);
    let bytes = StreamSnapshot::of(&fixture.store, 0).encode();
    let told = StreamSnapshot::decode(&bytes).unwrap().deleted;
    let seqs: Vec<u64> = told.iter().flat_map(DeleteBlock::iter).collect();
    assert_eq!(seqs, expected);
}

#[track_caller]
fn remove_range(fixture: &mut Fixture, first: u64, last: u64) {
    sync_deleted(&mut fixture.store, &[range(first, last)]).unwrap();
    fixture.check();
}

/// Go: TestFileStoreDeleteRangeTwoGaps server/filestore_test.go:13508
/// Go: TestFileStoreDeleteBlocksWithSingleMessageBlocks server/filestore_test.go:13559
#[test]
fn file_store_delete_blocks_with_single_message_blocks() {
    each(&small(256), &StoreConfig::default(), |fixture| {
        filled(fixture, 20, 256);
        assert_eq!(blocks(fixture).len(), 20);
        remove(fixture, [10, 15]);
        check_told(fixture, &[10, 15]);
        check_starts(fixture);
    });
    each(&small(256), &StoreConfig::default(), |fixture| {
        filled(fixture, 20, 256);
        let steps: [(&[u64], &[u64]); 8] = [
            (&[10], &[10]),
            (&[11], &[10, 11]),
            (&[5], &[5, 10, 11]),
            (&[6, 7, 8, 9], &[5, 6, 7, 8, 9, 10, 11]),
            (&[3, 16, 17, 18], &[3, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18]),
            (&[1], &[3, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18]),
            (&[20], &[3, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 20]),
            (&[19], &[3, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20]),
        ];
        for (removed, expected) in steps {
            remove(fixture, removed.iter().copied());
            check_told(fixture, expected);
        }
        check_starts(fixture);
        check_told(fixture, steps[7].1);
    });
}

/// Go: TestFileStoreDeleteBlocks server/filestore_test.go:13758
#[test]
fn file_store_delete_blocks() {
    each(&small(256), &StoreConfig::default(), |fixture| {
        filled(fixture, 20, 20);
        assert_eq!(blocks(fixture).len(), 5);
        let steps: [(&[u64], &[u64]); 9] = [
            (&[9], &[9]),
            (&[10], &[9, 10]),
            (&[8], &[8, 9, 10]),
            (&[18, 17], &[8, 9, 10, 17, 18]),
            (&[6, 5, 7], &[5, 6, 7, 8, 9, 10, 17, 18]),
            (&[20], &[5, 6, 7, 8, 9, 10, 17, 18, 20]),
            (&[19], &[5, 6, 7, 8, 9, 10, 17, 18, 19, 20]),
            (&[11, 12], &[5, 6, 7, 8, 9, 10, 11, 12, 17, 18, 19, 20]),
            (&[1, 2, 3, 4], &[17, 18, 19, 20]),
        ];
        for (removed, expected) in steps {
            remove(fixture, removed.iter().copied());
            check_told(fixture, expected);
        }
        check_starts(fixture);
    });
}

/// Go: TestFileStoreDeleteBlocksWithManyEmptyBlocks server/filestore_test.go:13902
#[test]
fn file_store_delete_blocks_with_many_empty_blocks() {
    each(&small(6 * FOO_SIZE), &StoreConfig::default(), |fixture| {
        put_many(fixture, "foo", 6);
        for turn in 0..5 {
            roll(fixture);
            remove(fixture, [turn + 2]);
            if turn > 0 {
                remove(fixture, [5 + turn * 2, 6 + turn * 2]);
            }
            if turn < 4 {
                put_many(fixture, "foo", 2);
            }
        }
        let expected: Vec<u64> = (2..=14).collect();
        check_told(fixture, &expected);
        tidy(fixture);
        check_told(fixture, &expected);
        check_starts(fixture);
        assert_eq!(live(fixture), [1]);
    });
}

/// Go: TestPruneDeleteBlock server/filestore_test.go:13676
#[test]
fn prune_delete_block() {
    let told = [set(&[8]), range(9, 10), range(47, 138), range(139, 160), range(200, 220)];
    let cases: [(&[DeleteBlock], DeleteBlock); 8] = [
        (&[set(&[8]), range(9, 10), range(139, 160), range(170, 175)], range(5, 5)),
        (&told, set(&[8])),
        (&told, range(9, 10)),
        (&[range(139, 160)], range(47, 138)),
        (&[range(200, 210)], range(200, 220)),
        (&[set(&[1, 4, 5])], set(&[1, 3, 5])),
        (&[set(&[7, 8, 9])], range(7, 9)),
        (&[range(7, 9)], set(&[7, 8, 9])),
    ];
    for (known, news) in cases {
        each(&small(1024), &StoreConfig::default(), |fixture| {
            put_many(fixture, "foo", 301);
            sync_deleted(&mut fixture.store, known).unwrap();
            // What is known already is deleted once, whatever form it comes in.
            let mut expected: Vec<u64> = known.iter().flat_map(DeleteBlock::iter).collect();
            let is_known = news.iter().all(|seq| expected.contains(&seq));
            let before = fixture.store.state();
            sync_deleted(&mut fixture.store, std::slice::from_ref(&news)).unwrap();
            assert_eq!(fixture.store.state() == before, is_known);
            expected.extend(news.iter());
            let expected: Vec<u64> = (1..=301).filter(|seq| !expected.contains(seq)).collect();
            assert_eq!(live(fixture), expected);
        });
    }
}

/// Go: TestFileStoreRemoveMsgsInRange server/filestore_test.go:14105
#[test]
fn file_store_remove_msgs_in_range() {
    each(&small(256), &StoreConfig::default(), |fixture| {
        filled(fixture, 20, 256);
        assert_eq!(blocks(fixture).len(), 20);
        type Step<'a> = ((u64, u64), (u64, u64, u64), &'a [u64]);
        let steps: [Step<'_>; 10] = [
            ((1, 1), (19, 2, 20), &[]),
            ((1, 1), (19, 2, 20), &[]),
            ((1, 2), (18, 3, 20), &[]),
            ((3, 4), (16, 5, 20), &[]),
            ((9, 13), (11, 5, 20), &[9, 10, 11, 12, 13]),
            ((8, 8), (10, 5, 20), &[8, 9, 10, 11, 12, 13]),
            ((17, 17), (9, 5, 20), &[8, 9, 10, 11, 12, 13, 17]),
            ((20, 20), (8, 5, 20), &[8, 9, 10, 11, 12, 13, 17, 20]),
            ((7, 18), (3, 5, 20), &[7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20]),
            ((1, 20), (0, 21, 20), &[]),
        ];
        for ((first, last), range, gone) in steps {
            remove_range(fixture, first, last);
            assert_eq!(fixture.range(), range);
            check_told(fixture, gone);
            // Blocks without messages are let go, but for the last one.
            let empty = fixture.store.blocks.iter().rev().skip(1).filter(|block| block.count == 0);
            assert!(empty.count() <= 2);
        }
        assert_eq!(blocks(fixture).len(), 1);
        check_starts(fixture);
    });
}

/// Go: TestFileStoreRemoveMsgsInRangePartialBlocks server/filestore_test.go:14210
#[test]
fn file_store_remove_msgs_in_range_partial_blocks() {
    each(&small(256), &StoreConfig::default(), |fixture| {
        filled(fixture, 20, 16);
        assert_eq!(blocks(fixture).len(), 4);
        let steps: [((u64, u64), &[u64]); 6] = [
            ((5, 6), &[1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
            ((4, 11), &[1, 2, 3, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
            ((13, 14), &[1, 2, 3, 12, 15, 16, 17, 18, 19, 20]),
            ((13, 20), &[1, 2, 3, 12]),
            ((10, 20), &[1, 2, 3]),
            ((1, 30), &[]),
        ];
        for ((first, last), expected) in steps {
            remove_range(fixture, first, last);
            tidy(fixture);
            assert_eq!(live(fixture), expected);
            check_starts(fixture);
        }
        assert_eq!(fixture.range(), (0, 21, 20));
        assert_eq!(blocks(fixture).len(), 1);
    });
}

/// Go: TestFileStoreRemoveMsgsInRangeWithTombstones server/filestore_test.go:14308
#[test]
fn file_store_remove_msgs_in_range_with_tombstones() {
    each(&small(256), &StoreConfig::default(), |fixture| {
        for (count, removed) in
            [(4, &[][..]), (4, &[]), (4, &[4, 3, 2, 10]), (4, &[14, 15]), (4, &[])]
        {
            if !fixture.store.blocks.is_empty() {
                roll(fixture);
            }
            put_many(fixture, "foo", count);
            remove(fixture, removed.iter().copied());
        }
        assert_eq!(blocks(fixture), [1, 2, 3, 4, 5]);
        remove_range(fixture, 4, 17);
        assert_eq!(live(fixture), [1, 18, 19, 20]);
        // The second block had nothing to tell, the third tells of the first.
        assert!(!blocks(fixture).contains(&2));
        check_starts(fixture);
        tidy(fixture);
        check_starts(fixture);
        assert_eq!(live(fixture), [1, 18, 19, 20]);
        for _ in 0..2 {
            remove_range(fixture, 1, 100);
            assert_eq!(fixture.range(), (0, 21, 20));
            check_starts(fixture);
        }
        assert_eq!(blocks(fixture).len(), 1);
    });
}

/// Go: TestFileStoreSyncDeletedDmapAliasRace server/filestore_test.go:15325
#[test]
fn file_store_sync_deleted_dmap_alias_race() {
    each(&small(1024), &StoreConfig::default(), |fixture| {
        filled(fixture, 600, 50);
        remove(fixture, (2..600).step_by(3));
        tidy(fixture);
        let told = StreamSnapshot::of(&fixture.store, 0).deleted;
        let before = (fixture.store.state(), deleted(fixture));
        for turn in 0..3 {
            // It says nothing new, whatever is in memory.
            sync_deleted(&mut fixture.store, &told).unwrap();
            assert_eq!((fixture.store.state(), deleted(fixture)), before);
            if turn == 0 {
                release(fixture);
            }
            assert_eq!(live(fixture).len(), 400);
        }
        // A replica that has all of them gets there too.
        let mut follower = Fixture::new(&small(512), &StoreConfig::default());
        filled(&mut follower, 600, 50);
        sync_deleted(&mut follower.store, &told).unwrap();
        assert_eq!(deleted(&follower), before.1);
    });
}

/// Go: TestFileStoreDeleteMapView server/filestore_test.go:15704
#[test]
fn file_store_delete_map_view() {
    #[track_caller]
    fn check(fixture: &Fixture, expected: &[u64]) {
        let view = fixture.store.deleted();
        assert_eq!(view.len(), expected.len() as u64);
        let probes = (0..=101).chain((0..=101).rev()).chain((0..400).map(|turn| turn * 37 % 102));
        for seq in probes {
            assert_eq!(view.contains(seq), expected.contains(&seq), "{seq}");
        }
    }
    each(&small(10 * (FOO_SIZE + 5)), &StoreConfig::default(), |fixture| {
        for _ in 0..100 {
            fixture.put("foo", b"hello");
        }
        let mut expected: Vec<u64> = (1..=100).filter(|seq| seq % 10 > 1).collect();
        remove(fixture, expected.iter().copied());
        check(fixture, &expected);
        // A block without messages goes; what was in it is still told.
        assert!(blocks(fixture).contains(&4));
        remove(fixture, [31, 40]);
        assert!(!blocks(fixture).contains(&4));
        expected.extend([31, 40]);
        check(fixture, &expected);
        fixture.store.compact(41).unwrap();
        expected.retain(|&seq| seq > 41);
        check(fixture, &expected);
        check_starts(fixture);
        check(fixture, &expected);
    });
}

/// Go: TestFileStoreEncodedStreamStateWithSources server/filestore_test.go:15880
#[test]
fn file_store_encoded_stream_state_with_sources() {
    const NAME: &[u8] = b"ORIGIN1 > >";
    const HEADERS: &[u8] = b"NATS/1.0\r\nNats-Stream-Source: ORIGIN1 5 > > foo.a IDENT1\r\n\r\n";
    let known = |seq, identity: &[u8]| SourceState { seq, identity: identity.to_vec() };
    each(&small(1024), &from_origin(), |fixture| {
        for _ in 0..3 {
            fixture.try_put(NewMessage { headers: HEADERS, ..message("foo.a") }).unwrap();
        }
        remove(fixture, [2]);
        let snapshot = StreamSnapshot::of(&fixture.store, 7);
        let without = StreamSnapshot { sources: BTreeMap::new(), ..snapshot.clone() };
        for (snapshot, version) in [(without, 1), (snapshot, 2)] {
            let bytes = snapshot.encode();
            assert!(StreamSnapshot::is_encoded(&bytes));
            assert_eq!(bytes[1], version);
            let read = StreamSnapshot::decode(&bytes).unwrap();
            assert_eq!(read.failed, 7);
            assert_eq!(read.sources, snapshot.sources);
            let gone: Vec<u64> = read.deleted.iter().flat_map(DeleteBlock::iter).collect();
            assert_eq!(gone, [2]);
        }
        let told = fixture.store.sources();
        assert_eq!(told, BTreeMap::from([(NAME.to_vec(), known(5, b"IDENT1"))]));

        let mut follower = Fixture::new(&small(1024), &from_origin());
        follower.store.apply_sources(&told);
        assert_eq!(follower.store.sources(), told);
        // The leader's word counts, even if it goes back.
        let older = BTreeMap::from([(NAME.to_vec(), known(2, b"OLD"))]);
        follower.store.apply_sources(&older);
        assert_eq!(follower.store.sources(), older);
        follower.store.apply_sources(&BTreeMap::new());
        assert_eq!(follower.store.sources(), older);
        // What the leader follows is followed, and of what it does not know nothing is known.
        let other = BTreeMap::from([(b"OTHER > >".to_vec(), known(9, b""))]);
        follower.store.apply_sources(&other);
        assert_eq!(follower.store.sources(), other);
        follower.try_put(NewMessage { headers: HEADERS, ..message("foo.a") }).unwrap();
        assert_eq!(follower.store.sources().get(NAME), Some(&known(5, b"IDENT1")));
    });
}
