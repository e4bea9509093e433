//! A second check of a block's records, for what the first leaves out.
//!
//! The hash of a record covers neither the size of the subject nor that of the headers: when one
//! of them is wrong the border between two hashed parts moves, and the hash stays right. A sum of
//! these sizes over all records of a block, kept elsewhere, shows that, and which bit it was.
//!
//! The sum is the exclusive or of a mix of place and sizes of each record.
#![warn(clippy::indexing_slicing)]

use super::record::{BlockHash, RECORD_HEADER_SIZE, Record};

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

fn mix_sizes(offset: usize, subject_size: u64, headers_size: u64) -> u64 {
    let sizes = subject_size << 32 | headers_size;
    mix(mix(offset as u64 + 1).wrapping_add(sizes).wrapping_add(0x9E37_79B9_7F4A_7C15))
}

/// What a record at `offset` of its block adds to the sum.
fn border_of(offset: usize, record: &Record<'_>) -> u64 {
    mix_sizes(offset, record.subject.len() as u64, record.headers.len() as u64)
}

/// Every record with where it begins, up to the first one whose sizes make no sense.
fn records(block: &[u8]) -> impl Iterator<Item = (usize, Record<'_>)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let (record, size) = Record::decode_checked(block.get(offset..)?).ok()?;
        offset += size;
        Some((offset - size, record))
    })
}

/// The sum of all records of a block.
pub(crate) fn border_sum(block: &[u8]) -> u64 {
    records(block).fold(0, |sum, (offset, record)| sum ^ border_of(offset, &record))
}

/// Flips the one bit in a size that makes the sum what it was said to be. All records have to have
/// the right hash. Returns where the record begins; nothing when the sum is right or cannot be
/// made right, which is so when the block was written anew since.
pub(crate) fn correct_border(hash: &BlockHash, block: &mut [u8], said: u64) -> Option<usize> {
    let difference = border_sum(block) ^ said;
    if difference == 0 {
        return None;
    }
    let (offset, byte, bit) = records(block).find_map(|(offset, record)| {
        let (byte, bit) = wrong_bit(offset, &record, difference)?;
        Some((offset, byte, bit))
    })?;
    flip(block, byte, bit);
    let is_right = Record::decode(hash, block.get(offset..)?).is_ok();
    if !is_right {
        flip(block, byte, bit);
    }
    is_right.then_some(offset)
}

fn flip(block: &mut [u8], byte: usize, bit: u32) {
    if let Some(place) = block.get_mut(byte) {
        *place ^= 1 << bit;
    }
}

/// The bit of a size that makes up for the difference: its byte in the block, and which it is.
fn wrong_bit(offset: usize, record: &Record<'_>, difference: u64) -> Option<(usize, u32)> {
    let (subject, headers) = (record.subject.len() as u64, record.headers.len() as u64);
    let now = mix_sizes(offset, subject, headers);
    let place = |start: usize, bit: u32| (start + (bit / 8) as usize, bit % 8);
    for bit in 0..u16::BITS {
        if now ^ mix_sizes(offset, subject ^ (1 << bit), headers) == difference {
            return Some(place(offset + 20, bit));
        }
    }
    for bit in 0..u32::BITS {
        let is_it = now ^ mix_sizes(offset, subject, headers ^ (1 << bit)) == difference;
        if is_it && !record.headers.is_empty() {
            return Some(place(offset + RECORD_HEADER_SIZE + record.subject.len(), bit));
        }
    }
    None
}
