//! Random numbers that a seed names.

use std::f64::consts::TAU;

use crate::clock::{Random as _, SeededRandom};

/// A sequence of random numbers: of one sweep's seed, another one for each of its runs.
#[derive(Debug)]
pub(crate) struct Draw(SeededRandom);

impl Draw {
    /// The sequence for the `number`th run.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        // Of neighbouring seeds the sequences are the same but for a shift; of what these give they are not.
        let apart = u64::from_le_bytes(bytes(&SeededRandom::new(number)));
        Self(SeededRandom::new(seed ^ apart))
    }

    /// From 0 up to but not including 1.
    pub(super) fn unit(&mut self) -> f64 {
        let half = || {
            let [a, b, c, d, ..] = bytes(&self.0);
            f64::from(u32::from_le_bytes([a, b, c, d]))
        };
        // As many bits as such a number has.
        let (high, low) = (half(), (half() / 2_f64.powi(11)).floor());
        (high + low / 2_f64.powi(21)) / 2_f64.powi(32)
    }

    /// From 0 up to but not including `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(bytes(&self.0)) % bound.max(1)
    }

    /// From `min` to `max`.
    pub(super) fn between(&mut self, min: f64, max: f64) -> f64 {
        let part = self.unit();
        (min * (1.0 - part) + max * part).clamp(min, max)
    }

    /// Around 0, with deviation 1 (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (TAU * self.unit()).cos()
    }

    /// From 0 to 1, by the beta distribution.
    pub(super) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        if x + y > 0.0 { x / (x + y) } else { 0.5 }
    }

    /// By the gamma distribution of this shape (Marsaglia and Tsang).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let smaller = (1.0 - self.unit()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * smaller;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// A position, by how much weight each has.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (position, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return position;
            }
        }
        weights.iter().rposition(|weight| *weight > 0.0).unwrap_or_default()
    }
}

fn bytes(random: &SeededRandom) -> [u8; 8] {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(of: impl Fn(&mut Draw) -> f64) -> f64 {
        let mut draw = Draw::new(1, 2);
        (0..4000).map(|_| of(&mut draw)).sum::<f64>() / 4000.0
    }

    #[test]
    fn numbers_have_the_mean_of_their_distribution() {
        assert!((mean(Draw::unit) - 0.5).abs() < 0.03);
        assert!(mean(Draw::normal).abs() < 0.06);
        assert!((mean(|draw| draw.normal().powi(2)) - 1.0).abs() < 0.1);
        assert!((mean(|draw| draw.beta(2.0, 6.0)) - 0.25).abs() < 0.03);
        assert!((mean(|draw| draw.beta(0.5, 0.5)) - 0.5).abs() < 0.05);
        assert!(
            (mean(|draw| if draw.weighted(&[1.0, 0.0, 3.0]) == 2 { 1.0 } else { 0.0 }) - 0.75).abs() < 0.04
        );
        assert!((mean(|draw| if draw.below(4) == 3 { 1.0 } else { 0.0 }) - 0.25).abs() < 0.04);
    }

    #[test]
    fn runs_of_a_sweep_draw_apart_and_the_same_run_alike() {
        let first = |seed, number| Draw::new(seed, number).below(u64::MAX);
        let drawn: std::collections::BTreeSet<_> =
            (0..10).flat_map(|seed| (0..10).map(move |number| first(seed, number))).collect();
        assert_eq!(drawn.len(), 100);
        assert_eq!(first(7, 3), first(7, 3));
    }
}
