//! What the server writes to its log: the shape of a line, traces, secrets that must not appear,
//! files and their rotation.

use std::fs;
use std::net::UdpSocket;

use natsd_testkit::{DEADLINE, Launch, Server, wait_until};

use crate::support::{binary, launch};

const QUIET: &str = r#"{"verbose":false,"pedantic":false}"#;
const HEADERS: &str = r#"{"verbose":false,"pedantic":false,"headers":true}"#;

fn traced(config: &str) -> Server {
    launch().config("trace: true").config(config).start()
}

/// Go: TestStdLogger logger/log_test.go:28
/// Go: TestStdLoggerWithDebugTraceAndTime logger/log_test.go:45
/// Go: TestStdLoggerNotice logger/log_test.go:62
/// Go: TestStdLoggerDebug logger/log_test.go:76
/// Go: TestStdLoggerDebugWithOutDebug logger/log_test.go:83
/// Go: TestStdLoggerTrace logger/log_test.go:90
/// Go: TestStdLoggerTraceWithOutDebug logger/log_test.go:97
/// Go: TestFileLogger logger/log_test.go:104
#[test]
fn lines_have_process_time_level_and_text() {
    for (config, to_file) in [
        ("", false),
        ("logtime: false", false),
        ("debug: true", false),
        ("trace: true", false),
        ("debug: true, trace: true, logtime_utc: true", false),
        ("log_file: \"$DIR/server.log\"", true),
        ("log_file: \"$DIR/server.log\", logtime: false", true),
    ] {
        let mut server = launch().config(&config.replace(", ", "\n")).start();
        server.client().expect_nothing();
        let pid = server.pid();
        server.stop();
        let log = if to_file {
            assert_eq!(server.log(), "", "nothing but the file is written");
            fs::read_to_string(server.folder().join("server.log")).expect("log file")
        } else {
            server.log()
        };
        let with_time = !config.contains("logtime: false");
        for line in log.lines() {
            let rest = line.strip_prefix(&format!("[{pid}] ")).expect("process id first");
            let rest = if with_time {
                let (time, rest) = rest.split_at(27);
                check_time(time);
                rest
            } else {
                rest
            };
            let level = rest.get(..5).expect("level");
            assert!(["[INF]", "[WRN]", "[ERR]", "[DBG]", "[TRC]"].contains(&level), "{line}");
            assert_eq!(rest.as_bytes()[5], b' ', "{line}");
        }
        assert!(log.contains("[INF] Starting nats-server"), "{log}");
        assert_eq!(log.contains("[DBG]"), config.contains("debug"), "{config}: {log}");
        assert_eq!(log.contains("[TRC]"), config.contains("trace"), "{config}: {log}");
        assert_eq!(log.contains("<<- [CONNECT"), config.contains("trace"), "{config}: {log}");
    }
}

/// `2026/11/23 09:03:19.774827 `
#[track_caller]
fn check_time(time: &str) {
    let pattern = "dddd/dd/dd dd:dd:dd.dddddd ";
    let fits = time.len() == pattern.len()
        && time.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            _ => byte == wanted,
        });
    assert!(fits, "not a time: {time:?}");
}

/// Go: TestServerLogsConfigurationFile server/server_test.go:2199
#[test]
fn server_logs_configuration_file() {
    let server = launch().start();
    let line = server.wait_log("Using configuration file: ");
    assert!(line.contains(&server.config_path().display().to_string()), "{line}");
    for text in [
        "  Version:  2.15.",
        "  Name:     N",
        "  ID:       N",
        "Listening for client connections on 127.0.0.1:",
        "Server is ready",
    ] {
        server.wait_log(text);
    }
}

/// Publishes on a traced server; the payload must be traced so, in and out.
#[track_caller]
fn check_payload_trace(config: &str, headers: &str, payload: &str, traced_as: &str) {
    let server = traced(config);
    let mut client = server.client_with(HEADERS);
    client.send("SUB foo 1\r\n");
    if headers.is_empty() {
        client.send(format!("PUB foo {}\r\n{payload}\r\n", payload.len()));
    } else {
        let total = headers.len() + payload.len();
        client.send(format!("HPUB foo {} {total}\r\n{headers}{payload}\r\n", headers.len()));
    }
    client.flush();
    for arrow in ["<<-", "->>"] {
        let line = server.wait_log(&format!(" - {arrow} MSG_PAYLOAD: "));
        let shown = line.split(" MSG_PAYLOAD: ").nth(1).expect("payload");
        assert_eq!(shown, format!("[\"{traced_as}\"]"), "{config} {arrow}");
    }
}

