//! Streams that both write: Go first, then the file store, then Go again. Each must find all that
//! the other left, after a stop in good order and after a kill.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use natsd_base::{Prng, Timestamp};
use natsd_store::journal::{Change, JOURNAL_DIR, JournalConfig, Recovery, incarnation};
use natsd_store::stream_dir::{ConsumerDir, StreamDir};
use natsd_store::{
    Cipher, Compression, ConsumerFiles, ConsumerStore, ConsumerStoreConfig, Discard, Disk,
    FileStore, FileStoreConfig, FileStoreKeys, Filter, NewMessage, RealDisk, StoreConfig,
    StoreKeys, StoredMessage, StreamState, StreamStore, Ttl,
};
use natsd_testkit::Server;
use serde_json::{Value, json};

use crate::peer::{self, Peer};

/// A message: subject, time, headers, body.
type Message = (Vec<u8>, i64, Vec<u8>, Vec<u8>);

/// What a stream holds.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    messages: u64,
    bytes: u64,
    first_seq: u64,
    last_seq: u64,
    deleted: u64,
    subjects: u64,
    all: BTreeMap<u64, Message>,
}

impl Content {
    fn new(state: &StreamState, all: BTreeMap<u64, Message>) -> Self {
        Self {
            messages: state.messages,
            bytes: state.bytes,
            first_seq: state.first_seq,
            last_seq: state.last_seq,
            deleted: state.deleted,
            subjects: state.subjects,
            all,
        }
    }

    fn of_go(peer: &mut Peer, stream: &str) -> Self {
        let state = peer.state(stream);
        let number = |name: &str| state[name].as_u64().unwrap_or(0);
        let mut all = BTreeMap::new();
        let deleted = state["deleted"].as_array().cloned().unwrap_or_default();
        for seq in number("first_seq").max(1)..=number("last_seq") {
            if number("messages") > 0 && !deleted.contains(&json!(seq)) {
                all.insert(seq, message_of(&peer.message(stream, seq)));
            }
        }
        Self {
            messages: number("messages"),
            bytes: number("bytes"),
            first_seq: number("first_seq"),
            last_seq: number("last_seq"),
            // Go counts one in a stream that never had a message.
            deleted: if number("last_seq") == 0 { 0 } else { number("num_deleted") },
            subjects: number("num_subjects"),
            all,
        }
    }

    fn of_ours(store: &mut FileStore) -> Self {
        let mut all = BTreeMap::new();
        let mut next = 0;
        while let Some(message) = store.load_next(Filter::All, next).expect("it is readable") {
            next = message.seq + 1;
            all.insert(message.seq, copy_of(&message));
        }
        Self::new(&store.state(), all)
    }
}

fn message_of(message: &Value) -> Message {
    let bytes = |name: &str| {
        let text = message[name].as_str().unwrap_or_default();
        BASE64.decode(text.as_bytes()).expect("base64")
    };
    let time: jiff::Timestamp = message["time"].as_str().expect("a time").parse().expect("a time");
    let time = i64::try_from(time.as_nanosecond()).expect("of our days");
    let subject = message["subject"].as_str().expect("a subject").as_bytes().to_vec();
    (subject, time, bytes("hdrs"), bytes("data"))
}

fn copy_of(message: &StoredMessage<'_>) -> Message {
    let (headers, body) = (message.headers.to_vec(), message.body.to_vec());
    (message.subject.to_vec(), message.timestamp.0, headers, body)
}

/// One stream of a server's folder.
struct Place {
    dir: PathBuf,
    name: String,
    keys: Option<StoreKeys>,
}

impl Place {
    fn new(server: &Server, name: &str, keys: Option<&StoreKeys>) -> Self {
        let dir = server.folder().join("js/jetstream/$G/streams").join(name);
        Self { dir, name: name.to_owned(), keys: keys.cloned() }
    }

