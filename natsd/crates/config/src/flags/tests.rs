//! Command lines, ported from Go `server/opts_test.go`.

use super::{
    Command, Run, Signal, configure, merge, parse_command_line, parse_routes, redact_args,
};
use super::{help_tls, usage};
use crate::options::{LogFormat, Options, Port};
use crate::testing::MapSource;

const TRACED: &str = "trace: true, debug: false, listen: 127.0.0.1:4242";
/// The values of Go's `srv_a.conf`.
const CLUSTERED: &str = "listen: 127.0.0.1:7222
    cluster { listen: 127.0.0.1:7244, name: abc
      authorization { user: ruser, password: top_secret, timeout: 0.5 }
      routes = [ \"nats-route://ruser:top_secret@127.0.0.1:7246\" ] }";

fn source() -> MapSource {
    MapSource::default()
        .file("test.conf", TRACED)
        .file("srv_a.conf", CLUSTERED)
        .file(
            "tls.conf",
            "tls { cert_file: a.pem, key_file: b.pem, timeout: 4, verify_and_map: true }",
        )
        .file("warn.conf", "ping_interval: 5")
        .file("bad.conf", "foo: bar")
        .file("invalid.conf", "no_auth_user: x")
        .file("store.conf", "store_dir: d")
        .file("a.pem", "")
        .file("b.pem", "")
        .file("server.pid", "4321\n")
}

fn run(args: &[&str]) -> Run {
    match configure(args, &source()) {
        Ok(Command::Run(run)) => *run,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn options(args: &[&str]) -> Options {
    run(args).options
}

#[track_caller]
fn check_error(args: &[&str], fragment: &str) {
    let error = parse_command_line(args, &source()).unwrap_err().to_string();
    assert!(error.contains(fragment), "{args:?}: {error}");
}

/// Go: TestConfigureOptions server/opts_test.go:1413
#[test]
fn configure_options() {
    let rows = [
        (&["-v"][..], Command::Version),
        (&["--version"], Command::Version),
        (&["version"], Command::Version),
        (&["-h"], Command::Help),
        (&["help"], Command::Help),
        (&["HELP", "me"], Command::Help),
        (&["-help_tls"], Command::HelpTls),
    ];
    for (args, expected) in rows {
        assert_eq!(configure(args, &source()), Ok(expected), "{args:?}");
    }
    assert_eq!(options(&["-p", "1234"]).port, Port::Fixed(1234));
    check_error(&["foo"], "unrecognized command: \"foo\"");
    check_error(&["-xxx", "foo"], "flag provided but not defined: -xxx");
    check_error(&["-c", "xxx.cfg"], "open xxx.cfg: no such file or directory");
    check_error(&["-sl", "quit=pid=foo"], "invalid signal parameters: [foo]");
    check_error(&["-sl", "quit=pid"], "invalid pid: pid");
    let rows = [
        (&["-c", "test.conf"][..], (false, true, false)),
        (&["-c", "test.conf", "-V=false"], (false, false, false)),
        (&["-c", "test.conf", "-DV=false"], (false, false, false)),
        (&["-c", "test.conf", "-DV"], (true, true, false)),
        (&["-c", "test.conf", "-DVV"], (true, true, true)),
        (&["-VV"], (false, true, true)),
        (&["-D", "-V"], (true, true, false)),
    ];
    for (args, expected) in rows {
        let found = options(args);
        assert_eq!((found.debug, found.trace, found.trace_verbose), expected, "{args:?}");
    }
}

/// The part of Go's `TestConfigureOptions` about clusters.
#[test]
fn cluster_flags() {
    let route = "nats://127.0.0.1:6223";
    check_error(&["-routes", route], "solicited routes require cluster capabilities");
    let found = options(&["-cluster", "nats://127.0.0.1:6222", "-routes", route]);
    assert_eq!(found.cluster.listen_flag.as_deref(), Some("nats://127.0.0.1:6222"));
    assert_eq!(found.cluster.port, Port::Fixed(6222));
    assert_eq!(found.routes_flag.as_deref(), Some(route));
    assert_eq!(found.routes[0].to_string(), route);
    let found = options(&["-c", "srv_a.conf", "-routes", ""]);
    assert_eq!((found.routes_flag, found.routes.len()), (None, 0));
    let found = options(&["-c", "srv_a.conf", "-cluster", "nats://ivan:pwd@127.0.0.1:6222"]);
    assert_eq!(found.cluster.username.as_deref(), Some("ivan"));
    assert_eq!(found.cluster.password.as_deref(), Some("pwd"));
    assert_eq!(found.cluster.port, Port::Fixed(6222));
    assert_eq!(found.routes[0].to_string(), "nats-route://ruser:top_secret@127.0.0.1:7246");
    let found = options(&["-c", "srv_a.conf", "-cluster_listen", "nats://127.0.0.1:-1"]);
    assert_eq!((found.cluster.port, found.cluster.username), (Port::Random, None));
    let found = options(&["-c", "srv_a.conf", "-cluster", ""]);
    assert_eq!(found.cluster.port, Port::Unset);
    let rows = [
        (":", "missing protocol scheme"),
        ("nats://127.0.0.1", "missing port in address"),
        ("nats://127.0.0.1:xxx", "invalid port"),
        ("nats://ivan:127.0.0.1:6222", "too many colons in address"),
        ("nats://ivan@127.0.0.1:6222", "expected cluster password to be set"),
    ];
    for (cluster, message) in rows {
        check_error(&["-cluster", cluster, "-routes", ""], message);
    }
}

/// The part of Go's `TestConfigureOptions` about TLS.
#[test]
fn tls_flags() {
    let found = options(&["-c", "tls.conf", "-tls=false"]);
    assert_eq!((found.tls, found.tls_flag), (None, false));
    check_error(&["-c", "tls.conf", "-tlsverify"], "certificate must be present and valid");
    let files = ["-tlscert", "a.pem", "-tlskey", "b.pem"];
    let found = options(&[&["-c", "tls.conf", "-tlsverify"][..], &files].concat());
    let tls = found.tls.unwrap();
    assert!(tls.verify && tls.verify_and_map, "what flags cannot say stays");
    assert_eq!(tls.timeout.as_secs(), 4);
    check_error(&["-tls"], "certificate must be present and valid");
    check_error(&["-tls", "-tlscert", "a.pem"], "private key must be present and valid");
    check_error(
        &["-tls", "-tlscert", "a.pem", "-tlskey", "none.pem"],
        "open none.pem: no such file",
    );
    let found = options(&[&["-tls"][..], &files].concat());
    assert!(found.tls_flag && found.tls.unwrap().cipher_suites.is_empty());
}

#[test]
fn flags_are_read_as_go_reads_them() {
    let same = ["-p=1234", "--p=1234", "-port=1234", "--port=1234", "-p=0x4d2", "-p=02322"];
    for arg in same {
        assert_eq!(options(&[arg]).port, Port::Fixed(1234), "{arg}");
    }
    assert_eq!(options(&["--port", "-1"]).port, Port::Random);
    assert_eq!(options(&["-p", "1", "-port", "2"]).port, Port::Fixed(2));
    let rows = [
        (&["-p"][..], "flag needs an argument: -p"),
        (&["-p=abc"], "invalid value \"abc\" for flag -p: parse error"),
        (&["-p=99999999999999999999"], "for flag -p: value out of range"),
        (&["-p=08"], "invalid value \"08\" for flag -p: parse error"),
        (&["-D=xx"], "invalid boolean value \"xx\" for -D: parse error"),
        (&["---x"], "bad flag syntax: ---x"),
        (&["-=x"], "bad flag syntax: -=x"),
        (&["-zz=1"], "flag provided but not defined: -zz"),
        (&["-log_format", "xml"], "for flag -log_format: must be 'text' or 'json'"),
        (&["-D", "false"], "unrecognized command: \"false\""),
        (&["-"], "unrecognized command: \"-\""),
        (&["-t"], "must specify [-c, --config] option to check configuration file syntax"),
        (
            &["-routes", "a b:c", "-cluster", "nats://a:1"],
            "first path segment in URL cannot contain colon",
        ),
        (&["-c", "store.conf", "-sd", "x"], "store.conf:1:0: Duplicate 'store_dir' configuration"),
        (&["-c", "invalid.conf"], "no_auth_user: \"x\" present"),
    ];
    for (args, message) in rows {
        check_error(args, message);
    }
    assert!(options(&["-D", "--"]).debug);
    check_error(&["-D", "--", "foo"], "unrecognized command: \"foo\"");
}

#[test]
fn every_flag_sets_its_option() {
    let found = options(&[
        "-a",
        "h",
        "-n",
        "s",
        "-P",
        "p",
        "-m",
        "1",
        "-ms",
        "2",
        "-client_advertise",
        "c:1",
        "-ports_file_dir",
        "d",
        "-l",
        "f",
        "-T=false",
        "-logtime_utc",
        "-log_format",
        "json",
        "-log_size_limit",
        "5",
        "-s",
        "-r",
        "udp://x",
        "-max_traced_msg_len",
        "6",
        "-js",
        "-sd",
        "st",
        "-user",
        "u",
        "-pass",
        "pw",
        "-profile",
        "7",
        "-cluster_name",
        "cn",
        "-cluster_advertise",
        "ca",
        "-no_advertise",
        "-connect_retries",
        "8",
    ]);
    let mut expected = Options {
        host: "h".to_string(),
        server_name: Some("s".to_string()),
        pid_file: Some("p".to_string()),
        http_port: Port::Fixed(1),
        https_port: Port::Fixed(2),
        client_advertise: Some("c:1".to_string()),
        ports_file_dir: Some("d".to_string()),
        log_file: Some("f".to_string()),
        logtime_utc: true,
        log_format: LogFormat::Json,
        log_size_limit: 5,
        syslog: true,
        remote_syslog: Some("udp://x".to_string()),
        max_traced_msg_len: 6,
        store_dir: Some("st".to_string()),
        username: Some("u".to_string()),
        password: Some("pw".to_string()),
        prof_port: Port::Fixed(7),
        ..Options::empty()
    };
    expected.jetstream.enabled = true;
    expected.cluster.name = Some("cn".to_string());
    expected.cluster.advertise = Some("ca".to_string());
    expected.cluster.no_advertise = true;
    expected.cluster.connect_retries = 8;
    assert_eq!(found, expected);
    assert_eq!(options(&["-auth", "t"]).token.as_deref(), Some("t"));
    assert!(options(&[]).logtime);
    // Every flag is explained.
    for flag in super::table::FLAGS {
        let dashes = if flag.name.len() <= 3 { "-" } else { "--" };
        assert!(usage().contains(&format!("{dashes}{}", flag.name)), "{}", flag.name);
    }
    assert!(help_tls().contains("TLS_AES_128_GCM_SHA256") && help_tls().contains("X25519"));
}

#[test]
fn a_file_is_tested_without_running() {
    let test = |file: &str| configure(&["-t", "-c", file], &source());
    assert!(matches!(test("test.conf"), Ok(Command::TestConfig { config_file, digest })
        if config_file == "test.conf" && digest.starts_with("sha256:")));
    let error = test("bad.conf").unwrap_err().to_string();
    assert_eq!(error, "bad.conf:1:0: unknown field \"foo\"\n");
    // Warnings count when a file is tested, and are kept when it is run.
    let error = test("warn.conf").unwrap_err().to_string();
    assert!(error.contains("ping_interval should be converted to a duration"), "{error}");
    assert_eq!(run(&["-c", "warn.conf"]).warnings.len(), 1);
}

#[test]
fn signals_are_named() {
    let rows = [
        ("stop", Signal::Stop, ""),
        ("quit=", Signal::Quit, ""),
        ("term=12", Signal::Term, "12"),
        ("reopen=12*", Signal::Reopen, "12*"),
        ("reload=server.pid", Signal::Reload, "4321"),
        ("ldm", Signal::LameDuck, ""),
    ];
    for (text, signal, process) in rows {
        let expected = Command::Signal { signal, process: process.to_string() };
        assert_eq!(configure(&["--signal", text], &source()), Ok(expected));
    }
    check_error(&["-sl", "bad=1"], "unknown signal \"bad\"");
}

/// Go: TestDefaultOptions server/opts_test.go:52
/// Go: TestOptions_RandomPort server/opts_test.go:89
#[test]
fn default_options() {
    let Ok(Command::Run(run)) = parse_command_line::<&str>(&[], &source()) else {
        panic!("the empty command line is refused");
    };
    assert_eq!(run.options, Options { logtime: true, ..Options::default() });
    let defaults = Options::default();
    assert_eq!((defaults.host.as_str(), defaults.port), ("0.0.0.0", Port::Fixed(4222)));
    assert_eq!(defaults.http_host, "0.0.0.0");
    assert_eq!((defaults.max_connections, defaults.max_control_line), (65536, 4096));
    assert_eq!((defaults.max_payload, defaults.max_pending), (1 << 20, 64 << 20));
    assert_eq!((defaults.ping_interval.as_secs(), defaults.ping_max), (120, 2));
    assert_eq!((defaults.tls_timeout.as_secs(), defaults.auth_timeout.as_secs()), (2, 2));
    assert_eq!((defaults.write_deadline.as_secs(), defaults.max_closed_clients), (10, 10_000));
    assert_eq!(defaults.lame_duck_duration.as_secs(), 120);
    assert_eq!(defaults.lame_duck_grace_period.as_secs(), 10);
    assert_eq!(defaults.leafnode.reconnect_interval.as_secs(), 1);
    assert_eq!((defaults.connect_error_reports, defaults.reconnect_error_reports), (3600, 1));
    let jetstream = &defaults.jetstream;
    assert_eq!((jetstream.max_memory_store, jetstream.max_file_store), (-1, -1));
    assert_eq!(jetstream.sync_interval.as_secs(), 120);
    assert_eq!((jetstream.request_queue_limit, jetstream.info_queue_limit), (10_000, 10_000));
    assert_eq!(jetstream.max_concurrent_io, 4096);
    let mut random = Options { port: Port::Random, ..Options::empty() };
    random.apply_defaults();
    assert_eq!(random.port.bind(), 0);
}

/// Go: TestListenMonitoringDefault server/opts_test.go:551
#[test]
fn listen_monitoring_default() {
    let mut found = Options { host: "10.0.1.22".to_string(), ..Options::empty() };
    found.apply_defaults();
    assert_eq!((found.host.as_str(), found.http_host.as_str()), ("10.0.1.22", "10.0.1.22"));
    assert_eq!(found.port, Port::Fixed(4222));
}

/// Go: TestEmptyConfig server/opts_test.go:1306
#[test]
fn empty_config() {
    assert_eq!(options(&["-c", ""]).config_file, None);
}

/// Go: TestRouteFlagOverride server/opts_test.go:332
/// Go: TestRouteFlagOverrideWithMultiple server/opts_test.go:410
/// Go: TestClusterFlagsOverride server/opts_test.go:367
#[test]
fn route_flag_override() {
    let file = || options(&["-c", "srv_a.conf"]);
    let one = "nats-route://ruser:top_secret@127.0.0.1:8246";
    let two = format!("{one}, nats-route://ruser:top_secret@127.0.0.1:8266");
    for (routes, count) in [(one, 1), (two.as_str(), 2)] {
        let flags = Options { routes_flag: Some(routes.to_string()), ..Options::empty() };
        let merged = merge(file(), &flags);
        let expected = Options {
            routes: parse_routes(routes).unwrap(),
            routes_flag: Some(routes.to_string()),
            ..file()
        };
        assert_eq!(merged.routes.len(), count);
        assert_eq!(merged, expected);
    }
    let mut flags = Options::empty();
    flags.cluster.listen_flag = Some("nats://127.0.0.1:8224".to_string());
    let mut expected = file();
    expected.cluster.listen_flag.clone_from(&flags.cluster.listen_flag);
    assert_eq!(merge(file(), &flags), expected);
}

/// Go: TestOptionsClone server/opts_test.go:1225
/// Go: TestOptionsCloneNilLists server/opts_test.go:1285
#[test]
fn options_clone() {
    let original = options(&["-c", "srv_a.conf"]);
    let mut clone = original.clone();
    assert_eq!(clone, original);
    clone.routes[0].host = "other:1".to_string();
    assert_ne!(clone, original);
    assert_eq!(original.routes[0].host, "127.0.0.1:7246");
    assert!(Options::empty().clone().users.is_empty());
}

/// Go: TestRedactArgs server/opts_test.go:4466
#[test]
fn redact_args_hides_secrets() {
    let secret =
        |flag: &'static str| [(flag, "hello", "[REDACTED]"), (flag, "hello world", "[REDACTED]")];
    let mut rows: Vec<(&str, &str, &str)> =
        ["user", "pass", "auth"].iter().flat_map(|f| secret(f)).collect();
    rows.extend([
        ("routes", "nats://ruser:s3cret@127.0.0.1:6222", "nats://[REDACTED]@127.0.0.1:6222"),
        ("routes", "nats://127.0.0.1:6222", "nats://127.0.0.1:6222"),
        (
            "routes",
            "nats://ruser:s3cret@127.0.0.1:6222, nats://ruser2:s3cret2@127.0.0.1:6223",
            "nats://[REDACTED]@127.0.0.1:6222,nats://[REDACTED]@127.0.0.1:6223",
        ),
        ("cluster", "nats://cuser:s3cret@127.0.0.1:6224", "nats://[REDACTED]@127.0.0.1:6224"),
        ("cluster", "nats://127.0.0.1:6224", "nats://127.0.0.1:6224"),
        ("cluster", "nats://cuser,extra:s3cret@127.0.0.1:6224", "nats://[REDACTED]@127.0.0.1:6224"),
        ("cluster", "nats://cuser:s3cret@127.0.0.1:-1", "nats://[REDACTED]@127.0.0.1:-1"),
        (
            "cluster_listen",
            "nats://luser:s3cret@127.0.0.1:6225",
            "nats://[REDACTED]@127.0.0.1:6225",
        ),
        (
            "cluster_listen",
            "nats://luser,extra:s3cret@127.0.0.1:6225",
            "nats://[REDACTED]@127.0.0.1:6225",
        ),
        ("cluster_listen", "nats://luser:s3cret@127.0.0.1:-1", "nats://[REDACTED]@127.0.0.1:-1"),
        ("name", "hello", "hello"),
    ]);
    for (flag, value, expected) in rows {
        for dash in ["-", "--"] {
            let mut apart = [format!("{dash}{flag}"), value.to_string()];
            redact_args(&mut apart);
            assert_eq!(apart, [format!("{dash}{flag}"), expected.to_string()]);
            let mut joined = [format!("{dash}{flag}={value}")];
            redact_args(&mut joined);
            assert_eq!(joined, [format!("{dash}{flag}={expected}")]);
        }
    }
    let mut last = ["-pass".to_string()];
    redact_args(&mut last);
    assert_eq!(last, ["-pass"]);
}

/// Go: TestNewServerFromConfigVsLoadConfig server/opts_test.go:4071
#[test]
fn new_server_from_config_vs_load_config() {
    let text = "port = 4224, max_payload = 4194304, max_connections = 200, ping_interval = \"30s\"";
    let source = source().file("nats.conf", text);
    let before = Options { logtime: true, ..Options::empty() };
    let mut loaded = crate::load_file("nats.conf", before, &source).unwrap().options;
    crate::prepare(&mut loaded).unwrap();
    match parse_command_line(&["-c", "nats.conf"], &source) {
        Ok(Command::Run(run)) => assert_eq!(run.options, loaded),
        other => panic!("{other:?}"),
    }
}
