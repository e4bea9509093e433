use natsd_base::Timestamp;

use super::BlockCache;
use crate::block::{BlockHash, Record, RecordKind};

fn cache(messages: &[(u64, &str)]) -> BlockCache {
    let mut cache = BlockCache::new(BlockHash::new("S", 1), 0);
    for &(seq, subject) in messages {
        add(&mut cache, seq, subject);
    }
    cache
}

fn add(cache: &mut BlockCache, seq: u64, subject: &str) {
    let offset = cache.records.len();
    let record = Record {
        seq,
        timestamp: Timestamp(1),
        kind: RecordKind::Message,
        subject: subject.as_bytes(),
        headers: b"",
        body: b"",
    };
    record.encode(&cache.hash.clone(), &mut cache.records).unwrap();
    cache.add(seq, offset);
}

#[test]
fn gaps_of_any_size_cost_little() {
    let mut cache = cache(&[(5, "a"), (8, "b"), (1 << 60, "a"), ((1 << 60) + 7, "b")]);
    assert!(cache.size() < 10_000);
    for (seq, is_there) in [(4, false), (5, true), (6, false), (8, true), (9, false)] {
        assert_eq!(cache.get(seq).is_some(), is_there, "{seq}");
    }
    assert!(cache.get(1 << 60).is_some());
    assert_eq!(cache.next_of(b"a", 6), Some(1 << 60));
    assert_eq!(cache.last_of(b"a", (1 << 60) - 1), Some(5));
    let seqs: Vec<u64> = cache.range(6, u64::MAX).map(|(seq, _)| seq).collect();
    assert_eq!(seqs, [8, 1 << 60, (1 << 60) + 7]);
}

#[test]
fn messages_of_a_subject_are_linked_past_removed_ones() {
    let mut cache = cache(&[(1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "c")]);
    assert_eq!(cache.next_of(b"a", 0), Some(1));
    cache.remove(1);
    cache.remove(4);
    assert_eq!(cache.next_of(b"a", 0), Some(3));
    assert_eq!(cache.next_of(b"a", 4), None);
    add(&mut cache, 6, "a");
    assert_eq!(cache.next_of(b"a", 4), Some(6));
    assert_eq!(cache.all_of(b"a", 0, 9), [3, 6]);
    cache.remove(6);
    add(&mut cache, 7, "a");
    assert_eq!(cache.all_of(b"a", 0, 9), [3, 7]);
    assert_eq!(cache.last_of(b"a", 9), Some(7));
    assert_eq!(cache.last_of(b"b", 1), None);
    cache.remove(5);
    assert_eq!(cache.next_of(b"c", 0), None);
    add(&mut cache, 8, "c");
    assert_eq!(cache.next_of(b"c", 0), Some(8));
}
