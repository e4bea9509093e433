//! Many connections, many messages, receivers that do not read: order, limits, nothing lost.

use std::time::Duration;

use natsd_testkit::{DEADLINE, RawClient, wait_until};

use crate::support::{SHARING, awaits, launch, server};

/// A connection that subscribes to `foo` and never reads, and a publisher that goes on until the
/// server counts it as slow.
#[track_caller]
fn check_slow_consumer(config: &str, connect: &str, reason: &str) {
    let server = launch().monitoring().config(config).start();
    let mut slow = RawClient::dial(server.address());
    slow.send(format!("{connect}SUB foo 1\r\n"));
    // Interest that is not there yet hears nothing.
    server.wait_monitor("/connz", "the subscription", |connz| {
        (connz["connections"][0]["subscriptions"] == 1).then_some(())
    });
    let mut publisher = server.client();
    let batch = format!("PUB foo 100000\r\n{}\r\n", "x".repeat(100_000)).repeat(20);
    wait_until("a slow consumer", Duration::from_secs(30), || {
        publisher.send(&batch);
        publisher.flush();
        (server.get("/varz").json()["slow_consumers"] == 1).then_some(())
    });
    assert_eq!(server.get("/varz").json()["slow_consumer_stats"]["clients"], 1);
    // Only the publisher is left.
    server.wait_monitor("/connz", "one connection", |connz| {
        (connz["num_connections"] == 1).then_some(())
    });
    let closed = server.get("/connz?state=closed").json();
    assert_eq!(closed["connections"][0]["reason"], reason, "{config}");
    publisher.flush();
}

/// Go: TestClientSlowConsumerWithoutConnect server/client_test.go:2416
/// Go: TestNoClientLeakOnSlowConsumer server/client_test.go:2361
/// Go: TestNoRaceClosedSlowConsumerWriteDeadline server/norace_1_test.go:217
/// Go: TestNoRaceClosedSlowConsumerPendingBytes server/norace_1_test.go:265
/// Go: TestNoRaceSlowConsumerPendingBytes server/norace_1_test.go:313
/// Go: TestNoRaceWriteDeadline server/norace_1_test.go:847
#[test]
fn who_does_not_read_is_closed() {
    let connect = "CONNECT {\"verbose\":false}\r\n";
    let late = "Slow Consumer (Write Deadline)";
    for connect in ["", connect] {
        check_slow_consumer("write_deadline: \"100ms\"\nmax_pending: 500MB", connect, late);
    }
    let config = "write_deadline: \"100ms\"\nwrite_timeout: close\nmax_pending: 500MB";
    check_slow_consumer(config, connect, late);
    let config = "write_deadline: \"2s\"\nmax_pending: 1MB\nmax_payload: 200KB";
    check_slow_consumer(config, connect, "Slow Consumer (Pending Bytes)");
}

/// Go: TestClientFlushOutboundWriteTimeoutPolicy server/client_test.go:4457
/// Go: TestClientConfigureWriteTimeoutPolicy server/client_test.go:4403
#[test]
fn a_late_write_is_tried_again_where_that_is_configured() {
    let config = "write_deadline: \"100ms\"\nwrite_timeout: retry\nmax_pending: 500MB";
    let server = launch().monitoring().config(config).start();
    let mut slow = server.client();
    slow.send("SUB foo 1\r\n");
    slow.expect_nothing();
    let mut publisher = server.client();
    // More than the sockets hold.
    publisher.send(format!("PUB foo 1000000\r\n{}\r\n", "x".repeat(1_000_000)).repeat(50));
    publisher.flush();
    // Once for the write that took too long, once for the next one, which wrote nothing.
    server.wait_monitor("/varz", "two late writes", |varz| {
        (varz["slow_consumers"] == 2).then_some(())
    });
    server.wait_monitor("/connz?state=closed", "the closed connection", |connz| {
        let reason = connz["connections"][0]["reason"].as_str()?;
        (reason == "Slow Consumer (Write Deadline)").then_some(())
    });
}

