//! Kind → handler. A handler may be stopped and started again at any point, and may run twice.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use counterweight_domain::artifact;
use counterweight_domain::audit;
use counterweight_domain::bulk::{self, BulkState};
use counterweight_domain::deletion::{self, ArchiveEnd, Purge};
use counterweight_domain::history::{self, Merge};
use counterweight_domain::job::{self, Job, JobKind, JobState};
use counterweight_domain::retention::{self, Application, Retention, Taken};
use counterweight_domain::{Db, Error, Timestamp, run, switch};
use tokio_util::sync::CancellationToken;

use crate::gc;
use crate::runner::Worker;

/// How often a job that waits while the collector is paused asks whether it still is.
const PAUSE_CHECK: Duration = Duration::from_mins(1);
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
            Error::Conflict { .. } | Error::Unavailable { .. } | Error::ReadOnly | Error::Internal { .. } => {
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
    if waits_while_paused(&kind) {
        refuse_while_paused(db).await?;
    }
    match kind {
        JobKind::PurgeDeletion { deletion_id } => purge(db, &deletion_id, stop).await,
        JobKind::DeleteArchivedRun { run_id } => {
            match deletion::delete_archived(db, run_id, settings.retention).await? {
                ArchiveEnd::Deleted => tracing::info!(run.id = %run_id, "archive period over, deleted"),
                ArchiveEnd::NotBefore(moment) => return Err(JobError::NotBefore(moment)),
                ArchiveEnd::Withdrawn | ArchiveEnd::Held => {}
            }
            Ok(())
        }
        JobKind::ChangeRuns { task_id } => change_runs(db, &task_id, stop).await,
        JobKind::MergeHistory { run_id } => {
            while Box::pin(history::merge(db, worker.blobs(), run_id)).await? != Merge::Nothing {
                if stop.is_cancelled() {
                    return Err(JobError::Stopped);
                }
            }
            Ok(())
        }
        JobKind::SettleHistory { run_id } => loop {
            match Box::pin(history::settle(db, worker.blobs(), run_id, settings.settle_after)).await? {
                Merge::NotBefore(moment) => return Err(JobError::NotBefore(moment)),
                Merge::Nothing => return Ok(()),
                Merge::Merged(_) if stop.is_cancelled() => return Err(JobError::Stopped),
                Merge::Merged(_) => {}
            }
        },
        JobKind::PurgeArtifact { artifact_id } => {
            while artifact::purge_step(db, artifact_id).await? {
                if stop.is_cancelled() {
                    return Err(JobError::Stopped);
                }
                refuse_while_paused(db).await?;
            }
            Ok(())
        }
        JobKind::ApplyRetention => Box::pin(apply_retention(db, settings.retention, stop)).await,
        JobKind::ExpireArtifacts => expire_artifacts(db, settings.gc.upload_window, stop).await,
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
        JobKind::SealAudit => {
            while audit::seal(db).await? {
                if stop.is_cancelled() {
                    return Err(JobError::Stopped);
                }
            }
            Ok(())
        }
        JobKind::PruneJobs => {
            job::prune(db, JobState::Done, db.now().before(KEEP_DONE)).await?;
            job::prune(db, JobState::Dead, db.now().before(KEEP_DEAD)).await?;
            run::forget_submissions(db).await?;
            Ok(())
        }
    }
}

/// What is never done while the collector is paused: whatever brings something nearer to its end.
fn waits_while_paused(kind: &JobKind) -> bool {
    match kind {
        JobKind::PurgeDeletion { .. }
        | JobKind::PurgeArtifact { .. }
        | JobKind::DeleteArchivedRun { .. }
        | JobKind::ApplyRetention
        | JobKind::ExpireArtifacts
        | JobKind::Collect => true,
        JobKind::ChangeRuns { .. }
        | JobKind::MergeHistory { .. }
        | JobKind::SettleHistory { .. }
        | JobKind::CrashStaleRuns
        | JobKind::SealAudit
        | JobKind::PruneJobs => false,
    }
}

/// Asked before each batch, so that a switch stops what is under way. The job comes again and goes on where it was.
async fn refuse_while_paused(db: &Db) -> Result<(), JobError> {
    if switch::stops_collector(db).await? {
        return Err(JobError::NotBefore(db.now().after(PAUSE_CHECK)));
    }
    Ok(())
}

async fn purge(db: &Db, deletion_id: &str, stop: &CancellationToken) -> Result<(), JobError> {
    while !stop.is_cancelled() {
        match deletion::purge_step(db, deletion_id).await? {
            Purge::Underway => refuse_while_paused(db).await?,
            Purge::Behind => deletion::catch_up(db, deletion_id).await?,
            Purge::Complete => {
                tracing::info!(deletion.id = deletion_id, "purged");
                return Ok(());
            }
            Purge::NotBefore(moment) => return Err(JobError::NotBefore(moment)),
            Purge::Withdrawn | Purge::Held => return Ok(()),
        }
    }
    Err(JobError::Stopped)
}

async fn apply_retention(db: &Db, settings: Retention, stop: &CancellationToken) -> Result<(), JobError> {
    for rule in retention::list_enabled(db).await? {
        let (id, mut sum) = (rule.id, Taken::default());
        let mut application = Application::begin(rule);
        loop {
            match application.step(db, settings).await {
                Ok(Some(taken)) => {
                    sum.archived += taken.archived;
                    sum.deleted += taken.deleted;
                }
                Ok(None) => break,
                // The others are not to wait until it is written anew.
                Err(error @ Error::Invalid { .. }) => {
                    tracing::error!(rule.id = %id, error = &error as &dyn std::error::Error, "cannot apply a rule");
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            if stop.is_cancelled() {
                return Err(JobError::Stopped);
            }
            refuse_while_paused(db).await?;
        }
        if sum != Taken::default() {
            tracing::info!(rule.id = %id, sum.archived, sum.deleted, "applied a retention rule");
        }
    }
    Ok(())
}

async fn expire_artifacts(db: &Db, window: Duration, stop: &CancellationToken) -> Result<(), JobError> {
    let (mut expired, mut given_up) = (0, 0);
    while !stop.is_cancelled() {
        let (due, stale) =
            (artifact::expire_versions(db).await?, artifact::expire_pending(db, window).await?);
        if due + stale == 0 {
            if expired + given_up > 0 {
                tracing::info!(expired, given_up, "deleted artifacts");
            }
            return Ok(());
        }
        (expired, given_up) = (expired + due, given_up + stale);
        refuse_while_paused(db).await?;
    }
    Err(JobError::Stopped)
}

async fn change_runs(db: &Db, task_id: &str, stop: &CancellationToken) -> Result<(), JobError> {
    while !stop.is_cancelled() {
        let state = bulk::continue_task(db, task_id).await?;
        if state != BulkState::Underway {
            tracing::info!(task.id = task_id, ?state, "changed runs");
            return Ok(());
        }
    }
    Err(JobError::Stopped)
}
