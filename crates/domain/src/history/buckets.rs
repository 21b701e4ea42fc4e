//! Values over an axis, in buckets. Pure.

use counterweight_segment::Bucket;

use super::StepRange;
use super::step::{KEY as STEP, whole};
use crate::error::{Error, Result};

/// Keys of one request; a page that shows more charts asks for those in sight.
const MOST_KEYS: usize = 50;
/// More than a screen has columns.
const MOST_BUCKETS: i32 = 5000;
const DEFAULT_BUCKETS: i32 = 500;
/// A series has no more stretches than this in memory; an even number.
const MOST_STRETCHES: usize = 65_536;

/// What is to be put into how many buckets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketSpec {
    pub(super) keys: Vec<String>,
    pub(super) axis: Axis,
    pub(super) buckets: u32,
}

/// The axis, and what of it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    pub(super) key: String,
    min: Option<Bound>,
    max: Option<Bound>,
}

/// A finite number, and so equal to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bound(u64);

impl Bound {
    fn parse(field: &'static str, value: f64) -> Result<Self> {
        if value.is_finite() {
            return Ok(Self(value.to_bits()));
        }
        Err(Error::invalid("RANGE_INVALID", field, "is not a finite number"))
    }

    fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Axis {
    /// The values of a key from `min` up to but not including `max`; without a key, the steps.
    pub fn parse(key: Option<String>, min: Option<f64>, max: Option<f64>) -> Result<Self> {
        if min.zip(max).is_some_and(|(min, max)| min >= max) {
            return Err(Error::invalid("RANGE_INVALID", "max", "is not above min"));
        }
        Ok(Self {
            key: key.unwrap_or_else(|| STEP.to_owned()),
            min: min.map(|min| Bound::parse("min", min)).transpose()?,
            max: max.map(|max| Bound::parse("max", max)).transpose()?,
        })
    }

    pub(super) fn is_everything(&self) -> bool {
        self.min.is_none() && self.max.is_none()
    }

    /// The same as steps, if that is what they are.
    pub(super) fn steps(&self) -> Option<StepRange> {
        let step = |bound: Option<Bound>| whole(&bound?.value().ceil().into());
        (self.key == STEP).then(|| StepRange { min: step(self.min), max: step(self.max) })
    }

    pub(super) fn contains(&self, x: f64) -> bool {
        self.meets(x, x)
    }

    /// Whether some of the values between these, both included, may be wanted.
    pub(super) fn meets(&self, least: f64, greatest: f64) -> bool {
        self.min.is_none_or(|min| greatest >= min.value()) && self.max.is_none_or(|max| least < max.value())
    }

    /// Where each bucket begins, so that these stretches fit.
    fn edges(&self, buckets: u32, series: &[Vec<Stretch>]) -> Vec<f64> {
        let all = || series.iter().flatten();
        let least = all().map(|stretch| stretch.x_min).fold(f64::INFINITY, f64::min);
        let greatest = all().map(|stretch| stretch.x_max).fold(f64::NEG_INFINITY, f64::max);
        let (min, max) = (self.min.map_or(least, Bound::value), self.max.map_or(greatest, Bound::value));
        // Halves first: the two may be further apart than the largest number.
        let width = 2.0 * (max / 2.0 - min / 2.0) / f64::from(buckets);
        if !width.is_finite() || width <= 0.0 {
            return vec![min];
        }
        (0..buckets).map(|number| min + f64::from(number) * width).collect()
    }
}

impl BucketSpec {
    /// Some keys over an axis. Without a number, 500 buckets.
    pub fn parse(keys: Vec<String>, axis: Axis, buckets: Option<i32>) -> Result<Self> {
        if keys.len() > MOST_KEYS {
            return Err(Error::invalid("TOO_MANY", "keys", format!("at most {MOST_KEYS} at once")));
        }
        let buckets = buckets.unwrap_or(DEFAULT_BUCKETS);
        let within = u32::try_from(buckets).ok().filter(|_| (1..=MOST_BUCKETS).contains(&buckets));
        let reason = || format!("must be 1 to {MOST_BUCKETS}");
        let buckets = within.ok_or_else(|| Error::invalid("BUCKETS_INVALID", "buckets", reason()))?;
        Ok(Self { keys, axis, buckets })
    }

