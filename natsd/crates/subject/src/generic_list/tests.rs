use std::sync::RwLock;

use proptest::prelude::*;

use super::*;
use crate::subject::matches;

fn list(filters: &[(&str, u32)]) -> GenericSubjectList<u32> {
    let mut list = GenericSubjectList::new();
    for &(filter, value) in filters {
        list.insert(filter.as_bytes(), value).unwrap();
    }
    list
}

/// This many values match, by every way of asking.
#[track_caller]
fn check<T: Clone + Eq + Hash>(list: &GenericSubjectList<T>, subject: &str, expected: usize) {
    let mut found = 0;
    list.match_subject(subject.as_bytes(), |_| found += 1);
    assert_eq!(found, expected, "{subject}");
    assert_eq!(list.interest_count(subject.as_bytes()), expected, "{subject}");
    assert_eq!(list.has_interest(subject.as_bytes()), expected > 0, "{subject}");
}

fn subject_set(filters: &[&str]) -> SubjectSet {
    let mut set = SubjectSet::new();
    for filter in filters {
        set.insert(filter.as_bytes(), ()).unwrap();
    }
    set
}

/// Go: TestGenericSublistInit server/gsl/gsl_test.go:23
#[test]
fn generic_sublist_init() {
    assert_eq!(subject_set(&[]).count(), 0);
    check(&subject_set(&[]), "foo", 0);
}

/// Go: TestGenericSublistInsertCount server/gsl/gsl_test.go:29
#[test]
fn generic_sublist_insert_count() {
    assert_eq!(subject_set(&["foo", "bar", "foo.bar"]).count(), 3);
}

/// Go: TestGenericSublistSimple server/gsl/gsl_test.go:37
#[test]
fn generic_sublist_simple() {
    check(&subject_set(&["foo"]), "foo", 1);
}

/// Go: TestGenericSublistSimpleMultiTokens server/gsl/gsl_test.go:43
#[test]
fn generic_sublist_simple_multi_tokens() {
    check(&subject_set(&["foo.bar.baz"]), "foo.bar.baz", 1);
}

/// Go: TestGenericSublistPartialWildcard server/gsl/gsl_test.go:49
#[test]
fn generic_sublist_partial_wildcard() {
    check(&subject_set(&["a.b.c", "a.*.c"]), "a.b.c", 2);
}

/// Go: TestGenericSublistPartialWildcardAtEnd server/gsl/gsl_test.go:56
#[test]
fn generic_sublist_partial_wildcard_at_end() {
    check(&subject_set(&["a.b.c", "a.b.*"]), "a.b.c", 2);
}

/// Go: TestGenericSublistFullWildcard server/gsl/gsl_test.go:63
#[test]
fn generic_sublist_full_wildcard() {
    let set = subject_set(&["a.b.c", "a.>"]);
    check(&set, "a.b.c", 2);
    check(&set, "a.>", 1);
}

/// Go: TestGenericSublistRemove server/gsl/gsl_test.go:71
#[test]
fn generic_sublist_remove() {
    let mut set = subject_set(&["a.b.c.d"]);
    assert_eq!(set.count(), 1);
    check(&set, "a.b.c.d", 1);
    set.remove(b"a.b.c.d", &()).unwrap();
    assert_eq!(set.count(), 0);
    check(&set, "a.b.c.d", 0);
}

/// Go: TestGenericSublistRemoveWildcard server/gsl/gsl_test.go:83
#[test]
fn generic_sublist_remove_wildcard() {
    let mut list = list(&[("a.b.c.d", 11), ("a.b.*.d", 22), ("a.b.>", 33)]);
    assert_eq!(list.count(), 3);
    check(&list, "a.b.c.d", 3);
    for (left, filter, value) in [(2, "a.b.*.d", 22), (1, "a.b.>", 33), (0, "a.b.c.d", 11)] {
        list.remove(filter.as_bytes(), &value).unwrap();
        assert_eq!(list.count(), left);
        check(&list, "a.b.c.d", left as usize);
    }
}

