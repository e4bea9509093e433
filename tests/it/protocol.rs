//! The client protocol over a socket: operations, errors, verbose and pedantic mode, limits.

use std::time::Duration;

use natsd_testkit::{RawClient, Server, wait_until};

use crate::support::server;

const QUIET: &str = r#"{"verbose":false,"pedantic":false}"#;
const VERBOSE: &str = r#"{"verbose":true,"pedantic":false}"#;
const PEDANTIC: &str = r#"{"verbose":false,"pedantic":true}"#;

/// The server of the Go protocol tests: short control lines.
fn short_lines() -> Server {
    server("max_control_line: 256")
}

/// Sends `operations` on a fresh connection; the answers up to the PONG must be `expected`.
#[track_caller]
fn check(server: &Server, connect: &str, operations: &str, expected: &str) {
    let mut client = server.client_with(connect);
    client.send(operations);
    let received = client.flush();
    assert_eq!(String::from_utf8_lossy(&received), expected, "answers to {operations:?}");
}

/// Sends `operations` on a fresh connection; the server must say `expected` and close.
#[track_caller]
fn check_closes(server: &Server, operations: &str, expected: &str) {
    let mut client = server.client();
    client.send(operations);
    let received = client.read_to_eof();
    assert_eq!(String::from_utf8_lossy(&received), expected, "answers to {operations:?}");
}

/// How many messages each subscription id got, of messages with payload `ok`.
fn count_by_sid(received: &[u8]) -> Vec<(String, usize)> {
    let text = String::from_utf8_lossy(received);
    let mut counts: Vec<(String, usize)> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("MSG ")) {
        let sid = line.split(' ').nth(2).expect("sid");
        match counts.iter_mut().find(|(known, _)| known == sid) {
            Some((_, count)) => *count += 1,
            None => counts.push((sid.to_owned(), 1)),
        }
    }
    counts.sort();
    counts
}

/// Go: TestProtoBasics test/proto_test.go:34
#[test]
fn proto_basics() {
    let server = short_lines();
    let mut client = server.client();
    client.send("SUB foo 1\r\nPUB foo 5\r\nhello\r\n");
    let message = client.message();
    assert_eq!((message.subject.as_str(), message.sid.as_str()), ("foo", "1"));
    assert_eq!(message.payload, b"hello");
    client.send("SUB * 2\r\nPUB foo 2\r\nok\r\n");
    let mut sids = [client.message(), client.message()].map(|message| {
        assert_eq!((message.subject.as_str(), message.payload.as_slice()), ("foo", &b"ok"[..]));
        message.sid
    });
    sids.sort();
    assert_eq!(sids, ["1", "2"]);
}

/// Go: TestProtoErr test/proto_test.go:61
/// Go: TestPubToArgState test/proto_test.go:169
/// Go: TestSubToArgState test/proto_test.go:182
#[test]
fn unknown_verbs_end_the_connection() {
    let server = short_lines();
    for operation in ["ZZZ", "PUBS foo 2\r\nok\r\n", "SUBZZZ foo 1\r\n"] {
        check_closes(&server, operation, "-ERR 'Unknown Protocol Operation'\r\n");
    }
}

/// Go: TestUnsubMax test/proto_test.go:75
/// Go: TestClientUnSubMax server/client_test.go:1325
#[test]
fn unsub_max() {
    let server = short_lines();
    for (limit, published) in [(2, 100), (5, 10)] {
        let operations = format!("SUB foo 22\r\nUNSUB 22 {limit}\r\n")
            + &"PUB foo 2\r\nok\r\n".repeat(published);
        check(&server, QUIET, &operations, &"MSG foo 22 2\r\nok\r\n".repeat(limit));
    }
}

/// Go: TestQueueSub test/proto_test.go:98
/// Go: TestClientPubWithQueueSub server/client_test.go:769
#[test]
fn queue_sub() {
    let server = short_lines();
    let mut client = server.client();
    client.send("SUB foo qgroup1 22\r\nSUB foo qgroup1 32\r\n");
    client.send("PUB foo 2\r\nok\r\n".repeat(100));
    let counts = count_by_sid(&client.flush());
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<usize>(), 100);
    assert_eq!(counts.len(), 2, "both members get messages: {counts:?}");
    assert!(counts.iter().all(|(_, count)| *count >= 20), "an even spread: {counts:?}");
}