    /// Opens the stream as its description says.
    fn open(&self) -> FileStore {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let place =
            StreamDir { disk: disk.as_ref(), dir: &self.dir, account: "$G", name: &self.name };
        let description = place.read(self.keys.as_ref()).expect("written by Go");
        assert!(description.mended.is_empty() && !description.is_outdated);
        let config: Value = serde_json::from_slice(&description.content).expect("JSON");
        let limit =
            |name: &str| config[name].as_i64().filter(|&limit| limit > 0).map(i64::unsigned_abs);
        let is_encrypted = description.keys.is_some();
        let keeps_all = config["retention"] == "limits";
        let is_s2 = config["compression"] == "s2";
        let keys = description.keys.map(|keys| FileStoreKeys {
            keys,
            random: Arc::new(|bytes| {
                let mut prng = Prng::from_seed(u64::from(std::process::id()));
                bytes.fill_with(|| prng.next_u64().to_le_bytes()[0]);
            }),
        });
        let bytes_max = limit("max_bytes");
        let file_config = FileStoreConfig {
            block_size: FileStoreConfig::block_size_of(bytes_max, keeps_all, is_encrypted),
            compression: if is_s2 { Compression::S2 } else { Compression::None },
            keys,
            ..FileStoreConfig::new(&self.name)
        };
        let store_config = StoreConfig {
            messages_max: limit("max_msgs"),
            bytes_max,
            messages_per_subject_max: limit("max_msgs_per_subject"),
            age_max: limit("max_age").map(Duration::from_nanos),
            discard: if config["discard"] == "new" { Discard::New } else { Discard::Old },
            allow_message_ttl: config["allow_msg_ttl"] == true,
            first_seq: limit("first_seq").unwrap_or(0),
            ..StoreConfig::default()
        };
        let now = Timestamp(0); // Nothing is too old at that time.
        let store = FileStore::open(disk, &self.dir, file_config, store_config, now);
        let store = store.unwrap_or_else(|error| panic!("{}: {error:?}", self.name));
        assert_eq!(store.damaged(), [], "{}", self.name);
        store
    }

    /// Where a consumer is: delivered, floor, pending.
    fn consumer(&self, name: &str) -> [u64; 5] {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let dir = self.dir.join("obs").join(name);
        let stream =
            StreamDir { disk: disk.as_ref(), dir: &self.dir, account: "$G", name: &self.name };
        let keys = stream.read(self.keys.as_ref()).expect("written by Go").keys;
        let place = ConsumerDir { disk: disk.as_ref(), dir: &dir, stream: &self.name, name };
        let description = place.read(keys.as_ref()).expect("written by Go");
        let files = ConsumerFiles {
            disk: Arc::clone(&disk),
            dir,
            stream: self.name.clone(),
            name: name.to_owned(),
            keys,
            random: Box::new(|_| {}),
        };
        let store = files.open(ConsumerStoreConfig::default(), &description, Timestamp(0));
        let store = store.expect("written by Go");
        let state = store.state().expect("it is not damaged");
        let (delivered, floor) = (state.delivered, state.ack_floor);
        let pending = state.pending.len() as u64;
        [delivered.consumer, delivered.stream, floor.consumer, floor.stream, pending]
    }
}

/// Streams of every kind, by their configuration.
fn configs() -> Vec<(&'static str, Value)> {
    vec![
        ("OLD", json!({ "max_msgs": 100 })),
        ("NEW", json!({ "discard": "new", "max_msgs": 50 })),
        ("BYTES", json!({ "max_bytes": 60_000 })),
        ("SUBJECTS", json!({ "max_msgs_per_subject": 3, "max_age": 3_600_000_000_000_i64 })),
        ("KV", json!({ "max_msgs_per_subject": 1, "discard": "new", "allow_rollup_hdrs": true })),
        ("INTEREST", json!({ "retention": "interest" })),
        ("WORK", json!({ "retention": "workqueue" })),
        ("S2", json!({ "compression": "s2", "max_bytes": 300_000 })),
        ("TTL", json!({ "allow_msg_ttl": true })),
        ("PURGED", json!({})),
        ("DELETED", json!({ "first_seq": 1000 })),
        ("EMPTY", json!({})),
    ]
}

/// Consumers of those streams.
const CONSUMERS: [(&str, &str); 3] = [("OLD", "C"), ("INTEREST", "I"), ("WORK", "W")];

