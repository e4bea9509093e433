//! The half of a client connection that others deliver to.

use super::status::ClientStatus;
use super::trace::{self, Shown};
use crate::CloseReason;
use crate::Snapshot;
use crate::core::outbound::{self, HasOutbound, Outbound, OutboundLimits, Pending, SocketWriter};
use crate::core::subscriptions::Subscriptions;
use ::core::sync::atomic::Ordering;
use natsd_auth::{Permissions, ReplyPermits};
use natsd_base::{ConnectionId, LeveledMutex, Timestamp, limits};
use natsd_broker::{Deliver, Delivered, Msg, Subscription, SubscriptionRef, Wake};
use std::sync::Arc;

/// What deliveries need, under the lock of level 40.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) outbound: Outbound,
    /// Whether the client understands headers.
    pub(super) headers: bool,
    /// Permissions that forbid part of what the subscriptions match.
    pub(super) filter: Option<Arc<Permissions>>,
    /// Leaves to answer, where the user has to have one.
    pub(super) replies: Option<(Arc<Permissions>, Box<ReplyPermits>)>,
    drop_when_crowded: bool,
    msgs: u64,
    bytes: u64,
}

impl HasOutbound for Output {
    fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }
}

/// The shared half of a client connection.
#[derive(Debug)]
pub struct ClientSink {
    id: ConnectionId,
    address: Box<str>,
    label: Box<str>,
    started: Timestamp,
    writer: Box<dyn SocketWriter>,
    shown: Shown,
    output: LeveledMutex<40, Output>,
    subscriptions: LeveledMutex<35, Subscriptions>,
    /// Counters and details, for monitoring.
    pub status: ClientStatus,
}

impl ClientSink {
    /// A sink that writes to `writer`. `address` is the peer's, as shown in logs.
    #[must_use]
    pub fn new(
        id: ConnectionId,
        address: &str,
        writer: Box<dyn SocketWriter>,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> ClientSink {
        let (pending_max, drop_when_crowded) = (snapshot.pending_max, snapshot.drop_when_crowded);
        let soft = if drop_when_crowded {
            pending_max / 4 * 3
        } else {
            (pending_max / 2).min(limits::PENDING_BYTES_SOFT)
        };
        let output = Output {
            outbound: Outbound::new(OutboundLimits { max: pending_max, soft }),
            headers: false,
            filter: None,
            replies: None,
            drop_when_crowded,
            msgs: 0,
            bytes: 0,
        };
        let status = ClientStatus::default();
        status.touch(now);
        ClientSink {
            id,
            address: address.into(),
            label: format!("{address} - cid:{id}").into(),
            started: now,
            writer,
            shown: snapshot.shown(),
            output: LeveledMutex::new(output),
            subscriptions: LeveledMutex::default(),
            status,
        }
    }

    /// Number of the connection.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Address of the client.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What starts a log line about this connection: `127.0.0.1:5000 - cid:7`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// When the connection was made.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Appends `bytes` of protocol. The caller flushes.
    pub fn send(&self, bytes: &[u8]) {
        let mut output = self.output.lock();
        let outbound = &mut output.outbound;
        if outbound.closed().is_some() {
            return;
        }
        outbound.room(bytes.len()).extend_from_slice(bytes);
        if outbound.is_over() {
            outbound.close(CloseReason::SlowConsumerPendingBytes);
            drop(output);
            self.writer.wake_driver();
        }
    }

    /// Frees what is pending: the connection is gone, but others may still hold the sink.
    pub fn discard(&self) {
        self.output.lock().outbound.discard();
    }

    /// Ends the connection from outside; the driver does the rest.
    pub fn close(&self, reason: CloseReason) {
        self.output.lock().outbound.close(reason);
        self.writer.wake_driver();
    }

    /// A write took longer than it may and is tried on: counts from `now` again.
    pub fn retry(&self, now: Timestamp) {
        self.output.lock().outbound.retry(now);
    }

    /// What is left for the driver.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.output.lock().outbound.left_for_driver()
    }

