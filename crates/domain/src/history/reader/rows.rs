//! Rows of a history as they were logged.

use super::super::Stream;
use super::super::sample::{Decimator, RowBudget};
use super::super::step::step_in_text;
use super::{Piece, Reader, Walk};
use crate::error::Result;
use crate::id::RunId;

/// Rows that one answer may hold.
pub const MOST_ROWS: usize = 100_000;

/// Steps from `min` up to but not including `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
    pub(super) fn is_scanned_by(self, samples: usize) -> bool {
        let steps = self.min.zip(self.max).map(|(min, max)| max.saturating_sub(min));
        steps.is_some_and(|steps| usize::try_from(steps).is_ok_and(|steps| steps <= samples))
    }

    /// How many rows are kept where so many samples are wanted.
    pub(super) fn most_rows(self, samples: usize) -> usize {
        if self.is_scanned_by(samples) { MOST_ROWS } else { samples.min(MOST_ROWS) }
    }

    pub(super) fn contains(self, step: i64) -> bool {
        self.min.is_none_or(|min| step >= min) && self.max.is_none_or(|max| step < max)
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
