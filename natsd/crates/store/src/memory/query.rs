//! Finding and counting messages of a [`MemStore`].
//!
//! Counts come from the subjects' states; only for a subject that begins before the start and
//! ends behind it the links are followed, from both ends at once, so that the cost is the shorter
//! way. Go scans the messages instead.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use natsd_base::Timestamp;
use natsd_subject::subject::has_wildcard;

use super::MemStore;
use super::table::Entry;
use crate::stream_store::{Filter, StoreError, StoredMessage, SubjectState};

/// Messages that are looked at one by one before the subjects are asked where to go on.
const SCAN_MIN: usize = 64;

impl MemStore {
    pub(super) fn message(&self, seq: u64) -> Result<StoredMessage<'_>, StoreError> {
        match self.messages.get(seq) {
            Some(entry) => Ok(entry.message(seq)),
            None if seq <= self.state.last_seq => Err(StoreError::NotFound),
            None => Err(StoreError::BeyondLast),
        }
    }

    /// Calls `visit` with every subject that `filter` stands for, once.
    pub(super) fn for_each_subject(
        &self,
        filter: Filter<'_>,
        mut visit: impl FnMut(&[u8], &SubjectState),
    ) {
        match filter {
            Filter::All => self.subjects.for_each(visit),
            Filter::One(filter) if has_wildcard(filter) => {
                self.subjects.for_each_matching(filter, visit);
            }
            Filter::One(subject) => {
                if let Some(state) = self.subjects.get(subject) {
                    visit(subject, state);
                }
            }
            Filter::Any(filters) => {
                let _: ControlFlow<()> =
                    self.subjects.visit_interesting(filters, |subject, state| {
                        visit(subject, state);
                        ControlFlow::Continue(())
                    });
            }
        }
    }

    /// What there is of one subject from `start` on.
    fn subject_state_from(&self, subject: &SubjectState, start: u64) -> SubjectState {
        if subject.last < start {
            return SubjectState::default();
        }
        let (mut front, mut skipped) = (subject.first, 0);
        let (mut back, mut counted) = (subject.last, 1);
        loop {
            if front >= start {
                let messages = subject.messages - skipped;
                return SubjectState { messages, first: front, last: subject.last };
            }
            let before = self.messages.get(back).map_or(0, |entry| entry.previous);
            if before < start {
                return SubjectState { messages: counted, first: back, last: subject.last };
            }
            front = self.messages.get(front).map_or(start, |entry| entry.next);
            skipped += 1;
            back = before;
            counted += 1;
        }
    }

    /// What there is of `filter` from `start` on; with `last_per_subject` only the last messages
    /// of each subject count.
    pub(super) fn state_from(
        &self,
        start: u64,
        filter: Filter<'_>,
        last_per_subject: bool,
    ) -> SubjectState {
        let start = start.max(self.state.first_seq);
        if start > self.state.last_seq {
            return SubjectState::default();
        }
        if matches!(filter, Filter::All) && !last_per_subject {
            return self.whole_state_from(start);
        }
        let mut total = SubjectState::default();
        self.for_each_subject(filter, |_, subject| {
            let found = if last_per_subject {
                let (messages, last) = (u64::from(subject.last >= start), subject.last);
                SubjectState { messages, first: last, last }
            } else {
                self.subject_state_from(subject, start)
            };
            if found.messages > 0 {
                total.messages += found.messages;
                total.last = total.last.max(found.last);
                total.first =
                    if total.first == 0 { found.first } else { total.first.min(found.first) };
            }
        });
        total
    }

    fn whole_state_from(&self, start: u64) -> SubjectState {
        let Some((first, _)) = self.messages.next_live(start) else {
            return SubjectState::default();
        };
        let sequences = self.state.last_seq - first + 1;
        let messages = sequences - self.deleted.count_between(first, self.state.last_seq);
        let last = self.messages.previous_live(u64::MAX).map_or(0, |(seq, _)| seq);
        SubjectState { messages, first, last }
    }

    /// The first message of `filter` at or above `start`.
    pub(super) fn next_matching(&self, filter: Filter<'_>, start: u64) -> Option<(u64, &Entry)> {
        if matches!(filter, Filter::All) {
            return self.messages.next_live(start);
        }
        if let Filter::One(subject) = filter
            && !has_wildcard(subject)
        {
            return self.next_of_subject(subject, start);
        }
        // A few at first. When none matches, the subjects say whether and from where on one does.
        let few = SCAN_MIN.max(2 * self.subjects.len());
        let mut next = self.messages.next_live(start);
        for _ in 0..few {
            let (seq, entry) = next?;
            if filter.matches(entry.subject()) {
                return next;
            }
            next = self.messages.next_live(seq + 1);
        }
        let (here, _) = next?;
        let mut bound = None;
        self.for_each_subject(filter, |_, subject| {
            if subject.last >= here {
                let first = subject.first.max(here);
                bound = Some(bound.map_or(first, |bound: u64| bound.min(first)));
            }
        });
        let mut next = self.messages.next_live(bound?);
        while let Some((seq, entry)) = next {
            if filter.matches(entry.subject()) {
                return next;
            }
            next = self.messages.next_live(seq + 1);
        }
        None
    }

    fn next_of_subject(&self, subject: &[u8], start: u64) -> Option<(u64, &Entry)> {
        let state = self.subjects.get(subject)?;
        let found = |seq: u64| Some((seq, self.messages.get(seq)?));
        if start > state.last {
            return None;
        }
        if start <= state.first {
            return found(state.first);
        }
        // Who reads one after the other starts right behind the last.
        let behind = self.messages.get(start - 1).filter(|entry| entry.subject() == subject);
        if let Some(entry) = behind {
            return found(entry.next);
        }
        let mut next = self.messages.next_live(start);
        for _ in 0..SCAN_MIN {
            let (seq, entry) = next?;
            if entry.subject() == subject {
                return next;
            }
            next = self.messages.next_live(seq + 1);
        }
        found(self.subject_state_from(state, start).first)
    }

    /// The last message of `filter` at or below `start`.
    pub(super) fn previous_matching(
        &self,
        filter: Filter<'_>,
        start: u64,
    ) -> Option<(u64, &Entry)> {
        let (mut first, mut last) = (0, start);
        if let Filter::One(subject) = filter
            && !has_wildcard(subject)
        {
            let state = self.subjects.get(subject)?;
            (first, last) = (state.first, start.min(state.last));
        }
        let mut previous = self.messages.previous_live(last);
        while let Some((seq, entry)) = previous {
            if seq < first {
                return None;
            }
            if filter.matches(entry.subject()) {
                return previous;
            }
            previous = self.messages.previous_live(seq.checked_sub(1)?);
        }
        None
    }

    /// All sequences of `filter` up to `last`, in ascending order.
    pub(super) fn matching_seqs(&self, filter: Filter<'_>, last: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        self.for_each_subject(filter, |_, subject| {
            let mut seq = subject.first;
            while seq != 0 && seq <= last {
                seqs.push(seq);
                seq = self.messages.get(seq).map_or(0, |entry| entry.next);
            }
        });
        seqs.sort_unstable();
        seqs
    }

    /// Halves the sequences, past those without messages.
    pub(super) fn first_at_or_after(&self, time: Timestamp) -> u64 {
        let beyond = self.state.last_seq + 1;
        // The message looked for is at `low` or above, and below `high` or is `found`.
        let (mut low, mut high) = (self.state.first_seq, beyond);
        let mut found = beyond;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.messages.next_live(middle) {
                Some((seq, entry)) if entry.timestamp < time => low = seq + 1,
                Some((seq, _)) => {
                    found = seq;
                    high = middle;
                }
                None => high = middle,
            }
        }
        found
    }

    pub(super) fn last_of_each_subject(
        &self,
        filters: &[&[u8]],
        last: u64,
        count_max: Option<usize>,
    ) -> Result<Vec<u64>, StoreError> {
        let mut seqs = BTreeSet::new();
        for filter in filters {
            self.for_each_subject(Filter::new(filter), |_, subject| {
                let mut seq = subject.last;
                while seq > last {
                    seq = self.messages.get(seq).map_or(0, |entry| entry.previous);
                }
                if seq != 0 {
                    seqs.insert(seq);
                }
            });
            if count_max.is_some_and(|max| seqs.len() > max) {
                return Err(StoreError::TooManyResults);
            }
        }
        Ok(seqs.into_iter().collect())
    }
}
