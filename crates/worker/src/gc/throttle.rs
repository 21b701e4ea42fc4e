//! How fast the sweep may be.

use std::time::Duration;

/// Limits of what a sweep removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// Objects in a second; none: as many as it can.
    pub objects_per_second: Option<u64>,
    /// Bytes in a second; none: as many as it can.
    pub bytes_per_second: Option<u64>,
}

impl Throttle {
    /// How many objects one batch may have, so that it takes about a second.
    pub(super) fn batch(self, most: u64) -> u64 {
        self.objects_per_second.map_or(most, |limit| limit.clamp(1, most))
    }

    /// How long to wait after a batch.
    pub(super) fn pause(self, objects: u64, bytes: u64) -> Duration {
        let time = |count: u64, limit: Option<u64>| {
            let micros = limit.map_or(0, |limit| count.saturating_mul(1_000_000) / limit.max(1));
            Duration::from_micros(micros)
        };
        time(objects, self.objects_per_second).max(time(bytes, self.bytes_per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_for_as_long_as_the_slower_limit_says() {
        let throttle = Throttle { objects_per_second: Some(100), bytes_per_second: Some(1000) };
        assert_eq!((throttle.batch(1000), throttle.batch(10)), (100, 10));
        assert_eq!(throttle.pause(50, 0), Duration::from_millis(500));
        assert_eq!(throttle.pause(50, 2000), Duration::from_secs(2));
        assert_eq!(
            (Throttle::default().batch(1000), Throttle::default().pause(1000, 1 << 40)),
            (1000, Duration::ZERO)
        );
    }
}
