//! A deletion: who, when, why, and what became of it.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::deletion::DeletionState;
use crate::id::{RunId, UserId};

/// A deletion: who, when, why, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deletion")]
pub struct Model {
    /// UUID.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Its run.
    pub run_id: RunId,
    /// Who asked for it.
    pub user_id: UserId,
    /// Where it stands.
    pub state: DeletionState,
    /// Free text.
    pub reason: Option<String>,
    /// None
    pub requested_at: Timestamp,
    /// Until when it can be undone.
    pub purge_after: Timestamp,
    /// When it was undone or completed.
    pub ended_at: Option<Timestamp>,
    /// Files of the run when it was deleted.
    pub file_count: i64,
    /// Their bytes.
    pub file_bytes: i64,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
