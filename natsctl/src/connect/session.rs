//! A connection and what the server complains about on it.
//!
//! The client library confirms nothing by itself: its flush ends when the bytes have left. What
//! the server has really taken is learned here, by a message to ourselves or by a PING.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use async_nats::{Client, ConnectOptions, Event, ServerError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::failure::{self, Failure};

/// Complaints kept until the command looks at them; more are dropped, the first ones matter.
const COMPLAINTS_MAX: usize = 256;

/// The receiving end of the library's events.
#[derive(Debug)]
pub(super) struct Listener {
    complaints: mpsc::Receiver<String>,
    closed: watch::Receiver<bool>,
    /// Whether the connection was ever lost.
    lost: watch::Receiver<bool>,
}

/// A connection, ready for use.
#[derive(Debug)]
pub(crate) struct Session {
    /// The client library's handle.
    pub(crate) client: Client,
    /// How long to wait for answers.
    pub(crate) timeout: Duration,
    listener: Listener,
    /// Inboxes of our own that the server refused, which is nobody else's business.
    refused_inboxes: Vec<String>,
}

/// Hooks a listener into the options.
pub(super) fn listen(options: ConnectOptions, trace: bool) -> (ConnectOptions, Listener) {
    let (complain, complaints) = mpsc::channel(COMPLAINTS_MAX);
    let (close, closed) = watch::channel(false);
    let (lose, lost) = watch::channel(false);
    let (away, _) = watch::channel(false);
    let (dropped, _) = watch::channel(false);
    let options = options.event_callback(move |event| {
        if trace {
            failure::note(&format!("trace: {event}"));
        }
        match event {
            Event::ServerError(error) => {
                let text = match error {
                    ServerError::AuthorizationViolation => "Authorization Violation".to_owned(),
                    other => other.to_string(),
                };
                // Full: the earlier complaints are enough.
                let _ = complain.try_send(complaint_text(&text));
            }
            Event::Disconnected => {
                lose.send_replace(true);
                away.send_replace(true);
                failure::warn("connection lost, connecting again");
            }
            Event::Connected if away.send_replace(false) => {
                failure::note("connected again");
            }
            // One drop is followed by many: one warning says it.
            Event::SlowConsumer(_) if !dropped.send_replace(true) => {
                failure::warn("messages were dropped here, because they came faster than shown");
            }
            Event::LameDuckMode => {
                failure::warn("the server is about to shut down");
            }
            Event::Closed => {
                close.send_replace(true);
            }
            _ => {}
        }
        std::future::ready(())
    });
    (options, Listener { complaints, closed, lost })
}

/// The server's words without the library's prefix.
pub(super) fn complaint_text(text: &str) -> String {
    let text = text.strip_prefix("nats: ").unwrap_or(text);
    text.trim().trim_matches('\'').to_owned()
}

impl Session {
    pub(super) fn new(client: Client, listener: Listener, timeout: Duration) -> Self {
        Self { client, timeout, listener, refused_inboxes: Vec::new() }
    }

    /// Waits for the next complaint of the server. Cancel safe.
    pub(crate) async fn complaint(&mut self) -> String {
        loop {
            match self.listener.complaints.recv().await {
                Some(text) if self.is_ours(&text) => {}
                Some(text) => return text,
                // The library has ended; no complaint will come.
                None => std::future::pending().await,
            }
        }
    }

    /// Whether a complaint is a second one about a refused inbox of our own.
    fn is_ours(&self, complaint: &str) -> bool {
        self.refused_inboxes.iter().any(|inbox| complaint.contains(inbox))
    }

    /// Waits for the next message while listening for complaints.
    ///
    /// `None` when the subscription has ended. Cancel safe.
    ///
    /// # Errors
    /// The first complaint.
    pub(crate) async fn next(
        &mut self,
        subscriber: &mut Subscriber,
    ) -> Result<Option<async_nats::Message>> {
        tokio::select! {
            // A message that is here comes before a complaint about something else.
            biased;
            message = subscriber.next() => Ok(message),
            complaint = self.complaint() => Err(complaint_failure(&complaint).into()),
        }
    }

