//! What every store of a stream's messages does, in memory or on disk.
//!
//! A store belongs to one shard and has no locks. It says what it holds and removes by its limits;
//! who may publish, retention by interest and everything replicated is decided above it.
//!
//! Source: Go `server/store.go` `StreamStore`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use natsd_base::Timestamp;
use natsd_subject::SubjectSet;

use crate::markers::Expired;
use crate::schedule::ScheduledMessage;
use crate::sequence_set::SequenceSet;
use crate::snapshot::SourceState;
use crate::ttl::Ttl;

/// Why a store refused something. The texts are Go's: they reach clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The message limit is reached and new messages are to be refused.
    #[error("maximum messages exceeded")]
    MaxMessages,
    /// The byte limit is reached and new messages are to be refused.
    #[error("maximum bytes exceeded")]
    MaxBytes,
    /// The subject's limit is reached and new messages are to be refused.
    #[error("maximum messages per subject exceeded")]
    MaxMessagesPerSubject,
    /// The next sequence is another one than the caller expects.
    #[error("expected sequence does not match store")]
    SequenceMismatch,
    /// A sequence beyond the last one.
    #[error("invalid sequence")]
    InvalidSequence,
    /// There is no message under this sequence.
    #[error("no message found")]
    NotFound,
    /// The sequence has not been reached yet.
    #[error("stream store EOF")]
    BeyondLast,
    /// More subjects match than the caller allows.
    #[error("too many matching results for request")]
    TooManyResults,
    /// A message is too large for the store's format.
    #[error("message too large")]
    TooLarge,
    /// The disk refused. Nothing has changed; what was stored before is still readable.
    #[error("store: disk error: {0}")]
    Disk(io::ErrorKind),
    /// The message of this sequence was damaged on disk and is lost.
    #[error("message is damaged")]
    Damaged,
    /// The store does not write any more: it was stopped, is open to read only, or a sync failed.
    #[error("store is closed")]
    Stopped,
}

/// What is done with a message that is over a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Discard {
    /// The oldest message goes.
    #[default]
    Old,
    /// The new message is refused.
    New,
}

/// What a store needs to know of a stream's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// Messages kept; none means any number.
    pub messages_max: Option<u64>,
    /// Bytes kept, by the store's own count; none means any number.
    pub bytes_max: Option<u64>,
    /// Messages kept of each subject; none means any number.
    pub messages_per_subject_max: Option<u64>,
    /// How long messages are kept; none means for ever.
    pub age_max: Option<Duration>,
    /// What happens at the message and byte limits.
    pub discard: Discard,
    /// With [`Discard::New`]: refuse at the subject's limit too, instead of replacing.
    pub discard_new_per_subject: bool,
    /// Whether messages may have a time to live of their own.
    pub allow_message_ttl: bool,
    /// How long the marker lives that the last expired message of a subject leaves; none means
    /// that it leaves none. See [`StreamStore::expired`].
    pub subject_delete_marker_ttl: Option<Duration>,
    /// Whether messages may be schedules.
    pub allow_message_schedules: bool,
    /// The index names of the stream's sources.
    pub sources: Vec<Vec<u8>>,
    /// Where a new stream begins; 0 and 1 mean at 1.
    pub first_seq: u64,
}

/// A message to store.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// Literal; empty in logs that have no subjects.
    pub subject: &'a [u8],
    /// The header block, or nothing.
    pub headers: &'a [u8],
    /// The payload.
    pub body: &'a [u8],
    /// The sequence it must get, or the next one.
    pub seq: Option<u64>,
    /// When it was received. Not before that of the message before.
    pub timestamp: Timestamp,
    /// How long it lives; looked at where the stream allows it.
    pub ttl: Option<Ttl>,
    /// Whether [`Discard::New`] may refuse it. A follower must take what its leader took.
    pub may_refuse: bool,
}

/// A stored message. Slices point into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    /// Stream sequence, from 1.
    pub seq: u64,
    /// When it was stored.
    pub timestamp: Timestamp,
    /// Literal.
    pub subject: &'a [u8],
    /// The header block, or nothing.
    pub headers: &'a [u8],
    /// The payload.
    pub body: &'a [u8],
}

