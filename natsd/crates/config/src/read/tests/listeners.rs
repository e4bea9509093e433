//! Websocket, MQTT and small blocks of other areas, ported from Go `server/websocket_test.go`,
//! `server/mqtt_test.go`, `server/leafnode_test.go` and others.

use std::time::Duration;

use super::load;
use crate::options::{Options, Port};
use crate::validate::validate;

fn options(text: &str) -> Options {
    load(text).unwrap_or_else(|errors| panic!("{text}: {errors}")).options
}

#[track_caller]
fn check_error(text: &str, fragment: &str) {
    let errors = load(text).unwrap_err().to_string();
    assert!(errors.contains(fragment), "{text}: {errors}");
}

const FILES: &str =
    "cert_file: \"./configs/certs/server.pem\", key_file: \"./configs/certs/key.pem\"";

/// Go: TestWSParseOptions server/websocket_test.go:1573
#[test]
fn ws_parse_options() {
    let rows = [
        ("websocket: []", "to be a map"),
        ("websocket: { listen: [] }", "port or host:port"),
        ("websocket: { port: \"abc\" }", "not int64"),
        ("websocket: { host: 123 }", "not string"),
        ("websocket: { advertise: 123 }", "not string"),
        ("websocket: { tls: 123 }", "not map[string]interface {}"),
        ("websocket: { same_origin: \"abc\" }", "not bool"),
        ("websocket: { allowed_origins: {} }", "unsupported type"),
        ("websocket: { allowed_origins: [ {} ] }", "unsupported type in array"),
        ("websocket: { handshake_timeout: [] }", "unsupported type"),
        ("websocket: { handshake_timeout: \"abc\" }", "invalid duration"),
        ("websocket: { headers: 123 }", "unsupported type"),
        ("websocket: { headers: [] }", "unsupported type"),
        ("websocket: { headers: { \"key\": 123 } }", "unsupported type"),
        ("websocket: { this_does_not_exist: 123 }", "unknown"),
    ];
    for (text, message) in rows {
        check_error(text, message);
    }
    for text in ["listen: 1234", "listen: \":1234\"", "port: 1234"] {
        assert_eq!(options(&format!("websocket {{ {text} }}")).websocket.port, Port::Fixed(1234));
    }
    let found = options(&format!(
        "websocket {{
           listen: \"localhost:1234\", advertise: \"host:1234\", same_origin: true
           allowed_origins: \"https://host.com/\", handshake_timeout: 3, tls {{ {FILES} }}
           compression: true, jwt_cookie: jwtcookie, user_cookie: u, pass_cookie: p
           token_cookie: t, no_auth_user: noauthuser
           authorization {{ user: webuser, password: pwd, token: token, timeout: 2.0 }}
           headers {{ X-Header: some-value, X-Another-Header: another-value }}
         }}"
    ))
    .websocket;
    assert_eq!((found.host.as_str(), found.port), ("localhost", Port::Fixed(1234)));
    assert_eq!(found.advertise.as_deref(), Some("host:1234"));
    assert!(found.same_origin && found.compression && found.tls.is_some());
    assert_eq!(found.allowed_origins, ["https://host.com/"]);
    assert_eq!(found.handshake_timeout, Duration::from_secs(3));
    let cookies = [found.jwt_cookie, found.user_cookie, found.pass_cookie, found.token_cookie];
    assert_eq!(cookies.map(Option::unwrap), ["jwtcookie", "u", "p", "t"]);
    let texts = [found.no_auth_user, found.username, found.password, found.token];
    assert_eq!(texts.map(Option::unwrap), ["noauthuser", "webuser", "pwd", "token"]);
    assert_eq!(found.auth_timeout, Duration::from_secs(2));
    assert_eq!((found.headers.len(), found.headers["X-Header"].as_str()), (2, "some-value"));
    let found = options(
        "ws { origins: [\"https://host1.com/\", \"https://host2.com/\"], handshake_timeout: 4s
              authentication { timeout: 2 } }",
    )
    .websocket;
    assert_eq!(found.allowed_origins, ["https://host1.com/", "https://host2.com/"]);
    assert_eq!(found.handshake_timeout, Duration::from_secs(4));
    assert_eq!(found.auth_timeout, Duration::from_secs(2));
}

