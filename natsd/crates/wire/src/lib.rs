//! Turns bytes into operations and back, for every protocol we speak.
//!
//! Sans-io: a codec is given bytes and returns operations; it never reads a socket or a clock.
//! Invariant: any input in any chunking gives the same operations or the same error, and what a
//! codec keeps between calls is bounded.
#![warn(missing_docs)]

pub mod nats;
pub mod proxy;
