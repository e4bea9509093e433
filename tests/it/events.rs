//! The system account: what it is told, and what it may ask.

use natsd_testkit::{DEADLINE, RawClient, RawMessage, Server};
use serde_json::{Value, json};

use crate::support::launch;

const ACCOUNTS: &str = "server_name: SRV\nserver_tags: [\"foo\", \"bar\"]\naccounts {
    $SYS { users = [ {user: admin, password: p} ] }
    test { users = [ {user: tester, password: p} ] }
}";

fn start() -> Server {
    launch().monitoring().config(ACCOUNTS).start()
}

fn connect_json(user: &str, fields: &str) -> String {
    format!(
        r#"{{"verbose":false,"pedantic":false,"headers":true,"user":"{user}","pass":"p"{fields}}}"#
    )
}

#[track_caller]
fn connect(server: &Server, user: &str) -> RawClient {
    server.client_with(&connect_json(user, ""))
}

fn body(message: &RawMessage) -> Value {
    serde_json::from_slice(&message.payload).expect("JSON")
}

/// Asks and returns the answer; pings of the server in between are answered.
#[track_caller]
fn ask(client: &mut RawClient, subject: &str, payload: &str) -> Value {
    client.send("SUB _INBOX.ask 77\r\nUNSUB 77 1\r\n");
    // Headers are no part of the question.
    let headers = "NATS/1.0\r\nheader: for header sake\r\n\r\n";
    let total = headers.len() + payload.len();
    client.send(format!(
        "HPUB {subject} _INBOX.ask {} {total}\r\n{headers}{payload}\r\n",
        headers.len()
    ));
    body(&next(client))
}

/// The next message, whatever pings come before it.
#[track_caller]
fn next(client: &mut RawClient) -> RawMessage {
    loop {
        assert!(
            client.wait_for(DEADLINE, |bytes| bytes.len() >= 6),
            "no message; {}",
            if client.is_closed() { "closed" } else { "silence" }
        );
        if !client.starts_with(b"PING\r\n") {
            return client.message();
        }
        client.expect("PING\r\n");
        client.send("PONG\r\n");
    }
}

fn id(server: &Server) -> String {
    server.open().info["server_id"].as_str().expect("server id").to_owned()
}

