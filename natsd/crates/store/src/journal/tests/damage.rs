//! Segments that are torn, flipped, missing or of another version.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::model::{DIR, Op, Shard, config, open};
use crate::disk::{Disk, Faults, SimDisk};
use crate::journal::{JournalConfig, JournalError, Lsn, Recovery};

/// A disk with a journal of several segments, and how many changes its last batch has.
fn written() -> (SimDisk, usize) {
    let small = JournalConfig { segments: 6, segment_size: 52 * 1024, ..config() };
    let mut shard = Shard::new(1, Faults::default(), small);
    shard.create("a").unwrap();
    for seq in 1..=32 {
        shard.change(0, Op::Append { seq, subject: 1, size: 900 }).unwrap();
        if seq % 2 == 0 {
            shard.sync_batch().unwrap();
        }
    }
    (shard.disk, 2)
}

fn scan(disk: &SimDisk) -> Result<Recovery, JournalError> {
    Recovery::scan(Arc::new(disk.clone()), Path::new(DIR))
}

fn replayed(recovery: &Recovery) -> Vec<(Lsn, String)> {
    let mut changes = Vec::new();
    let outcome: Result<(), JournalError> = recovery.replay(|group, lsn, change| {
        changes.push((lsn, format!("{} {change:?}", group.name)));
        Ok(())
    });
    outcome.unwrap();
    changes
}

fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(DIR)).unwrap();
    names.into_iter().map(|entry| Path::new(DIR).join(entry.name)).collect()
}

fn content(disk: &SimDisk, path: &Path) -> Vec<u8> {
    disk.open(path, false).unwrap().read_all().unwrap()
}

/// What is replayed is a beginning of what was written; what is missing is said, but for the last
/// batch, which looks as if it were torn.
#[track_caller]
fn check_damage(disk: &SimDisk, whole: &[(Lsn, String)], last_batch: usize, what: &str) -> bool {
    let recovery = scan(disk).unwrap();
    let found = replayed(&recovery);
    assert!(whole.starts_with(&found), "{what}");
    if found.len() < whole.len() - last_batch {
        let damage = recovery.damaged().unwrap_or_else(|| panic!("{what}: silent"));
        assert!(damage.last.0 < whole.last().unwrap().0.0, "{what}");
    }
    recovery.damaged().is_some()
}

#[test]
fn every_flipped_bit_is_found_or_harms_nothing() {
    let (disk, last_batch) = written();
    let whole = replayed(&scan(&disk).unwrap());
    assert_eq!((whole.len(), segments(&disk).len()), (32, 4));
    let mut found = 0;
    for path in segments(&disk) {
        let bytes = content(&disk, &path);
        for (at, byte) in bytes.iter().enumerate() {
            // All of both headers and of the beginnings of batches, some of what is long.
            let is_long = at % 4096 > 50 && !(2048..2098).contains(&at);
            if is_long && (at % 61 > 0 || *byte == 0) {
                continue;
            }
            for bit in (0..8).filter(|bit| !is_long || bit % 3 == 0) {
                let bit = at as u64 * 8 + bit;
                disk.flip_bit(&path, bit).unwrap();
                let what = format!("bit {bit} of {}", path.display());
                found += usize::from(check_damage(&disk, &whole, last_batch, &what));
                disk.flip_bit(&path, bit).unwrap();
            }
        }
    }
    assert!(found > 1000, "{found}");
    assert_eq!(replayed(&scan(&disk).unwrap()), whole);
}

#[test]
fn a_torn_end_is_no_damage() {
    let (disk, last_batch) = written();
    let whole = replayed(&scan(&disk).unwrap());
    let last = segments(&disk).pop().unwrap();
    let bytes = content(&disk, &last);
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for size in (end - 1900..end).rev() {
        let file = disk.open(&last, false).unwrap();
        file.set_len(size as u64).unwrap();
        let recovery = scan(&disk).unwrap();
        assert_eq!(recovery.damaged(), None);
        assert_eq!(replayed(&recovery), whole[..whole.len() - last_batch]);
    }
}

