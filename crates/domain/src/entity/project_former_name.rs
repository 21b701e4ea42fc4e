//! A name that a project had before it was renamed.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{EntityId, ProjectId};

/// A name that a project had before it was renamed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "project_former_name")]
pub struct Model {
    /// The project's owner.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entity_id: EntityId,
    /// The name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// When it was last renamed away from it.
    pub left_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
