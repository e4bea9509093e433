//! `/subsz`
//!
//! Source: Go `server/monitor.go` (`Subsz`).

use super::{figures, lossy, signed};
use crate::server::Server;
use natsd_admin_api::QueryError;
use natsd_api::Rfc3339;
use natsd_api::monitor::{SUBSCRIPTIONS_LISTED_DEFAULT, SubDetail, Subsz, SubszOptions, page};
use natsd_broker::{Account, SubscriptionRef};
use natsd_subject::SublistStats;
use natsd_subject::subject::{is_valid_literal_subject, matches};
use std::sync::Arc;

pub(super) fn subsz(server: &Server, options: &SubszOptions) -> Result<Subsz, QueryError> {
    let test = options.test.as_bytes();
    if !test.is_empty() && !is_valid_literal_subject(test) {
        let reason =
            format!("invalid test subject, must be valid publish subject: {}", options.test);
        return Err(QueryError::BadRequest(reason));
    }
    let mut subsz = Subsz {
        server_id: server.id().to_owned(),
        now: Rfc3339(server.clock.now()),
        offset: options.offset.max(0),
        limit: if options.limit > 0 { options.limit } else { SUBSCRIPTIONS_LISTED_DEFAULT },
        ..Subsz::default()
    };
    let mut stats = SublistStats::default();
    let mut found: Vec<(Arc<Account>, SubscriptionRef)> = Vec::new();
    for account in server.accounts().iter() {
        if !options.account.is_empty() && **account.name() != *options.account {
            continue;
        }
        stats.add(&account.with_interest(|interest| interest.stats()));
        if options.subscriptions {
            let fits = |one: &SubscriptionRef| test.is_empty() || matches(test, one.subject());
            let fitting = account.with_interest(|interest| interest.collect(fits));
            found.extend(fitting.into_iter().map(|one| (account.clone(), one)));
        }
    }
    subsz.figures = figures(&stats);
    subsz.total = signed(found.len());
    subsz.subscriptions_list = found[page(found.len(), subsz.offset, subsz.limit)]
        .iter()
        .map(|(account, one)| SubDetail {
            account: account.name().to_string(),
            account_tag: account.name().to_string(),
            ..detail(one)
        })
        .collect();
    Ok(subsz)
}

/// A subscription as its connection shows it.
pub(super) fn detail(subscription: &SubscriptionRef) -> SubDetail {
    SubDetail {
        account: String::new(),
        account_tag: String::new(),
        subject: lossy(subscription.subject()),
        qgroup: subscription.queue().map(lossy).unwrap_or_default(),
        sid: lossy(subscription.sid()),
        msgs: signed(subscription.delivered()),
        max: signed(subscription.delivered_max()),
        cid: subscription.connection().0,
    }
}
