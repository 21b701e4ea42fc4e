//! Projects.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, FromQueryResult, IntoActiveModel, JoinType,
    NotSet, QueryFilter, QueryOrder, QuerySelect, Select, Set,
};

use crate::account::{self, Caller};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::entity;
use crate::entity::project::Column;
use crate::error::{Error, Result};
use crate::id::{EntityId, ProjectId};

/// Where runs go when no project is named (protocol reference 5.1).
const DEFAULT_NAME: &str = "uncategorized";

/// A project with the name of its owner.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Project {
    /// Storage id.
    pub id: ProjectId,
    /// Its owner.
    pub entity_id: EntityId,
    /// The owner's name.
    pub entity_name: String,
    /// Unique in its entity; case matters.
    pub name: String,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

fn select(caller: &Caller) -> Select<entity::project::Entity> {
    let owner: sea_orm::RelationDef = entity::project::Entity::belongs_to(entity::entity::Entity)
        .from(Column::EntityId)
        .to(entity::entity::Column::Id)
        .into();
    entity::project::Entity::find()
        .join(JoinType::InnerJoin, owner)
        .column_as(entity::entity::Column::Name, "entity_name")
        .filter(Column::EntityId.is_in(caller.entities()))
}

/// The project of that name, if the caller may see it. No entity: the caller's own; no name: the default one.
pub async fn find(
    db: &impl Source,
    caller: &Caller,
    entity_name: Option<&str>,
    name: Option<&str>,
) -> Result<Option<Project>> {
    let mut query = select(caller).filter(Column::Name.eq(named(name)));
    query = match entity_name {
        Some(entity_name) if !entity_name.is_empty() => {
            query.filter(entity::entity::Column::Name.eq(entity_name))
        }
        _ => query.filter(Column::EntityId.eq(caller.entity_id)),
    };
    Ok(query.into_model().one(db.connection()).await?)
}

/// Projects by id, those the caller may see.
pub async fn get_many(
    db: &impl Source,
    caller: &Caller,
    ids: &[ProjectId],
) -> Result<HashMap<ProjectId, Project>> {
    let query = select(caller).filter(Column::Id.is_in(ids.iter().copied()));
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
    let mut query = select(caller)
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

/// The project of that name, made where it does not exist. True when it was made.
pub async fn ensure(
    tx: &WriteTx,
    caller: &Caller,
    entity_name: Option<&str>,
    name: Option<&str>,
) -> Result<(Project, bool)> {
    if let Some(project) = find(tx, caller, entity_name, name).await? {
        return Ok((project, false));
    }
    let owner = account::find_entity(tx, caller, entity_name)
        .await?
        .ok_or_else(|| Error::not_found("entity", entity_name.unwrap_or_default()))?;
    let name = named(name);
    account::check_name("project", name)?;
    let fresh = entity::project::ActiveModel {
        id: NotSet,
        entity_id: Set(owner.id),
        name: Set(name.to_owned()),
        description: Set(None),
        repo: Set(None),
        run_counter: Set(0),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    let inserted = entity::project::Entity::insert(fresh)
        .on_conflict(OnConflict::columns([Column::EntityId, Column::Name]).do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    let project = find(tx, caller, Some(&owner.name), Some(name))
        .await?
        .ok_or_else(|| Error::internal("a project vanished while it was made"))?;
    Ok((project, inserted == 1))
}

/// Words about a project. `None` keeps what is there.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// As its owner wrote it.
    pub description: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
}

/// Changes what is given, keeps the rest.
pub async fn describe(tx: &WriteTx, project: Project, words: Description) -> Result<Project> {
    if words.description.is_none() && words.repo.is_none() {
        return Ok(project);
    }
    let row = entity::project::Entity::find_by_id(project.id).one(tx.connection()).await?;
    let mut row = row.ok_or_else(|| Error::not_found("project", &project.name))?.into_active_model();
    for (column, text) in [(&mut row.description, words.description), (&mut row.repo, words.repo)] {
        if text.is_some() {
            *column = Set(text);
        }
    }
    row.updated_at = Set(tx.now());
    let row = row.update(tx.connection()).await?;
    Ok(Project { description: row.description, repo: row.repo, updated_at: row.updated_at, ..project })
}

/// The next number of a run in this project.
pub(crate) async fn next_run_number(tx: &WriteTx, project: ProjectId) -> Result<i64> {
    let rows = entity::project::Entity::update_many()
        .col_expr(Column::RunCounter, Expr::col(Column::RunCounter).add(1))
        .filter(Column::Id.eq(project))
        .exec_with_returning(tx.connection())
        .await?;
    let row: Option<&entity::project::Model> = rows.first();
    row.map(|row| row.run_counter).ok_or_else(|| Error::not_found("project", project.to_string()))
}

fn named(name: Option<&str>) -> &str {
    name.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_NAME)
}
