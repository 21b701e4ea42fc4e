//! Making and changing sweeps.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, NotSet,
    PaginatorTrait as _, QueryFilter as _, Set,
};

use super::{Agent, Config, Sweep, SweepState, queries};
use crate::account::{self, Caller, Role};
use crate::db::{Source as _, WriteTx};
use crate::entity::{agent, run as run_entity, sweep};
use crate::error::{Error, Result};
use crate::filter::{RunFilter, RunOrder};
use crate::id::SweepId;
use crate::project;
use crate::run;

/// Agents of a sweep.
const MOST_AGENTS: u64 = 10_000;
/// Runs that are taken into a sweep at once.
const MOST_PRIOR_RUNS: u64 = 1000;
/// Bytes of what a controller keeps here.
const LONGEST_DOCUMENT: usize = 1 << 20;

/// What a client says of a sweep. `None` keeps what is there.
#[derive(Clone, Debug, Default)]
pub struct SweepUpsert {
    /// Storage id; a new sweep without one.
    pub id: Option<SweepId>,
    /// Owner of the project of a new one; the caller's own when absent.
    pub entity: Option<String>,
    /// Project of a new one; made on demand.
    pub project: Option<String>,
    /// YAML.
    pub config: Option<String>,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// The pretty name.
    pub display_name: Option<String>,
    /// JSON of a controller.
    pub controller: Option<String>,
    /// JSON of a scheduler.
    pub scheduler: Option<String>,
    /// Whether agents are given runs.
    pub state: Option<SweepState>,
    /// Runs of the project that are to belong to it.
    pub prior_runs: Option<RunFilter>,
}

/// The sweep after an upsert.
#[derive(Clone, Debug)]
pub struct Upserted {
    /// As it is now.
    pub sweep: Sweep,
    /// What its owner may want to look at again.
    pub warnings: Vec<String>,
}

/// Creates or changes a sweep. Another config is taken until a run was given out.
pub async fn upsert(tx: &WriteTx, caller: &Caller, upsert: SweepUpsert) -> Result<Upserted> {
    let config = upsert.config.as_deref().map(Config::parse).transpose()?;
    let before = match upsert.id {
        Some(id) => {
            let found = queries::find(tx, caller, id).await?;
            let found = found.ok_or_else(|| Error::not_found("sweep", id.to_node_id()))?;
            project::authorize(tx, caller, found.project_id, Role::Member).await?;
            queries::hold(tx, id).await?
        }
        None => create(tx, caller, &upsert, config.as_ref()).await?,
    };
    let project_id = before.project_id;
    let mut row = before.clone().into_active_model();
    if let (Some(config), Some(text)) = (&config, upsert.config) {
        if before.given_runs > 0 && !config.says_the_same(&Config::parse(&before.config)?) {
            let reason = "the sweep has given out runs, and keeps its config".to_owned();
            return Err(Error::Precondition { code: "SWEEP_STARTED", reason });
        }
        row.config = Set(text);
        row.method = Set(config.method_word().to_owned());
        row.metric = Set(config.metric.as_ref().map(|metric| metric.name.clone()));
        row.maximizes = Set(config.metric.as_ref().is_some_and(|metric| metric.maximizes));
    }
    for (field, column, text) in [
        ("description", &mut row.description, upsert.description),
        ("displayName", &mut row.display_name, upsert.display_name),
        ("controller", &mut row.controller, upsert.controller),
        ("scheduler", &mut row.scheduler, upsert.scheduler),
    ] {
        if let Some(text) = text {
            check_text(field, &text)?;
            *column = Set(Some(text));
        }
    }
    if let Some(state) = upsert.state {
        row.state = Set(before.state.requested(state)?);
    }
    row.updated_at = Set(tx.now());
    let sweep = row.update(tx.connection()).await?;
    if let Some(filter) = upsert.prior_runs {
        let project = project::get(tx, caller, project_id).await?;
        let order = RunOrder::parse("")?;
        let found = run::list(tx, &project, &filter, &order, MOST_PRIOR_RUNS, None).await?;
        let ids: Vec<_> = found.items.into_iter().map(|(run, _)| run.id).collect();
        run::load_for_update(tx, &ids).await?;
        run_entity::Entity::update_many()
            .col_expr(run_entity::Column::SweepName, Expr::value(&sweep.name))
            .col_expr(run_entity::Column::UpdatedAt, Expr::value(tx.now()))
            .filter(run_entity::Column::Id.is_in(ids))
            .exec(tx.connection())
            .await?;
    }
    Ok(Upserted { sweep, warnings: config.map(|config| config.warnings()).unwrap_or_default() })
}

fn check_text(field: &'static str, text: &str) -> Result<()> {
    if text.len() <= LONGEST_DOCUMENT && !text.contains('\0') {
        return Ok(());
    }
    Err(Error::invalid("TEXT_INVALID", field, format!("at most {LONGEST_DOCUMENT} bytes and no NUL")))
}

async fn create(
    tx: &WriteTx,
    caller: &Caller,
    upsert: &SweepUpsert,
    config: Option<&Config>,
) -> Result<Sweep> {
    let project =
        project::ensure_for_run(tx, caller, upsert.entity.as_deref(), upsert.project.as_deref()).await?;
    project::authorize(tx, caller, project.id, Role::Member).await?;
    let missing = || Error::invalid("SWEEP_CONFIG_INVALID", "config", "a new sweep has one");
    let config = config.ok_or_else(missing)?;
    let fresh = sweep::ActiveModel {
        id: NotSet,
        project_id: Set(project.id),
        user_id: Set(account::find_author(tx, caller).await?),
        name: Set(run::invent_id(tx.env())),
        display_name: Set(None),
        description: Set(None),
        config: Set(String::new()),
        method: Set(config.method_word().to_owned()),
        metric: Set(None),
        maximizes: Set(false),
        controller: Set(None),
        scheduler: Set(None),
        state: Set(SweepState::Pending),
        seed: Set(i64::from_le_bytes(tx.env().bytes())),
        given_runs: Set(0),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        heartbeat_at: Set(None),
    };
    Ok(fresh.insert(tx.connection()).await?)
}

/// A new agent of the sweep of that name.
pub async fn create_agent(
    tx: &WriteTx,
    caller: &Caller,
    (entity, project): (Option<&str>, Option<&str>),
    sweep: &str,
    host: &str,
) -> Result<Agent> {
    let missing = || Error::not_found("sweep", sweep);
    let project = project::find(tx, caller, entity, project).await?.ok_or_else(missing)?;
    let found = queries::find_named(tx, project.id, sweep).await?.ok_or_else(missing)?;
    project::authorize(tx, caller, project.id, Role::Member).await?;
    check_text("host", host)?;
    let agents = agent::Entity::find().filter(agent::Column::SweepId.eq(found.id));
    if agents.count(tx.connection()).await? >= MOST_AGENTS {
        let reason = format!("the sweep has {MOST_AGENTS} agents, the most that a sweep may have");
        return Err(Error::Precondition { code: "TOO_MANY_AGENTS", reason });
    }
    let fresh = agent::ActiveModel {
        id: NotSet,
        sweep_id: Set(found.id),
        name: Set(run::invent_id(tx.env())),
        host: Set(host.to_owned()),
        told_to_exit: Set(false),
        created_at: Set(tx.now()),
        heartbeat_at: Set(tx.now()),
    };
    Ok(fresh.insert(tx.connection()).await?)
}
