//! Archiving, deleting and restoring runs: what is listed changes at once, bytes follow by jobs.

use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder,
    Set,
};

use super::{Deletion, DeletionState};
use crate::account::{Caller, Role};
use crate::artifact;
use crate::clock::Timestamp;
use crate::db::{Db, Source, WriteTx, dialect};
use crate::entity::{deletion, run as run_entity};
use crate::error::{Error, Result};
use crate::id::{RunId, UserId};
use crate::job::{self, JobKind};
use crate::project;
use crate::run::{self, Lifecycle, Run};

/// How long what is unwanted can be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From deletion to purge.
    pub trash: Duration,
    /// From archiving to deletion; `None` keeps archived runs for ever.
    pub archive: Option<Duration>,
}

/// Takes a run out of the listings. Of no effect on an archived one, whose deadline stays.
pub async fn archive(tx: &WriteTx, caller: &Caller, id: RunId, retention: Retention) -> Result<Run> {
    let found = get(tx, caller, id).await?;
    match found.lifecycle {
        Lifecycle::Live => {}
        Lifecycle::Archived => return Ok(found),
        Lifecycle::Deleted | Lifecycle::Purged => return Err(Error::not_found("run", id.to_node_id())),
    }
    let until = retention.archive.map(|period| tx.now().after(period));
    if let Some(until) = until {
        job::enqueue(tx, &JobKind::DeleteArchivedRun { run_id: id }, until).await?;
    }
    change(tx, &found, Lifecycle::Archived, |row| row.archived_until = Set(until)).await
}

/// Lists an archived run again.
pub async fn unarchive(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    let found = get(tx, caller, id).await?;
    match found.lifecycle {
        Lifecycle::Live => Ok(found),
        Lifecycle::Archived => revive(tx, &found).await,
        Lifecycle::Deleted | Lifecycle::Purged => Err(Error::not_found("run", id.to_node_id())),
    }
}

/// Brings a run back from the trash, or from the archive, exactly as it was.
pub async fn restore(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    let found = get(tx, caller, id).await?;
    if found.lifecycle == Lifecycle::Live {
        return Ok(found);
    }
    if found.lifecycle == Lifecycle::Deleted {
        if found.purge_after.is_some_and(|deadline| deadline <= tx.now()) {
            return Err(deadline_passed("run"));
        }
        if let Some(pending) = pending(tx, id).await? {
            let kind = JobKind::PurgeRun { run_id: id, deletion_id: pending.id.clone() };
            job::cancel(tx, &kind).await?;
            let mut row = pending.into_active_model();
            row.state = Set(DeletionState::Restored);
            row.ended_at = Set(Some(tx.now()));
            row.update(tx.connection()).await?;
        }
    }
    // It may have ended long ago; what ends in the trash does not settle.
    job::enqueue(tx, &JobKind::SettleHistory { run_id: id }, tx.now()).await?;
    revive(tx, &found).await
}

/// How a run is to be deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteRun {
    /// Whether the artifacts that it made go with it. Restoring the run does not bring them back.
    pub with_artifacts: bool,
    /// Why, in free text.
    pub reason: Option<String>,
}

/// Deletes a run: unreachable at once, restorable until the deadline that is fixed here. Deleting it again answers
/// with the same deletion, since the client repeats a call whose answer was lost.
pub async fn delete(
    tx: &WriteTx,
    caller: &Caller,
    id: RunId,
    wish: DeleteRun,
    retention: Retention,
) -> Result<Deletion> {
    let found = get(tx, caller, id).await?;
    if wish.with_artifacts {
        artifact::delete_of_run(tx, caller, id).await?;
    }
    if found.lifecycle == Lifecycle::Deleted
        && let Some(pending) = pending(tx, id).await?
    {
        return Ok(pending);
    }
    cancel_archive_deadline(tx, &found).await?;
    delete_run(tx, &found, caller.user_id, wish.reason, retention.trash).await
}

