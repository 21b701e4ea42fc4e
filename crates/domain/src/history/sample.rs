//! Choosing few of many rows, in one pass and bounded memory. Pure.

use std::mem::size_of;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The memory that all rows of one answer share.
#[derive(Debug)]
pub struct RowBudget {
    bytes: usize,
    used: AtomicUsize,
}

impl RowBudget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes, used: AtomicUsize::new(0) }
    }

    fn take(&self, bytes: usize) -> Result<()> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if used <= self.bytes {
            return Ok(());
        }
        let reason = format!("more than {} bytes of rows; ask for fewer samples or steps", self.bytes);
        Err(Error::invalid("RESULT_TOO_LARGE", "history", reason))
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What a row takes in memory, about.
pub(super) trait Row {
    /// In bytes.
    fn bytes(&self) -> usize;
}

impl Row for String {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.len()
    }
}

impl Row for Vec<Value> {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.iter().map(Row::bytes).sum::<usize>()
    }
}

impl Row for Map<String, Value> {
    fn bytes(&self) -> usize {
        self.iter().map(|(key, value)| key.bytes() + value.bytes()).sum()
    }
}

impl Row for Value {
    fn bytes(&self) -> usize {
        let inside = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.len(),
            Self::Array(items) => items.iter().map(Self::bytes).sum(),
            Self::Object(members) => members.bytes(),
        };
        size_of::<Self>() + inside
    }
}

/// Keeps an even choice of what it is shown: always the first, and the last at the end.
///
/// It keeps every `stride`-th item and doubles the stride whenever it holds twice what is wanted, so at any length
/// it holds less than two times `wanted` items, evenly spaced.
#[derive(Debug)]
pub(super) struct Decimator<'b, T> {
    budget: &'b RowBudget,
    wanted: usize,
    stride: usize,
    seen: usize,
    kept: Vec<T>,
    last: Option<T>,
}

impl<'b, T: Row> Decimator<'b, T> {
    /// Keeps about `wanted` items, all of them while they are not more than that.
    pub(super) fn new(wanted: usize, budget: &'b RowBudget) -> Self {
        Self { budget, wanted: wanted.max(1), stride: 1, seen: 0, kept: Vec::new(), last: None }
    }

    /// Shows it the next item. Refuses one that the budget has no room for.
    pub(super) fn push(&mut self, item: T) -> Result<()> {
        self.budget.take(item.bytes())?;
        if self.seen.is_multiple_of(self.stride) && self.kept.len() >= self.wanted.saturating_mul(2) {
            self.thin_out();
        }
        if let Some(passed) = self.last.take() {
            self.budget.give_back(passed.bytes());
        }
        if self.seen.is_multiple_of(self.stride) {
            self.kept.push(item);
        } else {
            self.last = Some(item);
        }
        self.seen += 1;
        Ok(())
    }

    /// Counts the next item without being shown it, if it is not among those that are kept. Only for one that others
    /// follow: the last is always kept.
    pub(super) fn skips_next(&mut self) -> bool {
        let skips = !self.seen.is_multiple_of(self.stride);
        self.seen += usize::from(skips);
        skips
    }

    fn thin_out(&mut self) {
        self.stride *= 2;
        let mut index = 0;
        self.kept.retain(|item| {
            index += 1;
            let stays = index % 2 == 1;
            if !stays {
                self.budget.give_back(item.bytes());
            }
            stays
        });
    }

    /// The choice: at most `wanted` items, the first and the last among them.
    pub(super) fn finish(mut self) -> Vec<T> {
        self.kept.extend(self.last);
        let (total, wanted) = (self.kept.len(), self.wanted);
        if total <= wanted {
            return self.kept;
        }
        let mut chosen = (0..wanted).map(|n| n * (total - 1) / (wanted - 1).max(1)).peekable();
        let mut index = 0;
        self.kept.retain(|item| {
            let stays = chosen.next_if_eq(&index).is_some();
            index += 1;
            if !stays {
                self.budget.give_back(item.bytes());
            }
            stays
        });
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Row for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    proptest! {
        #[test]
        fn a_sample_is_the_same_whether_or_not_items_are_skipped(
            last_of_pieces in prop::collection::vec(any::<bool>(), 0..3000),
            wanted in 1_usize..200,
        ) {
            let budget = RowBudget::new(usize::MAX);
            let mut shown_all = Decimator::new(wanted, &budget);
            let mut skipping = Decimator::new(wanted, &budget);
            for (item, is_last) in last_of_pieces.iter().enumerate() {
                shown_all.push(item).unwrap();
                let is_last = *is_last || item + 1 == last_of_pieces.len();
                if is_last || !skipping.skips_next() {
                    skipping.push(item).unwrap();
                }
            }
            prop_assert_eq!(skipping.finish(), shown_all.finish());
        }

        #[test]
        fn a_sample_is_in_order_small_enough_and_has_both_ends(total in 0_usize..5000, wanted in 1_usize..600) {
            let budget = RowBudget::new(usize::MAX);
            let mut decimator = Decimator::new(wanted, &budget);
            for item in 0..total {
                decimator.push(item).unwrap();
                prop_assert!(decimator.kept.len() <= wanted * 2);
            }
            let sample = decimator.finish();
            prop_assert_eq!(budget.used.load(Ordering::Relaxed), sample.iter().sum::<usize>());
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
    #[test]
    fn samples_share_a_budget() {
        let budget = RowBudget::new(10);
        let mut first = Decimator::new(2, &budget);
        for item in [3, 1, 1, 1, 1] {
            first.push(item).unwrap();
        }
        assert_eq!(first.finish(), [3, 1]);
        let mut second = Decimator::new(2, &budget);
        second.push(6).unwrap();
        assert_eq!(second.push(1).unwrap_err().code(), "RESULT_TOO_LARGE");
    }

    #[test]
    fn a_row_counts_with_all_that_is_in_it() {
        let row = serde_json::json!({"a": ["bc", {"d": null}]});
        let texts = 4;
        let (keys, values) = (2 * size_of::<String>(), 5 * size_of::<Value>());
        assert_eq!(row.bytes(), texts + keys + values);
    }
}
