//! Going back to a step: of the same run (rewind), or as the beginning of another (fork).

use std::collections::BTreeMap;

use counterweight_storage::BlobStore;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, Set,
};

use super::chunk::{self, Chunk};
use super::keys::Keys;
use super::reader::{Layout, Walk};
use super::step::step_in_text;
use super::{HistoryStream, Reader, Stream, chunk_rows, spans};
use crate::account::Caller;
use crate::audit::{self, Act, Action, Topic};
use crate::blob;
use crate::db::{Db, Source as _, WriteTx};
use crate::entity::{history_chunk, history_rollup, history_segment, history_stream, run_document};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::RunId;
use crate::job::{self, JobKind};
use crate::json;
use crate::run::{self, Document, Run};

/// How often a writer may add lines under the eyes of who goes back.
const MOST_READS: usize = 8;
/// The summary is made anew from so many of the last rows that stay; a key that was not logged in these keeps its value.
const RECENT_LINES: i64 = 65_536;
/// Rows that stay although rows before them go: only where a run was resumed at an earlier step.
const MOST_STRAY_LINES: usize = 100_000;

/// What going back to a step means for a history.
struct Cutoff {
    layout: Layout,
    /// The first line that goes.
    line: i64,
    /// Lines behind it that stay.
    strays: Vec<String>,
    keys: Keys,
    last_step: Option<i64>,
    /// Of the rows that stay.
    summary: Document,
}

/// Takes a run back: rows with a step greater than `step` are forgotten, and the summary is what it was. Answers the run.
pub async fn rewind(db: &Db, blobs: &BlobStore, caller: &Caller, id: RunId, step: i64) -> Result<Run> {
    for _ in 0..MOST_READS {
        let Some(cutoff) = Cutoff::find(db, blobs, id, step).await? else { return stay(db, id).await };
        let tx = db.begin_write().await?;
        hold::check(&tx, Target::Runs(&[id])).await?;
        let run = locked(&tx, id).await?;
        if cutoff.layout.is_same(&Layout::load(&tx, id, Stream::History).await?) {
            if cut(&tx, id, &cutoff).await? {
                withdraw(&tx, id).await?;
                let counts = [("step", step)];
                let act = Act::by(caller.user_id, Action::Rewind).with(&counts);
                audit::record(&tx, act, Topic::Runs(&[id])).await?;
            }
            run::inherit_summary(&tx, &run, cutoff.summary).await?;
            let mut row = run.into_active_model();
            row.updated_at = Set(tx.now());
            let run = row.update(tx.connection()).await?;
            tx.commit().await?;
            return Ok(run);
        }
    }
    Err(Error::unavailable("the run is written to faster than it can be taken back"))
}

/// Gives a new run the history and the summary that another had at `step`. Of no effect once it has lines of its own.
pub async fn inherit(db: &Db, blobs: &BlobStore, id: RunId, parent: RunId, step: i64) -> Result<()> {
    if stream(db, id).await?.line_count > 0 {
        return Ok(());
    }
    for _ in 0..MOST_READS {
        let cutoff = Cutoff::find(db, blobs, parent, step).await?;
        let tx = db.begin_write().await?;
        let mut locked = run::load_for_update(&tx, &[id.min(parent), id.max(parent)]).await?;
        let Some(run) = locked.remove(&id) else { return Err(missing(id)) };
        if stream(&tx, id).await?.line_count > 0 {
            return Ok(());
        }
        let layout = Layout::load(&tx, parent, Stream::History).await?;
        if cutoff.as_ref().is_some_and(|cutoff| !cutoff.layout.is_same(&layout)) {
            continue;
        }
        copy(&tx, parent, id).await?;
        let summary = match cutoff {
            Some(mut cutoff) => {
                cutoff.layout = Layout::load(&tx, id, Stream::History).await?;
                cut(&tx, id, &cutoff).await?;
                Some(cutoff.summary)
            }
            None => summary_of(&tx, parent).await?,
        };
        if let Some(summary) = summary {
            run::inherit_summary(&tx, &run, summary).await?;
        }
        return tx.commit().await;
    }
    Err(Error::unavailable("the run is written to faster than it can be forked"))
}

fn missing(id: RunId) -> Error {
    Error::not_found("run", id.to_node_id())
}

/// Nothing of the run goes, but its writer begins without knowing it.
async fn stay(db: &Db, id: RunId) -> Result<Run> {
    let tx = db.begin_write().await?;
    hold::check(&tx, Target::Runs(&[id])).await?;
    let run = locked(&tx, id).await?;
    if let Some(summary) = summary_of(&tx, id).await? {
        run::inherit_summary(&tx, &run, summary).await?;
    }
    tx.commit().await?;
    Ok(run)
}

async fn locked(tx: &WriteTx, id: RunId) -> Result<Run> {
    let run = run::load_for_update(tx, &[id]).await?.remove(&id);
    run.filter(|run| run.lifecycle.is_reachable()).ok_or_else(|| missing(id))
}

