//! Values of many runs over an axis: from rollups where these are true, line by line elsewhere.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use counterweight_segment::{Bucket, LEVELS, Located, bucket_lines, number};

use super::chart::OfSegment;
use super::cursor::Cursor;
use super::layout::ChunkHead;
use super::sampled::cut_each;
use super::{Layout, MOST_ROLLED_UP, RUNS_AT_ONCE, Reader, StepRange, Walk};
use crate::entity::history_chunk::Model as Chunk;
use crate::error::{Error, Result};
use crate::history::Stream;
use crate::history::buckets::{BucketSpec, Stretch, Stretches};
use crate::history::segment::Segment;
use crate::id::RunId;

/// Lines that are read one by one for the runs that are read together.
const MOST_LINES: i64 = 1_048_576;

impl Reader {
    /// The values of each run in buckets, key by key in the order of the spec. What one run cannot answer is its own
    /// error.
    pub async fn buckets(
        &self,
        runs: &[RunId],
        spec: &BucketSpec,
    ) -> Result<HashMap<RunId, Result<Vec<Vec<Stretch>>>>> {
        let mut answers = HashMap::with_capacity(runs.len());
        for runs in runs.chunks(RUNS_AT_ONCE) {
            let mut sources = self.sources(runs, spec).await?;
            let lines_each = MOST_LINES / i64::try_from(sources.len().max(1)).map_err(Error::internal)?;
            let mut lines_left = MOST_LINES;
            let mut readable = Vec::with_capacity(sources.len());
            for mut source in sources.drain(..) {
                match source.plan(lines_each, &mut lines_left) {
                    Ok(()) => readable.push(source),
                    Err(error) => _ = answers.insert(source.run, Err(error)),
                }
            }
            let chunks = self.some_chunks(readable.iter().flat_map(Source::chunks)).await?;
            for source in readable {
                let series = self.series(&source, &chunks).await?;
                answers.insert(source.run, Ok(spec.fill(series)));
            }
        }
        Ok(answers)
    }

    async fn sources<'a>(&self, runs: &[RunId], spec: &'a BucketSpec) -> Result<Vec<Source<'a>>> {
        let mut layouts = Layout::load_many(&self.db, runs, Stream::History, StepRange::default()).await?;
        let series = runs.len() * (spec.keys.len() + 1);
        let most = MOST_ROLLED_UP / u64::try_from(series).map_err(Error::internal)?.max(1);
        let mut by_level: BTreeMap<u8, Vec<Source<'_>>> = BTreeMap::new();
        for run in runs {
            let layout = layouts.remove(run).unwrap_or_default();
            let level = level(&layout, spec, most);
            by_level.entry(level).or_default().push(Source::new(*run, layout, level, spec));
        }
        let mut keys = vec![spec.axis.key.clone()];
        keys.extend(spec.keys.iter().filter(|key| **key != spec.axis.key).cloned());
        for (level, sources) in &mut by_level {
            let merged = sources.iter().filter(|source| !source.layout.segments.is_empty());
            let merged: Vec<RunId> = merged.map(|source| source.run).collect();
            if merged.is_empty() {
                continue;
            }
            let places: HashMap<RunId, usize> =
                sources.iter().enumerate().map(|(place, source)| (source.run, place)).collect();
            for found in self.rollups(&merged, &keys, *level).await? {
                if let Some(source) = places.get(&found.run).and_then(|place| sources.get_mut(*place)) {
                    source.take(found);
                }
            }
        }
        Ok(by_level.into_values().flatten().collect())
    }

    async fn series(&self, source: &Source<'_>, chunks: &HashMap<i64, Chunk>) -> Result<Vec<Vec<Stretch>>> {
        let spec = source.spec;
        let mut keys = vec![spec.axis.key.clone()];
        keys.extend_from_slice(&spec.keys);
        let mut series: Vec<Stretches> = spec.keys.iter().map(|_| Stretches::default()).collect();
        let mut position = 0;
        for lines in &source.lines {
            source.add_rollups(position..lines.start, &mut series);
            position = lines.end;
            let walk = Walk {
                keys: Some(&keys),
                sparse: true,
                ..Walk::lines(source.run, Stream::History, lines.clone())
            };
            let cursor = Cursor::knowing(self, walk, &source.layout, chunks);
            cut_each(cursor, |cut| {
                let values = cut.into_values();
                let mut values = values.iter().map(number);
                let x = values.next().flatten().filter(|x| x.is_finite() && spec.axis.contains(*x));
                let Some(x) = x else { return Ok(()) };
                for (value, stretches) in values.zip(&mut series) {
                    if let Some(value) = value {
                        stretches.push(Stretch::of(x, value));
                    }
                }
                Ok(())
            })
            .await?;
        }
        source.add_rollups(position..source.layout.merged_lines(), &mut series);
        Ok(series.into_iter().map(Stretches::finish).collect())
    }
}

