//! What people see.

use expect_test::{Expect, expect};

use super::render;
use crate::options::Options;
use crate::read::load_file;
use crate::testing::MapSource;

#[track_caller]
fn check(text: &str, expected: &Expect) {
    let source = MapSource::default().file("nats.conf", text);
    let errors = load_file("nats.conf", Options::empty(), &source).unwrap_err();
    expected.assert_eq(&render(&errors, &source));
}

#[test]
fn errors_are_shown_with_their_line() {
    check(
        "port: 4222\n  foo: bar\n",
        &expect![[r#"
        error: unknown field "foo"
         --> nats.conf:2:3
          |
        2 |   foo: bar
          |   ^^^
    "#]],
    );
    check(
        "port: x\nwrite_deadline: 5",
        &expect![[r#"
            warning: invalid use of field "write_deadline": write_deadline should be converted to a duration
             --> nats.conf:2:1
              |
            2 | write_deadline: 5
              | ^^^^^^^^^^^^^^
            error: expected a whole number, found text
             --> nats.conf:1:1
              |
            1 | port: x
              | ^^^^
        "#]],
    );
    check(
        "a = {\n",
        &expect![[r#"
        error: Parse error on line 2: 'Unexpected EOF processing map.'
    "#]],
    );
}

#[test]
fn secrets_are_starred_out() {
    let rows = [
        ("  {user: a, password: s3cret, foo: 1}", "  {user: a, password: ******, foo: 1}"),
        ("token = \"a b\", nkey: 'x'", "token = \"***\", nkey: '*'"),
        ("pass: $2a$11$abc", "pass: **********"),
        ("\"pass\": \"é\"}", "\"pass\": \"**\"}"),
        ("password", "password"),
        ("pass:", "pass:"),
        ("urls: [nats://u:p@h:1, \"ws://v:qq@i\"]", "urls: [nats://u:*@h:1, \"ws://v:**@i\"]"),
        ("url: nats://h:1/a@b", "url: nats://h:1/a@b"),
        ("encryption_key: k # pass", "encryption_key: * # pass"),
        ("passes: 5", "passes: 5"),
    ];
    for (line, expected) in rows {
        assert_eq!(super::without_secrets(line), expected);
    }
}
