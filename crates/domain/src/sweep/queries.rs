//! Reading sweeps and agents. Every door is scoped to the caller, or begins at a project that went through one.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult, JoinType, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, RelationDef, Select,
};

use super::{Agent, Sweep, SweepField};
use crate::account::Caller;
use crate::db::{Source, WriteTx, dialect};
use crate::entity::sweep::Column;
use crate::entity::{agent, project as project_entity, sweep, sweep_run};
use crate::error::{Error, Result};
use crate::filter::RecordFilter;
use crate::id::{AgentId, ProjectId, RunId, SweepId};
use crate::project::{self, ProjectState};
use crate::run::{self, Run};

fn visible(caller: &Caller) -> Select<sweep::Entity> {
    let to_project: RelationDef = sweep::Entity::belongs_to(project_entity::Entity)
        .from(Column::ProjectId)
        .to(project_entity::Column::Id)
        .into();
    sweep::Entity::find()
        .join(JoinType::InnerJoin, to_project)
        .filter(project::visible_to(caller))
        .filter(project_entity::Column::State.eq(ProjectState::Live))
}

/// A sweep by storage id.
pub async fn find(db: &impl Source, caller: &Caller, id: SweepId) -> Result<Option<Sweep>> {
    Ok(visible(caller).filter(Column::Id.eq(id)).one(db.connection()).await?)
}

/// The sweep of that name in a project that the caller may see.
pub async fn find_named(db: &impl Source, project: ProjectId, name: &str) -> Result<Option<Sweep>> {
    let query = sweep::Entity::find().filter(Column::ProjectId.eq(project)).filter(Column::Name.eq(name));
    Ok(query.one(db.connection()).await?)
}

/// A sweep, locked until the transaction ends: whatever it gives out, it gives out once.
pub(super) async fn hold(tx: &WriteTx, id: SweepId) -> Result<Sweep> {
    let found = sweep::Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    found.ok_or_else(|| Error::not_found("sweep", id.to_node_id()))
}

/// A page of a project's sweeps that a filter means, newest first; `before` is the last one seen.
pub async fn list(
    db: &impl Source,
    project: ProjectId,
    filter: &RecordFilter<SweepField>,
    before: Option<SweepId>,
    limit: u64,
) -> Result<Vec<Sweep>> {
    // Plan: ix_sweep_listing.
    let mut query = sweep::Entity::find()
        .filter(Column::ProjectId.eq(project))
        .filter(filter.condition(db.connection().get_database_backend()))
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before));
    }
    Ok(query.all(db.connection()).await?)
}

/// How many sweeps a project has.
pub async fn count(db: &impl Source, project: ProjectId) -> Result<u64> {
    let query = sweep::Entity::find().filter(Column::ProjectId.eq(project));
    Ok(query.count(db.connection()).await?)
}

/// What the runs of a sweep come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromQueryResult)]
pub struct Totals {
    /// How many there are.
    pub runs: i64,
    least: Option<f64>,
    greatest: Option<f64>,
}

impl Totals {
    /// The best of the metric that a sweep goes by.
    pub fn best(&self, sweep: &Sweep) -> Option<f64> {
        if sweep.maximizes { self.greatest } else { self.least }
    }
}

/// What the runs of these sweeps come to, in one statement. Sweeps without runs are left out.
pub async fn get_totals(db: &impl Source, ids: &[SweepId]) -> Result<HashMap<SweepId, Totals>> {
    #[derive(FromQueryResult)]
    struct Of {
        id: SweepId,
        #[sea_orm(nested)]
        totals: Totals,
    }
    // Plan: the primary key of sweep, then ix_run_sweep, then the primary key of run_value.
    let sql = format!(
        "SELECT s.id, COUNT(*) AS runs, \
         MIN(CASE WHEN v.num > {LOWEST} THEN v.num END) AS least, MAX(CASE WHEN v.num > {LOWEST} THEN v.num END) AS greatest \
         FROM sweep s JOIN run r ON r.project_id = s.project_id AND r.sweep_name = s.name \
         AND r.lifecycle IN ('live', 'archived') \
         LEFT JOIN run_value v ON v.run_id = r.id AND v.scope = 2 AND v.path = s.metric \
         WHERE s.id = ANY($1) GROUP BY s.id"
    );
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = dialect::statement(db.connection(), sql, [dialect::list(ids)]);
    let found = Of::find_by_statement(statement).all(db.connection()).await?;
    Ok(found.into_iter().map(|of| (of.id, of.totals)).collect())
}

/// An object or a list has negative infinity for a number.
const LOWEST: &str = "-1.7e308";

/// An agent and its sweep.
pub(super) async fn find_with_sweep(
    db: &impl Source,
    caller: &Caller,
    id: AgentId,
) -> Result<Option<(Agent, Sweep)>> {
    let Some(found) = agent::Entity::find_by_id(id).one(db.connection()).await? else { return Ok(None) };
    Ok(find(db, caller, found.sweep_id).await?.map(|sweep| (found, sweep)))
}

/// The agent of a sweep by its name or its storage id.
pub async fn find_agent(db: &impl Source, sweep: SweepId, name: &str) -> Result<Option<Agent>> {
    let named = agent::Entity::find().filter(agent::Column::SweepId.eq(sweep));
    let query = match AgentId::from_node_id(name) {
        Some(id) => named.filter(agent::Column::Id.eq(id)),
        None => named.filter(agent::Column::Name.eq(name)),
    };
    Ok(query.one(db.connection()).await?)
}

/// The agents of a sweep, in the order in which they came.
pub async fn list_agents(db: &impl Source, sweep: SweepId) -> Result<Vec<Agent>> {
    let query = agent::Entity::find().filter(agent::Column::SweepId.eq(sweep));
    Ok(query.order_by_asc(agent::Column::Id).all(db.connection()).await?)
}

fn begun(agents: &[AgentId]) -> Select<sweep_run::Entity> {
    // Plan: ix_sweep_run_agent_id.
    sweep_run::Entity::find()
        .filter(sweep_run::Column::AgentId.is_in(agents.iter().copied()))
        .filter(sweep_run::Column::RunId.is_not_null())
}

/// How many runs each of these agents began. Those that began none are left out.
pub async fn count_runs_of_agents(db: &impl Source, agents: &[AgentId]) -> Result<HashMap<AgentId, i64>> {
    let rows: Vec<(AgentId, i64)> = begun(agents)
        .select_only()
        .column(sweep_run::Column::AgentId)
        .column_as(sweep_run::Column::Id.count(), "runs")
        .group_by(sweep_run::Column::AgentId)
        .into_tuple()
        .all(db.connection())
        .await?;
    Ok(rows.into_iter().collect())
}

/// A page of the runs that an agent began, oldest first; `after` is the last one seen.
pub async fn list_runs_of_agent(
    db: &impl Source,
    agent: AgentId,
    after: Option<RunId>,
    limit: u64,
) -> Result<Vec<Run>> {
    let mut query = begun(&[agent]).select_only().column(sweep_run::Column::RunId);
    if let Some(after) = after {
        query = query.filter(sweep_run::Column::RunId.gt(after));
    }
    let query = query.order_by_asc(sweep_run::Column::RunId).limit(limit);
    let ids: Vec<RunId> = query.into_tuple().all(db.connection()).await?;
    let mut runs = run::get_many(db, &ids).await?;
    Ok(ids.iter().filter_map(|id| runs.remove(id)).collect())
}
