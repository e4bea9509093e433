use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use natsd_base::{Prng, Timestamp};

use super::{Compression, FileStore, FileStoreConfig};
use crate::disk::{Disk, MemDisk};
use crate::memory::MemStore;
use crate::stream_store::tests::{START, filters};
use crate::stream_store::{
    Discard, Filter, NewMessage, StoreConfig, StoreError, StreamState, StreamStore,
};
use crate::ttl::Ttl;

mod compare;
mod content;
mod crash;
mod faults;
mod go;
mod hostile;
mod keys;
mod parity;

pub(crate) const DIR: &str = "/s";

pub(crate) fn block_path(number: u32) -> PathBuf {
    Path::new(DIR).join(format!("msgs/{number}.blk"))
}

/// A configuration with small blocks.
pub(crate) fn small(block_size: u64) -> FileStoreConfig {
    FileStoreConfig { block_size, cache_size_max: 64 * 1024, ..FileStoreConfig::new("S") }
}

pub(crate) fn open(
    disk: &(impl Disk + Clone + 'static),
    file_config: &FileStoreConfig,
    config: &StoreConfig,
    now: Timestamp,
) -> FileStore {
    let disk = Arc::new(disk.clone());
    FileStore::open(disk, Path::new(DIR), file_config.clone(), config.clone(), now).unwrap()
}
