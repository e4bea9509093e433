//! The half of a client connection that only its driver touches.
//!
//! Source: Go `server/client.go` (`readLoop`, `processPing`, `registerWithAccount`),
//! `server/parser.go` for the checks before the first CONNECT.

use super::connect::Checking;
use super::sink::ClientSink;
use super::trace;
use crate::core::liveness::{Liveness, Ping};
use crate::{CloseReason, Control, LinkCx, ServerStats, Snapshot};
use ::core::sync::atomic::Ordering;
use natsd_auth::{CertificateNames, Permissions};
use natsd_base::Timestamp;
use natsd_broker::{Account, Deliver, SubscriptionRef};
use natsd_config::options::ConnectionType;
use natsd_wire::nats::{
    Connect, Info, Op, ParseError, Parsed, Parser, ParserLimits, is_readable_info,
};
use std::sync::Arc;
use tracing::{debug, error, info};

/// How far a link got with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that need not be offered again.
    pub consumed: usize,
    /// Size of the incomplete operation behind them, in bytes; 0 when not known.
    pub needed: usize,
}

/// Where the connection stands with authentication.
#[derive(Debug)]
pub(super) enum Phase {
    /// A CONNECT has to come first, until then.
    Expected(Timestamp),
    /// The password is being checked, until then; no input is taken.
    Checking(Box<Checking>, Timestamp),
    /// The same, for a client that was let in under an earlier configuration.
    Rechecking(Box<Checking>),
    /// Anything may come.
    Ready,
}

/// One client connection.
#[derive(Debug)]
pub struct ClientLink {
    pub(super) sink: Arc<ClientSink>,
    /// The sink as others see it.
    pub(super) receiver: Arc<dyn Deliver>,
    pub(super) stats: Arc<ServerStats>,
    pub(super) parser: Parser,
    pub(super) parser_limits: ParserLimits,
    pub(super) phase: Phase,
    pub(super) connect: Box<Connect>,
    pub(super) connected: bool,
    pub(super) first_pong_sent: bool,
    pub(super) account: Arc<Account>,
    pub(super) permissions: Option<Arc<Permissions>>,
    pub(super) user: String,
    pub(super) label: Box<str>,
    pub(super) subscriptions_max: Option<usize>,
    pub(super) liveness: Liveness,
    pub(super) client_ip: Box<str>,
    pub(super) nonce: Box<str>,
    pub(super) certificate: Option<Box<CertificateNames>>,
    /// The hash of the password that the client showed, where that is one.
    pub(super) shown_hash: Option<Box<str>>,
    pub(super) in_msgs: u64,
    pub(super) in_bytes: u64,
    registered: bool,
}

impl ClientLink {
    /// A link in the global account. `client_ip` and `nonce` are what INFO told the client.
    #[must_use]
    pub fn new(
        sink: Arc<ClientSink>,
        snapshot: &Snapshot,
        stats: Arc<ServerStats>,
        client_ip: &str,
        nonce: &str,
        now: Timestamp,
    ) -> ClientLink {
        let account = snapshot.accounts.global().clone();
        let registered = account.try_connect();
        let phase = if snapshot.auth.is_required() {
            Phase::Expected(now + snapshot.auth_timeout)
        } else {
            Phase::Ready
        };
        sink.status.update_details(|details| details.account = Some(account.clone()));
        let mut link = ClientLink {
            receiver: sink.clone(),
            label: sink.label().into(),
            sink,
            stats,
            parser: Parser::new(),
            parser_limits: ParserLimits {
                control_line_max: snapshot.control_line_max,
                payload_max: snapshot.payload_max,
                headers: false,
            },
            phase,
            connect: Box::default(),
            connected: false,
            first_pong_sent: false,
            account,
            permissions: None,
            user: String::new(),
            subscriptions_max: None,
            liveness: Liveness::new(now, snapshot.ping_interval),
            client_ip: client_ip.into(),
            nonce: nonce.into(),
            certificate: None,
            shown_hash: None,
            in_msgs: 0,
            in_bytes: 0,
            registered,
        };
        link.apply_account_limits(snapshot);
        link
    }

