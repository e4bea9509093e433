use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::{Prng, Timestamp};

use super::{
    DomainExtension, HardState, PeerState, RaftFiles, RaftLog, RaftLogError, RaftSnapshot,
};
use crate::disk::{Disk, Faults, MemDisk, SimDisk, Unsynced};
use crate::file::{FileStore, FileStoreConfig};
use crate::journal::Change;
use crate::memory::MemStore;
use crate::stream_store::StoreConfig;

const NOW: Timestamp = Timestamp(1_000_000);

fn group_dir() -> &'static Path {
    Path::new("/js/G")
}

fn open(disk: &SimDisk) -> Result<RaftLog<FileStore>, RaftLogError> {
    let config = FileStoreConfig { block_size: 2000, ..FileStoreConfig::new("G") };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let store =
        FileStore::open(Arc::clone(&disk), group_dir(), config, StoreConfig::default(), NOW)
            .unwrap_or_else(|error| panic!("{error:?}"));
    RaftLog::open(disk, group_dir(), "G", store)
}

fn new() -> (SimDisk, RaftLog<FileStore>) {
    let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Lost, ..Faults::default() });
    disk.create_dir_all(group_dir()).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.sync_dir(Path::new("/js")).unwrap();
    let log = open(&disk).unwrap();
    (disk, log)
}

fn entry(index: u64, term: u64) -> Vec<u8> {
    let mut entry = b"S1b2c3d4".to_vec();
    entry.extend(term.to_le_bytes());
    entry.extend(index.to_le_bytes());
    entry.resize(100, 7);
    entry
}

fn snapshot(term: u64, index: u64) -> RaftSnapshot {
    let peers = PeerState {
        cluster_size: 3,
        peers: vec![*b"S1b2c3d4", *b"S2b2c3d4"],
        domain_extension: DomainExtension::Extended,
    };
    RaftSnapshot { term, index, peers, data: format!("state at {index}").into_bytes() }
}

#[test]
fn entries_are_appended_truncated_and_compacted() {
    let (disk, mut log) = new();
    assert_eq!((log.first_index(), log.last_index()), (1, 0));
    for index in 1..=50 {
        log.append(index, &entry(index, 1), NOW).unwrap();
    }
    let not_next = log.append(50, &entry(50, 1), NOW);
    assert!(matches!(not_next, Err(RaftLogError::NotNext { found: 50, last: 50 })));
    assert_eq!(log.entry(50).unwrap(), entry(50, 1));
    log.truncate(30, NOW).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (1, 30));
    assert!(matches!(log.entry(31), Err(RaftLogError::NotFound { index: 31 })));
    for index in 31..=40 {
        log.append(index, &entry(index, 2), NOW).unwrap();
    }
    log.compact(10).unwrap();
    log.compact(5).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (11, 40));
    assert!(matches!(log.entry(10), Err(RaftLogError::NotFound { index: 10 })));
    assert_eq!((log.term_of(30).unwrap(), log.term_of(31).unwrap()), (1, 2));
    log.sync().unwrap();
    disk.crash();
    disk.restart();
    let mut log = open(&disk).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (11, 40));
    assert_eq!(log.entry(31).unwrap(), entry(31, 2));
    // A snapshot beyond the log.
    log.compact(70).unwrap();
    assert_eq!((log.first_index(), log.last_index(), log.size()), (71, 70, 0));
    log.append(71, &entry(71, 3), NOW).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (71, 71));
    log.truncate(0, NOW).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (1, 0));
    log.append(1, &entry(1, 4), NOW).unwrap();
    log.sync().unwrap();
    let mut log = open(&disk).unwrap();
    assert_eq!((log.first_index(), log.last_index(), log.term_of(1).unwrap()), (1, 1, 4));
}

