//! The table `job` as a queue: any number of runners, each job with one at a time, none lost with its runner.
//!
//! A claim takes a lease and counts the attempt; everything the claimant writes afterwards names job, attempt
//! and owner, so that a runner whose lease went to another changes nothing.

use std::time::Duration;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveEnum as _, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _,
    EntityTrait as _, ExprTrait as _, FromQueryResult as _, QueryFilter as _, QueryOrder as _,
};

use super::{Job, JobKind, JobState};
use crate::clock::Timestamp;
use crate::db::{Db, Source, WriteTx, dialect};
use crate::entity::job::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};

/// Rows per statement when many are removed.
const BATCH: i64 = 1000;

/// Queues a job for `run_at` in the caller's transaction. Answers whether it was queued: `false` means that
/// the same job waits or runs already.
pub async fn enqueue(tx: &WriteTx, kind: &JobKind, run_at: Timestamp) -> Result<bool> {
    let job = ActiveModel {
        id: NotSet,
        kind: Set(kind.name().to_owned()),
        dedupe_key: Set(Some(kind.dedupe_key())),
        payload: Set(kind.payload()?),
        state: Set(JobState::Ready),
        run_at: Set(run_at),
        attempt: Set(0),
        max_attempts: Set(kind.max_attempts()),
        lease_owner: Set(None),
        lease_until: Set(None),
        last_error: Set(None),
        created_at: Set(tx.now()),
        finished_at: Set(None),
    };
    // The index is partial, so the conflict is left unnamed. Doing nothing, unlike failing, keeps a
    // PostgreSQL transaction usable.
    let on_conflict = OnConflict::new().do_nothing().to_owned();
    let inserted =
        Entity::insert(job).on_conflict(on_conflict).exec_without_returning(tx.connection()).await?;
    let queued = inserted > 0;
    if queued {
        tx.adds_job();
    }
    Ok(queued)
}

/// Lets a job that waits come at another time, or queues it. One that runs sees for itself what changed.
pub(crate) async fn reschedule(tx: &WriteTx, kind: &JobKind, run_at: Timestamp) -> Result<()> {
    // Plan: ux_job_dedupe.
    let moved = Entity::update_many()
        .set(ActiveModel { run_at: Set(run_at), ..ActiveModel::default() })
        .filter(Column::Kind.eq(kind.name()))
        .filter(Column::DedupeKey.eq(kind.dedupe_key()))
        .filter(Column::State.eq(JobState::Ready))
        .exec(tx.connection())
        .await?;
    if moved.rows_affected == 0 {
        enqueue(tx, kind, run_at).await?;
    } else {
        tx.adds_job();
    }
    Ok(())
}

/// Queues a job so that it comes at `run_at` at the latest.
pub(crate) async fn hasten(tx: &WriteTx, kind: &JobKind, run_at: Timestamp) -> Result<()> {
    if enqueue(tx, kind, run_at).await? {
        return Ok(());
    }
    // Plan: ux_job_dedupe. One that runs sees for itself what changed.
    Entity::update_many()
        .set(ActiveModel { run_at: Set(run_at), ..ActiveModel::default() })
        .filter(Column::Kind.eq(kind.name()))
        .filter(Column::DedupeKey.eq(kind.dedupe_key()))
        .filter(Column::State.eq(JobState::Ready))
        .filter(Column::RunAt.gt(run_at))
        .exec(tx.connection())
        .await?;
    tx.adds_job();
    Ok(())
}

/// Takes a job out of the queue, also out of the hands of the runner that has it. Answers whether there was
/// one.
pub async fn cancel(tx: &WriteTx, kind: &JobKind) -> Result<bool> {
    // Index: ux_job_dedupe.
    const SQL: &str = "UPDATE job SET state = 'done', run_at = $1, finished_at = $1, \
                       lease_owner = NULL, lease_until = NULL, last_error = 'cancelled' \
                       WHERE kind = $2 AND dedupe_key = $3 AND state IN ('ready', 'running')";
    let values = [tx.now().into(), kind.name().into(), kind.dedupe_key().into()];
    let done = tx.connection().execute_raw(dialect::statement(tx.connection(), SQL, values)).await?;
    Ok(done.rows_affected() > 0)
}

