//! What monitoring shows of a client.

use ::core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use ::core::time::Duration;
use natsd_base::{LeveledMutex, Timestamp};
use natsd_broker::Account;
use std::sync::Arc;

/// What a client said of itself, and who it turned out to be.
#[derive(Clone, Debug, Default)]
pub struct ClientDetails {
    /// Name of the connection.
    pub name: String,
    /// Language of the client library.
    pub lang: String,
    /// Version of the client library.
    pub version: String,
    /// Name of the user as shown; tokens and the like are not.
    pub user: String,
    /// The account.
    pub account: Option<Arc<Account>>,
    /// Version of TLS, where it is used.
    pub tls_version: Option<&'static str>,
    /// Cipher suite of TLS, where it is used.
    pub tls_cipher: Option<&'static str>,
    /// Whether TLS came before INFO.
    pub tls_first: bool,
    /// Certificates that the client showed, as DER.
    pub tls_peer_certificates: Vec<Vec<u8>>,
}

/// Counters of one client, written by its link once per batch.
#[derive(Debug, Default)]
pub struct ClientStatus {
    /// Messages received from the client.
    pub in_msgs: AtomicU64,
    /// Bytes of headers and bodies received.
    pub in_bytes: AtomicU64,
    /// Times a publisher had to wait for this client.
    pub stalls: AtomicU64,
    last_activity: AtomicI64,
    round_trip: AtomicU64,
    takes_info: AtomicBool,
    details: LeveledMutex<50, ClientDetails>,
}

impl ClientStatus {
    /// When the client last sent or was sent something.
    #[must_use]
    pub fn last_activity(&self) -> Timestamp {
        Timestamp(self.last_activity.load(Ordering::Relaxed))
    }

    /// Notes input or output.
    pub fn touch(&self, now: Timestamp) {
        self.last_activity.store(now.0, Ordering::Relaxed);
    }

    /// The last measured round trip.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        let nanos = self.round_trip.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    pub(crate) fn set_round_trip(&self, round_trip: Option<Duration>) {
        let nanos = round_trip.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.round_trip.store(nanos, Ordering::Relaxed);
    }

    /// Whether the client understands an INFO that comes later, and is ready for it.
    #[must_use]
    pub fn takes_info(&self) -> bool {
        self.takes_info.load(Ordering::Relaxed)
    }

    pub(crate) fn set_takes_info(&self) {
        self.takes_info.store(true, Ordering::Relaxed);
    }

    /// A copy of the details.
    #[must_use]
    pub fn details(&self) -> ClientDetails {
        self.details.lock().clone()
    }

    /// Changes the details.
    pub fn update_details(&self, change: impl FnOnce(&mut ClientDetails)) {
        change(&mut self.details.lock());
    }
}
