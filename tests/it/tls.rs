//! TLS on the client port: who must show a certificate, who a certificate stands for, when the
//! handshake starts, and how long it may take.

mod client;

use std::time::Duration;

use client::{Tls, Version};
use natsd_testkit::{Authority, CertificateFiles, DEADLINE, Launch, Names, RawClient, wait_until};

use crate::support::launch;

const QUIET: &str = r#"{"verbose":false,"pedantic":false}"#;

/// A server's preparation with its own authority, and what clients need.
struct Secured {
    launch: Launch,
    authority: Authority,
}

impl Secured {
    /// `tls` is what stands in the block beside certificate and key; `rest` what follows it.
    /// `$CA` stands for the authority's certificate.
    fn new(tls: &str, rest: &str) -> Self {
        let launch = launch();
        let authority = Authority::new(launch.folder());
        authority.server();
        let config = Self::config(tls, rest);
        Self { launch: launch.monitoring().config(&config), authority }
    }

    fn config(tls: &str, rest: &str) -> String {
        let block = tls.replace("$CA", "ca_file: \"$DIR/ca.pem\"");
        format!(
            "tls {{ cert_file: \"$DIR/server.pem\", key_file: \"$DIR/server.key\"\n{block} }}\n{rest}"
        )
    }

    fn client(&self) -> Tls {
        Tls::new(&self.authority.certificate)
    }

    fn issue(&self, name: &str, common_name: &str) -> CertificateFiles {
        self.authority.issue(name, Names { subject: &[("CN", common_name)], ..Names::default() })
    }
}

/// What the client is answered to a verbose CONNECT with these fields; nothing when the
/// handshake fails or the server closes.
fn answer(server: &natsd_testkit::Server, tls: &Tls, fields: &str) -> Option<String> {
    let mut client = tls.upgrade(server.open()).ok()?;
    let _ = client.try_send(format!("CONNECT {{\"verbose\":true,\"pedantic\":false{fields}}}\r\n"));
    client.wait_for(DEADLINE, |bytes| bytes.contains(&b'\n'));
    (!client.is_closed() || client.wait_for(Duration::ZERO, |bytes| bytes.contains(&b'\n')))
        .then(|| client.line())
}

/// Go: TestTLSConnection test/tls_test.go:43
/// Go: TestTLSConfig test/opts_test.go:34
/// Go: TestTLSBadAuthError test/tls_test.go:1161
#[test]
fn tls_connection() {
    let secured = Secured::new("", "authorization { user: derek, password: porkchop }");
    let tls = secured.client();
    let stranger = Secured::new("", "");
    let server = secured.launch.start();
    let info = server.open().info;
    assert_eq!((&info["tls_required"], &info["auth_required"]), (&true.into(), &true.into()));
    assert!(info["tls_verify"].is_null(), "{info}");
    let user = r#","user":"derek","pass":"porkchop""#;
    assert_eq!(answer(&server, &tls, user).as_deref(), Some("+OK"));
    assert_eq!(answer(&server, &tls, "").as_deref(), Some("-ERR 'Authorization Violation'"));
    let wrong = r#","user":"derek","pass":"NOT_THE_PASSWORD""#;
    assert_eq!(answer(&server, &tls, wrong).as_deref(), Some("-ERR 'Authorization Violation'"));
    // A client that trusts another authority does not go on.
    assert_eq!(answer(&server, &stranger.client(), user), None);
    let mut client = tls.upgrade(server.open()).expect("handshake");
    client.log_in(&format!("{{\"verbose\":false,\"pedantic\":false{user}}}"));
    client.send("SUB foo-tls 1\r\nPUB foo-tls 14\r\nWe are Secure!\r\n");
    client.expect("MSG foo-tls 1 14\r\nWe are Secure!\r\n");
    let connz = server.get("/connz").json();
    assert_eq!(connz["connections"][0]["tls_version"], "1.3");
    assert!(connz["connections"][0]["tls_cipher_suite"].is_string());
}

#[test]
fn large_messages_pass_through_tls() {
    let secured = Secured::new("", "");
    let tls = secured.client();
    let server = secured.launch.start();
    let mut client = tls.upgrade(server.open()).expect("handshake");
    client.log_in(QUIET);
    client.send("SUB big 1\r\n");
    for size in [1, 16_384, 16_385, 1_000_000] {
        let payload = "x".repeat(size);
        client.send(format!("PUB big {size}\r\n{payload}\r\n"));
        assert_eq!(client.message().payload, payload.as_bytes());
    }
}

