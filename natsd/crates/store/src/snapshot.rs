//! What a stream is, without its messages: the snapshot that replicas exchange.
//!
//! | field | form |
//! |---|---|
//! | magic 42, version 1 or 2 | a byte each |
//! | messages, bytes, first sequence, last sequence, failed | varints |
//! | number of sources | varint; version 2 only |
//! | each source: name, sequence, identity | varint; texts with their size before them |
//! | number of deleted sequences | varint |
//! | blocks of deleted sequences, to the end | a sequence set, or 33 and two varints: first, count |
//!
//! Version 2 is written only when there are sources, since older servers refuse it.
//! Bytes come from peers: any input gives a snapshot or an error, at no more than its own cost.
//!
//! Source: Go `server/store.go` `DecodeStreamState`, `server/memstore.go` `EncodedStreamState`.

use std::collections::BTreeMap;

use crate::sequence_set::SequenceSet;
use crate::stream_store::{Filter, StoreError, StreamStore};
use crate::varint::{put_text, put_unsigned, take_text, take_unsigned};

const MAGIC: u8 = 42;
const VERSION: u8 = 1;
const VERSION_WITH_SOURCES: u8 = 2;
const SET_MAGIC: u8 = 22;
const RANGE_MAGIC: u8 = 33;

/// Why a snapshot was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// These are no snapshot of a known version.
    #[error("bad stream state encoding")]
    BadEncoding,
    /// It ends early or contradicts itself.
    #[error("stream state snapshot is corrupt")]
    Corrupt,
}

/// How far a stream has read one of its sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceState {
    /// The last sequence taken from it.
    pub seq: u64,
    /// Tells a source from a later one of the same name.
    pub identity: Vec<u8>,
}

/// Some deleted sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteBlock {
    /// Any.
    Set(SequenceSet),
    /// A run of them.
    Range {
        /// The first.
        first: u64,
        /// How many.
        count: u64,
    },
    /// Any, in ascending order; from snapshots of old servers.
    List(Vec<u64>),
}

impl DeleteBlock {
    /// The first, the last, and how many. Go: `State`.
    #[must_use]
    pub fn bounds(&self) -> (u64, u64, u64) {
        match self {
            Self::Set(set) => (set.min().unwrap_or(0), set.max().unwrap_or(0), set.len()),
            Self::Range { first, count } => {
                (*first, first.saturating_add(count.saturating_sub(1)), *count)
            }
            Self::List(list) => {
                let ends = list.first().zip(list.last());
                let (first, last) = ends.map_or((0, 0), |(first, last)| (*first, *last));
                (first, last, list.len() as u64)
            }
        }
    }

    /// The sequences in ascending order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match self {
            Self::Set(set) => Box::new(set.iter()),
            Self::Range { count: 0, .. } => Box::new(std::iter::empty()),
            Self::Range { first, .. } => Box::new(*first..=self.bounds().1),
            Self::List(list) => Box::new(list.iter().copied()),
        }
    }
}

/// What a stream is, without its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamSnapshot {
    /// How many messages.
    pub messages: u64,
    /// Their size.
    pub bytes: u64,
    /// The first sequence.
    pub first_seq: u64,
    /// The last sequence.
    pub last_seq: u64,
    /// Proposals that failed so far: with the last sequence, what the next proposal gets.
    pub failed: u64,
    /// How far the sources are read, by name.
    pub sources: BTreeMap<Vec<u8>, SourceState>,
    /// Sequences between the first and the last without messages.
    pub deleted: Vec<DeleteBlock>,
}

impl StreamSnapshot {
    /// The snapshot of a store. Peers from before 2.15 cannot read one with sources: clear those
    /// for them.
    #[must_use]
    pub fn of(store: &dyn StreamStore, failed: u64) -> Self {
        let state = store.state();
        let deleted = store.deleted();
        let deleted =
            if deleted.is_empty() { Vec::new() } else { vec![DeleteBlock::Set(deleted.clone())] };
        Self {
            messages: state.messages,
            bytes: state.bytes,
            first_seq: state.first_seq,
            last_seq: state.last_seq,
            failed,
            sources: store.sources(),
            deleted,
        }
    }

