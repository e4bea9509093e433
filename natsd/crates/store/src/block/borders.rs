//! A second check of a block's records, for what the first leaves out.
//!
//! The hash of a record covers neither the size of the subject nor that of the headers: when one
//! of them is wrong the border between two hashed parts moves, and the hash stays right. A sum of
//! these sizes over many messages shows that, and which bit it was: the exclusive or of a mix of
//! place and sizes of each. With it goes a [`LocatingSum`] of all bytes, which finds a wrong bit in
//! records that are too large to try.
//!
//! Sums stand in the block itself, in tombstones of sequence 0, which remove nothing. One counts
//! for the messages from some offset up to its own; when it is not where it says that it is,
//! another server wrote the block anew, and it counts for nothing. Messages that nothing counts
//! for, which is where a Go server wrote, have to make do with a sum beside the block, or with the
//! form of their headers. Tombstones and erased records need none: they have no subject.
#![warn(clippy::indexing_slicing)]

use std::ops::Range;

use natsd_base::Timestamp;

use super::record::{BlockHash, EMPTY_RECORD_SIZE, RECORD_HEADER_SIZE, Record, RecordKind};
use super::scan::{BlockScan, Scanned};
use crate::locate::{Difference, LocatingSum};

const MAGIC: &[u8; 8] = b"natsd.b1";
/// The magic, where the record begins, from where on it counts (4 bytes each), the sum of the sizes
/// and the halves of that of the bytes (8 each).
const BODY_SIZE: usize = 40;
/// Bytes of a record with a sum.
pub(crate) const SUM_SIZE: usize = EMPTY_RECORD_SIZE + BODY_SIZE;
const HEADERS_START: &[u8] = b"NATS/1.0";
const HEADERS_END: &[u8] = b"\r\n\r\n";

/// A product folded onto itself, as in wyhash.
#[expect(clippy::cast_possible_truncation, reason = "the other half is folded onto this one")]
const fn mix_sizes(offset: usize, subject_size: u64, headers_size: u64) -> u64 {
    let place = offset as u64 ^ 0xBF58_476D_1CE4_E5B9;
    let sizes = (subject_size << 32 | headers_size) ^ 0x94D0_49BB_1331_11EB;
    let product = place as u128 * sizes as u128;
    (product >> 64) as u64 ^ product as u64
}

/// What a message at `offset` of its block adds to a sum.
fn border_of(offset: usize, record: &Record<'_>) -> u64 {
    mix_sizes(offset, record.subject.len() as u64, record.headers.len() as u64)
}

/// What a record with a sum says.
struct Said {
    /// Where it begins.
    at: usize,
    /// It counts for what is from here on.
    from: usize,
    /// Of the messages' sizes.
    sum: u64,
    /// Of all bytes.
    bytes: LocatingSum,
}

impl Said {
    fn read(record: &Record<'_>) -> Option<Self> {
        if record.kind != RecordKind::Tombstone || record.seq != 0 {
            return None;
        }
        let body: &[u8; BODY_SIZE] = record.body.try_into().ok()?;
        let (at, rest) = body.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (from, rest) = rest.split_first_chunk()?;
        let place = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) as usize;
        let mut words = rest.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        let sum = words.next()?;
        let bytes = LocatingSum { total: words.next()?, weighted: words.next()? };
        Some(Self { at: place(at), from: place(from), sum, bytes })
    }

    fn encode(&self, hash: &BlockHash, out: &mut Vec<u8>) {
        let place = |at: usize| u32::try_from(at).expect("blocks are smaller than 1 GiB");
        let mut body = MAGIC.to_vec();
        body.extend(place(self.at).to_le_bytes());
        body.extend(place(self.from).to_le_bytes());
        for word in [self.sum, self.bytes.total, self.bytes.weighted] {
            body.extend(word.to_le_bytes());
        }
        let record = Record {
            seq: 0,
            timestamp: Timestamp(0),
            kind: RecordKind::Tombstone,
            subject: b"",
            headers: b"",
            body: &body,
        };
        record.encode(hash, out).expect("it is small");
    }
}

/// Messages that a sum counts for, and how it differs from theirs.
#[derive(Debug, Clone)]
struct Part {
    place: Range<usize>,
    difference: u64,
}

/// The sizes in a block that no hash covers, record by record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Borders {
    /// Where the part begins that the next sum is for.
    start: usize,
    first_message: Option<usize>,
    sum: u64,
    /// Of all messages.
    whole: u64,
    /// Where the last record with a sum ends.
    tail: usize,
    /// Where the last record ends.
    end: usize,
    wrong: Vec<Part>,
    unsummed: Vec<Range<usize>>,
    /// Records with a subject that have none.
    misshapen: Vec<usize>,
}

