#![expect(clippy::mutable_key_type, reason = "the test handle hashes its address, not its weight")]

use std::collections::HashSet;
use std::sync::RwLock;
use std::sync::atomic::AtomicU32;

use proptest::prelude::*;

use super::*;

/// A subscription with an identity of its own, as in the server.
#[derive(Debug)]
struct Facts {
    subject: String,
    queue: Option<String>,
    weight: AtomicU32,
}

#[derive(Debug, Clone)]
struct Sub(Arc<Facts>);

impl PartialEq for Sub {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Sub {}

impl Hash for Sub {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Subscriber for Sub {
    fn weight(&self) -> u32 {
        self.0.weight.load(Ordering::Relaxed)
    }
}

fn new_sub(subject: &str, queue: Option<&str>, weight: u32) -> Sub {
    Sub(Arc::new(Facts {
        subject: subject.to_owned(),
        queue: queue.map(str::to_owned),
        weight: AtomicU32::new(weight),
    }))
}

fn sub(subject: &str) -> Sub {
    new_sub(subject, None, 1)
}

fn queue_sub(subject: &str, queue: &str) -> Sub {
    new_sub(subject, Some(queue), 1)
}

impl Sublist<Sub> {
    fn add(&mut self, sub: &Sub) -> Result<(), SublistError> {
        self.insert(sub.0.subject.as_bytes(), queue_of(sub), sub.clone())
    }

