//! A changed configuration file taken over by a running server: what changes, what it refuses,
//! and what happens to those who are connected.

use natsd_testkit::{DEADLINE, RawClient, Server, run, wait_until};

use crate::support::{SHARING, awaits, binary, launch, server};

/// Replaces the configuration and has the server read it. An error is the server's own line.
fn try_reload(server: &Server, config: &str) -> Result<(), String> {
    const MARKS: [&str; 2] = ["Reloaded server configuration", "Failed to reload"];
    let said = |server: &Server| -> Vec<String> {
        let log = server.log();
        let lines = log.lines().filter(|line| MARKS.iter().any(|mark| line.contains(mark)));
        lines.map(str::to_owned).collect()
    };
    let before = said(server).len();
    server.rewrite_config(config);
    server.signal("HUP");
    let line =
        wait_until("an answer to the reload", DEADLINE, || said(server).get(before).cloned());
    if line.contains(MARKS[0]) { Ok(()) } else { Err(line) }
}

#[track_caller]
fn reload(server: &Server, config: &str) {
    if let Err(line) = try_reload(server, config) {
        panic!("{line}");
    }
}

fn connect_json(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"verbose":false,"pedantic":false{comma}{fields}}}"#)
}

fn user(name: &str, password: &str) -> String {
    format!(r#""user":"{name}","pass":"{password}""#)
}

#[track_caller]
fn client(server: &Server, fields: &str) -> RawClient {
    server.client_with(&connect_json(fields))
}

/// A new connection with these fields must be refused.
#[track_caller]
fn check_refused(server: &Server, fields: &str) {
    let mut client = server.open();
    client.send(format!("CONNECT {}\r\nPING\r\n", connect_json(fields)));
    client.expect_eof("-ERR 'Authorization Violation'\r\n");
}

/// An old connection must be closed, told why or not.
#[track_caller]
fn check_closed(mut client: RawClient) {
    let received = client.read_to_eof();
    let text = String::from_utf8_lossy(&received);
    assert!(["", "-ERR 'Authorization Violation'\r\n"].contains(&text.as_ref()), "{text}");
}

/// Go: TestConfigReloadRotateUserAuthentication server/reload_test.go:717
/// Go: TestConfigReloadEnableUserAuthentication server/reload_test.go:779
/// Go: TestConfigReloadDisableUserAuthentication server/reload_test.go:840
/// Go: TestConfigReloadRotateTokenAuthentication server/reload_test.go:873
/// Go: TestConfigReloadEnableTokenAuthentication server/reload_test.go:930
/// Go: TestConfigReloadDisableTokenAuthentication server/reload_test.go:991
/// Go: TestConfigReloadEnableUsersAuthentication server/reload_test.go:1111
/// Go: TestConfigReloadDisableUsersAuthentication server/reload_test.go:1172
#[test]
fn authentication_can_be_changed() {
    let token = |token: &str| format!(r#""auth_token":"{token}""#);
    let none = ("", String::new());
    let first_user = ("authorization { user: tyler, password: T0p }", user("tyler", "T0p"));
    let second_user = ("authorization { user: derek, password: w0rd }", user("derek", "w0rd"));
    let first_token = ("authorization { token: T0p }", token("T0p"));
    let second_token = ("authorization { token: w0rd }", token("w0rd"));
    let users = (
        "authorization { users = [ {user: alice, password: foo}, {user: bob, password: bar} ] }",
        user("alice", "foo"),
    );
    for (before, after) in [
        (&first_user, &second_user),
        (&none, &first_user),
        (&first_user, &none),
        (&first_token, &second_token),
        (&none, &first_token),
        (&first_token, &none),
        (&none, &users),
        (&users, &none),
    ] {
        let server = server(before.0);
        let old = client(&server, &before.1);
        reload(&server, after.0);
        client(&server, &after.1).expect_nothing();
        if !after.0.is_empty() {
            check_refused(&server, &before.1);
            check_closed(old);
        }
    }
}

/// Go: TestConfigReloadRotateUsersAuthentication server/reload_test.go:1024
#[test]
fn config_reload_rotate_users_authentication() {
    let config = |alice: &str| {
        format!(
            "authorization {{ users = [ {{user: alice, password: {alice}}}, {{user: bob, password: bar}} ] }}"
        )
    };
    let server = server(&config("foo"));
    let alice = client(&server, &user("alice", "foo"));
    let mut bob = client(&server, &user("bob", "bar"));
    bob.send("SUB foo 1\r\n");
    bob.expect_nothing();
    reload(&server, &config("baz"));
    check_refused(&server, &user("alice", "foo"));
    client(&server, &user("alice", "baz")).expect_nothing();
    check_closed(alice);
    bob.send("PUB foo 5\r\nhello\r\n");
    bob.expect("MSG foo 1 5\r\nhello\r\n");
}

/// Go: TestConfigReloadChangePermissions server/reload_test.go:1205
/// Go: TestConfigReloadRevokesQueueSubscriptionWithQueueScopedDeny server/reload_test.go:1436
#[test]
fn config_reload_change_permissions() {
    let config = |publish: &str, subscribe: &str| {
        format!(
            "authorization {{ users = [ {{user: alice, password: foo}}, {{user: bob, password: bar, \
             permissions: {{ publish: {publish}, subscribe: {subscribe} }} }} ] }}"
        )
    };
    let server = server(&config("[\"req.>\"]", "{ allow: \">\", deny: \"foo.bar\" }"));
    let mut alice = client(&server, &user("alice", "foo"));
    let mut bob = client(&server, &user("bob", "bar"));
    bob.send(
        "SUB _INBOX.> 1\r\nSUB foo.* 2\r\nSUB admin.secret workers 3\r\nPUB req.foo 0\r\n\r\n",
    );
    bob.expect_nothing();
    let publish = |alice: &mut RawClient| {
        alice.send("PUB _INBOX.foo 1\r\na\r\nPUB foo.bar 1\r\nb\r\nPUB admin.secret 1\r\nc\r\n");
        alice.expect_nothing();
    };
    publish(&mut alice);
    bob.expect("MSG _INBOX.foo 1 1\r\na\r\nMSG admin.secret 3 1\r\nc\r\n");
    reload(
        &server,
        &config(
            "\"_INBOX.foo.bar\"",
            "{ allow: [\"foo.*\", \"_INBOX.foo.>\", \"admin.*\"], deny: \"admin.secret workers\" }",
        ),
    );
    // The connection stays, and is told what it lost, in any order.
    let mut told = [bob.line(), bob.line()];
    told.sort();
    assert_eq!(
        told,
        [
            "-ERR 'Permissions Violation for Subscription to \"_INBOX.>\" (sid \"1\")'",
            "-ERR 'Permissions Violation for Subscription to \"admin.secret\" using queue \"workers\" (sid \"3\")'",
        ]
    );
    publish(&mut alice);
    bob.expect("MSG foo.bar 2 1\r\nb\r\n");
    bob.send("PUB req.foo 0\r\n\r\n");
    bob.expect_line("-ERR 'Permissions Violation for Publish to \"req.foo\"'");
    bob.send("SUB _INBOX.foo.> 4\r\nPUB _INBOX.foo.bar 7\r\ntesting\r\n");
    bob.expect("MSG _INBOX.foo.bar 4 7\r\ntesting\r\n");
    bob.expect_nothing();
}

/// Go: TestConfigReloadUnsupportedHotSwapping server/reload_test.go:182
/// Go: TestConfigReloadMaxSubsUnsupported server/reload_test.go:2029
/// Go: TestConfigReloadInvalidConfig server/reload_test.go:204
/// Go: TestConfigReloadUnsupported server/reload_test.go:131
/// Go: TestConfigReloadValidate server/reload_test.go:4669
#[test]
fn what_cannot_be_changed_is_refused_and_nothing_changes() {
    let users = |names: &str| format!("no_auth_user: a\nauthorization {{ users [ {names} ] }}");
    let both = users("{user: a, password: a}, {user: b, password: b}");
    let cases = [
        ("", "listen: \"127.0.0.1:9999\"", "not supported"),
        ("max_subscriptions: 1", "max_subscriptions: 10", "not supported"),
        ("server_name: first", "server_name: second", "not supported"),
        ("max_pending: 10MB", "max_pending: 20MB", "not supported"),
        ("", "max_payload: yes_please", "server.conf:5"),
        ("", "nonsense: 1", "unknown field"),
        (&both, &users("{user: b, password: b}"), "no_auth_user"),
    ];
    for (before, after, text) in cases {
        let server = launch().monitoring().config(before).start();
        let state = || {
            let varz = server.get("/varz").json();
            [&varz["config_load_time"], &varz["max_payload"], &varz["server_name"], &varz["port"]]
                .map(ToString::to_string)
        };
        let old = state();
        let config = format!("http: \"127.0.0.1:-1\"\nmax_payload: 500\n{after}");
        let line = try_reload(&server, &config).expect_err(after);
        assert!(line.contains(text), "{after}: {line}");
        assert_eq!(state(), old, "{after}");
        server.client().expect_nothing();
    }
}

/// Go: TestConfigReloadNoConfigFile server/reload_test.go:118
#[test]
fn config_reload_no_config_file() {
    let server = launch().no_config().start();
    server.signal("HUP");
    let line = server.wait_log("Failed to reload server configuration");
    assert!(line.contains("[ERR]"), "{line}");
    server.client().expect_nothing();
}

/// Go: TestConfigReloadClientAdvertise server/reload_test.go:2044
#[test]
fn config_reload_client_advertise() {
    let server = server("");
    let own = (server.address().ip().to_string(), server.address().port());
    for (advertise, host, port) in [
        ("me:1", "me", 1),
        ("me", "me", own.1),
        ("me:-1", "me", own.1),
        ("", own.0.as_str(), own.1),
    ] {
        let config = if advertise.is_empty() {
            String::new()
        } else {
            format!("client_advertise: {advertise:?}")
        };
        reload(&server, &config);
        let info = server.open().info;
        assert_eq!((&info["host"], &info["port"]), (&host.into(), &port.into()), "{advertise}");
    }
}

/// Go: TestConfigReloadMaxConnections server/reload_test.go:2090
/// Go: TestConfigReloadMaxConnectionsPreventAll server/reload_test.go:2143
#[test]
fn config_reload_max_connections() {
    for (limit, left) in [(1, 1), (-1, 0)] {
        let server = launch().monitoring().start();
        let clients = [server.client(), server.client()];
        reload(&server, &format!("http: \"127.0.0.1:-1\"\nmax_connections: {limit}"));
        server.wait_monitor("/connz", "fewer connections", |connz| {
            (connz["num_connections"] == left).then_some(())
        });
        let mut newcomer = RawClient::dial(server.address());
        let received = newcomer.read_to_eof();
        let text = String::from_utf8_lossy(&received);
        assert!(text.ends_with("-ERR 'maximum connections exceeded'\r\n"), "{text}");
        let closed = clients
            .into_iter()
            .filter_map(|mut client| {
                client.try_send("PING\r\n").ok();
                client.wait_for(DEADLINE, |bytes| !bytes.is_empty());
                let text = client.line();
                (text != "PONG").then_some(text)
            })
            .collect::<Vec<_>>();
        assert_eq!(closed, vec!["-ERR 'maximum connections exceeded'"; 2 - left]);
    }
}

/// Go: TestConfigReloadMaxPayload server/reload_test.go:2197
/// Go: TestConfigReloadMaxControlLineWithClients server/reload_test.go:4111
#[test]
fn limits_hold_for_those_who_are_connected() {
    let server = server("");
    let mut subscriber = server.client();
    subscriber.send("SUB foo 1\r\n");
    subscriber.expect_nothing();
    let (mut big, mut long) = (server.client(), server.client());
    big.send("PUB foo 5\r\nhello\r\n");
    subscriber.expect("MSG foo 1 5\r\nhello\r\n");
    reload(&server, "max_payload: 1\nmax_control_line: 222");
    big.send("PUB foo 5\r\n");
    big.expect_eof("-ERR 'Maximum Payload Violation'\r\n");
    long.send(format!("PUB {} 1\r\nx\r\n", "a".repeat(300)));
    long.expect_eof("-ERR 'maximum control line exceeded'\r\n");
    subscriber.expect_nothing();
    assert_eq!(server.open().info["max_payload"], 1);
}

/// Go: TestConfigReloadRotateFiles server/reload_test.go:2260
/// Go: TestConfigReloadLogging server/reload_test.go:4542
#[test]
fn config_reload_rotate_files() {
    let config = |number: u32, trace: bool| {
        format!(
            "pid_file: \"$DIR/{number}.pid\"\nlog_file: \"$DIR/{number}.log\"\ntrace: {trace}\ndebug: {trace}"
        )
    };
    let server = server(&config(1, false));
    let read = |name: &str| {
        std::fs::read_to_string(server.folder().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let traffic = || {
        let mut client = server.client();
        client.send("SUB foo 1\r\nPUB foo 3\r\nbar\r\n");
        client.flush();
    };
    traffic();
    for (number, trace) in [(2, true), (3, false)] {
        server.rewrite_config(&config(number, trace));
        server.signal("HUP");
        server.wait_file(&format!("{number}.log"), "Reloaded server configuration");
        assert_eq!(read(&format!("{number}.pid")), server.pid().to_string());
        traffic();
    }
    // The old files can be taken away.
    for name in ["1.log", "2.log"] {
        std::fs::rename(server.folder().join(name), server.folder().join("old")).expect("rename");
        std::fs::rename(server.folder().join("old"), server.folder().join(name)).expect("rename");
    }
    for (name, traced) in [("1.log", false), ("2.log", true), ("3.log", false)] {
        let log = read(name);
        for mark in ["[TRC]", "[DBG]", "MSG_PAYLOAD"] {
            assert_eq!(log.contains(mark), traced, "{mark} in {name}:\n{log}");
        }
    }
}

/// Go: TestConfigReloadAccountUsers server/reload_test.go:2835
#[test]
fn config_reload_account_users() {
    let before = "accounts {
        synadia { users = [ {user: derek, password: derek}, {user: foo, password: foo} ] }
        nats.io { users = [ {user: ivan, password: ivan}, {user: bar, password: bar} ] }
        gone { users = [ {user: gone, password: soon}, {user: baz, password: baz} ] }
    }";
    let after = "authorization { users = [ {user: foo, password: foo} ] }
    accounts {
        synadia { users = [ {user: derek, password: derek}, {user: bar, password: bar} ] }
        nats.io { users = [ {user: baz, password: baz} ] }
    }";
    let server = launch().monitoring().config(before).start();
    let mut derek = client(&server, &user("derek", "derek"));
    let closed =
        [("ivan", "ivan"), ("gone", "soon"), ("foo", "foo"), ("bar", "bar"), ("baz", "baz")]
            .map(|(name, password)| client(&server, &user(name, password)));
    reload(&server, &format!("http: \"127.0.0.1:-1\"\n{after}"));
    // Who is gone or belongs elsewhere now is closed, and may come back to the new account.
    for client in closed {
        check_closed(client);
    }
    derek.expect_nothing();
    check_refused(&server, &user("ivan", "ivan"));
    check_refused(&server, &user("gone", "soon"));
    for (name, account) in [("foo", "$G"), ("bar", "synadia"), ("baz", "nats.io")] {
        let _client = client(&server, &user(name, name));
        // The connection that was closed may be listed a little longer.
        let path = format!("/connz?auth=1&user={name}");
        server.wait_monitor(&path, &format!("{name} in {account} alone"), |connz| {
            let connections = connz["connections"].as_array()?;
            (connections.len() == 1 && connections[0]["name_tag"] == account).then_some(())
        });
    }
    let accounts = server.get("/accountz").json()["accounts"].to_string();
    assert!(!accounts.contains("gone"), "{accounts}");
}

/// Go: TestConfigReloadAccountWithNoChanges server/reload_test.go:3052
/// Go: TestConfigReloadWithSysAccountOnly server/reload_test.go:4969
/// Go: TestConfigReloadDefaultSystemAccount server/reload_test.go:4856
#[test]
fn reloading_without_changes_disturbs_nobody() {
    for config in [
        "",
        "accounts { A { users = [{user: a, password: p}] }, sys { users = [{user: sys, password: p}] } }\nsystem_account: sys",
        "accounts { A { users = [{user: a, password: p}] } }",
        "accounts { $SYS { users = [{user: system, password: p}] } }",
    ] {
        let config = format!("http: \"127.0.0.1:-1\"\n{config}");
        let server = server(&config);
        let fields = if config.contains("user: a") { user("a", "p") } else { String::new() };
        let mut client = client(&server, &fields);
        client.send("SUB foo 1\r\n");
        client.expect_nothing();
        let state = || {
            let accounts = server.get("/accountz").json();
            (
                server.get("/varz").json()["subscriptions"].clone(),
                accounts["system_account"].clone(),
            )
        };
        let before = state();
        for _ in 0..3 {
            reload(&server, &config);
            assert_eq!(state(), before, "{config}");
        }
        client.send("PUB foo 2\r\nok\r\n");
        client.expect("MSG foo 1 2\r\nok\r\n");
    }
}

/// Go: TestConfigReloadAccountStreamsImportExport server/reload_test.go:3265
#[test]
fn config_reload_account_streams_import_export() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let config = |export: &str, deny: &str, import: &str, prefix: &str| {
        format!(
            "accounts {{
                synadia {{
                    users [ {{user: derek, password: foo}} ]
                    exports = [ {{stream: \"private.>\", accounts: [nats.io]}}, {{stream: {export:?}}} ]
                }}
                nats.io {{
                    users [ {{user: ivan, password: bar, permissions: {{subscribe: {{deny: {deny:?}}}}}}} ]
                    imports = [ {{stream: {{account: synadia, subject: {import:?}}}}},
                                {{stream: {{account: synadia, subject: \"private.natsio.*\"}}, prefix: {prefix:?}}} ]
                }}
            }}
            no_sys_acc: true"
        )
    };
    let server = server(&config("foo.*", "xxx", "foo.*", "ivan"));
    let mut derek = client(&server, &user("derek", "foo"));
    let mut ivan = client(&server, &user("ivan", "bar"));
    ivan.send("SUB foo.bar 1\r\nSUB foo.baz 2\r\nSUB foo.bat 3\r\nSUB ivan.private.natsio.* 4\r\n");
    ivan.send("SUB ivan.sub 5\r\n");
    ivan.expect_nothing();
    let mut heard = || -> Vec<String> {
        for subject in ["foo.bar", "foo.baz", "foo.bat", "private.natsio.foo"] {
            derek.send(format!("PUB {subject} 2\r\nok\r\n"));
        }
        derek.expect_nothing();
        ivan.send("PUB ivan.sub 2\r\nok\r\n");
        let received = ivan.flush();
        let text = String::from_utf8_lossy(&received).into_owned();
        text.lines().filter(|line| *line != "ok").map(str::to_owned).collect()
    };
    let bar = "MSG foo.bar 1 2";
    let baz = "MSG foo.baz 2 2";
    let bat = "MSG foo.bat 3 2";
    let private = "MSG ivan.private.natsio.foo 4 2";
    let own = "MSG ivan.sub 5 2";
    assert_eq!(heard(), [bar, baz, bat, private, own]);
    reload(&server, &config("foo.*", "foo.bat", "foo.baz", "yyyy"));
    let violation = "-ERR 'Permissions Violation for Subscription to \"foo.bat\" (sid \"3\")'";
    assert_eq!(heard(), [violation, baz, own]);
    reload(&server, &config("xxx", "foo.bat", "xxx", "ivan"));
    assert_eq!(heard(), [private, own]);
}

/// Go: TestClientSetPermissionsClearsStaleMsgDenyState server/client_test.go:1184
#[test]
fn what_is_no_longer_denied_is_delivered_to_old_subscriptions() {
    let config = |permissions: &str| {
        format!(
            "authorization {{ users [ {{user: u, password: p{permissions}}}, {{user: v, password: p}} ] }}"
        )
    };
    let server = server(&config(", permissions: { subscribe: { deny: \"foo.secret\" } }"));
    let mut receiver = client(&server, &user("u", "p"));
    let mut sender = client(&server, &user("v", "p"));
    receiver.send("SUB foo.* 1\r\n");
    receiver.expect_nothing();
    let mut publish = || {
        sender.send("PUB foo.secret 1\r\nx\r\nPUB foo.open 1\r\ny\r\n");
        sender.expect_nothing();
    };
    publish();
    receiver.expect("MSG foo.open 1 1\r\ny\r\n");
    receiver.expect_nothing();
    reload(&server, &config(""));
    publish();
    receiver.expect("MSG foo.secret 1 1\r\nx\r\nMSG foo.open 1 1\r\ny\r\n");
}

/// Go: TestConfigReloadAccountMappings server/reload_test.go:4908
#[test]
fn config_reload_account_mappings() {
    let config = |mappings: &str| {
        format!("accounts {{ ACC {{ users = [{{user: usr, password: pwd}}]\n{mappings} }} }}")
    };
    let server = server(&config("mappings = { foo: bar }"));
    let mut client = client(&server, &user("usr", "pwd"));
    client.send("SUB foo 1\r\nSUB bar 2\r\nSUB baz 3\r\n");
    client.expect_nothing();
    for (mappings, subject, sid) in [
        ("mappings = { foo: bar }", "bar", 2),
        ("mappings = { foo: baz }", "baz", 3),
        ("", "foo", 1),
    ] {
        reload(&server, &config(mappings));
        client.send("PUB foo 0\r\n\r\n");
        client.expect(format!("MSG {subject} {sid} 0\r\n\r\n"));
        client.expect_nothing();
    }
}

/// Go: TestConfigReloadAndVarz server/reload_test.go:4309
#[test]
fn config_reload_and_varz() {
    let base = "http: \"127.0.0.1:-1\"\n";
    let server = server(base);
    let digest_of_file = || {
        let path = server.config_path().display().to_string();
        let finished = run(&binary(), &["-t", "-c", &path]);
        let text = finished.stderr;
        let start = text.find("sha256:").expect("a digest");
        text[start..].trim_end().trim_end_matches(')').to_owned()
    };
    let mut last = String::new();
    for (config, limit) in [("", 65536), ("max_connections: 10", 10), ("max_connections: 11", 11)] {
        if limit < 65536 {
            reload(&server, &format!("{base}{config}"));
        }
        let varz = server.get("/varz").json();
        assert_eq!(varz["max_connections"], limit);
        assert_eq!(varz["config_digest"], digest_of_file());
        let time = varz["config_load_time"].as_str().expect("time").to_owned();
        assert!(time > last, "{time} {last}");
        last = time;
    }
}

/// Go: TestConfigReloadBoolFlags server/reload_test.go:3645
#[test]
fn flags_stay_over_the_file_when_it_is_read_again() {
    // Configuration, flags, and whether [DBG], [TRC] and a time are in the log.
    for (config, flags, expected) in [
        ("", &[][..], [false, false, true]),
        ("", &["-T"], [false, false, true]),
        ("logtime: false", &[], [false, false, false]),
        ("logtime: false", &["-logtime=true"], [false, false, true]),
        ("logtime: true", &["-T=false"], [false, false, false]),
        ("", &["-D"], [true, false, true]),
        ("debug: false", &["-D"], [true, false, true]),
        ("debug: true", &["-D=false"], [false, false, true]),
        ("", &["-V"], [false, true, true]),
        ("trace: true", &["-trace=false"], [false, false, true]),
        ("", &["-DV"], [true, true, true]),
        ("debug: false\ntrace: false", &["-DV"], [true, true, true]),
        ("debug: true\ntrace: true", &["-DV=false"], [false, false, true]),
    ] {
        let server = launch().config(config).args(flags).start();
        reload(&server, &format!("{config}\nmax_connections: 1000"));
        let reloaded = server.log().len();
        server.client().expect_nothing();
        // The line of the closed connection or of the second reload ends what is looked at.
        reload(&server, &format!("{config}\nmax_connections: 1001"));
        let log = server.log()[reloaded..].to_owned();
        let with_time =
            log.lines().all(|line| line.split(' ').nth(1).is_some_and(|word| word.contains('/')));
        let found = [log.contains("[DBG]"), log.contains("[TRC]"), with_time];
        assert_eq!(found, expected, "{config} {flags:?}:\n{log}");
    }
}
