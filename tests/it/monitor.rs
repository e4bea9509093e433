//! The monitoring endpoints other than `/connz`.

use natsd_testkit::{DEADLINE, RawClient, Response, Server, wait_until};
use serde_json::Value;

use crate::support::{SHARING, awaits, binary, launch};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

fn monitored(config: &str) -> Server {
    launch().monitoring().config(config).start()
}

/// GETs a path; the status and the kind of content must be these.
#[track_caller]
fn check(server: &Server, path: &str, status: u16, content: &str) -> Response {
    let response = server.get(path);
    assert_eq!(response.status, status, "{path}: {}", response.text());
    assert_eq!(response.header("content-type"), Some(content), "{path}");
    let origin = response.header("access-control-allow-origin");
    assert_eq!(origin, (content == JSON).then_some("*"), "{path}");
    response
}

#[track_caller]
fn json(server: &Server, path: &str) -> Value {
    check(server, path, 200, JSON).json()
}

fn client(server: &Server, fields: &str) -> RawClient {
    server.client_with(&format!(r#"{{"verbose":false,"pedantic":false{fields}}}"#))
}

/// Sends operations and waits until the server has done them.
fn perform(client: &mut RawClient, operations: &str) {
    client.send(operations);
    client.flush();
}

/// Go: TestMonitorHandleVarz server/monitor_test.go:335
/// Go: TestVarz test/monitor_test.go:169
/// Go: TestMonitorClusterEmptyWhenNotDefined server/monitor_test.go:2575
#[test]
fn varz() {
    let server = monitored("server_name: monitored\nserver_tags: [\"az:1\", \"tag\"]");
    let before = json(&server, "/varz");
    assert_eq!(before["connections"], 0);
    let mut client = client(&server, "");
    perform(&mut client, "SUB foo 1\r\nPUB foo 5\r\nhello\r\n");
    let varz = json(&server, "/varz");
    for (key, expected) in [
        ("connections", 1),
        ("in_msgs", 1),
        ("out_msgs", 1),
        ("in_bytes", 5),
        ("out_bytes", 5),
        ("in_client_msgs", 1),
        ("out_client_msgs", 1),
        ("in_client_bytes", 5),
        ("out_client_bytes", 5),
        ("slow_consumers", 0),
        ("max_pending", 67_108_864),
        ("max_payload", 1_048_576),
        ("max_control_line", 4096),
        ("max_connections", 65536),
        ("ping_max", 2),
        ("ping_interval", 120_000_000_000_u64),
        ("write_deadline", 10_000_000_000),
    ] {
        assert_eq!(varz[key].as_u64(), Some(expected), "{key}");
    }
    assert!(varz["total_connections"].as_u64() >= Some(1));
    assert_eq!(varz["server_name"], "monitored");
    assert_eq!(varz["tags"], serde_json::json!(["az:1", "tag"]));
    assert_eq!(varz["port"], server.address().port());
    assert!(varz["start"].as_str() <= varz["now"].as_str());
    assert!(varz["cluster"].as_object().is_some_and(serde_json::Map::is_empty), "{varz}");
    assert!(!varz.to_string().contains("cluster_port"));
    let counted = varz["http_req_stats"]["/varz"].as_u64();
    assert_eq!(counted, Some(2), "requests of /varz so far");
}

/// Go: TestMonitorVarzSubscriptionsResetProperly server/monitor_test.go:260
#[test]
fn monitor_varz_subscriptions_reset_properly() {
    let server = monitored("");
    let first = json(&server, "/varz")["subscriptions"].clone();
    assert_eq!(json(&server, "/varz")["subscriptions"], first);
}

/// Go: TestMonitorVarzReloadRace server/monitor_test.go:279
#[test]
fn monitor_varz_reload_race() {
    let server = monitored("");
    for round in 1..=20 {
        let limit = 1000 + round;
        server.rewrite_config(&format!("http: \"127.0.0.1:-1\"\nmax_payload: {limit}"));
        server.signal("HUP");
        server.wait_monitor("/varz", "the new limit", |varz| {
            (varz["max_payload"] == limit).then_some(())
        });
    }
}

/// Go: TestMonitorHTTPBasePath server/monitor_test.go:223
/// Go: TestMonitorHandleRoot server/monitor_test.go:1938
#[test]
fn the_root_is_a_page_with_links() {
    for (base, path) in [("", "/"), ("/nats", "/nats")] {
        let server = monitored(&format!("http_base_path: {base:?}"));
        let root = check(&server, path, 200, "text/html; charset=utf-8");
        assert!(root.text().is_ascii());
        assert!(root.text().contains("varz"), "{}", root.text());
        json(&server, &format!("{base}/varz"));
    }
}

/// Go: TestSubsz server/monitor_test.go:1629
/// Go: TestSubsz test/monitor_test.go:729
/// Go: TestMonitorSubszDetails server/monitor_test.go:1697
#[test]
fn subsz() {
    let server = monitored("no_sys_acc: true");
    let before = json(&server, "/subsz")["num_subscriptions"].as_u64().expect("count");
    let mut client = client(&server, "");
    perform(
        &mut client,
        "SUB foo.* 1\r\nSUB foo.bar q 2\r\nSUB foo.foo 3\r\nPUB foo.bar 5\r\nHello\r\n",
    );
    for path in ["/subsz?subs=1&acc=$G", "/subscriptionsz?subs=1&acc=$G"] {
        let subsz = json(&server, path);
        assert_eq!(subsz["num_subscriptions"], before + 3);
        assert_eq!(subsz["total"], 3);
        let list = subsz["subscriptions_list"].as_array().expect("list");
        let mut subjects: Vec<&str> =
            list.iter().filter_map(|entry| entry["subject"].as_str()).collect();
        subjects.sort_unstable();
        assert_eq!(subjects, ["foo.*", "foo.bar", "foo.foo"]);
        assert!(list.iter().all(|entry| entry["account"] == "$G"));
    }
    let plain = json(&server, "/subsz");
    assert!(plain["subscriptions_list"].is_null());
    assert!(plain["num_inserts"].as_u64() >= Some(3) && plain["num_matches"].as_u64() >= Some(1));
}

/// Go: TestMonitorSubszWithOffsetAndLimit server/monitor_test.go:1730
/// Go: TestMonitorSubszOffsetOverflow server/monitor_test.go:1763
/// Go: TestMonitorSubszMultiAccountWithOffsetAndLimit server/monitor_test.go:1896
#[test]
fn subsz_pages() {
    let server = monitored("no_sys_acc: true");
    let mut clients = [client(&server, ""), client(&server, "")];
    let subscribe: String = (0..200).map(|sid| format!("SUB foo.{sid} {sid}\r\n")).collect();
    for client in &mut clients {
        perform(client, &subscribe);
    }
    for (offset, limit, listed) in
        [(10, 100, 100), (350, 100, 50), (400, 100, 0), (i64::MAX as u64, 1, 0)]
    {
        let subsz = json(&server, &format!("/subsz?subs=1&offset={offset}&limit={limit}"));
        assert_eq!(subsz["num_subscriptions"], 400);
        assert_eq!(subsz["total"], 400);
        assert_eq!((&subsz["offset"], &subsz["limit"]), (&offset.into(), &limit.into()));
        let count = subsz["subscriptions_list"].as_array().map_or(0, Vec::len);
        assert_eq!(count, listed, "offset {offset} limit {limit}");
    }
}

/// Go: TestMonitorSubszTestPubSubject server/monitor_test.go:1794
#[test]
fn monitor_subsz_test_pub_subject() {
    let server = monitored("no_sys_acc: true");
    let mut client = client(&server, "");
    perform(&mut client, "SUB foo.* 1\r\nSUB foo.bar 2\r\nSUB foo.foo 3\r\n");
    for (subject, count) in [("foo.foo", 2), ("foo.bar", 2), ("foo.baz", 1), ("foo", 0)] {
        let subsz = json(&server, &format!("/subsz?subs=1&test={subject}"));
        let listed = subsz["subscriptions_list"].as_array().map_or(0, Vec::len);
        assert_eq!((&subsz["total"], listed), (&count.into(), count), "{subject}");
    }
    for subject in ["*", "foo.*", "foo.>", "foo..bar"] {
        check(&server, &format!("/subsz?subs=1&test={subject}"), 400, TEXT);
    }
    for query in ["subs=xxx", "offset=xxx", "limit=xxx"] {
        check(&server, &format!("/subsz?{query}"), 400, TEXT);
    }
}

/// Go: TestMonitorSubszMultiAccount server/monitor_test.go:1828
#[test]
fn monitor_subsz_multi_account() {
    let server = monitored(
        "no_sys_acc: true\naccounts { A { users [{user: a, password: a}] }, \
         B { users [{user: b, password: b}] } }",
    );
    let mut clients =
        ["a", "b"].map(|user| client(&server, &format!(r#","user":"{user}","pass":"{user}""#)));
    for client in &mut clients {
        perform(client, "SUB foo.* 1\r\nSUB foo.bar 2\r\nSUB foo.foo 3\r\n");
    }
    for (query, count, accounts) in
        [("", 6, &["A", "B"][..]), ("&acc=A", 3, &["A"][..]), ("&acc=B", 3, &["B"][..])]
    {
        let subsz = json(&server, &format!("/subsz?subs=1{query}"));
        assert_eq!(subsz["num_subscriptions"], count, "{query}");
        assert_eq!(subsz["total"], count, "{query}");
        let list = subsz["subscriptions_list"].as_array().expect("list");
        assert_eq!(list.len(), count, "{query}");
        for entry in list {
            let account = entry["account"].as_str().expect("account");
            assert!(accounts.contains(&account), "{query}: {account}");
        }
    }
}

/// Go: TestMonitorServerIDs server/monitor_test.go:2529
#[test]
fn monitor_server_ids() {
    let server = monitored("");
    let id = server.open().info["server_id"].clone();
    for path in [
        "/varz",
        "/connz",
        "/routez",
        "/subsz",
        "/gatewayz",
        "/leafz",
        "/accountz",
        "/accstatz",
        "/jsz",
    ] {
        assert_eq!(json(&server, path)["server_id"], id, "{path}");
    }
}

/// Go: TestMonitorConcurrentMonitoring server/monitor_test.go:2267
#[test]
fn monitor_concurrent_monitoring() {
    let server = monitored("");
    let paths = ["/varz", "/varz", "/connz", "/connz", "/subsz", "/routez", "/healthz"];
    std::thread::scope(|scope| {
        for path in paths {
            scope.spawn(|| {
                for _ in 0..30 {
                    json(&server, path);
                }
            });
        }
        for _ in 0..30 {
            perform(&mut client(&server, ""), "SUB foo 1\r\nPUB foo 5\r\nhello\r\n");
        }
    });
    let stats = json(&server, "/varz")["http_req_stats"].clone();
    assert_eq!((&stats["/connz"], &stats["/routez"]), (&60.into(), &30.into()));
}

/// Go: TestMonitorAccountz server/monitor_test.go:4422
#[test]
fn monitor_accountz() {
    let server = monitored("");
    let accountz = json(&server, "/accountz");
    let mut accounts: Vec<&str> =
        accountz["accounts"].as_array().expect("list").iter().filter_map(Value::as_str).collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["$G", "$SYS"]);
    assert_eq!(accountz["system_account"], "$SYS");
    let detail = json(&server, "/accountz?acc=$SYS");
    assert_eq!(detail["account_detail"]["account_name"], "$SYS");
    assert_eq!(detail["account_detail"]["is_system"], true);
    check(&server, "/accountz?acc=none", 400, TEXT);
}

/// Go: TestMonitorAccountszMappingOrderReporting server/monitor_test.go:6417
#[test]
fn monitor_accountsz_mapping_order_reporting() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = monitored(
        r#"accounts {
            CLOUD { exports [ { service: "downlink.>" } ] }
            CLOUD2 { exports [ { service: "downlink.>" } ] }
            APP { imports [
                { service: { account: CLOUD, subject: "downlink.>"}, to: "event.>"}
                { service: { account: CLOUD2, subject: "downlink.>"}, to: "event.>"}
            ] }
        }"#,
    );
    let detail = json(&server, "/accountz?acc=APP")["account_detail"].clone();
    let imports = detail["imports"].as_array().expect("imports");
    let mut accounts: Vec<&str> = imports
        .iter()
        .filter(|import| import["subject"] == "downlink.>")
        .inspect(|import| assert_eq!(import["local_subject"], "event.>"))
        .filter_map(|import| import["account"].as_str())
        .collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["CLOUD", "CLOUD2"]);
}

/// Go: TestMonitorAccountStatz server/monitor_test.go:4452
#[test]
fn monitor_account_statz() {
    let server = monitored("");
    let unused = json(&server, "/accstatz?unused=1");
    let list = unused["account_statz"].as_array().expect("list");
    let mut accounts: Vec<&str> = list.iter().filter_map(|entry| entry["acc"].as_str()).collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["$G", "$SYS"]);
    assert!(list.iter().all(|entry| entry["conns"] == 0));
    let _client = client(&server, "");
    let used = json(&server, "/accstatz");
    assert_eq!(used["account_statz"].as_array().map(Vec::len), Some(1));
    assert_eq!(used["account_statz"][0]["acc"], "$G");
    assert_eq!(used["account_statz"][0]["conns"], 1);
}

