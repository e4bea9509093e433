use super::MonitorState;
use crate::server::Server;
use natsd_admin_api::AdminBackend;
use natsd_api::Float;
use natsd_api::monitor::{
    AccountzOptions, ClusterVarz, ConnState, ConnzOptions, GatewayVarz, HealthzOptions,
    IpqueueszOptions, JszOptions, LeafVarz, MqttVarz, RemoteGatewayVarz, RemoteLeafVarz,
    SubszOptions, WebsocketVarz,
};
use natsd_base::Timestamp;
use natsd_config::Url;
use natsd_config::options::{
    Account, Cluster, Gateway, LeafNode, Mqtt, Options, Port, RemoteGateway, RemoteLeaf, Tls,
    Websocket,
};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const SECOND: Duration = Duration::from_secs(1);
const PINNED: &str = "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069";

/// Boxed, because options are large.
fn start(mut options: Options) -> Pin<Box<dyn Future<Output = Arc<Server>> + Send>> {
    options.host = "127.0.0.1".into();
    options.port = Port::Random;
    options.apply_defaults();
    Box::pin(async { Server::start(options).await.expect("a server") })
}

/// A connection that has sent `operations`, which the server has answered.
async fn client(server: &Server, operations: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(server.client_address).await.expect("connected");
    let mut stream = BufReader::new(stream);
    let text = format!("CONNECT {{\"verbose\":false,\"name\":\"n\"}}\r\n{operations}PING\r\n");
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut line = String::new();
    while line != "PONG\r\n" {
        line.clear();
        assert_ne!(stream.read_line(&mut line).await.expect("answered"), 0, "closed");
    }
    stream
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

fn pinned() -> Option<Tls> {
    Some(Tls { verify_and_map: true, pinned_certs: [PINNED.to_owned()].into(), ..Tls::default() })
}

/// Go: TestMonitorCluster server/monitor_test.go:2843
#[tokio::test]
async fn monitor_cluster() {
    let cluster = Cluster {
        name: Some("A".into()),
        port: Port::Random,
        auth_timeout: SECOND,
        ..Cluster::default()
    };
    let routes = vec![url("nats://ivan:pwd@127.0.0.1:1234")];
    let server = start(Options { cluster, routes, ..Options::empty() }).await;
    let expected = ClusterVarz {
        name: "A".into(),
        addr: "0.0.0.0".into(),
        cluster_port: -1,
        auth_timeout: Float(1.0),
        urls: vec!["127.0.0.1:1234".into()],
        tls_timeout: Float(2.0),
        pool_size: 3,
        ..ClusterVarz::default()
    };
    assert_eq!(server.varz().cluster, expected);
    let alone = start(Options::empty()).await;
    assert_eq!(alone.varz().cluster, ClusterVarz::default());
}

/// Go: TestMonitorGateway server/monitor_test.go:2999
#[tokio::test]
async fn monitor_gateway() {
    let remote = RemoteGateway {
        name: "B".into(),
        tls: None,
        tls_timeout: SECOND,
        urls: vec![url("nats://ivan:pwd@localhost:1234"), url("nats://localhost:1235")],
    };
    let gateway = Gateway {
        name: Some("A".into()),
        port: Port::Random,
        auth_timeout: SECOND,
        tls_timeout: SECOND,
        advertise: Some("127.0.0.1".into()),
        connect_retries: 1,
        gateways: vec![remote],
        ..Gateway::default()
    };
    let server = start(Options { gateway, ..Options::empty() }).await;
    let expected = GatewayVarz {
        name: "A".into(),
        host: "0.0.0.0".into(),
        port: -1,
        auth_timeout: Float(1.0),
        tls_timeout: Float(1.0),
        advertise: "127.0.0.1".into(),
        connect_retries: 1,
        gateways: vec![RemoteGatewayVarz {
            name: "B".into(),
            tls_timeout: Float(1.0),
            urls: vec!["localhost:1234".into(), "localhost:1235".into()],
        }],
        ..GatewayVarz::default()
    };
    assert_eq!(server.varz().gateway, expected);
    let gatewayz = server.gatewayz(&Default::default());
    assert_eq!((gatewayz.name.as_str(), gatewayz.port), ("A", -1));
}

/// Go: TestMonitorLeafNode server/monitor_test.go:3231
#[tokio::test]
async fn monitor_leaf_node() {
    let remote = RemoteLeaf {
        account: Some("acc".into()),
        urls: vec![url("nats://ivan:pwd@localhost:1234")],
        tls_timeout: SECOND,
        ..RemoteLeaf::default()
    };
    let leafnode = LeafNode {
        port: Port::Random,
        auth_timeout: SECOND,
        tls_timeout: SECOND,
        remotes: vec![remote],
        ..LeafNode::default()
    };
    let accounts = vec![Account { name: "acc".into(), ..Account::default() }];
    let server = start(Options { leafnode, accounts, ..Options::empty() }).await;
    let expected = LeafVarz {
        host: "0.0.0.0".into(),
        port: -1,
        auth_timeout: Float(1.0),
        tls_timeout: Float(1.0),
        remotes: vec![RemoteLeafVarz {
            local_account: "acc".into(),
            tls_timeout: Float(1.0),
            urls: vec!["localhost:1234".into()],
            ..RemoteLeafVarz::default()
        }],
        ..LeafVarz::default()
    };
    let varz = server.varz();
    assert_eq!(varz.leaf, expected);
    assert_eq!(varz.cluster.name, "");
}

/// Go: TestMonitorMQTT server/monitor_test.go:5859
#[tokio::test]
async fn monitor_mqtt() {
    let mqtt = Mqtt {
        host: "127.0.0.1".into(),
        port: Port::Random,
        no_auth_user: Some("someuser".into()),
        js_domain: Some("js".into()),
        auth_timeout: 2 * SECOND,
        tls: pinned(),
        tls_timeout: 3 * SECOND,
        ack_wait: 4 * SECOND,
        max_ack_pending: 256,
        ..Mqtt::default()
    };
    let server = start(Options { mqtt, ..Options::empty() }).await;
    let expected = MqttVarz {
        host: "127.0.0.1".into(),
        port: -1,
        no_auth_user: "someuser".into(),
        js_domain: "js".into(),
        auth_timeout: Float(2.0),
        tls_map: true,
        tls_timeout: Float(3.0),
        tls_pinned_certs: vec![PINNED.into()],
        ack_wait: 4_000_000_000,
        max_ack_pending: 256,
        ..MqttVarz::default()
    };
    assert_eq!(server.varz().mqtt, expected);
}

/// Go: TestMonitorWebsocket server/monitor_test.go:5904
#[tokio::test]
async fn monitor_websocket() {
    let origins = vec!["https://origin1".to_owned(), "https://origin2".to_owned()];
    let websocket = Websocket {
        host: "127.0.0.1".into(),
        port: Port::Random,
        advertise: Some("somehost:8080".into()),
        no_auth_user: Some("someuser".into()),
        jwt_cookie: Some("somecookiename".into()),
        auth_timeout: 2 * SECOND,
        no_tls: true,
        tls: pinned(),
        same_origin: true,
        allowed_origins: origins.clone(),
        compression: true,
        handshake_timeout: 4 * SECOND,
        ..Websocket::default()
    };
    let server = start(Options { websocket, ..Options::empty() }).await;
    let expected = WebsocketVarz {
        host: "127.0.0.1".into(),
        port: -1,
        advertise: "somehost:8080".into(),
        no_auth_user: "someuser".into(),
        jwt_cookie: "somecookiename".into(),
        auth_timeout: Float(2.0),
        no_tls: true,
        tls_map: true,
        tls_pinned_certs: vec![PINNED.into()],
        same_origin: true,
        allowed_origins: origins,
        compression: true,
        handshake_timeout: 4_000_000_000,
        ..WebsocketVarz::default()
    };
    assert_eq!(server.varz().websocket, expected);
}

/// Go: TestMonitorVarzFeatureFlags server/monitor_test.go:6794
#[tokio::test]
async fn monitor_varz_feature_flags() {
    let feature_flags = [("js_ack_fc_v2".into(), true), ("unknown".into(), true)].into();
    let server = start(Options { feature_flags, ..Options::empty() }).await;
    let shown = server.varz().feature_flags;
    let shown: Vec<(&str, bool)> =
        shown.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let expected = [
        ("js_ack_fc_v2", true),
        ("js_api_reply_v2", false),
        ("js_raft_delete_range", true),
        ("js_snapshot_sources", false),
    ];
    assert_eq!(shown, expected);
}

/// Go: TestMonitorVarzTLSCertEndDate server/monitor_test.go:6815
#[tokio::test]
async fn monitor_varz_tls_cert_end_date() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/many_names.pem");
    let tls = || Some(Tls { cert_file: Some(file.to_owned()), ..Tls::default() });
    let mut options = Options::empty();
    options.tls = tls();
    let state = MonitorState::new(&options, Timestamp(0));
    let client = state.certificates().client;
    state.reload(&Options::empty());
    assert_eq!(state.certificates().client, None, "a reload without TLS");
    options.tls = None;
    options.cluster.tls = tls();
    options.gateway.tls = tls();
    options.leafnode.tls = tls();
    options.mqtt.tls = tls();
    options.websocket.tls = tls();
    let varz = start(options).await.varz();
    for end in [
        client,
        varz.cluster.tls_cert_not_after,
        varz.gateway.tls_cert_not_after,
        varz.leaf.tls_cert_not_after,
        varz.mqtt.tls_cert_not_after,
        varz.websocket.tls_cert_not_after,
    ] {
        assert_eq!(end.expect("an end").to_string(), "2126-10-31T21:36:40Z");
    }
    assert_eq!(varz.tls_cert_not_after, None);
}

