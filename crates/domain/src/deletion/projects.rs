//! Deleting and restoring projects. A project goes and comes back as a whole: its runs stay as they are, and are
//! unreachable as long as it is not live.

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, FromQueryResult, IntoActiveModel, JoinType,
    PaginatorTrait as _, QueryFilter, QueryOrder, QuerySelect, RelationDef, Select, Set,
};

use super::DeletionState;
use super::commands::deadline_passed;
use crate::account::Caller;
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::entity::project_deletion::{self, Column};
use crate::entity::{entity, project as project_entity, run};
use crate::error::{Error, Result};
use crate::id::{ProjectId, UserId};
use crate::job::{self, JobKind};
use crate::project::{self, Project, ProjectState};
use crate::run::Lifecycle;

/// The deletion of a project, with the name that the project had.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct ProjectDeletion {
    /// UUID.
    pub id: String,
    /// The project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// Its owner's name.
    pub entity_name: String,
    /// Who asked for it.
    pub user_id: UserId,
    /// Where it stands.
    pub state: DeletionState,
    /// Free text.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when it can be undone.
    pub purge_after: Timestamp,
    /// When it was undone or completed.
    pub ended_at: Option<Timestamp>,
    /// Runs, live and archived, that went with the project.
    pub run_count: i64,
}

/// Deletions of projects that are the caller's, and not purged.
fn visible(caller: &Caller) -> Select<project_deletion::Entity> {
    let project: RelationDef = project_deletion::Entity::belongs_to(project_entity::Entity)
        .from(Column::ProjectId)
        .to(project_entity::Column::Id)
        .into();
    let owner: RelationDef = project_entity::Entity::belongs_to(entity::Entity)
        .from(project_entity::Column::EntityId)
        .to(entity::Column::Id)
        .into();
    project_deletion::Entity::find()
        .join(JoinType::InnerJoin, project)
        .join(JoinType::InnerJoin, owner)
        .column_as(project_entity::Column::Name, "project_name")
        .column_as(entity::Column::Name, "entity_name")
        .filter(project::visible_to(caller))
        .filter(Column::State.eq(DeletionState::Pending))
        .filter(project_entity::Column::State.eq(ProjectState::Deleted))
}

/// A page of the projects in the trash, last deleted first; `after` is the last one seen.
pub async fn list_projects(
    db: &impl Source,
    caller: &Caller,
    entity_name: Option<&str>,
    after: Option<(Timestamp, String)>,
    limit: u64,
) -> Result<Vec<ProjectDeletion>> {
    // Plan: ix_project_deletion_trash.
    let mut query = visible(caller).order_by_desc(Column::RequestedAt).order_by_desc(Column::Id).limit(limit);
    if let Some(entity_name) = entity_name {
        query = query.filter(entity::Column::Name.eq(entity_name));
    }
    if let Some((requested_at, id)) = after {
        query = query.filter(
            Condition::any()
                .add(Column::RequestedAt.lt(requested_at))
                .add(Condition::all().add(Column::RequestedAt.eq(requested_at)).add(Column::Id.lt(id))),
        );
    }
    Ok(query.into_model().all(db.connection()).await?)
}

/// The deletion that a project is in the trash by.
async fn pending(db: &impl Source, caller: &Caller, id: ProjectId) -> Result<ProjectDeletion> {
    let query = visible(caller).filter(Column::ProjectId.eq(id));
    let found = query.into_model().one(db.connection()).await?;
    found.ok_or_else(|| Error::internal("a deleted project without its deletion"))
}

/// Deletes a project and all that is in it: unreachable at once, its name free at once, restorable until the deadline
/// that is fixed here. Deleting it again answers with the same deletion.
pub async fn delete_project(
    tx: &WriteTx,
    caller: &Caller,
    id: ProjectId,
    reason: Option<String>,
    trash: std::time::Duration,
) -> Result<ProjectDeletion> {
    let held = hold(tx, caller, id).await?;
    match held.state {
        ProjectState::Live => {}
        ProjectState::Deleted => return pending(tx, caller, id).await,
        ProjectState::Purged => return Err(Error::not_found("project", id.to_node_id())),
    }
    let mut row = held.into_active_model();
    row.state = Set(ProjectState::Deleted);
    row.deleted_at = Set(Some(tx.now()));
    row.update(tx.connection()).await?;
    // Plan: ix_run_listing.
    let runs = run::Entity::find()
        .filter(run::Column::ProjectId.eq(id))
        .filter(run::Column::Lifecycle.is_in([Lifecycle::Live, Lifecycle::Archived]))
        .count(tx.connection())
        .await?;
    let purge_after = tx.now().after(trash);
    let record = project_deletion::ActiveModel {
        id: Set(tx.env().uuid().to_string()),
        project_id: Set(id),
        user_id: Set(caller.user_id),
        state: Set(DeletionState::Pending),
        reason: Set(reason),
        requested_at: Set(tx.now()),
        purge_after: Set(purge_after),
        ended_at: Set(None),
        run_count: Set(i64::try_from(runs).map_err(Error::internal)?),
    };
    let record = record.insert(tx.connection()).await?;
    let purge = JobKind::PurgeProject { project_id: id, deletion_id: record.id };
    job::enqueue(tx, &purge, purge_after).await?;
    pending(tx, caller, id).await
}

/// The project, locked, for who may delete and restore it.
async fn hold(tx: &WriteTx, caller: &Caller, id: ProjectId) -> Result<project_entity::Model> {
    let held = project::hold_any(tx, caller, id).await?;
    let owner = entity::Entity::find_by_id(held.entity_id).one(tx.connection()).await?;
    let owner = owner.ok_or_else(|| Error::internal("a project without its entity"))?;
    project::authorize(tx, caller, id, project::manager(owner.kind)).await?;
    Ok(held)
}

/// Brings a project back from the trash with all that went with it, under `name` where one is given. Of no effect on a
/// live one. `PROJECT_NAME_TAKEN` when another project has the name by now, `DEADLINE_PASSED` when it is too late.
pub async fn restore_project(
    tx: &WriteTx,
    caller: &Caller,
    id: ProjectId,
    name: Option<&str>,
) -> Result<Project> {
    let row = hold(tx, caller, id).await?;
    match row.state {
        ProjectState::Live => return project::get(tx, caller, id).await,
        ProjectState::Deleted => {}
        ProjectState::Purged => return Err(Error::not_found("project", id.to_node_id())),
    }
    let deletion = pending(tx, caller, id).await?;
    if deletion.purge_after <= tx.now() {
        return Err(deadline_passed("project"));
    }
    let name = name.unwrap_or(&row.name).to_owned();
    project::check_project_name(tx, row.entity_id, "name", &name).await?;
    project::take_name(tx, &row, &name).await?;
    let mut row = row.into_active_model();
    row.name = Set(name);
    row.state = Set(ProjectState::Live);
    row.deleted_at = Set(None);
    row.update(tx.connection()).await?;
    project_deletion::Entity::update_many()
        .col_expr(Column::State, Expr::val(DeletionState::Restored))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(&deletion.id).and(Column::State.eq(DeletionState::Pending)))
        .exec(tx.connection())
        .await?;
    job::cancel(tx, &JobKind::PurgeProject { project_id: id, deletion_id: deletion.id }).await?;
    project::get(tx, caller, id).await
}