/// Go: TestNoRaceQueueAutoUnsubscribe server/norace_1_test.go:951
#[test]
fn no_race_queue_auto_unsubscribe() {
    const MEMBERS: usize = 1000;
    let server = server("");
    let mut client = server.client();
    // Every member of both groups takes one message and goes.
    for sid in 0..MEMBERS {
        let (bar, baz) = (2 * sid, 2 * sid + 1);
        client.send(format!(
            "SUB foo bar {bar}\r\nUNSUB {bar} 1\r\nSUB foo baz {baz}\r\nUNSUB {baz} 1\r\n"
        ));
    }
    client.send("PUB foo 2\r\nok\r\n".repeat(MEMBERS));
    let mut sids: Vec<usize> =
        (0..2 * MEMBERS).map(|_| client.message().sid.parse().expect("sid")).collect();
    sids.sort_unstable();
    assert!(sids.iter().copied().eq(0..2 * MEMBERS), "each member once");
    client.send("PUB foo 2\r\nno\r\n");
    client.expect_nothing();
}

/// Go: TestClientMaxPending server/client_test.go:2156
#[test]
fn client_max_pending() {
    let server = server("max_pending: 2147483648");
    let mut client = server.client();
    client.send("SUB foo 1\r\nPUB foo 3\r\nmsg\r\n");
    client.expect("MSG foo 1 3\r\nmsg\r\n");
}

/// Go: TestClientFlushOutboundNoSlowConsumer server/client_test.go:4123
#[test]
fn client_flush_outbound_no_slow_consumer() {
    const SIZE: usize = 16 * 1024 * 1024;
    let server = launch()
        .monitoring()
        .config("max_pending: 140MB\nmax_payload: 16MB\nwrite_deadline: \"30s\"")
        .start();
    let mut receiver = server.client();
    receiver.send("SUB test 1\r\n");
    receiver.expect_nothing();
    let mut publisher = server.client();
    let message = format!("PUB test {SIZE}\r\n{}\r\n", "x".repeat(SIZE));
    for _ in 0..8 {
        publisher.send(&message);
    }
    publisher.flush();
    // More waits than one system call takes.
    server.wait_monitor("/connz", "64 MB that wait", |connz| {
        let mut waiting = connz["connections"].as_array()?.iter();
        waiting.any(|one| one["pending_bytes"].as_u64() > Some(64 * 1024 * 1024)).then_some(())
    });
    let head = format!("MSG test 1 {SIZE}\r\n");
    for _ in 0..8 {
        receiver.expect(&head);
        let payload = receiver.take(SIZE + 2);
        assert!(payload.starts_with(b"xx") && payload.ends_with(b"x\r\n"));
    }
    assert_eq!(server.get("/varz").json()["slow_consumers"], 0);
}

/// Go: TestNoRaceHighFanoutOrdering test/fanout_test.go:34
#[test]
fn no_race_high_fanout_ordering() {
    const CLIENTS: usize = 20;
    const SUBSCRIPTIONS: usize = 20;
    const MESSAGES: usize = 100;
    let server = server("");
    let mut clients: Vec<RawClient> = (0..CLIENTS).map(|_| server.client()).collect();
    let subscribe: String = (0..SUBSCRIPTIONS).map(|sid| format!("SUB fan {sid}\r\n")).collect();
    for client in &mut clients {
        client.send(&subscribe);
        client.expect_nothing();
    }
    let mut publisher = server.client();
    for number in 0..MESSAGES {
        publisher.send(format!("PUB fan 5\r\n{number:05}\r\n"));
    }
    publisher.expect_nothing();
    for client in &mut clients {
        let mut next = [0; SUBSCRIPTIONS];
        for _ in 0..SUBSCRIPTIONS * MESSAGES {
            let message = client.message();
            let sid: usize = message.sid.parse().expect("sid");
            assert_eq!(message.payload, format!("{:05}", next[sid]).as_bytes(), "sid {sid}");
            next[sid] += 1;
        }
        assert_eq!(next, [MESSAGES; SUBSCRIPTIONS]);
    }
}

/// Go: TestUnsubRace server/client_test.go:1486
#[test]
fn unsub_race() {
    let server = server("");
    let mut subscriber = server.client();
    let mut publisher = server.client();
    subscriber.send("SUB foo 1\r\n");
    subscriber.expect_nothing();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                publisher.send("PUB foo 5\r\nhello\r\n".repeat(100));
            }
            publisher.expect_nothing();
        });
        // In the middle of it: the first messages have come, more are on their way.
        subscriber.message();
        subscriber.send("UNSUB 1\r\n");
        subscriber.flush();
        subscriber.expect_nothing();
    });
    subscriber.expect_nothing();
}

