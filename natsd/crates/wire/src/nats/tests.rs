use super::{Connect, Op, ParseError, Parsed, Parser, ParserLimits};
use proptest::prelude::*;

const LIMITS: ParserLimits =
    ParserLimits { control_line_max: 64, payload_max: Some(1000), headers: true };

/// Runs the parser as a connection does, over `chunks`, and prints what it found.
fn transcript<'a>(chunks: impl Iterator<Item = &'a [u8]>, limits: &ParserLimits) -> Vec<String> {
    let mut parser = Parser::new();
    let mut kept: Vec<u8> = Vec::new();
    let mut found = Vec::new();
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        let mut at = 0;
        while at < kept.len() {
            // The shortcut must agree with the parser wherever it answers.
            if let Some((publish, consumed)) = parser.parse_common(&kept[at..], limits) {
                let op = Op::Publish(publish);
                let parsed = { parser }.parse(&kept[at..], limits);
                assert_eq!(parsed, Ok(Parsed::Complete { op, consumed }));
            }
            match parser.parse(&kept[at..], limits) {
                Ok(Parsed::Complete { op, consumed }) => {
                    assert!(consumed > 0);
                    found.push(format!("{op:?}"));
                    at += consumed;
                }
                Ok(Parsed::Incomplete { consumed, needed }) => {
                    at += consumed;
                    let rest = kept.len() - at;
                    assert!(needed == 0 || needed > rest, "needs more than is there");
                    assert!(
                        rest <= limits.control_line_max + 1100 + 16,
                        "keeps {rest} bytes of an incomplete operation"
                    );
                    break;
                }
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
        kept.drain(..at);
    }
    found
}

fn whole(input: &[u8]) -> Vec<String> {
    transcript(std::iter::once(input), &LIMITS)
}

/// Bytes that look like the protocol often enough to get anywhere.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just(b"PUB foo 5\r\nhello\r\n".to_vec()),
        Just(b"PUB foo _INBOX.1 2\r\nok\r\n".to_vec()),
        Just(b"PUB foo  2\r\nok\r\n".to_vec()),
        Just(b"PUB foo 02\r\nok\r\n".to_vec()),
        Just(b"PUB foo 0000000002\r\nok\r\n".to_vec()),
        Just(b"pub\tfoo  bar 5\nhello\r\n".to_vec()),
        Just(b"HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n".to_vec()),
        Just(b"SUB foo 1\r\n".to_vec()),
        Just(b"sub foo.* q 12\r\n".to_vec()),
        Just(b"UNSUB 1 5\r\n".to_vec()),
        Just(b"PING\r\n".to_vec()),
        Just(b"PONG  \r\n".to_vec()),
        Just(b"CONNECT {\"verbose\":false}\r\n".to_vec()),
        Just(b"+OK\r\n".to_vec()),
        Just(b"-ERR 'x'\r\n".to_vec()),
        Just(b"HMSG a b c\r\n\r\n".to_vec()),
        Just(b"PUB foo 1001\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
        proptest::collection::vec(
            prop_oneof![Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'P'), Just(b'1'), Just(b'\t')],
            0..80
        ),
    ];
    proptest::collection::vec(fragment, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_operations(
        input in fragments(),
        sizes in proptest::collection::vec(1usize..9, 1..20),
    ) {
        let mut rest = &input[..];
        let mut sizes = sizes.into_iter().cycle();
        let chunks = std::iter::from_fn(|| {
            let size = sizes.next()?.min(rest.len());
            let (chunk, tail) = rest.split_at(size);
            rest = tail;
            (!chunk.is_empty()).then_some(chunk)
        });
        prop_assert_eq!(transcript(chunks, &LIMITS), whole(&input));
    }
}

#[track_caller]
fn check_publish(input: &[u8], subject: &str, reply: &str, header: Option<usize>, payload: &str) {
    let mut parser = Parser::new();
    let parsed = parser.parse(input, &LIMITS).unwrap();
    let Parsed::Complete { op: Op::Publish(publish), consumed } = parsed else {
        panic!("{parsed:?}");
    };
    assert_eq!(consumed, input.len());
    assert_eq!(publish.subject, subject.as_bytes());
    assert_eq!(publish.reply, reply.as_bytes());
    assert_eq!(publish.header_size, header);
    assert_eq!(publish.payload(), payload.as_bytes());
    assert!(parser.at_start());
}

/// Go: TestParsePub server/parser_test.go:184
/// Go: TestParsePubArg server/parser_test.go:244
#[test]
fn parse_pub() {
    check_publish(b"PUB foo 5\r\nhello\r\n", "foo", "", None, "hello");
    check_publish(
        b"PUB foo.bar INBOX.22 11\r\nhello world\r\n",
        "foo.bar",
        "INBOX.22",
        None,
        "hello world",
    );
    for line in ["a 2", "a  2", " a 2", "\ta\t2", "a 2 ", "a\t \t2 "] {
        check_publish(format!("PUB {line}\r\nok\r\n").as_bytes(), "a", "", None, "ok");
    }
    for line in ["foo bar 2", " foo  bar  2 ", "\tfoo\tbar\t2\t"] {
        check_publish(format!("PUB {line}\r\nok\r\n").as_bytes(), "foo", "bar", None, "ok");
    }
    check_publish(b"pub foo 0\r\n\r\n", "foo", "", None, "");
}

