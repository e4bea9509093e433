//! Where bodies come from.

use super::*;

#[test]
fn the_source_of_a_body() {
    for (argument, force, data, expected) in [
        (Some("x"), false, false, Source::Argument("x")),
        (Some("x"), false, true, Source::Argument("x")),
        (Some(""), false, true, Source::Argument("")),
        (Some("-"), false, false, Source::Input),
        (Some("x"), true, false, Source::Input),
        (None, false, true, Source::Input),
        (None, false, false, Source::Nothing),
        (None, true, false, Source::Input),
    ] {
        assert_eq!(source(argument, force, data), expected, "{argument:?} {force} {data}");
    }
}

#[test]
fn templates_are_parsed_only_when_asked_for() {
    let Body::Bytes(bytes) = read(Some("{{Count"), false, false).expect("bytes") else { panic!() };
    assert_eq!(bytes, "{{Count");
    assert!(read(Some("{{Count"), false, true).is_err());
    assert!(matches!(read(Some("{{Count}}"), false, true), Ok(Body::Template(_))));
}
