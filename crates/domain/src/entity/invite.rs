//! Someone who will belong to an entity as soon as there is a user of that address.

use sea_orm::entity::prelude::*;

use crate::account::{Email, Role};
use crate::clock::Timestamp;
use crate::id::{EntityId, InviteId};

/// Someone who will belong to an entity as soon as there is a user of that address.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invite")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: InviteId,
    /// To what.
    pub entity_id: EntityId,
    /// Whom.
    pub email: Email,
    /// What they will be allowed there.
    pub role: Role,
    /// When they were invited.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
