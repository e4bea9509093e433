//! The task of one connection: waits for input, room, mail or time, and lets the link decide.
//!
//! Input is read into the worker thread's scratch buffer; the connection keeps only the start of an
//! operation that is not complete. Whoever delivers also flushes; what a socket does not take is
//! left to the task of its own connection. A receiver with too much pending makes the publishing
//! connection stop reading for a moment.
//!
//! Everything is decided in one `poll`, so there is no lock and no snapshot across an await.

use crate::registry::ClosedClient;
use crate::server::Server;
use crate::socket::Socket;
use crate::worker::{WorkerState, with_state};
use natsd_base::{Timestamp, limits};
use natsd_broker::{Deliver, SubscriptionRef, Wake};
use natsd_links::client::{ClientLink, ClientSink};
use natsd_links::{CloseReason, Control, Effect, LinkCx, Pending};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::poll_read_buf;
use tracing::warn;

/// An incomplete operation up to this size is put before the next read in the scratch buffer; a
/// larger one is completed in a buffer of its own.
const TAIL_IN_SCRATCH_MAX: usize = 4096;
/// Read beyond the end of a large operation, to find the next ones in the same call.
const READ_AHEAD_BYTES: usize = 64 * 1024;
/// A buffer for large operations that is kept while they come.
const TAIL_KEPT_BYTES_MAX: usize = 1024 * 1024;
/// Time for the last output of a connection that is closed.
const LAST_FLUSH: std::time::Duration = std::time::Duration::from_secs(1);

/// A byte stream with layers on it, such as TLS.
pub(crate) trait Layered: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Layered for T {}

/// How the bytes of a connection travel.
pub(crate) enum Transport {
    /// A plain socket: everybody who delivers may write.
    Plain(OwnedReadHalf),
    /// Only this task may write. The output that it is writing, and how much of that is written.
    Layered(Box<dyn Layered>, Option<(Vec<u8>, usize)>),
}

/// One connection and its task's state.
pub(crate) struct Driver {
    pub(crate) server: Arc<Server>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) sink: Arc<ClientSink>,
    pub(crate) link: ClientLink,
    pub(crate) transport: Transport,
    /// Input that was read and is not done with.
    pub(crate) tail: Vec<u8>,
    /// Size of the operation at the start of `tail`, 0 when not known.
    needed: usize,
    /// Whether `tail` may hold complete operations.
    tail_is_input: bool,
    /// The password is being checked.
    checking: bool,
    stalled_until: Option<Timestamp>,
    /// The wait for receivers is over for what was read.
    stall_spent: bool,
    /// Everything behind the connection is cleaned up.
    ended: bool,
    /// Since when a layered stream took nothing.
    write_blocked: Option<Timestamp>,
    /// When the last late write was given time again.
    retried: Option<Timestamp>,
}

/// Why the task woke up.
enum Event {
    Nothing,
    Mail,
    Due,
    Closed(CloseReason),
}

impl Driver {
    pub(crate) fn new(
        server: Arc<Server>,
        socket: Arc<Socket>,
        link: ClientLink,
        transport: Transport,
        first_input: Vec<u8>,
    ) -> Driver {
        Driver {
            server,
            socket,
            sink: link.sink().clone(),
            link,
            transport,
            tail_is_input: !first_input.is_empty(),
            tail: first_input,
            needed: 0,
            checking: false,
            stalled_until: None,
            stall_spent: false,
            ended: false,
            write_blocked: None,
            retried: None,
        }
    }

    /// Runs the connection until it ends, and cleans up behind it.
    pub(crate) async fn run(mut self) {
        let reason = self.run_until_closed().await;
        let subscriptions = self.link.handle_close(reason);
        self.ended = true;
        self.sink.close(reason);
        if reason.allows_last_flush() {
            let deadline = Instant::now() + LAST_FLUSH;
            let flushed = poll_fn(|cx| self.poll_last_flush(cx));
            // A peer that takes nothing any more loses what is left; there is nobody to tell.
            let _ = tokio::time::timeout_at(deadline, flushed).await;
        }
        self.forget(subscriptions, reason);
    }

