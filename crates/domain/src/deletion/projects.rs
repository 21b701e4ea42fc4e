//! Deleting and restoring projects. A project goes and comes back as a whole: its runs stay as they are, and are
//! unreachable as long as it is not live.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait as _, QueryFilter, Set,
};

use super::records::Growth;
use super::{Deletion, DeletionKind, DeletionState, Wish, WithRuns, deadline_passed, records};
use crate::account::Caller;
use crate::audit::{self, Act, Action, Topic};
use crate::db::{Source as _, WriteTx};
use crate::entity::{entity, project as project_entity, run};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::ProjectId;
use crate::job::{self, JobKind};
use crate::project::{self, Project, ProjectState};
use crate::retention::Retention;
use crate::run::Lifecycle;

/// Deletes a project and all that is in it: unreachable at once, its name free at once, restorable until the deadline
/// that is fixed here. Deleting it again answers with the same deletion.
pub async fn delete_project(
    tx: &WriteTx,
    caller: &Caller,
    id: ProjectId,
    reason: Option<String>,
    retention: Retention,
) -> Result<Deletion> {
    authorize(tx, caller, id).await?;
    hold::check(tx, Target::Project(id)).await?;
    let held = lock(tx, caller, id).await?;
    match held.state {
        ProjectState::Live => {}
        ProjectState::Deleted => return records::pending_of_project(tx, id).await,
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
    let purge_after = tx.now().after(retention.of_project(tx, id).await?.trash);
    let runs = i64::try_from(runs).map_err(Error::internal)?;
    let counts = [("runs", runs)];
    let act = Act::by(caller.user_id, Action::Delete).because(reason.as_deref()).with(&counts);
    audit::record(tx, act, Topic::Project(id)).await?;
    let all = WithRuns { artifacts: true, ..WithRuns::default() };
    let wish = Wish { with: all, reason, plan_id: None };
    let record =
        records::open(tx, DeletionKind::Project, caller.user_id, id, &wish, None, purge_after).await?;
    records::grow(tx, &record.id, Growth { runs, ..Growth::default() }, purge_after).await?;
    records::get(tx, &record.id).await
}

/// That there is such a project, and that the caller may delete and restore it.
async fn authorize(tx: &WriteTx, caller: &Caller, id: ProjectId) -> Result<()> {
    let found = project::find_any(tx, caller, id).await?;
    let found = found.ok_or_else(|| Error::not_found("project", id.to_node_id()))?;
    let owner = entity::Entity::find_by_id(found.entity_id).one(tx.connection()).await?;
    let owner = owner.ok_or_else(|| Error::internal("a project without its entity"))?;
    project::authorize(tx, caller, id, project::manager(owner.kind)).await
}

/// The project, locked, for who may delete and restore it.
async fn lock(tx: &WriteTx, caller: &Caller, id: ProjectId) -> Result<project_entity::Model> {
    authorize(tx, caller, id).await?;
    project::hold_any(tx, caller, id).await
}

/// Brings a project back from the trash with all that went with it, under `name` where one is given. Of no effect on a
/// live one. `PROJECT_NAME_TAKEN` when another project has the name by now, `DEADLINE_PASSED` when it is too late.
pub async fn restore_project(
    tx: &WriteTx,
    caller: &Caller,
    id: ProjectId,
    name: Option<&str>,
) -> Result<Project> {
    let row = lock(tx, caller, id).await?;
    match row.state {
        ProjectState::Live => return project::get(tx, caller, id).await,
        ProjectState::Deleted => {}
        ProjectState::Purged => return Err(Error::not_found("project", id.to_node_id())),
    }
    let deletion = records::pending_of_project(tx, id).await?;
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
    records::end(tx, &deletion.id, DeletionState::Restored).await?;
    audit::record(tx, Act::by(caller.user_id, Action::Restore), Topic::Project(id)).await?;
    job::cancel(tx, &JobKind::PurgeDeletion { deletion_id: deletion.id }).await?;
    project::get(tx, caller, id).await
}
