//! Top level keys, ported from Go `server/opts_test.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{certificates, load, load_from};
use crate::language::Value;
use crate::options::{CipherSuite, CurvePreference, Options, Port, TlsVersion, WriteTimeout};
use crate::read::jetstream::parse_storage_size;
use crate::read::load_text;
use crate::source::NoSource;
use crate::testing::MapSource;
use crate::validate::validate;

/// The values of Go's `test.conf`, whose digest its tests know.
const TEST_CONF: &str = "
server_name: testing_server, listen: 127.0.0.1:4242, http: 8222, http_base_path: /nats
server_metadata { key1: value1, key2: value2 }
feature_flags { feature: false, fix: true, revert_fix: true }
authorization { user: derek, password: porkchop, timeout: 1 }
debug: false, trace: true, logtime: false, syslog: true, remote_syslog: \"udp://foo.com:33\"
pid_file: \"/tmp/nats-server/nats-server.pid\", prof_port: 6543
max_connections: 100, max_subscriptions: 1000, max_pending: 10000000
max_control_line: 2048, max_payload: 65536, ping_interval: \"60s\", ping_max: 3
write_deadline: \"3s\", lame_duck_duration: \"4m\"
connect_error_reports: 86400, reconnect_error_reports: 5
";

fn test_conf() -> Options {
    Options {
        config_file: Some("nats.conf".to_string()),
        config_digest: "sha256:f10eacddb9ce83a6bdc79b42c851b9628d49cf8b3c6ba95b1ecf090307504948"
            .to_string(),
        server_name: Some("testing_server".to_string()),
        host: "127.0.0.1".to_string(),
        port: Port::Fixed(4242),
        username: Some("derek".to_string()),
        password: Some("porkchop".to_string()),
        auth_timeout: Duration::from_secs(1),
        authorization_defined: true,
        trace: true,
        syslog: true,
        remote_syslog: Some("udp://foo.com:33".to_string()),
        http_port: Port::Fixed(8222),
        http_base_path: Some("/nats".to_string()),
        pid_file: Some("/tmp/nats-server/nats-server.pid".to_string()),
        prof_port: Port::Fixed(6543),
        max_control_line: 2048,
        max_payload: 65536,
        max_connections: 100,
        max_subscriptions: 1000,
        max_pending: 10_000_000,
        ping_interval: Duration::from_secs(60),
        ping_max: 3,
        write_deadline: Duration::from_secs(3),
        lame_duck_duration: Duration::from_secs(240),
        connect_error_reports: 86400,
        reconnect_error_reports: 5,
        server_metadata: [("key1", "value1"), ("key2", "value2")]
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .into(),
        feature_flags: [("feature", false), ("fix", true), ("revert_fix", true)]
            .map(|(key, flag)| (key.to_string(), flag))
            .into(),
        ..Options::empty()
    }
}

fn options(text: &str) -> Options {
    let mut options = load(text).unwrap_or_else(|errors| panic!("{text}: {errors}")).options;
    options.positions = BTreeMap::new();
    options
}

#[track_caller]
fn check_error(text: &str, fragment: &str) {
    let errors = load(text).unwrap_err().to_string();
    assert!(errors.contains(fragment), "{text}: {errors}");
}

/// Go: TestConfigFile server/opts_test.go:99
#[test]
fn config_file() {
    assert_eq!(options(TEST_CONF), test_conf());
}

/// Go: TestMergeOverrides server/opts_test.go:267
#[test]
fn merge_overrides() {
    let mut flags = Options {
        port: Port::Fixed(2222),
        password: Some("porkchop".to_string()),
        debug: true,
        http_port: Port::Fixed(8222),
        http_base_path: Some("/".to_string()),
        prof_port: Port::Fixed(6789),
        store_dir: Some("/store/dir".to_string()),
        ..Options::empty()
    };
    flags.cluster.no_advertise = true;
    flags.cluster.connect_retries = 2;
    flags.jetstream.enabled = true;
    let mut expected = test_conf();
    expected.port = Port::Fixed(2222);
    expected.debug = true;
    expected.http_base_path = Some("/".to_string());
    expected.prof_port = Port::Fixed(6789);
    expected.store_dir = Some("/store/dir".to_string());
    expected.cluster.no_advertise = true;
    expected.cluster.connect_retries = 2;
    expected.jetstream.enabled = true;
    assert_eq!(crate::flags::merge(options(TEST_CONF), &flags), expected);
}

