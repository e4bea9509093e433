//! `/connz`: who is connected, who was, in which order, how many at a time.

use natsd_testkit::{DEADLINE, RawClient, Server, wait_until};
use serde_json::Value;

use crate::support::{launch, server};

fn monitored(config: &str) -> Server {
    launch().monitoring().config(config).start()
}

fn connz(server: &Server, query: &str) -> Value {
    let response = server.get(&format!("/connz?{query}"));
    assert_eq!(response.status, 200, "/connz?{query}: {}", response.text());
    response.json()
}

/// The connections of an answer.
fn list(connz: &Value) -> &[Value] {
    connz["connections"].as_array().expect("connections is an array")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// A client that has sent itself one message of five bytes.
fn busy_client(server: &Server, fields: &str) -> RawClient {
    let mut client =
        server.client_with(&format!(r#"{{"verbose":false,"pedantic":false{fields}}}"#));
    client.send("SUB own 99\r\nPUB own 5\r\nhello\r\nUNSUB 99\r\n");
    assert_eq!(client.flush(), b"MSG own 99 5\r\nhello\r\n");
    client
}

fn id(client: &RawClient) -> u64 {
    number(&client.info["client_id"])
}

/// Closes the client and waits until the server counts it as closed.
fn close(server: &Server, client: RawClient) {
    let cid = id(&client);
    drop(client);
    wait_until("a closed connection", DEADLINE, || {
        (list(&connz(server, &format!("state=closed&cid={cid}"))).len() == 1).then_some(())
    });
}

const TWO_ACCOUNTS: &str = "accounts { A { users [{user: a, password: a}] }, \
                            B { users [{user: b, password: b}] } }";

/// Go: TestMonitorConnz server/monitor_test.go:436
/// Go: TestConnz test/monitor_test.go:247
/// Go: TestMonitorConnzRTT server/monitor_test.go:649
#[test]
fn monitor_connz() {
    let server = monitored(TWO_ACCOUNTS);
    let empty = connz(&server, "");
    for (key, count) in [("num_connections", 0), ("total", 0), ("offset", 0), ("limit", 1024)] {
        assert_eq!(empty[key], count, "{key}");
    }
    assert!(list(&empty).is_empty());
    let client = busy_client(&server, r#","user":"a","pass":"a""#);
    let one = connz(&server, "auth=1");
    assert_eq!((&one["num_connections"], &one["total"]), (&1.into(), &1.into()));
    let connection = &list(&one)[0];
    assert_eq!(number(&connection["cid"]), id(&client));
    assert_eq!(connection["kind"], "Client");
    assert_eq!(connection["type"], "nats");
    assert_eq!(connection["ip"], "127.0.0.1");
    assert_eq!(number(&connection["port"]), u64::from(client.local_address().port()));
    for (key, count) in
        [("subscriptions", 0), ("in_msgs", 1), ("out_msgs", 1), ("in_bytes", 5), ("out_bytes", 5)]
    {
        assert_eq!(connection[key], count, "{key}");
    }
    for key in ["uptime", "idle", "start", "last_activity"] {
        assert!(connection[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert!(connection["start"].as_str() <= connection["last_activity"].as_str());
    assert_eq!((&connection["account"], &connection["name_tag"]), (&"A".into(), &"A".into()));
    assert!(connection["subscriptions_list"].is_null());
    // The server pings soon after the start to measure the round trip.
    let mut client = client;
    client.expect_line("PING");
    client.send("PONG\r\n");
    client.expect_nothing();
    let rtt = connz(&server, "");
    let rtt = list(&rtt)[0]["rtt"].as_str().expect("rtt");
    assert!(rtt.ends_with('s') && rtt.starts_with(|first: char| first.is_ascii_digit()), "{rtt}");
}

/// Go: TestMonitorConnzBadParams server/monitor_test.go:496
/// Go: TestMonitorConnzSortBadRequest server/monitor_test.go:1461
/// Go: TestMonitorConnzSortedByStopOnOpen server/monitor_test.go:1168
/// Go: TestMonitorConnzSortedByReasonOnOpen server/monitor_test.go:1274
#[test]
fn bad_parameters_are_refused_as_text() {
    let server = monitored("");
    let _client = server.client();
    for query in [
        "auth=xxx",
        "subs=xxx",
        "offset=xxx",
        "limit=xxx",
        "state=xxx",
        "cid=xxx",
        "sort=foo",
        "sort=stop",
        "sort=reason",
    ] {
        let response = server.get(&format!("/connz?{query}"));
        assert_eq!(response.status, 400, "{query}: {}", response.text());
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"), "{query}");
    }
}

/// Go: TestMonitorConnzWithSubs server/monitor_test.go:508
/// Go: TestMonitorConnzWithSubsDetail server/monitor_test.go:529
/// Go: TestMonitorClosedConnzWithSubsDetail server/monitor_test.go:550
/// Go: TestConnzWithSubs test/monitor_test.go:465
/// Go: TestConnzClosedSubsDetailNoSharedMutation server/monitor_test.go:7002
#[test]
fn subscriptions_are_shown_when_asked_for() {
    let server = monitored("");
    let mut client = busy_client(&server, "");
    client.send("SUB hello.foo queue 7\r\n");
    client.expect_nothing();
    let check = |state: &str| {
        let plain = connz(&server, &format!("state={state}&subs=1"));
        assert_eq!(list(&plain)[0]["subscriptions_list"], serde_json::json!(["hello.foo"]));
        let detail = connz(&server, &format!("state={state}&subs=detail"));
        let details = &list(&detail)[0]["subscriptions_list_detail"];
        assert_eq!(details[0]["subject"], "hello.foo");
        assert_eq!((&details[0]["sid"], &details[0]["qgroup"]), (&"7".into(), &"queue".into()));
        assert_eq!(details.as_array().map(Vec::len), Some(1));
        // Asking for details leaves no trace in later answers.
        let none = connz(&server, &format!("state={state}"));
        assert!(list(&none)[0]["subscriptions_list_detail"].is_null());
        assert!(list(&none)[0]["subscriptions_list"].is_null());
    };
    check("open");
    close(&server, client);
    check("closed");
}

/// Go: TestMonitorConnzWithCID server/monitor_test.go:580
#[test]
fn monitor_connz_with_cid() {
    let server = monitored("");
    let mut clients: Vec<RawClient> = (0..10).map(|_| busy_client(&server, "")).collect();
    clients[4].send("SUB hello.foo 1\r\nSUB hello.bar 2\r\n");
    clients[4].expect_nothing();
    let found = connz(&server, &format!("cid={}", id(&clients[4])));
    assert_eq!((&found["num_connections"], list(&found).len()), (&1.into(), 1));
    assert_eq!(number(&list(&found)[0]["cid"]), id(&clients[4]));
    assert_eq!(list(&found)[0]["subscriptions"], 2);
    let missing = connz(&server, "cid=1000");
    assert_eq!((&missing["num_connections"], list(&missing).len()), (&0.into(), 0));
}

/// Go: TestMonitorConnzLastActivity server/monitor_test.go:704
#[test]
fn monitor_connz_last_activity() {
    let server = monitored("");
    let mut foo = server.client_with(r#"{"verbose":false,"name":"foo"}"#);
    let mut bar = server.client_with(r#"{"verbose":false,"name":"bar"}"#);
    let last = |name: &str| -> String {
        let answer = connz(&server, "subs=1");
        let connection = list(&answer)
            .iter()
            .find(|connection| connection["name"] == name)
            .unwrap_or_else(|| panic!("no connection {name} in {answer}"));
        connection["last_activity"].as_str().expect("last activity").to_owned()
    };
    let (mut last_foo, last_bar) = (last("foo"), last("bar"));
    assert!(last_foo <= last_bar, "{last_foo} {last_bar}");
    let mut check_newer = |step: &str| {
        let now = last("foo");
        assert!(now > last_foo, "{step} counts as activity: {last_foo} then {now}");
        last_foo = now;
    };
    foo.send("SUB hello.world 1\r\n");
    foo.expect_nothing();
    check_newer("SUB");
    bar.send("PUB hello.world 5\r\nHello\r\n");
    bar.expect_nothing();
    foo.expect("MSG hello.world 1 5\r\nHello\r\n");
    check_newer("a delivery");
    assert!(last("bar") > last_bar, "PUB counts as activity");
    foo.send("UNSUB 1\r\n");
    foo.expect_nothing();
    check_newer("UNSUB");
}

/// Go: TestMonitorConnzWithOffsetAndLimit server/monitor_test.go:798
/// Go: TestMonitorConnzOffsetOverflow server/monitor_test.go:872
/// Go: TestConnzWithOffsetAndLimit test/monitor_test.go:687
#[test]
fn offset_and_limit() {
    let server = monitored("");
    // Query, then offset, limit, number on this page, number of all.
    let check = |query: &str, expected: [u64; 4]| {
        let answer = connz(&server, query);
        let found = [
            number(&answer["offset"]),
            number(&answer["limit"]),
            number(&answer["num_connections"]),
            number(&answer["total"]),
        ];
        assert_eq!(found, expected, "{query}");
        assert_eq!(list(&answer).len() as u64, expected[2], "{query}");
    };
    check("offset=1&limit=1", [1, 1, 0, 0]);
    check("offset=-1&limit=-1", [0, 1024, 0, 0]);
    let _clients = [busy_client(&server, ""), busy_client(&server, "")];
    check("offset=0&limit=1", [0, 1, 1, 2]);
    check("offset=1&limit=1", [1, 1, 1, 2]);
    check("offset=2&limit=1", [2, 1, 0, 2]);
    check(&format!("offset={}&limit=1", i64::MAX), [i64::MAX as u64, 1, 0, 2]);
}

/// Connections sorted by `sort` must have these values of `key` in this order.
#[track_caller]
fn check_sorted(server: &Server, query: &str, key: &str, descending: bool) {
    let answer = connz(server, query);
    let connections = list(&answer);
    assert!(connections.len() > 3, "{answer}");
    for pair in connections.windows(2) {
        let (first, second) = (&pair[0][key], &pair[1][key]);
        let in_order = match (first, second) {
            (Value::Number(_), Value::Number(_)) => number(first) <= number(second),
            (Value::String(first), Value::String(second)) => first <= second,
            _ => panic!("{key} is missing: {pair:?}"),
        };
        assert!(in_order != descending || first == second, "{query}: {first} before {second}");
    }
}

/// Go: TestMonitorConnzDefaultSorted server/monitor_test.go:900
/// Go: TestMonitorConnzSortedByCid server/monitor_test.go:921
/// Go: TestMonitorConnzSortedByStart server/monitor_test.go:943
/// Go: TestMonitorConnzSortedByBytesAndMsgs server/monitor_test.go:965
/// Go: TestMonitorConnzSortedByPending server/monitor_test.go:1019
/// Go: TestMonitorConnzSortedBySubs server/monitor_test.go:1044
/// Go: TestMonitorConnzSortedByLast server/monitor_test.go:1070
/// Go: TestMonitorConnzSortedByUptime server/monitor_test.go:1101
/// Go: TestMonitorConnzSortedByIdle server/monitor_test.go:1296
#[test]
fn open_connections_are_sorted() {
    let server = monitored("");
    let mut first = busy_client(&server, "");
    first.send("SUB hello.world 1\r\n");
    first.send("PUB hello.world 11\r\nHello World\r\n".repeat(100));
    let mut clients: Vec<RawClient> = (0..3).map(|_| busy_client(&server, "")).collect();
    first.flush();
    clients[1].send("SUB a 1\r\nSUB b 2\r\nPUB a 1\r\nx\r\n");
    clients[1].flush();
    for (query, key, descending) in [
        ("", "cid", false),
        ("sort=cid", "cid", false),
        ("sort=start", "start", false),
        ("sort=uptime", "start", true),
        ("sort=bytes_to", "out_bytes", true),
        ("sort=bytes_from", "in_bytes", true),
        ("sort=msgs_to", "out_msgs", true),
        ("sort=msgs_from", "in_msgs", true),
        ("sort=pending", "pending_bytes", true),
        ("sort=subs", "subscriptions", true),
        ("sort=last", "last_activity", true),
        ("sort=idle", "last_activity", false),
    ] {
        check_sorted(&server, query, key, descending);
    }
}

/// Go: TestMonitorConnzSortedByStopTimeClosedConn server/monitor_test.go:1190
/// Go: TestMonitorConnzSortedByReason server/monitor_test.go:1235
/// Go: TestMonitorConnzSortedByUptimeClosedConn server/monitor_test.go:1130
#[test]
fn closed_connections_are_sorted() {
    let server = monitored("max_payload: 100");
    for ending in ["", "ZZZ\r\n", "PUB a 200\r\n", "", "ZZZ\r\n"] {
        let mut client = busy_client(&server, "");
        client.send(ending);
        if !ending.is_empty() {
            assert!(client.wait_closed());
        }
        close(&server, client);
    }
    check_sorted(&server, "state=closed&sort=stop", "stop", true);
    check_sorted(&server, "state=closed&sort=reason", "reason", false);
    let answer = connz(&server, "state=closed&sort=uptime");
    assert_eq!(list(&answer).len(), 5);
}

/// Go: TestMonitorConnzWithNamedClient server/monitor_test.go:1970
#[test]
fn monitor_connz_with_named_client() {
    let server = monitored("");
    let _client = server
        .client_with(r#"{"verbose":false,"name":"test-client","lang":"rust","version":"1.2.3"}"#);
    let answer = connz(&server, "");
    let connection = &list(&answer)[0];
    assert_eq!(connection["name"], "test-client");
    assert_eq!(connection["lang"], "rust");
    assert_eq!(connection["version"], "1.2.3");
}

/// Go: TestMonitorConnzWithStateForClosedConns server/monitor_test.go:1995
/// Go: TestMonitorConnzClosedConnsRace server/monitor_test.go:2089
#[test]
fn monitor_connz_with_state_for_closed_conns() {
    let server = monitored("");
    let mut open = Vec::new();
    let mut closed = 0;
    for _ in 0..10 {
        let mut client = busy_client(&server, "");
        client.send("SUB hello.closed.conns 1\r\n");
        client.expect_nothing();
        closed = id(&client);
        close(&server, client);
        open.push(busy_client(&server, ""));
    }
    let open_id = id(&open[0]);
    for (query, count) in [
        ("state=open".to_owned(), 10),
        ("state=closed".to_owned(), 10),
        ("state=ALL".to_owned(), 20),
        ("state=any".to_owned(), 20),
        (format!("cid={closed}&state=open"), 0),
        (format!("cid={closed}&state=closed"), 1),
        (format!("cid={closed}&state=ALL"), 1),
        (format!("cid={open_id}&state=open"), 1),
        (format!("cid={open_id}&state=all"), 1),
        (format!("cid={open_id}&state=closed"), 0),
    ] {
        assert_eq!(list(&connz(&server, &query)).len(), count, "{query}");
    }
    let with = connz(&server, &format!("cid={closed}&state=closed&subs=true"));
    assert_eq!(list(&with)[0]["subscriptions"], 1);
    assert_eq!(list(&with)[0]["subscriptions_list"].as_array().map(Vec::len), Some(1));
    let without = connz(&server, &format!("cid={closed}&state=closed&subs=false"));
    assert_eq!(list(&without)[0]["subscriptions"], 1);
    assert!(list(&without)[0]["subscriptions_list"].is_null());
}

/// Go: TestMonitorConnzClosedConnsBadClient server/monitor_test.go:2124
/// Go: TestCloseConnectionVeryEarly server/client_test.go:2628
#[test]
fn monitor_connz_closed_conns_bad_client() {
    let server = monitored("");
    drop(RawClient::dial(server.address()));
    let answer = server.wait_monitor("/connz?state=closed", "the closed connection", |answer| {
        (list(answer).len() == 1).then(|| answer.clone())
    });
    let connection = &list(&answer)[0];
    for key in ["start", "last_activity", "stop", "uptime", "idle"] {
        assert!(connection[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert!(connection["last_activity"].as_str() <= connection["stop"].as_str());
    assert_eq!(connz(&server, "")["num_connections"], 0);
}

/// Go: TestConnzWithAuth test/monitor_test.go:498
/// Go: TestConnzWithAccounts test/monitor_test.go:545
#[test]
fn connections_are_found_by_account_and_user() {
    let users = [
        ("alice", "engineering"),
        ("bob", "engineering"),
        ("john", "legal"),
        ("mary", "legal"),
        ("peter", "finance"),
        ("paul", "finance"),
    ];
    let accounts: String = ["engineering", "legal", "finance"]
        .iter()
        .map(|account| {
            let users: String = users
                .iter()
                .filter(|(_, of)| of == account)
                .map(|(user, _)| format!("{{user: {user}, password: foo}} "))
                .collect();
            format!("{account} {{ users [{}] }}\n", users.trim().replace("} {", "}, {"))
        })
        .collect();
    let server = monitored(&format!("accounts {{ {accounts} }}"));
    let clients: Vec<RawClient> = users
        .iter()
        .map(|(user, _)| busy_client(&server, &format!(r#","user":"{user}","pass":"foo""#)))
        .collect();
    let check_all = |state: &str| {
        for (user, account) in users {
            let by_user = connz(&server, &format!("auth=1&user={user}&state={state}"));
            assert_eq!(list(&by_user).len(), 1, "{user} {state}");
            assert_eq!(list(&by_user)[0]["authorized_user"], user);
            assert_eq!(list(&by_user)[0]["account"], account);
            let by_account = connz(&server, &format!("auth=1&acc={account}&state={state}"));
            assert_eq!(list(&by_account).len(), 2, "{account} {state}");
            assert!(list(&by_account).iter().all(|connection| connection["account"] == account));
        }
    };
    check_all("open");
    for client in clients {
        close(&server, client);
    }
    check_all("closed");
}

/// Go: TestMonitorConnzSortByRTT server/monitor_test.go:6286
#[test]
fn monitor_connz_sort_by_rtt() {
    let server = monitored("ping_interval: \"100ms\"\nping_max: 100");
    let mut clients: Vec<RawClient> = (0..4).map(|_| busy_client(&server, "")).collect();
    for client in &mut clients {
        client.expect_line("PING");
        client.send("PONG\r\n");
    }
    let answer = server.wait_monitor("/connz?sort=rtt", "round trips", |answer| {
        list(answer).iter().all(|connection| connection["rtt"].is_string()).then(|| answer.clone())
    });
    assert_eq!(list(&answer).len(), 4);
}

/// Go: TestNoMonitorPort test/monitor_test.go:91
/// Go: TestMonitorNoPort server/monitor_test.go:172
#[test]
fn without_a_port_there_is_no_monitoring() {
    let server = server("");
    assert!(server.ports()["monitoring"].is_null(), "{}", server.ports());
    assert!(natsd_testkit::get(server.address(), "/varz").is_err());
}
