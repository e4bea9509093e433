//! The built `natsctl` against a real server, as a user would run it.
//!
//! The server is the one that `NATS_SERVER_BIN` names, else the built natsd; everything here must
//! hold for the Go server too. Nothing waits for a fixed time: a command that listens says when it
//! does.

mod support;

use natsd_testkit::{Authority, DEADLINE, Launch, wait_until};
use serde_json::{Value, json};

use support::{Running, binary, check, connected, ctl, server};

/// Two accounts, a user who may do little, and the system account.
const ACCOUNTS: &str = "
    accounts {
        $SYS { users: [ {user: sys, password: sys} ] }
        A { users: [
            {user: a, password: a}
            {user: r, password: r, permissions: {publish: [\"ok.>\"], subscribe: [\"ok.>\"]}}
        ] }
    }
    no_auth_user: a";

#[test]
fn subscribers_show_what_is_published() {
    let server = server("");
    let publish: &[&str] = &["pub", "a.b", "hello", "-H", "B:2", "-H", "A:1", "--reply", "r"];
    let rows: [(&[&str], &str); 6] = [
        (&[], "[#1] Received on \"a.b\" with reply \"r\"\nA: 1\nB: 2\n\nhello\n\n"),
        (&["--raw"], "hello\n"),
        (&["--headers-only"], "[#1] Received on \"a.b\" with reply \"r\"\nA: 1\nB: 2\n\n"),
        (&["--subjects-only"], "[#1] Received on \"a.b\" with reply \"r\"\n"),
        (&["--raw", "--translate", "tr a-z A-Z"], "HELLO\n"),
        (&["--raw", "--queue", "workers"], "hello\n"),
    ];
    for (flags, expected) in rows {
        let listen = [&["sub", "a.*", "--count", "1"], flags].concat();
        let running = Running::start(connected(&server).args(listen), "Subscribing on a.*");
        check(connected(&server).args(publish), 0, "", "Published 5 bytes to \"a.b\"\n");
        let done = running.wait();
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), expected), "{flags:?}");
    }
}

#[test]
fn subscribers_print_one_json_object_per_message() {
    let server = server("");
    let listen = ["sub", "a", "b", "--count", "2", "-o", "json"];
    let running = Running::start(connected(&server).args(listen), "Subscribing on a, b");
    check(connected(&server).args(["pub", "a", "x", "-H", "K:v", "-q"]), 0, "", "");
    connected(&server).args(["pub", "b"]).input(b"\xff\xfe").done().success();
    let done = running.wait().success();
    let objects: Vec<Value> =
        done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected = [
        json!({"subject": "a", "headers": {"K": ["v"]}, "size": 1, "data": "x",
               "encoding": "text"}),
        json!({"subject": "b", "size": 2, "data": "//4=", "encoding": "base64"}),
    ];
    assert_eq!(objects, expected);
}

#[test]
fn subscribers_leave_out_ignored_subjects_and_end_when_it_is_quiet() {
    let server = server("");
    let listen = ["sub", "a.>", "-I", "a.*.no", "--wait", "300ms", "--subjects-only"];
    let running = Running::start(connected(&server).args(listen), "Subscribing");
    for subject in ["a.x.no", "a.x.yes"] {
        connected(&server).args(["pub", subject, "x"]).done().success();
    }
    assert_eq!(running.wait().success().stdout, "[#1] Received on \"a.x.yes\"\n");
}

#[test]
fn subscribers_write_messages_into_files() {
    let server = server("");
    let folder = server.folder().join("dump");
    let path = folder.display().to_string();
    let listen = ["sub", "a", "--count", "2", "--dump", &path];
    let running = Running::start(connected(&server).args(listen), "Subscribing");
    let publish = ["pub", "a", "n{{Count}}", "--templates", "--count", "2", "-q"];
    check(connected(&server).args(publish), 0, "", "");
    assert_eq!(running.wait().success().stdout, "");
    for (file, data) in [("1.json", "n1"), ("2.json", "n2")] {
        let text = std::fs::read_to_string(folder.join(file)).expect("written");
        let object: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(object["data"], data);
    }
}

