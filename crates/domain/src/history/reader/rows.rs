//! Rows of a history: as they were logged, or cut down to some keys.

use std::ops::Range;

use serde_json::{Map, Value};

use super::super::Stream;
use super::super::sample::{Decimator, RowBudget};
use super::super::step::{step_in_text, step_of};
use super::columns::Cut;
use super::{Cursor, Piece, Reader, Walk};
use crate::error::Result;
use crate::id::RunId;
use crate::json;

/// Rows that one answer may hold.
pub const MOST_ROWS: usize = 100_000;

/// Steps from `min` up to but not including `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepRange {
    /// First step wanted.
    pub min: Option<i64>,
    /// First step not wanted.
    pub max: Option<i64>,
}

impl StepRange {
    /// Whether no step is left out, and rows without one neither.
    pub(super) fn is_everything(self) -> bool {
        self.min.is_none() && self.max.is_none()
    }

    /// Whether so many samples of this range mean every row of it: a scan asks for as many as there are steps, also
    /// where several rows have the same one.
    fn is_scanned_by(self, samples: usize) -> bool {
        let steps = self.min.zip(self.max).map(|(min, max)| max.saturating_sub(min));
        steps.is_some_and(|steps| usize::try_from(steps).is_ok_and(|steps| steps <= samples))
    }

    fn most_rows(self, samples: usize) -> usize {
        if self.is_scanned_by(samples) { MOST_ROWS } else { samples.min(MOST_ROWS) }
    }

    pub(super) fn contains(self, step: i64) -> bool {
        self.min.is_none_or(|min| step >= min) && self.max.is_none_or(|max| step < max)
    }
}

/// Which keys of which rows are wanted, and how many.
#[derive(Clone, Debug)]
pub struct SampleSpec {
    /// Only rows that have all of these. Without a range of steps, the first one orders them.
    pub keys: Vec<String>,
    /// At most so many rows.
    pub samples: usize,
    /// Which steps.
    pub range: StepRange,
}

impl SampleSpec {
    /// The walk through the rows that it wants, cut down to its keys.
    pub(super) fn walk(&self, run: RunId, lines: Range<i64>) -> Walk<'_> {
        let keys = Some(self.keys.as_slice());
        Walk { steps: self.range, keys, ..Walk::lines(run, Stream::History, lines) }
    }
}

impl Reader {
    /// Rows as they were logged, at most `samples` of them, evenly chosen.
    pub async fn rows(
        &self,
        run: RunId,
        stream: Stream,
        steps: StepRange,
        samples: usize,
        budget: &RowBudget,
    ) -> Result<Vec<String>> {
        let mut chosen = Decimator::new(steps.most_rows(samples), budget);
        let walk = Walk { steps, ..Walk::lines(run, stream, 0..i64::MAX) };
        self.for_each_line(walk, |_, line| {
            if steps.is_everything() || step_in_text(line).is_some_and(|step| steps.contains(step)) {
                chosen.push(line.to_owned())?;
            }
            Ok(())
        })
        .await?;
        Ok(chosen.finish())
    }

    /// Rows that have all the wanted keys, cut down to these. Non-finite numbers are quoted.
    pub async fn sampled(&self, run: RunId, spec: &SampleSpec, budget: &RowBudget) -> Result<Vec<Value>> {
        let chart =
            if spec.range.is_scanned_by(spec.samples) { None } else { self.chart(run, spec, budget).await? };
        let mut rows = if let Some(rows) = chart {
            rows
        } else {
            let mut chosen = Decimator::new(spec.range.most_rows(spec.samples), budget);
            let cursor = self.walk(spec.walk(run, 0..i64::MAX));
            cut_each(cursor, |cut| chosen.push(cut.values)).await?;
            chosen.finish()
        };
        // A chart names its x axis first; a scan by steps wants the order in which the rows were logged.
        if spec.range.is_everything() {
            rows.sort_by(|a, b| axis(a).total_cmp(&axis(b)));
        }
        let named = |values: Vec<Value>| -> Map<_, _> { spec.keys.iter().cloned().zip(values).collect() };
        Ok(rows.into_iter().map(|values| Value::Object(named(values))).collect())
    }

    /// Visits whole lines.
    pub(in crate::history) async fn for_each_line(
        &self,
        walk: Walk<'_>,
        mut visit: impl FnMut(i64, &str) -> Result<()> + Send,
    ) -> Result<()> {
        let mut cursor = self.walk(walk);
        while let Some(piece) = cursor.next().await? {
            let Piece::Lines(batch) = piece else { continue };
            batch.lines().try_for_each(|(number, line)| visit(number, line))?;
        }
        Ok(())
    }
}

/// Visits the rows of a walk, cut down to its keys.
pub(super) async fn cut_each(
    cursor: Cursor<'_>,
    mut visit: impl FnMut(Cut) -> Result<()> + Send,
) -> Result<()> {
    cut_some(cursor, |cut| visit(cut).map(|()| i64::MIN)).await
}

/// Visits some of them: each visit answers from which line on it wants the next.
pub(super) async fn cut_some(
    mut cursor: Cursor<'_>,
    mut visit: impl FnMut(Cut) -> Result<i64> + Send,
) -> Result<()> {
    let mut from = i64::MIN;
    while let Some(piece) = cursor.next().await? {
        match piece {
            Piece::Cuts(cuts) => {
                for cut in cuts {
                    if cut.line >= from {
                        from = visit(cut)?;
                    }
                }
            }
            Piece::Lines(batch) => {
                for (line, row) in batch.lines() {
                    if line >= from
                        && let Some(values) = cut_down(row, cursor.walk())
                    {
                        from = visit(Cut { line, values })?;
                    }
                }
            }
        }
        cursor.skip_to(from);
    }
    Ok(())
}

fn axis(values: &[Value]) -> f64 {
    values.first().and_then(Value::as_f64).unwrap_or(f64::INFINITY)
}

/// A row's values of the wanted keys, in their order, if it has all that it must have and a step that is wanted.
fn cut_down(line: &str, walk: &Walk<'_>) -> Option<Vec<Value>> {
    let Ok(Value::Object(row)) = json::parse(line) else { return None };
    if !walk.steps.is_everything() && !step_of(&row).is_some_and(|step| walk.steps.contains(step)) {
        return None;
    }
    let missing = || walk.sparse.then_some(Value::Null);
    walk.keys?.iter().map(|key| json::lookup(&row, key).cloned().or_else(missing)).collect()
}