/// Go: TestMonitorHealthzStatusError server/monitor_test.go:6507
#[tokio::test]
async fn a_server_that_takes_no_clients_is_not_healthy() {
    let server = start(Options::empty()).await;
    let ask = async |details| {
        let options = HealthzOptions { details, ..HealthzOptions::default() };
        server.healthz(&options).await
    };
    assert_eq!((ask(false).await.status_code, ask(true).await.status.as_str()), (200, "ok"));
    server.lame_duck().await;
    let (plain, detailed) = (ask(false).await, ask(true).await);
    for health in [&plain, &detailed] {
        assert_eq!((health.status_code, health.status.as_str()), (500, "error"));
    }
    assert!(!plain.error.is_empty() && plain.errors.is_empty());
    assert!(detailed.error.is_empty() && detailed.errors.len() == 1);
}

/// Go: TestMonitorHealthzStatusUnavailable server/monitor_test.go:6526
#[tokio::test]
async fn monitor_healthz_status_unavailable() {
    let mut options = Options::empty();
    options.jetstream.enabled = true;
    let server = start(options).await;
    let only_enabled = HealthzOptions { js_enabled_only: true, ..HealthzOptions::default() };
    let only_server = HealthzOptions { js_server_only: true, ..HealthzOptions::default() };
    for (asked, status_code, status) in [
        (HealthzOptions::default(), 503, "unavailable"),
        (only_enabled, 503, "unavailable"),
        (only_server, 200, "ok"),
    ] {
        let health = server.healthz(&asked).await;
        assert_eq!((health.status_code, health.status.as_str()), (status_code, status));
        let detailed = server.healthz(&HealthzOptions { details: true, ..asked }).await;
        let status = if status == "ok" { "ok" } else { "error" };
        assert_eq!((detailed.status_code, detailed.status.as_str()), (status_code, status));
    }
}