    /// Waits until every byte has left, for as long as bytes are leaving.
    async fn flush(&self) -> Result<()> {
        let statistics = self.client.statistics();
        let flush = self.client.flush();
        tokio::pin!(flush);
        loop {
            let before = statistics.out_bytes.load(Ordering::Relaxed);
            match timeout(self.timeout, &mut flush).await {
                Ok(result) => return Ok(result?),
                Err(_) if statistics.out_bytes.load(Ordering::Relaxed) > before => {}
                Err(_) => bail!("the server took nothing for {:?}", self.timeout),
            }
        }
    }

    /// An error if the connection was lost since it was made: what was on its way then may not
    /// have arrived, and nobody can say.
    ///
    /// # Errors
    /// See above.
    pub(crate) fn check_unbroken(&self) -> Result<(), Failure> {
        if *self.listener.lost.borrow() {
            let text = "the connection was lost meanwhile, messages may be missing";
            return Err(Failure::new(text));
        }
        Ok(())
    }

    /// Waits until the server has processed everything sent so far: a message to ourselves must
    /// come back. Where the user may not use an inbox, the complaint about it is as good: the
    /// server works in order.
    ///
    /// # Errors
    /// Other complaints of the server, and no answer in time after the last byte has left.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let inbox = self.client.new_inbox();
        let mut subscriber = self.client.subscribe(inbox.clone()).await?;
        self.client.publish(inbox.clone(), Bytes::new()).await?;
        self.flush().await?;
        let limit = self.timeout;
        let answer = timeout(limit, async {
            tokio::select! {
                message = subscriber.next() => match message {
                    Some(_) => Ok(()),
                    None => Err(Failure::new("the connection has ended")),
                },
                complaint = self.complaint() => {
                    if complaint.contains(&inbox) {
                        self.refused_inboxes.push(inbox.clone());
                        Ok(())
                    } else {
                        Err(complaint_failure(&complaint))
                    }
                }
            }
        });
        match answer.await {
            Ok(result) => Ok(result?),
            Err(_) => bail!("the server did not confirm within {limit:?}"),
        }
    }

    /// Ends the connection after the server has answered a PING, so that everything sent has been
    /// processed and every complaint has been heard.
    ///
    /// # Errors
    /// The first complaint, and no answer in time.
    pub(crate) async fn close(mut self) -> Result<()> {
        let limit = self.timeout;
        let end = async {
            self.flush().await?;
            self.client.drain().await?;
            // The sender lives in the library's event task, which may end first: also closed.
            let _ = self.listener.closed.wait_for(|closed| *closed).await;
            anyhow::Ok(())
        };
        match timeout(limit, end).await {
            Ok(result) => result?,
            Err(_) => bail!("the server did not answer within {limit:?}"),
        }
        while let Ok(complaint) = self.listener.complaints.try_recv() {
            if !self.is_ours(&complaint) {
                return Err(complaint_failure(&complaint).into());
            }
        }
        Ok(())
    }

    /// Measures one round trip by PING and PONG.
    ///
    /// The library keeps PING to itself, but draining a subscription sends UNSUB and PING and
    /// ends the subscription at the next thing that the server says. On a quiet connection that
    /// is the PONG.
    ///
    /// # Errors
    /// When the server does not answer in time.
    pub(crate) async fn round_trip(&self, mut probe: Subscriber) -> Result<Duration> {
        let start = std::time::Instant::now();
        probe.drain().await?;
        match timeout(self.timeout, async { while probe.next().await.is_some() {} }).await {
            Ok(()) => Ok(start.elapsed()),
            Err(_) => Err(Failure::new(format!("no answer within {:?}", self.timeout)).into()),
        }
    }
}

/// A complaint of the server as a failure.
pub(crate) fn complaint_failure(complaint: &str) -> Failure {
    let failure = Failure::new(format!("the server says: {complaint}"));
    let is_permission = complaint.to_ascii_lowercase().contains("permissions violation");
    if is_permission && complaint.contains("_INBOX.") {
        failure.hint("the user may not use this inbox; --inbox-prefix chooses another")
    } else if is_permission {
        failure.hint("the user may not do this; try another --user, --creds or --context")
    } else {
        failure
    }
}
