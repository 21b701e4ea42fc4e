//! The receipt of a deletion.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{ProjectId, UserId};

/// The receipt of a deletion.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "receipt")]
pub struct Model {
    /// The deletion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deletion_id: String,
    /// The project that it was in.
    pub project_id: ProjectId,
    /// Who asked for it.
    pub actor_id: UserId,
    /// As they gave it.
    pub reason: Option<String>,
    /// When.
    pub requested_at: Timestamp,
    /// Until when it could be undone.
    pub purge_after: Timestamp,
    /// When its rows were gone.
    pub purged_at: Timestamp,
    /// When nothing was outstanding any more.
    pub issued_at: Option<Timestamp>,
    /// The version of this program then.
    pub software: Option<String>,
    /// SHA-256 of its lines, in hex.
    pub digest: Option<String>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
