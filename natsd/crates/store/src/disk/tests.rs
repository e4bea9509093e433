use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use natsd_base::Prng;

use super::{DirEntry, Disk, DiskFile, Faults, MemDisk, RealDisk, SimDisk, Unsynced};

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn names(disk: &dyn Disk, dir: &str) -> Vec<String> {
    let entries = disk.list(path(dir)).unwrap();
    let name = |entry: &DirEntry| {
        let end = if entry.is_dir { "/" } else { "" };
        format!("{}{end}", entry.name.display())
    };
    entries.iter().map(name).collect()
}

fn write(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
    let file = disk.open(path(name), true).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

fn read(disk: &dyn Disk, name: &str) -> Vec<u8> {
    disk.open(path(name), false).unwrap().read_all().unwrap()
}

/// What both disks do while nothing fails.
fn check_ordinary(disk: &dyn Disk) {
    assert_eq!(disk.open(path("/a/x"), false).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.open(path("/a/x"), true).unwrap_err().kind(), ErrorKind::NotFound);
    disk.create_dir_all(path("/a/b")).unwrap();
    disk.create_dir_all(path("/a/b")).unwrap();
    let file = write(disk, "/a/x", b"hello");
    file.write_all_at(b"!!", 7).unwrap();
    assert_eq!(read(disk, "/a/x"), b"hello\0\0!!");
    let mut buf = [0; 4];
    assert_eq!(file.read_at(&mut buf, 7).unwrap(), 2);
    assert_eq!(file.read_at(&mut buf, 9).unwrap(), 0);
    assert_eq!(file.read_at(&mut buf, 900).unwrap(), 0);
    assert_eq!(file.read_exact_at(&mut buf, 7).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.set_len(2).unwrap();
    file.set_len(3).unwrap();
    assert_eq!((read(disk, "/a/x"), file.len().unwrap()), (b"he\0".to_vec(), 3));
    assert!(!file.is_empty().unwrap());
    assert_eq!(names(disk, "/a"), ["b/", "x"]);
    assert_eq!(names(disk, "/"), ["a/"]);
    write(disk, "/a/b/y", b"old");
    disk.rename(path("/a/x"), path("/a/b/y")).unwrap();
    assert_eq!((read(disk, "/a/b/y"), names(disk, "/a")), (b"he\0".to_vec(), vec!["b/".into()]));
    disk.rename(path("/a/b"), path("/a/c")).unwrap();
    assert_eq!(read(disk, "/a/c/y"), b"he\0");
    file.write_all_at(b"the", 0).unwrap();
    assert_eq!(read(disk, "/a/c/y"), b"the");
    for missing in ["/a/none", "/a/b"] {
        assert_eq!(disk.rename(path(missing), path("/q")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.remove_file(path(missing)).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.list(path(missing)).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.sync_dir(path(missing)).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.remove_dir_all(path(missing)).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(disk.rename(path("/a"), path("/no/a")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.open(path("/a"), true).unwrap_err().kind(), ErrorKind::IsADirectory);
    assert_eq!(disk.remove_file(path("/a")).unwrap_err().kind(), ErrorKind::IsADirectory);
    let below_file = disk.create_dir_all(path("/a/c/y/z")).unwrap_err();
    assert_eq!(below_file.kind(), ErrorKind::NotADirectory);
    disk.sync_dir(path("/a")).unwrap();
    disk.remove_file(path("/a/c/y")).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.read_all().unwrap(), b"the");
    write(disk, "/a/c/z", b"");
    disk.remove_dir_all(path("/a")).unwrap();
    assert!(names(disk, "/").is_empty());
}

#[test]
fn disks_do_what_file_systems_do() {
    check_ordinary(&MemDisk::new());
    check_ordinary(&SimDisk::new(1, Faults::default()));
    let root = tempfile::tempdir().unwrap();
    check_ordinary(&Below(root.path().to_owned(), RealDisk::new()));
}

/// A part of the machine's disk that begins at a folder.
#[derive(Debug)]
struct Below(PathBuf, RealDisk);

impl Below {
    fn at(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap())
    }
}

impl Disk for Below {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        self.1.open(&self.at(path), create)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.1.rename(&self.at(from), &self.at(to))
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.1.remove_file(&self.at(path))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.1.create_dir_all(&self.at(path))
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.1.remove_dir_all(&self.at(path))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.1.list(&self.at(dir))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.1.sync_dir(&self.at(dir))
    }
}

#[test]
fn the_disk_of_the_machine_keeps_modes_links_and_far_offsets() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let disk = RealDisk::new();
    disk.create_dir_all(&at("a/b")).unwrap();
    let file = disk.open(&at("a/x"), true).unwrap();
    let mode = |name: &str| std::fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777;
    // The umask may take more away, never add.
    assert_eq!((mode("a") & !0o750, mode("a/b") & !0o750, mode("a/x") & !0o640), (0, 0, 0));
    assert_eq!((mode("a") & 0o700, mode("a/x") & 0o600), (0o700, 0o600));

    let far = 1 << 40;
    file.write_all_at(b"far", far).unwrap();
    let mut buf = [9; 4];
    assert_eq!(file.read_at(&mut buf, far - 1).unwrap(), 4);
    assert_eq!((buf, file.len().unwrap()), (*b"\0far", far + 3));
    file.set_len(0).unwrap();
    assert!(file.is_empty().unwrap());
    for offset in [u64::MAX, i64::MAX.unsigned_abs()] {
        assert_eq!(file.write_all_at(b"12", offset).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(file.read_at(&mut buf, offset).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    symlink(at("a/b"), at("link")).unwrap();
    symlink(at("none"), at("dangling")).unwrap();
    let entries = disk.list(root.path()).unwrap();
    let entries = entries.iter().map(|entry| (entry.name.to_str().unwrap(), entry.is_dir));
    assert_eq!(entries.collect::<Vec<_>>(), [("a", true), ("dangling", false), ("link", true)]);
    assert_eq!(disk.sync_dir(&at("a/x")).unwrap_err().kind(), ErrorKind::NotADirectory);
}

#[test]
fn a_read_only_disk_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    write(&RealDisk::new(), at("x").to_str().unwrap(), b"kept");
    let disk = RealDisk::read_only();
    let file = disk.open(&at("x"), true).unwrap();
    let refused = [
        file.write_all_at(b"y", 0),
        file.set_len(0),
        disk.rename(&at("x"), &at("y")),
        disk.remove_file(&at("x")),
        disk.create_dir_all(&at("d")),
        disk.remove_dir_all(root.path()),
        disk.sync_dir(root.path()),
    ];
    for outcome in refused {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    }
    assert_eq!(disk.open(&at("y"), true).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.open(root.path(), false).unwrap_err().kind(), ErrorKind::IsADirectory);
    assert_eq!(file.read_all().unwrap(), b"kept");
    assert_eq!(disk.list(root.path()).unwrap().len(), 1);
}

#[test]
fn after_a_crash_exactly_what_was_synced_is_there() {
    let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Lost, ..Faults::default() });
    disk.create_dir_all(path("/d")).unwrap();
    disk.sync_dir(path("/")).unwrap();
    let both = write(&disk, "/d/both", b"synced");
    both.sync_data().unwrap();
    let name_only = write(&disk, "/d/name only", b"lost");
    disk.sync_dir(path("/d")).unwrap();
    let data_only = write(&disk, "/d/data only", b"synced");
    data_only.sync_data().unwrap();
    both.write_all_at(b"unsynced", 3).unwrap();
    disk.rename(path("/d/both"), path("/d/renamed")).unwrap();
    disk.create_dir_all(path("/e")).unwrap();
    write(&disk, "/e/below", b"x").sync_data().unwrap();
    disk.sync_dir(path("/e")).unwrap();
    disk.crash();
    assert!(disk.is_down());
    assert!(disk.list(path("/")).is_err() && name_only.read_all().is_err());
    disk.restart();
    assert!(both.read_all().is_err()); // Opened before the crash.
    // The folder /e was never synced into /, so its file is gone with it.
    assert_eq!(names(&disk, "/"), ["d/"]);
    assert_eq!(names(&disk, "/d"), ["both", "name only"]);
    assert_eq!(read(&disk, "/d/both"), b"synced");
    assert_eq!(read(&disk, "/d/name only"), b"");
}

#[test]
fn when_only_the_process_dies_nothing_is_lost() {
    let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Kept, ..Faults::default() });
    disk.create_dir_all(path("/d")).unwrap();
    write(&disk, "/d/x", b"written");
    disk.restart();
    assert_eq!(read(&disk, "/d/x"), b"written");
}

