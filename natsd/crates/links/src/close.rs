//! Why connections end.
//!
//! Source: Go `server/client.go` (`ClosedState`), texts of `server/monitor.go` (`String`).

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The client closed it.
    ClientClosed,
    /// No CONNECT in time.
    AuthenticationTimeout,
    /// Wrong credentials.
    AuthenticationViolation,
    /// TLS did not come about.
    TlsHandshakeError,
    /// Too much pending output.
    SlowConsumerPendingBytes,
    /// A write took too long.
    SlowConsumerWriteDeadline,
    /// The socket failed on writing.
    WriteError,
    /// The socket failed on reading.
    ReadError,
    /// The client sent an error.
    ParseError,
    /// Pings stayed unanswered.
    StaleConnection,
    /// Bytes that are no protocol.
    ProtocolViolation,
    /// A CONNECT with a protocol that does not exist.
    BadClientProtocolVersion,
    /// Too many connections, or too many in a second.
    MaxConnectionsExceeded,
    /// Too many connections of the account.
    MaxAccountConnectionsExceeded,
    /// A payload too large.
    MaxPayloadExceeded,
    /// A control line too long.
    MaxControlLineExceeded,
    /// More subscriptions than a limit that came later.
    MaxSubscriptionsExceeded,
    /// The server stops.
    ServerShutdown,
    /// The user's time is over.
    AuthenticationExpired,
    /// No-responders was asked for without headers.
    NoRespondersRequiresHeaders,
    /// An operator ended it.
    Kicked,
}

impl CloseReason {
    /// Go's text for it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            CloseReason::ClientClosed => "Client Closed",
            CloseReason::AuthenticationTimeout => "Authentication Timeout",
            CloseReason::AuthenticationViolation => "Authentication Failure",
            CloseReason::TlsHandshakeError => "TLS Handshake Failure",
            CloseReason::SlowConsumerPendingBytes => "Slow Consumer (Pending Bytes)",
            CloseReason::SlowConsumerWriteDeadline => "Slow Consumer (Write Deadline)",
            CloseReason::WriteError => "Write Error",
            CloseReason::ReadError => "Read Error",
            CloseReason::ParseError => "Parse Error",
            CloseReason::StaleConnection => "Stale Connection",
            CloseReason::ProtocolViolation => "Protocol Violation",
            CloseReason::BadClientProtocolVersion => "Bad Client Protocol Version",
            CloseReason::MaxConnectionsExceeded => "Maximum Connections Exceeded",
            CloseReason::MaxAccountConnectionsExceeded => "Maximum Account Connections Exceeded",
            CloseReason::MaxPayloadExceeded => "Maximum Message Payload Exceeded",
            CloseReason::MaxControlLineExceeded => "Maximum Control Line Exceeded",
            CloseReason::MaxSubscriptionsExceeded => "Maximum Subscriptions Exceeded",
            CloseReason::ServerShutdown => "Server Shutdown",
            CloseReason::AuthenticationExpired => "Authentication Expired",
            CloseReason::NoRespondersRequiresHeaders => "No Responders Requires Headers",
            CloseReason::Kicked => "Kicked",
        }
    }

    /// Whether what is still pending may be tried to be sent.
    #[must_use]
    pub fn allows_last_flush(self) -> bool {
        !matches!(
            self,
            CloseReason::ReadError
                | CloseReason::WriteError
                | CloseReason::SlowConsumerPendingBytes
                | CloseReason::SlowConsumerWriteDeadline
                | CloseReason::TlsHandshakeError
        )
    }
}

impl ::core::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(self.text())
    }
}