#[track_caller]
fn check_cleanup(filter: &str) {
    let mut set = subject_set(&[filter]);
    assert_eq!(set.depth(), 6);
    set.remove(filter.as_bytes(), &()).unwrap();
    assert_eq!(set.depth(), 0);
}

/// Go: TestGenericSublistRemoveCleanup server/gsl/gsl_test.go:105
#[test]
fn generic_sublist_remove_cleanup() {
    check_cleanup("a.b.c.d.e.f");
}

/// Go: TestGenericSublistRemoveCleanupWildcards server/gsl/gsl_test.go:114
#[test]
fn generic_sublist_remove_cleanup_wildcards() {
    check_cleanup("a.b.*.d.e.>");
}

/// Go: TestGenericSublistInvalidSubjectsInsert server/gsl/gsl_test.go:123
#[test]
fn generic_sublist_invalid_subjects_insert() {
    let mut set = SubjectSet::new();
    for filter in [".foo", "foo.", "foo..bar", "foo.bar..baz", "foo.>.baz"] {
        let refused = set.insert(filter.as_bytes(), ());
        assert_eq!(refused, Err(GenericSubjectListError::InvalidSubject), "{filter}");
    }
    assert_eq!(set.count(), 0);
}

/// Go: TestGenericSublistBadSubjectOnRemove server/gsl/gsl_test.go:134
#[test]
fn generic_sublist_bad_subject_on_remove() {
    let mut set = SubjectSet::new();
    assert_eq!(set.insert(b"a.b..d", ()), Err(GenericSubjectListError::InvalidSubject));
    for filter in ["a.b..d", "a.>.b"] {
        let refused = set.remove(filter.as_bytes(), &());
        assert_eq!(refused, Err(GenericSubjectListError::InvalidSubject), "{filter}");
    }
}

/// Go: TestGenericSublistTwoTokenPubMatchSingleTokenSub server/gsl/gsl_test.go:141
#[test]
fn generic_sublist_two_token_pub_match_single_token_sub() {
    let set = subject_set(&["foo"]);
    check(&set, "foo", 1);
    check(&set, "foo.bar", 0);
}

/// Go: TestGenericSublistInsertWithWildcardsAsLiterals server/gsl/gsl_test.go:148
#[test]
fn generic_sublist_insert_with_wildcards_as_literals() {
    let list = list(&[("foo.*-", 0), ("foo.>-", 1)]);
    check(&list, "foo.bar", 0);
    check(&list, "foo.*-", 1);
    check(&list, "foo.>-", 1);
}

/// Go: TestGenericSublistRemoveWithWildcardsAsLiterals server/gsl/gsl_test.go:157
#[test]
fn generic_sublist_remove_with_wildcards_as_literals() {
    for filter in ["foo.*-", "foo.>-"] {
        let mut list = list(&[(filter, 7)]);
        check(&list, "foo.bar", 0);
        check(&list, filter, 1);
        assert_eq!(list.remove(b"foo.bar", &7), Err(GenericSubjectListError::NotFound));
        assert_eq!(list.remove(filter.as_bytes(), &8), Err(GenericSubjectListError::NotFound));
        assert_eq!(list.count(), 1);
        list.remove(filter.as_bytes(), &7).unwrap();
        assert_eq!(list.count(), 0);
    }
}

/// Go: TestGenericSublistMatchWithEmptyTokens server/gsl/gsl_test.go:170
#[test]
fn generic_sublist_match_with_empty_tokens() {
    let set = subject_set(&[">"]);
    for subject in [".foo", "..foo", "foo..", "foo.", "foo..bar", "foo...bar"] {
        check(&set, subject, 0);
    }
}

