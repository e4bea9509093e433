//! A stream's messages in memory.
//!
//! Each message is linked with its neighbours of the same subject, and each subject knows its
//! first and last: nothing is ever searched for to keep a subject's state, which Go's lazy
//! recalculation does.
//!
//! Invariant: `deleted` holds exactly the sequences from the first to the last without a message.
//!
//! Source: Go `server/memstore.go`.

mod query;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use natsd_base::Timestamp;
use natsd_subject::SubjectTree;

use crate::headers;
use crate::markers::{Expired, Markers};
use crate::schedule::{ScheduledMessage, Schedules, next_firing};
use crate::sequence_set::SequenceSet;
use crate::snapshot::SourceState;
use crate::sources::Sources;
use crate::stream_store::{
    Discard, Filter, NewMessage, StoreConfig, StoreError, StoredMessage, StreamState, StreamStore,
    SubjectState,
};
use crate::ttl::Ttl;
use crate::wheel::TimeHashWheel;
use table::{Entry, MessageTable};

/// Bytes that a message counts for beside its content. Go: `memStoreMsgSizeRaw`.
const MESSAGE_OVERHEAD: u64 = 16;

/// A stream's messages in memory.
///
/// Source: Go `server/memstore.go` `memStore`.
#[derive(Debug)]
pub struct MemStore {
    config: StoreConfig,
    messages: MessageTable,
    subjects: SubjectTree<SubjectState>,
    deleted: SequenceSet,
    state: StreamState,
    /// Where the stream allows it.
    ttls: Option<MessageTtls>,
    /// Where the stream allows it.
    schedules: Option<Schedules>,
    sources: Sources,
    markers: Markers,
}

/// Which messages live for how long.
#[derive(Debug, Default)]
struct MessageTtls {
    wheel: TimeHashWheel,
    /// By sequence; [`Timestamp::NEVER`] for those that stay, which are not in the wheel.
    expirations: BTreeMap<u64, Timestamp>,
}

impl MessageTtls {
    fn insert(&mut self, seq: u64, timestamp: Timestamp, ttl: Ttl) {
        let expires = match ttl {
            Ttl::Never => Timestamp::NEVER,
            Ttl::After(duration) => timestamp + duration,
        };
        self.expirations.insert(seq, expires);
        if expires != Timestamp::NEVER {
            self.wheel.insert(seq, expires);
        }
    }

    fn remove(&mut self, seq: u64) {
        if let Some(expires) = self.expirations.remove(&seq) {
            self.wheel.remove(seq, expires);
        }
    }

    fn never_expires(&self, seq: u64) -> bool {
        self.expirations.get(&seq) == Some(&Timestamp::NEVER)
    }
}

fn message_size(content_size: usize) -> u64 {
    content_size as u64 + MESSAGE_OVERHEAD
}

impl MemStore {
    /// An empty store.
    #[must_use]
    pub fn new(config: StoreConfig) -> Self {
        let mut state = StreamState::default();
        if config.first_seq > 0 {
            state.first_seq = config.first_seq;
            state.last_seq = config.first_seq - 1;
        }
        let ttls = config.allow_message_ttl.then(MessageTtls::default);
        let schedules = config.allow_message_schedules.then(Schedules::new);
        let mut sources = Sources::default();
        sources.configure(&config.sources);
        Self {
            config,
            messages: MessageTable::default(),
            subjects: SubjectTree::new(),
            deleted: SequenceSet::new(),
            state,
            ttls,
            schedules,
            sources,
            markers: Markers::default(),
        }
    }

    fn next_seq(&self, expected: Option<u64>) -> Result<u64, StoreError> {
        let next = self.state.last_seq + 1;
        if expected.is_some_and(|expected| expected != next) {
            return Err(StoreError::SequenceMismatch);
        }
        Ok(next)
    }

    /// Whether the limits allow the message, where new ones are refused.
    fn check_discard_new(&self, message: &NewMessage<'_>, size: u64) -> Result<(), StoreError> {
        let subject = self.subjects.get(message.subject).filter(|_| !message.subject.is_empty());
        let per_subject_max = self.config.messages_per_subject_max;
        // Such a message replaces the first one of its subject.
        let replaced =
            subject.filter(|state| per_subject_max.is_some_and(|max| state.messages >= max));
        let is_rollup = headers::text(message.headers, headers::ROLLUP).is_some();
        if replaced.is_some() && self.config.discard_new_per_subject && !is_rollup {
            return Err(StoreError::MaxMessagesPerSubject);
        }
        let is_full = self.config.messages_max.is_some_and(|max| self.state.messages >= max);
        if is_full && replaced.is_none() {
            return Err(StoreError::MaxMessages);
        }
        if self.config.bytes_max.is_some_and(|max| self.state.bytes + size > max) {
            let first = replaced.and_then(|state| self.messages.get(state.first));
            let freed = first.map(|entry| message_size(entry.content_size()));
            if freed.is_none_or(|freed| freed < size) {
                return Err(StoreError::MaxBytes);
            }
        }
        Ok(())
    }