/// Which messages are meant, by subject.
#[derive(Debug, Clone, Copy)]
pub enum Filter<'a> {
    /// Every message.
    All,
    /// Those of one subject, wildcards allowed.
    One(&'a [u8]),
    /// Those of any subject in the set, wildcards allowed.
    Any(&'a SubjectSet),
}

impl<'a> Filter<'a> {
    /// A filter of a request: nothing and `>` mean every message.
    #[must_use]
    pub fn new(subject: &'a [u8]) -> Self {
        if subject.is_empty() || subject == b">" { Self::All } else { Self::One(subject) }
    }

    /// Whether messages of the literal `subject` are meant.
    #[must_use]
    pub fn matches(&self, subject: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::One(filter) => natsd_subject::subject::matches(subject, filter),
            Self::Any(filters) => filters.has_interest(subject),
        }
    }
}

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamState {
    /// How many messages.
    pub messages: u64,
    /// Their size, by the store's own count.
    pub bytes: u64,
    /// The first message; one beyond the last sequence when there is none, 0 when there never
    /// was one.
    pub first_seq: u64,
    /// When the first message was stored.
    pub first_time: Option<Timestamp>,
    /// The last sequence given away, whether its message is still there or not.
    pub last_seq: u64,
    /// When it was.
    pub last_time: Option<Timestamp>,
    /// How many subjects have a message.
    pub subjects: u64,
    /// How many sequences between the first and the last have no message.
    pub deleted: u64,
}

/// What a store holds of a subject or a filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubjectState {
    /// How many messages.
    pub messages: u64,
    /// The first sequence, 0 without messages.
    pub first: u64,
    /// The last sequence, 0 without messages.
    pub last: u64,
}

