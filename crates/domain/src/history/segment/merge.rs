//! Turning what is live into segments, small segments into larger ones, and the history of a run that has ended into
//! files to hand out.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use counterweight_segment::Schema;
use counterweight_storage::BlobStore;
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _,
    sea_query::Expr,
};

use super::build::{Built, Put, build};
use super::{Segment, block};
use crate::blob;
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, WriteTx};
use crate::entity::{history_chunk, history_rollup, history_segment, history_stream};
use crate::error::{Error, Result};
use crate::history::reader::{ChunkHead, Extent, Layout, Reader, Walk};
use crate::history::{Stream, waits_for_merge};
use crate::id::RunId;
use crate::json;
use crate::run::{self, Run};

/// A segment of so many lines is no longer small.
const LARGE_LINES: i64 = 262_144;
/// So many small segments in a row become one.
const SMALL_SEGMENTS: usize = 32;
/// Rows that one statement inserts or removes.
const BATCH: usize = 200;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// So many lines were put into new segments; there may be more to do.
    Merged(i64),
    /// Nothing is to be done.
    Nothing,
    /// The run may still go on: not before this moment.
    NotBefore(Timestamp),
}

/// Does the next thing that is to be done for the history of a run. When it was cut off at any point, history is what
/// it was, and the objects that were put are collected.
pub async fn merge(db: &Db, blobs: &BlobStore, run: RunId) -> Result<Merge> {
    let Some(stream) = stream(db, run).await? else { return Ok(Merge::Nothing) };
    let layout = Layout::load(db, run, Stream::History).await?;
    let lines = match overwritten(&layout).or_else(|| small(&layout)) {
        Some(lines) => lines,
        None if waits_for_merge(&stream) && layout.merged_lines() < layout.line_count() => {
            layout.merged_lines()..layout.line_count()
        }
        None => return Ok(Merge::Nothing),
    };
    rebuild(db, blobs, run, &layout, lines, false).await
}

/// Makes files to hand out of everything that is not in one, once the run has ended and was silent for `settle_after`.
pub async fn settle(db: &Db, blobs: &BlobStore, run: RunId, settle_after: Duration) -> Result<Merge> {
    let Some(found) = run::get_many(db, &[run]).await?.remove(&run) else { return Ok(Merge::Nothing) };
    if !is_over(&found) {
        return Ok(Merge::Nothing);
    }
    let due = found.heartbeat_at.after(settle_after);
    if db.now() < due {
        return Ok(Merge::NotBefore(due));
    }
    let layout = Layout::load(db, run, Stream::History).await?;
    if let Some(lines) = overwritten(&layout) {
        return rebuild(db, blobs, run, &layout, lines, false).await;
    }
    let sealed =
        layout.segments.iter().take_while(|segment| segment.sealed).last().map_or(0, |segment| segment.end());
    let lines = sealed..layout.line_count();
    if lines.is_empty() {
        return Ok(Merge::Nothing);
    }
    rebuild(db, blobs, run, &layout, lines, true).await
}

fn is_over(run: &Run) -> bool {
    run.lifecycle.is_reachable() && !run.state.is_active()
}

async fn stream(db: &Db, run: RunId) -> Result<Option<history_stream::Model>> {
    let key = (run, Stream::History);
    Ok(history_stream::Entity::find_by_id(key).one(db.connection()).await?)
}

/// The lines of the segments that hold lines which are no longer so; whole segments and whole chunks.
fn overwritten(layout: &Layout) -> Option<Range<i64>> {
    let chunks = layout.overwritten().map(|chunk| chunk.first_line..chunk.end());
    let cut = layout.segments.iter().filter(|segment| segment.is_cut());
    let cut = cut.map(|segment| segment.first_line..segment.end());
    let anew = chunks.chain(cut).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))?;
    let meets = |segment: &&Arc<Segment>| segment.end() > anew.start && segment.first_line < anew.end;
    let start = layout.segments.iter().find(meets)?.first_line;
    let end = layout.segments.iter().rev().find(meets)?.end();
    Some(start..end.max(anew.end))
}

