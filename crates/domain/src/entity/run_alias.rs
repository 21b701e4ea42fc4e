//! A run id that stays taken in a project because its run moved to another one.

use sea_orm::entity::prelude::*;

use crate::id::{ProjectId, RunId};

/// A run id that stays taken in a project because its run moved to another one.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_alias")]
pub struct Model {
    /// Where the run was.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// The run id that users see.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The run, wherever it is now.
    pub run_id: RunId,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
