//! What the system account is told without asking: who comes and goes, and how the server does.
//!
//! Nothing is built unless somebody listens. Connections only put what happened into a bounded
//! queue; one task writes and publishes it. An event that finds the queue full is lost: events are
//! told at most once. No lock is held while one is published.
//!
//! Source: Go `server/events.go` (`accountConnectEvent`, `accountDisconnectEvent`,
//! `sendAuthErrorEvent`, `sendAccConnsUpdate`, `heartbeatStatsz`, `sendShutdownEvent`).

use super::{answers, publish};
use crate::query::account_figures;
use crate::registry::ClosedClient;
use crate::server::Server;
use crate::worker::random_seed;
use natsd_api::events::{
    CONNECT_EVENT, CONNECTIONS_EVENT, ClientInfo, ConnectEvent, ConnectionsEvent, DISCONNECT_EVENT,
    DisconnectEvent, EventHead,
};
use natsd_api::monitor::{AccountStat, DataStats, MsgBytes};
use natsd_api::{Rfc3339, to_compact};
use natsd_base::{ConnectionId, Prng, Timestamp};
use natsd_broker::{Account, GLOBAL_ACCOUNT};
use natsd_links::CloseReason;
use natsd_links::client::{ClientDetails, ClientSink};
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Events that may wait.
const QUEUE_MAX: usize = 4096;
/// When the figures of the server are told first, counted from the start.
const STATSZ_FIRST: Duration = Duration::from_millis(250);
/// Time from the first telling to the second; it doubles from there.
const STATSZ_SECOND: Duration = Duration::from_secs(1);
/// The longest time between two tellings.
const STATSZ_MAX: Duration = Duration::from_secs(10);
/// Time between two tellings of the connections of accounts that have some.
const CONNECTIONS_BEAT: Duration = Duration::from_secs(30);
/// Length of an id.
const ID_SIZE: usize = 22;
const ID_DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Something that happened and that somebody listens to.
#[derive(Debug)]
pub(crate) struct Event {
    /// Where it is told.
    subjects: Vec<String>,
    at: Timestamp,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Connected(Box<ClientInfo>),
    Closed(Box<Closed>),
    Connections(Box<AccountStat>),
}

#[derive(Debug)]
struct Closed {
    client: ClientInfo,
    sent: DataStats,
    received: DataStats,
    reason: CloseReason,
}

/// The way in for those to whom something happens.
#[derive(Debug)]
pub(crate) struct Events {
    queue: mpsc::Sender<Event>,
}

/// A queue of events, and its end for [`run`].
pub(crate) fn channel() -> (Events, mpsc::Receiver<Event>) {
    let (queue, events) = mpsc::channel(QUEUE_MAX);
    (Events { queue }, events)
}

impl Events {
    /// A client was let in.
    pub(crate) fn connected(&self, server: &Server, sink: &ClientSink) {
        let details = sink.status.details();
        let subject = format!("$SYS.ACCOUNT.{}.CONNECT", account_name(&details));
        self.push(server, vec![subject], || {
            let client = client_info(sink.id(), sink.address(), sink.started(), &details);
            Body::Connected(Box::new(client))
        });
    }

    /// A client is gone.
    pub(crate) fn closed(&self, server: &Server, client: &ClosedClient) {
        let account = account_name(&client.details);
        if client.reason == CloseReason::AuthenticationViolation {
            let subject = format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", server.id());
            self.push(server, vec![subject], || closure(client));
        }
        let subject = format!("$SYS.ACCOUNT.{account}.DISCONNECT");
        self.push(server, vec![subject], || closure(client));
    }

    /// `account` has another number of connections. As Go: of the global account nobody is told.
    pub(crate) fn count_changed(&self, server: &Server, account: &Account) {
        if **account.name() == *GLOBAL_ACCOUNT {
            return;
        }
        let name = account.name();
        let subjects = vec![
            format!("$SYS.SERVER.ACCOUNT.{name}.CONNS"),
            format!("$SYS.ACCOUNT.{name}.SERVER.CONNS"),
        ];
        self.push(server, subjects, || Body::Connections(Box::new(account_figures(account))));
    }

    /// Queues an event for those of `subjects` that somebody listens to.
    fn push(&self, server: &Server, mut subjects: Vec<String>, body: impl FnOnce() -> Body) {
        subjects.retain(|subject| is_heard(server, subject));
        if subjects.is_empty() {
            return;
        }
        let event = Event { subjects, at: server.clock.now(), body: body() };
        // Full: lost, as the head of this file says.
        let _ = self.queue.try_send(event);
    }
}

/// Tells who listens that this server begins to stop: `SHUTDOWN` or `LAMEDUCK`. Returns when it is
/// on its way to them.
pub(crate) fn announce(server: &Server, what: &str) {
    let subject = format!("$SYS.SERVER.{}.{what}", server.id());
    tell(server, &subject, || to_compact(&answers::info(server)));
}

