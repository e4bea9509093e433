//! `/accountz` and `/accstatz`: accounts.
//!
//! Source: Go `server/monitor.go` (`AccountInfo`, `ExtImport`, `ExtExport`), `server/events.go`
//! (`AccountStat`), and the claims of the package `jwt`.

use super::subsz::SublistFigures;
use crate::json::is_default;
use crate::time::Rfc3339;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// Share of requests that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Those whose headers ask for it.
    Headers,
    /// This many percent.
    Percent(u8),
}

impl Serialize for Sampling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Sampling::Headers => serializer.serialize_str("headers"),
            Sampling::Percent(percent) => serializer.serialize_u8(*percent),
        }
    }
}

impl<'de> Deserialize<'de> for Sampling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sampling, D::Error> {
        let percent = serde_json::Value::deserialize(deserializer)?.as_u64();
        Ok(percent
            .and_then(|value| u8::try_from(value).ok())
            .map_or(Sampling::Headers, Sampling::Percent))
    }
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling::Percent(0)
    }
}

/// What `/accountz` can be asked for.
/// Details of that account; empty is the list of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountzOptions {
    pub account: String,
}

/// The document: either the list or the details.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accountz {
    pub server_id: String,
    pub now: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub system_account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub accounts: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub account_detail: Option<Box<AccountInfo>>,
}

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountInfo {
    pub account_name: String,
    pub update_time: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub is_system: bool,
    pub expired: bool,
    pub complete: bool,
    pub jetstream_enabled: bool,
    pub leafnode_connections: i64,
    pub client_connections: i64,
    pub subscriptions: u32,
    /// Destinations by mapped subject.
    #[serde(skip_serializing_if = "is_default")]
    pub mappings: BTreeMap<String, Vec<MapDest>>,
    #[serde(skip_serializing_if = "is_default")]
    pub exports: Vec<ExtExport>,
    #[serde(skip_serializing_if = "is_default")]
    pub imports: Vec<ExtImport>,
    #[serde(skip_serializing_if = "is_default")]
    pub jwt: String,
    #[serde(skip_serializing_if = "is_default")]
    pub issuer_key: String,
    #[serde(skip_serializing_if = "is_default")]
    pub name_tag: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub decoded_jwt: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "is_default")]
    pub validation_result_jwt: Vec<ExtVrIssue>,
    #[serde(skip_serializing_if = "is_default")]
    pub revoked_user: BTreeMap<String, Rfc3339>,
    #[serde(skip_serializing_if = "is_default")]
    pub sublist_stats: Option<SublistFigures>,
    #[serde(skip_serializing_if = "is_default")]
    pub responses: BTreeMap<String, ExtImport>,
}

/// Where a mapped message goes. The weight is percent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MapDest {
    pub subject: String,
    pub weight: u8,
    #[serde(skip_serializing_if = "is_default")]
    pub cluster: String,
}

/// How a service is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    pub sampling: Sampling,
    pub results: String,
}

/// What an account offers to others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtExport {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub subject: String,
    /// `service` or `stream`.
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: String,
    #[serde(skip_serializing_if = "is_default")]
    pub token_req: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub revocations: BTreeMap<String, i64>,
    #[serde(skip_serializing_if = "is_default")]
    pub response_type: String,
    #[serde(skip_serializing_if = "is_default")]
    pub response_threshold: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub service_latency: Option<Latency>,
    #[serde(skip_serializing_if = "is_default")]
    pub account_token_position: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub advertise: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub allow_trace: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    #[serde(skip_serializing_if = "is_default")]
    pub info_url: String,
    #[serde(skip_serializing_if = "is_default")]
    pub approved_accounts: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub revoked_activations: BTreeMap<String, Rfc3339>,
}

/// What an account takes from another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtImport {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub subject: String,
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub token: String,
    #[serde(skip_serializing_if = "is_default")]
    pub to: String,
    #[serde(skip_serializing_if = "is_default")]
    pub local_subject: String,
    /// `service` or `stream`.
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: String,
    #[serde(skip_serializing_if = "is_default")]
    pub allow_trace: bool,
    pub invalid: bool,
    pub share: bool,
    pub tracking: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub tracking_header: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub latency: Option<Latency>,
    /// The measurement so far.
    #[serde(skip_serializing_if = "is_default")]
    pub m1: Option<serde_json::Value>,
}

/// Something wrong with an account's JWT.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtVrIssue {
    pub description: String,
    pub blocking: bool,
    pub time_check: bool,
}

/// What `/accstatz` can be asked for.
/// Only these; empty is all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountStatzOptions {
    pub accounts: Vec<String>,
    /// Accounts without connections too.
    pub include_unused: bool,
}

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountStatz {
    pub server_id: String,
    pub now: Rfc3339,
    pub account_statz: Vec<AccountStat>,
}

/// Figures of one account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountStat {
    pub acc: String,
    pub name: String,
    pub conns: i64,
    pub leafnodes: i64,
    pub total_conns: i64,
    pub num_subscriptions: u32,
    pub sent: DataStats,
    pub received: DataStats,
    pub slow_consumers: i64,
}

/// Messages and bytes in one direction, and the parts that went over other servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataStats {
    #[serde(flatten)]
    pub total: MsgBytes,
    #[serde(skip_serializing_if = "is_default")]
    pub gateways: Option<MsgBytes>,
    #[serde(skip_serializing_if = "is_default")]
    pub routes: Option<MsgBytes>,
    #[serde(skip_serializing_if = "is_default")]
    pub leafs: Option<MsgBytes>,
}

/// Messages and bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MsgBytes {
    pub msgs: i64,
    pub bytes: i64,
}
