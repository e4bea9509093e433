//! Segments of a journal and the batches in them, to and from bytes.
//!
//! A segment is a file. Its first page says what it is, twice, so that one damaged place costs
//! nothing; batches follow, each at the beginning of a page, so that no write touches a page that
//! holds something durable.
//!
//! | offset | size | the first page, at 0 and at 2048 |
//! |---|---|---|
//! | 0 | 8 | `natsdJRN` |
//! | 8 | 4 | version 1 |
//! | 12 | 4 | 0 |
//! | 16 | 8 | epoch: counts the uses of segments, from 1 |
//! | 24 | 16 | salt, random |
//! | 40 | 8 | HighwayHash-64 of bytes 0 to 40, keyed by zeros |
//!
//! | offset | size | a batch |
//! |---|---|---|
//! | 0 | 8 | HighwayHash-64 of the rest, keyed by salt, epoch and the batch's place in the segment |
//! | 8 | 16 | [`LocatingSum`] of what follows: total, weighted |
//! | 24 | 4 | size of the batch |
//! | 28 | 4 | size of the batch once more |
//! | 32 | 4 | number of records |
//! | 36 | 8 | epoch |
//! | 44 | 8 | position (LSN) of the first record; the others count on |
//! | 52 | 8 | the oldest epoch that is still needed |
//! | 60 | | records |
//!
//! What an earlier use of the segment left has another key, and never parses.
//!
//! One flipped bit anywhere is found and made right, with three readings and no search:
//! - in the first page the other copy is good;
//! - in the size, the two differ by one bit: one of them is right;
//! - behind the sizes the sum says which bit it is; in the sum itself, what is right;
//! - in the hash, it differs from the right one by one bit, and the sum agrees.
//!
//! In the end the hash is always right, so nothing is taken for a batch that was not one. Two wrong
//! bits are damage.
#![warn(clippy::indexing_slicing)]

use std::io;

use highway::{HighwayHash, HighwayHasher, Key};

use crate::disk::DiskFile;
use crate::locate::{Difference, LocatingSum};

/// Batches begin at multiples of this.
pub(super) const PAGE_SIZE: usize = 4096;
/// Bytes before the records of a batch.
pub(super) const BATCH_HEADER_SIZE: usize = 60;
/// Bytes before what the sum covers.
const SUMMED_FROM: usize = 24;
/// A batch is never larger, whatever a damaged one says.
pub(super) const BATCH_SIZE_MAX: usize = 64 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"natsdJRN";
const VERSION: u32 = 1;
const HEADER_SIZE: usize = 48;
const SECOND_COPY: usize = PAGE_SIZE / 2;

/// What the first page of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) epoch: u64,
    pub(super) salt: [u64; 2],
}

/// What the first page of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstPage {
    Segment(SegmentHeader),
    /// Of a newer version of natsd.
    Newer(u32),
    /// Never used, torn or damaged.
    Unreadable,
}

pub(super) fn hash(key: [u64; 4], bytes: &[u8]) -> u64 {
    HighwayHasher::new(Key(key)).hash64(bytes)
}

impl SegmentHeader {
    /// Writes the first page.
    pub(super) fn encode(self, page: &mut [u8; PAGE_SIZE]) {
        page.fill(0);
        let mut header = Vec::with_capacity(HEADER_SIZE);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        for word in [self.epoch, self.salt[0], self.salt[1]] {
            header.extend_from_slice(&word.to_le_bytes());
        }
        header.extend_from_slice(&hash([0; 4], &header).to_le_bytes());
        for start in [0, SECOND_COPY] {
            if let Some(copy) = page.get_mut(start..start + HEADER_SIZE) {
                copy.copy_from_slice(&header);
            }
        }
    }

    /// Reads the first page; and where the copy begins that differs from the good one by one bit,
    /// if there is one. With more bits it was torn, when the segment was used first.
    pub(super) fn decode(page: &[u8]) -> (FirstPage, Option<u64>) {
        let copy = |start: usize| page.get(start..start + HEADER_SIZE).unwrap_or_default();
        let (first, second) = (copy(0), copy(SECOND_COPY));
        let differ = || differing_bits(first, second) == Some(1);
        match (Self::decode_copy(first), Self::decode_copy(second)) {
            (Some(found), Some(_)) => (found, None),
            (Some(found), None) => (found, differ().then_some(SECOND_COPY as u64)),
            (None, Some(found)) => (found, differ().then_some(0)),
            (None, None) => (FirstPage::Unreadable, None),
        }
    }