#[tokio::test]
async fn health_of_a_part_needs_the_whole() {
    let server = start(Options::empty()).await;
    for (stream, consumer, expected) in [
        ("S", "", "\"account\" must not be empty when checking stream health"),
        ("", "C", "\"stream\" must not be empty when checking consumer health"),
    ] {
        let options = HealthzOptions {
            stream: stream.into(),
            consumer: consumer.into(),
            ..HealthzOptions::default()
        };
        let health = server.healthz(&options).await;
        assert_eq!((health.status_code, health.error.as_str()), (400, expected));
    }
}

#[tokio::test]
async fn parts_that_are_not_there_say_so() {
    let server = start(Options::empty()).await;
    assert!(server.jsz(&JszOptions::default()).await.expect("a document").disabled);
    let leader = JszOptions { leader_only: true, ..JszOptions::default() };
    let refusal = server.jsz(&leader).await.expect_err("nobody leads");
    assert_eq!(refusal.to_string(), "filtered response: not leader");
    assert!(server.raftz(&Default::default()).await.is_err());
    assert!(server.ipqueuesz(&IpqueueszOptions::default()).is_empty());
    let all = IpqueueszOptions { all: true, ..IpqueueszOptions::default() };
    assert_eq!(server.ipqueuesz(&all).len(), 1);
    assert!(server.ipqueuesz(&IpqueueszOptions { filter: "none".into(), ..all }).is_empty());
    let missing = AccountzOptions { account: "none".into() };
    let refusal = server.accountz(&missing).expect_err("no such account");
    assert_eq!(refusal.to_string(), "Account none does not exist");
}