    /// Adds the last message to its subject.
    fn link(&mut self, seq: u64, mut entry: Entry) {
        if !entry.subject().is_empty() {
            let none = || SubjectState { messages: 0, first: seq, last: 0 };
            let subject = self.subjects.get_or_insert_with(entry.subject(), none);
            subject.messages += 1;
            entry.previous = std::mem::replace(&mut subject.last, seq);
            if let Some(previous) = self.messages.get_mut(entry.previous) {
                previous.next = seq;
            }
        }
        self.messages.insert(seq, entry);
    }

    /// Takes a message that was removed from its subject.
    fn unlink(&mut self, entry: &Entry) {
        if entry.subject().is_empty() {
            return;
        }
        if let Some(previous) = self.messages.get_mut(entry.previous) {
            previous.next = entry.next;
        }
        if let Some(next) = self.messages.get_mut(entry.next) {
            next.previous = entry.previous;
        }
        let subject = self.subjects.get_mut(entry.subject()).expect("it has this message");
        subject.messages -= 1;
        if entry.previous == 0 {
            subject.first = entry.next;
        }
        if entry.next == 0 {
            subject.last = entry.previous;
        }
        if subject.messages == 0 {
            self.subjects.remove(entry.subject());
        }
    }

    /// Takes a message out, leaving the first sequence and the deleted ones as they are.
    fn take(&mut self, seq: u64) -> Option<Entry> {
        let entry = self.messages.remove(seq)?;
        self.unlink(&entry);
        self.state.messages -= 1;
        self.state.bytes -= message_size(entry.content_size());
        if let Some(ttls) = &mut self.ttls {
            ttls.remove(seq);
        }
        if let Some(schedules) = &mut self.schedules {
            schedules.remove(seq);
        }
        self.markers.forget(seq, entry.subject());
        Some(entry)
    }

    /// Makes `seq` or the first message above it the first one.
    fn move_first(&mut self, seq: u64) {
        let first = self.messages.next_live(seq).map(|(seq, entry)| (seq, entry.timestamp));
        self.state.first_seq = first.map_or(self.state.last_seq + 1, |(seq, _)| seq);
        self.state.first_time = first.map(|(_, timestamp)| timestamp);
        self.deleted.remove_range(0, self.state.first_seq - 1);
    }

    fn remove_message(&mut self, seq: u64, wipes: bool) -> bool {
        let Some(mut entry) = self.take(seq) else { return false };
        if wipes {
            entry.wipe();
        }
        if seq == self.state.first_seq {
            self.move_first(seq + 1);
        } else {
            self.deleted.insert(seq);
        }
        true
    }

    fn is_over_limits(&self) -> bool {
        self.config.messages_max.is_some_and(|max| self.state.messages > max)
            || self.config.bytes_max.is_some_and(|max| self.state.bytes > max)
    }

    fn enforce_limits(&mut self) {
        while self.config.discard == Discard::Old && self.is_over_limits() {
            assert!(self.remove_message(self.state.first_seq, false), "the first message is there");
        }
    }

    fn enforce_subject_limit(&mut self, subject: &[u8]) {
        let Some(max) = self.config.messages_per_subject_max else { return };
        while let Some(state) = self.subjects.get(subject).filter(|state| state.messages > max) {
            let first = state.first;
            assert!(self.remove_message(first, false), "a subject's first message is there");
        }
    }

    /// Removes everything; `first_seq` comes next.
    fn clear(&mut self, first_seq: u64) -> u64 {
        let purged = self.state.messages;
        self.messages.clear();
        self.subjects.clear();
        self.deleted.clear();
        self.ttls = self.config.allow_message_ttl.then(MessageTtls::default);
        self.schedules = self.config.allow_message_schedules.then(Schedules::new);
        self.markers = Markers::default();
        self.state = StreamState {
            first_seq,
            last_seq: first_seq - 1,
            last_time: self.state.last_time,
            ..StreamState::default()
        };
        purged
    }

