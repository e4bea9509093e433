//! Go's tests of encrypted streams: messages, consumers and what a purge leaves.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use natsd_base::{Prng, Timestamp};

use crate::block::{BlockHash, Record, RecordKind};
use crate::consumer_state::{ConsumerState, SequencePair};
use crate::consumer_store::{ConsumerFiles, ConsumerStore, ConsumerStoreConfig};
use crate::crypt::{Cipher, StoreKeys, StreamKeys};
use crate::disk::{Disk, Faults, MemDisk, SimDisk, Unsynced};
use crate::file::{Compression, FileStore, FileStoreConfig, FileStoreError, FileStoreKeys};
use crate::stream_dir::ConsumerDir;
use crate::stream_store::{NewMessage, StoreConfig, StreamStore};

const DIR: &str = "/A/streams/zzz";
const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn keys(cipher: Cipher) -> FileStoreKeys {
    let prng = Mutex::new(Prng::from_seed(1));
    let random = move |bytes: &mut [u8]| {
        bytes.fill_with(|| prng.lock().unwrap().next_u64().to_le_bytes()[0]);
    };
    let store = StoreKeys::new(cipher, b"key", None);
    let (keys, _) = StreamKeys::create(&store, "A", "zzz", &mut |bytes| bytes.fill(9));
    FileStoreKeys { keys, random: Arc::new(random) }
}

fn file_config(cipher: Option<Cipher>) -> FileStoreConfig {
    FileStoreConfig { keys: cipher.map(keys), ..FileStoreConfig::new("zzz") }
}

fn try_open<D: Disk + Clone + 'static>(
    disk: &D,
    files: &FileStoreConfig,
    config: StoreConfig,
    now: Timestamp,
) -> Result<FileStore, FileStoreError> {
    FileStore::open(Arc::new(disk.clone()), Path::new(DIR), files.clone(), config, now)
}

fn open<D: Disk + Clone + 'static>(disk: &D, files: &FileStoreConfig) -> FileStore {
    try_open(disk, files, StoreConfig::default(), NOW).unwrap()
}

fn put(store: &mut FileStore, subject: &[u8], body: &[u8], timestamp: Timestamp) -> u64 {
    let (headers, seq, ttl) = (b"".as_slice(), None, None);
    let message = NewMessage { subject, headers, body, seq, timestamp, ttl, may_refuse: true };
    store.store(message).unwrap()
}