    /// The keys, in the order of the answer.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Of each series the stretches that are wanted, joined where they begin in the same bucket.
    pub(super) fn fill(&self, mut series: Vec<Vec<Stretch>>) -> Vec<Vec<Stretch>> {
        for stretches in &mut series {
            stretches.retain(|stretch| self.axis.meets(stretch.x_min, stretch.x_max));
        }
        let edges = self.axis.edges(self.buckets, &series);
        let fill = |stretches: Vec<Stretch>| {
            let mut buckets: Vec<Option<Stretch>> = vec![None; edges.len()];
            for stretch in stretches {
                let number = edges.partition_point(|edge| *edge <= stretch.x_min).saturating_sub(1);
                let bucket = &mut buckets[number];
                *bucket = Some(bucket.map_or(stretch, |earlier| earlier.with(&stretch)));
            }
            buckets.into_iter().flatten().collect()
        };
        series.into_iter().map(fill).collect()
    }
}

/// The values of a key in some rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Nowhere on the axis do they lie below this.
    pub x_min: f64,
    /// Nor above this.
    pub x_max: f64,
    /// How many values.
    pub count: u32,
    /// How many of these are finite.
    pub finite: u32,
    sum: f64,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
}

impl Stretch {
    /// One value.
    pub(super) fn of(x: f64, value: f64) -> Self {
        let (x_min, x_max, count, first, last) = (x, x, 1, value, value);
        if value.is_finite() {
            return Self { x_min, x_max, count, finite: 1, sum: value, min: value, max: value, first, last };
        }
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { x_min, x_max, count, finite: 0, sum: 0.0, min, max, first, last }
    }

    /// The values of some lines, and of the axis on all of these.
    pub(super) fn of_lines(axis: &Bucket, values: &Bucket) -> Self {
        Self {
            x_min: axis.min,
            x_max: axis.max,
            count: values.count,
            finite: values.finite,
            sum: values.sum,
            min: values.min,
            max: values.max,
            first: values.first.value,
            last: values.last.value,
        }
    }

    /// The least finite value.
    pub fn min(&self) -> Option<f64> {
        (self.finite > 0).then_some(self.min)
    }

    /// The greatest finite value.
    pub fn max(&self) -> Option<f64> {
        (self.finite > 0).then_some(self.max)
    }

    /// The mean of the finite values.
    pub fn mean(&self) -> Option<f64> {
        (self.finite > 0).then(|| self.sum / f64::from(self.finite))
    }

    /// The value that was logged first, if it is finite.
    pub fn first(&self) -> Option<f64> {
        Some(self.first).filter(|first| first.is_finite())
    }

    /// The value that was logged last, if it is finite.
    pub fn last(&self) -> Option<f64> {
        Some(self.last).filter(|last| last.is_finite())
    }

    /// Together with values of later rows.
    fn with(&self, later: &Self) -> Self {
        Self {
            x_min: self.x_min.min(later.x_min),
            x_max: self.x_max.max(later.x_max),
            count: self.count.saturating_add(later.count),
            finite: self.finite.saturating_add(later.finite),
            sum: self.sum + later.sum,
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            first: self.first,
            last: later.last,
        }
    }
}

/// The stretches of a series, in the order of their rows. Neighbours are joined where there are too many.
#[derive(Debug)]
pub(super) struct Stretches {
    most: usize,
    pushed: usize,
    /// How many were joined to each.
    joined: usize,
    kept: Vec<Stretch>,
}

impl Default for Stretches {
    fn default() -> Self {
        Self { most: MOST_STRETCHES, pushed: 0, joined: 1, kept: Vec::new() }
    }
}

