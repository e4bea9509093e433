//! Leaves to answer requests: which reply subjects a connection has seen, and how often it used
//! each.
//!
//! Source: Go `server/client.go` (`responseAllowed`, `pruneReplyPerms`).

use core::time::Duration;
use natsd_base::{Timestamp, limits};
use natsd_config::options::ResponsePermission;
use std::collections::HashMap;

/// Time between two searches for leaves that are over. Go: `replyPruneTime`.
const PRUNE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Permit {
    since: Timestamp,
    used: i64,
}

/// The reply subjects that one connection may publish to.
#[derive(Debug)]
pub struct ReplyPermits {
    rule: ResponsePermission,
    permits: HashMap<Box<[u8]>, Permit>,
    added_since_prune: usize,
    pruned: Timestamp,
}

impl ReplyPermits {
    /// No leaves yet, under `rule`.
    #[must_use]
    pub fn new(rule: ResponsePermission, now: Timestamp) -> ReplyPermits {
        ReplyPermits { rule, permits: HashMap::new(), added_since_prune: 0, pruned: now }
    }

    /// A request with this reply subject was delivered.
    pub fn grant(&mut self, reply: &[u8], now: Timestamp) {
        self.permits.insert(reply.into(), Permit { since: now, used: 0 });
        self.added_since_prune += 1;
        if self.added_since_prune > limits::REPLY_PERMITS_PRUNE
            || now.since(self.pruned) > PRUNE_INTERVAL
        {
            let rule = self.rule;
            self.permits.retain(|_, permit| {
                let used_up = rule.max_msgs > 0 && permit.used >= rule.max_msgs;
                !used_up && !expired(rule, permit, now)
            });
            self.added_since_prune = 0;
            self.pruned = now;
        }
    }

    /// Leaves that are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.permits.len()
    }

    /// Uses the leave for `subject` once. False when there is none (any more).
    #[must_use]
    pub fn spend(&mut self, subject: &[u8], now: Timestamp) -> bool {
        let rule = self.rule;
        let Some(permit) = self.permits.get_mut(subject) else { return false };
        permit.used += 1;
        let over = (rule.max_msgs > 0 && permit.used > rule.max_msgs) || expired(rule, permit, now);
        if over {
            self.permits.remove(subject);
        }
        !over
    }
}

fn expired(rule: ResponsePermission, permit: &Permit, now: Timestamp) -> bool {
    rule.expires.is_some_and(|expires| now.since(permit.since) > expires)
}
