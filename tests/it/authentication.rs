//! Who may connect, and what each may publish and subscribe to.

use natsd_testkit::{DEADLINE, RawClient, Server, wait_until};
use serde_json::{Value, json};

use crate::support::{launch, server};

const VIOLATION: &str = "-ERR 'Authorization Violation'";
/// `foo`, hashed.
const HASHED_FOO: &str = "$2a$04$P/.bd.7unw9Ew7yWJqXsl.f4oNRLQGvadEL2YnqQXbbb.IVQajRdK";

/// Sends CONNECT with these fields, verbose, and returns the first line of the answer.
#[track_caller]
fn log_in(server: &Server, fields: &str) -> (RawClient, String) {
    let mut client = server.open();
    let comma = if fields.is_empty() { "" } else { "," };
    client.send(format!("CONNECT {{\"verbose\":true,\"pedantic\":false{comma}{fields}}}\r\n"));
    let line = client.line();
    (client, line)
}

/// The server must ask for authentication and answer CONNECT with these fields so.
#[track_caller]
fn check_log_in(server: &Server, fields: &str, accepted: bool) {
    let (mut client, line) = log_in(server, fields);
    assert_eq!(client.info["auth_required"], true);
    assert_eq!(line, if accepted { "+OK" } else { VIOLATION }, "CONNECT with {fields}");
    assert!(accepted || client.wait_closed());
}