/// Go: TestTLSClientCertificate test/tls_test.go:102
/// Go: TestTLSVerifyClientCertificate test/tls_test.go:958
/// Go: TestClosedTLSHandshake server/closed_conns_test.go:247
#[test]
fn tls_client_certificate() {
    let secured = Secured::new("$CA\nverify: true", "");
    let own = secured.issue("own", "client");
    let foreign = Secured::new("", "");
    let other = foreign.issue("other", "client");
    let tls = secured.client();
    let server = secured.launch.start();
    assert_eq!(server.open().info["tls_verify"], true);
    assert_eq!(answer(&server, &tls, ""), None, "without a certificate");
    assert_eq!(answer(&server, &tls.with(&other), ""), None, "of another authority");
    assert_eq!(answer(&server, &tls.with(&own), "").as_deref(), Some("+OK"));
    let reasons = server.wait_monitor("/connz?state=closed&sort=cid", "closed", |connz| {
        let list = connz["connections"].as_array()?;
        let failed = list.iter().filter(|one| one["reason"] == "TLS Handshake Failure").count();
        (failed >= 2).then_some(failed)
    });
    assert!(reasons <= 3, "of two clients and one that only looked at INFO: {reasons}");
}

const TWO_USERS: &str = r#"authorization {
    default_permissions { publish: "public.>", subscribe: "public.>" }
    users = [ {user: "CN=ada,OU=math"}, {user: "ada@example.com", permissions: { publish: "foo" }},
              {user: "app.example.dev", permissions: { publish: "sandbox.>", subscribe: "sandbox.>" }},
              {user: "app.example.prod", permissions: { publish: ">", subscribe: ">" }},
              {user: "web@example.com", allowed_connection_types: ["WEBSOCKET"]} ]
}"#;

/// Go: TestTLSClientCertificateHasUserID test/tls_test.go:152
/// Go: TestTLSClientCertificateCNBasedAuth test/tls_test.go:197
/// Go: TestTLSClientCertificateSANsBasedAuth test/tls_test.go:278
/// Go: TestTLSClientCertificateNoSubjectWithSANAuth test/tls_test.go:439
/// Go: TestTLSClientCertificateTLSAuthMultipleOptions test/tls_test.go:547
/// Go: TestTLSClientCertificateCheckWithAllowedConnectionTypes test/tls_test.go:165
#[test]
fn a_certificate_names_the_user() {
    let secured = Secured::new("$CA\nverify_and_map: true", TWO_USERS);
    let issue = |name: &str, subject: &[(&str, &str)], hosts: &[&str], emails: &[&str]| {
        secured.client().with(&secured.authority.issue(name, Names { subject, hosts, emails }))
    };
    let by_subject = issue("a", &[("CN", "ada"), ("OU", "math")], &[], &[]);
    let by_email = issue("b", &[("CN", "x")], &[], &["ada@example.com"]);
    let by_host = issue("c", &[("CN", "x")], &["app.example.dev", "*.app.example.dev"], &[]);
    let without_subject = issue("d", &[], &["app.example.prod"], &[]);
    // Names that are no users are passed over; the subject counts then.
    let several =
        issue("e", &[("CN", "ada"), ("OU", "math")], &["none.example"], &["no@example.com"]);
    let unknown = issue("f", &[("CN", "nobody")], &["nobody.example"], &[]);
    let web_only = issue("g", &[("CN", "x")], &[], &["web@example.com"]);
    let plain = secured.client();
    let server = secured.launch.start();
    let cases: [(&Tls, Option<(&str, bool)>); 8] = [
        (&by_subject, Some(("public.a", true))),
        (&by_subject, Some(("sandbox.a", false))),
        (&by_email, Some(("foo", true))),
        (&by_host, Some(("sandbox.a", true))),
        (&without_subject, Some(("anything", true))),
        (&several, Some(("public.a", true))),
        (&unknown, None),
        (&web_only, None),
    ];
    for (index, (tls, allowed)) in cases.into_iter().enumerate() {
        let Some((subject, allowed)) = allowed else {
            let answer = answer(&server, tls, "");
            assert_eq!(answer.as_deref(), Some("-ERR 'Authorization Violation'"), "case {index}");
            continue;
        };
        let mut client = tls.upgrade(server.open()).expect("handshake");
        client.log_in(QUIET);
        client.send(format!("PUB {subject} 2\r\nok\r\n"));
        let received = client.flush();
        assert_eq!(
            received.is_empty(),
            allowed,
            "case {index}: {}",
            natsd_testkit::escape(&received)
        );
    }
    assert_eq!(answer(&server, &plain, ""), None, "without a certificate");
}