impl Borders {
    /// Of the records of a block, up to the first one whose sizes make no sense.
    pub(crate) fn of(block: &[u8]) -> Self {
        let mut borders = Self::default();
        for (offset, record, size) in records(block) {
            borders.add(offset, size, &record);
        }
        borders.end(block.len());
        borders
    }

    /// Adds the next record of the block.
    #[inline]
    pub(crate) fn add(&mut self, offset: usize, size: usize, record: &Record<'_>) {
        self.end = offset + size;
        if record.kind == RecordKind::Message {
            self.first_message.get_or_insert(offset);
            self.sum ^= border_of(offset, record);
        } else {
            self.add_other(offset, size, record);
        }
    }

    #[inline(never)]
    fn add_other(&mut self, offset: usize, size: usize, record: &Record<'_>) {
        // Sequence 0 may be anything.
        let has_subject = !record.subject.is_empty();
        if has_subject && (record.kind == RecordKind::Tombstone || record.seq > 0) {
            self.misshapen.push(offset);
        }
        let Some(said) = Said::read(record) else { return };
        let counts = said.at == offset && self.first_message.is_none_or(|at| said.from <= at);
        if counts {
            let difference = self.sum ^ said.sum;
            if difference != 0 {
                self.wrong.push(Part { place: self.start..offset, difference });
            }
            self.begin_part(offset + size);
        } else {
            self.leave_part(offset + size);
        }
    }

    fn begin_part(&mut self, start: usize) {
        self.whole ^= self.sum;
        (self.start, self.first_message, self.sum) = (start, None, 0);
    }

    /// Ends a part that no sum counts for.
    fn leave_part(&mut self, end: usize) {
        if let Some(first) = self.first_message {
            self.unsummed.push(first..end);
        }
        self.begin_part(end);
    }

    /// There are no more records; the block has `size` bytes.
    pub(crate) fn end(&mut self, size: usize) {
        self.tail = self.start;
        self.leave_part(size);
    }

    /// The sum of all messages.
    pub(crate) const fn whole(&self) -> u64 {
        self.whole
    }

    /// The next sum counts for the messages from here on.
    pub(crate) const fn tail(&self) -> usize {
        if self.unsummed.is_empty() { self.end } else { self.tail }
    }

    /// Whether there are messages that no sum in the block counts for.
    pub(crate) const fn has_unsummed(&self) -> bool {
        !self.unsummed.is_empty()
    }

    /// Whether something is wrong that can be made right. `said` is what a sum beside the block
    /// says of all messages.
    pub(crate) fn has_wrong(&self, hash: &BlockHash, block: &[u8], said: Option<u64>) -> bool {
        self.wrong_bits(block, said).iter().any(|wrong| wrong.is_it(hash, block))
    }

    /// Whether a sum agrees with the messages around `offset`.
    pub(super) fn vouches_for(&self, offset: usize, said: Option<u64>) -> bool {
        let is_summed = !self.unsummed.iter().any(|place| place.contains(&offset));
        let is_wrong = self.wrong.iter().any(|part| part.place.contains(&offset));
        offset < self.end && if is_summed { !is_wrong } else { said == Some(self.whole) }
    }

    /// The bits that are wrong, one for each record that has one. A sum that no bit makes right is
    /// that of an earlier content.
    fn wrong_bits(&self, block: &[u8], said: Option<u64>) -> Vec<WrongBit> {
        let mut found = Vec::new();
        for &offset in &self.misshapen {
            found.extend(wrong_subject(offset, rest(block, offset)));
        }
        for part in &self.wrong {
            found.extend(wrong_in(block, &part.place, part.difference));
        }
        if !found.is_empty() || self.unsummed.is_empty() {
            return found; // The sum of all is looked at when they are right.
        }
        if let Some(said) = said {
            let difference = said ^ self.whole;
            if difference != 0 {
                found.extend(wrong_in(block, &(0..block.len()), difference));
            }
            return found;
        }
        for place in &self.unsummed {
            let messages = records_in(block, place);
            found.extend(messages.filter_map(|(at, record)| wrong_headers(block, at, &record)));
        }
        found
    }
}

/// A bit of a size that is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WrongBit {
    /// Where the record begins.
    record: usize,
    /// Of the block.
    byte: usize,
    bit: u32,
}

impl WrongBit {
    /// Whether the record is a good one with the other bit.
    fn is_it(self, hash: &BlockHash, block: &[u8]) -> bool {
        let bytes = rest(block, self.record);
        let size = Record::decode_checked(bytes).map_or(0, |(_, size)| size);
        let mut record = bytes.get(..size).unwrap_or_default().to_vec();
        flip(&mut record, Self { record: 0, byte: self.byte - self.record, ..self });
        Record::decode(hash, &record).is_ok()
    }
}

