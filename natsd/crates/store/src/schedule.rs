//! Messages that a stream publishes later, once or again and again: a message with the header
//! `Nats-Schedule` is the schedule, its subject its name.
//!
//! A store knows when each schedule fires and makes the message; storing it is up to the stream,
//! since replicas must agree. Until the outcome is stored, the schedule does not fire again.
//!
//! Source: Go `server/scheduler.go`.

mod cron;
mod pattern;

use std::collections::BTreeMap;

use natsd_base::Timestamp;

use crate::headers::{self, HeaderBlock};
use crate::stream_store::{Filter, StoreError, StreamStore};
use crate::ttl::{TTL_HEADER, Ttl};
use crate::varint::{put_signed, put_unsigned, take_signed, take_unsigned};
use crate::wheel::TimeHashWheel;

pub use pattern::{Firing, InvalidSchedule, next_firing};

const VERSION: u8 = 1;
const PREFIX: &[u8] = b"Nats-Schedule";
const TTL: &[u8] = b"Nats-Schedule-TTL";
const ROLLUP: &[u8] = b"Nats-Schedule-Rollup";
const TARGET: &[u8] = b"Nats-Schedule-Target";
const SOURCE: &[u8] = b"Nats-Schedule-Source";
const SCHEDULER: &[u8] = b"Nats-Scheduler";
const NEXT: &[u8] = b"Nats-Schedule-Next";
/// What [`NEXT`] says when the schedule itself is to be removed.
const PURGE: &[u8] = b"purge";

/// Why encoded schedules were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchedulesError {
    /// The header is not all there.
    #[error("short buffer")]
    ShortBuffer,
    /// A version that this server does not know.
    #[error("msg scheduling: encoded version not known")]
    BadVersion,
    /// An entry is missing or cut off.
    #[error("unexpected EOF")]
    UnexpectedEnd,
}

/// A message that a schedule makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledMessage {
    /// The sequence of the schedule.
    pub seq: u64,
    /// Where to publish.
    pub subject: Vec<u8>,
    /// The header block. It names the schedule and when it fires next, or that it is to go.
    pub headers: Vec<u8>,
    /// The payload: the schedule's own, or that of the last message it points to.
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Schedule {
    seq: u64,
    fires: Timestamp,
    /// Whether it has fired and the outcome is not stored yet.
    is_in_flight: bool,
}

/// The schedules of a stream.
///
/// Source: Go `server/scheduler.go` `MsgScheduling`.
#[derive(Debug, Default)]
pub struct Schedules {
    wheel: TimeHashWheel,
    /// By subject.
    schedules: BTreeMap<Vec<u8>, Schedule>,
    /// The subject of a schedule's sequence.
    subjects: BTreeMap<u64, Vec<u8>>,
}

