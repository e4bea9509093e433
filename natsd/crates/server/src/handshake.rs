//! The start of a client connection: INFO, PROXY header, TLS, in the order that the configuration
//! asks for.
//!
//! Source: Go `server/server.go` (`createClientEx`), `server/client.go` (`doTLSHandshake`).

use crate::driver::{Driver, Transport};
use crate::query::certificate_names;
use crate::registry::ClosedClient;
use crate::server::Server;
use crate::socket::{Socket, Writer};
use crate::tls::{self, ServerTls, Session};
use natsd_base::{ConnectionId, limits};
use natsd_broker::Deliver;
use natsd_links::CloseReason;
use natsd_links::client::{ClientLink, ClientSink};
use natsd_wire::proxy::{self, ProxyHeader};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tracing::{debug, error, warn};

const TOO_MANY: &[u8] = b"-ERR 'maximum connections exceeded'\r\n";
/// First byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// Bytes that tell TLS, PROXY headers and the NATS protocol apart.
const SNIFF_BYTES: usize = 6;
/// Room for what a PROXY header may bring.
const PROXY_HEADER_BYTES_MAX: usize = 16 + 65_536;

/// What the start of a connection found out.
struct Opening {
    stream: TcpStream,
    /// Address of the client, from the proxy where there is one.
    peer: SocketAddr,
    /// Bytes that were read and belong to what follows.
    input: Vec<u8>,
    /// Whether TLS follows.
    tls: bool,
}

