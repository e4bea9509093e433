use proptest::prelude::*;

use super::function::Cut;
use super::*;

fn no_random() -> u32 {
    panic!("this transform needs no random number")
}

/// Go: TestPlaceHolderIndex server/subject_transform_test.go:25
#[test]
fn place_holder_index() {
    let cut = |cut, size| Function::Cut { cut, position: 0, size };
    let partition = Function::Partition { count: 10, positions: vec![] };
    let rows: &[(&str, Function, &[i64])] = &[
        ("$1", Function::Wildcard { position: 0 }, &[1]),
        ("{{partition(10,1,2,3)}}", partition.clone(), &[1, 2, 3]),
        ("{{ Partition (10,1,2,3) }}", partition, &[1, 2, 3]),
        ("{{wildcard(2)}}", Function::Wildcard { position: 0 }, &[2]),
        ("{{SplitFromLeft(2,1)}}", cut(Cut::SplitFromLeft, 1), &[2]),
        ("{{SplitFromRight(3,2)}}", cut(Cut::SplitFromRight, 2), &[3]),
        ("{{SliceFromLeft(2,2)}}", cut(Cut::SliceFromLeft, 2), &[2]),
        ("{{Left(3,2)}}", cut(Cut::Left, 2), &[3]),
        ("{{Right(3,2)}}", cut(Cut::Right, 2), &[3]),
        ("$JS", Function::Text(b"$JS"[..].into()), &[]),
        ("$", Function::Text(b"$"[..].into()), &[]),
        (">", Function::Tail, &[]),
    ];
    for (token, function, indexes) in rows {
        let parsed = function::parse(token.as_bytes()).unwrap();
        assert_eq!((parsed.function(), parsed.indexes()), (function, *indexes), "{token}");
    }
}

/// Go: TestSubjectTransformHelpers server/subject_transform_test.go:93
#[test]
fn subject_transform_helpers() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("bar", "bar", &[]),
        ("foo.$2.$1", "foo.*.*", &["$2", "$1"]),
        ("foo.{{wildcard(2)}}.{{wildcard(1)}}", "foo.*.*", &["{{wildcard(2)}}", "{{wildcard(1)}}"]),
        ("$JS.{{wildcard()}}.{{wildcard(1,2)}}", "$JS.{{wildcard()}}.{{wildcard(1,2)}}", &[]),
    ];
    for (destination, filter, placeholders) in rows {
        let (found, found_placeholders) = untokenize(destination.as_bytes());
        assert_eq!(found, filter.as_bytes(), "{destination}");
        let expected: Vec<&[u8]> = placeholders.iter().map(|text| text.as_bytes()).collect();
        assert_eq!(found_placeholders, expected, "{destination}");
    }
    check_reverse("foo.*.*", "bar.$2.{{Wildcard(1)}}", "foo.b.a");
    // Go turns this the wrong way round.
    check_reverse("*.*.*", "$2.$3.$1", "a.b.c");
    check_reverse("foo.*.>", "bar.$1.>", "foo.x.y.z");
    check_reverse("foo", "bar", "foo");
    assert_eq!(tokenize(b"foo.*.bar.*.>"), b"foo.$1.bar.$2.>");
}

#[track_caller]
fn check_reverse(source: &str, destination: &str, subject: &str) {
    let transform = SubjectTransform::new_strict(source.as_bytes(), destination.as_bytes());
    let transform = transform.unwrap().unwrap();
    let there = transform.transform_subject(subject.as_bytes(), &mut no_random);
    let back = transform.reverse().unwrap().transform_subject(&there, &mut no_random);
    assert_eq!(back, subject.as_bytes(), "{source} -> {destination}");
}

#[track_caller]
fn check_refused(source: &str, destination: &str, mode: TransformMode, text: &str) {
    let refused = SubjectTransform::with_mode(source.as_bytes(), destination.as_bytes(), mode);
    let error = refused.expect_err(destination);
    assert_eq!(error.to_string(), text, "{source} -> {destination}");
}

#[track_caller]
fn check_accepted(source: &str, destination: &str, mode: TransformMode) -> SubjectTransform {
    let made = SubjectTransform::with_mode(source.as_bytes(), destination.as_bytes(), mode);
    made.unwrap_or_else(|error| panic!("{source} -> {destination}: {error}")).unwrap()
}

#[track_caller]
fn check_match(source: &str, destination: &str, subject: &str, expected: &str) {
    let transform = check_accepted(source, destination, TransformMode::Any);
    let found = transform.match_subject(subject.as_bytes(), &mut no_random).unwrap();
    assert_eq!(String::from_utf8_lossy(&found), expected, "{source} -> {destination}");
}