/// Go: TestSystemAccountNewConnection server/events_test.go:200
/// Go: TestServerEventsConnectDisconnectForGlobalAcc server/events_test.go:4112
#[test]
fn the_system_account_hears_of_connections() {
    // Connections are counted for accounts of their own only, not for the global one.
    let own = r#""user":"tester","pass":"p","#;
    for (account, test, login) in
        [("$G", "", ""), ("test", "test { users = [ {user: tester, password: p} ] }", own)]
    {
        let counted = account == "test";
        let config =
            format!("accounts {{ $SYS {{ users = [ {{user: admin, password: p}} ] }}\n{test} }}");
        let server = launch().config(&config).start();
        let mut admin = connect(&server, "admin");
        admin.send(format!(
            "SUB $SYS.ACCOUNT.{account}.CONNECT 1\r\nSUB $SYS.ACCOUNT.{account}.DISCONNECT 2\r\n"
        ));
        admin.send(format!("SUB $SYS.ACCOUNT.{account}.SERVER.CONNS 3\r\n"));
        admin.expect_nothing();
        let mut events = || {
            let mut events: Vec<RawMessage> =
                (0..=usize::from(counted)).map(|_| next(&mut admin)).collect();
            events.sort_by(|a, b| a.sid.cmp(&b.sid));
            events
        };
        let fields = format!(
            r#"{{"verbose":false,{login}"name":"TEST EVENTS","lang":"rust","version":"1"}}"#
        );
        let mut client = server.client_with(&fields);
        let first = events();
        let connected = body(&first[0]);
        assert_eq!(first[0].subject, format!("$SYS.ACCOUNT.{account}.CONNECT"));
        assert_eq!(connected["type"], "io.nats.server.advisory.v1.client_connect");
        let shown = &connected["client"];
        assert_eq!(shown["id"], client.info["client_id"]);
        assert_eq!((&shown["acc"], &shown["name"]), (&json!(account), &json!("TEST EVENTS")));
        assert_eq!(
            (&shown["lang"], &shown["ver"], &shown["host"]),
            (&json!("rust"), &json!("1"), &json!("127.0.0.1"))
        );
        assert!(shown["start"].is_string() && shown["stop"].is_null(), "{shown}");
        assert!(connected["id"].is_string() && connected["timestamp"].is_string());
        assert_eq!(connected["server"]["id"], client.info["server_id"]);
        if counted {
            let count = body(&first[1]);
            for (key, value) in [
                ("acc", json!(account)),
                ("conns", json!(1)),
                ("total_conns", json!(1)),
                ("leafnodes", json!(0)),
            ] {
                assert_eq!(count[key], value, "{key}: {count}");
            }
        }
        client.send("SUB own 1\r\nPUB own 5\r\nhello\r\n");
        client.expect("MSG own 1 5\r\nhello\r\n");
        client.shut_write();
        assert!(client.wait_closed());
        let last = events();
        let gone = body(&last[0]);
        assert_eq!(last[0].subject, format!("$SYS.ACCOUNT.{account}.DISCONNECT"));
        assert_eq!(gone["type"], "io.nats.server.advisory.v1.client_disconnect");
        assert_eq!(gone["reason"], "Client Closed");
        for direction in ["sent", "received"] {
            assert_eq!(
                (&gone[direction]["msgs"], &gone[direction]["bytes"]),
                (&json!(1), &json!(5))
            );
        }
        assert!(gone["client"]["stop"].is_string());
        if counted {
            assert_eq!(body(&last[1])["conns"], 0);
        }
    }
}

/// Go: TestSystemAccountDisconnectBadLogin server/events_test.go:572
#[test]
fn system_account_disconnect_bad_login() {
    let server = start();
    let mut admin = connect(&server, "admin");
    admin.send("SUB $SYS.SERVER.*.CLIENT.AUTH.ERR 1\r\n");
    admin.expect_nothing();
    let mut stranger = server.open();
    stranger.send(
        "CONNECT {\"verbose\":false,\"name\":\"TEST BAD LOGIN\",\"user\":\"x\",\"pass\":\"y\"}\r\n",
    );
    stranger.expect_eof("-ERR 'Authorization Violation'\r\n");
    let event = body(&next(&mut admin));
    assert_eq!(event["reason"], "Authentication Failure");
    assert_eq!(event["client"]["name"], "TEST BAD LOGIN");
}

