//! Limits that no configuration sets, with unit, source (Go constant) and who enforces them. The
//! defaults of what can be configured are in `natsd-config`.

use core::time::Duration;

/// Bytes queued for one connection above which its publishers are asked to wait.
/// Differs from Go, which stalls at three quarters of the pending maximum: a short queue keeps the
/// data in the processor's caches and memory bounded. Enforced by: links, server driver.
pub const PENDING_BYTES_SOFT: usize = 1024 * 1024;
/// Longest time one read batch waits for its slow receivers. Go: `stallTotalAllowed`. Enforced by: server driver.
pub const STALL_MAX: Duration = Duration::from_millis(10);
/// Delay of the first ping, which measures the round trip. Go: `firstPingInterval`. Enforced by: links.
pub const PING_FIRST: Duration = Duration::from_secs(2);
/// Time a PROXY protocol header may take to arrive. Go: `proxyProtoReadTimeout`. Enforced by: server.
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes read from a socket at once, into the scratch buffer of the worker thread.
/// Measured: 64 KiB loses a third at 1 KiB payloads. Enforced by: server driver.
pub const READ_SCRATCH_BYTES: usize = 128 * 1024;
/// Reply subjects remembered for `allow_responses`, before old ones are looked for. Go: `replyPermLimit`.
pub const REPLY_PERMITS_PRUNE: usize = 4096;
