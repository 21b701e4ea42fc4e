//! A deletion: who, when, why, and what became of it.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::deletion::{DeletionKind, DeletionState, OnRegistryLink};
use crate::id::{ProjectId, UserId};

/// A deletion: who, when, why, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deletion")]
pub struct Model {
    /// UUID.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// What was deleted.
    pub kind: DeletionKind,
    /// The project, or the one that the rest was in.
    pub project_id: ProjectId,
    /// Who asked for it.
    pub user_id: UserId,
    /// The change to many runs that it is done by.
    pub task_id: Option<String>,
    /// Whether artifacts that the runs logged go too.
    pub with_artifacts: bool,
    /// What becomes of those that a registry has.
    pub on_registry_link: OnRegistryLink,
    /// Where it stands.
    pub state: DeletionState,
    /// Free text.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when it can be undone; of many runs, the last of them.
    pub purge_after: Timestamp,
    /// Whether its bytes go without waiting for the grace.
    pub urgent: bool,
    /// A later deadline, which what it has in the trash has yet to get.
    pub extended_to: Option<Timestamp>,
    /// When it was undone or completed.
    pub ended_at: Option<Timestamp>,
    /// Runs that were deleted.
    pub run_count: i64,
    /// Versions of artifacts that were deleted.
    pub artifact_count: i64,
    /// Files of these runs.
    pub file_count: i64,
    /// Their bytes.
    pub file_bytes: i64,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
