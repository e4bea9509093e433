//! The operations a client may send.

/// A complete operation, as slices of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// `CONNECT {json}`: the JSON text, not yet parsed.
    Connect(&'a [u8]),
    /// `PUB` or `HPUB` with its payload.
    Publish(Publish<'a>),
    /// `SUB subject [queue] sid`.
    Subscribe {
        /// The subject as sent, not validated.
        subject: &'a [u8],
        /// The queue group, if any.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`.
    Unsubscribe {
        /// The client's name for the subscription.
        sid: &'a [u8],
        /// Deliveries after which the subscription ends; -1 when absent or not a number.
        max: i64,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`: means nothing from a client.
    Ok,
    /// `INFO {json}`: means nothing from a client, but has to be JSON.
    Info(&'a [u8]),
    /// `-ERR text`: ends the connection.
    Err(&'a [u8]),
}

/// A published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Subject as sent, not validated.
    pub subject: &'a [u8],
    /// Reply subject, empty when there is none.
    pub reply: &'a [u8],
    /// Bytes of headers at the start of the payload; `None` for `PUB`.
    pub header_size: Option<usize>,
    /// The header size as the client wrote it, leading zeros included.
    pub header_size_text: &'a [u8],
    /// The total size as the client wrote it, leading zeros included.
    pub size_text: &'a [u8],
    /// Headers, body and the closing CRLF, in one run.
    pub payload_crlf: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Headers and body, without the closing CRLF.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.payload_crlf[..self.size()]
    }

    /// Size of headers and body in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.payload_crlf.len() - 2
    }
}