/// Go: TestMultipleQueueSub test/proto_test.go:132
#[test]
fn multiple_queue_sub() {
    let server = short_lines();
    let mut client = server.client();
    client.send("SUB foo g1 1\r\nSUB foo g1 2\r\nSUB foo g2 3\r\nSUB foo g2 4\r\n");
    client.send("PUB foo 2\r\nok\r\n".repeat(100));
    let counts = count_by_sid(&client.flush());
    let count = |index: usize| counts[index].1;
    assert_eq!(counts.len(), 4, "every member gets messages: {counts:?}");
    assert_eq!((count(0) + count(1), count(2) + count(3)), (100, 100));
    assert!(counts.iter().all(|(_, count)| *count >= 20), "an even spread: {counts:?}");
}

/// Go: TestProtoCrash test/proto_test.go:196
/// Go: TestSplitConnectArg server/split_test.go:258
#[test]
fn connect_may_arrive_in_pieces() {
    let server = short_lines();
    let connect = concat!(
        r#"CONNECT {"verbose":true,"tls_required":false,"user":"test","#,
        r#""pedantic":true,"pass":"password"}"#
    );
    for cut in [1, 7, 8, 20, connect.len()] {
        let mut client = server.open();
        client.send(&connect[..cut]);
        // Nothing may be answered before the line ends.
        assert!(!client.wait_for(Duration::from_millis(30), |bytes| !bytes.is_empty()));
        client.send(format!("{}\r\n", &connect[cut..]));
        client.expect_line("+OK");
    }
}

/// Go: TestDuplicateProtoSub test/proto_test.go:216
#[test]
fn duplicate_proto_sub() {
    let server = natsd_testkit::Launch::new(&crate::support::binary()).monitoring().start();
    let before = server.get("/varz").json()["subscriptions"].as_u64().expect("count");
    let mut client = server.client();
    client.send("SUB foo 1\r\nSUB foo 1\r\n");
    client.expect_nothing();
    let after = server.get("/varz").json()["subscriptions"].as_u64().expect("count");
    assert_eq!(after - before, 1);
}

/// Go: TestIncompletePubArg test/proto_test.go:248
#[test]
fn incomplete_pub_arg() {
    let server = short_lines();
    let mut client = server.client();
    let good = format!("PUB example 10000\r\n{}\r\n", "A".repeat(10_000));
    // The next PUB becomes a part of the payload of the message that was cut short.
    let bad = format!("PUB example 10000\r\n{}", "B".repeat(3371));
    let last = format!("PUB example 10000\r\n{}\r\n", "C".repeat(10_000));
    // The server may close while this is being written.
    let _ = client.try_send(format!("{good}{good}{bad}{last}"));
    client.expect("-ERR 'Unknown Protocol Operation'\r\n");
    assert!(client.wait_closed());
}

/// Go: TestControlLineMaximums test/proto_test.go:282
/// Go: TestMaxControlLine server/parser_test.go:980
#[test]
fn control_line_maximums() {
    let server = short_lines();
    let long = "2".repeat(320);
    let error = "-ERR 'maximum control line exceeded'\r\n";
    check_closes(&server, &format!("PUB foo {long}"), error);
    check_closes(&server, &format!("SUB {long} 1\r\n"), error);
    let server = crate::support::server("max_control_line: 8");
    let mut client = server.open();
    // A line of exactly the limit passes, one more byte does not.
    client.send("PUB foo.b 02\r\nok\r\nPING\r\n");
    client.expect("+OK\r\nPONG\r\n");
    client.send("PUB foo.bar.b");
    client.expect_eof(error);
}

/// Go: TestServerInfoWithClientAdvertise test/proto_test.go:299
/// Go: TestClientAdvertiseConnectURL server/server_test.go:586
/// Go: TestParseHostPort server/util_test.go:57
#[test]
fn server_info_with_client_advertise() {
    for (advertise, host, port) in [
        ("me:1", "me", 1),
        ("nats.example.com", "nats.example.com", 0),
        ("other:1111", "other", 1111),
        (" addr : 1234 ", "addr", 1234),
        (" addr ", "addr", 0),
        ("addr:-1", "addr", 0),
        (" addr : -1 ", "addr", 0),
        (" addr : 0 ", "addr", 0),
    ] {
        let server = server(&format!("client_advertise: {advertise:?}"));
        let info = server.open().info;
        let port = if port == 0 { u64::from(server.address().port()) } else { port };
        assert_eq!((&info["host"], &info["port"]), (&host.into(), &port.into()), "{advertise}");
    }
}

