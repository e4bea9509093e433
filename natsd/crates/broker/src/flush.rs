//! The receivers that one batch of input touched.

use crate::Deliver;
use natsd_base::Timestamp;
use std::sync::Arc;

/// Receivers to be flushed at the end of a batch, by the thread that delivered to them.
///
/// Measured: waking the receivers' own tasks instead costs up to six times the processor time.
#[derive(Debug, Default)]
pub struct FlushSet {
    touched: Vec<Arc<dyn Deliver>>,
    crowded: Option<Arc<dyn Deliver>>,
}

impl FlushSet {
    /// Promises to flush `receiver`. The receiver itself knows whether that was promised before.
    pub fn push(&mut self, receiver: Arc<dyn Deliver>) {
        self.touched.push(receiver);
    }

    /// Notes a receiver that did not keep up: the publisher should wait for it.
    pub fn set_crowded(&mut self, receiver: &Arc<dyn Deliver>) {
        self.crowded.get_or_insert_with(|| receiver.clone());
    }

    /// Whether a receiver did not keep up.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.crowded.is_some()
    }

    /// Flushes all. Returns a receiver that did not keep up, if there was one.
    pub fn flush_all(&mut self, now: Timestamp) -> Option<Arc<dyn Deliver>> {
        for receiver in self.touched.drain(..) {
            receiver.flush(now);
        }
        self.crowded.take()
    }
}
