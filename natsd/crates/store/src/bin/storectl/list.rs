//! `storectl list`: accounts, streams, consumers and RAFT groups with their states.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use natsd_base::Timestamp;
use natsd_store::raft_log::RaftFiles;
use natsd_store::{Disk, RealDisk, StreamState, StreamStore};
use serde_json::{Value, json};

use crate::assets::{Asset, Assets, Kind, Problem};
use crate::batches::{Batch, Batches, has_batches};
use crate::{Context, explain};

pub(crate) fn run(context: &Context, dir: &Path, out: &mut dyn Write) -> io::Result<bool> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::read_only());
    let assets = Assets::find(disk.as_ref(), dir)?;
    let mut is_fine = assets.problems.is_empty();
    let mut listed = Vec::new();
    for asset in &assets.assets {
        match describe(context, &disk, asset) {
            Ok(text) => listed.push(text),
            Err(problem) => {
                is_fine = false;
                let (account, name) = (&asset.account, &asset.name);
                let kind = kind_of(asset);
                listed.push(json!({
                    "account": account, "kind": kind, "name": name, "problem": problem.text,
                }));
            }
        }
    }
    if context.json {
        writeln!(out, "{}", Value::Array(listed))?;
        return Ok(is_fine);
    }
    let mut account = None;
    for (asset, text) in assets.assets.iter().zip(&listed) {
        if account != Some(&asset.account) {
            account = Some(&asset.account);
            writeln!(out, "{}", asset.account)?;
        }
        write_asset(out, text)?;
    }
    Ok(is_fine)
}

fn kind_of(asset: &Asset) -> &'static str {
    match asset.kind {
        Kind::Stream => "stream",
        Kind::Group => "group",
    }
}

fn time_of(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| json!(time.0))
}

fn state_of(state: &StreamState) -> Value {
    json!({
        "messages": state.messages,
        "bytes": state.bytes,
        "first_seq": state.first_seq,
        "first_time": time_of(state.first_time),
        "last_seq": state.last_seq,
        "last_time": time_of(state.last_time),
        "subjects": state.subjects,
        "deleted": state.deleted,
    })
}

fn describe(context: &Context, disk: &Arc<dyn Disk>, asset: &Asset) -> Result<Value, Problem> {
    let description = asset.describe(context, disk.as_ref())?;
    let mut store = asset.open(disk, &description, true)?;
    let mut text = json!({
        "account": asset.account,
        "kind": kind_of(asset),
        "name": asset.name,
        "encrypted": description.keys.is_some(),
        "damaged": store.damaged().len(),
        "state": state_of(&store.state()),
    });
    let mut consumers = Vec::new();
    for name in asset.consumers(disk.as_ref())? {
        let state = asset.consumer_state(disk, &name, description.keys.as_ref());
        consumers.push(match state {
            Ok(state) => json!({
                "name": name,
                "delivered": {
                    "consumer_seq": state.delivered.consumer,
                    "stream_seq": state.delivered.stream,
                },
                "ack_floor": {
                    "consumer_seq": state.ack_floor.consumer,
                    "stream_seq": state.ack_floor.stream,
                },
                "pending": state.pending.len(),
                "redelivered": state.redelivered.len(),
            }),
            Err(problem) => json!({ "name": name, "problem": problem.text }),
        });
    }
    if asset.kind == Kind::Stream {
        text["consumers"] = consumers.into();
        let failed = |error: io::Error| Problem::new(&asset.dir, error.to_string());
        if has_batches(disk.as_ref(), asset).map_err(failed)? {
            let found = Batches::find(context, disk, asset, &description, &mut store);
            text["batches"] = found.batches.iter().map(Batch::to_json).collect();
        }
    } else {
        text["raft"] = raft_of(disk, asset)?;
    }
    Ok(text)
}

fn raft_of(disk: &Arc<dyn Disk>, asset: &Asset) -> Result<Value, Problem> {
    let files = RaftFiles::new(Arc::clone(disk), &asset.dir, &asset.name);
    let failed = |error| Problem::new(&asset.dir, explain(&error));
    let state = files.read_hard_state().map_err(failed)?;
    let peers = files.read_peers().map_err(failed)?.unwrap_or_default();
    let snapshot = files.read_snapshot().map_err(failed)?;
    let name = |peer: &[u8; 8]| String::from_utf8_lossy(peer).into_owned();
    Ok(json!({
        "term": state.term,
        "vote": state.vote.as_ref().map(name),
        "peers": peers.peers.iter().map(name).collect::<Vec<_>>(),
        "snapshot": snapshot.map(|snapshot| json!({
            "term": snapshot.term, "index": snapshot.index, "bytes": snapshot.data.len(),
        })),
    }))
}

fn write_asset(out: &mut dyn Write, text: &Value) -> io::Result<()> {
    let (kind, name) = (text["kind"].as_str(), text["name"].as_str());
    write!(out, "  {} {}", kind.unwrap_or_default(), name.unwrap_or_default())?;
    if let Some(problem) = text["problem"].as_str() {
        return writeln!(out, ": {problem}");
    }
    let state = &text["state"];
    write!(
        out,
        ": {} messages, {} bytes, {} to {}, {} subjects, {} deleted",
        state["messages"],
        state["bytes"],
        state["first_seq"],
        state["last_seq"],
        state["subjects"],
        state["deleted"],
    )?;
    if text["damaged"] != 0 {
        write!(out, ", damaged in {} places", text["damaged"])?;
    }
    if let Some(raft) = text.get("raft") {
        write!(
            out,
            "; term {}, {} peers",
            raft["term"],
            raft["peers"].as_array().map_or(0, Vec::len)
        )?;
    }
    writeln!(out)?;
    for consumer in text["consumers"].as_array().into_iter().flatten() {
        let name = consumer["name"].as_str().unwrap_or_default();
        match consumer["problem"].as_str() {
            Some(problem) => writeln!(out, "    consumer {name}: {problem}")?,
            None => writeln!(
                out,
                "    consumer {name}: delivered to {}, acknowledged to {}, {} pending",
                consumer["delivered"]["stream_seq"],
                consumer["ack_floor"]["stream_seq"],
                consumer["pending"],
            )?,
        }
    }
    for batch in text["batches"].as_array().into_iter().flatten() {
        let name = batch["name"].as_str().unwrap_or_default();
        writeln!(out, "    batch {name}: {}", batch["summary"].as_str().unwrap_or_default())?;
    }
    Ok(())
}
