//! An API key, by its hash.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{ApiKeyId, UserId};

/// An API key, by its hash.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: ApiKeyId,
    /// Who signs in with it.
    pub user_id: UserId,
    /// The public part: the first characters of the key.
    pub name: String,
    /// Hexadecimal hash of the key; the key itself is never stored.
    pub sha256: String,
    /// What it is for, as its owner wrote it.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