#[track_caller]
fn check_valid(text: &str, message: &str) {
    let mut options = options(text);
    options.apply_defaults();
    match validate(&options) {
        Ok(()) => assert_eq!(message, "", "{text} is valid"),
        Err(error) => {
            let error = error.to_string();
            assert!(!message.is_empty() && error.contains(message), "{text}: {error}");
        }
    }
}

/// Go: TestWSValidateOptions server/websocket_test.go:1785
#[test]
fn ws_validate_options() {
    let tls = format!("port: -1, tls {{ {FILES} }}");
    let users = "authorization { users [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}] }";
    check_valid("websocket { port: -1 }", "requires TLS configuration");
    let rows = [
        ("", ""),
        ("origin: \"http://this:is:bad:url\"", "unable to parse"),
        ("origin: foo", "unable to parse"),
        ("origin: \"ftp://host.com\"", "must be absolute URLs with http or https scheme"),
        ("jwt_cookie: jwt", "keys configuration is required"),
        (
            "headers { Sec-WebSocket-Key: 123x }",
            "invalid header \"Sec-WebSocket-Key\", \"Sec-WebSocket-\" prefix not allowed",
        ),
        (
            "headers { Host: \"http://localhost:8080\" }",
            "websocket: invalid header \"Host\" not allowed",
        ),
        (
            "headers { Content-Length: \"0\" }",
            "websocket: invalid header \"Content-Length\" not allowed",
        ),
        ("headers { Connection: Upgrade }", "websocket: invalid header \"Connection\" not allowed"),
        ("headers { Upgrade: websocket }", "websocket: invalid header \"Upgrade\" not allowed"),
        (
            "headers { Nats-No-Masking: \"false\" }",
            "websocket: invalid header \"Nats-No-Masking\" not allowed",
        ),
        ("port: 0, headers { Host: x }", ""),
    ];
    for (fields, message) in rows {
        check_valid(&format!("websocket {{ {tls}, {fields} }}"), message);
    }
    for (field, message) in [
        (
            "user: b, password: pwd",
            "websocket authentication username not compatible with presence of users/nkeys",
        ),
        (
            "token: mytoken",
            "websocket authentication token not compatible with presence of users/nkeys",
        ),
    ] {
        check_valid(
            &format!("websocket {{ {tls}, authorization {{ {field} }} }}\n{users}"),
            message,
        );
    }
}

/// Go: TestMQTTParseOptions server/mqtt_test.go:536
#[test]
fn mqtt_parse_options() {
    let rows = [
        ("mqtt: []", "to be a map"),
        ("mqtt: { listen: [] }", "port or host:port"),
        ("mqtt: { port: \"abc\" }", "not int64"),
        ("mqtt: { host: 123 }", "not string"),
        ("mqtt: { tls: 123 }", "not map[string]interface {}"),
        ("mqtt: { this_does_not_exist: 123 }", "unknown"),
        ("mqtt: { ack_wait: abc }", "invalid duration"),
        ("mqtt: { max_ack_pending: abc }", "not int64"),
        ("mqtt: { max_ack_pending: 12345678 }", "invalid value"),
        ("mqtt: { js_api_timeout: abc }", "invalid duration"),
        ("mqtt: { tls { cert_file: \"./configs/certs/server.pem\" } }", "missing 'key_file'"),
    ];
    for (text, message) in rows {
        check_error(text, message);
    }
    for text in ["listen: 1234", "port: 1234"] {
        assert_eq!(options(&format!("mqtt {{ {text} }}")).mqtt.port, Port::Fixed(1234));
    }
    let found = options(&format!(
        "mqtt {{
           listen: \"localhost:1234\", tls {{ {FILES}, timeout: 3 }}, no_auth_user: noauthuser
           authorization {{ user: mqttuser, password: pwd, token: token, timeout: 2.0 }}
           ack_wait: 10s, max_ack_pending: 123, reject_qos2_publish: true
           downgrade_qos2_subscribe: true, js_api_timeout: 60s, js_domain: d, stream_replicas: 3
           consumer_memory_storage: true, consumer_inactive_threshold: 1h
         }}"
    ))
    .mqtt;
    assert_eq!((found.host.as_str(), found.port), ("localhost", Port::Fixed(1234)));
    assert!(found.tls.is_some());
    let texts = [found.no_auth_user, found.username, found.password, found.token, found.js_domain];
    assert_eq!(texts.map(Option::unwrap), ["noauthuser", "mqttuser", "pwd", "token", "d"]);
    let times = [
        found.auth_timeout,
        found.tls_timeout,
        found.ack_wait,
        found.js_api_timeout,
        found.consumer_inactive_threshold,
    ];
    assert_eq!(times.map(|time| time.as_secs()), [2, 3, 10, 60, 3600]);
    assert_eq!((found.max_ack_pending, found.stream_replicas), (123, 3));
    assert!(found.reject_qos2_publish && found.downgrade_qos2_subscribe);
    assert!(found.consumer_memory_storage);
    let found = options("mqtt { authorization { timeout: 2 } }").mqtt;
    assert_eq!(found.auth_timeout, Duration::from_secs(2));
    let loaded = load("mqtt { consumer_replicas: 3 }").unwrap();
    assert!(loaded.warnings[0].to_string().contains("consumer replicas setting ignored"));
}

