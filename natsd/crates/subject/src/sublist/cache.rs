//! Remembered results, so that a popular subject is looked up once.
//!
//! Bounded: at most 1024 results in all shards together. When a shard is full it drops most of
//! what it holds, as Go does.
//!
//! Source: Go `server/sublist.go` `addToCache`, `removeFromCache`, `reduceCacheCount`.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::result::MatchResult;
use crate::subject::is_literal;

const SHARDS: usize = 8;
/// Results per shard. Go: `slCacheMax` is 1024 in all.
const SHARD_MAX: usize = 1024 / SHARDS;
/// Results that a full shard keeps. Go: `slCacheSweep` is 256 in all.
const SHARD_SWEEP: usize = 256 / SHARDS;

type Shard<T> = Mutex<HashMap<Box<[u8]>, Arc<MatchResult<T>>, RandomState>>;

pub(super) struct ResultCache<T> {
    hasher: RandomState,
    shards: Box<[Shard<T>; SHARDS]>,
}

impl<T> ResultCache<T> {
    pub(super) fn new() -> Self {
        let hasher = RandomState::default();
        let shards = std::array::from_fn(|_| Mutex::new(HashMap::with_hasher(hasher.clone())));
        Self { hasher, shards: Box::new(shards) }
    }

    fn shard_index(&self, subject: &[u8]) -> usize {
        // The remainder is below SHARDS, so the conversion never falls back.
        usize::try_from(self.hasher.hash_one(subject) % SHARDS as u64).unwrap_or(0)
    }

    pub(super) fn get(&self, subject: &[u8]) -> Option<Arc<MatchResult<T>>> {
        self.shards[self.shard_index(subject)].lock().get(subject).map(Arc::clone)
    }

    /// Must be called under the same read lock as the lookup that made `result`.
    pub(super) fn put(&self, subject: &[u8], result: Arc<MatchResult<T>>) {
        let mut shard = self.shards[self.shard_index(subject)].lock();
        if shard.len() >= SHARD_MAX {
            let mut kept = 0;
            shard.retain(|_, _| {
                kept += 1;
                kept <= SHARD_SWEEP
            });
        }
        shard.insert(subject.into(), result);
    }

    /// Drops what a change of the filter `subject` makes wrong.
    ///
    /// Differs from Go: a wildcard drops everything instead of comparing it with every result,
    /// which costs more than looking the few popular subjects up again.
    pub(super) fn forget(&mut self, subject: &[u8]) {
        if is_literal(subject) {
            let index = self.shard_index(subject);
            self.shards[index].get_mut().remove(subject);
        } else {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        for shard in self.shards.iter_mut() {
            shard.get_mut().clear();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(&MatchResult<T>)) {
        for shard in self.shards.iter() {
            shard.lock().values().for_each(|result| visit(result));
        }
    }
}
