//! `storectl` on directories that the library and a Go server wrote.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "go/peer.rs"]
#[expect(dead_code, reason = "made for the tests in the folder go")]
mod peer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use natsd_base::{Prng, Timestamp};
use natsd_store::journal::{
    Change, ConsumerDelta, JOURNAL_DIR, Journal, JournalConfig, Recovery, incarnation,
};
use natsd_store::raft_log::{HardState, PeerState, RaftLog, RaftSnapshot};
use natsd_store::stream_dir::StreamDir;
use natsd_store::{
    Cipher, ConsumerFiles, ConsumerStore, ConsumerStoreConfig, Disk, FileStore, FileStoreConfig,
    FileStoreKeys, NewMessage, RealDisk, SequencePair, SharedRandom, StoreConfig, StoreKeys,
    StoreLock, StreamStore,
};
use natsd_testkit::Launch;
use serde_json::json;

const KEY_VARIABLE: &str = "NATSD_STORE_KEY";
const PREVIOUS_KEY_VARIABLE: &str = "NATSD_STORE_PREVIOUS_KEY";
const CREATED: &str = "2026-11-25T00:03:10.946124093Z";

fn storectl(arguments: &[&str], dir: &Path) -> Output {
    storectl_with(&[], arguments, dir)
}

fn storectl_with(environment: &[(&str, &str)], arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storectl"));
    let (verb, rest) = arguments.split_first().unwrap();
    command.arg(verb).arg(dir).args(rest);
    command.env_remove(KEY_VARIABLE).env_remove(PREVIOUS_KEY_VARIABLE);
    command.envs(environment.iter().copied()).output().unwrap()
}

#[track_caller]
fn check(arguments: &[&str], dir: &Path, code: i32, expected: &[&str]) -> String {
    let output = storectl(arguments, dir);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}{errors}");
    for part in expected {
        assert!(text.contains(part), "no {part} in {text}{errors}");
    }
    text
}

/// Every file below a folder.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

struct Store {
    root: tempfile::TempDir,
    disk: Arc<dyn Disk>,
}

impl Store {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), disk: Arc::new(RealDisk::new()) }
    }

    fn dir(&self) -> &Path {
        self.root.path()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir().join("jetstream").join(path)
    }

    fn describe(&self, path: &str, account: &str, name: &str) {
        let dir = self.at(path);
        self.disk.create_dir_all(&dir).unwrap();
        let content = format!(r#"{{"Created":"{CREATED}","name":"{name}","retention":"limits"}}"#);
        let dir = StreamDir { disk: self.disk.as_ref(), dir: &dir, account, name };
        dir.write(content.as_bytes(), None, &mut |_| {}).unwrap();
    }

    fn open(&self, path: &str, name: &str) -> FileStore {
        let disk = Arc::clone(&self.disk);
        let config = FileStoreConfig::new(name);
        let now = Timestamp(1);
        FileStore::open(disk, &self.at(path), config, StoreConfig::default(), now).unwrap()
    }

    fn journal(&self) -> Journal {
        let dir = self.dir().join(JOURNAL_DIR).join("0");
        self.disk.create_dir_all(&dir).unwrap();
        let recovery = Recovery::scan(Arc::clone(&self.disk), &dir).unwrap();
        recovery.start(JournalConfig::default()).unwrap()
    }

    fn consumer(&self, stream: &str, name: &str) -> ConsumerFiles {
        ConsumerFiles {
            disk: Arc::clone(&self.disk),
            dir: self.at(&format!("A/streams/{stream}/obs/{name}")),
            stream: stream.to_owned(),
            name: name.to_owned(),
            keys: None,
            random: Box::new(|_| {}),
        }
    }
}

fn store_message(store: &mut FileStore, seq: u64) {
    let body = format!("message {seq}");
    let stored = store.store(NewMessage {
        subject: format!("s.{}", seq % 3).as_bytes(),
        headers: if seq == 2 { b"NATS/1.0\r\nA: b\r\n\r\n" } else { b"" },
        body: body.as_bytes(),
        seq: Some(seq),
        timestamp: Timestamp(i64::try_from(seq).unwrap() * 1000),
        ttl: None,
        may_refuse: false,
    });
    stored.unwrap();
}

