//! The output of one connection: what is pending, who writes it, who waits for it.
//!
//! Whoever delivered also flushes: it takes the buffer, lets go of the lock and writes to the socket
//! without waiting. `flushing` is held during the system call, not the lock. What the socket does
//! not take is left to the connection's own driver, which waits for the socket.
//!
//! Source: Go `server/client.go` (`queueOutbound`, `flushOutbound`); the measurements of
//! `docs/PERFORMANCE.md`.

use super::buffers;
use crate::CloseReason;
use ::core::fmt::Debug;
use natsd_base::{LeveledMutex, Timestamp};
use natsd_broker::Wake;
use std::io;
use std::sync::Arc;

/// The write side of a socket, used by whoever flushes.
pub trait SocketWriter: Send + Sync + Debug {
    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing. A byte layer that only the driver can use always answers
    /// so.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the driver look at the output: there is something to wait for or to close.
    fn wake_driver(&self);
}

/// What a driver finds when it looks at the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Nothing is left for the driver.
    Nothing,
    /// The socket has to become writable; it has not been since then.
    Blocked(Timestamp),
    /// The connection is to be closed.
    Closed(CloseReason),
}

/// Bounds of one connection's output, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboundLimits {
    /// Above this the connection is closed.
    pub(crate) max: usize,
    /// Above this its publishers wait.
    pub(crate) soft: usize,
}

/// The output of one connection. Invariant: `start <= rest.len()`.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// What the socket did not take, to be written before `buffer`.
    rest: Vec<u8>,
    /// Bytes at the start of `rest` that are written already.
    start: usize,
    buffer: Vec<u8>,
    /// Bytes that a flush has taken and not yet written.
    in_flight: usize,
    flushing: bool,
    /// Somebody will flush at the end of its batch.
    promised: bool,
    blocked_since: Option<Timestamp>,
    closed: Option<CloseReason>,
    limits: OutboundLimits,
    waiters: Vec<Arc<dyn Wake>>,
}

impl Outbound {
    pub(crate) fn new(limits: OutboundLimits) -> Outbound {
        Outbound {
            rest: Vec::new(),
            start: 0,
            buffer: Vec::new(),
            in_flight: 0,
            flushing: false,
            promised: false,
            blocked_since: None,
            closed: None,
            limits,
            waiters: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn pending(&self) -> usize {
        self.rest.len() - self.start + self.buffer.len() + self.in_flight
    }

    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.pending() > self.limits.soft
    }

    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.pending() > self.limits.max
    }

    pub(crate) fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// The buffer to append `additional` bytes to.
    #[inline]
    pub(crate) fn room(&mut self, additional: usize) -> &mut Vec<u8> {
        if self.buffer.capacity() == 0 {
            self.buffer = buffers::take();
        }
        self.buffer.reserve(additional);
        &mut self.buffer
    }

    /// Promises a flush. True when nobody had promised it yet.
    #[inline]
    pub(crate) fn promise_flush(&mut self) -> bool {
        !::core::mem::replace(&mut self.promised, true)
    }

    /// Ends the output. What is pending is kept only when it may still be sent.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if self.closed.is_none() {
            self.closed = Some(reason);
        }
        if !reason.allows_last_flush() {
            self.discard();
        }
        self.wake_waiters();
    }

    /// Frees what is pending: it will not be sent.
    pub(crate) fn discard(&mut self) {
        self.rest = Vec::new();
        self.start = 0;
        self.buffer = Vec::new();
    }

    fn wake_waiters(&mut self) {
        self.waiters.drain(..).for_each(|waiter| waiter.wake());
    }

    /// What is left for the driver.
    pub(crate) fn left_for_driver(&self) -> Pending {
        match (self.closed, self.blocked_since) {
            (Some(reason), _) => Pending::Closed(reason),
            (None, Some(since)) => Pending::Blocked(since),
            (None, None) => Pending::Nothing,
        }
    }

    /// Asks to be woken at half of the soft limit. False when that is so already.
    pub(crate) fn wake_when_drained(&mut self, waiter: &Arc<dyn Wake>) -> bool {
        let waits = self.closed.is_none() && self.pending() > self.limits.soft / 2;
        // A waiter that gave up and waits again stands here already.
        if waits && !self.waiters.iter().any(|known| Arc::ptr_eq(known, waiter)) {
            self.waiters.push(waiter.clone());
        }
        waits
    }

    /// The socket still takes nothing, and is given time from `now` again.
    pub(crate) fn retry(&mut self, now: Timestamp) {
        self.blocked_since = self.blocked_since.map(|_| now);
    }

    /// The socket may take output again.
    pub(crate) fn unblock(&mut self) {
        self.blocked_since = None;
    }

    /// Takes all output for a driver that writes it by itself. `None` when there is none, or it is
    /// being written.
    pub(crate) fn take(&mut self) -> Option<(Vec<u8>, usize)> {
        self.promised = false;
        self.blocked_since = None;
        if self.flushing || (self.rest.is_empty() && self.buffer.is_empty()) {
            return None;
        }
        self.flushing = true;
        let next = if self.rest.is_empty() { &mut self.buffer } else { &mut self.rest };
        let taken = (::core::mem::take(next), ::core::mem::take(&mut self.start));
        self.in_flight = taken.0.len() - taken.1;
        Some(taken)
    }

    /// Ends what [`Outbound::take`] began, or one round of a flush: of `buffer`, the first `start`
    /// bytes are written.
    pub(crate) fn finish(&mut self, buffer: Vec<u8>, start: usize) {
        self.flushing = false;
        self.in_flight = 0;
        let is_lost = self.closed.is_some_and(|reason| !reason.allows_last_flush());
        if start >= buffer.len() || is_lost {
            buffers::recycle(buffer);
        } else {
            // Nobody else takes while somebody writes, so there is no other rest.
            self.rest = buffer;
            self.start = start;
        }
        if self.pending() <= self.limits.soft / 2 && !self.waiters.is_empty() {
            self.wake_waiters();
        }
    }
}

/// Buffers that one flush writes.
const FLUSH_ROUNDS_MAX: u32 = 32;

/// Gives access to the [`Outbound`] inside a connection's locked state.
pub(crate) trait HasOutbound {
    fn outbound(&mut self) -> &mut Outbound;
}

/// Writes as much as the socket takes now. Returns whether more is pending than should.
///
/// When several threads flush at once, one writes and the others leave their output to it; after a
/// few rounds it leaves what still comes to the driver, so that nobody writes for others for ever.
pub(crate) fn flush<T: HasOutbound>(
    locked: &LeveledMutex<40, T>,
    writer: &dyn SocketWriter,
    now: Timestamp,
) -> bool {
    let mut state = locked.lock();
    let out = state.outbound();
    if out.blocked_since.is_some() {
        out.promised = false;
        return out.is_crowded();
    }
    let mut rounds = 0;
    while let Some((buffer, start)) = state.outbound().take() {
        drop(state);
        rounds += 1;
        let mut written = start;
        let result = loop {
            if written == buffer.len() {
                break Ok(());
            }
            match writer.try_write(&buffer[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        state = locked.lock();
        let out = state.outbound();
        out.finish(buffer, written);
        if let Err(error) = result {
            if error.kind() == io::ErrorKind::WouldBlock {
                out.blocked_since = Some(now);
            } else {
                out.close(CloseReason::WriteError);
            }
            writer.wake_driver();
            break;
        }
        if rounds == FLUSH_ROUNDS_MAX && out.pending() > 0 {
            out.blocked_since = Some(now);
            writer.wake_driver();
            break;
        }
    }
    state.outbound().is_crowded()
}