/// The level whose rollups are read of a run, with `most` buckets at most.
fn level(layout: &Layout, spec: &BucketSpec, most: u64) -> u8 {
    let steps = spec.axis.steps();
    let lines: i64 = match &steps {
        _ if spec.axis.is_everything() => layout.merged_lines(),
        Some(steps) => {
            let blocks = layout.segments.iter().flat_map(|segment| segment.blocks.iter());
            blocks.filter(|block| steps.may_meet(block.steps)).map(|block| block.line_count).sum()
        }
        // Only the finest rollups tell how many.
        None => 0,
    };
    let stretches = |lines: i64, level: u8| lines.unsigned_abs() / bucket_lines(level);
    let enough = |level: &u8| stretches(lines, *level) * 2 >= u64::from(spec.buckets);
    let finest = layout.segments.iter().map(|segment| segment.finest_level).max().unwrap_or_default();
    let wanted = (0..LEVELS).rev().find(enough).unwrap_or_default().max(finest);
    let fits = |level: &u8| stretches(layout.merged_lines(), *level) <= most;
    (wanted..LEVELS).find(fits).unwrap_or(LEVELS - 1)
}

/// A run, and where its values are.
struct Source<'a> {
    run: RunId,
    layout: Layout,
    level: u8,
    spec: &'a BucketSpec,
    /// Of each key that has any: which segments have it, by their first lines, and the buckets by number.
    rollups: HashMap<String, (HashSet<i64>, BTreeMap<u64, Bucket>)>,
    /// The lines that are read one by one, ascending. Between these, rollups answer.
    lines: Vec<Range<i64>>,
}

impl<'a> Source<'a> {
    fn new(run: RunId, layout: Layout, level: u8, spec: &'a BucketSpec) -> Self {
        Self { run, layout, level, spec, rollups: HashMap::new(), lines: Vec::new() }
    }

    fn take(&mut self, found: OfSegment) {
        let (segments, buckets) = self.rollups.entry(found.key).or_default();
        segments.insert(found.first_line);
        for bucket in found.rollup.buckets {
            // The end of a segment may be in the middle of a bucket.
            buckets.entry(bucket.number).and_modify(|before| before.merge(&bucket)).or_insert(bucket);
        }
    }

    /// Settles which lines are read one by one: those that must, and all that are wanted where there are too few
    /// stretches of them.
    fn plan(&mut self, lines_each: i64, lines_left: &mut i64) -> Result<()> {
        let merged = self.layout.merged_lines();
        let stale = self.layout.stale().map(|lines| self.whole_stretches(lines));
        self.lines = join(stale.chain(std::iter::once(merged..self.layout.line_count())));
        *lines_left -= count(&self.lines);
        if *lines_left < 0 {
            return Err(Error::unavailable("too much of the history waits to be merged"));
        }
        let unclear = self.unclear()?;
        *lines_left -= count(&unclear);
        if *lines_left < 0 {
            let reason = "so long a history is summarised only for keys that hold numbers and nothing else, over an \
                          axis that every row has; ask for fewer runs or keys";
            return Err(Error::invalid("NOT_SUMMARISED", "keys", reason));
        }
        let known = std::mem::take(&mut self.lines).into_iter().chain(unclear);
        self.lines = join(known.chain(self.wanted_lines().filter(|lines| {
            let stretches = (lines.end - lines.start).unsigned_abs() / bucket_lines(self.level);
            stretches * 2 < u64::from(self.spec.buckets) && lines.end - lines.start <= lines_each
        })));
        Ok(())
    }

    /// The lines of which rollups do not tell the whole truth.
    fn unclear(&self) -> Result<Vec<Range<i64>>> {
        let mut unclear = Vec::new();
        for segment in &self.layout.segments {
            if !self.is_summarised(segment)? {
                unclear.push(self.whole_stretches(segment.first_line..segment.end()));
            }
        }
        // Where the axis is on some of the lines only, values may be on others.
        let axis = self.rollups.get(&self.spec.axis.key);
        for bucket in axis.into_iter().flat_map(|(_, buckets)| buckets.values()) {
            let lines = self.lines_of(bucket);
            let everywhere = i64::from(bucket.finite) == lines.end - lines.start;
            if !everywhere && self.spec.axis.meets(bucket.min, bucket.max) {
                unclear.push(lines);
            }
        }
        Ok(join(unclear.into_iter().flat_map(|lines| without(lines, &self.lines))))
    }

