//! One record of a message block, to and from Go's bytes.
//!
//! Little endian.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | size of the whole record; the top bit says that there are headers |
//! | 4 | 8 | sequence; bit 63: erased, bit 62: tombstone |
//! | 12 | 8 | nanoseconds since 1970 |
//! | 20 | 2 | size of the subject, `s` |
//! | 22 | s | subject |
//! | 22 + s | 4 | size of the headers, `h`, only with the top bit of the size |
//! | 26 + s | h | headers, as above |
//! | | | body |
//! | size - 8 | 8 | HighwayHash-64 of sequence, time, subject, headers and body |
//!
//! The hash covers none of the three sizes. A wrong size of the record moves the hash and shows;
//! a wrong size of the subject (in a record without headers) or of the headers moves a border
//! between two hashed fields, and does not. Go cannot tell either.
#![warn(clippy::indexing_slicing)]

use highway::{HighwayHash, HighwayHasher, Key};
use natsd_base::{Prng, Timestamp};
use sha2::{Digest, Sha256};

/// Bytes before the subject.
pub const RECORD_HEADER_SIZE: usize = 22;
/// A record without subject, headers and body: the header and the hash.
pub const EMPTY_RECORD_SIZE: usize = RECORD_HEADER_SIZE + HASH_SIZE;
/// Larger records are neither written nor read. Go: `rlBadThresh`.
pub const RECORD_SIZE_MAX: usize = 32 * 1024 * 1024;

const HASH_SIZE: usize = 8;
const HEADERS_BIT: u32 = 1 << 31;
const ERASED_BIT: u64 = 1 << 63;
const TOMBSTONE_BIT: u64 = 1 << 62;

/// Keyed by the stream and the block, so that a record of another place is not taken for one of
/// this.
#[derive(Clone)]
pub struct BlockHash {
    /// Keyed, nothing appended; cloned for every record.
    keyed: HighwayHasher,
}

impl std::fmt::Debug for BlockHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BlockHash").finish_non_exhaustive()
    }
}

impl BlockHash {
    /// The hash of block `index` (from 1) of the stream or RAFT group `name`.
    /// Source: Go `hashKeyForBlock`.
    #[must_use]
    pub fn new(name: &str, index: u32) -> Self {
        let digest: [u8; 32] = Sha256::digest(format!("{name}-{index}")).into();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        Self { keyed: HighwayHasher::new(Key(words)) }
    }

    fn sum(&self, parts: [&[u8]; 4]) -> [u8; HASH_SIZE] {
        let mut hasher = self.keyed.clone();
        for part in parts {
            hasher.append(part);
        }
        hasher.finalize64().to_le_bytes()
    }
}

/// What a record says of its sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A message was stored.
    Message,
    /// There is no message: it was skipped, or overwritten with random bytes.
    Erased,
    /// A message of this or an earlier block was deleted. Not a part of the stream itself.
    Tombstone,
}

/// One record. Slices point into the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Stream sequence, without flags.
    pub seq: u64,
    /// When the message was stored, or deleted.
    pub timestamp: Timestamp,
    /// What the record says of its sequence.
    pub kind: RecordKind,
    /// Empty in tombstones, erased records and RAFT logs.
    pub subject: &'a [u8],
    /// The header block, `NATS/1.0` included, or nothing.
    pub headers: &'a [u8],
    /// The message. Random in erased records.
    pub body: &'a [u8],
}

/// A record and what its hash is made of.
struct Parts<'a> {
    record: Record<'a>,
    size: usize,
    /// The part of the header that is hashed.
    hashed: &'a [u8; 16],
    sum: &'a [u8; HASH_SIZE],
}

/// A record does not fit into the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message too large")]
pub struct RecordTooLarge;

/// Why there is no record at some place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The bytes end before the record does.
    #[error("record is cut off")]
    Cut,
    /// A size contradicts the others or is beyond the largest.
    #[error("record sizes make no sense")]
    Sizes,
    /// The key of the block does not open, so nothing in the block can be read.
    #[error("block key is damaged")]
    Key,
    /// The file of the block is not there.
    #[error("block is missing")]
    Missing,
    /// The hash does not fit the content.
    #[error("record checksum mismatch")]
    Checksum,
}