#[test]
fn a_random_crash_keeps_synced_data_and_any_sectors_of_the_rest() {
    let mut seen = BTreeSet::new();
    for seed in 0..512 {
        let disk = SimDisk::new(seed, Faults::default());
        let file = write(&disk, "/x", &[1; 2048]);
        file.sync_data().unwrap();
        disk.sync_dir(path("/")).unwrap();
        file.write_all_at(&[2; 1024], 0).unwrap();
        file.write_all_at(&[3; 512], 1536).unwrap();
        disk.restart();
        let bytes = read(&disk, "/x");
        let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
        for (sector, allowed) in sectors.iter().zip([[1, 2], [1, 2], [1, 1], [1, 3]]) {
            assert!(allowed.contains(sector), "{sectors:?}");
        }
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        seen.insert(sectors);
    }
    // Whole, torn either way, and the second write without the first.
    for expected in [[1, 1, 1, 1], [2, 2, 1, 3], [1, 2, 1, 1], [2, 1, 1, 1], [1, 1, 1, 3]] {
        assert!(seen.contains(expected.as_slice()), "{expected:?} in {seen:?}");
    }
}

/// The usual way of replacing a file, crashed at every operation: the old or the new content is
/// there, whole, and the new one once the last call returned.
#[test]
fn a_file_replaced_by_rename_is_never_half_there() {
    let replace = |disk: &SimDisk| {
        let file = disk.open(path("/d/new"), true)?;
        file.write_all_at(&[b'n'; 3000], 0)?;
        file.sync_data()?;
        disk.rename(path("/d/new"), path("/d/x"))?;
        disk.sync_dir(path("/d"))
    };
    for seed in 0..20 {
        for crash_after in 1.. {
            let disk = SimDisk::new(seed, Faults::default());
            disk.create_dir_all(path("/d")).unwrap();
            write(&disk, "/d/x", &[b'o'; 2000]).sync_data().unwrap();
            disk.sync_dir(path("/")).unwrap();
            disk.sync_dir(path("/d")).unwrap();
            let crash_at = Some(disk.operation_count() + crash_after);
            disk.set_faults(Faults { crash_at, ..Faults::default() });
            let is_done = replace(&disk).is_ok();
            disk.restart();
            let bytes = read(&disk, "/d/x");
            let (old, new) = (vec![b'o'; 2000], vec![b'n'; 3000]);
            assert!(bytes == new || (bytes == old && !is_done), "seed {seed} at {crash_after}");
            if is_done {
                assert!(crash_after > 4);
                break;
            }
        }
    }
}