    fn drop_sub(&mut self, sub: &Sub) -> Result<(), SublistError> {
        self.remove(sub.0.subject.as_bytes(), queue_of(sub), sub)
    }
}

fn queue_of(sub: &Sub) -> Option<&[u8]> {
    sub.0.queue.as_deref().map(str::as_bytes)
}

/// Runs a test with and without the cache.
fn both_ways(test: impl Fn(Sublist<Sub>)) {
    test(Sublist::with_cache(true));
    test(Sublist::with_cache(false));
}

/// Exactly these plain subscriptions match; asked twice, so that the cache answers too.
#[track_caller]
fn check_plain(list: &Sublist<Sub>, subject: &str, expected: &[&Sub]) {
    for _ in 0..2 {
        let result = list.match_subject(subject.as_bytes());
        assert_eq!(result.plain.len(), expected.len(), "{subject}: {result:?}");
        assert!(expected.iter().all(|sub| result.plain.contains(sub)), "{subject}: {result:?}");
    }
}

/// Exactly these groups match, with these members.
#[track_caller]
fn check_queues(list: &Sublist<Sub>, subject: &str, expected: &[&[&Sub]]) {
    for _ in 0..2 {
        let result = list.match_subject(subject.as_bytes());
        assert_eq!(result.queues.len(), expected.len(), "{subject}: {result:?}");
        for members in expected {
            let name = queue_of(members[0]).unwrap();
            let found = result.queue(name).expect("the group is there");
            assert_eq!(found.members.len(), members.len(), "{subject}: {result:?}");
            assert!(members.iter().all(|sub| found.members.contains(sub)), "{subject}");
        }
    }
}

/// Go: TestSublistInit server/sublist_test.go:117
#[test]
fn sublist_init() {
    both_ways(|list| assert_eq!(list.count(), 0));
}

/// Go: TestSublistInsertCount server/sublist_test.go:146
/// Go: TestSublistInsertCountNoCache server/sublist_test.go:150
#[test]
fn sublist_insert_count() {
    both_ways(|mut list| {
        for subject in ["foo", "bar", "foo.bar"] {
            list.add(&sub(subject)).unwrap();
        }
        assert_eq!(list.count(), 3);
    });
}

#[track_caller]
fn check_all_match(subjects: &[&str], subject: &str) {
    both_ways(|mut list| {
        let subs: Vec<Sub> = subjects.iter().map(|subject| sub(subject)).collect();
        for sub in &subs {
            list.add(sub).unwrap();
        }
        check_plain(&list, subject, &subs.iter().collect::<Vec<_>>());
    });
}

/// Go: TestSublistSimple server/sublist_test.go:161
/// Go: TestSublistSimpleNoCache server/sublist_test.go:165
#[test]
fn sublist_simple() {
    check_all_match(&["foo"], "foo");
}

/// Go: TestSublistSimpleMultiTokens server/sublist_test.go:178
/// Go: TestSublistSimpleMultiTokensNoCache server/sublist_test.go:182
#[test]
fn sublist_simple_multi_tokens() {
    check_all_match(&["foo.bar.baz"], "foo.bar.baz");
}

/// Go: TestSublistPartialWildcard server/sublist_test.go:195
/// Go: TestSublistPartialWildcardNoCache server/sublist_test.go:199
#[test]
fn sublist_partial_wildcard() {
    check_all_match(&["a.b.c", "a.*.c"], "a.b.c");
}

/// Go: TestSublistPartialWildcardAtEnd server/sublist_test.go:214
/// Go: TestSublistPartialWildcardAtEndNoCache server/sublist_test.go:218
#[test]
fn sublist_partial_wildcard_at_end() {
    check_all_match(&["a.b.c", "a.b.*"], "a.b.c");
}

/// Go: TestSublistFullWildcard server/sublist_test.go:233
/// Go: TestSublistFullWildcardNoCache server/sublist_test.go:237
#[test]
fn sublist_full_wildcard() {
    check_all_match(&["a.b.c", "a.>"], "a.b.c");
    both_ways(|mut list| {
        let tail = sub("a.>");
        list.add(&sub("a.b.c")).unwrap();
        list.add(&tail).unwrap();
        check_plain(&list, "a.>", &[&tail]);
    });
}

/// Go: TestSublistRemove server/sublist_test.go:256
/// Go: TestSublistRemoveNoCache server/sublist_test.go:260
#[test]
fn sublist_remove() {
    both_ways(|mut list| {
        let one = sub("a.b.c.d");
        list.add(&one).unwrap();
        check_plain(&list, "a.b.c.d", &[&one]);
        assert_eq!(list.drop_sub(&sub("a.b.c")), Err(SublistError::NotFound));
        assert_eq!(list.count(), 1);
        list.drop_sub(&one).unwrap();
        assert_eq!(list.count(), 0);
        check_plain(&list, "a.b.c.d", &[]);
    });
}

/// Go: TestSublistRemoveWildcard server/sublist_test.go:279
/// Go: TestSublistRemoveWildcardNoCache server/sublist_test.go:283
#[test]
fn sublist_remove_wildcard() {
    both_ways(|mut list| {
        let subs = ["a.b.c.d", "a.b.>", "a.b.*.d"].map(sub);
        for sub in &subs {
            list.add(sub).unwrap();
        }
        check_plain(&list, "a.b.c.d", &subs.each_ref());
        for (index, sub) in subs.iter().enumerate() {
            list.drop_sub(sub).unwrap();
            check_plain(&list, "a.b.c.d", &subs.iter().skip(index + 1).collect::<Vec<_>>());
            assert_eq!(list.count() as usize, subs.len() - index - 1);
        }
    });
}

#[track_caller]
fn check_cleanup(subject: &str, depth: usize) {
    both_ways(|mut list| {
        let one = sub(subject);
        assert_eq!(list.depth(), 0);
        list.add(&one).unwrap();
        assert_eq!(list.depth(), depth);
        list.drop_sub(&one).unwrap();
        assert_eq!(list.depth(), 0);
    });
}

/// Go: TestSublistRemoveCleanup server/sublist_test.go:308
/// Go: TestSublistRemoveCleanupNoCache server/sublist_test.go:312
#[test]
fn sublist_remove_cleanup() {
    check_cleanup("a.b.c.d.e.f", 6);
}

/// Go: TestSublistRemoveCleanupWildcards server/sublist_test.go:327
/// Go: TestSublistRemoveCleanupWildcardsNoCache server/sublist_test.go:331
#[test]
fn sublist_remove_cleanup_wildcards() {
    check_cleanup("a.b.*.d.e.>", 6);
}

/// Go: TestSublistRemoveWithLargeSubs server/sublist_test.go:346
/// Go: TestSublistRemoveWithLargeSubsNoCache server/sublist_test.go:350
#[test]
fn sublist_remove_with_large_subs() {
    both_ways(|mut list| {
        for _ in 0..512 {
            list.add(&sub("foo")).unwrap();
        }
        let before = list.match_subject(b"foo");
        assert_eq!(before.plain.len(), 512);
        for index in [256, 0, 511] {
            list.drop_sub(&before.plain[index]).unwrap();
        }
        let after = list.match_subject(b"foo");
        assert_eq!(after.plain.len(), 509);
        let distinct: HashSet<&Sub> = after.plain.iter().collect();
        assert_eq!(distinct.len(), 509);
        assert!([256, 0, 511].iter().all(|&index| !after.plain.contains(&before.plain[index])));
        for sub in &after.plain {
            list.drop_sub(sub).unwrap();
        }
        check_plain(&list, "foo", &[]);
    });
}

/// Go: TestSublistInvalidSubjectsInsert server/sublist_test.go:373
/// Go: TestSublistInvalidSubjectsInsertNoCache server/sublist_test.go:377
#[test]
fn sublist_invalid_subjects_insert() {
    both_ways(|mut list| {
        for subject in [".foo", "foo.", "foo..bar", "foo.bar..baz", "foo.>.bar", ""] {
            assert_eq!(list.add(&sub(subject)), Err(SublistError::InvalidSubject), "{subject}");
        }
        assert_eq!(list.count(), 0);
        assert_eq!(list.depth(), 0);
    });
}

/// Go: TestSublistNoCacheRemoveBatch server/sublist_test.go:381
#[test]
fn sublist_no_cache_remove_batch() {
    let mut list = Sublist::with_cache(false);
    let bar = sub("bar");
    list.add(&sub("foo")).unwrap();
    list.add(&bar).unwrap();
    list.remove_batch([(&b"bar"[..], None, &bar)]).unwrap();
    for _ in 0..10 {
        list.match_subject(b"foo");
    }
    assert!(!list.is_cached());
    assert_eq!(list.cache_count(), 0);
}

/// Go: TestSublistRemoveBatchWithError server/sublist_test.go:396
#[test]
fn sublist_remove_batch_with_error() {
    both_ways(|mut list| {
        let [foo, bar, baz, absent] = ["foo", "bar", "baz", "not.inserted"].map(sub);
        for sub in [&foo, &bar, &baz] {
            list.add(sub).unwrap();
        }
        list.match_subject(b"foo");
        let generation = list.generation();
        let batch = [&absent, &foo, &baz].map(|sub| (sub.0.subject.as_bytes(), None, sub));
        assert_eq!(list.remove_batch(batch), Err(SublistError::NotFound));
        assert_eq!(list.generation(), generation + 1);
        assert_eq!(list.count(), 1);
        check_plain(&list, "bar", &[&bar]);
        check_plain(&list, "foo", &[]);
        check_plain(&list, "baz", &[]);
        let generation = list.generation();
        list.remove_batch([]).unwrap();
        assert_eq!(list.generation(), generation);
    });
}

/// Go: TestSublistCache server/sublist_test.go:447
#[test]
fn sublist_cache() {
    let mut list = Sublist::with_cache(true);
    let [literal, token, tail] = ["a.b.c.d", "a.b.*.d", "a.b.>"].map(sub);
    list.add(&literal).unwrap();
    check_plain(&list, "a.b.c.d", &[&literal]);
    list.add(&token).unwrap();
    list.add(&tail).unwrap();
    check_plain(&list, "a.b.c.d", &[&literal, &token, &tail]);
    for (left, sub) in [(2, &literal), (1, &tail), (0, &token)] {
        list.drop_sub(sub).unwrap();
        assert_eq!(list.count(), left);
    }
    assert_eq!(list.cache_count(), 0);
    check_plain(&list, "a.b.c.d", &[]);

    for number in 0..2 * 1024 {
        list.match_subject(format!("foo-{number}\n").as_bytes());
        assert!(list.cache_count() <= 1024);
    }
    assert!(list.cache_count() >= 256);

    let mut list = Sublist::with_cache(true);
    let [token, literal, tail] = ["foo.*", "foo.bar", "foo.>"].map(sub);
    list.add(&token).unwrap();
    list.add(&literal).unwrap();
    check_plain(&list, "foo.baz", &[&token]);
    check_plain(&list, "foo.bar", &[&token, &literal]);
    list.add(&tail).unwrap();
    check_plain(&list, "foo.bar", &[&token, &literal, &tail]);
}

/// Go: TestSublistBasicQueueResults server/sublist_test.go:502
/// Go: TestSublistBasicQueueResultsNoCache server/sublist_test.go:506
#[test]
fn sublist_basic_queue_results() {
    both_ways(|mut list| {
        let plain = sub("foo");
        let [bar1, bar2] = ["bar", "bar"].map(|queue| queue_sub("foo", queue));
        let [baz1, baz2] = ["baz", "baz"].map(|queue| queue_sub("foo", queue));

        list.add(&bar1).unwrap();
        check_plain(&list, "foo", &[]);
        check_queues(&list, "foo", &[&[&bar1]]);
        list.add(&baz1).unwrap();
        check_queues(&list, "foo", &[&[&bar1], &[&baz1]]);
        list.add(&plain).unwrap();
        check_plain(&list, "foo", &[&plain]);
        check_queues(&list, "foo", &[&[&bar1], &[&baz1]]);
        list.add(&bar2).unwrap();
        list.add(&baz2).unwrap();
        check_plain(&list, "foo", &[&plain]);
        check_queues(&list, "foo", &[&[&bar1, &bar2], &[&baz1, &baz2]]);

        list.drop_sub(&plain).unwrap();
        check_plain(&list, "foo", &[]);
        check_queues(&list, "foo", &[&[&bar1, &bar2], &[&baz1, &baz2]]);
        list.drop_sub(&bar1).unwrap();
        check_queues(&list, "foo", &[&[&bar2], &[&baz1, &baz2]]);
        list.drop_sub(&bar2).unwrap();
        check_queues(&list, "foo", &[&[&baz1, &baz2]]);
        list.drop_sub(&baz1).unwrap();
        list.drop_sub(&baz2).unwrap();
        check_plain(&list, "foo", &[]);
        check_queues(&list, "foo", &[]);
        assert_eq!(list.depth(), 0);
    });
}

#[test]
fn groups_of_one_name_are_merged_across_filters() {
    both_ways(|mut list| {
        let subs = ["foo.bar", "foo.*", ">"].map(|subject| queue_sub(subject, "workers"));
        for sub in &subs {
            list.add(sub).unwrap();
        }
        check_queues(&list, "foo.bar", &[&subs.each_ref()]);
    });
}

/// Go: TestSublistBadSubjectOnRemove server/sublist_test.go:746
/// Go: TestSublistBadSubjectOnRemoveNoCache server/sublist_test.go:750
#[test]
fn sublist_bad_subject_on_remove() {
    both_ways(|mut list| {
        let bad = sub("a.b..d");
        assert_eq!(list.add(&bad), Err(SublistError::InvalidSubject));
        assert_eq!(list.drop_sub(&bad), Err(SublistError::InvalidSubject));
        assert_eq!(list.drop_sub(&sub("a.>.b")), Err(SublistError::InvalidSubject));
    });
}

/// Go: TestSublistTwoTokenPubMatchSingleTokenSub server/sublist_test.go:773
/// Go: TestSublistTwoTokenPubMatchSingleTokenSubNoCache server/sublist_test.go:777
#[test]
fn sublist_two_token_pub_match_single_token_sub() {
    both_ways(|mut list| {
        let foo = sub("foo");
        list.add(&foo).unwrap();
        check_plain(&list, "foo", &[&foo]);
        check_plain(&list, "foo.bar", &[]);
    });
}

/// Go: TestSublistInsertWithWildcardsAsLiterals server/sublist_test.go:791
/// Go: TestSublistInsertWithWildcardsAsLiteralsNoCache server/sublist_test.go:795
#[test]
fn sublist_insert_with_wildcards_as_literals() {
    both_ways(|mut list| {
        for subject in ["foo.*-", "foo.>-"] {
            let one = sub(subject);
            list.add(&one).unwrap();
            check_plain(&list, "foo.bar", &[]);
            check_plain(&list, subject, &[&one]);
        }
    });
}

/// Go: TestSublistRemoveWithWildcardsAsLiterals server/sublist_test.go:813
/// Go: TestSublistRemoveWithWildcardsAsLiteralsNoCache server/sublist_test.go:817
#[test]
fn sublist_remove_with_wildcards_as_literals() {
    both_ways(|mut list| {
        for subject in ["foo.*-", "foo.>-"] {
            let one = sub(subject);
            list.add(&one).unwrap();
            assert_eq!(list.drop_sub(&sub("foo.bar")), Err(SublistError::NotFound));
            assert_eq!(list.count(), 1);
            list.drop_sub(&one).unwrap();
            assert_eq!(list.count(), 0);
        }
    });
}

/// A result is a snapshot: changes while somebody reads it do not show in it.
///
/// Go: TestSublistRaceOnRemove server/sublist_test.go:839
/// Go: TestSublistRaceOnRemoveNoCache server/sublist_test.go:843
#[test]
fn sublist_race_on_remove() {
    both_ways(|list| {
        let list = RwLock::new(list);
        for queue in [Some("bar"), None] {
            let subs: Vec<Sub> = (0..100).map(|_| new_sub("foo", queue, 1)).collect();
            for round in 0..2 {
                for sub in &subs {
                    list.write().unwrap().add(sub).unwrap();
                }
                if round == 1 {
                    list.read().unwrap().match_subject(b"foo");
                }
                let result = list.read().unwrap().match_subject(b"foo");
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        for sub in &subs {
                            list.write().unwrap().drop_sub(sub).unwrap();
                        }
                    });
                    let members = result.queues.iter().flat_map(|group| &group.members);
                    let all: Vec<&Sub> = members.chain(&result.plain).collect();
                    assert_eq!(all.len(), 100);
                    assert!(all.iter().all(|sub| sub.0.queue.as_deref() == queue));
                });
                assert_eq!(list.read().unwrap().count(), 0);
            }
        }
    });
}

