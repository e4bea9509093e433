//! The clients of a load: each with a connection of its own, all started at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::{RequestErrorKind, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

use super::report::{ClientResult, Report};
use crate::cmd::subscribe::subscribe;
use crate::connect::{Session, Settings, complaint_failure, connect_with};
use crate::failure::{Failure, note};

/// Queue group of the clients that answer requests.
const REPLY_GROUP: &str = "natsctl-bench";

/// Messages between two looks at the progress bar and at the wish to stop.
const STRIDE: u64 = 512;

/// What the clients of a load do.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// Publish, all together that many messages.
    Publish { messages: u64 },
    /// Receive: each client that many messages, or all together in a queue group.
    Subscribe { messages: u64, queue: Option<String>, wait: Option<Duration> },
    /// Ask, all together that many requests.
    Request { messages: u64 },
    /// Answer, all together that many requests, or until stopped.
    Reply { messages: Option<u64> },
}

impl Role {
    /// The word on the command line.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Publish { .. } => "pub",
            Self::Subscribe { .. } => "sub",
            Self::Request { .. } => "request",
            Self::Reply { .. } => "reply",
        }
    }

    /// Messages of all clients together, when known.
    pub(super) fn total(&self, clients: u32) -> Option<u64> {
        match self {
            Self::Publish { messages } | Self::Request { messages } => Some(*messages),
            Self::Subscribe { messages, queue: Some(_), .. } => Some(*messages),
            Self::Subscribe { messages, queue: None, .. } => {
                Some(messages.saturating_mul(clients.into()))
            }
            Self::Reply { messages } => *messages,
        }
    }
}

/// A load, ready to run.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) settings: Settings,
    pub(super) role: Role,
    pub(super) subject: String,
    pub(super) size: usize,
    pub(super) sleep: Option<Duration>,
    pub(super) bar: ProgressBar,
}

/// What the clients of one load share.
#[derive(Debug)]
struct Shared {
    load: Load,
    payload: Bytes,
    start: Barrier,
    stop: watch::Sender<bool>,
    /// Messages received by all clients together.
    received: AtomicU64,
}

impl Load {
    /// Runs all clients. The second value says whether the user ended it early.
    ///
    /// # Errors
    /// The first failure of a client.
    pub(super) async fn run(self, clients: u32) -> Result<(Report, bool)> {
        let mut report = Report::new(self.role.name(), &self.subject, self.size);
        let shares = shares(self.role.total(clients).unwrap_or(u64::MAX), clients);
        let sessions = self.connect(clients).await?;
        let shared = Arc::new(Shared {
            payload: vec![b'x'; self.size].into(),
            start: Barrier::new(sessions.len()),
            stop: watch::channel(false).0,
            received: AtomicU64::new(0),
            load: self,
        });
        let mut tasks = JoinSet::new();
        for (session, share) in sessions.into_iter().zip(shares) {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.client(session, share).await });
        }
        let signal = crate::cmd::interrupted();
        tokio::pin!(signal);
        let mut interrupted = false;
        loop {
            tokio::select! {
                joined = tasks.join_next() => match joined {
                    Some(result) => report.add(result.context("a client broke down")??),
                    None => return Ok((report, interrupted)),
                },
                () = &mut signal, if !interrupted => {
                    interrupted = true;
                    shared.stop.send_replace(true);
                }
            }
        }
    }

    async fn connect(&self, clients: u32) -> Result<Vec<Session>> {
        let mut sessions = Vec::new();
        for _ in 0..clients {
            sessions.push(connect_with(&self.settings).await?);
        }
        Ok(sessions)
    }
}

/// `total` divided among the clients; the first ones take what is left over.
fn shares(total: u64, clients: u32) -> Vec<u64> {
    let clients = u64::from(clients);
    (0..clients).map(|index| total / clients + u64::from(index < total % clients)).collect()
}

impl Shared {
    async fn client(&self, session: Session, share: u64) -> Result<ClientResult> {
        match &self.load.role {
            Role::Publish { .. } => self.publish(session, share).await,
            Role::Request { .. } => self.request(session, share).await,
            Role::Subscribe { messages, queue, wait } => {
                let subscriber = subscribe(&session, &self.load.subject, queue.as_deref()).await?;
                let limit = *messages;
                self.receive(
                    session,
                    subscriber,
                    Limit { messages: limit, together: queue.is_some(), wait: *wait },
                )
                .await
            }
            Role::Reply { messages } => {
                let subscriber = subscribe(&session, &self.load.subject, Some(REPLY_GROUP)).await?;
                let limit = messages.unwrap_or(u64::MAX);
                self.receive(
                    session,
                    subscriber,
                    Limit { messages: limit, together: true, wait: None },
                )
                .await
            }
        }
    }

