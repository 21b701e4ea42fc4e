//! The claim loop: takes what is due, keeps its leases, writes down what became of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use counterweight_domain::job::{self, Job, JobKind};
use counterweight_domain::switch::{self, Switch};
use counterweight_domain::{Db, Error, Result};
use counterweight_storage::BlobStore;
use futures_util::FutureExt as _;
use metrics::{counter, histogram};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::Settings;
use crate::handlers::{self, JobError};

const CRASH_CHECKS_PER_SPAN: u32 = 5;
const PRUNE_EVERY: Duration = Duration::from_hours(1);
/// How long an audit entry waits for its place in the chain.
const SEAL_EVERY: Duration = Duration::from_mins(1);

/// Takes jobs from the queue and does them. Any number of workers may share one database.
#[derive(Clone, Debug)]
pub struct Worker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    blobs: BlobStore,
    settings: Settings,
    owner: String,
}

impl Worker {
    /// A worker with an identity of its own.
    pub fn new(db: Db, blobs: BlobStore, settings: Settings) -> Self {
        let owner = db.env().uuid().to_string();
        Self(Arc::new(Inner { db, blobs, settings, owner }))
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn blobs(&self) -> &BlobStore {
        &self.0.blobs
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Works until `shutdown`, then lets running jobs stop at their next safe point and gives them back.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut running = JoinSet::new();
        while !shutdown.is_cancelled() {
            // Registered before the poll, so that a job queued in between is not waited for.
            let mut added = std::pin::pin!(self.db().jobs_added().notified());
            added.as_mut().enable();
            if let Err(error) = self.start_due(&mut running, &shutdown).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot read the queue");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = added => {}
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(self.settings().poll) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Does everything that is due now, one job at a time; answers how many there were.
    pub async fn drain(&self) -> Result<u64> {
        let mut done = 0;
        if self.must_rest().await? {
            return Ok(done);
        }
        self.advance_schedules().await?;
        loop {
            let claimed = job::claim(self.db(), &self.0.owner, 1, self.settings().lease).await?;
            if claimed.is_empty() {
                return Ok(done);
            }
            for job in claimed {
                self.clone().work(job, CancellationToken::new()).await;
                done += 1;
            }
        }
    }

    /// While the instance is read-only no job begins.
    async fn must_rest(&self) -> Result<bool> {
        Ok(switch::get(self.db(), Switch::ReadOnly).await?.is_some())
    }

    async fn start_due(&self, running: &mut JoinSet<()>, shutdown: &CancellationToken) -> Result<()> {
        if self.must_rest().await? {
            return Ok(());
        }
        self.advance_schedules().await?;
        let free = free_slots(self.settings().concurrency, running.len());
        if free == 0 {
            return Ok(());
        }
        for job in job::claim(self.db(), &self.0.owner, free as u64, self.settings().lease).await? {
            running.spawn(self.clone().work(job, shutdown.child_token()));
        }
        Ok(())
    }

    async fn advance_schedules(&self) -> Result<()> {
        let settings = self.settings();
        for (kind, period) in [
            (JobKind::CrashStaleRuns, settings.crash_after / CRASH_CHECKS_PER_SPAN),
            (JobKind::ApplyRetention, settings.retention_interval),
            (JobKind::ExpireArtifacts, settings.gc.interval),
            (JobKind::Collect, settings.gc.interval),
            (JobKind::SealAudit, SEAL_EVERY),
            (JobKind::PruneJobs, PRUNE_EVERY),
        ] {
            job::advance(self.db(), &kind, period).await?;
        }
        Ok(())
    }

    /// Does one claimed job. `stop` ends it early, at shutdown or when the lease is lost.
    async fn work(self, job: Job, stop: CancellationToken) {
        let span = tracing::info_span!("job", job.id = %job.id, job.kind, job.attempt);
        let started = self.db().now();
        let outcome = async {
            // Of its own, so that a handler can neither forget it nor hold it up; ends with this block.
            let mut heartbeat = JoinSet::new();
            heartbeat.spawn(self.clone().keep_lease(job.clone(), stop.clone()));
            let handled = AssertUnwindSafe(handlers::handle(&self, &job, &stop)).catch_unwind().await;
            handled.unwrap_or_else(|_| Err(JobError::Retry(anyhow::anyhow!("the handler panicked"))))
        }
        .instrument(span.clone())
        .await;
        let micros = self.db().now().0.saturating_sub(started.0).max(0).unsigned_abs();
        histogram!("counterweight_jobs_duration_seconds", "kind" => job.kind.clone())
            .record(Duration::from_micros(micros));
        self.settle(&job, outcome).instrument(span).await;
    }

    async fn settle(&self, job: &Job, outcome: Result<(), JobError>) {
        let db = self.db();
        let (name, written) = match outcome {
            Ok(()) => ("done", job::finish(db, job).await),
            Err(JobError::Stopped) => ("stopped", job::postpone(db, job, job.run_at).await),
            Err(JobError::NotBefore(moment)) => ("postponed", job::postpone(db, job, moment).await),
            Err(JobError::Retry(cause)) if job.attempt < job.max_attempts => {
                tracing::warn!(cause = format!("{cause:#}"), "job failed, to be tried again");
                let wait = job::backoff(job.attempt.unsigned_abs(), db.env());
                ("retried", job::retry(db, job, db.now().after(wait), &format!("{cause:#}")).await)
            }
            Err(JobError::Retry(cause) | JobError::Fail(cause)) => {
                tracing::error!(cause = format!("{cause:#}"), "job failed for good");
                ("dead", job::fail(db, job, &format!("{cause:#}")).await)
            }
        };
        match written {
            Ok(()) => counter!("counterweight_jobs_total", "kind" => job.kind.clone(), "outcome" => name)
                .increment(1),
            Err(Error::Conflict { .. }) => tracing::info!("the job is over, or another worker has it"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot write down what became of the job; it runs again when its lease is over"
            ),
        }
    }

    /// Extends the lease for as long as it lives; cancels `stop` when the job is no longer ours.
    async fn keep_lease(self, job: Job, stop: CancellationToken) {
        let lease = self.settings().lease;
        let mut held_until = self.db().now().after(lease);
        loop {
            tokio::time::sleep(lease / 3).await;
            match job::heartbeat(self.db(), &job, lease).await {
                Ok(()) => held_until = self.db().now().after(lease),
                Err(Error::Conflict { .. }) => return stop.cancel(),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot extend the lease of the job"
                    );
                    if self.db().now() >= held_until {
                        return stop.cancel();
                    }
                }
            }
        }
    }
}

fn free_slots(limit: usize, running: usize) -> usize {
    limit.saturating_sub(running)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner_tests::worker_on;
    use crate::test_support::{TestDb, backend_test};

    const LEASE: Duration = Duration::from_millis(3);

    backend_test!(a_job_that_is_no_longer_ours_is_told_to_stop, |test| {
        let tx = test.db.begin_write().await.unwrap();
        job::enqueue(&tx, &JobKind::Collect, tx.now()).await.unwrap();
        tx.commit().await.unwrap();
        let job = job::claim(&test.db, "a", 1, LEASE).await.unwrap().pop().unwrap();
        test.advance(LEASE);
        job::claim(&test.db, "b", 1, LEASE).await.unwrap().pop().unwrap();
        let stop = CancellationToken::new();
        worker_on(test.db.clone(), LEASE).keep_lease(job, stop.clone()).await;
        assert!(stop.is_cancelled());
    });

    #[test]
    fn a_full_worker_has_no_free_slot() {
        for (limit, running, free) in [(4, 0, 4), (4, 3, 1), (4, 4, 0), (4, 5, 0), (0, 0, 0)] {
            assert_eq!(free_slots(limit, running), free);
        }
    }
}
