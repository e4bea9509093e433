//! Log lines to the syslog of this machine or another.
//!
//! Source: Go `logger/syslog.go` and its standard library's `log/syslog` (RFC 3164 with the time of
//! RFC 3339 towards others).

use super::LogError;
use jiff::Zoned;
use std::io::{self, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use tracing::Level;

/// Facility of the local syslog: daemon. Remote ones get facility 0, as from Go.
const FACILITY_DAEMON: u8 = 3 << 3;
/// Where the local syslog may listen.
const LOCAL_PATHS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

#[derive(Debug)]
enum Connection {
    Datagram(UnixDatagram),
    Stream(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

#[derive(Debug)]
enum Target {
    Local,
    Unix(String),
    Udp(String),
    Tcp(String),
}

/// A connection to a syslog, made anew when it breaks.
#[derive(Debug)]
pub(super) struct Syslog {
    target: Target,
    connection: Connection,
    facility: u8,
    tag: String,
    host: String,
}

impl Syslog {
    /// The syslog of this machine.
    pub(super) fn local() -> io::Result<Syslog> {
        Syslog::connect(Target::Local, FACILITY_DAEMON)
    }

    /// The syslog at `url`: `udp://host:port`, `tcp://host:port` or `unix:///path`.
    pub(super) fn remote(url: &str) -> Result<Syslog, LogError> {
        let unusable = || LogError::SyslogUrl(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(unusable)?;
        let target = match scheme {
            "udp" => Target::Udp(rest.trim_end_matches('/').to_owned()),
            "tcp" => Target::Tcp(rest.trim_end_matches('/').to_owned()),
            "unix" => Target::Unix(rest.to_owned()),
            _ => return Err(unusable()),
        };
        Syslog::connect(target, 0).map_err(LogError::Syslog)
    }

    fn connect(target: Target, facility: u8) -> io::Result<Syslog> {
        let connection = Connection::open(&target)?;
        let program = std::env::args().next().unwrap_or_default();
        let tag = program.rsplit('/').next().unwrap_or_default().to_owned();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Syslog { target, connection, facility, tag, host })
    }

    pub(super) fn write(&mut self, level: Level, fatal: bool, text: &str) {
        let severity = match level {
            Level::ERROR if fatal => 2,
            Level::ERROR => 3,
            Level::WARN => 4,
            // Go traces at the level of notices too.
            Level::INFO | Level::TRACE => 5,
            Level::DEBUG => 7,
        };
        let message = self.message(self.facility | severity, text);
        if self.connection.send(message.as_bytes()).is_err()
            && let Ok(connection) = Connection::open(&self.target)
        {
            self.connection = connection;
            // Once more and no longer: a log must not stop the server.
            let _ = self.connection.send(message.as_bytes());
        }
    }

    fn message(&self, priority: u8, text: &str) -> String {
        let now = Zoned::now();
        let (tag, pid, host) = (&self.tag, std::process::id(), &self.host);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        match self.target {
            Target::Local | Target::Unix(_) => {
                let time = now.strftime("%b %e %H:%M:%S");
                format!("<{priority}>{time} {tag}[{pid}]: {text}{end}")
            }
            Target::Udp(_) | Target::Tcp(_) => {
                let time = now.strftime("%Y-%m-%dT%H:%M:%S%:z");
                format!("<{priority}>{time} {host} {tag}[{pid}]: {text}{end}")
            }
        }
    }
}

impl Connection {
    fn open(target: &Target) -> io::Result<Connection> {
        match target {
            Target::Local => {
                let open = |path: &&str| Connection::unix(path).ok();
                let missing =
                    || io::Error::new(io::ErrorKind::NotFound, "Unix syslog delivery error");
                LOCAL_PATHS.iter().find_map(open).ok_or_else(missing)
            }
            Target::Unix(path) => Connection::unix(path),
            Target::Udp(address) => {
                let socket = UdpSocket::bind("0.0.0.0:0").or_else(|_| UdpSocket::bind("[::]:0"))?;
                socket.connect(address)?;
                Ok(Connection::Udp(socket))
            }
            Target::Tcp(address) => TcpStream::connect(address).map(Connection::Tcp),
        }
    }

    fn unix(path: &str) -> io::Result<Connection> {
        let socket = UnixDatagram::unbound()?;
        match socket.connect(path) {
            Ok(()) => Ok(Connection::Datagram(socket)),
            Err(_) => UnixStream::connect(path).map(Connection::Stream),
        }
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Connection::Datagram(socket) => socket.send(message).map(drop),
            Connection::Udp(socket) => socket.send(message).map(drop),
            Connection::Stream(stream) => stream.write_all(message),
            Connection::Tcp(stream) => stream.write_all(message),
        }
    }
}
