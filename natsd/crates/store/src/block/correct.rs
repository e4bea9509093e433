//! Records with one flipped bit, made right again.
//!
//! The hash has 64 bits, so the one flip that makes it right is the one that was wrong.
#![warn(clippy::indexing_slicing)]

use super::record::{BlockHash, Record};
use super::scan::{BlockScan, Scanned};

/// Larger records are not tried: the time grows with the square of the size.
const SIZE_MAX: usize = 16 * 1024;
/// The same for what has nothing behind it, which is more often a torn write than a wrong bit.
const TAIL_SIZE_MAX: usize = 2 * 1024;
/// Bytes that may be hashed for one block.
const BUDGET: usize = 1 << 30;

/// Corrects the records of `block` that one bit makes right. Returns where they begin.
pub(crate) fn correct_bits(hash: &BlockHash, block: &mut [u8]) -> Vec<usize> {
    let mut corrected = Vec::new();
    let mut budget = BUDGET;
    let mut from = 0;
    loop {
        let rest = block.get(from..).unwrap_or_default();
        let damaged = BlockScan::new(hash, rest).find_map(|scanned| match scanned {
            Scanned::Record { .. } => None,
            Scanned::Damaged { offset, size, .. } => Some((from + offset, size, SIZE_MAX)),
            Scanned::Tail { offset, size, .. } => Some((from + offset, size, TAIL_SIZE_MAX)),
        });
        let Some((offset, size, size_max)) = damaged else { return corrected };
        let Some(piece) = block.get_mut(offset..offset + size) else { return corrected };
        if piece.len() <= size_max && correct_record(hash, piece, &mut budget) {
            corrected.push(offset);
        }
        from = offset + size;
    }
}

/// Flips the one bit that makes a record of all of `piece`, if there is one.
fn correct_record(hash: &BlockHash, piece: &mut [u8], budget: &mut usize) -> bool {
    let cost = piece.len().saturating_mul(piece.len()).saturating_mul(8);
    if *budget < cost {
        return false;
    }
    *budget -= cost;
    for index in 0..piece.len() {
        for bit in 0..8 {
            flip(piece, index, bit);
            if Record::decode(hash, piece).is_ok_and(|(_, size)| size == piece.len()) {
                return true;
            }
            flip(piece, index, bit);
        }
    }
    false
}

fn flip(bytes: &mut [u8], index: usize, bit: u32) {
    if let Some(byte) = bytes.get_mut(index) {
        *byte ^= 1 << bit;
    }
}
