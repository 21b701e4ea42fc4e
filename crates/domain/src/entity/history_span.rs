//! Where consecutive lines of one of several writers of a stream went.

use sea_orm::entity::prelude::*;

use crate::history::Stream;
use crate::id::RunId;

/// Where consecutive lines of one of several writers of a stream went. Those of one writer never overlap, in its
/// numbers or in the run's.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history_span")]
pub struct Model {
    /// Its run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: RunId,
    /// Which stream.
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: Stream,
    /// As the writer names itself.
    #[sea_orm(primary_key, auto_increment = false)]
    pub writer: String,
    /// The writer's number of the first line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub own_first: i64,
    /// How many lines.
    pub line_count: i64,
    /// The run's number of the first line.
    pub first_line: i64,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
