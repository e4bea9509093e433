//! The items of texts, ported from Go `conf/lex_test.go`.

use super::ItemKind::*;
use super::{ItemKind, Lexer};

/// Compares items until the end of input or the first error, as Go's `expect` does.
#[track_caller]
fn check(input: &[u8], expected: &[(ItemKind, &[u8], usize, i64)]) {
    let shown = show(input);
    let mut lexer = Lexer::new(input);
    for (kind, text, line, column) in expected {
        let item = lexer.next_item();
        if item.kind == Eof {
            // A closing brace at the end was a key once; Go's tests still say so.
            assert!(*kind == Eof || *text == b"}", "in {shown:?}: ends before {kind:?}");
            break;
        }
        assert_eq!(
            (item.kind, show(&item.text), item.line, item.column),
            (*kind, show(text), *line, *column),
            "in {shown:?}"
        );
        if item.kind == Error {
            break;
        }
    }
}

fn show(bytes: &[u8]) -> std::string::String {
    bytes.escape_ascii().to_string()
}

/// Go: TestPlainValue conf/lex_test.go:24
#[test]
fn plain_value() {
    check(b"foo", &[(Key, b"foo", 1, 0), (Eof, b"", 1, 0)]);
}

/// Go: TestSimpleKeyStringValues conf/lex_test.go:33
#[test]
fn simple_key_string_values() {
    check(b"foo = \"bar\"", &[(Key, b"foo", 1, 0), (String, b"bar", 1, 7), (Eof, b"", 1, 0)]);
    check(b"foo = 'bar'", &[(Key, b"foo", 1, 0), (String, b"bar", 1, 7), (Eof, b"", 1, 0)]);
    check(b"foo='bar'", &[(Key, b"foo", 1, 0), (String, b"bar", 1, 5), (Eof, b"", 1, 0)]);
    check(b"foo='bar'\r\n", &[(Key, b"foo", 1, 0), (String, b"bar", 1, 5), (Eof, b"", 1, 0)]);
    check(b"foo=\t'bar'\t", &[(Key, b"foo", 1, 0), (String, b"bar", 1, 6), (Eof, b"", 1, 0)]);
}

/// Go: TestComplexStringValues conf/lex_test.go:79
#[test]
fn complex_string_values() {
    check(
        b"foo = 'bar\\r\\n  \\t'",
        &[(Key, b"foo", 1, 0), (String, b"bar\\r\\n  \\t", 1, 7), (Eof, b"", 2, 0)],
    );
}

/// Go: TestStringStartingWithNumber conf/lex_test.go:90
#[test]
fn string_starting_with_number() {
    check(b"foo = 3xyz", &[(Key, b"foo", 1, 0), (String, b"3xyz", 1, 6), (Eof, b"", 2, 0)]);
    check(b"foo = 3xyz,", &[(Key, b"foo", 1, 0), (String, b"3xyz", 1, 6), (Eof, b"", 2, 0)]);
    check(b"foo = 3xyz;", &[(Key, b"foo", 1, 0), (String, b"3xyz", 1, 6), (Eof, b"", 2, 0)]);
    check(
        br"
        foo = 3xyz
        ",
        &[(Key, b"foo", 2, 9), (String, b"3xyz", 2, 15), (Eof, b"", 2, 0)],
    );
    check(
        br"
        map {
          foo = 3xyz}
        ",
        &[
            (Key, b"map", 2, 9),
            (MapStart, b"", 2, 14),
            (Key, b"foo", 3, 11),
            (String, b"3xyz", 3, 17),
            (MapEnd, b"", 3, 22),
            (Eof, b"", 2, 0),
        ],
    );
    check(
        br"
        map {
          foo = 3xyz;
        }
        ",
        &[
            (Key, b"map", 2, 9),
            (MapStart, b"", 2, 14),
            (Key, b"foo", 3, 11),
            (String, b"3xyz", 3, 17),
            (MapEnd, b"", 4, 10),
            (Eof, b"", 2, 0),
        ],
    );
    check(
        br"
        map {
          foo = 3xyz,
          bar = 4wqs
        }
        ",
        &[
            (Key, b"map", 2, 9),
            (MapStart, b"", 2, 14),
            (Key, b"foo", 3, 11),
            (String, b"3xyz", 3, 17),
            (Key, b"bar", 4, 11),
            (String, b"4wqs", 4, 17),
            (MapEnd, b"", 5, 10),
            (Eof, b"", 2, 0),
        ],
    );
}

/// Go: TestBinaryString conf/lex_test.go:168
#[test]
fn binary_string() {
    check(b"foo = \\x65", &[(Key, b"foo", 1, 0), (String, b"e", 1, 9), (Eof, b"", 1, 0)]);
}

/// Go: TestBinaryStringLatin1 conf/lex_test.go:178
#[test]
fn binary_string_latin1() {
    check(b"foo = \\xe9", &[(Key, b"foo", 1, 0), (String, b"\xe9", 1, 9), (Eof, b"", 1, 0)]);
}

/// Go: TestSimpleKeyIntegerValues conf/lex_test.go:188
#[test]
fn simple_key_integer_values() {
    check(b"foo = 123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo=123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo=123\r\n", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 4), (Eof, b"", 1, 0)]);
}