/// Go: TestSublistRaceOnInsert server/sublist_test.go:920
/// Go: TestSublistRaceOnInsertNoCache server/sublist_test.go:924
#[test]
fn sublist_race_on_insert() {
    both_ways(|list| {
        let list = RwLock::new(list);
        for queue in [Some("bar"), None] {
            let subs: Vec<Sub> = (0..100).map(|_| new_sub("foo", queue, 1)).collect();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for sub in &subs {
                        list.write().unwrap().add(sub).unwrap();
                    }
                });
                for _ in 0..1000 {
                    let result = list.read().unwrap().match_subject(b"foo");
                    for group in &result.queues {
                        assert_eq!(&*group.queue, b"bar");
                        assert!(group.members.iter().all(|sub| queue_of(sub) == Some(b"bar")));
                    }
                    assert!(result.plain.iter().all(|sub| sub.0.queue.is_none()));
                }
            });
        }
        let result = list.read().unwrap().match_subject(b"foo");
        assert_eq!((result.plain.len(), result.queues[0].members.len()), (100, 100));
    });
}

/// Go: TestSublistRaceOnMatch server/sublist_test.go:980
#[test]
fn sublist_race_on_match() {
    both_ways(|mut list| {
        for subject in ["foo.*", "foo.bar"] {
            list.add(&queue_sub(subject, "workers")).unwrap();
            list.add(&sub(subject)).unwrap();
        }
        let read = || {
            for _ in 0..10 {
                let result = list.match_subject(b"foo.bar");
                assert_eq!(result.plain.len(), 2);
                assert!(result.plain.iter().all(|sub| sub.0.subject.starts_with("foo.")));
                assert_eq!(result.queue(b"workers").unwrap().members.len(), 2);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(read);
            scope.spawn(read);
        });
    });
}