    fn forget(&self, subscriptions: Vec<SubscriptionRef>, reason: CloseReason) {
        self.socket.shut();
        let now = self.server.clock.now();
        let closed = ClosedClient::new(&self.sink, subscriptions, reason, now);
        self.server.tell_closed(&closed);
        self.server.registry.remove(closed);
        // Caches of other threads may hold the sink for a while.
        self.sink.discard();
    }

    async fn run_until_closed(&mut self) -> CloseReason {
        let mut deadline = self.deadline();
        let mut sleep = Box::pin(sleep_until(self.instant(deadline)));
        loop {
            let event = poll_fn(|cx| self.poll_event(cx, sleep.as_mut())).await;
            let outcome = match event {
                Event::Nothing => Ok(()),
                Event::Mail => self.handle_mail(),
                Event::Due => self.handle_due(),
                Event::Closed(reason) => Err(reason),
            };
            if let Err(reason) = outcome {
                return reason;
            }
            let next = self.deadline();
            if next != deadline || matches!(event, Event::Due) {
                deadline = next;
                sleep.as_mut().reset(self.instant(next));
            }
        }
    }

    fn instant(&self, at: Timestamp) -> Instant {
        Instant::from_std(self.server.clock.instant(at))
    }

    fn deadline(&self) -> Timestamp {
        let mut deadline = self.link.poll_timeout();
        if let Some(until) = self.stalled_until {
            deadline = deadline.min(until);
        }
        if let Some(since) = self.blocked_since() {
            deadline = deadline.min(since + self.server.snapshot().write_deadline);
        }
        deadline
    }

    fn blocked_since(&self) -> Option<Timestamp> {
        match self.sink.pending() {
            Pending::Blocked(since) => Some(self.write_blocked.unwrap_or(since)),
            _ => self.write_blocked,
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, sleep: Pin<&mut Sleep>) -> Poll<Event> {
        if self.socket.take_woken(cx.waker()) {
            return Poll::Ready(Event::Mail);
        }
        match self.poll_output(cx) {
            Ok(()) => {}
            Err(reason) => return Poll::Ready(Event::Closed(reason)),
        }
        if self.stalled_until.is_none() && !self.checking {
            match self.poll_input(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Event::Nothing),
                Poll::Ready(Err(reason)) => return Poll::Ready(Event::Closed(reason)),
                Poll::Pending => {}
            }
        }
        sleep.poll(cx).map(|()| Event::Due)
    }