/// Go: TestConcurrentShutdown server/server_test.go:203
/// Go: TestGoServerMultiShutdown test/gosrv_test.go:59
#[test]
fn being_told_to_stop_more_than_once_is_no_failure() {
    let mut server = server("");
    let _clients: Vec<RawClient> = (0..20).map(|_| server.client()).collect();
    for _ in 0..3 {
        // The process may be gone after the first.
        let pid = server.pid().to_string();
        let _ = std::process::Command::new("kill").args(["-INT", &pid]).status();
    }
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.log());
}

/// Go: TestClientIPv6Address server/client_test.go:2480
#[test]
fn client_ipv6_address() {
    let server =
        launch().no_listen().monitoring().config("listen: \"[::1]:-1\"\ndebug: true").start();
    let url = server.ports()["nats"][0].as_str().expect("URL").to_owned();
    let address = url.strip_prefix("nats://").expect("scheme").parse().expect("address");
    let client = RawClient::open(address);
    assert_eq!(client.info["client_ip"], "::1");
    let own = format!("[::1]:{} - cid:", client.local_address().port());
    server.wait_log(&own);
    server.wait_monitor("/connz", "the client's address", |connz| {
        (connz["connections"][0]["ip"] == "::1").then_some(())
    });
}

/// Go: TestHTTPHost test/monitor_test.go:761
#[test]
fn http_host() {
    let server = launch().monitoring().start();
    let address = server.monitoring();
    assert_eq!(address.ip().to_string(), "127.0.0.1");
    // Another address of this machine is not listened on.
    let other = format!("127.0.0.2:{}", address.port()).parse().expect("address");
    assert!(natsd_testkit::get(other, "/varz").is_err());
}

/// Go: TestServiceAllowResponsesPerms test/services_test.go:570
#[test]
fn service_allow_responses_perms() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = server(
        "accounts: {
            A: {
                users: [ {user: a, password: pwd, permissions = {subscribe=foo, allow_responses=true}} ]
                exports: [ {service: \"foo\"} ]
            },
            B: {
                users: [ {user: b, password: pwd} ]
                imports: [ {service: { account: A, subject: \"foo\"}} ]
            }
        }",
    );
    let connect = |user: &str| {
        server.client_with(&format!(
            r#"{{"verbose":false,"pedantic":false,"user":"{user}","pass":"pwd"}}"#
        ))
    };
    let (mut responder, mut requestor) = (connect("a"), connect("b"));
    responder.send("SUB foo 1\r\n");
    responder.expect_nothing();
    requestor.send("SUB answer 1\r\nPUB foo answer 4\r\nhelp\r\n");
    let request = responder.message();
    assert_eq!(request.payload, b"help");
    assert_ne!(request.reply, "answer", "the reply of another account is not shown");
    // Once, and only where asked.
    responder.send(format!("PUB {0} 5\r\nHello\r\nPUB other 2\r\nno\r\n", request.reply));
    requestor.expect("MSG answer 1 5\r\nHello\r\n");
    let errors = String::from_utf8_lossy(&responder.flush()).into_owned();
    assert_eq!(errors, "-ERR 'Permissions Violation for Publish to \"other\"'\r\n");
    requestor.expect_nothing();
}

/// Go: TestNonTLSConnectionState server/client_test.go:467
/// Go: TestClientConnect server/client_test.go:476
#[test]
fn client_connect() {
    let server = launch().monitoring().start();
    let fields =
        r#""verbose":false,"user":"derek","pass":"foo","name":"router","lang":"go","version":"1""#;
    let mut client = server.client_with(&format!("{{{fields}}}"));
    let connz = server.get("/connz?auth=1").json();
    let shown = &connz["connections"][0];
    for (key, value) in [("name", "router"), ("lang", "go"), ("version", "1")] {
        assert_eq!(shown[key], value, "{key}");
    }
    // Who is let in without being asked is shown as who it says it is.
    assert_eq!(shown["authorized_user"], "derek");
    assert!(shown["tls_version"].is_null() && shown["tls_cipher_suite"].is_null(), "{shown}");
    // Another CONNECT on the same connection replaces the first.
    client.send(r#"CONNECT {"verbose":false,"auth_token":"YZZ222","name":"other"}"#);
    client.send("\r\n");
    client.expect_nothing();
    let connz = server.get("/connz?auth=1").json();
    assert_eq!(connz["connections"][0]["name"], "other");
    assert!(!connz.to_string().contains("YZZ222"));
    wait_until("the client is served", DEADLINE, || {
        client.flush();
        Some(())
    });
}
