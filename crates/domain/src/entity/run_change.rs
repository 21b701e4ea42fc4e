//! The last change of a run in a project. Triggers write it.

use sea_orm::entity::prelude::*;

use crate::id::{ProjectId, RunId};

/// The last change of a run in a project. Triggers write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_change")]
pub struct Model {
    /// Higher than that of every change committed before.
    #[sea_orm(primary_key)]
    pub number: i64,
    /// The run's project, or one that it was moved out of.
    pub project_id: ProjectId,
    /// The run, also a deleted one.
    pub run_id: RunId,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
