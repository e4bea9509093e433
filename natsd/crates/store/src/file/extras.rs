//! What a stream knows beside its messages: schedules, sources, and what it said to be expired.
//!
//! `sched.db` and `sources.db` keep it over a restart; what was stored after they were written is
//! read from the blocks.
//!
//! Source: Go `server/filestore.go` (`recoverPerMessageState`, `writeMsgSchedulingState`,
//! `writeSourcesState`).

use std::path::PathBuf;

use natsd_base::Timestamp;

use super::FileStore;
use super::block::Block;
use crate::block::Record;
use crate::markers::{Expired, Markers};
use crate::schedule::{ScheduledMessage, Schedules};
use crate::sources::{Sources, decode_sources, encode_sources};
use crate::stream_store::{NewMessage, StoreError};

/// What is known beside the messages.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Where the stream allows it.
    pub(super) schedules: Option<Schedules>,
    pub(super) sources: Sources,
    pub(super) markers: Markers,
}

impl Extras {
    /// A message was stored.
    pub(super) fn note(&mut self, seq: u64, message: &NewMessage<'_>) {
        if let Some(schedules) = &mut self.schedules {
            let at = message.timestamp;
            schedules.note(seq, message.subject, message.headers, at, at);
        }
        if !message.headers.is_empty() {
            self.sources.note(message.headers);
        }
    }

    /// A message is gone.
    pub(super) fn forget(&mut self, seq: u64, subject: &[u8]) {
        if let Some(schedules) = &mut self.schedules {
            schedules.remove(seq);
        }
        self.markers.forget(seq, subject);
    }

    /// All messages are gone.
    pub(super) fn forget_all(&mut self) {
        if let Some(schedules) = &mut self.schedules {
            *schedules = Schedules::new();
        }
        self.markers = Markers::default();
    }
}

impl FileStore {
    fn schedules_path(&self) -> PathBuf {
        self.messages_dir.join("sched.db")
    }

    fn sources_path(&self) -> PathBuf {
        self.dir.join("sources.db")
    }

    fn read_cache(&self, path: PathBuf) -> Option<Vec<u8>> {
        self.disk.open(&path, false).and_then(|file| file.read_all()).ok()
    }

    /// Takes over what the configuration says, and finds out what has to be known for it.
    pub(super) fn configure_extras(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.extras.sources.configure(&self.config.sources);
        match (self.config.allow_message_schedules, &self.extras.schedules) {
            (true, None) => self.recover_schedules(Schedules::new(), 0, now),
            (false, Some(_)) => {
                self.extras.schedules = None;
                Ok(())
            }
            (true, Some(_)) | (false, None) => Ok(()),
        }
    }

    /// Finds out what was known before the start.
    pub(super) fn recover_extras(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let next = self.state.last_seq + 1;
        if self.config.allow_message_schedules {
            let known = self.read_cache(self.schedules_path());
            let known = known.and_then(|bytes| Schedules::decode(&bytes).ok());
            let (schedules, from) = known.filter(|(_, from)| *from <= next).unwrap_or_default();
            self.recover_schedules(schedules, from, now)?;
        }
        self.extras.sources.configure(&self.config.sources);
        let known = self.read_cache(self.sources_path());
        let known = known.and_then(|bytes| decode_sources(&bytes).ok());
        // Without the file the stream finds out by itself where to go on.
        if let Some((sources, from)) = known.filter(|(_, from)| *from <= next)
            && !self.config.sources.is_empty()
        {
            self.extras.sources.apply(&sources);
            self.visit_from(
                from,
                |_| true,
                |store, _, record| {
                    store.extras.sources.note(record.headers);
                },
            )?;
        }
        Ok(())
    }

    /// Brings `schedules`, which are those of the messages before `from`, up to date.
    fn recover_schedules(
        &mut self,
        schedules: Schedules,
        from: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut schedules = schedules;
        schedules.retain(|seq| self.is_live(seq));
        self.extras.schedules = Some(schedules);
        let is_wanted = |block: &Block| from > 0 || block.schedules > 0;
        self.visit_from(from, is_wanted, |store, seq, record| {
            if let Some(schedules) = &mut store.extras.schedules {
                schedules.note(seq, record.subject, record.headers, record.timestamp, now);
            }
        })?;
        // A later message on the subject, in a block that was left out, ended the schedule.
        let subjects = self.extras.schedules.as_ref().map(Schedules::subjects).unwrap_or_default();
        for (seq, subject) in subjects {
            if self.last_of(&subject)? != Some(seq)
                && let Some(schedules) = &mut self.extras.schedules
            {
                schedules.remove(seq);
            }
        }
        Ok(())
    }

    /// Calls `visit` with each message at or above `from` in the blocks that are wanted.
    fn visit_from(
        &mut self,
        from: u64,
        is_wanted: impl Fn(&Block) -> bool,
        mut visit: impl FnMut(&mut Self, u64, &Record<'_>),
    ) -> Result<(), StoreError> {
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            let last = block.last.seq;
            if block.count == 0 || last < from || !is_wanted(block) {
                continue;
            }
            self.load_block(index, 0)?;
            let Some(cache) = self.blocks[index].cache.take() else { continue };
            for (seq, bytes) in cache.range(from, last) {
                if let Ok((record, _)) = Record::decode_checked(bytes) {
                    visit(self, seq, &record);
                }
            }
            self.blocks[index].cache = Some(cache);
        }
        Ok(())
    }

    /// Writes `sched.db` and `sources.db`.
    pub(super) fn write_extras(&mut self) -> Result<(), StoreError> {
        let next = self.state.last_seq + 1;
        if let Some(schedules) = &self.extras.schedules {
            let bytes = schedules.encode(next);
            self.write_file(&self.schedules_path(), &bytes)?;
        }
        let sources = self.extras.sources.known();
        if !sources.is_empty() {
            self.write_file(&self.sources_path(), &encode_sources(&sources, next))?;
        }
        Ok(())
    }

    /// Removes those files, since sequences that they know of are going to be given away again.
    pub(super) fn remove_extras(&mut self) {
        for path in [self.schedules_path(), self.sources_path()] {
            if self.disk.remove_file(&path).is_ok() {
                self.needs_dir_sync = true;
            }
        }
    }

    /// What is expired and still there, if it was not said shortly before.
    pub(super) fn say_expired(
        &mut self,
        now: Timestamp,
        count_max: usize,
    ) -> Result<Vec<Expired>, StoreError> {
        let mut expired = Vec::new();
        for seq in self.expired_seqs(now)? {
            if expired.len() == count_max {
                break;
            }
            if !self.is_live(seq) {
                continue;
            }
            let index = self.block_of(seq);
            let (record, _) = self.load_block(index, seq)?.get(seq).ok_or(StoreError::Damaged)?;
            let (subject, headers) = (record.subject.to_vec(), record.headers.to_vec());
            let messages = self.subjects.get(&subject).map_or(0, |info| info.total);
            let due = self.extras.markers.due(seq, &subject, &headers, messages, now);
            let leaves_marker = self.config.subject_delete_marker_ttl.is_some();
            expired.extend(
                due.map(|due| Expired { leaves_marker: due.leaves_marker && leaves_marker, ..due }),
            );
        }
        Ok(expired)
    }

    /// The messages that the schedules make by `now`.
    pub(super) fn run_schedules(
        &mut self,
        now: Timestamp,
    ) -> Result<Vec<ScheduledMessage>, StoreError> {
        let Some(mut schedules) = self.extras.schedules.take() else { return Ok(Vec::new()) };
        let due = schedules.due(self, now);
        self.extras.schedules = Some(schedules);
        due
    }
}