    fn decode_copy(copy: &[u8]) -> Option<FirstPage> {
        let (content, sum) = copy.split_last_chunk::<8>()?;
        if hash([0; 4], content).to_le_bytes() != *sum || !content.starts_with(MAGIC) {
            return None;
        }
        let version = u32::from_le_bytes(*content.get(8..)?.first_chunk()?);
        if version != VERSION {
            return Some(FirstPage::Newer(version));
        }
        let word = |at: usize| Some(u64::from_le_bytes(*content.get(at..)?.first_chunk()?));
        Some(FirstPage::Segment(Self { epoch: word(16)?, salt: [word(24)?, word(32)?] }))
    }

    fn key(self, offset: u64) -> [u64; 4] {
        [self.salt[0], self.salt[1], self.epoch, offset]
    }
}

/// What a batch says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) epoch: u64,
    pub(super) first_lsn: u64,
    pub(super) count: u32,
    pub(super) oldest_epoch: u64,
}

/// How many bits differ, if there are as many in both.
fn differing_bits(first: &[u8], second: &[u8]) -> Option<u32> {
    let bits = first.iter().zip(second).map(|(first, second)| (first ^ second).count_ones());
    (first.len() == second.len()).then(|| bits.sum())
}

impl BatchHeader {
    /// Fills in the header of a batch whose records stand in it already, and that will stand at
    /// `offset` of the segment.
    pub(super) fn seal(self, segment: SegmentHeader, offset: u64, batch: &mut [u8]) {
        let size = u32::try_from(batch.len()).expect("at most BATCH_SIZE_MAX");
        let halves = [size, size, self.count].into_iter().flat_map(u32::to_le_bytes);
        let words = [self.epoch, self.first_lsn, self.oldest_epoch];
        put(batch, SUMMED_FROM, halves.chain(words.into_iter().flat_map(u64::to_le_bytes)));
        let sum = LocatingSum::of(batch.get(SUMMED_FROM..).unwrap_or_default());
        put(batch, 8, [sum.total, sum.weighted].into_iter().flat_map(u64::to_le_bytes));
        let hash = hash(segment.key(offset), batch.get(8..).unwrap_or_default());
        put(batch, 0, hash.to_le_bytes());
    }
}

fn put(bytes: &mut [u8], at: usize, content: impl IntoIterator<Item = u8>) {
    for (place, byte) in bytes.iter_mut().skip(at).zip(content) {
        *place = byte;
    }
}

/// The beginning of a batch, before anybody knows whether it is good.
#[derive(Debug, Clone, Copy)]
struct RawHeader {
    hash: u64,
    sum: LocatingSum,
    sizes: [u32; 2],
    header: BatchHeader,
}

impl RawHeader {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let half = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self {
            hash: word(0)?,
            sum: LocatingSum { total: word(8)?, weighted: word(16)? },
            sizes: [half(24)?, half(28)?],
            header: BatchHeader {
                count: half(32)?,
                epoch: word(36)?,
                first_lsn: word(44)?,
                oldest_epoch: word(52)?,
            },
        })
    }
}

/// A good batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundBatch {
    pub(super) header: BatchHeader,
    pub(super) size: usize,
    /// One bit is wrong on the disk.
    pub(super) is_corrected: bool,
}

/// Reads batches of one segment, one at a time.
#[derive(Debug)]
pub(super) struct SegmentReader<'a> {
    file: &'a dyn DiskFile,
    header: SegmentHeader,
    len: u64,
    /// Bytes that may still be hashed in vain, so that a segment full of lies costs no more than
    /// a few readings.
    credit: u64,
    batch: Vec<u8>,
}

/// How often over a segment may be hashed in vain.
const SEARCH_FACTOR: u64 = 16;

