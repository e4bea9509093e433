//! Backups: made by Go and restored here, made here and restored by Go.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use natsd_base::{Prng, Timestamp};
use natsd_store::archive::{ArchiveLimits, ArchiveReader, Item, MessagesRestore, SnapshotWriter};
use natsd_store::{
    Cipher, Compression, FileStore, FileStoreConfig, FileStoreKeys, MemDisk, MemStore, StoreConfig,
    StoreKeys, StreamKeys, StreamStore,
};
use natsd_testkit::Server;
use serde_json::{Value, json};

use crate::peer::{self, Peer};

const FAR: Timestamp = Timestamp(1_800_000_000_000_000_000);

/// The bytes of a backup, and the configuration that came with it.
fn back_up(peer: &mut Peer, stream: &str, chunk_size: u64) -> (Vec<u8>, Value) {
    // Go waits for two seconds for a subscription of this very subject.
    let subject = format!("backup-{stream}");
    peer.subscribe(&subject);
    let request =
        json!({ "deliver_subject": subject, "chunk_size": chunk_size, "window_size": 1 << 20 });
    let answer = peer.api(&format!("STREAM.SNAPSHOT.{stream}"), &request);
    let mut backup = Vec::new();
    loop {
        let chunk = peer.next();
        assert_eq!(chunk.subject, subject);
        if chunk.payload.is_empty() {
            assert!(
                !chunk.headers.contains("40") && !chunk.headers.contains("50"),
                "{}",
                chunk.headers
            );
            return (backup, answer["config"].clone());
        }
        backup.extend(chunk.payload);
        if !chunk.reply.is_empty() {
            peer.publish(&chunk.reply, "", b"", b"");
        }
    }
}

/// Sends a backup to Go.
fn send(peer: &mut Peer, stream: &str, config: &Value, state: &Value, backup: &[u8]) {
    let request = json!({ "config": config, "state": state });
    let answer = peer.api(&format!("STREAM.RESTORE.{stream}"), &request);
    let subject = answer["deliver_subject"].as_str().expect("where to send it").to_owned();
    for chunk in backup.chunks(4096) {
        let answer = peer.request(&subject, b"", chunk);
        assert!(answer.payload.is_empty(), "{:?}", String::from_utf8_lossy(&answer.payload));
    }
    let done = peer.request(&subject, b"", b"");
    let done: Value = serde_json::from_slice(&done.payload).expect("JSON");
    assert!(done.get("error").is_none(), "{done}");
}

/// What a backup held, with the messages in a store.
struct Restored {
    store: Box<dyn StreamStore>,
    state: Value,
    consumers: BTreeMap<String, Vec<u8>>,
}

/// New stores of every kind.
fn stores() -> Vec<Box<dyn StreamStore>> {
    let config = StoreConfig { allow_message_ttl: true, ..StoreConfig::default() };
    let files = |files: FileStoreConfig| -> Box<dyn StreamStore> {
        let (disk, dir) = (Arc::new(MemDisk::new()), Path::new("/S"));
        Box::new(FileStore::open(disk, dir, files, config.clone(), FAR).expect("memory"))
    };
    let mut prng = Prng::from_seed(1);
    let mut random = move |bytes: &mut [u8]| bytes.fill_with(|| prng.next_u64().to_le_bytes()[0]);
    let keys = StoreKeys::new(Cipher::ChaCha, b"key", None);
    let (keys, _) = StreamKeys::create(&keys, "A", "S", &mut random);
    let random = Mutex::new(random);
    let random = Arc::new(move |bytes: &mut [u8]| random.lock().expect("no panic")(bytes));
    let small = FileStoreConfig { block_size: 4096, ..FileStoreConfig::new("S") };
    vec![
        Box::new(MemStore::new(config.clone())),
        files(FileStoreConfig { compression: Compression::S2, ..small.clone() }),
        files(FileStoreConfig { keys: Some(FileStoreKeys { keys, random }), ..small }),
    ]
}

