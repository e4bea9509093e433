//! What the store reads from a disk or a peer: no panic, and what was read and written again reads
//! as the same. The first byte says which format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natsd_base::Timestamp;
use natsd_store::{
    ConsumerState, Disk, FileStore, FileStoreConfig, Filter, MemDisk, SequenceSet, StoreConfig,
    StreamSnapshot, StreamStore, TimeHashWheel,
};
use std::path::Path;
use std::sync::Arc;

const STREAM_DIR: &str = "/S";

fuzz_target!(|data: &[u8]| {
    let Some((format, bytes)) = data.split_first() else { return };
    match format % 5 {
        0 => sequence_set(bytes),
        1 => wheel(bytes),
        2 => snapshot(bytes),
        3 => consumer(bytes),
        _ => block(bytes),
    }
});

fn sequence_set(bytes: &[u8]) {
    let Ok((set, size)) = SequenceSet::decode(bytes) else { return };
    assert!(size <= bytes.len());
    assert_eq!(set.iter().count() as u64, set.len());
    let mut encoded = Vec::new();
    set.encode(&mut encoded);
    let (again, _) = SequenceSet::decode(&encoded).expect("what was encoded");
    assert!(set.iter().eq(again.iter()));
}

fn wheel(bytes: &[u8]) {
    let Ok((wheel, high_seq)) = TimeHashWheel::decode(bytes) else { return };
    let encoded = wheel.encode(high_seq);
    let (again, high_again) = TimeHashWheel::decode(&encoded).expect("what was encoded");
    assert_eq!((again.len(), high_again), (wheel.len(), high_seq));
    // An entry that came twice may have made the first too early, never too late.
    let next = |wheel: &TimeHashWheel| wheel.next_expiration(Timestamp::NEVER);
    assert!(
        next(&wheel).unwrap_or(Timestamp::NEVER) <= next(&again).unwrap_or(Timestamp::NEVER),
        "{wheel:?}"
    );
}

fn snapshot(bytes: &[u8]) {
    let Ok(snapshot) = StreamSnapshot::decode(bytes) else { return };
    assert_eq!(StreamSnapshot::decode(&snapshot.encode()).as_ref(), Ok(&snapshot));
}

fn consumer(bytes: &[u8]) {
    let Ok(state) = ConsumerState::decode(bytes) else { return };
    let encoded = state.encode(Timestamp(0));
    assert!(ConsumerState::decode(&encoded).is_ok(), "{state:?}");
}

/// A block or an index of a stream: every message that is said to be there can be read.
fn block(bytes: &[u8]) {
    let disk = MemDisk::new();
    let messages_dir = Path::new(STREAM_DIR).join("msgs");
    disk.create_dir_all(&messages_dir).expect("memory");
    let file = disk.open(&messages_dir.join("1.blk"), true).expect("memory");
    file.write_all_at(bytes, 0).expect("memory");
    let file_config = FileStoreConfig::new("S");
    let (dir, config) = (Path::new(STREAM_DIR), StoreConfig::default());
    let opened = FileStore::open(Arc::new(disk), dir, file_config, config, Timestamp(0));
    let Ok(mut store) = opened else { return };
    let (mut next, mut messages) = (0, 0);
    while let Some(message) = store.load_next(Filter::All, next).expect("it was scanned") {
        next = message.seq + 1;
        messages += 1;
    }
    assert_eq!(messages, store.state().messages);
}
