//! Accounts: apart from each other, sharing streams and services, mapping subjects, limited.

use natsd_testkit::{RawClient, Server};

use crate::support::{SHARING, awaits, launch};

/// A server with these accounts, as name and what its block holds. Each has one user of its name.
#[track_caller]
fn accounts(list: &[(&str, &str)]) -> Server {
    launch().monitoring().config(&config(list)).start()
}

fn config(list: &[(&str, &str)]) -> String {
    let blocks: String = list
        .iter()
        .map(|(name, body)| {
            format!("{name} {{ users [ {{user: {name}, password: p}} ]\n{body} }}\n")
        })
        .collect();
    format!("accounts {{ {blocks} }}")
}

#[track_caller]
fn connect(server: &Server, user: &str) -> RawClient {
    server.client_with(&format!(
        r#"{{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"user":"{user}","pass":"p"}}"#
    ))
}

/// Sends operations and waits until they are done; nothing may be answered.
#[track_caller]
fn perform(client: &mut RawClient, operations: &str) {
    client.send(operations);
    client.expect_nothing();
}

/// What a client has received, as `subject sid payload` of each message.
#[track_caller]
fn heard(client: &mut RawClient) -> Vec<String> {
    let received = client.flush();
    let text = String::from_utf8_lossy(&received).into_owned();
    let mut lines = text.lines();
    let mut messages = Vec::new();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "MSG", "{text}");
        messages.push(format!("{} {} {}", words[1], words[2], lines.next().unwrap_or_default()));
    }
    messages.sort();
    messages
}

/// One account publishes, another hears what its imports make of it.
#[track_caller]
fn check_stream(export: &str, import: &str, cases: &[(&str, &str, &[&str])]) {
    let server = accounts(&[
        ("foo", &format!("exports [ {export} ]")),
        ("bar", &format!("imports [ {import} ]")),
    ]);
    let mut exporter = connect(&server, "foo");
    for (subscriptions, published, expected) in cases {
        let mut importer = connect(&server, "bar");
        perform(&mut importer, subscriptions);
        perform(&mut exporter, &format!("PUB {published} 5\r\nhello\r\n"));
        let expected: Vec<String> = expected.iter().map(|line| format!("{line} hello")).collect();
        assert_eq!(heard(&mut importer), expected, "{import}: {subscriptions} {published}");
        // Interest that is gone in one account is gone in the other.
        importer.shut_write();
        assert!(importer.wait_closed());
    }
    server.wait_monitor("/subsz?acc=foo&subs=1", "no interest", |subsz| {
        let list = subsz["subscriptions_list"].as_array().map(Vec::as_slice).unwrap_or_default();
        let left = list.iter().filter(|entry| {
            !entry["subject"].as_str().is_some_and(|subject| subject.starts_with("$SYS."))
        });
        (left.count() == 0).then_some(())
    });
}

/// Go: TestAccountIsolation server/accounts_test.go:58
/// Go: TestMultiAccountsIsolation server/accounts_test.go:305
/// Go: TestAccountGlobalDefault server/accounts_test.go:2255
#[test]
fn accounts_do_not_hear_each_other() {
    let server = launch()
        .config(&format!("{}\nno_auth_user: foo", config(&[("foo", ""), ("bar", ""), ("baz", "")])))
        .start();
    let mut clients = ["foo", "bar", "baz"].map(|user| connect(&server, user));
    for client in &mut clients {
        perform(client, "SUB foo 1\r\nSUB > 2\r\n");
    }
    for index in 0..3 {
        clients[index].send(format!("PUB foo 1\r\n{index}\r\n"));
        for (other, client) in clients.iter_mut().enumerate() {
            let expected = if other == index {
                vec![format!("foo 1 {index}"), format!("foo 2 {index}")]
            } else {
                vec![]
            };
            assert_eq!(heard(client), expected);
        }
    }
}