    /// Whether rollups have all numbers of a segment under the axis and the keys.
    fn is_summarised(&self, segment: &Segment) -> Result<bool> {
        let has = |key: &&String| {
            self.rollups.get(*key).is_some_and(|(segments, _)| segments.contains(&segment.first_line))
        };
        let mut others =
            [&self.spec.axis.key].into_iter().chain(&self.spec.keys).filter(|key| !has(key)).peekable();
        if others.peek().is_none() {
            return Ok(true);
        }
        let schema = segment.schema()?;
        Ok(others.all(|key| match schema.scalar(key) {
            Located::Nowhere => true,
            Located::Column(_, shape) => !shape.is_number(),
            Located::Rows => false,
        }))
    }

    /// From the first to the last stretch that may have wanted values.
    fn wanted_lines(&self) -> impl Iterator<Item = Range<i64>> {
        let axis = self.rollups.get(&self.spec.axis.key).map(|(_, buckets)| buckets);
        let mut wanted = axis.into_iter().flat_map(BTreeMap::values);
        let mut wanted = wanted.by_ref().filter(|bucket| self.spec.axis.meets(bucket.min, bucket.max));
        let first = wanted.next();
        let last = wanted.last().or(first);
        first.zip(last).map(|(first, last)| self.lines_of(first).start..self.lines_of(last).end).into_iter()
    }

    fn lines_of(&self, bucket: &Bucket) -> Range<i64> {
        let lines = bucket_lines(self.level);
        let start = i64::try_from(bucket.number * lines).unwrap_or(i64::MAX);
        start..start.saturating_add_unsigned(lines).min(self.layout.merged_lines()).max(start)
    }

    /// The stretches of segments that have some of these lines.
    fn whole_stretches(&self, lines: Range<i64>) -> Range<i64> {
        let each = i64::try_from(bucket_lines(self.level)).unwrap_or(i64::MAX);
        let start = lines.start - lines.start.rem_euclid(each);
        let end = lines.end.saturating_add(each - 1);
        let merged = self.layout.merged_lines();
        start.min(merged)..(end - end.rem_euclid(each)).min(merged)
    }

    fn chunks(&self) -> impl Iterator<Item = &ChunkHead> {
        let meets = |chunk: &&ChunkHead| {
            self.lines.iter().any(|lines| chunk.first_line < lines.end && chunk.end() > lines.start)
        };
        self.layout.chunks.iter().filter(meets)
    }

    /// Adds what rollups have of lines.
    fn add_rollups(&self, lines: Range<i64>, series: &mut [Stretches]) {
        let Some((_, axis)) = self.rollups.get(&self.spec.axis.key) else { return };
        for (key, stretches) in self.spec.keys.iter().zip(series) {
            let Some((_, buckets)) = self.rollups.get(key) else { continue };
            for (number, bucket) in buckets {
                if let Some(axis) = axis.get(number)
                    && lines.contains(&self.lines_of(bucket).start)
                {
                    stretches.push(Stretch::of_lines(axis, bucket));
                }
            }
        }
    }
}

/// The same lines, each once and ascending.
fn join(ranges: impl IntoIterator<Item = Range<i64>>) -> Vec<Range<i64>> {
    let mut ranges: Vec<_> = ranges.into_iter().filter(|lines| !lines.is_empty()).collect();
    ranges.sort_unstable_by_key(|lines| lines.start);
    let mut joined: Vec<Range<i64>> = Vec::new();
    for lines in ranges {
        match joined.last_mut() {
            Some(last) if lines.start <= last.end => last.end = last.end.max(lines.end),
            _ => joined.push(lines),
        }
    }
    joined
}

/// Those of the lines that are not among others, which ascend.
fn without(lines: Range<i64>, others: &[Range<i64>]) -> Vec<Range<i64>> {
    let mut left = Vec::new();
    let mut start = lines.start;
    for other in others.iter().filter(|other| other.start < lines.end && other.end > lines.start) {
        left.push(start..other.start);
        start = other.end;
    }
    left.push(start..lines.end);
    left.retain(|lines| !lines.is_empty());
    left
}

fn count(ranges: &[Range<i64>]) -> i64 {
    ranges.iter().map(|lines| lines.end - lines.start).sum()
}
