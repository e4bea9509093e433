//! Whether `index.db` says what the blocks hold.
//!
//! A start takes the word of natsd's own index and reads no block, so nobody else would see that the
//! two do not agree; after a Go server `take_over.rs` looks at the subjects. Above all this finds
//! what no hash does: that of a record covers neither the size of the subject nor that of the
//! headers. One flipped bit there moves the border between two parts, and the message has another
//! subject, which a Go server's index shows alone.
//!
//! Only what the index has is compared. Messages that a limit removed are gone from the index, and
//! may still be in the blocks without a record that says so: limits remove them again.
//!
//! Source: our own.
#![warn(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use super::index::{Index, checksum};
use super::{FileStore, FileStoreError};
use crate::block::{Record, RecordKind};
use crate::stream_store::{Filter, StoreError, StoredMessage, StreamStore};

/// What `index.db` of a stream says, where it counts.
#[derive(Debug)]
pub struct StoredIndex(Box<Index>);

impl StoredIndex {
    /// How many messages it has. What limits removed from the stream is still in the blocks of a Go
    /// server, and not among them.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.0.state.messages
    }
}

/// What there is of `index.db`.
#[derive(Debug)]
pub enum IndexFile {
    /// Nothing.
    Missing,
    /// Its hash is wrong. A cache: it is not used, and written anew.
    Damaged,
    /// It is of other blocks, or cannot be opened. It is not used.
    Outdated,
    /// It is of these blocks. A start takes its word.
    Current(StoredIndex),
}

/// Something that the index says otherwise than the blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexDifference {
    /// The number of messages.
    Messages {
        /// By the index.
        index: u64,
        /// Those of them that are in the blocks.
        blocks: u64,
        /// The first and the last sequence that only the index has, if there are any.
        missing: Option<(u64, u64)>,
    },
    /// The size of all messages.
    Bytes {
        /// By the index.
        index: u64,
        /// In the blocks.
        blocks: u64,
    },
    /// The last sequence that was given away.
    LastSeq {
        /// By the index.
        index: u64,
        /// In the blocks.
        blocks: u64,
    },
    /// The number of messages of one subject.
    Subject {
        /// The subject.
        subject: Vec<u8>,
        /// By the index.
        index: u64,
        /// In the blocks.
        blocks: u64,
    },
}

impl fmt::Display for IndexDifference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages { index, blocks, missing } => {
                write!(formatter, "{index} messages by the index, {blocks} in the blocks")?;
                match missing {
                    Some((first, last)) => write!(formatter, ", missing from {first} to {last}"),
                    None => Ok(()),
                }
            }
            Self::Bytes { index, blocks } => {
                write!(formatter, "{index} bytes by the index, {blocks} in the blocks")
            }
            Self::LastSeq { index, blocks } => {
                write!(formatter, "last sequence {index} by the index, {blocks} in the blocks")
            }
            Self::Subject { subject, index, blocks } => write!(
                formatter,
                "subject {}: {index} messages by the index, {blocks} in the blocks",
                subject.escape_ascii()
            ),
        }
    }
}

/// Messages that the blocks have, and the index does not.
#[derive(Default)]
struct Beyond {
    messages: u64,
    bytes: u64,
    subjects: BTreeMap<Vec<u8>, u64>,
}

impl Beyond {
    fn add(&mut self, message: &StoredMessage<'_>) {
        let record = Record {
            seq: message.seq,
            timestamp: message.timestamp,
            kind: RecordKind::Message,
            subject: message.subject,
            headers: message.headers,
            body: message.body,
        };
        self.messages += 1;
        self.bytes += record.encoded_size() as u64;
        if !message.subject.is_empty() {
            *self.subjects.entry(message.subject.to_vec()).or_default() += 1;
        }
    }
}

