//! `/varz`
//!
//! Source: Go `server/monitor.go` (`createVarz`, `updateVarzConfigReloadableFields`,
//! `updateVarzRuntimeFields`), `server/feature_flags.go`.

use super::accountz::system_account;
use super::{process, signed};
use crate::server::Server;
use natsd_api::monitor::{
    ClusterVarz, DenyRules, GatewayVarz, LeafVarz, MqttVarz, PeerCounts, ProxiesVarz, ProxyInfo,
    RemoteGatewayVarz, RemoteLeafVarz, Varz, WebsocketVarz,
};
use natsd_api::{Float, Rfc3339};
use natsd_base::format_duration;
use natsd_config::Url;
use natsd_config::options::{GLOBAL_ACCOUNT, Options, Port, RemoteLeaf, Tls, WriteTimeout};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The features that can be switched, and how they are when nobody does.
const FEATURE_FLAGS: &[(&str, bool)] = &[
    ("js_ack_fc_v2", false),
    ("js_api_reply_v2", false),
    ("js_raft_delete_range", true),
    ("js_snapshot_sources", false),
];

pub(super) fn varz(server: &Server) -> Varz {
    let mut varz = Varz::default();
    fill_identity(&mut varz, server);
    fill_options(&mut varz, server);
    fill_runtime(&mut varz, server);
    varz.cluster = cluster(server);
    varz.gateway = gateway(server);
    varz.leaf = leaf(server);
    varz.mqtt = mqtt(server);
    varz.websocket = websocket(server);
    varz
}

fn fill_identity(varz: &mut Varz, server: &Server) {
    let info = server.snapshot().info.clone();
    varz.server_id = info.server_id;
    varz.server_name = info.server_name;
    varz.version = info.version;
    varz.proto = i64::from(info.proto);
    varz.git_commit = info.git_commit;
    varz.go = info.go;
    varz.host = info.host;
    varz.port = i64::from(info.port);
    varz.auth_required = info.auth_required;
    varz.tls_required = info.tls_required;
    varz.tls_verify = info.tls_verify;
    varz.connect_urls = info.connect_urls;
    varz.system_account = system_account(server);
}

fn fill_options(varz: &mut Varz, server: &Server) {
    let options = &server.options();
    varz.max_connections = options.max_connections;
    varz.max_subscriptions = options.max_subscriptions;
    varz.ping_interval = nanos(options.ping_interval);
    varz.ping_max = options.ping_max;
    varz.http_host.clone_from(&options.http_host);
    varz.http_port = port(options.http_port);
    varz.http_base_path = options.http_base_path.clone().unwrap_or_default();
    varz.https_port = port(options.https_port);
    varz.auth_timeout = seconds(options.auth_timeout);
    varz.max_control_line = i64::from(options.max_control_line);
    varz.max_payload = i64::from(options.max_payload);
    varz.max_pending = options.max_pending;
    varz.tls_ocsp_peer_verify = varz.tls_required && verifies_ocsp(options.tls.as_ref());
    varz.tls_timeout = seconds(options.tls_timeout);
    varz.write_deadline = nanos(options.write_deadline);
    varz.write_timeout = write_timeout(options.write_timeout);
    varz.config_load_time = Rfc3339(server.configured());
    varz.config_digest.clone_from(&options.config_digest);
    varz.tags.clone_from(&options.server_tags);
    varz.metadata.clone_from(&options.server_metadata);
    varz.feature_flags = feature_flags(options);
    varz.trusted_operators_jwt = options.operators.iter().map(|one| one.jwt.clone()).collect();
    varz.proxies = options.proxies.as_ref().map(|keys| ProxiesVarz {
        trusted: keys.iter().map(|key| ProxyInfo { key: key.clone() }).collect(),
    });
    varz.tls_cert_not_after = server.monitor.certificates().client;
}

