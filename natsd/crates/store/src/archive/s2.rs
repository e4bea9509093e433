//! An S2 stream, in pieces.
//!
//! | offset | size | field of a chunk |
//! |---|---|---|
//! | 0 | 1 | type: 0 compressed, 1 plain, 255 identifier of the stream, 128 to 254 to be skipped |
//! | 1 | 3 | size of what follows, little endian |
//! | 4 | 4 | masked CRC-32C of the uncompressed bytes; compressed and plain only |
//! | 8 | | the block, at most 4 MiB uncompressed |
//!
//! Blocks come out one at a time, so that a small input cannot ask for much memory. The reader of
//! the library is not used: it calls itself for each chunk that is to be skipped, until the stack
//! is at its end.
//!
//! Source: the S2 and Snappy framing formats.

use std::io::Write;

use minlz::{crc, s2};

use super::ArchiveError;

const IDENTIFIERS: [&[u8]; 2] = [b"S2sTwO", b"sNaPpY"];
const HEADER_SIZE: usize = 4;
const CHECKSUM_SIZE: usize = 4;
const COMPRESSED: u8 = 0;
const PLAIN: u8 = 1;
const IDENTIFIER: u8 = 255;
const BLOCK_SIZE_MAX: usize = 4 << 20;
/// A block that cannot be compressed is stored plain, so that no chunk is much larger.
const CHUNK_SIZE_MAX: usize = BLOCK_SIZE_MAX + (64 << 10);
/// What is written: small enough to keep a snapshot's memory low.
const WRITE_BLOCK_SIZE: usize = 128 << 10;

/// Takes compressed bytes and gives blocks.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    input: Vec<u8>,
    /// What of the input is done.
    done: usize,
    /// Where the input begins in the stream.
    offset: u64,
    /// Bytes of a chunk to be skipped that have not come yet.
    skip: usize,
    has_identifier: bool,
}

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.done);
        self.offset += self.done as u64;
        self.done = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Whether bytes of a chunk are there that is not whole.
    pub(crate) fn has_rest(&self) -> bool {
        self.skip > 0 || self.done < self.input.len()
    }

    /// Bytes that are kept until more come.
    pub(crate) fn buffered(&self) -> usize {
        self.input.capacity()
    }

    /// The next block, or none when more bytes are needed.
    pub(crate) fn next_block(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        loop {
            let skipped = self.skip.min(self.input.len() - self.done);
            self.skip -= skipped;
            self.done += skipped;
            let bad = ArchiveError::Compression { offset: self.offset + self.done as u64 };
            let rest = self.input.get(self.done..).unwrap_or_default();
            let Some((&[kind, a, b, c], rest)) = rest.split_first_chunk::<HEADER_SIZE>() else {
                return Ok(None);
            };
            let size = u32::from_le_bytes([a, b, c, 0]) as usize;
            if !self.has_identifier && kind != IDENTIFIER {
                return Err(bad);
            }
            match kind {
                COMPRESSED | PLAIN => {
                    if size > CHUNK_SIZE_MAX {
                        return Err(bad);
                    }
                    let Some(chunk) = rest.get(..size) else { return Ok(None) };
                    let block = decode(kind, chunk).ok_or(bad)?;
                    self.done += HEADER_SIZE + size;
                    if !block.is_empty() {
                        return Ok(Some(block));
                    }
                }
                IDENTIFIER => {
                    let Some(chunk) = rest.get(..size.min(7)) else { return Ok(None) };
                    if !IDENTIFIERS.contains(&chunk) {
                        return Err(bad);
                    }
                    self.has_identifier = true;
                    self.done += HEADER_SIZE + size;
                }
                128..=254 => {
                    self.done += HEADER_SIZE;
                    self.skip = size;
                }
                _ => return Err(bad),
            }
        }
    }
}

fn decode(kind: u8, chunk: &[u8]) -> Option<Vec<u8>> {
    let (checksum, data) = chunk.split_first_chunk::<CHECKSUM_SIZE>()?;
    let block = if kind == COMPRESSED {
        let (size, _) = s2::decode_len(data).ok()?;
        if size > BLOCK_SIZE_MAX {
            return None;
        }
        s2::decode(data).ok()?
    } else {
        data.to_vec()
    };
    let is_right = block.len() <= BLOCK_SIZE_MAX && crc::crc(&block).to_le_bytes() == *checksum;
    is_right.then_some(block)
}

/// Takes bytes and gives compressed ones.
pub(crate) struct Encoder(s2::Writer<Vec<u8>>);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self(s2::Writer::with_block_size(Vec::new(), WRITE_BLOCK_SIZE))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("memory takes every write");
    }

    /// Compresses what was written so far.
    pub(crate) fn flush(&mut self) {
        self.0.flush().expect("memory takes every write");
    }

    /// What is compressed and not yet taken.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        self.0.get_mut()
    }
}