/// Go: TestSimpleMapping server/accounts_test.go:846
/// Go: TestShadowSubsCleanupOnClientClose server/accounts_test.go:989
/// Go: TestNoPrefixWildcardMapping server/accounts_test.go:1029
/// Go: TestPrefixWildcardMapping server/accounts_test.go:1082
/// Go: TestPrefixWildcardMappingWithLiteralSub server/accounts_test.go:1136
/// Go: TestMultipleImportsAndSingleWCSub server/accounts_test.go:1189
/// Go: TestStreamImportLengthBug server/accounts_test.go:940
#[test]
fn streams_are_imported_under_other_names() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    check_stream(
        r#"{stream: "foo"}"#,
        r#"{stream: {account: foo, subject: "foo"}, prefix: "import"}"#,
        &[
            (
                "SUB import.foo 1\r\nSUB import.foo bar 2\r\n",
                "foo",
                &["import.foo 1", "import.foo 2"],
            ),
            ("SUB foo 1\r\n", "foo", &[]),
            ("SUB import.foo 1\r\nUNSUB 1\r\n", "foo", &[]),
        ],
    );
    check_stream(
        r#"{stream: ">", accounts: [bar]}"#,
        r#"{stream: {account: foo, subject: "*"}}"#,
        &[("SUB foo 1\r\n", "foo", &["foo 1"]), ("SUB foo.bar 1\r\n", "foo.bar", &[])],
    );
    check_stream(
        r#"{stream: ">", accounts: [bar]}"#,
        r#"{stream: {account: foo, subject: "*"}, prefix: "pub.imports"}"#,
        &[
            ("SUB pub.imports.* 1\r\n", "foo", &["pub.imports.foo 1"]),
            ("SUB pub.imports.foo 1\r\n", "foo", &["pub.imports.foo 1"]),
            ("SUB pub.imports.foo 1\r\n", "bar", &[]),
        ],
    );
    check_stream(
        r#"{stream: "foo"}, {stream: "bar"}"#,
        r#"{stream: {account: foo, subject: "foo"}, prefix: "pub"}, {stream: {account: foo, subject: "bar"}, prefix: "pub"}"#,
        &[("SUB pub.* 1\r\n", "foo", &["pub.foo 1"]), ("SUB pub.* 1\r\n", "bar", &["pub.bar 1"])],
    );
    check_stream(
        r#"{stream: "client.>"}"#,
        r#"{stream: {account: foo, subject: "client.>"}, to: "events.>"}"#,
        &[
            ("SUB events.> 1\r\n", "client.a.b", &["events.a.b 1"]),
            ("SUB > 1\r\n", "client.a", &["events.a 1"]),
        ],
    );
}

/// Go: TestImportSubscriptionPartialOverlapWithPrefix server/accounts_test.go:3439
/// Go: TestImportSubscriptionPartialOverlapWithTransform server/accounts_test.go:3467
#[test]
fn imports_are_heard_by_every_filter_that_overlaps() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let by_prefix = [">", "myprefix.*", "myprefix.>", "myprefix.test", "*.>", "*.*", "*.test"];
    let by_transform = [
        ">",
        "*.*.*.>",
        "*.2.*.>",
        "*.*.1.>",
        "*.2.1.>",
        "*.*.*.*",
        "*.2.1.*",
        "*.*.*.test",
        "*.*.1.test",
        "*.2.*.test",
        "*.2.1.test",
        "myprefix.*.*.*",
        "myprefix.>",
        "myprefix.*.>",
        "myprefix.*.*.>",
        "myprefix.2.>",
        "myprefix.2.1.>",
        "myprefix.*.1.>",
        "myprefix.2.*.>",
        "myprefix.2.1.*",
        "myprefix.*.*.test",
        "myprefix.2.1.test",
    ];
    for (subject, rename, filters, published, name) in [
        (">", "prefix: myprefix", &by_prefix[..], "test", "myprefix.test"),
        ("*.*.>", "to: \"myprefix.$2.$1.>\"", &by_transform[..], "1.2.test", "myprefix.2.1.test"),
    ] {
        let server = accounts(&[
            ("foo", &format!("exports [ {{stream: {subject:?}}} ]")),
            (
                "bar",
                &format!(
                    "imports [ {{stream: {{account: foo, subject: {subject:?}}}, {rename}}} ]"
                ),
            ),
        ]);
        let (mut foo, mut bar) = (connect(&server, "foo"), connect(&server, "bar"));
        for filter in filters {
            perform(&mut bar, &format!("SUB {filter} 1\r\nUNSUB 1 1\r\n"));
            perform(&mut foo, &format!("PUB {published} 5\r\nhello\r\n"));
            assert_eq!(heard(&mut bar), [format!("{name} 1 hello")], "{filter}");
        }
    }
}