#[test]
fn a_missing_segment_is_damage_and_what_follows_is_put_aside() {
    for missing in 0..3 {
        let (disk, _) = written();
        let whole = replayed(&scan(&disk).unwrap());
        let files = segments(&disk);
        disk.remove_file(&files[missing]).unwrap();
        let recovery = scan(&disk).unwrap();
        let damage = recovery.damaged().unwrap().clone();
        let found = replayed(&recovery);
        assert!(whole.starts_with(&found) && found.len() < whole.len());
        // Positions count names too, one for each segment.
        assert_eq!(damage.last.0, found.last().map_or(0, |(lsn, _)| lsn.0));
        assert!(damage.next.unwrap() > damage.last);
        let aside: Vec<_> = files[missing + 1..].iter().map(|path| content(&disk, path)).collect();

        let journal = recovery.start(config()).unwrap();
        assert!(journal.last() >= whole.last().unwrap().0);
        let kept: Vec<_> = segments(&disk)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "damaged"))
            .collect();
        assert_eq!(kept.iter().map(|path| content(&disk, path)).collect::<Vec<_>>(), aside);
        // Said once; the next start is an ordinary one, and names are not used again.
        drop(journal);
        let again = scan(&disk).unwrap();
        assert!(again.is_empty() && again.damaged().is_none());
        drop(again.start(config()).unwrap());
        assert!(kept.iter().all(|path| disk.open(path, false).is_ok()));
    }
}

#[test]
fn damage_inside_a_segment_puts_it_aside() {
    let (disk, _) = written();
    let whole = replayed(&scan(&disk).unwrap());
    let files = segments(&disk);
    let before = content(&disk, &files[1]);
    disk.flip_bit(&files[1], (3 * 4096 + 100) * 8).unwrap();
    let recovery = scan(&disk).unwrap();
    let damage = recovery.damaged().unwrap().clone();
    assert_eq!((&damage.path, damage.offset), (&files[1], 3 * 4096));
    assert!(replayed(&recovery).len() < whole.len());
    drop(recovery.start(config()).unwrap());
    let mut name = files[1].clone().into_os_string();
    name.push(".damaged");
    let aside = content(&disk, Path::new(&name));
    assert_eq!(aside.iter().zip(&before).filter(|(one, other)| one != other).count(), 1);
    let names: Vec<_> = segments(&disk);
    assert!(names.contains(&files[0]) && !names.contains(&files[3]), "{names:?}");
}

#[test]
fn reads_that_lose_a_bit_once_harm_nothing() {
    let (disk, _) = written();
    let whole = replayed(&scan(&disk).unwrap());
    let (short_reads_per_mille, flipped_reads_per_mille) = (300, 15);
    disk.set_faults(Faults { short_reads_per_mille, flipped_reads_per_mille, ..Faults::default() });
    assert_eq!(replayed(&scan(&disk).unwrap()), whole);
}

#[test]
fn a_newer_version_is_refused_and_nothing_touched() {
    let (disk, _) = written();
    let path = &segments(&disk)[2];
    let file = disk.open(path, false).unwrap();
    let mut header = [0; 48];
    file.read_exact_at(&mut header, 0).unwrap();
    header[8] = 2;
    let sum = super::super::frame::hash([0; 4], &header[..40]);
    header[40..].copy_from_slice(&sum.to_le_bytes());
    file.write_all_at(&header, 0).unwrap();
    let before: Vec<_> = segments(&disk).iter().map(|path| content(&disk, path)).collect();
    let operations = disk.operation_count();
    let error = open(&disk, config()).unwrap_err();
    assert!(matches!(error, JournalError::Version { version: 2, .. }), "{error}");
    assert_eq!(disk.operation_count(), operations);
    assert_eq!(segments(&disk).iter().map(|path| content(&disk, path)).collect::<Vec<_>>(), before);
}

#[test]
fn files_that_are_no_segments_are_left_alone() {
    let (disk, _) = written();
    let whole = replayed(&scan(&disk).unwrap());
    let write = |name: &str, bytes: &[u8]| {
        let file = disk.open(&Path::new(DIR).join(name), true).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    };
    write("notes.txt", b"mine");
    write("70.seg", b"not a segment at all");
    write("71.seg", b"");
    disk.create_dir_all(&Path::new(DIR).join("72.seg")).unwrap();
    let recovery = scan(&disk).unwrap();
    assert_eq!(replayed(&recovery), whole);
    assert_eq!(recovery.unreadable(), [Path::new(DIR).join("70.seg")]);
    drop(recovery.start(config()).unwrap());
    assert_eq!(content(&disk, &Path::new(DIR).join("70.seg.damaged")), b"not a segment at all");
    assert_eq!(content(&disk, &Path::new(DIR).join("notes.txt")), b"mine");
}
