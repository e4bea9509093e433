//! Go's tests of its file store, by what they are about.

use std::path::{Path, PathBuf};

use natsd_base::Timestamp;

use super::keys::random;
use super::{DIR, block_path, open};
use crate::crypt::{Cipher, StoreKeys, StreamKeys};
use crate::disk::{Disk, MemDisk};
use crate::file::{Compression, FileStore, FileStoreConfig, FileStoreKeys};
use crate::stream_store::tests::{START, TICK, message};
use crate::stream_store::{NewMessage, StoreConfig, StoreError, StreamState, StreamStore};

/// A store on a disk in memory, with a clock.
pub(super) struct Fixture {
    pub(super) disk: MemDisk,
    pub(super) file_config: FileStoreConfig,
    pub(super) config: StoreConfig,
    pub(super) now: Timestamp,
    pub(super) store: FileStore,
}

/// Runs a test with every way to lay a stream down. Go: `testFileStoreAllPermutations`.
pub(super) fn each(
    file_config: &FileStoreConfig,
    config: &StoreConfig,
    test: impl Fn(&mut Fixture),
) {
    each_plain(file_config, config, &test);
    for (compression, cipher) in
        [(Compression::None, Cipher::ChaCha), (Compression::S2, Cipher::Aes)]
    {
        let keys = Some(new_keys(cipher));
        run(&FileStoreConfig { compression, keys, ..file_config.clone() }, config, &test);
    }
}

/// The same without encryption, for tests with so many bytes that it takes too long when the code
/// is not optimised.
pub(super) fn each_plain(
    file_config: &FileStoreConfig,
    config: &StoreConfig,
    test: impl Fn(&mut Fixture),
) {
    for compression in [Compression::None, Compression::S2] {
        run(&FileStoreConfig { compression, ..file_config.clone() }, config, &test);
    }
}

fn run(file_config: &FileStoreConfig, config: &StoreConfig, test: impl Fn(&mut Fixture)) {
    let mut fixture = Fixture::new(file_config, config);
    test(&mut fixture);
    fixture.check();
}

pub(super) fn new_keys(cipher: Cipher) -> FileStoreKeys {
    let random = random(7);
    let store = StoreKeys::new(cipher, b"key", None);
    let (keys, _) = StreamKeys::create(&store, "$G", "S", &mut |bytes| random(bytes));
    FileStoreKeys { keys, random }
}

impl Fixture {
    pub(super) fn new(file_config: &FileStoreConfig, config: &StoreConfig) -> Self {
        let disk = MemDisk::new();
        let store = open(&disk, file_config, config, START);
        let (file_config, config) = (file_config.clone(), config.clone());
        Self { disk, file_config, config, now: START, store }
    }

    /// Stores a message as a stream without replicas would, a microsecond later.
    pub(super) fn try_put(&mut self, new: NewMessage<'_>) -> Result<u64, StoreError> {
        self.now = self.now + TICK;
        self.store.store(NewMessage { timestamp: self.now, ..new })
    }

    #[track_caller]
    pub(super) fn put(&mut self, subject: &str, body: &[u8]) -> u64 {
        self.try_put(NewMessage { body, ..message(subject) }).unwrap()
    }

    /// Stops the store in good order and opens it again.
    pub(super) fn restart(&mut self) {
        self.store.stop(self.now).unwrap();
        self.reopen();
    }

    /// Loses the process, but nothing that was handed to the disk. What waits is handed over
    /// first, as Go's flusher would soon.
    pub(super) fn kill(&mut self) {
        self.store.flush().unwrap();
        self.reopen();
    }

    /// Opens what is on disk.
    pub(super) fn reopen(&mut self) {
        self.store = open(&self.disk, &self.file_config, &self.config, self.now);
    }

    /// Messages, first and last sequence.
    pub(super) fn range(&self) -> (u64, u64, u64) {
        let StreamState { messages, first_seq, last_seq, .. } = self.store.state();
        (messages, first_seq, last_seq)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        Path::new(DIR).join(name)
    }

    /// Removes a file of the stream, `msgs/index.db` for one.
    pub(super) fn remove_file(&self, name: &str) {
        self.disk.remove_file(&self.path(name)).unwrap();
    }

    /// What a block file holds, decrypted.
    #[track_caller]
    pub(super) fn block(&self, number: u32) -> Vec<u8> {
        let mut bytes = self.disk.open(&block_path(number), false).unwrap().read_all().unwrap();
        if let Some(key) = self.store.block_key(number).unwrap() {
            key.apply(0, &mut bytes);
        }
        bytes
    }

    /// Changes the bytes of a block behind the store's back.
    pub(super) fn damage(&self, number: u32, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.block(number);
        change(&mut bytes);
        if let Some(key) = self.store.block_key(number).unwrap() {
            key.apply(0, &mut bytes);
        }
        let file = self.disk.open(&block_path(number), false).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
    }

    /// The invariants of a state.
    #[track_caller]
    pub(super) fn check(&self) {
        let state = self.store.state();
        let deleted = self.store.deleted();
        assert_eq!(state.deleted, deleted.len());
        if state.messages == 0 {
            assert!(state.bytes == 0 && state.first_time.is_none() && state.deleted == 0);
        } else {
            assert_eq!(state.last_seq - state.first_seq + 1, state.messages + state.deleted);
        }
    }
}

mod basics;
mod damage;
mod deletes;
mod erase;
mod erasing;
mod expiring;
mod extras;
mod failures;
mod finding;
mod folders;
mod layout;
mod limiting;
mod lookup;
mod losing;
mod purging;
mod reopening;
mod rewrites;
mod sources;
mod starts;
mod steps;
mod ttl;

/// Damage in the middle costs the message that it hit, and only it, also over a restart.
#[test]
fn damage_costs_the_message_that_it_hit() {
    let mut fixture = Fixture::new(&FileStoreConfig::new("S"), &StoreConfig::default());
    for _ in 0..10 {
        fixture.put("foo", b"hello");
    }
    fixture.restart();
    let size = fixture.block(1).len() / 10;
    fixture.damage(1, |bytes| bytes[3 * size + 25] ^= 0xff);
    fixture.remove_file("msgs/index.db");
    for _ in 0..2 {
        fixture.reopen();
        assert_eq!(fixture.range(), (9, 1, 10));
        assert!(fixture.store.load(4).is_err() && fixture.store.load(5).is_ok());
    }
}
