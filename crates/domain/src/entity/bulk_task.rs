//! A change to many runs, and how far it has come.

use sea_orm::entity::prelude::*;

use crate::bulk::{BulkChange, BulkState};
use crate::clock::Timestamp;
use crate::id::{ProjectId, RunId, UserId};

/// A change to many runs, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_task")]
pub struct Model {
    /// UUID.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Who asked for it.
    pub user_id: UserId,
    /// Whether they used an administrator's rights.
    pub privileged: bool,
    /// Whose runs are changed.
    pub project_id: ProjectId,
    /// Which of them, as the caller wrote it; empty where they were named one by one.
    pub filter: String,
    /// What is done to them.
    pub change: BulkChange,
    /// Where it stands.
    pub state: BulkState,
    /// The runs up to this one are done.
    pub after_id: RunId,
    /// How many runs matched when it was asked for.
    pub matched_count: i64,
    /// How many were changed so far.
    pub changed_count: i64,
    /// How many were refused so far.
    pub refused_count: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
