//! Unpredictable values for identifiers and test payloads.
//!
//! Seeded by the keys that the standard library draws from the operating system for its hash
//! maps. Must never be used for secrets.

use std::hash::{BuildHasher, RandomState};

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A source of random numbers.
#[derive(Debug)]
pub(crate) struct Random {
    keys: RandomState,
    drawn: u64,
}

impl Random {
    /// A fresh source; no two are alike.
    pub(crate) fn new() -> Self {
        Self { keys: RandomState::new(), drawn: 0 }
    }

    /// The next 64 random bits.
    fn next(&mut self) -> u64 {
        self.drawn += 1;
        self.keys.hash_one(self.drawn)
    }

    /// A number in `0..bound`, and 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("usize has at most 64 bits");
        let value = self.next().checked_rem(bound).unwrap_or(0);
        usize::try_from(value).expect("less than a usize")
    }

    /// `length` letters and digits.
    pub(crate) fn text(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(LETTERS[self.below(LETTERS.len())])).collect()
    }

    /// An identifier of 22 letters and digits, as NATS clients make them.
    pub(crate) fn id(&mut self) -> String {
        self.text(22)
    }
}

#[cfg(test)]
mod tests;