/// Go: TestParseHeaderPub server/parser_test.go:332
/// Go: TestParseHeaderPubArg server/parser_test.go:403
#[test]
fn parse_header_pub() {
    check_publish(
        b"HPUB foo 12 17\r\nname:derek\r\nHELLO\r\n",
        "foo",
        "",
        Some(12),
        "name:derek\r\nHELLO",
    );
    check_publish(
        b"HPUB foo INBOX.22 12 17\r\nname:derek\r\nHELLO\r\n",
        "foo",
        "INBOX.22",
        Some(12),
        "name:derek\r\nHELLO",
    );
    check_publish(b"HPUB foo INBOX.22 0 5\r\nHELLO\r\n", "foo", "INBOX.22", Some(0), "HELLO");
    for line in ["a 2 4", " a\t2  4 ", "a 2 4\t"] {
        check_publish(format!("HPUB {line}\r\nabcd\r\n").as_bytes(), "a", "", Some(2), "abcd");
    }
}

#[track_caller]
fn check_error(input: &[u8], expected: ParseError) {
    assert_eq!(Parser::new().parse(input, &LIMITS), Err(expected));
}

/// Go: TestParsePubSizeOverflow server/parser_test.go:235
/// Go: TestParsePubBadSize server/parser_test.go:307
#[test]
fn parse_pub_bad_size() {
    let error = ParseError::Arguments("processPub");
    check_error(b"PUB foo 3333333333333333333333333333333\r\n", error);
    check_error(b"PUB foo 2222222222222222\r\n", error);
    check_error(b"PUB foo -1\r\n", error);
    check_error(b"PUB foo 1x\r\n", error);
    check_error(b"PUB foo\r\n", error);
    check_error(b"PUB a b c 1\r\n", error);
    check_error(b"PUB \r\n", error);
    check_error(b"HPUB foo 5 4\r\n", ParseError::Arguments("processHeaderPub"));
    check_error(b"HPUB foo -1 4\r\n", ParseError::Arguments("processHeaderPub"));
    check_error(b"PUB foo 1001\r\n", ParseError::Payload { size: 1001, max: 1000 });
}

/// Go: TestParsePing server/parser_test.go:35
/// Go: TestParsePong server/parser_test.go:83
/// Go: TestParseOK server/parser_test.go:952
#[test]
fn parse_ping_pong_and_ok() {
    for (text, expected) in [("PING", "Ping"), ("PONG", "Pong"), ("+OK", "Ok")] {
        for tail in ["\r\n", "\n", "  \r", "\t\r  \n", " anything\n"] {
            let input = format!("{text}{tail}");
            let expected: &[&str] = if tail.contains('\n') { &[expected] } else { &[] };
            assert_eq!(whole(input.as_bytes()), expected, "{input:?}");
            assert_eq!(whole(input.to_lowercase().as_bytes()), expected, "{input:?}");
        }
    }
}

/// Go: TestParseConnect server/parser_test.go:152
/// Go: TestParseSub server/parser_test.go:165
#[test]
fn parse_connect_and_sub() {
    let mut parser = Parser::new();
    let input = b"CONNECT {\"verbose\":false,\"pedantic\":true,\"tls_required\":false}\r\n";
    let limits = ParserLimits { control_line_max: 4096, ..LIMITS };
    assert_eq!(
        parser.parse(input, &limits),
        Ok(Parsed::Complete {
            op: Op::Connect(b"{\"verbose\":false,\"pedantic\":true,\"tls_required\":false}"),
            consumed: input.len()
        })
    );
    let input = b"SUB foo.bar baz 12\r\n";
    let op = Op::Subscribe { subject: b"foo.bar", queue: Some(b"baz"), sid: b"12" };
    assert_eq!(parser.parse(input, &limits), Ok(Parsed::Complete { op, consumed: input.len() }));
}

/// Go: TestShouldFail server/parser_test.go:845
#[test]
fn should_fail() {
    let unknown = [
        "xxx",
        "Px",
        "PIx",
        "PINx",
        " PING",
        "POx",
        "PONx",
        "+x",
        "+Ox",
        "-x",
        "-Ex",
        "-ERx",
        "Cx",
        "COx",
        "CONx",
        "CONNx",
        "CONNEx",
        "CONNECx",
        "PUx",
        "PUBx",
        "PUB foo 6\r\nhello\r\n",
        "Sx",
        "SUx",
        "SUBx",
        "Ux",
        "UNx",
        "UNSx",
        "UNSUx",
        "UNSUBx",
        "UNSUB_2",
        "Ix",
        "INx",
        "INFx",
        "MSG foo 1",
        "RS+ a",
        "LS+ a",
        "A+ a",
        "HX",
        "HMX",
        "HMSGx",
        "HPUBx",
        "-ERR_",
    ];
    for input in unknown {
        let found = whole(input.as_bytes());
        let expected = ParseError::UnknownOperation.to_string();
        assert_eq!(found, [expected], "{input:?}");
    }
    for input in [
        "PUB foo\r\n",
        "PUB \r\n",
        "PUB foo bar       \r\n",
        "SUB\t  \r\n",
        "SUB foo\r\n",
        "SUB foo bar baz 22\r\n",
        "UNSUB a b c\r\n",
    ] {
        let found = whole(input.as_bytes());
        assert!(found.len() == 1 && found[0].ends_with("Parse Error"), "{input:?}: {found:?}");
    }
}