/// Plain and with both ciphers, plain and compressed blocks. Go: `testFileStoreAllPermutations`.
fn each(test: impl Fn(&FileStoreConfig)) {
    for cipher in [None, Some(Cipher::ChaCha), Some(Cipher::Aes)] {
        for compression in [Compression::None, Compression::S2] {
            test(&FileStoreConfig { compression, ..file_config(cipher) });
        }
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn read(disk: &dyn Disk, name: &str) -> Vec<u8> {
    disk.open(&path(name), false).unwrap().read_all().unwrap()
}

fn write(disk: &dyn Disk, name: &str, bytes: &[u8]) {
    let file = disk.open(&path(name), true).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// Go: TestFileStoreEncrypted server/filestore_test.go:4493
#[test]
fn file_store_encrypted() {
    each(|files| {
        let disk = MemDisk::new();
        let mut store = open(&disk, files);
        for _ in 0..50 {
            put(&mut store, b"foo", b"aes ftw", NOW);
        }
        let consumer_files = || ConsumerFiles {
            disk: Arc::new(disk.clone()),
            dir: path("obs/o22"),
            stream: "zzz".into(),
            name: "o22".into(),
            keys: files.keys.as_ref().map(|keys| keys.keys.clone()),
            random: Box::new(|bytes| bytes.fill(5)),
        };
        let config = ConsumerStoreConfig::default();
        let mut consumer = consumer_files().create(config, b"{}").unwrap();
        let state = ConsumerState {
            delivered: SequencePair { consumer: 22, stream: 22 },
            ack_floor: SequencePair { consumer: 11, stream: 11 },
            ..ConsumerState::default()
        };
        consumer.update(state.clone()).unwrap();
        consumer.stop(NOW).unwrap();
        store.stop(NOW).unwrap();

        let mut store = open(&disk, files);
        assert_eq!(store.load(10).unwrap().body, b"aes ftw");
        let (dir, keys) = (path("obs/o22"), consumer_files().keys);
        let place = ConsumerDir { disk: &disk, dir: &dir, stream: "zzz", name: "o22" };
        let description = place.read(keys.as_ref()).unwrap();
        let consumer = consumer_files().open(config, &description, NOW).unwrap();
        assert_eq!(*consumer.state().unwrap(), state);
        let contains = |name: &str| read(&disk, name).windows(7).any(|part| part == b"aes ftw");
        assert_eq!(contains("msgs/1.blk"), keys.is_none());
    });
}

/// Go: TestFileStoreRestoreEncryptedWithNoKeyFuncFails server/filestore_test.go:5428
#[test]
fn file_store_restore_encrypted_with_no_key_func_fails() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &file_config(Some(Cipher::Aes)));
    for _ in 0..100 {
        put(&mut store, b"zzz", &[b'X'; 100], NOW);
    }
    store.stop(NOW).unwrap();
    let before = disk.list(&path("msgs")).unwrap();
    let refused = try_open(&disk, &file_config(None), StoreConfig::default(), NOW);
    assert!(matches!(refused, Err(FileStoreError::Encrypted { block: 1 })), "{refused:?}");
    assert_eq!(disk.list(&path("msgs")).unwrap(), before);
    assert_eq!(open(&disk, &file_config(Some(Cipher::Aes))).state().messages, 100);
}

/// Go: TestFileStoreEncryptedKeepIndexNeedBekResetBug server/filestore_test.go:4245
#[test]
fn file_store_encrypted_keep_index_need_bek_reset_bug() {
    each(|files| {
        let disk = MemDisk::new();
        let config = StoreConfig { age_max: Some(SECOND), ..StoreConfig::default() };
        let mut store = try_open(&disk, files, config.clone(), NOW).unwrap();
        for _ in 0..5 {
            put(&mut store, b"foo", b"ouch", NOW);
        }
        store.flush().unwrap();
        let later = NOW + SECOND * 2;
        assert_eq!(store.expire(later), Ok(5));
        for _ in 0..5 {
            put(&mut store, b"foo", b"ouch", later);
        }
        store.flush().unwrap();
        store.release_caches();
        assert_eq!((store.state().messages, store.state().first_seq), (5, 6));
        for seq in 6..=10 {
            assert_eq!(store.load(seq).unwrap().body, b"ouch");
        }
        drop(store);
        let mut store = try_open(&disk, files, config, later).unwrap();
        assert_eq!(store.damaged(), []);
        for seq in 6..=10 {
            assert_eq!(store.load(seq).unwrap().body, b"ouch");
        }
    });
}

/// The cache that Go resurrected is none here; what counts is that plain blocks become encrypted
/// ones, every time, and can be read from the disk.
/// Go: TestFileStoreConvertToEncryptedDoesNotResurrectXoredCache server/filestore_test.go:14982
#[test]
fn file_store_convert_to_encrypted_does_not_resurrect_xored_cache() {
    let body = b"MARKER-PLAINTEXT-PAYLOAD-".repeat(32);
    let disk = MemDisk::new();
    let small = |cipher| FileStoreConfig { block_size: 8192, ..file_config(cipher) };
    let mut store = open(&disk, &small(None));
    put(&mut store, b"foo", &body, NOW);
    store.stop(NOW).unwrap();
    let plain = read(&disk, "msgs/1.blk");
    for _ in 0..2 {
        let mut store = open(&disk, &small(Some(Cipher::Aes)));
        assert_eq!(store.damaged(), []);
        store.release_caches();
        assert_eq!(store.load(1).unwrap().body, body);
        put(&mut store, b"foo", &body, NOW);
        store.flush().unwrap();
        store.release_caches();
        assert_eq!(store.load(2).unwrap().body, body);
        drop(store);
        assert!(!read(&disk, "msgs/1.blk").windows(6).any(|part| part == b"MARKER"));
        // A plain block again, whose key is gone.
        write(&disk, "msgs/1.blk", &plain);
        disk.remove_file(&path("msgs/1.key")).unwrap();
    }
}

/// Go: TestFileStoreEncryptionKeyFileSyncedBySyncBlocks server/filestore_test.go:15439
#[test]
fn file_store_encryption_key_file_synced_by_sync_blocks() {
    let sim = SimDisk::new(1, Faults { unsynced: Unsynced::Lost, ..Faults::default() });
    sim.create_dir_all(Path::new(DIR)).unwrap();
    Path::new(DIR).ancestors().for_each(|above| sim.sync_dir(above).unwrap());
    let files = file_config(Some(Cipher::Aes));
    let mut store = open(&sim, &files);
    put(&mut store, b"foo", b"Hello World", NOW);
    store.sync().unwrap();
    sim.crash();
    sim.restart();
    drop(store);
    let mut store = open(&sim, &files);
    assert_eq!(store.damaged(), []);
    assert_eq!(store.load(1).unwrap().body, b"Hello World");
}

/// Go: TestFileStoreEncryptedPurgeRecoveryAfterKeyRename server/filestore_test.go:823
#[test]
fn file_store_encrypted_purge_recovery_after_key_rename() {
    let disk = MemDisk::new();
    let files = FileStoreConfig { block_size: 64 << 10, ..file_config(Some(Cipher::Aes)) };
    let mut store = open(&disk, &files);
    for _ in 0..64 {
        put(&mut store, b"foo", &[0; 8 << 10], NOW);
    }
    let baseline = store.state();
    store.stop(NOW).unwrap();
    disk.remove_file(&path("msgs/index.db")).unwrap();

    // A purge of Go wrote the tombstone into a block of its own, and moved the key of that away;
    // there the server stopped.
    let number = 1000;
    let keys = files.keys.as_ref().unwrap();
    let (key, key_file) = keys.keys.new_block_key(number, &mut |bytes| bytes.fill(3));
    let tombstone = Record {
        seq: 64,
        timestamp: NOW,
        kind: RecordKind::Tombstone,
        subject: b"",
        headers: b"",
        body: b"",
    };
    let mut block = Vec::new();
    tombstone.encode(&BlockHash::new("zzz", number), &mut block).unwrap();
    key.apply(0, &mut block);
    write(&disk, "msgs/1000.blk", &block);
    disk.create_dir_all(&path("__new_msgs__")).unwrap();
    write(&disk, "__new_msgs__/1000.key", &key_file);

    for _ in 0..2 {
        let mut store = open(&disk, &files);
        assert_eq!(store.damaged(), []);
        assert_eq!(store.state(), baseline);
        assert!(store.load(64).is_ok());
        assert!(disk.open(&path("msgs/1000.blk"), false).is_err());
        assert!(disk.list(&path("__new_msgs__")).is_err());
    }
}
