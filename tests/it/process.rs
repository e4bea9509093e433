//! The server as a program: flags, configuration errors, exit codes, signals, files it writes.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use natsd_testkit::{DEADLINE, Finished, Server, run, wait_until};

use crate::support::{awaits, binary, launch, server};

/// The last line of standard error that says something.
fn last_line(finished: &Finished) -> &str {
    finished.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

/// The program must say `text` in its last line and exit with 1, leaving nothing behind.
#[track_caller]
fn check_refused(finished: &Finished, text: &str) {
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    // What the operating system says is spelled in either case.
    let said = last_line(finished).to_lowercase();
    assert!(said.contains(&text.to_lowercase()), "want {text:?} in: {}", finished.stderr);
    assert!(!finished.stderr.contains("panic"), "{}", finished.stderr);
    let left: Vec<String> = fs::read_dir(finished.folder.path())
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !["stdout", "stderr", "server.conf"].contains(&name.as_str()))
        .collect();
    assert_eq!(left, [""; 0], "files left behind");
}

/// Go: TestProcessCommandLineArgs server/server_test.go:773
/// Go: TestSemanticVersion server/server_test.go:127
#[test]
fn process_command_line_args() {
    for argument in ["version", "-v", "--version"] {
        let finished = run(&binary(), &[argument]);
        assert_eq!(finished.code, Some(0), "{argument}: {}", finished.stderr);
        let version = finished.stdout.trim_end().strip_prefix("nats-server: v").expect("version");
        let numbers: Vec<u32> =
            version.split('.').map(|part| part.parse().expect("number")).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[1]), (3, 2, 15), "{version}");
    }
    for argument in ["help", "-h", "--help", "-help"] {
        let finished = run(&binary(), &[argument]);
        assert_eq!(finished.code, Some(0), "{argument}: {}", finished.stderr);
        let printed = finished.stdout + &finished.stderr;
        for flag in ["--config", "--port", "--signal", "--pid"] {
            assert!(printed.contains(flag), "{argument} says nothing of {flag}: {printed}");
        }
    }
    check_refused(&run(&binary(), &["foo", "-p", "9090"]), "unrecognized command: \"foo\"");
    let finished = run(&binary(), &["--nosuch"]);
    assert!(finished.stderr.contains("flag provided but not defined: -nosuch"));
    assert!(finished.code.is_some());
}

#[test]
fn flags_stand_over_the_configuration_file() {
    let server = launch()
        .config("server_name: from_file\nmax_payload: 100")
        .args(&["--name", "from_flag"])
        .start();
    let info = server.open().info;
    assert_eq!((&info["server_name"], &info["max_payload"]), (&"from_flag".into(), &100.into()));
    let server = launch()
        .no_config()
        .args(&["-n", "alone", "-m", "-1", "--user", "u", "--pass", "p"])
        .start();
    let info = server.open().info;
    assert_eq!((&info["server_name"], &info["auth_required"]), (&"alone".into(), &true.into()));
    server.client_with(r#"{"verbose":false,"user":"u","pass":"p"}"#).expect_nothing();
    assert_eq!(server.get("/varz").json()["server_name"], "alone");
    // The password is no longer to be seen in the process list.
    let line = fs::read(format!("/proc/{}/cmdline", server.pid())).expect("command line");
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    assert!(words.contains(&&b"--pass"[..]), "{words:?}");
}

#[test]
fn a_bad_start_is_one_clear_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("port");
    let address = taken.local_addr().expect("address");
    let cases: [(String, &[&str], &str); 9] = [
        ("foo: bar".into(), &[], "unknown field \"foo\""),
        ("max_payload: yes_please".into(), &[], "server.conf:3:"),
        ("authorization { users = [ {user: a".into(), &[], "Parse error on line 4"),
        (
            String::new(),
            &["-P", "/nonexistent/x.pid"],
            "Could not write pidfile: open /nonexistent/x.pid",
        ),
        (
            "tls { cert_file: \"/nonexistent.pem\", key_file: \"/nonexistent.key\" }".into(),
            &[],
            "error parsing X509 certificate/key pair: open /nonexistent.pem",
        ),
        (format!("listen: \"{address}\""), &[], "address already in use"),
        ("lame_duck_duration: \"5s\"".into(), &[], "lame_duck_duration"),
        (String::new(), &["-l", "/nonexistent/folder/log"], "open /nonexistent/folder/log"),
        ("include \"./missing.conf\"".into(), &[], "missing.conf"),
    ];
    for (config, arguments, text) in cases {
        check_refused(&launch().config(&config).args(arguments).finish(), text);
    }
    check_refused(&run(&binary(), &["-c", "/nonexistent.conf"]), "open /nonexistent.conf");
}

