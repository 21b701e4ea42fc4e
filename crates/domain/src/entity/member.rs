//! Who belongs to an entity: its user, the members of a team, those of an organization.

use sea_orm::entity::prelude::*;

use crate::account::Role;
use crate::clock::Timestamp;
use crate::id::{EntityId, UserId};

/// A user belongs to an entity.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "member")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// To what.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entity_id: EntityId,
    /// What they may do there.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
