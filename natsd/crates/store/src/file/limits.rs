//! The limits of a stream, and the sequences that are skipped.
//!
//! What a limit removes at the head leaves no record: the next start removes it again. What it
//! removes elsewhere leaves a tombstone.
//!
//! Source: Go `server/filestore.go` (`storeRawMsg`, `enforceMsgLimit`, `enforceBytesLimit`,
//! `enforceMsgPerSubjectLimit`, `SkipMsgs`).

use natsd_base::Timestamp;

use super::block::Mark;
use super::{FileStore, SEQ_END};
use crate::block::{EMPTY_RECORD_SIZE, Record, RecordKind};
use crate::headers;
use crate::stream_store::{Discard, NewMessage, StoreConfig, StoreError};

/// A block has no more deleted sequences than that through skipping. Go: `maxDeletes`.
const SKIPPED_MAX: u64 = 64 * 1024;

/// The only message of a subject, when it can be removed without reading it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnlyMessage {
    seq: u64,
    block: u32,
    size: u64,
}

impl FileStore {
    /// Whether the limits allow the message, where new ones are refused.
    pub(super) fn check_discard_new(
        &mut self,
        message: &NewMessage<'_>,
        size: u64,
    ) -> Result<(), StoreError> {
        if self.config.discard != Discard::New {
            return Ok(());
        }
        let per_subject_max = self.config.messages_per_subject_max;
        let subject = self.subjects.get(message.subject).filter(|_| !message.subject.is_empty());
        // Such a message replaces the first one of its subject.
        let replaces =
            subject.is_some_and(|info| per_subject_max.is_some_and(|max| info.total >= max));
        let is_rollup = headers::text(message.headers, headers::ROLLUP).is_some();
        if replaces && self.config.discard_new_per_subject && !is_rollup {
            return Err(StoreError::MaxMessagesPerSubject);
        }
        let is_full = self.config.messages_max.is_some_and(|max| self.state.messages >= max);
        if is_full && !replaces {
            return Err(StoreError::MaxMessages);
        }
        if self.config.bytes_max.is_some_and(|max| self.state.bytes + size > max) {
            let mut freed = None;
            if replaces && let Some(first) = self.first_of(message.subject)? {
                let index = self.block_of(first);
                freed = self.load_block(index, first)?.get(first).map(|(_, size)| size as u64);
            }
            if freed.is_none_or(|freed| freed < size) {
                return Err(StoreError::MaxBytes);
            }
        }
        Ok(())
    }

    /// The message that the next one of the subject replaces, where one is kept of each.
    pub(super) fn only_message_of(&self, subject: &[u8]) -> Option<OnlyMessage> {
        if self.config.messages_per_subject_max != Some(1) || subject.is_empty() {
            return None;
        }
        let info = self.subjects.get(subject).filter(|info| info.total == 1)?;
        let is_known = info.last != 0 && info.last_size != 0;
        let size = u64::from(info.last_size);
        is_known.then_some(OnlyMessage { seq: info.last, block: info.last_block, size })
    }

    pub(super) fn enforce_after_store(
        &mut self,
        subject: &[u8],
        replaced: Option<OnlyMessage>,
    ) -> Result<(), StoreError> {
        let by_subject = match replaced {
            Some(replaced) if self.can_replace(replaced) => self.replace_message(subject, replaced),
            Some(_) | None => self.enforce_subject_limit(subject),
        };
        let result = by_subject.and_then(|()| self.enforce_limits());
        if self.config.age_max.is_some() {
            self.find_oldest();
        }
        result
    }

    /// Whether a message can be removed without reading it: nothing else hangs on it.
    fn can_replace(&self, replaced: OnlyMessage) -> bool {
        let index = self.block_from(replaced.block);
        let block = self.blocks.get(index).filter(|block| block.number == replaced.block);
        block.is_some_and(|block| {
            (block.ttls == 0 || self.ttls.is_none())
                && (block.schedules == 0 || self.schedules.is_none())
                && block.count > 1
                && replaced.seq != self.state.first_seq
                && replaced.seq >= block.first.seq
                && replaced.seq <= block.last.seq
        })
    }

