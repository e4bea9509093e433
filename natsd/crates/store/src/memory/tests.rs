use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use natsd_base::{Prng, Timestamp};
use natsd_subject::subject::matches;
use proptest::prelude::*;

use super::MemStore;
use crate::stream_store::tests::{START, TICK, Tester, filters, message, one};
use crate::stream_store::{
    Discard, Filter, NewMessage, StoreConfig, StoreError, StoredMessage, StreamStore, SubjectState,
};
use crate::ttl::Ttl;

const HELLO: &[u8] = b"Hello World";

fn tester() -> Tester {
    Tester::memory(StoreConfig::default())
}

fn hello(subject: &str) -> NewMessage<'_> {
    NewMessage { body: HELLO, ..message(subject) }
}

/// What it counts for, beside its content: 16 bytes. Go: `memStoreMsgSize`.
fn size(message: &NewMessage<'_>) -> u64 {
    (message.subject.len() + message.headers.len() + message.body.len() + 16) as u64
}

/// Go: TestMemStoreBasics server/memstore_test.go:32
#[test]
fn mem_store_basics() {
    let mut tester = tester();
    assert_eq!(tester.try_put(hello("foo")), Ok(1));
    let state = tester.store.state();
    assert_eq!((state.messages, state.bytes, state.subjects), (1, size(&hello("foo")), 1));
    assert_eq!((state.first_time, state.last_time), (Some(tester.now), Some(tester.now)));
    let expected =
        StoredMessage { seq: 1, timestamp: tester.now, subject: b"foo", headers: b"", body: HELLO };
    assert_eq!(tester.store.load(1), Ok(expected));
    assert_eq!(tester.store.load(2), Err(StoreError::BeyondLast));
    assert_eq!(tester.store.load(0), Err(StoreError::NotFound));
}

/// Go: TestMemStoreMsgLimit server/memstore_test.go:67
#[test]
fn mem_store_msg_limit() {
    let config = StoreConfig { messages_max: Some(10), ..StoreConfig::default() };
    let mut tester = Tester::memory(config);
    tester.put_many("foo", 10);
    assert_eq!(tester.range(), (10, 1, 10));
    tester.put("foo");
    assert_eq!(tester.range(), (10, 2, 11));
    assert_eq!(tester.store.load(1), Err(StoreError::NotFound));
}

/// Go: TestMemStoreBytesLimit server/memstore_test.go:99
#[test]
fn mem_store_bytes_limit() {
    let body = [0; 512];
    let new = NewMessage { body: &body, ..message("foo") };
    let config = StoreConfig { bytes_max: Some(size(&new) * 1024), ..StoreConfig::default() };
    let mut tester = Tester::memory(config);
    for (stored, expected) in [(1024, (1024, 1, 1024)), (10, (1024, 11, 1034))] {
        (0..stored).for_each(|_| {
            tester.try_put(new).unwrap();
        });
        assert_eq!(tester.range(), expected);
        assert_eq!(tester.store.state().bytes, size(&new) * 1024);
    }
}

/// Go: TestMemStoreBytesLimitWithDiscardNew server/memstore_test.go:143
#[test]
fn mem_store_bytes_limit_with_discard_new() {
    let new = NewMessage { body: &[0; 7], ..message("tiny") };
    let bytes_max = Some(100);
    let config = StoreConfig { bytes_max, discard: Discard::New, ..StoreConfig::default() };
    let mut tester = Tester::memory(config);
    for index in 0..10 {
        let expected = if index < 3 { Ok(index + 1) } else { Err(StoreError::MaxBytes) };
        assert_eq!(tester.try_put(new), expected);
    }
    assert_eq!((tester.range(), tester.store.state().bytes), ((3, 1, 3), 3 * size(&new)));
}

/// Go: TestMemStoreAgeLimit server/memstore_test.go:174
#[test]
fn mem_store_age_limit() {
    let age_max = Duration::from_millis(10);
    let config = StoreConfig { age_max: Some(age_max), ..StoreConfig::default() };
    let mut tester = Tester::memory(config);
    assert_eq!(tester.store.next_expiration(), None);
    for round in 1..=2 {
        tester.put_many("foo", 100);
        assert_eq!(tester.store.state().messages, 100);
        let first_time = tester.store.state().first_time.unwrap();
        let due = first_time + age_max;
        assert_eq!(tester.store.next_expiration(), Some(due));
        assert_eq!(tester.store.expire(Timestamp(due.0 - 1)), Ok(0));
        assert_eq!(tester.store.expire(due), Ok(1));
        tester.now = due + Duration::from_millis(1);
        assert_eq!(tester.store.expire(tester.now), Ok(99));
        tester.check();
        assert_eq!(tester.range(), (0, round * 100 + 1, round * 100));
    }
}

