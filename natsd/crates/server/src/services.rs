//! The services of the system account: who asks on `$SYS.REQ.…` is answered by the server itself.
//!
//! A request is taken by a sink that puts it into a bounded queue; one task answers. When the queue
//! is full a request is refused: the requester hears that nobody responds.
//!
//! Source: Go `server/events.go` (`initEventTracking`, `statszReq`, `idzReq`, `userInfoReq`, `zReq`,
//! `kickClient`, `ldmClient`, `reloadConfig`).

mod answers;
pub(crate) mod events;
mod question;

use crate::server::Server;
use crate::worker::with_state;
use events::Event;
use natsd_base::{ConnectionId, Timestamp};
use natsd_broker::{Account, Deliver, Delivered, Msg, Origin, Subscription, SubscriptionRef, Wake};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::debug;

/// Requests that may wait.
const QUEUE_MAX: usize = 1024;
/// The server itself as a publisher: no client has this number.
const SERVER: ConnectionId = ConnectionId(0);
/// Every server answers.
const PING: &str = "$SYS.REQ.SERVER.PING";
/// Who asks, from every account.
const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// A request on its way to the task that answers.
#[derive(Debug)]
struct Request {
    subject: String,
    reply: Vec<u8>,
    body: Vec<u8>,
    publisher: ConnectionId,
}

/// Takes requests.
#[derive(Debug)]
struct RequestSink {
    queue: mpsc::Sender<Request>,
}

impl Deliver for RequestSink {
    fn deliver(&self, msg: &Msg<'_>, subscription: &Subscription, _now: Timestamp) -> Delivered {
        if subscription.is_closed() || msg.reply.is_empty() {
            return Delivered::Refused;
        }
        let size = msg.payload_crlf.len() - 2;
        let request = Request {
            subject: String::from_utf8_lossy(msg.subject).into_owned(),
            reply: msg.reply.to_vec(),
            body: msg.payload_crlf[msg.header_size..size].to_vec(),
            publisher: msg.publisher,
        };
        if self.queue.try_send(request).is_err() {
            return Delivered::Refused;
        }
        Delivered::Queued { needs_flush: false, ended: false, crowded: false, size }
    }

    fn flush(&self, _now: Timestamp) -> bool {
        false
    }

    fn forget(&self, _subscription: &Subscription) {}

    fn wake_when_drained(&self, _waiter: &Arc<dyn Wake>) -> bool {
        false
    }
}

/// The subscriptions of the services, by account.
#[derive(Debug)]
pub(crate) struct Services {
    sink: Arc<RequestSink>,
    subscribed: HashMap<u64, (Arc<Account>, Vec<SubscriptionRef>)>,
}

/// Starts the services of a server that has a system account.
pub(crate) fn start(server: &Arc<Server>, queue_of_events: mpsc::Receiver<Event>) -> Services {
    let (queue, requests) = mpsc::channel(QUEUE_MAX);
    let mut services =
        Services { sink: Arc::new(RequestSink { queue }), subscribed: HashMap::new() };
    services.update(server);
    tokio::spawn(run(Arc::downgrade(server), requests));
    tokio::spawn(events::run(Arc::downgrade(server), queue_of_events));
    services
}

impl Services {
    /// Subscribes in accounts that are new, and ends what those that are gone had.
    pub(crate) fn update(&mut self, server: &Server) {
        let accounts = server.accounts();
        self.subscribed.retain(|id, (account, subscriptions)| {
            let stays = accounts.iter().any(|one| one.id() == *id);
            if !stays {
                subscriptions.iter().for_each(|one| account.unsubscribe(one));
            }
            stays
        });
        let Some(system) = accounts.system() else { return };
        for account in accounts.iter() {
            if self.subscribed.contains_key(&account.id()) {
                continue;
            }
            let mut subjects = vec![USER_INFO.to_owned()];
            if account.id() == system.id() {
                subjects.extend([
                    PING.to_owned(),
                    format!("{PING}.*"),
                    format!("$SYS.REQ.SERVER.{}.*", server.id()),
                ]);
            }
            let subscriptions = subjects.iter().map(|subject| self.subscribe(account, subject));
            let subscriptions = subscriptions.collect();
            self.subscribed.insert(account.id(), (account.clone(), subscriptions));
        }
    }

    fn subscribe(&self, account: &Account, subject: &str) -> SubscriptionRef {
        let sink: Arc<dyn Deliver> = self.sink.clone();
        let subscription = Subscription::new(sink, SERVER, subject.as_bytes(), None, b"");
        let subscription = SubscriptionRef::new(subscription);
        account.subscribe(&subscription).expect("the subjects of the services are well-formed");
        subscription
    }
}

/// Answers requests until the server is gone.
async fn run(server: std::sync::Weak<Server>, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        let Some(server) = server.upgrade() else { return };
        match answers::answer(&server, &request).await {
            Some(body) => reply(&server, &request, &body),
            None => debug!("no answer to a request on {}", request.subject),
        }
    }
}

/// Sends an answer into the account of the requester.
fn reply(server: &Server, request: &Request, body: &[u8]) {
    let requester = server.registry.get(request.publisher);
    let account = requester.and_then(|sink| sink.status.details().account);
    let Some(account) = account else { return };
    publish(server, &account, &request.reply, body);
}

/// Publishes a message of the server itself.
fn publish(server: &Server, account: &Account, subject: &[u8], body: &[u8]) {
    let payload = [body, b"\r\n"].concat();
    let size = body.len().to_string();
    let now = server.clock.now();
    let msg = Msg {
        publisher: SERVER,
        subject,
        reply: &[],
        header_size: 0,
        header_size_text: &[],
        size_text: size.as_bytes(),
        payload_crlf: &payload,
    };
    with_state(|state| {
        let origin = Origin { connection: SERVER, echo: true };
        state.worker.publish(account, origin, &msg, now);
        state.worker.finish(now);
        // The server's own messages are nobody's traffic.
        state.worker.take_counts();
    });
}
