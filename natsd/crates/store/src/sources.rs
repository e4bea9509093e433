//! How far a stream has read each of its sources, as the headers of its own messages say.
//!
//! Only configured sources are followed. `sources.db` keeps this over a restart, since the
//! messages that said it may be gone by then.
//!
//! Source: Go `server/stream.go` `streamAndSeq`, `server/filestore.go` `writeSourcesState`,
//! `decodeSourcesState`.

use std::collections::BTreeMap;

use crate::headers;
use crate::snapshot::SourceState;
use crate::varint::{put_text, put_unsigned, take_text, take_unsigned};

/// The header with which a message tells where it came from.
const SOURCE: &[u8] = b"Nats-Stream-Source";
const VERSION: u8 = 1;

/// Why an encoded state of the sources was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourcesError {
    /// The header is not all there.
    #[error("short buffer")]
    ShortBuffer,
    /// A version that this server does not know.
    #[error("sources: encoded version not known")]
    BadVersion,
    /// An entry is missing or cut off.
    #[error("unexpected EOF")]
    UnexpectedEnd,
}

/// What is known of each configured source.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// By index name. Sequence 0: nothing has come from it yet.
    states: BTreeMap<Vec<u8>, SourceState>,
}

impl Sources {
    /// Follows exactly these sources, keeping what is known of them.
    pub(crate) fn configure(&mut self, names: &[Vec<u8>]) {
        self.states.retain(|name, _| names.contains(name));
        for name in names {
            self.states.entry(name.clone()).or_default();
        }
    }

    /// Looks at a message that was stored.
    pub(crate) fn note(&mut self, message_headers: &[u8]) {
        if self.states.is_empty() {
            return;
        }
        let Some(value) = headers::text(message_headers, SOURCE) else { return };
        if let Some((name, state)) = parse_source(value) {
            if let Some(known) = self.states.get_mut(&name) {
                *known = state;
            }
        } else if let Some((stream, seq)) = parse_old_source(value) {
            for (_, known) in self.states.iter_mut().filter(|(name, _)| is_of(name, stream)) {
                *known = SourceState { seq, identity: Vec::new() };
            }
        }
    }

    /// The sources that something has come from.
    pub(crate) fn known(&self) -> BTreeMap<Vec<u8>, SourceState> {
        let known = self.states.iter().filter(|(_, state)| state.seq > 0);
        known.map(|(name, state)| (name.clone(), state.clone())).collect()
    }

    /// Takes over what a leader or `sources.db` knows; of sources it does not name nothing is
    /// known then. Those that it names and that are not configured here are followed too: the
    /// leader knows the configuration that comes.
    pub(crate) fn apply(&mut self, known: &BTreeMap<Vec<u8>, SourceState>) {
        if self.states.is_empty() {
            return;
        }
        self.states.values_mut().for_each(|state| *state = SourceState::default());
        self.states.extend(known.iter().map(|(name, state)| (name.clone(), state.clone())));
    }
}

/// The stream and sequence in a header of a server before 2.10: `stream sequence`.
fn parse_old_source(value: &[u8]) -> Option<(&[u8], u64)> {
    let at = value.iter().position(|&byte| byte == b' ')?;
    let (stream, seq) = value.split_at(at);
    Some((stream, std::str::from_utf8(seq.get(1..)?).ok()?.parse().ok()?))
}

/// Whether the source with this index name is the stream. That of another account or domain has a
/// hash behind the stream's name.
fn is_of(name: &[u8], stream: &[u8]) -> bool {
    name.strip_prefix(stream).is_some_and(|rest| matches!(rest.first(), Some(b' ' | b':')))
}