#[test]
fn term_and_vote_are_durable_and_never_go_back() {
    let (disk, mut log) = new();
    assert_eq!(log.hard_state(), HardState::default());
    let voted = HardState { term: 3, vote: Some(*b"S1b2c3d4") };
    log.set_hard_state(HardState { term: 3, vote: None });
    log.set_hard_state(voted);
    log.sync().unwrap();
    disk.crash();
    disk.restart();
    let mut log = open(&disk).unwrap();
    assert_eq!(log.hard_state(), voted);
    // What a journal has from before, and then something new.
    for (change, is_new) in [
        (HardState { term: 2, vote: Some(*b"S2b2c3d4") }.change(), false),
        (HardState { term: 3, vote: Some(*b"S2b2c3d4") }.change(), false),
        (HardState { term: 3, vote: None }.change(), false),
        (HardState { term: 4, vote: None }.change(), true),
        (HardState { term: 4, vote: Some(*b"S2b2c3d4") }.change(), true),
    ] {
        assert_eq!(log.replay(&change), Ok(is_new), "{change:?}");
    }
    assert_eq!(log.hard_state(), HardState { term: 4, vote: Some(*b"S2b2c3d4") });
    let entry = entry(1, 4);
    let appended = RaftLog::<FileStore>::append_change(1, &entry, NOW);
    assert_eq!(log.replay(&appended), Ok(true));
    assert_eq!(log.replay(&appended), Ok(false));
    assert_eq!(log.replay(&Change::Compact { seq: 2 }), Ok(true));
}

#[test]
#[should_panic(expected = "term and vote never go back")]
fn a_second_vote_in_a_term_is_a_bug() {
    let (_, mut log) = new();
    log.set_hard_state(HardState { term: 1, vote: Some(*b"S1b2c3d4") });
    log.set_hard_state(HardState { term: 1, vote: Some(*b"S2b2c3d4") });
}

#[test]
fn snapshots_replace_entries_and_older_snapshots() {
    let (disk, mut log) = new();
    for index in 1..=20 {
        log.append(index, &entry(index, 1), NOW).unwrap();
    }
    assert_eq!(log.files().read_snapshot().unwrap(), None);
    for index in [5, 12] {
        log.install(&snapshot(1, index)).unwrap();
        assert_eq!(log.first_index(), index + 1);
    }
    disk.crash();
    disk.restart();
    let mut log = open(&disk).unwrap();
    assert_eq!(log.files().read_snapshot().unwrap(), Some(snapshot(1, 12)));
    assert_eq!((log.first_index(), log.last_index()), (13, 20));
    log.install(&snapshot(2, 100)).unwrap();
    assert_eq!(disk.list(&group_dir().join("snapshots")).unwrap().len(), 1);
    assert_eq!((log.first_index(), log.last_index()), (101, 100));
}

#[test]
fn a_crash_at_any_operation_of_an_installation_leaves_a_snapshot_or_the_entries() {
    for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random] {
        for operation in 1.. {
            let (disk, mut log) = new();
            for index in 1..=20 {
                log.append(index, &entry(index, 1), NOW).unwrap();
            }
            log.install(&snapshot(1, 5)).unwrap();
            log.sync().unwrap();
            let crash_at = Some(disk.operation_count() + operation);
            disk.set_faults(Faults { crash_at, unsynced, ..Faults::default() });
            let outcome = log.install(&snapshot(1, 15));
            disk.crash();
            disk.restart();
            let mut log = open(&disk).unwrap();
            let found = log.files().read_snapshot().unwrap().unwrap();
            assert!(found == snapshot(1, 5) || found == snapshot(1, 15));
            assert!(log.first_index() <= found.index + 1, "{operation}: {}", log.first_index());
            assert_eq!((log.last_index(), log.term_of(20).unwrap()), (20, 1));
            if outcome.is_ok() {
                assert_eq!(found.index, 15);
                break;
            }
        }
    }
}

