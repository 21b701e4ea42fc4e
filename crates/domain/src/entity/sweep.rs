//! A search for parameters.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{ProjectId, SweepId, UserId};
use crate::sweep::SweepState;

/// A search for parameters.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sweep")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: SweepId,
    /// Its project.
    pub project_id: ProjectId,
    /// Who created it.
    pub user_id: UserId,
    /// The sweep id that users see, of 8 characters; unique in its project.
    pub name: String,
    /// The pretty name, where it has one besides that in its config.
    pub display_name: Option<String>,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// YAML, byte for byte as it was sent.
    pub config: String,
    /// How parameters are chosen, by the client's word for it.
    pub method: String,
    /// The key of the summary that runs are compared by.
    pub metric: Option<String>,
    /// Whether more of it is better.
    pub maximizes: bool,
    /// JSON of a controller outside.
    pub controller: Option<String>,
    /// JSON of a scheduler outside.
    pub scheduler: Option<String>,
    /// Whether agents are given runs.
    pub state: SweepState,
    /// What its random numbers come from.
    pub seed: i64,
    /// How many runs were given out.
    pub given_runs: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When one of its agents was last heard of.
    pub heartbeat_at: Option<Timestamp>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