/// Messages of one stream.
pub trait StreamStore: Send + std::fmt::Debug {
    /// Applies other limits, and removes what is over them. `now` is for what is too old.
    fn update_config(&mut self, config: StoreConfig, now: Timestamp);
    /// Stores a message, then removes what is over the limits. Returns its sequence. When it is
    /// refused nothing has changed.
    fn store(&mut self, message: NewMessage<'_>) -> Result<u64, StoreError>;
    /// Gives `count` sequences away without messages, from `seq` or the next one. Returns the
    /// last of them. `now` is the time of the last sequence if there was none before, or if
    /// `moves_time`.
    fn skip(
        &mut self,
        seq: Option<u64>,
        count: u64,
        now: Timestamp,
        moves_time: bool,
    ) -> Result<u64, StoreError>;

    /// The message of a sequence.
    fn load(&mut self, seq: u64) -> Result<StoredMessage<'_>, StoreError>;
    /// The last message of `filter`. For every message this is the one of the last sequence, or
    /// none when that was removed.
    fn load_last(&mut self, filter: Filter<'_>) -> Result<StoredMessage<'_>, StoreError>;
    /// The first message of `filter` at or above `start`, if there is one.
    fn load_next(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<StoredMessage<'_>>, StoreError>;
    /// The last message of `filter` at or below `start`, if there is one.
    fn load_prev(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<StoredMessage<'_>>, StoreError>;

    /// Removes a message; whether it was there.
    fn remove(&mut self, seq: u64) -> Result<bool, StoreError>;
    /// Removes a message and overwrites it; whether it was there.
    fn erase(&mut self, seq: u64) -> Result<bool, StoreError>;
    /// Removes everything and returns how many messages that was. The next sequence stays.
    fn purge(&mut self) -> Result<u64, StoreError>;
    /// Removes messages of `filter` below `seq` (0: of any sequence), but for the `keep` newest.
    /// With `seq` and every message meant, `keep` is not looked at, as in Go.
    fn purge_matching(
        &mut self,
        filter: Filter<'_>,
        seq: u64,
        keep: u64,
    ) -> Result<u64, StoreError>;
    /// Removes every message below `seq`; beyond the last one it becomes the next sequence.
    fn compact(&mut self, seq: u64) -> Result<u64, StoreError>;
    /// Removes every message and sequence above `seq`; 0 begins the stream anew.
    fn truncate(&mut self, seq: u64, now: Timestamp) -> Result<(), StoreError>;
    /// Removes what is too old at `now`, and returns how many messages that was.
    fn expire(&mut self, now: Timestamp) -> Result<u64, StoreError>;
    /// Says what [`StreamStore::expire`] would remove, `count_max` messages at most, and removes
    /// nothing: for streams whose replicas must agree, or where the last message of a subject
    /// leaves a marker. What was said and is still there is said again after two seconds.
    fn expired(&mut self, now: Timestamp, count_max: usize) -> Result<Vec<Expired>, StoreError>;
    /// The messages that the stream's schedules make by `now`. Each comes once until what it made
    /// is stored, or [`StreamStore::clear_in_flight`].
    fn scheduled(&mut self, now: Timestamp) -> Result<Vec<ScheduledMessage>, StoreError>;
    /// When to call [`StreamStore::scheduled`] next, but not before 250 ms have passed.
    fn next_schedule(&self) -> Option<Timestamp>;
    /// Forgets what was said to be expired or scheduled: a new leader begins.
    fn clear_in_flight(&mut self);
    /// How far the stream has read those of its sources that anything came from, by index name.
    fn sources(&self) -> BTreeMap<Vec<u8>, SourceState>;
    /// Takes over what a leader knows of the sources. Nothing at all is no news.
    fn apply_sources(&mut self, sources: &BTreeMap<Vec<u8>, SourceState>);
    /// When to call [`StreamStore::expire`] next. Nothing expires earlier.
    fn next_expiration(&self) -> Option<Timestamp>;

    /// What the store holds. Cheap.
    fn state(&self) -> StreamState;
    /// The sequences between the first and the last that have no message.
    fn deleted(&self) -> &SequenceSet;
    /// What there is of `filter` from `start` on.
    fn filtered_state(&mut self, start: u64, filter: Filter<'_>) -> SubjectState;
    /// What there is of each subject of `filter`.
    fn subjects_state(&mut self, filter: Filter<'_>) -> BTreeMap<Vec<u8>, SubjectState>;
    /// How many messages there are of each subject of `filter`.
    fn subjects_totals(&mut self, filter: Filter<'_>) -> BTreeMap<Vec<u8>, u64>;
    /// The first message that was stored at `time` or later, or one beyond the last sequence.
    fn seq_from_time(&mut self, time: Timestamp) -> u64;
    /// The subject of a sequence.
    fn subject_of(&mut self, seq: u64) -> Result<&[u8], StoreError>;
    /// How many messages of `filter` there are from `start` on, or how many subjects of it whose
    /// last message is there; and up to which sequence this is true.
    fn pending(&mut self, start: u64, filter: Filter<'_>, last_per_subject: bool) -> (u64, u64);
    /// The last sequence of each subject that some filter stands for, at or below `last` (0: of
    /// all), in ascending order.
    fn last_seqs(
        &mut self,
        filters: &[&[u8]],
        last: u64,
        count_max: Option<usize>,
    ) -> Result<Vec<u64>, StoreError>;
    /// Calls `visit` with the messages of [`StreamStore::last_seqs`] from `first` on, and how many
    /// are left, until it says no. Returns how many there were and how many are left.
    fn last_messages(
        &mut self,
        filters: &[&[u8]],
        first: u64,
        last: u64,
        count_max: Option<usize>,
        visit: &mut dyn FnMut(StoredMessage<'_>, u64) -> bool,
    ) -> Result<(u64, u64), StoreError> {
        let seqs = self.last_seqs(filters, last, count_max)?;
        let total = seqs.len() as u64;
        let mut left = total;
        for seq in seqs {
            left -= 1;
            if seq >= first && !visit(self.load(seq)?, left) {
                break;
            }
        }
        Ok((total, left))
    }
}

#[cfg(test)]
pub(crate) mod tests;