fn fill_runtime(varz: &mut Varz, server: &Server) {
    let now = server.clock.now();
    let (percent, resident) = server.monitor.usage(now);
    varz.start = Rfc3339(server.started);
    varz.now = Rfc3339(now);
    varz.uptime = format_duration(now - server.started);
    varz.mem = signed(resident);
    varz.cpu = Float(percent);
    varz.cores = signed(process::cores());
    varz.gomaxprocs = signed(process::workers());
    varz.connections = signed(server.registry.count());
    varz.total_connections = server.registry.total();
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (stats, traffic) = (&server.stats, &server.stats.traffic);
    varz.in_client_msgs = signed(load(&traffic.in_msgs));
    varz.in_client_bytes = signed(load(&traffic.in_bytes));
    varz.out_client_msgs = signed(load(&traffic.out_msgs));
    varz.out_client_bytes = signed(load(&traffic.out_bytes));
    // All traffic is that of clients as long as there are no other servers.
    varz.in_msgs = varz.in_client_msgs;
    varz.in_bytes = varz.in_client_bytes;
    varz.out_msgs = varz.out_client_msgs;
    varz.out_bytes = varz.out_client_bytes;
    let (slow, stale) = (load(&stats.slow_consumers), load(&stats.stale_connections));
    varz.slow_consumers = signed(slow);
    varz.slow_consumer_stats = PeerCounts { clients: slow, ..PeerCounts::default() };
    varz.stale_connections = signed(stale);
    varz.stale_connection_stats = Some(PeerCounts { clients: stale, ..PeerCounts::default() });
    varz.stalled_clients = signed(load(&stats.stalls));
    let subscriptions: u64 = server.accounts().iter().map(|account| account.subscriptions()).sum();
    varz.subscriptions = u32::try_from(subscriptions).unwrap_or(u32::MAX);
    varz.http_req_stats = server.monitor.requests();
}

/// Go's number of a configured port.
pub(super) fn port(port: Port) -> i64 {
    match port {
        Port::Unset => 0,
        Port::Random => -1,
        Port::Fixed(port) => i64::from(port),
    }
}

fn nanos(duration: Duration) -> i64 {
    signed(duration.as_nanos())
}

fn seconds(duration: Duration) -> Float {
    Float(duration.as_secs_f64())
}

fn write_timeout(policy: WriteTimeout) -> String {
    match policy {
        WriteTimeout::Default => "",
        WriteTimeout::Close => "close",
        WriteTimeout::Retry => "retry",
    }
    .to_owned()
}

fn verifies_ocsp(tls: Option<&Tls>) -> bool {
    tls.and_then(|tls| tls.ocsp_peer.as_ref()).is_some_and(|peer| peer.verify)
}

pub(crate) fn feature_flags(options: &Options) -> BTreeMap<String, bool> {
    let merged = FEATURE_FLAGS.iter().map(|(name, default)| {
        let value = options.feature_flags.get(*name).copied().unwrap_or(*default);
        ((*name).to_owned(), value)
    });
    merged.collect()
}

/// `host:port` of each, without user and password.
fn hosts(urls: &[Url]) -> Vec<String> {
    urls.iter().map(|url| url.host.clone()).collect()
}

fn cluster(server: &Server) -> ClusterVarz {
    let cluster = &server.options().cluster;
    let tls = cluster.tls.is_some();
    ClusterVarz {
        name: cluster.name.clone().unwrap_or_default(),
        addr: cluster.host.clone(),
        cluster_port: port(cluster.port),
        auth_timeout: seconds(cluster.auth_timeout),
        urls: hosts(&server.options().routes),
        tls_timeout: seconds(cluster.tls_timeout),
        tls_required: tls,
        tls_verify: tls,
        pool_size: cluster.pool_size,
        write_deadline: nanos(cluster.write_deadline),
        write_timeout: write_timeout(cluster.write_timeout),
        tls_cert_not_after: server.monitor.certificates().cluster,
    }
}

fn gateway(server: &Server) -> GatewayVarz {
    let (gateway, cluster) = (&server.options().gateway, &server.options().cluster);
    let tls = gateway.tls.is_some();
    GatewayVarz {
        name: gateway.name.clone().unwrap_or_default(),
        host: gateway.host.clone(),
        port: port(gateway.port),
        auth_timeout: seconds(gateway.auth_timeout),
        tls_timeout: seconds(gateway.tls_timeout),
        tls_required: tls,
        tls_verify: tls,
        advertise: gateway.advertise.clone().unwrap_or_default(),
        connect_retries: gateway.connect_retries,
        gateways: gateway
            .gateways
            .iter()
            .map(|remote| RemoteGatewayVarz {
                name: remote.name.clone(),
                tls_timeout: seconds(remote.tls_timeout),
                urls: hosts(&remote.urls),
            })
            .collect(),
        reject_unknown: gateway.reject_unknown,
        // Go shows the figures of the cluster here.
        write_deadline: nanos(cluster.write_deadline),
        write_timeout: write_timeout(cluster.write_timeout),
        tls_cert_not_after: server.monitor.certificates().gateway,
    }
}

