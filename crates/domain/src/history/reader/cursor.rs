//! Walking a stream in order and in bounded memory, wherever its lines are.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::columns::{Cuts, Groups};
use super::{ChunkHead, Extent, Layout, Reader, StepRange, Walk};
use crate::db::Source as _;
use crate::entity::history_chunk::{Column, Entity, Model};
use crate::error::{Error, Result};
use crate::history::chunk;
use crate::history::segment::{Block, Segment};

/// Chunks fetched by one statement.
const CHUNKS_AT_ONCE: usize = 16;
/// What is read of the chunks of many runs by one statement.
const MOST_CHUNKS: usize = 8192;
const MOST_CHUNK_BYTES: i64 = 64 * 1024 * 1024;
/// Bytes of a segment fetched by one request.
const BYTES_AT_ONCE: u64 = 1024 * 1024;
/// How often what was to be read may be merged away before it was.
const MOST_RELOADS: usize = 16;

/// What a walk comes by.
pub(in crate::history) enum Piece {
    /// Whole lines.
    Lines(Batch),
    /// Rows that have all wanted keys, or some where the walk is sparse, cut down to these, at steps that are wanted.
    Cuts(Cuts),
}

/// Consecutive lines in memory.
pub(in crate::history) struct Batch {
    first_line: i64,
    text: String,
}

impl Batch {
    /// The lines, with their numbers.
    pub(in crate::history) fn lines(&self) -> impl Iterator<Item = (i64, &str)> {
        (self.first_line..).zip(self.text.split_terminator('\n'))
    }
}

/// What is to be read next.
enum Step {
    Chunks(Vec<ChunkHead>),
    Segment(Arc<Segment>, Range<i64>),
    Blocks(Arc<Segment>, Vec<Block>, Range<i64>),
    Groups(Groups),
}

