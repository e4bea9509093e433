//! Segments that are torn, flipped, missing or of another version.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::Prng;

use super::super::change::encode_change;
use super::model::{DIR, Op, Shard, config, open};
use crate::disk::{Disk, Faults, SimDisk};
use crate::journal::{JournalConfig, JournalCorrection, JournalError, Lsn, Recovery};

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

/// A change, of which group, in bytes.
type Replayed = (Lsn, String, Vec<u8>);

fn replayed(recovery: &Recovery) -> Vec<Replayed> {
    let mut changes = Vec::new();
    let outcome: Result<(), JournalError> = recovery.replay(|group, lsn, change| {
        let mut bytes = Vec::new();
        encode_change(0, change, &mut bytes);
        changes.push((lsn, group.name.clone(), bytes));
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
fn check_damage(disk: &SimDisk, whole: &[Replayed], last_batch: usize, what: &str) -> bool {
    let recovery = scan(disk).unwrap();
    let found = replayed(&recovery);
    assert!(whole.starts_with(&found), "{what}");
    if found.len() < whole.len() - last_batch && recovery.unreadable().is_empty() {
        let damage = recovery.damaged().unwrap_or_else(|| panic!("{what}: silent"));
        assert!(damage.last.0 < whole.last().unwrap().0.0, "{what}");
    }
    recovery.damaged().is_some()
}

/// A place of a segment that holds something: where it ends, and what is said when a bit of it is
/// wrong.
type Place = (usize, JournalCorrection);

/// The places of a segment by where they begin, its last batch being the last; read by hand.
fn places(path: &Path, bytes: &[u8]) -> BTreeMap<usize, Place> {
    let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let correction = |begin: usize, positions| JournalCorrection {
        path: path.to_owned(),
        offset: begin as u64,
        positions,
    };
    let mut places: BTreeMap<usize, Place> =
        [0, 2048].map(|begin| (begin, (begin + 48, correction(begin, None)))).into();
    let mut begin = 4096;
    while begin < bytes.len() && bytes[begin + 36..begin + 44] == bytes[16..24] {
        let end = begin + usize::try_from(half(begin + 24)).unwrap();
        let first = u64::from_le_bytes(bytes[begin + 44..begin + 52].try_into().unwrap());
        let last = first + u64::from(half(begin + 32)) - 1;
        let positions = (first <= last).then_some(Lsn(first)..=Lsn(last));
        places.insert(begin, (end, correction(begin, positions)));
        begin = end.next_multiple_of(4096);
    }
    places
}

/// A disk with a journal of two segments, as short as it gets with all there is: a batch without
/// records, one that goes on to another page, several groups, and a segment that was used before.
fn written_small() -> SimDisk {
    let small = JournalConfig { segments: 2, segment_size: 32 * 1024, ..config() };
    let mut shard = Shard::new(1, Faults::default(), small);
    shard.create("a").unwrap();
    let batch = |shard: &mut Shard, changes: &[(usize, u64, usize)]| {
        for &(stream, seq, size) in changes {
            shard.change(stream, Op::Append { seq, subject: 1, size }).unwrap();
        }
        shard.sync_batch().unwrap();
    };
    batch(&mut shard, &[(0, 1, 50)]);
    batch(&mut shard, &[(0, 2, 60)]);
    shard.recover();
    shard.create("b").unwrap();
    batch(&mut shard, &[(0, 3, 40), (1, 1, 7), (0, 4, 1)]);
    batch(&mut shard, &[(0, 5, 2900), (1, 2, 1300)]);
    batch(&mut shard, &[(0, 6, 0)]);
    shard.disk
}

/// Flips each bit up to the end of the last batch of the segment in turn, and back. Returns how
/// many of them were said.
fn check_every_bit(disk: &SimDisk, whole: &[Replayed], path: &Path) -> usize {
    let bytes = content(disk, path);
    let places = places(path, &bytes);
    let (&last, (end, _)) = places.last_key_value().unwrap();
    assert!(last >= 4096);
    let mut said = 0;
    for bit in 0..*end as u64 * 8 {
        let at = usize::try_from(bit / 8).unwrap();
        let (_, (end, correction)) = places.range(..=at).next_back().unwrap();
        // Behind a batch and behind the header of a segment there is nothing.
        let expected: &[_] = if at < *end { std::slice::from_ref(correction) } else { &[] };
        disk.flip_bit(path, bit).unwrap();
        let recovery = scan(disk).unwrap();
        assert_eq!(recovery.corrected(), expected, "bit {bit} of {}", path.display());
        assert_eq!((recovery.damaged(), recovery.unreadable()), (None, &[][..]), "bit {bit}");
        assert_eq!(replayed(&recovery), whole, "bit {bit} of {}", path.display());
        disk.flip_bit(path, bit).unwrap();
        said += expected.len();
    }
    said
}

#[test]
fn every_flipped_bit_is_found_or_harms_nothing() {
    let whole = replayed(&scan(&written_small()).unwrap());
    let files = segments(&written_small());
    assert_eq!((whole.len(), files.len()), (6, 2));
    let said: usize = std::thread::scope(|scope| {
        let whole = &whole;
        let threads: Vec<_> = files
            .iter()
            .map(|path| scope.spawn(move || check_every_bit(&written_small(), whole, path)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // Both headers of two segments, and some kilobytes of batches.
    assert!(said > 8 * (4 * 48 + 4500), "{said}");
}

#[test]
fn two_flipped_bits_cost_what_is_behind_them_or_nothing() {
    let (disk, last_batch) = written();
    let whole = replayed(&scan(&disk).unwrap());
    let files = segments(&disk);
    assert_eq!((whole.len(), files.len()), (32, 4));
    let all: Vec<_> = files
        .iter()
        .flat_map(|path| places(path, &content(&disk, path)))
        .map(|(begin, (end, correction))| (begin, end, correction))
        .collect();
    let (mut prng, mut damaged, mut both) = (Prng::from_seed(1), 0, 0);
    for round in 0..4000 {
        let mut flipped = Vec::new();
        let first = prng.below(all.len());
        let second = if round % 4 == 0 { prng.below(all.len()) } else { first };
        for (begin, end, correction) in [first, second].map(|place| &all[place]) {
            // In headers more often than they are long.
            let end = if prng.below(2) == 0 { *end } else { end.min(&(begin + 60)).to_owned() };
            let bit = (begin * 8 + prng.below((end - begin) * 8)) as u64;
            disk.flip_bit(&correction.path, bit).unwrap();
            flipped.push((&correction.path, bit));
        }
        let what = format!("{flipped:?}");
        damaged += usize::from(check_damage(&disk, &whole, last_batch, &what));
        let is_page = |place: usize| all[place].0 < 4096;
        if first != second && !(is_page(first) && is_page(second)) {
            // One in each of two batches is one in each.
            let recovery = scan(&disk).unwrap();
            let mut said = [first, second].map(|place| all[place].2.clone());
            said.sort_by_key(|correction| (correction.path.clone(), correction.offset));
            assert_eq!((recovery.corrected(), replayed(&recovery)), (&said[..], whole.clone()));
            both += 1;
        }
        for (path, bit) in flipped {
            disk.flip_bit(path, bit).unwrap();
        }
    }
    assert!(damaged > 1500 && both > 500, "{damaged} {both}");
    assert_eq!(replayed(&scan(&disk).unwrap()), whole);
}

#[test]
fn a_corrected_journal_goes_on_and_says_it_once() {
    let (disk, _) = written();
    let whole = replayed(&scan(&disk).unwrap());
    let files = segments(&disk);
    for path in &files {
        for place in [300, 4096 + 5000 * 8, 4096 * 2 * 8 + 99] {
            disk.flip_bit(path, place).unwrap();
        }
    }
    let recovery = scan(&disk).unwrap();
    let offsets = |path: &PathBuf| {
        let of = recovery.corrected().iter().filter(|correction| correction.path == *path);
        of.map(|correction| correction.offset).collect::<Vec<_>>()
    };
    files.iter().for_each(|path| assert_eq!(offsets(path), [0, 4096, 8192], "{path:?}"));
    let positions = recovery.corrected().iter().filter_map(|said| said.positions.clone());
    assert!(positions.collect::<Vec<_>>().is_sorted_by_key(|positions| *positions.start()));
    assert_eq!((replayed(&recovery), recovery.damaged()), (whole, None));

    drop(recovery.start(config()).unwrap());
    assert!(segments(&disk).iter().all(|path| path.extension().unwrap() == "seg"));
    let again = scan(&disk).unwrap();
    assert!(again.is_empty() && again.corrected().is_empty(), "{again:?}");
}

/// Of the last batch any sectors get to the disk; the others are what was there before.
#[test]
fn a_torn_batch_is_never_made_into_another() {
    let (disk, last_batch) = written();
    let whole = replayed(&scan(&disk).unwrap());
    let path = segments(&disk).pop().unwrap();
    let bytes = content(&disk, &path);
    let (begin, (end, _)) = places(&path, &bytes).pop_last().unwrap();
    // Nothing, one bit less, another batch, or the same one of an earlier place.
    let mut thin = bytes[begin..end].to_vec();
    thin.iter_mut().step_by(512).for_each(|byte| *byte ^= 4);
    let older = bytes[4096..4096 + thin.len()].to_vec();
    let file = disk.open(&path, false).unwrap();
    let sectors = thin.len().div_ceil(512);
    let (mut torn, mut corrected) = (0, 0);
    for before in [vec![0; thin.len()], thin, older] {
        for kept in 0..1_u32 << sectors {
            for sector in (0..sectors).filter(|sector| kept >> sector & 1 == 0) {
                let part = before.chunks(512).nth(sector).unwrap();
                file.write_all_at(part, (begin + sector * 512) as u64).unwrap();
            }
            let recovery = scan(&disk).unwrap();
            let found = replayed(&recovery);
            assert_eq!(recovery.damaged(), None, "{kept:b}");
            let is_whole = found == whole;
            assert!(is_whole || found == whole[..whole.len() - last_batch], "{kept:b}");
            assert!(is_whole || recovery.corrected().is_empty(), "{kept:b}");
            torn += usize::from(!is_whole);
            corrected += recovery.corrected().len();
            file.write_all_at(&bytes[begin..end], begin as u64).unwrap();
        }
    }
    // All but the whole one, and where a single bit is missing.
    assert_eq!((torn, corrected), (3 * ((1 << sectors) - 1) - sectors, sectors));
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
        assert_eq!(damage.last.0, found.last().map_or(0, |(lsn, ..)| lsn.0));
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
    for byte in [100, 101] {
        disk.flip_bit(&files[1], (3 * 4096 + byte) * 8).unwrap();
    }
    let recovery = scan(&disk).unwrap();
    let damage = recovery.damaged().unwrap().clone();
    assert_eq!((&damage.path, damage.offset), (&files[1], 3 * 4096));
    assert!(replayed(&recovery).len() < whole.len());
    drop(recovery.start(config()).unwrap());
    let mut name = files[1].clone().into_os_string();
    name.push(".damaged");
    let aside = content(&disk, Path::new(&name));
    assert_eq!(aside.iter().zip(&before).filter(|(one, other)| one != other).count(), 2);
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
    file.write_all_at(&header, 2048).unwrap();
    let operations = disk.operation_count();
    let check = || {
        let error = open(&disk, config()).unwrap_err();
        assert!(matches!(error, JournalError::Version { version: 2, .. }), "{error}");
    };
    // With one wrong bit it is as new.
    for bit in (0..48 * 8).chain(2048 * 8..(2048 + 48) * 8) {
        disk.flip_bit(path, bit).unwrap();
        check();
        disk.flip_bit(path, bit).unwrap();
    }
    let before: Vec<_> = segments(&disk).iter().map(|path| content(&disk, path)).collect();
    check();
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
