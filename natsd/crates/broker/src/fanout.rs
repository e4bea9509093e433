//! From a published message to its receivers.
//!
//! Source: Go `server/client.go` (`processMsgResults`, `deliverMsg`).

use crate::{Account, Deliver, Delivered, FlushSet, MatchCache, Msg, SubscriptionRef};
use natsd_base::{ConnectionId, Prng, Timestamp};
use std::sync::Arc;

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The publishing connection.
    pub connection: ConnectionId,
    /// Whether it receives its own messages.
    pub echo: bool,
}

/// What one worker thread keeps for all the connections that it drives.
#[derive(Debug)]
pub struct Worker {
    cache: MatchCache,
    prng: Prng,
    /// The receivers that the running batch touched.
    pub flush: FlushSet,
    /// Messages that the running batch delivered.
    pub out_msgs: u64,
    /// Bytes of headers and bodies that the running batch delivered.
    pub out_bytes: u64,
}

impl Worker {
    /// A worker whose choices among queue members follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Worker {
        Worker {
            cache: MatchCache::default(),
            prng: Prng::from_seed(seed),
            flush: FlushSet::default(),
            out_msgs: 0,
            out_bytes: 0,
        }
    }

    /// Delivers `msg` to every plain subscription and to one member of each queue group. Returns
    /// whether anybody took it.
    pub fn publish(
        &mut self,
        account: &Account,
        origin: Origin,
        msg: &Msg<'_>,
        now: Timestamp,
    ) -> bool {
        let mut batch =
            Batch { account, origin, msg, now, flush: &mut self.flush, out_msgs: 0, out_bytes: 0 };
        let result = self.cache.lookup(account, msg.subject);
        let mut taken = false;
        for subscription in &result.plain {
            taken |= batch.deliver(subscription);
        }
        for group in &result.queues {
            let members = &group.members;
            let start = if members.len() > 1 { self.prng.below(members.len()) } else { 0 };
            let (before, from) = members.split_at(start);
            taken |= from.iter().chain(before).any(|member| batch.deliver(member));
        }
        self.out_msgs += batch.out_msgs;
        self.out_bytes += batch.out_bytes;
        taken
    }

    /// Whether anybody in `account` is interested in `subject`, and of whom `is_it` holds.
    pub fn find_plain(
        &mut self,
        account: &Account,
        subject: &[u8],
        is_it: impl Fn(&SubscriptionRef) -> bool,
    ) -> Option<SubscriptionRef> {
        self.cache.lookup(account, subject).plain.iter().find(|one| is_it(one)).cloned()
    }

    /// Where `account` sends a message of `subject`, if it maps it.
    #[inline]
    pub fn map_subject(&mut self, account: &Account, subject: &[u8]) -> Option<Vec<u8>> {
        account.map_subject(subject, &mut self.prng)
    }

    /// A random number below `bound`.
    pub fn random(&mut self, bound: usize) -> usize {
        self.prng.below(bound)
    }

    /// Ends a batch: flushes all receivers and returns one that did not keep up.
    pub fn finish(&mut self, now: Timestamp) -> Option<Arc<dyn Deliver>> {
        self.cache.clear_scratch();
        self.flush.flush_all(now)
    }

    /// Takes the counts of deliveries since the last call, messages first.
    pub fn take_counts(&mut self) -> (u64, u64) {
        (core::mem::take(&mut self.out_msgs), core::mem::take(&mut self.out_bytes))
    }
}

struct Batch<'a> {
    account: &'a Account,
    origin: Origin,
    msg: &'a Msg<'a>,
    now: Timestamp,
    flush: &'a mut FlushSet,
    out_msgs: u64,
    out_bytes: u64,
}

impl Batch<'_> {
    #[inline]
    fn deliver(&mut self, subscription: &SubscriptionRef) -> bool {
        if subscription.connection() == self.origin.connection && !self.origin.echo {
            return false;
        }
        let sink = subscription.sink();
        match sink.deliver(self.msg, subscription, self.now) {
            Delivered::Refused => false,
            Delivered::Queued { needs_flush, ended, crowded, size } => {
                self.out_msgs += 1;
                self.out_bytes += size as u64;
                if needs_flush {
                    self.flush.push(sink.clone());
                }
                if ended {
                    subscription.close();
                    self.account.unsubscribe(subscription);
                    sink.forget(subscription);
                }
                if crowded && sink.flush(self.now) {
                    self.flush.set_crowded(sink);
                }
                true
            }
        }
    }
}
