//! From the call to the last run.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DeriveValueType, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    Set,
};
use serde::{Deserialize, Serialize};

use super::items::{self, Which};
use super::{BulkState, BulkTask, Refused, changes};
use crate::account::{self, Caller, Role};
use crate::clock::Timestamp;
use crate::db::{Db, Source, WriteTx};
use crate::deletion::WithRuns;
use crate::entity::bulk_task::{self, ActiveModel, Entity};
use crate::error::{Error, Result};
use crate::history::Stream;
use crate::hold::{self, Target};
use crate::id::{ProjectId, RunId};
use crate::job::{self, JobKind};
use crate::project::{self, Project};
use crate::run::{self, Lifecycle, Run, RunEdit};

/// What is done to each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveValueType)]
#[serde(rename_all = "snake_case")]
#[sea_orm(value_type = "String")]
pub enum BulkChange {
    /// It goes to another project.
    Move {
        /// Which.
        destination: ProjectId,
    },
    /// Its tags and its group change.
    Edit(RunEdit),
    /// It leaves the listings.
    Archive {
        /// When it is deleted.
        until: Option<Timestamp>,
    },
    /// It goes to the trash.
    Delete {
        /// By which deletion.
        deletion_id: String,
        /// What goes with it.
        with: WithRuns,
        /// For how long it can be restored.
        trash: Duration,
        /// For how long the artifacts that go with it can be.
        #[serde(default)]
        artifacts: Duration,
    },
    /// It comes back from the trash or the archive.
    Restore,
    /// It loses files, for good.
    DeleteFiles {
        /// Which: `LIKE` in SQL.
        pattern: String,
    },
    /// It loses all lines of these streams, for good, and keeps its summary.
    DeleteHistory {
        /// Which.
        streams: Vec<Stream>,
    },
}

impl BulkChange {
    /// Whether a run of this lifecycle can be changed so.
    fn applies_to(&self, lifecycle: Lifecycle) -> bool {
        match self {
            Self::Restore => lifecycle != Lifecycle::Purged,
            _ => lifecycle.is_reachable(),
        }
    }

    /// Runs that one transaction changes. What a run has to be changed with it: some hundred indexed values, or the rollups of
    /// millions of lines.
    fn batch(&self) -> u64 {
        match self {
            Self::DeleteHistory { .. } => 10,
            _ => 400,
        }
    }

    fn is_restore(&self) -> bool {
        matches!(self, Self::Restore)
    }
}

