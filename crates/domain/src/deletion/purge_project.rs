//! A deleted project whose deadline has passed: first the project becomes its tombstone, then, in as many steps as it
//! takes, each of its runs and of its artifacts. What stays keeps the run ids taken. Runs that were in the trash before keep their own
//! deadlines and their own purges.

use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::purge::{bury, remove_children};
use super::{Deletion, DeletionState, Purge, records};
use crate::artifact;
use crate::audit::{self, Act, Action, SubjectKind, Topic};
use crate::db::{Source as _, WriteTx};
use crate::entity::{deletion, project, run};
use crate::error::{Error, Result};
use crate::hold::{self, HoldKind, Target};
use crate::id::{ProjectId, RunId};
use crate::job::JobKind;
use crate::project::{ProjectState, remove_all_members};
use crate::receipt;
use crate::retention;
use crate::run::{self as runs, Lifecycle};
use crate::sweep;

/// Runs that one transaction buries, if their rows are few.
const RUNS: u64 = 100;

/// One transaction of the purge of a project whose deadline has passed.
pub(super) async fn step(tx: &WriteTx, record: &Deletion) -> Result<Purge> {
    let project_id = record.project_id;
    if record.purge_after > tx.now() {
        return Ok(Purge::NotBefore(record.purge_after));
    }
    let job = JobKind::PurgeDeletion { deletion_id: record.id.clone() };
    if hold::parks(tx, Target::Project(project_id), &job).await? {
        return Ok(Purge::Held);
    }
    if !bury_project(tx, project_id).await? {
        return Ok(Purge::Withdrawn);
    }
    // Once more, now that nobody else moves it: it may be in the trash by another deletion, or for longer.
    let still = deletion::Entity::find_by_id(&record.id).lock_exclusive().one(tx.connection()).await?;
    match still {
        Some(still) if still.purge_after > tx.now() => return Ok(Purge::NotBefore(still.purge_after)),
        Some(still) if still.state == DeletionState::Pending => {}
        _ => return Ok(Purge::Withdrawn),
    }
    remove_all_members(tx, project_id).await?;
    retention::forget(tx, project_id).await?;
    let emptied = remove_runs(tx, &record.id, project_id).await?
        && !artifact::purge_of_project(tx, &record.id, project_id).await?
        && !sweep::purge_of_project(tx, project_id).await?;
    if emptied {
        receipt::items(tx, &record.id, HoldKind::Project, &[project_id]).await?;
        receipt::purged(tx, &record.id, SubjectKind::Project, &[project_id.0]).await?;
        records::end(tx, &record.id, DeletionState::Purged).await?;
        audit::record(tx, Act::of_itself(Action::Purge), Topic::Project(project_id)).await?;
    }
    Ok(if emptied { Purge::Complete } else { Purge::Underway })
}

/// Makes the tombstone of the project. Answers whether it is one now.
async fn bury_project(tx: &WriteTx, id: ProjectId) -> Result<bool> {
    let tombstone = project::ActiveModel {
        state: Set(ProjectState::Purged),
        description: Set(None),
        repo: Set(None),
        ..project::ActiveModel::default()
    };
    let buried = project::Entity::update_many()
        .set(tombstone)
        .filter(project::Column::Id.eq(id))
        .filter(project::Column::State.is_in([ProjectState::Deleted, ProjectState::Purged]))
        .exec(tx.connection())
        .await?;
    Ok(buried.rows_affected == 1)
}

/// Removes a batch of the rows of its runs; answers whether that was all.
async fn remove_runs(tx: &WriteTx, deletion_id: &str, project_id: ProjectId) -> Result<bool> {
    // Plan: ix_run_listing.
    let ids: Vec<RunId> = run::Entity::find()
        .select_only()
        .column(run::Column::Id)
        .filter(run::Column::ProjectId.eq(project_id))
        .filter(run::Column::Lifecycle.is_in([Lifecycle::Live, Lifecycle::Archived]))
        .order_by_asc(run::Column::Id)
        .limit(RUNS)
        .into_tuple()
        .all(tx.connection())
        .await?;
    // A writer that came before is waited for; one that comes after finds the project gone.
    runs::load_apart_from_project(tx, &ids).await?;
    if ids.is_empty() {
        return Ok(true);
    }
    if !remove_children(tx, deletion_id, &ids).await? {
        return Ok(false);
    }
    receipt::items(tx, deletion_id, HoldKind::Run, &ids).await?;
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    receipt::purged(tx, deletion_id, SubjectKind::Run, &numbers).await?;
    let all = ids.len() < usize::try_from(RUNS).map_err(Error::internal)?;
    bury(tx, Condition::all().add(run::Column::Id.is_in(ids))).await?;
    Ok(all)
}