#[test]
fn bodies_come_from_the_line_from_input_and_from_templates() {
    let server = server("");
    let rows: [(&[&str], &[u8], &str); 6] = [
        (&["word"], b"", "word\n"),
        (&[], b"piped", "piped\n"),
        (&["-"], b"piped", "piped\n"),
        (&["word"], b"piped", "word\n"),
        (&["word", "--force-stdin"], b"piped", "piped\n"),
        (&["{{Count}}", "--templates"], b"", "1\n"),
    ];
    for (arguments, input, expected) in rows {
        let listen = ["sub", "a", "--count", "1", "--raw"];
        let running = Running::start(connected(&server).args(listen), "Subscribing");
        connected(&server).args(["pub", "a"]).args(arguments).input(input).done().success();
        assert_eq!(running.wait().success().stdout, expected, "{arguments:?}");
    }
}

#[test]
fn many_messages_all_arrive() {
    let server = server("");
    let listen = ["sub", "a", "--count", "20000", "--raw"];
    let running = Running::start(connected(&server).args(listen), "Subscribing");
    let publish = ["pub", "a", "{{Count}}", "--templates", "--count", "20000", "-q"];
    check(connected(&server).args(publish), 0, "", "");
    let lines: Vec<u32> = running
        .wait()
        .success()
        .stdout
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    assert!(lines.iter().copied().eq(1..=20_000), "{} lines", lines.len());
}

#[test]
fn requests_are_answered() {
    let server = server("");
    let rows: [(&[&str], &[&str], &str); 5] = [
        (&["hello {{1}} {{Request}}"], &["s.joe", "x"], "hello joe x\n"),
        (&["--echo"], &["s.joe", "same"], "same\n"),
        (&["--command", "echo {{1}}"], &["s.joe", "x"], "joe\n\n"),
        (&["--command", "cat"], &["s.joe", "body"], "body\n"),
        (&["one", "-H", "K:v"], &["s.joe", "--reply-timeout", "1ms", "--replies", "1"], "one\n"),
    ];
    for (answer, question, expected) in rows {
        let listen = [&["reply", "s.*", "--count", "1"], answer].concat();
        let running = Running::start(connected(&server).args(listen), "Listening on \"s.*\"");
        let done = connected(&server).args(["req", "--raw"]).args(question).done();
        assert_eq!(done.success().stdout, expected, "{answer:?}");
        running.wait().success();
    }
}

#[test]
fn a_request_in_a_command_cannot_become_a_command() {
    let server = server("");
    let listen = ["reply", "s", "--count", "1", "--command", "echo {{Request}}"];
    let running = Running::start(connected(&server).args(listen), "Listening");
    let question = ["req", "s", "x; touch owned $(touch owned)", "--raw"];
    let done = connected(&server).args(question).done().success();
    assert_eq!(done.stdout, "x; touch owned $(touch owned)\n\n");
    running.wait().success();
}

#[test]
fn answers_show_headers_and_json() {
    let server = server("");
    let listen = ["reply", "s", "yes", "-H", "K:v", "--count", "2"];
    let running = Running::start(connected(&server).args(listen), "Listening");
    let done = connected(&server).args(["request", "s"]).done().success();
    assert_eq!(done.stdout, "K: v\n\nyes\n");
    assert!(done.stderr.contains("Received with rtt "), "{}", done.stderr);
    let done = connected(&server).args(["request", "s", "-o", "json"]).done().success();
    let object: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((&object["data"], &object["headers"]), (&json!("yes"), &json!({"K": ["v"]})));
    assert!(object["rtt"].as_f64().is_some_and(|rtt| rtt > 0.0), "{object}");
    running.wait().success();
}

#[test]
fn several_answers_are_collected() {
    let server = server("");
    let listen = |group| ["reply", "s", "yes", "--count", "1", "--queue", group];
    let one = Running::start(connected(&server).args(listen("one")), "Listening");
    let two = Running::start(connected(&server).args(listen("two")), "Listening");
    let question = ["req", "s", "--raw", "--replies", "2"];
    assert_eq!(connected(&server).args(question).done().success().stdout, "yes\nyes\n");
    one.wait().success();
    two.wait().success();
}

