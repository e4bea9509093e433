//! What is refused, and what is not.

use super::unsupported;
use crate::options::Options;
use crate::read::load_text;
use crate::testing::MapSource;
use crate::validate::prepare;

const ACCOUNT: &str = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL";
const USER: &str = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3";

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let source = MapSource::default().file("c", "").file("k", "");
    let mut options = load_text(text, Options::empty(), &source).unwrap().options;
    prepare(&mut options).unwrap();
    let found: Vec<String> = unsupported(&options)
        .into_iter()
        .map(|entry| {
            let place = entry.position.map_or("-".to_string(), |position| {
                format!("{}:{}", position.line, position.column)
            });
            format!("{} {place}{}", entry.key, if entry.fatal { "" } else { " not fatal" })
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn what_the_server_cannot_do_is_named_with_its_place() {
    check("jetstream: true", &["jetstream 1:0 not fatal"]);
    check("port: -1, cluster { port: -1 }", &["cluster 1:10"]);
    check("gateway { name: a, port: -1 }", &["gateway 1:0"]);
    check("leaf { remotes [{url: \"nats://a\"}] }", &["leafnodes 1:0"]);
    check("ws { port: -1, no_tls: true }", &["websocket 1:0"]);
    check("jetstream: on\nmqtt { port: -1 }", &["jetstream 1:0 not fatal", "mqtt 2:1"]);
    check("resolver: MEM", &["resolver 1:0"]);
    check("prof_port: 1", &["prof_port 1:0"]);
    check("ocsp: true", &["ocsp 1:0"]);
    check("maps { a: b }", &[]);
    check("default_js_domain { $G: d }", &["default_js_domain 1:0"]);
    check("authorization { proxy_required: true }", &["authorization.proxy_required 1:16"]);
    check(&format!("authorization {{ users [{{nkey: {USER}}}] }}"), &[]);
    check("tls { cert_file: c, key_file: k, ca_file: c, verify_and_map: true }", &[]);
    check(
        &format!(
            "accounts {{ A {{ nkey: {ACCOUNT}, jetstream: on, users [{{nkey: {USER}}}], \
             exports [{{stream: a}}], trace_dest: b, maps {{a: b}} }},\n B {{ imports \
             [{{stream: {{account: A, subject: a}}}}] }} }}"
        ),
        &[
            "accounts.A.exports 1:168",
            "accounts.A.nkey 1:15",
            "accounts.A.jetstream 1:79 not fatal",
            "accounts.A.msg_trace 1:191",
            "accounts.B.imports 2:6",
        ],
    );
}

#[test]
fn what_is_empty_or_disabled_or_there_is_not_refused() {
    for text in [
        "",
        "jetstream: false",
        "cluster {}, gateway {}, leafnodes {}, websocket {}, mqtt {}, proxies {}, accounts {}",
        "jetstream { enabled: false }, leafnodes { remotes [{url: \"nats://a\", disabled: true}] }",
        "tls { cert_file: c, key_file: k, ca_file: c, verify: true, handshake_first: auto }",
        "authorization { users [{user: a, permissions: {pub: a, allow_responses: true}}] }",
        "accounts { A { users [{user: a}], limits {max_conn: 1}, default_permissions {pub: a} } }",
        "accounts { SYS {} }, system_account: SYS, no_auth_user: a, authorization {users [{user: a}]}",
        "admin { listen: \"127.0.0.1:0\", disabled: true, token: x }, server_tags: a, http: 8222",
    ] {
        check(text, &[]);
    }
}
