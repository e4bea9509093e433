//! Starts a server under test as a process and talks to it over raw sockets.
//!
//! Synchronous, knows no protocol library and no product crate: what it reports is what the bytes
//! on the wire said. Must never sleep for a fixed time and call it done: everything that waits has
//! a condition and a deadline.
//!
//! Which binary is tested is decided in [`server_binary`]: `NATS_SERVER_BIN` when set (so the
//! same tests judge any server), otherwise the path that the test passes in.

mod certificates;
mod http;
mod oracle;
mod process;
mod raw;
mod wait;

pub use certificates::{Authority, CertificateFiles, Names};
pub use http::{Response, get, request};
pub use oracle::oracle;
pub use process::{Finished, Launch, Server, run, server_binary, target_dir, testing_go};
pub use raw::{Duplex, FIRST_PING, RawClient, RawMessage, escape};
pub use wait::{DEADLINE, pause, wait_until};

#[cfg(test)]
mod tests;
