//! Making segments: lines in, two objects and their index out. Bounded in memory, whatever the length.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use counterweight_segment::{ColumnsWriter, Point, RollupBuilder, Schema, finest_level, number};
use counterweight_storage::{BlobStore, LARGEST_OBJECT, ObjectKey, PutLimit, Stored};
use futures_util::stream;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::block::Block;
use crate::blob;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::history::chunk::{self, Chunk};
use crate::history::reader::{Batch, Piece, Reader, Walk};
use crate::history::step::step_of;
use crate::history::{Stream, is_countable};
use crate::id::{BlobId, RunId};
use crate::json;

/// Batches of lines that wait for the builder, and pieces of objects that wait for the store.
const WAITING: usize = 2;
/// Pieces of an object are sent to the store at this size.
const PIECE_BYTES: usize = 256 * 1024;
/// A step that a row does not have.
const NO_STEP: i64 = i64::MIN;

/// An object that was put, and waits to be referred to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put {
    pub(super) blob_id: BlobId,
    pub(super) stored: Stored,
}

/// A segment whose objects were put.
pub(super) struct Built {
    pub(super) first_line: i64,
    pub(super) line_count: i64,
    pub(super) rows: Put,
    pub(super) columns: Put,
    pub(super) footer_bytes: u64,
    pub(super) finest_level: u8,
    pub(super) blocks: Vec<Block>,
    pub(super) schema: Schema,
    /// By key and level.
    pub(super) rollups: Vec<(String, u8, Vec<u8>)>,
}

type Pieces = mpsc::Sender<Result<Bytes, BoxError>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Puts the two objects of a segment of these lines. `schema` has taken in all of them. The segment may end early,
/// when its file has as many parts as a reader can hold.
pub(super) async fn build(
    db: &Db,
    blobs: &BlobStore,
    run: RunId,
    lines: Range<i64>,
    schema: Schema,
) -> Result<Built> {
    // Others need threads to store what it makes.
    let _turn = db.heavy_turn().await?;
    let tx = db.begin_write().await?;
    let (rows_blob, rows_key) = blob::begin(&tx).await?;
    let (columns_blob, columns_key) = blob::begin(&tx).await?;
    tx.commit().await?;
    let numbers = numeric_keys(&schema);
    let finest_level = finest_level((lines.end - lines.start).unsigned_abs(), numbers.len());
    let (batches, receiver) = mpsc::channel(WAITING);
    let (row_pieces, rows_body) = mpsc::channel(WAITING);
    let (column_pieces, columns_body) = mpsc::channel(WAITING);
    let builder = tokio::task::spawn_blocking(move || {
        encode(schema, &numbers, finest_level, Sink::new(row_pieces), Sink::new(column_pieces), receiver)
    });
    let feeding = async {
        let reader = Reader::new(db.clone(), blobs.clone());
        let mut cursor = reader.walk(Walk::lines(run, Stream::History, lines));
        while let Some(piece) = cursor.next().await? {
            let Piece::Lines(batch) = piece else { continue };
            // The builder goes when its segment is full, or with an error that it tells of itself.
            if batches.send(batch).await.is_err() {
                break;
            }
        }
        drop(batches);
        Ok::<_, Error>(())
    };
    let (fed, rows, columns, built) = tokio::join!(
        feeding,
        put(blobs, &rows_key, rows_body),
        put(blobs, &columns_key, columns_body),
        builder,
    );
    fed?;
    let built = built.map_err(Error::internal)??;
    Ok(Built {
        first_line: built.first_line,
        line_count: built.line_count,
        rows: Put { blob_id: rows_blob, stored: rows? },
        columns: Put { blob_id: columns_blob, stored: columns? },
        footer_bytes: built.footer_bytes,
        finest_level,
        blocks: built.blocks,
        schema: built.schema,
        rollups: built.rollups,
    })
}

async fn put(
    blobs: &BlobStore,
    key: &ObjectKey,
    pieces: mpsc::Receiver<Result<Bytes, BoxError>>,
) -> Result<Stored> {
    let body = stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
    let limit = PutLimit { max_bytes: LARGEST_OBJECT, expected_bytes: None };
    blobs.put_stream(key, body, limit).await.map_err(Error::unavailable)
}

/// Sends what is written to it to the store, in pieces.
struct Sink {
    pieces: Option<Pieces>,
    buffer: BytesMut,
    written: u64,
}

impl Sink {
    fn new(pieces: Pieces) -> Self {
        Self { pieces: Some(pieces), buffer: BytesMut::new(), written: 0 }
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = self.buffer.split().freeze();
        let Some(pieces) = &self.pieces else { return Ok(()) };
        pieces.blocking_send(Ok(piece)).map_err(|_| io::Error::other("the store has given up"))
    }