/// Go: TestOptionsProcessConfigFile server/opts_test.go:1384
#[test]
fn options_process_config_file() {
    let before =
        Options { debug: true, log_file: Some("test.log".to_string()), ..Options::empty() };
    let source = certificates().file("nats.conf", TEST_CONF);
    let after = super::super::load_file("nats.conf", before, &source).unwrap().options;
    assert_eq!(after.config_file.as_deref(), Some("nats.conf"));
    assert!(!after.debug && after.trace);
    assert_eq!(after.log_file.as_deref(), Some("test.log"));
}

/// Go: TestTLSConfigFile server/opts_test.go:142
#[test]
fn tls_config_file() {
    let files = "cert_file: \"./configs/certs/server.pem\", key_file: \"./configs/certs/key.pem\"";
    let text = format!(
        "listen: 127.0.0.1:4443, tls {{ {files}, timeout: \"2s\" }}, \
         authorization {{ user: derek, password: foo, timeout: 1 }}"
    );
    let found = options(&text);
    assert_eq!(
        found.config_digest,
        "sha256:cec986d37d7c09c86916d1ba4990cea1b8dadd49c86f9f782b455b47d07c2ac8"
    );
    assert_eq!(found.tls_timeout, Duration::from_secs(2));
    let tls = found.tls.unwrap();
    assert_eq!(tls.cert_file.as_deref(), Some("./configs/certs/server.pem"));
    assert_eq!(tls.min_version, TlsVersion::Tls12);
    assert!(tls.cipher_suites.is_empty() && tls.curve_preferences.is_empty());
    let with = |more: &str| format!("tls {{ {files}, {more} }}");
    check_error(&with("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"), "insecure cipher suites");
    let insecure =
        with("allow_insecure_cipher_suites: true, cipher_suites: [\"TLS_RSA_WITH_RC4_128_SHA\"]");
    assert!(options(&insecure).tls.unwrap().cipher_suites[0].insecure);
    let names = [
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ];
    let tls = options(&with(&format!("cipher_suites: [{}]", names.join("\n")))).tls.unwrap();
    let suites: Vec<CipherSuite> =
        names.iter().map(|name| CipherSuite::by_name(name).unwrap()).collect();
    assert_eq!(tls.cipher_suites, suites);
    check_error(&with("cipher_suites: [BAD_CIPHER_SPEC]"), "unrecognized cipher BAD_CIPHER_SPEC");
    check_error(&with("cipher_suites: []"), "'cipher_suites' cannot be empty");
    let tls = options(&with("curve_preferences: [CurveP256]")).tls.unwrap();
    assert_eq!(tls.curve_preferences, [CurvePreference::P256]);
    check_error(&with("curve_preferences: [GARBAGE]"), "unrecognized curve preference GARBAGE");
    check_error(&with("curve_preferences: []"), "'curve_preferences' cannot be empty");
}

/// Go: TestDynamicPortOnListen server/opts_test.go:445
#[test]
fn dynamic_port_on_listen() {
    let found =
        options("listen: \"10.0.1.22:-1\", http: \"127.0.0.1:-1\", https: \"127.0.0.1:-1\"");
    assert_eq!(
        (found.port, found.http_port, found.https_port),
        (Port::Random, Port::Random, Port::Random)
    );
}

/// Go: TestListenConfig server/opts_test.go:461
#[test]
fn listen_config() {
    let mut found = options(
        "listen: 10.0.1.22:4422, http: 127.0.0.1:8422, https: 127.0.0.1:9443
         cluster { listen: 127.0.0.1:4244, name: abc }",
    );
    found.apply_defaults();
    assert_eq!((found.host.as_str(), found.port), ("10.0.1.22", Port::Fixed(4422)));
    assert_eq!((found.http_host.as_str(), found.http_port), ("127.0.0.1", Port::Fixed(8422)));
    assert_eq!(found.https_port, Port::Fixed(9443));
    let cluster = &found.cluster;
    assert_eq!((cluster.host.as_str(), cluster.port), ("127.0.0.1", Port::Fixed(4244)));
}

/// Go: TestListenPortOnlyConfig server/opts_test.go:511
/// Go: TestListenPortWithColonConfig server/opts_test.go:531
#[test]
fn listen_port_only_config() {
    for text in ["listen: 8922", "listen: :8922"] {
        let mut found = options(text);
        found.apply_defaults();
        assert_eq!(found.port, Port::Fixed(8922));
        assert_eq!((found.host.as_str(), found.http_host.as_str()), ("0.0.0.0", "0.0.0.0"));
    }
}