/// Tells events until the server is gone.
pub(super) async fn run(server: Weak<Server>, mut events: mpsc::Receiver<Event>) {
    enum Due {
        Event(Event),
        Statsz,
        Connections,
    }
    let mut ids = Prng::from_seed(random_seed());
    let mut statsz_at = Instant::now() + STATSZ_FIRST;
    let mut statsz_pause = STATSZ_SECOND;
    let mut connections_at = Instant::now() + CONNECTIONS_BEAT;
    loop {
        let due = tokio::select! {
            // Cancel safe: an event stays in the queue until it is received.
            event = events.recv() => match event {
                Some(event) => Due::Event(event),
                None => return,
            },
            () = sleep_until(statsz_at) => Due::Statsz,
            () = sleep_until(connections_at) => Due::Connections,
        };
        let Some(server) = server.upgrade() else { return };
        match due {
            Due::Event(event) => write(&server, event, new_id(&mut ids)),
            Due::Statsz => {
                let subject = format!("$SYS.SERVER.{}.STATSZ", server.id());
                tell(&server, &subject, || answers::statsz(&server));
                statsz_at = Instant::now() + statsz_pause;
                statsz_pause = (statsz_pause * 2).min(STATSZ_MAX);
            }
            Due::Connections => {
                for account in server.accounts().iter().filter(|one| one.connections() > 0) {
                    server.events.count_changed(&server, account);
                }
                connections_at = Instant::now() + CONNECTIONS_BEAT;
            }
        }
    }
}

fn write(server: &Server, event: Event, id: String) {
    let head = |kind| EventHead { kind, id: id.clone(), timestamp: Rfc3339(event.at) };
    for subject in &event.subjects {
        let server_info = answers::info(server);
        let body = match &event.body {
            Body::Connected(client) => to_compact(&ConnectEvent {
                head: head(CONNECT_EVENT),
                server: server_info,
                client: (**client).clone(),
            }),
            Body::Closed(closed) => to_compact(&DisconnectEvent {
                head: head(DISCONNECT_EVENT),
                server: server_info,
                client: closed.client.clone(),
                sent: closed.sent.clone(),
                received: closed.received.clone(),
                reason: closed.reason.text().to_owned(),
            }),
            Body::Connections(figures) => to_compact(&ConnectionsEvent {
                head: head(CONNECTIONS_EVENT),
                server: server_info,
                figures: (**figures).clone(),
            }),
        };
        tell(server, subject, || body);
    }
}

/// Publishes to the system account, if somebody there listens.
fn tell(server: &Server, subject: &str, body: impl FnOnce() -> Vec<u8>) {
    let accounts = server.accounts();
    if let Some(system) = accounts.system()
        && is_heard(server, subject)
    {
        publish(server, system, subject.as_bytes(), &body());
    }
}

/// Whether somebody listens. As Go: nobody hears anything of a server that shuts down.
fn is_heard(server: &Server, subject: &str) -> bool {
    let snapshot = server.snapshot();
    let Some(system) = snapshot.accounts.system() else { return false };
    !server.is_stopping()
        && system.with_interest(|interest| interest.has_interest(subject.as_bytes()))
}

fn account_name(details: &ClientDetails) -> &str {
    details.account.as_ref().map_or(GLOBAL_ACCOUNT, |account| account.name())
}

fn client_info(
    id: ConnectionId,
    address: &str,
    started: Timestamp,
    details: &ClientDetails,
) -> ClientInfo {
    let address = address.parse::<SocketAddr>();
    ClientInfo {
        start: Rfc3339(started),
        host: address.map(|address| address.ip().to_string()).unwrap_or_default(),
        id: id.0,
        acc: account_name(details).to_owned(),
        user: details.user.clone(),
        name: details.name.clone(),
        lang: details.lang.clone(),
        ver: details.version.clone(),
        name_tag: account_name(details).to_owned(),
        kind: "Client".to_owned(),
        client_type: "nats".to_owned(),
        ..ClientInfo::default()
    }
}

fn closure(closed: &ClosedClient) -> Body {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let data = |msgs, bytes| DataStats {
        total: MsgBytes { msgs: signed(msgs), bytes: signed(bytes) },
        ..DataStats::default()
    };
    let mut client = client_info(closed.id, &closed.address, closed.started, &closed.details);
    let round_trip = closed.round_trip.unwrap_or_default();
    client.rtt = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
    client.stop = Some(Rfc3339(closed.stopped));
    Body::Closed(Box::new(Closed {
        client,
        // As the client sees it.
        sent: data(closed.in_msgs, closed.in_bytes),
        received: data(closed.out_msgs, closed.out_bytes),
        reason: closed.reason,
    }))
}

fn new_id(random: &mut Prng) -> String {
    (0..ID_SIZE).map(|_| char::from(ID_DIGITS[random.below(ID_DIGITS.len())])).collect()
}

#[cfg(test)]
mod tests;
