use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use crate::generic_list::GenericSubjectList;
use crate::subject::{matches, tokens};

fn tree(entries: &[(&str, i32)]) -> SubjectTree<i32> {
    let mut tree = SubjectTree::new();
    for &(subject, value) in entries {
        tree.insert(subject.as_bytes(), value);
    }
    tree
}

/// The usual seven subjects.
const ENTRIES: [(&str, i32); 7] = [
    ("foo.bar.A", 1),
    ("foo.bar.B", 2),
    ("foo.bar.C", 3),
    ("foo.baz.A", 11),
    ("foo.baz.B", 22),
    ("foo.baz.C", 33),
    ("foo.bar", 42),
];

#[track_caller]
fn check_found(tree: &SubjectTree<i32>, expected: &[(&str, i32)]) {
    for &(subject, value) in expected {
        assert_eq!(tree.get(subject.as_bytes()), Some(&value), "{subject}");
    }
}

/// How many subjects match; each must come once, and be what the filter stands for.
#[track_caller]
fn check_match<V>(tree: &SubjectTree<V>, filter: &str, expected: usize) {
    let mut found: Vec<Vec<u8>> = Vec::new();
    tree.for_each_matching(filter.as_bytes(), |subject, _| found.push(subject.to_vec()));
    assert_eq!(found.len(), expected, "{filter}");
    assert!(found.is_sorted_by(|one, other| one < other), "{filter}");
    assert!(found.iter().all(|subject| matches(subject, filter.as_bytes())), "{filter}");
}

/// The structure as text: a letter for the kind, the label, the children in parentheses.
fn structure<V>(tree: &SubjectTree<V>, node: NodeRef) -> String {
    if !node.is_some() {
        return "empty".to_owned();
    }
    match node.kind() {
        Kind::Leaf(index) => {
            format!("L'{}'", String::from_utf8_lossy(tree.leaves.get(index).suffix.as_bytes()))
        }
        Kind::Inner(index) => {
            let inner = tree.inners.get(index);
            let kind = match inner.edges {
                Edges::Sorted(_) => "S",
                Edges::Table(_) => "T",
            };
            let end = Some(inner.end).filter(|end| end.is_some());
            let children = end.into_iter().chain(inner.edges.iter());
            let children: Vec<_> = children.map(|child| structure(tree, child)).collect();
            let prefix = String::from_utf8_lossy(inner.prefix.as_bytes());
            format!("{kind}'{prefix}'({})", children.join(" "))
        }
    }
}

#[track_caller]
fn check_structure<V>(tree: &SubjectTree<V>, expected: &str) {
    assert_eq!(structure(tree, tree.root), expected);
}

fn is_table<V>(tree: &SubjectTree<V>) -> bool {
    structure(tree, tree.root).starts_with('T')
}

/// Go: TestSubjectTreeBasics server/stree/stree_test.go:35
#[test]
fn subject_tree_basics() {
    let mut tree = SubjectTree::new();
    assert_eq!((tree.len(), tree.is_empty()), (0, true));
    assert_eq!(tree.insert(b"foo.bar.baz", 22), None);
    assert_eq!(tree.len(), 1);
    assert_eq!(tree.get(b"foo.bar.*"), None);
    check_found(&tree, &[("foo.bar.baz", 22)]);
    assert_eq!(tree.insert(b"foo.bar.baz", 33), Some(22));
    assert_eq!(tree.len(), 1);
    assert_eq!(tree.insert(b"foo.bar", 22), None);
    assert_eq!(tree.len(), 2);
    check_found(&tree, &[("foo.bar", 22), ("foo.bar.baz", 33)]);
    *tree.get_mut(b"foo.bar").unwrap() += 1;
    assert_eq!(*tree.get_or_insert_with(b"foo.bar", || 0), 23);
    assert_eq!(*tree.get_or_insert_with(b"foo", || 5), 5);
    assert!(tree.contains(b"foo") && !tree.contains(b"fo"));
}

fn with_children(count: u8) -> SubjectTree<u8> {
    let mut tree = SubjectTree::new();
    for number in 0..count {
        assert_eq!(tree.insert(&[b"foo.bar.", &[b'A' + number][..]].concat(), number), None);
    }
    tree
}