/// Go: TestVerbosePing test/verbose_test.go:20
/// Go: TestVerboseConnect test/verbose_test.go:39
/// Go: TestVerbosePubSub test/verbose_test.go:58
#[test]
fn verbose() {
    let server = short_lines();
    let cases = [
        ("", ""),
        ("CONNECT {\"verbose\":true,\"pedantic\":true,\"tls_required\":false}\r\n", "+OK\r\n"),
        ("PUB foo 2\r\nok\r\n", "+OK\r\n"),
        ("SUB foo 1\r\nUNSUB 1\r\n", "+OK\r\n+OK\r\n"),
        ("SUB foo 1\r\nPUB foo 2\r\nok\r\n", "+OK\r\n+OK\r\nMSG foo 1 2\r\nok\r\n"),
    ];
    for (operations, expected) in cases {
        check(&server, VERBOSE, operations, expected);
    }
}

/// Go: TestPedanticSub test/pedantic_test.go:32
#[test]
fn pedantic_sub() {
    let server = server("");
    for subject in ["foo.", ".foo.", "foo..bar", "foo.>.bar"] {
        for connect in [PEDANTIC, QUIET] {
            check(&server, connect, &format!("SUB {subject} 1\r\n"), "-ERR 'Invalid Subject'\r\n");
        }
    }
}

/// Go: TestPedanticPub test/pedantic_test.go:77
#[test]
fn pedantic_pub() {
    let server = server("");
    for subject in ["foo.*", "foo.>", "foo.", ".foo", "foo..*"] {
        let publish = format!("PUB {subject} 2\r\nok\r\n");
        check(&server, PEDANTIC, &publish, "-ERR 'Invalid Publish Subject'\r\n");
        check(&server, QUIET, &publish, "");
    }
}

/// Go: TestMaxPayload test/maxpayload_test.go:29
/// Go: TestServerConfig test/opts_test.go:20
#[test]
fn max_payload() {
    let server = server("max_payload: 2222");
    let mut client = server.client();
    assert_eq!(client.info["max_payload"], 2222);
    client.send(format!("SUB foo 1\r\nPUB foo 2222\r\n{}\r\n", "x".repeat(2222)));
    assert_eq!(client.message().payload.len(), 2222);
    // The error comes with the control line, before any payload.
    client.send("PUB foo 2223\r\n");
    client.expect_eof("-ERR 'Maximum Payload Violation'\r\n");
}

/// Go: TestMaxPayloadOverrun test/maxpayload_test.go:103
#[test]
fn max_payload_overrun() {
    let server = server("max_payload: 10000");
    check_closes(&server, "PUB foo 199380988\r\n", "-ERR 'Maximum Payload Violation'\r\n");
    // A size that no integer holds is no size: closed without a word.
    check_closes(&server, "PUB foo 18446744073709551615123\r\n", "");
}

