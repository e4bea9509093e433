//! `/varz`: configuration and runtime figures of the server.
//!
//! Source: Go `server/monitor.go` (`Varz` and the structs beside it).

use super::jsz::{JsConfig, JsLimits, JsStats, MetaClusterInfo};
use crate::json::{Float, is_default};
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole document. Durations are nanoseconds unless they are floats: those are seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Varz {
    pub server_id: String,
    pub server_name: String,
    pub version: String,
    pub proto: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub git_commit: String,
    /// What it was built with; clients show it.
    pub go: String,
    pub host: String,
    pub port: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub auth_required: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_ocsp_peer_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub ip: String,
    /// Where clients can connect in the cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub connect_urls: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ws_connect_urls: Vec<String>,
    pub max_connections: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_subscriptions: i64,
    pub ping_interval: i64,
    pub ping_max: i64,
    pub http_host: String,
    pub http_port: i64,
    pub http_base_path: String,
    pub https_port: i64,
    pub auth_timeout: Float,
    pub max_control_line: i64,
    pub max_payload: i64,
    pub max_pending: i64,
    pub cluster: ClusterVarz,
    pub gateway: GatewayVarz,
    pub leaf: LeafVarz,
    pub mqtt: MqttVarz,
    pub websocket: WebsocketVarz,
    pub jetstream: JetStreamVarz,
    pub tls_timeout: Float,
    pub write_deadline: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub write_timeout: String,
    pub start: Rfc3339,
    pub now: Rfc3339,
    pub uptime: String,
    /// Resident memory in bytes.
    pub mem: i64,
    pub cores: i64,
    /// Worker threads.
    pub gomaxprocs: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub gomemlimit: i64,
    /// Percent of one core since the last look.
    pub cpu: Float,
    pub connections: i64,
    pub total_connections: u64,
    pub routes: i64,
    pub remotes: i64,
    pub leafnodes: i64,
    pub in_msgs: i64,
    pub in_bytes: i64,
    pub in_client_msgs: i64,
    pub in_client_bytes: i64,
    pub out_msgs: i64,
    pub out_bytes: i64,
    pub out_client_msgs: i64,
    pub out_client_bytes: i64,
    pub slow_consumers: i64,
    pub stale_connections: i64,
    /// Times a publisher had to wait for a receiver.
    pub stalled_clients: i64,
    pub subscriptions: u32,
    /// Requests by path of the endpoint.
    pub http_req_stats: BTreeMap<String, u64>,
    pub config_load_time: Rfc3339,
    pub config_digest: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub feature_flags: BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub trusted_operators_jwt: Vec<String>,
    /// Decoded claims of the operators.
    #[serde(skip_serializing_if = "is_default")]
    pub trusted_operators_claim: Vec<serde_json::Value>,
    #[serde(skip_serializing_if = "is_default")]
    pub system_account: String,
    /// Clients refused because their account is not among the pinned ones.
    #[serde(skip_serializing_if = "is_default")]
    pub pinned_account_fails: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub ocsp_peer_cache: Option<OcspCacheVarz>,
    pub slow_consumer_stats: PeerCounts,
    #[serde(skip_serializing_if = "is_default")]
    pub stale_connection_stats: Option<PeerCounts>,
    pub disk_io_wait_stats: DiskIoWaitStats,
    #[serde(skip_serializing_if = "is_default")]
    pub proxies: Option<ProxiesVarz>,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_cert_not_after: Option<Rfc3339>,
}

/// JetStream in `/varz`; empty when it is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JetStreamVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub config: Option<JsConfig>,
    #[serde(skip_serializing_if = "is_default")]
    pub stats: Option<JsStats>,
    #[serde(skip_serializing_if = "is_default")]
    pub meta: Option<MetaClusterInfo>,
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Option<JsLimits>,
}

/// The `cluster` block; empty when there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub addr: String,
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_port: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub auth_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub urls: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub pool_size: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub write_deadline: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub write_timeout: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_cert_not_after: Option<Rfc3339>,
}

/// The `gateway` block; empty when there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(skip_serializing_if = "is_default")]
    pub port: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub auth_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub advertise: String,
    #[serde(skip_serializing_if = "is_default")]
    pub connect_retries: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub gateways: Vec<RemoteGatewayVarz>,
    #[serde(skip_serializing_if = "is_default")]
    pub reject_unknown: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub write_deadline: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub write_timeout: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_cert_not_after: Option<Rfc3339>,
}

/// A configured remote gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteGatewayVarz {
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub urls: Vec<String>,
}

/// The `leafnodes` block; empty when there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeafVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(skip_serializing_if = "is_default")]
    pub port: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub auth_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub remotes: Vec<RemoteLeafVarz>,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_ocsp_peer_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub write_deadline: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub write_timeout: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_cert_not_after: Option<Rfc3339>,
}

/// Subjects that a leaf node does not exchange.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DenyRules {
    #[serde(skip_serializing_if = "is_default")]
    pub exports: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub imports: Vec<String>,
}

/// A configured remote of the leaf node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteLeafVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub local_account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub urls: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub deny: Option<DenyRules>,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_ocsp_peer_verify: bool,
}

/// The `mqtt` block; empty when there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MqttVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(skip_serializing_if = "is_default")]
    pub port: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub no_auth_user: String,
    #[serde(skip_serializing_if = "is_default")]
    pub auth_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_map: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_pinned_certs: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub js_domain: String,
    #[serde(skip_serializing_if = "is_default")]
    pub ack_wait: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_ocsp_peer_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_cert_not_after: Option<Rfc3339>,
}

/// The `websocket` block; empty when there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebsocketVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(skip_serializing_if = "is_default")]
    pub port: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub advertise: String,
    #[serde(skip_serializing_if = "is_default")]
    pub no_auth_user: String,
    #[serde(skip_serializing_if = "is_default")]
    pub jwt_cookie: String,
    #[serde(skip_serializing_if = "is_default")]
    pub handshake_timeout: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub auth_timeout: Float,
    #[serde(skip_serializing_if = "is_default")]
    pub no_tls: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_map: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_pinned_certs: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub same_origin: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub allowed_origins: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub compression: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_ocsp_peer_verify: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_cert_not_after: Option<Rfc3339>,
}

/// The cache of OCSP answers about peers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OcspCacheVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub cache_type: String,
    #[serde(skip_serializing_if = "is_default")]
    pub cache_hits: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub cache_misses: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub cached_responses: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub cached_revoked_responses: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub cached_good_responses: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub cached_unknown_responses: i64,
}

/// Proxies whose claims are believed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxiesVarz {
    #[serde(skip_serializing_if = "is_default")]
    pub trusted: Vec<super::ProxyInfo>,
}

/// One count for each kind of connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerCounts {
    pub clients: u64,
    pub routes: u64,
    pub gateways: u64,
    pub leafs: u64,
}

/// Waiting for the disk: who waits now, how often that was, and nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskIoWaitStats {
    pub waiters: i64,
    pub waits: u64,
    pub wait_time: u64,
    pub max_wait_time: u64,
}
