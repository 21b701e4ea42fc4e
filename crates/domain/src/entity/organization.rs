//! Teams that share registries.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{EntityId, OrganizationId};

/// Teams that share registries.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "organization")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: OrganizationId,
    /// Unique, as shown.
    pub name: String,
    /// The entity that owns its registries, and to which its members belong.
    pub entity_id: EntityId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