fn fill(peer: &mut Peer) {
    for (name, config) in configs() {
        let mut request = config;
        request["name"] = json!(name);
        request["subjects"] = json!([format!("{}.>", name.to_lowercase())]);
        request["storage"] = json!("file");
        peer.api(&format!("STREAM.CREATE.{name}"), &request);
    }
    for (stream, consumer) in CONSUMERS {
        let config = json!({ "durable_name": consumer, "ack_policy": "explicit" });
        let request = json!({ "stream_name": stream, "config": config });
        peer.api(&format!("CONSUMER.DURABLE.CREATE.{stream}.{consumer}"), &request);
    }
    let mut prng = Prng::from_seed(7);
    for (name, _) in configs().into_iter().filter(|(name, _)| *name != "EMPTY") {
        let size = if matches!(name, "S2" | "BYTES") { 2000 } else { 40 };
        for number in 0..150_u64 {
            let subject = format!("{}.{}", name.to_lowercase(), prng.below(20));
            let body: Vec<u8> = match name {
                "S2" => format!("{number} ").repeat(size / 4).into_bytes(),
                _ => (0..size).map(|_| prng.next_u64().to_le_bytes()[0]).collect(),
            };
            let headers: &[u8] = match (name, number % 3) {
                ("TTL", 0) => b"NATS/1.0\r\nNats-TTL: 1h\r\n\r\n",
                ("TTL", 1) => b"NATS/1.0\r\nNats-TTL: never\r\n\r\n",
                (_, 2) => b"NATS/1.0\r\nA: b\r\n\r\n",
                _ => b"",
            };
            if name == "NEW" && number >= 50 {
                let refused = peer.request(&subject, headers, &body);
                assert!(String::from_utf8_lossy(&refused.payload).contains("maximum messages"));
            } else {
                peer.store(&subject, headers, &body);
            }
        }
    }
    for (stream, consumer) in CONSUMERS {
        let messages = peer.pull(stream, consumer, 12);
        for at in [0, 1, 2, 5, 7] {
            peer.request(&messages[at].reply, b"", b"+ACK");
        }
    }
    for seq in [1003, 1100, 1101, 1148, 1149] {
        let erase = json!({ "seq": seq, "no_erase": seq % 2 == 0 });
        peer.api("STREAM.MSG.DELETE.DELETED", &erase);
    }
    peer.api("STREAM.PURGE.PURGED", &json!({ "filter": "purged.3" }));
    peer.api("STREAM.PURGE.PURGED", &json!({ "filter": "purged.5", "keep": 2 }));
    peer.api("STREAM.PURGE.PURGED", &json!({ "seq": 20 }));
    peer.store("kv.7", b"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n", b"rolled up");
}

/// Appends and deletes.
fn change(store: &mut FileStore, name: &str) {
    let state = store.state();
    let last = state.last_time.unwrap_or(Timestamp(1_790_000_000_000_000_000));
    let count: i64 = match name {
        "S2" => 60,
        "NEW" => 2, // It is to have room again.
        _ => 4,
    };
    let mut seqs = Vec::new();
    for number in 1..=count {
        let subject = format!("{}.new.{number}", name.to_lowercase());
        let body = format!("ours {number} ").repeat(if name == "S2" { 300 } else { 1 });
        let ttl = (name == "TTL").then_some(Ttl::After(Duration::from_secs(3600)));
        let headers: &[u8] = if ttl.is_some() { b"NATS/1.0\r\nNats-TTL: 1h\r\n\r\n" } else { b"" };
        let stored = store.store(NewMessage {
            subject: subject.as_bytes(),
            headers,
            body: body.as_bytes(),
            seq: None,
            timestamp: Timestamp(last.0 + number * 1000),
            ttl,
            may_refuse: false,
        });
        seqs.push(stored.expect("there is room"));
    }
    for seq in [state.first_seq + 3, state.last_seq, seqs[1]] {
        // Some are not there.
        store.remove(seq).expect("it is written to");
    }
    if name == "PURGED" {
        let subject = Filter::One(b"purged.7");
        store.purge_matching(subject, 0, 0).expect("it is written to");
    }
    if name == "DELETED" {
        store.erase(state.first_seq + 5).expect("it is written to");
        store.compact(state.first_seq + 8).expect("it is written to");
    }
}