/// Go: TestSubjectTreeNodeGrow server/stree/stree_test.go:71
#[test]
fn subject_tree_node_grow() {
    for (count, table) in
        [(4, false), (5, false), (11, false), (17, false), (48, false), (49, true)]
    {
        let tree = with_children(count);
        assert_eq!(is_table(&tree), table, "{count}");
        assert_eq!(tree.len(), usize::from(count));
        for number in 0..count {
            let subject = [b"foo.bar.", &[b'A' + number][..]].concat();
            assert_eq!(tree.get(&subject), Some(&number));
        }
    }
}

/// Go: TestSubjectTreeNodePrefixMismatch server/stree/stree_test.go:129
#[test]
fn subject_tree_node_prefix_mismatch() {
    let mut tree = tree(&[("foo.bar.A", 11), ("foo.bar.B", 22), ("foo.bar.C", 33)]);
    let root = tree.root;
    tree.insert(b"foo.foo.A", 44);
    assert_ne!(root, tree.root);
    let expected = [("foo.bar.A", 11), ("foo.bar.B", 22), ("foo.bar.C", 33), ("foo.foo.A", 44)];
    check_found(&tree, &expected);
}

/// Go: TestSubjectTreeNodeDelete server/stree/stree_test.go:154
#[test]
fn subject_tree_node_delete() {
    let mut tree = tree(&[("foo.bar.A", 22)]);
    assert_eq!(tree.remove(b"foo.bar.A"), Some(22));
    check_structure(&tree, "empty");
    assert_eq!(tree.remove(b"foo.bar.A"), None);
    assert_eq!(tree.get(b"foo.foo.A"), None);

    let mut tree = self::tree(&ENTRIES[..3]);
    assert_eq!(tree.remove(b"foo.bar.C"), Some(3));
    assert_eq!(tree.remove(b"foo.bar.B"), Some(2));
    check_structure(&tree, "L'foo.bar.A'");
    assert_eq!(tree.remove(b"foo.bar.A"), Some(1));
    check_structure(&tree, "empty");

    for count in [5, 11, 17, 49] {
        let mut tree = with_children(count);
        for removed in 0..count {
            let subject = [b"foo.bar.", &[b'A' + removed][..]].concat();
            assert_eq!(tree.remove(&subject), Some(removed));
            assert_eq!(tree.len(), usize::from(count - removed - 1));
            for kept in removed + 1..count {
                let subject = [b"foo.bar.", &[b'A' + kept][..]].concat();
                assert_eq!(tree.get(&subject), Some(&kept));
            }
            // A table is left again, but not at once: a change back and forth costs little.
            assert_eq!(is_table(&tree), count == 49 && tree.len() > 36);
        }
        check_structure(&tree, "empty");
    }
}

/// Go: TestSubjectTreeNodesAndPaths server/stree/stree_test.go:245
#[test]
fn subject_tree_nodes_and_paths() {
    let mut tree = tree(&ENTRIES);
    check_found(&tree, &ENTRIES);
    tree.remove(b"foo.bar");
    check_found(&tree, &ENTRIES[..6]);
    assert_eq!(tree.get(b"foo.bar"), None);
}

/// Go: TestSubjectTreeConstruction server/stree/stree_test.go:270
#[test]
fn subject_tree_construction() {
    let mut tree = tree(&ENTRIES);
    check_structure(&tree, "S'foo.ba'(S'r'(L'' S'.'(L'A' L'B' L'C')) S'z.'(L'A' L'B' L'C'))");
    assert_eq!(tree.remove(b"foo.bar"), Some(42));
    check_structure(&tree, "S'foo.ba'(S'r.'(L'A' L'B' L'C') S'z.'(L'A' L'B' L'C'))");
}

/// Go: TestSubjectTreeMatchLeafOnly server/stree/stree_test.go:333
#[test]
fn subject_tree_match_leaf_only() {
    let tree = tree(&[("foo.bar.baz.A", 1)]);
    let filters = [
        "foo.bar.*.A",
        "foo.*.baz.A",
        "foo.*.*.A",
        "foo.*.*.*",
        "*.*.*.*",
        ">",
        "foo.>",
        "foo.*.>",
        "foo.bar.>",
        "foo.bar.*.>",
    ];
    filters.iter().for_each(|filter| check_match(&tree, filter, 1));
    check_match(&tree, "foo.bar.baz", 0);
}