    fn written(&self) -> u64 {
        self.written
    }

    /// Everything was written. Without this the object is not kept.
    fn finish(mut self) -> io::Result<()> {
        self.send()?;
        self.pieces = None;
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        if self.buffer.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(pieces) = self.pieces.take()
            && pieces.blocking_send(Err("the segment was not finished".into())).is_err()
        {
            tracing::debug!("the store gave up before the builder");
        }
    }
}

/// What the builder has made, its objects apart.
struct Finished {
    first_line: i64,
    line_count: i64,
    footer_bytes: u64,
    blocks: Vec<Block>,
    schema: Schema,
    rollups: Vec<(String, u8, Vec<u8>)>,
}

/// Turns lines into the bytes of both objects. CPU-bound.
fn encode(
    mut schema: Schema,
    numbers: &HashSet<String>,
    finest_level: u8,
    rows: Sink,
    columns: Sink,
    mut batches: mpsc::Receiver<Batch>,
) -> Result<Finished> {
    let mut columns = ColumnsWriter::new(&schema, columns)?;
    let mut rows = Rows { sink: rows, blocks: Vec::new(), lines: Vec::new(), steps: Vec::new(), bytes: 0 };
    let mut rollups = RollupBuilder::new(finest_level);
    let mut lines: Option<Range<i64>> = None;
    while let Some(batch) = batches.blocking_recv() {
        for (number, line) in batch.lines() {
            let row = json::parse(line).map_err(Error::internal)?;
            let row = row.as_object().ok_or_else(|| Error::internal("a stored row is not an object"))?;
            let step = step_of(row);
            columns.push(row)?;
            schema.follow(row);
            roll_up(&mut rollups, numbers, number, step, row);
            lines = Some(lines.map_or(number, |lines| lines.start)..number + 1);
            rows.push(number, line.to_owned(), step)?;
        }
        if columns.is_full() {
            break;
        }
    }
    let lines = lines.ok_or_else(|| Error::internal("a segment without lines"))?;
    rows.flush(lines.end)?;
    let (sink, written) = columns.finish()?;
    sink.finish().map_err(Error::internal)?;
    rows.sink.finish().map_err(Error::internal)?;
    let line_count = lines.end - lines.start;
    Ok(Finished {
        first_line: lines.start,
        line_count,
        footer_bytes: written.footer_bytes,
        blocks: rows.blocks,
        schema,
        rollups: rollups.finish().map(|(key, level, rollup)| (key, level, rollup.encode())).collect(),
    })
}

fn numeric_keys(schema: &Schema) -> HashSet<String> {
    let is_number = |key: &String| schema.is_number(key) && is_countable(key);
    schema.keys().into_iter().filter(is_number).collect()
}

fn roll_up(
    rollups: &mut RollupBuilder,
    numbers: &HashSet<String>,
    line: i64,
    step: Option<i64>,
    row: &Map<String, Value>,
) {
    json::for_each_leaf(row, &mut |key, value| {
        if let Some(value) = number(value).filter(|_| numbers.contains(key)) {
            let point = Point { line: line.unsigned_abs(), step: step.unwrap_or(NO_STEP), value };
            rollups.push(key, point);
        }
    });
}

/// Lines on their way into the chunks of a segment.
struct Rows {
    sink: Sink,
    blocks: Vec<Block>,
    lines: Vec<String>,
    steps: Vec<Option<i64>>,
    bytes: usize,
}

impl Rows {
    fn push(&mut self, number: i64, line: String, step: Option<i64>) -> Result<()> {
        if self.lines.len() >= chunk::CHUNK_LINES || self.bytes >= chunk::CHUNK_BYTES {
            self.flush(number)?;
        }
        self.bytes += line.len() + 1;
        self.lines.push(line);
        self.steps.push(step);
        Ok(())
    }

    /// Ends a chunk before the line `end`.
    fn flush(&mut self, end: i64) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let line_count = i64::try_from(self.lines.len()).map_err(Error::internal)?;
        let chunk = Chunk::new(end - line_count, &self.lines, &self.steps)?;
        self.blocks.push(Block {
            first_line: chunk.first_line,
            line_count,
            steps: chunk.steps,
            raw_bytes: chunk.raw_bytes,
            start: self.sink.written(),
            bytes: u32::try_from(chunk.body.len()).map_err(Error::internal)?,
        });
        self.sink.write_all(&chunk.body).map_err(Error::internal)?;
        self.lines.clear();
        self.steps.clear();
        self.bytes = 0;
        Ok(())
    }
}