    async fn publish(&self, mut session: Session, share: u64) -> Result<ClientResult> {
        session.settle().await?;
        self.start.wait().await;
        let subject = Subject::from(self.load.subject.as_str());
        let start = Instant::now();
        let mut sent: u64 = 0;
        while sent < share {
            session.client.publish(subject.clone(), self.payload.clone()).await?;
            sent += 1;
            if self.pause(sent).await {
                break;
            }
        }
        session.settle().await?;
        let end = Instant::now();
        session.check_unbroken()?;
        session.close().await?;
        Ok(ClientResult { messages: sent, start, end, latencies: Vec::new() })
    }

    async fn request(&self, mut session: Session, share: u64) -> Result<ClientResult> {
        session.settle().await?;
        self.start.wait().await;
        let subject = Subject::from(self.load.subject.as_str());
        let start = Instant::now();
        let mut latencies = Vec::new();
        let mut sent: u64 = 0;
        while sent < share {
            let asked = Instant::now();
            let client = session.client.clone();
            tokio::select! {
                answer = client.request(subject.clone(), self.payload.clone()) => {
                    answer.map_err(|error| self.unanswered(&error))?;
                }
                complaint = session.complaint() => {
                    return Err(complaint_failure(&complaint).into());
                }
            }
            latencies.push(asked.elapsed());
            sent += 1;
            if self.pause(sent).await {
                break;
            }
        }
        let end = Instant::now();
        session.close().await?;
        Ok(ClientResult { messages: sent, start, end, latencies })
    }

    fn unanswered(&self, error: &async_nats::RequestError) -> Failure {
        let subject = &self.load.subject;
        match error.kind() {
            RequestErrorKind::NoResponders => {
                Failure::new(format!("nobody answers on \"{subject}\""))
                    .hint(format!("start: natsctl bench reply {subject}"))
            }
            _ => Failure::new(format!("request on \"{subject}\" failed: {error}")),
        }
    }

    /// Receives, and answers where an answer is the role. The clock runs from the first message
    /// to the last.
    async fn receive(
        &self,
        mut session: Session,
        mut subscriber: Subscriber,
        limit: Limit,
    ) -> Result<ClientResult> {
        session.settle().await?;
        if self.start.wait().await.is_leader() {
            // Scripts wait for this line before they start the other side.
            note("ready");
        }
        let answers = matches!(self.load.role, Role::Reply { .. });
        let mut stop = self.stop.subscribe();
        let mut times: Option<(Instant, Instant)> = None;
        let mut received: u64 = 0;
        loop {
            let quiet = async {
                match limit.wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                biased;
                message = subscriber.next() => message,
                _ = stop.wait_for(|stop| *stop) => break,
                complaint = session.complaint() => {
                    return Err(complaint_failure(&complaint).into());
                }
                () = quiet => break,
            };
            let Some(message) = message else {
                return Err(Failure::new("the connection has ended").into());
            };
            if let (true, Some(reply)) = (answers, message.reply) {
                session.client.publish(reply, self.payload.clone()).await?;
            }
            let now = Instant::now();
            times = Some((times.map_or(now, |(first, _)| first), now));
            received += 1;
            let together = self.received.fetch_add(1, Ordering::Relaxed) + 1;
            let count = if limit.together { together } else { received };
            if count >= limit.messages {
                if limit.together {
                    self.stop.send_replace(true);
                }
                break;
            }
            // A stop that is wanted is seen above, even when messages keep coming.
            if self.pause(received).await {
                break;
            }
        }
        session.close().await?;
        let now = Instant::now();
        let (start, end) = times.unwrap_or((now, now));
        self.load.bar.inc(received % STRIDE);
        Ok(ClientResult { messages: received, start, end, latencies: Vec::new() })
    }

    /// What happens after each message: progress now and then, the pause, and whether to stop.
    async fn pause(&self, done: u64) -> bool {
        if let Some(pause) = self.load.sleep {
            tokio::time::sleep(pause).await;
            return *self.stop.borrow();
        }
        if done.is_multiple_of(STRIDE) {
            self.load.bar.inc(STRIDE);
            return *self.stop.borrow();
        }
        false
    }
}

/// When a receiver has enough.
#[derive(Debug, Clone, Copy)]
struct Limit {
    messages: u64,
    /// Whether the messages of all clients count.
    together: bool,
    /// How long to wait for the next message.
    wait: Option<Duration>,
}

#[cfg(test)]
mod tests;