/// Where a walk stands.
pub(in crate::history) struct Cursor<'a> {
    reader: &'a Reader,
    walk: Walk<'a>,
    /// Chunks that were read before, by id.
    chunks: Option<&'a HashMap<i64, Model>>,
    /// Lines before this one were walked through.
    position: i64,
    steps: Option<VecDeque<Step>>,
    ready: VecDeque<Piece>,
    reloads: usize,
    /// Whether it was told to leave out lines: then no chunk is read before it is wanted.
    skips: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(reader: &'a Reader, walk: Walk<'a>) -> Self {
        let position = walk.lines.start;
        let (ready, reloads, skips) = (VecDeque::new(), 0, false);
        Self { reader, walk, chunks: None, position, steps: None, ready, reloads, skips }
    }

    /// A walk that does not ask where lines are, nor reads those of some chunks, as long as all is as it was.
    pub(super) fn knowing(
        reader: &'a Reader,
        walk: Walk<'a>,
        layout: &Layout,
        chunks: &'a HashMap<i64, Model>,
    ) -> Self {
        let steps = Some(plan(layout, &walk, walk.lines.start));
        Self { steps, chunks: Some(chunks), ..Self::new(reader, walk) }
    }

    /// What it walks through.
    pub(super) fn walk(&self) -> &Walk<'a> {
        &self.walk
    }

    /// Leaves out chunks of lines before this one.
    pub(super) fn skip_to(&mut self, line: i64) {
        if line > self.position {
            self.position = line;
            self.skips = true;
        }
    }

    /// The next piece, in the order of lines; none at the end.
    pub(in crate::history) async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let Some(steps) = &mut self.steps else {
                self.steps = Some(self.plan().await?);
                continue;
            };
            let Some(step) = steps.pop_front() else { return Ok(None) };
            match step {
                Step::Chunks(mut heads) => {
                    heads.retain(|head| head.end() > self.position);
                    if self.skips && heads.len() > 1 {
                        let rest = heads.split_off(1);
                        self.put_first([Step::Chunks(rest)]);
                    }
                    if !heads.is_empty() {
                        self.read_chunks(&heads).await?;
                    }
                }
                Step::Segment(segment, lines) => self.enter(segment, lines).await?,
                Step::Blocks(segment, blocks, lines) => self.read_blocks(&segment, &blocks, lines).await?,
                Step::Groups(mut groups) => {
                    if let Some(cuts) = groups.next(&self.reader.blobs, &self.walk).await? {
                        self.ready.push_back(Piece::Cuts(cuts));
                        self.put_first([Step::Groups(groups)]);
                    }
                }
            }
        }
    }

    async fn plan(&mut self) -> Result<VecDeque<Step>> {
        self.reloads += 1;
        if self.reloads > MOST_RELOADS {
            return Err(Error::unavailable("the history is merged faster than it can be read"));
        }
        let Walk { run, stream, steps, .. } = self.walk;
        let layout = Layout::load_many(&self.reader.db, &[run], stream, steps).await?.remove(&run);
        Ok(plan(&layout.unwrap_or_default(), &self.walk, self.position))
    }

    fn put_first(&mut self, first: impl IntoIterator<Item = Step, IntoIter: DoubleEndedIterator>) {
        let steps = self.steps.get_or_insert_default();
        first.into_iter().rev().for_each(|step| steps.push_front(step));
    }

    async fn read_chunks(&mut self, heads: &[ChunkHead]) -> Result<()> {
        let known = self.chunks.filter(|known| heads.iter().all(|head| known.contains_key(&head.id)));
        let read;
        let rows = if let Some(known) = known {
            known
        } else {
            read = self.reader.chunks(heads.iter().map(|head| head.id)).await?;
            &read
        };
        if rows.len() < heads.len() {
            // Merged away since: the lines are in a segment now.
            self.steps = None;
            return Ok(());
        }
        for head in heads {
            let Some(row) = rows.get(&head.id) else { continue };
            let text = chunk::text(&row.body, row.raw_bytes)?;
            let lines = self.position..self.walk.lines.end;
            self.ready.extend(cut(head.first_line, head.line_count, text, lines).map(Piece::Lines));
            self.position = head.end();
        }
        Ok(())
    }

    async fn enter(&mut self, segment: Arc<Segment>, lines: Range<i64>) -> Result<()> {
        self.position = lines.end;
        if let Some(groups) = Groups::of(&segment, lines.clone(), &self.reader.blobs, &self.walk).await? {
            self.put_first([Step::Groups(groups)]);
            return Ok(());
        }
        let wanted = segment
            .blocks
            .iter()
            .filter(|block| block.first_line < lines.end && block.end() > lines.start)
            .filter(|block| self.walk.steps.may_meet(block.steps));
        let mut reads: Vec<Vec<Block>> = Vec::new();
        for block in wanted {
            match reads.last_mut() {
                Some(read) if adjoins(read, block) => read.push(*block),
                _ => reads.push(vec![*block]),
            }
        }
        let step = |blocks| Step::Blocks(Arc::clone(&segment), blocks, lines.clone());
        let steps: Vec<Step> = reads.into_iter().map(step).collect();
        self.put_first(steps);
        Ok(())
    }

    async fn read_blocks(&mut self, segment: &Segment, blocks: &[Block], lines: Range<i64>) -> Result<()> {
        let Some((first, last)) = blocks.first().zip(blocks.last()) else { return Ok(()) };
        let bytes = segment.rows.read(&self.reader.blobs, first.start..last.end_byte()).await?;
        for block in blocks {
            let at = usize::try_from(block.start - first.start).map_err(Error::internal)?;
            let body = bytes.slice(at..at + block.bytes as usize);
            let text = chunk::text(&body, block.raw_bytes)?;
            self.ready.extend(cut(block.first_line, block.line_count, text, lines.clone()).map(Piece::Lines));
        }
        Ok(())
    }
}