/// Go: TestMultipleStreamImportsWithSameSubjectDifferentPrefix server/accounts_test.go:2591
/// Go: TestMultipleStreamImportsWithSameSubject server/accounts_test.go:2658
#[test]
fn the_same_subject_can_come_from_several_accounts() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    for (prefixes, filter, expected) in [
        (["prefix: foo", "prefix: bar"], "*.test", ["foo.test 1 hello", "bar.test 1 hello"]),
        (["", ""], "test", ["test 1 hello", "test 1 hello"]),
    ] {
        let import = |account: &str, rename: &str| {
            let comma = if rename.is_empty() { "" } else { ", " };
            format!("{{stream: {{account: {account}, subject: test}}{comma}{rename}}}")
        };
        let imports = [import("foo", prefixes[0]), import("bar", prefixes[1])].join(", ");
        let server = accounts(&[
            ("foo", "exports [ {stream: test} ]"),
            ("bar", "exports [ {stream: test} ]"),
            ("both", &format!("imports [ {imports} ]")),
        ]);
        let mut both = connect(&server, "both");
        perform(&mut both, &format!("SUB {filter} 1\r\n"));
        for (user, expected) in ["foo", "bar"].into_iter().zip(expected) {
            perform(&mut connect(&server, user), "PUB test 5\r\nhello\r\n");
            assert_eq!(heard(&mut both), [expected]);
        }
    }
}

/// Go: TestCrossAccountRequestReply server/accounts_test.go:1598
/// Go: TestAccountIsolationExportImport server/accounts_test.go:112
#[test]
fn cross_account_request_reply() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = accounts(&[
        ("foo", "exports [ {service: \"test.request\"} ]"),
        ("bar", "imports [ {service: {account: foo, subject: \"test.request\"}, to: foo} ]"),
        ("other", ""),
    ]);
    let mut foo = connect(&server, "foo");
    let mut bar = connect(&server, "bar");
    let mut other = connect(&server, "other");
    perform(&mut foo, "SUB test.request 1\r\n");
    perform(&mut other, "SUB > 1\r\n");
    perform(&mut bar, "SUB bar 11\r\n");
    bar.send("PUB foo bar 4\r\nhelp\r\n");
    let request = foo.message();
    assert_eq!((request.subject.as_str(), request.sid.as_str()), ("test.request", "1"));
    assert_eq!(request.payload, b"help");
    assert!(request.reply.starts_with("_R_."), "{}", request.reply);
    perform(&mut foo, &format!("PUB {} 2\r\n22\r\n", request.reply));
    assert_eq!(heard(&mut bar), ["bar 11 22"]);
    // One answer is all that a request is owed.
    foo.send(format!("PUB {} 2\r\n23\r\n", request.reply));
    foo.flush();
    assert_eq!(heard(&mut bar), [""; 0]);
    assert_eq!(heard(&mut other), [""; 0]);
}

/// A request through a service import: what the responder sees, and that its answer comes back.
#[track_caller]
fn check_service(server: &Server, filter: &str, request: &str, seen: &str) {
    let (mut exporter, mut importer) = (connect(server, "foo"), connect(server, "bar"));
    perform(&mut exporter, &format!("SUB {filter} queue 1\r\n"));
    perform(&mut importer, "SUB inbox.* 1\r\n");
    importer.send(format!("PUB {request} inbox.1 4\r\nyes?\r\n"));
    let message = exporter.message();
    assert_eq!(message.subject, seen);
    perform(&mut exporter, &format!("PUB {} 4\r\nyes!\r\n", message.reply));
    assert_eq!(heard(&mut importer), ["inbox.1 1 yes!"]);
    exporter.shut_write();
    assert!(exporter.wait_closed());
}

/// Go: TestServiceImportWithWildcards server/accounts_test.go:1464
/// Go: TestAccountImportsWithWildcardSupport server/accounts_test.go:3160
/// Go: TestAccountImportsWithWildcardSupportStreamAndService server/accounts_test.go:3255
#[test]
fn account_imports_with_wildcard_support() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = accounts(&[
        (
            "foo",
            r#"exports [ {service: "request.*"}, {service: "$request.*.$in.*.>"}, {stream: "events.>"},
                         {stream: "info.*.*.>"}, {stream: "$events.*.$in.*.>"} ]"#,
        ),
        (
            "bar",
            r#"imports [ {service: {account: foo, subject: "request.*"}, to: "my.request.*"},
                         {service: {account: foo, subject: "$request.*.$in.*.>"}, to: "our.request.$2.$1.>"},
                         {stream: {account: foo, subject: "events.>"}, to: "foo.events.>"},
                         {stream: {account: foo, subject: "info.*.*.>"}, to: "foo.info.$2.$1.>"},
                         {stream: {account: foo, subject: "$events.*.$in.*.>"}, to: "my.events.$2.$1.>"} ]"#,
        ),
    ]);
    check_service(&server, "request.*", "my.request.22", "request.22");
    check_service(&server, "$request.>", "our.request.1.2.bar", "$request.2.$in.1.bar");
    let (mut foo, mut bar) = (connect(&server, "foo"), connect(&server, "bar"));
    perform(&mut bar, "SUB foo.events.* 1\r\nSUB foo.info.> 2\r\nSUB my.events.> 3\r\n");
    for subject in ["events.22", "info.11.22.bar", "$events.1.$in.2.bar"] {
        perform(&mut foo, &format!("PUB {subject} 2\r\nok\r\n"));
    }
    assert_eq!(
        heard(&mut bar),
        ["foo.events.22 1 ok", "foo.info.22.11.bar 2 ok", "my.events.2.1.bar 3 ok"]
    );
}