#[test]
fn requests_that_nobody_answers_fail() {
    let server = server("");
    check(
        connected(&server).args(["req", "nobody", "x", "--raw"]),
        1,
        "",
        "error: nobody answers on \"nobody\": no responders are available\n\
         hint: is the service running, and in the same account?\n",
    );
    let running = Running::start(connected(&server).args(["sub", "mute"]), "Subscribing");
    check(
        connected(&server).args(["req", "mute", "x", "--raw", "--timeout", "100ms"]),
        1,
        "",
        "error: no answer on \"mute\" within 100.00ms\n\
         hint: somebody listens there but did not answer; --timeout waits longer\n",
    );
    running.interrupt().success();
}

#[test]
fn round_trips_are_measured() {
    let server = server("server_name: n1");
    let done = connected(&server).args(["rtt", "3", "-o", "json"]).done().success();
    let object: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((&object["server"], &object["iterations"]), (&json!("n1"), &json!(3)));
    let seconds = |key: &str| object[key].as_f64().expect("a number");
    assert!(0.0 < seconds("min") && seconds("min") <= seconds("avg"), "{object}");
    assert!(seconds("avg") <= seconds("max"), "{object}");
    let done = connected(&server).args(["rtt", "1"]).done().success();
    assert!(done.stdout.starts_with("     Server: n1\nRound trips: 1\n"), "{}", done.stdout);
}

#[test]
fn loads_are_measured() {
    let server = server("");
    let report = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let listen = ["bench", "sub", "s", "--msgs", "5000", "--clients", "2", "-o", "json"];
    let running = Running::start(connected(&server).args(listen), "ready");
    let publish = ["bench", "pub", "s", "--msgs", "5000", "--clients", "2", "--size", "1KB"];
    let done = connected(&server).args(publish).args(["-o", "json"]).done().success();
    let sent = report(&done.stdout);
    assert_eq!((&sent["messages"], &sent["size"]), (&json!(5_000), &json!(1_024)));
    assert!(sent["msgs_per_sec"].as_f64().is_some_and(|rate| rate > 0.0), "{sent}");
    assert_eq!(report(&running.wait().success().stdout)["messages"], 10_000);

    let answer = ["bench", "reply", "s", "--msgs", "200", "-o", "json"];
    let running = Running::start(connected(&server).args(answer), "ready");
    let question = ["bench", "request", "s", "--msgs", "200", "--clients", "2", "-o", "json"];
    let asked = report(&connected(&server).args(question).done().success().stdout);
    assert_eq!(asked["messages"], 200);
    assert!(asked["latency"]["p99"].as_f64().is_some_and(|latency| latency > 0.0), "{asked}");
    assert_eq!(report(&running.wait().success().stdout)["messages"], 200);

    let csv = ["bench", "pub", "s", "--msgs", "10", "-o", "csv"];
    let done = connected(&server).args(csv).done().success();
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("pub,1,10,128,"), "{lines:?}");
}

#[test]
fn a_queue_group_shares_a_load() {
    let server = server("");
    let listen = ["bench", "sub", "s", "--msgs", "1000", "--clients", "3", "--queue", "q"];
    let running = Running::start(connected(&server).args(listen).args(["-o", "json"]), "ready");
    connected(&server).args(["bench", "pub", "s", "--msgs", "1000"]).done().success();
    let text = running.wait().success().stdout;
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["messages"], 1_000, "{report}");
}

#[test]
fn a_load_that_nobody_answers_fails() {
    let server = server("");
    let question = ["bench", "request", "s", "-o", "json"];
    let expected = "error: nobody answers on \"s\"\nhint: start: natsctl bench reply s\n";
    check(connected(&server).args(question), 1, "", expected);
}