/// Go: TestSimpleKeyNegativeIntegerValues conf/lex_test.go:208
#[test]
fn simple_key_negative_integer_values() {
    check(b"foo = -123", &[(Key, b"foo", 1, 0), (Integer, b"-123", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo=-123", &[(Key, b"foo", 1, 0), (Integer, b"-123", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo=-123\r\n", &[(Key, b"foo", 1, 0), (Integer, b"-123", 1, 4), (Eof, b"", 1, 0)]);
}

/// Go: TestConvenientIntegerValues conf/lex_test.go:228
#[test]
fn convenient_integer_values() {
    check(b"foo = 1k", &[(Key, b"foo", 1, 0), (Integer, b"1k", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1K", &[(Key, b"foo", 1, 0), (Integer, b"1K", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1m", &[(Key, b"foo", 1, 0), (Integer, b"1m", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1M", &[(Key, b"foo", 1, 0), (Integer, b"1M", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1g", &[(Key, b"foo", 1, 0), (Integer, b"1g", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1G", &[(Key, b"foo", 1, 0), (Integer, b"1G", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1MB", &[(Key, b"foo", 1, 0), (Integer, b"1MB", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1Gb", &[(Key, b"foo", 1, 0), (Integer, b"1Gb", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = -1m", &[(Key, b"foo", 1, 0), (Integer, b"-1m", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = -1GB ", &[(Key, b"foo", 1, 0), (Integer, b"-1GB", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 1Ghz", &[(Key, b"foo", 1, 0), (String, b"1Ghz", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 2Pie", &[(Key, b"foo", 1, 0), (String, b"2Pie", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = 3Mbs,", &[(Key, b"foo", 1, 0), (String, b"3Mbs", 1, 6), (Eof, b"", 1, 0)]);
    check(
        b"foo = 4Gb, bar = 5G\xc3\xb8",
        &[
            (Key, b"foo", 1, 0),
            (Integer, b"4Gb", 1, 6),
            (Key, b"bar", 1, 11),
            (String, b"5G\xc3\xb8", 1, 17),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestSimpleKeyFloatValues conf/lex_test.go:345
#[test]
fn simple_key_float_values() {
    check(b"foo = 22.2", &[(Key, b"foo", 1, 0), (Float, b"22.2", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo=22.2", &[(Key, b"foo", 1, 0), (Float, b"22.2", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo=22.2\r\n", &[(Key, b"foo", 1, 0), (Float, b"22.2", 1, 4), (Eof, b"", 1, 0)]);
}

/// Go: TestBadBinaryStringEndingAfterZeroHexChars conf/lex_test.go:365
#[test]
fn bad_binary_string_ending_after_zero_hex_chars() {
    check(
        b"foo = xyz\\x\n",
        &[
            (Key, b"foo", 1, 0),
            (Error, b"Expected two hexadecimal digits after '\\x', but hit end of line", 2, 1),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestBadBinaryStringEndingAfterOneHexChar conf/lex_test.go:375
#[test]
fn bad_binary_string_ending_after_one_hex_char() {
    check(
        b"foo = xyz\\xF\n",
        &[
            (Key, b"foo", 1, 0),
            (Error, b"Expected two hexadecimal digits after '\\x', but hit end of line", 2, 1),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestBadBinaryStringWithZeroHexChars conf/lex_test.go:385
#[test]
fn bad_binary_string_with_zero_hex_chars() {
    check(
        b"foo = \"[\\x]\"",
        &[
            (Key, b"foo", 1, 0),
            (Error, b"Expected two hexadecimal digits after '\\x', but got ']\"'", 1, 12),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestBadBinaryStringWithOneHexChar conf/lex_test.go:395
#[test]
fn bad_binary_string_with_one_hex_char() {
    check(
        b"foo = \"[\\xe]\"",
        &[
            (Key, b"foo", 1, 0),
            (Error, b"Expected two hexadecimal digits after '\\x', but got 'e]'", 1, 12),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestBadFloatValues conf/lex_test.go:405
#[test]
fn bad_float_values() {
    check(
        b"foo = .2",
        &[(Key, b"foo", 1, 0), (Error, b"Floats must start with a digit", 1, 7), (Eof, b"", 1, 0)],
    );
}

/// Go: TestBadKey conf/lex_test.go:415
#[test]
fn bad_key() {
    check(b" :foo = 22", &[(Error, b"Unexpected key separator ':'", 1, 1), (Eof, b"", 1, 0)]);
}

/// Go: TestSimpleKeyBoolValues conf/lex_test.go:424
#[test]
fn simple_key_bool_values() {
    check(b"foo = true", &[(Key, b"foo", 1, 0), (Bool, b"true", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo=true", &[(Key, b"foo", 1, 0), (Bool, b"true", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo=true\r\n", &[(Key, b"foo", 1, 0), (Bool, b"true", 1, 4), (Eof, b"", 1, 0)]);
}

/// Go: TestComments conf/lex_test.go:444
#[test]
fn comments() {
    check(
        b"# This is a comment",
        &[(CommentStart, b"", 1, 1), (Text, b" This is a comment", 1, 1), (Eof, b"", 1, 0)],
    );
    check(
        b"# This is a comment\r\n",
        &[(CommentStart, b"", 1, 1), (Text, b" This is a comment", 1, 1), (Eof, b"", 1, 0)],
    );
    check(
        b"// This is a comment\r\n",
        &[(CommentStart, b"", 1, 2), (Text, b" This is a comment", 1, 2), (Eof, b"", 1, 0)],
    );
}

/// Go: TestTopValuesWithComments conf/lex_test.go:464
#[test]
fn top_values_with_comments() {
    check(
        b"foo = 123 // This is a comment",
        &[
            (Key, b"foo", 1, 0),
            (Integer, b"123", 1, 6),
            (CommentStart, b"", 1, 12),
            (Text, b" This is a comment", 1, 12),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo=123    # This is a comment",
        &[
            (Key, b"foo", 1, 0),
            (Integer, b"123", 1, 4),
            (CommentStart, b"", 1, 12),
            (Text, b" This is a comment", 1, 12),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestRawString conf/lex_test.go:487
#[test]
fn raw_string() {
    check(b"foo = bar", &[(Key, b"foo", 1, 0), (String, b"bar", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo = bar' ", &[(Key, b"foo", 1, 0), (String, b"bar", 1, 6), (Eof, b"", 1, 0)]);
}

/// Go: TestDateValues conf/lex_test.go:499
#[test]
fn date_values() {
    check(
        b"foo = 2016-05-04T18:53:41Z",
        &[(Key, b"foo", 1, 0), (Datetime, b"2016-05-04T18:53:41Z", 1, 6), (Eof, b"", 1, 0)],
    );
}

/// Go: TestVariableValues conf/lex_test.go:510
#[test]
fn variable_values() {
    check(b"foo = $bar", &[(Key, b"foo", 1, 0), (Variable, b"bar", 1, 7), (Eof, b"", 1, 0)]);
    check(b"foo =$bar", &[(Key, b"foo", 1, 0), (Variable, b"bar", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo $bar", &[(Key, b"foo", 1, 0), (Variable, b"bar", 1, 5), (Eof, b"", 1, 0)]);
}

/// Go: TestArrays conf/lex_test.go:536
#[test]
fn arrays() {
    check(
        b"foo = [1, 2, 3, 'bar']",
        &[
            (Key, b"foo", 1, 0),
            (ArrayStart, b"", 1, 7),
            (Integer, b"1", 1, 7),
            (Integer, b"2", 1, 10),
            (Integer, b"3", 1, 13),
            (String, b"bar", 1, 17),
            (ArrayEnd, b"", 1, 22),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo = [1,2,3,'bar']",
        &[
            (Key, b"foo", 1, 0),
            (ArrayStart, b"", 1, 7),
            (Integer, b"1", 1, 7),
            (Integer, b"2", 1, 9),
            (Integer, b"3", 1, 11),
            (String, b"bar", 1, 14),
            (ArrayEnd, b"", 1, 19),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo = [1, 2,3,'bar']",
        &[
            (Key, b"foo", 1, 0),
            (ArrayStart, b"", 1, 7),
            (Integer, b"1", 1, 7),
            (Integer, b"2", 1, 10),
            (Integer, b"3", 1, 12),
            (String, b"bar", 1, 15),
            (ArrayEnd, b"", 1, 20),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestMultilineArrays conf/lex_test.go:588
#[test]
fn multiline_arrays() {
    check(
        br#"
# top level comment
foo = [
 1, # One
 2, // Two
 3 # Three
 'bar'     ,
 "bar"
]
"#,
        &[
            (CommentStart, b"", 2, 2),
            (Text, b" top level comment", 2, 2),
            (Key, b"foo", 3, 1),
            (ArrayStart, b"", 3, 8),
            (Integer, b"1", 4, 2),
            (CommentStart, b"", 4, 6),
            (Text, b" One", 4, 6),
            (Integer, b"2", 5, 2),
            (CommentStart, b"", 5, 7),
            (Text, b" Two", 5, 7),
            (Integer, b"3", 6, 2),
            (CommentStart, b"", 6, 5),
            (Text, b" Three", 6, 5),
            (String, b"bar", 7, 3),
            (String, b"bar", 8, 3),
            (ArrayEnd, b"", 9, 2),
            (Eof, b"", 9, 0),
        ],
    );
}

/// Go: TestMultilineArraysNoSep conf/lex_test.go:623
#[test]
fn multiline_arrays_no_sep() {
    check(
        br#"
# top level comment
foo = [
 1 // foo
 2
 3
 'bar'
 "bar"
]
"#,
        &[
            (CommentStart, b"", 2, 2),
            (Text, b" top level comment", 2, 2),
            (Key, b"foo", 3, 1),
            (ArrayStart, b"", 3, 8),
            (Integer, b"1", 4, 2),
            (CommentStart, b"", 4, 6),
            (Text, b" foo", 4, 6),
            (Integer, b"2", 5, 2),
            (Integer, b"3", 6, 2),
            (String, b"bar", 7, 3),
            (String, b"bar", 8, 3),
            (ArrayEnd, b"", 9, 2),
            (Eof, b"", 9, 0),
        ],
    );
}

/// Go: TestSimpleMap conf/lex_test.go:643
#[test]
fn simple_map() {
    check(
        b"foo = {ip='127.0.0.1', port = 4242}",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 7),
            (Key, b"ip", 1, 7),
            (String, b"127.0.0.1", 1, 11),
            (Key, b"port", 1, 23),
            (Integer, b"4242", 1, 30),
            (MapEnd, b"", 1, 35),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestMultilineMap conf/lex_test.go:666
#[test]
fn multiline_map() {
    check(
        br"
foo = {
  ip = '127.0.0.1' # the IP
  port= 4242 // the port
}
",
        &[
            (Key, b"foo", 2, 1),
            (MapStart, b"", 2, 8),
            (Key, b"ip", 3, 3),
            (String, b"127.0.0.1", 3, 9),
            (CommentStart, b"", 3, 21),
            (Text, b" the IP", 3, 21),
            (Key, b"port", 4, 3),
            (Integer, b"4242", 4, 9),
            (CommentStart, b"", 4, 16),
            (Text, b" the port", 4, 16),
            (MapEnd, b"", 5, 2),
            (Eof, b"", 5, 0),
        ],
    );
}

/// Go: TestNestedMaps conf/lex_test.go:695
#[test]
fn nested_maps() {
    check(
        br"
foo = {
  host = {
    ip = '127.0.0.1'
    port= 4242
  }
}
",
        &[
            (Key, b"foo", 2, 1),
            (MapStart, b"", 2, 8),
            (Key, b"host", 3, 3),
            (MapStart, b"", 3, 11),
            (Key, b"ip", 4, 5),
            (String, b"127.0.0.1", 4, 11),
            (Key, b"port", 5, 5),
            (Integer, b"4242", 5, 11),
            (MapEnd, b"", 6, 4),
            (MapEnd, b"", 7, 2),
            (Eof, b"", 7, 0),
        ],
    );
}

/// Go: TestQuotedKeys conf/lex_test.go:714
#[test]
fn quoted_keys() {
    check(b"foo : 123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 6), (Eof, b"", 1, 0)]);
    check(b"'foo' : 123", &[(Key, b"foo", 1, 1), (Integer, b"123", 1, 8), (Eof, b"", 1, 0)]);
    check(b"\"foo\" : 123", &[(Key, b"foo", 1, 1), (Integer, b"123", 1, 8), (Eof, b"", 1, 0)]);
}

/// Go: TestQuotedKeysWithSpace conf/lex_test.go:734
#[test]
fn quoted_keys_with_space() {
    check(b"' foo' : 123", &[(Key, b" foo", 1, 1), (Integer, b"123", 1, 9), (Eof, b"", 1, 0)]);
    check(b"\" foo\" : 123", &[(Key, b" foo", 1, 1), (Integer, b"123", 1, 9), (Eof, b"", 1, 0)]);
}

/// Go: TestColonKeySep conf/lex_test.go:752
#[test]
fn colon_key_sep() {
    check(b"foo : 123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 6), (Eof, b"", 1, 0)]);
    check(b"foo:123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo: 123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 5), (Eof, b"", 1, 0)]);
    check(b"foo:  123\r\n", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 6), (Eof, b"", 1, 0)]);
}

/// Go: TestWhitespaceKeySep conf/lex_test.go:786
#[test]
fn whitespace_key_sep() {
    check(b"foo 123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo 123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo\t123", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 4), (Eof, b"", 1, 0)]);
    check(b"foo\t\t123\r\n", &[(Key, b"foo", 1, 0), (Integer, b"123", 1, 5), (Eof, b"", 1, 0)]);
}

/// Go: TestEscapedString conf/lex_test.go:815
#[test]
fn escaped_string() {
    check(
        b"\nfoo  = \\t\nbar  = \\r\nbaz  = \\n\nq    = \\\"\nbs   = \\\\\n",
        &[
            (Key, b"foo", 2, 1),
            (String, b"\t", 2, 9),
            (Key, b"bar", 3, 1),
            (String, b"\r", 3, 9),
            (Key, b"baz", 4, 1),
            (
                String, br"
", 4, 9,
            ),
            (Key, b"q", 5, 1),
            (String, b"\"", 5, 9),
            (Key, b"bs", 6, 1),
            (String, b"\\", 6, 9),
            (Eof, b"", 6, 0),
        ],
    );
}

/// Go: TestCompoundStringES conf/lex_test.go:833
#[test]
fn compound_string_es() {
    check(b"foo = \"\\\\end\"", &[(Key, b"foo", 1, 0), (String, b"\\end", 1, 8), (Eof, b"", 2, 0)]);
}

/// Go: TestCompoundStringSE conf/lex_test.go:843
#[test]
fn compound_string_se() {
    check(
        b"foo = \"start\\\\\"",
        &[(Key, b"foo", 1, 0), (String, b"start\\", 1, 8), (Eof, b"", 2, 0)],
    );
}

/// Go: TestCompoundStringEE conf/lex_test.go:853
#[test]
fn compound_string_ee() {
    check(b"foo = \\x45\\x71", &[(Key, b"foo", 1, 0), (String, b"Eq", 1, 12), (Eof, b"", 2, 0)]);
}

/// Go: TestCompoundStringSEE conf/lex_test.go:863
#[test]
fn compound_string_see() {
    check(
        b"foo = start\\x45\\x71",
        &[(Key, b"foo", 1, 0), (String, b"startEq", 1, 12), (Eof, b"", 2, 0)],
    );
}

/// Go: TestCompoundStringSES conf/lex_test.go:873
#[test]
fn compound_string_ses() {
    check(
        b"foo = start\\x7Cend",
        &[(Key, b"foo", 1, 0), (String, b"start|end", 1, 9), (Eof, b"", 2, 0)],
    );
}

/// Go: TestCompoundStringEES conf/lex_test.go:883
#[test]
fn compound_string_ees() {
    check(
        b"foo = \\x3c\\x3eend",
        &[(Key, b"foo", 1, 0), (String, b"<>end", 1, 12), (Eof, b"", 2, 0)],
    );
}

/// Go: TestCompoundStringESE conf/lex_test.go:893
#[test]
fn compound_string_ese() {
    check(
        b"foo = \\x3cmiddle\\x3E",
        &[(Key, b"foo", 1, 0), (String, b"<middle>", 1, 12), (Eof, b"", 2, 0)],
    );
}

/// Go: TestBadStringEscape conf/lex_test.go:903
#[test]
fn bad_string_escape() {
    check(b"foo = \\y", &[(Key, b"foo", 1, 0), (Error, b"Invalid escape character 'y'. Only the following escape characters are allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.", 1, 8), (Eof, b"", 2, 0)]);
}

/// Go: TestNonBool conf/lex_test.go:913
#[test]
fn non_bool() {
    check(b"foo = \\\\true", &[(Key, b"foo", 1, 0), (String, b"\\true", 1, 7), (Eof, b"", 2, 0)]);
}

/// Go: TestNonVariable conf/lex_test.go:923
#[test]
fn non_variable() {
    check(b"foo = \\\\$var", &[(Key, b"foo", 1, 0), (String, b"\\$var", 1, 7), (Eof, b"", 2, 0)]);
}

/// Go: TestEmptyStringDQ conf/lex_test.go:933
#[test]
fn empty_string_dq() {
    check(b"foo = \"\"", &[(Key, b"foo", 1, 0), (String, b"", 1, 7), (Eof, b"", 2, 0)]);
}

/// Go: TestEmptyStringSQ conf/lex_test.go:943
#[test]
fn empty_string_sq() {
    check(b"foo = ''", &[(Key, b"foo", 1, 0), (String, b"", 1, 7), (Eof, b"", 2, 0)]);
}

/// Go: TestNestedWhitespaceMaps conf/lex_test.go:962
#[test]
fn nested_whitespace_maps() {
    check(
        br"
foo  {
  host  {
    ip = '127.0.0.1'
    port= 4242
  }
}
",
        &[
            (Key, b"foo", 2, 1),
            (MapStart, b"", 2, 7),
            (Key, b"host", 3, 3),
            (MapStart, b"", 3, 10),
            (Key, b"ip", 4, 5),
            (String, b"127.0.0.1", 4, 11),
            (Key, b"port", 5, 5),
            (Integer, b"4242", 5, 11),
            (MapEnd, b"", 6, 4),
            (MapEnd, b"", 7, 2),
            (Eof, b"", 7, 0),
        ],
    );
}

/// Go: TestOptionalSemicolons conf/lex_test.go:990
#[test]
fn optional_semicolons() {
    check(
        br"
foo = 123;
bar = 'baz';
baz = 'boo'
map {
 id = 1;
}
",
        &[
            (Key, b"foo", 2, 1),
            (Integer, b"123", 2, 7),
            (Key, b"bar", 3, 1),
            (String, b"baz", 3, 8),
            (Key, b"baz", 4, 1),
            (String, b"boo", 4, 8),
            (Key, b"map", 5, 1),
            (MapStart, b"", 5, 6),
            (Key, b"id", 6, 2),
            (Integer, b"1", 6, 7),
            (MapEnd, b"", 7, 2),
            (Eof, b"", 8, 0),
        ],
    );
}

/// Go: TestSemicolonChaining conf/lex_test.go:1010
#[test]
fn semicolon_chaining() {
    check(
        b"foo='1'; bar=2.2; baz=true;",
        &[
            (Key, b"foo", 1, 0),
            (String, b"1", 1, 5),
            (Key, b"bar", 1, 9),
            (Float, b"2.2", 1, 13),
            (Key, b"baz", 1, 18),
            (Bool, b"true", 1, 22),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestNonQuotedStrings conf/lex_test.go:1040
#[test]
fn non_quoted_strings() {
    check(
        br#"
foo = 123
bar = baz
baz=boo
map {
 id:one
 id2 : onetwo
}
t true
f false
tstr "true"
tkey = two
fkey = five # This should be a string
"#,
        &[
            (Key, b"foo", 2, 1),
            (Integer, b"123", 2, 7),
            (Key, b"bar", 3, 1),
            (String, b"baz", 3, 7),
            (Key, b"baz", 4, 1),
            (String, b"boo", 4, 5),
            (Key, b"map", 5, 1),
            (MapStart, b"", 5, 6),
            (Key, b"id", 6, 2),
            (String, b"one", 6, 5),
            (Key, b"id2", 7, 2),
            (String, b"onetwo", 7, 8),
            (MapEnd, b"", 8, 2),
            (Key, b"t", 9, 1),
            (Bool, b"true", 9, 3),
            (Key, b"f", 10, 1),
            (Bool, b"false", 10, 3),
            (Key, b"tstr", 11, 1),
            (String, b"true", 11, 7),
            (Key, b"tkey", 12, 1),
            (String, b"two", 12, 8),
            (Key, b"fkey", 13, 1),
            (String, b"five", 13, 8),
            (CommentStart, b"", 13, 14),
            (Text, b" This should be a string", 13, 14),
            (Eof, b"", 14, 0),
        ],
    );
}

/// Go: TestDanglingQuotedString conf/lex_test.go:1079
#[test]
fn dangling_quoted_string() {
    check(
        br#"
listen: "localhost:4242

http: localhost:8222
"#,
        &[(Key, b"listen", 2, 1), (Error, b"Unexpected EOF.", 5, 1)],
    );
}

/// Go: TestKeyDanglingQuotedString conf/lex_test.go:1097
#[test]
fn key_dangling_quoted_string() {
    check(
        br#"
foo = "
listen: "

http: localhost:8222

"
"#,
        &[
            (Key, b"foo", 2, 1),
            (
                String,
                br"
listen: ",
                3,
                8,
            ),
            (Key, b"http", 5, 1),
            (String, b"localhost:8222", 5, 7),
            (Error, b"Unexpected EOF.", 8, 1),
        ],
    );
}

/// Go: TestDanglingSingleQuotedString conf/lex_test.go:1115
#[test]
fn dangling_single_quoted_string() {
    check(
        br"
listen: 'localhost:4242

http: localhost:8222
",
        &[(Key, b"listen", 2, 1), (Error, b"Unexpected EOF.", 5, 1)],
    );
}

/// Go: TestKeyDanglingSingleQuotedString conf/lex_test.go:1133
#[test]
fn key_dangling_single_quoted_string() {
    check(
        br"
foo = '
listen: '

http: localhost:8222

'
",
        &[
            (Key, b"foo", 2, 1),
            (
                String,
                br"
listen: ",
                3,
                8,
            ),
            (Key, b"http", 5, 1),
            (String, b"localhost:8222", 5, 7),
            (Error, b"Unexpected EOF.", 8, 1),
        ],
    );
}

/// Go: TestMapDanglingBracket conf/lex_test.go:1154
#[test]
fn map_dangling_bracket() {
    check(
        br"
listen = 4222

cluster = {

  foo = bar

",
        &[
            (Key, b"listen", 2, 1),
            (Integer, b"4222", 2, 10),
            (Key, b"cluster", 4, 1),
            (MapStart, b"", 4, 12),
            (Key, b"foo", 6, 3),
            (String, b"bar", 6, 9),
            (Error, b"Unexpected EOF processing map.", 8, 1),
        ],
    );
}

/// Go: TestBlockDanglingParens conf/lex_test.go:1177
#[test]
fn block_dangling_parens() {
    check(
        br"
listen = 4222

quote = (

  foo = bar

",
        &[
            (Key, b"listen", 2, 1),
            (Integer, b"4222", 2, 10),
            (Key, b"quote", 4, 1),
            (Error, b"Unexpected EOF processing block.", 8, 1),
        ],
    );
}

/// Go: TestMapQuotedKeys conf/lex_test.go:1188
#[test]
fn map_quoted_keys() {
    check(
        b"foo = {'bar' = 4242}",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 7),
            (Key, b"bar", 1, 8),
            (Integer, b"4242", 1, 15),
            (MapEnd, b"", 1, 20),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo = {\"bar\" = 4242}",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 7),
            (Key, b"bar", 1, 8),
            (Integer, b"4242", 1, 15),
            (MapEnd, b"", 1, 20),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestSpecialCharsMapQuotedKeys conf/lex_test.go:1203
#[test]
fn special_chars_map_quoted_keys() {
    check(
        b"foo = {'bar-1.2.3' = { port:4242 }}",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 7),
            (Key, b"bar-1.2.3", 1, 8),
            (MapStart, b"", 1, 22),
            (Key, b"port", 1, 23),
            (Integer, b"4242", 1, 28),
            (MapEnd, b"", 1, 34),
            (MapEnd, b"", 1, 35),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo = {\"bar-1.2.3\" = { port:4242 }}",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 7),
            (Key, b"bar-1.2.3", 1, 8),
            (MapStart, b"", 1, 22),
            (Key, b"port", 1, 23),
            (Integer, b"4242", 1, 28),
            (MapEnd, b"", 1, 34),
            (MapEnd, b"", 1, 35),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestDoubleNestedMapsNewLines conf/lex_test.go:1229
#[test]
fn double_nested_maps_new_lines() {
    check(
        br#"
systems {
  allinone {
    description: "This is a description."
  }
}
"#,
        &[
            (Key, b"systems", 2, 1),
            (MapStart, b"", 2, 10),
            (Key, b"allinone", 3, 3),
            (MapStart, b"", 3, 13),
            (Key, b"description", 4, 5),
            (String, b"This is a description.", 4, 19),
            (MapEnd, b"", 5, 4),
            (MapEnd, b"", 6, 2),
            (Eof, b"", 7, 0),
        ],
    );
}

/// Go: TestBlockString conf/lex_test.go:1251
#[test]
fn block_string() {
    check(
        br"
numbers (
1234567890
)
",
        &[
            (Key, b"numbers", 2, 1),
            (
                String,
                br"
1234567890
",
                4,
                10,
            ),
        ],
    );
}

/// Go: TestBlockStringEOF conf/lex_test.go:1260
#[test]
fn block_string_eof() {
    check(
        b"\nnumbers (\n1234567890\n)\0",
        &[
            (Key, b"numbers", 2, 1),
            (
                String,
                br"
1234567890
",
                4,
                10,
            ),
        ],
    );
}

/// Go: TestBlockStringMultiLine conf/lex_test.go:1280
#[test]
fn block_string_multi_line() {
    check(
        br"
numbers (
  12(34)56
  (
    7890
  )
)
",
        &[
            (Key, b"numbers", 2, 1),
            (
                String,
                br"
  12(34)56
  (
    7890
  )
",
                7,
                10,
            ),
        ],
    );
}

/// Go: TestUnquotedIPAddr conf/lex_test.go:1289
#[test]
fn unquoted_ip_addr() {
    check(
        b"listen: 127.0.0.1:4222",
        &[(Key, b"listen", 1, 0), (String, b"127.0.0.1:4222", 1, 8), (Eof, b"", 1, 0)],
    );
    check(
        b"listen: 127.0.0.1",
        &[(Key, b"listen", 1, 0), (String, b"127.0.0.1", 1, 8), (Eof, b"", 1, 0)],
    );
    check(
        b"listen: apcera.me:80",
        &[(Key, b"listen", 1, 0), (String, b"apcera.me:80", 1, 8), (Eof, b"", 1, 0)],
    );
    check(
        b"listen: nats.io:-1",
        &[(Key, b"listen", 1, 0), (String, b"nats.io:-1", 1, 8), (Eof, b"", 1, 0)],
    );
    check(b"listen: -1", &[(Key, b"listen", 1, 0), (Integer, b"-1", 1, 8), (Eof, b"", 1, 0)]);
    check(b"listen: :-1", &[(Key, b"listen", 1, 0), (String, b":-1", 1, 8), (Eof, b"", 1, 0)]);
    check(b"listen = :80", &[(Key, b"listen", 1, 0), (String, b":80", 1, 9), (Eof, b"", 1, 0)]);
    check(
        b"listen = [localhost:4222, localhost:4333]",
        &[
            (Key, b"listen", 1, 0),
            (ArrayStart, b"", 1, 10),
            (String, b"localhost:4222", 1, 10),
            (String, b"localhost:4333", 1, 26),
            (ArrayEnd, b"", 1, 41),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestArrayOfMaps conf/lex_test.go:1368
#[test]
fn array_of_maps() {
    check(
        br"
authorization {
    users = [
      {user: alice, password: foo}
      {user: bob,   password: bar}
    ]
    timeout: 0.5
}
",
        &[
            (Key, b"authorization", 2, 1),
            (MapStart, b"", 2, 16),
            (Key, b"users", 3, 5),
            (ArrayStart, b"", 3, 14),
            (MapStart, b"", 4, 8),
            (Key, b"user", 4, 8),
            (String, b"alice", 4, 14),
            (Key, b"password", 4, 21),
            (String, b"foo", 4, 31),
            (MapEnd, b"", 4, 35),
            (MapStart, b"", 5, 8),
            (Key, b"user", 5, 8),
            (String, b"bob", 5, 14),
            (Key, b"password", 5, 21),
            (String, b"bar", 5, 31),
            (MapEnd, b"", 5, 35),
            (ArrayEnd, b"", 6, 6),
            (Key, b"timeout", 7, 5),
            (Float, b"0.5", 7, 14),
            (MapEnd, b"", 8, 2),
            (Eof, b"", 9, 0),
        ],
    );
}

/// Go: TestInclude conf/lex_test.go:1396
#[test]
fn include() {
    check(b"include \"users.conf\"", &[(Include, b"users.conf", 1, 9), (Eof, b"", 1, 0)]);
    check(b"include 'users.conf'", &[(Include, b"users.conf", 1, 9), (Eof, b"", 1, 0)]);
    check(b"include users.conf", &[(Include, b"users.conf", 1, 8), (Eof, b"", 1, 0)]);
}

/// Go: TestMapInclude conf/lex_test.go:1415
#[test]
fn map_include() {
    check(
        b"foo { include users.conf }",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 5),
            (Include, b"users.conf", 1, 14),
            (MapEnd, b"", 1, 26),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo {include users.conf}",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 5),
            (Include, b"users.conf", 1, 13),
            (MapEnd, b"", 1, 24),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo { include 'users.conf' }",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 5),
            (Include, b"users.conf", 1, 15),
            (MapEnd, b"", 1, 28),
            (Eof, b"", 1, 0),
        ],
    );
    check(
        b"foo { include \"users.conf\"}",
        &[
            (Key, b"foo", 1, 0),
            (MapStart, b"", 1, 5),
            (Include, b"users.conf", 1, 15),
            (MapEnd, b"", 1, 27),
            (Eof, b"", 1, 0),
        ],
    );
}

/// Go: TestJSONCompat conf/lex_test.go:1458
#[test]
fn json_compat() {
    check(
        br#"
                        {
                          "http_port": 8223
                        }
                        "#,
        &[
            (Key, b"http_port", 3, 28),
            (Integer, b"8223", 3, 40),
            (Key, b"}", 4, 25),
            (Eof, b"", 0, 0),
        ],
    );
    check(
        br#"
                        {
                          "http_port": 8223,
                          "port": 4223
                        }
                        "#,
        &[
            (Key, b"http_port", 3, 28),
            (Integer, b"8223", 3, 40),
            (Key, b"port", 4, 28),
            (Integer, b"4223", 4, 35),
            (Key, b"}", 5, 25),
            (Eof, b"", 0, 0),
        ],
    );
    check(
        br#"
                        {
                          "http_port": 8223,
                          "port": 4223,
                          "max_payload": "5MB",
                          "debug": true,
                          "max_control_line": 1024
                        }
                        "#,
        &[
            (Key, b"http_port", 3, 28),
            (Integer, b"8223", 3, 40),
            (Key, b"port", 4, 28),
            (Integer, b"4223", 4, 35),
            (Key, b"max_payload", 5, 28),
            (String, b"5MB", 5, 43),
            (Key, b"debug", 6, 28),
            (Bool, b"true", 6, 36),
            (Key, b"max_control_line", 7, 28),
            (Integer, b"1024", 7, 47),
            (Key, b"}", 8, 25),
            (Eof, b"", 0, 0),
        ],
    );
    check(
        br#"{"http_port": 8224,"port": 4224}
                        "#,
        &[
            (Key, b"http_port", 1, 2),
            (Integer, b"8224", 1, 14),
            (Key, b"port", 1, 20),
            (Integer, b"4224", 1, 27),
            (Eof, b"", 0, 0),
        ],
    );
    check(
        br#"{"http_port": 8225,"port": 4225
                        }
                        "#,
        &[
            (Key, b"http_port", 1, 2),
            (Integer, b"8225", 1, 14),
            (Key, b"port", 1, 20),
            (Integer, b"4225", 1, 27),
            (Key, b"}", 2, 25),
            (Eof, b"", 0, 0),
        ],
    );
    json_compat_blocks();
}

/// The rows of `json_compat` with blocks inside.
fn json_compat_blocks() {
    check(br#"{"http_port": 8227,"port": 4227,"write_deadline": "1h","cluster": {"port": 6222,"routes": ["nats://127.0.0.1:4222","nats://127.0.0.1:4223","nats://127.0.0.1:4224"]}}
                        "#, &[(Key, b"http_port", 1, 2), (Integer, b"8227", 1, 14), (Key, b"port", 1, 20), (Integer, b"4227", 1, 27), (Key, b"write_deadline", 1, 33), (String, b"1h", 1, 51), (Key, b"cluster", 1, 56), (MapStart, b"", 1, 67), (Key, b"port", 1, 68), (Integer, b"6222", 1, 75), (Key, b"routes", 1, 81), (ArrayStart, b"", 1, 91), (String, b"nats://127.0.0.1:4222", 1, 92), (String, b"nats://127.0.0.1:4223", 1, 116), (String, b"nats://127.0.0.1:4224", 1, 140), (ArrayEnd, b"", 1, 163), (MapEnd, b"", 1, 164), (Key, b"}", 14, 25), (Eof, b"", 0, 0)]);
    check(
        br#"
                        {
                          "http_port": 8227,
                          "port": 4227,
                          "write_deadline": "1h",
                          "cluster": {
                            "port": 6222,
                            "routes": [
                              "nats://127.0.0.1:4222",
                              "nats://127.0.0.1:4223",
                              "nats://127.0.0.1:4224"
                            ]
                          }
                        }
                        "#,
        &[
            (Key, b"http_port", 3, 28),
            (Integer, b"8227", 3, 40),
            (Key, b"port", 4, 28),
            (Integer, b"4227", 4, 35),
            (Key, b"write_deadline", 5, 28),
            (String, b"1h", 5, 46),
            (Key, b"cluster", 6, 28),
            (MapStart, b"", 6, 39),
            (Key, b"port", 7, 30),
            (Integer, b"6222", 7, 37),
            (Key, b"routes", 8, 30),
            (ArrayStart, b"", 8, 40),
            (String, b"nats://127.0.0.1:4222", 9, 32),
            (String, b"nats://127.0.0.1:4223", 10, 32),
            (String, b"nats://127.0.0.1:4224", 11, 32),
            (ArrayEnd, b"", 12, 30),
            (MapEnd, b"", 13, 28),
            (Key, b"}", 14, 25),
            (Eof, b"", 0, 0),
        ],
    );
    check(
        br#"{
                          "jetstream": {
                            "store_dir": "/tmp/nats"
                            "max_mem": 1000000,
                          },
                          "port": 4222,
                          "server_name": "nats1"
                        }
                        "#,
        &[
            (Key, b"jetstream", 2, 28),
            (MapStart, b"", 2, 41),
            (Key, b"store_dir", 3, 30),
            (String, b"/tmp/nats", 3, 43),
            (Key, b"max_mem", 4, 30),
            (Integer, b"1000000", 4, 40),
            (MapEnd, b"", 5, 28),
            (Key, b"port", 6, 28),
            (Integer, b"4222", 6, 35),
            (Key, b"server_name", 7, 28),
            (String, b"nats1", 7, 43),
            (Key, b"}", 8, 25),
            (Eof, b"", 0, 0),
        ],
    );
}
