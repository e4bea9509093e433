//! Encrypted streams, those of a Go server and our own, and their way from one key to another.

use std::sync::Mutex;

use super::content::check_answers;
use super::faults::messages_of;
use super::*;
use crate::crypt::{Cipher, StoreKeys, StreamKeys};
use crate::disk::{Faults, SimDisk, Unsynced};
use crate::file::{DamageKind, FileStoreError, FileStoreKeys, SharedRandom};

macro_rules! go_file {
    ($name:literal, $path:literal) => {
        include_bytes!(concat!("../../../testdata/go-", $name, "/", $path))
    };
}

struct Fixture {
    cipher: Cipher,
    key: &'static [u8],
    meta_key: &'static [u8],
    files: [(&'static str, &'static [u8]); 5],
    answers: &'static str,
}

macro_rules! fixture {
    ($name:literal, $cipher:expr, $key:expr) => {
        Fixture {
            cipher: $cipher,
            key: $key,
            meta_key: go_file!($name, "meta.key"),
            files: [
                ("index.db", go_file!($name, "msgs/index.db")),
                ("1.key", go_file!($name, "msgs/1.key")),
                ("1.blk", go_file!($name, "msgs/1.blk")),
                ("2.key", go_file!($name, "msgs/2.key")),
                ("2.blk", go_file!($name, "msgs/2.blk")),
            ],
            answers: include_str!(concat!("../../../testdata/go-", $name, ".txt")),
        }
    };
}
const FIXTURES: [Fixture; 2] = [
    fixture!("chacha", Cipher::ChaCha, b"key of chacha"),
    fixture!("aes", Cipher::Aes, b"key of aes"),
];

pub(super) fn random(seed: u64) -> SharedRandom {
    let prng = Mutex::new(Prng::from_seed(seed));
    Arc::new(move |bytes| {
        let mut prng = prng.lock().unwrap();
        bytes.iter_mut().for_each(|byte| *byte = prng.next_u64().to_le_bytes()[0]);
    })
}

/// The keys of a stream whose `meta.key` was made with `store` or the key before.
pub(super) fn stream_keys(store: &StoreKeys, name: &str, meta_key: &[u8]) -> FileStoreKeys {
    let keys = StreamKeys::recover(store, "$G", name, meta_key).unwrap();
    FileStoreKeys { keys, random: random(7) }
}

fn put_files(disk: &impl Disk, files: &[(&str, &[u8])]) {
    let dir = Path::new(DIR).join("msgs");
    disk.create_dir_all(&dir).unwrap();
    for (name, bytes) in files {
        let file = disk.open(&dir.join(name), true).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync_data().unwrap();
    }
    disk.sync_dir(&dir).unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
}

fn try_open(
    disk: &(impl Disk + Clone + 'static),
    keys: Option<FileStoreKeys>,
) -> Result<FileStore, FileStoreError> {
    let file_config = FileStoreConfig { keys, ..FileStoreConfig::new("SECRET") };
    let (disk, dir) = (Arc::new(disk.clone()), Path::new(DIR));
    FileStore::open(disk, dir, file_config, StoreConfig::default(), START)
}

#[test]
fn encrypted_streams_of_a_go_server_are_what_the_server_said() {
    for fixture in &FIXTURES {
        let store = StoreKeys::new(fixture.cipher, fixture.key, None);
        let keys = || Some(stream_keys(&store, "SECRET", fixture.meta_key));
        for skipped in [0, 1] {
            let disk = MemDisk::new();
            put_files(&disk, &fixture.files[skipped..]);
            let mut store = try_open(&disk, keys()).unwrap();
            assert_eq!(store.damaged(), []);
            check_answers(&mut store, fixture.answers);
            store.stop(START).unwrap();
            check_answers(&mut try_open(&disk, keys()).unwrap(), fixture.answers);
        }
        let disk = MemDisk::new();
        put_files(&disk, &fixture.files);
        assert!(matches!(try_open(&disk, None), Err(FileStoreError::Encrypted { block: 1 })));
        let mut other = StoreKeys::new(fixture.cipher, b"another", Some(fixture.key));
        let new = stream_keys(&other, "SECRET", fixture.meta_key);
        // Keys that open the description but no block.
        other = StoreKeys::new(fixture.cipher, b"a third one", None);
        let (wrong, _) = StreamKeys::create(&other, "$G", "SECRET", &mut |bytes| bytes.fill(1));
        let wrong = FileStoreKeys { keys: wrong, random: random(1) };
        assert!(matches!(try_open(&disk, Some(wrong)), Err(FileStoreError::Key { block: 1, .. })));
        check_answers(&mut try_open(&disk, Some(new)).unwrap(), fixture.answers);
    }
}

/// Whatever operation a crash happens in, the messages are there, under one key or the other.
#[test]
fn a_crash_while_keys_are_changed_loses_nothing() {
    for fixture in &FIXTURES {
        let other = match fixture.cipher {
            Cipher::ChaCha => Cipher::Aes,
            Cipher::Aes => Cipher::ChaCha,
        };
        let store = StoreKeys::new(other, b"new key", Some(fixture.key));
        let keys = || Some(stream_keys(&store, "SECRET", fixture.meta_key));
        for crash_at in 1.. {
            let disk = SimDisk::new(crash_at, Faults::default());
            put_files(&disk, &fixture.files[1..]);
            let crash = disk.operation_count() + crash_at;
            disk.set_faults(Faults { crash_at: Some(crash), ..Faults::default() });
            let is_whole = try_open(&disk, keys()).is_ok();
            disk.restart();
            let mut store = try_open(&disk, keys()).unwrap();
            assert_eq!(store.damaged(), [], "{crash_at}");
            check_answers(&mut store, fixture.answers);
            if is_whole {
                break;
            }
        }
    }
}

#[test]
fn a_damaged_key_costs_one_block() {
    let fixture = &FIXTURES[0];
    let store = StoreKeys::new(fixture.cipher, fixture.key, None);
    let keys = || Some(stream_keys(&store, "SECRET", fixture.meta_key));
    for (number, has_index) in [(1, false), (2, false), (1, true), (2, true)] {
        let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Kept, ..Faults::default() });
        put_files(&disk, &fixture.files[usize::from(!has_index)..]);
        let path = Path::new(DIR).join(format!("msgs/{number}.key"));
        disk.flip_bit(&path, 77).unwrap();
        disk.flip_bit(&path, 78).unwrap();
        let mut store = try_open(&disk, keys()).unwrap();
        // The index says nothing of the first block's key.
        let _ = store.load(1);
        let [damaged] = store.damaged() else { panic!("{:?}", store.damaged()) };
        assert_eq!((damaged.block, damaged.kind), (number, DamageKind::Tail));
        let left = store.state().messages;
        assert!(left > 0 && left < 21, "{left}");
        let lost = disk.list(&Path::new(DIR).join("lost")).unwrap();
        assert_eq!(lost.len(), 2);
        drop(store);
        let store = try_open(&disk, keys()).unwrap();
        assert_eq!((store.damaged(), store.state().messages), (&[][..], left));
    }
}

