//! A NATS connection as a byte stream.
//!
//! Knows lines and the shape of MSG and HMSG, and nothing else: it never answers a PING and never
//! reconnects. It hides nothing but a PING that nobody asked for once [`FIRST_PING`] has passed: on
//! a busy machine a test may take that long.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::wait::DEADLINE;

/// Bytes in both directions: a socket, or a layer over one.
pub trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

/// A server sends its first PING no earlier than this after a client came, unless
/// `ping_interval` is shorter (`firstClientPingInterval` in Go's server/client.go).
pub const FIRST_PING: Duration = Duration::from_secs(2);

const PING: &[u8] = b"PING\r\n";

/// A connection to a server.
pub struct RawClient {
    /// The socket itself, for its addresses and time limits.
    socket: TcpStream,
    /// What bytes go through: the socket, or TLS over it.
    stream: Box<dyn Duplex>,
    /// Bytes received and not yet consumed.
    pending: Vec<u8>,
    /// The server has closed its side.
    closed: bool,
    /// Before the connection was made.
    opened: Instant,
    /// The INFO that opened the connection.
    pub info: Value,
}

impl std::fmt::Debug for RawClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RawClient")
            .field("socket", &self.socket)
            .field("pending", &shown(&self.pending))
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

/// One delivered message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawMessage {
    /// Subject it was published on.
    pub subject: String,
    /// Subscription id.
    pub sid: String,
    /// Reply subject, empty when there is none.
    pub reply: String,
    /// Header block with its version line, empty for a plain MSG.
    pub headers: String,
    /// Payload.
    pub payload: Vec<u8>,
}

impl RawClient {
    /// Connects without reading anything. `info` stays null.
    ///
    /// # Panics
    /// When the address does not accept.
    #[track_caller]
    pub fn dial(address: SocketAddr) -> Self {
        match Self::try_dial(address) {
            Ok(client) => client,
            Err(error) => panic!("connect to {address}: {error}"),
        }
    }

    /// Connects without reading anything.
    ///
    /// # Errors
    /// When the address does not accept.
    pub fn try_dial(address: SocketAddr) -> std::io::Result<Self> {
        let opened = Instant::now();
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let socket = stream.try_clone()?;
        let stream = Box::new(stream);
        Ok(Self { socket, stream, pending: Vec::new(), closed: false, opened, info: Value::Null })
    }

    /// Puts a layer such as TLS between the protocol and the socket, in the middle of a
    /// connection. What was read before stays read.
    ///
    /// # Errors
    /// As `wrap` reports them, and when bytes for the old layer are still unread.
    pub fn upgrade(
        mut self,
        wrap: impl FnOnce(TcpStream) -> std::io::Result<Box<dyn Duplex>>,
    ) -> std::io::Result<Self> {
        if !self.pending.is_empty() {
            let text = format!("unread before the upgrade: {}", shown(&self.pending));
            return Err(std::io::Error::other(text));
        }
        self.socket.set_read_timeout(Some(DEADLINE))?;
        self.stream = wrap(self.socket.try_clone()?)?;
        Ok(self)
    }

    /// Completes a quiet CONNECT on an open connection, as [`RawClient::connect`] does.
    #[track_caller]
    pub fn log_in(&mut self, connect: &str) {
        self.send(format!("CONNECT {connect}\r\nPING\r\n"));
        let mut line = self.line();
        while line == "+OK" {
            line = self.line();
        }
        assert_eq!(line, "PONG", "answer to CONNECT {connect}");
    }

