//! Keeps messages and consumer state, in memory or on a disk, and recovers them.
//!
//! Pure and synchronous: time is an argument and files are reached through a trait only.
//!
//! Source: Go `server/store.go`, `server/memstore.go`, `server/filestore.go`, `server/avl`,
//! `server/thw`.
#![warn(missing_docs)]

pub mod block;
mod disk;
mod sequence_set;
mod varint;
mod wheel;

pub use disk::{DirEntry, Disk, DiskFile, Faults, MemDisk, SimDisk, Unsynced};
pub use sequence_set::{SequenceSet, SequenceSetError, Sequences};
pub use wheel::{TimeHashWheel, WheelError};