impl<'a> Record<'a> {
    /// Bytes that [`Record::encode`] appends. Source: Go `fileStoreMsgSizeRaw`.
    #[must_use]
    pub const fn encoded_size(&self) -> usize {
        let headers_size = if self.headers.is_empty() { 0 } else { 4 + self.headers.len() };
        EMPTY_RECORD_SIZE + self.subject.len() + headers_size + self.body.len()
    }

    /// Appends the record; nothing is appended when it is too large.
    pub fn encode(&self, hash: &BlockHash, out: &mut Vec<u8>) -> Result<(), RecordTooLarge> {
        let size = self.encoded_size();
        let subject_size = u16::try_from(self.subject.len()).map_err(|_| RecordTooLarge)?;
        if size > RECORD_SIZE_MAX {
            return Err(RecordTooLarge);
        }
        let size = u32::try_from(size).map_err(|_| RecordTooLarge)?;
        let headers_size = u32::try_from(self.headers.len()).map_err(|_| RecordTooLarge)?;
        let headers_bit = if self.headers.is_empty() { 0 } else { HEADERS_BIT };
        let mut hashed = [0; 16];
        let (seq, timestamp) = hashed.split_at_mut(8);
        seq.copy_from_slice(&(self.seq | self.kind.flag()).to_le_bytes());
        timestamp.copy_from_slice(&self.timestamp.0.to_le_bytes());
        out.reserve(self.encoded_size());
        out.extend((size | headers_bit).to_le_bytes());
        out.extend(hashed);
        out.extend(subject_size.to_le_bytes());
        out.extend(self.subject);
        if headers_bit != 0 {
            out.extend(headers_size.to_le_bytes());
            out.extend(self.headers);
        }
        out.extend(self.body);
        out.extend(hash.sum([&hashed, self.subject, self.headers, self.body]));
        Ok(())
    }

    /// Reads the record at the front of `input`, and its size.
    ///
    /// Sequence 0 is taken as erased, as by Go.
    pub fn decode(hash: &BlockHash, input: &'a [u8]) -> Result<(Self, usize), Damage> {
        let (size, _, _) = split_header(input)?;
        Self::decode_sized(hash, input, size)
    }

    /// As [`Record::decode`], for bytes whose hash was found right before: it is not looked at.
    pub fn decode_checked(input: &'a [u8]) -> Result<(Self, usize), Damage> {
        let (size, _, _) = split_header(input)?;
        let parts = Self::split(input, size)?;
        Ok((parts.record, parts.size))
    }

    /// As [`Record::decode`], with another size field than the one that is there.
    fn decode_sized(hash: &BlockHash, input: &'a [u8], size: u32) -> Result<(Self, usize), Damage> {
        let Parts { record, size, hashed, sum } = Self::split(input, size)?;
        if hash.sum([hashed, record.subject, record.headers, record.body]) != *sum {
            return Err(Damage::Checksum);
        }
        Ok((record, size))
    }

    fn split(input: &'a [u8], size: u32) -> Result<Parts<'a>, Damage> {
        let (_, hashed, subject_size) = split_header(input)?;
        let has_headers = size & HEADERS_BIT != 0;
        let size = record_size(size)?;
        let record = input.get(..size).ok_or(Damage::Cut)?;
        let content = record.get(RECORD_HEADER_SIZE..).ok_or(Damage::Sizes)?;
        let (content, sum) = content.split_last_chunk::<HASH_SIZE>().ok_or(Damage::Sizes)?;
        let (subject, rest) =
            content.split_at_checked(usize::from(subject_size)).ok_or(Damage::Sizes)?;
        let (headers, body) = if has_headers {
            let (headers_size, rest) = rest.split_first_chunk().ok_or(Damage::Sizes)?;
            let headers_size = usize::try_from(u32::from_le_bytes(*headers_size));
            let headers_size = headers_size.map_err(|_| Damage::Sizes)?;
            rest.split_at_checked(headers_size).ok_or(Damage::Sizes)?
        } else {
            (&[][..], rest)
        };
        let (seq, timestamp) = hashed.split_first_chunk().expect("sixteen bytes");
        let flagged = u64::from_le_bytes(*seq);
        let timestamp = timestamp.first_chunk().expect("the other eight");
        let timestamp = Timestamp(i64::from_le_bytes(*timestamp));
        let seq = flagged & !(ERASED_BIT | TOMBSTONE_BIT);
        let kind = RecordKind::of(flagged);
        let record = Self { seq, timestamp, kind, subject, headers, body };
        Ok(Parts { record, size, hashed, sum })
    }
}

/// The subject of the record at the front of `input`, which was decoded before.
pub(crate) fn subject_of(input: &[u8]) -> &[u8] {
    let size = input.get(20..RECORD_HEADER_SIZE).and_then(|bytes| bytes.first_chunk());
    let size = size.map_or(0, |bytes| usize::from(u16::from_le_bytes(*bytes)));
    input.get(RECORD_HEADER_SIZE..RECORD_HEADER_SIZE + size).unwrap_or_default()
}

impl RecordKind {
    const fn flag(self) -> u64 {
        match self {
            Self::Message => 0,
            Self::Erased => ERASED_BIT,
            Self::Tombstone => TOMBSTONE_BIT,
        }
    }