/// Sends nothing but what `prepare` does; the server must ping twice, call it stale and close.
#[track_caller]
fn check_stale(server: &Server, prepare: impl FnOnce(&mut RawClient)) {
    let mut client = server.open();
    client.send(format!("CONNECT {QUIET}\r\n"));
    prepare(&mut client);
    client.expect_eof("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
}

/// Go: TestPingInterval test/ping_test.go:103
/// Go: TestUnpromptedPong test/ping_test.go:145
/// Go: TestPing server/ping_test.go:34
#[test]
fn pings_without_answer_make_a_connection_stale() {
    let server = server("ping_interval: \"50ms\"\nping_max: 2");
    check_stale(&server, |_| ());
    // PONGs that nobody asked for are no sign of life later.
    check_stale(&server, |client| client.send("PONG\r\n".repeat(100)));
}

/// Go: TestResolveRandomPort test/port_test.go:24
/// Go: TestRandomPorts server/server_test.go:820
#[test]
fn random_ports() {
    let server = natsd_testkit::Launch::new(&crate::support::binary()).monitoring().start();
    let info = server.open().info;
    assert_eq!(info["port"], server.address().port());
    for address in [server.address(), server.monitoring()] {
        assert!(![0, 4222, 8222].contains(&address.port()), "{address} is a random port");
    }
}

/// Go: TestClientCreateAndInfo server/client_test.go:203
/// Go: TestServerHeaderSupport server/client_test.go:260
#[test]
fn client_create_and_info() {
    let plain = server("");
    let info = plain.open().info;
    assert_eq!(info["max_payload"], 1_048_576);
    assert_eq!(info["proto"], 1);
    assert_eq!(info["headers"], true);
    assert_eq!(info["client_ip"], "127.0.0.1");
    assert!(info["auth_required"].is_null() && info["tls_required"].is_null(), "{info}");
    assert!(info["nonce"].is_null(), "{info}");
    let first = info["client_id"].as_u64().expect("client id");
    assert_eq!(plain.open().info["client_id"].as_u64(), Some(first + 1));
    let info = server("no_header_support: true").open().info;
    assert_eq!(info["headers"], false);
}

/// Go: TestClientNoResponderSupport server/client_test.go:231
#[test]
fn client_no_responder_support() {
    let server = server("");
    let mut client = server.open();
    client.send("CONNECT {\"no_responders\":true}\r\n");
    client.expect_eof("-ERR 'no responders requires headers support'\r\n");
    let connect = r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}"#;
    check(
        &server,
        connect,
        "SUB reply 1\r\nPUB foo reply 2\r\nok\r\n",
        "HMSG reply 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: foo\r\n\r\n\r\n",
    );
}

