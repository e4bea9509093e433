//! Listeners and the tasks that accept connections.
//!
//! Source: Go `server/server.go` (`AcceptLoop`, `acceptConnections`).

use crate::handshake;
use crate::server::Server;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tracing::error;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// First and longest pause after a failed accept. Go: `ACCEPT_MIN_SLEEP`, `ACCEPT_MAX_SLEEP`.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// `host:port` as shown in messages.
pub(crate) fn listen_address(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// Binds a listener. `0.0.0.0` and no host mean every address, of IPv6 too where there is IPv6.
///
/// # Errors
/// What the system says of the name, the address or the port.
pub(crate) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    if host.is_empty() || host == "0.0.0.0" {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        match listen(any) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {}
            result => return result,
        }
        return listen(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
    for address in lookup_host((host, port)).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts clients until the server stops listening.
pub(crate) async fn run(server: Arc<Server>, listener: TcpListener) {
    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.wait_stop_listening() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                pause = PAUSE_MIN;
                spawn_client(&server, stream, address);
            }
            Err(error) => {
                // Most often too many open files: others may end in the meantime.
                error!("Client Accept Error: {error}, sleeping {}ms", pause.as_millis());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

fn spawn_client(server: &Arc<Server>, stream: TcpStream, address: SocketAddr) {
    // Without it small messages wait for acknowledgements; a socket that refuses is about to fail.
    let _ = stream.set_nodelay(true);
    let server = server.clone();
    tokio::spawn(async move {
        // Boxed, so that an idle connection does not keep the space that only the start needs.
        if let Some(driver) = Box::pin(handshake::run(server, stream, address)).await {
            driver.run().await;
        }
    });
}
