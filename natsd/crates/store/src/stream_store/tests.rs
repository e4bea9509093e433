//! What every store must do. Each test runs with every store that there is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use natsd_base::Timestamp;
use natsd_subject::SubjectSet;

use super::{
    Discard, Filter, NewMessage, StoreConfig, StoreError, StreamState, StreamStore, SubjectState,
};
use crate::disk::MemDisk;
use crate::file::{FileStore, FileStoreConfig};
use crate::markers::marker_headers;
use crate::memory::MemStore;
use crate::snapshot::{SourceState, StreamSnapshot};
use crate::ttl::Ttl;

/// When the tests begin.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000_000_000);
/// What passes between two messages.
pub(crate) const TICK: Duration = Duration::from_micros(1);

/// A store with a clock.
pub(crate) struct Tester {
    pub(crate) store: Box<dyn StreamStore>,
    pub(crate) now: Timestamp,
}

impl Tester {
    pub(crate) fn memory(config: StoreConfig) -> Self {
        Self { store: Box::new(MemStore::new(config)), now: START }
    }

    /// With blocks that hold a few messages.
    pub(crate) fn file(config: StoreConfig) -> Self {
        let (disk, dir) = (Arc::new(MemDisk::new()), Path::new("/s"));
        let file_config = FileStoreConfig { block_size: 400, ..FileStoreConfig::new("S") };
        let store = FileStore::open(disk, dir, file_config, config, START).unwrap();
        Self { store: Box::new(store), now: START }
    }

    pub(crate) fn try_put(&mut self, message: NewMessage<'_>) -> Result<u64, StoreError> {
        self.now = self.now + TICK;
        let result = self.store.store(NewMessage { timestamp: self.now, ..message });
        self.check();
        result
    }

    /// Stores an empty message as a stream without replicas would.
    #[track_caller]
    pub(crate) fn put(&mut self, subject: &str) -> u64 {
        self.try_put(message(subject)).unwrap()
    }

    #[track_caller]
    pub(crate) fn put_many(&mut self, subject: &str, count: usize) {
        for _ in 0..count {
            self.put(subject);
        }
    }

    #[track_caller]
    pub(crate) fn remove(&mut self, seqs: &[u64]) {
        for &seq in seqs {
            assert!(self.store.remove(seq).unwrap(), "{seq}");
            self.check();
        }
    }

    pub(crate) fn skip(&mut self, count: u64) -> u64 {
        self.now = self.now + TICK;
        let last = self.store.skip(None, count, self.now, false).unwrap();
        self.check();
        last
    }

    /// Messages, first and last sequence.
    pub(crate) fn range(&self) -> (u64, u64, u64) {
        let StreamState { messages, first_seq, last_seq, .. } = self.store.state();
        (messages, first_seq, last_seq)
    }

    pub(crate) fn subject(&mut self, subject: &str) -> SubjectState {
        let states = self.store.subjects_state(Filter::One(subject.as_bytes()));
        states.get(subject.as_bytes()).copied().unwrap_or_default()
    }

    pub(crate) fn next(&mut self, filter: Filter<'_>, start: u64) -> Option<u64> {
        self.store.load_next(filter, start).unwrap().map(|message| message.seq)
    }

    pub(crate) fn prev(&mut self, filter: Filter<'_>, start: u64) -> Option<u64> {
        self.store.load_prev(filter, start).unwrap().map(|message| message.seq)
    }

    /// The invariants of a state.
    #[track_caller]
    pub(crate) fn check(&self) {
        let state = self.store.state();
        let deleted = self.store.deleted();
        assert_eq!(state.deleted, deleted.len());
        if state.messages == 0 {
            assert!(state.bytes == 0 && state.first_time.is_none() && state.deleted == 0);
            assert!(state.first_seq == state.last_seq + 1 || state.last_seq == 0);
        } else {
            assert_eq!(state.last_seq - state.first_seq + 1, state.messages + state.deleted);
            assert!(deleted.min().is_none_or(|seq| seq > state.first_seq));
            assert!(deleted.max().is_none_or(|seq| seq <= state.last_seq));
        }
    }
}

