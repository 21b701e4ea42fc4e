//! What holds the lines of a stream at one moment.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::super::Stream;
use super::super::segment::Segment;
use super::StepRange;
use crate::db::Source;
use crate::entity::{blob, history_chunk, history_segment};
use crate::error::{Error, Result};
use crate::id::RunId;

/// A chunk without its lines.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(in crate::history) struct ChunkHead {
    pub(in crate::history) id: i64,
    pub(in crate::history) run_id: RunId,
    pub(in crate::history) first_line: i64,
    pub(in crate::history) line_count: i64,
    pub(in crate::history) min_step: Option<i64>,
    pub(in crate::history) max_step: Option<i64>,
    pub(in crate::history) raw_bytes: i32,
}

impl ChunkHead {
    /// One past its last line.
    pub(in crate::history) fn end(&self) -> i64 {
        self.first_line + self.line_count
    }
}

/// Chunks and segments by line. Where both have a line, the chunk is newer.
#[derive(Clone, Debug, Default)]
pub(in crate::history) struct Layout {
    pub(in crate::history) chunks: Vec<ChunkHead>,
    pub(in crate::history) segments: Vec<Arc<Segment>>,
}

/// Consecutive lines, and who has them.
#[derive(Clone, Debug)]
pub(in crate::history) enum Extent<'a> {
    /// All lines of a chunk.
    Chunk(&'a ChunkHead),
    /// Some lines of a segment.
    Segment(&'a Arc<Segment>, Range<i64>),
}

impl Layout {
    /// Reads which chunks and segments there are.
    pub(in crate::history) async fn load(db: &impl Source, run: RunId, stream: Stream) -> Result<Self> {
        Self::load_within(db, run, stream, 0..i64::MAX).await
    }

    /// Only what begins at one of these lines.
    pub(in crate::history) async fn load_within(
        db: &impl Source,
        run: RunId,
        stream: Stream,
        lines: Range<i64>,
    ) -> Result<Self> {
        let everything = StepRange::default();
        Ok(load(db, &[run], stream, lines, everything).await?.remove(&run).unwrap_or_default())
    }

    /// Of many runs. Those that have neither are left out, and so are segments without a step in the range: who walks
    /// through a long history in windows would read of all its segments for each.
    pub(in crate::history) async fn load_many(
        db: &impl Source,
        runs: &[RunId],
        stream: Stream,
        steps: StepRange,
    ) -> Result<HashMap<RunId, Self>> {
        load(db, runs, stream, 0..i64::MAX, steps).await
    }

    /// Who has each of these lines, in order. What nobody has is left out.
    pub(in crate::history) fn extents(&self, lines: Range<i64>) -> Vec<Extent<'_>> {
        let mut extents = Vec::new();
        let mut position = lines.start;
        for chunk in &self.chunks {
            if chunk.end() <= position {
                continue;
            }
            if chunk.first_line >= lines.end {
                break;
            }
            self.segments_between(position..chunk.first_line, &mut extents);
            extents.push(Extent::Chunk(chunk));
            position = chunk.end();
        }
        self.segments_between(position..lines.end, &mut extents);
        extents
    }

    fn segments_between<'a>(&'a self, lines: Range<i64>, extents: &mut Vec<Extent<'a>>) {
        for segment in &self.segments {
            let common = lines.start.max(segment.first_line)..lines.end.min(segment.end());
            if !common.is_empty() {
                extents.push(Extent::Segment(segment, common));
            }
        }
    }

    /// Whether another layout has the same chunks and segments.
    pub(in crate::history) fn is_same(&self, other: &Self) -> bool {
        let segments = |layout: &Self| -> Vec<_> {
            layout.segments.iter().map(|segment| (segment.id, segment.line_count)).collect()
        };
        self.chunks == other.chunks && segments(self) == segments(other)
    }

    /// One past the last line.
    pub(in crate::history) fn line_count(&self) -> i64 {
        let chunks = self.chunks.last().map_or(0, ChunkHead::end);
        chunks.max(self.merged_lines())
    }

    /// One past the last line that is in a segment.
    pub(in crate::history) fn merged_lines(&self) -> i64 {
        self.segments.last().map_or(0, |segment| segment.end())
    }

    /// A line before which no row has a step greater than this one; none where no row has.
    pub(in crate::history) fn first_above(&self, step: i64) -> Option<i64> {
        let chunks = self.chunks.iter().map(|chunk| (chunk.first_line, chunk.max_step));
        let blocks = self.segments.iter().flat_map(|segment| segment.blocks.iter());
        let blocks = blocks.map(|block| (block.first_line, block.steps.map(|(_, max)| max)));
        chunks.chain(blocks).filter(|(_, max)| max.is_some_and(|max| max > step)).map(|(line, _)| line).min()
    }

    /// The lines of segments that are no longer so: chunks have them anew, or they were cut off.
    pub(in crate::history) fn stale(&self) -> impl Iterator<Item = Range<i64>> {
        let anew = self.overwritten().map(|chunk| chunk.first_line..chunk.end());
        let cut = self.segments.iter().filter(|segment| segment.is_cut());
        anew.chain(cut.map(|segment| segment.end()..segment.built_end()))
    }

    /// Whether there are such.
    pub(in crate::history) fn is_overwritten(&self) -> bool {
        self.stale().next().is_some()
    }

    /// The chunks that have lines anew.
    pub(in crate::history) fn overwritten(&self) -> impl Iterator<Item = &ChunkHead> {
        let merged = self.merged_lines();
        self.chunks.iter().take_while(move |chunk| chunk.first_line < merged)
    }
}