#[test]
fn what_the_user_may_not_do_is_reported() {
    let server = server(ACCOUNTS);
    let hint = "hint: the user may not do this; try another --user, --creds or --context\n";
    let denied = |what: &str| format!("error: the server says: Permissions Violation for {what}\n");
    let limited = || connected(&server).args(["--user", "r", "--password", "r"]);
    let publish = denied("Publish to \"no\"") + hint;
    check(limited().args(["pub", "no", "x"]), 1, "", &publish);
    check(limited().args(["bench", "pub", "no", "--msgs", "5", "-o", "json"]), 1, "", &publish);
    let subscribe = denied("Subscription to \"no\"") + hint;
    check(limited().args(["sub", "no"]), 1, "", &subscribe);
    let answer = denied("Subscription to \"no\" using queue \"NATS-RPLY-22\"") + hint;
    check(limited().args(["reply", "no", "x"]), 1, "", &answer);
    // What is allowed works, although no inbox is.
    check(limited().args(["pub", "ok.a", "x"]), 0, "", "Published 1 bytes to \"ok.a\"\n");
    let running = Running::start(limited().args(["sub", "ok.a", "--count", "1", "-r"]), "Subscr");
    check(limited().args(["pub", "ok.a", "x", "-q", "--count", "2"]), 0, "", "");
    assert_eq!(running.wait().success().stdout, "x\n");
    let big = limited().args(["pub", "ok.a"]).input(&[b'x'; 100_000]).done().success();
    assert_eq!(big.stderr, "Published 100000 bytes to \"ok.a\"\n");
    // An inbox of one's own makes requests possible.
    let done = limited().args(["req", "ok.a", "x", "--raw", "--inbox-prefix", "ok.inbox"]).done();
    assert!(done.stderr.contains("no responders"), "{}", done.stderr);
    let done = limited().args(["rtt"]).done();
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("--inbox-prefix"), "{}", done.stderr);
}

#[test]
fn who_may_not_in_is_told_what_to_give() {
    let server = server("authorization { user: joe, password: secret }");
    let url = format!("nats://{}", server.address());
    let refused = format!(
        "error: cannot connect to {url}: authorization violation\n\
         hint: give --user and --password, --token, --creds or --nkey, or a --context that has \
         them\n"
    );
    check(connected(&server).args(["rtt"]), 1, "", &refused);
    let wrong = ["rtt", "--user", "joe", "--password", "wrong"];
    check(connected(&server).args(wrong), 1, "", &refused);
    let right = ["pub", "a", "x", "-q", "--user", "joe", "--password", "secret"];
    check(connected(&server).args(right), 0, "", "");
    let by_variable = connected(&server).env("NATS_USER", "joe").env("NATS_PASSWORD", "secret");
    check(by_variable.args(["pub", "a", "x", "-q"]), 0, "", "");
    // The URL may hold them; they are not shown when they are wrong.
    let url = format!("nats://joe:hidden@{}", server.address());
    check(ctl(server.folder()).args(["rtt", "-s", &url]), 1, "", &refused);
}

#[test]
fn tokens_and_keys_log_in() {
    let token = server("authorization { token: s3cret }");
    for flags in [["--token", "s3cret"], ["--user", "s3cret"]] {
        check(connected(&token).args(["pub", "a", "x", "-q"]).args(flags), 0, "", "");
    }
    // A pair made from 32 bytes of 7.
    let public = "UDVEU3DD4KOFECV66VIHWEZOYX4ZKR3WV27L464SIIPOU2IUI3JCYSJF";
    let seed = "SUAAOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBZ5FE";
    let key = server(&format!("authorization {{ users: [ {{nkey: {public}}} ] }}"));
    let file = key.folder().join("user.nk");
    std::fs::write(&file, format!("# a comment\n{seed}\n")).expect("written");
    let file = file.display().to_string();
    check(connected(&key).args(["pub", "a", "x", "-q", "--nkey", &file]), 0, "", "");
    let done = connected(&key).args(["pub", "a", "x", "-q"]).done();
    assert!(done.stderr.contains("authorization violation"), "{}", done.stderr);
}

#[test]
fn tls_is_spoken_and_checked() {
    let launch = Launch::new(&binary());
    let authority = Authority::new(launch.folder());
    let files = authority.server();
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, timeout: 5 }}",
        files.certificate.display().to_string(),
        files.key.display().to_string()
    );
    let server = launch.config(&tls).start();
    let ca = authority.certificate.display().to_string();
    check(connected(&server).args(["pub", "a", "x", "-q", "--tlsca", &ca]), 0, "", "");
    let done = connected(&server).args(["pub", "a", "x", "-q"]).done();
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("TLS failed"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: --tlsca names"), "{}", done.stderr);
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let done = ctl(folder.path()).args(["rtt", "-s", "127.0.0.1:1"]).done();
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with("error: cannot connect to 127.0.0.1:1: "), "{}", done.stderr);
    assert!(done.stderr.contains("hint: is the server running?"), "{}", done.stderr);
}

