use std::collections::BTreeSet;

use natsd_base::Prng;
use proptest::prelude::*;

use super::encoding::SequenceSetError;
use super::{NODE_SPAN, NONE, SequenceSet};

fn set(sequences: &[u64]) -> SequenceSet {
    sequences.iter().copied().collect()
}

fn below(prng: &mut Prng, bound: u64) -> u64 {
    prng.below(usize::try_from(bound).unwrap()) as u64
}

fn random(seed: u64, count: usize, max: u64) -> Vec<u64> {
    let mut prng = Prng::from_seed(seed);
    (0..count).map(|_| below(&mut prng, max + 1)).collect()
}

fn shuffled(seed: u64, count: u64) -> Vec<u64> {
    let mut prng = Prng::from_seed(seed);
    let mut sequences: Vec<u64> = (0..count).collect();
    for upto in (1..sequences.len()).rev() {
        sequences.swap(upto, prng.below(upto + 1));
    }
    sequences
}

/// Heights are right, no node leans by more than one, every node but a lone one holds something.
#[track_caller]
fn check_balanced(set: &SequenceSet) {
    fn height(set: &SequenceSet, at: u32) -> u16 {
        if at == NONE {
            return 0;
        }
        let node = set.node(at);
        let (left, right) = (height(set, node.left), height(set, node.right));
        assert_eq!(node.height, left.max(right) + 1);
        assert!(!node.is_empty() || set.node_count() == 1);
        node.height
    }
    height(set, set.root);
    let (left, right) = set.heights();
    assert!(left.abs_diff(right) <= 1, "{left} {right}");
}

#[track_caller]
fn check_round_trip(set: &SequenceSet) -> Vec<u8> {
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    assert_eq!(bytes.len(), set.encoded_size());
    bytes.push(0xaa); // What follows is not ours.
    let (decoded, used) = SequenceSet::decode(&bytes).unwrap();
    bytes.pop();
    assert_eq!(used, bytes.len());
    assert_eq!(&decoded, set);
    assert_eq!(decoded.node_count(), set.node_count());
    let mut again = Vec::new();
    decoded.encode(&mut again);
    assert_eq!(again, bytes);
    bytes
}

/// Go: TestSeqSetBasics server/avl/seqset_test.go:23
#[test]
fn seq_set_basics() {
    let mut set = SequenceSet::new();
    for (seq, is_new) in [(22, true), (222, true), (2000, true), (2, true), (2, false), (4, true)] {
        assert_eq!(set.insert(seq), is_new);
        assert!(set.contains(seq));
    }
    assert_eq!((set.node_count(), set.len(), set.heights()), (1, 5, (0, 0)));
}

/// Go: TestSeqSetLeftLean server/avl/seqset_test.go:39
#[test]
fn seq_set_left_lean() {
    let set: SequenceSet = (1..=4 * NODE_SPAN).rev().collect();
    assert_eq!((set.node_count(), set.len(), set.heights()), (5, 4 * NODE_SPAN, (2, 1)));
}

/// Go: TestSeqSetRightLean server/avl/seqset_test.go:53
#[test]
fn seq_set_right_lean() {
    let set: SequenceSet = (0..4 * NODE_SPAN).collect();
    assert_eq!((set.node_count(), set.len(), set.heights()), (4, 4 * NODE_SPAN, (1, 2)));
}

/// Go: TestSeqSetCorrectness server/avl/seqset_test.go:67
#[test]
fn seq_set_correctness() {
    let sequences = random(1, 100_000, 500_000);
    let model: BTreeSet<u64> = sequences.iter().copied().collect();
    let set = set(&sequences);
    for seq in 0..=500_000 {
        assert_eq!(set.contains(seq), model.contains(&seq));
    }
}

/// Go: TestSeqSetRange server/avl/seqset_test.go:86
#[test]
fn seq_set_range() {
    let count = 2 * NODE_SPAN + 22;
    let set = set(&shuffled(2, count));
    assert!(set.iter().eq(0..count));
    assert!(set.iter().take_while(|&seq| seq < 10).eq(0..10));
    assert!(set.iter_from(2047).eq(2047..count));
}

/// Go: TestSeqSetDelete server/avl/seqset_test.go:124
#[test]
fn seq_set_delete() {
    let sequences = [22, 222, 2222, 2, 2, 4];
    let mut set = set(&sequences);
    for seq in sequences {
        set.remove(seq);
        assert!(!set.contains(seq));
    }
    assert!(set.is_empty());
    assert_eq!((set.root, set.node_count(), set.allocated_size()), (NONE, 0, 0));
}