    /// Bytes of output that the peer has not taken yet.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.output.lock().outbound.pending()
    }

    /// Writes on, for the driver, when the socket takes output again.
    pub fn resume(&self, now: Timestamp) {
        self.output.lock().outbound.unblock();
        self.flush(now);
    }

    /// Takes all output, and how much of it is written already, for a driver that writes it by
    /// itself. It must give it back by [`ClientSink::finish_output`].
    #[must_use]
    pub fn take_output(&self) -> Option<(Vec<u8>, usize)> {
        self.output.lock().outbound.take()
    }

    /// Ends what [`ClientSink::take_output`] began: `written` bytes of `buffer` are written.
    pub fn finish_output(&self, buffer: Vec<u8>, written: usize) {
        self.output.lock().outbound.finish(buffer, written);
    }

    /// Messages and bytes sent to the client.
    #[must_use]
    pub fn sent(&self) -> (u64, u64) {
        let output = self.output.lock();
        (output.msgs, output.bytes)
    }

    /// Number of subscriptions.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.lock().len()
    }

    /// All subscriptions, for monitoring.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<SubscriptionRef> {
        self.subscriptions.lock().iter().cloned().collect()
    }

    pub(super) fn with_output<R>(&self, change: impl FnOnce(&mut Output) -> R) -> R {
        change(&mut self.output.lock())
    }

    pub(super) fn with_subscriptions<R>(&self, change: impl FnOnce(&mut Subscriptions) -> R) -> R {
        change(&mut self.subscriptions.lock())
    }
}

impl Output {
    #[inline]
    fn append(&mut self, msg: &Msg<'_>, sid: &[u8]) -> usize {
        let with_headers = msg.header_size > 0 && self.headers;
        let payload = if with_headers || msg.header_size == 0 {
            msg.payload_crlf
        } else {
            &msg.payload_crlf[msg.header_size..]
        };
        let size = payload.len() - 2;
        let fixed = 64;
        let room = fixed + msg.subject.len() + sid.len() + msg.reply.len() + payload.len();
        let buffer = self.outbound.room(room);
        buffer.extend_from_slice(if with_headers { b"HMSG " } else { b"MSG " });
        buffer.extend_from_slice(msg.subject);
        buffer.push(b' ');
        buffer.extend_from_slice(sid);
        buffer.push(b' ');
        if !msg.reply.is_empty() {
            buffer.extend_from_slice(msg.reply);
            buffer.push(b' ');
        }
        if with_headers {
            buffer.extend_from_slice(msg.header_size_text);
            buffer.push(b' ');
            buffer.extend_from_slice(msg.size_text);
        } else if msg.header_size == 0 {
            buffer.extend_from_slice(msg.size_text);
        } else {
            buffer.extend_from_slice(size.to_string().as_bytes());
        }
        buffer.extend_from_slice(b"\r\n");
        buffer.extend_from_slice(payload);
        self.msgs += 1;
        self.bytes += size as u64;
        size
    }
}

impl Deliver for ClientSink {
    fn deliver(&self, msg: &Msg<'_>, subscription: &Subscription, now: Timestamp) -> Delivered {
        let mut guard = self.output.lock();
        let output = &mut *guard;
        if output.outbound.closed().is_some() {
            return Delivered::Refused;
        }
        if let Some(filter) = &output.filter
            && filter.denies_delivery(msg.subject, subscription.queue())
        {
            return Delivered::Refused;
        }
        // Differs from Go: what is dropped does not count towards an auto-unsubscribe, because the
        // subscription would end without its messages.
        if output.drop_when_crowded && output.outbound.is_crowded() {
            return Delivered::Refused;
        }
        let Some(ended) = subscription.count_delivery() else {
            return Delivered::Refused;
        };
        let size = output.append(msg, subscription.sid());
        if let Some((permissions, replies)) = &mut output.replies
            && !msg.reply.is_empty()
            && !permissions.may_publish(msg.reply)
        {
            replies.grant(msg.reply, now);
        }
        if output.outbound.is_over() {
            output.outbound.close(CloseReason::SlowConsumerPendingBytes);
            drop(guard);
            self.writer.wake_driver();
            return Delivered::Refused;
        }
        if tracing::enabled!(target: trace::TARGET, tracing::Level::TRACE) {
            trace::delivery(&self.label, msg, subscription.sid(), output.headers, self.shown);
        }
        Delivered::Queued {
            needs_flush: output.outbound.promise_flush(),
            ended,
            crowded: output.outbound.is_crowded(),
            size,
        }
    }

    fn flush(&self, now: Timestamp) -> bool {
        self.status.touch(now);
        outbound::flush(&self.output, &*self.writer, now)
    }

    fn forget(&self, subscription: &Subscription) {
        self.subscriptions.lock().remove(subscription);
    }

    fn wake_when_drained(&self, waiter: &Arc<dyn Wake>) -> bool {
        let waits = self.output.lock().outbound.wake_when_drained(waiter);
        if waits {
            self.status.stalls.fetch_add(1, Ordering::Relaxed);
        }
        waits
    }
}