pub(crate) fn message(subject: &str) -> NewMessage<'_> {
    NewMessage {
        subject: subject.as_bytes(),
        headers: b"",
        body: b"",
        seq: None,
        timestamp: START,
        ttl: None,
        may_refuse: true,
    }
}

pub(crate) fn one(subject: &str) -> Filter<'_> {
    Filter::new(subject.as_bytes())
}

pub(crate) fn filters(subjects: &[&str]) -> SubjectSet {
    let mut set = SubjectSet::with_seed(1);
    for subject in subjects {
        set.insert(subject.as_bytes(), ()).unwrap();
    }
    set
}

/// Runs a test with each kind of store.
pub(crate) fn each_store(config: &StoreConfig, test: impl Fn(&mut Tester)) {
    for mut tester in [Tester::memory(config.clone()), Tester::file(config.clone())] {
        test(&mut tester);
        tester.check();
    }
}

/// Go: TestStoreMsgLoadNextMsgMulti server/store_test.go:59
#[test]
fn store_msg_load_next_msg_multi() {
    each_store(&StoreConfig::default(), |tester| {
        let subjects: Vec<String> = (0..1000).map(|index| format!("foo.{index}")).collect();
        let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
        subjects.iter().for_each(|subject| {
            tester.put(subject);
        });
        for set in [filters(&["foo.>"]), filters(&subjects)] {
            for (index, subject) in subjects.iter().enumerate() {
                let seq = index as u64 + 1;
                let found = tester.store.load_next(Filter::Any(&set), seq).unwrap().unwrap();
                assert_eq!((found.seq, found.subject), (seq, subject.as_bytes()));
            }
        }
        let set = filters(&["foo.2", "foo.222", "foo.999"]);
        let mut start = 1;
        for expected in [Some(3), Some(223), Some(1000), None] {
            let found = tester.next(Filter::Any(&set), start);
            assert_eq!(found, expected);
            start = found.unwrap_or(start) + 1;
        }
    });
}

/// Go: TestStoreLoadNextMsgWildcardStartBeforeFirstMatch server/store_test.go:120
#[test]
fn store_load_next_msg_wildcard_start_before_first_match() {
    each_store(&StoreConfig::default(), |tester| {
        for index in 0..100 {
            tester.put(&format!("bar.{index}"));
        }
        assert_eq!(tester.put("foo.1"), 101);
        assert_eq!(tester.next(one("foo.*"), 1), Some(101));
        assert_eq!(tester.next(one("foo.*"), 102), None);
    });
}

/// Go: TestStoreSubjectStateConsistency server/store_test.go:181
/// Go: TestStoreSubjectStateConsistencyOptimization server/store_test.go:316
#[test]
fn store_subject_state_consistency() {
    type Step<'a> = (usize, &'a [u64], (u64, u64, u64));
    let scripts: [&[Step<'_>]; 2] = [
        &[
            (4, &[], (4, 1, 4)),
            (0, &[1], (3, 2, 4)),
            (0, &[4], (2, 2, 3)),
            (0, &[2], (1, 3, 3)),
            (3, &[], (4, 3, 7)),
            (0, &[7, 3, 5], (1, 6, 6)),
            (1, &[8], (1, 6, 6)),
            (1, &[], (2, 6, 9)),
        ],
        &[
            (3, &[2, 1], (1, 3, 3)),
            (2, &[3, 5], (1, 4, 4)),
            (2, &[7, 4], (1, 6, 6)),
            (2, &[9, 8], (1, 6, 6)),
        ],
    ];
    for script in scripts {
        each_store(&StoreConfig::default(), |tester| {
            for &(stored, removed, (messages, first, last)) in script {
                tester.put_many("foo", stored);
                tester.remove(removed);
                assert_eq!(tester.subject("foo"), SubjectState { messages, first, last });
                assert_eq!(tester.next(one("foo"), 0), Some(first));
                assert_eq!(tester.store.load_last(one("foo")).unwrap().seq, last);
            }
        });
    }
}

/// Go: TestStoreMaxMsgsPerUpdateBug server/store_test.go:407
#[test]
fn store_max_msgs_per_update_bug() {
    each_store(&StoreConfig::default(), |tester| {
        tester.put_many("foo", 5);
        assert_eq!(tester.range(), (5, 1, 5));
        let messages_per_subject_max = Some(1);
        let config = StoreConfig { messages_per_subject_max, ..StoreConfig::default() };
        tester.store.update_config(config, tester.now);
        assert_eq!(tester.range(), (1, 5, 5));
    });
}

