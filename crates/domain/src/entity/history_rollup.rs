//! Table `history_rollup`.

use sea_orm::entity::prelude::*;

use crate::id::RunId;

/// What the values of a key were, for each stretch of lines of a segment.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history_rollup")]
pub struct Model {
    /// Its run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: RunId,
    /// The flattened key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// How long the stretches are: 0 for the shortest.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: i32,
    /// Line number of the segment's first line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub first_line: i64,
    /// The buckets.
    pub body: Vec<u8>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