impl Schedules {
    /// No schedule.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.schedules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.schedules.is_empty()
    }

    /// Adds the schedule of a subject, in the place of an earlier one.
    pub fn insert(&mut self, seq: u64, subject: &[u8], fires: Timestamp) {
        self.remove_subject(subject);
        self.wheel.insert(seq, fires);
        self.subjects.insert(seq, subject.to_vec());
        let schedule = Schedule { seq, fires, is_in_flight: false };
        self.schedules.insert(subject.to_vec(), schedule);
    }

    /// Looks at a message that was stored: it may be a schedule, end one, or be what one made.
    pub fn note(
        &mut self,
        seq: u64,
        subject: &[u8],
        message_headers: &[u8],
        timestamp: Timestamp,
        now: Timestamp,
    ) {
        match next_firing(message_headers, timestamp, now) {
            Ok(Some(firing)) => self.insert(seq, subject, firing.time()),
            // A subject has one schedule, and any message on it takes its place.
            Ok(None) | Err(InvalidSchedule) => self.remove_subject(subject),
        }
        let next = headers::text(message_headers, NEXT).filter(|&next| next != PURGE);
        let next = next.and_then(|next| std::str::from_utf8(next).ok());
        let next = next.and_then(pattern::parse_rfc3339);
        let scheduler = headers::text(message_headers, SCHEDULER);
        if let Some((scheduler, next)) = scheduler.zip(next) {
            let next = i64::try_from(next.timestamp().as_nanosecond()).unwrap_or(i64::MAX);
            self.fire_next(scheduler, Timestamp(next));
        }
    }

    /// Sets when a schedule fires next, now that what it made is stored.
    fn fire_next(&mut self, subject: &[u8], fires: Timestamp) {
        if let Some(schedule) = self.schedules.get_mut(subject) {
            self.wheel.update(schedule.seq, schedule.fires, fires);
            schedule.fires = fires;
            schedule.is_in_flight = false;
        }
    }

    /// The message of a sequence is gone.
    pub fn remove(&mut self, seq: u64) {
        if let Some(subject) = self.subjects.get(&seq).cloned() {
            self.remove_subject(&subject);
        }
    }

    fn remove_subject(&mut self, subject: &[u8]) {
        if let Some(schedule) = self.schedules.remove(subject) {
            self.wheel.remove(schedule.seq, schedule.fires);
            self.subjects.remove(&schedule.seq);
        }
    }

    /// Lets those that fired do so again: nobody knows what became of the outcome.
    pub fn clear_in_flight(&mut self) {
        for schedule in self.schedules.values_mut() {
            schedule.is_in_flight = false;
        }
    }

    /// When to ask for due messages next; none is due earlier. One that has fired counts until
    /// its outcome is stored, so whoever asks should wait 250 ms at least, as Go does.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.wheel.next_expiration(Timestamp::NEVER)
    }

    /// The messages that are due at `now`, by the sequence of their schedules. Schedules that say
    /// nothing usable are forgotten.
    pub(crate) fn due(
        &mut self,
        store: &mut dyn StreamStore,
        now: Timestamp,
    ) -> Result<Vec<ScheduledMessage>, StoreError> {
        let mut due = Vec::new();
        self.wheel.expire(now, |seq, fires| {
            due.push((seq, fires));
            false
        });
        due.sort_unstable();
        let mut messages = Vec::new();
        for (seq, fires) in due {
            let Some(subject) = self.subjects.get(&seq) else {
                self.wheel.remove(seq, fires);
                continue;
            };
            let schedule = self.schedules.get_mut(subject).expect("the two tables agree");
            if schedule.is_in_flight {
                continue;
            }
            match make_message(store, seq, fires, now)? {
                Some(message) => {
                    schedule.is_in_flight = true;
                    messages.push(message);
                }
                None => self.remove(seq),
            }
        }
        Ok(messages)
    }

    /// The bytes of `sched.db`. `high_seq` is one beyond the last sequence looked at.
    ///
    /// | offset | size | field |
    /// |---|---|---|
    /// | 0 | 1 | version 1 |
    /// | 1 | 8 | number of schedules, little endian |
    /// | 9 | 8 | `high_seq`, little endian |
    /// | 17 | | each: size of the subject (2 bytes, little endian), subject, when it fires in nanoseconds (signed varint), sequence (varint) |
    #[must_use]
    pub fn encode(&self, high_seq: u64) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend((self.schedules.len() as u64).to_le_bytes());
        out.extend(high_seq.to_le_bytes());
        for (subject, schedule) in &self.schedules {
            let size = u16::try_from(subject.len()).expect("a record's subject has 64 KiB at most");
            out.extend(size.to_le_bytes());
            out.extend(subject);
            put_signed(&mut out, schedule.fires.0);
            put_unsigned(&mut out, schedule.seq);
        }
        out
    }

    /// Reads the bytes of `sched.db`: the schedules, and one beyond the last sequence looked at.
    pub fn decode(input: &[u8]) -> Result<(Self, u64), SchedulesError> {
        let (&[version], rest) = input.split_first_chunk().ok_or(SchedulesError::ShortBuffer)?;
        let (count, rest) = rest.split_first_chunk().ok_or(SchedulesError::ShortBuffer)?;
        let (high_seq, mut rest) = rest.split_first_chunk().ok_or(SchedulesError::ShortBuffer)?;
        if version != VERSION {
            return Err(SchedulesError::BadVersion);
        }
        let mut schedules = Self::new();
        // The count is not to be trusted, and ends with the input.
        for _ in 0..u64::from_le_bytes(*count) {
            let entry = take_entry(&mut rest).ok_or(SchedulesError::UnexpectedEnd)?;
            let (subject, fires, seq) = entry;
            schedules.remove(seq); // Damaged: two subjects cannot share it.
            schedules.insert(seq, subject, fires);
        }
        Ok((schedules, u64::from_le_bytes(*high_seq)))
    }
}

fn take_entry<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], Timestamp, u64)> {
    let (size, rest) = input.split_first_chunk()?;
    let (subject, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*size)))?;
    *input = rest;
    Some((subject, Timestamp(take_signed(input)?), take_unsigned(input)?))
}

/// What the schedule `seq` makes when it fires; `None` when it is gone or unusable.
fn make_message(
    store: &mut dyn StreamStore,
    seq: u64,
    fires: Timestamp,
    now: Timestamp,
) -> Result<Option<ScheduledMessage>, StoreError> {
    let schedule = match store.load(seq) {
        Ok(message) => message,
        Err(StoreError::NotFound | StoreError::BeyondLast) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (own_headers, own_body) = (schedule.headers.to_vec(), schedule.body.to_vec());
    let name = schedule.subject.to_vec();
    let Ok(Some(firing)) = next_firing(&own_headers, fires, now) else { return Ok(None) };
    let ttl = headers::text(&own_headers, TTL);
    if ttl.is_some_and(|ttl| Ttl::parse(ttl).is_err()) {
        return Ok(None);
    }
    let Some(target) = headers::text(&own_headers, TARGET) else { return Ok(None) };
    // A source without messages leaves the schedule's own content.
    let source = match headers::text(&own_headers, SOURCE) {
        Some(source) => match store.load_last(Filter::One(source)) {
            Ok(message) => Some((message.headers.to_vec(), message.body.to_vec())),
            Err(StoreError::NotFound | StoreError::BeyondLast) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    let (content_headers, body) = source.unwrap_or_else(|| (own_headers.clone(), own_body));
    let mut block = HeaderBlock::filtered(&content_headers, is_kept);
    block.push(SCHEDULER, &name);
    if firing.repeats {
        block.push(NEXT, firing.to_rfc3339().as_bytes());
    } else {
        block.push(NEXT, PURGE);
    }
    if let Some(ttl) = ttl {
        block.push(TTL_HEADER, ttl);
    }
    if let Some(rollup) = headers::text(&own_headers, ROLLUP) {
        block.push(headers::ROLLUP, rollup);
    }
    Ok(Some(ScheduledMessage { seq, subject: target.to_vec(), headers: block.finish(), body }))
}

/// Whether a header line goes along: not those of the schedule, nor what could keep the message
/// from being stored.
fn is_kept(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or(line);
    !line.starts_with(PREFIX)
        && !line.starts_with(b"Nats-Expected-")
        && name != b"Nats-Msg-Id"
        && name != TTL_HEADER
        && name != headers::ROLLUP
}

#[cfg(test)]
mod tests;