/// Go: TestStoreMaxMsgsPerUpdateToOneRemoveNewest server/store_test.go:451
#[test]
fn store_max_msgs_per_update_to_one_remove_newest() {
    each_store(&StoreConfig::default(), |tester| {
        let fill = |tester: &mut Tester| {
            (1..=9).for_each(|index| {
                tester.put(&format!("foo.{index}"));
            });
        };
        tester.put("foo.0");
        fill(tester);
        let kept = tester.put("foo.0");
        fill(tester);
        let last = tester.put("foo.0");
        tester.remove(&[last]);
        let messages_per_subject_max = Some(1);
        let config = StoreConfig { messages_per_subject_max, ..StoreConfig::default() };
        tester.store.update_config(config, tester.now);
        let expected = SubjectState { messages: 1, first: kept, last: kept };
        assert_eq!(tester.subject("foo.0"), expected);
        assert_eq!(tester.store.load_last(one("foo.0")).unwrap().seq, kept);
        assert_eq!(tester.next(one("foo.0"), 0), Some(kept));
    });
}

/// Go: TestStoreCompactCleansUpDmap server/store_test.go:529
#[test]
fn store_compact_cleans_up_dmap() {
    for seq in 2..=4 {
        each_store(&StoreConfig::default(), |tester| {
            tester.put_many("foo", 3);
            assert_eq!(tester.store.state().deleted, 0);
            tester.remove(&[2]);
            assert_eq!(tester.store.state().deleted, 1);
            tester.store.compact(seq).unwrap();
            assert_eq!(tester.store.state().deleted, 0);
            let (_, first, last) = tester.range();
            assert_eq!((first, last), (seq.max(3), 3));
        });
    }
}

/// Go: TestStoreCompactFullyDeletedRange server/store_test.go:580
#[test]
fn store_compact_fully_deleted_range() {
    each_store(&StoreConfig::default(), |tester| {
        tester.put_many("foo", 3);
        tester.remove(&[2, 3]);
        let (_, first, last) = tester.range();
        assert_eq!((first, last), (1, 3));
        tester.store.compact(2).unwrap();
        assert_eq!(tester.range(), (0, 4, 3));
        assert_eq!(tester.store.state().first_time, None);
    });
}

/// Go: TestStoreTruncateCleansUpDmap server/store_test.go:615
#[test]
fn store_truncate_cleans_up_dmap() {
    for seq in 0..=1 {
        each_store(&StoreConfig::default(), |tester| {
            tester.put_many("foo", 3);
            tester.remove(&[2]);
            assert_eq!(tester.store.state().deleted, 1);
            tester.store.truncate(seq, tester.now).unwrap();
            assert_eq!(tester.store.state().deleted, 0);
            assert_eq!(tester.range(), (seq, seq, seq));
        });
    }
}

/// Go: TestStorePurgeExZero server/store_test.go:667
#[test]
fn store_purge_ex_zero() {
    each_store(&StoreConfig::default(), |tester| {
        tester.store.purge().unwrap();
        assert_eq!(tester.range(), (0, 1, 0));
        tester.store.purge_matching(Filter::All, 0, 0).unwrap();
        assert_eq!(tester.range(), (0, 1, 0));
    });
}

/// Go: TestStorePurgeExSequenceOne server/store_test.go:689
#[test]
fn store_purge_ex_sequence_one() {
    each_store(&StoreConfig::default(), |tester| {
        for _ in 0..5 {
            tester.put("foo");
            tester.put("bar");
        }
        for (subject, keep) in [("", 0), (">", 0), ("foo", 0), ("", 3), ("foo", 3)] {
            let before = tester.store.state();
            assert_eq!(tester.store.purge_matching(one(subject), 1, keep), Ok(0));
            assert_eq!(tester.store.state(), before);
        }
    });
}

