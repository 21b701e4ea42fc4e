//! Charts of long histories, drawn from rollups: a point of every so many lines.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use counterweight_segment::{Bucket, LEVELS, Located, Point, Rollup, Schema, Shape, bucket_lines};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::Value;

use super::columns::number;
use super::sampled::{cut_each, cut_some};
use super::{ChunkHead, Cursor, Layout, MOST_ROLLED_UP, Reader, SampleSpec};
use crate::db::Source as _;
use crate::entity::history_chunk::Model as Chunk;
use crate::entity::history_rollup::{Column, Entity, Model};
use crate::error::{Error, Result};
use crate::history::sample::{Decimator, RowBudget};
use crate::history::step::KEY as STEP;
use crate::id::RunId;

/// Chunks of a run that are read whether or not each has a point.
const SHORT_TAIL: usize = 64;

/// A chart that is to be drawn.
struct Plan<'a> {
    run: RunId,
    layout: &'a Layout,
    /// Lines of the wanted steps that are in no segment.
    live: u64,
    /// The levels at which it may be drawn.
    levels: RangeInclusive<u8>,
    /// By the number of a segment's first line: the shapes of the keys in it.
    shapes: BTreeMap<i64, Vec<Shape>>,
}

/// What rollups say about the wanted keys.
struct Drawing<'a> {
    spec: &'a SampleSpec,
    /// By key, in the order of the spec.
    rollups: Vec<HashMap<u64, Bucket>>,
    /// The key that the fewest lines have.
    rarest: usize,
    shapes: &'a BTreeMap<i64, Vec<Shape>>,
}

impl Reader {
    /// The rows of the charts of those runs whose history is long enough for that, and whose rollups know all keys.
    /// Every row is one that was logged.
    pub(super) async fn draw(
        &self,
        layouts: &HashMap<RunId, Layout>,
        spec: &SampleSpec,
        budget: &RowBudget,
    ) -> Result<HashMap<RunId, Vec<Vec<Value>>>> {
        let mut waiting: BTreeMap<u8, Vec<Plan<'_>>> = BTreeMap::new();
        for (run, layout) in layouts {
            if let Some(plan) = Plan::of(*run, layout, spec)? {
                waiting.entry(*plan.levels.end()).or_default().push(plan);
            }
        }
        let mut charts = HashMap::new();
        while let Some((level, plans)) = waiting.pop_last() {
            for plans in batches(plans, MOST_ROLLED_UP, |plan| plan.buckets(spec, level)) {
                let left = self.draw_at(level, plans, spec, budget, &mut charts).await?;
                if !left.is_empty() {
                    waiting.entry(level - 1).or_default().extend(left);
                }
            }
        }
        Ok(charts)
    }

