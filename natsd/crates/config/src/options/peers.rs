//! Options of routes, gateways and leaf nodes.
//!
//! Source: Go `server/opts.go` (`ClusterOpts`, `GatewayOpts`, `LeafNodeOpts`, `RemoteLeafOpts`).

use std::time::Duration;

use super::{GLOBAL_ACCOUNT, Port, SubjectPermission, Tls, WriteTimeout};
use crate::quote::quote;
use crate::url::Url;

/// The `cluster` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Name without spaces; none means a generated one.
    pub name: Option<String>,
    /// Address (0.0.0.0).
    pub host: String,
    /// Port; unset means off.
    pub port: Port,
    /// The value of the flag `--cluster`.
    pub listen_flag: Option<String>,
    /// User of routes.
    pub username: Option<String>,
    /// Password of routes.
    pub password: Option<String>,
    /// Time to authenticate.
    pub auth_timeout: Duration,
    /// What is imported and exported over routes.
    pub permissions: Option<RoutePermissions>,
    /// TLS; certificates are always verified.
    pub tls: Option<Tls>,
    /// Time a TLS handshake may take.
    pub tls_timeout: Duration,
    /// `host:port` told to other servers.
    pub advertise: Option<String>,
    /// Do not tell clients of the other servers.
    pub no_advertise: bool,
    /// Tries to connect to a learned route.
    pub connect_retries: i64,
    /// Wait longer after every failed try.
    pub connect_backoff: bool,
    /// Connections per route (3); negative means no pool.
    pub pool_size: i64,
    /// Accounts with a route of their own. The system account is added.
    pub accounts: Vec<String>,
    /// Compression.
    pub compression: Compression,
    /// Time between pings; zero means as clients.
    pub ping_interval: Duration,
    /// Unanswered pings; 0 means as clients.
    pub ping_max: i64,
    /// Time one write may take; zero means as clients.
    pub write_deadline: Duration,
    /// What happens when a write took too long.
    pub write_timeout: WriteTimeout,
}

/// What is imported and exported over routes; none means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePermissions {
    /// Subjects whose interest is sent to the other side.
    pub import: Option<SubjectPermission>,
    /// Subjects whose interest is accepted from the other side.
    pub export: Option<SubjectPermission>,
}

/// Compression of a peer connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// The mode as written, in Go's names after validation; empty means not set.
    pub mode: String,
    /// For `s2_auto`: round trip times from which the next level is used.
    pub rtt_thresholds: Vec<Duration>,
}

impl Compression {
    /// Do both say the same? For `s2_auto` no thresholds are the default ones.
    ///
    /// Source: Go `CompressionOpts.equals`.
    #[must_use]
    pub fn is_equivalent(&self, other: &Compression) -> bool {
        let thresholds = |compression: &Compression| {
            if compression.rtt_thresholds.is_empty() {
                RTT_THRESHOLDS.to_vec()
            } else {
                compression.rtt_thresholds.clone()
            }
        };
        self.mode == other.mode && (self.mode != "s2_auto" || thresholds(self) == thresholds(other))
    }
}

/// Round trip times from which the next level of compression is used.
/// Go: `defaultCompressionS2AutoRTTThresholds`.
pub(crate) const RTT_THRESHOLDS: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(100)];

/// A compression mode after validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionMode {
    /// The peer does not know of compression.
    NotSupported,
    /// No compression.
    Off,
    /// As the peer asks.
    Accept,
    /// By the round trip time.
    S2Auto,
    /// S2 framing without compression.
    S2Uncompressed,
    /// S2, fast.
    S2Fast,
    /// S2, better.
    S2Better,
    /// S2, best.
    S2Best,
}

impl CompressionMode {
    const ALL: &'static [(&'static str, CompressionMode)] = &[
        ("not supported", CompressionMode::NotSupported),
        ("off", CompressionMode::Off),
        ("accept", CompressionMode::Accept),
        ("s2_auto", CompressionMode::S2Auto),
        ("s2_uncompressed", CompressionMode::S2Uncompressed),
        ("s2_fast", CompressionMode::S2Fast),
        ("s2_better", CompressionMode::S2Better),
        ("s2_best", CompressionMode::S2Best),
    ];

    /// Go's name of the mode, as sent in INFO.
    #[must_use]
    pub fn name(self) -> &'static str {
        CompressionMode::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// The mode of that exact name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<CompressionMode> {
        CompressionMode::ALL.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }
}

/// The `gateway` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gateway {
    /// Name of this cluster.
    pub name: Option<String>,
    /// Address (0.0.0.0).
    pub host: String,
    /// Port; unset means off.
    pub port: Port,
    /// User of gateways.
    pub username: Option<String>,
    /// Password of gateways.
    pub password: Option<String>,
    /// Time to authenticate.
    pub auth_timeout: Duration,
    /// TLS; certificates are always verified.
    pub tls: Option<Tls>,
    /// Time a TLS handshake may take.
    pub tls_timeout: Duration,
    /// `host:port` told to other servers.
    pub advertise: Option<String>,
    /// Tries to connect to a learned gateway.
    pub connect_retries: i64,
    /// Wait longer after every failed try.
    pub connect_backoff: bool,
    /// The other clusters.
    pub gateways: Vec<RemoteGateway>,
    /// Refuse clusters that are not in `gateways`.
    pub reject_unknown: bool,
    /// Time one write may take; zero means as clients.
    pub write_deadline: Duration,
    /// What happens when a write took too long.
    pub write_timeout: WriteTimeout,
}