/// Go: TestStorePurgeExKeepWithInteriorDeletes server/store_test.go:719
#[test]
fn store_purge_ex_keep_with_interior_deletes() {
    each_store(&StoreConfig::default(), |tester| {
        tester.put_many("foo", 50);
        (1..=25).for_each(|half| tester.remove(&[2 * half]));
        assert_eq!(tester.range(), (25, 1, 50));
        assert_eq!(tester.store.purge_matching(Filter::All, 0, 5), Ok(20));
        assert_eq!(tester.range(), (5, 41, 50));
    });
}

/// Go: TestStoreUpdateConfigTTLState server/store_test.go:751
#[test]
fn store_update_config_ttl_state() {
    each_store(&StoreConfig::default(), |tester| {
        for (allow_message_ttl, is_kept) in [(false, true), (true, false), (false, true)] {
            let config = StoreConfig { allow_message_ttl, ..StoreConfig::default() };
            tester.store.update_config(config, tester.now);
            let ttl = Some(Ttl::After(Duration::from_secs(1)));
            let seq = tester.try_put(NewMessage { ttl, ..message("foo") }).unwrap();
            tester.now = tester.now + Duration::from_secs(2);
            tester.store.expire(tester.now).unwrap();
            assert_eq!(tester.store.load(seq).is_ok(), is_kept);
        }
    });
}

/// Go: TestStoreStreamInteriorDeleteAccounting server/store_test.go:798
#[test]
fn store_stream_interior_delete_accounting() {
    let actions: [fn(&mut Tester, u64); 4] = [
        |tester, last| {
            assert_eq!(tester.put("foo"), last);
            tester.remove(&[last]);
            tester.store.truncate(last, tester.now).unwrap();
        },
        |tester, last| {
            assert_eq!(tester.put("foo"), last);
            assert_eq!(tester.store.erase(last), Ok(true));
            tester.store.truncate(last, tester.now).unwrap();
        },
        |tester, last| assert_eq!(tester.skip(1), last),
        |tester, last| {
            assert_eq!(tester.store.skip(Some(last), 1, tester.now, false), Ok(last));
        },
    ];
    for action in actions {
        for (stored, expected) in [(0, (0, 2, 1)), (1, (1, 1, 2))] {
            each_store(&StoreConfig::default(), |tester| {
                tester.put_many("foo", stored);
                action(tester, stored as u64 + 1);
                assert_eq!(tester.range(), expected);
                tester.check();
            });
        }
    }
}

/// Go: TestStoreMsgLoadPrevMsgMulti server/store_test.go:929
#[test]
fn store_msg_load_prev_msg_multi() {
    each_store(&StoreConfig::default(), |tester| {
        (1..=1000).for_each(|index| {
            tester.put(&format!("foo.{index}"));
        });
        let set = filters(&["foo.5", "foo.15", "foo.105"]);
        let mut start = 1000;
        for expected in [105, 15, 5] {
            let found = tester.store.load_prev(Filter::Any(&set), start).unwrap().unwrap();
            assert_eq!(
                (found.seq, found.subject),
                (expected, format!("foo.{expected}").as_bytes())
            );
            start = expected - 1;
        }
        assert_eq!(tester.prev(Filter::Any(&set), 4), None);
    });
}

/// Go: TestStoreMsgLoadPrevMsg server/store_test.go:965
#[test]
fn store_msg_load_prev_msg() {
    each_store(&StoreConfig::default(), |tester| {
        for subject in ["foo.1", "bar.1", "foo.2", "bar.2", "foo.3"] {
            tester.put(subject);
        }
        let cases = [("", Some(5)), ("foo.2", Some(3)), ("foo.*", Some(5)), ("baz.*", None)];
        for (filter, expected) in cases {
            assert_eq!(tester.prev(one(filter), 5), expected, "{filter}");
        }
    });
}

/// Go: TestStoreMsgLoadPrevMsgMultiFullWildcardSkip server/store_test.go:999
#[test]
fn store_msg_load_prev_msg_multi_full_wildcard_skip() {
    each_store(&StoreConfig::default(), |tester| {
        (1..=10).for_each(|index| {
            tester.put(&format!("foo.{index}"));
        });
        let set = filters(&[">"]);
        for start in (1..=10).rev() {
            assert_eq!(tester.prev(Filter::Any(&set), start), Some(start));
        }
        assert_eq!(tester.prev(Filter::Any(&set), 0), None);
    });
}

