//! `/connz`
//!
//! Connections are ordered and cut to the page first; only what is on the page is looked at in full.
//!
//! Source: Go `server/monitor.go` (`Connz`, `ConnInfo.fill`), `server/monitor_sort_opts.go`.

use super::certificate;
use super::subsz::detail;
use super::{lossy, signed};
use crate::registry::{ClosedClient, ClosedSubscription};
use crate::server::Server;
use natsd_admin_api::QueryError;
use natsd_api::Rfc3339;
use natsd_api::monitor::{
    CONNECTIONS_LISTED_DEFAULT, ConnInfo, ConnSort, ConnState, Connz, ConnzOptions, SubDetail, page,
};
use natsd_base::{ConnectionId, Timestamp, format_duration, format_go_duration};
use natsd_broker::{Account, GLOBAL_ACCOUNT};
use natsd_links::client::{ClientDetails, ClientSink};
use natsd_subject::subject::subjects_collide;
use std::cmp::Reverse;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A connection that may be shown.
enum Found {
    Open(Arc<ClientSink>),
    Closed(Box<ClosedClient>),
}

/// What the order goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Ascending(u64),
    Descending(Reverse<u64>),
    Text(&'static str),
}

pub(super) fn connz(server: &Server, options: &ConnzOptions) -> Result<Connz, QueryError> {
    check(options)?;
    let now = server.clock.now();
    let limit = if options.cid > 0 { 1 } else { options.limit };
    let mut connz = Connz {
        now: Rfc3339(now),
        offset: options.offset.max(0),
        limit: if limit > 0 { limit } else { CONNECTIONS_LISTED_DEFAULT },
        ..Connz::default()
    };
    if !options.account.is_empty() && server.accounts().get(&options.account).is_none() {
        return Ok(connz);
    }
    server.id().clone_into(&mut connz.server_id);
    let mut found = gather(server, options, &mut connz.total);
    found.sort_by_cached_key(|one| (one.key(options.sort, now), one.id()));
    let shown = page(found.len(), connz.offset, connz.limit);
    let infos: Vec<ConnInfo> = found[shown].iter().map(|one| one.info(options, now)).collect();
    connz.num_connections = signed(infos.len());
    connz.connections = Some(infos);
    Ok(connz)
}

fn check(options: &ConnzOptions) -> Result<(), QueryError> {
    let closed_only = match options.sort {
        ConnSort::Stop => Some("stop"),
        ConnSort::Reason => Some("reason"),
        _ => None,
    };
    if let Some(name) = closed_only.filter(|_| options.state != ConnState::Closed) {
        let reason = format!("sort by {name} only valid on closed connections");
        return Err(QueryError::BadRequest(reason));
    }
    if has_subject_filter(options) && options.account.is_empty() {
        let reason = "filter by subject only valid with account filtering".to_owned();
        return Err(QueryError::BadRequest(reason));
    }
    Ok(())
}

fn has_subject_filter(options: &ConnzOptions) -> bool {
    !options.filter_subject.is_empty() && options.filter_subject != ">"
}

/// All connections that the request is about. Sets `total` to how many there are before users and
/// MQTT clients are looked at, as Go does.
fn gather(server: &Server, options: &ConnzOptions, total: &mut i64) -> Vec<Found> {
    let mut found = Vec::new();
    if matches!(options.state, ConnState::Open | ConnState::All) {
        found.extend(server.registry.open().into_iter().map(Found::Open));
    }
    if matches!(options.state, ConnState::Closed | ConnState::All) {
        let closed = server.registry.closed().into_iter();
        found.extend(closed.map(|one| Found::Closed(Box::new(one))));
    }
    if !options.account.is_empty() {
        // Differs from Go: closed connections of the global account are found by its name too.
        found.retain(|one| one.with_details(|details| account_name(details) == options.account));
    }
    *total = signed(found.len());
    if options.cid > 0 {
        found.retain(|one| one.id().0 == options.cid);
        found.truncate(1);
        return found;
    }
    if !options.user.is_empty() {
        found.retain(|one| one.with_details(|details| details.user == options.user));
    }
    if !options.mqtt_client.is_empty() {
        // There are no MQTT clients here.
        found.clear();
    }
    if has_subject_filter(options) {
        let filter = options.filter_subject.as_bytes();
        found.retain(|one| one.has_interest(filter));
    }
    found
}