    /// Reads the times to live from the headers, when the stream begins to allow them.
    fn recover_ttls(&mut self) {
        let mut ttls = MessageTtls::default();
        let mut next = self.messages.next_live(0);
        while let Some((seq, entry)) = next {
            if let Ok(Some(ttl)) = Ttl::from_headers(entry.headers()) {
                ttls.insert(seq, entry.timestamp, ttl);
            }
            next = self.messages.next_live(seq + 1);
        }
        self.ttls = Some(ttls);
    }

    /// Reads the schedules from the headers, when the stream begins to allow them.
    fn recover_schedules(&mut self, now: Timestamp) {
        let mut schedules = Schedules::new();
        let mut next = self.messages.next_live(0);
        while let Some((seq, entry)) = next {
            // Any later message of the subject took its place.
            let is_last = self.subjects.get(entry.subject()).is_some_and(|state| state.last == seq);
            if is_last && let Ok(Some(firing)) = next_firing(entry.headers(), entry.timestamp, now)
            {
                schedules.insert(seq, entry.subject(), firing.time());
            }
            next = self.messages.next_live(seq + 1);
        }
        self.schedules = Some(schedules);
    }

    /// The first message that the stream's age limit may remove, and when.
    fn next_by_age(&self, age_max: Duration, start: u64) -> Option<(u64, Timestamp)> {
        let mut next = self.messages.next_live(start);
        while let Some((seq, entry)) = next {
            if !self.ttls.as_ref().is_some_and(|ttls| ttls.never_expires(seq)) {
                return Some((seq, entry.timestamp + age_max));
            }
            next = self.messages.next_live(seq + 1);
        }
        None
    }
}

impl StreamStore for MemStore {
    fn update_config(&mut self, config: StoreConfig, now: Timestamp) {
        let old_max = self.config.messages_per_subject_max;
        self.config = config;
        match (self.config.allow_message_ttl, &self.ttls) {
            (true, None) => self.recover_ttls(),
            (false, Some(_)) => self.ttls = None,
            (true, Some(_)) | (false, None) => {}
        }
        match (self.config.allow_message_schedules, &self.schedules) {
            (true, None) => self.recover_schedules(now),
            (false, Some(_)) => self.schedules = None,
            (true, Some(_)) | (false, None) => {}
        }
        self.sources.configure(&self.config.sources);
        self.enforce_limits();
        let max = self.config.messages_per_subject_max;
        if let Some(max) = max.filter(|&max| old_max.is_none_or(|old| max < old)) {
            let mut over: Vec<Box<[u8]>> = Vec::new();
            self.subjects.for_each(|subject, state| {
                if state.messages > max {
                    over.push(subject.into());
                }
            });
            for subject in over {
                self.enforce_subject_limit(&subject);
            }
        }
        self.remove_expired(now);
    }

    fn store(&mut self, message: NewMessage<'_>) -> Result<u64, StoreError> {
        let parts = [message.subject, message.headers, message.body];
        let size = message_size(parts.iter().map(|part| part.len()).sum());
        if message.may_refuse && self.config.discard == Discard::New {
            self.check_discard_new(&message, size)?;
        }
        let seq = self.next_seq(message.seq)?;
        let entry = Entry::new(parts, message.timestamp).ok_or(StoreError::MaxBytes)?;
        if self.state.messages == 0 {
            self.state.first_seq = seq;
            self.state.first_time = Some(message.timestamp);
        }
        self.link(seq, entry);
        self.state.messages += 1;
        self.state.bytes += size;
        self.state.last_seq = seq;
        self.state.last_time = Some(message.timestamp);
        if let (Some(ttls), Some(ttl)) = (&mut self.ttls, message.ttl) {
            ttls.insert(seq, message.timestamp, ttl);
        }
        if let Some(schedules) = &mut self.schedules {
            let at = message.timestamp;
            schedules.note(seq, message.subject, message.headers, at, at);
        }
        self.sources.note(message.headers);
        self.enforce_subject_limit(message.subject);
        self.enforce_limits();
        Ok(seq)
    }

    fn skip(
        &mut self,
        seq: Option<u64>,
        count: u64,
        now: Timestamp,
        moves_time: bool,
    ) -> Result<u64, StoreError> {
        let first = self.next_seq(seq)?;
        if count == 0 {
            return Ok(self.state.last_seq);
        }
        let last = first.checked_add(count - 1).filter(|&last| last < u64::MAX);
        let last = last.ok_or(StoreError::InvalidSequence)?;
        self.state.last_seq = last;
        if moves_time || self.state.last_time.is_none() {
            self.state.last_time = Some(now);
        }
        if self.state.messages == 0 {
            self.state.first_seq = last + 1;
            self.state.first_time = None;
        } else {
            self.deleted.insert_range(first, last);
        }
        Ok(last)
    }