/// Another cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteGateway {
    /// Its name.
    pub name: String,
    /// TLS.
    pub tls: Option<Tls>,
    /// Time a TLS handshake may take; zero means as the gateway listener.
    pub tls_timeout: Duration,
    /// Where it can be reached.
    pub urls: Vec<Url>,
}

/// The `leafnodes` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeafNode {
    /// Address (0.0.0.0).
    pub host: String,
    /// Port; unset means off.
    pub port: Port,
    /// The single user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Leaf nodes must come through a trusted proxy.
    pub proxy_required: bool,
    /// The single user's public key.
    pub nkey: Option<String>,
    /// Account of the single user; none means `$G`.
    pub account: Option<String>,
    /// The users.
    pub users: Vec<LeafUser>,
    /// Time to authenticate.
    pub auth_timeout: Duration,
    /// TLS.
    pub tls: Option<Tls>,
    /// Time a TLS handshake may take.
    pub tls_timeout: Duration,
    /// `host:port` told to leaf nodes.
    pub advertise: Option<String>,
    /// Do not tell leaf nodes of the other servers.
    pub no_advertise: bool,
    /// Time between two tries to connect (1s).
    pub reconnect_interval: Duration,
    /// Time to wait for a TCP connection; zero means one second.
    pub dial_timeout: Duration,
    /// Time one write may take; zero means as clients.
    pub write_deadline: Duration,
    /// What happens when a write took too long.
    pub write_timeout: WriteTimeout,
    /// Compression.
    pub compression: Compression,
    /// Lowest version of a connecting server (at least 2.8.0).
    pub min_version: Option<String>,
    /// Leaf nodes do not learn of each other's interest.
    pub isolate_leafnode_interest: bool,
    /// Hubs to connect to.
    pub remotes: Vec<RemoteLeaf>,
}

/// A user of the leaf node listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeafUser {
    /// Name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Account; none means `$G`.
    pub account: Option<String>,
    /// The user must come through a trusted proxy.
    pub proxy_required: bool,
}

/// A hub to connect to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteLeaf {
    /// Local account; none means `$G`.
    pub account: Option<String>,
    /// Keep the order of `urls`.
    pub no_randomize: bool,
    /// Where the hub can be reached.
    pub urls: Vec<Url>,
    /// File with user JWT and seed.
    pub credentials: Option<String>,
    /// Seed of the user's key.
    pub nkey: Option<String>,
    /// TLS.
    pub tls: Option<Tls>,
    /// Time a TLS handshake may take.
    pub tls_timeout: Duration,
    /// This server is the hub of the connection.
    pub hub: bool,
    /// Subjects that are not imported.
    pub deny_imports: Vec<String>,
    /// Subjects that are not exported.
    pub deny_exports: Vec<String>,
    /// Time to wait for INFO (1s).
    pub first_info_timeout: Duration,
    /// Time to wait for a TCP connection; zero means as the block.
    pub dial_timeout: Duration,
    /// Compression.
    pub compression: Compression,
    /// Compress websocket frames.
    pub websocket_compression: bool,
    /// Do not mask websocket frames.
    pub websocket_no_masking: bool,
    /// HTTP proxy of websocket connections.
    pub proxy: RemoteLeafProxy,
    /// Leaders of streams move away while the connection is down.
    pub jetstream_cluster_migrate: bool,
    /// How long it must be down before they do.
    pub jetstream_cluster_migrate_delay: Duration,
    /// Local interest is not sent.
    pub isolate: bool,
    /// Ask the hub not to send its interest.
    pub request_isolation: bool,
    /// Do not connect.
    pub disabled: bool,
    /// Do not learn further servers of the hub.
    pub ignore_discovered_servers: bool,
}

/// HTTP proxy of a leaf node's websocket connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteLeafProxy {
    /// URL of the proxy.
    pub url: Option<String>,
    /// User, only together with `password`.
    pub username: Option<String>,
    /// Password, only together with `username`.
    pub password: Option<String>,
    /// Time to wait for the proxy; zero means the default.
    pub timeout: Duration,
}

impl RemoteLeaf {
    /// What tells two remotes apart: URLs, account and credentials, with secrets.
    ///
    /// Source: Go `RemoteLeafOpts.name`.
    #[must_use]
    pub fn name(&self) -> String {
        self.describe(false)
    }

    /// As `name`, without secrets. For logs.
    #[must_use]
    pub fn safe_name(&self) -> String {
        self.describe(true)
    }

    fn describe(&self, redacted: bool) -> String {
        let account = self.account.as_deref().unwrap_or(GLOBAL_ACCOUNT);
        let credentials = match (&self.credentials, &self.nkey) {
            (Some(file), _) => format!(", credentials={}", quote(file)),
            (None, Some(_)) if redacted => ", nkey=\"[REDACTED]\"".to_string(),
            (None, Some(nkey)) => format!(", nkey={}", quote(nkey)),
            (None, None) => String::new(),
        };
        let urls: Vec<String> = self
            .urls
            .iter()
            .map(|url| quote(&if redacted { url.redacted() } else { url.to_string() }))
            .collect();
        format!("urls=[{}], account={}{credentials}", urls.join(" "), quote(account))
    }
}