/// Why something cannot be restored any more.
pub(super) fn deadline_passed(kind: &str) -> Error {
    Error::Precondition {
        code: "DEADLINE_PASSED",
        reason: format!("the {kind} can no longer be restored: its deadline has passed"),
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
}

/// Deletes a run whose archive period is over.
pub async fn delete_archived(db: &Db, id: RunId, trash: Duration) -> Result<ArchiveEnd> {
    let tx = db.begin_write().await?;
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
    let reason = Some("archive period over".to_owned());
    delete_run(&tx, &found, found.user_id, reason, trash).await?;
    tx.commit().await?;
    Ok(ArchiveEnd::Deleted)
}

async fn get(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    let missing = || Error::not_found("run", id.to_node_id());
    let found = run::find_including_deleted(tx, caller, id).await?.ok_or_else(missing)?;
    project::authorize(tx, caller, found.project_id, Role::Member).await?;
    // Held from here on: of two callers the second sees what the first did.
    let held = run::load_for_update(tx, &[id]).await?.remove(&id);
    held.filter(|run| run.lifecycle != Lifecycle::Purged).ok_or_else(missing)
}

async fn pending(tx: &WriteTx, id: RunId) -> Result<Option<Deletion>> {
    Ok(deletion::Entity::find()
        .filter(deletion::Column::RunId.eq(id))
        .filter(deletion::Column::State.eq(DeletionState::Pending))
        .order_by_desc(deletion::Column::RequestedAt)
        .one(tx.connection())
        .await?)
}

#[derive(FromQueryResult)]
struct Weight {
    file_count: i64,
    file_bytes: i64,
}

async fn delete_run(
    tx: &WriteTx,
    found: &Run,
    user_id: UserId,
    reason: Option<String>,
    trash: Duration,
) -> Result<Deletion> {
    let purge_after = tx.now().after(trash);
    // Plan: ux_run_file_run_id_name, then blob's primary key.
    let weight = dialect::statement(
        tx.connection(),
        "SELECT COUNT(*) AS file_count, CAST(COALESCE(SUM(b.size_bytes), 0) AS BIGINT) AS file_bytes
         FROM run_file f JOIN blob b ON b.id = f.blob_id WHERE f.run_id = $1",
        [found.id.0.into()],
    );
    let weight = Weight::find_by_statement(weight).one(tx.connection()).await?;
    let weight = weight.ok_or_else(|| Error::internal("a count without a row"))?;
    let record = deletion::ActiveModel {
        id: Set(tx.env().uuid().to_string()),
        run_id: Set(found.id),
        user_id: Set(user_id),
        state: Set(DeletionState::Pending),
        reason: Set(reason),
        requested_at: Set(tx.now()),
        purge_after: Set(purge_after),
        ended_at: Set(None),
        file_count: Set(weight.file_count),
        file_bytes: Set(weight.file_bytes),
    };
    let record = record.insert(tx.connection()).await?;
    let purge = JobKind::PurgeRun { run_id: found.id, deletion_id: record.id.clone() };
    job::enqueue(tx, &purge, purge_after).await?;
    change(tx, found, Lifecycle::Deleted, |row| {
        row.archived_until = Set(None);
        row.deleted_at = Set(Some(tx.now()));
        row.purge_after = Set(Some(purge_after));
    })
    .await?;
    Ok(record)
}

async fn revive(tx: &WriteTx, found: &Run) -> Result<Run> {
    cancel_archive_deadline(tx, found).await?;
    change(tx, found, Lifecycle::Live, |row| {
        row.archived_until = Set(None);
        row.deleted_at = Set(None::<Timestamp>);
        row.purge_after = Set(None);
    })
    .await
}

async fn cancel_archive_deadline(tx: &WriteTx, found: &Run) -> Result<()> {
    if found.archived_until.is_some() {
        job::cancel(tx, &JobKind::DeleteArchivedRun { run_id: found.id }).await?;
    }
    Ok(())
}

/// Moves a run from the lifecycle it was seen in; fails with `Conflict` when someone else moved it meanwhile.
async fn change(
    tx: &WriteTx,
    seen: &Run,
    to: Lifecycle,
    also: impl FnOnce(&mut run_entity::ActiveModel),
) -> Result<Run> {
    use run_entity::Column;
    let moved = run_entity::Entity::update_many()
        .col_expr(Column::Lifecycle, Expr::value(to))
        .filter(Column::Id.eq(seen.id))
        .filter(Column::Lifecycle.eq(seen.lifecycle))
        .exec(tx.connection())
        .await?;
    if moved.rows_affected == 0 {
        return Err(Error::Conflict {
            reason: "the run was archived, deleted or restored meanwhile".to_owned(),
        });
    }
    let mut row = seen.clone().into_active_model();
    row.lifecycle = Set(to);
    row.updated_at = Set(tx.now());
    also(&mut row);
    Ok(row.update(tx.connection()).await?)
}