/// Go: TestClientAdvertiseErrorOnStartup server/server_test.go:681
/// Go: TestLameDuckOptionsValidation server/server_test.go:990
/// Go: TestServerClusterAndGatewayNameNoSpace server/server_test.go:2394
/// Go: TestNoDeadlockOnStartFailure server/server_test.go:688
#[test]
fn options_that_contradict_are_refused() {
    for (config, text) in [
        ("client_advertise: \"addr:::123\"", "ClientAdvertise value of addr:::123"),
        ("client_advertise: \"addr:addr\"", "ClientAdvertise value of addr:addr"),
        (
            "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"40s\"",
            "should be strictly lower than lame duck duration",
        ),
        ("server_name: \"my server\"", "server name cannot contain spaces"),
        (
            "cluster { listen: \"127.0.0.1:-1\", name: \"my cluster\" }",
            "cluster name cannot contain spaces",
        ),
        (
            "gateway { listen: \"127.0.0.1:-1\", name: \"my gateway\" }",
            "gateway name cannot contain spaces",
        ),
        ("max_payload: 2MB\nmax_pending: 1MB", "max_payload"),
    ] {
        let finished = launch().config(config).finish();
        assert_eq!(finished.code, Some(1), "{config}: {}", finished.stderr);
        assert!(finished.stderr.contains(text), "{config}: {}", finished.stderr);
    }
    let finished = launch().no_listen().config("host: \"256.1.2.3\"\nport: -1").finish();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("256.1.2.3"), "{}", finished.stderr);
}

/// Go: TestConfigCheckIncludes server/config_check_test.go:2566
/// Go: TestConfigCheckMultipleErrors server/config_check_test.go:2589
#[test]
fn a_configuration_can_be_tested_without_a_start() {
    let check = |text: &str, code: i32, expected: &[&str]| {
        let prepared = launch();
        prepared.file("checked.conf", text);
        prepared.file("part.conf", "max_payload: 100\nbad_one: 1\n");
        let path = prepared.folder().join("checked.conf").display().to_string();
        for flag in ["-t", "--t"] {
            let finished = run(&binary(), &[flag, "-c", &path]);
            assert_eq!(finished.code, Some(code), "{text}: {}", finished.stderr);
            for line in expected {
                let line = line.replace("$FILE", &path);
                assert!(finished.stderr.contains(&line), "want {line} in {}", finished.stderr);
            }
        }
    };
    check("port: -1\n", 0, &["nats-server: configuration file $FILE is valid (sha256:"]);
    check("", 1, &["$FILE: config has no values or is empty"]);
    check(
        "port: -1\nfoo: 1\nbar: 2\n",
        1,
        &["$FILE:2:1: unknown field \"foo\"", "$FILE:3:1: unknown field \"bar\""],
    );
    check("port: 1\ninclude \"part.conf\"\n", 1, &["part.conf:2:1: unknown field \"bad_one\""]);
    check_refused(&run(&binary(), &["-t"]), "must specify [-c, --config] option");
}

