//! Which messages live for how long, as their headers say.
//!
//! Source: Go `server/filestore.go` (`expireMsgs`, `recoverPerMessageState`).

use std::collections::BTreeSet;

use natsd_base::Timestamp;

use super::FileStore;
use super::block::Mark;
use crate::block::Record;
use crate::headers;
use crate::markers::Expired;
use crate::schedule::{Schedules, next_firing};
use crate::sequence_set::SequenceSet;
use crate::stream_store::StoreError;
use crate::ttl::{TTL_HEADER, Ttl};
use crate::wheel::TimeHashWheel;

const SCHEDULE_HEADER: &[u8] = b"Nats-Schedule";

/// Which messages live for how long.
#[derive(Debug, Default)]
pub(super) struct MessageTtls {
    pub(super) wheel: TimeHashWheel,
    /// Those that stay whatever their age; they are not in the wheel.
    pub(super) kept: BTreeSet<u64>,
}

/// Whether there is a TTL in the header block, right or wrong. Go counts these.
pub(super) fn has_ttl(message_headers: &[u8]) -> bool {
    headers::text(message_headers, TTL_HEADER).is_some()
}

pub(super) fn has_schedule(message_headers: &[u8]) -> bool {
    headers::text(message_headers, SCHEDULE_HEADER).is_some()
}

impl MessageTtls {
    pub(super) fn insert(&mut self, seq: u64, timestamp: Timestamp, ttl: Ttl) {
        match ttl {
            Ttl::Never => {
                self.kept.insert(seq);
            }
            Ttl::After(duration) => self.wheel.insert(seq, timestamp + duration),
        }
    }

    /// Adds a message by its headers.
    pub(super) fn insert_by_headers(&mut self, seq: u64, timestamp: Timestamp, headers: &[u8]) {
        if let Ok(Some(ttl)) = Ttl::from_headers(headers) {
            self.insert(seq, timestamp, ttl);
        }
    }

    pub(super) fn remove(&mut self, seq: u64, timestamp: Timestamp, headers: &[u8]) {
        match Ttl::from_headers(headers) {
            Ok(Some(Ttl::After(duration))) => {
                self.wheel.remove(seq, timestamp + duration);
            }
            Ok(Some(Ttl::Never) | None) | Err(_) => {
                self.kept.remove(&seq);
            }
        }
    }
}

