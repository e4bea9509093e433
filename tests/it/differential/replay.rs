//! Plays one transcript to one server and keeps the answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use natsd_testkit::{FIRST_PING, Launch, RawClient, Server};

use super::normalise::normalise;
use super::transcript::{Action, Transcript};

/// How long a PONG, a close or a greeting may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two writes on one connection, so that the server reads them one by one.
const WRITE_GAP: Duration = Duration::from_millis(4);

/// What one connection received up to one sync point.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// Line of the sync point in the transcript.
    pub(super) line: usize,
    pub(super) connection: String,
    /// Received bytes, escaped, one protocol line per line, dynamic values masked.
    pub(super) text: String,
}

/// Starts `binary` for this transcript alone and plays it.
///
/// # Errors
/// When the server does not start, or dies while it is spoken to.
pub(super) fn replay(
    transcript: &Transcript,
    binary: &Path,
    silence: Duration,
) -> Result<Vec<Answer>> {
    let mut server = Launch::new(binary).config(&transcript.config).try_start()?;
    let mut connections: BTreeMap<&str, Connection> = BTreeMap::new();
    let mut answers = Vec::new();
    let asks_for_pings = transcript.config.contains("ping_interval");
    let begun = Instant::now();
    for step in &transcript.steps {
        let name = step.connection.as_str();
        if !connections.contains_key(name) {
            connections.insert(name, Connection::open(&server)?);
        }
        let connection = connections.get_mut(name).expect("opened above");
        let bytes = match &step.action {
            Action::Open => continue,
            Action::Send(bytes) => {
                connection.send(bytes);
                continue;
            }
            Action::Close => {
                if let Some(closing) = connections.remove(name) {
                    closing.close();
                }
                continue;
            }
            Action::Quiet => connection.quiet(silence),
            Action::Pong => connection.pong(silence),
            Action::Eof => connection.eof(),
        };
        let mut text = normalise(&bytes);
        if !asks_for_pings && begun.elapsed() >= FIRST_PING {
            // On a busy machine a replay may outlast the time before a server's first PING.
            text = text.split_inclusive('\n').filter(|line| *line != "PING\\r\\n\n").collect();
        }
        answers.push(Answer { line: step.line, connection: name.to_owned(), text });
    }
    anyhow::ensure!(server.is_running(), "the server died:\n{}", server.log());
    Ok(answers)
}

struct Connection {
    client: RawClient,
    /// Something was sent since the last sync point.
    wrote: bool,
}

impl Connection {
    /// Connects and waits for the greeting, which stays unread.
    fn open(server: &Server) -> Result<Self> {
        let mut client = RawClient::try_dial(server.address())?;
        client.wait_for(PATIENCE, |bytes| bytes.contains(&b'\n'));
        Ok(Self { client, wrote: false })
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.wrote {
            // Receiving meanwhile keeps both sides from blocking on full buffers.
            self.client.wait_for(WRITE_GAP, |_| false);
        }
        // A server that has closed already is part of the transcript: the next sync shows it.
        let _ = self.client.try_send(bytes);
        self.wrote = true;
    }

    fn quiet(&mut self, silence: Duration) -> Vec<u8> {
        self.wrote = false;
        let mut bytes = self.client.read_quiet(silence);
        self.mark_close(&mut bytes);
        bytes
    }

    fn pong(&mut self, silence: Duration) -> Vec<u8> {
        let is_pong = |bytes: &[u8]| {
            bytes.starts_with(b"PONG\r\n") || bytes.windows(7).any(|part| part == b"\nPONG\r\n")
        };
        let seen = self.client.wait_for(PATIENCE, is_pong);
        let mut bytes = self.quiet(silence / 2);
        if !seen && !self.client.is_closed() {
            bytes.extend_from_slice(b"<no PONG>\n");
        }
        bytes
    }

    fn eof(&mut self) -> Vec<u8> {
        self.wrote = false;
        self.client.wait_for(PATIENCE, |_| false);
        let closed = self.client.is_closed();
        let mut bytes = self.client.read_quiet(Duration::from_millis(1));
        bytes.extend_from_slice(if closed { b"<eof>\n" } else { b"<still open>\n" });
        bytes
    }

    fn mark_close(&self, bytes: &mut Vec<u8>) {
        if self.client.is_closed() {
            bytes.extend_from_slice(b"<eof>\n");
        }
    }

    /// Closes and waits until the server has taken notice.
    fn close(mut self) {
        self.client.shut_write();
        self.client.wait_closed();
    }
}
