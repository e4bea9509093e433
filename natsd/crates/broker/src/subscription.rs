//! One subscription of one connection.

use crate::Deliver;
use core::hash::{Hash, Hasher};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use natsd_base::ConnectionId;
use natsd_subject::Subscriber;
use std::sync::Arc;

/// A subscription, shared by the account's interest table and its connection's.
///
/// Subject, queue and sid stand behind each other in one allocation: there may be a million of
/// these.
#[derive(Debug)]
pub struct Subscription {
    sink: Arc<dyn Deliver>,
    connection: ConnectionId,
    text: Box<[u8]>,
    subject_len: u32,
    /// Length of the queue name plus one; 0 is no queue.
    queue_len: u32,
    delivered: AtomicU64,
    delivered_max: AtomicU64,
    closed: AtomicBool,
}

impl Subscription {
    /// A subscription that delivers to `sink`.
    #[must_use]
    pub fn new(
        sink: Arc<dyn Deliver>,
        connection: ConnectionId,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) -> Subscription {
        let text = [subject, queue.unwrap_or_default(), sid].concat().into_boxed_slice();
        let len = |part: &[u8]| u32::try_from(part.len()).expect("a control line is short");
        Subscription {
            sink,
            connection,
            text,
            subject_len: len(subject),
            queue_len: queue.map_or(0, |queue| len(queue) + 1),
            delivered: AtomicU64::new(0),
            delivered_max: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Where its messages go.
    #[must_use]
    pub fn sink(&self) -> &Arc<dyn Deliver> {
        &self.sink
    }

    /// Whose it is.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The subject, which may hold wildcards.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        &self.text[..self.subject_len as usize]
    }

    fn queue_size(&self) -> usize {
        self.queue_len.saturating_sub(1) as usize
    }

    /// The queue group, if any.
    #[must_use]
    pub fn queue(&self) -> Option<&[u8]> {
        let start = self.subject_len as usize;
        (self.queue_len > 0).then(|| &self.text[start..start + self.queue_size()])
    }

    /// The client's name for it.
    #[must_use]
    pub fn sid(&self) -> &[u8] {
        &self.text[self.subject_len as usize + self.queue_size()..]
    }

    /// Messages delivered so far.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Deliveries after which it ends, 0 for never.
    #[must_use]
    pub fn delivered_max(&self) -> u64 {
        self.delivered_max.load(Ordering::Relaxed)
    }

    /// Sets after how many deliveries it ends; 0 is never.
    pub fn set_delivered_max(&self, max: u64) {
        self.delivered_max.store(max, Ordering::Relaxed);
    }

    /// Counts one delivery. To be called under the sink's lock. `None` when the subscription is
    /// over and the message must be dropped, else whether this delivery was its last.
    #[must_use]
    #[inline]
    pub fn count_delivery(&self) -> Option<bool> {
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let count = self.delivered.load(Ordering::Relaxed) + 1;
        let max = self.delivered_max.load(Ordering::Relaxed);
        self.delivered.store(count, Ordering::Relaxed);
        if max == 0 {
            return Some(false);
        }
        (count <= max).then_some(count == max)
    }

    /// Ends deliveries to it, also by those who still hold an older match result.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// A handle of a [`Subscription`]. Two handles are equal when they are of the same one.
#[derive(Clone, Debug)]
pub struct SubscriptionRef(Arc<Subscription>);

impl SubscriptionRef {
    /// Shares `subscription`.
    #[must_use]
    pub fn new(subscription: Subscription) -> SubscriptionRef {
        SubscriptionRef(Arc::new(subscription))
    }
}

impl core::ops::Deref for SubscriptionRef {
    type Target = Subscription;
    #[inline]
    fn deref(&self) -> &Subscription {
        &self.0
    }
}

impl PartialEq for SubscriptionRef {
    fn eq(&self, other: &SubscriptionRef) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SubscriptionRef {}

impl Hash for SubscriptionRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Subscriber for SubscriptionRef {}