impl FileStore {
    /// Reads the times to live and the schedules from the headers where the stream allows them
    /// and they are not known, and forgets them where it does not.
    pub(super) fn recover_by_headers(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let is_new = |allowed: bool, is_known: bool| allowed && !is_known;
        let new_ttls = is_new(self.config.allow_message_ttl, self.ttls.is_some());
        let new_schedules = is_new(self.config.allow_message_schedules, self.schedules.is_some());
        if !self.config.allow_message_ttl {
            self.ttls = None;
        }
        if !self.config.allow_message_schedules {
            self.schedules = None;
        }
        if !new_ttls && !new_schedules {
            return Ok(());
        }
        let (mut ttls, mut found) = (MessageTtls::default(), Vec::new());
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            let (first, last) = (block.first.seq, block.last.seq);
            let has_any = new_ttls && block.ttls > 0 || new_schedules && block.schedules > 0;
            if !has_any || block.count == 0 {
                continue;
            }
            let cache = self.load_block(index, 0)?;
            for (seq, bytes) in cache.range(first, last) {
                let Ok((record, _)) = Record::decode_checked(bytes) else { continue };
                if record.headers.is_empty() {
                    continue;
                }
                let (time, headers) = (record.timestamp, record.headers);
                if new_ttls {
                    ttls.insert_by_headers(seq, time, headers);
                }
                if new_schedules && let Ok(Some(firing)) = next_firing(headers, time, now) {
                    found.push((seq, record.subject.to_vec(), firing.time()));
                }
            }
        }
        if new_ttls {
            self.ttls = Some(ttls);
        }
        if new_schedules {
            let mut schedules = Schedules::new();
            for (seq, subject, fires) in found {
                // Any later message of the subject took its place.
                if self.last_of(&subject)? == Some(seq) {
                    schedules.insert(seq, &subject, fires);
                }
            }
            self.schedules = Some(schedules);
        }
        Ok(())
    }

    /// Looks at the messages from `start` on for what they say of the sources.
    pub(super) fn recover_sources(&mut self, start: u64) -> Result<(), StoreError> {
        let mut sources = std::mem::take(&mut self.sources);
        let mut result = Ok(());
        for index in self.block_of(start)..self.blocks.len() {
            if self.blocks[index].count == 0 {
                continue;
            }
            let cache = match self.load_block(index, 0) {
                Ok(cache) => cache,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            for (_, bytes) in cache.range(start, u64::MAX) {
                if let Ok((record, _)) = Record::decode_checked(bytes) {
                    sources.note(record.headers);
                }
            }
        }
        self.sources = sources;
        result
    }

    fn is_kept(&self, seq: u64) -> bool {
        self.ttls.as_ref().is_some_and(|ttls| ttls.kept.contains(&seq))
    }

    /// The first message at or above `start` that the age limit may remove.
    fn next_by_age(&mut self, start: u64) -> Result<Option<Mark>, StoreError> {
        let mut next = self.next_live(start);
        while let Some(seq) = next {
            if !self.is_kept(seq) {
                let time = self.message(seq)?.timestamp;
                return Ok(Some(Mark { seq, time }));
            }
            next = self.next_live(seq + 1);
        }
        Ok(None)
    }

    /// Keeps `oldest` true after a change.
    pub(super) fn find_oldest(&mut self) {
        if self.config.age_max.is_none() {
            self.oldest = None;
            return;
        }
        if self.oldest.is_some_and(|oldest| self.is_live(oldest.seq)) {
            return;
        }
        let found = self.next_by_age(0);
        self.oldest = self.note(found).flatten();
    }

    pub(super) fn expires_next(&self) -> Option<Timestamp> {
        let by_age = self.config.age_max.zip(self.oldest);
        let by_age = by_age.map_or(Timestamp::NEVER, |(max, oldest)| oldest.time + max);
        let by_ttl = self.ttls.as_ref().and_then(|ttls| ttls.wheel.next_expiration(by_age));
        by_ttl.or(Some(by_age)).filter(|&expires| expires != Timestamp::NEVER)
    }

    /// Removes what is too old at `now`.
    pub(super) fn remove_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.state.messages;
        let result = self.remove_old(now).and_then(|()| self.remove_due(now));
        self.find_oldest();
        result.map(|()| before - self.state.messages)
    }

    /// The messages that are too old or whose own time is over.
    fn expired_seqs(&mut self, now: Timestamp) -> Result<SequenceSet, StoreError> {
        let mut seqs = SequenceSet::new();
        if let Some(age_max) = self.config.age_max {
            let mut start = self.oldest.map_or(0, |oldest| oldest.seq);
            while let Some(Mark { seq, time }) = self.next_by_age(start)? {
                if time + age_max > now {
                    break; // The later ones are younger.
                }
                seqs.insert(seq);
                start = seq + 1;
            }
        }
        if let Some(ttls) = &mut self.ttls {
            ttls.wheel.expire(now, |seq, _| {
                seqs.insert(seq);
                false
            });
        }
        Ok(seqs)
    }

    /// Says what has expired, at most so many messages.
    pub(super) fn say_expired(
        &mut self,
        now: Timestamp,
        count_max: usize,
    ) -> Result<Vec<Expired>, StoreError> {
        let mut expired = Vec::new();
        for seq in &self.expired_seqs(now)? {
            if expired.len() == count_max {
                break;
            }
            if !self.is_live(seq) {
                continue;
            }
            let message = self.message(seq)?;
            let (subject, headers) = (message.subject.to_vec(), message.headers.to_vec());
            let messages = self.subjects.get(&subject).map_or(0, |info| info.total);
            let due = self.markers.due(seq, &subject, &headers, messages, now);
            let leaves_marker = self.config.subject_delete_marker_ttl.is_some();
            expired.extend(
                due.map(|due| Expired { leaves_marker: due.leaves_marker && leaves_marker, ..due }),
            );
        }
        Ok(expired)
    }

    fn remove_old(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(age_max) = self.config.age_max else { return Ok(()) };
        let mut start = self.oldest.map_or(0, |oldest| oldest.seq);
        while let Some(Mark { seq, time }) = self.next_by_age(start)? {
            if time + age_max > now {
                break; // The later ones are younger.
            }
            let is_head = seq == self.state.first_seq;
            self.remove_message(seq, !is_head)?;
            start = seq + 1;
        }
        Ok(())
    }

    fn remove_due(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let mut due = Vec::new();
        if let Some(ttls) = &mut self.ttls {
            ttls.wheel.expire(now, |seq, expires| {
                due.push((seq, expires));
                true
            });
        }
        for (index, &(seq, _)) in due.iter().enumerate() {
            if let Err(error) = self.remove_message(seq, true) {
                // They are due the next time too.
                if let Some(ttls) = &mut self.ttls {
                    due[index..].iter().for_each(|&(seq, expires)| ttls.wheel.insert(seq, expires));
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