fn rest(block: &[u8], offset: usize) -> &[u8] {
    block.get(offset..).unwrap_or_default()
}

/// Every record with where it begins and its size, up to the first one whose sizes make no sense.
fn records(block: &[u8]) -> impl Iterator<Item = (usize, Record<'_>, usize)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let (record, size) = Record::decode_checked(block.get(offset..)?).ok()?;
        offset += size;
        Some((offset - size, record, size))
    })
}

/// The messages that begin in a part of a block, which begins with a record.
fn records_in<'a>(
    block: &'a [u8],
    place: &Range<usize>,
) -> impl Iterator<Item = (usize, Record<'a>)> + use<'a> {
    let part = block.get(place.clone()).unwrap_or_default();
    let start = place.start;
    records(part).filter_map(move |(offset, record, _)| {
        (record.kind == RecordKind::Message).then_some((start + offset, record))
    })
}

/// The bit of a size in this part that makes up for the difference.
fn wrong_in(block: &[u8], place: &Range<usize>, difference: u64) -> Option<WrongBit> {
    records_in(block, place).find_map(|(offset, record)| {
        let (subject, headers) = (record.subject.len() as u64, record.headers.len() as u64);
        let now = mix_sizes(offset, subject, headers);
        let in_subject = (0..u16::BITS)
            .find(|bit| now ^ mix_sizes(offset, subject ^ (1 << bit), headers) == difference)
            .map(|bit| subject_bit(offset, bit));
        let in_headers = (0..u32::BITS)
            .find(|bit| now ^ mix_sizes(offset, subject, headers ^ (1 << bit)) == difference)
            .map(|bit| headers_bit(offset, &record, bit));
        in_subject.or(in_headers)
    })
}

fn subject_bit(offset: usize, bit: u32) -> WrongBit {
    WrongBit { record: offset, byte: offset + 20 + (bit / 8) as usize, bit: bit % 8 }
}

fn headers_bit(offset: usize, record: &Record<'_>, bit: u32) -> WrongBit {
    let byte = offset + RECORD_HEADER_SIZE + record.subject.len() + (bit / 8) as usize;
    WrongBit { record: offset, byte, bit: bit % 8 }
}

/// The bit that gives a subject to a record that has none.
fn wrong_subject(offset: usize, record: &[u8]) -> Option<WrongBit> {
    let (record, _) = Record::decode_checked(record).ok()?;
    let size = record.subject.len();
    size.is_power_of_two().then(|| subject_bit(offset, size.trailing_zeros()))
}

/// Where the headers of a message end by their form, if they have it.
fn end_of_headers(block: &[u8], offset: usize, record: &Record<'_>) -> Option<usize> {
    let start = offset + RECORD_HEADER_SIZE + record.subject.len() + 4;
    let text = block.get(start..start + record.headers.len() + record.body.len())?;
    if !has_headers(block, offset) || !text.starts_with(HEADERS_START) {
        return None;
    }
    let end = text.windows(HEADERS_END.len()).position(|part| part == HEADERS_END)?;
    Some(end + HEADERS_END.len())
}

/// Whether the record at `offset` says that it has headers.
fn has_headers(block: &[u8], offset: usize) -> bool {
    block.get(offset + 3).is_some_and(|byte| byte & 0x80 != 0)
}

/// Whether the record at `offset` has no headers, or such that end where they should.
pub(super) fn has_right_headers(block: &[u8], offset: usize) -> bool {
    let record = Record::decode_checked(rest(block, offset));
    record.is_ok_and(|(record, _)| {
        !has_headers(block, offset)
            || end_of_headers(block, offset, &record) == Some(record.headers.len())
    })
}

/// The bit without which the headers of a message end where they should.
fn wrong_headers(block: &[u8], offset: usize, record: &Record<'_>) -> Option<WrongBit> {
    let wrong = end_of_headers(block, offset, record)? ^ record.headers.len();
    wrong.is_power_of_two().then(|| headers_bit(offset, record, wrong.trailing_zeros()))
}

/// Flips the bits that are wrong in the sizes of a block. `said` is what a sum beside it says of all
/// messages. Returns where their records begin.
pub(crate) fn correct_borders(hash: &BlockHash, block: &mut [u8], said: Option<u64>) -> Vec<usize> {
    let mut corrected = Vec::new();
    // The sum beside the block is looked at when those in it are right.
    for _ in 0..2 {
        for wrong in Borders::of(block).wrong_bits(block, said) {
            if wrong.is_it(hash, block) {
                flip(block, wrong);
                corrected.push(wrong.record);
            }
        }
    }
    corrected
}

/// The subjects that a record without headers would have if one bit of the subject's size were
/// another one, and which bit. `record` begins with it.
pub(crate) fn near_subjects(record: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let parts = Record::decode_checked(record).ok().filter(|(record, _)| record.headers.is_empty());
    let (subject, text) = parts.map_or((0, 0), |(record, _)| {
        (record.subject.len(), record.subject.len() + record.body.len())
    });
    let text = record.get(RECORD_HEADER_SIZE..RECORD_HEADER_SIZE + text).unwrap_or_default();
    (0..u16::BITS).filter_map(move |bit| Some((bit, text.get(..subject ^ (1 << bit))?)))
}

/// Flips a bit of the size of the subject of the record at `offset`; whether it is one still.
pub(crate) fn flip_subject_size(
    hash: &BlockHash,
    block: &mut [u8],
    offset: usize,
    bit: u32,
) -> bool {
    flip(block, subject_bit(offset, bit));
    Record::decode(hash, rest(block, offset)).is_ok()
}

/// Flips the bits that the sums of all bytes say are wrong. Returns where their records begin.
pub(super) fn correct_located(hash: &BlockHash, block: &mut [u8]) -> Vec<usize> {
    let mut corrected = Vec::new();
    let said = BlockScan::new(hash, block).filter_map(|scanned| match scanned {
        Scanned::Record { offset, record, .. } => {
            Said::read(&record).filter(|said| said.at == offset)
        }
        Scanned::Damaged { .. } | Scanned::Tail { .. } => None,
    });
    let said: Vec<Said> = said.collect();
    let mut end = 0;
    for Said { at, from, bytes, .. } in said {
        // They follow each other, so each byte is summed up once.
        if from < end || at < from {
            continue;
        }
        end = at;
        let Some(part) = block.get_mut(from..at) else { continue };
        let Difference::Bit { index, bit } = bytes.compare(part) else { continue };
        let wrong = WrongBit { record: 0, byte: index, bit };
        flip(part, wrong);
        match record_at(hash, part, index) {
            Some(record) => corrected.push(from + record),
            None => flip(part, wrong),
        }
    }
    corrected
}

/// Where the record begins that the byte `index` is in, if all of `part` is good records.
fn record_at(hash: &BlockHash, part: &[u8], index: usize) -> Option<usize> {
    let (mut offset, mut found) = (0, None);
    while offset < part.len() {
        let (_, size) = Record::decode(hash, rest(part, offset)).ok()?;
        if (offset..offset + size).contains(&index) {
            found = Some(offset);
        }
        offset += size;
    }
    found
}

fn flip(block: &mut [u8], wrong: WrongBit) {
    if let Some(byte) = block.get_mut(wrong.byte) {
        *byte ^= 1 << wrong.bit;
    }
}

/// Appends the sum of the messages from the byte `from` of their block on, if there are any.
/// `records` begin at the byte `start` of the block.
pub(crate) fn append_sum(hash: &BlockHash, records: &mut Vec<u8>, start: usize, from: usize) {
    let from = from.max(start);
    let part = records.get(from - start..).unwrap_or_default();
    let messages = records_in(part, &(0..part.len()));
    let sum = messages.map(|(offset, record)| border_of(from + offset, &record));
    if let Some(sum) = sum.reduce(|one, other| one ^ other) {
        let bytes = LocatingSum::of(part);
        Said { at: start + records.len(), from, sum, bytes }.encode(hash, records);
    }
}

/// These records with one sum of all messages instead of those that there are.
pub(crate) fn with_one_sum(hash: &BlockHash, block: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len() + SUM_SIZE);
    for (offset, record, size) in records(block) {
        if Said::read(&record).is_none() {
            out.extend(rest(block, offset).get(..size).unwrap_or_default());
        }
    }
    append_sum(hash, &mut out, 0, 0);
    out
}

/// Brings the sums in a block up to date with messages that were overwritten.
pub(crate) fn renew_sums(hash: &BlockHash, block: &mut [u8]) {
    for part in Borders::of(block).wrong {
        let at = part.place.end;
        let said = Record::decode_checked(rest(block, at)).ok();
        let Some(said) = said.and_then(|(record, _)| Said::read(&record)) else { continue };
        let bytes = LocatingSum::of(block.get(said.from..at).unwrap_or_default());
        let mut record = Vec::with_capacity(SUM_SIZE);
        Said { sum: said.sum ^ part.difference, bytes, ..said }.encode(hash, &mut record);
        if let Some(place) = block.get_mut(at..at + record.len()) {
            place.copy_from_slice(&record);
        }
    }
}
