use super::{
    AccountStat, ConnInfo, ConnSort, ConnState, Connz, HealthStatus, HealthzError,
    HealthzErrorKind, JsInfo, Latency, Routez, Sampling, Subsz, Varz, page,
};
use crate::{to_compact, to_pretty};
use expect_test::{Expect, expect};
use serde::Serialize;

#[track_caller]
fn check(document: &impl Serialize, expected: Expect) {
    expected.assert_eq(&String::from_utf8_lossy(&to_pretty(document, "  ")));
}

#[test]
fn an_empty_varz_has_the_keys_that_go_always_prints() {
    let json = String::from_utf8(to_compact(&Varz::default())).expect("UTF-8");
    let keys: Vec<&str> = json
        .split(['{', ',', '}'])
        .filter_map(|part| part.strip_prefix('"')?.split('"').next())
        .collect();
    expect![[r#"
        server_id server_name version proto go host port max_connections ping_interval ping_max http_host http_port http_base_path https_port auth_timeout max_control_line max_payload max_pending cluster gateway leaf mqtt websocket jetstream tls_timeout write_deadline start now uptime mem cores gomaxprocs cpu connections total_connections routes remotes leafnodes in_msgs in_bytes in_client_msgs in_client_bytes out_msgs out_bytes out_client_msgs out_client_bytes slow_consumers stale_connections stalled_clients subscriptions http_req_stats config_load_time config_digest slow_consumer_stats clients routes gateways leafs disk_io_wait_stats waiters waits wait_time max_wait_time"#]]
    .assert_eq(&keys.join(" "));
}

#[test]
fn connections_are_printed_as_go_does() {
    check(
        &Connz { connections: Some(Vec::new()), limit: 1024, ..Connz::default() },
        expect![[r#"
            {
              "server_id": "",
              "now": "0001-01-01T00:00:00Z",
              "num_connections": 0,
              "total": 0,
              "offset": 0,
              "limit": 1024,
              "connections": []
            }"#]],
    );
    let info = ConnInfo {
        cid: 10,
        kind: "Client".into(),
        client_type: "nats".into(),
        ip: "127.0.0.1".into(),
        port: 48894,
        rtt: "406µs".into(),
        tags: vec!["a<b".into()],
        ..ConnInfo::default()
    };
    check(
        &info,
        expect![[r#"
            {
              "cid": 10,
              "kind": "Client",
              "type": "nats",
              "ip": "127.0.0.1",
              "port": 48894,
              "start": "0001-01-01T00:00:00Z",
              "last_activity": "0001-01-01T00:00:00Z",
              "rtt": "406µs",
              "uptime": "",
              "idle": "",
              "pending_bytes": 0,
              "in_msgs": 0,
              "out_msgs": 0,
              "in_bytes": 0,
              "out_bytes": 0,
              "subscriptions": 0,
              "tags": [
                "a\u003cb"
              ]
            }"#]],
    );
}

#[test]
fn embedded_figures_stand_where_go_embeds_them() {
    for (document, expected) in [
        (
            to_compact(&Subsz { limit: 3, ..Subsz::default() }),
            r#"{"server_id":"","now":"0001-01-01T00:00:00Z","num_subscriptions":0,"num_cache":0,"num_inserts":0,"num_removes":0,"num_matches":0,"cache_hit_rate":0,"max_fanout":0,"avg_fanout":0,"total":0,"offset":0,"limit":3}"#,
        ),
        (
            to_compact(&JsInfo { disabled: true, ..JsInfo::default() }),
            r#"{"memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"accounts":0,"ha_assets":0,"api":{"level":0,"total":0,"errors":0},"server_id":"","now":"0001-01-01T00:00:00Z","disabled":true,"config":{"max_memory":0,"max_storage":0},"streams":0,"consumers":0,"messages":0,"bytes":0,"total":0}"#,
        ),
        (
            to_compact(&AccountStat::default()),
            r#"{"acc":"","name":"","conns":0,"leafnodes":0,"total_conns":0,"num_subscriptions":0,"sent":{"msgs":0,"bytes":0},"received":{"msgs":0,"bytes":0},"slow_consumers":0}"#,
        ),
        (
            to_compact(&Routez::default()),
            r#"{"server_id":"","server_name":"","now":"0001-01-01T00:00:00Z","num_routes":0,"routes":[]}"#,
        ),
        (
            to_compact(&Latency { sampling: Sampling::Headers, results: "r".into() }),
            r#"{"sampling":"headers","results":"r"}"#,
        ),
        (
            to_compact(&HealthStatus {
                status: "error".into(),
                errors: vec![HealthzError {
                    kind: HealthzErrorKind::BadRequest,
                    error: "\"account\"".into(),
                    ..HealthzError::default()
                }],
                ..HealthStatus::default()
            }),
            r#"{"status":"error","errors":[{"type":"BAD_REQUEST","error":"\"account\""}]}"#,
        ),
    ] {
        assert_eq!(String::from_utf8_lossy(&document), expected);
    }
}

#[test]
fn documents_are_read_back() {
    let varz = Varz { server_id: "N".into(), cores: 2, cpu: crate::Float(1.5), ..Varz::default() };
    assert_eq!(serde_json::from_slice::<Varz>(&to_compact(&varz)).expect("JSON"), varz);
    let subsz = Subsz { total: 7, ..Subsz::default() };
    assert_eq!(serde_json::from_slice::<Subsz>(&to_compact(&subsz)).expect("JSON"), subsz);
}

#[test]
fn names_of_states_and_orders() {
    for (name, expected) in [
        ("", Some(ConnState::Open)),
        ("OPEN", Some(ConnState::Open)),
        ("closed", Some(ConnState::Closed)),
        ("any", Some(ConnState::All)),
        ("ALL", Some(ConnState::All)),
        ("bad", None),
    ] {
        assert_eq!(ConnState::by_name(name), expected, "{name}");
    }
    for (name, expected) in [
        ("", Some(ConnSort::Cid)),
        ("msgs_to", Some(ConnSort::OutMsgs)),
        ("rtt", Some(ConnSort::RoundTrip)),
        ("MSGS_TO", None),
        ("bogus", None),
    ] {
        assert_eq!(ConnSort::by_name(name), expected, "{name}");
    }
    let numbers = [0, 1, 2, 3].map(ConnState::from_number);
    assert_eq!(
        numbers,
        [Some(ConnState::Open), Some(ConnState::Closed), Some(ConnState::All), None]
    );
}

#[test]
fn pages_never_reach_beyond_the_list() {
    for ((len, offset, limit), expected) in [
        ((10, 0, 4), 0..4),
        ((10, 8, 4), 8..10),
        ((10, 10, 4), 10..10),
        ((10, i64::MAX, i64::MAX), 10..10),
        ((10, 1, i64::MAX), 1..10),
        ((10, -5, 2), 0..2),
        ((10, 2, -1), 2..2),
        ((0, 0, 4), 0..0),
    ] {
        assert_eq!(page(len, offset, limit), expected, "{len} {offset} {limit}");
    }
}
