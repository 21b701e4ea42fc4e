//! A job in the queue.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::JobId;
use crate::job::JobState;

/// A job in the queue.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: JobId,
    /// Which handler takes it.
    pub kind: String,
    /// One waiting or running job per kind and key.
    pub dedupe_key: Option<String>,
    /// JSON.
    pub payload: String,
    /// Where it stands.
    pub state: JobState,
    /// Not before.
    pub run_at: Timestamp,
    /// How often it was claimed; fences off earlier owners.
    pub attempt: i32,
    /// After these it is dead.
    pub max_attempts: i32,
    /// Which runner has it.
    pub lease_owner: Option<String>,
    /// Until when, unless extended.
    pub lease_until: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