#[test]
fn what_is_damaged_is_an_error_and_not_missing() {
    let disk = SimDisk::new(1, Faults::default());
    disk.create_dir_all(group_dir()).unwrap();
    let mut files = RaftFiles::new(Arc::new(disk.clone()), group_dir(), "G");
    assert_eq!(files.read_hard_state().unwrap(), HardState::default());
    assert_eq!((files.read_peers().unwrap(), files.read_commit().unwrap()), (None, None));
    files.write_hard_state(HardState { term: 7, vote: Some(*b"S1b2c3d4") }).unwrap();
    files.write_peers(&snapshot(1, 1).peers).unwrap();
    files.write_commit(77).unwrap();
    files.write_snapshot(&snapshot(3, 9)).unwrap();
    assert_eq!(files.read_commit().unwrap(), Some(77));
    assert_eq!(files.read_peers().unwrap(), Some(snapshot(1, 1).peers));

    let cut = |name: &str, sizes: &[u64], check: &dyn Fn(&RaftFiles) -> bool| {
        let file = disk.open(&group_dir().join(name), false).unwrap();
        let whole = file.read_all().unwrap();
        for size in (0..whole.len() as u64).rev() {
            file.set_len(size).unwrap();
            let expected = !sizes.contains(&size);
            assert_eq!(check(&files), expected, "{name} of {size} bytes");
        }
        file.set_len(0).unwrap();
        file.write_all_at(&whole, 0).unwrap();
        assert!(!check(&files));
    };
    let damaged = |error: Option<RaftLogError>| matches!(error, Some(RaftLogError::Damaged { .. }));
    cut("tav.idx", &[8], &|files| damaged(files.read_hard_state().err()));
    cut("peers.idx", &[24], &|files| damaged(files.read_peers().err()));
    cut("commit.idx", &[], &|files| files.read_commit().unwrap().is_none());
    cut("snapshots/snap.3.9", &[], &|files| damaged(files.read_snapshot().err()));
    for (name, bits) in [("snapshots/snap.3.9", 8 * 60), ("commit.idx", 8 * 16)] {
        let path = group_dir().join(name);
        for bit in 0..bits {
            disk.flip_bit(&path, bit).unwrap();
            let is_found = match name {
                "commit.idx" => files.read_commit().unwrap().is_none(),
                _ => damaged(files.read_snapshot().err()),
            };
            assert!(is_found, "bit {bit} of {name}");
            disk.flip_bit(&path, bit).unwrap();
        }
    }
    // Another group's snapshot under this group's name.
    let mut other = RaftFiles::new(Arc::new(disk.clone()), group_dir(), "H");
    other.write_snapshot(&snapshot(4, 10)).unwrap();
    let Err(RaftLogError::Damaged { path }) = files.read_snapshot() else {
        panic!("it is damaged")
    };
    let aside = files.put_aside(&path).unwrap();
    assert_eq!(aside, group_dir().join("lost/snap.4.10"));
    assert_eq!(files.read_snapshot().unwrap(), Some(snapshot(3, 9)));
}

#[test]
fn a_flipped_bit_in_term_vote_or_peers_is_mended_and_what_go_writes_is_taken() {
    let disk = SimDisk::new(1, Faults::default());
    disk.create_dir_all(group_dir()).unwrap();
    let mut files = RaftFiles::new(Arc::new(disk.clone()), group_dir(), "G");
    let state = HardState { term: 6, vote: Some(*b"S1b2c3d4") };
    let peers = snapshot(1, 1).peers;
    files.write_hard_state(state).unwrap();
    files.write_peers(&peers).unwrap();
    for (name, bits) in [("tav.idx", 128), ("tav.natsd", 192), ("peers.idx", 208)] {
        for bit in 0..bits {
            disk.flip_bit(&group_dir().join(name), bit).unwrap();
            let found = files.read_hard_state().unwrap();
            // A higher term is what Go may have written, and never too low.
            let is_higher = name == "tav.idx" && found.term > state.term;
            assert!(found == state || is_higher, "bit {bit} of {name}: {found:?}");
            assert_eq!(files.read_peers().unwrap().as_ref(), Some(&peers), "bit {bit} of {name}");
            disk.flip_bit(&group_dir().join(name), bit).unwrap();
        }
    }
    let go_writes = |name: &str, content: &[u8]| {
        let file = disk.open(&group_dir().join(name), true).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(content, 0).unwrap();
    };
    go_writes("tav.idx", &7_u64.to_le_bytes());
    assert_eq!(files.read_hard_state().unwrap(), HardState { term: 7, vote: None });
    let other = PeerState { peers: vec![*b"S9b2c3d4"], ..peers };
    go_writes("peers.idx", &other.encode());
    assert_eq!(files.read_peers().unwrap(), Some(other));
}

#[test]
fn any_bytes_are_peers_or_none() {
    let mut prng = Prng::from_seed(3);
    for _ in 0..20_000 {
        let mut bytes = snapshot(1, 1).peers.encode();
        let at = prng.below(bytes.len());
        bytes[at] = prng.next_u64().to_le_bytes()[0];
        bytes.truncate(prng.below(bytes.len() + 1));
        if let Some(peers) = PeerState::decode(&bytes) {
            assert_eq!(peers.encode()[..bytes.len()], bytes);
        }
    }
    assert_eq!(PeerState::decode(&[3, 0, 0, 0, 255, 255, 255, 255]), None);
}

#[test]
fn after_a_failed_sync_the_files_are_not_written_again() {
    let disk = SimDisk::new(1, Faults { sync_errors_per_mille: 1000, ..Faults::default() });
    disk.create_dir_all(group_dir()).unwrap();
    let mut files = RaftFiles::new(Arc::new(disk.clone()), group_dir(), "G");
    let state = HardState { term: 1, vote: None };
    assert!(matches!(files.write_hard_state(state), Err(RaftLogError::Disk { .. })));
    disk.set_faults(Faults::default());
    assert!(matches!(files.write_hard_state(state), Err(RaftLogError::Stopped { .. })));
}

