//! How far a consumer is: what is delivered, acknowledged, pending and redelivered.
//!
//! This is `obs/NAME/o.dat`, and what replicas of a consumer exchange.
//!
//! | field | form |
//! |---|---|
//! | magic 22, version 2 (1 is read) | a byte each |
//! | acknowledgement floor: consumer, stream sequence | varints |
//! | delivered: consumer, stream sequence | varints |
//! | number of pending messages | varint |
//! | base time in seconds | signed varint; only with pending messages |
//! | each: stream sequence less the floor, consumer sequence less the floor, base less time | varint, varint, signed varint |
//! | number of redelivered messages | varint |
//! | each: stream sequence less the floor, times delivered again | varints |
//!
//! Differences wrap, as a pending message may lie below the floor. Version 1 has delivered
//! sequences less the floor, no consumer sequences of pending messages, and times less the base.
//! Times are cut to seconds. Any input gives a state or an error.
//!
//! Source: Go `server/store.go` `encodeConsumerState`, `server/filestore.go`
//! `decodeConsumerState`.

use std::collections::BTreeMap;

use natsd_base::Timestamp;

use crate::varint::{put_signed, put_unsigned, take_signed, take_unsigned};

const MAGIC: u8 = 22;
const VERSION: u8 = 2;
const NANOS: i64 = 1_000_000_000;
/// A stream sequence with this bit is damage.
const SEQ_LIMIT: u64 = 1 << 63;

/// These bytes are no consumer state, end early or contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("corrupt state file")]
pub struct CorruptConsumerState;

/// A consumer sequence and the stream sequence that goes with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SequencePair {
    /// Counts deliveries.
    pub consumer: u64,
    /// Counts messages of the stream.
    pub stream: u64,
}

/// A message that waits for its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingMessage {
    /// The consumer sequence of its first delivery.
    pub consumer_seq: u64,
    /// When it was delivered last.
    pub delivered: Timestamp,
}

/// How far a consumer is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// The last delivered.
    pub delivered: SequencePair,
    /// The last of those that are acknowledged without a gap.
    pub ack_floor: SequencePair,
    /// By stream sequence.
    pub pending: BTreeMap<u64, PendingMessage>,
    /// How often delivered again, by stream sequence.
    pub redelivered: BTreeMap<u64, u64>,
}

impl ConsumerState {
    /// The bytes, in version 2. Times are written as seconds before `now`.
    #[must_use]
    pub fn encode(&self, now: Timestamp) -> Vec<u8> {
        let mut out = vec![MAGIC, VERSION];
        let floor = self.ack_floor;
        for seq in [floor.consumer, floor.stream, self.delivered.consumer, self.delivered.stream] {
            put_unsigned(&mut out, seq);
        }
        put_unsigned(&mut out, self.pending.len() as u64);
        if !self.pending.is_empty() {
            let base = now.0.saturating_add(NANOS / 2).div_euclid(NANOS);
            put_signed(&mut out, base);
            for (seq, pending) in &self.pending {
                put_unsigned(&mut out, seq.wrapping_sub(floor.stream));
                put_unsigned(&mut out, pending.consumer_seq.wrapping_sub(floor.consumer));
                put_signed(&mut out, base - pending.delivered.0 / NANOS);
            }
        }
        put_unsigned(&mut out, self.redelivered.len() as u64);
        for (seq, times) in &self.redelivered {
            put_unsigned(&mut out, seq.wrapping_sub(floor.stream));
            put_unsigned(&mut out, *times);
        }
        out
    }

    /// The state without what is beyond the stream sequence `last`, for a backup that ends there.
    #[must_use]
    pub fn bounded_by(mut self, last: u64) -> Self {
        self.delivered.stream = self.delivered.stream.min(last);
        self.ack_floor.stream = self.ack_floor.stream.min(last);
        self.pending.retain(|&seq, _| seq <= last);
        self.redelivered.retain(|&seq, _| seq <= last);
        self
    }

    /// Reads the bytes of a state. What follows them is not looked at, as in Go.
    pub fn decode(input: &[u8]) -> Result<Self, CorruptConsumerState> {
        Self::decode_start(input).map(|(state, _)| state)
    }

    /// The state that `input` begins with, and what follows.
    pub(crate) fn decode_start(input: &[u8]) -> Result<(Self, &[u8]), CorruptConsumerState> {
        let (version, mut rest) = match input {
            [MAGIC, version @ (1 | VERSION), rest @ ..] => (*version, rest),
            _ => return Err(CorruptConsumerState),
        };
        let state = Self::take(version, &mut rest).ok_or(CorruptConsumerState)?;
        Ok((state, rest))
    }

    /// The version that the bytes of a state claim to have, if it is one that is not known.
    pub(crate) fn newer_version(input: &[u8]) -> Option<u8> {
        match input {
            [MAGIC, version, ..] if *version > VERSION => Some(*version),
            _ => None,
        }
    }

    fn take(version: u8, input: &mut &[u8]) -> Option<Self> {
        let mut pair = || {
            Some(SequencePair { consumer: take_unsigned(input)?, stream: take_unsigned(input)? })
        };
        let (ack_floor, mut delivered) = (pair()?, pair()?);
        if version == 1 {
            // It stored what comes next, less the floor.
            let add = |seq: u64, floor: u64| seq.checked_add(floor.saturating_sub(1));
            delivered.consumer = add(delivered.consumer, ack_floor.consumer)?;
            delivered.stream = add(delivered.stream, ack_floor.stream)?;
        }
        if ack_floor.stream >= SEQ_LIMIT || delivered.stream >= SEQ_LIMIT {
            return None;
        }
        let mut state = Self { delivered, ack_floor, ..Self::default() };
        state.take_pending(version, input)?;
        for _ in 0..take_count(input)? {
            let (seq, times) = (take_unsigned(input)?, take_unsigned(input)?);
            if seq > 0 && times > 0 {
                state.redelivered.insert(seq.wrapping_add(ack_floor.stream), times);
            }
        }
        Some(state)
    }

    fn take_pending(&mut self, version: u8, input: &mut &[u8]) -> Option<()> {
        let count = take_count(input)?;
        if count == 0 {
            return Some(());
        }
        let base = take_signed(input)?;
        for _ in 0..count {
            let seq = take_unsigned(input)?.wrapping_add(self.ack_floor.stream);
            let consumer_seq = match version {
                1 => 0,
                _ => take_unsigned(input)?.wrapping_add(self.ack_floor.consumer),
            };
            let offset = take_signed(input)?;
            let seconds =
                if version == 1 { base.checked_add(offset) } else { base.checked_sub(offset) };
            let delivered = Timestamp(seconds?.checked_mul(NANOS)?);
            if seq == 0 {
                return None;
            }
            self.pending.insert(seq, PendingMessage { consumer_seq, delivered });
        }
        Some(())
    }
}

/// How many entries follow. In version 1 nothing at all means none.
fn take_count(input: &mut &[u8]) -> Option<u64> {
    if input.is_empty() { Some(0) } else { take_unsigned(input) }
}

#[cfg(test)]
mod tests;
