//! The log of one RAFT group, with its term, vote, peers and snapshots, in Go's files.
//!
//! Entries are the messages of a stream without subjects: the index is the sequence, the body is
//! an entry as it is sent to peers. What is appended is durable when the stream or the journal
//! was synced. Term and vote are kept in memory until [`RaftLog::sync`] writes them, or at once
//! where there is no journal; a vote must not be answered before.
//!
//! With a journal, [`RaftLog::replay`] makes its changes again. Truncating needs
//! [`crate::journal::Journal::barrier`] before it.
//!
//! Must never lose a vote: what cannot be read is an error, never a group that has not voted.
//!
//! Source: Go `server/raft.go`.

mod files;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::Timestamp;

use crate::disk::Disk;
use crate::file::FileStore;
use crate::journal::{Change, ReplayError};
use crate::memory::MemStore;
use crate::stream_store::{NewMessage, StoreError, StreamStore};

pub use files::{DomainExtension, HardState, PeerId, PeerState, RaftFiles, RaftSnapshot};

/// What an entry has before its term: the leader.
const TERM_AT: usize = 8;

/// Why the log or its files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RaftLogError {
    /// The entry does not follow the last one.
    #[error("entry {found} does not follow the last one, {last}")]
    NotNext {
        /// The index it was to get.
        found: u64,
        /// The last index.
        last: u64,
    },
    /// There is no such entry: it is in a snapshot, or not written yet.
    #[error("no entry {index}")]
    NotFound {
        /// Its index.
        index: u64,
    },
    /// The content is damaged: not to be taken for missing.
    #[error("{}: damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("{}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// A sync failed; nothing is written any more.
    #[error("stopped: {reason}")]
    Stopped {
        /// What the disk said.
        reason: String,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store that a log can be kept in.
pub trait LogStore: StreamStore {
    /// Makes everything durable that can be.
    fn sync_log(&mut self) -> Result<(), StoreError>;
}

impl LogStore for FileStore {
    fn sync_log(&mut self) -> Result<(), StoreError> {
        self.sync()
    }
}

impl LogStore for MemStore {
    /// Nothing in memory gets durable: replicas of a memory stream begin anew.
    fn sync_log(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The log of one group.
#[derive(Debug)]
pub struct RaftLog<S> {
    store: S,
    files: RaftFiles,
    hard_state: HardState,
    /// What the file says.
    written: HardState,
}

impl<S: LogStore> RaftLog<S> {
    /// The log of the group `name`, whose folder is `dir` and whose entries are in `store`. Fails
    /// when term and vote cannot be read.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        store: S,
    ) -> Result<Self, RaftLogError> {
        let files = RaftFiles::new(disk, dir, name);
        let written = files.read_hard_state()?;
        Ok(Self { store, files, hard_state: written, written })
    }

    /// The index of the first entry that is there; one beyond the last without entries.
    #[must_use]
    pub fn first_index(&self) -> u64 {
        let state = self.store.state();
        if state.messages == 0 { state.last_seq + 1 } else { state.first_seq }
    }

    /// The index of the last entry, whether it is still there or in a snapshot; 0 for an empty log.
    #[must_use]
    pub fn last_index(&self) -> u64 {
        self.store.state().last_seq
    }

    /// Bytes of the entries, as the store counts them.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.store.state().bytes
    }

    /// Appends an entry at the next index, which `index` has to be.
    pub fn append(&mut self, index: u64, entry: &[u8], now: Timestamp) -> Result<(), RaftLogError> {
        let last = self.last_index();
        if last.checked_add(1) != Some(index) {
            return Err(RaftLogError::NotNext { found: index, last });
        }
        let stored = self.store.store(NewMessage {
            subject: b"",
            headers: b"",
            body: entry,
            seq: Some(index),
            timestamp: now,
            ttl: None,
            may_refuse: false,
        });
        stored?;
        Ok(())
    }

    /// The change that a journal records for an appended entry.
    #[must_use]
    pub fn append_change(index: u64, entry: &[u8], now: Timestamp) -> Change<'_> {
        Change::Append { seq: index, timestamp: now, subject: b"", headers: b"", body: entry }
    }

    /// An entry.
    pub fn entry(&mut self, index: u64) -> Result<&[u8], RaftLogError> {
        match self.store.load(index) {
            Ok(message) => Ok(message.body),
            Err(StoreError::NotFound | StoreError::BeyondLast) => {
                Err(RaftLogError::NotFound { index })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The term of an entry. Fails as [`RaftLog::entry`], and when the entry is too short to be
    /// one.
    pub fn term_of(&mut self, index: u64) -> Result<u64, RaftLogError> {
        let entry = self.entry(index)?;
        let term = entry.get(TERM_AT..).and_then(|rest| rest.first_chunk());
        term.map(|term| u64::from_le_bytes(*term)).ok_or(RaftLogError::NotFound { index })
    }

    /// Removes every entry above `index`; 0 begins the log anew. Durable when it returns, as
    /// nothing may be appended before it is.
    pub fn truncate(&mut self, index: u64, now: Timestamp) -> Result<(), RaftLogError> {
        self.store.truncate(index, now)?;
        self.store.sync_log()?;
        Ok(())
    }

    /// Removes every entry up to and with `index`: a snapshot has them. Beyond the last one, the
    /// entry after `index` is the next.
    pub fn compact(&mut self, index: u64) -> Result<(), RaftLogError> {
        if index < self.first_index() && index <= self.last_index() {
            return Ok(());
        }
        self.store.compact(index.saturating_add(1))?;
        Ok(())
    }

    /// Term and vote.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Takes a later term, or a vote in this one. It is durable with the next
    /// [`RaftLog::sync`], or when a journal has recorded [`HardState::change`].
    ///
    /// # Panics
    /// When the term goes back, or the vote changes within a term: that would be voting twice.
    pub fn set_hard_state(&mut self, state: HardState) {
        assert!(
            self.hard_state == state || self.hard_state.may_become(state),
            "term and vote never go back: {state:?} after {:?}",
            self.hard_state
        );
        self.hard_state = state;
    }

    /// Makes a change of the journal again; whether anything changed.
    pub fn replay(&mut self, change: &Change<'_>) -> Result<bool, ReplayError> {
        let Change::HardState { term, vote } = *change else {
            return change.apply(&mut self.store);
        };
        let state = HardState { term, vote: HardState::vote_of(vote) };
        let is_new = self.hard_state.may_become(state);
        if is_new {
            self.hard_state = state;
        }
        Ok(is_new)
    }

    /// Makes entries, term and vote durable in the group's own files.
    pub fn sync(&mut self) -> Result<(), RaftLogError> {
        if self.hard_state != self.written {
            self.files.write_hard_state(self.hard_state)?;
            self.written = self.hard_state;
        }
        self.store.sync_log()?;
        Ok(())
    }

    /// Makes a snapshot durable, then removes the entries that it has, and older snapshots.
    pub fn install(&mut self, snapshot: &RaftSnapshot) -> Result<(), RaftLogError> {
        self.files.write_snapshot(snapshot)?;
        self.compact(snapshot.index)?;
        self.store.sync_log()?;
        self.files.remove_older_snapshots(snapshot)
    }

    /// Peers, commit index and snapshots.
    pub fn files(&mut self) -> &mut RaftFiles {
        &mut self.files
    }

    /// The entries.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }
}

#[cfg(test)]
mod tests;
