use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::super::{DamageKind, FileStoreError};
use super::*;
use crate::block::{BlockHash, Record, RecordKind};
use crate::disk::{Faults, SimDisk, Unsynced};
use crate::stream_store::SubjectState;

/// Written by Go servers, see testdata/make_go_stream.py.
const GO_STREAM: &[(u32, &[u8])] = &[(1, include_bytes!("../../../testdata/go-stream/1.blk"))];
const GO_STREAM_ANSWERS: &str = include_str!("../../../testdata/go-stream.txt");
const GO_BLOCKS: &[(u32, &[u8])] = &[
    (1, include_bytes!("../../../testdata/go-blocks/1.blk")),
    (2, include_bytes!("../../../testdata/go-blocks/2.blk")),
    (3, include_bytes!("../../../testdata/go-blocks/3.blk")),
];
const GO_COMPRESSED: &[(u32, &[u8])] = &[
    (1, include_bytes!("../../../testdata/go-compressed/1.blk")),
    (2, include_bytes!("../../../testdata/go-compressed/2.blk")),
    (3, include_bytes!("../../../testdata/go-compressed/3.blk")),
];
const GO_COMPRESSED_ANSWERS: &str = include_str!("../../../testdata/go-compressed.txt");
const GO_BLOCKS_ANSWERS: &str = include_str!("../../../testdata/go-blocks.txt");

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
    disk.create_dir_all(path.parent().unwrap()).unwrap();
    let file = disk.open(path, true).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

fn with_blocks<D: Disk + Clone + 'static>(disk: &D, blocks: &[(u32, &[u8])]) -> Arc<dyn Disk> {
    disk.create_dir_all(&Path::new(DIR).join("msgs")).unwrap();
    for (number, bytes) in blocks {
        write(disk, &block_path(*number), bytes);
    }
    Arc::new(disk.clone())
}

fn open_in(disk: Arc<dyn Disk>, dir: &str, name: &str) -> Result<FileStore, FileStoreError> {
    let config = StoreConfig::default();
    FileStore::open(disk, Path::new(dir), FileStoreConfig::new(name), config, START)
}