impl FileStore {
    /// What `index.db` on disk says now, whether the store was opened by it or not. Fails when the
    /// disk refuses to read.
    pub fn index_file(&self) -> Result<IndexFile, FileStoreError> {
        let path = self.index_path();
        let bytes = match self.disk.open(&path, false).and_then(|file| file.read_all()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(IndexFile::Missing),
            Err(source) => return Err(FileStoreError::Read { path, source }),
        };
        let is_whole = bytes
            .split_last_chunk::<8>()
            .is_some_and(|(content, hash)| checksum(&self.file_config.name, content) == *hash);
        if !is_whole {
            return Ok(IndexFile::Damaged);
        }
        let index = self.read_index(&self.block_numbers()?);
        Ok(index.map_or(IndexFile::Outdated, |(index, _)| {
            IndexFile::Current(StoredIndex(Box::new(index)))
        }))
    }

    /// Compares an index with the blocks, which this store has to have been opened from, without an
    /// index. Subjects come in their order. Fails when a block cannot be read any more.
    pub fn compare_index(
        &mut self,
        index: &StoredIndex,
    ) -> Result<Vec<IndexDifference>, StoreError> {
        let index = &index.0;
        let beyond = self.beyond(index)?;
        let mut found = Vec::new();
        let messages = self.state.messages.saturating_sub(beyond.messages);
        if messages != index.state.messages {
            let missing = self.missing(index);
            let index = index.state.messages;
            found.push(IndexDifference::Messages { index, blocks: messages, missing });
        }
        let bytes = self.state.bytes.saturating_sub(beyond.bytes);
        if bytes != index.state.bytes {
            found.push(IndexDifference::Bytes { index: index.state.bytes, blocks: bytes });
        }
        if self.state.last_seq != index.state.last_seq {
            let (index, blocks) = (index.state.last_seq, self.state.last_seq);
            found.push(IndexDifference::LastSeq { index, blocks });
        }
        let mut subjects = BTreeMap::new();
        index.subjects.for_each(|subject, said| {
            let there = self.subjects.get(subject).map_or(0, |info| info.total);
            let there = there - beyond.subjects.get(subject).copied().unwrap_or(0);
            if there != said.total {
                subjects.insert(subject.to_vec(), (said.total, there));
            }
        });
        self.subjects.for_each(|subject, info| {
            let there = info.total - beyond.subjects.get(subject).copied().unwrap_or(0);
            if there > 0 && index.subjects.get(subject).is_none() {
                subjects.insert(subject.to_vec(), (0, there));
            }
        });
        found.extend(
            subjects.into_iter().map(|(subject, (index, blocks))| IndexDifference::Subject {
                subject,
                index,
                blocks,
            }),
        );
        Ok(found)
    }

    /// The messages up to the last one of the index that it does not have.
    fn beyond(&mut self, index: &Index) -> Result<Beyond, StoreError> {
        let mut beyond = Beyond::default();
        let (first, last) = (index.state.first_seq, index.state.last_seq);
        let mut next = 0;
        while let Some(message) = self.load_next(Filter::All, next)? {
            if message.seq >= first || message.seq > last {
                break;
            }
            beyond.add(&message);
            next = message.seq + 1;
        }
        for seq in index.deleted.iter_from(first).take_while(|&seq| seq <= last) {
            if self.is_live(seq) {
                beyond.add(&self.load(seq)?);
            }
        }
        Ok(beyond)
    }

    /// The first and the last sequence of the index's messages that are not in the blocks.
    fn missing(&self, index: &Index) -> Option<(u64, u64)> {
        let (first, last) = (index.state.first_seq, index.state.last_seq);
        if index.state.messages == 0 {
            return None;
        }
        // Neither what is before the first message of the blocks nor what is behind the last is
        // among their deleted ones.
        let has_any = self.state.messages > 0;
        let (start, end) =
            if has_any { (self.state.first_seq, self.state.last_seq) } else { (1, 0) };
        let before = first..start.min(last + 1).max(first);
        let behind = (end + 1).max(first)..=last;
        let between = self.deleted.iter_from(first).take_while(|&seq| seq <= last);
        let between = between.filter(|&seq| seq >= start && seq <= end);
        let mut missing =
            before.chain(between).chain(behind).filter(|&seq| !index.deleted.contains(seq));
        let first = missing.next()?;
        Some((first, missing.last().unwrap_or(first)))
    }
}
