//! All chance of a seed.

use counterweight_domain::clock::{Random as _, SeededRandom};

/// A sequence of draws.
#[derive(Debug)]
pub(super) struct Dice(SeededRandom);

impl Dice {
    /// The sequence that a seed names, for one of its actors.
    pub(super) fn new(seed: u64, actor: u64) -> Self {
        Self(SeededRandom::new(
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ actor.wrapping_mul(0xD6E8_FEB8_6659_FD93),
        ))
    }

    /// A number below `bound`.
    pub(super) fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % bound.max(1) as u64).unwrap()
    }

    /// True once in so many times.
    pub(super) fn one_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these; none where there is none.
    pub(super) fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// One of these by weight.
    pub(super) fn weighed<'a, T>(&self, of: &'a [(usize, T)]) -> &'a T {
        let mut left = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in of {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return item,
            }
        }
        unreachable!("a draw below the sum of the weights")
    }
}
