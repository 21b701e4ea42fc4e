//! Storing a batch of appends inside one transaction.

use std::collections::HashMap;
use std::ops::Range;

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, Iterable, QueryFilter, Set};

use super::chunk::Prepared;
use super::keys::Keys;
use super::overwrite::{self, MergedLines, Overwrite};
use super::spans::{self, Place, Spans, WriterId};
use super::{HistoryStream, Stream, chunk_rows, streams};
use crate::db::{Source, WriteTx};
use crate::entity::{history_chunk, history_stream, run as run_entity};
use crate::error::{Error, Result};
use crate::id::RunId;
use crate::job::{self, JobKind};
use crate::run::{self, Document, Run, RunState};

/// Console lines may leave gaps (a terminal rewrites what it likes), but not to the end of the number line.
const WIDEST_CONSOLE_GAP: i64 = 10_000_000;

/// What one request of a run's writer says.
#[derive(Clone, Debug)]
pub struct Append {
    /// The run.
    pub run_id: RunId,
    /// `entity/project/run`, for messages.
    pub path: String,
    /// Which of its writers this is, in shared mode; each counts its lines for itself.
    pub writer: Option<WriterId>,
    /// Lines of its streams, at most one part of each.
    pub lines: Vec<Prepared>,
    /// The whole summary, where it changed; in shared mode, what this writer has of it.
    pub summary: Option<Document>,
    /// Whether its machine is about to be taken away.
    pub preempting: bool,
    /// Set on its last request.
    pub ending: Option<Ending>,
    /// What is in segments of the lines that it has anew; the writer finds it out.
    pub merged: Option<MergedLines>,
}

/// The last request of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Of its process.
    pub exit_code: i32,
}

/// What became of an append.
pub(super) enum Taken {
    /// It was stored, or refused for an error that the client made.
    Answered(Result<Appended>),
    /// It has lines anew that are in segments: these lines of the history must be read first, and no
    /// transaction waits for that.
    ReadFirst(Append, Vec<Range<i64>>),
}

/// What the writer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Whether it should stop.
    pub stopped: bool,
}

/// Makes the empty streams of a new run: rows to count in, and to lock.
pub(crate) async fn create_streams(tx: &WriteTx, run: RunId) -> Result<()> {
    let rows = Stream::iter().map(|stream| history_stream::ActiveModel {
        run_id: Set(run),
        stream: Set(stream),
        line_count: Set(0),
        last_step: Set(None),
        keys: Set("{}".to_owned()),
        merged_lines: Set(0),
        live_chunks: Set(0),
        live_bytes: Set(0),
        rewritten: Set(false),
    });
    history_stream::Entity::insert_many(rows).exec_without_returning(tx.connection()).await?;
    Ok(())
}

struct StreamState {
    row: HistoryStream,
    keys: Option<Keys>,
    changed: bool,
    /// How many times over it waited for a merge before the batch.
    waited: i64,
    overwritten: bool,
}

/// Everything that a batch of appends changes, gathered so that it takes a constant number of statements when each
/// only adds lines to a running run.
pub(super) struct Batch<'a> {
    tx: &'a WriteTx,
    runs: HashMap<RunId, Run>,
    streams: HashMap<(RunId, Stream), StreamState>,
    chunks: Vec<history_chunk::ActiveModel>,
    heard_of: Vec<RunId>,
    summaries: HashMap<RunId, Document>,
    system_metrics: HashMap<RunId, Document>,
    new_keys: HashMap<RunId, Vec<String>>,
}

impl<'a> Batch<'a> {
    /// Loads and locks the runs that are written to.
    pub(super) async fn open(tx: &'a WriteTx, ids: &[RunId]) -> Result<Self> {
        let runs = run::load_for_update(tx, ids).await?;
        let rows = history_stream::Entity::find()
            .filter(history_stream::Column::RunId.is_in(ids.iter().copied()))
            .all(tx.connection())
            .await?;
        let streams = rows
            .into_iter()
            .map(|row| {
                let (key, waited) = ((row.run_id, row.stream), streams::measure(&row));
                (key, StreamState { row, keys: None, changed: false, waited, overwritten: false })
            })
            .collect();
        Ok(Self {
            tx,
            runs,
            streams,
            chunks: Vec::new(),
            heard_of: Vec::new(),
            summaries: HashMap::new(),
            system_metrics: HashMap::new(),
            new_keys: HashMap::new(),
        })
    }

