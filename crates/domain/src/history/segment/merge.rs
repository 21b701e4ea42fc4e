//! Turning what is live into segments, small segments into larger ones, and the history of a run that has ended into
//! files to hand out.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use counterweight_segment::Schema;
use counterweight_storage::BlobStore;
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, sea_query::Expr,
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
use crate::job::{self, JobKind};
use crate::json;
use crate::run::{self, Run};

/// A segment of so many lines is no longer small, and no merge of live lines takes many more: what a chart reads line by
/// line shrinks with each, however far the writer is ahead.
const LARGE_LINES: i64 = 262_144;
/// How soon a long history that is still being merged is looked at again.
const MERGING: Duration = Duration::from_secs(1);
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
        None if waits_for_merge(&stream) => live(&layout),
        None => return Ok(Merge::Nothing),
    };
    if lines.is_empty() {
        return Ok(Merge::Nothing);
    }
    rebuild(db, blobs, run, &layout, lines).await
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
        return rebuild(db, blobs, run, &layout, lines).await;
    }
    let sealed = layout.segments.iter().take_while(|segment| segment.sealed).last();
    let left = sealed.map_or(0, |segment| segment.end())..layout.line_count();
    if left.is_empty() {
        return Ok(Merge::Nothing);
    }
    let is_long = left.end - left.start > LARGE_LINES && !live(&layout).is_empty();
    if is_long && stream(db, run).await?.is_some_and(|stream| waits_for_merge(&stream)) {
        // One job merges what is live: two would do the same lines, and one of them for nothing.
        let tx = db.begin_write().await?;
        job::enqueue(&tx, &JobKind::MergeHistory { run_id: run }, tx.now()).await?;
        tx.commit().await?;
        return Ok(Merge::NotBefore(db.now().after(MERGING)));
    }
    seal(db, blobs, run, &layout, left).await
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

/// The lines of the first of many small segments at the end: of as many as make a large one.
fn small(layout: &Layout) -> Option<Range<i64>> {
    let is_small = |segment: &&Arc<Segment>| !segment.sealed && segment.line_count < LARGE_LINES;
    let small: Vec<&Arc<Segment>> = layout.segments.iter().rev().take_while(is_small).collect();
    let (last, first) = small.first().zip(small.last())?;
    let start = first.first_line;
    let enough = small.iter().rev().find(|segment| segment.end() - start >= LARGE_LINES).unwrap_or(last);
    (small.len() >= SMALL_SEGMENTS).then(|| start..enough.end())
}

/// The first lines that are in no segment, for one merge.
fn live(layout: &Layout) -> Range<i64> {
    let start = layout.merged_lines();
    let enough = layout.chunks.iter().find(|chunk| chunk.end() - start >= LARGE_LINES);
    let last = enough.or_else(|| layout.chunks.last());
    start..last.map_or(start, ChunkHead::end).max(start)
}

/// Builds segments of those lines anew and puts them in the place of what had them.
async fn rebuild(
    db: &Db,
    blobs: &BlobStore,
    run: RunId,
    layout: &Layout,
    lines: Range<i64>,
) -> Result<Merge> {
    let schema = schema(db, blobs, run, layout, lines.clone()).await?;
    let built = build_all(db, blobs, run, lines.clone(), &schema).await?;
    let done = replace(db, run, &Held::of(layout, lines.clone()), built, Sealing::No).await?;
    Ok(if done { Merge::Merged(lines.end - lines.start) } else { Merge::Nothing })
}

/// Makes files to hand out of those lines, all with the same columns. Large segments that come first and have these
/// columns already are handed out as they are.
async fn seal(db: &Db, blobs: &BlobStore, run: RunId, layout: &Layout, lines: Range<i64>) -> Result<Merge> {
    let schema = schema(db, blobs, run, layout, lines.clone()).await?;
    let mut start = lines.start;
    for segment in layout.segments.iter().filter(|segment| segment.first_line >= lines.start) {
        if segment.line_count < LARGE_LINES || !segment.schema()?.has_columns_of(&schema) {
            break;
        }
        start = segment.end();
    }
    let built = build_all(db, blobs, run, start..lines.end, &schema).await?;
    let kept = Held::of(layout, lines.start..start);
    let replaced = Held::of(layout, start..lines.end);
    let done = replace(db, run, &replaced, built, Sealing::With(kept)).await?;
    Ok(if done { Merge::Merged(lines.end - lines.start) } else { Merge::Nothing })
}

async fn build_all(
    db: &Db,
    blobs: &BlobStore,
    run: RunId,
    lines: Range<i64>,
    schema: &Schema,
) -> Result<Vec<Built>> {
    let mut built = Vec::new();
    let mut position = lines.start;
    while position < lines.end {
        let segment = build(db, blobs, run, position..lines.end, schema.clone()).await?;
        position = segment.first_line + segment.line_count;
        built.push(segment);
    }
    Ok(built)
}

