//! What an agent is told when it is heard of.

use std::collections::HashSet;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, NotSet, QueryFilter as _, Set};
use serde::Serialize;
use serde_json::{Map, Value};

use super::given::{self, Given, Open};
use super::search::{Method, Observation};
use super::{Agent, Config, GivenState, Sweep, SweepState, bands, observe, queries};
use crate::account::{Caller, Role};
use crate::db::{Db, Source as _, WriteTx};
use crate::entity::{agent, sweep, sweep_run};
use crate::error::{Error, Result};
use crate::history::Reader;
use crate::id::AgentId;
use crate::{project, run};

/// Runs that an agent says it has.
const MOST_REPORTED: usize = 1000;

/// What an agent is to do, as the client reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Command {
    /// Start a run.
    Run(Task),
    /// Start a run that was cut off before.
    Resume(Task),
    /// End a run.
    Stop {
        /// The run's id.
        run_id: String,
    },
    /// End all runs, and itself.
    Exit,
}

/// A run to start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Task {
    /// The id that the run gets.
    pub run_id: String,
    /// Its parameters, in the client's envelopes.
    pub args: Map<String, Value>,
    /// The script to start, where the agent has no function.
    pub program: Option<String>,
}

/// Hears that an agent has these runs, and answers what it is to do. `NotFound` once its sweep is gone.
///
/// The sweep's row is locked while something is chosen, so nothing is given out twice, however many servers there are.
/// What needs the store, or much thought, is done before.
pub async fn heartbeat(
    db: &Db,
    reader: &Reader,
    caller: &Caller,
    id: AgentId,
    reported: Vec<String>,
) -> Result<(Agent, Vec<Command>)> {
    if reported.len() > MOST_REPORTED {
        let reason = format!("an agent has at most {MOST_REPORTED} runs at once");
        return Err(Error::invalid("TOO_MANY", "runState", reason));
    }
    let reported: HashSet<String> = reported.into_iter().collect();
    let missing = || Error::not_found("agent", id.to_node_id());
    let (agent, sweep) = queries::find_with_sweep(db, caller, id).await?.ok_or_else(missing)?;
    project::authorize(db, caller, sweep.project_id, Role::Member).await?;
    let config = Config::parse(&sweep.config)?;
    let reached = match (&config.halving, &config.metric) {
        (Some(halving), Some(metric)) if !reported.is_empty() => {
            bands::look(db, reader, &agent, halving, metric).await?
        }
        _ => Vec::new(),
    };
    let wants_a_run = reported.is_empty() && sweep.state.gives_runs();
    let observed = match &config.metric {
        Some(metric) if wants_a_run && config.method == Method::Bayes => {
            Some(observe::observe(db, &sweep, metric).await?)
        }
        _ => None,
    };
    let next = Next::think(&sweep, &config, wants_a_run, observed);

    let tx = db.begin_write().await?;
    let sweep = queries::hold(&tx, sweep.id).await?;
    hear(&tx, &sweep, &agent).await?;
    let open = given::settle(&tx, &sweep, &agent, &reported).await?;
    let early = match &config.halving {
        Some(halving) => bands::compare(&tx, &sweep, halving, reached).await?,
        None => Vec::new(),
    };
    let is_to_stop =
        |given: &Given| given.stops_early || early.contains(&given.id) || given.stop_requested == Some(true);
    let mut commands = stops(&agent, &open, &reported, is_to_stop);
    match sweep.state {
        SweepState::Canceled => commands = vec![Command::Exit],
        SweepState::Finished if reported.is_empty() => commands = vec![Command::Exit],
        SweepState::Pending | SweepState::Running if reported.is_empty() => {
            commands.extend(give(&tx, &sweep, &agent, &config, open, &next).await?);
        }
        SweepState::Finished | SweepState::Paused | SweepState::Pending | SweepState::Running => {}
    }
    if commands.contains(&Command::Exit) {
        let which = agent::Entity::update_many().filter(agent::Column::Id.eq(agent.id));
        let change = which.col_expr(agent::Column::ToldToExit, Expr::value(true));
        change.exec(tx.connection()).await?;
    }
    tx.commit().await?;
    Ok((agent, commands))
}

