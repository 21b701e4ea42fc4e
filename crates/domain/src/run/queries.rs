//! Reading runs. Every door is scoped to the caller, and to the runs that can be reached by name.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait as _, LockType, Order, Query, UnionType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, EntityTrait, FromQueryResult as _, JoinType, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait as _, RelationDef, Select,
};

use super::{Lifecycle, Run, RunDocument};
use crate::account::{Caller, Role};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::entity::project as project_entity;
use crate::entity::run::Column;
use crate::entity::{entity, run, run_alias, run_document};
use crate::error::{Error, Result};
use crate::id::RunId;
use crate::project::{self, Project, ProjectState};

/// What a project's state is called in a row of its run.
const PROJECT_STATE: &str = "project_state";

fn to_project() -> RelationDef {
    run::Entity::belongs_to(project_entity::Entity)
        .from(Column::ProjectId)
        .to(project_entity::Column::Id)
        .into()
}

pub(super) fn to_entity() -> RelationDef {
    project_entity::Entity::belongs_to(entity::Entity)
        .from(project_entity::Column::EntityId)
        .to(entity::Column::Id)
        .into()
}

/// Runs of projects that the caller may see, whatever became of either.
fn visible(caller: &Caller) -> Select<run::Entity> {
    run::Entity::find().join(JoinType::InnerJoin, to_project()).filter(project::visible_to(caller))
}

/// The same without those that went to the trash with their project.
pub(super) fn in_live_projects(caller: &Caller) -> Select<run::Entity> {
    visible(caller).filter(project_entity::Column::State.eq(ProjectState::Live))
}

fn is_reachable() -> sea_orm::sea_query::SimpleExpr {
    Column::Lifecycle.is_in([Lifecycle::Live, Lifecycle::Archived])
}

/// A run as it can be used: one that went with its project is as deleted as that.
fn with_project_state(row: &QueryResult) -> Result<Run> {
    let mut run = Run::from_query_result(row, "")?;
    let project: ProjectState = row.try_get("", PROJECT_STATE)?;
    if run.lifecycle.is_reachable() {
        run.lifecycle = match project {
            ProjectState::Live => run.lifecycle,
            ProjectState::Deleted => Lifecycle::Deleted,
            ProjectState::Purged => Lifecycle::Purged,
        };
    }
    Ok(run)
}

/// The run at `entity/project/name`, whatever became of it: in the project that has this name, in those that had it
/// before, or wherever the run moved to from one of these.
pub(super) async fn by_path(
    db: &impl Source,
    caller: &Caller,
    entity_name: Option<&str>,
    project_name: Option<&str>,
    name: &str,
) -> Result<Option<Run>> {
    let holders = || project::holders(caller, entity_name, project_name);
    let holder = |column: &'static str| Expr::col(("holder", column));
    // Plan: ux_run_project_id_name, and the primary key of run_alias, once per holder.
    let mut there = Query::select();
    there
        .expr_as(Expr::col((run::Entity, Column::Id)), "run_id")
        .expr_as(holder("until"), "until")
        .from_subquery(holders(), "holder")
        .inner_join(run::Entity, holder("project_id").equals((run::Entity, Column::ProjectId)))
        .and_where(Column::Name.eq(name));
    let mut moved = Query::select();
    moved
        .expr_as(Expr::col((run_alias::Entity, run_alias::Column::RunId)), "run_id")
        .expr_as(holder("until"), "until")
        .from_subquery(holders(), "holder")
        .inner_join(
            run_alias::Entity,
            holder("project_id").equals((run_alias::Entity, run_alias::Column::ProjectId)),
        )
        .and_where(run_alias::Column::Name.eq(name));
    let found = there.union(UnionType::All, moved).take();
    let is_found = Expr::col(("found", "run_id")).equals((run::Entity, Column::Id));
    let mut query = visible(caller).column_as(project_entity::Column::State, PROJECT_STATE).into_query();
    query
        .join_subquery(JoinType::InnerJoin, found, "found", is_found)
        .order_by(("found", "until"), Order::Desc)
        .order_by((run::Entity, Column::Id), Order::Desc)
        .limit(1);
    let row = db.connection().query_one(&query).await?;
    row.as_ref().map(with_project_state).transpose()
}