impl fmt::Display for BulkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_string(self).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for BulkChange {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// A change to many runs that the caller asked for.
pub async fn find_task(db: &impl Source, caller: &Caller, id: &str) -> Result<Option<BulkTask>> {
    let query = Entity::find_by_id(id).filter(bulk_task::Column::UserId.eq(caller.user_id));
    Ok(query.one(db.connection()).await?)
}

/// Lets a change wait once the batch that is being done is done. Of no effect on one that has ended.
pub async fn pause(tx: &WriteTx, caller: &Caller, id: &str) -> Result<BulkTask> {
    let task = hold(tx, caller, id).await?;
    if task.state == BulkState::Underway { to_state(tx, task, BulkState::Paused).await } else { Ok(task) }
}

/// Goes on with a change that waits.
pub async fn resume(tx: &WriteTx, caller: &Caller, id: &str) -> Result<BulkTask> {
    let task = hold(tx, caller, id).await?;
    if task.state != BulkState::Paused {
        return Ok(task);
    }
    job::enqueue(tx, &JobKind::ChangeRuns { task_id: task.id.clone() }, tx.now()).await?;
    to_state(tx, task, BulkState::Underway).await
}

/// Ends a change. What was changed stays so; the rest stays as it is.
pub async fn cancel(tx: &WriteTx, caller: &Caller, id: &str) -> Result<BulkTask> {
    let task = hold(tx, caller, id).await?;
    match task.state {
        BulkState::Underway | BulkState::Paused => {
            end(tx, task.into_active_model(), BulkState::Cancelled).await
        }
        _ => Ok(task),
    }
}

async fn hold(tx: &WriteTx, caller: &Caller, id: &str) -> Result<BulkTask> {
    let query = Entity::find_by_id(id).filter(bulk_task::Column::UserId.eq(caller.user_id));
    let held = query.lock_exclusive().one(tx.connection()).await?;
    held.ok_or_else(|| Error::not_found("task", id))
}

async fn to_state(tx: &WriteTx, task: BulkTask, state: BulkState) -> Result<BulkTask> {
    let mut row = task.into_active_model();
    row.state = Set(state);
    Ok(row.update(tx.connection()).await?)
}

/// Begins a change under this id, and does its first batch.
pub(super) async fn begin(
    tx: &WriteTx,
    caller: &Caller,
    id: String,
    project: &Project,
    which: &Which,
    change: BulkChange,
) -> Result<BulkTask> {
    project::authorize(tx, caller, project.id, Role::Member).await?;
    let runs = which.select(tx, caller, project, change.is_restore()).await?;
    let task = ActiveModel {
        id: Set(id),
        user_id: Set(caller.user_id),
        privileged: Set(caller.reaches_all()),
        project_id: Set(project.id),
        filter: Set(which.filter().to_owned()),
        change: Set(change),
        state: Set(BulkState::Underway),
        after_id: Set(RunId(0)),
        matched_count: Set(0),
        changed_count: Set(0),
        refused_count: Set(0),
        created_at: Set(tx.now()),
        ended_at: Set(None),
    };
    let task = task.insert(tx.connection()).await?;
    let matched = items::fix(tx, &task.id, runs).await?;
    let task = step(tx, BulkTask { matched_count: matched, ..task }).await?;
    if task.state == BulkState::Underway {
        job::enqueue(tx, &JobKind::ChangeRuns { task_id: task.id.clone() }, tx.now()).await?;
    }
    Ok(task)
}

/// The next batch of a change, in a transaction of its own; answers where the change stands then.
pub async fn continue_task(db: &Db, id: &str) -> Result<BulkState> {
    let tx = db.begin_write().await?;
    let task = Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    let task = task.ok_or_else(|| Error::not_found("task", id))?;
    if task.state != BulkState::Underway {
        return Ok(task.state);
    }
    let task = step(&tx, task).await?;
    tx.commit().await?;
    Ok(task.state)
}

async fn step(tx: &WriteTx, task: BulkTask) -> Result<BulkTask> {
    let mut touched = vec![task.project_id];
    if let BulkChange::Move { destination } = task.change {
        touched.push(destination);
    }
    // Before any row is locked.
    hold::freeze(tx).await?;
    let leaves = matches!(task.change, BulkChange::Move { .. });
    if leaves && hold::is_held(tx, Target::Leaving(task.project_id)).await? {
        return end(tx, task.into_active_model(), BulkState::Stopped).await;
    }
    let held = project::hold(tx, &touched).await?;
    let caller = caller_of(tx, &task).await?;
    let roles = project::get_roles(tx, &caller, &touched).await?;
    let allowed = touched.iter().all(|id| roles.get(id).is_some_and(|role| *role >= Role::Member));
    let source = project::find_live(tx, task.project_id).await?;
    let Some(source) = source.filter(|_| allowed && held.len() == touched.len()) else {
        return end(tx, task.into_active_model(), BulkState::Stopped).await;
    };
    let batch = task.change.batch();
    let ids = items::next(tx, &task.id, task.after_id, batch).await?;
    let mut loaded: HashMap<RunId, Run> = run::load_for_update(tx, &ids).await?;
    loaded.retain(|_, run| run.project_id == source.id && task.change.applies_to(run.lifecycle));
    let missing = ids.iter().filter(|id| !loaded.contains_key(id));
    let mut refused: Vec<Refused> = missing
        .map(|id| Refused { run_id: *id, reason: "it was moved or deleted meanwhile".to_owned() })
        .collect();
    let mut runs: Vec<Run> = loaded.into_values().collect();
    runs.sort_by_key(|run| run.id);
    refused.extend(changes::apply(tx, &caller, &source, &task, runs).await?);
    items::note(tx, &task.id, &ids, &refused).await?;

    let count = |runs: usize| i64::try_from(runs).map_err(Error::internal);
    let (changed, left) = (count(ids.len() - refused.len())?, count(refused.len())?);
    let is_last = ids.len() < usize::try_from(batch).map_err(Error::internal)?;
    let (matched, changed, left) =
        (task.matched_count, task.changed_count + changed, task.refused_count + left);
    let after_id = ids.last().copied().unwrap_or(task.after_id);
    let mut row = task.into_active_model();
    row.after_id = Set(after_id);
    row.matched_count = Set(matched);
    row.changed_count = Set(changed);
    row.refused_count = Set(left);
    if is_last { end(tx, row, BulkState::Complete).await } else { Ok(row.update(tx.connection()).await?) }
}

/// Who asked for a change, with what they may do now.
async fn caller_of(tx: &WriteTx, task: &BulkTask) -> Result<Caller> {
    let caller = Caller::from(account::get_user(tx, task.user_id).await?);
    Ok(if task.privileged { caller.with_privileges() } else { caller })
}

async fn end(tx: &WriteTx, mut row: ActiveModel, state: BulkState) -> Result<BulkTask> {
    row.state = Set(state);
    row.ended_at = Set(Some(tx.now()));
    let task = row.update(tx.connection()).await?;
    changes::ended(tx, &task).await?;
    Ok(task)
}