/// Go: TestNoAuthClient test/auth_test.go:62
/// Go: TestAuthClientBadToken test/auth_test.go:72
/// Go: TestAuthClientGoodConnect test/auth_test.go:93
/// Go: TestBadBcryptToken test/auth_test.go:218
/// Go: TestGoodBcryptToken test/auth_test.go:228
/// Go: TestTokenInConfig test/client_auth_test.go:73
#[test]
fn tokens() {
    let hash = "$2a$04$u5ZClXpcjHgpfc61Ee0VKuwI1K3vTC4zq7SjphjnlHMeb1Llkb5Y6";
    for (configured, good, bad) in
        [("_YZZ22_", "_YZZ22_", "ZZZ"), (hash, "0uhJOSr3GW7xvHvtd^K6pa", hash)]
    {
        let server = server(&format!("authorization {{ token: {configured:?}, timeout: 5 }}"));
        check_log_in(&server, "", false);
        check_log_in(&server, r#""auth_token":"","user":"","pass":"""#, false);
        check_log_in(&server, &format!(r#""auth_token":"{bad}""#), false);
        check_log_in(&server, &format!(r#""auth_token":"{good}""#), true);
    }
}

/// Go: TestNoUserOrPasswordClient test/auth_test.go:128
/// Go: TestBadUserClient test/auth_test.go:138
/// Go: TestBadPasswordClient test/auth_test.go:148
/// Go: TestPasswordClientGoodConnect test/auth_test.go:158
/// Go: TestBadBcryptPassword test/auth_test.go:184
/// Go: TestGoodBcryptPassword test/auth_test.go:194
#[test]
fn user_and_password() {
    let hash = "$2a$04$Q.CgCP2Sl9pkcTXEZHazaeMwPaAkSHk7AI51HkyMt5iJQQyUA4qxq";
    for (configured, good, bad) in
        [("foobar", "foobar", "ZZ"), (hash, "IW@$6v(y1(t@fhPDvf!5^%", hash)]
    {
        let server = server(&format!("authorization {{ user: derek, password: {configured:?} }}"));
        check_log_in(&server, "", false);
        check_log_in(&server, r#""user":"","pass":"""#, false);
        check_log_in(&server, &format!(r#""user":"derekzz","pass":"{good}""#), false);
        check_log_in(&server, &format!(r#""user":"derek","pass":"{bad}""#), false);
        check_log_in(&server, &format!(r#""user":"derek","pass":"{good}""#), true);
    }
}

/// Go: TestMultipleUserAuth test/client_auth_test.go:30
#[test]
fn multiple_user_auth() {
    let server = server(
        "authorization { users = [ {user: alice, password: foo}\n{user: bob, password: bar} ] }",
    );
    for (user, password, accepted) in
        [("alice", "foo", true), ("bob", "bar", true), ("alice", "bar", false), ("eve", "", false)]
    {
        check_log_in(&server, &format!(r#""user":"{user}","pass":"{password}""#), accepted);
    }
}

/// Go: TestAuthClientNoConnect test/auth_test.go:82
/// Go: TestAuthorizationTimeout server/client_test.go:1440
#[test]
fn silence_is_no_authentication() {
    let server = server("authorization { token: t, timeout: 0.2 }");
    server.open().expect_eof("-ERR 'Authentication Timeout'\r\n");
}

/// Go: TestAuthClientFailOnEverythingElse test/auth_test.go:103
#[test]
fn auth_client_fail_on_everything_else() {
    let server = server("authorization { token: t }");
    for operation in ["PUB foo 2\r\nok\r\n", "SUB foo 1\r\n", "PING\r\n", "PONG\r\n"] {
        let mut client = server.open();
        client.send(operation);
        client.expect_eof(&format!("{VIOLATION}\r\n"));
    }
}

const PERMISSIONS: &str = r#"
ADMIN = { publish = ">", subscribe = ">" }
REQUESTOR = { publish = ["req.foo", "req.bar"], subscribe = "_INBOX.*" }
DEFAULT = { publish = "SANDBOX.*", subscribe = ["PUBLIC.>", "_INBOX.>"] }
NEW_STYLE = {
  publish = { allow = "*.*", deny = ["SYS.*", "bar.baz", "foo.*"] }
  subscribe = { allow = ["foo.*", "SYS.TEST.>"], deny = ["foo.baz", "SYS.*"] }
}
NS_PUB = { publish = "foo.baz", subscribe = "foo.baz" }
SERVICE = { subscribe = "my.service.req", publish_allow_responses: true }
STREAM_SERVICE = { subscribe = "my.service.req", allow_responses = {max: 10, ttl: "1m"} }
SHORT_SERVICE = { subscribe = "my.service.req", allow_responses = {max: 1000000, ttl: "50ms"} }
PASS: $HASH
authorization {
  default_permissions: $DEFAULT
  users = [
    {user: alice, password: $PASS, permissions: $ADMIN}
    {user: bob, password: $PASS, permissions: $REQUESTOR}
    {user: joe, password: $PASS}
    {user: ns, password: $PASS, permissions: $NEW_STYLE}
    {user: ns-pub, password: $PASS, permissions: $NS_PUB}
    {user: svca, password: $PASS, permissions: $SERVICE}
    {user: svcb, password: $PASS, permissions: $STREAM_SERVICE}
    {user: svcc, password: $PASS, permissions: $SHORT_SERVICE}
  ]
}
"#;

fn server_with_permissions() -> Server {
    server(&PERMISSIONS.replace("$HASH", HASHED_FOO))
}

#[track_caller]
fn user(server: &Server, name: &str) -> RawClient {
    let (client, line) = log_in(server, &format!(r#""user":"{name}","pass":"foo""#));
    assert_eq!(line, "+OK", "{name}");
    client
}

/// Publishes or subscribes; the answer must be `+OK` or a permissions violation.
#[track_caller]
fn check_allowed(client: &mut RawClient, operation: &str, allowed: bool) {
    let payload = if operation.starts_with("PUB") { "ok\r\n" } else { "" };
    client.send(format!("{operation}\r\n{payload}"));
    let line = client.line();
    if allowed {
        assert_eq!(line, "+OK", "{operation}");
    } else {
        assert!(line.starts_with("-ERR 'Permissions Violation for "), "{operation}: {line}");
    }
}

/// Go: TestUserAuthorizationProto test/user_authorization_test.go:26
#[test]
fn user_authorization_proto() {
    let server = server_with_permissions();
    let cases: [(&str, &[(&str, bool)]); 5] = [
        ("alice", &[("PUB foo 2", true), ("SUB bar 1", true), ("PUB _ 2", true)]),
        (
            "bob",
            &[
                ("SUB foo 1", false),
                ("PUB foo 2", false),
                ("SUB _INBOX.abcd 1", true),
                ("PUB req.foo 2", true),
                ("PUB req.bar 2", true),
            ],
        ),
        (
            "joe",
            &[
                ("SUB foo.bar.* 1", false),
                ("PUB foo.bar.baz 2", false),
                ("SUB _INBOX.abcd 1", true),
                ("SUB PUBLIC.abcd 1", true),
                ("PUB SANDBOX.foo 2", true),
                ("PUB SANDBOX.bar 2", true),
                ("PUB SANDBOX.foo.bar 2", false),
            ],
        ),
        (
            "ns",
            &[
                ("PUB SANDBOX.foo 2", true),
                ("PUB baz.bar 2", true),
                ("PUB baz.foo 2", true),
                ("PUB foo 2", false),
                ("PUB bar 2", false),
                ("PUB foo.bar 2", false),
                ("PUB foo.bar.baz 2", false),
                ("PUB SYS.1 2", false),
                ("SUB foo.bar 1", true),
                ("SUB foo.foo 1", true),
                ("SUB foo 1", false),
                ("SUB foo.baz 1", false),
                ("SUB foo.bar.baz 2", false),
                ("SUB > 3", false),
                ("SUB SYS.> 4", false),
                ("SUB SYS.TEST.foo 5", true),
                ("SUB SYS.bar 5", false),
            ],
        ),
        ("ns-pub", &[("PUB foo.baz 2", true), ("SUB foo.baz 1", true), ("PUB foo.bar 2", false)]),
    ];
    for (name, operations) in cases {
        let mut client = user(&server, name);
        for (operation, allowed) in operations {
            check_allowed(&mut client, operation, *allowed);
        }
    }
    // A wider subscription passes, and hears nothing of what is denied.
    let mut wide = user(&server, "ns");
    check_allowed(&mut wide, "SUB foo.* 1", true);
    check_allowed(&mut wide, "SUB foo.* bar 2", true);
    let mut publisher = user(&server, "ns-pub");
    check_allowed(&mut publisher, "PUB foo.baz 2", true);
    wide.expect_nothing();
    // Queue delivery goes round the member that may not have the message.
    check_allowed(&mut publisher, "SUB foo.baz bar 2", true);
    for _ in 0..20 {
        publisher.send("PUB foo.baz 2\r\nok\r\n");
        publisher.expect("+OK\r\nMSG foo.baz 2 2\r\nok\r\n");
    }
}

/// Go: TestUserAuthorizationAllowResponses test/user_authorization_test.go:226
#[test]
fn user_authorization_allow_responses() {
    let server = server_with_permissions();
    let mut requestor = user(&server, "alice");
    let mut request = |service: &mut RawClient, reply: &str| {
        requestor.send(format!("PUB my.service.req {reply} 2\r\nok\r\n"));
        requestor.expect_line("+OK");
        assert_eq!(service.message().reply, reply);
    };
    for (name, allowed_count) in [("svca", 1), ("svcb", 10)] {
        let mut service = user(&server, name);
        check_allowed(&mut service, "SUB my.service.req 1", true);
        request(&mut service, "resp.bar.22");
        // What is not the reply is not allowed, and costs nothing.
        check_allowed(&mut service, "PUB resp.bar.33 2", false);
        let answers = "PUB resp.bar.22 2\r\nok\r\n".repeat(allowed_count + 1);
        service.send(answers);
        service.expect("+OK\r\n".repeat(allowed_count));
        service.expect_line("-ERR 'Permissions Violation for Publish to \"resp.bar.22\"'");
    }
    // The permission also ends by itself.
    let mut service = user(&server, "svcc");
    check_allowed(&mut service, "SUB my.service.req 1", true);
    request(&mut service, "resp.bar.11");
    check_allowed(&mut service, "PUB resp.bar.11 2", true);
    wait_until("the permission to answer has ended", DEADLINE, || {
        service.send("PUB resp.bar.11 2\r\nok\r\n");
        service.line().starts_with("-ERR 'Permissions Violation").then_some(())
    });
}

/// Go: TestResponsePermissions server/client_test.go:2170
#[test]
fn response_permissions() {
    // Limit in configuration, replies sent, replies that pass.
    for (limits, sent, passed) in [
        ("max: 2, expires: \"1h\"", 10, 2),
        ("max: 3, expires: \"-1ms\"", 3, 3),
        ("max: 1000, expires: \"1h\"", 20, 20),
        ("max: -1, expires: \"1h\"", 20, 20),
    ] {
        let server = server(&format!(
            "authorization {{ users = [ \
             {{user: service, password: pwd, permissions: {{ allow_responses: {{ {limits} }} }} }}, \
             {{user: ivan, password: pwd}} ] }}"
        ));
        let connect = |name: &str| {
            server.client_with(&format!(
                r#"{{"verbose":false,"pedantic":false,"user":"{name}","pass":"pwd"}}"#
            ))
        };
        let (mut service, mut client) = (connect("service"), connect("ivan"));
        service.send("SUB request 1\r\n");
        service.expect_nothing();
        client.send("SUB reply 1\r\nPUB request reply 4\r\nreq1\r\n");
        assert_eq!(service.message().reply, "reply");
        service.send("PUB reply 5\r\nreply\r\n".repeat(sent));
        let errors = String::from_utf8_lossy(&service.flush()).matches("-ERR").count();
        assert_eq!(errors, sent - passed, "{limits}");
        let received = client.flush();
        let expected = "MSG reply 1 5\r\nreply\r\n".repeat(passed);
        assert_eq!(String::from_utf8_lossy(&received), expected, "{limits}");
    }
}

/// Go: TestQueueSubscribePermissions server/client_test.go:908
#[test]
fn queue_subscribe_permissions() {
    let cases: [(&str, &str, &str, bool); 17] = [
        (r#"allow: "foo""#, "foo", "", true),
        (r#"allow: "foo bar""#, "foo", "bar", true),
        (r#"allow: "foo bar.*""#, "foo", "bar.fizz", true),
        (r#"allow: "> bar.>""#, "whizz", "bar.bang", true),
        (r#"allow: "> bar.>""#, "whizz", "", false),
        (r#"allow: ">", deny: "foo""#, "foo", "bar", false),
        (r#"allow: ">", deny: "foo""#, "bar", "", true),
        (r#"allow: ">", deny: ">""#, "foo", "bar", false),
        (r#"allow: "> v1.>""#, "foo", "v1.prod", true),
        (r#"allow: ">", deny: "> >""#, "foo", "", true),
        (r#"deny: "> >""#, "foo", "bar", false),
        (r#"deny: ["> *.dev", "> *.stg"]"#, "foo", "bar", true),
        (r#"allow: ["> *.dev", "> *.stg"]"#, "foo", "bar", false),
        (r#"deny: "foo >""#, "foo", "bar", false),
        (r#"allow: "foo bar""#, "foo", "fizz", false),
        (r#"allow: "foo""#, "foo", "bar", true),
        (r#"allow: ">", deny: ["admin.>", "> restricted"]"#, "admin.secret", "workers", false),
    ];
    let users: String = cases
        .iter()
        .enumerate()
        .map(|(index, (permissions, ..))| {
            format!("{{user: u{index}, password: foo, permissions: {{ subscribe: {{ {permissions} }} }} }}\n")
        })
        .collect();
    let server = server(&format!("authorization {{ users = [ {users} ] }}"));
    for (index, (permissions, subject, queue, allowed)) in cases.iter().enumerate() {
        let mut client = user(&server, &format!("u{index}"));
        client.send(format!("SUB {subject} {queue} 1\r\n"));
        let using =
            if queue.is_empty() { String::new() } else { format!(" using queue \"{queue}\"") };
        let expected = if *allowed {
            "+OK".to_owned()
        } else {
            format!("-ERR 'Permissions Violation for Subscription to \"{subject}\"{using}'")
        };
        assert_eq!(client.line(), expected, "{permissions}: {subject} {queue}");
    }
}

/// What is denied, what is subscribed (queue last), what is published, which sids hear it.
type Denial =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Go: TestClientSubscribeDenyWildcardOverlapBlocksDelivery server/client_test.go:1059
/// Go: TestClientQueueScopedSubscribeDenyBlocksOnlyMatchingQueue server/client_test.go:1117
#[test]
fn denied_subjects_are_not_delivered_to_wider_subscriptions() {
    let cases: [Denial; 6] = [
        ("*.secret", &["foo.* workers"], &["foo.secret", "foo.public"], &["foo.public 1"]),
        ("foo.*.bar", &["foo.baz.* workers"], &["foo.baz.bar", "foo.baz.qux"], &["foo.baz.qux 1"]),
        ("*.*.bar", &["foo.*.* workers"], &["foo.baz.bar", "foo.baz.qux"], &["foo.baz.qux 1"]),
        ("a.>", &["*.b workers"], &["a.b", "z.b"], &["z.b 1"]),
        (
            "admin.secret workers",
            &["admin.* workers", "admin.* auditors", "admin.*"],
            &["admin.secret"],
            &["admin.secret 2", "admin.secret 3"],
        ),
        (
            "admin.secret work.*",
            &["admin.* work.prod", "admin.* audit.prod", "admin.*"],
            &["admin.secret"],
            &["admin.secret 2", "admin.secret 3"],
        ),
    ];
    for (deny, subscriptions, published, heard) in cases {
        let server = server(&format!(
            "authorization {{ users = [ {{user: attacker, password: foo, permissions: \
             {{ subscribe: {{ allow: \">\", deny: {deny:?} }} }} }}, \
             {{user: publisher, password: foo}} ] }}"
        ));
        let mut attacker = user(&server, "attacker");
        for (index, subscription) in subscriptions.iter().enumerate() {
            check_allowed(&mut attacker, &format!("SUB {subscription} {}", index + 1), true);
        }
        let mut publisher = user(&server, "publisher");
        for subject in published {
            check_allowed(&mut publisher, &format!("PUB {subject} 2"), true);
        }
        let received = attacker.flush();
        let text = String::from_utf8_lossy(&received);
        let mut lines: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("MSG ")?.strip_suffix(" 2"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        assert_eq!(lines, heard, "deny {deny}");
    }
}

/// Asks the server who we are.
#[track_caller]
fn user_info(client: &mut RawClient) -> Value {
    client.send("SUB _INBOX.me 99\r\nPUB $SYS.REQ.USER.INFO _INBOX.me 0\r\n\r\n");
    let message = client.message();
    serde_json::from_slice::<Value>(&message.payload).expect("JSON")["data"].clone()
}

const QUIET_FIELDS: &str = r#""verbose":false,"pedantic":false"#;

/// Go: TestNoAuthUser server/auth_test.go:263
/// Go: TestNoAuthUserNkey server/auth_test.go:321
/// Go: TestClientAuthRequiredNoAuthUser server/client_test.go:3048
#[test]
fn no_auth_user() {
    let nkey = "UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON";
    for (name, second) in [
        ("foo", r#"{user: bar, password: pwd2}"#.to_owned()),
        (nkey, format!("{{nkey: {nkey}}}, {{user: bar, password: pwd2}}")),
    ] {
        let server = server(&format!(
            "accounts {{ FOO {{ users [{{user: foo, password: pwd1}}] }}, BAR {{ users [{second}] }} }}\n\
             no_auth_user: {name}"
        ));
        let own_account = if name == "foo" { "FOO" } else { "BAR" };
        for (fields, account) in [
            ("", Some((name, own_account))),
            (r#","user":"bar","pass":"pwd2""#, Some(("bar", "BAR"))),
            (r#","user":"bar","pass":"wrong""#, None),
            (r#","auth_token":"sometoken""#, None),
            (r#","auth_token":"bar""#, None),
            (r#","user":"bar","pass":"""#, None),
        ] {
            let mut client = server.open();
            assert!(client.info["auth_required"].is_null(), "{}", client.info);
            client.send(format!("CONNECT {{{QUIET_FIELDS}{fields}}}\r\n"));
            match account {
                Some((user, account)) => {
                    let info = user_info(&mut client);
                    assert_eq!((&info["user"], &info["account"]), (&json!(user), &json!(account)));
                }
                None => client.expect_eof(&format!("{VIOLATION}\r\n")),
            }
        }
    }
}

/// Go: TestNoAuthUserNoConnectProto server/auth_test.go:389
/// Go: TestParsePingNoAuthUserExceptionsAndRestrictions server/parser_test.go:702
/// Go: TestParsePingNoAuthUserEnforcesUserRestrictions server/parser_test.go:759
#[test]
fn no_auth_user_needs_no_connect() {
    let config = |fields: &str| {
        format!(
            "accounts {{ A {{ users [{{user: foo, password: pwd{fields}}}] }} }}\n\
             authorization {{ timeout: 0.3 }}\nno_auth_user: foo"
        )
    };
    let open = server(&config(""));
    for operation in ["PUB foo 2\r\nok\r\nPING\r\n", "PING\r\n"] {
        let mut client = open.open();
        client.send(operation);
        assert_eq!(client.read_to_pong(), if operation.len() > 6 { &b"+OK\r\n"[..] } else { b"" });
        // The user stays after the time for authentication.
        assert!(!client.wait_for(std::time::Duration::from_millis(400), |_| false));
        client.expect_nothing();
    }
    // Whoever says nothing at all is closed all the same.
    open.open().expect_eof("-ERR 'Authentication Timeout'\r\n");
    let websocket_only = server(&config(", allowed_connection_types: [\"WEBSOCKET\"]"));
    let mut client = websocket_only.open();
    client.send("PING\r\n");
    client.expect_eof(&format!("{VIOLATION}\r\n"));
}

/// Go: TestClientConnectInfo test/client_auth_test.go:98
#[test]
fn client_connect_info() {
    for explicit in ["system_account: SYS", ""] {
        let server = server(&format!(
            "accounts {{ SYS: {{ users: [{{user: sys, password: pwd}}] }}, \
             A: {{ users: [{{user: a, password: pwd}}] }}, \
             B: {{ users: [{{user: b, password: pwd}}] }} }}\n{explicit}"
        ));
        for (user, account, system) in
            [("a", "A", false), ("sys", "SYS", !explicit.is_empty()), ("b", "B", false)]
        {
            for protocol in [0, 1] {
                let mut client = server.client_with(&format!(
                    r#"{{{QUIET_FIELDS},"user":"{user}","pass":"pwd","protocol":{protocol}}}"#
                ));
                if protocol == 0 {
                    client.expect_nothing();
                    continue;
                }
                let info = client.read_info();
                assert_eq!(info["connect_info"], true);
                assert_eq!(info["remote_account"], account);
                assert_eq!(info["acc_is_sys"].as_bool().unwrap_or(false), system);
            }
        }
    }
}

/// Go: TestClientUserInfoReq server/client_test.go:3069
#[test]
fn client_user_info_req() {
    let server = server(
        r#"
        PERMS = {
            publish = { allow: "$SYS.REQ.>", deny: "$SYS.REQ.ACCOUNT.>" }
            subscribe = "_INBOX.>"
            allow_responses: true
        }
        accounts: {
            A: { users: [ { user: dlc, password: pass, permissions: $PERMS } ] }
            $SYS { users = [ { user: "admin", pass: "s3cr3t!" } ] }
        }
        no_auth_user: dlc
        "#,
    );
    let mut client = server.client_with(&format!("{{{QUIET_FIELDS}}}"));
    assert_eq!(
        user_info(&mut client),
        json!({
            "user": "dlc",
            "account": "A",
            "account_name": "A",
            "permissions": {
                "publish": {"allow": ["$SYS.REQ.>"], "deny": ["$SYS.REQ.ACCOUNT.>"]},
                "subscribe": {"allow": ["_INBOX.>"]},
                "responses": {"max": 1, "ttl": 120_000_000_000_u64},
            },
        })
    );
    let mut admin =
        server.client_with(&format!(r#"{{{QUIET_FIELDS},"user":"admin","pass":"s3cr3t!"}}"#));
    assert_eq!(
        user_info(&mut admin),
        json!({"user": "admin", "account": "$SYS", "account_name": "$SYS"})
    );
}

/// Go: TestClientRepeatConnectSwitchesAccountAndCleansOldSubs server/client_test.go:4683
#[test]
fn client_repeat_connect_switches_account_and_cleans_old_subs() {
    let server = launch()
        .monitoring()
        .config(
            "accounts: { A: { users: [{user: ua, password: p}] }, \
             B: { users: [{user: ub, password: p}] } }",
        )
        .start();
    let connect = |user: &str| format!(r#"{{{QUIET_FIELDS},"user":"{user}","pass":"p"}}"#);
    for (second, account) in [("ub", "B"), ("ua", "A")] {
        let mut client = server.client_with(&connect("ua"));
        client.send("SUB foo 1\r\n");
        client.expect_nothing();
        client.send(format!("CONNECT {}\r\n", connect(second)));
        client.expect_nothing();
        let connz = server.get("/connz?auth=1&subs=1").json();
        assert_eq!(connz["connections"][0]["account"], account);
        assert_eq!(connz["connections"][0]["subscriptions"], 0);
        let mut publisher = server.client_with(&connect("ua"));
        publisher.send("PUB foo 2\r\nno\r\n");
        publisher.expect_nothing();
        client.expect_nothing();
        drop((client, publisher));
        server.wait_monitor("/connz", "no connection", |connz| {
            (connz["num_connections"] == 0).then_some(())
        });
    }
}

/// The reasons of all closed connections, oldest first, once there are `count`.
#[track_caller]
fn closed_reasons(server: &Server, count: usize) -> Vec<String> {
    server.wait_monitor("/connz?state=closed", "closed connections", |connz| {
        let connections = connz["connections"].as_array()?;
        (connections.len() == count).then(|| {
            connections
                .iter()
                .map(|connection| connection["reason"].as_str().unwrap_or_default().to_owned())
                .collect()
        })
    })
}

/// Go: TestClosedAuthorizationTimeout server/closed_conns_test.go:143
/// Go: TestClosedAuthorizationViolation server/closed_conns_test.go:164
/// Go: TestClosedUPAuthorizationViolation server/closed_conns_test.go:187
/// Go: TestClosedMaxPayload server/closed_conns_test.go:219
#[test]
fn closed_connections_keep_their_reason() {
    let cases = [
        ("authorization { token: t, timeout: 0.2 }", "", "Authentication Timeout"),
        ("authorization { token: t }", "CONNECT {}\r\n", "Authentication Failure"),
        (
            "authorization { user: u, password: p }",
            "CONNECT {\"user\":\"u\",\"pass\":\"x\"}\r\n",
            "Authentication Failure",
        ),
        ("max_payload: 100", "PUB foo.bar 1024\r\n", "Maximum Message Payload Exceeded"),
        ("", "ZZZ\r\n", "Protocol Violation"),
        (
            "max_control_line: 100",
            &format!("PUB {}", "a".repeat(200)),
            "Maximum Control Line Exceeded",
        ),
    ];
    for (config, sent, reason) in cases {
        let server = launch().monitoring().config(config).start();
        let mut client = server.open();
        client.send(sent);
        assert!(client.wait_closed(), "{reason}");
        assert_eq!(closed_reasons(&server, 1), [reason]);
    }
}

/// Go: TestClosedConnsAccounting server/closed_conns_test.go:46
/// Go: TestClosedConnsSubsAccounting server/closed_conns_test.go:102
#[test]
fn closed_conns_accounting() {
    let server = launch().monitoring().config("max_closed_clients: 10").start();
    let mut ids = Vec::new();
    for round in 0..22 {
        let mut client = server.client();
        for sid in 0..round {
            client.send(format!("SUB foo.{sid} {sid}\r\n"));
        }
        client.expect_nothing();
        ids.push(client.info["client_id"].as_u64().expect("client id"));
        drop(client);
        wait_until("the connection is gone", DEADLINE, || {
            (server.get("/connz").json()["num_connections"] == 0).then_some(())
        });
    }
    let connz = server.wait_monitor("/connz?state=closed&subs=1&sort=cid", "all closed", |connz| {
        (connz["connections"].as_array()?.last()?["cid"] == ids[21]).then(|| connz.clone())
    });
    let connections = connz["connections"].as_array().expect("connections");
    let kept: Vec<u64> =
        connections.iter().map(|connection| connection["cid"].as_u64().expect("cid")).collect();
    assert_eq!(kept, ids[12..]);
    for (connection, count) in connections.iter().zip(12..) {
        assert_eq!(connection["subscriptions_list"].as_array().map(Vec::len), Some(count));
        assert_eq!(connection["reason"], "Client Closed");
    }
}

/// Go: TestNoAuthUserCode server/opts_test.go:2919
#[test]
fn no_auth_user_code() {
    let prepared = |name: &str| {
        launch()
            .config(
                "no_auth_user: $NO_AUTH_USER
                 accounts {
                     synadia { users [ {user: a, password: a},
                         {nkey: UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E} ] }
                     acc { users [ {user: c, password: c} ] }
                 }
                 authorization { users [ {user: b, password: b} ] }",
            )
            .env("NO_AUTH_USER", name)
    };
    for user in ["a", "b"] {
        let server = prepared(user).start();
        assert_eq!(user_info(&mut server.client())["user"], user);
    }
    for stranger in ["notthere", "UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2F"] {
        let finished = prepared(stranger).finish();
        assert_eq!(finished.code, Some(1), "{stranger}: {}", finished.stderr);
        assert!(finished.stderr.contains("no_auth_user"), "{stranger}: {}", finished.stderr);
    }
}

/// Go: TestQueuePermissions server/opts_test.go:3184
#[test]
fn queue_permissions() {
    for (kind, queue, refused) in [
        ("allow", "queue.dev", false),
        ("allow", "", true),
        ("allow", "bad", true),
        ("deny", "", false),
        ("deny", "queue.dev", true),
    ] {
        let server = server(&format!(
            "no_auth_user: u
             authorization {{ users [ {{ user: u, password: pwd,
                 permissions: {{ sub: {{ {kind}: [\"foo.> *.dev\"] }} }} }} ] }}"
        ));
        let mut client = server.client();
        client.send(format!("SUB foo.bar {queue} 1\r\n"));
        let answer = String::from_utf8_lossy(&client.flush()).into_owned();
        let violation = "Permissions Violation for Subscription to \"foo.bar\"";
        assert_eq!(answer.contains(violation), refused, "{kind} {queue:?}: {answer}");
        assert_eq!(answer.is_empty(), !refused, "{kind} {queue:?}: {answer}");
    }
}

/// Go: TestMaxSubTokens server/opts_test.go:3359
#[test]
fn max_sub_tokens() {
    let server = server("max_sub_tokens: 4");
    let mut client = server.client();
    client.send("SUB a.b.c.d 1\r\n");
    client.expect_nothing();
    client.send("SUB a.b.c.d.e 2\r\n");
    let answer = String::from_utf8_lossy(&client.flush()).into_owned();
    assert!(answer.contains("a.b.c.d.e") && answer.contains("too many tokens"), "{answer}");
}

/// Go: TestClientPublicPermissionsPreservesQueueQualifier server/client_test.go:1210
#[test]
fn client_public_permissions_preserves_queue_qualifier() {
    let server = server(
        "authorization { users [ { user: u, password: p, permissions: { subscribe: {
             allow: [\"events.* readers\", \"_INBOX.>\"], deny: [\"admin.secret workers\"] } } } ] }",
    );
    let mut client = server.client_with(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let subscribe = user_info(&mut client)["permissions"]["subscribe"].clone();
    let mut allow: Vec<&str> =
        subscribe["allow"].as_array().expect("list").iter().filter_map(Value::as_str).collect();
    allow.sort_unstable();
    assert_eq!(allow, ["_INBOX.>", "events.* readers"]);
    assert_eq!(subscribe["deny"], json!(["admin.secret workers"]));
}