/// Go: TestMemStoreTimeStamps server/memstore_test.go:216
#[test]
fn mem_store_time_stamps() {
    let mut tester = tester();
    tester.put_many("foo", 10);
    let mut expected = START;
    for seq in 1..=10 {
        expected = expected + TICK;
        assert_eq!(tester.store.load(seq).unwrap().timestamp, expected);
    }
}

/// Go: TestMemStorePurge server/memstore_test.go:241
/// Go: TestMemStorePurgeLeaksDmap server/memstore_test.go:1169
#[test]
fn mem_store_purge() {
    let mut tester = tester();
    tester.put_many("foo", 10);
    (2..=9).for_each(|seq| tester.remove(&[seq]));
    assert_eq!(tester.store.deleted().len(), 8);
    assert_eq!(tester.store.purge(), Ok(2));
    assert_eq!(tester.store.deleted().len(), 0);
    assert_eq!(tester.range(), (0, 11, 10));
    assert_eq!(tester.store.purge(), Ok(0));
    assert_eq!(tester.put("foo"), 11);
}

/// Go: TestMemStoreCompact server/memstore_test.go:259
#[test]
fn mem_store_compact() {
    let mut tester = tester();
    tester.put_many("foo", 10);
    assert_eq!(tester.store.compact(6), Ok(5));
    assert_eq!(tester.range(), (5, 6, 10));
    assert_eq!(tester.store.compact(5), Ok(0));
    assert_eq!(tester.store.compact(100), Ok(5));
    assert_eq!(tester.range(), (0, 100, 99));
    assert_eq!(tester.put("foo"), 100);
}

/// Go: TestMemStoreEraseMsg server/memstore_test.go:298
/// Go: TestMemStoreMsgHeaders server/memstore_test.go:317
#[test]
fn mem_store_erase_msg() {
    for headers in [b"".as_slice(), b"name:derek"] {
        let mut tester = tester();
        let new = NewMessage { headers, ..hello("foo") };
        assert_eq!(tester.try_put(new), Ok(1));
        assert_eq!(tester.store.state().bytes, 3 + headers.len() as u64 + 11 + 16);
        let stored = tester.store.load(1).unwrap();
        assert_eq!((stored.headers, stored.body), (headers, HELLO));
        assert_eq!(tester.store.erase(1), Ok(true));
        assert_eq!(tester.store.erase(1), Ok(false));
        assert_eq!(tester.store.load(1), Err(StoreError::NotFound));
    }
}

/// Go: TestMemStoreStreamStateDeleted server/memstore_test.go:342
#[test]
fn mem_store_stream_state_deleted() {
    let mut tester = tester();
    tester.put_many("foo", 10);
    assert!(tester.store.deleted().is_empty());
    tester.remove(&[2, 4, 6, 8]);
    assert!(tester.store.deleted().iter().eq([2, 4, 6, 8]));
    tester.remove(&[1, 3]);
    assert!(tester.store.deleted().iter().eq([6, 8]));
    assert_eq!(tester.store.state().first_seq, 5);
    tester.store.purge().unwrap();
    assert!(tester.store.deleted().is_empty());
}

/// Go: TestMemStoreStreamTruncate server/memstore_test.go:385
#[test]
fn mem_store_stream_truncate() {
    let mut tester = tester();
    tester.put_many("foo", 49);
    tester.put_many("bar", 51);
    tester.store.truncate(50, tester.now).unwrap();
    assert_eq!(tester.range(), (50, 1, 50));
    assert_eq!(tester.store.state().last_time, Some(START + 50 * TICK));
    tester.remove(&[10, 20, 30, 40]);
    tester.store.truncate(25, tester.now).unwrap();
    let state = tester.store.state();
    assert_eq!((state.messages, state.subjects), (23, 1));
    assert!(tester.store.deleted().iter().eq([10, 20]));
    let beyond = tester.store.truncate(26, tester.now);
    assert_eq!(beyond, Err(StoreError::InvalidSequence));
}

/// Go: TestMemStorePurgeExWithSubject server/memstore_test.go:437
#[test]
fn mem_store_purge_ex_with_subject() {
    let mut tester = tester();
    tester.put_many("foo", 100);
    assert_eq!(tester.store.purge_matching(one("foo"), 0, 0), Ok(100));
    assert_eq!(tester.range(), (0, 101, 100));
}

