//! The interest table: which subscribers want a message of a given subject.
//!
//! Holds no lock around the table: callers keep it in a read-write lock, `&self` matches and
//! `&mut self` changes. Behind `&self` there are only counters and the optional result cache.
//! Never calls out: changes of interest that somebody watches are queued for
//! [`Sublist::take_events`].
//!
//! Source: Go `server/sublist.go`.

mod cache;
mod notify;
mod result;
mod subscribers;

use std::hash::Hash;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache::ResultCache;
use notify::Watchers;
pub use notify::{InterestEvent, WatcherId};
pub use result::{InterestCount, MatchResult, QueueGroup, SublistStats};
use subscribers::Subscribers;

use crate::subject::{has_no_empty_token, has_wildcard, is_well_formed};
use crate::trie::Trie;

/// A handle of one subscription, cheap to clone. Equal handles are the same subscription.
pub trait Subscriber: Clone + Eq + Hash {
    /// How many members of its queue group this subscription stands for: more than one where a
    /// route or a leaf node carries the group of another server. The handle stands that many times
    /// in [`QueueGroup::members`], and not at all with weight 0.
    ///
    /// After a change of the weight call [`Sublist::update_weight`].
    fn weight(&self) -> u32 {
        1
    }
}

impl Subscriber for u32 {}
impl Subscriber for u64 {}
impl Subscriber for usize {}

/// Why a change or a registration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SublistError {
    /// A token is empty, `>` is not last, or a literal subject was required.
    #[error("sublist: invalid subject")]
    InvalidSubject,
    /// There is no such subscription.
    #[error("sublist: no matches found")]
    NotFound,
    /// This watcher already watches this subject and queue.
    #[error("sublist: notification already registered")]
    AlreadyRegistered,
}

/// Subscriptions by subject filter and queue.
///
/// Source: Go `server/sublist.go` `Sublist`.
pub struct Sublist<T> {
    trie: Trie<Subscribers<T>>,
    cache: Option<ResultCache<T>>,
    watchers: Watchers,
    empty: Arc<MatchResult<T>>,
    generation: u64,
    count: u32,
    inserts: u64,
    removes: u64,
    matches: AtomicU64,
    cache_hits: AtomicU64,
}

