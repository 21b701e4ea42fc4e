//! A run, without its documents: narrow, since every request of its writer updates it.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{ProjectId, RunId, UserId};
use crate::run::{Lifecycle, RunState, Tags};

/// A run, without its documents: narrow, since every request of its writer updates it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: RunId,
    /// Its project.
    pub project_id: ProjectId,
    /// Who created it.
    pub user_id: UserId,
    /// The run id that users see (8 characters by default); unique in its project for ever.
    pub name: String,
    /// The pretty name.
    pub display_name: String,
    /// What its process is doing.
    pub state: RunState,
    /// Whether it is listed, archived, in the trash, or only a tombstone.
    pub lifecycle: Lifecycle,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its writer was last heard of.
    pub heartbeat_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Of its process.
    pub exit_code: Option<i32>,
    /// Whether its writer is told to stop.
    pub stop_requested: bool,
    /// Group that the user chose.
    pub group_name: Option<String>,
    /// Type that the user chose, such as `train`.
    pub job_type: Option<String>,
    /// Machine that ran it.
    pub host: Option<String>,
    /// Git commit.
    pub commit_hash: Option<String>,
    /// Script that ran.
    pub program: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
    /// Sweep that started it.
    pub sweep_name: Option<String>,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// Longer words of the user.
    pub notes: Option<String>,
    /// In the order the user gave.
    pub tags: Tags,
    /// When an archived run is deleted; none: never.
    pub archived_until: Option<Timestamp>,
    /// When it went to the trash.
    pub deleted_at: Option<Timestamp>,
    /// Until when it can be restored; fixed at deletion.
    pub purge_after: Option<Timestamp>,
    /// When it was last brought back, from the trash or the archive.
    pub revived_at: Option<Timestamp>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