/// Go: TestSubjectTransforms server/subject_transform_test.go:138
#[test]
fn subject_transforms() {
    check_refusals();
    check_acceptance();
    check_matches();
    check_random();
}

fn check_refusals() {
    use TransformMode::{Any, Strict};
    let bad_subject = "invalid subject";
    check_refused("foo..", "bar", Any, bad_subject);
    check_refused("foo.*", "bar.*", Any, bad_subject);
    check_refused("foo.*", "bar.$1.>", Any, bad_subject);
    check_refused("foo.>", "bar.baz", Any, bad_subject);
    let too_large = format!("{}", i64::from(i32::MAX) + 1);
    let partition_too_large = format!("foo.{{{{partition({too_large})}}}}");
    let random_too_large = format!("foo.{{{{random({too_large})}}}}");
    let range = "wildcard index out of range in";
    let argument = "function argument is invalid or in the wrong format in";
    let unknown = "unknown function in";
    let few = "not enough arguments passed to the function in";
    let many = "too many arguments passed to the function in";
    let unused = "not using all of the token wildcard(s) in";
    let import = "the only mapping function allowed for import transforms is {{Wildcard()}} in";
    let rows = [
        ("foo.*", "bar.$2", Any, format!("{range} $2: [2]")),
        ("foo.*.*", "bar.$2", Strict, format!("{unused} bar.$2")),
        ("foo.*", "foo.$foo", Strict, format!("{unused} foo.$foo")),
        ("foo.*", "bar.{{Partition(2,1)}}", Strict, format!("{import} {{{{Partition(2,1)}}}}")),
        ("foo.*", "foo.{{wildcard(2)}}", Any, format!("{range} {{{{wildcard(2)}}}}: [2]")),
        ("foo.*", "foo.{{unimplemented(1)}}", Any, format!("{unknown} {{{{unimplemented(1)}}}}")),
        ("foo.*", "foo.{{partition()}}", Any, format!("{argument} {{{{partition()}}}}")),
        ("foo.*", "foo.{{random()}}", Any, format!("{argument} {{{{random()}}}}")),
        ("foo.*", "foo.{{random(1,2)}}", Any, format!("{few} {{{{random(1,2)}}}}")),
        ("foo.*", "foo.{{wildcard(foo)}}", Any, format!("{argument} {{{{wildcard(foo)}}}}")),
        ("foo.*", "foo.{{wildcard()}}", Any, format!("{few} {{{{wildcard()}}}}")),
        ("foo.*", "foo.{{wildcard(1,2)}}", Any, format!("{many} {{{{wildcard(1,2)}}}}")),
        ("foo.*", "foo.{{ wildcard5) }}", Any, format!("{unknown} {{{{ wildcard5) }}}}")),
        ("foo.*", "foo.{{splitLeft(2,2}}", Any, format!("{unknown} {{{{splitLeft(2,2}}}}")),
        ("foo", "bla.{{wildcard(1)}}", Any, format!("{range} {{{{wildcard(1)}}}}")),
        ("foo.*", &partition_too_large, Any, format!("{argument} {}", &partition_too_large[4..])),
        ("foo.*", &random_too_large, Any, format!("{argument} {}", &random_too_large[4..])),
        ("*", "{{left(1)}}", Any, format!("{few} {{{{left(1)}}}}")),
        ("*", "{{left(1,2,3)}}", Any, format!("{many} {{{{left(1,2,3)}}}}")),
        ("*", "{{LEFT(1,2)}}", Any, format!("{unknown} {{{{LEFT(1,2)}}}}")),
        ("*", "{{split(1,a b)}}", Any, format!("{argument} {{{{split(1,a b)}}}}")),
        ("*", "{{split(1)}}", Any, format!("{few} {{{{split(1)}}}}")),
        ("*", "{{split(1,a,b)}}", Any, format!("{many} {{{{split(1,a,b)}}}}")),
    ];
    for (source, destination, mode, text) in rows {
        check_refused(source, destination, mode, &format!("invalid mapping destination: {text}"));
    }
}

