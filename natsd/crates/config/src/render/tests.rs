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
        error: interface conversion: interface {} is string, not int64
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
