//! A name that owns projects.

use sea_orm::entity::prelude::*;

use crate::account::EntityKind;
use crate::clock::Timestamp;
use crate::id::{EntityId, OrganizationId};

/// A name that owns projects.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entity")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: EntityId,
    /// Unique; part of every URL.
    pub name: String,
    /// Whose name it is.
    pub kind: EntityKind,
    /// The organization of a team, or the one that this is the entity of.
    pub organization_id: Option<OrganizationId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How long its artifacts are kept, in seconds, where they and their collections say nothing else; 0: for ever.
    pub artifact_ttl_seconds: Option<i64>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
