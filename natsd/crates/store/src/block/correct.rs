//! Records with one flipped bit, made right again.
//!
//! The hash has 64 bits, so the one flip that makes it right is the one that was wrong.
#![warn(clippy::indexing_slicing)]

use super::borders::{Borders, correct_borders, correct_located, has_right_headers};
use super::record::{BlockHash, Record, subject_of};
use super::scan::{BlockScan, Scanned};

/// Larger records are not tried: the time grows with the square of the size.
const SIZE_MAX: usize = 16 * 1024;
/// The same for what has nothing behind it, which is more often a torn write than a wrong bit.
const TAIL_SIZE_MAX: usize = 2 * 1024;
/// Bytes that may be hashed for one block.
const BUDGET: usize = 1 << 30;

/// Makes right what one wrong bit explains, in each record or each write. Returns where the records
/// begin. `said` is what a sum of sizes beside the block says; `is_known` tells subjects that may be
/// there.
pub(crate) fn correct(
    hash: &BlockHash,
    block: &mut [u8],
    said: Option<u64>,
    is_known: impl Fn(&[u8]) -> bool,
) -> Vec<usize> {
    let mut corrected = correct_located(hash, block);
    corrected.extend(correct_bits(hash, block, said, is_known));
    corrected.extend(correct_borders(hash, block, said));
    corrected
}

/// Corrects the records of `block` that one bit makes right. Returns where they begin. The
/// hash does not cover all sizes, and so may be right with more than one; then the sums of sizes
/// decide, of which `said` is the one beside the block, or else which subjects are known and how
/// headers end.
fn correct_bits(
    hash: &BlockHash,
    block: &mut [u8],
    said: Option<u64>,
    is_known: impl Fn(&[u8]) -> bool,
) -> Vec<usize> {
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
        let candidates =
            if size <= size_max { right_bits(hash, piece, &mut budget) } else { Vec::new() };
        let mut with = |&(index, bit): &(usize, u32), is_it: &dyn Fn(&[u8]) -> bool| {
            flip(block, offset + index, bit);
            let is_it = is_it(block);
            flip(block, offset + index, bit);
            is_it
        };
        let is_summed = |block: &[u8]| Borders::of(block).vouches_for(offset, said);
        let has_known = |block: &[u8]| {
            block.get(offset..).map(subject_of).is_some_and(&is_known)
                && has_right_headers(block, offset)
        };
        let chosen = only(candidates.iter())
            .or_else(|| candidates.iter().find(|candidate| with(candidate, &is_summed)))
            .or_else(|| only(candidates.iter().filter(|candidate| with(candidate, &has_known))));
        if let Some(&(index, bit)) = chosen {
            flip(block, offset + index, bit);
            corrected.push(offset);
        }
        from = offset + size;
    }
}

fn only<T>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut items = items;
    items.next().filter(|_| items.next().is_none())
}

/// The bits of which each makes a record of all of `piece`.
fn right_bits(hash: &BlockHash, piece: &mut [u8], budget: &mut usize) -> Vec<(usize, u32)> {
    let mut found = Vec::new();
    let cost = piece.len().saturating_mul(piece.len()).saturating_mul(8);
    if *budget < cost {
        return found;
    }
    *budget -= cost;
    for index in 0..piece.len() {
        for bit in 0..8 {
            flip(piece, index, bit);
            if Record::decode(hash, piece).is_ok_and(|(_, size)| size == piece.len()) {
                found.push((index, bit));
            }
            flip(piece, index, bit);
        }
    }
    found
}

fn flip(bytes: &mut [u8], index: usize, bit: u32) {
    if let Some(byte) = bytes.get_mut(index) {
        *byte ^= 1 << bit;
    }
}
