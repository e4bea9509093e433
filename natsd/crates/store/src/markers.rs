//! Subject delete markers: what a stream leaves behind when the last message of a subject expires.
//!
//! Removing such messages goes through the stream, since a marker is a new message and replicas
//! must agree. So a store only says what is due, and remembers for a while that it did.
//!
//! Source: Go `server/sdm.go`, `server/filestore.go` `shouldProcessSdm`, `handleRemovalOrSdm`.

use std::collections::BTreeMap;
use std::time::Duration;

use natsd_base::Timestamp;
use natsd_base::format_go_duration;

use crate::headers::{self, HeaderBlock};
use crate::ttl::TTL_HEADER;

/// How long nothing is said again about a message that is still there.
const PATIENCE: Duration = Duration::from_secs(2);

const REASON: &[u8] = b"Nats-Marker-Reason";

/// A message that has expired and is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Its sequence.
    pub seq: u64,
    /// Its subject.
    pub subject: Vec<u8>,
    /// Whether it is the last of its subject: the stream then stores a message with
    /// [`marker_headers`], whose rollup removes this one. Otherwise it is only to be removed.
    pub leaves_marker: bool,
}

/// The header block of a subject delete marker that lives for `ttl`, in whole seconds.
#[must_use]
pub fn marker_headers(ttl: Duration) -> Vec<u8> {
    let mut block = HeaderBlock::default();
    block.push(REASON, b"MaxAge");
    block.push(TTL_HEADER, format_go_duration(Duration::from_secs(ttl.as_secs())).as_bytes());
    block.push(headers::ROLLUP, b"sub");
    block.finish()
}

/// Whether the message with these headers is a marker itself, or a purge of a key-value bucket.
fn is_marker(message_headers: &[u8]) -> bool {
    headers::text(message_headers, REASON).is_some()
        || headers::value(message_headers, b"KV-Operation") == Some(b"PURGE")
}

#[derive(Debug)]
struct Pending {
    is_last: bool,
    said: Timestamp,
}

/// What was said to be due and is still there.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    pending: BTreeMap<u64, Pending>,
    /// How many of them each subject has.
    subjects: BTreeMap<Vec<u8>, u64>,
}

impl Markers {
    /// Says whether an expired message is due, and what it leaves. `messages` counts all that its
    /// subject has. `None` when this was said shortly before.
    pub(crate) fn due(
        &mut self,
        seq: u64,
        subject: &[u8],
        message_headers: &[u8],
        messages: u64,
        now: Timestamp,
    ) -> Option<Expired> {
        let others = self.subjects.get(subject).copied().unwrap_or(0);
        let is_last = match self.pending.get_mut(&seq) {
            Some(pending) if now.since(pending.said) < PATIENCE => return None,
            Some(pending) => {
                pending.said = now;
                // More may have come since.
                pending.is_last = pending.is_last && messages <= others;
                pending.is_last
            }
            None => {
                let is_last = messages.checked_sub(others) == Some(1);
                self.pending.insert(seq, Pending { is_last, said: now });
                *self.subjects.entry(subject.to_vec()).or_default() += 1;
                is_last
            }
        };
        let leaves_marker = is_last && !is_marker(message_headers);
        Some(Expired { seq, subject: subject.to_vec(), leaves_marker })
    }

    /// The message is gone.
    pub(crate) fn forget(&mut self, seq: u64, subject: &[u8]) {
        if self.pending.remove(&seq).is_none() {
            return;
        }
        if let Some(count) = self.subjects.get_mut(subject) {
            *count -= 1;
            if *count == 0 {
                self.subjects.remove(subject);
            }
        }
    }
}
