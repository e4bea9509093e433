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
//! | 8 | 4 | size of the batch |
//! | 12 | 4 | number of records |
//! | 16 | 8 | epoch |
//! | 24 | 8 | position (LSN) of the first record; the others count on |
//! | 32 | 8 | the oldest epoch that is still needed |
//! | 40 | | records |
//!
//! What an earlier use of the segment left has another key, and never parses.
#![warn(clippy::indexing_slicing)]

use std::io;

use highway::{HighwayHash, HighwayHasher, Key};

use crate::disk::DiskFile;

/// Batches begin at multiples of this.
pub(super) const PAGE_SIZE: usize = 4096;
/// Bytes before the records of a batch.
pub(super) const BATCH_HEADER_SIZE: usize = 40;
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

    /// Reads the first page.
    pub(super) fn decode(page: &[u8]) -> FirstPage {
        let copy = |start: usize| page.get(start..start + HEADER_SIZE).and_then(Self::decode_copy);
        copy(0).or_else(|| copy(SECOND_COPY)).unwrap_or(FirstPage::Unreadable)
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

impl BatchHeader {
    /// Fills in the header of a batch whose records stand in it already, and that will stand at
    /// `offset` of the segment.
    pub(super) fn seal(self, segment: SegmentHeader, offset: u64, batch: &mut [u8]) {
        let size = u32::try_from(batch.len()).expect("at most BATCH_SIZE_MAX");
        let mut header = [0; BATCH_HEADER_SIZE - 8];
        let fields = size.to_le_bytes().into_iter().chain(self.count.to_le_bytes()).chain(
            [self.epoch, self.first_lsn, self.oldest_epoch].into_iter().flat_map(u64::to_le_bytes),
        );
        for (place, byte) in header.iter_mut().zip(fields) {
            *place = byte;
        }
        let Some((sum, rest)) = batch.split_first_chunk_mut::<8>() else { return };
        if let Some(place) = rest.first_chunk_mut() {
            *place = header;
        }
        *sum = hash(segment.key(offset), rest).to_le_bytes();
    }

    fn decode(bytes: &[u8]) -> Option<(usize, Self)> {
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let half = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let size = usize::try_from(half(8)?).ok()?;
        let (epoch, first_lsn, oldest_epoch) = (word(16)?, word(24)?, word(32)?);
        Some((size, Self { epoch, first_lsn, count: half(12)?, oldest_epoch }))
    }
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

    /// The batch at `offset`: what it says and its size, if there is one. What is not good is
    /// read twice, as a bit may have been lost on the way.
    pub(super) fn read(&mut self, offset: u64) -> io::Result<Option<(BatchHeader, usize)>> {
        match self.read_once(offset)? {
            None => self.read_once(offset),
            found => Ok(found),
        }
    }

    fn read_once(&mut self, offset: u64) -> io::Result<Option<(BatchHeader, usize)>> {
        let rest = self.len.saturating_sub(offset);
        if rest < BATCH_HEADER_SIZE as u64 {
            return Ok(None);
        }
        self.batch.resize(BATCH_HEADER_SIZE, 0);
        self.file.read_exact_at(&mut self.batch, offset)?;
        let Some((size, header)) = BatchHeader::decode(&self.batch) else { return Ok(None) };
        let fits = (BATCH_HEADER_SIZE..=BATCH_SIZE_MAX).contains(&size) && size as u64 <= rest;
        if !fits || header.epoch != self.header.epoch || size as u64 > self.credit {
            return Ok(None);
        }
        self.batch.resize(size, 0);
        if let Some(records) = self.batch.get_mut(BATCH_HEADER_SIZE..) {
            self.file.read_exact_at(records, offset + BATCH_HEADER_SIZE as u64)?;
        }
        let is_good = self
            .batch
            .split_first_chunk::<8>()
            .is_some_and(|(sum, rest)| hash(self.header.key(offset), rest).to_le_bytes() == *sum);
        if is_good {
            return Ok(Some((header, size)));
        }
        self.credit -= size as u64;
        Ok(None)
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
            if let Some((header, _)) = self.read_once(offset)? {
                return Ok(Some((offset, header)));
            }
        }
    }
}

/// Where the page behind `size` bytes at `offset` begins.
pub(super) fn next_page(offset: u64, size: usize) -> u64 {
    (offset + size as u64).next_multiple_of(PAGE_SIZE as u64)
}