#[test]
fn a_flipped_bit_of_a_key_costs_nothing() {
    for fixture in &FIXTURES {
        let store = StoreKeys::new(fixture.cipher, fixture.key, None);
        let keys = || Some(stream_keys(&store, "SECRET", fixture.meta_key));
        for (number, bit) in [(1, 0), (1, 77), (2, 300), (2, 511)] {
            let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Kept, ..Faults::default() });
            put_files(&disk, &fixture.files[1..]);
            let path = Path::new(DIR).join(format!("msgs/{number}.key"));
            disk.flip_bit(&path, bit).unwrap();
            let mut opened = try_open(&disk, keys()).unwrap();
            assert_eq!(opened.damaged(), []);
            check_answers(&mut opened, fixture.answers);
            let file = disk.open(&path, false).unwrap().read_all().unwrap();
            let key = keys().unwrap().keys.open_block_key(number, &file).unwrap();
            assert!(!key.was_mended(), "it was written anew");
        }
    }
}

/// Also where the key was changed since the block was compressed.
#[test]
fn a_flipped_bit_of_an_encrypted_block_costs_nothing() {
    for (cipher, is_renewed) in
        [(Cipher::ChaCha, false), (Cipher::ChaCha, true), (Cipher::Aes, false), (Cipher::Aes, true)]
    {
        let old = StoreKeys::new(cipher, b"old", None);
        let (keys, meta_key) = StreamKeys::create(&old, "$G", "SECRET", &mut |bytes| bytes.fill(5));
        let mut file_config = FileStoreConfig {
            compression: Compression::S2,
            keys: Some(FileStoreKeys { keys, random: random(3) }),
            ..small(2000)
        };
        file_config.name = "SECRET".to_owned();
        let disk = MemDisk::new();
        let config = StoreConfig::default();
        let mut store = open(&disk, &file_config, &config, START);
        for number in 0..40 {
            let message = NewMessage {
                subject: b"s",
                headers: b"",
                body: &[number; 100],
                seq: None,
                timestamp: START,
                ttl: None,
                may_refuse: true,
            };
            store.store(message).unwrap();
        }
        store.flush().unwrap();
        if is_renewed {
            let new = StoreKeys::new(cipher, b"new", Some(b"old"));
            file_config.keys = Some(stream_keys(&new, "SECRET", &meta_key));
        }
        let messages = messages_of(&mut open(&disk, &file_config, &config, START));
        assert_eq!(messages.len(), 40);
        for number in [1, 3] {
            let file = disk.open(&block_path(number), false).unwrap();
            let bytes = file.read_all().unwrap();
            for bit in (0..bytes.len() * 8).step_by(37) {
                let wrong = bytes[bit / 8] ^ 1 << (bit % 8);
                file.write_all_at(&[wrong], bit as u64 / 8).unwrap();
                let file_config = FileStoreConfig { read_only: true, ..file_config.clone() };
                let mut store = open(&disk, &file_config, &config, START);
                assert_eq!(messages_of(&mut store), messages, "block {number} bit {bit}");
                file.write_all_at(&bytes, 0).unwrap();
            }
        }
    }
}