fn leaf(server: &Server) -> LeafVarz {
    let (leaf, cluster) = (&server.options().leafnode, &server.options().cluster);
    LeafVarz {
        host: leaf.host.clone(),
        port: port(leaf.port),
        auth_timeout: seconds(leaf.auth_timeout),
        tls_timeout: seconds(leaf.tls_timeout),
        tls_required: leaf.tls.is_some(),
        tls_verify: leaf.tls.as_ref().is_some_and(|tls| tls.verify),
        remotes: leaf.remotes.iter().map(remote_leaf).collect(),
        tls_ocsp_peer_verify: verifies_ocsp(leaf.tls.as_ref()),
        // Go shows the figures of the cluster here.
        write_deadline: nanos(cluster.write_deadline),
        write_timeout: write_timeout(cluster.write_timeout),
        tls_cert_not_after: server.monitor.certificates().leafnode,
    }
}

fn remote_leaf(remote: &RemoteLeaf) -> RemoteLeafVarz {
    let denies = !remote.deny_imports.is_empty() || !remote.deny_exports.is_empty();
    RemoteLeafVarz {
        local_account: remote.account.clone().unwrap_or_else(|| GLOBAL_ACCOUNT.to_owned()),
        tls_timeout: seconds(remote.tls_timeout),
        urls: hosts(&remote.urls),
        deny: denies.then(|| DenyRules {
            exports: remote.deny_exports.clone(),
            imports: remote.deny_imports.clone(),
        }),
        tls_ocsp_peer_verify: verifies_ocsp(remote.tls.as_ref()),
    }
}

fn mqtt(server: &Server) -> MqttVarz {
    let mqtt = &server.options().mqtt;
    let pinned = mqtt.tls.iter().flat_map(|tls| tls.pinned_certs.iter().cloned());
    MqttVarz {
        host: mqtt.host.clone(),
        port: port(mqtt.port),
        no_auth_user: mqtt.no_auth_user.clone().unwrap_or_default(),
        auth_timeout: seconds(mqtt.auth_timeout),
        tls_map: mqtt.tls.as_ref().is_some_and(|tls| tls.verify_and_map),
        tls_timeout: seconds(mqtt.tls_timeout),
        tls_pinned_certs: pinned.collect(),
        js_domain: mqtt.js_domain.clone().unwrap_or_default(),
        ack_wait: nanos(mqtt.ack_wait),
        max_ack_pending: mqtt.max_ack_pending,
        tls_ocsp_peer_verify: verifies_ocsp(mqtt.tls.as_ref()),
        tls_cert_not_after: server.monitor.certificates().mqtt,
    }
}

fn websocket(server: &Server) -> WebsocketVarz {
    let websocket = &server.options().websocket;
    let pinned = websocket.tls.iter().flat_map(|tls| tls.pinned_certs.iter().cloned());
    WebsocketVarz {
        host: websocket.host.clone(),
        port: port(websocket.port),
        advertise: websocket.advertise.clone().unwrap_or_default(),
        no_auth_user: websocket.no_auth_user.clone().unwrap_or_default(),
        jwt_cookie: websocket.jwt_cookie.clone().unwrap_or_default(),
        handshake_timeout: nanos(websocket.handshake_timeout),
        auth_timeout: seconds(websocket.auth_timeout),
        no_tls: websocket.no_tls,
        tls_map: websocket.tls.as_ref().is_some_and(|tls| tls.verify_and_map),
        tls_pinned_certs: pinned.collect(),
        same_origin: websocket.same_origin,
        allowed_origins: websocket.allowed_origins.clone(),
        compression: websocket.compression,
        tls_ocsp_peer_verify: verifies_ocsp(websocket.tls.as_ref()),
        tls_cert_not_after: server.monitor.certificates().websocket,
    }
}