/// The index name and state in `stream sequence filter transform subject [identity]`. Headers of
/// servers before 2.10 have no index name.
fn parse_source(value: &[u8]) -> Option<(Vec<u8>, SourceState)> {
    let fields: Vec<&[u8]> = value.split(|&byte| byte == b' ').collect();
    let &[stream, seq, filter, transform, ref rest @ ..] = fields.as_slice() else { return None };
    let seq = std::str::from_utf8(seq).ok()?.parse().ok()?;
    let identity = rest.get(1).map_or_else(Vec::new, |identity| identity.to_vec());
    Some(([stream, filter, transform].join(&b' '), SourceState { seq, identity }))
}

/// The bytes of `sources.db`. `high_seq` is one beyond the last sequence that was looked at.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | version 1 |
/// | 1 | 8 | number of sources, little endian |
/// | 9 | 8 | `high_seq`, little endian |
/// | 17 | | each: index name, sequence, identity; texts with their size before them, all varints |
#[must_use]
pub fn encode_sources(states: &BTreeMap<Vec<u8>, SourceState>, high_seq: u64) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend((states.len() as u64).to_le_bytes());
    out.extend(high_seq.to_le_bytes());
    for (name, state) in states {
        put_text(&mut out, name);
        put_unsigned(&mut out, state.seq);
        put_text(&mut out, &state.identity);
    }
    out
}

/// Reads the bytes of `sources.db`: the sources, and one beyond the last sequence looked at.
pub fn decode_sources(input: &[u8]) -> Result<(BTreeMap<Vec<u8>, SourceState>, u64), SourcesError> {
    let (&[version], rest) = input.split_first_chunk().ok_or(SourcesError::ShortBuffer)?;
    let (count, rest) = rest.split_first_chunk().ok_or(SourcesError::ShortBuffer)?;
    let (high_seq, mut rest) = rest.split_first_chunk().ok_or(SourcesError::ShortBuffer)?;
    if version != VERSION {
        return Err(SourcesError::BadVersion);
    }
    let mut states = BTreeMap::new();
    // The count is not to be trusted, and ends with the input.
    for _ in 0..u64::from_le_bytes(*count) {
        let entry = take_entry(&mut rest).ok_or(SourcesError::UnexpectedEnd)?;
        states.insert(entry.0, entry.1);
    }
    Ok((states, u64::from_le_bytes(*high_seq)))
}

fn take_entry(input: &mut &[u8]) -> Option<(Vec<u8>, SourceState)> {
    let name = take_text(input)?;
    let seq = take_unsigned(input)?;
    Some((name, SourceState { seq, identity: take_text(input)? }))
}

#[cfg(test)]
mod tests {
    use super::{SourcesError, decode_sources};
    use crate::varint::put_unsigned;

    /// Go: TestFileStoreSourcesDecodeRejectsMalformed server/filestore_test.go:11324
    #[test]
    fn file_store_sources_decode_rejects_malformed() {
        let header = |version: u8, count: u64| {
            let mut out = vec![version];
            out.extend(count.to_le_bytes());
            out.extend([0; 8]);
            out
        };
        let with = |numbers: &[u64], text: &[u8], more: &[u64]| {
            let mut out = header(1, 1);
            numbers.iter().for_each(|&number| put_unsigned(&mut out, number));
            out.extend(text);
            more.iter().for_each(|&number| put_unsigned(&mut out, number));
            out
        };
        let cases = [
            ("short header", vec![0; 16], SourcesError::ShortBuffer),
            ("version", header(2, 0), SourcesError::BadVersion),
            ("size of the source", header(1, 1), SourcesError::UnexpectedEnd),
            ("source", with(&[5], b"", &[]), SourcesError::UnexpectedEnd),
            ("sequence", with(&[3], b"foo", &[]), SourcesError::UnexpectedEnd),
            ("size of the identity", with(&[3], b"foo", &[1]), SourcesError::UnexpectedEnd),
            ("identity", with(&[3], b"foo", &[1, 5]), SourcesError::UnexpectedEnd),
        ];
        for (what, input, expected) in cases {
            assert_eq!(decode_sources(&input).unwrap_err(), expected, "{what}");
        }
    }
}
