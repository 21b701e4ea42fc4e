//! Some keys of the rows of a segment, from its columns.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use counterweight_segment::{Columns, Located, Scalar, Shape};
use counterweight_storage::BlobStore;
use futures_util::future::try_join_all;
use serde_json::{Number, Value};

use super::Walk;
use crate::error::{Error, Result};
use crate::history::segment::Segment;
use crate::history::step::KEY as STEP;

/// Beyond this, a double no longer holds every whole number.
const EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// A row, cut down to the wanted keys.
#[derive(Clone, Debug)]
pub(in crate::history) struct Cut {
    pub(in crate::history) line: i64,
    /// In the order of the keys; null for one that a sparse row lacks.
    pub(in crate::history) values: Vec<Value>,
}

/// The columns that answer for some keys of a segment, and the row groups that are still to be read.
pub(super) struct Groups {
    segment: Arc<Segment>,
    layout: Option<Columns>,
    /// In the order of the keys; none for one that no row has.
    columns: Vec<Option<(usize, Shape)>>,
    keys: usize,
    /// Which of the columns has the step, where steps are filtered.
    step: Option<usize>,
    wanted: Range<i64>,
    /// Number of the row group, its first line, and which of its lines are wanted.
    left: VecDeque<(usize, i64, Range<i64>)>,
}

impl Groups {
    /// Finds the columns of the wanted keys, if they can tell all that is asked.
    pub(super) async fn of(
        segment: &Arc<Segment>,
        wanted: Range<i64>,
        blobs: &BlobStore,
        walk: &Walk<'_>,
    ) -> Result<Option<Self>> {
        let Some(keys) = walk.keys else { return Ok(None) };
        let schema = segment.schema()?;
        let filtered = !walk.steps.is_everything();
        let mut names: Vec<&str> = keys.iter().map(String::as_str).collect();
        if filtered && !names.contains(&STEP) {
            names.push(STEP);
        }
        let located: Vec<Located> = names.iter().map(|key| schema.scalar(key)).collect();
        let mut found = Self {
            segment: Arc::clone(segment),
            layout: None,
            columns: Vec::new(),
            keys: keys.len(),
            step: None,
            wanted,
            left: VecDeque::new(),
        };
        let unclear = |place: &Located| match place {
            Located::Rows => true,
            Located::Column(_, Shape::Mixed) => !walk.sparse,
            _ => false,
        };
        if located.iter().any(unclear) {
            return Ok(None);
        }
        let mut known = located.iter().map(|place| *place != Located::Nowhere);
        let has_rows = if walk.sparse { known.any(|known| known) } else { known.all(|known| known) };
        if !has_rows {
            return Ok(Some(found));
        }
        let layout = segment.layout(blobs).await?;
        for (index, (key, place)) in names.iter().zip(located).enumerate() {
            let Located::Column(path, shape) = place else {
                found.columns.push(None);
                continue;
            };
            if filtered && *key == STEP {
                if !matches!(shape, Shape::Int | Shape::Wide) {
                    return Ok(None);
                }
                found.step = Some(index);
            }
            let missing = || Error::internal(format!("the segment has no column {key}"));
            found.columns.push(Some((layout.column(&path).ok_or_else(missing)?, shape)));
        }
        let mut first_line = segment.first_line;
        for (group, rows) in layout.group_rows().enumerate() {
            let lines = first_line..first_line + i64::try_from(rows).map_err(Error::internal)?;
            let start = std::mem::replace(&mut first_line, lines.end);
            let lines = meeting(segment, &found.common(&lines), walk);
            if !lines.is_empty() {
                found.left.push_back((group, start, lines));
            }
        }
        found.layout = Some(layout);
        Ok(Some(found))
    }

    fn common(&self, lines: &Range<i64>) -> Range<i64> {
        lines.start.max(self.wanted.start)..lines.end.min(self.wanted.end)
    }

    /// The wanted rows of the next row group; none when that was the last.
    pub(super) async fn next(&mut self, blobs: &BlobStore, walk: &Walk<'_>) -> Result<Option<Vec<Cut>>> {
        let Some((group, start, lines)) = self.left.pop_front() else { return Ok(None) };
        let Some(layout) = &self.layout else { return Ok(None) };
        let known: Vec<(usize, usize)> =
            self.columns.iter().enumerate().filter_map(|(at, known)| Some((at, known.as_ref()?.0))).collect();
        let mut reads = Vec::with_capacity(known.len());
        for (_, column) in &known {
            reads.push(self.segment.columns.read(blobs, layout.byte_range(group, *column)?));
        }
        let row = |line: i64| usize::try_from(line - start).map_err(Error::internal);
        let rows = row(lines.start)?..row(lines.end)?;
        let mut columns: Vec<_> = self.columns.iter().map(|_| Vec::new().into_iter()).collect();
        for ((at, column), bytes) in known.into_iter().zip(try_join_all(reads).await?) {
            columns[at] = layout.decode(group, column, bytes, rows.clone())?.into_iter();
        }
        let mut cuts = Vec::new();
        for line in lines {
            let row: Vec<Option<Scalar>> = columns.iter_mut().map(|column| column.next().flatten()).collect();
            if !self.is_at_wanted_step(&row, walk) {
                continue;
            }
            let values = row.into_iter().zip(&self.columns).take(self.keys);
            let value = |(scalar, column): (Option<Scalar>, &Option<(usize, Shape)>)| {
                let value = scalar.zip(column.as_ref()).map(|(scalar, (_, shape))| json(scalar, shape));
                value.or_else(|| walk.sparse.then_some(Value::Null))
            };
            cuts.extend(values.map(value).collect::<Option<_>>().map(|values| Cut { line, values }));
        }
        Ok(Some(cuts))
    }

    fn is_at_wanted_step(&self, row: &[Option<Scalar>], walk: &Walk<'_>) -> bool {
        let Some(step) = self.step else { return true };
        matches!(row.get(step), Some(Some(Scalar::Int(step))) if walk.steps.contains(*step))
    }
}

/// Those of the lines, from the first to the last block that has a wanted step.
fn meeting(segment: &Segment, lines: &Range<i64>, walk: &Walk<'_>) -> Range<i64> {
    let within =
        segment.blocks.iter().filter(|block| block.first_line < lines.end && block.end() > lines.start);
    let mut wanted = within.filter(|block| walk.steps.may_meet(block.steps));
    let Some(first) = wanted.next() else { return lines.start..lines.start };
    let last = wanted.next_back().unwrap_or(first);
    lines.start.max(first.first_line)..lines.end.min(last.end())
}

fn json(scalar: Scalar, shape: &Shape) -> Value {
    match scalar {
        Scalar::Bool(value) => value.into(),
        Scalar::Int(value) => value.into(),
        Scalar::Text(value) => value.into(),
        Scalar::Double(value) => number(value, shape),
    }
}

/// A number as it was logged. Where a key held whole numbers and fractions alike, a whole one is shown as such.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 53 bits")]
pub(super) fn number(value: f64, shape: &Shape) -> Value {
    let whole = matches!(shape, Shape::Int | Shape::Wide | Shape::Number) && value.fract() == 0.0;
    if whole && value.abs() <= EXACT_DOUBLE && !(value == 0.0 && value.is_sign_negative()) {
        return (value as i64).into();
    }
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}
