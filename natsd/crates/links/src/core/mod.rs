//! The parts that links are made of.

pub(crate) mod buffers;
pub(crate) mod liveness;
pub(crate) mod outbound;
pub(crate) mod subscriptions;
