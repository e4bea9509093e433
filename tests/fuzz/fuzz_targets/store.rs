//! What the store reads from a disk or a peer: no panic, and what was read and written again reads
//! as the same. The first byte says which format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natsd_base::Timestamp;
use natsd_store::raft_log::PeerState;
use natsd_store::{
    ConsumerState, Disk, FileStore, FileStoreConfig, Filter, MemDisk, Schedules, SequenceSet,
    StoreConfig, StreamSnapshot, StreamStore, TimeHashWheel, decode_sources, encode_sources,
};
use std::path::Path;
use std::sync::Arc;

const STREAM_DIR: &str = "/S";

fuzz_target!(|data: &[u8]| {
    let Some((format, bytes)) = data.split_first() else { return };
    match format % 8 {
        0 => sequence_set(bytes),
        1 => wheel(bytes),
        2 => snapshot(bytes),
        3 => consumer(bytes),
        4 => schedules(bytes),
        5 => sources(bytes),
        6 => peers(bytes),
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

fn schedules(bytes: &[u8]) {
    let Ok((schedules, high_seq)) = Schedules::decode(bytes) else { return };
    let encoded = schedules.encode(high_seq);
    let (again, _) = Schedules::decode(&encoded).expect("what was encoded");
    assert_eq!(again.encode(high_seq), encoded);
}

fn sources(bytes: &[u8]) {
    let Ok((sources, high_seq)) = decode_sources(bytes) else { return };
    assert_eq!(decode_sources(&encode_sources(&sources, high_seq)), Ok((sources, high_seq)));
}

fn peers(bytes: &[u8]) {
    let Some(peers) = PeerState::decode(bytes) else { return };
    assert_eq!(PeerState::decode(&peers.encode()), Some(peers));
}

/// One block of a stream: every message that is said to be there can be read.
fn block(bytes: &[u8]) {
    let disk = MemDisk::new();
    let messages_dir = Path::new(STREAM_DIR).join("msgs");
    disk.create_dir_all(&messages_dir).expect("memory");
    let file = disk.open(&messages_dir.join("1.blk"), true).expect("memory");
    file.write_all_at(bytes, 0).expect("memory");
    let file_config = FileStoreConfig::new("S");
    let config = StoreConfig::default();
    let now = Timestamp(0);
    let opened = FileStore::open(Arc::new(disk), Path::new(STREAM_DIR), file_config, config, now);
    let Ok(mut store) = opened else { return };
    let (mut next, mut messages) = (0, 0);
    while let Some(message) = store.load_next(Filter::All, next).expect("it was scanned") {
        next = message.seq + 1;
        messages += 1;
    }
    assert_eq!(messages, store.state().messages);
}