/// Go: TestMalformedListenAddress server/opts_test.go:1318
/// Go: TestMalformedClusterAddress server/opts_test.go:1325
#[test]
fn malformed_listen_address() {
    check_error("listen: 10.0.1.22:foo", "");
    check_error("cluster { listen: 266.0.0.1:foo }", "");
    check_error("listen: \"10.0.1.22:foo\"", "could not parse port \"foo\"");
    check_error("listen: \"::1:4222\"", "could not parse address string \"::1:4222\"");
    assert_eq!(options("listen: \"[::1]:4222\"").host, "::1");
    check_error("port: 65536", "invalid port 65536");
}

/// Go: TestParseWriteDeadline server/opts_test.go:1191
#[test]
fn parse_write_deadline() {
    check_error("write_deadline: \"1x\"", "error parsing write_deadline");
    assert_eq!(options("write_deadline: \"1s\"").write_deadline, Duration::from_secs(1));
    assert_eq!(options("write_deadline: 2").write_deadline, Duration::from_secs(2));
    check_error("write_deadline: \"-1s\"", "can not be negative");
}

/// Go: TestPingIntervalOld server/opts_test.go:1351
/// Go: TestPingIntervalNew server/opts_test.go:1373
#[test]
fn ping_interval() {
    let loaded = load("ping_interval: 5").unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(loaded.options.ping_interval, Duration::from_secs(5));
    let loaded = load("ping_interval: \"5m\"").unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.options.ping_interval, Duration::from_secs(300));
}

/// Go: TestPanic server/opts_test.go:1332
#[test]
fn panic() {
    check_error("port: \"this_string_trips_a_panic\"", "nats.conf:1:0: interface conversion:");
}

/// Go: TestMaxClosedClients server/opts_test.go:1344
#[test]
fn max_closed_clients() {
    assert_eq!(options("max_closed_clients: 5").max_closed_clients, 5);
}

/// Go: TestSublistNoCacheConfig server/opts_test.go:2688
#[test]
fn sublist_no_cache_config() {
    assert!(options("disable_sublist_cache: true").no_sublist_cache);
    assert!(options("no_sublist_cache: true").no_sublist_cache);
}

/// Go: TestLargeMaxControlLine server/opts_test.go:2617
/// Go: TestLargeMaxPayload server/opts_test.go:2626
/// Go: TestNewServerFromConfigFunctionality server/opts_test.go:4034
#[test]
fn large_limits() {
    check_error("max_control_line = 3000000000", "max_control_line value is too big");
    check_error("max_payload = 3000000000", "max_payload value is too big");
    let found = options("max_payload = 100000, max_pending = 50000");
    assert!(validate(&found).unwrap_err().to_string().contains("cannot be higher"));
}

/// Go: TestGetStorageSize server/opts_test.go:3392
#[test]
fn get_storage_size() {
    let rows = [
        ("1K", Some(1024)),
        ("1M", Some(1_048_576)),
        ("1G", Some(1_073_741_824)),
        ("1T", Some(1_099_511_627_776)),
        ("1L", None),
        ("TT", None),
        ("", Some(0)),
        ("é", None),
    ];
    for (text, expected) in rows {
        assert_eq!(parse_storage_size(&Value::String(text.into())).ok(), expected, "{text}");
    }
    assert_eq!(parse_storage_size(&Value::Integer(7)), Ok(7));
    assert!(parse_storage_size(&Value::Bool(true)).is_err());
}

/// Go: TestHandleUnknownTopLevelConfigurationField server/opts_test.go:2648
#[test]
fn handle_unknown_top_level_configuration_field() {
    let text = "port: 1234\nstreaming {\n id: me\n}";
    check_error(text, "unknown field \"streaming\"");
    let tolerant = || Options { allow_unknown_keys: true, ..Options::empty() };
    let found = load_text(text, tolerant(), &NoSource).unwrap().options;
    assert_eq!(found.port, Port::Fixed(1234));
    let text = "cluster { non_top_level_unknown_field: 123 }";
    let errors = load_text(text, tolerant(), &NoSource).unwrap_err().to_string();
    assert!(errors.contains("non_top_level"), "{errors}");
}