/// Go: TestSeqSetInsertAndDeletePedantic server/avl/seqset_test.go:140
#[test]
fn seq_set_insert_and_delete_pedantic() {
    let sequences = shuffled(3, 50 * NODE_SPAN + 22);
    let mut set = SequenceSet::new();
    let mut nodes = 0;
    let mut check_when_changed = |set: &SequenceSet| {
        if std::mem::replace(&mut nodes, set.node_count()) != set.node_count() {
            check_balanced(set); // The shape changes with the nodes only.
        }
    };
    for &seq in &sequences {
        set.insert(seq);
        check_when_changed(&set);
    }
    check_balanced(&set);
    for &seq in &sequences {
        assert!(set.remove(seq));
        check_when_changed(&set);
        assert!(!set.contains(seq));
        assert_eq!(set.root == NONE, set.is_empty());
    }
    assert!(set.is_empty());
}

/// Go: TestSeqSetMinMax server/avl/seqset_test.go:182
#[test]
fn seq_set_min_max() {
    let mut set = set(&[22, 222, 2222, 2, 2, 4]);
    assert_eq!((set.min(), set.max()), (Some(2), Some(2222)));
    set.clear();
    assert_eq!((set.min(), set.max()), (None, None));
    let count = 22 * NODE_SPAN + 22;
    set.extend(shuffled(4, count));
    assert_eq!((set.min(), set.max()), (Some(0), Some(count - 1)));
}

/// Go: TestSeqSetClone server/avl/seqset_test.go:211
#[test]
fn seq_set_clone() {
    let set = set(&random(5, 100_000, 500_000));
    let mut clone = set.clone();
    assert_eq!((clone.len(), clone.node_count()), (set.len(), set.node_count()));
    assert_eq!(clone, set);
    clone.insert(1_000_000);
    assert!(!set.contains(1_000_000));
}

/// Go: TestSeqSetEqual server/avl/seqset_test.go:226
#[test]
fn seq_set_equal() {
    assert_eq!(SequenceSet::new(), SequenceSet::new());
    let cases: [(&[u64], &[u64], bool); 5] = [
        (&[1, 3, 5], &[1, 4, 5], false),
        (&[1, 3, 5], &[], false),
        (&[], &[1, 3, 5], false),
        (&[1, 3, 5], &[5, 1, 3], true),
        (&[1, 3, 5], &[5, 1, 3, 7], false),
    ];
    for (one, other, expected) in cases {
        assert_eq!(set(one) == set(other), expected, "{one:?} {other:?}");
    }
}

/// Go: TestSeqSetUnion server/avl/seqset_test.go:259
/// Go: TestSeqSetDistinctUnion server/avl/seqset_test.go:299
#[test]
fn seq_set_union() {
    let cases: [(&[u64], &[u64], u64); 2] = [
        (&[22, 222, 2222, 2, 2, 4], &[33, 333, 3333, 3, 33_333, 333_333], 11),
        (&[1, 10, 100, 200], &[5000, 6100, 6200, 6222], 8),
    ];
    for (one, other, len) in cases {
        let union = SequenceSet::union([&set(one), &set(other)]);
        let mut in_place = set(one);
        in_place.union_with(&set(other));
        assert_eq!(union, in_place);
        assert_eq!(union.len(), len);
        assert!(one.iter().chain(other).all(|&seq| union.contains(seq)));
    }
    assert!(SequenceSet::union([]).is_empty());
}

/// Go: TestSeqSetFirst server/avl/seqset_test.go:281
#[test]
fn seq_set_first() {
    for seq in [22, 222, 2222, 222_222] {
        let mut set = set(&[seq]);
        assert_eq!(set.node(set.root).base, seq / NODE_SPAN * NODE_SPAN);
        assert_eq!(set.set_initial_min(seq), Err(SequenceSetError::NotEmpty));
        set.clear();
        set.set_initial_min(seq).unwrap();
        assert_eq!((set.min(), set.max()), (None, None));
        set.insert(seq);
        assert_eq!(set.node(set.root).base, seq);
    }
}

/// A node's base, its set words by index, and its height.
type RawNode<'a> = (u64, &'a [(usize, u64)], u16);

