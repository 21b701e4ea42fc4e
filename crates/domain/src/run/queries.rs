//! Reading runs. Every door is scoped to the caller, and to the runs that can be reached by name.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef, Select,
};

use super::{Lifecycle, Run, RunDocument};
use crate::account::Caller;
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::entity::run::Column;
use crate::entity::{entity, project, run, run_document};
use crate::error::{Error, Result};
use crate::id::{ProjectId, RunId};

fn to_project() -> RelationDef {
    run::Entity::belongs_to(project::Entity).from(Column::ProjectId).to(project::Column::Id).into()
}

fn to_entity() -> RelationDef {
    project::Entity::belongs_to(entity::Entity).from(project::Column::EntityId).to(entity::Column::Id).into()
}

/// Runs of projects that the caller may see, whatever their lifecycle.
fn visible(caller: &Caller) -> Select<run::Entity> {
    run::Entity::find()
        .join(JoinType::InnerJoin, to_project())
        .filter(project::Column::EntityId.is_in(caller.entities()))
}

fn is_reachable() -> sea_orm::sea_query::SimpleExpr {
    Column::Lifecycle.is_in([Lifecycle::Live, Lifecycle::Archived])
}

/// The run called `name` in a project that the caller was already let into.
pub async fn find(db: &impl Source, project: ProjectId, name: &str) -> Result<Option<Run>> {
    Ok(run::Entity::find()
        .filter(Column::ProjectId.eq(project))
        .filter(Column::Name.eq(name))
        .filter(is_reachable())
        .one(db.connection())
        .await?)
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
    let found = visible(caller)
        .join(JoinType::InnerJoin, to_entity())
        .filter(entity::Column::Name.eq(entity_name))
        .filter(project::Column::Name.eq(project_name))
        .filter(Column::Name.eq(name))
        .one(db.connection())
        .await?
        .ok_or_else(|| Error::not_found("run", path()))?;
    if found.lifecycle.is_reachable() { Ok(found) } else { Err(Error::RunDeleted { path: path() }) }
}

/// A run by storage id, if it can be reached.
pub async fn find_by_id(db: &impl Source, caller: &Caller, id: RunId) -> Result<Option<Run>> {
    Ok(visible(caller).filter(Column::Id.eq(id)).filter(is_reachable()).one(db.connection()).await?)
}

/// A run by storage id, also in the trash; a tombstone is none.
pub async fn find_including_deleted(db: &impl Source, caller: &Caller, id: RunId) -> Result<Option<Run>> {
    let query = visible(caller).filter(Column::Id.eq(id)).filter(Column::Lifecycle.ne(Lifecycle::Purged));
    Ok(query.one(db.connection()).await?)
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
    let mut query = visible(caller)
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

/// Runs by id, locked until the transaction ends. `SQLite` has one writer and needs no lock; the order keeps two
/// servers on `PostgreSQL` from waiting for each other in a circle.
pub(crate) async fn load_for_update(tx: &WriteTx, ids: &[RunId]) -> Result<HashMap<RunId, Run>> {
    let query = run::Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(Column::Id)
        .lock_exclusive();
    Ok(query.all(tx.connection()).await?.into_iter().map(|run| (run.id, run)).collect())
}

/// `entity/project/run`, for messages.
pub(crate) async fn path_of(db: &impl Source, run: &Run) -> Result<String> {
    let project = project::Entity::find_by_id(run.project_id).one(db.connection()).await?;
    let project = project.ok_or_else(|| Error::internal("a run without its project"))?;
    let owner = entity::Entity::find_by_id(project.entity_id).one(db.connection()).await?;
    let owner = owner.ok_or_else(|| Error::internal("a project without its entity"))?;
    Ok(format!("{}/{}/{}", owner.name, project.name, run.name))
}
