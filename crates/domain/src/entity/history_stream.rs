//! The counters of one stream of a run, kept up to date on ingest.

use sea_orm::entity::prelude::*;

use crate::history::Stream;
use crate::id::RunId;

/// The counters of one stream of a run, kept up to date on ingest.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history_stream")]
pub struct Model {
    /// Its run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: RunId,
    /// Which stream.
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: Stream,
    /// One past the highest line written.
    pub line_count: i64,
    /// Highest `_step` logged.
    pub last_step: Option<i64>,
    /// JSON: per flattened key, its types and last value.
    pub keys: String,
    /// Lines below this one are in segments, unless a chunk has them anew.
    pub merged_lines: i64,
    /// Chunks that were added since lines were last merged into segments.
    pub live_chunks: i64,
    /// Their bytes before compression.
    pub live_bytes: i64,
    /// Whether lines that had been handed out as files were changed: then no files are handed out any more, because
    /// clients keep those they have.
    pub rewritten: bool,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
