//! An alias that only a project's administrators may move.

use sea_orm::entity::prelude::*;

use crate::id::ProjectId;

/// An alias that only a project's administrators may move.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "protected_alias")]
pub struct Model {
    /// The project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// The alias.
    #[sea_orm(primary_key, auto_increment = false)]
    pub alias: String,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
