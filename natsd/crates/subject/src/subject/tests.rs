use proptest::prelude::*;

use super::*;

/// Go: TestSublistValidLiteralSubjects server/sublist_test.go:609
#[test]
fn sublist_valid_literal_subjects() {
    for subject in [".foo", "foo.", "foo..bar", "foo.bar.*", "foo.bar.>", "*", ">", ""] {
        assert!(!is_valid_literal_subject(subject.as_bytes()), "{subject}");
    }
    // A wildcard character is one only as a token of its own.
    let valid = [
        "foo", "foo*", "foo**", "foo.**", "foo*bar", "foo.*bar", "foo*.bar", "*bar", "foo>",
        "foo>>", "foo.>>", "foo>bar", "foo.>bar", "foo>.bar", ">bar",
    ];
    for subject in valid {
        assert!(is_valid_literal_subject(subject.as_bytes()), "{subject}");
    }
}

/// Go: TestSublistValidSubjects server/sublist_test.go:636
#[test]
fn sublist_valid_subjects() {
    for subject in [".", ".foo", "foo.", "foo..bar", ">.bar", "foo.>.bar", ""] {
        assert!(!is_valid_subject(subject.as_bytes()), "{subject}");
    }
    let valid = [
        "foo",
        "foo.bar.*",
        "foo.bar.>",
        "*",
        ">",
        "foo*",
        "foo**",
        "foo.**",
        "foo*bar",
        "foo.*bar",
        "foo*.bar",
        "*bar",
        "foo>",
        "foo.>>",
        "foo>bar",
        "foo.>bar",
        "foo>.bar",
        ">bar",
    ];
    for subject in valid {
        assert!(is_valid_subject(subject.as_bytes()), "{subject}");
    }
    assert!(!is_valid_stored_subject(b"foo.bar.baz.\0"));
}

#[test]
fn white_space_is_invalid_in_any_token() {
    for space in [b' ', b'\t', b'\n', b'\r', 0x0c] {
        assert!(!is_valid_subject(&[space]));
        assert!(!is_valid_subject(&[b'a', b'.', space]));
        assert!(!is_valid_subject(&[b'a', space, b'b']));
        assert!(!is_valid_publish_subject(&[b'a', space]));
        assert!(is_valid_literal_subject(&[b'a', space]), "as in Go, not checked here");
    }
    assert!(is_valid_subject(b"a\x0bb"), "VT is not among Go's white space");
}

#[test]
fn stored_subjects_are_intact_utf8() {
    for (subject, expected) in [
        (&b"foo.bar"[..], true),
        ("größe.*".as_bytes(), true),
        (b"foo\0bar", false),
        (b"foo.\xff\xfe", false),
        ("foo.\u{fffd}".as_bytes(), false),
        (b"foo bar", false),
    ] {
        assert_eq!(is_valid_stored_subject(subject), expected, "{subject:?}");
    }
}

/// Go: TestSublistMatchLiterals server/sublist_test.go:668
#[test]
fn sublist_match_literals() {
    let rows = [
        ("foo", "foo", true),
        ("foo", "bar", false),
        ("foo", "*", true),
        ("foo", ">", true),
        ("foo.bar", ">", true),
        ("foo.bar", "foo.>", true),
        ("foo.bar", "bar.>", false),
        ("stats.test.22", "stats.>", true),
        ("stats.test.22", "stats.*.*", true),
        ("foo.bar", "foo", false),
        ("stats.test.foos", "stats.test.foos", true),
        ("stats.test.foos", "stats.test.foo", false),
        ("stats.test", "stats.test.*", false),
        ("stats.test.foos", "stats.*", false),
        ("stats.test.foos", "stats.*.*.foos", false),
        ("*bar", "*bar", true),
        ("foo*", "foo*", true),
        ("foo*bar", "foo*bar", true),
        ("foo.***.bar", "foo.***.bar", true),
        (">bar", ">bar", true),
        ("foo>", "foo>", true),
        ("foo>bar", "foo>bar", true),
        ("foo.>>>.bar", "foo.>>>.bar", true),
        // Our own rows: the edges of what is no match.
        ("foo", "foo.>", false),
        ("", ">", false),
        ("", "*", false),
        ("foo.", "foo.*", false),
        ("foo.", "foo.>", false),
        ("foo.bar", "foo.*bar", false),
    ];
    for (literal, filter, expected) in rows {
        assert_eq!(matches(literal.as_bytes(), filter.as_bytes()), expected, "{literal} {filter}");
    }
}