fn restore(backup: &[u8], chunk: usize, mut store: Box<dyn StreamStore>) -> Restored {
    let limits = ArchiveLimits::default();
    let mut reader = ArchiveReader::new(limits);
    let mut state = Value::Null;
    let mut consumers = BTreeMap::new();
    let mut restore = None;
    for bytes in backup.chunks(chunk) {
        reader.push(bytes);
        while let Some(item) = reader.next_item().expect("a backup of Go") {
            match item {
                Item::State(content) => {
                    state = serde_json::from_slice(content).expect("JSON");
                    let first = state["first_seq"].as_u64().expect("a sequence");
                    let begun = MessagesRestore::begin(store.as_mut(), first, true, limits);
                    restore = Some(begun.expect("an empty store"));
                }
                Item::Consumer { name, content } => {
                    consumers.insert(name.to_owned(), content.to_owned());
                }
                Item::Message(message) => {
                    let restore = restore.as_mut().expect("the state comes first");
                    restore.message(store.as_mut(), &message, Timestamp(0)).expect("it fits");
                }
                Item::End => {
                    let last = state["last_seq"].as_u64().expect("a sequence");
                    let restore = restore.take().expect("the state comes first");
                    restore.finish(store.as_mut(), last, FAR).expect("it fits");
                }
                Item::File { .. } | Item::Data(_) => panic!("{item:?}"),
            }
        }
    }
    assert!(reader.is_complete());
    Restored { store, state, consumers }
}

/// Fills streams of many kinds, and returns their names.
fn fill(peer: &mut Peer) -> Vec<&'static str> {
    let create = |peer: &mut Peer, name: &str, more: Value| {
        let mut config =
            json!({ "name": name, "subjects": [format!("{name}.>")], "storage": "file" });
        for (key, value) in more.as_object().expect("an object") {
            config[key] = value.clone();
        }
        peer.api(&format!("STREAM.CREATE.{name}"), &config);
    };
    create(peer, "LIMITS", json!({ "allow_msg_ttl": true, "compression": "s2" }));
    for number in 1..=300_u64 {
        let headers: &[u8] = match number % 10 {
            0 => b"NATS/1.0\r\nNats-TTL: 1h\r\n\r\n",
            5 => b"NATS/1.0\r\nNumber: five\r\n\r\n",
            _ => b"",
        };
        let body = format!("{number} ").repeat(usize::try_from(number % 50).expect("small"));
        peer.store(&format!("LIMITS.{}.x", number % 7), headers, body.as_bytes());
    }
    for seq in [1, 2, 3, 50, 51, 77, 299, 300] {
        peer.api("STREAM.MSG.DELETE.LIMITS", &json!({ "seq": seq }));
    }
    peer.api("STREAM.PURGE.LIMITS", &json!({ "filter": "LIMITS.4.x", "seq": 200 }));
    create(peer, "SUBJECT", json!({ "max_msgs_per_subject": 1 }));
    for number in 0..100 {
        peer.store(&format!("SUBJECT.{}", number % 9), b"", b"value");
    }
    create(peer, "PURGED", json!({ "storage": "memory" }));
    for _ in 0..20 {
        peer.store("PURGED.a", b"", b"gone");
    }
    peer.api("STREAM.PURGE.PURGED", &Value::Null);
    create(peer, "EMPTY", json!({}));
    create(peer, "WORK", json!({ "retention": "workqueue" }));
    for number in 0..30 {
        peer.store(&format!("WORK.{}", number % 2), b"", format!("job {number}").as_bytes());
    }
    for (stream, name) in [("LIMITS", "one"), ("LIMITS", "two"), ("WORK", "worker")] {
        let config =
            json!({ "durable_name": name, "ack_policy": "explicit", "max_ack_pending": 100 });
        let request = json!({ "stream_name": stream, "config": config });
        peer.api(&format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &request);
        let messages = peer.pull(stream, name, 8);
        for at in [0, 1, 4] {
            peer.request(&messages[at].reply, b"", b"+ACK");
        }
        peer.request(&messages[2].reply, b"", b"-NAK");
        let again = peer.pull(stream, name, 1);
        assert_eq!(again[0].payload, messages[2].payload);
    }
    vec!["LIMITS", "SUBJECT", "PURGED", "EMPTY", "WORK"]
}

