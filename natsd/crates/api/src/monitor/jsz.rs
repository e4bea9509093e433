//! `/jsz`: JetStream of this server.
//!
//! Source: Go `server/monitor.go` (`JSInfo`), `server/jetstream.go` (`JetStreamStats`).

use crate::json::is_default;
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};

/// What `/jsz` can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JszOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub accounts: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub streams: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub consumer: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub direct_consumer: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub config: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub leader_only: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub offset: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub limit: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub raft: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub stream_leader_only: bool,
}

/// What JetStream uses. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsStats {
    pub memory: u64,
    pub storage: u64,
    pub reserved_memory: u64,
    pub reserved_storage: u64,
    pub accounts: i64,
    /// RAFT groups.
    pub ha_assets: i64,
    pub api: JsApiStats,
}

/// Requests to the JetStream API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsApiStats {
    pub level: i64,
    pub total: u64,
    pub errors: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub inflight: u64,
}

/// JetStream as configured. Sizes are bytes, times nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsConfig {
    pub max_memory: i64,
    pub max_storage: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub store_dir: String,
    #[serde(skip_serializing_if = "is_default")]
    pub sync_interval: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub sync_always: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub domain: String,
    #[serde(skip_serializing_if = "is_default")]
    pub compress_ok: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub unique_tag: String,
    #[serde(skip_serializing_if = "is_default")]
    pub strict: bool,
}

/// Limits as configured; 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsLimits {
    #[serde(skip_serializing_if = "is_default")]
    pub max_request_batch: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_ha_assets: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_duplicate_window: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch_inflight_per_stream: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch_inflight_total: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch_size: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch_timeout: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub default_max_consumers: i64,
}

/// A member of a RAFT group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerInfo {
    pub name: String,
    pub current: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub offline: bool,
    /// Nanoseconds since it was heard of.
    pub active: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub lag: u64,
    pub peer: String,
    #[serde(skip_serializing_if = "is_default")]
    pub pending: bool,
}

/// Snapshots of the meta group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetaSnapshotStats {
    pub pending_entries: u64,
    pub pending_size: u64,
    pub last_time: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub last_duration: i64,
}

/// The meta group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetaClusterInfo {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub leader: String,
    #[serde(skip_serializing_if = "is_default")]
    pub peer: String,
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Vec<PeerInfo>,
    pub cluster_size: i64,
    pub quorum_needed: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub rescue: bool,
    pub pending: i64,
    pub pending_requests: i64,
    pub pending_infos: i64,
    pub snapshot: Option<MetaSnapshotStats>,
}

/// JetStream of one account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountDetail {
    pub name: String,
    pub id: String,
    #[serde(flatten)]
    pub stats: JsStats,
    /// Streams, as the JetStream API describes them.
    #[serde(skip_serializing_if = "is_default")]
    pub stream_detail: Vec<serde_json::Value>,
}

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsInfo {
    #[serde(flatten)]
    pub stats: JsStats,
    pub server_id: String,
    pub now: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub disabled: bool,
    pub config: JsConfig,
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Option<JsLimits>,
    pub streams: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub streams_leader: i64,
    pub consumers: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub consumers_leader: i64,
    pub messages: u64,
    pub bytes: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub meta_cluster: Option<MetaClusterInfo>,
    #[serde(skip_serializing_if = "is_default")]
    pub account_details: Vec<AccountDetail>,
    pub total: i64,
}
