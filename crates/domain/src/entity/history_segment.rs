//! Table `history_segment`.

use sea_orm::entity::prelude::*;

use crate::id::{BlobId, RunId, SegmentId};

/// Consecutive lines of a run's history at rest. Segments of one run never overlap.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history_segment")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: SegmentId,
    /// Its run.
    pub run_id: RunId,
    /// Line number of the first line.
    pub first_line: i64,
    /// How many lines.
    pub line_count: i64,
    /// Lowest `_step` inside.
    pub min_step: Option<i64>,
    /// Highest `_step` inside.
    pub max_step: Option<i64>,
    /// Whether it is handed out, and so never merged into a larger one.
    pub sealed: bool,
    /// The lines as they were sent: chunks, end to end.
    pub rows_blob_id: BlobId,
    /// The same as Parquet.
    pub columns_blob_id: BlobId,
    /// Bytes at the end of the Parquet file that say where everything is in it.
    pub footer_bytes: i64,
    /// The finest level of its rollups; it has all coarser ones too.
    pub finest_level: i32,
    /// Where each chunk is among the lines.
    pub blocks: Vec<u8>,
    /// JSON: what values each key held.
    pub schema: String,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