/// A version 1 encoding, with 64 words in a node.
fn version_1(len: u32, nodes: &[RawNode<'_>]) -> Vec<u8> {
    let mut bytes = vec![22, 1];
    bytes.extend(u32::try_from(nodes.len()).unwrap().to_le_bytes());
    bytes.extend(len.to_le_bytes());
    for (base, set_words, height) in nodes {
        let mut words = [0_u64; 64];
        for &(index, word) in *set_words {
            words[index] = word;
        }
        bytes.extend(base.to_le_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(height.to_le_bytes());
    }
    bytes
}

/// Go: TestSeqSetDecodeV1 server/avl/seqset_test.go:323
#[test]
fn seq_set_decode_v1() {
    // What the sample of the Go test holds, written out.
    let bytes = version_1(
        5,
        &[
            (221_184, &[(16, 1 << 14)], 2),
            (0, &[(0, 1 << 22), (3, 1 << 30), (34, 1 << 46)], 1),
            (2_220_032, &[(34, 1 << 14)], 1),
        ],
    );
    let (decoded, used) = SequenceSet::decode(&bytes).unwrap();
    assert_eq!(used, bytes.len());
    assert!(decoded.iter().eq([22, 222, 2222, 222_222, 2_222_222]));
    check_round_trip(&decoded);
    // A count that is not true, or a sequence beyond 64 bits.
    let cases = [
        version_1(2, &[(0, &[(0, 1)], 1)]),
        version_1(2, &[(u64::MAX - 8, &[(0, 1), (1, 1)], 1)]),
        version_1(2, &[(0, &[(1, 1)], 1), (64, &[(0, 1)], 1)]),
    ];
    for bytes in cases {
        assert_eq!(SequenceSet::decode(&bytes), Err(SequenceSetError::BadEncoding));
    }
}

/// Go: TestSeqSetDecodeNodeCountOverflow server/avl/seqset_test.go:342
#[test]
fn seq_set_decode_node_count_overflow() {
    for version in [1, 2] {
        for count in [u32::MAX, 0x0080_0000] {
            let mut bytes = vec![22, version];
            bytes.extend(count.to_le_bytes());
            bytes.extend([0; 4]);
            assert_eq!(SequenceSet::decode(&bytes), Err(SequenceSetError::BadEncoding));
        }
    }
    let mut valid = vec![0; 10 + 8 + 32 * 8 + 2];
    valid[..3].copy_from_slice(&[22, 2, 1]);
    assert!(SequenceSet::decode(&valid).unwrap().0.is_empty());
    valid[1] = 3;
    assert_eq!(SequenceSet::decode(&valid), Err(SequenceSetError::BadVersion));
    valid[0] = 21;
    assert_eq!(SequenceSet::decode(&valid), Err(SequenceSetError::BadEncoding));
}

/// Go: TestSeqSetInsertExistingNodeFastPath server/avl/seqset_test.go:374
#[test]
fn seq_set_insert_existing_node_fast_path() {
    let mut set: SequenceSet = (0..8 * NODE_SPAN).step_by(2).collect();
    let (nodes, len) = (set.node_count(), set.len());
    for seq in (1..8 * NODE_SPAN).step_by(2) {
        assert!(set.insert(seq));
        assert!(set.contains(seq));
    }
    assert_eq!((set.node_count(), set.len()), (nodes, len + 4 * NODE_SPAN));
    assert!((0..8 * NODE_SPAN).all(|seq| !set.insert(seq)));
    assert_eq!(set.len(), 8 * NODE_SPAN);
    check_balanced(&set);
}

/// Go: TestSeqSetInsertUnalignedBase server/avl/seqset_test.go:408
#[test]
fn seq_set_insert_unaligned_base() {
    let mut set = SequenceSet::new();
    set.set_initial_min(1000).unwrap();
    set.extend([1000, 1001, 1000 + NODE_SPAN - 1]);
    assert_eq!((set.node_count(), set.len()), (1, 3));
    set.insert(1000 + NODE_SPAN);
    assert!(set.contains(1000 + NODE_SPAN));
    assert_eq!((set.node_count(), set.len()), (2, 4));
    // Below the first node too, and no sequence is in two nodes.
    set.insert(999);
    set.extend(0..6 * NODE_SPAN);
    assert!(set.iter().eq(0..6 * NODE_SPAN));
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    assert_eq!(SequenceSet::decode(&bytes).unwrap().0, set);
}

/// Go: TestSeqSetDeleteNotPresent server/avl/seqset_test.go:427
#[test]
fn seq_set_delete_not_present() {
    let sequences = [22, 222, 2222, 222_222];
    let mut set = set(&sequences);
    let before = (set.node_count(), set.len());
    for seq in [0, 23, 2223, 5000, 100_000, 999_999] {
        assert!(!set.remove(seq));
    }
    assert_eq!((set.node_count(), set.len()), before);
    assert!(sequences.iter().all(|&seq| set.contains(seq)));
    assert!(sequences.iter().all(|&seq| set.remove(seq)));
    assert_eq!(set.root, NONE);
}

/// Go: TestSeqSetRangeSparse server/avl/seqset_test.go:454
#[test]
fn seq_set_range_sparse() {
    let sequences = [0, 1, 63, 64, 127, 128, 2047, 2048, 4095, 4096, 100_000, 1_000_000];
    let set = set(&sequences);
    assert!(set.iter().eq(sequences));
    for (index, &seq) in sequences.iter().enumerate() {
        assert!(set.iter_from(seq).eq(sequences[index..].iter().copied()));
        assert!(
            set.iter_from(seq + 1)
                .eq(sequences[index..].iter().copied().filter(|&other| other > seq))
        );
    }
}

/// Go: TestNoRaceSeqSetSizeComparison server/avl/norace_test.go:33
#[test]
fn no_race_seq_set_size_comparison() {
    let sequences = random(6, 5_000_000, 7_000_000);
    let set = set(&sequences);
    assert!(set.allocated_size() < 2 * 1024 * 1024, "{}", set.allocated_size());
    // A hash set needs at least eight bytes for each, so this is the bound of 50 from below.
    let hash_set_size = usize::try_from(set.len()).unwrap() * 8 * 8 / 7;
    assert!(set.allocated_size() * 20 < hash_set_size);
}

/// Go: TestNoRaceSeqSetEncodeLarge server/avl/norace_test.go:81
#[test]
fn no_race_seq_set_encode_large() {
    check_round_trip(&set(&random(7, 2_500_000, 5_000_000)));
}

/// The tree of the Go test `LeftLean` by hand, as Go's encoder walks it.
#[test]
fn the_encoding_shows_nodes_before_their_children() {
    let set: SequenceSet = (1..=4).rev().map(|node| node * NODE_SPAN).collect();
    let bytes = check_round_trip(&set);
    let node = |base: u64, height: u16| {
        let mut bytes = base.to_le_bytes().to_vec();
        bytes.extend(1_u64.to_le_bytes());
        bytes.resize(bytes.len() + 31 * 8, 0);
        bytes.extend(height.to_le_bytes());
        bytes
    };
    let mut expected = vec![22, 2, 4, 0, 0, 0, 4, 0, 0, 0];
    for (multiple, height) in [(3, 3), (2, 2), (1, 1), (4, 1)] {
        expected.extend(node(multiple * NODE_SPAN, height));
    }
    assert_eq!(bytes, expected);
}

/// A peer may send any shape: a list instead of a tree, nodes in any order, overlaps.
#[test]
fn odd_trees_are_read_by_their_sequences() {
    let node = |base: u64, word: u64| {
        let mut bytes = base.to_le_bytes().to_vec();
        bytes.extend(word.to_le_bytes());
        bytes.resize(bytes.len() + 31 * 8 + 2, 0);
        bytes
    };
    let encoding = |nodes: &[(u64, u64)]| {
        let mut bytes = vec![22, 2];
        let len: u32 = nodes.iter().map(|(_, word)| word.count_ones()).sum();
        bytes.extend(u32::try_from(nodes.len()).unwrap().to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(nodes.iter().flat_map(|&(base, word)| node(base, word)));
        bytes
    };
    let list: Vec<(u64, u64)> = (0..5000).map(|index| (index * NODE_SPAN, 1)).collect();
    let (set, _) = SequenceSet::decode(&encoding(&list)).unwrap();
    assert!(set.iter().eq(list.iter().map(|(base, _)| *base)));
    check_balanced(&set);
    type Case<'a> = (&'a [(u64, u64)], Option<&'a [u64]>);
    let cases: [Case<'_>; 5] = [
        (&[(4096, 1), (0, 1), (8192, 1), (2048, 1)], Some(&[0, 2048, 4096, 8192])),
        (&[(100, 1), (101, 2)], Some(&[100, 102])),
        (&[(4096, 1), (0, 0)], Some(&[4096])),
        (&[(4096, 1), (4096, 1)], None),
        (&[(4096, 1), (2048, 1), (4096, 1)], None),
    ];
    for (nodes, expected) in cases {
        let decoded = SequenceSet::decode(&encoding(nodes)).ok();
        let sequences = decoded.map(|(set, _)| set.iter().collect::<Vec<_>>());
        assert_eq!(sequences.as_deref(), expected, "{nodes:?}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64),
    InsertRange(u64, u64),
    Remove(u64),
    RemoveRange(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let seq = || prop_oneof![0..200_000_u64, (0..40_u64).prop_map(|node| node * NODE_SPAN)];
    prop_oneof![
        4 => seq().prop_map(Step::Insert),
        1 => (seq(), 0..3000_u64).prop_map(|(first, len)| Step::InsertRange(first, first + len)),
        4 => seq().prop_map(Step::Remove),
        1 => (seq(), 0..9000_u64).prop_map(|(first, len)| Step::RemoveRange(first, first + len)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_set_does_what_an_ordered_set_does(
        steps in prop::collection::vec(step(), 0..120),
        probes in prop::collection::vec(0..210_000_u64, 6),
        initial_min in prop::option::of(0..5000_u64),
    ) {
        let (mut set, mut model) = (SequenceSet::new(), BTreeSet::new());
        if let Some(seq) = initial_min {
            set.set_initial_min(seq).unwrap();
        }
        for step in steps {
            match step {
                Step::Insert(seq) => prop_assert_eq!(set.insert(seq), model.insert(seq)),
                Step::InsertRange(first, last) => {
                    set.insert_range(first, last);
                    model.extend(first..=last);
                }
                Step::Remove(seq) => prop_assert_eq!(set.remove(seq), model.remove(&seq)),
                Step::RemoveRange(first, last) => {
                    let before = model.len();
                    model.retain(|seq| !(first..=last).contains(seq));
                    let removed = set.remove_range(first, last);
                    prop_assert_eq!(removed, (before - model.len()) as u64);
                }
            }
            prop_assert_eq!(set.len(), model.len() as u64);
            prop_assert_eq!(set.min(), model.first().copied());
            prop_assert_eq!(set.max(), model.last().copied());
        }
        prop_assert!(set.iter().eq(model.iter().copied()));
        for pair in probes.windows(2) {
            let (seq, last) = (pair[0], pair[1]);
            prop_assert_eq!(set.contains(seq), model.contains(&seq));
            prop_assert_eq!(set.iter_from(seq).next(), model.range(seq..).next().copied());
            let absent = (seq..).find(|seq| !model.contains(seq));
            prop_assert_eq!(set.next_absent(seq), absent);
            let between = (seq..=last).filter(|seq| model.contains(seq)).count() as u64;
            prop_assert_eq!(set.count_between(seq, last), between);
        }
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        prop_assert_eq!(SequenceSet::decode(&bytes).unwrap().0, set);
    }

    #[test]
    fn any_bytes_give_a_set_or_an_error(
        version in 1..3_u8,
        mut bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..1200),
        count in 0..4_u8,
    ) {
        if bytes.len() > 2 {
            bytes[0] = 22;
            bytes[1] = version;
            bytes[2] = count;
            bytes.iter_mut().take(6).skip(3).for_each(|byte| *byte = 0);
        }
        if let Ok((set, used)) = SequenceSet::decode(&bytes) {
            prop_assert!(used <= bytes.len());
            prop_assert_eq!(set.iter().count() as u64, set.len());
        }
    }
}

/// The node below the initial minimum has bits for sequences that the next node covers.
#[test]
fn a_gap_is_not_seen_where_another_node_begins() {
    let mut set = SequenceSet::new();
    set.set_initial_min(1148).unwrap();
    set.insert_range(0, 1148);
    assert_eq!(set.next_absent(201), Some(1149));
}

/// The highest numbers do not overflow.
#[test]
fn the_highest_sequences_are_ordinary() {
    for initial_min in [0, 1000] {
        let mut set = SequenceSet::new();
        set.set_initial_min(initial_min).unwrap();
        set.insert_range(u64::MAX - 5000, u64::MAX);
        assert_eq!((set.len(), set.max()), (5001, Some(u64::MAX)));
        assert_eq!(set.count_between(u64::MAX - 1, u64::MAX), 2);
        assert_eq!(set.next_absent(u64::MAX - 10), None);
        assert_eq!(set.iter_from(u64::MAX).collect::<Vec<_>>(), [u64::MAX]);
        assert_eq!(set.remove_range(u64::MAX, u64::MAX), 1);
    }
}
