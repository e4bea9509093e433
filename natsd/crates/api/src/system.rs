//! What the system account's services answer.
//!
//! Source: Go `server/events.go` (`ServerInfo`, `ServerStats`, `ServerAPIResponse`, `UserInfo`,
//! `EventFilterOptions`).

use crate::monitor::{ConnSort, ConnState, ConnzOptions, PeerCounts};
use crate::{Float, Rfc3339};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which server answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerInfo {
    /// Name of the server.
    pub name: String,
    /// Address that it is told to listen on.
    pub host: String,
    /// Public key of the server.
    pub id: String,
    /// Version of the Go server whose behaviour this is.
    pub ver: String,
    /// Labels for placement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Free text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Features that are on or off.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_flags: BTreeMap<String, bool>,
    /// Whether there is JetStream.
    pub jetstream: bool,
    /// Capabilities as bits.
    pub flags: u64,
    /// Number of the message, from 1.
    pub seq: u64,
    /// When it was sent.
    pub time: Rfc3339,
}

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MsgBytes {
    /// Messages.
    pub msgs: i64,
    /// Bytes.
    pub bytes: i64,
}

/// Figures of a running server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerStats {
    /// When it was started.
    pub start: Rfc3339,
    /// Resident memory in bytes.
    pub mem: i64,
    /// Processors.
    pub cores: i64,
    /// Processor time in percent of one.
    pub cpu: Float,
    /// Client connections.
    pub connections: i64,
    /// Client connections since the start.
    pub total_connections: u64,
    /// Accounts with connections.
    pub active_accounts: i64,
    /// Subscriptions.
    pub subscriptions: u32,
    /// Sent to everybody.
    pub sent: MsgBytes,
    /// Sent to clients.
    pub sent_to_clients: MsgBytes,
    /// Received from everybody.
    pub received: MsgBytes,
    /// Received from clients.
    pub received_from_clients: MsgBytes,
    /// Connections closed because they did not keep up.
    pub slow_consumers: i64,
    /// The same by kind of peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_consumer_stats: Option<PeerCounts>,
    /// Connections closed because they did not answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub stale_connections: i64,
    /// Times a publisher had to wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub stalled_clients: i64,
    /// Servers that this one knows, itself among them.
    pub active_servers: i64,
    /// Worker threads.
    pub gomaxprocs: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// The answer to a ping.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerStatsMsg {
    /// Which server answers.
    pub server: ServerInfo,
    /// Its figures.
    pub statsz: ServerStats,
}

/// Which server this is, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerId {
    /// Name of the server.
    pub name: String,
    /// Address that it is told to listen on.
    pub host: String,
    /// Public key of the server.
    pub id: String,
}

/// An error with an HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceError {
    /// HTTP status.
    pub code: u16,
    /// What is wrong.
    pub description: String,
}

/// The envelope of every other answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceAnswer<T> {
    /// Which server answers.
    pub server: ServerInfo,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<T>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ServiceError>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// Name or public key of the user.
    pub user: String,
    /// Name of the account.
    pub account: String,
    /// The account's own name; the same without operators.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account_name: String,
    /// What the user may do, where that is not everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<UserPermissions>,
}

/// Permissions as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserPermissions {
    /// Subjects to publish to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<ShownSubjects>,
    /// Subjects to subscribe to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<ShownSubjects>,
    /// Leave to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responses: Option<ShownResponses>,
}

/// Allowed and denied subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShownSubjects {
    /// Allowed subjects in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Denied subjects in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// Leave to answer requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShownResponses {
    /// Answers per request.
    pub max: i64,
    /// How long, in nanoseconds.
    pub ttl: i64,
}

/// Which servers are asked. What is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    /// By name.
    pub server_name: String,
    /// By name of the cluster.
    pub cluster: String,
    /// By address.
    pub host: String,
    /// Whether the above must be equal; else it is enough when they are part of it.
    pub exact_match: bool,
    /// By labels, all of them.
    pub tags: Vec<String>,
    /// By JetStream domain.
    pub domain: String,
}

/// What a request for `CONNZ` may ask for, as it is written. Go: `ConnzOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConnzRequest {
    /// Name of the order; empty is by number.
    pub sort: String,
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
    /// 0 is open, 1 is closed, 2 is both.
    pub state: i64,
    /// Only that user; empty is all.
    pub user: String,
    /// Only that account; empty is all.
    pub acc: String,
    /// Only connections with interest in this subject; empty is all.
    pub filter_subject: String,
}

impl ConnzRequest {
    /// The same for whoever answers.
    ///
    /// # Errors
    /// When there is no such order or state, in Go's words where it has some.
    pub fn options(self) -> Result<ConnzOptions, String> {
        let sort = ConnSort::by_name(&self.sort)
            .ok_or_else(|| format!("invalid sorting option: {}", self.sort))?;
        // Differs from Go: a state that does not exist is an error, not an empty list.
        let state = u64::try_from(self.state).ok().and_then(ConnState::from_number);
        let state = state.ok_or_else(|| format!("invalid connection state: {}", self.state))?;
        Ok(ConnzOptions {
            sort,
            auth: self.auth,
            subscriptions: self.subscriptions,
            subscriptions_detail: self.subscriptions_detail,
            offset: self.offset,
            limit: self.limit,
            cid: self.cid,
            mqtt_client: self.mqtt_client,
            state,
            user: self.user,
            account: self.acc,
            filter_subject: self.filter_subject,
        })
    }
}

/// One connection, to be closed or to be told to go elsewhere. Go: `KickClientReq`, `LDMClientReq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConnectionRequest {
    /// Its number.
    pub cid: u64,
}
