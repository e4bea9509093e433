//! Batches that were being published to a stream when a Go server stopped.
//!
//! Until it is committed, an atomic batch is a stream of its own in `STREAM/batches/HASH/`: HASH
//! are eight letters and digits for its name, and the stream is called like that too. Then its
//! messages are stored one after the other in the stream itself, and the folder is removed. What a
//! stop leaves is ended at the next start: when the last message of the stream is one in the
//! middle of a batch, the rest of that batch follows it. All others were never committed, and go.
//!
//! Source: Go `server/jetstream_batching.go` (`getBatchStoreDir`, `newBatchStore`),
//! `server/jetstream.go` (`EnableJetStream`).

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use natsd_store::{Disk, FileStore, Filter, StreamStore};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Context;
use crate::assets::{Asset, Kind, Problem, StreamDescription};

/// The folder of a stream where its batches have theirs.
pub(crate) const BATCHES_DIR: &str = "batches";

const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";
/// The value of [`BATCH_COMMIT`] in a message that ends a batch and does not belong to it.
const END_OF_BATCH: &[u8] = b"eob";

/// What the next start of a server does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not committed.
    Dropped,
    /// It was committed: these of its messages are not in the stream yet, unless the range is
    /// empty.
    Stored { first: u64, last: u64 },
    /// The stream takes no batches any more, or is replicated: nobody looks at it.
    Ignored,
    /// The stream ends behind this message of it, without its end, and there is no folder.
    Gone { stored: u64 },
}

/// A batch on disk.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    pub(crate) messages: u64,
    pub(crate) outcome: Outcome,
    /// What is damaged in it, where that matters.
    pub(crate) problems: Vec<Problem>,
}

impl fmt::Display for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, outcome, .. } = self;
        match outcome {
            Outcome::Dropped => {
                write!(formatter, "{messages} messages, not committed; a server's start drops it")
            }
            Outcome::Stored { first, last } if first <= last => write!(
                formatter,
                "{messages} messages, committed; a server's start stores those from {first} to {last}",
            ),
            Outcome::Stored { .. } => {
                write!(formatter, "{messages} messages, all stored; a server's start drops it")
            }
            Outcome::Ignored => {
                write!(formatter, "{messages} messages; the stream takes none, nobody looks at it")
            }
            Outcome::Gone { stored } => {
                write!(
                    formatter,
                    "{messages} messages: the stream has those to {stored}, the rest is gone"
                )
            }
        }
    }
}

impl Batch {
    pub(crate) fn to_json(&self) -> Value {
        let outcome = match self.outcome {
            Outcome::Dropped => "dropped",
            Outcome::Stored { .. } => "stored",
            Outcome::Ignored => "ignored",
            Outcome::Gone { .. } => "gone",
        };
        let mut text = json!({
            "name": self.name,
            "path": self.dir,
            "messages": self.messages,
            "outcome": outcome,
            "summary": self.to_string(),
        });
        if let Outcome::Stored { first, last } = self.outcome {
            text["first_to_store"] = first.into();
            text["last_to_store"] = last.into();
        }
        text
    }
}

/// What there is of a stream's batches.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    pub(crate) batches: Vec<Batch>,
    pub(crate) problems: Vec<Problem>,
}

