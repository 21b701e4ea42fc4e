//! What starts runs of a sweep on a machine.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{AgentId, SweepId};

/// What starts runs of a sweep on a machine.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agent")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: AgentId,
    /// Its sweep.
    pub sweep_id: SweepId,
    /// Its name, of 8 characters; unique in its sweep.
    pub name: String,
    /// Its machine.
    pub host: String,
    /// Whether there is nothing left for it.
    pub told_to_exit: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub heartbeat_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
