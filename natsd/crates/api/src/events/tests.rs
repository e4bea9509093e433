use super::{ClientInfo, ConnectEvent, ConnectionsEvent, DisconnectEvent, EventHead};
use crate::monitor::{AccountStat, DataStats, MsgBytes};
use crate::system::ServerInfo;
use crate::{Rfc3339, to_compact};
use natsd_base::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

const SERVER: &str = r#""server":{"name":"S","host":"h","id":"N","ver":"2.15.1","jetstream":false,"flags":0,"seq":7,"time":"1970-01-01T00:00:00Z"}"#;
const HEAD: &str = r#""type":"t","id":"i","timestamp":"1970-01-01T00:00:00Z""#;

fn head() -> EventHead {
    EventHead { kind: "t", id: "i".to_owned(), timestamp: Rfc3339(Timestamp(0)) }
}

fn server() -> ServerInfo {
    ServerInfo {
        name: "S".to_owned(),
        host: "h".to_owned(),
        id: "N".to_owned(),
        ver: "2.15.1".to_owned(),
        tags: Vec::new(),
        metadata: BTreeMap::new(),
        feature_flags: BTreeMap::new(),
        jetstream: false,
        flags: 0,
        seq: 7,
        time: Rfc3339(Timestamp(0)),
    }
}

fn client() -> ClientInfo {
    ClientInfo {
        start: Rfc3339(Timestamp(0)),
        host: "127.0.0.1".to_owned(),
        id: 8,
        acc: "test".to_owned(),
        user: "tester".to_owned(),
        name: "N".to_owned(),
        lang: "x".to_owned(),
        ver: "1".to_owned(),
        rtt: 0,
        stop: None,
        name_tag: "test".to_owned(),
        kind: "Client".to_owned(),
        client_type: "nats".to_owned(),
    }
}

#[track_caller]
fn check(event: &impl Serialize, rest: &str) {
    let written = String::from_utf8(to_compact(event)).expect("text");
    assert_eq!(written, format!("{{{HEAD},{SERVER},{rest}}}"));
}

/// The expected texts are what a Go server 2.15.1 printed.
#[test]
fn events_have_the_keys_of_go_in_their_order() {
    check(
        &ConnectEvent { head: head(), server: server(), client: client() },
        concat!(
            r#""client":{"start":"1970-01-01T00:00:00Z","host":"127.0.0.1","id":8,"acc":"test","#,
            r#""user":"tester","name":"N","lang":"x","ver":"1","name_tag":"test","#,
            r#""kind":"Client","client_type":"nats"}"#
        ),
    );
    let one = DataStats { total: MsgBytes { msgs: 1, bytes: 5 }, ..DataStats::default() };
    let closed = ClientInfo { rtt: 549_000, stop: Some(Rfc3339(Timestamp(0))), ..client() };
    let (sent, received) = (one.clone(), DataStats::default());
    let reason = "Client Closed".to_owned();
    check(
        &DisconnectEvent { head: head(), server: server(), client: closed, sent, received, reason },
        concat!(
            r#""client":{"start":"1970-01-01T00:00:00Z","host":"127.0.0.1","id":8,"acc":"test","#,
            r#""user":"tester","name":"N","lang":"x","ver":"1","rtt":549000,"#,
            r#""stop":"1970-01-01T00:00:00Z","name_tag":"test","kind":"Client","#,
            r#""client_type":"nats"},"sent":{"msgs":1,"bytes":5},"#,
            r#""received":{"msgs":0,"bytes":0},"reason":"Client Closed""#
        ),
    );
    let nothing = Some(MsgBytes::default());
    let data =
        DataStats { gateways: nothing.clone(), routes: nothing.clone(), leafs: nothing, ..one };
    let figures = AccountStat {
        acc: "test".to_owned(),
        name: "test".to_owned(),
        conns: 1,
        leafnodes: 0,
        total_conns: 1,
        num_subscriptions: 4,
        sent: data.clone(),
        received: data,
        slow_consumers: 0,
    };
    let data = concat!(
        r#"{"msgs":1,"bytes":5,"gateways":{"msgs":0,"bytes":0},"routes":{"msgs":0,"bytes":0},"#,
        r#""leafs":{"msgs":0,"bytes":0}}"#
    );
    check(
        &ConnectionsEvent { head: head(), server: server(), figures },
        &format!(
            concat!(
                r#""acc":"test","name":"test","conns":1,"leafnodes":0,"total_conns":1,"#,
                r#""num_subscriptions":4,"sent":{0},"received":{0},"slow_consumers":0"#
            ),
            data
        ),
    );
}
