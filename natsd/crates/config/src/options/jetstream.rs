//! Options of JetStream.
//!
//! Source: Go `server/opts.go` (`parseJetStream`, `JSLimitOpts`, `JSTpmOpts`).

use std::time::Duration;

/// The `jetstream` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JetStream {
    /// Run JetStream.
    pub enabled: bool,
    /// API requests with unknown fields are logged instead of refused.
    pub not_strict: bool,
    /// Bytes in memory; -1 means by the machine's memory.
    pub max_memory_store: i64,
    /// `max_memory_store` was set, perhaps to 0.
    pub max_memory_store_set: bool,
    /// Bytes on disk; -1 means by the disk's free space.
    pub max_file_store: i64,
    /// `max_file_store` was set, perhaps to 0.
    pub max_file_store_set: bool,
    /// Domain.
    pub domain: Option<String>,
    /// Time between two syncs of the disk (2m). natsd acknowledges only what is durable unless
    /// this was set.
    pub sync_interval: Duration,
    /// Sync after every write.
    pub sync_always: bool,
    /// `sync_interval` was set.
    pub sync_set: bool,
    /// Passphrase of the encryption at rest.
    pub encryption_key: Option<String>,
    /// The passphrase before it, for a change of keys.
    pub prev_encryption_key: Option<String>,
    /// Cipher of the encryption at rest.
    pub cipher: StoreCipher,
    /// `will_extend` or `no_extend`.
    pub extension_hint: Option<String>,
    /// Limits of streams and consumers.
    pub limits: JetStreamLimits,
    /// Keys in a TPM.
    pub tpm: JetStreamTpm,
    /// Prefix of a tag that must differ between the replicas of a stream, in lower case.
    pub unique_tag: Option<String>,
    /// Bytes of catch-up in flight; 0 means the default.
    pub max_outstanding_catchup: i64,
    /// Bytes of a stream's queue of unprocessed messages; 0 means the default.
    pub max_buffered_size: i64,
    /// Messages of that queue; 0 means the default.
    pub max_buffered_msgs: i64,
    /// Queued API requests (10000).
    pub request_queue_limit: i64,
    /// Queued API info requests (as `request_queue_limit`).
    pub info_queue_limit: i64,
    /// Entries of the meta log before it is compacted; 0 means the default.
    pub meta_compact: u64,
    /// Bytes of the meta log before it is compacted; 0 means the default.
    pub meta_compact_size: u64,
    /// Sync the meta snapshot.
    pub meta_compact_sync: bool,
    /// Disk operations at once (4096; 4 to 8192).
    pub max_concurrent_io: i64,
}

/// Limits of streams and consumers; 0 means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JetStreamLimits {
    /// Highest `max_ack_pending` of a consumer.
    pub max_ack_pending: i64,
    /// Replicated streams and consumers on this server.
    pub max_ha_assets: i64,
    /// Messages per pull request.
    pub max_request_batch: i64,
    /// Longest duplicate window.
    pub duplicate_window: Duration,
    /// Open atomic batches of a stream.
    pub batch_max_inflight_per_stream: i64,
    /// Open atomic batches of the server.
    pub batch_max_inflight_total: i64,
    /// Messages of an atomic batch.
    pub batch_max_msgs: i64,
    /// Time from the first message of an atomic batch to its commit.
    pub batch_timeout: Duration,
    /// Consumers of a stream that sets no limit (1000); -1 means any number. Go 2.15.1.
    pub default_max_consumers: i64,
}

/// Keys in a TPM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JetStreamTpm {
    /// File of the sealed key.
    pub keys_file: Option<String>,
    /// Password of the key.
    pub encryption_password: Option<String>,
    /// Password of the storage root key.
    pub srk_password: Option<String>,
    /// Register that the key is sealed to.
    pub pcr: i64,
}

/// Cipher of the encryption at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreCipher {
    /// ChaCha20-Poly1305.
    #[default]
    ChaCha,
    /// AES-GCM.
    Aes,
}