    /// Removes the message that the one stored last replaces.
    fn replace_message(&mut self, subject: &[u8], replaced: OnlyMessage) -> Result<(), StoreError> {
        self.prepare(self.tombstone_size())?;
        let OnlyMessage { seq, block: number, size } = replaced;
        self.append_tombstone(seq, self.state.last_time.unwrap_or(Timestamp(0)));
        if let Some(info) = self.subjects.get_mut(subject) {
            info.total -= 1;
            (info.first, info.first_block) = (info.last, info.last_block);
        }
        self.markers.forget(seq, subject);
        let index = self.block_from(number);
        if let Some(cache) = &mut self.blocks[index].cache {
            cache.remove(seq);
        }
        self.uncount(index, seq, size);
        Ok(())
    }

    fn is_over_limits(&self) -> bool {
        self.config.messages_max.is_some_and(|max| self.state.messages > max)
            || self.config.bytes_max.is_some_and(|max| self.state.bytes > max)
    }

    pub(super) fn enforce_limits(&mut self) -> Result<(), StoreError> {
        while self.config.discard == Discard::Old && self.is_over_limits() {
            self.remove_message(self.state.first_seq, false)?;
        }
        Ok(())
    }

    fn enforce_subject_limit(&mut self, subject: &[u8]) -> Result<(), StoreError> {
        let Some(max) = self.config.messages_per_subject_max else { return Ok(()) };
        while self.subjects.get(subject).is_some_and(|info| info.total > max) {
            let Some(first) = self.first_of(subject)? else { break };
            if !self.remove_message(first, true)? {
                break;
            }
        }
        Ok(())
    }

    /// Removes what is over the limit of any subject.
    pub(super) fn enforce_subject_limits(&mut self) -> Result<(), StoreError> {
        let Some(max) = self.config.messages_per_subject_max else { return Ok(()) };
        let mut over: Vec<Box<[u8]>> = Vec::new();
        self.subjects.for_each(|subject, info| {
            if info.total > max {
                over.push(subject.into());
            }
        });
        for subject in over {
            self.enforce_subject_limit(&subject)?;
        }
        Ok(())
    }

    pub(super) fn apply_config(&mut self, config: StoreConfig, now: Timestamp) {
        let old_max = self.config.messages_per_subject_max;
        // What the old limits removed must not come back under wider ones.
        let told = self.tell_head();
        self.note(told);
        self.config = config;
        self.oldest = None;
        let recovered = self.recover_by_headers(now);
        self.note(recovered);
        self.sources.configure(&self.config.sources);
        let result = self.enforce_limits();
        self.note(result);
        let max = self.config.messages_per_subject_max;
        if max.is_some_and(|max| old_max.is_none_or(|old| max < old)) {
            let result = self.enforce_subject_limits();
            self.note(result);
        }
        let result = self.remove_expired(now);
        self.note(result);
    }

    /// Gives sequences away without messages.
    pub(super) fn skip_sequences(
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
        let last = first.checked_add(count - 1).filter(|&last| last < SEQ_END);
        let last = last.ok_or(StoreError::InvalidSequence)?;
        self.check_writable()?;
        if let Some(block) = self.blocks.back().filter(|block| block.count > 0) {
            let skipped = self.deleted.count_between(block.first.seq, block.last.seq);
            if skipped.saturating_add(count) > SKIPPED_MAX {
                self.roll()?;
            }
        }
        self.prepare(EMPTY_RECORD_SIZE)?;
        let moves_time = moves_time || self.state.last_time.is_none();
        let time = if moves_time { now } else { self.state.last_time.unwrap_or(now) };
        self.append(&Record {
            seq: last,
            timestamp: time,
            kind: RecordKind::Erased,
            subject: b"",
            headers: b"",
            body: b"",
        });
        self.state.last_seq = last;
        self.state.last_time = Some(time);
        let block = self.blocks.back_mut().expect("it was written to");
        block.last = Mark { seq: last, time };
        if block.count == 0 {
            block.first = Mark { seq: last + 1, time };
        }
        if self.state.messages == 0 {
            self.state.first_seq = last + 1;
            self.state.first_time = None;
        } else {
            self.deleted.insert_range(first, last);
        }
        Ok(last)
    }
}
