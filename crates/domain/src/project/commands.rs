//! Making, describing and renaming projects.

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, NotSet, QueryFilter, Set};

use super::access::check_kind;
use super::queries::find_exact;
use super::{Access, Project, ProjectState, authorize, find, get, hold, manager, members, named};
use crate::account::{self, Caller, Role};
use crate::db::{Source, WriteTx};
use crate::entity::project::{self, Column};
use crate::entity::{entity, project_former_name as former_name};
use crate::error::{Error, Result};
use crate::id::{EntityId, ProjectId};

/// The project that has that name, made where there is none by who may write to its entity. True when it was made.
pub async fn ensure(
    tx: &WriteTx,
    caller: &Caller,
    entity_name: Option<&str>,
    name: Option<&str>,
) -> Result<(Project, bool)> {
    let owner = account::find_entity(tx, caller, entity_name)
        .await?
        .ok_or_else(|| Error::not_found("entity", entity_name.unwrap_or_default()))?;
    let name = named(name);
    if let Some(project) = find_exact(tx, caller, owner.id, name).await? {
        return Ok((project, false));
    }
    account::check_name("project", name)?;
    check_kind(owner.kind, "project", name)?;
    let fresh = project::ActiveModel {
        id: NotSet,
        entity_id: Set(owner.id),
        name: Set(name.to_owned()),
        description: Set(None),
        repo: Set(None),
        run_counter: Set(0),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        state: Set(ProjectState::Live),
        deleted_at: Set(None),
        access: Set(Access::Private),
        allows_all_artifact_types: Set(true),
        keeps_linked: Set(false),
    };
    // The index is partial, so the conflict is left unnamed.
    let inserted = project::Entity::insert(fresh)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    // What is there and not seen is restricted.
    let project = find_exact(tx, caller, owner.id, name).await?.ok_or_else(|| name_taken(name))?;
    if inserted == 1 {
        authorize(tx, caller, project.id, Role::Member).await?;
        if project.is_registry() {
            members::add_creator(tx, caller, project.id).await?;
        }
    }
    Ok((project, inserted == 1))
}

fn name_taken(name: &str) -> Error {
    Error::Precondition { code: "PROJECT_NAME_TAKEN", reason: format!("there is a project {name:?} already") }
}

/// Checks that a project of this owner may be called so.
pub(crate) async fn check_project_name(
    tx: &WriteTx,
    owner: EntityId,
    field: &'static str,
    name: &str,
) -> Result<()> {
    account::check_name(field, name)?;
    let owner = entity::Entity::find_by_id(owner).one(tx.connection()).await?;
    let owner = owner.ok_or_else(|| Error::internal("a project without its entity"))?;
    check_kind(owner.kind, field, name)
}

/// The project where a run of that path belongs: also the one that had this name before, if nobody has it now.
pub async fn ensure_for_run(
    tx: &WriteTx,
    caller: &Caller,
    entity_name: Option<&str>,
    name: Option<&str>,
) -> Result<Project> {
    if let Some(project) = find(tx, caller, entity_name, name).await? {
        return Ok(project);
    }
    Ok(ensure(tx, caller, entity_name, name).await?.0)
}

/// What there is to say about a project. `None` keeps what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// As its owner wrote it.
    pub description: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
    /// Who may see it.
    pub access: Option<Access>,
    /// Of a registry: whether it takes artifacts of every type.
    pub allows_all_artifact_types: Option<bool>,
    /// Whether versions that are linked to it cannot be deleted.
    pub keeps_linked: Option<bool>,
}