/// Go: TestStoreDiscardNew server/store_test.go:1041
#[test]
fn store_discard_new() {
    // An empty message of foo has 19 bytes in memory: one fits, two do not.
    let cases = [
        ((Some(1), None, None, false), Some(StoreError::MaxMessages)),
        ((None, Some(33), None, false), Some(StoreError::MaxBytes)),
        ((None, None, Some(1), false), None),
        ((None, None, Some(1), true), Some(StoreError::MaxMessagesPerSubject)),
        ((Some(1), None, Some(1), false), None),
        ((None, Some(33), Some(1), false), None),
        ((Some(1), None, Some(1), true), Some(StoreError::MaxMessagesPerSubject)),
        ((None, Some(33), Some(1), true), Some(StoreError::MaxMessagesPerSubject)),
    ];
    for ((messages_max, bytes_max, per_subject, discard_new_per_subject), expected) in cases {
        let config = StoreConfig {
            messages_max,
            bytes_max,
            messages_per_subject_max: per_subject,
            discard: Discard::New,
            discard_new_per_subject,
            ..StoreConfig::default()
        };
        each_store(&config, |tester| {
            tester.put("foo");
            let result = tester.try_put(message("foo"));
            assert_eq!(result.err(), expected, "{config:?}");
            let seq = 1 + u64::from(expected.is_none());
            assert_eq!(tester.range(), (1, seq, seq));
            // A follower takes what its leader took.
            tester.try_put(NewMessage { may_refuse: false, ..message("foo") }).unwrap();
            let replaces = per_subject.is_some();
            let expected = if replaces { (1, seq + 1, seq + 1) } else { (2, seq, seq + 1) };
            assert_eq!(tester.range(), expected);
        });
    }
}

/// Go: TestStoreGetSeqFromTimeWithInteriorDeletesGap server/store_test.go:1127
/// Go: TestStoreGetSeqFromTimeWithTrailingDeletes server/store_test.go:1153
#[test]
fn store_get_seq_from_time_with_deletes() {
    let removals: [(usize, &[u64]); 3] = [(10, &[4, 5, 6, 7]), (3, &[3]), (4, &[1, 3, 4])];
    for (stored, removed) in removals {
        each_store(&StoreConfig::default(), |tester| {
            tester.put_many("foo", stored);
            tester.remove(removed);
            let second = START + 2 * TICK;
            assert_eq!(tester.store.seq_from_time(second), 2);
            for seq in 1..=stored as u64 + 1 {
                // The first that is left at or after the time of this one.
                let time = Timestamp(START.0 + i64::try_from(seq).unwrap() * 1000);
                let left = (seq..=stored as u64).find(|seq| !removed.contains(seq));
                let expected = left.unwrap_or(stored as u64 + 1);
                assert_eq!(tester.store.seq_from_time(time), expected);
            }
        });
    }
}

/// Go: TestStoreSkipMsgsCarryForwardLastTime server/store_test.go:1174
#[test]
fn store_skip_msgs_carry_forward_last_time() {
    each_store(&StoreConfig::default(), |tester| {
        let day = Duration::from_secs(86_400);
        let (old, now) = (START, START + 30 * day);
        let put = |tester: &mut Tester, seq, timestamp| {
            let new = NewMessage { seq: Some(seq), timestamp, ..message("foo") };
            assert_eq!(tester.store.store(new), Ok(seq));
        };
        put(tester, 1, old);
        for (first, count, last) in [(2, 10, 11), (12, 1, 12), (13, 5, 17)] {
            assert_eq!(tester.store.skip(Some(first), count, now, false), Ok(last));
            let state = tester.store.state();
            assert_eq!((state.last_seq, state.last_time), (last, Some(old)));
        }
        let newer = old + 15 * day;
        put(tester, 18, newer);
        for (time, expected) in [(old, 1), (old + 5 * day, 18), (newer, 18)] {
            assert_eq!(tester.store.seq_from_time(time), expected);
        }
    });
}

