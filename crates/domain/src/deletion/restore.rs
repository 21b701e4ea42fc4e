//! Back from the trash, exactly as it was.

use super::archive::{lock, revive};
use super::{Deletion, DeletionKind, ItemKind, ItemState, deadline_passed, projects, records, versions};
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::bulk::Refused;
use crate::db::WriteTx;
use crate::error::{Error, Result};
use crate::history;
use crate::id::RunId;
use crate::job::{self, JobKind};
use crate::project;
use crate::run::{self, Lifecycle, Run};

/// Runs that one call brings back; more are a change to many.
const MOST_AT_ONCE: u64 = 200;

/// Brings a run back from the trash, or from the archive, exactly as it was.
pub async fn restore(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    let found = lock(tx, caller, id).await?;
    restore_one(tx, caller, found).await
}

/// The same of runs that are held. Answers those whose deadline has passed.
pub(crate) async fn restore_held(tx: &WriteTx, caller: &Caller, runs: Vec<Run>) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    for run in runs {
        let run_id = run.id;
        match restore_one(tx, caller, run).await {
            Ok(_) => {}
            Err(error @ Error::Precondition { .. }) => {
                refused.push(Refused { run_id, reason: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

async fn restore_one(tx: &WriteTx, caller: &Caller, found: Run) -> Result<Run> {
    if found.lifecycle == Lifecycle::Live {
        return Ok(found);
    }
    let mut left = None;
    if found.lifecycle == Lifecycle::Deleted {
        if found.purge_after.is_some_and(|deadline| deadline <= tx.now()) {
            return Err(deadline_passed("run"));
        }
        left = records::pending_of(tx, ItemKind::Run, found.id.0).await?;
        if let Some(deletion) = &left {
            records::note(tx, &deletion.id, ItemKind::Run, &[found.id.0], ItemState::Restored).await?;
        }
    }
    audit::record(tx, Act::by(caller.user_id, Action::Restore), Topic::Runs(&[found.id])).await?;
    // It may have ended long ago; what ends in the trash does not settle.
    if history::is_unsettled(tx, found.id).await? {
        job::enqueue(tx, &JobKind::SettleHistory { run_id: found.id }, tx.now()).await?;
    }
    let run = revive(tx, &found).await?;
    if let Some(deletion) = left {
        records::settle(tx, &deletion.id).await?;
    }
    Ok(run)
}

/// Undoes a deletion: brings back the project, the runs or the artifacts that it has in the trash; of runs only themselves, not
/// what they logged. `TOO_MANY` for more runs than one transaction changes: these are restored by `restoreRuns`.
pub async fn restore_all(tx: &WriteTx, caller: &Caller, id: &str) -> Result<Deletion> {
    let record = records::find(tx, caller, id).await?.ok_or_else(|| Error::not_found("deletion", id))?;
    match record.kind {
        DeletionKind::Project => {
            projects::restore_project(tx, caller, record.project_id, None).await?;
        }
        DeletionKind::Artifacts => versions::restore_all(tx, caller, &record).await?,
        DeletionKind::Runs => restore_runs(tx, caller, &record).await?,
    }
    records::get(tx, id).await
}

async fn restore_runs(tx: &WriteTx, caller: &Caller, record: &Deletion) -> Result<()> {
    project::authorize(tx, caller, record.project_id, Role::Member).await?;
    let ids = records::pending(tx, &record.id, ItemKind::Run, Some(MOST_AT_ONCE + 1)).await?;
    if u64::try_from(ids.len()).map_err(Error::internal)? > MOST_AT_ONCE {
        let reason = format!("has more than {MOST_AT_ONCE} runs; restore them with restoreRuns");
        return Err(Error::invalid("TOO_MANY", "id", reason));
    }
    let ids: Vec<RunId> = ids.into_iter().map(RunId).collect();
    let mut runs: Vec<Run> = run::load_for_update(tx, &ids).await?.into_values().collect();
    runs.sort_by_key(|run| run.id);
    for run in runs {
        restore_one(tx, caller, run).await?;
    }
    Ok(())
}
