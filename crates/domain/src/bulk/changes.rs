//! What can be done to many runs.

use super::task::begin;
use super::{BulkChange, BulkTask, Refused, Which};
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::db::WriteTx;
use crate::deletion::{self, Deadlines, Deletion, Wish};
use crate::error::{Error, Result};
use crate::file;
use crate::history::{self, Stream};
use crate::hold::{self, Target};
use crate::id::RunId;
use crate::project::{self, Project};
use crate::retention::Retention;
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
    let retention = retention.of_project(tx, project.id).await?;
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
    let retention = retention.of_project(tx, project.id).await?;
    let task_id = new_id(tx);
    let deadlines = Deadlines::from(tx.now(), retention);
    let record =
        deletion::open(tx, caller.user_id, project.id, &wish, Some(task_id.clone()), deadlines).await?;
    let change = BulkChange::Delete {
        deletion_id: record.id.clone(),
        with: wish.with,
        trash: retention.trash,
        artifacts: retention.artifacts,
    };
    let task = begin(tx, caller, task_id, project, which, change).await?;
    Ok((deletion::get(tx, &record.id).await?, task))
}

/// Deletes files of runs of `project`, for good: those whose names match a pattern, as the client's `run.files(pattern=…)` takes it.
pub async fn delete_files(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    which: &Which,
    pattern: String,
) -> Result<BulkTask> {
    file::check_pattern(tx, &pattern)?;
    begin(tx, caller, new_id(tx), project, which, BulkChange::DeleteFiles { pattern }).await
}

/// Deletes all lines of these streams of runs of `project`, for good; summaries stay. A run that is still written to is refused.
pub async fn delete_history(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    which: &Which,
    streams: Vec<Stream>,
) -> Result<BulkTask> {
    if streams.is_empty() {
        return Err(Error::invalid("STREAMS_INVALID", "streams", "names no stream"));
    }
    begin(tx, caller, new_id(tx), project, which, BulkChange::DeleteHistory { streams }).await
}

/// Takes out of these runs those that a hold keeps.
async fn refuse_held(tx: &WriteTx, runs: &mut Vec<Run>) -> Result<Vec<Refused>> {
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let held = hold::reasons_of_runs(tx, &ids).await?;
    runs.retain(|run| !held.contains_key(&run.id));
    let refused =
        |(run_id, reason)| Refused { run_id, reason: format!("an administrator holds it ({reason})") };
    Ok(held.into_iter().map(refused).collect())
}

async fn delete_files_of(
    tx: &WriteTx,
    caller: &Caller,
    mut runs: Vec<Run>,
    pattern: &str,
) -> Result<Vec<Refused>> {
    let refused = refuse_held(tx, &mut runs).await?;
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    file::delete_matching(tx, caller, &ids, pattern).await?;
    Ok(refused)
}

async fn delete_history_of(
    tx: &WriteTx,
    caller: &Caller,
    mut runs: Vec<Run>,
    streams: &[Stream],
) -> Result<Vec<Refused>> {
    let mut refused = refuse_held(tx, &mut runs).await?;
    for run in runs {
        if !run.state.has_ended() {
            let reason = format!("it is {}; stop it first", run.state.as_str());
            refused.push(Refused { run_id: run.id, reason });
            continue;
        }
        let mut lines = 0;
        for stream in streams {
            lines += history::clear(tx, run.id, *stream).await?;
        }
        if lines > 0 {
            let counts = [("lines", lines)];
            let names: Vec<_> = streams.iter().map(|stream| stream.file_name()).collect();
            let names = names.join(", ");
            let act = Act::by(caller.user_id, Action::Delete).because(Some(&names)).with(&counts);
            audit::record(tx, act, Topic::Runs(&[run.id])).await?;
        }
    }
    Ok(refused)
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
            let act = Act::by(caller.user_id, Action::Archive);
            deletion::archive_held(tx, act, runs, *until).await?;
            Ok(Vec::new())
        }
        BulkChange::Delete { deletion_id, with, trash, artifacts } => {
            let now = tx.now();
            let deadlines = Deadlines { runs: now.after(*trash), artifacts: now.after(*artifacts) };
            deletion::delete_held(tx, caller, deletion_id, *with, deadlines, runs).await
        }
        BulkChange::Restore => deletion::restore_held(tx, caller, runs).await,
        BulkChange::DeleteFiles { pattern } => delete_files_of(tx, caller, runs, pattern).await,
        BulkChange::DeleteHistory { streams } => delete_history_of(tx, caller, runs, streams).await,
    }
}

/// What follows when a change has ended.
pub(super) async fn ended(tx: &WriteTx, task: &BulkTask) -> Result<()> {
    match &task.change {
        BulkChange::Delete { deletion_id, .. } => deletion::settle(tx, deletion_id).await,
        _ => Ok(()),
    }
}
