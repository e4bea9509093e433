//! `/connz`: connections of clients and leaf nodes.
//!
//! Source: Go `server/monitor.go` (`Connz`, `ConnInfo`), `server/monitor_sort_opts.go`.

use crate::json::is_default;
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};

/// Which connections are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnState {
    /// Those that are open.
    #[default]
    Open,
    /// Those that were closed and are remembered.
    Closed,
    /// Both.
    All,
}

impl ConnState {
    /// The state of that name, in any case; no name means open.
    #[must_use]
    pub fn by_name(name: &str) -> Option<ConnState> {
        match name.to_ascii_lowercase().as_str() {
            "" | "open" => Some(ConnState::Open),
            "closed" => Some(ConnState::Closed),
            "any" | "all" => Some(ConnState::All),
            _ => None,
        }
    }

    /// Go's number of it in requests over NATS.
    #[must_use]
    pub fn from_number(number: u64) -> Option<ConnState> {
        match number {
            0 => Some(ConnState::Open),
            1 => Some(ConnState::Closed),
            2 => Some(ConnState::All),
            _ => None,
        }
    }
}

/// Order of the connections. By number, uptime and reason ascending, everything else descending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnSort {
    /// `cid`: by number.
    #[default]
    Cid,
    /// `start`: the same as by number.
    Start,
    /// `subs`
    Subscriptions,
    /// `pending`
    Pending,
    /// `msgs_to`
    OutMsgs,
    /// `msgs_from`
    InMsgs,
    /// `bytes_to`
    OutBytes,
    /// `bytes_from`
    InBytes,
    /// `last`
    LastActivity,
    /// `idle`
    Idle,
    /// `uptime`
    Uptime,
    /// `stop`: closed connections only.
    Stop,
    /// `reason`: closed connections only.
    Reason,
    /// `rtt`
    RoundTrip,
}

impl ConnSort {
    const ALL: &'static [(&'static str, ConnSort)] = &[
        ("cid", ConnSort::Cid),
        ("start", ConnSort::Start),
        ("subs", ConnSort::Subscriptions),
        ("pending", ConnSort::Pending),
        ("msgs_to", ConnSort::OutMsgs),
        ("msgs_from", ConnSort::InMsgs),
        ("bytes_to", ConnSort::OutBytes),
        ("bytes_from", ConnSort::InBytes),
        ("last", ConnSort::LastActivity),
        ("idle", ConnSort::Idle),
        ("uptime", ConnSort::Uptime),
        ("stop", ConnSort::Stop),
        ("reason", ConnSort::Reason),
        ("rtt", ConnSort::RoundTrip),
    ];

    /// The order of that name; no name means by number.
    #[must_use]
    pub fn by_name(name: &str) -> Option<ConnSort> {
        if name.is_empty() {
            return Some(ConnSort::Cid);
        }
        ConnSort::ALL.iter().find(|(known, _)| *known == name).map(|(_, sort)| *sort)
    }
}

/// What `/connz` can be asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnzOptions {
    /// Order.
    pub sort: ConnSort,
    /// Show users, accounts and certificates.
    pub auth: bool,
    /// List subjects.
    pub subscriptions: bool,
    /// List subscriptions.
    pub subscriptions_detail: bool,
    /// Skip so many.
    pub offset: i64,
    /// Show at most so many; 0 is the default.
    pub limit: i64,
    /// Only that connection; 0 is all.
    pub cid: u64,
    /// Only that MQTT client; empty is all.
    pub mqtt_client: String,
    /// Open, closed or both.
    pub state: ConnState,
    /// Only that user; empty is all.
    pub user: String,
    /// Only that account; empty is all.
    pub account: String,
    /// Only connections with interest in this subject; empty is all. Only through the system
    /// account, never over HTTP.
    pub filter_subject: String,
}

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connz {
    pub server_id: String,
    pub now: Rfc3339,
    /// Connections in this answer.
    pub num_connections: i64,
    /// Connections that there are.
    pub total: i64,
    pub offset: i64,
    pub limit: i64,
    /// `null` when the account does not exist.
    pub connections: Option<Vec<ConnInfo>>,
}

/// One connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnInfo {
    pub cid: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub client_type: String,
    pub ip: String,
    pub port: i64,
    pub start: Rfc3339,
    pub last_activity: Rfc3339,
    #[serde(skip_serializing_if = "is_default")]
    pub stop: Option<Rfc3339>,
    #[serde(skip_serializing_if = "is_default")]
    pub reason: String,
    #[serde(skip_serializing_if = "is_default")]
    pub rtt: String,
    pub uptime: String,
    pub idle: String,
    pub pending_bytes: i64,
    pub in_msgs: i64,
    pub out_msgs: i64,
    pub in_bytes: i64,
    pub out_bytes: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub stalls: i64,
    pub subscriptions: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub lang: String,
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_version: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_cipher_suite: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_peer_certs: Vec<TlsPeerCert>,
    #[serde(skip_serializing_if = "is_default")]
    pub tls_first: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub authorized_user: String,
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list_detail: Vec<SubDetail>,
    #[serde(skip_serializing_if = "is_default")]
    pub jwt: String,
    #[serde(skip_serializing_if = "is_default")]
    pub issuer_key: String,
    #[serde(skip_serializing_if = "is_default")]
    pub name_tag: String,
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub mqtt_client: String,
    #[serde(skip_serializing_if = "is_default")]
    pub proxy: Option<ProxyInfo>,
}

/// A trusted proxy, by its public key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyInfo {
    pub key: String,
}

/// A certificate that the client showed. Digests are in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsPeerCert {
    #[serde(skip_serializing_if = "is_default")]
    pub subject: String,
    #[serde(skip_serializing_if = "is_default")]
    pub spki_sha256: String,
    #[serde(skip_serializing_if = "is_default")]
    pub cert_sha256: String,
}

/// One subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubDetail {
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub account_tag: String,
    pub subject: String,
    #[serde(skip_serializing_if = "is_default")]
    pub qgroup: String,
    pub sid: String,
    pub msgs: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub max: i64,
    pub cid: u64,
}