/// Brings a connection to the point where its driver can run; `None` when it ended before.
pub(crate) async fn run(
    server: Arc<Server>,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<Driver> {
    let options = &server.options();
    let first = options.tls.as_ref().and_then(|tls| tls.handshake_first);
    let behind_proxy = options.proxy_protocol;
    let id = server.registry.next_id();
    let mut opening = Opening {
        stream,
        peer: address,
        input: Vec::new(),
        tls: options.tls.is_some() && !options.allow_non_tls,
    };
    let nonce = if server.snapshot().auth.needs_nonce() { random_nonce() } else { String::new() };
    // Until the sink exists nobody delivers, so that INFO is written right here.
    let announce = |peer: IpAddr, tls_required: Option<bool>| {
        let snapshot = server.snapshot();
        let mut info = snapshot.info.clone();
        info.client_id = id.0;
        info.client_ip = if behind_proxy { String::new() } else { shown_ip(peer) };
        info.max_payload =
            snapshot.payload_max.map_or(-1, |max| i64::try_from(max).unwrap_or(i64::MAX));
        info.nonce.clone_from(&nonce);
        if let Some(required) = tls_required {
            info.tls_required = required;
        }
        info.to_line()
    };
    let mut tls_first = first.is_some();
    if tls_first {
        opening.tls = true;
    } else {
        write_all(&opening.stream, &announce(address.ip(), None)).await.ok()?;
    }
    if let Some(delay) = first.and_then(|first| first.fallback_delay) {
        opening.sniff(4, delay).await;
        if opening.input.is_empty() {
            write_all(&opening.stream, &announce(address.ip(), None)).await.ok()?;
            tls_first = false;
            opening.tls = !options.allow_non_tls;
        }
    }
    let sniffs = !tls_first && options.tls.is_some() && options.allow_non_tls;
    if sniffs {
        opening.sniff(SNIFF_BYTES, options.tls_timeout).await;
        opening.tls = opening.input.first() == Some(&TLS_HANDSHAKE);
    }
    if behind_proxy {
        let found = opening.read_proxy_header().await;
        match found {
            Ok(true) if sniffs => {
                opening.sniff(1, options.tls_timeout).await;
                opening.tls = opening.input.first() == Some(&TLS_HANDSHAKE);
            }
            Ok(_) => {}
            Err(error) => {
                warn!("Error reading PROXY protocol header from {address}: {error}");
                return None;
            }
        }
    }
    if opening.tls {
        let tls = server.tls()?;
        let line = tls_first.then(|| announce(opening.peer.ip(), Some(true)));
        return Box::pin(open_tls(&server, &tls, opening, id, &nonce, line)).await;
    }
    let Opening { stream, peer, input, .. } = opening;
    let (read, write) = stream.into_split();
    let socket = Socket::new(Some(write));
    let sink = register(&server, &socket, id, peer)?;
    let told = Told { peer, nonce: &nonce };
    Some(open(&server, socket, sink, Transport::Plain(read), told, input))
}

impl Opening {
    /// Reads until there are `count` bytes of input, for at most `time`.
    async fn sniff(&mut self, count: usize, time: Duration) {
        let read = async {
            while self.input.len() < count {
                match self.stream.read_buf(&mut self.input).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        // Less than asked for is an answer too.
        let _ = timeout(time, read).await;
    }

    /// Takes a PROXY header off the input. False when there is none.
    async fn read_proxy_header(&mut self) -> Result<bool, String> {
        let deadline = tokio::time::Instant::now() + limits::PROXY_HEADER_TIMEOUT;
        loop {
            match proxy::parse(&self.input).map_err(|error| error.to_string())? {
                ProxyHeader::Proxied { source, consumed } => {
                    self.peer = source;
                    self.input.drain(..consumed);
                    return Ok(true);
                }
                ProxyHeader::Local { consumed } => {
                    self.input.drain(..consumed);
                    return Ok(true);
                }
                ProxyHeader::Absent => return Ok(false),
                ProxyHeader::Incomplete if self.input.len() > PROXY_HEADER_BYTES_MAX => {
                    return Err("header too long".into());
                }
                ProxyHeader::Incomplete => {}
            }
            match tokio::time::timeout_at(deadline, self.stream.read_buf(&mut self.input)).await {
                Err(_) => return Err("i/o timeout".into()),
                Ok(Ok(0)) => return Err("failed to read protocol version: EOF".into()),
                Ok(Err(error)) => return Err(error.to_string()),
                Ok(Ok(_)) => {}
            }
        }
    }
}

/// A text that no other client was sent. Go: `generateNonce`, eleven bytes.
fn random_nonce() -> String {
    let mut bytes = [0u8; 11];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

/// Registers a connection, unless there are too many. From here on monitoring shows it.
fn register(
    server: &Arc<Server>,
    socket: &Arc<Socket>,
    id: ConnectionId,
    peer: SocketAddr,
) -> Option<Arc<ClientSink>> {
    let now = server.clock.now();
    let address = SocketAddr::new(canonical(peer.ip()), peer.port()).to_string();
    let writer = Box::new(Writer(socket.clone()));
    let sink = Arc::new(ClientSink::new(id, &address, writer, &server.snapshot(), now));
    debug!("{} - Client connection created", sink.label());
    if !server.is_accepting() {
        return None;
    }
    let max = match server.options().max_connections {
        0 => None,
        max => Some(usize::try_from(max).unwrap_or(0)),
    };
    if !server.registry.try_add(&sink, socket, max) {
        error!("{} - maximum connections exceeded", sink.label());
        sink.send(TOO_MANY);
        sink.flush(now);
        end(server, socket, &sink, CloseReason::MaxConnectionsExceeded);
        return None;
    }
    Some(sink)
}

/// Ends a connection that has no driver yet.
fn end(server: &Server, socket: &Socket, sink: &ClientSink, reason: CloseReason) {
    socket.shut();
    let now = server.clock.now();
    let closed = ClosedClient::new(sink, Vec::new(), reason, now);
    server.tell_closed(&closed);
    server.registry.remove(closed);
}

/// Makes the driver of a registered connection.
fn open(
    server: &Arc<Server>,
    socket: Arc<Socket>,
    sink: Arc<ClientSink>,
    transport: Transport,
    told: Told<'_>,
    input: Vec<u8>,
) -> Driver {
    let snapshot = server.snapshot();
    let (stats, now) = (server.stats.clone(), server.clock.now());
    let ip = shown_ip(told.peer.ip());
    let link = ClientLink::new(sink, &snapshot, stats, &ip, told.nonce, now);
    Driver::new(server.clone(), socket, link, transport, input)
}

/// What INFO told the client of itself.
#[derive(Clone, Copy)]
struct Told<'a> {
    peer: SocketAddr,
    nonce: &'a str,
}

async fn open_tls(
    server: &Arc<Server>,
    config: &ServerTls,
    opening: Opening,
    id: ConnectionId,
    nonce: &str,
    info_line: Option<Vec<u8>>,
) -> Option<Driver> {
    let Opening { stream, peer, input, .. } = opening;
    let socket = Socket::new(None);
    if !server.is_accepting() {
        return None;
    }
    let Some(sink) = register(server, &socket, id, peer) else {
        // In the clear, as Go says it: there is no TLS yet.
        let _ = write_all(&stream, TOO_MANY).await;
        return None;
    };
    if !config.admits() {
        let text = b"-ERR 'Connection throttling is active. Please try again later.'\r\n";
        // The peer waits for TLS and will hardly read this.
        let _ = write_all(&stream, text).await;
        end(server, &socket, &sink, CloseReason::MaxConnectionsExceeded);
        return None;
    }
    let shaken =
        shake_hands(config, server.options().tls_timeout, Replayed { input, at: 0, stream });
    let (mut stream, session) = match shaken.await {
        Ok(shaken) => shaken,
        Err(failure) => {
            let label = sink.label();
            match failure {
                Failure::Stranger(text) => debug!("{label} - TLS handshake {text}"),
                Failure::Refused(text) => error!("{label} - TLS handshake error: {text}"),
            }
            end(server, &socket, &sink, CloseReason::TlsHandshakeError);
            return None;
        }
    };
    debug!(
        "{} - TLS handshake complete, version {}, cipher suite {}",
        sink.label(),
        session.version,
        session.cipher
    );
    let tls_first = info_line.is_some();
    if let Some(line) = info_line {
        let sent = async {
            stream.write_all(&line).await?;
            stream.flush().await
        };
        if sent.await.is_err() {
            end(server, &socket, &sink, CloseReason::WriteError);
            return None;
        }
    }
    let names = if server.snapshot().auth.maps_certificates() {
        session.peer_certificates.first().map(|certificate| certificate_names(certificate))
    } else {
        None
    };
    sink.status.update_details(|details| {
        details.tls_version = Some(session.version);
        details.tls_cipher = Some(session.cipher);
        details.tls_first = tls_first;
        details.tls_peer_certificates = session.peer_certificates;
    });
    let transport = Transport::Layered(Box::new(stream), None);
    let mut driver = open(server, socket, sink, transport, Told { peer, nonce }, Vec::new());
    if let Some(names) = names {
        driver.link.set_certificate(names);
    }
    Some(driver)
}

/// Why a TLS handshake failed.
enum Failure {
    /// The peer did not speak TLS, or not at all: of no interest to an operator.
    Stranger(String),
    /// The peer spoke TLS and was refused.
    Refused(String),
}

async fn shake_hands(
    config: &ServerTls,
    default_timeout: Duration,
    stream: Replayed,
) -> Result<(TlsStream<Replayed>, Session), Failure> {
    let handshake = config.acceptor().accept(stream);
    let stream = match timeout(config.timeout(default_timeout), handshake).await {
        Err(_) => return Err(Failure::Stranger("timeout".into())),
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if tls::is_no_tls(&error) => {
            return Err(Failure::Stranger(format!("error: {error}")));
        }
        Ok(Err(error)) => return Err(Failure::Refused(error.to_string())),
    };
    let session = tls::session(stream.get_ref().1);
    if !config.accepts_peer(&session.peer_certificates) {
        return Err(Failure::Refused("certificate not pinned".into()));
    }
    Ok((stream, session))
}

/// An address as Go shows it: IPv4 in IPv6 is IPv4.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn shown_ip(ip: IpAddr) -> String {
    canonical(ip).to_string()
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A stream whose first bytes were read already.
struct Replayed {
    input: Vec<u8>,
    at: usize,
    stream: TcpStream,
}

impl AsyncRead for Replayed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.at < self.input.len() {
            let count = buffer.remaining().min(self.input.len() - self.at);
            buffer.put_slice(&self.input[self.at..self.at + count]);
            self.at += count;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Replayed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
