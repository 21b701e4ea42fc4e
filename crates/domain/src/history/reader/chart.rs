//! Charts of long histories, drawn from rollups: a point of every so many lines.

use std::collections::{BTreeMap, HashMap};

use counterweight_segment::{Bucket, LEVELS, Located, Point, Rollup, Schema, Shape, bucket_lines};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::Value;

use super::columns::number;
use super::rows::{cut_each, cut_some};
use super::{Cursor, Layout, Reader, SampleSpec};
use crate::db::Source as _;
use crate::entity::history_rollup::{Column, Entity, Model};
use crate::error::{Error, Result};
use crate::history::Stream;
use crate::history::sample::{Decimator, RowBudget};
use crate::history::step::KEY as STEP;
use crate::id::RunId;

/// What rollups say about the wanted keys.
struct Drawing<'a> {
    spec: &'a SampleSpec,
    /// By key, in the order of the spec.
    rollups: Vec<HashMap<u64, Bucket>>,
    /// The key that the fewest lines have.
    rarest: usize,
    /// By the number of a segment's first line: the shapes of the keys in it.
    shapes: BTreeMap<i64, Vec<Shape>>,
}

impl Reader {
    /// The rows of a chart, if the history is long enough for that, and rollups know all its keys. Every row is one
    /// that was logged.
    pub(super) async fn chart(
        &self,
        run: RunId,
        spec: &SampleSpec,
        budget: &RowBudget,
    ) -> Result<Option<Vec<Vec<Value>>>> {
        let layout = Layout::load(&self.db, run, Stream::History).await?;
        if layout.is_overwritten() {
            return Ok(None);
        }
        let blocks = layout.segments.iter().flat_map(|segment| segment.blocks.iter());
        let meeting = blocks.filter(|block| spec.range.may_meet(block.steps));
        let merged: i64 = meeting.map(|block| block.line_count).sum();
        let meeting =
            layout.chunks.iter().filter(|chunk| spec.range.may_meet(chunk.min_step.zip(chunk.max_step)));
        let live: i64 = meeting.map(|chunk| chunk.line_count).sum();
        let lines = merged + live;
        let wanted = spec.samples.max(1) as u64;
        let enough = |level: &u8| lines.unsigned_abs() / bucket_lines(*level) >= wanted;
        let Some(coarsest) = (0..LEVELS).rev().find(enough) else { return Ok(None) };
        let finest = layout.segments.iter().map(|segment| segment.finest_level).max().unwrap_or_default();
        let Some(shapes) = shapes(&layout, spec)? else { return Ok(None) };
        for level in (finest..=coarsest).rev() {
            let drawing = self.drawing(run, spec, level, &shapes).await?;
            match drawing.points(live.unsigned_abs() / bucket_lines(level)) {
                Points::TooFew => {}
                Points::Unknown => return Ok(None),
                Points::Found(points) => {
                    let mut chosen = Decimator::new(spec.samples, budget);
                    points.into_iter().try_for_each(|row| chosen.push(row))?;
                    let covered = drawing.last_bucket();
                    self.live_points(run, spec, &layout, level, covered, |row| chosen.push(row)).await?;
                    return Ok(Some(chosen.finish()));
                }
            }
        }
        Ok(None)
    }

    /// Visits a row of every bucket of live lines that rollups do not cover, and the last row. The other lines of a
    /// bucket are not read: there may be many, where a writer is faster than merges.
    async fn live_points(
        &self,
        run: RunId,
        spec: &SampleSpec,
        layout: &Layout,
        level: u8,
        covered: Option<u64>,
        mut visit: impl FnMut(Vec<Value>) -> Result<()> + Send,
    ) -> Result<()> {
        let span = i64::try_from(bucket_lines(level)).map_err(Error::internal)?;
        let after = |line: i64| (line / span + 1) * span;
        let end = layout.line_count();
        let merged = layout.merged_lines();
        let covered = covered.map(i64::try_from).transpose().map_err(Error::internal)?;
        let mut next = covered.map_or(merged, |bucket| (bucket + 1) * span);
        let mut shown = merged - 1;
        let walk = |lines| Cursor::through(self, spec.walk(run, lines), layout);
        cut_some(walk(next.max(merged)..end), |cut| {
            (shown, next) = (cut.line, after(cut.line));
            visit(cut.values)?;
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
                last = Some(cut.values);
                Ok(())
            })
            .await?;
            if let Some(values) = last {
                return visit(values);
            }
        }
        Ok(())
    }

    async fn drawing<'a>(
        &self,
        run: RunId,
        spec: &'a SampleSpec,
        level: u8,
        shapes: &BTreeMap<i64, Vec<Shape>>,
    ) -> Result<Drawing<'a>> {
        let mut rollups = vec![Rollup::default(); spec.keys.len()];
        for found in self.rollups(&[run], &spec.keys, level).await? {
            if let Some(at) = spec.keys.iter().position(|key| *key == found.key) {
                rollups[at].append(found.rollup);
            }
        }
        let count =
            |rollup: &Rollup| rollup.buckets.iter().map(|bucket| u64::from(bucket.count)).sum::<u64>();
        let rarest = rollups.iter().map(count).enumerate().min_by_key(|(_, count)| *count);
        let rollups = rollups
            .into_iter()
            .map(|rollup| rollup.buckets.into_iter().map(|bucket| (bucket.number, bucket)).collect());
        let rarest = rarest.map_or(0, |(index, _)| index);
        Ok(Drawing { spec, rollups: rollups.collect(), rarest, shapes: shapes.clone() })
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

impl Drawing<'_> {
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