#[test]
fn a_log_in_memory_does_the_same() {
    let disk = MemDisk::new();
    disk.create_dir_all(group_dir()).unwrap();
    let store = MemStore::new(StoreConfig::default());
    let mut log = RaftLog::open(Arc::new(disk), group_dir(), "G", store).unwrap();
    for index in 1..=5 {
        log.append(index, &entry(index, 1), NOW).unwrap();
    }
    log.truncate(3, NOW).unwrap();
    log.install(&snapshot(1, 2)).unwrap();
    log.sync().unwrap();
    assert_eq!((log.first_index(), log.last_index(), log.term_of(3).unwrap()), (3, 3, 1));
}

/// A copy of what a Go server left, in memory.
fn fixture(group: &str) -> MemDisk {
    fn copy(disk: &MemDisk, from: &Path, to: &Path) {
        disk.create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(disk, &entry.path(), &to);
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                disk.open(&to, true).unwrap().write_all_at(&bytes, 0).unwrap();
            }
        }
    }
    let disk = MemDisk::new();
    let from: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata/go-raft", group].iter().collect();
    copy(&disk, &from, group_dir());
    disk
}

fn go_log(group: &str, name: &str) -> (MemDisk, RaftLog<FileStore>) {
    let disk = fixture(group);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let config = FileStoreConfig::new(name);
    let store =
        FileStore::open(Arc::clone(&shared), group_dir(), config, StoreConfig::default(), NOW);
    let store = store.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(store.damaged(), []);
    (disk, RaftLog::open(shared, group_dir(), name, store).unwrap())
}

#[test]
fn a_meta_group_of_a_go_server_is_read() {
    let (_, mut log) = go_log("_meta_", "_meta_");
    assert_eq!(log.hard_state(), HardState { term: 1, vote: Some(*b"6DVFpukC") });
    assert_eq!((log.first_index(), log.last_index()), (6, 6));
    let files = log.files();
    assert_eq!(files.read_commit().unwrap(), Some(5));
    let peers = files.read_peers().unwrap().unwrap();
    assert_eq!((peers.cluster_size, peers.peers.len()), (3, 3));
    let snapshot = files.read_snapshot().unwrap().unwrap();
    assert_eq!((snapshot.term, snapshot.index), (1, 5));
    // They come from a map, in any order.
    let sorted = |peers: &PeerState| {
        let mut peers = peers.peers.clone();
        peers.sort_unstable();
        peers
    };
    assert_eq!(sorted(&snapshot.peers), sorted(&peers));
    // Ours has the same bytes.
    let written = |disk: &MemDisk, name: &str| {
        disk.open(&group_dir().join(name), false).unwrap().read_all().unwrap()
    };
    let (go, ours) = (fixture("_meta_"), MemDisk::new());
    ours.create_dir_all(group_dir()).unwrap();
    let mut files = RaftFiles::new(Arc::new(ours.clone()), group_dir(), "_meta_");
    files.write_hard_state(HardState { term: 1, vote: Some(*b"6DVFpukC") }).unwrap();
    files.write_peers(&peers).unwrap();
    files.write_commit(5).unwrap();
    files.write_snapshot(&snapshot).unwrap();
    for name in ["tav.idx", "peers.idx", "commit.idx", "snapshots/snap.1.5"] {
        assert_eq!(written(&ours, name), written(&go, name), "{name}");
    }
}

#[test]
fn a_log_of_a_go_server_is_read() {
    let (_, mut log) = go_log("group", "C-R3F-rjgU708v");
    assert_eq!(log.hard_state(), HardState { term: 1, vote: Some(*b"44jzkV9D") });
    let (first, last) = (log.first_index(), log.last_index());
    assert!(first >= 1 && last >= first);
    for index in first..=last {
        assert_eq!(log.term_of(index).unwrap(), 1);
        // The entry says the index before its own.
        let before: [u8; 8] = log.entry(index).unwrap()[32..40].try_into().unwrap();
        assert_eq!(u64::from_le_bytes(before) + 1, index);
    }
    log.append(last + 1, &entry(last + 1, 2), NOW).unwrap();
    log.truncate(last, NOW).unwrap();
    assert_eq!(log.last_index(), last);
}