    /// Tells the link what the client's certificate says, where that names the user.
    pub fn set_certificate(&mut self, names: CertificateNames) {
        self.certificate = Some(Box::new(names));
    }

    /// The shared half.
    #[must_use]
    pub fn sink(&self) -> &Arc<ClientSink> {
        &self.sink
    }

    /// What starts a log line about this connection, with what the client said of itself.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The INFO line for this client now.
    #[must_use]
    pub fn info_line(&self, snapshot: &Snapshot, change: impl FnOnce(&mut Info)) -> Vec<u8> {
        let mut info = snapshot.info.clone();
        info.client_id = self.sink.id().0;
        info.client_ip = self.client_ip.to_string();
        info.max_payload = self
            .parser_limits
            .payload_max
            .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        change(&mut info);
        info.to_line()
    }

    /// Takes every complete operation of `input`. Stops early when a receiver does not keep up or
    /// a password has to be checked.
    ///
    /// # Errors
    /// The reason to close the connection; what the client is to be told is in the output.
    pub fn handle_input(
        &mut self,
        cx: &mut LinkCx<'_>,
        input: &[u8],
    ) -> Result<Progress, CloseReason> {
        let tracing = tracing::enabled!(target: trace::TARGET, tracing::Level::TRACE);
        let mut progress = Progress { consumed: 0, needed: 0 };
        let result = loop {
            let rest = &input[progress.consumed..];
            if rest.is_empty() || (cx.worker.flush.is_crowded() && !cx.ignore_crowded) {
                break Ok(());
            }
            match self.phase {
                Phase::Ready => {}
                Phase::Checking(..) | Phase::Rechecking(_) => break Ok(()),
                Phase::Expected(_) => {
                    if self.parser.at_start()
                        && !matches!(rest, [b'C' | b'c', ..])
                        && let Err(reason) = self.log_in_implicitly(cx)
                    {
                        break Err(reason);
                    }
                }
            }
            if let Some((publish, consumed)) = self.parser.parse_common(rest, &self.parser_limits) {
                progress.consumed += consumed;
                if tracing {
                    trace::input(&self.label, &Op::Publish(publish), cx.snapshot);
                }
                self.publish(cx, &publish);
                continue;
            }
            match self.parser.parse(rest, &self.parser_limits) {
                Ok(Parsed::Complete { op, consumed }) => {
                    progress.consumed += consumed;
                    if tracing {
                        trace::input(&self.label, &op, cx.snapshot);
                    }
                    if let Err(reason) = self.handle_op(cx, &op) {
                        break Err(reason);
                    }
                }
                Ok(Parsed::Incomplete { consumed, needed }) => {
                    progress.consumed += consumed;
                    progress.needed = needed;
                    break Ok(());
                }
                Err(error) => break Err(self.parse_error(error)),
            }
        };
        self.liveness.input(cx.now);
        self.sink.status.touch(cx.now);
        self.end_batch(cx);
        result.map(|()| progress)
    }

    #[inline]
    fn handle_op(&mut self, cx: &mut LinkCx<'_>, op: &Op<'_>) -> Result<(), CloseReason> {
        match *op {
            Op::Publish(ref publish) => self.publish(cx, publish),
            Op::Subscribe { subject, queue, sid } => self.subscribe(cx, subject, queue, sid),
            Op::Unsubscribe { sid, max } => self.unsubscribe(sid, max),
            Op::Ping => self.ping(cx),
            Op::Pong => {
                self.liveness.pong(cx.now);
                self.sink.status.set_round_trip(self.liveness.round_trip());
            }
            Op::Connect(json) => return self.connect(cx, json),
            Op::Ok => {}
            Op::Info(json) => return self.foreign_info(json),
            Op::Err(text) => {
                error!("{} - Client Error {}", self.label, String::from_utf8_lossy(text));
                return Err(CloseReason::ParseError);
            }
        }
        Ok(())
    }

