//! A journal with anything in it, and the files of a RAFT group: no panic, bounded memory, what is
//! replayed twice is replayed alike, and one flipped bit in each batch changes nothing.
//!
//! The input makes batches with right hashes, so that what follows a hash is reached: raw bytes and
//! good records, wrong counts and positions, several segments in any order.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use highway::{HighwayHash, HighwayHasher, Key};
use libfuzzer_sys::fuzz_target;
use natsd_base::Timestamp;
use natsd_store::journal::{JournalConfig, JournalError, Recovery, cut_hole};
use natsd_store::raft_log::{PeerState, RaftFiles};
use natsd_store::{ConsumerState, Disk, MemDisk, MemStore, StoreConfig};

const DIR: &str = "/j";
const PAGE: usize = 4096;
const SALT: [u64; 2] = [1, 2];

/// The input, byte by byte; zeros at its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize) -> &[u8] {
        self.0.split_off(..count.min(self.0.len())).unwrap_or_default()
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let disk = MemDisk::new();
    for dir in [DIR, "/G/msgs", "/G/snapshots"] {
        disk.create_dir_all(Path::new(dir)).expect("memory");
    }
    if input.byte() == 255 {
        return raft_files(&disk, input.0);
    }
    let (flipped, mut flips) = (MemDisk::new(), 0);
    flipped.create_dir_all(Path::new(DIR)).expect("memory");
    for number in 1..=1 + input.byte() % 3 {
        let (mut segment, bits) = segment(&mut input);
        let path = format!("{DIR}/{number}.seg");
        write(&disk, &path, &segment);
        for bit in &bits {
            segment[bit / 8] ^= 1 << (bit % 8);
        }
        write(&flipped, &path, &segment);
        flips += bits.len();
    }
    let first = replay(&disk);
    assert_eq!(replay(&disk), first);
    let Some(recovery) = scan(&disk) else { return };
    assert_eq!(recovery.corrected(), []);
    // What stands behind damage is only looked for, not corrected.
    if recovery.damaged().is_none() && !recovery.is_empty() {
        assert_eq!(replay(&flipped), first);
        assert!(scan(&flipped).expect("it was replayed").corrected().len() <= flips);
    }
    for group in recovery.groups() {
        let cut = cut_hole(&disk, Path::new("/G"), "G", None, 1, group);
        cut.expect("memory");
    }
    let small = JournalConfig {
        segment_size: 64 * 1024,
        batch_size_max: 8192,
        settle_size: 1000,
        salt: [3, 4],
        ..JournalConfig::default()
    };
    recovery.start(small).expect("memory");
    assert!(scan(&disk).expect("it was written").is_empty());
});

fn write(disk: &MemDisk, path: &str, bytes: &[u8]) {
    let file = disk.open(Path::new(path), true).expect("memory");
    file.write_all_at(bytes, 0).expect("memory");
}

fn sum(key: [u64; 4], bytes: &[u8]) -> [u8; 8] {
    HighwayHasher::new(Key(key)).hash64(bytes).to_le_bytes()
}

/// As the server sums up, but word by word.
fn locating_sum(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let (mut total, mut weighted) = (0_u64, 0_u64);
    for word in bytes.chunks(4) {
        let word = word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        total = total.wrapping_add(word);
        weighted = weighted.wrapping_add(total);
    }
    [total, weighted].into_iter().flat_map(u64::to_le_bytes)
}

