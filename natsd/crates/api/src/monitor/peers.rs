//! `/routez`, `/gatewayz` and `/leafz`: connections to other servers.
//!
//! Source: Go `server/monitor.go` (`Routez`, `Gatewayz`, `Leafz`).

use super::connz::{ConnInfo, ProxyInfo, SubDetail};
use crate::json::is_default;
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `/routez` can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoutezOptions {
    pub subscriptions: bool,
    pub subscriptions_detail: bool,
}

/// All routes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routez {
    pub server_id: String,
    pub server_name: String,
    pub now: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub import: Option<SubjectPermission>,
    #[serde(skip_serializing_if = "is_default")]
    pub export: Option<SubjectPermission>,
    pub num_routes: i64,
    pub routes: Vec<RouteInfo>,
}

/// Allowed and denied subjects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectPermission {
    #[serde(skip_serializing_if = "is_default")]
    pub allow: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub deny: Vec<String>,
}

/// One connection of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteInfo {
    pub rid: u64,
    pub remote_id: String,
    pub remote_name: String,
    pub did_solicit: bool,
    pub is_configured: bool,
    pub ip: String,
    pub port: i64,
    pub start: Rfc3339,
    pub last_activity: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub rtt: String,
    pub uptime: String,
    pub idle: String,
    #[serde(skip_serializing_if = "is_default")]
    pub import: Option<SubjectPermission>,
    #[serde(skip_serializing_if = "is_default")]
    pub export: Option<SubjectPermission>,
    pub pending_size: i64,
    pub in_msgs: i64,
    pub out_msgs: i64,
    pub in_bytes: i64,
    pub out_bytes: i64,
    pub subscriptions: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list_detail: Vec<SubDetail>,
    /// The account that has this connection for itself.
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub compression: String,
}

/// What `/gatewayz` can be asked for.
/// Only remote gateways of that name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayzOptions {
    pub name: String,
    pub accounts: bool,
    /// Only that account; implies `accounts`.
    pub account_name: String,
    pub subscriptions: bool,
    pub subscriptions_detail: bool,
}

/// Connections to and from the gateways of other clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gatewayz {
    pub server_id: String,
    pub now: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(skip_serializing_if = "is_default")]
    pub port: i64,
    pub outbound_gateways: BTreeMap<String, RemoteGatewayz>,
    pub inbound_gateways: BTreeMap<String, Vec<RemoteGatewayz>>,
}

/// One gateway connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteGatewayz {
    pub configured: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub connection: Option<Box<ConnInfo>>,
    #[serde(skip_serializing_if = "is_default")]
    pub accounts: Vec<AccountGatewayz>,
}

/// What a gateway knows of one account's interest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountGatewayz {
    pub name: String,
    pub interest_mode: String,
    #[serde(skip_serializing_if = "is_default")]
    pub no_interest_count: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub interest_only_threshold: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub num_subs: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub num_queue_subs: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list_detail: Vec<SubDetail>,
}

/// What `/leafz` can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeafzOptions {
    pub subscriptions: bool,
    /// Only leaf nodes of that account.
    pub account: String,
}

/// All leaf node connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leafz {
    pub server_id: String,
    pub now: Rfc3339,
    pub leafnodes: i64,
    pub leafs: Vec<LeafInfo>,
}

/// One leaf node connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeafInfo {
    pub id: u64,
    pub name: String,
    pub is_spoke: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub is_isolated: bool,
    pub account: String,
    pub ip: String,
    pub port: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub rtt: String,
    pub in_msgs: i64,
    pub out_msgs: i64,
    pub in_bytes: i64,
    pub out_bytes: i64,
    pub subscriptions: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub compression: String,
    #[serde(skip_serializing_if = "is_default")]
    pub proxy: Option<ProxyInfo>,
}