/// Go: TestWriteDeadlineConfigParsing server/opts_test.go:4105
#[test]
fn write_deadline_config_parsing() {
    let found = options(
        "leafnodes { write_deadline: 5s }, gateway { write_deadline: 6s }
         cluster { write_deadline: 7s }, write_deadline: 8s",
    );
    let seconds = [
        found.leafnode.write_deadline,
        found.gateway.write_deadline,
        found.cluster.write_deadline,
        found.write_deadline,
    ]
    .map(|value| value.as_secs());
    assert_eq!(seconds, [5, 6, 7, 8]);
}

/// Go: TestWriteTimeoutConfigParsing server/opts_test.go:4164
#[test]
fn write_timeout_config_parsing() {
    let rows = [
        ("default", WriteTimeout::Default),
        ("retry", WriteTimeout::Retry),
        ("close", WriteTimeout::Close),
    ];
    for (word, expected) in rows {
        let found = options(&format!(
            "leafnodes {{ write_timeout: {word} }}, gateway {{ write_timeout: {word} }}
             cluster {{ write_timeout: {word} }}, write_timeout: {word}"
        ));
        let values = [
            found.leafnode.write_timeout,
            found.gateway.write_timeout,
            found.cluster.write_timeout,
            found.write_timeout,
        ];
        assert_eq!(values, [expected; 4]);
    }
    check_error("write_timeout: x", "write_timeout must be 'default', 'close' or 'retry'");
}

/// Go: TestWebsocketPingIntervalConfig server/opts_test.go:4229
#[test]
fn websocket_ping_interval_config() {
    for (value, seconds) in [("\"30s\"", 30), ("45", 45), ("\"2m\"", 120)] {
        let found = options(&format!("websocket {{ port: 8080, ping_interval: {value} }}"));
        assert_eq!(found.websocket.ping_interval, Duration::from_secs(seconds));
    }
    assert_eq!(options("websocket { port: 8080 }").websocket.ping_interval, Duration::ZERO);
}

/// Go: TestDefaultSentinel server/opts_test.go:3594
#[test]
fn default_sentinel() {
    let found = options("default_sentinel: \"hello\"");
    assert_eq!(found.default_sentinel.as_deref(), Some("hello"));
    assert_eq!(
        validate(&found).unwrap_err().to_string(),
        "default sentinel requires operators and accounts"
    );
}

#[track_caller]
fn check_variables(variables: &[(&str, &str)], text: &str, expected: Result<u16, &str>) {
    let source = variables.iter().fold(
        certificates().file("include.conf", "TEST_PORT: $TEST_ENV_PORT_A"),
        |source, (name, value)| source.variable(name, value),
    );
    match (load_from(&source, text), expected) {
        (Ok(loaded), Ok(port)) => assert_eq!(loaded.options.port, Port::Fixed(port)),
        (Err(errors), Err(fragment)) => {
            let errors = errors.to_string();
            assert!(errors.contains(fragment), "{errors}");
        }
        (found, _) => panic!("{text}: {found:?}"),
    }
}

/// Go: TestVarReferencesVar server/opts_test.go:4291
/// Go: TestVarReferencesEnvVar server/opts_test.go:4308
/// Go: TestVarReferencesSelf server/opts_test.go:4328
/// Go: TestEnvVarReferencesVar server/opts_test.go:4339
/// Go: TestEnvVarReferencesEnvVar server/opts_test.go:4357
/// Go: TestEnvVarReferencesSelf server/opts_test.go:4380
/// Go: TestEnvVarReferencesSelfCycle server/opts_test.go:4397
/// Go: TestEnvVarInclude server/opts_test.go:4418
/// Go: TestEnvVarFromIncludedFile server/opts_test.go:4434
#[test]
fn var_references() {
    check_variables(&[], "A: 7890\nB: $A\nC: $B\nport: $C", Ok(7890));
    check_variables(&[("E", "7890")], "A: $E\nB: $A\nC: $B\nport: $C", Ok(7890));
    let missing = "variable reference for 'A' on line 1 can not be found";
    check_variables(&[], "A: $A", Err(missing));
    let missing = "variable reference for 'P' on line 1 can not be found";
    check_variables(&[("E", "$P")], "P: 8080\nport: $E", Err(missing));
    check_variables(&[("A", "$B"), ("B", "$C"), ("C", "7890")], "port: $A", Ok(7890));
    let cycle = "variable reference cycle";
    check_variables(&[("E", "$E")], "TEST: $E", Err(cycle));
    check_variables(&[("A", "$B"), ("B", "$C"), ("C", "$A")], "TEST: $A", Err(cycle));
    let include = "Expected a top-level value to end with a new line, comment or EOF";
    check_variables(&[("A", "include x")], "TEST: $A", Err(include));
    check_variables(
        &[("TEST_ENV_PORT_A", "$TEST_ENV_PORT_B"), ("TEST_ENV_PORT_B", "7890")],
        "include \"./include.conf\"\nport: $TEST_PORT",
        Ok(7890),
    );
}

