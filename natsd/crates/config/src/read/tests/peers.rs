//! Clusters, gateways and leaf nodes, ported from Go `server/opts_test.go`.

use std::time::Duration;

use super::{certificates, load, load_from};
use crate::options::{
    Compression, Gateway, LeafNode, Options, Port, RemoteGateway, RemoteLeaf, Tls,
};
use crate::read::leafnode::expand_path;
use crate::testing::MapSource;
use crate::url::Url;

fn options(text: &str) -> Options {
    load(text).unwrap_or_else(|errors| panic!("{text}: {errors}")).options
}

#[track_caller]
fn check_error(text: &str, fragment: &str) {
    let errors = load(text).unwrap_err().to_string();
    assert!(errors.contains(fragment), "{text}: {errors}");
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

const FILES: &str =
    "cert_file: \"./configs/certs/server.pem\", key_file: \"./configs/certs/key.pem\"";

fn tls(timeout: Duration) -> Tls {
    Tls {
        cert_file: Some("./configs/certs/server.pem".to_string()),
        key_file: Some("./configs/certs/key.pem".to_string()),
        timeout,
        ..Tls::default()
    }
}

/// Go: TestTlsPinnedCertificates server/opts_test.go:885
#[test]
fn tls_pinned_certificates() {
    let pins =
        "pinned_certs: [\"7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069\",
        \"A8f407340dcc719864214b85ed96f98d16cbffa8f509d9fa4ca237b7bb3f9c32\"]";
    let tls = format!("tls {{ {FILES}, verify: true, {pins} }}");
    let found = options(&format!(
        "{tls}\ncluster {{ port -1, {tls} }}\nleafnodes {{ port -1, {tls} }}\n\
         gateway {{ name: A, port -1, {tls} }}\nwebsocket {{ port -1, {tls} }}\nmqtt {{ port -1, {tls} }}"
    ));
    let all = [
        found.tls,
        found.cluster.tls,
        found.leafnode.tls,
        found.gateway.tls,
        found.websocket.tls,
        found.mqtt.tls,
    ];
    for tls in all {
        let tls = tls.unwrap();
        assert!(tls.verify);
        assert_eq!(tls.pinned_certs.len(), 2);
        assert!(tls.pinned_certs.iter().all(|pin| *pin == pin.to_lowercase()));
    }
    check_error(
        "tls { pinned_certs: [abc] }",
        "'pinned_certs' key abc does not look like hex-encoded sha256",
    );
}

/// Go: TestClusterPermissionsConfig server/opts_test.go:1603
#[test]
fn cluster_permissions_config() {
    let inner =
        "authorization { user: ivan, permissions { import {allow: foo}, export {allow: bar} } }";
    let outer = "permissions { import {allow: baz}, export {allow: bat} }";
    let rows = [
        (inner.to_string(), "foo", "bar"),
        (format!("{outer}, {inner}"), "baz", "bat"),
        (format!("{inner}, {outer}"), "baz", "bat"),
    ];
    for (fields, import, export) in rows {
        let found = options(&format!("cluster {{ port: 1234, {fields} }}"));
        let permissions = found.cluster.permissions.unwrap();
        assert_eq!(permissions.import.unwrap().allow.unwrap(), [import]);
        assert_eq!(permissions.export.unwrap().allow.unwrap(), [export]);
    }
    for wrong in [
        "foo",
        "{ unknown_field: foo }",
        "{ import: [1, 2, 3] }",
        "{ import { unknown_field: foo } }",
        "{ import { allow { x: y } } }",
        "{ import { deny { x: y } } }",
        "{ export: [1, 2, 3] }",
        "{ export { unknown_field: foo } }",
        "{ export { allow { x: y } } }",
        "{ export { deny { x: y } } }",
    ] {
        check_error(&format!("cluster {{ port: 1234, permissions: {wrong} }}"), "");
        check_error(
            &format!("cluster {{ authorization {{ user: a, permissions: {wrong} }} }}"),
            "",
        );
    }
    check_error(
        "cluster { permissions { allow_responses: true } }",
        "Cluster permissions do not support dynamic responses",
    );
}

/// Go: TestParsingGateways server/opts_test.go:2054
#[test]
fn parsing_gateways() {
    let found = options(&format!(
        "gateway {{
           name: A, listen: \"127.0.0.1:4444\", host: 127.0.0.1, port: 4444
           reject_unknown_cluster: true
           authorization {{ user: ivan, password: pwd, timeout: 2.0 }}
           tls {{ {FILES}, timeout: 3.0 }}
           advertise: \"me:1\", connect_retries: 10, connect_backoff: true
           gateways: [
             {{ name: B, urls: [\"nats://user1:pwd1@host2:5222\", \"nats://user1:pwd1@host3:6222\"] }}
             {{ name: C, url: \"nats://host4:7222\" }}
           ]
         }}"
    ));
    let remote = |name: &str, urls: &[&str]| RemoteGateway {
        name: name.to_string(),
        urls: urls.iter().map(|text| url(text)).collect(),
        ..RemoteGateway::default()
    };
    let expected = Gateway {
        name: Some("A".to_string()),
        host: "127.0.0.1".to_string(),
        port: Port::Fixed(4444),
        username: Some("ivan".to_string()),
        password: Some("pwd".to_string()),
        auth_timeout: Duration::from_secs(2),
        advertise: Some("me:1".to_string()),
        connect_retries: 10,
        connect_backoff: true,
        tls: Some(tls(Duration::from_secs(3))),
        tls_timeout: Duration::from_secs(3),
        reject_unknown: true,
        gateways: vec![
            remote("B", &["nats://user1:pwd1@host2:5222", "nats://user1:pwd1@host3:6222"]),
            remote("C", &["nats://host4:7222"]),
        ],
        ..Gateway::default()
    };
    assert_eq!(found.gateway, expected);
    let user = found.gateway.gateways[0].urls[0].user.as_ref().unwrap();
    assert_eq!((user.username.as_str(), user.password.as_deref()), ("user1", Some("pwd1")));
}

/// Go: TestParsingGatewaysErrors server/opts_test.go:2139
#[test]
fn parsing_gateways_errors() {
    let rows = [
        ("gateway: bad_type", "Expected gateway to be a map"),
        ("gateway { name: A, listen: \"bad::address\" }", "parse address"),
        ("gateway { authorization { users { } } }", "be an array"),
        ("gateway { unknown_field: 1 }", "unknown field"),
        (
            "gateway { authorization { users [{user: alice}, {user: bob}] } }",
            "does not allow multiple users",
        ),
        ("gateway { tls { cert_file: 123 } }", "to be filename"),
        (
            "gateway { tls { cert_file: \"missing.pem\", key_file: \"./configs/certs/key.pem\" } }",
            "certificate/key pair: open missing.pem: no such file",
        ),
        (
            "gateway { tls { cert_file: \"./configs/certs/server.pem\", key_file: missing.pem } }",
            "certificate/key pair",
        ),
        (
            "gateway { tls { cert_file: \"./configs/certs/server.pem\" } }",
            "missing 'key_file' in TLS configuration",
        ),
        (
            "gateway { tls { key_file: \"./configs/certs/key.pem\" } }",
            "missing 'cert_file' in TLS configuration",
        ),
        ("gateway { gateways { name: B } }", "Expected gateways field to be an array"),
        ("gateway { gateways [ g1, g2 ] }", "Expected gateway entry to be a map"),
        (
            "gateway { gateways [ { name: B, url: \"nats://wrong url\" } ] }",
            "error parsing gateway url",
        ),
        (
            "gateway { gateways [ { name: B, urls: [\"nats://wrong url\", \"nats://host:5222\"] } ] }",
            "error parsing gateway url",
        ),
        ("gateway { gateways [ { name: B, tls { cert_file: 123 } } ] }", "to be filename"),
        ("gateway { gateways [ { name: B, unknown_field: 1 } ] }", "unknown field"),
        ("gateway { tls { ca_file: missing.pem } }", "open missing.pem: no such file or directory"),
    ];
    for (text, message) in rows {
        check_error(text, message);
    }
}

/// Go: TestParsingLeafNodesListener server/opts_test.go:2357
#[test]
fn parsing_leaf_nodes_listener() {
    let found = options(&format!(
        "leafnodes {{
           listen: \"127.0.0.1:3333\", host: 127.0.0.1, port: 3333, advertise: \"me:22\"
           authorization {{ user: derek, password: \"s3cr3t!\", timeout: 2.2 }}
           tls {{ {FILES}, timeout: 3.3 }}
         }}"
    ));
    let expected = LeafNode {
        host: "127.0.0.1".to_string(),
        port: Port::Fixed(3333),
        username: Some("derek".to_string()),
        password: Some("s3cr3t!".to_string()),
        auth_timeout: Duration::from_secs_f64(2.2),
        advertise: Some("me:22".to_string()),
        tls: Some(tls(Duration::from_secs_f64(3.3))),
        tls_timeout: Duration::from_secs_f64(3.3),
        ..LeafNode::default()
    };
    assert_eq!(found.leafnode, expected);
}

/// Go: TestParsingLeafNodeRemotes server/opts_test.go:2404
#[test]
fn parsing_leaf_node_remotes() {
    let source = certificates().variable("HOME", "/home/foo");
    let remote = |account: &str, credentials: &str| RemoteLeaf {
        account: Some(account.to_string()),
        credentials: Some(credentials.to_string()),
        urls: vec![url("nats-leaf://127.0.0.1:2222")],
        ..RemoteLeaf::default()
    };
    let text = |account: &str, fields: &str| {
        format!("{{ url: nats-leaf://127.0.0.1:2222\naccount: {account} // local\n{fields} }}")
    };
    for (path, expected) in [("./my.creds", "./my.creds"), ("~/my.creds", "/home/foo/my.creds")] {
        let remotes = text("foobar", &format!("credentials: \"{path}\""));
        let loaded = load_from(&source, &format!("leafnodes {{ remotes = [{remotes}] }}")).unwrap();
        assert_eq!(loaded.options.leafnode.remotes, [remote("foobar", expected)]);
    }
    let creds = "credentials: c, js_cluster_migrate:";
    let found = options(&format!(
        "leafnodes {{ remotes = [{}\n{}\n{}] }}",
        text("foo", &format!("{creds} true")),
        text("bar", &format!("{creds} {{ leader_migrate_delay: 30s }}")),
        text("baz", &format!("{creds} false")),
    ));
    let migrates: Vec<(bool, u64)> = found
        .leafnode
        .remotes
        .iter()
        .map(|remote| {
            (remote.jetstream_cluster_migrate, remote.jetstream_cluster_migrate_delay.as_secs())
        })
        .collect();
    assert_eq!(migrates, [(true, 0), (true, 30), (false, 0)]);
    // The order of many URLs is kept; whoever connects may shuffle them.
    let hosts: Vec<String> = (0..16).map(|host| format!("nats-leaf://host{host}:7422")).collect();
    let found =
        options(&format!("leafnodes {{ remotes = [{{dont_randomize: true, urls: {hosts:?}}}] }}"));
    let remote = &found.leafnode.remotes[0];
    assert!(remote.no_randomize);
    assert_eq!(remote.urls.iter().map(Url::to_string).collect::<Vec<_>>(), hosts);
}

/// Go: TestExpandPath server/opts_test.go:2824
#[test]
fn test_expand_path() {
    let rows = [
        ("/foo/bar", "/fizz/buzz", Some("/foo/bar")),
        ("foo/bar", "/fizz/buzz", Some("foo/bar")),
        ("~/fizz", "/foo/bar", Some("/foo/bar/fizz")),
        ("$HOME/fizz", "/foo/bar", Some("/foo/bar/fizz")),
        ("${HOME}/fizz", "/foo/bar", Some("/foo/bar/fizz")),
        ("a$NONE/b", "/foo/bar", Some("a/b")),
        ("~/fizz", "", None),
    ];
    for (path, home, expected) in rows {
        let source = MapSource::default().variable("HOME", home);
        assert_eq!(expand_path(path, &source).ok().as_deref(), expected, "{path}");
    }
}

/// Go: TestOptionsRemoteLeafNodeName server/opts_test.go:4701
#[test]
fn options_remote_leaf_node_name() {
    let urls = ["nats://user1:secretpwd@127.0.0.1:7222", "nats://user2:secretpwd@127.0.0.1:7222"];
    let shown = "urls=[\"nats://user1:secretpwd@127.0.0.1:7222\" \"nats://user2:secretpwd@127.0.0.1:7222\"]";
    let safe = shown.replace("secretpwd", "xxxxx");
    let seed = "SUACJN3OSKWWPQXME4JUNFJ3PARXPO657GGNWNU7PK7G3AUQQYHLW26XH4";
    let nkey = format!(", nkey=\"{seed}\"");
    let hidden = ", nkey=\"[REDACTED]\"";
    let file = ", credentials=\"credsfile\"";
    let rows = [
        (None, None, None, "$G", "", ""),
        (Some("A"), None, None, "A", "", ""),
        (None, Some("credsfile"), None, "$G", file, file),
        (None, None, Some(seed), "$G", nkey.as_str(), hidden),
        (Some("A"), Some("credsfile"), None, "A", file, file),
        (Some("A"), None, Some(seed), "A", nkey.as_str(), hidden),
    ];
    for (account, credentials, nkey, name, more, safe_more) in rows {
        let remote = RemoteLeaf {
            urls: urls.iter().map(|text| url(text)).collect(),
            account: account.map(str::to_string),
            credentials: credentials.map(str::to_string),
            nkey: nkey.map(str::to_string),
            ..RemoteLeaf::default()
        };
        assert_eq!(remote.name(), format!("{shown}, account=\"{name}\"{more}"));
        assert_eq!(remote.safe_name(), format!("{safe}, account=\"{name}\"{safe_more}"));
    }
    let remote = |account: &str, credentials: Option<&str>| RemoteLeaf {
        account: Some(account.to_string()),
        credentials: credentials.map(str::to_string),
        ..RemoteLeaf::default()
    };
    let first = remote("A", Some("creds"));
    assert_ne!(first.name(), remote("A\", credentials=\"creds", None).name());
}

/// Go: TestOptionsCompressionEqual server/opts_test.go:4599
#[test]
fn options_compression_equal() {
    let compression = |mode: &str, thresholds: &[u64]| Compression {
        mode: mode.to_string(),
        rtt_thresholds: thresholds.iter().map(|millis| Duration::from_millis(*millis)).collect(),
    };
    let auto = |thresholds: &[u64]| compression("s2_auto", thresholds);
    let rows = [
        (compression("s2_fast", &[]), compression("s2_best", &[]), false),
        (compression("s2_best", &[]), compression("s2_best", &[]), true),
        (auto(&[10, 50, 100]), auto(&[]), true),
        (auto(&[]), auto(&[10, 50, 100]), true),
        (auto(&[5, 10]), auto(&[5, 10]), true),
        (auto(&[5, 10]), auto(&[15, 30]), false),
        (auto(&[]), auto(&[15, 30]), false),
        (auto(&[15, 30]), auto(&[]), false),
        (auto(&[]), auto(&[]), true),
    ];
    for (left, right, expected) in rows {
        assert_eq!(left.is_equivalent(&right), expected, "{left:?} {right:?}");
    }
}
