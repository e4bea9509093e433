//! Keeps messages and consumer state, in memory or on a disk, and recovers them.
//!
//! Pure and synchronous: time is an argument and files are reached through a trait only.
//!
//! Source: Go `server/store.go`, `server/memstore.go`, `server/filestore.go`, `server/avl`,
//! `server/thw`.
#![warn(missing_docs)]

pub mod archive;
pub mod block;
mod consumer_state;
mod consumer_store;
mod crypt;
mod disk;
mod file;
mod headers;
pub mod journal;
mod jwt_dir;
mod locate;
mod lock;
mod markers;
mod memory;
pub mod raft_log;
mod schedule;
mod sequence_set;
mod snapshot;
mod sources;
pub mod stream_dir;
mod stream_store;
mod ttl;
mod varint;
mod wheel;

pub use consumer_state::{ConsumerState, CorruptConsumerState, PendingMessage, SequencePair};
pub use consumer_store::{
    AckPolicy, ConsumerFiles, ConsumerStore, ConsumerStoreConfig, ConsumerStoreError,
    FileConsumerStore, MemConsumerStore,
};
pub use crypt::{
    BlockKey, Cipher, CryptError, Random, RandomSource, SealKey, StoreKeys, StreamKeys,
};
pub use disk::{DirEntry, Disk, DiskFile, Faults, MemDisk, RealDisk, SimDisk, Unsynced};
pub use file::{
    Compression, DamageKind, Damaged, FileStore, FileStoreConfig, FileStoreError, FileStoreKeys,
    IndexDifference, IndexFile, SharedRandom, StoredIndex,
};
pub use jwt_dir::{JwtDir, JwtDirConfig, JwtDirError, JwtExpiry, JwtRemoval};
pub use lock::{LockError, LockHolder, StoreLock};
pub use markers::{Expired, marker_headers};
pub use memory::MemStore;
pub use schedule::{
    Firing, InvalidSchedule, ScheduledMessage, Schedules, SchedulesError, next_firing,
};
pub use sequence_set::{SequenceSet, SequenceSetError, Sequences};
pub use snapshot::{DeleteBlock, SnapshotError, SourceState, StreamSnapshot, sync_deleted};
pub use sources::{SourcesError, decode_sources, encode_sources};
pub use stream_store::{
    Discard, Filter, NewMessage, StoreConfig, StoreError, StoredMessage, StreamState, StreamStore,
    SubjectState,
};
pub use ttl::{InvalidTtl, TTL_HEADER, Ttl};
pub use wheel::{TimeHashWheel, WheelError};