/// Go: TestMemStoreUpdateMaxMsgsPerSubject server/memstore_test.go:452
#[test]
fn mem_store_update_max_msgs_per_subject() {
    let config = |max| StoreConfig { messages_per_subject_max: max, ..StoreConfig::default() };
    let mut tester = Tester::memory(config(Some(10)));
    tester.store.update_config(config(Some(50)), tester.now);
    tester.put_many("foo", 22);
    assert_eq!(tester.subject("foo").messages, 22);
    tester.store.update_config(config(Some(10)), tester.now);
    assert_eq!(tester.subject("foo"), SubjectState { messages: 10, first: 13, last: 22 });
}

/// Go: TestMemStoreStreamTruncateReset server/memstore_test.go:490
#[test]
fn mem_store_stream_truncate_reset() {
    let mut tester = tester();
    for _ in 0..2 {
        (0..1000).for_each(|_| {
            tester.try_put(hello("foo")).unwrap();
        });
        let state = tester.store.state();
        assert_eq!((tester.range(), state.bytes, state.subjects), ((1000, 1, 1000), 30_000, 1));
        tester.store.truncate(0, tester.now).unwrap();
        let state = tester.store.state();
        assert_eq!((tester.range(), state.bytes, state.subjects), ((0, 0, 0), 0, 0));
        assert_eq!(state.deleted, 0);
    }
}

/// Go: TestMemStoreStreamCompactMultiBlockSubjectInfo server/memstore_test.go:531
#[test]
fn mem_store_stream_compact_multi_block_subject_info() {
    let mut tester = tester();
    (0..1000).for_each(|index| {
        tester.put(&format!("foo.{index}"));
    });
    assert_eq!(tester.store.compact(501), Ok(500));
    assert_eq!(tester.store.state().subjects, 500);
}

/// Go: TestMemStoreSubjectsTotals server/memstore_test.go:557
#[test]
fn mem_store_subjects_totals() {
    let mut tester = tester();
    let mut prng = Prng::from_seed(1);
    let mut model: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for _ in 0..10_000 {
        let subject = format!("{}.{}", ["foo", "bar"][prng.below(2)], prng.below(100));
        tester.put(&subject);
        *model.entry(subject.into_bytes()).or_default() += 1;
    }
    for subject in model.keys() {
        let totals = tester.store.subjects_totals(Filter::One(subject));
        assert_eq!(totals, BTreeMap::from([(subject.clone(), model[subject])]));
    }
    for filter in ["foo.*", "bar.*", "*.*", ">"] {
        let expected: BTreeMap<_, _> = model
            .iter()
            .filter(|(subject, _)| matches(subject, filter.as_bytes()))
            .map(|(subject, total)| (subject.clone(), *total))
            .collect();
        assert_eq!(tester.store.subjects_totals(one(filter)), expected);
    }
}

/// What there is, by looking at every message.
fn scan(tester: &mut Tester, filter: Filter<'_>, start: u64, last_only: bool) -> SubjectState {
    let mut seen = BTreeSet::new();
    let mut state = SubjectState::default();
    let last = tester.store.state().last_seq;
    for seq in (start.max(1)..=last).rev() {
        let Ok(message) = tester.store.load(seq) else { continue };
        if filter.matches(message.subject) && (!last_only || seen.insert(message.subject.to_vec()))
        {
            state.messages += 1;
            state.first = seq;
            state.last = state.last.max(seq);
        }
    }
    state
}

/// Go: TestMemStoreNumPending server/memstore_test.go:637
#[test]
fn mem_store_num_pending() {
    let mut tester = tester();
    let mut prng = Prng::from_seed(2);
    for _ in 0..5_000 {
        let mut token = || ["foo", "bar", "baz"][prng.below(3)];
        let subject = format!("{}.{}.{}.{}", token(), token(), token(), token());
        tester.put(&subject);
    }
    let subjects = ["foo.>", "*.bar.>", "foo.bar.*.baz", "*.foo.bar.*", "foo.foo.bar.baz", ">"];
    for filter in subjects {
        for start in [0, 1, 2, 20, 44, 55, 222, 888, 1_234, 2_822, 3_345, 4_440, 4_999, 5_001] {
            let expected = scan(&mut tester, one(filter), start, false);
            assert_eq!(tester.store.filtered_state(start, one(filter)), expected);
            let pending = tester.store.pending(start, one(filter), false);
            assert_eq!(pending, (expected.messages, 5_000));
            let expected = scan(&mut tester, one(filter), start, true);
            let pending = tester.store.pending(start, one(filter), true);
            assert_eq!(pending, (expected.messages, 5_000), "{filter} {start}");
        }
    }
}

