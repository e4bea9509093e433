//! What the system account is told without asking.
//!
//! Source: Go `server/events.go` (`TypedEvent`, `ConnectEventMsg`, `DisconnectEventMsg`,
//! `AccountNumConns`, `ClientInfo`).

use crate::Rfc3339;
use crate::json::is_default;
use crate::monitor::{AccountStat, DataStats};
use crate::system::ServerInfo;
use serde::Serialize;

/// Type of [`ConnectEvent`].
pub const CONNECT_EVENT: &str = "io.nats.server.advisory.v1.client_connect";
/// Type of [`DisconnectEvent`].
pub const DISCONNECT_EVENT: &str = "io.nats.server.advisory.v1.client_disconnect";
/// Type of [`ConnectionsEvent`].
pub const CONNECTIONS_EVENT: &str = "io.nats.server.advisory.v1.account_connections";

/// What every event begins with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventHead {
    /// What kind of event it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Unique.
    pub id: String,
    /// When it happened.
    pub timestamp: Rfc3339,
}

/// The client that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClientInfo {
    /// When it connected.
    pub start: Rfc3339,
    /// Its address, without the port.
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    /// Number of the connection.
    #[serde(skip_serializing_if = "is_default")]
    pub id: u64,
    /// Name of the account.
    #[serde(skip_serializing_if = "is_default")]
    pub acc: String,
    /// Name or public key of the user.
    #[serde(skip_serializing_if = "is_default")]
    pub user: String,
    /// Name of the connection.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Language of the client library.
    #[serde(skip_serializing_if = "is_default")]
    pub lang: String,
    /// Version of the client library.
    #[serde(skip_serializing_if = "is_default")]
    pub ver: String,
    /// The last measured round trip, in nanoseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub rtt: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "is_default")]
    pub stop: Option<Rfc3339>,
    /// Name of the account for people.
    #[serde(skip_serializing_if = "is_default")]
    pub name_tag: String,
    /// `Client`.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    /// The protocol: `nats`.
    #[serde(skip_serializing_if = "is_default")]
    pub client_type: String,
}

/// A client was let in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectEvent {
    /// Type, id and time.
    #[serde(flatten)]
    pub head: EventHead,
    /// Which server says so.
    pub server: ServerInfo,
    /// Who.
    pub client: ClientInfo,
}

/// A client is gone, or was not let in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DisconnectEvent {
    /// Type, id and time.
    #[serde(flatten)]
    pub head: EventHead,
    /// Which server says so.
    pub server: ServerInfo,
    /// Who.
    pub client: ClientInfo,
    /// What the client sent.
    pub sent: DataStats,
    /// What the client was sent.
    pub received: DataStats,
    /// Why.
    pub reason: String,
}

/// How many connections an account has now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionsEvent {
    /// Type, id and time.
    #[serde(flatten)]
    pub head: EventHead,
    /// Which server says so.
    pub server: ServerInfo,
    /// Which account, and its figures.
    #[serde(flatten)]
    pub figures: AccountStat,
}

#[cfg(test)]
mod tests;
