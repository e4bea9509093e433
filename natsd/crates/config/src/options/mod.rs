//! The typed options of a server: one field per configuration key, one struct per block.
//!
//! Plain data: no parsing, no files, no clock. `Options::empty()` is "nothing was configured",
//! `Options::default()` is what a server without configuration runs with, and
//! `Options::apply_defaults` goes from the first to the second while keeping what is set.
//! Invariant: a zero number, a zero duration, an empty host or `Port::Unset` means "not set" before
//! `apply_defaults`, and what its field says afterwards.
//!
//! Source: Go `server/opts.go` (`Options` and the structs beside it), `server/const.go`.

mod account;
mod auth;
mod defaults;
mod jetstream;
mod listener;
mod peers;
mod tls;

pub(crate) use defaults::SYNC_INTERVAL;
pub(crate) use peers::RTT_THRESHOLDS;

pub use account::{
    Account, AccountJetStream, AccountLimits, MapDestination, MsgTrace, ServiceExport,
    ServiceImport, ServiceLatency, ServiceResponse, StreamExport, StreamImport, SubjectMapping,
};
pub use auth::{
    AuthCallout, ConnectionType, NkeyUser, Permissions, ResponsePermission, SubjectPermission, User,
};
pub use jetstream::{JetStream, JetStreamLimits, JetStreamTpm, StoreCipher};
pub use listener::{Mqtt, Websocket};
pub use peers::{
    Cluster, Compression, CompressionMode, Gateway, LeafNode, LeafUser, RemoteGateway, RemoteLeaf,
    RemoteLeafProxy, RoutePermissions,
};
pub use tls::{
    CertificatePair, CertificateStore, CipherSuite, CurvePreference, HandshakeFirst, Ocsp,
    OcspCache, OcspCacheKind, OcspMode, OcspPeer, Tls, TlsVersion,
};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::position::Position;
use crate::url::Url;

/// The name of the account of clients that name none. Go: `DEFAULT_GLOBAL_ACCOUNT`.
pub const GLOBAL_ACCOUNT: &str = "$G";
/// The name of the system account when none is configured. Go: `DEFAULT_SYSTEM_ACCOUNT`.
pub const SYSTEM_ACCOUNT: &str = "$SYS";

/// A TCP port as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// Nothing configured (or an explicit 0): the listener is off, or takes its default.
    #[default]
    Unset,
    /// -1: the operating system chooses.
    Random,
    /// This port.
    Fixed(u16),
}

impl Port {
    /// True when the port was configured, be it fixed or random.
    #[must_use]
    pub fn is_set(self) -> bool {
        self != Port::Unset
    }

    /// The number to hand to `bind`: 0 for random and for unset.
    #[must_use]
    pub fn bind(self) -> u16 {
        match self {
            Port::Fixed(port) => port,
            Port::Random | Port::Unset => 0,
        }
    }
}

/// What to do with a connection whose write did not finish before `write_deadline`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteTimeout {
    /// Clients are closed, peers (routes, gateways, leaf nodes) are retried.
    #[default]
    Default,
    /// Close the connection.
    Close,
    /// Keep the connection and try again.
    Retry,
}

/// How log lines are written. Our own flag `--log_format`; Go has only text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Go's line format.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The `admin` block: our own HTTP API. Go has no such block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Address to listen on; empty means 127.0.0.1.
    pub host: String,
    /// Port to listen on; unset means 8280, or any free port when that one is taken.
    pub port: Port,
    /// Do not listen at all.
    pub disabled: bool,
    /// Bearer token with the admin role; none means a random one is written to a file.
    pub token: Option<String>,
}

/// Where the JWTs of accounts come from in operator mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountResolver {
    /// `MEM`: only those of `resolver_preload`.
    Memory,
    /// `URL(…)`: fetched by HTTP; ends in a slash, after which comes the account's public key.
    Url(String),
    /// `{type: FULL}`: a directory with all of them, kept equal between servers over NATS.
    Full {
        /// Directory of the JWT files.
        dir: String,
        /// How many JWTs are kept; 0 means the default.
        limit: i64,
        /// Time between two synchronisations with other servers; zero means the default.
        sync_interval: Duration,
        /// What a delete request does.
        delete: ResolverDelete,
        /// Time to wait for a JWT asked of other servers; zero means the default.
        fetch_timeout: Duration,
    },
    /// `{type: CACHE}`: a directory with those that were asked for.
    Cache {
        /// Directory of the JWT files.
        dir: String,
        /// How many JWTs are kept; 0 means the default.
        limit: i64,
        /// How long a JWT is kept; zero means for ever.
        ttl: Duration,
        /// Time to wait for a JWT asked of other servers; zero means the default.
        fetch_timeout: Duration,
    },
}