impl<T> std::fmt::Debug for Sublist<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sublist")
            .field("count", &self.count)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl<T: Subscriber> Default for Sublist<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Subscriber> Sublist<T> {
    /// An empty table without a result cache.
    pub fn new() -> Self {
        Self::from_trie(Trie::new())
    }

    /// An empty table; with `enabled` it remembers the results of the last subjects.
    pub fn with_cache(enabled: bool) -> Self {
        let mut list = Self::new();
        list.cache = enabled.then(ResultCache::new);
        list
    }

    /// As [`Sublist::new`], with a hash seed of the caller's, so that a simulation repeats the
    /// order of results. Not for subjects that strangers choose.
    pub fn with_seed(seed: u64) -> Self {
        Self::from_trie(Trie::with_seed(seed))
    }

    fn from_trie(trie: Trie<Subscribers<T>>) -> Self {
        Self {
            trie,
            cache: None,
            watchers: Watchers::default(),
            empty: Arc::default(),
            generation: 0,
            count: 0,
            inserts: 0,
            removes: 0,
            matches: AtomicU64::new(0),
            cache_hits: AtomicU64::new(0),
        }
    }

    /// Whether results are remembered.
    pub fn is_cached(&self) -> bool {
        self.cache.is_some()
    }

    /// Adds a subscription. White space in `subject` is not checked here, as in Go.
    ///
    /// The same handle twice under one subject and queue counts once.
    /// Differs from Go: there the second insert raises the count, which then never falls to zero.
    pub fn insert(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        value: T,
    ) -> Result<(), SublistError> {
        if !is_well_formed(subject) {
            return Err(SublistError::InvalidSubject);
        }
        let Some(is_first) = self.trie.entry(subject).insert(queue, value) else {
            return Ok(());
        };
        self.count += 1;
        self.inserts += 1;
        self.changed(subject);
        if is_first && !self.watchers.is_empty() {
            self.watchers.interest_began(subject, queue);
        }
        Ok(())
    }

    /// Takes a subscription out.
    pub fn remove(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        value: &T,
    ) -> Result<(), SublistError> {
        self.remove_uncounted(subject, queue, value)?;
        self.changed(subject);
        Ok(())
    }

    fn remove_uncounted(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        value: &T,
    ) -> Result<(), SublistError> {
        if !is_well_formed(subject) {
            return Err(SublistError::InvalidSubject);
        }
        let removed = self.trie.update(subject, |subscribers| subscribers.remove(queue, value));
        let Some(Some(was_last)) = removed else {
            return Err(SublistError::NotFound);
        };
        self.count -= 1;
        self.removes += 1;
        if was_last && !self.watchers.is_empty() {
            self.watchers.interest_ended(subject, queue);
        }
        Ok(())
    }

    /// Takes many subscriptions out under one change of generation. All are tried; the first
    /// error is reported.
    ///
    /// Source: Go `server/sublist.go` `RemoveBatch`.
    pub fn remove_batch<'a>(
        &mut self,
        subscriptions: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>, &'a T)>,
    ) -> Result<(), SublistError>
    where
        T: 'a,
    {
        let mut outcome = Ok(());
        let mut is_empty = true;
        for (subject, queue, value) in subscriptions {
            is_empty = false;
            let removed = self.remove_uncounted(subject, queue, value);
            outcome = outcome.and(removed);
        }
        if !is_empty {
            self.generation += 1;
            if let Some(cache) = &mut self.cache {
                cache.clear();
            }
        }
        outcome
    }

    /// Forgets remembered results after the weight of a subscription of `subject` changed.
    ///
    /// Source: Go `server/sublist.go` `UpdateRemoteQSub`.
    pub fn update_weight(&mut self, subject: &[u8]) {
        self.changed(subject);
    }

    fn changed(&mut self, subject: &[u8]) {
        self.generation += 1;
        if let Some(cache) = &mut self.cache {
            cache.forget(subject);
        }
    }

    /// Changes with every insert, remove and weight update: equal generations, equal results.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All subscriptions that want a message of `subject`.
    ///
    /// `subject` is taken literally, wildcard tokens included: a `*` in it is matched by the
    /// filters `*` and `>` alone. An empty token matches nothing.
    /// Source: Go `server/sublist.go` `Match`.
    pub fn match_subject(&self, subject: &[u8]) -> Arc<MatchResult<T>> {
        self.matches.fetch_add(1, Ordering::Relaxed);
        if let Some(found) = self.cached(subject) {
            return found;
        }
        if !has_no_empty_token(subject) {
            return Arc::clone(&self.empty);
        }
        let mut result = MatchResult::default();
        self.collect_matching(subject, &mut result);
        let result = if result.is_empty() { Arc::clone(&self.empty) } else { Arc::new(result) };
        if let Some(cache) = &self.cache {
            cache.put(subject, Arc::clone(&result));
        }
        result
    }

    /// As [`Sublist::match_subject`], into a result that the caller keeps and past the cache.
    /// What `result` held before is dropped.
    pub fn match_into(&self, subject: &[u8], result: &mut MatchResult<T>) {
        self.matches.fetch_add(1, Ordering::Relaxed);
        result.clear();
        if has_no_empty_token(subject) {
            self.collect_matching(subject, result);
        }
    }

    fn collect_matching(&self, subject: &[u8], result: &mut MatchResult<T>) {
        let _: ControlFlow<()> = self.trie.visit_matching(subject, |subscribers| {
            subscribers.add_to(result);
            ControlFlow::Continue(())
        });
    }

    fn cached(&self, subject: &[u8]) -> Option<Arc<MatchResult<T>>> {
        let found = self.cache.as_ref()?.get(subject)?;
        self.cache_hits.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// Whether anybody wants a message of `subject`.
    pub fn has_interest(&self, subject: &[u8]) -> bool {
        if let Some(found) = self.cached(subject) {
            return !found.is_empty();
        }
        has_no_empty_token(subject)
            && self.trie.visit_matching(subject, |_| ControlFlow::Break(())).is_break()
    }

    /// Whether some filter stands for a subject whose first tokens are those of `prefix`.
    pub fn has_interest_below(&self, prefix: &[u8]) -> bool {
        self.trie.has_interest_below(prefix)
    }

    /// The filter, when all subscriptions have the same one.
    pub fn only_filter(&self) -> Option<&[u8]> {
        self.trie.only_filter()
    }

    /// All filters, when there are at most `limit`.
    pub fn few_filters(&self, limit: usize) -> Option<Vec<Box<[u8]>>> {
        self.trie.few_filters(limit)
    }

    /// How many plain subscriptions and queue members want a message of `subject`.
    ///
    /// Differs from Go: all are counted. Go counts the first filter it finds unless the result
    /// was cached.
    /// Source: Go `server/sublist.go` `NumInterest`.
    pub fn interest_count(&self, subject: &[u8]) -> InterestCount {
        let mut count = InterestCount::default();
        if let Some(found) = self.cached(subject) {
            count.plain = found.plain.len();
            count.queue = found.queues.iter().map(|group| group.members.len()).sum();
        } else if has_no_empty_token(subject) {
            let _: ControlFlow<()> = self.trie.visit_matching(subject, |subscribers| {
                subscribers.add_to_count(&mut count);
                ControlFlow::Continue(())
            });
        }
        count
    }

    /// All subscriptions whose filter overlaps `filter`, which may hold wildcards.
    ///
    /// Differs from Go: exactly the overlapping ones. Go also returns the neighbours of a `>`
    /// and may miss filters that begin with the same tokens as one with `*`.
    /// Source: Go `server/sublist.go` `ReverseMatch`.
    pub fn reverse_match(&self, filter: &[u8]) -> Arc<MatchResult<T>> {
        let mut result = MatchResult::default();
        if has_no_empty_token(filter) {
            self.trie.visit_colliding(filter, |subscribers| subscribers.add_to(&mut result));
        }
        if result.is_empty() { Arc::clone(&self.empty) } else { Arc::new(result) }
    }

    /// Visits every subscription as (subject, queue, handle), in no particular order.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], Option<&[u8]>, &T)) {
        self.trie.visit_all(|subject, subscribers| {
            subscribers.for_each(|queue, value| visit(subject, queue, value));
        });
    }

    /// Every subscription for which `keep` says yes, such as those of local clients.
    ///
    /// Source: Go `server/sublist.go` `localSubs`, `All`.
    pub fn collect(&self, mut keep: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut found = Vec::new();
        self.for_each(|_, _, value| {
            if keep(value) {
                found.push(value.clone());
            }
        });
        found
    }

    /// Every subscription.
    pub fn all(&self) -> Vec<T> {
        self.collect(|_| true)
    }

    /// Watches whether there is a subscription to exactly this subject and queue: a wildcard
    /// filter that matches it does not count. Returns whether there is one now; each change
    /// after that is an [`InterestEvent`].
    ///
    /// `subject` must be literal. Without `queue` only plain subscriptions count.
    /// Source: Go `server/sublist.go` `RegisterNotification`, `RegisterQueueNotification`.
    pub fn watch(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        watcher: WatcherId,
    ) -> Result<bool, SublistError> {
        if has_wildcard(subject) {
            return Err(SublistError::InvalidSubject);
        }
        let subscribers = self.trie.get(subject);
        let is_interested = subscribers.is_some_and(|subscribers| subscribers.has(queue));
        self.watchers.add(subject, queue, watcher, is_interested)?;
        Ok(is_interested)
    }

    /// Ends a watch and says whether there was one. Events that are queued stay queued.
    ///
    /// Source: Go `server/sublist.go` `ClearNotification`, `ClearQueueNotification`.
    pub fn unwatch(&mut self, subject: &[u8], queue: Option<&[u8]>, watcher: WatcherId) -> bool {
        self.watchers.remove(subject, queue, watcher)
    }

    /// Whether [`Sublist::take_events`] would return something.
    pub fn has_events(&self) -> bool {
        self.watchers.has_events()
    }

    /// The changes of watched interest since the last call, oldest first. To be called after
    /// every change while something is watched.
    pub fn take_events(&mut self) -> Vec<InterestEvent> {
        self.watchers.take_events()
    }

    /// How many subscriptions there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many results are remembered.
    pub fn cache_count(&self) -> usize {
        self.cache.as_ref().map_or(0, ResultCache::len)
    }

    /// The number of tokens of the longest subject.
    pub fn depth(&self) -> usize {
        self.trie.depth()
    }

    /// Bytes held by the table, without the cache and what handles hold on the heap. Walks
    /// everything.
    pub fn allocated_size(&self) -> usize {
        self.trie.allocated_size()
    }

    /// Figures for monitoring. Fan-out is taken from the remembered results, as in Go.
    ///
    /// Source: Go `server/sublist.go` `Stats`.
    pub fn stats(&self) -> SublistStats {
        let mut stats = SublistStats {
            subscription_count: self.count,
            insert_count: self.inserts,
            remove_count: self.removes,
            match_count: self.matches.load(Ordering::Relaxed),
            cache_hit_count: self.cache_hits.load(Ordering::Relaxed),
            ..SublistStats::default()
        };
        if let Some(cache) = &self.cache {
            cache.for_each(|result| stats.add_fan_out(result.plain.len() + result.queues.len()));
        }
        stats
    }
}

#[cfg(test)]
mod tests;