async fn stream(db: &impl crate::db::Source, id: RunId) -> Result<HistoryStream> {
    let found = history_stream::Entity::find_by_id((id, Stream::History)).one(db.connection()).await?;
    found.ok_or_else(|| Error::internal("a run without its streams"))
}

async fn summary_of(db: &impl crate::db::Source, id: RunId) -> Result<Option<Document>> {
    let found = run_document::Entity::find_by_id(id).one(db.connection()).await?;
    found.and_then(|document| document.summary).map(Document::summary).transpose()
}

impl Cutoff {
    /// Reads what would go and what would stay; none where nothing would go.
    async fn find(db: &Db, blobs: &BlobStore, run: RunId, step: i64) -> Result<Option<Self>> {
        let reader = Reader::new(db.clone(), blobs.clone());
        let layout = Layout::load(db, run, Stream::History).await?;
        let stream = stream(db, run).await?;
        let Some(start) = layout.first_above(step) else { return Ok(None) };
        let mut line = None;
        let mut strays = Vec::new();
        let mut removed = Keys::default();
        let walk = Walk::lines(run, Stream::History, start..i64::MAX);
        reader
            .for_each_line(walk, |number, row| {
                if step_in_text(row).is_some_and(|at| at > step) {
                    line.get_or_insert(number);
                    removed.count(row).map_err(Error::internal)?;
                } else if line.is_some() {
                    if strays.len() >= MOST_STRAY_LINES {
                        let reason = "too many rows behind this step were logged at earlier ones";
                        return Err(Error::invalid("STEP_INVALID", "metricValue", reason));
                    }
                    strays.push(row.to_owned());
                }
                Ok(())
            })
            .await?;
        let Some(line) = line else { return Ok(None) };
        let mut keys: Keys = serde_json::from_str(&stream.keys).map_err(Error::internal)?;
        keys.subtract(&removed);
        let mut recent = Recent::new(db, run, &removed).await?;
        let walk = Walk::lines(run, Stream::History, (line - RECENT_LINES).max(0)..line);
        reader.for_each_line(walk, |_, row| recent.add(row)).await?;
        strays.iter().try_for_each(|row| recent.add(row))?;
        keys.recall(&recent.keys);
        let last_step = recent.last_step;
        Ok(Some(Self { layout, line, strays, keys, last_step, summary: recent.into_summary()? }))
    }
}

/// The last rows that stay.
struct Recent {
    keys: Keys,
    last_step: Option<i64>,
    /// Texts of the values, by key.
    values: BTreeMap<String, String>,
}

impl Recent {
    /// Begins with what the summary has of keys that no forgotten row has.
    async fn new(db: &Db, run: RunId, removed: &Keys) -> Result<Self> {
        let document = run_document::Entity::find_by_id(run).one(db.connection()).await?;
        let summary = document.and_then(|document| document.summary).unwrap_or_default();
        let stays = |(key, _): &(String, &str)| !removed.has(key);
        let values = json::members(&summary).into_iter().filter(stays);
        let values = values.map(|(key, value)| (key, value.to_owned())).collect();
        Ok(Self { keys: Keys::default(), last_step: None, values })
    }

    fn add(&mut self, row: &str) -> Result<()> {
        self.last_step = self.last_step.max(self.keys.count(row).map_err(Error::internal)?);
        self.values.extend(json::members(row).into_iter().map(|(key, value)| (key, value.to_owned())));
        Ok(())
    }

    fn into_summary(self) -> Result<Document> {
        let values = self.values.iter().map(|(key, value)| (key.clone(), value.as_str()));
        Document::summary(json::object(values))
    }
}