impl Batches {
    /// Finds those of a stream. `store` has its messages.
    pub(crate) fn find(
        context: &Context,
        disk: &Arc<dyn Disk>,
        asset: &Asset,
        description: &StreamDescription,
        store: &mut FileStore,
    ) -> Self {
        let mut found = Self::default();
        let dir = asset.dir.join(BATCHES_DIR);
        let entries = match disk.list(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                found.problems.push(Problem::new(&dir, error.to_string()));
                return found;
            }
        };
        let takes_batches = description.is_set("allow_atomic") && description.replicas() == 1;
        let under_way = takes_batches.then(|| UnderWay::find(store)).flatten();
        let mut missing = under_way.as_ref();
        for entry in entries {
            let path = dir.join(&entry.name);
            let (true, Ok(name)) = (entry.is_dir, entry.name.into_string()) else {
                found.problems.push(Problem::new(&path, "neither a batch nor known"));
                continue;
            };
            missing = missing.filter(|under_way| under_way.folder != name);
            let batch = Asset {
                kind: Kind::Stream,
                account: asset.account.clone(),
                dir: dir.join(&name),
                journal_name: String::new(),
                name,
            };
            let stored = under_way.as_ref().filter(|under_way| under_way.folder == batch.name);
            found.batches.push(read(context, disk, batch, takes_batches, stored));
        }
        found.batches.extend(missing.map(|under_way| Batch {
            dir: dir.join(&under_way.folder),
            name: under_way.folder.clone(),
            messages: 0,
            outcome: Outcome::Gone { stored: under_way.stored },
            problems: Vec::new(),
        }));
        found
    }
}

/// The batch in the middle of which a stream ends.
struct UnderWay {
    /// What its folder is called.
    folder: String,
    /// The last of its messages that the stream has, from 1.
    stored: u64,
}

impl UnderWay {
    fn find(store: &mut FileStore) -> Option<Self> {
        let last = store.load_last(Filter::All).ok()?;
        let header = |name| header(last.headers, name).filter(|value| !value.is_empty());
        let stored = header(BATCH_SEQUENCE)?;
        let stored = str::from_utf8(stored).ok().filter(|text| !text.starts_with('+'))?;
        let (stored, id) = (stored.parse().ok()?, header(BATCH_ID)?);
        header(BATCH_COMMIT).is_none().then(|| Self { folder: folder_of(id), stored })
    }
}

/// The name of a batch's folder.
fn folder_of(id: &[u8]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = Sha256::digest(id);
    hash.iter().take(8).map(|&byte| char::from(DIGITS[usize::from(byte) % DIGITS.len()])).collect()
}

/// The value of a header.
fn header<'a>(headers: &'a [u8], name: &str) -> Option<&'a [u8]> {
    headers.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        Some(value.strip_suffix(b"\r").unwrap_or(value).trim_ascii_start())
    })
}

fn read(
    context: &Context,
    disk: &Arc<dyn Disk>,
    batch: Asset,
    takes_batches: bool,
    under_way: Option<&UnderWay>,
) -> Batch {
    let mut problems = Vec::new();
    let store = batch
        .describe(context, disk.as_ref())
        .and_then(|description| batch.scan(context, disk, &description));
    let mut outcome = if takes_batches { Outcome::Dropped } else { Outcome::Ignored };
    let mut messages = 0;
    match store {
        Ok(mut scanned) => {
            let store = &mut scanned.store;
            messages = store.state().messages;
            if let Some(under_way) = under_way {
                outcome = Outcome::Stored {
                    first: under_way.stored.saturating_add(1),
                    last: last_to_store(store),
                };
                for damage in store.damaged() {
                    let path = batch.dir.join(format!("msgs/{}.blk", damage.block));
                    problems.push(Problem::of_damage(&path, damage));
                }
            }
        }
        Err(problem) => {
            // The rest of it is missing in the stream, which has a part.
            if under_way.is_some() {
                problems.push(problem);
            }
        }
    }
    Batch { dir: batch.dir, name: batch.name, messages, outcome, problems }
}

/// The last message of a batch that belongs into the stream.
fn last_to_store(store: &mut FileStore) -> u64 {
    let last = store.load_last(Filter::All);
    let is_end = last.is_ok_and(|last| header(last.headers, BATCH_COMMIT) == Some(END_OF_BATCH));
    store.state().last_seq.saturating_sub(u64::from(is_end))
}

/// Whether there is a folder for batches, so that a look into it is worth opening the stream.
pub(crate) fn has_batches(disk: &dyn Disk, asset: &Asset) -> io::Result<bool> {
    match disk.list(&asset.dir.join(BATCHES_DIR)) {
        Ok(entries) => Ok(!entries.is_empty()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