/// What the full directory resolver does with a delete request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResolverDelete {
    /// Refuse it.
    #[default]
    Refuse,
    /// Rename the file to `*.delete`.
    Rename,
    /// Remove the file.
    Hard,
}

/// An operator JWT and the facts of it that decide whether a configuration is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    /// The JWT itself.
    pub jwt: String,
    /// Public key of the operator.
    pub subject: String,
    /// Public keys that may sign in the operator's name.
    pub signing_keys: Vec<String>,
    /// The operator's system account; empty means none.
    pub system_account: String,
    /// Where account JWTs are served; empty means nowhere.
    pub account_server_url: String,
    /// Lowest server version the operator accepts; empty means any.
    pub assert_server_version: String,
    /// The operator's own key signs nothing, only its signing keys do.
    pub strict_signing_key_usage: bool,
}

/// Where every key of a configuration was written, by its path in lower case (`cluster.port`).
pub type Positions = BTreeMap<String, Position>;

/// Everything that a server can be told. See the module for what "not set" looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Unknown keys of the top level are no error. Only for embedding.
    pub allow_unknown_keys: bool,

    // ---- identity and client listener
    /// The configuration file, as it was named; none means flags and defaults only.
    pub config_file: Option<String>,
    /// `sha256:<hex>` over the parsed configuration; empty without a file.
    pub config_digest: String,
    /// Unique name without spaces; none means the server's id.
    pub server_name: Option<String>,
    /// Address of the client listener (0.0.0.0).
    pub host: String,
    /// Port of the client listener (4222).
    pub port: Port,
    /// Do not listen for clients. Only for embedding.
    pub dont_listen: bool,
    /// `host:port` that clients are told instead of the bound address.
    pub client_advertise: Option<String>,
    /// Expect a PROXY protocol header (v1 or v2) on client connections.
    pub proxy_protocol: bool,
    /// Labels of this server for placement, in lower case, each once.
    pub server_tags: Vec<String>,
    /// Free text shown by monitoring.
    pub server_metadata: BTreeMap<String, String>,
    /// Features that were switched on or off by name.
    pub feature_flags: BTreeMap<String, bool>,

    // ---- logging and process
    /// Log at debug level.
    pub debug: bool,
    /// Log the protocol.
    pub trace: bool,
    /// Log the protocol of the system account too.
    pub trace_verbose: bool,
    /// Of traced messages, log only the headers.
    pub trace_headers: bool,
    /// Start log lines with the time.
    pub logtime: bool,
    /// That time is in UTC.
    pub logtime_utc: bool,
    /// Log file; none means standard error.
    pub log_file: Option<String>,
    /// Bytes after which the log file is rotated; 0 means never.
    pub log_size_limit: i64,
    /// Rotated log files to keep; 0 means all.
    pub log_max_files: i64,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Log to syslog.
    pub syslog: bool,
    /// Log to the syslog at this URL.
    pub remote_syslog: Option<String>,
    /// Bytes of a message shown by traces; 0 means all.
    pub max_traced_msg_len: u64,
    /// File to write the process number to.
    pub pid_file: Option<String>,
    /// Directory to write the ports file to.
    pub ports_file_dir: Option<String>,
    /// Port of the profiling listener.
    pub prof_port: Port,
    /// Sampling rate of the profiling of blocked threads; 0 means off.
    pub prof_block_rate: i64,
    /// Do not log at all. Only for embedding.
    pub no_log: bool,
    /// Do not handle signals. Only for embedding.
    pub no_signals: bool,

    // ---- monitoring and management
    /// Address of the monitoring listeners; defaults to `host`.
    pub http_host: String,
    /// Port of the monitoring listener.
    pub http_port: Port,
    /// Port of the monitoring listener with TLS.
    pub https_port: Port,
    /// Path prefix of monitoring.
    pub http_base_path: Option<String>,
    /// Our own management API.
    pub admin: Admin,

    // ---- limits and timers
    /// Connections at once (65536); -1 means any number.
    pub max_connections: i64,
    /// Subscriptions per connection; 0 means any number.
    pub max_subscriptions: i64,
    /// Tokens of a subscription's subject; 0 means any number.
    pub max_subscription_tokens: u8,
    /// Bytes of a protocol line (4096).
    pub max_control_line: i32,
    /// Bytes of a message, headers included (1 MiB).
    pub max_payload: i32,
    /// Bytes queued for one connection before it counts as slow (64 MiB).
    pub max_pending: i64,
    /// Closed connections that monitoring remembers (10000).
    pub max_closed_clients: i64,
    /// Time between pings (2m).
    pub ping_interval: Duration,
    /// Unanswered pings before a connection is stale (2).
    pub ping_max: i64,
    /// Do not send the early first ping. Only for embedding.
    pub disable_short_first_ping: bool,
    /// Time one write may take (10s).
    pub write_deadline: Duration,
    /// What happens when a write took too long.
    pub write_timeout: WriteTimeout,
    /// How long lame duck mode lasts (2m).
    pub lame_duck_duration: Duration,
    /// Time before lame duck mode closes its first connection (10s).
    pub lame_duck_grace_period: Duration,
    /// Never stall a fast publisher; drop for the slow consumer instead.
    pub no_fast_producer_stall: bool,
    /// Refuse message headers.
    pub no_header_support: bool,
    /// Do not cache the matches of subjects.
    pub no_sublist_cache: bool,
    /// Failed first connects to a peer between two log lines (3600).
    pub connect_error_reports: i64,
    /// Failed reconnects to a peer between two log lines (1).
    pub reconnect_error_reports: i64,

    // ---- TLS of the client listener
    /// TLS of clients; none means plain connections.
    pub tls: Option<Tls>,
    /// Time a TLS handshake may take (2s), also when `tls` is none.
    pub tls_timeout: Duration,
    /// With `tls`: accept plain connections too.
    pub allow_non_tls: bool,
    /// Stapling of OCSP answers; none means by the certificate.
    pub ocsp: Option<Ocsp>,
    /// Cache of OCSP answers about peers; none means the default.
    pub ocsp_cache: Option<OcspCache>,

    // ---- authorization
    /// An `authorization` block was given, even an empty one.
    pub authorization_defined: bool,
    /// The single user.
    pub username: Option<String>,
    /// The single user's password, plain or bcrypt.
    pub password: Option<String>,
    /// The token that every client needs, plain or bcrypt.
    pub token: Option<String>,
    /// Time a client has to authenticate (2s, or one second more than the TLS timeout).
    pub auth_timeout: Duration,
    /// Clients of the single user must come through a trusted proxy.
    pub proxy_required: bool,
    /// The users of the `authorization` block and of all accounts.
    pub users: Vec<User>,
    /// The users with an nkey, of the same places.
    pub nkeys: Vec<NkeyUser>,
    /// The user of clients that name none.
    pub no_auth_user: Option<String>,
    /// Who authenticates clients in the server's place.
    pub auth_callout: Option<AuthCallout>,
    /// Proxies whose signed claims are believed, by public key.
    pub proxies: Option<Vec<String>>,
    /// Send a nonce to every client. Only for embedding.
    pub always_enable_nonce: bool,

    // ---- accounts and operators
    /// The configured accounts, in the order of the file.
    pub accounts: Vec<Account>,
    /// Name of the system account; none means `$SYS` unless `no_system_account`.
    pub system_account: Option<String>,
    /// Run without a system account.
    pub no_system_account: bool,
    /// Trusted operators (operator mode).
    pub operators: Vec<Operator>,
    /// Public keys of trusted operators.
    pub trusted_keys: Vec<String>,
    /// Where account JWTs come from.
    pub account_resolver: Option<AccountResolver>,
    /// TLS of the URL resolver.
    pub resolver_tls: Option<Tls>,
    /// Account JWTs by public key.
    pub resolver_preload: BTreeMap<String, String>,
    /// The only accounts that may connect here, by public key.
    pub resolver_pinned_accounts: BTreeSet<String>,
    /// User JWT of clients that bring none, in operator mode.
    pub default_sentinel: Option<String>,

    // ---- JetStream
    /// The `jetstream` block.
    pub jetstream: JetStream,
    /// Directory of JetStream and of the OCSP cache.
    pub store_dir: Option<String>,
    /// JetStream domain of accounts, by account name.
    pub default_js_domain: BTreeMap<String, String>,

    // ---- other listeners and peers
    /// The `cluster` block.
    pub cluster: Cluster,
    /// Routes to solicit.
    pub routes: Vec<Url>,
    /// The value of the flag `--routes`.
    pub routes_flag: Option<String>,
    /// The `gateway` block.
    pub gateway: Gateway,
    /// The `leafnodes` block.
    pub leafnode: LeafNode,
    /// The `websocket` block.
    pub websocket: Websocket,
    /// The `mqtt` block.
    pub mqtt: Mqtt,

    // ---- TLS by flags; `flags` turns them into `tls`
    /// `--tls`.
    pub tls_flag: bool,
    /// `--tlsverify`.
    pub tls_verify_flag: bool,
    /// `--tlscert`.
    pub tls_cert_flag: Option<String>,
    /// `--tlskey`.
    pub tls_key_flag: Option<String>,
    /// `--tlscacert`.
    pub tls_ca_cert_flag: Option<String>,

    /// Where every key was written.
    pub positions: Positions,
}