#[test]
fn a_failed_sync_loses_what_it_should_have_saved_for_good() {
    let faults = Faults { unsynced: Unsynced::Lost, ..Faults::default() };
    let disk = SimDisk::new(3, Faults { sync_errors_per_mille: 1000, ..faults });
    let file = write(&disk, "/x", b"lost");
    disk.sync_dir(path("/")).unwrap();
    assert!(file.sync_data().is_err());
    disk.set_faults(faults);
    file.sync_data().unwrap();
    assert_eq!(file.read_all().unwrap(), b"lost"); // It is still in the cache.
    disk.restart();
    assert_eq!(read(&disk, "/x"), b"");
}

#[test]
fn a_full_disk_takes_a_part() {
    let disk = SimDisk::new(3, Faults { capacity: Some(10), ..Faults::default() });
    let file = write(&disk, "/x", b"12345678");
    assert_eq!(file.write_all_at(b"abcd", 8).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.read_all().unwrap(), b"12345678ab");
    assert_eq!(file.write_all_at(b"z", 10).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.set_len(11).unwrap_err().kind(), ErrorKind::StorageFull);
    file.write_all_at(b"over", 0).unwrap(); // It does not grow.
    file.set_len(2).unwrap();
    file.write_all_at(b"abcd", 2).unwrap();
    assert_eq!(file.read_all().unwrap(), b"ovabcd");
}

#[test]
fn reads_are_short_or_flipped_as_told() {
    let disk = SimDisk::new(3, Faults { short_reads_per_mille: 1000, ..Faults::default() });
    let file = write(&disk, "/x", &[0; 100]);
    let mut buf = [9; 100];
    assert!((1..100).contains(&file.read_at(&mut buf, 0).unwrap()));
    file.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(buf, [0; 100]);
    disk.set_faults(Faults { flipped_reads_per_mille: 1000, ..Faults::default() });
    file.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(buf.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    disk.set_faults(Faults::default());
    assert_eq!(file.read_all().unwrap(), [0; 100]);
    disk.flip_bit(path("/x"), 17).unwrap();
    assert_eq!(file.read_all().unwrap()[2], 2);
    assert!(disk.flip_bit(path("/x"), 800).is_err());
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed: u64| {
        let faults = Faults {
            crash_at: Some(40),
            sync_errors_per_mille: 100,
            short_reads_per_mille: 300,
            flipped_reads_per_mille: 300,
            capacity: Some(20_000),
            ..Faults::default()
        };
        let disk = SimDisk::new(seed, faults);
        let mut choices = Prng::from_seed(7);
        let mut seen = Vec::new();
        for _ in 0..80 {
            let name = format!("/{}", choices.below(4));
            let Ok(file) = disk.open(path(&name), true) else { continue };
            let result = match choices.below(4) {
                0 => file.write_all_at(&[7; 900], choices.below(5000) as u64),
                1 => file.sync_data(),
                2 => disk.sync_dir(path("/")),
                _ => file.read_at(&mut [0; 64], 0).map(|_| ()),
            };
            seen.push(result.map_err(|error| error.to_string()));
        }
        assert!(disk.is_down());
        disk.restart();
        disk.set_faults(Faults::default());
        let files = names(&disk, "/");
        let files: Vec<_> = files.iter().map(|name| read(&disk, &format!("/{name}"))).collect();
        (seen, files)
    };
    assert_eq!(history(5), history(5));
    assert_ne!(history(5), history(6));
}