/// Go: TestSublistRemoteQueueSubscriptions server/sublist_test.go:1022
/// Go: TestSublistRemoteQueueSubscriptionsNoCache server/sublist_test.go:1026
#[test]
fn sublist_remote_queue_subscriptions() {
    both_ways(|mut list| {
        let locals = [queue_sub("foo", "bar"), queue_sub("foo", "bar")];
        let remotes = [new_sub("foo", Some("bar"), 10), new_sub("foo", Some("bar"), 10)];
        for sub in locals.iter().chain(&remotes) {
            list.add(sub).unwrap();
        }
        let members = |list: &Sublist<Sub>| {
            let result = list.match_subject(b"foo");
            assert!(result.plain.is_empty());
            assert_eq!(result.queues.len(), 1);
            result.queues[0].members.len()
        };
        assert_eq!(list.count(), 4);
        assert_eq!(members(&list), 22);

        list.drop_sub(&locals[0]).unwrap();
        list.drop_sub(&remotes[0]).unwrap();
        assert_eq!(list.count(), 2);
        assert_eq!(members(&list), 11);

        let generation = list.generation();
        remotes[1].0.weight.store(1, Ordering::Relaxed);
        list.update_weight(b"foo");
        assert_eq!(list.generation(), generation + 1);
        assert_eq!(members(&list), 2);
    });
}

/// Go: TestSublistSharedEmptyResult server/sublist_test.go:1073
#[test]
fn sublist_shared_empty_result() {
    both_ways(|list| {
        let (one, other) = (list.match_subject(b"foo"), list.match_subject(b"bar"));
        assert!(one.is_empty() && other.is_empty());
        assert!(Arc::ptr_eq(&one, &other));
    });
}

