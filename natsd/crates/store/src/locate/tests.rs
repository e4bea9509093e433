//! Sums against their definition, and every bit that can be wrong.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use natsd_base::Prng;

use super::{Difference, LocatingSum};

/// As the definition says it, word by word.
fn by_definition(bytes: &[u8]) -> LocatingSum {
    let count = bytes.len().div_ceil(4) as u64;
    let mut sum = LocatingSum { total: 0, weighted: 0 };
    for (word, index) in bytes.chunks(4).zip(0..) {
        let word = word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        sum.total = sum.total.wrapping_add(word);
        sum.weighted = sum.weighted.wrapping_add((count - index) * word);
    }
    sum
}

/// Random bytes, zeros, or ones.
fn buffers(prng: &mut Prng, size: usize) -> [Vec<u8>; 3] {
    let random = (0..size).map(|_| prng.next_u64().to_le_bytes()[0]).collect();
    [random, vec![0; size], vec![0xff; size]]
}

/// Flips one bit of `bytes`, asks for it, and flips it back.
#[track_caller]
fn check_bit(kept: LocatingSum, bytes: &mut [u8], index: usize, bit: u32) {
    bytes[index] ^= 1 << bit;
    assert_eq!(kept.compare(bytes), Difference::Bit { index, bit }, "{} bytes", bytes.len());
    bytes[index] ^= 1 << bit;
}

/// The same for all bits of the sum.
#[track_caller]
fn check_sum_bits(kept: LocatingSum, bytes: &[u8]) {
    for bit in 0..64 {
        for (total, weighted) in [(1 << bit, 0), (0, 1 << bit)] {
            let total = kept.total ^ total;
            let weighted = kept.weighted ^ weighted;
            let wrong = LocatingSum { total, weighted };
            assert_eq!(wrong.compare(bytes), Difference::Sum(kept), "bit {bit}");
        }
    }
}

#[test]
fn sums_are_what_the_definition_says() {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let check = |bytes: Vec<u8>, total, weighted| {
        assert_eq!(LocatingSum::of(&bytes), LocatingSum { total, weighted }, "{bytes:?}");
    };
    check(vec![], 0, 0);
    check(vec![7], 7, 7);
    check(vec![0, 1], 256, 256);
    check(words(&[1, 2, 3]), 6, 3 + 2 * 2 + 3);
    check([words(&[1, 2, 3, 4, 5]), vec![6]].concat(), 21, 6 + 5 * 2 + 4 * 3 + 3 * 4 + 2 * 5 + 6);
    check(words(&[u32::MAX; 3]), 3 * u64::from(u32::MAX), 6 * u64::from(u32::MAX));
    let mut prng = Prng::from_seed(1);
    for size in (0..300).chain([4095, 4096, 4097, 100_001]) {
        for bytes in buffers(&mut prng, size) {
            assert_eq!(LocatingSum::of(&bytes), by_definition(&bytes), "{size}");
        }
    }
}

#[test]
fn every_flipped_bit_of_short_bytes_is_named() {
    let mut prng = Prng::from_seed(2);
    for size in 0..=70 {
        for mut bytes in buffers(&mut prng, size) {
            let kept = LocatingSum::of(&bytes);
            assert_eq!(kept.compare(&bytes), Difference::None);
            for index in 0..size {
                (0..8).for_each(|bit| check_bit(kept, &mut bytes, index, bit));
            }
            check_sum_bits(kept, &bytes);
        }
    }
}

#[test]
fn flipped_bits_of_long_bytes_are_named() {
    let mut prng = Prng::from_seed(3);
    for size in [1 << 20, (1 << 20) - 1, (1 << 20) + 30] {
        for mut bytes in buffers(&mut prng, size) {
            let kept = LocatingSum::of(&bytes);
            for index in [0, 1, 3, 4, size / 2, size - 5, size - 1] {
                check_bit(kept, &mut bytes, index, 7);
            }
            for _ in 0..20 {
                let bit = u32::try_from(prng.below(8)).unwrap();
                check_bit(kept, &mut bytes, prng.below(size), bit);
            }
        }
    }
}

#[test]
fn two_flipped_bits_are_never_taken_for_none() {
    let mut prng = Prng::from_seed(4);
    let mut many = 0;
    for round in 0..20_000 {
        let size = 1 + round % 70;
        let [mut bytes, ..] = buffers(&mut prng, size);
        let kept = LocatingSum::of(&bytes);
        let (first, second) = (prng.below(size * 8), prng.below(size * 8));
        if first == second {
            continue;
        }
        for bit in [first, second] {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        match kept.compare(&bytes) {
            Difference::Many => many += 1,
            // Some look like one bit, until a hash is asked.
            Difference::Bit { index, bit } => assert!(index < size && bit < 8),
            Difference::Sum(right) => assert_eq!(right, LocatingSum::of(&bytes)),
            Difference::None => panic!("{first} {second}"),
        }
    }
    assert!(many > 15_000, "{many}");
}

#[test]
fn what_no_single_bit_does_is_many() {
    let check = |total, weighted, now: &[u8]| {
        let kept = LocatingSum { total, weighted };
        assert_eq!(kept.compare(now), Difference::Many, "{kept:?} {now:?}");
    };
    let zeros = &[0; 8];
    check(2, 6, zeros); // Bit 1 of a third word.
    check(2, 3, zeros); // No word: the changes do not divide.
    check(3, 3, zeros); // Two bits.
    check(1 << 32, 1 << 32, zeros); // Beyond a word.
    check(u64::MAX, u64::MAX, zeros); // One bit became 1, but all are 0.
    check(2, u64::MAX - 1, zeros); // One half up, the other down.
    check(u64::MAX, 0, zeros); // More than one bit of the sum.
    check(1 << 24, 1 << 24, &[0; 3]); // In the zeros that fill up the last word.
    check(0, 0, &[2, 2]);
    // Those were close.
    for (total, index) in [(2, 4), (2 << 24, 7)] {
        let kept = LocatingSum { total, weighted: total };
        assert_eq!(kept.compare(zeros), Difference::Bit { index, bit: 1 });
    }
}