/// One filter, and how many times it stands for each of three subjects; then it is removed.
///
/// Go: TestGenericSublistHasInterest server/gsl/gsl_test.go:180
/// Go: TestGenericSublistNumInterest server/gsl/gsl_test.go:359
#[test]
fn generic_sublist_has_interest() {
    let rows: &[(&str, [usize; 4])] = &[
        ("foo", [1, 0, 0, 0]),
        ("foo.*", [0, 1, 1, 0]),
        ("foo.>", [0, 1, 1, 1]),
        ("*.>", [0, 1, 1, 1]),
        ("*.bar", [0, 1, 0, 0]),
        ("*", [1, 0, 0, 0]),
    ];
    let subjects = ["foo", "foo.bar", "foo.baz", "foo.bar.baz"];
    for &(filter, counts) in rows {
        let mut list = list(&[(filter, 11)]);
        for (subject, count) in subjects.into_iter().zip(counts) {
            check(&list, subject, count);
        }
        check(&list, "bar.x.y.z", usize::from(filter == "*.>"));
        list.remove(filter.as_bytes(), &11).unwrap();
        subjects.iter().for_each(|subject| check(&list, subject, 0));
    }
}

/// Go: TestGenericSublistHasInterestOverlapping server/gsl/gsl_test.go:237
#[test]
fn generic_sublist_has_interest_overlapping() {
    let list = list(&[("stream.A.child", 11), ("stream.*", 11)]);
    check(&list, "stream.A.child", 1);
    check(&list, "stream.A", 1);
}

/// Go: TestGenericSublistMatchesFullWildcard server/gsl/gsl_test.go:245
#[test]
fn generic_sublist_matches_full_wildcard() {
    let mut list = list(&[("stream.A.child", 11), ("stream.*", 11)]);
    check(&list, "stream.A.child", 1);
    check(&list, "stream.A", 1);
    assert!(!list.matches_everything());
    list.insert(b">", 11).unwrap();
    assert!(list.matches_everything());
}

/// Go: TestGenericSublistSingleFilter server/gsl/gsl_test.go:257
#[test]
fn generic_sublist_single_filter() {
    type Row<'a> = (&'a [(&'a str, u32)], Option<&'a str>);
    let rows: &[Row<'_>] = &[
        (&[], None),
        (&[("stream.A.child", 11)], Some("stream.A.child")),
        (&[("stream.A.child", 11), ("stream.A.child", 22)], Some("stream.A.child")),
        (&[("stream.A.child", 11), ("stream.A.other", 22)], None),
        (&[("stream.A.child", 11), ("stream.A.other", 22), ("stream.*", 33)], None),
        (&[("foo", 1), ("foo.bar", 2), ("foo.baz", 3)], None),
        (&[("foo.bar", 2), ("foo.baz", 3)], None),
        (&[("foo", 1), ("foo.bar", 2)], None),
        (&[(">", 1)], Some(">")),
    ];
    for (filters, expected) in rows {
        let list = list(filters);
        assert_eq!(list.only_filter(), expected.map(str::as_bytes), "{filters:?}");
    }
    // What was removed does not count.
    let mut list = list(&[("foo.bar", 1), ("foo.baz", 2), ("foo", 3)]);
    list.remove(b"foo.baz", &2).unwrap();
    list.remove(b"foo", &3).unwrap();
    assert_eq!(list.only_filter(), Some(&b"foo.bar"[..]));
}

#[test]
fn interest_below_a_prefix() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("foo.bar.baz", &["foo", "foo.bar", "foo.bar.baz"], &["bar", "foo.baz", "foo.bar.baz.x"]),
        ("foo.*.baz", &["foo", "foo.x", "foo.x.baz"], &["foo.x.y"]),
        ("foo.>", &["foo", "foo.a", "foo.a.b.c"], &["bar", "bar.foo"]),
        (">", &["a", "a.b"], &[]),
    ];
    for (filter, yes, no) in rows {
        let set = subject_set(&[filter]);
        for prefix in *yes {
            assert!(set.has_interest_below(prefix.as_bytes()), "{filter} below {prefix}");
        }
        for prefix in *no {
            assert!(!set.has_interest_below(prefix.as_bytes()), "{filter} below {prefix}");
        }
    }
}

