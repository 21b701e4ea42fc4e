//! Writing lines that were written before.

use std::collections::HashMap;
use std::ops::Range;

use counterweight_storage::BlobStore;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::chunk::{self, CHUNK_LINES, Chunk, Lines, Prepared};
use super::keys::Keys;
use super::{Reader, Stream, chunk_rows};
use crate::db::{Db, Source, WriteTx};
use crate::entity::history_chunk::{Column, Entity, Model};
use crate::error::{Error, Result};
use crate::id::{RunId, SegmentId};

/// What is in segments of lines that are written again, read before the transaction.
#[derive(Clone, Debug, Default)]
pub struct MergedLines {
    lines: HashMap<i64, String>,
    ranges: Vec<Range<i64>>,
    segments: Vec<SegmentId>,
}

impl MergedLines {
    /// Reads what an append to the history would replace.
    pub(super) async fn read(
        db: &Db,
        blobs: &BlobStore,
        run: RunId,
        ranges: Vec<Range<i64>>,
    ) -> Result<Self> {
        let mut merged = Self { lines: HashMap::new(), ranges, segments: segments(db, run).await? };
        let reader = Reader::new(db.clone(), blobs.clone());
        for lines in merged.ranges.clone() {
            reader
                .for_each_line_of(run, Stream::History, lines, |number, line| {
                    merged.lines.insert(number, line.to_owned());
                })
                .await?;
        }
        Ok(merged)
    }

    /// Whether these are the lines that were read, and the segments.
    pub(super) async fn is_still(&self, tx: &WriteTx, run: RunId, ranges: &[Range<i64>]) -> Result<bool> {
        Ok(self.ranges == ranges && self.segments == segments(tx, run).await?)
    }
}

async fn segments(db: &impl Source, run: RunId) -> Result<Vec<SegmentId>> {
    use crate::entity::history_segment::{Column, Entity};
    let ids = Entity::find().select_only().column(Column::Id).filter(Column::RunId.eq(run));
    Ok(ids.order_by_asc(Column::Id).into_tuple().all(db.connection()).await?)
}

/// What is left to write, and what it replaces.
pub(super) struct Overwrite {
    /// Without the leading lines that were there already.
    pub(super) part: Prepared,
    /// What was counted for the lines that are gone.
    pub(super) replaced: Keys,
}

/// Makes room for lines that were written before: what stays of the chunks that hold them is stored anew. Leading
/// lines that are there already, byte for byte, are dropped; nothing is left of a retry, and nothing changes.
pub(super) async fn make_room(
    tx: &WriteTx,
    run: RunId,
    part: Prepared,
    merged: &MergedLines,
) -> Result<Option<Overwrite>> {
    let end = part.offset + part.line_count;
    let overlapping = overlapping(tx, run, &part).await?;
    let mut stored: HashMap<i64, String> =
        if part.stream == Stream::History { merged.lines.clone() } else { HashMap::new() };
    for row in &overlapping {
        stored.extend((row.first_line..).zip(chunk::decode(&row.body, row.raw_bytes)?));
    }
    let mut content = Vec::new();
    for chunk in &part.chunks {
        content.extend(chunk::decode(&chunk.body, chunk.raw_bytes)?);
    }
    let known = (part.offset..).zip(&content).take_while(|(number, line)| stored.get(number) == Some(*line));
    let skip = known.count();
    if skip == content.len() {
        return Ok(None);
    }
    content.drain(..skip);
    let offset = part.offset + i64::try_from(skip).map_err(Error::internal)?;
    let mut replaced = Keys::default();
    let mut kept = Vec::new();
    for row in overlapping {
        let mut before = Vec::new();
        let mut after = Vec::new();
        for number in row.first_line..row.first_line + row.line_count {
            let line = stored.remove(&number).unwrap_or_default();
            if number < offset {
                before.push(line);
            } else if number >= end {
                after.push(line);
            } else if part.stream != Stream::Console {
                replaced.count(&line).map_err(Error::internal)?;
            }
        }
        for (first_line, lines) in [(row.first_line, before), (end.max(row.first_line), after)] {
            if !lines.is_empty() {
                kept.push(chunk_rows::to_row(
                    run,
                    part.stream,
                    Chunk::of_stored(part.stream, first_line, &lines)?,
                ));
            }
        }
        Entity::delete_by_id(row.id).exec(tx.connection()).await?;
    }
    for (_, line) in stored.into_iter().filter(|(number, _)| (offset..end).contains(number)) {
        replaced.count(&line).map_err(Error::internal)?;
    }
    chunk_rows::insert(tx, kept).await?;
    let offset = u64::try_from(offset).map_err(Error::internal)?;
    let part = Prepared::new(Lines { stream: part.stream, offset, content })?;
    Ok(Some(Overwrite { part, replaced }))
}

async fn overlapping(tx: &WriteTx, run: RunId, part: &Prepared) -> Result<Vec<Model>> {
    // Plan: ux_history_chunk_first_line; a chunk has at most CHUNK_LINES lines.
    let reach = i64::try_from(CHUNK_LINES).map_err(Error::internal)?;
    let rows = Entity::find()
        .filter(Column::RunId.eq(run))
        .filter(Column::Stream.eq(part.stream))
        .filter(Column::FirstLine.gt(part.offset - reach))
        .filter(Column::FirstLine.lt(part.offset + part.line_count))
        .order_by_asc(Column::FirstLine)
        .all(tx.connection())
        .await?;
    Ok(rows.into_iter().filter(|row| row.first_line + row.line_count > part.offset).collect())
}