/// Go, ours, Go. With `kills` Go is killed, else stopped; ours stops in good order or, when
/// `leaves`, is only synced.
fn check(jetstream: &str, keys: Option<&StoreKeys>, kills: bool, leaves: bool) {
    let mut server = peer::start(jetstream);
    let mut peer = Peer::new(&server);
    fill(&mut peer);
    let names: Vec<&str> = configs().iter().map(|(name, _)| *name).collect();
    let expected: Vec<Content> = names.iter().map(|name| Content::of_go(&mut peer, name)).collect();
    let consumers = CONSUMERS.map(|(stream, consumer)| peer.consumer(stream, consumer));
    drop(peer);
    if kills {
        server.kill();
    } else {
        assert!(server.stop().success());
    }

    let mut changed = Vec::new();
    for (name, expected) in names.iter().zip(&expected) {
        let place = Place::new(&server, name, keys);
        let mut store = place.open();
        assert_eq!(Content::of_ours(&mut store), *expected, "{name}");
        change(&mut store, name);
        store.sync().expect("the disk works");
        if !leaves {
            store.stop(Timestamp(0)).expect("the disk works");
        }
        drop(store);
        // What was written is found again, by us as by Go.
        let mut store = place.open();
        changed.push(Content::of_ours(&mut store));
        if !leaves {
            store.stop(Timestamp(0)).expect("the disk works");
        }
    }
    if !kills {
        for ((stream, consumer), expected) in CONSUMERS.iter().zip(&consumers) {
            let found = Place::new(&server, stream, keys).consumer(consumer);
            assert_eq!(found[..], expected[..5], "{stream} {consumer}");
        }
    }

    server.restart();
    let mut peer = Peer::new(&server);
    for (name, expected) in names.iter().zip(&changed) {
        let mut found = Content::of_go(&mut peer, name);
        if leaves && matches!(*name, "OLD" | "BYTES" | "S2") {
            // What a limit removed is told by the index alone. Without it Go applies the limit
            // again, to what is left after later removals.
            found.all.retain(|seq, _| *seq >= expected.first_seq);
            assert_eq!((found.last_seq, &found.all), (expected.last_seq, &expected.all), "{name}");
        } else {
            assert_eq!(found, *expected, "{name}");
        }
        peer.store(&format!("{}.after", name.to_lowercase()), b"", b"after");
    }
    drop(peer);
    assert!(server.stop().success());
    for (name, before) in names.iter().zip(&changed) {
        let mut store = Place::new(&server, name, keys).open();
        assert_eq!(store.state().last_seq, before.last_seq + 1, "{name}");
        let last = store.load_last(Filter::All).expect("it was just stored");
        assert_eq!(last.body, b"after", "{name}");
    }
}

#[test]
fn plain_streams_go_there_and_back_after_a_stop() {
    check("", None, false, false);
}

#[test]
fn plain_streams_go_there_and_back_after_a_kill() {
    check("", None, true, true);
}

#[test]
fn encrypted_streams_go_there_and_back() {
    for (name, cipher, kills) in [("chacha", Cipher::ChaCha, false), ("aes", Cipher::Aes, true)] {
        let keys = StoreKeys::new(cipher, b"a key", None);
        check(&format!(", cipher: {name}, key: \"a key\""), Some(&keys), kills, kills);
    }
}