/// Readers and a writer share the list through a lock of the owner's; readers always see the
/// filters that stay.
///
/// Go: TestGenericSublistHasInterestStartingInRace server/gsl/gsl_test.go:308
#[test]
fn generic_sublist_has_interest_starting_in_race() {
    let list = RwLock::new(list(&[]));
    for value in 0..10 {
        for (filter, base) in [("foo.bar.baz", 0), ("foo.*.baz", 10), ("foo.>", 20)] {
            list.write().unwrap().insert(filter.as_bytes(), value + base).unwrap();
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..1000 {
                for prefix in ["foo", "foo.bar", "foo.bar.baz"] {
                    assert!(list.read().unwrap().has_interest_below(prefix.as_bytes()));
                }
                assert!(!list.read().unwrap().has_interest_below(b"other.subject"));
            }
        });
        scope.spawn(|| {
            for value in 1000..2000 {
                for filter in [format!("test.subject.{}", value % 26), "foo.*.test".to_owned()] {
                    list.write().unwrap().insert(filter.as_bytes(), value).unwrap();
                    list.write().unwrap().remove(filter.as_bytes(), &value).unwrap();
                }
            }
        });
        scope.spawn(|| {
            for _ in 0..1000 {
                assert!(list.read().unwrap().has_interest(b"foo.bar.baz"));
                assert!(list.read().unwrap().has_interest(b"foo.something.baz"));
            }
        });
    });
    assert_eq!(list.read().unwrap().count(), 30);
}

fn filter() -> impl Strategy<Value = String> {
    (prop::collection::vec("a|b|cc|\\*", 0..5), any::<bool>()).prop_map(|(mut tokens, tail)| {
        if tail || tokens.is_empty() {
            tokens.push(">".to_owned());
        }
        tokens.join(".")
    })
}

/// By the definition: some literal that the filter stands for begins with the prefix's tokens.
fn reaches_below(filter: &str, prefix: &str) -> bool {
    let wanted: Vec<&str> = filter.split('.').collect();
    let tokens: Vec<&str> = prefix.split('.').collect();
    for (index, token) in tokens.iter().enumerate() {
        match wanted.get(index) {
            Some(&">") => return true,
            Some(&"*") => {}
            Some(other) if other == token => {}
            _ => return false,
        }
    }
    true
}

proptest! {
    #[test]
    fn list_agrees_with_the_definition(
        entries in prop::collection::vec((filter(), 0..5_u32), 0..60),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        subject in prop::collection::vec("a|b|cc", 1..6),
    ) {
        let mut list = GenericSubjectList::new();
        let mut model: Vec<(String, u32)> = Vec::new();
        for (filter, value) in entries {
            list.insert(filter.as_bytes(), value).unwrap();
            if !model.contains(&(filter.clone(), value)) {
                model.push((filter, value));
            }
        }
        for index in removed {
            if !model.is_empty() {
                let (filter, value) = model.swap_remove(index.index(model.len()));
                list.remove(filter.as_bytes(), &value).unwrap();
            }
        }
        let subject = subject.join(".");
        let mut found = Vec::new();
        list.match_subject(subject.as_bytes(), |&value| found.push(value));
        let matching = model.iter().filter(|(f, _)| matches(subject.as_bytes(), f.as_bytes()));
        let mut expected: Vec<u32> = matching.map(|(_, value)| *value).collect();
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(list.has_interest(subject.as_bytes()), !expected.is_empty());
        prop_assert_eq!(list.count() as usize, model.len());
        prop_assert_eq!(
            list.has_interest_below(subject.as_bytes()),
            model.iter().any(|(filter, _)| reaches_below(filter, &subject))
        );
        let mut all = Vec::new();
        list.for_each(|f, &value| all.push((String::from_utf8(f.to_vec()).unwrap(), value)));
        all.sort();
        model.sort();
        prop_assert_eq!(all, model);
    }
}
