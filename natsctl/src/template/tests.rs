//! Templates, parsed and rendered.

use std::time::Duration;

use super::*;

#[track_caller]
fn check(template: &str, expected: &str) {
    let values = Values {
        count: 7,
        now: UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
        subject: "orders.new.eu",
        request: b"body",
    };
    let output = Template::parse(template).expect("valid").render(&values, &mut Random::new());
    assert_eq!(String::from_utf8(output).expect("text"), expected);
}

#[test]
fn places_are_filled_in() {
    check("", "");
    check("plain", "plain");
    check("n={{Count}}", "n=7");
    check("{{Count}}{{ Count }}{{.Cnt}}", "777");
    check("{{Unix}}|{{UnixNano}}", "1700000000|1700000000123456789");
    check("{{TimeStamp}}", "2023-11-14T22:13:20.123456789Z");
    check("{{Subject}} {{0}} {{2}} {{9}}!", "orders.new.eu orders eu !");
    check("<{{.Request}}>", "<body>");
    check("{ \"a\": {} } }}", "{ \"a\": {} } }}");
}

#[test]
fn a_literal_is_left_alone() {
    let values = Values { count: 1, now: UNIX_EPOCH, subject: "", request: b"" };
    let output = Template::literal("{{Count}}").render(&values, &mut Random::new());
    assert_eq!(output, b"{{Count}}");
}

#[test]
fn random_text_keeps_its_bounds() {
    let values = Values { count: 1, now: UNIX_EPOCH, subject: "", request: b"" };
    let template = Template::parse("{{Random 2 4}}").expect("valid");
    let mut random = Random::new();
    let mut lengths: Vec<usize> =
        (0..500).map(|_| template.render(&values, &mut random).len()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [2, 3, 4]);
}

#[test]
fn wrong_templates_say_why() {
    for (template, part) in [
        ("{{Count", "not closed"),
        ("{{Foo}}", "\"Foo\" is not known"),
        ("{{}}", "\"\" is not known"),
        ("{{Count 1}}", "takes no argument"),
        ("{{Random}}", "two lengths"),
        ("{{Random 4 2}}", "two lengths"),
        ("{{Random a b}}", "two lengths"),
        ("{{Random 1 99999999999}}", "two lengths"),
    ] {
        let error = Template::parse(template).expect_err(template);
        assert!(error.contains(part), "{template}: {error}");
    }
}