/// A stream of 300,000 messages over 5,000 subjects, by index and by scan.
#[test]
fn a_large_stream_goes_there_and_back() {
    const COUNT: u64 = 300_000;
    const SUBJECTS: u64 = 5_000;
    for kills in [false, true] {
        let mut server = peer::start("");
        let mut peer = Peer::new(&server);
        let config = json!({ "name": "BIG", "subjects": ["big.>"] });
        peer.api("STREAM.CREATE.BIG", &config);
        for number in 0..COUNT {
            let (subject, body) =
                (format!("big.{}", number % SUBJECTS), format!("message {number}"));
            if number % 2000 == 1999 {
                peer.store(&subject, b"", body.as_bytes()); // Go drops what it cannot keep up with.
            } else {
                peer.publish(&subject, "", b"", body.as_bytes());
            }
        }
        peer.store("big.last", b"", b"last");
        let info = peer.api("STREAM.INFO.BIG", &json!({ "subjects_filter": ">" }));
        assert_eq!(info["state"]["messages"], COUNT + 1);
        for seq in (1..COUNT).step_by(1000) {
            peer.api("STREAM.MSG.DELETE.BIG", &json!({ "seq": seq, "no_erase": true }));
        }
        let state = peer.state("BIG");
        drop(peer);
        if kills {
            server.kill();
        } else {
            assert!(server.stop().success());
        }
        let place = Place::new(&server, "BIG", None);
        let mut store = place.open();
        let found = store.state();
        let of_go = |name: &str| state[name].as_u64();
        assert_eq!(Some(found.messages), of_go("messages"));
        assert_eq!(Some(found.bytes), of_go("bytes"));
        assert_eq!(Some(found.deleted), of_go("num_deleted"));
        assert_eq!(Some(found.subjects), of_go("num_subjects"));
        let totals = store.subjects_totals(Filter::All);
        assert_eq!(totals.len() as u64, found.subjects);
        let (mut next, mut count) = (0, 0);
        while let Some(message) = store.load_next(Filter::All, next).expect("it is readable") {
            next = message.seq + 1;
            count += 1;
            if message.seq <= COUNT {
                let number = message.seq - 1;
                assert_eq!(message.body, format!("message {number}").as_bytes());
                assert_eq!(message.subject, format!("big.{}", number % SUBJECTS).as_bytes());
            }
        }
        assert_eq!(count, found.messages);
        change(&mut store, "BIG");
        store.stop(Timestamp(0)).expect("the disk works");
        let expected = store.state();
        server.restart();
        let state = Peer::new(&server).state("BIG");
        assert_eq!(state["messages"], expected.messages);
        assert_eq!(state["bytes"], expected.bytes);
        assert_eq!(state["num_deleted"], expected.deleted);
        assert_eq!(state["num_subjects"], expected.subjects);
        assert_eq!(state["last_seq"], expected.last_seq);
        assert!(server.stop().success());
    }
}

/// What was acknowledged when the power failed is in the journal alone: `storectl recover` hands it
/// to Go.
#[test]
fn go_finds_what_was_only_in_the_journal() {
    let mut server = peer::start("");
    let mut peer = Peer::new(&server);
    peer.api("STREAM.CREATE.S", &json!({ "name": "S", "subjects": ["s.>"] }));
    (0..20).for_each(|_| peer.store("s.go", b"", b"from Go"));
    drop(peer);
    assert!(server.stop().success());

    let store_dir = server.folder().join("js");
    let description = std::fs::read(store_dir.join("jetstream/$G/streams/S/meta.inf"));
    let description: Value =
        serde_json::from_slice(&description.expect("written by Go")).expect("JSON");
    let created = description["Created"].as_str().expect("a time");
    let dir = store_dir.join(JOURNAL_DIR).join("0");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    disk.create_dir_all(&dir).expect("the disk works");
    let recovery = Recovery::scan(disk, &dir).expect("the disk works");
    let mut journal = recovery.start(JournalConfig::default()).expect("the disk works");
    let group = journal.register("$G/streams/S", incarnation(created)).expect("a name");
    let timestamp = Timestamp(1_799_000_000_000_000_000);
    for seq in 21..=25 {
        let (subject, headers, body) = (&b"s.ours"[..], &b""[..], &b"ours"[..]);
        let change = Change::Append { seq, timestamp, subject, headers, body };
        journal.append(group, &change).expect("there is room");
    }
    journal.append(group, &Change::Remove { seq: 3 }).expect("there is room");
    journal.sync().expect("the disk works");
    drop(journal);

    let recover = std::process::Command::new(env!("CARGO_BIN_EXE_storectl"))
        .arg("recover")
        .arg(&store_dir)
        .output()
        .expect("it was built");
    assert!(recover.status.success(), "{recover:?}");
    server.restart();
    let mut peer = Peer::new(&server);
    let state = peer.state("S");
    assert_eq!((&state["messages"], &state["last_seq"]), (&json!(24), &json!(25)));
    assert_eq!(state["deleted"], json!([3]));
    assert_eq!(peer.message("S", 25)["data"], BASE64.encode(b"ours"));
    peer.store("s.go", b"", b"from Go");
    assert!(server.stop().success());
}