impl<'a> SegmentReader<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, header: SegmentHeader) -> io::Result<Self> {
        let len = file.len()?;
        let credit = len.saturating_mul(SEARCH_FACTOR);
        Ok(Self { file, header, len, credit, batch: Vec::new() })
    }

    /// The batch at `offset`, if there is one. What is not good is read twice, as a bit may have
    /// been lost on the way, and then corrected if one bit is wrong.
    pub(super) fn read(&mut self, offset: u64) -> io::Result<Option<FoundBatch>> {
        for _ in 0..2 {
            if let Some(found) = self.read_once(offset)? {
                return Ok(Some(found));
            }
        }
        self.read_corrected(offset)
    }

    fn read_once(&mut self, offset: u64) -> io::Result<Option<FoundBatch>> {
        let Some(raw) = self.read_header(offset)? else { return Ok(None) };
        let [size, again] = raw.sizes;
        if size != again || raw.header.epoch != self.header.epoch {
            return Ok(None);
        }
        let Some(size) = self.read_records(offset, size)? else { return Ok(None) };
        if self.hash(offset) == raw.hash {
            return Ok(Some(FoundBatch { header: raw.header, size, is_corrected: false }));
        }
        self.credit -= size as u64;
        Ok(None)
    }

    /// The batch at `offset`, if it is one but for one bit at most. Costs little where a batch was
    /// torn: one more reading and its sum.
    fn read_corrected(&mut self, offset: u64) -> io::Result<Option<FoundBatch>> {
        let Some(raw) = self.read_header(offset)? else { return Ok(None) };
        let [first, second] = raw.sizes;
        let wrong_size = (first ^ second).count_ones();
        if wrong_size + (raw.header.epoch ^ self.header.epoch).count_ones() > 1 {
            return Ok(None);
        }
        let sizes = [first.min(second), first.max(second)];
        // The smaller one first, as it costs less.
        for size in sizes.into_iter().take(if wrong_size == 0 { 1 } else { 2 }) {
            let Some(read) = self.read_records(offset, size)? else { continue };
            self.credit -= read as u64;
            put(&mut self.batch, SUMMED_FROM, [size, size].into_iter().flat_map(u32::to_le_bytes));
            let difference = raw.sum.compare(self.batch.get(SUMMED_FROM..).unwrap_or_default());
            if difference == Difference::Many || wrong_size > 0 && difference != Difference::None {
                continue;
            }
            let wrong = wrong_size + self.correct(difference);
            let wrong = wrong + (self.hash(offset) ^ raw.hash).count_ones();
            let Some(RawHeader { header, .. }) = RawHeader::decode(&self.batch) else { continue };
            if wrong <= 1 && header.epoch == self.header.epoch {
                return Ok(Some(FoundBatch { header, size: read, is_corrected: wrong == 1 }));
            }
        }
        Ok(None)
    }

    /// Flips the bit that the sum found, in the batch or in the sum. How many that were.
    fn correct(&mut self, difference: Difference) -> u32 {
        match difference {
            Difference::None | Difference::Many => return 0,
            Difference::Bit { index, bit } => {
                if let Some(byte) = self.batch.get_mut(SUMMED_FROM + index) {
                    *byte ^= 1 << bit;
                }
            }
            Difference::Sum(right) => {
                let words = [right.total, right.weighted];
                put(&mut self.batch, 8, words.into_iter().flat_map(u64::to_le_bytes));
            }
        }
        1
    }

    fn read_header(&mut self, offset: u64) -> io::Result<Option<RawHeader>> {
        if self.len.saturating_sub(offset) < BATCH_HEADER_SIZE as u64 {
            return Ok(None);
        }
        self.batch.resize(BATCH_HEADER_SIZE, 0);
        self.file.read_exact_at(&mut self.batch, offset)?;
        Ok(RawHeader::decode(&self.batch))
    }

    /// Reads the rest of a batch of that size, if one can have it. Returns the size.
    fn read_records(&mut self, offset: u64, size: u32) -> io::Result<Option<usize>> {
        let rest = self.len.saturating_sub(offset);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let fits = (BATCH_HEADER_SIZE..=BATCH_SIZE_MAX).contains(&size) && size as u64 <= rest;
        if !fits || size as u64 > self.credit {
            return Ok(None);
        }
        self.batch.resize(size, 0);
        if let Some(records) = self.batch.get_mut(BATCH_HEADER_SIZE..) {
            self.file.read_exact_at(records, offset + BATCH_HEADER_SIZE as u64)?;
        }
        Ok(Some(size))
    }

    fn hash(&self, offset: u64) -> u64 {
        hash(self.header.key(offset), self.batch.get(8..).unwrap_or_default())
    }

    /// The records of the batch that was read last.
    pub(super) fn records(&self) -> &[u8] {
        self.batch.get(BATCH_HEADER_SIZE..).unwrap_or_default()
    }

    /// Where the first good batch behind `offset` begins.
    pub(super) fn search(&mut self, offset: u64) -> io::Result<Option<(u64, BatchHeader)>> {
        let mut offset = offset;
        loop {
            offset = next_page(offset, 1);
            if offset >= self.len {
                return Ok(None);
            }
            if let Some(found) = self.read_once(offset)? {
                return Ok(Some((offset, found.header)));
            }
        }
    }
}

/// Where the page behind `size` bytes at `offset` begins.
pub(super) fn next_page(offset: u64, size: usize) -> u64 {
    (offset + size as u64).next_multiple_of(PAGE_SIZE as u64)
}
