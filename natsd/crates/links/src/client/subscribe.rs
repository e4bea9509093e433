//! SUB and UNSUB.
//!
//! Source: Go `server/client.go` (`processSubEx`, `processUnsub`, `unsubscribe`).

use super::link::ClientLink;
use crate::LinkCx;
use natsd_base::quote;
use natsd_broker::{Subscription, SubscriptionRef};
use natsd_subject::subject::token_count;
use tracing::error;

/// The queue group of the server's own services. Go: `sysGroup`.
const SYSTEM_QUEUE: &[u8] = b"_sys_";

impl ClientLink {
    pub(super) fn subscribe(
        &mut self,
        cx: &mut LinkCx<'_>,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) {
        let permitted = queue != Some(SYSTEM_QUEUE)
            && self.permissions.as_ref().is_none_or(|one| one.may_subscribe(subject, queue));
        if !permitted {
            return self.subscription_violation(subject, queue, sid);
        }
        if let Some(permissions) = &self.permissions
            && permissions.filters_delivery(subject, queue)
        {
            let permissions = permissions.clone();
            self.sink.with_output(|output| output.filter = Some(permissions));
        }
        if cx.snapshot.subscription_tokens_max.is_some_and(|max| token_count(subject) > max) {
            let (subject, sid) = (quote(subject), String::from_utf8_lossy(sid));
            error!(
                "{} - Subscription Violation Too Many Tokens - Subject {subject}, SID {sid}",
                self.label
            );
            let violation = "Permissions Violation for Subscription to";
            return self.send_error(&format!("{violation} {subject}, too many tokens"));
        }
        if self.subscriptions_max.is_some_and(|max| self.sink.subscription_count() >= max) {
            error!("{} - maximum subscriptions exceeded", self.label);
            return self.send_error("maximum subscriptions exceeded");
        }
        if self.sink.with_subscriptions(|table| table.get(sid).is_none()) {
            let subscription =
                Subscription::new(self.receiver.clone(), self.sink.id(), subject, queue, sid);
            let subscription = SubscriptionRef::new(subscription);
            self.sink.with_subscriptions(|table| table.insert(subscription.clone()));
            if self.account.subscribe(&subscription).is_err() {
                self.sink.with_subscriptions(|table| table.remove(&subscription));
                return self.send_error("Invalid Subject");
            }
        }
        self.send_ok();
    }

    /// Whether deliveries to the subscriptions have to be checked under the permissions, which
    /// changed.
    pub(super) fn needs_filter(&self) -> bool {
        let Some(permissions) = &self.permissions else { return false };
        self.sink.with_subscriptions(|table| {
            table.iter().any(|one| permissions.filters_delivery(one.subject(), one.queue()))
        })
    }

    /// Ends the subscriptions that the permissions, which changed, do not allow.
    pub(super) fn drop_forbidden_subscriptions(&self) {
        let Some(permissions) = &self.permissions else { return };
        let forbidden = self.sink.with_subscriptions(|table| {
            let is_forbidden =
                |one: &&SubscriptionRef| !permissions.may_subscribe(one.subject(), one.queue());
            let forbidden: Vec<_> = table.iter().filter(is_forbidden).cloned().collect();
            forbidden.iter().for_each(|one| drop(table.remove(one)));
            forbidden
        });
        for subscription in forbidden {
            subscription.close();
            self.account.unsubscribe(&subscription);
            let (subject, sid) =
                (quote(subscription.subject()), String::from_utf8_lossy(subscription.sid()));
            let queue = subscription.queue().map(|queue| format!(" using queue {}", quote(queue)));
            let queue = queue.unwrap_or_default();
            let violation = "Permissions Violation for Subscription to";
            self.send_error(&format!("{violation} {subject}{queue} (sid \"{sid}\")"));
        }
    }

    fn subscription_violation(&self, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        let (subject, sid) = (quote(subject), String::from_utf8_lossy(sid));
        let label = &self.label;
        let mut text = format!("Permissions Violation for Subscription to {subject}");
        if let Some(queue) = queue.map(quote) {
            text = format!("{text} using queue {queue}");
            error!(
                "{label} - Subscription Violation - Subject {subject}, Queue: {queue}, SID {sid}"
            );
        } else {
            error!("{label} - Subscription Violation - Subject {subject}, SID {sid}");
        }
        self.send_error(&text);
    }

    pub(super) fn unsubscribe(&mut self, sid: &[u8], max: i64) {
        let ended = self.sink.with_subscriptions(|table| {
            let subscription = table.get(sid)?.clone();
            // Under the lock of deliveries, so that none is counted in between.
            let stays = self.sink.with_output(|_| match u64::try_from(max) {
                Ok(max) if max > subscription.delivered() => {
                    subscription.set_delivered_max(max);
                    true
                }
                _ => false,
            });
            if stays {
                return None;
            }
            table.remove(&subscription);
            Some(subscription)
        });
        self.send_ok();
        if let Some(subscription) = ended {
            subscription.close();
            self.account.unsubscribe(&subscription);
        }
    }
}
