//! The NATS client protocol on one connection.

mod connect;
mod link;
mod publish;
mod sink;
mod status;
mod subscribe;
mod trace;

pub use link::{ClientLink, Progress};
pub use sink::ClientSink;
pub use status::{ClientDetails, ClientStatus};
pub(crate) use trace::Shown;