/// Go: TestMonitorHealthzStatusOK server/monitor_test.go:6500
#[test]
fn monitor_healthz_status_ok() {
    let server = monitored("");
    for query in ["", "?js-enabled-only=true", "?js-server-only=true", "?details=true"] {
        let health = json(&server, &format!("/healthz{query}"));
        assert_eq!(health["status"], "ok", "{query}: {health}");
    }
    check(&server, "/healthz?js-server-only=xxx", 400, TEXT);
}

/// A server that is not ready, or whose JetStream was switched off, has no monitoring port or
/// cannot be had from outside.
///
/// Go: TestServerHealthz server/monitor_test.go:6583
#[test]
fn server_healthz() {
    let server = monitored("");
    for query in ["", "?js-server-only=true", "?details=true"] {
        let health = json(&server, &format!("/healthz{query}"));
        assert_eq!((&health["status"], &health["error"]), (&"ok".into(), &Value::Null), "{query}");
    }
    for query in ["?stream=TEST", "?account=ACC&consumer=TEST"] {
        let health = check(&server, &format!("/healthz{query}"), 400, JSON).json();
        assert_eq!(health["status"], "error", "{query}: {health}");
        let detailed = check(&server, &format!("/healthz{query}&details=true"), 400, JSON).json();
        assert_eq!(detailed["errors"][0]["type"], "BAD_REQUEST", "{query}: {detailed}");
    }
}

