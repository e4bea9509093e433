//! async-nats through the same scenarios as the clients of other languages.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use futures_util::StreamExt;
use natsd_interop::Login;
use tokio::sync::Notify;

use crate::{DOORS, Door, ask_the_right_one_to_leave, pair};

const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a future with a deadline.
#[track_caller]
fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(value) => value,
            Err(_) => panic!("{place}: gave up waiting for: {what}"),
        }
    }
}

fn options(login: &Login) -> ConnectOptions {
    let mut options =
        ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(100));
    if let Some(authority) = &login.authority {
        options = options.add_root_certificates(authority.clone()).require_tls(true);
    }
    if let Some((user, password)) = &login.user {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(token) = &login.token {
        options = options.token(token.clone());
    }
    options
}

async fn connect(login: &Login, options: ConnectOptions) -> Client {
    let servers: Vec<String> = login.servers.split(',').map(str::to_owned).collect();
    options.connect(servers).await.expect("connect")
}

/// Waits until the server has done all that this client sent: a request that nobody answers comes
/// back. (The client's own flush ends when the bytes are on their way.)
async fn settle(client: &Client) {
    let error = client.request("nobody.is.here", "".into()).await.expect_err("no answer");
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
}

async fn round_trip(client: &Client, subject: &'static str) {
    let mut subscription = client.subscribe(subject).await.expect("subscribe");
    client.publish(subject, "hello".into()).await.expect("publish");
    let message = within("own message", subscription.next()).await.expect("message");
    assert_eq!(message.payload, "hello");
}

async fn queue_group(client: &Client) {
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    for index in 0..2 {
        let mut member =
            client.queue_subscribe("work.*", "workers".into()).await.expect("subscribe");
        let counts = counts.clone();
        tokio::spawn(async move {
            while member.next().await.is_some() {
                counts[index].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    settle(client).await;
    for number in 0..200 {
        client.publish(format!("work.{number}"), "x".into()).await.expect("publish");
    }
    let get = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    within("200 messages in the queue group", async {
        while get().iter().sum::<usize>() < 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    settle(client).await;
    assert_eq!(get().iter().sum::<usize>(), 200);
    assert!(get().iter().all(|count| *count > 20), "an even spread: {:?}", get());
}

/// Answers every request on `subject` with what `answer` makes of it.
async fn serve(
    client: &Client,
    subject: &'static str,
    answer: impl Fn(async_nats::Message) -> bytes::Bytes + Send + 'static,
) {
    let mut requests = client.subscribe(subject).await.expect("subscribe");
    settle(client).await;
    let responder = client.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let reply = request.reply.clone().expect("reply subject");
            responder.publish(reply, answer(request)).await.expect("respond");
        }
    });
}

async fn requests(client: &Client) {
    serve(client, "service", |request| {
        let mut answer = request.payload.to_vec();
        answer.push(b'!');
        answer.into()
    })
    .await;
    for number in 0..200 {
        let reply = client.request("service", number.to_string().into()).await.expect("reply");
        assert_eq!(reply.payload, format!("{number}!"));
    }
    let many = (0..200).map(|_| client.request("service", "x".into()));
    for reply in within("200 replies", futures_util::future::join_all(many)).await {
        assert_eq!(reply.expect("reply").payload, "x!");
    }
}

async fn headers(client: &Client) {
    serve(client, "headers", |request| {
        let headers = request.headers.expect("headers");
        headers.get("Name").expect("a header").to_string().into()
    })
    .await;
    let mut sent = HeaderMap::new();
    sent.insert("Name", "value: with colon");
    let reply = client.request_with_headers("headers", sent, "".into()).await.expect("reply");
    assert_eq!(reply.payload, "value: with colon");
}

async fn drain(client: Client, login: &Login) {
    let other = connect(login, options(login)).await;
    let mut subscription = client.subscribe("drained").await.expect("subscribe");
    settle(&client).await;
    for number in 0..500 {
        other.publish("drained", number.to_string().into()).await.expect("publish");
    }
    settle(&other).await;
    subscription.drain().await.expect("drain");
    let mut received = 0;
    while within("the end of the drain", subscription.next()).await.is_some() {
        received += 1;
    }
    assert_eq!(received, 500);
    client.drain().await.expect("drain");
    within("the end of the connection", async {
        while client.flush().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_basics() {
    for door in DOORS {
        let (_server, login) = door.open();
        let client = connect(&login, options(&login)).await;
        round_trip(&client, "one").await;
        queue_group(&client).await;
        requests(&client).await;
        headers(&client).await;
        settle(&client).await;
        drain(client, &login).await;
    }
}

/// Connects with a signal for every time the connection came up.
async fn connect_watched(login: &Login) -> (Client, Arc<Notify>) {
    let connected = Arc::new(Notify::new());
    let told = connected.clone();
    let options = options(login).event_callback(move |event| {
        let told = told.clone();
        async move {
            if event == Event::Connected {
                told.notify_one();
            }
        }
    });
    let client = connect(login, options).await;
    within("the first connection", connected.notified()).await;
    (client, connected)
}

/// The old subscription and new ones work again.
async fn check_back(client: &Client, connected: &Notify, mut kept: async_nats::Subscriber) {
    within("the connection to come back", connected.notified()).await;
    round_trip(client, "after").await;
    client.publish("kept", "still here".into()).await.expect("publish");
    let message = within("a message on the old subscription", kept.next()).await;
    assert_eq!(message.expect("message").payload, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_comes_back() {
    let (mut server, login) = Door::Plain.open();
    let (client, connected) = connect_watched(&login).await;
    let kept = client.subscribe("kept").await.expect("subscribe");
    settle(&client).await;
    server.restart();
    check_back(&client, &connected, kept).await;

    let (first, second, login) = pair();
    let (client, connected) = connect_watched(&login).await;
    let kept = client.subscribe("kept").await.expect("subscribe");
    settle(&client).await;
    ask_the_right_one_to_leave([&first, &second]);
    check_back(&client, &connected, kept).await;
}