/// Go: TestMaxControlLine server/parser_test.go:980
#[test]
fn max_control_line() {
    let limits = ParserLimits { control_line_max: 8, ..LIMITS };
    for (input, fits) in [
        ("CONNECT {\"a\":1}\r\n", true),
        ("CONNECT {\"aaa\":1}\r\n", false),
        ("PUB foo.bar 2\r\nok\r\n", false),
        ("PUB foob 2\r\nok\r\n", true),
        ("SUB foo 1234\r\n", true),
        ("SUB foo 12345\r\n", false),
        ("UNSUB 12345678\r\n", true),
        ("UNSUB 123456789\r\n", false),
        ("PUB foo.bar 2", false),
        ("PUB foo.bar\r", true),
        ("PUB foo\r.bar\nPING\r\n", true),
        ("PUB foo\r.bar", true),
        ("PUB foo\r.barss", false),
        ("PUB foo.bar\r.", true),
    ] {
        let found = transcript(std::iter::once(input.as_bytes()), &limits);
        let over = found == [ParseError::ControlLine.to_string()];
        assert_eq!(!over, fits, "{input:?}: {found:?}");
    }
}

#[test]
fn a_stray_cr_in_a_line_drops_its_last_byte_as_in_go() {
    check_publish(b"PUB foo\r 22\nok\r\n", "foo\r", "", None, "ok");
}

#[test]
fn a_header_message_from_a_client_is_an_empty_message() {
    assert_eq!(whole(b"HMSG a b c\r\n\r\nPING\r\n").len(), 2);
    assert_eq!(whole(b"HMSG a b c\r\nPING\r\n"), [ParseError::UnknownOperation.to_string()]);
}

#[test]
fn connect_follows_the_rules_of_gos_decoder() {
    let mut connect = Connect::default();
    assert!(connect.verbose && connect.pedantic && connect.echo);
    connect.apply(br#"{"VERBOSE":false,"name":"a","name":"b","x":{},"user":null}"#).unwrap();
    assert!(!connect.verbose && connect.name == "b" && connect.echo);
    connect.apply(b"null").unwrap();
    connect.apply(br#"{"echo":false}"#).unwrap();
    assert_eq!((connect.echo, connect.name.as_str()), (false, "b"));
    for bad in ["", "[]", "{", "{} x", r#"{"verbose":1}"#, r#"{"name":1}"#, r#"{"protocol":1.5}"#] {
        assert!(Connect::default().apply(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn the_oddities_of_gos_decoder_are_kept() {
    let deep = format!("{{\"x\":{}{},\"verbose\":false}}", "[".repeat(1500), "]".repeat(1500));
    for (json, verbose) in [
        (r#"{"verbose":false,"verbose":null}"#, false),
        (r#"{"verbose":true,"VERBOSE":false}"#, false),
        ("{\"verbo\u{17f}e\":false}", false),
        (r#"{"name":"\ud800","verbose":false}"#, false),
        (r#"{"x":1e999999,"protocol":-0,"verbose":false}"#, false),
        (&deep, false),
        (r#" {"x" : [ {"a":[]} , 1 , "b" ] , "y":{} } "#, true),
    ] {
        let mut connect = Connect::default();
        assert_eq!(connect.apply(json.as_bytes()), Ok(()), "{json}");
        assert_eq!(connect.verbose, verbose, "{json}");
    }
    let too_deep = format!("{{\"x\":{}{}}}", "[".repeat(10_001), "]".repeat(10_001));
    for json in [
        too_deep.as_str(),
        r#"{"a":[1,]}"#,
        r#"{"a":[}]}"#,
        r#"{"a":01}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        r#"{"a":.5}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":{"b"}}"#,
        r#"{"a":tru}"#,
    ] {
        assert!(Connect::default().apply(json.as_bytes()).is_err(), "{json}");
    }
}

/// Go: TestParseSize server/util_test.go:27
#[test]
fn a_size_is_digits_only() {
    for (text, expected) in [
        ("", None),
        ("0", Some(0)),
        ("12345678", Some(12_345_678)),
        ("999999999", Some(999_999_999)),
        ("1000000000", None),
        ("12345invalid678", None),
        ("-1", None),
        ("+1", None),
    ] {
        assert_eq!(super::args::parse_size(text.as_bytes()), expected, "{text}");
    }
}
