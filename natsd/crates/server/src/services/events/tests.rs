use super::{Body, Events, ID_SIZE, QUEUE_MAX, channel, new_id};
use crate::server::Server;
use natsd_base::{ConnectionId, Prng, Timestamp};
use natsd_broker::{Deliver, Delivered, Msg, Subscription, SubscriptionRef, Wake};
use natsd_config::Options;
use natsd_config::options::{Account, Port};
use std::collections::HashSet;
use std::sync::Arc;

/// Listens, and takes nothing.
#[derive(Debug)]
struct Listener;

impl Deliver for Listener {
    fn deliver(&self, _: &Msg<'_>, _: &Subscription, _: Timestamp) -> Delivered {
        Delivered::Refused
    }

    fn flush(&self, _: Timestamp) -> bool {
        false
    }

    fn forget(&self, _: &Subscription) {}

    fn wake_when_drained(&self, _: &Arc<dyn Wake>) -> bool {
        false
    }
}

async fn start() -> Arc<Server> {
    let mut options = Options::empty();
    options.host = "127.0.0.1".into();
    options.port = Port::Random;
    options.accounts.push(Account { name: "A".into(), ..Account::default() });
    options.apply_defaults();
    Box::pin(Server::start(options)).await.expect("a server")
}

fn listen(server: &Server, subject: &str) {
    let subscription =
        Subscription::new(Arc::new(Listener), ConnectionId(9), subject.as_bytes(), None, b"1");
    let accounts = server.accounts();
    let system = accounts.system().expect("a system account");
    system.subscribe(&SubscriptionRef::new(subscription)).expect("a good subject");
}

fn count_changed(events: &Events, server: &Server, account: &str) {
    events.count_changed(server, server.accounts().get(account).expect("an account"));
}

#[tokio::test]
async fn only_what_is_listened_to_is_queued() {
    let server = start().await;
    let (events, mut queue) = channel();
    count_changed(&events, &server, "A");
    assert!(queue.try_recv().is_err(), "nobody listens");
    listen(&server, "$SYS.ACCOUNT.*.SERVER.CONNS");
    count_changed(&events, &server, "$G");
    assert!(queue.try_recv().is_err(), "the global account is not counted");
    count_changed(&events, &server, "A");
    let event = queue.try_recv().expect("an event");
    assert_eq!(event.subjects, ["$SYS.ACCOUNT.A.SERVER.CONNS"]);
    assert!(matches!(&event.body, Body::Connections(figures) if figures.acc == "A"));
    listen(&server, "$SYS.SERVER.ACCOUNT.A.*");
    count_changed(&events, &server, "A");
    assert_eq!(queue.try_recv().expect("an event").subjects.len(), 2);
    server.shutdown().await;
    count_changed(&events, &server, "A");
    assert!(queue.try_recv().is_err(), "the server shut down");
}

#[tokio::test]
async fn a_full_queue_loses_events_and_holds_up_nobody() {
    let server = start().await;
    listen(&server, "$SYS.ACCOUNT.A.SERVER.CONNS");
    let (events, mut queue) = channel();
    for _ in 0..QUEUE_MAX + 10 {
        count_changed(&events, &server, "A");
    }
    let mut queued = 0;
    while queue.try_recv().is_ok() {
        queued += 1;
    }
    assert_eq!(queued, QUEUE_MAX);
    server.shutdown().await;
}

#[test]
fn ids_are_unique_and_have_the_shape_of_go() {
    let mut random = Prng::from_seed(1);
    let ids: HashSet<String> = (0..1000).map(|_| new_id(&mut random)).collect();
    assert_eq!(ids.len(), 1000);
    let is_good =
        |id: &String| id.len() == ID_SIZE && id.bytes().all(|b| b.is_ascii_alphanumeric());
    assert!(ids.iter().all(is_good));
}
