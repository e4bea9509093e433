//! What the broker needs of a receiver.

use crate::Subscription;
use core::fmt::Debug;
use natsd_base::{ConnectionId, Timestamp};
use std::sync::Arc;

/// A message on its way, as slices of the publisher's read buffer.
#[derive(Clone, Copy, Debug)]
pub struct Msg<'a> {
    /// The connection that it came from.
    pub publisher: ConnectionId,
    /// Subject that the receivers see.
    pub subject: &'a [u8],
    /// Reply subject, empty when there is none.
    pub reply: &'a [u8],
    /// Bytes of headers at the start of the payload, 0 when there are none.
    pub header_size: usize,
    /// The header size as the publisher wrote it.
    pub header_size_text: &'a [u8],
    /// The total size as the publisher wrote it.
    pub size_text: &'a [u8],
    /// Headers, body and the closing CRLF.
    pub payload_crlf: &'a [u8],
}

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver did not take the message: closed, denied or over its limits.
    Refused,
    /// The message is in the receiver's buffer.
    Queued {
        /// Nobody has promised yet to flush this receiver.
        needs_flush: bool,
        /// The subscription reached its maximum and has to be removed.
        ended: bool,
        /// The receiver has more pending than it should.
        crowded: bool,
        /// Bytes of headers and body that this receiver gets.
        size: usize,
    },
}

/// Something that waits for a receiver to catch up.
pub trait Wake: Send + Sync + Debug {
    /// Ends the wait. May be called more often than needed.
    fn wake(&self);
}

/// The shared half of a connection, or of anything else that receives messages.
///
/// Called by whoever publishes, on any thread; none of the calls waits.
pub trait Deliver: Send + Sync + Debug {
    /// Encodes `msg` for `subscription` and appends it to the output.
    fn deliver(&self, msg: &Msg<'_>, subscription: &Subscription, now: Timestamp) -> Delivered;

    /// Hands the output to the peer as far as it takes it now. Returns whether more is pending
    /// than should.
    fn flush(&self, now: Timestamp) -> bool;

    /// Forgets a subscription that reached its maximum.
    fn forget(&self, subscription: &Subscription);

    /// Asks for `waiter` to be woken when the output has drained to half of what it should be.
    /// False when that is so already.
    fn wake_when_drained(&self, waiter: &Arc<dyn Wake>) -> bool;
}