/// Everything that the API says of a stream and its consumers.
fn describe(peer: &mut Peer, stream: &str) -> (Value, Vec<Value>, Vec<[u64; 6]>) {
    let mut state = peer.state(stream);
    let range = |key: &str| state[key].as_u64().expect("a sequence");
    let deleted = state["deleted"].as_array().cloned().unwrap_or_default();
    let seqs = range("first_seq").max(1)..=range("last_seq");
    let seqs: Vec<u64> = seqs.filter(|&seq| !deleted.contains(&json!(seq))).collect();
    let messages = seqs.into_iter().map(|seq| peer.message(stream, seq)).collect();
    let names = peer.api(&format!("CONSUMER.NAMES.{stream}"), &Value::Null);
    let names = names["consumers"].as_array().expect("a list").clone();
    let consumers = names.iter().map(|name| peer.consumer(stream, name.as_str().expect("a name")));
    let consumers = consumers.collect();
    // A backup does not tell the times of messages that are gone.
    if state["messages"] == 0 || deleted.contains(&state["last_seq"]) {
        state["last_ts"] = Value::Null;
    }
    if state["messages"] == 0 {
        state["first_ts"] = Value::Null;
    }
    if state["last_seq"] == 0 {
        // Go counts sequence 0 as deleted in a new stream, and not in one that it restored.
        state = json!({ "never_used": true });
    }
    (state, messages, consumers)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(word);
        for place in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * place) & 63).expect("six bits");
            out.push(if place <= chunk.len() { DIGITS[digit].into() } else { '=' });
        }
    }
    out
}

/// That a store holds what Go says.
fn check(restored: &mut Restored, stream: &str, state: &Value, messages: &[Value]) {
    let found = restored.store.state();
    for (key, number) in [
        ("messages", found.messages),
        ("first_seq", if found.last_seq > 0 { found.first_seq } else { 0 }),
        ("last_seq", found.last_seq),
        ("num_subjects", found.subjects),
        ("num_deleted", found.deleted),
    ] {
        let said = state[key].as_u64().unwrap_or_default();
        assert_eq!(number, said, "{stream}: {key} of {state}");
    }
    for message in messages {
        let seq = message["seq"].as_u64().expect("a sequence");
        let found = restored.store.load(seq).expect("Go has it");
        assert_eq!(message["subject"].as_str().map(str::as_bytes), Some(found.subject));
        let data = message["data"].as_str().unwrap_or_default();
        assert_eq!(data, base64(found.body), "{stream} {seq}");
        let headers = message["hdrs"].as_str().unwrap_or_default();
        assert_eq!(headers, base64(found.headers), "{stream} {seq}");
    }
}

/// A backup of what was restored.
fn back_up_again(restored: &mut Restored) -> Vec<u8> {
    let (found, state_json) = (restored.store.state(), restored.state.to_string());
    let consumers = restored.consumers.iter();
    let consumers: Vec<(&str, &[u8])> =
        consumers.map(|(name, json)| (name.as_str(), json.as_slice())).collect();
    let mut writer = SnapshotWriter::new(&found, state_json.as_bytes(), &consumers, FAR);
    let mut backup = Vec::new();
    while let Some(chunk) = writer.next_chunk(restored.store.as_mut(), 999).expect("memory") {
        backup.extend(chunk);
    }
    backup
}

#[test]
fn backups_of_go_are_restored_and_ours_by_go() {
    let server: Server = peer::start("");
    let mut peer = Peer::new(&server);
    for stream in fill(&mut peer) {
        let (state, messages, consumers) = describe(&mut peer, stream);
        let (backup, mut config) = back_up(&mut peer, stream, 1024);
        let mut before = stream.to_owned();
        for (kind, store) in (1..).zip(stores()) {
            let mut restored = restore(&backup, 1000, store);
            check(&mut restored, stream, &state, &messages);
            assert_eq!(restored.consumers.len(), consumers.len());

            // Go may still be removing a stream when it restores one of the same name.
            let name = format!("{stream}-{kind}");
            peer.api(&format!("STREAM.DELETE.{before}"), &Value::Null);
            config["name"] = json!(name);
            let again = back_up_again(&mut restored);
            send(&mut peer, &name, &config, &restored.state, &again);
            let (state_now, messages_now, consumers_now) = describe(&mut peer, &name);
            assert_eq!(state_now, state, "{name}");
            assert_eq!(consumers_now, consumers, "{name}");
            assert!(messages_now == messages, "{name}: other messages");
            before = name;
        }
    }
}