impl Reader {
    /// The first of these chunks, as many as may be in memory.
    pub(super) async fn some_chunks(
        &self,
        heads: impl Iterator<Item = &ChunkHead>,
    ) -> Result<HashMap<i64, Model>> {
        let mut bytes = 0;
        let heads = heads.take(MOST_CHUNKS).take_while(|head| {
            bytes += i64::from(head.raw_bytes);
            bytes <= MOST_CHUNK_BYTES
        });
        let ids: Vec<i64> = heads.map(|head| head.id).collect();
        if ids.is_empty() { Ok(HashMap::new()) } else { self.chunks(ids).await }
    }

    /// Chunks by id; those that were merged away are left out.
    pub(super) async fn chunks(&self, ids: impl IntoIterator<Item = i64>) -> Result<HashMap<i64, Model>> {
        let rows = Entity::find().filter(Column::Id.is_in(ids)).all(self.db.connection()).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// What is to be read of a layout for a walk, from a line on.
fn plan(layout: &Layout, walk: &Walk<'_>, from: i64) -> VecDeque<Step> {
    let mut steps: VecDeque<Step> = VecDeque::new();
    for extent in layout.extents(from..walk.lines.end) {
        match extent {
            Extent::Segment(segment, lines) => steps.push_back(Step::Segment(Arc::clone(segment), lines)),
            Extent::Chunk(chunk) if !walk.steps.may_meet(chunk.min_step.zip(chunk.max_step)) => {}
            Extent::Chunk(chunk) => match steps.back_mut() {
                Some(Step::Chunks(chunks)) if chunks.len() < CHUNKS_AT_ONCE => chunks.push(chunk.clone()),
                _ => steps.push_back(Step::Chunks(vec![chunk.clone()])),
            },
        }
    }
    steps
}

/// Whether a block is read together with those before it: it lies beside them, and they are not too many bytes.
fn adjoins(before: &[Block], block: &Block) -> bool {
    let Some((first, last)) = before.first().zip(before.last()) else { return false };
    last.end_byte() == block.start && block.end_byte() - first.start <= BYTES_AT_ONCE
}

/// Those of `count` lines, of which the first has the number `first_line`, that lie in `lines`.
fn cut(first_line: i64, count: i64, mut text: String, lines: Range<i64>) -> Option<Batch> {
    let from = lines.start.max(first_line);
    let to = lines.end.min(first_line + count);
    if from >= to {
        return None;
    }
    let end_of = |line: i64| {
        let before = usize::try_from(line - first_line).unwrap_or(usize::MAX);
        match before.checked_sub(1) {
            Some(last) => text.match_indices('\n').nth(last).map_or(text.len(), |(at, _)| at + 1),
            None => 0,
        }
    };
    let (start, end) = (end_of(from), if to == first_line + count { text.len() } else { end_of(to) });
    text.truncate(end);
    text.drain(..start);
    Some(Batch { first_line: from, text })
}

impl StepRange {
    /// Whether lines between these steps may be wanted.
    pub(super) fn may_meet(self, steps: Option<(i64, i64)>) -> bool {
        match steps {
            _ if self.is_everything() => true,
            Some((min, max)) => {
                self.min.is_none_or(|wanted| max >= wanted) && self.max.is_none_or(|end| min < end)
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_both_ends() {
        let lines = |range| {
            let batch = cut(10, 4, "a\nb\n\nd\n".to_owned(), range);
            batch.map(|batch| {
                batch.lines().map(|(number, line)| (number, line.to_owned())).collect::<Vec<_>>()
            })
        };
        let line = |number, text: &str| (number, text.to_owned());
        assert_eq!(lines(0..99).unwrap(), [line(10, "a"), line(11, "b"), line(12, ""), line(13, "d")]);
        assert_eq!(lines(11..13).unwrap(), [line(11, "b"), line(12, "")]);
        assert_eq!(lines(13..14).unwrap(), [line(13, "d")]);
        assert_eq!(lines(14..20), None);
        assert_eq!(lines(0..10), None);
    }
}
