//! `storectl` on directories that the library and a Go server wrote.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use natsd_base::Timestamp;
use natsd_store::journal::{
    Change, ConsumerDelta, JOURNAL_DIR, Journal, JournalConfig, Recovery, incarnation,
};
use natsd_store::raft_log::{HardState, PeerState, RaftLog, RaftSnapshot};
use natsd_store::stream_dir::StreamDir;
use natsd_store::{
    ConsumerFiles, ConsumerStore, ConsumerStoreConfig, Disk, FileStore, FileStoreConfig,
    NewMessage, RealDisk, SequencePair, StoreConfig, StreamStore,
};

const CREATED: &str = "2026-11-25T00:03:10.946124093Z";

fn storectl(arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storectl"));
    let (verb, rest) = arguments.split_first().unwrap();
    command.arg(verb).arg(dir).args(rest);
    command.env_remove("NATSD_STORE_KEY").env_remove("NATSD_STORE_PREVIOUS_KEY");
    command.output().unwrap()
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
        let from: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", name].iter().collect();
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