/// What begins at one of these lines, by run. Chunks come first: those that are merged in between are then found twice,
/// and never not at all.
async fn load(
    db: &impl Source,
    runs: &[RunId],
    stream: Stream,
    lines: Range<i64>,
    steps: StepRange,
) -> Result<HashMap<RunId, Layout>> {
    use history_chunk::Column as Chunk;
    use history_segment::Column::{FirstLine, MaxStep, MinStep, RunId};
    let mut layouts: HashMap<_, Layout> = HashMap::new();
    // Plan: ux_history_chunk_first_line; bodies are not read.
    let chunks: Vec<ChunkHead> = history_chunk::Entity::find()
        .select_only()
        .columns([Chunk::Id, Chunk::RunId, Chunk::FirstLine, Chunk::LineCount, Chunk::MinStep])
        .columns([Chunk::MaxStep, Chunk::RawBytes])
        .filter(Chunk::RunId.is_in(runs.iter().copied()))
        .filter(Chunk::Stream.eq(stream))
        .filter(Chunk::FirstLine.gte(lines.start))
        .filter(Chunk::FirstLine.lt(lines.end))
        .order_by_asc(Chunk::FirstLine)
        .into_model()
        .all(db.connection())
        .await?;
    for chunk in chunks {
        layouts.entry(chunk.run_id).or_default().chunks.push(chunk);
    }
    if stream != Stream::History {
        return Ok(layouts);
    }
    // Plan: ux_history_segment_first_line. Chunks are all read, at whatever step: they say which lines of segments are
    // no longer so.
    let mut segments = history_segment::Entity::find();
    if let Some(min) = steps.min {
        segments = segments.filter(MaxStep.gte(min));
    }
    if let Some(max) = steps.max {
        segments = segments.filter(MinStep.lt(max));
    }
    let rows = segments
        .filter(RunId.is_in(runs.iter().copied()))
        .filter(FirstLine.gte(lines.start))
        .filter(FirstLine.lt(lines.end))
        .order_by_asc(FirstLine)
        .all(db.connection())
        .await?;
    for (run, segment) in with_objects(db, rows).await? {
        layouts.entry(run).or_default().segments.push(segment);
    }
    Ok(layouts)
}

async fn with_objects(
    db: &impl Source,
    rows: Vec<history_segment::Model>,
) -> Result<Vec<(RunId, Arc<Segment>)>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = rows.iter().flat_map(|row| [row.rows_blob_id, row.columns_blob_id]);
    let found = blob::Entity::find().filter(blob::Column::Id.is_in(ids)).all(db.connection()).await?;
    let blobs: HashMap<_, _> = found.into_iter().map(|blob| (blob.id, blob)).collect();
    let get = |id| blobs.get(&id).ok_or_else(|| Error::internal("a segment without its objects"));
    rows.into_iter()
        .map(|row| {
            let (rows, columns) = (get(row.rows_blob_id)?, get(row.columns_blob_id)?);
            Ok((row.run_id, Arc::new(Segment::new(row, rows, columns)?)))
        })
        .collect()
}