#[tokio::test]
async fn a_connection_is_seen_and_closed() {
    // Without the services, which have subscriptions of their own.
    let server = start(Options { no_system_account: true, ..Options::empty() }).await;
    // The server's own services have subscriptions too.
    let own = server.subsz(&SubszOptions::default()).expect("subscriptions");
    let own = own.figures.num_subscriptions;
    let mut stream =
        client(&server, "SUB foo.* 1\r\nSUB bar q 2\r\nUNSUB 2 5\r\nPUB foo.x 1\r\nx\r\n").await;
    let everything = ConnzOptions {
        auth: true,
        subscriptions_detail: true,
        state: ConnState::All,
        ..ConnzOptions::default()
    };
    let connz = server.connz(&everything).expect("connections");
    let info = &connz.connections.expect("a list")[0];
    assert_eq!((connz.total, info.cid, info.name.as_str()), (1, 1, "n"));
    assert_eq!((info.in_msgs, info.out_msgs, info.in_bytes, info.out_bytes), (1, 1, 1, 1));
    assert_eq!((info.name_tag.as_str(), info.account.as_str()), ("$G", ""));
    let mut listed: Vec<(&str, &str, i64, i64)> = info
        .subscriptions_list_detail
        .iter()
        .map(|one| (one.subject.as_str(), one.qgroup.as_str(), one.msgs, one.max))
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, [("bar", "q", 0, 5), ("foo.*", "", 1, 0)]);

    let subsz = SubszOptions { subscriptions: true, test: "foo.y".into(), ..Default::default() };
    let subsz = server.subsz(&subsz).expect("subscriptions");
    assert_eq!((subsz.total, subsz.figures.num_subscriptions - own), (1, 2));
    assert_eq!(subsz.subscriptions_list[0].account, "$G");

    assert!(server.close_connection(1) && !server.close_connection(2));
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {}
    let closed = tokio::time::timeout(Duration::from_secs(10), server.registry.wait_until_empty());
    closed.await.expect("the connection ended");
    let connz = server.connz(&everything).expect("connections");
    let info = &connz.connections.expect("a list")[0];
    assert_eq!((info.reason.as_str(), info.subscriptions), ("Kicked", 2));
    assert_eq!(info.subscriptions_list_detail[0].account, "$G");
    assert!(info.stop.is_some());
}

/// Looks at everything until `done`, and counts the rounds.
async fn poll(server: Arc<Server>, done: Arc<AtomicBool>) -> u32 {
    let mut rounds = 0;
    while !done.load(Ordering::Relaxed) {
        let varz = server.varz();
        assert!(varz.total_connections >= u64::try_from(varz.connections).expect("positive"));
        let options = ConnzOptions {
            account: "$G".into(),
            auth: true,
            subscriptions: true,
            state: ConnState::All,
            ..ConnzOptions::default()
        };
        let connz = server.connz(&options).expect("connections");
        let list = connz.connections.expect("a list");
        assert_eq!(connz.num_connections, i64::try_from(list.len()).expect("few"));
        let subscriptions = SubszOptions { subscriptions: true, ..SubszOptions::default() };
        server.subsz(&subscriptions).expect("subscriptions");
        assert!(server.stacksz().starts_with("thread "));
        rounds += 1;
        tokio::task::yield_now().await;
    }
    rounds
}

/// Go: TestEndpointDataRaces test/monitor_test.go:155
/// Go: TestMonitorConnzAccountRace server/monitor_test.go:6922
/// Go: TestMonitorVarzRaces server/monitor_test.go:2760
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_whole_while_clients_come_and_go() {
    let server = start(Options::empty()).await;
    let done = Arc::new(AtomicBool::new(false));
    let polling = [(); 3].map(|()| tokio::spawn(poll(server.clone(), done.clone())));
    for _ in 0..50 {
        drop(client(&server, "SUB foo 1\r\nPUB foo 5\r\nhello\r\n").await);
    }
    done.store(true, Ordering::Relaxed);
    for polling in polling {
        assert!(polling.await.expect("no panic") > 0);
    }
}