/// Go: TestSublistNoCacheStats server/sublist_test.go:1088
#[test]
fn sublist_no_cache_stats() {
    let mut list = Sublist::with_cache(false);
    for subject in ["foo", "bar", "baz", "foo.bar.baz"] {
        list.add(&sub(subject)).unwrap();
    }
    list.match_subject(b"a.b.c");
    list.match_subject(b"bar");
    let expected = SublistStats {
        subscription_count: 4,
        insert_count: 4,
        match_count: 2,
        ..SublistStats::default()
    };
    assert_eq!(list.stats(), expected);
}

#[test]
fn fan_out_counts_a_group_as_one_receiver() {
    let mut list = Sublist::with_cache(true);
    for one in [sub("foo"), sub("*"), queue_sub("foo", "q"), queue_sub("foo", "q")] {
        list.add(&one).unwrap();
    }
    list.match_subject(b"foo");
    list.match_subject(b"bar");
    let stats = list.stats();
    assert_eq!((stats.fan_out_max, stats.fan_out_mean(), stats.cache_count), (3, 2.0, 2));
}

/// Go: TestSublistAll server/sublist_test.go:1102
#[test]
fn sublist_all() {
    let mut list = Sublist::with_cache(false);
    let subs = [sub("foo.bar.baz"), sub("foo"), sub("baz"), queue_sub("foo", "q")];
    for sub in &subs {
        list.add(sub).unwrap();
    }
    let all: HashSet<Sub> = list.all().into_iter().collect();
    assert_eq!(all, subs.iter().cloned().collect());
    assert_eq!(list.collect(|sub| sub.0.queue.is_some()), [subs[3].clone()]);
    list.for_each(|subject, queue, sub| {
        assert_eq!((subject, queue), (sub.0.subject.as_bytes(), queue_of(sub)));
    });
}

/// Go: TestSublistReverseMatch server/sublist_test.go:1464
#[test]
fn sublist_reverse_match() {
    let mut list = Sublist::with_cache(true);
    for subject in ["foo", "bar", "foo.bar", "foo.baz", "foo.bar.baz"] {
        list.add(&sub(subject)).unwrap();
    }
    let rows: &[(&str, &[&str])] = &[
        ("foo", &["foo"]),
        ("bar", &["bar"]),
        ("*", &["bar", "foo"]),
        ("baz", &[]),
        ("foo.*", &["foo.bar", "foo.baz"]),
        ("*.*", &["foo.bar", "foo.baz"]),
        ("*.bar", &["foo.bar"]),
        ("*.baz", &["foo.baz"]),
        ("bar.*", &[]),
        ("*.bat", &[]),
        ("foo.>", &["foo.bar", "foo.bar.baz", "foo.baz"]),
        (">", &["bar", "foo", "foo.bar", "foo.bar.baz", "foo.baz"]),
    ];
    for (filter, expected) in rows {
        let result = list.reverse_match(filter.as_bytes());
        let mut found: Vec<&str> = result.plain.iter().map(|s| s.0.subject.as_str()).collect();
        found.sort_unstable();
        assert_eq!(&found, expected, "{filter}");
    }
}

/// Go: TestSublistReverseMatchWider server/sublist_test.go:1532
#[test]
fn sublist_reverse_match_wider() {
    let mut list = Sublist::with_cache(true);
    let uplink = sub("uplink.*.*.>");
    list.add(&uplink).unwrap();
    for filter in ["uplink.1.*.*.>", "uplink.1.2.3.>"] {
        assert_eq!(
            list.reverse_match(filter.as_bytes()).plain,
            std::slice::from_ref(&uplink),
            "{filter}"
        );
    }
}

/// Go: TestSublistMatchWithEmptyTokens server/sublist_test.go:1546
#[test]
fn sublist_match_with_empty_tokens() {
    both_ways(|mut list| {
        list.add(&sub(">")).unwrap();
        list.add(&queue_sub(">", "queue")).unwrap();
        for subject in [".foo", "..foo", "foo..", "foo.", "foo..bar", "foo...bar", ""] {
            assert!(list.match_subject(subject.as_bytes()).is_empty(), "{subject}");
            assert!(!list.has_interest(subject.as_bytes()), "{subject}");
        }
    });
}

/// Go: TestSublistAddCacheHitRate server/sublist_test.go:1580
#[test]
fn sublist_add_cache_hit_rate() {
    let mut total = SublistStats::default();
    for subject in ["foo", "bar"] {
        let mut list = Sublist::with_cache(true);
        list.add(&sub(subject)).unwrap();
        for _ in 0..4 {
            list.match_subject(subject.as_bytes());
        }
        assert!((list.stats().cache_hit_rate() - 0.75).abs() < f64::EPSILON);
        total.add(&list.stats());
    }
    assert!((total.cache_hit_rate() - 0.75).abs() < f64::EPSILON);
}