fn open(blocks: &[(u32, &[u8])], name: &str) -> FileStore {
    open_in(with_blocks(&MemDisk::new(), blocks), DIR, name).unwrap()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.trim_end_matches('-').as_bytes();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[track_caller]
pub(super) fn check_answers(store: &mut FileStore, answers: &str) {
    let state = store.state();
    let numbers = [state.messages, state.bytes, state.first_seq, state.last_seq];
    let mut lines = answers.lines();
    assert_eq!(
        lines.next().unwrap(),
        format!("state {}", numbers.map(|n| n.to_string()).join(" "))
    );
    let deleted: Vec<String> = store.deleted().iter().map(|seq| format!(" {seq}")).collect();
    assert_eq!(lines.next().unwrap(), format!("deleted{}", deleted.concat()));
    let mut subjects: BTreeMap<Vec<u8>, SubjectState> = BTreeMap::new();
    let mut next = 0;
    for line in lines {
        let [_, seq, time, subject, headers, body] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let seq = seq.parse().unwrap();
        let message = store.load(seq).unwrap();
        assert_eq!(message.timestamp, Timestamp(time.parse().unwrap()));
        assert_eq!(message.subject, subject.as_bytes());
        assert_eq!(message.headers, bytes(headers));
        match body.strip_prefix("sha256:") {
            Some(digest) => assert_eq!(Sha256::digest(message.body).as_slice(), bytes(digest)),
            None => assert_eq!(message.body, bytes(body)),
        }
        assert_eq!(store.load_next(Filter::All, next).unwrap().unwrap().seq, seq);
        next = seq + 1;
        let state = subjects.entry(subject.into()).or_default();
        state.messages += 1;
        state.first = if state.first == 0 { seq } else { state.first };
        state.last = seq;
    }
    assert!(store.load_next(Filter::All, next).unwrap().is_none());
    assert_eq!(store.subjects_state(Filter::All), subjects);
}

#[test]
fn streams_of_a_go_server_are_what_the_server_said() {
    for (blocks, name, answers) in [
        (GO_STREAM, "FIXTURE", GO_STREAM_ANSWERS),
        (GO_BLOCKS, "BLOCKS", GO_BLOCKS_ANSWERS),
        (GO_COMPRESSED, "COMPRESSED", GO_COMPRESSED_ANSWERS),
    ] {
        let mut store = open(blocks, name);
        assert!(store.damaged().is_empty());
        check_answers(&mut store, answers);
        for seq in store.deleted().clone().iter().chain([0]) {
            assert!(matches!(store.load(seq), Err(StoreError::NotFound)), "{seq}");
        }
        let beyond = store.state().last_seq + 1;
        assert!(matches!(store.load(beyond), Err(StoreError::BeyondLast)));
    }
}

#[test]
fn the_next_message_of_a_subject_is_found_across_blocks() {
    let mut store = open(GO_BLOCKS, "BLOCKS");
    let mut next_of = |filter: &str, start| {
        let found = store.load_next(Filter::new(filter.as_bytes()), start).unwrap();
        found.map(|message| message.seq)
    };
    let cases = [
        ("blocks.3", 1, Some(66)),
        ("blocks.3", 67, Some(73)),
        ("blocks.3", 74, None),
        ("x", 1, None),
    ];
    for (filter, start, expected) in cases {
        assert_eq!(next_of(filter, start), expected, "{filter} {start}");
    }
}

/// Appends a record to block `number` of the stream S. The subject is `a` or `b`.
fn put(block: &mut Vec<u8>, number: u32, kind: RecordKind, seq: u64) {
    let subject: &[u8] = match kind {
        RecordKind::Message if seq.is_multiple_of(2) => b"a",
        RecordKind::Message => b"b",
        RecordKind::Erased | RecordKind::Tombstone => b"",
    };
    let timestamp = Timestamp(seq.cast_signed() * 10);
    let record = Record { seq, timestamp, kind, subject, headers: b"", body: b"" };
    record.encode(&BlockHash::new("S", number), block).unwrap();
}

/// The live messages, the first and the last sequence after a scan of these records.
#[track_caller]
fn check_records(blocks: &[&[(RecordKind, u64)]], expected: (&[u64], u64, u64)) {
    let contents: Vec<Vec<u8>> = (1..)
        .zip(blocks)
        .map(|(number, records)| {
            let mut block = Vec::new();
            records.iter().for_each(|&(kind, seq)| put(&mut block, number, kind, seq));
            block
        })
        .collect();
    let blocks: Vec<(u32, &[u8])> = (1..).zip(contents.iter().map(Vec::as_slice)).collect();
    let mut store = open(&blocks, "S");
    let (mut live, mut start) = (Vec::new(), 0);
    while let Some(message) = store.load_next(Filter::All, start).unwrap() {
        live.push(message.seq);
        start = message.seq + 1;
    }
    let state = store.state();
    assert_eq!((&live[..], state.first_seq, state.last_seq), expected, "{blocks:?}");
    assert_eq!(state.messages, live.len() as u64);
    if !live.is_empty() {
        assert_eq!(state.last_seq - state.first_seq + 1, state.messages + state.deleted);
    }
}

#[test]
fn records_add_up_as_in_go() {
    use RecordKind::{Erased, Message, Tombstone};
    check_records(&[], (&[], 0, 0));
    check_records(&[&[]], (&[], 0, 0));
    check_records(&[&[(Message, 1), (Message, 2)], &[(Message, 3)]], (&[1, 2, 3], 1, 3));
    // A stream can begin anywhere and have gaps.
    check_records(&[&[(Message, 7), (Message, 9)]], (&[7, 9], 7, 9));
    // Skipped sequences, at the beginning, in the middle and at the end.
    check_records(
        &[&[(Erased, 1), (Message, 2), (Erased, 3), (Message, 4), (Erased, 5)]],
        (&[2, 4], 2, 5),
    );
    // A tombstone in a later block, one for a message that is no more, and one for the last.
    check_records(
        &[&[(Message, 1), (Message, 2), (Message, 3)], &[(Tombstone, 2), (Tombstone, 9)]],
        (&[1, 3], 1, 9),
    );
    check_records(&[&[(Message, 1), (Tombstone, 1)]], (&[], 2, 1));
    check_records(&[&[(Tombstone, 6)]], (&[], 7, 6));
    // Sequences that do not ascend are not taken again.
    check_records(&[&[(Message, 1), (Message, 2), (Message, 2)], &[(Message, 1)]], (&[1, 2], 1, 2));
    // A tombstone says nothing of the messages behind it.
    check_records(&[&[(Tombstone, 5), (Message, 3), (Message, 6)]], (&[3, 6], 3, 6));
}

#[test]
fn damage_costs_the_damaged_messages_and_is_reported() {
    let disk = SimDisk::new(1, Faults { unsynced: Unsynced::Kept, ..Faults::default() });
    let shared = with_blocks(&disk, GO_BLOCKS);
    let whole = open(GO_BLOCKS, "BLOCKS").state().messages;
    // The second record of the first block, and a torn write at the end of the last.
    let first_size = u32::from_le_bytes(GO_BLOCKS[0].1[..4].try_into().unwrap());
    // Two bits, since one is made right.
    for byte in [100, 101] {
        disk.flip_bit(&block_path(1), u64::from(first_size + byte) * 8).unwrap();
    }
    let last = disk.open(&block_path(3), false).unwrap();
    let last_size = last.len().unwrap();
    last.write_all_at(&[0x55; 99], last_size).unwrap();
    let store = open_in(Arc::clone(&shared), DIR, "BLOCKS").unwrap();
    let [middle, tail] = store.damaged() else { panic!("{:?}", store.damaged()) };
    assert_eq!((middle.block, middle.kind, middle.after_seq), (1, DamageKind::Middle, 1));
    assert_eq!((middle.offset, middle.size), (first_size as usize, first_size as usize));
    assert_eq!((tail.block, tail.kind, tail.size), (3, DamageKind::Tail, 99));
    assert_eq!(tail.offset as u64, last_size);
    // The second message was deleted later anyway.
    assert_eq!(store.state().messages, whole);

    // What is damaged was put aside, and is not found again.
    let lost = |name: &str| shared.open(&Path::new(DIR).join("lost").join(name), false);
    assert_eq!(lost("3.blk-0").map(|_| ()).ok(), None);
    assert_eq!(lost(&format!("3.blk-{last_size}")).unwrap().read_all().unwrap(), [0x55; 99]);
    assert_eq!(lost(&format!("1.blk-{first_size}")).unwrap().len().unwrap(), u64::from(first_size));
    drop(store);
    let mut store = open_in(Arc::clone(&shared), DIR, "BLOCKS").unwrap();
    assert_eq!(store.damaged(), []);
    assert_eq!(store.state().messages, whole);

    // A record that goes bad after the scan is not handed out.
    assert!(store.load(5).is_ok());
    store.release_caches();
    for byte in [100, 101] {
        disk.flip_bit(&block_path(1), u64::from(3 * first_size + byte) * 8).unwrap();
    }
    let result = store.load(5).map(|message| message.seq);
    assert_eq!(result, Err(StoreError::Damaged));
    assert_eq!(store.load(5).map(|message| message.seq), Err(StoreError::Damaged));
    assert_eq!(store.lost().iter().collect::<Vec<u64>>(), [5]);
    assert_eq!(store.load(6).unwrap().seq, 6);
    assert_eq!(store.state().messages, whole - 1);
    store.release_caches();
    disk.crash();
    assert!(matches!(store.load(70), Err(StoreError::Disk(_))));
}

#[test]
fn other_blocks_and_other_files_are_told_apart() {
    let mut plain = Vec::new();
    put(&mut plain, 1, RecordKind::Message, 1);
    let disk = MemDisk::new();
    let shared = with_blocks(&disk, &[(1, &plain)]);
    for name in ["msgs/index.db", "msgs/2.blk.tmp", "msgs/01.blk", "msgs/+1.blk", "msgs/9.key"] {
        write(&disk, &Path::new(DIR).join(name), b"garbage");
    }
    let open = || open_in(Arc::clone(&shared), DIR, "S");
    assert_eq!(open().unwrap().state().messages, 1);
    write(&disk, &block_path(2), b"");
    write(&disk, &Path::new(DIR).join("msgs/2.key"), b"key");
    assert!(matches!(open(), Err(FileStoreError::Encrypted { block: 2 })));
    let read_only = FileStoreConfig { read_only: true, ..FileStoreConfig::new("S") };
    let (none, config) = (Path::new("/none"), StoreConfig::default());
    let none = FileStore::open(Arc::clone(&shared), none, read_only, config, START);
    assert!(matches!(none, Err(FileStoreError::Read { .. })));
    // A plain record of 24 MB whose size happens to be spelled like that.
    let size = u32::from_le_bytes(*b"cmp\x01") as usize;
    let body = vec![b'x'; size - 30];
    let record = Record {
        seq: 1,
        timestamp: Timestamp(1),
        kind: RecordKind::Message,
        subject: b"",
        headers: b"",
        body: &body,
    };
    let mut large = Vec::new();
    record.encode(&BlockHash::new("S", 1), &mut large).unwrap();
    assert!(large.starts_with(b"cmp\x01"));
    let store = self::open(&[(1, &large)], "S");
    assert_eq!(store.state().bytes, size as u64);
}

/// Whatever is flipped in a compressed block: what is read is right, and what is missing is said.
#[test]
fn a_damaged_compressed_block_gives_what_can_be_decompressed() {
    let (number, block) = GO_COMPRESSED[0];
    assert!(block.starts_with(b"cmp\x01"));
    let mut whole = open(&[(number, block)], "COMPRESSED");
    let mut damaged = block.to_vec();
    for bit in (0..block.len() * 8).step_by(5) {
        damaged[bit / 8] ^= 1 << (bit % 8);
        let mut store = open(&[(number, &damaged)], "COMPRESSED");
        // Some bits of S2's own frames mean nothing, so not every one does damage.
        let is_missing = store.state().messages < whole.state().messages;
        assert!(!is_missing || !store.damaged().is_empty(), "bit {bit}");
        let mut start = 0;
        while let Some(message) = store.load_next(Filter::All, start).unwrap() {
            start = message.seq + 1;
            assert_eq!(message, whole.load(message.seq).unwrap(), "bit {bit}");
        }
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    for end in 0..block.len() {
        let store = open(&[(number, &block[..end])], "COMPRESSED");
        assert!(end == 0 || !store.damaged().is_empty(), "cut at {end}");
    }
}

/// A crash between compressing a block and beginning the next one leaves such a block, and by chance
/// it is as large as its records.
#[test]
fn a_last_block_that_is_compressed_is_made_plain_whatever_its_size() {
    let hash = BlockHash::new("S", 1);
    let mut prng = Prng::from_seed(1);
    let random: Vec<u8> = (0..40).map(|_| prng.next_u64().to_le_bytes()[0]).collect();
    let mut equal = 0;
    for (noise, zeros) in (0..40).flat_map(|noise| (0..40).map(move |zeros| (noise, zeros))) {
        let body = [&random[..noise], &vec![0; zeros]].concat();
        let record = Record {
            seq: 1,
            timestamp: START,
            kind: RecordKind::Message,
            subject: b"foo",
            headers: b"",
            body: &body,
        };
        let mut records = Vec::new();
        record.encode(&hash, &mut records).unwrap();
        let file = super::super::content::compress(&records);
        if file.len().abs_diff(records.len()) > 1 {
            continue;
        }
        equal += usize::from(file.len() == records.len());
        let disk = MemDisk::new();
        let disk = with_blocks(&disk, &[(1, &file)]);
        let mut store = open_in(Arc::clone(&disk), DIR, "S").unwrap();
        let message = NewMessage {
            subject: b"foo",
            headers: b"",
            body: b"next",
            seq: None,
            timestamp: START,
            ttl: None,
            may_refuse: true,
        };
        store.store(message).unwrap();
        store.sync().unwrap();
        let mut store = open_in(disk, DIR, "S").unwrap();
        assert_eq!((store.state().messages, store.damaged()), (2, &[][..]), "{noise} {zeros}");
        assert_eq!(store.load(1).unwrap().body, body);
        assert_eq!(store.load(2).unwrap().body, b"next");
    }
    assert!(equal > 0);
}