    /// Draws those that have enough points at a level; answers which may have at the next finer one.
    async fn draw_at<'a>(
        &self,
        level: u8,
        plans: Vec<Plan<'a>>,
        spec: &SampleSpec,
        budget: &RowBudget,
        charts: &mut HashMap<RunId, Vec<Vec<Value>>>,
    ) -> Result<Vec<Plan<'a>>> {
        let runs: Vec<RunId> = plans.iter().map(|plan| plan.run).collect();
        let mut rollups: HashMap<RunId, Vec<OfSegment>> = HashMap::new();
        for found in self.rollups(&runs, &spec.keys, level).await? {
            rollups.entry(found.run).or_default().push(found);
        }
        let (mut drawn, mut left) = (Vec::with_capacity(plans.len()), Vec::new());
        for plan in plans {
            let drawing = Drawing::new(spec, rollups.remove(&plan.run).unwrap_or_default(), &plan.shapes);
            let covered = drawing.last_bucket();
            match drawing.points(plan.live / bucket_lines(level)) {
                Points::TooFew if level > *plan.levels.start() => left.push(plan),
                Points::TooFew | Points::Unknown => {}
                Points::Found(points) => drawn.push((plan, points, covered)),
            }
        }
        let chunks = self.some_chunks(drawn.iter().flat_map(|(plan, ..)| plan.short_tail())).await?;
        for (plan, points, covered) in drawn {
            let mut chosen = Decimator::new(spec.samples, budget);
            points.into_iter().try_for_each(|row| chosen.push(row))?;
            self.live_points(&plan, spec, (level, covered), &chunks, |row| chosen.push(row)).await?;
            charts.insert(plan.run, chosen.finish());
        }
        Ok(left)
    }

    /// Visits a row of every bucket of live lines that rollups do not cover, and the last row. The other lines of a
    /// bucket are not read: there may be many, where a writer is faster than merges.
    async fn live_points(
        &self,
        plan: &Plan<'_>,
        spec: &SampleSpec,
        (level, covered): (u8, Option<u64>),
        chunks: &HashMap<i64, Chunk>,
        mut visit: impl FnMut(Vec<Value>) -> Result<()> + Send,
    ) -> Result<()> {
        let span = i64::try_from(bucket_lines(level)).map_err(Error::internal)?;
        let after = |line: i64| (line / span + 1) * span;
        let Plan { run, layout, .. } = *plan;
        let end = layout.line_count();
        let merged = layout.merged_lines();
        let covered = covered.map(i64::try_from).transpose().map_err(Error::internal)?;
        let mut next = covered.map_or(merged, |bucket| (bucket + 1) * span);
        let mut shown = merged - 1;
        let walk = |lines| Cursor::knowing(self, spec.walk(run, lines), layout, chunks);
        cut_some(walk(next.max(merged)..end), |cut| {
            (shown, next) = (cut.line, after(cut.line));
            visit(cut.into_values())?;
            Ok(next)
        })
        .await?;
        // What follows the bucket of the row that was shown last was read, and has none.
        let rest = shown + 1..next.min(end);
        for chunk in layout.chunks.iter().rev() {
            let lines = rest.start.max(chunk.first_line)..rest.end.min(chunk.end());
            if lines.is_empty() {
                continue;
            }
            let mut last = None;
            cut_each(walk(lines), |cut| {
                last = Some(cut.into_values());
                Ok(())
            })
            .await?;
            if let Some(values) = last {
                return visit(values);
            }
        }
        Ok(())
    }

    /// Rollups of keys at a level by segment, in one statement and the order of lines.
    pub(super) async fn rollups(&self, runs: &[RunId], keys: &[String], level: u8) -> Result<Vec<OfSegment>> {
        // Plan: the primary key, one range of it for each run and key.
        let rows = Entity::find()
            .filter(Column::RunId.is_in(runs.iter().copied()))
            .filter(Column::Key.is_in(keys.iter().map(String::as_str)))
            .filter(Column::Level.eq(i32::from(level)))
            .order_by_asc(Column::FirstLine)
            .all(self.db.connection())
            .await?;
        let of_segment = |Model { run_id, key, first_line, body, .. }| {
            Ok(OfSegment { run: run_id, key, first_line, rollup: Rollup::decode(&body)? })
        };
        rows.into_iter().map(of_segment).collect()
    }
}

/// What a segment has of a key, at a level.
pub(super) struct OfSegment {
    pub(super) run: RunId,
    pub(super) key: String,
    /// Of the segment.
    pub(super) first_line: i64,
    pub(super) rollup: Rollup,
}

/// What can be drawn at a level.
enum Points {
    Found(Vec<Vec<Value>>),
    /// There are more points than this level tells of.
    TooFew,
    /// The wanted keys are not on the same lines.
    Unknown,
}

impl<'a> Plan<'a> {
    fn of(run: RunId, layout: &'a Layout, spec: &SampleSpec) -> Result<Option<Self>> {
        if layout.is_overwritten() {
            return Ok(None);
        }
        let blocks = layout.segments.iter().flat_map(|segment| segment.blocks.iter());
        let meeting = blocks.filter(|block| spec.range.may_meet(block.steps));
        let merged: i64 = meeting.map(|block| block.line_count).sum();
        let meeting =
            layout.chunks.iter().filter(|chunk| spec.range.may_meet(chunk.min_step.zip(chunk.max_step)));
        let live: i64 = meeting.map(|chunk| chunk.line_count).sum();
        let (lines, live) = ((merged + live).unsigned_abs(), live.unsigned_abs());
        let wanted = spec.samples.max(1) as u64;
        let enough = |level: &u8| lines / bucket_lines(*level) >= wanted;
        let Some(coarsest) = (0..LEVELS).rev().find(enough) else { return Ok(None) };
        let finest = layout.segments.iter().map(|segment| segment.finest_level).max().unwrap_or_default();
        let levels = finest..=coarsest;
        let shapes = if levels.is_empty() { None } else { shapes(layout, spec)? };
        Ok(shapes.map(|shapes| Self { run, layout, live, levels, shapes }))
    }

    /// How many buckets rollups of the keys have at a level, at most.
    fn buckets(&self, spec: &SampleSpec, level: u8) -> u64 {
        self.layout.merged_lines().unsigned_abs() / bucket_lines(level) * spec.keys.len() as u64
    }

    /// The chunks that are not merged yet, if so few that all of them may as well be read. Of many, most are skipped.
    fn short_tail(&self) -> &'a [ChunkHead] {
        let chunks = &self.layout.chunks;
        if chunks.len() <= SHORT_TAIL { chunks } else { &[] }
    }
}

