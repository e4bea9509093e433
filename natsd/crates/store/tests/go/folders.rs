//! Folders of streams and consumers that both write.

use std::path::Path;
use std::sync::Arc;

use natsd_base::{Prng, Timestamp};
use natsd_store::stream_dir::{ConsumerDir, StreamDir, list_consumers, list_streams};
use natsd_store::{
    AckPolicy, Cipher, ConsumerFiles, ConsumerStore, ConsumerStoreConfig, Disk, MemDisk,
    RandomSource, StoreKeys,
};
use serde_json::{Value, json};

use crate::peer::{self, Peer};

const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);
const CONFIG: ConsumerStoreConfig =
    ConsumerStoreConfig { ack: AckPolicy::Explicit, deliveries_max: None };

fn random() -> RandomSource {
    let mut prng = Prng::from_seed(u64::from(std::process::id()));
    Box::new(move |bytes| bytes.fill_with(|| prng.next_u64().to_le_bytes()[0]))
}

/// Copies a folder of the file system to a disk in memory.
fn load(disk: &dyn Disk, from: &Path, to: &Path) {
    disk.create_dir_all(to).expect("memory");
    for entry in std::fs::read_dir(from).expect("a folder of the server") {
        let entry = entry.expect("a folder of the server");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            load(disk, &from, &to);
        } else {
            let content = std::fs::read(&from).expect("a file of the server");
            let file = disk.open(&to, true).expect("memory");
            file.write_all_at(&content, 0).expect("memory");
        }
    }
}

/// Copies a folder of a disk in memory to the file system.
fn save(disk: &dyn Disk, from: &Path, to: &Path) {
    for entry in disk.list(from).expect("memory") {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        if entry.is_dir {
            save(disk, &from, &to);
        } else {
            let content = disk.open(&from, false).and_then(|file| file.read_all());
            std::fs::write(&to, content.expect("memory")).expect("a file for the server");
        }
    }
}

/// Go makes a stream and a consumer, we open and change both, Go opens them again. With `new_keys`
/// we give everything new keys, of the same cipher.
fn check(jetstream: &str, keys: Option<&StoreKeys>, new_keys: bool) {
    let mut server = peer::start(jetstream);
    let mut peer = Peer::new(&server);
    peer.api("STREAM.CREATE.S", &json!({ "name": "S", "subjects": ["s.*"] }));
    for number in 0..20 {
        peer.store(&format!("s.{number}"), b"", b"body");
    }
    let config = json!({ "durable_name": "C", "ack_policy": "explicit" });
    let request = json!({ "stream_name": "S", "config": config });
    peer.api("CONSUMER.DURABLE.CREATE.S.C", &request);
    let messages = peer.pull("S", "C", 6);
    for at in [0, 1, 3] {
        peer.request(&messages[at].reply, b"", b"+ACK");
    }
    assert_eq!(peer.consumer("S", "C"), [6, 6, 2, 2, 3, 0]);
    drop(peer);
    assert!(server.stop().success());

    let folder = server.folder().join("js/jetstream/$G");
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let account = Path::new("/$G");
    load(disk.as_ref(), &folder, account);
    assert_eq!(list_streams(disk.as_ref(), account).expect("memory").names, ["S"]);
    let dir = account.join("streams/S");
    let place = StreamDir { disk: disk.as_ref(), dir: &dir, account: "$G", name: "S" };
    let stream = place.read(keys).expect("written by Go");
    assert!(!stream.is_outdated);
    let mut description: Value = serde_json::from_slice(&stream.content).expect("JSON");
    description["description"] = json!("changed by natsd");
    let content = description.to_string();
    let stream_keys = match keys.filter(|_| new_keys) {
        Some(keys) => Some(
            place.write_with_new_keys(content.as_bytes(), keys, &mut *random()).expect("memory"),
        ),
        None => {
            let written = place.write(content.as_bytes(), stream.keys.as_ref(), &mut *random());
            written.expect("memory");
            stream.keys
        }
    };

    assert_eq!(list_consumers(disk.as_ref(), &dir).expect("memory").names, ["C"]);
    let consumer_dir = dir.join("obs/C");
    let place = ConsumerDir { disk: disk.as_ref(), dir: &consumer_dir, stream: "S", name: "C" };
    let mut consumer = place.read(stream_keys.as_ref()).expect("written by Go");
    consumer.is_outdated |= new_keys;
    let files = ConsumerFiles {
        disk: disk.clone(),
        dir: consumer_dir.clone(),
        stream: "S".into(),
        name: "C".into(),
        keys: stream_keys,
        random: random(),
    };
    let mut store = files.open(CONFIG, &consumer, NOW).expect("written by Go");
    let state = store.state().expect("it is there").clone();
    assert_eq!(state.pending.keys().collect::<Vec<_>>(), [&3, &5, &6]);
    store.update_acks(3, 3).expect("it waits");
    store.update_delivered(7, 7, 1, NOW).expect("it is the next");
    store.update_delivered(8, 5, 2, NOW).expect("it waits");
    store.stop(NOW).expect("memory");
    save(disk.as_ref(), account, &folder);

    server.restart();
    let mut peer = Peer::new(&server);
    let info = peer.api("STREAM.INFO.S", &Value::Null);
    assert_eq!(info["config"]["description"], "changed by natsd");
    assert_eq!(info["state"]["messages"], 20);
    assert_eq!(peer.consumer("S", "C"), [8, 7, 4, 4, 3, 1]);
    peer.store("s.more", b"", b"body");
    assert!(server.stop().success());
}

#[test]
fn plain_folders_go_there_and_back() {
    check("", None, false);
}

#[test]
fn encrypted_folders_go_there_and_back() {
    for (name, cipher) in [("chacha", Cipher::ChaCha), ("aes", Cipher::Aes)] {
        let keys = StoreKeys::new(cipher, b"a key", None);
        for new_keys in [false, true] {
            check(&format!(", cipher: {name}, key: \"a key\""), Some(&keys), new_keys);
        }
    }
}