/// Go: TestMQTTValidateOptions server/mqtt_test.go:492
#[test]
fn mqtt_validate_options() {
    let users = "authorization { users [{user: abc, password: pwd}] }";
    check_valid("jetstream: true", "");
    check_valid("jetstream: true, mqtt { port: -1 }", "");
    check_valid(
        &format!("jetstream: true, {users}, mqtt {{ port: -1, authorization {{ user: b }} }}"),
        "mqtt authentication username not compatible with presence of users/nkeys",
    );
    check_valid(
        &format!("jetstream: true, {users}, mqtt {{ port: -1, authorization {{ token: b }} }}"),
        "mqtt authentication token not compatible with presence of users/nkeys",
    );
    check_error("mqtt { ack_wait: \"-10s\" }", "ack wait must be a positive value");
    check_error("mqtt { js_api_timeout: \"-10s\" }", "JS API timeout must be a positive value");
}

/// Go: TestLeafNodeHttpProxyConfigParsing server/leafnode_proxy_test.go:210
/// Go: TestLeafNodeHttpProxyConfigWarnings server/leafnode_proxy_test.go:254
#[test]
fn leaf_node_http_proxy_config() {
    let text = |urls: &str, more: &str| {
        format!(
            "leafnodes {{ remotes = [{{ urls: [{urls}], proxy {{ url: \"http://proxy.example.com:8080\"{more} }} }}] }}"
        )
    };
    let found = options(&text("\"ws://a\"", ", username: user, password: pass, timeout: \"10s\""));
    let proxy = &found.leafnode.remotes[0].proxy;
    assert_eq!(proxy.url.as_deref(), Some("http://proxy.example.com:8080"));
    assert_eq!(
        (proxy.username.as_deref(), proxy.password.as_deref()),
        (Some("user"), Some("pass"))
    );
    assert_eq!(proxy.timeout, Duration::from_secs(10));
    check_error(
        "leafnodes { remotes [{url: \"ws://a\", proxy { username: a, password: b }}] }",
        "nats.conf:1:37: proxy URL must be specified when other proxy options are set",
    );
    assert!(load("leafnodes { remotes [{url: \"ws://a\", proxy {}}] }").is_ok());
    let rows = [
        ("\"nats://a\"", Some("proxy configuration will be ignored")),
        (
            "\"nats://a\", \"ws://b\"",
            Some("proxy configuration will only be used for WebSocket URLs"),
        ),
        ("\"ws://a\"", None),
    ];
    for (urls, warning) in rows {
        let found = load(&text(urls, "")).unwrap().warnings;
        match warning {
            Some(warning) => assert!(found[0].to_string().contains(warning), "{found:?}"),
            None => assert_eq!(found, []),
        }
    }
}

