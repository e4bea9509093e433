//! Disks that refuse or crash, and blocks that cannot be read: what is stopped by it and what not.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use natsd_base::{Prng, Timestamp};

use super::each;
use super::layout::{MARK_SIZE, live, put_many, release, small};
use crate::disk::{DirEntry, Disk, DiskFile, Faults, MemDisk, SimDisk, Unsynced};
use crate::file::tests::{block_path, open};
use crate::file::{FileStore, FileStoreConfig};
use crate::stream_store::tests::{START, message};
use crate::stream_store::{NewMessage, StoreConfig, StoreError, StreamStore};

const DENIED: StoreError = StoreError::Disk(io::ErrorKind::PermissionDenied);

/// A disk that can be made read-only.
#[derive(Debug, Clone, Default)]
struct GuardedDisk {
    disk: MemDisk,
    is_read_only: Arc<AtomicBool>,
}

#[derive(Debug)]
struct GuardedFile {
    file: Box<dyn DiskFile>,
    is_read_only: Arc<AtomicBool>,
}

fn allow(is_read_only: &AtomicBool) -> io::Result<()> {
    let is_read_only = is_read_only.load(Ordering::Relaxed);
    if is_read_only { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

impl GuardedDisk {
    fn set_read_only(&self, is_read_only: bool) {
        self.is_read_only.store(is_read_only, Ordering::Relaxed);
    }

    fn allow(&self) -> io::Result<&MemDisk> {
        allow(&self.is_read_only).map(|()| &self.disk)
    }
}

impl Disk for GuardedDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        if create {
            self.allow()?;
        }
        let (file, is_read_only) = (self.disk.open(path, create)?, self.is_read_only.clone());
        Ok(Box::new(GuardedFile { file, is_read_only }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.allow()?.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.allow()?.remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.allow()?.create_dir_all(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.allow()?.remove_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
}

impl DiskFile for GuardedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        allow(&self.is_read_only)?;
        self.file.write_all_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        allow(&self.is_read_only)?;
        self.file.set_len(len)
    }
}

fn put(store: &mut FileStore, body: &[u8]) -> Result<u64, StoreError> {
    store.store(NewMessage { body, ..message("foo") })
}

fn reopen<D: Disk + Clone + 'static>(disk: &D, file_config: &FileStoreConfig) -> FileStore {
    open(disk, file_config, &StoreConfig::default(), START)
}

/// A disk that loses what was not synced when it crashes.
fn losing_disk() -> SimDisk {
    let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Lost, ..Faults::default() });
    disk.create_dir_all(Path::new("/s")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

/// Crashes, starts again, and opens what is left.
fn crash(disk: &SimDisk, file_config: &FileStoreConfig) -> FileStore {
    disk.crash();
    disk.restart();
    reopen(disk, file_config)
}

/// Go: TestFileStoreStoreRawMessageThrowsPermissionErrorIfFSModeReadOnly server/filestore_test.go:9727
#[test]
fn file_store_store_raw_message_throws_permission_error_if_fs_mode_read_only() {
    let (disk, file_config) = (GuardedDisk::default(), small(1024));
    let mut store = reopen(&disk, &file_config);
    disk.set_read_only(true);
    let stored = (0..10).map_while(|_| put(&mut store, &[b'Z'; 1000]).ok()).count() as u64;
    assert!(stored < 10);
    assert_eq!(put(&mut store, &[b'Z'; 1000]), Err(DENIED));
    // Nothing has changed, and it goes on when it can.
    assert_eq!(store.state().messages, stored);
    assert!(store.load(stored).is_ok());
    disk.set_read_only(false);
    assert_eq!(put(&mut store, b""), Ok(stored + 1));
    store.flush().unwrap();
    assert_eq!(reopen(&disk, &file_config).state(), store.state());
}

/// Go: TestFileStoreWriteFullStateThrowsPermissionErrorIfFSModeReadOnly server/filestore_test.go:9754
#[test]
fn file_store_write_full_state_throws_permission_error_if_fs_mode_read_only() {
    let (disk, file_config) = (GuardedDisk::default(), small(64 * 1024));
    let mut store = reopen(&disk, &file_config);
    for _ in 0..200 {
        put(&mut store, &[b'Z'; 1024]).unwrap();
    }
    store.flush().unwrap();
    disk.set_read_only(true);
    assert_eq!(store.stop(START), Err(DENIED));
    disk.set_read_only(false);
    assert_eq!(reopen(&disk, &file_config).state(), store.state());
}

/// Go: TestFileStoreInlineCompactionSync server/filestore_test.go:8053
/// Go: TestFileStoreSyncBlocksSyncsCompaction server/filestore_test.go:8260
#[test]
fn file_store_sync_blocks_syncs_compaction() {
    let large = vec![b'Z'; 256 * 1024];
    let cases = [(3 * 1024 * 1024, &large[..], 12, 2..=7), (256, &b"hello"[..], 13, 2..=5)];
    for (block_size, body, count, removed) in cases {
        let (disk, file_config) = (losing_disk(), small(block_size));
        let mut store = reopen(&disk, &file_config);
        for _ in 0..count {
            put(&mut store, body).unwrap();
        }
        store.sync().unwrap();
        let size = |disk: &SimDisk| disk.open(&block_path(1), false).unwrap().len().unwrap();
        let before = size(&disk);
        for seq in removed {
            assert_eq!(store.remove(seq), Ok(true));
        }
        store.sync().unwrap();
        while store.tidy().unwrap() {}
        assert!(size(&disk) < before);
        // Once it is written the rewritten block survives, with all that it replaces.
        let mut again = crash(&disk, &file_config);
        assert_eq!(again.state(), store.state());
        assert!(size(&disk) < before);
        assert_eq!(again.load(1).unwrap().body, body);
    }
}

/// Go: TestFileStoreSyncBlocksFlushesAndSyncsMessages server/filestore_test.go:12680
#[test]
fn file_store_sync_blocks_flushes_and_syncs_messages() {
    let (disk, file_config) = (losing_disk(), FileStoreConfig::new("S"));
    let mut store = reopen(&disk, &file_config);
    assert_eq!(put(&mut store, b""), Ok(1));
    store.sync().unwrap();
    store.release_caches();
    assert_eq!(store.load(1).unwrap().subject, b"foo");
    let mut store = crash(&disk, &file_config);
    let found = store.load(1).unwrap();
    assert_eq!((found.seq, found.subject), (1, &b"foo"[..]));
}

/// Go: TestFileStoreSetWriteErrIgnoresReadErrors server/filestore_test.go:14778
/// Go: TestFileStoreMsgBlockWErrNotSetOnReadErrors server/filestore_test.go:14815
/// Go: TestFileStoreGeneratePerSubjectInfoFssNilOnError server/filestore_test.go:14877
#[test]
fn file_store_set_write_err_ignores_read_errors() {
    let config = StoreConfig::default();
    for is_cut in [false, true] {
        each(&FileStoreConfig::new("S"), &config, |fixture| {
            put_many(fixture, "foo", 3);
            release(fixture);
            fixture.damage(
                1,
                |bytes| if is_cut { bytes.truncate(MARK_SIZE + 70) } else { bytes.fill(0) },
            );
            assert_eq!(fixture.store.load(3), Err(StoreError::Damaged));
            // It is not a reason to refuse what comes next, and is not met again.
            assert_eq!(fixture.put("foo", b"again"), 4);
            let expected: &[u64] = if is_cut { &[1, 2, 4] } else { &[4] };
            assert_eq!(live(fixture), expected);
            let totals = fixture.store.subjects_totals(crate::stream_store::Filter::All);
            assert_eq!(totals.get(&b"foo"[..]), Some(&(expected.len() as u64)));
            fixture.restart();
            assert_eq!(live(fixture), expected);
        });
    }
    // A sync that failed is one: nobody knows what is on the disk then.
    let (disk, file_config) = (losing_disk(), FileStoreConfig::new("S"));
    let mut store = reopen(&disk, &file_config);
    assert_eq!(put(&mut store, b"hello"), Ok(1));
    disk.set_faults(Faults { sync_errors_per_mille: 1000, ..Faults::default() });
    assert!(matches!(store.sync(), Err(StoreError::Disk(_))));
    disk.set_faults(Faults::default());
    assert_eq!(put(&mut store, b"again"), Err(StoreError::Stopped));
    assert_eq!(store.sync(), Err(StoreError::Stopped));
    assert!(matches!(store.failure(), Some(StoreError::Disk(_))));
    assert_eq!(store.load(1).unwrap().body, b"hello");
}

/// Go: TestFileStoreStoreRawMsgVsConcurrentBlockRemovalNoWriteErr server/filestore_test.go:15503
/// Go: TestFileStoreStoreRawMsgVsAgeExpiryNoWriteErr server/filestore_test.go:15583
#[test]
fn file_store_store_raw_msg_vs_concurrent_block_removal_no_write_err() {
    for age_max in [None, Some(Duration::from_millis(1))] {
        let messages_per_subject_max = Some(1);
        let config = StoreConfig { messages_per_subject_max, age_max, ..StoreConfig::default() };
        each(&small(256), &config, |fixture| {
            let mut prng = Prng::from_seed(15_503);
            let mut last = [0; 4];
            for _ in 0..400 {
                let writer = prng.below(last.len());
                last[writer] = fixture.put(&format!("foo.{writer}"), &[0; 128]);
                fixture.now = Timestamp(fixture.now.0 + prng.below(600_000) as i64);
                match prng.below(4) {
                    // It may be gone already: then this is no failure.
                    0 => {
                        fixture.store.remove(last[prng.below(last.len())]).unwrap();
                    }
                    1 => {
                        fixture.store.expire(fixture.now).unwrap();
                    }
                    2 => fixture.store.sync().unwrap(),
                    _ => {
                        let seq = last[writer].saturating_sub(2);
                        assert_ne!(fixture.store.load(seq), Err(StoreError::Damaged));
                    }
                }
                assert_eq!(fixture.store.failure(), None);
                fixture.check();
            }
            fixture.put("foo.healthy", &[0; 128]);
            assert!(fixture.store.state().messages <= 5);
        });
    }
}

/// The index names a last sequence that is believed; what is truncated does not come back by it.
#[test]
fn a_truncated_last_sequence_does_not_come_back() {
    for (block_size, unsynced) in
        [(1024, Unsynced::Lost), (1024, Unsynced::Kept), (64, Unsynced::Lost), (64, Unsynced::Kept)]
    {
        for (target, is_cached) in [(0, false), (2, false), (2, true)] {
            let mut crash_at = 1;
            loop {
                let (disk, file_config) = (losing_disk(), small(block_size));
                let mut store = reopen(&disk, &file_config);
                for _ in 0..5 {
                    put(&mut store, b"hello").unwrap();
                }
                store.stop(START).unwrap();
                let mut store = reopen(&disk, &file_config);
                if is_cached {
                    assert_eq!(put(&mut store, b"hello"), Ok(6));
                    store.sync().unwrap();
                }
                let before = store.state();
                let crash = Some(disk.operation_count() + crash_at);
                disk.set_faults(Faults { crash_at: crash, unsynced, ..Faults::default() });
                let result = store.truncate(target, START);
                let is_down = disk.is_down();
                disk.restart();
                let again = reopen(&disk, &file_config).state();
                let is_done = (again.messages, again.last_seq) == (target, target);
                let what = format!("{block_size} {unsynced:?} {target} {crash_at}: {again:?}");
                let is_undone =
                    (again.messages, again.last_seq) == (before.messages, before.last_seq);
                assert!(is_done || is_undone && result.is_err(), "{what}");
                if !is_down {
                    assert!(result.is_ok() && is_done, "{what}");
                    break;
                }
                crash_at += 1;
            }
        }
    }
}
