use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use natsd_base::{Prng, Timestamp};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::entry::{EntryHeader, MAGIC};
use super::s2::{Decoder, Encoder};
use super::*;
use crate::consumer_state::{ConsumerState, SequencePair};
use crate::disk::{Disk, Faults, MemDisk, SimDisk};
use crate::file::{FileStore, FileStoreConfig};
use crate::memory::MemStore;
use crate::stream_dir::NameHash;
use crate::stream_store::{
    Filter, NewMessage, StoreConfig, StoredMessage, StreamState, StreamStore,
};

/// Backups that Go servers made of the same stream, see testdata/make_go_stream.py.
const GO_ARCHIVE: &[u8] = include_bytes!("../../testdata/go-backup-archive.s2");
const GO_ARCHIVE_ANSWERS: &str = include_str!("../../testdata/go-backup-archive.txt");
const GO_TAR: &[u8] = include_bytes!("../../testdata/go-backup-tar.s2");
const GO_TAR_ANSWERS: &str = include_str!("../../testdata/go-backup-tar.txt");

const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);
const DIR: &str = "/js/.restore/1";

/// An [`Item`] that owns what it holds; data is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    State(Vec<u8>),
    Consumer(String, Vec<u8>),
    Message { seq: u64, timestamp: Timestamp, subject: Vec<u8>, headers: Vec<u8>, body: Vec<u8> },
    File(ArchivedFile, u64, Vec<u8>),
    End,
}

fn add(items: &mut Vec<Owned>, item: Item<'_>) {
    items.push(match item {
        Item::State(json) => Owned::State(json.into()),
        Item::Consumer { name, content } => Owned::Consumer(name.into(), content.into()),
        Item::Message(message) => Owned::Message {
            seq: message.seq,
            timestamp: message.timestamp,
            subject: message.subject.into(),
            headers: message.headers.into(),
            body: message.body.into(),
        },
        Item::File { file, size } => Owned::File(file, size, Vec::new()),
        Item::Data(bytes) => {
            let Some(Owned::File(_, _, content)) = items.last_mut() else { panic!("no file") };
            return content.extend_from_slice(bytes);
        }
        Item::End => Owned::End,
    });
}

/// All items of a backup that comes in chunks of `chunk` bytes, until an error.
fn read_until_error(
    backup: &[u8],
    chunk: usize,
    limits: ArchiveLimits,
) -> (Vec<Owned>, Result<(), ArchiveError>) {
    let mut reader = ArchiveReader::new(limits);
    let mut items = Vec::new();
    let mut drain = |reader: &mut ArchiveReader| -> Result<(), ArchiveError> {
        while let Some(item) = reader.next_item()? {
            add(&mut items, item);
        }
        Ok(())
    };
    let mut run = || {
        for bytes in backup.chunks(chunk) {
            reader.push(bytes);
            drain(&mut reader)?;
        }
        reader.end();
        drain(&mut reader)
    };
    let result = run();
    (items, result)
}

fn read(backup: &[u8], chunk: usize) -> Result<Vec<Owned>, ArchiveError> {
    let (items, result) = read_until_error(backup, chunk, ArchiveLimits::default());
    result.map(|()| items)
}

fn compress(plain: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.write(plain);
    encoder.flush();
    std::mem::take(encoder.output())
}

fn entry(name: &[u8], seq: u64, headers: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let header = EntryHeader {
        name_size: name.len() as u64,
        timestamp: Timestamp(if name.is_empty() { 0 } else { 7 }),
        seq,
        headers_size: headers.len() as u64,
        body_size: body.len() as u64,
    };
    header.encode(&mut out);
    [&out, name, headers, body].concat()
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    compress(&[MAGIC.as_slice(), &entries.concat()].concat())
}

fn end() -> Vec<u8> {
    entry(b"", 0, b"", b"")
}

