//! A few numbers for each stretch of lines, at several levels: what a chart of a long history is drawn from.

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _};

use crate::{Result, SegmentError};

/// How many levels there are. A bucket of level 0 has 128 lines, one of each further level 8 times as many.
pub const LEVELS: u8 = 4;
const FINEST: u64 = 128;
const STEP: u64 = 8;
/// A stretch of lines has no level of more buckets than this for a key.
const MOST_BUCKETS: u64 = 16_384;
/// And no level of more than this for all keys: whoever builds it has them in memory.
const MOST_BUCKETS_OF_ALL: u64 = 262_144;
/// Line and step take eight bytes each, so does the value; twice, and with least, greatest, sum and two counts.
const BUCKET_BYTES: usize = 2 * 24 + 3 * 8 + 2 * 4 + 8;

/// The lines that a bucket of a level spans. Buckets begin at the multiples of it, whatever file the lines are in.
pub fn bucket_lines(level: u8) -> u64 {
    FINEST * STEP.pow(u32::from(level))
}

/// The finest level that so many lines with so many keys have; they have all coarser ones too.
pub fn finest_level(lines: u64, keys: usize) -> u8 {
    let most = MOST_BUCKETS.min(MOST_BUCKETS_OF_ALL / (keys.max(1) as u64));
    (0..LEVELS - 1).find(|level| lines / bucket_lines(*level) <= most).unwrap_or(LEVELS - 1)
}

/// A value at its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Number of the line.
    pub line: u64,
    /// Its `_step`; `i64::MIN` where it has none.
    pub step: i64,
    /// The value.
    pub value: f64,
}

/// What a key's values were, in one stretch of lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its number: its first line, divided by the lines that a bucket spans.
    pub number: u64,
    /// How many lines have the key.
    pub count: u32,
    /// How many of these have a finite value.
    pub finite: u32,
    /// The least finite value.
    pub min: f64,
    /// The greatest finite value.
    pub max: f64,
    /// The sum of the finite values.
    pub sum: f64,
    /// The first value, finite or not.
    pub first: Point,
    /// The last value, finite or not.
    pub last: Point,
}

impl Bucket {
    fn new(number: u64, point: Point) -> Self {
        let mut bucket = Self {
            number,
            count: 0,
            finite: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            first: point,
            last: point,
        };
        bucket.add(point);
        bucket
    }

    fn add(&mut self, point: Point) {
        self.count += 1;
        self.last = point;
        if point.value.is_finite() {
            self.finite += 1;
            self.min = self.min.min(point.value);
            self.max = self.max.max(point.value);
            self.sum += point.value;
        }
    }

    /// Takes in a bucket of later lines.
    pub fn merge(&mut self, later: &Self) {
        self.count += later.count;
        self.finite += later.finite;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.sum += later.sum;
        self.last = later.last;
    }

    /// The mean of the finite values; none when there is none.
    pub fn mean(&self) -> Option<f64> {
        (self.finite > 0).then(|| self.sum / f64::from(self.finite))
    }
}

/// The buckets of one key at one level, ascending; those without a value are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollup {
    /// The buckets.
    pub buckets: Vec<Bucket>,
}

impl Rollup {
    /// Takes in the next point.
    pub fn push(&mut self, level: u8, point: Point) {
        let number = point.line / bucket_lines(level);
        match self.buckets.last_mut() {
            Some(bucket) if bucket.number == number => bucket.add(point),
            _ => self.buckets.push(Bucket::new(number, point)),
        }
    }

    /// Takes in the buckets of later lines; a bucket may be cut in two by the end of a file.
    pub fn append(&mut self, later: Self) {
        for bucket in later.buckets {
            match self.buckets.last_mut() {
                Some(last) if last.number == bucket.number => last.merge(&bucket),
                _ => self.buckets.push(bucket),
            }
        }
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.buckets.len() * BUCKET_BYTES);
        for bucket in &self.buckets {
            bytes.put_u64_le(bucket.number);
            bytes.put_u32_le(bucket.count);
            bytes.put_u32_le(bucket.finite);
            for value in [bucket.min, bucket.max, bucket.sum] {
                bytes.put_f64_le(value);
            }
            for point in [bucket.first, bucket.last] {
                bytes.put_u64_le(point.line);
                bytes.put_i64_le(point.step);
                bytes.put_f64_le(point.value);
            }
        }
        bytes
    }

    /// From the bytes of [`Rollup::encode`].
    pub fn decode(mut bytes: &[u8]) -> Result<Self> {
        if !bytes.len().is_multiple_of(BUCKET_BYTES) {
            return Err(SegmentError::Damaged("a summary is cut off".to_owned()));
        }
        let mut buckets = Vec::with_capacity(bytes.len() / BUCKET_BYTES);
        while bytes.has_remaining() {
            buckets.push(Bucket {
                number: bytes.get_u64_le(),
                count: bytes.get_u32_le(),
                finite: bytes.get_u32_le(),
                min: bytes.get_f64_le(),
                max: bytes.get_f64_le(),
                sum: bytes.get_f64_le(),
                first: point(&mut bytes),
                last: point(&mut bytes),
            });
        }
        Ok(Self { buckets })
    }
}

fn point(bytes: &mut &[u8]) -> Point {
    Point { line: bytes.get_u64_le(), step: bytes.get_i64_le(), value: bytes.get_f64_le() }
}

/// Gathers the rollups of many keys.
#[derive(Debug)]
pub struct RollupBuilder {
    level: u8,
    finest: BTreeMap<String, Rollup>,
}

impl RollupBuilder {
    /// Of this level and all coarser ones.
    pub fn new(level: u8) -> Self {
        Self { level, finest: BTreeMap::new() }
    }

    /// Takes in a key's value at a line. Lines come in ascending order.
    pub fn push(&mut self, key: &str, point: Point) {
        if let Some(rollup) = self.finest.get_mut(key) {
            rollup.push(self.level, point);
        } else {
            let mut rollup = Rollup::default();
            rollup.push(self.level, point);
            self.finest.insert(key.to_owned(), rollup);
        }
    }

    /// The rollups by key and level.
    pub fn finish(self) -> impl Iterator<Item = (String, u8, Rollup)> {
        let finest = self.level;
        self.finest.into_iter().flat_map(move |(key, rollup)| {
            let mut levels = vec![(key.clone(), finest, rollup)];
            for level in finest + 1..LEVELS {
                let Some((_, _, finer)) = levels.last() else { break };
                levels.push((key.clone(), level, coarser(finer)));
            }
            levels
        })
    }
}

fn coarser(finer: &Rollup) -> Rollup {
    let mut coarse = Rollup::default();
    for bucket in &finer.buckets {
        let mut bucket = *bucket;
        bucket.number /= STEP;
        coarse.append(Rollup { buckets: vec![bucket] });
    }
    coarse
}