/// Go: TestClientHeaderSupport server/client_test.go:296
#[test]
fn client_header_support() {
    let with = server("");
    let without = server("no_header_support: true");
    let publish = "HPUB foo 0 2\r\nok\r\nPING\r\n";
    // Headers that were not agreed on close the connection without a word.
    for (server, connect, expected) in [
        (&with, r#"{"verbose":false}"#, None),
        (&with, r#"{"verbose":false,"headers":true}"#, Some("PONG")),
        (&without, r#"{"verbose":false,"headers":true}"#, None),
    ] {
        let mut client = server.open();
        client.send(format!("CONNECT {connect}\r\n{publish}"));
        match expected {
            Some(line) => client.expect_line(line),
            None => client.expect_eof(""),
        }
    }
}

/// Go: TestClientHeaderDeliverMsg server/client_test.go:331
/// Go: TestClientHeaderDeliverStrippedMsg server/client_test.go:374
/// Go: TestClientHeaderDeliverQueueSubStrippedMsg server/client_test.go:422
#[test]
fn headers_reach_those_who_asked_for_them() {
    let server = server("");
    let headers = r#"{"verbose":false,"pedantic":false,"headers":true}"#;
    for queue in ["", "bar "] {
        let mut with = server.client_with(headers);
        let mut without = server.client();
        with.send(format!("SUB foo.1 {queue}1\r\n"));
        with.expect_nothing();
        without.send(format!("SUB foo.2 {queue}1\r\n"));
        without.expect_nothing();
        let mut publisher = server.client_with(headers);
        for subject in ["foo.1", "foo.2"] {
            publisher.send(format!("HPUB {subject} 12 14\r\nName:Derek\r\nOK\r\n"));
        }
        publisher.expect_nothing();
        with.expect("HMSG foo.1 1 12 14\r\nName:Derek\r\nOK\r\n");
        without.expect("MSG foo.2 1 2\r\nOK\r\n");
        without.expect_nothing();
    }
}

/// Go: TestClientConnectProto server/client_test.go:538
#[test]
fn client_connect_proto() {
    let server = server("");
    for (protocol, expected) in [(0, "+OK"), (1, "+OK"), (22, "-ERR 'invalid client protocol'")] {
        let mut client = server.open();
        client.send(format!(
            "CONNECT {{\"verbose\":true,\"pedantic\":true,\"tls_required\":false,\"protocol\":{protocol}}}\r\n"
        ));
        client.expect_line(expected);
        assert!(protocol < 2 || client.wait_closed());
    }
}

/// Go: TestClientPing server/client_test.go:617
/// Go: TestClientSimplePubSub server/client_test.go:667
/// Go: TestClientPubSubNoEcho server/client_test.go:692
/// Go: TestClientSimplePubSubWithReply server/client_test.go:713
/// Go: TestClientNoBodyPubSubWithReply server/client_test.go:741
/// Go: TestClientUnSub server/client_test.go:1290
/// Go: TestClientAutoUnsubExactReceived server/client_test.go:1363
/// Go: TestClientUnsubAfterAutoUnsub server/client_test.go:1385
/// Go: TestTwoTokenPubMatchSingleTokenSub server/client_test.go:1467
/// Go: TestWildcardCharsInLiteralSubjectWorks server/client_test.go:1624
#[test]
fn publish_and_subscribe_on_one_connection() {
    let server = server("");
    let no_echo = r#"{"verbose":false,"pedantic":false,"echo":false}"#;
    let hello = "PUB foo 5\r\nhello\r\n";
    let with_reply = "PUB foo bar 5\r\nhello\r\n";
    let literal = "foo.bar,*,>,baz";
    let cases = [
        (QUIET, String::new(), String::new()),
        (QUIET, format!("SUB foo 1\r\n{hello}"), "MSG foo 1 5\r\nhello\r\n".into()),
        (no_echo, format!("SUB foo 1\r\n{hello}"), String::new()),
        (QUIET, format!("SUB foo 1\r\n{with_reply}"), "MSG foo 1 bar 5\r\nhello\r\n".into()),
        (QUIET, "SUB foo 1\r\nPUB foo bar 0\r\n\r\n".into(), "MSG foo 1 bar 0\r\n\r\n".into()),
        (
            QUIET,
            format!("SUB foo 1\r\nSUB foo 2\r\nUNSUB 1\r\n{with_reply}"),
            "MSG foo 2 bar 5\r\nhello\r\n".into(),
        ),
        (
            QUIET,
            format!("SUB foo 1\r\nUNSUB 1 1\r\n{hello}{hello}"),
            "MSG foo 1 5\r\nhello\r\n".into(),
        ),
        (QUIET, format!("SUB foo 1\r\nUNSUB 1 1\r\nUNSUB 1\r\n{hello}"), String::new()),
        (
            QUIET,
            "PUB foo.bar 5\r\nhello\r\nSUB foo 1\r\nPUB foo.bar 5\r\nhello\r\n".into(),
            String::new(),
        ),
        (
            QUIET,
            format!("SUB {literal} 1\r\nPUB {literal} 3\r\nmsg\r\nPUB foo.bar,a,b,baz 0\r\n\r\n"),
            format!("MSG {literal} 1 3\r\nmsg\r\n"),
        ),
    ];
    for (connect, operations, expected) in cases {
        check(&server, connect, &operations, &expected);
    }
}

/// Go: TestClientPubWithQueueSubNoEcho server/client_test.go:1223
#[test]
fn client_pub_with_queue_sub_no_echo() {
    let server = server("");
    let mut publisher = server.client_with(r#"{"verbose":false,"pedantic":false,"echo":false}"#);
    publisher.send("SUB foo bar 1\r\n");
    publisher.expect_nothing();
    let mut other = server.client();
    other.send("SUB foo bar 1\r\n");
    other.expect_nothing();
    publisher.send("PUB foo 5\r\nHello\r\n".repeat(100));
    publisher.expect_nothing();
    other.expect("MSG foo 1 5\r\nHello\r\n".repeat(100));
    other.expect_nothing();
}

/// Go: TestClientRemoveSubsOnDisconnect server/client_test.go:1407
/// Go: TestClientMapRemoval server/client_test.go:1433
/// Go: TestClientDoesNotAddSubscriptionsWhenConnectionClosed server/client_test.go:1421
#[test]
fn a_closed_connection_leaves_no_interest() {
    let server = natsd_testkit::Launch::new(&crate::support::binary()).monitoring().start();
    let state = || {
        let varz = server.get("/varz").json();
        (varz["connections"].as_u64(), varz["subscriptions"].as_u64())
    };
    let before = state();
    let mut client = server.client();
    client.send("SUB foo 1\r\nSUB bar 2\r\n");
    client.expect_nothing();
    assert_eq!(state(), (Some(1), before.1.map(|count| count + 2)));
    drop(client);
    wait_until("no connection and no interest", natsd_testkit::DEADLINE, || {
        (state() == before).then_some(())
    });
    // Subscriptions that arrive together with the end of the connection leave nothing either.
    let mut client = server.client();
    client.send("SUB foo 1\r\nZZZ\r\nSUB bar 2\r\n");
    assert!(client.wait_closed());
    wait_until("no connection and no interest", natsd_testkit::DEADLINE, || {
        (state() == before).then_some(())
    });
}

/// Go: TestParsePing server/parser_test.go:35
/// Go: TestParsePong server/parser_test.go:83
/// Go: TestParseSub server/parser_test.go:165
/// Go: TestParsePub server/parser_test.go:184
/// Go: TestParseHeaderPub server/parser_test.go:332
/// Go: TestParseMsgSpace server/parser_test.go:686
/// Go: TestParseOK server/parser_test.go:952
#[test]
fn verbs_are_read_byte_by_byte() {
    let server = server("");
    let connect = r#"{"verbose":false,"pedantic":false,"headers":true}"#;
    let cases: [(&str, &str); 8] = [
        ("PING\r\nPING \r\nPING  \r\n", "PONG\r\nPONG\r\nPONG\r\n"),
        ("PONG\r\nPONG \r\nPONG  \r\n", ""),
        ("+OK\r\n", ""),
        ("SUB foo 1\r\nPUB foo 5\r\nhello\r\n", "MSG foo 1 5\r\nhello\r\n"),
        ("SUB foo 1\r\nPUB foo.bar INBOX.22 11\r\nhello world\r", ""),
        (
            "SUB foo.* 1\r\nPUB foo.bar INBOX.22 11\r\nhello world\r\n",
            "MSG foo.bar 1 INBOX.22 11\r\nhello world\r\n",
        ),
        (
            "SUB foo 1\r\nHPUB foo 12 17\r\nname:derek\r\nHELLO\r\n",
            "HMSG foo 1 12 17\r\nname:derek\r\nHELLO\r\n",
        ),
        (
            "SUB foo 1\r\nHPUB foo INBOX.22 12 17\r\nname:derek\r\nHELLO\r\n",
            "HMSG foo 1 INBOX.22 12 17\r\nname:derek\r\nHELLO\r\n",
        ),
    ];
    for (operations, expected) in cases {
        // Once whole, once a byte at a time.
        for step in [operations.len(), 1] {
            let mut client = server.client_with(connect);
            for piece in operations.as_bytes().chunks(step) {
                client.send(piece);
            }
            if operations.ends_with("world\r") {
                client.send("\n");
                client.expect_nothing();
                continue;
            }
            let count = expected.matches("PONG").count();
            let mut received = Vec::new();
            for _ in 0..count {
                received.extend(client.read_to_pong());
                received.extend_from_slice(b"PONG\r\n");
            }
            received.extend(client.flush());
            assert_eq!(String::from_utf8_lossy(&received), expected, "{operations:?} by {step}");
        }
    }
    check_closes(&server, "MSG \r\n", "-ERR 'Unknown Protocol Operation'\r\n");
}

/// Go: TestParsePubArg server/parser_test.go:244
/// Go: TestParseHeaderPubArg server/parser_test.go:403
#[test]
fn arguments_are_split_at_any_white_space() {
    let server = server("");
    let connect = r#"{"verbose":false,"pedantic":false,"headers":true}"#;
    let lines = [
        ("a 2", ""),
        ("a 2 ", ""),
        ("  a  2", ""),
        ("   a  2   ", ""),
        ("\ta\t2", ""),
        ("foo 2", ""),
        ("  a.b  _c.d.e  2 ", "_c.d.e"),
        ("a\tb\t2", "b"),
        (" a b  2  ", "b"),
        ("foo \t bar \t 2", "bar"),
    ];
    for (arguments, reply) in lines {
        let subject = arguments.split_whitespace().next().expect("subject");
        let reply = if reply.is_empty() { String::new() } else { format!("{reply} ") };
        let operations = format!("SUB {subject} 1\r\nPUB {arguments}\r\nok\r\n");
        check(&server, connect, &operations, &format!("MSG {subject} 1 {reply}2\r\nok\r\n"));
        // The same with a header size of 2 before the total size of 4.
        let with_header = arguments.replacen('2', "2 4", 1);
        let operations = format!("SUB {subject} 1\r\nHPUB {with_header}\r\nX\nok\r\n");
        let expected = format!("HMSG {subject} 1 {reply}2 4\r\nX\nok\r\n");
        check(&server, connect, &operations, &expected);
    }
}

/// Go: TestParsePubSizeOverflow server/parser_test.go:235
/// Go: TestParsePubBadSize server/parser_test.go:307
/// Go: TestShouldFail server/parser_test.go:845
#[test]
fn malformed_operations_close_the_connection() {
    let server = server("");
    let spoken = [
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
        "-ERRx",
        "Cx",
        "COx",
        "CONx",
        "CONNx",
        "CONNEx",
        "CONNECx",
        "PUx",
        "PUB foo 2\r\nok \r\n",
        "PUB foo 2\r\nok\r \n",
        "PUB foo 5\r\nfoobar\r\n",
        "PUB foo 5\r\nfoob\r\n",
        "Sx",
        "SUx",
        "SUB\r\n",
        "Ux",
        "UNx",
        "UNSx",
        "UNSUx",
        "UNSUBx",
        "UNSUBUNSUB 1\r\n",
        "UNSUB_2\r\n",
        "UNSUB_UNSUB_UNSUB 2\r\n",
        "UNSUB_\t2\r\n",
        "UNSUB\r\n",
        "Ix",
        "INx",
        "INFx",
        "Mx",
        "MSx",
        "MSGx",
        "RS+ foo 1\r\n",
        "RMSG a b 0\r\n\r\n",
        "LS+ foo 1\r\n",
        "A+ foo\r\n",
    ];
    for operations in spoken {
        check_closes(&server, operations, "-ERR 'Unknown Protocol Operation'\r\n");
    }
    let silent = [
        "CONNECT \r\n",
        "PUB foo\r\n",
        "PUB  \r\n",
        "PUB foo bar       \r\n",
        "PUB foo bar 22 55 66\r\n",
        "PUB foo 2222222222222222\r\n",
        "PUB foo 22222222222222222222222222\r\n",
        "PUB foo -11\r\n",
        "SUB  \r\n",
        "SUB foo\r\n",
        "SUB foo bar baz 22\r\n",
        "UNSUB \r\n",
        "UNSUB          \t       \r\n",
        "INFO\r\n",
        "INFO  \r\n",
    ];
    for operations in silent {
        check_closes(&server, operations, "");
    }
}

/// Go: TestSplitBufferSubOp server/split_test.go:22
/// Go: TestSplitBufferUnsubOp server/split_test.go:66
/// Go: TestSplitBufferPubOp server/split_test.go:101
/// Go: TestSplitBufferPubOp2 server/split_test.go:167
/// Go: TestSplitBufferPubOp3 server/split_test.go:187
/// Go: TestSplitBufferPubOp4 server/split_test.go:213
/// Go: TestSplitBufferPubOp5 server/split_test.go:239
/// Go: TestSplitDanglingArgBuf server/split_test.go:306
#[test]
fn operations_may_be_split_anywhere() {
    let server = server("debug: true");
    let whole = concat!(
        "SUB foo 1\r\nSUB foo.bar workers 2\r\nPUB foo 5\r\nhello\r\n",
        "PUB foo.bar bar.INBOX.22 11\r\nhello world\r\n",
        "HPUB foo reply 12 14\r\nName:Derek\r\nOK\r\nUNSUB 1 3\r\nPUB foo 2\r\nno\r\nUNSUB 2\r\n",
        "PUB foo.bar 2\r\nno\r\n"
    );
    let expected = concat!(
        "MSG foo 1 5\r\nhello\r\nMSG foo.bar 2 bar.INBOX.22 11\r\nhello world\r\n",
        "HMSG foo 1 reply 12 14\r\nName:Derek\r\nOK\r\nMSG foo 1 2\r\nno\r\n"
    );
    for cut in 1..whole.len() {
        let mut client = server.client_with(r#"{"verbose":false,"pedantic":false,"headers":true}"#);
        client.send(&whole[..cut]);
        client.wait_for(Duration::from_millis(1), |_| false);
        client.send(&whole[cut..]);
        client.send("PING\r\n");
        client.wait_for(natsd_testkit::DEADLINE, |bytes| bytes.ends_with(b"PONG\r\n"));
        assert!(!client.is_closed(), "cut at {cut}: closed\n{}", server.log());
        let received = String::from_utf8_lossy(&client.read_to_pong()).into_owned();
        assert_eq!(received, expected, "cut at {cut}");
        // Interest that stays would hear the next round.
        client.shut_write();
        assert!(client.wait_closed());
    }
}

/// Go: TestClientRejectsNRGSubjects server/client_test.go:4193
#[test]
fn client_rejects_nrg_subjects() {
    let server = server(
        "accounts { A { users: [{user: a, password: p}] }, \
         S { users: [{user: s, password: p}] } }\nsystem_account: S",
    );
    for (user, expected) in
        [("a", "-ERR 'Permissions Violation for Publish to \"$NRG.foo\"'\r\n"), ("s", "")]
    {
        let connect = format!(r#"{{"verbose":false,"pedantic":false,"user":"{user}","pass":"p"}}"#);
        check(&server, &connect, "PUB $NRG.foo 0\r\n\r\n", expected);
    }
}

/// Go: TestClientCheckUseOfGWReplyPrefix server/client_test.go:2318
#[test]
fn reserved_replies_are_refused() {
    let server = server("");
    for subject in ["_GR_.foo", "_R_.foo", "$JS.ACK.foo"] {
        let operations = format!("SUB foo 1\r\nPUB foo {subject} 2\r\nok\r\n");
        let expected =
            format!("-ERR 'Permissions Violation for Publish with Reply of \"{subject}\"'\r\n");
        check(&server, QUIET, &operations, &expected);
    }
}

/// Go: TestClientDenySysGroupSub server/client_test.go:3032
#[test]
fn client_deny_sys_group_sub() {
    check(
        &server(""),
        QUIET,
        "SUB foo _sys_ 1\r\n",
        "-ERR 'Permissions Violation for Subscription to \"foo\" using queue \"_sys_\"'\r\n",
    );
}

/// Go: TestMaxConnections server/server_test.go:715
/// Go: TestMaxConnectionsPreventsAll server/server_test.go:735
#[test]
fn max_connections() {
    let one = server("max_connections: 1");
    let first = one.client();
    let mut second = RawClient::dial(one.address());
    assert!(
        String::from_utf8_lossy(&second.read_to_eof())
            .ends_with("-ERR 'maximum connections exceeded'\r\n")
    );
    drop(first);
    wait_until("room for a connection", natsd_testkit::DEADLINE, || {
        let mut client = RawClient::try_dial(one.address()).ok()?;
        client.try_send("CONNECT {\"verbose\":false}\r\nPING\r\n").ok()?;
        client.wait_for(Duration::from_secs(1), |bytes| bytes.ends_with(b"PONG\r\n")).then_some(())
    });
    let none = server("max_connections: -1");
    let mut client = RawClient::dial(none.address());
    assert!(
        String::from_utf8_lossy(&client.read_to_eof())
            .ends_with("-ERR 'maximum connections exceeded'\r\n")
    );
}

/// Go: TestMaxSubscriptions server/server_test.go:746
/// Go: TestClientLimits server/client_test.go:2763
#[test]
fn max_subscriptions() {
    let server = server("max_subscriptions: 10");
    let subscribe: String = (0..10).map(|sid| format!("SUB foo.{sid} {sid}\r\n")).collect();
    let mut client = server.client();
    client.send(&subscribe);
    client.expect_nothing();
    client.send("SUB bar 11\r\n");
    let error = "-ERR 'maximum subscriptions exceeded'\r\n";
    assert_eq!(String::from_utf8_lossy(&client.flush()), error);
    // The connection stays, and room that is made can be used.
    client.send("UNSUB 3\r\nSUB bar 11\r\nSUB baz 12\r\n");
    assert_eq!(String::from_utf8_lossy(&client.flush()), error);
}

/// Go: TestInfoServerNameDefaultsToPK server/server_test.go:561
/// Go: TestInfoServerNameIsSettable server/server_test.go:573
#[test]
fn info_server_name() {
    let info = server("").open().info;
    let id = info["server_id"].as_str().expect("server id");
    assert!(id.len() == 56 && id.starts_with('N'), "a public key of a server: {id}");
    assert_eq!(info["server_name"], id);
    let info = server("server_name: test_server_name").open().info;
    assert_eq!(info["server_name"], "test_server_name");
    assert_ne!(info["server_id"], "test_server_name");
}
