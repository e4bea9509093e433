//! What comes with a backup or from a folder: archives, tars, key files, descriptions and states of
//! consumers. No panic, nothing written outside the folder, no more memory than there are limits.
//! The first byte says which.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use natsd_base::Timestamp;
use natsd_store::archive::{
    ArchiveError, ArchiveLimits, ArchiveReader, FilesRestore, Item, MessagesRestore,
};
use natsd_store::stream_dir::{ConsumerDir, StreamDir};
use natsd_store::{
    Cipher, ConsumerFiles, ConsumerStore, ConsumerStoreConfig, ConsumerStoreError, Disk, MemDisk,
    MemStore, SealKey, StoreConfig, StoreKeys, StreamKeys, StreamStore,
};

const DIR: &str = "/js/A/streams/S";
const LIMITS: ArchiveLimits =
    ArchiveLimits { message_size_max: 1 << 16, bytes_max: 1 << 20, gaps_max: 1 << 16 };

fuzz_target!(|data: &[u8]| {
    let Some((format, bytes)) = data.split_first() else { return };
    match format % 6 {
        0 => restore(bytes),
        1 => restore(&stored(bytes)),
        2 => restore(&stored(&[b"NATSARC1", bytes].concat())),
        3 => key_file(bytes),
        4 => description(bytes),
        _ => consumer(bytes),
    }
});

/// An S2 stream of the bytes as they are, with right checksums.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\xff\x06\0\0S2sTwO".to_vec();
    for block in bytes.chunks(1000) {
        let size = u32::try_from(block.len() + 4).expect("small").to_le_bytes();
        out.push(1);
        out.extend(&size[..3]);
        out.extend(minlz::crc::crc(block).to_le_bytes());
        out.extend(block);
    }
    out
}

fn restore(backup: &[u8]) {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let mut store = MemStore::new(StoreConfig::default());
    let found = run(backup, &disk, &mut store);
    assert!(!matches!(found, Err(ArchiveError::Disk { .. })), "{found:?}");
    let mut paths = Vec::new();
    all_paths(disk.as_ref(), Path::new("/"), &mut paths);
    for path in paths {
        assert!(path.starts_with(DIR), "{}", path.display());
        assert!(!path.to_string_lossy().contains(".."), "{}", path.display());
    }
}

fn run(
    backup: &[u8],
    disk: &Arc<dyn Disk>,
    store: &mut dyn StreamStore,
) -> Result<(), ArchiveError> {
    let mut reader = ArchiveReader::new(LIMITS);
    let mut files = None;
    let mut messages = None;
    let now = Timestamp(0);
    let mut bytes_left = 0;
    for chunk in backup.chunks(777) {
        reader.push(chunk);
        while let Some(item) = reader.next_item()? {
            match item {
                Item::State(_) => {
                    let begun = MessagesRestore::begin(store, 1, true, LIMITS)?;
                    assert!(messages.replace(begun).is_none());
                }
                Item::Consumer { name, .. } => assert!(!name.contains(['/', '.', '\\', '\0'])),
                Item::Message(message) => {
                    let messages = messages.as_mut().expect("the state comes first");
                    messages.message(store, &message, now)?;
                }
                Item::File { file, size } => {
                    assert_eq!(bytes_left, 0, "the file before is whole");
                    bytes_left = size;
                    if files.is_none() {
                        files = Some(FilesRestore::begin(disk.clone(), Path::new(DIR))?);
                    }
                    files.as_mut().expect("made").file(&file)?;
                }
                Item::Data(bytes) => {
                    bytes_left = bytes_left.checked_sub(bytes.len() as u64).expect("too much");
                    files.as_mut().expect("a file comes first").data(bytes)?;
                }
                Item::End => assert_eq!(bytes_left, 0),
            }
        }
        assert!(reader.buffered() < 16 << 20);
    }
    reader.end();
    while reader.next_item()?.is_some() {}
    assert!(reader.is_complete());
    if let Some(messages) = messages {
        messages.finish(store, 1000, now)?;
    }
    if let Some(files) = files {
        files.finish("S")?;
    }
    Ok(())
}