fn check_acceptance() {
    check_accepted("foo.*", "bar.{{Wildcard(1)}}", TransformMode::Strict);
    let partition = format!("foo.{{{{partition({})}}}}", i32::MAX);
    let random = format!("foo.{{{{random({})}}}}", i32::MAX);
    let rows = [
        ("foo.*.*", "bar.$2"),
        ("foo.*.*", "bar.{{wildcard(1)}}"),
        ("foo.*.*", "bar.{{partition(1)}}"),
        ("foo.*.*", "bar.{{random(5)}}"),
        ("foo", "bar"),
        ("foo.*.bar.*.baz", "req.$2.$1"),
        ("baz.>", "mybaz.>"),
        ("*", "{{splitfromleft(1,1)}}"),
        ("", "prefix.>"),
        ("*.*", "{{partition(10,1,2)}}"),
        ("foo.*.*", "foo.{{wildcard(1)}}.{{wildcard(2)}}.{{partition(5,1,2)}}"),
        ("foo.*", &partition),
        ("foo.*", &random),
        ("foo.bar", &random),
        ("foo.bar", "baz.{{partition(10)}}"),
    ];
    for (source, destination) in rows {
        check_accepted(source, destination, TransformMode::Any);
    }
    assert_eq!(SubjectTransform::new(b"foo", b""), Ok(None));
}

fn check_matches() {
    let rows = [
        ("", "prefix.>", "foo", "prefix.foo"),
        ("foo", "bar", "foo", "bar"),
        ("foo.*.bar.*.baz", "req.$2.$1", "foo.A.bar.B.baz", "req.B.A"),
        ("foo.*.bar.*.baz", "req.{{wildcard(2)}}.{{wildcard(1)}}", "foo.A.bar.B.baz", "req.B.A"),
        ("baz.>", "my.pre.>", "baz.1.2.3", "my.pre.1.2.3"),
        ("baz.>", "foo.bar.>", "baz.1.2.3", "foo.bar.1.2.3"),
        ("*", "foo.bar.$1", "foo", "foo.bar.foo"),
        ("*", "{{splitfromleft(1,3)}}", "12345", "123.45"),
        ("*", "{{SplitFromRight(1,3)}}", "12345", "12.345"),
        ("*", "{{SliceFromLeft(1,3)}}", "1234567890", "123.456.789.0"),
        ("*", "{{SliceFromRight(1,3)}}", "1234567890", "1.234.567.890"),
        ("*", "{{split(1,-)}}", "-abc-def--ghi-", "abc.def.ghi"),
        ("*", "{{split(1,-)}}", "abc-def--ghi-", "abc.def.ghi"),
        (
            "*.*",
            "{{split(2,-)}}.{{splitfromleft(1,2)}}",
            "foo.-abc-def--ghij-",
            "abc.def.ghij.fo.o",
        ),
        ("*", "{{right(1,1)}}", "1234", "4"),
        ("*", "{{right(1,3)}}", "1234", "234"),
        ("*", "{{right(1,6)}}", "1234", "1234"),
        ("*", "{{left(1,1)}}", "1234", "1"),
        ("*", "{{left(1,3)}}", "1234", "123"),
        ("*", "{{left(1,6)}}", "1234", "1234"),
        ("*", "bar.{{partition(0)}}", "baz", "bar.0"),
        ("*", "bar.{{partition(10, 0)}}", "foo", "bar.3"),
        ("*.*", "bar.{{partition(10)}}", "foo.bar", "bar.6"),
        ("*", "bar.{{partition(10)}}", "foo", "bar.3"),
        ("*", "bar.{{partition(10)}}", "baz", "bar.0"),
        ("*", "bar.{{partition(10)}}", "qux", "bar.9"),
        ("*", "bar.{{random(0)}}", "qux", "bar.0"),
        ("foo.bar", "baz.{{partition(10)}}", "foo.bar", "baz.6"),
        ("foo.baz", "qux.{{partition(10)}}", "foo.baz", "qux.4"),
        ("test.subject", "result.{{partition(5)}}", "test.subject", "result.0"),
        // Our own rows.
        (">", ">", "any thing", "any thing"),
        ("*", "{{slicefromleft(1,2)}}", "1234", "12.34"),
        ("*", "{{slicefromright(1,2)}}", "1234", "12.34"),
        ("*", "{{split(1,)}}", "aßc", "a.ß.c"),
        ("*", "{{splitfromleft(1,-2)}}", "1234", "1234"),
    ];
    for (source, destination, subject, expected) in rows {
        if destination.contains("random") {
            let transform = check_accepted(source, destination, TransformMode::Any);
            let found = transform.match_subject(subject.as_bytes(), &mut || 12345).unwrap();
            assert_eq!(found, expected.as_bytes());
        } else {
            check_match(source, destination, subject, expected);
        }
    }
    let transform = check_accepted("foo.*", "bar.$1", TransformMode::Any);
    for (subject, expected) in [
        ("bar.x", TransformError::NoTransforms),
        ("foo", TransformError::NoTransforms),
        ("foo.*", TransformError::BadSubject),
        ("foo..x", TransformError::BadSubject),
    ] {
        assert_eq!(transform.match_subject(subject.as_bytes(), &mut no_random), Err(expected));
    }
}