async fn hear(tx: &WriteTx, sweep: &Sweep, agent: &Agent) -> Result<()> {
    agent::Entity::update_many()
        .col_expr(agent::Column::HeartbeatAt, Expr::value(tx.now()))
        .col_expr(agent::Column::ToldToExit, Expr::value(false))
        .filter(agent::Column::Id.eq(agent.id))
        .exec(tx.connection())
        .await?;
    sweep::Entity::update_many()
        .col_expr(sweep::Column::HeartbeatAt, Expr::value(tx.now()))
        .filter(sweep::Column::Id.eq(sweep.id))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// What an agent has and is to end: what is to stop, and what another one has by now.
fn stops(
    agent: &Agent,
    open: &Open,
    reported: &HashSet<String>,
    is_to_stop: impl Fn(&Given) -> bool,
) -> Vec<Command> {
    let of_agent = open.underway.iter().filter(|given| reported.contains(&given.run_name));
    let ended = of_agent.filter(|given| given.agent_id != agent.id || is_to_stop(given));
    ended.map(|given| Command::Stop { run_id: given.run_name.clone() }).collect()
}

/// The parameters of the run that is given out next, unless another agent comes before.
struct Next {
    number: i64,
    parameters: Option<Map<String, Value>>,
    observed: Option<Vec<Observation>>,
}

impl Next {
    fn think(sweep: &Sweep, config: &Config, wanted: bool, observed: Option<Vec<Observation>>) -> Self {
        let number = sweep.given_runs;
        let parameters = wanted.then(|| parameters(sweep, config, number, observed.as_deref())).flatten();
        Self { number, parameters, observed }
    }

    fn of(&self, sweep: &Sweep, config: &Config) -> Option<Map<String, Value>> {
        if self.number == sweep.given_runs && self.parameters.is_some() {
            return self.parameters.clone();
        }
        parameters(sweep, config, sweep.given_runs, self.observed.as_deref())
    }
}

fn parameters(
    sweep: &Sweep,
    config: &Config,
    number: i64,
    observed: Option<&[Observation]>,
) -> Option<Map<String, Value>> {
    let number = u64::try_from(number).ok()?;
    let in_range = config.expected_runs().is_none_or(|expected| number < expected);
    in_range.then(|| config.search.parameters(sweep.seed.cast_unsigned(), number, observed)).flatten()
}

/// The next run for an agent that has none; nothing while all are given out and some may come back.
async fn give(
    tx: &WriteTx,
    sweep: &Sweep,
    agent: &Agent,
    config: &Config,
    open: Open,
    next: &Next,
) -> Result<Option<Command>> {
    if let Some(returned) = open.returned.first() {
        given::give_again(tx, returned, agent).await?;
        let args = serde_json::from_str(&returned.args).map_err(Error::internal)?;
        let task = Task { run_id: returned.run_name.clone(), args, program: config.program.clone() };
        return Ok(Some(if returned.has_begun() { Command::Resume(task) } else { Command::Run(task) }));
    }
    let Some(args) = next.of(sweep, config) else {
        if !open.underway.is_empty() || config.method == Method::Custom {
            return Ok(None);
        }
        set_state(tx, sweep, SweepState::Finished, sweep.given_runs).await?;
        return Ok(Some(Command::Exit));
    };
    let run_id = run::invent_id(tx.env());
    let fresh = sweep_run::ActiveModel {
        id: NotSet,
        sweep_id: Set(sweep.id),
        agent_id: Set(agent.id),
        run_id: Set(None),
        run_name: Set(run_id.clone()),
        args: Set(serde_json::to_string(&args).map_err(Error::internal)?),
        state: Set(GivenState::Given),
        attempts: Set(1),
        scores: Set("[]".to_owned()),
        stops_early: Set(false),
    };
    sweep_run::Entity::insert(fresh).exec_without_returning(tx.connection()).await?;
    set_state(tx, sweep, SweepState::Running, sweep.given_runs + 1).await?;
    Ok(Some(Command::Run(Task { run_id, args, program: config.program.clone() })))
}

async fn set_state(tx: &WriteTx, sweep: &Sweep, state: SweepState, given_runs: i64) -> Result<()> {
    sweep::Entity::update_many()
        .col_expr(sweep::Column::State, Expr::value(state))
        .col_expr(sweep::Column::GivenRuns, Expr::value(given_runs))
        .col_expr(sweep::Column::UpdatedAt, Expr::value(tx.now()))
        .filter(sweep::Column::Id.eq(sweep.id))
        .exec(tx.connection())
        .await?;
    Ok(())
}
