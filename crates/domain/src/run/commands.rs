//! Changing a run's state.

use std::time::Duration;

use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, Set};

use super::{Lifecycle, Run, RunState};
use crate::account::{Caller, Role};
use crate::db::{Db, Source, WriteTx};
use crate::entity::project as project_entity;
use crate::entity::run::{self, Column};
use crate::error::{Error, Result};
use crate::id::RunId;
use crate::job::{self, JobKind};
use crate::project::{self, ProjectState};

/// A run that was to stop.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// As it is now.
    pub run: Run,
    /// Whether it had not ended before.
    pub was_active: bool,
}

/// Tells the run's writer to stop with its next answer. One that waits to start has none and ends here. Of no effect on
/// a run that has ended.
pub async fn stop(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Stopped> {
    let found = get(tx, caller, id).await?;
    if !found.state.is_active() {
        return Ok(Stopped { run: found, was_active: false });
    }
    let waits = found.state == RunState::Pending;
    let mut row = found.into_active_model();
    row.stop_requested = Set(true);
    row.updated_at = Set(tx.now());
    if waits {
        row.state = Set(RunState::Killed);
        row.finished_at = Set(Some(tx.now()));
        job::enqueue(tx, &JobKind::SettleHistory { run_id: id }, tx.now()).await?;
    }
    Ok(Stopped { run: row.update(tx.connection()).await?, was_active: true })
}

/// `updateRunState`: the few changes that a user may ask for.
pub async fn request_state(tx: &WriteTx, caller: &Caller, id: RunId, to: RunState) -> Result<()> {
    let found = get(tx, caller, id).await?;
    if found.sweep_name.is_some() {
        return Err(Error::Precondition {
            code: "INVALID_STATE_TRANSITION",
            reason: "invalid state transition: the run belongs to a sweep".to_owned(),
        });
    }
    let state = found.state.requested(to)?;
    let mut row = found.into_active_model();
    row.state = Set(state);
    row.updated_at = Set(tx.now());
    if state == RunState::Failed {
        row.finished_at = Set(Some(tx.now()));
        job::enqueue(tx, &JobKind::SettleHistory { run_id: id }, tx.now()).await?;
    }
    row.update(tx.connection()).await?;
    Ok(())
}

async fn get(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    let missing = || Error::not_found("run", id.to_node_id());
    let found = super::find_by_id(tx, caller, id).await?.ok_or_else(missing)?;
    project::authorize(tx, caller, found.project_id, Role::Member).await?;
    let held = super::hold(tx, id).await?;
    if held.lifecycle.is_reachable() { Ok(held) } else { Err(missing()) }
}

/// Marks runs whose writer fell silent: running ones crashed, preempting ones preempted. Returns how many.
pub async fn crash_stale(db: &Db, crash_after: Duration, preempt_grace: Duration) -> Result<u64> {
    let tx = db.begin_write().await?;
    let mut marked = 0;
    for (from, to, silence) in [
        (RunState::Running, RunState::Crashed, crash_after),
        (RunState::Preempting, RunState::Preempted, preempt_grace),
    ] {
        // Plan: ix_run_heartbeat_at (state =, heartbeat_at <).
        let done = run::Entity::update_many()
            .col_expr(Column::State, Expr::value(to))
            .col_expr(Column::FinishedAt, Expr::value(tx.now()))
            .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
            .filter(Column::State.eq(from))
            .filter(Column::Lifecycle.is_in([Lifecycle::Live, Lifecycle::Archived]))
            .filter(Column::HeartbeatAt.lt(tx.now().before(silence)))
            .filter(Column::ProjectId.not_in_subquery(not_live()))
            .exec_with_returning(tx.connection())
            .await?;
        for run in &done {
            job::enqueue(&tx, &JobKind::SettleHistory { run_id: run.id }, tx.now()).await?;
        }
        marked += done.len() as u64;
    }
    tx.commit().await?;
    Ok(marked)
}

/// Few: the projects in the trash, and tombstones.
fn not_live() -> SelectStatement {
    let mut projects = Query::select();
    projects
        .column(project_entity::Column::Id)
        .from(project_entity::Entity)
        .and_where(project_entity::Column::State.ne(ProjectState::Live));
    projects.take()
}
