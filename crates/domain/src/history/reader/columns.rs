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

/// The values of a key in consecutive rows, as they are stored.
struct Column {
    values: Vec<Option<Scalar>>,
    shape: Shape,
}

impl Column {
    fn at(&self, row: usize) -> Option<&Scalar> {
        self.values.get(row)?.as_ref()
    }
}

/// Rows of a row group, cut down to the wanted keys.
pub(in crate::history) struct Cuts {
    /// Those that have what is wanted.
    lines: Vec<i64>,
    /// The line of the first value of each column.
    first_line: i64,
    /// In the order of the keys; none for one that no row has.
    columns: Vec<Option<Column>>,
}

impl Cuts {
    /// Which lines they are.
    pub(super) fn lines(&self) -> &[i64] {
        &self.lines
    }

    /// What a line has, in the order of the keys; null for a key that a sparse row lacks.
    pub(super) fn values(&self, line: i64) -> Vec<Value> {
        let row = usize::try_from(line - self.first_line).unwrap_or(usize::MAX);
        let value = |column: &Column| Some(json(column.at(row)?, &column.shape));
        self.columns.iter().map(|column| column.as_ref().and_then(value).unwrap_or(Value::Null)).collect()
    }
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
    pub(super) async fn next(&mut self, blobs: &BlobStore, walk: &Walk<'_>) -> Result<Option<Cuts>> {
        let Some((group, start, lines)) = self.left.pop_front() else { return Ok(None) };
        let Some(layout) = &self.layout else { return Ok(None) };
        let known = || self.columns.iter().flatten().map(|(column, _)| *column);
        let mut reads = Vec::with_capacity(self.columns.len());
        for column in known() {
            reads.push(self.segment.columns.read(blobs, layout.byte_range(group, column)?));
        }
        let row = |line: i64| usize::try_from(line - start).map_err(Error::internal);
        let rows = row(lines.start)?..row(lines.end)?;
        let mut decoded = Vec::with_capacity(self.columns.len());
        for (column, bytes) in known().zip(try_join_all(reads).await?) {
            decoded.push(layout.decode(group, column, bytes, rows.clone())?);
        }
        let mut decoded = decoded.into_iter();
        let columns = self.columns.iter().map(|known| {
            let (_, shape) = known.as_ref()?;
            Some(Column { values: decoded.next()?, shape: shape.clone() })
        });
        let mut columns: Vec<_> = columns.collect();
        let is_wanted = |row: usize| {
            let has =
                |column: &Option<Column>| column.as_ref().is_some_and(|column| column.at(row).is_some());
            self.is_at_wanted_step(&columns, row, walk) && (walk.sparse || columns.iter().all(has))
        };
        let wanted =
            lines.clone().zip(0..).filter(|(_, row)| is_wanted(*row)).map(|(line, _)| line).collect();
        columns.truncate(self.keys);
        Ok(Some(Cuts { lines: wanted, first_line: lines.start, columns }))
    }

    fn is_at_wanted_step(&self, columns: &[Option<Column>], row: usize, walk: &Walk<'_>) -> bool {
        let Some(step) = self.step else { return true };
        let step = columns.get(step).and_then(|column| column.as_ref()?.at(row));
        matches!(step, Some(Scalar::Int(step)) if walk.steps.contains(*step))
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

fn json(scalar: &Scalar, shape: &Shape) -> Value {
    match scalar {
        Scalar::Bool(value) => (*value).into(),
        Scalar::Int(value) => (*value).into(),
        Scalar::Text(value) => value.as_str().into(),
        Scalar::Double(value) => number(*value, shape),
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