fn state_entry() -> Vec<u8> {
    entry(b"state.json", 0, b"", b"{}")
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// What the server said: sequence, time, subject, SHA-256 of the body.
fn answers(text: &str) -> Vec<(u64, i64, Vec<u8>, Vec<u8>)> {
    let messages = text.lines().filter_map(|line| {
        let [kind, seq, time, subject, _, body] =
            line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let digest = match body.strip_prefix("sha256:") {
            Some(digest) => bytes(digest),
            None => Sha256::digest(bytes(body)).to_vec(),
        };
        (kind == "message").then(|| {
            (seq.parse().unwrap(), time.parse().unwrap(), subject.as_bytes().to_vec(), digest)
        })
    });
    messages.collect()
}

#[test]
fn a_backup_of_a_go_server_holds_what_the_server_said() {
    for chunk in [1, 7, 1024, usize::MAX] {
        let items = read(GO_ARCHIVE, chunk).unwrap();
        let Owned::State(state) = &items[0] else { panic!("{:?}", items[0]) };
        let state = std::str::from_utf8(state).unwrap();
        assert!(state.contains(r#""last_seq":23"#) && state.contains(r#""consumer_count":1"#));
        let Owned::Consumer(name, content) = &items[1] else { panic!("{:?}", items[1]) };
        assert_eq!(name, "C");
        let content = std::str::from_utf8(content).unwrap();
        assert!(content.contains(r#""durable_name":"C""#), "{content}");
        assert_eq!(items.last(), Some(&Owned::End));
        let messages = items[2..items.len() - 1].iter().map(|item| match item {
            Owned::Message { seq, timestamp, subject, body, .. } => {
                (*seq, timestamp.0, subject.clone(), Sha256::digest(body).to_vec())
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(messages.collect::<Vec<_>>(), answers(GO_ARCHIVE_ANSWERS));
    }
}

#[test]
fn a_backup_of_an_older_go_server_is_restored_as_files() {
    for chunk in [1, 100, usize::MAX] {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let restored = restore_files(&disk, GO_TAR, chunk).unwrap();
        let description = String::from_utf8(restored.description).unwrap();
        assert!(description.contains(r#""name":"SECRET""#), "{description}");
        let [consumer] = restored.consumers.as_slice() else { panic!("one consumer") };
        assert_eq!(consumer.name, "C");
        let file =
            |name: &str| disk.open(&Path::new(DIR).join(name), false).unwrap().read_all().unwrap();
        let state = ConsumerState::decode(&file("obs/C/o.dat")).unwrap();
        assert_eq!(state.delivered, SequencePair { consumer: 4, stream: 6 });
        assert_eq!(file("msgs/index.db")[..2], [11, 2][..]);
        let mut store = open_files(&disk, "SECRET", StoreConfig::default());
        assert!(store.damaged().is_empty());
        let mut found = Vec::new();
        let mut next = 0;
        while let Some(message) = store.load_next(Filter::All, next).unwrap() {
            next = message.seq + 1;
            let digest = Sha256::digest(message.body).to_vec();
            found.push((message.seq, message.timestamp.0, message.subject.to_vec(), digest));
        }
        assert_eq!(found, answers(GO_TAR_ANSWERS));
        assert_eq!(store.state().last_seq, 23);
    }
}

fn restore_files(
    disk: &Arc<dyn Disk>,
    backup: &[u8],
    chunk: usize,
) -> Result<RestoredFiles, ArchiveError> {
    let mut reader = ArchiveReader::new(ArchiveLimits::default());
    let mut restore = FilesRestore::begin(disk.clone(), Path::new(DIR))?;
    let mut drain = |reader: &mut ArchiveReader| -> Result<(), ArchiveError> {
        while let Some(item) = reader.next_item()? {
            match item {
                Item::File { file, .. } => restore.file(&file)?,
                Item::Data(bytes) => restore.data(bytes)?,
                Item::End => {}
                Item::State(_) | Item::Consumer { .. } | Item::Message(_) => panic!("{item:?}"),
            }
        }
        Ok(())
    };
    for bytes in backup.chunks(chunk) {
        reader.push(bytes);
        drain(&mut reader)?;
    }
    reader.end();
    drain(&mut reader)?;
    assert!(reader.is_complete());
    restore.finish("SECRET")
}

#[test]
fn any_flipped_bit_of_a_backup_is_found_or_harmless() {
    for (backup, step) in [(GO_ARCHIVE, 1), (GO_TAR, 5)] {
        let whole = read(backup, usize::MAX).unwrap();
        for bit in (0..backup.len() * 8).step_by(step) {
            let mut damaged = backup.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(items) = read(&damaged, usize::MAX) {
                assert_eq!(items, whole, "bit {bit}");
            }
        }
    }
}

#[test]
fn a_cut_backup_is_never_complete() {
    for (backup, first_error_free) in [(GO_ARCHIVE, GO_ARCHIVE.len()), (GO_TAR, 0)] {
        let whole = read(backup, usize::MAX).unwrap();
        for size in 0..backup.len() {
            let (items, result) =
                read_until_error(&backup[..size], usize::MAX, ArchiveLimits::default());
            match result {
                Err(ArchiveError::Truncated) => assert!(!items.contains(&Owned::End)),
                // A tar ends before its last bytes.
                Ok(()) => assert!(items == whole && size >= first_error_free, "{size}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// An empty store with files.
fn file_store() -> FileStore {
    let config = StoreConfig { allow_message_ttl: true, ..StoreConfig::default() };
    open_files(&(Arc::new(MemDisk::new()) as Arc<dyn Disk>), "S", config)
}

fn open_files(disk: &Arc<dyn Disk>, name: &str, config: StoreConfig) -> FileStore {
    let files = FileStoreConfig { block_size: 4096, ..FileStoreConfig::new(name) };
    FileStore::open(disk.clone(), Path::new(DIR), files, config, NOW).unwrap()
}

/// A store with messages of `seqs` and a last sequence of `last`.
fn store(seqs: &[u64], last: u64) -> MemStore {
    let mut store = MemStore::new(StoreConfig::default());
    if let Some(&first) = seqs.first() {
        store.compact(first).unwrap();
    }
    for &seq in seqs {
        let next = store.state().last_seq + 1;
        if seq > next {
            store.skip(Some(next), seq - next, NOW, false).unwrap();
        }
        let body = vec![u8::try_from(seq % 251).unwrap(); (seq % 97) as usize];
        let stored = store.store(NewMessage {
            subject: format!("a.{}", seq % 5).as_bytes(),
            headers: if seq.is_multiple_of(3) { b"NATS/1.0\r\nA: b\r\n\r\n" } else { b"" },
            body: &body,
            seq: Some(seq),
            timestamp: Timestamp(NOW.0 + i64::try_from(seq).unwrap()),
            ttl: None,
            may_refuse: false,
        });
        assert_eq!(stored, Ok(seq));
    }
    let next = store.state().last_seq + 1;
    if last >= next {
        store.skip(Some(next), last + 1 - next, NOW, false).unwrap();
    }
    store
}

fn snapshot(store: &mut dyn StreamStore, chunk: usize) -> Vec<u8> {
    let state = store.state();
    let mut writer = SnapshotWriter::new(&state, b"{}", &[("one", b"1"), ("two", b"2")], NOW);
    let mut backup = Vec::new();
    while let Some(bytes) = writer.next_chunk(store, chunk).unwrap() {
        assert!(bytes.len() <= chunk);
        backup.extend(bytes);
    }
    assert_eq!(writer.next_chunk(store, chunk).unwrap(), None);
    backup
}

/// The messages of a backup, restored into a new store.
fn restore(
    backup: &[u8],
    state: &StreamState,
    limits: ArchiveLimits,
    now: Timestamp,
) -> Result<MemStore, ArchiveError> {
    let config = StoreConfig { allow_message_ttl: true, ..StoreConfig::default() };
    let mut store = MemStore::new(config);
    restore_into(&mut store, backup, state, limits, now).map(|()| store)
}

fn restore_into(
    store: &mut dyn StreamStore,
    backup: &[u8],
    state: &StreamState,
    limits: ArchiveLimits,
    now: Timestamp,
) -> Result<(), ArchiveError> {
    let mut reader = ArchiveReader::new(limits);
    reader.push(backup);
    reader.end();
    let mut restore = MessagesRestore::begin(store, state.first_seq, true, limits)?;
    while let Some(item) = reader.next_item()? {
        if let Item::Message(message) = item {
            restore.message(store, &message, now)?;
        }
    }
    restore.finish(store, state.last_seq, now)
}

#[track_caller]
fn check_round_trip(seqs: &[u64], last: u64, chunk: usize) {
    let mut original = store(seqs, last);
    let backup = snapshot(&mut original, chunk);
    let mut in_memory = MemStore::new(StoreConfig::default());
    let mut on_disk = file_store();
    check_restored(&mut original, &mut in_memory, &backup);
    check_restored(&mut original, &mut on_disk, &backup);
    assert_eq!(snapshot(&mut on_disk, chunk), backup, "a backup of the backup");
}

/// That `restored` becomes what `original` is.
#[track_caller]
fn check_restored(original: &mut dyn StreamStore, restored: &mut dyn StreamStore, backup: &[u8]) {
    let state = original.state();
    restore_into(restored, backup, &state, ArchiveLimits::default(), NOW).unwrap();
    let now = restored.state();
    assert_eq!(
        (now.messages, now.first_seq, now.last_seq, now.subjects, now.deleted),
        (state.messages, state.first_seq, state.last_seq, state.subjects, state.deleted)
    );
    assert!(restored.deleted().iter().eq(original.deleted().iter()));
    let mut next = state.first_seq;
    while let Some(message) = original.load_next(Filter::All, next).unwrap() {
        assert_eq!(restored.load(message.seq), Ok(message));
        next = message.seq + 1;
    }
}

#[test]
fn streams_come_back_from_their_backups() {
    let all: Vec<u64> = (1..3000).collect();
    for chunk in [1, 1024, 1 << 20] {
        check_round_trip(&[], 0, chunk);
        check_round_trip(&[], 50, chunk);
        check_round_trip(&[1], 1, chunk);
        check_round_trip(&[40, 41, 50], 60, chunk);
        check_round_trip(&all, 2999, chunk.max(64));
    }
}

#[test]
fn a_backup_has_what_was_there_when_it_began() {
    let mut store = store(&[1, 2, 3, 4], 4);
    let state = store.state();
    let mut writer = SnapshotWriter::new(&state, b"{}", &[], NOW);
    store.remove(3).unwrap();
    let message = NewMessage {
        subject: b"late",
        headers: b"",
        body: b"",
        seq: None,
        timestamp: NOW,
        ttl: None,
        may_refuse: false,
    };
    store.store(message).unwrap();
    let backup = writer.next_chunk(&mut store, usize::MAX).unwrap().unwrap();
    let restored = restore(&backup, &state, ArchiveLimits::default(), NOW).unwrap();
    assert_eq!((restored.state().messages, restored.state().last_seq), (3, 4));
    assert!(restored.deleted().iter().eq([3]));
}

#[test]
fn a_large_stream_is_never_in_memory() {
    let mut prng = Prng::from_seed(1);
    let mut store = MemStore::new(StoreConfig::default());
    for _ in 0..400 {
        let body: Vec<u8> = (0..20_000).map(|_| prng.next_u64().to_le_bytes()[0]).collect();
        let stored = store.store(NewMessage {
            subject: b"a",
            headers: b"",
            body: &body,
            seq: None,
            timestamp: NOW,
            ttl: None,
            may_refuse: false,
        });
        stored.unwrap();
    }
    let state = store.state();
    let mut writer = SnapshotWriter::new(&state, b"{}", &[], NOW);
    let mut reader = ArchiveReader::new(ArchiveLimits::default());
    let mut messages = 0;
    while let Some(chunk) = writer.next_chunk(&mut store, 64 << 10).unwrap() {
        assert!(writer.buffered() < 512 << 10, "{}", writer.buffered());
        reader.push(&chunk);
        while let Some(item) = reader.next_item().unwrap() {
            messages += u64::from(matches!(item, Item::Message(_)));
        }
        assert!(reader.buffered() < 1 << 20, "{}", reader.buffered());
    }
    assert!(reader.is_complete());
    assert_eq!(messages, 400);
}

#[test]
fn expired_messages_leave_their_sequences() {
    let with_ttl = |ttl: &str| format!("NATS/1.0\r\nNats-TTL: {ttl}\r\n\r\n").into_bytes();
    let backup = archive(&[
        state_entry(),
        entry(b"a", 1, b"", b"1"),
        entry(b"a", 2, &with_ttl("10"), b"2"),
        entry(b"a", 3, &with_ttl("1000"), b"3"),
        entry(b"a", 4, &with_ttl("never"), b"4"),
        entry(b"a", 5, &with_ttl("nonsense"), b"5"),
        entry(b"a", 6, &with_ttl("10"), b"6"),
        end(),
    ]);
    let state = StreamState { first_seq: 1, last_seq: 6, ..StreamState::default() };
    let now = Timestamp(7) + Duration::from_secs(100);
    let mut restored = restore(&backup, &state, ArchiveLimits::default(), now).unwrap();
    assert_eq!((restored.state().messages, restored.state().last_seq), (4, 6));
    assert!(restored.load(2).is_err() && restored.load(6).is_err());
    assert_eq!(restored.expire(now + Duration::from_secs(1000)), Ok(1));
    assert!(restored.load(3).is_err());
}

#[test]
fn gaps_of_a_hostile_backup_are_bounded() {
    let limits = ArchiveLimits { gaps_max: 1000, ..ArchiveLimits::default() };
    let run = |seqs: &[u64], first_seq, last_seq| {
        let mut entries = vec![state_entry()];
        entries.extend(seqs.iter().map(|&seq| entry(b"a", seq, b"", b"")));
        entries.push(end());
        let state = StreamState { first_seq, last_seq, ..StreamState::default() };
        restore(&archive(&entries), &state, limits, NOW).map(|store| store.state().last_seq)
    };
    let far = 1 << 60;
    assert_eq!(run(&[far], far, far).unwrap(), far);
    assert_eq!(run(&[far], 1, far).unwrap(), far, "nothing before it to be remembered");
    assert_eq!(run(&[], 1, far).unwrap(), far);
    assert_eq!(run(&[1, 1001], 1, 1001).unwrap(), 1001);
    for (seqs, last) in [(&[1, 1003][..], 1003), (&[1], far), (&[1, 500, 1500], 1500)] {
        let refused = run(seqs, 1, last);
        assert!(matches!(refused, Err(ArchiveError::TooLarge { what: "gap", .. })), "{refused:?}");
    }
    for (seqs, first, last) in [(&[1 << 62][..], 1, 1), (&[1], 1, u64::MAX), (&[1], 1 << 62, 1)] {
        assert!(matches!(run(seqs, first, last), Err(ArchiveError::OutOfOrder { .. })));
    }
}

/// Times come from whoever wrote the backup; they need not ascend nor make sense.
#[test]
fn times_of_a_hostile_backup_do_no_harm() {
    let times = [0, i64::MAX, i64::MIN, -1, NOW.0, i64::MAX - 1, 1, i64::MIN + 1];
    let check = |store: &mut dyn StreamStore, headers: &[u8]| {
        let limits = ArchiveLimits::default();
        let mut restore = MessagesRestore::begin(store, 1, true, limits).unwrap();
        for (seq, time) in (1..).zip(times) {
            let (subject, body, timestamp) = (b"a".as_slice(), b"b".as_slice(), Timestamp(time));
            let message = StoredMessage { seq, timestamp, subject, headers, body };
            restore.message(store, &message, NOW).unwrap();
        }
        restore.finish(store, 9, NOW).unwrap();
        for time in times {
            store.seq_from_time(Timestamp(time));
        }
        store.next_expiration();
        store.expire(NOW).unwrap();
        assert_eq!(store.state().last_seq, 9);
    };
    for ttl in ["", "Nats-TTL: 9223372036\r\n", "Nats-TTL: 1s\r\n"] {
        for age_max in [None, Some(Duration::from_secs(u64::MAX)), Some(Duration::from_secs(1))] {
            let headers = format!("NATS/1.0\r\n{ttl}\r\n");
            let config = StoreConfig { allow_message_ttl: true, age_max, ..StoreConfig::default() };
            check(&mut MemStore::new(config.clone()), headers.as_bytes());
            let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
            let mut store = open_files(&disk, "S", config.clone());
            check(&mut store, headers.as_bytes());
            let before = store.state();
            store.stop(NOW).unwrap();
            for index in ["msgs/index.db", "msgs/thw.db"] {
                assert_eq!(open_files(&disk, "S", config.clone()).state(), before, "{ttl}");
                let _ = disk.remove_file(&Path::new(DIR).join(index));
            }
        }
    }
}

/// Go: TestRoundTrip server/archive/archive_test.go:23
#[test]
fn round_trip() {
    let backup = archive(&[
        state_entry(),
        entry(b"consumers/alpha", 0, b"", b"hello alpha"),
        entry(b"nested.beta", 42, b"bet", b"a payload"),
        end(),
    ]);
    let items = read(&backup, 1).unwrap();
    let expected = [
        Owned::State(b"{}".into()),
        Owned::Consumer("alpha".into(), b"hello alpha".into()),
        Owned::Message {
            seq: 42,
            timestamp: Timestamp(7),
            subject: b"nested.beta".into(),
            headers: b"bet".into(),
            body: b"a payload".into(),
        },
        Owned::End,
    ];
    assert_eq!(items, expected);
}

/// Payloads are not streams here; what can be left unread is an item.
/// Go: TestNextSkipsUnreadPayload server/archive/archive_test.go:101
#[test]
fn next_skips_unread_payload() {
    let backup = archive(&[
        state_entry(),
        entry(b"first", 1, b"", b"abcdef"),
        entry(b"second", 2, b"", b"second-body"),
        end(),
    ]);
    let mut reader = ArchiveReader::new(ArchiveLimits::default());
    reader.push(&backup);
    for _ in 0..2 {
        reader.next_item().unwrap().unwrap();
    }
    let Some(Item::Message(second)) = reader.next_item().unwrap() else { panic!("a message") };
    assert_eq!((second.subject, second.body), (b"second".as_slice(), b"second-body".as_slice()));
}

/// Go: TestEmptyArchiveReturnsEOF server/archive/archive_test.go:175
#[test]
fn empty_archive_returns_eof() {
    let mut reader = ArchiveReader::new(ArchiveLimits::default());
    assert!(matches!(reader.next_item(), Ok(None)));
    reader.end();
    assert!(matches!(reader.next_item(), Err(ArchiveError::Truncated)));
}

/// Go: TestInvalidMagicIsRejected server/archive/archive_test.go:182
#[test]
fn invalid_magic_is_rejected() {
    assert!(matches!(
        read(b"not-a-valid-archive-stream", 1),
        Err(ArchiveError::Compression { offset: 0 })
    ));
    let plain = [b"not-a-valid-archive-stream".as_slice(), &[0; 600]].concat();
    let refused = read(&compress(&plain), 1);
    assert!(matches!(refused, Err(ArchiveError::Invalid { offset: 0 })), "{refused:?}");
}

/// Go: TestTruncatedHeaderIsInvalid server/archive/archive_test.go:191
/// Go: TestTruncatedPayloadIsInvalid server/archive/archive_test.go:200
#[test]
fn a_truncated_entry_is_invalid() {
    let full = [MAGIC.as_slice(), &state_entry(), &entry(b"first", 3, b"ab", b"cdef")].concat();
    for size in [MAGIC.len() + 1, full.len() - 3, full.len()] {
        let refused = read(&compress(&full[..size]), 5);
        assert!(matches!(refused, Err(ArchiveError::Truncated)), "{size}");
    }
}

/// Go: TestHeaderFieldEncoding server/archive/archive_test.go:218
#[test]
fn header_field_encoding() {
    let header = EntryHeader {
        name_size: 12,
        timestamp: Timestamp(-123),
        seq: 1 << 60,
        headers_size: 0,
        body_size: 0,
    };
    let mut encoded = Vec::new();
    header.encode(&mut encoded);
    for size in 0..encoded.len() {
        assert_eq!(EntryHeader::take(&mut &encoded[..size]), Ok(None));
    }
    let mut input = encoded.as_slice();
    assert_eq!(EntryHeader::take(&mut input), Ok(Some(header)));
    assert!(input.is_empty());
    assert!(EntryHeader::take(&mut [0xff; 10].as_slice()).is_err());
}

#[test]
fn entries_that_do_not_belong_there_are_refused() {
    let message = || entry(b"a", 1, b"", b"");
    let consumer = |name: &str| entry(format!("consumers/{name}").as_bytes(), 0, b"", b"{}");
    for (entries, name) in [
        (vec![message()], "a"),
        (vec![end()], ""),
        (vec![consumer("c")], "consumers/c"),
        (vec![state_entry(), state_entry()], "state.json"),
        (vec![state_entry(), message(), consumer("c")], "consumers/c"),
        (vec![state_entry(), entry(b"other", 0, b"", b"")], "other"),
        (vec![state_entry(), consumer("")], "consumers/"),
        (vec![state_entry(), consumer("..")], "consumers/.."),
        (vec![state_entry(), consumer("../../etc")], "consumers/../../etc"),
        (vec![state_entry(), consumer("a\0b")], "consumers/a\0b"),
        (vec![state_entry(), entry(b"a.*", 1, b"", b"")], "a.*"),
        (vec![state_entry(), entry(b">", 1, b"", b"")], ">"),
        (vec![state_entry(), entry(b"", 1, b"", b"x")], ""),
    ] {
        let refused = read(&archive(&entries), usize::MAX).unwrap_err();
        let is_right =
            matches!(&refused, ArchiveError::Unexpected { name: found } if found == name);
        assert!(is_right, "{name}: {refused}");
    }
    let backup = archive(&[state_entry(), message(), message()]);
    assert!(matches!(read(&backup, 9), Err(ArchiveError::OutOfOrder { seq: 1 })));
}

#[test]
fn what_is_too_large_is_refused_before_it_came() {
    let limits = ArchiveLimits { message_size_max: 100, bytes_max: 1000, gaps_max: 0 };
    let header = |name_size, seq, headers_size, body_size| {
        let timestamp = Timestamp(7);
        let header = EntryHeader { name_size, timestamp, seq, headers_size, body_size };
        let mut out = Vec::new();
        header.encode(&mut out);
        out
    };
    let run = |entries: &[Vec<u8>]| {
        read_until_error(&archive(entries), usize::MAX, limits).1.unwrap_err()
    };
    for (entries, what) in [
        (vec![header(70_000, 0, 0, 0)], "name"),
        (vec![header(10, 0, 0, 1 << 40)], "description"),
        (vec![state_entry(), header(1, 1, 50, 51)], "message"),
        (vec![state_entry(), header(1, 1, 0, u64::MAX)], "message"),
        (vec![header(10, 0, 0, 2000)], "backup"),
    ] {
        let refused = run(&entries);
        let is_right =
            matches!(&refused, ArchiveError::TooLarge { what: found, .. } if *found == what);
        assert!(is_right, "{what}: {refused}");
    }
    let refused = run(&[state_entry(), header(1, 1, u64::MAX, u64::MAX)]);
    assert!(matches!(refused, ArchiveError::Invalid { .. }), "{refused}");
}

/// One header of a tar and its content.
fn tar_file(name: &[u8], kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name);
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..262].copy_from_slice(b"ustar");
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [&header, content, &padding].concat()
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    tar_file(name.as_bytes(), b'0', content.len() as u64, content)
}

fn tar(files: &[Vec<u8>]) -> Vec<u8> {
    compress(&[files.concat(), vec![0; 1024]].concat())
}

fn extension(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut content = String::new();
    for (key, value) in lines {
        let rest = format!(" {key}={value}\n");
        let mut size = rest.len() + 1;
        while size.to_string().len() + rest.len() != size {
            size += 1;
        }
        content.push_str(&format!("{size}{rest}"));
    }
    tar_file(b"x", b'x', content.len() as u64, content.as_bytes())
}

fn good_tar() -> Vec<Vec<u8>> {
    let described = |folder: &str, hash: &NameHash| {
        let meta = format!(r#"{{"folder":"{folder}"}}"#);
        let sum = hash.hexadecimal(meta.as_bytes());
        [
            file(&format!("{folder}meta.inf"), meta.as_bytes()),
            file(&format!("{folder}meta.sum"), sum.as_bytes()),
        ]
    };
    let mut files = described("", &NameHash::of_stream("SECRET")).to_vec();
    files.push(file("msgs/1.blk", &[7; 1000]));
    files.push(file("msgs/1.idx", b"obsolete"));
    files.extend(described("obs/one/", &NameHash::of_consumer("SECRET", "one")));
    files.push(file("obs/one/o.dat", b""));
    files
}

fn all_paths(disk: &dyn Disk, dir: &Path, paths: &mut BTreeSet<String>) {
    for entry in disk.list(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            all_paths(disk, &path, paths);
        } else {
            paths.insert(path.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn a_tar_restores_its_files_and_no_others() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let stale = Path::new(DIR).join("msgs/9.blk");
    disk.create_dir_all(stale.parent().unwrap()).unwrap();
    disk.open(&stale, true).unwrap();
    let restored = restore_files(&disk, &tar(&good_tar()), 100).unwrap();
    assert_eq!(restored.description, br#"{"folder":""}"#);
    let description = br#"{"folder":"obs/one/"}"#.to_vec();
    assert_eq!(restored.consumers, [RestoredConsumer { name: "one".into(), description }]);
    let mut paths = BTreeSet::new();
    all_paths(disk.as_ref(), Path::new("/"), &mut paths);
    let names = [
        "meta.inf",
        "meta.sum",
        "msgs/1.blk",
        "obs/one/meta.inf",
        "obs/one/meta.sum",
        "obs/one/o.dat",
    ];
    assert_eq!(paths, names.map(|name| format!("{DIR}/{name}")).into());
}

#[test]
fn a_hostile_tar_cannot_write_outside_its_folder() {
    let names = [
        "../meta.inf",
        "/meta.inf",
        "//js/meta.inf",
        "./meta.inf",
        "meta.inf/",
        "meta.key",
        "msgs",
        "msgs/",
        "msgs/../meta.inf",
        "msgs/../../2.blk",
        "msgs/1.blk/../../../x",
        "msgs/0.blk",
        "msgs/01.blk",
        "msgs/+1.blk",
        "msgs/-1.blk",
        "msgs/4294967296.blk",
        "msgs/1.key",
        "msgs/1.blk.tmp",
        "msgs//1.blk",
        "msgs\\1.blk",
        "obs/meta.inf",
        "obs//meta.inf",
        "obs/./o.dat",
        "obs/../o.dat",
        "obs/a/../o.dat",
        "obs/a/b/o.dat",
        "obs/a\\b/o.dat",
        "obs/a b/o.dat",
        "obs/a/meta.key",
        "other",
        "",
    ];
    let mut hostile: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for name in names {
        hostile.push((name.into(), vec![file(name, b"x")]));
        let renamed = extension(&[("mtime", "1.5"), ("path", name)]);
        hostile.push((name.into(), vec![renamed, file("meta.inf", b"x")]));
    }
    for kind in *b"1234567gLKS" {
        hostile.push((
            format!("kind {}", char::from(kind)),
            vec![tar_file(b"msgs/1.blk", kind, 1, b"x")],
        ));
    }
    hostile.push(("twice".into(), vec![file("meta.inf", b"a"), file("meta.inf", b"b")]));
    for (name, files) in hostile {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let refused = restore_files(&disk, &tar(&files), usize::MAX).unwrap_err();
        assert!(matches!(refused, ArchiveError::Unexpected { .. }), "{name}: {refused}");
        let mut paths = BTreeSet::new();
        all_paths(disk.as_ref(), Path::new("/"), &mut paths);
        assert!(paths.iter().all(|path| path == &format!("{DIR}/meta.inf")), "{name}: {paths:?}");
    }
}

#[test]
fn long_names_and_large_sizes_of_a_tar_are_understood() {
    let name = "n".repeat(200);
    let path = format!("obs/{name}/o.dat");
    let items = read(
        &tar(&[extension(&[("mtime", "1.5"), ("path", &path), ("size", "2")]), {
            let mut renamed = file("short", b"ab");
            renamed.truncate(1024);
            renamed
        }]),
        3,
    );
    let expected = Owned::File(ArchivedFile::ConsumerState(name), 2, b"ab".into());
    assert_eq!(items.unwrap(), [expected, Owned::End]);

    let mut large = file("msgs/1.blk", b"");
    large[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    large[148..156].fill(b' ');
    let sum: u64 = large[..512].iter().map(|&byte| u64::from(byte)).sum();
    large[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let limits = ArchiveLimits { bytes_max: 1 << 40, ..ArchiveLimits::default() };
    let (_, refused) = read_until_error(&tar(&[large]), usize::MAX, limits);
    let size = 1 << 48;
    assert!(
        matches!(refused, Err(ArchiveError::TooLarge { what: "backup", size: found, .. }) if found == size)
    );
    for sparse in [("GNU.sparse.major", "1"), ("size", "-1"), ("path", "a\0b")] {
        let refused = read(&tar(&[extension(&[sparse]), file("meta.inf", b"x")]), 1000);
        assert!(refused.is_err(), "{sparse:?}");
    }
}

#[test]
fn an_unfinished_tar_says_why() {
    let mut files = good_tar();
    files.truncate(3);
    files.push(file("errors.txt", b"could not read message block [2]: no luck"));
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let refused = restore_files(&disk, &tar(&files), 77).unwrap_err();
    let text = "the backup holds an error: could not read message block [2]: no luck";
    assert_eq!(refused.to_string(), text);
}

#[test]
fn descriptions_of_a_tar_have_to_be_right() {
    let without = |gone: usize| {
        let mut files = good_tar();
        files.remove(gone);
        files
    };
    for (files, name) in [
        (without(0), "/meta.inf"),
        (without(1), "/meta.inf"),
        (without(4), "obs/one/meta.inf"),
        (without(5), "obs/one/meta.inf"),
    ] {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let refused = restore_files(&disk, &tar(&files), usize::MAX).unwrap_err();
        let is_right = matches!(&refused, ArchiveError::Checksum { name: found } if found == name);
        assert!(is_right, "{refused}");
    }
}

/// The lock that a snapshot is in Go is none here, nor is there a reader to be waited for.
/// Go: TestFileStoreSnapshot server/filestore_test.go:2024
#[test]
fn file_store_snapshot() {
    let mut original = file_store();
    let put = |store: &mut FileStore| {
        let stored = store.store(NewMessage {
            subject: b"foo",
            headers: b"",
            body: b"Hello Snappy!",
            seq: None,
            timestamp: NOW,
            ttl: None,
            may_refuse: true,
        });
        stored.unwrap();
    };
    (0..2233).for_each(|_| put(&mut original));
    let check = |original: &mut FileStore| {
        let backup = snapshot(original, 128 << 10);
        check_restored(original, &mut file_store(), &backup);
        let consumers = read(&backup, 1000)
            .unwrap()
            .into_iter()
            .filter(|item| matches!(item, Owned::Consumer(..)));
        assert_eq!(consumers.count(), 2);
    };
    check(&mut original);
    for seq in 1..=100 {
        assert_eq!(original.remove(seq), Ok(true));
    }
    check(&mut original);
    let mut prng = Prng::from_seed(1);
    for _ in 0..50 {
        original.remove(101 + prng.below(2133) as u64).unwrap();
    }
    check(&mut original);
    while original.tidy().unwrap() {}
    check(&mut original);

    let state = original.state();
    let mut writer = SnapshotWriter::new(&state, b"{}", &[], NOW);
    writer.next_chunk(&mut original, 100).unwrap().unwrap();
    original.load(122).unwrap();
    assert_eq!(original.remove(122), Ok(true), "a snapshot does not keep messages");
}

/// A compressed block of nothing but chunks to be skipped ended the process, by the stack.
#[test]
fn a_block_of_chunks_to_be_skipped_is_damage() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let messages = Path::new(DIR).join("msgs");
    disk.create_dir_all(&messages).unwrap();
    let chunks = b"\xfe\0\0\0".repeat(1_000_000);
    let block = [b"cmp\x01\x80\x08\xff\x06\0\0S2sTwO".as_slice(), &chunks, &[7; 8]].concat();
    let file = disk.open(&messages.join("1.blk"), true).unwrap();
    file.write_all_at(&block, 0).unwrap();
    let store = open_files(&disk, "S", StoreConfig::default());
    assert_eq!(store.state().messages, 0);
    assert_eq!(store.damaged().len(), 1);
}

#[test]
fn a_full_disk_while_restoring_is_an_error() {
    let sim = SimDisk::new(1, Faults { capacity: Some(500), ..Faults::default() });
    let disk: Arc<dyn Disk> = Arc::new(sim);
    let refused = restore_files(&disk, &tar(&good_tar()), usize::MAX).unwrap_err();
    assert!(matches!(refused, ArchiveError::Disk { .. }), "{refused}");
}

#[test]
fn compression_cannot_ask_for_much_memory() {
    let identifier = b"\xff\x06\0\0S2sTwO".as_slice();
    let refused = |chunk: &[u8]| {
        let mut decoder = Decoder::default();
        decoder.push(&[identifier, chunk].concat());
        decoder.next_block()
    };
    // A block that claims 2 GiB, a chunk that does, no checksum, unknown types.
    for chunk in [
        b"\0\x09\0\0\0\0\0\0\x80\x80\x80\x80\x08".as_slice(),
        b"\0\xff\xff\xff",
        b"\x01\xff\xff\xff",
        b"\0\x03\0\0\0\0\0",
        b"\x02\0\0\0",
        b"\x7f\0\0\0",
        b"\xff\x06\0\0S2sTwX",
        b"\xff\x05\0\0S2sTw",
    ] {
        let found = refused(chunk);
        assert!(matches!(found, Err(ArchiveError::Compression { offset: 10 })), "{chunk:?}");
    }
    let mut decoder = Decoder::default();
    decoder.push(b"\0\0\0\0");
    assert!(decoder.next_block().is_err(), "no identifier");

    // Chunks to be skipped, very many and very large, are skipped without being kept.
    let mut decoder = Decoder::default();
    decoder.push(identifier);
    for _ in 0..1000 {
        decoder.push(&b"\xfe\0\0\0".repeat(1000));
        assert!(matches!(decoder.next_block(), Ok(None)));
    }
    decoder.push(b"\x80\xff\xff\xff");
    for _ in 0..0xff_ffff / 0xffff {
        decoder.push(&[9; 0xffff]);
        assert!(matches!(decoder.next_block(), Ok(None)));
    }
    decoder.push(&[9; 0xff_ffff % 0xffff]);
    decoder.push(&compress(b"after"));
    assert_eq!(decoder.next_block().unwrap().unwrap(), b"after");
}

proptest! {
    #[test]
    fn streams_come_back_whatever_is_deleted(
        seqs in prop::collection::btree_set(1..400_u64, 0..80),
        beyond in 0..50_u64,
        chunk in 1..3000_usize,
    ) {
        let seqs: Vec<u64> = seqs.into_iter().collect();
        let last = seqs.last().map_or(0, |last| last + beyond);
        check_round_trip(&seqs, last, chunk);
    }

    #[test]
    fn any_archive_is_read_or_refused(
        plain in prop::collection::vec(any::<u8>(), 0..400),
        is_archive in any::<bool>(),
        chunk in 1..500_usize,
    ) {
        let start: &[u8] = if is_archive { MAGIC } else { b"" };
        let plain = [start, &plain].concat();
        if let Ok(items) = read(&compress(&plain), chunk) {
            prop_assert_eq!(items.last(), Some(&Owned::End));
        }
        let _ = read(&plain, chunk);
    }

    #[test]
    fn the_order_of_chunks_does_not_matter(
        cuts in prop::collection::vec(1..900_usize, 1..40),
        is_tar in any::<bool>(),
    ) {
        let backup = if is_tar { GO_TAR } else { GO_ARCHIVE };
        let mut reader = ArchiveReader::new(ArchiveLimits::default());
        let mut items = Vec::new();
        let mut rest = backup;
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(cut.min(rest.len()));
            rest = later;
            reader.push(now);
            while let Some(item) = reader.next_item().unwrap() {
                add(&mut items, item);
            }
        }
        prop_assert_eq!(items, read(backup, usize::MAX).unwrap());
    }
}

#[test]
fn a_consumer_in_a_backup_ends_where_the_backup_ends() {
    let mut state = ConsumerState {
        delivered: SequencePair { consumer: 9, stream: 12 },
        ack_floor: SequencePair { consumer: 8, stream: 11 },
        ..ConsumerState::default()
    };
    state.redelivered = BTreeMap::from([(9, 1), (12, 2)]);
    let bounded = state.bounded_by(10);
    assert_eq!(bounded.delivered, SequencePair { consumer: 9, stream: 10 });
    assert_eq!(bounded.ack_floor, SequencePair { consumer: 8, stream: 10 });
    assert_eq!(bounded.redelivered, BTreeMap::from([(9, 1)]));
}