/// Go: TestMemStoreInitialFirstSeq server/memstore_test.go:766
#[test]
fn mem_store_initial_first_seq() {
    let mut tester = Tester::memory(StoreConfig { first_seq: 1000, ..StoreConfig::default() });
    assert_eq!((tester.put("A"), tester.put("B")), (1000, 1001));
    assert_eq!(tester.range(), (2, 1000, 1001));
}

/// Go: TestMemStoreDeleteBlocks server/memstore_test.go:800
#[test]
fn mem_store_delete_blocks() {
    let mut tester = tester();
    tester.put_many("A", 10_000);
    let mut prng = Prng::from_seed(3);
    let mut removed = BTreeSet::new();
    while removed.len() < 5000 {
        removed.insert(prng.below(10_000) as u64 + 1);
    }
    removed.iter().for_each(|&seq| assert!(tester.store.remove(seq).unwrap()));
    tester.check();
    let first = (1..).find(|seq| !removed.contains(seq)).unwrap();
    assert!(tester.store.deleted().iter().eq(removed.range(first..).copied()));
    assert_eq!(tester.store.state().deleted, tester.store.deleted().len());
}

/// Go: TestMemStoreGetSeqFromTimeWithLastDeleted server/memstore_test.go:840
#[test]
fn mem_store_get_seq_from_time_with_last_deleted() {
    let mut tester = tester();
    tester.put_many("A", 500);
    tester.now = tester.now + Duration::from_millis(100);
    let start = tester.now;
    tester.put_many("A", 500);
    (900..=1000).for_each(|seq| tester.remove(&[seq]));
    assert_eq!(tester.store.seq_from_time(start), 501);
    assert_eq!(tester.store.seq_from_time(Timestamp(0)), 1);
    assert_eq!(tester.store.seq_from_time(Timestamp::NEVER), 1001);
}

/// Go: TestMemStoreSkipMsgs server/memstore_test.go:872
#[test]
fn mem_store_skip_msgs() {
    let mut empty = tester();
    let now = empty.now;
    assert_eq!(empty.store.skip(Some(10), 100, now, false), Err(StoreError::SequenceMismatch));
    assert_eq!(empty.store.skip(Some(1), 100, now, false), Ok(100));
    assert_eq!(empty.range(), (0, 101, 100));
    assert_eq!(empty.store.skip(Some(101), 100_000, now, false), Ok(100_100));
    assert_eq!(empty.range(), (0, 100_101, 100_100));
    assert_eq!(empty.store.skip(None, 0, now, false), Ok(100_100));
    assert_eq!(empty.store.skip(None, u64::MAX, now, false), Err(StoreError::InvalidSequence));

    let mut tester = tester();
    tester.put("foo");
    assert_eq!(tester.store.skip(Some(2), 10, now, false), Ok(11));
    assert_eq!((tester.range(), tester.store.state().deleted), ((1, 1, 11), 10));
    // A wide gap costs neither time nor much memory.
    tester.skip(10_000_000);
    tester.put("foo");
    assert_eq!(tester.next(one("foo"), 2), Some(10_000_012));
    assert_eq!(tester.prev(one("foo"), 10_000_011), Some(1));
    assert_eq!(tester.store.pending(2, one("foo"), false), (1, 10_000_012));
}

/// Go: TestMemStoreMultiLastSeqs server/memstore_test.go:924
#[test]
fn mem_store_multi_last_seqs() {
    let mut tester = tester();
    for first in ["foo", "bar"] {
        for _ in 0..33 {
            ["foo", "bar", "baz"].iter().for_each(|last| {
                tester.put(&format!("{first}.{last}"));
            });
        }
    }
    let cases: [(&[&str], u64, &[u64]); 14] = [
        (&["foo.*"], 3, &[1, 2, 3]),
        (&["foo.*"], 0, &[97, 98, 99]),
        (&["bar.*"], 0, &[196, 197, 198]),
        (&["bar.*"], 99, &[]),
        (&["foo.foo", "foo.bar", "foo.baz"], 3, &[1, 2, 3]),
        (&["foo.foo", "foo.bar", "foo.baz"], 0, &[97, 98, 99]),
        (&["bar.foo", "bar.bar", "bar.baz"], 0, &[196, 197, 198]),
        (&["bar.foo", "bar.bar", "bar.baz"], 99, &[]),
        (&["foo.foo"], 3, &[1]),
        (&["foo.*", "foo.bar"], 3, &[1, 2, 3]),
        (&["bar.>", "bar.bar", "bar.baz"], 0, &[196, 197, 198]),
        (&[">"], 0, &[97, 98, 99, 196, 197, 198]),
        (&[">"], 99, &[97, 98, 99]),
        (&["none", "none.*"], 0, &[]),
    ];
    for (filters, last, expected) in cases {
        let filters: Vec<&[u8]> = filters.iter().map(|filter| filter.as_bytes()).collect();
        assert_eq!(tester.store.last_seqs(&filters, last, None).unwrap(), expected);
    }
}