/// The run called `name` in `project`, if it can be reached.
pub async fn find(db: &impl Source, caller: &Caller, project: &Project, name: &str) -> Result<Option<Run>> {
    let found = by_path(db, caller, Some(&project.entity_name), Some(&project.name), name).await?;
    Ok(found.filter(|run| run.lifecycle.is_reachable()))
}

/// The run at `entity/project/name`, for the routes that name it so. `RunDeleted` when its id is used up.
pub async fn resolve(
    db: &impl Source,
    caller: &Caller,
    entity_name: &str,
    project_name: &str,
    name: &str,
) -> Result<Run> {
    let path = || format!("{entity_name}/{project_name}/{name}");
    let found = by_path(db, caller, Some(entity_name), Some(project_name), name).await?;
    let found = found.ok_or_else(|| Error::not_found("run", path()))?;
    if found.lifecycle.is_reachable() { Ok(found) } else { Err(Error::RunDeleted { path: path() }) }
}

/// The same, for who may write to it.
pub async fn resolve_to_write(
    db: &impl Source,
    caller: &Caller,
    entity_name: &str,
    project_name: &str,
    name: &str,
) -> Result<Run> {
    let found = resolve(db, caller, entity_name, project_name, name).await?;
    project::authorize(db, caller, found.project_id, Role::Member).await?;
    Ok(found)
}

/// The run at a path, if it can be reached.
pub async fn find_by_path(
    db: &impl Source,
    caller: &Caller,
    entity_name: Option<&str>,
    project_name: Option<&str>,
    name: &str,
) -> Result<Option<Run>> {
    let found = by_path(db, caller, entity_name, project_name, name).await?;
    Ok(found.filter(|run| run.lifecycle.is_reachable()))
}

/// A run by storage id, if it can be reached.
pub async fn find_by_id(db: &impl Source, caller: &Caller, id: RunId) -> Result<Option<Run>> {
    Ok(in_live_projects(caller).filter(Column::Id.eq(id)).filter(is_reachable()).one(db.connection()).await?)
}

/// A run by storage id, also in the trash; a tombstone is none.
pub async fn find_including_deleted(db: &impl Source, caller: &Caller, id: RunId) -> Result<Option<Run>> {
    let query = in_live_projects(caller).filter(Column::Id.eq(id));
    Ok(query.filter(Column::Lifecycle.ne(Lifecycle::Purged)).one(db.connection()).await?)
}

/// The same, of many.
pub(crate) async fn find_many_including_deleted(
    db: &impl Source,
    caller: &Caller,
    ids: &[RunId],
) -> Result<HashMap<RunId, Run>> {
    let query = in_live_projects(caller).filter(Column::Id.is_in(ids.iter().copied()));
    let found = query.filter(Column::Lifecycle.ne(Lifecycle::Purged)).all(db.connection()).await?;
    Ok(found.into_iter().map(|run| (run.id, run)).collect())
}

/// A run by storage id, whatever became of it.
pub(super) async fn find_including_purged(
    db: &impl Source,
    caller: &Caller,
    id: RunId,
) -> Result<Option<Run>> {
    Ok(visible(caller).filter(Column::Id.eq(id)).one(db.connection()).await?)
}

/// Runs by id that can be reached, for lists whose owner was checked.
pub async fn get_many(db: &impl Source, ids: &[RunId]) -> Result<HashMap<RunId, Run>> {
    let query = run::Entity::find().filter(Column::Id.is_in(ids.iter().copied())).filter(is_reachable());
    Ok(query.all(db.connection()).await?.into_iter().map(|run| (run.id, run)).collect())
}

