//! Few of the rows of many runs, cut down to some keys.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::super::Stream;
use super::super::sample::{Decimator, RowBudget};
use super::super::step::{KEY as STEP, step_of};
use super::columns::Cuts;
use super::{Cursor, Layout, Piece, RUNS_AT_ONCE, Reader, StepRange, Walk};
use crate::entity::history_chunk::Model as Chunk;
use crate::error::Result;
use crate::id::RunId;
use crate::json;

/// Which keys of which rows are wanted, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

    /// Whether it wants every row of its range.
    fn is_scan(&self) -> bool {
        self.range.is_scanned_by(self.samples)
    }
}

/// Rows of a run, cut down to the keys that were wanted. Non-finite numbers are strings.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    keys: Vec<String>,
    /// Each in the order of the keys.
    rows: Vec<Vec<Value>>,
}

/// A row of a sample: an object with the wanted keys.
#[derive(Clone, Copy, Debug)]
pub struct SampledRow<'a> {
    keys: &'a [String],
    values: &'a [Value],
}

impl Sample {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = SampledRow<'_>> {
        self.rows.iter().map(|values| SampledRow { keys: &self.keys, values })
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

impl<'a> SampledRow<'a> {
    /// The value of the key at this position among those that were wanted.
    pub(crate) fn value(self, position: usize) -> Option<&'a Value> {
        self.values.get(position)
    }
}

impl Serialize for SampledRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(self.values.len()))?;
        for (key, value) in self.keys.iter().zip(self.values) {
            row.serialize_entry(key, value)?;
        }
        row.end()
    }
}

impl Reader {
    /// Of each run the rows that have all the wanted keys. Runs without a history are left out.
    pub async fn sampled(
        &self,
        runs: &[RunId],
        spec: &SampleSpec,
        budget: &RowBudget,
    ) -> Result<HashMap<RunId, Sample>> {
        let mut samples = HashMap::with_capacity(runs.len());
        for runs in runs.chunks(RUNS_AT_ONCE) {
            // A chart asks where the end is.
            let steps = if spec.is_scan() { spec.range } else { StepRange::default() };
            let layouts = Layout::load_many(&self.db, runs, Stream::History, steps).await?;
            let mut charts =
                if spec.is_scan() { HashMap::new() } else { self.draw(&layouts, spec, budget).await? };
            let rest = || runs.iter().filter_map(|run| layouts.get(run).map(|layout| (*run, layout)));
            let read = rest().filter(|(run, _)| !charts.contains_key(run));
            let live = read.flat_map(|(_, layout)| &layout.chunks);
            let live = live.filter(|chunk| spec.range.may_meet(chunk.min_step.zip(chunk.max_step)));
            let chunks = self.some_chunks(live).await?;
            for (run, layout) in rest() {
                let mut rows = match charts.remove(&run) {
                    Some(rows) => rows,
                    None => self.choose(run, layout, &chunks, spec, budget).await?,
                };
                // A chart names its x axis first; a scan by steps wants the order in which the rows were logged.
                if spec.range.is_everything() {
                    rows.sort_by(|a, b| axis(a).total_cmp(&axis(b)));
                }
                samples.insert(run, Sample { keys: spec.keys.clone(), rows });
            }
        }
        Ok(samples)
    }

    /// An even choice of the rows of a run, read one by one.
    async fn choose(
        &self,
        run: RunId,
        layout: &Layout,
        chunks: &HashMap<i64, Chunk>,
        spec: &SampleSpec,
        budget: &RowBudget,
    ) -> Result<Vec<Vec<Value>>> {
        let mut chosen = Decimator::new(spec.range.most_rows(spec.samples), budget);
        let cursor = Cursor::knowing(self, spec.walk(run, 0..i64::MAX), layout, chunks);
        cut_each(cursor, |cut| {
            if cut.has_next && chosen.skips_next() { Ok(()) } else { chosen.push(cut.into_values()) }
        })
        .await?;
        Ok(chosen.finish())
    }
}

/// A row, cut down to the wanted keys.
pub(super) struct Cut<'a> {
    pub(super) line: i64,
    /// Whether one follows that is in memory.
    has_next: bool,
    values: Values<'a>,
}

enum Values<'a> {
    Known(Vec<Value>),
    In(&'a Cuts),
}

impl Cut<'_> {
    /// In the order of the keys; null for one that a sparse row lacks.
    pub(super) fn into_values(self) -> Vec<Value> {
        match self.values {
            Values::Known(values) => values,
            Values::In(cuts) => cuts.values(self.line),
        }
    }
}

/// Visits the rows of a walk, cut down to its keys.
pub(super) async fn cut_each(
    cursor: Cursor<'_>,
    mut visit: impl FnMut(Cut<'_>) -> Result<()> + Send,
) -> Result<()> {
    cut_some(cursor, |cut| visit(cut).map(|()| i64::MIN)).await
}

/// Visits some of them: each visit answers from which line on it wants the next.
pub(super) async fn cut_some(
    mut cursor: Cursor<'_>,
    mut visit: impl FnMut(Cut<'_>) -> Result<i64> + Send,
) -> Result<()> {
    let members = members(cursor.walk());
    let mut from = i64::MIN;
    while let Some(piece) = cursor.next().await? {
        match piece {
            Piece::Cuts(cuts) => {
                let mut lines = cuts.lines().iter().peekable();
                while let Some(&line) = lines.next() {
                    if line >= from {
                        let has_next = lines.peek().is_some();
                        from = visit(Cut { line, has_next, values: Values::In(&cuts) })?;
                    }
                }
            }
            Piece::Lines(batch) => {
                for (line, row) in batch.lines() {
                    if line >= from
                        && let Some(values) = cut_down(row, cursor.walk(), &members)
                    {
                        from = visit(Cut { line, has_next: false, values: Values::Known(values) })?;
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

/// The members of a row among which the wanted keys are: a dotted key may be a path.
fn members<'a>(walk: &Walk<'a>) -> HashSet<&'a str> {
    let keys = walk.keys.unwrap_or_default().iter();
    let heads = keys.flat_map(|key| {
        let paths = key.match_indices('.').map(|(dot, _)| &key[..dot]);
        paths.chain([key.as_str()])
    });
    heads.chain([STEP]).collect()
}

/// A row's values of the wanted keys, in their order, if it has all that it must have and a step that is wanted.
fn cut_down(line: &str, walk: &Walk<'_>, members: &HashSet<&str>) -> Option<Vec<Value>> {
    let row = json::parse_some(line, members).ok()?;
    if !walk.steps.is_everything() && !step_of(&row).is_some_and(|step| walk.steps.contains(step)) {
        return None;
    }
    let missing = || walk.sparse.then_some(Value::Null);
    walk.keys?.iter().map(|key| json::lookup(&row, key).cloned().or_else(missing)).collect()
}