/// Go: TestAccountServiceImportWithRouteMappings server/accounts_test.go:3117
#[test]
fn account_service_import_with_route_mappings() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = accounts(&[
        ("foo", "exports [ {service: request} ]\nmappings { request: \"request.v2\" }"),
        ("bar", "imports [ {service: {account: foo, subject: request}} ]"),
    ]);
    check_service(&server, "request.v2", "request", "request.v2");
}

/// Go: TestAccountMultipleServiceImportsWithSameSubjectFromDifferentAccounts server/accounts_test.go:2536
#[test]
fn a_request_reaches_every_account_that_offers_the_service() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let export =
        "exports [ {service: \"SvcReq.>\", accounts: [clients], response_type: singleton} ]";
    let server = accounts(&[
        ("east", export),
        ("west", export),
        (
            "clients",
            "imports [ {service: {account: east, subject: \"SvcReq.>\"}}, {service: {account: west, subject: \"SvcReq.>\"}} ]",
        ),
    ]);
    let mut responders = ["east", "west"].map(|user| connect(&server, user));
    for responder in &mut responders {
        perform(responder, "SUB SvcReq.> 1\r\n");
    }
    let mut client = connect(&server, "clients");
    perform(&mut client, "SUB inbox 1\r\n");
    client.send("PUB SvcReq.Test inbox 4\r\ntest\r\n");
    for (responder, name) in responders.iter_mut().zip(["east", "west"]) {
        let request = responder.message();
        assert_eq!(request.subject, "SvcReq.Test");
        perform(responder, &format!("PUB {} 4\r\n{name}\r\n", request.reply));
    }
    assert_eq!(heard(&mut client), ["inbox 1 east", "inbox 1 west"]);
}

/// Go: TestAccountServiceImportNoResponders server/accounts_test.go:4078
#[test]
fn account_service_import_no_responders() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = accounts(&[
        ("foo", "exports [ {service: foo} ]"),
        ("bar", "imports [ {service: {account: foo, subject: foo}} ]"),
    ]);
    let mut bar = connect(&server, "bar");
    perform(&mut bar, "SUB inbox 1\r\n");
    bar.send("PUB foo inbox 7\r\nrequest\r\n");
    let answer = bar.message();
    assert!(answer.headers.starts_with("NATS/1.0 503"), "{answer:?}");
    assert_eq!(answer.subject, "inbox");
}

/// Go: TestAccountImportOwnExport server/accounts_test.go:3859
#[test]
fn account_import_own_export() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = accounts(&[(
        "A",
        "exports [ {service: echo, accounts: [A], latency: {subject: \"latency.echo\"}} ]
         imports [ {service: {account: A, subject: echo}} ]",
    )]);
    let mut client = connect(&server, "A");
    perform(&mut client, "SUB echo 1\r\nSUB inbox 2\r\n");
    client.send("PUB echo inbox 7\r\nrequest\r\n");
    let request = client.message();
    assert_eq!((request.subject.as_str(), request.sid.as_str()), ("echo", "1"));
    client.send(format!("PUB {} 0\r\n\r\n", request.reply));
    // The request is heard twice: as published, and as imported.
    let received = client.flush();
    let text = String::from_utf8_lossy(&received);
    assert!(text.contains("MSG inbox 2 0\r\n\r\n"), "{text}");
}

/// Go: TestAccountImportCycle server/accounts_test.go:3797
#[test]
fn a_reply_may_go_to_an_imported_subject() {
    // FIXME(maintainers): needs imports and exports of accounts.
    if awaits("imports", SHARING) {
        return;
    }
    let server = accounts(&[
        (
            "cp",
            "exports [ {service: \"q1.>\", response_type: Singleton}, {service: \"q2.>\", response_type: Singleton} ]",
        ),
        (
            "a",
            "imports [ {service: {account: cp, subject: \"q1.>\"}}, {service: {account: cp, subject: \"q2.>\"}} ]",
        ),
    ]);
    let (mut responder, mut requestor) = (connect(&server, "cp"), connect(&server, "a"));
    perform(&mut responder, "SUB q1.> 1\r\n");
    perform(&mut requestor, "SUB q2.inbox 1\r\n");
    requestor.send("PUB q1.a q2.inbox 4\r\ntest\r\n");
    let request = responder.message();
    perform(&mut responder, &format!("PUB {} 5\r\nreply\r\n", request.reply));
    assert_eq!(heard(&mut requestor), ["q2.inbox 1 reply"]);
}