    const fn of(flagged: u64) -> Self {
        if flagged & TOMBSTONE_BIT != 0 {
            Self::Tombstone
        } else if flagged & ERASED_BIT != 0 || flagged == 0 {
            Self::Erased
        } else {
            Self::Message
        }
    }
}

/// The size field, the part of the header that is hashed, and the size of the subject.
fn split_header(input: &[u8]) -> Result<(u32, &[u8; 16], u16), Damage> {
    let (size, rest) = input.split_first_chunk().ok_or(Damage::Cut)?;
    let (hashed, rest) = rest.split_first_chunk().ok_or(Damage::Cut)?;
    let subject_size = rest.first_chunk().ok_or(Damage::Cut)?;
    Ok((u32::from_le_bytes(*size), hashed, u16::from_le_bytes(*subject_size)))
}

fn record_size(field: u32) -> Result<usize, Damage> {
    let size = usize::try_from(field & !HEADERS_BIT).map_err(|_| Damage::Sizes)?;
    if (EMPTY_RECORD_SIZE..=RECORD_SIZE_MAX).contains(&size) {
        Ok(size)
    } else {
        Err(Damage::Sizes)
    }
}

/// The size that the record at the front of `input` claims, and its sequence with the kind, when
/// the sizes make sense and the record is not cut off. The hash is not looked at.
pub(super) fn peek(input: &[u8]) -> Option<(usize, u64, RecordKind)> {
    let (size, hashed, subject_size) = split_header(input).ok()?;
    let headers_size = if size & HEADERS_BIT != 0 { 4 } else { 0 };
    let size = record_size(size).ok()?;
    let least = EMPTY_RECORD_SIZE + usize::from(subject_size) + headers_size;
    let flagged = u64::from_le_bytes(*hashed.first_chunk()?);
    let seq = flagged & !(ERASED_BIT | TOMBSTONE_BIT);
    (least <= size && size <= input.len()).then_some((size, seq, RecordKind::of(flagged)))
}

/// The size fields that differ from the one at the front of `input` in one bit and fit into it,
/// with the size each claims.
pub(super) fn near_sizes(input: &[u8]) -> impl Iterator<Item = (u32, usize)> {
    let field = input.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let fits = move |field: &u32| record_size(*field).ok().filter(|&size| size <= input.len());
    (0..u32::BITS)
        .map(move |bit| field ^ (1 << bit))
        .filter_map(move |field| Some((field, fits(&field)?)))
}

/// Whether there would be a record at the front of `input`, if its size field were this.
pub(super) fn is_record_of(hash: &BlockHash, input: &[u8], size: u32) -> bool {
    Record::decode_sized(hash, input, size).is_ok()
}

/// Overwrites the content of the record `bytes` at random and marks it as erased, keeping its
/// size. Fails when these bytes are not exactly one record of a message.
/// Source: Go `eraseMsg`.
pub fn erase_record(hash: &BlockHash, bytes: &mut [u8], prng: &mut Prng) -> Result<(), Damage> {
    let (record, size) = Record::decode(hash, bytes)?;
    if size != bytes.len() || record.kind != RecordKind::Message {
        return Err(Damage::Sizes);
    }
    let mut body = vec![0; size - EMPTY_RECORD_SIZE];
    for chunk in body.chunks_mut(8) {
        let random = prng.next_u64().to_le_bytes();
        chunk.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
    }
    let erased = Record {
        seq: record.seq,
        timestamp: Timestamp(0),
        kind: RecordKind::Erased,
        subject: &[],
        headers: &[],
        body: &body,
    };
    let mut out = Vec::new();
    erased.encode(hash, &mut out).expect("it has the size of a record that there was");
    bytes.copy_from_slice(&out);
    Ok(())
}
