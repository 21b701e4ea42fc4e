//! Choosing few of many rows, in one pass and bounded memory. Pure.

/// Keeps an even choice of what it is shown: always the first, and the last at the end.
///
/// It keeps every `stride`-th item and doubles the stride whenever it holds twice what is wanted, so at any length
/// it holds less than two times `wanted` items, evenly spaced.
#[derive(Debug)]
pub(super) struct Decimator<T> {
    wanted: usize,
    stride: usize,
    seen: usize,
    kept: Vec<T>,
    last: Option<T>,
}

impl<T> Decimator<T> {
    /// Keeps about `wanted` items, all of them while they are not more than that.
    pub(super) fn new(wanted: usize) -> Self {
        Self { wanted: wanted.max(1), stride: 1, seen: 0, kept: Vec::new(), last: None }
    }

    /// Shows it the next item.
    pub(super) fn push(&mut self, item: T) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() >= self.wanted.saturating_mul(2) {
                self.stride *= 2;
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(item);
                self.last = None;
            } else {
                self.last = Some(item);
            }
        } else {
            self.last = Some(item);
        }
        self.seen += 1;
    }

    /// The choice: at most `wanted` items, the first and the last among them.
    pub(super) fn finish(mut self) -> Vec<T> {
        self.kept.extend(self.last);
        let total = self.kept.len();
        if total <= self.wanted {
            return self.kept;
        }
        if self.wanted == 1 {
            return self.kept.into_iter().take(1).collect();
        }
        let mut chosen = (0..self.wanted).map(|n| n * (total - 1) / (self.wanted - 1)).peekable();
        self.kept
            .into_iter()
            .enumerate()
            .filter_map(|(index, item)| chosen.next_if_eq(&index).map(|_| item))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sample_is_in_order_small_enough_and_has_both_ends(total in 0_usize..5000, wanted in 1_usize..600) {
            let mut decimator = Decimator::new(wanted);
            for item in 0..total {
                decimator.push(item);
                prop_assert!(decimator.kept.len() <= wanted * 2);
            }
            let sample = decimator.finish();
            prop_assert_eq!(sample.len(), total.min(wanted));
            prop_assert!(sample.is_sorted());
            if total > 0 {
                prop_assert_eq!(sample[0], 0);
                if wanted > 1 {
                    prop_assert_eq!(*sample.last().unwrap(), total - 1);
                }
            }
        }
    }
}
