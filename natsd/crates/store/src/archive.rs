//! Backups of streams: written from a store, and read from whoever sends them.
//!
//! A backup is an S2 stream of an archive. 2.15 writes its own archive of messages, which fits any
//! store; older servers wrote a tar of the files of a file store, which is read only. Both are
//! told apart by their first bytes.
//!
//! Everything works in pieces: what comes in is pushed, what goes out is taken, and no more than
//! one message or one block of the compression is in memory. Whoever sends a backup is not
//! trusted: names are checked against the few that there can be, sizes against limits, before
//! anything is allocated or written.
//!
//! Source: Go `server/archive/archive.go`, `server/stream_backup.go`, `server/stream.go`
//! (`RestoreStream`), `server/filestore.go` (`streamSnapshot`).

mod entry;
mod files;
mod messages;
mod reader;
pub(crate) mod s2;
mod snapshot;
mod tar;

use std::io;
use std::path::PathBuf;

use crate::stream_store::StoreError;

pub use files::{FilesRestore, RestoredConsumer, RestoredFiles};
pub use messages::MessagesRestore;
pub use reader::{ArchiveReader, ArchivedFile, Item};
pub use snapshot::SnapshotWriter;

/// Sequences are below this: the bits above say something else on disk.
const SEQ_LIMIT: u64 = 1 << 62;

/// What a backup may be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Bytes of one message, headers and body.
    pub message_size_max: u64,
    /// Bytes of messages or files in all, uncompressed.
    pub bytes_max: u64,
    /// Sequences without a message between the first and the last one in all. They cost a bit of
    /// memory each.
    pub gaps_max: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self { message_size_max: 64 << 20, bytes_max: u64::MAX, gaps_max: 1 << 30 }
    }
}

/// Why a backup cannot be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The bytes are no S2 stream, or a block of it does not match its checksum.
    #[error("invalid compression at byte {offset}")]
    Compression {
        /// Of the compressed bytes, where the chunk begins.
        offset: u64,
    },
    /// The bytes are no archive.
    #[error("invalid archive at byte {offset}")]
    Invalid {
        /// Of the uncompressed bytes, where the entry begins.
        offset: u64,
    },
    /// It ends too early.
    #[error("backup was truncated")]
    Truncated,
    /// There is something that does not belong into it.
    #[error("unexpected content {name:?}")]
    Unexpected {
        /// Its name, or the beginning of it.
        name: String,
    },
    /// Something is larger than the limits allow.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Messages do not ascend, or end where no sequence can be.
    #[error("message sequence {seq} out of order")]
    OutOfOrder {
        /// The sequence that is not above the one before.
        seq: u64,
    },
    /// The server that wrote the backup could not finish it.
    #[error("the backup holds an error: {text}")]
    Failed {
        /// What that server says.
        text: String,
    },
    /// A description does not match its checksum, or has none.
    #[error("{name}: checksum does not match")]
    Checksum {
        /// The file of the backup.
        name: String,
    },
    /// The store refused.
    #[error("cannot restore sequence {seq}")]
    Store {
        /// What was being restored.
        seq: u64,
        /// What the store says.
        #[source]
        source: StoreError,
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
}

#[cfg(test)]
mod tests;
