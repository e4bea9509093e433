//! Options that do not fit each other.

use super::prepare;
use crate::options::Options;
use crate::read::load_text;
use crate::testing::MapSource;

/// Reads, completes and validates a text; an error is its first message.
fn load(text: &str) -> Result<Options, String> {
    let source = MapSource::default().file("cert.pem", "").file("key.pem", "");
    let mut options = load_text(text, Options::empty(), &source)
        .map_err(|errors| format!("not even readable: {errors}"))?
        .options;
    prepare(&mut options).map_err(|error| error.to_string())?;
    // Reloads and embedding do it again.
    prepare(&mut options).map_err(|error| format!("second time: {error}"))?;
    Ok(options)
}

#[track_caller]
fn check(text: &str, message: &str) {
    match load(text) {
        Ok(_) => assert_eq!(message, "", "{text} is valid"),
        Err(error) => {
            assert!(!message.is_empty() && error.contains(message), "{text}: {error}");
        }
    }
}

/// Texts, and what is wrong with them; empty when nothing is.
const ROWS: &[(&str, &str)] = &[
    ("", ""),
    (
        "lame_duck_duration: 30s, lame_duck_grace_period: 30s",
        "grace period (30s) should be strictly lower than lame duck duration (30s)",
    ),
    ("max_payload: 100MB", "max_payload (104857600) cannot be higher than max_pending (67108864)"),
    ("default_sentinel: abc", "default sentinel requires operators and accounts"),
    ("no_auth_user: x", "no_auth_user: \"x\" present, but users/nkeys are not defined"),
    (
        "no_auth_user: x, authorization { users [{user: y}] }",
        "no_auth_user: \"x\" not present as user or nkey",
    ),
    ("no_auth_user: y, authorization { users [{user: y}] }", ""),
    ("gateway { port: -1 }", "gateway has no name"),
    ("gateway { name: a }", "gateway \"a\" has no port specified"),
    ("gateway { name: a, port: -1, gateways [{name: b}] }", "gateway \"b\" has no URL"),
    (
        "gateway { name: a, port: -1, gateways [{url: \"nats://x\"}] }",
        "gateway in the list 0 has no name",
    ),
    ("cluster { port: -1, compression: xyz }", "unsupported compression mode \"xyz\""),
    (
        "cluster { port: -1, compression: {mode: auto, rtts: [20ms, 10ms]} }",
        "[20ms 10ms] should be in ascending order",
    ),
    (
        "cluster { port: -1, compression: {mode: auto, rtts: [0s, 0s]} }",
        "requires at least one RTT threshold",
    ),
    (
        "cluster { port: -1, compression: {mode: auto, rtts: [1ms, 2ms, 3ms, 4ms, 5ms]} }",
        "no more than 4 RTT thresholds",
    ),
    (
        "cluster { port: -1, accounts: [A, A] }",
        "found duplicate account name \"A\" in pinned accounts list [\"A\" \"A\" \"$SYS\"]",
    ),
    ("cluster { port: -1, pool_size: -1, accounts: [A] }", "pool_size cannot be negative"),
    ("mqtt { port: -1 }", "mqtt requires JetStream to be enabled"),
    ("mqtt { port: -1 }, cluster { port: -1 }", "mqtt requires server name to be explicitly set"),
    (
        "mqtt { port: -1, authorization { user: a } }, authorization { users [{user: y}] }",
        "mqtt authentication username not compatible",
    ),
    ("jetstream: true, cluster { port: -1 }", "jetstream cluster requires `server_name` to be set"),
    (
        "jetstream: true, server_name: a, cluster { port: -1 }",
        "jetstream cluster requires `cluster.name` to be set",
    ),
    ("jetstream { domain: \"a.b\" }", "invalid domain name: may not contain ., * or >"),
    (
        "jetstream { domain: \"a..b\" }",
        "invalid domain name: derived \"$JS.a..b.API.>\" is not a valid subject",
    ),
    ("default_js_domain { X: d }", "references non existing account \"X\""),
    (
        "default_js_domain { X: d }, accounts { X { jetstream: true } }",
        "account name \"X\" with enabled JetStream",
    ),
    ("websocket { port: -1 }", "websocket requires TLS configuration"),
    ("websocket { port: -1, no_tls: true }", ""),
    (
        "websocket { port: -1, no_tls: true, origins: \"ftp://x\" }",
        "allowed origins must be absolute URLs with http or https scheme",
    ),
    ("websocket { port: -1, no_tls: true, origins: \"http://\" }", "host is required"),
    (
        "websocket { port: -1, no_tls: true, jwt_cookie: c }",
        "trusted operators or trusted keys configuration is required",
    ),
    (
        "websocket { port: -1, no_tls: true, headers: {Upgrade: x} }",
        "invalid header \"Upgrade\" not allowed",
    ),
    (
        "websocket { port: -1, no_tls: true, headers: {Sec-WebSocket-X: x} }",
        "\"Sec-WebSocket-\" prefix not allowed",
    ),
    (
        "leafnodes { remotes [{url: \"nats://a\", account: X}] }",
        "cannot find local account \"X\" specified in leafnode remote",
    ),
    (
        "leafnodes { port: -1, authorization { user: a, account: X } }",
        "cannot find local account \"X\" specified in leafnode authorization",
    ),
    (
        "leafnodes { remotes [{urls: [\"nats://a\", \"ws://b\"]}] }",
        "cannot have a mix of websocket and non-websocket urls: [\"nats://a:7422\" \"ws://b:7422\"]",
    ),
    (
        "leafnodes { port: -1 }, gateway { name: a, port: -1 }",
        "require a system account to also be configured",
    ),
    ("proxies { trusted [{}] }", "proxy trusted key \"\" is invalid"),
];

#[test]
fn options_must_fit_each_other() {
    for (text, message) in ROWS {
        check(text, message);
    }
}

/// Go: TestClusterNameAndGatewayNameConflict server/opts_test.go:3127
#[test]
fn cluster_name_and_gateway_name_conflict() {
    let text = |gateway: &str| {
        format!(
            "cluster {{ name: A, listen: \"127.0.0.1:-1\" }}, gateway {{ name: {gateway}, listen: \"127.0.0.1:-1\" }}"
        )
    };
    check(&text("B"), "cluster name conflicts between cluster and gateway definitions");
    check(&text("A"), "");
}

#[test]
fn a_valid_configuration_is_brought_into_its_usual_form() {
    let options = load(
        "cluster { port: -1, compression: ON }
         leafnodes { port: -1, compression: {mode: auto, rtts: [0s, 10ms, 0s]},
                     remotes [{url: \"nats://a\", compression: BEST}] }
         gateway { name: g, port: -1 }, system: A, accounts { A {} }",
    )
    .unwrap();
    assert_eq!(options.cluster.compression.mode, "s2_fast");
    assert_eq!(options.cluster.name.as_deref(), Some("g"));
    assert_eq!(options.leafnode.compression.mode, "s2_auto");
    assert_eq!(options.leafnode.compression.rtt_thresholds.len(), 2);
    let remote = &options.leafnode.remotes[0];
    assert_eq!(remote.compression.mode, "s2_best");
    assert_eq!(remote.account.as_deref(), Some("$G"));
    assert_eq!(remote.urls[0].to_string(), "nats://a:7422");
}
