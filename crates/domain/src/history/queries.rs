//! Reading lines back. Everything is in chunks today; segments will be merged in [`for_each_line`], the one place
//! that walks a stream.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Map, Value};

use super::chunk::{self, CHUNK_LINES};
use super::keys::Keys;
use super::sample::{Decimator, RowBudget};
use super::step::step_of;
use super::{HistoryStream, LogLine, Stream, console};
use crate::db::Source;
use crate::entity::history_chunk::{Column, Entity, Model};
use crate::entity::history_stream;
use crate::error::{Error, Result};
use crate::id::RunId;
use crate::json;

/// Chunks fetched by one statement while walking a stream.
const CHUNKS_AT_ONCE: u64 = 16;
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
    fn is_everything(self) -> bool {
        self.min.is_none() && self.max.is_none()
    }

    fn contains(self, step: i64) -> bool {
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

/// Consecutive console lines.
#[derive(Clone, Debug)]
pub struct LinePage {
    /// Ascending; lines never written are blank.
    pub lines: Vec<LogLine>,
    /// One past the last line of the stream.
    pub line_count: i64,
}

/// The counters of all streams of runs.
pub async fn get_streams(db: &impl Source, ids: &[RunId]) -> Result<HashMap<(RunId, Stream), HistoryStream>> {
    let rows = history_stream::Entity::find()
        .filter(history_stream::Column::RunId.is_in(ids.iter().copied()))
        .all(db.connection())
        .await?;
    Ok(rows.into_iter().map(|row| ((row.run_id, row.stream), row)).collect())
}

/// `historyKeys`: none before the first row.
pub fn history_keys(stream: &HistoryStream) -> Result<Option<Value>> {
    if stream.line_count == 0 {
        return Ok(None);
    }
    let keys: Keys = serde_json::from_str(&stream.keys).map_err(Error::internal)?;
    Ok(Some(keys.to_history_keys(stream.last_step)))
}

/// Rows as they were logged, at most `samples` of them, evenly chosen.
pub async fn rows(
    db: &impl Source,
    run: RunId,
    stream: Stream,
    range: StepRange,
    samples: usize,
    budget: &RowBudget,
) -> Result<Vec<String>> {
    let mut chosen = Decimator::new(samples.min(MOST_ROWS), budget);
    for_each_line(db, run, stream, range, |line| {
        if range.is_everything() || step_in(&line, range) { chosen.push(line) } else { Ok(()) }
    })
    .await?;
    Ok(chosen.finish())
}

fn step_in(line: &str, range: StepRange) -> bool {
    let row = json::parse(line).ok();
    row.as_ref().and_then(Value::as_object).and_then(step_of).is_some_and(|step| range.contains(step))
}

/// Rows that have all the wanted keys, cut down to these. Non-finite numbers are quoted.
pub async fn sampled(
    db: &impl Source,
    run: RunId,
    spec: &SampleSpec,
    budget: &RowBudget,
) -> Result<Vec<Value>> {
    let mut chosen = Decimator::new(spec.samples.min(MOST_ROWS), budget);
    for_each_line(db, run, Stream::History, spec.range, |line| {
        let Ok(Value::Object(row)) = json::parse(&line) else { return Ok(()) };
        if !spec.range.is_everything() && !step_of(&row).is_some_and(|step| spec.range.contains(step)) {
            return Ok(());
        }
        project(&row, &spec.keys).map_or(Ok(()), |cut| chosen.push(cut))
    })
    .await?;
    let mut rows = chosen.finish();
    // A chart names its x axis first; a scan by steps wants the order in which the rows were logged.
    if let Some(key) = spec.keys.first().filter(|key| *key != "_step" && spec.range.is_everything()) {
        rows.sort_by(|a, b| number(a, key).total_cmp(&number(b, key)));
    }
    Ok(rows.into_iter().map(Value::Object).collect())
}

fn project(row: &Map<String, Value>, keys: &[String]) -> Option<Map<String, Value>> {
    keys.iter().map(|key| json::lookup(row, key).map(|value| (key.clone(), value.clone()))).collect()
}

fn number(row: &Map<String, Value>, key: &str) -> f64 {
    row.get(key).and_then(Value::as_f64).unwrap_or(f64::INFINITY)
}

/// The last `wanted` lines, ascending.
pub async fn tail(db: &impl Source, run: RunId, stream: Stream, wanted: usize) -> Result<Vec<String>> {
    let newest = Entity::find()
        .filter(Column::RunId.eq(run))
        .filter(Column::Stream.eq(stream))
        .order_by_desc(Column::FirstLine)
        .limit(wanted as u64)
        .all(db.connection())
        .await?;
    let mut lines = Vec::new();
    for chunk in newest {
        let mut decoded = chunk::decode(&chunk.body, chunk.raw_bytes)?;
        decoded.append(&mut lines);
        lines = decoded;
        if lines.len() >= wanted {
            break;
        }
    }
    lines.drain(..lines.len().saturating_sub(wanted));
    Ok(lines)
}

/// Console lines from number `start`, at most `wanted`.
pub async fn line_page(db: &impl Source, run: RunId, start: i64, wanted: usize) -> Result<LinePage> {
    let streams = get_streams(db, &[run]).await?;
    let line_count = streams.get(&(run, Stream::Console)).map_or(0, |stream| stream.line_count);
    let end = line_count.min(start.saturating_add(i64::try_from(wanted).unwrap_or(i64::MAX)));
    let mut lines: Vec<LogLine> = (start..end).map(|number| console::parse_line(number, "")).collect();
    // A chunk has at most CHUNK_LINES lines, so this is the first one that can hold line `start`.
    let mut after = start - i64::try_from(CHUNK_LINES).map_err(Error::internal)?;
    loop {
        let chunks = Entity::find()
            .filter(Column::RunId.eq(run))
            .filter(Column::Stream.eq(Stream::Console))
            .filter(Column::FirstLine.gt(after))
            .filter(Column::FirstLine.lt(end))
            .order_by_asc(Column::FirstLine)
            .limit(CHUNKS_AT_ONCE)
            .all(db.connection())
            .await?;
        let Some(newest) = chunks.last() else { break };
        after = newest.first_line;
        for chunk in &chunks {
            for (number, raw) in (chunk.first_line..).zip(chunk::decode(&chunk.body, chunk.raw_bytes)?) {
                let slot = usize::try_from(number - start).ok().and_then(|index| lines.get_mut(index));
                if let Some(slot) = slot {
                    *slot = console::parse_line(number, &raw);
                }
            }
        }
    }
    Ok(LinePage { lines, line_count })
}

/// Walks a stream in order, in bounded memory, skipping chunks that hold no step of `range`.
async fn for_each_line(
    db: &impl Source,
    run: RunId,
    stream: Stream,
    range: StepRange,
    mut visit: impl FnMut(String) -> Result<()>,
) -> Result<()> {
    let mut after = -1;
    loop {
        // Plan: ux_history_chunk_first_line.
        let mut wanted = Condition::all().add(Column::FirstLine.gt(after));
        if let Some(min) = range.min {
            wanted = wanted.add(Column::MaxStep.gte(min));
        }
        if let Some(max) = range.max {
            wanted = wanted.add(Column::MinStep.lt(max));
        }
        let chunks: Vec<Model> = Entity::find()
            .filter(Column::RunId.eq(run))
            .filter(Column::Stream.eq(stream))
            .filter(wanted)
            .order_by_asc(Column::FirstLine)
            .limit(CHUNKS_AT_ONCE)
            .all(db.connection())
            .await?;
        let Some(last) = chunks.last() else { return Ok(()) };
        after = last.first_line;
        for chunk in &chunks {
            for line in chunk::decode(&chunk.body, chunk.raw_bytes)? {
                visit(line)?;
            }
        }
    }
}