/// The cache answers these questions too, once a lookup filled it.
#[track_caller]
fn check_interest_from_cache() {
    let mut list = Sublist::with_cache(true);
    let foo = sub("foo");
    list.add(&foo).unwrap();
    let hits = |list: &Sublist<Sub>| list.stats().cache_hit_count;
    let ask = |list: &Sublist<Sub>, subject: &str, expected: usize| {
        assert_eq!(list.has_interest(subject.as_bytes()), expected > 0);
        let count = list.interest_count(subject.as_bytes());
        assert_eq!(count, InterestCount { plain: expected, queue: 0 });
    };
    ask(&list, "foo", 1);
    ask(&list, "bar", 0);
    list.match_subject(b"foo");
    assert_eq!(hits(&list), 0);
    for round in 1..=5 {
        ask(&list, "foo", 1);
        assert_eq!(hits(&list), 2 * round);
    }
    list.match_subject(b"bar");
    ask(&list, "bar", 0);
    assert_eq!(hits(&list), 12);
    list.drop_sub(&foo).unwrap();
    ask(&list, "foo", 0);
}

/// With these subscriptions the subject has this many plain subscriptions and queue members.
#[track_caller]
fn check_interest(subs: &[(&str, Option<&str>)], expected: &[(&str, usize, usize)]) {
    both_ways(|mut list| {
        let subs: Vec<Sub> = subs.iter().map(|&(subject, q)| new_sub(subject, q, 1)).collect();
        for sub in &subs {
            list.add(sub).unwrap();
        }
        for &(subject, plain, queue) in expected {
            let count = list.interest_count(subject.as_bytes());
            assert_eq!(count, InterestCount { plain, queue }, "{subject}");
            assert_eq!(list.has_interest(subject.as_bytes()), plain + queue > 0, "{subject}");
        }
        for sub in &subs {
            list.drop_sub(sub).unwrap();
        }
        for &(subject, ..) in expected {
            assert_eq!(list.interest_count(subject.as_bytes()).total(), 0, "{subject}");
            assert!(!list.has_interest(subject.as_bytes()), "{subject}");
        }
    });
}

/// Go: TestSublistHasInterest server/sublist_test.go:1633
/// Go: TestSublistNumInterest server/sublist_test.go:1810
#[test]
fn sublist_has_interest() {
    check_interest_from_cache();
    let rows: &[(&str, [usize; 3])] = &[
        ("foo", [1, 0, 0]),
        ("foo.*", [0, 1, 0]),
        ("foo.>", [0, 1, 1]),
        ("*.>", [0, 1, 1]),
        ("*.bar", [0, 1, 0]),
        ("*", [1, 0, 0]),
    ];
    for &(filter, counts) in rows {
        for (queues, plain_each, queue_each) in [
            (&[None][..], 1, 0),
            (&[Some("bar")], 0, 1),
            (&[Some("bar"), Some("baz")], 0, 2),
            (&[Some("bar"), Some("baz"), Some("baz")], 0, 3),
        ] {
            let subs: Vec<_> = queues.iter().map(|&queue| (filter, queue)).collect();
            let expected: Vec<_> = ["foo", "foo.bar", "foo.bar.baz"]
                .into_iter()
                .zip(counts)
                .map(|(subject, count)| (subject, count * plain_each, count * queue_each))
                .collect();
            check_interest(&subs, &expected);
        }
    }
    check_interest(&[("*.bar", None)], &[("foo.baz", 0, 0), ("foo.bar", 1, 0)]);
}

/// Go: TestSublistHasInterestOverlapping server/sublist_test.go:1802
#[test]
fn sublist_has_interest_overlapping() {
    check_interest(
        &[("stream.A.child", None), ("stream.*", None)],
        &[("stream.A.child", 1, 0), ("stream.A", 1, 0)],
    );
}

const WATCHER: WatcherId = WatcherId(1);
const OTHER_WATCHER: WatcherId = WatcherId(2);

