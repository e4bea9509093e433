//! Which JWTs there are, which one goes first, and the hash of them all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use natsd_base::Timestamp;
use sha2::{Digest, Sha256};

use super::claims::Claims;
use super::{JwtDirError, JwtExpiry};

/// A SHA-256.
pub(super) type Hash = [u8; 32];

pub(super) fn hash_of(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

#[derive(Debug)]
struct Item {
    hash: Hash,
    expires: Timestamp,
    /// Counts uses: the lowest was used longest ago.
    used: u64,
}

/// The JWTs that there are.
#[derive(Debug)]
pub(super) struct Tracker {
    expiry: JwtExpiry,
    items: BTreeMap<String, Item>,
    by_expiry: BTreeSet<(Timestamp, String)>,
    by_use: BTreeMap<u64, String>,
    next_use: u64,
    /// Of all hashes, by exclusive or.
    hash: Hash,
}

impl Tracker {
    pub(super) fn new(expiry: JwtExpiry) -> Self {
        Self {
            expiry,
            items: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            by_use: BTreeMap::new(),
            next_use: 0,
            hash: [0; 32],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn hash_of(&self, key: &str) -> Option<Hash> {
        self.items.get(key).map(|item| item.hash)
    }

    /// The one that is used longest ago and has to go before `key` is stored.
    pub(super) fn room_for(&self, key: &str) -> Result<Option<String>, JwtDirError> {
        let is_full = self.expiry.limit.is_some_and(|limit| self.items.len() >= limit);
        if !is_full || self.items.contains_key(key) {
            return Ok(None);
        }
        let oldest = self.by_use.values().next().filter(|_| self.expiry.evicts);
        oldest.map(|oldest| Some(oldest.clone())).ok_or(JwtDirError::Full)
    }

    /// A JWT is there, in the place of an earlier one.
    pub(super) fn track(&mut self, key: &str, hash: Hash, jwt: &str, now: Timestamp) {
        let used = match self.items.get(key).map(|item| item.used) {
            Some(used) => used,
            None => self.next_use(),
        };
        self.forget(key);
        let own = || Claims::decode(jwt).and_then(|claims| claims.expires());
        let expires = match self.expiry.ttl {
            Some(ttl) => after(ttl, now),
            None => own().unwrap_or(Timestamp::NEVER),
        };
        self.mix(&hash);
        self.by_use.insert(used, key.to_owned());
        self.by_expiry.insert((expires, key.to_owned()));
        self.items.insert(key.to_owned(), Item { hash, expires, used });
    }

    /// A JWT is used: it stays longer where that counts.
    pub(super) fn touch(&mut self, key: &str, now: Timestamp) {
        let used = self.next_use();
        let Some(item) = self.items.get_mut(key) else { return };
        if let Some(ttl) = self.expiry.ttl {
            self.by_expiry.remove(&(item.expires, key.to_owned()));
            item.expires = after(ttl, now);
            self.by_expiry.insert((item.expires, key.to_owned()));
        }
        if self.expiry.evicts {
            self.by_use.remove(&item.used);
            item.used = used;
            self.by_use.insert(used, key.to_owned());
        }
    }

    /// A JWT is gone.
    pub(super) fn forget(&mut self, key: &str) {
        if let Some(item) = self.items.remove(key) {
            self.mix(&item.hash);
            self.by_use.remove(&item.used);
            self.by_expiry.remove(&(item.expires, key.to_owned()));
        }
    }

    /// One that has expired at `now`.
    pub(super) fn expired(&self, now: Timestamp) -> Option<String> {
        self.by_expiry.first().filter(|(expires, _)| *expires <= now).map(|(_, key)| key.clone())
    }

    pub(super) fn next_expiration(&self) -> Option<Timestamp> {
        let next = self.by_expiry.first().map(|(expires, _)| *expires);
        next.filter(|&expires| expires != Timestamp::NEVER)
    }

    fn next_use(&mut self) -> u64 {
        self.next_use += 1;
        self.next_use
    }

    fn mix(&mut self, hash: &Hash) {
        for (all, one) in self.hash.iter_mut().zip(hash) {
            *all ^= one;
        }
    }
}

fn after(ttl: Duration, now: Timestamp) -> Timestamp {
    if ttl == Duration::MAX { Timestamp::NEVER } else { now + ttl }
}