/// Changes what is given, keeps the rest. Who may see a project, and whether it keeps what is linked to it, only its
/// administrators change.
pub async fn describe(
    tx: &WriteTx,
    caller: &Caller,
    project: Project,
    words: Description,
) -> Result<Project> {
    if words == Description::default() {
        return Ok(project);
    }
    let changes_access = words.access.is_some_and(|access| access != project.access);
    let changes_keeping = words.keeps_linked.is_some_and(|keeps| keeps != project.keeps_linked);
    let least = if changes_access || changes_keeping { Role::Admin } else { manager(project.owner_kind) };
    authorize(tx, caller, project.id, least).await?;
    let mut row = held(tx, &project).await?.into_active_model();
    for (column, text) in [(&mut row.description, words.description), (&mut row.repo, words.repo)] {
        if text.is_some() {
            *column = Set(text);
        }
    }
    if let Some(access) = words.access {
        row.access = Set(access);
    }
    if let Some(all) = words.allows_all_artifact_types {
        row.allows_all_artifact_types = Set(all);
    }
    if let Some(keeps) = words.keeps_linked {
        row.keeps_linked = Set(keeps);
    }
    row.updated_at = Set(tx.now());
    row.update(tx.connection()).await?;
    get(tx, caller, project.id).await
}

/// Gives a project another name. `PROJECT_NAME_TAKEN` where another one has it. The old name leads to the project
/// until another one takes it, and the paths of its runs lead to them for ever, so that their writers go on.
pub async fn rename(tx: &WriteTx, caller: &Caller, project: &Project, name: &str) -> Result<Project> {
    authorize(tx, caller, project.id, manager(project.owner_kind)).await?;
    account::check_name("newProjectName", name)?;
    check_kind(project.owner_kind, "newProjectName", name)?;
    let row = held(tx, project).await?;
    if row.name != name {
        take_name(tx, &row, name).await?;
        let mut row = row.into_active_model();
        row.name = Set(name.to_owned());
        row.updated_at = Set(tx.now());
        row.update(tx.connection()).await?;
    }
    get(tx, caller, project.id).await
}

/// Makes sure that a live project may be called `name` from now on, and remembers what it is called so far.
pub(crate) async fn take_name(tx: &WriteTx, project: &project::Model, name: &str) -> Result<()> {
    if let Some(other) = holder(tx, project.entity_id, name).await?
        && other != project.id
    {
        return Err(name_taken(name));
    }
    if project.name == name {
        return Ok(());
    }
    former_name::Entity::delete_many()
        .filter(former_name::Column::EntityId.eq(project.entity_id))
        .filter(former_name::Column::Name.eq(name))
        .filter(former_name::Column::ProjectId.eq(project.id))
        .exec(tx.connection())
        .await?;
    let left = former_name::ActiveModel {
        entity_id: Set(project.entity_id),
        name: Set(project.name.clone()),
        project_id: Set(project.id),
        left_at: Set(tx.now()),
    };
    former_name::Entity::insert(left).exec_without_returning(tx.connection()).await?;
    Ok(())
}

async fn holder(tx: &WriteTx, owner: EntityId, name: &str) -> Result<Option<ProjectId>> {
    let found = project::Entity::find()
        .filter(Column::EntityId.eq(owner))
        .filter(Column::Name.eq(name))
        .filter(Column::State.eq(ProjectState::Live))
        .one(tx.connection())
        .await?;
    Ok(found.map(|project| project.id))
}

async fn held(tx: &WriteTx, project: &Project) -> Result<project::Model> {
    let held = hold(tx, &[project.id]).await?.remove(&project.id);
    held.ok_or_else(|| Error::not_found("project", &project.name))
}

/// The next number of a run in this project.
pub(crate) async fn next_run_number(tx: &WriteTx, project: &Project) -> Result<i64> {
    let rows = project::Entity::update_many()
        .col_expr(Column::RunCounter, Expr::col(Column::RunCounter).add(1))
        .filter(Column::Id.eq(project.id))
        .filter(Column::State.eq(ProjectState::Live))
        .exec_with_returning(tx.connection())
        .await?;
    let row: Option<&project::Model> = rows.first();
    row.map(|row| row.run_counter)
        .ok_or_else(|| Error::Conflict { reason: format!("project {} was deleted meanwhile", project.name) })
}
