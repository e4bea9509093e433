//! The subscriptions of one connection by sid.

use ::core::hash::BuildHasher;
use hashbrown::HashTable;
use natsd_broker::{Subscription, SubscriptionRef};

/// A table that holds nothing but the handles: the sid is read from the subscription.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    table: HashTable<SubscriptionRef>,
    hasher: foldhash::fast::RandomState,
}

impl Subscriptions {
    pub(crate) fn get(&self, sid: &[u8]) -> Option<&SubscriptionRef> {
        self.table.find(self.hasher.hash_one(sid), |one| one.sid() == sid)
    }

    /// Adds a subscription whose sid is not in use.
    pub(crate) fn insert(&mut self, subscription: SubscriptionRef) {
        let hash = self.hasher.hash_one(subscription.sid());
        let hasher = &self.hasher;
        self.table.insert_unique(hash, subscription, |one| hasher.hash_one(one.sid()));
    }

    /// Removes `subscription` itself, not another of the same sid.
    pub(crate) fn remove(&mut self, subscription: &Subscription) -> Option<SubscriptionRef> {
        let hash = self.hasher.hash_one(subscription.sid());
        let found =
            self.table.find_entry(hash, |one| ::core::ptr::eq(&raw const **one, subscription));
        found.ok().map(|entry| entry.remove().0)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SubscriptionRef> {
        self.table.iter()
    }

    pub(crate) fn take_all(&mut self) -> Vec<SubscriptionRef> {
        ::core::mem::take(&mut self.table).into_iter().collect()
    }
}