    /// Writes what others could not.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let blocked = match self.sink.pending() {
            Pending::Closed(reason) => return Err(reason),
            Pending::Blocked(_) => true,
            Pending::Nothing => false,
        };
        match &mut self.transport {
            Transport::Plain(read) if blocked => {
                while let Poll::Ready(ready) = read.as_ref().poll_write_ready(cx) {
                    ready.map_err(|_| CloseReason::WriteError)?;
                    self.sink.resume(self.server.clock.now());
                    match self.sink.pending() {
                        Pending::Nothing => break,
                        Pending::Closed(reason) => return Err(reason),
                        Pending::Blocked(_) => {}
                    }
                }
            }
            Transport::Plain(_) => {}
            Transport::Layered(stream, writing) => {
                // A layer may still hold bytes that it could not flush.
                if !blocked && writing.is_none() && self.write_blocked.is_none() {
                    return Ok(());
                }
                let mut moved = false;
                match poll_layered(cx, stream, writing, &self.sink, &mut moved) {
                    Poll::Ready(Ok(())) => self.write_blocked = None,
                    Poll::Ready(Err(_)) => return Err(CloseReason::WriteError),
                    Poll::Pending if moved || self.write_blocked.is_none() => {
                        self.write_blocked = Some(self.server.clock.now());
                    }
                    Poll::Pending => {}
                }
            }
        }
        Ok(())
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        with_state(|state| {
            if self.tail_is_input {
                let input = std::mem::take(&mut self.tail);
                return Poll::Ready(self.handle_input(state, &input));
            }
            if self.tail.len() > TAIL_IN_SCRATCH_MAX || self.needed > TAIL_IN_SCRATCH_MAX {
                return self.poll_large(cx, state);
            }
            let mut scratch = std::mem::take(&mut state.scratch);
            scratch.clear();
            scratch.extend_from_slice(&self.tail);
            let read = self.poll_read(cx, &mut scratch);
            let result = read.map(|read| {
                read?;
                self.tail.clear();
                self.handle_input(state, &scratch)
            });
            state.scratch = scratch;
            result
        })
    }

    /// Completes a large operation in a buffer of its own, and reads on behind it.
    fn poll_large(
        &mut self,
        cx: &mut Context<'_>,
        state: &mut WorkerState,
    ) -> Poll<Result<(), CloseReason>> {
        let mut tail = std::mem::take(&mut self.tail);
        let wanted = self.needed.max(tail.len()) + READ_AHEAD_BYTES;
        tail.reserve(wanted - tail.len());
        let read = self.poll_read(cx, &mut tail);
        if matches!(read, Poll::Ready(Ok(()))) && tail.len() >= self.needed {
            return Poll::Ready(self.handle_input_in_place(state, tail));
        }
        self.tail = tail;
        read
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<(), CloseReason>> {
        let read = match &mut self.transport {
            Transport::Plain(read) => poll_read_buf(Pin::new(read), cx, buffer),
            Transport::Layered(stream, _) => poll_read_buf(Pin::new(stream), cx, buffer),
        };
        Poll::Ready(match ready!(read) {
            Ok(0) => Err(CloseReason::ClientClosed),
            Ok(_) => {
                self.stall_spent = false;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(CloseReason::ClientClosed)
            }
            Err(_) => Err(CloseReason::ReadError),
        })
    }

    fn handle_input_in_place(
        &mut self,
        state: &mut WorkerState,
        mut input: Vec<u8>,
    ) -> Result<(), CloseReason> {
        let consumed = self.feed(state, &input)?;
        if consumed == input.len() && input.capacity() > TAIL_KEPT_BYTES_MAX {
            input = Vec::new();
        } else {
            input.drain(..consumed);
        }
        self.tail = input;
        Ok(())
    }

    fn handle_input(&mut self, state: &mut WorkerState, input: &[u8]) -> Result<(), CloseReason> {
        let consumed = self.feed(state, input)?;
        let rest = &input[consumed..];
        if rest.is_empty() {
            self.tail = Vec::new();
        } else {
            self.tail.clear();
            self.tail.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Lets the link take `input`, then flushes everybody whom that touched. Returns how much the
    /// link is done with.
    fn feed(&mut self, state: &mut WorkerState, input: &[u8]) -> Result<usize, CloseReason> {
        let now = self.server.clock.now();
        let snapshot = self.server.snapshot();
        let WorkerState { worker, effects, .. } = state;
        let ignore_crowded = self.stall_spent;
        let mut cx = LinkCx { now, snapshot: &snapshot, worker, ignore_crowded, effects };
        let result = self.link.handle_input(&mut cx, input);
        // Before an error is looked at: what was delivered must go out.
        let crowded = worker.finish(now);
        let stopped = crowded.is_some() && !self.stall_spent;
        if stopped {
            self.stall(crowded, now);
        }
        self.run_effects(&mut state.effects);
        let progress = result?;
        self.needed = progress.needed;
        self.tail_is_input = progress.consumed < input.len() && (stopped || self.checking);
        Ok(progress.consumed)
    }

    fn stall(&mut self, crowded: Option<Arc<dyn Deliver>>, now: Timestamp) {
        let Some(crowded) = crowded else { return };
        let waiter: Arc<dyn Wake> = self.socket.clone();
        if crowded.wake_when_drained(&waiter) {
            self.server.stats.stalls.fetch_add(1, Ordering::Relaxed);
            self.stalled_until = Some(now + limits::STALL_MAX);
        }
    }

    fn run_effects(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Connected => self.server.events.connected(&self.server, &self.sink),
                Effect::Moved { from, to } => {
                    self.server.events.count_changed(&self.server, &from);
                    self.server.events.count_changed(&self.server, &to);
                }
                Effect::CheckPassword(check) => {
                    self.checking = true;
                    let socket = self.socket.clone();
                    let permit = self.server.password_checks.clone();
                    tokio::spawn(async move {
                        let _permit = permit.acquire_owned().await;
                        if Arc::strong_count(&socket) == 1 {
                            return; // The connection is gone.
                        }
                        let equal = tokio::task::spawn_blocking(move || check.run()).await;
                        socket.control(Control::PasswordChecked(equal.unwrap_or(false)));
                    });
                }
            }
        }
    }

    fn handle_mail(&mut self) -> Result<(), CloseReason> {
        // A receiver that drained wakes through the same door.
        self.stalled_until = None;
        for control in self.socket.take_controls() {
            if matches!(control, Control::PasswordChecked(_)) {
                self.checking = false;
            }
            self.with_link(|link, cx| link.handle_control(cx, control))?;
        }
        Ok(())
    }

    fn handle_due(&mut self) -> Result<(), CloseReason> {
        let now = self.server.clock.now();
        if self.stalled_until.is_some_and(|until| now >= until) {
            self.stalled_until = None;
            self.stall_spent = true;
        }
        let snapshot = self.server.snapshot();
        if let Some(since) = self.blocked_since()
            && now >= since + snapshot.write_deadline
        {
            // As Go: who took nothing at all in all that time gets no other chance.
            if !snapshot.write_retry || self.retried == Some(since) {
                return Err(CloseReason::SlowConsumerWriteDeadline);
            }
            warn!("{} - Slow Consumer State: write deadline exceeded", self.link.label());
            self.link.count_slow_consumer();
            self.write_blocked = self.write_blocked.map(|_| now);
            self.sink.retry(now);
            self.retried = Some(now);
        }
        self.with_link(ClientLink::handle_timeout)
    }

    fn with_link(
        &mut self,
        call: impl FnOnce(&mut ClientLink, &mut LinkCx<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let now = self.server.clock.now();
        let snapshot = self.server.snapshot();
        with_state(|state| {
            let WorkerState { worker, effects, .. } = state;
            let ignore_crowded = false;
            let mut cx = LinkCx { now, snapshot: &snapshot, worker, ignore_crowded, effects };
            let result = call(&mut self.link, &mut cx);
            let crowded = worker.finish(now);
            self.stall(crowded, now);
            self.run_effects(&mut state.effects);
            result
        })
    }

    fn poll_last_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(read) => {
                self.sink.resume(self.server.clock.now());
                while self.sink.pending_bytes() > 0 {
                    ready!(read.as_ref().poll_write_ready(cx))?;
                    self.sink.resume(self.server.clock.now());
                }
                Poll::Ready(Ok(()))
            }
            Transport::Layered(stream, writing) => {
                ready!(poll_layered(cx, stream, writing, &self.sink, &mut false))?;
                Pin::new(stream).poll_shutdown(cx)
            }
        }
    }
}

/// A task that panicked leaves nothing behind: no interest, no entry, no descriptor.
impl Drop for Driver {
    fn drop(&mut self) {
        if !self.ended {
            let reason = CloseReason::ReadError;
            let subscriptions = self.link.handle_close(reason);
            self.sink.close(reason);
            self.forget(subscriptions, reason);
        }
    }
}

/// Writes the output of `sink` to a layered stream until there is no more.
fn poll_layered(
    cx: &mut Context<'_>,
    stream: &mut Box<dyn Layered>,
    writing: &mut Option<(Vec<u8>, usize)>,
    sink: &ClientSink,
    moved: &mut bool,
) -> Poll<io::Result<()>> {
    loop {
        if writing.is_none() {
            *writing = sink.take_output();
        }
        let Some((buffer, written)) = writing else {
            return Pin::new(stream).poll_flush(cx);
        };
        while *written < buffer.len() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, &buffer[*written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
            *moved = true;
        }
        if let Some((buffer, written)) = writing.take() {
            sink.finish_output(buffer, written);
        }
    }
}
