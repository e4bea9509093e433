//! Restores a backup of messages into a store.

use natsd_base::Timestamp;

use super::{ArchiveError, ArchiveLimits, SEQ_LIMIT};
use crate::stream_store::{NewMessage, StoreError, StoredMessage, StreamStore};
use crate::ttl::Ttl;

/// Puts the messages of a backup into a store, with their sequences. The caller reads the backup
/// and gives what is for this; a store that was begun is to be thrown away when something fails.
///
/// Differs from Go: a message whose `Nats-TTL` says nothing usable is kept without one.
#[derive(Debug)]
pub struct MessagesRestore {
    limits: ArchiveLimits,
    allows_ttl: bool,
    last_seq: u64,
    gaps: u64,
}

impl MessagesRestore {
    /// Begins in an empty store, at the first sequence that the state of the backup names.
    /// `allows_ttl` is the stream's configuration.
    pub fn begin(
        store: &mut dyn StreamStore,
        first_seq: u64,
        allows_ttl: bool,
        limits: ArchiveLimits,
    ) -> Result<Self, ArchiveError> {
        if first_seq >= SEQ_LIMIT {
            return Err(ArchiveError::OutOfOrder { seq: first_seq });
        }
        if first_seq > 1 {
            store.compact(first_seq).map_err(at(first_seq))?;
        }
        Ok(Self { limits, allows_ttl, last_seq: first_seq.saturating_sub(1), gaps: 0 })
    }

    /// Stores the next message; an expired one leaves its sequence only.
    pub fn message(
        &mut self,
        store: &mut dyn StreamStore,
        message: &StoredMessage<'_>,
        now: Timestamp,
    ) -> Result<(), ArchiveError> {
        let seq = message.seq;
        if seq <= self.last_seq || seq >= SEQ_LIMIT {
            return Err(ArchiveError::OutOfOrder { seq });
        }
        self.skip_to(store, seq - 1, now)?;
        let ttl = Ttl::from_headers(message.headers).unwrap_or_default();
        let ttl = ttl.filter(|_| self.allows_ttl);
        if let Some(Ttl::After(duration)) = ttl
            && message.timestamp + duration < now
        {
            return self.skip_to(store, seq, now);
        }
        let stored = store.store(NewMessage {
            subject: message.subject,
            headers: message.headers,
            body: message.body,
            seq: Some(seq),
            timestamp: message.timestamp,
            ttl,
            may_refuse: false,
        });
        stored.map_err(at(seq))?;
        self.last_seq = seq;
        Ok(())
    }

    /// Ends at the last sequence that the state of the backup names.
    pub fn finish(
        mut self,
        store: &mut dyn StreamStore,
        last_seq: u64,
        now: Timestamp,
    ) -> Result<(), ArchiveError> {
        if last_seq >= SEQ_LIMIT {
            return Err(ArchiveError::OutOfOrder { seq: last_seq });
        }
        self.skip_to(store, last_seq, now)
    }

    /// Gives the sequences up to `last` away without messages.
    fn skip_to(
        &mut self,
        store: &mut dyn StreamStore,
        last: u64,
        now: Timestamp,
    ) -> Result<(), ArchiveError> {
        let count = last.saturating_sub(self.last_seq);
        if count == 0 {
            return Ok(());
        }
        // Before the first message they are not remembered one by one.
        if store.state().messages > 0 {
            self.gaps = self.gaps.saturating_add(count);
            let (what, size, limit) = ("gap", self.gaps, self.limits.gaps_max);
            if size > limit {
                return Err(ArchiveError::TooLarge { what, size, limit });
            }
        }
        let seq = self.last_seq + 1;
        store.skip(Some(seq), count, now, false).map_err(at(seq))?;
        self.last_seq = last;
        Ok(())
    }
}

fn at(seq: u64) -> impl FnOnce(StoreError) -> ArchiveError {
    move |source| ArchiveError::Store { seq, source }
}