/// Go: TestMonitorJszNonJszServer server/monitor_test.go:5259
#[test]
fn monitor_jsz_non_jsz_server() {
    let server = monitored("");
    let jsz = json(&server, "/jsz");
    assert_eq!(jsz["disabled"], true);
    assert!(jsz["server_id"].as_str().is_some_and(|id| id.starts_with('N')));
}

/// Go: TestMonitorVarzMetadata server/monitor_test.go:6781
#[test]
fn monitor_varz_metadata() {
    let server = monitored("server_metadata: { key1: value1, key2: value2 }");
    let metadata = json(&server, "/varz")["metadata"].clone();
    assert_eq!(metadata, serde_json::json!({"key1": "value1", "key2": "value2"}));
}

/// Go: TestMonitorServerIDZRequest server/monitor_test.go:5957
#[test]
fn monitor_server_idz_request() {
    let server = monitored(
        "server_name: TEST22\naccounts { $SYS { users = [ {user: admin, pass: \"s3cr3t!\"} ] } }",
    );
    let mut admin = client(&server, r#","user":"admin","pass":"s3cr3t!""#);
    admin.send("SUB _INBOX.a 1\r\nPUB $SYS.REQ.SERVER.PING.IDZ _INBOX.a 0\r\n\r\n");
    let answer: Value = serde_json::from_slice(&admin.message().payload).expect("JSON");
    assert_eq!(answer["name"], "TEST22");
    assert!(answer["id"].as_str().is_some_and(|id| id.starts_with('N')), "{answer}");
}

/// Go: TestMonitorErrorOnListen test/monitor_test.go:831
/// Go: TestMonitorBothPortsConfigured test/monitor_test.go:846
/// Go: TestMonitorNoTLSConfig test/monitor_test.go:810
#[test]
fn monitoring_that_cannot_be_is_an_error() {
    let first = monitored("");
    for (config, text) in [
        (format!("http: \"{}\"", first.monitoring()), "address already in use"),
        ("http_port: 1234\nhttps_port: 1235".to_owned(), "can't specify both HTTP"),
        ("https: \"127.0.0.1:-1\"".to_owned(), "TLS"),
    ] {
        let finished = launch().config(&config).finish();
        assert_eq!(finished.code, Some(1), "{config}: {}", finished.stderr);
        let said = finished.stderr.to_lowercase();
        assert!(said.contains(&text.to_lowercase()), "{config}: {}", finished.stderr);
    }
}

/// Go: TestMonitorStop test/monitor_test.go:859
#[test]
fn monitor_stop() {
    let mut server = monitored("");
    let address = server.monitoring();
    assert!(natsd_testkit::get(address, "/varz").is_ok());
    server.stop();
    wait_until("the port is closed", DEADLINE, || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
}

/// Go: TestMonitorAuthorizedUsers server/monitor_test.go:5042
#[test]
fn secrets_are_not_shown_as_users() {
    for (config, fields, shown) in [
        ("authorization { user: user, password: pwd }", r#","user":"user","pass":"pwd""#, "user"),
        ("authorization { token: sometoken }", r#","auth_token":"sometoken""#, "[REDACTED]"),
    ] {
        let server = monitored(config);
        let _client = client(&server, fields);
        let connz = json(&server, "/connz?auth=true");
        assert_eq!(connz["connections"][0]["authorized_user"], shown);
        assert!(!connz.to_string().contains("sometoken"));
    }
}

#[test]
fn unknown_paths_are_not_found() {
    let server = monitored("");
    assert_eq!(server.get("/nothing").status, 404);
    // A client port is no HTTP server.
    assert!(natsd_testkit::get(server.address(), "/varz").is_err());
    assert!(binary().is_file());
}