/// Go: TestGlobalAccountRouteMappingsConfiguration server/accounts_test.go:2955
/// Go: TestAccountRouteMappingsConfiguration server/accounts_test.go:3005
/// Go: TestAccountBasicRouteMapping server/accounts_test.go:2729
/// Go: TestAccountWildcardRouteMapping server/accounts_test.go:2765
/// Go: TestAccountRouteMappingsWithLossInjection server/accounts_test.go:3041
#[test]
fn subjects_are_mapped_by_weight() {
    let mappings = r#"mappings = {
        foo: bar
        foo.*: [ { dest: bar.v1.$1, weight: 40% }, { destination: baz.v2.$1, weight: 20 } ]
        bar.*.*: RAB.$2.$1
        some: { dest: some, weight: 50% }
        none: { dest: none, weight: 0% }
    }"#;
    let in_account = accounts(&[("synadia", mappings)]);
    let detail = in_account.get("/accountz?acc=synadia").json()["account_detail"].clone();
    assert_eq!(detail["mappings"].as_object().map(serde_json::Map::len), Some(5), "{detail}");
    let global = launch().config(mappings).start();
    for mut client in [connect(&in_account, "synadia"), global.client()] {
        perform(&mut client, "SUB > 1\r\n");
        client.send("PUB foo 0\r\n\r\nPUB bar.11.22 0\r\n\r\n");
        assert_eq!(heard(&mut client), ["RAB.22.11 1 ", "bar 1 "]);
        client.send("PUB foo.22 0\r\n\r\n".repeat(500));
        client.send("PUB some 0\r\n\r\n".repeat(500));
        client.send("PUB none 0\r\n\r\n".repeat(100));
        let messages = heard(&mut client);
        let count = |line: &str| messages.iter().filter(|message| *message == line).count();
        let (first, second, rest) =
            (count("bar.v1.22 1 "), count("baz.v2.22 1 "), count("foo.22 1 "));
        assert_eq!(first + second + rest, 500);
        assert!(
            (120..280).contains(&first) && (50..150).contains(&second),
            "{first} {second} {rest}"
        );
        let some = count("some 1 ");
        assert!((150..350).contains(&some) && count("none 1 ") == 0, "{some}");
    }
}

/// Go: TestAccountSystemPermsWithGlobalAccess server/accounts_test.go:3392
#[test]
fn account_system_perms_with_global_access() {
    let server =
        launch().config("accounts { $SYS { users = [ {user: admin, pass: p} ] } }").start();
    server.client().expect_nothing();
    connect(&server, "admin").expect_nothing();
}

/// Go: TestAccountLimitsServerConfig server/accounts_test.go:3499
#[test]
fn account_limits_server_config() {
    let server = accounts(&[
        ("MAXC", "limits { max_connections: 5, max_subs: 3, max_payload: 32k, max_leafnodes: 1 }"),
        ("free", ""),
    ]);
    let mut clients: Vec<RawClient> = (0..5).map(|_| connect(&server, "MAXC")).collect();
    let mut sixth = server.open();
    sixth.send("CONNECT {\"verbose\":false,\"user\":\"MAXC\",\"pass\":\"p\"}\r\nPING\r\n");
    sixth.expect_eof("-ERR 'maximum account active connections exceeded'\r\n");
    connect(&server, "free").expect_nothing();
    perform(&mut clients[0], "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n");
    clients[0].send("SUB d 4\r\n");
    clients[0].expect("-ERR 'maximum subscriptions exceeded'\r\n");
    clients[1].send("PUB a 32769\r\n");
    clients[1].expect_eof("-ERR 'Maximum Payload Violation'\r\n");
}

/// Go: TestAccountUserSubPermsWithQueueGroups server/accounts_test.go:3762
#[test]
fn account_user_sub_perms_with_queue_groups() {
    let server = launch()
        .config(
            "authorization { users = [ {user: user, password: p, permissions: { publish: \"foo.restricted\"
             subscribe: { allow: \"foo.>\", deny: \"foo.restricted\" }, allow_responses: { max: 1, ttl: 0s } } } ] }",
        )
        .start();
    let mut client = connect(&server, "user");
    perform(&mut client, "SUB foo.> qg 1\r\nPUB foo.restricted 10\r\nRESTRICTED\r\n");
}
