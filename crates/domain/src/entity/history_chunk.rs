//! Consecutive lines of a stream. Chunks of one stream never overlap.

use sea_orm::entity::prelude::*;

use crate::history::Stream;
use crate::id::RunId;

/// Consecutive lines of a stream. Chunks of one stream never overlap.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history_chunk")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Its run.
    pub run_id: RunId,
    /// Which stream.
    pub stream: Stream,
    /// Line number of the first line.
    pub first_line: i64,
    /// How many lines.
    pub line_count: i64,
    /// Lowest `_step` inside.
    pub min_step: Option<i64>,
    /// Highest `_step` inside.
    pub max_step: Option<i64>,
    /// Size before compression.
    pub raw_bytes: i32,
    /// zstd of the lines, each ended by a newline.
    pub body: Vec<u8>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