/// Go: TestLeafNodeWSRemoteCompressAndMaskingOptions server/leafnode_test.go:3064
#[test]
fn leaf_node_ws_remote_compress_and_masking_options() {
    for (compress, no_masking) in [(true, false), (true, true), (false, false), (false, true)] {
        let found = options(&format!(
            "leafnodes {{ remotes [{{url: \"ws://a:1\", ws_compression: {compress}, ws_no_masking: {no_masking}}}] }}"
        ));
        let remote = &found.leafnode.remotes[0];
        assert_eq!(
            (remote.websocket_compression, remote.websocket_no_masking),
            (compress, no_masking)
        );
    }
}

/// Go: TestLeafNodeDialTimeoutConfig server/leafnode_test.go:12796
/// Go: TestLeafNodeDialTimeoutConfigInvalid server/leafnode_test.go:12818
#[test]
fn leaf_node_dial_timeout_config() {
    let found = options(
        "leafnodes { dial_timeout: \"5s\", remotes = [
           {url: \"nats-leaf://a:1\"}, {url: \"nats-leaf://b:1\", dial_timeout: \"15s\"} ] }",
    )
    .leafnode;
    assert_eq!(found.dial_timeout, Duration::from_secs(5));
    let times: Vec<u64> =
        found.remotes.iter().map(|remote| remote.dial_timeout.as_secs()).collect();
    assert_eq!(times, [0, 15]);
    check_error("leafnodes { dial_timeout: abc }", "error parsing dial_timeout");
    check_error(
        "leafnodes { remotes = [{url: \"nats-leaf://a:1\", dial_timeout: abc}] }",
        "error parsing dial_timeout",
    );
}

/// Go: TestTrustConfigOption server/trust_test.go:85
#[test]
fn trust_config_option() {
    let keys = [
        "OCY6DE2ETSN3UODFTYEXBZLQLI7X4GSXR54NZC4BBLI6QCTZUT65OIVN",
        "OAHC7NGAHG3YVPTD6QOUFZGPM2OMU6EOS67O2VHBUOA6BJLPTWFHGLKU",
    ];
    assert_eq!(options(&format!("trusted = \"{}\"", keys[0])).trusted_keys, keys[..1]);
    assert_eq!(options(&format!("trusted = {keys:?}")).trusted_keys, keys);
    check_error(
        &format!("trusted = [\"{}\", bad]", keys[0]),
        "trust key \"bad\" required to be a valid public operator nkey",
    );
}

/// Go: TestRouteConfig server/routes_test.go:86
#[test]
fn route_config() {
    let found = options(
        "port: 4242, net: 127.0.0.1
         authorization { user: derek, password: porkchop, timeout: 1 }
         pid_file: '/tmp/nats-server/nats_cluster_test.pid'
         cluster {
           host: 127.0.0.1, port: 4244, name: \"abc\"
           authorization { user: route_user, password: top_secret, timeout: 1 }
           routes = [ nats-route://foo:bar@127.0.0.1:4245
                      nats-route://foo:bar@127.0.0.1:4246 ]
           no_advertise: true, connect_retries: 2, connect_backoff: true
         }",
    );
    assert_eq!(
        found.config_digest,
        "sha256:b2f6d54063e43a85f5a09d198204f044bc154f9f9ccfb84e47d5762091aec487"
    );
    assert_eq!((found.host.as_str(), found.port), ("127.0.0.1", Port::Fixed(4242)));
    assert_eq!(found.username.as_deref(), Some("derek"));
    let cluster = &found.cluster;
    assert_eq!((cluster.host.as_str(), cluster.port), ("127.0.0.1", Port::Fixed(4244)));
    assert_eq!(cluster.name.as_deref(), Some("abc"));
    assert_eq!(cluster.username.as_deref(), Some("route_user"));
    assert_eq!(cluster.password.as_deref(), Some("top_secret"));
    assert_eq!(cluster.auth_timeout, Duration::from_secs(1));
    assert!(cluster.no_advertise && cluster.connect_backoff);
    assert_eq!(cluster.connect_retries, 2);
    let routes: Vec<String> = found.routes.iter().map(ToString::to_string).collect();
    let expected = ["nats-route://foo:bar@127.0.0.1:4245", "nats-route://foo:bar@127.0.0.1:4246"];
    assert_eq!(routes, expected);
    let loaded = load("cluster { routes = [\"nats://a\", \"nats://a\"] }").unwrap();
    assert!(loaded.warnings[0].to_string().contains("Duplicate route entry detected"));
}

/// Go: TestServerValidateGatewaysOptions server/server_test.go:1397
#[test]
fn server_validate_gateways_options() {
    let rows = [
        ("port: -1", "has no name"),
        ("name: A", "no port specified"),
        ("name: A, port: -1, gateways [{url: \"nats://host:5222\"}]", "has no name"),
        ("name: A, port: -1, gateways [{name: B}]", "has no URL"),
        ("name: A, port: -1, gateways [{name: B, urls: []}]", "has no URL"),
        ("name: A, port: -1, gateways [{name: B, urls: [\"nats://host:5222\"]}]", ""),
    ];
    for (fields, message) in rows {
        check_valid(&format!("gateway {{ {fields} }}"), message);
    }
}

/// Go: TestJetStreamServerDomainBadConfig server/jetstream_test.go:11065
#[test]
fn jet_stream_server_domain_bad_config() {
    for domain in ["HU..B", "HU B", " ", "\t", "CORE.", ".CORE", "C.*.O. RE", "C.ORE"] {
        let mut options = Options::default();
        options.jetstream.domain = Some(domain.to_string());
        let error = validate(&options).unwrap_err().to_string();
        assert!(error.contains("invalid domain name"), "{domain:?}: {error}");
    }
}

/// Go: TestFeatureFlagsConfigParseNonBool server/feature_flags_test.go:41
#[test]
fn feature_flags_config_parse_non_bool() {
    check_error(
        "feature_flags { opt_in_flag: \"true\" }",
        "error parsing feature flag \"opt_in_flag\": expected bool, got string",
    );
}

#[test]
fn jetstream_is_read_in_full() {
    let found = options(
        "jetstream {
           strict: false, sync_interval: always, max_mem: 1G, max_file_store: \"2T\", domain: d
           key: k, prev_key: p, cipher: AES, extension_hint: no_extend, store_dir: s
           unique_tag: \" AZ: \", max_outstanding_catchup: 64MB, max_buffered_size: 1K
           max_buffered_msgs: 5, request_queue_limit: 6, info_queue_limit: 7, meta_compact: 8
           meta_compact_size: 9, meta_compact_sync: true, max_concurrent_io: 10
           limits { max_ack_pending: 1, max_ha_assets: 2, max_request_batch: 3, duplicate_window: 4s
             default_max_consumers: -1
             batch { max_inflight_per_stream: 5, max_inflight_total: 6, max_msgs: 7, timeout: 8s } }
           tpm { keys_file: f, encryption_password: e, srk_password: r, pcr: 22 }
         }",
    );
    let jetstream = &found.jetstream;
    assert!(
        jetstream.enabled && jetstream.not_strict && jetstream.sync_always && jetstream.sync_set
    );
    assert_eq!((jetstream.max_memory_store, jetstream.max_file_store), (1_000_000_000, 2 << 40));
    assert_eq!(jetstream.unique_tag.as_deref(), Some("az:"));
    assert_eq!(jetstream.cipher, crate::options::StoreCipher::Aes);
    assert_eq!((jetstream.max_outstanding_catchup, jetstream.max_buffered_size), (64 << 20, 1000));
    assert_eq!((jetstream.meta_compact, jetstream.meta_compact_size), (8, 9));
    assert_eq!(jetstream.max_concurrent_io, 10);
    assert_eq!(jetstream.limits.duplicate_window, Duration::from_secs(4));
    assert_eq!(jetstream.limits.batch_timeout, Duration::from_secs(8));
    assert_eq!((jetstream.limits.batch_max_msgs, jetstream.limits.default_max_consumers), (7, -1));
    assert_eq!((jetstream.tpm.keys_file.as_deref(), jetstream.tpm.pcr), (Some("f"), 22));
    assert_eq!(found.store_dir.as_deref(), Some("s"));
    for (text, enabled) in [
        ("jetstream: enabled", true),
        ("jetstream: disable", false),
        ("jetstream: true", true),
        ("jetstream {}", true),
        ("jetstream { enabled: false }", false),
    ] {
        assert_eq!(options(text).jetstream.enabled, enabled, "{text}");
    }
    let rows = [
        ("jetstream: maybe", "Expected 'enabled' or 'disabled' for string value, got 'maybe'"),
        ("jetstream: 5", "Expected map, bool or string to define JetStream, got int64"),
        ("jetstream { max_mem: 1L }", "max_mem_store"),
        ("jetstream { cipher: rot13 }", "Unknown cipher type: \"rot13\""),
        ("jetstream { max_concurrent_io: 3 }", "between 4 and 8192, got 3"),
        (
            "jetstream { meta_compact: -1 }",
            "Expected an absolute size for \"meta_compact\", got -1",
        ),
        ("jetstream { limits: 5 }", "Expected a map to define JetStreamLimits, got int64"),
        ("jetstream { limits { batch: 5 } }", "Expected a map to define batch limits, got int64"),
        ("jetstream { foo: 5 }", "unknown field \"foo\""),
    ];
    for (text, message) in rows {
        check_error(text, message);
    }
}

#[test]
fn tls_is_read_in_full() {
    let text = |fields: &str| format!("tls {{ {FILES}, {fields} }}");
    let first =
        |value: &str| options(&text(&format!("first: {value}"))).tls.unwrap().handshake_first;
    assert_eq!(first("false"), None);
    assert_eq!(first("\"off\""), None);
    assert_eq!(first("true").unwrap().fallback_delay, None);
    assert_eq!(first("auto").unwrap().fallback_delay, Some(Duration::from_millis(50)));
    assert_eq!(first("\"300ms\"").unwrap().fallback_delay, Some(Duration::from_millis(300)));
    let found = options(&text(
        "verify_and_map: true, insecure: true, connection_rate_limit: 5, min_version: \"1.3\"
         ocsp_peer { verify: true, ca_timeout: 5, allowed_clockskew: \"1m\", warn_only: true }",
    ));
    let tls = found.tls.unwrap();
    assert!(tls.verify && tls.verify_and_map && tls.insecure);
    assert_eq!(tls.connection_rate_limit, 5);
    assert_eq!(tls.min_version, crate::options::TlsVersion::Tls13);
    let peer = tls.ocsp_peer.unwrap();
    assert!(peer.verify && peer.warn_only);
    assert_eq!((peer.ca_timeout.as_secs(), peer.allowed_clockskew.as_secs()), (5, 60));
    let rows = [
        ("min_version: \"1.1\"", "error parsing tls config: unsupported TLS version: TLS 1.1"),
        ("min_version: 1.2", "'min_version' wrong type: 1.2"),
        ("min_version: \"2\"", "unknown version: 2"),
        ("timeout: true", "error parsing tls config, 'timeout' wrong type"),
        ("connection_rate_limit: \"1\"", "'connection_rate_limit' wrong type"),
        (
            "cert_store: windowscurrentuser",
            "cert_store not compatible with current operating system",
        ),
        ("cert_store: x", "cert store type not implemented"),
        ("cert_match_by: x", "cert match by type not implemented"),
        ("ocsp_peer { foo: 1 }", "error parsing tls peer config, unknown field [\"foo\"]"),
        ("ca_file: none.pem", "open none.pem: no such file or directory"),
    ];
    for (fields, message) in rows {
        check_error(&text(fields), message);
    }
    let found = options(
        "ocsp { mode: must, url: \"http://a\" }, ocsp_cache { type: none, save_interval: \"10m\" }",
    );
    assert_eq!(found.ocsp.unwrap().mode, crate::options::OcspMode::Must);
    assert_eq!(found.ocsp_cache.unwrap().save_interval, Duration::from_secs(600));
}