    /// Takes one append. An error that the client made changes nothing; any other spoils the batch.
    pub(super) async fn take(&mut self, append: Append) -> Result<Taken> {
        let spans = match &append.writer {
            Some(writer) => Spans::load(self.tx, append.run_id, writer, &append.lines).await?,
            None => Spans::default(),
        };
        if let Err(refused) = self.check(&append, &spans) {
            return Ok(Taken::Answered(Err(refused)));
        }
        let places = self.places(&append, &spans)?;
        if let Some(lines) = self.merged_lines(&append, &places)? {
            let known = match &append.merged {
                Some(merged) => merged.is_still(self.tx, append.run_id, &lines).await?,
                None => false,
            };
            if !known {
                return Ok(Taken::ReadFirst(append, lines));
            }
        }
        let Append { run_id, writer, lines, summary, preempting, ending, merged, .. } = append;
        let merged = merged.unwrap_or_default();
        let has_lines = lines.iter().any(|part| part.line_count > 0);
        for (part, places) in lines.into_iter().zip(&places).filter(|(part, _)| part.line_count > 0) {
            if let Some(writer) = &writer {
                let (stream, have) = (part.stream, self.state(run_id, part.stream)?.row.line_count);
                spans.remember(self.tx, run_id, writer, stream, places, have).await?;
            }
            for piece in spans::put(part, places)? {
                // Older clients leave it to the service to count the steps of several writers.
                let piece = if writer.is_some() { piece.with_steps()? } else { piece };
                self.write_lines(run_id, piece, &merged).await?;
            }
        }
        match summary {
            Some(summary) if writer.is_some() => self.merge_summary(run_id, summary).await?,
            Some(summary) => _ = self.summaries.insert(run_id, summary),
            None => {}
        }
        let stopped = match writer {
            Some(_) if ending.is_none() && known(&self.runs, run_id)?.state.has_ended() => {
                self.mark_late(run_id, has_lines).await?
            }
            _ => self.mark_heard_of(run_id, preempting, ending).await?,
        };
        Ok(Taken::Answered(Ok(Appended { stopped })))
    }

    /// Where the lines of each part go.
    fn places(&self, append: &Append, spans: &Spans) -> Result<Vec<Vec<Place>>> {
        let place = |part: &Prepared| {
            if append.writer.is_none() || part.line_count == 0 {
                return Ok(vec![Place::as_numbered(part)]);
            }
            Ok(spans.places(part, self.state(append.run_id, part.stream)?.row.line_count))
        };
        append.lines.iter().map(place).collect()
    }

    /// What to read of the history where some of the lines are in segments.
    fn merged_lines(&self, append: &Append, places: &[Vec<Place>]) -> Result<Option<Vec<Range<i64>>>> {
        let history = append.lines.iter().zip(places).find(|(part, _)| part.stream == Stream::History);
        let Some((part, places)) = history.filter(|(part, _)| part.line_count > 0) else { return Ok(None) };
        let merged = self.state(append.run_id, part.stream)?.row.merged_lines;
        let lines: Vec<_> = places.iter().map(Place::lines).filter(|lines| lines.start < merged).collect();
        Ok((!lines.is_empty()).then_some(lines))
    }

    fn check(&self, append: &Append, spans: &Spans) -> Result<()> {
        let run =
            self.runs.get(&append.run_id).ok_or_else(|| Error::not_found("run", append.path.clone()))?;
        if !run.lifecycle.is_reachable() {
            return Err(Error::RunDeleted { path: append.path.clone() });
        }
        for part in &append.lines {
            // Who joins begins at zero, or at the count it was told when it began.
            let have = self.state(append.run_id, part.stream)?.row.line_count;
            let have = spans.end(part.stream).unwrap_or(have);
            let allowed = if part.stream == Stream::Console { have + WIDEST_CONSOLE_GAP } else { have };
            if part.line_count > 0 && part.offset > allowed {
                return Err(Error::invalid(
                    "OFFSET_GAP",
                    format!("files.{}.offset", part.stream.file_name()),
                    format!("{} leaves a gap: there are {have} lines", part.offset),
                ));
            }
        }
        Ok(())
    }

    /// In shared mode each writer sends what it knows of the summary: what only others know stays.
    async fn merge_summary(&mut self, id: RunId, summary: Document) -> Result<()> {
        if let Some(before) = self.summaries.get_mut(&id) {
            return before.add(summary);
        }
        run::merge_summary(self.tx, known(&self.runs, id)?, summary).await
    }

    /// One of several writers goes on after another ended the run. Its lines are kept, and the run stays as it ended:
    /// nobody would end it once more. Returns whether the writer should stop.
    async fn mark_late(&self, id: RunId, has_lines: bool) -> Result<bool> {
        if has_lines {
            job::enqueue(self.tx, &JobKind::SettleHistory { run_id: id }, self.tx.now()).await?;
        }
        Ok(known(&self.runs, id)?.stop_requested)
    }

    fn state(&self, run: RunId, stream: Stream) -> Result<&StreamState> {
        self.streams.get(&(run, stream)).ok_or_else(|| Error::internal("a run without its streams"))
    }

