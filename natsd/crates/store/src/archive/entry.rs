//! The archive of 2.15: `NATSARC1`, then entries.
//!
//! | field of an entry | form |
//! |---|---|
//! | size of the name | varint |
//! | nanoseconds since 1970 | signed varint |
//! | sequence, 0 for what is no message | varint |
//! | size of the headers | varint |
//! | size of the body | varint |
//! | name, headers, body | bytes |
//!
//! First `state.json`, then `consumers/NAME` as often as the state says, then a message each, with
//! its subject for a name; an entry of six zeros is the end.
//!
//! Source: Go `server/archive/archive.go`.

use natsd_base::Timestamp;

use crate::varint::{put_signed, put_unsigned, take_signed, take_unsigned};

pub(super) const MAGIC: &[u8; 8] = b"NATSARC1";
pub(super) const STATE_NAME: &[u8] = b"state.json";
pub(super) const CONSUMER_PREFIX: &[u8] = b"consumers/";
/// Five integers of ten bytes at most.
const HEADER_SIZE_MAX: usize = 50;

/// What comes before the name, headers and body of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) name_size: u64,
    pub(super) timestamp: Timestamp,
    pub(super) seq: u64,
    pub(super) headers_size: u64,
    pub(super) body_size: u64,
}

/// These bytes do not begin an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadHeader;

impl EntryHeader {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_unsigned(out, self.name_size);
        put_signed(out, self.timestamp.0);
        put_unsigned(out, self.seq);
        put_unsigned(out, self.headers_size);
        put_unsigned(out, self.body_size);
    }

    /// Takes a header off the front of `input`; none when it is not whole yet.
    pub(super) fn take(input: &mut &[u8]) -> Result<Option<Self>, BadHeader> {
        let mut rest = *input;
        let taken = Self::try_take(&mut rest);
        match taken {
            Some(_) => *input = rest,
            None if has_bad_integer(input) => return Err(BadHeader),
            None => {}
        }
        Ok(taken)
    }

    fn try_take(input: &mut &[u8]) -> Option<Self> {
        Some(Self {
            name_size: take_unsigned(input)?,
            timestamp: Timestamp(take_signed(input)?),
            seq: take_unsigned(input)?,
            headers_size: take_unsigned(input)?,
            body_size: take_unsigned(input)?,
        })
    }

    pub(super) fn is_end(&self) -> bool {
        let sizes = self.name_size | self.headers_size | self.body_size;
        sizes == 0 && self.seq == 0 && self.timestamp.0 == 0
    }
}

/// Whether no byte that may follow makes five integers of `input`.
fn has_bad_integer(input: &[u8]) -> bool {
    let mut rest = input;
    for _ in 0..5 {
        if take_unsigned(&mut rest).is_none() {
            return rest.len() >= HEADER_SIZE_MAX / 5;
        }
    }
    false
}
