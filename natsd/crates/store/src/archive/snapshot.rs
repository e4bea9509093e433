//! Writes a backup of messages, as 2.15 does.

use natsd_base::Timestamp;

use super::entry::{CONSUMER_PREFIX, EntryHeader, MAGIC, STATE_NAME};
use super::s2::Encoder;
use crate::stream_store::{Filter, StoreError, StreamState, StreamStore};

/// A backup of a stream as it is when this is made, in chunks that are taken one after the other.
/// Messages that come later are not in it; those that go before they were reached are missing.
#[derive(Debug)]
pub struct SnapshotWriter {
    encoder: Encoder,
    /// What of the encoder's output is taken.
    taken: usize,
    next_seq: u64,
    last_seq: u64,
    is_ended: bool,
}

impl SnapshotWriter {
    /// Begins a backup. `state_json` is the state of the stream with the number of `consumers`
    /// (Go: `StreamState`), which are names with their configuration and state as JSON. See
    /// [`ConsumerState::bounded_by`](crate::ConsumerState::bounded_by).
    #[must_use]
    pub fn new(
        state: &StreamState,
        state_json: &[u8],
        consumers: &[(&str, &[u8])],
        now: Timestamp,
    ) -> Self {
        let mut encoder = Encoder::new();
        encoder.write(MAGIC);
        let mut writer = Self {
            encoder,
            taken: 0,
            next_seq: state.first_seq,
            last_seq: state.last_seq,
            is_ended: false,
        };
        writer.entry(STATE_NAME, now, 0, [&[], state_json]);
        for (name, content) in consumers {
            writer.entry(&[CONSUMER_PREFIX, name.as_bytes()].concat(), now, 0, [&[], content]);
        }
        writer
    }

    /// The next `size` bytes (at least one), or what is left, or none when all were taken.
    pub fn next_chunk(
        &mut self,
        store: &mut dyn StreamStore,
        size: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let size = size.max(1);
        while !self.is_ended && self.encoder.output().len() - self.taken < size {
            let next = (self.next_seq <= self.last_seq)
                .then(|| store.load_next(Filter::All, self.next_seq))
                .transpose()?
                .flatten()
                .filter(|message| message.seq <= self.last_seq);
            if let Some(message) = next {
                let (seq, timestamp) = (message.seq, message.timestamp);
                self.next_seq = seq.saturating_add(1);
                self.entry(message.subject, timestamp, seq, [message.headers, message.body]);
            } else {
                self.entry(&[], Timestamp(0), 0, [&[], &[]]);
                self.encoder.flush();
                self.is_ended = true;
            }
        }
        let output = self.encoder.output();
        let rest = output.get(self.taken..).unwrap_or_default();
        let chunk = rest.get(..size.min(rest.len())).unwrap_or_default().to_vec();
        self.taken += chunk.len();
        // Half of it at a time, so that every byte moves but once.
        if self.taken * 2 >= output.len() {
            output.drain(..self.taken);
            self.taken = 0;
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    /// Bytes that wait to be taken.
    #[must_use]
    pub fn buffered(&mut self) -> usize {
        self.encoder.output().capacity()
    }

    fn entry(&mut self, name: &[u8], timestamp: Timestamp, seq: u64, [headers, body]: [&[u8]; 2]) {
        let header = EntryHeader {
            name_size: name.len() as u64,
            timestamp,
            seq,
            headers_size: headers.len() as u64,
            body_size: body.len() as u64,
        };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        for part in [&bytes, name, headers, body] {
            self.encoder.write(part);
        }
    }
}