/// Go: TestMemStoreMultiLastSeqsMaxAllowed server/memstore_test.go:1011
#[test]
fn mem_store_multi_last_seqs_max_allowed() {
    let mut tester = tester();
    (1..=100).for_each(|index| {
        tester.put(&format!("foo.{index}"));
    });
    let mut seqs = |max| tester.store.last_seqs(&[b"foo.*"], 0, Some(max));
    assert_eq!(seqs(10), Err(StoreError::TooManyResults));
    assert_eq!(seqs(100).unwrap().len(), 100);
}

/// Go: TestMemStorePurgeExWithDeletedMsgs server/memstore_test.go:1032
#[test]
fn mem_store_purge_ex_with_deleted_msgs() {
    let mut tester = tester();
    tester.put_many("foo", 10);
    tester.remove(&[2, 9]);
    assert_eq!(tester.store.purge_matching(Filter::All, 9, 0), Ok(7));
    assert_eq!(tester.range(), (1, 10, 10));
}

/// Go: TestMemStoreDeleteAllFirstSequenceCheck server/memstore_test.go:1061
#[test]
fn mem_store_delete_all_first_sequence_check() {
    let mut tester = tester();
    tester.put_many("foo", 10);
    (1..=10).for_each(|seq| tester.remove(&[seq]));
    assert_eq!(tester.range(), (0, 11, 10));
}

/// Go: TestMemStoreNumPendingMulti server/memstore_test.go:1085
#[test]
fn mem_store_num_pending_multi() {
    let mut tester = tester();
    let mut prng = Prng::from_seed(4);
    let subjects: Vec<String> =
        (0..1_000).map(|_| format!("ev.{:016x}", prng.next_u64())).collect();
    for _ in 0..20_000 {
        tester.put(&subjects[prng.below(subjects.len())]);
    }
    let half: Vec<&str> = subjects.iter().step_by(2).map(String::as_str).collect();
    let set = filters(&half);
    for start in [1, 1_000 + prng.below(18_000) as u64] {
        for last_only in [false, true] {
            let expected = scan(&mut tester, Filter::Any(&set), start, last_only).messages;
            let pending = tester.store.pending(start, Filter::Any(&set), last_only);
            assert_eq!(pending, (expected, 20_000));
        }
    }
}

/// Go: TestMemStoreNumPendingBug server/memstore_test.go:1138
#[test]
fn mem_store_num_pending_bug() {
    let mut tester = tester();
    for subject in ["foo.foo", "foo.bar", "foo.baz", "foo.zzz"] {
        tester.put("foo.aaa");
        tester.put_many(subject, 2);
    }
    assert_eq!(tester.store.pending(4, one("foo.*"), false), (9, 12));
}

/// Go: TestMemStoreMessageTTL server/memstore_test.go:1203
#[test]
fn mem_store_message_ttl() {
    let mut tester =
        Tester::memory(StoreConfig { allow_message_ttl: true, ..StoreConfig::default() });
    let second = Duration::from_secs(1);
    let put = |tester: &mut Tester, ttl| {
        tester.try_put(NewMessage { ttl: Some(ttl), ..message("test") }).unwrap()
    };
    (0..10).for_each(|_| {
        put(&mut tester, Ttl::After(second));
    });
    assert_eq!(tester.range(), (10, 1, 10));
    let due = START + TICK + second;
    assert_eq!(tester.store.next_expiration(), Some(due));
    assert_eq!(tester.store.expire(Timestamp(due.0 - 1)), Ok(0));
    assert_eq!(tester.store.expire(due + second), Ok(10));
    assert_eq!((tester.range(), tester.store.next_expiration()), ((0, 11, 10), None));
    // One that was removed, one that never expires, one that outlives the stream's limit not.
    let removed = put(&mut tester, Ttl::After(second));
    tester.remove(&[removed]);
    let kept = put(&mut tester, Ttl::Never);
    put(&mut tester, Ttl::After(1000 * second));
    let age_max = Some(5 * second);
    let config = StoreConfig { allow_message_ttl: true, age_max, ..StoreConfig::default() };
    tester.store.update_config(config, tester.now);
    // It may ask to be called for the removed one still, but not later than it is due.
    let next = tester.store.next_expiration().unwrap();
    assert!(next <= tester.now + 5 * second);
    assert_eq!(tester.store.expire(next.max(tester.now + 4 * second)), Ok(0));
    assert_eq!(tester.store.next_expiration(), Some(tester.now + 5 * second));
    assert_eq!(tester.store.expire(tester.now + 5 * second), Ok(1));
    assert_eq!(tester.store.expire(Timestamp(i64::MAX - 1)), Ok(0));
    assert_eq!(tester.store.load_next(Filter::All, 0).unwrap().unwrap().seq, kept);
}

