//! Options of accounts: limits, imports, exports, mappings.
//!
//! Source: Go `server/opts.go` (`parseAccounts` and below), `server/accounts.go`.

use std::time::Duration;

use super::Permissions;

/// One account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Name, unique.
    pub name: String,
    /// Public account key.
    pub nkey: Option<String>,
    /// Permissions of the account's users that have none.
    pub default_permissions: Option<Permissions>,
    /// Limits.
    pub limits: AccountLimits,
    /// JetStream; none means off.
    pub jetstream: Option<AccountJetStream>,
    /// JetStream's cluster traffic runs in this account instead of the system account.
    pub cluster_traffic_owner: bool,
    /// Subject mappings, in the order of the file.
    pub mappings: Vec<SubjectMapping>,
    /// Streams offered to other accounts.
    pub stream_exports: Vec<StreamExport>,
    /// Services offered to other accounts.
    pub service_exports: Vec<ServiceExport>,
    /// Streams of other accounts.
    pub stream_imports: Vec<StreamImport>,
    /// Services of other accounts.
    pub service_imports: Vec<ServiceImport>,
    /// Tracing of messages.
    pub msg_trace: MsgTrace,
}

/// Limits of an account; -1 means any number, 0 none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Client and leaf node connections.
    pub max_connections: i32,
    /// Subscriptions per connection.
    pub max_subscriptions: i32,
    /// Bytes of a message.
    pub max_payload: i32,
    /// Leaf node connections.
    pub max_leafnodes: i32,
}

impl Default for AccountLimits {
    fn default() -> Self {
        AccountLimits {
            max_connections: -1,
            max_subscriptions: -1,
            max_payload: -1,
            max_leafnodes: -1,
        }
    }
}

/// JetStream limits of an account; -1 means any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountJetStream {
    /// Bytes in memory.
    pub max_memory: i64,
    /// Bytes on disk.
    pub max_store: i64,
    /// Streams.
    pub max_streams: i64,
    /// Consumers.
    pub max_consumers: i64,
    /// `max_ack_pending` of a consumer.
    pub max_ack_pending: i64,
    /// Bytes of one stream in memory.
    pub memory_max_stream_bytes: i64,
    /// Bytes of one stream on disk.
    pub store_max_stream_bytes: i64,
    /// Streams must set `max_bytes`.
    pub max_bytes_required: bool,
}

impl Default for AccountJetStream {
    fn default() -> Self {
        AccountJetStream {
            max_memory: -1,
            max_store: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            store_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

/// One mapped subject with its destinations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectMapping {
    /// The subject that is mapped.
    pub source: String,
    /// Where messages go. Invariant: the weights of a cluster add up to at most 100.
    pub destinations: Vec<MapDestination>,
}

/// One destination of a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapDestination {
    /// Subject with placeholders.
    pub subject: String,
    /// Share of the messages in percent.
    pub weight: u8,
    /// Only in this cluster; none means everywhere.
    pub cluster: Option<String>,
}

/// A stream offered to other accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamExport {
    /// Subject.
    pub subject: String,
    /// Accounts that may import it; none means all.
    pub accounts: Option<Vec<String>>,
    /// Position of the token that names the importing account, from 1; 0 means none.
    pub account_token_position: u64,
}

/// A service offered to other accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceExport {
    /// Subject.
    pub subject: String,
    /// Accounts that may import it; none means all.
    pub accounts: Option<Vec<String>>,
    /// Position of the token that names the importing account, from 1; 0 means none.
    pub account_token_position: u64,
    /// How many answers a request gets.
    pub response: ServiceResponse,
    /// How long answers are waited for; none means the default (2m).
    pub response_threshold: Option<Duration>,
    /// Latency measurements.
    pub latency: Option<ServiceLatency>,
    /// Message traces follow requests into this account.
    pub allow_trace: bool,
}

/// How many answers a request to a service gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceResponse {
    /// One.
    #[default]
    Singleton,
    /// Many messages, ended by an empty one.
    Stream,
    /// One message in many parts.
    Chunked,
}

/// Latency measurements of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceLatency {
    /// Share of requests measured, in percent; 0 means those whose headers ask for it.
    pub sampling: u8,
    /// Where results are published.
    pub subject: String,
}

/// A stream of another account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamImport {
    /// The exporting account.
    pub account: String,
    /// The exported subject.
    pub subject: String,
    /// Put before the subject, with a dot between.
    pub prefix: Option<String>,
    /// The subject here; none means the same.
    pub to: Option<String>,
    /// Message traces follow messages into this account.
    pub allow_trace: bool,
}

/// A service of another account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceImport {
    /// The exporting account.
    pub account: String,
    /// The exported subject.
    pub subject: String,
    /// The subject here.
    pub to: String,
    /// Tell the service who asks.
    pub share: bool,
}

/// Tracing of an account's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MsgTrace {
    /// Where traces are published; none means no tracing.
    pub destination: Option<String>,
    /// Share of messages that are traced, in percent; 0 without a destination.
    pub sampling: u8,
}
