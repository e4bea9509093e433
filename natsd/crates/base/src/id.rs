//! Identifiers: connections and NUIDs.

use crate::Prng;

/// Number of a connection, unique in one server run, from 1. Go: `cid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl core::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX_LEN: usize = 12;
const SEQUENCE_LEN: usize = 10;
/// 62 to the power of the sequence's length.
const SEQUENCE_MAX: u64 = 839_299_365_868_340_224;

/// Makes identifiers of 22 letters and digits: a random prefix, and a sequence with random steps.
/// Source: the NUID of the NATS clients.
#[derive(Debug)]
pub struct Nuid {
    prng: Prng,
    prefix: [u8; PREFIX_LEN],
    sequence: u64,
    step: u64,
}

impl Nuid {
    /// Starts a run of identifiers from `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Nuid {
        let mut nuid =
            Nuid { prng: Prng::from_seed(seed), prefix: [0; PREFIX_LEN], sequence: 0, step: 0 };
        nuid.restart();
        nuid
    }

    fn restart(&mut self) {
        for digit in &mut self.prefix {
            *digit = DIGITS[self.prng.below(DIGITS.len())];
        }
        self.sequence = self.prng.next_u64() % SEQUENCE_MAX;
        self.step = 33 + self.prng.next_u64() % 300;
    }

    /// The next identifier.
    pub fn next_id(&mut self) -> String {
        self.sequence += self.step;
        if self.sequence >= SEQUENCE_MAX {
            self.restart();
        }
        let mut text = [0u8; PREFIX_LEN + SEQUENCE_LEN];
        text[..PREFIX_LEN].copy_from_slice(&self.prefix);
        let mut rest = self.sequence;
        for digit in text[PREFIX_LEN..].iter_mut().rev() {
            *digit = DIGITS[usize::try_from(rest % 62).expect("below 62")];
            rest /= 62;
        }
        text.iter().map(|digit| char::from(*digit)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Nuid;

    #[test]
    fn identifiers_differ_and_have_22_letters() {
        let mut nuid = Nuid::from_seed(1);
        let ids: std::collections::HashSet<String> = (0..10_000).map(|_| nuid.next_id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 22));
    }
}