/// The lines of many small segments at the end.
fn small(layout: &Layout) -> Option<Range<i64>> {
    let is_small = |segment: &&Arc<Segment>| !segment.sealed && segment.line_count < LARGE_LINES;
    let small: Vec<&Arc<Segment>> = layout.segments.iter().rev().take_while(is_small).collect();
    let (last, first) = small.first().zip(small.last())?;
    (small.len() >= SMALL_SEGMENTS).then(|| first.first_line..last.end())
}

/// Builds segments of those lines anew and puts them in the place of what had them.
async fn rebuild(
    db: &Db,
    blobs: &BlobStore,
    run: RunId,
    layout: &Layout,
    lines: Range<i64>,
    sealed: bool,
) -> Result<Merge> {
    let schema = schema(db, blobs, run, layout, lines.clone()).await?;
    let mut built = Vec::new();
    let mut position = lines.start;
    while position < lines.end {
        let segment = build(db, blobs, run, position..lines.end, schema.clone()).await?;
        position = segment.first_line + segment.line_count;
        built.push(segment);
    }
    let replaced = Replaced::of(layout, lines.clone());
    let done = replace(db, run, &replaced, built, sealed).await?;
    Ok(if done { Merge::Merged(lines.end - lines.start) } else { Merge::Nothing })
}

/// What values the keys held in those lines, or in more.
async fn schema(
    db: &Db,
    blobs: &BlobStore,
    run: RunId,
    layout: &Layout,
    lines: Range<i64>,
) -> Result<Schema> {
    let mut schema = Schema::default();
    let reader = Reader::new(db.clone(), blobs.clone());
    for extent in layout.extents(lines) {
        match extent {
            Extent::Segment(segment, _) => schema.merge(segment.schema()?),
            Extent::Chunk(chunk) => {
                let lines = chunk.first_line..chunk.end();
                let walk = Walk::lines(run, Stream::History, lines);
                let add = |_, line: &str| {
                    let row = json::parse(line).map_err(Error::internal)?;
                    row.as_object().into_iter().for_each(|row| schema.add(row));
                    Ok(())
                };
                reader.for_each_line(walk, add).await?;
            }
        }
    }
    Ok(schema)
}

/// What new segments stand in for.
struct Replaced<'a> {
    lines: Range<i64>,
    chunks: Vec<&'a ChunkHead>,
    segments: Vec<&'a Arc<Segment>>,
}

impl<'a> Replaced<'a> {
    fn of(layout: &'a Layout, lines: Range<i64>) -> Self {
        let within = |first_line: i64, end: i64| first_line >= lines.start && end <= lines.end;
        Self {
            chunks: layout.chunks.iter().filter(|chunk| within(chunk.first_line, chunk.end())).collect(),
            segments: layout
                .segments
                .iter()
                .filter(|segment| within(segment.first_line, segment.end()))
                .collect(),
            lines,
        }
    }

    fn is_still(&self, now: &Self) -> bool {
        self.chunks == now.chunks
            && self
                .segments
                .iter()
                .map(|segment| segment.id)
                .eq(now.segments.iter().map(|segment| segment.id))
    }
}

/// Answers whether the run still has a history to be merged.
async fn replace(
    db: &Db,
    run: RunId,
    replaced: &Replaced<'_>,
    built: Vec<Built>,
    sealed: bool,
) -> Result<bool> {
    let tx = db.begin_write().await?;
    // Writers of the run lock it first, so nothing changes from here on.
    let locked = run::load_for_update(&tx, &[run]).await?;
    if !locked.get(&run).is_some_and(|run| run.lifecycle.keeps_rows()) {
        return Ok(false);
    }
    let layout = Layout::load(&tx, run, Stream::History).await?;
    if !replaced.is_still(&Replaced::of(&layout, replaced.lines.clone())) {
        return Err(Error::Conflict { reason: "lines were written again while they were merged".to_owned() });
    }
    for segment in &built {
        for Put { blob_id, stored } in [segment.rows, segment.columns] {
            blob::complete(&tx, blob_id, stored.size_bytes, stored.md5).await?;
        }
    }
    remove(&tx, run, replaced).await?;
    let handed_out = replaced.segments.iter().any(|segment| segment.sealed);
    for segment in built {
        insert(&tx, run, segment, sealed).await?;
    }
    count(&tx, run, replaced, &layout, handed_out).await?;
    tx.commit().await?;
    Ok(true)
}

