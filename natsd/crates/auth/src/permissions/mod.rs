//! What a user may publish and subscribe to, compiled for fast answers. Deny beats allow.
//!
//! Source: Go `server/client.go` (`setPermissions`, `pubAllowedFullCheck`, `canSubscribeInternal`,
//! `queueMatches`, `checkDenySub`, `responseAllowed`).

mod replies;

pub use replies::ReplyPermits;

use natsd_config::options;
use natsd_subject::Sublist;
use natsd_subject::subject::{has_wildcard, is_subset_match, is_valid_subject, subjects_collide};

/// Subject filters, each with an optional queue filter.
#[derive(Debug)]
struct Filters {
    list: Sublist<u32>,
    entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Filters {
    /// Compiles `subjects`; an entry of a subscribe list may be `subject queue`. Entries that are
    /// no subjects were refused by the configuration and match nothing here.
    fn compile(subjects: &[String]) -> Filters {
        let mut filters = Filters { list: Sublist::new(), entries: Vec::new() };
        for text in subjects {
            let mut words = text.split_whitespace().map(str::as_bytes);
            let (Some(subject), queue, None) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if !is_valid_subject(subject) || queue.is_some_and(|queue| !is_valid_subject(queue)) {
                continue;
            }
            let index = u32::try_from(filters.entries.len()).unwrap_or(u32::MAX);
            if filters.list.insert(subject, queue, index).is_ok() {
                filters.entries.push((subject.to_vec(), queue.map(<[u8]>::to_vec)));
            }
        }
        filters
    }

    fn has_plain(&self, subject: &[u8]) -> bool {
        self.list.interest_count(subject).plain > 0
    }

    /// Whether an entry without queue matches, and whether one with a queue that covers `queue`
    /// does; the second is `None` where no entry with a queue matches the subject.
    fn matches(&self, subject: &[u8], queue: Option<&[u8]>) -> (bool, Option<bool>) {
        let result = self.list.match_subject(subject);
        let by_queue = queue.filter(|_| !result.queues.is_empty()).map(|queue| {
            result.queues.iter().any(|group| {
                let filter = &*group.queue;
                queue == filter || (has_wildcard(filter) && is_subset_match(queue, filter))
            })
        });
        (!result.plain.is_empty(), by_queue)
    }
}

/// The permissions of one user.
#[derive(Debug, Default)]
pub struct Permissions {
    publish_allow: Option<Filters>,
    publish_deny: Option<Filters>,
    subscribe_allow: Option<Filters>,
    subscribe_deny: Option<Filters>,
    responses: Option<options::ResponsePermission>,
}

impl Permissions {
    /// Compiles the permissions of the configuration.
    #[must_use]
    pub fn compile(from: &options::Permissions) -> Permissions {
        let list = |subjects: &[String]| (!subjects.is_empty()).then(|| Filters::compile(subjects));
        let publish = from.publish.as_ref();
        let subscribe = from.subscribe.as_ref();
        Permissions {
            // An empty list of allowed subjects allows nothing to be published, but allows every
            // subscription. As in Go.
            publish_allow: publish.and_then(|one| one.allow.as_deref()).map(Filters::compile),
            publish_deny: publish.and_then(|one| list(&one.deny)),
            subscribe_allow: subscribe.and_then(|one| one.allow.as_deref()).and_then(list),
            subscribe_deny: subscribe.and_then(|one| list(&one.deny)),
            responses: from.responses,
        }
    }

    /// Whether publishing is restricted at all.
    #[must_use]
    pub fn restricts_publish(&self) -> bool {
        self.publish_allow.is_some() || self.publish_deny.is_some()
    }

    /// Whether `subject` may be published to, leaves for responses aside.
    #[must_use]
    pub fn may_publish(&self, subject: &[u8]) -> bool {
        self.publish_allow.as_ref().is_none_or(|allow| allow.has_plain(subject))
            && !self.publish_deny.as_ref().is_some_and(|deny| deny.list.has_interest(subject))
    }

    /// Leave to answer requests on their reply subject, where configured.
    #[must_use]
    pub fn responses(&self) -> Option<options::ResponsePermission> {
        self.responses
    }

    /// Whether `subject` may be subscribed to, in `queue` if given.
    #[must_use]
    pub fn may_subscribe(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let allowed = self.subscribe_allow.as_ref().is_none_or(|allow| {
            let (plain, by_queue) = allow.matches(subject, queue);
            by_queue.unwrap_or(plain)
        });
        allowed && !self.denies_delivery(subject, queue)
    }

    /// Whether messages of `subject` must not reach a subscription, in `queue` if given.
    #[must_use]
    pub fn denies_delivery(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.subscribe_deny.as_ref().is_some_and(|deny| {
            let (plain, by_queue) = deny.matches(subject, queue);
            plain || by_queue.unwrap_or(false)
        })
    }

    /// Whether a subscription that is allowed can still match denied subjects, so that each
    /// delivery has to be checked.
    #[must_use]
    pub fn filters_delivery(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        (queue.is_some() || has_wildcard(subject))
            && self.subscribe_deny.as_ref().is_some_and(|deny| {
                deny.entries.iter().any(|(denied, _)| subjects_collide(denied, subject))
            })
    }
}

#[cfg(test)]
mod tests;