#[test]
fn servers_answer_the_system_account() {
    let server = server(&format!("server_name: n1\n{ACCOUNTS}"));
    let done = connected(&server).args(["server", "ping"]).done();
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("hint: use a user of the system account"), "{}", done.stderr);
    let system = || connected(&server).args(["--user", "sys", "--password", "sys"]);
    let done = system().args(["server", "ping", "-o", "json"]).done();
    let servers: Value = serde_json::from_str(&done.success().stdout).expect("JSON");
    assert_eq!(servers[0]["server"]["name"], "n1", "{servers}");
    assert!(servers[0]["rtt"].as_f64().is_some_and(|rtt| rtt > 0.0), "{servers}");
    let done = system().args(["server", "ping", "1"]).done().success();
    assert!(
        done.stdout.contains(" n1 ") && done.stdout.ends_with("\n1 server\n"),
        "{}",
        done.stdout
    );
    let done = system().args(["server", "ping", "2", "--timeout", "300ms"]).done();
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), "error: 1 of 2 servers answered\n"));
    let done = system().args(["server", "info", "n1", "-o", "json"]).done().success();
    let servers: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(servers[0]["data"]["server_name"], "n1", "{servers}");
    let done = system().args(["server", "info", "n2"]).done();
    assert!(done.stderr.contains("no server is named \"n2\""), "{}", done.stderr);
    let options = r#"{"sort": "cid", "limit": 1}"#;
    let connz = ["server", "request", "connz", options, "--name", "n1"];
    let done = system().args(connz).args(["--connection-name", "me"]).done().success();
    let connections: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(connections["data"]["connections"][0]["name"], "me", "{connections}");
    let refused = ["server", "request", "connections", r#"{"sort": "nonsense"}"#];
    let done = system().args(refused).done();
    assert_eq!(connections["data"]["limit"], 1, "{connections}");
    let expected = "error: server n1 says: invalid sorting option: nonsense\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), expected));
    let done = system().args(["server", "request", "varz", "--name", "n2"]).done();
    assert!(done.stderr.contains("no server is named \"n2\""), "{}", done.stderr);
}

#[test]
fn contexts_keep_how_to_connect() {
    let server = server("authorization { user: joe, password: secret }");
    let folder = server.folder();
    let url = format!("nats://{}", server.address());
    let local = || ctl(folder);
    let publish = ["pub", "a", "x", "-q"];
    let add = ["context", "add", "here", "-s", &url, "--user", "joe", "--password", "secret"];
    local().args(add).done().success();
    check(local().args(publish).args(["--context", "here"]), 0, "", "");
    check(local().args(publish).env("NATS_CONTEXT", "here"), 0, "", "");
    check(local().args(["ctx", "select", "here"]), 0, "Selected here\n", "");
    check(local().args(publish), 0, "", "");
    let done = local().args(publish).args(["--no-context", "-s", &url]).done();
    assert!(done.stderr.contains("authorization violation"), "{}", done.stderr);
    check(local().args(["ctx", "ls", "--names"]), 0, "here\n", "");
    let done = local().args(["ctx", "show"]).done().success();
    assert!(
        done.stdout.contains("user: joe") && !done.stdout.contains("secret"),
        "{}",
        done.stdout
    );
    check(
        local().args(["ctx", "rm", "here"]),
        2,
        "",
        "error: removing a context needs a confirmation\nhint: --force removes it without one\n",
    );
    check(local().args(["ctx", "rm", "here", "--force"]), 0, "Removed here\n", "");
    let missing = "error: there is no context \"here\"\n\
                   hint: make it: natsctl context add here --server URL\n";
    check(local().args(["--context", "here", "rtt"]), 1, "", missing);
}