    /// An INFO from a client means nothing, but Go reads it and closes when it is no object.
    fn foreign_info(&self, json: &[u8]) -> Result<(), CloseReason> {
        if is_readable_info(json) {
            return Ok(());
        }
        error!("{} - invalid INFO", self.label);
        Err(CloseReason::ProtocolViolation)
    }

    fn parse_error(&self, error: ParseError) -> CloseReason {
        error!("{} - {error}", self.label);
        match error {
            ParseError::UnknownOperation => {
                self.send_error("Unknown Protocol Operation");
                CloseReason::ProtocolViolation
            }
            ParseError::ControlLine => {
                self.send_error("maximum control line exceeded");
                CloseReason::MaxControlLineExceeded
            }
            ParseError::Payload { .. } => {
                self.send_error("Maximum Payload Violation");
                CloseReason::MaxPayloadExceeded
            }
            ParseError::Arguments(_) | ParseError::HeadersNotSupported => {
                CloseReason::ProtocolViolation
            }
        }
    }

    fn end_batch(&mut self, cx: &mut LinkCx<'_>) {
        let (out_msgs, out_bytes) = cx.worker.take_counts();
        let in_msgs = ::core::mem::take(&mut self.in_msgs);
        let in_bytes = ::core::mem::take(&mut self.in_bytes);
        if in_msgs > 0 {
            self.sink.status.in_msgs.fetch_add(in_msgs, Ordering::Relaxed);
            self.sink.status.in_bytes.fetch_add(in_bytes, Ordering::Relaxed);
        }
        self.account.traffic.add(in_msgs, in_bytes, out_msgs, out_bytes);
        self.stats.traffic.add(in_msgs, in_bytes, out_msgs, out_bytes);
        if self
            .sink
            .with_output(|output| output.outbound.pending() > 0 && output.outbound.promise_flush())
        {
            cx.worker.flush.push(self.receiver.clone());
        }
    }

    fn ping(&mut self, cx: &LinkCx<'_>) {
        self.send(b"PONG\r\n", "PONG");
        if !self.connected || self.first_pong_sent {
            return;
        }
        self.first_pong_sent = true;
        if self.connect.protocol >= 1 {
            self.sink.status.set_takes_info();
            let is_system = cx.snapshot.accounts.is_system(&self.account);
            let line = self.info_line(cx.snapshot, |info| {
                info.auth_required = cx.snapshot.auth.is_required();
                info.connect_info = true;
                info.remote_account = self.account.name().to_string();
                info.acc_is_sys = is_system;
            });
            self.sink.send(&line);
        }
    }

    /// The account's and the server's limits together.
    pub(super) fn apply_account_limits(&mut self, snapshot: &Snapshot) {
        fn lower(one: Option<usize>, other: Option<usize>) -> Option<usize> {
            one.into_iter().chain(other).min()
        }
        let limits = self.account.limits();
        self.parser_limits.payload_max = lower(snapshot.payload_max, limits.payload_bytes_max);
        let of_account = limits.subscriptions_max.and_then(|max| usize::try_from(max).ok());
        self.subscriptions_max = lower(snapshot.subscriptions_max, of_account);
    }

    /// Moves the connection to `account`. False when that has as many connections as it may.
    pub(super) fn register(&mut self, snapshot: &Snapshot, account: &Arc<Account>) -> bool {
        if self.account.id() == account.id() && self.registered {
            return true;
        }
        if self.registered {
            self.account.disconnect();
        }
        self.account = account.clone();
        self.registered = account.try_connect();
        self.apply_account_limits(snapshot);
        self.registered
    }

