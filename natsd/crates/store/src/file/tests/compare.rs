//! The index says what the blocks hold, and when it does not that is found.

use super::*;
use crate::file::{IndexDifference, IndexFile, StoredIndex};

/// The store as the blocks alone make it, and its index.
fn scan(disk: &MemDisk, file_config: &FileStoreConfig) -> (FileStore, IndexFile) {
    let (index, aside) = (Path::new(DIR).join("msgs/index.db"), Path::new(DIR).join("aside"));
    let is_there = disk.rename(&index, &aside).is_ok();
    let file_config = FileStoreConfig { read_only: true, ..file_config.clone() };
    let store = open(disk, &file_config, &StoreConfig::default(), Timestamp(0));
    if is_there {
        disk.rename(&aside, &index).unwrap();
    }
    let index = store.index_file().unwrap();
    (store, index)
}

/// What the index of a store that was stopped says otherwise than its blocks.
#[track_caller]
pub(super) fn differences(disk: &MemDisk, file_config: &FileStoreConfig) -> Vec<IndexDifference> {
    let (mut store, index) = scan(disk, file_config);
    match index {
        IndexFile::Current(index) => store.compare_index(&index).unwrap(),
        IndexFile::Missing if store.blocks.is_empty() => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn put(store: &mut FileStore, subject: &str, body: &[u8]) {
    let message = NewMessage {
        subject: subject.as_bytes(),
        headers: b"",
        body,
        seq: None,
        timestamp: START,
        ttl: None,
        may_refuse: false,
    };
    store.store(message).unwrap();
}

/// Messages of these subjects in blocks of about ten.
fn filled(subjects: &[&str]) -> (MemDisk, FileStoreConfig) {
    let (disk, file_config) = (MemDisk::new(), small(400));
    let mut store = open(&disk, &file_config, &StoreConfig::default(), START);
    for subject in subjects {
        put(&mut store, subject, b"12345678");
    }
    store.stop(START).unwrap();
    (disk, file_config)
}

fn current(disk: &MemDisk, file_config: &FileStoreConfig) -> StoredIndex {
    match scan(disk, file_config).1 {
        IndexFile::Current(index) => index,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_difference_is_named() {
    let text = |index: &[&str], blocks: &[&str]| {
        let (disk, file_config) = filled(index);
        let index = current(&disk, &file_config);
        let (disk, file_config) = filled(blocks);
        let (mut store, _) = scan(&disk, &file_config);
        let differences = store.compare_index(&index).unwrap();
        differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let cases: [(&[&str], &[&str], &[&str]); 5] = [
        (&["a", "b", "a"], &["a", "b", "a"], &[]),
        (
            &["a", "b", "a"],
            &["a", "b", "c"],
            &[
                "subject a: 2 messages by the index, 1 in the blocks",
                "subject c: 0 messages by the index, 1 in the blocks",
            ],
        ),
        (
            &["a", "a"],
            &["a", "a\u{1}"],
            &[
                "78 bytes by the index, 79 in the blocks",
                "subject a: 2 messages by the index, 1 in the blocks",
                "subject a\\x01: 0 messages by the index, 1 in the blocks",
            ],
        ),
        (
            &["a", "a", "b"],
            &["a"],
            &[
                "3 messages by the index, 1 in the blocks, missing from 2 to 3",
                "117 bytes by the index, 39 in the blocks",
                "last sequence 3 by the index, 1 in the blocks",
                "subject a: 2 messages by the index, 1 in the blocks",
                "subject b: 1 messages by the index, 0 in the blocks",
            ],
        ),
        (
            &["a"],
            &["a", "b"],
            &[
                "1 messages by the index, 2 in the blocks",
                "39 bytes by the index, 78 in the blocks",
                "last sequence 1 by the index, 2 in the blocks",
                "subject b: 0 messages by the index, 1 in the blocks",
            ],
        ),
    ];
    for (index, blocks, expected) in cases {
        assert_eq!(text(index, blocks), expected);
    }
}

#[test]
fn what_is_missing_between_others_is_named() {
    let (disk, file_config) = filled(&["a"; 40]);
    let index = current(&disk, &file_config);
    for (first, last) in [(1, 3), (5, 5), (7, 31), (39, 40), (1, 40)] {
        let (disk, file_config) = filled(&["a"; 40]);
        let mut store = open(&disk, &file_config, &StoreConfig::default(), START);
        for seq in first..=last {
            store.remove(seq).unwrap();
        }
        store.stop(START).unwrap();
        let (mut store, _) = scan(&disk, &file_config);
        let found = store.compare_index(&index).unwrap();
        let (missing, blocks) = (Some((first, last)), 40 - (last - first + 1));
        assert_eq!(found[0], IndexDifference::Messages { index: 40, blocks, missing });
        assert_eq!(found.len(), 3, "{found:?}");
        // The other way round it is a limit's work.
        let later = current(&disk, &file_config);
        let (disk, file_config) = filled(&["a"; 40]);
        let (mut store, _) = scan(&disk, &file_config);
        assert_eq!(store.compare_index(&later).unwrap(), [], "{first} {last}");
    }
}

#[test]
fn an_index_is_missing_damaged_outdated_or_current() {
    let (disk, file_config) = filled(&["a"; 40]);
    let path = Path::new(DIR).join("msgs/index.db");
    let bytes = disk.open(&path, false).unwrap().read_all().unwrap();
    for at in 0..bytes.len() {
        disk.open(&path, false).unwrap().write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
        assert!(matches!(scan(&disk, &file_config).1, IndexFile::Damaged), "{at}");
        disk.open(&path, false).unwrap().write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    for size in 0..bytes.len() as u64 {
        disk.open(&path, false).unwrap().set_len(size).unwrap();
        assert!(matches!(scan(&disk, &file_config).1, IndexFile::Damaged), "{size}");
        disk.open(&path, false).unwrap().write_all_at(&bytes, 0).unwrap();
    }
    assert_eq!(differences(&disk, &file_config), []);
    let mut store = open(&disk, &file_config, &StoreConfig::default(), START);
    put(&mut store, "a", b"later");
    store.sync().unwrap();
    drop(store);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.open(&path, true).unwrap().write_all_at(&bytes, 0).unwrap();
    assert!(matches!(scan(&disk, &file_config).1, IndexFile::Outdated));
    disk.remove_file(&path).unwrap();
    assert!(matches!(scan(&disk, &file_config).1, IndexFile::Missing));
}