impl Stretches {
    /// Takes in the next.
    pub(super) fn push(&mut self, stretch: Stretch) {
        if self.pushed == self.most * self.joined {
            self.joined *= 2;
            let pairs = self.kept.chunks(2).filter_map(|pair| {
                let (first, rest) = pair.split_first()?;
                Some(rest.iter().fold(*first, |joined, later| joined.with(later)))
            });
            self.kept = pairs.collect();
        }
        match self.kept.last_mut() {
            Some(last) if !self.pushed.is_multiple_of(self.joined) => *last = last.with(&stretch),
            _ => self.kept.push(stretch),
        }
        self.pushed += 1;
    }

    /// All of them.
    pub(super) fn finish(self) -> Vec<Stretch> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(axis: Axis, buckets: i32) -> BucketSpec {
        BucketSpec::parse(vec!["loss".to_owned()], axis, Some(buckets)).unwrap()
    }

    fn axis(min: Option<f64>, max: Option<f64>) -> Axis {
        Axis::parse(None, min, max).unwrap()
    }

    fn whole(stretches: &[Stretch]) -> Option<Stretch> {
        stretches.iter().copied().reduce(|all, later| all.with(&later))
    }

    #[test]
    fn what_no_answer_can_have_is_refused() {
        for (min, max) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert_eq!(Axis::parse(None, Some(min), Some(max)).unwrap_err().code(), "RANGE_INVALID");
        }
        for buckets in [i32::MIN, 0, MOST_BUCKETS + 1] {
            let refused = BucketSpec::parse(Vec::new(), axis(None, None), Some(buckets)).unwrap_err();
            assert_eq!(refused.code(), "BUCKETS_INVALID");
        }
        let keys = vec![String::new(); MOST_KEYS + 1];
        assert_eq!(BucketSpec::parse(keys, axis(None, None), None).unwrap_err().code(), "TOO_MANY");
    }

    #[test]
    fn a_value_lies_in_the_bucket_that_has_its_x() {
        let points = |xs: &[f64]| -> Vec<Stretch> { xs.iter().map(|x| Stretch::of(*x, *x)).collect() };
        let filled = |axis, buckets, xs: &[f64]| -> Vec<(f64, f64, u32)> {
            let filled = spec(axis, buckets).fill(vec![points(xs)]);
            filled[0].iter().map(|bucket| (bucket.x_min, bucket.x_max, bucket.count)).collect()
        };
        let all = axis(None, None);
        assert_eq!(filled(all.clone(), 2, &[0.0, 1.0, 2.0, 3.0]), [(0.0, 1.0, 2), (2.0, 3.0, 2)]);
        assert_eq!(filled(all.clone(), 9, &[5.0, 5.0]), [(5.0, 5.0, 2)]);
        assert_eq!(filled(all, 1, &[f64::MIN, f64::MAX]), [(f64::MIN, f64::MAX, 2)]);
        let some = axis(Some(1.0), Some(3.0));
        assert_eq!(filled(some, 2, &[0.0, 1.0, 2.0, 2.5, 3.0]), [(1.0, 1.0, 1), (2.0, 2.5, 2)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_into_buckets(
            values in prop::collection::vec((-1000_i32..1000, prop::option::of(-50_i32..50)), 0..200),
            most in 1_usize..20,
            buckets in 1_i32..30,
        ) {
            let point = |(x, value): &(i32, Option<i32>)| {
                Stretch::of(f64::from(*x), value.map_or(f64::NAN, f64::from))
            };
            let points: Vec<Stretch> = values.iter().map(point).collect();
            let mut stretches = Stretches { most: most * 2, ..Stretches::default() };
            for point in &points {
                stretches.push(*point);
            }
            let kept = stretches.finish();
            prop_assert!(kept.len() <= most * 2);
            let filled = spec(axis(None, None), buckets).fill(vec![kept]);
            prop_assert!(filled[0].len() <= usize::try_from(buckets).unwrap());
            prop_assert!(filled[0].is_sorted_by_key(|bucket| bucket.x_min));
            let numbers = |all: Stretch| {
                (all.x_min, all.x_max, all.count, all.finite, all.sum, all.min(), all.max())
            };
            prop_assert_eq!(whole(&filled[0]).map(numbers), whole(&points).map(numbers));
        }
    }
}