/// A stream of ten messages with a consumer, and a RAFT group.
fn filled() -> Store {
    let store = Store::new();
    store.describe("A/streams/S", "A", "S");
    let mut messages = store.open("A/streams/S", "S");
    (1..=10).for_each(|seq| store_message(&mut messages, seq));
    messages.remove(4).unwrap();
    messages.stop(Timestamp(1)).unwrap();
    let description = format!(r#"{{"Created":"{CREATED}","name":"C"}}"#);
    let consumer = store.consumer("S", "C");
    let config =
        ConsumerStoreConfig { ack: natsd_store::AckPolicy::Explicit, ..Default::default() };
    let mut consumer = consumer.create(config, description.as_bytes()).unwrap();
    consumer.update_delivered(1, 1, 1, Timestamp(1_000_000_000)).unwrap();
    consumer.stop(Timestamp(2)).unwrap();

    let group = "SYS/_js_/S-R3F-abc";
    store.describe(group, "SYS", "S-R3F-abc");
    let messages = store.open(group, "S-R3F-abc");
    let disk = Arc::clone(&store.disk);
    let mut log = RaftLog::open(disk, &store.at(group), "S-R3F-abc", messages).unwrap();
    for index in 1..=5 {
        log.append(index, &[7; 60], Timestamp(1)).unwrap();
    }
    let peers = PeerState { cluster_size: 3, peers: vec![*b"S1b2c3d4"], ..Default::default() };
    log.set_hard_state(HardState { term: 9, vote: Some(*b"S1b2c3d4") });
    log.files().write_peers(&peers).unwrap();
    log.install(&RaftSnapshot { term: 9, index: 3, peers, data: b"state".to_vec() }).unwrap();
    log.sync().unwrap();
    log.store().stop(Timestamp(1)).unwrap();
    store
}

#[test]
fn what_is_fine_is_verified_and_listed_and_nothing_is_written() {
    let store = filled();
    let before = files(store.dir());
    let fine =
        "1 streams with 11 messages, 1 consumers, 1 RAFT groups, 0 changes in the journal: fine";
    check(&["verify"], store.dir(), 0, &[fine]);
    check(&["verify"], &store.at(""), 0, &[fine]);
    check(&["verify"], &store.at("A/streams/S"), 0, &["1 streams with 9 messages, 1 consumers"]);
    check(&["verify", "--json"], store.dir(), 0, &[r#""ok":true"#, r#""messages":11"#]);
    let listed = [
        "A\n  stream S: 9 messages,",
        "1 to 10, 3 subjects, 1 deleted\n    consumer C: delivered to 1, acknowledged to 0, 1 pending",
        "SYS\n  group S-R3F-abc: 2 messages,",
        "; term 9, 1 peers",
    ];
    check(&["list"], store.dir(), 0, &listed);
    let listed = check(&["list", "--json"], store.dir(), 0, &[r#""vote":"S1b2c3d4""#]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["state"]["deleted"], 1);
    assert_eq!(listed[1]["raft"]["snapshot"]["index"], 3);
    assert_eq!(files(store.dir()), before);
    let stderr = storectl(&["verify"], &store.at("A")).stderr;
    assert!(String::from_utf8(stderr).unwrap().contains("neither a store directory nor a stream"));
    for verb in ["verify", "list", "dump", "recover"] {
        let output = storectl(&[verb], &store.at("absent"));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("jetstream/absent: No such file"), "{text}");
    }
}

#[test]
fn messages_are_dumped() {
    let store = filled();
    let dir = store.at("A/streams/S");
    let text = check(
        &["dump"],
        &dir,
        0,
        &["2 2000 s.2 \"NATS/1.0\\r\\nA: b\\r\\n\\r\\n\" \"message 2\"\n"],
    );
    assert_eq!(text.lines().count(), 9);
    let lines = |range: &str| check(&["dump", "--seq", range], &dir, 0, &[]).lines().count();
    assert_eq!(
        (lines("3..6"), lines("..2"), lines("9.."), lines("4"), lines("5")),
        (3, 2, 2, 0, 1)
    );
    let text = check(&["dump", "--json", "--seq", "2"], &dir, 0, &[]);
    let message: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(message["data"], "bWVzc2FnZSAy");
    assert_eq!((&message["seq"], &message["time"]), (&2.into(), &2000.into()));
    for wrong in ["6..3", "x", "1..y"] {
        assert_eq!(storectl(&["dump", "--seq", wrong], &dir).status.code(), Some(2));
    }
}

fn flip(path: &Path, byte: usize, bits: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[byte] ^= bits;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_damaged_is_named_and_the_exit_code_says_so() {
    let cases = [
        ("A/streams/S/msgs/1.blk", 300, 4, "A/streams/S/msgs/1.blk: one bit is wrong"),
        ("A/streams/S/msgs/1.blk", 300, 5, "1 messages are lost, from "),
        ("A/streams/S/meta.inf", 60, 4, "A/streams/S/meta.inf: one bit is wrong"),
        ("A/streams/S/obs/C/o.dat", 3, 4, "A/streams/S/obs/C/o.dat: one bit is wrong"),
        ("SYS/_js_/S-R3F-abc/snapshots/snap.9.3", 30, 4, "snap.9.3: damaged"),
    ];
    for (file, byte, bits, expected) in cases {
        let store = filled();
        flip(&store.at(file), byte, bits);
        let before = files(store.dir());
        check(&["verify"], store.dir(), 1, &[expected, "problem"]);
        check(&["verify", "--json"], store.dir(), 1, &[r#""ok":false"#]);
        assert_eq!(files(store.dir()), before, "{file}");
    }
}

#[test]
fn changes_of_the_journal_are_recovered() {
    let store = filled();
    let mut journal = store.journal();
    let incarnation = incarnation(CREATED);
    let stream = journal.register("A/streams/S", incarnation).unwrap();
    let body = b"from the journal";
    for seq in 9..=12 {
        let (timestamp, subject, headers) = (Timestamp(1), &b"s.1"[..], &b""[..]);
        let change = Change::Append { seq, timestamp, subject, headers, body };
        journal.append(stream, &change).unwrap();
    }
    journal.append(stream, &Change::Remove { seq: 5 }).unwrap();
    let consumer = journal.register("A/streams/S/obs/C", incarnation).unwrap();
    let delta = ConsumerDelta {
        delivered: SequencePair { consumer: 3, stream: 3 },
        messages: vec![(1, None)].into(),
        ..Default::default()
    };
    journal.append(consumer, &Change::Consumer(delta)).unwrap();
    let group = journal.register("SYS/_js_/S-R3F-abc", incarnation).unwrap();
    let voted = HardState { term: 10, vote: Some(*b"S2b2c3d4") };
    journal.append(group, &voted.change()).unwrap();
    let gone = journal.register("A/streams/GONE", incarnation).unwrap();
    journal.append(gone, &Change::Remove { seq: 5 }).unwrap();
    let other = journal.register("A/streams/S2", incarnation + 1).unwrap();
    store.describe("A/streams/S2", "A", "S2");
    store.open("A/streams/S2", "S2").stop(Timestamp(1)).unwrap();
    journal.append(other, &Change::Compact { seq: 50 }).unwrap();
    journal.sync().unwrap();
    drop(journal);

    let before = files(store.dir());
    check(&["verify"], store.dir(), 0, &["9 changes in the journal"]);
    assert_eq!(files(store.dir()), before);
    let expected = [
        "A/streams/GONE: 1 changes of what does not exist",
        "the journal has changes of an earlier one of this name",
        "5 changes made again: recovered",
    ];
    check(&["recover"], store.dir(), 0, &expected);
    check(&["verify"], store.dir(), 0, &["2 streams", " 0 changes in the journal: fine"]);
    let listed = [
        "stream S: 10 messages,",
        "1 to 12, 3 subjects, 2 deleted",
        "consumer C: delivered to 3, acknowledged to 0, 0 pending",
        "stream S2: 0 messages, 0 bytes, 0 to 0",
        "term 10",
    ];
    check(&["list"], store.dir(), 0, &listed);
    check(
        &["dump", "--seq", "9..11"],
        &store.at("A/streams/S"),
        0,
        &["9 9000 s.0 \"message 9\"\n", "11 1 s.1 \"from"],
    );
    check(&["recover", "--json"], store.dir(), 0, &[r#""changes":0"#, r#""problems":[]"#]);
}

#[test]
fn what_cannot_be_recovered_keeps_the_journal() {
    let store = filled();
    let mut journal = store.journal();
    let stream = journal.register("A/streams/S", incarnation(CREATED)).unwrap();
    journal.append(stream, &Change::Remove { seq: 5 }).unwrap();
    journal.sync().unwrap();
    drop(journal);
    std::fs::remove_file(store.at("A/streams/S/meta.sum")).unwrap();
    let meta = std::fs::read(store.at("A/streams/S/meta.inf")).unwrap();
    std::fs::write(store.at("A/streams/S/meta.inf"), b"{}").unwrap();
    check(&["recover"], store.dir(), 1, &["not recovered"]);
    check(&["verify"], store.dir(), 1, &["1 changes in the journal"]);
    std::fs::write(store.at("A/streams/S/meta.inf"), meta).unwrap();
    std::fs::write(store.at("A/streams/S/meta.sum"), filled_sum()).unwrap();
    check(&["recover"], store.dir(), 0, &["1 changes made again: recovered"]);
}

fn filled_sum() -> Vec<u8> {
    std::fs::read(filled().at("A/streams/S/meta.sum")).unwrap()
}

#[test]
fn encrypted_streams_of_a_go_server_are_read_with_their_key() {
    for (cipher, name) in [("chacha", "go-chacha"), ("aes", "go-aes")] {
        let from = testdata(name);
        let store = Store::new();
        // Keys depend on the names of account and stream.
        let to = store.at("$G/streams/SECRET");
        copy(&from, &to);
        let key = store.dir().join("key");
        std::fs::write(&key, format!("key of {cipher}\n")).unwrap();
        let options = ["verify", "--cipher", cipher, "--key-file", key.to_str().unwrap()];
        check(&options, store.dir(), 0, &["1 streams with 21 messages, 1 consumers", "fine"]);
        check(&["verify"], store.dir(), 1, &["no key is configured"]);
        std::fs::write(&key, "wrong").unwrap();
        check(&options, store.dir(), 1, &["problem"]);
    }
}

/// Replaces some files of a stream by those of another.
fn take_over(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// Every way in which a server may have been stopped while it changed the key of a stream.
#[test]
fn a_stream_with_files_of_two_keys_is_read_and_recovered() {
    const PARTS: [&[&str]; 4] = [
        &["meta.inf", "meta.key", "meta.sum"],
        &["msgs/1.blk", "msgs/1.key"],
        &["msgs/2.blk", "msgs/2.key"],
        &["obs/C/meta.inf", "obs/C/meta.key", "obs/C/meta.sum", "obs/C/o.dat"],
    ];
    let keys = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = keys.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (new, old) = (file("new", "new\n"), file("old", "key of chacha"));
    let go = testdata("go-chacha");
    // All of it under the new key, by recovery.
    let changed = Store::new();
    copy(&go, &changed.at("$G/streams/SECRET"));
    let both = ["--key-file", &new, "--previous-key-file", &old];
    let run = |verb: &str, keys: &[&str], dir: &Path, code: i32, expected: &[&str]| {
        check(&[&[verb], keys].concat(), dir, code, expected)
    };
    run("recover", &both, changed.dir(), 0, &["recovered"]);
    let fine = ["1 streams with 21 messages, 1 consumers", "fine"];
    let only_new = ["--key-file", new.as_str()];
    let only_old = ["--key-file", old.as_str()];
    run("verify", &only_new, changed.dir(), 0, &fine);
    run("verify", &only_old, changed.dir(), 1, &["does not open"]);
    let plain = run("dump", &only_new, &changed.at("$G/streams/SECRET"), 0, &["23 "]);

    for taken in 0..16_u32 {
        let store = Store::new();
        let dir = store.at("$G/streams/SECRET");
        copy(&go, &dir);
        for (_, part) in PARTS.iter().enumerate().filter(|(index, _)| taken >> index & 1 == 1) {
            take_over(&changed.at("$G/streams/SECRET"), &dir, part);
        }
        let before = files(store.dir());
        run("verify", &both, store.dir(), 0, &fine);
        run(
            "list",
            &both,
            store.dir(),
            0,
            &["21 messages", "delivered to 6, acknowledged to 2, 2 pending"],
        );
        assert_eq!(run("dump", &both, &dir, 0, &[]), plain, "{taken:b}");
        // The environment, and the keys the other way round.
        let environment = [(KEY_VARIABLE, "key of chacha"), (PREVIOUS_KEY_VARIABLE, "new")];
        let output = storectl_with(&environment, &["verify"], store.dir());
        assert_eq!(output.status.code(), Some(0), "{taken:b}: {output:?}");
        run("verify", &only_old, store.dir(), i32::from(taken != 0), &[]);
        run("verify", &only_new, store.dir(), i32::from(taken != 15), &[]);
        assert_eq!(files(store.dir()), before, "{taken:b}");
        run("recover", &both, store.dir(), 0, &["recovered"]);
        run("verify", &only_new, store.dir(), 0, &fine);
        run(
            "list",
            &only_new,
            store.dir(),
            0,
            &["21 messages", "delivered to 6, acknowledged to 2, 2 pending"],
        );
        assert_eq!(run("dump", &only_new, &dir, 0, &[]), plain, "{taken:b}");
    }
}

#[test]
fn keys_that_make_no_sense_are_refused_and_never_printed() {
    let store = filled();
    let empty = store.dir().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let (empty, absent) = (empty.to_str().unwrap(), "/nowhere/key");
    struct Case<'a>(&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);
    let cases = [
        Case(&[(PREVIOUS_KEY_VARIABLE, "hunter2")], &[], "no key that came after it"),
        Case(&[], &["--key-file", empty], "empty: holds no key"),
        Case(&[], &["--key-file", absent], "/nowhere/key: No such file"),
        Case(
            &[(KEY_VARIABLE, "hunter2")],
            &["--previous-key-file", absent],
            "/nowhere/key: No such",
        ),
        Case(&[], &["--previous-key", "hunter3"], "unexpected argument '--previous-key'"),
        Case(&[], &["--key", "hunter3"], "unexpected argument '--key'"),
    ];
    for Case(environment, options, expected) in cases {
        let output = storectl_with(environment, &[&["verify"], options].concat(), store.dir());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "no {expected} in {text}");
        assert!(!text.contains("hunter2") && output.stdout.is_empty(), "{text}");
    }
}

#[test]
fn a_store_that_is_in_use_is_read_and_not_written() {
    let store = filled();
    let stream = store.at("A/streams/S");
    let said = format!("storectl: {}: process {}", store.dir().display(), std::process::id());
    let dirs = [store.dir(), &store.at(""), &stream];
    let lock = StoreLock::acquire(store.dir()).unwrap();
    let before = files(store.dir());
    for dir in dirs {
        let output = storectl(&["recover"], dir);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.starts_with(&said) && text.contains("has to stop first"), "{text}");
        for verb in ["verify", "list"] {
            let output = storectl(&[verb], dir);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(0), "{text}");
            assert!(text.starts_with(&said) && text.contains("middle of a change"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
    let output = storectl(&["dump"], &stream);
    assert!(String::from_utf8(output.stderr).unwrap().starts_with(&said));
    assert_eq!(files(store.dir()), before);
    drop(lock);
    for dir in dirs {
        for verb in ["verify", "list", "recover"] {
            let output = storectl(&[verb], dir);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert!(output.stderr.is_empty(), "{output:?}");
        }
    }
}

#[test]
fn a_part_is_not_recovered_without_its_journal() {
    let store = filled();
    let mut journal = store.journal();
    let stream = journal.register("A/streams/S", incarnation(CREATED)).unwrap();
    journal.append(stream, &Change::Remove { seq: 5 }).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let before = files(store.dir());
    for part in ["A/streams/S", "SYS/_js_/S-R3F-abc"] {
        let output = storectl(&["recover"], &store.at(part));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        let expected =
            format!("the journal is not empty; recover all of {}", store.dir().display());
        assert!(text.contains(&expected), "{text}");
    }
    std::fs::remove_file(store.dir().join("natsd.lock")).unwrap();
    assert_eq!(files(store.dir()), before);
    check(&["recover"], &store.at(""), 0, &["1 changes made again: recovered"]);
    check(&["recover"], &store.at("A/streams/S"), 0, &["0 changes made again: recovered"]);
}

#[test]
fn a_description_with_a_wrong_bit_is_made_right_by_recovery() {
    for file in ["A/streams/S/meta.inf", "A/streams/S/meta.sum", "SYS/_js_/S-R3F-abc/meta.inf"] {
        let store = filled();
        let right = std::fs::read(store.at(file)).unwrap();
        flip(&store.at(file), 7, 1);
        let wrong = format!("{file}: one bit is wrong; recovery makes it right");
        check(&["verify"], store.dir(), 1, &[&wrong, "1 problem"]);
        check(&["recover"], store.dir(), 0, &[&format!("{file}: one bit was wrong")]);
        assert_eq!(std::fs::read(store.at(file)).unwrap(), right, "{file}");
        check(&["verify"], store.dir(), 0, &["fine"]);
    }
}

/// A stream that a Go server wrote, with the index of that.
fn go_stream(fixture: &str, name: &str, more: &str) -> Store {
    let store = Store::new();
    let dir = store.at(&format!("$G/streams/{name}"));
    copy(&testdata(fixture), &dir.join("msgs"));
    let content =
        format!(r#"{{"created":"{CREATED}","name":"{name}","retention":"limits"{more}}}"#);
    let dir = StreamDir { disk: store.disk.as_ref(), dir: &dir, account: "$G", name };
    dir.write(content.as_bytes(), None, &mut |_| {}).unwrap();
    store
}

/// Where the records of messages without headers begin in a block, and the sizes of their subjects.
/// Only those that `is_live`.
fn records_without_headers(block: &[u8], is_live: impl Fn(u64) -> bool) -> Vec<(usize, u16)> {
    let (mut offset, mut found) = (0, Vec::new());
    while let Some((record, rest)) = block.get(offset..).unwrap().split_first_chunk::<22>() {
        let size = u32::from_le_bytes(*record.first_chunk().unwrap());
        let seq = u64::from_le_bytes(record[4..12].try_into().unwrap());
        let subject = u16::from_le_bytes(record[20..22].try_into().unwrap());
        if size >> 31 == 0 && is_live(seq) && usize::from(subject) < rest.len() {
            found.push((offset, subject));
        }
        offset += (size & !(1 << 31)) as usize;
    }
    found
}

/// The hash of a record does not cover the size of its subject. The index of Go does.
#[test]
fn a_wrong_bit_in_the_size_of_a_subject_is_found_by_the_index() {
    let cases = [
        ("go-stream", "FIXTURE", r#","allow_msg_ttl":true"#, "32 messages"),
        // Limits have removed messages that are still in the blocks.
        ("go-blocks", "BLOCKS", r#","max_msgs_per_subject":12"#, "messages"),
    ];
    for (fixture, name, more, fine) in cases {
        let store = go_stream(fixture, name, more);
        check(&["verify"], store.dir(), 0, &[fine, "fine"]);
        let of_index = format!("$G/streams/{name}/msgs/index.db: subject ");
        let path = store.at(&format!("$G/streams/{name}/msgs/1.blk"));
        let block = std::fs::read(&path).unwrap();
        // What the server said of its messages.
        let answers = std::fs::read_to_string(testdata(fixture).with_extension("txt")).unwrap();
        let is_live = |seq| answers.contains(&format!("\nmessage {seq} "));
        let records = records_without_headers(&block, is_live);
        assert!(records.len() > 3, "{fixture}");
        let mut counts = [0; 3];
        for &(offset, size) in records.iter().step_by(records.len() / 4) {
            for bit in 0..16_u16 {
                flip(&path, offset + 20 + usize::from(bit / 8), 1 << (bit % 8));
                let text = check(&["verify"], store.dir(), 1, &["problem"]);
                let subject = |size: u16| {
                    let bytes = &block[offset + 22..];
                    let bytes = &bytes[..usize::from(size).min(bytes.len())];
                    format!("subject {}: ", bytes.escape_ascii())
                };
                // Without a subject it is none that is counted.
                let wrong = match size ^ (1 << bit) {
                    0 => "1 problem\n".to_owned(),
                    size => format!("{}0 messages by the index, 1 in", subject(size)),
                };
                // One size alone is possible; or several are, and none is as good as another; or
                // the wrong one is as good as the right one.
                let outcomes = ["one bit is wrong", "cannot be read, after sequence", &wrong];
                let index = outcomes.iter().position(|part| text.contains(part)).expect(&text);
                assert_eq!(text.contains(&subject(size)), index > 0, "{offset} {bit}: {text}");
                assert_eq!(text.contains(&of_index), index > 0, "{offset} {bit}: {text}");
                counts[index] += 1;
                std::fs::write(&path, &block).unwrap();
            }
        }
        assert!(counts[0] > 5 && counts[2] > 10, "{fixture} {counts:?}");
        check(&["verify"], store.dir(), 0, &["fine"]);
    }
}

/// Recovery goes by the index, and makes right what only that tells.
#[test]
fn recovery_makes_right_what_only_the_index_tells() {
    let store = go_stream("go-blocks", "BLOCKS", "");
    let path = store.at("$G/streams/BLOCKS/msgs/2.blk");
    let block = std::fs::read(&path).unwrap();
    let (offset, _) = records_without_headers(&block, |seq| seq == 40)[0];
    check(&["verify"], store.dir(), 0, &["fine"]);
    flip(&path, offset + 20, 1);
    let wrong = ["index.db: subject blocks.5: ", "index.db: subject blocks.54: 0 messages"];
    check(&["verify"], store.dir(), 1, &wrong);
    let text = check(&["recover"], store.dir(), 0, &wrong);
    let right = format!("2.blk: one bit was wrong in the record at {offset} and was made right");
    assert!(text.contains(&right), "{text}");
    assert_eq!(std::fs::read(&path).unwrap()[..block.len()], block);
    check(&["verify"], store.dir(), 0, &["fine"]);
}

#[test]
fn a_wrong_bit_in_the_journal_is_named_and_costs_nothing() {
    let store = filled();
    let mut journal = store.journal();
    let stream = journal.register("A/streams/S", incarnation(CREATED)).unwrap();
    journal.append(stream, &Change::Remove { seq: 5 }).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let dir = store.dir().join("natsd-journal");
    let segments = files(&dir);
    let (segment, _) = segments.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    flip(&dir.join(segment), 4096 + 70, 4);
    let wrong = "one bit is wrong at 4096, which costs nothing; recovery empties the journal";
    check(&["verify"], store.dir(), 1, &[wrong, "1 changes in the journal: 1 problem"]);
    check(&["recover"], store.dir(), 0, &[wrong, "1 changes made again: recovered"]);
    check(&["verify"], store.dir(), 0, &["0 changes in the journal: fine"]);
}

#[test]
fn an_index_that_says_otherwise_than_the_blocks_is_damage() {
    let store = go_stream("go-blocks", "BLOCKS", "");
    let index = "BLOCKS/msgs/index.db: ";
    let block = store.at("$G/streams/BLOCKS/msgs/2.blk");
    let right = std::fs::read(&block).unwrap();
    // Two wrong bits, which cost the message.
    flip(&block, 4000, 3);
    let text = check(&["verify"], store.dir(), 1, &["messages by the index", "missing from"]);
    assert!(text.contains("bytes by the index") && text.contains(index), "{text}");
    std::fs::write(&block, right).unwrap();
    check(&["verify"], store.dir(), 0, &["fine"]);
    // A cache whose hash is wrong does no harm, but is no less wrong.
    let path = store.at("$G/streams/BLOCKS/msgs/index.db");
    let right = std::fs::read(&path).unwrap();
    for at in [0, right.len() / 2, right.len() - 1] {
        flip(&path, at, 1);
        let text = check(&["verify"], store.dir(), 1, &["index.db: damaged", "1 problem"]);
        assert!(text.contains(index), "{text}");
        std::fs::write(&path, &right).unwrap();
    }
    // One of other blocks does not count, and that is no damage.
    std::fs::copy(testdata("go-compressed").join("index.db"), &path).unwrap();
    check(&["verify"], store.dir(), 1, &["index.db: damaged"]);
    std::fs::write(&path, &right).unwrap();
    std::fs::remove_file(store.at("$G/streams/BLOCKS/msgs/1.blk")).unwrap();
    check(&["verify"], store.dir(), 0, &["fine"]);
}

#[test]
fn quiet_says_nothing_but_what_is_wrong() {
    let store = filled();
    assert_eq!(check(&["verify", "--quiet"], store.dir(), 0, &[]), "");
    let output = storectl(&["verify"], store.dir());
    assert!(output.stderr.is_empty(), "{output:?}");
    flip(&store.at("A/streams/S/msgs/1.blk"), 300, 4);
    let text = check(&["verify", "-q"], store.dir(), 1, &["1.blk: one bit is wrong"]);
    assert_eq!(text.lines().count(), 1, "{text}");
}

const BATCH: &str = "batch of the test";
/// The hash of its name.
const BATCH_FOLDER: &str = "JW9lCn9O";

fn batch_headers(seq: u64, more: &str) -> String {
    format!("NATS/1.0\r\nNats-Batch-Id: {BATCH}\r\nNats-Batch-Sequence: {seq}\r\n{more}\r\n")
}

/// The store directory of a Go server that was killed while a batch of three was being published to
/// a stream of two messages.
fn killed_with_a_batch(jetstream: &str) -> tempfile::TempDir {
    let mut server = peer::start(jetstream);
    let mut peer = peer::Peer::new(&server);
    let config = json!({ "name": "S", "subjects": ["s.*"], "allow_atomic": true });
    peer.api("STREAM.CREATE.S", &config);
    peer.store("s.1", b"", b"one");
    peer.store("s.2", b"", b"two");
    for seq in 1..=3 {
        let answer = peer.request("s.3", batch_headers(seq, "").as_bytes(), b"of a batch");
        assert!(answer.payload.is_empty(), "{answer:?}");
    }
    let store_dir = server.folder().join("js");
    let path = format!("jetstream/$G/streams/S/batches/{BATCH_FOLDER}/msgs/1.blk");
    let path = store_dir.join(path);
    let size = 3 * (22 + 3 + 4 + batch_headers(1, "").len() + 10 + 8) as u64;
    natsd_testkit::wait_until("the batch is on disk", natsd_testkit::DEADLINE, || {
        std::fs::metadata(&path).ok().filter(|metadata| metadata.len() == size)
    });
    server.kill();
    let copied = tempfile::tempdir().unwrap();
    copy(&store_dir, copied.path());
    copied
}

/// A stream of the account `$G`, under a key or plain.
fn open_go(dir: &Path, name: &str, key: Option<&str>) -> FileStore {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let store_keys = key.map(|key| StoreKeys::new(Cipher::ChaCha, key.as_bytes(), None));
    let place = StreamDir { disk: disk.as_ref(), dir, account: "$G", name };
    let keys = place.read(store_keys.as_ref()).unwrap().keys;
    let random: SharedRandom = {
        let prng = Mutex::new(Prng::from_seed(7));
        Arc::new(move |bytes| bytes.fill_with(|| prng.lock().unwrap().next_u64().to_le_bytes()[0]))
    };
    let keys = keys.map(|keys| FileStoreKeys { keys, random });
    let config = FileStoreConfig { keys, ..FileStoreConfig::new(name) };
    FileStore::open(disk, dir, config, StoreConfig::default(), Timestamp(1)).unwrap()
}

/// What a server had done with a batch of three when it was killed.
struct BatchCase {
    /// Messages of the batch that are in the stream, with what else their headers say.
    stored: &'static [&'static str],
    /// The batch has an end.
    has_end: bool,
    is_there: bool,
    takes_batches: bool,
    expected: &'static str,
    outcome: &'static str,
    /// Messages in the stream after the start of a Go server.
    messages: u64,
}

impl BatchCase {
    /// Changes the files to what the case says.
    fn prepare(&self, stream: &Path, key: Option<&str>) {
        const END: &str = "Nats-Batch-Commit: eob\r\n";
        let batches = stream.join("batches");
        let batch = batches.join(BATCH_FOLDER);
        assert!(batch.is_dir(), "{:?}", files(&batches).keys());
        if !self.stored.is_empty() {
            let mut store = open_go(stream, "S", key);
            for (seq, more) in (1..).zip(self.stored) {
                store_batch_message(&mut store, &batch_headers(seq, more));
            }
            store.stop(Timestamp(1)).unwrap();
        }
        if self.has_end {
            let mut store = open_go(&batch, BATCH_FOLDER, key);
            store_batch_message(&mut store, &batch_headers(4, END));
            store.stop(Timestamp(1)).unwrap();
        }
        if !self.is_there {
            std::fs::remove_dir_all(&batches).unwrap();
        }
        if !self.takes_batches {
            disable_batches(stream, key);
        }
    }

    /// What storectl says, without writing, and that recovery leaves the batch to the server.
    fn check(&self, dir: &Path, stream: &Path, run: impl Fn(&[&str], &Path) -> String) {
        let batch = stream.join("batches").join(BATCH_FOLDER);
        let before = files(dir);
        let text = run(&["verify"], dir);
        assert!(text.contains(&format!("batches/{BATCH_FOLDER}: a batch of ")), "{text}");
        assert!(text.contains(self.expected) && text.ends_with("fine\n"), "{text}");
        assert!(text.contains("1 streams with "), "{text}");
        assert_eq!(run(&["verify", "-q"], dir), "");
        let text = run(&["verify", "--json"], dir);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["batches"][0]["outcome"], self.outcome, "{text}");
        if self.is_there {
            let expected = self.expected.trim_start_matches("a batch of ");
            let text = run(&["list"], dir);
            assert!(text.contains(&format!("    batch {BATCH_FOLDER}: ")), "{text}");
            assert!(text.contains(expected), "{text}");
            let lines = run(&["dump"], &batch).lines().count();
            assert_eq!(lines, 3 + usize::from(self.has_end));
        }
        assert_eq!(files(dir), before);
        let report = run(&["recover"], dir);
        assert!(report.contains("recovered"), "{report}");
        assert_eq!(batch.is_dir(), self.is_there);
    }
}

/// Go does with them what storectl has said.
#[test]
fn batches_that_a_go_server_has_not_ended_are_known() {
    const COMMIT: &str = "Nats-Batch-Commit: 1\r\n";
    use BatchCase as Case;
    let none = Case {
        stored: &[],
        has_end: false,
        is_there: true,
        takes_batches: true,
        expected: "a batch of 3 messages, not committed; a server's start drops it",
        outcome: "dropped",
        messages: 2,
    };
    let rest = "committed; a server's start stores those from 2 to 3";
    let cases = [
        Case { stored: &[""], expected: rest, outcome: "stored", messages: 5, ..none },
        Case {
            stored: &[""],
            has_end: true,
            expected: rest,
            outcome: "stored",
            messages: 5,
            ..none
        },
        Case {
            stored: &["", "", ""],
            expected: "all stored",
            outcome: "stored",
            messages: 5,
            ..none
        },
        Case { stored: &["", "", COMMIT], messages: 5, ..none },
        Case {
            stored: &[""],
            is_there: false,
            expected: "the stream has those to 1, the rest is gone",
            outcome: "gone",
            messages: 3,
            ..none
        },
        Case {
            takes_batches: false,
            expected: "the stream takes none, nobody looks at it",
            outcome: "ignored",
            ..none
        },
        none,
    ];
    for key in [None, Some("key of the test")] {
        let jetstream = key.map_or(String::new(), |key| format!(", cipher: chacha, key: {key:?}"));
        let killed = killed_with_a_batch(&jetstream);
        let environment: Vec<_> = key.map(|key| (KEY_VARIABLE, key)).into_iter().collect();
        for case in &cases {
            let expected = case.expected;
            let binary = natsd_testkit::oracle().unwrap();
            let launch = Launch::new(&binary)
                .config(&format!("jetstream {{ store_dir: \"$DIR/js\" {jetstream} }}"));
            let dir = launch.folder().join("js");
            copy(killed.path(), &dir);
            let stream = dir.join("jetstream/$G/streams/S");
            case.prepare(&stream, key);
            let run = |arguments: &[&str], dir: &Path| {
                let output = storectl_with(&environment, arguments, dir);
                assert_eq!(output.status.code(), Some(0), "{output:?}");
                String::from_utf8(output.stdout).unwrap()
            };
            case.check(&dir, &stream, run);

            let batches = stream.join("batches");
            let mut server = launch.start();
            let mut peer = peer::Peer::new(&server);
            assert_eq!(peer.state("S")["messages"], case.messages, "{expected}");
            assert_eq!(batches.is_dir(), !case.takes_batches, "{expected}");
            server.kill();
            let text = run(&["verify"], &dir);
            // A batch whose end nobody wrote looks as if the rest of it were gone.
            let has_no_end = matches!(case.outcome, "stored" | "gone") && !case.has_end;
            assert_eq!(text.contains("a batch of"), has_no_end || !case.takes_batches, "{text}");
        }
    }
}

/// Fills a stream of a server and asks for some changes.
fn fill_go(
    peer: &mut peer::Peer,
    name: &str,
    mut config: serde_json::Value,
    requests: &[(&str, serde_json::Value)],
) {
    config["name"] = name.into();
    config["subjects"] = json!([format!("{name}.*")]);
    if config["max_bytes"].is_null() {
        config["max_bytes"] = 120_000.into();
    }
    peer.api(&format!("STREAM.CREATE.{name}"), &config);
    let has_ttl = config["allow_msg_ttl"] == true;
    for number in 0..200 {
        let headers: &[u8] = match number % 3 {
            0 if has_ttl => b"NATS/1.0\r\nNats-TTL: 1s\r\n\r\n",
            1 => b"NATS/1.0\r\nA: b\r\n\r\n",
            _ => b"",
        };
        let body = vec![b'0' + number % 10; 400];
        let subject = format!("{name}.{}", number % 7);
        peer.request(&subject, headers, &body);
    }
    for (request, body) in requests {
        let mut body = body.clone();
        if let Some(filter) = body["filter"].as_str() {
            body["filter"] = filter.replace("s.", &format!("{name}.")).into();
        }
        let body = body.to_string();
        peer.request(&format!("$JS.API.STREAM.{request}.{name}"), b"", body.as_bytes());
    }
}

/// Whatever a server did to a stream, its index and its blocks say the same when it was stopped.
#[test]
fn what_a_go_server_leaves_is_fine() {
    // The configuration, and what is asked for after 200 messages in three blocks.
    let delete =
        |seq: u64, no_erase: bool| ("MSG.DELETE", json!({ "seq": seq, "no_erase": no_erase }));
    let cases: Vec<(serde_json::Value, Vec<(&str, serde_json::Value)>)> = vec![
        (json!({}), vec![]),
        (json!({ "max_msgs": 30 }), vec![]),
        (json!({ "max_msgs": 30 }), vec![delete(190, true), delete(200, true)]),
        (json!({ "max_msgs_per_subject": 1 }), vec![]),
        (json!({ "max_msgs_per_subject": 3 }), vec![delete(200, false), delete(199, true)]),
        (json!({ "compression": "s2", "max_msgs_per_subject": 7 }), vec![delete(5, true)]),
        (json!({ "discard": "new", "max_msgs": 150 }), vec![]),
        (json!({}), vec![("PURGE", json!({}))]),
        (json!({}), vec![("PURGE", json!({ "keep": 3 }))]),
        (json!({}), vec![("PURGE", json!({ "seq": 150 }))]),
        (json!({}), vec![("PURGE", json!({ "filter": "s.3" })), delete(200, false)]),
        (json!({ "compression": "s2" }), vec![("PURGE", json!({ "filter": "s.*", "seq": 120 }))]),
        (json!({}), (1..=200).map(|seq| delete(seq, true)).collect()),
        (json!({}), (50..=190).map(|seq| delete(seq, seq % 2 == 0)).collect()),
        (json!({ "first_seq": 1000 }), vec![delete(1000, true), delete(1199, false)]),
        (json!({ "allow_msg_ttl": true }), vec![delete(7, true)]),
        (json!({ "max_age": 200_000_000 }), vec![]),
        (json!({ "max_age": 200_000_000, "compression": "s2" }), vec![]),
        (json!({ "max_bytes": 60_000 }), vec![delete(190, true)]),
        (json!({ "max_bytes": 60_000, "compression": "s2" }), vec![delete(200, false)]),
    ];
    for (jetstream, environment) in
        [("", vec![]), (", cipher: aes, key: \"k\"", vec![(KEY_VARIABLE, "k")])]
    {
        let mut server = peer::start(jetstream);
        let mut peer = peer::Peer::new(&server);
        for (index, (config, requests)) in cases.iter().enumerate() {
            fill_go(&mut peer, &format!("S{index}"), config.clone(), requests);
        }
        for index in [15, 16, 17] {
            let is_left = |count: &u64| *count == if index == 15 { 133 } else { 0 };
            natsd_testkit::wait_until("messages expire", natsd_testkit::DEADLINE, || {
                peer.state(&format!("S{index}"))["messages"].as_u64().filter(is_left)
            });
        }
        let states: Vec<_> =
            (0..cases.len()).map(|index| peer.state(&format!("S{index}"))).collect();
        drop(peer);
        let dir = server.folder().join("js");
        for stops in [true, false] {
            if stops {
                server.stop();
            } else {
                server.restart();
                server.kill();
            }
            let before = files(&dir);
            let options = ["verify", "--cipher", "aes"];
            for index in 0..cases.len() {
                let stream = dir.join(format!("jetstream/$G/streams/S{index}"));
                let output = storectl_with(&environment, &options, &stream);
                let text = String::from_utf8(output.stdout).unwrap();
                let case = format!("{:?} {text}", cases[index]);
                assert_eq!(output.status.code(), Some(0), "{case}");
                // What limits removed is in the blocks, and not in the index.
                let count = format!("1 streams with {} messages", states[index]["messages"]);
                assert!(!stops || text.contains(&count), "{case}");
            }
            assert_eq!(files(&dir), before);
        }
    }
}

fn store_batch_message(store: &mut FileStore, headers: &str) {
    let stored = store.store(NewMessage {
        subject: b"s.3",
        headers: headers.as_bytes(),
        body: b"of a batch",
        seq: None,
        timestamp: Timestamp(1_795_000_000_000_000_000),
        ttl: None,
        may_refuse: false,
    });
    stored.unwrap();
}

fn disable_batches(stream: &Path, key: Option<&str>) {
    let disk = RealDisk::new();
    let keys = key.map(|key| StoreKeys::new(Cipher::ChaCha, key.as_bytes(), None));
    let place = StreamDir { disk: &disk, dir: stream, account: "$G", name: "S" };
    let description = place.read(keys.as_ref()).unwrap();
    let content = String::from_utf8(description.content).unwrap();
    let content = content.replace(r#""allow_atomic":true"#, r#""allow_atomic":false"#);
    place.write(content.as_bytes(), description.keys.as_ref(), &mut |_| {}).unwrap();
}

#[test]
fn what_does_not_belong_among_the_batches_is_named() {
    let store = filled();
    let batches = store.at("A/streams/S/batches");
    std::fs::create_dir_all(batches.join("Kabcdefg")).unwrap();
    let dropped = "Kabcdefg: a batch of 0 messages";
    check(&["verify"], store.dir(), 0, &[dropped, "fine"]);
    std::fs::write(batches.join("file"), "x").unwrap();
    let expected = "A/streams/S/batches/file: neither a batch nor known";
    check(&["verify"], store.dir(), 1, &[expected, "1 problem"]);
}

fn testdata(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "testdata", name].iter().collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
