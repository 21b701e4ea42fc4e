//! What became of the runs that agents were given.

use std::collections::HashSet;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _};

use super::state::SILENCE;
use super::{Agent, GivenState, Sweep};
use crate::clock::Timestamp;
use crate::db::{Source as _, WriteTx, dialect};
use crate::entity::sweep_run::{self, Column};
use crate::error::Result;
use crate::id::{AgentId, RunId, SweepRunId};
use crate::run::{Lifecycle, Run, RunState};

/// How often a run is given out that comes to no end.
const MOST_ATTEMPTS: i32 = 3;

/// A run that was given out and is not over.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Given {
    pub(super) id: SweepRunId,
    pub(super) agent_id: AgentId,
    pub(super) run_id: Option<RunId>,
    pub(super) run_name: String,
    pub(super) args: String,
    state: GivenState,
    attempts: i32,
    pub(super) stops_early: bool,
    run_state: Option<RunState>,
    lifecycle: Option<Lifecycle>,
    pub(super) stop_requested: Option<bool>,
    heard_at: Timestamp,
}

/// What is to be done about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Somebody has it.
    Underway,
    /// It is over.
    Over,
    /// It never began, or was cut off: it is for the next agent that asks.
    Returned,
}

/// Where the runs of a sweep stand that are not over.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Those that somebody has.
    pub(super) underway: Vec<Given>,
    /// Those that are for the next agent that asks.
    pub(super) returned: Vec<Given>,
}

impl Given {
    pub(super) fn has_begun(&self) -> bool {
        self.run_id.is_some()
    }

    /// As `agent` says which runs it has at this moment.
    fn fate(&self, agent: &Agent, reported: &HashSet<String>, now: Timestamp) -> Fate {
        let own = self.agent_id == agent.id;
        let has_it = own && reported.contains(&self.run_name);
        let heard = own || self.heard_at >= now.before(SILENCE);
        let fate = match (self.lifecycle, self.run_state) {
            (Some(Lifecycle::Deleted | Lifecycle::Purged), _)
            | (_, Some(RunState::Finished | RunState::Failed | RunState::Killed)) => Fate::Over,
            _ if has_it => Fate::Underway,
            (_, Some(RunState::Crashed)) if heard => Fate::Over,
            (_, Some(RunState::Preempted | RunState::Crashed)) => Fate::Returned,
            // Its agent let go of it without a last word.
            (_, Some(_)) if own => Fate::Over,
            (_, Some(_)) => Fate::Underway,
            (_, None) if !own && heard => Fate::Underway,
            // Whoever confirmed a run and has it no more has ended it, though it told nothing here.
            (_, None) if own && self.state == GivenState::Taken => Fate::Over,
            (_, None) => Fate::Returned,
        };
        if fate == Fate::Returned && self.attempts >= MOST_ATTEMPTS { Fate::Over } else { fate }
    }
}

/// Writes down what is over and what `agent` has, and answers the rest.
pub(super) async fn settle(
    tx: &WriteTx,
    sweep: &Sweep,
    agent: &Agent,
    reported: &HashSet<String>,
) -> Result<Open> {
    // Plan: ix_sweep_run_state, the few that are not over; then primary keys.
    let sql = "SELECT g.id, g.agent_id, g.run_id, g.run_name, g.args, g.state, g.attempts, g.stops_early, \
               r.state AS run_state, r.lifecycle, r.stop_requested, a.heartbeat_at AS heard_at \
               FROM sweep_run g JOIN agent a ON a.id = g.agent_id LEFT JOIN run r ON r.id = g.run_id \
               WHERE g.sweep_id = $1 AND g.state IN ('given', 'taken') ORDER BY g.id";
    let statement = dialect::statement(tx.connection(), sql, [sweep.id.0.into()]);
    let mut open = Open::default();
    let (mut over, mut taken) = (Vec::new(), Vec::new());
    for given in Given::find_by_statement(statement).all(tx.connection()).await? {
        match given.fate(agent, reported, tx.now()) {
            Fate::Over => over.push(given.id),
            Fate::Returned => open.returned.push(given),
            Fate::Underway => {
                if given.state == GivenState::Given && given.agent_id == agent.id {
                    taken.push(given.id);
                }
                open.underway.push(given);
            }
        }
    }
    for (state, ids) in [(GivenState::Ended, over), (GivenState::Taken, taken)] {
        if !ids.is_empty() {
            sweep_run::Entity::update_many()
                .col_expr(Column::State, Expr::value(state))
                .filter(Column::Id.is_in(ids))
                .exec(tx.connection())
                .await?;
        }
    }
    Ok(open)
}

/// Gives a returned run to an agent.
pub(super) async fn give_again(tx: &WriteTx, given: &Given, agent: &Agent) -> Result<()> {
    sweep_run::Entity::update_many()
        .col_expr(Column::AgentId, Expr::value(agent.id))
        .col_expr(Column::State, Expr::value(GivenState::Given))
        .col_expr(Column::Attempts, Expr::value(given.attempts + 1))
        .filter(Column::Id.eq(given.id))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// A run began that says which sweep it is of: it is the one that an agent was given under this id.
pub(crate) async fn attach(tx: &WriteTx, run: &Run, sweep: &str) -> Result<()> {
    // Plan: ux_sweep_project_id_name, then ux_sweep_run_sweep_id_run_name.
    let sql = "UPDATE sweep_run SET run_id = $1 WHERE run_id IS NULL AND run_name = $2 \
               AND sweep_id = (SELECT id FROM sweep WHERE project_id = $3 AND name = $4)";
    let values = [run.id.0.into(), run.name.clone().into(), run.project_id.0.into(), sweep.into()];
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    Ok(())
}
