//! A run that an agent was given.

use sea_orm::entity::prelude::*;

use crate::id::{AgentId, RunId, SweepId, SweepRunId};
use crate::sweep::GivenState;

/// A run that an agent was given.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sweep_run")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: SweepRunId,
    /// Its sweep.
    pub sweep_id: SweepId,
    /// Who has it now.
    pub agent_id: AgentId,
    /// The run, once it began.
    pub run_id: Option<RunId>,
    /// The id that the run gets.
    pub run_name: String,
    /// Its parameters, in the client's envelopes.
    pub args: String,
    /// How far it is.
    pub state: GivenState,
    /// How often it was given out.
    pub attempts: i32,
    /// JSON of how it compared to others, band by band.
    pub scores: String,
    /// Whether it is not worth going on.
    pub stops_early: bool,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