/// Go: TestMemStoreAllLastSeqs server/memstore_test.go:1267
#[test]
fn mem_store_all_last_seqs() {
    let messages_per_subject_max = Some(50);
    let mut tester =
        Tester::memory(StoreConfig { messages_per_subject_max, ..StoreConfig::default() });
    let subjects = ["foo.foo", "foo.bar", "foo.baz", "bar.foo", "bar.bar", "bar.baz"];
    let mut prng = Prng::from_seed(5);
    for _ in 0..10_000 {
        tester.put(subjects[prng.below(subjects.len())]);
    }
    let mut expected = subjects.map(|subject| tester.store.load_last(one(subject)).unwrap().seq);
    expected.sort_unstable();
    assert_eq!(tester.store.last_seqs(&[b">"], 0, None).unwrap(), expected);
    assert_eq!(tester.store.state().messages, 300);
}

/// Go: TestMemStoreUpdateConfigTTLState server/memstore_test.go:1300
#[test]
fn mem_store_update_config_ttl_state() {
    let mut store = MemStore::new(StoreConfig::default());
    let headers = b"NATS/1.0\r\nNats-TTL: 2\r\n\r\n";
    store.store(NewMessage { headers, ..message("foo") }).unwrap();
    store
        .store(NewMessage { headers: b"NATS/1.0\r\nNats-TTL: x\r\n\r\n", ..message("foo") })
        .unwrap();
    for allow_message_ttl in [false, true, false, true] {
        let config = StoreConfig { allow_message_ttl, ..StoreConfig::default() };
        store.update_config(config, START);
        assert_eq!(store.ttls.is_some(), allow_message_ttl);
        // Those that are there count from when they were stored.
        let due = START + Duration::from_secs(2);
        assert_eq!(store.next_expiration(), allow_message_ttl.then_some(due));
    }
}

/// Go: TestMemStoreSubjectForSeq server/memstore_test.go:1320
#[test]
fn mem_store_subject_for_seq() {
    let mut tester = tester();
    tester.put("foo.bar");
    for (seq, expected) in [
        (0, Err(StoreError::NotFound)),
        (1, Ok(b"foo.bar".as_slice())),
        (2, Err(StoreError::NotFound)),
    ] {
        assert_eq!(tester.store.subject_of(seq), expected);
    }
}

/// Go: TestMemStoreNextWildcardMatch server/memstore_test.go:1416
/// Go: TestMemStoreNextLiteralMatch server/memstore_test.go:1497
#[test]
fn mem_store_next_match() {
    let mut tester = tester();
    tester.put("foo.bar.a");
    tester.put_many("foo.baz.bar", 10);
    tester.put("foo.bar.b");
    tester.put_many("foo.baz.bar", 10);
    tester.put_many("foo.baz.bar.no.match", 10);
    let cases = [
        ("foo.bar.*", 0, Some((1, 12))),
        ("foo.bar.*", 1, Some((1, 12))),
        ("foo.bar.*", 2, Some((12, 12))),
        ("foo.bar.*", 13, None),
        ("foo.baz.*", 1, Some((2, 22))),
        ("foo.baz.*", 11, Some((11, 22))),
        ("foo.baz.*", 12, Some((13, 22))),
        ("foo.baz.*", 22, Some((22, 22))),
        ("foo.baz.*", 23, None),
        ("foo.nope.*", 1, None),
        ("foo.>", 1, Some((1, 32))),
        ("foo.bar.a", 0, Some((1, 1))),
        ("foo.bar.a", 2, None),
        ("foo.baz.bar", 1, Some((2, 22))),
        ("foo.baz.bar", 11, Some((11, 22))),
        ("foo.baz.bar", 22, Some((22, 22))),
        ("foo.baz.bar", 23, None),
        ("foo.nope", 1, None),
    ];
    for (filter, start, expected) in cases {
        let state = tester.store.filtered_state(start, one(filter));
        let bounds = (state.messages > 0).then_some((state.first, state.last));
        assert_eq!(bounds, expected, "{filter} {start}");
        assert_eq!(tester.next(one(filter), start), expected.map(|(first, _)| first));
    }
}

