//! A small seeded generator (xoshiro256++). Not for secrets.

/// Pseudo-random numbers from one seed; the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Prng {
    state: [u64; 4],
}

impl Prng {
    /// Expands `seed` by splitmix64, so that every seed, zero included, gives a good state.
    #[must_use]
    pub fn from_seed(seed: u64) -> Prng {
        let mut mixed = seed;
        let state = core::array::from_fn(|_| {
            mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut value = mixed;
            value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            value ^ (value >> 31)
        });
        Prng { state }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        let c = c ^ a;
        let d = d ^ b;
        self.state = [a ^ d, b ^ c, c ^ shifted, d.rotate_left(45)];
        result
    }

    /// A number below `bound`, or 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next_u64()) * bound as u128;
        usize::try_from(wide >> 64).expect("below a usize bound")
    }
}

#[cfg(test)]
mod tests {
    use super::Prng;

    #[test]
    fn the_same_seed_gives_the_same_numbers_below_the_bound() {
        let (mut one, mut two) = (Prng::from_seed(7), Prng::from_seed(7));
        let mut seen = [false; 5];
        for _ in 0..1000 {
            let number = one.below(5);
            assert_eq!(number, two.below(5));
            seen[number] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(one.below(0), 0);
    }
}