/// Go: TestSystemAccountNoAuthUser server/events_test.go:1715
#[test]
fn system_account_no_auth_user() {
    let server =
        launch().config("accounts { $SYS { users [ {user: admin, password: p} ] } }").start();
    for (fields, account) in [
        (r#","user":"admin","pass":"p""#, Some("$SYS")),
        (r#","user":"admin","pass":"wrong""#, None),
        (r#","auth_token":"sometoken""#, None),
        (r#","auth_token":"admin""#, None),
        (r#","user":"admin","pass":"""#, None),
        ("", Some("$G")),
    ] {
        let mut client = server.open();
        client.send(format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true{fields}}}\r\n"
        ));
        match account {
            Some(account) => {
                let info = ask(&mut client, "$SYS.REQ.USER.INFO", "");
                assert_eq!(info["data"]["account"], account, "{fields}");
            }
            None => client.expect_eof("-ERR 'Authorization Violation'\r\n"),
        }
    }
}

/// Go: TestServerEventsPingMonitorz server/events_test.go:3052
/// Go: TestServerEventsHealthZJetStreamNotEnabled server/events_test.go:2828
#[test]
fn monitoring_can_be_asked_for_by_message() {
    let server = start();
    let id = id(&server);
    let mut admin = connect(&server, "admin");
    for (endpoint, options, fields) in [
        ("VARZ", "", &["now", "cpu", "system_account"][..]),
        ("SUBSZ", "", &["num_subscriptions", "num_cache"]),
        ("SUBSZ", r#"{"limit":5}"#, &["num_subscriptions", "num_cache"]),
        ("CONNZ", "", &["now", "connections"]),
        ("CONNZ", r#"{"limit":5}"#, &["now", "connections"]),
        ("ROUTEZ", "", &["now", "routes"]),
        ("ROUTEZ", r#"{"subscriptions_detail":true}"#, &["now", "routes"]),
        ("ROUTEZ", r#"{"cluster":""}"#, &["now", "routes"]),
        ("ROUTEZ", r#"{"name":""}"#, &["now", "routes"]),
        ("GATEWAYZ", "", &["now", "outbound_gateways", "inbound_gateways"]),
        ("GATEWAYZ", r#"{"accounts":true}"#, &["now", "outbound_gateways", "inbound_gateways"]),
        ("LEAFZ", "", &["now", "leafs"]),
        ("LEAFZ", r#"{"account":"$SYS"}"#, &["now", "leafs"]),
        ("ACCOUNTZ", "{}", &["now", "accounts"]),
        ("ACCOUNTZ", r#"{"account":"$SYS"}"#, &["now", "account_detail"]),
        ("JSZ", "", &["now", "disabled"]),
        ("HEALTHZ", "", &["status"]),
        ("HEALTHZ", r#"{"js-enabled-only":true}"#, &["status"]),
        ("HEALTHZ", r#"{"js-server-only":true}"#, &["status"]),
    ] {
        for target in ["PING", &id] {
            let subject = format!("$SYS.REQ.SERVER.{target}.{endpoint}");
            let answer = ask(&mut admin, &subject, options);
            assert_eq!(answer["server"]["name"], "SRV", "{subject}: {answer}");
            assert_eq!(answer["server"]["id"], json!(id), "{subject}");
            for field in fields {
                assert!(
                    !answer["data"][field].is_null(),
                    "{subject} {options}: no {field} in {answer}"
                );
            }
            if endpoint == "HEALTHZ" {
                assert_eq!(answer["data"]["status"], "ok", "{answer}");
            }
        }
    }
}

/// Go: TestServerEventsPingStatsZFilter server/events_test.go:2985
/// Go: TestServerEventsPingStatsZFailFilter server/events_test.go:3026
#[test]
fn a_server_that_is_not_meant_does_not_answer() {
    let server = start();
    let mut admin = connect(&server, "admin");
    admin.send("SUB _INBOX.p 1\r\n");
    admin.expect_nothing();
    for (filter, answers) in [
        ("", true),
        (r#"{"server_name":"SRV"}"#, true),
        (r#"{"server_name":"_"}"#, false),
        (r#"{"server_name":"R"}"#, true),
        (r#"{"server_name":"R","exact_match":true}"#, false),
        (r#"{"host":"127.0.0.1"}"#, true),
        (r#"{"tags":["foo"]}"#, true),
        (r#"{"tags":["foo","bar"]}"#, true),
        (r#"{"tags":["none"]}"#, false),
        (r#"{"cluster":"DOESNOTEXIST"}"#, false),
        (r#"{"host":"DOESNOTEXIST"}"#, false),
        (r#"{"server_name":"DOESNOTEXIST"}"#, false),
    ] {
        admin.send(format!("PUB $SYS.REQ.SERVER.PING _INBOX.p {}\r\n{filter}\r\n", filter.len()));
        // A question that every server answers comes after it.
        let end = "{MALFORMEDJSON";
        admin.send(format!("PUB $SYS.REQ.SERVER.PING _INBOX.p {}\r\n{end}\r\n", end.len()));
        let mut answer = body(&next(&mut admin));
        if answers {
            assert!(answer["statsz"].is_object(), "{filter}: {answer}");
            answer = body(&next(&mut admin));
        }
        assert_eq!(answer["error"]["code"], 400, "{filter}: {answer}");
    }
}

/// Go: TestServerEventsStatszSingleServer server/events_test.go:3533
#[test]
fn server_events_statsz_single_server() {
    let server = start();
    let mut admin = connect(&server, "admin");
    admin.send("SUB $SYS.SERVER.*.STATSZ 1\r\n");
    let event = next(&mut admin);
    assert_eq!(event.subject, format!("$SYS.SERVER.{}.STATSZ", id(&server)));
    let statsz = body(&event)["statsz"].clone();
    for key in [
        "start",
        "mem",
        "cores",
        "cpu",
        "connections",
        "total_connections",
        "subscriptions",
        "sent",
        "received",
    ] {
        assert!(!statsz[key].is_null(), "no {key} in {statsz}");
    }
}

/// Go: TestServerEventsReload server/events_test.go:3567
#[test]
fn server_events_reload() {
    let server = start();
    let subject = format!("$SYS.REQ.SERVER.{}.RELOAD", id(&server));
    let limit = || server.get("/varz").json()["max_payload"].clone();
    let config = |limit: u32| format!("http: \"127.0.0.1:-1\"\nmax_payload: {limit}\n{ACCOUNTS}");
    // Another account asks in vain.
    let mut tester = connect(&server, "tester");
    server.rewrite_config(&config(2000));
    tester.send(format!("SUB _INBOX.t 1\r\nPUB {subject} _INBOX.t 0\r\n\r\n"));
    tester.expect_nothing();
    assert_eq!(limit(), 1_048_576);
    let mut admin = connect(&server, "admin");
    let answer = ask(&mut admin, &subject, "");
    assert!(answer["error"].is_null() && answer["data"].is_null(), "{answer}");
    assert_eq!(limit(), 2000);
    server.rewrite_config("garbage and nonsense");
    let answer = ask(&mut admin, &subject, "");
    assert!(
        answer["error"]["description"].as_str().is_some_and(|text| !text.is_empty()),
        "{answer}"
    );
    assert_eq!(limit(), 2000);
}

/// Go: TestServerEventsLDMKick server/events_test.go:3642
#[test]
fn server_events_ldm_kick() {
    let server = start();
    let id = id(&server);
    let mut admin = connect(&server, "admin");
    let mut client = server.client_with(&connect_json("tester", ",\"protocol\":1"));
    client.read_info();
    let cid = client.info["client_id"].clone();
    let request = json!({ "cid": cid }).to_string();
    let answer = ask(&mut admin, &format!("$SYS.REQ.SERVER.{id}.LDM"), &request);
    assert!(answer["error"].is_null(), "{answer}");
    assert_eq!(client.read_info()["ldm"], true);
    let answer = ask(&mut admin, &format!("$SYS.REQ.SERVER.{id}.KICK"), &request);
    assert!(answer["error"].is_null(), "{answer}");
    assert!(client.wait_closed());
    let nobody = json!({ "cid": 1_000_000 }).to_string();
    let answer = ask(&mut admin, &format!("$SYS.REQ.SERVER.{id}.KICK"), &nobody);
    assert_eq!(answer["error"]["code"], 500, "{answer}");
}

#[test]
fn the_system_account_is_told_of_the_end() {
    for (signal, event) in [("INT", "SHUTDOWN"), ("USR2", "LAMEDUCK")] {
        let server = launch()
            .config(ACCOUNTS)
            .config("lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"100ms\"")
            .start();
        let mut admin = connect(&server, "admin");
        admin.send("SUB $SYS.SERVER.*.SHUTDOWN 1\r\nSUB $SYS.SERVER.*.LAMEDUCK 2\r\n");
        admin.expect_nothing();
        server.signal(signal);
        let message = next(&mut admin);
        assert!(message.subject.ends_with(event), "{}", message.subject);
        let told = body(&message);
        assert_eq!(told["name"], "SRV", "{told}");
    }
}
