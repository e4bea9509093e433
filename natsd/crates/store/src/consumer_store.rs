//! Keeps how far a consumer is: in memory, or in its folder on a disk.
//!
//! A store follows deliveries and acknowledgements and keeps the state that results; to whom
//! what is delivered when is decided above it. Changes are in memory until
//! [`ConsumerStore::flush`], which makes them durable at once, so that a crash leaves some state
//! that was true.
//!
//! Source: Go `server/store.go` `ConsumerStore`, `server/filestore.go` `consumerFileStore`,
//! `server/memstore.go` `consumerMemStore`.

mod file;
mod memory;
mod tracker;

use std::io;
use std::path::PathBuf;

use natsd_base::Timestamp;

use crate::consumer_state::ConsumerState;
use crate::crypt::CryptError;
use crate::stream_dir::ReplaceError;

pub use file::{ConsumerFiles, FileConsumerStore};
pub use memory::MemConsumerStore;

/// Which acknowledgements a consumer wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AckPolicy {
    /// None: what is delivered counts as acknowledged.
    #[default]
    None,
    /// One acknowledges everything before it.
    All,
    /// Every message its own.
    Explicit,
    /// As [`AckPolicy::All`], by flow control.
    FlowControl,
}

/// What a store needs to know of a consumer's configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsumerStoreConfig {
    /// Go: `ack_policy`.
    pub ack: AckPolicy,
    /// After so many deliveries a message is given up. Go: `max_deliver`.
    pub deliveries_max: Option<u64>,
}

/// Why a store refused something. The texts without a path are Go's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerStoreError {
    /// The consumer wants no acknowledgements, so there are no repeated deliveries either.
    #[error("ack policy is none")]
    NoAckPolicy,
    /// The message does not wait for an acknowledgement.
    #[error("no message found")]
    NotFound,
    /// The state is older than what the store has.
    #[error("old update ignored")]
    OldUpdate,
    /// The floor is above what was delivered, by consumer sequences.
    #[error("bad ack floor for consumer")]
    BadConsumerFloor,
    /// The floor is above what was delivered, by stream sequences.
    #[error("bad ack floor for stream")]
    BadStreamFloor,
    /// A pending message is not between the floor and what was delivered.
    #[error("bad pending entry, sequence [{seq}] out of range")]
    BadPending {
        /// Its stream sequence.
        seq: u64,
    },
    /// The store was stopped or deleted.
    #[error("store is closed")]
    Closed,
    /// The state on disk was damaged, and put aside. Where the consumer stands has to be said
    /// anew, by `set_starting`, `reset` or `force_update`, before anything else.
    #[error("the consumer's state is lost, the damaged one is {}", aside.display())]
    Lost {
        /// Where the damaged file is now.
        aside: PathBuf,
    },
    /// A newer server wrote the state. Nothing was changed.
    #[error("{}: unknown version {version}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u8,
    },
    /// The disk refused. The store has what it had, and may try again.
    #[error("{}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// A sync failed, now or earlier: nobody knows what is on disk. Nothing is written any more.
    #[error("{}: sync failed, the store has stopped", path.display())]
    Stopped {
        /// The file or folder.
        path: PathBuf,
    },
    /// The consumer's keys cannot be had.
    #[error("{}", path.display())]
    Crypt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CryptError,
    },
}

impl From<ReplaceError> for ConsumerStoreError {
    fn from(error: ReplaceError) -> Self {
        if error.is_sync {
            Self::Stopped { path: error.path }
        } else {
            Self::Disk { path: error.path, source: error.source }
        }
    }
}

/// The state of one consumer.
pub trait ConsumerStore: Send + std::fmt::Debug {
    /// The state. Fails when the store is closed or the state is lost.
    fn state(&self) -> Result<&ConsumerState, ConsumerStoreError>;
    /// The state for a replica; times are written as seconds before `now`.
    fn encoded_state(&self, now: Timestamp) -> Result<Vec<u8>, ConsumerStoreError> {
        Ok(self.state()?.encode(now))
    }
    /// Whether anything was delivered or said about where to start.
    fn has_state(&self) -> bool;
    /// Whether this outlives the server.
    fn is_durable(&self) -> bool;

    /// The configuration in force.
    fn config(&self) -> ConsumerStoreConfig;
    /// Another configuration, with the description (JSON) that goes to disk at once.
    fn update_config(
        &mut self,
        config: ConsumerStoreConfig,
        description: &[u8],
    ) -> Result<(), ConsumerStoreError>;

    /// Says that everything up to the stream sequence `seq` counts as delivered and acknowledged.
    fn set_starting(&mut self, seq: u64) -> Result<(), ConsumerStoreError>;
    /// As `set_starting`, but forwards only, and with acknowledgements what waits for them stays.
    fn update_starting(&mut self, seq: u64) -> Result<(), ConsumerStoreError>;
    /// Forgets everything, and starts after the stream sequence `seq`.
    fn reset(&mut self, seq: u64) -> Result<(), ConsumerStoreError>;
    /// A message was delivered for the `deliveries`th time. What is below the floor changes
    /// nothing.
    fn update_delivered(
        &mut self,
        consumer_seq: u64,
        stream_seq: u64,
        deliveries: u64,
        time: Timestamp,
    ) -> Result<(), ConsumerStoreError>;
    /// A message was acknowledged. What is below the floor changes nothing.
    fn update_acks(&mut self, consumer_seq: u64, stream_seq: u64)
    -> Result<(), ConsumerStoreError>;
    /// Forgets how often messages below `seq` were delivered again.
    fn remove_redelivered_below(&mut self, seq: u64) -> Result<(), ConsumerStoreError>;
    /// Takes the state of a leader, unless it is older or contradicts itself.
    fn update(&mut self, state: ConsumerState) -> Result<(), ConsumerStoreError>;
    /// Takes a state, even an older one, unless it contradicts itself.
    fn force_update(&mut self, state: ConsumerState) -> Result<(), ConsumerStoreError>;

    /// Whether there is something to flush.
    fn is_dirty(&self) -> bool;
    /// Makes the state durable, if it has changed.
    fn flush(&mut self, now: Timestamp) -> Result<(), ConsumerStoreError>;
    /// Flushes and closes. Closed even when flushing fails.
    fn stop(&mut self, now: Timestamp) -> Result<(), ConsumerStoreError>;
    /// Closes and removes everything.
    fn delete(&mut self) -> Result<(), ConsumerStoreError>;
}

#[cfg(test)]
mod tests;