/// Config, summary and system metrics of runs.
pub async fn get_documents(db: &impl Source, ids: &[RunId]) -> Result<HashMap<RunId, RunDocument>> {
    let query = run_document::Entity::find().filter(run_document::Column::RunId.is_in(ids.iter().copied()));
    Ok(query.all(db.connection()).await?.into_iter().map(|row| (row.run_id, row)).collect())
}

/// A page of the trash of the caller's projects, last deleted first; `after` is the last one seen.
pub async fn list_trash(
    db: &impl Source,
    caller: &Caller,
    entity_name: Option<&str>,
    after: Option<(Timestamp, RunId)>,
    limit: u64,
) -> Result<Vec<Run>> {
    let mut query = in_live_projects(caller)
        .filter(Column::Lifecycle.eq(Lifecycle::Deleted))
        .order_by_desc(Column::DeletedAt)
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(entity_name) = entity_name {
        query = query.join(JoinType::InnerJoin, to_entity()).filter(entity::Column::Name.eq(entity_name));
    }
    if let Some((deleted_at, id)) = after {
        query = query.filter(
            Condition::any()
                .add(Column::DeletedAt.lt(deleted_at))
                .add(Condition::all().add(Column::DeletedAt.eq(deleted_at)).add(Column::Id.lt(id))),
        );
    }
    Ok(query.all(db.connection()).await?)
}

/// A run by id, locked until the transaction ends: what was seen of it before may have changed, and from here on
/// cannot.
pub(crate) async fn hold(tx: &WriteTx, id: RunId) -> Result<Run> {
    let held = load_for_update(tx, &[id]).await?.remove(&id);
    held.ok_or_else(|| Error::not_found("run", id.to_node_id()))
}

/// The same, of one that can be reached; `RunDeleted` when it no longer can.
pub(crate) async fn hold_reachable(tx: &WriteTx, id: RunId) -> Result<Run> {
    let held = hold(tx, id).await?;
    if held.lifecycle.is_reachable() {
        return Ok(held);
    }
    Err(Error::RunDeleted { path: path_of(tx, &held).await? })
}

/// Runs by id, locked until the transaction ends. `SQLite` has one writer and needs no lock; the order keeps two
/// servers on `PostgreSQL` from waiting for each other in a circle.
pub(crate) async fn load_for_update(tx: &WriteTx, ids: &[RunId]) -> Result<HashMap<RunId, Run>> {
    let mut query = run::Entity::find()
        .join(JoinType::InnerJoin, to_project())
        .column_as(project_entity::Column::State, PROJECT_STATE)
        .filter(Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(Column::Id)
        .into_query();
    query.lock_with_tables(LockType::Update, [run::Entity]);
    let rows = tx.connection().query_all(&query).await?;
    let runs = rows.iter().map(with_project_state).collect::<Result<Vec<_>>>()?;
    Ok(runs.into_iter().map(|run| (run.id, run)).collect())
}

/// The same, each as it would be if its project were not deleted.
pub(crate) async fn load_apart_from_project(tx: &WriteTx, ids: &[RunId]) -> Result<HashMap<RunId, Run>> {
    let query = run::Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(Column::Id)
        .lock_exclusive();
    Ok(query.all(tx.connection()).await?.into_iter().map(|run| (run.id, run)).collect())
}

/// `entity/project/run`, for messages.
pub(crate) async fn path_of(db: &impl Source, run: &Run) -> Result<String> {
    let project = project_entity::Entity::find_by_id(run.project_id).one(db.connection()).await?;
    let project = project.ok_or_else(|| Error::internal("a run without its project"))?;
    let owner = entity::Entity::find_by_id(project.entity_id).one(db.connection()).await?;
    let owner = owner.ok_or_else(|| Error::internal("a project without its entity"))?;
    Ok(format!("{}/{}/{}", owner.name, project.name, run.name))
}