fn account_name(details: &ClientDetails) -> &str {
    details.account.as_ref().map_or(GLOBAL_ACCOUNT, |account| account.name())
}

impl Found {
    fn id(&self) -> ConnectionId {
        match self {
            Found::Open(sink) => sink.id(),
            Found::Closed(closed) => closed.id,
        }
    }

    fn with_details<R>(&self, look: impl FnOnce(&ClientDetails) -> R) -> R {
        match self {
            Found::Open(sink) => look(&sink.status.details()),
            Found::Closed(closed) => look(&closed.details),
        }
    }

    fn has_interest(&self, filter: &[u8]) -> bool {
        match self {
            Found::Open(sink) => {
                sink.subscriptions().iter().any(|one| subjects_collide(filter, one.subject()))
            }
            Found::Closed(_) => true,
        }
    }

    fn started(&self) -> Timestamp {
        match self {
            Found::Open(sink) => sink.started(),
            Found::Closed(closed) => closed.started,
        }
    }

    fn last_activity(&self) -> Timestamp {
        match self {
            Found::Open(sink) => sink.status.last_activity(),
            Found::Closed(closed) => closed.last_activity,
        }
    }

    /// Messages and bytes received, then sent.
    fn traffic(&self) -> [u64; 4] {
        match self {
            Found::Open(sink) => {
                let (out_msgs, out_bytes) = sink.sent();
                let in_msgs = sink.status.in_msgs.load(Ordering::Relaxed);
                [in_msgs, sink.status.in_bytes.load(Ordering::Relaxed), out_msgs, out_bytes]
            }
            Found::Closed(one) => [one.in_msgs, one.in_bytes, one.out_msgs, one.out_bytes],
        }
    }

    fn round_trip(&self) -> Option<Duration> {
        match self {
            Found::Open(sink) => sink.status.round_trip(),
            Found::Closed(closed) => closed.round_trip,
        }
    }

    fn pending_bytes(&self) -> usize {
        match self {
            Found::Open(sink) => sink.pending_bytes(),
            Found::Closed(closed) => closed.pending_bytes,
        }
    }

    fn subscription_count(&self) -> usize {
        match self {
            Found::Open(sink) => sink.subscription_count(),
            Found::Closed(closed) => closed.subscriptions.len(),
        }
    }

    fn key(&self, sort: ConnSort, now: Timestamp) -> Key {
        let since = |at: Timestamp| u64::try_from(at.0).unwrap_or(0);
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let [in_msgs, in_bytes, out_msgs, out_bytes] = self.traffic();
        let largest_first = match sort {
            ConnSort::Cid | ConnSort::Start => return Key::Ascending(self.id().0),
            ConnSort::Uptime => {
                let end = if let Found::Closed(closed) = self { closed.stopped } else { now };
                return Key::Ascending(nanos(end - self.started()));
            }
            ConnSort::Reason => match self {
                Found::Open(_) => return Key::Text(""),
                Found::Closed(closed) => return Key::Text(closed.reason.text()),
            },
            ConnSort::Subscriptions => self.subscription_count() as u64,
            ConnSort::Pending => self.pending_bytes() as u64,
            ConnSort::OutMsgs => out_msgs,
            ConnSort::InMsgs => in_msgs,
            ConnSort::OutBytes => out_bytes,
            ConnSort::InBytes => in_bytes,
            ConnSort::LastActivity => since(self.last_activity()),
            ConnSort::Idle => nanos(now - self.last_activity()),
            ConnSort::Stop => match self {
                Found::Open(_) => 0,
                Found::Closed(closed) => since(closed.stopped),
            },
            ConnSort::RoundTrip => self.round_trip().map_or(0, nanos),
        };
        Key::Descending(Reverse(largest_first))
    }

    fn info(&self, options: &ConnzOptions, now: Timestamp) -> ConnInfo {
        let mut info = ConnInfo::default();
        self.fill_figures(&mut info, now);
        self.with_details(|details| fill_details(&mut info, details, options));
        match self {
            Found::Open(sink) => {
                let subscriptions = sink.subscriptions();
                if options.subscriptions_detail {
                    info.subscriptions_list_detail = subscriptions.iter().map(detail).collect();
                } else if options.subscriptions {
                    let subjects = subscriptions.iter().map(|one| lossy(one.subject()));
                    info.subscriptions_list = subjects.collect();
                }
                if options.auth {
                    let details = sink.status.details();
                    info.tls_peer_certs = certificate::describe(&details.tls_peer_certificates);
                }
            }
            Found::Closed(closed) => fill_closed(&mut info, closed, options),
        }
        info
    }