/// Go: TestTraceMsg server/client_test.go:1880
/// Go: TestTraceMsgHeadersOnly server/client_test.go:1933
/// Go: TestTraceMsgDelivery server/client_test.go:2001
/// Go: TestTraceMsgDeliveryWithHeaders server/client_test.go:2066
#[test]
fn payloads_are_traced_as_far_as_configured() {
    let one = "NATS/1.0\r\nFoo: 1\r\n\r\n";
    let two = "NATS/1.0\r\nFoo: 1\r\nBar: 2\r\n\r\n";
    for (config, headers, payload, traced_as) in [
        ("max_traced_msg_len: 10", "", "normal", "normal"),
        ("max_traced_msg_len: 10", "", "over length", "over lengt..."),
        ("max_traced_msg_len: 0", "", "unlimited length", "unlimited length"),
        ("max_traced_msg_len: -1", "", "a negative limit", "a negative limit"),
        ("", one, "test", r"NATS/1.0\r\nFoo: 1\r\n\r\ntest"),
        ("trace_headers: true", one, "", r"NATS/1.0\r\nFoo: 1"),
        ("trace_headers: true", one, "test", r"NATS/1.0\r\nFoo: 1"),
        ("trace_headers: true", two, "test", r"NATS/1.0\r\nFoo: 1\r\nBar: 2"),
        ("trace_headers: true\nmax_traced_msg_len: 6", one, "", r"NATS/1..."),
        ("trace_headers: true\nmax_traced_msg_len: 21", two, "", r"NATS/1.0\r\nFoo: 1\r\nBar..."),
    ] {
        check_payload_trace(config, headers, payload, traced_as);
    }
}

