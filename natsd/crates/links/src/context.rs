//! What a link is given with each call, and what it may ask for.

use crate::CloseReason;
use crate::client::Shown;
use ::core::sync::atomic::AtomicU64;
use ::core::time::Duration;
use natsd_auth::{AuthSnapshot, PasswordCheck};
use natsd_base::Timestamp;
use natsd_broker::{Account, Accounts, Traffic, Worker};
use natsd_wire::nats::Info;
use std::sync::Arc;

/// What the configuration says about clients. Fixed between two reloads.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What INFO says to every client; the link adds what is its own.
    pub info: Info,
    /// All accounts.
    pub accounts: Arc<Accounts>,
    /// All users.
    pub auth: Arc<AuthSnapshot>,
    /// Bytes of a control line.
    pub control_line_max: usize,
    /// Bytes of a message; `None` is unlimited.
    pub payload_max: Option<usize>,
    /// Bytes of pending output.
    pub pending_max: usize,
    /// Subscriptions of one connection; `None` is unlimited.
    pub subscriptions_max: Option<usize>,
    /// Tokens of a subscription's subject; `None` is unlimited.
    pub subscription_tokens_max: Option<usize>,
    /// Time between pings.
    pub ping_interval: Duration,
    /// Pings that may stay unanswered.
    pub pings_out_max: u32,
    /// Whether the first ping comes early, to measure the round trip.
    pub ping_first_early: bool,
    /// Time a write may take.
    pub write_deadline: Duration,
    /// Whether a write that takes longer is tried on.
    pub write_retry: bool,
    /// Time until a client has to be authenticated.
    pub auth_timeout: Duration,
    /// Whether deliveries to a receiver that does not keep up are dropped instead of slowing its
    /// publishers.
    pub drop_when_crowded: bool,
    /// Bytes of a message that traces show; 0 is all.
    pub traced_bytes_max: usize,
    /// Whether traces show only the headers of messages.
    pub trace_headers: bool,
}

impl Snapshot {
    /// How much of a message traces show.
    pub(crate) fn shown(&self) -> Shown {
        Shown { bytes_max: self.traced_bytes_max, only_headers: self.trace_headers }
    }
}

/// Counters of the whole server.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Messages of clients in both directions.
    pub traffic: Traffic,
    /// Clients closed because they did not keep up.
    pub slow_consumers: AtomicU64,
    /// Clients closed because they did not answer pings.
    pub stale_connections: AtomicU64,
    /// Times a publisher had to wait for a receiver.
    pub stalls: AtomicU64,
}

/// One call's surroundings.
#[derive(Debug)]
pub struct LinkCx<'a> {
    /// The time, read once per batch.
    pub now: Timestamp,
    /// The configuration, fetched once per batch.
    pub snapshot: &'a Snapshot,
    /// What the running thread keeps for all its connections.
    pub worker: &'a mut Worker,
    /// Whether input is taken although a receiver does not keep up: it was waited for already.
    pub ignore_crowded: bool,
    /// What the link asks the driver to do.
    pub effects: &'a mut Vec<Effect>,
}

/// What a link asks its driver to do.
#[derive(Debug)]
pub enum Effect {
    /// Run this where it may take its time, and bring the answer as [`Control::PasswordChecked`].
    /// The link takes no input until then.
    CheckPassword(PasswordCheck),
    /// Tell who wants to know that the client was let in.
    Connected,
    /// Tell who wants to know that the connection counts for another account now.
    Moved {
        /// The account that has one connection less.
        from: Arc<Account>,
        /// The account that has one more.
        to: Arc<Account>,
    },
}

/// What a driver tells its link beside input and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The answer to [`Effect::CheckPassword`].
    PasswordChecked(bool),
    /// The server changed what INFO says.
    InfoChanged,
    /// This client is to go elsewhere, though the server stays.
    LameDuck,
    /// The server has a new configuration. With `authorization` users or accounts changed too.
    Reconfigured {
        /// Whether the client has to be looked at as if it came anew.
        authorization: bool,
    },
    /// End the connection.
    Close(CloseReason),
}