impl Sublist<Sub> {
    #[track_caller]
    fn check_events(&mut self, expected: &[(WatcherId, bool)]) {
        assert_eq!(self.has_events(), !expected.is_empty());
        let found: Vec<_> =
            self.take_events().iter().map(|event| (event.watcher, event.is_interested)).collect();
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn add_expect(&mut self, sub: &Sub, expected: &[(WatcherId, bool)]) {
        self.add(sub).unwrap();
        self.check_events(expected);
    }

    #[track_caller]
    fn drop_expect(&mut self, sub: &Sub, expected: &[(WatcherId, bool)]) {
        self.drop_sub(sub).unwrap();
        self.check_events(expected);
    }
}

const BEGAN: &[(WatcherId, bool)] = &[(WATCHER, true)];
const ENDED: &[(WatcherId, bool)] = &[(WATCHER, false)];

/// Go: TestSublistRegisterInterestNotification server/sublist_test.go:1150
#[test]
fn sublist_register_interest_notification() {
    let mut list = Sublist::with_cache(true);
    for subject in ["foo.*", ">"] {
        let refused = list.watch(subject.as_bytes(), None, WATCHER);
        assert_eq!(refused, Err(SublistError::InvalidSubject));
    }
    assert!(!list.unwatch(b"foo", None, WATCHER));
    assert_eq!(list.watch(b"foo", None, WATCHER), Ok(false));
    assert_eq!(list.watch(b"foo", None, WATCHER), Err(SublistError::AlreadyRegistered));

    let subs = ["foo", "foo", "foo"].map(sub);
    list.add_expect(&subs[0], BEGAN);
    list.add_expect(&subs[1], &[]);
    assert_eq!(list.watch(b"foo", None, OTHER_WATCHER), Ok(true));
    assert!(list.unwatch(b"foo", None, OTHER_WATCHER));
    assert_eq!(list.watch(b"bar", None, WATCHER), Ok(false));
    list.add_expect(&subs[2], &[]);
    list.drop_expect(&subs[0], &[]);
    list.drop_expect(&subs[1], &[]);
    list.drop_expect(&subs[2], ENDED);

    assert_eq!(list.watch(b"test.node", None, WATCHER), Ok(false));
    let [longer, node1, node2] = ["test.node.already.exist", "test.node", "test.node"].map(sub);
    list.add_expect(&longer, &[]);
    list.add_expect(&node1, BEGAN);
    list.add_expect(&node2, &[]);
    list.drop_expect(&longer, &[]);
    list.drop_expect(&node1, &[]);
    list.drop_expect(&node2, ENDED);
    assert!(list.unwatch(b"test.node", None, WATCHER));

    list.add_expect(&sub("bar"), BEGAN);
    assert!(list.unwatch(b"bar", None, WATCHER));
    assert!(list.unwatch(b"foo", None, WATCHER));
    assert!(list.watchers.is_empty());
    check_wildcards_and_batches(&mut list);
}

fn check_wildcards_and_batches(list: &mut Sublist<Sub>) {
    let [foo, any, tail] = ["foo", "*", ">"].map(sub);
    list.add_expect(&any, &[]);
    assert_eq!(list.watch(b"foo", None, WATCHER), Ok(false), "a wildcard is no exact interest");
    list.add_expect(&foo, BEGAN);
    list.drop_expect(&foo, ENDED);
    list.drop_expect(&any, &[]);
    list.add_expect(&tail, &[]);
    list.add_expect(&any, &[]);
    list.drop_expect(&any, &[]);
    list.drop_expect(&tail, &[]);

    let batch = [foo, sub("foo"), any, tail];
    for sub in &batch {
        list.add(sub).unwrap();
    }
    list.check_events(BEGAN);
    list.remove_batch(batch.iter().map(|sub| (sub.0.subject.as_bytes(), None, sub))).unwrap();
    list.check_events(ENDED);
}

/// The queue part of the Go test above.
#[test]
fn watched_queues_must_match_too() {
    let mut list = Sublist::with_cache(true);
    let [exact, wild] = ["foo.bar.baz", "foo.bar.>"].map(|subject| queue_sub(subject, "1"));
    list.add_expect(&exact, &[]);
    assert_eq!(list.watch(b"foo.bar.baz", None, WATCHER), Ok(false));
    list.add_expect(&wild, &[]);
    list.drop_expect(&exact, &[]);
    list.drop_expect(&wild, &[]);

    assert_eq!(list.watch(b"queue.test.node", Some(b"q22"), WATCHER), Ok(false));
    let longer = queue_sub("queue.test.node.already.exist", "queue");
    let [first, second] = ["q22", "q22"].map(|queue| queue_sub("queue.test.node", queue));
    let other_queue = queue_sub("queue.test.node", "otherqueue");
    let other_subject = queue_sub("queue.different.node", "q22");
    list.add_expect(&longer, &[]);
    list.add_expect(&first, BEGAN);
    for sub in [&other_queue, &other_subject, &second] {
        list.add_expect(sub, &[]);
    }
    for sub in [&other_queue, &longer, &first, &other_subject] {
        list.drop_expect(sub, &[]);
    }
    list.drop_expect(&second, ENDED);
    assert!(list.unwatch(b"queue.test.node", Some(b"q22"), WATCHER));

    assert_eq!(list.watch(b"some.subject", Some(b"queue1"), WATCHER), Ok(false));
    assert_eq!(list.watch(b"some.subject", Some(b"queue2"), OTHER_WATCHER), Ok(false));
    let [one, two] = ["queue1", "queue2"].map(|queue| queue_sub("some.subject", queue));
    list.add_expect(&one, BEGAN);
    list.add_expect(&two, &[(OTHER_WATCHER, true)]);
    list.drop_expect(&one, ENDED);
    list.drop_expect(&two, &[(OTHER_WATCHER, false)]);
    assert!(list.unwatch(b"some.subject", Some(b"queue1"), WATCHER));
    assert!(list.unwatch(b"some.subject", Some(b"queue2"), OTHER_WATCHER));
}

/// The target of the design: a wildcard subscription costs little.
#[track_caller]
fn check_size(queue: Option<&[u8]>, limit: u64) {
    let mut list: Sublist<u64> = Sublist::new();
    let count = 50_000;
    for number in 0..count {
        list.insert(format!("a.{number}.*.x.>").as_bytes(), queue, number).unwrap();
    }
    let size = list.allocated_size() as u64 / count;
    assert!(size < limit, "{size}");
    for number in 0..count {
        list.remove(format!("a.{number}.*.x.>").as_bytes(), queue, &number).unwrap();
    }
    assert!(list.allocated_size() < 1024, "{}", list.allocated_size());
}

#[test]
fn a_wildcard_subscription_costs_less_than_250_bytes() {
    check_size(None, 120);
    check_size(Some(b"workers"), 250);
}

#[test]
fn tables_go_to_other_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Sublist<Sub>>();
    is_send_and_sync::<MatchResult<Sub>>();
}

#[test]
fn the_same_handle_counts_once() {
    both_ways(|mut list| {
        let foo = sub("foo");
        list.add(&foo).unwrap();
        let generation = list.generation();
        list.add(&foo).unwrap();
        assert_eq!((list.count(), list.generation()), (1, generation));
        list.drop_sub(&foo).unwrap();
        assert_eq!(list.count(), 0);
        assert_eq!(list.drop_sub(&foo), Err(SublistError::NotFound));
    });
}

