//! Segments: history at rest. A segment is two objects, the lines as they were sent and the same as Parquet, a row
//! that says where everything is in them, and rollups for charts.

mod block;
mod build;
mod merge;

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use counterweight_segment::{Columns, Schema, SegmentError};
use counterweight_storage::{BlobStore, ObjectKey};
use futures_util::TryStreamExt as _;

pub(super) use self::block::Block;
pub use self::merge::{Merge, merge, settle};
use crate::blob::Blob;
use crate::entity::history_segment::Model;
use crate::error::{Error, Result};
use crate::id::SegmentId;

/// A segment, ready to be read.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) id: SegmentId,
    pub(super) first_line: i64,
    pub(super) line_count: i64,
    pub(super) sealed: bool,
    pub(super) blocks: Arc<[Block]>,
    /// The lines as they were sent.
    pub(super) rows: Object,
    /// The same as Parquet.
    pub(super) columns: Object,
    /// Of its rollups; it has all coarser levels too.
    pub(super) finest_level: u8,
    footer_bytes: u64,
    schema: String,
}

impl Segment {
    /// Of its row, and of the rows of its two objects.
    pub(super) fn new(row: Model, rows: &Blob, columns: &Blob) -> Result<Self> {
        Ok(Self {
            id: row.id,
            first_line: row.first_line,
            line_count: row.line_count,
            sealed: row.sealed,
            blocks: block::decode(&row.blocks)?.into(),
            rows: Object::new(rows)?,
            columns: Object::new(columns)?,
            finest_level: u8::try_from(row.finest_level).map_err(Error::internal)?,
            footer_bytes: row.footer_bytes.unsigned_abs(),
            schema: row.schema,
        })
    }

    /// One past its last line.
    pub(super) fn end(&self) -> i64 {
        self.first_line + self.line_count
    }

    /// Whether its objects hold lines that were cut off: a rewind leaves such.
    pub(super) fn is_cut(&self) -> bool {
        self.built_end() > self.end()
    }

    /// One past the last line of its objects.
    pub(super) fn built_end(&self) -> i64 {
        self.blocks.last().map_or(self.end(), Block::end)
    }

    /// What values each key held.
    pub(super) fn schema(&self) -> Result<Schema> {
        serde_json::from_str(&self.schema).map_err(Error::internal)
    }

    /// Where the columns are.
    pub(super) async fn layout(&self, blobs: &BlobStore) -> Result<Columns> {
        let end = self.columns.size_bytes;
        let footer = self.columns.read(blobs, end.saturating_sub(self.footer_bytes)..end).await?;
        Ok(Columns::parse(&footer)?)
    }
}

/// An object of a segment.
#[derive(Clone, Debug)]
pub(super) struct Object {
    key: ObjectKey,
    size_bytes: u64,
}

impl Object {
    fn new(blob: &Blob) -> Result<Self> {
        let key = ObjectKey::parse(blob.object_key.clone()).map_err(Error::internal)?;
        Ok(Self { key, size_bytes: blob.size_bytes.unsigned_abs() })
    }

    /// Some of its bytes.
    pub(super) async fn read(&self, blobs: &BlobStore, range: Range<u64>) -> Result<Bytes> {
        let wanted = usize::try_from(range.end.saturating_sub(range.start)).map_err(Error::internal)?;
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let mut stream = blobs.get(&self.key, Some(range)).await.map_err(Error::unavailable)?.stream;
        let mut bytes = BytesMut::with_capacity(wanted);
        while let Some(piece) = stream.try_next().await.map_err(Error::unavailable)? {
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() == wanted {
            return Ok(bytes.freeze());
        }
        Err(Error::internal(format!("object {} has {} of {wanted} bytes", self.key, bytes.len())))
    }
}

impl From<SegmentError> for Error {
    fn from(error: SegmentError) -> Self {
        Self::internal(error)
    }
}