fn check_random() {
    let transform = check_accepted("*", "bar.{{random(6)}}", TransformMode::Any);
    let mut seen = [false; 6];
    for round in 0..100_u32 {
        let mut random = || round.wrapping_mul(2_654_435_761);
        let found = transform.match_subject(b"qux", &mut random).unwrap();
        let number: usize = std::str::from_utf8(&found[4..]).unwrap().parse().unwrap();
        assert!(found.starts_with(b"bar."));
        seen[number] = true;
    }
    assert_eq!(seen, [true; 6]);
}

/// Go: TestSubjectTransformDoesntPanicTransformingMissingToken server/subject_transform_test.go:252
#[test]
fn subject_transform_doesnt_panic_transforming_missing_token() {
    let transform = check_accepted("foo.*", "one.two.{{wildcard(1)}}", TransformMode::Any);
    assert_eq!(transform.transform_tokens(&[b"foo"], &mut no_random), b"one.two.");
    // Go does panic here.
    for function in ["left(1,1)", "splitfromleft(1,1)", "split(1,-)"] {
        let destination = format!("one.{{{{{function}}}}}");
        let transform = check_accepted("foo.*", &destination, TransformMode::Any);
        assert_eq!(transform.transform_tokens(&[b"foo"], &mut no_random), b"one.");
    }
}

/// Go: TestValidateDestinationSubject server/sublist_test.go:710
#[test]
fn validate_destination_subject() {
    let valid = [
        ("bar", "foo"),
        ("foo", "foo.bar"),
        ("*", "{{wildcard(1)}}"),
        ("foo.>", ">"),
        ("foo.*", "bar.{{wildcard(1)}}"),
        ("foo.>", "bar.>"),
        ("foo.*.>", "bar.{{wildcard(1)}}.>"),
        ("foo.*.bar", "bar.{{wildcard(1)}}.foo"),
        ("foo.bar.>", "foo.bar.foo.>"),
        ("*", "foo.{{wildcard(1)}}"),
        ("*", "foo.{{ wildcard(1) }}"),
        ("*", "foo.{{wildcard( 1 )}}"),
        ("*", "foo.{{partition(2,1)}}"),
        ("*.*", "foo.{{SplitFromLeft(2,1)}}"),
        ("*.*", "foo.{{SplitFromRight(2,1)}}"),
        ("*", "{{left(1,2)}}.{{right(1,2)}}"),
        ("*", ""),
    ];
    for (source, destination) in valid {
        let found = validate_mapping(source.as_bytes(), destination.as_bytes());
        assert_eq!(found, Ok(()), "{source} -> {destination}");
    }
    let refused = [
        ("*", "foo.{{unknown(1)}}", "unknown function in {{unknown(1)}}"),
        ("*", "{{left(1)}}", "not enough arguments passed to the function in {{left(1)}}"),
        ("foo", "foo..}", "invalid transform"),
        ("foo", "foo. bar}", "invalid transform"),
        (">", ">.a", "invalid transform in a"),
    ];
    for (source, destination, text) in refused {
        let error = validate_mapping(source.as_bytes(), destination.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid mapping destination: {text}"));
    }
}

proptest! {
    #[test]
    fn strict_transforms_can_be_reversed(
        order in Just(vec![1, 2, 3, 4]).prop_shuffle(),
        words in prop::collection::vec("[a-z]{1,4}", 4),
    ) {
        let destination = order.iter().map(|n| format!("${n}")).collect::<Vec<_>>().join(".x.");
        let subject = format!("in.{}", words.join("."));
        check_reverse("in.*.*.*.*", &destination, &subject);
    }

    #[test]
    fn any_text_is_parsed_or_refused(source in "[a-c*>.$]{0,8}", text in "[a-z(){},. $*>0-9-]{0,24}") {
        let destination = format!("{{{{{text}}}}}");
        for destination in [destination.as_str(), text.as_str()] {
            let made = SubjectTransform::new(source.as_bytes(), destination.as_bytes());
            let _: Result<(), _> = validate_mapping(source.as_bytes(), destination.as_bytes());
            if let Ok(Some(transform)) = made {
                transform.transform_subject(b"a.b", &mut || 1);
                transform.reverse();
            }
        }
    }
}
