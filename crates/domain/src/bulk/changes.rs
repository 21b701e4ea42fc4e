//! What can be done to many runs.

use super::task::begin;
use super::{BulkChange, BulkTask, Refused, Which};
use crate::account::{Caller, Role};
use crate::db::WriteTx;
use crate::deletion::{self, Deletion, Retention, Wish};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::project::{self, Project};
use crate::run::{self, Run, RunEdit};

fn new_id(tx: &WriteTx) -> String {
    tx.env().uuid().to_string()
}

/// Moves runs of `source` to another project. A run whose id is taken there is refused and stays.
pub async fn move_many(
    tx: &WriteTx,
    caller: &Caller,
    source: &Project,
    which: &Which,
    destination: &Project,
) -> Result<BulkTask> {
    if source.id == destination.id {
        let reason = "the runs are there already";
        return Err(Error::invalid("DESTINATION_INVALID", "destinationProjectName", reason));
    }
    project::authorize(tx, caller, destination.id, Role::Member).await?;
    project::authorize(tx, caller, source.id, Role::Member).await?;
    hold::check(tx, Target::Leaving(source.id)).await?;
    let change = BulkChange::Move { destination: destination.id };
    begin(tx, caller, new_id(tx), source, which, change).await
}

/// Changes tags and group of runs of `project`.
pub async fn edit_many(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    which: &Which,
    edit: RunEdit,
) -> Result<BulkTask> {
    begin(tx, caller, new_id(tx), project, which, BulkChange::Edit(edit)).await
}

/// Takes runs of `project` out of the listings.
pub async fn archive_many(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    which: &Which,
    retention: Retention,
) -> Result<BulkTask> {
    let until = retention.archive.map(|period| tx.now().after(period));
    begin(tx, caller, new_id(tx), project, which, BulkChange::Archive { until }).await
}

/// Brings runs of `project` back, named ones from the trash or the archive, those that a filter means from the trash.
pub async fn restore_many(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    which: &Which,
) -> Result<BulkTask> {
    begin(tx, caller, new_id(tx), project, which, BulkChange::Restore).await
}

/// Deletes runs of `project`, all by one deletion. A run that something keeps is refused, and the others go; with `ABORT`, one that
/// is kept or linked is enough for nothing to happen to any.
pub async fn delete_many(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    which: &Which,
    wish: Wish,
    retention: Retention,
) -> Result<(Deletion, BulkTask)> {
    project::authorize(tx, caller, project.id, Role::Member).await?;
    hold::freeze(tx).await?;
    deletion::check_many(tx, caller, project, which, &wish).await?;
    let task_id = new_id(tx);
    let record =
        deletion::open(tx, caller.user_id, project.id, &wish, Some(task_id.clone()), retention).await?;
    let change =
        BulkChange::Delete { deletion_id: record.id.clone(), with: wish.with, trash: retention.trash };
    let task = begin(tx, caller, task_id, project, which, change).await?;
    Ok((deletion::get(tx, &record.id).await?, task))
}

/// Changes runs of `source` that are held and that the change applies to. Answers those that are left as they are.
pub(super) async fn apply(
    tx: &WriteTx,
    caller: &Caller,
    source: &Project,
    task: &BulkTask,
    runs: Vec<Run>,
) -> Result<Vec<Refused>> {
    match &task.change {
        BulkChange::Move { destination } => run::move_to(tx, source.id, *destination, runs).await,
        BulkChange::Edit(edit) => run::edit(tx, edit, runs).await,
        BulkChange::Archive { until } => {
            for run in runs {
                deletion::archive_held(tx, caller, run, *until).await?;
            }
            Ok(Vec::new())
        }
        BulkChange::Delete { deletion_id, with, trash } => {
            let purge_after = tx.now().after(*trash);
            deletion::delete_held(tx, caller, deletion_id, *with, purge_after, runs).await
        }
        BulkChange::Restore => deletion::restore_held(tx, caller, runs).await,
    }
}

/// What follows when a change has ended.
pub(super) async fn ended(tx: &WriteTx, task: &BulkTask) -> Result<()> {
    match &task.change {
        BulkChange::Delete { deletion_id, .. } => deletion::settle(tx, deletion_id).await,
        _ => Ok(()),
    }
}