/// Takes up to `limit` jobs that are due, or whose runner let its lease run out, for `owner` and for as long
/// as `lease`; those due first come first.
pub async fn claim(db: &Db, owner: &str, limit: u64, lease: Duration) -> Result<Vec<Job>> {
    let tx = db.begin_write().await?;
    // Index: ix_job_claim, once per state. The CTE is evaluated once; a bare `IN (SELECT … LIMIT)` need not
    // be. On PostgreSQL two claimers skip each other's rows; on SQLite there is only one at a time.
    let sql = format!(
        "WITH picked AS (\
           SELECT id FROM job \
           WHERE (state = 'ready' AND run_at <= $1) OR (state = 'running' AND lease_until <= $1) \
           ORDER BY run_at, id LIMIT $2 {}\
         ) \
         UPDATE job SET state = 'running', attempt = attempt + 1, lease_owner = $3, lease_until = $4 \
         WHERE id IN (SELECT id FROM picked) RETURNING *",
        dialect::skip_locked(tx.connection())
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [tx.now().into(), limit.into(), owner.into(), tx.now().after(lease).into()];
    let mut jobs =
        Job::find_by_statement(dialect::statement(tx.connection(), sql, values)).all(tx.connection()).await?;
    tx.commit().await?;
    jobs.sort_by_key(|job| (job.run_at, job.id));
    Ok(jobs)
}

/// Extends the lease of a claimed job.
pub async fn heartbeat(db: &Db, job: &Job, lease: Duration) -> Result<()> {
    let tx = db.begin_write().await?;
    let change = ActiveModel { lease_until: Set(Some(tx.now().after(lease))), ..ActiveModel::default() };
    settle(tx, job, change).await
}

/// The job is done.
pub async fn finish(db: &Db, job: &Job) -> Result<()> {
    let tx = db.begin_write().await?;
    let change = ActiveModel {
        state: Set(JobState::Done),
        finished_at: Set(Some(tx.now())),
        last_error: Set(None),
        ..released()
    };
    settle(tx, job, change).await
}

/// The job failed and is tried again at `run_at`.
pub async fn retry(db: &Db, job: &Job, run_at: Timestamp, error: &str) -> Result<()> {
    let change = ActiveModel {
        state: Set(JobState::Ready),
        run_at: Set(run_at),
        last_error: Set(Some(error.to_owned())),
        ..released()
    };
    settle(db.begin_write().await?, job, change).await
}

/// The job was not really tried: it comes again at `run_at`, and the attempt does not count.
pub async fn postpone(db: &Db, job: &Job, run_at: Timestamp) -> Result<()> {
    let attempt = Set(job.attempt.saturating_sub(1));
    let change = ActiveModel { state: Set(JobState::Ready), run_at: Set(run_at), attempt, ..released() };
    settle(db.begin_write().await?, job, change).await
}

/// The job is given up.
pub async fn fail(db: &Db, job: &Job, error: &str) -> Result<()> {
    let tx = db.begin_write().await?;
    let change = ActiveModel {
        state: Set(JobState::Dead),
        finished_at: Set(Some(tx.now())),
        last_error: Set(Some(error.to_owned())),
        ..released()
    };
    settle(tx, job, change).await
}

fn released() -> ActiveModel {
    ActiveModel { lease_owner: Set(None), lease_until: Set(None), ..ActiveModel::default() }
}

/// Writes what became of a claimed job, unless it is no longer the claimant's.
async fn settle(tx: WriteTx, job: &Job, change: ActiveModel) -> Result<()> {
    let written = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(job.id))
        .filter(Column::Attempt.eq(job.attempt))
        .filter(Column::LeaseOwner.eq(job.lease_owner.as_deref()))
        .exec(tx.connection())
        .await?;
    if written.rows_affected == 0 {
        return Err(Error::Conflict { reason: format!("job {} is no longer this runner's", job.id) });
    }
    tx.commit().await
}

/// Jobs that a quiet queue does not have: due, running or given up.
pub async fn list_unsettled(source: &impl Source, now: Timestamp) -> Result<Vec<Job>> {
    let due = Column::State.eq(JobState::Ready).and(Column::RunAt.lte(now));
    let jobs = Entity::find()
        .filter(Column::State.is_in([JobState::Running, JobState::Dead]).or(due))
        .order_by_asc(Column::Id)
        .all(source.connection())
        .await?;
    Ok(jobs)
}

/// Forgets jobs in `state` that ended before `cutoff`; answers how many.
pub async fn prune(db: &Db, state: JobState, cutoff: Timestamp) -> Result<u64> {
    // Index: ix_job_claim up to the cutoff; a job never ends before its time came.
    const SQL: &str = "DELETE FROM job WHERE id IN (\
                         SELECT id FROM job WHERE state = $1 AND run_at < $2 AND finished_at < $2 \
                         ORDER BY run_at, id LIMIT $3)";
    let mut pruned = 0;
    loop {
        let tx = db.begin_write().await?;
        let values = [state.to_value().into(), cutoff.into(), BATCH.into()];
        let removed = tx
            .connection()
            .execute_raw(dialect::statement(tx.connection(), SQL, values))
            .await?
            .rows_affected();
        tx.commit().await?;
        pruned += removed;
        if removed < BATCH.unsigned_abs() {
            return Ok(pruned);
        }
    }
}
