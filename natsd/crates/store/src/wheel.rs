//! When messages expire: a hash wheel of 4096 slots of one second.
//!
//! Adding, moving and removing cost one hash lookup, however many entries there are. A slot holds
//! all expirations of its second modulo the wheel, so far ones share a slot with near ones.
//! Entries come out in the order of expiry and then of sequence, never in the order of a hash.
//!
//! Source: Go `server/thw/thw.go`.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use natsd_base::Timestamp;

use crate::varint::{put_signed, put_unsigned, take_signed, take_unsigned};

const TICK_NANOS: i64 = 1_000_000_000;
const SLOT_COUNT: usize = 4096;
const SLOT_MASK: i64 = 4095;
const VERSION: u8 = 1;

/// Why an encoded wheel was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WheelError {
    /// The header is not all there.
    #[error("short buffer")]
    ShortBuffer,
    /// A version that this server does not know.
    #[error("thw: encoded version not known")]
    BadVersion,
    /// An entry is missing or cut off.
    #[error("unexpected EOF")]
    UnexpectedEnd,
}

#[derive(Debug)]
struct Slot {
    // Sequences are ours, so the seed need not be secret; and the order is never shown.
    entries: HashMap<u64, Timestamp, FixedState>,
    /// Invariant: lowest <= every expiry in `entries`. Removal leaves it as it is.
    lowest: Timestamp,
}

impl Default for Slot {
    fn default() -> Self {
        Self { entries: HashMap::default(), lowest: Timestamp::NEVER }
    }
}

/// Expirations of sequences.
///
/// Source: Go `server/thw/thw.go` `HashWheel`.
#[derive(Debug)]
pub struct TimeHashWheel {
    /// Empty until something is added, then [`SLOT_COUNT`] places.
    slots: Vec<Option<Box<Slot>>>,
    /// Invariant: lowest <= every expiry in the wheel.
    lowest: Timestamp,
    len: u64,
}

impl Default for TimeHashWheel {
    fn default() -> Self {
        Self::new()
    }
}

fn slot_of(expires: Timestamp) -> usize {
    usize::try_from((expires.0 / TICK_NANOS) & SLOT_MASK).expect("masked")
}

impl TimeHashWheel {
    /// An empty wheel; it allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: Vec::new(), lowest: Timestamp::NEVER, len: 0 }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry. A sequence that is already in the same slot is moved.
    pub fn insert(&mut self, seq: u64, expires: Timestamp) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOT_COUNT, || None);
        }
        let slot = self.slots[slot_of(expires)].get_or_insert_default();
        if slot.entries.insert(seq, expires).is_none() {
            self.len += 1;
        }
        slot.lowest = slot.lowest.min(expires);
        self.lowest = self.lowest.min(expires);
    }

    /// Removes the entry of `seq`; whether it was there. Only the slot of `expires` is searched.
    pub fn remove(&mut self, seq: u64, expires: Timestamp) -> bool {
        let Some(place) = self.slots.get_mut(slot_of(expires)) else { return false };
        let Some(slot) = place else { return false };
        if slot.entries.remove(&seq).is_none() {
            return false;
        }
        if slot.entries.is_empty() {
            *place = None;
        }
        self.len -= 1;
        true
    }

    /// Moves the entry of `seq` from one time to another; nothing happens when it is not there.
    pub fn update(&mut self, seq: u64, old_expires: Timestamp, expires: Timestamp) -> bool {
        let is_there = self.remove(seq, old_expires);
        if is_there {
            self.insert(seq, expires);
        }
        is_there
    }

    /// Calls `expire` for every entry that is due at `now` and removes those it says yes to. The
    /// others are asked about again next time.
    pub fn expire(&mut self, now: Timestamp, mut expire: impl FnMut(u64, Timestamp) -> bool) {
        for (expires, seq) in self.due(now) {
            if expire(seq, expires) {
                self.remove(seq, expires);
            }
        }
        // Whoever was asked may stay, so what is lowest shows only now.
        if self.lowest <= now {
            self.lowest = Timestamp::NEVER;
            for slot in self.slots.iter_mut().flatten() {
                if slot.lowest <= now {
                    slot.lowest = slot.entries.values().copied().min().unwrap_or(Timestamp::NEVER);
                }
                self.lowest = self.lowest.min(slot.lowest);
            }
        }
    }

    /// The entries that are due at `now`, earliest first, without removing them.
    fn due(&self, now: Timestamp) -> Vec<(Timestamp, u64)> {
        if self.lowest > now {
            return Vec::new();
        }
        let slots = self.slots.iter().flatten().filter(|slot| slot.lowest <= now);
        let entries = slots.flat_map(|slot| &slot.entries);
        let due = entries.filter(|&(_, &expires)| expires <= now);
        let mut due: Vec<_> = due.map(|(&seq, &expires)| (expires, seq)).collect();
        due.sort_unstable();
        due
    }

    /// A time before `before` at which to call [`TimeHashWheel::expire`], if there is one: no
    /// entry is due earlier. It may be too early after an entry was removed, never too late.
    #[must_use]
    pub fn next_expiration(&self, before: Timestamp) -> Option<Timestamp> {
        (self.len > 0 && self.lowest < before).then_some(self.lowest)
    }

    /// The bytes of `thw.db`. `high_seq` is kept for the reader: one beyond the last
    /// sequence that the wheel knows of.
    ///
    /// | offset | size | field |
    /// |---|---|---|
    /// | 0 | 1 | version 1 |
    /// | 1 | 8 | number of entries, little endian |
    /// | 9 | 8 | `high_seq`, little endian |
    /// | 17 | | entries: expiry in nanoseconds (signed varint), sequence (varint) |
    #[must_use]
    pub fn encode(&self, high_seq: u64) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.len.to_le_bytes());
        out.extend(high_seq.to_le_bytes());
        for slot in self.slots.iter().flatten() {
            let mut entries: Vec<_> = slot.entries.iter().collect();
            entries.sort_unstable();
            for (&seq, &expires) in entries {
                put_signed(&mut out, expires.0);
                put_unsigned(&mut out, seq);
            }
        }
        out
    }

    /// Reads the bytes of `thw.db`: the wheel, and one beyond the last sequence it knows of.
    pub fn decode(input: &[u8]) -> Result<(Self, u64), WheelError> {
        let (&[version], rest) = input.split_first_chunk().ok_or(WheelError::ShortBuffer)?;
        let (count, rest) = rest.split_first_chunk().ok_or(WheelError::ShortBuffer)?;
        let (high_seq, mut rest) = rest.split_first_chunk().ok_or(WheelError::ShortBuffer)?;
        if version != VERSION {
            return Err(WheelError::BadVersion);
        }
        let mut wheel = Self::new();
        // Nothing is reserved: the count is not to be trusted, and ends with the input.
        for _ in 0..u64::from_le_bytes(*count) {
            let expires = take_signed(&mut rest).ok_or(WheelError::UnexpectedEnd)?;
            let seq = take_unsigned(&mut rest).ok_or(WheelError::UnexpectedEnd)?;
            wheel.insert(seq, Timestamp(expires));
        }
        Ok((wheel, u64::from_le_bytes(*high_seq)))
    }
}

#[cfg(test)]
mod tests;