#[test]
fn contexts_are_edited_and_copied() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let local = || ctl(folder.path());
    local().args(["ctx", "add", "a", "-s", "h:1", "--description", "first"]).done().success();
    let file = folder.path().join("config/nats/context/a.json");
    let text = std::fs::read_to_string(&file).expect("written");
    std::fs::write(&file, text.replacen('{', "{\"future\": [1],", 1)).expect("written");
    local().args(["ctx", "cp", "a", "b", "--user", "joe"]).done().success();
    local().args(["ctx", "edit", "b"]).env("EDITOR", "sed -i s/first/second/").done().success();
    let done = local().args(["ctx", "show", "b", "-j"]).done().success();
    let object: Value = serde_json::from_str(&done.stdout).expect("JSON");
    for (key, value) in [
        ("description", json!("second")),
        ("url", json!("h:1")),
        ("user", json!("joe")),
        ("future", json!([1])),
    ] {
        assert_eq!(object[key], value, "{key}");
    }
    let done = local().args(["ctx", "edit", "b"]).env("EDITOR", "sed -i s/{//").done();
    assert!(done.stderr.contains("nothing changed"), "{}", done.stderr);
    let done = local().args(["ctx", "cp", "a", "b"]).done();
    assert!(done.stderr.contains("already"), "{}", done.stderr);
    let done = local().args(["ctx", "ls", "-j"]).done().success();
    let list: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(
        list[1],
        json!({"name": "b", "description": "second", "url": "h:1",
                               "selected": false})
    );
}

#[test]
fn a_signal_ends_listeners_with_success() {
    let server = server("");
    let rows: [(&[&str], &str); 2] =
        [(&["sub", "a"], "Subscribing"), (&["reply", "a", "x"], "Listening")];
    for (arguments, ready) in rows {
        let running = Running::start(connected(&server).args(arguments), ready);
        assert_eq!(running.interrupt().code, Some(0), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let server = server("");
    let listen = connected(&server).args(["sub", "a", "--raw"]).pipe_output();
    let mut running = Running::start(listen, "Subscribing");
    running.close_output();
    // The first one fails to be written, and that is the end.
    check(connected(&server).args(["pub", "a", "x", "-q"]), 0, "", "");
    let done = running.wait();
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), "Subscribing on a\n"));
}

#[test]
fn a_listener_outlives_a_restart_of_the_server() {
    let mut server = server("");
    let listen = connected(&server).args(["sub", "a", "--raw", "--count", "1"]);
    let mut running = Running::start(listen, "Subscribing");
    server.stop();
    running.wait_said("warning: connection lost, connecting again");
    server.restart();
    running.wait_said("connected again");
    // The subscription is renewed a moment later; nobody says when.
    wait_until("a message after the restart", DEADLINE, || {
        connected(&server).args(["pub", "a", "x", "-q"]).done().success();
        running.has_ended().then_some(())
    });
    assert_eq!(running.wait().success().stdout, "x\n");
}

#[test]
fn a_publisher_does_not_call_a_broken_connection_success() {
    let mut server = server("");
    let publish = ["pub", "a", "x", "--count", "1000000", "--sleep", "1ms"];
    let running = Running::start(connected(&server).args(publish), "Published");
    server.stop();
    server.restart();
    running.wait_said("connected again");
    let done = running.interrupt();
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let last = done.stderr.lines().last();
    let expected = "error: the connection was lost meanwhile, messages may be missing";
    assert_eq!(last, Some(expected), "{}", done.stderr);
}

#[test]
fn a_publisher_ends_although_the_server_hangs() {
    let server = server("");
    let publish = ["pub", "a", "x", "--count", "100000000", "--timeout", "300ms"];
    let running = Running::start(connected(&server).args(publish), "Published");
    server.signal("STOP");
    let done = running.interrupt();
    server.signal("CONT");
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let last = done.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: the server "), "{last}");
}

#[test]
fn help_version_and_completion_are_printed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let local = || ctl(folder.path());
    let version = format!("natsctl {}\n", env!("CARGO_PKG_VERSION"));
    check(local().args(["--version"]), 0, &version, "");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let done = local().args(["completion", shell]).done().success();
        assert!(done.stdout.contains("natsctl"), "{shell}");
    }
    let done = local().args(["sub", "--help"]).done().success();
    assert!(done.stdout.contains("Examples:"), "{}", done.stdout);
    let rows: [&[&str]; 4] = [&[], &["nonsense"], &["pub"], &["rtt", "--timeout", "5"]];
    for arguments in rows {
        assert_eq!(local().args(arguments).done().code, Some(2), "{arguments:?}");
    }
}
