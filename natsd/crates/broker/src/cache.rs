//! Remembers who is interested in a subject.
//!
//! One cache for each worker thread, for all its connections: idle connections own nothing. A slot
//! remembers a result only when its subject comes a second time, so that a stream of ever new
//! subjects allocates nothing.

use crate::{Account, SubscriptionRef};
use core::hash::BuildHasher;
use natsd_subject::MatchResult;
use std::sync::Arc;

const SLOTS: usize = 2048;

#[derive(Debug, Default)]
struct Slot {
    hash: u64,
    generation: u64,
    account: u64,
    known: Option<Known>,
}

impl Slot {
    #[inline]
    fn answers(&self, account: &Account, generation: u64, subject: &[u8]) -> bool {
        self.generation == generation
            && self.account == account.id()
            && self.known.as_ref().is_some_and(|known| *known.subject == *subject)
    }
}

#[derive(Debug)]
struct Known {
    subject: Box<[u8]>,
    result: Arc<MatchResult<SubscriptionRef>>,
}

/// A direct-mapped cache of match results.
#[derive(Debug, Default)]
pub struct MatchCache {
    slots: Box<[Slot]>,
    hasher: foldhash::fast::RandomState,
    /// The slot of the last hit: most publishers stay with a subject for a while.
    last: usize,
    /// The last result that is not worth remembering.
    scratch: MatchResult<SubscriptionRef>,
}

impl MatchCache {
    /// Who is interested in `subject` in `account` now.
    #[inline]
    pub fn lookup(&mut self, account: &Account, subject: &[u8]) -> &MatchResult<SubscriptionRef> {
        let generation = account.generation();
        if self.slots.get(self.last).is_some_and(|slot| slot.answers(account, generation, subject))
        {
            return self.slots[self.last]
                .known
                .as_ref()
                .map_or(&self.scratch, |known| &known.result);
        }
        if self.slots.is_empty() {
            self.slots = (0..SLOTS).map(|_| Slot::default()).collect();
        }
        let hash = self.hasher.hash_one(subject);
        let index = usize::try_from(hash % SLOTS as u64).expect("below the number of slots");
        let slot = &mut self.slots[index];
        let seen =
            slot.hash == hash && slot.generation == generation && slot.account == account.id();
        self.last = index;
        // In two steps, because a reference returned from the first `if` would be held in the rest.
        if !slot.answers(account, generation, subject) {
            if seen && slot.known.is_none() {
                let result = account.match_subject(subject);
                slot.known = Some(Known { subject: subject.into(), result });
            } else {
                *slot = Slot { hash, generation, account: account.id(), known: None };
                account.match_into(subject, &mut self.scratch);
                return &self.scratch;
            }
        }
        slot.known.as_ref().map_or(&self.scratch, |known| &known.result)
    }

    /// Lets go of the subscriptions of the last uncached result.
    pub fn clear_scratch(&mut self) {
        self.scratch.clear();
    }
}
