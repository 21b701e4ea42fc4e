//! The documents of a run, byte for byte as the client sent them.

use sea_orm::entity::prelude::*;

use crate::id::RunId;

/// The documents of a run, byte for byte as the client sent them.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_document")]
pub struct Model {
    /// Its run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: RunId,
    /// JSON.
    pub config: Option<String>,
    /// JSON, with bare `NaN` and `Infinity` where they were logged.
    pub summary: Option<String>,
    /// The latest of each system metric.
    pub system_metrics: Option<String>,
    /// The summary at the step that the run went back to, or was forked at, until its writer knows it.
    pub inherited_summary: Option<String>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