/// A segment, and bits of it to be flipped: one of a header at most, one of each batch.
fn segment(input: &mut Input<'_>) -> (Vec<u8>, Vec<usize>) {
    let epoch = u64::from(input.byte() % 8);
    let mut out = b"natsdJRN".to_vec();
    let option = input.byte();
    out.extend([if option == 255 { 2 } else { 1 }, 0, 0, 0, 0, 0, 0, 0]);
    for word in [epoch, SALT[0], SALT[1]] {
        out.extend(word.to_le_bytes());
    }
    let hash = sum([0; 4], &out);
    out.extend(hash);
    let copy = out.clone();
    out.resize(PAGE / 2, 0);
    out.extend(copy);
    let mut flips = Vec::new();
    // Every third bit of both headers.
    if (1..255).contains(&option) {
        let bit = usize::from(option) * 3;
        flips.push(if bit < 48 * 8 { bit } else { PAGE / 2 * 8 + bit - 48 * 8 });
    }
    let mut lsn = u64::from(input.byte());
    for _ in 0..input.byte() % 4 {
        out.resize(out.len().next_multiple_of(PAGE), 0);
        let offset = out.len() as u64;
        let (records, count) = records(input);
        let options = input.byte();
        let count = if options & 1 == 1 { u32::from(input.byte()) } else { count };
        let first_lsn = if options & 2 == 2 { u64::MAX - u64::from(input.byte()) } else { lsn };
        let size = u32::try_from(60 + records.len()).expect("small");
        let mut summed =
            [size, size, count].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        for word in [epoch, first_lsn, u64::from(options >> 2) % 8] {
            summed.extend(word.to_le_bytes());
        }
        summed.extend(records);
        let mut batch: Vec<u8> = locating_sum(&summed).collect();
        batch.extend(summed);
        out.extend(sum([SALT[0], SALT[1], epoch, offset], &batch));
        out.extend(batch);
        lsn += u64::from(count);
        if options & 32 == 32 {
            let bit = usize::from(input.byte()) << 8 | usize::from(input.byte());
            let begin = usize::try_from(offset).expect("small");
            flips.push(begin * 8 + bit % ((out.len() - begin) * 8));
        }
    }
    (out, flips)
}

fn records(input: &mut Input<'_>) -> (Vec<u8>, u32) {
    let mut out = Vec::new();
    let count = u32::from(input.byte() % 8);
    for _ in 0..count {
        let (group, kind, size) = (input.byte() % 3, input.byte(), usize::from(input.byte()));
        let mut body = input.take(size).to_vec();
        if kind == 1 {
            // A name has to be text.
            body.iter_mut().skip(8).for_each(|byte| *byte &= 127);
            body.resize(body.len().max(8), 0);
        }
        let size = u32::try_from(9 + body.len()).expect("small");
        out.extend(size.to_le_bytes());
        out.extend([group, 0, 0, 0, kind]);
        out.extend(body);
    }
    (out, count)
}

fn scan(disk: &MemDisk) -> Option<Recovery> {
    match Recovery::scan(Arc::new(disk.clone()), Path::new(DIR)) {
        Ok(recovery) => Some(recovery),
        Err(JournalError::Version { .. } | JournalError::Read { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// What the changes make of an empty store.
fn replay(disk: &MemDisk) -> Option<String> {
    let recovery = scan(disk)?;
    let mut store = MemStore::new(StoreConfig::default());
    let mut consumer = ConsumerState::default();
    let mut seen = Vec::new();
    let outcome: Result<(), JournalError> = recovery.replay(|group, lsn, change| {
        let applied = change.apply(&mut store);
        if applied.is_ok() {
            // Once more changes nothing.
            assert_eq!(change.apply(&mut store), Ok(false), "{change:?}");
        }
        if let natsd_store::journal::Change::Consumer(delta) = change {
            delta.apply(&mut consumer);
            assert!(!delta.apply(&mut consumer), "{delta:?}");
        }
        seen.push((group.name.clone(), lsn, applied.is_ok()));
        Ok(())
    });
    outcome.ok()?;
    Some(format!("{seen:?} {:?} {consumer:?}", recovery.damaged()))
}

fn raft_files(disk: &MemDisk, bytes: &[u8]) {
    for name in ["tav.idx", "peers.idx", "commit.idx", "snapshots/snap.1.2"] {
        write(disk, &format!("/G/{name}"), bytes);
    }
    let files = RaftFiles::new(Arc::new(disk.clone()), Path::new("/G"), "G");
    let _ = (files.read_hard_state(), files.read_commit(), files.read_snapshot());
    if let Ok(Some(peers)) = files.read_peers() {
        assert_eq!(PeerState::decode(&peers.encode()), Some(peers));
    }
    // The same with a right hash.
    let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest("G").into();
    let key = std::array::from_fn(|at| {
        u64::from_le_bytes(digest[at * 8..][..8].try_into().expect("eight"))
    });
    let sealed = [bytes, &sum(key, bytes)].concat();
    for name in ["commit.idx", "snapshots/snap.1.2"] {
        write(disk, &format!("/G/{name}"), &sealed);
    }
    let _ = (files.read_commit(), files.read_snapshot());
}