/// Go: TestMemStoreMultiLastSeqsDoesNotUseStaleLastValue server/memstore_test.go:1559
#[test]
fn mem_store_multi_last_seqs_does_not_use_stale_last_value() {
    let mut tester = tester();
    for subject in ["foo", "bar", "foo", " baz", "foo", "foo", "bar", "foo", "bar", "baz"] {
        tester.put(subject);
    }
    assert_eq!(tester.store.last_seqs(&[b"foo", b"bar"], 0, None), Ok(vec![8, 9]));
    tester.remove(&[8]);
    assert_eq!(tester.store.last_seqs(&[b"foo", b"bar"], 0, None), Ok(vec![6, 9]));
}

#[test]
fn a_rollup_passes_the_limit_of_its_subject() {
    let config = StoreConfig {
        messages_per_subject_max: Some(1),
        discard: Discard::New,
        discard_new_per_subject: true,
        ..StoreConfig::default()
    };
    let mut tester = Tester::memory(config);
    tester.put("foo");
    assert_eq!(tester.try_put(message("foo")), Err(StoreError::MaxMessagesPerSubject));
    let headers = b"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n";
    assert_eq!(tester.try_put(NewMessage { headers, ..message("foo") }), Ok(2));
}

#[derive(Debug, Clone)]
enum Step {
    Put(usize, Option<u64>),
    Skip(u64),
    Remove(u64),
    PurgeMatching(usize, u64, u64),
    Purge,
    Compact(u64),
    Truncate(u64),
    Expire(u64),
}

const SUBJECTS: [&str; 6] = ["a.x", "a.y", "b.x", "b.y", "a.x.z", "c"];
const FILTERS: [&str; 8] = [">", "a.*", "*.x", "a.>", "c", "b.y", "none", "*.*.z"];

fn step() -> impl Strategy<Value = Step> {
    let seq = || 0..150_u64;
    prop_oneof![
        24 => (0..SUBJECTS.len(), prop::option::of(1..40_u64))
            .prop_map(|(subject, ttl)| Step::Put(subject, ttl)),
        2 => (1..100_u64).prop_map(Step::Skip),
        8 => seq().prop_map(Step::Remove),
        1 => (0..FILTERS.len(), seq(), 0..4_u64)
            .prop_map(|(filter, seq, keep)| Step::PurgeMatching(filter, seq, keep)),
        1 => Just(Step::Purge),
        1 => seq().prop_map(Step::Compact),
        1 => seq().prop_map(Step::Truncate),
        1 => (0..20_u64).prop_map(Step::Expire),
    ]
}

