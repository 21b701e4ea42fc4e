//! A project within an entity.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{EntityId, ProjectId};
use crate::project::{Access, ProjectState};

/// A project within an entity.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "project")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: ProjectId,
    /// Its owner.
    pub entity_id: EntityId,
    /// Unique among the live ones of its entity; case matters.
    pub name: String,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
    /// How many runs were ever created in it; numbers invented display names.
    pub run_counter: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whether it is there, in the trash, or only a tombstone.
    pub state: ProjectState,
    /// When it went to the trash.
    pub deleted_at: Option<Timestamp>,
    /// Who may see it.
    pub access: Access,
    /// Of a registry: whether it takes artifacts of every type.
    pub allows_all_artifact_types: bool,
    /// Whether versions that are linked to it cannot be deleted.
    pub keeps_linked: bool,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