/// Go: TestSubjectTreeMatchNodes server/stree/stree_test.go:354
#[test]
fn subject_tree_match_nodes() {
    let rows = [
        ("foo.bar.A", 1, 1),
        ("foo.baz.A", 1, 1),
        ("foo.bar", 0, 1),
        ("foo.*.A", 2, 2),
        ("foo.bar.*", 3, 3),
        ("foo.baz.*", 3, 3),
        (">", 6, 7),
        ("foo.>", 6, 7),
        ("foo.bar.>", 3, 3),
        ("foo.baz.>", 3, 3),
        ("foo.ba", 0, 0),
        ("foo.*", 0, 1),
    ];
    let (without, with) = (tree(&ENTRIES[..6]), tree(&ENTRIES));
    for (filter, expected_without, expected_with) in rows {
        check_match(&without, filter, expected_without);
        check_match(&with, filter, expected_with);
    }
}

/// Go: TestSubjectTreeMatchUntil server/stree/stree_test.go:409
#[test]
fn subject_tree_match_until() {
    let tree = tree(&ENTRIES);
    for (filter, stop_after, expected) in
        [("foo.>", 3, (3, false)), ("foo.bar", 3, (1, true)), ("foo.baz.*", 4, (3, true))]
    {
        let mut count = 0;
        let flow = tree.visit_matching(filter.as_bytes(), |_, _| {
            count += 1;
            if count < stop_after { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert_eq!((count, flow.is_continue()), expected, "{filter}");
    }
}

/// Go: TestSubjectTreeNoPrefix server/stree/stree_test.go:434
#[test]
fn subject_tree_no_prefix() {
    let mut tree = SubjectTree::new();
    for letter in b'A'..=b'Z' {
        assert_eq!(tree.insert(&[letter], 22), None);
    }
    check_match(&tree, "*", 26);
    assert!(structure(&tree, tree.root).starts_with("S''("));
    assert_eq!(tree.remove(b"B"), Some(22));
    check_match(&tree, "*", 25);
    assert_eq!(tree.remove(b"Z"), Some(22));
    check_match(&tree, "*", 24);
}

/// Go: TestSubjectTreePartialTerminalWildcardBugMatch server/stree/stree_test.go:455
#[test]
fn subject_tree_partial_terminal_wildcard_bug_match() {
    let tree = tree(&[
        ("STATE.GLOBAL.CELL1.7PDSGAALXNN000010.PROPERTY-A", 5),
        ("STATE.GLOBAL.CELL1.7PDSGAALXNN000010.PROPERTY-B", 1),
        ("STATE.GLOBAL.CELL1.7PDSGAALXNN000010.PROPERTY-C", 2),
    ]);
    check_match(&tree, "STATE.GLOBAL.CELL1.7PDSGAALXNN000010.*", 3);
}

/// Go: TestSubjectTreeMatchSubjectParam server/stree/stree_test.go:463
#[test]
fn subject_tree_match_subject_param() {
    let mut tree = tree(&ENTRIES);
    let expected: HashMap<&[u8], i32> =
        ENTRIES.iter().map(|&(subject, value)| (subject.as_bytes(), value)).collect();
    tree.for_each_matching(b">", |subject, value| assert_eq!(expected[subject], *value));
    tree.for_each_matching_mut(b"foo.*.B", |_, value| *value += 100);
    check_found(&tree, &[("foo.bar.B", 102), ("foo.baz.B", 122), ("foo.bar.A", 1)]);
}

/// Go: TestSubjectTreeMatchRandomDoublePWC server/stree/stree_test.go:492
#[test]
fn subject_tree_match_random_double_pwc() {
    let mut tree = SubjectTree::new();
    for number in 1..=10_000_u32 {
        let middle = number.wrapping_mul(2_654_435_761) >> 16;
        tree.insert(format!("foo.{}.{number}", middle % 20 + 1).as_bytes(), 42);
    }
    check_match(&tree, "foo.*.*", 10_000);
    for (filter, position, token) in [("*.2.*", 1, "2"), ("*.*.222", 2, "222")] {
        let mut expected = 0;
        tree.for_each(|subject, _| {
            assert_eq!(tokens(subject).count(), 3);
            expected += usize::from(tokens(subject).nth(position) == Some(token.as_bytes()));
        });
        assert!(expected > 0);
        check_match(&tree, filter, expected);
    }
}

/// Stops after `limit` subjects and returns them with their values.
fn first_entries(tree: &SubjectTree<i32>, limit: usize) -> Vec<(String, i32)> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = tree.visit(|subject, &value| {
        found.push((String::from_utf8(subject.to_vec()).unwrap(), value));
        if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    found
}

/// Go: TestSubjectTreeIterOrdered server/stree/stree_test.go:531
/// Go: TestSubjectTreeIterFast server/stree/stree_test.go:584
/// Go: TestIterEdgeCases server/stree/stree_test.go:2101
#[test]
fn subject_tree_iter_ordered() {
    let mut expected: Vec<_> = ENTRIES.iter().map(|&(s, value)| (s.to_owned(), value)).collect();
    expected.sort();
    let mut tree = tree(&ENTRIES);
    for limit in [1, 2, 4, 7, 8] {
        assert_eq!(first_entries(&tree, limit), expected[..limit.min(7)]);
    }
    tree.for_each_mut(|_, value| *value = -*value);
    check_found(&tree, &ENTRIES.map(|(subject, value)| (subject, -value)));
}

/// Go: TestIterComplexTree server/stree/stree_test.go:2237
/// Go: TestIterOrderedAndIterFastNilRoot server/stree/stree_test.go:1849
/// Go: TestNode48IterEarlyTermination server/stree/stree_test.go:1986
/// Go: TestNode10And16IterEarlyTermination server/stree/stree_test.go:2000
/// Go: TestNodeIterMethods server/stree/stree_test.go:1801
#[test]
fn iter_complex_tree() {
    assert_eq!(first_entries(&SubjectTree::new(), 1), []);
    for count in [2, 5, 8, 20, 40, 60] {
        let mut tree = SubjectTree::new();
        for number in 0..count {
            let letter = char::from_u32('0' as u32 + number).unwrap();
            tree.insert(format!("level1.level2.item{letter}").as_bytes(), 1);
        }
        assert_eq!(first_entries(&tree, usize::MAX).len(), count as usize);
        assert_eq!(first_entries(&tree, 1), [("level1.level2.item0".to_owned(), 1)]);
    }
}

/// Go: TestSubjectTreeInsertSamePivotBug server/stree/stree_test.go:625
#[test]
fn subject_tree_insert_same_pivot_bug() {
    let subjects = [
        "0d00.2abbb82c1d.6e16.fa7f85470e.3e46",
        "534b12.3486c17249.4dde0666",
        "6f26aabd.920ee3.d4d3.5ffc69f6",
        "8850.ade3b74c31.aa533f77.9f59.a4bd8415.b3ed7b4111",
        "5a75047dcb.5548e845b6.76024a34.14d5b3.80c426.51db871c3a",
        "825fa8acfc.5331.00caf8bbbd.107c4b.c291.126d1d010e",
    ];
    let mut tree = SubjectTree::new();
    for subject in subjects {
        assert_eq!(tree.insert(subject.as_bytes(), 22), None);
        check_found(&tree, &[(subject, 22)]);
    }
}

/// Go: TestSubjectTreeMatchTsepSecondThenPartialPartBug server/stree/stree_test.go:645
#[test]
fn subject_tree_match_tsep_second_then_partial_part_bug() {
    let tree = tree(&[
        ("foo.xxxxx.foo1234.zz", 22),
        ("foo.yyy.foo123.zz", 22),
        ("foo.yyybar789.zz", 22),
        ("foo.yyy.foo12345.zz", 22),
        ("foo.yyy.foo12345.yy", 22),
        ("foo.yyy.foo123456789.zz", 22),
    ]);
    check_match(&tree, "foo.*.foo123456789.*", 1);
    check_match(&tree, "foo.*.*.zzz.foo.>", 0);
}

/// Go: TestSubjectTreeMatchMultipleWildcardBasic server/stree/stree_test.go:657
#[test]
fn subject_tree_match_multiple_wildcard_basic() {
    let tree = tree(&[("A.B.C.D.0.G.H.I.0", 22), ("A.B.C.D.1.G.H.I.0", 22)]);
    check_match(&tree, "A.B.*.D.1.*.*.I.0", 1);
}

/// Go: TestSubjectTreeMatchInvalidWildcard server/stree/stree_test.go:664
#[test]
fn subject_tree_match_invalid_wildcard() {
    let subjects = ["foo.123", "one.two.three.four.five", "'*.123", "bar"];
    let tree = tree(&subjects.map(|subject| (subject, 22)));
    check_match(&tree, ">", 4);
    check_match(&tree, "'*.*", 1);
    let none = [
        "invalid.>",
        "foo.>.bar",
        "'*.*.*'",
        "`>`",
        "\">\"",
        "'>'",
        "'*.>'",
        "'*.>.",
        "`invalid.>`",
        "'*.*'",
    ];
    none.iter().for_each(|filter| check_match(&tree, filter, 0));
}

/// Go: TestSubjectTreeLongTokens server/stree/stree_test.go:728
#[test]
fn subject_tree_long_tokens() {
    let mut tree = tree(&[
        ("a1.aaaaaaaaaaaaaaaaaaaaaa0", 1),
        ("a2.0", 2),
        ("a1.aaaaaaaaaaaaaaaaaaaaaa1", 3),
        ("a2.1", 4),
    ]);
    assert_eq!((tree.remove(b"a2.0"), tree.remove(b"a2.1")), (Some(2), Some(4)));
    assert_eq!(tree.len(), 2);
    check_found(&tree, &[("a1.aaaaaaaaaaaaaaaaaaaaaa0", 1), ("a1.aaaaaaaaaaaaaaaaaaaaaa1", 3)]);
}

/// Go: TestSubjectTreeMatchNoCallbackDupe server/stree/stree_test.go:963
#[test]
fn subject_tree_match_no_callback_dupe() {
    let tree = tree(&[("foo.bar.A", 1), ("foo.bar.B", 1), ("foo.bar.C", 1), ("foo.bar.>", 1)]);
    for filter in [">", "foo.>", "foo.bar.>"] {
        check_match(&tree, filter, 4);
    }
}

/// Go: TestSubjectTreeInsertLongerLeafSuffixWithTrailingNulls server/stree/stree_test.go:999
#[test]
fn subject_tree_insert_longer_leaf_suffix_with_trailing_nulls() {
    let short = [&b"foo.bar.baz_"[..], &[0; 10]].concat();
    let long = [&short[..], &[0; 10]].concat();
    let mut tree = SubjectTree::new();
    tree.insert(&short, 1);
    tree.insert(&long, 2);
    assert_eq!((tree.get(&short), tree.get(&long)), (Some(&1), Some(&2)));
}

/// Go: TestSubjectTreeMatchHasFWCNoPanic server/stree/stree_test.go:1036
/// Go: TestMatchEdgeCases server/stree/stree_test.go:2086
#[test]
fn subject_tree_match_has_fwc_no_panic() {
    let tree = tree(&[("foo", 1), ("foo.bar", 2)]);
    for filter in [".", "", "..", ".>", "*.", "foo.", ".*"] {
        check_match(&tree, filter, 0);
    }
}

/// Go: TestSubjectTreeLazyIntersect server/stree/stree_test.go:1047
#[test]
fn subject_tree_lazy_intersect() {
    let left = ["foo.bar", "foo.bar.baz.qux", "bar", "a.b.c", "a.b.ee", "bb.c.d"];
    let right = [
        "foo.bar",
        "foo.bar.baz.qux",
        "baz",
        "a.b.d",
        "a.b.e",
        "b.c.d",
        "foo.bar.baz.qux.alice",
        "foo.bar.baz.qux.bob",
    ];
    let (left, right) = (tree(&left.map(|s| (s, 1))), tree(&right.map(|s| (s, 2))));
    check_intersection(&left, &right, &["foo.bar", "foo.bar.baz.qux"]);
    check_intersection(&right, &left, &["foo.bar", "foo.bar.baz.qux"]);
}

#[track_caller]
fn check_intersection(left: &SubjectTree<i32>, right: &SubjectTree<i32>, expected: &[&str]) {
    let mut found = Vec::new();
    intersect(left, right, |subject, one, other| {
        assert_eq!((left.get(subject), right.get(subject)), (Some(one), Some(other)));
        found.push(String::from_utf8(subject.to_vec()).unwrap());
    });
    assert_eq!(found, expected);
}

/// Go: TestSubjectTreeLazyIntersectComprehensive server/stree/stree_test.go:1491
#[test]
fn subject_tree_lazy_intersect_comprehensive() {
    check_intersection(&tree(&[]), &tree(&[]), &[]);
    check_intersection(&tree(&[("foo", 1)]), &tree(&[]), &[]);

    let left = tree(&[("foo.bar", 42), ("baz.qux", 100), ("only.in.left", 1)]);
    let mut right = SubjectTree::new();
    for (subject, word) in [("foo.bar", "hello"), ("baz.qux", "world"), ("only.in.right", "two")] {
        right.insert(subject.as_bytes(), word);
    }
    let mut found = Vec::new();
    intersect(&left, &right, |_, &number, &word| found.push((number, word)));
    assert_eq!(found, [(100, "world"), (42, "hello")]);

    let mut large = SubjectTree::new();
    for number in 0..100 {
        large.insert(format!("large.{number}").as_bytes(), number);
    }
    let small =
        tree(&[("large.5", 500), ("large.10", 1000), ("large.50", 5000), ("small.only", 999)]);
    check_intersection(&large, &small, &["large.10", "large.5", "large.50"]);
    check_intersection(
        &tree(&[("a.b.c.d.e.f.g", 1), ("a.b.c.d", 3), ("prefix.suffix1", 5)]),
        &tree(&[("a.b.c.d.e.f.g", 2), ("a.b.c.d.e", 4), ("prefix.suffix2", 6)]),
        &["a.b.c.d.e.f.g"],
    );
}

/// Go: TestSubjectTreeGSLIntersection server/stree/stree_test.go:1080
#[test]
fn subject_tree_gsl_intersection() {
    let subjects = [
        "one.two.three.four",
        "one.two.three.five",
        "one.two.six",
        "one.two.seven",
        "eight.nine",
        "stream.A",
        "stream.A.child",
    ];
    let tree = tree(&subjects.map(|subject| (subject, 0)));
    let aggressive = [
        "stream.A.child",
        "*.A.child",
        "stream.*.child",
        "stream.A.*",
        "stream.*.*",
        "*.A.*",
        "*.*.child",
    ];
    let rows: &[(&[&str], usize)] = &[
        (&["one.two.six", "eight.nine"], 2),
        (&["one.two.*.*"], 2),
        (&["one.two.*.four", "one.two.*.*"], 2),
        (&["*.*", "*.*.*", "*.*.*.*"], 7),
        (&["one.>"], 4),
        (&["one.two.three.four", "one.>", ">"], 7),
        (&["stream.A.>", "stream.A"], 2),
        (&["stream.*.child", "stream.A"], 2),
        (&aggressive, 1),
        (&["stream.A.child", "*.A.child", "stream.A.*", "*.A.*", "*.*.child"], 1),
        (&["stream.A.child", "stream.*.*"], 1),
        (&["stream.A.child", "stream.*.>"], 1),
        (&["stream.A.child", "*.*"], 3),
        (&["stream.A.child", "stream.*"], 2),
        (&["stream.A", "*.*.*"], 4),
        (&[">"], 7),
        (&["one"], 0),
        (&["one", "eight", "ten"], 0),
        (&["stream.A.not-child", "stream.A.child.>"], 0),
        (&["one.*.six", "one.two.seven"], 2),
        (&["one.*.*.four", "one.*.*.five", "one.*.three"], 2),
        (&["one.two.*.*", "*.two.three.four"], 2),
        (&["one.*.four.five", "one.two.three.four"], 1),
        (&[], 0),
    ];
    for (filters, expected) in rows {
        let mut list = GenericSubjectList::new();
        let mut sublist = Sublist::new();
        for (filter, value) in filters.iter().zip(0_u32..) {
            list.insert(filter.as_bytes(), value).unwrap();
            sublist.insert(filter.as_bytes(), None, value).unwrap();
        }
        check_interesting(&tree, &list, filters, *expected);
        check_interesting(&tree, &sublist, filters, *expected);
    }
    check_stops(&tree);
}

#[track_caller]
fn check_interesting(
    tree: &SubjectTree<i32>,
    interest: &impl Interest,
    filters: &[&str],
    expected: usize,
) {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let flow: ControlFlow<()> = tree.visit_interesting(interest, |subject, _| {
        found.push(subject.to_vec());
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    assert_eq!(found.len(), expected, "{filters:?}");
    found.sort();
    assert!(found.is_sorted_by(|one, other| one < other), "each comes once: {filters:?}");
}

fn check_stops(tree: &SubjectTree<i32>) {
    for filters in [&[">"][..], &["one.>", ">"], &["one.>", "eight.*"]] {
        let mut list = GenericSubjectList::new();
        for filter in filters {
            list.insert(filter.as_bytes(), 11).unwrap();
        }
        let mut count = 0;
        let flow = tree.visit_interesting(&list, |_, _| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!((count, flow), (1, ControlFlow::Break(())));
    }
}

/// Go: TestSubjectTreeDeleteShortSubjectNoPanic server/stree/stree_test.go:1424
/// Go: TestDeleteEdgeCases server/stree/stree_test.go:2063
/// Go: TestFindEdgeCases server/stree/stree_test.go:1788
#[test]
fn subject_tree_delete_short_subject_no_panic() {
    assert_eq!(SubjectTree::<i32>::new().remove(b"foo"), None);
    let mut tree = tree(&[("foo.bar.baz", 1), ("foo.bar.qux", 2), ("foo", 3)]);
    for subject in ["foo.bar", "", "f", "foo.bar.ba", "foo.bar.bazz", "foo."] {
        assert_eq!(tree.remove(subject.as_bytes()), None, "{subject}");
        assert_eq!(tree.get(subject.as_bytes()), None, "{subject}");
    }
    assert_eq!(tree.len(), 3);
    check_found(&tree, &[("foo.bar.baz", 1), ("foo.bar.qux", 2), ("foo", 3)]);
}

/// Go: TestSubjectTreeEmpty server/stree/stree_test.go:1446
#[test]
fn subject_tree_empty() {
    let mut tree = tree(&[("foo.bar", 1), ("foo.baz", 2), ("bar.baz", 3)]);
    assert_eq!(tree.len(), 3);
    tree.clear();
    assert_eq!((tree.len(), tree.allocated_size()), (0, 0));
    check_structure(&tree, "empty");
    for subject in ["foo.bar", "foo.baz", "bar.baz"] {
        assert_eq!(tree.get(subject.as_bytes()), None);
    }
    assert_eq!(tree.insert(b"new.entry", 42), None);
    assert_eq!(tree.len(), 1);
    check_found(&tree, &[("new.entry", 42)]);
}

/// Go: TestInsertComplexEdgeCases server/stree/stree_test.go:2183
/// Go: TestInsertEdgeCases server/stree/stree_test.go:2043
#[test]
fn insert_complex_edge_cases() {
    let entries = [("a", 1), ("aa", 2), ("aaa", 3), ("a.b", 4), ("a.c", 5)];
    let tree = tree(&entries);
    assert_eq!(tree.len(), entries.len());
    check_found(&tree, &entries);
}

/// Go: TestMatchComplexEdgeCases server/stree/stree_test.go:2220
#[test]
fn match_complex_edge_cases() {
    let entries = [("foo.bar.baz", 1), ("foo.bar.qux", 2), ("foo.baz.bar", 3), ("bar.foo.baz", 4)];
    check_match(&tree(&entries), "foo.bar.>", 2);
}

/// Go: TestMatchPartsEdgeCases server/stree/stree_test.go:2028
/// Go: TestMatchPartsMoreEdgeCases server/stree/stree_test.go:2174
#[test]
fn match_parts_edge_cases() {
    let filter = CompiledFilter::new(b"foo.*.bar.>");
    let progress = filter.advance(filter::Progress::START, b"foo.test").unwrap();
    assert!(!filter.is_match(progress));
    // Any cut of the subject gives the same answer.
    for subject in [&b"foo.test.bar.x"[..], b"foo.test.bar.x.y"] {
        for cut in 0..=subject.len() {
            let halfway = filter.advance(filter::Progress::START, &subject[..cut]).unwrap();
            let end = filter.advance(halfway, &subject[cut..]).unwrap();
            assert!(filter.is_match(end), "{cut}");
        }
    }
    let start = filter.advance(filter::Progress::START, b"");
    assert_eq!(start, Some(filter::Progress::START));
}

/// Go: TestSubjectTreeNode48 server/stree/stree_test.go:881
/// Go: TestNode256Operations server/stree/stree_test.go:1609
/// Go: TestNode256Shrink server/stree/stree_test.go:1658
/// Go: TestNodeDeleteChildNotFound server/stree/stree_test.go:1939
/// Go: TestNodeShrinkNotNeeded server/stree/stree_test.go:1966
/// Go: TestDeleteChildEdgeCasesMore server/stree/stree_test.go:2152
#[test]
fn children_are_found_in_every_form() {
    let mut edges = Edges::new();
    let mut model = BTreeMap::new();
    let check = |edges: &Edges, model: &BTreeMap<u8, NodeRef>| {
        assert_eq!(edges.len(), model.len());
        assert!(edges.iter().eq(model.values().copied()));
        for byte in 0..=u8::MAX {
            assert_eq!(edges.get(byte), model.get(&byte).copied().unwrap_or(NodeRef::NONE));
        }
    };
    check(&edges, &model);
    // All bytes in a mixed order, up and down again, with 255 among the first and the last.
    let order: Vec<u8> = (0..=u8::MAX).map(|byte| byte.wrapping_mul(167).wrapping_sub(1)).collect();
    for (&byte, number) in order.iter().zip(0..) {
        edges.set(byte, NodeRef(number));
        model.insert(byte, NodeRef(number));
        check(&edges, &model);
    }
    for &byte in order.iter().rev() {
        edges.remove(byte);
        edges.remove(byte);
        model.remove(&byte);
        check(&edges, &model);
        assert_eq!(matches!(edges, Edges::Table(_)), edges.len() > 36);
    }
}

#[test]
fn retain_drops_what_is_refused() {
    let mut tree = tree(&ENTRIES);
    tree.retain(|subject, value| {
        *value += 1;
        subject.ends_with(b"A")
    });
    assert_eq!(tree.len(), 2);
    check_found(&tree, &[("foo.bar.A", 2), ("foo.baz.A", 12)]);
}

/// What a stream keeps per subject has the size of four numbers.
#[test]
fn a_subject_costs_less_than_200_bytes() {
    let mut tree: SubjectTree<[u64; 4]> = SubjectTree::new();
    let count = 50_000;
    for number in 0..count {
        tree.insert(format!("account.{}.stream.{number}", number % 1000).as_bytes(), [0; 4]);
    }
    let size = tree.allocated_size() / count;
    assert!(size < 140, "{size}");
    tree.retain(|_, _| false);
    assert_eq!(tree.allocated_size(), 0);
}

fn subject() -> impl Strategy<Value = String> {
    prop::collection::vec("a|b|aa|ab|abc|\\$", 1..5).prop_map(|tokens| tokens.join("."))
}

fn filter_strategy() -> impl Strategy<Value = String> {
    (prop::collection::vec("a|b|aa|ab|\\*|\\*", 0..5), any::<bool>()).prop_map(
        |(mut tokens, tail)| {
            if tail || tokens.is_empty() {
                tokens.push(">".to_owned());
            }
            tokens.join(".")
        },
    )
}

fn entries<V: Copy>(tree: &SubjectTree<V>) -> Vec<(Vec<u8>, V)> {
    let mut all = Vec::new();
    tree.for_each(|subject, &value| all.push((subject.to_vec(), value)));
    all
}

proptest! {
    /// Go: TestSubjectTreeRandomTrackEntries server/stree/stree_test.go:685
    #[test]
    fn subject_tree_random_track_entries(
        changes in prop::collection::vec((subject(), prop::option::weighted(0.6, 0..9_i32)), 1..200),
        filters in prop::collection::vec(filter_strategy(), 1..20),
    ) {
        let mut tree = SubjectTree::new();
        let mut model: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
        for (subject, value) in changes {
            match value {
                Some(value) => prop_assert_eq!(
                    tree.insert(subject.as_bytes(), value),
                    model.insert(subject.into_bytes(), value)
                ),
                None => prop_assert_eq!(
                    tree.remove(subject.as_bytes()),
                    model.remove(subject.as_bytes())
                ),
            }
            prop_assert_eq!(tree.len(), model.len());
        }
        prop_assert!(model.iter().all(|(subject, value)| tree.get(subject) == Some(value)));
        let all: Vec<_> = model.iter().map(|(subject, &value)| (subject.clone(), value)).collect();
        prop_assert_eq!(entries(&tree), all.clone());
        let mut list = GenericSubjectList::new();
        for filter in &filters {
            let mut found = Vec::new();
            tree.for_each_matching(filter.as_bytes(), |s, &value| found.push((s.to_vec(), value)));
            let matching = all.iter().filter(|(s, _)| matches(s, filter.as_bytes()));
            prop_assert_eq!(found, matching.cloned().collect::<Vec<_>>());
            list.insert(filter.as_bytes(), ()).unwrap();
        }
        let mut found = Vec::new();
        let _: ControlFlow<()> = tree.visit_interesting(&list, |s, &value| {
            found.push((s.to_vec(), value));
            ControlFlow::Continue(())
        });
        found.sort();
        let wanted = |s: &[u8]| filters.iter().any(|filter| matches(s, filter.as_bytes()));
        let interesting = all.iter().filter(|(s, _)| wanted(s));
        prop_assert_eq!(found, interesting.cloned().collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_a_key(keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..200)) {
        let mut tree = SubjectTree::new();
        let mut model = BTreeMap::new();
        for (key, number) in keys.iter().zip(0..) {
            prop_assert_eq!(tree.insert(key, number), model.insert(key.clone(), number));
        }
        prop_assert_eq!(entries(&tree), model.clone().into_iter().collect::<Vec<_>>());
        for key in &keys {
            prop_assert_eq!(tree.remove(key), model.remove(key));
        }
        prop_assert_eq!(tree.allocated_size(), 0);
    }
}