    fn load(&mut self, seq: u64) -> Result<StoredMessage<'_>, StoreError> {
        self.message(seq)
    }

    fn load_last(&mut self, filter: Filter<'_>) -> Result<StoredMessage<'_>, StoreError> {
        let seq = match filter {
            Filter::All => self.state.last_seq,
            Filter::One(_) | Filter::Any(_) => {
                let mut last = 0;
                self.for_each_subject(filter, |_, state| last = last.max(state.last));
                last
            }
        };
        let entry = self.messages.get(seq).ok_or(StoreError::NotFound)?;
        Ok(entry.message(seq))
    }

    fn load_next(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<StoredMessage<'_>>, StoreError> {
        Ok(self.next_matching(filter, start).map(|(seq, entry)| entry.message(seq)))
    }

    fn load_prev(
        &mut self,
        filter: Filter<'_>,
        start: u64,
    ) -> Result<Option<StoredMessage<'_>>, StoreError> {
        Ok(self.previous_matching(filter, start).map(|(seq, entry)| entry.message(seq)))
    }

    fn remove(&mut self, seq: u64) -> Result<bool, StoreError> {
        Ok(self.remove_message(seq, false))
    }

    fn erase(&mut self, seq: u64) -> Result<bool, StoreError> {
        Ok(self.remove_message(seq, true))
    }

    fn purge(&mut self) -> Result<u64, StoreError> {
        Ok(self.clear(self.state.last_seq + 1))
    }

    fn purge_matching(
        &mut self,
        filter: Filter<'_>,
        seq: u64,
        keep: u64,
    ) -> Result<u64, StoreError> {
        match (filter, seq, keep) {
            (_, 1, _) => return Ok(0), // Nothing is below 1.
            (Filter::All, 0, 0) => return self.purge(),
            (Filter::All, 2.., _) => return self.compact(seq),
            _ => {}
        }
        let total = self.filtered_state(0, filter).messages;
        let count = usize::try_from(total.saturating_sub(keep)).unwrap_or(usize::MAX);
        let mut seqs = self.matching_seqs(filter, seq.checked_sub(1).unwrap_or(u64::MAX));
        seqs.truncate(count);
        for &seq in &seqs {
            self.remove_message(seq, false);
        }
        Ok(seqs.len() as u64)
    }

    fn compact(&mut self, seq: u64) -> Result<u64, StoreError> {
        if seq == 0 {
            return self.purge();
        }
        if self.state.first_seq > seq {
            return Ok(0);
        }
        if seq > self.state.last_seq {
            return Ok(self.clear(seq));
        }
        let before = self.state.messages;
        while let Some((removed, _)) = self.messages.next_live(0).filter(|(first, _)| *first < seq)
        {
            self.take(removed);
        }
        self.move_first(seq);
        Ok(before - self.state.messages)
    }

    fn truncate(&mut self, seq: u64, now: Timestamp) -> Result<(), StoreError> {
        if seq == 0 {
            self.clear(1);
            self.state.first_seq = 0;
            self.state.last_time = Some(now);
            return Ok(());
        }
        if seq > self.state.last_seq {
            return Err(StoreError::InvalidSequence);
        }
        while let Some((removed, _)) =
            self.messages.previous_live(u64::MAX).filter(|(last, _)| *last > seq)
        {
            self.take(removed);
        }
        if let Some(last) = self.messages.get(seq) {
            self.state.last_time = Some(last.timestamp);
        }
        self.deleted.remove_range(seq + 1, self.state.last_seq);
        self.state.last_seq = seq;
        if self.state.messages == 0 {
            self.move_first(seq + 1);
        }
        Ok(())
    }

    fn expire(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.remove_expired(now))
    }

    fn expired(&mut self, now: Timestamp, count_max: usize) -> Result<Vec<Expired>, StoreError> {
        let mut expired = Vec::new();
        for seq in self.expired_seqs(now) {
            if expired.len() == count_max {
                break;
            }
            let Some(entry) = self.messages.get(seq) else { continue };
            let messages = self.subjects.get(entry.subject()).map_or(0, |state| state.messages);
            let due = self.markers.due(seq, entry.subject(), entry.headers(), messages, now);
            let leaves_marker = self.config.subject_delete_marker_ttl.is_some();
            expired.extend(
                due.map(|due| Expired { leaves_marker: due.leaves_marker && leaves_marker, ..due }),
            );
        }
        Ok(expired)
    }

    fn scheduled(&mut self, now: Timestamp) -> Result<Vec<ScheduledMessage>, StoreError> {
        let Some(mut schedules) = self.schedules.take() else { return Ok(Vec::new()) };
        let due = schedules.due(self, now);
        self.schedules = Some(schedules);
        due
    }

    fn next_schedule(&self) -> Option<Timestamp> {
        self.schedules.as_ref().and_then(Schedules::next)
    }

    fn clear_in_flight(&mut self) {
        self.markers = Markers::default();
        if let Some(schedules) = &mut self.schedules {
            schedules.clear_in_flight();
        }
    }

    fn sources(&self) -> BTreeMap<Vec<u8>, SourceState> {
        self.sources.known()
    }

    fn apply_sources(&mut self, sources: &BTreeMap<Vec<u8>, SourceState>) {
        if !sources.is_empty() {
            self.sources.apply(sources);
        }
    }

    fn next_expiration(&self) -> Option<Timestamp> {
        let by_age = self.config.age_max.and_then(|age_max| self.next_by_age(age_max, 0));
        let by_age = by_age.map_or(Timestamp::NEVER, |(_, expires)| expires);
        let by_ttl = self.ttls.as_ref().and_then(|ttls| ttls.wheel.next_expiration(by_age));
        by_ttl.or(Some(by_age)).filter(|&expires| expires != Timestamp::NEVER)
    }

    fn state(&self) -> StreamState {
        StreamState {
            subjects: self.subjects.len() as u64,
            deleted: self.deleted.len(),
            ..self.state
        }
    }

    fn deleted(&self) -> &SequenceSet {
        &self.deleted
    }

    fn filtered_state(&mut self, start: u64, filter: Filter<'_>) -> SubjectState {
        self.state_from(start, filter, false)
    }

    fn subjects_state(&mut self, filter: Filter<'_>) -> BTreeMap<Vec<u8>, SubjectState> {
        let mut states = BTreeMap::new();
        self.for_each_subject(filter, |subject, state| {
            states.insert(subject.to_vec(), *state);
        });
        states
    }

    fn subjects_totals(&mut self, filter: Filter<'_>) -> BTreeMap<Vec<u8>, u64> {
        let mut totals = BTreeMap::new();
        self.for_each_subject(filter, |subject, state| {
            totals.insert(subject.to_vec(), state.messages);
        });
        totals
    }

    fn seq_from_time(&mut self, time: Timestamp) -> u64 {
        self.first_at_or_after(time)
    }

    fn subject_of(&mut self, seq: u64) -> Result<&[u8], StoreError> {
        self.messages.get(seq).map(Entry::subject).ok_or(StoreError::NotFound)
    }

    fn pending(&mut self, start: u64, filter: Filter<'_>, last_per_subject: bool) -> (u64, u64) {
        (self.state_from(start, filter, last_per_subject).messages, self.state.last_seq)
    }

    fn last_seqs(
        &mut self,
        filters: &[&[u8]],
        last: u64,
        count_max: Option<usize>,
    ) -> Result<Vec<u64>, StoreError> {
        self.last_of_each_subject(filters, if last == 0 { u64::MAX } else { last }, count_max)
    }
}

impl MemStore {
    /// The messages that are too old or whose own time is over, as ascending sequences.
    fn expired_seqs(&mut self, now: Timestamp) -> Vec<u64> {
        let mut seqs = Vec::new();
        if let Some(age_max) = self.config.age_max {
            let mut start = 0;
            while let Some((seq, expires)) = self.next_by_age(age_max, start) {
                if expires > now {
                    break; // The later ones are younger.
                }
                seqs.push(seq);
                start = seq + 1;
            }
        }
        if let Some(ttls) = &mut self.ttls {
            ttls.wheel.expire(now, |seq, _| {
                seqs.push(seq);
                false
            });
        }
        seqs.sort_unstable();
        seqs.dedup();
        seqs
    }

    fn remove_expired(&mut self, now: Timestamp) -> u64 {
        let before = self.state.messages;
        for seq in self.expired_seqs(now) {
            self.remove_message(seq, false);
        }
        before - self.state.messages
    }
}

#[cfg(test)]
mod tests;