/// Go: TestConnectionStringWithLogConnectionInfo server/client_test.go:4240
/// Go: TestLogConnectionAuthInfo server/client_test.go:4296
/// Go: TestClientUserInfo server/client_test.go:1774
#[test]
fn log_lines_name_the_connection() {
    let info = r#","version":"1.0.0","lang":"rust","name":"test-client""#;
    for (config, fields, shown) in [
        ("", String::new(), ""),
        ("", info.to_owned(), r#" - "v1.0.0:rust:test-client""#),
        (
            "authorization { user: testuser, password: testpass }",
            r#","user":"testuser","pass":"testpass""#.to_owned(),
            r#" - "$G/user:testuser""#,
        ),
        (
            "authorization { token: secret-token }",
            r#","auth_token":"secret-token""#.to_owned(),
            r#" - "$G/token""#,
        ),
        (
            "authorization { user: testuser, password: testpass }",
            format!(r#"{info},"user":"testuser","pass":"testpass""#),
            r#" - "v1.0.0:rust:test-client" - "$G/user:testuser""#,
        ),
    ] {
        let server = traced(config);
        let connect = format!(r#"{{"verbose":false,"pedantic":false{fields}}}"#);
        let mut client = server.client_with(&connect);
        // Saying the same again changes nothing.
        client.send(format!("CONNECT {connect}\r\nCONNECT {connect}\r\nSUB again 1\r\n"));
        client.flush();
        let line = server.wait_log("<<- [SUB again 1]");
        let cid = &client.info["client_id"];
        let expected = format!("{} - cid:{cid}{shown} - <<- [SUB again 1]", client.local_address());
        assert!(line.ends_with(&expected), "want {expected}\nin   {line}");
    }
}

/// Go: TestNoPasswordsFromConnectTrace server/log_test.go:194
/// Go: TestRemovePassFromTrace server/log_test.go:224
/// Go: TestRemoveAuthTokenFromTrace server/log_test.go:352
/// Go: TestRemoveAdditionalAuthFieldsFromTrace server/log_test.go:480
#[test]
fn secrets_are_not_traced() {
    // `hidden` is the secret; what is traced has [REDACTED] in its place, and is otherwise equal.
    let cases = [
        r#"{"user":"ada","KEY":"hidden"}"#,
        r#"{"user":"ada","KEY":  "hidden"}"#,
        r#"{"user":"ada","KEY":    "hidden"     }"#,
        r#"{"KEY":"hidden",}"#,
        "{KEY:hidden,   password =  hidden}",
        "{KEY:hidden,   password=  hidden}",
        "{user = hello, KEY =  hidden}",
        r#"{"KEY":"hidden", "password": "hidden"}"#,
        "{KEY:hidden",
        r#"{"KEY":"hidden","KEY":"hidden","password":"hidden"}"#,
        r#"{KEY = "hidden",KEY= "hidden",password ="hidden"}"#,
        r#"{"echo":true,"user":"ada","KEY":"hidden","tls_required":false,"name":"x"}"#,
    ];
    let server = traced("");
    let mut expected = Vec::new();
    for key in ["pass", "auth_token", "sig", "nkey", "proxy_sig"] {
        for case in cases {
            // Bare words are recognised for passwords and tokens; other keys stand in JSON.
            if !["pass", "auth_token"].contains(&key) && case.contains("password") {
                continue;
            }
            let arguments = case.replace("KEY", key);
            for secret in ["s3cr3t", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
                let mut client = server.open();
                client.send(format!("CONNECT {}\r\n", arguments.replace("hidden", secret)));
                // Whatever the server thinks of it, the next read ends or answers.
                client.wait_for(DEADLINE, |bytes| !bytes.is_empty());
            }
            expected.push(format!("<<- [CONNECT {}]", arguments.replace("hidden", "[REDACTED]")));
        }
    }
    for line in expected {
        server.wait_log(&line);
    }
    // The public key is no secret and names the connection; what CONNECT brought must be hidden.
    let log = server.log();
    for line in log.lines().filter(|line| line.contains("CONNECT")) {
        assert!(!line.contains("s3cr3t") && !line.contains("AAAAAAAA"), "{line}");
    }
}

fn file_names(server: &Server) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(server.folder().join("logs"))
        .expect("log folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn with_log_folder() -> Launch {
    let prepared = launch();
    fs::create_dir(prepared.folder().join("logs")).expect("folder");
    prepared.config("log_file: \"$DIR/logs/server.log\"")
}

/// Go: TestSignalToReOpenLogFile server/signal_test.go:33
/// Go: TestReOpenLogFile server/log_test.go:84
#[test]
fn signal_to_re_open_log_file() {
    let server = with_log_folder().start();
    let path = server.folder().join("logs/server.log");
    let backup = server.folder().join("logs/server.log.bak");
    fs::rename(&path, &backup).expect("rename");
    server.signal("USR1");
    wait_until("the new file", DEADLINE, || {
        fs::read_to_string(&path).is_ok_and(|log| log.contains("File log re-opened")).then_some(())
    });
    assert!(fs::read_to_string(&backup).expect("backup").contains("Starting nats-server"));
    // Without a file there is nothing to open again, and the server says so.
    let server = launch().start();
    server.signal("USR1");
    server.wait_log("File log re-open ignored, not a file logger");
}

/// Go: TestFileLoggerSizeLimit logger/log_test.go:166
/// Go: TestFileLoggerSizeLimitAndReopen server/log_test.go:142
/// Go: TestLogMaxArchives test/log_test.go:35
#[test]
fn log_files_are_rotated_by_size() {
    for (config, kept) in [
        ("logfile_size_limit: 1000", None),
        ("logfile_size_limit: 1000\nlogfile_max_num: -42", None),
        ("logfile_size_limit: 1000\nlogfile_max_num: 1", Some(1)),
        ("log_size_limit: 1000\nlog_max_num: 3", Some(3)),
        ("", Some(1)),
    ] {
        let mut server = with_log_folder().config("trace: true").config(config).start();
        if kept.is_none() {
            // Opening the file again keeps the limit of the size (Go forgets that of the number).
            // The line that says so may be the one that fills the file: then a backup has it.
            server.signal("USR1");
            wait_until("the file opened again", DEADLINE, || {
                let mut files = file_names(&server).into_iter();
                let said = |name: String| {
                    fs::read_to_string(server.folder().join("logs").join(name))
                        .is_ok_and(|log| log.contains("File log re-opened"))
                };
                files.any(said).then_some(())
            });
        }
        let mut client = server.client_with(QUIET);
        for _ in 0..10 {
            client.send(format!("PUB foo 200\r\n{}\r\n", "x".repeat(200)));
            client.flush();
        }
        server.stop();
        let names = file_names(&server);
        match kept {
            Some(count) => assert_eq!(names.len(), count, "{config}: {names:?}"),
            None => assert!(names.len() > 5, "{config}: {names:?}"),
        }
        if config.is_empty() {
            continue;
        }
        // `server.log.2026.11.23.09.03.19.774827123`
        let backups = names.iter().filter_map(|name| name.strip_prefix("server.log."));
        for suffix in backups {
            let fields: Vec<&str> = suffix.split('.').collect();
            let digits = |field: &&str| field.bytes().all(|byte| byte.is_ascii_digit());
            assert!(fields.len() == 7 && fields.iter().all(digits), "{suffix}");
        }
        let newest = fs::read_to_string(server.folder().join("logs/server.log")).expect("log");
        assert!(newest.contains("Rotated log, backup saved as \""), "{newest}");
    }
}

/// Go: TestSysLoggerTagGen logger/syslog_test.go:66
/// Go: TestSysLoggerTag logger/syslog_test.go:80
#[test]
fn syslog_lines_are_tagged_with_the_name_of_the_program() {
    for name in
        ["nats-server", "nats-server.service1", "nats-server_service1", "nats-server service1"]
    {
        let syslog = UdpSocket::bind("127.0.0.1:0").expect("port");
        syslog.set_read_timeout(Some(DEADLINE)).expect("timeout is not zero");
        let folder = tempfile::tempdir().expect("folder");
        let program = folder.path().join(name);
        std::os::unix::fs::symlink(binary(), &program).expect("link");
        let url = format!("remote_syslog: \"udp://{}\"", syslog.local_addr().expect("address"));
        let _server = Launch::new(&program).config(&url).start();
        let mut buffer = [0; 2000];
        let count = syslog.recv(&mut buffer).expect("a line");
        let line = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let (head, _) = line.split_once('[').expect("process id");
        assert!(head.ends_with(&format!(" {name}")), "{name}: {line}");
    }
}