/// Go: TestServerConfigLastLineComments server/server_test.go:2377
/// Go: TestServerAuthBlockAndSysAccounts server/server_test.go:2351
#[test]
fn odd_configurations_start() {
    let server = launch()
        .no_listen()
        .config("{\n\"listen\": \"127.0.0.1:-1\"\n}\n# wibble")
        .no_config_prefix()
        .start();
    server.client().expect_nothing();
    let server = crate::support::server(
        "authorization { users = [ {user: u, password: pass} ] }\n\
         accounts { $SYS: { users: [ {user: admin, password: pwd} ] } }",
    );
    server.client_with(r#"{"verbose":false,"user":"u","pass":"pass"}"#).expect_nothing();
    let mut client = server.open();
    client.send("CONNECT {\"verbose\":false}\r\n");
    client.expect_eof("-ERR 'Authorization Violation'\r\n");
}

/// Go: TestPidFile test/pid_test.go:22
#[test]
fn pid_file() {
    for by_flag in [true, false] {
        let prepared = launch();
        let mut server = if by_flag {
            prepared.args(&["-P", "$DIR/server.pid"]).start()
        } else {
            prepared.config("pid_file: \"$DIR/server.pid\"").start()
        };
        let path = server.folder().join("server.pid");
        assert_eq!(fs::read_to_string(&path).expect("pid file"), server.pid().to_string());
        server.stop();
    }
}

/// Go: TestPortsFile test/ports_test.go:47
#[test]
fn ports_file() {
    let mut server = launch().monitoring().start();
    check_ports(&server, &[("nats", "nats://"), ("monitoring", "http://")]);
    let name = format!("{}_{}.ports", program_name(), server.pid());
    let path = server.folder().join(name);
    assert!(path.is_file(), "{} exists", path.display());
    server.stop();
    assert!(!path.exists(), "{} is removed at the end", path.display());
}

/// Go: TestPortsFile test/ports_test.go:47
#[test]
fn ports_file_names_the_cluster() {
    let cluster = "cluster { listen: \"127.0.0.1:-1\", name: c }";
    // FIXME(maintainers): needs the cluster port.
    if awaits("cluster", cluster) {
        return;
    }
    check_ports(&launch().config(cluster).start(), &[("cluster", "nats://")]);
}

/// Go: TestPortsFile test/ports_test.go:47
#[test]
fn ports_file_names_the_profiles() {
    // FIXME(maintainers): needs the profiling port.
    if awaits("prof_port", "prof_port: -1") {
        return;
    }
    check_ports(&launch().config("prof_port: -1").start(), &[("profile", "http://")]);
}

/// The ports file must name these listeners with URLs of these schemes.
#[track_caller]
fn check_ports(server: &Server, expected: &[(&str, &str)]) {
    let ports = server.ports();
    for (kind, scheme) in expected {
        let url = ports[kind][0].as_str().unwrap_or_else(|| panic!("no {kind} in {ports}"));
        assert!(url.starts_with(scheme), "{kind}: {url}");
    }
}

fn program_name() -> String {
    binary().file_name().expect("file name").to_string_lossy().into_owned()
}

/// Go: TestPortsFileReload test/ports_test.go:124
#[test]
fn ports_file_reload() {
    let server = server("");
    let name = format!("{}_{}.ports", program_name(), server.pid());
    let (first, second) = (server.folder().join(&name), server.folder().join("b").join(&name));
    assert!(first.is_file());
    fs::create_dir(server.folder().join("b")).expect("folder");
    server.rewrite_config("ports_file_dir: \"$DIR/b\"");
    server.signal("HUP");
    wait_until("the ports file has moved", DEADLINE, || {
        (second.is_file() && !first.exists()).then_some(())
    });
    let text = fs::read_to_string(&second).expect("ports file");
    assert!(text.contains(&server.address().to_string()), "{text}");
}

/// Go: TestSignalInterruptHasSuccessfulExit server/signal_test.go:487
/// Go: TestSignalTermHasSuccessfulExit server/signal_test.go:502
/// Go: TestStartupAndShutdown server/server_test.go:170
#[test]
fn signals_end_the_server_with_success() {
    for name in ["INT", "TERM"] {
        let mut server = server("");
        let mut client = server.client();
        let address = server.address();
        server.signal(name);
        assert!(client.wait_closed());
        assert_eq!(server.wait_exit().code(), Some(0), "SIG{name}: {}", server.log());
        assert!(natsd_testkit::RawClient::try_dial(address).is_err());
        assert!(server.log().contains("Server Exiting"), "{}", server.log());
    }
}

/// Go: TestSignalToReloadConfig server/signal_test.go:77
#[test]
fn signal_to_reload_config() {
    let config = |user: &str| {
        format!(
            "http: \"127.0.0.1:-1\"\naccounts: {{ A: {{ users: [{{user: {user}, password: foo}}] }} }}"
        )
    };
    let server = server(&config("foo"));
    let load_time = || server.get("/varz").json()["config_load_time"].as_str().map(str::to_owned);
    let mut last = load_time();
    // Also without a change, and more than once.
    for user in ["foo", "foo0", "foo1"] {
        server.rewrite_config(&config(user));
        server.signal("HUP");
        wait_until("a later load time", DEADLINE, || (load_time() > last).then_some(()));
        last = load_time();
        server
            .client_with(&format!(r#"{{"verbose":false,"user":"{user}","pass":"foo"}}"#))
            .expect_nothing();
    }
    // A file that is wrong changes nothing.
    server.rewrite_config("max_payload: yes_please");
    server.signal("HUP");
    server.wait_log("Failed to reload server configuration");
    server.client_with(r#"{"verbose":false,"user":"foo1","pass":"foo"}"#).expect_nothing();
}

/// Runs the program to send a signal to the server.
#[track_caller]
fn send_signal(argument: &str) {
    let finished = run(&binary(), &["--signal", argument]);
    assert_eq!(finished.code, Some(0), "--signal {argument}: {}", finished.stderr);
}

/// Go: TestProcessSignalQuitProcess server/signal_test.go:298
/// Go: TestProcessSignalTermProcess server/signal_test.go:324
/// Go: TestProcessSignalReopenProcess server/signal_test.go:350
/// Go: TestProcessSignalReloadProcess server/signal_test.go:376
/// Go: TestProcessSignalLameDuckMode server/signal_test.go:402
#[test]
fn the_program_signals_a_running_server() {
    for (signal, logged) in [
        ("reload", Some("Reloaded server configuration")),
        ("reopen", Some("File log re-open")),
        ("ldm", Some("Entering lame duck mode")),
        ("quit", None),
        ("term", None),
        ("stop", None),
    ] {
        let mut server = launch().args(&["-P", "$DIR/server.pid"]).start();
        // Once by number, once by the pid file.
        let targets =
            [server.pid().to_string(), server.folder().join("server.pid").display().to_string()];
        match logged {
            Some(text) => {
                let target = if signal == "reload" { &targets[1] } else { &targets[0] };
                send_signal(&format!("{signal}={target}"));
                server.wait_log(text);
            }
            None => {
                send_signal(&format!("{signal}={}", targets[0]));
                let code = server.wait_exit().code();
                assert_eq!(code, if signal == "stop" { None } else { Some(0) }, "{signal}");
            }
        }
    }
}

/// Go: TestProcessSignalInvalidCommand server/signal_test.go:276
/// Go: TestProcessSignalInvalidPid server/signal_test.go:287
#[test]
fn signals_that_cannot_be_sent_are_refused() {
    for (argument, text) in [
        ("invalid=123", "unknown signal \"invalid\""),
        ("stop=abc", "invalid pid: abc"),
        ("stop=99999999", "no such process"),
    ] {
        check_refused(&run(&binary(), &["-sl", argument]), text);
    }
}

#[test]
fn the_program_works_under_the_name_nats_server() {
    let prepared = launch();
    let link = prepared.folder().join("nats-server");
    std::os::unix::fs::symlink(binary(), &link).expect("link");
    let finished = run(&link, &["--version"]);
    assert!(finished.stdout.starts_with("nats-server: v2.15."), "{}", finished.stdout);
    let server = natsd_testkit::Launch::new(&link).start();
    let name = format!("nats-server_{}.ports", server.pid());
    assert!(Path::new(server.folder()).join(name).is_file());
    server.client().expect_nothing();
}

#[test]
fn clients_come_back_after_a_restart() {
    let mut server = server("");
    let mut client = server.client();
    let address = server.address();
    server.kill();
    assert!(client.wait_closed());
    server.restart();
    assert_eq!(server.address(), address);
    server.client().expect_nothing();
}

/// Go: TestGoServerShutdownWithClients test/gosrv_test.go:39
/// Go: TestSimpleGoServerShutdown test/gosrv_test.go:24
#[test]
fn a_shutdown_closes_all_clients() {
    let mut server = server("");
    let mut clients: Vec<_> = (0..50).map(|_| server.client()).collect();
    assert_eq!(server.stop().code(), Some(0));
    for client in &mut clients {
        assert!(client.wait_closed());
    }
}
