//! Reading projects. Every door is scoped to the caller, and to live projects.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait as _, Order};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, EntityTrait, FromQueryResult as _, JoinType, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait as _, RelationDef, Select,
};

use super::{Project, ProjectState, holders, visible_to};
use crate::account::Caller;
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::entity::project::Column;
use crate::entity::{entity, project};
use crate::error::{Error, Result};
use crate::id::{EntityId, ProjectId};

fn with_owner() -> Select<project::Entity> {
    let owner: RelationDef =
        project::Entity::belongs_to(entity::Entity).from(Column::EntityId).to(entity::Column::Id).into();
    project::Entity::find()
        .join(JoinType::InnerJoin, owner)
        .column_as(entity::Column::Name, "entity_name")
        .column_as(entity::Column::Kind, "owner_kind")
}

/// Projects that the caller may see, whatever their state.
fn visible(caller: &Caller) -> Select<project::Entity> {
    with_owner().filter(visible_to(caller))
}

fn live(caller: &Caller) -> Select<project::Entity> {
    visible(caller).filter(Column::State.eq(ProjectState::Live))
}

/// The project of that name, if the caller may see it; also by a name that it had before and that no other project
/// has taken since. No entity: the caller's own; no name: the default one.
pub async fn find(
    db: &impl Source,
    caller: &Caller,
    entity_name: Option<&str>,
    name: Option<&str>,
) -> Result<Option<Project>> {
    let mut query = visible(caller).into_query();
    let holds = Expr::col(("holder", "project_id")).equals((project::Entity, Column::Id));
    query
        .join_subquery(JoinType::InnerJoin, holders(caller, entity_name, name), "holder", holds)
        .order_by(("holder", "until"), Order::Desc)
        .order_by((project::Entity, Column::Id), Order::Desc)
        .limit(1);
    let Some(row) = db.connection().query_one(&query).await? else { return Ok(None) };
    let state: ProjectState = row.try_get("", "state")?;
    Ok(if state == ProjectState::Live { Some(Project::from_query_result(&row, "")?) } else { None })
}

/// The project that has this very name now.
pub(super) async fn find_exact(
    db: &impl Source,
    caller: &Caller,
    owner: EntityId,
    name: &str,
) -> Result<Option<Project>> {
    let query = live(caller).filter(Column::EntityId.eq(owner)).filter(Column::Name.eq(name));
    Ok(query.into_model().one(db.connection()).await?)
}

/// The project of that id.
pub async fn get(db: &impl Source, caller: &Caller, id: ProjectId) -> Result<Project> {
    let found = get_many(db, caller, &[id]).await?.remove(&id);
    found.ok_or_else(|| Error::not_found("project", id.to_node_id()))
}

/// Projects by id, those the caller may see.
pub async fn get_many(
    db: &impl Source,
    caller: &Caller,
    ids: &[ProjectId],
) -> Result<HashMap<ProjectId, Project>> {
    let query = live(caller).filter(Column::Id.is_in(ids.iter().copied()));
    let rows: Vec<Project> = query.into_model().all(db.connection()).await?;
    Ok(rows.into_iter().map(|project| (project.id, project)).collect())
}

/// A page of an entity's projects, newest first; `after` is the last one seen.
pub async fn list(
    db: &impl Source,
    caller: &Caller,
    owner: EntityId,
    after: Option<(Timestamp, ProjectId)>,
    limit: u64,
) -> Result<Vec<Project>> {
    // Plan: ix_project_listing.
    let mut query = live(caller)
        .filter(Column::EntityId.eq(owner))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some((created_at, id)) = after {
        query = query.filter(
            Condition::any()
                .add(Column::CreatedAt.lt(created_at))
                .add(Condition::all().add(Column::CreatedAt.eq(created_at)).add(Column::Id.lt(id))),
        );
    }
    Ok(query.into_model().all(db.connection()).await?)
}

/// The names of projects' owners and of the projects, whatever became of them, for what was found through its door.
pub async fn get_names(db: &impl Source, ids: &[ProjectId]) -> Result<HashMap<ProjectId, (String, String)>> {
    let query = with_owner()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .select_only()
        .column(Column::Id)
        .column_as(entity::Column::Name, "owner")
        .column(Column::Name);
    let rows: Vec<(ProjectId, String, String)> = query.into_tuple().all(db.connection()).await?;
    Ok(rows.into_iter().map(|(id, owner, name)| (id, (owner, name))).collect())
}

/// The project of that id, for work that nobody waits for: whoever asked for it was let in then.
pub(crate) async fn find_live(db: &impl Source, id: ProjectId) -> Result<Option<Project>> {
    let query = with_owner().filter(Column::Id.eq(id)).filter(Column::State.eq(ProjectState::Live));
    Ok(query.into_model().one(db.connection()).await?)
}

/// The live project with the next id, of one owner or of any, for the same work.
pub(crate) async fn next_live(
    db: &impl Source,
    owner: Option<EntityId>,
    after: ProjectId,
) -> Result<Option<Project>> {
    // Plan: the primary key.
    let mut query = with_owner().filter(Column::State.eq(ProjectState::Live)).filter(Column::Id.gt(after));
    if let Some(owner) = owner {
        query = query.filter(Column::EntityId.eq(owner));
    }
    Ok(query.order_by_asc(Column::Id).into_model().one(db.connection()).await?)
}

/// Projects by id, locked until the transaction ends, in the order of their ids; those that are still live. Nobody
/// creates runs in them, renames or deletes them meanwhile.
pub(crate) async fn hold(tx: &WriteTx, ids: &[ProjectId]) -> Result<HashMap<ProjectId, project::Model>> {
    let query = project::Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::State.eq(ProjectState::Live))
        .order_by_asc(Column::Id)
        .lock_exclusive();
    Ok(query.all(tx.connection()).await?.into_iter().map(|project| (project.id, project)).collect())
}

/// The project of that id, whatever its state.
pub(crate) async fn find_any(
    db: &impl Source,
    caller: &Caller,
    id: ProjectId,
) -> Result<Option<project::Model>> {
    Ok(project::Entity::find_by_id(id).filter(visible_to(caller)).one(db.connection()).await?)
}

/// The project of that id, whatever its state, locked until the transaction ends.
pub(crate) async fn hold_any(tx: &WriteTx, caller: &Caller, id: ProjectId) -> Result<project::Model> {
    let query = project::Entity::find_by_id(id).filter(visible_to(caller)).lock_exclusive();
    let found = query.one(tx.connection()).await?;
    found.ok_or_else(|| Error::not_found("project", id.to_node_id()))
}