/// Go: TestStoreSkipMsgsCarryForwardLastTimeFromEmpty server/store_test.go:1220
#[test]
fn store_skip_msgs_carry_forward_last_time_from_empty() {
    for count in [1, 5] {
        each_store(&StoreConfig::default(), |tester| {
            assert_eq!(tester.store.state().last_time, None);
            assert_eq!(tester.store.skip(Some(1), count, START, false), Ok(count));
            assert_eq!(tester.store.state().last_time, Some(START));
            assert_eq!(tester.store.skip(None, 1, START + TICK, false), Ok(count + 1));
            assert_eq!(tester.store.state().last_time, Some(START));
        });
    }
}

/// Go: TestStoreSkipMsgNoInterestAdvancesLastTime server/store_test.go:1294
#[test]
fn store_skip_msg_no_interest_advances_last_time() {
    each_store(&StoreConfig::default(), |tester| {
        for (seq, now) in [(1, START), (2, START + TICK)] {
            assert_eq!(tester.store.skip(None, 1, now, true), Ok(seq));
            let state = tester.store.state();
            assert_eq!((state.messages, state.last_seq, state.last_time), (0, seq, Some(now)));
        }
    });
}

/// Go: TestFileStoreMultiLastSeqsAndLoadLastMsgWithLazySubjectState server/store_test.go:1326
#[test]
fn file_store_multi_last_seqs_and_load_last_msg_with_lazy_subject_state() {
    each_store(&StoreConfig::default(), |tester| {
        tester.put_many("foo", 3);
        assert_eq!(tester.store.last_seqs(&[b"foo"], 0, None), Ok(vec![3]));
        tester.remove(&[3]);
        assert_eq!(tester.store.last_seqs(&[b"foo"], 0, None), Ok(vec![2]));
        tester.put("foo");
        assert_eq!(tester.store.load_last(one("foo")).unwrap().seq, 4);
        tester.remove(&[4]);
        assert_eq!(tester.store.load_last(one("foo")).unwrap().seq, 2);
    });
}

/// Go: TestStoreMultiLastMsgs server/store_test.go:1362
#[test]
fn store_multi_last_msgs() {
    each_store(&StoreConfig::default(), |tester| {
        for index in 0..30 {
            tester.put(&format!("foo.{}", index % 10));
        }
        let mut load = |filter: &str, first, last, count_max, stop_after: usize| {
            let mut seen = Vec::new();
            let counts = tester.store.last_messages(
                &[filter.as_bytes()],
                first,
                last,
                count_max,
                &mut |message, left| {
                    seen.push((message.seq, left));
                    seen.len() != stop_after
                },
            );
            (seen, counts)
        };
        let run = |first: u64, last: u64, left: u64| -> Vec<(u64, u64)> {
            (first..=last).zip((0..=left).rev()).collect()
        };
        assert_eq!(load("foo.*", 0, 0, None, 0), (run(21, 30, 9), Ok((10, 0))));
        assert_eq!(load("foo.*", 26, 0, None, 0), (run(26, 30, 4), Ok((10, 0))));
        assert_eq!(load("foo.*", 0, 25, None, 0), (run(16, 25, 9), Ok((10, 0))));
        assert_eq!(load("foo.*", 0, 0, None, 3), (run(21, 23, 9), Ok((10, 7))));
        let refused = Err(StoreError::TooManyResults);
        assert_eq!(load("foo.*", 0, 0, Some(5), 0), (Vec::new(), refused));
        assert_eq!(load("bar.>", 0, 0, None, 0), (Vec::new(), Ok((0, 0))));
    });
}

/// Go: TestStoreNumPendingLastPerSubjectExcludeOvercount server/store_test.go:1445
#[test]
fn store_num_pending_last_per_subject_exclude_overcount() {
    each_store(&StoreConfig::default(), |tester| {
        tester.put_many("foo.A", 10);
        tester.put("foo.B");
        tester.put("foo.C");
        tester.skip(87);
        tester.put("foo.B");
        tester.skip(899);
        assert_eq!(tester.put("foo.C"), 1000);
        assert_eq!(tester.store.pending(13, one("foo.*"), true), (2, 1000));
        assert_eq!(tester.store.pending(13, Filter::Any(&filters(&["foo.*"])), true), (2, 1000));
    });
}

