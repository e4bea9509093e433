//! Connects the cores to sockets, threads, timers, signals and files.
//!
//! The only crate below the binaries that knows tokio. It holds no protocol and no policy: links and
//! broker decide, this crate waits, reads the clock and moves bytes.
#![warn(missing_docs)]

mod accept;
mod clock;
mod driver;
mod handshake;
mod http;
mod log;
pub mod process;
mod query;
mod registry;
mod reload;
mod server;
mod services;
mod snapshot;
mod socket;
mod tls;
mod worker;

pub use clock::Clock;
pub use http::{HttpListeners, StartHttpError, serve_http};
pub use log::{Log, LogError};
pub use registry::{ClosedClient, ClosedSubscription, Registry};
pub use reload::{PortsFile, ReloadError};
pub use server::{ReloadRequest, Server, StartError};
pub use snapshot::VERSION;
pub use tls::TlsError;
