//! Sweeps: searches for parameters, and the agents that start their runs.

mod bands;
mod commands;
mod config;
mod filter;
mod given;
mod heartbeat;
mod observe;
mod purge;
mod queries;
mod search;
mod state;

pub use self::commands::{SweepUpsert, Upserted, create_agent, upsert};
pub use self::config::Config;
pub use self::filter::{SweepField, parse as parse_filter};
pub(crate) use self::given::attach;
pub use self::heartbeat::{Command, heartbeat};
pub(crate) use self::purge::purge_of_project;
pub use self::queries::{
    Totals, count, count_runs_of_agents, find, find_agent, find_named, get_totals, list, list_agents,
    list_runs_of_agent,
};
pub use self::state::{AgentState, GivenState, SweepState};
pub use crate::entity::agent::Model as Agent;
pub use crate::entity::sweep::Model as Sweep;
