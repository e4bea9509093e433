//! What a journal records: changes that can be made again.
//!
//! A change is *monotone*: made again over a state that already has it, and maybe later ones,
//! it changes nothing. So recovery never has to know how far the files of a store are. What is
//! not monotone (cutting sequences off the end, beginning anew) is no change: see
//! [`super::Journal::barrier`].
//!
//! | field | form |
//! |---|---|
//! | size of the record | u32 |
//! | group | u32 |
//! | kind | u8 |
//! | fields by kind | as below; bytes are a u32 size and that many, but for the last field |
//!
//! | kind | name | fields |
//! |---|---|---|
//! | 1 | group | incarnation u64, name |
//! | 2 | settled | |
//! | 3 | removed | |
//! | 16 | append | sequence u64, time i64, subject, headers, body |
//! | 17 | skip | last u64, count u64, time i64, moves time u8 |
//! | 18 | remove | sequence u64 |
//! | 19 | erase | sequence u64 |
//! | 20 | compact | sequence u64 |
//! | 21 | purge | below u64, filter |
//! | 32 | hard state | term u64, vote 8 bytes |
//! | 48 | consumer | see [`super::ConsumerDelta`] |
#![warn(clippy::indexing_slicing)]

use natsd_base::Timestamp;

use super::ConsumerDelta;
use crate::stream_store::{Filter, NewMessage, StoreError, StoredMessage, StreamStore};
use crate::ttl::Ttl;

/// Size, group, kind.
pub(super) const RECORD_HEADER_SIZE: usize = 9;

const GROUP: u8 = 1;
const SETTLED: u8 = 2;
const REMOVED: u8 = 3;
const APPEND: u8 = 16;
const SKIP: u8 = 17;
const REMOVE: u8 = 18;
const ERASE: u8 = 19;
const COMPACT: u8 = 20;
const PURGE: u8 = 21;
const HARD_STATE: u8 = 32;
const CONSUMER: u8 = 48;

/// One change of one group: a stream, a consumer or a RAFT log.
///
/// What a store removes by its own limits is not recorded: making the change again removes it
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<'a> {
    /// A message, or an entry of a RAFT log, was stored.
    Append {
        /// Its sequence or index.
        seq: u64,
        /// When it was stored.
        timestamp: Timestamp,
        /// Empty in RAFT logs.
        subject: &'a [u8],
        /// The header block, or nothing.
        headers: &'a [u8],
        /// The payload.
        body: &'a [u8],
    },
    /// Sequences were given away without messages.
    Skip {
        /// The last of them.
        last: u64,
        /// How many.
        count: u64,
        /// When.
        timestamp: Timestamp,
        /// Whether the time of the last sequence moved.
        moves_time: bool,
    },
    /// A message was removed.
    Remove {
        /// Its sequence.
        seq: u64,
    },
    /// A message was removed and overwritten.
    Erase {
        /// Its sequence.
        seq: u64,
    },
    /// Every message below a sequence was removed; beyond the last one it is the next one. A
    /// purge of everything is a compaction beyond the last sequence.
    Compact {
        /// The first that stays.
        seq: u64,
    },
    /// Messages of some subjects were removed. Of all subjects it is a compaction.
    Purge {
        /// A subject, wildcards allowed.
        filter: &'a [u8],
        /// Only below this sequence: the next one, or what [`purge_bound`] says.
        below: u64,
    },
    /// Term and vote of a RAFT group.
    HardState {
        /// The term.
        term: u64,
        /// Whom it voted for in this term; zeros for nobody.
        vote: [u8; 8],
    },
    /// A consumer went on.
    Consumer(ConsumerDelta<'a>),
}

/// What a record is: a change, or of the journal itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// From here on this number is that group.
    Group {
        incarnation: u64,
        name: &'a str,
    },
    /// Everything of the group up to here is durable in its own files.
    Settled,
    /// The group is gone.
    Removed,
    Change(Change<'a>),
}

