//! Kind → handler. A handler may be stopped and started again at any point, and may run twice.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use counterweight_domain::deletion::{self, ArchiveEnd, Purge};
use counterweight_domain::id::RunId;
use counterweight_domain::job::{self, Job, JobKind, JobState};
use counterweight_domain::{Db, Error, Timestamp, run};
use tokio_util::sync::CancellationToken;

use crate::gc;
use crate::runner::Worker;

const KEEP_DONE: Duration = Duration::from_hours(7 * 24);
const KEEP_DEAD: Duration = Duration::from_hours(30 * 24);

/// Why a job is not done.
#[derive(Debug)]
pub(crate) enum JobError {
    /// Trying again may help.
    Retry(anyhow::Error),
    /// Trying again is of no use.
    Fail(anyhow::Error),
    /// Its time has not come.
    NotBefore(Timestamp),
    /// It was told to stop.
    Stopped,
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict { .. } | Error::Unavailable { .. } | Error::Internal { .. } => {
                Self::Retry(error.into())
            }
            _ => Self::Fail(error.into()),
        }
    }
}

pub(crate) async fn handle(worker: &Worker, job: &Job, stop: &CancellationToken) -> Result<(), JobError> {
    if job.attempt > job.max_attempts {
        return Err(JobError::Fail(anyhow!("none of {} attempts came to an end", job.max_attempts)));
    }
    let kind = job.parse().context("this version does not know such a job").map_err(JobError::Fail)?;
    let (db, settings) = (worker.db(), worker.settings());
    match kind {
        JobKind::PurgeRun { run_id, deletion_id } => purge_run(db, run_id, &deletion_id, stop).await,
        JobKind::DeleteArchivedRun { run_id } => {
            match deletion::delete_archived(db, run_id, settings.trash).await? {
                ArchiveEnd::Deleted => tracing::info!(run.id = %run_id, "archive period over, deleted"),
                ArchiveEnd::NotBefore(moment) => return Err(JobError::NotBefore(moment)),
                ArchiveEnd::Withdrawn => {}
            }
            Ok(())
        }
        JobKind::CrashStaleRuns => {
            let crashed = run::crash_stale(db, settings.crash_after, settings.preempt_grace).await?;
            if crashed > 0 {
                tracing::info!(crashed, "gave up silent runs");
            }
            Ok(())
        }
        JobKind::Collect => {
            let report = gc::pass_until(db, worker.blobs(), &settings.gc, stop).await?;
            tracing::info!(
                scanned = report.scanned,
                doomed = report.doomed,
                swept = report.swept,
                bytes = report.bytes,
                failed = report.failed,
                "collected"
            );
            if stop.is_cancelled() { Err(JobError::Stopped) } else { Ok(()) }
        }
        JobKind::PruneJobs => {
            job::prune(db, JobState::Done, db.now().before(KEEP_DONE)).await?;
            job::prune(db, JobState::Dead, db.now().before(KEEP_DEAD)).await?;
            Ok(())
        }
    }
}

async fn purge_run(
    db: &Db,
    run_id: RunId,
    deletion_id: &str,
    stop: &CancellationToken,
) -> Result<(), JobError> {
    while !stop.is_cancelled() {
        match deletion::purge_step(db, run_id, deletion_id).await? {
            Purge::Underway => {}
            Purge::Complete => {
                tracing::info!(run.id = %run_id, deletion.id = deletion_id, "purged");
                return Ok(());
            }
            Purge::NotBefore(moment) => return Err(JobError::NotBefore(moment)),
            Purge::Withdrawn => return Ok(()),
        }
    }
    Err(JobError::Stopped)
}