fn all_paths(disk: &dyn Disk, dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in disk.list(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            all_paths(disk, &path, paths);
        } else {
            paths.push(path);
        }
    }
}

fn keys() -> StoreKeys {
    StoreKeys::new(Cipher::ChaCha, b"key", Some(b"before"))
}

/// No bytes are a key file by chance, and one bit of a real one is enough to refuse it.
fn key_file(bytes: &[u8]) {
    assert!(StreamKeys::recover(&keys(), "A", "S", bytes).is_err());
    let (stream, file) = StreamKeys::create(&keys(), "A", "S", &mut |random| {
        let bytes = bytes.iter().chain(std::iter::repeat(&7));
        random.iter_mut().zip(bytes).for_each(|(random, byte)| *random = *byte);
    });
    assert!(StreamKeys::recover(&keys(), "A", "S", &file).is_ok());
    assert!(stream.open_block_key(1, bytes).is_err());
    let sealed = stream.seal(bytes, &mut |random| random.fill(1));
    assert_eq!(stream.open(&sealed).as_deref(), Ok(bytes));
    assert!(stream.open(bytes).is_err());
    let (key, file) = stream.new_block_key(1, &mut |random| random.fill(2));
    let mut block = bytes.to_vec();
    key.apply(5, &mut block);
    stream.open_block_key(1, &file).expect("its own").apply(5, &mut block);
    assert_eq!(block, bytes);
}

fn put(disk: &dyn Disk, name: &str, bytes: &[u8]) {
    let file = disk.open(&Path::new(DIR).join(name), true).expect("memory");
    file.write_all_at(bytes, 0).expect("memory");
}

/// Three files with sizes of the first three bytes.
fn description(bytes: &[u8]) {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(DIR)).expect("memory");
    let Some(([meta, sum, key], rest)) = bytes.split_first_chunk::<3>() else { return };
    let (meta, rest) = rest.split_at(usize::from(*meta).min(rest.len()));
    let (sum, rest) = rest.split_at(usize::from(*sum).min(rest.len()));
    put(&disk, "meta.inf", meta);
    put(&disk, "meta.sum", sum);
    let has_key = key % 2 == 1;
    if has_key {
        put(&disk, "meta.key", rest);
    }
    let place = StreamDir { disk: &disk, dir: Path::new(DIR), account: "A", name: "S" };
    for keys in [None, Some(keys())] {
        if let Ok(found) = place.read(keys.as_ref()) {
            assert!(!has_key);
            assert!(found.keys.is_none());
            assert!(found.content.len() == meta.len());
        }
    }
}

/// A plain state: it is read, or mended, or put aside, or refused; and then the same again.
fn consumer(bytes: &[u8]) {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let dir = Path::new(DIR).join("obs/C");
    disk.create_dir_all(&dir).expect("memory");
    let files = || ConsumerFiles {
        disk: disk.clone(),
        dir: dir.clone(),
        stream: "S".into(),
        name: "C".into(),
        keys: None,
        random: Box::new(|random| random.fill(3)),
    };
    let config = ConsumerStoreConfig::default();
    drop(files().create(config, b"{}").expect("memory"));
    put(disk.as_ref(), "obs/C/o.dat", bytes);
    let open = || -> Result<_, ConsumerStoreError> {
        let place = ConsumerDir { disk: disk.as_ref(), dir: &dir, stream: "S", name: "C" };
        let description = place.read(None).expect("it was written");
        assert_eq!(description.keys.as_ref().map(SealKey::is_current), None);
        files().open(config, &description, Timestamp(0))
    };
    match (open(), open()) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.lost(), second.lost());
            if first.lost().is_none() {
                assert_eq!(first.state().expect("it is there"), second.state().expect("too"));
            }
        }
        (first, second) => {
            let is_newer = |error| matches!(error, Some(ConsumerStoreError::Version { .. }));
            assert!(is_newer(first.err()) && is_newer(second.err()));
        }
    }
}
