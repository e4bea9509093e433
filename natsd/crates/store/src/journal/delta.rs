//! How a consumer went on: the part of its state that changed.
//!
//! Merging is monotone: floors and delivered sequences only rise, what is acknowledged stays so,
//! deliveries only get later and more. A consumer that is set back is not a delta: it needs a
//! [barrier](super::Journal::barrier) and its whole state written.
//!
//! | field | form |
//! |---|---|
//! | delivered: consumer, stream sequence | varints |
//! | acknowledgement floor: consumer, stream sequence | varints |
//! | number of messages | varint |
//! | each: stream sequence, what it is | varint, byte |
//! | 1, pending: consumer sequence, time | varint, signed varint |
//! | 0, acknowledged | |
//! | number of redelivered messages | varint |
//! | each: stream sequence, times delivered again | varints |

use std::borrow::Cow;

use natsd_base::Timestamp;

use crate::consumer_state::{ConsumerState, PendingMessage, SequencePair};
use crate::varint::{put_signed, put_unsigned, take_signed, take_unsigned};

/// Bytes of the longest varint.
const VARINT_MAX: usize = 10;

/// What changed in a consumer's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerDelta<'a> {
    /// The last delivered, as it is now.
    pub delivered: SequencePair,
    /// The acknowledgement floor, as it is now.
    pub ack_floor: SequencePair,
    /// Stream sequences that are pending now, or no more. Invariant: ascending, each once, and
    /// none that is pending is above [`ConsumerDelta::delivered`].
    pub messages: Cow<'a, [(u64, Option<PendingMessage>)]>,
    /// How often these stream sequences were delivered again.
    pub redelivered: Cow<'a, [(u64, u64)]>,
}

impl ConsumerDelta<'_> {
    /// Merges the delta into the state; whether anything changed.
    pub fn apply(&self, state: &mut ConsumerState) -> bool {
        let before = (state.delivered, state.ack_floor);
        let mut changed = false;
        for &(seq, pending) in self.messages.iter() {
            let Some(pending) = pending else {
                changed |= state.pending.remove(&seq).is_some();
                changed |= state.redelivered.remove(&seq).is_some();
                continue;
            };
            match state.pending.get_mut(&seq) {
                Some(known) if known.delivered < pending.delivered => *known = pending,
                // Delivered before this delta, and not pending: acknowledged since.
                None if seq > before.0.stream && seq <= self.delivered.stream => {
                    state.pending.insert(seq, pending);
                }
                Some(_) | None => continue,
            }
            changed = true;
        }
        for &(seq, times) in self.redelivered.iter() {
            if state.pending.contains_key(&seq) {
                let known = state.redelivered.entry(seq).or_insert(0);
                changed |= *known < times;
                *known = times.max(*known);
            }
        }
        raise(&mut state.delivered, self.delivered);
        raise(&mut state.ack_floor, self.ack_floor);
        changed || before != (state.delivered, state.ack_floor)
    }

    pub(super) fn size_max(&self) -> usize {
        VARINT_MAX * 6
            + self.messages.len() * (3 * VARINT_MAX + 1)
            + self.redelivered.len() * 2 * VARINT_MAX
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        debug_assert!(self.messages.is_sorted_by(|(one, _), (other, _)| one < other));
        for pair in [self.delivered, self.ack_floor] {
            put_unsigned(out, pair.consumer);
            put_unsigned(out, pair.stream);
        }
        put_unsigned(out, self.messages.len() as u64);
        for (seq, pending) in self.messages.iter() {
            put_unsigned(out, *seq);
            out.push(u8::from(pending.is_some()));
            if let Some(pending) = pending {
                put_unsigned(out, pending.consumer_seq);
                put_signed(out, pending.delivered.0);
            }
        }
        put_unsigned(out, self.redelivered.len() as u64);
        for (seq, times) in self.redelivered.iter() {
            put_unsigned(out, *seq);
            put_unsigned(out, *times);
        }
    }

    pub(super) fn take(input: &mut &[u8]) -> Option<Self> {
        let mut pair = || {
            Some(SequencePair { consumer: take_unsigned(input)?, stream: take_unsigned(input)? })
        };
        let (delivered, ack_floor) = (pair()?, pair()?);
        let mut messages = Vec::new();
        let mut before = None;
        for _ in 0..take_unsigned(input)? {
            let seq = take_unsigned(input)?;
            if before.replace(seq) >= Some(seq) {
                return None; // Made again it would be another change.
            }
            let (&kind, rest) = input.split_first()?;
            *input = rest;
            let pending = match kind {
                0 => None,
                1 => Some(PendingMessage {
                    consumer_seq: take_unsigned(input)?,
                    delivered: Timestamp(take_signed(input)?),
                }),
                _ => return None,
            };
            messages.push((seq, pending));
        }
        let mut redelivered = Vec::new();
        for _ in 0..take_unsigned(input)? {
            redelivered.push((take_unsigned(input)?, take_unsigned(input)?));
        }
        let (messages, redelivered) = (messages.into(), redelivered.into());
        Some(Self { delivered, ack_floor, messages, redelivered })
    }
}

fn raise(pair: &mut SequencePair, to: SequencePair) {
    pair.consumer = pair.consumer.max(to.consumer);
    pair.stream = pair.stream.max(to.stream);
}
