//! Back from the trash, exactly as it was.

use std::collections::HashSet;
use std::slice;

use super::archive::{ids_of, lock, only, revive};
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
    if found.lifecycle == Lifecycle::Live {
        return Ok(found);
    }
    if late(tx, slice::from_ref(&found)).await?.contains(&id) {
        return Err(deadline_passed("run"));
    }
    only(bring_back(tx, caller, vec![found]).await?)
}

/// The same of runs that are held. Answers those whose deadline has passed.
pub(crate) async fn restore_held(tx: &WriteTx, caller: &Caller, runs: Vec<Run>) -> Result<Vec<Refused>> {
    let late = late(tx, &runs).await?;
    let (late, going): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| late.contains(&run.id));
    bring_back(tx, caller, going).await?;
    let reason = deadline_passed("run").to_string();
    Ok(late.into_iter().map(|run| Refused { run_id: run.id, reason: reason.clone() }).collect())
}

/// Those of these held runs whose time in the trash is over.
async fn late(tx: &WriteTx, runs: &[Run]) -> Result<HashSet<RunId>> {
    let in_trash = || runs.iter().filter(|run| run.lifecycle == Lifecycle::Deleted);
    let hurried = records::hurried(tx, ItemKind::Run, in_trash().map(|run| run.id.0).collect()).await?;
    let is_over = |run: &&Run| run.purge_after.is_some_and(|deadline| deadline <= tx.now());
    let mut late: HashSet<i64> = in_trash().filter(is_over).map(|run| run.id.0).collect();
    for spared in records::spared(tx, ItemKind::Run, late.iter().copied().collect()).await? {
        late.remove(&spared);
    }
    Ok(late.into_iter().chain(hurried).map(RunId).collect())
}

/// Makes held runs live. Answers those that were not before.
async fn bring_back(tx: &WriteTx, caller: &Caller, mut runs: Vec<Run>) -> Result<Vec<Run>> {
    runs.retain(|run| run.lifecycle != Lifecycle::Live);
    if runs.is_empty() {
        return Ok(runs);
    }
    let ids = ids_of(&runs);
    let in_trash = runs.iter().filter(|run| run.lifecycle == Lifecycle::Deleted).map(|run| run.id.0);
    let left = records::pending_by_deletion(tx, ItemKind::Run, in_trash.collect()).await?;
    for (deletion, runs) in &left {
        records::note(tx, deletion, ItemKind::Run, runs, ItemState::Restored).await?;
    }
    audit::record(tx, Act::by(caller.user_id, Action::Restore), Topic::Runs(&ids)).await?;
    // They may have ended long ago; what ends in the trash does not settle.
    for run_id in history::unsettled(tx, &ids).await? {
        job::enqueue(tx, &JobKind::SettleHistory { run_id }, tx.now()).await?;
    }
    let back = revive(tx, &runs).await?;
    for deletion in left.keys() {
        records::settle(tx, deletion).await?;
    }
    Ok(back)
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
    let ids = records::pending(tx, &record.id, (ItemKind::Run, 0), Some(MOST_AT_ONCE + 1)).await?;
    if u64::try_from(ids.len()).map_err(Error::internal)? > MOST_AT_ONCE {
        let reason = format!("has more than {MOST_AT_ONCE} runs; restore them with restoreRuns");
        return Err(Error::invalid("TOO_MANY", "id", reason));
    }
    let ids: Vec<RunId> = ids.into_iter().map(RunId).collect();
    let mut runs: Vec<Run> = run::load_for_update(tx, &ids).await?.into_values().collect();
    runs.sort_by_key(|run| run.id);
    if !late(tx, &runs).await?.is_empty() {
        return Err(deadline_passed("run"));
    }
    bring_back(tx, caller, runs).await?;
    Ok(())
}
