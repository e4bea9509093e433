//! Limits and defaults of the server, with unit, source (Go constant) and who enforces them.

use core::time::Duration;

/// Port of the client listener. Go: `DEFAULT_PORT`. Enforced by: server.
pub const CLIENT_PORT: u16 = 4222;
/// Longest control line of a client, in bytes. Go: `MAX_CONTROL_LINE_SIZE`. Enforced by: wire.
pub const CONTROL_LINE_BYTES_MAX: usize = 4096;
/// Largest payload of a message, in bytes. Go: `MAX_PAYLOAD_SIZE`. Enforced by: wire.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes queued for one connection before it is closed. Go: `MAX_PENDING_SIZE`. Enforced by: links.
pub const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes queued for one connection above which its publishers are asked to wait.
/// Differs from Go, which stalls at three quarters of the pending maximum: a short queue keeps the
/// data in the processor's caches and memory bounded. Enforced by: links, server driver.
pub const PENDING_BYTES_SOFT: usize = 1024 * 1024;
/// Longest time one read batch waits for its slow receivers. Go: `stallTotalAllowed`. Enforced by: server driver.
pub const STALL_MAX: Duration = Duration::from_millis(10);
/// Connections held at once. Go: `DEFAULT_MAX_CONNECTIONS`. Enforced by: server.
pub const CONNECTIONS_MAX: usize = 64 * 1024;
/// Time between two pings of the server. Go: `DEFAULT_PING_INTERVAL`. Enforced by: links.
pub const PING_INTERVAL: Duration = Duration::from_secs(120);
/// Pings that may stay unanswered. Go: `DEFAULT_PING_MAX_OUT`. Enforced by: links.
pub const PINGS_OUT_MAX: u32 = 2;
/// Delay of the first ping, which measures the round trip. Go: `firstPingInterval`. Enforced by: links.
pub const PING_FIRST: Duration = Duration::from_secs(2);
/// Time one write may take. Go: `DEFAULT_FLUSH_DEADLINE`. Enforced by: links.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Time a PROXY protocol header may take to arrive. Go: `proxyProtoReadTimeout`. Enforced by: server.
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Closed connections that are remembered. Go: `DEFAULT_MAX_CLOSED_CLIENTS`. Enforced by: server.
pub const CLOSED_CONNECTIONS_MAX: usize = 10_000;
/// Bytes read from a socket at once, into the scratch buffer of the worker thread.
/// Measured: 64 KiB loses a third at 1 KiB payloads. Enforced by: server driver.
pub const READ_SCRATCH_BYTES: usize = 128 * 1024;
/// Reply subjects remembered for `allow_responses`, before old ones are looked for. Go: `replyPermLimit`.
pub const REPLY_PERMITS_PRUNE: usize = 4096;
/// Decisions remembered per connection and kind of permission. Go: `maxPermCacheSize`.
pub const PERMISSION_CACHE_MAX: usize = 128;