/// Go: TestStoreSourcesOnlyTracksConfiguredSources server/store_test.go:1552
#[test]
fn store_sources_only_tracks_configured_sources() {
    let name = b"ORIGIN1 > >".to_vec();
    let config = StoreConfig { sources: vec![name.clone()], ..StoreConfig::default() };
    each_store(&config, |tester| {
        let mut put = |value: &str| {
            let headers = format!("NATS/1.0\r\nNats-Stream-Source: {value}\r\n\r\n");
            let new = NewMessage { headers: headers.as_bytes(), ..message("foo") };
            tester.try_put(new).unwrap();
            tester.store.sources()
        };
        let known = |seq, identity: &str| {
            let state = SourceState { seq, identity: identity.into() };
            BTreeMap::from([(name.clone(), state)])
        };
        assert_eq!(put("ORIGIN1 5 > > foo.a IDENT1"), known(5, "IDENT1"));
        // Another stream, a header of a server before 2.10, and none at all.
        for other in ["ORIGIN2 7 > > foo.b IDENT2", "ORIGIN3 9", "$JS.ACK.ORIGIN1.c.1.2.3.4.5", ""]
        {
            assert_eq!(put(other), known(5, "IDENT1"), "{other}");
        }
        assert_eq!(put("ORIGIN1 2 > > foo.a IDENT3"), known(2, "IDENT3"));
        assert_eq!(put("ORIGIN1 3 > > foo.a"), known(3, ""));
        let leader = known(8, "IDENT4");
        tester.store.apply_sources(&BTreeMap::new());
        assert_eq!(tester.store.sources(), known(3, ""));
        tester.store.apply_sources(&leader);
        assert_eq!(tester.store.sources(), leader);
        assert_eq!(StreamSnapshot::of(tester.store.as_ref(), 0).sources, leader);
        tester.store.purge().unwrap();
        assert_eq!(tester.store.sources(), leader);
        tester.store.update_config(StoreConfig::default(), tester.now);
        assert!(tester.store.sources().is_empty());
    });
}

/// Go: TestMemStoreSubjectDeleteMarkers server/memstore_test.go:1231
#[test]
fn mem_store_subject_delete_markers() {
    let config = StoreConfig {
        age_max: Some(Duration::from_secs(1)),
        subject_delete_marker_ttl: Some(Duration::from_secs(1)),
        allow_message_ttl: true,
        ..StoreConfig::default()
    };
    each_store(&config, |tester| {
        tester.put_many("test", 3);
        assert_eq!(expired_after(tester, 500), []);
        assert_eq!(expired_after(tester, 1000), [(1, false), (2, false), (3, true)]);
        tester.remove(&[1, 2]);
        // Not again while the marker may be under way; then once more.
        assert_eq!(expired_after(tester, 1900), []);
        assert_eq!(expired_after(tester, 100), [(3, true)]);
        // One more message, and what expired is not the last any more.
        let seq = tester.put("test");
        assert_eq!(expired_after(tester, 2000), [(3, false), (seq, true)]);
    });
    let headers =
        b"NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 1m30s\r\nNats-Rollup: sub\r\n\r\n";
    assert_eq!(marker_headers(Duration::from_secs(90)), headers);
}

fn expired_after(tester: &mut Tester, wait: u64) -> Vec<(u64, bool)> {
    tester.now = tester.now + Duration::from_millis(wait);
    let expired = tester.store.expired(tester.now, 100).unwrap();
    expired.iter().map(|it| (it.seq, it.leaves_marker)).collect()
}

#[test]
fn markers_leave_no_markers() {
    let config = StoreConfig {
        subject_delete_marker_ttl: Some(Duration::from_secs(1)),
        allow_message_ttl: true,
        ..StoreConfig::default()
    };
    each_store(&config, |tester| {
        let second = Some(Ttl::After(Duration::from_secs(1)));
        let purge = b"NATS/1.0\r\nKV-Operation: PURGE\r\n\r\n";
        let marker = marker_headers(Duration::from_secs(1));
        for (subject, headers) in [("a", &b""[..]), ("b", purge), ("c", &marker)] {
            tester.try_put(NewMessage { headers, ttl: second, ..message(subject) }).unwrap();
        }
        assert_eq!(tester.store.expired(tester.now + Duration::from_secs(1), 2).unwrap().len(), 2);
        assert_eq!(expired_after(tester, 3100), [(1, true), (2, false), (3, false)]);
    });
}