    fn fill_figures(&self, info: &mut ConnInfo, now: Timestamp) {
        let (address, end, stalls) = match self {
            Found::Open(sink) => (sink.address(), now, sink.status.stalls.load(Ordering::Relaxed)),
            Found::Closed(closed) => (&*closed.address, closed.stopped, closed.stalls),
        };
        let [in_msgs, in_bytes, out_msgs, out_bytes] = self.traffic();
        info.cid = self.id().0;
        "Client".clone_into(&mut info.kind);
        "nats".clone_into(&mut info.client_type);
        if let Ok(address) = address.parse::<SocketAddr>() {
            info.ip = address.ip().to_string();
            info.port = i64::from(address.port());
        }
        info.start = Rfc3339(self.started());
        info.last_activity = Rfc3339(self.last_activity());
        info.rtt = format_go_duration(shown_round_trip(self.round_trip().unwrap_or_default()));
        info.uptime = format_duration(end - self.started());
        info.idle = format_duration(end - self.last_activity());
        info.pending_bytes = signed(self.pending_bytes());
        info.in_msgs = signed(in_msgs);
        info.in_bytes = signed(in_bytes);
        info.out_msgs = signed(out_msgs);
        info.out_bytes = signed(out_bytes);
        info.stalls = signed(stalls);
        info.subscriptions = u32::try_from(self.subscription_count()).unwrap_or(u32::MAX);
    }
}

/// Go shows times between a micro- and a millisecond in whole microseconds.
fn shown_round_trip(round_trip: Duration) -> Duration {
    if round_trip > Duration::from_micros(1) && round_trip < Duration::from_millis(1) {
        Duration::from_micros(u64::try_from(round_trip.as_micros()).unwrap_or(0))
    } else {
        round_trip
    }
}

fn fill_details(info: &mut ConnInfo, details: &ClientDetails, options: &ConnzOptions) {
    info.name.clone_from(&details.name);
    info.lang.clone_from(&details.lang);
    info.version.clone_from(&details.version);
    info.tls_version = details.tls_version.unwrap_or_default().to_owned();
    info.tls_cipher_suite = details.tls_cipher.unwrap_or_default().to_owned();
    info.tls_first = details.tls_first;
    if options.auth {
        info.authorized_user.clone_from(&details.user);
        let account = account_name(details);
        account.clone_into(&mut info.name_tag);
        if account != GLOBAL_ACCOUNT {
            account.clone_into(&mut info.account);
        }
    }
}

fn fill_closed(info: &mut ConnInfo, closed: &ClosedClient, options: &ConnzOptions) {
    info.stop = Some(Rfc3339(closed.stopped));
    closed.reason.text().clone_into(&mut info.reason);
    if info.account.is_empty() {
        // Go knows the tag of a closed connection only where it shows the account.
        info.name_tag.clear();
    }
    let account = closed.details.account.as_ref();
    let details = |one: &ClosedSubscription| closed_detail(one, closed.id, account);
    if options.subscriptions_detail {
        info.subscriptions_list_detail = closed.subscriptions.iter().map(details).collect();
    } else if options.subscriptions {
        let subjects = closed.subscriptions.iter().map(|one| lossy(&one.subject));
        info.subscriptions_list = subjects.collect();
    }
}

fn closed_detail(
    subscription: &ClosedSubscription,
    connection: ConnectionId,
    account: Option<&Arc<Account>>,
) -> SubDetail {
    let account = account.map(|account| account.name().to_string()).unwrap_or_default();
    SubDetail {
        account_tag: account.clone(),
        account,
        subject: lossy(&subscription.subject),
        qgroup: subscription.queue.as_deref().map(lossy).unwrap_or_default(),
        sid: lossy(&subscription.sid),
        msgs: signed(subscription.delivered),
        max: signed(subscription.delivered_max),
        cid: connection.0,
    }
}

#[cfg(test)]
mod tests;
