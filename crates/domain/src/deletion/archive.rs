//! Out of the listings, and back.

use std::collections::HashSet;

use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::delete::delete_by_rule;
use super::lifecycle_by_id;
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, WriteTx};
use crate::entity::run as run_entity;
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::RunId;
use crate::job::{self, JobKind};
use crate::project;
use crate::retention::Retention;
use crate::run::{self, Lifecycle, Run};

/// Takes a run out of the listings. Of no effect on an archived one, whose deadline stays.
pub async fn archive(tx: &WriteTx, caller: &Caller, id: RunId, retention: Retention) -> Result<Run> {
    let found = lock(tx, caller, id).await?;
    match found.lifecycle {
        Lifecycle::Live => {
            let retention = retention.of_project(tx, found.project_id).await?;
            let until = retention.archive.map(|period| tx.now().after(period));
            only(archive_held(tx, Act::by(caller.user_id, Action::Archive), vec![found], until).await?)
        }
        Lifecycle::Archived => Ok(found),
        Lifecycle::Deleted | Lifecycle::Purged => Err(Error::not_found("run", id.to_node_id())),
    }
}

/// The same of runs that are held, until a moment at which they are deleted. Answers those that were live before, as they are now.
pub(crate) async fn archive_held(
    tx: &WriteTx,
    act: Act<'_>,
    mut held: Vec<Run>,
    until: Option<Timestamp>,
) -> Result<Vec<Run>> {
    held.retain(|run| run.lifecycle == Lifecycle::Live);
    if let Some(until) = until {
        for run in &held {
            job::enqueue(tx, &JobKind::DeleteArchivedRun { run_id: run.id }, until).await?;
        }
    }
    audit::record(tx, act, Topic::Runs(&ids_of(&held))).await?;
    let archived = run_entity::ActiveModel {
        lifecycle: Set(Lifecycle::Archived),
        archived_until: Set(until),
        ..Default::default()
    };
    change(tx, &held, archived).await
}

/// Lists an archived run again.
pub async fn unarchive(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    let found = lock(tx, caller, id).await?;
    match found.lifecycle {
        Lifecycle::Live => Ok(found),
        Lifecycle::Archived => {
            audit::record(tx, Act::by(caller.user_id, Action::Unarchive), Topic::Runs(&[id])).await?;
            only(revive(tx, &[found]).await?)
        }
        Lifecycle::Deleted | Lifecycle::Purged => Err(Error::not_found("run", id.to_node_id())),
    }
}

/// What became of a run whose archive period was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveEnd {
    /// It is in the trash.
    Deleted,
    /// The period lasts until then; nothing was changed.
    NotBefore(Timestamp),
    /// It is no longer archived, or has no deadline; nothing was changed.
    Withdrawn,
    /// It is held; its release queues this again.
    Held,
}

/// Deletes a run whose archive period is over.
pub async fn delete_archived(db: &Db, id: RunId, retention: Retention) -> Result<ArchiveEnd> {
    let tx = db.begin_write().await?;
    if hold::parks(&tx, Target::Runs(&[id]), &JobKind::DeleteArchivedRun { run_id: id }).await? {
        tx.commit().await?;
        return Ok(ArchiveEnd::Held);
    }
    // Also in the trash with its project: what comes back with that is as old as it would be without.
    let found = run::load_apart_from_project(&tx, &[id]).await?.remove(&id);
    let Some(found) = found.filter(|run| run.lifecycle == Lifecycle::Archived) else {
        return Ok(ArchiveEnd::Withdrawn);
    };
    match found.archived_until {
        None => return Ok(ArchiveEnd::Withdrawn),
        Some(until) if until > tx.now() => return Ok(ArchiveEnd::NotBefore(until)),
        Some(_) => {}
    }
    delete_by_rule(&tx, found.user_id, "archive period over", retention, vec![found]).await?;
    tx.commit().await?;
    Ok(ArchiveEnd::Deleted)
}

/// That there is such a run, and that the caller may delete it.
pub(super) async fn look(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<()> {
    let found = run::find_including_deleted(tx, caller, id).await?;
    let found = found.ok_or_else(|| Error::not_found("run", id.to_node_id()))?;
    project::authorize(tx, caller, found.project_id, Role::Member).await
}

/// A run that is not purged, locked, for who may delete it.
pub(super) async fn lock(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    look(tx, caller, id).await?;
    // Locked from here on: of two callers the second sees what the first did.
    let locked = run::load_for_update(tx, &[id]).await?.remove(&id);
    let locked = locked.filter(|run| run.lifecycle != Lifecycle::Purged);
    locked.ok_or_else(|| Error::not_found("run", id.to_node_id()))
}

/// Makes runs live again, with no deadline. Answers them as they are now.
pub(super) async fn revive(tx: &WriteTx, found: &[Run]) -> Result<Vec<Run>> {
    for run in found {
        cancel_archive_deadline(tx, run).await?;
    }
    let revived = run_entity::ActiveModel {
        lifecycle: Set(Lifecycle::Live),
        archived_until: Set(None),
        deleted_at: Set(None),
        purge_after: Set(None),
        revived_at: Set(Some(tx.now())),
        ..Default::default()
    };
    change(tx, found, revived).await
}

pub(super) fn ids_of(runs: &[Run]) -> Vec<RunId> {
    runs.iter().map(|run| run.id).collect()
}

/// The one run that a change was about.
pub(super) fn only(changed: Vec<Run>) -> Result<Run> {
    changed.into_iter().next().ok_or_else(|| Error::internal("a change of a run without a run"))
}

pub(super) async fn cancel_archive_deadline(tx: &WriteTx, found: &Run) -> Result<()> {
    if found.archived_until.is_some() {
        job::cancel(tx, &JobKind::DeleteArchivedRun { run_id: found.id }).await?;
    }
    Ok(())
}

/// Moves runs from the lifecycles they were seen in; fails with `Conflict` when someone else moved one meanwhile. Answers them as
/// they are now.
async fn change(tx: &WriteTx, seen: &[Run], to: run_entity::ActiveModel) -> Result<Vec<Run>> {
    use run_entity::Column;
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let from: HashSet<Lifecycle> = seen.iter().map(|run| run.lifecycle).collect();
    // Plan: the primary key.
    let moved = run_entity::Entity::update_many()
        .set(run_entity::ActiveModel { updated_at: Set(tx.now()), ..to })
        .filter(Column::Id.is_in(ids_of(seen)))
        .filter(lifecycle_by_id().is_in(from))
        .exec_with_returning(tx.connection())
        .await?;
    if moved.len() != seen.len() {
        return Err(Error::Conflict {
            reason: "a run was archived, deleted or restored meanwhile".to_owned(),
        });
    }
    Ok(moved)
}