/// Go: TestSubjectIsLiteral server/sublist_test.go:697
#[test]
fn subject_is_literal() {
    for subject in ["foo", "foo.bar", "foo*.bar", "foo.>>"] {
        assert!(is_literal(subject.as_bytes()), "{subject}");
        assert!(!has_wildcard(subject.as_bytes()), "{subject}");
    }
    for subject in ["*", ">", "foo.*", "foo.>", "foo.*.>", "foo.*.bar", "foo.bar.>"] {
        assert!(!is_literal(subject.as_bytes()), "{subject}");
        assert!(has_wildcard(subject.as_bytes()), "{subject}");
    }
}

/// Go: TestSubjectToken server/sublist_test.go:731
#[test]
fn subject_token() {
    let expected = ["", "foo", "bar", "baz", "*", ""];
    for (position, token) in expected.iter().enumerate() {
        assert_eq!(token_at(b"foo.bar.baz.*", position), token.as_bytes(), "{position}");
    }
}

#[test]
fn tokens_are_counted_by_separators() {
    for (subject, count) in [("", 0), ("a", 1), ("a.b", 2), ("a..b", 3), (".", 2)] {
        assert_eq!(token_count(subject.as_bytes()), count, "{subject}");
    }
}

/// Go: TestIsSubsetMatch server/sublist_test.go:1123
#[test]
fn is_subset_match_() {
    let rows = [
        ("foo.bar", "foo.bar", true),
        ("foo.*", ">", true),
        ("foo.*", "*.*", true),
        ("foo.*", "foo.*", true),
        ("foo.*", "foo.bar", false),
        ("foo.>", ">", true),
        ("foo.>", "*.>", true),
        ("foo.>", "foo.>", true),
        ("foo.>", "foo.bar", false),
        ("foo..bar", "foo.*", false),
        ("foo.*", "foo..bar", false),
        // Our own rows.
        ("foo.>", "foo.*", false),
        ("foo", "foo.>", false),
        ("foo.bar", "foo", false),
        ("foo.bar", "foo.*b", false),
    ];
    for (subject, filter, expected) in rows {
        let found = is_subset_match(subject.as_bytes(), filter.as_bytes());
        assert_eq!(found, expected, "{subject} in {filter}");
    }
}

/// Go: TestSublistSubjectCollide server/sublist_test.go:1572
#[test]
fn sublist_subject_collide() {
    let rows = [
        ("foo.*", "foo.*.bar.>", false),
        ("foo.*", "foo.foo", true),
        ("foo.*", "*.foo", true),
        ("foo.bar.>", "*.bar.foo", true),
        // Our own rows.
        ("foo", "foo", true),
        ("foo", "bar", false),
        ("foo.>", "foo", false),
        (">", "foo.*", true),
        ("foo.*.a", "foo.b.*", true),
        ("foo.*.a", "foo.b.c", false),
        ("foo.*", "foo.>", true),
        ("foo.a.>", "foo.*", false),
    ];
    for (left, right, expected) in rows {
        let (left, right) = (left.as_bytes(), right.as_bytes());
        assert_eq!(subjects_collide(left, right), expected, "{left:?} {right:?}");
        assert_eq!(subjects_collide(right, left), expected, "{right:?} {left:?}");
    }
}