/// Why a change cannot be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The store ends before the change begins: something between is missing.
    #[error("change of sequence {found}, the store ends at {last}")]
    Gap {
        /// The first sequence of the change.
        found: u64,
        /// The last sequence of the store.
        last: u64,
    },
    /// The store has something else there, see [`Change::conflicts`].
    #[error("the files are of a later time than the changes")]
    Conflict,
    /// The change belongs to another kind of group.
    #[error("not a change of a stream")]
    NotOfStream,
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Change<'_> {
    /// Makes the change again; whether anything changed.
    pub fn apply(&self, store: &mut dyn StreamStore) -> Result<bool, ReplayError> {
        let last = store.state().last_seq;
        match *self {
            Self::Append { seq, timestamp, subject, headers, body } => {
                if seq <= last {
                    return Ok(false);
                }
                check_next(seq, last)?;
                // A bad header was taken when the message was stored, and has no effect.
                let ttl = Ttl::from_headers(headers).unwrap_or_default();
                let seq = Some(seq);
                let may_refuse = false;
                store.store(NewMessage {
                    subject,
                    headers,
                    body,
                    seq,
                    timestamp,
                    ttl,
                    may_refuse,
                })?;
                Ok(true)
            }
            Self::Skip { last: end, count, timestamp, moves_time } => {
                if end <= last || count == 0 {
                    return Ok(false);
                }
                let first = end.saturating_sub(count - 1);
                if first > last.saturating_add(1) {
                    return Err(ReplayError::Gap { found: first, last });
                }
                store.skip(Some(last + 1), end - last, timestamp, moves_time)?;
                Ok(true)
            }
            Self::Remove { seq } => Self::remove_from(store, seq, false),
            Self::Erase { seq } => Self::remove_from(store, seq, true),
            Self::Compact { seq } => {
                if seq <= store.state().first_seq {
                    return Ok(false);
                }
                store.compact(seq)?;
                Ok(true)
            }
            Self::Purge { filter, below } => {
                // 0 would mean without a bound.
                Ok(below > 0 && store.purge_matching(Filter::new(filter), below, 0)? > 0)
            }
            Self::HardState { .. } | Self::Consumer(_) => Err(ReplayError::NotOfStream),
        }
    }

    /// Whether the store has something else under the sequence that was appended. Then its files
    /// are of a later time, in which it went back: where the journal is damaged, what says so may
    /// be lost, and nothing of this group may be made again.
    pub fn conflicts(&self, store: &mut dyn StreamStore) -> bool {
        let Self::Append { seq, timestamp, subject, headers, body } = *self else { return false };
        let message = StoredMessage { seq, timestamp, subject, headers, body };
        store.load(seq).is_ok_and(|found| found != message)
    }

    fn remove_from(
        store: &mut dyn StreamStore,
        seq: u64,
        erases: bool,
    ) -> Result<bool, ReplayError> {
        let removed = if erases { store.erase(seq) } else { store.remove(seq) };
        match removed {
            Ok(removed) => Ok(removed),
            Err(StoreError::NotFound) => Ok(false),
            Err(StoreError::InvalidSequence | StoreError::BeyondLast) => {
                Err(ReplayError::Gap { found: seq, last: store.state().last_seq })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The first sequence that it gives away.
    pub(super) fn first_seq(&self) -> Option<u64> {
        match *self {
            Self::Append { seq, .. } => Some(seq),
            Self::Skip { last, count, .. } => Some(last.saturating_sub(count.saturating_sub(1))),
            Self::Remove { .. }
            | Self::Erase { .. }
            | Self::Compact { .. }
            | Self::Purge { .. }
            | Self::HardState { .. }
            | Self::Consumer(_) => None,
        }
    }

    /// Bytes that the record takes, about.
    pub(super) fn size(&self) -> usize {
        RECORD_HEADER_SIZE
            + match self {
                Self::Append { subject, headers, body, .. } => {
                    24 + subject.len() + headers.len() + body.len()
                }
                Self::Purge { filter, .. } => 8 + filter.len(),
                Self::Consumer(delta) => delta.size_max(),
                Self::Skip { .. }
                | Self::Remove { .. }
                | Self::Erase { .. }
                | Self::Compact { .. }
                | Self::HardState { .. } => 25,
            }
    }
}

/// Below which sequence a purge that keeps the `keep` newest messages of `filter` removes: a
/// number of messages to keep would mean others when the change is made again.
pub fn purge_bound(
    store: &mut dyn StreamStore,
    filter: Filter<'_>,
    keep: u64,
) -> Result<u64, StoreError> {
    let mut bound = store.state().last_seq.saturating_add(1);
    for _ in 0..keep {
        match store.load_prev(filter, bound.saturating_sub(1))? {
            Some(kept) => bound = kept.seq,
            None => return Ok(0),
        }
    }
    Ok(bound)
}

fn check_next(seq: u64, last: u64) -> Result<(), ReplayError> {
    match last.checked_add(1) {
        Some(next) if next == seq => Ok(()),
        _ => Err(ReplayError::Gap { found: seq, last }),
    }
}

/// Appends a record. The caller has checked that it is far below 4 GiB.
pub(super) fn encode(group: u32, entry: &Entry<'_>, out: &mut Vec<u8>) {
    match entry {
        Entry::Group { incarnation, name } => put_record(group, GROUP, out, |out| {
            put_u64(out, *incarnation);
            out.extend_from_slice(name.as_bytes());
        }),
        Entry::Settled => put_record(group, SETTLED, out, |_| {}),
        Entry::Removed => put_record(group, REMOVED, out, |_| {}),
        Entry::Change(change) => encode_change(group, change, out),
    }
}

/// Appends the record of a change, as [`encode`].
pub(super) fn encode_change(group: u32, change: &Change<'_>, out: &mut Vec<u8>) {
    match change {
        Change::Append { seq, timestamp, subject, headers, body } => {
            put_record(group, APPEND, out, |out| {
                put_u64(out, *seq);
                put_time(out, *timestamp);
                put_bytes(out, subject);
                put_bytes(out, headers);
                out.extend_from_slice(body);
            });
        }
        Change::Skip { last, count, timestamp, moves_time } => {
            put_record(group, SKIP, out, |out| {
                put_u64(out, *last);
                put_u64(out, *count);
                put_time(out, *timestamp);
                out.push(u8::from(*moves_time));
            });
        }
        Change::Remove { seq } => put_record(group, REMOVE, out, |out| put_u64(out, *seq)),
        Change::Erase { seq } => put_record(group, ERASE, out, |out| put_u64(out, *seq)),
        Change::Compact { seq } => put_record(group, COMPACT, out, |out| put_u64(out, *seq)),
        Change::Purge { filter, below } => put_record(group, PURGE, out, |out| {
            put_u64(out, *below);
            out.extend_from_slice(filter);
        }),
        Change::HardState { term, vote } => put_record(group, HARD_STATE, out, |out| {
            put_u64(out, *term);
            out.extend_from_slice(vote);
        }),
        Change::Consumer(delta) => put_record(group, CONSUMER, out, |out| delta.encode(out)),
    }
}

fn put_record(group: u32, kind: u8, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&group.to_le_bytes());
    out.push(kind);
    fields(out);
    let size = u32::try_from(out.len() - start).expect("changes are far smaller");
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&size.to_le_bytes());
    }
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.0.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let size = u32::try_from(bytes.len()).expect("changes are far smaller");
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Takes a record off the front: its group and what it is. `None` when these bytes are none.
pub(super) fn take<'a>(input: &mut &'a [u8]) -> Option<(u32, Entry<'a>)> {
    let (size, _) = input.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let (record, rest) = input.split_at_checked(size)?;
    let mut fields = record.get(4..)?;
    let group = u32::from_le_bytes(*take_array(&mut fields)?);
    let [kind] = *take_array(&mut fields)?;
    let entry = decode(kind, fields)?;
    *input = rest;
    Some((group, entry))
}