#[test]
fn max_subscription_tokens_are_few() {
    assert_eq!(options("max_sub_tokens: 4").max_subscription_tokens, 4);
    check_error("max_sub_tokens: 0", "max_sub_tokens value can not be negative");
    check_error("max_subscription_tokens: 256", "max_subscription_tokens value is too big");
}

/// Go: TestConfigCheckIncludes server/config_check_test.go:2566
#[test]
fn config_check_includes() {
    let source = |port: &str| {
        MapSource::default()
            .file("dir/b.conf", format!("{port}\n\n include \"c.conf\"\n"))
            .file("dir/c.conf", "authorization {\n user = foo\n pass = bar\n}\n")
    };
    let load = |text: &str, source: MapSource| {
        super::super::load_file("dir/a.conf", Options::empty(), &source.file("dir/a.conf", text))
    };
    let good = source("monitoring_port = 8222");
    let text = "port = 4222\ninclude \"b.conf\"\nhttp_port = $monitoring_port\n";
    let found = load(text, good.clone()).unwrap().options;
    assert_eq!(found.http_port, Port::Fixed(8222));
    assert_eq!(found.username.as_deref(), Some("foo"));
    // Nothing refers to the port now.
    let bad = source("\n\n         monitoring_port = 8222");
    let errors = load("port = 4222\ninclude \"b.conf\"\n", bad).unwrap_err().to_string();
    assert_eq!(errors, "dir/b.conf:3:10: unknown field \"monitoring_port\"\n");
}

/// Go: TestConfigCheckMultipleErrors server/config_check_test.go:2589
#[test]
fn config_check_multiple_errors() {
    let text = "
authorization { user = foo, pass = bar, token = quux }
monitoring = 8222
write_deadline = 5
accounts {
  synadia {
    nkey = OC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL
    users [ { nkey = OCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3 } ]
  }
  cncf {
    users [ { nkey = UB57IEMPG4KOTPFV5A66QKE2HZ3XBXFHVRCCVMJEWKECMVN2HSH3VTSJ } ]
  }
}
cluster {
  authorization { users = [] }
}
";
    let found = load(text).unwrap_err();
    assert_eq!(found.warnings.len(), 1);
    assert_eq!(
        found.to_string(),
        "nats.conf:4:1: invalid use of field \"write_deadline\": write_deadline should be \
         converted to a duration
nats.conf:2:1: Cannot have a user/pass and token
nats.conf:3:1: unknown field \"monitoring\"
nats.conf:7:5: Not a valid public nkey for an account: \
         \"OC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL\"
nats.conf:8:15: Not a valid public nkey for a user
nats.conf:11:5: Can not have a single user/pass and accounts
nats.conf:15:3: Cluster authorization does not allow multiple users
"
    );
}

#[test]
fn the_admin_block_is_ours_and_stays_out_of_the_way() {
    let admin = options("admin { listen: \"127.0.0.1:9000\", token: t }").admin;
    assert_eq!((admin.host.as_str(), admin.port), ("127.0.0.1", Port::Fixed(9000)));
    assert_eq!((admin.token.as_deref(), admin.disabled), (Some("t"), false));
    assert!(options("admin { host: h, port: 1, disabled: true }").admin.disabled);
    assert!(options("admin { enabled: false }").admin.disabled);
    check_error("admin { foo: 1 }", "nats.conf:1:8: unknown field \"foo\"");
    check_error("admin: 5", "Expected admin to be a map, got int64");
    // Names that Go's examples use for variables.
    for name in ["ADMIN", "admin"] {
        let text = format!(
            "{name} = {{ publish = \">\" }}\nauthorization {{ users [{{user: a, permissions: ${name}}}] }}"
        );
        assert_eq!(options(&text).users.len(), 1);
    }
    check_error("ADMIN { port: 1 }", "unknown field \"ADMIN\"");
}