async fn remove(tx: &WriteTx, run: RunId, replaced: &Replaced<'_>) -> Result<()> {
    for chunks in replaced.chunks.chunks(BATCH) {
        history_chunk::Entity::delete_many()
            .filter(history_chunk::Column::Id.is_in(chunks.iter().map(|chunk| chunk.id)))
            .exec(tx.connection())
            .await?;
    }
    for segments in replaced.segments.chunks(BATCH) {
        // Plan: ix_history_rollup_first_line.
        history_rollup::Entity::delete_many()
            .filter(history_rollup::Column::RunId.eq(run))
            .filter(
                history_rollup::Column::FirstLine.is_in(segments.iter().map(|segment| segment.first_line)),
            )
            .exec(tx.connection())
            .await?;
        history_segment::Entity::delete_many()
            .filter(history_segment::Column::Id.is_in(segments.iter().map(|segment| segment.id)))
            .exec(tx.connection())
            .await?;
    }
    Ok(())
}

async fn insert(tx: &WriteTx, run: RunId, built: Built, sealed: bool) -> Result<()> {
    let steps = || built.blocks.iter().filter_map(|block| block.steps);
    let row = history_segment::ActiveModel {
        id: NotSet,
        run_id: Set(run),
        first_line: Set(built.first_line),
        line_count: Set(built.line_count),
        min_step: Set(steps().map(|(min, _)| min).min()),
        max_step: Set(steps().map(|(_, max)| max).max()),
        sealed: Set(sealed),
        rows_blob_id: Set(built.rows.blob_id),
        columns_blob_id: Set(built.columns.blob_id),
        footer_bytes: Set(i64::try_from(built.footer_bytes).map_err(Error::internal)?),
        finest_level: Set(i32::from(built.finest_level)),
        blocks: Set(block::encode(&built.blocks)),
        schema: Set(serde_json::to_string(&built.schema).map_err(Error::internal)?),
    };
    history_segment::Entity::insert(row).exec_without_returning(tx.connection()).await?;
    let mut batch = Vec::new();
    let mut bytes = 0;
    for (key, level, body) in built.rollups {
        bytes += body.len();
        batch.push(history_rollup::ActiveModel {
            run_id: Set(run),
            key: Set(key),
            level: Set(i32::from(level)),
            first_line: Set(built.first_line),
            body: Set(body),
        });
        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
            insert_rollups(tx, std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
    }
    insert_rollups(tx, batch).await
}

async fn insert_rollups(tx: &WriteTx, rows: Vec<history_rollup::ActiveModel>) -> Result<()> {
    if !rows.is_empty() {
        history_rollup::Entity::insert_many(rows).exec_without_returning(tx.connection()).await?;
    }
    Ok(())
}

/// Keeps the counters by which the next merge is told to begin.
async fn count(
    tx: &WriteTx,
    run: RunId,
    replaced: &Replaced<'_>,
    before: &Layout,
    handed_out: bool,
) -> Result<()> {
    use history_stream::Column::{LiveBytes, LiveChunks, MergedLines, Rewritten, RunId, Stream as Name};
    let stream = history_stream::Entity::find_by_id((run, Stream::History)).one(tx.connection()).await?;
    let stream = stream.ok_or_else(|| Error::internal("a run without its streams"))?;
    // Counted anew: a line that is written again replaces a chunk, and only its own is counted on ingest.
    let left: Vec<i64> = before
        .chunks
        .iter()
        .filter(|chunk| !replaced.chunks.contains(chunk))
        .map(|chunk| i64::from(chunk.raw_bytes))
        .collect();
    let chunks = i64::try_from(left.len()).map_err(Error::internal)?;
    history_stream::Entity::update_many()
        .col_expr(MergedLines, Expr::value(stream.merged_lines.max(replaced.lines.end)))
        .col_expr(LiveChunks, Expr::value(chunks))
        .col_expr(LiveBytes, Expr::value(left.iter().sum::<i64>()))
        .col_expr(Rewritten, Expr::value(stream.rewritten || handed_out))
        .filter(RunId.eq(run))
        .filter(Name.eq(Stream::History))
        .exec(tx.connection())
        .await?;
    Ok(())
}
