use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{DeleteBlock, SnapshotError, SourceState, StreamSnapshot, sync_deleted};
use crate::SequenceSet;
use crate::stream_store::StoreConfig;
use crate::stream_store::tests::Tester;

fn set(seqs: &[u64]) -> DeleteBlock {
    DeleteBlock::Set(seqs.iter().copied().collect())
}

/// Go: TestStoreDeleteSlice server/store_test.go:149
/// Go: TestStoreDeleteRange server/store_test.go:165
#[test]
fn store_delete_blocks() {
    type Case<'a> = (DeleteBlock, &'a [u64], (u64, u64, u64));
    let cases: [Case<'_>; 7] = [
        (DeleteBlock::List(vec![2]), &[2], (2, 2, 1)),
        (DeleteBlock::Range { first: 2, count: 1 }, &[2], (2, 2, 1)),
        (DeleteBlock::Range { first: 2, count: 3 }, &[2, 3, 4], (2, 4, 3)),
        (DeleteBlock::Range { first: 2, count: 0 }, &[], (2, 2, 0)),
        (DeleteBlock::List(vec![]), &[], (0, 0, 0)),
        (DeleteBlock::List(vec![2, 9]), &[2, 9], (2, 9, 2)),
        (set(&[5, 7000]), &[5, 7000], (5, 7000, 2)),
    ];
    for (block, seqs, bounds) in cases {
        assert_eq!(block.iter().collect::<Vec<_>>(), seqs);
        assert_eq!(block.bounds(), bounds);
    }
}

#[test]
fn the_encoding_is_byte_for_byte_that_of_go() {
    let mut snapshot = StreamSnapshot {
        messages: 300,
        bytes: 5,
        first_seq: 1,
        last_seq: 310,
        failed: 7,
        ..StreamSnapshot::default()
    };
    assert_eq!(snapshot.encode(), [42, 1, 0xac, 2, 5, 1, 0xb6, 2, 7, 0]);
    snapshot.deleted = vec![DeleteBlock::Range { first: 9, count: 10 }];
    let without_sources = [42, 1, 0xac, 2, 5, 1, 0xb6, 2, 7, 10, 33, 9, 10];
    assert_eq!(snapshot.encode(), without_sources);
    let state = SourceState { seq: 22, identity: b"id".to_vec() };
    snapshot.sources = BTreeMap::from([(b"S".to_vec(), state)]);
    let expected = [42, 2, 0xac, 2, 5, 1, 0xb6, 2, 7, 1, 1, b'S', 22, 2, b'i', b'd', 10, 33, 9, 10];
    assert_eq!(snapshot.encode(), expected);
    assert_eq!(StreamSnapshot::decode(&expected), Ok(snapshot));
}

#[test]
fn blocks_without_sequences_are_left_out() {
    let empty = || DeleteBlock::Range { first: 9, count: 0 };
    for (deleted, read) in [
        (vec![empty()], vec![]),
        (vec![set(&[]), empty()], vec![]),
        (vec![empty(), set(&[7]), set(&[])], vec![set(&[7])]),
    ] {
        let snapshot = StreamSnapshot { last_seq: 20, deleted, ..StreamSnapshot::default() };
        let again = StreamSnapshot::decode(&snapshot.encode()).unwrap();
        assert_eq!(again, StreamSnapshot { deleted: read, ..snapshot });
    }
}

#[test]
fn damaged_snapshots_are_refused() {
    let whole = StreamSnapshot {
        sources: BTreeMap::from([(b"S".to_vec(), SourceState::default())]),
        deleted: vec![set(&[1, 5]), DeleteBlock::Range { first: 9, count: 10 }],
        ..StreamSnapshot::default()
    }
    .encode();
    let with_number_of_deleted = whole.len() - 3 - (10 + 266);
    for end in 0..whole.len() {
        let result = StreamSnapshot::decode(&whole[..end]);
        let is_refused = match end {
            0..2 => result == Err(SnapshotError::BadEncoding),
            // A cut between blocks cannot be told from an end, as in Go.
            _ if end >= with_number_of_deleted - 1 && result.is_ok() => true,
            _ => result == Err(SnapshotError::Corrupt),
        };
        assert!(is_refused, "{end}");
    }
    let cases: [(&[u8], SnapshotError); 5] = [
        (&[41, 1, 0, 0, 0, 0, 0, 0], SnapshotError::BadEncoding),
        (&[42, 3, 0, 0, 0, 0, 0, 0], SnapshotError::BadEncoding),
        (&[42, 1, 0, 0, 0, 0, 0, 1, 34], SnapshotError::Corrupt),
        (&[42, 2, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 15], SnapshotError::Corrupt),
        (
            &[42, 1, 0, 0, 0, 0, 0, 1, 33, 9, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            SnapshotError::Corrupt,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(StreamSnapshot::decode(bytes), Err(expected), "{bytes:?}");
    }
}

#[test]
fn a_store_follows_its_leaders_deletions() {
    let filled = || {
        let mut tester = Tester::memory(StoreConfig::default());
        tester.put_many("foo", 100);
        tester
    };
    let mut leader = filled();
    (10..=90).step_by(7).for_each(|seq| leader.remove(&[seq]));
    let bytes = StreamSnapshot::of(leader.store.as_ref(), 3).encode();
    let snapshot = StreamSnapshot::decode(&bytes).unwrap();
    assert_eq!((snapshot.messages, snapshot.last_seq, snapshot.failed), (88, 100, 3));
    let mut follower = filled();
    sync_deleted(follower.store.as_mut(), &snapshot.deleted).unwrap();
    assert_eq!(follower.store.deleted(), leader.store.deleted());
    assert_eq!(follower.store.state().bytes, leader.store.state().bytes);

    let blocks = [
        DeleteBlock::Range { first: 0, count: 4 },
        DeleteBlock::Range { first: 99, count: u64::MAX - 200 },
        DeleteBlock::List(vec![5, 6, 1_000]),
        DeleteBlock::Set(SequenceSet::new()),
    ];
    sync_deleted(follower.store.as_mut(), &blocks).unwrap();
    follower.check();
    assert_eq!(follower.store.state().first_seq, 4);
    for (seq, is_there) in [(4, true), (5, false), (6, false), (98, true), (99, false)] {
        assert_eq!(follower.store.load(seq).is_ok(), is_there, "{seq}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_snapshot_or_an_error(
        version in 1..=2_u8,
        bytes in prop::collection::vec(prop_oneof![Just(0), Just(33), Just(1), any::<u8>()], 0..60),
    ) {
        let bytes = [&[42, version], bytes.as_slice()].concat();
        if let Ok(snapshot) = StreamSnapshot::decode(&bytes) {
            let again = StreamSnapshot::decode(&snapshot.encode()).unwrap();
            prop_assert_eq!(again.sources, snapshot.sources);
            prop_assert_eq!(again.last_seq, snapshot.last_seq);
        }
    }
}
