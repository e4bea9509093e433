//! Speaks one protocol on one connection, for each kind of peer.
//!
//! A link is the half of a connection that only its driver touches; a sink is the half that others
//! deliver to. Neither waits, reads a clock or knows a socket: the driver brings bytes and time, and
//! a [`SocketWriter`] that never blocks.
#![warn(missing_docs)]

pub mod client;
mod close;
mod context;
mod core;

pub use self::close::CloseReason;
pub use self::context::{Control, Effect, LinkCx, ServerStats, Snapshot};
pub use self::core::outbound::{Pending, SocketWriter};
