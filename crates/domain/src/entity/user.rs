//! A person or service that signs in.

use sea_orm::entity::prelude::*;

use crate::account::Email;
use crate::clock::Timestamp;
use crate::id::{EntityId, UserId};

/// A person or service that signs in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: UserId,
    /// The personal entity; its name is the username.
    pub entity_id: EntityId,
    /// As shown.
    pub full_name: String,
    /// Where to reach them.
    pub email: Option<Email>,
    /// Whether this user administers the instance.
    pub admin: bool,
    /// The team of a service account; a person has none.
    pub team_id: Option<EntityId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
