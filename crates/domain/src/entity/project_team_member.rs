//! What the members of a team may do in a project, where that is not what they may do in its entity.

use sea_orm::entity::prelude::*;

use crate::account::Role;
use crate::clock::Timestamp;
use crate::id::{EntityId, ProjectId};

/// What the members of a team may do in a project, where that is not what they may do in its entity.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "project_team_member")]
pub struct Model {
    /// In which project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// Which team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: EntityId,
    /// What its members may do.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
