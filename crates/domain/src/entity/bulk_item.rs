//! A run that a change to many is about, and what became of it.

use sea_orm::entity::prelude::*;

use crate::bulk::Outcome;
use crate::id::RunId;

/// A run that a change to many is about, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_item")]
pub struct Model {
    /// The change.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    /// The run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: RunId,
    /// What became of it.
    pub outcome: Outcome,
    /// What stood in the way.
    pub reason: Option<String>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
