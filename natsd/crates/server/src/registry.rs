//! The client connections of the server, open and recently closed.
//!
//! Source: Go `server/server.go` (`clients`, `saveClosedClient`), `server/ring.go`.

use crate::socket::Socket;
use natsd_base::{ConnectionId, LeveledMutex, Timestamp};
use natsd_broker::SubscriptionRef;
use natsd_links::client::{ClientDetails, ClientSink};
use natsd_links::{CloseReason, Control};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A subscription that a closed connection had.
#[derive(Clone, Debug)]
pub struct ClosedSubscription {
    /// Its subject.
    pub subject: Box<[u8]>,
    /// Its queue group, if any.
    pub queue: Option<Box<[u8]>>,
    /// The client's name for it.
    pub sid: Box<[u8]>,
    /// Messages delivered to it.
    pub delivered: u64,
    /// Deliveries after which it would have ended, 0 for never.
    pub delivered_max: u64,
}

/// A connection that has ended. Holds nothing of the connection itself.
#[derive(Clone, Debug)]
pub struct ClosedClient {
    /// Its number.
    pub id: ConnectionId,
    /// Address of the client.
    pub address: Box<str>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub stopped: Timestamp,
    /// Why it ended.
    pub reason: CloseReason,
    /// When the client last sent or was sent something.
    pub last_activity: Timestamp,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
    /// Bytes that the client never took.
    pub pending_bytes: usize,
    /// Messages received from it.
    pub in_msgs: u64,
    /// Bytes received from it.
    pub in_bytes: u64,
    /// Messages sent to it.
    pub out_msgs: u64,
    /// Bytes sent to it.
    pub out_bytes: u64,
    /// Times a publisher had to wait for it.
    pub stalls: u64,
    /// What it said of itself.
    pub details: ClientDetails,
    /// The subscriptions that it had at the end.
    pub subscriptions: Box<[ClosedSubscription]>,
}

impl ClosedClient {
    /// What is remembered of `sink`.
    #[must_use]
    pub fn new(
        sink: &ClientSink,
        subscriptions: Vec<SubscriptionRef>,
        reason: CloseReason,
        now: Timestamp,
    ) -> ClosedClient {
        let status = &sink.status;
        let (out_msgs, out_bytes) = sink.sent();
        let subscriptions = subscriptions.iter().map(|one| ClosedSubscription {
            subject: one.subject().into(),
            queue: one.queue().map(Into::into),
            sid: one.sid().into(),
            delivered: one.delivered(),
            delivered_max: one.delivered_max(),
        });
        ClosedClient {
            id: sink.id(),
            address: sink.address().into(),
            started: sink.started(),
            stopped: now,
            reason,
            last_activity: status.last_activity(),
            round_trip: status.round_trip(),
            pending_bytes: sink.pending_bytes(),
            in_msgs: status.in_msgs.load(Ordering::Relaxed),
            in_bytes: status.in_bytes.load(Ordering::Relaxed),
            out_msgs,
            out_bytes,
            stalls: status.stalls.load(Ordering::Relaxed),
            details: status.details(),
            subscriptions: subscriptions.collect(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    sink: Arc<ClientSink>,
    socket: Arc<Socket>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<ConnectionId, Entry>,
    /// Everybody was told to close: nobody may come any more.
    closing: bool,
    closed: VecDeque<ClosedClient>,
}

/// All client connections.
#[derive(Debug)]
pub struct Registry {
    state: LeveledMutex<5, State>,
    closed_max: usize,
    closed_total: AtomicU64,
    next_id: AtomicU64,
    total: AtomicU64,
    emptied: Notify,
}

impl Registry {
    /// A registry that remembers `closed_max` closed connections.
    #[must_use]
    pub fn new(closed_max: usize) -> Registry {
        Registry {
            state: LeveledMutex::default(),
            closed_max,
            closed_total: AtomicU64::new(0),
            next_id: AtomicU64::new(0),
            total: AtomicU64::new(0),
            emptied: Notify::new(),
        }
    }

    pub(crate) fn next_id(&self) -> ConnectionId {
        self.total.fetch_add(1, Ordering::Relaxed);
        ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Adds a connection, unless there are `max` of them.
    pub(crate) fn try_add(
        &self,
        sink: &Arc<ClientSink>,
        socket: &Arc<Socket>,
        max: Option<usize>,
    ) -> bool {
        let mut state = self.state.lock();
        if state.closing || max.is_some_and(|max| state.open.len() >= max) {
            return false;
        }
        state.open.insert(sink.id(), Entry { sink: sink.clone(), socket: socket.clone() });
        true
    }

    /// Removes an open connection and remembers it as closed.
    pub(crate) fn remove(&self, closed: ClosedClient) {
        let mut state = self.state.lock();
        state.open.remove(&closed.id);
        if state.open.is_empty() {
            self.emptied.notify_waiters();
        }
        self.closed_total.fetch_add(1, Ordering::Relaxed);
        if self.closed_max > 0 {
            if state.closed.len() >= self.closed_max {
                state.closed.pop_front();
            }
            state.closed.push_back(closed);
        }
    }

    /// Tells every connection. Returns how many that were.
    pub(crate) fn tell_all(&self, control: Control) -> usize {
        let mut state = self.state.lock();
        state.closing |= matches!(control, Control::Close(_));
        state.open.values().for_each(|entry| entry.socket.control(control));
        state.open.len()
    }

    /// Tells one connection. False when there is no such.
    pub fn tell(&self, id: ConnectionId, control: Control) -> bool {
        let state = self.state.lock();
        let entry = state.open.get(&id);
        entry.inspect(|entry| entry.socket.control(control)).is_some()
    }

    /// Waits until there are no connections.
    pub(crate) async fn wait_until_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Connections now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state.lock().open.len()
    }

    /// Connections since the start.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Connections that ended since the start.
    #[must_use]
    pub fn closed_total(&self) -> u64 {
        self.closed_total.load(Ordering::Relaxed)
    }

    /// The open connection of that number.
    #[must_use]
    pub fn get(&self, id: ConnectionId) -> Option<Arc<ClientSink>> {
        self.state.lock().open.get(&id).map(|entry| entry.sink.clone())
    }

    /// All open connections, in no order.
    #[must_use]
    pub fn open(&self) -> Vec<Arc<ClientSink>> {
        self.state.lock().open.values().map(|entry| entry.sink.clone()).collect()
    }

    /// The remembered closed connections, oldest first.
    #[must_use]
    pub fn closed(&self) -> Vec<ClosedClient> {
        self.state.lock().closed.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