#[test]
fn a_certificate_that_is_only_verified_names_nobody() {
    let users = "authorization { users = [ {user: ada, password: p}, {user: \"CN=ada\"} ] }";
    let secured = Secured::new("$CA\nverify: true", users);
    let tls = secured.client().with(&secured.issue("a", "ada"));
    let server = secured.launch.start();
    let violation = "-ERR 'Authorization Violation'";
    for (fields, expected) in [
        ("", violation),
        (r#","user":"ada""#, violation),
        (r#","user":"ada","pass":"wrong""#, violation),
        (r#","user":"ada","pass":"p""#, "+OK"),
    ] {
        assert_eq!(answer(&server, &tls, fields).as_deref(), Some(expected), "{fields}");
    }
}

/// The certificate of the tests has an ECDSA key, so suites for RSA keys cannot be chosen.
///
/// Go: TestTLSDefaultCipherAndCurvePreferences server/server_test.go:381
#[test]
fn tls_default_cipher_and_curve_preferences() {
    for suite in [
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ] {
        let secured = Secured::new(&format!("cipher_suites: [ {suite:?} ]"), "");
        let tls = secured.client().at(Version::Tls12);
        let server = secured.launch.start();
        let mut client =
            tls.suites(|name| name == suite).upgrade(server.open()).expect("handshake");
        client.log_in(QUIET);
        let connz = server.get("/connz").json();
        let shown = &connz["connections"][0];
        assert_eq!(
            (&shown["tls_cipher_suite"], &shown["tls_version"]),
            (&suite.into(), &"1.2".into())
        );
        assert!(tls.suites(|name| name != suite).upgrade(server.open()).is_err(), "{suite}");
    }
    for (curve, name) in
        [("X25519", "X25519"), ("CurveP256", "secp256r1"), ("CurveP384", "secp384r1")]
    {
        let secured = Secured::new(&format!("curve_preferences: [ {curve:?} ]"), "");
        let tls = secured.client().at(Version::Tls13);
        let server = secured.launch.start();
        let only = tls.curves(|known| known == name).upgrade(server.open());
        only.expect("handshake").log_in(QUIET);
        assert!(tls.curves(|known| known != name).upgrade(server.open()).is_err(), "{curve}");
    }
}

/// Go: TestTLSConnectionTimeout test/tls_test.go:975
#[test]
fn tls_connection_timeout() {
    let server = Secured::new("timeout: 0.2", "").launch.start();
    let received = server.open().read_to_eof();
    let text = String::from_utf8_lossy(&received);
    assert!(["", "-ERR 'Secure Connection - TLS Required'\r\n"].contains(&text.as_ref()), "{text}");
}

/// Go: TestClientTLSAndNonTLSConnections test/tls_test.go:1034
/// Go: TestAllowNonTLSReload test/tls_test.go:2104
/// Go: TestTLSClientNoticeWithAllowNonTLS server/client_test.go:3434
#[test]
fn client_tls_and_non_tls_connections() {
    let secured = Secured::new("", "allow_non_tls: true\nping_interval: \"10s\"");
    let tls = secured.client();
    let server = secured.launch.start();
    let check = || {
        let info = server.open().info;
        assert_eq!(info["tls_available"], true, "{info}");
        assert!(info["tls_required"].is_null(), "{info}");
        let mut secure = tls.upgrade(server.open()).expect("handshake");
        secure.log_in(QUIET);
        let mut plain = server.client();
        secure.send("SUB foo 1\r\n");
        secure.expect_nothing();
        plain.send("SUB bar 1\r\nPUB foo 5\r\nHELLO\r\n");
        secure.expect("MSG foo 1 5\r\nHELLO\r\n");
        secure.send("PUB bar 5\r\nHELLO\r\n");
        plain.expect("MSG bar 1 5\r\nHELLO\r\n");
    };
    check();
    let config =
        Secured::config("", "allow_non_tls: true\nping_interval: \"20s\"\nhttp: \"127.0.0.1:-1\"");
    server.rewrite_config(&config);
    server.signal("HUP");
    server.wait_log("Reloaded server configuration");
    check();
}

/// Go: TestTLSPinnedCertsClient test/tls_test.go:1942
#[test]
fn tls_pinned_certs_client() {
    let other = "a".repeat(64);
    let pinned = |hash: &str| {
        Secured::config(
            &format!("$CA\nverify: true\npinned_certs: [{hash:?}]"),
            "http: \"127.0.0.1:-1\"",
        )
    };
    let secured = Secured::new(&format!("$CA\nverify: true\npinned_certs: [{other:?}]"), "");
    let own = secured.issue("own", "client");
    let tls = secured.client().with(&own);
    let server = secured.launch.start();
    assert_eq!(answer(&server, &tls, ""), None);
    server.rewrite_config(&pinned(&client::public_key_hash(&own)));
    server.signal("HUP");
    server.wait_log("Reloaded server configuration");
    assert_eq!(answer(&server, &tls, "").as_deref(), Some("+OK"));
}

/// Go: TestTLSConnectionRate test/tls_test.go:2014
#[test]
fn tls_connection_rate() {
    let secured = Secured::new("connection_rate_limit: 3", "");
    let tls = secured.client();
    let server = secured.launch.start();
    let accepted = (0..10).take_while(|_| answer(&server, &tls, "").is_some()).count();
    assert!(accepted < 10, "a limit of three in a second");
    server.wait_log("due to TLS rate limiting");
}

/// Go: TestTLSMinVersionConfig server/server_test.go:261
#[test]
fn tls_min_version_config() {
    let secured = Secured::new("min_version: \"1.3\"", "");
    let tls = secured.client();
    let server = secured.launch.start();
    let accepts = |version| answer(&server, &tls.at(version), "").is_some();
    assert!(!accepts(Version::Tls12) && accepts(Version::Tls13));
    let reload = |version: &str, logged: &str| {
        let tls = format!("min_version: {version:?}");
        server.rewrite_config(&Secured::config(&tls, "http: \"127.0.0.1:-1\""));
        server.signal("HUP");
        server.wait_log(logged);
    };
    reload("1.0", "unsupported TLS version: TLS 1.0");
    reload("1.4", "unknown version: 1.4");
    assert!(!accepts(Version::Tls12) && accepts(Version::Tls13));
    reload("1.2", "Reloaded server configuration");
    assert!(accepts(Version::Tls12) && accepts(Version::Tls13));
}

/// Whether clients of each kind are served: TLS before INFO, TLS after INFO, no TLS.
#[track_caller]
fn check_first(server: &natsd_testkit::Server, tls: &Tls, expected: [bool; 3]) {
    let first = || {
        let client = RawClient::dial(server.address());
        let mut client = tls.upgrade(client).ok()?;
        client.wait_for(DEADLINE, |bytes| bytes.contains(&b'\n')).then_some(())?;
        client.read_info();
        client.log_in(QUIET);
        let connz = server.get("/connz").json();
        let shown = connz["connections"].as_array()?.iter().any(|one| one["tls_first"] == true);
        assert!(shown, "{connz}");
        Some(())
    };
    let usual = || {
        let mut client = RawClient::dial(server.address());
        client.wait_for(DEADLINE, |bytes| bytes.contains(&b'\n')).then_some(())?;
        client.read_info();
        let mut client = tls.upgrade(client).ok()?;
        client.log_in(QUIET);
        Some(())
    };
    let plain = || {
        let mut client = RawClient::dial(server.address());
        client.wait_for(DEADLINE, |bytes| bytes.contains(&b'\n')).then_some(())?;
        client.try_send(format!("{}CONNECT {QUIET}\r\nPING\r\n", "")).ok()?;
        client.wait_for(DEADLINE, |bytes| bytes.ends_with(b"PONG\r\n")).then_some(())
    };
    assert_eq!([first().is_some(), usual().is_some(), plain().is_some()], expected);
}

/// Go: TestTLSClientHandshakeFirst server/client_test.go:3147
/// Go: TestTLSClientHandshakeFirstFallbackDelay server/client_test.go:3272
/// Go: TestTLSClientHandshakeFirstFallbackDelayConfigValues server/client_test.go:3209
/// Go: TestTLSClientHandshakeFirstFallbackDelayAndAllowNonTLS server/client_test.go:3340
#[test]
fn tls_client_handshake_first() {
    let mixed = "allow_non_tls: true";
    // The value of `first`, what follows the block, and who is served.
    for (value, rest, expected) in [
        ("true", "", [true, false, false]),
        ("\"on\"", "", [true, false, false]),
        ("false", "", [false, true, false]),
        ("\"off\"", "", [false, true, false]),
        ("\"auto\"", "", [true, true, false]),
        ("\"auto_fallback\"", mixed, [true, true, true]),
        ("\"100ms\"", "", [true, true, false]),
        ("true", mixed, [true, false, false]),
        ("\"25ms\"", mixed, [true, true, true]),
    ] {
        let secured = Secured::new(&format!("timeout: 0.5\nfirst: {value}"), rest);
        let tls = secured.client();
        let server = secured.launch.start();
        check_first(&server, &tls, expected);
    }
}

/// Go: TestMonitorReloadTLSConfig server/monitor_test.go:5793
/// Go: TestMonitorConnzClosedConnsBadTLSClient server/monitor_test.go:2158
/// Go: TestMonitorConnzTLSInHandshake server/monitor_test.go:2369
#[test]
fn a_plain_client_on_a_tls_port_is_closed() {
    let server = Secured::new("timeout: 1.5", "").launch.start();
    let mut waiting = server.open();
    // Someone in the middle of a handshake blocks nobody who looks.
    server.wait_monitor("/connz", "the client", |connz| {
        (connz["num_connections"] == 1).then_some(())
    });
    waiting.send("CONNECT {}\r\n");
    assert!(waiting.wait_closed());
    let connz = server.wait_monitor("/connz?state=closed", "the closed client", |connz| {
        (connz["num_connections"] == 1).then(|| connz.clone())
    });
    let closed = &connz["connections"][0];
    assert_eq!(closed["reason"], "TLS Handshake Failure");
    assert!(closed["last_activity"].as_str() <= closed["stop"].as_str());
}

/// Go: TestClientProxyProtoV1WithRequiredTLS server/client_proxyproto_test.go:741
/// Go: TestClientProxyProtoV2WithRequiredTLS server/client_proxyproto_test.go:768
/// Go: TestClientProxyProtoV1WithAllowNonTLS server/client_proxyproto_test.go:913
/// Go: TestClientProxyProtoV2WithAllowNonTLS server/client_proxyproto_test.go:921
#[test]
fn tls_follows_a_proxy_header() {
    for rest in ["proxy_protocol: true", "proxy_protocol: true\nallow_non_tls: true"] {
        let secured = Secured::new("", rest);
        let tls = secured.client();
        let server = secured.launch.start();
        let version_2 = [
            &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
            &[203, 0, 113, 50, 127, 0, 0, 1],
            &54321_u16.to_be_bytes(),
            &4222_u16.to_be_bytes(),
        ]
        .concat();
        for header in [&b"PROXY TCP4 203.0.113.50 127.0.0.1 54321 4222\r\n"[..], &version_2] {
            let mut client = RawClient::dial(server.address());
            client.send(header);
            client.read_info();
            let mut client = tls.upgrade(client).expect("handshake");
            client.log_in(QUIET);
            let connz = server.get("/connz").json();
            if rest.contains("allow_non_tls") {
                let mut plain = RawClient::dial(server.address());
                plain.send(header);
                plain.read_info();
                plain.log_in(QUIET);
            }
            let found = connz["connections"].as_array().expect("list").iter().any(|one| {
                one["ip"] == "203.0.113.50"
                    && one["port"] == 54321
                    && one["tls_version"].is_string()
            });
            assert!(found, "{connz}");
            drop(client);
            wait_until("the client is gone", DEADLINE, || {
                (server.get("/connz").json()["num_connections"] == 0).then_some(())
            });
        }
    }
}

/// Go: TestPingSentToTLSConnection test/ping_test.go:40
#[test]
fn ping_sent_to_tls_connection() {
    let secured = Secured::new("", "ping_interval: \"50ms\"\nping_max: 2");
    let tls = secured.client();
    let server = secured.launch.start();
    let mut client = tls.upgrade(server.open()).expect("handshake");
    client.send(format!("CONNECT {QUIET}\r\n"));
    client.expect_eof("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
}

/// Go: TestTLSConnz test/monitor_test.go:350
/// Go: TestMonitorConnzTLSCfg server/monitor_test.go:2417
/// Go: TestMonitorConnzTLSPeerCerts server/monitor_test.go:2473
#[test]
fn monitoring_shows_tls() {
    let secured = Secured::new("$CA\nverify: true\ntimeout: 1.5", "");
    let own = secured.issue("own", "shown");
    let tls = secured.client().with(&own);
    let server = secured.launch.start();
    let mut client = tls.upgrade(server.open()).expect("handshake");
    client.log_in(QUIET);
    let varz = server.get("/varz").json();
    assert_eq!((&varz["tls_required"], &varz["tls_verify"]), (&true.into(), &true.into()));
    assert_eq!(varz["tls_timeout"], 1.5);
    let plain = server.get("/connz").json();
    assert!(plain["connections"][0]["tls_peer_certs"].is_null(), "{plain}");
    let with = server.get("/connz?auth=1").json();
    let certificates = &with["connections"][0]["tls_peer_certs"];
    assert_eq!(certificates.as_array().map(Vec::len), Some(1), "{with}");
    assert_eq!(certificates[0]["subject"], "CN=shown");
    assert_eq!(certificates[0]["spki_sha256"], client::public_key_hash(&own));
    assert!(certificates[0]["cert_sha256"].as_str().is_some_and(|hash| hash.len() == 64));
}

/// Go: TestTLSStressConnect test/tls_test.go:1116
#[test]
fn tls_stress_connect() {
    let secured = Secured::new("", "");
    let tls = secured.client();
    let server = secured.launch.start();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (tls, server) = (&tls, &server);
            scope.spawn(move || {
                for round in 0..10 {
                    let mut client = tls.upgrade(server.open()).expect("handshake");
                    client.log_in(QUIET);
                    let subject = format!("foo.{worker}.{round}");
                    client.send(format!("SUB {subject} 1\r\nPUB {subject} 6\r\nsecure\r\n"));
                    client.expect(format!("MSG {subject} 1 6\r\nsecure\r\n"));
                }
            });
        }
    });
}

/// Go: TestTLSAuthorizationShortTimeout test/tls_test.go:1013
#[test]
fn tls_authorization_short_timeout() {
    let secured = Secured::new("", "authorization { user: u, password: p, timeout: 0.001 }");
    let stranger = Secured::new("", "").client();
    let server = secured.launch.start();
    for _ in 0..5 {
        // What the client complains of is the certificate: no plain text came into the handshake.
        let error = stranger.upgrade(server.open()).expect_err("another authority");
        let text = error.to_string();
        assert!(text.contains("UnknownIssuer") || text.contains("certificate"), "{text}");
    }
}

/// Go: TestTLSClientHandshakeProbeErrorsLogAsDebug server/client_test.go:3571
#[test]
fn handshakes_of_strangers_are_no_errors() {
    let probes: [(&str, &str); 2] = [("timeout: 0.1", ""), ("timeout: 2", "not tls\r\n")];
    for (config, sent) in probes {
        let server = Secured::new(config, "debug: true").launch.start();
        let mut probe = server.open();
        if !sent.is_empty() {
            probe.send(sent);
        }
        assert!(probe.wait_closed());
        let line = server.wait_log("TLS handshake");
        assert!(line.contains("[DBG]"), "{config}: {line}");
        assert!(!server.log().contains("[ERR]"), "{config}: {}", server.log());
    }
    // A certificate that is not pinned is a matter for the operator.
    let pinned = format!("$CA\nverify: true\npinned_certs: [{:?}]", "a".repeat(64));
    let secured = Secured::new(&pinned, "debug: true");
    let own = secured.issue("own", "client");
    let tls = secured.client().with(&own);
    let server = secured.launch.start();
    assert_eq!(answer(&server, &tls, ""), None);
    let line = server.wait_log("TLS handshake error");
    assert!(line.contains("[ERR]"), "{line}");
}

/// Go: TestClientProxyProtoNonProxiedTLSFirstFallback server/client_proxyproto_test.go:793
#[test]
fn tls_first_works_beside_proxy_headers() {
    let secured = Secured::new("timeout: 2\nfirst: \"250ms\"", "proxy_protocol: true");
    let tls = secured.client();
    let server = secured.launch.start();
    let mut client = tls.upgrade(RawClient::dial(server.address())).expect("handshake");
    client.read_info();
    client.log_in(QUIET);
}