    /// Connects and reads the INFO line.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let mut client = Self::dial(address);
        client.read_info();
        client
    }

    /// Connects, sends CONNECT with `connect` and a PING, and takes the PONG. What comes before
    /// the PONG must be nothing, or `+OK` when the JSON asks for verbose.
    #[track_caller]
    pub fn connect(address: SocketAddr, connect: &str) -> Self {
        let mut client = Self::open(address);
        client.log_in(connect);
        client
    }

    /// Reads one INFO line and keeps it in `info`.
    #[track_caller]
    pub fn read_info(&mut self) -> &Value {
        let line = self.line();
        let json = line.strip_prefix("INFO ").unwrap_or_else(|| panic!("not an INFO: {line:?}"));
        self.info = serde_json::from_str(json).expect("INFO is JSON");
        &self.info
    }

    /// Local address of the socket.
    ///
    /// # Panics
    /// When the socket has none any more.
    pub fn local_address(&self) -> SocketAddr {
        self.socket.local_addr().expect("socket has an address")
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the connection is broken.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            panic!("send: {error}");
        }
    }

    /// Sends bytes; the server may have closed.
    ///
    /// # Errors
    /// As the socket reports them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Closes our side for writing; what the server still sends can be read.
    pub fn shut_write(&self) {
        // Fails only when the peer is gone, which the next read reports.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    /// As if the connection were old enough for a PING.
    #[cfg(test)]
    pub(crate) fn aged(mut self) -> Self {
        self.opened -= FIRST_PING;
        self
    }

    /// Whether a PING may come that nobody asked for.
    fn may_be_pinged(&self) -> bool {
        self.opened.elapsed() >= FIRST_PING
    }

    /// Reads one line and returns it without its CRLF. Passes over PINGs.
    ///
    /// # Panics
    /// When the server closes or stays silent until the deadline.
    #[track_caller]
    pub fn line(&mut self) -> String {
        loop {
            let line = self.any_line();
            if line != "PING" || !self.may_be_pinged() {
                return line;
            }
        }
    }

    #[track_caller]
    fn any_line(&mut self) -> String {
        let start = Instant::now();
        loop {
            if let Some(end) = find(&self.pending, b"\r\n") {
                let line = String::from_utf8_lossy(&self.pending[..end]).into_owned();
                self.pending.drain(..end + 2);
                return line;
            }
            self.fill_or_panic(start, "a line");
        }
    }

    /// The next bytes must be exactly `expected`.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let start = Instant::now();
        loop {
            let mut pairs = self.pending.iter().zip(expected);
            if let Some(differs) = pairs.position(|(received, expected)| received != expected) {
                let line = line_start(&self.pending, differs);
                let rest = &self.pending[line..];
                let may_be_pinged = self.may_be_pinged();
                if may_be_pinged && rest.starts_with(PING) {
                    self.pending.drain(line..line + PING.len());
                    continue;
                }
                // What may become a PING waits for the rest of it.
                assert!(
                    may_be_pinged && PING.starts_with(rest),
                    "\nexpected {}\nreceived {}",
                    shown(expected),
                    shown(&self.pending)
                );
            } else if self.pending.len() >= expected.len() {
                self.pending.drain(..expected.len());
                return;
            }
            self.fill_or_panic(start, &shown(expected));
        }
    }

    /// The next line must be exactly `expected` (without CRLF).
    #[track_caller]
    pub fn expect_line(&mut self, expected: &str) {
        let line = if expected == "PING" { self.any_line() } else { self.line() };
        assert_eq!(line, expected);
    }

    /// The server must close now, having sent exactly `expected` before.
    #[track_caller]
    pub fn expect_eof(&mut self, expected: &str) {
        self.expect(expected);
        let received = self.read_to_eof();
        let received = self.without_pings(&received);
        assert!(received.is_empty(), "after {expected:?}: {}", shown(&received));
    }

    /// The server must be silent: a PING is answered by its PONG and nothing else.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        let before = self.flush();
        assert!(before.is_empty(), "expected nothing, received {}", shown(&before));
    }

    /// Sends PING and returns all bytes that come before the PONG.
    #[track_caller]
    pub fn flush(&mut self) -> Vec<u8> {
        self.send("PING\r\n");
        self.read_to_pong()
    }

    /// Reads up to and including the next PONG line; returns what came before it, less PINGs.
    #[track_caller]
    pub fn read_to_pong(&mut self) -> Vec<u8> {
        let start = Instant::now();
        loop {
            if let Some(end) = find_line(&self.pending, b"PONG\r\n") {
                let before = self.without_pings(&self.pending[..end]);
                self.pending.drain(..end + 6);
                return before;
            }
            self.fill_or_panic(start, "PONG");
        }
    }

    /// Reads until the server closes and returns the bytes.
    ///
    /// # Panics
    /// When it does not close until the deadline.
    #[track_caller]
    pub fn read_to_eof(&mut self) -> Vec<u8> {
        let start = Instant::now();
        while !self.closed {
            assert!(
                start.elapsed() < DEADLINE,
                "server did not close; received {}",
                shown(&self.pending)
            );
            self.fill(Duration::from_millis(200));
        }
        std::mem::take(&mut self.pending)
    }

    /// Whether the server has closed, waiting for it until the deadline.
    pub fn wait_closed(&mut self) -> bool {
        let start = Instant::now();
        while !self.closed && start.elapsed() < DEADLINE {
            self.fill(Duration::from_millis(200));
        }
        self.closed
    }

    /// Everything received until `silence` passes with nothing new or the server closed.
    pub fn read_quiet(&mut self, silence: Duration) -> Vec<u8> {
        while self.fill(silence) {}
        std::mem::take(&mut self.pending)
    }

    /// Receives until `done` says so of everything unread, the server closes, or `deadline`
    /// passes. Consumes nothing. Returns what `done` said last.
    pub fn wait_for(&mut self, deadline: Duration, mut done: impl FnMut(&[u8]) -> bool) -> bool {
        let start = Instant::now();
        while !done(&self.pending) {
            let left = deadline.saturating_sub(start.elapsed());
            if self.closed || left.is_zero() {
                return false;
            }
            self.fill(left.min(Duration::from_millis(100)));
        }
        true
    }

    /// Whether what is unread starts with these bytes. Waits for nothing.
    pub fn starts_with(&self, bytes: &[u8]) -> bool {
        self.pending.starts_with(bytes)
    }

    /// Whether the server was seen to close.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Reads one MSG or HMSG.
    ///
    /// # Panics
    /// When the next operation is another one.
    #[track_caller]
    pub fn message(&mut self) -> RawMessage {
        let line = self.line();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| text.parse::<usize>().expect("size in a MSG line");
        let (reply, header_size, total) = match words.as_slice() {
            ["MSG", _, _, total] => ("", 0, number(total)),
            ["MSG", _, _, reply, total] => (*reply, 0, number(total)),
            ["HMSG", _, _, header, total] => ("", number(header), number(total)),
            ["HMSG", _, _, reply, header, total] => (*reply, number(header), number(total)),
            _ => panic!("not a message: {line:?}"),
        };
        let mut body = self.take(total + 2);
        assert_eq!(&body[total..], b"\r\n", "end of a message");
        body.truncate(total);
        let payload = body.split_off(header_size);
        RawMessage {
            subject: words[1].to_owned(),
            sid: words[2].to_owned(),
            reply: reply.to_owned(),
            headers: String::from_utf8_lossy(&body).into_owned(),
            payload,
        }
    }

    /// Reads exactly `count` bytes.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let start = Instant::now();
        while self.pending.len() < count {
            self.fill_or_panic(start, "bytes");
        }
        self.pending.drain(..count).collect()
    }

    /// Whole operations, less the PINGs that nobody asked for.
    fn without_pings(&self, bytes: &[u8]) -> Vec<u8> {
        if !self.may_be_pinged() {
            return bytes.to_vec();
        }
        bytes
            .split_inclusive(|&byte| byte == b'\n')
            .filter(|line| *line != PING)
            .flatten()
            .copied()
            .collect()
    }

    /// Waits up to `patience` for more bytes; says whether any came.
    fn fill(&mut self, patience: Duration) -> bool {
        if self.closed {
            return false;
        }
        let mut buffer = [0; 65536];
        self.socket.set_read_timeout(Some(patience)).expect("timeout is not zero");
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                return true;
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            // A reset is how a close with unread data looks.
            Err(_) => self.closed = true,
        }
        false
    }

    #[track_caller]
    fn fill_or_panic(&mut self, start: Instant, wanted: &str) {
        self.fill(Duration::from_millis(200));
        assert!(
            !self.closed,
            "server closed while waiting for {wanted}; received {}",
            shown(&self.pending)
        );
        assert!(
            start.elapsed() < DEADLINE,
            "no {wanted} within {DEADLINE:?}; received {}",
            shown(&self.pending)
        );
    }
}

/// Bytes as printable text: control characters and bytes above 126 as escapes.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// As [`escape`], of the first bytes only: what a failure shows of a large message.
fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 2000;
    match bytes.get(..MOST) {
        Some(first) if bytes.len() > MOST => {
            format!("{} and {} bytes more", escape(first), bytes.len() - MOST)
        }
        _ => escape(bytes),
    }
}

/// Where the line begins that the byte at `at` is in.
fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Position of `needle` at the start of a line.
fn find_line(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if haystack.starts_with(needle) {
        return Some(0);
    }
    let at = find(haystack, &[b"\n", needle].concat())?;
    Some(at + 1)
}
