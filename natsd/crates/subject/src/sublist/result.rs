//! What a lookup returns, and the figures of an interest table.
//!
//! Source: Go `server/sublist.go` `SublistResult`, `SublistStats`.

use std::sync::Arc;

/// The members of one queue group that match a subject. One of them gets the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueGroup<T> {
    /// The name of the group.
    pub queue: Arc<[u8]>,
    /// The members; one with a weight stands here that many times.
    pub members: Vec<T>,
}

/// The subscriptions that match a subject, in no particular order.
///
/// Source: Go `server/sublist.go` `SublistResult`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchResult<T> {
    /// Subscriptions without a queue. Each gets the message.
    pub plain: Vec<T>,
    /// Queue groups, each name once.
    pub queues: Vec<QueueGroup<T>>,
}

impl<T> Default for MatchResult<T> {
    fn default() -> Self {
        Self { plain: Vec::new(), queues: Vec::new() }
    }
}

impl<T> MatchResult<T> {
    /// Whether nothing matched.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queues.is_empty()
    }

    /// Empties the result and keeps its memory.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.queues.clear();
    }

    /// The group of this name.
    pub fn queue(&self, name: &[u8]) -> Option<&QueueGroup<T>> {
        self.queues.iter().find(|group| &*group.queue == name)
    }

    /// The members of the group `queue`, added when it is new.
    pub(super) fn members_mut(&mut self, queue: &Arc<[u8]>) -> &mut Vec<T> {
        // Few groups match one subject, so a scan beats a map.
        let found = self.queues.iter().position(|group| group.queue == *queue);
        let index = found.unwrap_or_else(|| {
            self.queues.push(QueueGroup { queue: Arc::clone(queue), members: Vec::new() });
            self.queues.len() - 1
        });
        &mut self.queues[index].members
    }
}

/// How many subscriptions want a subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InterestCount {
    /// Subscriptions without a queue.
    pub plain: usize,
    /// Members of queue groups.
    pub queue: usize,
}

impl InterestCount {
    /// Plain subscriptions and queue members together.
    pub fn total(&self) -> usize {
        self.plain + self.queue
    }
}

/// Figures of one interest table, or of several added up.
///
/// Source: Go `server/sublist.go` `SublistStats`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SublistStats {
    /// Subscriptions now. Go: `num_subscriptions`.
    pub subscription_count: u32,
    /// Results in the cache now. Go: `num_cache`.
    pub cache_count: u32,
    /// Go: `num_inserts`.
    pub insert_count: u64,
    /// Go: `num_removes`.
    pub remove_count: u64,
    /// Go: `num_matches`.
    pub match_count: u64,
    /// Lookups that the cache answered.
    pub cache_hit_count: u64,
    /// Most receivers (subscriptions and groups) of one cached result. Go: `max_fanout`.
    pub fan_out_max: u32,
    /// Receivers of all cached results.
    pub fan_out_total: u64,
}

impl SublistStats {
    /// Adds the figures of another table.
    ///
    /// Source: Go `server/sublist.go` `SublistStats.add`.
    pub fn add(&mut self, other: &Self) {
        self.subscription_count += other.subscription_count;
        self.cache_count += other.cache_count;
        self.insert_count += other.insert_count;
        self.remove_count += other.remove_count;
        self.match_count += other.match_count;
        self.cache_hit_count += other.cache_hit_count;
        self.fan_out_max = self.fan_out_max.max(other.fan_out_max);
        self.fan_out_total += other.fan_out_total;
    }

    pub(super) fn add_fan_out(&mut self, receivers: usize) {
        let receivers = u32::try_from(receivers).unwrap_or(u32::MAX);
        self.cache_count += 1;
        self.fan_out_total += u64::from(receivers);
        self.fan_out_max = self.fan_out_max.max(receivers);
    }

    /// Share of lookups that the cache answered, 0 without lookups. Go: `cache_hit_rate`.
    pub fn cache_hit_rate(&self) -> f64 {
        ratio(self.cache_hit_count, self.match_count)
    }

    /// Mean receivers per cached result, 0 without results. Go: `avg_fanout`.
    pub fn fan_out_mean(&self) -> f64 {
        ratio(self.fan_out_total, u64::from(self.cache_count))
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