    async fn write_lines(&mut self, run: RunId, part: Prepared, merged: &MergedLines) -> Result<()> {
        let have = self.state(run, part.stream)?.row.line_count;
        let (part, replaced) = if part.offset < have {
            self.flush_chunks().await?;
            match overwrite::make_room(self.tx, run, part, merged).await? {
                Some(Overwrite { part, replaced }) => (part, Some(replaced)),
                None => return Ok(()),
            }
        } else {
            (part, None)
        };
        let state = self
            .streams
            .get_mut(&(run, part.stream))
            .ok_or_else(|| Error::internal("a run without its streams"))?;
        state.changed = true;
        state.overwritten |= part.offset < state.row.merged_lines;
        state.row.live_chunks += i64::try_from(part.chunks.len()).map_err(Error::internal)?;
        state.row.live_bytes += part.chunks.iter().map(|chunk| i64::from(chunk.raw_bytes)).sum::<i64>();
        state.row.line_count = state.row.line_count.max(part.offset + part.line_count);
        state.row.last_step = state.row.last_step.max(part.last_step);
        if part.stream != Stream::Console {
            if state.keys.is_none() {
                state.keys = Some(serde_json::from_str(&state.row.keys).map_err(Error::internal)?);
            }
            if let Some(keys) = &mut state.keys {
                if let Some(replaced) = &replaced {
                    keys.subtract(replaced);
                }
                let added = keys.merge(&part.keys);
                if part.stream == Stream::History && !added.is_empty() {
                    self.new_keys.entry(run).or_default().extend(added);
                }
            }
        }
        if let Some(latest) = part.system_metrics {
            match self.system_metrics.get_mut(&run) {
                Some(before) => before.add(latest)?,
                None => _ = self.system_metrics.insert(run, latest),
            }
        }
        self.chunks.extend(part.chunks.into_iter().map(|chunk| chunk_rows::to_row(run, part.stream, chunk)));
        Ok(())
    }

    /// The writer was heard of: its run runs, unless this was its last word. Returns whether it should stop.
    async fn mark_heard_of(&mut self, id: RunId, preempting: bool, ending: Option<Ending>) -> Result<bool> {
        let run = self.runs.get_mut(&id).ok_or_else(|| Error::internal("a run vanished from its batch"))?;
        let stopped = run.stop_requested;
        let state = match ending {
            Some(ending) => RunState::ended(ending.exit_code, stopped),
            None if preempting => RunState::Preempting,
            None => RunState::Running,
        };
        if state == run.state && ending.is_none() {
            self.heard_of.push(id);
            return Ok(stopped);
        }
        let mut row = run.clone().into_active_model();
        row.state = Set(state);
        row.heartbeat_at = Set(self.tx.now());
        row.updated_at = Set(self.tx.now());
        row.exit_code = Set(ending.map(|ending| ending.exit_code));
        row.finished_at = Set(ending.map(|_| self.tx.now()));
        *run = row.update(self.tx.connection()).await?;
        if !state.is_active() {
            job::enqueue(self.tx, &JobKind::SettleHistory { run_id: id }, self.tx.now()).await?;
        }
        Ok(stopped)
    }

    async fn flush_chunks(&mut self) -> Result<()> {
        chunk_rows::insert(self.tx, std::mem::take(&mut self.chunks)).await
    }

    async fn enqueue_merges(&self) -> Result<()> {
        for (key, state) in &self.streams {
            let waits = streams::measure(&state.row) > state.waited;
            if key.1 == Stream::History && (waits || state.overwritten) {
                job::enqueue(self.tx, &JobKind::MergeHistory { run_id: key.0 }, self.tx.now()).await?;
            }
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) async fn close(mut self) -> Result<()> {
        use history_stream::Column::{Keys, LastStep, LineCount, LiveBytes, LiveChunks, RunId, Stream};
        self.flush_chunks().await?;
        self.enqueue_merges().await?;
        let mut rows = Vec::new();
        for state in self.streams.into_values().filter(|state| state.changed) {
            let mut row = state.row.into_active_model().reset_all();
            if let Some(keys) = state.keys {
                row.keys = Set(serde_json::to_string(&keys).map_err(Error::internal)?);
            }
            rows.push(row);
        }
        if !rows.is_empty() {
            history_stream::Entity::insert_many(rows)
                .on_conflict(
                    OnConflict::columns([RunId, Stream])
                        .update_columns([LineCount, LastStep, Keys, LiveChunks, LiveBytes])
                        .to_owned(),
                )
                .exec_without_returning(self.tx.connection())
                .await?;
        }
        if !self.heard_of.is_empty() {
            run_entity::Entity::update_many()
                .col_expr(run_entity::Column::HeartbeatAt, Expr::value(self.tx.now()))
                .filter(run_entity::Column::Id.is_in(self.heard_of))
                .exec(self.tx.connection())
                .await?;
        }
        run::take_documents(self.tx, &self.runs, self.summaries, self.system_metrics).await?;
        for (id, keys) in self.new_keys {
            run::add_keys(self.tx, known(&self.runs, id)?, keys).await?;
        }
        Ok(())
    }
}

fn known(runs: &HashMap<RunId, Run>, id: RunId) -> Result<&Run> {
    runs.get(&id).ok_or_else(|| Error::internal("a run vanished from its batch"))
}