/// Whether new segments are handed out.
enum Sealing<'a> {
    No,
    /// Together with the segments of these lines, which there are already.
    With(Held<'a>),
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
    let mut live: Vec<Range<i64>> = Vec::new();
    for extent in layout.extents(lines) {
        match extent {
            Extent::Segment(segment, _) => schema.merge(segment.schema()?),
            Extent::Chunk(chunk) => match live.last_mut().filter(|live| live.end == chunk.first_line) {
                Some(live) => live.end = chunk.end(),
                None => live.push(chunk.first_line..chunk.end()),
            },
        }
    }
    let reader = Reader::new(db.clone(), blobs.clone());
    for lines in live {
        let add = |_, line: &str| {
            let row = json::parse(line).map_err(Error::internal)?;
            row.as_object().into_iter().for_each(|row| schema.add(row));
            Ok(())
        };
        reader.for_each_line(Walk::lines(run, Stream::History, lines), add).await?;
    }
    Ok(schema)
}

/// What held some lines when they were read.
struct Held<'a> {
    lines: Range<i64>,
    chunks: Vec<&'a ChunkHead>,
    segments: Vec<&'a Arc<Segment>>,
}

impl<'a> Held<'a> {
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

    /// Refuses where these lines are no longer held by what held them.
    async fn check(&self, tx: &WriteTx, run: RunId) -> Result<()> {
        let now = Layout::load_within(tx, run, Stream::History, self.lines.clone()).await?;
        if self.is_still(&Held::of(&now, self.lines.clone())) {
            return Ok(());
        }
        Err(Error::Conflict { reason: "lines were written again while they were merged".to_owned() })
    }

    fn is_still(&self, now: &Self) -> bool {
        // A segment that was cut off in the meantime has fewer lines.
        let segments = |of: &Self| -> Vec<_> {
            of.segments.iter().map(|segment| (segment.id, segment.line_count)).collect()
        };
        self.chunks == now.chunks && segments(self) == segments(now)
    }
}

/// Answers whether the run still has a history to be merged.
async fn replace(
    db: &Db,
    run: RunId,
    replaced: &Held<'_>,
    built: Vec<Built>,
    sealing: Sealing<'_>,
) -> Result<bool> {
    let tx = db.begin_write().await?;
    // Writers of the run lock it first, so nothing changes from here on.
    let locked = run::load_for_update(&tx, &[run]).await?;
    if !locked.get(&run).is_some_and(|run| run.lifecycle.keeps_rows()) {
        return Ok(false);
    }
    replaced.check(&tx, run).await?;
    for segment in &built {
        for Put { blob_id, stored } in [segment.rows, segment.columns] {
            blob::complete(&tx, blob_id, stored.size_bytes, stored.md5).await?;
        }
    }
    remove(&tx, run, replaced).await?;
    let handed_out = replaced.segments.iter().any(|segment| segment.sealed);
    let sealed = matches!(sealing, Sealing::With(_));
    for segment in built {
        insert(&tx, run, segment, sealed).await?;
    }
    if let Sealing::With(kept) = sealing {
        kept.check(&tx, run).await?;
        hand_out(&tx, &kept).await?;
    }
    count(&tx, run, replaced, handed_out).await?;
    tx.commit().await?;
    Ok(true)
}

async fn hand_out(tx: &WriteTx, kept: &Held<'_>) -> Result<()> {
    use history_segment::Column::{Id, Sealed};
    for segments in kept.segments.chunks(BATCH) {
        history_segment::Entity::update_many()
            .col_expr(Sealed, Expr::value(true))
            .filter(Id.is_in(segments.iter().map(|segment| segment.id)))
            .exec(tx.connection())
            .await?;
    }
    Ok(())
}

async fn remove(tx: &WriteTx, run: RunId, replaced: &Held<'_>) -> Result<()> {
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
async fn count(tx: &WriteTx, run: RunId, replaced: &Held<'_>, handed_out: bool) -> Result<()> {
    use history_stream::Column::{LiveBytes, LiveChunks, MergedLines, Rewritten, RunId, Stream as Name};
    let stream = history_stream::Entity::find_by_id((run, Stream::History)).one(tx.connection()).await?;
    let stream = stream.ok_or_else(|| Error::internal("a run without its streams"))?;
    // Counted anew: a line that is written again replaces a chunk, and only its own is counted on ingest.
    let (chunks, bytes) = live_size(tx, run).await?;
    history_stream::Entity::update_many()
        .col_expr(MergedLines, Expr::value(stream.merged_lines.max(replaced.lines.end)))
        .col_expr(LiveChunks, Expr::value(chunks))
        .col_expr(LiveBytes, Expr::value(bytes))
        .col_expr(Rewritten, Expr::value(stream.rewritten || handed_out))
        .filter(RunId.eq(run))
        .filter(Name.eq(Stream::History))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// How many chunks there are, and the bytes of their lines.
async fn live_size(tx: &WriteTx, run: RunId) -> Result<(i64, i64)> {
    use history_chunk::Column::{RawBytes, RunId, Stream as Name};
    // Plan: ux_history_chunk_first_line.
    let sizes: Option<(i64, Option<i64>)> = history_chunk::Entity::find()
        .select_only()
        .expr(Expr::cust("COUNT(*)"))
        .expr(RawBytes.sum())
        .filter(RunId.eq(run))
        .filter(Name.eq(Stream::History))
        .into_tuple()
        .one(tx.connection())
        .await?;
    let (chunks, bytes) = sizes.unwrap_or_default();
    Ok((chunks, bytes.unwrap_or_default()))
}
