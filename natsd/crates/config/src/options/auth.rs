//! Options of users and their permissions.
//!
//! Source: Go `server/auth.go` (`User`, `NkeyUser`, `Permissions`), `server/opts.go`.

use std::collections::BTreeSet;
use std::time::Duration;

/// A user with name and password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name; never empty.
    pub username: String,
    /// Password, plain or bcrypt; empty means none is needed.
    pub password: String,
    /// The user's account; none means `$G`.
    pub account: Option<String>,
    /// What the user may do; none means everything.
    pub permissions: Option<Permissions>,
    /// How the user may connect; none means in every way.
    pub allowed_connection_types: Option<BTreeSet<ConnectionType>>,
    /// The user must come through a trusted proxy.
    pub proxy_required: bool,
}

/// A user with a public key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NkeyUser {
    /// Public key (`U…`).
    pub nkey: String,
    /// The user's account; none means `$G`.
    pub account: Option<String>,
    /// What the user may do; none means everything.
    pub permissions: Option<Permissions>,
    /// How the user may connect; none means in every way.
    pub allowed_connection_types: Option<BTreeSet<ConnectionType>>,
    /// The user must come through a trusted proxy.
    pub proxy_required: bool,
}

/// A way to connect, by the name that JWTs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionType {
    /// `STANDARD`: the NATS protocol over TCP.
    Standard,
    /// `WEBSOCKET`
    Websocket,
    /// `LEAFNODE`
    Leafnode,
    /// `LEAFNODE_WS`
    LeafnodeWs,
    /// `MQTT`
    Mqtt,
    /// `MQTT_WS`
    MqttWs,
    /// `IN_PROCESS`
    InProcess,
}

impl ConnectionType {
    /// Every type with its name.
    pub const ALL: &'static [(&'static str, ConnectionType)] = &[
        ("STANDARD", ConnectionType::Standard),
        ("WEBSOCKET", ConnectionType::Websocket),
        ("LEAFNODE", ConnectionType::Leafnode),
        ("LEAFNODE_WS", ConnectionType::LeafnodeWs),
        ("MQTT", ConnectionType::Mqtt),
        ("MQTT_WS", ConnectionType::MqttWs),
        ("IN_PROCESS", ConnectionType::InProcess),
    ];

    /// The type of that name, in any case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<ConnectionType> {
        ConnectionType::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, connection_type)| *connection_type)
    }

    /// The name that JWTs use.
    #[must_use]
    pub fn name(self) -> &'static str {
        ConnectionType::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// What a user may publish and subscribe to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects to publish to; none means all.
    pub publish: Option<SubjectPermission>,
    /// Subjects to subscribe to; none means all.
    pub subscribe: Option<SubjectPermission>,
    /// Leave to answer requests on their reply subject.
    pub responses: Option<ResponsePermission>,
}

/// Allowed and denied subjects. A denied subject stays denied when it is also allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectPermission {
    /// Allowed subjects; none means all, an empty list means nothing.
    pub allow: Option<Vec<String>>,
    /// Denied subjects.
    pub deny: Vec<String>,
}

/// Leave to answer requests on their reply subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponsePermission {
    /// Answers per request (1); negative means any number.
    pub max_msgs: i64,
    /// How long the leave lasts (2m); none means for ever.
    pub expires: Option<Duration>,
}

impl Default for ResponsePermission {
    fn default() -> Self {
        ResponsePermission { max_msgs: 1, expires: Some(Duration::from_secs(120)) }
    }
}

/// A service that authenticates clients in the server's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthCallout {
    /// Public account key that signs the answers.
    pub issuer: String,
    /// Account of the service (`$G`).
    pub account: String,
    /// Users that are authenticated by the server itself; never empty.
    pub auth_users: Vec<String>,
    /// Public curve key of the service; none means requests are not encrypted.
    pub xkey: Option<String>,
    /// Accounts that the service may put clients into; empty means all.
    pub allowed_accounts: Vec<String>,
}