fn flag(name: &'static str, is_set: bool) -> &'static str {
    if is_set { name } else { "-" }
}

fn validity(line: &str) -> String {
    let subject = natsd_datadriven::unescape(line).unwrap();
    format!(
        "{line}: {} {} {} {} {}\n",
        flag("subscribe", is_valid_subject(&subject)),
        flag("publish", is_valid_publish_subject(&subject)),
        flag("literal", is_valid_literal_subject(&subject)),
        flag("stored", is_valid_stored_subject(&subject)),
        token_count(&subject),
    )
}

fn matching(line: &str) -> String {
    let (subject, filter) = line.split_once(' ').unwrap();
    let (subject, filter) = (subject.as_bytes(), filter.as_bytes());
    format!(
        "{line}: {} {} {}\n",
        flag("matches", is_literal(subject) && matches(subject, filter)),
        flag("subset", is_subset_match(subject, filter)),
        flag("collide", subjects_collide(subject, filter)),
    )
}

#[test]
fn subjects_by_table() {
    natsd_datadriven::run("testdata/subjects.txt", |case| match case.command.as_str() {
        "validity" => case.lines().map(validity).collect(),
        "matching" => case.lines().map(matching).collect(),
        other => panic!("unknown command {other}"),
    });
}

/// Subjects from a small alphabet, so that matches are common.
fn literal() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]", 1..5).prop_map(|tokens| tokens.join("."))
}

fn filter() -> impl Strategy<Value = String> {
    (prop::collection::vec("[ab*]", 0..5), any::<bool>()).prop_map(|(mut tokens, tail)| {
        if tail || tokens.is_empty() {
            tokens.push(">".to_owned());
        }
        tokens.join(".")
    })
}

/// All literal subjects over `a`, `b` of up to six tokens: enough to tell any two of the filters
/// above apart.
fn universe() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut last = vec!["a".to_owned(), "b".to_owned()];
    for _ in 0..6 {
        all.extend(last.iter().cloned());
        last = last.iter().flat_map(|s| [format!("{s}.a"), format!("{s}.b")]).collect();
    }
    all
}

/// The definition, by recursion over token lists.
fn naive_matches(literal: &[&str], filter: &[&str]) -> bool {
    match (literal, filter) {
        ([], []) => true,
        ([_, ..], [">"]) => true,
        ([first, rest @ ..], [wanted, more @ ..]) => {
            (*wanted == "*" || first == wanted) && naive_matches(rest, more)
        }
        _ => false,
    }
}

fn split(subject: &str) -> Vec<&str> {
    subject.split('.').collect()
}

proptest! {
    #[test]
    fn matches_agrees_with_the_definition(literal in literal(), filter in filter()) {
        let expected = naive_matches(&split(&literal), &split(&filter));
        prop_assert_eq!(matches(literal.as_bytes(), filter.as_bytes()), expected);
        prop_assert_eq!(is_subset_match(literal.as_bytes(), filter.as_bytes()), expected);
    }

    #[test]
    fn collision_means_a_common_literal(left in filter(), right in filter()) {
        let both = |s: &String| matches(s.as_bytes(), left.as_bytes())
            && matches(s.as_bytes(), right.as_bytes());
        let expected = universe().iter().any(both);
        prop_assert_eq!(subjects_collide(left.as_bytes(), right.as_bytes()), expected);
    }

    #[test]
    fn a_subset_holds_no_other_literal(subject in filter(), filter in filter()) {
        if is_subset_match(subject.as_bytes(), filter.as_bytes()) {
            let escapes = |s: &&String| matches(s.as_bytes(), subject.as_bytes())
                && !matches(s.as_bytes(), filter.as_bytes());
            let all = universe();
            prop_assert_eq!(all.iter().find(escapes), None);
        }
    }

    #[test]
    fn validity_never_panics_and_implies_form(subject in prop::collection::vec(any::<u8>(), 0..20)) {
        if is_valid_subject(&subject) {
            prop_assert!(is_well_formed(&subject) && has_no_empty_token(&subject));
        }
        if is_valid_publish_subject(&subject) {
            prop_assert!(is_valid_literal_subject(&subject));
        }
    }
}
