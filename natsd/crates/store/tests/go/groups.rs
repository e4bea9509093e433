//! RAFT groups that both write: a Go cluster, then our log on one of its servers, then the cluster
//! again.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use natsd_base::Timestamp;
use natsd_store::raft_log::RaftLog;
use natsd_store::{Disk, FileStore, FileStoreConfig, RealDisk, StoreConfig};
use natsd_testkit::{Launch, Server, wait_until};
use serde_json::{Value, json};

use crate::peer::Peer;

const DEADLINE: Duration = Duration::from_secs(60);

fn cluster() -> Vec<Server> {
    let binary = natsd_testkit::oracle().expect("a Go server to compare with");
    // Held together, so that they are three.
    let held: Vec<_> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let ports: Vec<u16> =
        held.iter().map(|port| port.local_addr().expect("it is bound").port()).collect();
    drop(held);
    let routes: Vec<_> =
        ports.iter().map(|port| format!("nats-route://127.0.0.1:{port}")).collect();
    let routes = routes.join(", ");
    let start = |(number, port): (usize, &u16)| {
        let config = format!(
            "server_name: n{number}\njetstream {{ store_dir: \"$DIR/js\" }}\n\
             cluster {{ name: C, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}"
        );
        Launch::new(&binary).config(&config).start()
    };
    ports.iter().enumerate().map(start).collect()
}

/// Asks until there is an answer without an error that is as it should be: a leader has to be
/// found first.
fn ask(server: &Server, name: &str, body: &Value, is_fine: impl Fn(&Value) -> bool) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    wait_until(name, DEADLINE, || {
        let mut peer = Peer::new(server);
        let answer = peer.try_request(&format!("$JS.API.{name}"), body.as_bytes())?;
        let answer: Value = serde_json::from_slice(&answer.payload).ok()?;
        (answer.get("error").is_none() && is_fine(&answer)).then_some(answer)
    })
}

/// Writes everything of a group's that can be written without changing what it says.
fn rewrite(dir: &Path, name: &str) -> u64 {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let config = FileStoreConfig::new(name);
    let now = Timestamp(1_799_000_000_000_000_000);
    let store = FileStore::open(Arc::clone(&disk), dir, config, StoreConfig::default(), now);
    let store = store.expect("written by Go");
    assert_eq!(store.damaged(), [], "{name}");
    let mut log = RaftLog::open(disk, dir, name, store).expect("written by Go");
    let state = log.hard_state();
    assert!(state.term > 0 && log.last_index() > 0, "{name}");
    let (first, last) = (log.first_index(), log.last_index());
    for index in first..=last {
        assert!(log.term_of(index).expect("it is there") <= state.term);
    }
    if first <= last {
        let entry = log.entry(last).expect("it is there").to_vec();
        log.truncate(last - 1, now).expect("the disk works");
        log.append(last, &entry, now).expect("it is the next");
    }
    let peers = log.files().read_peers().expect("written by Go").expect("a group has peers");
    assert_eq!((peers.cluster_size, peers.peers.len()), (3, 3));
    log.files().write_peers(&peers).expect("the disk works");
    log.files().write_hard_state(state).expect("the disk works");
    if let Some(commit) = log.files().read_commit().expect("written by Go") {
        log.files().write_commit(commit).expect("the disk works");
    }
    if let Some(snapshot) = log.files().read_snapshot().expect("written by Go") {
        log.install(&snapshot).expect("the disk works");
    }
    log.sync().expect("the disk works");
    log.store().stop(now).expect("the disk works");
    last
}

#[test]
fn groups_of_a_cluster_go_there_and_back() {
    let mut servers = cluster();
    let config = json!({ "name": "S", "subjects": ["s.>"], "num_replicas": 3 });
    ask(&servers[0], "STREAM.CREATE.S", &config, |_| true);
    let mut peer = Peer::new(&servers[0]);
    for number in 0..50 {
        peer.store(&format!("s.{number}"), b"", b"body");
    }
    drop(peer);
    for server in &mut servers {
        assert!(server.stop().success());
    }
    let groups = servers[0].folder().join("js/jetstream/$SYS/_js_");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&groups).expect("written by Go") {
        let name = entry.expect("written by Go").file_name().into_string().expect("a name");
        let last = rewrite(&groups.join(&name), &name);
        assert!(last >= if name == "_meta_" { 1 } else { 50 }, "{name}: {last}");
        names.push(name);
    }
    assert!(names.len() == 2 && names.contains(&"_meta_".to_owned()), "{names:?}");

    for server in &mut servers {
        server.restart();
    }
    let info = ask(&servers[0], "STREAM.INFO.S", &Value::Null, |_| true);
    assert_eq!(info["state"]["messages"], 50);
    let mut stored = 0;
    wait_until("ten more messages", DEADLINE, || {
        let answer = Peer::new(&servers[0]).try_request("s.more", b"body")?;
        stored += u64::from(answer.payload.starts_with(b"{\"stream\""));
        (stored == 10).then_some(())
    });
    // Everybody takes part: all replicas are current at the end. A message whose answer was late
    // is there, too.
    ask(&servers[0], "STREAM.INFO.S", &Value::Null, |info| {
        let replicas = info["cluster"]["replicas"].as_array().cloned().unwrap_or_default();
        let are_current = replicas.iter().all(|replica| replica["current"] == true);
        replicas.len() == 2 && are_current && info["state"]["messages"].as_u64() >= Some(60)
    });
    let log = servers[0].log();
    assert!(!log.contains("corrupt") && !log.contains("Resetting WAL"), "{log}");
}