    /// Whether these bytes claim to be a snapshot.
    #[must_use]
    pub fn is_encoded(input: &[u8]) -> bool {
        matches!(input, [MAGIC, VERSION | VERSION_WITH_SOURCES, ..])
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let has_sources = !self.sources.is_empty();
        let mut out = vec![MAGIC, if has_sources { VERSION_WITH_SOURCES } else { VERSION }];
        let fields = [self.messages, self.bytes, self.first_seq, self.last_seq, self.failed];
        fields.into_iter().for_each(|field| put_unsigned(&mut out, field));
        if has_sources {
            put_unsigned(&mut out, self.sources.len() as u64);
            for (name, source) in &self.sources {
                put_text(&mut out, name);
                put_unsigned(&mut out, source.seq);
                put_text(&mut out, &source.identity);
            }
        }
        let count = self.deleted.iter().map(|block| block.bounds().2);
        put_unsigned(&mut out, count.fold(0, u64::saturating_add));
        for block in &self.deleted {
            match block {
                DeleteBlock::Set(set) => set.encode(&mut out),
                DeleteBlock::Range { first, count } => {
                    out.push(RANGE_MAGIC);
                    put_unsigned(&mut out, *first);
                    put_unsigned(&mut out, *count);
                }
                DeleteBlock::List(list) => {
                    list.iter().copied().collect::<SequenceSet>().encode(&mut out);
                }
            }
        }
        out
    }

    /// Reads the bytes of a snapshot.
    pub fn decode(input: &[u8]) -> Result<Self, SnapshotError> {
        if !Self::is_encoded(input) {
            return Err(SnapshotError::BadEncoding);
        }
        let (head, mut rest) = input.split_at_checked(2).ok_or(SnapshotError::BadEncoding)?;
        let mut field = || take_unsigned(&mut rest).ok_or(SnapshotError::Corrupt);
        let mut snapshot = Self {
            messages: field()?,
            bytes: field()?,
            first_seq: field()?,
            last_seq: field()?,
            failed: field()?,
            ..Self::default()
        };
        if head.last() == Some(&VERSION_WITH_SOURCES) {
            snapshot.sources = take_sources(&mut rest).ok_or(SnapshotError::Corrupt)?;
        }
        if take_unsigned(&mut rest).is_none_or(|count| count == 0) {
            return Ok(snapshot); // Go does not look at what follows either.
        }
        while let Some(&magic) = rest.first() {
            let block = match magic {
                SET_MAGIC => take_set(&mut rest),
                RANGE_MAGIC => take_range(&mut rest),
                _ => None,
            };
            let block = block.ok_or(SnapshotError::Corrupt)?;
            if block.bounds().2 > 0 {
                snapshot.deleted.push(block);
            }
        }
        Ok(snapshot)
    }
}

fn take_sources(input: &mut &[u8]) -> Option<BTreeMap<Vec<u8>, SourceState>> {
    let mut sources = BTreeMap::new();
    for _ in 0..take_unsigned(input)? {
        let name = take_text(input)?;
        let seq = take_unsigned(input)?;
        let identity = take_text(input)?;
        sources.insert(name, SourceState { seq, identity });
    }
    Some(sources)
}

fn take_set(input: &mut &[u8]) -> Option<DeleteBlock> {
    let (set, size) = SequenceSet::decode(input).ok()?;
    *input = input.get(size..)?;
    Some(DeleteBlock::Set(set))
}

fn take_range(input: &mut &[u8]) -> Option<DeleteBlock> {
    *input = input.get(1..)?;
    let first = take_unsigned(input)?;
    let count = take_unsigned(input)?;
    first.checked_add(count)?; // It would go beyond the last sequence that there can be.
    Some(DeleteBlock::Range { first, count })
}

/// Removes from a store what a leader's snapshot says is deleted. What the store has not reached
/// yet is left out, and a wide range costs no more than the messages that are in it.
/// Source: Go `SyncDeleted`.
pub fn sync_deleted(store: &mut dyn StreamStore, blocks: &[DeleteBlock]) -> Result<(), StoreError> {
    for block in blocks {
        let (first, last, count) = block.bounds();
        if count == 0 {
            continue;
        }
        let mut start = first;
        while let Some(seq) = store.load_next(Filter::All, start)?.map(|message| message.seq) {
            if seq > last {
                break;
            }
            let is_deleted = match block {
                DeleteBlock::Set(set) => set.contains(seq),
                DeleteBlock::Range { .. } => true,
                DeleteBlock::List(list) => list.binary_search(&seq).is_ok(),
            };
            if is_deleted {
                store.remove(seq)?;
            }
            start = seq + 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