/// A table as a plain list, by the definition of a match.
#[derive(Default)]
struct Model(Vec<(String, Option<String>, u32)>);

fn filter_strategy() -> impl Strategy<Value = String> {
    (prop::collection::vec("a|b|cc|\\*", 0..5), any::<bool>()).prop_map(|(mut tokens, tail)| {
        if tail || tokens.is_empty() {
            tokens.push(">".to_owned());
        }
        tokens.join(".")
    })
}

fn subject_strategy() -> impl Strategy<Value = String> {
    prop::collection::vec("a|b|cc", 1..6).prop_map(|tokens| tokens.join("."))
}

#[derive(Debug, Clone)]
enum Step {
    Insert(String, Option<String>, u32),
    Remove(usize),
    RemoveAbsent(String, u32),
    Match(String),
    Reverse(String),
}

fn step_strategy() -> impl Strategy<Value = Step> {
    let queue = prop::option::weighted(0.3, "q|r");
    prop_oneof![
        5 => (filter_strategy(), queue, 0..50_u32).prop_map(|(s, q, v)| Step::Insert(s, q, v)),
        3 => any::<usize>().prop_map(Step::Remove),
        1 => (filter_strategy(), 50..60_u32).prop_map(|(s, v)| Step::RemoveAbsent(s, v)),
        4 => subject_strategy().prop_map(Step::Match),
        1 => filter_strategy().prop_map(Step::Reverse),
    ]
}

fn flatten(result: &MatchResult<u32>) -> Vec<(Option<String>, u32)> {
    let name = |group: &QueueGroup<u32>| String::from_utf8(group.queue.to_vec()).unwrap();
    let names: HashSet<String> = result.queues.iter().map(name).collect();
    assert_eq!(names.len(), result.queues.len(), "each group stands once");
    let plain = result.plain.iter().map(|&value| (None, value));
    let queued = result
        .queues
        .iter()
        .flat_map(|group| group.members.iter().map(move |&value| (Some(name(group)), value)));
    let mut all: Vec<_> = plain.chain(queued).collect();
    all.sort();
    all
}

impl Model {
    fn matching(&self, wanted: impl Fn(&str) -> bool) -> Vec<(Option<String>, u32)> {
        let found = self.0.iter().filter(|(filter, ..)| wanted(filter));
        let mut all: Vec<_> = found.map(|(_, queue, value)| (queue.clone(), *value)).collect();
        all.sort();
        all
    }
}

fn run_step(list: &mut Sublist<u32>, model: &mut Model, step: Step) {
    match step {
        Step::Insert(filter, queue, value) => {
            list.insert(filter.as_bytes(), queue.as_deref().map(str::as_bytes), value).unwrap();
            let entry = (filter, queue, value);
            if !model.0.contains(&entry) {
                model.0.push(entry);
            }
        }
        Step::Remove(index) if !model.0.is_empty() => {
            let (filter, queue, value) = model.0.swap_remove(index % model.0.len());
            let queue = queue.as_deref().map(str::as_bytes);
            list.remove(filter.as_bytes(), queue, &value).unwrap();
        }
        Step::Remove(_) => {}
        Step::RemoveAbsent(filter, value) => {
            let refused = list.remove(filter.as_bytes(), None, &value);
            assert_eq!(refused, Err(SublistError::NotFound));
        }
        Step::Match(subject) => {
            let expected =
                model.matching(|f| crate::subject::matches(subject.as_bytes(), f.as_bytes()));
            assert_eq!(flatten(&list.match_subject(subject.as_bytes())), expected, "{subject}");
            assert_eq!(list.has_interest(subject.as_bytes()), !expected.is_empty());
            assert_eq!(list.interest_count(subject.as_bytes()).total(), expected.len());
        }
        Step::Reverse(filter) => {
            let collides =
                |f: &str| crate::subject::subjects_collide(filter.as_bytes(), f.as_bytes());
            assert_eq!(
                flatten(&list.reverse_match(filter.as_bytes())),
                model.matching(collides),
                "{filter}"
            );
        }
    }
    assert_eq!(list.count() as usize, model.0.len());
}

proptest! {
    #[test]
    fn sublist_agrees_with_a_list(
        cached in any::<bool>(),
        steps in prop::collection::vec(step_strategy(), 1..150),
    ) {
        let mut list = Sublist::with_cache(cached);
        let mut model = Model::default();
        for step in steps {
            run_step(&mut list, &mut model, step);
        }
        while !model.0.is_empty() {
            run_step(&mut list, &mut model, Step::Remove(0));
        }
        prop_assert_eq!(list.depth(), 0);
    }
}

#[test]
fn wildcards_come_before_the_token_but_behind_the_last_one() {
    let filters =
        ["a.b.c", "a.b.*", "a.*.c", "*.b.c", "a.b.>", "a.>", ">", "*.*.*", "a.*.>", "*.>"];
    let mut list = Sublist::new();
    for filter in filters {
        list.insert(filter.as_bytes(), None, sub(filter)).unwrap();
    }
    let found = list.match_subject(b"a.b.c");
    let found: Vec<&str> = found.plain.iter().map(|sub| sub.0.subject.as_str()).collect();
    let expected =
        [">", "*.>", "*.*.*", "*.b.c", "a.>", "a.*.>", "a.*.c", "a.b.>", "a.b.c", "a.b.*"];
    assert_eq!(found, expected);
}