fn decode(kind: u8, mut fields: &[u8]) -> Option<Entry<'_>> {
    let input = &mut fields;
    let change = match kind {
        GROUP => {
            let incarnation = take_u64(input)?;
            let name = std::str::from_utf8(take_rest(input)).ok()?;
            return Some(Entry::Group { incarnation, name });
        }
        SETTLED if input.is_empty() => return Some(Entry::Settled),
        REMOVED if input.is_empty() => return Some(Entry::Removed),
        APPEND => Change::Append {
            seq: take_u64(input)?,
            timestamp: take_time(input)?,
            subject: take_bytes(input)?,
            headers: take_bytes(input)?,
            body: take_rest(input),
        },
        SKIP => Change::Skip {
            last: take_u64(input)?,
            count: take_u64(input)?,
            timestamp: take_time(input)?,
            moves_time: match *take_array(input)? {
                [0] => false,
                [1] => true,
                _ => return None,
            },
        },
        REMOVE => Change::Remove { seq: take_u64(input)? },
        ERASE => Change::Erase { seq: take_u64(input)? },
        COMPACT => Change::Compact { seq: take_u64(input)? },
        PURGE => Change::Purge { below: take_u64(input)?, filter: take_rest(input) },
        HARD_STATE => Change::HardState { term: take_u64(input)?, vote: *take_array(input)? },
        CONSUMER => Change::Consumer(ConsumerDelta::take(input)?),
        _ => return None,
    };
    input.is_empty().then_some(Entry::Change(change))
}

fn take_array<'a, const SIZE: usize>(input: &mut &'a [u8]) -> Option<&'a [u8; SIZE]> {
    let (array, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(array)
}

fn take_u64(input: &mut &[u8]) -> Option<u64> {
    take_array(input).map(|bytes| u64::from_le_bytes(*bytes))
}

fn take_time(input: &mut &[u8]) -> Option<Timestamp> {
    take_array(input).map(|bytes| Timestamp(i64::from_le_bytes(*bytes)))
}

fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = take_array(input).map(|bytes| u32::from_le_bytes(*bytes))?;
    let (bytes, rest) = input.split_at_checked(usize::try_from(size).ok()?)?;
    *input = rest;
    Some(bytes)
}

fn take_rest<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    std::mem::take(input)
}