    /// Takes what the driver has to tell.
    ///
    /// # Errors
    /// The reason to close the connection.
    pub fn handle_control(
        &mut self,
        cx: &mut LinkCx<'_>,
        control: Control,
    ) -> Result<(), CloseReason> {
        let result = match control {
            Control::PasswordChecked(equal) => self.password_checked(cx, equal),
            Control::InfoChanged | Control::LameDuck => {
                if self.connect.protocol >= 1 && self.first_pong_sent {
                    let line = self.info_line(cx.snapshot, |info| {
                        info.auth_required = cx.snapshot.auth.is_required();
                        info.ldm |= control == Control::LameDuck;
                    });
                    self.sink.send(&line);
                }
                Ok(())
            }
            Control::Reconfigured { authorization } => self.reconfigured(cx, authorization),
            Control::Close(reason) => Err(reason),
        };
        self.end_batch(cx);
        result
    }

    /// When [`ClientLink::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Timestamp {
        match self.phase {
            Phase::Expected(deadline) | Phase::Checking(_, deadline) => {
                deadline.min(self.liveness.due())
            }
            Phase::Rechecking(_) | Phase::Ready => self.liveness.due(),
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The reason to close the connection.
    pub fn handle_timeout(&mut self, cx: &mut LinkCx<'_>) -> Result<(), CloseReason> {
        if let Phase::Expected(deadline) | Phase::Checking(_, deadline) = self.phase
            && cx.now >= deadline
        {
            debug!("{} - Authentication Timeout", self.label);
            self.send_error("Authentication Timeout");
            return Err(CloseReason::AuthenticationTimeout);
        }
        let (interval, unanswered) = (cx.snapshot.ping_interval, cx.snapshot.pings_out_max);
        match self.liveness.handle_timeout(cx.now, interval, unanswered) {
            Ping::No => {}
            Ping::Send => {
                debug!("{} - Client Ping Timer", self.label);
                self.send(b"PING\r\n", "PING");
            }
            Ping::Stale => {
                debug!("{} - Stale Client Connection - Closing", self.label);
                self.send_error("Stale Connection");
                self.stats.stale_connections.fetch_add(1, Ordering::Relaxed);
                return Err(CloseReason::StaleConnection);
            }
        }
        self.sink.flush(cx.now);
        Ok(())
    }

    /// The peer took too long to take something.
    pub fn count_slow_consumer(&self) {
        self.stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
        self.account.count_slow_consumer();
    }

    /// Removes the connection from its account. Returns the subscriptions that it had.
    pub fn handle_close(&mut self, reason: CloseReason) -> Vec<SubscriptionRef> {
        debug!("{} - Client connection closed: {reason}", self.label);
        if reason == CloseReason::SlowConsumerPendingBytes {
            info!("{} - Slow Consumer Detected: MaxPending Exceeded", self.label);
        }
        if matches!(
            reason,
            CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline
        ) {
            self.count_slow_consumer();
        }
        if ::core::mem::take(&mut self.registered) {
            self.account.disconnect();
        }
        self.drop_subscriptions()
    }

    pub(super) fn drop_subscriptions(&self) -> Vec<SubscriptionRef> {
        let subscriptions = self.sink.with_subscriptions(|table| table.take_all());
        for subscription in &subscriptions {
            subscription.close();
            self.account.unsubscribe(subscription);
        }
        subscriptions
    }

    pub(super) fn send(&self, bytes: &[u8], shown: &str) {
        if tracing::enabled!(target: trace::TARGET, tracing::Level::TRACE) {
            trace::output(&self.label, shown);
        }
        self.sink.send(bytes);
    }

    pub(super) fn send_error(&self, text: &str) {
        self.send(format!("-ERR '{text}'\r\n").as_bytes(), &format!("-ERR {text}"));
    }

    #[inline]
    pub(super) fn send_ok(&self) {
        if self.connect.verbose {
            self.send(b"+OK\r\n", "OK");
        }
    }

    pub(super) fn connection_type() -> ConnectionType {
        ConnectionType::Standard
    }
}