/// A message of the model: subject, time, and when it expires.
type ModelMessage = (&'static str, Timestamp, Timestamp);

#[derive(Default)]
struct Model {
    messages: BTreeMap<u64, ModelMessage>,
    last: u64,
}

impl Model {
    fn matching(&self, filter: &str) -> Vec<u64> {
        let is_match = |subject: &str| matches(subject.as_bytes(), filter.as_bytes());
        let messages = self.messages.iter().filter(|(_, (subject, ..))| is_match(subject));
        messages.map(|(&seq, _)| seq).collect()
    }

    fn apply(&mut self, step: &Step, now: Timestamp, limits: (u64, u64)) {
        match *step {
            Step::Put(subject, ttl) => {
                self.last += 1;
                let subject = SUBJECTS[subject];
                let expires = ttl.map_or(Timestamp::NEVER, |ttl| now + Duration::from_secs(ttl));
                self.messages.insert(self.last, (subject, now, expires));
                let of_subject = self.matching(subject);
                if of_subject.len() as u64 > limits.1 {
                    self.messages.remove(&of_subject[0]);
                }
                if self.messages.len() as u64 > limits.0 {
                    self.messages.pop_first();
                }
            }
            Step::Skip(count) => self.last += count,
            Step::Remove(seq) => {
                self.messages.remove(&seq);
            }
            Step::PurgeMatching(filter, seq, keep) => {
                let mut found = self.matching(FILTERS[filter]);
                let ignores_keep = filter == 0 && seq > 1;
                let keep = if ignores_keep { 0 } else { usize::try_from(keep).unwrap() };
                found.truncate(found.len().saturating_sub(keep));
                found.retain(|&found| seq == 0 || found < seq);
                found.iter().for_each(|seq| {
                    self.messages.remove(seq);
                });
                if ignores_keep && seq > self.last {
                    self.last = seq - 1;
                }
            }
            Step::Purge => self.messages.clear(),
            Step::Compact(0) => self.messages.clear(),
            Step::Compact(seq) => {
                self.messages.retain(|&found, _| found >= seq);
                self.last = self.last.max(seq - 1);
            }
            Step::Truncate(seq) => {
                if seq <= self.last {
                    self.messages.retain(|&found, _| found <= seq);
                    self.last = seq;
                }
            }
            Step::Expire(_) => self.messages.retain(|_, (_, _, expires)| *expires > now),
        }
    }
}

fn check_against(tester: &mut Tester, model: &Model, start: u64) {
    tester.check();
    let seqs: Vec<u64> = model.messages.keys().copied().collect();
    let (messages, first, last) = tester.range();
    assert_eq!((messages, last), (seqs.len() as u64, model.last));
    assert!(seqs.first().is_none_or(|&seq| seq == first));
    for filter in FILTERS {
        let found = model.matching(filter);
        let above: Vec<u64> = found.iter().copied().filter(|&seq| seq >= start).collect();
        let expected = SubjectState {
            messages: above.len() as u64,
            first: above.first().copied().unwrap_or(0),
            last: above.last().copied().unwrap_or(0),
        };
        let set = filters(&[filter]);
        for filter in [one(filter), Filter::Any(&set)] {
            assert_eq!(tester.store.filtered_state(start, filter), expected);
            assert_eq!(tester.next(filter, start), above.first().copied());
            let previous = found.iter().copied().rfind(|&seq| seq <= start);
            assert_eq!(tester.prev(filter, start), previous);
        }
        let mut last_of = BTreeMap::new();
        for seq in found.into_iter().filter(|&seq| start == 0 || seq <= start) {
            last_of.insert(model.messages[&seq].0, seq);
        }
        let mut last_of: Vec<u64> = last_of.into_values().collect();
        last_of.sort_unstable();
        assert_eq!(tester.store.last_seqs(&[filter.as_bytes()], start, None), Ok(last_of));
    }
    for (&seq, (subject, timestamp, _)) in &model.messages {
        let message = tester.store.load(seq).unwrap();
        assert_eq!((message.subject, message.timestamp), (subject.as_bytes(), *timestamp));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_store_does_what_a_plain_map_does(
        steps in prop::collection::vec((step(), 0..160_u64), 1..120),
        limits in (5..80_u64, 1..30_u64),
    ) {
        let config = StoreConfig {
            messages_max: Some(limits.0),
            messages_per_subject_max: Some(limits.1),
            allow_message_ttl: true,
            ..StoreConfig::default()
        };
        let mut tester = Tester::memory(config);
        let mut model = Model::default();
        for (step, start) in steps {
            let store = &mut tester.store;
            match step {
                Step::Put(subject, ttl) => {
                    let ttl = ttl.map(|ttl| Ttl::After(Duration::from_secs(ttl)));
                    tester.try_put(NewMessage { ttl, ..message(SUBJECTS[subject]) }).unwrap();
                }
                Step::Skip(count) => {
 tester.skip(count);
 },
                Step::Remove(seq) => {
                    let is_there = model.messages.contains_key(&seq);
                    prop_assert_eq!(store.remove(seq), Ok(is_there));
                }
                Step::PurgeMatching(filter, seq, keep) => {
                    store.purge_matching(one(FILTERS[filter]), seq, keep).unwrap();
                }
                Step::Purge => {
 store.purge().unwrap();
 },
                Step::Compact(seq) => {
 store.compact(seq).unwrap();
 },
                Step::Truncate(seq) => {
                    let is_there = seq <= model.last;
                    prop_assert_eq!(store.truncate(seq, tester.now).is_ok(), is_there);
                }
                Step::Expire(seconds) => {
                    tester.now = tester.now + Duration::from_secs(seconds);
                    store.expire(tester.now).unwrap();
                }
            }
            model.apply(&step, tester.now, limits);
            check_against(&mut tester, &model, start);
        }
    }
}