impl<'a> Drawing<'a> {
    /// From what segments have of the keys, in the order of lines.
    fn new(spec: &'a SampleSpec, found: Vec<OfSegment>, shapes: &'a BTreeMap<i64, Vec<Shape>>) -> Self {
        let mut rollups = vec![Rollup::default(); spec.keys.len()];
        for found in found {
            if let Some(at) = spec.keys.iter().position(|key| *key == found.key) {
                rollups[at].append(found.rollup);
            }
        }
        let count =
            |rollup: &Rollup| rollup.buckets.iter().map(|bucket| u64::from(bucket.count)).sum::<u64>();
        let rarest = rollups.iter().map(count).enumerate().min_by_key(|(_, count)| *count);
        let rarest = rarest.map_or(0, |(index, _)| index);
        let by_number =
            |rollup: Rollup| rollup.buckets.into_iter().map(|bucket| (bucket.number, bucket)).collect();
        Self { spec, rollups: rollups.into_iter().map(by_number).collect(), rarest, shapes }
    }

    fn last_bucket(&self) -> Option<u64> {
        self.rollups.get(self.rarest)?.keys().max().copied()
    }

    /// `live` buckets are not in rollups.
    fn points(&self, live: u64) -> Points {
        let Some(rarest) = self.rollups.get(self.rarest) else { return Points::Unknown };
        let wanted = self.spec.range;
        let meets = |bucket: &&Bucket| wanted.is_everything() || wanted.contains(bucket.first.step);
        let mut buckets: Vec<&Bucket> = rarest.values().filter(meets).collect();
        buckets.sort_unstable_by_key(|bucket| bucket.number);
        let enough = buckets.len() as u64 + live >= self.spec.samples as u64;
        if !enough && buckets.iter().any(|bucket| bucket.count > 1) {
            return Points::TooFew;
        }
        let mut rows = Vec::with_capacity(buckets.len() + 1);
        let last = buckets.last().filter(|bucket| bucket.count > 1);
        let ends = buckets.iter().map(|bucket| (*bucket, false)).chain(last.map(|bucket| (*bucket, true)));
        for (bucket, at_end) in ends {
            let point = if at_end { bucket.last } else { bucket.first };
            if at_end && !wanted.is_everything() && !wanted.contains(point.step) {
                continue;
            }
            match self.row(bucket.number, point, at_end) {
                Some(row) => rows.push(row),
                None => return Points::Unknown,
            }
        }
        Points::Found(rows)
    }

    /// The row at a point, if rollups know the values of all keys on its line.
    fn row(&self, bucket: u64, point: Point, at_end: bool) -> Option<Vec<Value>> {
        let line = i64::try_from(point.line).ok()?;
        let (_, shapes) = self.shapes.range(..=line).next_back()?;
        let keys = self.spec.keys.iter().zip(&self.rollups).zip(shapes);
        let value = |((key, rollup), shape): ((&String, &HashMap<u64, Bucket>), &Shape)| {
            if key == STEP && point.step != i64::MIN {
                return Some(Value::from(point.step));
            }
            let bucket = rollup.get(&bucket)?;
            let theirs = if at_end { bucket.last } else { bucket.first };
            (theirs.line == point.line).then(|| number(theirs.value, shape))
        };
        keys.map(value).collect()
    }
}

/// The same in their order, as many together as have `most` in all; one that has more is alone.
fn batches<T>(items: Vec<T>, most: u64, size: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let (mut batches, mut left): (Vec<Vec<T>>, _) = (Vec::new(), 0);
    for item in items {
        let size = size(&item);
        match batches.last_mut() {
            Some(batch) if size <= left => {
                left -= size;
                batch.push(item);
            }
            _ => {
                left = most.saturating_sub(size);
                batches.push(vec![item]);
            }
        }
    }
    batches
}

/// The shapes of the keys in each segment, if all of them are numbers that rollups hold.
fn shapes(layout: &Layout, spec: &SampleSpec) -> Result<Option<BTreeMap<i64, Vec<Shape>>>> {
    let mut shapes = BTreeMap::new();
    for segment in &layout.segments {
        let Some(known) = known(&segment.schema()?, &spec.keys) else { return Ok(None) };
        shapes.insert(segment.first_line, known);
    }
    Ok(Some(shapes))
}

fn known(schema: &Schema, keys: &[String]) -> Option<Vec<Shape>> {
    let shape = |key: &String| match schema.scalar(key) {
        Located::Column(_, shape) if shape.is_number() && shape != Shape::Wide => Some(shape),
        // No line has it, so no point is in this segment.
        Located::Nowhere => Some(Shape::Float),
        _ => None,
    };
    keys.iter().map(shape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_together_is_bounded() {
        let batches = |sizes: &[u64]| batches(sizes.to_vec(), 10, |size| *size);
        assert_eq!(batches(&[4, 6, 1, 30, 0, 9, 1]), [vec![4, 6], vec![1], vec![30, 0], vec![9, 1]]);
        assert!(batches(&[]).is_empty());
    }
}
