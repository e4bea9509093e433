//! Options of the websocket and MQTT listeners.
//!
//! Source: Go `server/opts.go` (`WebsocketOpts`, `MQTTOpts`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Port, Tls};

/// The `websocket` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Websocket {
    /// Address (0.0.0.0).
    pub host: String,
    /// Port; unset means off.
    pub port: Port,
    /// `host:port` told to clients.
    pub advertise: Option<String>,
    /// User of clients that name none.
    pub no_auth_user: Option<String>,
    /// Cookie with a user JWT.
    pub jwt_cookie: Option<String>,
    /// Cookie with a user name.
    pub user_cookie: Option<String>,
    /// Cookie with a password.
    pub pass_cookie: Option<String>,
    /// Cookie with a token.
    pub token_cookie: Option<String>,
    /// The single user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// The token.
    pub token: Option<String>,
    /// Time to authenticate; zero means as clients.
    pub auth_timeout: Duration,
    /// Accept plain connections when there is no `tls`.
    pub no_tls: bool,
    /// TLS.
    pub tls: Option<Tls>,
    /// The `Origin` header must name this server.
    pub same_origin: bool,
    /// Allowed values of the `Origin` header; empty means any.
    pub allowed_origins: Vec<String>,
    /// Compress messages when the client can.
    pub compression: bool,
    /// Time for TLS and upgrade; zero means the default.
    pub handshake_timeout: Duration,
    /// Time between pings; zero means as clients.
    pub ping_interval: Duration,
    /// Headers of the answer to the upgrade.
    pub headers: BTreeMap<String, String>,
}

/// The `mqtt` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mqtt {
    /// Address (0.0.0.0).
    pub host: String,
    /// Port; unset means off.
    pub port: Port,
    /// User of clients that name none.
    pub no_auth_user: Option<String>,
    /// The single user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// The token.
    pub token: Option<String>,
    /// Time to authenticate; zero means as clients.
    pub auth_timeout: Duration,
    /// TLS.
    pub tls: Option<Tls>,
    /// Time a TLS handshake may take (2s).
    pub tls_timeout: Duration,
    /// JetStream domain.
    pub js_domain: Option<String>,
    /// Replicas of the session streams; 0 or less means by the cluster's size.
    pub stream_replicas: i64,
    /// Consumers are kept in memory.
    pub consumer_memory_storage: bool,
    /// Consumers are removed after this time without a client; zero means never.
    pub consumer_inactive_threshold: Duration,
    /// Time before an unacknowledged message is sent again; zero means the default.
    pub ack_wait: Duration,
    /// Time to wait for the JetStream API; zero means the default.
    pub js_api_timeout: Duration,
    /// Unacknowledged messages of a subscription; 0 means the default.
    pub max_ack_pending: u16,
    /// Refuse publishes of QoS 2.
    pub reject_qos2_publish: bool,
    /// Answer subscriptions of QoS 2 with QoS 1.
    pub downgrade_qos2_subscribe: bool,
}
