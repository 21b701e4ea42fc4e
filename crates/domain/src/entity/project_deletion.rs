//! The deletion of a project: who, when, why, and what became of it.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::deletion::DeletionState;
use crate::id::{ProjectId, UserId};

/// The deletion of a project: who, when, why, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "project_deletion")]
pub struct Model {
    /// UUID.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Its project.
    pub project_id: ProjectId,
    /// Who asked for it.
    pub user_id: UserId,
    /// Where it stands.
    pub state: DeletionState,
    /// Free text.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when it can be undone.
    pub purge_after: Timestamp,
    /// When it was undone or completed.
    pub ended_at: Option<Timestamp>,
    /// Runs, live and archived, that went with the project.
    pub run_count: i64,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