/// Forgets the lines from the cutoff on. What is left of a segment stays where it is, and is built anew by a job.
/// Answers whether something of a sealed segment is gone.
async fn cut(tx: &WriteTx, run: RunId, cutoff: &Cutoff) -> Result<bool> {
    use history_segment::Column as Segment;
    let line = cutoff.line;
    let mut kept = Vec::new();
    for head in cutoff.layout.chunks.iter().filter(|head| head.end() > line) {
        if head.first_line < line {
            let row = history_chunk::Entity::find_by_id(head.id).one(tx.connection()).await?;
            let row = row.ok_or_else(|| Error::internal("a chunk vanished under its lock"))?;
            let mut lines = chunk::decode(&row.body, row.raw_bytes)?;
            lines.truncate(usize::try_from(line - head.first_line).map_err(Error::internal)?);
            kept.push(Chunk::of_stored(Stream::History, head.first_line, &lines)?);
        }
        history_chunk::Entity::delete_by_id(head.id).exec(tx.connection()).await?;
    }
    let mut first_line = line;
    for lines in cutoff.strays.chunks(chunk::CHUNK_LINES) {
        kept.push(Chunk::of_stored(Stream::History, first_line, lines)?);
        first_line += i64::try_from(lines.len()).map_err(Error::internal)?;
    }
    chunk_rows::insert(
        tx,
        kept.into_iter().map(|chunk| chunk_rows::to_row(run, Stream::History, chunk)).collect(),
    )
    .await?;
    let mut was_sealed = false;
    for segment in cutoff.layout.segments.iter().filter(|segment| segment.end() > line) {
        was_sealed |= segment.sealed;
        if segment.first_line >= line {
            history_rollup::Entity::delete_many()
                .filter(history_rollup::Column::RunId.eq(run))
                .filter(history_rollup::Column::FirstLine.eq(segment.first_line))
                .exec(tx.connection())
                .await?;
            history_segment::Entity::delete_by_id(segment.id).exec(tx.connection()).await?;
        } else {
            history_segment::Entity::update_many()
                .col_expr(Segment::LineCount, Expr::value(line - segment.first_line))
                .col_expr(Segment::Sealed, Expr::value(false))
                .filter(Segment::Id.eq(segment.id))
                .exec(tx.connection())
                .await?;
        }
    }
    spans::cut(tx, run, Stream::History, line).await?;
    let stream = stream(tx, run).await?;
    let merged = stream.merged_lines;
    let mut row = stream.into_active_model();
    row.line_count = Set(first_line);
    row.last_step = Set(cutoff.last_step);
    row.keys = Set(serde_json::to_string(&cutoff.keys).map_err(Error::internal)?);
    row.merged_lines = Set(if merged > line { line } else { merged });
    row.update(tx.connection()).await?;
    job::enqueue(tx, &JobKind::MergeHistory { run_id: run }, tx.now()).await?;
    Ok(was_sealed)
}

/// Forgets all lines of a stream of a held run; what its summary says stays. Answers how many there were.
pub(crate) async fn clear(tx: &WriteTx, run: RunId, of: Stream) -> Result<i64> {
    use history_chunk::Column as Row;
    let found = history_stream::Entity::find_by_id((run, of)).one(tx.connection()).await?;
    let Some(before) = found.filter(|found| found.line_count > 0) else { return Ok(0) };
    let lines = before.line_count;
    if of == Stream::History {
        let layout = Layout::load(tx, run, of).await?;
        let summary = Document::summary("{}".to_owned())?;
        let (strays, keys) = (Vec::new(), Keys::default());
        if cut(tx, run, &Cutoff { layout, line: 0, strays, keys, last_step: None, summary }).await? {
            withdraw(tx, run).await?;
        }
    } else {
        history_chunk::Entity::delete_many()
            .filter(Row::RunId.eq(run))
            .filter(Row::Stream.eq(of))
            .exec(tx.connection())
            .await?;
        spans::cut(tx, run, of, 0).await?;
    }
    let emptied = history_stream::ActiveModel {
        line_count: Set(0),
        last_step: Set(None),
        live_chunks: Set(0),
        live_bytes: Set(0),
        ..Default::default()
    };
    history_stream::Entity::update_many()
        .set(emptied)
        .filter(history_stream::Column::RunId.eq(run))
        .filter(history_stream::Column::Stream.eq(of))
        .exec(tx.connection())
        .await?;
    Ok(lines)
}

/// Files of the run may have been handed out that are no longer true, and the client keeps them.
async fn withdraw(tx: &WriteTx, run: RunId) -> Result<()> {
    let mut row = stream(tx, run).await?.into_active_model();
    row.rewritten = Set(true);
    row.update(tx.connection()).await?;
    Ok(())
}

/// Gives a run the lines of another; objects are shared.
async fn copy(tx: &WriteTx, from: RunId, to: RunId) -> Result<()> {
    let segments = history_segment::Entity::find()
        .filter(history_segment::Column::RunId.eq(from))
        .all(tx.connection())
        .await?;
    let blobs: Vec<_> = segments.iter().flat_map(|row| [row.rows_blob_id, row.columns_blob_id]).collect();
    blob::touch(tx, &blobs).await?;
    for segment in segments {
        let mut row = segment.into_active_model().reset_all();
        row.id = NotSet;
        row.run_id = Set(to);
        history_segment::Entity::insert(row).exec_without_returning(tx.connection()).await?;
    }
    copy_rows(tx, "history_rollup", "key, level, first_line, body", from, to).await?;
    let columns = "stream, first_line, line_count, min_step, max_step, raw_bytes, body";
    copy_rows(tx, "history_chunk", columns, from, to).await?;
    let mut row = stream(tx, from).await?.into_active_model().reset_all();
    row.run_id = Set(to);
    row.rewritten = Set(false);
    row.update(tx.connection()).await?;
    Ok(())
}

/// Copies rows of the history inside the database.
async fn copy_rows(tx: &WriteTx, table: &str, columns: &str, from: RunId, to: RunId) -> Result<()> {
    use crate::db::dialect;
    use sea_orm::ConnectionTrait as _;
    let history = if table == "history_chunk" { "AND stream = 1" } else { "" };
    let sql = format!(
        "INSERT INTO {table} (run_id, {columns}) SELECT $1, {columns} FROM {table} WHERE run_id = $2 {history}"
    );
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, [to.into(), from.into()])).await?;
    Ok(())
}
